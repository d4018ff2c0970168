/* eval.c - carrying out a program on a batch: columns and constants in, one full column or a
 * selection out. */
#include <stdarg.h>

#include "expr/prog.h"

void *mp_ev_alloc(mp_eval *ev, size_t n_bytes) {
    void *p = mp_arena_alloc(ev->arena, n_bytes ? n_bytes : 1, 64);
    if (!p) mp_mem_error(ev->arena->mem, n_bytes, ev->err);
    return p;
}

mp_vec mp_vec_null_const(mp_type type) {
    static const uint8_t invalid[1] = {0};
    static const mp_str nothing[1] = {{"", 0, 0}};
    mp_vec v = {.c = {.type = type, .valid = invalid, .p = nothing}, .is_const = true};
    return v;
}

bool mp_ev_counts(const mp_eval *ev, const uint8_t *active, bool is_const, int32_t i,
                  int32_t *row) {
    if (!is_const) {
        *row = i;
        return !active || active[i];
    }
    for (int32_t k = 0; k < ev->n; k++) {
        if (active && !active[k]) continue;
        *row = k;
        return true;
    }
    return false;
}

mp_status mp_ev_fail(mp_eval *ev, int32_t row, const char *why_fmt, ...) {
    char why[512];
    va_list args;
    va_start(args, why_fmt);
    vsnprintf(why, sizeof why, why_fmt, args);
    va_end(args);
    if (ev->bad_row < 0 || row < ev->bad_row) ev->bad_row = row;
    return mp_error_set(ev->err, MP_DATA, NULL, "%s", why);
}

mp_status mp_ev_overflow(mp_eval *ev, const mp_node *nd, int32_t row) {
    char text[120], arg[80];
    const mp_expr *first = nd->e;
    for (int32_t i = nd->n_args - 1; i >= 0; i--) { /* a number; of a choice, no condition */
        const mp_node *a = nd->args[i];
        bool better = a->op != MP_EX_LITERAL || first == nd->e;
        if (mp_type_is_number(a->type) && better) first = a->e;
    }
    mp_ev_fail(ev, row, "%s overflow in '%s'", nd->type == MP_DECIMAL ? "decimal" : "integer",
               mp_expr_text(nd->e, text, sizeof text));
    mp_error_hint(ev->err, "float(%s) computes in floating point",
                  mp_expr_text(first, arg, sizeof arg));
    return MP_DATA;
}

mp_status mp_ev_args(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *v) {
    for (int32_t i = 0; i < nd->n_args; i++) {
        mp_status st = mp_node_run(ev, nd->args[i], active, &v[i]);
        if (st != MP_OK) return st;
    }
    return MP_OK;
}

/* *out: NULL (no nulls), an argument's own bytes, or new ones. */
static mp_status merge_valid(mp_eval *ev, const mp_vec *v, int n_args, int32_t n,
                             const uint8_t **out) {
    const uint8_t *have = NULL;
    uint8_t *own = NULL;
    for (int k = 0; k < n_args; k++) {
        const uint8_t *a = v[k].c.valid;
        if (!a || (v[k].is_const && n_args > 1))
            continue; /* a null constant was dealt with before */
        if (!have) {
            have = a;
            continue;
        }
        if (!own) {
            own = mp_ev_alloc(ev, (size_t)n);
            if (!own) return MP_NOMEM;
            memcpy(own, have, (size_t)n);
            have = own;
        }
        for (int32_t i = 0; i < n; i++)
            own[i] &= a[i];
    }
    *out = have;
    return MP_OK;
}

mp_status mp_ev_result(mp_eval *ev, mp_type type, const mp_vec *v, int n_args, mp_vec *out,
                       void **data, int32_t *n) {
    bool is_const = true;
    for (int k = 0; k < n_args; k++) {
        if (mp_vec_all_null(&v[k])) {
            *out = mp_vec_null_const(type);
            *n = 0;
            return MP_OK;
        }
        is_const &= v[k].is_const;
    }
    *n = is_const ? 1 : ev->n;
    *out = (mp_vec){.c = {.type = type}, .is_const = is_const};
    if (!is_const) {
        mp_status st = merge_valid(ev, v, n_args, *n, &out->c.valid);
        if (st != MP_OK) return st;
    }
    *data = mp_ev_alloc(ev, (size_t)*n * (size_t)mp_type_width(type));
    out->c.p = *data;
    return *data ? MP_OK : MP_NOMEM;
}

