/* test_group.c - keys (encoding, types, canonical form, order), records that no rank has sent,
 * refused memory, a million long keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#include "group_rows.h"
#include "op/group/group_key.h"

static const mp_group_agg count_rows = {.fn = MP_AGG_COUNT, .arg = {-1, -1}};

static mp_group *new_group(int n_keys, const int *key, const mp_type *key_type,
                           const mp_group_agg *aggs, int n_aggs, mp_mem *mem) {
    mp_group *g = NULL;
    mp_error err = MP_ERROR_INIT;
    mp_group_args args = {.n_keys = n_keys,
                          .key = key,
                          .key_type = key_type,
                          .n_aggs = n_aggs,
                          .aggs = aggs,
                          .n_owners = 3,
                          .window_exp = -60,
                          .mem = mem};
    assert_int_equal(mp_group_new(&args, &g, &err), MP_OK);
    return g;
}

static void add(mp_group *g, const mp_col *cols, int n_cols, int n) {
    mp_error err = MP_ERROR_INIT;
    mp_batch b = {.n_rows = n, .n_cols = n_cols, .cols = cols};
    assert_int_equal(mp_group_add(g, &b, &err), MP_OK);
}

/* The answer, a NUL behind it. */
static mp_buf result(mp_group *g, const mp_type *types) {
    mp_error err = MP_ERROR_INIT;
    mp_buf out;
    mp_buf_init(&out, NULL);
    assert_int_equal(print_groups(g, types, &out, &err), MP_OK);
    mp_buf_u8(&out, 0);
    return out;
}

/* ---- encoding ---- */

/* The form as group_key.h words it, written once more. */
static size_t plain_encoding(const mp_str *text, const bool *null, int n, uint8_t *out) {
    size_t at = 0;
    for (int c = 0; c < n; c++) {
        if (null[c]) {
            out[at++] = 0;
            continue;
        }
        if (text[c].len < 0xF0) {
            out[at++] = (uint8_t)(text[c].len + 1);
        } else {
            out[at++] = 0xFF;
            for (int b = 0; b < 4; b++)
                out[at++] = (uint8_t)(text[c].len >> (8 * b));
        }
        memcpy(out + at, text[c].p, text[c].len);
        at += text[c].len;
    }
    while (at < 16)
        out[at++] = 0;
    return at;
}

static void encoding(void **state) {
    (void)state;
    static const uint32_t lengths[] = {0,  1,  2,  5,  7,   8,   13,  14,
                                       15, 16, 17, 40, 238, 239, 240, 300};
    enum { N = sizeof lengths / sizeof *lengths };
    uint64_t x = 99;
    mp_arena arena;
    mp_error err = MP_ERROR_INIT;
    mp_arena_init(&arena, NULL);
    for (int n_cols = 1; n_cols <= 4; n_cols++)
        for (int turn = 0; turn < 400; turn++) {
            mp_str text[4];
            bool null[4];
            uint8_t ok[4], want[2000];
            const mp_str *cols[4];
            const uint8_t *valid[4];
            for (int c = 0; c < n_cols; c++) {
                uint32_t len = lengths[below(&x, turn % 2 ? 5 : N)];
                null[c] = below(&x, 5) == 0;
                ok[c] = !null[c];
                char *p = malloc(len ? len : 1);
                for (uint32_t i = 0; i < len; i++)
                    p[i] = (char)below(&x, 256);
                text[c] = mp_str_of(p, len);
                cols[c] = &text[c];
                valid[c] = &ok[c];
            }
            mp_key key, back;
            uint64_t hash, back_hash;
            assert_int_equal(
                mp_key_encode(mp_simd_level(), cols, valid, n_cols, 1, &arena, &key, &hash, &err),
                MP_OK);
            size_t n = plain_encoding(text, null, n_cols, want);
            assert_int_equal(mp_key_len(&key), n);
            assert_memory_equal(mp_key_bytes(&key), want, n);
            assert_true(hash == mp_hash_bytes(want, n));
            assert_true(mp_key_hash(&key) == hash);
            assert_true(mp_key_read(want, n, &back, &back_hash));
            assert_true(mp_key_eq(&key, &back) && back_hash == hash);
            const uint8_t *p = want;
            for (int c = 0; c < n_cols; c++) {
                mp_str t;
                bool is_null;
                assert_true(mp_key_next(&p, want + n, &t, &is_null));
                assert_int_equal(is_null, null[c]);
                if (!is_null) assert_true(mp_str_eq(t, text[c]));
                free((void *)(uintptr_t)text[c].p);
            }
            mp_arena_reset(&arena);
        }
    mp_arena_release(&arena);
}

