/* substitute.c - expressions over the names of one step become expressions over the names of the
 * step before.
 * Invariant: the trees given are shared, never changed. */
#include "expr/substitute.h"
#include "expr/ast.h"

typedef struct {
    const mp_expr_name *names;
    int n;
    bool strict;
    mp_arena *arena;
    mp_error *err;
} scope;

static mp_status unknown(const scope *s, const mp_expr *e) {
    mp_status st = mp_ex_error(s->err, e->src, "error", "no column '%s'", e->name.p);
    const char **names = mp_arena_alloc(s->arena, (size_t)s->n * sizeof *names + 1, 16);
    if (!names) return st;
    for (int i = 0; i < s->n; i++)
        names[i] = s->names[i].name;
    mp_error_hint_names(s->err, e->name.p, names, s->n);
    return st;
}

static mp_status replace(const scope *s, const mp_expr *e, const mp_expr **out) {
    *out = e;
    if (e->op == MP_EX_COLUMN) {
        for (int i = 0; i < s->n; i++)
            if (strcmp(s->names[i].name, e->name.p) == 0) {
                *out = s->names[i].expr;
                return MP_OK;
            }
        bool aggregate = e->name.p[0] == '\x01'; /* see mp_expr_extract_aggs */
        return s->strict && !aggregate ? unknown(s, e) : MP_OK;
    }
    if (e->n_args == 0) return MP_OK;
    mp_expr *copy = mp_arena_alloc(s->arena, sizeof *copy, 16);
    const mp_expr **args = mp_arena_alloc(s->arena, (size_t)e->n_args * sizeof *args, 16);
    if (!copy || !args) return mp_mem_error(s->arena->mem, sizeof *copy, s->err);
    bool same = true;
    uint16_t height = 0;
    for (int i = 0; i < e->n_args; i++) {
        mp_status st = replace(s, e->args[i], &args[i]);
        if (st) return st;
        same = same && args[i] == e->args[i];
        if (args[i]->height > height) height = args[i]->height;
    }
    if (same) return MP_OK;
    if (height >= MP_EXPR_DEPTH)
        return mp_error_set(s->err, MP_USAGE, NULL, "expressions are nested too deeply");
    *copy = *e;
    copy->args = args;
    copy->height = (uint16_t)(height + 1);
    for (int k = 0; e->op == MP_EX_AGG && k < 2; k++)
        for (int i = 0; i < e->n_args; i++)
            if (e->agg.arg[k] && e->agg.arg[k] == e->args[i]) copy->agg.arg[k] = args[i];
    *out = copy;
    return MP_OK;
}

mp_status mp_expr_substitute(const mp_expr *e, const mp_expr_name *names, int n, bool strict,
                             mp_arena *arena, const mp_expr **out, mp_error *err) {
    scope s = {.names = names, .n = n, .strict = strict, .arena = arena, .err = err};
    return replace(&s, e, out);
}

mp_status mp_expr_column(const char *name, mp_arena *arena, const mp_expr **out, mp_error *err) {
    mp_ex_source *src = mp_arena_alloc(arena, sizeof *src, 16);
    if (!src) return mp_mem_error(arena->mem, sizeof *src, err);
    size_t len = strlen(name);
    *src = (mp_ex_source){.option = "--select", .text = name, .len = (uint32_t)len};
    mp_expr *e = mp_expr_make(arena, src, MP_EX_COLUMN, 0, 0, (uint32_t)len);
    if (!e) return mp_mem_error(arena->mem, sizeof *e, err);
    e->name = mp_str_of(name, len);
    *out = e;
    return MP_OK;
}

mp_status mp_expr_check_names(const mp_expr *e, const char *const *names, int n, mp_error *err) {
    if (e->op == MP_EX_COLUMN) {
        for (int i = 0; i < n; i++)
            if (strcmp(names[i], e->name.p) == 0) return MP_OK;
        mp_status st = mp_ex_error(err, e->src, "error", "no column '%s'", e->name.p);
        mp_error_hint_names(err, e->name.p, names, n);
        return st;
    }
    for (int32_t i = 0; i < e->n_args; i++) {
        mp_status st = mp_expr_check_names(e->args[i], names, n, err);
        if (st) return st;
    }
    return MP_OK;
}
