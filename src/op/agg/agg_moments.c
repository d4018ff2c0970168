/* agg_moments.c - var, std and corr from exact sums. Values are integers: int64 as they are,
 * decimals at the scale of the aggregate (which only grows), doubles as multiples of 2^w;
 * doubles that are none go to superaccumulators beside the table, the whole row of them. A state
 * is the nulls, then 128-bit sums: x, xx; or x, y, xx, yy, xy. Invariant: bound is at least any
 * sum of squares; before it could pass 2^126 those sums move to 256 bits beside the table, once. */
#include "op/agg/agg.h"

#include <math.h>
#include <string.h>

#include "data/moments.h"
#include "op/agg/agg_side.h"

enum { SUMS_MAX = 2, SQUARES_MAX = 3, WIRE_WIDE = 1, WIRE_SIDE = 2 };

typedef struct {
    mp_agg base;
    int n_sums, n_squares; /* 1, 1 or 2, 3 */
    bool is_float;
    int scale[SUMS_MAX];
    double bound;
    mp_i256 *wide; /* n_squares a group; NULL: in the rows */
    int64_t wide_cap;
    mp_agg_side side;
} moments_agg;

/* One batch as integers; rows without value, or beside the window, are zero. */
typedef struct {
    int64_t v[SUMS_MAX][MP_BATCH_ROWS];
    int64_t factor[SUMS_MAX];     /* 1; where huge, what v is yet to be multiplied with */
    uint8_t valid[MP_BATCH_ROWS]; /* where there are nulls */
    bool nulls, huge;
} values;

static const double BOUND_MAX = 0x1p126;

static int quantum(const moments_agg *a) {
    int w =
        a->base.window_exp + 23; /* from the window of sums to that of quantize: e - 83 to e - 60 */
    return w < MP_FSUM_W_MIN ? MP_FSUM_W_MIN : w > MP_FSUM_W_MAX ? MP_FSUM_W_MAX : w;
}

static mp_i128_8 *sums_of(const moments_agg *a, uint32_t group) {
    return (mp_i128_8 *)(void *)(mp_agg_state(&a->base, group) + 8);
}

static uint64_t *nulls_of(const moments_agg *a, uint32_t group) {
    return (uint64_t *)(void *)mp_agg_state(&a->base, group);
}

static mp_status grow_wide(moments_agg *a, mp_error *err) {
    int64_t n = a->base.table->n, per = a->n_squares;
    if (n <= a->wide_cap) return MP_OK;
    int64_t cap = n + n / 2 + 16;
    size_t bytes = (size_t)(cap * per) * sizeof *a->wide;
    mp_i256 *wide = mp_mem_realloc(a->base.mem, a->wide, bytes);
    if (!wide) return mp_mem_error(a->base.mem, bytes, err);
    memset(wide + a->wide_cap * per, 0, (size_t)((cap - a->wide_cap) * per) * sizeof *wide);
    a->wide = wide;
    a->wide_cap = cap;
    return MP_OK;
}

static mp_status widen(moments_agg *a, mp_error *err) {
    bool moves = !a->wide;
    mp_status s = grow_wide(a, err);
    if (s != MP_OK || !moves) return s;
    for (int64_t g = 0; g < a->base.table->n; g++)
        for (int k = 0; k < a->n_squares; k++) {
            mp_i128_8 *square = sums_of(a, (uint32_t)g) + a->n_sums + k;
            a->wide[g * a->n_squares + k] = mp_i256_from_i128(*square);
            *square = 0;
        }
    return MP_OK;
}

/* The formulas hold for sums of int64: |x| below 2^125, squares below 2^188. */
static bool in_range(mp_i256 v) {
    uint64_t sign = v.w[3];
    return (sign == 0 || sign == UINT64_MAX) && ((v.w[2] ^ sign) >> 60) == 0;
}

static mp_status too_long(const moments_agg *a, mp_error *err) {
    const char *name = a->base.spec.name ? a->base.spec.name : "";
    mp_status s = mp_error_set(err, MP_DATA, NULL,
                               "values of '%s' do not fit in 18 digits at one scale", name);
    mp_error_hint(err, "float(%s) computes in floating point", name);
    return s;
}

