/* test_base.c - statuses, errors, counted memory, arenas, buffers, names, clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

static void exit_codes(void **state) {
    (void)state;
    assert_int_equal(mp_status_exit_code(MP_OK), 0);
    assert_int_equal(mp_status_exit_code(MP_USAGE), 2);
    assert_int_equal(mp_status_exit_code(MP_PARTIAL), 3);
    assert_int_equal(mp_status_exit_code(MP_DATA), 65);
    assert_int_equal(mp_status_exit_code(MP_IO), 74);
    assert_int_equal(mp_status_exit_code(MP_STOPPED), 75);
    assert_int_equal(mp_status_exit_code(MP_INTERRUPTED), 130);
    assert_int_equal(mp_status_exit_code((mp_status)99), 1);
    assert_string_equal(mp_status_text(MP_DATA), "bad data");
    assert_string_equal(mp_status_text((mp_status)99), "unknown status");
}

static void error_message(void **state) {
    (void)state;
    mp_error e = MP_ERROR_INIT;
    char out[2048];
    assert_int_equal(mp_error_format(&e, out, sizeof out), strlen("done"));
    assert_int_equal(mp_error_set(&e, MP_DATA, NULL, "'%s' is not a number", "abc"), MP_DATA);
    mp_error_file(&e, "x.csv");
    mp_error_file(&e, "y.csv");
    mp_error_column(&e, "amount");
    mp_error_format(&e, out, sizeof out);
    assert_string_equal(out, "bad data: file 'x.csv', column 'amount': 'abc' is not a number");
    e.row = 17;
    mp_error_hint(&e, "use --null %s", "NA");
    mp_error_hint(&e, "second");
    size_t n = mp_error_format(&e, out, sizeof out);
    assert_string_equal(out, "bad data: file 'x.csv', row 17, column 'amount': 'abc' is not a "
                             "number\nhint: use --null NA");
    assert_int_equal(n, strlen(out));
    /* the first error stays */
    assert_int_equal(mp_error_set(&e, MP_IO, "cannot open", "gone"), MP_IO);
    assert_int_equal(e.status, MP_DATA);
    for (size_t cap = 1; cap < 100; cap++) {
        memset(out, 'Z', sizeof out);
        n = mp_error_format(&e, out, cap);
        assert_int_equal(n, strlen(out));
        assert_true(n < cap);
        assert_int_equal(out[cap], 'Z');
    }
    assert_int_equal(mp_error_format(&e, out, 0), 0);
    assert_int_equal(mp_error_set(NULL, MP_IO, NULL, "x"), MP_IO);
    mp_error_file(NULL, "x");
    mp_error_column(NULL, "x");
    mp_error_hint(NULL, "x");
    mp_error_place(NULL, 0, 0, 0, 0);
    assert_int_equal(mp_error_errno(NULL, ENOENT, "cannot open", "x"), MP_IO);
    assert_int_equal(mp_error_nomem(NULL, 1, 1), MP_NOMEM);
}

static void error_kinds(void **state) {
    (void)state;
    char out[2048];
    mp_error e = MP_ERROR_INIT;
    mp_error_errno(&e, ENOENT, "cannot open", "a b.csv");
    mp_error_format(&e, out, sizeof out);
    assert_string_equal(out, "cannot open: file 'a b.csv': No such file or directory");
    mp_error_init(&e);
    mp_error_nomem(&e, 3 << 20, 1 << 30);
    mp_error_format(&e, out, sizeof out);
    assert_string_equal(out, "out of memory: 3.0 MiB more do not fit in the budget of 1.0 GiB\n"
                             "hint: give each rank more with --memory, or use more ranks");
    mp_error_init(&e);
    mp_error_nomem(&e, 17, 0);
    mp_error_format(&e, out, sizeof out);
    assert_string_equal(out, "out of memory: the system refused 17 bytes");
}

/* Overlong texts are cut before a character, not inside one. */
static void error_cut(void **state) {
    (void)state;
    char text[2000];
    for (size_t lead = 0; lead < 4; lead++) {
        size_t n = 0;
        while (n < lead)
            text[n++] = 'x';
        while (n + 3 < sizeof text) {
            memcpy(text + n, "\xe2\x82\xac", 3);
            n += 3;
        }
        text[n] = 0;
        mp_error e = MP_ERROR_INIT;
        mp_error_set(&e, MP_DATA, text, "%s", text);
        mp_error_file(&e, text);
        mp_error_hint(&e, "%s", text);
        assert_int_equal((strlen(e.what) - lead) % 3, 0);
        assert_int_equal((strlen(e.why) - lead) % 3, 0);
        assert_int_equal((strlen(e.file) - lead) % 3, 0);
        assert_int_equal((strlen(e.hint) - lead) % 3, 0);
        assert_true(strlen(e.why) >= sizeof e.why - 4);
        char out[100];
        size_t len = mp_error_format(&e, out, sizeof out);
        assert_int_equal((len - lead) % 3, 0);
    }
}

