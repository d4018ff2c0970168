/* test_group_values.c - the values of all aggregates against independent answers: Python's for
 * floats, large integers and mixed scales. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "group_rows.h"

/* Answers of a Python program: math.fsum, fractions rounded once, statistics.median. */
static const double cancel[] = {
    0x1.7e43c8800759cp+996, 0x1.0000000000000p+0, -0x1.7e43c8800759cp+996, 0x1.56e1fc2f8f359p-997,
    0x1.999999999999ap-4,   0x1.999999999999ap-3, 0x1.3333333333333p-2,    -0x1.3333333333333p-1};
static const double digits17[] = {
    0x1.f9add3746f65ep-4, 0x1.81cd6e9ec0bc0p+16,   0x1.0701bd527b497p+333, -0x1.0701bd527b497p+333,
    0x1.aaaaaaaaaaaabp+1, 0x1.0000000000000p-1022, 0x0.0000000000001p-1022};
static const double random_set[] = {
    -0x1.58139e19f26a6p+18, -0x1.54f7b4de6bc41p+19, 0x1.26cb3c8c91e6cp+18,  -0x1.a18aeda73d2dcp+19,
    0x1.185402347c830p+16,  -0x1.06538aa29bbfep+18, -0x1.afa444d07dbf8p+19, 0x1.d0bbbb24d45c0p+13,
    -0x1.c3aa15dc16262p+19, -0x1.033250fb807b4p+17, -0x1.a41024e427481p+19, -0x1.8fb1bf255fc60p+19,
    -0x1.26d8cf945b304p+17, 0x1.3f3107faa06d8p+19,  -0x1.6f61827c86326p+19, -0x1.0e464243e0f0cp+19,
    0x1.f1c938ef929c8p+17,  0x1.b5373c5137304p+19,  0x1.2d2ef2d898ad0p+17,  -0x1.9397867d49564p+17,
    0x1.d117c6c208ceap+19,  -0x1.baca5470c238fp+19, 0x1.5e111d610db68p+19,  -0x1.9aeb5b597bcf6p+18,
    -0x1.5b683aaa45910p+19, -0x1.753ff0c352f28p+19, -0x1.760f1683d3ebap+18, 0x1.34b796fbd2958p+19,
    -0x1.37ca67af53826p+19, 0x1.3ec029e5c88c0p+17,  0x1.0f50bc05c5f08p+18,  -0x1.f272750fed2dcp+17,
    0x1.7500ee717bb10p+16,  -0x1.aaf6c19a097dap+19, -0x1.ae13b51f45f35p+19, -0x1.1f2652612b0c2p+19,
    0x1.6057fc913883cp+18,  -0x1.1ad7b1bfa6674p+17, -0x1.6afe6a3117e24p+18, 0x1.4e39dd0ed62c0p+17};
static const double mixed[] = {
    -0x1.327ddc78c261ep-492, -0x1.08a97d75037c2p-692, 0x1.020a70a8762fdp-586,
    -0x1.56301ecef8156p-489, 0x1.5d4ed35bd9119p-420,  0x1.89c61c719b531p-510,
    0x1.1911113d6d42cp-876,  -0x1.e6423336382cap-287, -0x1.224bf427915a1p-416,
    -0x1.4d5524d071ffcp-167, -0x1.cc3738c2f8a61p+136, -0x1.e6f86e0c49c8bp-51,
    0x1.2889750fadcfep+389,  -0x1.372173b473ea5p+181, -0x1.5e57df464a4d7p-155,
    0x1.b92215f3212a7p-226,  -0x1.43c07f3c2e0b0p-841, 0x1.1dd47a133336bp-193,
    0x1.a0628e87dea90p-889,  -0x1.bfeea13fe3bf1p+195, -0x1.ff14d08a1090ep-19,
    0x1.8713e7b90003bp+398,  -0x1.0847aacc2e80cp+216, -0x1.4fa0f816f7947p+137,
    -0x1.9c79177dc8546p-215, -0x1.0d381550dd3b6p+38,  -0x1.9e4839dd425d6p-898,
    -0x1.e39c9539f9e23p-510, -0x1.7780a84fd6422p-579, -0x1.dd833e77ce3eap-156,
    -0x1.da456b22b0b56p-237, -0x1.ba7e779131be7p-528, 0x1.e680bfc97baadp+394,
    -0x1.067b55fefd6f2p-66,  -0x1.691766ae7b9b0p-294, 0x1.aa0db117b949ap+162,
    0x1.05322fbf8547dp-605,  -0x1.d6116e55e9bcap-699, -0x1.4fc995da0c08dp+122,
    -0x1.46edd39bb40b4p-174};
