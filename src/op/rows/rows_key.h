/* rows_key.h - the sort keys of a row as one string of bytes: where memcmp puts the bytes, the
 * order of the sort puts the row.
 * Invariant: a pure function of the row's values, so all ranks and batches (of whatever decimal
 * scale) agree; equal values give equal bytes, and no key is the beginning of another one. */
#ifndef MP_OP_ROWS_KEY_H
#define MP_OP_ROWS_KEY_H

#include "base/buf.h"
#include "data/batch.h"

typedef struct {
    int col;
    bool descending; /* nulls last in both directions; NaN above all numbers */
} mp_sort_key;

/* The keys of all rows of in, to the end of out; ends[i]: where row i's key ends in out.
 * with_position: the place of the row in the input comes last, so that no two keys are equal.
 * MP_NOMEM. Cost: some 10 ns a value. */
MP_MUST_CHECK mp_status mp_row_keys(const mp_batch *in, const mp_sort_key *keys, int n_keys,
                                    bool with_position, mp_buf *out, size_t *ends, mp_error *err);
/* Order of two keys: < 0, 0, > 0. */
int mp_row_key_cmp(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);

#endif