/* *v *= 10^digits, digits up to 36. */
static bool shift_wide(mp_i256 *v, int digits) {
    int first = digits > MP_SCALE_MAX ? MP_SCALE_MAX : digits;
    return mp_i256_mul_u64(*v, (uint64_t)mp_pow10_i64[first], v) &&
           mp_i256_mul_u64(*v, (uint64_t)mp_pow10_i64[digits - first], v) && in_range(*v);
}

/* Digits by which square k (xx, yy, xy) moves when x moves by up[0] and y by up[1]. */
static int square_shift(const int *up, int k) {
    return k == 0 ? 2 * up[0] : k == 1 ? 2 * up[1] : up[0] + up[1];
}

static bool shift_group(moments_agg *a, uint32_t group, const int *up) {
    mp_i128_8 *sum = sums_of(a, group);
    for (int k = 0; k < a->n_sums; k++) {
        mp_i128 v;
        if (mp_i128_mul_overflow(sum[k], mp_pow10_i64[up[k]], &v) || mp_i128_abs(v) >> 125)
            return false;
        sum[k] = v;
    }
    for (int k = 0; k < a->n_squares; k++) {
        int digits = square_shift(up, k);
        if (a->wide) {
            if (!shift_wide(&a->wide[group * (size_t)a->n_squares + (size_t)k], digits))
                return false;
        } else {
            int first = digits > MP_SCALE_MAX ? MP_SCALE_MAX : digits;
            sum[a->n_sums + k] *= mp_pow10_i64[first];
            sum[a->n_sums + k] *= mp_pow10_i64[digits - first];
        }
    }
    return true;
}

/* All states to at least these scales. */
static mp_status rescale(moments_agg *a, const int *scale, mp_error *err) {
    int up[SUMS_MAX] = {0}, most = 0;
    mp_status s = MP_OK;
    for (int k = 0; k < a->n_sums; k++) {
        if (scale[k] > a->scale[k]) up[k] = scale[k] - a->scale[k];
        if (up[k] > most) most = up[k];
    }
    if (!most) return MP_OK;
    a->bound *= mp_pow10_f64[most] * mp_pow10_f64[most] * 1.000001;
    if (a->wide || a->bound > BOUND_MAX) s = widen(a, err);
    if (s != MP_OK) return s;
    for (int k = 0; k < a->n_sums; k++)
        a->scale[k] += up[k];
    for (int64_t g = 0; g < a->base.table->n; g++)
        if (!shift_group(a, (uint32_t)g, up)) return too_long(a, err);
    return MP_OK;
}

/* ---- rows ---- */

/* Values as they stand, zero for nulls. */
static void take_integers(const mp_col *c, int32_t n, const uint8_t *valid, int64_t *out) {
    mp_agg_orders(c, n, out);
    for (int32_t i = 0; valid && i < n; i++)
        out[i] = valid[i] ? out[i] : 0;
}

/* Multiplies by the factors, unless some product does not fit in int64: then the batch stays as
 * it is, and is huge. */
static void align(values *v, int n_sums, int32_t n) {
    int64_t unused;
    for (int k = 0; k < n_sums; k++)
        for (int32_t i = 0; v->factor[k] > 1 && i < n; i++)
            v->huge |= __builtin_mul_overflow(v->v[k][i], v->factor[k], &unused);
    for (int k = 0; k < n_sums && !v->huge; k++) {
        for (int32_t i = 0; v->factor[k] > 1 && i < n; i++)
            v->v[k][i] *= v->factor[k];
        v->factor[k] = 1;
    }
}

static double double_of(const mp_col *c, int32_t i) {
    switch (c->type) {
    case MP_FLOAT64:
        return c->f64[i];
    case MP_BOOL:
        return c->b[i];
    case MP_DECIMAL:
        return mp_decimal_to_double(c->i64[i], c->scale);
    default:
        return (double)c->i64[i];
    }
}

static void add_side(const moments_agg *a, mp_superacc *acc, const double *x) {
    for (int k = 0; k < a->n_sums; k++)
        mp_superacc_add(&acc[k], x[k]);
    mp_superacc_add_product(&acc[a->n_sums], x[0], x[0]);
    if (a->n_sums == 1) return;
    mp_superacc_add_product(&acc[3], x[1], x[1]);
    mp_superacc_add_product(&acc[4], x[0], x[1]);
}

