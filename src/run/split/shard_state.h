/* shard_state.h - the state shared by shard.c (rows leave) and shard_owner.c (rows arrive).
 * Invariant: see the two files. */
#ifndef MP_RUN_SHARD_STATE_H
#define MP_RUN_SHARD_STATE_H

#include "data/batch.h"
#include "run/split/shard.h"

enum { MP_MARK_BEGIN = 0xFFFFFF00, MP_MARK_END, MP_MARK_DESCRIBE };

typedef struct {
    uint32_t shard, n_rows, n_bytes;
} mp_shards_head;

/* The rows of one shard in the batch that is dealt. */
typedef struct {
    int32_t first, last, n;
    size_t bytes;
} mp_shards_pile;

/* The owner of a described shard, and how many were described to it before. */
typedef struct {
    int32_t rank, number;
} mp_shards_dest;

/* Records of a split that wait. */
typedef struct mp_shards_chunk {
    struct mp_shards_chunk *next;
    size_t len;
    int64_t spool_at; /* -1: the bytes follow here; else in scratch */
    uint8_t bytes[];
} mp_shards_chunk;

typedef struct {
    int src; /* -1: not begun */
    bool ended;
    mp_shards_chunk *first, *last;
} mp_shards_wait;

struct mp_shards {
    mp_shards_args a;
    mp_flow_run *run;

    /* source */
    int64_t begun; /* the split whose begin was sent, -1 */
    mp_shards_pile *piles;
    int64_t n_piles;
    int32_t next[MP_BATCH_ROWS], touched[MP_BATCH_ROWS];
    int32_t n_touched;
    mp_buf dests;         /* mp_shards_dest of each described shard */
    int32_t *n_described; /* by rank */

    /* owner */
    int64_t *now;          /* by rank: the split that its records are of, -1 */
    mp_buf *known;         /* by rank: i64, the shards that it described */
    int64_t frontier;      /* the first split that is not done */
    mp_shards_wait *waits; /* of the splits from the frontier on, waits[split & (cap - 1)] */
    int64_t cap, n_waits;
    int64_t held_bytes;
    int spool; /* -1: none */
    int64_t spool_end, spool_chunks;
    mp_buf again; /* a chunk read back */
};

/* All that is under way is forgotten. */
void mp_shards_forget(mp_shards *s);

#endif
