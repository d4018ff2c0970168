/* test_decimal.c - exact decimals: rescaling, order across scales, nearest doubles (strtod is the
 * oracle). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/decimal.h"

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int64_t random_mantissa(void) {
    return (int64_t)next_random() >> (next_random() % 63);
}

static void powers(void **state) {
    (void)state;
    for (int i = 0; i <= MP_SCALE_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, "1e%d", i);
        assert_true(mp_pow10_f64[i] == strtod(text, NULL));
        assert_true(mp_pow10_i64[i] == (int64_t)mp_pow10_f64[i]);
    }
    assert_true(mp_pow10_f64[22] == 1e22);
}

static void rescale(void **state) {
    (void)state;
    int64_t m = 5;
    assert_true(mp_decimal_rescale(15, 1, 3, &m) && m == 1500);
    assert_true(mp_decimal_rescale(-1500, 3, 1, &m) && m == -15);
    assert_true(mp_decimal_rescale(0, 0, 18, &m) && m == 0);
    m = 5;
    assert_false(mp_decimal_rescale(1501, 3, 1, &m));
    assert_false(mp_decimal_rescale(INT64_MAX, 0, 1, &m));
    assert_false(mp_decimal_rescale(INT64_MIN, 0, 1, &m));
    assert_false(mp_decimal_rescale(10, 0, 18, &m));
    assert_int_equal(m, 5);
    assert_true(mp_decimal_rescale(-9, 0, 18, &m) && m == -9000000000000000000);
    int64_t a = 1500;
    int s = 3;
    mp_decimal_strip(&a, &s);
    assert_true(a == 15 && s == 1);
    a = INT64_MIN, s = 18;
    mp_decimal_strip(&a, &s);
    assert_true(a == INT64_MIN && s == 18);
    a = -1000000000000000000, s = 18;
    mp_decimal_strip(&a, &s);
    assert_true(a == -1 && s == 0);
    a = 0, s = 7;
    mp_decimal_strip(&a, &s);
    assert_true(a == 0 && s == 0);
    a = 100, s = 0;
    mp_decimal_strip(&a, &s);
    assert_true(a == 100 && s == 0);
}

/* Equal values at all scales are equal; one unit of the finer scale more or less is not. */
static void order(void **state) {
    (void)state;
    for (int i = 0; i < 200000; i++) {
        int64_t a = random_mantissa(), b;
        int s = (int)(next_random() % 19), t = (int)(next_random() % 19);
        if (t < s || !mp_decimal_rescale(a, s, t, &b)) continue;
        assert_int_equal(mp_decimal_cmp(a, s, b, t), 0);
        assert_int_equal(mp_decimal_cmp(b, t, a, s), 0);
        if (b == INT64_MAX || b == INT64_MIN) continue;
        assert_int_equal(mp_decimal_cmp(a, s, b + 1, t), -1);
        assert_int_equal(mp_decimal_cmp(b + 1, t, a, s), 1);
        assert_int_equal(mp_decimal_cmp(a, s, b - 1, t), 1);
    }
    assert_int_equal(mp_decimal_cmp(INT64_MAX, 0, INT64_MIN, 18), 1);
    assert_int_equal(mp_decimal_cmp(INT64_MIN, 18, INT64_MAX, 0), -1);
    assert_int_equal(mp_decimal_cmp(INT64_MIN, 0, INT64_MIN, 18), -1);
}

static void to_double(void **state) {
    (void)state;
    for (int i = 0; i < 300000; i++) {
        int64_t m = random_mantissa();
        int s = (int)(next_random() % 19);
        char text[64];
        snprintf(text, sizeof text, "%" PRId64 "e-%d", m, s);
        if (mp_decimal_to_double(m, s) != strtod(text, NULL)) fail_msg("%s", text);
    }
}

static void against_doubles(void **state) {
    (void)state;
    assert_int_equal(mp_decimal_cmp_double(1, 1, 0.1), 0); /* after rounding */
    assert_int_equal(mp_decimal_cmp_double(1, 1, nextafter(0.1, 1)), -1);
    assert_int_equal(mp_decimal_cmp_double(1, 1, nextafter(0.1, 0)), 1);
    assert_int_equal(mp_decimal_cmp_double(0, 3, -0.0), 0);
    assert_int_equal(mp_decimal_cmp_double(INT64_MAX, 0, 0x1p63), 0);
    assert_int_equal(mp_decimal_cmp_double(INT64_MAX, 0, (double)INFINITY), -1);
    assert_int_equal(mp_decimal_cmp_double(INT64_MIN, 0, -(double)INFINITY), 1);
    assert_int_equal(mp_decimal_cmp_double(INT64_MAX, 0, (double)NAN), -1);
    assert_int_equal(mp_double_cmp((double)NAN, (double)NAN), 0);
    assert_int_equal(mp_double_cmp((double)NAN, (double)INFINITY), 1);
    assert_int_equal(mp_double_cmp(1.0, (double)NAN), -1);
    assert_int_equal(mp_double_cmp(-0.0, 0.0), 0);
    assert_int_equal(mp_double_cmp(1.0, 2.0), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(powers),    cmocka_unit_test(rescale),         cmocka_unit_test(order),
        cmocka_unit_test(to_double), cmocka_unit_test(against_doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
