/* merge_priv.h - the parts of merge, shared by the merge_*.c files.
 * Invariant: functions marked collective are called by all ranks in the same order and leave with
 * the same status. */
#ifndef MP_RUN_MERGE_PRIV_H
#define MP_RUN_MERGE_PRIV_H

#include "run/merge/merge.h"
#include "run/query/query_priv.h"

/* merge_virtual.c: the output is a virtual table over the inputs. Collective. */
mp_status mp_merge_virtual(mp_job *j, mp_buf *text, mp_error *err);

/* ---- merge_runs.c: sorted runs of rows in a scratch file of this rank, which nobody can see ---- */

typedef struct {
    const char *scratch; /* as in mp_run_spec */
    int fd;              /* -1: nothing is written yet */
    int64_t end;
    int64_t n_rows;
    mp_buf runs; /* where each one's rows that were not taken yet begin, and its end */
    mp_buf block;
} mp_merge_runs;
void mp_merge_runs_init(mp_merge_runs *r, const char *scratch, mp_mem *mem);
void mp_merge_runs_release(mp_merge_runs *r);
/* Forgets all runs. */
void mp_merge_runs_clear(mp_merge_runs *r);
/* The rows as one run more; they are released. MP_IO, MP_NOMEM. */
MP_MUST_CHECK mp_status mp_merge_runs_add(mp_merge_runs *r, mp_rows *rows, mp_row_order *order,
                                          mp_error *err);
/* Gives some rows of run *i, from where the last call came to on, to take, which sets *over at the first one
 * that is not wanted yet; then, and at a run's end, *i is the next run. *i < 0: there is none. MP_ROW_SLACK
 * bytes can be read behind each row. Begin with *i 0. */
MP_MUST_CHECK mp_status mp_merge_runs_next(mp_merge_runs *r, int64_t *i,
                                           mp_status (*take)(void *ctx, const mp_row *row,
                                                             bool *over, mp_error *err),
                                           void *ctx, mp_error *err);

/* ---- a sorted merge on one rank, mp_job.ctx ---- */

enum {
    MP_MERGE_KEY_BYTES = 256,  /* of a key that a split is listed with */
    MP_MERGE_SAMPLES = 1 << 15 /* keys of all ranks' sample, at most */
};

/* A split of a file, which any rank can read again. */
typedef struct {
    int64_t split, n_rows;
    int64_t first, last; /* cells (merge_sort.c) that its rows are in, and between */
    const uint8_t *desc;
    size_t desc_len;
} mp_merge_part;

typedef struct {
    mp_job *j;
    int64_t share_bytes; /* rows in memory at once, with what sorting them takes */

    /* merge_pass.c: what the pass found */
    int64_t split;      /* under way; -1: none */
    int64_t split_rows; /* of it, so far */
    mp_buf least, most; /* the beginnings of its least and greatest key */
    mp_buf splits;      /* i64 split, i64 rows, bytes least, bytes greatest */
    mp_rows sample;     /* a key per step bytes of rows */
    double step, owed;
    double weight;       /* of all rows: what they will take in memory */
    double text_bytes;   /* of rows that were formatted to see how long they are: */
    double record_bytes; /* of these rows in the input */
    uint32_t n_batches;
    int64_t n_rows;
    mp_merge_runs runs; /* rows that cannot be read again, or not well */

    /* merge_sort.c */
    mp_row_ranges cuts;    /* between the cells */
    int64_t n_rounds, own; /* own: cells of a rank in one round */
    mp_buf list,
        parts; /* all ranks' splits as rank 0 told them; mp_merge_part, ascending by split */
    int64_t n_parts;
    int64_t next; /* rank 0: part that may go to scratch */
} mp_merge;

/* merge_pass.c */
/* As mp_job.opened: splits are cut small enough. */
void mp_merge_opened(mp_job *j);
/* As mp_job.pass: which keys each split has; rows that cannot be read again go to scratch. Collective. */
mp_status mp_merge_pass(mp_job *j, mp_flow_verdict *verdict, mp_error *err);
/* The rows of a batch of the scan join those kept in j->rows, which become a run where they are as many as may
 * be in memory. */
mp_status mp_merge_keep(mp_merge *m, const mp_batch *values, mp_error *err);
mp_status mp_merge_keep_rest(mp_merge *m, mp_error *err);
/* Every second key of the sample, until there is one per step. */
mp_status mp_merge_thin(mp_merge *m, double step, mp_error *err);

/* merge_sort.c: as mp_job.write. Collective. */
mp_status mp_merge_write(mp_job *j, mp_error *err);

#endif
