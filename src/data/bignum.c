/* bignum.c - schoolbook arithmetic on 32-bit limbs; operands are a few limbs long unless the data
 * spans hundreds of orders of magnitude. */
#include "data/bignum.h"

#include <math.h>

/* Restore the invariant: no zero limb at either end. */
static void trim(mp_big *a) {
    int low = 0;
    while (a->n > 0 && a->d[a->n - 1] == 0)
        a->n--;
    while (low < a->n && a->d[low] == 0)
        low++;
    if (low > 0 && a->n > 0) {
        memmove(a->d, a->d + low, (size_t)(a->n - low) * sizeof a->d[0]);
        a->n -= low;
        a->exp2 += 32 * low;
    }
    if (a->n == 0) {
        a->neg = false;
        a->exp2 = 0;
    }
}

void mp_big_from_superacc(const mp_superacc *a, mp_big *out) {
    int64_t limb[MP_SUPERACC_LIMBS], carry = 0;
    out->n = MP_SUPERACC_LIMBS;
    out->exp2 = MP_SUPERACC_EXP;
    for (int i = 0; i < MP_SUPERACC_LIMBS; i++) {
        int64_t v = a->limb[i] + carry;
        limb[i] = v & 0xFFFFFFFF;
        carry = v >> 32;
    }
    /* the top limb never fills up, so what is carried out of it is the sign: 0 or -1 */
    out->neg = carry < 0;
    carry = 0;
    for (int i = 0; i < MP_SUPERACC_LIMBS; i++) {
        int64_t v = out->neg ? carry - limb[i] : limb[i];
        out->d[i] = (uint32_t)v;
        carry = v >> 32;
    }
    trim(out);
}