/* Texts that end with a page which nothing readable follows. */
static void end_of_page(void **state) {
    (void)state;
    long page = sysconf(_SC_PAGESIZE);
    char *p =
        mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    assert_int_equal(mprotect(p + page, (size_t)page, PROT_NONE), 0);
    for (long i = 0; i < page; i++)
        p[i] = (char)('a' + i % 26);
    for (long back = 0; back <= 40; back++)
        for (size_t n = 0; n <= 16 && (long)n <= back; n++) {
            mp_key k = mp_key_load16(p + page - back, n);
            char want[16] = {0};
            memcpy(want, p + page - back, n);
            assert_memory_equal(&k, want, 16);
        }
    munmap(p, (size_t)page * 2);
}

/* ---- types of keys ---- */

static mp_col texts(const char *const *v, int n, mp_str *str, uint8_t *valid) {
    for (int i = 0; i < n; i++) {
        valid[i] = v[i] != NULL;
        str[i] = v[i] ? mp_str_c(v[i]) : (mp_str){"", 0, 0};
    }
    return (mp_col){.type = MP_STRING, .str = str, .valid = valid};
}

static void types_of_keys(void **state) {
    (void)state;
    static const char *const a[] = {"5", "5.0", "1.50", "1.5", NULL, "-0", "0", "0.0", "1.5"};
    static const char *const b[] = {"x", "x", "x", "x", "x", "x", "x", "x", "x"};
    enum { N = 9 };
    mp_str sa[N], sb[N];
    uint8_t va[N], vb[N];
    const mp_col cols[2] = {texts(a, N, sa, va), texts(b, N, sb, vb)};
    const int key[2] = {0, 1};
    mp_mem mem;
    mp_error err = MP_ERROR_INIT;
    mp_mem_init(&mem, 0);
    mp_group *g = new_group(2, key, NULL, &count_rows, 1, &mem);
    add(g, cols, 2, N);
    assert_int_equal(mp_group_count(g), 8);
    mp_evidence seen[2] = {{0}, {0}};
    mp_group_key_evidence(g, seen);
    const mp_type types[2] = {mp_evidence_type(seen[0]), mp_evidence_type(seen[1])};
    assert_int_equal(types[0], MP_DECIMAL);
    assert_int_equal(types[1], MP_STRING);
    assert_false(mp_group_keys_canonical(g, types));
    assert_true(mp_group_keys_canonical(g, NULL));
    assert_int_equal(mp_group_canonicalize(g, types, &err), MP_OK);
    assert_true(mp_group_keys_canonical(g, types));
    mail m = {.x = &(uint64_t){1}};
    assert_int_equal(empty(g, &m, &err), MP_OK);
    assert_int_equal(mp_group_count(g), 0);
    for (int o = 0; o < 3; o++) {
        assert_int_equal(deliver(&m, o, g, &err), MP_OK);
        mp_buf_release(&m.records[o]);
    }
    mp_buf out = result(g, types);
    assert_int_equal(mp_group_count(g), 4);
    const char *text = (const char *)out.data;
    assert_non_null(strstr(text, "5.0|'x'|2\n"));
    assert_non_null(strstr(text, "1.5|'x'|3\n"));
    assert_non_null(strstr(text, "null|'x'|1\n"));
    assert_non_null(strstr(text, "0.0|'x'|3\n"));
    mp_buf_release(&out);
    mp_group_free(&g);
    assert_int_equal(mem.used_bytes, 0);
}

