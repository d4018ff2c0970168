/* h5_build.c - a layout under construction: arrays with their storage, columns in them.
 * Invariant: an array is made once for a dataset (and field); what cannot be read makes its columns
 * unreadable, not the table. */

#include "io/h5/h5_in.h"

enum { PIECE_BYTES = 1 << 20, MOST_COLUMNS = 1 << 20 };

void mp_h5_build_init(mp_h5_build *b, mp_h5_in *in, const char *kind) {
    *b = (mp_h5_build){.in = in,
                       .kind = kind,
                       .columns = {.size = sizeof(mp_h5_column)},
                       .hidden = {.size = sizeof(mp_h5_column)},
                       .arrays = {.size = sizeof(mp_h5_array)},
                       .dicts = {.size = sizeof(mp_h5_dict)}};
}

mp_h5_array *mp_h5_array_at(mp_h5_build *b, int32_t i) {
    return (mp_h5_array *)b->arrays.items + i;
}

mp_h5_column *mp_h5_column_at(mp_h5_build *b, size_t i) {
    return (mp_h5_column *)b->columns.items + i;
}

mp_h5_column *mp_h5_add_column(mp_h5_build *b, const char *name) {
    if (b->columns.n >= MOST_COLUMNS) {
        (void)mp_h5_broken(b->in, name, "more than a million columns");
        return NULL;
    }
    mp_h5_column *c = mp_h5_list_add(b->in, &b->columns);
    if (c) *c = (mp_h5_column){.name = name, .dict = -1, .mask = -1};
    return c;
}

/* ---- filters ---- */

static const struct {
    H5Z_filter_t id;
    const char *name, *package;
} known_filters[] = {{4, "szip", NULL},
                     {5, "nbit", NULL},
                     {6, "scaleoffset", NULL},
                     {305, "lzo", NULL},
                     {307, "bzip2", "hdf5-filter-plugin"},
                     {32001, "blosc", "hdf5-filter-plugin-blosc-serial"},
                     {32004, "lz4", "hdf5-filter-plugin"},
                     {32008, "bitshuffle", NULL},
                     {32013, "zfp", "hdf5-filter-plugin-zfp-serial"},
                     {32015, "zstd", NULL},
                     {32026, "blosc2", NULL}};

/* "filter 'blosc' (32001) is not here: ..." */
static const char *filter_missing(mp_h5_in *in, H5Z_filter_t id, const char *own_name) {
    const char *name = own_name, *package = NULL;
    for (size_t i = 0; i < sizeof known_filters / sizeof *known_filters; i++)
        if (known_filters[i].id == id) {
            name = known_filters[i].name;
            package = known_filters[i].package;
        }
    if (!name || !*name) name = "unnamed";
    if (package)
        return mp_h5_text(in,
                          "its data are packed by the filter '%s' (%d), which is not here: install "
                          "the package %s, or set HDF5_PLUGIN_PATH to the folder of its plug-in",
                          name, (int)id, package);
    return mp_h5_text(in,
                      "its data are packed by the filter '%s' (%d), which is not here: set "
                      "HDF5_PLUGIN_PATH to the folder of its plug-in (pip's hdf5plugin has most), "
                      "or repack the file: h5repack -f GZIP=4",
                      name, (int)id);
}

/* *own: mpart's readers undo all of them. */
static mp_status read_filters(mp_h5_in *in, hid_t dcpl, mp_h5_array *a, bool *own,
                              const char **why) {
    int n = H5Pget_nfilters(dcpl);
    *own = n >= 0 && n <= MP_H5_MAX_FILTERS;
    a->n_filters = 0;
    for (int i = 0; i < n; i++) {
        unsigned flags, values[32] = {0}, config;
        size_t n_values = sizeof values / sizeof *values;
        char name[64] = "";
        H5Z_filter_t id = H5Pget_filter2(dcpl, (unsigned)i, &flags, &n_values, values, sizeof name,
                                         name, &config);
        bool ours =
            id == MP_H5_DEFLATE || id == MP_H5_SHUFFLE || id == MP_H5_FLETCHER32 || id == MP_H5_LZF;
        if (id < 0) return mp_h5_broken(in, a->path, "its filters cannot be read");
        if (!ours && H5Zfilter_avail(id) <= 0 && !*why) *why = filter_missing(in, id, name);
        *own = *own && ours;
        if (!*own) continue;
        uint32_t value = id == MP_H5_SHUFFLE && n_values > 0 ? values[0] : 0;
        a->filters[a->n_filters++] = (mp_h5_filter){.id = id, .value = value};
    }
    if (!*own) a->n_filters = 0;
    return MP_OK;
}