void mp_big_mul(const mp_big *a, const mp_big *b, mp_big *out) {
    out->n = a->n + b->n;
    out->exp2 = a->exp2 + b->exp2;
    out->neg = a->neg != b->neg;
    memset(out->d, 0, (size_t)out->n * sizeof out->d[0]);
    for (int i = 0; i < a->n; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < b->n; j++) {
            carry += (uint64_t)a->d[i] * b->d[j] + out->d[i + j];
            out->d[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        out->d[i + b->n] = (uint32_t)carry;
    }
    trim(out);
}

void mp_big_mul_u64(mp_big *a, uint64_t k) {
    mp_u128 carry = 0;
    for (int i = 0; i < a->n; i++) {
        carry += (mp_u128)a->d[i] * k;
        a->d[i] = (uint32_t)carry;
        carry >>= 32;
    }
    while (carry) {
        a->d[a->n++] = (uint32_t)carry;
        carry >>= 32;
    }
    trim(a);
}

static uint32_t limb_at(const mp_big *a, int exp2) {
    int i = (exp2 - a->exp2) / 32;
    return exp2 >= a->exp2 && i < a->n ? a->d[i] : 0;
}

static int cmp_magnitude(const mp_big *a, const mp_big *b) {
    int low = a->exp2 < b->exp2 ? a->exp2 : b->exp2;
    int ta = a->exp2 + 32 * a->n, tb = b->exp2 + 32 * b->n;
    for (int e = (ta > tb ? ta : tb) - 32; e >= low; e -= 32) {
        uint32_t x = limb_at(a, e), y = limb_at(b, e);
        if (x != y) return x < y ? -1 : 1;
    }
    return 0;
}

void mp_big_sub(const mp_big *a, const mp_big *b, mp_big *out) {
    if (a->n == 0 || b->n == 0) {
        *out = a->n ? *a : *b;
        if (a->n == 0 && b->n != 0) out->neg = !b->neg;
        return;
    }
    bool add = a->neg != b->neg, swap = !add && cmp_magnitude(a, b) < 0;
    const mp_big *x = swap ? b : a, *y = swap ? a : b;
    int low = a->exp2 < b->exp2 ? a->exp2 : b->exp2;
    int tx = x->exp2 + 32 * x->n, ty = y->exp2 + 32 * y->n;
    int64_t carry = 0;
    out->n = 0;
    out->exp2 = low;
    out->neg = a->neg != swap;
    for (int e = low; e < tx || e < ty; e += 32) {
        int64_t v = carry + limb_at(x, e);
        v = add ? v + limb_at(y, e) : v - limb_at(y, e);
        out->d[out->n++] = (uint32_t)v;
        carry = v >> 32;
    }
    if (carry) out->d[out->n++] = (uint32_t)carry;
    trim(out);
}

/* m: the four leading limbs, the first not zero; next: the fifth; more: something below that is not
 * zero. */
static mp_top top_of_limbs(mp_u128 m, uint32_t next, bool more, int exp2, bool neg) {
    if (m == 0) return (mp_top){0, 0, false, false};
    int lz = __builtin_clzll((uint64_t)(m >> 64)); /* 0..31; the top bit goes to 125 */
    if (lz < 2) {
        int down = 2 - lz;
        bool lost = (m & (((mp_u128)1 << down) - 1)) != 0;
        return (mp_top){m >> down, exp2 + down, more || lost || next != 0, neg};
    }
    uint64_t fill = (uint64_t)next << (lz - 2);
    m = m << (lz - 2) | fill >> 32;
    return (mp_top){m, exp2 - (lz - 2), more || (uint32_t)fill != 0, neg};
}

mp_top mp_big_top(const mp_big *a) {
    mp_u128 m = 0;
    for (int i = 1; i <= 4; i++)
        m = m << 32 | (i <= a->n ? a->d[a->n - i] : 0);
    uint32_t next = a->n >= 5 ? a->d[a->n - 5] : 0;
    /* d[0] is not zero, so everything below is zero only where nothing is there */
    return top_of_limbs(m, next, a->n > 5, a->exp2 + 32 * (a->n - 4), a->neg);
}

mp_top mp_i256_top(mp_i256 a) {
    mp_big b = {.exp2 = 0, .n = 8, .neg = mp_i256_is_neg(a)};
    if (b.neg) a = mp_i256_neg(a);
    for (int i = 0; i < 8; i++)
        b.d[i] = (uint32_t)(a.w[i / 2] >> (32 * (i % 2)));
    trim(&b);
    return mp_big_top(&b);
}

/* Leading bits of |a| / den. Seven limbs T of a are at least 193 bits, so T / den has 66 or more
 * before its point, and a point half way between two doubles is a whole number there: what was cut
 * off below T cannot carry the quotient past it, and only has to be remembered as a rest. */
static mp_u128 quotient(const mp_big *a, mp_u128 den, bool *rest, int *exp2) {
    mp_i256 num = {{0, 0, 0, 0}};
    for (int i = 1; i <= 7 && i <= a->n; i++) {
        int at = 7 - i;
        num.w[at / 2] |= (uint64_t)a->d[a->n - i] << (32 * (at % 2));
    }
    mp_u128 q;
    mp_u256_quotient(num, (mp_i256){{(uint64_t)den, (uint64_t)(den >> 64), 0, 0}}, &q, rest, exp2);
    *rest = *rest || a->n > 7;
    *exp2 += a->exp2 + 32 * (a->n - 7);
    return q;
}

double mp_big_div(const mp_big *a, mp_u128 den) {
    bool rest;
    int exp2;
    mp_u128 q = quotient(a, den, &rest, &exp2);
    double v = mp_round_u128(q, rest, exp2);
    return a->neg ? -v : v;
}

double mp_big_div_sqrt(const mp_big *a, mp_u128 den) {
    bool rest;
    int exp2;
    mp_u128 q = quotient(a, den, &rest, &exp2);
    int even = exp2 - (exp2 & 1); /* floor to even */
    return ldexp(sqrt(mp_round_u128(q, rest, exp2 - even)), even / 2);
}