uint8_t *mp_ev_own_valid(mp_eval *ev, mp_vec *out, int32_t n) {
    uint8_t *own = mp_ev_alloc(ev, (size_t)n);
    if (!own) return NULL;
    if (out->c.valid)
        memcpy(own, out->c.valid, (size_t)n);
    else
        memset(own, 1, (size_t)n);
    out->c.valid = own;
    return own;
}

mp_status mp_ev_rescale(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *v, int to) {
    int from = mp_vec_scale(v);
    if (mp_vec_all_null(v)) return MP_OK;
    bool was_null_free = !v->c.valid;
    const int64_t *in = v->c.i64;
    if (to > MP_SCALE_MAX) return mp_error_set(ev->err, MP_FAILED, NULL, "scale %d", to);
    v->c.type = MP_DECIMAL;
    if (to <= from) return MP_OK;
    v->c.scale = (uint8_t)to;
    int32_t n = v->is_const ? 1 : ev->n;
    int64_t *out = mp_ev_alloc(ev, (size_t)n * sizeof *out);
    if (!out) return MP_NOMEM;
    const int64_t p = mp_pow10_i64[to - from], limit = INT64_MAX / p;
    bool bad = false;
    for (int32_t i = 0; i < n; i++) {
        bad |= in[i] > limit || in[i] < -limit;
        out[i] = (int64_t)((uint64_t)in[i] * (uint64_t)p);
    }
    v->c.i64 = out;
    for (int32_t i = 0; bad && i < n; i++) {
        int32_t row;
        if ((in[i] <= limit && in[i] >= -limit) || (!was_null_free && !v->c.valid[i])) continue;
        if (mp_ev_counts(ev, active, v->is_const, i, &row)) return mp_ev_overflow(ev, nd, row);
    }
    return MP_OK;
}

mp_status mp_ev_doubles(mp_eval *ev, mp_vec *v) {
    if (v->c.type == MP_FLOAT64) return MP_OK;
    int scale = mp_vec_scale(v);
    bool is_bool = v->c.type == MP_BOOL;
    v->c.type = MP_FLOAT64;
    if (mp_vec_all_null(v)) return MP_OK;
    int32_t n = v->is_const ? 1 : ev->n;
    double *out = mp_ev_alloc(ev, (size_t)n * sizeof *out);
    if (!out) return MP_NOMEM;
    if (is_bool)
        for (int32_t i = 0; i < n; i++)
            out[i] = v->c.b[i] ? 1.0 : 0.0;
    else if (scale == 0)
        for (int32_t i = 0; i < n; i++)
            out[i] = (double)v->c.i64[i];
    else
        for (int32_t i = 0; i < n; i++)
            out[i] = mp_decimal_to_double(v->c.i64[i], scale);
    v->c.scale = 0;
    v->c.f64 = out;
    return MP_OK;
}

/* ---- leaves ---- */

mp_status mp_run_literal(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    (void)ev;
    (void)active;
    *out = nd->value;
    return MP_OK;
}

mp_status mp_run_column(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    (void)active;
    const mp_col *c = &ev->in->cols[nd->col];
    if (nd->type == MP_NULL || c->type == MP_NULL) {
        *out = mp_vec_null_const(nd->type);
        return MP_OK;
    }
    if (c->type != nd->type)
        return mp_error_set(ev->err, MP_FAILED, NULL, "column '%s' is %s, not %s as planned",
                            nd->e->name.p, mp_type_name(c->type), mp_type_name(nd->type));
    *out = (mp_vec){.c = *c};
    return MP_OK;
}

/* ---- the whole ---- */