static mp_error make_error(mp_status s, int rank, int file_no, int64_t offset) {
    mp_error e = MP_ERROR_INIT;
    mp_error_set(&e, s, NULL, "x");
    e.rank = rank;
    if (file_no >= 0) mp_error_place(&e, file_no, offset, 0, 0);
    return e;
}

static void error_order(void **state) {
    (void)state;
    mp_error sorted[] = {
        make_error(MP_DATA, 3, 0, 5),
        make_error(MP_DATA, 1, 0, 9),
        make_error(MP_DATA, 0, 1, 2),
        make_error(MP_DATA, 0, -1, 0),
        make_error(MP_IO, 0, -1, 0),
        make_error(MP_NOMEM, 2, -1, 0),
        MP_ERROR_INIT,
    };
    int n = (int)(sizeof sorted / sizeof *sorted);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            int c = mp_error_order(&sorted[i], &sorted[j]);
            assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
        }
}

static void memory_is_counted(void **state) {
    (void)state;
    mp_mem m;
    mp_mem_init(&m, 100000);
    void *a = mp_mem_alloc(&m, 1000);
    assert_non_null(a);
    assert_true(m.used_bytes >= 1000 && m.used_bytes < 1100);
    assert_null(mp_mem_alloc(&m, 99500));
    assert_null(mp_mem_alloc(&m, SIZE_MAX));
    assert_null(mp_mem_calloc(&m, SIZE_MAX / 2, 3));
    assert_null(mp_mem_realloc(&m, a, 200000));
    assert_null(mp_mem_realloc(&m, a, SIZE_MAX));
    memset(a, 1, 1000); /* still valid */
    a = mp_mem_realloc(&m, a, 50000);
    assert_non_null(a);
    assert_int_equal(((char *)a)[999], 1);
    assert_true(m.used_bytes >= 50000);
    char *z = mp_mem_calloc(&m, 10, 10);
    assert_non_null(z);
    for (int i = 0; i < 100; i++)
        assert_int_equal(z[i], 0);
    void *p = mp_mem_aligned(&m, 64, 100);
    assert_int_equal((uintptr_t)p % 64, 0);
    void *zero = mp_mem_alloc(&m, 0);
    assert_non_null(zero);
    assert_true(m.peak_bytes <= m.limit_bytes && m.peak_bytes >= m.used_bytes);
    mp_mem_free(&m, zero);
    mp_mem_free(&m, p);
    mp_mem_free(&m, z);
    mp_mem_free(&m, a);
    mp_mem_free(&m, NULL);
    assert_int_equal(m.used_bytes, 0);
    void *q = mp_mem_alloc(NULL, 10);
    q = mp_mem_realloc(NULL, q, 20);
    assert_non_null(q);
    mp_mem_free(NULL, q);
    mp_error e = MP_ERROR_INIT;
    assert_int_equal(mp_mem_error(&m, 1 << 20, &e), MP_NOMEM);
    assert_non_null(strstr(e.why, "budget"));
}

static void arena_pieces(void **state) {
    (void)state;
    mp_mem m;
    mp_mem_init(&m, 0);
    mp_arena a;
    mp_arena_init(&a, &m);
    static char *piece[3000];
    static size_t size[3000];
    uint64_t x = 88172645463325252u;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3000; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            size[i] = i % 500 == 0 ? 300000 + x % 3000000 : x % 700;
            size_t align = (size_t)1 << (x >> 40) % 7;
            piece[i] = mp_arena_alloc(&a, size[i], align);
            assert_non_null(piece[i]);
            assert_int_equal((uintptr_t)piece[i] % align, 0);
            memset(piece[i], i & 127, size[i]);
        }
        for (int i = 0; i < 3000; i++)
            for (size_t j = 0; j < size[i]; j++)
                if (piece[i][j] != (i & 127)) fail_msg("piece %d overwritten", i);
        mp_arena_reset(&a);
        assert_int_equal(a.total_bytes, 0);
        assert_true(m.used_bytes <= 17 << 20); /* one chunk is kept, of 16 MiB at most */
    }
    assert_null(mp_arena_alloc(&a, SIZE_MAX - 8, 8));
    mp_arena_release(&a);
    assert_int_equal(m.used_bytes, 0);
    /* where so much may be kept, the next round takes no memory */
    a.keep_bytes = 4 << 20;
    int64_t first_round = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++)
            memset(mp_arena_alloc(&a, 2000, 8), i, 2000);
        if (round == 0) first_round = m.peak_bytes = m.used_bytes;
        assert_int_equal(m.peak_bytes, first_round);
        mp_arena_reset(&a);
        assert_int_equal(m.used_bytes, first_round);
    }
    assert_non_null(mp_arena_alloc(&a, 5 << 20, 8));
    mp_arena_reset(&a);
    assert_int_equal(m.used_bytes, 0);
    mp_arena_release(&a);
    a.keep_bytes = 0;
    /* a budget smaller than the first chunk still serves small pieces */
    mp_mem_init(&m, 4096);
    assert_non_null(mp_arena_alloc(&a, 100, 8));
    assert_null(mp_arena_alloc(&a, 5000, 8));
    mp_arena_release(&a);
    assert_int_equal(m.used_bytes, 0);
}

