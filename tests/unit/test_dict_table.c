/* test_dict_table.c - the owned part of the dictionary: the table against a plain model, scans while it changes, every
 * operation, memory refused at every place, hostile requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "comm/dict/dict_apply.h"

static uint64_t random_state = 88172645463325252u;
static uint64_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* ---- table ---- */

static mp_dict_entry *entry(mp_dict_table *t, const char *key, bool make) {
    uint64_t place = mp_hash_bytes(key, strlen(key));
    mp_dict_entry *e = mp_dict_table_find(t, place, key, strlen(key));
    return e || !make ? e : mp_dict_table_insert(t, place, key, strlen(key));
}

static bool count_one(void *ctx, const mp_dict_entry *e) {
    ++*(int64_t *)ctx;
    return e->type == MP_DICT_INT;
}

static void table_model(void **state) {
    (void)state;
    enum { KEYS = 3000 };
    static int64_t model[KEYS]; /* 0: not there */
    mp_mem mem;
    mp_dict_table t;
    mp_mem_init(&mem, 0);
    mp_dict_table_init(&t, &mem);
    for (int i = 0; i < 200000; i++) {
        /* fills up, then empties */
        int k = (int)(next_random() % KEYS);
        bool insert = next_random() % 100 < (i < 100000 ? 70u : 8u);
        char key[32];
        snprintf(key, sizeof key, "key%d", k);
        mp_dict_entry *e = entry(&t, key, insert);
        assert_int_equal(e != NULL && e->type != MP_DICT_NONE, model[k] != 0);
        if (model[k]) assert_int_equal(e->i, model[k]);
        model[k] = 0;
        if (insert) {
            mp_dict_value v = {.type = MP_DICT_INT, .i = i + 1};
            assert_true(mp_dict_entry_set(&t, e, &v));
            model[k] = i + 1;
        } else if (e) {
            mp_dict_table_remove(&t, e);
        }
    }
    int64_t n = 0, there = 0;
    mp_dict_table_each(&t, count_one, &n);
    for (int k = 0; k < KEYS; k++)
        there += model[k] != 0;
    assert_int_equal(n, there);
    assert_int_equal(n, t.n);
    assert_true(t.n_slots < 16 * (size_t)KEYS / 4); /* it has shrunk */
    mp_dict_table_clear(&t);
    assert_int_equal(mem.used_bytes, 0);
}

typedef struct {
    int seen[2000];
} seen_set;

static bool mark_seen(void *ctx, const mp_dict_entry *e) {
    seen_set *s = ctx;
    char text[16] = "";
    memcpy(text, e->key, e->key_len < 15 ? e->key_len : 15);
    if (text[0] == 's') s->seen[atoi(text + 1)]++;
    return true;
}

/* Keys that stay are seen although others come and go between the calls. */
static void scan_while_changing(void **state) {
    (void)state;
    mp_dict_table t;
    seen_set s = {.seen = {0}};
    char key[64];
    mp_dict_table_init(&t, NULL);
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "s%d", i);
        assert_non_null(entry(&t, key, true));
    }
    uint64_t from = 0;
    int calls = 0, grown = 0;
    do {
        from = mp_dict_table_scan(&t, from, 10, mark_seen, &s);
        calls++;
        for (int k = 0; k < 300 && calls < 60; k++, grown++) {
            snprintf(key, sizeof key, "x%d", grown);
            assert_non_null(entry(&t, key, true));
        }
        for (int k = 0; k < 400 && calls >= 60 && grown > 0; k++) {
            snprintf(key, sizeof key, "x%d", --grown);
            mp_dict_table_remove(&t, entry(&t, key, false));
        }
    } while (from && calls < 100000);
    for (int i = 0; i < 2000; i++)
        assert_true(s.seen[i] >= 1);
    mp_dict_table_clear(&t);
}

