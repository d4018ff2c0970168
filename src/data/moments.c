/* moments.c - the final formulas. Everything before the last division is exact integer
 * arithmetic. */
#include "data/moments.h"

#include <assert.h>
#include <math.h>

#include "data/bignum.h"
#include "data/decimal.h"

/* n Sab - Sa Sb: below 2^252 for n <= 2^62 and 64-bit values. */
static mp_i256 spread(int64_t n, mp_i128 sa, mp_i128 sb, mp_i256 sab) {
    mp_i256 left = mp_i256_zero();
    bool fits = mp_i256_mul_u64(sab, (uint64_t)n, &left);
    assert(fits);
    (void)fits;
    return mp_i256_sub(left, mp_i256_mul_i128(sa, sb));
}

static mp_u128 pairs(int64_t n) {
    return (mp_u128)n * (mp_u128)(n - 1);
}

/* n (n - 1) 10^(2 scale): below 2^244 for n <= 2^62. */
static mp_i256 divisor(int64_t n, int scale) {
    mp_i128 unit = (mp_i128)mp_pow10_i64[scale] * mp_pow10_i64[scale];
    return mp_i256_mul_i128((mp_i128)pairs(n), unit);
}

/* The quotient num / den * 2^exp2 rounded, or the root of that. */
static double ratio(mp_i256 num, mp_i256 den, int exp2, bool root) {
    mp_u128 q;
    bool rest;
    int shift;
    assert(!mp_i256_is_neg(num)); /* Cauchy and Schwarz */
    mp_u256_quotient(num, den, &q, &rest, &shift);
    shift += exp2;
    if (!root) return mp_round_u128(q, rest, shift);
    int even = shift - (shift & 1);
    return ldexp(sqrt(mp_round_u128(q, rest, shift - even)), even / 2);
}

bool mp_var_exact(int64_t n, mp_i128 sx, mp_i256 sxx, int scale, int w, double *var) {
    if (n < 2) return false;
    *var = ratio(spread(n, sx, sx, sxx), divisor(n, scale), 2 * w, false);
    return true;
}

bool mp_std_exact(int64_t n, mp_i128 sx, mp_i256 sxx, int scale, int w, double *std) {
    if (n < 2) return false;
    *std = ratio(spread(n, sx, sx, sxx), divisor(n, scale), 2 * w, true);
    return true;
}

/* hi + lo, |lo| at most half a unit of hi's last place */
typedef struct {
    double hi, lo;
} twofold;

static twofold quick_sum(double a, double b) {
    double s = a + b;
    return (twofold){s, b - (s - a)};
}

/* The leading 126 bits as a pair in [2^125, 2^126]. */
static twofold from_top(mp_top t) {
    double hi = (double)t.m;
    double lo = (double)((mp_i128)t.m - (mp_i128)hi);
    return (twofold){hi, lo};
}

static twofold multiply(twofold a, twofold b) {
    double p, e;
    mp_two_product(a.hi, b.hi, &p, &e);
    return quick_sum(p, e + (a.hi * b.lo + a.lo * b.hi));
}

static twofold square_root(twofold a) {
    double s = sqrt(a.hi), p, e;
    mp_two_product(s, s, &p, &e);
    return quick_sum(s, ((a.hi - p) - e + a.lo) / (2 * s));
}

static double divide(twofold a, twofold b) {
    double q = a.hi / b.hi, p, e;
    mp_two_product(q, b.hi, &p, &e);
    return q + ((a.hi - p) - e + a.lo - q * b.lo) / b.hi;
}

static bool correlation(mp_top xy, mp_top xx, mp_top yy, double *corr) {
    if (xx.m == 0 || yy.m == 0) return false;
    if (xy.m == 0) {
        *corr = 0.0;
        return true;
    }
    twofold product = multiply(from_top(xx), from_top(yy));
    int exp2 = xx.exp2 + yy.exp2;
    if (exp2 & 1) { /* an even exponent has a root */
        product.hi *= 2;
        product.lo *= 2;
        exp2--;
    }
    double r = ldexp(divide(from_top(xy), square_root(product)), xy.exp2 - exp2 / 2);
    if (r > 1) r = 1;
    *corr = xy.neg ? -r : r;
    return true;
}

bool mp_corr_exact(int64_t n, mp_i128 sx, mp_i128 sy, mp_i256 sxx, mp_i256 syy, mp_i256 sxy,
                   double *corr) {
    if (n < 2) return false;
    return correlation(mp_i256_top(spread(n, sx, sy, sxy)), mp_i256_top(spread(n, sx, sx, sxx)),
                       mp_i256_top(spread(n, sy, sy, syy)), corr);
}

static void spread_superacc(int64_t n, const mp_superacc *sa, const mp_superacc *sb,
                            const mp_superacc *sab, mp_big *out) {
    mp_big a, b, product, left;
    mp_big_from_superacc(sa, &a);
    mp_big_from_superacc(sb, &b);
    mp_big_from_superacc(sab, &left);
    mp_big_mul(&a, &b, &product);
    mp_big_mul_u64(&left, (uint64_t)n);
    mp_big_sub(&left, &product, out);
}

static mp_top top_superacc(int64_t n, const mp_superacc *sa, const mp_superacc *sb,
                           const mp_superacc *sab) {
    mp_big difference;
    spread_superacc(n, sa, sb, sab, &difference);
    return mp_big_top(&difference);
}

static double spread_ratio(int64_t n, const mp_superacc *sx, const mp_superacc *sxx, bool root) {
    mp_big difference;
    if (sx->special | sxx->special) return (double)NAN;
    spread_superacc(n, sx, sx, sxx, &difference);
    return root ? mp_big_div_sqrt(&difference, pairs(n)) : mp_big_div(&difference, pairs(n));
}

bool mp_var_superacc(int64_t n, const mp_superacc *sx, const mp_superacc *sxx, double *var) {
    if (n < 2) return false;
    *var = spread_ratio(n, sx, sxx, false);
    return true;
}

bool mp_std_superacc(int64_t n, const mp_superacc *sx, const mp_superacc *sxx, double *std) {
    if (n < 2) return false;
    *std = spread_ratio(n, sx, sxx, true);
    return true;
}

bool mp_corr_superacc(int64_t n, const mp_superacc *sx, const mp_superacc *sy,
                      const mp_superacc *sxx, const mp_superacc *syy, const mp_superacc *sxy,
                      double *corr) {
    if (n < 2) return false;
    if (sx->special | sy->special | sxx->special | syy->special | sxy->special) {
        *corr = (double)NAN;
        return true;
    }
    return correlation(top_superacc(n, sx, sy, sxy), top_superacc(n, sx, sx, sxx),
                       top_superacc(n, sy, sy, syy), corr);
}
