/* bignum.h - integers of some thousand bits with a binary exponent: what the exact formulas over
 * superaccumulators need.
 * Invariant: value = sign * sum of d[i] * 2^(32 i) * 2^exp2; d[n - 1] and d[0] are not zero; n = 0
 * is zero. Capacity suffices for n * Sxx - Sx^2 of any superaccumulators. */
#ifndef MP_DATA_BIGNUM_H
#define MP_DATA_BIGNUM_H

#include "data/exact_sum.h"

enum { MP_BIG_LIMBS = 2 * MP_SUPERACC_LIMBS + 8 };
typedef struct {
    uint32_t d[MP_BIG_LIMBS];
    int n;
    int exp2; /* a multiple of 32 */
    bool neg;
} mp_big;

/* The leading bits of a number: |value| in [m, m + 1) * 2^exp2, 2^125 <= m < 2^126 (0: zero);
 * sticky: not m itself. */
typedef struct {
    mp_u128 m;
    int exp2;
    bool sticky, neg;
} mp_top;

void mp_big_from_superacc(const mp_superacc *a, mp_big *out);
/* out must not be an operand. */
void mp_big_mul(const mp_big *a, const mp_big *b, mp_big *out);
void mp_big_mul_u64(mp_big *a, uint64_t k);
void mp_big_sub(const mp_big *a, const mp_big *b, mp_big *out);
mp_top mp_big_top(const mp_big *a);
mp_top mp_i256_top(mp_i256 a);
/* a / den rounded to double once; 0 < den < 2^127. */
double mp_big_div(const mp_big *a, mp_u128 den);
/* As mp_big_div for a >= 0, but the root of that quotient; the quotient itself may be out of a
 * double's range. */
double mp_big_div_sqrt(const mp_big *a, mp_u128 den);

#endif
