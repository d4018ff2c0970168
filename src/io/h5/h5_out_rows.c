/* h5_rows.c - rows as records: see h5_out_rows.h.
 * Invariant: a batch is written column by column, each value at its place in its record; the place
 * of the next string of every record is kept beside. */
#include "io/h5/h5_out_rows.h"

#include <assert.h>
#include <math.h>

#include "data/decimal.h"

enum { RUN_BYTES = 1 << 20 };

mp_type mp_h5_stored_type(mp_type t) {
    return t == MP_NULL || t == MP_DECIMAL ? MP_FLOAT64 : t;
}

static uint32_t null_bytes(const mp_h5_rows *r) {
    return ((uint32_t)r->n_cols + 7) / 8;
}

mp_status mp_h5_rows_init(mp_h5_rows *r, const char *const *names, const mp_type *types,
                          const int8_t *widths, int n_cols, mp_arena *arena, mp_error *err) {
    size_t n = (size_t)n_cols;
    mp_type *stored = mp_arena_alloc(arena, n * sizeof *stored + 1, 8);
    int8_t *bytes = mp_arena_alloc(arena, n + 1, 8);
    *r = (mp_h5_rows){.n_cols = n_cols, .names = names, .types = stored, .bytes = bytes};
    r->fixed_at = mp_arena_alloc(arena, n * sizeof *r->fixed_at + 1, 8);
    if (!stored || !bytes || !r->fixed_at) return mp_mem_error(arena->mem, n * 8, err);
    uint32_t at = 4 + null_bytes(r);
    for (size_t c = 0; c < n; c++) {
        stored[c] = mp_h5_stored_type(types[c]);
        bytes[c] = 8;
        if (widths && widths[c] && (types[c] == MP_INT64 || types[c] == MP_FLOAT64))
            bytes[c] = widths[c];
        r->fixed_at[c] = at;
        at += mp_h5_fixed_bytes(stored[c]);
    }
    r->fixed_bytes = at;
    return MP_OK;
}

/* ---- writing ---- */

/* Records of a batch: record i begins at at[i] of bytes, its next string goes to text[i]. */
typedef struct {
    uint8_t *bytes;
    size_t at[MP_BATCH_ROWS + 1], text[MP_BATCH_ROWS];
} records;

static inline uint32_t text_len(const mp_col *col, size_t i) {
    return mp_col_is_null(col, (int64_t)i) ? 0 : col->str[i].len;
}

/* Where every record begins, from 0 on. */
static bool place_records(const mp_h5_rows *r, const mp_batch *in, records *w) {
    size_t n = (size_t)in->n_rows;
    for (size_t i = 0; i < n; i++)
        w->text[i] = r->fixed_bytes;
    for (int c = 0; c < r->n_cols; c++) {
        const mp_col *col = &in->cols[c];
        if (r->types[c] != MP_STRING || col->type != MP_STRING) continue;
        for (size_t i = 0; i < n; i++)
            w->text[i] += text_len(col, i);
    }
    size_t end = 0;
    bool fits = true;
    for (size_t i = 0; i < n; i++) {
        fits = fits && w->text[i] <= UINT32_MAX;
        w->at[i] = end;
        end += w->text[i];
    }
    w->at[n] = end;
    return fits;
}

static void put_heads(const mp_h5_rows *r, size_t n, records *w) {
    uint32_t nulls = null_bytes(r);
    for (size_t i = 0; i < n; i++) {
        uint32_t len = (uint32_t)(w->at[i + 1] - w->at[i]);
        memcpy(w->bytes + w->at[i], &len, sizeof len);
        memset(w->bytes + w->at[i] + 4, 0, nulls);
        w->text[i] = w->at[i] + r->fixed_bytes;
    }
}

static void put_strings(const mp_col *col, size_t n, uint32_t fixed_at, records *w) {
    for (size_t i = 0; i < n; i++) {
        uint32_t len = text_len(col, i);
        memcpy(w->bytes + w->at[i] + fixed_at, &len, sizeof len);
        if (len) memcpy(w->bytes + w->text[i], col->str[i].p, len);
        w->text[i] += len;
    }
}

static double float_of(const mp_col *col, size_t i) {
    switch (col->type) {
    case MP_FLOAT64:
        return col->f64[i];
    case MP_DECIMAL:
        return mp_decimal_to_double(col->i64[i], col->scale);
    case MP_INT64:
        return (double)col->i64[i];
    default:
        return NAN;
    }
}

static void put_numbers(const mp_col *col, mp_type stored, size_t n, uint32_t fixed_at,
                        records *w) {
    if (stored == MP_BOOL) {
        for (size_t i = 0; i < n; i++)
            w->bytes[w->at[i] + fixed_at] = col->type == MP_BOOL && col->b[i];
    } else if (stored == MP_FLOAT64) {
        for (size_t i = 0; i < n; i++) {
            double v = float_of(col, i);
            memcpy(w->bytes + w->at[i] + fixed_at, &v, sizeof v);
        }
    } else {
        bool none = col->type == MP_NULL || col->type == MP_STRING;
        for (size_t i = 0; i < n; i++) {
            int64_t v = none ? 0 : col->i64[i];
            memcpy(w->bytes + w->at[i] + fixed_at, &v, sizeof v);
        }
    }
}