static void buffer_round_trip(void **state) {
    (void)state;
    mp_mem m;
    mp_mem_init(&m, 0);
    mp_buf b;
    mp_buf_init(&b, &m);
    mp_buf_u8(&b, 7);
    mp_buf_u32(&b, 0xdeadbeefu);
    mp_buf_u64(&b, UINT64_MAX);
    mp_buf_i64(&b, INT64_MIN);
    mp_buf_f64(&b, -2.5);
    mp_buf_bytes(&b, "a\0b", 3);
    mp_buf_text(&b, "");
    mp_buf_text(&b, NULL);
    mp_buf_text(&b, "hello");
    mp_buf_bytes(&b, NULL, 0);
    assert_int_equal(mp_buf_check(&b, NULL), MP_OK);
    assert_memory_equal(b.data, "\7\xef\xbe\xad\xde", 5);

    mp_arena a;
    mp_arena_init(&a, &m);
    const char *t;
    size_t n;
    mp_rd r = mp_rd_of(b.data, b.len);
    assert_int_equal(mp_rd_u8(&r), 7);
    assert_int_equal(mp_rd_u32(&r), 0xdeadbeefu);
    assert_true(mp_rd_u64(&r) == UINT64_MAX);
    assert_true(mp_rd_i64(&r) == INT64_MIN);
    assert_true(mp_rd_f64(&r) == -2.5);
    assert_memory_equal(mp_rd_bytes(&r, &n), "a\0b", 3);
    assert_int_equal(n, 3);
    assert_true(mp_rd_text(&r, &a, &t));
    assert_string_equal(t, "");
    assert_true(mp_rd_text(&r, &a, &t));
    assert_null(t);
    assert_true(mp_rd_text(&r, &a, &t));
    assert_string_equal(t, "hello");
    mp_rd_bytes(&r, &n);
    assert_int_equal(n, 0);
    assert_false(r.bad);
    assert_int_equal(mp_rd_left(&r), 0);
    assert_int_equal(mp_rd_u64(&r), 0);
    assert_true(r.bad);
    /* cut at every byte: never past the end, always bad before the last value */
    for (size_t cut = 0; cut < b.len; cut++) {
        r = mp_rd_of(b.data, cut);
        mp_rd_u8(&r), mp_rd_u32(&r), mp_rd_u64(&r), mp_rd_i64(&r), mp_rd_f64(&r);
        mp_rd_bytes(&r, &n);
        for (int i = 0; i < 3; i++)
            mp_rd_text(&r, &a, &t);
        mp_rd_bytes(&r, &n);
        assert_true(r.bad);
    }
    mp_arena_release(&a);
    mp_buf_release(&b);
    assert_int_equal(m.used_bytes, 0);
}

static void buffer_refused(void **state) {
    (void)state;
    mp_mem m;
    mp_mem_init(&m, 1000);
    mp_buf b;
    mp_buf_init(&b, &m);
    mp_buf_printf(&b, "%s-%d", "x", 5);
    assert_int_equal(b.len, 3);
    char big[2000];
    memset(big, 'q', sizeof big);
    mp_buf_put(&b, big, sizeof big);
    assert_true(b.failed);
    mp_buf_u8(&b, 1);
    mp_buf_printf(&b, "more");
    assert_int_equal(b.len, 3); /* nothing after the failure */
    mp_error e = MP_ERROR_INIT;
    assert_int_equal(mp_buf_check(&b, &e), MP_NOMEM);
    assert_string_equal(e.why, "1.9 KiB more do not fit in the budget of 1000 bytes");
    mp_buf_clear(&b);
    mp_buf_printf(&b, "%.600s", "short");
    assert_memory_equal(b.data, "short", 5);
    mp_buf_clear(&b);
    big[500] = 0;
    mp_buf_printf(&b, "%s", big);
    assert_int_equal(b.len, 500);
    assert_false(mp_buf_reserve(&b, SIZE_MAX));
    mp_buf_release(&b);
    assert_int_equal(m.used_bytes, 0);
}

