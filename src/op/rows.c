/* rows.c - columns that grow. See rows.h. */
#include "data/decimal.h"
#include "data/take.h"
#include "op/rows_priv.h"

mp_status mp_rows_new(const mp_type *types, int n_cols, bool with_position, mp_mem *mem,
                      mp_rows **out, mp_error *err) {
    mp_rows *r = mp_mem_calloc(mem, 1, sizeof *r);
    *out = r;
    if (!r) return mp_mem_error(mem, sizeof *r, err);
    r->mem = mem;
    r->with_position = with_position;
    mp_arena_init(&r->text, mem);
    r->cols = mp_mem_calloc(mem, (size_t)n_cols + 1, sizeof *r->cols);
    if (!r->cols) {
        mp_rows_free(out);
        return mp_mem_error(mem, (size_t)n_cols * sizeof *r->cols, err);
    }
    r->n_cols = n_cols;
    for (int c = 0; c < n_cols; c++)
        r->cols[c].type = types[c];
    return MP_OK;
}

mp_status mp_rows_new_like(const mp_rows *r, mp_rows **out, mp_error *err) {
    *out = NULL;
    mp_type *types = mp_mem_alloc(r->mem, (size_t)r->n_cols * sizeof *types + 1);
    if (!types) return mp_mem_error(r->mem, (size_t)r->n_cols * sizeof *types, err);
    for (int c = 0; c < r->n_cols; c++)
        types[c] = r->cols[c].type;
    mp_status st = mp_rows_new(types, r->n_cols, r->with_position, r->mem, out, err);
    mp_mem_free(r->mem, types);
    return st;
}

void mp_rows_clear(mp_rows *r) {
    for (int c = 0; c < r->n_cols; c++) {
        mp_mem_free(r->mem, r->cols[c].p);
        mp_mem_free(r->mem, r->cols[c].valid);
        r->cols[c] = (mp_rows_col){.type = r->cols[c].type};
    }
    mp_mem_free(r->mem, r->position);
    mp_mem_free(r->mem, r->order);
    r->position = NULL;
    r->order = NULL;
    r->n = r->cap = 0;
    mp_arena_release(&r->text);
    mp_arena_init(&r->text, r->mem);
}

void mp_rows_free(mp_rows **r) {
    if (!*r) return;
    mp_mem *mem = (*r)->mem;
    mp_rows_clear(*r);
    mp_arena_release(&(*r)->text);
    mp_mem_free(mem, (*r)->cols);
    mp_mem_free(mem, *r);
    *r = NULL;
}

int64_t mp_rows_count(const mp_rows *r) {
    return r->n;
}

/* ---- growing ---- */

static bool grow(mp_mem *mem, void **p, size_t bytes) {
    void *grown = mp_mem_realloc(mem, *p, bytes);
    if (grown) *p = grown;
    return grown != NULL;
}

mp_status mp_rows_reserve(mp_rows *r, int64_t n, mp_error *err) {
    if (r->n + n <= r->cap) return MP_OK;
    int64_t cap = r->cap + r->cap / 2;
    if (cap < r->n + n) cap = r->n + n;
    if (cap < 1024) cap = 1024;
    if (cap > UINT32_MAX)
        return mp_error_set(err, MP_FAILED, "too many rows on one rank",
                            "more than 4294967295 rows are to be kept");
    size_t rows = (size_t)cap;
    for (int c = 0; c < r->n_cols; c++) {
        mp_rows_col *col = &r->cols[c];
        size_t bytes = rows * (size_t)mp_type_width(col->type);
        if (!grow(r->mem, &col->p, bytes) || !grow(r->mem, (void **)&col->valid, rows))
            return mp_mem_error(r->mem, bytes, err);
    }
    if (r->with_position && !grow(r->mem, (void **)&r->position, rows * sizeof *r->position))
        return mp_mem_error(r->mem, rows * sizeof *r->position, err);
    r->cap = cap;
    return MP_OK;
}

