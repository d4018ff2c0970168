/* h5_convert.h - values of one column of a batch, from the file's form to mpart's.
 * Invariant: the same values for every way in which the rows were cut. */
#ifndef MP_IO_H5_CONVERT_H
#define MP_IO_H5_CONVERT_H

#include "data/batch.h"
#include "io/h5/h5_fetch.h"

typedef struct {
    const mp_h5_layout *l;
    mp_h5_fetch *fetch;
    const int32_t *columns; /* those of the fetch */
    const int32_t *masks;   /* place in the fetch's list of a column's mask, -1 */
    mp_arena *arena;
} mp_h5_convert;

/* Column i of the fetch's list as type want (its own, or float64 or string of a number) for rows
 * [row, row + n), or for those at sel[0..n_sel) from row on. *bad_row: the place among them of a value
 * that is no want (an integer above int64's range), with its MP_DATA. */
MP_MUST_CHECK mp_status mp_h5_convert_column(const mp_h5_convert *v, int i, mp_type want,
                                             int64_t row, int32_t n, const uint32_t *sel,
                                             int32_t n_sel, mp_col *out, int32_t *bad_row,
                                             mp_error *err);

#endif
