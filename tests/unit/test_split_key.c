/* test_split_key.c - the canonical text of keys and its hash, which are part of the manifest format; names of shards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "io/shards/manifest.h"
#include "plan/split_key.h"

static const int AT[] = {0, 1};

static void text_is(const mp_col *cols, int n, const char *want, size_t len) {
    mp_batch in = {.n_rows = 1, .n_cols = n, .cols = cols};
    mp_buf out;
    mp_buf_init(&out, NULL);
    mp_split_key_text(&in, AT, n, 0, &out);
    assert_int_equal(out.len, len);
    assert_memory_equal(out.data, want, len);
    mp_buf_release(&out);
}

static uint64_t hash_of(const mp_col *cols, int n) {
    mp_batch in = {.n_rows = 1, .n_cols = n, .cols = cols};
    uint64_t hash = 0;
    assert_int_equal(mp_split_key_hash(&in, AT, n, &hash, NULL), MP_OK);
    return hash;
}

static mp_col string_col(const mp_str *s) {
    return (mp_col){.type = MP_STRING, .str = s};
}

static void string_is(const char *text, const char *want) {
    mp_str s = mp_str_c(text);
    mp_col c = string_col(&s);
    text_is(&c, 1, want, strlen(want));
}

static void a_string_is_the_value_that_it_says(void **state) {
    (void)state;
    static const char *const same[] = {"5", " 5", "5.0", "5.00", "5e0", "50e-1", ".5e1"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        string_is(same[i], "5");
    string_is("-0.0", "0");
    string_is("-0", "0");
    string_is("0.10", "0.1");
    string_is("1e16", "1e+16");
    string_is("9007199254740992", "9007199254740992");
    string_is("9007199254740993", "9007199254740992");
    string_is("9223372036854775807", "9.223372036854776e+18");
    string_is("0.1000000000000000055511151231257827", "0.1");
    string_is("nan", "nan");
    string_is("true", "1");
    string_is("FALSE", "0");
    string_is("2024-02-29", "2024-02-29");
    string_is("2024-02-29T00:00:00", "2024-02-29");
    string_is("2024-02-29 01:02:03.500", "2024-02-29 01:02:03.5");
    static const char *const themselves[] = {"",    "007",        "+5", "id001",   "tr",
                                             "5 5", "n",          "a",  "1e",      "0x10",
                                             "-",   "2024-02-30", ".",  "infinite"};
    for (size_t i = 0; i < sizeof themselves / sizeof *themselves; i++)
        string_is(themselves[i], themselves[i]);
}

static void the_type_of_the_column_does_not_matter(void **state) {
    (void)state;
    const int64_t five = 5, fifty = 500, days = 19782, us = 19782 * INT64_C(86400000000),
                  large = INT64_C(1) << 60;
    const double real = 5.0, tenth = 0.1, zero = -0.0, large_real = (double)(INT64_C(1) << 60);
    const uint8_t yes = 1, null = 0;
    const int64_t one_tenth = 100;
    const mp_col fives[] = {{.type = MP_INT64, .i64 = &five},
                            {.type = MP_DECIMAL, .scale = 2, .i64 = &fifty},
                            {.type = MP_FLOAT64, .f64 = &real}};
    for (int i = 0; i < 3; i++)
        text_is(&fives[i], 1, "5", 1);
    const mp_col tenths[] = {{.type = MP_DECIMAL, .scale = 3, .i64 = &one_tenth},
                             {.type = MP_FLOAT64, .f64 = &tenth}};
    for (int i = 0; i < 2; i++)
        text_is(&tenths[i], 1, "0.1", 3);
    const mp_col larges[] = {{.type = MP_INT64, .i64 = &large},
                             {.type = MP_FLOAT64, .f64 = &large_real}};
    for (int i = 0; i < 2; i++)
        text_is(&larges[i], 1, "1.152921504606847e+18", 21);
    const mp_col dates[] = {{.type = MP_DATE, .i64 = &days},
                            {.type = MP_TIMESTAMP, .i64 = &us, .ts_sep = 'T'}};
    for (int i = 0; i < 2; i++)
        text_is(&dates[i], 1, "2024-02-29", 10);
    const mp_col others[] = {{.type = MP_FLOAT64, .f64 = &zero}, {.type = MP_BOOL, .b = &yes}};
    text_is(&others[0], 1, "0", 1);
    text_is(&others[1], 1, "1", 1);
    const mp_col nothing[] = {{.type = MP_INT64, .i64 = &five, .valid = &null}, {.type = MP_NULL}};
    text_is(&nothing[0], 1, "\0", 1);
    text_is(&nothing[1], 1, "\0", 1);
    const mp_col pair[] = {fives[0], nothing[0]};
    text_is(pair, 2, "5\x1F\0", 3);
}

/* The hashes are XXH64 of the texts, from an independent implementation: they must never change. */
static void hashes_stay(void **state) {
    (void)state;
    const mp_str a = mp_str_c("a"), nothing = mp_str_c(""), id = mp_str_c("id001");
    const int64_t five = 5;
    const mp_col cols[] = {
        string_col(&a), string_col(&nothing), string_col(&id), {.type = MP_INT64, .i64 = &five}};
    assert_true(hash_of(&cols[0], 1) == 0xD24EC4F1A98C6E5Bu);
    assert_true(hash_of(&cols[1], 1) == 0xEF46DB3751D8E999u);
    assert_true(hash_of(&cols[2], 1) == 0x2AA3F63E335752F8u);
    assert_true(hash_of(&cols[3], 1) == 0x6A81B47405B648EDu);
    const mp_col pair[] = {cols[3], cols[0]};
    assert_true(hash_of(pair, 2) == 0xA7223E66A9118D0Eu);
}

