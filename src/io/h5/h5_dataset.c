/* h5_dataset.c - the columns of one dataset: its fields, its inner places, or itself.
 * Invariant: every column has a name of its own place; what an element needs the library for goes
 * through an array of its own, so the other fields do not. */
#include "io/h5/h5_in.h"

enum { MOST_INNER = 1 << 20, MOST_NESTED = 8 };

typedef struct {
    mp_h5_build *b;
    const char *path;
    hid_t dset;
    int32_t array; /* of whole elements */
    const char *why;
    int row_dim;
    bool grows;    /* texts of variable length: records are longer in the file than in memory */
    bool by_field; /* the library makes memory for records: their fields are read one by one */
} dataset;

static const char *named(mp_h5_in *in, const char *base, int64_t i, int64_t n, const char *sep) {
    return n == 1 ? base : mp_h5_text(in, "%s%s%lld", base, sep, (long long)i + 1);
}

static mp_status unreadable(dataset *d, const char *name, const char *why) {
    mp_h5_column *c = mp_h5_add_column(d->b, name);
    if (!c) return MP_NOMEM;
    c->form = MP_H5_UNREADABLE;
    c->type = MP_STRING;
    c->why = why;
    return MP_OK;
}

/* One column of element e at a place of the array's rows. */
static mp_status add(dataset *d, const char *name, int32_t array, const mp_h5_element *e,
                     int64_t inner, int64_t offset) {
    mp_h5_column *c = mp_h5_add_column(d->b, name);
    if (!c) return MP_NOMEM;
    *c = e->form;
    c->name = name;
    c->array = array;
    mp_h5_place_column(mp_h5_array_at(d->b, array), inner, offset, c);
    return MP_OK;
}

/* How the library is to read the element where mpart cannot; AS_FILE: no need. */
static mp_h5_as library_form(const dataset *d, const mp_h5_element *e) {
    if (e->as != MP_H5_AS_FILE) return e->as;
    bool heap = e->form.form == MP_H5_HEAP;
    return heap && mp_h5_array_at(d->b, d->array)->storage == MP_H5_LIBRARY ? MP_H5_AS_STR
                                                                            : MP_H5_AS_FILE;
}

static void as_library_gives(mp_h5_element *e, mp_h5_as as) {
    if (as == MP_H5_AS_FILE) return;
    e->form.big_endian = false;
    e->form.size = 8;
    if (as != MP_H5_AS_STR) return;
    e->form.form = MP_H5_STR;
    e->form.size = sizeof(mp_str);
}

/* The element at offset of the record (n of them in a row: an array field), named name. */
static mp_status add_element(dataset *d, const char *name, hid_t type, int64_t offset, int64_t n,
                             const char *field) {
    mp_h5_element e;
    mp_status st = mp_h5_element_of(d->b, type, &e);
    if (st) return st;
    if (e.why) return unreadable(d, name, e.why);
    mp_h5_as as = library_form(d, &e);
    bool own = d->by_field || as != MP_H5_AS_FILE;
    if ((as != MP_H5_AS_FILE || !field) && own && n != 1)
        return unreadable(d, name, "an array of such values");
    int32_t array = d->array;
    if (own) {
        const char *why;
        st = mp_h5_add_array(d->b, d->path, d->dset, d->row_dim, field, as, &array, &why);
        if (st) return st;
        if (why) return unreadable(d, name, why);
        as_library_gives(&e, as);
        offset = 0;
    }
    for (int64_t i = 0; i < n && !st; i++) {
        const char *place = named(d->b->in, name, i, n, "_");
        st = place ? add(d, place, array, &e, 0, offset + i * (int64_t)e.form.size) : MP_NOMEM;
    }
    return st;
}

