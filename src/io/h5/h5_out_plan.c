/* h5_out_plan.c - the datasets of an HDF5 output and how they are cut: see h5_out.h.
 * Invariant: chunk_rows of every dataset is a power of two that divides unit_rows, but for a table
 * of fewer rows, which is one chunk. */
#include <stdio.h>

#include "io/h5/h5_out.h"

enum {
    CHUNK_BYTES = 512 << 10,
    CHUNK_ROWS = 64 << 10,
    UNIT_BYTES = 64 << 20,
    LEAST_UNIT_BYTES = 2 << 20,
    ROW_BYTES = 16 << 20,   /* of a row in the file, at most */
    HEADER_BYTES = 60 << 10 /* of a compound type: a message in an object's header has 64 KiB */
};

/* ---- names ---- */

const char *mp_h5_path_flaw(const char *path) {
    if (path[0] != '/') return "it does not begin with a slash";
    for (const char *p = path; *p;) {
        size_t n = strcspn(++p, "/");
        if (n == 0) return "a part of it is empty";
        if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return "HDF5 has no names . and ..";
        p += n;
    }
    return NULL;
}

mp_status mp_h5_path_split(const char *path, mp_arena *arena, const char **group, const char **name,
                           mp_error *err) {
    size_t n = (size_t)(strrchr(path, '/') - path);
    char *to = mp_arena_alloc(arena, n + 2, 1);
    if (!to) return mp_mem_error(arena->mem, n + 2, err);
    memcpy(to, path, n ? n : 1);
    to[n ? n : 1] = 0;
    *group = to;
    *name = path + n + 1;
    return MP_OK;
}

/* A percent sign that would be read back as another byte. */
static bool is_code(const char *p) {
    return p[0] == '%' && p[1] == '2' && (p[2] == 'F' || p[2] == 'E' || p[2] == '5');
}

const char *mp_h5_link_name(const char *column, mp_arena *arena) {
    bool dots = strcmp(column, ".") == 0 || strcmp(column, "..") == 0;
    size_t n = strlen(column);
    char *to = mp_arena_alloc(arena, 3 * n + 1, 1), *out = to;
    if (!to) return NULL;
    for (const char *p = column; *p; p++) {
        if (*p == '/' || is_code(p) || dots)
            out += snprintf(out, 4, "%%%02X", (unsigned)(unsigned char)*p);
        else
            *out++ = *p;
    }
    *out = 0;
    return to;
}

/* ---- sizes ---- */

/* Bytes of the compound type in the file, earliest format: per member its name in multiples of
 * eight, 32 bytes, and its type. */
static int64_t header_bytes(const mp_h5_rows *r) {
    int64_t n = 8;
    for (int c = 0; c < r->n_cols; c++) {
        n += (int64_t)(strlen(r->names[c]) / 8 + 1) * 8 + 32;
        n += r->types[c] == MP_BOOL ? 48 : r->types[c] == MP_FLOAT64 ? 24 : 16;
    }
    return n;
}

static mp_status choose_form(mp_h5_plan *p, mp_error *err) {
    mp_h5_options *o = &p->options;
    int n = p->rows.n_cols;
    if (n > MP_H5_MOST_COLUMNS) {
        mp_error_set(err, MP_USAGE, NULL, "%d columns are more than the %d that HDF5 takes well", n,
                     MP_H5_MOST_COLUMNS);
        mp_error_hint(err, "choose some with --select, or write CSV");
        return MP_USAGE;
    }
    bool fits = header_bytes(&p->rows) <= HEADER_BYTES;
    if (o->form == MP_H5_OUT_TABLE && o->form_given && !fits) {
        mp_error_set(err, MP_USAGE, NULL, "%d columns do not fit in an HDF5 compound", n);
        mp_error_hint(err, "--h5-layout columns writes a dataset for each column");
        return MP_USAGE;
    }
    if (o->form == MP_H5_OUT_TABLE && !o->form_given && (n > MP_H5_TABLE_COLUMNS || !fits))
        o->form = MP_H5_OUT_COLUMNS;
    if (!o->path) o->path = o->form == MP_H5_OUT_TABLE ? "/data/table" : "/data";
    return MP_OK;
}

