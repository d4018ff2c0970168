/* h5_library.c - rows through the HDF5 library. See h5_library.h. */
#include "io/h5/h5_library.h"

#include "io/h5/h5_in.h"
#include "io/h5/h5_packed.h"
#include "io/h5/h5_serve.h"

struct mp_h5_library {
    const mp_h5_layout *l;
    mp_mem *mem;
    hid_t file;
    hid_t *dsets, *types; /* by array; -1: not open yet */
};

static mp_status broken(mp_error *err, const char *path, const char *what) {
    return mp_error_set(err, MP_DATA, "broken HDF5 file", "%s: %s", path, what);
}

mp_status mp_h5_library_open(const mp_h5_layout *l, const char *path, mp_mem *mem,
                             mp_h5_library **out, mp_error *err) {
    mp_h5_library *lib = mp_mem_calloc(mem, 1, sizeof *lib);
    size_t n = (size_t)l->n_arrays;
    *out = lib;
    if (!lib) return mp_mem_error(mem, sizeof *lib, err);
    *lib = (mp_h5_library){.l = l, .mem = mem, .file = -1};
    lib->dsets = mp_mem_alloc(mem, n * sizeof *lib->dsets);
    lib->types = mp_mem_alloc(mem, n * sizeof *lib->types);
    if (!lib->dsets || !lib->types) {
        mp_mem_free(mem, lib->dsets);
        mp_mem_free(mem, lib->types);
        mp_mem_free(mem, lib);
        *out = NULL;
        return mp_mem_error(mem, n * 16, err);
    }
    for (size_t i = 0; i < n; i++)
        lib->dsets[i] = lib->types[i] = -1;
    mp_h5_library_setup();
    lib->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (lib->file >= 0) return MP_OK;
    mp_h5_library_close(out);
    return broken(err, path, "the library cannot open it any more");
}

void mp_h5_library_close(mp_h5_library **lib) {
    if (!*lib) return;
    for (int i = 0; i < (*lib)->l->n_arrays; i++) {
        if ((*lib)->types[i] >= 0) H5Tclose((*lib)->types[i]);
        if ((*lib)->dsets[i] >= 0) H5Dclose((*lib)->dsets[i]);
    }
    if ((*lib)->file >= 0) H5Fclose((*lib)->file);
    mp_mem_free((*lib)->mem, (*lib)->dsets);
    mp_mem_free((*lib)->mem, (*lib)->types);
    mp_mem_free((*lib)->mem, *lib);
    *lib = NULL;
}

/* ---- the type in memory ---- */

/* A record of one field, named by its path (a.b), around the value. */
static hid_t wrap(const char *field, hid_t value) {
    size_t n = strcspn(field, ".");
    char name[1024];
    if (n >= sizeof name) return -1;
    memcpy(name, field, n);
    name[n] = 0;
    hid_t inner = field[n] ? wrap(field + n + 1, value) : H5Tcopy(value);
    hid_t record = inner >= 0 ? H5Tcreate(H5T_COMPOUND, H5Tget_size(inner)) : -1;
    if (record >= 0 && H5Tinsert(record, name, 0, inner) < 0) {
        H5Tclose(record);
        record = -1;
    }
    if (inner >= 0) H5Tclose(inner);
    return record;
}

/* Field names may have dots of their own: then the whole is the name. */
static hid_t wrap_field(hid_t own, const char *field, hid_t value) {
    if (H5Tget_member_index(own, field) < 0) return wrap(field, value);
    hid_t record = H5Tcreate(H5T_COMPOUND, H5Tget_size(value));
    if (record >= 0 && H5Tinsert(record, field, 0, value) < 0) {
        H5Tclose(record);
        record = -1;
    }
    return record;
}

/* The character set of a text has to be the file's own. */
static hid_t text_type(hid_t own, const char *field) {
    hid_t text = H5Tcopy(H5T_C_S1);
    H5T_cset_t set = H5T_CSET_ASCII;
    hid_t at = mp_h5_field_type(own, field);
    if (at >= 0 && H5Tget_class(at) == H5T_STRING) set = H5Tget_cset(at);
    if (at >= 0) H5Tclose(at);
    H5Tset_size(text, H5T_VARIABLE);
    H5Tset_cset(text, set);
    return text;
}

static hid_t memory_type(const mp_h5_array *a, hid_t own) {
    hid_t value = a->as == MP_H5_AS_DOUBLE ? H5Tcopy(H5T_NATIVE_DOUBLE)
                  : a->as == MP_H5_AS_INT  ? H5Tcopy(H5T_NATIVE_INT64)
                  : a->as == MP_H5_AS_STR  ? text_type(own, a->field)
                                           : mp_h5_field_type(own, a->field);
    if (!a->field || value < 0) return value;
    hid_t record = wrap_field(own, a->field, value);
    H5Tclose(value);
    return record;
}

