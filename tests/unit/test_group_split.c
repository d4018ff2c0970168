/* test_group_split.c - every aggregate of every type gives the same bits however the rows are
 * cut, permuted, dealt to tables and sent to owners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "group_rows.h"

enum { SPECS_MAX = 120 };

/* Every aggregate of every column that takes it. */
static int all_specs(mp_group_agg *spec) {
    static const mp_agg_fn any[] = {MP_AGG_COUNT_VALUES, MP_AGG_COUNT_DISTINCT, MP_AGG_MIN,
                                    MP_AGG_MAX,          MP_AGG_FIRST,          MP_AGG_LAST,
                                    MP_AGG_TOP,          MP_AGG_BOTTOM};
    static const mp_agg_fn numbers[] = {MP_AGG_SUM, MP_AGG_MEAN, MP_AGG_VAR, MP_AGG_STD,
                                        MP_AGG_QUANTILE};
    int n = 0;
    spec[n++] = (mp_group_agg){.fn = MP_AGG_COUNT, .arg = {-1, -1}, .name = ""};
    for (int c = C_BOOL; c < C_COLS; c++) {
        mp_group_agg a = {
            .arg = {c, -1}, .type = {col_type[c], MP_NULL}, .name = "x", .k = c % 2 ? 3 : 9};
        for (size_t f = 0; f < sizeof any / sizeof *any; f++) {
            a.fn = any[f];
            spec[n++] = a;
        }
        bool number = mp_type_is_number(a.type[0]) || a.type[0] == MP_BOOL || a.type[0] == MP_NULL;
        for (size_t f = 0; number && f < sizeof numbers / sizeof *numbers; f++) {
            a.fn = numbers[f];
            a.q = c == C_INT ? 0.9 : 0.5;
            spec[n++] = a;
        }
        for (int y = C_BOOL; number && y <= C_FLOAT; y++) {
            mp_group_agg corr = a;
            corr.fn = MP_AGG_CORR;
            corr.arg[1] = y;
            corr.type[1] = col_type[y];
            spec[n++] = corr;
        }
    }
    assert_true(n <= SPECS_MAX);
    return n;
}

static void check_cuts(int n_rows, int n_groups, int n_keys, int null_every, bool wild,
                       int variations) {
    uint64_t x = (uint64_t)(n_rows * 31 + n_groups) | 1;
    rows d = make_rows(n_rows, n_groups, null_every, wild, &x);
    mp_group_agg specs[SPECS_MAX];
    mp_mem mem;
    mp_mem_init(&mem, 0);
    const int key[2] = {C_KEY1, C_KEY2};
    const mp_type key_type[2] = {MP_NULL, MP_NULL}, result_type[2] = {MP_STRING, MP_STRING};
    mp_group_args args = {.n_keys = n_keys,
                          .key = key,
                          .key_type = key_type,
                          .aggs = specs,
                          .window_exp = -60,
                          .mem = &mem};
    args.n_aggs = all_specs(specs);
    mp_buf first, other;
    mp_buf_init(&first, NULL);
    mp_buf_init(&other, NULL);
    mp_error err = MP_ERROR_INIT;
    char text[1024];
    for (int v = 0; v <= variations; v++) {
        mp_buf *out = v ? &other : &first;
        mp_buf_clear(out);
        mp_status s = answer(&d, args, result_type, (uint64_t)v, out, &err);
        mp_error_format(&err, text, sizeof text);
        if (s != MP_OK) print_error("%s\n", text);
        assert_int_equal(s, MP_OK);
        if (!v) continue;
        assert_int_equal(first.len, other.len);
        assert_memory_equal(first.data, other.data, first.len);
    }
    if (n_rows) assert_true(first.len > 0);
    assert_int_equal(mem.used_bytes, 0);
    mp_buf_release(&first);
    mp_buf_release(&other);
    free_rows(&d);
}

static void few_groups(void **state) {
    (void)state;
    check_cuts(6000, 20, 2, 7, true, 12);
}

static void many_groups(void **state) {
    (void)state;
    check_cuts(9000, 4000, 2, 5, true, 6);
}

static void one_key_no_nulls(void **state) {
    (void)state;
    check_cuts(5000, 300, 1, 0, false, 6);
}

static void no_keys(void **state) {
    (void)state;
    check_cuts(5000, 50, 0, 3, true, 8);
}

static void no_rows(void **state) {
    (void)state;
    check_cuts(0, 1, 2, 0, false, 3);
    check_cuts(0, 1, 1, 0, false, 3);
}

static void all_null(void **state) {
    (void)state;
    check_cuts(500, 10, 2, 1, true, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_groups),       cmocka_unit_test(many_groups),
        cmocka_unit_test(one_key_no_nulls), cmocka_unit_test(no_keys),
        cmocka_unit_test(no_rows),          cmocka_unit_test(all_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
