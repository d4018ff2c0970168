/* test_dict.c - the shared dictionary on any number of ranks: exact counters, order, values of all sizes, quiet points,
 * memory limits, ranks that fail. Guarded by alarm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "comm/comm.h"
#include "comm/dict/dict_part.h"
#include "comm/dict/dictionary.h"
#include "mpart/dict.h"
#include "on_ranks.h"

#define OK MPART_DICT_OK

static int rank_of(mp_comm *c) {
    return mp_comm_rank(c);
}

static int64_t sum_of(mp_comm *c, int64_t v) {
    assert_int_equal(mp_comm_allreduce(c, &v, 1, MP_SUM, NULL), MP_OK);
    return v;
}

/* True on every rank if it is true on all. */
static bool everywhere(mp_comm *c, bool ok) {
    return sum_of(c, ok ? 0 : 1) == 0;
}

static mpart_dict *opened(int64_t memory) {
    mpart_dict *d = NULL;
    char message[200];
    return mpart_dict_open(MPI_COMM_WORLD, memory, &d, message, sizeof message) == OK ? d : NULL;
}

static size_t key_text(char *out, const char *prefix, int64_t i) {
    return (size_t)sprintf(out, "%s%lld", prefix, (long long)i);
}

static int64_t get_int(mpart_dict *d, const char *key, size_t n) {
    mpart_dict_value v = {MPART_DICT_NONE, 0, 0, NULL, 0};
    if (mpart_dict_get(d, key, n, &v) != OK) return -1;
    return v.type == MPART_DICT_INT ? v.i : -2;
}

typedef struct {
    int64_t n, sum;
} total;

static int add_up(void *ctx, const void *key, size_t n, const mpart_dict_value *v) {
    total *t = ctx;
    (void)key, (void)n;
    t->n++;
    t->sum += v->i;
    return 1;
}

/* Increments of shared keys, with and without results, are all there and none twice. */
static void test_counters(void **state) {
    mp_comm *c = *state;
    enum { KEYS = 100, EACH = 30000 };
    mpart_dict *d = opened(0);
    bool ok = true;
    char key[40];
    for (int i = 0; i < EACH && ok; i++) {
        size_t n = key_text(key, "k", (i * 7 + rank_of(c)) % KEYS);
        ok = mpart_dict_add_int(d, key, n, 1) == OK;
        if (i % 1000 == 0) {
            mpart_dict_value one = mpart_dict_int(1), sum;
            ok = ok && mpart_dict_fetch_add(d, key, n, &one, &sum) == OK && sum.i > 0;
        }
    }
    ok = ok && mpart_dict_quiet(d) == OK;
    int64_t expected = (int64_t)mp_comm_size(c) * (EACH + EACH / 1000);
    total own = {0, 0};
    ok = ok && mpart_dict_each(d, add_up, &own) == OK;
    ok = ok && mpart_dict_quiet(d) == OK;
    int64_t n_keys = 0, seen = 0;
    for (int i = 0; i < KEYS && ok; i++)
        seen += get_int(d, key, key_text(key, "k", i));
    ok = ok && mpart_dict_size(d, &n_keys) == OK && n_keys == KEYS && seen == expected;
    ok = mpart_dict_close(&d, 0) == OK && ok;
    assert_true(everywhere(c, ok));
    assert_int_equal(sum_of(c, own.n), KEYS);
    assert_int_equal(sum_of(c, own.sum), expected);
}

/* Counters by compare-and-swap: every success counts once. */
static void test_compare_and_swap(void **state) {
    mp_comm *c = *state;
    enum { EACH = 300 };
    mpart_dict *d = opened(0);
    bool ok = true;
    int64_t failures = 0;
    for (int i = 0; i < EACH && ok; i++) {
        int done = 0;
        while (!done && ok) {
            mpart_dict_value v, next;
            ok = mpart_dict_get(d, "cas", 3, &v) == OK;
            next = mpart_dict_int(v.type == MPART_DICT_NONE ? 1 : v.i + 1);
            ok = ok && mpart_dict_compare_and_swap(d, "cas", 3, &v, &next, &done) == OK;
            failures += !done;
        }
    }
    ok = ok && mpart_dict_quiet(d) == OK;
    ok = ok && get_int(d, "cas", 3) == EACH * (int64_t)mp_comm_size(c);
    ok = mpart_dict_close(&d, 0) == OK && ok;
    assert_true(everywhere(c, ok));
    if (mp_comm_size(c) == 1) assert_int_equal(failures, 0);
}

