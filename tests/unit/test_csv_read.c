/* test_csv_read.c - the reader against a plain parser: every cut, every SIMD level, odd and bad rows, growing texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/simd.h"
#include "csv_case.h"

static const mp_csv_dialect plain = {.delimiter = ',', .quote = '"', .comment = '#'};
static const char *const level_names[] = {"c", "avx2", "avx512"};

/* ---- the oracle: byte by byte, everything kept in growing buffers ---- */

/* Rows are written as "@offset#number:", then for each field "~;" for null or "length:text;". Rejects: "@offset#number reason". */
typedef struct {
    mp_buf rows, rejects;
    bool failed;
    int64_t offset, row; /* of the error */
    char why[64];
    int64_t n_records;
} result;

static void result_init(result *r) {
    *r = (result){.offset = -1, .row = -1};
    mp_buf_init(&r->rows, NULL);
    mp_buf_init(&r->rejects, NULL);
}

static void result_free(result *r) {
    mp_buf_release(&r->rows);
    mp_buf_release(&r->rejects);
}

static void put_field(mp_buf *b, const void *p, size_t n, bool is_null) {
    if (is_null) {
        mp_buf_printf(b, "~;");
        return;
    }
    mp_buf_printf(b, "%zu:", n);
    mp_buf_put(b, p, n);
    mp_buf_put(b, ";", 1);
}

typedef struct {
    mp_buf fields; /* as written to rows, the first n_columns */
    int64_t n;
    bool dirty, open;
    size_t next, text_end;

} parsed;

static void parse_plainly(const mp_csv_dialect *d, const uint8_t *p, size_t n, size_t i,
                          int n_columns, parsed *r) {
    mp_buf f;
    mp_buf_init(&f, NULL);
    bool more = true;
    *r = (parsed){.fields = r->fields};
    mp_buf_clear(&r->fields);
    while (more) {
        mp_buf_clear(&f);
        bool quoted = d->quote && i < n && p[i] == (uint8_t)d->quote, dirty = false;
        if (quoted) {
            i++;
            while (true) {
                if (i >= n) {
                    r->open = true;
                    mp_buf_release(&f);
                    return;
                }
                if (p[i] == (uint8_t)d->quote && (i + 1 >= n || p[i + 1] != (uint8_t)d->quote))
                    break;
                if (p[i] == (uint8_t)d->quote) i++;
                mp_buf_put(&f, &p[i++], 1);
            }
            i++;
        }
        size_t rest = i;
        while (i < n && p[i] != (uint8_t)d->delimiter && p[i] != '\n')
            mp_buf_put(&f, &p[i++], 1);
        more = i < n && p[i] == (uint8_t)d->delimiter;
        bool cr = i < n && p[i] == '\n' && i > rest && p[i - 1] == '\r';
        if (cr) f.len--;
        dirty = quoted && i - rest > (cr ? 1 : 0);
        r->dirty = r->dirty || dirty;
        if (r->n < n_columns)
            put_field(&r->fields, f.data, f.len, dirty || (!quoted && f.len == 0));
        r->n++;
        r->text_end = i - (cr ? 1 : 0);
        r->next = i < n ? i + 1 : n;
        i++;
    }
    for (int64_t c = r->n; c < n_columns; c++)
        put_field(&r->fields, NULL, 0, true);
    mp_buf_release(&f);
}

static void fail_at(result *r, size_t at, const char *why) {
    r->failed = true;
    r->offset = (int64_t)at;
    r->row = r->n_records;
    snprintf(r->why, sizeof r->why, "%s", why);
}

