/* eval_cast.c - int, float, decimal, string. A text that is no number is bad data, never a silent
 * null. */
#include <math.h>

#include "data/date.h"
#include "data/parse_num.h"
#include "data/print_num.h"
#include "expr/prog.h"

static mp_status start(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *v,
                       mp_vec *out, void **data, int32_t *n) {
    mp_status st = mp_ev_args(ev, nd, active, v);
    return st == MP_OK ? mp_ev_result(ev, nd->type, v, 1, out, data, n) : st;
}

/* ---- one value as a number ---- */

/* Text to a number; a plus and leading zeros are allowed here. */
static bool read_number(mp_str s, mp_number *v) {
    if (mp_parse_number(s.p, s.len, v) != MP_NUM_NONE) return true;
    while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.len--;
    }
    while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    bool minus = s.len > 0 && s.p[0] == '-';
    mp_str digits = s;
    if (minus || (s.len > 0 && s.p[0] == '+')) {
        digits.p++;
        digits.len--;
    }
    bool cut = false;
    while (digits.len > 1 && digits.p[0] == '0' && digits.p[1] >= '0' && digits.p[1] <= '9') {
        digits.p++;
        digits.len--;
        cut = true;
    }
    char text[24];
    bool starts =
        digits.len > 0 && ((digits.p[0] >= '0' && digits.p[0] <= '9') || digits.p[0] == '.');
    if ((cut || (s.p != digits.p && !minus)) && starts && digits.len < sizeof text - 1) {
        size_t n = 0;
        if (minus) text[n++] = '-';
        memcpy(text + n, digits.p, digits.len);
        if (mp_parse_number(text, n + digits.len, v) != MP_NUM_NONE) return true;
    }
    *v = (mp_number){.kind = MP_NUM_FLOAT64};
    return mp_parse_double(s.p, s.len, &v->f64);
}

/* The value at row i of any vector that has numbers or texts; false: no number. */
static bool number_at(const mp_vec *v, int32_t i, mp_number *x) {
    switch (v->c.type) {
    case MP_BOOL:
        *x = (mp_number){.kind = MP_NUM_INT64, .i64 = v->c.b[i]};
        return true;
    case MP_INT64:
        *x = (mp_number){.kind = MP_NUM_INT64, .i64 = v->c.i64[i]};
        return true;
    case MP_DECIMAL:
        *x = (mp_number){.kind = MP_NUM_DECIMAL, .i64 = v->c.i64[i], .scale = v->c.scale};
        return true;
    case MP_FLOAT64:
        *x = (mp_number){.kind = MP_NUM_FLOAT64, .f64 = v->c.f64[i]};
        return true;
    default:
        return read_number(v->c.str[i], x);
    }
}

static mp_status misfit(mp_eval *ev, int32_t row, const mp_vec *v, int32_t i, const char *why) {
    char text[MP_NUM_MAX];
    mp_str s;
    if (v->c.type == MP_STRING) {
        s = v->c.str[i];
        if (s.len > 60) s.len = 60;
    } else {
        size_t n = v->c.type == MP_FLOAT64 ? mp_print_double(text, v->c.f64[i])
                                           : mp_print_decimal(text, v->c.i64[i], v->c.scale);
        s = mp_str_of(text, n);
    }
    return mp_ev_fail(ev, row, "'%.*s' %s", (int)s.len, s.len ? s.p : "", why);
}

/* ---- int ---- */

static bool to_int(const mp_number *x, int64_t *out) {
    if (x->kind == MP_NUM_INT64) {
        *out = x->i64;
        return true;
    }
    if (x->kind == MP_NUM_DECIMAL) {
        *out = x->i64 / mp_pow10_i64[x->scale];
        return true;
    }
    if (!(x->f64 >= -0x1p63 && x->f64 < 0x1p63)) return false;
    *out = (int64_t)x->f64;
    return true;
}