/* All keys in one place: slow, but right. */
static void equal_places(void **state) {
    (void)state;
    mp_dict_table t;
    mp_dict_table_init(&t, NULL);
    for (int i = 0; i < 300; i++) {
        mp_dict_entry *e = mp_dict_table_insert(&t, UINT64_MAX, &i, sizeof i);
        mp_dict_value v = {.type = MP_DICT_INT, .i = i};
        assert_true(e && mp_dict_entry_set(&t, e, &v));
    }
    int64_t n = 0;
    assert_int_equal(mp_dict_table_scan(&t, 0, 100000, count_one, &n), 0);
    assert_int_equal(n, 300);
    for (int i = 0; i < 300; i += 2)
        mp_dict_table_remove(&t, mp_dict_table_find(&t, UINT64_MAX, &i, sizeof i));
    for (int i = 0; i < 300; i++) {
        const mp_dict_entry *e = mp_dict_table_find(&t, UINT64_MAX, &i, sizeof i);
        assert_int_equal(e != NULL, i % 2);
        if (e) assert_int_equal(e->i, i);
    }
    mp_dict_table_clear(&t);
}

/* ---- values ---- */

static void texts_of_numbers(void **state) {
    (void)state;
    static const struct {
        double f;
        const char *text;
    } v[] = {{0, "0"},
             {-0.0, "0"},
             {1, "1"},
             {10.6, "10.6"},
             {-2.5, "-2.5"},
             {5200, "5200"},
             {1e20, "100000000000000000000"},
             {1e-5, "0.00001"},
             {0.1 + 0.2, "0.30000000000000004"},
             {123456.789, "123456.789"}};
    char text[MP_DICT_TEXT_MAX];
    size_t n;
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        mp_dict_value f = {.type = MP_DICT_FLOAT, .f = v[i].f};
        const void *p = mp_dict_value_text(&f, text, &n);
        assert_int_equal(n, strlen(v[i].text));
        assert_memory_equal(p, v[i].text, n);
    }
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = next_random();
        mp_dict_value f = {.type = MP_DICT_FLOAT};
        memcpy(&f.f, &bits, 8);
        if (!(f.f - f.f == 0)) continue;
        const char *p = mp_dict_value_text(&f, text, &n);
        assert_true(n < MP_DICT_TEXT_MAX);
        text[n] = 0;
        assert_true(strtod(p, NULL) == f.f);
    }
}

static void numbers_in_texts(void **state) {
    (void)state;
    static const char *const not_int[] = {
        "", " 1", "1 ", "+1", "01", "-0", "1.0", "0x1", "a", "-", "9223372036854775808", "1e3"};
    int64_t i;
    for (size_t k = 0; k < sizeof not_int / sizeof *not_int; k++) {
        mp_dict_value v = {.type = MP_DICT_BYTES, .bytes = {not_int[k], strlen(not_int[k])}};
        assert_false(mp_dict_value_int(&v, &i));
    }
    mp_dict_value least = {.type = MP_DICT_BYTES, .bytes = {"-9223372036854775808", 20}};
    assert_true(mp_dict_value_int(&least, &i) && i == INT64_MIN);
    double f;
    mp_dict_value nan_text = {.type = MP_DICT_BYTES, .bytes = {"nan", 3}};
    mp_dict_value exp_text = {.type = MP_DICT_BYTES, .bytes = {"3.0e3", 5}};
    assert_false(mp_dict_value_float(&nan_text, &f));
    assert_true(mp_dict_value_float(&exp_text, &f) && f == 3000);
}

/* ---- operations ---- */

typedef struct {
    mp_mem mem;
    mp_dict_table t;
    char text[2000]; /* the last answer */
} side;

static void put_text(side *s, const char *fmt, ...) {
    size_t n = strlen(s->text);
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->text + n, sizeof s->text - n, fmt, args);
    va_end(args);
}

static void write_value(side *s, const mp_dict_value *v) {
    if (v->type == MP_DICT_NONE) put_text(s, "none");
    if (v->type == MP_DICT_INT) put_text(s, "%lld", (long long)v->i);
    if (v->type == MP_DICT_FLOAT) put_text(s, "%gf", v->f);
    if (v->type == MP_DICT_BYTES) put_text(s, "'%.*s'", (int)v->bytes.n, (const char *)v->bytes.p);
}

