/* group_key_simd.h - short keys, several rows at a time by SIMD.
 * Invariant: what a kernel encodes is what mp_key_encode says of the row; the rows it leaves are
 * left to mp_key_encode. */
#ifndef MP_OP_GROUP_KEY_SIMD_H
#define MP_OP_GROUP_KEY_SIMD_H

#include "op/group/group_key.h"

/* Rows [first, first + n) of n_cols >= 1 columns (as for mp_key_encode) to key and hash where 16
 * bytes suffice; the others (ascending) to left (room for n), returns how many. What key and hash
 * hold for them is void. */
typedef int32_t (*mp_key_kernel)(const mp_str *const *col, const uint8_t *const *valid, int n_cols,
                                 int32_t first, int32_t n, mp_key *key, uint64_t *hash,
                                 int32_t *left);

#if defined(__x86_64__)
int32_t mp_key_kernel_avx2(const mp_str *const *col, const uint8_t *const *valid, int n_cols,
                           int32_t first, int32_t n, mp_key *key, uint64_t *hash, int32_t *left);
int32_t mp_key_kernel_avx512(const mp_str *const *col, const uint8_t *const *valid, int n_cols,
                             int32_t first, int32_t n, mp_key *key, uint64_t *hash, int32_t *left);
#endif

#endif
