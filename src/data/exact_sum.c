/* exact_sum.c - windows and superaccumulators.
 * Invariant of a superaccumulator: |limb| < 2^62, because carries are settled (limb in [0, 2^32),
 * the top one signed) before 2^29 additions of less than 2^32 each have gone into one limb. */
#include "data/exact_sum.h"

#include <math.h>

#include "data/bignum.h"

enum { INF_SEEN = 1, MINUS_INF_SEEN = 2, NAN_SEEN = 4, SPECIALS = 7, NEGATIVE = 8 };
enum { ADDS_MAX = 1 << 29 };
#define MANTISSA_BIT ((uint64_t)1 << 52)

/* v = *m * 2^*exp2 for a finite v; the sign apart. */
static void take_apart(double v, uint64_t *m, int *exp2) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    int e = (int)(bits >> 52) & 0x7FF;
    *m = (bits & (MANTISSA_BIT - 1)) | (e ? MANTISSA_BIT : 0);
    *exp2 = (e ? e : 1) - 1075;
}

static int exponent_of(double max_abs) {
    if (!isfinite(max_abs) || max_abs == 0) return 0;
    int e;
    frexp(max_abs, &e);
    return e;
}

static int clamp_w(int w) {
    return w < MP_FSUM_W_MIN ? MP_FSUM_W_MIN : w > MP_FSUM_W_MAX ? MP_FSUM_W_MAX : w;
}

/* max_abs < 2^e, and the window takes values below 2^(w + 87) */
int mp_fsum_window_choose(double max_abs) {
    return clamp_w(exponent_of(max_abs) + 4 - MP_FSUM_BITS);
}

/* max_abs < 2^e, and 62 bits are taken */
int mp_fsum_quantize_choose(double max_abs) {
    return clamp_w(exponent_of(max_abs) + 2 - 62);
}

bool mp_fsum_window_add_slow(mp_i128 *acc, double v, int w) {
    uint64_t m;
    int exp2;
    if (v == 0) return true;
    if (!isfinite(v)) return false;
    take_apart(v, &m, &exp2);
    int shift = exp2 - w;
    if (shift < 0) {
        if (shift <= -53 || (m & (((uint64_t)1 << -shift) - 1)) != 0) return false;
        m >>= -shift;
        shift = 0;
    }
    if (shift > MP_FSUM_BITS - 53) return false;
    mp_i128 add = (mp_i128)((mp_u128)m << shift);
    *acc += v < 0 ? -add : add;
    return true;
}

bool mp_fsum_quantize(double v, int w, int64_t *q) {
    uint64_t m;
    int exp2;
    if (v == 0) {
        *q = 0;
        return true;
    }
    if (!isfinite(v)) return false;
    take_apart(v, &m, &exp2);
    int shift = exp2 - w;
    if (shift > 62 - 53 || shift <= -53) return false;
    if (shift < 0 && (m & (((uint64_t)1 << -shift) - 1)) != 0) return false;
    int64_t n = (int64_t)(shift < 0 ? m >> -shift : m << shift);
    *q = v < 0 ? -n : n;
    return true;
}

double mp_fsum_window_round(mp_i128 acc, int w) {
    double v = mp_round_u128(mp_i128_abs(acc), false, w);
    return acc < 0 ? -v : v;
}

double mp_fsum_window_mean(mp_i128 acc, int w, int64_t n) {
    return mp_i128_div_scaled(acc, (uint64_t)n, w);
}

void mp_superacc_init(mp_superacc *a) {
    memset(a, 0, sizeof *a);
}

static void settle(mp_superacc *a) {
    int64_t carry = 0;
    for (int i = 0; i < MP_SUPERACC_LIMBS - 1; i++) {
        int64_t v = a->limb[i] + carry;
        a->limb[i] = v & 0xFFFFFFFF;
        carry = v >> 32;
    }
    a->limb[MP_SUPERACC_LIMBS - 1] += carry;
    a->n_adds = 0;
}

/* Room for one more addition into every limb. */
static void count_add(mp_superacc *a) {
    if (++a->n_adds >= ADDS_MAX) settle(a);
}

/* + or - the bits of m times 2^exp2; they lie inside the limbs. */
static void add_bits(mp_superacc *a, mp_u128 m, int exp2, bool neg) {
    int at = exp2 - MP_SUPERACC_EXP, i = at / 32, shift = at % 32;
    uint64_t low = (uint64_t)(m & 0xFFFFFFFF) << shift;
    int64_t piece = (int64_t)(low & 0xFFFFFFFF);
    a->limb[i] += neg ? -piece : piece;
    m = (m >> 32 << shift) + (low >> 32); /* below 2^128: the top 32 bits are free by now */
    for (i++; m != 0; i++, m >>= 32) {
        piece = (int64_t)(m & 0xFFFFFFFF);
        a->limb[i] += neg ? -piece : piece;
    }
    count_add(a);
}

