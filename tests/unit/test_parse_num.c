/* test_parse_num.c - reading numbers: the kinds by a table, values against strtod, the inlined fast
 * forms against the general one. Texts lie at the end of their own heap block, so reading too far
 * is seen by the sanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/parse_num.h"

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void integers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } v[] = {{"0", 0},
             {"-0", 0},
             {"7", 7},
             {"-12", -12},
             {" 5\t", 5},
             {"12345678", 12345678},
             {"-123456789", -123456789},
             {"1234567890123456", 1234567890123456},
             {"12345678901234567", 12345678901234567},
             {"9223372036854775807", INT64_MAX},
             {"-9223372036854775808", INT64_MIN}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        mp_number x;
        int64_t got = 99;
        assert_int_equal(mp_parse_number(v[i].text, strlen(v[i].text), &x), MP_NUM_INT64);
        assert_true(x.i64 == v[i].value && x.scale == 0);
        assert_true(mp_parse_int64(v[i].text, strlen(v[i].text), &got) && got == v[i].value);
    }
}

static void decimals(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t mantissa;
        int scale;
    } v[] = {{"1.50", 150, 2},
             {"7.5e-05", 75, 6},
             {"1e5", 100000, 0},
             {"1E+2", 100, 0},
             {"-0.0", 0, 1},
             {".5", 5, 1},
             {"5.", 5, 0},
             {"-.25e1", -25, 1},
             {"007.5", 75, 1},
             {" 37.211254 ", 37211254, 6},
             {"12345678.12345678", 1234567812345678, 8},
             {"0.000000000000000001", 1, 18},
             {"123456789012345678.", 123456789012345678, 0},
             {"-999999999999999999.0e-0", 0, -1},
             {"1e17", 100000000000000000, 0},
             {"0e5", 0, 0},
             {"0.123456789012345678", 123456789012345678, 18},
             {"1.5e00000000000000000000001", 15, 0}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        mp_number x;
        mp_num_kind kind = mp_parse_number(v[i].text, strlen(v[i].text), &x);
        if (v[i].scale < 0) { /* 19 digits written out */
            assert_int_equal(kind, MP_NUM_FLOAT64);
            continue;
        }
        if (kind != MP_NUM_DECIMAL || x.i64 != v[i].mantissa || x.scale != v[i].scale)
            fail_msg("'%s': kind %d, %ld at scale %d", v[i].text, kind, (long)x.i64, x.scale);
    }
}

static void floats(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } v[] = {{"1e18", 1e18},
             {"1e-19", 1e-19},
             {"1e400", INFINITY},
             {"-1e400", -INFINITY},
             {"1e-400", 0},
             {"0.1234567890123456789", 0.1234567890123456789},
             {"1e99999999999999999999999", INFINITY},
             {"-1e-99999999999999999999999", 0},
             {"inf", INFINITY},
             {"-Infinity", -INFINITY},
             {" INF ", INFINITY},
             {"4.9e-324", 0x1p-1074},
             {"2.4703282292062327e-324", 0},
             {"2.4703282292062328e-324", 0x1p-1074},
             {"2.2250738585072011e-308", 0x1.ffffffffffffep-1023},
             {"1.7976931348623158e308", 0x1.fffffffffffffp1023},
             {"1.7976931348623159e308", INFINITY},
             {"9007199254740993.000000000000000000000", 9007199254740992.0},
             {"9007199254740993.000000000000000000001", 9007199254740994.0},
             {"9007199254740992.999999999999999999999", 9007199254740992.0}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        mp_number x;
        assert_int_equal(mp_parse_number(v[i].text, strlen(v[i].text), &x), MP_NUM_FLOAT64);
        assert_true(x.f64 == v[i].value && !signbit(x.f64) == !signbit(v[i].value));
    }
    mp_number x;
    assert_int_equal(mp_parse_number("NaN", 3, &x), MP_NUM_FLOAT64);
    assert_true(isnan(x.f64));
}

static void no_numbers(void **state) {
    (void)state;
    static const char *const text[] = {"",
                                       " ",
                                       "-",
                                       ".",
                                       "-.",
                                       "+",
                                       "e5",
                                       "1e",
                                       "1e+",
                                       "007",
                                       "-00",
                                       "+5",
                                       "+5.5",
                                       "5 5",
                                       "1_0",
                                       "0x10",
                                       "1..2",
                                       "--5",
                                       "1e5.",
                                       "infinit",
                                       "-nan",
                                       "+inf",
                                       "na",
                                       "1,5",
                                       "5a",
                                       "1e5e",
                                       "12345678901234567890",
                                       "9223372036854775808",
                                       "-9223372036854775809",
                                       "\n5"};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        mp_number x;
        int64_t v = 99;
        if (mp_parse_number(text[i], strlen(text[i]), &x) != MP_NUM_NONE) fail_msg("'%s'", text[i]);
        assert_false(mp_parse_int64(text[i], strlen(text[i]), &v));
    }
    mp_number x;
    assert_int_equal(mp_parse_number("5\0", 2, &x), MP_NUM_NONE);
    double d;
    assert_true(mp_parse_double("+007", 4, &d) && d == 7);
    assert_true(mp_parse_double("12345678901234567890", 20, &d) && d == 12345678901234567890.0);
    assert_true(mp_parse_double("+inf", 4, &d) && d == (double)INFINITY);
    assert_false(mp_parse_double("++5", 3, &d));
    assert_false(mp_parse_double("", 0, &d));
}

