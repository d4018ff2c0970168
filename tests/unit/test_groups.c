/* test_groups.c - groups in parts: the same groups, in the same order, as in one table, and the sums
 * that were dealt out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/batch.h"
#include "op/group/group_state.h"
#include "op/group/groups.h"

enum { N = 1200000, BATCH = 4000, OWNERS = 3 };

static const int key_col = 0;
static const mp_type string_type = MP_STRING;
static const mp_group_agg aggs[2] = {
    {.fn = MP_AGG_SUM, .arg = {1, -1}, .type = {MP_INT64, MP_NULL}, .name = "v"},
    {.fn = MP_AGG_COUNT, .arg = {-1, -1}, .name = ""}};

static mp_group_args args_of(mp_mem *mem, bool absorbs) {
    static const mp_type any = MP_NULL;
    return (mp_group_args){.n_keys = 1,
                           .starts_empty = absorbs,
                           .key = &key_col,
                           .key_type = &any,
                           .n_aggs = 2,
                           .aggs = aggs,
                           .n_owners = OWNERS,
                           .window_exp = -60,
                           .mem = mem};
}

/* Every id from 0 to N once, out of order. */
static int64_t id_of(int64_t i) {
    return i * 7919 % N;
}

static mp_status collect(void *ctx, int owner, const void *record, size_t n, mp_error *err) {
    (void)err;
    if (owner == 1) mp_buf_put(ctx, record, n);
    return MP_OK;
}

/* What records() saw of the keys, and whether one was not canonical. */
static mp_evidence emitted;
static bool emitted_odd;

/* The records that owner 1 gets of rows {spelling of id, id + turn}, one row an id. */
static void records(const char *format, int turn, mp_buf *out) {
    static char text[BATCH][32];
    static mp_str str[BATCH];
    static int64_t v[BATCH];
    mp_error err = MP_ERROR_INIT;
    mp_mem mem;
    mp_mem_init(&mem, 0);
    mp_group_args args = args_of(&mem, false);
    mp_group *g;
    assert_int_equal(mp_group_new(&args, &g, &err), MP_OK);
    const mp_col cols[2] = {{.type = MP_STRING, .str = str}, {.type = MP_INT64, .i64 = v}};
    for (int64_t i = 0; i < N; i += BATCH) {
        for (int j = 0; j < BATCH; j++) {
            v[j] = id_of(i + j);
            str[j] = mp_str_of(text[j], (size_t)snprintf(text[j], 32, format, (long long)v[j]));
            v[j] += turn;
        }
        const mp_batch b = {.n_rows = BATCH, .n_cols = 2, .cols = (mp_col *)cols, .file_no = 0};
        assert_int_equal(mp_group_add(g, &b, &err), MP_OK);
    }
    bool done = false;
    while (!done)
        assert_int_equal(mp_group_emit(g, collect, out, 1000, &done, &err), MP_OK);
    mp_group_emitted_evidence(g, &emitted, &emitted_odd);
    mp_group_free(&g);
    assert_int_equal(mem.used_bytes, 0);
}

static void absorb(mp_groups *g, const mp_buf *b) {
    mp_error err = MP_ERROR_INIT;
    for (size_t at = 0; at < b->len;) { /* blocks of a few records */
        size_t end = at;
        while (end < b->len && end - at < 100000)
            end += mp_record_bytes(b->data + end);
        assert_int_equal(mp_groups_absorb(g, b->data + at, end - at, &err), MP_OK);
        at = end;
    }
    assert_int_equal(mp_groups_finish(g, &err), MP_OK);
}

typedef struct {
    char key[64];
    int64_t sum, count;
} result;

static result result_at(const mp_batch *b, int32_t i) {
    result r = {.sum = b->cols[1].i64[i], .count = b->cols[2].i64[i]};
    assert_true(b->cols[0].str[i].len < sizeof r.key);
    memcpy(r.key, b->cols[0].str[i].p, b->cols[0].str[i].len);
    return r;
}

typedef mp_status (*next_fn)(void *of, mp_arena *arena, mp_batch *out, mp_error *err);

