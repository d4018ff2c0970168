/* test_csv_scan.c - the kernels of all SIMD levels against the state machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "csv_case.h"
#include "io/csv/csv_scan.h"

/* The levels that this machine can run. */
static int levels(mp_simd *out) {
    int n = 0;
    unsetenv("MPART_SIMD");
    for (mp_simd l = MP_SIMD_C; l <= mp_simd_level(); l++)
        out[n++] = l;
    return n;
}

static const mp_csv_dialect quoted = {.delimiter = ',', .quote = '"'};
static const mp_csv_dialect unquoted = {.delimiter = ','};

typedef struct {
    uint32_t pos[4096 + MP_CSV_SCAN_SLACK];
    uint32_t n_pos, n_lines;
} marks;

static void oracle_marks(const mp_csv_dialect *d, const uint8_t *p, size_t n, marks *m) {
    mp_csv_state s = MP_CSV_RECORD_START;
    m->n_pos = m->n_lines = 0;
    for (size_t i = 0; i < n; i++) {
        if (s != MP_CSV_IN_QUOTES && (p[i] == '\n' || p[i] == (uint8_t)d->delimiter)) {
            m->pos[m->n_pos++] = (uint32_t)i;
            m->n_lines += p[i] == '\n';
        }
        s = oracle_state(d, p + i, 1, s);
    }
}

/* What a scan says of its bytes beside their positions. */
static void check_seen(const mp_csv_scan *s, const mp_csv_dialect *d, bool complete) {
    bool regular = true, doubled = false, crs = false;
    for (uint32_t i = 0; i < s->n_pos; i++)
        regular &= (s->base[s->pos[i]] == '\n') == ((i + 1) % s->period->n == 0);
    if (s->regular_known) assert_int_equal(s->regular, regular);
    mp_csv_state state = MP_CSV_RECORD_START;
    uint32_t to = complete ? s->to : s->n_pos ? s->pos[s->n_pos - 1] : s->from;
    for (uint32_t i = s->from; i < to; i++) {
        mp_csv_state next = oracle_state(d, s->base + i, 1, state);
        doubled |= state == MP_CSV_AFTER_QUOTE && next == MP_CSV_IN_QUOTES;
        crs |= s->base[i] == '\r';
        state = next;
    }
    if (doubled) assert_true(s->doubled);
    if (complete && d->quote) assert_int_equal(s->doubled, doubled);
    if (crs) assert_true(s->crs);
}

/* Scan p[from, n) at a level; what it gives must be a prefix of the truth, by whole blocks. Returns
 * true when it was not odd. */
static bool check_scan(mp_simd level, const mp_csv_dialect *d, const uint8_t *p, uint32_t from,
                       uint32_t n, uint32_t max_pos, uint32_t max_lines) {
    static marks want, got;
    oracle_marks(d, p + from, n - from, &want);
    static const uint32_t columns[] = {1, 2, 3, 5, 64, 65, 100};
    mp_csv_period period;
    mp_csv_period_make(&period, columns[n % 7]);
    mp_csv_scan s = {.base = p,
                     .period = &period,
                     .from = from,
                     .to = n,
                     .delimiter = (uint8_t)d->delimiter,
                     .quote = (uint8_t)d->quote,
                     .pos = got.pos,
                     .max_pos = max_pos,
                     .max_lines = max_lines};
    mp_csv_scan_choose(level)(&s);
    assert_true(s.n_pos <= want.n_pos);
    assert_true(s.n_pos < max_pos + 64 && s.n_lines < max_lines + 64);
    bool complete = !s.odd && s.n_pos < max_pos && s.n_lines < max_lines;
    if (complete) assert_int_equal(s.n_pos, want.n_pos);
    uint32_t lines = 0;
    for (uint32_t i = 0; i < s.n_pos; i++) {
        assert_int_equal(s.pos[i], want.pos[i] + from);
        lines += p[s.pos[i]] == '\n';
    }
    assert_int_equal(s.n_lines, lines);
    check_seen(&s, d, complete);
    return !s.odd;
}

static void random_texts(void **state) {
    (void)state;
    mp_simd level[3];
    int n_levels = levels(level);
    uint64_t seed = 21;
    uint8_t text[1500];
    static const char *const alphabets[] = {"a,\"\n\r", "aaaaaaaa,,\n", "aaaaaaaaaaaaaaaa,,\n\"",
                                            "a,\n"};
    for (int k = 0; k < 30000; k++) {
        size_t n = rnd(&seed, k % 2 ? 200 : sizeof text);
        rnd_text(&seed, alphabets[k % 4], text, n);
        const mp_csv_dialect *d = k % 5 ? &quoted : &unquoted;
        guarded g = guard_text(text, n, k % 3 != 0);
        uint32_t from = n ? rnd(&seed, 3) % (uint32_t)n : 0;
        bool same = false;
        for (int l = 0; l < n_levels; l++) {
            bool even = check_scan(level[l], d, g.text, from, (uint32_t)n,
                                   k % 7 ? 4096 : 1 + rnd(&seed, 100), k % 11 ? 4096 : 3);
            if (l > 0 && k % 7) assert_int_equal(even, same);
            same = even;
            if (!d->quote) assert_true(even);
        }
        guard_free(&g);
    }
}

