/* agg_distinct.c - count_distinct, exact: a second hash table, of (group, value). Its keys: one
 * byte length plus one, the value's bytes, zeros, the group in the last 4 of 16 bytes; longer
 * than 11 bytes: a reference to the group and the bytes. A value's bytes follow from the value
 * alone: decimals stripped, one zero, one NaN. */
#include "op/agg/agg.h"

#include <string.h>

enum { INLINE_MAX = 11, SEND_BYTES = 32 * 1024 };

typedef struct {
    mp_agg base;
    mp_table set;
    mp_arena scratch;
    int32_t n_batch;
    mp_key *key; /* MP_BATCH_ROWS, of one batch */
    uint64_t *hash;
    uint32_t *number;
    int64_t *start;   /* by group, into member; n_groups + 1 */
    uint32_t *member; /* numbers in set by group; NULL unless settled for emission */
} distinct_agg;

static mp_status put_long(distinct_agg *a, uint32_t group, const char *p, size_t n, mp_key *key,
                          uint64_t *hash, mp_error *err) {
    uint8_t *bytes = mp_arena_alloc(&a->scratch, n + 4, 1);
    if (!bytes) return mp_mem_error(a->base.mem, n + 4, err);
    memcpy(bytes, &group, 4);
    memcpy(bytes + 4, p, n);
    *hash = mp_hash_bytes(bytes, n + 4);
    *key = mp_key_reference(bytes, n + 4, *hash);
    return MP_OK;
}

/* One more pair for the batch. */
static mp_status put_value(distinct_agg *a, uint32_t group, const char *p, size_t n,
                           mp_error *err) {
    mp_key *key = &a->key[a->n_batch];
    uint64_t *hash = &a->hash[a->n_batch];
    a->n_batch++;
    if (n > INLINE_MAX) return put_long(a, group, p, n, key, hash, err);
    mp_key t = mp_key_load16(p, n);
    key->lo = t.lo << 8 | (n + 1);
    key->hi = t.hi << 8 | t.lo >> 56 | (uint64_t)group << 32;
    *hash = mp_hash_16(key->lo, key->hi);
    return MP_OK;
}

static mp_status flush(distinct_agg *a, mp_error *err) {
    mp_status s = mp_table_find(&a->set, a->key, a->hash, a->n_batch, a->number, err);
    a->n_batch = 0;
    mp_arena_reset(&a->scratch);
    return s;
}

static uint32_t member_group(const mp_key *k) {
    uint32_t group;
    if (!mp_key_is_long(*k)) return (uint32_t)(k->hi >> 32);
    memcpy(&group, mp_key_bytes(k), 4);
    return group;
}

static mp_str member_value(const mp_key *k) {
    if (!mp_key_is_long(*k)) return mp_str_of((const char *)k + 1, (size_t)(k->lo & 0xFF) - 1);
    return mp_str_of((const char *)mp_key_bytes(k) + 4, mp_key_len(k) - 4);
}

/* The bytes that stand for value i of a column that is no string. */
static size_t value_bytes(const mp_col *c, int32_t i, char *out) {
    int64_t v;
    int scale = c->scale;
    if (c->type == MP_BOOL) {
        out[0] = c->b[i] != 0;
        return 1;
    }
    if (c->type == MP_FLOAT64)
        v = mp_order_of_double(c->f64[i]);
    else
        v = c->i64[i];
    if (c->type == MP_DECIMAL) mp_decimal_strip(&v, &scale);
    memcpy(out, &v, sizeof v);
    if (c->type != MP_DECIMAL) return sizeof v;
    out[sizeof v] = (char)scale;
    return sizeof v + 1;
}

static mp_status distinct_update(mp_agg *base, const uint32_t *group, const mp_batch *in,
                                 mp_error *err) {
    distinct_agg *a = (distinct_agg *)base;
    const mp_col *c = &in->cols[base->spec.arg[0]];
    for (int32_t i = 0; i < in->n_rows; i++) {
        char bytes[16];
        mp_status s;
        if (mp_col_is_null(c, i)) continue;
        if (c->type == MP_STRING)
            s = put_value(a, group[i], c->str[i].p, c->str[i].len, err);
        else
            s = put_value(a, group[i], bytes, value_bytes(c, i, bytes), err);
        if (s != MP_OK) return s;
    }
    return flush(a, err);
}

static bool distinct_put_more(mp_agg *base, uint32_t group, uint64_t *cursor, mp_buf *out) {
    distinct_agg *a = (distinct_agg *)base;
    int64_t n = a->start[group + 1] - a->start[group];
    size_t begin = out->len;
    while ((int64_t)*cursor < n && out->len - begin < SEND_BYTES && !out->failed) {
        uint32_t m = a->member[a->start[group] + (int64_t)*cursor];
        mp_str v = member_value(mp_table_key(&a->set, m));
        if (v.len < 0xFF) {
            mp_buf_u8(out, (uint8_t)v.len);
            mp_buf_put(out, v.p, v.len);
        } else {
            mp_buf_u8(out, 0xFF);
            mp_buf_bytes(out, v.p, v.len);
        }
        ++*cursor;
    }
    return (int64_t)*cursor < n && !out->failed;
}

