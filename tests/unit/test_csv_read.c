/* test_csv_read.c - the reader against a plain parser: every cut, every SIMD level, odd and bad
 * rows, growing texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/simd.h"
#include "csv_oracle.h"

static const mp_csv_dialect plain = {.delimiter = ',', .quote = '"', .comment = '#'};
static const char *const level_names[] = {"c", "avx2", "avx512"};

/* ---- the reader ---- */

typedef struct {
    const mp_csv_dialect *d;
    int n_columns;
    mp_bad_row mode;
    bool filter;
    const char *level;
    size_t first_len; /* bytes given at first; more is given when asked for; 0: all */
} setup;

static mp_status not_b(void *ctx, const mp_batch *in, uint32_t *sel, int32_t *n_sel,
                       mp_error *err) {
    (void)ctx;
    (void)err;
    assert_int_equal(in->n_cols, 1);
    int32_t n = 0;
    for (int32_t i = 0; i < in->n_rows; i++) {
        mp_str s = in->cols[0].str[i];
        bool b = !mp_col_is_null(&in->cols[0], i) && s.len == 1 && s.p[0] == 'b';
        if (!b) sel[n++] = (uint32_t)i;
    }
    *n_sel = n;
    return MP_OK;
}

static void put_batch(const mp_batch *b, csv_sink *s) {
    assert_true(b->n_rows <= MP_BATCH_ROWS);
    for (int32_t i = 0; i < b->n_rows; i++) {
        int64_t no = s->records_before + b->first_row + (b->row_no ? b->row_no[i] : (uint32_t)i);
        mp_buf_printf(&s->r->rows, "@%d#%d:", (int)(b->base + b->rec[i]), (int)no);
        for (int32_t c = 0; c < b->n_cols; c++)
            put_field(&s->r->rows, b->cols[c].str[i].p, b->cols[c].str[i].len,
                      mp_col_is_null(&b->cols[c], i));
    }
}

/* One split [begin, begin + split_len) of the text; false: an error, put into s->r. */
static bool read_split(mp_csv_reader *reader, const setup *u, const uint8_t *p, size_t n,
                       size_t begin, size_t split_len, mp_csv_state entry, csv_sink *s,
                       mp_csv_end *end) {
    size_t len = n - begin;
    if (u->first_len && split_len + u->first_len < len) len = split_len + u->first_len;
    mp_csv_text t = {.bytes = p + begin,
                     .len = len,
                     .split_len = split_len,
                     .at_eof = begin + len == n,
                     .entry = entry,
                     .begin = (int64_t)begin,
                     .split = 7};
    mp_error err = MP_ERROR_INIT;
    mp_status st = mp_csv_reader_begin(reader, &t, &err);
    for (bool more = true; more && st == MP_OK;) {
        mp_batch b;
        bool need;
        st = mp_csv_reader_next(reader, &b, &more, &need, &err);
        if (st != MP_OK) break;
        put_batch(&b, s);
        if (!need) continue;
        assert_true(begin + len < n);
        len += 1 + len / 2 < n - begin - len ? 1 + len / 2 : n - begin - len;
        st = mp_csv_reader_extend(reader, p + begin, len, begin + len == n, &err);
    }
    mp_csv_reader_end(reader, end);
    if (st == MP_OK) {
        assert_true(end->exit_known);
        assert_int_equal(end->exit, oracle_state(u->d, p, begin + split_len, MP_CSV_RECORD_START));
        s->records_before += end->n_records;
        return true;
    }
    assert_int_equal(st, MP_DATA);
    assert_int_equal(err.split, 7);
    s->r->failed = true;
    s->r->offset = err.offset;
    s->r->row = err.row_in_split + s->records_before;
    snprintf(s->r->why, sizeof s->r->why, "%.60s", err.why);
    return false;
}

