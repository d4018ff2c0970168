/* test_input_map.c - windows of a file: their bytes and margins, wherever they lie, and files that
 * shrink under them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "input_folder.h"

enum { FILE_BYTES = 3 * 4096 + 700 };

static uint8_t byte_at(int64_t i) {
    return (uint8_t)(i * 131 >> 3 ^ i);
}

static char *numbered_file(void) {
    uint8_t *b = mp_arena_alloc(&arena, FILE_BYTES, 1);
    for (int i = 0; i < FILE_BYTES; i++)
        b[i] = byte_at(i);
    return put("numbers.bin", b, FILE_BYTES);
}

static void map_windows(void **state) {
    (void)state;
    mp_map m;
    mp_map_init(&m);
    mp_map_close(&m);
    assert_int_equal(mp_map_open(&m, at("none"), &err), MP_IO);
    mp_error_init(&err);
    assert_int_equal(mp_map_open(&m, numbered_file(), &err), MP_OK);
    static const int64_t begins[] = {0,         1, 63, 64, 4095, 4096, 4097, 8192, FILE_BYTES - 1,
                                     FILE_BYTES};
    for (int b = 0; b < 10; b++)
        for (int64_t len = 0; begins[b] + len <= FILE_BYTES; len = len * 3 + 1) {
            assert_int_equal(mp_map_window(&m, begins[b], (size_t)len, &err), MP_OK);
            assert_int_equal(m.len, len);
            for (int64_t i = 0; i < len; i++)
                assert_int_equal(m.bytes[i], byte_at(begins[b] + i));
            volatile uint8_t sum = 0; /* both margins can be read */
            for (int i = 1; i <= 64; i++)
                sum = (uint8_t)(sum + m.bytes[-i] + m.bytes[len + i - 1]);
            if (begins[b] + len == FILE_BYTES)
                for (int i = 0; i < 64; i++)
                    assert_int_equal(m.bytes[len + i], 0);
            assert_int_equal(mp_map_check(&m, &err), MP_OK);
        }
    assert_int_equal(mp_map_window(&m, 0, FILE_BYTES + 1, &err), MP_IO);
    mp_error_init(&err);
    assert_int_equal(mp_map_window(&m, -1, 1, &err), MP_IO);
    assert_int_equal(mp_map_window(&m, INT64_MAX, 1, NULL), MP_IO);
    assert_int_equal(mp_map_window(&m, 0, SIZE_MAX, NULL), MP_IO);
    mp_map_close(&m);
    assert_int_equal(mp_map_check(&m, NULL), MP_OK);
}

enum { MIB = 1 << 20, LARGE_BYTES = 5 * MIB + 700 };

static uint8_t *large_bytes(void) {
    uint8_t *b = mp_arena_alloc(&arena, LARGE_BYTES, 1);
    for (int i = 0; i < LARGE_BYTES; i++)
        b[i] = byte_at(i);
    return b;
}

/* Windows of huge pages: their edges at, before and behind those of the pages and of the file. */
static void map_large_windows(void **state) {
    (void)state;
    const uint8_t *bytes = large_bytes();
    static const int64_t edges[] = {0,
                                    1,
                                    4095,
                                    MIB,
                                    2 * MIB - 1,
                                    2 * MIB,
                                    2 * MIB + 1,
                                    4 * MIB - 1,
                                    4 * MIB + 0,
                                    4 * MIB + 1,
                                    5 * MIB - 1,
                                    5 * MIB + 1,
                                    LARGE_BYTES - 1,
                                    LARGE_BYTES};
    enum { N_EDGES = sizeof edges / sizeof *edges };
    mp_map m;
    mp_map_init(&m);
    assert_int_equal(mp_map_open(&m, put("large.bin", bytes, LARGE_BYTES), &err), MP_OK);
    for (int b = 0; b < N_EDGES; b++)
        for (int e = b; e < N_EDGES; e++) {
            size_t len = (size_t)(edges[e] - edges[b]);
            assert_int_equal(mp_map_window(&m, edges[b], len, &err), MP_OK);
            assert_memory_equal(m.bytes, bytes + edges[b], len);
            volatile uint8_t sum = 0; /* both margins can be read */
            for (int i = 1; i <= 64; i++)
                sum = (uint8_t)(sum + m.bytes[-i] + m.bytes[len + (size_t)i - 1]);
            for (int i = 0; edges[e] == LARGE_BYTES && i < 64; i++)
                assert_int_equal(m.bytes[len + (size_t)i], 0);
            assert_int_equal(mp_map_check(&m, &err), MP_OK);
        }
    mp_map_close(&m);
}

