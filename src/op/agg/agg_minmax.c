/* agg_minmax.c - min and max of every type. Numbers are held as integers in the values' order,
 * complemented for max, so that every state is a minimum: 64 bits, or for decimals 128 bits at
 * scale 18. A group has a value when it has more rows than nulls. Strings are copied. */
#include "op/agg/agg.h"

#include <string.h>

typedef struct {
    int64_t least;
    uint64_t nulls;
} narrow_state;

typedef struct {
    mp_i128_8 least;
    uint64_t nulls;
} decimal_state;

typedef struct {
    mp_agg base;
    int64_t flip; /* -1 for max, 0 for min */
    mp_arena strings;
} minmax_agg;

static minmax_agg *of(mp_agg *a) {
    return (minmax_agg *)a;
}

static void blank_narrow(const mp_agg *a, uint8_t *state) {
    (void)a;
    *(narrow_state *)(void *)state = (narrow_state){INT64_MAX, 0};
}

static void blank_decimal(const mp_agg *a, uint8_t *state) {
    (void)a;
    *(decimal_state *)(void *)state = (decimal_state){MP_I128_MAX, 0};
}

static mp_status narrow_update(mp_agg *a, const uint32_t *group, const mp_batch *in,
                               mp_error *err) {
    const mp_col *c = &in->cols[a->spec.arg[0]];
    int64_t v[MP_BATCH_ROWS], flip = of(a)->flip;
    int32_t n = in->n_rows;
    (void)err;
    mp_agg_orders(c, n, v);
    if (c->valid)
        for (int32_t i = 0; i < n; i++)
            v[i] = c->valid[i] ? v[i] ^ flip : INT64_MAX;
    else
        for (int32_t i = 0; i < n; i++)
            v[i] ^= flip;
    uint8_t *states = a->table->rows + a->at;
    size_t stride = a->table->stride;
    for (int32_t i = 0; i < n; i++) {
        narrow_state *s = (narrow_state *)(void *)(states + group[i] * stride);
        s->least = v[i] < s->least ? v[i] : s->least;
    }
    mp_agg_count_nulls(a, offsetof(narrow_state, nulls), group, c->valid, n);
    return MP_OK;
}

static mp_status decimal_update(mp_agg *a, const uint32_t *group, const mp_batch *in,
                                mp_error *err) {
    const mp_col *c = &in->cols[a->spec.arg[0]];
    int64_t factor = mp_pow10_i64[MP_SCALE_MAX - c->scale];
    mp_i128 flip = of(a)->flip;
    (void)err;
    uint8_t *states = a->table->rows + a->at;
    size_t stride = a->table->stride;
    for (int32_t i = 0; i < in->n_rows; i++) {
        decimal_state *s = (decimal_state *)(void *)(states + group[i] * stride);
        mp_i128 v = ((mp_i128)c->i64[i] * factor) ^ flip;
        if (v < s->least && !mp_col_is_null(c, i)) s->least = v;
    }
    mp_agg_count_nulls(a, offsetof(decimal_state, nulls), group, c->valid, in->n_rows);
    return MP_OK;
}

static mp_status narrow_absorb(mp_agg *a, const uint32_t *group, const uint8_t *const *in,
                               int32_t n, mp_error *err) {
    for (int32_t i = 0; i < n; i++) {
        narrow_state more, *s = (narrow_state *)(void *)mp_agg_state(a, group[i]);
        memcpy(&more, in[i] + a->wire_at, sizeof more);
        if (more.nulls > MP_AGG_COUNT_MAX) return mp_agg_damaged(err);
        s->least = more.least < s->least ? more.least : s->least;
        s->nulls += more.nulls;
    }
    return MP_OK;
}

static mp_status decimal_absorb(mp_agg *a, const uint32_t *group, const uint8_t *const *in,
                                int32_t n, mp_error *err) {
    for (int32_t i = 0; i < n; i++) {
        decimal_state more, *s = (decimal_state *)(void *)mp_agg_state(a, group[i]);
        memcpy(&more, in[i] + a->wire_at, sizeof more);
        if (more.nulls > MP_AGG_COUNT_MAX) return mp_agg_damaged(err);
        if (more.least < s->least) s->least = more.least;
        s->nulls += more.nulls;
    }
    return MP_OK;
}

static mp_status narrow_result(mp_agg *a, const mp_group_agg *as, const uint32_t *group, int32_t n,
                               mp_arena *arena, mp_agg_column *out, mp_error *err) {
    (void)as;
    (void)arena;
    (void)err;
    for (int32_t i = 0; i < n; i++) {
        const narrow_state *s = (const narrow_state *)(void *)mp_agg_state(a, group[i]);
        out->valid[i] = mp_agg_n(a, group[i], s->nulls) > 0;
        mp_agg_put_order(out, i, out->valid[i] ? s->least ^ of(a)->flip : 0);
    }
    return MP_OK;
}

