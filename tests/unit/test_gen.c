/* test_gen.c - the parts of the sample data: permutations, numbers as text, rows that keep to their room; and the progress
 * line and the JSON of the statistics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/gen/gen_table.h"
#include "run/progress.h"

static void check_permutation(uint64_t n, uint64_t key) {
    mp_gen_permutation p;
    uint8_t *seen = calloc(n, 1);
    mp_gen_permutation_init(&p, n, key);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t to = mp_gen_permute(&p, i);
        assert_true(to < n);
        assert_int_equal(seen[to]++, 0);
    }
    free(seen);
}

static void test_permutations(void **state) {
    (void)state;
    for (uint64_t n = 1; n <= 300; n++)
        check_permutation(n, n * 77);
    check_permutation(100000, 1);
    check_permutation(131072, 2);
    check_permutation(131073, 3);
    mp_gen_permutation p;
    mp_gen_permutation_init(&p, INT64_MAX, 5);
    assert_true(mp_gen_permute(&p, INT64_MAX - 1) < INT64_MAX);
}

/* The shortest of the plain and the exponent form, made with printf; the plain one on a tie. */
static void shortest(char *out, size_t cap, uint64_t v) {
    char plain[64], digits[32], power[64];
    int n = snprintf(plain, sizeof plain, "%llu.%06llu", (unsigned long long)(v / 1000000),
                     (unsigned long long)(v % 1000000));
    while (plain[n - 1] == '0')
        plain[--n] = 0;
    if (plain[n - 1] == '.') plain[--n] = 0;
    int exponent = -6;
    while (v && v % 10 == 0) {
        v /= 10;
        exponent++;
    }
    n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)v);
    exponent += n - 1;
    snprintf(power, sizeof power, "%c%s%se%c%02d", digits[0], n > 1 ? "." : "", digits + 1,
             exponent < 0 ? '-' : '+', abs(exponent));
    snprintf(out, cap, "%s", strlen(power) < strlen(plain) && v ? power : plain);
}

static void test_millionths(void **state) {
    (void)state;
    static const uint64_t far[] = {99999999, 100000000, 12345678, 50000000, 10000001};
    char text[64], wanted[64];
    for (uint64_t i = 0; i < 200000 + sizeof far / sizeof *far; i++) {
        uint64_t v = i < 200000 ? i : far[i - 200000];
        *mp_gen_millionths(text, v) = 0;
        shortest(wanted, sizeof wanted, v);
        assert_string_equal(text, wanted);
        assert_true(strtod(text, NULL) == (double)v / 1e6);
    }
}

static void test_rows_keep_to_their_room(void **state) {
    (void)state;
    static const int64_t sizes[] = {1, 7, 1000, INT64_MAX};
    for (int kind = MP_GEN_GROUPBY; kind <= MP_GEN_ORDERS; kind++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            mp_gen_table tables[MP_GEN_TABLES];
            mp_gen_spec spec = {.kind = (mp_gen_kind)kind,
                                .n_rows = sizes[s],
                                .n_groups = s == 1 ? 50 : 100,
                                .seed = INT64_MAX,
                                .path = "x"};
            int n = mp_gen_tables(&spec, tables);
            for (int t = 0; t < n; t++)
                for (uint64_t i = 0; i < 100 && i < tables[t].n_rows; i++) {
                    char row[MP_GEN_ROW_MAX];
                    uint64_t at = i % 2 ? tables[t].n_rows - 1 - i : i;
                    if (at >= tables[t].n_rows) at = 0;
                    char *end = tables[t].row(&tables[t], at, row);
                    assert_true(end > row && end <= row + sizeof row / 2 && end[-1] == '\n');
                    assert_null(memchr(row, '\n', (size_t)(end - row) - 1));
                }
        }
}

static void test_progress_line(void **state) {
    (void)state;
    char line[128];
    size_t n = mp_progress_line(line, sizeof line,
                                &(mp_report_progress){1700000000, 5000000000, -1, 0}, 2.0);
    assert_string_equal(line, "34 %, 1.7 of 5.0 GB, 850 MB/s, 4 s left");
    assert_int_equal(n, strlen(line));
    mp_progress_line(line, sizeof line, &(mp_report_progress){1700000000, 5000000000, 3, 200000000},
                     2.0);
    assert_non_null(strstr(line, ", slowest rank 3 (0.2 GB)"));
    mp_progress_line(line, sizeof line, &(mp_report_progress){2500000, -1, -1, 0}, 5.0);
    assert_string_equal(line, "2.5 MB, 500 kB/s");
    mp_progress_line(line, sizeof line, &(mp_report_progress){0, 5000, -1, 0}, 2.0);
    assert_string_equal(line, "0 %, 0.0 of 5.0 kB, 0 kB/s");
    mp_progress_line(line, sizeof line, &(mp_report_progress){6000, 5000, -1, 0}, 2.0);
    assert_non_null(strstr(line, "100 %"));
    mp_progress_line(line, sizeof line, &(mp_report_progress){1000000, INT64_MAX, -1, 0}, 1.0);
    assert_non_null(strstr(line, " h "));
    for (size_t cap = 1; cap < 60; cap++)
        assert_true(mp_progress_line(line, cap,
                                     &(mp_report_progress){1700000000, 5000000000, -1, 0},
                                     2.0) < cap);
}

static void test_report_json(void **state) {
    (void)state;
    mp_report r;
    mp_buf out;
    mp_report_init(&r);
    mp_buf_init(&out, NULL);
    r.ranks = calloc(2, sizeof *r.ranks);
    r.n_ranks = 2;
    snprintf(r.ranks[1].host, sizeof r.ranks[1].host, "no\"de\\\n1");
    r.ranks[1].rows = INT64_MAX;
    mp_report_phase_of(&r, "scan")->rows = 5;
    mp_report_phase_of(&r, "scan")->passes = 2;
    assert_int_equal(r.n_phases, 1);
    for (int i = 0; i < 2 * MP_REPORT_PHASES; i++) {
        char name[64];
        snprintf(name, sizeof name, "a phase with a rather long name %d", i);
        mp_report_phase_of(&r, name);
    }
    assert_true(r.n_phases <= MP_REPORT_PHASES);
    mp_report_json(&r, "query", &out);
    json_t *j = json_loadb((const char *)out.data, out.len, 0, NULL);
    assert_non_null(j);
    json_t *rank = json_array_get(json_object_get(j, "ranks"), 1);
    assert_string_equal(json_string_value(json_object_get(rank, "host")), "no\"de\\\n1");
    assert_true(json_integer_value(json_object_get(rank, "rows")) == INT64_MAX);
    json_t *phase = json_array_get(json_object_get(j, "phases"), 0);
    assert_string_equal(json_string_value(json_object_get(phase, "name")), "scan");
    assert_int_equal(json_integer_value(json_object_get(phase, "passes")), 2);
    assert_string_equal(json_string_value(json_object_get(j, "command")), "query");
    json_decref(j);
    mp_buf_release(&out);
    mp_report_release(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_permutations),
        cmocka_unit_test(test_millionths),
        cmocka_unit_test(test_rows_keep_to_their_room),
        cmocka_unit_test(test_progress_line),
        cmocka_unit_test(test_report_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
