/* test_exact_sum.c - exact sums against fractions (exact_vectors.h): the same bits in any order,
 * any cut, by windows of any w, by superaccumulators, and across the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <stdlib.h>

#include "data/exact_sum.h"
#include "exact_vectors.h"

enum { N_VECTORS = sizeof exact_vectors / sizeof *exact_vectors };

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void assert_same(double got, double want) {
    if (memcmp(&got, &want, sizeof got) != 0) fail_msg("%a, not %a", got, want);
}

static void shuffle(double *v, int n) {
    for (int i = n - 1; i > 0; i--) {
        int j = (int)(next_random() % (uint64_t)(i + 1));
        double t = v[i];
        v[i] = v[j];
        v[j] = t;
    }
}

static void superaccumulators(void **state) {
    (void)state;
    static double v[EXACT_MAX];
    for (int k = 0; k < N_VECTORS; k++) {
        int n = exact_sequence(exact_vectors[k].kind, exact_vectors[k].n, exact_vectors[k].seed, v);
        for (int round = 0; round < 4; round++) {
            /* any number of parts, merged in a random order */
            mp_superacc part[5];
            for (int p = 0; p < 5; p++)
                mp_superacc_init(&part[p]);
            for (int i = 0; i < n; i++)
                mp_superacc_add(&part[next_random() % 5], v[i]);
            for (int p = 1; p < 5; p++)
                mp_superacc_merge(&part[0], &part[p]);
            assert_same(mp_superacc_round(&part[0]), exact_vectors[k].sum);
            assert_same(mp_superacc_mean(&part[0], n), exact_vectors[k].mean);
            shuffle(v, n);
        }
    }
}

/* Windows of many w, misfits to the side: the same bits. */
static void windows(void **state) {
    (void)state;
    static double v[EXACT_MAX];
    for (int k = 0; k < N_VECTORS; k++) {
        int n = exact_sequence(exact_vectors[k].kind, exact_vectors[k].n, exact_vectors[k].seed, v);
        double max = 0;
        for (int i = 0; i < n; i++)
            max = fabs(v[i]) > max ? fabs(v[i]) : max;
        for (int round = 0; round < 12; round++) {
            int w = mp_fsum_window_choose(max);
            if (round > 0) w += (int)(next_random() % 200) - 100;
            if (w < MP_FSUM_W_MIN || round == 10) w = MP_FSUM_W_MIN;
            if (w > MP_FSUM_W_MAX || round == 11) w = MP_FSUM_W_MAX;
            mp_i128 acc = 0;
            mp_superacc side;
            mp_superacc_init(&side);
            int misfits = 0;
            for (int i = 0; i < n; i++) {
                mp_i128 before = acc;
                if (mp_fsum_window_add(&acc, v[i], w)) continue;
                assert_true(acc == before);
                mp_superacc_add(&side, v[i]);
                misfits++;
            }
            if (misfits == 0) {
                assert_same(mp_fsum_window_round(acc, w), exact_vectors[k].sum);
                assert_same(mp_fsum_window_mean(acc, w, n), exact_vectors[k].mean);
            }
            /* the chosen window takes nearly all of an ordinary column */
            if (round == 0 && exact_vectors[k].kind == 0) assert_int_equal(misfits, 0);
            assert_true(mp_superacc_add_i128(&side, acc, w));
            assert_same(mp_superacc_round(&side), exact_vectors[k].sum);
            assert_same(mp_superacc_mean(&side, n), exact_vectors[k].mean);
            shuffle(v, n);
        }
    }
}

static void window_limits(void **state) {
    (void)state;
    mp_i128 acc = 5;
    assert_true(mp_fsum_window_add(&acc, 0.0, 0) && mp_fsum_window_add(&acc, -0.0, 0) && acc == 5);
    assert_true(mp_fsum_window_add(&acc, -7.0, 0) && acc == -2);
    assert_false(mp_fsum_window_add(&acc, 0.5, 0));
    assert_false(mp_fsum_window_add(&acc, 0x1p87, 0));
    assert_true(mp_fsum_window_add(&acc, 0x1p86, 0) && acc == ((mp_i128)1 << 86) - 2);
    assert_true(mp_fsum_window_add(&acc, -0x1p86, 0) && acc == -2);
    assert_false(mp_fsum_window_add(&acc, (double)INFINITY, MP_FSUM_W_MAX));
    assert_false(mp_fsum_window_add(&acc, (double)NAN, MP_FSUM_W_MAX));
    assert_true(mp_fsum_window_add(&acc, 0x1p-1074, MP_FSUM_W_MIN) && acc == -1);
    assert_false(mp_fsum_window_add(&acc, 0x1p-1074, -1073));
    assert_false(mp_fsum_window_add(&acc, DBL_MAX, MP_FSUM_W_MAX));
    assert_true(acc == -1);
    /* the greatest number of the greatest values still fits */
    mp_u128 most = ((mp_u128)1 << MP_FSUM_BITS) * (mp_u128)MP_FSUM_ADDS_MAX;
    assert_true(most <= (mp_u128)MP_I128_MAX + 1);
    int64_t q = 3;
    assert_true(mp_fsum_quantize(-2.5, -1, &q) && q == -5);
    assert_true(mp_fsum_quantize(0.0, 900, &q) && q == 0);
    assert_true(mp_fsum_quantize(0x1.fffffffffffffp61, 0, &q) && q == 0x3ffffffffffffe00);
    assert_false(mp_fsum_quantize(0x1p62, 0, &q));
    assert_false(mp_fsum_quantize(2.5, 0, &q));
    assert_false(mp_fsum_quantize((double)NAN, 0, &q));
    assert_false(mp_fsum_quantize((double)INFINITY, 0, &q));
    static const double odd[] = {0, INFINITY, NAN, DBL_MAX, 0x1p-1074};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        assert_in_range(mp_fsum_window_choose(odd[i]) + 2000, 2000 + MP_FSUM_W_MIN,
                        2000 + MP_FSUM_W_MAX);
        assert_in_range(mp_fsum_quantize_choose(odd[i]) + 2000, 2000 + MP_FSUM_W_MIN,
                        2000 + MP_FSUM_W_MAX);
    }
}

