/* h5_layout.c - a table's layout as bytes, and the checks that make it safe. See h5_layout.h. */
#include "io/h5/h5_layout.h"

/* ---- encode ---- */

static void put_column(const mp_h5_column *c, mp_buf *b) {
    mp_buf_text(b, c->name);
    mp_buf_u8(b, (uint8_t)c->type);
    mp_buf_u8(b, (uint8_t)c->form);
    mp_buf_u8(b, c->big_endian);
    mp_buf_u8(b, (uint8_t)c->pad);
    mp_buf_u32(b, c->size);
    mp_buf_u32(b, c->unit_step);
    mp_buf_u32(b, (uint32_t)c->array);
    mp_buf_i64(b, c->chunk);
    mp_buf_i64(b, c->at);
    mp_buf_i64(b, c->stride);
    mp_buf_u32(b, (uint32_t)c->dict);
    mp_buf_u32(b, (uint32_t)c->mask);
    mp_buf_i64(b, c->unit_ns);
    mp_buf_i64(b, c->origin);
    mp_buf_u8(b, c->has_null);
    mp_buf_i64(b, c->null_int);
    mp_buf_f64(b, c->null_float);
    mp_buf_u8(b, c->scaled);
    mp_buf_f64(b, c->factor);
    mp_buf_f64(b, c->offset);
    mp_buf_text(b, c->null_text);
    mp_buf_text(b, c->why);
}

static void put_array(const mp_h5_array *a, mp_buf *b) {
    mp_buf_text(b, a->path);
    mp_buf_text(b, a->field);
    mp_buf_u8(b, (uint8_t)a->storage);
    mp_buf_u8(b, (uint8_t)a->as);
    mp_buf_i64(b, a->n_rows);
    mp_buf_i64(b, a->elem_bytes);
    mp_buf_u32(b, (uint32_t)a->n_dims);
    mp_buf_u32(b, (uint32_t)a->row_dim);
    for (int d = 0; d < a->n_dims; d++) {
        mp_buf_i64(b, a->dims[d]);
        mp_buf_i64(b, a->chunk_dims[d]);
    }
    mp_buf_i64(b, a->address);
    mp_buf_u32(b, (uint32_t)a->n_filters);
    for (int i = 0; i < a->n_filters; i++) {
        mp_buf_u32(b, (uint32_t)a->filters[i].id);
        mp_buf_u32(b, a->filters[i].value);
    }
    mp_buf_i64(b, a->n_chunks);
    mp_buf_put(b, a->chunks, (size_t)a->n_chunks * sizeof *a->chunks);
    mp_buf_u8(b, a->fill != NULL);
    if (a->fill) mp_buf_put(b, a->fill, (size_t)a->elem_bytes);
}

static void put_dict(const mp_h5_dict *d, mp_buf *b) {
    mp_buf_u8(b, (uint8_t)d->type);
    mp_buf_i64(b, d->n);
    mp_buf_u8(b, d->codes != NULL);
    if (d->codes) mp_buf_put(b, d->codes, (size_t)d->n * sizeof *d->codes);
    if (d->type != MP_STRING) {
        mp_buf_put(b, d->i64, (size_t)d->n * sizeof *d->i64);
        return;
    }
    for (int64_t i = 0; i < d->n; i++)
        mp_buf_bytes(b, d->str[i].p, d->str[i].len);
}

void mp_h5_layout_encode(const mp_h5_layout *l, mp_buf *out) {
    mp_buf_text(out, l->object);
    mp_buf_text(out, l->kind);
    mp_buf_i64(out, l->n_rows);
    mp_buf_i64(out, l->base);
    mp_buf_u32(out, (uint32_t)l->n_columns);
    mp_buf_u32(out, (uint32_t)l->n_hidden);
    mp_buf_u32(out, (uint32_t)l->n_arrays);
    mp_buf_u32(out, (uint32_t)l->n_dicts);
    for (int i = 0; i < l->n_dicts; i++)
        put_dict(&l->dicts[i], out);
    for (int i = 0; i < l->n_arrays; i++)
        put_array(&l->arrays[i], out);
    for (int i = 0; i < l->n_columns + l->n_hidden; i++)
        put_column(&l->columns[i], out);
}

