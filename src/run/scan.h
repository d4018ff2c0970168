/* scan.h - one pass over the input: splits handed out, read, filtered, given to a consumer
 * batch by batch.
 * Invariant: after mp_scan_pass all ranks know the same verdict, and the same evidence of every
 * column's type. REDO means that a guess was refuted: the true entry states are known by then, and
 * the pass is to be run again. */
#ifndef MP_RUN_SCAN_H
#define MP_RUN_SCAN_H

#include "plan/query.h"
#include "run/feed.h"

typedef struct mp_scan mp_scan;

typedef struct {
    mp_comm *comm;
    const mp_spec *spec;
    const mp_table *table;
    mp_feed *feed; /* rank 0; NULL elsewhere */
    mp_mem *mem;
    void (*tick)(void *ctx, const mp_feed *feed); /* rank 0, about every 0.2 s; may be NULL */
    void *tick_ctx;
} mp_scan_args;

MP_MUST_CHECK mp_status mp_scan_new(const mp_scan_args *args, mp_scan **out, mp_error *err);
void mp_scan_free(mp_scan **s);

/* Say in err which record row of a batch of the scan is. */
void mp_scan_place_error(const mp_scan *s, const mp_batch *in, int32_t row, mp_error *err);

/* What is done with the batches; the callbacks are those of mp_flow, ctx is theirs. */
typedef struct {
    void *ctx;
    int64_t exchange_bytes;
    void (*attach)(void *ctx, mp_flow_run *run);
    mp_status (*batch)(void *ctx, int64_t split, const mp_batch *in, mp_error *err);
    mp_status (*split_end)(void *ctx, int64_t split, mp_error *err);
    mp_status (*finish_step)(void *ctx, bool *done, mp_error *err);
    mp_status (*on_block)(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err);
    mp_status (*push)(void *ctx, bool *did, mp_error *err);
    bool (*quiet)(void *ctx);
    bool (*busy)(void *ctx);
    /* Rows that the answer needs, -1: all. No splits are handed out behind those that hold them,
     * and errors, guesses and types behind those do not count. */
    int64_t most_rows;
    /* Rank 0: nobody wants rows any more. NULL: never. */
    bool (*closed)(void *ctx);
    /* A pass in legs. first_split: 0, or the splits that earlier legs of the same plan have done, which
     * stand; pause: rank 0, asked before each split: the leg ends with those handed out so far. Neither
     * most_rows nor closed goes with them, nor a table with data of rank 0. */
    int64_t first_split;
    bool (*pause)(void *ctx);
} mp_scan_consumer;

/* Collective. seen: evidence of each column of the table as the plan looked at it, or-ed over all
 * ranks (n_columns; columns that were not read typed stay as they are in seen). */
MP_MUST_CHECK mp_status mp_scan_pass(mp_scan *s, const mp_scan_plan *plan,
                                     const mp_scan_consumer *consumer, mp_evidence *seen,
                                     mp_flow_verdict *verdict, mp_error *err);

/* Rejected rows of this rank in the legs so far, as bytes for the next run's mp_scan_restore_rejects on
 * any one rank. Local. MP_NOMEM. */
const mp_buf *mp_scan_save_rejects(const mp_scan *s);
MP_MUST_CHECK mp_status mp_scan_restore_rejects(mp_scan *s, const void *bytes, size_t n,
                                                mp_error *err);

/* Single splits behind a pass that stands, on one rank, again and in any order. Between begin and end
 * the plan and the consumer (batch is called, nothing else) stay. Local. desc: as mp_split_desc_put,
 * with the entry state; in a file, not data. */
MP_MUST_CHECK mp_status mp_scan_read_begin(mp_scan *s, const mp_scan_plan *plan,
                                           const mp_scan_consumer *consumer, mp_error *err);
MP_MUST_CHECK mp_status mp_scan_read_split(mp_scan *s, int64_t split, const uint8_t *desc,
                                           size_t len, mp_error *err);
/* A batch of it; *done at its end. */
MP_MUST_CHECK mp_status mp_scan_read_step(mp_scan *s, bool *done, mp_error *err);
void mp_scan_read_end(mp_scan *s);

typedef struct {
    int64_t rows, bytes, splits; /* of this rank, last pass */
    double seconds;              /* inside callbacks, all passes */
    int passes;
    mp_exchange_counts exchange;
} mp_scan_stats;
mp_scan_stats mp_scan_counts(const mp_scan *s);

/* Collective: rejected rows of the last pass, in input order, on rank 0 as CSV text (file, row,
 * offset, reason, record). */
MP_MUST_CHECK mp_status mp_scan_rejects(mp_scan *s, mp_buf *csv, int64_t *n_bad, mp_error *err);

#endif