/* All batches of results, in order. Returns their rows. */
static int64_t collect_results(next_fn next, void *of, result *out) {
    mp_error err = MP_ERROR_INIT;
    mp_arena arena;
    mp_batch b;
    int64_t n = 0;
    mp_arena_init(&arena, NULL);
    do {
        mp_arena_reset(&arena);
        assert_int_equal(next(of, &arena, &b, &err), MP_OK);
        for (int32_t i = 0; i < b.n_rows; i++)
            out[n++] = result_at(&b, i);
    } while (b.n_rows);
    mp_arena_release(&arena);
    return n;
}

static mp_status next_of_parts(void *of, mp_arena *arena, mp_batch *out, mp_error *err) {
    return mp_groups_next(of, arena, out, err);
}

static mp_status next_of_table(void *of, mp_arena *arena, mp_batch *out, mp_error *err) {
    return mp_group_next(of, arena, out, err);
}

static uint32_t slab_of(const result *r) {
    mp_error err = MP_ERROR_INIT;
    mp_arena arena;
    mp_key key;
    uint64_t hash;
    const mp_str text = mp_str_c(r->key), *col = &text;
    const uint8_t *valid = NULL;
    mp_arena_init(&arena, NULL);
    assert_int_equal(mp_key_encode(MP_SIMD_C, &col, &valid, 1, 1, &arena, &key, &hash, &err),
                     MP_OK);
    mp_arena_release(&arena);
    return mp_slab_of(hash, mp_slab_bits(OWNERS));
}

/* All results, slab by slab: of each slab those of its hashes, and no more than it said. */
static int64_t results_of_parts(mp_groups *g, result *out) {
    mp_error err = MP_ERROR_INIT;
    int64_t n = 0;
    assert_int_equal(mp_groups_prepare(g, MP_GROUP_BY_HASH, &string_type, &err), MP_OK);
    assert_true(mp_groups_n_slabs(g) > 1);
    for (int slab = 0; slab < mp_groups_n_slabs(g); slab++) {
        int64_t most = mp_groups_enter(g, slab);
        int64_t n_slab = collect_results(next_of_parts, g, out + n);
        assert_in_range(n_slab, 1, most);
        n += n_slab;
        assert_int_equal(slab_of(&out[n - n_slab]), slab);
        assert_int_equal(slab_of(&out[n - 1]), slab);
    }
    assert_int_equal(mp_groups_most(g), n);
    assert_int_equal(mp_groups_least(g), n);
    return n;
}

static int64_t results_of_table(mp_group *g, result *out) {
    mp_error err = MP_ERROR_INIT;
    assert_int_equal(mp_group_prepare(g, MP_GROUP_BY_HASH, &string_type, &err), MP_OK);
    return collect_results(next_of_table, g, out);
}

