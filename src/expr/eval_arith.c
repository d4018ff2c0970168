/* eval_arith.c - + - * / % and the sign. Integers and decimals are checked row by row without
 * branches: a row's overflow leaves a mark, and only a marked batch is looked through again, for
 * the first row that counts. */
#include <math.h>

#include "expr/prog.h"

/* EXPR over x and y for rows 0..n; a constant side is read once. */
#define EACH(T, pa, pb, EXPR)                                                                      \
    do {                                                                                           \
        const T *restrict pa_ = (pa), *restrict pb_ = (pb);                                        \
        if (a_const) {                                                                             \
            const T x = pa_[0];                                                                    \
            for (int32_t i = 0; i < n; i++) {                                                      \
                const T y = pb_[b_const ? 0 : i];                                                  \
                EXPR;                                                                              \
            }                                                                                      \
        } else if (b_const) {                                                                      \
            const T y = pb_[0];                                                                    \
            for (int32_t i = 0; i < n; i++) {                                                      \
                const T x = pa_[i];                                                                \
                EXPR;                                                                              \
            }                                                                                      \
        } else {                                                                                   \
            for (int32_t i = 0; i < n; i++) {                                                      \
                const T x = pa_[i], y = pb_[i];                                                    \
                EXPR;                                                                              \
            }                                                                                      \
        }                                                                                          \
    } while (0)

static bool overflows(mp_ex_op op, int64_t x, int64_t y) {
    int64_t r;
    return op == MP_EX_ADD   ? __builtin_add_overflow(x, y, &r)
           : op == MP_EX_SUB ? __builtin_sub_overflow(x, y, &r)
                             : __builtin_mul_overflow(x, y, &r);
}

/* Some row overflowed: is it one that counts? */
static mp_status blame(mp_eval *ev, const mp_node *nd, const uint8_t *active, const mp_vec *v,
                       const mp_vec *out, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        int32_t row;
        if (out->c.valid && !out->c.valid[i]) continue;
        if (!overflows(nd->op, v[0].c.i64[mp_vec_at(&v[0], i)], v[1].c.i64[mp_vec_at(&v[1], i)]))
            continue;
        if (mp_ev_counts(ev, active, out->is_const, i, &row)) return mp_ev_overflow(ev, nd, row);
    }
    return MP_OK;
}

static mp_status to_scale(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *v) {
    if (nd->type != MP_DECIMAL) return MP_OK;
    int sa = mp_vec_scale(&v[0]), sb = mp_vec_scale(&v[1]);
    int to = mp_node_scale(nd, sa > sb ? sa : sb);
    for (int k = 0; k < 2; k++) {
        mp_status st = mp_ev_rescale(ev, nd, active, &v[k], to);
        if (st != MP_OK) return st;
    }
    return MP_OK;
}

