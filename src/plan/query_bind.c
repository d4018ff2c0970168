/* query_bind.c - a parsed query and the types of a pass become a plan: which columns are read how,
 * what is computed.
 * Invariant: a column whose value is only passed through is read as text and has
 * no type; one that an expression looks at is read typed; one that is both is read both ways. */
#include <stdio.h>

#include "base/names.h"
#include "plan/query.h"
#include "plan/table_h5.h"

/* How one source column is used. */
typedef struct {
    bool in_filter, in_values; /* by expressions */
    bool typed, number;
    bool direct; /* passed through as it is */
    bool twin;   /* its text stands beside its value */
    int text_at; /* place in the batch behind the filter, -1 */
} usage;

typedef struct {
    const mp_query *q;
    const mp_table *t;
    const mp_evidence *seen;
    mp_arena *arena;
    mp_scan_plan *plan;
    usage *use;
    int n_source, n_after; /* columns; wanted ones behind the filter so far */
    mp_names places;       /* of the source columns */
    bool filtering;        /* which of the two walks */
    mp_error *err;
} binder;

static void *take(mp_arena *arena, size_t n, size_t size, mp_error *err) {
    void *m = mp_arena_alloc(arena, n * size + 1, 16);
    if (m)
        memset(m, 0, n * size + 1);
    else
        (void)!mp_mem_error(arena->mem, n * size, err);
    return m;
}

static void note_column(void *ctx, const char *name, bool number, bool typed) {
    binder *b = ctx;
    int c = mp_names_find(&b->places, name);
    if (c < 0) return; /* the binding of the expression says so */
    usage *u = &b->use[c];
    if (b->filtering)
        u->in_filter = true;
    else
        u->in_values = true;
    u->typed = u->typed || typed;
    u->number = u->number || number;
}

static mp_type fixed_type(const binder *b, int c) {
    return c < b->t->n_columns ? b->t->fixed[c] : MP_STRING;
}

/* ---- what every value asks for ---- */

static bool agg_needs_number(mp_agg_fn fn) {
    switch (fn) {
    case MP_AGG_SUM:
    case MP_AGG_MEAN:
    case MP_AGG_VAR:
    case MP_AGG_STD:
    case MP_AGG_QUANTILE:
    case MP_AGG_CORR:
        return true;
    default:
        return false;
    }
}

/* Keys as they stand in the text would not be read the same where numbers or dates have a form of
 * their own, or where a text that looks like a number is none. */
static bool keys_typed(const binder *b) {
    const mp_csv_dialect *d = &b->t->dialect;
    bool marks = d->decimal_comma || d->thousands || d->date_format;
    return marks || mp_table_has(b->t, MP_READ_NDJSON);
}

/* A plain column that may go through as text: an output or a key whose type nobody asks for. */
static int direct_column(const binder *b, const mp_expr *e, bool typed) {
    const char *name = mp_expr_column_name(e);
    int c = name ? mp_names_find(&b->places, name) : -1;
    if (c < 0 || typed) return -1;
    mp_type fixed = fixed_type(b, c);
    return fixed == MP_TYPE_COUNT || fixed == MP_STRING ? c : -1;
}

static void note_value(binder *b, const mp_expr *e, bool number, bool typed) {
    int c = direct_column(b, e, typed);
    if (c >= 0)
        b->use[c].direct = true;
    else
        mp_expr_columns(e, number, true, note_column, b);
}

static void note_all(binder *b) {
    const mp_query *q = b->q;
    if (q->where) {
        b->filtering = true;
        mp_expr_columns(q->where, false, true, note_column, b);
        b->filtering = false;
    }
    for (int i = 0; i < q->n_keys; i++)
        note_value(b, q->keys[i].expr, false, keys_typed(b));
    for (int i = 0; i < q->n_calls; i++)
        for (int k = 0; k < 2; k++) {
            const mp_agg_call *call = &q->calls[i];
            if (call->arg[k])
                note_value(b, call->arg[k], agg_needs_number(call->fn),
                           call->fn != MP_AGG_COUNT_VALUES);
        }
    if (q->grouped) return;
    for (int i = 0; i < q->n_outputs; i++)
        note_value(b, q->outputs[i].expr, false, q->typed_output);
    for (int i = 0; i < q->n_sort; i++)
        note_value(b, q->sort[i].expr, false, true);
}