static const double near_set[] = {
    0x1.7d78403530a31p+26, 0x1.7d78400bab817p+26, 0x1.7d7840120b273p+26, 0x1.7d78400952c31p+26,
    0x1.7d78402236bd0p+26, 0x1.7d784027072acp+26, 0x1.7d78401464224p+26, 0x1.7d784008080d9p+26,
    0x1.7d784036fd2a3p+26, 0x1.7d78403cd0782p+26, 0x1.7d784029eaf87p+26, 0x1.7d78402f58a22p+26,
    0x1.7d78401d39a69p+26, 0x1.7d784037be20dp+26, 0x1.7d78403cebb43p+26, 0x1.7d78402b8e8aep+26,
    0x1.7d784023cb1bbp+26, 0x1.7d78401979f91p+26, 0x1.7d78401939433p+26, 0x1.7d78401ed1451p+26,
    0x1.7d784019a0da2p+26, 0x1.7d78400c32f26p+26, 0x1.7d78403f04cb4p+26, 0x1.7d78401c333b1p+26,
    0x1.7d7840070910cp+26, 0x1.7d7840267250cp+26, 0x1.7d7840068d633p+26, 0x1.7d784024462ecp+26,
    0x1.7d78402257f5fp+26, 0x1.7d78403cbb939p+26};
static const struct {
    const double *v;
    int n;
    double want[5]; /* sum, mean, var, median, quantile 0.9 */
} vectors[] = {
    {cancel,
     8,
     {0x1.0000000000000p+0, 0x1.0000000000000p-3, (double)INFINITY, 0x1.3333333333334p-3,
      0x1.cab7bd666f383p+994}},
    {digits17,
     7,
     {0x1.81d0e38ef348ap+16, 0x1.b8eebaec83c0bp+13, 0x1.68461958aaa10p+664, 0x1.f9add3746f65ep-4,
      0x1.a4cf9550c542bp+331}},
    {random_set,
     40,
     {-0x1.08f26b8d3ef10p+23, -0x1.a7ea45aecb1b3p+17, 0x1.19b2bc8ea28d9p+38, -0x1.ff8cc52a9256cp+17,
      0x1.35c3bbe21a5e5p+19}},
    {mixed,
     40,
     {0x1.a61038701f954p+398, 0x1.51a6938ce6110p+393, 0x1.dee37ec0fb4c7p+791,
      -0x1.7c7fda5e1061ap-490, 0x1.54d7c0dfc7737p+159}},
    {near_set,
     30,
     {0x1.65a0bc1fd12abp+31, 0x1.7d784021f02d9p+26, 0x1.3ae0a78bb544ep-4, 0x1.7d78402247598p+26,
      0x1.7d78403cbdaa7p+26}},
};
static const double corr_random_near_20 = -0x1.958ba1d7119ccp-4;
static const int64_t big_ints[25] = {
    INT64_C(-8752963602230680928), INT64_C(8401902144635270878),  INT64_C(-2505742295095117809),
    INT64_C(-361646517883562537),  INT64_C(-7639079554889970242), INT64_C(4605670955822938035),
    INT64_C(-4339469364529485723), INT64_C(3542822138374249915),  INT64_C(-8797331125917810750),
    INT64_C(7639641275860080907),  INT64_C(518527646805895210),   INT64_C(339362169090503176),
    INT64_C(-6141990395463884332), INT64_C(2516909372981177538),  INT64_C(5646153365230786311),
    INT64_C(-5040766695390132483), INT64_C(-133151500145526600),  INT64_C(5351661218101125724),
    INT64_C(-4442448834464532083), INT64_C(-7737705760559675643), INT64_C(-5038805070873429879),
    INT64_C(-2993215153583204899), INT64_C(-5546578070581201774), INT64_C(-5930227509758641730),
    INT64_C(2505846673071458207)};
static const double big_mean = -0x1.30ef59a58a7b6p+60, big_var = 0x1.4fe65bf68a095p+124;
static const double dec_mean = 0x1.b480ef02c7c23p+23, dec_var = 0x1.44afb5070fe9bp+50;

