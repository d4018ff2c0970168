/* test_json_index.c - the index of NDJSON: both levels say the same, and lines read by their shape
 * have the values that going through their members finds; odd lines and broken strings among them,
 * at every place of a block. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json/json_shape.h"

enum { PAD = 64, MOST = 4096, N_LEVELS = 2 };

static uint64_t seed = 88172645463325252u;

static uint32_t any(uint32_t n) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 11) % n;
}

/* ---- a level ---- */

typedef struct {
    const mp_json_kernels *kernels;
    mp_json_index index;
} level;

static int init_levels(level *out) {
    int n = 0;
    assert_null(mp_json_kernels_of(MP_SIMD_C));
    for (int l = MP_SIMD_AVX2; l <= (int)mp_simd_level(); l++, n++) {
        out[n].kernels = mp_json_kernels_of((mp_simd)l);
        assert_non_null(out[n].kernels);
        out[n].index = (mp_json_index){
            .ends = calloc(MP_JSON_INDEX_BYTES + MP_JSON_INDEX_SLACK, sizeof(uint32_t)),
            .odd = calloc(MP_JSON_INDEX_WORDS, sizeof(uint64_t)),
            .slash = calloc(MP_JSON_INDEX_WORDS, sizeof(uint64_t)),
            .nest = calloc(MP_JSON_INDEX_WORDS, sizeof(uint64_t))};
        assert_non_null(out[n].index.ends);
        assert_non_null(out[n].index.odd);
        assert_non_null(out[n].index.slash);
        assert_non_null(out[n].index.nest);
    }
    return n;
}

static void release_levels(level *levels, int n) {
    for (int l = 0; l < n; l++) {
        free(levels[l].index.ends);
        free(levels[l].index.odd);
        free(levels[l].index.slash);
        free(levels[l].index.nest);
    }
}

static void index_text(level *l, const uint8_t *p, size_t n) {
    l->index.base = p;
    l->index.len = (uint32_t)n;
    l->index.at = l->index.next_odd = l->index.next_slash = l->index.next_nest = 0;
    l->kernels->index(&l->index);
}

static void same_index(const mp_json_index *a, const mp_json_index *b) {
    assert_int_equal(a->n_ends, b->n_ends);
    assert_memory_equal(a->ends, b->ends, a->n_ends * sizeof *a->ends);
    uint32_t last = a->n_ends ? a->ends[a->n_ends - 1] : 0;
    assert_memory_equal(a->odd, b->odd, last / 64 * sizeof *a->odd);
    assert_memory_equal(a->slash, b->slash, last / 64 * sizeof *a->slash);
    assert_memory_equal(a->nest, b->nest, last / 64 * sizeof *a->nest);
}

/* ---- lines ---- */

static const char *const KEYS[] = {"\"a\":", "\"id,1\":", "\"\":",
                                   "\"a key of more than 32 bytes, with ':'\":", "\"k16 k16 k1\":"};
enum { N_KEYS = 5 };

static void put_value(char *to, bool spoil) {
    static const char *const values[] = {"1",
                                         "-0",
                                         "12.50",
                                         "\"text\"",
                                         "\"\"",
                                         "true",
                                         "false",
                                         "null",
                                         "0.125",
                                         "-12.5",
                                         "10",
                                         "0",
                                         "\"a, b\"",
                                         "\"{}\"",
                                         "\"12.3.4\"",
                                         "\"more than a block of 64 bytes, with : and \xC3\xA9, "
                                         "0123456789 and what else there may be\"",
                                         "\"\\n\"",
                                         "\"\\\"\"",
                                         "\"\\\\\"",
                                         "\"\\\\\\\\ \\u00e9 \\ud83d\\ude00 \\/, \\\"}\"",
                                         "[1,2]",
                                         "{}",
                                         "{\"a\":1}",
                                         "[[], {\"a\" : [1e5, {\"b\":\"]\\\\\"}], \"c\":null}]",
                                         "1e5",
                                         "\"\\ud83d\"",
                                         "\"\\\\ud83d\\ude00\"",
                                         "\"\\u0000\"",
                                         "\"\\x\"",
                                         "[1,]",
                                         "{\"a\":1]",
                                         "{\"a\":[1}",
                                         "[1",
                                         "]",
                                         "[1]]",
                                         "[1] ",
                                         "[\"\xFF\"]",
                                         "[\"\\u12\"]",
                                         "007",
                                         "1.",
                                         "-",
                                         "nul",
                                         "truex",
                                         ".5",
                                         "+1",
                                         "1 ",
                                         "\"a\" ",
                                         "--1",
                                         "\"\xFF\"",
                                         "\"\x01\"",
                                         "1.2.3",
                                         "\"a\"b",
                                         "\"a\":1",
                                         "1:2",
                                         "-x",
                                         " 1",
                                         "",
                                         "\"a",
                                         "12-3",
                                         "00",
                                         "-01",
                                         "t",
                                         "1}",
                                         "\"\"\"",
                                         "\t1",
                                         "1\r",
                                         "\\",
                                         "true false",
                                         "0x1",
                                         "123456789012345678901234567890"};
    enum { N_GOOD = 24 };
    strcat(to, values[any(spoil ? sizeof values / sizeof *values : N_GOOD)]);
}

