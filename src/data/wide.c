/* wide.c - rounding and the slower wide operations. */
#include "data/wide.h"

#include <math.h>
#include <string.h>

#include "data/decimal.h"

static int bits_u128(mp_u128 m) {
    uint64_t hi = (uint64_t)(m >> 64), lo = (uint64_t)m;
    if (hi) return 128 - __builtin_clzll(hi);
    return lo ? 64 - __builtin_clzll(lo) : 0;
}

double mp_round_u128(mp_u128 m, bool sticky, int exp2) {
    if (m == 0) return 0.0;
    int top = bits_u128(m) + exp2; /* value in [2^(top-1), 2^top) */
    if (top > 1024) return INFINITY;
    /* the place of the last kept bit: 53 bits below the top, but never below the least subnormal */
    int last = top - 53 < -1074 ? -1074 : top - 53;
    int drop = last - exp2;
    uint64_t kept;
    if (drop <= 0) {
        kept = (uint64_t)(m << -drop);
    } else if (drop > 128) {
        kept = 0;
    } else {
        mp_u128 half = (mp_u128)1 << (drop - 1);
        kept = drop == 128 ? 0 : (uint64_t)(m >> drop);
        bool up = (m & half) != 0, rest = sticky || (m & (half - 1)) != 0;
        kept += up && (rest || (kept & 1));
    }
    return ldexp((double)kept, last);
}

double mp_i128_to_double(mp_i128 v) {
    double d = mp_round_u128(mp_i128_abs(v), false, 0);
    return v < 0 ? -d : d;
}

/* num / den for den below 2^63: the shifted quotient has more than 64 bits. */
static double div_u128_u64(mp_u128 num, uint64_t den) {
    int shift = 128 - bits_u128(num);
    num <<= shift;
    mp_u128 q = num / den;
    return mp_round_u128(q, num % den != 0, -shift);
}

static const uint64_t TWO53 = (uint64_t)1 << 53;

/* Unsigned 256-bit helpers: a value is taken as its words say, without sign. */
static int bits_256(const mp_i256 *a) {
    for (int i = 3; i >= 0; i--)
        if (a->w[i]) return 64 * i + 64 - __builtin_clzll(a->w[i]);
    return 0;
}

static mp_i256 shift_left(mp_i256 a, int n) {
    mp_i256 r = {{0, 0, 0, 0}};
    int words = n / 64, bits = n % 64;
    for (int i = 3; i >= words; i--) {
        r.w[i] = a.w[i - words] << bits;
        if (bits && i > words) r.w[i] |= a.w[i - words - 1] >> (64 - bits);
    }
    return r;
}

static int cmp_unsigned(const mp_i256 *a, const mp_i256 *b) {
    for (int i = 3; i >= 0; i--)
        if (a->w[i] != b->w[i]) return a->w[i] < b->w[i] ? -1 : 1;
    return 0;
}

/* Long division, bit by bit, of two values whose top bits are both bit 254: 66 bits of the
 * quotient. */
static mp_u128 divide_bits(mp_i256 *num, mp_i256 den) {
    mp_u128 q = 0;
    for (int i = 0; i < 66; i++) {
        q <<= 1;
        if (cmp_unsigned(num, &den) >= 0) {
            *num = mp_i256_sub(*num, den);
            q |= 1;
        }
        *num = shift_left(*num, 1);
    }
    return q;
}

/* One step of Knuth's algorithm D: *rem * 2^64 + next over v, where *rem < v and v has its top bit
 * set. */
static uint64_t divide_step(mp_u128 *rem, uint64_t next, mp_u128 v) {
    uint64_t v1 = (uint64_t)(v >> 64), v0 = (uint64_t)v;
    uint64_t guess = (uint64_t)(*rem >> 64) >= v1 ? UINT64_MAX : (uint64_t)(*rem / v1);
    mp_u128 left = *rem - (mp_u128)guess * v1, low = (mp_u128)guess * v0;
    while (left >> 64 == 0 && low > (left << 64 | next)) {
        guess--;
        left += v1;
        low -= v0;
    }
    *rem = (left << 64 | next) - low;
    return guess;
}

void mp_u256_quotient(mp_i256 num, mp_i256 den, mp_u128 *q, bool *rest, int *exp2) {
    int nb = bits_256(&num), db = bits_256(&den);
    *q = 0;
    *rest = false;
    *exp2 = 0;
    if (nb == 0) return;
    if (db > 128) {
        num = shift_left(num, 255 - nb);
        *q = divide_bits(&num, shift_left(den, 255 - db));
        *rest = !mp_i256_is_zero(num);
        *exp2 = nb - db - 65;
        return;
    }
    /* num to 254 bits and den to 128: the quotient has 126 or 127 bits, two digits of base 2^64 */
    num = nb == 255 ? num : shift_left(num, 254 - nb);
    den = shift_left(den, 128 - db);
    mp_u128 v = (mp_u128)den.w[1] << 64 | den.w[0], rem = (mp_u128)num.w[3] << 64 | num.w[2];
    uint64_t high = divide_step(&rem, num.w[1], v);
    uint64_t low = divide_step(&rem, num.w[0], v);
    *q = (mp_u128)high << 64 | low;
    *rest = rem != 0;
    *exp2 = (nb == 255 ? 0 : nb - 254) + 128 - db;
}

static double div_256(mp_i256 num, mp_i256 den) {
    mp_u128 q;
    bool rest;
    int exp2;
    mp_u256_quotient(num, den, &q, &rest, &exp2);
    return mp_round_u128(q, rest, exp2);
}