static void keys_of_one_type(mp_type type, const char *const *v, int n, const char *const *want) {
    mp_str str[8];
    uint8_t valid[8];
    const mp_col col = texts(v, n, str, valid);
    const int key = 0;
    mp_mem mem;
    mp_mem_init(&mem, 0);
    mp_group *g = new_group(1, &key, NULL, &count_rows, 1, &mem);
    add(g, &col, 1, n);
    mp_evidence seen = {0};
    mp_group_key_evidence(g, &seen);
    assert_int_equal(mp_evidence_type(seen), type);
    mp_buf out = result(g, &type);
    for (int i = 0; i < n; i++)
        assert_non_null(strstr((const char *)out.data, want[i]));
    mp_buf_release(&out);
    mp_group_free(&g);
}

static void every_type(void **state) {
    (void)state;
    keys_of_one_type(MP_INT64, (const char *[]){"-7", "9223372036854775807"}, 2,
                     (const char *[]){"-7|1\n", "9223372036854775807|1\n"});
    keys_of_one_type(MP_BOOL, (const char *[]){"true", "False"}, 2,
                     (const char *[]){"true|1\n", "false|1\n"});
    keys_of_one_type(MP_DATE, (const char *[]){"1970-01-03", "1969-12-31"}, 2,
                     (const char *[]){"2|1\n", "-1|1\n"});
    keys_of_one_type(MP_TIMESTAMP, (const char *[]){"1970-01-01T00:00:01.5"}, 1,
                     (const char *[]){"1500000|1\n"});
    keys_of_one_type(MP_FLOAT64, (const char *[]){"1e300", "0.5"}, 2,
                     (const char *[]){"7e37e43c8800759c|1\n", "3fe0000000000000|1\n"});
    keys_of_one_type(MP_NULL, (const char *[]){NULL, NULL}, 2, (const char *[]){"null|2\n", "2"});
}

/* Computed keys: equal values at different scales, and one zero, are one key; the type comes
 * back. */
static void computed_keys(void **state) {
    (void)state;
    const int64_t one_dec[3] = {15, 150, -15}, wide[1] = {INT64_MAX};
    const double f[3] = {0.0, -0.0, 1e22};
    const uint8_t b[3] = {1, 0, 1};
    const int64_t ts[3] = {1500000, 1500000, 0};
    const mp_type types[4] = {MP_DECIMAL, MP_FLOAT64, MP_BOOL, MP_TIMESTAMP};
    mp_mem mem;
    mp_mem_init(&mem, 0);
    for (int k = 0; k < 4; k++) {
        static const char *const want[4] = {"1.5|2\n", "0000000000000000|2\n", "true|2\n",
                                            "1500000|2\n"};
        mp_group *g = new_group(1, &k, &types[k], &count_rows, 1, &mem);
        for (int i = 0; i < 3; i++) {
            const mp_col cols[4] = {
                {.type = MP_DECIMAL, .scale = (uint8_t)(i == 1 ? 2 : 1), .i64 = &one_dec[i]},
                {.type = MP_FLOAT64, .f64 = &f[i]},
                {.type = MP_BOOL, .b = &b[i]},
                {.type = MP_TIMESTAMP, .i64 = &ts[i], .ts_sep = 'T'}};
            add(g, cols, 4, 1);
        }
        assert_int_equal(mp_group_count(g), 2);
        mp_evidence seen = {0};
        mp_group_key_evidence(g, &seen);
        assert_int_equal(seen.seen, 0);
        mp_buf out = result(g, &types[k]);
        assert_non_null(strstr((const char *)out.data, want[k]));
        mp_buf_release(&out);
        mp_group_free(&g);
    }
    /* 19 digits: two batches, because no scale holds both values */
    const int key = 0;
    mp_group *g = new_group(1, &key, types, &count_rows, 1, &mem);
    const mp_col cols[2] = {{.type = MP_DECIMAL, .scale = 0, .i64 = wide},
                            {.type = MP_DECIMAL, .scale = 2, .i64 = wide}};
    add(g, &cols[0], 1, 1);
    add(g, &cols[1], 1, 1);
    mp_buf out = result(g, types);
    assert_non_null(strstr((const char *)out.data, "9223372036854775807.0|1\n"));
    assert_non_null(strstr((const char *)out.data, "92233720368547758.07|1\n"));
    mp_buf_release(&out);
    mp_group_free(&g);
    assert_int_equal(mem.used_bytes, 0);
}

/* ---- order ---- */