static size_t make_line(char *line) {
    static const char *const commas[] = {",", ", "}, *const colons[] = {"", " ", "  ", "\t"};
    static const char *const closes[] = {"}", "}\r", "} ", "}}", ""};
    bool odd = any(6) == 0;
    uint32_t comma = any(2), colon = comma;
    strcpy(line, "{");
    for (int i = 0; i < N_KEYS; i++) {
        if (i) strcat(line, commas[comma]);
        strcat(line, KEYS[any(15) ? i : (int)any(N_KEYS)]);
        strcat(line, colons[odd && any(6) == 0 ? any(4) : colon]);
        put_value(line, odd && any(5) == 0);
        if (any(12) == 0) break;
    }
    strcat(line, closes[odd ? any(5) : any(8) == 0]);
    size_t n = strlen(line);
    if (odd && any(3) == 0)
        line[any((uint32_t)n)] = (char)(any(2) ? any(95) + 32 : (uint32_t) "\"{},:\\"[any(6)]);
    return odd && any(5) == 0 ? any((uint32_t)n + 1) : n;
}

/* The members of the line; false: it is no object. */
static bool members(const uint8_t *p, size_t n, mp_json_value *want, mp_json_shapes *shapes) {
    mp_json_members m;
    mp_json_value key, value;
    if (n && p[n - 1] == '\r') n--;
    for (int i = 0; i < N_KEYS; i++)
        want[i] = (mp_json_value){.kind = MP_JSON_NONE};
    if (!mp_json_open(&m, p, n)) return false;
    m.guess = NULL;
    m.guess_len = 0;
    const uint8_t *from = p;
    if (shapes) mp_json_shapes_begin(shapes);
    while (mp_json_member(&m, &key, &value)) {
        int slot = -1;
        for (int i = 0; i < N_KEYS; i++)
            if (key.len + 3 == strlen(KEYS[i]) && memcmp(key.p, KEYS[i] + 1, key.len) == 0)
                slot = i;
        if (slot >= 0) want[slot] = value;
        if (shapes) mp_json_shapes_add(shapes, from, &value, slot);
        from = m.at + 1;
    }
    if (shapes && !m.flaw) mp_json_shapes_end(shapes);
    return !m.flaw;
}

/* The value of slot of the line at start by its shape. */
static void same_value(const mp_json_index *x, uint32_t start, uint32_t lf, const mp_json_shape *s,
                       int slot, const mp_json_value *want) {
    int32_t m = s->member[slot];
    assert_int_equal(m < 0, want->kind == MP_JSON_NONE);
    if (m < 0) return;
    const uint8_t *p = x->base + (m ? x->ends[x->at + (uint32_t)m - 1] + 1 : start) + s->len[m];
    const uint8_t *end = x->base + x->ends[x->at + (uint32_t)m];
    if (m == s->heads.n - 1) end = x->base + lf - 1 - (x->base[lf - 1] == '\r');
    if (*p == ' ') return; /* left to the caller */
    bool text = want->kind == MP_JSON_STRING;
    assert_ptr_equal(p, want->p - text);
    assert_ptr_equal(end, want->p + want->len + text);
    assert_int_equal(*p == '"', text);
    assert_int_equal(*p == 'n', want->kind == MP_JSON_NULL);
    assert_int_equal(*p == '{' || *p == '[', want->kind == MP_JSON_NESTED);
    assert_false(want->odd && want->kind != MP_JSON_NESTED);
}

/* The line's escapes are known; are the nested values of a plain line JSON? */
static bool check_nested(mp_json_index *x, uint32_t start, uint32_t end,
                         const mp_json_value *want) {
    bool some = false;
    for (int i = 0; i < N_KEYS; i++)
        some = some || (want[i].kind == MP_JSON_STRING && want[i].escaped);
    if (some) assert_true(mp_json_index_find(x, x->slash, start, &x->next_slash) < end);
    for (uint32_t at = start; (at = mp_json_index_find(x, x->nest, at, &x->next_nest)) < end;) {
        const uint8_t *behind = mp_json_behind_nested(x->base + at, x->base + end);
        if (!behind) return false;
        at = (uint32_t)(behind - x->base);
    }
    return true;
}

typedef struct {
    int lines, plain, known;
} counts;