/* The text in splits that end at cuts[0..n_cuts). */
static void read_all(const setup *u, const uint8_t *p, size_t n, const size_t *cuts, int n_cuts,
                     result *r) {
    setenv("MPART_SIMD", u->level, 1);
    mp_csv_column *wanted = calloc((size_t)u->n_columns, sizeof *wanted);
    assert_non_null(wanted);
    for (int c = 0; c < u->n_columns; c++)
        wanted[c] = (mp_csv_column){.c = c,
                                    .use = MP_CSV_TEXT,
                                    .type = MP_STRING,
                                    .in_filter = u->filter && c == 0,
                                    .after_filter = true,
                                    .name = "x"};
    csv_sink s = {.r = r};
    mp_mem mem;
    mp_mem_init(&mem, 0);
    mp_csv_args args = {.dialect = u->d,
                        .n_columns = u->n_columns,
                        .n_wanted = u->n_columns,
                        .wanted = wanted,
                        .on_bad_row = u->mode,
                        .filter = u->filter ? not_b : NULL,
                        .reject = csv_on_reject,
                        .reject_ctx = &s,
                        .mem = &mem};
    mp_csv_reader *reader = NULL;
    assert_int_equal(mp_csv_reader_new(&args, &reader, NULL), MP_OK);
    mp_csv_state entry = MP_CSV_RECORD_START;
    size_t begin = 0;
    for (int i = 0; i <= n_cuts; i++) {
        size_t to = i < n_cuts ? cuts[i] : n;
        mp_csv_end end;
        if (!read_split(reader, u, p, n, begin, to - begin, entry, &s, &end)) break;
        entry = end.exit;
        begin = to;
    }
    r->n_records = s.records_before;
    mp_csv_reader_free(&reader);
    assert_null(reader);
    assert_int_equal(mem.used_bytes, 0);
    free(wanted);
    unsetenv("MPART_SIMD");
}

static void assert_same(const result *a, const result *b) {
    assert_int_equal(a->failed, b->failed);
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->row, b->row);
    assert_string_equal(a->why, b->why);
    /* of a text that fails: what comes before the error */
    assert_int_equal(a->rows.len, b->rows.len);
    if (a->rows.len) assert_memory_equal(a->rows.data, b->rows.data, a->rows.len);
    assert_int_equal(a->rejects.len, b->rejects.len);
    if (a->rejects.len) assert_memory_equal(a->rejects.data, b->rejects.data, a->rejects.len);
    if (!a->failed) assert_int_equal(a->n_records, b->n_records);
}

/* Read with cuts and compare with the oracle. */
static void check(const setup *u, const uint8_t *p, size_t n, const size_t *cuts, int n_cuts,
                  const result *want) {
    result got;
    result_init(&got);
    read_all(u, p, n, cuts, n_cuts, &got);
    assert_same(&got, want);
    result_free(&got);
}

/* ---- tests ---- */

static void every_cut(void **state) {
    (void)state;
    size_t n = sizeof NASTY - 1;
    guarded g = guard_text(NASTY, n, true);
    for (int mode = MP_BAD_ROW_SKIP; mode <= MP_BAD_ROW_NULL; mode++)
        for (int nc = 1; nc <= 3; nc += 2) {
            result want;
            result_init(&want);
            oracle_read(&plain, g.text, n, nc, (mp_bad_row)mode, false, &want);
            assert_true(want.n_records > 8);
            for (int l = 0; l < 3; l++)
                for (size_t cut = 0; cut <= n; cut++) {
                    setup u = {&plain,         nc, (mp_bad_row)mode, false, level_names[l],
                               cut % 3 ? 1 : 0};
                    size_t cuts[2] = {cut, cut + (n - cut) / 2};
                    check(&u, g.text, n, cuts, cut % 2 ? 1 : 2, &want);
                }
            result_free(&want);
        }
    guard_free(&g);
}

