/* test_text.c - rows as CSV, TSV, NDJSON and as a table. Oracles: text written by hand after RFC
 * 4180, a small CSV parser of its own, jansson, and the tables of the Unicode standard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/input/input.h"
#include "io/output/output.h"
#include "io/output/output_utf8.h"

static mp_buf out;

static int begin(void **state) {
    (void)state;
    mp_buf_init(&out, NULL);
    return 0;
}

static int end(void **state) {
    (void)state;
    mp_buf_release(&out);
    return 0;
}

static void is_text(const char *want) {
    mp_buf_u8(&out, 0);
    assert_string_equal((const char *)out.data, want);
    mp_buf_clear(&out);
}

static mp_col strings(const mp_str *s) {
    return (mp_col){.type = MP_STRING, .str = s};
}

static mp_text_args csv(int n_cols, const char *const *names) {
    return (mp_text_args){MP_FORMAT_CSV, ',', 0, n_cols, names};
}

static const char *const ABC[] = {"a", "b", "c", "d", "e", "f", "g", "h"};

static void all_types(void **state) {
    (void)state;
    static const uint8_t bools[] = {1, 0, 1}, valid[] = {1, 0, 1};
    static const int64_t ints[] = {INT64_MIN, 0, 7}, decimals[] = {-150, 7, 300},
                         dates[] = {0, 1, 19000}, times[] = {0, 1500000, -1};
    static const double floats[] = {0.1, -INFINITY, 1e300};
    const mp_str texts[] = {mp_str_c("x"), mp_str_c(""), mp_str_c("y z")};
    mp_col cols[] = {{.type = MP_BOOL, .b = bools, .valid = valid},
                     {.type = MP_INT64, .i64 = ints},
                     {.type = MP_DECIMAL, .scale = 2, .i64 = decimals},
                     {.type = MP_FLOAT64, .f64 = floats},
                     {.type = MP_DATE, .i64 = dates, .valid = valid},
                     {.type = MP_TIMESTAMP, .i64 = times, .ts_sep = 'T'},
                     strings(texts),
                     {.type = MP_NULL, .p = texts}};
    mp_batch in = {.n_rows = 3, .n_cols = 8, .cols = cols};
    mp_text_args a = csv(8, ABC);
    mp_text_header(&a, &out);
    mp_text_rows(&a, &in, &out, NULL);
    is_text("a,b,c,d,e,f,g,h\n"
            "true,-9223372036854775808,-1.5,0.1,1970-01-01,1970-01-01T00:00:00,x,\n"
            ",0,0.07,-inf,,1970-01-01T00:00:01.5,\"\",\n"
            "true,7,3.0,1e+300,2022-01-08,1969-12-31T23:59:59.999999,y z,\n");
    a.format = MP_FORMAT_NDJSON;
    mp_text_header(&a, &out);
    mp_text_rows(&a, &in, &out, NULL);
    is_text("{\"a\":true,\"b\":-9223372036854775808,\"c\":-1.5,\"d\":0.1,\"e\":\"1970-01-01\","
            "\"f\":\"1970-01-01T00:00:00\",\"g\":\"x\",\"h\":null}\n"
            "{\"a\":null,\"b\":0,\"c\":0.07,\"d\":null,\"e\":null,\"f\":\"1970-01-01T00:00:01.5\","
            "\"g\":\"\",\"h\":null}\n"
            "{\"a\":true,\"b\":7,\"c\":3.0,\"d\":1e+300,\"e\":\"2022-01-08\","
            "\"f\":\"1969-12-31T23:59:59.999999\",\"g\":\"y z\",\"h\":null}\n");
    a.format = MP_FORMAT_TSV;
    a.delimiter = '\t';
    in.n_rows = 1;
    mp_text_rows(&a, &in, &out, NULL);
    is_text("true\t-9223372036854775808\t-1.5\t0.1\t1970-01-01\t1970-01-01T00:00:00\tx\t\n");
    /* a delimiter that numbers have */
    a.delimiter = '.';
    mp_text_rows(&a, &in, &out, NULL);
    is_text("true.-9223372036854775808.\"-1.5\".\"0.1\".1970-01-01.1970-01-01T00:00:00.x.\n");
}

