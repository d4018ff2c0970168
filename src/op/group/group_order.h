/* group_order.h - anything with a hash, in the order of hashes. */
#ifndef MP_OP_GROUP_ORDER_H
#define MP_OP_GROUP_ORDER_H

#include "base/mem.h"

typedef struct {
    uint64_t hash;
    uintptr_t item; /* a number or an address */
} mp_hashed;

/* Order of two items of one hash: below, above or 0. */
typedef int (*mp_hashed_cmp)(const void *ctx, uintptr_t a, uintptr_t b);

/* Sorts the n of *v by (hash, cmp). *v is a block of mem, and another one afterwards; on failure it
 * is left alone. Cost: hashes that are even over their range are moved twice. */
MP_MUST_CHECK mp_status mp_hashed_sort(mp_mem *mem, mp_hashed **v, int64_t n, mp_hashed_cmp cmp,
                                       const void *ctx, mp_error *err);

#endif
