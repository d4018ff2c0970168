/* test_moments.c - variance, deviation, correlation against exact fractions rounded once (Python),
 * for integers, decimals and doubles, whatever accumulator the sums were kept in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/moments.h"
#include "exact_vectors.h"

static void assert_same(double got, double want) {
    if (memcmp(&got, &want, sizeof got) != 0) fail_msg("%a, not %a", got, want);
}

/* Exact results for integer_sequence(): variance and deviation at scales 0, 6, 18, mean at scale 6,
 * correlation. */
static const struct {
    int kind, n;
    double var[3], std[3], mean, corr;
} integer_vectors[] = {
    {0,
     2,
     {0x1.2000000000000p+2, 0x1.3ca8cb153a753p-38, 0x1.7ed152592d441p-118},
     {0x1.0f876ccdf6cd9p+1, 0x1.1cb8031264f2cp-19, 0x1.390d377ae2de1p-59},
     0x1.c4fc1df3300dep-17,
     0x1.0000000000000p+0},
    {0,
     3,
     {0x1.8000000000000p+1, 0x1.a636641c4df1ap-39, 0x1.fe6c6dcc3c5acp-119},
     {0x1.bb67ae8584caap+0, 0x1.d0f1a00b8dd08p-20, 0x1.ff360f13107a1p-60},
     0x1.b43526527a205p-17,
     0x1.d5d7ea914b937p-1},
    {0,
     10,
     {0x1.a09f49f49f49fp+8, 0x1.ca14baf4c0e43p-32, 0x1.14e49912e9649p-111},
     {0x1.4694ca654aa97p+4, 0x1.5671fa1735ed0p-16, 0x1.7885c2cf99795p-56},
     0x1.52e656e18e24fp-16,
     -0x1.6014d7e7d2357p-1},
    {0,
     5000,
     {0x1.a43afe83d0ae8p+9, 0x1.ce0c5ae2fd14fp-31, 0x1.174a81637343dp-110},
     {0x1.cfd9ebf687feep+4, 0x1.e6621fa5daef5p-16, 0x1.0b645d060fb08p-55},
     0x1.a1c0af881867dp-15,
     0x1.8d991bb467586p-7},
    {1,
     2,
     {0x1.8821dde348721p+123, 0x1.af276d815e172p+83, 0x1.049dda2be30a7p+4},
     {0x1.c01359cdbf197p+61, 0x1.d5d7600473e81p+41, 0x1.024c4925e40a2p+2},
     0x1.571e230286030p+42,
     -0x1.0000000000000p+0},
    {1,
     3,
     {0x1.e7bd9139e56d7p+122, 0x1.0c235f5f59753p+83, 0x1.4428bed3d01fdp+3},
     {0x1.615b893ebe74bp+61, 0x1.7285b2d382d87p+41, 0x1.9764be966265ap+1},
     0x1.27c2f304755c7p+42,
     0x1.860d2310b8194p-2},
    {1,
     10,
     {0x1.0985964414e14p+124, 0x1.23f1bfcfa49f0p+84, 0x1.60f065107d912p+4},
     {0x1.04b7aa950cdbep+62, 0x1.1161ce821bde6p+42, 0x1.2c96354da552dp+2},
     0x1.dc2f494d4e8ebp+40,
     -0x1.ffcbe905e719dp-4},
    {1,
     5000,
     {0x1.522cee8d6c749p+124, 0x1.73d3f1f997c8bp+84, 0x1.c1832a28df386p+4},
     {0x1.263b97ce690d8p+62, 0x1.348683086064ap+42, 0x1.533a30aebc550p+2},
     0x1.72f839b526106p+36,
     0x1.a52f08dae92f9p-6},
    {2,
     2,
     {0x1.2000000000000p+2, 0x1.3ca8cb153a753p-38, 0x1.7ed152592d441p-118},
     {0x1.0f876ccdf6cd9p+1, 0x1.1cb8031264f2cp-19, 0x1.390d377ae2de1p-59},
     0x1.dcd65000010d4p+29,
     -0x1.0000000000000p+0},
    {2,
     3,
     {0x1.a702aaaaaaaabp+13, 0x1.d11ad8e0c363dp-27, 0x1.19237e2f342c6p-106},
     {0x1.d1620c0d3dd54p+6, 0x1.e7fd4bfe7bda1p-14, 0x1.0c466882cf450p-53},
     0x1.dcd6500000ea0p+29,
     0x1.6b1867bbc349cp-1},
    {2,
     10,
     {0x1.b1e13e93e93e9p+15, 0x1.dd0e52e4a73f8p-25, 0x1.205cd542b4d4dp-104},
     {0x1.d752fde4dff2dp+7, 0x1.ee381f7a2cdf0p-13, 0x1.0fb32c54de372p-52},
     0x1.dcd6500001207p+29,
     0x1.2dfc35aab2305p-3},
    {2,
     5000,
     {0x1.4d89088d571bdp+16, 0x1.6eb9d64a2230ep-24, 0x1.bb582d446a6d0p-104},
     {0x1.24350973e98a7p+8, 0x1.3266c432b2cacp-12, 0x1.50e455f1fc64ep-52},
     0x1.dcd65000010a2p+29,
     -0x1.7d92657cb6bd9p-6},
    {3,
     2,
     {0x1.2000000000000p+2, 0x1.3ca8cb153a753p-38, 0x1.7ed152592d441p-118},
     {0x1.0f876ccdf6cd9p+1, 0x1.1cb8031264f2cp-19, 0x1.390d377ae2de1p-59},
     0x1.0d38cda6e75ffp-11,
     0x1.0000000000000p+0},
    {3,
     3,
     {0x1.a702aaaaaaaabp+13, 0x1.d11ad8e0c363dp-27, 0x1.19237e2f342c6p-106},
     {0x1.d1620c0d3dd54p+6, 0x1.e7fd4bfe7bda1p-14, 0x1.0c466882cf450p-53},
     0x1.d403b11dd3081p-12,
     0x1.fe0082766b88cp-1},
    {3,
     10,
     {0x1.b1e13e93e93e9p+15, 0x1.dd0e52e4a73f8p-25, 0x1.205cd542b4d4dp-104},
     {0x1.d752fde4dff2dp+7, 0x1.ee381f7a2cdf0p-13, 0x1.0fb32c54de372p-52},
     0x1.2076980cd19fap-11,
     0x1.ff56a9e3b44adp-1},
    {3,
     5000,
     {0x1.4d89088d571bdp+16, 0x1.6eb9d64a2230ep-24, 0x1.bb582d446a6d0p-104},
     {0x1.24350973e98a7p+8, 0x1.3266c432b2cacp-12, 0x1.50e455f1fc64ep-52},
     0x1.0a1e3c00365bbp-11,
     0x1.ff636add747e4p-1},
};

