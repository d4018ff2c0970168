/* aggs.c - aggregates inside expressions: cut out as calls, named. */
#include "data/parse_num.h"
#include "data/print_num.h"
#include "expr/ast.h"

typedef struct {
    mp_arena *arena;
    mp_agg_call *calls;
    int *n_calls;
    int cap;
    mp_status status;
    mp_error *err;
} extraction;

static bool has_aggregate(const mp_expr *e) {
    if (e->op == MP_EX_AGG) return true;
    for (int32_t i = 0; i < e->n_args; i++)
        if (has_aggregate(e->args[i])) return true;
    return false;
}

static bool same_call(const mp_agg_call *a, const mp_agg_call *b) {
    if (a->fn != b->fn || a->k != b->k || a->q != b->q) return false;
    for (int i = 0; i < 2; i++) {
        if (!a->arg[i] != !b->arg[i]) return false;
        if (a->arg[i] && !mp_expr_equal(a->arg[i], b->arg[i])) return false;
    }
    return true;
}

static const mp_expr *refused(extraction *x, size_t n_bytes) {
    if (x->status == MP_OK) x->status = mp_mem_error(x->arena->mem, n_bytes, x->err);
    return NULL;
}

static const mp_expr *reference(extraction *x, const mp_expr *e, int place) {
    char name[16];
    int n = snprintf(name, sizeof name, "\x01%d", place);
    mp_expr *ref = mp_expr_make(x->arena, e->src, MP_EX_COLUMN, 0, e->begin, e->end);
    if (!ref) return refused(x, sizeof *ref);
    ref->name = mp_ex_copy(x->arena, name, (size_t)n);
    return ref->name.p ? ref : refused(x, (size_t)n);
}

static const mp_expr *take_call(extraction *x, const mp_expr *e, bool whole) {
    for (int32_t i = 0; i < e->n_args; i++) {
        if (!has_aggregate(e->args[i])) continue;
        x->status = mp_ex_error_at(x->err, e->src, "error", e->args[i]->begin,
                                   "an aggregate cannot stand inside another");
        return NULL;
    }
    if (!whole && (e->agg.fn == MP_AGG_TOP || e->agg.fn == MP_AGG_BOTTOM)) {
        x->status = mp_ex_error_at(x->err, e->src, "error", e->begin,
                                   "%s() gives several columns and stands alone", e->name.p);
        return NULL;
    }
    for (int i = 0; i < *x->n_calls; i++)
        if (same_call(&x->calls[i], &e->agg)) return reference(x, e, i);
    if (*x->n_calls >= x->cap) {
        x->status = mp_ex_error(x->err, e->src, "error", "more than %d aggregates", x->cap);
        return NULL;
    }
    x->calls[*x->n_calls] = e->agg;
    return reference(x, e, (*x->n_calls)++);
}

static const mp_expr *extract(extraction *x, const mp_expr *e, bool whole) {
    if (e->op == MP_EX_AGG) return take_call(x, e, whole);
    if (!has_aggregate(e)) return e;
    mp_expr *copy = mp_expr_make(x->arena, e->src, e->op, e->n_args, e->begin, e->end);
    if (!copy) return refused(x, sizeof *copy + (size_t)e->n_args * sizeof *copy->args);
    const mp_expr **args = copy->args;
    *copy = *e;
    copy->args = args;
    for (int32_t i = 0; i < e->n_args; i++) {
        args[i] = extract(x, e->args[i], false);
        if (!args[i]) return NULL;
    }
    return copy;
}

mp_status mp_expr_extract_aggs(const mp_expr *e, mp_arena *arena, mp_agg_call *calls, int *n_calls,
                               int cap, const mp_expr **out, mp_error *err) {
    extraction x = {.arena = arena, .calls = calls, .n_calls = n_calls, .cap = cap, .err = err};
    const mp_expr *r = extract(&x, e, true);
    if (!r) return x.status;
    *out = r;
    return MP_OK;
}

/* ---- columns outside ---- */

typedef struct {
    const char *const *keys;
    int n_keys;
    const char *stray;
} key_check;

static void check_column(void *ctx, const char *name, bool number_needed, bool typed) {
    (void)number_needed;
    (void)typed;
    key_check *c = ctx;
    if (c->stray || name[0] == '\x01') return;
    for (int i = 0; i < c->n_keys; i++)
        if (strcmp(c->keys[i], name) == 0) return;
    c->stray = name;
}

mp_status mp_expr_check_keys(const mp_expr *e, const char *const *keys, int n_keys, mp_error *err) {
    key_check c = {keys, n_keys, NULL};
    mp_expr_columns(e, false, false, check_column, &c);
    if (!c.stray) return MP_OK;
    mp_ex_error(err, e->src, "error", "column '%s' is neither a key nor inside an aggregate",
                c.stray);
    mp_error_hint(err, "aggregate it, for example first(%s), or add it to --by", c.stray);
    return MP_USAGE;
}

/* ---- names ---- */

/* The constant of quantile as its value prints: .9 and 0.90 are 0.9. */
static size_t print_constant(const mp_expr *c, char *out) {
    if (c->type == MP_INT64) return mp_print_int64(out, c->i64);
    if (c->type == MP_DECIMAL) return mp_print_decimal(out, c->i64, c->scale);
    return mp_print_double(out, c->f64);
}

const char *mp_expr_agg_name(const mp_expr *e, mp_arena *arena) {
    if (e->op != MP_EX_AGG) return NULL;
    size_t len = e->name.len;
    for (int i = 0; i < 2; i++) {
        const mp_expr *a = e->agg.arg[i];
        if (!a) continue;
        if (a->op != MP_EX_COLUMN) return NULL;
        len += 1 + a->name.len;
    }
    char *name = mp_arena_alloc(arena, len + MP_NUM_MAX + 2, 1);
    if (!name) return NULL;
    size_t n = e->name.len;
    memcpy(name, e->name.p, n);
    for (int i = 0; i < 2; i++) {
        const mp_expr *a = e->agg.arg[i];
        if (!a) continue;
        name[n++] = '_';
        memcpy(name + n, a->name.p, a->name.len);
        n += a->name.len;
    }
    if (e->agg.fn == MP_AGG_QUANTILE && !e->agg.is_median) {
        name[n++] = '_';
        n += print_constant(e->args[1], name + n);
    }
    name[n] = 0;
    return name;
}
