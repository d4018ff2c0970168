/* parse_num.c - the general reader of numbers.
 * One scan finds sign, digits, point and exponent and gathers the first 19 digits; what kind of
 * number that is, and its value, are decided after it. */
#include "data/parse_num.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/pow10_table.h"

enum { WORD_DIGITS = 19 };    /* digits that always fit in 64 bits */
enum { DOUBLE_DIGITS = 800 }; /* more than the 767 that can decide a rounding */
#define EXPONENT_MAX ((int64_t)1 << 60)

typedef struct {
    const char *digits; /* first digit or point */
    const char *end;    /* behind the last digit of the fraction */
    bool neg, plus;
    bool integer;         /* neither point nor exponent */
    bool leading_zero;    /* a zero before another digit of the integer part */
    size_t n_significant; /* digits from the first that is not zero */
    int64_t exp10;        /* value = digits * 10^exp10 */
    uint64_t word;        /* the first WORD_DIGITS significant digits */
} scanned;

static bool is_digit(char c) {
    return (unsigned)c - '0' < 10;
}

static void trim_blanks(const char **p, size_t *n) {
    while (*n > 0 && (**p == ' ' || **p == '\t')) {
        ++*p;
        --*n;
    }
    while (*n > 0 && ((*p)[*n - 1] == ' ' || (*p)[*n - 1] == '\t'))
        --*n;
}

/* Digits from p on: counted, and the first significant ones gathered. */
static const char *scan_digits(const char *p, const char *end, scanned *s) {
    while (p < end && is_digit(*p)) {
        unsigned d = (unsigned)(*p++ - '0');
        if (d == 0 && s->n_significant == 0) continue;
        if (s->n_significant++ < WORD_DIGITS) s->word = s->word * 10 + d;
    }
    return p;
}

/* [+-]?digits at p up to end; saturates far outside what a double can hold. */
static bool scan_exponent(const char *p, const char *end, int64_t *exponent) {
    bool neg = false;
    int64_t e = 0;
    if (p < end && (*p == '-' || *p == '+')) neg = *p++ == '-';
    if (p == end) return false;
    for (; p < end; p++) {
        if (!is_digit(*p)) return false;
        if (e < EXPONENT_MAX / 10) e = e * 10 + (*p - '0');
    }
    *exponent = neg ? -e : e;
    return true;
}

/* The grammar of numbers in digits over the whole of [p, p + n), n > 0. */
static bool scan(const char *p, size_t n, scanned *s) {
    const char *end = p + n, *q;
    *s = (scanned){.integer = true};
    if (*p == '-' || *p == '+') {
        s->neg = *p == '-';
        s->plus = *p == '+';
        p++;
    }
    s->digits = p;
    q = scan_digits(p, end, s);
    size_t n_digits = (size_t)(q - p);
    s->leading_zero = n_digits > 1 && *p == '0';
    if (q < end && *q == '.') {
        const char *fraction = q + 1;
        q = scan_digits(fraction, end, s);
        n_digits += (size_t)(q - fraction);
        s->exp10 = -(int64_t)(q - fraction);
        s->integer = false;
    }
    if (n_digits == 0) return false;
    s->end = q;
    if (q < end && (*q == 'e' || *q == 'E')) {
        int64_t e;
        if (!scan_exponent(q + 1, end, &e)) return false;
        s->exp10 += e;
        s->integer = false;
        q = end;
    }
    return q == end;
}

/* Eisel-Lemire: w * 10^q for any w > 0 and q in the table, as the bits of a positive double. */
static uint64_t eisel_lemire(uint64_t w, int q) {
    const uint64_t *row = mp_pow10_row(q);
    int lz = __builtin_clzll(w);
    w <<= lz;
    mp_u128 product = (mp_u128)w * row[0];
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    if ((high & 0x1FF) == 0x1FF) {
        uint64_t more = (uint64_t)(((mp_u128)w * row[1]) >> 64);
        low += more;
        high += low < more;
    }
    int upper = (int)(high >> 63), shift = upper + 64 - 52 - 3;
    uint64_t m = high >> shift;
    int power = (((152170 + 65536) * q) >> 16) + 63 + upper - lz + 1023;
    if (power <= 0) { /* subnormal */
        if (-power + 1 >= 64) return 0;
        m >>= -power + 1;
        m += m & 1;
        return m >> 1; /* a carry into bit 52 makes it the least normal number */
    }
    /* exactly half way: the one case where rounding up the lowest bit is wrong */
    if (low <= 1 && q >= -4 && q <= 23 && (m & 3) == 1 && m << shift == high) m &= ~(uint64_t)1;
    m += m & 1;
    m >>= 1;
    if (m >= (uint64_t)2 << 52) {
        m = (uint64_t)1 << 52;
        power++;
    }
    if (power >= 0x7FF) return (uint64_t)0x7FF << 52;
    return (m & ~((uint64_t)1 << 52)) | (uint64_t)power << 52;
}