static double sum_of(const double *v, int n) {
    mp_superacc a;
    mp_superacc_init(&a);
    for (int i = 0; i < n; i++)
        mp_superacc_add(&a, v[i]);
    return mp_superacc_round(&a);
}

/* Cases where rounding twice, or in order, goes wrong; the last of each row is the result
 * (math.fsum). */
static void hard_cases(void **state) {
    (void)state;
    static const struct {
        int n;
        double v[5], want;
    } c[] = {{3, {1e100, 1.0, -1e100}, 1.0},
             {3, {1e16, 1.0, 1e-16}, 10000000000000002.0},
             {2, {1e16, 1.0}, 1e16},
             {3, {1e16, 1.0, -1e-300}, 1e16},
             {3, {1e16, 1.0, 1e-300}, 10000000000000002.0},
             {4, {1e308, 1e308, -1e308, -1e308}, 0.0},
             {3, {DBL_MAX, DBL_MAX, -DBL_MAX}, DBL_MAX},
             {2, {DBL_MAX, DBL_MAX}, INFINITY},
             {2, {DBL_MAX, 0x1p969}, DBL_MAX},
             {2, {DBL_MAX, 0x1p970}, INFINITY},
             {2, {0x1p-1074, 0x1p-1074}, 0x1p-1073},
             {3, {0x1p-1074, 1.0, -1.0}, 0x1p-1074},
             {2, {-1.0, 1.0}, 0.0},
             {1, {-0.0}, 0.0},
             {0, {0}, 0.0},
             {2, {INFINITY, -1e308}, INFINITY},
             {2, {-INFINITY, 1.0}, -INFINITY},
             {2, {0.1, 0.2}, 0.30000000000000004},
             {5, {0.1, 0.1, 0.1, 0.1, 0.1}, 0.5}};
    for (size_t i = 0; i < sizeof c / sizeof *c; i++)
        assert_same(sum_of(c[i].v, c[i].n), c[i].want);
    const double both[] = {INFINITY, -INFINITY}, nan[] = {1, NAN, INFINITY};
    assert_true(isnan(sum_of(both, 2)));
    assert_true(isnan(sum_of(nan, 3)));
}

/* Enough additions of the same sign to need settled carries. */
static void many_additions(void **state) {
    (void)state;
    mp_superacc a;
    mp_superacc_init(&a);
    mp_superacc_add(&a, -0x1.fffffffffffffp99);
    for (int i = 0; i < 40; i++) {
        mp_superacc copy = a;
        mp_superacc_merge(&a, &copy);
        copy = a;
        copy.n_adds = (1 << 29) - 3; /* as after many additions */
        for (int k = 0; k < 6; k++)
            mp_superacc_add(&copy, 1.0);
        for (int k = 0; k < 6; k++)
            mp_superacc_add(&copy, -1.0);
        assert_same(mp_superacc_round(&copy), mp_superacc_round(&a));
    }
    assert_same(mp_superacc_round(&a), -0x1.fffffffffffffp139);
}