/* ---- wanted columns ---- */

/* The type a column is read as: chosen by the user, or the least that holds what was seen. Where a
 * number is needed, text stays out of it: the scan finds it and names the row. */
static mp_type read_type(const binder *b, int c, bool *need_number) {
    mp_type fixed = fixed_type(b, c);
    *need_number = false;
    if (fixed != MP_TYPE_COUNT) return fixed;
    mp_evidence e = b->seen[c];
    mp_type type = mp_evidence_type(e);
    bool open = type == MP_NULL || type == MP_BOOL || type == MP_DATE || type == MP_TIMESTAMP;
    if (!b->use[c].number || open) return type;
    *need_number = true;
    if (type != MP_STRING) return type;
    e.seen &= MP_SEEN_INT | MP_SEEN_DECIMAL | MP_SEEN_FLOAT;
    type = mp_evidence_type(e);
    return type == MP_NULL ? MP_INT64 : type;
}

static uint8_t separator(mp_evidence e) {
    return e.seen & MP_SEEN_TS_T ? 'T' : ' ';
}

static void want(binder *b, int c, mp_csv_use use, mp_type type, bool need_number, bool in_filter,
                 bool after) {
    mp_csv_column *w = &b->plan->wanted[b->plan->n_wanted++];
    *w = (mp_csv_column){.c = c,
                         .use = use,
                         .type = type,
                         .fixed = fixed_type(b, c) != MP_TYPE_COUNT,
                         .need_number = need_number,
                         .in_filter = in_filter,
                         .after_filter = after,
                         .name = mp_table_source_name(b->t, c)};
    b->n_after += after;
}

static void want_column(binder *b, int c) {
    usage *u = &b->use[c];
    bool need_number = false, checked = fixed_type(b, c) < MP_STRING && !b->t->typed;
    mp_type type = read_type(b, c, &need_number);
    bool in_expr = u->in_filter || u->in_values;
    bool typed = u->typed || b->t->typed; /* nothing is gained by the text of an HDF5 value */
    bool as_typed = checked || (in_expr && typed && fixed_type(b, c) != MP_STRING);
    u->text_at = -1;
    if (in_expr || checked) {
        bool in_filter = u->in_filter || (checked && b->q->where);
        bool after = u->in_values || (!as_typed && u->direct) || (checked && !b->q->where);
        u->twin = as_typed;
        if (!as_typed && after) u->text_at = b->n_after;
        want(b, c, as_typed ? MP_CSV_TYPED : MP_CSV_TEXT, as_typed ? type : MP_STRING,
             as_typed && need_number, in_filter, after);
    }
    if (u->direct && u->text_at < 0) {
        u->text_at = b->n_after;
        want(b, c, MP_CSV_TEXT, MP_STRING, false, false, true);
        b->plan->wanted[b->plan->n_wanted - 1].fixed = false;
    }
}

static mp_status index_schema(mp_schema *s, mp_arena *arena, mp_error *err) {
    return mp_schema_index(s, arena) ? MP_OK : mp_mem_error(arena->mem, (size_t)s->n, err);
}

/* The columns of the wanted list that stand in one of the two batches. A text beside its typed twin
 * has a name that no expression can say. */
static mp_status make_schema(binder *b, bool filter, mp_schema *s) {
    const mp_scan_plan *p = b->plan;
    s->fields = take(b->arena, (size_t)p->n_wanted, sizeof *s->fields, b->err);
    if (!s->fields) return MP_NOMEM;
    s->n = 0;
    for (int i = 0; i < p->n_wanted; i++) {
        const mp_csv_column *w = &p->wanted[i];
        if (!(filter ? w->in_filter : w->after_filter)) continue;
        const usage *u = &b->use[w->c];
        bool twin = w->use == MP_CSV_TEXT && u->twin;
        mp_evidence e = w->c < b->t->n_columns ? b->seen[w->c] : (mp_evidence){0};
        s->fields[s->n++] =
            (mp_field){.name = twin ? "\x02" : w->name,
                       .type = w->use == MP_CSV_TEXT ? MP_STRING : w->type,
                       .ts_sep = separator(e),
                       .scale = w->type == MP_DECIMAL ? (w->fixed ? 18 : e.scale) : 0};
    }
    return index_schema(s, b->arena, b->err);
}

