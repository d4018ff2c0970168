/* rows_wire.c - a row as bytes: per column u8 valid and, where it is, the value (decimal: u8 scale,
 * i64; string: u32 length, bytes); then the position. */
#include "op/rows_priv.h"

static void put_value(const mp_rows_col *c, int64_t i, mp_buf *out) {
    switch (c->type) {
    case MP_NULL:
        break;
    case MP_BOOL:
        mp_buf_u8(out, c->b[i]);
        break;
    case MP_DECIMAL:
        mp_buf_u8(out, c->scale);
        mp_buf_i64(out, c->i64[i]);
        break;
    case MP_TIMESTAMP:
        mp_buf_u8(out, c->ts_sep);
        mp_buf_i64(out, c->i64[i]);
        break;
    case MP_STRING:
        mp_buf_bytes(out, c->str[i].p, c->str[i].len);
        break;
    default:
        mp_buf_i64(out, c->i64[i]);
        break;
    }
}

mp_status mp_rows_encode(const mp_rows *r, int64_t row, mp_buf *out, mp_error *err) {
    for (int c = 0; c < r->n_cols; c++) {
        const mp_rows_col *col = &r->cols[c];
        mp_buf_u8(out, col->valid[row]);
        if (col->valid[row]) put_value(col, row, out);
    }
    if (r->with_position) mp_buf_i64(out, r->position[row]);
    return mp_buf_check(out, err);
}

static mp_status get_decimal(mp_rows *r, int c, mp_rd *rd, mp_error *err) {
    mp_rows_col *col = &r->cols[c];
    uint8_t scale = mp_rd_u8(rd);
    int64_t value = mp_rd_i64(rd);
    if (scale > 18) rd->bad = true;
    if (rd->bad) return MP_OK;
    if (scale > col->scale) {
        mp_status st = mp_rows_rescale(r, c, scale, err);
        if (st) return st;
    }
    return mp_rows_scaled(value, scale, col->scale, &col->i64[r->n], err);
}

static mp_status get_value(mp_rows *r, int c, mp_rd *rd, mp_error *err) {
    mp_rows_col *col = &r->cols[c];
    size_t n = 0;
    const void *p;
    switch (col->type) {
    case MP_NULL:
        rd->bad = true;
        return MP_OK;
    case MP_BOOL:
        col->b[r->n] = mp_rd_u8(rd) != 0;
        return MP_OK;
    case MP_DECIMAL:
        return get_decimal(r, c, rd, err);
    case MP_TIMESTAMP:
        col->ts_sep = mp_rd_u8(rd);
        col->i64[r->n] = mp_rd_i64(rd);
        return MP_OK;
    case MP_STRING:
        p = mp_rd_bytes(rd, &n);
        return p ? mp_rows_keep_text(r, p, n, &col->str[r->n], err) : MP_OK;
    default:
        col->i64[r->n] = mp_rd_i64(rd);
        return MP_OK;
    }
}

static void set_null(mp_rows_col *col, int64_t i) {
    if (col->type == MP_STRING)
        col->str[i] = mp_str_of("", 0);
    else if (col->type == MP_BOOL)
        col->b[i] = 0;
    else
        col->i64[i] = 0;
}

mp_status mp_rows_decode(mp_rows *r, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_rd rd = mp_rd_of(bytes, len);
    while (mp_rd_left(&rd)) {
        mp_status st = mp_rows_reserve(r, 1, err);
        for (int c = 0; c < r->n_cols && !st && !rd.bad; c++) {
            uint8_t valid = mp_rd_u8(&rd);
            if (valid > 1) rd.bad = true;
            r->cols[c].valid[r->n] = valid & 1;
            set_null(&r->cols[c], r->n);
            if (valid) st = get_value(r, c, &rd, err);
        }
        if (st) return st;
        if (r->with_position) r->position[r->n] = mp_rd_i64(&rd);
        if (rd.bad || (r->n_cols == 0 && !r->with_position))
            return mp_error_set(err, MP_FAILED, "broken rows", "a block of rows is malformed");
        r->n++;
    }
    return MP_OK;
}