static void order_is_by_hash(void **state) {
    (void)state;
    enum { N = 4000 };
    static mp_str str[N];
    static char text[N][24];
    const int key = 0;
    const mp_type type = MP_STRING;
    mp_mem mem;
    mp_arena arena;
    mp_batch b = {.n_rows = 1};
    mp_error err = MP_ERROR_INIT;
    mp_mem_init(&mem, 0);
    mp_arena_init(&arena, NULL);
    for (int i = 0; i < N; i++)
        str[i] =
            mp_str_of(text[i], (size_t)snprintf(text[i], 24, i % 2 ? "%d" : "long long key %d", i));
    const mp_col col = {.type = MP_STRING, .str = str};
    mp_group *g = new_group(1, &key, NULL, &count_rows, 1, &mem);
    add(g, &col, 1, N);
    assert_int_equal(mp_group_prepare(g, MP_GROUP_BY_HASH, &type, &err), MP_OK);
    uint64_t last = 0;
    int seen = 0;
    for (;;) {
        assert_int_equal(mp_group_next(g, &arena, &b, &err), MP_OK);
        if (!b.n_rows) break;
        for (int i = 0; i < b.n_rows; i++, seen++) {
            uint8_t bytes[64];
            size_t n = plain_encoding(&b.cols[0].str[i], &(bool){false}, 1, bytes);
            uint64_t hash = mp_hash_bytes(bytes, n);
            assert_true(hash > last);
            last = hash;
        }
    }
    assert_int_equal(seen, N);
    mp_arena_release(&arena);
    mp_group_free(&g);
}

/* ---- records that no rank has sent ---- */

enum { HOSTILE_ROWS = 60 };

static int hostile_specs(mp_group_agg *spec) {
    static const mp_agg_fn fns[] = {MP_AGG_COUNT_VALUES, MP_AGG_COUNT_DISTINCT,
                                    MP_AGG_MIN,          MP_AGG_MAX,
                                    MP_AGG_FIRST,        MP_AGG_LAST,
                                    MP_AGG_TOP,          MP_AGG_BOTTOM,
                                    MP_AGG_SUM,          MP_AGG_MEAN,
                                    MP_AGG_QUANTILE,     MP_AGG_VAR,
                                    MP_AGG_STD,          MP_AGG_CORR};
    int n = 0;
    for (int c = C_BOOL; c < C_NULL; c++)
        for (size_t f = 0; f < sizeof fns / sizeof *fns; f++) {
            bool number = mp_type_is_number(col_type[c]) || c == C_BOOL;
            if (fns[f] >= MP_AGG_SUM && fns[f] <= MP_AGG_MEAN && !number) continue;
            if ((fns[f] == MP_AGG_QUANTILE || fns[f] == MP_AGG_VAR || fns[f] == MP_AGG_STD ||
                 fns[f] == MP_AGG_CORR) &&
                !number)
                continue;
            spec[n++] = (mp_group_agg){.fn = fns[f],
                                       .arg = {c, C_INT},
                                       .type = {col_type[c], MP_INT64},
                                       .q = 0.25,
                                       .k = f % 2 ? 2 : 6,
                                       .name = "x"};
        }
    return n;
}

/* Absorb, and ask for results and for records when it was taken: any status will do, but no
 * crash. */
static void try_bytes(const mp_group_args *args, const uint8_t *bytes, size_t n, int *refused) {
    mp_error err = MP_ERROR_INIT;
    mp_group *g = NULL;
    uint8_t *exact = malloc(n ? n : 1);
    memcpy(exact, bytes, n);
    assert_int_equal(mp_group_new(args, &g, &err), MP_OK);
    mp_status s = mp_group_absorb(g, exact, n, &err);
    free(exact);
    assert_true(s == MP_OK || s == MP_FAILED || s == MP_DATA || s == MP_NOMEM);
    *refused += s != MP_OK;
    if (s == MP_OK) {
        const mp_type types[2] = {MP_STRING, MP_STRING};
        mp_buf out;
        mp_buf_init(&out, NULL);
        s = print_groups(g, types, &out, &err);
        assert_true(s == MP_OK || s == MP_FAILED || s == MP_DATA);
        mp_buf_release(&out);
        mail m = {.x = &(uint64_t){7}};
        s = empty(g, &m, &err);
        assert_true(s == MP_OK || s == MP_FAILED || s == MP_DATA);
        for (int o = 0; o < MAX_OWNERS; o++)
            mp_buf_release(&m.records[o]);
    }
    mp_group_free(&g);
}

