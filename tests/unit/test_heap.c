/* test_heap.c - the allocator in a range of addresses: blocks keep their bytes, neighbours meet, a full heap refuses,
 * and what is free is given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/heap.h"
#include "base/mem.h"

static uint64_t random_state = 88172645463325252u;
static uint64_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void *range(size_t n) {
    void *p =
        mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(p != MAP_FAILED);
    return p;
}

static size_t random_size(void) {
    unsigned bits = (unsigned)(next_random() % 17);
    return next_random() % 50 ? next_random() & (((uint64_t)1 << bits) - 1)
                              : next_random() % 900000;
}

/* Blocks of all sizes come and go: each keeps its bytes, and when all are gone the heap is as at first. */
static void blocks_keep_their_bytes(void **state) {
    (void)state;
    enum { SLOTS = 700, STEPS = 80000 };
    static struct {
        uint8_t *p;
        size_t n;
        uint8_t mark;
    } s[SLOTS];
    size_t bytes = (size_t)1 << 28;
    void *at = range(bytes);
    mp_heap *h = mp_heap_make(at, bytes);
    size_t empty = mp_heap_reach(h);
    for (int i = 0; i < STEPS; i++) {
        size_t k = next_random() % SLOTS, n = random_size();
        bool again = next_random() % 4 == 0;
        for (size_t j = 0; s[k].p && j < s[k].n; j += 1 + s[k].n / 16)
            assert_int_equal(s[k].p[j], s[k].mark);
        if (s[k].p && s[k].n) assert_int_equal(s[k].p[s[k].n - 1], s[k].mark);
        if (again) {
            size_t kept = s[k].p ? (s[k].n < n ? s[k].n : n) : 0;
            s[k].p = mp_heap_realloc(h, s[k].p, n);
            if (kept) assert_int_equal(s[k].p[kept - 1], s[k].mark);
        } else {
            mp_heap_free(h, s[k].p);
            s[k].p = next_random() % 3 ? mp_heap_alloc(h, n) : NULL;
            if (!s[k].p) continue;
        }
        assert_non_null(s[k].p);
        assert_int_equal((uintptr_t)s[k].p % 16, 0);
        assert_true(mp_heap_usable(s[k].p) >= n);
        s[k].n = n;
        s[k].mark = (uint8_t)next_random();
        memset(s[k].p, s[k].mark, mp_heap_usable(s[k].p));
    }
    for (size_t k = 0; k < SLOTS; k++)
        mp_heap_free(h, s[k].p);
    void *most = mp_heap_alloc(h, bytes - empty - 64);
    assert_non_null(most); /* nothing is left behind, and no two halves of it */
    mp_heap_free(h, most);
    assert_true(mp_heap_reach(h) < empty + (1 << 18));
    munmap(at, bytes);
}

/* A full heap refuses, keeps what it has, and takes again what is freed. */
static void full_heap_refuses(void **state) {
    (void)state;
    enum { BYTES = 1 << 20 };
    static void *p[BYTES / 64];
    void *at = range(BYTES);
    mp_heap *h = mp_heap_make(at, BYTES);
    size_t n = 0, again = 0;
    while ((p[n] = mp_heap_alloc(h, 100)) != NULL)
        n++;
    assert_true(n > BYTES / 120);
    assert_null(mp_heap_alloc(h, SIZE_MAX));
    assert_null(mp_heap_alloc(h, BYTES));
    assert_null(mp_heap_realloc(h, p[0], 1000));
    for (size_t i = 1; i < n - 1; i += 3) { /* pairs: together they hold 200 */
        mp_heap_free(h, p[i]);
        mp_heap_free(h, p[i + 1]);
        p[i] = p[i + 1] = NULL;
    }
    while (mp_heap_alloc(h, 200))
        again++;
    assert_true(again >= n / 3 - 2);
    munmap(at, BYTES);
}

/* What is freed among blocks that stay is taken again by blocks of the same size. */
static void holes_are_filled(void **state) {
    (void)state;
    enum { N = 5000, SIZE = 1000 };
    static void *p[N];
    size_t bytes = (size_t)1 << 28;
    void *at = range(bytes);
    mp_heap *h = mp_heap_make(at, bytes);
    for (int i = 0; i < N; i++)
        p[i] = mp_heap_alloc(h, SIZE);
    size_t full = mp_heap_reach(h);
    for (int i = 0; i < 10 * N; i++) {
        size_t k = next_random() % N;
        mp_heap_free(h, p[k]);
        p[k] = mp_heap_alloc(h, SIZE);
        assert_non_null(p[k]);
    }
    assert_true(mp_heap_reach(h) < full + full / 50);
    munmap(at, bytes);
}

/* Counted memory that comes from a heap. */
static void counted(void **state) {
    (void)state;
    enum { BYTES = 1 << 20 };
    void *at = range(BYTES);
    mp_mem m;
    mp_mem_init(&m, 10000);
    m.heap = mp_heap_make(at, BYTES);
    char *p = mp_mem_calloc(&m, 100, 10), *q = mp_mem_alloc(&m, 5000);
    assert_true((void *)p > at && p < (char *)at + BYTES);
    assert_true(m.used_bytes >= 6000 && m.used_bytes < 6100);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
    assert_null(mp_mem_alloc(&m, 5000));
    assert_null(mp_mem_realloc(&m, p, 6000));
    p = mp_mem_realloc(&m, p, 2000);
    assert_non_null(p);
    mp_mem_free(&m, q);
    mp_mem_free(&m, p);
    assert_int_equal(m.used_bytes, 0);
    munmap(at, BYTES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_keep_their_bytes),
        cmocka_unit_test(full_heap_refuses),
        cmocka_unit_test(holes_are_filled),
        cmocka_unit_test(counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
