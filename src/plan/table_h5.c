/* table_h5.c - HDF5 files as files of a table: names and types are those of the file, splits are ranges
 * of rows that hold chunks whole.
 * Invariant: as in table.h; a column has one type over all files. */
#include "plan/table_h5.h"

#include "base/names.h"
#include "io/h5/h5.h"
#include "io/h5/h5_inspect.h"

enum {
    SPLITS = 256,
    SPLITS_WIDE = 32, /* where more would be small pieces of many datasets: */
    PIECE_BYTES = 4096
};
static const int64_t SPLIT_LEAST = 256 << 10, SPLIT_MOST = 32 << 20;

static void *take(mp_arena *arena, size_t n, size_t size) {
    void *p = mp_arena_alloc(arena, n * size + 1, 16);
    if (p) memset(p, 0, n * size + 1);
    return p;
}

static mp_status usage(mp_error *err, const char *path, const char *why, const char *hint) {
    mp_error_set(err, MP_USAGE, NULL, "%s", why);
    mp_error_file(err, path);
    mp_error_hint(err, "%s", hint);
    return MP_USAGE;
}

static mp_status check_options(const mp_spec *spec, const mp_input *in, mp_error *err) {
    const mp_input_spec *o = &spec->input;
    if (in->kind == MP_INPUT_STREAM || in->packing != MP_PACK_NONE)
        return usage(err, in->path, "HDF5 is read at many places at once, not from a stream",
                     "unpack it, or save it to a file first");
    if (o->delimiter || o->quote != '"' || o->no_header || o->n_names || o->skip_lines)
        return usage(
            err, in->path,
            "--delimiter, --quote, --no-header, --names and --skip-lines are for text files",
            "the columns of HDF5 have their names in the file");
    return MP_OK;
}

/* A repeated name gets _2, as in CSV. */
static mp_status name_columns(const mp_h5_layout *l, mp_arena *arena, const char **names,
                              mp_error *err) {
    mp_names taken;
    mp_names_init(&taken, arena);
    for (int i = 0; i < l->n_columns; i++) {
        const char *own = l->columns[i].name;
        size_t room = strlen(own) + 16;
        char *name = mp_arena_alloc(arena, room, 1);
        if (!name) return mp_mem_error(arena->mem, room, err);
        if (*own)
            snprintf(name, room, "%s", own);
        else
            snprintf(name, room, "c%d", i + 1);
        for (int k = 2; mp_names_find(&taken, name) >= 0; k++)
            snprintf(name, room, "%s_%d", *own ? own : "c", k);
        if (!mp_names_add(&taken, name, i)) return mp_mem_error(arena->mem, room, err);
        names[i] = name;
    }
    return MP_OK;
}

static mp_status keep_layout(const mp_buf *answer, mp_table_file *file, mp_arena *arena,
                             mp_error *err) {
    uint8_t *bytes = take(arena, answer->len, 1);
    mp_h5_layout *l = take(arena, 1, sizeof *l);
    if (!bytes || !l) return mp_mem_error(arena->mem, answer->len, err);
    memcpy(bytes, answer->data, answer->len);
    mp_status st = mp_h5_layout_decode(bytes, answer->len, file->size_bytes, arena, l, err);
    file->h5 = l;
    file->h5_bytes = mp_str_of((const char *)bytes, answer->len);
    return st;
}

mp_status mp_table_h5_head(const mp_spec *spec, const mp_input *in, mp_table_file *file,
                           mp_arena *arena, mp_mem *mem, mp_csv_head *head, mp_error *err) {
    mp_status st = check_options(spec, in, err);
    if (st) return st;
    mp_h5_question q = {.path = in->path, .object = in->object, .program = spec->run.inspector};
    mp_buf answer;
    mp_buf_init(&answer, mem);
    st = mp_h5_inspect(&q, &answer, err);
    if (!st) st = keep_layout(&answer, file, arena, err);
    mp_buf_release(&answer);
    if (st) {
        mp_error_file(err, in->path);
        return st;
    }
    const mp_h5_layout *l = file->h5;
    file->text_bytes = l->n_rows;
    size_t n = (size_t)l->n_columns;
    *head = (mp_csv_head){.delimiter = '\n', .n_columns = l->n_columns, .sample_is_all = true};
    head->names = take(arena, n, sizeof *head->names);
    head->seen = take(arena, n, sizeof *head->seen);
    if (!head->names || !head->seen) return mp_mem_error(mem, n * 16, err);
    if (l->n_rows > 0) head->row_bytes = (double)in->size_bytes / (double)l->n_rows;
    return name_columns(l, arena, head->names, err);
}

/* ---- types ---- */

