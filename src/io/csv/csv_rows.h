/* csv_rows.h - from a run of records to a batch: filter columns, filter, the other columns, and
 * what is to be done with values that make their row bad.
 * Invariant: which rows survive, and which error is reported, depends on the rows alone, not on
 * where a run was cut. */
#ifndef MP_IO_CSV_ROWS_H
#define MP_IO_CSV_ROWS_H

#include "io/csv/csv_indexer.h"

typedef struct {
    const mp_csv_args *args;
    mp_simd simd;
    mp_evidence *seen; /* n_columns */
    bool misfit;
    int64_t n_bad;
    mp_arena arena; /* of the batch */
    mp_col *filter_cols, *cols;
    uint32_t *sel, *picked;
    uint8_t *marks;      /* bad values of one column */
    int32_t *bad_wanted; /* per row of the run: the wanted column that made it bad, -1: none */
    bool any_bad;        /* bad_wanted holds something */
} mp_csv_rows;

/* args lives as long as w. */
MP_MUST_CHECK mp_status mp_csv_rows_init(mp_csv_rows *w, const mp_csv_args *args, mp_error *err);
void mp_csv_rows_release(mp_csv_rows *w);

/* The batch of a run: valid until the next call. first_row: records of the split before the run.
 * flaws: of the run. */
MP_MUST_CHECK mp_status mp_csv_rows_make(mp_csv_rows *w, const mp_csv_text *text,
                                         const mp_csv_run *run, const mp_csv_flaw *flaws,
                                         uint32_t n_flaws, int64_t first_row, mp_batch *out,
                                         mp_error *err);

/* The text of a structural flaw: "5 fields instead of 9". */
void mp_csv_flaw_reason(int64_t n_fields, int n_columns, char *out, size_t cap);

#endif
