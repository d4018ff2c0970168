/* query_parse.c - the options of a query become items over source columns or over group results.
 * Invariant: after parsing no expression refers to a name of a step between. */
#include <stdio.h>
#include <stdlib.h>

#include "base/names.h"
#include "expr/substitute.h"
#include "plan/query.h"

enum { MAX_CALLS = 4096 };

typedef struct {
    const mp_spec *spec;
    const mp_table *t;
    mp_arena *arena;
    mp_query *q;
    const char **source; /* names of the table's columns, n_source of them */
    int n_selected;      /* --select: names that later steps see */
    mp_expr_name *selected;
    bool has_select;
    int cap_outputs;
    mp_names used; /* by outputs */
    mp_error *err;
} parser;

static void *take(parser *p, size_t n, size_t size) {
    void *m = mp_arena_alloc(p->arena, n * size + 1, 16);
    if (m)
        memset(m, 0, n * size + 1);
    else
        (void)!mp_mem_error(p->arena->mem, n * size, p->err);
    return m;
}

static const char *numbered(parser *p, char mark, int n) {
    char *s = take(p, 16, 1);
    if (s) snprintf(s, 16, "%c%d", mark, n);
    return s;
}

/* The name an item goes by. */
static const char *item_name(parser *p, const mp_expr_item *item) {
    if (item->name) return item->name;
    const char *column = mp_expr_column_name(item->expr);
    if (column) return column;
    const char *agg = mp_expr_agg_name(item->expr, p->arena);
    return agg ? agg : item->text;
}

/* A name that no output before has: "a", "a_2", "a_3". NULL: no memory. */
static const char *fresh_name(parser *p, const char *name) {
    if (mp_names_find(&p->used, name) < 0) return name;
    size_t n = strlen(name) + 16;
    char *tried = take(p, n, 1);
    for (int suffix = 2; tried; suffix++) {
        snprintf(tried, n, "%s_%d", name, suffix);
        if (mp_names_find(&p->used, tried) < 0) break;
    }
    return tried;
}

static mp_status add_output(parser *p, const char *name, const mp_expr *expr) {
    mp_query *q = p->q;
    if (q->n_outputs == p->cap_outputs) {
        int cap = p->cap_outputs ? 2 * p->cap_outputs : 64;
        mp_query_item *grown = take(p, (size_t)cap, sizeof *grown);
        if (!grown) return MP_NOMEM;
        if (q->n_outputs) memcpy(grown, q->outputs, (size_t)q->n_outputs * sizeof *grown);
        q->outputs = grown;
        p->cap_outputs = cap;
    }
    const char *fresh = fresh_name(p, name);
    if (!fresh) return MP_NOMEM;
    if (!mp_names_add(&p->used, fresh, q->n_outputs))
        return mp_mem_error(p->arena->mem, 64, p->err);
    q->outputs[q->n_outputs++] = (mp_query_item){fresh, expr};
    return MP_OK;
}

/* ---- select ---- */

static mp_status name_source(parser *p) {
    int n = mp_table_n_source(p->t);
    p->source = take(p, (size_t)n, sizeof *p->source);
    for (int i = 0; p->source && i < n; i++)
        p->source[i] = mp_table_source_name(p->t, i);
    return p->source ? MP_OK : MP_NOMEM;
}

/* Here every column can still be suggested; a plan knows only those in use. */
static mp_status check_columns(parser *p, const mp_expr *e) {
    return mp_expr_check_names(e, p->source, mp_table_n_source(p->t), p->err);
}

/* --select, or every column: names and expressions over source columns. */
static mp_status parse_select(parser *p) {
    const char *text = p->spec->query.select;
    mp_expr_item star = {0}, *items = &star;
    int n = 1;
    p->has_select = text != NULL;
    if (text) {
        mp_status st =
            mp_expr_parse_list("--select", text, MP_LIST_SELECT, p->arena, &items, &n, p->err);
        for (int i = 0; i < n && !st; i++)
            if (items[i].expr) st = check_columns(p, items[i].expr);
        if (st) return st;
    }
    int source = mp_table_n_source(p->t), total = 0;
    for (int i = 0; i < n; i++)
        total += items[i].expr ? 1 : source;
    p->selected = take(p, (size_t)total, sizeof *p->selected);
    if (!p->selected) return MP_NOMEM;
    bool gives_all = !p->spec->query.by && !p->spec->query.agg;
    for (int i = 0; i < n; i++) {
        p->q->all_columns = p->q->all_columns || (gives_all && !items[i].expr);
        if (items[i].expr) {
            p->selected[p->n_selected++] = (mp_expr_name){item_name(p, &items[i]), items[i].expr};
            continue;
        }
        for (int c = 0; c < source; c++) {
            mp_expr_name *s = &p->selected[p->n_selected++];
            s->name = mp_table_source_name(p->t, c);
            mp_status st = mp_expr_column(s->name, p->arena, &s->expr, p->err);
            if (st) return st;
        }
    }
    return MP_OK;
}