/* Arguments: 'text' as bytes, 12 as int, 1.5f as float, none, #3 as a u32 */
static void put_args(mp_buf *b, const char *args) {
    while (*args) {
        size_t n = strcspn(args, " ");
        mp_dict_value v = {.type = MP_DICT_NONE};
        if (*args == '#') {
            mp_buf_u32(b, (uint32_t)atoi(args + 1));
        } else if (*args == '.') {
            mp_buf_bytes(b, args + 1, n - 1); /* a name, not a value */
        } else {
            if (*args == '\'')
                v = (mp_dict_value){.type = MP_DICT_BYTES, .bytes = {args + 1, n - 2}};
            else if (args[n - 1] == 'f')
                v = (mp_dict_value){.type = MP_DICT_FLOAT, .f = atof(args)};
            else if (strncmp(args, "none", 4) != 0)
                v = (mp_dict_value){.type = MP_DICT_INT, .i = strtoll(args, NULL, 10)};
            mp_dict_put_value(b, &v);
        }
        args += n + (args[n] == ' ');
    }
}

static const char *run(side *s, mp_dict_op op, unsigned flags, const char *key, const char *args) {
    mp_buf request, out;
    mp_buf_init(&request, NULL);
    mp_buf_init(&out, NULL);
    size_t at = mp_dict_record_open(&request, op, flags, key, strlen(key));
    put_args(&request, args);
    mp_dict_record_close(&request, at);
    mp_dict_record r;
    assert_true(mp_dict_record_read(request.data, request.len, &r));
    mp_dict_apply(&s->t, &r, mp_hash_bytes(key, strlen(key)), &out);
    mp_rd rd = mp_rd_of(out.data, out.len), skip = rd;
    mp_dict_answer a;
    s->text[0] = 0;
    if (out.len > 0) {
        assert_true(mp_dict_answer_read(&rd, &a));
        if (a.kind == MP_DICT_ERROR)
            put_text(s, "%s", mp_dict_code_text(a.code));
        else if (a.kind == MP_DICT_LOST)
            put_text(s, "lost %s", mp_dict_code_text(a.code));
        else if (a.kind == MP_DICT_LIST) {
            put_text(s, "[");
            for (uint32_t i = 0; i < a.n; i++) {
                mp_dict_value v = mp_dict_read_value(&rd);
                if (i) put_text(s, " ");
                write_value(s, &v);
            }
            put_text(s, "]");
        } else
            write_value(s, &a.value);
        if (a.kind != MP_DICT_LOST) {
            assert_true(mp_dict_answer_skip(&skip));
            assert_int_equal(mp_rd_left(&skip), 0);
            assert_int_equal(mp_rd_left(&rd), 0);
        }
    }
    mp_buf_release(&request);
    mp_buf_release(&out);
    return s->text;
}

enum { A = MP_DICT_ANSWER };

typedef struct {
    mp_dict_op op;
    unsigned flags;
    const char *key, *args, *answer;
} step;