/* ---- one group, one column ---- */

typedef struct {
    mp_mem mem;
    mp_group *g;
    mp_arena arena;
    mp_batch out;
    mp_error err;
} one;

static void one_new(one *o, const mp_group_agg *aggs, int n, int window_exp) {
    *o = (one){.err = MP_ERROR_INIT};
    mp_mem_init(&o->mem, 0);
    mp_arena_init(&o->arena, NULL);
    mp_group_args args = {.n_aggs = n, .aggs = aggs, .window_exp = window_exp, .mem = &o->mem};
    assert_int_equal(mp_group_new(&args, &o->g, &o->err), MP_OK);
}

static void one_add(one *o, const mp_col *cols, int n_cols, int n) {
    mp_batch b = {.n_rows = n, .n_cols = n_cols, .cols = cols};
    assert_int_equal(mp_group_add(o->g, &b, &o->err), MP_OK);
}

static mp_status one_result(one *o) {
    mp_status s = mp_group_prepare(o->g, MP_GROUP_ANY_ORDER, NULL, &o->err);
    return s == MP_OK ? mp_group_next(o->g, &o->arena, &o->out, &o->err) : s;
}

static void one_free(one *o) {
    mp_group_free(&o->g);
    mp_arena_release(&o->arena);
    assert_int_equal(o->mem.used_bytes, 0);
}

static void same_double(double a, double b) {
    uint64_t x, y;
    memcpy(&x, &a, 8);
    memcpy(&y, &b, 8);
    if (a != b && !(isnan(a) && isnan(b))) print_error("%a is not %a\n", a, b);
    if (!isnan(a) || !isnan(b)) assert_true(x == y);
}

enum { FLOAT_AGGS = 6 };

static const mp_group_agg float_aggs[FLOAT_AGGS] = {
    {.fn = MP_AGG_SUM, .arg = {0, -1}, .type = {MP_FLOAT64}, .name = "x"},
    {.fn = MP_AGG_MEAN, .arg = {0, -1}, .type = {MP_FLOAT64}, .name = "x"},
    {.fn = MP_AGG_VAR, .arg = {0, -1}, .type = {MP_FLOAT64}, .name = "x"},
    {.fn = MP_AGG_QUANTILE, .arg = {0, -1}, .type = {MP_FLOAT64}, .q = 0.5, .name = "x"},
    {.fn = MP_AGG_QUANTILE, .arg = {0, -1}, .type = {MP_FLOAT64}, .q = 0.9, .name = "x"},
    {.fn = MP_AGG_STD, .arg = {0, -1}, .type = {MP_FLOAT64}, .name = "x"},
};

static void floats_as_python(void **state) {
    (void)state;
    static const int windows[] = {-60, 0, -1074, 900, -130, 40};
    for (size_t v = 0; v < sizeof vectors / sizeof *vectors; v++)
        for (size_t w = 0; w < sizeof windows / sizeof *windows; w++)
            for (int step = 1; step <= 5; step += 4) { /* forwards, and mixed up in small batches */
                one o;
                one_new(&o, float_aggs, FLOAT_AGGS, windows[w]);
                for (int i = 0; i < vectors[v].n; i++) {
                    double x = vectors[v].v[(i * step + 3) % vectors[v].n];
                    if (vectors[v].n % step == 0 && step > 1)
                        x = vectors[v].v[vectors[v].n - 1 - i];
                    mp_col c = {.type = MP_FLOAT64, .f64 = &x};
                    one_add(&o, &c, 1, 1);
                }
                assert_int_equal(one_result(&o), MP_OK);
                assert_int_equal(o.out.n_rows, 1);
                for (int a = 0; a < 5; a++)
                    same_double(o.out.cols[a].f64[0], vectors[v].want[a]);
                if (isfinite(vectors[v].want[2]))
                    same_double(o.out.cols[5].f64[0], sqrt(vectors[v].want[2]));
                one_free(&o);
            }
}