static void integer_sequence(int kind, int n, int64_t *x, int64_t *y) {
    uint64_t r = 88172645463325252u;
    for (int i = 0; i < n; i++) {
        r ^= r << 13;
        r ^= r >> 7;
        r ^= r << 17;
        uint64_t s = r ^ r << 13;
        s ^= s >> 7;
        s ^= s << 17;
        if (kind == 0) x[i] = (int64_t)(r % 100), y[i] = (int64_t)((r >> 20) % 15);
        if (kind == 1) x[i] = (int64_t)r, y[i] = (int64_t)s;
        if (kind == 2) {
            x[i] = 1000000000000000 + (int64_t)(r % 1000);
            y[i] = -100000000000000000 - (int64_t)((r >> 30) % 1000);
        }
        if (kind == 3) {
            x[i] = (int64_t)(r % 1000);
            y[i] = x[i] * 2 + (int64_t)((r >> 40) % 100);
        }
    }
}

typedef struct {
    mp_i128 sx, sy;
    mp_i256 sxx, syy, sxy;
} sums;

static sums sums_of(const int64_t *x, const int64_t *y, int n) {
    sums s = {0};
    for (int i = 0; i < n; i++) {
        s.sx += x[i];
        s.sy += y[i];
        mp_i256_add_i128(&s.sxx, (mp_i128)x[i] * x[i]);
        mp_i256_add_i128(&s.syy, (mp_i128)y[i] * y[i]);
        mp_i256_add_i128(&s.sxy, (mp_i128)x[i] * y[i]);
    }
    return s;
}

