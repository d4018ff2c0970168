/* test_csv_split.c - the state machine over ranges of bytes against a table, and the guess. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "csv_case.h"

static const mp_csv_dialect dialects[] = {
    {.delimiter = ',', .quote = '"', .comment = '#'},
    {.delimiter = ',', .quote = '"'},
    {.delimiter = ';', .comment = '#'},
    {.delimiter = '\t', .quote = '\''},
};
enum { N_DIALECTS = sizeof dialects / sizeof *dialects };

static void check_walk(const mp_csv_dialect *d, const uint8_t *p, size_t n) {
    for (int s = 0; s < MP_CSV_STATES; s++) {
        if (!d->quote && (s == MP_CSV_IN_QUOTES || s == MP_CSV_AFTER_QUOTE)) continue;
        int64_t want = -1, first = -7;
        for (size_t i = 0; i < n && want < 0; i++)
            if (oracle_state(d, p, i, (mp_csv_state)s) == MP_CSV_RECORD_START) want = (int64_t)i;
        mp_csv_state got = mp_csv_walk(d, p, n, (mp_csv_state)s, &first);
        assert_int_equal(got, oracle_state(d, p, n, (mp_csv_state)s));
        assert_int_equal(first, want);
    }
}

static void walk_nasty(void **state) {
    (void)state;
    size_t n = sizeof NASTY - 1;
    guarded g = guard_text(NASTY, n, true);
    for (int i = 0; i < N_DIALECTS; i++)
        for (size_t from = 0; from <= n; from += 7)
            for (size_t to = from; to <= n; to += from % 3 ? 1 : 11)
                check_walk(&dialects[i], g.text + from, to - from);
    guard_free(&g);
}

static void walk_random(void **state) {
    (void)state;
    uint64_t seed = 11;
    uint8_t text[200];
    for (int k = 0; k < 20000; k++) {
        size_t n = rnd(&seed, 200);
        rnd_text(&seed, k % 2 ? "ab,\"\n\r#" : "aaaaaaaaaa,,\"\n;'#\t", text, n);
        check_walk(&dialects[k % N_DIALECTS], text, n);
    }
}

static void functions_compose(void **state) {
    (void)state;
    uint64_t seed = 12;
    enum { N = 300 * 1000 };
    uint8_t *text = malloc(N);
    assert_non_null(text);
    for (int k = 0; k < 60; k++) {
        const mp_csv_dialect *d = &dialects[k % 2];
        size_t n = k < 40 ? rnd(&seed, 3000) : N;
        /* words between the marks, so that states live long enough to reach the end of a piece */
        rnd_text(&seed, k % 3 ? "abcdefghij,,,\n" : "ab,\"\n#", text, n);
        for (size_t i = 0; k % 3 == 1 && i < n; i += 1 + rnd(&seed, 5000))
            text[i] = '"';
        mp_csv_func whole;
        mp_csv_range_func(d, text, n, &whole);
        for (int s = 0; s < MP_CSV_STATES; s++) {
            assert_int_equal(whole.exit[s], oracle_state(d, text, n, (mp_csv_state)s));
            int t = s;
            for (size_t at = 0; at < n;) {
                size_t len = 1 + rnd(&seed, n < 3001 ? 50 : 100000);
                if (len > n - at) len = n - at;
                mp_csv_func part;
                mp_csv_range_func(d, text + at, len, &part);
                t = part.exit[t];
                at += len;
            }
            assert_int_equal(t, whole.exit[s]);
        }
    }
    free(text);
}

/* A table in strict form: ids, a text with newlines, delimiters and quotes in quotes, a number. */
static size_t strict_table(uint8_t *out, size_t cap) {
    static const char *const texts[] = {
        "plain", "\"a, b\"", "\"two\nlines, \"\"quoted\"\"\"", "\"x\n\n1,2,3\n\"",
        "\"\"",  "\"\"\"\""};
    uint64_t seed = 13;
    size_t n = 0;
    for (int i = 0; n + 100 < cap; i++)
        n += (size_t)snprintf((char *)out + n, cap - n, "id%u,%s,%u.5\n", rnd(&seed, 1000),
                              texts[rnd(&seed, 6)], rnd(&seed, 1000000));
    return n;
}

