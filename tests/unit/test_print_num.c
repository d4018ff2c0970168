/* test_print_num.c - writing numbers: texts that Python's repr gives; round trips by strtod; no
 * shorter text of %.*e reads back the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/decimal.h"
#include "data/print_num.h"

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static const char *double_text(double v) {
    static char text[MP_NUM_MAX + 1];
    memset(text, 'Z', sizeof text);
    size_t n = mp_print_double(text, v);
    assert_in_range(n, 1, MP_NUM_MAX);
    text[n] = 0;
    return text;
}

static void as_python(void **state) {
    (void)state;
    static const struct {
        double v;
        const char *text;
    } v[] = {{3, "3.0"},
             {0.1, "0.1"},
             {-0.0, "0.0"},
             {123456.0, "123456.0"},
             {1e15, "1000000000000000.0"},
             {1e16, "1e+16"},
             {12345678901234567.0, "1.2345678901234568e+16"},
             {0.0001, "0.0001"},
             {0.00012345, "0.00012345"},
             {0.00001, "1e-05"},
             {1e300, "1e+300"},
             {-1.5e-300, "-1.5e-300"},
             {5e-324, "5e-324"},
             {0x1p-1022, "2.2250738585072014e-308"},
             {0x1.fffffffffffffp1023, "1.7976931348623157e+308"},
             {9007199254740993.0, "9007199254740992.0"},
             {2e23, "2e+23"},
             {9.5367431640625e-7, "9.5367431640625e-07"},
             {1.0 / 3, "0.3333333333333333"},
             {100.0, "100.0"},
             {INFINITY, "inf"},
             {-INFINITY, "-inf"},
             {NAN, "nan"}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++)
        assert_string_equal(double_text(v[i].v), v[i].text);
}

/* Digits of a text like -1.2300e+05 as one number, without trailing zeros. */
static uint64_t digits_of(const char *text) {
    uint64_t v = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9') v = v * 10 + (uint64_t)(*text - '0');
    while (v % 10 == 0)
        v /= 10;
    return v;
}

/* %.*e needs as many digits until it reads back the same, and then has the same digits, the nearest
 * of that length. */
static void shortest(void **state) {
    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = next_random();
        if (i % 4 == 1) bits = (bits & 0x7ff0000000000000u) | (bits & 1);
        if (i % 4 == 2) bits >>= next_random() % 64;
        double v;
        memcpy(&v, &bits, sizeof v);
        if (i % 4 == 3) v = (double)(int64_t)(bits % 100000000) / 1e6;
        if (!isfinite(v) || v == 0) continue;
        const char *text = double_text(v);
        assert_true(strtod(text, NULL) == v);
        uint64_t digits;
        int exp10, n_digits = 0, need;
        mp_shortest_digits(fabs(v), &digits, &exp10);
        for (uint64_t d = digits; d; d /= 10)
            n_digits++;
        char other[64];
        for (need = n_digits > 2 ? n_digits - 2 : 1; need <= 17; need++) {
            snprintf(other, sizeof other, "%.*e", need - 1, v);
            if (strtod(other, NULL) == v) break;
        }
        /* at a power of two a shorter text may exist that is not the nearest of its length */
        if (need < n_digits || (need > n_digits && (bits & 0xfffffffffffffu) != 0))
            fail_msg("%s: %.17g needs %d digits", text, v, need);
        if (need == n_digits) assert_true(digits == digits_of(other));
    }
}

static void integers(void **state) {
    (void)state;
    for (int i = 0; i < 300000; i++) {
        int64_t v = (int64_t)next_random() >> (next_random() % 64);
        if (i == 0) v = INT64_MIN;
        if (i == 1) v = INT64_MAX;
        if (i == 2) v = 0;
        if (i >= 3 && i < 3 + 38) v = mp_pow10_i64[(i - 3) / 2] - (i & 1);
        char text[MP_NUM_MAX + 1], want[MP_NUM_MAX];
        size_t n = mp_print_int64(text, v);
        text[n] = 0;
        snprintf(want, sizeof want, "%" PRId64, v);
        assert_string_equal(text, want);
    }
}

/* Decimals against %.*f of mantissa and scale by integer arithmetic, zeros stripped. */
static void decimals(void **state) {
    (void)state;
    for (int i = 0; i < 300000; i++) {
        int64_t m = (int64_t)next_random() >> (next_random() % 63);
        int scale = (int)(next_random() % 19);
        if (i % 3 == 0) m -= m % mp_pow10_i64[next_random() % 19];
        if (i == 1) m = INT64_MIN;
        char text[MP_NUM_MAX + 1], want[96];
        size_t n = mp_print_decimal(text, m, scale);
        assert_in_range(n, 3, MP_NUM_MAX);
        text[n] = 0;
        uint64_t a = m < 0 ? 0 - (uint64_t)m : (uint64_t)m, unit = (uint64_t)mp_pow10_i64[scale];
        int k = snprintf(want, sizeof want, "%s%" PRIu64 ".%0*" PRIu64, m < 0 ? "-" : "", a / unit,
                         scale ? scale : 1, a % unit);
        while (want[k - 1] == '0' && want[k - 2] != '.')
            want[--k] = 0;
        assert_string_equal(text, want);
    }
    char text[MP_NUM_MAX];
    assert_int_equal(mp_print_decimal(text, 150, 2), 3);
    assert_memory_equal(text, "1.5", 3);
    assert_int_equal(mp_print_decimal(text, 3, 0), 3);
    assert_memory_equal(text, "3.0", 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_python),
        cmocka_unit_test(shortest),
        cmocka_unit_test(integers),
        cmocka_unit_test(decimals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
