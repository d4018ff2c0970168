/* eval_logic.c - three-valued logic, and the choices: if, case, coalesce. What a left side or a
 * condition has decided is not looked at for errors further right, so `x != 0 and int(y) / x > 1`
 * guards itself. */
#include "expr/prog.h"

/* A null constant or a constant beside rows, as rows. */
static mp_status as_rows(mp_eval *ev, mp_vec *v) {
    bool null = mp_vec_all_null(v);
    if (!v->is_const && !null) return MP_OK;
    size_t n = (size_t)ev->n;
    uint8_t *b = mp_ev_alloc(ev, n), *valid = null ? mp_ev_alloc(ev, n) : NULL;
    if (!b || (null && !valid)) return MP_NOMEM;
    memset(b, null ? 0 : v->c.b[0], n);
    if (null) memset(valid, 0, n);
    *v = (mp_vec){.c = {.type = MP_BOOL, .valid = valid, .b = b}};
    return MP_OK;
}

static void and_rows(const mp_vec *a, const mp_vec *b, uint8_t *restrict v, uint8_t *restrict ok,
                     int32_t n) {
    const uint8_t *x = a->c.b, *y = b->c.b, *ox = a->c.valid, *oy = b->c.valid;
    if (!ok) {
        for (int32_t i = 0; i < n; i++)
            v[i] = x[i] & y[i];
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        uint8_t va = ox ? ox[i] : 1, vb = oy ? oy[i] : 1;
        uint8_t t = (uint8_t)((x[i] | (va ^ 1)) & (y[i] | (vb ^ 1))); /* null as true */
        v[i] = t;
        ok[i] = (uint8_t)((t ^ 1) | (va & vb));
    }
}

static void or_rows(const mp_vec *a, const mp_vec *b, uint8_t *restrict v, uint8_t *restrict ok,
                    int32_t n) {
    const uint8_t *x = a->c.b, *y = b->c.b, *ox = a->c.valid, *oy = b->c.valid;
    if (!ok) {
        for (int32_t i = 0; i < n; i++)
            v[i] = x[i] | y[i];
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        uint8_t va = ox ? ox[i] : 1, vb = oy ? oy[i] : 1;
        uint8_t t = (uint8_t)((x[i] & va) | (y[i] & vb)); /* null as false */
        v[i] = t;
        ok[i] = (uint8_t)(t | (va & vb));
    }
}

static mp_status combine(mp_eval *ev, bool is_and, const mp_vec *left, const mp_vec *right,
                         mp_vec *out) {
    mp_vec a = *left, b = *right;
    if (a.is_const && !b.is_const) {
        a = *right;
        b = *left;
    }
    if (b.is_const && !mp_vec_all_null(&b)) {
        bool decides = b.c.b[0] == !is_and;
        *out = decides ? b : a;
        return MP_OK;
    }
    if (a.is_const && !mp_vec_all_null(&a)) { /* b is null for all rows */
        *out = a.c.b[0] == !is_and ? a : b;
        return MP_OK;
    }
    if (mp_vec_all_null(&a) && mp_vec_all_null(&b)) {
        *out = mp_vec_null_const(MP_BOOL);
        return MP_OK;
    }
    mp_status st = as_rows(ev, &a);
    if (st == MP_OK) st = as_rows(ev, &b);
    if (st != MP_OK) return st;
    uint8_t *v = mp_ev_alloc(ev, (size_t)ev->n), *ok = NULL;
    bool nulls = a.c.valid || b.c.valid;
    if (v && nulls) ok = mp_ev_alloc(ev, (size_t)ev->n);
    if (!v || (nulls && !ok)) return MP_NOMEM;
    (is_and ? and_rows : or_rows)(&a, &b, v, ok, ev->n);
    *out = (mp_vec){.c = {.type = MP_BOOL, .valid = ok, .b = v}};
    return MP_OK;
}

mp_status mp_ev_and(mp_eval *ev, const mp_vec *a, const mp_vec *b, mp_vec *out) {
    return combine(ev, true, a, b, out);
}

