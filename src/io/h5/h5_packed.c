/* h5_packed.c - see h5_packed.h. */
#include "io/h5/h5_packed.h"

static mp_status broken(mp_error *err, const char *path, const char *what) {
    return mp_error_set(err, MP_DATA, "broken HDF5 file", "%s: %s", path, what);
}

/* Elements of a list; -1: it is no list. */
static int64_t count(hid_t dset) {
    hid_t space = H5Dget_space(dset);
    hsize_t n = 0;
    bool list = space >= 0 && H5Sget_simple_extent_ndims(space) == 1 &&
                H5Sget_simple_extent_dims(space, &n, NULL) == 1 && n < INT64_MAX / 16;
    if (space >= 0) H5Sclose(space);
    return list ? (int64_t)n : -1;
}

/* n elements from from on, n > 0. */
static bool read_list(hid_t dset, hid_t type, int64_t from, int64_t n, void *to) {
    hsize_t start = (hsize_t)from, room = (hsize_t)n;
    hid_t space = H5Dget_space(dset), memory = H5Screate_simple(1, &room, NULL);
    bool ok = space >= 0 && memory >= 0 && from + n <= count(dset) &&
              H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &room, NULL) >= 0 &&
              H5Dread(dset, type, memory, space, H5P_DEFAULT, to) >= 0;
    if (memory >= 0) H5Sclose(memory);
    if (space >= 0) H5Sclose(space);
    return ok;
}

/* ---- texts ---- */

/* The bytes of the texts, one of their elements being a byte. */
static mp_status read_bytes(hid_t dset, const char *path, int64_t from, int64_t n, mp_buf *text,
                            mp_error *err) {
    mp_buf_clear(text);
    if (!mp_buf_reserve(text, (size_t)n + 16)) return mp_buf_check(text, err);
    text->len = (size_t)n;
    hid_t type = H5Dget_type(dset);
    bool ok = type >= 0 && H5Tget_size(type) == 1 && H5Tis_variable_str(type) <= 0 &&
              (n == 0 || read_list(dset, type, from, n, text->data));
    if (type >= 0) H5Tclose(type);
    return ok ? MP_OK : broken(err, path, "its texts cannot be read");
}

static mp_status cut_texts(const int64_t *at, int64_t n, const char *path, const mp_buf *text,
                           uint8_t *out, mp_error *err) {
    for (int64_t i = 0; i < n; i++) {
        if (at[i + 1] - at[i] > INT32_MAX) return broken(err, path, "a text is too long");
        mp_str s =
            mp_str_of((const char *)text->data + (at[i] - at[0]), (size_t)(at[i + 1] - at[i]));
        memcpy(out + (size_t)i * sizeof s, &s, sizeof s);
    }
    return MP_OK;
}

static mp_status read_texts(hid_t indices, hid_t data, const char *path, int64_t row, int64_t n,
                            int64_t *at, uint8_t *out, mp_buf *text, mp_error *err) {
    int64_t end = count(data);
    if (!read_list(indices, H5T_NATIVE_INT64, row, n + 1, at))
        return broken(err, path, "its offsets cannot be read");
    bool ascend = at[0] >= 0 && at[n] <= end;
    for (int64_t i = 0; i < n; i++)
        ascend = ascend && at[i] <= at[i + 1];
    if (!ascend) return broken(err, path, "an offset is not between its neighbours");
    mp_status st = read_bytes(data, path, at[0], at[n] - at[0], text, err);
    return st ? st : cut_texts(at, n, path, text, out, err);
}

static mp_status read_spans(hid_t group, const mp_h5_array *a, int64_t row, int64_t n, uint8_t *out,
                            mp_buf *text, mp_mem *mem, mp_error *err) {
    hid_t indices = H5Dopen2(group, "indices", H5P_DEFAULT);
    hid_t data = H5Dopen2(group, "data", H5P_DEFAULT);
    int64_t *at = mp_mem_alloc(mem, ((size_t)n + 1) * sizeof *at);
    mp_status st = at ? MP_OK : mp_mem_error(mem, ((size_t)n + 1) * sizeof *at, err);
    if (!st && (indices < 0 || data < 0))
        st = broken(err, a->path, "the dataset cannot be opened any more");
    if (!st) st = read_texts(indices, data, a->path, row, n, at, out, text, err);
    mp_mem_free(mem, at);
    if (data >= 0) H5Dclose(data);
    if (indices >= 0) H5Dclose(indices);
    return st;
}

/* ---- bits ---- */

static mp_status read_bits(hid_t dset, const mp_h5_array *a, int64_t row, int64_t n, uint8_t *out,
                           mp_buf *text, mp_error *err) {
    int64_t from = row / 8, bytes = (row + n + 7) / 8 - from;
    mp_buf_clear(text);
    if (!mp_buf_reserve(text, (size_t)bytes)) return mp_buf_check(text, err);
    if (!read_list(dset, H5T_NATIVE_UINT8, from, bytes, text->data))
        return broken(err, a->path, "its rows cannot be read");
    for (int64_t i = 0; i < n; i++) {
        int64_t bit = row + i - 8 * from, null = !(text->data[bit / 8] >> bit % 8 & 1);
        memcpy(out + i * (int64_t)sizeof null, &null, sizeof null);
    }
    return MP_OK;
}

mp_status mp_h5_packed_read(hid_t file, const mp_h5_array *a, int64_t row, int64_t n, uint8_t *out,
                            mp_buf *text, mp_mem *mem, mp_error *err) {
    if (n == 0) return MP_OK;
    bool spans = a->as == MP_H5_AS_SPANS;
    hid_t at = spans ? H5Gopen2(file, a->path, H5P_DEFAULT) : H5Dopen2(file, a->path, H5P_DEFAULT);
    if (at < 0) return broken(err, a->path, "it cannot be opened any more");
    mp_status st = spans ? read_spans(at, a, row, n, out, text, mem, err)
                         : read_bits(at, a, row, n, out, text, err);
    if (spans)
        H5Gclose(at);
    else
        H5Dclose(at);
    return st;
}