/* Exactly one rank is the first. */
static void test_put_new(void **state) {
    mp_comm *c = *state;
    enum { KEYS = 500 };
    mpart_dict *d = opened(0);
    bool ok = true;
    int64_t first = 0;
    for (int i = 0; i < KEYS && ok; i++) {
        char key[40];
        int stored = 0;
        size_t n = key_text(key, "url", i);
        mpart_dict_value v = mpart_dict_int(rank_of(c));
        ok = mpart_dict_put_new(d, key, n, &v, &stored) == OK;
        first += stored;
        if (ok && stored) ok = get_int(d, key, n) == rank_of(c);
    }
    ok = mpart_dict_close(&d, 0) == OK && ok;
    assert_true(everywhere(c, ok));
    assert_int_equal(sum_of(c, first), KEYS);
}

/* A rank reads what it wrote; of two keys of one owner, a reader never sees the later write alone. */
static void test_order(void **state) {
    mp_comm *c = *state;
    enum { ROUNDS = 3000 };
    mpart_dict *d = opened(0);
    bool ok = true;
    char a[40], b[40], own[40];
    size_t na = key_text(a, "first", 0), nb = 0;
    mp_dict *probe = NULL;
    mp_mem mem;
    mp_mem_init(&mem, 0);
    mp_dict_args args = {&mem, 0, 1 << 20};
    ok = mp_dict_new(c, &args, &probe, NULL) == MP_OK;
    for (int i = 0; ok; i++) {
        nb = key_text(b, "second", i);
        if (mp_dict_owner(probe, b, nb) == mp_dict_owner(probe, a, na)) break;
    }
    size_t n_own = key_text(own, "mine", rank_of(c));
    for (int i = 1; i <= ROUNDS && ok; i++) {
        mpart_dict_value v = mpart_dict_int(i), first, second;
        if (rank_of(c) == 0) {
            ok = mpart_dict_put(d, a, na, &v) == OK && mpart_dict_put(d, b, nb, &v) == OK;
        } else if (i % 8 == 0) {
            /* second is read before first, so first is at least as new */
            ok = mpart_dict_get(d, b, nb, &second) == OK && mpart_dict_get(d, a, na, &first) == OK;
            ok = ok && first.i >= second.i;
        }
        ok = ok && mpart_dict_put(d, own, n_own, &v) == OK;
        if (i % 16 == 0) ok = ok && get_int(d, own, n_own) == i;
    }
    ok = mpart_dict_close(&d, 0) == OK && ok;
    ok = mp_dict_end(probe, false, NULL) == MP_OK && ok;
    while (ok && !mp_dict_done(probe))
        ok = mp_comm_progress(c, NULL, NULL) == MP_OK;
    bool all = everywhere(c, ok);
    mp_dict_free(&probe);
    assert_true(all);
}

/* Updates of all kinds, mixed so that some are combined and some are not, against what they must give. */
static void test_updates(void **state) {
    mp_comm *c = *state;
    mpart_dict *d = opened(0);
    bool ok = true;
    int64_t size = mp_comm_size(c), rank = rank_of(c);
    for (int i = 0; i < 2000 && ok; i++) {
        char key[40];
        size_t n = key_text(key, "mix", rank); /* of this rank alone */
        mpart_dict_value v = mpart_dict_int(i);
        ok = mpart_dict_put(d, key, n, &v) == OK && mpart_dict_add_int(d, key, n, 5) == OK &&
             mpart_dict_add_int(d, key, n, -2) == OK;
        if (i % 3 == 0) ok = ok && mpart_dict_delete(d, key, n) == OK;
        if (i % 3 == 0) ok = ok && mpart_dict_add_int(d, key, n, 1) == OK;
        ok = ok && (i % 50 || get_int(d, key, n) == (i % 3 == 0 ? 1 : i + 3));
        v = mpart_dict_int(rank * 2000 + i);
        ok = ok && mpart_dict_max(d, "max", 3, &v) == OK && mpart_dict_min(d, "min", 3, &v) == OK;
        v = mpart_dict_float(i + 0.5);
        ok = ok && mpart_dict_max(d, "fmax", 4, &v) == OK;
        ok = ok && mpart_dict_add_float(d, "fsum", 4, 0.25) == OK;
        ok = ok && mpart_dict_append(d, "log", 3, "abc", 3) == OK;
    }
    ok = ok && mpart_dict_quiet(d) == OK;
    mpart_dict_value v;
    ok = ok && get_int(d, "max", 3) == size * 2000 - 1 && get_int(d, "min", 3) == 0;
    ok =
        ok && mpart_dict_get(d, "fmax", 4, &v) == OK && v.type == MPART_DICT_FLOAT && v.f == 1999.5;
    ok = ok && mpart_dict_get(d, "fsum", 4, &v) == OK && v.f == 500.0 * (double)size;
    ok = ok && mpart_dict_get(d, "log", 3, &v) == OK && v.n == (size_t)(6000 * size);
    for (size_t i = 0; ok && i < v.n; i++)
        ok = ((const char *)v.bytes)[i] == "abc"[i % 3];
    ok = mpart_dict_close(&d, 0) == OK && ok;
    assert_true(everywhere(c, ok));
}

