/* test_json_shape.c - the map of NDJSON at every level against going byte by byte, and lines read by their shape against
 * going through their members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json/json_shape.h"

enum { MOST = 1024, BLOCKS = MOST / 64, PAD = 64 };

static uint64_t words[3][BLOCKS + 1];
static uint64_t seed = 88172645463325252u;

static uint32_t any(uint32_t n) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 11) % n;
}

static int levels(mp_json_map_fn *out) {
    mp_simd best = mp_simd_level();
    int n = 0;
    for (int l = MP_SIMD_AVX2; l <= (int)best; l++)
        out[n++] = mp_json_map_choose((mp_simd)l);
    assert_null(mp_json_map_choose(MP_SIMD_C));
    return n;
}

static mp_json_map map_of(mp_json_map_fn make, const uint8_t *p, size_t n) {
    mp_json_map m = {.base = p, .len = n, .bits = {words[0], words[1], words[2]}};
    make(p, (n + 63) / 64, &m.bits);
    return m;
}

static void maps(void **state) {
    (void)state;
    static const char often[] = "\"\\\n0123456789-.,:{}ab \xFF\x1F\x20/:";
    mp_json_map_fn make[3];
    int n_levels = levels(make);
    for (int round = 0; round < 300; round++) {
        size_t n = any(MOST + 1);
        uint8_t *p = calloc(1, n + PAD); /* ends where reading must end */
        assert_non_null(p);
        for (size_t i = 0; i < n; i++)
            p[i] = any(9) ? 'x' : any(2) ? (uint8_t)any(256) : (uint8_t)often[any(sizeof often)];
        for (int l = 0; l < n_levels; l++) {
            mp_json_map m = map_of(make[l], p, n);
            for (int k = 0; k < 60; k++) {
                size_t to = any((uint32_t)n + 1), at = any((uint32_t)to + 1), i;
                for (i = at; i < to && p[i] >= 0x20 && !strchr("\"\\\xFF", p[i]); i++) {
                }
                assert_ptr_equal(mp_json_map_stop(&m, p + at, p + to), p + i);
                for (i = at; i < to && p[i] >= '0' && p[i] <= '9'; i++) {
                }
                assert_ptr_equal(mp_json_map_other(&m, p + at, p + to), p + i);
                for (i = at; i < to && p[i] && p[i] != '\n'; i++) {
                }
                assert_ptr_equal(mp_json_map_line(&m, p + at, p + to), p + i);
            }
        }
        free(p);
    }
}

/* ---- lines ---- */

static const char *const KEYS[] = {
    "\"a\":", "\"id1\":", "\"name\":", "\"a long key 12\":", "\"k16 k16 k1\":"};
enum { N_KEYS = 5 };

static void put_value(char *to) {
    static const char *const values[] = {
        "1",     "-0",    "12.50", "\"text\"", "\"\"",   "true",  "false",    "null",
        "1e5",   "[1,2]", "{}",    "007",      "1.",     "-",     "\"\\n\"",  "nul",
        "truex", ".5",    "+1",    "1 ",       "\"a\" ", "-12.5", "\"\xFF\"", "\"\x01\""};
    bool odd = any(12) == 0;
    strcat(to, values[any(odd ? sizeof values / sizeof *values : 8)]);
}

static size_t make_line(char *line) {
    static const char *const commas[] = {",", ", "};
    bool spaced = any(3) == 0;
    strcpy(line, "{");
    for (int i = 0; i < N_KEYS; i++) {
        if (i) strcat(line, commas[spaced]);
        strcat(line, KEYS[any(20) ? i : (int)any(N_KEYS)]);
        if (spaced) strcat(line, " ");
        put_value(line);
        if (any(30) == 0) break;
    }
    strcat(line, any(20) ? "}" : "} ");
    size_t n = strlen(line);
    if (any(4) == 0)
        line[any((uint32_t)n)] = (char)(any(2) ? any(95) + 32 : (uint32_t) "\"{},:"[any(5)]);
    return any(10) ? n : any((uint32_t)n + 1);
}

static void same_values(const uint8_t *p, size_t n, const mp_json_value *got) {
    mp_json_members m;
    mp_json_value key, value, want[N_KEYS] = {0};
    assert_true(mp_json_open(&m, p, n));
    while (mp_json_member(&m, &key, &value))
        for (int i = 0; i < N_KEYS; i++)
            if (key.len + 3 == strlen(KEYS[i]) && memcmp(key.p, KEYS[i] + 1, key.len) == 0)
                want[i] = value;
    if (m.flaw) fail_msg("%s: %.*s", m.flaw, (int)n, (const char *)p);
    for (int i = 0; i < N_KEYS; i++) {
        assert_int_equal(got[i].kind, want[i].kind);
        if (got[i].kind == MP_JSON_NONE) continue;
        assert_ptr_equal(got[i].p, want[i].p);
        assert_int_equal(got[i].len, want[i].len);
        assert_int_equal(got[i].escaped, want[i].escaped);
        assert_int_equal(got[i].odd, want[i].odd);
    }
}

static void shapes(void **state) {
    (void)state;
    mp_json_map_fn make[3];
    int n_levels = levels(make), n_known = 0, n_lines = 40000;
    mp_json_shape shape[N_KEYS] = {0};
    for (int i = 0; i < N_KEYS; i++) {
        memcpy(shape[i].key, KEYS[i], strlen(KEYS[i]));
        shape[i].len = (uint32_t)strlen(KEYS[i]);
        shape[i].slot = i;
    }
    for (int round = 0; round < n_lines; round++) {
        char line[512];
        size_t n = make_line(line);
        uint8_t *p = calloc(1, n + PAD);
        assert_non_null(p);
        memcpy(p, line, n);
        for (int l = 0; l < n_levels; l++) {
            mp_json_value got[N_KEYS] = {0};
            mp_json_map m = map_of(make[l], p, n);
            bool known = mp_json_shape_read(shape, N_KEYS, &m, p, p + n, got);
            if (known) same_values(p, n, got);
            n_known += known && l == 0;
        }
        free(p);
    }
    if (n_levels) assert_in_range(n_known, n_lines / 4, n_lines);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(maps), cmocka_unit_test(shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
