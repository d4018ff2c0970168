/* group_move.c - groups as records to their owners, and records of other ranks into the table.
 * Invariant: whatever bytes arrive, nothing outside them is read and the table stays sound; a
 * record is believed only after its lengths and its key were checked. */
#include <string.h>

#include "op/group_state.h"

static int owner_of(const mp_group *g, uint32_t group) {
    if (g->n_owners == 1) return 0;
    uint64_t hash =
        g->is_direct ? g->batch_hash[group] : mp_key_hash(mp_table_key(&g->table, group));
    return (int)(((hash >> 32) * (uint64_t)g->n_owners) >> 32);
}

static void put_u32(uint8_t *p, uint32_t v) {
    memcpy(p, &v, 4);
}

/* Appends what the aggregates have for a further record; true: there is still more. */
static bool put_more(mp_group *g, uint32_t group, mp_buf *out) {
    bool more = false;
    for (int i = 0; i < g->n_aggs; i++) {
        mp_agg *a = g->agg[i];
        if (!a->has_more || g->cursor[i] == UINT64_MAX) continue;
        if (out->len > MP_RECORD_MORE_BYTES) return true;
        size_t at = out->len;
        mp_buf_u32(out, (uint32_t)i);
        mp_buf_u32(out, 0);
        bool again = a->ops->put_more(a, group, &g->cursor[i], out);
        if (!again) g->cursor[i] = UINT64_MAX;
        more |= again;
        if (out->failed) return false;
        if (out->len == at + 8)
            out->len = at;
        else
            put_u32(out->data + at + 4, (uint32_t)(out->len - at - 8));
    }
    return more;
}

/* A group whose record has no fixed size. fixed: header and fixed parts, ready but for the
 * lengths. */
static mp_status emit_long(mp_group *g, uint32_t group, const uint8_t *fixed, mp_group_put_fn put,
                           void *ctx, mp_error *err) {
    const mp_key *key = mp_table_key(&g->table, group);
    size_t key_len = mp_key_len(key);
    mp_buf *r = &g->record;
    bool more = true;
    memset(g->cursor, 0, (size_t)g->n_aggs * sizeof *g->cursor);
    for (; more; fixed = g->blank_wire) {
        mp_buf_clear(r);
        mp_buf_put(r, fixed, g->fixed_bytes);
        mp_buf_put(r, mp_key_bytes(key), key_len);
        more = put_more(g, group, r);
        mp_status s = mp_buf_check(r, err);
        if (s != MP_OK) return s;
        if (r->len > UINT32_MAX)
            return mp_error_set(err, MP_NOMEM, NULL, "a group's key and values pass 4 GiB");
        put_u32(r->data, (uint32_t)r->len);
        put_u32(r->data + 4, (uint32_t)key_len);
        s = put(ctx, owner_of(g, group), r->data, r->len, err);
        if (s != MP_OK) return s;
    }
    return MP_OK;
}

static mp_status emit_block(mp_group *g, uint32_t first, int32_t n, bool has_more,
                            mp_group_put_fn put, void *ctx, mp_error *err) {
    size_t size = g->fixed_bytes + sizeof(mp_key);
    uint8_t *r = g->block;
    for (int i = 0; i < g->n_aggs; i++) {
        const mp_agg *a = g->agg[i];
        if (a->ops->put) a->ops->put(a, first, n, r + a->wire_at, size);
    }
    for (int32_t i = 0; i < n && g->is_open && !g->is_direct; i++)
        g->is_open =
            mp_group_see_key(g, mp_table_key(&g->table, first + (uint32_t)i), g->seen, g->odd);
    for (int32_t i = 0; i < n; i++, r += size) {
        uint32_t group = first + (uint32_t)i;
        const uint8_t *row = mp_table_row(&g->table, group);
        const mp_key *key = (const mp_key *)(const void *)row;
        mp_status s;
        memcpy(r + MP_RECORD_ROWS_AT, row + MP_ROW_COUNT_AT, 8);
        if (has_more || mp_key_is_long(*key)) {
            s = emit_long(g, group, r, put, ctx, err);
        } else {
            put_u32(r, (uint32_t)size);
            put_u32(r + 4, sizeof *key);
            memcpy(r + g->fixed_bytes, key, sizeof *key);
            s = put(ctx, owner_of(g, group), r, size, err);
        }
        if (s != MP_OK) return s;
    }
    return MP_OK;
}

