/* eval_compare.c - comparisons. Three of them do for six: > >= != are the negations of <= < =,
 * which the total order of doubles (NaN equal to itself, above all numbers) allows. A constant is
 * brought to the column's scale, so that the loop over rows compares plain integers. */
#include "expr/prog.h"

typedef enum { CMP_EQ, CMP_LT, CMP_LE } basic;

typedef struct {
    basic op;
    uint8_t flip; /* 1: the negation */
} relation;

static relation relation_of(mp_ex_op op) {
    switch (op) {
    case MP_EX_EQ:
        return (relation){CMP_EQ, 0};
    case MP_EX_NE:
        return (relation){CMP_EQ, 1};
    case MP_EX_LT:
        return (relation){CMP_LT, 0};
    case MP_EX_GE:
        return (relation){CMP_LT, 1};
    case MP_EX_LE:
        return (relation){CMP_LE, 0};
    default:
        return (relation){CMP_LE, 1};
    }
}

/* a <op> b as b <op'> a */
static mp_ex_op mirrored(mp_ex_op op) {
    switch (op) {
    case MP_EX_LT:
        return MP_EX_GT;
    case MP_EX_LE:
        return MP_EX_GE;
    case MP_EX_GT:
        return MP_EX_LT;
    case MP_EX_GE:
        return MP_EX_LE;
    default:
        return op;
    }
}

#define ROWS(TEST)                                                                                 \
    for (int32_t i = 0; i < n; i++)                                                                \
    out[i] = (uint8_t)((TEST) ^ flip)

#define THREE(EQ, LT, LE)                                                                          \
    do {                                                                                           \
        const uint8_t flip = r.flip;                                                               \
        if (r.op == CMP_EQ)                                                                        \
            ROWS(EQ);                                                                              \
        else if (r.op == CMP_LT)                                                                   \
            ROWS(LT);                                                                              \
        else                                                                                       \
            ROWS(LE);                                                                              \
    } while (0)

static void i64_const(relation r, const int64_t *restrict a, int64_t c, uint8_t *restrict out,
                      int32_t n) {
    THREE(a[i] == c, a[i] < c, a[i] <= c);
}

static void i64_rows(relation r, const int64_t *restrict a, const int64_t *restrict b,
                     uint8_t *restrict out, int32_t n) {
    THREE(a[i] == b[i], a[i] < b[i], a[i] <= b[i]);
}

static void f64_const(relation r, const double *restrict a, double c, uint8_t *restrict out,
                      int32_t n) {
    if (c == c)
        THREE(a[i] == c, a[i] < c, a[i] <= c);
    else
        THREE(a[i] != a[i], a[i] == a[i], true);
}

static void f64_rows(relation r, const double *restrict a, const double *restrict b,
                     uint8_t *restrict out, int32_t n) {
    THREE((a[i] == b[i]) | ((a[i] != a[i]) & (b[i] != b[i])),
          (a[i] < b[i]) | ((a[i] == a[i]) & (b[i] != b[i])), (a[i] <= b[i]) | (b[i] != b[i]));
}

static void bool_rows(relation r, const mp_vec *a, const mp_vec *b, uint8_t *restrict out,
                      int32_t n) {
    const uint8_t *x = a->c.b, *y = b->c.b;
    int ka = !a->is_const, kb = !b->is_const;
    THREE(x[i * ka] == y[i * kb], x[i * ka] < y[i * kb], x[i * ka] <= y[i * kb]);
}

