/* agg_sum.c - sum and mean of bool, int64 and decimal columns, exact. A state is a 64-bit sum at
 * the scale of the whole aggregate, which only grows; nulls are counted beside the table once there
 * are any. Invariant: bound is at least the absolute value of any sum; before it could pass 2^62
 * the sums move to 256 bits beside the table, once, which hold all that can come (2^63 rows of 2^63
 * at 18 more digits). */
#include "op/agg/agg.h"

#include <math.h>
#include <string.h>

typedef struct {
    mp_agg base;
    int scale;
    double bound;
    mp_i256 *wide; /* NULL: sums are in the rows */
    int64_t wide_cap;
    uint64_t *nulls; /* NULL: none yet */
    int64_t nulls_cap;
} sum_agg;

static const double BOUND_MAX = 0x1p62;

static int64_t *sum_of(const sum_agg *a, uint32_t group) {
    return (int64_t *)(void *)mp_agg_state(&a->base, group);
}

/* Room in *p for all groups of the table, new ones zero. */
static mp_status grow_beside(sum_agg *a, void **p, int64_t *cap, size_t size, mp_error *err) {
    int64_t n = a->base.table->n;
    if (n <= *cap) return MP_OK;
    size_t more = (size_t)(n + n / 2 + 16), old = (size_t)*cap;
    uint8_t *grown = mp_mem_realloc(a->base.mem, *p, more * size);
    if (!grown) return mp_mem_error(a->base.mem, more * size, err);
    memset(grown + old * size, 0, (more - old) * size);
    *p = grown;
    *cap = (int64_t)more;
    return MP_OK;
}

static mp_status grow_wide(sum_agg *a, mp_error *err) {
    return grow_beside(a, (void **)&a->wide, &a->wide_cap, sizeof *a->wide, err);
}

static mp_status grow_nulls(sum_agg *a, mp_error *err) {
    return grow_beside(a, (void **)&a->nulls, &a->nulls_cap, sizeof *a->nulls, err);
}

static uint64_t nulls_of(const sum_agg *a, uint32_t group) {
    return (int64_t)group < a->nulls_cap ? a->nulls[group] : 0;
}

static mp_status widen(sum_agg *a, mp_error *err) {
    bool moves = !a->wide;
    mp_status s = grow_wide(a, err);
    for (int64_t g = 0; s == MP_OK && moves && g < a->base.table->n; g++) {
        int64_t *sum = sum_of(a, (uint32_t)g);
        a->wide[g] = mp_i256_from_i128(*sum);
        *sum = 0;
    }
    return s;
}

static mp_status rescale(sum_agg *a, int scale, mp_error *err) {
    int64_t factor = mp_pow10_i64[scale - a->scale];
    mp_status s = MP_OK;
    a->bound *= (double)factor;
    if (a->wide || a->bound > BOUND_MAX) s = widen(a, err);
    if (s != MP_OK) return s;
    a->scale = scale;
    for (int64_t g = 0; g < a->base.table->n; g++) {
        if (!a->wide)
            *sum_of(a, (uint32_t)g) *= factor;
        else if (!mp_i256_mul_u64(a->wide[g], (uint64_t)factor, &a->wide[g]))
            return mp_agg_damaged(err);
    }
    return MP_OK;
}

static void add_narrow(uint8_t *states, size_t stride, const uint32_t *group, const int64_t *v,
                       int64_t factor, int32_t n) {
    if (factor == 1)
        for (int32_t i = 0; i < n; i++)
            *(int64_t *)(void *)(states + group[i] * stride) += v[i];
    else
        for (int32_t i = 0; i < n; i++)
            *(int64_t *)(void *)(states + group[i] * stride) += v[i] * factor;
}

static void add_wide(sum_agg *a, const uint32_t *group, const int64_t *v, int64_t factor,
                     int32_t n) {
    for (int32_t i = 0; i < n; i++)
        mp_i256_add_i128(&a->wide[group[i]], (mp_i128)v[i] * factor);
}

/* Values of the batch, zero for nulls, which are counted. */
static mp_status take_values(sum_agg *a, const mp_col *c, const uint32_t *group, int32_t n,
                             int64_t *room, const int64_t **v, mp_error *err) {
    *v = c->i64;
    if (c->type != MP_BOOL && !c->valid) return MP_OK;
    mp_agg_orders(c, n, room);
    *v = room;
    if (!c->valid) return MP_OK;
    mp_status s = grow_nulls(a, err);
    for (int32_t i = 0; s == MP_OK && i < n; i++) {
        int64_t mask = -(int64_t)(c->valid[i] != 0);
        room[i] &= mask;
        a->nulls[group[i]] += (uint64_t)(mask + 1);
    }
    return s;
}