static void names(void **state) {
    (void)state;
    assert_true(mp_str_eq_nocase(mp_str_c("TrUe"), "true"));
    assert_false(mp_str_eq_nocase(mp_str_c("tru"), "true"));
    assert_false(mp_str_eq_nocase(mp_str_c("truee"), "true"));
    assert_true(mp_str_cmp(mp_str_c("a"), mp_str_c("ab")) < 0);
    assert_true(mp_str_cmp(mp_str_c("b"), mp_str_c("ab")) > 0);
    assert_true(mp_str_cmp(mp_str_c("\xff"), mp_str_c("a")) > 0);
    assert_true(mp_str_eq(mp_str_of(NULL, 0), mp_str_c("")));
    assert_int_equal(mp_str_distance("kitten", "sitting"), 3);
    assert_int_equal(mp_str_distance("ab", "ba"), 1);
    assert_int_equal(mp_str_distance("", "abc"), 3);
    assert_int_equal(mp_str_distance("ca", "abc"), 3); /* restricted */
    char a[200], b[200];
    memset(a, 'a', 199), memset(b, 'b', 199);
    a[199] = b[199] = 0;
    assert_int_equal(mp_str_distance(a, b), 64);
    const char *const cols[] = {"amount", "region", "id"};
    assert_int_equal(mp_str_nearest("amuont", cols, 3), 0);
    assert_int_equal(mp_str_nearest("REGION", cols, 3), 1);
    assert_int_equal(mp_str_nearest("price", cols, 3), -1);
    assert_int_equal(mp_str_nearest("", cols, 3), -1);
    assert_int_equal(mp_str_nearest("x", NULL, 0), -1);
}

static void clock_goes_on(void **state) {
    (void)state;
    int64_t a = mp_clock_ns(), b = mp_clock_ns();
    assert_true(a > 0 && b >= a);
}

/* A space grows in place, is counted, refused, cut down, and zero where it is new. */
static void space(void **state) {
    (void)state;
    mp_mem m;
    mp_mem_init(&m, 64 << 20);
    mp_space s = {0};
    assert_true(mp_space_grow(&m, &s, 1000));
    assert_true(s.bytes >= 1000);
    char *p = s.p;
    memset(p, 7, s.bytes);
    size_t old = s.bytes;
    assert_true(mp_space_grow(&m, &s, 40 << 20));
    assert_ptr_equal(s.p, p);
    assert_int_equal(m.used_bytes, s.bytes);
    assert_int_equal(p[old - 1], 7);
    assert_int_equal(p[old], 0);
    assert_int_equal(p[(40 << 20) - 1], 0);
    memset(p, 9, s.bytes);
    assert_false(mp_space_grow(&m, &s, 65 << 20));
    assert_int_equal(m.used_bytes, s.bytes);
    assert_true(mp_space_grow(&m, &s, 100)); /* it has that */
    mp_space_shrink(&m, &s, 5000);
    assert_in_range(s.bytes, 5000, 5000 + 4096);
    assert_int_equal(m.used_bytes, s.bytes);
    assert_int_equal(p[4999], 9);
    size_t cut = s.bytes;
    assert_true(mp_space_grow(&m, &s, 1 << 20));
    assert_int_equal(p[cut], 0);
    mp_space_release(&m, &s);
    assert_int_equal(m.used_bytes, 0);
    assert_null(s.p);
    mp_space_release(&m, &s);
    assert_true(mp_space_grow(NULL, &s, 10));
    mp_space_release(NULL, &s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_codes),     cmocka_unit_test(error_message),
        cmocka_unit_test(error_kinds),    cmocka_unit_test(error_cut),
        cmocka_unit_test(error_order),    cmocka_unit_test(memory_is_counted),
        cmocka_unit_test(arena_pieces),   cmocka_unit_test(buffer_round_trip),
        cmocka_unit_test(buffer_refused), cmocka_unit_test(names),
        cmocka_unit_test(space),          cmocka_unit_test(clock_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
