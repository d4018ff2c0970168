/* group_table.c - open addressing, at most half full; in a table beyond the cache slots and rows are
 * fetched some keys ahead, so that the misses of many keys overlap.
 * Invariant: a key's slot is reached from its home slot through the other slots of the home's line,
 * then through those of the lines behind it, without meeting an empty one. */
#include "op/group/group_table.h"

#include <string.h>

enum {
    FIRST_SLOTS = 1024,
    FIRST_ROWS = 256,
    LINE = 64,
    LINE_SLOTS = LINE / sizeof(uint64_t),
    AHEAD = 64, /* keys between fetching a slot, fetching its row, and looking */
    PREFETCH_ABOVE_BYTES = 3 << 18, /* smaller tables stay in the cache anyway */
    KEEP_BYTES = 16 << 20           /* memory that a cleared table keeps */
};
static const uint32_t NONE = UINT32_MAX;
static const int64_t MAX_ROWS = INT64_C(1) << 31;

/* A row shares no line with others where it would cross into a second one. */
static size_t stride_of(size_t row_bytes) {
    if (row_bytes <= LINE / 2) return LINE / 2;
    if (row_bytes <= LINE) return LINE;
    return (row_bytes + LINE / 2 - 1) & ~(size_t)(LINE / 2 - 1);
}

static mp_status grow_rows_to(mp_table *t, int64_t cap, mp_error *err) {
    size_t bytes = (size_t)cap * t->stride;
    if (!mp_space_grow(t->mem, &t->space, bytes)) return mp_mem_error(t->mem, bytes, err);
    t->rows = t->space.p;
    t->cap = (int64_t)(t->space.bytes / t->stride);
    return MP_OK;
}

mp_status mp_table_init(mp_table *t, size_t row_bytes, mp_mem *mem, mp_error *err) {
    *t = (mp_table){.stride = stride_of(row_bytes), .mem = mem};
    mp_arena_init(&t->long_keys, mem);
    t->blank = mp_mem_calloc(mem, 1, t->stride);
    if (!t->blank) return mp_mem_error(mem, t->stride, err);
    size_t bytes = FIRST_SLOTS * sizeof *t->slot;
    if (!mp_space_grow(mem, &t->slot_space, bytes)) return mp_mem_error(mem, bytes, err);
    t->slot = t->slot_space.p;
    t->mask = FIRST_SLOTS - 1;
    return grow_rows_to(t, FIRST_ROWS, err);
}

void mp_table_release(mp_table *t) {
    mp_space_release(t->mem, &t->space);
    mp_space_release(t->mem, &t->slot_space);
    mp_mem_free(t->mem, t->blank);
    mp_arena_release(&t->long_keys);
    *t = (mp_table){.mem = t->mem};
}

void mp_table_clear(mp_table *t) {
    mp_space_shrink(t->mem, &t->space, KEEP_BYTES);
    t->cap = (int64_t)(t->space.bytes / t->stride);
    /* slots for as many rows as there were, so that clearing costs no more than filling did */
    while (t->mask >= FIRST_SLOTS && t->mask >= 8 * (uint64_t)t->n)
        t->mask /= 2;
    while ((t->mask + 1) * sizeof *t->slot > KEEP_BYTES)
        t->mask /= 2;
    mp_space_shrink(t->mem, &t->slot_space, KEEP_BYTES);
    t->n = t->n_placed = 0;
    memset(t->slot, 0, (t->mask + 1) * sizeof *t->slot);
    mp_arena_reset(&t->long_keys);
}

static mp_status grow_rows(mp_table *t, mp_error *err) {
    bool large = t->cap * (int64_t)t->stride > (int64_t)16 << 20;
    if (t->n >= MAX_ROWS)
        return mp_error_set(err, MP_NOMEM, NULL, "more than %lld groups on one rank",
                            (long long)MAX_ROWS);
    return grow_rows_to(t, large ? t->cap + t->cap / 8 : t->cap * 2, err);
}

