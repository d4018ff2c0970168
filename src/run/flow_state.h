/* flow_state.h - one pass under way; for flow.c and flow_hand_out.c alone.
 * Invariant: callbacks and message handlers only note what happened (trouble, asked, limit); the
 * loop in flow.c acts on it, so nothing is torn down under a caller's feet. */
#ifndef MP_RUN_FLOW_STATE_H
#define MP_RUN_FLOW_STATE_H

#include "run/flow.h"
#include "run/phase.h"

/* Messages of MP_TAG_SPLIT: u32 serial, u8 kind, then as said here. */
typedef enum {
    MP_FLOW_REPORT =
        1, /* to rank 0: i64 split, i32 status, u8 begun, the report. Asks for another split */
    MP_FLOW_TROUBLE,  /* to rank 0: i64 limit, mp_error */
    MP_FLOW_ASK_STOP, /* to rank 0: u8 verdict */
    MP_FLOW_FINAL,    /* to rank 0: the last message of this rank */
    MP_FLOW_GIVE,     /* from rank 0: i64 split, its description */
    MP_FLOW_NO_MORE,  /* from rank 0 */
    MP_FLOW_STOP,     /* from rank 0: i64 limit, u8 verdict; no GIVE comes behind it */
    MP_FLOW_VERDICT   /* from rank 0, its last message: u8 verdict, mp_error when FAILED */
} mp_flow_message;

enum {
    MP_FLOW_IN_HAND = 4
}; /* splits of a rank: one in work, the others prefetched; more where
                                 they are bound to one */

typedef struct {
    int64_t split;
    mp_buf desc;
} mp_flow_given;

typedef enum {
    MP_STAGE_SPLITS, /* splits come, or may still come */
    MP_STAGE_FINISH, /* finish_step */
    MP_STAGE_DRAIN,  /* the exchange and the sink run dry */
    MP_STAGE_LEFT    /* waiting for the verdict */
} mp_flow_stage;

/* What rank 0 knows of all. */
typedef struct {
    bool exhausted;
    bool later;  /* next_split said LATER or SOON in this round */
    bool worked; /* the split to come cost work of this rank: SOON */
    int64_t next_split;
    int *wants; /* ring of ranks that want a split, cap entries; a rank stands in it once for each
                   split by which it has fewer in hand than MP_FLOW_IN_HAND */
    int cap, first, n_wants;
    int *in_hand; /* splits by rank */
    int bound;    /* the rank that gets the next split, -1: who wants one */
    int n_final;
    int64_t limit; /* of the last STOP; INT64_MAX: none */
    bool asked_redo, asked_enough;
    bool data_only; /* all trouble: data errors at a place */
    mp_error error; /* the first by mp_error_order */
} mp_flow_head;

struct mp_flow_run {
    mp_phase phase;
    const mp_flow *f;
    mp_exchange *x; /* NULL: none */
    bool ended;     /* mp_exchange_end was called */

    mp_flow_stage stage;
    mp_buf have; /* mp_flow_given */
    bool no_more;
    bool working;
    int64_t split;

    int64_t limit; /* splits from here on are not worked on any more */
    bool stopped;
    mp_flow_verdict why;
    mp_flow_verdict asked; /* by mp_flow_stop, not told to rank 0 yet; OK: none */
    mp_error trouble;      /* not told to rank 0 yet */
    int64_t trouble_limit;

    mp_flow_verdict verdict;
    mp_error error; /* of the verdict */

    int64_t busy_ns, n_splits;
    mp_flow_head head; /* rank 0 */
};

/* flow.c */
/* A callback of this rank failed. limit: the split of a data error at a place, 0 for everything
 * else. */
void mp_flow_note_trouble(mp_flow_run *r, mp_status s, const mp_error *e, int64_t limit);
/* The limit that an error in a callback about this split sets. */
int64_t mp_flow_limit_of(const mp_error *e, int64_t split);

/* flow_hand_out.c: rank 0 */
mp_status mp_flow_head_init(mp_flow_run *r, mp_error *err);
void mp_flow_head_release(mp_flow_run *r);
/* A message to rank 0. */
void mp_flow_head_hears(mp_flow_run *r, int src, mp_flow_message kind, mp_rd *in);
/* Trouble of a rank, with the limit that it sets; a rank's wish to stop. */
void mp_flow_head_trouble(mp_flow_run *r, const mp_error *e, int64_t limit);
void mp_flow_head_asked(mp_flow_run *r, mp_flow_verdict why);
/* Hands out what is wanted, gives the verdict when all have left. True when something was done. */
bool mp_flow_head_round(mp_flow_run *r);

#endif
