/* group_emit.c - groups as records to their owners.
 * Invariant: a record waits in its owner's block, or has been put; none waits between two calls. */
#include <string.h>

#include "op/group/group_state.h"

enum {
    OWNER_BYTES = 4096, /* of the block of an owner */
    STEP = 16,          /* bytes copied at once, so up to as many too many */
    SLACK = 128,        /* what packing may write too much, or try in vain */
    BLOCK_RECORD = 1024 /* a longer record is put by itself */
};

static int owner_of(const mp_group *g, uint32_t group) {
    if (g->n_owners == 1) return 0;
    uint64_t hash =
        g->is_direct ? g->batch_hash[group] : mp_key_hash(mp_table_key(&g->table, group));
    return (int)(mp_slab_place(hash, g->slab_bits, (uint64_t)g->n_owners) >> 32);
}

typedef struct {
    mp_group *g;
    mp_group_put_fn put;
    void *ctx;
} emission;

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

/* A group whose record has no fixed size. fixed: the fixed parts of its first record, behind room for
 * the lengths. */
static mp_status emit_long(const emission *e, uint32_t group, const uint8_t *fixed, mp_error *err) {
    mp_group *g = e->g;
    const mp_key *key = mp_table_key(&g->table, group);
    size_t key_len = mp_key_len(key);
    uint64_t left = mp_row_count(mp_table_row(&g->table, group));
    mp_buf *r = &g->record;
    bool more = true;
    memset(g->cursor, 0, (size_t)g->n_aggs * sizeof *g->cursor);
    for (; more || left; fixed = g->blank_wire) {
        uint32_t rows = left > MP_RECORD_ROWS_MAX ? MP_RECORD_ROWS_MAX : (uint32_t)left;
        left -= rows;
        mp_buf_clear(r);
        mp_buf_put(r, fixed, g->form.fixed_bytes);
        mp_buf_put(r, mp_key_bytes(key), key_len);
        size_t plain = r->len;
        more = put_more(g, group, r);
        if (r->len > plain) {
            mp_buf_u32(r, (uint32_t)key_len);
            rows |= MP_RECORD_MORE;
        }
        mp_status s = mp_buf_check(r, err);
        if (s != MP_OK) return s;
        if (r->len > INT32_MAX)
            return mp_error_set(err, MP_NOMEM, NULL, "a group's key and values pass 2 GiB");
        put_u32(r->data, (uint32_t)r->len * 2);
        put_u32(r->data + MP_RECORD_ROWS_AT, rows);
        s = e->put(e->ctx, owner_of(g, group), r->data, r->len, err);
        if (s != MP_OK) return s;
    }
    return MP_OK;
}

static mp_status put_block(const emission *e, int owner, mp_error *err) {
    uint32_t n = e->g->waiting_bytes[owner];
    e->g->waiting_bytes[owner] = 0;
    return n ? e->put(e->ctx, owner, e->g->waiting + (size_t)owner * OWNER_BYTES, n, err) : MP_OK;
}

static mp_status put_blocks(const emission *e, mp_error *err) {
    mp_status s = MP_OK;
    for (int i = 0; i < e->g->n_owners && s == MP_OK; i++)
        s = put_block(e, i, err);
    return s;
}

static inline void copy_steps(uint8_t *to, const uint8_t *from, size_t n) {
    for (size_t i = 0; i < n; i += STEP)
        memcpy(to + i, from + i, STEP);
}

/* A record of what is in `fixed` (up to STEP bytes behind it can be read) and the key. */
static mp_status emit_short(const emission *e, uint32_t group, uint32_t rows, const uint8_t *fixed,
                            const mp_key *key, size_t key_len, mp_error *err) {
    mp_group *g = e->g;
    size_t size = g->form.fixed_bytes + key_len;
    int owner = owner_of(g, group);
    if (g->waiting_bytes[owner] + size > OWNER_BYTES - SLACK) {
        mp_status s = put_block(e, owner, err);
        if (s != MP_OK) return s;
    }
    uint8_t *r = g->waiting + (size_t)owner * OWNER_BYTES + g->waiting_bytes[owner];
    size_t at = MP_RECORD_PACKED_MOST;
    if (key_len + g->form.codes_bytes < MP_RECORD_PACKED_MOST)
        at = mp_record_pack(g->form, rows, fixed, r);
    if (at + key_len <= MP_RECORD_PACKED_MOST) {
        size = at + key_len;
        r[0] = (uint8_t)(size << 1 | 1);
    } else {
        at = g->form.fixed_bytes;
        copy_steps(r, fixed, at);
        put_u32(r, (uint32_t)size * 2);
        put_u32(r + MP_RECORD_ROWS_AT, rows);
    }
    if (g->is_direct || key_len == STEP) /* the batch's encodings may be read past their ends */
        copy_steps(r + at, mp_key_bytes(key), key_len);
    else
        memcpy(r + at, mp_key_bytes(key), key_len);
    g->waiting_bytes[owner] += (uint32_t)size;
    return MP_OK;
}