/* Replace selected names. Without --select all source names are themselves. */
static mp_status over_source(parser *p, const mp_expr *e, bool strict, const mp_expr **out) {
    *out = e;
    if (!p->has_select) return check_columns(p, e);
    mp_status st = mp_expr_substitute(e, p->selected, p->n_selected, strict, p->arena, out, p->err);
    return st || strict ? st : check_columns(p, *out);
}

/* ---- group ---- */

/* A column that exists, but not behind the grouping. */
typedef struct {
    const parser *p;
    const mp_expr_name *names;
    int n;
    const char *stray;
} stray_search;

static void find_stray(void *ctx, const char *name, bool number_needed, bool typed) {
    (void)number_needed, (void)typed;
    stray_search *s = ctx;
    bool exists = false;
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->names[i].name, name) == 0) return;
    for (int i = 0; i < s->p->n_selected && !exists; i++)
        exists = strcmp(s->p->selected[i].name, name) == 0;
    if (exists && !s->stray) s->stray = name;
}

static mp_status check_stray(const parser *p, const mp_expr *e, const mp_expr_name *names, int n) {
    stray_search s = {p, names, n, NULL};
    mp_expr_columns(e, false, false, find_stray, &s);
    if (!s.stray || p->q->n_keys + p->q->n_calls == 0) return MP_OK;
    return mp_expr_check_keys(e, &s.stray, 0, p->err);
}

/* Aggregates out of e, then output names and key names replaced by group results. */
static mp_status over_results(parser *p, const mp_expr *e, const mp_expr_name *names, int n,
                              const mp_expr **out) {
    const mp_expr *rest = NULL;
    mp_status st =
        mp_expr_extract_aggs(e, p->arena, p->q->calls, &p->q->n_calls, MAX_CALLS, &rest, p->err);
    if (!st) st = check_stray(p, rest, names, n);
    if (st) return st;
    return mp_expr_substitute(rest, names, n, true, p->arena, out, p->err);
}

static mp_status add_key(parser *p, const char *name, const mp_expr *over_selected) {
    mp_query *q = p->q;
    mp_query_item *k = &q->keys[q->n_keys];
    k->name = name;
    mp_status st = over_source(p, over_selected, true, &k->expr);
    const char *mark = numbered(p, '\x03', q->n_keys);
    const mp_expr *ref = NULL;
    if (!st && !mark) st = MP_NOMEM;
    if (!st) st = mp_expr_column(mark, p->arena, &ref, p->err);
    if (st) return st;
    q->n_keys++;
    return add_output(p, name, ref);
}

/* Names that --having and --sort see: the outputs so far. */
static mp_expr_name *output_names(parser *p) {
    mp_expr_name *names = take(p, (size_t)p->q->n_outputs, sizeof *names);
    for (int i = 0; names && i < p->q->n_outputs; i++)
        names[i] = (mp_expr_name){p->q->outputs[i].name, p->q->outputs[i].expr};
    return names;
}

/* One item of --agg: one output, or k of them (top, bottom). */
static mp_status add_agg(parser *p, const mp_expr_item *item, const mp_expr_name *keys) {
    const mp_expr *expr = NULL;
    mp_status st = over_results(p, item->expr, keys, p->q->n_keys, &expr);
    if (st) return st;
    const char *name = item_name(p, item), *column = mp_expr_column_name(expr);
    int call = column && column[0] == '\x01' ? (int)strtol(column + 1, NULL, 10) : -1;
    bool many =
        call >= 0 && (p->q->calls[call].fn == MP_AGG_TOP || p->q->calls[call].fn == MP_AGG_BOTTOM);
    if (!many) return add_output(p, name, expr);
    for (int j = 0; j < p->q->calls[call].k; j++) {
        size_t n = strlen(name) + 24;
        char *numbered_name = take(p, n, 1), *ref_name = take(p, 32, 1);
        if (!numbered_name || !ref_name) return MP_NOMEM;
        snprintf(numbered_name, n, "%s_%d", name, j + 1);
        snprintf(ref_name, 32, "\x01%d.%d", call, j);
        const mp_expr *ref = NULL;
        st = mp_expr_column(ref_name, p->arena, &ref, p->err);
        if (!st) st = add_output(p, numbered_name, ref);
        if (st) return st;
    }
    return MP_OK;
}