mp_status mp_run_to_int(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v;
    void *data;
    int32_t n;
    mp_status st = start(ev, nd, active, &v, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    int64_t *r = data;
    for (int32_t i = 0, row; i < n; i++) {
        mp_number x;
        r[i] = 0;
        if (mp_vec_null(out, i)) continue;
        bool is_number = number_at(&v, i, &x);
        if (is_number && to_int(&x, &r[i])) continue;
        if (!mp_ev_counts(ev, active, out->is_const, i, &row)) continue;
        misfit(ev, row, &v, i, is_number ? "does not fit in int64" : "is no number");
        if (is_number) mp_error_hint(ev->err, "float(x) takes numbers of any size");
        return MP_DATA;
    }
    return MP_OK;
}

/* ---- float ---- */

mp_status mp_run_to_float(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v;
    mp_status st = mp_node_run(ev, nd->args[0], active, &v);
    if (st != MP_OK) return st;
    if (v.c.type != MP_STRING) {
        st = mp_ev_doubles(ev, &v);
        *out = v;
        return st;
    }
    void *data;
    int32_t n;
    st = mp_ev_result(ev, MP_FLOAT64, &v, 1, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    double *r = data;
    for (int32_t i = 0, row; i < n; i++) {
        r[i] = 0;
        if (mp_vec_null(out, i) || mp_parse_double(v.c.str[i].p, v.c.str[i].len, &r[i])) continue;
        if (mp_ev_counts(ev, active, out->is_const, i, &row))
            return misfit(ev, row, &v, i, "is no number");
    }
    return MP_OK;
}

/* ---- decimal ---- */

/* A double is taken as the shortest text that means it: 0.1 is one tenth. */
static bool to_decimal(const mp_number *x, int64_t *mantissa, int *scale) {
    mp_number y = *x;
    if (x->kind == MP_NUM_FLOAT64) {
        char text[MP_NUM_MAX];
        mp_parse_number(text, mp_print_double(text, x->f64), &y);
        if (y.kind != MP_NUM_INT64 && y.kind != MP_NUM_DECIMAL) return false;
    }
    *mantissa = y.i64;
    *scale = y.kind == MP_NUM_DECIMAL ? y.scale : 0;
    mp_decimal_strip(mantissa, scale);
    return true;
}

mp_status mp_run_to_decimal(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v;
    void *data;
    int32_t n;
    mp_status st = start(ev, nd, active, &v, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    int64_t *r = data;
    if (v.c.type == MP_INT64 || v.c.type == MP_DECIMAL) {
        memcpy(r, v.c.i64, (size_t)n * sizeof *r);
        out->c.scale = (uint8_t)mp_vec_scale(&v);
        return MP_OK;
    }
    uint8_t *scale = mp_ev_alloc(ev, (size_t)n);
    if (!scale) return MP_NOMEM;
    int most = 0;
    for (int32_t i = 0, row; i < n; i++) {
        mp_number x;
        int s = 0;
        r[i] = scale[i] = 0;
        if (mp_vec_null(out, i)) continue;
        bool is_number = number_at(&v, i, &x);
        if (is_number && to_decimal(&x, &r[i], &s)) {
            scale[i] = (uint8_t)s;
            if (s > most) most = s;
        } else if (mp_ev_counts(ev, active, out->is_const, i, &row)) {
            return misfit(ev, row, &v, i,
                          is_number ? "does not fit in a decimal of 18 digits" : "is no number");
        }
    }
    out->c.scale = (uint8_t)most;
    for (int32_t i = 0, row; i < n; i++) {
        if (mp_decimal_rescale(r[i], scale[i], most, &r[i])) continue;
        if (mp_ev_counts(ev, active, out->is_const, i, &row))
            return misfit(ev, row, &v, i, "does not fit in a decimal beside such long fractions");
    }
    return MP_OK;
}

/* ---- string ---- */

enum { TEXT_MAX = 64 };
_Static_assert((int)TEXT_MAX >= (int)MP_NUM_MAX && (int)TEXT_MAX >= (int)MP_DATE_TEXT_MAX,
               "room for one value");

static size_t print_one(const mp_vec *v, int32_t i, char *to) {
    switch (v->c.type) {
    case MP_BOOL:
        memcpy(to, v->c.b[i] ? "true" : "false", 5);
        return v->c.b[i] ? 4 : 5;
    case MP_INT64:
        return mp_print_int64(to, v->c.i64[i]);
    case MP_DECIMAL:
        return mp_print_decimal(to, v->c.i64[i], v->c.scale);
    case MP_FLOAT64:
        return mp_print_double(to, v->c.f64[i]);
    case MP_DATE:
        return mp_print_date(to, v->c.i64[i]);
    default:
        return mp_print_timestamp(to, v->c.i64[i], (char)v->c.ts_sep);
    }
}

mp_status mp_run_to_string(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v;
    void *data;
    int32_t n;
    mp_status st = start(ev, nd, active, &v, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    mp_str *r = data;
    v.c.ts_sep = nd->args[0]->ts_sep;
    char *to = mp_ev_alloc(ev, ((size_t)n + 1) * TEXT_MAX);
    if (!to) return MP_NOMEM;
    for (int32_t i = 0; i < n; i++) {
        r[i] = mp_str_of("", 0);
        if (mp_vec_null(out, i)) continue;
        r[i] = mp_str_of(to, print_one(&v, i, to));
        to += r[i].len;
    }
    return MP_OK;
}