/* A place whose key never came is none. */
static bool is_group(const mp_group *g, uint32_t group) {
    return group >= g->table.n_placed || mp_row_count(mp_table_row(&g->table, group)) > 0;
}

static mp_status emit_block(const emission *e, uint32_t first, int32_t n, bool has_more,
                            mp_error *err) {
    mp_group *g = e->g;
    uint8_t *r = g->block;
    mp_status s = MP_OK;
    for (int i = 0; i < g->n_aggs; i++) {
        const mp_agg *a = g->agg[i];
        if (a->ops->put) a->ops->put(a, first, n, r + a->wire_at, g->form.fixed_bytes);
    }
    for (int32_t i = 0; i < n && g->is_open && !g->is_direct; i++) {
        uint32_t group = first + (uint32_t)i;
        if (is_group(g, group))
            g->is_open = mp_group_see_key(g, mp_table_key(&g->table, group), g->seen, g->odd);
    }
    for (int32_t i = 0; i < n && s == MP_OK; i++, r += g->form.fixed_bytes) {
        uint32_t group = first + (uint32_t)i;
        if (!is_group(g, group)) continue;
        const uint8_t *row = mp_table_row(&g->table, group);
        const mp_key *key = (const mp_key *)(const void *)row;
        size_t key_len = mp_key_len(key);
        uint64_t rows = mp_row_count(row);
        if (has_more || rows > MP_RECORD_ROWS_MAX || g->form.fixed_bytes + key_len > BLOCK_RECORD)
            s = emit_long(e, group, r, err);
        else
            s = emit_short(e, group, (uint32_t)rows, r, key, key_len, err);
    }
    return s;
}

static mp_status begin(mp_group *g, mp_error *err) {
    size_t owners = (size_t)g->n_owners;
    if (!g->waiting) g->waiting = mp_mem_alloc(g->mem, owners * OWNER_BYTES);
    if (!g->waiting_bytes)
        g->waiting_bytes = mp_mem_calloc(g->mem, owners, sizeof *g->waiting_bytes);
    if (!g->waiting || !g->waiting_bytes) return mp_mem_error(g->mem, owners * OWNER_BYTES, err);
    mp_status s = mp_group_lone(g, err);
    if (s == MP_OK) s = mp_group_settle(g, true, err);
    g->emitting = s == MP_OK;
    return s;
}

mp_status mp_group_emit(mp_group *g, mp_group_put_fn put, void *ctx, int64_t max_groups, bool *done,
                        mp_error *err) {
    const emission e = {g, put, ctx};
    bool has_more = false;
    *done = false;
    mp_status s = g->emitting ? MP_OK : begin(g, err);
    for (int i = 0; i < g->n_aggs; i++)
        has_more |= g->agg[i]->has_more;
    while (s == MP_OK && max_groups > 0 && g->emitted < g->table.n) {
        int64_t n = g->table.n - g->emitted;
        if (n > MP_EMIT_BLOCK) n = MP_EMIT_BLOCK;
        if (n > max_groups) n = max_groups;
        s = emit_block(&e, g->emitted, (int32_t)n, has_more, err);
        if (s == MP_OK) g->emitted += (uint32_t)n;
        max_groups -= n;
    }
    if (s == MP_OK) s = put_blocks(&e, err);
    if (s != MP_OK || g->emitted < g->table.n) return s;
    *done = true;
    s = mp_group_choose_direct(g, err);
    mp_group_clear(g);
    return s;
}