static mp_status open_array(mp_h5_library *lib, int32_t i, mp_error *err) {
    const mp_h5_array *a = &lib->l->arrays[i];
    if (lib->dsets[i] >= 0) return MP_OK;
    lib->dsets[i] = H5Dopen2(lib->file, a->path, H5P_DEFAULT);
    hid_t own = lib->dsets[i] >= 0 ? H5Dget_type(lib->dsets[i]) : -1;
    if (own >= 0) {
        lib->types[i] = memory_type(a, own);
        H5Tclose(own);
    }
    if (lib->types[i] < 0) return broken(err, a->path, "the dataset cannot be opened any more");
    int64_t want = a->as == MP_H5_AS_STR ? (int64_t)sizeof(char *) : a->elem_bytes;
    if ((int64_t)H5Tget_size(lib->types[i]) == want) return MP_OK;
    return broken(err, a->path, "its type is another than before");
}

/* ---- reading ---- */

/* Pointers of the library's to texts of our own; from the last on, since an mp_str is longer. */
static mp_status keep_texts(uint8_t *out, int64_t n, mp_buf *text, mp_error *err) {
    size_t total = 0, at = 0;
    for (int64_t i = 0; i < n; i++) {
        char *p;
        memcpy(&p, out + (size_t)i * sizeof p, sizeof p);
        if (p) total += strlen(p);
    }
    mp_buf_clear(text);
    if (!mp_buf_reserve(text, total + 16)) return mp_buf_check(text, err);
    text->len = at = total;
    for (int64_t i = n - 1; i >= 0; i--) {
        char *p;
        memcpy(&p, out + (size_t)i * sizeof p, sizeof p);
        size_t len = p ? strlen(p) : 0;
        at -= len;
        if (len) memcpy(text->data + at, p, len);
        mp_str s = mp_str_of((char *)text->data + at, len);
        memcpy(out + (size_t)i * sizeof s, &s, sizeof s);
    }
    return MP_OK;
}

static mp_status read_texts(mp_h5_library *lib, int32_t i, hid_t memory, hid_t rows, int64_t n,
                            uint8_t *out, mp_buf *text, mp_error *err) {
    const mp_h5_array *a = &lib->l->arrays[i];
    hsize_t count = (hsize_t)n;
    if (H5Dread(lib->dsets[i], lib->types[i], memory, rows, H5P_DEFAULT, out) < 0)
        return broken(err, a->path, "its rows cannot be read");
    uint8_t *pointers = mp_mem_alloc(lib->mem, (size_t)n * sizeof(char *) + 1);
    if (!pointers) return mp_mem_error(lib->mem, (size_t)n * sizeof(char *), err);
    memcpy(pointers, out, (size_t)n * sizeof(char *));
    mp_status st = keep_texts(out, n, text, err);
    hid_t space = H5Screate_simple(1, &count, NULL);
    if (space >= 0) {
        H5Dvlen_reclaim(lib->types[i], space, H5P_DEFAULT, pointers);
        H5Sclose(space);
    }
    mp_mem_free(lib->mem, pointers);
    return st;
}

mp_status mp_h5_library_read(mp_h5_library *lib, int32_t array, int64_t row, int64_t n,
                             uint8_t *out, mp_buf *text, mp_error *err) {
    const mp_h5_array *a = &lib->l->arrays[array];
    hsize_t start[MP_H5_MAX_DIMS] = {0}, count[MP_H5_MAX_DIMS], room[MP_H5_MAX_DIMS];
    hsize_t none[MP_H5_MAX_DIMS] = {0};
    int64_t values = 1;
    if (a->as == MP_H5_AS_SPANS || a->as == MP_H5_AS_BITS)
        return mp_h5_packed_read(lib->file, a, row, n, out, text, lib->mem, err);
    mp_status st = open_array(lib, array, err);
    if (st) return st;
    for (int d = 0; d < a->n_dims; d++) {
        start[d] = d == a->row_dim ? (hsize_t)row : 0;
        count[d] = d == a->row_dim ? (hsize_t)n : (hsize_t)a->dims[d];
        room[d] = (hsize_t)a->chunk_dims[d];
        if (a->as == MP_H5_AS_STR) room[d] = count[d];
        values *= (int64_t)count[d];
    }
    memset(out, 0, (size_t)a->chunk_bytes);
    hid_t rows = H5Dget_space(lib->dsets[array]), memory = H5Screate_simple(a->n_dims, room, NULL);
    bool ok = rows >= 0 && memory >= 0 &&
              H5Sselect_hyperslab(rows, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
              H5Sselect_hyperslab(memory, H5S_SELECT_SET, none, NULL, count, NULL) >= 0;
    if (!ok)
        st = broken(err, a->path, "its rows cannot be chosen");
    else if (a->as == MP_H5_AS_STR)
        st = read_texts(lib, array, memory, rows, values, out, text, err);
    else if (H5Dread(lib->dsets[array], lib->types[array], memory, rows, H5P_DEFAULT, out) < 0)
        st = broken(err, a->path, "its rows cannot be read");
    if (memory >= 0) H5Sclose(memory);
    if (rows >= 0) H5Sclose(rows);
    return st;
}