/* Every line that the index has the end of. */
static void check_lines(level *l, mp_json_shapes *shapes, counts *n) {
    mp_json_index *x = &l->index;
    for (uint32_t start = 0; x->at < x->n_ends;) {
        const uint8_t *lf = memchr(x->base + start, '\n', x->len - start);
        uint32_t end = (uint32_t)(lf - x->base), i = x->at;
        const mp_json_shape *s = mp_json_shapes_find(shapes, l->kernels->match, x, start);
        while (i < x->n_ends && x->base[x->ends[i]] != '\n')
            i++;
        if (i == x->n_ends) break;
        assert_non_null(lf);
        assert_int_equal(x->ends[i], end);
        mp_json_value want[N_KEYS];
        bool plain = x->next_odd > end, good = members(x->base + start, end - start, want, NULL);
        if (s && !check_nested(x, start, end, want)) {
            assert_false(good);
            s = NULL;
        }
        if (s && !good) fail_msg("%.*s", (int)(end - start), (const char *)x->base + start);
        for (int k = 0; s && k < N_KEYS; k++)
            same_value(x, start, end, s, k, &want[k]);
        if (plain && !s) members(x->base + start, end - start, want, shapes);
        n->lines++;
        n->plain += plain && good;
        n->known += s != NULL;
        x->at = i + 1;
        start = end + 1;
    }
}

static void texts(void **state) {
    (void)state;
    level levels[N_LEVELS];
    int n_levels = init_levels(levels);
    mp_mem mem;
    mp_mem_init(&mem, 0);
    mp_arena arena;
    mp_arena_init(&arena, &mem);
    mp_json_shapes shapes;
    mp_json_shapes_init(&shapes, &arena, N_KEYS);
    counts n = {0};
    for (int round = 0; round < 3000 && n_levels; round++) {
        static char text[MOST + 1024];
        size_t len = 0, most = 1 + any(MOST);
        while (len < most) {
            len += make_line(text + len);
            text[len++] = '\n';
        }
        if (any(3) == 0) len -= any((uint32_t)len);
        uint8_t *p = calloc(1, len + PAD); /* ends where reading must end */
        assert_non_null(p);
        memcpy(p, text, len);
        for (int l = 0; l < n_levels; l++) {
            index_text(&levels[l], p, len);
            if (l) same_index(&levels[0].index, &levels[l].index);
            check_lines(&levels[l], &shapes, &n);
        }
        free(p);
    }
    if (n_levels) {
        assert_in_range(n.plain, n.lines / 2, n.lines);
        assert_in_range(n.known, n.lines / 3, n.lines);
    }
    mp_arena_release(&arena);
    release_levels(levels, n_levels);
}

/* Each value alone behind a colon, at each place of a block: plain where it may be. */
static void each_value(void **state) {
    (void)state;
    static const char *const good[] = {"0",
                                       "-1",
                                       "12.5",
                                       "\"x\"",
                                       "true",
                                       "null",
                                       "0.0",
                                       "\"\"",
                                       "\"\\n\"",
                                       "\"\\\\\"",
                                       "\"\\\\\\\"\"",
                                       "\"\\uD83D\\uDE00\"",
                                       "\"\\u00e9\\\\u0000\"",
                                       "[]",
                                       "{}",
                                       "[[{\"a\":[1,\"]}\"]}],2]",
                                       "{\"a\": {\"b\" :-1e5}}"};
    static const char *const bad[] = {"01",
                                      "-",
                                      "1.",
                                      ".1",
                                      "1.2.3",
                                      "tru",
                                      "nulll",
                                      "1e1",
                                      "\"\xFF\"",
                                      "NaN",
                                      "--1",
                                      "1-",
                                      "\"\t\"",
                                      "\"a\"b",
                                      "1 ",
                                      "[1]]",
                                      "{}1",
                                      "\"\\x\"",
                                      "\"\\u12g4\"",
                                      "\"\\u0000\"",
                                      "[[]",
                                      "]",
                                      "{\"a\":{}",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\\\\\udc00\"",
                                      "[\"\t\"]",
                                      "[] ",
                                      "\"\\ud800\\u0041\"",
                                      "\"\\u12\""};
    level levels[N_LEVELS];
    int n_levels = init_levels(levels);
    for (int l = 0; l < n_levels; l++)
        for (int shift = 0; shift < 130; shift++)
            for (size_t v = 0; v < sizeof good / sizeof *good + sizeof bad / sizeof *bad; v++) {
                bool is_good = v < sizeof good / sizeof *good;
                const char *value = is_good ? good[v] : bad[v - sizeof good / sizeof *good];
                char line[256], *p = calloc(1, sizeof line + PAD);
                int n = snprintf(line, sizeof line, "{\"%.*s\":%s,\"b\":%s}\n", shift,
                                 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
                                 "kkkkkkkkkkkkkkkkkkkkkkkk"
                                 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
                                 value, value);
                assert_non_null(p);
                memcpy(p, line, (size_t)n);
                index_text(&levels[l], (uint8_t *)p, (size_t)n);
                uint64_t odd = 0;
                for (int w = 0; w <= (n - 1) / 64; w++)
                    odd |= levels[l].index.odd[w] &
                           (w == n / 64 ? (UINT64_C(1) << n % 64) - 1 : ~UINT64_C(0));
                if ((odd == 0) != is_good) fail_msg("level %d, shift %d: %s", l, shift, line);
                free(p);
            }
    release_levels(levels, n_levels);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(texts), cmocka_unit_test(each_value)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