/* ---- values ---- */

static mp_status bind_value(binder *b, const mp_expr *e, bool typed, mp_plan_value *v) {
    int c = direct_column(b, e, typed);
    *v = (mp_plan_value){.direct = -1};
    if (c >= 0) {
        v->direct = b->use[c].text_at;
        v->type = fixed_type(b, c) == MP_STRING ? MP_STRING : MP_NULL;
        return MP_OK;
    }
    mp_status st = mp_prog_new(e, &b->plan->source_schema, b->arena, &v->prog, b->err);
    if (st) return st;
    v->type = mp_prog_type(v->prog);
    v->ts_sep = mp_prog_ts_sep(v->prog);
    return MP_OK;
}

/* The value that an aggregate up to the i-th has already of the same expression, -1: none. */
static int bound_before(const binder *b, int i, const mp_expr *e, bool typed) {
    const mp_scan_plan *p = b->plan;
    for (int j = 0; j <= i; j++) {
        const mp_agg_call *call = &b->q->calls[j];
        if ((call->fn != MP_AGG_COUNT_VALUES) != typed) continue;
        for (int k = 0; k < 2; k++)
            if (p->aggs[j].arg[k] >= 0 && mp_expr_equal(call->arg[k], e)) return p->aggs[j].arg[k];
    }
    return -1;
}

static mp_status bind_agg(binder *b, int i) {
    mp_scan_plan *p = b->plan;
    const mp_agg_call *call = &b->q->calls[i];
    mp_group_agg *a = &p->aggs[i];
    *a = (mp_group_agg){.fn = call->fn, .arg = {-1, -1}, .q = call->q, .k = call->k};
    for (int k = 0; k < 2; k++) {
        if (!call->arg[k]) continue;
        bool typed = call->fn != MP_AGG_COUNT_VALUES;
        int at = bound_before(b, i, call->arg[k], typed);
        mp_plan_value *v = &p->values[at < 0 ? p->n_values : at];
        mp_status st = at < 0 ? bind_value(b, call->arg[k], typed, v) : MP_OK;
        if (st) return st;
        a->arg[k] = at < 0 ? p->n_values++ : at;
        a->type[k] = v->direct >= 0 ? MP_STRING : v->type;
        if (k == 0) a->ts_sep = v->ts_sep;
        const char *name = mp_expr_column_name(call->arg[k]);
        if (k == 0) a->name = name ? name : "expression";
        bool number = mp_type_is_number(v->type) || v->type == MP_BOOL || v->type == MP_NULL;
        if (agg_needs_number(call->fn) && !number) {
            mp_error_set(b->err, MP_USAGE, "wrong type", "an aggregate needs a number, not %s",
                         mp_type_name(v->type));
            mp_error_column(b->err, a->name);
            return MP_USAGE;
        }
    }
    p->n_aggs++;
    return MP_OK;
}

static mp_status bind_values(binder *b) {
    const mp_query *q = b->q;
    mp_scan_plan *p = b->plan;
    size_t room = (size_t)(q->n_keys + 2 * q->n_calls + q->n_outputs + q->n_sort);
    p->values = take(b->arena, room, sizeof *p->values, b->err);
    p->aggs = take(b->arena, (size_t)q->n_calls, sizeof *p->aggs, b->err);
    if (!p->values || !p->aggs) return MP_NOMEM;
    mp_status st = MP_OK;
    for (int i = 0; i < q->n_keys && !st; i++)
        st = bind_value(b, q->keys[i].expr, keys_typed(b), &p->values[p->n_values++]);
    for (int i = 0; i < q->n_calls && !st; i++)
        st = bind_agg(b, i);
    for (int i = 0; !q->grouped && i < q->n_outputs && !st; i++)
        st = bind_value(b, q->outputs[i].expr, q->typed_output, &p->values[p->n_values++]);
    for (int i = 0; !q->grouped && i < q->n_sort && !st; i++)
        st = bind_value(b, q->sort[i].expr, true, &p->values[p->n_values++]);
    return st;
}