double mp_i128_div_scaled(mp_i128 num, uint64_t den, int exp2) {
    mp_u128 q;
    bool rest;
    int shift;
    mp_u128 a = mp_i128_abs(num);
    mp_u256_quotient((mp_i256){{(uint64_t)a, (uint64_t)(a >> 64), 0, 0}}, (mp_i256){{den, 0, 0, 0}},
                     &q, &rest, &shift);
    double v = mp_round_u128(q, rest, shift + exp2);
    return num < 0 ? -v : v;
}

double mp_i128_div_to_double(mp_i128 num, mp_u128 den) {
    mp_u128 a = mp_i128_abs(num);
    double q;
    if (a <= TWO53 && den <= TWO53)
        q = (double)(uint64_t)a / (double)(uint64_t)den;
    else if (a == 0)
        q = 0.0;
    else if (den >> 63 == 0)
        q = div_u128_u64(a, (uint64_t)den);
    else
        q = div_256((mp_i256){{(uint64_t)a, (uint64_t)(a >> 64), 0, 0}},
                    (mp_i256){{(uint64_t)den, (uint64_t)(den >> 64), 0, 0}});
    return num < 0 ? -q : q;
}

mp_i256 mp_i256_from_i128(mp_i128 v) {
    uint64_t sign = v < 0 ? UINT64_MAX : 0;
    return (mp_i256){{(uint64_t)v, (uint64_t)((mp_u128)v >> 64), sign, sign}};
}

mp_i256 mp_i256_neg(mp_i256 a) {
    return mp_i256_sub(mp_i256_zero(), a);
}

mp_i256 mp_i256_sub(mp_i256 a, mp_i256 b) {
    mp_i256 r;
    uint64_t borrow = 0;
    for (int i = 0; i < 4; i++) {
        mp_u128 t = (mp_u128)a.w[i] - b.w[i] - borrow;
        r.w[i] = (uint64_t)t;
        borrow = (uint64_t)(t >> 64) & 1;
    }
    return r;
}

static mp_i256 mul_u128(mp_u128 a, mp_u128 b) {
    uint64_t a0 = (uint64_t)a, a1 = (uint64_t)(a >> 64);
    uint64_t b0 = (uint64_t)b, b1 = (uint64_t)(b >> 64);
    mp_u128 p00 = (mp_u128)a0 * b0, p01 = (mp_u128)a0 * b1;
    mp_u128 p10 = (mp_u128)a1 * b0, p11 = (mp_u128)a1 * b1;
    mp_u128 mid = (p00 >> 64) + (uint64_t)p01 + (uint64_t)p10;
    mp_u128 high = p11 + (p01 >> 64) + (p10 >> 64) + (mid >> 64);
    return (mp_i256){{(uint64_t)p00, (uint64_t)mid, (uint64_t)high, (uint64_t)(high >> 64)}};
}

mp_i256 mp_i256_mul_i128(mp_i128 a, mp_i128 b) {
    mp_i256 r = mul_u128(mp_i128_abs(a), mp_i128_abs(b));
    return (a < 0) != (b < 0) ? mp_i256_neg(r) : r;
}

bool mp_i256_mul_u64(mp_i256 a, uint64_t b, mp_i256 *out) {
    bool neg = mp_i256_is_neg(a);
    if (neg) a = mp_i256_neg(a);
    mp_u128 t = 0;
    for (int i = 0; i < 4; i++) {
        t += (mp_u128)a.w[i] * b;
        a.w[i] = (uint64_t)t;
        t >>= 64;
    }
    if (t != 0 || mp_i256_is_neg(a)) return false;
    *out = neg ? mp_i256_neg(a) : a;
    return true;
}

int mp_i256_cmp(mp_i256 a, mp_i256 b) {
    bool na = mp_i256_is_neg(a), nb = mp_i256_is_neg(b);
    if (na != nb) return na ? -1 : 1;
    return cmp_unsigned(&a, &b);
}

bool mp_i256_fits_i128(mp_i256 a, mp_i128 *out) {
    uint64_t sign = a.w[1] >> 63 ? UINT64_MAX : 0;
    if (a.w[2] != sign || a.w[3] != sign) return false;
    *out = (mp_i128)((mp_u128)a.w[1] << 64 | a.w[0]);
    return true;
}

/* Magnitude below 2^255; the one value without one, -2^255, cannot arise (see moments.h). */
static double to_double_unsigned(mp_i256 a) {
    int nb = bits_256(&a);
    int shift = nb > 128 ? nb - 128 : 0;
    mp_i256 up = shift_left(a, 256 - 128 - shift); /* the top 128 bits in the two upper words */
    mp_u128 m = (mp_u128)up.w[3] << 64 | up.w[2];
    return mp_round_u128(m, (up.w[0] | up.w[1]) != 0, shift);
}

double mp_i256_to_double(mp_i256 a) {
    return mp_i256_is_neg(a) ? -to_double_unsigned(mp_i256_neg(a)) : to_double_unsigned(a);
}

double mp_i256_div_to_double(mp_i256 num, mp_i256 den) {
    bool neg = mp_i256_is_neg(num);
    if (neg) num = mp_i256_neg(num);
    mp_i128 n, d;
    double q;
    if (mp_i256_fits_i128(num, &n) && mp_i256_fits_i128(den, &d))
        q = mp_i128_div_to_double(n, (mp_u128)d);
    else
        q = div_256(num, den);
    return neg ? -q : q;
}

double mp_mean_to_double(mp_i128 sum, int64_t n, int scale) {
    return mp_i128_div_to_double(sum, (mp_u128)n * (mp_u128)mp_pow10_i64[scale]);
}
