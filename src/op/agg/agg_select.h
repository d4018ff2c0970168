/* agg_select.h - the values at two neighbouring places of an order, without sorting. */
#ifndef MP_OP_AGG_SELECT_H
#define MP_OP_AGG_SELECT_H

#include <stdint.h>

/* The k-th (from 0) of n values in ascending order, and the one behind it (the same where k is the
 * last). v is used up: its contents are undefined afterwards. Cost: two passes over the values, in
 * vectors but for moving a third of them; n log n where they are made to be bad. */
void mp_select_i32(int32_t *v, int64_t n, int64_t k, int32_t out[2]);
void mp_select_i64(int64_t *v, int64_t n, int64_t k, int64_t out[2]);

typedef struct {
    const void *v; /* n values of the width */
    int64_t n;
} mp_select_part;

/* The same of n values in parts, which are left as they are. room: for n values. Cost: one pass, and
 * what is above on a third of the values. */
void mp_select_parts_i32(const mp_select_part *part, int64_t n_parts, int64_t n, int64_t k,
                         int32_t *room, int32_t out[2]);
void mp_select_parts_i64(const mp_select_part *part, int64_t n_parts, int64_t n, int64_t k,
                         int64_t *room, int64_t out[2]);

#endif