static const struct {
    int n_columns;
    const char *text, *fields;
} python_cases[] = {
    {4,
     "\"a\303\251\n;\",,,\"x\"\"y\"\r\n\"b,'\na\",\"x\"\"y\",\"\"\"x\"\"y\",\"b,\"\r\n',\"\"\"\",,"
     "\"\"\r\n",
     "a\303\251\n;|||x\"y|b,'\na|x\"y|\"x\"y|b,|'|\"|||"},
    {2, "\"\n\",\"\"\"\"\r\n\"x\"\"y\",a ", "\n|\"|x\"y|a |"},
    {3, "\"''\",\"b,\r\n\",\"\r\n\303\251\"\r\n", "''|b,\r\n|\r\n\303\251|"},
    {2, "\"a\",\r\n\"x\"\"ya\",\"x\"\"y x\"\"y'\"\r\n,'\r\n\"b,\",\303\251\r\n",
     "a||x\"ya|x\"y x\"y'||'|b,|\303\251|"},
    {4,
     ",\"\r\na\",\"b,\n \",\"' \"\" "
     "\"\r\n\"1.5\",\"\r\n\"\"\",,\"\303\251\"\"\"\r\n\"\",\"x\"\"ya\n\",\" "
     "\r\n\303\251;\",\"\"\"a;\"\r\n",
     "|\r\na|b,\n |' \" |1.5|\r\n\"||\303\251\"||x\"ya\n| \r\n\303\251;|\"a;|"},
    {3,
     "1.5,;,\"b,\"\"x\"\"y\"\n\"\"\"a\",\"\r\n\"\"\303\251\","
     "\"\"\"\303\251\303\251\"\n\"\303\251\r\n\",\"\303\251x\"\"y\",\"b,\"\n",
     "1.5|;|b,\"x\"y|\"a|\r\n\"\303\251|\"\303\251\303\251|\303\251\r\n|\303\251x\"y|b,|"},
    {4,
     "\"\"\"b,\",\"\r\n\",\" b, 1.5\",\";a\r\n "
     "\"\r\n\"1.5;\r\n\303\251\",\"1.51.5\",\";\"\"\",\"a\303\251\r\n\"\r\n",
     "\"b,|\r\n| b, 1.5|;a\r\n |1.5;\r\n\303\251|1.51.5|;\"|a\303\251\r\n|"},
    {3,
     "\";;  \",\"1.5x\"\"y\",\"\"\"1.5\"\r\n\"  "
     "\",\"\n\",\"\303\251\r\n\"\r\n,\"\"\"''\",\";x\"\"y\r\n'\"\r\n\";\r\n1.5a\",\"\"\"\","
     "\"\303\251';\"\"\"\r\n",
     ";;  |1.5x\"y|\"1.5|  |\n|\303\251\r\n||\"''|;x\"y\r\n'|;\r\n1.5a|\"|\303\251';\"|"},
    {4, "\"\n\"\"a\",\"b,\",\"\"\"\303\251\",\"\"\n\" x\"\"y;\",\"b,'\n\n\",a ,\"x\"\"yb,\"\n",
     "\n\"a|b,|\"\303\251|| x\"y;|b,'\n\n|a |x\"yb,|"},
    {4,
     "\"'\r\nb,\r\n\",\" "
     "'\r\n\",\"\"\"x\"\"y\",';\n\"\"\"\",\"x\"\"y'\303\251\n\",\"'\",\n'',;',\"\n\303\251\r\n\","
     "\"1.5x\"\"yx\"\"y\"",
     "'\r\nb,\r\n| '\r\n|\"x\"y|';|\"|x\"y'\303\251\n|'||''|;'|\n\303\251\r\n|1.5x\"yx\"y|"},
    {2,
     "\"\303\251\r\n\",\"a "
     "\r\n\"\r\n\"\r\n\"\"\303\251\",\"\"\r\n\"\303\251\n\r\na\",\"x\"\"y\"\r\n,"
     "\"\r\n\n\303\251a\"\r\n\"\303\251\",1.5\r\n",
     "\303\251\r\n|a \r\n|\r\n\"\303\251||\303\251\n\r\na|x\"y||\r\n\n\303\251a|\303\251|1.5|"},
    {4,
     ",\"\r\n\",\"'\r\n\",a\303\251  "
     "\n\"\"\"aa\r\n\",\"\303\251;b,;\",\"\nax\"\"yx\"\"y\",'1.51.5;\n\"\303\251x\"\"y;\",\"\r\n\","
     "\"b,\r\na\",\"'\r\n;\"\n\"\r\n\"\"\"\"\",1.5\303\251,\"\"\"x\"\"y'\",\"\"\n",
     "|\r\n|'\r\n|a\303\251  "
     "|\"aa\r\n|\303\251;b,;|\nax\"yx\"y|'1.51.5;|\303\251x\"y;|\r\n|b,\r\na|'\r\n;|\r\n\"\"|1."
     "5\303\251|\"x\"y'||"},
};