static void nan_and_infinity(void **state) {
    (void)state;
    const double x[] = {1, (double)NAN, -3, (double)INFINITY};
    const mp_group_agg aggs[] = {
        {.fn = MP_AGG_MIN, .arg = {0, -1}, .type = {MP_FLOAT64}},
        {.fn = MP_AGG_MAX, .arg = {0, -1}, .type = {MP_FLOAT64}},
        {.fn = MP_AGG_SUM, .arg = {0, -1}, .type = {MP_FLOAT64}},
        {.fn = MP_AGG_TOP, .arg = {0, -1}, .type = {MP_FLOAT64}, .k = 2},
        {.fn = MP_AGG_COUNT_DISTINCT, .arg = {1, -1}, .type = {MP_FLOAT64}},
        {.fn = MP_AGG_MEAN, .arg = {2, -1}, .type = {MP_FLOAT64}},
        {.fn = MP_AGG_MIN, .arg = {3, -1}, .type = {MP_FLOAT64}},
        {.fn = MP_AGG_MIN, .arg = {4, -1}, .type = {MP_FLOAT64}},
        {.fn = MP_AGG_VAR, .arg = {0, -1}, .type = {MP_FLOAT64}},
    };
    const double equal[] = {(double)NAN, -(double)NAN, 0.0, -0.0};
    const double infinite[] = {(double)INFINITY, 1, 2, (double)INFINITY};
    const double only_nan[] = {(double)NAN, (double)NAN, (double)NAN, (double)NAN};
    const double zeros[] = {-0.0, 0.0, -0.0, 0.0};
    const mp_col c[] = {{.type = MP_FLOAT64, .f64 = x},
                        {.type = MP_FLOAT64, .f64 = equal},
                        {.type = MP_FLOAT64, .f64 = infinite},
                        {.type = MP_FLOAT64, .f64 = only_nan},
                        {.type = MP_FLOAT64, .f64 = zeros}};
    one o;
    one_new(&o, aggs, 9, -60);
    one_add(&o, c, 5, 4);
    assert_int_equal(one_result(&o), MP_OK);
    assert_int_equal(o.out.n_cols, 10);
    same_double(o.out.cols[0].f64[0], -3);
    assert_true(isnan(o.out.cols[1].f64[0])); /* NaN is above all numbers */
    assert_true(isnan(o.out.cols[2].f64[0]));
    assert_true(isnan(o.out.cols[3].f64[0]));
    same_double(o.out.cols[4].f64[0], (double)INFINITY);
    assert_int_equal(o.out.cols[5].i64[0], 2);
    same_double(o.out.cols[6].f64[0], (double)INFINITY);
    assert_true(isnan(o.out.cols[7].f64[0]));
    same_double(o.out.cols[8].f64[0], 0.0);
    assert_true(isnan(o.out.cols[9].f64[0]));
    one_free(&o);
}

static void large_integers(void **state) {
    (void)state;
    const mp_group_agg aggs[] = {
        {.fn = MP_AGG_MEAN, .arg = {0, -1}, .type = {MP_INT64}, .name = "v"},
        {.fn = MP_AGG_VAR, .arg = {0, -1}, .type = {MP_INT64}, .name = "v"},
        {.fn = MP_AGG_SUM, .arg = {0, -1}, .type = {MP_INT64}, .name = "v"},
    };
    char text[512];
    mp_col c = {.type = MP_INT64, .i64 = big_ints};
    one o;
    one_new(&o, aggs, 2, 0);
    one_add(&o, &c, 1, 25);
    assert_int_equal(one_result(&o), MP_OK);
    same_double(o.out.cols[0].f64[0], big_mean);
    same_double(o.out.cols[1].f64[0], big_var);
    one_free(&o);
    one_new(&o, aggs, 3, 0);
    one_add(&o, &c, 1, 25);
    assert_int_equal(one_result(&o), MP_DATA);
    mp_error_format(&o.err, text, sizeof text);
    assert_string_equal(text, "bad data: sum of 'v' is outside int64\n"
                              "hint: sum(float(v)) computes in floating point");
    one_free(&o);
}

