/* test_csv_plain.c - fronts of plain records against a reading byte by byte, at every length and alignment, with an odd byte at
 * every place, by vectors of each width. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "io/csv/csv_plain.h"

enum { ROOM = 6000 };

static bool odd(char c, char out_delimiter) {
    return c == '"' || c == '\r' || c == out_delimiter;
}

/* Byte by byte. */
static size_t slow_front(const char *p, size_t n, char out_delimiter, int64_t max_rows,
                         int64_t *rows) {
    size_t end = 0, start = 0;
    *rows = 0;
    for (size_t i = 0; i < n && *rows < max_rows; i++) {
        if (odd(p[i], out_delimiter) || (p[i] == '\n' && i == start)) break;
        if (p[i] != '\n') continue;
        end = start = i + 1;
        ++*rows;
    }
    return end;
}

static void same(const mp_csv_plain *plain, const char *p, size_t n, char out, int64_t most) {
    int64_t rows, want_rows;
    size_t want = slow_front(p, n, out, most, &want_rows);
    size_t got = mp_csv_plain_front(plain, (const uint8_t *)p, n, most, &rows);
    if (want != got || want_rows != rows)
        print_error("%zu bytes: front %zu with %lld rows, wanted %zu with %lld\n", n, got,
                    (long long)rows, want, (long long)want_rows);
    assert_int_equal(got, want);
    assert_int_equal(rows, want_rows);
}

static void fill(char *p, size_t n, unsigned seed, unsigned width) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1103515245u + 12345u;
        unsigned r = seed >> 16 & 0x7FFF;
        p[i] = r % width == 0 && i > 0 && p[i - 1] != '\n' ? '\n' : (char)('a' + r % 26);
    }
}

static void test_fronts(void **state) {
    (void)state;
    static char text[ROOM + 1];
    text[0] = '\n';
    char *p = text + 1;
    mp_csv_dialect tabs = {.delimiter = '\t', .quote = '"'};
    mp_csv_plain plain;
    assert_true(mp_csv_plain_make(&tabs, ',', &plain));
    static const unsigned widths[] = {2, 9, 60, 900, 7000};
    static const char bad[] = {'"', '\r', ',', '\n'};
    for (size_t w = 0; w < 5; w++) {
        fill(p, ROOM, 7 + (unsigned)w, widths[w]);
        for (size_t n = 0; n <= ROOM; n += n < 70 ? 1 : 37)
            for (int64_t most = 1; most < 4000; most *= 6)
                same(&plain, p, n, ',', most);
        for (size_t at = 0; at < ROOM; at += at < 40 || at > ROOM - 40 ? 1 : 13) {
            char was = p[at];
            for (size_t b = 0; b < sizeof bad; b++) {
                p[at] = bad[b];
                same(&plain, p, ROOM, ',', INT64_MAX);
            }
            p[at] = was;
        }
    }
}

static void test_what_fits(void **state) {
    (void)state;
    mp_csv_plain plain;
    const char *nulls[] = {"NA"};
    int64_t rows;
    mp_csv_dialect d = {.delimiter = ',', .quote = '"'};
    assert_true(mp_csv_plain_make(&d, ',', &plain));
    assert_int_equal(mp_csv_plain_front(&plain, (const uint8_t *)"\na,b\n" + 1, 4, 9, &rows), 4);
    d.quote = '\'';
    assert_true(mp_csv_plain_make(&d, ',', &plain));
    assert_int_equal(mp_csv_plain_front(&plain, (const uint8_t *)"\na,'\n" + 1, 4, 9, &rows), 0);
    assert_int_equal(mp_csv_plain_front(&plain, (const uint8_t *)"\na,\"\n" + 1, 4, 9, &rows), 0);
    d.comment = '#';
    assert_false(mp_csv_plain_make(&d, ',', &plain));
    d = (mp_csv_dialect){.delimiter = ',', .quote = '"', .n_nulls = 1, .nulls = nulls};
    assert_false(mp_csv_plain_make(&d, ',', &plain));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fronts),
        cmocka_unit_test(test_what_fits),
    };
    static const char *const levels[] = {"c", "avx2"};
    int failed = 0;
    for (int i = 0; i < 2; i++) {
        setenv("MPART_SIMD", levels[i], 1);
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