/* keep_first: only rows whose first byte is not 'b' survive. */
static void oracle_read(const mp_csv_dialect *d, const uint8_t *p, size_t n, int n_columns,
                        mp_bad_row mode, bool filter, result *r) {
    parsed line = {0};
    mp_buf_init(&line.fields, NULL);
    for (size_t i = 0; i < n && !r->failed; i = line.next) {
        bool lf = p[i] == '\n', crlf = i + 1 < n && p[i] == '\r' && p[i + 1] == '\n';
        bool blank = n_columns > 1 && (lf || crlf);
        bool comment = d->comment && p[i] == (uint8_t)d->comment && !lf;
        line.next = i + (lf ? 1 : 2);
        if (comment)
            for (line.next = i; line.next < n && p[line.next++] != '\n';) {
            }
        if (blank || comment) continue;
        parse_plainly(d, p, n, i, n_columns, &line);
        char why[64] = "";
        if (line.n != n_columns)
            snprintf(why, sizeof why, "%d field%s instead of %d", (int)line.n,
                     line.n == 1 ? "" : "s", n_columns);
        if (line.dirty) snprintf(why, sizeof why, "text behind a closing quote");
        if (line.open || memchr(p + i, 0, line.text_end - i)) {
            fail_at(r, i, line.open ? "quote never closed" : "NUL byte");
        } else if (why[0] && mode == MP_BAD_ROW_FAIL) {
            fail_at(r, i, why);
        } else {
            if (why[0])
                mp_buf_printf(&r->rejects, "@%zu#%d+%zu %s\n", i, (int)r->n_records,
                              line.text_end - i, why);
            bool in = !why[0] || mode == MP_BAD_ROW_NULL;
            if (filter && memcmp(line.fields.data, "1:b", 3) == 0) in = false;
            if (in) {
                mp_buf_printf(&r->rows, "@%zu#%d:", i, (int)r->n_records);
                mp_buf_put(&r->rows, line.fields.data, line.fields.len);
            }
            r->n_records++;
        }
    }
    mp_buf_release(&line.fields);
}

/* ---- the reader ---- */

typedef struct {
    const mp_csv_dialect *d;
    int n_columns;
    mp_bad_row mode;
    bool filter;
    const char *level;
    size_t first_len; /* bytes given at first; more is given when asked for; 0: all */
} setup;

typedef struct {
    result *r;
    int64_t records_before;
} sink;

static mp_status on_reject(void *ctx, int64_t row, int64_t offset, mp_str record,
                           const char *reason, mp_error *err) {
    sink *s = ctx;
    (void)err;
    mp_buf_printf(&s->r->rejects, "@%d#%d+%u %s\n", (int)offset, (int)(row + s->records_before),
                  record.len, reason);
    return MP_OK;
}

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