/* Text that is mostly strict, with comments, inch marks and stray quotes here and there: the walk
 * goes by blocks, and must leave them and come back to them at the right places. */
static void walk_mostly_strict(void **state) {
    (void)state;
    static uint8_t text[60000];
    static const char *const odd[] = {"\n#\"x\n", "5\" ", "\"y\"z", "\n#,\"", "\"", "\0"};
    uint64_t seed = 14;
    for (int k = 0; k < 3000; k++) {
        size_t n = strict_table(text, 5000), from = rnd(&seed, 3000);
        n = 400 + rnd(&seed, (uint32_t)(n - from - 400));
        for (uint32_t i = 0; i < (uint32_t)k % 5; i++) {
            const char *what = odd[rnd(&seed, k % 3 ? 5 : 6)];
            memcpy(text + from + rnd(&seed, (uint32_t)n - 10), what, *what ? strlen(what) : 1);
        }
        guarded g = guard_text(text + from, n, true);
        for (int i = 0; i < 2; i++)
            check_walk(&dialects[i], g.text, n);
        guard_free(&g);
    }
}

/* A comment with a quote, right where a long way by blocks ends. */
static void comment_behind_strict(void **state) {
    (void)state;
    static uint8_t text[6000];
    for (size_t rows = 100; rows < 400; rows += 7) {
        size_t n = 0;
        for (size_t i = 0; i < rows; i++, n += 7)
            memcpy(text + n, "1,\"ab\"\n", 7);
        memcpy(text + n, "#,\"\n1,2,", 7);
        memset(text + n + 7, 'x', 600);
        for (size_t behind = 4; behind < 600; behind += 99)
            check_walk(&dialects[0], text, n + behind);
    }
}

static void guess_in_strict_text(void **state) {
    (void)state;
    static uint8_t text[60000];
    const mp_csv_dialect *d = &dialects[1];
    size_t n = strict_table(text, sizeof text), window = 8192;
    for (size_t at = 4096; at + 4096 < n; at += 37) {
        mp_csv_state got = mp_csv_guess(d, text + at - 4096, window, 4096, false, 3);
        assert_int_equal(got, oracle_state(d, text, at, MP_CSV_RECORD_START));
    }
    for (size_t at = 0; at < 3000; at++)
        assert_int_equal(mp_csv_guess(d, text, 5000, at, true, 3),
                         oracle_state(d, text, at, MP_CSV_RECORD_START));
}

static void guess_without_quotes(void **state) {
    (void)state;
    const char *text = "11,12\n21,22\r\n\n#c,c\n31,32\n";
    size_t n = strlen(text);
    const uint8_t *p = (const uint8_t *)text;
    for (size_t at = 6; at <= n; at++)
        assert_int_equal(mp_csv_guess(&dialects[0], p, n, at, false, 2),
                         oracle_state(&dialects[0], p, at, MP_CSV_RECORD_START));
    /* no newline at all, with and without quotes */
    assert_int_equal(mp_csv_guess(&dialects[0], p, 5, 3, false, 2), MP_CSV_IN_FIELD);
    assert_int_equal(mp_csv_guess(&dialects[0], (const uint8_t *)"a\"b\"c", 5, 3, false, 2),
                     MP_CSV_IN_FIELD);
}

/* Inch marks make the number of quotes odd: parity would be wrong, the number of fields is not. */
static void guess_with_inches(void **state) {
    (void)state;
    static char text[20000];
    size_t n = 0;
    for (int i = 0; n + 100 < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%d,%d\" pipe,\"a, b\",%s\n", i, i % 9,
                              i % 7 ? "x" : "\"y\ny\"");
    const uint8_t *p = (const uint8_t *)text;
    for (size_t at = 3000; at + 3000 < n; at += 11)
        assert_int_equal(mp_csv_guess(&dialects[1], p + at - 2500, 5000, 2500, false, 4),
                         oracle_state(&dialects[1], p, at, MP_CSV_RECORD_START));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walk_nasty),
        cmocka_unit_test(walk_random),
        cmocka_unit_test(functions_compose),
        cmocka_unit_test(walk_mostly_strict),
        cmocka_unit_test(comment_behind_strict),
        cmocka_unit_test(guess_in_strict_text),
        cmocka_unit_test(guess_without_quotes),
        cmocka_unit_test(guess_with_inches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