static void quoting(void **state) {
    (void)state;
    const mp_str texts[] = {mp_str_c("a,b"),  mp_str_c("say \"x\""), mp_str_c("\r"),
                            mp_str_c("a\nb"), mp_str_c("\""),        mp_str_c(" x "),
                            mp_str_c("a\tb"), mp_str_c("#no"),       mp_str_c("\0x")};
    mp_col cols[] = {strings(texts), strings(texts)};
    mp_batch in = {.n_rows = 8, .n_cols = 1, .cols = cols};
    mp_text_args a = csv(1, ABC);
    mp_buf ends;
    mp_buf_init(&ends, NULL);
    mp_text_rows(&a, &in, &out, &ends);
    assert_int_equal(ends.len, 8 * sizeof(int64_t));
    const int64_t *end_of = (const int64_t *)(const void *)ends.data;
    assert_int_equal(end_of[0], 6);
    assert_int_equal(end_of[7], out.len);
    mp_buf_release(&ends);
    is_text("\"a,b\"\n\"say \"\"x\"\"\"\n\"\r\"\n\"a\nb\"\n\"\"\"\"\n x \na\tb\n#no\n");
    a.delimiter = '\t';
    in.n_rows = 7;
    mp_text_rows(&a, &in, &out, NULL);
    is_text("a,b\n\"say \"\"x\"\"\"\n\"\r\"\n\"a\nb\"\n\"\"\"\"\n x \n\"a\tb\"\n");
    /* the comment character, at the start of a line alone */
    cols[0].str = cols[1].str = texts + 7;
    in.n_rows = 1;
    in.n_cols = a.n_cols = 2;
    a.comment = '#';
    mp_text_rows(&a, &in, &out, NULL);
    is_text("\"#no\"\t#no\n");
    static const int64_t minus[] = {-5};
    cols[0] = (mp_col){.type = MP_INT64, .i64 = minus};
    a.comment = '-';
    mp_text_rows(&a, &in, &out, NULL);
    is_text("\"-5\"\t#no\n");
    in.n_cols = 1;
    mp_text_rows(&a, &in, &out, NULL);
    is_text("\"-5\"\n");
}

static void headers(void **state) {
    (void)state;
    static const char *const names[] = {"#id", "", "a,b", "q\"", "\xEF\xBB\xBFx"};
    mp_text_args a = csv(5, names);
    mp_text_header(&a, &out);
    is_text("#id,\"\",\"a,b\",\"q\"\"\",\xEF\xBB\xBFx\n");
    a.comment = '#';
    mp_text_header(&a, &out);
    is_text("\"#id\",\"\",\"a,b\",\"q\"\"\",\xEF\xBB\xBFx\n");
    a.names = names + 4;
    a.n_cols = 1;
    mp_text_header(&a, &out);
    is_text("\"\xEF\xBB\xBFx\"\n");
}

/* One field of CSV at *p: unquoted into field; returns the byte behind it, consumed. */
static char next_field(const char **p, char *field, size_t *n) {
    const char *s = *p;
    *n = 0;
    if (*s == '"') {
        for (s++;; s++) {
            if (*s == '"' && s[1] == '"')
                s++;
            else if (*s == '"')
                break;
            field[(*n)++] = *s;
        }
        s++;
    } else {
        while (*s != ',' && *s != '\n')
            field[(*n)++] = *s++;
    }
    *p = s + 1;
    return *s;
}

/* Every length and place of a special character, read back by a parser of its own. Each string lies
 * in a block of its exact size, so that a sanitizer sees reads outside. */
static void round_trip(void **state) {
    (void)state;
    static const char specials[] = {',', '"', '\n', '\r', 'x'};
    static char field[2048];
    for (size_t n = 0; n <= 70; n++)
        for (size_t place = 0; place < (n ? n : 1); place++)
            for (int k = 0; k < 5; k++) {
                char *text = malloc(n ? n : 1);
                assert_non_null(text);
                for (size_t i = 0; i < n; i++)
                    text[i] = (char)('a' + i % 26);
                if (n) text[place] = specials[k];
                const mp_str s = mp_str_of(text, n);
                mp_col cols[] = {strings(&s), strings(&s)};
                mp_batch in = {.n_rows = 1, .n_cols = 2, .cols = cols};
                mp_text_args a = csv(2, ABC);
                mp_buf_release(&out); /* a fresh buffer: room is asked for every time */
                mp_text_rows(&a, &in, &out, NULL);
                bool quoted = n == 0 || specials[k] != 'x';
                assert_int_equal(out.data[0] == '"', quoted);
                assert_int_equal(out.len,
                                 2 * (n + (quoted ? 2u : 0u) + (n && specials[k] == '"')) + 2);
                const char *p = (const char *)out.data;
                size_t got;
                for (int c = 0; c < 2; c++) {
                    assert_int_equal(next_field(&p, field, &got), c ? '\n' : ',');
                    assert_int_equal(got, n);
                    assert_memory_equal(field, text, n);
                }
                assert_ptr_equal(p, (const char *)out.data + out.len);
                free(text);
            }
}