mp_status mp_ev_or(mp_eval *ev, const mp_vec *a, const mp_vec *b, mp_vec *out) {
    return combine(ev, false, a, b, out);
}

/* Rows of active where v is not (value, and valid): those it has not decided. */
static mp_status undecided(mp_eval *ev, const mp_vec *v, uint8_t value, const uint8_t *active,
                           const uint8_t **out) {
    uint8_t *m = mp_ev_alloc(ev, (size_t)ev->n);
    if (!m) return MP_NOMEM;
    bool null = mp_vec_all_null(v);
    for (int32_t i = 0; i < ev->n; i++) {
        int64_t k = mp_vec_at(v, i);
        bool valid = !null && (!v->c.valid || v->c.valid[k]);
        m[i] = (!active || active[i]) && !(valid && v->c.b[k] == value);
    }
    *out = m;
    return MP_OK;
}

static bool all_decided(const mp_eval *ev, const mp_vec *v, bool is_and) {
    if (v->c.valid || mp_vec_all_null(v)) return false;
    if (v->is_const) return v->c.b[0] == !is_and;
    return ev->n == 0 || !memchr(v->c.b, is_and, (size_t)ev->n);
}

mp_status mp_run_logic(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    bool is_and = nd->op == MP_EX_AND;
    mp_status st = mp_node_run(ev, nd->args[0], active, out);
    for (int32_t i = 1; i < nd->n_args && st == MP_OK; i++) {
        mp_vec v, left = *out;
        if (all_decided(ev, &left, is_and)) return MP_OK;
        if (nd->args[i]->can_fail) st = undecided(ev, &left, !is_and, active, &active);
        if (st == MP_OK) st = mp_node_run(ev, nd->args[i], active, &v);
        if (st == MP_OK) st = combine(ev, is_and, &left, &v, out);
    }
    return st;
}