static uint8_t fill_of(int64_t number, size_t i) {
    return (uint8_t)((uint64_t)number * 37 + i * 11);
}

/* Values from nothing to several batches, keys with any bytes, read singly, later and many at once. */
static void test_sizes(void **state) {
    mp_comm *c = *state;
    static const size_t sizes[] = {0, 1, 7, 8, 9, 4096, 65535, 65536, 1000000, 5000000};
    enum { N = sizeof sizes / sizeof *sizes };
    mpart_dict *d = opened(0);
    uint8_t *bytes = malloc(5000000);
    char key[N][8];
    const void *keys[N];
    size_t lens[N];
    bool ok = true;
    for (int k = 0; k < N && ok; k++) {
        memcpy(key[k], "\0\n\r\xff", 4);
        key[k][4] = (char)k;
        key[k][5] = (char)rank_of(c);
        keys[k] = key[k];
        lens[k] = 6;
        for (size_t i = 0; i < sizes[k]; i++)
            bytes[i] = fill_of(k, i);
        mpart_dict_value v = mpart_dict_bytes(bytes, sizes[k]);
        ok = mpart_dict_put(d, key[k], 6, &v) == OK;
    }
    mpart_dict_value got[N];
    mpart_dict_future *later[N];
    for (int k = 0; k < N && ok; k++)
        ok = mpart_dict_get_later(d, keys[k], 6, &later[k]) == OK;
    for (int k = N - 1; k >= 0 && ok; k--) {
        ok = mpart_dict_take(d, &later[k], &got[k]) == OK && !later[k] && got[k].n == sizes[k];
        for (size_t i = 0; ok && i < sizes[k]; i += 97)
            ok = ((const uint8_t *)got[k].bytes)[i] == fill_of(k, i);
    }
    ok = ok && mpart_dict_get_many(d, N, keys, lens, got) == OK;
    for (int k = 0; k < N && ok; k++) {
        ok = got[k].type == MPART_DICT_BYTES && got[k].n == sizes[k];
        for (size_t i = 0; ok && i < sizes[k]; i += 97)
            ok = ((const uint8_t *)got[k].bytes)[i] == fill_of(k, i);
    }
    free(bytes);
    ok = mpart_dict_close(&d, 0) == OK && ok;
    assert_true(everywhere(c, ok));
}

/* More answers than an owner may have under way: everybody asks everybody for long values. */
static void test_many_long_answers(void **state) {
    mp_comm *c = *state;
    enum { ASKED = 200, LENGTH = 100000 };
    mpart_dict *d = opened(0);
    static uint8_t bytes[LENGTH];
    bool ok = true;
    char key[40];
    for (int i = 0; i < 8 && ok && rank_of(c) == 0; i++) {
        memset(bytes, i + 1, LENGTH);
        mpart_dict_value v = mpart_dict_bytes(bytes, LENGTH);
        ok = mpart_dict_put(d, key, key_text(key, "long", i), &v) == OK;
    }
    ok = ok && mpart_dict_quiet(d) == OK;
    mpart_dict_future *later[ASKED];
    for (int i = 0; i < ASKED && ok; i++)
        ok = mpart_dict_get_later(d, key, key_text(key, "long", i % 8), &later[i]) == OK;
    for (int i = 0; i < ASKED && ok; i++) {
        mpart_dict_value v;
        ok = mpart_dict_take(d, &later[i], &v) == OK && v.n == LENGTH &&
             ((const uint8_t *)v.bytes)[LENGTH - 1] == i % 8 + 1;
    }
    ok = mpart_dict_close(&d, 0) == OK && ok;
    assert_true(everywhere(c, ok));
}

