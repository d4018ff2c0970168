/* test_json_line.c - one line of NDJSON: what its members are, and what is wrong with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/json/json_line.h"

/* The flaw of a line in a block of exactly its size; NULL: none. */
static const char *flaw_of(const char *line, size_t n) {
    uint8_t *copy = malloc(n + 1);
    assert_non_null(copy);
    memcpy(copy, line, n);
    uint8_t *exact = realloc(copy, n ? n : 1);
    mp_json_members m;
    mp_json_value key, value;
    bool some = mp_json_open(&m, exact, n);
    while (some && mp_json_member(&m, &key, &value)) {
    }
    const char *flaw = m.flaw;
    free(exact);
    return flaw;
}

static void good_lines(void **state) {
    (void)state;
    static const char *const lines[] = {"",
                                        " \t\r",
                                        "{}",
                                        " { } \r",
                                        "{\"\":0}",
                                        "{\"a\":-0.5e+10 , \"b\" : [ ] }",
                                        "{\"a\":[[],{},[1,{\"x\":[null,true]}]],\"a\":false}",
                                        "{\"\\u00e9\\n\":\"\\ud83d\\ude00\"}",
                                        "{\"a\":\"\xff\xc3 bytes pass\"}"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_null(flaw_of(lines[i], strlen(lines[i])));
}

static void bad_lines(void **state) {
    (void)state;
    static const char *const lines[] = {"[]",
                                        "1",
                                        "{",
                                        "{\"a\"",
                                        "{\"a\":",
                                        "{\"a\":1",
                                        "{\"a\":1,}",
                                        "{,}",
                                        "{a:1}",
                                        "{\"a\":01}",
                                        "{\"a\":1.}",
                                        "{\"a\":.5}",
                                        "{\"a\":-}",
                                        "{\"a\":1e}",
                                        "{\"a\":+1}",
                                        "{\"a\":nul}",
                                        "{\"a\":NaN}",
                                        "{\"a\":[1,]}",
                                        "{\"a\":[1}",
                                        "{\"a\":{\"b\"}}",
                                        "{\"a\":{\"b\":1,}}",
                                        "{\"a\":[,1]}",
                                        "{\"a\":1}}",
                                        "{\"a\":1} {}",
                                        "{\"a\":\"x}",
                                        "{\"a\":\"\\x\"}",
                                        "{\"a\":\"\\u12\"}",
                                        "{\"a\":\"\\u12g4\"}",
                                        "{\"a\":\"\\ud800\"}",
                                        "{\"a\":\"\\udc00\"}",
                                        "{\"a\":\"\\ud800\\ud800\"}",
                                        "{\"a\":\"\\u0000\"}",
                                        "{\"a\":\"\t\"}",
                                        "{\"a\":[\"\\\"]}",
                                        "{\"a\" 1}",
                                        "{\"a\":1 \"b\":2}",
                                        "{\"a\":tru",
                                        "{\"a\":\"\\",
                                        "{\"a\":\"\\ud800\\u"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_non_null(flaw_of(lines[i], strlen(lines[i])));
}

/* Every beginning of a good line is flawed, and no byte behind it is looked at. */
static void beginnings(void **state) {
    (void)state;
    static const char line[] =
        "{\"key\":\"te\\u20acxt\\ud83d\\ude00\",\"n\":[1.5e3,{\"x\":true}],\"z\":null}";
    for (size_t n = 1; n + 1 < sizeof line; n++)
        assert_non_null(flaw_of(line, n));
    assert_null(flaw_of(line, sizeof line - 1));
}

static void nesting(void **state) {
    (void)state;
    char line[2 * 1100 + 16];
    for (int depth = 1020; depth < 1030; depth++) {
        int n = snprintf(line, sizeof line, "{\"a\":");
        memset(line + n, '[', (size_t)depth);
        memset(line + n + depth, ']', (size_t)depth);
        line[n + 2 * depth] = '}';
        const char *flaw = flaw_of(line, (size_t)(n + 2 * depth + 1));
        if (depth <= 1024)
            assert_null(flaw);
        else
            assert_string_equal(flaw, "nested deeper than 1024 levels");
    }
}

static void values(void **state) {
    (void)state;
    static const char line[] =
        "{\"s\":\"a\\\"\\u00e9\\ud83d\\ude00/\\/\",\"n\":-1.50e2 ,\"o\":{\"x\" : [1]},"
        "\"null\":null,\"t\":true}";
    static const struct {
        const char *key, *text;
        mp_json_kind kind;
    } want[] = {{"s", "a\\\"\\u00e9\\ud83d\\ude00/\\/", MP_JSON_STRING},
                {"n", "-1.50e2", MP_JSON_WORD},
                {"o", "{\"x\" : [1]}", MP_JSON_NESTED},
                {"null", "null", MP_JSON_NULL},
                {"t", "true", MP_JSON_WORD}};
    mp_json_members m;
    mp_json_value key, value;
    assert_true(mp_json_open(&m, (const uint8_t *)line, strlen(line)));
    for (size_t i = 0; i < 5; i++) {
        assert_true(mp_json_member(&m, &key, &value));
        assert_int_equal(key.len, strlen(want[i].key));
        assert_memory_equal(key.p, want[i].key, key.len);
        assert_int_equal(value.kind, want[i].kind);
        assert_int_equal(value.len, strlen(want[i].text));
        assert_memory_equal(value.p, want[i].text, value.len);
        if (i > 0) continue;
        char plain[64];
        assert_true(value.escaped);
        size_t n = mp_json_unescape(value.p, value.len, plain);
        assert_int_equal(n, strlen("a\"\xc3\xa9\xf0\x9f\x98\x80//"));
        assert_memory_equal(plain, "a\"\xc3\xa9\xf0\x9f\x98\x80//", n);
    }
    assert_false(mp_json_member(&m, &key, &value));
    assert_null(m.flaw);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(good_lines), cmocka_unit_test(bad_lines),
                                       cmocka_unit_test(beginnings), cmocka_unit_test(nesting),
                                       cmocka_unit_test(values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