static void put_batch(const mp_batch *b, sink *s) {
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
                       size_t begin, size_t split_len, mp_csv_state entry, sink *s,
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
    sink s = {.r = r};
    mp_mem mem;
    mp_mem_init(&mem, 0);
    mp_csv_args args = {.dialect = u->d,
                        .n_columns = u->n_columns,
                        .n_wanted = u->n_columns,
                        .wanted = wanted,
                        .on_bad_row = u->mode,
                        .filter = u->filter ? not_b : NULL,
                        .reject = on_reject,
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

/* ---- typed columns ---- */

enum { A, B, C, GONE, N_WANTED };

/* B (number needed) is in the filter, A is a fixed int64, C text that comes after the filter only, and a column that the file lacks. */
static const mp_csv_column typed_columns[N_WANTED] = {
    [A] = {.c = 0,
           .use = MP_CSV_TYPED,
           .type = MP_INT64,
           .fixed = true,
           .after_filter = true,
           .name = "a"},
    [B] = {.c = 1,
           .use = MP_CSV_TYPED,
           .type = MP_INT64,
           .fixed = true,
           .in_filter = true,
           .after_filter = true,
           .name = "b"},
    [C] = {.c = 2,
           .use = MP_CSV_TYPED,
           .type = MP_INT64,
           .need_number = true,
           .after_filter = true,
           .name = "c"},
    [GONE] =
        {.c = -1, .use = MP_CSV_TYPED, .type = MP_FLOAT64, .after_filter = true, .name = "gone"},
};

static mp_status over_ten(void *ctx, const mp_batch *in, uint32_t *sel, int32_t *n_sel,
                          mp_error *err) {
    (void)ctx;
    (void)err;
    int32_t n = 0;
    for (int32_t i = 0; i < in->n_rows; i++)
        if (!mp_col_is_null(&in->cols[0], i) && in->cols[0].i64[i] > 10) sel[n++] = (uint32_t)i;
    *n_sel = n;
    return MP_OK;
}

/* Rows as "number: a b c" with ~ for null. An error is put behind the rejects. */
static void read_typed(const char *text, mp_bad_row mode, bool filter, result *r) {
    sink s = {.r = r};
    mp_csv_args args = {.dialect = &plain,
                        .n_columns = 3,
                        .n_wanted = N_WANTED,
                        .wanted = typed_columns,
                        .on_bad_row = mode,
                        .filter = filter ? over_ten : NULL,
                        .reject = on_reject,
                        .reject_ctx = &s};
    mp_csv_reader *reader = NULL;
    assert_int_equal(mp_csv_reader_new(&args, &reader, NULL), MP_OK);
    guarded g = guard_text(text, strlen(text), true);
    mp_csv_text t = {
        .bytes = g.text, .len = g.len, .split_len = g.len, .at_eof = true, .begin = 1000};
    mp_error err = MP_ERROR_INIT;
    assert_int_equal(mp_csv_reader_begin(reader, &t, &err), MP_OK);
    mp_status st = MP_OK;
    for (bool more = true, need; more && st == MP_OK;) {
        mp_batch b;
        st = mp_csv_reader_next(reader, &b, &more, &need, &err);
        if (st != MP_OK) break;
        assert_true(!more || b.n_cols == N_WANTED);
        for (int32_t i = 0; i < b.n_rows; i++) {
            mp_buf_printf(&r->rows,
                          "%d@%d:", (int)(b.first_row + (b.row_no ? b.row_no[i] : (uint32_t)i)),
                          (int)(b.base + b.rec[i]));
            for (int c = A; c <= C; c++)
                if (mp_col_is_null(&b.cols[c], i))
                    mp_buf_printf(&r->rows, " ~");
                else
                    mp_buf_printf(&r->rows, " %d", (int)b.cols[c].i64[i]);
            assert_true(mp_col_is_null(&b.cols[GONE], i) && b.cols[GONE].f64[i] == 0);
            mp_buf_printf(&r->rows, "\n");
        }
    }
    if (st != MP_OK)
        mp_buf_printf(&r->rejects, "%d@%d %s: %s", (int)err.row_in_split, (int)err.offset,
                      err.column, err.why);
    mp_buf_u8(&r->rows, 0);
    mp_buf_u8(&r->rejects, 0);
    mp_csv_end end;
    mp_csv_reader_end(reader, &end);
    r->n_records = end.n_bad;
    mp_csv_reader_free(&reader);
    guard_free(&g);
}

static void check_typed(const char *text, mp_bad_row mode, bool filter, const char *rows,
                        const char *rejects, int n_bad) {
    result r;
    result_init(&r);
    read_typed(text, mode, filter, &r);
    if (rows) assert_string_equal((char *)r.rows.data, rows);
    assert_memory_equal(r.rejects.data, rejects, strlen(rejects));
    if (!*rejects) assert_int_equal(r.rejects.len, 1);
    assert_int_equal(r.n_records, n_bad);
    result_free(&r);
}

static void misfits_fail(void **state) {
    (void)state;
    /* the smallest row, whichever column is looked at first */
    check_typed("1,20,3\nx,20,3\n1,y,3\n", MP_BAD_ROW_FAIL, true, NULL, "1@1007 a: ", 0);
    check_typed("1,20,3\n1,y,3\nx,20,3\n", MP_BAD_ROW_FAIL, true, NULL, "1@1007 b: ", 0);
    check_typed("1,20,3\n1,20\nx,20,3\n", MP_BAD_ROW_FAIL, true, "0@1000: 1 20 3\n",
                "1@1007 : 2 fields instead of 3", 0);
    check_typed("x,20,3\n1,20\n", MP_BAD_ROW_FAIL, true, "", "0@1000 a: ", 0);
    check_typed("1,20,no\nx,20,3\n", MP_BAD_ROW_FAIL, false, "", "0@1000 c: ", 0);
    /* what the filter leaves out is not looked at */
    check_typed("x,2,no\n1,20,3\n", MP_BAD_ROW_FAIL, true, "1@1007: 1 20 3\n", "", 0);
}

static void misfits_skip(void **state) {
    (void)state;
    const char *text = "1,20,3\nx,20,3\n1,20\n4,y,3\n5,6,7\n6,60,\n";
    check_typed(text, MP_BAD_ROW_SKIP, true, "0@1000: 1 20 3\n5@1031: 6 60 ~\n",
                "@1007#1+6 column 'a': ", 3);
    check_typed("4,y,3\n1,20\nx,11,12\n\"a\"b,1,1\n", MP_BAD_ROW_SKIP, false, "",
                "@1000#0+5 column 'b': ", 4);
    check_typed("1,20\n4,y,3\n", MP_BAD_ROW_SKIP, false, "",
                "@1000#0+4 2 fields instead of 3\n@1005#1+5 ", 2);
    check_typed("x,20,3\n1,20,no\n", MP_BAD_ROW_SKIP, true, "", "1@1007 c: ", 0);
}

static void misfits_null(void **state) {
    (void)state;
    check_typed("x,20,3\n1,20\n\"4\"y,y,3\n1,2,3,4\n", MP_BAD_ROW_NULL, false,
                "0@1000: ~ 20 3\n1@1007: 1 20 ~\n2@1012: ~ ~ 3\n3@1021: 1 2 3\n",
                "@1000#0+6 column 'a': ", 4);
    check_typed("1,20\nx,y,\n", MP_BAD_ROW_NULL, false, "0@1000: 1 20 ~\n1@1005: ~ ~ ~\n",
                "@1000#0+4 2 fields instead of 3\n@1005#1+4 column 'b': ", 2);
}

static void refused_memory(void **state) {
    (void)state;
    for (int64_t limit = 100; limit < 2000000; limit += limit / 2) {
        mp_mem mem;
        mp_mem_init(&mem, limit);
        mp_csv_args args = {.dialect = &plain,
                            .n_columns = 3,
                            .n_wanted = N_WANTED,
                            .wanted = typed_columns,
                            .on_bad_row = MP_BAD_ROW_NULL,
                            .mem = &mem};
        mp_csv_reader *reader = NULL;
        mp_error err = MP_ERROR_INIT;
        mp_status st = mp_csv_reader_new(&args, &reader, &err);
        if (st == MP_OK) {
            guarded g = guard_text("1,20\n\"4\"y,y,3\n", 14, true);
            mp_csv_text t = {.bytes = g.text, .len = 14, .split_len = 14, .at_eof = true};
            st = mp_csv_reader_begin(reader, &t, &err);
            for (bool more = true, need; more && st == MP_OK;) {
                mp_batch b;
                st = mp_csv_reader_next(reader, &b, &more, &need, &err);
            }
            guard_free(&g);
        }
        assert_true(st == MP_NOMEM || (st == MP_OK && limit > 1000));
        assert_true(st == MP_OK || err.status == MP_NOMEM);
        mp_csv_reader_free(&reader);
        assert_int_equal(mem.used_bytes, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_texts),    cmocka_unit_test(short_lines),
        cmocka_unit_test(every_cut),      cmocka_unit_test(as_python_reads),
        cmocka_unit_test(random_texts),   cmocka_unit_test(long_texts),
        cmocka_unit_test(wide_and_long),  cmocka_unit_test(misfits_fail),
        cmocka_unit_test(misfits_skip),   cmocka_unit_test(misfits_null),
        cmocka_unit_test(refused_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
