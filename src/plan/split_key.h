/* split_key.h - what decides the shard of a row: the canonical text of its key values, and its hash.
 * Invariant: part of the manifest format, so it never changes (test vectors in
 * tests/unit/test_split_key.c). The canonical text follows from the value alone, not from the type
 * of its column or its spelling: values that compare equal in a join have the same text, whatever
 * the two columns' types are.
 *
 *   number           the nearest double as Python's repr writes it, without ".0": 5, 0.1, 1e+16,
 *                    nan, inf; a bool is 1 or 0; -0 is 0
 *   date             YYYY-MM-DD, which also is a timestamp at midnight
 *   other timestamp  YYYY-MM-DD HH:MM:SS[.ffffff] without trailing zeros
 *   string           as the value that its text says (` 5.0` is 5), else its bytes
 *   null             one byte 0, which no text has
 *
 * The hash of a row is XXH64, seed 0, of the texts of its keys with a byte 0x1F between them; with N
 * parts its shard is that hash modulo N. */
#ifndef MP_PLAN_SPLIT_KEY_H
#define MP_PLAN_SPLIT_KEY_H

#include "base/buf.h"
#include "data/batch.h"

/* Canonical texts of row i's keys (columns at[0 .. n) of in), to the end of out. */
void mp_split_key_text(const mp_batch *in, const int *at, int n, int64_t i, mp_buf *out);
/* Hash of every row: n_rows of in, to hash. MP_NOMEM. Cost: some 10 ns a value. */
MP_MUST_CHECK mp_status mp_split_key_hash(const mp_batch *in, const int *at, int n, uint64_t *hash,
                                          mp_error *err);
/* The key as JSON, to the end of out: the value of one column, an array of several. */
void mp_split_key_json(const mp_batch *in, const int *at, int n, int64_t i, mp_buf *out);

#endif