static mp_status bind_where(binder *b) {
    mp_scan_plan *p = b->plan;
    if (!b->q->where) return MP_OK;
    mp_status st = mp_prog_new(b->q->where, &p->filter_schema, b->arena, &p->where, b->err);
    if (st) return st;
    mp_type type = mp_prog_type(p->where);
    if (type == MP_BOOL || type == MP_NULL) return MP_OK;
    mp_error_set(b->err, MP_USAGE, "wrong type", "--where is %s, not true or false",
                 mp_type_name(type));
    mp_error_hint(b->err, "compare it with something: --where 'x > 0'");
    return MP_USAGE;
}

static uint64_t fold(uint64_t h, uint64_t v) {
    return (h ^ v) * 0x9E3779B97F4A7C15u + (h >> 29);
}

static void sign(mp_scan_plan *p) {
    uint64_t h = 1;
    for (int i = 0; i < p->n_wanted; i++) {
        const mp_csv_column *w = &p->wanted[i];
        h = fold(h, (uint64_t)w->use << 8 | (uint64_t)w->type);
        if (w->use == MP_CSV_TYPED && !w->fixed) p->typed = true;
    }
    if (p->where) h = fold(h, mp_prog_signature(p->where));
    for (int i = 0; i < p->n_values; i++) {
        h = fold(h, (uint64_t)p->values[i].type << 8 | p->values[i].ts_sep);
        if (p->values[i].prog) h = fold(h, mp_prog_signature(p->values[i].prog));
    }
    p->signature = h;
}

/* Which columns are read how, without any program yet. */
static mp_status bind_columns(binder *b) {
    mp_scan_plan *p = b->plan;
    *p = (mp_scan_plan){0};
    b->n_source = mp_table_n_source(b->t);
    mp_names_init(&b->places, b->arena);
    for (int c = 0; c < b->n_source; c++)
        if (!mp_names_add(&b->places, mp_table_source_name(b->t, c), c))
            return mp_mem_error(b->arena->mem, 64, b->err);
    b->use = take(b->arena, (size_t)b->n_source, sizeof *b->use, b->err);
    p->wanted = take(b->arena, 2 * (size_t)b->n_source, sizeof *p->wanted, b->err);
    if (!b->use || !p->wanted) return MP_NOMEM;
    note_all(b);
    for (int c = 0; c < b->n_source; c++)
        want_column(b, c);
    return MP_OK;
}

static mp_status check_readable(const binder *b) {
    mp_status st = MP_OK;
    for (int i = 0; b->t->typed && i < b->plan->n_wanted && !st; i++)
        if (b->plan->wanted[i].c < b->t->n_columns)
            st = mp_table_h5_readable(b->t, b->plan->wanted[i].c, b->err);
    return st;
}

static mp_status make_schemas(binder *b) {
    mp_status st = make_schema(b, true, &b->plan->filter_schema);
    return st ? st : make_schema(b, false, &b->plan->source_schema);
}

mp_status mp_query_bind(const mp_query *q, const mp_table *t, const mp_evidence *seen,
                        mp_arena *arena, mp_scan_plan *out, mp_error *err) {
    binder b = {.q = q, .t = t, .seen = seen, .arena = arena, .plan = out, .err = err};
    mp_status st = bind_columns(&b);
    if (!st) st = make_schemas(&b);
    if (!st) st = bind_where(&b);
    if (!st) st = bind_values(&b);
    if (!st) st = check_readable(&b);
    if (st)
        mp_scan_plan_release(out);
    else
        sign(out);
    return st;
}

mp_status mp_query_bind_types(const mp_query *q, const mp_table *t, const mp_evidence *seen,
                              bool at_filter, mp_arena *arena, mp_scan_plan *out, mp_error *err) {
    binder b = {.q = q, .t = t, .seen = seen, .arena = arena, .plan = out, .err = err};
    mp_status st = bind_columns(&b);
    int n = 0;
    for (int i = 0; i < out->n_wanted && !st; i++) {
        mp_csv_column *w = &out->wanted[n];
        *w = out->wanted[i];
        if (at_filter ? !w->in_filter : w->use == MP_CSV_TEXT && !w->in_filter) continue;
        w->need_number = false;
        w->after_filter = w->after_filter || at_filter;
        w->in_filter = w->in_filter && !at_filter;
        n++;
    }
    out->n_wanted = n;
    if (!st) st = make_schemas(&b);
    if (!st && !at_filter) st = bind_where(&b);
    if (st)
        mp_scan_plan_release(out);
    else
        sign(out);
    out->typed = !st; /* another pass follows, whatever this one finds */
    return st;
}

