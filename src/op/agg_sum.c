/* agg_sum.c - sum and mean of bool, int64 and decimal columns, exact. A state is a 128-bit sum
 * at the scale of the whole aggregate, which only grows. Invariant: bound is at least the
 * absolute value of any sum; before it could pass 2^126 the sums move to 256 bits beside the
 * table, once, which holds all that can come (2^63 rows of 2^63 at 18 more digits). */
#include "op/agg.h"

#include <math.h>
#include <string.h>

typedef struct {
    mp_i128_8 sum;
    uint64_t nulls;
} sum_state;

typedef struct {
    mp_agg base;
    int scale;
    double bound;
    mp_i256 *wide; /* NULL: sums are in the rows */
    int64_t wide_cap;
} sum_agg;

static const double BOUND_MAX = 0x1p126;
static const double INT64_BOUND = 0x1p63 * 1.000001; /* with room for the rounding of the bound */

static sum_state *state_of(const sum_agg *a, uint32_t group) {
    return (sum_state *)(void *)mp_agg_state(&a->base, group);
}

/* Room for all groups of the table. */
static mp_status grow_wide(sum_agg *a, mp_error *err) {
    int64_t n = a->base.table->n;
    if (n <= a->wide_cap) return MP_OK;
    int64_t cap = n + n / 2 + 16;
    mp_i256 *wide = mp_mem_realloc(a->base.mem, a->wide, (size_t)cap * sizeof *wide);
    if (!wide) return mp_mem_error(a->base.mem, (size_t)cap * sizeof *wide, err);
    memset(wide + a->wide_cap, 0, (size_t)(cap - a->wide_cap) * sizeof *wide);
    a->wide = wide;
    a->wide_cap = cap;
    return MP_OK;
}

static mp_status widen(sum_agg *a, mp_error *err) {
    if (a->wide) return MP_OK;
    mp_status s = grow_wide(a, err);
    if (s != MP_OK) return s;
    for (int64_t g = 0; g < a->base.table->n; g++) {
        sum_state *st = state_of(a, (uint32_t)g);
        a->wide[g] = mp_i256_from_i128(st->sum);
        st->sum = 0;
    }
    return MP_OK;
}

static mp_status rescale(sum_agg *a, int scale, mp_error *err) {
    int64_t factor = mp_pow10_i64[scale - a->scale];
    int64_t n = a->base.table->n;
    mp_status s = MP_OK;
    if (!a->wide && a->bound * (double)factor > BOUND_MAX) s = widen(a, err);
    if (s == MP_OK && a->wide) s = grow_wide(a, err);
    if (s != MP_OK) return s;
    a->bound *= (double)factor;
    a->scale = scale;
    for (int64_t g = 0; g < n; g++) {
        if (!a->wide)
            state_of(a, (uint32_t)g)->sum *= factor;
        else if (!mp_i256_mul_u64(a->wide[g], (uint64_t)factor, &a->wide[g]))
            return mp_agg_damaged(err);
    }
    return MP_OK;
}

static void add_narrow(uint8_t *states, size_t stride, const uint32_t *group, const int64_t *v,
                       int64_t factor, int32_t n) {
    if (factor == 1)
        for (int32_t i = 0; i < n; i++)
            ((sum_state *)(void *)(states + group[i] * stride))->sum += v[i];
    else
        for (int32_t i = 0; i < n; i++)
            ((sum_state *)(void *)(states + group[i] * stride))->sum += (mp_i128)v[i] * factor;
}

static void add_nullable(uint8_t *states, size_t stride, const uint32_t *group, const int64_t *v,
                         const uint8_t *valid, int64_t factor, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        sum_state *s = (sum_state *)(void *)(states + group[i] * stride);
        int64_t mask = -(int64_t)(valid[i] != 0);
        s->sum += (mp_i128)(v[i] & mask) * factor;
        s->nulls += (uint64_t)(mask + 1);
    }
}

static void add_wide(sum_agg *a, const uint32_t *group, const int64_t *v, const uint8_t *valid,
                     int64_t factor, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (!valid || valid[i]) mp_i256_add_i128(&a->wide[group[i]], (mp_i128)v[i] * factor);
    mp_agg_count_nulls(&a->base, offsetof(sum_state, nulls), group, valid, n);
}