static const mp_h5_column *column_of(const mp_table *t, int f, int c) {
    int at = mp_table_column(&t->files[f], c);
    return at < 0 ? NULL : &t->files[f].h5->columns[at];
}

static mp_status types_differ(const mp_table *t, int c, int f, int g, mp_error *err) {
    mp_error_set(err, MP_DATA, "types differ", "%s here, %s in '%s'",
                 mp_type_name(column_of(t, g, c)->type), mp_type_name(column_of(t, f, c)->type),
                 t->files[f].path);
    mp_error_file(err, t->files[g].path);
    mp_error_column(err, t->names[c]);
    mp_error_hint(err,
                  "mpart query --select 'string(%s) as %s, ...' -o NEW.h5 makes a file that agrees",
                  t->names[c], t->names[c]);
    return MP_DATA;
}

/* The type that holds the column of all files: ints and floats are floats. */
static mp_status find_type(const mp_table *t, int c, mp_type *out, mp_error *err) {
    int first = -1;
    *out = MP_STRING;
    for (int f = 0; f < t->n_files; f++) {
        const mp_h5_column *col = column_of(t, f, c);
        if (!col || col->form == MP_H5_UNREADABLE) continue;
        if (first < 0) {
            first = f;
            *out = col->type;
        } else if (!mp_h5_reads_as(col, *out)) {
            bool wider = col->type == MP_FLOAT64 && *out == MP_INT64;
            if (!wider) return types_differ(t, c, first, f, err);
            *out = MP_FLOAT64;
        }
        if (*out == MP_STRING && col->type != MP_STRING) return types_differ(t, c, first, f, err);
    }
    return MP_OK;
}

/* Rows of a split: some of the largest chunks, whole. */
static int64_t choose_rows(const mp_h5_layout *l) {
    int64_t row = 1, band = 1;
    for (int i = 0; i < l->n_arrays; i++) {
        const mp_h5_array *a = &l->arrays[i];
        int64_t bytes = mp_h5_row_bytes(a);
        row += bytes > 0 && bytes < INT32_MAX ? bytes : INT32_MAX;
        if (a->storage != MP_H5_FLAT && a->band_rows > band) band = a->band_rows;
    }
    double total = (double)row * (double)l->n_rows;
    double want = total / SPLITS, pieces = (double)l->n_arrays * PIECE_BYTES;
    if (pieces > total / SPLITS_WIDE) pieces = total / SPLITS_WIDE;
    if (want < pieces) want = pieces;
    if (want < (double)SPLIT_LEAST) want = (double)SPLIT_LEAST;
    if (want > (double)SPLIT_MOST) want = (double)SPLIT_MOST;
    int64_t rows = (int64_t)(want / (double)row);
    if (rows < 1) rows = 1;
    if (band > INT64_MAX / 4) return band;
    return (rows + band - 1) / band * band;
}

mp_status mp_table_h5_types(mp_table *t, mp_error *err) {
    t->typed = true;
    for (int f = 0; f < t->n_files; f++) {
        mp_table_file *file = &t->files[f];
        if (!file->h5)
            return usage(err, file->path, "HDF5 and text files cannot be one table",
                         "make the text files HDF5 first, or the others CSV");
        file->split_rows = choose_rows(file->h5);
    }
    mp_status st = MP_OK;
    for (int c = 0; c < t->n_columns && !st; c++)
        st = find_type(t, c, &t->fixed[c], err);
    return st;
}

mp_status mp_table_h5_choose(const mp_table *t, int c, mp_type type, mp_error *err) {
    for (int f = 0; f < t->n_files; f++) {
        const mp_h5_column *col = column_of(t, f, c);
        if (!col || col->form == MP_H5_UNREADABLE || mp_h5_reads_as(col, type)) continue;
        mp_error_set(err, MP_USAGE, "error in --types", "it is %s in the file, and not read as %s",
                     mp_type_name(col->type), mp_type_name(type));
        mp_error_file(err, t->files[f].path);
        mp_error_column(err, t->names[c]);
        mp_error_hint(err, "convert it in the query: %s(%s)",
                      type == MP_FLOAT64 ? "float"
                      : type == MP_INT64 ? "int"
                                         : mp_type_name(type),
                      t->names[c]);
        return MP_USAGE;
    }
    return MP_OK;
}

mp_status mp_table_h5_readable(const mp_table *t, int c, mp_error *err) {
    for (int f = 0; f < t->n_files; f++) {
        const mp_h5_column *col = column_of(t, f, c);
        if (!col || col->form != MP_H5_UNREADABLE) continue;
        mp_error_set(err, MP_DATA, "cannot read this column", "%s", col->why);
        mp_error_file(err, t->files[f].path);
        mp_error_column(err, t->names[c]);
        return MP_DATA;
    }
    return MP_OK;
}
