/* shard_ids.c - see shard_ids.h. Open addressing; half of the slots at most are taken. */
#include "run/split/shard_ids.h"

enum { FIRST_CAP = 256, MOST_IDS = INT32_MAX };

static const uint64_t HIGH = ~(uint64_t)UINT32_MAX;

void mp_shard_ids_init(mp_shard_ids *x, mp_mem *mem) {
    *x = (mp_shard_ids){.mem = mem};
    mp_buf_init(&x->bytes, mem);
    mp_buf_init(&x->ends, mem);
}

void mp_shard_ids_release(mp_shard_ids *x) {
    mp_mem_free(x->mem, x->slots);
    mp_buf_release(&x->bytes);
    mp_buf_release(&x->ends);
    mp_shard_ids_init(x, x->mem);
}

const void *mp_shard_ids_bytes(const mp_shard_ids *x, int64_t id, size_t *len) {
    uint64_t from = 0, to;
    if (id > 0) memcpy(&from, x->ends.data + (size_t)(id - 1) * sizeof from, sizeof from);
    memcpy(&to, x->ends.data + (size_t)id * sizeof to, sizeof to);
    *len = (size_t)(to - from);
    return x->bytes.data + from;
}

/* The low half of the hash chooses the slot, so that the table can grow without the strings: it is
 * kept in high, the number in low. */
static size_t first_slot(const mp_shard_ids *x, uint64_t entry) {
    return (size_t)(entry >> 32) & (x->cap - 1);
}

static mp_status grow(mp_shard_ids *x, mp_error *err) {
    size_t old_cap = x->cap, cap = old_cap ? 2 * old_cap : FIRST_CAP;
    uint64_t *old = x->slots, *slots = mp_mem_calloc(x->mem, cap, sizeof *slots);
    if (!slots) return mp_mem_error(x->mem, cap * sizeof *slots, err);
    x->slots = slots;
    x->cap = cap;
    for (size_t i = 0; i < old_cap; i++) {
        if (!old[i]) continue;
        size_t at = first_slot(x, old[i]);
        while (slots[at])
            at = (at + 1) & (cap - 1);
        slots[at] = old[i];
    }
    mp_mem_free(x->mem, old);
    return MP_OK;
}

mp_status mp_shard_ids_find(mp_shard_ids *x, const void *p, size_t len, uint64_t hash, int64_t *id,
                            bool *is_new, mp_error *err) {
    if (2 * (size_t)(x->n + 1) > x->cap) {
        mp_status st = grow(x, err);
        if (st) return st;
    }
    uint64_t mark = (hash ^ hash >> 32) << 32;
    size_t at = first_slot(x, mark);
    for (; x->slots[at]; at = (at + 1) & (x->cap - 1)) {
        if ((x->slots[at] & HIGH) != mark) continue;
        int64_t found = (int64_t)(x->slots[at] & ~HIGH) - 1;
        size_t n;
        const void *q = mp_shard_ids_bytes(x, found, &n);
        if (n != len || (n && memcmp(p, q, n) != 0)) continue;
        *id = found;
        *is_new = false;
        return MP_OK;
    }
    if (x->n == MOST_IDS)
        return mp_error_set(err, MP_FAILED, "too many shards", "more than %d values", MOST_IDS);
    mp_buf_put(&x->bytes, p, len);
    mp_buf_u64(&x->ends, x->bytes.len);
    mp_status st = mp_buf_check(&x->bytes, err);
    if (!st) st = mp_buf_check(&x->ends, err);
    if (st) return st;
    x->slots[at] = mark | (uint64_t)(x->n + 1);
    *id = x->n++;
    *is_new = true;
    return MP_OK;
}