/* ---- decode ---- */

typedef struct {
    mp_rd rd;
    mp_arena *arena;
    int64_t file_bytes;
    bool refused; /* memory */
} decoder;

static void *take(decoder *d, size_t n, size_t size) {
    void *p = n <= SIZE_MAX / 2 / size ? mp_arena_alloc(d->arena, n * size + 1, 16) : NULL;
    if (!p) d->refused = true;
    return p;
}

static bool get_text(decoder *d, const char **out) {
    bool ok = mp_rd_text(&d->rd, d->arena, out);
    if (!ok && !d->rd.bad) d->refused = true;
    return ok;
}

/* a * b, -1 where that is no count. */
static int64_t times(int64_t a, int64_t b) {
    int64_t p;
    return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &p) ? -1 : p;
}

int64_t mp_h5_row_bytes(const mp_h5_array *a) {
    int64_t bytes = a->elem_bytes;
    for (int d = 0; d < a->n_dims; d++)
        if (d != a->row_dim) bytes = times(bytes, a->dims[d]);
    return bytes;
}

static bool get_dims(decoder *d, mp_h5_array *a) {
    a->n_dims = (int32_t)mp_rd_u32(&d->rd);
    a->row_dim = (int32_t)mp_rd_u32(&d->rd);
    if (a->n_dims < 1 || a->n_dims > MP_H5_MAX_DIMS) return false;
    if (a->row_dim < 0 || a->row_dim >= a->n_dims) return false;
    for (int i = 0; i < a->n_dims; i++) {
        a->dims[i] = mp_rd_i64(&d->rd);
        a->chunk_dims[i] = mp_rd_i64(&d->rd);
        if (a->dims[i] < 0 || a->chunk_dims[i] < 1) return false;
        if (a->dims[i] > INT64_MAX / 4 || a->chunk_dims[i] > INT64_MAX / 4) return false;
    }
    return !d->rd.bad && a->dims[a->row_dim] >= a->n_rows;
}

/* Chunk numbers: C order over the grid. */
static bool number_chunks(mp_h5_array *a) {
    int64_t n = 1;
    a->chunk_bytes = a->elem_bytes;
    a->band_step = 1;
    for (int i = a->n_dims - 1; i >= 0; i--) {
        if (i == a->row_dim) a->band_step = n;
        n = times(n, mp_h5_grid(a, i));
        a->chunk_bytes = times(a->chunk_bytes, a->chunk_dims[i]);
    }
    a->band_rows = a->chunk_dims[a->row_dim];
    if (n < 0 || a->chunk_bytes < 0 || a->chunk_bytes > INT32_MAX) return false;
    return a->storage == MP_H5_LIBRARY ? a->n_chunks == 0 : a->n_chunks == n;
}

static bool get_filters(decoder *d, mp_h5_array *a) {
    a->n_filters = (int32_t)mp_rd_u32(&d->rd);
    if (a->n_filters < 0 || a->n_filters > MP_H5_MAX_FILTERS) return false;
    for (int i = 0; i < a->n_filters; i++) {
        a->filters[i].id = (int32_t)mp_rd_u32(&d->rd);
        a->filters[i].value = mp_rd_u32(&d->rd);
        int32_t id = a->filters[i].id;
        if (id != MP_H5_DEFLATE && id != MP_H5_SHUFFLE && id != MP_H5_FLETCHER32 && id != MP_H5_LZF)
            return false;
    }
    return true;
}

static bool get_chunks(decoder *d, mp_h5_array *a) {
    a->n_chunks = mp_rd_i64(&d->rd);
    if (a->n_chunks < 0 || a->n_chunks > (int64_t)(mp_rd_left(&d->rd) / sizeof *a->chunks))
        return false;
    size_t bytes = (size_t)a->n_chunks * sizeof *a->chunks;
    mp_h5_chunk *chunks = take(d, (size_t)a->n_chunks, sizeof *chunks);
    const void *p = mp_rd_raw(&d->rd, bytes);
    if (!chunks || !p) return false;
    memcpy(chunks, p, bytes);
    a->chunks = chunks;
    for (int64_t i = 0; i < a->n_chunks; i++) {
        const mp_h5_chunk *c = &chunks[i];
        if (c->address == -1) continue;
        if (c->address < 0 || c->address > d->file_bytes - (int64_t)c->bytes) return false;
    }
    return true;
}