/* Rows of one number of fields are regular until one separator is another. */
static void regular_texts(void **state) {
    (void)state;
    mp_simd level[3];
    int n_levels = levels(level);
    uint64_t seed = 3;
    static uint8_t text[8192];
    static uint32_t pos[8192 + MP_CSV_SCAN_SLACK];
    for (uint32_t columns = 1; columns <= 130; columns++) {
        uint32_t n = 0, n_pos = 0;
        mp_csv_period period;
        mp_csv_period_make(&period, columns);
        memset(text, 'x', sizeof text);
        for (uint32_t longest = 1 + rnd(&seed, 12); n < 6000; n_pos++) {
            n += rnd(&seed, longest);
            text[n++] = n_pos % columns == columns - 1 ? '\n' : ',';
        }
        for (int l = 0; l < n_levels; l++) {
            mp_csv_scan s = {.base = text,
                             .to = n,
                             .delimiter = ',',
                             .pos = pos,
                             .period = &period,
                             .max_pos = 8192,
                             .max_lines = 8192};
            mp_csv_scan_choose(level[l])(&s);
            assert_int_equal(s.n_pos, n_pos);
            if (!s.regular_known) continue;
            assert_true(s.regular);
            uint8_t *at = &text[pos[rnd(&seed, n_pos)]];
            *at ^= '\n' ^ ',';
            mp_csv_scan_choose(level[l])(&s);
            assert_false(s.regular);
            *at ^= '\n' ^ ',';
        }
    }
}

/* Every position of quotes, CR LF and newlines in quotes against the edges of blocks: well-formed
 * text is never odd. */
static void strict_texts(void **state) {
    (void)state;
    mp_simd level[3];
    int n_levels = levels(level);
    for (size_t shift = 0; shift < 130; shift++) {
        uint8_t text[700];
        memset(text, 'x', sizeof text);
        const char *rest =
            ",\"\",\"a\"\"b\",\"\"\"\",\"\r\n\",\"\n,\"\r\n\"q\",\"\"\r\n\"#,\",1\n\"z\"\n";
        size_t n = shift;
        for (int i = 0; i < 3; i++, n += strlen(rest))
            memcpy(text + n, rest, strlen(rest));
        guarded g = guard_text(text, n, true);
        for (int l = 0; l < n_levels; l++)
            assert_true(check_scan(level[l], &quoted, g.text, 0, (uint32_t)n, 4096, 4096));
        guard_free(&g);
    }
}

/* What the scan must leave to the state machine, at every place of a block. */
static void odd_texts(void **state) {
    (void)state;
    static const char *const odd[] = {"5\" pipe", ",\"a\"b,", ",\"a\"\rb,", ",\"a\"\r\r\n",
                                      "\r\"a\""};
    mp_simd level[3];
    int n_levels = levels(level);
    for (size_t k = 0; k <= sizeof odd / sizeof *odd; k++)
        for (size_t shift = 0; shift < 130; shift++) {
            uint8_t text[400];
            memset(text, 'x', sizeof text);
            if (k == sizeof odd / sizeof *odd)
                text[shift] = 0;
            else
                memcpy(text + shift, odd[k], strlen(odd[k]));
            guarded g = guard_text(text, sizeof text, true);
            for (int l = 0; l < n_levels; l++)
                assert_int_equal(
                    check_scan(level[l], &quoted, g.text, 0, (uint32_t)sizeof text, 4096, 4096),
                    false);
            guard_free(&g);
        }
}

static void level_is_chosen(void **state) {
    (void)state;
    unsetenv("MPART_SIMD");
    mp_simd best = mp_simd_level();
    setenv("MPART_SIMD", "c", 1);
    assert_int_equal(mp_simd_level(), MP_SIMD_C);
    assert_string_equal(mp_simd_name(mp_simd_level()), "c");
    setenv("MPART_SIMD", "avx512", 1);
    assert_int_equal(mp_simd_level(), best);
    setenv("MPART_SIMD", "mmx", 1);
    assert_int_equal(mp_simd_level(), best);
    setenv("MPART_SIMD", "avx2", 1);
    assert_int_equal(mp_simd_level(), best < MP_SIMD_AVX2 ? best : MP_SIMD_AVX2);
    unsetenv("MPART_SIMD");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_texts),    cmocka_unit_test(regular_texts),
        cmocka_unit_test(strict_texts),    cmocka_unit_test(odd_texts),
        cmocka_unit_test(level_is_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
