/* test_csv_head.c - the head of a file: encodings, delimiters, names, evidence of the sample, every cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "io/csv/csv.h"

static mp_arena arena;
static mp_csv_head head;
static mp_error err;
static bool need_more;

static mp_csv_head_args standard(void) {
    return (mp_csv_head_args){.has_header = true, .dialect = {.quote = '"'}};
}

/* From bytes that end where their block of memory ends. */
static mp_status read_bytes(const mp_csv_head_args *a, const char *p, size_t n, bool at_eof) {
    mp_arena_reset(&arena);
    mp_error_init(&err);
    uint8_t *copy = malloc(n ? n : 1);
    memcpy(copy, p, n);
    mp_status st = mp_csv_read_head(a, copy, n, at_eof, &arena, &head, &need_more, &err);
    free(copy);
    return st;
}

static mp_status read_text(const mp_csv_head_args *a, const char *text) {
    return read_bytes(a, text, strlen(text), true);
}

/* "a|b|c" of the names. */
static const char *names(void) {
    static char out[4096];
    out[0] = 0;
    for (int c = 0; c < head.n_columns; c++)
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s", c ? "|" : "", head.names[c]);
    return out;
}

static void check_head(const mp_csv_head_args *a, const char *text, char delimiter,
                       const char *want, const char *data) {
    assert_int_equal(read_text(a, text), MP_OK);
    assert_false(need_more);
    assert_int_equal(head.delimiter, delimiter);
    assert_string_equal(names(), want);
    assert_string_equal(text + head.data_offset, data);
}

static void test_plain(void **state) {
    (void)state;
    mp_csv_head_args a = standard();
    check_head(&a, "id,x\n1,2.5\n22,abc\n", ',', "id|x", "1,2.5\n22,abc\n");
    assert_int_equal(head.n_columns, 2);
    assert_int_equal(head.seen[0].seen, MP_SEEN_INT);
    assert_int_equal(head.seen[0].int_digits, 2);
    assert_int_equal(mp_evidence_type(head.seen[1]), MP_STRING);
    assert_true(head.sample_is_all);
    assert_true(head.row_bytes == (6 + 7) / 2.0);
    check_head(&a, "a,b\r\n1,2\r\n", ',', "a|b", "1,2\r\n");
    assert_int_equal(head.seen[1].seen, MP_SEEN_INT);
    check_head(&a, "only", ',', "only", "");
    assert_true(head.row_bytes == 0);
    assert_int_equal(head.seen[0].seen, 0);
    check_head(&a, "a,b\n", ',', "a|b", "");
    check_head(&a, "\xEF\xBB\xBFna\xC3\xAFve,b\n1,2", ',', "na\xC3\xAFve|b", "1,2");
    assert_int_equal(head.seen[1].seen, MP_SEEN_INT); /* a last line without newline counts */
}

static void test_names(void **state) {
    (void)state;
    mp_csv_head_args a = standard();
    check_head(&a, "a,a,a\n", ',', "a|a_2|a_3", "");
    check_head(&a, "a,a,a_2\n", ',', "a|a_3|a_2", "");
    check_head(&a, "a_2,a,a,a_2\n", ',', "a_2|a|a_3|a_2_2", "");
    check_head(&a, ",x,,\"\"\n", ',', "c1|x|c3|c4", "");
    check_head(&a, "c2,,c2_2\n", ',', "c2|c2_3|c2_2", "");
    check_head(&a, " a , \"b\"\n", ',', " a | \"b\"", ""); /* kept as they are */
    check_head(&a, "\"x,y\",\"he said \"\"so\"\"\",\"two\nlines\"\r\n1,2,3\n", ',',
               "x,y|he said \"so\"|two\nlines", "1,2,3\n");
    check_head(&a, "a\"b,c\n", ',', "a\"b|c", "");
    static const char *given[] = {"p", "", "p"};
    a.names = given;
    a.n_names = 3;
    check_head(&a, "a,b,c\n1,2,3\n", ',', "p|c2|p_2", "1,2,3\n");
    assert_int_equal(read_text(&a, "a,b\n1,2\n"), MP_USAGE);
    assert_string_equal(err.why, "3 names given for 2 columns");
    a.has_header = false;
    check_head(&a, "1,2,3\n", ',', "p|c2|p_2", "1,2,3\n");
    a.n_names = 0;
    check_head(&a, "1,2,x\n", ',', "c1|c2|c3", "1,2,x\n");
    assert_int_equal(head.seen[0].seen, MP_SEEN_INT);
}

static void test_no_header_of_one_column(void **state) {
    (void)state;
    mp_csv_head_args a = standard();
    a.has_header = false;
    check_head(&a, "\n5\n", ',', "c1", "\n5\n"); /* a blank line is a row */
    assert_true(head.row_bytes == 1.5);
    check_head(&a, "\n\n5,6\n", ',', "c1|c2", "5,6\n");
}

