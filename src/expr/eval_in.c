/* eval_in.c - x in (...). A few items are compared one by one, column by column; many literals are
 * a set: integers sorted, doubles sorted, texts hashed. */
#include <stdlib.h>

#include "base/hash.h"
#include "expr/prog.h"

enum { SET_LEAST = 9 };

struct mp_inset {
    mp_type type; /* MP_STRING, MP_FLOAT64, MP_DECIMAL (ints, too), MP_DATE, MP_TIMESTAMP */
    bool has_null;
    int32_t n;
    mp_str *texts; /* slots; p NULL: free */
    uint32_t mask;
    double *doubles; /* sorted, NaN last */
    int64_t *values; /* sorted dates, timestamps, or mantissas at scale[i] */
    uint8_t *scales;
};

static int order_double(const void *a, const void *b) {
    return mp_double_cmp(*(const double *)a, *(const double *)b);
}

static int order_i64(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void put_text(mp_inset *s, mp_str t) {
    uint32_t k = (uint32_t)mp_hash_bytes(t.p, t.len) & s->mask;
    while (s->texts[k].p) {
        if (mp_str_eq(s->texts[k], t)) return;
        k = (k + 1) & s->mask;
    }
    s->texts[k] = t;
}

static bool has_text(const mp_inset *s, mp_str t) {
    uint32_t k = (uint32_t)mp_hash_bytes(t.len ? t.p : "", t.len) & s->mask;
    while (s->texts[k].p) {
        if (mp_str_eq(s->texts[k], t)) return true;
        k = (k + 1) & s->mask;
    }
    return false;
}

static bool fill_texts(mp_inset *s, mp_node *const *args, int32_t n_args, mp_arena *arena) {
    uint32_t slots = 32;
    while (slots < 2 * (uint32_t)n_args)
        slots *= 2;
    s->mask = slots - 1;
    s->texts = mp_arena_alloc(arena, slots * sizeof *s->texts, 16);
    if (!s->texts) return false;
    memset(s->texts, 0, slots * sizeof *s->texts);
    for (int32_t i = 1; i < n_args; i++)
        if (args[i]->type == MP_STRING) put_text(s, args[i]->cell.str);
    return true;
}

static double literal_double(const mp_node *nd) {
    if (nd->type == MP_FLOAT64) return nd->cell.f64;
    return mp_decimal_to_double(nd->cell.i64, nd->type == MP_DECIMAL ? nd->value.c.scale : 0);
}

static bool fill_numbers(mp_inset *s, mp_node *const *args, int32_t n_args, mp_arena *arena) {
    s->doubles = mp_arena_alloc(arena, (size_t)n_args * sizeof *s->doubles, 16);
    s->values = mp_arena_alloc(arena, (size_t)n_args * sizeof *s->values, 16);
    s->scales = mp_arena_alloc(arena, (size_t)n_args, 16);
    if (!s->doubles || !s->values || !s->scales) return false;
    bool plain = s->type == MP_DATE || s->type == MP_TIMESTAMP;
    for (int32_t i = 1; i < n_args; i++) {
        const mp_node *a = args[i];
        if (a->type == MP_NULL) continue;
        s->doubles[s->n] = plain ? 0 : literal_double(a);
        s->values[s->n] = a->cell.i64;
        s->scales[s->n++] = a->type == MP_DECIMAL ? a->value.c.scale : 0;
    }
    if (s->type == MP_FLOAT64) qsort(s->doubles, (size_t)s->n, sizeof *s->doubles, order_double);
    if (plain) qsort(s->values, (size_t)s->n, sizeof *s->values, order_i64);
    return true;
}

/* Which one type can all comparisons be made in? MP_NULL: no set, compare one by one. */
static mp_type set_type(mp_node *const *args, int32_t n_args) {
    mp_type t = args[0]->type == MP_INT64 ? MP_DECIMAL : args[0]->type;
    bool is_float = t == MP_FLOAT64;
    if (t == MP_BOOL || t == MP_NULL || n_args - 1 < SET_LEAST) return MP_NULL;
    for (int32_t i = 1; i < n_args; i++) {
        if (args[i]->op != MP_EX_LITERAL) return MP_NULL;
        mp_type a = args[i]->type;
        if (a == MP_NULL || a == t || (is_float && mp_type_is_number(a))) continue;
        if (t != MP_DECIMAL || a != MP_INT64) return MP_NULL;
    }
    return t;
}

mp_inset *mp_inset_new(mp_node *const *args, int32_t n_args, mp_arena *arena) {
    mp_inset *s = mp_arena_alloc(arena, sizeof *s, 16);
    if (!s) return NULL;
    *s = (mp_inset){.type = set_type(args, n_args)};
    for (int32_t i = 1; i < n_args; i++)
        s->has_null |= args[i]->type == MP_NULL;
    bool ok = s->type == MP_NULL     ? true
              : s->type == MP_STRING ? fill_texts(s, args, n_args, arena)
                                     : fill_numbers(s, args, n_args, arena);
    return ok ? s : NULL;
}

static bool has_i64(const int64_t *sorted, int32_t n, int64_t v) {
    int32_t lo = 0, hi = n;
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        if (sorted[mid] < v)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && sorted[lo] == v;
}

static bool has_double(const double *sorted, int32_t n, double v) {
    return n > 0 && bsearch(&v, sorted, (size_t)n, sizeof v, order_double) != NULL;
}

/* The items that exist at the column's scale, sorted; the others equal none of its values. */
static mp_status items_at_scale(mp_eval *ev, const mp_inset *s, int scale, int64_t **out,
                                int32_t *n) {
    int64_t *v = mp_ev_alloc(ev, (size_t)s->n * sizeof *v);
    if (!v) return MP_NOMEM;
    *n = 0;
    for (int32_t i = 0; i < s->n; i++)
        if (mp_decimal_rescale(s->values[i], s->scales[i], scale, &v[*n])) (*n)++;
    if (*n > 0) qsort(v, (size_t)*n, sizeof *v, order_i64);
    *out = v;
    return MP_OK;
}

static mp_status look_up(mp_eval *ev, const mp_inset *s, const mp_vec *x, uint8_t *r, int32_t n) {
    if (s->type == MP_STRING) {
        for (int32_t i = 0; i < n; i++)
            r[i] = has_text(s, x->c.str[i]);
        return MP_OK;
    }
    if (s->type == MP_FLOAT64) {
        for (int32_t i = 0; i < n; i++)
            r[i] = has_double(s->doubles, s->n, x->c.f64[i]);
        return MP_OK;
    }
    int64_t *items = s->values;
    int32_t n_items = s->n;
    if (s->type == MP_DECIMAL) {
        mp_status st = items_at_scale(ev, s, mp_vec_scale(x), &items, &n_items);
        if (st != MP_OK) return st;
    }
    for (int32_t i = 0; i < n; i++)
        r[i] = has_i64(items, n_items, x->c.i64[i]);
    return MP_OK;
}

static mp_status run_set(mp_eval *ev, const mp_inset *s, const mp_vec *x, mp_vec *out) {
    void *data;
    int32_t n;
    mp_status st = mp_ev_result(ev, MP_BOOL, x, 1, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    uint8_t *r = data;
    st = look_up(ev, s, x, r, n);
    if (st != MP_OK || !s->has_null) return st;
    uint8_t *valid = mp_ev_own_valid(ev, out, n); /* found is true, else null */
    if (!valid) return MP_NOMEM;
    for (int32_t i = 0; i < n; i++)
        valid[i] &= r[i];
    return MP_OK;
}

mp_status mp_run_in(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec x, item, hit, all;
    mp_status st = mp_node_run(ev, nd->args[0], active, &x);
    if (st != MP_OK) return st;
    if (nd->set && nd->set->type != MP_NULL) return run_set(ev, nd->set, &x, out);
    for (int32_t i = 1; i < nd->n_args && st == MP_OK; i++) {
        st = mp_node_run(ev, nd->args[i], active, &item);
        if (st == MP_OK) st = mp_ev_compare(ev, MP_EX_EQ, &x, &item, &hit);
        if (st != MP_OK) return st;
        if (i == 1) {
            *out = hit;
            continue;
        }
        all = *out;
        st = mp_ev_or(ev, &all, &hit, out);
    }
    return st;
}
