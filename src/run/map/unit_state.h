/* unit_state.h - a unit phase under way; for unit.c and unit_head.c alone.
 * Invariant: message handlers only note what came; the rounds in unit.c act on it. */
#ifndef MP_RUN_UNIT_STATE_H
#define MP_RUN_UNIT_STATE_H

#include "run/map/unit.h"
#include "run/phase.h"

/* Messages of MP_TAG_UNIT: u32 serial, u8 kind, then as said here. */
typedef enum {
    MP_UNIT_DONE = 1, /* to rank 0: mp_unit_record */
    MP_UNIT_BACK,     /* to rank 0: i64 unit that was not begun */
    MP_UNIT_SYNCED,   /* to rank 0: the results of all DONE before are on the disk */
    MP_UNIT_TROUBLE,  /* to rank 0: mp_error */
    MP_UNIT_GIVE,     /* from rank 0: i64 unit, u32 try from 1, its description */
    MP_UNIT_SYNC,     /* from rank 0: sync now */
    MP_UNIT_STOP,     /* from rank 0: u8 1: also the one under way */
    MP_UNIT_KEEP,     /* from rank 0: nobody has a unit; keep now */
    MP_UNIT_VERDICT   /* from rank 0, its last message: u8 asked_to_stop, mp_error */
} mp_unit_message;

enum { MP_UNIT_IN_HAND = 4 };

typedef struct {
    int64_t due_ns, unit;
} mp_unit_due;

typedef struct {
    int64_t unit;
    int32_t tries;
    mp_buf desc;
} mp_unit_given;

/* What rank 0 knows of all. */
typedef struct {
    uint16_t *tries; /* by unit */
    int64_t next;    /* place in the order of the first unit that was not looked at */
    mp_unit_due *due;
    int64_t n_due, cap_due; /* a heap: units that come again, soonest first */
    int *in_hand;           /* by rank */
    bool *
        is_long; /* by rank: it gave units back, as the one it works on takes long; until that is done */
    mp_buf *unsynced; /* by rank: lines of ended units whose results are not synced */
    int64_t n_out, n_unsynced;
    int first; /* rank that is asked first in the next round */
    mp_buf lines;
    int64_t lines_since_ns; /* when the first of lines came */
    int64_t mean_ns;        /* of a unit's run, lately; 0: none yet */
    int64_t *parked;        /* by unit: the next one of the same group that waits; n_groups firsts,
                               lasts and counts of running ones behind it */
    int64_t *group_first, *group_last, *group_running;
    int64_t n_parked;
    bool stopping, killing, sync_asked;
    int64_t kept_ns;        /* the last keep, or the beginning */
    int64_t try_keep_ns;    /* not before */
    int64_t waited_ns;      /* since the last one, while nothing was handed out */
    int64_t longest_ns;     /* of a unit's runs, lately */
    int64_t quiet_since_ns; /* nothing is handed out since, for keep; 0: it is */
    bool keeping;           /* all were told to */
    bool to_keep;           /* something ended since the last one */
    mp_status why;          /* of stopping */
    mp_error error;
    mp_units_result result;
} mp_unit_head;

typedef struct {
    mp_phase phase;
    const mp_units *u;
    mp_unit_given have[MP_UNIT_IN_HAND];
    int n_have;
    mp_unit_given now; /* the unit under way */
    bool working, stopped, killed;
    int64_t since_ns;          /* it began */
    int64_t unsynced_since_ns; /* 0: all is synced */
    bool sync_now, keep_now;
    mp_error trouble; /* not told to rank 0 yet */
    mp_error told;    /* the first in order of what was */
    bool asked_to_stop;
    mp_error verdict;
    mp_unit_head head; /* rank 0 */
} mp_unit_run;

/* unit.c */
void mp_unit_trouble(mp_unit_run *r, mp_status s, const mp_error *e);

/* unit_head.c: rank 0 */
mp_status mp_unit_head_init(mp_unit_run *r, mp_error *err);
void mp_unit_head_release(mp_unit_run *r);
void mp_unit_head_trouble(mp_unit_run *r, const mp_error *e);
void mp_unit_head_hears(mp_unit_run *r, int src, mp_unit_message kind, mp_rd *in);
bool mp_unit_head_round(mp_unit_run *r);
/* All have kept. */
void mp_unit_head_kept(mp_unit_run *r);

#endif