/* What Python's csv module reads from random well-formed texts. */
static void as_python_reads(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof python_cases / sizeof *python_cases; k++) {
        const char *text = python_cases[k].text, *want = python_cases[k].fields;
        guarded g = guard_text(text, strlen(text), k % 2);
        setup u = {&(mp_csv_dialect){.delimiter = ',', .quote = '"'},
                   python_cases[k].n_columns,
                   MP_BAD_ROW_FAIL,
                   false,
                   level_names[k % 3],
                   0};
        result got;
        result_init(&got);
        read_all(&u, g.text, g.len, NULL, 0, &got);
        assert_false(got.failed);
        /* back from the written rows to the fields' texts */
        mp_buf fields;
        mp_buf_init(&fields, NULL);
        for (size_t i = 0; i < got.rows.len;) {
            if (got.rows.data[i] == '@')
                while (got.rows.data[i++] != ':') {
                }
            size_t len = 0;
            if (got.rows.data[i] == '~')
                i++;
            else
                for (; got.rows.data[i] != ':'; i++)
                    len = len * 10 + got.rows.data[i] - '0';
            if (got.rows.data[i] == ':') mp_buf_put(&fields, got.rows.data + i + 1, len);
            i += got.rows.data[i] == ':' ? len + 2 : 1;
            mp_buf_put(&fields, "|", 1);
        }
        assert_int_equal(fields.len, strlen(want));
        assert_memory_equal(fields.data, want, fields.len);
        mp_buf_release(&fields);
        result_free(&got);
        guard_free(&g);
    }
}

static void random_texts(void **state) {
    (void)state;
    static const char *const alphabets[] = {"a,\"\n\r#", "aab,,\n", "abbb,,,,\"\"\n\n",
                                            "aaaaaaa\",\n"};
    uint64_t seed = 31;
    uint8_t text[600];
    for (int k = 0; k < 6000; k++) {
        size_t n = rnd(&seed, k % 2 ? 60 : sizeof text);
        rnd_text(&seed, alphabets[k % 4], text, n);
        if (n && k % 50 == 0) text[rnd(&seed, (uint32_t)n)] = 0;
        guarded g = guard_text(text, n, k % 3 != 0);
        mp_csv_dialect d = plain;
        if (k % 3 == 0) d.comment = 0;
        if (k % 13 == 0) d.quote = 0;
        setup u = {&d, 1 + (int)rnd(&seed, 4), (mp_bad_row)(k % 3), k % 5 == 0, "c", rnd(&seed, 3)};
        result want;
        result_init(&want);
        oracle_read(&d, g.text, n, u.n_columns, u.mode, u.filter, &want);
        size_t cut = rnd(&seed, (uint32_t)n + 1);
        for (int l = 0; l < 3; l++) {
            u.level = level_names[l];
            check(&u, g.text, n, &cut, k % 4 ? 1 : 0, &want);
        }
        result_free(&want);
        guard_free(&g);
    }
}

/* Regular rows for several runs, with something odd now and then. */
static size_t long_text(uint8_t *out, size_t cap, uint64_t *seed, uint32_t every, bool crlf) {
    static const char *const odd[] = {
        "\n",    "#c \"c\n",  "5\" x,b,c\n",      "\"a\n\",\"b\"\"\",\"\"\n",
        "a,b\n", "b,c,d,e\n", "\"x\"y,\"b\",c\n", "b,\"\r\n\",\r\n",
        "\r\n",  "b,,\n"};
    size_t n = 0;
    while (n + 200 < cap) {
        if (every && rnd(seed, every) == 0)
            n += (size_t)snprintf((char *)out + n, cap - n, "%s", odd[rnd(seed, 10)]);
        else
            n += (size_t)snprintf((char *)out + n, cap - n, "%s,%u,%u%s", rnd(seed, 3) ? "a" : "b",
                                  rnd(seed, 100000), rnd(seed, rnd(seed, 2) ? 10 : 1000000),
                                  crlf ? "\r\n" : "\n");
    }
    return n;
}

static void long_texts(void **state) {
    (void)state;
    enum { CAP = 700 * 1000 };
    uint8_t *text = malloc(CAP);
    assert_non_null(text);
    uint64_t seed = 41;
    static const uint32_t every[] = {0, 100000, 3000, 300, 20, 2};
    for (int k = 0; k < 12; k++) {
        size_t n = long_text(text, CAP, &seed, every[k % 6], k >= 6);
        if (k == 9) n--;
        guarded g = guard_text(text, n, true);
        setup u = {&plain, 3, k % 2 ? MP_BAD_ROW_SKIP : MP_BAD_ROW_NULL, k % 3 == 1, "c", 0};
        result want;
        result_init(&want);
        oracle_read(&plain, g.text, n, 3, u.mode, u.filter, &want);
        for (int l = 0; l < 3; l++) {
            u.level = level_names[l];
            size_t cuts[3] = {rnd(&seed, 1000), 200000 + rnd(&seed, 1000), 600000};
            check(&u, g.text, n, cuts, l, &want);
        }
        result_free(&want);
        guard_free(&g);
    }
    free(text);
}