static mp_status add_array_field(dataset *d, const char *name, hid_t type, int64_t offset) {
    hsize_t dims[MP_H5_MAX_DIMS];
    int n_dims = H5Tget_array_ndims(type);
    hid_t base = H5Tget_super(type);
    int64_t n = 1;
    bool ok =
        base >= 0 && n_dims > 0 && n_dims <= MP_H5_MAX_DIMS && H5Tget_array_dims2(type, dims) >= 0;
    for (int i = 0; ok && i < n_dims; i++) {
        ok = dims[i] < MOST_INNER && n * (int64_t)dims[i] < MOST_INNER;
        n *= (int64_t)dims[i];
    }
    bool nested = ok && (H5Tget_class(base) == H5T_COMPOUND || H5Tget_class(base) == H5T_ARRAY);
    mp_status st = !ok || nested ? unreadable(d, name, "an array of that kind")
                                 : add_element(d, name, base, offset, n, name);
    if (base >= 0) H5Tclose(base);
    return st;
}

static mp_status add_fields(dataset *d, hid_t type, const char *prefix, int64_t offset, int level);

/* Bytes by which the fields before this one are longer in the file than in memory. */
static int64_t growth_before(hid_t record, size_t offset) {
    int64_t more = 0;
    int n = H5Tget_nmembers(record);
    for (int i = 0; i < n; i++) {
        if (H5Tget_member_offset(record, (unsigned)i) >= offset) continue;
        hid_t type = H5Tget_member_type(record, (unsigned)i);
        if (type < 0) continue;
        more += mp_h5_file_bytes(type) - (int64_t)H5Tget_size(type);
        H5Tclose(type);
    }
    return more;
}

static mp_status add_field(dataset *d, hid_t record, unsigned i, const char *prefix, int64_t offset,
                           int level) {
    hid_t type = H5Tget_member_type(record, i);
    char *own = H5Tget_member_name(record, i);
    const char *name = NULL;
    if (type >= 0 && own) name = mp_h5_text(d->b->in, "%s%s%s", prefix, *prefix ? "." : "", own);
    H5free_memory(own);
    mp_status st = MP_OK;
    size_t here = H5Tget_member_offset(record, i);
    int64_t at = offset + (int64_t)here + (d->grows ? growth_before(record, here) : 0);
    if (type < 0)
        st = mp_h5_broken(d->b->in, d->path, "a field of its records cannot be read");
    else if (!name)
        st = MP_NOMEM;
    else if (H5Tget_class(type) == H5T_COMPOUND && level < MOST_NESTED)
        st = add_fields(d, type, name, at, level + 1);
    else if (H5Tget_class(type) == H5T_ARRAY)
        st = add_array_field(d, name, type, at);
    else
        st = add_element(d, name, type, at, 1, name);
    if (type >= 0) H5Tclose(type);
    return st;
}

static mp_status add_fields(dataset *d, hid_t type, const char *prefix, int64_t offset, int level) {
    int n = H5Tget_nmembers(type);
    mp_status st = MP_OK;
    for (int i = 0; i < n && !st; i++) {
        size_t from = d->b->columns.n;
        st = add_field(d, type, (unsigned)i, prefix, offset, level);
        if (!st && level == 0 && d->b->columns.n == from + 1)
            mp_h5_apply_field_units(d->b, d->dset, from, i);
    }
    return st;
}

/* A plain array: its places beside the row are columns. */
static mp_status add_places(dataset *d, hid_t type, const char *name) {
    mp_h5_element e;
    mp_status st = mp_h5_element_of(d->b, type, &e);
    if (st) return st;
    const mp_h5_array *a = mp_h5_array_at(d->b, d->array);
    int32_t array = d->array;
    int64_t n = a->n_dims == 1 ? 1 : mp_h5_row_bytes(a) / a->elem_bytes;
    if (n < 0 || n > MOST_INNER)
        return mp_h5_broken(d->b->in, d->path, "more than a million columns");
    mp_h5_as as = e.why ? MP_H5_AS_FILE : library_form(d, &e);
    if (as != MP_H5_AS_FILE) {
        const char *why;
        st = mp_h5_add_array(d->b, d->path, d->dset, d->row_dim, NULL, as, &array, &why);
        if (st) return st;
        if (why) e.why = why;
        as_library_gives(&e, as);
    }
    bool alone = mp_h5_array_at(d->b, d->array)->n_dims == 1 || (d->row_dim > 0 && n == 1);
    for (int64_t i = 0; i < n && !st; i++) {
        const char *own = alone ? name : mp_h5_text(d->b->in, "c%lld", (long long)i + 1);
        if (!own) return MP_NOMEM;
        st = e.why ? unreadable(d, own, e.why) : add(d, own, array, &e, i, 0);
    }
    return st;
}

