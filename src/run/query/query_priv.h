/* query_priv.h - the state of one query on one rank, shared by the query_*.c files.
 * Invariant: functions marked collective are called by all ranks in the same order and leave with
 * the same status. */
#ifndef MP_RUN_QUERY_PRIV_H
#define MP_RUN_QUERY_PRIV_H

#include "op/group/groups.h"
#include "run/answer.h"
#include "run/query/query_run.h"
#include "run/scan.h"

enum {
    MP_SORTED_GROUPS = 65536, /* up to so many groups come sorted by key */
    MP_PIECE_ROWS = 4096,     /* results in one piece of the answer */
    MP_TOP_ROWS = 65536       /* up to so many rows are kept by heaps and gathered */
};

typedef struct mp_job {
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
    /* In place of what the query asks for; NULL: that. */
    void (*opened)(struct mp_job *j); /* the table is known, and nothing is read yet; local */
    mp_status (*pass)(struct mp_job *j, mp_flow_verdict *verdict, mp_error *err);
    mp_status (*write)(struct mp_job *j, mp_error *err); /* the results, when a pass stands */
    void *ctx;                                           /* of these three */
    int64_t exchange_bytes;

    /* pass-through: the text of the split under way */
    mp_buf text, row_ends;
    int64_t text_rows;

    mp_row_pool row_pool;
    mp_rows rows;           /* kept rows */
    mp_row_order row_order; /* of some of them */
    mp_sort_key *sort_keys; /* of a batch of values */
    int n_sort_keys;
    mp_buf keys;   /* of the batch under way */
    int64_t top;   /* rows to keep, -1: all */
    mp_row bound;  /* rows behind it are not among the first; key NULL: not known yet */
    int64_t taken; /* groups that have gone into pieces */

    mp_group *pre;     /* rows into groups */
    mp_groups *groups; /* this rank's own groups */
    bool flushed;      /* the table has been emptied before */
    mp_type *key_types;
    uint8_t *key_ts_sep;
    mp_result_plan results;
} mp_job;

/* An error of one rank becomes the agreed error of all. Collective. */
mp_status mp_job_agree(mp_job *j, mp_status st, const mp_error *mine, mp_error *err);

/* query_run.c: the steps that commands over a table share. Collective, but for begin, end and
 * note_scan. */
void mp_job_begin(mp_job *j, mp_comm *c, const mp_spec *spec, mp_mem *mem, mp_report *report);
void mp_job_end(mp_job *j);
/* All of a query, from the table to the answer. */
mp_status mp_job_run_query(mp_job *j, mp_buf *text, mp_error *err);
/* The table of the inputs, the same on every rank. */
mp_status mp_job_open_table(mp_job *j, mp_error *err);
/* With --union: columns of the NDJSON keys that the samples lack; a pass, and it starts the scan. */
mp_status mp_job_find_keys(mp_job *j, mp_error *err);
/* The query of j->spec bound to what the samples show. */
mp_status mp_job_make_plan(mp_job *j, mp_error *err);
/* Passes over the input until one stands: that of the query, or j->pass. */
mp_status mp_job_run_passes(mp_job *j, mp_error *err);
/* The feed and the scan of that table, unless they are there. */
mp_status mp_job_start_scan(mp_job *j, mp_error *err);
/* What the scan read, into the report. */
void mp_job_note_scan(mp_job *j);
/* --rejects: the file is made before the scan, written behind it, and named when the output has its
 * name. naming: MP_PARTIAL, and says so, when there were bad rows. */
mp_status mp_job_open_rejects(mp_job *j, mp_error *err);
mp_status mp_job_write_rejects(mp_job *j, int64_t *n_bad, mp_error *err);
mp_status mp_job_name_rejects(mp_job *j, int64_t n_bad, mp_error *err);

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
/* j->sort_keys are those of the query, behind the outputs of a batch of values. Local. */
MP_MUST_CHECK mp_status mp_job_sort_by_query(mp_job *j, mp_error *err);
/* The rows of the scan, kept. Collective. */
mp_status mp_job_keep_rows(mp_job *j, mp_flow_verdict *verdict, mp_error *err);
/* Rows to keep for a small limit, -1: all. */
int64_t mp_job_top(const mp_query *q);
/* No kept rows yet: how they are sorted (j->sort_keys) and how many are wanted (j->top) is set.
 * The texts are those of the answer from now on. */
mp_status mp_job_begin_rows(mp_job *j, mp_error *err);
/* The keys of a batch of values, in j->keys, with room to read behind them; (*ends)[i], in the
 * batch's arena, is where row i's key ends. */
mp_status mp_job_keys(mp_job *j, const mp_batch *values, bool placed, size_t **ends, mp_error *err);
/* The outputs of n rows of a batch (sel NULL: all) in j->text, with room to read behind them, and
 * j->row_ends. */