/* The shape of the text at its extremes: many columns, long fields, no rows, one column. */
static void wide_and_long(void **state) {
    (void)state;
    enum { CAP = 9 * 1000 * 1000 };
    uint8_t *text = malloc(CAP);
    assert_non_null(text);
    for (int k = 0; k < 4; k++) {
        size_t n = 0;
        int nc = k == 0 ? 5000 : k == 1 ? 100000 : 2;
        uint64_t seed = 51;
        for (int row = 0; row < (k == 0 ? 60 : 4); row++) {
            for (int c = 0; c < nc; c++) {
                if (c) text[n++] = ',';
                bool quoted = k >= 2 && c == 1;
                uint32_t len = k < 2 ? rnd(&seed, 9) : c == 0 ? 3 : 1500000 + rnd(&seed, 100);
                if (quoted) text[n++] = '"';
                memset(text + n, quoted && k == 3 ? '\n' : 'a', len);
                n += len;
                if (quoted) text[n++] = '"';
            }
            text[n++] = '\n';
        }
        assert_true(n < CAP);
        guarded g = guard_text(text, n, true);
        result want;
        result_init(&want);
        oracle_read(&plain, g.text, n, nc, MP_BAD_ROW_FAIL, false, &want);
        assert_false(want.failed);
        for (int l = 0; l < 3; l++) {
            setup u = {&plain, nc, MP_BAD_ROW_FAIL, false, level_names[l], 100};
            size_t cuts[2] = {n / 3, n / 2};
            check(&u, g.text, n, cuts, 2, &want);
        }
        result_free(&want);
        guard_free(&g);
    }
    free(text);
}

/* More lines than a batch holds, and more delimiters, in a table of one column. */
static void short_lines(void **state) {
    (void)state;
    enum { N = 60000 };
    uint8_t *text = malloc(N);
    assert_non_null(text);
    static const char *const lines[] = {"\n", "a\n", ",,,,,,,", ",\n,,", "b\r\n", "\"\"\n"};
    for (int k = 0; k < 6; k++) {
        for (size_t i = 0; i < N; i++)
            text[i] = (uint8_t)lines[k][i % strlen(lines[k])];
        guarded g = guard_text(text, N, true);
        setup u = {&plain, 1, MP_BAD_ROW_NULL, false, "c", 0};
        result want;
        result_init(&want);
        oracle_read(&plain, g.text, N, 1, u.mode, false, &want);
        for (int l = 0; l < 3; l++) {
            u.level = level_names[l];
            check(&u, g.text, N, &(size_t){9001}, k != 2, &want);
        }
        result_free(&want);
        guard_free(&g);
    }
    free(text);
}

static void small_texts(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",  "\n",  "\r\n", "a",  "a\n", "\"\"",  "\"",       "a\n\nb", "\r",    "\"a\"\r",
        "#", "#\n", "a,b",  "a,", ",",   "\"a\n", "\"a\"x,b", "\n\n\n", "a,b\r", ",\r\n"};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
        for (int i = 0; i < 18; i++) {
            guarded g = guard_text(texts[k], strlen(texts[k]), true);
            setup u = {&plain, 1 + i % 2, (mp_bad_row)(i / 2 % 3), false, level_names[i / 6], 0};
            result want;
            result_init(&want);
            oracle_read(&plain, g.text, g.len, u.n_columns, u.mode, false, &want);
            for (size_t cut = 0; cut <= g.len; cut++)
                check(&u, g.text, g.len, &cut, 1, &want);
            result_free(&want);
            guard_free(&g);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_texts),   cmocka_unit_test(short_lines),
        cmocka_unit_test(every_cut),     cmocka_unit_test(as_python_reads),
        cmocka_unit_test(random_texts),  cmocka_unit_test(long_texts),
        cmocka_unit_test(wide_and_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