/* Turns of the same keys into parts and into one table; budget_bytes: of the parts, 0: none. */
static void check_turns(const char *format, int turns, int64_t budget_bytes) {
    mp_error err = MP_ERROR_INIT;
    mp_mem mem, plain_mem;
    mp_mem_init(&mem, budget_bytes);
    mp_mem_init(&plain_mem, 0);
    mp_group_args args = args_of(&mem, true), plain_args = args_of(&plain_mem, true);
    mp_groups *g;
    mp_group *plain;
    assert_int_equal(mp_groups_new(&args, 1000, &g, &err), MP_OK);
    assert_int_equal(mp_group_new(&plain_args, &plain, &err), MP_OK);
    int64_t in = 0;
    emitted = (mp_evidence){0};
    for (int t = 0; t < turns; t++) {
        mp_buf b;
        mp_buf_init(&b, NULL);
        records(format, t, &b);
        in += (int64_t)b.len;
        absorb(g, &b);
        assert_int_equal(mp_group_absorb(plain, b.data, b.len, &err), MP_OK);
        mp_buf_release(&b);
    }
    int64_t n = mp_group_count(plain);
    assert_in_range(n, N / OWNERS * 9 / 10, N / OWNERS * 11 / 10);
    assert_true(mp_groups_least(g) > 1000);
    assert_true(mp_groups_least(g) < n); /* in parts, or it would be known */
    assert_true(mp_groups_most(g) >= n);
    if (budget_bytes) {
        assert_true(in > budget_bytes); /* so they were compacted */
        assert_true(mp_groups_most(g) < n * turns);
    }
    mp_evidence seen = emitted, plain_seen = {0};
    mp_groups_key_evidence(g, &seen);
    mp_group_key_evidence(plain, &plain_seen);
    assert_memory_equal(&seen, &plain_seen, sizeof seen);
    static result got[N], want[N];
    assert_int_equal(results_of_table(plain, want), n);
    assert_int_equal(results_of_parts(g, got), n);
    for (int64_t i = 0; i < n; i++) {
        char key[64];
        int64_t id = got[i].sum / turns - (turns - 1) / 2; /* turns is odd */
        snprintf(key, sizeof key, format, (long long)id);
        assert_string_equal(got[i].key, key);
        assert_string_equal(got[i].key, want[i].key);
        assert_int_equal(got[i].count, turns);
        assert_int_equal(got[i].sum, want[i].sum);
    }
    mp_groups_free(&g);
    mp_group_free(&plain);
    assert_int_equal(mem.used_bytes, 0);
}

static void short_keys(void **state) {
    (void)state;
    check_turns("%lld", 1, 0);
}

static void long_keys(void **state) {
    (void)state;
    check_turns("a rather long key %lld", 3, 0);
}

static void compacted(void **state) {
    (void)state;
    check_turns("%lld", 9, 68 << 20);
}

/* Is every key canonical under t? By the parts, and by one table of the same records. */
static bool canonical(const char *format, mp_type t) {
    mp_error err = MP_ERROR_INIT;
    mp_mem mem;
    mp_buf b;
    mp_mem_init(&mem, 0);
    mp_buf_init(&b, NULL);
    records(format, 0, &b);
    mp_group_args args = args_of(&mem, true);
    mp_groups *g;
    mp_group *plain;
    bool all;
    assert_int_equal(mp_groups_new(&args, 1000, &g, &err), MP_OK);
    assert_int_equal(mp_group_new(&args, &plain, &err), MP_OK);
    absorb(g, &b);
    assert_int_equal(mp_group_absorb(plain, b.data, b.len, &err), MP_OK);
    assert_true(mp_groups_least(g) < mp_group_count(plain));
    assert_int_equal(mp_groups_keys_canonical(g, &t, &all, &err), MP_OK);
    assert_int_equal(all, mp_group_keys_canonical(plain, &t));
    mp_groups_free(&g);
    mp_group_free(&plain);
    mp_buf_release(&b);
    return all;
}

static void spellings(void **state) {
    (void)state;
    emitted_odd = false;
    assert_true(canonical("%lld", MP_INT64));
    assert_true(canonical("%lld", MP_STRING));
    assert_false(canonical("%lld", MP_DECIMAL));
    assert_true(canonical("%lld.5", MP_DECIMAL));
    assert_false(emitted_odd);
    assert_false(canonical("%lld.50", MP_DECIMAL));
    assert_true(emitted_odd);
    assert_false(canonical("12345678901234%lld.5", MP_FLOAT64));
}