/* Calls every reader on a block that ends with the text; the inlined forms must agree with the
 * general one. */
static mp_num_kind read_all(const char *text, size_t n, double *as_double) {
    char *block = malloc(n ? n : 1);
    assert_non_null(block);
    memcpy(block, text, n);
    mp_number x;
    mp_num_kind kind = mp_parse_number(block, n, &x);
    int64_t v = 0;
    int scale = -1;
    if (mp_parse_int64_fast(block, n, &v)) assert_true(kind == MP_NUM_INT64 && v == x.i64);
    if (mp_parse_decimal_fast(block, n, &v, &scale))
        assert_true(kind == MP_NUM_DECIMAL && v == x.i64 && scale == x.scale);
    assert_int_equal(mp_parse_int64(block, n, &v), kind == MP_NUM_INT64);
    bool ok = mp_parse_double(block, n, as_double);
    if (kind != MP_NUM_NONE) assert_true(ok);
    if (kind == MP_NUM_INT64) assert_true(*as_double == (double)x.i64);
    if (kind == MP_NUM_DECIMAL) assert_true(*as_double == mp_decimal_to_double(x.i64, x.scale));
    free(block);
    return kind;
}

/* Every short text over a small alphabet. */
static void short_texts(void **state) {
    (void)state;
    static const char letters[] = "09.-e ";
    for (size_t n = 0; n <= 7; n++) {
        size_t total = 1;
        for (size_t i = 0; i < n; i++)
            total *= sizeof letters - 1;
        for (size_t k = 0; k < total; k++) {
            char text[8];
            size_t rest = k;
            for (size_t i = 0; i < n; i++) {
                text[i] = letters[rest % (sizeof letters - 1)];
                rest /= sizeof letters - 1;
            }
            double d;
            read_all(text, n, &d);
        }
    }
}

/* The inlined forms take what they say they take. */
static void fast_forms(void **state) {
    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[40];
        int64_t a = (int64_t)(next_random() % 100000000) >> (next_random() % 27);
        int after = 1 + (int)(next_random() % 8), scale = 0, n;
        int64_t b = (int64_t)next_random() & INT64_MAX, v = 0;
        b %= mp_pow10_i64[after];
        bool neg = next_random() & 1;
        n = snprintf(text, sizeof text, "%s%ld.%0*ld", neg ? "-" : "", (long)a, after, (long)b);
        if (n - neg <= 16) {
            assert_true(mp_parse_decimal_fast(text, (size_t)n, &v, &scale));
            int64_t want = a * mp_pow10_i64[after] + b;
            assert_true(scale == after && v == (neg ? -want : want));
        }
        b = (int64_t)(next_random() % 10000000000000000u) >> (next_random() % 53);
        n = snprintf(text, sizeof text, "%s%ld", neg ? "-" : "", (long)b);
        assert_true(mp_parse_int64_fast(text, (size_t)n, &v) && v == (neg ? -b : b));
        /* one byte replaced: whatever it is now, the readers agree */
        text[next_random() % (size_t)n] = (char)next_random();
        double d;
        read_all(text, (size_t)n, &d);
    }
}

/* Printed doubles at every precision and long digit strings read as strtod reads them. */
static void against_strtod(void **state) {
    (void)state;
    for (int i = 0; i < 300000; i++) {
        char text[128];
        uint64_t bits = next_random();
        double d, got;
        memcpy(&d, &bits, sizeof d);
        if (!isfinite(d)) continue;
        if (i % 3 == 0) d = (double)(int64_t)bits * 1e-9;
        int n = snprintf(text, sizeof text, "%.*e", (int)(next_random() % 45), d);
        read_all(text, (size_t)n, &got);
        if (got != strtod(text, NULL)) fail_msg("%s", text);
    }
    /* half way between neighbours, and just off it, with all digits */
    char text[1200];
    for (int i = 0; i < 2000; i++) {
        uint64_t bits = next_random() >> 2;
        double d, got;
        memcpy(&d, &bits, sizeof d);
        long double half = ((long double)d + (long double)nextafter(d, INFINITY)) / 2;
        int n = snprintf(text, sizeof text, "%.1100Le", half);
        text[n] = 0;
        read_all(text, (size_t)n, &got);
        assert_true(got == strtod(text, NULL));
        text[strcspn(text, "e") - 1] = '1';
        read_all(text, (size_t)n, &got);
        assert_true(got == strtod(text, NULL));
    }
}

static void long_texts(void **state) {
    (void)state;
    size_t n = 100000;
    char *text = malloc(n + 10);
    assert_non_null(text);
    memset(text, '0', n);
    text[1] = '.';
    memcpy(text + n, "1e99999", 8);
    mp_number x;
    assert_int_equal(mp_parse_number(text, n + 7, &x), MP_NUM_DECIMAL);
    assert_true(x.i64 == 1 && x.scale == 0); /* 10^-(n - 1) * 10^99999 */
    memset(text, '9', n);
    double d;
    assert_true(mp_parse_double(text, n, &d) && d == (double)INFINITY);
    memcpy(text + n, "e-100000", 8);
    assert_true(mp_parse_double(text, n + 8, &d) && d == 1.0);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers),       cmocka_unit_test(decimals),
        cmocka_unit_test(floats),         cmocka_unit_test(no_numbers),
        cmocka_unit_test(short_texts),    cmocka_unit_test(fast_forms),
        cmocka_unit_test(against_strtod), cmocka_unit_test(long_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
