/* print_num.c - writing numbers, two digits at a time, and Schubfach for doubles. */
#include "data/print_num.h"

#include <stdbool.h>
#include <string.h>

#include "data/decimal.h"
#include "data/pow10_table.h"

static const char two_digits[201] = "00010203040506070809101112131415161718192021222324"
                                    "25262728293031323334353637383940414243444546474849"
                                    "50515253545556575859606162636465666768697071727374"
                                    "75767778798081828384858687888990919293949596979899";

static int count_digits(uint64_t v) {
    /* bits * log10(2) is right or one too small; 0 counts one digit */
    int guess = (64 - __builtin_clzll(v | 1)) * 1233 >> 12;
    if (guess > 18) return v >= 10000000000000000000u ? 20 : 19;
    return guess + (v >= (uint64_t)mp_pow10_i64[guess]) + (v == 0);
}

/* v in exactly n digits, leading zeros kept; v < 10^n. */
static void put_digits(char *out, uint64_t v, int n) {
    while (n >= 2) {
        uint64_t q = v / 100;
        n -= 2;
        memcpy(out + n, two_digits + 2 * (v - q * 100), 2);
        v = q;
    }
    if (n) *out = (char)('0' + v);
}

static size_t put_u64(char *out, uint64_t v) {
    int n = count_digits(v);
    put_digits(out, v, n);
    return (size_t)n;
}

size_t mp_print_int64(char *out, int64_t v) {
    if (v >= 0) return put_u64(out, (uint64_t)v);
    *out = '-';
    return 1 + put_u64(out + 1, 0 - (uint64_t)v);
}

size_t mp_print_decimal(char *out, int64_t mantissa, int scale) {
    char *p = out;
    mp_decimal_strip(&mantissa, &scale);
    uint64_t m = mantissa < 0 ? 0 - (uint64_t)mantissa : (uint64_t)mantissa;
    if (mantissa < 0) *p++ = '-';
    uint64_t unit = (uint64_t)mp_pow10_i64[scale], whole = m / unit;
    p += put_u64(p, whole);
    *p++ = '.';
    if (scale == 0) {
        *p++ = '0';
    } else {
        put_digits(p, m - whole * unit, scale);
        p += scale;
    }
    return (size_t)(p - out);
}

/* High 64 bits of g * c (192 bits), the rest rounded to odd. */
static uint64_t round_to_odd(const uint64_t g[2], uint64_t c) {
    mp_u128 x = (mp_u128)g[1] * c;
    mp_u128 y = (mp_u128)g[0] * c + (uint64_t)(x >> 64);
    return (uint64_t)(y >> 64) | ((uint64_t)y > 1);
}

static void strip_zeros(uint64_t *digits, int *exp10) {
    uint64_t d = *digits;
    if (d % 100000000 == 0) {
        d /= 100000000;
        *exp10 += 8;
    }
    while (d % 10 == 0) {
        d /= 10;
        ++*exp10;
    }
    *digits = d;
}

/* c * 2^q with its neighbours half a unit away (below: a quarter where lower_closer). Names as in the paper, figure 4. */
static void schubfach(uint64_t c, int q, bool lower_closer, uint64_t *digits, int *exp10) {
    uint64_t cbl = 4 * c - 2 + lower_closer, cb = 4 * c, cbr = 4 * c + 2;
    int k = (q * 1262611 - (lower_closer ? 524031 : 0)) >> 22; /* floor(log10(2^q or 3/4 2^q)) */
    int h = q + ((-k * 1741647) >> 19) + 1;                    /* q + floor(log2(10^-k)) + 1 */
    const uint64_t *row = mp_pow10_row(-k);
    bool rounded_down = -k < MP_POW10_UP_FIRST || -k > MP_POW10_EXACT_LAST;
    const uint64_t g[2] = {row[0], row[1] + rounded_down};
    bool odd = c & 1;
    uint64_t lower = round_to_odd(g, cbl << h) + odd;
    uint64_t vb = round_to_odd(g, cb << h);
    uint64_t upper = round_to_odd(g, cbr << h) - odd;
    uint64_t s = vb / 4;
    if (s >= 10) {
        uint64_t sp = s / 10;
        bool below = lower <= 40 * sp, above = 40 * sp + 40 <= upper;
        if (below != above) {
            *digits = sp + above;
            *exp10 = k + 1;
            return;
        }
    }
    bool below = lower <= 4 * s, above = 4 * s + 4 <= upper;
    uint64_t mid = 4 * s + 2;
    bool up = below != above ? above : vb > mid || (vb == mid && (s & 1));
    *digits = s + up;
    *exp10 = k;
}

void mp_shortest_digits(double v, uint64_t *digits, int *exp10) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int exponent = (int)(bits >> 52) & 0x7FF;
    uint64_t c = exponent ? fraction | (uint64_t)1 << 52 : fraction;
    int q = (exponent ? exponent : 1) - 1075;
    if (q <= 0 && q > -53 && (c & (((uint64_t)1 << -q) - 1)) == 0) { /* an integer below 2^53 */
        *digits = c >> -q;
        *exp10 = 0;
    } else {
        schubfach(c, q, fraction == 0 && exponent > 1, digits, exp10);
    }
    strip_zeros(digits, exp10);
}

size_t mp_print_double(char *out, double v) {
    char *p = out;
    if (v != v) {
        memcpy(out, "nan", 3);
        return 3;
    }
    if (v == 0) {
        memcpy(out, "0.0", 3);
        return 3;
    }
    if (v < 0) {
        *p++ = '-';
        v = -v;
    }
    if (v > 1.7976931348623157e308) {
        memcpy(p, "inf", 3);
        return (size_t)(p + 3 - out);
    }
    uint64_t digits;
    int exp10;
    mp_shortest_digits(v, &digits, &exp10);
    int n = count_digits(digits), point = n + exp10; /* value = 0.digits * 10^point */
    if (point > 16 || point < -3) {                  /* d.ddde+XX */
        put_digits(p + 1, digits, n);
        p[0] = p[1];
        p[1] = '.';
        p += n > 1 ? n + 1 : 1;
        *p++ = 'e';
        int e = point - 1;
        *p++ = e < 0 ? '-' : '+';
        if (e < 0) e = -e;
        int width = e >= 100 ? 3 : 2;
        put_digits(p, (uint64_t)e, width);
        p += width;
    } else if (point <= 0) { /* 0.000ddd */
        memcpy(p, "0.000", 5);
        p += 2 - point;
        put_digits(p, digits, n);
        p += n;
    } else if (point >= n) { /* ddd000.0 */
        put_digits(p, digits, n);
        memset(p + n, '0', (size_t)(point - n));
        p += point;
        *p++ = '.';
        *p++ = '0';
    } else { /* dd.dd */
        put_digits(p + 1, digits, n);
        memmove(p, p + 1, (size_t)point);
        p[point] = '.';
        p += n + 1;
    }
    return (size_t)(p - out);
}
