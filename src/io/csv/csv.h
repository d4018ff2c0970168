/* csv.h - the CSV source: from bytes of a split to batches.
 *
 *   bytes ──► csv_scan (SIMD: positions of delimiters and newlines, blocks with quotes apart)
 *         ──► csv_index (records of a batch: field ends, ragged, blank and comment lines dealt with)
 *         ──► csv_convert (fields of the wanted columns to typed columns; filter columns first)
 *         ──► batch
 *
 * Invariant: a record belongs to the split in which its first byte lies; the reader of that split reads it to its end,
 * wherever that is. What the reader returns does not depend on how the input was cut. */
#ifndef MP_IO_CSV_H
#define MP_IO_CSV_H

#include "base/buf.h"
#include "data/batch.h"

/* The form of the text. Plain data, the same on every rank. */
typedef struct {
    char delimiter;
    char quote;   /* 0: none */
    char comment; /* 0: none; a record that starts with it is skipped up to its newline */
    bool decimal_comma;
    char thousands;          /* 0: none */
    const char *date_format; /* strptime form, NULL: ISO */
    int n_nulls;             /* texts that mean null, besides the empty unquoted field */
    const char **nulls;
    bool empty_is_text;  /* an empty field is an empty text, not a null */
    bool quoted_is_text; /* quoted text is a text, date or timestamp, never a number or bool */
} mp_csv_dialect;

/* State between two bytes of the text: what the next byte is. */
typedef enum {
    MP_CSV_RECORD_START, /* first byte of a record (or of a blank or comment line) */
    MP_CSV_FIELD_START,  /* after a delimiter */
    MP_CSV_IN_FIELD,     /* inside an unquoted field */
    MP_CSV_IN_QUOTES,    /* inside quotes */
    MP_CSV_AFTER_QUOTE, /* after a quote inside quotes: another makes one quote, anything else has closed the field */
    MP_CSV_IN_COMMENT,
    MP_CSV_STATES
} mp_csv_state;

/* ---- splitting: csv_split.c ---- */

/* The state machine over bytes [p, p + n) from state s, exactly; *first: offset of the first record start (a byte at which the
 * state is RECORD_START, n counts as one past the end and is not reported), -1: none. Cost: near memchr without quotes. */
mp_csv_state mp_csv_walk(const mp_csv_dialect *d, const uint8_t *p, size_t n, mp_csv_state s,
                         int64_t *first);

/* The whole function of a range: for each entry state its exit state. Cost: at most 6 walks, in practice 2, which merge. */
typedef struct {
    uint8_t exit[MP_CSV_STATES];
} mp_csv_func;
void mp_csv_range_func(const mp_csv_dialect *d, const uint8_t *p, size_t n, mp_csv_func *f);

/* Guess the state at p + at from the bytes around it: [p, p + n) is a window of the file, start_known says that p is the
 * start of a record. The hypothesis wins whose records have n_columns fields most often. Not proven. */
mp_csv_state mp_csv_guess(const mp_csv_dialect *d, const uint8_t *p, size_t n, size_t at,
                          bool start_known, int n_columns);

/* ---- reading: csv_read.c ---- */

typedef enum {
    MP_CSV_TEXT, /* mp_str of the field's value (unquoted); null markers are nulls; no evidence */
    MP_CSV_TYPED /* converted to type; evidence is collected */
} mp_csv_use;

/* One wanted column of the batches; the same on every rank in one pass. A column of the file may be wanted twice, as TEXT and as
 * TYPED; the list of wanted columns gives the order of the columns in the batches (so files with columns in another order give the same
 * batches). */
typedef struct {
    int c; /* column of the file from 0; -1: the file has none such, all null */
    mp_csv_use use;
    mp_type type; /* of TYPED: what to convert to */
    bool fixed;   /* --types: a misfit is a bad row, and the type never changes */
    bool
        need_number; /* the plan needs a number here: text is bad data (MP_DATA), not a wider type */
    bool in_filter;  /* needed by the filter: converted before it, for all rows */
    bool after_filter; /* needed after the filter, for the survivors */
    const char *name;  /* for messages */
} mp_csv_column;

typedef enum { MP_BAD_ROW_FAIL, MP_BAD_ROW_SKIP, MP_BAD_ROW_NULL } mp_bad_row;

typedef struct mp_csv_reader mp_csv_reader;

/* Keeps rows [0, n): writes the numbers of the survivors to sel, ascending; returns their number in *n_sel. The batch has
 * the wanted columns with in_filter, in the order of the list. Must not keep anything. */
typedef mp_status (*mp_csv_filter_fn)(void *ctx, const mp_batch *in, uint32_t *sel, int32_t *n_sel,
                                      mp_error *err);
/* A bad row: called once per row in order with its text and the reason, when on_bad_row is not FAIL. */
typedef mp_status (*mp_csv_reject_fn)(void *ctx, int64_t row_in_split, int64_t offset,
                                      mp_str record, const char *reason, mp_error *err);

