/* rows_priv.h - kept rows from the inside; for rows*.c alone. */
#ifndef MP_OP_ROWS_PRIV_H
#define MP_OP_ROWS_PRIV_H

#include "op/rows.h"

/* One column. The decimals of a column have one scale, the largest that came. */
typedef struct {
    mp_type type;
    uint8_t scale;
    uint8_t ts_sep;
    uint8_t *valid; /* cap bytes */
    union {
        void *p; /* cap values */
        uint8_t *b;
        int64_t *i64;
        double *f64;
        mp_str *str; /* bytes in the arena */
    };
} mp_rows_col;

struct mp_rows {
    mp_mem *mem;
    int n_cols;
    mp_rows_col *cols;
    bool with_position;
    int64_t *position; /* file << 44 | offset */
    int64_t n, cap;
    mp_arena text;
    uint32_t *order; /* of the last sort */
};

/* Room for n more rows. */
MP_MUST_CHECK mp_status mp_rows_reserve(mp_rows *r, int64_t n, mp_error *err);
/* The column's decimals to this scale. MP_DATA when one does not fit. */
MP_MUST_CHECK mp_status mp_rows_rescale(mp_rows *r, int c, uint8_t scale, mp_error *err);
/* Bytes of a string, kept. */
MP_MUST_CHECK mp_status mp_rows_keep_text(mp_rows *r, const char *p, size_t n, mp_str *out,
                                          mp_error *err);
/* A value of scale `from` at the larger scale `to`. */
MP_MUST_CHECK mp_status mp_rows_scaled(int64_t value, uint8_t from, uint8_t to, int64_t *out,
                                       mp_error *err);

#endif
