/* parse_num.h - numbers in text: what a field is (int64, decimal, float64, or no number) and its
 * value.
 * Invariant: kind and value depend on the text alone, not on the locale or the CPU; not a byte
 * outside [p, p + n) is read.
 *
 * With blanks (space, tab) around:
 *   int64    -?(0|[1-9][0-9]*) inside int64; -0 is 0. Leading zeros, a plus, larger integers: no
 *            number.
 *   decimal  -?(digits(.digits?)?|.digits)([eE][+-]?digits)? with a point or an exponent, whose
 *            scale (digits of the fraction less the exponent) is at most 18 and which has at most
 *            18 digits when written out without exponent (leading zeros not counted). A negative
 *            scale is written out: 1e5 is 100000 at scale 0.
 *   float64  the same grammar with more digits or a larger exponent: the nearest double (1e400 is
 *            inf, 1e-400 is 0, -0 is 0); nan, inf, infinity, -inf, -infinity in any case. */
#ifndef MP_DATA_PARSE_NUM_H
#define MP_DATA_PARSE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "data/decimal.h"

typedef enum { MP_NUM_NONE, MP_NUM_INT64, MP_NUM_DECIMAL, MP_NUM_FLOAT64 } mp_num_kind;

typedef struct {
    mp_num_kind kind;
    int32_t scale; /* MP_NUM_DECIMAL: 0..18, as written (1.50 has 2); else 0 */
    int64_t i64;   /* MP_NUM_INT64: value; MP_NUM_DECIMAL: mantissa */
    double f64;    /* MP_NUM_FLOAT64 */
} mp_number;

/* Fills *out and returns its kind. */
mp_num_kind mp_parse_number(const char *p, size_t n, mp_number *out);
/* false: not of the form int64. */
bool mp_parse_int64(const char *p, size_t n, int64_t *out);
/* Any number as the nearest double: what mp_parse_number takes, and also a plus, leading zeros and
 * integers of any length. false: no number. */
bool mp_parse_double(const char *p, size_t n, double *out);

/* The double nearest to w * 10^exp10 (w exact): Clinger's exact cases, then Eisel-Lemire (Lemire
 * 2021, doi 10.1002/spe.2984; that no slow path is needed for 64-bit w: Mushtak and Lemire 2023,
 * doi 10.1002/spe.3198). */
double mp_double_from_digits(uint64_t w, int64_t exp10);

/* Eight bytes of text from p, any alignment, first byte lowest. */
static inline uint64_t mp_load8(const char *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

/* The n (1..8) bytes at p moved to the top of a word, zero bytes below. */
static inline uint64_t mp_load_top(const char *p, size_t n) {
    uint64_t v;
    if (n >= 4) {
        uint32_t first, last;
        memcpy(&first, p, 4);
        memcpy(&last, p + n - 4, 4);
        return (uint64_t)last << 32 | (uint64_t)first << (8 * (8 - n));
    }
    v = (uint64_t)(uint8_t)p[0] | (uint64_t)(uint8_t)p[n / 2] << (8 * (n / 2)) |
        (uint64_t)(uint8_t)p[n - 1] << (8 * (n - 1));
    return v << (8 * (8 - n));
}

/* y: eight bytes less '0'. Are all of them 0..9? */
static inline bool mp_all_digits(uint64_t y) {
    return (((y + 0x7676767676767676u) | y) & 0x8080808080808080u) == 0;
}

/* Value of eight digits 0..9, the first in the lowest byte. */
static inline uint64_t mp_eight_digits(uint64_t y) {
    const uint64_t mask = 0x000000FF000000FFu;
    y = y * 10 + (y >> 8);
    return (((y & mask) * 0x000F424000000064u) + (((y >> 16) & mask) * 0x0000271000000001u)) >> 32;
}

/* The short common form -?digits, up to 16 digits, no blanks, no leading zero. false: use
 * mp_parse_int64. */
static inline bool mp_parse_int64_fast(const char *p, size_t n, int64_t *out) {
    uint64_t v;
    if (n == 0) return false;
    bool neg = p[0] == '-';
    p += neg;
    n -= neg;
    if (n - 1 < 8) {
        uint64_t y = mp_load_top(p, n) ^ (uint64_t)0x3030303030303030u << (8 * (8 - n));
        if (!mp_all_digits(y) || (p[0] == '0' && n > 1)) return false;
        v = mp_eight_digits(y);
    } else if (n - 9 < 8) {
        uint64_t low = mp_load8(p + n - 8) ^ 0x3030303030303030u;
        uint64_t high = (mp_load8(p) ^ 0x3030303030303030u) << (8 * (16 - n));
        if (!mp_all_digits(low) || !mp_all_digits(high) || p[0] == '0') return false;
        v = mp_eight_digits(high) * 100000000 + mp_eight_digits(low);
    } else {
        return false;
    }
    *out = neg ? -(int64_t)v : (int64_t)v;
    return true;
}

/* The short common form -?digits.digits, up to 8 on each side and 16 bytes in all, no blanks, no
 * exponent. false: use mp_parse_number. */
static inline bool mp_parse_decimal_fast(const char *p, size_t n, int64_t *mantissa, int *scale) {
    const uint64_t ones = 0x0101010101010101u, points = 0x2E2E2E2E2E2E2E2Eu;
    uint64_t v;
    size_t before, after;
    if (n == 0) return false;
    bool neg = p[0] == '-';
    p += neg;
    n -= neg;
    if (n - 3 < 6) {
        uint64_t y = mp_load_top(p, n) ^ (uint64_t)0x3030303030303030u << (8 * (8 - n));
        uint64_t x = y ^ 0x1E1E1E1E1E1E1E1Eu; /* zero where the point is */
        uint64_t zero = (x - ones) & ~x & 0x8080808080808080u;
        if (!zero) return false;
        int at = __builtin_ctzll(zero) - 7; /* bit of the point's byte */
        after = 7 - (size_t)at / 8;
        before = n - 1 - after;
        if (after == 0 || before == 0) return false;
        /* close the gap: what stands before the point moves up over it */
        uint64_t low = ((uint64_t)1 << at) - 1;
        y = (y & low) << 8 | (y & ~(low << 8 | 0xFF));
        if (!mp_all_digits(y)) return false;
        v = mp_eight_digits(y);
    } else if (n - 9 < 8) {
        uint64_t first = mp_load8(p), last = mp_load8(p + n - 8);
        uint64_t x = first ^ points, z = last ^ points;
        uint64_t zx = (x - ones) & ~x & 0x8080808080808080u;
        uint64_t zz = (z - ones) & ~z & 0x8080808080808080u;
        if (zx)
            before = (size_t)__builtin_ctzll(zx) / 8;
        else if (zz)
            before = n - 8 + (size_t)__builtin_ctzll(zz) / 8;
        else
            return false;
        after = n - 1 - before;
        if (before - 1 >= 8 || after - 1 >= 8) return false;
        uint64_t a = (first ^ 0x3030303030303030u) << (8 * (8 - before));
        uint64_t b = (last ^ 0x3030303030303030u) >> (8 * (8 - after)) << (8 * (8 - after));
        if (!mp_all_digits(a) || !mp_all_digits(b)) return false;
        v = mp_eight_digits(a) * (uint64_t)mp_pow10_i64[after] + mp_eight_digits(b);
    } else {
        return false;
    }
    *mantissa = neg ? -(int64_t)v : (int64_t)v;
    *scale = (int)after;
    return true;
}

#endif
