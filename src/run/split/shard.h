/* shard.h - rows on their way to the ranks that own their shards, through the exchange of a pass,
 * and there back in input order.
 * Invariant: an owner gets the rows of each of its shards in input order, whatever the number of
 * ranks and the order in which splits are finished: those of splits behind the first unfinished one
 * wait, in memory up to a budget and then in scratch. Rows are texts; nothing here knows types. */
#ifndef MP_RUN_SHARD_H
#define MP_RUN_SHARD_H

#include "run/flow.h"

typedef struct mp_shards mp_shards;

typedef struct {
    mp_comm *c;
    mp_mem *mem;
    int64_t budget_bytes; /* of rows that wait on this rank */
    const char *scratch;  /* folder, as mp_out_spool */
    void *ctx;
    /* Owner. n_rows rows of a shard, n bytes. NULL: they are not wanted. */
    mp_status (*rows)(void *ctx, int64_t shard, const uint8_t *text, size_t n, int64_t n_rows,
                      mp_error *err);
    /* Owner, shards that were described (mp_shards_describe) only: the number that rows is to be
     * called with; the same description may come from several ranks. */
    mp_status (*describe)(void *ctx, const uint8_t *bytes, size_t n, int64_t *shard, mp_error *err);
} mp_shards_args;

MP_MUST_CHECK mp_status mp_shards_new(const mp_shards_args *args, mp_shards **out, mp_error *err);
void mp_shards_free(mp_shards **s);

/* The rank that owns a numbered shard. */
static inline int mp_shards_owner(int64_t shard, int n_ranks) {
    return (int)(shard % n_ranks);
}

/* A pass whose splits are numbered from first_split begins (the flow's attach): what an earlier one left is
 * forgotten. */
void mp_shards_attach(mp_shards *s, mp_flow_run *run, int64_t first_split);

/* Source side, between the begin and the end of a split of this rank. */

/* Rows of a batch: row i is text[ends[i - 1] .. ends[i]) and belongs to shard[i] >= 0: its number,
 * or what mp_shards_describe gave. */
MP_MUST_CHECK mp_status mp_shards_put(mp_shards *s, int64_t split, const int32_t *shard,
                                      int32_t n_rows, const uint8_t *text, const int64_t *ends,
                                      mp_error *err);
/* The next shard that is known by a description, owned by rank dest: its number on this rank (0, 1,
 * 2, ... in a pass). */
MP_MUST_CHECK mp_status mp_shards_describe(mp_shards *s, int64_t split, int dest, const void *bytes,
                                           size_t n, int32_t *shard, mp_error *err);
/* Once for every split that was begun, also an empty one. */
MP_MUST_CHECK mp_status mp_shards_end_split(mp_shards *s, int64_t split, mp_error *err);

/* Owner side: the flow's callbacks. */
MP_MUST_CHECK mp_status mp_shards_on_block(mp_shards *s, int src, const uint8_t *bytes, size_t len,
                                           mp_error *err);
MP_MUST_CHECK mp_status mp_shards_push(mp_shards *s, bool *did, mp_error *err);
bool mp_shards_quiet(const mp_shards *s);

#endif