static mp_status take_doubles(moments_agg *a, const mp_col *const *c, const uint32_t *group,
                              int32_t n, values *out, mp_error *err) {
    int w = quantum(a);
    for (int32_t i = 0; i < n; i++) {
        double x[SUMS_MAX] = {0};
        bool fits = true;
        for (int k = 0; k < a->n_sums; k++) {
            x[k] = !out->nulls || out->valid[i] ? double_of(c[k], i) : 0;
            out->v[k][i] = 0;
            fits = fits && mp_fsum_quantize(x[k], w, &out->v[k][i]);
        }
        if (fits) continue;
        mp_superacc *acc;
        mp_status s = mp_agg_side_get(&a->side, group[i], &acc, err);
        if (s != MP_OK) return s;
        add_side(a, acc, x);
        out->v[0][i] = out->v[1][i] = 0;
    }
    return MP_OK;
}

static mp_status take_values(moments_agg *a, const mp_batch *in, const uint32_t *group, values *out,
                             mp_error *err) {
    const mp_col *c[SUMS_MAX] = {0};
    int scale[SUMS_MAX] = {0};
    out->huge = out->nulls = false;
    for (int k = 0; k < a->n_sums; k++) {
        c[k] = &in->cols[a->base.spec.arg[k]];
        scale[k] = c[k]->type == MP_DECIMAL ? c[k]->scale : 0;
        if (!c[k]->valid) continue;
        if (!out->nulls) memset(out->valid, 1, (size_t)in->n_rows);
        out->nulls = true;
        for (int32_t i = 0; i < in->n_rows; i++)
            out->valid[i] &= c[k]->valid[i] != 0;
    }
    if (a->is_float) return take_doubles(a, c, group, in->n_rows, out, err);
    mp_status s = rescale(a, scale, err);
    for (int k = 0; k < a->n_sums && s == MP_OK; k++) {
        take_integers(c[k], in->n_rows, out->nulls ? out->valid : NULL, out->v[k]);
        out->factor[k] = c[k]->type == MP_DECIMAL ? mp_pow10_i64[a->scale[k] - scale[k]] : 1;
    }
    if (s == MP_OK) align(out, a->n_sums, in->n_rows);
    return s;
}

static void add_one(uint8_t *states, size_t stride, const uint32_t *group, const int64_t *x,
                    int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        mp_i128_8 *s = (mp_i128_8 *)(void *)(states + group[i] * stride);
        s[0] += x[i];
        s[1] += (mp_i128)x[i] * x[i];
    }
}

static void add_two(uint8_t *states, size_t stride, const uint32_t *group, const int64_t *x,
                    const int64_t *y, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        mp_i128_8 *s = (mp_i128_8 *)(void *)(states + group[i] * stride);
        s[0] += x[i];
        s[1] += y[i];
        s[2] += (mp_i128)x[i] * x[i];
        s[3] += (mp_i128)y[i] * y[i];
        s[4] += (mp_i128)x[i] * y[i];
    }
}

static void add_wide(moments_agg *a, const uint32_t *group, const values *v, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        mp_i128_8 *s = sums_of(a, group[i]);
        mp_i256 *square = a->wide + group[i] * (size_t)a->n_squares;
        mp_i128 x = v->v[0][i], y = a->n_sums > 1 ? v->v[1][i] : 0;
        s[0] += x;
        mp_i256_add_i128(&square[0], x * x);
        if (a->n_sums == 1) continue;
        s[1] += y;
        mp_i256_add_i128(&square[1], y * y);
        mp_i256_add_i128(&square[2], x * y);
    }
}

/* Values beyond int64 at the scale of the aggregate; what could pass 188 bits when squared would
 * fail in the end anyway. */
static mp_status add_huge(moments_agg *a, const uint32_t *group, const values *v, int32_t n,
                          mp_error *err) {
    mp_status status = widen(a, err);
    for (int32_t i = 0; i < n && status == MP_OK; i++) {
        mp_i128_8 *s = sums_of(a, group[i]);
        mp_i256 *square = a->wide + group[i] * (size_t)a->n_squares;
        mp_i128 x[SUMS_MAX] = {0};
        for (int k = 0; k < a->n_sums; k++) {
            x[k] = (mp_i128)v->v[k][i] * v->factor[k];
            if (mp_i128_abs(x[k]) >> 94) return too_long(a, err);
            s[k] += x[k];
        }
        square[0] = mp_i256_add(square[0], mp_i256_mul_i128(x[0], x[0]));
        if (a->n_sums == 1) continue;
        square[1] = mp_i256_add(square[1], mp_i256_mul_i128(x[1], x[1]));
        square[2] = mp_i256_add(square[2], mp_i256_mul_i128(x[0], x[1]));
    }
    return status;
}