/* Errors of values: at once where there is a result, with the next wait where there is none. */
static void test_bad_values(void **state) {
    mp_comm *c = *state;
    mpart_dict *d = opened(0);
    bool ok = true;
    char key[40];
    size_t n = key_text(key, "bad", rank_of(c));
    mpart_dict_value v = mpart_dict_bytes("text", 4), one = mpart_dict_int(1), sum;
    ok = mpart_dict_put(d, key, n, &v) == OK;
    ok = ok && mpart_dict_fetch_add(d, key, n, &one, &sum) == MPART_DICT_BAD_VALUE;
    ok =
        ok && strstr(mpart_dict_message(d), "not an integer") && strstr(mpart_dict_message(d), key);
    v = mpart_dict_int(INT64_MAX);
    ok = ok && mpart_dict_put(d, key, n, &v) == OK && mpart_dict_add_int(d, key, n, 1) == OK;
    mpart_dict_code code = mpart_dict_quiet(d);
    ok = ok && code == MPART_DICT_BAD_VALUE && strstr(mpart_dict_message(d), "overflow");
    ok = ok && get_int(d, key, n) == INT64_MAX;
    /* one that nobody has asked about is what close returns, on all ranks */
    if (rank_of(c) == 0) ok = ok && mpart_dict_add_int(d, key, n, 1) == OK;
    code = mpart_dict_close(&d, 0);
    assert_true(everywhere(c, ok && code == MPART_DICT_BAD_VALUE));
}

/* Each rank fills the table until it is refused: the refusal names the limit, and what was stored is there. */
static void test_memory_limit(void **state) {
    mp_comm *c = *state;
    enum { LIMIT = 4 << 20, LENGTH = 3000 };
    mpart_dict *d = opened(LIMIT);
    static uint8_t bytes[LENGTH];
    bool ok = d != NULL, refused = false;
    char key[40];
    int64_t stored = 0;
    for (int i = 0; i < 20000 && ok && !refused; i++) {
        int new = 0;
        mpart_dict_value v = mpart_dict_bytes(bytes, LENGTH);
        size_t n = key_text(key, rank_of(c) % 2 ? "odd" : "even", (int64_t)i * 64 + rank_of(c));
        mpart_dict_code code = mpart_dict_put_new(d, key, n, &v, &new);
        refused = code == MPART_DICT_NO_MEMORY;
        ok = refused || (code == OK && new);
        stored += !refused;
    }
    ok = ok && refused && strstr(mpart_dict_message(d), "4.0 MiB");
    ok = ok && stored > 0;
    mpart_dict_value v;
    for (int i = 0; i < stored && ok; i++) {
        size_t n = key_text(key, rank_of(c) % 2 ? "odd" : "even", (int64_t)i * 64 + rank_of(c));
        ok = mpart_dict_get(d, key, n, &v) == OK && v.n == LENGTH;
    }
    ok = ok && mpart_dict_quiet(d) == OK;
    int64_t n_keys = 0;
    ok = ok && mpart_dict_size(d, &n_keys) == OK && mpart_dict_quiet(d) == OK;
    ok = ok && mpart_dict_clear(d) == OK && mpart_dict_quiet(d) == OK;
    v = mpart_dict_bytes(bytes, LENGTH);
    ok = ok && mpart_dict_put(d, key, 3, &v) == OK; /* there is room again */
    ok = mpart_dict_close(&d, 0) == OK && ok;
    assert_true(everywhere(c, ok));
    assert_int_equal(sum_of(c, stored), n_keys);
}

/* Large values that are put faster than their owners take them: the rank that puts them waits. */
static void test_queue_is_bounded(void **state) {
    mp_comm *c = *state;
    enum { BYTES = 4 << 20, KEYS = 8, PUTS = 40 };
    mpart_dict *d = opened(128 << 20);
    char *text = calloc(1, BYTES), key[40];
    bool ok = text != NULL;
    size_t at_first = 0, most = 0;
    for (int i = 0; i < PUTS && ok && rank_of(c) == 0; i++) {
        mpart_dict_value v = mpart_dict_bytes(text, BYTES);
        struct mallinfo2 now = mallinfo2();
        if (i == 0) at_first = now.uordblks + now.hblkhd;
        if (now.uordblks + now.hblkhd > most) most = now.uordblks + now.hblkhd;
        ok = mpart_dict_put(d, key, key_text(key, "large", i % KEYS), &v) == OK;
    }
    ok = ok && mpart_dict_quiet(d) == OK;
    ok = mpart_dict_close(&d, 0) == OK && ok;
    free(text);
    assert_true(everywhere(c, ok));
    assert_true(everywhere(c, most - at_first < (size_t)80 << 20));
}