static mp_status sum_update(mp_agg *base, const uint32_t *group, const mp_batch *in,
                            mp_error *err) {
    sum_agg *a = (sum_agg *)base;
    const mp_col *c = &in->cols[base->spec.arg[0]];
    int32_t n = in->n_rows;
    int64_t room[MP_BATCH_ROWS];
    const int64_t *v;
    int scale = c->type == MP_DECIMAL ? c->scale : 0;
    mp_status s = take_values(a, c, group, n, room, &v, err);
    if (s == MP_OK && scale > a->scale) s = rescale(a, scale, err);
    if (s != MP_OK) return s;
    int64_t factor = mp_pow10_i64[a->scale - scale];
    a->bound += (double)n * mp_agg_largest(v, n) * (double)factor * 1.000001;
    if (a->wide || a->bound > BOUND_MAX) s = widen(a, err);
    if (s != MP_OK) return s;
    if (a->wide)
        add_wide(a, group, v, factor, n);
    else
        add_narrow(base->table->rows + base->at, base->table->stride, group, v, factor, n);
    return MP_OK;
}

/* Fixed part: the sum, then up to so many nulls above one byte of scale. What is above that, and sums
 * of 256 bits, are further parts. */
enum { SUM_WIRE = 12 };
static const uint64_t WIRE_NULLS = 0xFFFFFF;

static inline uint64_t wire_nulls(uint64_t nulls) {
    return nulls < WIRE_NULLS ? nulls : WIRE_NULLS;
}

static void sum_put(const mp_agg *base, uint32_t first, int32_t n, uint8_t *out,
                    size_t out_stride) {
    const sum_agg *a = (const sum_agg *)base;
    const uint8_t *state = mp_agg_state(base, first);
    for (int32_t i = 0; i < n; i++, state += base->table->stride, out += out_stride) {
        uint32_t nulls = (uint32_t)wire_nulls(nulls_of(a, first + (uint32_t)i)) << 8;
        nulls |= (uint32_t)a->scale;
        memcpy(out, state, 8);
        memcpy(out + 8, &nulls, sizeof nulls);
    }
}

/* Adds v at a scale no larger than the aggregate's. */
static mp_status add_one_wide(sum_agg *a, uint32_t group, mp_i256 v, int scale, mp_error *err) {
    mp_status s = widen(a, err);
    if (s != MP_OK) return s;
    if (!mp_i256_mul_u64(v, (uint64_t)mp_pow10_i64[a->scale - scale], &v))
        return mp_agg_damaged(err);
    a->wide[group] = mp_i256_add(a->wide[group], v);
    return MP_OK;
}

static mp_status add_one(sum_agg *a, uint32_t group, int64_t v, int scale, mp_error *err) {
    int64_t aligned = v, sum;
    if (!a->wide &&
        (scale == a->scale ||
         !__builtin_mul_overflow(v, mp_pow10_i64[a->scale - scale], &aligned)) &&
        !__builtin_add_overflow(*sum_of(a, group), aligned, &sum)) {
        double size = sum < 0 ? -(double)sum : (double)sum;
        if (size * 1.000001 <= BOUND_MAX) {
            if (size * 1.000001 > a->bound) a->bound = size * 1.000001;
            *sum_of(a, group) = sum;
            return MP_OK;
        }
    }
    return add_one_wide(a, group, mp_i256_from_i128(v), scale, err);
}

static mp_status sum_absorb(mp_agg *base, const uint32_t *group, const uint8_t *const *in,
                            int32_t n, mp_error *err) {
    sum_agg *a = (sum_agg *)base;
    for (int32_t i = 0; i < n; i++) {
        int64_t sum;
        uint32_t nulls;
        mp_status s = MP_OK;
        memcpy(&sum, in[i] + base->wire_at, sizeof sum);
        memcpy(&nulls, in[i] + base->wire_at + 8, sizeof nulls);
        int scale = (int)(nulls & 0xFF);
        nulls >>= 8;
        if (scale > MP_SCALE_MAX) return mp_agg_damaged(err);
        if (scale > a->scale) s = rescale(a, scale, err);
        if (s == MP_OK) s = add_one(a, group[i], sum, scale, err);
        if (s == MP_OK && nulls) s = grow_nulls(a, err);
        if (s != MP_OK) return s;
        if (nulls) a->nulls[group[i]] += nulls;
    }
    return MP_OK;
}