/* The value under a null is the file's, whatever the batch has there. */
static void put_null(mp_type stored, int c, uint32_t fixed_at, uint8_t *record) {
    static const double nan_value = NAN;
    uint8_t *p = record + fixed_at;
    record[4 + c / 8] |= (uint8_t)(1 << (c % 8));
    if (stored == MP_FLOAT64)
        memcpy(p, &nan_value, sizeof nan_value);
    else
        memset(p, 0, mp_h5_fixed_bytes(stored));
}

static void put_nulls(const mp_h5_rows *r, int c, const mp_col *col, size_t n, records *w) {
    bool all = col->type == MP_NULL;
    for (size_t i = 0; i < n && (all || col->valid); i++)
        if (all || !col->valid[i]) put_null(r->types[c], c, r->fixed_at[c], w->bytes + w->at[i]);
}

static void put_column(const mp_h5_rows *r, int c, const mp_col *col, size_t n, records *w) {
    if (r->types[c] != MP_STRING)
        put_numbers(col, r->types[c], n, r->fixed_at[c], w);
    else if (col->type == MP_STRING)
        put_strings(col, n, r->fixed_at[c], w);
    put_nulls(r, c, col, n, w);
}

void mp_h5_rows_put(const mp_h5_rows *r, const mp_batch *in, mp_buf *out, mp_buf *row_ends) {
    records w;
    size_t n = (size_t)in->n_rows;
    assert(in->n_rows <= MP_BATCH_ROWS && in->n_cols >= r->n_cols);
    if (!place_records(r, in, &w)) {
        out->failed = true;
        return;
    }
    if (!mp_buf_reserve(out, w.at[n] + 1)) return;
    w.bytes = out->data + out->len;
    put_heads(r, n, &w);
    for (int c = 0; c < r->n_cols; c++)
        put_column(r, c, &in->cols[c], n, &w);
    for (size_t i = 0; row_ends && i < n; i++)
        mp_buf_i64(row_ends, (int64_t)(out->len + w.at[i + 1]));
    out->len += w.at[n];
}

/* ---- reading ---- */

static mp_status broken(mp_error *err) {
    return mp_error_set(err, MP_FAILED, "the rows in scratch are broken",
                        "a record does not end where it should");
}

/* Bytes of the record at p, 0 where none can be. */
static size_t record_bytes(const mp_h5_rows *r, const uint8_t *p, size_t left) {
    if (left < r->fixed_bytes) return 0;
    size_t n = mp_h5_load32(p);
    return n < r->fixed_bytes || n > left ? 0 : n;
}

mp_status mp_h5_seen_init(mp_h5_seen *s, const mp_h5_rows *r, mp_arena *arena, mp_mem *mem,
                          mp_error *err) {
    size_t n = (size_t)r->n_cols, nulls = null_bytes(r);
    *s = (mp_h5_seen){.longest = mp_arena_alloc(arena, n * sizeof *s->longest + 1, 8),
                      .nulls = mp_arena_alloc(arena, nulls + 1, 8)};
    mp_buf_init(&s->runs, mem);
    if (!s->longest || !s->nulls) return mp_mem_error(mem, n * sizeof *s->longest, err);
    memset(s->longest, 0, n * sizeof *s->longest);
    memset(s->nulls, 0, nulls);
    return MP_OK;
}

void mp_h5_seen_release(mp_h5_seen *s) {
    mp_buf_release(&s->runs);
}

static void see_record(mp_h5_seen *s, const mp_h5_rows *r, const uint8_t *p) {
    uint32_t nulls = null_bytes(r);
    for (uint32_t i = 0; i < nulls; i++)
        s->nulls[i] |= p[4 + i];
    for (int c = 0; c < r->n_cols; c++) {
        if (r->types[c] != MP_STRING) continue;
        uint32_t len = mp_h5_load32(p + r->fixed_at[c]);
        if (len > s->longest[c]) s->longest[c] = len;
    }
}

mp_status mp_h5_seen_add(mp_h5_seen *s, const mp_h5_rows *r, int64_t offset, const uint8_t *bytes,
                         size_t n, mp_error *err) {
    mp_h5_run run = {.offset = offset};
    size_t at = 0;
    while (at < n) {
        size_t len = record_bytes(r, bytes + at, n - at);
        if (len == 0) return broken(err);
        see_record(s, r, bytes + at);
        at += len;
        run.n_rows++;
        if (at < n && offset + (int64_t)at - run.offset < RUN_BYTES) continue;
        mp_buf_put(&s->runs, &run, sizeof run);
        s->n_rows += run.n_rows;
        run = (mp_h5_run){.offset = offset + (int64_t)at};
    }
    return mp_buf_check(&s->runs, err);
}

mp_status mp_h5_rows_find(const mp_h5_rows *r, const uint8_t *bytes, size_t n, int64_t skip,
                          int64_t n_rows, const uint8_t **rows, mp_error *err) {
    size_t at = 0;
    for (int64_t i = -skip; i < n_rows; i++) {
        size_t len = record_bytes(r, bytes + at, n - at);
        if (len == 0) return broken(err);
        if (i >= 0) rows[i] = bytes + at;
        at += len;
    }
    return MP_OK;
}
