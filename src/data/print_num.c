/* print_num.c - writing numbers, eight digits at a time, and Schubfach for doubles. */
#include "data/print_num.h"

#include <stdbool.h>
#include <string.h>

#include "data/decimal.h"
#include "data/pow10_table.h"

/* v < 10^8 as eight digits 0..9, the first in the lowest byte: halves, quarters, eighths by
 * multiplication. */
static uint64_t eight_digits(uint32_t v) {
    uint64_t x = v / 10000 | (uint64_t)(v % 10000) << 32;
    uint64_t q = ((x * 10486) >> 20) & 0x0000007F0000007Fu;
    x = q + ((x - q * 100) << 16);
    q = ((x * 103) >> 10) & 0x000F000F000F000Fu;
    return q + ((x - q * 10) << 8);
}

static const uint64_t ZEROS = 0x3030303030303030u; /* eight times '0' */

static void put_word(char *out, uint64_t word) {
    memcpy(out, &word, sizeof word);
}

/* v < 10^16 in sixteen digits. */
static void put_sixteen(char *out, uint64_t v) {
    put_word(out, eight_digits((uint32_t)(v / 100000000)) | ZEROS);
    put_word(out + 8, eight_digits((uint32_t)(v % 100000000)) | ZEROS);
}

/* v < 10^8 without leading zeros; writes over eight bytes. */
static size_t put_short(char *out, uint32_t v) {
    uint64_t x = eight_digits(v);
    int skip = x ? __builtin_ctzll(x) & ~7 : 56;
    put_word(out, (x | ZEROS) >> skip);
    return 8 - (size_t)skip / 8;
}

/* Writes over up to 24 bytes. */
static size_t put_u64(char *out, uint64_t v) {
    size_t n;
    if (v < 100) { /* the commonest numbers: a shorter way than put_short */
        unsigned tens = (unsigned)v * 103 >> 10, two = v >= 10;
        out[0] = (char)('0' + tens);
        out[two] = (char)('0' + (unsigned)v - 10 * tens);
        return 1 + two;
    }
    if (v < 100000000) return put_short(out, (uint32_t)v);
    if (v < 10000000000000000) {
        n = put_short(out, (uint32_t)(v / 100000000));
        put_word(out + n, eight_digits((uint32_t)(v % 100000000)) | ZEROS);
        return n + 8;
    }
    n = put_short(out, (uint32_t)(v / 10000000000000000));
    put_sixteen(out + n, v % 10000000000000000);
    return n + 16;
}

/* Trailing zeros of text taken off, down to least bytes. */
static size_t drop_zeros(const char *text, size_t n, size_t least) {
    while (n > least && text[n - 1] == '0')
        n--;
    return n;
}

size_t mp_print_int64(char *out, int64_t v) {
    if (v >= 0) return put_u64(out, (uint64_t)v);
    *out = '-';
    return 1 + put_u64(out + 1, 0 - (uint64_t)v);
}

/* m < 10^8, scale 1..7: all digits are those of one word. Writes over up to 16 bytes. */
static char *put_short_decimal(char *p, uint32_t m, int scale) {
    uint64_t x = eight_digits(m),
             last = (uint64_t)1 << 8 * (7 - scale); /* digit before the point */
    int skip = __builtin_ctzll(x | last) & ~7;
    uint64_t fraction = x >> 8 * (8 - scale);
    put_word(p, (x | ZEROS) >> skip);
    p += 8 - scale - skip / 8;
    *p++ = '.';
    put_word(p, fraction | ZEROS);
    /* the last digit that is not zero, at least one */
    return p + 8 - __builtin_clzll(fraction | 1) / 8;
}

size_t mp_print_decimal(char *out, int64_t mantissa, int scale) {
    char *p = out;
    uint64_t m = mantissa < 0 ? 0 - (uint64_t)mantissa : (uint64_t)mantissa;
    if (mantissa < 0) *p++ = '-';
    if (m < 100000000 && (unsigned)scale - 1 < 7)
        return (size_t)(put_short_decimal(p, (uint32_t)m, scale) - out);
    uint64_t unit = (uint64_t)mp_pow10_i64[scale], whole = m / unit, fraction = m - whole * unit;
    p += put_u64(p, whole);
    *p++ = '.';
    if (scale <= 8) {
        uint64_t x = eight_digits((uint32_t)(fraction * (uint64_t)mp_pow10_i64[8 - scale]));
        put_word(p, x | ZEROS);
        /* the last digit that is not zero, at least one */
        p += x ? 8 - __builtin_clzll(x) / 8 : 1;
    } else {
        size_t n = (size_t)scale;
        if (n > 16) { /* two digits more than fit below */
            uint64_t top = fraction / 10000000000000000, digits = n - 16;
            p[0] = (char)('0' + (digits == 2 ? top / 10 : top));
            p[1] = (char)('0' + top % 10);
            put_sixteen(p + digits, fraction % 10000000000000000);
        } else {
            put_sixteen(p, fraction * (uint64_t)mp_pow10_i64[16 - scale]);
        }
        p += drop_zeros(p, n, 1);
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

/* c * 2^q with its neighbours half a unit away (below: a quarter where lower_closer). Names as in
 * the paper, figure 4. */
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

/* The digits may end with zeros. */
static void shortest(double v, uint64_t *digits, int *exp10) {
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
}

void mp_shortest_digits(double v, uint64_t *digits, int *exp10) {
    shortest(v, digits, exp10);
    strip_zeros(digits, exp10);
}

/* 0.digits * 10^point as Python writes it; n digits (1..17) in text, which is readable for 40
 * bytes. */
static size_t put_point(char *out, const char *text, size_t n, int point) {
    char *p = out;
    if (point > 16 || point < -3) { /* d.ddde+XX */
        p[0] = text[0];
        p[1] = '.';
        memcpy(p + 2, text + 1, 16);
        p += n > 1 ? n + 1 : 1;
        int e = point - 1;
        *p++ = 'e';
        *p++ = e < 0 ? '-' : '+';
        if (e < 0) e = -e;
        if (e < 10) *p++ = '0';
        return (size_t)(p - out) + put_short(p, (uint32_t)e);
    }
    if (point <= 0) { /* 0.000ddd */
        memcpy(p, "0.000", 5);
        memcpy(p + 2 - point, text, 17);
        return n + (size_t)(2 - point);
    }
    size_t whole = (size_t)point;
    if (whole >= n) { /* ddd000.0 */
        memset(p, '0', 17);
        memcpy(p, text, n);
        memcpy(p + whole, ".0", 2);
        return whole + 2;
    }
    memcpy(p, text, 16); /* dd.dd */
    memcpy(p + whole + 1, text + whole, 17);
    p[whole] = '.';
    return n + 1;
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
    char text[40];
    shortest(v, &digits, &exp10);
    size_t n = put_u64(text, digits);
    int point = (int)n + exp10; /* value = 0.digits * 10^point */
    n = drop_zeros(text, n, 1);
    return (size_t)(p - out) + put_point(p, text, n, point);
}
