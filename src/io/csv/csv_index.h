/* csv_index.h - where the fields of a run of records are: what the scan leaves and the conversion
 * reads. Invariant: every record listed has exactly n_columns fields; blank lines, comments and
 * rejected rows are gone. */
#ifndef MP_IO_CSV_INDEX_H
#define MP_IO_CSV_INDEX_H

#include "base/simd.h"
#include "io/csv/csv.h"

/* Field c of row r is the bytes [start, end[r * n_columns + c]) of base, where start is rec[r] for
 * c = 0, else end[r * n_columns + c - 1] + 1. end < start: the field is missing (on_bad_row null),
 * a null. A carriage return before the newline is not part of the last field. With has_quotes, a
 * field whose first byte is the quote is quoted: its last byte is the closing quote. */
typedef struct {
    int32_t n_rows;
    int32_t n_columns;
    const uint8_t *base; /* 64 bytes before and behind the text are readable */
    const uint32_t *rec; /* n_rows */
    const uint32_t *end; /* n_rows * n_columns */
    /* where the base is not the text itself: begin and end of each record in the text, counted from
     * the run's first byte; NULL: rec, and the end of its last field */
    const uint32_t *place, *place_end;
    const uint32_t
        *row_no; /* number of the record in the run before rejected ones were taken out; NULL: i */
    bool has_quotes;
    bool plain_quotes; /* no quoted field has a doubled quote inside */
} mp_csv_index;

static inline uint32_t mp_csv_field_start(const mp_csv_index *x, int64_t r, int c) {
    return c == 0 ? x->rec[r] : x->end[r * x->n_columns + c - 1] + 1;
}

/* ---- csv_convert.c: one column of the index to a typed column ---- */

typedef struct {
    const mp_csv_dialect *dialect;
    const mp_csv_column *column;
    int c;             /* its place */
    mp_evidence *seen; /* in and out: evidence of this column */
    bool *misfit;      /* set, never cleared */
    mp_arena *arena;   /* of the batch: values and unescaped text live here */
    mp_simd simd;
} mp_csv_convert_args;

/* What stopped a conversion: a value that makes its row bad (fixed), or bad data (need_number). The
 * text points into base. */
typedef struct {
    int32_t row;        /* index in the run of rows given, -1: none */
    bool is_data_error; /* true: need_number; false: does not fit --types */
    bool is_integer; /* a data error that float(x) can read: an integer with a leading zero or plus,
                        or outside int64; a number that is quoted as a text */
    mp_str text;
    char reason[160];
} mp_csv_bad_value;

/* Convert the n rows listed in sel (NULL: rows 0..n-1) of column a->c (< 0: the file has none such,
 * all null) into *out (n values, in the arena). A value that makes its row bad is a null in *out,
 * the first such is in *bad, and bad_rows (n bytes, zeroed by the caller, may be NULL) marks all of
 * them. *misfit is set when the evidence so far is more than the type can hold; the batches are
 * then not to be used. That includes the digits of a decimal column (type.h), fixed or not: where
 * they pass 18 a value is right or null. need_number with a proposed type that is no number:
 * converted to int64. out->ts_sep: as seen so far. Returns MP_OK (also with bad values) or
 * MP_NOMEM. Cost: some ns a value in the common forms, tens in the others. */
MP_MUST_CHECK mp_status mp_csv_convert(const mp_csv_convert_args *a, const mp_csv_index *x,
                                       const uint32_t *sel, int32_t n, mp_col *out,
                                       mp_csv_bad_value *bad, uint8_t *bad_rows, mp_error *err);

/* A text that often stands for null (NA, NULL, N/A, \N): worth the hint --null. */
bool mp_csv_looks_null(mp_str text);

#endif
