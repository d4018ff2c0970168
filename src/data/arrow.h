/* arrow.h - batches in the layout of Arrow's C Data Interface, and back.
 * Invariant: what comes from outside (a plug-in, a process over shared memory) is believed in nothing: formats, counts,
 * offsets and values are checked before they are used, and where the sizes of buffers are known no byte outside them is
 * read. What the interface does not tell (how large a buffer is) cannot be checked: then a lie crashes the process that
 * reads, so only the process of the plug-in does that. */
#ifndef MP_DATA_ARROW_H
#define MP_DATA_ARROW_H

#include "base/mem.h"
#include "data/batch.h"
#include "mpart/plugin.h"

/* How the values of a column lie in memory. */
typedef enum {
    MP_ARROW_NULL,
    MP_ARROW_BOOL,
    MP_ARROW_INT, /* width 1, 2, 4, 8 */
    MP_ARROW_UINT,
    MP_ARROW_FLOAT, /* width 4, 8 */
    MP_ARROW_DECIMAL,
    MP_ARROW_DATE,      /* width 4: days; 8: milliseconds */
    MP_ARROW_TIMESTAMP, /* width 8, per_s */
    MP_ARROW_TEXT       /* width of an offset: 4, 8 */
} mp_arrow_kind;

typedef struct {
    mp_arrow_kind kind;
    int width;     /* bytes of a value, or of an offset */
    int precision; /* MP_ARROW_DECIMAL */
    int scale;     /* MP_ARROW_DECIMAL, -38..38 */
    int64_t per_s; /* MP_ARROW_TIMESTAMP: ticks of a second */
} mp_arrow_type;

/* A table's columns as they come from outside. */
typedef struct {
    mp_schema schema; /* what they are in batches */
    mp_arrow_type *types;
} mp_arrow_table;

/* One column of an array: no pointers to it are kept. */
typedef struct {
    int64_t length, offset; /* values offset to offset + length are used */
    int64_t null_count;     /* -1: not known */
    int n_buffers;
    const void *buffers[3]; /* validity bits (NULL: no nulls), values or offsets, bytes */
    int64_t bytes[3];       /* of each; -1: not known */
} mp_arrow_col;

/* ---- schemas (arrow_schema.c) ---- */

/* Format string of a field ("l", "d:18,2"); into text. */
enum { MP_ARROW_FORMAT_MAX = 16 };
void mp_arrow_format(const mp_field *f, char text[MP_ARROW_FORMAT_MAX]);
/* What a format string says; false: not a form that is taken. Types of more than 18 digits are float64 in batches. */
bool mp_arrow_type_parse(const char *format, mp_arrow_type *out);
/* A schema on its own: *out owns all it points to and is released by its release(), by whoever has it. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_arrow_schema_export(const mp_schema *s, struct ArrowSchema *out,
                                               mp_error *err);
/* Checks a schema and copies it into arena; it is not released. MP_FAILED: says what is wrong. */
MP_MUST_CHECK mp_status mp_arrow_schema_import(const struct ArrowSchema *in, mp_arena *arena,
                                               mp_arrow_table *out, mp_error *err);
/* The same for columns that are in batches already: formats as mp_arrow_format gives them. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_arrow_table_of(const mp_schema *s, mp_arena *arena, mp_arrow_table *out,
                                          mp_error *err);

/* ---- out (arrow_export.c) ---- */

/* Bytes that the columns of a batch take; -1: more than a batch may have (2 GiB of text in a column). */
int64_t mp_arrow_bytes(const mp_batch *in, const mp_schema *s);
/* The columns into block, which has room for mp_arrow_bytes and is aligned to 64 bytes; cols gets in->n_cols. share:
 * values that lie in memory as Arrow wants them are not copied but pointed at. Returns the bytes of block that were
 * used. Columns must have the schema's types, decimals a scale of at most the field's. */
int64_t mp_arrow_export(const mp_batch *in, const mp_schema *s, bool share, uint8_t *block,
                        mp_arrow_col *cols);

/* An array lent to somebody: everything in it is in arena and goes with it. live counts what was not released: when it
 * is not 0 in the end, somebody kept a part. */
typedef struct {
    int live;
} mp_arrow_lease;
/* NULL-free struct array over cols. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_arrow_lend(const mp_arrow_col *cols, int n_cols, int64_t n_rows,
                                      mp_arena *arena, mp_arrow_lease *lease,
                                      struct ArrowArray *out, mp_error *err);

/* ---- in (arrow_import.c) ---- */

/* The columns of a struct array, which stays its maker's; cols has t->schema.n. MP_FAILED. */
MP_MUST_CHECK mp_status mp_arrow_open(const struct ArrowArray *in, const mp_arrow_table *t,
                                      mp_arrow_col *cols, mp_error *err);
/* Checks all of cols against the types: buffers, sizes, offsets, the number of nulls. n_rows: of each. MP_FAILED. */
MP_MUST_CHECK mp_status mp_arrow_check(const mp_arrow_col *cols, const mp_arrow_table *t,
                                       int64_t n_rows, mp_error *err);
/* Rows [first, first + n_rows) of checked columns, n_rows <= MP_BATCH_ROWS, as a batch in arena; texts, and values that
 * agree, point into the buffers. MP_FAILED: a value that a batch cannot hold (says row and column). */
MP_MUST_CHECK mp_status mp_arrow_import(const mp_arrow_col *cols, const mp_arrow_table *t,
                                        int64_t first, int32_t n_rows, mp_arena *arena,
                                        mp_batch *out, mp_error *err);

/* ---- one block of bytes (frame.c) ---- */

/* A frame is a batch as bytes at one place: a header that says where the buffers are, and the buffers, all at multiples
 * of 64 bytes. */
int64_t mp_frame_bytes(const mp_batch *in, const mp_schema *s); /* most it takes; -1: too large */
/* base: aligned to 64. Returns its length, a multiple of 64. */
int64_t mp_frame_put(const mp_batch *in, const mp_schema *s, uint8_t *base);
/* The frame at the begin of [base, base + cap): its columns (room for n_cols), its rows and length. base is read while
 * this runs: it must not change meanwhile. MP_FAILED: not a frame of n_cols columns. */
MP_MUST_CHECK mp_status mp_frame_get(const uint8_t *base, int64_t cap, int n_cols,
                                     mp_arrow_col *cols, int64_t *n_rows, int64_t *len,
                                     mp_error *err);

#endif