static void hostile_records(void **state) {
    (void)state;
    uint64_t x = 4242;
    rows d = make_rows(HOSTILE_ROWS, 4, 6, true, &x);
    static mp_group_agg specs[C_COLS * 14];
    const int key[2] = {C_KEY1, C_KEY2};
    mp_mem mem;
    mp_arena arena;
    mp_error err = MP_ERROR_INIT;
    mp_mem_init(&mem, 256 << 20);
    mp_arena_init(&arena, NULL);
    int all = hostile_specs(specs), refused = 0;
    /* one aggregate at a time, then all of them */
    for (int first = 0; first <= all; first++) {
        mp_group_args args = {.n_keys = 2,
                              .key = key,
                              .n_aggs = first < all ? 1 : all,
                              .aggs = specs + (first < all ? first : 0),
                              .n_owners = 1,
                              .window_exp = -60,
                              .mem = &mem};
        mp_group *g = NULL;
        int pick[HOSTILE_ROWS];
        for (int i = 0; i < HOSTILE_ROWS; i++)
            pick[i] = i;
        assert_int_equal(mp_group_new(&args, &g, &err), MP_OK);
        mp_batch b = make_batch(&d, pick, HOSTILE_ROWS, 2, &arena);
        assert_int_equal(mp_group_add(g, &b, &err), MP_OK);
        mail m = {.x = &x};
        assert_int_equal(empty(g, &m, &err), MP_OK);
        mp_group_free(&g);
        mp_buf *r = &m.records[0];
        int before = refused;
        size_t step = r->len < 4000 ? 1 : r->len / 400, at = 0;
        for (size_t n = 0; n < r->len; n += step) { /* cut at every byte, or many */
            if (at < n && at + mp_record_bytes(r->data + at) <= n)
                at += mp_record_bytes(r->data + at);
            int cut = refused;
            try_bytes(&args, r->data, n, &refused);
            if (n != at) assert_true(refused > cut);
        }
        assert_true(refused > before);
        for (int turn = 0; turn < (first < all ? 60 : 400); turn++) {
            mp_buf copy;
            mp_buf_init(&copy, NULL);
            mp_buf_put(&copy, r->data, r->len);
            for (uint64_t flips = 1 + below(&x, 6); flips > 0; flips--) {
                size_t i = below(&x, below(&x, 2) ? copy.len : (copy.len < 300 ? copy.len : 300));
                copy.data[i] = (uint8_t)(below(&x, 3) ? next_random(&x) >> 20
                                                      : copy.data[i] ^ 1u << below(&x, 8));
            }
            try_bytes(&args, copy.data, copy.len, &refused);
            mp_buf_release(&copy);
        }
        mp_buf_release(r);
        mp_arena_reset(&arena);
    }
    assert_int_equal(mem.used_bytes, 0);
    mp_arena_release(&arena);
    free_rows(&d);
}

/* ---- memory ---- */