/* One rank gives up while the others wait for it: for a key that never comes, at a quiet point, or at the end. */
static void test_rank_fails(void **state) {
    mp_comm *c = *state;
    int n_ranks = mp_comm_size(c);
    bool ok = true;
    for (int failing = 0; failing < n_ranks && failing < 3; failing++) {
        mpart_dict *d = opened(0);
        mpart_dict_code code = OK;
        char key[40];
        for (int i = 0; i < 500 && code == OK; i++)
            code = mpart_dict_add_int(d, key, key_text(key, "k", i), 1);
        if (rank_of(c) == failing) {
            usleep(2000);
            code = mpart_dict_close(&d, 1);
        } else {
            int there = 0;
            if (rank_of(c) % 2 == failing % 2)
                while (code == OK && !there)
                    code = mpart_dict_exists(d, "never", 5, &there);
            else
                code = mpart_dict_quiet(d);
            ok = ok && code == MPART_DICT_PEER_FAILED && strstr(mpart_dict_message(d), "given up");
            code = mpart_dict_close(&d, 0);
        }
        ok = everywhere(c, ok && code == MPART_DICT_FAILED && !d) && ok;
    }
    assert_true(ok);
}

/* Uniform keys are spread evenly; updates of one key are combined before they are sent. */
static void test_spread_and_combining(void **state) {
    mp_comm *c = *state;
    enum { KEYS = 100000 };
    mp_dict *d = NULL;
    mp_mem mem;
    mp_mem_init(&mem, 0);
    mp_dict_args args = {&mem, 0, 64 << 20}; /* so large that parts stay within reach */
    bool ok = mp_dict_new(c, &args, &d, NULL) == MP_OK;
    char key[40];
    for (int i = rank_of(c); i < KEYS && ok; i += mp_comm_size(c)) {
        mp_buf *b = mp_dict_open(d, MP_DICT_PUT, 0, key, key_text(key, "key", i));
        ok = b != NULL;
        if (ok) mp_dict_put_int(b, i);
        ok = ok && mp_dict_close(d, NULL, NULL, 0, NULL) == MP_OK;
        if (ok && i % 100 == 0) ok = mp_comm_progress(c, NULL, NULL) == MP_OK;
    }
    ok = ok && mp_dict_quiet(d, NULL) == MP_OK;
    mp_dict_counts before = mp_dict_stats(d);
    ok = ok && before.keys < 2 * KEYS / mp_comm_size(c) && before.keys > KEYS / mp_comm_size(c) / 2;
    ok = everywhere(c, ok) && mp_dict_quiet(d, NULL) == MP_OK;
    for (int i = 0; i < KEYS && ok; i++) {
        mp_buf *b = mp_dict_open(d, MP_DICT_ADD, 0, "one", 3);
        ok = b != NULL;
        if (ok) mp_dict_put_int(b, 1);
        ok = ok && mp_dict_close(d, NULL, NULL, 0, NULL) == MP_OK;
    }
    mp_dict_counts after = mp_dict_stats(d);
    if (mp_dict_owner(d, "one", 3) != rank_of(c))
        ok = ok && after.combined - before.combined == KEYS - 1;
    ok = everywhere(c, ok) && mp_dict_quiet(d, NULL) == MP_OK;
    int64_t keys = mp_dict_stats(d).keys;
    size_t n;
    if (mp_comm_shared(c, (rank_of(c) + 1) % mp_comm_size(c), &n)) /* nobody was sent anything */
        ok = ok && mp_dict_stats(d).batches == before.batches;
    ok = everywhere(c, ok) && mp_dict_quiet(d, NULL) == MP_OK &&
         mp_dict_end(d, false, NULL) == MP_OK;
    while (ok && !mp_dict_done(d))
        ok = mp_comm_progress(c, NULL, NULL) == MP_OK;
    assert_true(everywhere(c, ok));
    mp_dict_free(&d);
    assert_int_equal(sum_of(c, keys), KEYS + 1);
    assert_int_equal(mem.used_bytes, 0);
}

