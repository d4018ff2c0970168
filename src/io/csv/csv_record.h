/* csv_record.h - one line of CSV text by the state machine: the reference that the SIMD scan must
 * agree with, and what deals with everything irregular.
 * Invariant: what a line is depends on its own bytes and the dialect alone. */
#ifndef MP_IO_CSV_RECORD_H
#define MP_IO_CSV_RECORD_H

#include "io/csv/csv.h"

typedef enum {
    MP_CSV_LINE_DATA,
    MP_CSV_LINE_BLANK, /* of a table with more than one column */
    MP_CSV_LINE_COMMENT,
    MP_CSV_LINE_CUT,  /* the text ends before the line does */
    MP_CSV_LINE_OPEN, /* the file ends inside quotes */
} mp_csv_line_kind;

typedef struct {
    mp_csv_line_kind kind;
    size_t text_len;  /* without CR LF */
    size_t next;      /* start of the next line */
    int64_t n_fields; /* of DATA */
    int64_t dirty;    /* first field with text behind its closing quote, -1: none */
    bool quotes;      /* some field is quoted */
} mp_csv_line;

/* The line that begins at p, n >= 1 bytes of it are there; at_eof: the file ends behind them. end
 * (room for n_columns): where the first n_columns fields end, plus bias, which must not pass 2^32;
 * dirty (n_columns, may be NULL): 1 for fields with text behind the closing quote, else 0. Cost: a
 * pass over the line. */
void mp_csv_line_parse(const mp_csv_dialect *d, const uint8_t *p, size_t n, bool at_eof,
                       int n_columns, uint32_t bias, uint32_t *end, uint8_t *dirty,
                       mp_csv_line *out);

/* As mp_csv_walk, but stops at the first record start: -1 when there is none in p[0..n), and
 * *end_state is the state behind them. */
int64_t mp_csv_find_record(const mp_csv_dialect *d, const uint8_t *p, size_t n, mp_csv_state s,
                           mp_csv_state *end_state);

#endif
