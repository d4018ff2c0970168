/* h5_out_rows.h - rows as records of bytes: what waits in scratch between the query and an HDF5 file,
 * whose string widths and number of rows are known only behind the last row.
 * Form of a record, little-endian: u32 bytes of the record; a bit per column, 1 = null; per column
 * its fixed part (bool 1 byte, string u32 length, else 8 bytes); the bytes of the strings.
 * Invariant: values are those of the file: a null is NaN, 0 or "", a decimal is the nearest float64.
 * So filling a chunk is copying. All functions are local. */
#ifndef MP_IO_H5_OUT_ROWS_H
#define MP_IO_H5_OUT_ROWS_H

#include "base/buf.h"
#include "data/batch.h"

typedef struct {
    int n_cols;
    const char *const *names;
    const mp_type
        *types;          /* as stored: MP_BOOL MP_INT64 MP_FLOAT64 MP_DATE MP_TIMESTAMP MP_STRING */
    const int8_t *bytes; /* of numbers in the file: 8, 4, 2, 1; negative: without sign */
    uint32_t *fixed_at;  /* n_cols: the fixed part in a record */
    uint32_t fixed_bytes; /* where the strings of a record begin */
} mp_h5_rows;

/* The type that a column of values of type t is stored as. */
mp_type mp_h5_stored_type(mp_type t);
/* types: of the values; widths: bytes of their numbers in the file (0: 8; floats 4 or 8), which hold
 * them all, NULL: 8. names are kept, the rest is in the arena. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_h5_rows_init(mp_h5_rows *r, const char *const *names,
                                        const mp_type *types, const int8_t *widths, int n_cols,
                                        mp_arena *arena, mp_error *err);

/* All rows of in (its columns hold values of the types of init) behind out; row_ends (may be NULL)
 * gets the end of each as i64. Check both with mp_buf_check afterwards. */
void mp_h5_rows_put(const mp_h5_rows *r, const mp_batch *in, mp_buf *out, mp_buf *row_ends);

/* A run of records in the scratch file, without the records behind it. */
typedef struct {
    int64_t offset, n_rows;
} mp_h5_run;

/* What records say about their columns. */
typedef struct {
    uint32_t *longest; /* n_cols: of strings, bytes */
    uint8_t *nulls;    /* n_cols bits as in a record: there is a null */
    int64_t n_rows;
    mp_buf runs; /* mp_h5_run, of about a MiB each */
} mp_h5_seen;

MP_MUST_CHECK mp_status mp_h5_seen_init(mp_h5_seen *s, const mp_h5_rows *r, mp_arena *arena,
                                        mp_mem *mem, mp_error *err);
void mp_h5_seen_release(mp_h5_seen *s);
/* Whole records, which stand at offset in the scratch file. MP_FAILED: they are no records. */
MP_MUST_CHECK mp_status mp_h5_seen_add(mp_h5_seen *s, const mp_h5_rows *r, int64_t offset,
                                       const uint8_t *bytes, size_t n, mp_error *err);

/* Where each of n_rows records begins, behind skip others. MP_FAILED: they are not all there. */
MP_MUST_CHECK mp_status mp_h5_rows_find(const mp_h5_rows *r, const uint8_t *bytes, size_t n,
                                        int64_t skip, int64_t n_rows, const uint8_t **rows,
                                        mp_error *err);

static inline uint32_t mp_h5_load32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline bool mp_h5_is_null(const uint8_t *record, int c) {
    return record[4 + c / 8] >> (c % 8) & 1;
}
/* Bytes of a column's fixed part in a record. */
static inline uint32_t mp_h5_fixed_bytes(mp_type stored) {
    return stored == MP_BOOL ? 1 : stored == MP_STRING ? 4 : 8;
}

#endif