static void json_strings(void **state) {
    (void)state;
    static const char *const given[] = {
        "plain text that is longer than one block of sixteen", "\"\\/\b\f\n\r\t\x01\x1f\x7f",
        "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80 and more text behind it",
        /* Unicode 15, table 3-8 and the examples around it */
        "a\xF1\x80\x80\xE1\x80\xC2"
        "b\x80"
        "c\x80\xBF"
        "d",
        "\xC0\xAF\xE0\x80\xBF\xF0\x81\x82"
        "A",
        "\xED\xA0\x80\xED\xBF\xBF\xED\xAF"
        "A",
        "\xF4\x91\x92\x93\xFF"
        "A\x80\xBF"
        "B",
        "cut \xE2\x82"};
#define BAD "\xEF\xBF\xBD"
    static const char *const want[] = {
        "plain text that is longer than one block of sixteen",
        "\"\\/\b\f\n\r\t\x01\x1f\x7f",
        "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80 and more text behind it",
        "a" BAD BAD BAD "b" BAD "c" BAD BAD "d",
        BAD BAD BAD BAD BAD BAD BAD BAD "A",
        BAD BAD BAD BAD BAD BAD BAD BAD "A",
        BAD BAD BAD BAD BAD "A" BAD BAD "B",
        "cut " BAD};
    static const char *const names[] = {"the \"name\""};
    for (int i = 0; i < 8; i++) {
        const mp_str s = mp_str_c(given[i]);
        mp_col col = strings(&s);
        mp_batch in = {.n_rows = 1, .n_cols = 1, .cols = &col};
        mp_text_args a = {MP_FORMAT_NDJSON, 0, 0, 1, names};
        mp_text_rows(&a, &in, &out, NULL);
        assert_int_equal(out.data[out.len - 1], '\n');
        json_error_t e;
        json_t *row = json_loadb((const char *)out.data, out.len, 0, &e);
        if (!row) fail_msg("line %d: %s", i, e.text);
        assert_string_equal(json_string_value(json_object_get(row, names[0])), want[i]);
        json_decref(row);
        mp_buf_clear(&out);
    }
}

static void utf8_all(void **state) {
    (void)state;
    for (int32_t code = 0; code < 0x120000; code++) {
        uint8_t b[4];
        size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        for (size_t i = n - 1, rest = (size_t)code; i > 0; i--, rest >>= 6)
            b[i] = (uint8_t)(0x80 | (rest & 0x3F));
        static const uint8_t leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
        b[0] = (uint8_t)(leads[n] | code >> (6 * (n - 1)));
        int32_t got;
        size_t len = mp_utf8_next(b, n, &got);
        bool valid = code < 0x110000 && (code < 0xD800 || code > 0xDFFF);
        assert_int_equal(got, valid ? code : MP_UTF8_BAD);
        assert_int_equal(len, valid ? n : 1);
    }
    assert_int_equal(mp_utf8_width('a'), 1);
    assert_int_equal(mp_utf8_width(0xE9), 1);
    assert_int_equal(mp_utf8_width(0x301), 0);
    assert_int_equal(mp_utf8_width(0x4E2D), 2);
    assert_int_equal(mp_utf8_width(0xFF21), 2);
    assert_int_equal(mp_utf8_width(0x1F600), 2);
    assert_int_equal(mp_utf8_width(0x200B), 0);
    assert_int_equal(mp_utf8_width(0), 0);
    assert_int_equal(mp_utf8_width(0xAC00), 2);
    assert_int_equal(mp_utf8_width(0x10FFFF), 1);
}

static void formats(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int format, packing; /* format -1: refused */
    } cases[] = {{"a.csv", MP_FORMAT_CSV, 0},
                 {"a.tsv.gz", MP_FORMAT_TSV, MP_PACK_GZIP},
                 {"a.b.jsonl", MP_FORMAT_NDJSON, 0},
                 {"A.NDJSON.ZST", MP_FORMAT_NDJSON, MP_PACK_ZSTD},
                 {"out", MP_FORMAT_CSV, 0},
                 {"out.gz", MP_FORMAT_CSV, MP_PACK_GZIP},
                 {"dir.x/out", MP_FORMAT_CSV, 0},
                 {".hidden", MP_FORMAT_CSV, 0},
                 {"-", MP_FORMAT_CSV, 0},
                 {"a.txt", -1, 0},
                 {"a.csv.bz2", -1, 0},
                 {"a.h5", MP_FORMAT_H5, 0},
                 {"A.HDF5", MP_FORMAT_H5, 0},
                 {"a.h5.gz", -1, MP_PACK_GZIP},
                 {".gz", MP_FORMAT_CSV, 0},
                 {"x.gz/a.csv", MP_FORMAT_CSV, 0},
                 {"a.parquet.gz", -1, MP_PACK_GZIP}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mp_text_format f = MP_FORMAT_CSV;
        assert_int_equal(mp_text_format_of(cases[i].name, &f), cases[i].format >= 0);
        assert_int_equal(mp_text_packing_of(cases[i].name), cases[i].packing);
        if (cases[i].format < 0) continue;
        assert_int_equal(f, cases[i].format);
    }
}

