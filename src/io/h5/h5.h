/* h5.h - the HDF5 source: rows of a table by its layout.
 *
 *   layout ──► h5_fetch (bytes of the rows: mapped, unpacked chunks, or by the library)
 *          ──► h5_convert (values of the wanted columns; filter columns first)
 *          ──► batch
 *
 * A split is a range of rows: begin and split_len of its text count rows, there are no bytes. Places
 * in errors and batches are row numbers.
 * Invariant: columns have the types of the layout; nothing is guessed, no pass is redone. */
#ifndef MP_IO_H5_H
#define MP_IO_H5_H

#include "io/csv/csv.h"
#include "io/h5/h5_layout.h"

/* The reader: functions of an mp_source. args->h5 and args->path are there; wanted columns are those
 * of the layout. */
typedef struct mp_h5_reader mp_h5_reader;
MP_MUST_CHECK mp_status mp_h5_reader_new(const mp_csv_args *args, mp_h5_reader **out,
                                         mp_error *err);
void mp_h5_reader_free(mp_h5_reader **r);
MP_MUST_CHECK mp_status mp_h5_reader_begin(mp_h5_reader *r, const mp_csv_text *text, mp_error *err);
MP_MUST_CHECK mp_status mp_h5_reader_next(mp_h5_reader *r, mp_batch *out, bool *more,
                                          mp_error *err);
void mp_h5_reader_end(const mp_h5_reader *r, mp_csv_end *out);
const mp_evidence *mp_h5_reader_seen(const mp_h5_reader *r);

/* Can column c be read as type t (its own, or a wider one of a number)? */
bool mp_h5_reads_as(const mp_h5_column *c, mp_type t);

#endif