static bool get_fill(decoder *d, mp_h5_array *a) {
    if (!mp_rd_u8(&d->rd)) return !d->rd.bad;
    size_t n = (size_t)a->elem_bytes;
    const void *p = mp_rd_raw(&d->rd, n);
    uint8_t *fill = p ? take(d, n, 1) : NULL;
    if (!fill) return false;
    memcpy(fill, p, n);
    a->fill = fill;
    return true;
}

static bool get_array(decoder *d, mp_h5_array *a) {
    mp_rd *rd = &d->rd;
    *a = (mp_h5_array){0};
    if (!get_text(d, &a->path) || !a->path || !get_text(d, &a->field)) return false;
    a->storage = (mp_h5_storage)mp_rd_u8(rd);
    a->as = (mp_h5_as)mp_rd_u8(rd);
    a->n_rows = mp_rd_i64(rd);
    a->elem_bytes = mp_rd_i64(rd);
    if (rd->bad || a->storage >= MP_H5_STORAGES || a->as >= MP_H5_AS_KINDS) return false;
    bool packed = a->as == MP_H5_AS_SPANS || a->as == MP_H5_AS_BITS;
    int64_t element = a->as == MP_H5_AS_SPANS ? (int64_t)sizeof(mp_str) : 8;
    if (packed && (a->storage != MP_H5_LIBRARY || a->elem_bytes != element)) return false;
    if (a->n_rows < 0 || a->elem_bytes < 1 || a->elem_bytes > MP_H5_MAX_ELEMENT) return false;
    if (!get_dims(d, a) || (packed && a->n_dims != 1)) return false;
    a->address = mp_rd_i64(rd);
    if (!get_filters(d, a) || !get_chunks(d, a) || !get_fill(d, a)) return false;
    if (a->storage != MP_H5_FLAT) return number_chunks(a);
    a->band_rows = a->n_rows > 0 ? a->n_rows : 1;
    int64_t bytes = times(mp_h5_row_bytes(a), a->dims[a->row_dim]);
    return bytes >= 0 && a->address >= 0 && bytes <= d->file_bytes &&
           a->address <= d->file_bytes - bytes;
}

static bool get_dict(decoder *d, mp_h5_dict *x) {
    *x = (mp_h5_dict){.type = (mp_type)mp_rd_u8(&d->rd), .n = mp_rd_i64(&d->rd)};
    bool coded = mp_rd_u8(&d->rd) != 0, texts = x->type == MP_STRING;
    bool known = texts || x->type == MP_INT64 || x->type == MP_FLOAT64 || x->type == MP_BOOL;
    if (d->rd.bad || !known || x->n < 0 || x->n > (int64_t)mp_rd_left(&d->rd) / 4) return false;
    size_t n = (size_t)x->n;
    if (coded) {
        const void *p = mp_rd_raw(&d->rd, n * sizeof *x->codes);
        int64_t *codes = p ? take(d, n, sizeof *codes) : NULL;
        if (!codes) return false;
        memcpy(codes, p, n * sizeof *codes);
        for (size_t i = 1; i < n; i++)
            if (codes[i] <= codes[i - 1]) return false;
        x->codes = codes;
    }
    if (!texts) {
        const void *p = mp_rd_raw(&d->rd, n * sizeof *x->i64);
        int64_t *values = p ? take(d, n, sizeof *values) : NULL;
        if (!values) return false;
        memcpy(values, p, n * sizeof *values);
        x->i64 = values;
        return true;
    }
    mp_str *str = take(d, n, sizeof *str);
    x->str = str;
    for (size_t i = 0; str && i < n; i++) {
        size_t len = 0;
        const void *p = mp_rd_bytes(&d->rd, &len);
        char *copy = p ? take(d, len, 1) : NULL;
        if (!copy) return false;
        memcpy(copy, p, len);
        str[i] = mp_str_of(copy, len);
    }
    return str != NULL;
}

