/* h5_values.h - single values from bytes: every width, both byte orders, padded texts.
 * Invariant: loads take bytes at any alignment. */
#ifndef MP_IO_H5_VALUES_H
#define MP_IO_H5_VALUES_H

#include "io/h5/h5_convert.h"

/* Rows of a column that lie at steps of its stride. */
typedef struct {
    const mp_h5_column *column;
    const uint8_t *p; /* the value of row first of the batch */
    uint32_t first;
    int32_t n;           /* rows, or chosen rows */
    const uint32_t *sel; /* rows of the batch, at or behind first; NULL: first, first + 1, ... */
} mp_h5_piece;

typedef mp_status (*mp_h5_load_fn)(const mp_h5_convert *v, const mp_h5_piece *p, void *to,
                                   int32_t at, mp_error *err);

static inline const uint8_t *mp_h5_piece_at(const mp_h5_piece *p, int32_t i) {
    int64_t row = p->sel ? (int64_t)p->sel[i] - p->first : i;
    return p->p + row * p->column->stride;
}

/* Integers as int64 (a uint64's bits), floats as double. */
void mp_h5_load_number(const mp_h5_piece *p, int64_t *out);
/* Padded texts, in place. */
void mp_h5_load_fixed(const mp_h5_piece *p, mp_str *out);
/* UTF-16 to UTF-8 in arena, blanks at the end cut; false: no memory. */
bool mp_h5_utf16(const mp_h5_column *c, const uint8_t *p, mp_arena *arena, mp_str *out);
double mp_h5_half(uint16_t bits);

#endif
