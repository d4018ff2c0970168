/* decimal.h - exact decimals: mantissa * 10^-scale, int64 mantissa, scale 0..18.
 * Invariant: nothing here rounds except the conversions to double, which round once. -0 does not
 * exist. */
#ifndef MP_DATA_DECIMAL_H
#define MP_DATA_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#include "data/wide.h"

enum { MP_SCALE_MAX = 18 };

/* 10^0 .. 10^18 */
extern const int64_t mp_pow10_i64[MP_SCALE_MAX + 1];
/* 10^0 .. 10^22, exact as doubles */
extern const double mp_pow10_f64[23];

/* mantissa at scale from, as a mantissa at scale to (both 0..18). false: it does not fit in int64
 * (to > from) or digits would be lost (to < from); *out is then untouched. */
bool mp_decimal_rescale(int64_t mantissa, int from, int to, int64_t *out);
/* Drop trailing zeros of the fraction; *scale may become 0. */
void mp_decimal_strip(int64_t *mantissa, int *scale);
/* Exact order of a * 10^-sa and b * 10^-sb: < 0, 0, > 0. */
int mp_decimal_cmp_slow(int64_t a, int sa, int64_t b, int sb);
static inline int mp_decimal_cmp(int64_t a, int sa, int64_t b, int sb) {
    return sa == sb ? (a > b) - (a < b) : mp_decimal_cmp_slow(a, sa, b, sb);
}
/* The nearest double; one division below 2^53. */
double mp_decimal_to_double_slow(int64_t mantissa, int scale);
static inline double mp_decimal_to_double(int64_t mantissa, int scale) {
    if (mantissa >= -((int64_t)1 << 53) && mantissa <= (int64_t)1 << 53)
        return (double)mantissa / mp_pow10_f64[scale];
    return mp_decimal_to_double_slow(mantissa, scale);
}
/* Order of the decimal, rounded to double, and v: < 0, 0, > 0. NaN is above every number. */
int mp_decimal_cmp_double(int64_t mantissa, int scale, double v);
/* Total order of doubles: NaN equals itself and is above every number, -0 equals 0. */
static inline int mp_double_cmp(double a, double b) {
    if (a < b) return -1;
    if (a > b) return 1;
    if (a == b) return 0;
    return (a != a) - (b != b);
}

#endif