static void map_many(void **state) {
    (void)state;
    enum { MANY = 80 }; /* more than the registry of the signal handler holds: the rest is read */
    static mp_map m[MANY];
    char *path = numbered_file();
    for (int i = 0; i < MANY; i++) {
        mp_map_init(&m[i]);
        assert_int_equal(mp_map_open(&m[i], path, &err), MP_OK);
        assert_int_equal(mp_map_window(&m[i], i * 100, 300, &err), MP_OK);
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(m[i].bytes[299], byte_at(i * 100 + 299));
        assert_int_equal(mp_map_check(&m[i], &err), MP_OK);
        mp_map_close(&m[i]);
    }
}

static void map_shrinking(void **state) {
    (void)state;
    static const off_t cuts[] = {0, 100, 4096, 5000, FILE_BYTES - 1};
    for (int c = 0; c < 5; c++) {
        mp_map m, other;
        char *path = numbered_file();
        mp_map_init(&m);
        mp_map_init(&other);
        mp_error_init(&err);
        assert_int_equal(mp_map_open(&m, path, &err), MP_OK);
        assert_int_equal(mp_map_window(&m, 0, FILE_BYTES, &err), MP_OK);
        assert_int_equal(mp_map_open(&other, put_text("other", "quiet"), &err), MP_OK);
        assert_int_equal(mp_map_window(&other, 0, 5, &err), MP_OK);
        assert_int_equal(truncate(path, cuts[c]), 0);
        for (int64_t i = 0; i < FILE_BYTES; i++)
            assert_int_equal(m.bytes[i], i < cuts[c] ? byte_at(i) : 0);
        assert_int_equal(mp_map_check(&m, &err), MP_IO);
        assert_string_equal(err.why, "the file shrank while it was read");
        assert_string_equal(err.file, path);
        assert_int_equal(mp_map_check(&other, NULL), MP_OK);
        assert_int_equal(mp_map_window(&m, 0, FILE_BYTES, NULL), MP_IO);
        /* what is left can be read again */
        assert_int_equal(mp_map_window(&m, 0, (size_t)cuts[c], NULL), MP_OK);
        assert_int_equal(mp_map_check(&m, NULL), MP_OK);
        mp_map_close(&m);
        mp_map_close(&other);
    }
}

/* The same of a window of huge pages, whose place in memory is not that of its first byte's page. */
static void map_large_shrinking(void **state) {
    (void)state;
    static const off_t cuts[] = {0, MIB - 1, 2 * MIB, 3 * MIB + 5000, LARGE_BYTES - 1};
    const uint8_t *bytes = large_bytes();
    const int64_t from = MIB - 5000;
    for (int c = 0; c < 5; c++) {
        mp_map m;
        char *path = put("large.bin", bytes, LARGE_BYTES);
        mp_map_init(&m);
        mp_error_init(&err);
        assert_int_equal(mp_map_open(&m, path, &err), MP_OK);
        assert_int_equal(mp_map_window(&m, from, LARGE_BYTES - MIB, &err), MP_OK);
        assert_int_equal(truncate(path, cuts[c]), 0);
        int64_t first_wrong = -1;
        for (int64_t i = from; i < from + LARGE_BYTES - MIB && first_wrong < 0; i++)
            if (m.bytes[i - from] != (i < cuts[c] ? bytes[i] : 0)) first_wrong = i;
        assert_int_equal(first_wrong, -1);
        bool whole = cuts[c] >= from + LARGE_BYTES - MIB;
        assert_int_equal(mp_map_check(&m, &err), whole ? MP_OK : MP_IO);
        mp_map_close(&m);
    }
}

/* A bus error that has nothing to do with a window still ends the process. */
static void map_foreign_fault(void **state) {
    (void)state;
    char *path = numbered_file();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        mp_map m;
        alarm(10);
        signal(SIGBUS, SIG_DFL);
        mp_map_init(&m);
        int fd = open(path, O_RDWR);
        volatile uint8_t *p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
        if (mp_map_open(&m, path, NULL) != MP_OK || mp_map_window(&m, 0, 100, NULL) != MP_OK)
            _exit(1);
        if (ftruncate(fd, 0) != 0 || m.bytes[0] != 0) _exit(2); /* ours is caught */
        _exit(3 + p[4096]);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
}

int main(void) {
    alarm(120);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(map_windows, begin, end),
        cmocka_unit_test_setup_teardown(map_large_windows, begin, end),
        cmocka_unit_test_setup_teardown(map_many, begin, end),
        cmocka_unit_test_setup_teardown(map_shrinking, begin, end),
        cmocka_unit_test_setup_teardown(map_large_shrinking, begin, end),
        cmocka_unit_test_setup_teardown(map_foreign_fault, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