static const step STEPS[] = {
    {MP_DICT_GET, A, "a", "", "none"},
    {MP_DICT_PUT, A, "a", "'hello'", "1"},
    {MP_DICT_GET, A, "a", "", "'hello'"},
    {MP_DICT_PUT, A | MP_DICT_IF_NEW, "a", "'other'", "0"},
    {MP_DICT_PUT, A | MP_DICT_IF_OLD, "nope", "'other'", "0"},
    {MP_DICT_PUT, A | MP_DICT_IF_OLD, "a", "'a_longer_value_than_eight'", "1"},
    {MP_DICT_PUT, A | MP_DICT_OLD, "a", "12", "'a_longer_value_than_eight'"},
    {MP_DICT_PUT, A | MP_DICT_OLD | MP_DICT_IF_NEW, "a", "13", "12"},
    {MP_DICT_PUT, 0, "a", "14", ""},
    {MP_DICT_LENGTH, A, "a", "", "2"},
    {MP_DICT_ADD, A, "a", "-4", "10"},
    {MP_DICT_ADD, A, "a", "0.5f", "10.5f"},
    {MP_DICT_ADD, A, "a", "1", "ERR value is not an integer or out of range"},
    {MP_DICT_ADD, 0, "a", "1", "lost ERR value is not an integer or out of range"},
    {MP_DICT_ADD, A, "max", "9223372036854775807", "9223372036854775807"},
    {MP_DICT_ADD, A, "max", "1", "ERR increment or decrement would overflow"},
    {MP_DICT_GET, A, "max", "", "9223372036854775807"},
    {MP_DICT_PUT, A, "t", "'41'", "1"},
    {MP_DICT_ADD, A, "t", "1", "42"},
    {MP_DICT_MIN, A, "t", "50", "42"},
    {MP_DICT_MIN, A, "t", "-1", "-1"},
    {MP_DICT_MAX, A, "t", "7", "7"},
    {MP_DICT_MAX, A, "f", "1.5f", "1.5f"},
    {MP_DICT_MIN, A, "f", "1.25f", "1.25f"},
    {MP_DICT_APPEND, A, "t", "'x'", "2"},
    {MP_DICT_APPEND, A, "t", "'0123456789'", "12"},
    {MP_DICT_GET, A, "t", "", "'7x0123456789'"},
    {MP_DICT_APPEND, A, "new", "''", "0"},
    {MP_DICT_EXISTS, A, "new", "", "1"},
    {MP_DICT_CAS, A, "c", "none 1", "1"},
    {MP_DICT_CAS, A, "c", "none 2", "0"},
    {MP_DICT_CAS, A, "c", "'1' 2", "1"},
    {MP_DICT_CAS, A, "c", "2 none", "1"},
    {MP_DICT_EXISTS, A, "c", "", "0"},
    {MP_DICT_DELETE, A | MP_DICT_OLD, "t", "", "'7x0123456789'"},
    {MP_DICT_DELETE, A, "t", "", "0"},
    {MP_DICT_HSET, A, "h", "#2 .f1 'v1' .f2 2", "2"},
    {MP_DICT_HSET, A, "h", "#1 .f1 'v9'", "0"},
    {MP_DICT_HSET, A | MP_DICT_IF_NEW, "h", "#1 .f1 'v8'", "0"},
    {MP_DICT_HGET, A, "h", "#1 .f1", "'v9'"},
    {MP_DICT_HGET, A, "h", "#3 .f1 .nope .f2", "['v9' none 2]"},
    {MP_DICT_HADD, A, "h", ".f2 40", "42"},
    {MP_DICT_HADD, A, "h", ".f1 1", "ERR hash value is not an integer"},
    {MP_DICT_HADD, A, "h", ".f1 1.0f", "ERR hash value is not a float"},
    {MP_DICT_HLEN, A, "h", "", "2"},
    {MP_DICT_GET, A, "h", "", "WRONGTYPE Operation against a key holding the wrong kind of value"},
    {MP_DICT_ADD, A, "h", "1", "WRONGTYPE Operation against a key holding the wrong kind of value"},
    {MP_DICT_SADD, A, "h", "#1 .m",
     "WRONGTYPE Operation against a key holding the wrong kind of value"},
    {MP_DICT_HSET, A, "a", "#1 .f 1",
     "WRONGTYPE Operation against a key holding the wrong kind of value"},
    {MP_DICT_TYPE, A, "h", "", "4"},
    {MP_DICT_HDEL, A, "h", "#3 .f1 .f2 .f3", "2"},
    {MP_DICT_EXISTS, A, "h", "", "0"},
    {MP_DICT_HALL, A, "h", "", "[]"},
    {MP_DICT_SADD, A, "s", "#3 .x .y .x", "2"},
    {MP_DICT_SHAS, A, "s", "#1 .x", "1"},
    {MP_DICT_SHAS, A, "s", "#2 .z .y", "[0 1]"},
    {MP_DICT_SLEN, A, "s", "", "2"},
    {MP_DICT_SREM, A, "s", "#1 .x", "1"},
    {MP_DICT_SALL, A, "s", "", "['y']"},
    {MP_DICT_PUT, A, "s", "1", "1"}, /* a put replaces whatever was there */
    {MP_DICT_KEYS, A, "", ".[a-f]", "['f' 'a']"},
    {MP_DICT_KEYS, A, "", ".ne?", "['new']"},
    {MP_DICT_SIZE, A, "", "", "5"},
    {MP_DICT_PUT, A, "bad", "", "ERR malformed request"},
    {MP_DICT_PUT, A, "bad", "none", "ERR malformed request"},
    {MP_DICT_HSET, A, "bad", "#2 .f 1", "ERR malformed request"},
    {MP_DICT_SADD, A, "bad", "#1000000000 .f", "ERR malformed request"},
    {MP_DICT_HGET, A, "bad", "#3 .f", "ERR malformed request"},
    {MP_DICT_CAS, A, "bad", "1", "ERR malformed request"},
    {(mp_dict_op)200, A, "bad", "", "ERR malformed request"},
    {MP_DICT_CLEAR, A, "", "", "5"},
    {MP_DICT_SIZE, A, "", "", "0"},
};

