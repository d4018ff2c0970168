/* shard_ids.h - numbers for byte strings: 0, 1, 2, ... in the order in which they first came.
 * Invariant: equal bytes have one number, which never changes. */
#ifndef MP_RUN_SHARD_IDS_H
#define MP_RUN_SHARD_IDS_H

#include "base/buf.h"

typedef struct {
    mp_mem *mem;
    mp_buf bytes;    /* of all strings */
    mp_buf ends;     /* u64 a string: where it ends in bytes */
    uint64_t *slots; /* hash (high half) | number + 1; 0: free */
    size_t cap;
    int64_t n;
} mp_shard_ids;

void mp_shard_ids_init(mp_shard_ids *x, mp_mem *mem);
void mp_shard_ids_release(mp_shard_ids *x);
/* *is_new: it was not there. MP_NOMEM. hash: of the bytes, the same for equal ones. */
MP_MUST_CHECK mp_status mp_shard_ids_find(mp_shard_ids *x, const void *p, size_t len, uint64_t hash,
                                          int64_t *id, bool *is_new, mp_error *err);
/* The bytes of a number, until the next find. */
const void *mp_shard_ids_bytes(const mp_shard_ids *x, int64_t id, size_t *len);

#endif