mp_status mp_rows_scaled(int64_t value, uint8_t from, uint8_t to, int64_t *out, mp_error *err) {
    if (from == to) {
        *out = value;
        return MP_OK;
    }
    if (mp_decimal_rescale(value, from, to, out)) return MP_OK;
    mp_error_set(err, MP_DATA, NULL, "decimals of one column need more than 18 digits");
    mp_error_hint(err, "float(x) computes in floating point");
    return MP_DATA;
}

mp_status mp_rows_rescale(mp_rows *r, int c, uint8_t scale, mp_error *err) {
    mp_rows_col *col = &r->cols[c];
    for (int64_t i = 0; i < r->n; i++) {
        if (!col->valid[i]) continue;
        mp_status st = mp_rows_scaled(col->i64[i], col->scale, scale, &col->i64[i], err);
        if (st) return st;
    }
    col->scale = scale;
    return MP_OK;
}

mp_status mp_rows_keep_text(mp_rows *r, const char *p, size_t n, mp_str *out, mp_error *err) {
    char *kept = mp_arena_alloc(&r->text, n, 1);
    if (!kept) return mp_mem_error(r->mem, n, err);
    if (n) memcpy(kept, p, n);
    *out = mp_str_of(kept, n);
    return MP_OK;
}

static mp_status append_text(mp_rows *r, mp_rows_col *to, const mp_col *from, int64_t n,
                             mp_error *err) {
    for (int64_t i = 0; i < n; i++) {
        mp_str *out = &to->str[r->n + i];
        *out = mp_str_of("", 0);
        if (mp_col_is_null(from, i)) continue;
        mp_status st = mp_rows_keep_text(r, from->str[i].p, from->str[i].len, out, err);
        if (st) return st;
    }
    return MP_OK;
}

static mp_status append_decimal(mp_rows *r, int c, const mp_col *from, int64_t n, mp_error *err) {
    mp_rows_col *to = &r->cols[c];
    if (from->scale > to->scale) {
        mp_status st = mp_rows_rescale(r, c, from->scale, err);
        if (st) return st;
    }
    for (int64_t i = 0; i < n; i++) {
        to->i64[r->n + i] = 0;
        if (mp_col_is_null(from, i)) continue;
        mp_status st =
            mp_rows_scaled(from->i64[i], from->scale, to->scale, &to->i64[r->n + i], err);
        if (st) return st;
    }
    return MP_OK;
}

static mp_status append_column(mp_rows *r, int c, const mp_col *from, int64_t n, mp_error *err) {
    mp_rows_col *to = &r->cols[c];
    if (from->type == MP_TIMESTAMP) to->ts_sep = from->ts_sep;
    if (from->valid)
        memcpy(to->valid + r->n, from->valid, (size_t)n);
    else
        memset(to->valid + r->n, from->type == MP_NULL ? 0 : 1, (size_t)n);
    if (from->type != to->type) { /* nothing but nulls */
        size_t width = (size_t)mp_type_width(to->type);
        memset(to->valid + r->n, 0, (size_t)n);
        memset((char *)to->p + (size_t)r->n * width, 0, (size_t)n * width);
        return MP_OK;
    }
    if (to->type == MP_STRING) return append_text(r, to, from, n, err);
    if (to->type == MP_DECIMAL) return append_decimal(r, c, from, n, err);
    size_t width = (size_t)mp_type_width(to->type);
    if (to->type == MP_NULL)
        memset((char *)to->p + (size_t)r->n * width, 0, (size_t)n * width);
    else
        memcpy((char *)to->p + (size_t)r->n * width, from->p, (size_t)n * width);
    return MP_OK;
}

/* A place is file << OFFSET_BITS | offset. */
enum { OFFSET_BITS = 44, FILE_BITS = 19 };