static bool sum_put_more(mp_agg *base, uint32_t group, uint64_t *cursor, mp_buf *out) {
    sum_agg *a = (sum_agg *)base;
    bool is_wide = a->wide && (int64_t)group < a->wide_cap;
    uint64_t nulls = nulls_of(a, group);
    if (*cursor || (!is_wide && nulls <= WIRE_NULLS)) return false;
    mp_i256 sum = is_wide ? a->wide[group] : mp_i256_from_i128(0);
    ++*cursor;
    mp_buf_u8(out, (uint8_t)a->scale);
    mp_buf_u64(out, nulls - wire_nulls(nulls));
    mp_buf_put(out, &sum, sizeof sum);
    return false;
}

static mp_status sum_absorb_more(mp_agg *base, uint32_t group, mp_rd *in, mp_error *err) {
    sum_agg *a = (sum_agg *)base;
    mp_i256 v;
    int scale = mp_rd_u8(in);
    uint64_t nulls = mp_rd_u64(in);
    const void *bytes = mp_rd_raw(in, sizeof v);
    if (!bytes || scale > MP_SCALE_MAX || nulls > MP_AGG_COUNT_MAX) return mp_agg_damaged(err);
    memcpy(&v, bytes, sizeof v);
    mp_status s = nulls ? grow_nulls(a, err) : MP_OK;
    if (s != MP_OK) return s;
    if (nulls) a->nulls[group] += nulls;
    s = scale > a->scale ? rescale(a, scale, err) : MP_OK;
    return s != MP_OK ? s : add_one_wide(a, group, v, scale, err);
}

static mp_status settle(mp_agg *base, bool emit, mp_error *err) {
    (void)emit;
    sum_agg *a = (sum_agg *)base;
    base->has_more = a->wide != NULL;
    for (int64_t i = 0; i < a->nulls_cap && !base->has_more; i++)
        base->has_more = a->nulls[i] > WIRE_NULLS;
    return a->wide ? grow_wide(a, err) : MP_OK;
}

static mp_status put_sum(const sum_agg *a, uint32_t group, mp_agg_column *out, int32_t i,
                         mp_error *err) {
    mp_i128 sum = *sum_of(a, group);
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
    if (!a->wide) return mp_mean_to_double(*sum_of(a, group), n, a->scale);
    mp_i256 den = mp_i256_mul_i128(n, mp_pow10_i64[a->scale]);
    return mp_i256_div_to_double(a->wide[group], den);
}

/* Decimals of sums in the rows: at the scale of the aggregate, which is that of the column once one
 * of them needs all of it. */
static void put_decimals(const sum_agg *a, const uint32_t *group, int32_t n, mp_agg_column *out) {
    bool needed = a->scale == 0;
    for (int32_t i = 0; i < n; i++) {
        int64_t sum = *sum_of(a, group[i]);
        out->valid[i] = mp_agg_n(&a->base, group[i], nulls_of(a, group[i])) > 0;
        out->i64[i] = sum;
        out->scale[i] = (uint8_t)a->scale;
        if (!needed) needed = out->valid[i] && sum % 10 != 0;
    }
    for (int32_t i = 0; i < n && !needed; i++) {
        int scale = a->scale;
        mp_decimal_strip(&out->i64[i], &scale);
        out->scale[i] = (uint8_t)scale;
    }
}

static mp_status sum_result(mp_agg *base, const mp_group_agg *as, const uint32_t *group, int32_t n,
                            mp_arena *arena, mp_agg_column *out, mp_error *err) {
    sum_agg *a = (sum_agg *)base;
    (void)arena;
    if (!a->wide && as->fn == MP_AGG_SUM && out->type == MP_DECIMAL) {
        put_decimals(a, group, n, out);
        return MP_OK;
    }
    for (int32_t i = 0; i < n; i++) {
        int64_t values = mp_agg_n(base, group[i], nulls_of(a, group[i]));
        out->valid[i] = values > 0;
        if (!values) continue;
        if (as->fn == MP_AGG_MEAN) {
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
    mp_mem_free(base->mem, a->nulls);
    a->wide = NULL;
    a->nulls = NULL;
    a->wide_cap = a->nulls_cap = 0;
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
    (*out)->state_bytes = sizeof(int64_t);
    (*out)->wire_bytes = SUM_WIRE;
    return MP_OK;
}
