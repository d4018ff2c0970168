/* gen_typed.h - rows of a sample table as values, for answers that are no CSV: its text is read back as a table would be.
 * Invariant: the rows are those of the CSV; a column has the type that gen_table.h says. All functions are local. */
#ifndef MP_RUN_GEN_TYPED_H
#define MP_RUN_GEN_TYPED_H

#include "io/csv/csv.h"
#include "run/answer.h"
#include "run/gen/gen_table.h"

typedef struct {
    int n_cols;
    const char **names;
    mp_type *types;
    mp_arena arena;
    mp_csv_dialect dialect;
    mp_csv_column *wanted;
    mp_csv_reader *reader;
    mp_buf text; /* of some rows, with room around them */
    mp_mem *mem;
} mp_gen_typed;

/* All zero before; texts: every value is its text in the CSV. MP_NOMEM. Release it in any case. */
MP_MUST_CHECK mp_status mp_gen_typed_init(mp_gen_typed *g, const mp_gen_table *t, bool texts,
                                          mp_mem *mem, mp_error *err);
void mp_gen_typed_release(mp_gen_typed *g);
/* Rows [from, end) behind out, in the form of the answer. */
MP_MUST_CHECK mp_status mp_gen_typed_rows(mp_gen_typed *g, const mp_gen_table *t, uint64_t from,
                                          uint64_t end, const mp_answer *answer, mp_buf *out,
                                          mp_error *err);

#endif