static void refused_memory(void **state) {
    (void)state;
    mp_mem mem;
    mp_mem_init(&mem, 5000);
    static int64_t ints[1000];
    static mp_str texts[1000];
    for (int i = 0; i < 1000; i++)
        texts[i] = mp_str_c("some \"text\"");
    mp_col cols[] = {{.type = MP_INT64, .i64 = ints}, strings(texts)};
    mp_batch in = {.n_rows = 1000, .n_cols = 2, .cols = cols};
    for (int f = MP_FORMAT_CSV; f <= MP_FORMAT_NDJSON; f++) {
        mp_text_args a = csv(2, ABC);
        a.format = (mp_text_format)f;
        mp_buf small;
        mp_buf_init(&small, &mem);
        mp_text_header(&a, &small);
        mp_text_rows(&a, &in, &small, NULL);
        assert_int_equal(mp_buf_check(&small, NULL), MP_NOMEM);
        mp_buf_release(&small);
        assert_int_equal(mem.used_bytes, 0);
    }
}

static void tables(void **state) {
    (void)state;
    static const char *const names[] = {"name", "n", "note"};
    const mp_str texts[] = {mp_str_c("ab"), mp_str_c("\xE4\xB8\xAD\xE6\x96\x87"),
                            mp_str_c("e\xCC\x81 x")};
    const mp_str notes[] = {mp_str_c("line\nbreak"), mp_str_c(""), mp_str_c("\x1b[31m\xff")};
    static const int64_t ints[] = {5, -12345, 0};
    static const uint8_t valid[] = {1, 1, 0};
    mp_col cols[] = {
        strings(texts), {.type = MP_INT64, .i64 = ints, .valid = valid}, strings(notes)};
    mp_batch in = {.n_rows = 3, .n_cols = 3, .cols = cols};
    mp_text_table *t = NULL;
    mp_mem mem;
    mp_mem_init(&mem, 0);
    assert_int_equal(mp_table_new(names, 3, &mem, &t, NULL), MP_OK);
    assert_int_equal(mp_table_add(t, &in, NULL), MP_OK);
    mp_table_print(t, 0, &out);
    is_text("name       n  note\n"
            "----  ------  ------------\n"
            "ab         5  line\\nbreak\n"
            "\xE4\xB8\xAD\xE6\x96\x87  -12345\n"
            "e\xCC\x81 x           \\x1b[31m\\xff\n");
    mp_table_print(t, 24, &out);
    is_text("name       n  note\n"
            "----  ------  ----------\n"
            "ab         5  line\\nbre\xE2\x80\xA6\n"
            "\xE4\xB8\xAD\xE6\x96\x87  -12345\n"
            "e\xCC\x81 x           \\x1b[31m\\\xE2\x80\xA6\n");
    mp_table_print(t, 15, &out);
    is_text("name       n  \xE2\x80\xA6\n"
            "----  ------\n"
            "ab         5  \xE2\x80\xA6\n"
            "\xE4\xB8\xAD\xE6\x96\x87  -12345  \xE2\x80\xA6\n"
            "e\xCC\x81 x           \xE2\x80\xA6\n");
    for (int width = 1; width < 40; width++) { /* never wider than asked for */
        mp_table_print(t, width, &out);
        int cells = 0;
        for (size_t i = 0; i < out.len;) {
            int32_t code;
            i += mp_utf8_next(out.data + i, out.len - i, &code);
            assert_int_not_equal(code, MP_UTF8_BAD);
            cells = code == '\n' ? 0 : cells + mp_utf8_width(code);
            if (width >= 4) assert_true(cells <= width);
        }
        mp_buf_clear(&out);
    }
    mp_table_free(&t);
    assert_null(t);
    mp_table_free(&t);
    assert_int_equal(mem.used_bytes, 0);
}

int main(void) {
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_types, begin, end),
        cmocka_unit_test_setup_teardown(quoting, begin, end),
        cmocka_unit_test_setup_teardown(headers, begin, end),
        cmocka_unit_test_setup_teardown(round_trip, begin, end),
        cmocka_unit_test_setup_teardown(json_strings, begin, end),
        cmocka_unit_test_setup_teardown(utf8_all, begin, end),
        cmocka_unit_test_setup_teardown(formats, begin, end),
        cmocka_unit_test_setup_teardown(refused_memory, begin, end),
        cmocka_unit_test_setup_teardown(tables, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
