/* map_pick.h - some rows of a shard: those with certain numbers, or with certain keys.
 * Invariant: what is picked depends on the shard and the pick alone, not on how the shard comes in batches. */
#ifndef MP_RUN_MAP_PICK_H
#define MP_RUN_MAP_PICK_H

#include "base/buf.h"
#include "data/batch.h"

/* Where a row comes from. */
typedef struct {
    int32_t file;
    int64_t row, offset; /* row from 1; offset -1: it has none */
} mp_map_place;

typedef struct {
    bool on; /* else all rows */
    bool by_key;
    uint64_t least, most; /* by_key: hashes of the keys (plan/split_key.h) */
    int64_t low, n; /* rows [low, low + n) of those with such keys, counted from 0; n -1: all */
    const int64_t *without; /* numbers that are left out, ascending; NULL: none */
    int64_t n_without;
    mp_buf *hashes; /* gets the hash of each row, which goes no further; NULL */
    mp_buf *places; /* gets a mp_map_place for each row; NULL */
    int64_t at;     /* number of the next row */
} mp_map_pick;

/* Numbers of the batch's rows [low, high) that are picked, to sel (room for all); *n: how many. key_at: n_keys columns.
 * MP_NOMEM. */
MP_MUST_CHECK mp_status mp_map_pick_rows(mp_map_pick *p, const mp_batch *rows, const int *key_at,
                                         int n_keys, int64_t low, int64_t high, uint32_t *sel,
                                         int32_t *n, mp_error *err);

#endif