static void keys_as_json(void **state) {
    (void)state;
    const mp_str text[] = {mp_str_c("first"), mp_str_c("a\"b\n")};
    const int64_t number[] = {1, INT64_MAX};
    const uint8_t valid[] = {1, 1};
    const mp_col cols[] = {{.type = MP_STRING, .str = text, .valid = valid},
                           {.type = MP_INT64, .i64 = number}};
    mp_batch in = {.n_rows = 2, .n_cols = 2, .cols = cols};
    mp_buf out;
    mp_buf_init(&out, NULL);
    mp_split_key_json(&in, AT, 1, 1, &out);
    mp_buf_u8(&out, ' ');
    mp_split_key_json(&in, AT, 2, 1, &out);
    mp_buf_u8(&out, 0);
    assert_string_equal((const char *)out.data,
                        "\"a\\\"b\\n\" [\"a\\\"b\\n\",9223372036854775807]");
    mp_buf_release(&out);
}

static void folder_is(const char *column, const char *value, const char *want) {
    mp_buf out;
    mp_buf_init(&out, NULL);
    mp_str v = mp_str_c(value ? value : "");
    mp_shard_folder_name(column, value ? &v : NULL, &out);
    mp_buf_u8(&out, 0);
    assert_string_equal((const char *)out.data, want);
    mp_buf_release(&out);
}

static void names_stay_inside(void **state) {
    (void)state;
    folder_is("k", "EU-1.a_b", "k=EU-1.a_b");
    folder_is("k", "../../etc/passwd", "k=..%2F..%2Fetc%2Fpasswd");
    folder_is("k", "..", "k=..");
    folder_is("..", "", "..=");
    folder_is("a/b", "~ =%\n", "a%2Fb=%7E%20%3D%25%0A");
    folder_is("k", "\xC3\xA9", "k=%C3%A9");
    folder_is("k", NULL, "k=__HIVE_DEFAULT_PARTITION__");
    folder_is("k", "__HIVE_DEFAULT_PARTITION__", "k=%5F_HIVE_DEFAULT_PARTITION__");
}

static void long_names_are_cut(void **state) {
    (void)state;
    mp_buf a, b;
    char text[300];
    mp_buf_init(&a, NULL);
    mp_buf_init(&b, NULL);
    for (size_t n = 195; n < sizeof text; n++) {
        memset(text, n % 2 ? '/' : 'x', n);
        mp_str v = mp_str_of(text, n);
        mp_buf_clear(&a);
        mp_shard_folder_name("k", &v, &a);
        assert_true(a.len <= 200);
        const uint8_t *tilde = memchr(a.data, '~', a.len);
        assert_true((tilde != NULL) == (n % 2 || n > 198));
        if (tilde)
            assert_true(tilde[-1] != '%' && tilde[-2] != '%' && a.data + a.len - tilde == 17);
        text[n - 1] = 'y';
        mp_buf_clear(&b);
        mp_shard_folder_name("k", &v, &b);
        assert_true(a.len != b.len || memcmp(a.data, b.data, a.len) != 0);
    }
    mp_buf_release(&a);
    mp_buf_release(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_is_the_value_that_it_says),
        cmocka_unit_test(the_type_of_the_column_does_not_matter),
        cmocka_unit_test(hashes_stay),
        cmocka_unit_test(keys_as_json),
        cmocka_unit_test(names_stay_inside),
        cmocka_unit_test(long_names_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