mp_status mp_job_texts(mp_job *j, const mp_batch *values, const uint32_t *sel, int32_t n,
                       mp_error *err);
/* Keep the rows of a batch (outputs first), but for those that cannot be among the first.
 * placed: their places in the input break ties. */
mp_status mp_job_keep_batch(mp_job *j, const mp_batch *values, bool placed, mp_error *err);
/* Forget kept rows that cannot be among the first, when there are more than at_least. */
mp_status mp_job_prune(mp_job *j, int64_t at_least, mp_error *err);
/* Kept rows: moved to rank 0 (to_head) or over the ranks by ranges of keys, sorted, written.
 * Collective. */
mp_status mp_job_write_rows(mp_job *j, bool to_head, mp_error *err);

/* query_range.c: ranges of keys on their ranks. */
typedef struct {
    int64_t n; /* ranges of all ranks */
    bool
        in_turn; /* range i is on rank i % size, at i / size; else rank r has n_own from r * n_own on */
    mp_rows *rows; /* of this rank's ranges */
    int64_t n_own;
} mp_job_ranges;
MP_MUST_CHECK mp_status mp_job_new_ranges(mp_job *j, int64_t n, bool in_turn, mp_job_ranges *out,
                                          mp_error *err);
/* Keys that cut all rows into n ranges, by samples of all ranks, each as large as its rank's share of the rows.
 * Collective. */
mp_status mp_job_cut_keys(mp_job *j, const mp_rows *sample, int64_t n, mp_row_ranges *out,
                          mp_error *err);

/* A flow in which rows go to their ranges; the first member of whatever its step needs. */
typedef struct {
    mp_job *j;
    mp_job_ranges *out;
    int rank; /* set by mp_job_move */
    mp_flow_run *run;
} mp_job_mover;
/* step: as mp_flow.finish_step, its ctx is m; it calls mp_job_move_row. Collective. */
mp_status mp_job_move(mp_job_mover *m, const char *name,
                      mp_status (*step)(void *ctx, bool *done, mp_error *err), mp_error *err);
/* To a range, by its place on the rank that has it. So many bytes as MP_ROW_SLACK can be read
 * behind the row. */
mp_status mp_job_move_row(mp_job_mover *m, int owner, uint32_t place, const mp_row *row,
                          mp_error *err);
/* The kept rows (j->rows, empty then) to where their range is. to_head: one range, on rank 0.
 * Collective; release out in any case. */
mp_status mp_job_move_rows(mp_job *j, bool to_head, mp_job_ranges *out, mp_error *err);
void mp_job_release_ranges(mp_job *j, mp_job_ranges *r);
/* The rows of all ranges, sorted, as the answer's next pieces: *n_pieces, which is moved on. The ranges are
 * empty then. Collective. */
mp_status mp_job_write_ranges(mp_job *j, mp_job_ranges *r, int64_t *n_pieces, mp_error *err);

/* query_group.c */
/* The rows of the scan into groups of this rank. Collective. */
mp_status mp_job_group(mp_job *j, mp_flow_verdict *verdict, mp_error *err);
/* Group results to the answer. Collective. */
mp_status mp_job_write_groups(mp_job *j, mp_error *err);

/* query_write.c: results as numbered pieces of the answer. Collective, all. */

/* Results in slabs, which all ranks have as many of: slab 0 of rank 0, of rank 1, ..., then slab 1 of rank
 * 0. enter returns the most rows that this rank's slab has; next gives its batches and adds what it took to
 * j->taken; *more false: there is no further one. */
typedef struct {
    int n_slabs;
    int64_t n_rows; /* of this rank, at most */
    int64_t (*enter)(mp_job *j, int slab);
    mp_status (*next)(mp_job *j, mp_batch *out, bool *more, mp_error *err);
} mp_job_slabs;
mp_status mp_job_write_slabs(mp_job *j, const mp_job_slabs *slabs, mp_error *err);
/* Begin the answer, whose rows are known: of this rank n_rows. */
mp_status mp_job_begin_results(mp_job *j, int64_t n_rows, mp_error *err);
/* Results of any number: fill adds those of this rank's next piece, *piece, to j->text,
 * j->text_rows and, where the answer is cut, j->row_ends; *piece -1: there is none. Pieces
 * ascend; all ranks together make 0, 1, 2, ..., and a further call goes on behind those. */
typedef mp_status (*mp_fill_piece_fn)(void *ctx, int64_t *piece, mp_error *err);
mp_status mp_job_write_texts(mp_job *j, mp_fill_piece_fn fill, void *ctx, mp_error *err);
/* Local: the names of the outputs are known to the answer's formatter. */
mp_status mp_job_name_outputs(mp_job *j, mp_error *err);
/* Begin the answer with the names of the outputs. */
mp_status mp_job_begin_answer(mp_job *j, bool is_final, mp_error *err);

#endif