static mp_status check_places(const mp_rows *r, const mp_batch *in, mp_error *err) {
    int64_t last = in->base + UINT32_MAX;
    if (!r->with_position || (in->file_no >> FILE_BITS == 0 && last >> OFFSET_BITS == 0))
        return MP_OK;
    return mp_error_set(err, MP_FAILED, "too much to sort",
                        "a file is longer than 16 TiB, or there are more than %d", 1 << FILE_BITS);
}

mp_status mp_rows_append(mp_rows *r, const mp_batch *in, mp_error *err) {
    if (in->n_rows == 0) return MP_OK; /* there may be no room yet */
    mp_status st = check_places(r, in, err);
    if (!st) st = mp_rows_reserve(r, in->n_rows, err);
    for (int c = 0; c < r->n_cols && !st; c++)
        st = append_column(r, c, &in->cols[c], in->n_rows, err);
    if (st) return st;
    for (int32_t i = 0; r->with_position && i < in->n_rows; i++)
        r->position[r->n + i] =
            (int64_t)in->file_no << OFFSET_BITS | (in->base + (in->rec ? in->rec[i] : (uint32_t)i));
    r->n += in->n_rows;
    return MP_OK;
}

/* ---- reading ---- */

mp_status mp_rows_batch(const mp_rows *r, const uint32_t *order, int64_t first, int32_t n,
                        mp_arena *arena, mp_batch *out, mp_error *err) {
    mp_col *cols = mp_arena_alloc(arena, (size_t)r->n_cols * sizeof *cols + 1, 16);
    if (!cols) return mp_mem_error(arena->mem, (size_t)r->n_cols * sizeof *cols, err);
    for (int c = 0; c < r->n_cols; c++) {
        const mp_rows_col *from = &r->cols[c];
        mp_col whole = {.type = from->type,
                        .scale = from->scale,
                        .ts_sep = from->ts_sep,
                        .valid = from->valid,
                        .p = from->p};
        if (order) {
            mp_status st = mp_col_take(&whole, order + first, n, arena, &cols[c], err);
            if (st) return st;
            continue;
        }
        cols[c] = whole;
        cols[c].valid = from->valid ? from->valid + first : NULL;
        if (from->p) cols[c].p = (char *)from->p + first * mp_type_width(from->type);
    }
    *out = (mp_batch){.n_rows = n, .n_cols = r->n_cols, .cols = cols};
    return MP_OK;
}

/* Rows order[0..n) of from, appended to r with their positions. */
static mp_status copy_rows(mp_rows *r, const mp_rows *from, const uint32_t *order, int64_t n,
                           mp_error *err) {
    mp_arena arena;
    mp_arena_init(&arena, r->mem);
    mp_status st = MP_OK;
    for (int64_t at = 0; at < n && !st; at += MP_BATCH_ROWS) {
        int32_t some = n - at < MP_BATCH_ROWS ? (int32_t)(n - at) : MP_BATCH_ROWS;
        mp_batch batch;
        mp_arena_reset(&arena);
        int64_t before = r->n;
        st = mp_rows_batch(from, order, at, some, &arena, &batch, err);
        if (!st) st = mp_rows_append(r, &batch, err);
        for (int32_t i = 0; !st && r->with_position && i < some; i++)
            r->position[before + i] = from->position[order[at + i]];
    }
    mp_arena_release(&arena);
    return st;
}

mp_status mp_rows_keep_first(mp_rows *r, const mp_sort_key *keys, int n_keys, int64_t n,
                             mp_error *err) {
    if (r->n <= n) return MP_OK;
    const uint32_t *order = NULL;
    mp_rows *kept = NULL;
    mp_status st = mp_rows_sort(r, keys, n_keys, &order, err);
    if (!st) st = mp_rows_new_like(r, &kept, err);
    if (!st) st = copy_rows(kept, r, order, n, err);
    if (!st) {
        mp_rows old = *r;
        *r = *kept;
        *kept = old;
    }
    mp_rows_free(&kept);
    return st;
}