mp_status mp_run_add(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v[2];
    mp_status st = mp_ev_args(ev, nd, active, v);
    if (st == MP_OK) st = to_scale(ev, nd, active, v);
    void *data;
    int32_t n;
    if (st == MP_OK) st = mp_ev_result(ev, nd->type, v, 2, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    const bool a_const = v[0].is_const, b_const = v[1].is_const;
    int64_t *restrict r = data;
    int64_t bad = 0;
    if (nd->op == MP_EX_ADD)
        EACH(int64_t, v[0].c.i64, v[1].c.i64, {
            r[i] = (int64_t)((uint64_t)x + (uint64_t)y);
            bad |= (x ^ r[i]) & (y ^ r[i]);
        });
    else
        EACH(int64_t, v[0].c.i64, v[1].c.i64, {
            r[i] = (int64_t)((uint64_t)x - (uint64_t)y);
            bad |= (x ^ y) & (x ^ r[i]);
        });
    out->c.scale = v[0].c.scale;
    return bad < 0 ? blame(ev, nd, active, v, out, n) : MP_OK;
}

/* Each factor is brought to its own bound, so that overflow does not depend on the batch. */
static mp_status factors(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *v) {
    if (nd->type != MP_DECIMAL) return MP_OK;
    for (int k = 0; k < 2; k++) {
        if (v[k].c.type != MP_DECIMAL) continue;
        int to = mp_node_scale(nd->args[k], v[k].c.scale);
        mp_status st = mp_ev_rescale(ev, nd, active, &v[k], to);
        if (st != MP_OK) return st;
    }
    return MP_OK;
}

/* Scales that add up to more than planned for: drop zeros behind the point that all rows share. */
static mp_status shrink(mp_eval *ev, mp_vec *v, int *excess) {
    while (*excess > 0 && v->c.type == MP_DECIMAL && v->c.scale > 0 && !mp_vec_all_null(v)) {
        int32_t n = v->is_const ? 1 : ev->n;
        for (int32_t i = 0; i < n; i++)
            if (v->c.i64[i] % 10 != 0 && !mp_vec_null(v, i)) return MP_OK;
        int64_t *out = mp_ev_alloc(ev, (size_t)n * sizeof *out);
        if (!out) return MP_NOMEM;
        for (int32_t i = 0; i < n; i++)
            out[i] = v->c.i64[i] / 10;
        v->c.i64 = out;
        v->c.scale--;
        (*excess)--;
    }
    return MP_OK;
}

mp_status mp_run_mul(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v[2];
    mp_status st = mp_ev_args(ev, nd, active, v);
    if (st == MP_OK) st = factors(ev, nd, active, v);
    if (st != MP_OK) return st;
    int excess = mp_vec_scale(&v[0]) + mp_vec_scale(&v[1]) - MP_SCALE_MAX;
    for (int k = 0; k < 2 && st == MP_OK; k++)
        st = shrink(ev, &v[k], &excess);
    void *data;
    int32_t n;
    if (st == MP_OK) st = mp_ev_result(ev, nd->type, v, 2, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    const bool a_const = v[0].is_const, b_const = v[1].is_const;
    int64_t *restrict r = data;
    bool bad = false;
    EACH(int64_t, v[0].c.i64, v[1].c.i64, {
        int64_t t;
        bad |= __builtin_mul_overflow(x, y, &t);
        r[i] = t;
    });
    if (nd->type == MP_DECIMAL) {
        int32_t row;
        for (int32_t i = 0; excess > 0 && i < n; i++)
            if (!(out->c.valid && !out->c.valid[i]) &&
                mp_ev_counts(ev, active, out->is_const, i, &row))
                return mp_ev_overflow(ev, nd, row);
        if (excess > 0) bad = false;
        int scale = mp_vec_scale(&v[0]) + mp_vec_scale(&v[1]);
        out->c.scale = (uint8_t)(scale > MP_SCALE_MAX ? MP_SCALE_MAX : scale);
    }
    return bad ? blame(ev, nd, active, v, out, n) : MP_OK;
}

mp_status mp_run_neg(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v;
    mp_status st = mp_ev_args(ev, nd, active, &v);
    void *data;
    int32_t n;
    if (st == MP_OK) st = mp_ev_result(ev, nd->type, &v, 1, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    if (nd->type == MP_FLOAT64) {
        double *restrict r = data;
        for (int32_t i = 0; i < n; i++)
            r[i] = -v.c.f64[i];
        return MP_OK;
    }
    int64_t *restrict r = data;
    bool bad = false;
    for (int32_t i = 0; i < n; i++) {
        r[i] = (int64_t)(0 - (uint64_t)v.c.i64[i]);
        bad |= v.c.i64[i] == INT64_MIN;
    }
    out->c.scale = v.c.scale;
    for (int32_t i = 0, row; bad && i < n; i++)
        if (v.c.i64[i] == INT64_MIN && !(out->c.valid && !out->c.valid[i]) &&
            mp_ev_counts(ev, active, out->is_const, i, &row))
            return mp_ev_overflow(ev, nd, row);
    return MP_OK;
}

/* ---- % ---- */

/* Null where the divisor is zero. */
static mp_status null_zeros(mp_eval *ev, const mp_vec *divisor, mp_vec *out, int32_t n) {
    bool is_float = divisor->c.type == MP_FLOAT64;
    bool any = false;
    int32_t m = divisor->is_const ? 1 : n;
    for (int32_t i = 0; i < m; i++)
        any |= is_float ? divisor->c.f64[i] == 0 : divisor->c.i64[i] == 0;
    if (!any) return MP_OK;
    uint8_t *valid = mp_ev_own_valid(ev, out, n);
    if (!valid) return MP_NOMEM;
    for (int32_t i = 0; i < n; i++) {
        int64_t k = mp_vec_at(divisor, i);
        if (is_float ? divisor->c.f64[k] == 0 : divisor->c.i64[k] == 0) valid[i] = 0;
    }
    return MP_OK;
}

mp_status mp_run_mod(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v[2];
    mp_status st = mp_ev_args(ev, nd, active, v);
    void *data;
    int32_t n;
    if (st == MP_OK) st = mp_ev_result(ev, nd->type, v, 2, out, &data, &n);
    if (st == MP_OK && n > 0) st = null_zeros(ev, &v[1], out, n);
    if (st != MP_OK || n == 0) return st;
    const bool a_const = v[0].is_const, b_const = v[1].is_const;
    int64_t *restrict r = data;
    int sa = mp_vec_scale(&v[0]), sb = mp_vec_scale(&v[1]);
    if (sa == sb) {
        EACH(int64_t, v[0].c.i64, v[1].c.i64, r[i] = y == 0 || y == -1 ? 0 : x % y);
        out->c.scale = (uint8_t)sa;
        return MP_OK;
    }
    int to = sa > sb ? sa : sb;
    const int64_t pa = mp_pow10_i64[to - sa], pb = mp_pow10_i64[to - sb];
    out->c.scale = (uint8_t)to;
    for (int32_t i = 0, row; i < n; i++) {
        int64_t x = v[0].c.i64[mp_vec_at(&v[0], i)], y = v[1].c.i64[mp_vec_at(&v[1], i)];
        mp_i128 m = y == 0 ? 0 : (mp_i128)x * pa % ((mp_i128)y * pb);
        r[i] = (int64_t)m;
        if (!mp_i128_fits_i64(m) && !(out->c.valid && !out->c.valid[i]) &&
            mp_ev_counts(ev, active, out->is_const, i, &row))
            return mp_ev_overflow(ev, nd, row);
    }
    return MP_OK;
}

/* ---- / ---- */

/* x * p / (y * q), rounded once; y != 0. */
static double divide(int64_t x, int64_t y, int64_t p, int64_t q) {
    mp_i128 num = (mp_i128)x * p, den = (mp_i128)y * q;
    return den < 0 ? mp_i128_div_to_double(-num, mp_i128_abs(den))
                   : mp_i128_div_to_double(num, mp_i128_abs(den));
}

static void divide_exact(const mp_vec *v, double *restrict r, int32_t n) {
    int sa = mp_vec_scale(&v[0]), sb = mp_vec_scale(&v[1]);
    const int64_t p = sb > sa ? mp_pow10_i64[sb - sa] : 1, q = sa > sb ? mp_pow10_i64[sa - sb] : 1;
    const int64_t top = (int64_t)1 << 53, lx = top / p, ly = top / q;
    const bool a_const = v[0].is_const, b_const = v[1].is_const;
    EACH(int64_t, v[0].c.i64, v[1].c.i64, {
        if (x <= lx && x >= -lx && y <= ly && y >= -ly)
            r[i] = y == 0 ? 0.0 : (double)(x * p) / (double)(y * q);
        else
            r[i] = y == 0 ? 0.0 : divide(x, y, p, q);
    });
}

mp_status mp_run_div(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v[2];
    mp_status st = mp_ev_args(ev, nd, active, v);
    if (st != MP_OK) return st;
    bool is_float = v[0].c.type == MP_FLOAT64 || v[1].c.type == MP_FLOAT64;
    for (int k = 0; k < 2 && is_float && st == MP_OK; k++)
        st = mp_ev_doubles(ev, &v[k]);
    void *data;
    int32_t n;
    if (st == MP_OK) st = mp_ev_result(ev, nd->type, v, 2, out, &data, &n);
    if (st == MP_OK && n > 0) st = null_zeros(ev, &v[1], out, n);
    if (st != MP_OK || n == 0) return st;
    if (!is_float) {
        divide_exact(v, data, n);
        return MP_OK;
    }
    const bool a_const = v[0].is_const, b_const = v[1].is_const;
    double *restrict r = data;
    EACH(double, v[0].c.f64, v[1].c.f64, r[i] = y == 0 ? 0.0 : x / y);
    return MP_OK;
}

/* ---- floats ---- */

mp_status mp_run_float(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v[2];
    mp_status st = mp_ev_args(ev, nd, active, v);
    for (int k = 0; k < 2 && st == MP_OK; k++)
        st = mp_ev_doubles(ev, &v[k]);
    void *data;
    int32_t n;
    if (st == MP_OK) st = mp_ev_result(ev, nd->type, v, 2, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    const bool a_const = v[0].is_const, b_const = v[1].is_const;
    const double *pa = v[0].c.f64, *pb = v[1].c.f64;
    double *restrict r = data;
    switch (nd->op) {
    case MP_EX_ADD:
        EACH(double, pa, pb, r[i] = x + y);
        return MP_OK;
    case MP_EX_SUB:
        EACH(double, pa, pb, r[i] = x - y);
        return MP_OK;
    case MP_EX_MUL:
        EACH(double, pa, pb, r[i] = x * y);
        return MP_OK;
    default:
        EACH(double, pa, pb, r[i] = y == 0 ? 0.0 : fmod(x, y));
        return null_zeros(ev, &v[1], out, n);
    }
}