static mp_status expand_null(mp_eval *ev, mp_type type, mp_col *out) {
    size_t n = (size_t)ev->n;
    uint8_t *valid = mp_ev_alloc(ev, n);
    void *data = mp_ev_alloc(ev, n * sizeof(mp_str));
    if (!valid || !data) return MP_NOMEM;
    memset(valid, 0, n);
    memset(data, 0, n * sizeof(mp_str));
    *out = (mp_col){.type = type, .valid = valid, .p = data};
    return MP_OK;
}

static mp_status expand(mp_eval *ev, const mp_vec *v, mp_type type, mp_col *out) {
    if (mp_vec_all_null(v)) return expand_null(ev, type, out);
    *out = v->c;
    if (!v->is_const) return MP_OK;
    size_t n = (size_t)ev->n;
    void *data = mp_ev_alloc(ev, n * (size_t)mp_type_width(type));
    if (!data) return MP_NOMEM;
    if (type == MP_BOOL)
        memset(data, v->c.b[0], n);
    else if (type == MP_STRING)
        for (size_t i = 0; i < n; i++)
            ((mp_str *)data)[i] = v->c.str[0];
    else
        for (size_t i = 0; i < n; i++)
            memcpy((int64_t *)data + i, v->c.i64, 8);
    out->valid = NULL;
    out->p = data;
    return MP_OK;
}

static mp_status run(mp_prog *p, mp_eval *ev, mp_vec *v) {
    if (ev->in->n_cols < p->n_cols)
        return mp_error_set(ev->err, MP_FAILED, NULL, "a batch of %d columns where %d are planned",
                            ev->in->n_cols, p->n_cols);
    return mp_node_run(ev, p->root, NULL, v);
}

mp_status mp_prog_eval(mp_prog *p, const mp_batch *in, mp_arena *arena, mp_col *out,
                       int32_t *bad_row, mp_error *err) {
    mp_eval ev = {.in = in, .arena = arena, .n = in->n_rows, .bad_row = -1, .err = err};
    mp_vec v;
    mp_status st = run(p, &ev, &v);
    if (st == MP_OK) st = expand(&ev, &v, p->root->type, out);
    if (st == MP_OK) {
        out->type = p->root->type;
        out->ts_sep = p->root->ts_sep;
    }
    *bad_row = ev.bad_row;
    return st;
}

/* Eight rows at a time while they agree. */
static int32_t select_rows(const uint8_t *keep, int32_t n, uint32_t *sel) {
    int32_t k = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t w;
        memcpy(&w, keep + i, 8);
        if (w == 0) continue;
        for (int32_t j = 0; j < 8; j++) {
            sel[k] = (uint32_t)(i + j);
            k += keep[i + j];
        }
    }
    for (; i < n; i++)
        if (keep[i]) sel[k++] = (uint32_t)i;
    return k;
}

mp_status mp_prog_select(mp_prog *p, const mp_batch *in, mp_arena *arena, uint32_t *sel,
                         int32_t *n_sel, int32_t *bad_row, mp_error *err) {
    mp_eval ev = {.in = in, .arena = arena, .n = in->n_rows, .bad_row = -1, .err = err};
    mp_vec v;
    *bad_row = -1;
    mp_status st = mp_prog_need_bool(p, err);
    if (st == MP_OK) st = run(p, &ev, &v);
    *bad_row = ev.bad_row;
    if (st != MP_OK) return st;
    if (mp_vec_all_null(&v) || (v.is_const && !v.c.b[0])) {
        *n_sel = 0;
        return MP_OK;
    }
    if (v.is_const) {
        for (int32_t i = 0; i < ev.n; i++)
            sel[i] = (uint32_t)i;
        *n_sel = ev.n;
        return MP_OK;
    }
    const uint8_t *keep = v.c.b;
    if (v.c.valid) {
        uint8_t *both = mp_ev_alloc(&ev, (size_t)ev.n);
        if (!both) return MP_NOMEM;
        for (int32_t i = 0; i < ev.n; i++)
            both[i] = keep[i] & v.c.valid[i];
        keep = both;
    }
    *n_sel = select_rows(keep, ev.n, sel);
    return MP_OK;
}