static void free_values(mp_plan_value *values, int n) {
    for (int i = 0; i < n; i++)
        mp_prog_free(&values[i].prog);
}

void mp_scan_plan_release(mp_scan_plan *p) {
    mp_prog_free(&p->where);
    free_values(p->values, p->n_values);
    *p = (mp_scan_plan){0};
}

/* ---- group results ---- */

static mp_status base_schema(const mp_query *q, const mp_scan_plan *scan, const mp_type *key_types,
                             const uint8_t *key_ts_sep, mp_arena *arena, mp_schema *s,
                             mp_error *err) {
    int n = q->n_keys;
    for (int i = 0; i < scan->n_aggs; i++)
        n += mp_group_result_columns(&scan->aggs[i]);
    s->fields = take(arena, (size_t)n, sizeof *s->fields, err);
    char *names = take(arena, (size_t)n, 24, err);
    if (!s->fields || !names) return MP_NOMEM;
    for (int i = 0; i < q->n_keys; i++, names += 24) {
        snprintf(names, 24, "\x03%d", i);
        s->fields[s->n++] =
            (mp_field){.name = names, .type = key_types[i], .ts_sep = key_ts_sep[i], .scale = 18};
    }
    for (int i = 0; i < scan->n_aggs; i++) {
        const mp_group_agg *a = &scan->aggs[i];
        bool many = a->fn == MP_AGG_TOP || a->fn == MP_AGG_BOTTOM;
        for (int j = 0; j < mp_group_result_columns(a); j++, names += 24) {
            snprintf(names, 24, many ? "\x01%d.%d" : "\x01%d", i, j);
            s->fields[s->n++] = (mp_field){
                .name = names, .type = mp_group_result_type(a), .ts_sep = a->ts_sep, .scale = 18};
        }
    }
    return index_schema(s, arena, err);
}

/* A plain reference to a base column needs no program. */
static mp_status bind_result(const mp_schema *base, const mp_expr *e, mp_arena *arena,
                             mp_plan_value *v, mp_error *err) {
    const char *name = mp_expr_column_name(e);
    *v = (mp_plan_value){.direct = name ? mp_schema_find(base, name) : -1};
    if (v->direct >= 0) {
        v->type = base->fields[v->direct].type;
        v->ts_sep = base->fields[v->direct].ts_sep;
        return MP_OK;
    }
    mp_status st = mp_prog_new(e, base, arena, &v->prog, err);
    if (st) return st;
    v->type = mp_prog_type(v->prog);
    v->ts_sep = mp_prog_ts_sep(v->prog);
    return MP_OK;
}

mp_status mp_query_bind_results(const mp_query *q, const mp_scan_plan *scan,
                                const mp_type *key_types, const uint8_t *key_ts_sep,
                                mp_arena *arena, mp_result_plan *out, mp_error *err) {
    *out = (mp_result_plan){0};
    mp_status st = base_schema(q, scan, key_types, key_ts_sep, arena, &out->base, err);
    if (st) return st;
    out->values = take(arena, (size_t)(q->n_outputs + q->n_sort), sizeof *out->values, err);
    if (!out->values) return MP_NOMEM;
    if (q->having) st = mp_prog_new(q->having, &out->base, arena, &out->having, err);
    for (int i = 0; i < q->n_outputs && !st; i++)
        st = bind_result(&out->base, q->outputs[i].expr, arena, &out->values[out->n_values++], err);
    for (int i = 0; i < q->n_sort && !st; i++)
        st = bind_result(&out->base, q->sort[i].expr, arena, &out->values[out->n_values++], err);
    if (st) mp_result_plan_release(out);
    return st;
}

void mp_result_plan_release(mp_result_plan *p) {
    mp_prog_free(&p->having);
    free_values(p->values, p->n_values);
    *p = (mp_result_plan){0};
}