static inline uint64_t next_slot(const mp_table *t, uint64_t at, uint64_t home) {
    uint64_t next = (at & ~(uint64_t)(LINE_SLOTS - 1)) | ((at + 1) & (LINE_SLOTS - 1));
    bool round = ((next ^ home) & (LINE_SLOTS - 1)) == 0; /* back where the line was entered */
    return round ? (next + LINE_SLOTS) & t->mask : next;
}

static void put_slot(mp_table *t, uint64_t s) {
    uint64_t home = (uint32_t)s & t->mask, at = home;
    while (t->slot[at])
        at = next_slot(t, at, home);
    t->slot[at] = s;
}

/* The low half of the hash is in the slot, so the keys are not needed. Slots that were used before
 * are in no use now: the new ones are zero. */
static mp_status grow_slots(mp_table *t, mp_error *err) {
    uint64_t n_old = t->mask + 1;
    size_t bytes = 2 * n_old * sizeof *t->slot;
    mp_space old = t->slot_space, grown = {0};
    if (!mp_space_grow(t->mem, &grown, bytes)) return mp_mem_error(t->mem, bytes, err);
    const uint64_t *slot = old.p;
    t->slot_space = grown;
    t->slot = grown.p;
    t->mask = 2 * n_old - 1;
    for (uint64_t i = 0; i < n_old; i++)
        if (slot[i]) put_slot(t, slot[i]);
    mp_space_release(t->mem, &old);
    return MP_OK;
}

static inline void put_row(mp_table *t, const mp_key *key) {
    enum { STEP = 32 }; /* of strides */
    uint8_t *row = t->rows + (size_t)t->n++ * t->stride;
    mp_key own = *key;
    for (size_t i = 0; i < t->stride; i += STEP)
        memcpy(row + i, t->blank + i, STEP);
    memcpy(row, &own, sizeof own);
}

mp_status mp_table_append(mp_table *t, const mp_key *key, mp_error *err) {
    mp_status s = t->n == t->cap ? grow_rows(t, err) : MP_OK;
    if (s == MP_OK) put_row(t, key);
    return s;
}

mp_status mp_table_place(mp_table *t, int64_t n, mp_error *err) {
    static const mp_key none = {0, 0};
    mp_status s = n > t->cap ? grow_rows_to(t, n, err) : MP_OK;
    if (s != MP_OK) return s;
    while (t->n < n)
        put_row(t, &none);
    t->n_placed = n;
    return MP_OK;
}

/* The key with its encoding, where it is long, copied. */
static mp_status own_key(mp_table *t, const mp_key *key, mp_key *own, mp_error *err) {
    *own = *key;
    if (!mp_key_is_long(*key)) return MP_OK;
    size_t len = mp_key_len(key);
    uint8_t *copy = mp_arena_alloc(&t->long_keys, len, 1);
    if (!copy) return mp_mem_error(t->mem, len, err);
    memcpy(copy, mp_key_bytes(key), len);
    own->hi = (uint64_t)(uintptr_t)copy;
    return MP_OK;
}

mp_status mp_table_name(mp_table *t, uint32_t number, const mp_key *key, mp_error *err) {
    mp_key own;
    mp_status s = own_key(t, key, &own, err);
    if (s == MP_OK) memcpy(mp_table_row(t, number), &own, sizeof own);
    return s;
}

static mp_status insert(mp_table *t, const mp_key *key, uint64_t hash, uint32_t *number,
                        mp_error *err) {
    mp_status s = MP_OK;
    if (t->n == t->cap) s = grow_rows(t, err);
    if (s == MP_OK && 2 * (uint64_t)(t->n - t->n_placed) > t->mask) s = grow_slots(t, err);
    mp_key own;
    if (s == MP_OK) s = own_key(t, key, &own, err);
    if (s != MP_OK) return s;
    *number = (uint32_t)t->n;
    put_row(t, &own);
    put_slot(t, (uint64_t)t->n << 32 | (uint32_t)hash);
    return MP_OK;
}

