/* h5_write.h - an answer as an HDF5 file. Its rows wait as records in a scratch file (the ordered
 * sink of the answer, every rank), until the last one says how wide strings are and how many rows
 * there are; then the ranks make packed chunks of them, unit by unit, and rank 0 stores these.
 * Invariant: chunks are stored in the order of units, so the file is the same for every number of
 * ranks. Until commit the target is untouched. Collective functions are called by all ranks. */
#ifndef MP_RUN_H5_WRITE_H
#define MP_RUN_H5_WRITE_H

#include "io/h5/h5_out.h"
#include "plan/spec.h"
#include "run/order/order.h"
#include "run/report.h"

typedef struct mp_h5_write mp_h5_write;

/* Local; on rank 0 the temporary of the target is made. MP_IO; MP_USAGE: a target that is no
 * ordinary file. */
MP_MUST_CHECK mp_status mp_h5_write_new(mp_comm *c, const mp_spec *spec, mp_mem *mem,
                                        mp_h5_write **out, mp_error *err);
void mp_h5_write_free(mp_h5_write **w);
/* The target of mp_out_create for the scratch file of rows: in --scratch, else beside the output,
 * where all ranks can reach it. Lives as long as w. */
const char *mp_h5_write_scratch(const mp_h5_write *w);

/* The columns of the rows that follow; names live until the end. Local. */
MP_MUST_CHECK mp_status mp_h5_write_columns(mp_h5_write *w, const char *const *names,
                                            const mp_type *types, const int8_t *widths, int n_cols,
                                            mp_error *err);
/* Rows as records, to the end of out. Local. */
void mp_h5_write_rows(const mp_h5_write *w, const mp_batch *in, mp_buf *out, mp_buf *row_ends);
/* Forget the rows that were placed before; args: those of the scratch file's ordered sink, which is
 * told to say where pieces are. Local, behind columns. */
MP_MUST_CHECK mp_status mp_h5_write_begin(mp_h5_write *w, mp_order_args *args, mp_error *err);

/* All rows are in the scratch file, bytes long (read on rank 0), and its sink is gone: make the HDF5 file, close it, look at it.
 * Collective. report: its note may be set, on rank 0. MP_IO, MP_NOMEM, MP_DATA, MP_USAGE. */
MP_MUST_CHECK mp_status mp_h5_write_store(mp_h5_write *w, mp_out_file *scratch, int64_t bytes,
                                          mp_report *report, mp_error *err);
/* Rank 0: the file gets its name; *bytes of it. */
MP_MUST_CHECK mp_status mp_h5_write_commit(mp_h5_write *w, int64_t *bytes, mp_error *err);

#endif