static void integers(void **state) {
    (void)state;
    static int64_t x[5000], y[5000];
    static const int scales[3] = {0, 6, 18};
    for (size_t k = 0; k < sizeof integer_vectors / sizeof *integer_vectors; k++) {
        int n = integer_vectors[k].n;
        integer_sequence(integer_vectors[k].kind, n, x, y);
        sums s = sums_of(x, y, n);
        double v = 0;
        for (int i = 0; i < 3; i++) {
            assert_true(mp_var_exact(n, s.sx, s.sxx, scales[i], 0, &v));
            assert_same(v, integer_vectors[k].var[i]);
            assert_true(mp_std_exact(n, s.sx, s.sxx, scales[i], 0, &v));
            assert_same(v, integer_vectors[k].std[i]);
        }
        assert_same(mp_mean_to_double(s.sx, n, 6), integer_vectors[k].mean);
        assert_true(mp_corr_exact(n, s.sx, s.sy, s.sxx, s.syy, s.sxy, &v));
        assert_same(v, integer_vectors[k].corr);
        /* the same values through superaccumulators, and in units of 2^-9 */
        mp_superacc a[5];
        for (int i = 0; i < 5; i++)
            mp_superacc_init(&a[i]);
        assert_true(mp_superacc_add_i128(&a[0], s.sx, -9) && mp_superacc_add_i128(&a[1], s.sy, 4));
        assert_true(mp_superacc_add_i256(&a[2], s.sxx, -18) &&
                    mp_superacc_add_i256(&a[3], s.syy, 8) &&
                    mp_superacc_add_i256(&a[4], s.sxy, -5));
        double exact = 0;
        assert_true(mp_var_exact(n, s.sx, s.sxx, 0, -9, &exact));
        assert_true(mp_var_superacc(n, &a[0], &a[2], &v));
        assert_same(v, exact);
        assert_same(exact, ldexp(integer_vectors[k].var[0], -18));
        assert_true(mp_std_exact(n, s.sx, s.sxx, 0, -9, &exact));
        assert_true(mp_std_superacc(n, &a[0], &a[2], &v));
        assert_same(v, exact);
        assert_true(mp_corr_superacc(n, &a[0], &a[1], &a[2], &a[3], &a[4], &v));
        assert_same(v, integer_vectors[k].corr);
    }
}

/* Doubles: by windows of whole multiples, the misfits to superaccumulators, for several w; and all
 * in superaccumulators. */