/* MATLAB's char: a row of the matrix is a text of UTF-16 units, which lie a column apart. */
static mp_status add_chars(dataset *d, const char *name) {
    const mp_h5_array *a = mp_h5_array_at(d->b, d->array);
    mp_h5_element e = {.form = {.form = MP_H5_UTF16, .type = MP_STRING, .dict = -1, .mask = -1}};
    int64_t units = mp_h5_row_bytes(a) / a->elem_bytes;
    if (a->elem_bytes != 2 || a->n_dims != 2 || units < 1 || units > MP_H5_MAX_ELEMENT / 2)
        return unreadable(d, name, "text of that shape");
    bool whole = a->storage == MP_H5_FLAT || a->chunk_dims[0] >= a->dims[0];
    if (!whole) return unreadable(d, name, "text in chunks of a part of its characters");
    e.form.size = (uint32_t)(2 * units);
    mp_status st = add(d, name, d->array, &e, 0, 0);
    mp_h5_column *c = mp_h5_column_at(d->b, d->b->columns.n - 1);
    int64_t step = 2 * (a->storage == MP_H5_FLAT ? a->dims[1] : a->chunk_dims[1]);
    if (!st) c->unit_step = (uint32_t)step;
    return st;
}

static mp_status note_rows(mp_h5_build *b, const char *path, int64_t n) {
    if (!b->rows_known) {
        b->rows_known = true;
        b->n_rows = n;
    }
    if (b->n_rows == n) return MP_OK;
    return mp_h5_broken(b->in, path, "it has another length than the columns beside it");
}

mp_status mp_h5_add_dataset(mp_h5_build *b, const char *path, const char *name, bool transposed) {
    mp_h5_in *in = b->in;
    hid_t dset = H5Dopen2(in->file, path, H5P_DEFAULT);
    if (dset < 0) return mp_h5_broken(in, path, "the dataset cannot be opened");
    hid_t type = H5Dget_type(dset), space = H5Dget_space(dset);
    int n_dims = space >= 0 ? H5Sget_simple_extent_ndims(space) : 0;
    dataset d = {.b = b, .path = path, .dset = dset};
    d.row_dim = transposed && n_dims > 0 ? n_dims - 1 : 0;
    size_t from = b->columns.n;
    const char *why = NULL, *matlab = mp_h5_attr_text(in, dset, "MATLAB_class");
    mp_status st = type < 0 || n_dims < 1 ? mp_h5_broken(in, path, "it is no table") : MP_OK;
    hsize_t dims[MP_H5_MAX_DIMS];
    if (!st && n_dims <= MP_H5_MAX_DIMS && H5Sget_simple_extent_dims(space, dims, NULL) == n_dims)
        st = note_rows(b, path, (int64_t)dims[d.row_dim]);
    if (!st) st = mp_h5_add_array(b, path, dset, d.row_dim, NULL, MP_H5_AS_FILE, &d.array, &why);
    d.grows = !st && mp_h5_has_vlen(type);
    d.by_field = d.grows && !why && mp_h5_array_at(b, d.array)->storage == MP_H5_LIBRARY;
    bool chars = transposed && matlab && strcmp(matlab, "char") == 0;
    if (!st && why)
        st = unreadable(&d, name, why);
    else if (!st && H5Tget_class(type) == H5T_COMPOUND)
        st = add_fields(&d, type, "", 0, 0);
    else if (!st)
        st = chars ? add_chars(&d, name) : add_places(&d, type, name);
    if (!st) mp_h5_apply_attrs(b, dset, from);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    H5Dclose(dset);
    return st;
}