double mp_double_from_digits(uint64_t w, int64_t exp10) {
    if (w == 0 || exp10 < MP_POW10_FIRST) return 0.0;
    if (exp10 > 308) return INFINITY;
    if (w <= (uint64_t)1 << 53 && exp10 >= -22 && exp10 <= 22)
        return exp10 < 0 ? (double)w / mp_pow10_f64[-exp10] : (double)w * mp_pow10_f64[exp10];
    uint64_t bits = eisel_lemire(w, (int)exp10);
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* More digits than a word holds, and the next digit decides: strtod on digits and exponent without
 * a point, which every locale reads alike. */
static double from_many_digits(const scanned *s) {
    char text[DOUBLE_DIGITS + 32];
    size_t n = 0;
    bool rest = false;
    for (const char *p = s->digits; p < s->end; p++) {
        if (*p == '.' || (n == 0 && *p == '0')) continue;
        if (n < DOUBLE_DIGITS)
            text[n++] = *p;
        else
            rest = rest || *p != '0';
    }
    int64_t exp10 = s->exp10 + (int64_t)(s->n_significant - n);
    if (rest) {
        text[n++] = '1';
        exp10--;
    }
    if (exp10 > 99999) exp10 = 99999;
    if (exp10 < -99999) exp10 = -99999;
    snprintf(text + n, sizeof text - n, "e%d", (int)exp10);
    return strtod(text, NULL);
}

static double scanned_double(const scanned *s) {
    double d;
    if (s->n_significant <= WORD_DIGITS) {
        d = mp_double_from_digits(s->word, s->exp10);
    } else {
        int64_t exp10 = s->exp10 + (int64_t)(s->n_significant - WORD_DIGITS);
        d = mp_double_from_digits(s->word, exp10);
        if (mp_double_from_digits(s->word + 1, exp10) != d) d = from_many_digits(s);
    }
    return s->neg && d != 0 ? -d : d;
}

/* n bytes equal to the lower-case word, in any case. */
static bool is_word(const char *p, size_t n, const char *word) {
    size_t i = 0;
    while (i < n && word[i] && (p[i] | 0x20) == word[i])
        i++;
    return i == n && !word[i];
}

static bool special_double(const char *p, size_t n, bool plus_allowed, double *out) {
    if (is_word(p, n, "nan")) {
        *out = NAN;
        return true;
    }
    bool neg = *p == '-';
    if (neg || (plus_allowed && *p == '+')) {
        p++;
        n--;
    }
    if (!is_word(p, n, "inf") && !is_word(p, n, "infinity")) return false;
    *out = neg ? -INFINITY : INFINITY;
    return true;
}

static bool scanned_int64(const scanned *s, int64_t *out) {
    if (!s->integer || s->plus || s->leading_zero || s->n_significant > WORD_DIGITS) return false;
    if (s->word > (uint64_t)INT64_MAX + s->neg) return false;
    *out = s->neg ? (int64_t)(0 - s->word) : (int64_t)s->word;
    return true;
}

static bool scanned_decimal(const scanned *s, int64_t *mantissa, int32_t *scale) {
    if (s->exp10 < -MP_SCALE_MAX || s->n_significant > 18) return false;
    int64_t m = (int64_t)s->word;
    if (s->exp10 > 0 && m != 0) {
        if ((int64_t)s->n_significant + s->exp10 > 18) return false;
        m *= mp_pow10_i64[s->exp10];
    }
    *scale = s->exp10 < 0 ? (int32_t)-s->exp10 : 0;
    *mantissa = s->neg ? -m : m;
    return true;
}

mp_num_kind mp_parse_number(const char *p, size_t n, mp_number *out) {
    scanned s;
    *out = (mp_number){.kind = MP_NUM_NONE};
    trim_blanks(&p, &n);
    if (n == 0) return MP_NUM_NONE;
    if (!scan(p, n, &s)) {
        if (special_double(p, n, false, &out->f64)) out->kind = MP_NUM_FLOAT64;
    } else if (s.plus) {
        out->kind = MP_NUM_NONE;
    } else if (s.integer) {
        if (scanned_int64(&s, &out->i64)) out->kind = MP_NUM_INT64;
    } else if (scanned_decimal(&s, &out->i64, &out->scale)) {
        out->kind = MP_NUM_DECIMAL;
    } else {
        out->f64 = scanned_double(&s);
        out->kind = MP_NUM_FLOAT64;
    }
    return out->kind;
}

bool mp_parse_int64(const char *p, size_t n, int64_t *out) {
    scanned s;
    if (mp_parse_int64_fast(p, n, out)) return true;
    trim_blanks(&p, &n);
    return n > 0 && scan(p, n, &s) && scanned_int64(&s, out);
}

bool mp_parse_double(const char *p, size_t n, double *out) {
    scanned s;
    trim_blanks(&p, &n);
    if (n == 0) return false;
    if (!scan(p, n, &s)) return special_double(p, n, true, out);
    *out = scanned_double(&s);
    return true;
}
