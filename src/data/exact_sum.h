/* exact_sum.h - sums of doubles without any rounding until the end, so that the result depends
 * neither on the order of the values nor on how they were cut into pieces (what Python's math.fsum
 * gives).
 * Two accumulators. A window: 128-bit fixed point whose least bit is 2^w, w the same for all that
 * is ever added together; takes most values in a nanosecond or two. A superaccumulator: covers
 * every double and every product of two; takes what the window refuses (Neal 2015, "Fast exact
 * summation using small and large superaccumulators"; Collange, Defour, Graillat and Iakymchuk
 * 2015, doi 10.1016/j.parco.2015.09.001).
 * Invariant: window * 2^w + superaccumulator is the exact sum, whatever went where. */
#ifndef MP_DATA_EXACT_SUM_H
#define MP_DATA_EXACT_SUM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "data/wide.h"

/* A window takes |v| < 2^(w + 87). So 2^40 additions stay below 2^127: no overflow as long as one
 * sum, over all ranks, has at most MP_FSUM_ADDS_MAX values; a caller that could see more adds its
 * window to a superaccumulator and clears it before. */
enum { MP_FSUM_BITS = 87, MP_FSUM_W_MIN = -1074, MP_FSUM_W_MAX = 900 };
#define MP_FSUM_ADDS_MAX ((int64_t)1 << 40)

/* The w for values up to max_abs: room for values 16 times as large, full precision for values 2^30
 * times smaller. 0, inf and nan give some valid w. Any w gives the same sums in the end, only at
 * another speed. */
int mp_fsum_window_choose(double max_abs);

/* The rarer cases of mp_fsum_window_add: zeros and values with trailing zero bits. */
bool mp_fsum_window_add_slow(mp_i128 *acc, double v, int w);

/* *acc += v / 2^w, exactly; false (and *acc untouched) when v does not fit the window or is not
 * finite: a misfit, for a superaccumulator. w in MP_FSUM_W_MIN..MP_FSUM_W_MAX. */
static inline bool mp_fsum_window_add(mp_i128 *acc, double v, int w) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    unsigned shift = ((unsigned)(bits >> 52) & 0x7FF) - (unsigned)(w + 1075);
    if (__builtin_expect(shift > MP_FSUM_BITS - 53, 0)) return mp_fsum_window_add_slow(acc, v, w);
    mp_u128 m = (mp_u128)((bits & 0xFFFFFFFFFFFFFu) | 0x10000000000000u) << shift;
    mp_u128 sign = (mp_u128)((mp_i128)(int64_t)bits >> 127);
    *acc += (mp_i128)((m ^ sign) - sign);
    return true;
}

/* v = *q * 2^w exactly with |*q| < 2^62: for windows of squares and products, (mp_i128)q * q into a
 * mp_i256 whose least bit is 2^(2w). false: a misfit. */
bool mp_fsum_quantize(double v, int w, int64_t *q);
/* The w for mp_fsum_quantize: as mp_fsum_window_choose, full precision down to 2^-7 of max_abs. */
int mp_fsum_quantize_choose(double max_abs);

/* acc * 2^w, and acc * 2^w / n, rounded once; n > 0. */
double mp_fsum_window_round(mp_i128 acc, int w);
double mp_fsum_window_mean(mp_i128 acc, int w, int64_t n);

/* Limb i weighs 2^(32 i + MP_SUPERACC_EXP); limbs overlap, carries are settled every 2^29
 * additions. */
enum { MP_SUPERACC_LIMBS = 136, MP_SUPERACC_EXP = -2176 };
typedef struct {
    int64_t limb[MP_SUPERACC_LIMBS];
    int32_t n_adds;  /* since carries were settled */
    uint8_t special; /* bits: 1 +inf seen, 2 -inf seen, 4 nan seen */
} mp_superacc;

void mp_superacc_init(mp_superacc *a);
void mp_superacc_add(mp_superacc *a, double v);
/* + x * y exactly, also where the product over- or underflows a double. */
void mp_superacc_add_product(mp_superacc *a, double x, double y);
/* + v * 2^exp2. false: outside the accumulator (exp2 < MP_SUPERACC_EXP, or beyond 2^2112), nothing
 * was added. Sums of doubles and of products of doubles always fit. */
bool mp_superacc_add_i128(mp_superacc *a, mp_i128 v, int exp2);
bool mp_superacc_add_i256(mp_superacc *a, mp_i256 v, int exp2);
void mp_superacc_merge(mp_superacc *a, const mp_superacc *b);
/* The sum rounded once to the nearest double (ties to even). With a nan, or infinities of both
 * signs: nan; with one sign: that infinity. A sum beyond the doubles is an infinity, a zero is +0.
 * About 0.2 us. */
double mp_superacc_round(const mp_superacc *a);
/* The sum / n rounded once, n > 0. */
double mp_superacc_mean(const mp_superacc *a, int64_t n);

/* Wire form: flags, first limb, number of limbs (a byte each), then those limbs as u32: 3 bytes for
 * zero, rarely more than 30. The bytes depend on the sum alone. */
void mp_superacc_write(const mp_superacc *a, mp_buf *b);
/* false: not what mp_superacc_write wrote; *a is then zero. */
bool mp_superacc_read(mp_rd *r, mp_superacc *a);

/* x * y = *hi + *lo exactly, provided that the product neither overflows nor falls below 2^-969 (lo
 * would lose bits). */
static inline void mp_two_product(double x, double y, double *hi, double *lo) {
    double p = x * y;
    *hi = p;
    *lo = __builtin_fma(x, y, -p);
}

#endif