static void add_special(mp_superacc *a, double v) {
    a->special |= v != v ? NAN_SEEN : v > 0 ? INF_SEEN : MINUS_INF_SEEN;
}

void mp_superacc_add(mp_superacc *a, double v) {
    uint64_t m;
    int exp2;
    if (!isfinite(v)) {
        add_special(a, v);
        return;
    }
    take_apart(v, &m, &exp2);
    add_bits(a, m, exp2, v < 0);
}

void mp_superacc_add_product(mp_superacc *a, double x, double y) {
    uint64_t mx, my;
    int ex, ey;
    if (!isfinite(x) || !isfinite(y)) {
        add_special(a, x * y);
        return;
    }
    take_apart(x, &mx, &ex);
    take_apart(y, &my, &ey);
    add_bits(a, (mp_u128)mx * my, ex + ey, (x < 0) != (y < 0));
}

/* Highest exponent (exclusive) that may be added: 64 bits below the end leave room for any number
 * of additions. */
enum { TOP_EXP = MP_SUPERACC_EXP + 32 * MP_SUPERACC_LIMBS - 64 };

bool mp_superacc_add_i128(mp_superacc *a, mp_i128 v, int exp2) {
    if (exp2 < MP_SUPERACC_EXP || exp2 > TOP_EXP - 128) return false;
    add_bits(a, mp_i128_abs(v), exp2, v < 0);
    return true;
}

bool mp_superacc_add_i256(mp_superacc *a, mp_i256 v, int exp2) {
    if (exp2 < MP_SUPERACC_EXP || exp2 > TOP_EXP - 256) return false;
    bool neg = mp_i256_is_neg(v);
    if (neg) v = mp_i256_neg(v);
    add_bits(a, (mp_u128)v.w[1] << 64 | v.w[0], exp2, neg);
    add_bits(a, (mp_u128)v.w[3] << 64 | v.w[2], exp2 + 128, neg);
    return true;
}

void mp_superacc_merge(mp_superacc *a, const mp_superacc *b) {
    mp_superacc other = *b;
    settle(a);
    settle(&other);
    for (int i = 0; i < MP_SUPERACC_LIMBS; i++)
        a->limb[i] += other.limb[i];
    settle(a);
    a->special |= b->special;
}

/* true: the sum is not finite, and *out is what it is. */
static bool special_value(const mp_superacc *a, double *out) {
    if (a->special == 0) return false;
    bool nan = (a->special & NAN_SEEN) || (a->special & 3) == 3;
    *out = nan ? (double)NAN : a->special & INF_SEEN ? (double)INFINITY : -(double)INFINITY;
    return true;
}

double mp_superacc_round(const mp_superacc *a) {
    double v;
    mp_big sum;
    if (special_value(a, &v)) return v;
    mp_big_from_superacc(a, &sum);
    mp_top top = mp_big_top(&sum);
    v = mp_round_u128(top.m, top.sticky, top.exp2);
    return top.neg ? -v : v;
}

double mp_superacc_mean(const mp_superacc *a, int64_t n) {
    double v;
    mp_big sum;
    if (special_value(a, &v)) return v;
    mp_big_from_superacc(a, &sum);
    return mp_big_div(&sum, (mp_u128)n);
}

void mp_superacc_write(const mp_superacc *a, mp_buf *b) {
    mp_big sum;
    mp_big_from_superacc(a, &sum);
    int first = sum.n ? (sum.exp2 - MP_SUPERACC_EXP) / 32 : 0;
    mp_buf_u8(b, (uint8_t)(a->special | (sum.neg ? NEGATIVE : 0)));
    mp_buf_u8(b, (uint8_t)first);
    mp_buf_u8(b, (uint8_t)sum.n);
    for (int i = 0; i < sum.n; i++)
        mp_buf_u32(b, sum.d[i]);
}

bool mp_superacc_read(mp_rd *r, mp_superacc *a) {
    mp_superacc_init(a);
    uint8_t flags = mp_rd_u8(r), first = mp_rd_u8(r), n = mp_rd_u8(r);
    if (r->bad || flags > (SPECIALS | NEGATIVE) || first + n > MP_SUPERACC_LIMBS) {
        r->bad = true;
        return false;
    }
    for (int i = 0; i < n; i++) {
        int64_t piece = mp_rd_u32(r);
        a->limb[first + i] = flags & NEGATIVE ? -piece : piece;
    }
    a->special = flags & SPECIALS;
    if (r->bad) mp_superacc_init(a);
    return !r->bad;
}
