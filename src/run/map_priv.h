/* map_priv.h - the state of one map on one rank, shared by the map_*.c files. */
#ifndef MP_RUN_MAP_PRIV_H
#define MP_RUN_MAP_PRIV_H

#include "io/output.h"
#include "op/unit_args.h"
#include "run/map.h"
#include "run/run_dir.h"
#include "run/stop.h"

/* Where the result of a unit is. */
typedef struct {
    int64_t offset, len;
    uint64_t head_hash;
    int32_t head_len;
    int32_t run, rank;
    int32_t tries;
    int32_t code;
    uint8_t outcome; /* mp_unit_outcome; MP_UNIT_OUTCOMES: not done */
} mp_map_result;

/* Why a unit's output cannot be used (mp_unit_record.bad). */
typedef enum { MP_BAD_NONE, MP_BAD_NO_HEADER_END } mp_unit_bad;

typedef struct {
    int32_t run, rank;
    int fd;
} mp_map_log;

typedef struct {
    mp_comm *c;
    const mp_spec *spec;
    const mp_map_spec *map;
    mp_mem *mem;
    mp_report *report;
    mp_buf *text; /* rank 0: for standard output at the end */
    mp_arena arena;
    mp_stop stop;
    mp_unit_command command;
    int64_t n_units;
    bool table; /* results are tables, with headers */

    /* Rank 0. */
    mp_buf items;   /* texts, each with a NUL behind it */
    mp_buf starts;  /* int64_t: where each begins in items */
    int32_t *group; /* by item: its host; NULL: no --per-host */
    int n_groups;
    mp_run_dir *dir;
    mp_map_result *results; /* by unit */
    uint8_t *kept;          /* by unit: done by an earlier run */
    int64_t n_kept;
    char **hosts; /* by rank */
    int joblog_fd;
    mp_buf joblog;
    mp_arena log_arena; /* of its line under way */
    mp_out_file *file;
    int stream_fd;
    bool streams, closed;
    int64_t front;    /* the first unit whose result was not written to the stream */
    int64_t front_at; /* bytes of it that were */
    mp_map_log *logs; /* for reading */
    int n_logs, cap_logs;

    /* Every rank. */
    const char *folder; /* of the run */
    int run;
    bool journalled;
    mp_spawner *spawner;
    mp_work *work;
    int epoll_fd;
    mp_arena unit_arena;
    int log_fd;
    mp_buf log;         /* bytes not written yet */
    int64_t log_end;    /* bytes written and kept */
    int64_t unit_from;  /* where the unit's result begins */
    int64_t number;     /* of the unit under way, from 1 */
    mp_buf line;        /* of standard error, unfinished */
    mp_buf lines;       /* whole lines for standard error */
    int results_fd;     /* folder of --results; -1 */
    int out_fd, err_fd; /* N.out and N.err under way; -1 */
} mp_map_job;

/* map_items.c, rank 0: the list of items, and their hosts. */
mp_status mp_map_read_items(mp_map_job *j, mp_error *err);
static inline const char *mp_map_item(const mp_map_job *j, int64_t unit) {
    int64_t at;
    memcpy(&at, j->starts.data + (size_t)unit * sizeof at, sizeof at);
    return (const char *)j->items.data + at;
}

/* map_work.c, every rank: the callbacks of the unit phase. */
mp_status mp_map_begin(void *ctx, int64_t unit, const uint8_t *desc, size_t len, mp_error *err);
mp_status mp_map_step(void *ctx, bool *did, bool *done, mp_error *err);
mp_status mp_map_end(void *ctx, mp_unit_record *r, mp_error *err);
int64_t mp_map_patience(void *ctx);
void mp_map_stop(void *ctx);
mp_status mp_map_sync(void *ctx, mp_error *err);
mp_status mp_map_work_open(mp_map_job *j, mp_error *err);
void mp_map_work_close(mp_map_job *j);

/* map_head.c, rank 0. */
mp_status mp_map_describe(void *ctx, int64_t unit, mp_buf *desc, mp_error *err);
mp_status mp_map_ended(void *ctx, const mp_unit_record *r, int src, mp_error *err);
mp_status mp_map_commit(void *ctx, const mp_buf *lines, mp_error *err);
void mp_map_record(void *ctx, const mp_unit_record *r);
/* What the results depend on, as lines. */
void mp_map_facts(const mp_map_job *j, mp_buf *out);
/* Which units are kept; results whose log is gone are not. */
mp_status mp_map_keep(mp_map_job *j, mp_error *err);
mp_status mp_map_open_joblog(mp_map_job *j, mp_error *err);
mp_status mp_map_flush_joblog(mp_map_job *j, mp_error *err);
/* "exit code 2", "signal 9 (Killed)", ... */
void mp_map_outcome_text(const mp_map_result *r, char *out, size_t cap);
void mp_map_explain(const mp_map_job *j, mp_buf *out);

/* map_merge.c: results into one output. */
mp_status mp_map_open_target(mp_map_job *j, mp_error *err);
/* Rank 0, while units are under way: to the stream what is next. */
mp_status mp_map_push(void *ctx, bool *did, mp_error *err);
bool mp_map_enough(void *ctx);
/* Collective: all of the output, and its name. */
mp_status mp_map_write(mp_map_job *j, mp_error *err);
int mp_map_log_fd(mp_map_job *j, int32_t run, int32_t rank, mp_error *err);
void mp_map_close_logs(mp_map_job *j);
/* Rank 0: a hidden run folder is taken away while its files are open: nothing can be left behind. */
mp_status mp_map_hide(mp_map_job *j, mp_error *err);

#endif
