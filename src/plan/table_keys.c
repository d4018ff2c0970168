/* table_keys.c - see table_keys.h. */
#include "plan/table_keys.h"

#include "base/names.h"

enum { MOST_COLUMNS = 65536 };

bool mp_table_may_grow(const mp_spec *spec, const mp_table *t) {
    return spec->input.union_columns && !t->sample_is_all && mp_table_has(t, MP_READ_NDJSON);
}

/* The names that are no columns, each once, to added; its length in *n. */
static mp_status find_new(const mp_table *t, mp_rd rd, mp_arena *arena, const char **added, int *n,
                          mp_error *err) {
    mp_names known;
    mp_names_init(&known, arena);
    bool ok = true;
    for (int c = 0; c < t->n_columns && ok; c++)
        ok = mp_names_add(&known, t->names[c], c);
    for (*n = 0; mp_rd_left(&rd) && ok;) {
        const char *name = NULL;
        ok = mp_rd_text(&rd, arena, &name) && name;
        if (!ok || mp_names_find(&known, name) >= 0) continue;
        if (t->n_columns + *n >= MOST_COLUMNS) {
            mp_error_set(err, MP_DATA, NULL, "more than %d different keys with --union",
                         MOST_COLUMNS);
            mp_error_hint(err, "--select names the columns that are wanted");
            return MP_DATA;
        }
        ok = mp_names_add(&known, name, t->n_columns + *n);
        added[(*n)++] = name;
    }
    return ok ? MP_OK : mp_mem_error(arena->mem, mp_rd_left(&rd) + 64, err);
}

mp_status mp_table_add_keys(mp_table *t, const uint8_t *names, size_t len, mp_arena *arena,
                            mp_error *err) {
    size_t old = (size_t)t->n_columns, n = old + MOST_COLUMNS;
    const char **all = mp_arena_alloc(arena, n * sizeof *all, 16);
    if (!all) return mp_mem_error(arena->mem, n * sizeof *all, err);
    if (old) memcpy(all, t->names, old * sizeof *all);
    int added;
    mp_status st = find_new(t, mp_rd_of(names, len), arena, all + old, &added, err);
    if (st || added == 0) return st;
    n = old + (size_t)added;
    mp_evidence *sample = mp_arena_alloc(arena, n * sizeof *sample, 16);
    mp_type *fixed = mp_arena_alloc(arena, n * sizeof *fixed, 16);
    int32_t *same = mp_arena_alloc(arena, n * sizeof *same, 16);
    if (!sample || !fixed || !same) return mp_mem_error(arena->mem, n * sizeof *sample, err);
    memset(sample, 0, n * sizeof *sample);
    if (old) memcpy(sample, t->sample, old * sizeof *sample);
    for (size_t i = 0; i < n; i++) {
        fixed[i] = i < old ? t->fixed[i] : MP_TYPE_COUNT;
        same[i] = (int32_t)i;
    }
    t->names = all;
    t->sample = sample;
    t->fixed = fixed;
    t->n_columns = (int)n;
    for (int f = 0; f < t->n_files; f++) {
        mp_table_file *file = &t->files[f];
        if (file->format != MP_READ_NDJSON) continue;
        file->column_at = same;
        file->n_columns = file->n_matched = (int)n;
    }
    return MP_OK;
}
