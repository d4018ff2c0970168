/* group_dense.h - the numbers of keys whose texts come from a small domain (`id001` to `id100`, short
 * numbers, flags, dates), by an array in front of the table: no hash, no look-up, no comparison. The
 * domain is learned from rows that went through the table; a key outside it still goes there.
 * Invariant: the array says of a key what the table says, or nothing; or there is none, and a key's
 * number is its place. */
#ifndef MP_OP_GROUP_DENSE_H
#define MP_OP_GROUP_DENSE_H

#include "base/simd.h"
#include "op/group/group_dense_simd.h"
#include "op/group/group_table.h"

typedef struct mp_dense_seen mp_dense_seen;

typedef struct {
    mp_mem *mem;
    mp_dense_kernel kernel; /* NULL: the array is not used at all */
    bool on;
    mp_dense_map map;
    mp_dense_seen *seen; /* of each column */
    int64_t rest_rows;   /* to come before the domain is learned again */
    int64_t learned_rows;
    int tries;
} mp_dense;

/* Storage held by the caller; release also after a failure. */
MP_MUST_CHECK mp_status mp_dense_init(mp_dense *d, int n_cols, mp_simd level, mp_mem *mem,
                                      mp_error *err);
void mp_dense_release(mp_dense *d);
/* The table was emptied. by_place: what places there are stays as it is while the array is on, and from
 * now on a key's place is its number; the caller has rows for them before mp_dense_find. */
void mp_dense_clear(mp_dense *d, bool by_place);
/* Of all columns together. Only while on. */
int64_t mp_dense_places(const mp_dense *d);
static inline bool mp_dense_by_place(const mp_dense *d) {
    return d->on && !d->map.number;
}

/* A batch of n rows, columns as for mp_key_encode. scratch: for what is needed until the call ends,
 * and long keys. */
typedef struct {
    const mp_str *const *text;
    const uint8_t *const *valid;
    int32_t n;
    mp_arena *scratch;
    mp_key *key; /* MP_BATCH_ROWS, overwritten */
    uint64_t *hash;
} mp_dense_rows;

/* Only while on: the numbers of all rows; new keys are added to the table. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_dense_find(mp_dense *d, mp_table *t, const mp_dense_rows *r,
                                      uint32_t *number, mp_error *err);
/* Only while not on: these rows went through the table, which has n_groups now. Memory that is refused
 * leaves the array off. */
void mp_dense_learn(mp_dense *d, const mp_dense_rows *r, int64_t n_groups);

#endif
