/* batch_wire.c - batches as bytes. See batch_wire.h. */
#include "data/batch_wire.h"

enum { HAS_PLACES = 1, HAS_NUMBERS = 2, MOST_COLUMNS = 1 << 22 };

/* ---- out ---- */

static void put_texts(const mp_str *s, size_t n, mp_buf *out) {
    for (size_t i = 0; i < n; i++)
        mp_buf_u32(out, s[i].len);
    for (size_t i = 0; i < n; i++)
        mp_buf_put(out, s[i].p, s[i].len);
}

static void put_column(const mp_col *c, size_t n, mp_buf *out) {
    mp_buf_u8(out, (uint8_t)c->type);
    mp_buf_u8(out, c->scale);
    mp_buf_u8(out, c->ts_sep);
    mp_buf_u8(out, c->valid != NULL);
    if (c->valid) mp_buf_put(out, c->valid, n);
    if (c->type == MP_STRING)
        put_texts(c->str, n, out);
    else
        mp_buf_put(out, c->p, n * (size_t)mp_type_width(c->type));
}

void mp_batch_put(const mp_batch *in, mp_buf *out) {
    size_t n = (size_t)in->n_rows;
    mp_buf_u32(out, (uint32_t)in->n_rows);
    mp_buf_u32(out, (uint32_t)in->n_cols);
    mp_buf_u32(out, (uint32_t)in->file_no);
    mp_buf_i64(out, in->base);
    mp_buf_i64(out, in->first_row);
    mp_buf_u8(out, (uint8_t)((in->rec ? HAS_PLACES : 0) | (in->row_no ? HAS_NUMBERS : 0)));
    if (in->rec) mp_buf_put(out, in->rec, n * sizeof *in->rec);
    if (in->row_no) mp_buf_put(out, in->row_no, n * sizeof *in->row_no);
    for (int32_t i = 0; i < in->n_cols; i++)
        put_column(&in->cols[i], n, out);
}

/* ---- in ---- */

/* Values in arena, since bytes stand anywhere; NULL: no memory, or *rd is bad. */
static void *get_values(mp_rd *rd, size_t bytes, mp_arena *arena) {
    const void *p = mp_rd_raw(rd, bytes);
    void *to = p ? mp_arena_alloc(arena, bytes + 64, 64) : NULL;
    if (to && bytes) memcpy(to, p, bytes);
    return to;
}

static void *get_texts(mp_rd *rd, size_t n, mp_arena *arena) {
    const uint8_t *lens = mp_rd_raw(rd, n * 4);
    mp_str *out = lens ? mp_arena_alloc(arena, n * sizeof *out + 64, 64) : NULL;
    for (size_t i = 0; out && i < n; i++) {
        uint32_t len;
        memcpy(&len, lens + 4 * i, 4);
        const void *p = mp_rd_raw(rd, len);
        if (!p) return NULL;
        out[i] = mp_str_of(p, len);
    }
    return out;
}

static bool get_column(mp_rd *rd, size_t n, mp_arena *arena, mp_col *out) {
    unsigned type = mp_rd_u8(rd);
    uint8_t scale = mp_rd_u8(rd), ts_sep = mp_rd_u8(rd);
    bool has_nulls = mp_rd_u8(rd) != 0;
    if (type >= MP_TYPE_COUNT) rd->bad = true;
    if (rd->bad) return false;
    *out = (mp_col){.type = (mp_type)type, .scale = scale, .ts_sep = ts_sep};
    if (has_nulls) out->valid = get_values(rd, n, arena);
    if (has_nulls && !out->valid) return false;
    out->p = type == MP_STRING ? get_texts(rd, n, arena)
                               : get_values(rd, n * (size_t)mp_type_width(out->type), arena);
    return out->p != NULL;
}

mp_status mp_batch_get(mp_rd *rd, mp_arena *arena, mp_batch *out, mp_error *err) {
    uint32_t n = mp_rd_u32(rd), n_cols = mp_rd_u32(rd);
    *out = (mp_batch){.n_rows = (int32_t)n, .n_cols = (int32_t)n_cols};
    out->file_no = (int32_t)mp_rd_u32(rd);
    out->base = mp_rd_i64(rd);
    out->first_row = mp_rd_i64(rd);
    unsigned has = mp_rd_u8(rd);
    if (n > MP_BATCH_ROWS || n_cols > MOST_COLUMNS) rd->bad = true;
    mp_col *cols = rd->bad ? NULL : mp_arena_alloc(arena, n_cols * sizeof *cols + 1, 16);
    bool ok = cols != NULL;
    if (ok && (has & HAS_PLACES)) ok = (out->rec = get_values(rd, n * 4, arena)) != NULL;
    if (ok && (has & HAS_NUMBERS)) ok = (out->row_no = get_values(rd, n * 4, arena)) != NULL;
    for (uint32_t i = 0; ok && i < n_cols; i++)
        ok = get_column(rd, n, arena, &cols[i]);
    out->cols = cols;
    if (ok) return MP_OK;
    if (!rd->bad) return mp_mem_error(arena->mem, (size_t)n * 16, err);
    return mp_error_set(err, MP_FAILED, "broken rows", "they came cut short");
}
