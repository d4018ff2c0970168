/* agg.c - making an aggregate, and what the families share. */
#include "op/agg/agg.h"

#include <math.h>
#include <string.h>

enum { HELD_BYTES = 24 << 20, HELD_SHARE = 16 /* of the budget */ };

mp_status mp_agg_alloc(size_t size, const mp_agg_ops *ops, mp_mem *mem, mp_agg **out,
                       mp_error *err) {
    mp_agg *a = mp_mem_calloc(mem, 1, size);
    if (!a) return mp_mem_error(mem, size, err);
    a->ops = ops;
    a->mem = mem;
    *out = a;
    return MP_OK;
}

mp_type mp_group_result_type(const mp_group_agg *a) {
    switch (a->fn) {
    case MP_AGG_COUNT:
    case MP_AGG_COUNT_VALUES:
    case MP_AGG_COUNT_DISTINCT:
        return MP_INT64;
    case MP_AGG_SUM:
        return a->type[0] == MP_BOOL ? MP_INT64 : a->type[0];
    case MP_AGG_MEAN:
    case MP_AGG_VAR:
    case MP_AGG_STD:
    case MP_AGG_QUANTILE:
    case MP_AGG_CORR:
        return MP_FLOAT64;
    case MP_AGG_MIN:
    case MP_AGG_MAX:
    case MP_AGG_FIRST:
    case MP_AGG_LAST:
    case MP_AGG_TOP:
    case MP_AGG_BOTTOM:
        break;
    }
    return a->type[0];
}

int mp_group_result_columns(const mp_group_agg *a) {
    return a->fn == MP_AGG_TOP || a->fn == MP_AGG_BOTTOM ? a->k : 1;
}

static bool takes(const mp_group_agg *a, mp_type t) {
    switch (a->fn) {
    case MP_AGG_SUM:
    case MP_AGG_MEAN:
    case MP_AGG_VAR:
    case MP_AGG_STD:
    case MP_AGG_QUANTILE:
    case MP_AGG_CORR:
        return mp_type_is_number(t) || t == MP_BOOL || t == MP_NULL;
    default:
        return true;
    }
}

static mp_status make(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err) {
    bool is_float = spec->type[0] == MP_FLOAT64;
    bool nulls = spec->fn != MP_AGG_COUNT && spec->type[0] == MP_NULL;
    if (nulls || (spec->fn == MP_AGG_CORR && spec->type[1] == MP_NULL))
        return mp_agg_null_new(spec, mem, out, err);
    switch (spec->fn) {
    case MP_AGG_COUNT:
    case MP_AGG_COUNT_VALUES:
        return mp_agg_count_new(spec, mem, out, err);
    case MP_AGG_SUM:
    case MP_AGG_MEAN:
        return is_float ? mp_agg_fsum_new(spec, mem, out, err)
                        : mp_agg_sum_new(spec, mem, out, err);
    case MP_AGG_MIN:
    case MP_AGG_MAX:
        return mp_agg_minmax_new(spec, mem, out, err);
    case MP_AGG_VAR:
    case MP_AGG_STD:
    case MP_AGG_CORR:
        return mp_agg_moments_new(spec, mem, out, err);
    case MP_AGG_QUANTILE:
        return mp_agg_quantile_new(spec, mem, out, err);
    case MP_AGG_COUNT_DISTINCT:
        return mp_agg_distinct_new(spec, mem, out, err);
    case MP_AGG_FIRST:
    case MP_AGG_LAST:
        return mp_agg_pick_new(spec, mem, out, err);
    case MP_AGG_TOP:
    case MP_AGG_BOTTOM:
        return mp_agg_top_new(spec, mem, out, err);
    }
    return mp_error_set(err, MP_USAGE, NULL, "unknown aggregate");
}

mp_status mp_agg_check(const mp_group_agg *spec, mp_error *err) {
    bool many = spec->fn == MP_AGG_TOP || spec->fn == MP_AGG_BOTTOM;
    if (!takes(spec, spec->type[0]) || (spec->fn == MP_AGG_CORR && !takes(spec, spec->type[1])))
        return mp_error_set(err, MP_USAGE, NULL, "an aggregate of '%s' needs numbers",
                            spec->name ? spec->name : "");
    if (spec->fn == MP_AGG_QUANTILE && !(spec->q >= 0 && spec->q <= 1))
        return mp_error_set(err, MP_USAGE, NULL, "a quantile lies between 0 and 1");
    if (many && spec->k < 1)
        return mp_error_set(err, MP_USAGE, NULL, "top and bottom take a count from 1 on");
    return MP_OK;
}

/* Functions with the same state have the same name here. */
static mp_agg_fn state_fn(mp_agg_fn fn) {
    return fn == MP_AGG_MEAN ? MP_AGG_SUM : fn == MP_AGG_STD ? MP_AGG_VAR : fn;
}