static inline uint32_t load4(const char *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static inline uint64_t load8(const char *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

/* Equality with a constant of 4 to 16 bytes: two loads that overlap, no call. */
static void str_equal(const mp_str *a, mp_str c, uint8_t flip, uint8_t *restrict out, int32_t n) {
    const uint32_t len = c.len;
    if (len < 8) {
        const uint32_t first = load4(c.p), last = load4(c.p + len - 4);
        for (int32_t i = 0; i < n; i++)
            out[i] = flip ^ (a[i].len == len &&
                             ((load4(a[i].p) ^ first) | (load4(a[i].p + len - 4) ^ last)) == 0);
        return;
    }
    const uint64_t first = load8(c.p), last = load8(c.p + len - 8);
    for (int32_t i = 0; i < n; i++)
        out[i] = flip ^ (a[i].len == len &&
                         ((load8(a[i].p) ^ first) | (load8(a[i].p + len - 8) ^ last)) == 0);
}

static void str_const(relation r, const mp_str *a, mp_str c, uint8_t *restrict out, int32_t n) {
    if (r.op == CMP_EQ && c.len >= 4 && c.len <= 16) {
        str_equal(a, c, r.flip, out, n);
        return;
    }
    THREE(mp_str_eq(a[i], c), mp_str_cmp(a[i], c) < 0, mp_str_cmp(a[i], c) <= 0);
}

static void str_rows(relation r, const mp_str *a, const mp_str *b, uint8_t *restrict out,
                     int32_t n) {
    THREE(mp_str_eq(a[i], b[i]), mp_str_cmp(a[i], b[i]) < 0, mp_str_cmp(a[i], b[i]) <= 0);
}

static void decimal_rows(relation r, const mp_vec *a, const mp_vec *b, uint8_t *restrict out,
                         int32_t n) {
    int sa = mp_vec_scale(a), sb = mp_vec_scale(b);
    const int64_t *x = a->c.i64, *y = b->c.i64;
    int ka = !a->is_const, kb = !b->is_const;
    THREE(mp_decimal_cmp(x[i * ka], sa, y[i * kb], sb) == 0,
          mp_decimal_cmp(x[i * ka], sa, y[i * kb], sb) < 0,
          mp_decimal_cmp(x[i * ka], sa, y[i * kb], sb) <= 0);
}

/* Column of ints or decimals against constant c at another scale. */
static void scaled_const(relation r, const mp_vec *a, int64_t c, int from, uint8_t *out,
                         int32_t n) {
    int to = mp_vec_scale(a);
    int64_t v;
    if (from <= to) {
        if (mp_decimal_rescale(c, from, to, &v)) {
            i64_const(r, a->c.i64, v, out, n);
        } else { /* beyond every value */
            bool truth = r.op != CMP_EQ && c > 0;
            memset(out, truth ^ r.flip, (size_t)n);
        }
        return;
    }
    const int64_t p = mp_pow10_i64[from - to];
    v = c / p - (c % p < 0);
    if (c % p == 0)
        i64_const(r, a->c.i64, v, out, n);
    else if (r.op == CMP_EQ)
        memset(out, r.flip, (size_t)n);
    else /* between v and v + 1 */
        i64_const((relation){CMP_LE, r.flip}, a->c.i64, v, out, n);
}

static mp_status compare_numbers(mp_eval *ev, relation r, mp_vec *a, mp_vec *b, uint8_t *out,
                                 int32_t n) {
    if (a->c.type == MP_FLOAT64 || b->c.type == MP_FLOAT64) {
        mp_status st = mp_ev_doubles(ev, a);
        if (st == MP_OK) st = mp_ev_doubles(ev, b);
        if (st != MP_OK) return st;
        if (b->is_const)
            f64_const(r, a->c.f64, b->c.f64[0], out, n);
        else
            f64_rows(r, a->c.f64, b->c.f64, out, n);
        return MP_OK;
    }
    int sa = mp_vec_scale(a), sb = mp_vec_scale(b);
    if (b->is_const)
        scaled_const(r, a, b->c.i64[0], sb, out, n);
    else if (sa == sb)
        i64_rows(r, a->c.i64, b->c.i64, out, n);
    else
        decimal_rows(r, a, b, out, n);
    return MP_OK;
}

mp_status mp_ev_compare(mp_eval *ev, mp_ex_op op, const mp_vec *left, const mp_vec *right,
                        mp_vec *out) {
    mp_vec v[2] = {*left, *right};
    if (left->is_const && !right->is_const) {
        v[0] = *right;
        v[1] = *left;
        op = mirrored(op);
    }
    void *data;
    int32_t n;
    mp_status st = mp_ev_result(ev, MP_BOOL, v, 2, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    relation r = relation_of(op);
    switch (v[0].c.type) {
    case MP_BOOL:
        bool_rows(r, &v[0], &v[1], data, n);
        return MP_OK;
    case MP_STRING:
        if (v[1].is_const)
            str_const(r, v[0].c.str, v[1].c.str[0], data, n);
        else
            str_rows(r, v[0].c.str, v[1].c.str, data, n);
        return MP_OK;
    case MP_DATE:
    case MP_TIMESTAMP:
        if (v[1].is_const)
            i64_const(r, v[0].c.i64, v[1].c.i64[0], data, n);
        else
            i64_rows(r, v[0].c.i64, v[1].c.i64, data, n);
        return MP_OK;
    default:
        return compare_numbers(ev, r, &v[0], &v[1], data, n);
    }
}

mp_status mp_run_compare(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v[2];
    mp_status st = mp_ev_args(ev, nd, active, v);
    return st == MP_OK ? mp_ev_compare(ev, nd->op, &v[0], &v[1], out) : st;
}

mp_status mp_run_between(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v[3], low, high;
    mp_status st = mp_ev_args(ev, nd, active, v);
    if (st == MP_OK) st = mp_ev_compare(ev, MP_EX_GE, &v[0], &v[1], &low);
    if (st == MP_OK) st = mp_ev_compare(ev, MP_EX_LE, &v[0], &v[2], &high);
    return st == MP_OK ? mp_ev_and(ev, &low, &high, out) : st;
}
