/* csv_indexer.h - from the bytes of a split to runs of records: the scan where the text is regular,
 * line by line where it is not.
 * Invariant: the runs of a split, one behind the other, hold the same records whatever the SIMD
 * level and wherever one run ended and the next began. */
#ifndef MP_IO_CSV_INDEXER_H
#define MP_IO_CSV_INDEXER_H

#include "io/csv/csv_convert_simd.h"
#include "io/csv/csv_index.h"
#include "io/csv/csv_record.h"
#include "io/csv/csv_scan.h"

/* A record whose form is bad, in a run (on_bad_row skip or null). */
typedef struct {
    uint32_t record;    /* its number in the run */
    size_t start;       /* in the text */
    size_t len;         /* without the newline */
    int64_t n_fields;   /* -1: text behind a closing quote */
    const char *reason; /* what is wrong; NULL: the number of fields */
} mp_csv_flaw;

typedef enum {
    MP_CSV_RUN_FULL,  /* more follows */
    MP_CSV_RUN_END,   /* no record of the split follows */
    MP_CSV_RUN_BYTES, /* the text ends inside the next record */
    MP_CSV_RUN_BAD    /* the next record stops the run: see bad */
} mp_csv_run_stop;

typedef enum {
    MP_CSV_BAD_FIELDS, /* too few or too many */
    MP_CSV_BAD_QUOTE,  /* text behind a closing quote */
    MP_CSV_BAD_NUL,
    MP_CSV_BAD_OPEN,     /* a quote never closed */
    MP_CSV_BAD_TOO_LONG, /* 4 GiB */
} mp_csv_bad_kind;

typedef struct {
    mp_csv_index index;
    size_t first;       /* place in the text that index.rec counts from */
    uint32_t n_records; /* data records gone through, bad ones included */
    mp_csv_run_stop stop;
    mp_csv_bad_kind bad;  /* of RUN_BAD: the record at *at */
    int64_t bad_n_fields; /* of MP_CSV_BAD_FIELDS */
    int64_t bad_column;   /* of MP_CSV_BAD_QUOTE */
} mp_csv_run;

typedef struct {
    const mp_csv_dialect *dialect;
    mp_csv_scan_fn scan;
    const mp_csv_kernels *kernels; /* NULL: in plain C */
    mp_csv_period period;
    mp_mem *mem;
    int n_columns;
    mp_bad_row on_bad_row;
    uint32_t *rec, *row_no;
    uint32_t *end;
    uint32_t max_pos; /* entries of end that count */
    uint8_t *dirty;   /* one line's */
    size_t last_line; /* start of the last line gone through */
    mp_csv_flaw *flaws;
    uint32_t n_flaws, cap_flaws;
    uint8_t *repaired; /* a record of which fields were taken out */
    size_t cap_repaired;
    size_t window;    /* bytes that the next scan may take */
    uint32_t by_line; /* lines to do one by one before the next scan */
    uint32_t stretch; /* what by_line is set to at the next irregularity */
} mp_csv_indexer;

MP_MUST_CHECK mp_status mp_csv_indexer_init(mp_csv_indexer *ix, const mp_csv_args *args,
                                            mp_error *err);
void mp_csv_indexer_release(mp_csv_indexer *ix);

/* The next run of text from *at, which is the start of a line; *at moves behind it. The run is
 * valid until the next call. At most MP_BATCH_ROWS rows. Returns MP_OK or MP_NOMEM. */
MP_MUST_CHECK mp_status mp_csv_indexer_fill(mp_csv_indexer *ix, const mp_csv_text *text, size_t *at,
                                            mp_csv_run *run, mp_error *err);

#endif
