/* batch.h - some thousand rows held as typed columns: the only thing that travels through the program.
 * Invariant: a batch and all it points to belong to whoever made it and are valid until the call it was passed to returns;
 * whoever keeps a value copies it. All columns have n_rows values; the value under a 0 in valid is unspecified but
 * readable (a string there has len 0). */
#ifndef MP_DATA_BATCH_H
#define MP_DATA_BATCH_H

#include "base/names.h"
#include "data/type.h"

enum { MP_BATCH_ROWS = 4096 }; /* most rows of a batch */

typedef struct {
    mp_type type;
    uint8_t scale;        /* MP_DECIMAL: digits after the point, 0..18, of this batch */
    uint8_t ts_sep;       /* MP_TIMESTAMP: 'T' or ' ' between date and time when printed; 0: ' ' */
    const uint8_t *valid; /* NULL: no nulls; else n_rows bytes, 1 = value, 0 = null */
    union {               /* n_rows values; by type */
        const void *p;
        const uint8_t *b;
        const int64_t *i64; /* int64, decimal, date, timestamp */
        const double *f64;
        const mp_str *str;
    };
} mp_col;

typedef struct {
    int32_t n_rows;
    int32_t n_cols;
    const mp_col *cols;
    /* Where the rows come from: row i is the record at byte offset base + rec[i] of file file_no. rec is NULL where rows
     * have no place in the input (results). first_row: records of the split before this batch; row_no (NULL: i) is the
     * record's number in the batch before filtering. */
    int32_t file_no;
    int64_t base;
    const uint32_t *rec;
    int64_t first_row;
    const uint32_t *row_no;
} mp_batch;

static inline bool mp_col_is_null(const mp_col *c, int64_t i) {
    return c->valid && !c->valid[i];
}

/* Name and type of each column of a table. Names are owned by the arena they were made in. */
typedef struct {
    const char *name;
    mp_type type;
    uint8_t ts_sep;
    uint8_t scale; /* MP_DECIMAL: upper bound of the scale of its batches */
} mp_field;

typedef struct {
    int32_t n;
    mp_field *fields;
    const mp_names *names; /* of the fields; NULL: they are looked for one by one */
} mp_schema;

/* Index of the first column called name (case-sensitive, ends with NUL), -1: none. */
int mp_schema_find(const mp_schema *s, const char *name);

/* Makes s->names, in the arena, where there are many fields. False: no memory. */
bool mp_schema_index(mp_schema *s, mp_arena *arena);

#endif