bool mp_agg_same_state(const mp_group_agg *a, const mp_group_agg *b) {
    for (int i = 0; i < 2; i++)
        if (a->arg[i] != b->arg[i] || a->type[i] != b->type[i]) return false;
    return state_fn(a->fn) == state_fn(b->fn) && a->k == b->k;
}

mp_status mp_agg_new(const mp_group_agg *spec, int window_exp, const mp_table *table, mp_mem *mem,
                     mp_agg **out, mp_error *err) {
    mp_agg *a = NULL;
    *out = NULL;
    mp_status s = make(spec, mem, &a, err);
    if (s != MP_OK) return s;
    a->spec = *spec;
    a->table = table;
    a->window_exp = window_exp;
    *out = a;
    return MP_OK;
}

size_t mp_agg_held_most(const mp_mem *mem, int n) {
    size_t most = (size_t)n * HELD_BYTES;
    size_t share = mem && mem->limit_bytes > 0 ? (size_t)mem->limit_bytes / HELD_SHARE : most;
    return share < most ? share : most;
}

void mp_agg_free(mp_agg **a) {
    if (!*a) return;
    const mp_agg_ops *ops = (*a)->ops;
    if (ops->release)
        ops->release(*a);
    else if (ops->clear)
        ops->clear(*a);
    mp_mem_free((*a)->mem, *a);
    *a = NULL;
}

void mp_agg_put_state(const mp_agg *a, uint32_t first, int32_t n, uint8_t *out, size_t out_stride) {
    const uint8_t *state = mp_agg_state(a, first);
    size_t stride = a->table->stride, bytes = a->state_bytes;
    for (int32_t i = 0; i < n; i++, state += stride, out += out_stride)
        for (size_t b = 0; b < bytes; b += 8) /* a constant size is a plain move */
            memcpy(out + b, state + b, 8);
}

void mp_agg_count_nulls(const mp_agg *a, size_t at, const uint32_t *group, const uint8_t *valid,
                        int32_t n) {
    if (!valid) return;
    uint8_t *states = a->table->rows + a->at + at;
    size_t stride = a->table->stride;
    for (int32_t i = 0; i < n; i++)
        *(uint64_t *)(void *)(states + group[i] * stride) += !valid[i];
}

double mp_agg_largest(const int64_t *v, int32_t n) {
    uint64_t bits = 0;
    for (int32_t i = 0; i < n; i++)
        bits |= (uint64_t)(v[i] ^ v[i] >> 63);
    return (double)bits + 1;
}

bool mp_agg_decimal(mp_i128 m, int scale, int64_t *mantissa, uint8_t *out_scale) {
    while (scale > 0 && !mp_i128_fits_i64(m) && m % 10 == 0) {
        m /= 10;
        scale--;
    }
    if (!mp_i128_fits_i64(m)) return false;
    *mantissa = (int64_t)m;
    mp_decimal_strip(mantissa, &scale);
    *out_scale = (uint8_t)scale;
    return true;
}

mp_status mp_agg_overflow(const mp_agg *a, mp_error *err) {
    const char *name = a->spec.name ? a->spec.name : "";
    mp_status s = mp_error_set(err, MP_DATA, NULL, "sum of '%s' is outside int64", name);
    mp_error_hint(err, "sum(float(%s)) computes in floating point", name);
    return s;
}

mp_status mp_agg_damaged(mp_error *err) {
    return mp_error_set(err, MP_FAILED, NULL, "a record of partial groups is damaged");
}

void mp_agg_orders(const mp_col *col, int32_t n, int64_t *out) {
    if (col->type == MP_BOOL)
        for (int32_t i = 0; i < n; i++)
            out[i] = col->b[i];
    else if (col->type == MP_FLOAT64)
        for (int32_t i = 0; i < n; i++)
            out[i] = mp_order_of_double(col->f64[i]);
    else
        memcpy(out, col->i64, (size_t)n * sizeof *out);
}

void mp_agg_put_order(mp_agg_column *out, int32_t i, int64_t order) {
    if (out->type == MP_BOOL)
        out->b[i] = order != 0;
    else if (out->type == MP_FLOAT64)
        out->f64[i] = order == INT64_MAX ? (double)NAN : mp_double_of_order(order);
    else
        out->i64[i] = order;
}

mp_status mp_agg_text_keep(mp_agg *a, mp_arena *arena, mp_agg_text *t, mp_str v, mp_error *err) {
    if (!t->p || t->cap < v.len) {
        uint32_t cap = v.len < 8 ? 8 : v.len;
        char *p = mp_arena_alloc(arena, cap, 1);
        if (!p) return mp_mem_error(a->mem, cap, err);
        t->p = p;
        t->cap = cap;
    }
    if (v.len) memcpy(t->p, v.p, v.len);
    t->len = v.len;
    return MP_OK;
}

void mp_agg_text_put(const mp_agg_text *t, mp_agg_column *out, int32_t i) {
    out->valid[i] = t->p != NULL;
    out->str[i] = t->p ? mp_str_of(t->p, t->len) : (mp_str){"", 0, 0};
}
