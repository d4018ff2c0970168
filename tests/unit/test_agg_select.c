/* test_agg_select.c - the values at two places of an order are those that sorting finds, also of values in parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "op/agg/agg_select.h"

enum { MOST = 20000 };

static uint64_t state = 1;

static uint64_t next_random(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state ^ state >> 29;
}

static int cmp(const void *a, const void *b) {
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Shapes of data: few values, many, ascending, descending, the extremes, a bump. */
static int64_t value(int shape, int64_t i, int64_t n) {
    int64_t r = (int32_t)next_random();
    switch (shape) {
    case 0:
        return r % 3;
    case 1:
        return r;
    case 2:
        return i;
    case 3:
        return n - i;
    case 4:
        return r % 2 ? INT32_MIN : INT32_MAX;
    default:
        return i < n / 2 ? i : n - i;
    }
}

/* Parts of several lengths, some of them empty. */
static int64_t cut(const void *v, int64_t n, size_t value_bytes, mp_select_part *part) {
    int64_t n_parts = 0, at = 0;
    for (int64_t len = 0; at < n; at += len, len = len * 2 + n_parts % 3) {
        if (len > n - at) len = n - at;
        part[n_parts++] = (mp_select_part){(const char *)v + (size_t)at * value_bytes, len};
    }
    return n_parts;
}

static void check_parts(const int32_t *narrow, const int64_t *wide, int64_t n, int64_t k) {
    static int32_t room[MOST], copy[MOST];
    static int64_t wide_room[MOST], wide_copy[MOST];
    mp_select_part part[64] = {{0}};
    int32_t two[2], parts_two[2];
    int64_t wide_two[2], wide_parts_two[2];
    mp_select_parts_i32(part, cut(narrow, n, sizeof *narrow, part), n, k, room, parts_two);
    mp_select_parts_i64(part, cut(wide, n, sizeof *wide, part), n, k, wide_room, wide_parts_two);
    memcpy(copy, narrow, (size_t)n * sizeof *copy);
    memcpy(wide_copy, wide, (size_t)n * sizeof *wide_copy);
    mp_select_i32(copy, n, k, two);
    mp_select_i64(wide_copy, n, k, wide_two);
    assert_memory_equal(two, parts_two, sizeof two);
    assert_memory_equal(wide_two, wide_parts_two, sizeof wide_two);
}

static void check(int shape, int64_t n, int64_t k) {
    static int32_t narrow[MOST];
    static int64_t wide[MOST], sorted[MOST];
    int32_t two[2];
    int64_t wide_two[2];
    for (int64_t i = 0; i < n; i++) {
        int64_t v = value(shape, i, n);
        narrow[i] = (int32_t)v;
        wide[i] = sorted[i] = v * (shape == 1 ? INT64_C(4294967311) : 1);
    }
    check_parts(narrow, wide, n, k);
    mp_select_i32(narrow, n, k, two);
    mp_select_i64(wide, n, k, wide_two);
    qsort(sorted, (size_t)n, sizeof *sorted, cmp);
    int64_t next = k + 1 < n ? k + 1 : k;
    assert_int_equal(wide_two[0], sorted[k]);
    assert_int_equal(wide_two[1], sorted[next]);
    for (int64_t i = 0; i < n && shape == 1; i++)
        sorted[i] /= INT64_C(4294967311);
    assert_int_equal(two[0], sorted[k]);
    assert_int_equal(two[1], sorted[next]);
}

static void places(void **unused) {
    (void)unused;
    for (int shape = 0; shape < 6; shape++) {
        for (int64_t n = 1; n < 70; n++)
            for (int64_t k = 0; k < n; k++)
                check(shape, n, k);
        for (int64_t n = 2000; n < MOST; n = n * 5 / 2) {
            const int64_t k[] = {0, 1, n / 100, n / 2, n / 2 + 1, n - 2, n - 1};
            for (size_t i = 0; i < sizeof k / sizeof *k; i++)
                check(shape, n, k[i]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(places)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