static void test_many_equal_names(void **state) {
    (void)state;
    enum { N = 20000 };
    char *text = malloc(N * 2 + 1);
    for (int i = 0; i < N; i++)
        memcpy(text + 2 * i, i + 1 < N ? "x," : "x\n", 2);
    text[2 * N] = 0;
    mp_csv_head_args a = standard();
    assert_int_equal(read_text(&a, text), MP_OK);
    assert_int_equal(head.n_columns, N);
    assert_string_equal(head.names[0], "x");
    assert_string_equal(head.names[N - 1], "x_20000");
    free(text);
}

static void test_lines_before(void **state) {
    (void)state;
    mp_csv_head_args a = standard();
    a.dialect.comment = '#';
    check_head(&a, "\n\r\n# c,d\n#\n\na,b\n# no\n1,2\n", ',', "a|b", "# no\n1,2\n");
    assert_true(head.row_bytes == 4);
    a.skip_lines = 2;
    check_head(&a, "title \"\n,,,\n#x\na,b\n1,2\n", ',', "a|b", "1,2\n");
    check_head(&a, "\xEF\xBB\xBFt\nu\na\n", ',', "a", "");
    assert_int_equal(read_text(&a, "one\ntwo\n"), MP_DATA);
    assert_string_equal(err.why, "nothing is left behind the first 2 lines");
    assert_int_equal(read_text(&a, "one"), MP_DATA);
    assert_int_equal(read_bytes(&a, "one\nt", 5, false), MP_OK);
    assert_true(need_more);
    a.skip_lines = 0;
    assert_int_equal(read_text(&a, "\n#\n"), MP_DATA);
    assert_string_equal(err.why, "the file has only blank lines and comments");
}

static void test_sniffing(void **state) {
    (void)state;
    mp_csv_head_args a = standard();
    check_head(&a, "a;b\n1,5;2\n2,5;3\n", ';', "a|b", "1,5;2\n2,5;3\n");
    check_head(&a, "a\tb c\n1\t2\n", '\t', "a|b c", "1\t2\n");
    check_head(&a, "a|b|c\n1|2|3\n", '|', "a|b|c", "1|2|3\n");
    check_head(&a, "a;b,c\n", ',', "a;b|c", ""); /* in doubt the comma */
    check_head(&a, "word\nx\n", ',', "word", "x\n");
    check_head(&a, "\"a;b\",c\n1,2\n", ',', "a;b|c", "1,2\n"); /* quoted */
    check_head(&a, "a, x;b;c\n1;2;3\n1;2;3\n", ';', "a, x|b|c", "1;2;3\n1;2;3\n");
    check_head(
        &a, "a,b|c\n1,2|3\n1,2|3\n1,2|3\n1,2|3\n1,2|3\n1,2|3\n1,2|3\n1,2|3\n1,2|3\n1,2,3|4\n", ',',
        "a|b|c", "1,2|3\n1,2|3\n1,2|3\n1,2|3\n1,2|3\n1,2|3\n1,2|3\n1,2|3\n1,2|3\n1,2,3|4\n");
    a.dialect.decimal_comma = true;
    check_head(&a, "a;b\n1,5;2,5\n", ';', "a|b", "1,5;2,5\n");
    assert_int_equal(head.seen[0].seen, MP_SEEN_DECIMAL);
    assert_int_equal(head.seen[0].scale, 1);
    check_head(&a, "1,5\n", ';', "1,5", "");
    a.dialect.decimal_comma = false;
    a.delimiter = ':';
    check_head(&a, "a:b,c\n1:2\n", ':', "a|b,c", "1:2\n");
}

static void test_dialect_of_sample(void **state) {
    (void)state;
    static const char *nulls[] = {"NA"};
    mp_csv_head_args a = standard();
    a.dialect.nulls = nulls;
    a.dialect.n_nulls = 1;
    a.dialect.thousands = '_';
    a.dialect.date_format = "%d.%m.%Y";
    check_head(&a, "a,b,c,d\nNA,1_000,31.12.2020,\"1.5\"\n5,2,01.01.2020,\"1\"\n", ',', "a|b|c|d",
               "NA,1_000,31.12.2020,\"1.5\"\n5,2,01.01.2020,\"1\"\n");
    static const uint8_t want[] = {MP_SEEN_INT, MP_SEEN_INT, MP_SEEN_DATE,
                                   MP_SEEN_INT | MP_SEEN_DECIMAL};
    for (int c = 0; c < 4; c++)
        assert_int_equal(head.seen[c].seen, want[c]);
}

