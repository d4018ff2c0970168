/* h5_packed.h - rows in Arrow's form, as vaex writes them: texts end to end with their offsets, and bits of nulls.
 * Invariant: an offset is believed only between its neighbours and inside the texts. */
#ifndef MP_IO_H5_PACKED_H
#define MP_IO_H5_PACKED_H

#include <hdf5.h>

#include "io/h5/h5_layout.h"

/* Rows [row, row + n) of array a in the open file: mp_str into text, or int64, as a->as says. MP_DATA. */
MP_MUST_CHECK mp_status mp_h5_packed_read(hid_t file, const mp_h5_array *a, int64_t row, int64_t n,
                                          uint8_t *out, mp_buf *text, mp_mem *mem, mp_error *err);

#endif
