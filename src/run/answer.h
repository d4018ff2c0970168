/* answer.h - where the answer goes: a file that appears whole or not at all, standard output, or an
 * aligned table on a terminal.
 * Invariant: nothing irrevocable happens before mp_answer_finish,
 * unless the answer was begun as final. Collective functions are called by all ranks. */
#ifndef MP_RUN_ANSWER_H
#define MP_RUN_ANSWER_H

#include "plan/spec.h"
#include "run/order/order.h"
#include "run/report.h"

typedef struct mp_answer mp_answer;

/* Collective: create the target (before any work, so that a wrong folder is known at once). MP_IO,
 * MP_USAGE (unknown ending). */
MP_MUST_CHECK mp_status mp_answer_open(mp_comm *c, const mp_spec *spec, mp_mem *mem,
                                       mp_answer **out, mp_error *err);
/* NULL is fine; without finish the target stays as it was. Local. */
void mp_answer_free(mp_answer **a);
/* The format that a spec asks for. MP_USAGE: an ending that is not written. Local. */
MP_MUST_CHECK mp_status mp_answer_format(const mp_spec *spec, mp_text_format *out, mp_error *err);

/* Collective: begin the text anew (also after a pass that is undone). is_final: the rows will not
 * be undone, so standard output may get them at once. Named before. */
MP_MUST_CHECK mp_status mp_answer_begin(mp_answer *a, bool is_final, mp_error *err);
/* The outputs, before the first row is formatted. names live until finish; types are read in HDF5
 * answers alone, where they are those of the batches (MP_NULL: no value has one), and widths is as mp_table_width says,
 * NULL: nothing is known. MP_NOMEM.
 * Local. */
MP_MUST_CHECK mp_status mp_answer_columns(mp_answer *a, const char *const *names,
                                          const mp_type *types, const int8_t *widths, int n_cols,
                                          mp_error *err);
/* Rows as text, to the end of out; row_ends may be NULL. Local. */
void mp_answer_format_rows(const mp_answer *a, const mp_batch *in, mp_buf *out, mp_buf *row_ends);
/* --offset or --limit is given: row ends are needed. */
bool mp_answer_cuts(const mp_answer *a);
mp_order *mp_answer_order(mp_answer *a);

/* Collective, once all rows are written and before finish: an HDF5 file is made of them; else
 * nothing. The report may get a note. */
MP_MUST_CHECK mp_status mp_answer_store(mp_answer *a, mp_report *report, mp_error *err);
/* Collective: commit. On rank 0 *rows and *bytes of the answer. */
MP_MUST_CHECK mp_status mp_answer_finish(mp_answer *a, int64_t *rows, int64_t *bytes,
                                         mp_error *err);

#endif