/* Two spellings of every value meet after they were respelled. */
static void respelled(void **state) {
    (void)state;
    mp_error err = MP_ERROR_INIT;
    mp_mem mem;
    mp_mem_init(&mem, 0);
    const mp_type type = MP_DECIMAL;
    mp_group_args args = args_of(&mem, true);
    mp_groups *from, *to;
    assert_int_equal(mp_groups_new(&args, 1000, &from, &err), MP_OK);
    assert_int_equal(mp_groups_new(&args, 1000, &to, &err), MP_OK);
    for (int t = 0; t < 2; t++) {
        mp_buf b;
        mp_buf_init(&b, NULL);
        /* what owner 1 gets of either spelling are other ids */
        records(t ? "%lld.5" : "%lld.500", t, &b);
        absorb(from, &b);
        mp_buf_release(&b);
    }
    mp_buf out;
    mp_buf_init(&out, NULL);
    int64_t n_in = mp_groups_most(from);
    for (bool done = false; !done;)
        assert_int_equal(mp_groups_emit(from, &type, collect, &out, 777, &done, &err), MP_OK);
    mp_groups_free(&from);
    absorb(to, &out);
    mp_buf_release(&out);
    static result got[N];
    int64_t n = results_of_parts(to, got), both = 0;
    assert_in_range(n, 1, n_in);
    for (int64_t i = 0; i < n; i++) {
        char key[64];
        int64_t id = got[i].sum / got[i].count; /* twice id, plus at most 1 */
        snprintf(key, sizeof key, "%lld.5", (long long)id);
        size_t len = strlen(key);
        if (strcmp(got[i].key, key) != 0) { /* only the spelling that adds 1 */
            snprintf(key, sizeof key, "%lld.5", (long long)id - 1);
            len = strlen(key);
        }
        assert_memory_equal(got[i].key, key, len + 1);
        both += got[i].count == 2;
    }
    assert_true(both > 0);
    mp_groups_free(&to);
    assert_int_equal(mem.used_bytes, 0);
}

/* Records of one's own, one by one; and a table taken over. */
static void own(void **state) {
    (void)state;
    mp_error err = MP_ERROR_INIT;
    mp_mem mem;
    mp_mem_init(&mem, 0);
    mp_group_args args = args_of(&mem, true);
    mp_groups *g;
    mp_buf b;
    static result got[N];
    mp_buf_init(&b, NULL);
    records("%lld", 0, &b);
    assert_int_equal(mp_groups_new(&args, 1000, &g, &err), MP_OK);
    for (size_t at = 0; at < b.len;) {
        size_t n = mp_record_bytes(b.data + at);
        assert_int_equal(mp_groups_put(g, 0, b.data + at, n, &err), MP_OK);
        at += n;
    }
    assert_int_equal(mp_groups_finish(g, &err), MP_OK);
    int64_t n = results_of_parts(g, got);
    assert_in_range(n, N / OWNERS * 9 / 10, N / OWNERS * 11 / 10);
    mp_groups_free(&g);
    mp_group *table;
    assert_int_equal(mp_group_new(&args, &table, &err), MP_OK);
    assert_int_equal(mp_group_absorb(table, b.data, b.len, &err), MP_OK);
    assert_int_equal(mp_groups_new(&args, 1000, &g, &err), MP_OK);
    mp_groups_adopt(g, &table);
    assert_null(table);
    assert_int_equal(mp_groups_finish(g, &err), MP_OK);
    assert_int_equal(mp_groups_least(g), n);
    assert_int_equal(results_of_parts(g, got), n);
    mp_groups_free(&g);
    mp_buf_release(&b);
    assert_int_equal(mem.used_bytes, 0);
}

/* A batch of rows with the ids first_key, first_key + 1 ... and values from i on; 2000001 is in another
 * spelling. What the table emits of owner 1 goes to out. Returns whether it had to be emitted. */
static bool add_rows(mp_group *g, int64_t first_key, int64_t i, mp_buf *out) {
    static char text[BATCH][32];
    static mp_str str[BATCH];
    static int64_t v[BATCH];
    mp_error err = MP_ERROR_INIT;
    const mp_col cols[2] = {{.type = MP_STRING, .str = str}, {.type = MP_INT64, .i64 = v}};
    const mp_batch b = {.n_rows = BATCH, .n_cols = 2, .cols = (mp_col *)cols, .file_no = 0};
    for (int j = 0; j < BATCH; j++) {
        int64_t key = first_key + j;
        v[j] = i + j;
        const char *format = key == 2000001 ? "%lld.50" : "%lld";
        str[j] = mp_str_of(text[j], (size_t)snprintf(text[j], 32, format, (long long)key));
    }
    assert_int_equal(mp_group_add(g, &b, &err), MP_OK);
    bool flush = mp_group_should_flush(g);
    for (bool done = !flush; !done;)
        assert_int_equal(mp_group_emit(g, collect, out, 1000, &done, &err), MP_OK);
    return flush;
}