/* Parts that grow beyond what other ranks take into their memory: what a rank did directly, and what it does by messages
 * from then on, stay in order. */
static void test_parts_grow(void **state) {
    mp_comm *c = *state;
    enum { EACH = 1500, LARGE = 4000 };
    mp_dict *d = NULL;
    mp_mem mem;
    mp_mem_init(&mem, 0);
    mp_dict_args args = {&mem, 0, 1 << 20};
    static uint8_t bytes[LARGE];
    char log[40], key[40], digit;
    mpart_dict_value v = mpart_dict_bytes(bytes, LARGE);
    bool ok = mp_dict_new(c, &args, &d, NULL) == MP_OK;
    mpart_dict *m = ok ? mp_dict_client_new(c, d) : NULL;
    size_t n_log = key_text(log, "log", rank_of(c));
    for (int i = 0; i < EACH && ok && m; i++) {
        digit = (char)('0' + i % 10);
        ok = mpart_dict_append(m, log, n_log, &digit, 1) == OK &&
             mpart_dict_add_int(m, "all", 3, 1) == OK;
        size_t n = key_text(key, "large", i * mp_comm_size(c) + rank_of(c));
        ok = ok && mpart_dict_put(m, key, n, &v) == OK;
        if (ok && i % 50 == 0) ok = mpart_dict_progress(m) == OK;
    }
    ok = ok && m && mpart_dict_get(m, log, n_log, &v) == OK && v.n == EACH;
    for (int i = 0; i < EACH && ok; i++)
        ok = ((const char *)v.bytes)[i] == '0' + i % 10;
    ok = ok && mpart_dict_quiet(m) == OK;
    ok = ok && get_int(m, "all", 3) == EACH * (int64_t)mp_comm_size(c);
    int64_t batches = ok ? mp_dict_stats(d).batches : 0;
    ok = ok && mpart_dict_quiet(m) == OK && mp_dict_end(d, false, NULL) == MP_OK;
    while (ok && !mp_dict_done(d))
        ok = mp_comm_progress(c, NULL, NULL) == MP_OK;
    assert_true(everywhere(c, ok));
    mp_dict_client_free(&m);
    mp_dict_free(&d);
    if (mp_comm_size(c) > 1) assert_true(batches > 0);
    assert_int_equal(mem.used_bytes, 0);
}

/* A process that is stopped while it has a part locked: who asks sleeps until it goes on, and then does what it wanted. */
static void test_stops_with_the_lock(void **state) {
    mp_comm *c = *state;
    mp_dict *d = NULL;
    mp_mem mem;
    mp_mem_init(&mem, 0);
    mp_dict_args args = {&mem, 0, 1 << 20};
    bool ok = mp_dict_new(c, &args, &d, NULL) == MP_OK;
    mpart_dict *m = ok ? mp_dict_client_new(c, d) : NULL;
    mp_dict_part *own = mp_dict_part_of(c, rank_of(c));
    pid_t child = own ? fork() : -1;
    if (child == 0) {
        bool locked = mp_dict_part_lock(own) && raise(SIGSTOP) == 0;
        mp_dict_part_unlock(own);
        _exit(!locked);
    }
    int how = 0;
    if (child > 0) ok = waitpid(child, &how, WUNTRACED) == child && WIFSTOPPED(how);
    ok = everywhere(c, ok && m);
    pid_t waker = child > 0 ? fork() : -1;
    if (waker == 0) _exit(usleep(150 * 1000) != 0 || kill(child, SIGCONT) != 0);
    clock_t used = clock();
    int64_t n = -1;
    ok = ok && mpart_dict_add_int(m, "key", 3, 1) == OK && mpart_dict_quiet(m) == OK;
    if (child > 0) ok = ok && clock() - used < CLOCKS_PER_SEC / 20;
    ok = ok && get_int(m, "key", 3) == mp_comm_size(c) && mpart_dict_size(m, &n) == OK && n == 1;
    if (child > 0) ok = waitpid(child, &how, 0) == child && how == 0 && ok;
    if (waker > 0) ok = waitpid(waker, &how, 0) == waker && how == 0 && ok;
    ok = everywhere(c, ok) && mp_dict_end(d, false, NULL) == MP_OK;
    while (ok && !mp_dict_done(d))
        ok = mp_comm_progress(c, NULL, NULL) == MP_OK;
    assert_true(everywhere(c, ok));
    mp_dict_client_free(&m);
    mp_dict_free(&d);
    assert_int_equal(mem.used_bytes, 0);
}

