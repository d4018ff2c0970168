/* h5_vaex.c - vaex' tables: a group columns, in it a group a column, with its values in data; texts are end to end, with
 * offsets in indices; nulls are a mask, or bits in null_bitmap.
 * Invariant: what has another form makes its column unreadable, not the table. */
#include "io/h5/h5_in.h"

enum { PIECE_BYTES = 4 << 20, MOST_ROWS = 64 << 10, LEAST_ROWS = 1 << 10 };

static bool exists(mp_h5_in *in, const char *path) {
    return H5Lexists(in->file, path, H5P_DEFAULT) > 0;
}

/* Elements of a list; -1: it is none. */
static int64_t list_length(mp_h5_in *in, const char *path, H5T_class_t *cls) {
    hid_t dset = H5Dopen2(in->file, path, H5P_DEFAULT);
    hid_t space = dset >= 0 ? H5Dget_space(dset) : -1, type = dset >= 0 ? H5Dget_type(dset) : -1;
    hsize_t n = 0;
    bool list = space >= 0 && type >= 0 && H5Sget_simple_extent_ndims(space) == 1 &&
                H5Sget_simple_extent_dims(space, &n, NULL) == 1 && n < INT64_MAX / 16;
    *cls = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    if (dset >= 0) H5Dclose(dset);
    return list ? (int64_t)n : -1;
}

/* An array that h5_packed reads, of pieces of rows. */
static mp_status add_packed(mp_h5_build *b, const char *path, mp_h5_as as, int64_t n_rows,
                            int64_t rows, mp_h5_column *c) {
    mp_h5_array *a = mp_h5_list_add(b->in, &b->arrays);
    if (!a) return MP_NOMEM;
    int64_t bytes = as == MP_H5_AS_SPANS ? (int64_t)sizeof(mp_str) : 8;
    *a = (mp_h5_array){.path = path,
                       .storage = MP_H5_LIBRARY,
                       .as = as,
                       .n_rows = n_rows,
                       .elem_bytes = bytes,
                       .n_dims = 1,
                       .dims = {n_rows},
                       .chunk_dims = {rows}};
    c->array = (int32_t)b->arrays.n - 1;
    c->size = (uint32_t)bytes;
    c->stride = bytes;
    return MP_OK;
}

/* Bits of nulls, as a hidden column. */
static mp_status add_bits(mp_h5_build *b, const char *path, int32_t *mask) {
    H5T_class_t cls;
    int64_t n = list_length(b->in, path, &cls);
    if (cls != H5T_INTEGER || n < (b->n_rows + 7) / 8)
        return mp_h5_broken(b->in, path, "the bits of its nulls are not those of all rows");
    mp_h5_column *c = mp_h5_list_add(b->in, &b->hidden);
    if (!c) return MP_NOMEM;
    *c = (mp_h5_column){.name = "null", .form = MP_H5_INT, .type = MP_BOOL, .dict = -1, .mask = -1};
    *mask = (int32_t)b->hidden.n - 1;
    return add_packed(b, path, MP_H5_AS_BITS, b->n_rows, MOST_ROWS, c);
}

static mp_status unreadable(mp_h5_build *b, const char *name, const char *why) {
    mp_h5_column *c = mp_h5_add_column(b, name);
    if (!c) return MP_NOMEM;
    c->form = MP_H5_UNREADABLE;
    c->type = MP_STRING;
    c->why = why;
    return MP_OK;
}

static mp_status add_texts(mp_h5_build *b, const char *path, const char *data,
                           const char *indices) {
    H5T_class_t of_data, of_indices;
    int64_t bytes = list_length(b->in, data, &of_data);
    int64_t n = list_length(b->in, indices, &of_indices) - 1;
    if (bytes < 0 || n < 0 || of_indices != H5T_INTEGER)
        return mp_h5_broken(b->in, path, "its texts have no offsets");
    if (b->rows_known && n != b->n_rows)
        return mp_h5_broken(b->in, path, "its rows are not as many as those of other columns");
    b->rows_known = true;
    b->n_rows = n;
    mp_h5_column *c = mp_h5_add_column(b, mp_h5_base_name(path));
    if (!c) return MP_NOMEM;
    c->form = MP_H5_STR;
    c->type = MP_STRING;
    int64_t rows = PIECE_BYTES / ((int64_t)sizeof(mp_str) + (n ? bytes / n : 0));
    rows = rows < LEAST_ROWS ? LEAST_ROWS : rows > MOST_ROWS ? MOST_ROWS : rows;
    return add_packed(b, path, MP_H5_AS_SPANS, n, rows, c);
}

static mp_status add_values(mp_h5_build *b, const char *path, const char *data) {
    mp_h5_in *in = b->in;
    mp_status st = mp_h5_add_dataset(b, data, mp_h5_base_name(path), false);
    if (st) return st;
    hid_t dset = H5Dopen2(in->file, data, H5P_DEFAULT);
    const char *dtype = dset >= 0 ? mp_h5_attr_text(in, dset, "dtype") : NULL;
    if (dset >= 0) H5Dclose(dset);
    mp_h5_column *c = mp_h5_column_at(b, b->columns.n - 1);
    if (dtype && strstr(dtype, "datetime64[ns]") && c->type == MP_INT64) {
        c->type = MP_TIMESTAMP;
        c->unit_ns = 1;
        c->has_null = true;
        c->null_int = INT64_MIN;
    }
    return MP_OK;
}

static mp_status add_column(mp_h5_build *b, const char *path) {
    mp_h5_in *in = b->in;
    const char *data = mp_h5_join(in, path, "data"), *mask = mp_h5_join(in, path, "mask");
    const char *indices = mp_h5_join(in, path, "indices"),
               *bits = mp_h5_join(in, path, "null_bitmap");
    if (!data || !mask || !indices || !bits) return MP_NOMEM;
    if (!exists(in, data)) /* dictionary_encoded, and whatever comes */
        return unreadable(b, mp_h5_base_name(path),
                          "a column of vaex that is no plain one: make it one before the export, "
                          "df[x] = df[x].astype('str')");
    mp_status st =
        exists(in, indices) ? add_texts(b, path, data, indices) : add_values(b, path, data);
    if (st) return st;
    size_t at = b->columns.n - 1;
    int32_t hidden = -1;
    if (exists(in, bits))
        st = add_bits(b, bits, &hidden);
    else if (exists(in, mask))
        st = mp_h5_add_mask(b, mask, &hidden);
    mp_h5_column_at(b, at)->mask = hidden;
    return st;
}

mp_status mp_h5_make_vaex(mp_h5_build *b, const mp_h5_list *nodes, int32_t i) {
    const mp_h5_node *all = nodes->items;
    b->kind = "vaex table";
    mp_status st = MP_OK;
    const char *columns = mp_h5_join(b->in, all[i].path, "columns");
    if (!columns) return MP_NOMEM;
    size_t n = strlen(columns);
    for (int32_t k = i + 1; k < (int32_t)nodes->n && !st; k++) {
        const mp_h5_node *c = &all[k];
        if (c->depth <= all[i].depth) break;
        bool column = c->kind == 'g' && strncmp(c->path, columns, n) == 0 && c->path[n] == '/' &&
                      !strchr(c->path + n + 1, '/');
        if (column) st = add_column(b, c->path);
    }
    return st;
}