static mp_status moments_update(mp_agg *base, const uint32_t *group, const mp_batch *in,
                                mp_error *err) {
    moments_agg *a = (moments_agg *)base;
    values v;
    int32_t n = in->n_rows;
    mp_status s = take_values(a, in, group, &v, err);
    if (s != MP_OK) return s;
    if (v.nulls) mp_agg_count_nulls(base, 0, group, v.valid, n);
    if (v.huge) return add_huge(a, group, &v, n, err);
    double most = mp_agg_largest(v.v[0], n);
    if (a->n_sums > 1) most = fmax(most, mp_agg_largest(v.v[1], n));
    a->bound += (most + 1) * (most + 1) * n * 1.000001;
    if (a->wide || a->bound > BOUND_MAX) s = widen(a, err);
    if (s != MP_OK) return s;
    uint8_t *states = base->table->rows + base->at + 8;
    if (a->wide)
        add_wide(a, group, &v, n);
    else if (a->n_sums == 1)
        add_one(states, base->table->stride, group, v.v[0], n);
    else
        add_two(states, base->table->stride, group, v.v[0], v.v[1], n);
    return MP_OK;
}

/* ---- records: the state, with the scales in the low bytes of the nulls ---- */

static void moments_put(const mp_agg *base, uint32_t first, int32_t n, uint8_t *out,
                        size_t out_stride) {
    const moments_agg *a = (const moments_agg *)base;
    mp_agg_put_state(base, first, n, out, out_stride);
    for (int32_t i = 0; i < n; i++, out += out_stride) {
        uint64_t head;
        memcpy(&head, out, 8);
        head = head << 16 | (uint64_t)a->scale[0] << 8 | (uint64_t)a->scale[1];
        memcpy(out, &head, 8);
    }
}

static mp_status add_squares(moments_agg *a, uint32_t group, mp_i256 *v, const int *up,
                             mp_error *err) {
    mp_status s = widen(a, err);
    for (int k = 0; k < a->n_squares && s == MP_OK; k++) {
        if (!in_range(v[k]) || !shift_wide(&v[k], square_shift(up, k))) return too_long(a, err);
        mp_i256 *to = &a->wide[group * (size_t)a->n_squares + (size_t)k];
        *to = mp_i256_add(*to, v[k]);
    }
    return s;
}

/* false: the sums have to go into 256 bits. */
static bool add_squares_narrow(moments_agg *a, uint32_t group, const mp_i128 *v, const int *up) {
    mp_i128 add[SQUARES_MAX];
    double most = 0;
    if (a->wide) return false;
    for (int k = 0; k < a->n_squares; k++) {
        int digits = square_shift(up, k);
        if (digits > MP_SCALE_MAX || mp_i128_mul_overflow(v[k], mp_pow10_i64[digits], &add[k]))
            return false;
        most = fmax(most, (fabs((double)(int64_t)(add[k] >> 64)) + 1) * (0x1p64 * 1.000001));
    }
    if (a->bound + most > BOUND_MAX) return false;
    a->bound += most;
    for (int k = 0; k < a->n_squares; k++)
        sums_of(a, group)[a->n_sums + k] += add[k];
    return true;
}

static mp_status absorb_one(moments_agg *a, uint32_t group, const uint8_t *in, mp_error *err) {
    mp_i128 sum[SUMS_MAX + SQUARES_MAX];
    uint64_t head;
    memcpy(&head, in, 8);
    memcpy(sum, in + 8, a->base.state_bytes - 8);
    const int scale[SUMS_MAX] = {(int)(head >> 8 & 0xFF), (int)(head & 0xFF)};
    int up[SUMS_MAX] = {0};
    if (scale[0] > MP_SCALE_MAX || scale[1] > MP_SCALE_MAX || head >> 16 >= MP_AGG_COUNT_MAX)
        return mp_agg_damaged(err);
    mp_status s = rescale(a, scale, err);
    if (s != MP_OK) return s;
    *nulls_of(a, group) += head >> 16;
    for (int k = 0; k < a->n_sums; k++) {
        up[k] = a->scale[k] - scale[k];
        if (mp_i128_mul_overflow(sum[k], mp_pow10_i64[up[k]], &sum[k]) ||
            mp_i128_abs(sum[k]) >> 125)
            return too_long(a, err);
        mp_i128_8 *to = sums_of(a, group) + k;
        *to = (mp_i128)((mp_u128)*to + (mp_u128)sum[k]);
    }
    if (add_squares_narrow(a, group, sum + a->n_sums, up)) return MP_OK;
    mp_i256 square[SQUARES_MAX];
    for (int k = 0; k < a->n_squares; k++)
        square[k] = mp_i256_from_i128(sum[a->n_sums + k]);
    return add_squares(a, group, square, up, err);
}

