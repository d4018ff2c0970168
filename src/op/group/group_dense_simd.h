/* group_dense_simd.h - places of keys in a dense array, several rows at a time by SIMD.
 * Invariant: two keys that have places have the same one just when they are equal. */
#ifndef MP_OP_GROUP_DENSE_SIMD_H
#define MP_OP_GROUP_DENSE_SIMD_H

#include "data/batch.h"

enum { MP_DENSE_CODES = 16, MP_DENSE_TEXT_MAX = MP_DENSE_CODES - 2 };
static const uint32_t MP_DENSE_NOWHERE = UINT32_MAX;

/* How a column's texts are numbered, by code: 0 null, else the text's length plus one. The last 8
 * bytes of a text (all, where it is shorter: then from byte 0 on) are the digits of a number of mixed
 * radix, each byte in a range of its own; the bytes before them are the same for all texts of a code.
 * Bytes are in the order of memory. */
typedef struct {
    uint64_t first[MP_DENSE_CODES];       /* the bytes before the last 8, moved to the top */
    uint64_t least[MP_DENSE_CODES];       /* of each byte */
    uint64_t range[MP_DENSE_CODES];       /* most less least; 255 behind a short text's end */
    uint64_t byte_weight[MP_DENSE_CODES]; /* 8 bits each: within a pair */
    uint64_t pair_weight[MP_DENSE_CODES]; /* 16 bits each: within four */
    uint64_t end[MP_DENSE_CODES]; /* low half: weight of the first four; high: first place */
    uint64_t codes;               /* bit set: those that have places */
    uint32_t size;                /* places */
    bool has_first;
} mp_dense_column;

typedef struct {
    int n_cols;
    mp_dense_column *col; /* n_cols */
    /* by place, the last column's fastest: number plus one, 0: none yet; NULL: places are numbers */
    uint32_t *number;
} mp_dense_map;

/* number[i] of the rows whose keys have one. The others (ascending) to left (room for n), returns how
 * many; place[i] of those: where the number belongs, MP_DENSE_NOWHERE: nowhere. place is void for
 * other rows. */
typedef int32_t (*mp_dense_kernel)(const mp_dense_map *m, const mp_str *const *text,
                                   const uint8_t *const *valid, int32_t n, uint32_t *number,
                                   uint32_t *place, int32_t *left);

#if defined(__x86_64__)
int32_t mp_dense_kernel_avx2(const mp_dense_map *m, const mp_str *const *text,
                             const uint8_t *const *valid, int32_t n, uint32_t *number,
                             uint32_t *place, int32_t *left);
int32_t mp_dense_kernel_avx512(const mp_dense_map *m, const mp_str *const *text,
                               const uint8_t *const *valid, int32_t n, uint32_t *number,
                               uint32_t *place, int32_t *left);
#endif

#endif
