/* split_plan.c - the columns that a split reads. A column that is written as the text it is, is read as
 * text, and beside it typed: keys are compared as values, and the manifest tells the types of all
 * columns, which only all rows can prove.
 * Invariant: see split_plan.h. */
#include "plan/split_plan.h"

#include "base/names.h"
#include "plan/table_h5.h"

typedef struct {
    const mp_split_spec *s;
    const mp_table *t;
    const mp_evidence *seen;
    mp_split_read read;
    mp_scan_plan *plan;
    mp_split_columns *cols;
} binder;

const char *mp_split_method_name(mp_split_method m) {
    static const char *const names[] = {"by", "range", "rows", "each"};
    return names[m];
}

static mp_type fixed_type(const mp_table *t, int c) {
    return c < t->n_columns ? t->fixed[c] : MP_STRING;
}

mp_type mp_split_column_type(const mp_table *t, const mp_evidence *seen, int c) {
    mp_type fixed = fixed_type(t, c);
    return fixed != MP_TYPE_COUNT ? fixed : mp_evidence_type(seen[c]);
}

static mp_status find_keys(binder *b, mp_arena *arena, mp_error *err) {
    mp_names places;
    int n = mp_table_n_source(b->t);
    mp_names_init(&places, arena);
    for (int c = 0; c < n; c++)
        if (!mp_names_add(&places, mp_table_source_name(b->t, c), c))
            return mp_mem_error(arena->mem, 64, err);
    for (int k = 0; k < b->s->n_keys; k++) {
        const char *key = b->s->keys[k];
        int c = b->cols->key_column[k] = mp_names_find(&places, key);
        if (c >= 0) continue;
        mp_error_set(err, MP_USAGE, "unknown column", "a key is the name of a column");
        mp_error_column(err, key);
        if (strpbrk(key, "()+*/"))
            mp_error_hint(err, "make it a column first: mpart query ... --select '*, %.100s as k'",
                          key);
        else
            mp_error_hint_names(err, key, b->t->names, b->t->n_columns);
        return MP_USAGE;
    }
    return MP_OK;
}

static int want(binder *b, int c, mp_csv_use use, bool fixed) {
    mp_type type = use == MP_CSV_TEXT ? MP_STRING : mp_split_column_type(b->t, b->seen, c);
    b->plan->wanted[b->plan->n_wanted] = (mp_csv_column){.c = c,
                                                         .use = use,
                                                         .type = type,
                                                         .fixed = fixed,
                                                         .after_filter = true,
                                                         .name = mp_table_source_name(b->t, c)};
    return b->plan->n_wanted++;
}

static bool is_key(const binder *b, int c) {
    for (int k = 0; k < b->s->n_keys; k++)
        if (b->cols->key_column[k] == c) return true;
    return false;
}

static void want_column(binder *b, int c) {
    bool all = b->read == MP_SPLIT_READ_ALL;
    bool key = b->read != MP_SPLIT_READ_NONE && is_key(b, c);
    mp_type fixed = fixed_type(b->t, c);
    bool is_fixed = fixed < MP_STRING;
    bool checked = is_fixed && !b->t->typed; /* by --types: a misfit makes a bad row */
    bool is_text = fixed == MP_STRING, typed_out = is_fixed || b->s->format == MP_FORMAT_NDJSON;
    if (!all && !key && !checked) return;
    int text_at = -1, typed_at = -1;
    if (is_text || (all && !typed_out)) text_at = want(b, c, MP_CSV_TEXT, is_text);
    if (!is_text) typed_at = want(b, c, MP_CSV_TYPED, is_fixed);
    if (all) {
        b->cols->names[b->cols->n_out] = mp_table_source_name(b->t, c);
        b->cols->out_at[b->cols->n_out++] = text_at >= 0 ? text_at : typed_at;
    }
    for (int k = 0; key && k < b->s->n_keys; k++)
        if (b->cols->key_column[k] == c) b->cols->key_at[k] = typed_at >= 0 ? typed_at : text_at;
}

static uint64_t fold(uint64_t h, uint64_t v) {
    return (h ^ v) * 0x9E3779B97F4A7C15u + (h >> 29);
}

static void sign(binder *b) {
    mp_scan_plan *p = b->plan;
    p->signature = 1;
    for (int i = 0; i < p->n_wanted; i++) {
        const mp_csv_column *w = &p->wanted[i];
        bool is_ts = w->type == MP_TIMESTAMP && w->c < b->t->n_columns;
        uint64_t sep = is_ts ? b->seen[w->c].seen & MP_SEEN_TS_T : 0;
        p->signature = fold(p->signature, sep << 16 | (uint64_t)w->use << 8 | (uint64_t)w->type);
        if (w->use == MP_CSV_TYPED && !w->fixed) p->typed = true;
    }
}

mp_status mp_split_bind(const mp_split_spec *s, const mp_table *t, const mp_evidence *seen,
                        mp_split_read read, mp_arena *arena, mp_scan_plan *plan,
                        mp_split_columns *cols, mp_error *err) {
    binder b = {.s = s, .t = t, .seen = seen, .read = read, .plan = plan, .cols = cols};
    size_t n = (size_t)mp_table_n_source(t), keys = (size_t)s->n_keys;
    *plan = (mp_scan_plan){0};
    *cols = (mp_split_columns){.n_keys = s->n_keys};
    plan->wanted = mp_arena_alloc(arena, 2 * n * sizeof *plan->wanted + 1, 16);
    cols->out_at = mp_arena_alloc(arena, n * sizeof *cols->out_at + 1, 16);
    cols->names = mp_arena_alloc(arena, n * sizeof *cols->names + 1, 16);
    cols->key_at = mp_arena_alloc(arena, 2 * keys * sizeof *cols->key_at + 1, 16);
    if (!plan->wanted || !cols->out_at || !cols->names || !cols->key_at)
        return mp_mem_error(arena->mem, n * sizeof *plan->wanted, err);
    cols->key_column = cols->key_at + keys;
    mp_status st = find_keys(&b, arena, err);
    for (int c = 0; c < (int)n && !st; c++)
        want_column(&b, c);
    for (int i = 0; t->typed && i < plan->n_wanted && !st; i++)
        if (plan->wanted[i].c < t->n_columns) st = mp_table_h5_readable(t, plan->wanted[i].c, err);
    if (!st) sign(&b);
    return st;
}
