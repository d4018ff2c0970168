/* group_move.c - records of other ranks into the table.
 * Invariant: whatever bytes arrive, nothing outside them is read and the table stays sound; a
 * record is believed only after its lengths were checked. */
#include <string.h>

#include "op/group/group_state.h"

/* One record at the begin of n > 0 bytes: its length, 0: malformed. */
static size_t check_record(mp_record_form f, const uint8_t *r, size_t n, mp_key *key,
                           uint64_t *hash) {
    bool packed = mp_record_is_packed(r);
    size_t least = (packed ? 1 + f.codes_bytes : f.fixed_bytes) + sizeof(mp_key);
    if (n < least) return 0;
    size_t size = mp_record_bytes(r), end = size;
    if (size > n || size < least) return 0;
    if (mp_record_has_more(r)) end -= sizeof(uint32_t);
    size_t at = mp_record_key_at(f, r);
    if (at > end) return 0;
    size_t key_len = mp_record_key_bytes(f, r);
    if (key_len > end - at) return 0;
    return mp_key_read(r + at, key_len, key, hash) ? size : 0;
}

int32_t mp_group_parse(mp_group *g, const uint8_t *bytes, size_t len, size_t *at) {
    int32_t n = 0;
    for (; n < MP_BATCH_ROWS && *at < len; n++) {
        const uint8_t *r = bytes + *at;
        size_t size = check_record(g->form, r, len - *at, &g->batch_key[n], &g->batch_hash[n]);
        if (!size) return -1;
        g->batch_record[n] = r;
        *at += size;
    }
    return n;
}

static mp_status absorb_more(mp_group *g, uint32_t group, const uint8_t *record, mp_error *err) {
    size_t at = g->form.fixed_bytes + mp_record_key_bytes(g->form, record);
    mp_rd rd = mp_rd_of(record + at, mp_record_bytes(record) - sizeof(uint32_t) - at);
    while (mp_rd_left(&rd)) {
        uint32_t i = mp_rd_u32(&rd);
        size_t n;
        const void *p = mp_rd_bytes(&rd, &n);
        if (!p || i >= (uint32_t)g->n_aggs || !g->agg[i]->ops->absorb_more)
            return mp_agg_damaged(err);
        mp_rd part = mp_rd_of(p, n);
        mp_status s = g->agg[i]->ops->absorb_more(g->agg[i], group, &part, err);
        if (s != MP_OK) return s;
        if (part.bad || mp_rd_left(&part)) return mp_agg_damaged(err);
    }
    return MP_OK;
}

/* The first n of batch_record: in place of those that are packed their fixed parts, plain. */
static mp_status unpack_records(mp_group *g, int32_t n, mp_error *err) {
    const size_t fixed = g->form.fixed_bytes, bytes = MP_BATCH_ROWS * fixed;
    for (int32_t i = 0; i < n; i++) {
        if (!mp_record_is_packed(g->batch_record[i])) continue;
        if (!g->batch_fixed) g->batch_fixed = mp_mem_calloc(g->mem, 1, bytes);
        if (!g->batch_fixed) return mp_mem_error(g->mem, bytes, err);
        uint8_t *plain = g->batch_fixed + (size_t)i * fixed;
        mp_record_unpack(g->form, g->batch_record[i], plain);
        g->batch_record[i] = plain;
    }
    return MP_OK;
}

/* The first n of batch_record into the groups batch_group. */
static mp_status merge_records(mp_group *g, int32_t n, mp_error *err) {
    const uint8_t **record = g->batch_record;
    mp_status s = unpack_records(g, n, err);
    if (s != MP_OK) return s;
    for (int32_t i = 0; i < n; i++) {
        uint64_t *count = (void *)(mp_table_row(&g->table, g->batch_group[i]) + MP_ROW_COUNT_AT);
        *count += mp_record_rows(record[i]);
    }
    for (int i = 0; i < g->n_aggs && s == MP_OK; i++)
        if (g->agg[i]->ops->absorb)
            s = g->agg[i]->ops->absorb(g->agg[i], g->batch_group, record, n, err);
    for (int32_t i = 0; i < n && s == MP_OK; i++)
        if (mp_record_has_more(record[i])) s = absorb_more(g, g->batch_group[i], record[i], err);
    return s;
}

mp_status mp_group_absorb(mp_group *g, const uint8_t *bytes, size_t len, mp_error *err) {
    size_t at = 0;
    while (at < len) {
        int32_t n = mp_group_parse(g, bytes, len, &at);
        if (n < 0) return mp_agg_damaged(err);
        mp_status s = mp_table_find(&g->table, g->batch_key, g->batch_hash, n, g->batch_group, err);
        if (s == MP_OK) s = merge_records(g, n, err);
        if (s != MP_OK) return s;
    }
    return MP_OK;
}

enum { TAKE_GROUPS = MP_BATCH_ROWS / 4, TAKE_AHEAD = 16 };

/* Records *at, *at + 1 ... until a batch of them or of groups is full. Equal keys are neighbours:
 * *last is the key of the last group. */
static mp_status take_records(mp_group *g, const mp_hashed *record, int64_t n, int64_t *at,
                              mp_key *last, mp_error *err) {
    int32_t k = 0;
    int64_t i = *at;
    for (; i < n && k < MP_BATCH_ROWS; i++, k++) {
        if (i + TAKE_AHEAD < n) {
            const uint8_t *ahead = (const uint8_t *)record[i + TAKE_AHEAD].item;
            __builtin_prefetch(ahead);
            __builtin_prefetch(ahead + 64);
        }
        const uint8_t *r = (const uint8_t *)record[i].item;
        mp_key key = mp_record_key(g->form, r, record[i].hash);
        if (g->table.n == 0 || !mp_key_eq(&key, last)) {
            if (g->table.n == TAKE_GROUPS) break;
            mp_status s = mp_table_append(&g->table, &key, err);
            if (s != MP_OK) return s;
            *last = key;
        }
        g->batch_group[k] = (uint32_t)(g->table.n - 1);
        g->batch_record[k] = r;
    }
    *at = i;
    return merge_records(g, k, err);
}

mp_status mp_group_take(mp_group *g, const mp_hashed *record, int64_t n, int64_t *used,
                        mp_error *err) {
    mp_key last = {0, 0};
    mp_status s = MP_OK;
    int64_t before = -1;
    mp_group_clear(g);
    for (*used = 0; *used<n && * used> before && s == MP_OK;) {
        before = *used;
        s = take_records(g, record, n, used, &last, err);
    }
    return s;
}