static void operations(void **state) {
    (void)state;
    side s;
    mp_mem_init(&s.mem, 0);
    mp_dict_table_init(&s.t, &s.mem);
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++) {
        const step *x = &STEPS[i];
        const char *got = run(&s, x->op, x->flags, x->key, x->args);
        if (x->op == MP_DICT_KEYS && strlen(got) == strlen(x->answer)) continue; /* any order */
        if (strcmp(got, x->answer) != 0) fail_msg("step %zu: %s, not %s", i, got, x->answer);
    }
    assert_int_equal(s.mem.used_bytes, 0);
}

/* With every limit from nothing to enough: an operation is refused as a whole, what was there stays. */
static void memory_refused(void **state) {
    (void)state;
    for (int64_t limit = 1; limit < 24000; limit += 41) {
        side s;
        int refused = 0;
        mp_mem_init(&s.mem, limit);
        mp_dict_table_init(&s.t, &s.mem);
        for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS - 2; i++) {
            const step *x = &STEPS[i];
            char before[2000] = "";
            if (x->op >= MP_DICT_HSET && x->op < MP_DICT_SADD)
                snprintf(before, sizeof before, "%s", run(&s, MP_DICT_HALL, A, x->key, ""));
            else if (x->op < MP_DICT_HSET)
                snprintf(before, sizeof before, "%s", run(&s, MP_DICT_GET, A, x->key, ""));
            if (strncmp(run(&s, x->op, x->flags, x->key, x->args), "OOM", 3) != 0) continue;
            refused++;
            assert_true(s.mem.refused_bytes > 0);
            if (!before[0]) continue;
            mp_dict_op again = x->op < MP_DICT_HSET ? MP_DICT_GET : MP_DICT_HALL;
            assert_string_equal(run(&s, again, A, x->key, ""), before);
        }
        assert_true(s.mem.peak_bytes <= limit);
        if (limit > 23000) assert_int_equal(refused, 0);
        if (limit < 100) assert_true(refused > 0);
        mp_dict_table_clear(&s.t);
        assert_int_equal(s.mem.used_bytes, 0);
    }
}

/* A field that is named a thousand times: the answer is refused before it is made. */
static void many_of_one_field(void **state) {
    (void)state;
    enum { VALUE = 50000, NAMES = 1000, LIMIT = 1 << 20 };
    static const uint8_t text[VALUE];
    static const uint32_t n_names[] = {2, NAMES};
    for (int i = 0; i < 2; i++) {
        side s;
        mp_buf request, out;
        mp_mem_init(&s.mem, LIMIT);
        mp_dict_table_init(&s.t, &s.mem);
        mp_buf_init(&request, NULL);
        mp_buf_init(&out, NULL);
        size_t at = mp_dict_record_open(&request, MP_DICT_HSET, A, "h", 1);
        mp_buf_u32(&request, 1);
        mp_buf_bytes(&request, "f", 1);
        mp_dict_put_bytes(&request, text, VALUE);
        mp_dict_record_close(&request, at);
        size_t get = mp_dict_record_open(&request, MP_DICT_HGET, A, "h", 1);
        mp_buf_u32(&request, n_names[i]);
        for (uint32_t k = 0; k < n_names[i]; k++)
            mp_buf_bytes(&request, "f", 1);
        mp_dict_record_close(&request, get);
        mp_dict_record r;
        mp_dict_answer a;
        for (size_t from = 0; from < request.len; from += r.total) {
            assert_true(mp_dict_record_read(request.data + from, request.len - from, &r));
            mp_buf_clear(&out);
            mp_dict_apply(&s.t, &r, mp_hash_bytes("h", 1), &out);
        }
        mp_rd rd = mp_rd_of(out.data, out.len);
        assert_true(mp_dict_answer_read(&rd, &a));
        assert_int_equal(a.kind, i == 0 ? MP_DICT_LIST : MP_DICT_ERROR);
        if (i > 0) assert_int_equal(a.code, MP_DICT_NO_MEMORY);
        assert_true(out.cap <= 4 * LIMIT);
        mp_buf_release(&request);
        mp_buf_release(&out);
        mp_dict_table_clear(&s.t);
    }
}