static mp_status moments_absorb(mp_agg *base, const uint32_t *group, const uint8_t *const *in,
                                int32_t n, mp_error *err) {
    for (int32_t i = 0; i < n; i++) {
        mp_status s = absorb_one((moments_agg *)base, group[i], in[i] + base->wire_at, err);
        if (s != MP_OK) return s;
    }
    return MP_OK;
}

static bool moments_put_more(mp_agg *base, uint32_t group, uint64_t *cursor, mp_buf *out) {
    moments_agg *a = (moments_agg *)base;
    bool side = mp_agg_side_find(&a->side, group) != NULL;
    if (*cursor || (!a->wide && !side)) return false;
    mp_buf_u8(out, (uint8_t)((a->wide ? WIRE_WIDE : 0) | (side ? WIRE_SIDE : 0)));
    mp_buf_u8(out, (uint8_t)a->scale[0]);
    mp_buf_u8(out, (uint8_t)a->scale[1]);
    if (a->wide)
        mp_buf_put(out, a->wide + group * (size_t)a->n_squares,
                   (size_t)a->n_squares * sizeof *a->wide);
    mp_agg_side_write(&a->side, group, out);
    return false;
}

static mp_status moments_absorb_more(mp_agg *base, uint32_t group, mp_rd *in, mp_error *err) {
    moments_agg *a = (moments_agg *)base;
    uint8_t flags = mp_rd_u8(in);
    int scale[SUMS_MAX], up[SUMS_MAX] = {0};
    mp_status s = MP_OK;
    for (int k = 0; k < SUMS_MAX; k++) {
        scale[k] = mp_rd_u8(in);
        if (scale[k] > MP_SCALE_MAX) return mp_agg_damaged(err);
    }
    if (flags & WIRE_WIDE) {
        mp_i256 square[SQUARES_MAX];
        size_t bytes = (size_t)a->n_squares * sizeof *square;
        const void *p = mp_rd_raw(in, bytes);
        if (!p) return mp_agg_damaged(err);
        memcpy(square, p, bytes);
        s = rescale(a, scale, err);
        for (int k = 0; k < a->n_sums; k++)
            up[k] = a->scale[k] - scale[k];
        if (s == MP_OK) s = add_squares(a, group, square, up, err);
    }
    if (s == MP_OK && flags & WIRE_SIDE) s = mp_agg_side_absorb(&a->side, group, in, err);
    return s;
}

/* ---- results ---- */

static mp_status moments_settle(mp_agg *base, bool emit, mp_error *err) {
    moments_agg *a = (moments_agg *)base;
    (void)emit;
    base->has_more = a->wide || a->side.n;
    return a->wide ? grow_wide(a, err) : MP_OK;
}

static bool from_side(const moments_agg *a, mp_agg_fn fn, const mp_superacc *side,
                      const mp_i128_8 *sum, const mp_i256 *square, int64_t n, double *out) {
    mp_superacc acc[SUMS_MAX + SQUARES_MAX];
    int w = quantum(a);
    for (int k = 0; k < a->n_sums; k++) {
        acc[k] = side[k];
        (void)mp_superacc_add_i128(&acc[k], sum[k], w); /* sums of doubles always fit */
    }
    for (int k = 0; k < a->n_squares; k++) {
        acc[a->n_sums + k] = side[a->n_sums + k];
        (void)mp_superacc_add_i256(&acc[a->n_sums + k], square[k], 2 * w);
    }
    if (fn == MP_AGG_CORR)
        return mp_corr_superacc(n, &acc[0], &acc[1], &acc[2], &acc[3], &acc[4], out);
    return fn == MP_AGG_VAR ? mp_var_superacc(n, &acc[0], &acc[1], out)
                            : mp_std_superacc(n, &acc[0], &acc[1], out);
}

