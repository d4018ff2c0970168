/* rows.h - rows that are kept: each its sort key (rows_key.h) and its text as the answer has it,
 * in chunks; sorted, cut to the first n, sent to another rank.
 * Invariant: a row is one record, which stays where it is until its chunk goes back to the pool;
 * a record is its own wire form. Nothing here knows types.
 * A record: length of the key, length of the text (each one byte, or 255 and u32), key, text. */
#ifndef MP_OP_ROWS_H
#define MP_OP_ROWS_H

#include "op/rows/rows_key.h"

/* Chunks that wait to be used again, shared by the rows of one rank. Release it after all of
 * them. */
typedef struct mp_row_chunk mp_row_chunk;
typedef struct {
    mp_mem *mem;
    mp_row_chunk *free;
} mp_row_pool;
void mp_row_pool_init(mp_row_pool *pool, mp_mem *mem);
void mp_row_pool_release(mp_row_pool *pool);

/* So many bytes can be read behind the last record of a chunk. */
enum { MP_ROW_SLACK = 128 };

/* Copies n bytes; where slack allows it, also some behind them, to where so many may be written
 * as well. */
static inline void mp_row_copy(uint8_t *to, const void *from, size_t n, size_t slack) {
    if (n <= MP_ROW_SLACK / 2 && slack >= MP_ROW_SLACK)
        memcpy(to, from, MP_ROW_SLACK / 2);
    else if (n <= MP_ROW_SLACK && slack >= MP_ROW_SLACK)
        memcpy(to, from, MP_ROW_SLACK);
    else if (n)
        memcpy(to, from, n);
}

/* A row where it lies. */
typedef struct {
    const uint8_t *record, *key, *text;
    size_t len; /* of the record, bytes */
    uint32_t key_len, text_len;
} mp_row;

typedef struct {
    mp_row_pool *pool;
    mp_row_chunk *first, *last;
    uint8_t *next, *end;                 /* in the last chunk: where the next record goes */
    int64_t n_chunks;                    /* now */
    int64_t n_rows, n_bytes, text_bytes; /* of all rows, records, texts that were added */
} mp_rows;

void mp_rows_init(mp_rows *r, mp_row_pool *pool);
/* The chunks go to the pool; the rows are empty, and can be used again. */
void mp_rows_release(mp_rows *r);
/* Copies a row to the end. slack: so many bytes behind key and behind text can be read
 * (MP_ROW_SLACK or more: faster). MP_NOMEM; MP_FAILED: key and text pass 4 GiB. */
MP_MUST_CHECK mp_status mp_rows_add(mp_rows *r, const void *key, size_t key_len, const void *text,
                                    size_t text_len, size_t slack, mp_error *err);
/* The same for the record of a row that lies elsewhere. */
MP_MUST_CHECK mp_status mp_rows_add_row(mp_rows *r, const mp_row *row, size_t slack, mp_error *err);

/* The row at *at in records that end at end; *at moves behind it. false: there is no whole
 * record. */
bool mp_row_read(const uint8_t **at, const uint8_t *end, mp_row *out);
/* The row whose record is known to be whole. */
mp_row mp_row_at(const uint8_t *record);

/* The chunk behind c; c NULL: the first. NULL: there is no other. */
const mp_row_chunk *mp_rows_next_chunk(const mp_rows *r, const mp_row_chunk *c);
/* The records of a chunk of r. */
const uint8_t *mp_row_chunk_begin(const mp_row_chunk *c);
const uint8_t *mp_row_chunk_end(const mp_rows *r, const mp_row_chunk *c);
/* The first chunk goes to the pool: its rows are gone. */
void mp_rows_drop_chunk(mp_rows *r);
/* Some n rows (fewer when there are not so many) from all over r, in no order, to the end of
 * out: their keys alone. */
MP_MUST_CHECK mp_status mp_rows_sample(const mp_rows *r, int64_t n, mp_rows *out, mp_error *err);

/* ---- rows_sort.c ---- */

typedef struct {
    uint64_t prefix; /* used while sorting */
    const uint8_t *record;
} mp_row_entry;

/* Rows in order; memory is kept for the next sort. */
typedef struct {
    mp_mem *mem;
    mp_row_entry *at, *spare;
    int64_t n, cap;
} mp_row_order;
void mp_row_order_init(mp_row_order *o, mp_mem *mem);
void mp_row_order_release(mp_row_order *o);
/* The order of r's rows by their keys, valid while r stays as it is. Rows of equal keys stay as
 * they were added. 32 bytes a row. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_rows_sort(const mp_rows *r, mp_row_order *out, mp_error *err);
/* Forget all rows but the first n (top-N: cost amortised when called at 2n rows). *last: the key
 * of the last row that is left, valid until r is released or cut again; key NULL when r has no n
 * rows. */
MP_MUST_CHECK mp_status mp_rows_keep_first(mp_rows *r, int64_t n, mp_row_order *scratch,
                                           mp_row *last, mp_error *err);

/* ---- rows_range.c ---- */

/* Keys that cut all keys into ranges: range i holds those from key i - 1 on, below key i. */
typedef struct {
    mp_rows keys;
    mp_row *key; /* n of them, ascending */
    uint64_t *prefix;
    size_t common;              /* bytes that all of them begin with */
    uint64_t begin, begin_mask; /* the first eight of these */
    int64_t n;
    mp_mem *mem;
} mp_row_ranges;
void mp_row_ranges_init(mp_row_ranges *s, mp_row_pool *pool);
void mp_row_ranges_release(mp_row_ranges *s);
/* n_ranges - 1 keys that cut the sample evenly, as records, to the end of out. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_row_ranges_choose(const mp_rows *sample, int64_t n_ranges, mp_buf *out,
                                             mp_error *err);
/* Takes what _choose wrote. MP_NOMEM; MP_FAILED: malformed. */
MP_MUST_CHECK mp_status mp_row_ranges_set(mp_row_ranges *s, const uint8_t *bytes, size_t len,
                                          mp_error *err);
/* The range of a key: 0..n. */
int64_t mp_row_ranges_find(const mp_row_ranges *s, const mp_row *row);

#endif