/* Every value in a batch of its own, at its own scale. */
static void decimals_of_many_scales(void **state) {
    (void)state;
    static const struct {
        int64_t m;
        uint8_t scale;
    } v[] = {{15, 1}, {225, 2}, {-1, 3}, {123456789012, 6}, {1, 1}, {999999999, 1}, {1, 9}};
    const mp_group_agg aggs[] = {
        {.fn = MP_AGG_SUM, .arg = {0, -1}, .type = {MP_DECIMAL}, .name = "d"},
        {.fn = MP_AGG_MEAN, .arg = {0, -1}, .type = {MP_DECIMAL}, .name = "d"},
        {.fn = MP_AGG_VAR, .arg = {0, -1}, .type = {MP_DECIMAL}, .name = "d"},
        {.fn = MP_AGG_MIN, .arg = {0, -1}, .type = {MP_DECIMAL}, .name = "d"},
        {.fn = MP_AGG_MAX, .arg = {0, -1}, .type = {MP_DECIMAL}, .name = "d"},
        {.fn = MP_AGG_TOP, .arg = {0, -1}, .type = {MP_DECIMAL}, .k = 2, .name = "d"},
        {.fn = MP_AGG_FIRST, .arg = {0, -1}, .type = {MP_DECIMAL}, .name = "d"},
    };
    static const char *const want[] = {
        "100123460.538012001", "", "", "-0.001", "99999999.9", "99999999.9", "123456.789012"};
    for (int turn = 0; turn < 7; turn++) {
        one o;
        one_new(&o, aggs, 7, 0);
        for (int i = 0; i < 7; i++) {
            int at = (i + turn) % 7;
            mp_col c = {.type = MP_DECIMAL, .scale = v[at].scale, .i64 = &v[at].m};
            mp_batch b = {.n_rows = 1, .n_cols = 1, .cols = &c, .first_row = at};
            assert_int_equal(mp_group_add(o.g, &b, &o.err), MP_OK);
        }
        assert_int_equal(one_result(&o), MP_OK);
        same_double(o.out.cols[1].f64[0], dec_mean);
        same_double(o.out.cols[2].f64[0], dec_var);
        for (int c = 0; c < 7; c++) {
            if (c == 1 || c == 2) continue;
            char b[MP_NUM_MAX + 1];
            b[mp_print_decimal(b, o.out.cols[c].i64[0], o.out.cols[c].scale)] = 0;
            assert_string_equal(b, want[c]);
        }
        assert_int_equal(o.out.cols[7].i64[0], 15); /* the first by position, whatever came first */
        assert_int_equal(o.out.cols[7].scale, 1);
        one_free(&o);
    }
}

/* 10^9 - 1 and 10^-18: 27 digits between them, still exact (Python's fractions). */
static void variance_of_far_scales(void **state) {
    (void)state;
    const mp_group_agg agg = {.fn = MP_AGG_VAR, .arg = {0, -1}, .type = {MP_DECIMAL}, .name = "d"};
    const int64_t large = 999999999, tiny = 1;
    mp_col c[2] = {{.type = MP_DECIMAL, .scale = 0, .i64 = &large},
                   {.type = MP_DECIMAL, .scale = 18, .i64 = &tiny}};
    for (int first = 0; first < 2; first++) {
        one o;
        one_new(&o, &agg, 1, 0);
        one_add(&o, &c[first], 1, 1);
        one_add(&o, &c[!first], 1, 1);
        assert_int_equal(one_result(&o), MP_OK);
        same_double(o.out.cols[0].f64[0], 0x1.bc16d66605cd8p+58);
        one_free(&o);
    }
}

static void too_many_digits(void **state) {
    (void)state;
    static const struct {
        mp_agg_fn fn;
        const char *message;
    } fails[] = {
        {MP_AGG_SUM,
         "bad data: sum of 'd' is outside int64\nhint: sum(float(d)) computes in floating "
         "point"},
        {MP_AGG_VAR, "bad data: values of 'd' do not fit in 18 digits at one scale\nhint: float(d) "
                     "computes in floating point"},
    };
    for (int f = 0; f < 2; f++)
        for (int first = 0; first < 2; first++) {
            const mp_group_agg agg = {
                .fn = fails[f].fn, .arg = {0, -1}, .type = {MP_DECIMAL}, .name = "d"};
            const int64_t large = INT64_MAX, tiny = 1;
            mp_col c[2] = {{.type = MP_DECIMAL, .scale = 0, .i64 = &large},
                           {.type = MP_DECIMAL, .scale = 18, .i64 = &tiny}};
            char text[512];
            one o;
            one_new(&o, &agg, 1, 0);
            mp_status s = MP_OK;
            for (int i = 0; i < 2 && s == MP_OK; i++) {
                mp_batch b = {.n_rows = 1, .n_cols = 1, .cols = &c[i ^ first]};
                s = mp_group_add(o.g, &b, &o.err);
            }
            if (s == MP_OK) s = one_result(&o);
            assert_int_equal(s, MP_DATA);
            mp_error_format(&o.err, text, sizeof text);
            assert_string_equal(text, fails[f].message);
            one_free(&o);
        }
}