/* Number of the key, or -1. The table does not change. */
static inline int64_t look(const mp_table *t, const mp_key *key, uint64_t hash) {
    uint32_t tag = (uint32_t)hash;
    uint64_t s, home = tag & t->mask;
    for (uint64_t at = home; (s = t->slot[at]) != 0; at = next_slot(t, at, home)) {
        if ((uint32_t)s != tag) continue;
        uint32_t number = (uint32_t)(s >> 32) - 1;
        if (mp_key_eq(mp_table_key(t, number), key)) return number;
    }
    return -1;
}

/* Into the second cache: it waits for more lines at a time than the first does. */
static inline void fetch(const void *p) {
    __builtin_prefetch(p, 0, 2);
}

static inline void fetch_slot(const mp_table *t, uint64_t hash) {
    fetch(&t->slot[(uint32_t)hash & t->mask]);
}

static inline void fetch_states(const mp_table *t, uint32_t number) {
    const uint8_t *row = mp_table_row(t, number);
    fetch(row);
    if (t->stride > LINE) fetch(row + t->stride - 1);
}

/* The row that the low half of the hash leads to, fetched: key and states, which lie in a line or
 * two. NONE: a new key, as far as can be seen. */
static inline uint32_t fetch_row(const mp_table *t, uint64_t hash) {
    uint32_t tag = (uint32_t)hash;
    uint64_t s, home = tag & t->mask, at = home;
    while ((s = t->slot[at]) != 0 && (uint32_t)s != tag)
        at = next_slot(t, at, home);
    uint32_t number = (uint32_t)(s >> 32) - 1; /* NONE from an empty slot */
    if (number == NONE) return NONE;
    fetch_states(t, number);
    return number;
}

void mp_table_fetch(const mp_table *t, const uint32_t *number, int32_t n) {
    const mp_table far = *t;
    for (int32_t i = 0; i < n; i++)
        fetch_states(&far, number[i]);
}

static mp_status find_far(mp_table *t, mp_table_keys *k, int32_t end, mp_error *err) {
    const mp_key *key = k->key;
    const uint64_t *hash = k->hash;
    uint32_t *number = k->number;
    if (k->rows < k->done) k->rows = k->done; /* the table was small before */
    for (; k->done < end; k->done++) {
        int32_t i = k->done, rows = i + AHEAD < k->n ? i + AHEAD : k->n - 1;
        for (; k->slots < k->n && k->slots <= rows + AHEAD; k->slots++)
            fetch_slot(t, hash[k->slots]);
        for (; k->rows <= rows; k->rows++)
            number[k->rows] = fetch_row(t, hash[k->rows]);
        if (number[i] != NONE && mp_key_eq(mp_table_key(t, number[i]), &key[i])) continue;
        int64_t at = look(t, &key[i], hash[i]);
        number[i] = (uint32_t)at;
        if (at >= 0) continue;
        mp_status s = insert(t, &key[i], hash[i], &number[i], err);
        if (s != MP_OK) return s;
    }
    return MP_OK;
}

static mp_status find_near(mp_table *t, mp_table_keys *k, int32_t end, mp_error *err) {
    while (k->done < end) {
        const mp_table near = *t; /* in registers until a key is new */
        int32_t i = k->done;
        int64_t at = 0;
        for (; i < end; i++) {
            at = look(&near, &k->key[i], k->hash[i]);
            if (at < 0) break;
            k->number[i] = (uint32_t)at;
        }
        k->done = i;
        if (i == end) break;
        mp_status s = insert(t, &k->key[i], k->hash[i], &k->number[i], err);
        if (s != MP_OK) return s;
        k->done++;
    }
    return MP_OK;
}

mp_status mp_table_find_some(mp_table *t, mp_table_keys *k, int32_t n, mp_error *err) {
    int32_t end = k->n - k->done < n ? k->n : k->done + n;
    if (mp_table_hot_bytes(t) > PREFETCH_ABOVE_BYTES) return find_far(t, k, end, err);
    return find_near(t, k, end, err);
}

mp_status mp_table_find(mp_table *t, const mp_key *key, const uint64_t *hash, int32_t n,
                        uint32_t *number, mp_error *err) {
    mp_table_keys k = {.key = key, .hash = hash, .n = n, .number = number};
    return mp_table_find_some(t, &k, n, err);
}