/* A table that meets new keys only is given up, and the rows behind it are records at once, for some
 * time. */
static void direct(void **state) {
    (void)state;
    enum { ROWS = 2400000 };
    mp_error err = MP_ERROR_INIT;
    mp_mem mem;
    mp_mem_init(&mem, 0);
    mp_group_args args = args_of(&mem, false), owner_args = args_of(&mem, true);
    mp_group *g;
    mp_groups *owner;
    mp_buf b;
    mp_buf_init(&b, NULL);
    args.expect_rows = ROWS;
    assert_int_equal(mp_group_new(&args, &g, &err), MP_OK);
    assert_int_equal(mp_groups_new(&owner_args, 1000, &owner, &err), MP_OK);
    int batches = 0, flushes = 0;
    int64_t first = 0;
    for (int64_t i = 0; i < ROWS; i += BATCH) {
        bool flush = add_rows(g, i, i, &b);
        flushes += flush;
        if (flushes == 1) first = first ? first : i;
        batches += flushes > 1; /* behind the first */
    }
    assert_true(first < ROWS / 16); /* a small part of the rows tells */
    assert_true(batches > 100 && flushes > batches * 9 / 10);
    for (bool done = false; !done;)
        assert_int_equal(mp_group_emit(g, collect, &b, 1000, &done, &err), MP_OK);
    mp_evidence seen = {0};
    bool odd = false;
    mp_group_emitted_evidence(g, &seen, &odd);
    assert_int_equal(seen.seen, MP_SEEN_INT | MP_SEEN_DECIMAL);
    assert_int_equal(seen.int_digits, 7);
    assert_true(odd);
    mp_group_free(&g);
    absorb(owner, &b);
    static result got[ROWS];
    int64_t n = results_of_parts(owner, got);
    assert_in_range(n, ROWS / OWNERS * 9 / 10, ROWS / OWNERS * 11 / 10);
    for (int64_t i = 0; i < n; i++) {
        char key[64];
        const char *format = got[i].sum == 2000001 ? "%lld.50" : "%lld";
        snprintf(key, sizeof key, format, (long long)got[i].sum);
        assert_string_equal(got[i].key, key);
        assert_int_equal(got[i].count, 1);
    }
    mp_groups_free(&owner);
    mp_buf_release(&b);
    assert_int_equal(mem.used_bytes, 0);
}

/* Groups of owner 1 when rows i = 0 .. n_rows with the keys key_of(i), whole batches, went through a
 * table. *n_records: of owner 1. */
static int64_t pass_rows(int64_t n_rows, int64_t (*key_of)(int64_t), result *got, size_t *n_records,
                         mp_group **table) {
    mp_error err = MP_ERROR_INIT;
    static mp_mem mem;
    mp_mem_init(&mem, 0);
    mp_group_args args = args_of(&mem, false), owner_args = args_of(&mem, true);
    mp_groups *owner;
    mp_buf b;
    mp_buf_init(&b, NULL);
    args.expect_rows = (double)n_rows;
    assert_int_equal(mp_group_new(&args, table, &err), MP_OK);
    assert_int_equal(mp_groups_new(&owner_args, 1000, &owner, &err), MP_OK);
    for (int64_t i = 0; i < n_rows; i += BATCH)
        add_rows(*table, key_of(i), i, &b);
    for (bool done = false; !done;)
        assert_int_equal(mp_group_emit(*table, collect, &b, 1000, &done, &err), MP_OK);
    *n_records = 0;
    for (size_t at = 0; at < b.len; at += mp_record_bytes(b.data + at))
        ++*n_records;
    absorb(owner, &b);
    int64_t n = results_of_parts(owner, got);
    mp_groups_free(&owner);
    mp_buf_release(&b);
    return n;
}

enum { ROUND = BATCH * 40, ROUNDS = 10 };

static int64_t round_key(int64_t i) {
    return i % ROUND;
}

