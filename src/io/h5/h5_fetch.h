/* h5_fetch.h - the bytes of rows: mapped, unpacked chunks, or through the library.
 * Invariant: bytes stay until mp_h5_fetch_batch or mp_h5_fetch_split is called next. */
#ifndef MP_IO_H5_FETCH_H
#define MP_IO_H5_FETCH_H

#include "io/h5/h5_layout.h"

typedef struct mp_h5_fetch mp_h5_fetch;

/* columns: n of those that will be asked for (numbers in the layout); l and path stay. */
MP_MUST_CHECK mp_status mp_h5_fetch_open(const mp_h5_layout *l, const char *path,
                                         const int32_t *columns, int n, mp_mem *mem,
                                         mp_h5_fetch **out, mp_error *err);
void mp_h5_fetch_close(mp_h5_fetch **f);
/* From now on rows [begin, begin + n_rows) are read. */
void mp_h5_fetch_split(mp_h5_fetch *f, int64_t begin, int64_t n_rows);
/* How many rows from row on (at most the rest of the split) make a good batch. */
int32_t mp_h5_fetch_batch(const mp_h5_fetch *f, int64_t row);
/* Column i of the list: the value of row is at *at, those of the next ones (*n in all, this one
 * included) at steps of the column's stride. MP_DATA, MP_IO, MP_NOMEM. */
MP_MUST_CHECK mp_status mp_h5_fetch_rows(mp_h5_fetch *f, int i, int64_t row, const uint8_t **at,
                                         int64_t *n, mp_error *err);
/* The text that an element of 16 bytes (MP_H5_HEAP) refers to, in arena. */
MP_MUST_CHECK mp_status mp_h5_fetch_text(mp_h5_fetch *f, const uint8_t *reference, mp_arena *arena,
                                         mp_str *out, mp_error *err);
/* MP_IO when the file shrank under what was mapped. */
MP_MUST_CHECK mp_status mp_h5_fetch_check(const mp_h5_fetch *f, mp_error *err);

#endif