static uint32_t width_of(const mp_h5_rows *r, int c, uint32_t longest) {
    if (r->types[c] == MP_STRING) return longest ? longest : 1;
    if (r->types[c] == MP_BOOL) return 1;
    return (uint32_t)(r->bytes[c] < 0 ? -r->bytes[c] : r->bytes[c]);
}

static mp_status find_widths(mp_h5_plan *p, const mp_h5_seen *seen, int64_t *row_bytes,
                             mp_error *err) {
    const mp_h5_rows *r = &p->rows;
    int widest = 0;
    *row_bytes = 0;
    for (int c = 0; c < r->n_cols; c++) {
        p->widths[c] = width_of(r, c, seen->longest[c]);
        p->nulls[c] = r->types[c] != MP_FLOAT64 && (seen->nulls[c / 8] >> (c % 8) & 1);
        p->at[c] = (uint32_t)(*row_bytes < UINT32_MAX ? *row_bytes : 0);
        *row_bytes += p->widths[c];
        if (p->widths[c] > p->widths[widest]) widest = c;
    }
    if (*row_bytes <= ROW_BYTES) return MP_OK;
    mp_error_set(err, MP_DATA, "cannot write HDF5",
                 "its strings are as long as the longest, here %u bytes, and a row has at most %d",
                 p->widths[widest], ROW_BYTES);
    mp_error_column(err, r->names[widest]);
    mp_error_hint(err, "leave the column out or cut it: --select 'substr(x, 1, 1000) as x'");
    return MP_DATA;
}

/* The largest power of two up to most rows (at least 1) of which bytes can hold the bytes. */
static int64_t rows_in(int64_t bytes, int64_t row_bytes, int64_t most) {
    int64_t n = 1;
    while (2 * n <= most && 2 * n * row_bytes <= bytes)
        n *= 2;
    return n;
}

/* ---- datasets ---- */

static void add_set(mp_h5_plan *p, mp_h5_set_kind kind, int c, uint32_t element_bytes) {
    p->sets[p->n_sets++] = (mp_h5_set){.kind = kind, .c = c, .element_bytes = element_bytes};
}

static void list_sets(mp_h5_plan *p, int64_t row_bytes) {
    bool table = p->options.form == MP_H5_OUT_TABLE;
    if (table)
        add_set(p, MP_H5_SET_TABLE, -1, (uint32_t)row_bytes);
    else
        add_set(p, MP_H5_SET_INDEX, -1, 8);
    for (int c = 0; c < p->rows.n_cols; c++) {
        if (!table) add_set(p, MP_H5_SET_VALUES, c, p->widths[c]);
        if (p->nulls[c]) add_set(p, table ? MP_H5_SET_NULLS : MP_H5_SET_MASK, c, 1);
    }
}

/* A unit holds at least a chunk of each dataset, so wide rows make chunks short. */
static void cut_sets(mp_h5_plan *p, int64_t row_bytes) {
    int64_t most = rows_in(UNIT_BYTES, row_bytes, CHUNK_ROWS);
    p->unit_rows = rows_in(LEAST_UNIT_BYTES, row_bytes, most);
    for (int i = 0; i < p->n_sets; i++) {
        mp_h5_set *s = &p->sets[i];
        s->chunk_rows = rows_in(CHUNK_BYTES, s->element_bytes, most);
        if (s->chunk_rows > p->unit_rows) p->unit_rows = s->chunk_rows;
    }
    for (int i = 0; i < p->n_sets; i++)
        if (p->sets[i].chunk_rows > p->n_rows)
            p->sets[i].chunk_rows = p->n_rows > 0 ? p->n_rows : 1;
    p->n_units = (p->n_rows + p->unit_rows - 1) / p->unit_rows;
}

