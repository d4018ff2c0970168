/* wide.h - integers of 128 and 256 bits, and the one place where exact numbers are rounded to
 * doubles.
 * Invariant: every conversion to double here rounds once, to nearest, ties to even, subnormals and
 * overflow (to infinity) included, so a result depends on the exact value alone. Nothing here
 * allocates or fails. */
#ifndef MP_DATA_WIDE_H
#define MP_DATA_WIDE_H

#include <stdbool.h>
#include <stdint.h>

typedef __int128 mp_i128;
typedef unsigned __int128 mp_u128;

/* Two's complement, least word first. Arithmetic wraps at 256 bits; callers stay below (see each
 * use). */
typedef struct {
    uint64_t w[4];
} mp_i256;

#define MP_I128_MAX ((mp_i128)(~(mp_u128)0 >> 1))
#define MP_I128_MIN (-MP_I128_MAX - 1)

/* The double nearest to (m + s) * 2^exp2, where 0 < s < 1 when sticky, else s = 0. A sticky m must
 * have 55 bits or more. */
double mp_round_u128(mp_u128 m, bool sticky, int exp2);
double mp_i128_to_double(mp_i128 v);
/* num / den rounded once; den > 0. A few ns when both are below 2^53, else some tens. */
double mp_i128_div_to_double(mp_i128 num, mp_u128 den);

/* num * 2^exp2 / den rounded once; den > 0. */
double mp_i128_div_scaled(mp_i128 num, uint64_t den, int exp2);

/* true: the sum (product) does not fit; *out is then unspecified. */
static inline bool mp_i128_add_overflow(mp_i128 a, mp_i128 b, mp_i128 *out) {
    return __builtin_add_overflow(a, b, out);
}
static inline bool mp_i128_mul_overflow(mp_i128 a, mp_i128 b, mp_i128 *out) {
    return __builtin_mul_overflow(a, b, out);
}
static inline bool mp_i128_fits_i64(mp_i128 v) {
    return v == (int64_t)v;
}
static inline mp_u128 mp_i128_abs(mp_i128 v) {
    return v < 0 ? -(mp_u128)v : (mp_u128)v;
}

mp_i256 mp_i256_from_i128(mp_i128 v);
static inline mp_i256 mp_i256_zero(void) {
    return (mp_i256){{0, 0, 0, 0}};
}

static inline mp_i256 mp_i256_add(mp_i256 a, mp_i256 b) {
    mp_i256 r;
    mp_u128 t = 0;
    for (int i = 0; i < 4; i++) {
        t += (mp_u128)a.w[i] + b.w[i];
        r.w[i] = (uint64_t)t;
        t >>= 64;
    }
    return r;
}

/* *a += v: the hot step of exact sums of squares and products. */
static inline void mp_i256_add_i128(mp_i256 *a, mp_i128 v) {
    uint64_t sign = v < 0 ? UINT64_MAX : 0;
    unsigned long long c;
    c = __builtin_add_overflow(a->w[0], (uint64_t)v, &a->w[0]);
    mp_u128 t = (mp_u128)a->w[1] + (uint64_t)((mp_u128)v >> 64) + c;
    a->w[1] = (uint64_t)t;
    t = (mp_u128)a->w[2] + sign + (uint64_t)(t >> 64);
    a->w[2] = (uint64_t)t;
    a->w[3] += sign + (uint64_t)(t >> 64);
}

mp_i256 mp_i256_neg(mp_i256 a);
mp_i256 mp_i256_sub(mp_i256 a, mp_i256 b);
mp_i256 mp_i256_mul_i128(mp_i128 a, mp_i128 b); /* exact */
/* a * b; false when the product does not fit in 256 bits (*out is then unspecified). */
bool mp_i256_mul_u64(mp_i256 a, uint64_t b, mp_i256 *out);
int mp_i256_cmp(mp_i256 a, mp_i256 b); /* < 0, 0, > 0 */
static inline bool mp_i256_is_neg(mp_i256 a) {
    return a.w[3] >> 63;
}
static inline bool mp_i256_is_zero(mp_i256 a) {
    return !(a.w[0] | a.w[1] | a.w[2] | a.w[3]);
}
bool mp_i256_fits_i128(mp_i256 a, mp_i128 *out); /* false: it does not, *out untouched */

double mp_i256_to_double(mp_i256 a);
/* num / den rounded once; den > 0. Plain division below 2^53, else up to 0.5 us. */
double mp_i256_div_to_double(mp_i256 num, mp_i256 den);

/* Leading bits of a quotient: num / den in [*q, *q + 1) * 2^*exp2, exact unless *rest; *q has 65
 * bits or more (0: num is 0). Both below 2^255, taken as unsigned; den > 0. About 0.05 us for den <
 * 2^128, 0.5 us above. */
void mp_u256_quotient(mp_i256 num, mp_i256 den, mp_u128 *q, bool *rest, int *exp2);

/* sum / (n * 10^scale) rounded once; n > 0, scale 0..18: the mean of n decimals whose mantissas add
 * up to sum. */
double mp_mean_to_double(mp_i128 sum, int64_t n, int scale);

#endif