/* ---- storage ---- */

/* Through the library: pieces of whole rows, chunks whole. */
static void by_library(mp_h5_array *a, int64_t chunk_rows) {
    a->storage = MP_H5_LIBRARY;
    a->n_filters = 0;
    a->n_chunks = 0;
    a->chunks = NULL;
    int64_t row = mp_h5_row_bytes(a), rows = chunk_rows;
    if (row < 1) row = 1;
    if (rows < PIECE_BYTES / row) rows = PIECE_BYTES / row / rows * rows;
    for (int d = 0; d < a->n_dims; d++)
        a->chunk_dims[d] = a->dims[d] > 0 ? a->dims[d] : 1;
    a->chunk_dims[a->row_dim] = rows;
}

static void read_fill(mp_h5_in *in, hid_t dcpl, hid_t type, mp_h5_array *a) {
    H5D_fill_value_t defined;
    if (mp_h5_has_vlen(type) || H5Tdetect_class(type, H5T_REFERENCE) > 0) return;
    if (H5Pfill_value_defined(dcpl, &defined) < 0 || defined != H5D_FILL_VALUE_USER_DEFINED) return;
    uint8_t *fill = mp_h5_take(in, (size_t)a->elem_bytes, 1);
    if (fill && H5Pget_fill_value(dcpl, type, fill) >= 0) a->fill = fill;
}

static mp_status choose_storage(mp_h5_in *in, hid_t dset, hid_t dcpl, mp_h5_array *a,
                                const char **why) {
    H5D_layout_t layout = H5Pget_layout(dcpl);
    haddr_t address = HADDR_UNDEF;
    hsize_t chunk[MP_H5_MAX_DIMS];
    bool own = a->as == MP_H5_AS_FILE && !a->field, found = false;
    a->storage = MP_H5_LIBRARY;
    for (int d = 0; d < a->n_dims; d++)
        a->chunk_dims[d] = a->dims[d] > 0 ? a->dims[d] : 1;
    if (layout == H5D_CONTIGUOUS && H5Pget_external_count(dcpl) == 0) address = H5Dget_offset(dset);
    if (layout == H5D_CONTIGUOUS && address != HADDR_UNDEF && own) {
        a->storage = MP_H5_FLAT;
        a->address = (int64_t)address;
    }
    if (layout != H5D_CHUNKED) {
        if (a->storage == MP_H5_LIBRARY) by_library(a, 1);
        return MP_OK;
    }
    if (H5Pget_chunk(dcpl, a->n_dims, chunk) != a->n_dims)
        return mp_h5_broken(in, a->path, "the shape of its chunks cannot be read");
    for (int d = 0; d < a->n_dims; d++) {
        if (chunk[d] < 1 || chunk[d] > UINT32_MAX)
            return mp_h5_broken(in, a->path, "the shape of its chunks is wrong");
        a->chunk_dims[d] = (int64_t)chunk[d];
    }
    /* the library believes both, and reads past the end of a chunk where they differ */
    hid_t type = H5Dget_type(dset);
    int64_t element = mp_h5_chunk_element(in, dset, a);
    bool same = type >= 0 && (element == 0 || !in->wide || element == mp_h5_file_bytes(type));
    if (type >= 0) H5Tclose(type);
    if (!same) return mp_h5_broken(in, a->path, "its chunks are of another type");
    bool filters = false;
    mp_status st = read_filters(in, dcpl, a, &filters, why);
    if (st || *why) return st;
    if (own && filters) st = mp_h5_read_index(in, dset, a, &found);
    if (found)
        a->storage = MP_H5_CHUNKED;
    else if (!st)
        by_library(a, a->chunk_dims[a->row_dim]);
    return st;
}

static int64_t element_bytes(const mp_h5_array *a, hid_t type) {
    if (a->as != MP_H5_AS_FILE) return a->as == MP_H5_AS_STR ? (int64_t)sizeof(mp_str) : 8;
    if (!a->field) return mp_h5_file_bytes(type);
    hid_t field = mp_h5_field_type(type, a->field);
    int64_t n = field >= 0 ? (int64_t)H5Tget_size(field) : 0;
    if (field >= 0) H5Tclose(field);
    return n;
}