mp_status mp_h5_plan_make(const mp_h5_options *options, const mp_h5_rows *rows,
                          const mp_h5_seen *seen, mp_arena *arena, mp_h5_plan *out, mp_error *err) {
    size_t n = (size_t)rows->n_cols;
    int64_t row_bytes = 0;
    *out = (mp_h5_plan){.options = *options, .rows = *rows, .n_rows = seen->n_rows};
    mp_status st = choose_form(out, err);
    if (st) return st;
    out->names = mp_arena_alloc(arena, n * sizeof *out->names + 1, 8);
    out->widths = mp_arena_alloc(arena, n * sizeof *out->widths + 1, 8);
    out->at = mp_arena_alloc(arena, n * sizeof *out->at + 1, 8);
    out->nulls = mp_arena_alloc(arena, n * sizeof *out->nulls + 1, 8);
    out->sets = mp_arena_alloc(arena, (2 * n + 1) * sizeof *out->sets, 8);
    bool named = out->names != NULL;
    for (size_t c = 0; named && c < n; c++)
        named = (out->names[c] = mp_h5_link_name(rows->names[c], arena)) != NULL;
    if (!named || !out->widths || !out->at || !out->nulls || !out->sets)
        return mp_mem_error(arena->mem, n * sizeof *out->sets, err);
    st = find_widths(out, seen, &row_bytes, err);
    if (st) return st;
    list_sets(out, row_bytes);
    cut_sets(out, row_bytes);
    return MP_OK;
}

/* ---- filling ---- */

void mp_h5_unit_begin(const mp_h5_plan *p, mp_h5_unit *u) {
    for (int64_t i = 0; u->texts && i < u->n_rows; i++)
        u->texts[i] = u->rows[i] + p->rows.fixed_bytes;
}

/* The bytes of a string, no more than its place in the file has and the records hold. */
static inline uint32_t put_text(const mp_h5_unit *u, const uint8_t *text, uint32_t len,
                                uint32_t width, uint8_t *out) {
    if (len > width || len > (size_t)(u->end - text)) return 0;
    memcpy(out, text, len);
    return len;
}

/* A number or bool, little-endian, in width bytes, which hold it. */
static inline void put_fixed(mp_type type, const uint8_t *in, uint32_t width, uint8_t *out) {
    if (width == 8) {
        memcpy(out, in, 8);
    } else if (type == MP_FLOAT64) {
        double v;
        memcpy(&v, in, sizeof v);
        float narrow = (float)v;
        memcpy(out, &narrow, sizeof narrow);
    } else {
        memcpy(out, in, width);
    }
}

static void fill_table(const mp_h5_plan *p, const mp_h5_unit *u, int64_t from, int64_t n,
                       size_t element_bytes, uint8_t *out) {
    const mp_h5_rows *r = &p->rows;
    for (int64_t i = 0; i < n; i++, out += element_bytes) {
        const uint8_t *row = u->rows[from + i], *text = row + r->fixed_bytes;
        for (int c = 0; c < r->n_cols; c++) {
            const uint8_t *in = row + r->fixed_at[c];
            uint8_t *to = out + p->at[c];
            if (r->types[c] == MP_STRING)
                text += put_text(u, text, mp_h5_load32(in), p->widths[c], to);
            else
                put_fixed(r->types[c], in, p->widths[c], to);
        }
    }
}

static void fill_values(const mp_h5_plan *p, int c, mp_h5_unit *u, int64_t from, int64_t n,
                        uint8_t *out) {
    mp_type type = p->rows.types[c];
    uint32_t at = p->rows.fixed_at[c], width = p->widths[c];
    for (int64_t i = from; i < from + n; i++, out += width) {
        const uint8_t *in = u->rows[i] + at;
        if (type == MP_STRING)
            u->texts[i] += put_text(u, u->texts[i], mp_h5_load32(in), width, out);
        else
            put_fixed(type, in, width, out);
    }
}

static void fill_nulls(int c, const mp_h5_unit *u, int64_t from, int64_t n, uint8_t *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = mp_h5_is_null(u->rows[from + i], c);
}

static void fill_index(const mp_h5_unit *u, int64_t from, int64_t n, uint8_t *out) {
    for (int64_t i = 0; i < n; i++) {
        int64_t row = u->first_row + from + i;
        memcpy(out + i * (int64_t)sizeof row, &row, sizeof row);
    }
}

void mp_h5_unit_fill(const mp_h5_plan *p, const mp_h5_set *s, mp_h5_unit *u, int64_t from,
                     int64_t n, uint8_t *out) {
    switch (s->kind) {
    case MP_H5_SET_TABLE:
        fill_table(p, u, from, n, s->element_bytes, out);
        break;
    case MP_H5_SET_VALUES:
        fill_values(p, s->c, u, from, n, out);
        break;
    case MP_H5_SET_INDEX:
        fill_index(u, from, n, out);
        break;
    default:
        fill_nulls(s->c, u, from, n, out);
        break;
    }
}