static mp_status decimal_result(mp_agg *a, const mp_group_agg *as, const uint32_t *group, int32_t n,
                                mp_arena *arena, mp_agg_column *out, mp_error *err) {
    (void)as;
    (void)arena;
    for (int32_t i = 0; i < n; i++) {
        const decimal_state *s = (const decimal_state *)(void *)mp_agg_state(a, group[i]);
        out->valid[i] = mp_agg_n(a, group[i], s->nulls) > 0;
        if (out->valid[i] && !mp_agg_decimal(s->least ^ (mp_i128)of(a)->flip, MP_SCALE_MAX,
                                             &out->i64[i], &out->scale[i]))
            return mp_agg_damaged(err);
    }
    return MP_OK;
}

static mp_status offer(mp_agg *a, uint32_t group, mp_str v, mp_error *err) {
    mp_agg_text *t = (mp_agg_text *)(void *)mp_agg_state(a, group);
    if (t->p) {
        int c = mp_str_cmp(v, mp_str_of(t->p, t->len));
        if (of(a)->flip ? c <= 0 : c >= 0) return MP_OK;
    }
    return mp_agg_text_keep(a, &of(a)->strings, t, v, err);
}

static mp_status string_update(mp_agg *a, const uint32_t *group, const mp_batch *in,
                               mp_error *err) {
    const mp_col *c = &in->cols[a->spec.arg[0]];
    for (int32_t i = 0; i < in->n_rows; i++) {
        if (mp_col_is_null(c, i)) continue;
        mp_status s = offer(a, group[i], c->str[i], err);
        if (s != MP_OK) return s;
    }
    return MP_OK;
}

static bool string_put_more(mp_agg *a, uint32_t group, uint64_t *cursor, mp_buf *out) {
    const mp_agg_text *t = (const mp_agg_text *)(void *)mp_agg_state(a, group);
    if (t->p && !*cursor) mp_buf_bytes(out, t->p, t->len);
    *cursor = 1;
    return false;
}

static mp_status string_absorb_more(mp_agg *a, uint32_t group, mp_rd *in, mp_error *err) {
    size_t n;
    const char *p = mp_rd_bytes(in, &n);
    if (!p) return mp_agg_damaged(err);
    return offer(a, group, mp_str_of(p, n), err);
}

static mp_status string_result(mp_agg *a, const mp_group_agg *as, const uint32_t *group, int32_t n,
                               mp_arena *arena, mp_agg_column *out, mp_error *err) {
    (void)as;
    (void)arena;
    (void)err;
    for (int32_t i = 0; i < n; i++)
        mp_agg_text_put((const mp_agg_text *)(void *)mp_agg_state(a, group[i]), out, i);
    return MP_OK;
}

static void string_clear(mp_agg *a) {
    mp_arena_release(&of(a)->strings);
}

static const mp_agg_ops narrow_ops = {
    .blank = blank_narrow,
    .update = narrow_update,
    .put = mp_agg_put_state,
    .absorb = narrow_absorb,
    .result = narrow_result,
};

static const mp_agg_ops decimal_ops = {
    .blank = blank_decimal,
    .update = decimal_update,
    .put = mp_agg_put_state,
    .absorb = decimal_absorb,
    .result = decimal_result,
};

static const mp_agg_ops string_ops = {
    .update = string_update,
    .put_more = string_put_more,
    .absorb_more = string_absorb_more,
    .result = string_result,
    .clear = string_clear,
};

mp_status mp_agg_minmax_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err) {
    mp_type t = spec->type[0];
    const mp_agg_ops *ops = t == MP_STRING    ? &string_ops
                            : t == MP_DECIMAL ? &decimal_ops
                                              : &narrow_ops;
    mp_status s = mp_agg_alloc(sizeof(minmax_agg), ops, mem, out, err);
    if (s != MP_OK) return s;
    (*out)->state_bytes = t == MP_STRING    ? sizeof(mp_agg_text)
                          : t == MP_DECIMAL ? sizeof(decimal_state)
                                            : sizeof(narrow_state);
    (*out)->wire_bytes = t == MP_STRING ? 0 : (*out)->state_bytes;
    (*out)->has_more = t == MP_STRING;
    of(*out)->flip = spec->fn == MP_AGG_MAX ? -1 : 0;
    mp_arena_init(&of(*out)->strings, mem);
    return MP_OK;
}