/* n Sxx >= Sx^2, and nothing overflows: so it is, unless a damaged record came in. */
static bool consistent(int64_t n, mp_i128 sx, mp_i256 sxx) {
    mp_i256 left;
    return mp_i256_mul_u64(sxx, (uint64_t)n, &left) &&
           mp_i256_cmp(left, mp_i256_mul_i128(sx, sx)) >= 0;
}

static bool all_consistent(const moments_agg *a, const mp_i128_8 *sum, const mp_i256 *square,
                           int64_t n) {
    mp_i256 unused;
    for (int k = 0; k < a->n_sums; k++)
        if (!consistent(n, sum[k], square[k])) return false;
    return a->n_sums == 1 || mp_i256_mul_u64(square[2], (uint64_t)n, &unused);
}

static bool result_of(const moments_agg *a, mp_agg_fn fn, uint32_t group, int64_t n, double *out,
                      bool *huge, bool *damaged) {
    const mp_superacc *side = mp_agg_side_find(&a->side, group);
    const mp_i128_8 *sum = sums_of(a, group);
    mp_i256 square[SQUARES_MAX];
    int w = a->is_float ? quantum(a) : 0;
    for (int k = 0; k < a->n_squares; k++)
        square[k] = a->wide ? a->wide[group * (size_t)a->n_squares + (size_t)k]
                            : mp_i256_from_i128(sum[a->n_sums + k]);
    if (side) return from_side(a, fn, side, sum, square, n, out);
    for (int k = 0; k < a->n_squares; k++)
        *huge |= !in_range(square[k]);
    *damaged |= !*huge && !all_consistent(a, sum, square, n);
    if (*huge || *damaged) return false;
    if (fn == MP_AGG_CORR)
        return mp_corr_exact(n, sum[0], sum[1], square[0], square[1], square[2], out);
    return fn == MP_AGG_VAR ? mp_var_exact(n, sum[0], square[0], a->scale[0], w, out)
                            : mp_std_exact(n, sum[0], square[0], a->scale[0], w, out);
}

static mp_status moments_result(mp_agg *base, const mp_group_agg *as, const uint32_t *group,
                                int32_t n, mp_arena *arena, mp_agg_column *out, mp_error *err) {
    moments_agg *a = (moments_agg *)base;
    bool huge = false, damaged = false;
    (void)arena;
    for (int32_t i = 0; i < n; i++) {
        int64_t count = mp_agg_n(base, group[i], *nulls_of(a, group[i]));
        out->valid[i] =
            count > 1 && result_of(a, as->fn, group[i], count, &out->f64[i], &huge, &damaged);
    }
    if (huge) return too_long(a, err);
    return damaged ? mp_agg_damaged(err) : MP_OK;
}

static void moments_clear(mp_agg *base) {
    moments_agg *a = (moments_agg *)base;
    mp_mem_free(base->mem, a->wide);
    mp_agg_side_clear(&a->side);
    a->wide = NULL;
    a->wide_cap = 0;
    a->bound = 0;
    a->scale[0] = a->scale[1] = 0;
    base->has_more = false;
}

static const mp_agg_ops moments_ops = {
    .update = moments_update,
    .put = moments_put,
    .absorb = moments_absorb,
    .put_more = moments_put_more,
    .absorb_more = moments_absorb_more,
    .settle = moments_settle,
    .result = moments_result,
    .clear = moments_clear,
};

mp_status mp_agg_moments_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err) {
    mp_status s = mp_agg_alloc(sizeof(moments_agg), &moments_ops, mem, out, err);
    if (s != MP_OK) return s;
    moments_agg *a = (moments_agg *)*out;
    bool corr = spec->fn == MP_AGG_CORR;
    a->n_sums = corr ? 2 : 1;
    a->n_squares = corr ? 3 : 1;
    a->is_float = spec->type[0] == MP_FLOAT64 || (corr && spec->type[1] == MP_FLOAT64);
    a->side = (mp_agg_side){.per_group = a->n_sums + a->n_squares, .mem = mem};
    a->base.state_bytes = a->base.wire_bytes = 8 + 16 * (size_t)(a->n_sums + a->n_squares);
    return MP_OK;
}