static void refused_memory(void **state) {
    (void)state;
    uint64_t x = 31;
    rows d = make_rows(3000, 900, 5, true, &x);
    static mp_group_agg specs[C_COLS * 14];
    int key[2] = {C_KEY1, C_KEY2}, pick[1000], succeeded = 0;
    mp_arena arena;
    mp_arena_init(&arena, NULL);
    mp_group_args args = {.n_keys = 2, .key = key, .aggs = specs, .window_exp = -60};
    args.n_aggs = hostile_specs(specs);
    for (int64_t limit = 1 << 16; limit < (int64_t)64 << 20; limit += limit / 9) {
        mp_mem mem;
        mp_error err = MP_ERROR_INIT;
        char text[1024];
        mp_mem_init(&mem, limit);
        args.mem = &mem;
        args.n_owners = 1;
        mp_group *g = NULL;
        mp_status s = mp_group_new(&args, &g, &err);
        for (int at = 0; at < d.n && s == MP_OK; at += 1000) {
            for (int i = 0; i < 1000; i++)
                pick[i] = at + i;
            mp_arena_reset(&arena);
            mp_batch b = make_batch(&d, pick, 1000, 1, &arena);
            s = mp_group_add(g, &b, &err);
        }
        mail m = {.x = &x};
        if (s == MP_OK) s = empty(g, &m, &err);
        if (s == MP_OK) s = deliver(&m, 0, g, &err);
        const mp_type types[2] = {MP_STRING, MP_STRING};
        mp_buf out;
        mp_buf_init(&out, NULL);
        if (s == MP_OK) s = print_groups(g, types, &out, &err);
        mp_buf_release(&out);
        mp_buf_release(&m.records[0]);
        succeeded += s == MP_OK;
        if (s != MP_OK) {
            assert_int_equal(s, MP_NOMEM);
            mp_error_format(&err, text, sizeof text);
            assert_non_null(strstr(text, "do not fit in the budget of"));
            assert_int_equal(succeeded, 0); /* more memory never fails where less did not */
        }
        mp_group_free(&g);
        assert_int_equal(mem.used_bytes, 0);
    }
    assert_true(succeeded > 0);
    mp_arena_release(&arena);
    free_rows(&d);
}

static mp_status gather(void *ctx, int owner, const void *records, size_t n, mp_error *err) {
    (void)owner, (void)err;
    mp_buf_put(ctx, records, n);
    return MP_OK;
}

/* Records that were merged with themselves again and again: more rows and nulls than one can tell. */
static void very_many_rows(void **state) {
    (void)state;
    enum { TURNS = 36 };
    const int key = 0;
    const mp_type type = MP_STRING;
    const mp_str str[3] = {mp_str_of("a", 1), mp_str_of("b", 1), mp_str_of("b", 1)};
    const int64_t v[3] = {1, 2, 3};
    const uint8_t valid[3] = {1, 1, 0};
    const mp_col cols[2] = {{.type = MP_STRING, .str = str},
                            {.type = MP_INT64, .i64 = v, .valid = valid}};
    const mp_group_agg some[3] = {
        {.fn = MP_AGG_COUNT, .arg = {-1, -1}, .name = ""},
        {.fn = MP_AGG_SUM, .arg = {1, -1}, .type = {MP_INT64, MP_NULL}, .name = "v"},
        {.fn = MP_AGG_MEAN, .arg = {1, -1}, .type = {MP_INT64, MP_NULL}, .name = "v"}};
    mp_mem mem;
    mp_error err = MP_ERROR_INIT;
    mp_mem_init(&mem, 0);
    mp_group *g = new_group(1, &key, NULL, some, 3, &mem);
    mp_buf b;
    mp_buf_init(&b, NULL);
    add(g, cols, 2, 3);
    for (int t = 0; t < TURNS; t++) {
        bool done = false;
        mp_buf_clear(&b);
        while (!done)
            assert_int_equal(mp_group_emit(g, gather, &b, 1000, &done, &err), MP_OK);
        for (int twice = 0; twice < 2; twice++)
            assert_int_equal(mp_group_absorb(g, b.data, b.len, &err), MP_OK);
    }
    mp_arena arena;
    mp_batch out;
    mp_arena_init(&arena, NULL);
    assert_int_equal(mp_group_prepare(g, MP_GROUP_ANY_ORDER, &type, &err), MP_OK);
    assert_int_equal(mp_group_next(g, &arena, &out, &err), MP_OK);
    assert_int_equal(out.n_rows, 2);
    for (int i = 0; i < 2; i++) {
        int b_group = out.cols[0].str[i].p[0] == 'b';
        assert_int_equal(out.cols[1].i64[i], INT64_C(1) << (TURNS + b_group));
        assert_int_equal(out.cols[2].i64[i], INT64_C(1) << (TURNS + b_group));
        assert_true(out.cols[3].f64[i] == 1 + b_group);
    }
    mp_arena_release(&arena);
    mp_buf_release(&b);
    mp_group_free(&g);
    assert_int_equal(mem.used_bytes, 0);
}

/* A table is given up once it has met new keys only: soon where the rows to come are known, and when it
 * is large where they are not; never when far more rows are to come. */
