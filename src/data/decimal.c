/* decimal.c - tables of powers of ten and the slower decimal operations. */
#include "data/decimal.h"

const int64_t mp_pow10_i64[MP_SCALE_MAX + 1] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
    1000000000000000000,
};

const double mp_pow10_f64[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool mp_decimal_rescale(int64_t mantissa, int from, int to, int64_t *out) {
    if (to >= from) {
        int64_t r;
        if (__builtin_mul_overflow(mantissa, mp_pow10_i64[to - from], &r)) return false;
        *out = r;
        return true;
    }
    int64_t p = mp_pow10_i64[from - to];
    if (mantissa % p != 0) return false;
    *out = mantissa / p;
    return true;
}

void mp_decimal_strip(int64_t *mantissa, int *scale) {
    int64_t m = *mantissa;
    int s = *scale;
    if (m == 0) s = 0;
    if (s >= 8 && m % 100000000 == 0) {
        m /= 100000000;
        s -= 8;
    }
    while (s > 0 && m % 10 == 0) {
        m /= 10;
        s--;
    }
    *mantissa = m;
    *scale = s;
}

int mp_decimal_cmp_slow(int64_t a, int sa, int64_t b, int sb) {
    mp_i128 x = a, y = b;
    if (sa < sb)
        x *= mp_pow10_i64[sb - sa];
    else
        y *= mp_pow10_i64[sa - sb];
    return (x > y) - (x < y);
}

double mp_decimal_to_double_slow(int64_t mantissa, int scale) {
    return mp_i128_div_to_double(mantissa, (mp_u128)mp_pow10_i64[scale]);
}

int mp_decimal_cmp_double(int64_t mantissa, int scale, double v) {
    return mp_double_cmp(mp_decimal_to_double(mantissa, scale), v);
}
