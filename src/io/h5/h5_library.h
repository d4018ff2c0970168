/* h5_library.h - rows of a dataset through the HDF5 library: for the storages and filters that mpart
 * does not take apart itself. Opened when it is needed first; the plain driver, so no other rank is
 * asked for anything.
 * Invariant: what comes out are the bytes of a piece of the array as its layout says. */
#ifndef MP_IO_H5_LIBRARY_H
#define MP_IO_H5_LIBRARY_H

#include "io/h5/h5_layout.h"

typedef struct mp_h5_library mp_h5_library;
MP_MUST_CHECK mp_status mp_h5_library_open(const mp_h5_layout *l, const char *path, mp_mem *mem,
                                           mp_h5_library **out, mp_error *err);
void mp_h5_library_close(mp_h5_library **lib);
/* Rows [row, row + n) of array a (n <= band_rows) to out (chunk_bytes); texts of variable length go to
 * *text, and out gets mp_str that point there. MP_DATA. */
MP_MUST_CHECK mp_status mp_h5_library_read(mp_h5_library *lib, int32_t array, int64_t row,
                                           int64_t n, uint8_t *out, mp_buf *text, mp_error *err);

#endif
