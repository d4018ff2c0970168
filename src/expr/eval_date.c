/* eval_date.c - parts of dates, days added and counted. Dates stay within the years 1 to 9999. */
#include "data/date.h"
#include "expr/prog.h"

#define US_PER_SECOND ((int64_t)1000000)
#define FIRST_DAY (-719162) /* 0001-01-01 */
#define LAST_DAY 2932896    /* 9999-12-31 */

mp_status mp_run_date_part(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v;
    mp_status st = mp_ev_args(ev, nd, active, &v);
    void *data;
    int32_t n;
    if (st == MP_OK) st = mp_ev_result(ev, MP_INT64, &v, 1, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    int64_t *r = data;
    bool is_date = v.c.type == MP_DATE;
    for (int32_t i = 0; i < n; i++) {
        int64_t x = v.c.i64[i], day = is_date ? x : mp_timestamp_days(x);
        switch (nd->op) {
        case MP_EX_YEAR:
            r[i] = mp_date_year(day);
            break;
        case MP_EX_MONTH:
            r[i] = mp_date_month(day);
            break;
        case MP_EX_DAY:
            r[i] = mp_date_day(day);
            break;
        default:
            r[i] = is_date ? 0 : mp_timestamp_hour(x);
        }
    }
    return MP_OK;
}

/* date +- days, timestamp +- seconds; the date is argument 0. */
mp_status mp_run_date_shift(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v[2];
    mp_status st = mp_ev_args(ev, nd, active, v);
    void *data;
    int32_t n;
    if (st == MP_OK) st = mp_ev_result(ev, nd->type, v, 2, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    bool is_date = nd->type == MP_DATE, minus = nd->op == MP_EX_SUB;
    const mp_i128 first = is_date ? FIRST_DAY : (mp_i128)FIRST_DAY * MP_US_PER_DAY;
    const mp_i128 last = is_date ? LAST_DAY : (mp_i128)(LAST_DAY + 1) * MP_US_PER_DAY - 1;
    int scale = mp_vec_scale(&v[1]);
    if (scale > 6) return mp_error_set(ev->err, MP_FAILED, NULL, "seconds at scale %d", scale);
    const int64_t unit = is_date ? 1 : US_PER_SECOND / mp_pow10_i64[scale];
    int64_t *r = data;
    for (int32_t i = 0, row; i < n; i++) {
        mp_i128 k = (mp_i128)v[1].c.i64[mp_vec_at(&v[1], i)] * unit;
        mp_i128 t = v[0].c.i64[mp_vec_at(&v[0], i)] + (minus ? -k : k);
        bool fits = t >= first && t <= last;
        r[i] = fits ? (int64_t)t : 0;
        if (fits || mp_vec_null(out, i) || !mp_ev_counts(ev, active, out->is_const, i, &row))
            continue;
        char text[120];
        return mp_ev_fail(ev, row, "'%s' leaves the years 1 to 9999",
                          mp_expr_text(nd->e, text, sizeof text));
    }
    return MP_OK;
}

/* Days between dates; seconds, exact to six digits, between timestamps. */
mp_status mp_run_date_diff(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v[2];
    mp_status st = mp_ev_args(ev, nd, active, v);
    void *data;
    int32_t n;
    if (st == MP_OK) st = mp_ev_result(ev, nd->type, v, 2, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    int64_t *r = data;
    if (nd->type == MP_DECIMAL) out->c.scale = 6;
    for (int32_t i = 0; i < n; i++)
        r[i] = (int64_t)((uint64_t)v[0].c.i64[mp_vec_at(&v[0], i)] -
                         (uint64_t)v[1].c.i64[mp_vec_at(&v[1], i)]);
    return MP_OK;
}

/* ---- casts ---- */

static mp_status no_date(mp_eval *ev, const mp_node *nd, int32_t row, mp_str s, const char *form) {
    mp_ev_fail(ev, row, "'%.*s' is no %s", (int)(s.len > 60 ? 60 : s.len), s.p,
               nd->type == MP_DATE ? "date" : "timestamp");
    mp_error_hint(ev->err, "%s", form);
    return MP_DATA;
}

mp_status mp_run_to_date(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v;
    mp_status st = mp_ev_args(ev, nd, active, &v);
    void *data;
    int32_t n;
    if (st == MP_OK) st = mp_ev_result(ev, MP_DATE, &v, 1, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    int64_t *r = data;
    for (int32_t i = 0, row; i < n; i++) {
        r[i] = 0;
        if (v.c.type != MP_STRING) {
            r[i] = v.c.type == MP_DATE ? v.c.i64[i] : mp_timestamp_days(v.c.i64[i]);
            continue;
        }
        if (mp_vec_null(out, i)) continue;
        mp_str s = v.c.str[i];
        int64_t us;
        char sep;
        if (mp_parse_date(s.p, s.len, &r[i])) continue;
        if (mp_parse_timestamp(s.p, s.len, &us, &sep))
            r[i] = mp_timestamp_days(us);
        else if (mp_ev_counts(ev, active, out->is_const, i, &row))
            return no_date(ev, nd, row, s, "a date is written 2024-01-31");
    }
    return MP_OK;
}

mp_status mp_run_to_timestamp(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v;
    mp_status st = mp_ev_args(ev, nd, active, &v);
    void *data;
    int32_t n;
    if (st == MP_OK) st = mp_ev_result(ev, MP_TIMESTAMP, &v, 1, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    int64_t *r = data;
    for (int32_t i = 0, row; i < n; i++) {
        r[i] = 0;
        if (v.c.type == MP_TIMESTAMP) {
            r[i] = v.c.i64[i];
        } else if (v.c.type == MP_DATE) {
            r[i] = (int64_t)((uint64_t)v.c.i64[i] * (uint64_t)MP_US_PER_DAY);
        } else if (!mp_vec_null(out, i)) {
            mp_str s = v.c.str[i];
            int64_t days;
            char sep;
            if (mp_parse_timestamp(s.p, s.len, &r[i], &sep)) continue;
            if (mp_parse_date(s.p, s.len, &days))
                r[i] = days * MP_US_PER_DAY;
            else if (mp_ev_counts(ev, active, out->is_const, i, &row))
                return no_date(ev, nd, row, s, "a timestamp is written 2024-01-31 23:59:59");
        }
    }
    return MP_OK;
}