static void new_keys_only(void **state) {
    (void)state;
    enum { N = 2000000, BATCH = 4000 };
    static char text[BATCH][12];
    static mp_str str[BATCH];
    const int key = 0;
    const double expected[] = {0, 3e6, 1e13};
    for (int e = 0; e < 3; e++) {
        mp_mem mem;
        mp_error err = MP_ERROR_INIT;
        mp_mem_init(&mem, 0);
        const mp_group_args args = {.n_keys = 1,
                                    .key = &key,
                                    .n_aggs = 1,
                                    .aggs = &count_rows,
                                    .n_owners = 2,
                                    .expect_rows = expected[e],
                                    .mem = &mem};
        mp_group *g;
        assert_int_equal(mp_group_new(&args, &g, &err), MP_OK);
        const mp_col col = {.type = MP_STRING, .str = str};
        bool flush = false;
        for (int i = 0; i < N && !flush; i += BATCH) {
            for (int j = 0; j < BATCH; j++)
                str[j] = mp_str_of(text[j], (size_t)snprintf(text[j], 12, "%d", i + j));
            add(g, &col, 1, BATCH);
            flush = mp_group_should_flush(g);
        }
        assert_int_equal(flush, e < 2);
        if (e == 0) assert_in_range(mp_group_count(g), N / 4, N - 1);
        if (e == 1) assert_in_range(mp_group_count(g), N / 64, N / 16);
        mp_group_free(&g);
        assert_int_equal(mem.used_bytes, 0);
    }
}

static void a_million_long_keys(void **state) {
    (void)state;
    enum { N = 1000000, BATCH = 4000 };
    static char text[BATCH][41];
    static mp_str str[BATCH];
    const int key = 0;
    const mp_type type = MP_STRING;
    mp_mem mem;
    mp_error err = MP_ERROR_INIT;
    mp_mem_init(&mem, 0);
    mp_group *g = new_group(1, &key, NULL, &count_rows, 1, &mem);
    const mp_col col = {.type = MP_STRING, .str = str};
    for (int turn = 0; turn < 2; turn++) {
        assert_false(mp_group_should_flush(g)); /* it may be large */
        for (int i = 0; i < N; i += BATCH) {
            for (int j = 0; j < BATCH; j++) {
                snprintf(text[j], 41, "%040lld", (i + j) * 6700417LL % 1000000007LL);
                str[j] = mp_str_of(text[j], 40);
            }
            add(g, &col, 1, BATCH);
        }
        assert_int_equal(mp_group_count(g), N);
    }
    assert_false(mp_group_should_flush(g)); /* it may be large as long as it reduces */
    mem.limit_bytes = 160 << 20;            /* a quarter is less than the table has */
    assert_true(mp_group_should_flush(g));
    mem.limit_bytes = 0;
    mp_arena arena;
    mp_batch b;
    mp_arena_init(&arena, NULL);
    assert_int_equal(mp_group_prepare(g, MP_GROUP_BY_HASH, &type, &err), MP_OK);
    int64_t n = 0, sum = 0;
    do {
        mp_arena_reset(&arena);
        assert_int_equal(mp_group_next(g, &arena, &b, &err), MP_OK);
        for (int i = 0; i < b.n_rows; i++) {
            assert_int_equal(b.cols[1].i64[i], 2);
            assert_int_equal(b.cols[0].str[i].len, 40);
            sum += (b.cols[0].str[i].p[39] - '0') + 10 * (b.cols[0].str[i].p[38] - '0');
        }
        n += b.n_rows;
    } while (b.n_rows);
    int64_t want = 0;
    for (int64_t i = 0; i < N; i++)
        want += i * 6700417 % 1000000007 % 100;
    assert_int_equal(n, N);
    assert_int_equal(sum, want);
    mp_arena_release(&arena);
    mp_group_free(&g);
    assert_int_equal(mem.used_bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoding),
        cmocka_unit_test(end_of_page),
        cmocka_unit_test(types_of_keys),
        cmocka_unit_test(every_type),
        cmocka_unit_test(computed_keys),
        cmocka_unit_test(order_is_by_hash),
        cmocka_unit_test(hostile_records),
        cmocka_unit_test(refused_memory),
        cmocka_unit_test(very_many_rows),
        cmocka_unit_test(new_keys_only),
        cmocka_unit_test(a_million_long_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