/* Keys that come round in turn look new for long: the rows pass by the table, until a sample of them
 * shows that they come again. */
static void come_round(void **state) {
    (void)state;
    static result got[ROUND];
    size_t n_records;
    mp_group *g;
    int64_t n = pass_rows((int64_t)ROUND * ROUNDS, round_key, got, &n_records, &g);
    assert_true(g->keys_came_back && g->direct_rows <= 0);
    assert_in_range(n, ROUND / OWNERS * 9 / 10, ROUND / OWNERS * 11 / 10);
    /* the rows of a few rounds, then one record a group */
    assert_true(n_records < (size_t)n * ROUNDS / 2);
    for (int64_t i = 0; i < n; i++) {
        int64_t key = strtoll(got[i].key, NULL, 10);
        assert_int_equal(got[i].count, ROUNDS);
        assert_int_equal(got[i].sum, key * ROUNDS + (int64_t)ROUND * ROUNDS * (ROUNDS - 1) / 2);
    }
    mp_group_free(&g);
}

enum { TURN = BATCH * 100, TURNS = 5 };

/* Keys are new in turns 0, 2 and 4; in turns 1 and 3 the same batch comes again and again. */
static int64_t turn_key(int64_t i) {
    return (i / TURN) % 2 ? 0 : i;
}

/* Rows whose keys are new, few, new, few, new. */
static void turning(void **state) {
    (void)state;
    static result got[TURN * TURNS];
    size_t n_records;
    mp_group *g;
    int64_t n = pass_rows((int64_t)TURN * TURNS, turn_key, got, &n_records, &g), rows = 0;
    assert_in_range(n, TURN * 3 / OWNERS * 9 / 10, TURN * 3 / OWNERS * 11 / 10);
    for (int64_t i = 0; i < n; i++) {
        int64_t key = strtoll(got[i].key, NULL, 10);
        assert_int_equal(got[i].count, key < BATCH ? 1 + 2 * (TURN / BATCH) : 1);
        rows += got[i].count;
    }
    /* the turns with few keys are not records of one row, but for a while in the beginning */
    assert_true((int64_t)n_records < rows - TURN / 4);
    mp_group_free(&g);
}

static void hostile(void **state) {
    (void)state;
    mp_error err = MP_ERROR_INIT;
    mp_mem mem;
    mp_mem_init(&mem, 0);
    mp_group_args args = args_of(&mem, true);
    mp_groups *g;
    mp_buf b;
    mp_buf_init(&b, NULL);
    records("%lld", 0, &b);
    assert_int_equal(mp_groups_new(&args, 1000, &g, &err), MP_OK);
    absorb(g, &b);
    assert_int_equal(mp_groups_absorb(g, b.data, 7, &err), MP_FAILED);
    assert_int_equal(mp_groups_absorb(g, b.data + 1, 100, &err), MP_FAILED);
    mp_groups_free(&g);
    mp_buf_release(&b);
    assert_int_equal(mem.used_bytes, 0);
}

static void refused(void **state) {
    (void)state;
    mp_error err = MP_ERROR_INIT;
    mp_buf b;
    mp_buf_init(&b, NULL);
    records("%lld", 0, &b);
    mp_mem mem;
    mp_mem_init(&mem, 16 << 20); /* enough to begin with */
    mp_group_args args = args_of(&mem, true);
    mp_groups *g;
    assert_int_equal(mp_groups_new(&args, 1000, &g, &err), MP_OK);
    assert_int_equal(mp_groups_absorb(g, b.data, b.len, &err), MP_NOMEM);
    mp_groups_free(&g);
    mp_buf_release(&b);
    assert_int_equal(mem.used_bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_keys), cmocka_unit_test(long_keys), cmocka_unit_test(compacted),
        cmocka_unit_test(spellings),  cmocka_unit_test(respelled), cmocka_unit_test(own),
        cmocka_unit_test(hostile),    cmocka_unit_test(refused),   cmocka_unit_test(direct),
        cmocka_unit_test(come_round), cmocka_unit_test(turning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
