/* test_group_key.c - keys of whole batches at every SIMD level against an encoding byte by byte,
 * with texts at the edges of readable memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/simd.h"
#include "op/group/group_key.h"

enum { MAX_COLUMNS = 6, PAGES = 8, ROUNDS = 400, MAX_TEXT = 400 };

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t n) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % n;
}

/* Every other page can be read, so that each page is an edge. */
typedef struct {
    char *area;
    size_t page;
} memory;

static void memory_make(memory *m) {
    m->page = (size_t)sysconf(_SC_PAGESIZE);
    m->area = mmap(NULL, (2 * PAGES + 1) * m->page, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(m->area != MAP_FAILED);
    for (size_t i = 0; i < (2 * PAGES + 1) * m->page; i++)
        m->area[i] = (char)random_below(256);
    for (size_t i = 0; i <= 2 * PAGES; i += 2)
        assert_int_equal(mprotect(m->area + i * m->page, m->page, PROT_NONE), 0);
}

static mp_str random_text(const memory *m, uint32_t kind) {
    static const uint32_t most[] = {4, 9, 15, 17, 40, MAX_TEXT};
    uint32_t len = random_below(most[kind] + 1), slack = (uint32_t)m->page - len;
    uint32_t at = random_below(3) ? random_below(slack + 1) : random_below(2) ? 0 : slack;
    size_t page = 1 + 2 * random_below(PAGES);
    if (len == 0 && random_below(2)) return mp_str_of(NULL, 0);
    return mp_str_of(m->area + page * m->page + at, len);
}

static size_t encode(const mp_str *const *col, const uint8_t *const *valid, int n_cols, int row,
                     uint8_t *out) {
    size_t n = 0;
    for (int c = 0; c < n_cols; c++) {
        mp_str t = col[c][row];
        if (valid[c] && !valid[c][row]) {
            out[n++] = 0;
            continue;
        }
        if (t.len <= MP_KEY_SHORT_MAX) {
            out[n++] = (uint8_t)(t.len + 1);
        } else {
            out[n++] = MP_KEY_LONG_TEXT;
            for (int i = 0; i < 4; i++)
                out[n++] = (uint8_t)(t.len >> (8 * i));
        }
        for (uint32_t i = 0; i < t.len; i++)
            out[n++] = (uint8_t)t.p[i];
    }
    while (n < 16)
        out[n++] = 0;
    return n;
}

static void check_level(const char *level, const mp_str *const *col, const uint8_t *const *valid,
                        int n_cols, int n_rows) {
    static mp_key key[MP_BATCH_ROWS];
    static uint64_t hash[MP_BATCH_ROWS];
    uint8_t want[MAX_COLUMNS * (MAX_TEXT + 5) + 16];
    mp_error err = MP_ERROR_INIT;
    mp_arena arena;
    mp_arena_init(&arena, NULL);
    setenv("MPART_SIMD", level, 1);
    assert_int_equal(
        mp_key_encode(mp_simd_level(), col, valid, n_cols, n_rows, &arena, key, hash, &err), MP_OK);
    for (int r = 0; r < n_rows; r++) {
        size_t n = encode(col, valid, n_cols, r, want);
        bool same = mp_key_len(&key[r]) == n && memcmp(mp_key_bytes(&key[r]), want, n) == 0;
        if (!same || hash[r] != mp_hash_bytes(want, n) || mp_key_is_long(key[r]) != (n > 16))
            fail_msg("row %d of %d with %d columns at level %s", r, n_rows, n_cols, level);
    }
    mp_arena_release(&arena);
}

static void test_batches(void **state) {
    (void)state;
    static mp_str text[MAX_COLUMNS][MP_BATCH_ROWS];
    static uint8_t valid[MAX_COLUMNS][MP_BATCH_ROWS];
    memory m;
    memory_make(&m);
    for (int round = 0; round < ROUNDS; round++) {
        int n_rows = 1 + (int)random_below(round % 8 ? 100 : MP_BATCH_ROWS);
        int n_cols = (int)random_below(MAX_COLUMNS + 1);
        const mp_str *col[MAX_COLUMNS];
        const uint8_t *ok[MAX_COLUMNS];
        for (int c = 0; c < n_cols; c++) {
            uint32_t kind = random_below(6), rare = random_below(3) ? 0 : random_below(6);
            col[c] = text[c];
            ok[c] = random_below(2) ? valid[c] : NULL;
            for (int r = 0; r < n_rows; r++) {
                text[c][r] = random_text(&m, random_below(30) ? kind : rare);
                valid[c][r] = random_below(4) != 0;
                if (ok[c] && !valid[c][r]) text[c][r].len = 0;
            }
        }
        static const char *const levels[] = {"c", "avx2", "avx512"};
        for (int l = 0; l < 3; l++)
            check_level(levels[l], col, ok, n_cols, n_rows);
    }
    unsetenv("MPART_SIMD");
    munmap(m.area, (2 * PAGES + 1) * m.page);
}

static void test_no_memory(void **state) {
    (void)state;
    static const char long_text[] = "a text of more than sixteen bytes";
    mp_str t[20];
    for (int i = 0; i < 20; i++)
        t[i] = mp_str_c(long_text);
    const mp_str *col[] = {t};
    const uint8_t *valid[] = {NULL};
    mp_key key[20];
    uint64_t hash[20];
    mp_mem mem;
    mp_arena arena;
    mp_error err = MP_ERROR_INIT;
    mp_mem_init(&mem, 1);
    mp_arena_init(&arena, &mem);
    assert_int_equal(mp_key_encode(mp_simd_level(), col, valid, 1, 20, &arena, key, hash, &err),
                     MP_NOMEM);
    assert_int_equal(err.status, MP_NOMEM);
    mp_arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
