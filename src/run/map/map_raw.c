/* map_raw.c - see map_raw.h. */
#include "run/map/map_raw.h"

#include <string.h>

enum {
    PIECE_BYTES = 256 << 10, /* looked at and handed on while it is in the caches */
    TAIL_BYTES = 64 << 10    /* behind a split, for the end of its last record */
};

void mp_map_raw_init(mp_map_raw *r, mp_mem *mem) {
    *r = (mp_map_raw){.file = -1};
    mp_map_init(&r->map);
    mp_buf_init(&r->text, mem);
}

void mp_map_raw_release(mp_map_raw *r) {
    mp_map_close(&r->map);
    mp_buf_release(&r->text);
    r->file = -1;
    r->on = false;
}

bool mp_map_raw_fits(const mp_table *t, int f) {
    const mp_table_file *file = &t->files[f];
    mp_csv_dialect d = mp_table_file_dialect(t, f);
    mp_csv_plain unused;
    bool text = file->format == MP_READ_CSV || file->format == MP_READ_LINES;
    if (!text || file->by_data || file->packing != MP_PACK_NONE || t->filename_column) return false;
    if (file->n_columns != t->n_columns || !mp_csv_plain_make(&d, ',', &unused)) return false;
    for (int i = 0; i < t->n_columns; i++)
        if (mp_table_column(file, i) != i || t->fixed[i] != MP_TYPE_COUNT) return false;
    return true;
}

static mp_status map_split(mp_map_raw *r, const mp_table *t, const mp_split_desc *d,
                           mp_error *err) {
    const mp_table_file *file = &t->files[d->file];
    mp_status st = MP_OK;
    if (r->file != d->file) {
        r->file = -1;
        st = mp_map_open(&r->map, file->path, err);
        if (st != MP_OK) return st;
        r->file = d->file;
    }
    int64_t n = d->len + TAIL_BYTES, left = file->size_bytes - d->begin;
    return mp_map_window(&r->map, d->begin, (size_t)(n < left ? n : left), err);
}

/* The first byte of the range's first record; NULL: it is not to be seen from its text alone. */
static const uint8_t *first_record(const mp_map_raw *r, const mp_split_desc *d) {
    const uint8_t *p = r->map.bytes, *end;
    if (d->entry == MP_CSV_RECORD_START) return p;
    if (d->entry != MP_CSV_IN_FIELD && d->entry != MP_CSV_FIELD_START) return NULL;
    end = memchr(p, '\n', (size_t)d->len);
    for (size_t i = 0; end && i < sizeof r->plain.odd; i++)
        if (memchr(p, r->plain.odd[i], (size_t)(end - p))) return NULL;
    return end ? end + 1 : NULL;
}

mp_status mp_map_raw_begin(mp_map_raw *r, const mp_table *t, int64_t split, const uint8_t *desc,
                           size_t len, mp_error *err) {
    mp_rd rd = mp_rd_of(desc, len);
    mp_split_desc d = mp_split_desc_get(&rd);
    r->on = false;
    if (rd.bad || d.len <= 0 || !d.entry_known || !mp_map_raw_fits(t, d.file)) return MP_OK;
    mp_csv_dialect dialect = mp_table_file_dialect(t, d.file);
    (void)mp_csv_plain_make(&dialect, ',', &r->plain);
    mp_status st = map_split(r, t, &d, err);
    if (st != MP_OK) return st;
    /* records that begin in the range: the last ends with the first newline that is not before the
     * range's last byte */
    const uint8_t *last = r->map.bytes + d.len - 1;
    const uint8_t *end = memchr(last, '\n', r->map.len - (size_t)(d.len - 1));
    r->at = first_record(r, &d);
    if (!r->at || !end || r->at > end) return mp_map_check(&r->map, err);
    r->end = end + 1;
    r->split = split;
    r->desc = desc;
    r->len = len;
    r->rows = 0;
    r->on = true;
    return mp_map_check(&r->map, err);
}

/* Behind a tab or another delimiter: the same rows with commas. */
static mp_status put_commas(mp_map_raw *r, char from, const uint8_t **bytes, size_t n,
                            mp_error *err) {
    mp_buf_clear(&r->text);
    if (!mp_buf_reserve(&r->text, n)) return mp_buf_check(&r->text, err);
    for (size_t i = 0; i < n; i++)
        r->text.data[i] = (*bytes)[i] == (uint8_t)from ? ',' : (*bytes)[i];
    *bytes = r->text.data;
    return MP_OK;
}

mp_status mp_map_raw_next(mp_map_raw *r, const mp_table *t, int64_t *skip, int64_t *take,
                          const uint8_t **bytes, size_t *n, bool *over, mp_error *err) {
    const mp_table_file *file = &t->files[r->file];
    *n = 0;
    *over = false;
    while (r->at < r->end && *take != 0) {
        size_t left = (size_t)(r->end - r->at), some = left < PIECE_BYTES ? left : PIECE_BYTES;
        int64_t rows, most = *skip > 0 ? *skip : *take < 0 ? INT64_MAX : *take;
        size_t got = mp_csv_plain_front(&r->plain, r->at, some, most, &rows);
        if (got == 0 && some < left) /* a long record */
            got = mp_csv_plain_front(&r->plain, r->at, left, 1, &rows);
        mp_status st = mp_map_check(&r->map, err);
        if (st != MP_OK) return st;
        if (got == 0) {
            r->on = false;
            return MP_OK;
        }
        *bytes = r->at;
        r->at += got;
        r->rows += rows;
        if (*skip > 0) {
            *skip -= rows;
            continue;
        }
        if (*take > 0) *take -= rows;
        *n = got;
        bool commas = file->format == MP_READ_CSV && file->delimiter != ',';
        r->of_file = !commas;
        return commas ? put_commas(r, file->delimiter, bytes, got, err) : MP_OK;
    }
    *over = true;
    r->on = false;
    return MP_OK;
}