/* 19 digits at scale 0 next to scale 18: the sum passes 128 bits, and the mean is still exact. */
static void sums_of_256_bits(void **state) {
    (void)state;
    const mp_group_agg aggs[] = {
        {.fn = MP_AGG_MEAN, .arg = {0, -1}, .type = {MP_DECIMAL}, .name = "d"},
        {.fn = MP_AGG_SUM, .arg = {1, -1}, .type = {MP_DECIMAL}, .name = "e"},
        {.fn = MP_AGG_MIN, .arg = {0, -1}, .type = {MP_DECIMAL}, .name = "d"},
    };
    enum { N = 4096 };
    static int64_t big[N], small[N];
    for (int i = 0; i < N; i++) {
        big[i] = INT64_MAX;
        small[i] = i % 2 ? INT64_MAX : -INT64_MAX;
    }
    const int64_t tiny[1] = {1};
    mp_col c[2] = {{.type = MP_DECIMAL, .scale = 0, .i64 = big},
                   {.type = MP_DECIMAL, .scale = 0, .i64 = small}};
    mp_col t[2] = {{.type = MP_DECIMAL, .scale = 18, .i64 = tiny},
                   {.type = MP_DECIMAL, .scale = 18, .i64 = tiny}};
    for (int tiny_first = 0; tiny_first < 2; tiny_first++) {
        one o;
        one_new(&o, aggs, 3, 0);
        if (tiny_first) one_add(&o, t, 2, 1);
        one_add(&o, c, 2, N);
        one_add(&o, c, 2, N);
        if (!tiny_first) one_add(&o, t, 2, 1);
        assert_int_equal(one_result(&o), MP_OK);
        /* 2 * 4096 * (2^63 - 1) / 8193, rounded; 1e-18 / 8193 more does not show */
        same_double(o.out.cols[0].f64[0], (double)((__float128)INT64_MAX * 8192 / 8193));
        assert_int_equal(o.out.cols[1].i64[0], 1);
        assert_int_equal(o.out.cols[1].scale, 18);
        assert_int_equal(o.out.cols[2].i64[0], 1);
        one_free(&o);
    }
}

static void correlation(void **state) {
    (void)state;
    double x[20], y[20];
    int64_t line[20];
    for (int i = 0; i < 20; i++) {
        x[i] = random_set[i];
        y[i] = near_set[i];
        line[i] = 7 - 3 * i;
    }
    const mp_group_agg aggs[] = {
        {.fn = MP_AGG_CORR, .arg = {0, 1}, .type = {MP_FLOAT64, MP_FLOAT64}},
        {.fn = MP_AGG_CORR, .arg = {1, 0}, .type = {MP_FLOAT64, MP_FLOAT64}},
        {.fn = MP_AGG_CORR, .arg = {2, 3}, .type = {MP_INT64, MP_DECIMAL}},
        {.fn = MP_AGG_CORR, .arg = {2, 4}, .type = {MP_INT64, MP_INT64}},
        {.fn = MP_AGG_CORR, .arg = {0, 5}, .type = {MP_FLOAT64, MP_NULL}},
    };
    int64_t up[20], constant[20] = {0};
    for (int i = 0; i < 20; i++)
        up[i] = 5 * i;
    const mp_col c[] = {
        {.type = MP_FLOAT64, .f64 = x},      {.type = MP_FLOAT64, .f64 = y},
        {.type = MP_INT64, .i64 = line},     {.type = MP_DECIMAL, .scale = 2, .i64 = up},
        {.type = MP_INT64, .i64 = constant}, {.type = MP_NULL}};
    for (int w = -60; w < 1000; w += 480) {
        one o;
        one_new(&o, aggs, 5, w);
        one_add(&o, c, 6, 20);
        assert_int_equal(one_result(&o), MP_OK);
        same_double(o.out.cols[0].f64[0], corr_random_near_20);
        same_double(o.out.cols[1].f64[0], corr_random_near_20);
        same_double(o.out.cols[2].f64[0], -1.0);
        assert_true(mp_col_is_null(&o.out.cols[3], 0));
        assert_true(mp_col_is_null(&o.out.cols[4], 0));
        one_free(&o);
    }
}