static void doubles(void **state) {
    (void)state;
    static double v[EXACT_MAX];
    for (size_t k = 0; k < sizeof exact_vectors / sizeof *exact_vectors; k++) {
        int n = exact_sequence(exact_vectors[k].kind, exact_vectors[k].n, exact_vectors[k].seed, v);
        double max = 0, got = 0;
        for (int i = 0; i < n; i++)
            max = fabs(v[i]) > max ? fabs(v[i]) : max;
        for (int round = 0; round < 4; round++) {
            int w = mp_fsum_quantize_choose(max) - 3 * round;
            if (w < MP_FSUM_W_MIN || round == 3) w = MP_FSUM_W_MIN;
            mp_i128 sx = 0;
            mp_i256 sxx = mp_i256_zero();
            mp_superacc x, xx;
            mp_superacc_init(&x);
            mp_superacc_init(&xx);
            int64_t q;
            int misfits = 0;
            for (int i = 0; i < n; i++) {
                if (mp_fsum_quantize(v[i], w, &q)) {
                    sx += q;
                    mp_i256_add_i128(&sxx, (mp_i128)q * q);
                } else {
                    mp_superacc_add(&x, v[i]);
                    mp_superacc_add_product(&xx, v[i], v[i]);
                    misfits++;
                }
            }
            if (misfits == 0) {
                assert_true(mp_var_exact(n, sx, sxx, 0, w, &got));
                assert_same(got, exact_vectors[k].var);
                assert_true(mp_std_exact(n, sx, sxx, 0, w, &got));
                assert_same(got, exact_vectors[k].std);
            }
            assert_true(mp_superacc_add_i128(&x, sx, w) && mp_superacc_add_i256(&xx, sxx, 2 * w));
            assert_true(mp_var_superacc(n, &x, &xx, &got));
            assert_same(got, exact_vectors[k].var);
            assert_true(mp_std_superacc(n, &x, &xx, &got));
            assert_same(got, exact_vectors[k].std);
        }
    }
}

static double corr_of(const int64_t *x, const int64_t *y, int n, bool *ok) {
    sums s = sums_of(x, y, n);
    double r = 7;
    *ok = mp_corr_exact(n, s.sx, s.sy, s.sxx, s.syy, s.sxy, &r);
    return r;
}

static void nulls_and_lines(void **state) {
    (void)state;
    double v = 7;
    bool ok;
    assert_false(mp_var_exact(0, 0, mp_i256_zero(), 0, 0, &v));
    assert_false(mp_std_exact(1, 5, mp_i256_from_i128(25), 0, 0, &v));
    assert_true(v == 7);
    assert_true(mp_var_exact(2, 10, mp_i256_from_i128(50), 0, 0, &v) && v == 0);
    assert_true(mp_std_exact(2, 10, mp_i256_from_i128(50), 3, 0, &v) && v == 0);
    int64_t x[1000], y[1000];
    for (int slope = -999; slope <= 999; slope += 37) {
        for (int i = 0; i < 1000; i++) {
            x[i] = (int64_t)(i * i % 7919) * 1234567 - 1000000;
            y[i] = slope * x[i] + 17;
        }
        double r = corr_of(x, y, 1000, &ok);
        if (slope == 0)
            assert_false(ok);
        else
            assert_same(r, slope > 0 ? 1.0 : -1.0);
    }
    static const int64_t flat[4] = {5, 5, 5, 5}, a[4] = {1, 2, 1, 2}, b[4] = {1, 1, 2, 2};
    corr_of(flat, a, 4, &ok);
    assert_false(ok);
    corr_of(a, flat, 4, &ok);
    assert_false(ok);
    assert_same(corr_of(a, b, 4, &ok), 0.0);
    assert_true(ok);
    corr_of(a, b, 1, &ok);
    assert_false(ok);
}

static void not_finite(void **state) {
    (void)state;
    mp_superacc x, xx;
    mp_superacc_init(&x);
    mp_superacc_init(&xx);
    double v = 7;
    assert_true(mp_var_superacc(2, &x, &xx, &v) && v == 0);
    assert_false(mp_corr_superacc(2, &x, &x, &xx, &xx, &xx, &v));
    mp_superacc_add(&x, (double)INFINITY);
    mp_superacc_add_product(&xx, (double)INFINITY, (double)INFINITY);
    assert_true(mp_var_superacc(2, &x, &xx, &v) && isnan(v));
    assert_true(mp_std_superacc(2, &x, &xx, &v) && isnan(v));
    assert_true(mp_corr_superacc(2, &x, &x, &xx, &xx, &xx, &v) && isnan(v));
    assert_false(mp_var_superacc(1, &x, &xx, &v));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers),
        cmocka_unit_test(doubles),
        cmocka_unit_test(nulls_and_lines),
        cmocka_unit_test(not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
