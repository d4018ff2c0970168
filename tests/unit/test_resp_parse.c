/* test_resp_parse.c - commands that are passed over: whatever the bytes are cut into, and wherever in a command it becomes
 * clear that it is not wanted, its end is found, nothing of it is kept, and the command behind it is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/resp.h"

/* A stream, and which of its commands are passed over. */
static const char *const STREAM[] = {
    "*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
    "*3\r\n$3\r\nSET\r\n$20\r\n*1\r\n$4\r\nPING\r\n......\r\n$0\r\n\r\n", "PING\r\n",
    "ECHO \"*2\"\r\n", "*1\r\n$4\r\nPING\r\n"};
enum { N = sizeof STREAM / sizeof *STREAM };

/* Feeds all in pieces of step bytes; command `passed` is passed over once `after` of its bytes are there. */
static void feed(size_t step, int passed, size_t after) {
    mp_mem mem;
    mp_buf all, in;
    mp_resp_parser r;
    int n = 0;
    bool told = false;
    mp_mem_init(&mem, 0);
    mp_buf_init(&all, NULL);
    mp_buf_init(&in, NULL);
    for (int i = 0; i < N; i++)
        mp_buf_put(&all, STREAM[i], strlen(STREAM[i]));
    mp_resp_parser_init(&r, &mem);
    for (size_t at = 0; at < all.len; at += step) {
        mp_buf_put(&in, all.data + at, all.len - at < step ? all.len - at : step);
        for (;;) {
            size_t used = 0;
            if (n == passed && !told && in.len >= after) {
                mp_resp_pass_over(&r);
                told = true;
            }
            mp_resp_result s = mp_resp_parse(&r, in.data, in.len, &used);
            assert_true(s == MP_RESP_MORE || s == MP_RESP_COMMAND || s == MP_RESP_PASSED);
            assert_true(used <= in.len);
            if (s == MP_RESP_PASSED) assert_int_equal(n, passed);
            if (s == MP_RESP_COMMAND && told) assert_int_not_equal(n, passed);
            memmove(in.data, in.data + used, in.len - used);
            in.len -= used;
            if (s == MP_RESP_MORE) break;
            n++;
        }
        /* of what is passed over at most the head of an argument is kept */
        if (told && n == passed) assert_true(in.len < 8);
    }
    assert_int_equal(n, N);
    assert_int_equal(in.len, 0);
    mp_resp_parser_release(&r);
    assert_int_equal(mem.used_bytes, 0);
    mp_buf_release(&all);
    mp_buf_release(&in);
}

static void test_pass_over(void **state) {
    (void)state;
    for (int passed = 0; passed < N; passed++)
        for (size_t after = 1; after < strlen(STREAM[passed]); after++)
            for (size_t step = 1; step < 70; step++)
                feed(step, passed, after);
}

/* An inline command that finds no memory when some of it is unquoted: its quoted newlines do not end it. */
static void test_inline_refused(void **state) {
    (void)state;
    char text[] = "SET \"a\\nFLUSHALL\\n\" 3 4 5 6 7 8 9 10\r\nPING\r\n";
    mp_mem mem;
    mp_resp_parser r;
    size_t used = 0, n = strlen(text);
    mp_mem_init(&mem, 200); /* of eight arguments, not of sixteen */
    mp_resp_parser_init(&r, &mem);
    assert_int_equal(mp_resp_parse(&r, (uint8_t *)text, n, &used), MP_RESP_NOMEM);
    mp_resp_pass_over(&r);
    assert_int_equal(mp_resp_parse(&r, (uint8_t *)text, n, &used), MP_RESP_PASSED);
    assert_int_equal(mp_resp_parse(&r, (uint8_t *)text + used, n - used, &used), MP_RESP_COMMAND);
    assert_int_equal(r.n_args, 1);
    assert_memory_equal(r.args[0].p, "PING", 4);
    mp_resp_parser_release(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pass_over),
                                       cmocka_unit_test(test_inline_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
