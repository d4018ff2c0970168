/* query_priv.h - the state of one query on one rank, shared by the query_*.c files.
 * Invariant: functions marked collective are called by all ranks in the same order and leave with
 * the same status. */
#ifndef MP_RUN_QUERY_PRIV_H
#define MP_RUN_QUERY_PRIV_H

#include "op/groups.h"
#include "run/answer.h"
#include "run/query_run.h"
#include "run/scan.h"

enum {
    MP_SORTED_GROUPS = 65536, /* up to so many groups come sorted by key */
    MP_PIECE_ROWS = 4096,     /* results in one piece of the answer */
    MP_TOP_ROWS = 65536       /* up to so many rows are kept by heaps and gathered */
};

typedef struct {
    mp_comm *c;
    const mp_spec *spec;
    mp_mem *mem;
    mp_report *report;
    mp_table table;
    mp_table_stream *streams; /* rank 0, until the feed has them */
    mp_feed *feed;            /* rank 0 */
    mp_scan *scan;
    mp_query q;
    mp_evidence *seen; /* of the table's columns: what the plan in use believes */
    mp_scan_plan plan;
    bool in_doubt;  /* the plan does not fit the sample's types: they have to be found first */
    mp_arena arena; /* for the whole run */
    mp_arena batch_arena; /* for one batch */
    mp_answer *answer;
    mp_out_file *rejects; /* rank 0: --rejects; made before the scan, named after the answer */
    mp_flow_run *run;     /* the flow under way */
    int64_t exchange_bytes;

    /* pass-through: the text of the split under way */
    mp_buf text, row_ends;
    int64_t text_rows;

    mp_rows *rows; /* kept rows: outputs, sort keys, tie breakers */
    mp_sort_key *sort_keys;
    int n_sort_keys;
    int64_t top;           /* rows to keep, -1: all */
    const uint32_t *order; /* of the rows, once sorted */
    int64_t taken;         /* kept rows or groups that have gone into pieces */

    mp_group *pre;     /* rows into groups */
    mp_groups *groups; /* this rank's own groups */
    bool flushed;      /* the table has been emptied before */
    mp_type *key_types;
    uint8_t *key_ts_sep;
    mp_result_plan results;
} mp_job;

/* An error of one rank becomes the agreed error of all. Collective. */
mp_status mp_job_agree(mp_job *j, mp_status st, const mp_error *mine, mp_error *err);

/* Evaluate values on a batch: *out has their columns, in the batch's arena. placed: errors belong
 * to rows of the scan. */
mp_status mp_job_values(mp_job *j, const mp_plan_value *values, int n, const mp_batch *in,
                        mp_batch *out, mp_error *err);

/* query_types.c */
/* Bind the query to what the sample shows, or to no types at all where only the data can say
 * whether it fits (j->in_doubt). */
mp_status mp_job_bind(mp_job *j, mp_error *err);
/* Find the types by passes that compute nothing, and bind to them: what fails then is true. MP_DATA
 * where the query does not fit the types of the data. Collective. */
mp_status mp_job_find_types(mp_job *j, mp_error *err);

/* query_pass.c: rows in input order. Collective. */
mp_status mp_job_pass_rows(mp_job *j, mp_flow_verdict *verdict, mp_error *err);

/* query_sort.c */
/* The rows of the scan, kept. Collective. */
mp_status mp_job_keep_rows(mp_job *j, mp_flow_verdict *verdict, mp_error *err);
/* Rows to keep for a small limit, -1: all. */
int64_t mp_job_top(const mp_query *q);
/* Forget kept rows that cannot be among the first, when there are more than at_least. */
mp_status mp_job_prune(mp_job *j, int64_t at_least, mp_error *err);
/* Kept rows: moved to rank 0 (to_head) or over the ranks in order of the sort, sorted, written.
 * Collective. */
mp_status mp_job_write_rows(mp_job *j, bool to_head, mp_error *err);

/* query_group.c */
/* The rows of the scan into groups of this rank. Collective. */
mp_status mp_job_group(mp_job *j, mp_flow_verdict *verdict, mp_error *err);
/* Group results to the answer. Collective. */
mp_status mp_job_write_groups(mp_job *j, mp_error *err);

/* query_write.c: this rank's n_rows results as numbered pieces of the answer. next adds what it
 * took to j->taken; *more false: there is no further batch. Collective. */
typedef mp_status (*mp_next_batch_fn)(mp_job *j, mp_batch *out, bool *more, mp_error *err);
mp_status mp_job_write_pieces(mp_job *j, mp_next_batch_fn next, int64_t n_rows, mp_error *err);
/* Begin the answer with the names of the outputs. Collective. */
mp_status mp_job_begin_answer(mp_job *j, bool is_final, mp_error *err);

#endif
