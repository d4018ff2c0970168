/* csv_convert_simd.h - the common forms of fields, several at a time by SIMD: integers, decimals
 * and text views. Invariant: a kernel stores the value of a field or leaves the field's place to
 * the caller, and what it stores is what mp_csv_value_of says; so which fields it knows, and with
 * that the level, shows in the time alone. */
#ifndef MP_IO_CSV_CONVERT_SIMD_H
#define MP_IO_CSV_CONVERT_SIMD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/simd.h"
#include "base/str.h"

/* Where the fields of a column are. Loops work on a copy of their own, which stays in registers. */
typedef struct {
    const char *base;            /* 64 bytes before and behind the text are readable */
    const uint32_t *start, *end; /* of row 0; start is start_add short */
    int64_t start_step, end_step;
    uint32_t start_add; /* 1: start is the end of the field before, the entry below end; else 0 */
    const uint32_t *sel;
    int32_t n;
    char quote; /* 0: no field is quoted */
} mp_csv_fields;

/* What was seen of the numbers of a column. */
typedef struct {
    uint32_t int_digits; /* most digits before the point, 0 where |x| < 1 */
    uint32_t scales;     /* bit s: some number has s digits behind the point */
} mp_csv_digits;

typedef struct {
    /* Fields [first, first + n) as integers to out[first ...]; the places of those left (ascending)
     * to left (room for n), returns how many. What out holds for them is void. */
    int32_t (*int64)(const mp_csv_fields *at, int32_t first, int32_t n, int64_t *out,
                     mp_csv_digits *seen, int32_t *left);
    /* The same for numbers with and without a point, each at its own scale. */
    int32_t (*decimal)(const mp_csv_fields *at, int32_t first, int32_t n, int64_t *out,
                       uint8_t *scales, mp_csv_digits *seen, int32_t *left);
    /* All fields as views, quotes around them taken off (doubled ones inside stay), valid[i] = 0
     * where a field is empty and not quoted, else 1. Returns whether all are valid. */
    bool (*text)(const mp_csv_fields *at, mp_str *out, uint8_t *valid);
    /* Starts of the rows behind each of n_rows rows of n_columns fields to start[1 ...]; end:
     * positions of what separates the fields, a readable entry behind. start has room for a
     * register more. */
    void (*starts)(const uint32_t *end, uint32_t n_columns, uint32_t n_rows, uint32_t *start);
} mp_csv_kernels;

/* Of the best level that was compiled in, at most level; NULL: in plain C. */
const mp_csv_kernels *mp_csv_kernels_choose(mp_simd level);

#if defined(__x86_64__)
extern const mp_csv_kernels mp_csv_kernels_avx2, mp_csv_kernels_avx512;
#endif

#endif