static mp_status distinct_absorb_more(mp_agg *base, uint32_t group, mp_rd *in, mp_error *err) {
    distinct_agg *a = (distinct_agg *)base;
    mp_status s = MP_OK;
    while (mp_rd_left(in) && s == MP_OK) {
        size_t n = mp_rd_u8(in);
        const void *p = n < 0xFF ? mp_rd_raw(in, n) : mp_rd_bytes(in, &n);
        if (!p) return mp_agg_damaged(err);
        s = put_value(a, group, p, n, err);
        if (s == MP_OK && a->n_batch == MP_BATCH_ROWS) s = flush(a, err);
    }
    return s == MP_OK ? flush(a, err) : s;
}

static void unsettle(distinct_agg *a) {
    mp_mem_free(a->base.mem, a->start);
    mp_mem_free(a->base.mem, a->member);
    a->start = NULL;
    a->member = NULL;
}

static mp_status distinct_settle(mp_agg *base, bool emit, mp_error *err) {
    distinct_agg *a = (distinct_agg *)base;
    int64_t n_groups = base->table->n, n = a->set.n;
    unsettle(a);
    a->start = mp_mem_calloc(base->mem, (size_t)n_groups + 2, sizeof *a->start);
    if (!a->start) return mp_mem_error(base->mem, (size_t)n_groups * sizeof *a->start, err);
    int64_t *at = a->start + 1; /* one place further on, as it moves while members are placed */
    for (int64_t i = 0; i < n; i++)
        at[member_group(mp_table_key(&a->set, (uint32_t)i)) + 1]++;
    for (int64_t g = 0; g < n_groups; g++)
        at[g + 1] += at[g];
    if (emit) {
        a->member = mp_mem_alloc(base->mem, (size_t)n * sizeof *a->member);
        if (!a->member) return mp_mem_error(base->mem, (size_t)n * sizeof *a->member, err);
        for (int64_t i = 0; i < n; i++)
            a->member[at[member_group(mp_table_key(&a->set, (uint32_t)i))]++] = (uint32_t)i;
    } else {
        memmove(a->start, at, ((size_t)n_groups + 1) * sizeof *at);
    }
    base->has_more = true;
    return MP_OK;
}

static mp_status distinct_result(mp_agg *base, const mp_group_agg *as, const uint32_t *group,
                                 int32_t n, mp_arena *arena, mp_agg_column *out, mp_error *err) {
    (void)as;
    const distinct_agg *a = (const distinct_agg *)base;
    (void)arena;
    (void)err;
    for (int32_t i = 0; i < n; i++) {
        out->valid[i] = 1;
        out->i64[i] = a->start[group[i] + 1] - a->start[group[i]];
    }
    return MP_OK;
}

static void distinct_clear(mp_agg *base) {
    distinct_agg *a = (distinct_agg *)base;
    unsettle(a);
    mp_table_clear(&a->set);
}

static void distinct_release(mp_agg *base) {
    distinct_agg *a = (distinct_agg *)base;
    unsettle(a);
    mp_table_release(&a->set);
    mp_arena_release(&a->scratch);
    mp_mem_free(base->mem, a->key);
    mp_mem_free(base->mem, a->hash);
    mp_mem_free(base->mem, a->number);
}

static const mp_agg_ops distinct_ops = {
    .update = distinct_update,
    .put_more = distinct_put_more,
    .absorb_more = distinct_absorb_more,
    .settle = distinct_settle,
    .result = distinct_result,
    .clear = distinct_clear,
    .release = distinct_release,
};

mp_status mp_agg_distinct_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err) {
    (void)spec;
    mp_status s = mp_agg_alloc(sizeof(distinct_agg), &distinct_ops, mem, out, err);
    if (s != MP_OK) return s;
    distinct_agg *a = (distinct_agg *)*out;
    mp_arena_init(&a->scratch, mem);
    a->base.has_more = true;
    s = mp_table_init(&a->set, sizeof(mp_key), mem, err);
    a->key = mp_mem_alloc(mem, MP_BATCH_ROWS * sizeof *a->key);
    a->hash = mp_mem_alloc(mem, MP_BATCH_ROWS * sizeof *a->hash);
    a->number = mp_mem_alloc(mem, MP_BATCH_ROWS * sizeof *a->number);
    if (s == MP_OK && (!a->key || !a->hash || !a->number))
        s = mp_mem_error(mem, MP_BATCH_ROWS * sizeof *a->key, err);
    if (s != MP_OK) mp_agg_free(out);
    return s;
}
