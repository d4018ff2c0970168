/* eval_math.c - abs, round, floor, ceil and the functions of doubles. Rounding is half away from
 * zero on the exact value; a result that is no number (log(-1)) is null, unless an argument was
 * NaN. */
#include <math.h>
#include <stdlib.h>

#include "expr/prog.h"

static mp_status start(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *v,
                       mp_vec *out, void **data, int32_t *n) {
    mp_status st = mp_ev_args(ev, nd, active, v);
    return st == MP_OK ? mp_ev_result(ev, nd->type, v, nd->n_args, out, data, n) : st;
}

mp_status mp_run_abs(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v;
    void *data;
    int32_t n;
    mp_status st = start(ev, nd, active, &v, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    if (nd->type == MP_FLOAT64) {
        double *restrict r = data;
        for (int32_t i = 0; i < n; i++)
            r[i] = fabs(v.c.f64[i]);
        return MP_OK;
    }
    int64_t *restrict r = data;
    bool bad = false;
    for (int32_t i = 0; i < n; i++) {
        int64_t x = v.c.i64[i];
        r[i] = x < 0 ? (int64_t)(0 - (uint64_t)x) : x;
        bad |= x == INT64_MIN;
    }
    out->c.scale = v.c.scale;
    for (int32_t i = 0, row; bad && i < n; i++)
        if (v.c.i64[i] == INT64_MIN && !mp_vec_null(out, i) &&
            mp_ev_counts(ev, active, out->is_const, i, &row))
            return mp_ev_overflow(ev, nd, row);
    return MP_OK;
}

/* ---- round ---- */

/* m / 10^k, half away from zero; k >= 0. */
static int64_t round_off(int64_t m, int k) {
    if (k == 0) return m;
    if (k > MP_SCALE_MAX) {
        /* 10^19 / 2 is within int64, 10^20 / 2 is not */
        const int64_t half = 5000000000000000000;
        return k > MP_SCALE_MAX + 1 ? 0 : m >= half ? 1 : m <= -half ? -1 : 0;
    }
    const int64_t p = mp_pow10_i64[k], q = m / p, rest = m % p;
    return rest >= p - rest ? q + 1 : -rest >= p + rest ? q - 1 : q;
}

static int clamp_digits(int64_t n) {
    return n > 40 ? 40 : n < -40 ? -40 : (int)n;
}

/* Mantissa m at scale s rounded to digits behind the point, as a mantissa at scale to <= s. false:
 * it does not fit. */
static bool round_decimal(int64_t m, int s, int digits, int to, int64_t *out) {
    int k = s - digits; /* digits to drop */
    if (k <= 0) return mp_decimal_rescale(m, s, to, out);
    mp_i128 v = round_off(m, k);
    if (v == 0) {
        *out = 0;
        return true;
    }
    for (; k > s - to; k--)
        v *= 10; /* |v| * 10^k is at most |m| + 10^19 */
    *out = (int64_t)v;
    return mp_i128_fits_i64(v);
}

static mp_status round_exact(mp_eval *ev, const mp_node *nd, const uint8_t *active, const mp_vec *v,
                             mp_vec *out, int64_t *restrict r, int32_t n) {
    int s = mp_vec_scale(&v[0]), to = nd->type == MP_INT64 ? 0 : s;
    bool one = nd->n_args == 1;
    if (nd->type == MP_DECIMAL && v[1].is_const) {
        int digits = clamp_digits(v[1].c.i64[0]);
        to = digits < 0 ? 0 : digits < s ? digits : s;
    }
    for (int32_t i = 0, row; i < n; i++) {
        int digits = one ? 0 : clamp_digits(v[1].c.i64[mp_vec_at(&v[1], i)]);
        if (round_decimal(v[0].c.i64[mp_vec_at(&v[0], i)], s, digits, to, &r[i])) continue;
        r[i] = 0;
        if (!mp_vec_null(out, i) && mp_ev_counts(ev, active, out->is_const, i, &row))
            return mp_ev_overflow(ev, nd, row);
    }
    if (nd->type == MP_DECIMAL) out->c.scale = (uint8_t)to;
    return MP_OK;
}

/* Tens, hundreds, ... of x: fmod is exact. */
static double round_to_tens(double x, int k) {
    double p = pow(10, k), a = fabs(x), rest = fmod(a, p), r = a - rest;
    if (rest >= p - rest) r += p;
    return copysign(r, x);
}

/* x to n > 0 digits by way of its text. Printing rounds half to even, and a half is exact only
 * where the last binary digit of x is 2^-(n+1): then the next double away from zero is printed. */
static double round_by_text(double x, int n) {
    double y = ldexp(x, n + 1);
    if (y == trunc(y) && fmod(y, 2) != 0) x = nextafter(x, x > 0 ? INFINITY : -INFINITY);
    char text[400];
    int len = snprintf(text, sizeof text, "%.*f", n, x);
    if (len <= 0 || len >= (int)sizeof text) return x;
    for (int i = 0; i < len; i++)
        if (text[i] == ',') text[i] = '.';
    char *end;
    double r = strtod(text, &end);
    return *end ? x : r;
}

static double round_double(double x, int n) {
    if (!isfinite(x)) return x;
    if (n == 0) return round(x);
    if (n < 0) return round_to_tens(x, -n);
    if (fabs(x) >= 4503599627370496.0 || n > 22) return n > 30 ? x : round_by_text(x, n);
    double t = x * mp_pow10_f64[n], f = fabs(t - trunc(t));
    if (fabs(t) < 4503599627370496.0 && fabs(f - 0.5) > fabs(t) * 0x1p-51 + 0x1p-60)
        return round(t) / mp_pow10_f64[n];
    return round_by_text(x, n);
}

mp_status mp_run_round(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v[2] = {0};
    void *data;
    int32_t n;
    mp_status st = start(ev, nd, active, v, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    if (nd->type != MP_FLOAT64) return round_exact(ev, nd, active, v, out, data, n);
    double *r = data;
    for (int32_t i = 0; i < n; i++) {
        int digits = nd->n_args == 1 ? 0 : clamp_digits(v[1].c.i64[mp_vec_at(&v[1], i)]);
        r[i] = round_double(v[0].c.f64[mp_vec_at(&v[0], i)], digits);
    }
    return MP_OK;
}

mp_status mp_run_floor(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v;
    void *data;
    int32_t n;
    bool up = nd->op == MP_EX_CEIL;
    mp_status st = start(ev, nd, active, &v, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    if (nd->type == MP_FLOAT64) {
        double *restrict r = data;
        for (int32_t i = 0; i < n; i++)
            r[i] = up ? ceil(v.c.f64[i]) : floor(v.c.f64[i]);
        return MP_OK;
    }
    int64_t *restrict r = data;
    const int64_t p = mp_pow10_i64[mp_vec_scale(&v)];
    for (int32_t i = 0; i < n; i++) {
        int64_t x = v.c.i64[i], rest = x % p;
        r[i] = x / p + (up ? rest > 0 : -(rest < 0));
    }
    return MP_OK;
}

/* ---- functions of doubles ---- */

static void apply(const mp_node *nd, const mp_vec *v, double *restrict r, int32_t n) {
    const double *x = v[0].c.f64;
    int32_t kx = !v[0].is_const, ky = nd->op == MP_EX_POW && !v[1].is_const;
    switch (nd->op) {
    case MP_EX_SQRT:
        for (int32_t i = 0; i < n; i++)
            r[i] = sqrt(x[i]);
        return;
    case MP_EX_EXP:
        for (int32_t i = 0; i < n; i++)
            r[i] = exp(x[i]);
        return;
    case MP_EX_LOG:
        for (int32_t i = 0; i < n; i++)
            r[i] = x[i] == 0 ? NAN : log(x[i]);
        return;
    default:
        for (int32_t i = 0; i < n; i++) {
            double a = x[i * kx], b = v[1].c.f64[i * ky];
            r[i] = a == 0 && b < 0 ? NAN : pow(a, b);
        }
    }
}

mp_status mp_run_math(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v[2] = {0};
    mp_status st = mp_ev_args(ev, nd, active, v);
    for (int k = 0; k < nd->n_args && st == MP_OK; k++)
        st = mp_ev_doubles(ev, &v[k]);
    void *data;
    int32_t n;
    if (st == MP_OK) st = mp_ev_result(ev, nd->type, v, nd->n_args, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    double *r = data;
    apply(nd, v, r, n);
    bool any = false;
    for (int32_t i = 0; i < n; i++)
        any |= r[i] != r[i];
    uint8_t *valid = any ? mp_ev_own_valid(ev, out, n) : NULL;
    if (any && !valid) return MP_NOMEM;
    for (int32_t i = 0; any && i < n; i++) {
        bool given = false;
        for (int k = 0; k < nd->n_args; k++)
            given |= isnan(v[k].c.f64[mp_vec_at(&v[k], i)]);
        if (isnan(r[i]) && !given) {
            valid[i] = 0;
            r[i] = 0;
        }
    }
    return MP_OK;
}