/* Does the value of every row lie inside the array's bytes? */
static bool column_fits(const mp_h5_column *c, const mp_h5_array *a) {
    int64_t whole = a->chunk_bytes, rows = a->band_rows;
    if (a->storage == MP_H5_FLAT) {
        whole = times(mp_h5_row_bytes(a), a->dims[a->row_dim]);
        rows = a->n_rows;
    }
    int64_t last = rows > 0 ? times(c->stride, rows - 1) : 0;
    int64_t size = c->size;
    if (c->form == MP_H5_UTF16) size = times(size / 2 - 1, c->unit_step) + 2;
    if (rows == 0 || a->n_rows == 0) return true;
    if (c->at < 0 || c->stride < 1 || last < 0 || size < 1) return false;
    if (c->at > whole || last > whole - c->at || size > whole - c->at - last) return false;
    if (a->storage != MP_H5_CHUNKED) return c->chunk == 0;
    int64_t bands = (a->n_rows + a->band_rows - 1) / a->band_rows;
    int64_t reach = bands > 0 ? times(bands - 1, a->band_step) : 0;
    return c->chunk >= 0 && reach >= 0 && c->chunk < a->n_chunks - reach;
}

static bool form_fits(const mp_h5_column *c, const mp_h5_array *a) {
    uint32_t n = c->size;
    bool whole = n == 1 || n == 2 || n == 4 || n == 8;
    bool str = (a->as == MP_H5_AS_STR || a->as == MP_H5_AS_SPANS) && a->storage == MP_H5_LIBRARY;
    switch (c->form) {
    case MP_H5_INT:
    case MP_H5_UINT:
        return whole;
    case MP_H5_FLOAT:
        return whole && n > 1;
    case MP_H5_TIMEVAL:
        return n == 8;
    case MP_H5_TEXT:
        return n <= MP_H5_MAX_ELEMENT;
    case MP_H5_UTF16:
        return n >= 2 && n % 2 == 0 && n <= MP_H5_MAX_ELEMENT && c->unit_step >= 2;
    case MP_H5_HEAP:
        return n == 16 && a->storage != MP_H5_LIBRARY;
    case MP_H5_STR:
        return n == sizeof(mp_str) && str && c->at == 0 && c->stride % (int)sizeof(mp_str) == 0;
    default:
        return false;
    }
}

/* The type of the values follows from how they stand in the file. */
static bool type_fits(const mp_h5_column *c, const mp_h5_layout *l) {
    bool text = c->form >= MP_H5_TEXT && c->form <= MP_H5_STR;
    bool whole = c->form == MP_H5_INT || c->form == MP_H5_UINT;
    if (c->dict >= 0) return c->dict < l->n_dicts && whole && c->type == l->dicts[c->dict].type;
    if (text) return c->type == MP_STRING;
    switch (c->type) {
    case MP_BOOL:
    case MP_INT64:
    case MP_DATE:
        return whole;
    case MP_FLOAT64:
        return true;
    case MP_TIMESTAMP:
        return c->unit_ns > 0 && c->unit_ns <= (int64_t)86400000000000 * 7;
    default:
        return false;
    }
}

static bool get_column(decoder *d, const mp_h5_layout *l, mp_h5_column *c) {
    mp_rd *rd = &d->rd;
    *c = (mp_h5_column){0};
    if (!get_text(d, &c->name) || !c->name) return false;
    c->type = (mp_type)mp_rd_u8(rd);
    c->form = (mp_h5_form)mp_rd_u8(rd);
    c->big_endian = mp_rd_u8(rd) != 0;
    c->pad = mp_rd_u8(rd) ? MP_H5_PAD_SPACE : MP_H5_PAD_NUL;
    c->size = mp_rd_u32(rd);
    c->unit_step = mp_rd_u32(rd);
    c->array = (int32_t)mp_rd_u32(rd);
    c->chunk = mp_rd_i64(rd);
    c->at = mp_rd_i64(rd);
    c->stride = mp_rd_i64(rd);
    c->dict = (int32_t)mp_rd_u32(rd);
    c->mask = (int32_t)mp_rd_u32(rd);
    c->unit_ns = mp_rd_i64(rd);
    c->origin = mp_rd_i64(rd);
    c->has_null = mp_rd_u8(rd) != 0;
    c->null_int = mp_rd_i64(rd);
    c->null_float = mp_rd_f64(rd);
    c->scaled = mp_rd_u8(rd) != 0;
    c->factor = mp_rd_f64(rd);
    c->offset = mp_rd_f64(rd);
    if (!get_text(d, &c->null_text) || !get_text(d, &c->why)) return false;
    if (rd->bad || c->type >= MP_TYPE_COUNT || c->form >= MP_H5_FORMS) return false;
    if (c->form == MP_H5_UNREADABLE) return c->why != NULL;
    if (c->array < 0 || c->array >= l->n_arrays) return false;
    const mp_h5_array *a = &l->arrays[c->array];
    return a->n_rows >= l->n_rows && form_fits(c, a) && type_fits(c, l) && column_fits(c, a);
}

