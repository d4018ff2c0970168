/* rows.h - rows that are kept: columns that grow, with the strings copied; sorted, cut to the first
 * n, sent to another rank.
 * Invariant: row i's values stay where they are until _clear; order lives in permutations only. */
#ifndef MP_OP_ROWS_H
#define MP_OP_ROWS_H

#include "base/buf.h"
#include "data/batch.h"

typedef struct mp_rows mp_rows;

typedef struct {
    int col;
    bool descending; /* nulls last in both directions; NaN above all numbers */
} mp_sort_key;

/* types: of the n_cols columns (MP_NULL: all null). with_position: keep each row's position, which
 * breaks ties of the sort; else ties keep the order of appending. */
MP_MUST_CHECK mp_status mp_rows_new(const mp_type *types, int n_cols, bool with_position,
                                    mp_mem *mem, mp_rows **out, mp_error *err);
/* An empty one with the columns of r. */
MP_MUST_CHECK mp_status mp_rows_new_like(const mp_rows *r, mp_rows **out, mp_error *err);
void mp_rows_free(mp_rows **r);
void mp_rows_clear(mp_rows *r);
MP_MUST_CHECK mp_status mp_rows_append(mp_rows *r, const mp_batch *in, mp_error *err);
int64_t mp_rows_count(const mp_rows *r);

/* order: row numbers in sorted order (count of them), owned by r until the next call. Stable;
 * normalised key prefixes. */
MP_MUST_CHECK mp_status mp_rows_sort(mp_rows *r, const mp_sort_key *keys, int n_keys,
                                     const uint32_t **order, mp_error *err);
/* Forget all rows but the first n in that order (top-N: cost amortised when called at 2n rows). */
MP_MUST_CHECK mp_status mp_rows_keep_first(mp_rows *r, const mp_sort_key *keys, int n_keys,
                                           int64_t n, mp_error *err);
/* Compare row i of a with row j of b under keys, then position. */
int mp_rows_compare(const mp_rows *a, int64_t i, const mp_rows *b, int64_t j,
                    const mp_sort_key *keys, int n_keys);

/* Rows order[first .. first+n) (order NULL: as appended) as a batch in arena. n <=
 * MP_BATCH_ROWS. */
MP_MUST_CHECK mp_status mp_rows_batch(const mp_rows *r, const uint32_t *order, int64_t first,
                                      int32_t n, mp_arena *arena, mp_batch *out, mp_error *err);

/* One row as wire bytes, and a block of such rows appended (hostile bytes are checked:
 * MP_FAILED). */
MP_MUST_CHECK mp_status mp_rows_encode(const mp_rows *r, int64_t row, mp_buf *out, mp_error *err);
MP_MUST_CHECK mp_status mp_rows_decode(mp_rows *r, const uint8_t *bytes, size_t len, mp_error *err);

#endif