mp_status mp_group_emit(mp_group *g, mp_group_put_fn put, void *ctx, int64_t max_groups, bool *done,
                        mp_error *err) {
    mp_status s = MP_OK;
    bool has_more = false;
    *done = false;
    if (!g->emitting) {
        s = mp_group_lone(g, err);
        if (s == MP_OK) s = mp_group_settle(g, true, err);
        g->emitting = s == MP_OK;
    }
    for (int i = 0; i < g->n_aggs; i++)
        has_more |= g->agg[i]->has_more;
    while (s == MP_OK && max_groups > 0 && g->emitted < g->table.n) {
        int64_t n = g->table.n - g->emitted;
        if (n > MP_EMIT_BLOCK) n = MP_EMIT_BLOCK;
        if (n > max_groups) n = max_groups;
        s = emit_block(g, g->emitted, (int32_t)n, has_more, put, ctx, err);
        if (s == MP_OK) g->emitted += (uint32_t)n;
        max_groups -= n;
    }
    if (s != MP_OK || g->emitted < g->table.n) return s;
    *done = true;
    mp_group_choose_direct(g);
    mp_group_clear(g);
    return MP_OK;
}

/* ---- absorbing ---- */

int32_t mp_group_parse(mp_group *g, const uint8_t *bytes, size_t len, size_t *at) {
    int32_t n = 0;
    while (n < MP_BATCH_ROWS && *at < len) {
        const uint8_t *r = bytes + *at;
        uint32_t size, key_len;
        uint64_t rows;
        if (len - *at < g->fixed_bytes + sizeof(mp_key)) return -1;
        memcpy(&size, r, 4);
        memcpy(&key_len, r + 4, 4);
        memcpy(&rows, r + MP_RECORD_ROWS_AT, 8);
        if (size > len - *at || size < g->fixed_bytes || key_len > size - g->fixed_bytes ||
            rows > MP_AGG_COUNT_MAX ||
            !mp_key_read(r + g->fixed_bytes, key_len, &g->batch_key[n], &g->batch_hash[n]))
            return -1;
        g->batch_record[n++] = r;
        *at += size;
    }
    return n;
}

static mp_status absorb_more(mp_group *g, uint32_t group, const uint8_t *record, mp_error *err) {
    uint32_t size, key_len;
    memcpy(&size, record, 4);
    memcpy(&key_len, record + 4, 4);
    size_t at = g->fixed_bytes + key_len;
    mp_rd rd = mp_rd_of(record + at, size - at);
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

/* The first n of batch_record into the groups batch_group. */
static mp_status merge_records(mp_group *g, int32_t n, mp_error *err) {
    const uint8_t **record = g->batch_record;
    mp_status s = MP_OK;
    for (int32_t i = 0; i < n; i++) {
        uint64_t *count = (void *)(mp_table_row(&g->table, g->batch_group[i]) + MP_ROW_COUNT_AT);
        uint64_t rows;
        memcpy(&rows, record[i] + MP_RECORD_ROWS_AT, 8);
        *count += rows;
    }
    for (int i = 0; i < g->n_aggs && s == MP_OK; i++)
        if (g->agg[i]->ops->absorb)
            s = g->agg[i]->ops->absorb(g->agg[i], g->batch_group, record, n, err);
    for (int32_t i = 0; i < n && s == MP_OK; i++) {
        uint32_t size, key_len;
        memcpy(&size, record[i], 4);
        memcpy(&key_len, record[i] + 4, 4);
        if (size > g->fixed_bytes + key_len) s = absorb_more(g, g->batch_group[i], record[i], err);
    }
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
        mp_key key = mp_record_key(g, r, record[i].hash);
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