/* A process that dies while it has a part locked: an error for every rank, as often as it asks, and nobody waits. */
static void test_dies_with_the_lock(void **state) {
    mp_comm *c = *state;
    mp_dict *d = NULL;
    mp_mem mem;
    mp_mem_init(&mem, 0);
    mp_dict_args args = {&mem, 0, 1 << 20};
    bool ok = mp_dict_new(c, &args, &d, NULL) == MP_OK;
    assert_true(everywhere(c, ok));
    mp_dict_part *own = mp_dict_part_of(c, rank_of(c));
    mp_dict_part *next = mp_dict_part_of(c, (rank_of(c) + 1) % mp_comm_size(c));
    pid_t child = own ? fork() : -1;
    if (child == 0) _exit(!mp_dict_part_lock(own));
    int how = 0;
    ok = child < 0 || (waitpid(child, &how, 0) == child && how == 0);
    ok = everywhere(c, ok);
    for (int i = 0; i < 2 && next; i++)
        ok = ok && !mp_dict_part_lock(next);
    ok = everywhere(c, ok);
    mp_error e = MP_ERROR_INIT;
    if (own && ok)
        ok = mp_dict_open_at(d, MP_DICT_CLEAR, 0, rank_of(c)) &&
             mp_dict_close(d, NULL, NULL, 0, NULL) == MP_OK && mp_dict_quiet(d, &e) == MP_FAILED &&
             strstr(e.why, "a rank died") && mp_comm_broken(c);
    /* no call of the library waits for what cannot come */
    mpart_dict *m = mp_dict_client_new(c, d);
    mpart_dict_value v;
    mpart_dict_future *f = NULL;
    const void *key = "key";
    size_t n = 3;
    int64_t n_keys;
    for (int i = 0; i < 2 && own && ok; i++)
        ok = mpart_dict_get(m, "key", 3, &v) == MPART_DICT_FAILED &&
             mpart_dict_get_many(m, 1, &key, &n, &v) == MPART_DICT_FAILED &&
             mpart_dict_get_later(m, "key", 3, &f) == MPART_DICT_FAILED && !f &&
             mpart_dict_size(m, &n_keys) == MPART_DICT_FAILED &&
             mpart_dict_progress(m) == MPART_DICT_FAILED &&
             mpart_dict_quiet(m) == MPART_DICT_FAILED;
    mp_dict_client_free(&m);
    mp_dict_free(&d);
    assert_true(ok);
    assert_int_equal(mem.used_bytes, 0);
}

/* Where ranks share no memory, all goes through messages. */
static int open_unshared(void **state) {
    return setenv("MPART_TEST_UNSHARED", "1", 1) == 0 ? open_comm(state) : -1;
}

int main(int argc, char **argv) {
    begin_on_ranks(&argc, &argv, 100);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters),          cmocka_unit_test(test_compare_and_swap),
        cmocka_unit_test(test_put_new),           cmocka_unit_test(test_order),
        cmocka_unit_test(test_updates),           cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_many_long_answers), cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_memory_limit),      cmocka_unit_test(test_queue_is_bounded),
        cmocka_unit_test(test_rank_fails),        cmocka_unit_test(test_spread_and_combining),
        cmocka_unit_test(test_parts_grow),        cmocka_unit_test(test_stops_with_the_lock),
    };
    const struct CMUnitTest by_messages[] = {
        cmocka_unit_test(test_counters),          cmocka_unit_test(test_order),
        cmocka_unit_test(test_many_long_answers), cmocka_unit_test(test_memory_limit),
        cmocka_unit_test(test_rank_fails),
    };
    const struct CMUnitTest last[] = {
        cmocka_unit_test(test_dies_with_the_lock), /* its mp_comm is broken then */
    };
    int failed = cmocka_run_group_tests(tests, open_comm, close_comm);
    failed += cmocka_run_group_tests(last, open_comm, close_comm);
    return end_on_ranks(failed + cmocka_run_group_tests(by_messages, open_unshared, close_comm));
}