mp_status mp_run_not(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v;
    mp_status st = mp_ev_args(ev, nd, active, &v);
    void *data;
    int32_t n;
    if (st == MP_OK) st = mp_ev_result(ev, MP_BOOL, &v, 1, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    uint8_t *restrict r = data;
    for (int32_t i = 0; i < n; i++)
        r[i] = v.c.b[i] ^ 1;
    return MP_OK;
}

mp_status mp_run_is_null(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v;
    mp_status st = mp_ev_args(ev, nd, active, &v);
    if (st != MP_OK) return st;
    bool constant = mp_vec_all_null(&v) || v.is_const || !v.c.valid;
    int32_t n = constant ? 1 : ev->n;
    uint8_t *r = mp_ev_alloc(ev, (size_t)n);
    if (!r) return MP_NOMEM;
    *out = (mp_vec){.c = {.type = MP_BOOL, .b = r}, .is_const = constant};
    if (constant)
        r[0] = mp_vec_all_null(&v);
    else
        for (int32_t i = 0; i < n; i++)
            r[i] = v.c.valid[i] ^ 1;
    return MP_OK;
}

/* ---- choices ---- */

/* arm[i]: which value row i takes, -1 none yet. */
typedef struct {
    mp_eval *ev;
    const mp_node *nd;
    uint8_t *open; /* rows that have no arm yet */
    uint8_t *take; /* rows that take the arm at hand */
    int32_t *arm;
    mp_vec *value; /* of each arm that some row takes */
    int32_t n_arms;
} choice;

static mp_status choice_init(choice *c, mp_eval *ev, const mp_node *nd, const uint8_t *active) {
    size_t n = (size_t)ev->n;
    *c = (choice){.ev = ev, .nd = nd};
    c->open = mp_ev_alloc(ev, n);
    c->take = mp_ev_alloc(ev, n);
    c->arm = mp_ev_alloc(ev, n * sizeof *c->arm);
    c->value = mp_ev_alloc(ev, (size_t)nd->n_args * sizeof *c->value);
    if (!c->open || !c->take || !c->arm || !c->value) return MP_NOMEM;
    for (size_t i = 0; i < n; i++) {
        c->open[i] = !active || active[i];
        c->arm[i] = -1;
    }
    return MP_OK;
}

static bool take_open(choice *c) {
    size_t n = (size_t)c->ev->n;
    if (n) memcpy(c->take, c->open, n);
    return n && memchr(c->open, 1, n) != NULL;
}

/* take := open rows where cond is true; returns whether there are any. */
static bool take_true(choice *c, const mp_vec *cond) {
    const int32_t n = c->ev->n;
    const uint8_t *restrict open = c->open, *restrict b = cond->c.b, *restrict ok = cond->c.valid;
    uint8_t *restrict take = c->take;
    uint8_t any = 0;
    if (mp_vec_all_null(cond) || (cond->is_const && !b[0])) return false;
    if (cond->is_const) return take_open(c);
    if (ok)
        for (int32_t i = 0; i < n; i++)
            any |= take[i] = open[i] & b[i] & ok[i];
    else
        for (int32_t i = 0; i < n; i++)
            any |= take[i] = open[i] & b[i];
    return any;
}

/* The rows taken get value v; they are open no more. */
static void close_rows(choice *c, const mp_vec *v, bool only_values) {
    const uint8_t *valid = only_values && !v->is_const ? v->c.valid : NULL;
    const int32_t arm = c->n_arms, n = c->ev->n;
    int32_t *restrict arms = c->arm;
    uint8_t *restrict open = c->open, *restrict take = c->take;
    if (valid)
        for (int32_t i = 0; i < n; i++)
            take[i] &= valid[i];
    for (int32_t i = 0; i < n; i++) {
        int32_t mask = -(int32_t)take[i];
        arms[i] = (arms[i] & ~mask) | (arm & mask);
        open[i] &= take[i] ^ 1;
    }
    c->value[c->n_arms++] = *v;
}

static mp_status take_value(choice *c, const mp_node *value, bool only_values) {
    mp_vec v;
    mp_status st = mp_node_run(c->ev, value, c->take, &v);
    if (st != MP_OK || mp_vec_all_null(&v)) {
        if (st == MP_OK && !only_values)
            for (int32_t i = 0; i < c->ev->n; i++)
                c->open[i] &= c->take[i] ^ 1;
        return st;
    }
    close_rows(c, &v, only_values);
    return MP_OK;
}

static mp_status choose_case(choice *c) {
    const mp_node *nd = c->nd;
    bool is_switch = nd->op == MP_EX_SWITCH;
    mp_vec operand, cond;
    mp_status st = MP_OK;
    int32_t i = 0;
    if (is_switch) {
        take_open(c);
        st = mp_node_run(c->ev, nd->args[i++], c->take, &operand);
    }
    for (; st == MP_OK && i + 1 < nd->n_args; i += 2) {
        if (!take_open(c)) return MP_OK;
        st = mp_node_run(c->ev, nd->args[i], c->take, &cond);
        if (st == MP_OK && is_switch) {
            mp_vec v = cond;
            st = mp_ev_compare(c->ev, MP_EX_EQ, &operand, &v, &cond);
        }
        if (st == MP_OK && take_true(c, &cond)) st = take_value(c, nd->args[i + 1], false);
    }
    if (st == MP_OK && take_open(c)) st = take_value(c, nd->args[nd->n_args - 1], false);
    return st;
}

static mp_status choose_first(choice *c) {
    mp_status st = MP_OK;
    for (int32_t i = 0; st == MP_OK && i < c->nd->n_args && take_open(c); i++)
        st = take_value(c, c->nd->args[i], true);
    return st;
}

static mp_status rescale_arms(choice *c) {
    int to = 0;
    for (int32_t k = 0; k < c->n_arms; k++)
        if (mp_vec_scale(&c->value[k]) > to) to = mp_vec_scale(&c->value[k]);
    to = mp_node_scale(c->nd, to);
    mp_status st = MP_OK;
    for (int32_t k = 0; k < c->n_arms && st == MP_OK; k++) {
        for (int32_t i = 0; i < c->ev->n; i++)
            c->take[i] = c->arm[i] == k;
        st = mp_ev_rescale(c->ev, c->nd, c->take, &c->value[k], to);
    }
    return st;
}

/* The rows of one arm take its value: without branches, because which rows those are is anybody's
 * guess. */
#define PUT_ARM(T, from)                                                                           \
    do {                                                                                           \
        const T *restrict x = (from);                                                              \
        T *restrict r = data;                                                                      \
        const T same = x[0];                                                                       \
        for (int32_t i = 0; i < n; i++) {                                                          \
            const T mask = (T) - (T)(arm[i] == k);                                                 \
            r[i] = (T)((r[i] & ~mask) | ((one ? same : x[i]) & mask));                             \
        }                                                                                          \
    } while (0)

static void put_arm(const choice *c, int32_t k, void *data, uint8_t *restrict valid) {
    const mp_vec *v = &c->value[k];
    const int32_t *restrict arm = c->arm;
    const int32_t n = c->ev->n;
    const bool one = v->is_const;
    const uint8_t *ok = one ? NULL : v->c.valid;
    for (int32_t i = 0; i < n; i++)
        valid[i] |= (uint8_t)((arm[i] == k) & (ok ? ok[i] : 1));
    if (c->nd->type == MP_BOOL)
        PUT_ARM(uint8_t, v->c.b);
    else if (c->nd->type == MP_STRING)
        for (int32_t i = 0; i < n; i++) {
            if (arm[i] == k && valid[i]) ((mp_str *)data)[i] = v->c.str[mp_vec_at(v, i)];
        }
    else
        PUT_ARM(int64_t, v->c.i64); /* doubles move as their bits */
}

/* Many arms: each row fetches its own. */
static void gather_rows(const choice *c, void *data, uint8_t *valid) {
    int width = mp_type_width(c->nd->type);
    for (int32_t i = 0; i < c->ev->n; i++) {
        if (c->arm[i] < 0) continue;
        const mp_vec *v = &c->value[c->arm[i]];
        if (mp_vec_null(v, i)) continue;
        valid[i] = 1;
        const char *from = (const char *)v->c.p + mp_vec_at(v, i) * width;
        memcpy((char *)data + (int64_t)i * width, from, (size_t)width);
    }
}

static void gather(const choice *c, void *data, uint8_t *valid) {
    enum { FEW = 8 };
    size_t n = (size_t)c->ev->n;
    memset(data, 0, n * (size_t)mp_type_width(c->nd->type));
    memset(valid, 0, n);
    if (c->n_arms > FEW)
        gather_rows(c, data, valid);
    else
        for (int32_t k = 0; k < c->n_arms && n > 0; k++)
            put_arm(c, k, data, valid);
}

mp_status mp_run_choice(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    choice c;
    mp_status st = choice_init(&c, ev, nd, active);
    if (st == MP_OK) st = nd->op == MP_EX_COALESCE ? choose_first(&c) : choose_case(&c);
    if (st == MP_OK && nd->type == MP_DECIMAL) st = rescale_arms(&c);
    if (st != MP_OK) return st;
    if (nd->type == MP_NULL || c.n_arms == 0) {
        *out = mp_vec_null_const(nd->type);
        return MP_OK;
    }
    void *data = mp_ev_alloc(ev, (size_t)ev->n * (size_t)mp_type_width(nd->type));
    uint8_t *valid = mp_ev_alloc(ev, (size_t)ev->n);
    if (!data || !valid) return MP_NOMEM;
    gather(&c, data, valid);
    bool nulls = ev->n > 0 && memchr(valid, 0, (size_t)ev->n) != NULL;
    *out = (mp_vec){.c = {.type = nd->type, .valid = nulls ? valid : NULL, .p = data}};
    if (nd->type == MP_DECIMAL) out->c.scale = c.value[0].c.scale;
    return MP_OK;
}