static mp_status sum_update(mp_agg *base, const uint32_t *group, const mp_batch *in,
                            mp_error *err) {
    sum_agg *a = (sum_agg *)base;
    const mp_col *c = &in->cols[base->spec.arg[0]];
    int32_t n = in->n_rows;
    int64_t from_bool[MP_BATCH_ROWS];
    const int64_t *v = c->i64;
    int scale = c->type == MP_DECIMAL ? c->scale : 0;
    mp_status s = MP_OK;
    if (c->type == MP_BOOL) {
        mp_agg_orders(c, n, from_bool);
        v = from_bool;
    }
    if (scale > a->scale) s = rescale(a, scale, err);
    if (s != MP_OK) return s;
    int64_t factor = mp_pow10_i64[a->scale - scale];
    a->bound += (double)n * INT64_BOUND * (double)factor;
    if (a->bound > BOUND_MAX) s = widen(a, err);
    if (s == MP_OK && a->wide) s = grow_wide(a, err);
    if (s != MP_OK) return s;
    uint8_t *states = base->table->rows + base->at;
    if (a->wide)
        add_wide(a, group, v, c->valid, factor, n);
    else if (c->valid)
        add_nullable(states, base->table->stride, group, v, c->valid, factor, n);
    else
        add_narrow(states, base->table->stride, group, v, factor, n);
    return MP_OK;
}

/* Fixed part: the sum, then the nulls above one byte of scale. */
enum { SUM_WIRE = 24 };

static void sum_put(const mp_agg *base, uint32_t first, int32_t n, uint8_t *out,
                    size_t out_stride) {
    const sum_agg *a = (const sum_agg *)base;
    const uint8_t *state = mp_agg_state(base, first);
    for (int32_t i = 0; i < n; i++, state += base->table->stride, out += out_stride) {
        uint64_t nulls;
        memcpy(&nulls, state + offsetof(sum_state, nulls), sizeof nulls);
        nulls = nulls << 8 | (uint64_t)a->scale;
        memcpy(out, state, 16);
        memcpy(out + 16, &nulls, sizeof nulls);
    }
}

static mp_status absorb_wide(sum_agg *a, uint32_t group, mp_i256 v, int scale, mp_error *err) {
    mp_status s = widen(a, err);
    if (s == MP_OK) s = grow_wide(a, err);
    if (s != MP_OK) return s;
    if (!mp_i256_mul_u64(v, (uint64_t)mp_pow10_i64[a->scale - scale], &v))
        return mp_agg_damaged(err);
    a->wide[group] = mp_i256_add(a->wide[group], v);
    return MP_OK;
}

static double high_bound(mp_i128 v) {
    return (fabs((double)(int64_t)(v >> 64)) + 1) * (0x1p64 * 1.000001);
}

static mp_status sum_absorb(mp_agg *base, const uint32_t *group, const uint8_t *const *in,
                            int32_t n, mp_error *err) {
    sum_agg *a = (sum_agg *)base;
    for (int32_t i = 0; i < n; i++) {
        mp_i128 sum;
        uint64_t nulls;
        memcpy(&sum, in[i] + base->wire_at, sizeof sum);
        memcpy(&nulls, in[i] + base->wire_at + 16, sizeof nulls);
        int scale = (int)(nulls & 0xFF);
        nulls >>= 8;
        if (scale > MP_SCALE_MAX || nulls > MP_AGG_COUNT_MAX) return mp_agg_damaged(err);
        if (scale > a->scale) {
            mp_status s = rescale(a, scale, err);
            if (s != MP_OK) return s;
        }
        sum_state *st = state_of(a, group[i]);
        mp_i128 aligned = sum;
        bool fits =
            !a->wide && (scale == a->scale ||
                         !mp_i128_mul_overflow(sum, mp_pow10_i64[a->scale - scale], &aligned));
        st->nulls += nulls;
        if (fits) {
            a->bound += high_bound(aligned);
            fits = a->bound <= BOUND_MAX;
        }
        if (fits) {
            st->sum += aligned;
        } else {
            mp_status s = absorb_wide(a, group[i], mp_i256_from_i128(sum), scale, err);
            if (s != MP_OK) return s;
        }
    }
    return MP_OK;
}

