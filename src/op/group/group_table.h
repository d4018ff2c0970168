/* group_table.h - hash table from encoded keys to numbers 0, 1, 2, ..., with a row of state for
 * each. Rows lie side by side: {mp_key, state bytes}, so that one cache miss brings key and
 * states. A slot is 8 bytes: the low half of the hash and the number plus one. Invariant: a
 * number never changes until _clear; rows may move when the table grows. */
#ifndef MP_OP_GROUP_TABLE_H
#define MP_OP_GROUP_TABLE_H

#include "base/mem.h"
#include "op/group/group_key.h"

typedef struct {
    uint8_t *rows;  /* n rows of stride bytes */
    size_t stride;  /* 32, 64 or a multiple of 32 */
    mp_space space; /* of the rows */
    int64_t n, cap;
    int64_t n_placed; /* the first rows, made by mp_table_place */
    uint64_t *slot;   /* mask + 1 slots, 0: empty */
    uint64_t mask;
    mp_space slot_space;
    uint8_t *blank; /* what a new row starts as, stride bytes; the owner fills it in */
    mp_arena long_keys;
    mp_mem *mem;
} mp_table;

/* Storage held by the caller; release also after a failure. row_bytes: of key and states. */
MP_MUST_CHECK mp_status mp_table_init(mp_table *t, size_t row_bytes, mp_mem *mem, mp_error *err);
void mp_table_release(mp_table *t);
/* Empty again; large memory is given back. */
void mp_table_clear(mp_table *t);

/* The numbers of n keys, new ones added (with long encodings copied). MP_NOMEM.
 * Cost: about one cache miss in flight per key for a table beyond the cache. */
MP_MUST_CHECK mp_status mp_table_find(mp_table *t, const mp_key *key, const uint64_t *hash,
                                      int32_t n, uint32_t *number, mp_error *err);

/* The same in steps, for whoever works on some rows at a time: what comes next is on its way to the
 * cache meanwhile. */
typedef struct {
    const mp_key *key; /* n */
    const uint64_t *hash;
    int32_t n;
    uint32_t *number;          /* n; the first `done` are there */
    int32_t done, slots, rows; /* start with 0 */
} mp_table_keys;
MP_MUST_CHECK mp_status mp_table_find_some(mp_table *t, mp_table_keys *k, int32_t n, mp_error *err);

/* Rows on their way to the cache, where the table is beyond it: for whoever has the numbers already. */
void mp_table_fetch(const mp_table *t, const uint32_t *number, int32_t n);

/* A row for a key that has none; it is not found by looking, and a long encoding stays where it is.
 * For tables that are given rows in no other way until they are cleared. */
MP_MUST_CHECK mp_status mp_table_append(mp_table *t, const mp_key *key, mp_error *err);

/* n rows for an empty table, whose numbers mean something to the caller: they are not found by looking,
 * and have no key yet. On failure the table is empty still. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_table_place(mp_table *t, int64_t n, mp_error *err);
/* The key of such a row. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_table_name(mp_table *t, uint32_t number, const mp_key *key,
                                      mp_error *err);

static inline uint8_t *mp_table_row(const mp_table *t, uint32_t number) {
    return t->rows + (size_t)number * t->stride;
}
static inline const mp_key *mp_table_key(const mp_table *t, uint32_t number) {
    return (const mp_key *)(const void *)mp_table_row(t, number);
}
/* Bytes that a random access may touch. */
static inline int64_t mp_table_hot_bytes(const mp_table *t) {
    return t->n * (int64_t)t->stride + (int64_t)(t->mask + 1) * 8;
}

#endif