static bool masks_fit(const mp_h5_layout *l) {
    for (int i = 0; i < l->n_columns + l->n_hidden; i++) {
        int m = l->columns[i].mask;
        if (m == -1) continue;
        if (i >= l->n_columns || m < l->n_columns || m >= l->n_columns + l->n_hidden) return false;
        const mp_h5_column *c = &l->columns[m];
        bool whole = c->form == MP_H5_INT || c->form == MP_H5_UINT;
        if (!whole || c->type != MP_BOOL || c->mask != -1 || c->dict >= 0) return false;
    }
    return true;
}

static bool get_all(decoder *d, mp_h5_layout *l) {
    mp_rd *rd = &d->rd;
    if (!get_text(d, &l->object) || !get_text(d, &l->kind) || !l->object || !l->kind) return false;
    l->n_rows = mp_rd_i64(rd);
    l->base = mp_rd_i64(rd);
    if (l->base < 0 || l->base > d->file_bytes) return false;
    uint32_t n_columns = mp_rd_u32(rd), n_hidden = mp_rd_u32(rd);
    uint32_t n_arrays = mp_rd_u32(rd), n_dicts = mp_rd_u32(rd);
    size_t left = mp_rd_left(rd);
    if (rd->bad || l->n_rows < 0 || l->n_rows > INT64_MAX / 4) return false;
    if (n_columns > left || n_hidden > left || n_arrays > left || n_dicts > left) return false;
    if ((uint64_t)n_columns + n_hidden > INT32_MAX / 2) return false;
    l->n_columns = (int32_t)n_columns;
    l->n_hidden = (int32_t)n_hidden;
    l->n_arrays = (int32_t)n_arrays;
    l->n_dicts = (int32_t)n_dicts;
    l->dicts = take(d, n_dicts, sizeof *l->dicts);
    l->arrays = take(d, n_arrays, sizeof *l->arrays);
    l->columns = take(d, (size_t)n_columns + n_hidden, sizeof *l->columns);
    bool ok = l->dicts && l->arrays && l->columns;
    for (uint32_t i = 0; ok && i < n_dicts; i++)
        ok = get_dict(d, &l->dicts[i]);
    for (uint32_t i = 0; ok && i < n_arrays; i++)
        ok = get_array(d, &l->arrays[i]);
    for (uint32_t i = 0; ok && i < n_columns + n_hidden; i++)
        ok = get_column(d, l, &l->columns[i]);
    return ok && !rd->bad && masks_fit(l);
}

mp_status mp_h5_layout_decode(const uint8_t *bytes, size_t len, int64_t file_bytes, mp_arena *arena,
                              mp_h5_layout *out, mp_error *err) {
    decoder d = {.rd = mp_rd_of(bytes, len), .arena = arena, .file_bytes = file_bytes};
    *out = (mp_h5_layout){0};
    if (get_all(&d, out)) return MP_OK;
    if (d.refused) return mp_mem_error(arena->mem, len, err);
    mp_error_set(err, MP_DATA, "broken HDF5 file",
                 "its parts do not fit together or into the file");
    mp_error_hint(err, "'h5dump -H' or 'h5ls -r' may say more; copy the file again if it was cut");
    return MP_DATA;
}