/* Random bytes as records and answers: nothing is read outside (the sanitizers tell). */
static void hostile_bytes(void **state) {
    (void)state;
    side s;
    mp_mem_init(&s.mem, 1 << 20);
    mp_dict_table_init(&s.t, &s.mem);
    for (int i = 0; i < 200000; i++) {
        size_t n = next_random() % 80;
        uint8_t *p = malloc(n ? n : 1);
        for (size_t k = 0; k < n; k++)
            p[k] = (uint8_t)(next_random() % 3 ? next_random() % 6 : next_random());
        if (n >= 12) {
            uint32_t total = (uint32_t)n, key = (uint32_t)(next_random() % 9);
            memcpy(p, &total, 4);
            if (next_random() % 8) memcpy(p + 4, &key, 4);
            p[8] = (uint8_t)(next_random() % (MP_DICT_OP_COUNT + 2));
        }
        mp_dict_record r;
        mp_buf out;
        mp_buf_init(&out, NULL);
        if (mp_dict_record_read(p, n, &r)) {
            mp_dict_apply(&s.t, &r, mp_hash_bytes(r.key, r.key_len), &out);
            mp_rd rd = mp_rd_of(out.data, out.len);
            if (r.flags & A) assert_true(mp_dict_answer_skip(&rd) && mp_rd_left(&rd) == 0);
        }
        mp_rd rd = mp_rd_of(p, n);
        (void)mp_dict_answer_skip(&rd);
        mp_buf_release(&out);
        free(p);
    }
    mp_dict_table_clear(&s.t);
    assert_int_equal(s.mem.used_bytes, 0);
}

static void patterns(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool matches;
    } v[] = {{"*", "", true},
             {"", "", true},
             {"", "a", false},
             {"a*c", "abbc", true},
             {"a*c", "abbd", false},
             {"h?llo", "hello", true},
             {"h[ae]llo", "hallo", true},
             {"h[^e]llo", "hello", false},
             {"h[a-b]llo", "hbllo", true},
             {"\\*", "*", true},
             {"\\*", "a", false},
             {"[\\]]", "]", true},
             {"[", "[", false},
             {"a\\", "a\\", true},
             {"*a*b*c*", "xxaxxbxxcxx", true},
             {"**", "abc", true},
             {"[z-a]", "m", true}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++)
        if (mp_dict_matches((const uint8_t *)v[i].pattern, strlen(v[i].pattern),
                            (const uint8_t *)v[i].text, strlen(v[i].text)) != v[i].matches)
            fail_msg("'%s' on '%s'", v[i].pattern, v[i].text);
    char stars[60], text[3000];
    for (int i = 0; i < 56; i += 2)
        memcpy(stars + i, "*a", 2);
    stars[56] = 'b';
    memset(text, 'a', sizeof text);
    /* no exponential time */
    assert_false(mp_dict_matches((const uint8_t *)stars, 57, (const uint8_t *)text, sizeof text));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_model),      cmocka_unit_test(scan_while_changing),
        cmocka_unit_test(equal_places),     cmocka_unit_test(texts_of_numbers),
        cmocka_unit_test(numbers_in_texts), cmocka_unit_test(operations),
        cmocka_unit_test(memory_refused),   cmocka_unit_test(hostile_bytes),
        cmocka_unit_test(patterns),         cmocka_unit_test(many_of_one_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
