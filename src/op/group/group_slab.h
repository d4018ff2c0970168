/* group_slab.h - which owner has which hashes. The range of all hashes is cut into slabs, and each slab
 * among the owners, in ascending order. So results in the order of hashes are slab 0 of owner 0, of
 * owner 1, ..., then slab 1 of owner 0: all owners make neighbouring results at the same time, and none
 * waits for the places of all that another one has.
 * Invariant: the slabs follow from the number of owners alone. */
#ifndef MP_OP_GROUP_SLAB_H
#define MP_OP_GROUP_SLAB_H

#include <stdint.h>

/* Slabs are 2^bits; they and the owners have at most so many ranges, since each is a piece or more. */
enum { MP_SLAB_BITS_MOST = 9, MP_SLAB_RANGES = 512 };

static inline int mp_slab_bits(uint64_t n_owners) {
    int bits = MP_SLAB_BITS_MOST;
    if (n_owners <= 1) return 0;
    while (bits > 0 && n_owners << bits > MP_SLAB_RANGES)
        bits--;
    return bits;
}

static inline uint32_t mp_slab_of(uint64_t hash, int bits) {
    return (uint32_t)(hash >> 32 >> (32 - bits));
}

/* High half: the owner; low half: how far in the owner's range of the slab, in units of 2^-32. */
static inline uint64_t mp_slab_place(uint64_t hash, int bits, uint64_t n_owners) {
    return (hash << bits >> 32) * n_owners;
}

#endif