typedef struct {
    const mp_csv_dialect *dialect;
    int n_columns;            /* of the file */
    const char *const *names; /* n_columns, where records name their values; else NULL */
    bool other_keys;          /* a name that is none of these is passed over, not a bad row */
    bool list_keys;           /* and listed */
    int n_wanted;
    const mp_csv_column *wanted; /* n_wanted; lives as long as the reader */
    mp_bad_row on_bad_row;
    mp_csv_filter_fn filter; /* NULL: all rows survive */
    void *filter_ctx;
    mp_csv_reject_fn reject; /* may be NULL */
    void *reject_ctx;
    const struct mp_h5_layout *h5; /* HDF5: where the values are, and in which file */
    const char *path;
    mp_mem *mem;
} mp_csv_args;

MP_MUST_CHECK mp_status mp_csv_reader_new(const mp_csv_args *args, mp_csv_reader **out,
                                          mp_error *err);
void mp_csv_reader_free(mp_csv_reader **r);

/* One split. bytes: the text [begin, begin + len) of file file_no; 64 bytes before and behind it are readable. The split's
 * records start in [begin, begin + split_len); bytes behind split_len are there for its last record. at_eof: the text ends
 * where the file ends. The bytes stay until the next begin. entry: state at the first byte. The scan starts at the first record start. */
typedef struct {
    const uint8_t *bytes;
    size_t len;
    size_t split_len;
    bool at_eof;
    mp_csv_state entry;
    int64_t begin; /* offset of bytes[0] in the file */
    int32_t file_no;
    int64_t split;        /* number, for errors */
    int64_t first_record; /* records of the split that stand before bytes: it is read in pieces */
} mp_csv_text;
MP_MUST_CHECK mp_status mp_csv_reader_begin(mp_csv_reader *r, const mp_csv_text *text,
                                            mp_error *err);

/* Next batch: the wanted columns with after_filter, in the order of the list, for the surviving rows (may be 0 rows while
 * *more is true). *more false: the split is at its end, the batch is empty.
 * *need_bytes true: the last record runs past len and not at_eof: call mp_csv_reader_extend with more text and go on.
 * Errors (MP_DATA) have file_no, offset, split, row_in_split, column name and reason. An MP_TYPED value that does not fit its type:
 * need_number and not a number: MP_DATA; fixed: bad row; else evidence is noted, the value is null, and mp_csv_reader_misfit turns true. */
MP_MUST_CHECK mp_status mp_csv_reader_next(mp_csv_reader *r, mp_batch *out, bool *more,
                                           bool *need_bytes, mp_error *err);
/* The same text with more bytes behind it (bytes may have moved). */
MP_MUST_CHECK mp_status mp_csv_reader_extend(mp_csv_reader *r, const uint8_t *bytes, size_t len,
                                             bool at_eof, mp_error *err);
bool mp_csv_reader_misfit(const mp_csv_reader *r);

/* Once the split is at its end, or as far as it got. */
typedef struct {
    mp_csv_state exit; /* state at begin + split_len */
    bool exit_known;   /* false: stopped early by an error before the end */
    int64_t n_records; /* data records that start in the split up to here, bad ones included */
    int64_t n_bad;
    int n_keys;        /* list_keys: names that are no columns, in the order in which they came, */
    const char **keys; /* without those of splits that this reader has read before */
} mp_csv_end;
void mp_csv_reader_end(const mp_csv_reader *r, mp_csv_end *out);

/* Evidence of TYPED columns since the reader was made: n_columns. */
const mp_evidence *mp_csv_reader_seen(const mp_csv_reader *r);

/* ---- the head of a file: csv_head.c ---- */

typedef struct {
    char delimiter;  /* 0: sniff among , ; | tab */
    bool has_header; /* --no-header: false */
    int n_names;     /* --names */
    const char **names;
    int64_t skip_lines;
    mp_csv_dialect dialect; /* delimiter is filled in */
} mp_csv_head_args;

typedef struct {
    char delimiter;
    int n_columns;
    const char **names;  /* repeated names get _2, empty ones cN; owned by the arena */
    int64_t data_offset; /* of the first data record */
    mp_evidence *seen;   /* evidence of the sample, n_columns */
    bool sample_is_all;  /* the sample held the whole file */
    double row_bytes;    /* mean bytes of a record in the sample, 0 when it has none */
} mp_csv_head;

/* Where the text begins behind a byte order mark and --skip-lines. Errors: UTF-16 or UTF-32, fewer lines than that. */
MP_MUST_CHECK mp_status mp_csv_text_start(const mp_csv_head_args *args, const uint8_t *p, size_t n,
                                          bool at_eof, size_t *start, bool *need_more,
                                          mp_error *err);

/* From the first n bytes of a file (at_eof: that is all of it): BOM, --skip-lines, sniffing, header, evidence of the sample.
 * Errors: MP_DATA for 0 bytes, UTF-16, NUL bytes in the header, a quote never closed; *need_more when the header does not end in n bytes.
 * UTF-16 is told from its BOM or NUL pattern and named. */
MP_MUST_CHECK mp_status mp_csv_read_head(const mp_csv_head_args *args, const uint8_t *p, size_t n,
                                         bool at_eof, mp_arena *arena, mp_csv_head *out,
                                         bool *need_more, mp_error *err);

/* The same for a file of lines: one column of strings, line. 0 bytes are no lines. */
MP_MUST_CHECK mp_status mp_csv_read_lines_head(const mp_csv_head_args *args, const uint8_t *p,
                                               size_t n, bool at_eof, mp_arena *arena,
                                               mp_csv_head *out, bool *need_more, mp_error *err);

#endif