/* Batches of other scales, of mantissas that fit in 32 bits and that do not: the places in the order of
 * them all, in whatever form they were kept. parts: of the batches that come. */
static void quantile_of_parts(int parts) {
    static const struct {
        uint8_t scale;
        int64_t v[4];
    } batch[] = {{2, {150, -275, 300, 25}},       /* 1.5 -2.75 3 0.25 */
                 {0, {7, -4, 1, 2147483647}},     /* with 2 digits more too long for 32 bits */
                 {6, {1250000, -2750000, 1, -1}}, /* 1.25 -2.75 0.000001 -0.000001 */
                 {9, {5000000001, 2, 3, -5000000000}}}; /* 5.000000001 ... -5 */
    static const double sorted[4][16] = {
        {-2.75, 0.25, 1.5, 3},
        {-4, -2.75, 0.25, 1, 1.5, 3, 7, 2147483647},
        {-4, -2.75, -2.75, -0.000001, 0.000001, 0.25, 1, 1.25, 1.5, 3, 7, 2147483647},
        {-5, -4, -2.75, -2.75, -0.000001, 2e-9, 3e-9, 0.000001, 0.25, 1, 1.25, 1.5, 3, 5.000000001,
         7, 2147483647}};
    const mp_group_agg aggs[] = {
        {.fn = MP_AGG_QUANTILE, .arg = {0, -1}, .type = {MP_DECIMAL}, .q = 0},
        {.fn = MP_AGG_QUANTILE, .arg = {0, -1}, .type = {MP_DECIMAL}, .q = 0.5},
        {.fn = MP_AGG_QUANTILE, .arg = {0, -1}, .type = {MP_DECIMAL}, .q = 1}};
    one o;
    one_new(&o, aggs, 3, -60);
    for (int i = 0; i < parts; i++) {
        const mp_col c = {.type = MP_DECIMAL, .scale = batch[i].scale, .i64 = batch[i].v};
        one_add(&o, &c, 1, 4);
    }
    assert_int_equal(one_result(&o), MP_OK);
    const double *want = sorted[parts - 1];
    same_double(o.out.cols[0].f64[0], want[0]);
    same_double(o.out.cols[1].f64[0], (want[2 * parts - 1] + want[2 * parts]) / 2);
    same_double(o.out.cols[2].f64[0], want[4 * parts - 1]);
    one_free(&o);
}

static void quantiles_of_many_scales(void **state) {
    (void)state;
    for (int parts = 1; parts <= 4; parts++)
        quantile_of_parts(parts);
}

/* Texts that rise, each of them a while among the greatest: memory is that of two. */
static void texts_that_rise(void **state) {
    (void)state;
    enum { N = 200000, BATCH = 1000, LIMIT = 1 << 20 };
    static char text[BATCH][64];
    static mp_str str[BATCH];
    const mp_group_agg top[] = {
        {.fn = MP_AGG_TOP, .arg = {0, -1}, .type = {MP_STRING}, .k = 2, .name = "s"}};
    const mp_col col = {.type = MP_STRING, .str = str};
    one o;
    one_new(&o, top, 1, 0);
    int64_t before = o.mem.used_bytes;
    for (int i = 0; i < N; i += BATCH) {
        for (int j = 0; j < BATCH; j++) {
            int len = snprintf(text[j], sizeof text[j], "%08d%.*s", i + j, (i + j) % 40,
                               "........................................");
            str[j] = mp_str_of(text[j], (size_t)len);
        }
        one_add(&o, &col, 1, BATCH);
    }
    assert_true(o.mem.used_bytes - before < LIMIT);
    assert_int_equal(one_result(&o), MP_OK);
    for (int k = 0; k < 2; k++)
        assert_memory_equal(o.out.cols[k].str[0].p, text[BATCH - 1 - k], str[BATCH - 1 - k].len);
    one_free(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_as_python),         cmocka_unit_test(nan_and_infinity),
        cmocka_unit_test(large_integers),           cmocka_unit_test(decimals_of_many_scales),
        cmocka_unit_test(sums_of_256_bits),         cmocka_unit_test(too_many_digits),
        cmocka_unit_test(variance_of_far_scales),   cmocka_unit_test(correlation),
        cmocka_unit_test(quantiles_of_many_scales), cmocka_unit_test(texts_that_rise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