/* Products: (x + y)(x - y) = x^2 - y^2, down to the smallest and up to the largest. */
static void products(void **state) {
    (void)state;
    static const double scale[] = {0x1p-1074, 0x1p-600, 1.0, 0x1p500, 0x1p970};
    for (size_t k = 0; k < sizeof scale / sizeof *scale; k++)
        for (int i = 0; i < 2000; i++) {
            double x = (double)(next_random() >> 12) * scale[k];
            double y = -(double)(next_random() >> 12) * scale[k];
            mp_superacc a;
            mp_superacc_init(&a);
            mp_superacc_add_product(&a, x, x);
            mp_superacc_add_product(&a, -y, y);
            mp_superacc_add_product(&a, -(x + y), x - y); /* both exact: 52 bits and one more */
            assert_same(mp_superacc_round(&a), 0.0);
            mp_superacc_add_product(&a, x, y);
            mp_superacc_add_product(&a, 0x1p-1074, 0x1p-1074);
            mp_superacc_add_product(&a, -x, y);
            assert_same(mp_superacc_round(&a), 0.0); /* 2^-2148 is there, but below the doubles */
            mp_superacc_add_product(&a, -0x1p-1074, 0x1p-1074);
            mp_buf b;
            mp_buf_init(&b, NULL);
            mp_superacc_write(&a, &b);
            assert_int_equal(b.len, 3);
            mp_buf_release(&b);
        }
    double hi, lo;
    mp_two_product(1.0 + DBL_EPSILON, 1.0 + DBL_EPSILON, &hi, &lo);
    assert_true(hi == 1.0 + 2 * DBL_EPSILON && lo == DBL_EPSILON * DBL_EPSILON);
    mp_superacc a;
    mp_superacc_init(&a);
    mp_superacc_add_product(&a, (double)INFINITY, -2.0);
    assert_true(mp_superacc_round(&a) == -(double)INFINITY);
    mp_superacc_add_product(&a, (double)INFINITY, 0.0);
    assert_true(isnan(mp_superacc_round(&a)));
}

static void scaled_integers(void **state) {
    (void)state;
    mp_superacc a;
    mp_superacc_init(&a);
    assert_true(mp_superacc_add_i128(&a, MP_I128_MIN, 0));
    assert_same(mp_superacc_round(&a), -0x1p127);
    assert_true(mp_superacc_add_i256(&a, mp_i256_mul_i128(MP_I128_MIN, -1), 0));
    assert_same(mp_superacc_round(&a), 0.0);
    assert_true(mp_superacc_add_i256(&a, mp_i256_mul_i128(MP_I128_MAX, -MP_I128_MAX), -300));
    assert_same(mp_superacc_round(&a), -0x1p-46);
    assert_false(mp_superacc_add_i128(&a, 1, MP_SUPERACC_EXP - 1));
    assert_false(mp_superacc_add_i128(&a, 1, 5000));
    assert_false(mp_superacc_add_i256(&a, mp_i256_zero(), 1900));
    assert_same(mp_superacc_round(&a), -0x1p-46);
}

static void wire(void **state) {
    (void)state;
    static double v[EXACT_MAX];
    mp_buf b, c;
    mp_buf_init(&b, NULL);
    mp_buf_init(&c, NULL);
    for (int k = 0; k < N_VECTORS; k++) {
        int n = exact_sequence(exact_vectors[k].kind, exact_vectors[k].n, exact_vectors[k].seed, v);
        mp_superacc a, back, reverse;
        mp_superacc_init(&a);
        mp_superacc_init(&reverse);
        for (int i = 0; i < n; i++)
            mp_superacc_add(&a, v[i]);
        for (int i = n; i-- > 0;)
            mp_superacc_add(&reverse, v[i]);
        mp_buf_clear(&b);
        mp_buf_clear(&c);
        mp_superacc_write(&a, &b);
        mp_superacc_write(&reverse, &c);
        assert_int_equal(b.len, c.len);
        assert_memory_equal(b.data, c.data, b.len);
        mp_rd r = mp_rd_of(b.data, b.len);
        assert_true(mp_superacc_read(&r, &back));
        assert_int_equal(mp_rd_left(&r), 0);
        mp_superacc_add(&back, 1.0);
        mp_superacc_add(&back, -1.0);
        assert_same(mp_superacc_round(&back), exact_vectors[k].sum);
        for (size_t cut = 0; cut < b.len; cut++) {
            r = mp_rd_of(b.data, cut);
            assert_false(mp_superacc_read(&r, &back));
            assert_true(r.bad);
            assert_same(mp_superacc_round(&back), 0.0);
        }
    }
    /* any bytes: an answer or a refusal, nothing else */
    for (int i = 0; i < 20000; i++) {
        uint8_t bytes[700];
        for (size_t j = 0; j < sizeof bytes; j++)
            bytes[j] = (uint8_t)next_random();
        bytes[0] &= 15;
        if (i % 2) bytes[1] &= 63, bytes[2] &= 63;
        mp_rd r = mp_rd_of(bytes, sizeof bytes);
        mp_superacc a, copy;
        if (mp_superacc_read(&r, &a)) {
            copy = a;
            mp_superacc_merge(&a, &copy);
            mp_superacc_round(&a);
        }
    }
    mp_buf_release(&b);
    mp_buf_release(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(superaccumulators), cmocka_unit_test(windows),
        cmocka_unit_test(window_limits),     cmocka_unit_test(hard_cases),
        cmocka_unit_test(many_additions),    cmocka_unit_test(products),
        cmocka_unit_test(scaled_integers),   cmocka_unit_test(wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