static bool sum_put_more(mp_agg *base, uint32_t group, uint64_t *cursor, mp_buf *out) {
    sum_agg *a = (sum_agg *)base;
    if (!a->wide || (int64_t)group >= a->wide_cap || *cursor) return false;
    ++*cursor;
    mp_buf_u8(out, (uint8_t)a->scale);
    mp_buf_put(out, &a->wide[group], sizeof a->wide[group]);
    return false;
}

static mp_status sum_absorb_more(mp_agg *base, uint32_t group, mp_rd *in, mp_error *err) {
    sum_agg *a = (sum_agg *)base;
    mp_i256 v;
    int scale = mp_rd_u8(in);
    const void *bytes = mp_rd_raw(in, sizeof v);
    if (!bytes || scale > MP_SCALE_MAX) return mp_agg_damaged(err);
    memcpy(&v, bytes, sizeof v);
    mp_status s = scale > a->scale ? rescale(a, scale, err) : MP_OK;
    return s != MP_OK ? s : absorb_wide(a, group, v, scale, err);
}

static mp_status settle(mp_agg *base, bool emit, mp_error *err) {
    (void)emit;
    sum_agg *a = (sum_agg *)base;
    base->has_more = a->wide != NULL;
    return a->wide ? grow_wide(a, err) : MP_OK;
}

static mp_status put_sum(const sum_agg *a, uint32_t group, mp_agg_column *out, int32_t i,
                         mp_error *err) {
    mp_i128 sum = state_of(a, group)->sum;
    bool fits = !a->wide || mp_i256_fits_i128(a->wide[group], &sum);
    if (fits && out->type == MP_DECIMAL) {
        fits = mp_agg_decimal(sum, a->scale, &out->i64[i], &out->scale[i]);
    } else if (fits) {
        fits = mp_i128_fits_i64(sum);
        out->i64[i] = (int64_t)sum;
    }
    return fits ? MP_OK : mp_agg_overflow(&a->base, err);
}

static double mean(const sum_agg *a, uint32_t group, int64_t n) {
    if (!a->wide) return mp_mean_to_double(state_of(a, group)->sum, n, a->scale);
    mp_i256 den = mp_i256_mul_i128(n, mp_pow10_i64[a->scale]);
    return mp_i256_div_to_double(a->wide[group], den);
}

static mp_status sum_result(mp_agg *base, const uint32_t *group, int32_t n, mp_arena *arena,
                            mp_agg_column *out, mp_error *err) {
    sum_agg *a = (sum_agg *)base;
    (void)arena;
    for (int32_t i = 0; i < n; i++) {
        int64_t values = mp_agg_n(base, group[i], state_of(a, group[i])->nulls);
        out->valid[i] = values > 0;
        if (!values) continue;
        if (base->spec.fn == MP_AGG_MEAN) {
            out->f64[i] = mean(a, group[i], values);
        } else {
            mp_status s = put_sum(a, group[i], out, i, err);
            if (s != MP_OK) return s;
        }
    }
    return MP_OK;
}

static void sum_clear(mp_agg *base) {
    sum_agg *a = (sum_agg *)base;
    mp_mem_free(base->mem, a->wide);
    a->wide = NULL;
    a->wide_cap = 0;
    a->bound = 0;
    a->scale = 0;
    base->has_more = false;
}

static const mp_agg_ops sum_ops = {
    .update = sum_update,
    .put = sum_put,
    .absorb = sum_absorb,
    .put_more = sum_put_more,
    .absorb_more = sum_absorb_more,
    .settle = settle,
    .result = sum_result,
    .clear = sum_clear,
};

mp_status mp_agg_sum_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err) {
    (void)spec;
    mp_status s = mp_agg_alloc(sizeof(sum_agg), &sum_ops, mem, out, err);
    if (s != MP_OK) return s;
    (*out)->state_bytes = sizeof(sum_state);
    (*out)->wire_bytes = SUM_WIRE;
    return MP_OK;
}