static mp_status fill_array(mp_h5_in *in, hid_t dset, mp_h5_array *a, const char **why) {
    hsize_t dims[MP_H5_MAX_DIMS];
    hid_t type = H5Dget_type(dset), space = H5Dget_space(dset);
    hid_t dcpl = H5Dget_create_plist(dset);
    bool ok = type >= 0 && space >= 0 && dcpl >= 0;
    a->n_dims = ok ? H5Sget_simple_extent_ndims(space) : -1;
    ok = a->n_dims >= 1 && a->n_dims <= MP_H5_MAX_DIMS && a->row_dim < a->n_dims &&
         H5Sget_simple_extent_dims(space, dims, NULL) == a->n_dims;
    a->elem_bytes = ok ? element_bytes(a, type) : 0;
    mp_status st = MP_OK;
    for (int d = 0; ok && d < a->n_dims; d++) {
        ok = dims[d] <= INT64_MAX / 8;
        a->dims[d] = (int64_t)dims[d];
    }
    if (!ok || a->elem_bytes < 1 || a->elem_bytes > MP_H5_MAX_ELEMENT) {
        st = mp_h5_broken(in, a->path, "its shape or type cannot be read");
    } else {
        a->n_rows = a->dims[a->row_dim];
        st = mp_h5_check_sources(in, a->path, dset);
        if (!st) st = choose_storage(in, dset, dcpl, a, why);
        if (!st && a->storage == MP_H5_CHUNKED) read_fill(in, dcpl, type, a);
    }
    if (dcpl >= 0) H5Pclose(dcpl);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return st;
}

mp_status mp_h5_add_array(mp_h5_build *b, const char *path, hid_t dset, int row_dim,
                          const char *field, mp_h5_as as, int32_t *out, const char **why) {
    *why = NULL;
    mp_h5_array *a = mp_h5_list_add(b->in, &b->arrays);
    if (!a) return MP_NOMEM;
    *a = (mp_h5_array){.path = path, .field = field, .as = as, .row_dim = row_dim};
    mp_status st = fill_array(b->in, dset, a, why);
    if (st || *why) b->arrays.n--;
    *out = (int32_t)b->arrays.n - 1;
    return st;
}

void mp_h5_place_column(const mp_h5_array *a, int64_t inner, int64_t offset, mp_h5_column *c) {
    int64_t grid = 1, step = a->elem_bytes;
    c->chunk = 0;
    c->at = offset;
    for (int d = a->n_dims - 1; d >= 0; d--) {
        int64_t dim = a->dims[d], q = a->storage == MP_H5_FLAT ? dim : a->chunk_dims[d], x = 0;
        if (d == a->row_dim) {
            c->stride = step;
        } else {
            x = inner % dim;
            inner /= dim;
        }
        c->chunk += x / q * grid;
        c->at += x % q * step;
        if (a->storage != MP_H5_FLAT) grid *= mp_h5_grid(a, d);
        step *= q;
    }
}

/* ---- the end ---- */

mp_status mp_h5_build_layout(mp_h5_build *b, const char *object, mp_h5_layout *out) {
    size_t n = b->columns.n, n_hidden = b->hidden.n;
    mp_h5_column *all = mp_h5_take(b->in, n + n_hidden, sizeof *all);
    if (!all) return MP_NOMEM;
    if (n) memcpy(all, b->columns.items, n * sizeof *all);
    if (n_hidden) memcpy(all + n, b->hidden.items, n_hidden * sizeof *all);
    for (size_t i = 0; i < n; i++)
        if (all[i].mask >= 0) all[i].mask += (int32_t)n;
    *out = (mp_h5_layout){.object = object,
                          .kind = b->kind,
                          .n_rows = b->n_rows,
                          .base = b->in->base,
                          .n_columns = (int32_t)n,
                          .n_hidden = (int32_t)n_hidden,
                          .columns = all,
                          .n_arrays = (int32_t)b->arrays.n,
                          .arrays = b->arrays.items,
                          .n_dicts = (int32_t)b->dicts.n,
                          .dicts = b->dicts.items};
    return MP_OK;
}