static void test_ragged_records_are_no_evidence(void **state) {
    (void)state;
    mp_csv_head_args a = standard();
    check_head(&a, "a,b\n1,2\nx\ny,z,w\n\"q\"r,s\n\n", ',', "a|b", "1,2\nx\ny,z,w\n\"q\"r,s\n\n");
    assert_int_equal(head.seen[0].seen, MP_SEEN_INT);
    assert_int_equal(head.seen[1].seen, MP_SEEN_INT);
}

static void test_encodings(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *name;
    } cases[] = {
        {"\xFF\xFE"
         "a\0,\0b\0\n\0",
         10, "UTF-16"},
        {"\xFE\xFF"
         "\0a\0,\0b\0\n",
         10, "UTF-16"},
        {"\xFF\xFE\0\0a\0\0\0", 8, "UTF-32"},
        {"\0\0\xFE\xFF\0\0\0a", 8, "UTF-32"},
        {"a\0,\0b\0\n\0", 8, "UTF-16LE"},
        {"\0a\0,\0b\0\n", 8, "UTF-16BE"},
        {"a\0\0\0,\0\0\0", 8, "UTF-32LE"},
        {"\0\0\0a\0\0\0,", 8, "UTF-32BE"},
    };
    mp_csv_head_args a = standard();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(read_bytes(&a, cases[i].bytes, cases[i].n, true), MP_DATA);
        char want[80];
        snprintf(want, sizeof want, "the text is %s, not UTF-8", cases[i].name);
        assert_string_equal(err.why, want);
        snprintf(want, sizeof want, "convert it first: iconv -f %s -t UTF-8", cases[i].name);
        assert_string_equal(err.hint, want);
    }
}

static void test_bad_heads(void **state) {
    (void)state;
    mp_csv_head_args a = standard();
    assert_int_equal(read_text(&a, ""), MP_DATA);
    assert_string_equal(err.why, "the file is empty");
    assert_int_equal(read_text(&a, "\xEF\xBB\xBF"), MP_DATA);
    assert_string_equal(err.why, "the file is empty");
    assert_int_equal(read_text(&a, "a,\"b\nc,d\n"), MP_DATA);
    assert_string_equal(err.why, "a quote in the header is never closed");
    assert_int_equal(read_bytes(&a, "a,\"b\nc,d\n", 9, false), MP_OK);
    assert_true(need_more);
    assert_int_equal(read_text(&a, "a,\"b\"x\n"), MP_DATA);
    assert_string_equal(err.why, "text behind a closing quote in the header");
    assert_int_equal(read_bytes(&a, "name,b\0c,d,e,f,g\n", 17, true), MP_DATA);
    assert_string_equal(err.why, "NUL byte in the name of column 2");
}

/* Cut at every byte: more is asked for until the header is there, and then the names are those of the whole file; only whole
 * records are evidence. */
static void test_every_cut(void **state) {
    (void)state;
    static const char text[] =
        "\xEF\xBB\xBF# c\r\n\r\n\"a;\n\"\"1\",b;c,d\r\n1,2.5,\"x\r\n\"\r\n33,1,y\r\n";
    const size_t n = sizeof text - 1;
    mp_csv_head_args a = standard();
    a.dialect.comment = '#';
    assert_int_equal(read_bytes(&a, text, n, true), MP_OK);
    int64_t data = head.data_offset;
    assert_string_equal(text + data, "1,2.5,\"x\r\n\"\r\n33,1,y\r\n");
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_equal(read_bytes(&a, text, cut, false), MP_OK);
        assert_int_equal(need_more, cut < (size_t)data);
        if (need_more) continue;
        assert_string_equal(names(), "a;\n\"1|b;c|d");
        assert_int_equal(head.data_offset, data);
        assert_false(head.sample_is_all);
        assert_int_equal(head.seen[0].seen, cut < (size_t)data + 13 ? 0 : MP_SEEN_INT);
        assert_int_equal(head.seen[0].int_digits, cut < (size_t)data + 13 ? 0 : 1);
    }
    for (size_t cut = 1; cut < n; cut++) { /* any outcome but a crash */
        mp_status st = read_bytes(&a, text, cut, true);
        assert_true(st == MP_OK || st == MP_DATA);
        assert_false(need_more);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_no_header_of_one_column),
        cmocka_unit_test(test_many_equal_names),
        cmocka_unit_test(test_lines_before),
        cmocka_unit_test(test_sniffing),
        cmocka_unit_test(test_dialect_of_sample),
        cmocka_unit_test(test_ragged_records_are_no_evidence),
        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_bad_heads),
        cmocka_unit_test(test_every_cut),
    };
    mp_arena_init(&arena, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mp_arena_release(&arena);
    return failed;
}
