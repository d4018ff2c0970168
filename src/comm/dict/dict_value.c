/* dict_value.c - values of the dictionary as text and as numbers.
 * Invariant: the text of an int64 reads back as it; the text of a float64 reads back as the same float64. */
#include <math.h>
#include <string.h>

#include "comm/dict/dict_table.h"
#include "data/parse_num.h"
#include "data/print_num.h"

/* Digits with a point or zeros, no exponent: at most 17 digits and 308 zeros. */
static size_t float_text(char *out, double v) {
    char digits[MP_NUM_MAX];
    size_t at = 0;
    uint64_t whole;
    int exp10;
    if (v == 0) {
        out[0] = '0';
        return 1;
    }
    if (!isfinite(v)) return mp_print_double(out, v);
    if (v < 0) out[at++] = '-';
    mp_shortest_digits(fabs(v), &whole, &exp10);
    size_t n = mp_print_int64(digits, (int64_t)whole);
    if (exp10 >= 0) {
        memcpy(out + at, digits, n);
        memset(out + at + n, '0', (size_t)exp10);
        return at + n + (size_t)exp10;
    }
    size_t after = (size_t)-exp10;
    if (after >= n) {
        out[at++] = '0';
        out[at++] = '.';
        memset(out + at, '0', after - n);
        at += after - n;
        memcpy(out + at, digits, n);
        return at + n;
    }
    memcpy(out + at, digits, n - after);
    at += n - after;
    out[at++] = '.';
    memcpy(out + at, digits + n - after, after);
    return at + after;
}

const void *mp_dict_value_text(const mp_dict_value *v, char *text, size_t *n) {
    if (v->type == MP_DICT_BYTES) {
        *n = v->bytes.n;
        return v->bytes.p;
    }
    *n = v->type == MP_DICT_INT     ? mp_print_int64(text, v->i)
         : v->type == MP_DICT_FLOAT ? float_text(text, v->f)
                                    : 0;
    return text;
}

static bool blank_at_an_end(const char *p, size_t n) {
    return p[0] == ' ' || p[0] == '\t' || p[n - 1] == ' ' || p[n - 1] == '\t';
}

bool mp_dict_value_int(const mp_dict_value *v, int64_t *out) {
    if (v->type == MP_DICT_INT) *out = v->i;
    if (v->type != MP_DICT_BYTES) return v->type == MP_DICT_INT;
    const char *p = v->bytes.p;
    size_t n = v->bytes.n;
    if (n == 0 || n > 20 || blank_at_an_end(p, n)) return false;
    return mp_parse_int64(p, n, out) && !(n > 1 && *out == 0);
}

bool mp_dict_value_float(const mp_dict_value *v, double *out) {
    if (v->type == MP_DICT_INT) *out = (double)v->i;
    if (v->type == MP_DICT_FLOAT) *out = v->f;
    if (v->type != MP_DICT_BYTES) return v->type == MP_DICT_INT || v->type == MP_DICT_FLOAT;
    const char *p = v->bytes.p;
    size_t n = v->bytes.n;
    if (n == 0 || n > 4096 || blank_at_an_end(p, n)) return false;
    return mp_parse_double(p, n, out) && !isnan(*out);
}

bool mp_dict_value_equal(const mp_dict_value *a, const mp_dict_value *b) {
    char ta[MP_DICT_TEXT_MAX], tb[MP_DICT_TEXT_MAX];
    size_t na, nb;
    if (a->type == MP_DICT_NONE || b->type == MP_DICT_NONE) return a->type == b->type;
    if (a->type == MP_DICT_INT && b->type == MP_DICT_INT) return a->i == b->i;
    const void *pa = mp_dict_value_text(a, ta, &na), *pb = mp_dict_value_text(b, tb, &nb);
    return na == nb && memcmp(pa, pb, na) == 0;
}