static mp_status parse_group(parser *p) {
    const mp_query_spec *spec = &p->spec->query;
    mp_query *q = p->q;
    mp_expr_item *keys = NULL, *aggs = NULL;
    int n_keys = 0, n_aggs = 0;
    mp_status st = MP_OK;
    if (spec->by)
        st = mp_expr_parse_list("--by", spec->by, MP_LIST_KEYS, p->arena, &keys, &n_keys, p->err);
    if (!st && spec->agg)
        st = mp_expr_parse_list("--agg", spec->agg, MP_LIST_AGG, p->arena, &aggs, &n_aggs, p->err);
    if (st) return st;
    bool distinct = !spec->by && !spec->agg;
    int max_keys = distinct ? p->n_selected : n_keys;
    q->keys = take(p, (size_t)max_keys, sizeof *q->keys);
    q->calls = take(p, MAX_CALLS, sizeof *q->calls);
    if (!q->keys || !q->calls) return MP_NOMEM;
    for (int i = 0; i < n_keys && !st; i++)
        st = add_key(p, item_name(p, &keys[i]), keys[i].expr);
    for (int i = 0; distinct && i < p->n_selected && !st; i++) {
        const mp_expr *ref = NULL;
        st = mp_expr_column(p->selected[i].name, p->arena, &ref, p->err);
        if (!st)
            st = p->has_select ? add_key(p, p->selected[i].name, ref)
                               : add_key(p, p->selected[i].name, p->selected[i].expr);
    }
    mp_expr_name *key_names = st ? NULL : output_names(p);
    if (!st && !key_names) return MP_NOMEM;
    for (int i = 0; i < n_aggs && !st; i++)
        st = add_agg(p, &aggs[i], key_names);
    return st;
}

static mp_status parse_having(parser *p) {
    const char *text = p->spec->query.having;
    if (!text) return MP_OK;
    const mp_expr *e = NULL;
    mp_expr_name *names = output_names(p);
    if (!names) return MP_NOMEM;
    mp_status st = mp_expr_parse("--having", text, true, p->arena, &e, p->err);
    return st ? st : over_results(p, e, names, p->q->n_outputs, &p->q->having);
}

/* ---- sort ---- */

static mp_status parse_sort(parser *p) {
    mp_query *q = p->q;
    if (!p->spec->query.sort) return MP_OK;
    mp_expr_item *items = NULL;
    int n = 0;
    mp_status st = mp_expr_parse_list("--sort", p->spec->query.sort, MP_LIST_SORT, p->arena, &items,
                                      &n, p->err);
    if (st) return st;
    q->sort = take(p, (size_t)n, sizeof *q->sort);
    q->descending = take(p, (size_t)n, sizeof *q->descending);
    mp_expr_name *names = output_names(p);
    if (!q->sort || !q->descending || !names) return MP_NOMEM;
    for (int i = 0; i < n && !st; i++) {
        q->sort[i].name = items[i].text;
        q->descending[i] = items[i].descending;
        st = q->grouped ? over_results(p, items[i].expr, names, q->n_outputs, &q->sort[i].expr)
                        : over_source(p, items[i].expr, false, &q->sort[i].expr);
    }
    q->n_sort = n;
    return st;
}

/* The arguments of the aggregates over source columns. */
static mp_status resolve_arguments(parser *p) {
    for (int i = 0; i < p->q->n_calls; i++)
        for (int k = 0; k < 2; k++) {
            const mp_expr **arg = &p->q->calls[i].arg[k];
            mp_status st = *arg ? over_source(p, *arg, true, arg) : MP_OK;
            if (st) return st;
        }
    return MP_OK;
}

mp_status mp_query_parse(const mp_spec *spec, const mp_table *t, bool typed_output, mp_arena *arena,
                         mp_query *out, mp_error *err) {
    const mp_query_spec *s = &spec->query;
    *out = (mp_query){.offset_rows = s->offset_rows,
                      .limit_rows = s->limit_rows,
                      .typed_output = typed_output,
                      .grouped = s->by || s->agg || s->distinct};
    parser p = {.spec = spec, .t = t, .arena = arena, .q = out, .err = err};
    mp_names_init(&p.used, arena);
    if (s->having && !s->by && !s->agg) {
        mp_error_set(err, MP_USAGE, NULL, "--having needs --by or --agg");
        mp_error_hint(err, "--where filters rows");
        return MP_USAGE;
    }
    mp_status st = name_source(&p);
    if (!st && s->where) st = mp_expr_parse("--where", s->where, false, arena, &out->where, err);
    if (!st && s->where) st = check_columns(&p, out->where);
    if (!st) st = parse_select(&p);
    if (!st && out->grouped) st = parse_group(&p);
    for (int i = 0; !out->grouped && i < p.n_selected && !st; i++)
        st = add_output(&p, p.selected[i].name, p.selected[i].expr);
    if (!st) st = parse_having(&p);
    if (!st) st = parse_sort(&p);
    if (!st) st = resolve_arguments(&p);
    return st;
}
