/* test_csv_simd.c - columns of numbers and text at every SIMD level, millions of hard fields
 * against a reading of their own by strtoll and strtod, between unreadable pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/decimal.h"
#include "io/csv/csv_index.h"

enum { ROWS = 1500, MAX_COLUMNS = 4, MARGIN = 64, FIELD = 32, ROUNDS = 1200 };

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t n) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % n;
}

/* ---- fields ---- */

typedef struct {
    char text[FIELD]; /* as it stands in the file */
    uint32_t len;
    bool missing;
} field;

typedef enum { SHORT_INTS, INTS, SHORT_DECIMALS, DECIMALS, ODD, N_KINDS } kind;

static void put(field *f, char c) {
    if (f->len < FIELD - 4) f->text[f->len++] = c;
}

static void put_digits(field *f, uint32_t n, bool leading_zero) {
    for (uint32_t i = 0; i < n; i++) {
        char c = (char)('0' + random_below(10));
        if (i == 0 && n > 1 && !leading_zero && c == '0') c = '7';
        put(f, c);
    }
}

static void make_number(field *f, kind k) {
    static const char odd[] = "0123456789..--/: eE+\t\x01\x80\xB0\"";
    bool zero = random_below(20) == 0;
    switch (k) {
    case SHORT_INTS:
        put_digits(f, 1 + random_below(8), zero);
        break;
    case INTS:
        if (random_below(2)) put(f, '-');
        put_digits(f, 1 + random_below(20), zero);
        break;
    case SHORT_DECIMALS:
        put_digits(f, random_below(4), zero);
        if (random_below(8)) put(f, '.');
        put_digits(f, random_below(7), true);
        break;
    case DECIMALS:
        if (random_below(2)) put(f, '-');
        put_digits(f, random_below(12), zero);
        if (random_below(8)) put(f, '.');
        put_digits(f, random_below(12), true);
        break;
    default:
        for (uint32_t n = random_below(20); n > 0; n--)
            put(f, odd[random_below(sizeof odd - 1)]);
    }
    if (k != ODD && f->len > 0 && random_below(12) == 0) /* one byte that is wrong, perhaps */
        f->text[random_below(f->len)] = odd[random_below(sizeof odd - 2)];
}

/* rare: how many fields in a hundred are of other kinds. */
static void make_field(field *f, kind k, uint32_t rare, bool quotes) {
    *f = (field){.len = 0};
    if (random_below(100) < rare) {
        uint32_t other = random_below(N_KINDS + 2);
        if (other == N_KINDS) return; /* a null */
        f->missing = other > N_KINDS;
        if (f->missing) return;
        k = (kind)other;
    }
    make_number(f, k);
    if (!quotes)
        for (uint32_t i = 0; i < f->len; i++)
            if (f->text[i] == '"') f->text[i] = '4';
    if (f->len && f->text[0] == '"') f->text[0] = '5'; /* quotes not at the edge are text */
    if (quotes && random_below(5) == 0 && !memchr(f->text, '"', f->len)) {
        memmove(f->text + 1, f->text, f->len);
        f->text[0] = '"';
        f->text[f->len + 1] = '"';
        f->len += 2;
    }
}

/* ---- what a field says, read on its own ---- */

typedef struct {
    bool null, is_int, is_decimal;
    int64_t v; /* int, or mantissa */
    int scale;
    double f;
    mp_evidence e;
    mp_str text;
} said;

static said read_field(const field *f) {
    said r = {0};
    char t[FIELD + 1];
    r.null = f->missing || f->len == 0;
    if (r.null) return r;
    bool quoted = f->text[0] == '"';
    r.text = quoted ? mp_str_of(f->text + 1, f->len - 2) : mp_str_of(f->text, f->len);
    memcpy(t, r.text.p, r.text.len);
    t[r.text.len] = 0;
    size_t n = r.text.len, at = t[0] == '-', before = strspn(t + at, "0123456789");
    size_t behind = 0, zeros = strspn(t + at, "0");
    bool point = t[at + before] == '.';
    if (point) behind = strspn(t + at + before + 1, "0123456789");
    if (memchr(t, 0, n) || at + before + point + behind != n || before + behind == 0) return r;
    if (zeros > before) zeros = before;
    if (!point && (zeros > 0 && before > 1)) return r; /* text */
    if (behind > 18 || before - zeros + behind > 18) return r;
    memmove(t + at + before, t + at + before + point, behind + 1);
    r.is_int = !point;
    r.is_decimal = true;
    r.v = strtoll(t, NULL, 10);
    r.scale = (int)behind;
    memcpy(t, r.text.p, n);
    t[n] = 0;
    r.f = r.v ? strtod(t, NULL) : 0;
    r.e = (mp_evidence){point ? MP_SEEN_DECIMAL : MP_SEEN_INT, (uint8_t)(before - zeros),
                        (uint8_t)behind};
    return r;
}

/* ---- a run of records between unreadable pages ---- */

typedef struct {
    uint8_t *area;
    size_t area_len, page;
    uint32_t rec[ROWS], end[ROWS * MAX_COLUMNS];
    mp_csv_index x;
    field fields[ROWS];
} run;

static run r; /* too large for a stack */

static size_t other_field(char *to, bool quotes) {
    field f = {.len = 0};
    make_number(&f, (kind)random_below(N_KINDS));
    for (uint32_t i = 0; i < f.len; i++)
        if (f.text[i] == '"') f.text[i] = quotes ? 'q' : '8';
    memcpy(to, f.text, f.len);
    return f.len;
}

static void make_run(int n_rows, int n_columns, int place, kind k, uint32_t rare, bool quotes) {
    static char text[ROWS * MAX_COLUMNS * FIELD];
    uint32_t at = 0;
    for (int i = 0; i < n_rows; i++) {
        r.rec[i] = at;
        make_field(&r.fields[i], k, rare, quotes);
        /* fields that a ragged row lacks are the last ones, and the first is never missing */
        if (place < n_columns - 1 || place == 0) r.fields[i].missing = false;
        for (int c = 0; c < n_columns; c++) {
            uint32_t *end = &r.end[i * n_columns + c];
            if (c == place && r.fields[i].missing) {
                *end = at - 1;
                continue;
            }
            if (c == place) {
                memcpy(text + at, r.fields[i].text, r.fields[i].len);
                at += r.fields[i].len;
            } else {
                at += (uint32_t)other_field(text + at, quotes);
            }
            *end = at;
            text[at++] = c == n_columns - 1 ? '\n' : ',';
        }
    }
    size_t len = (MARGIN * 2 + at + r.page - 1) / r.page * r.page;
    r.area_len = len + 2 * r.page;
    r.area = mmap(NULL, r.area_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(r.area != MAP_FAILED);
    memset(r.area, '6', r.area_len);
    /* the text at one edge or the other */
    uint8_t *base = r.area + r.page + (random_below(2) ? MARGIN : len - MARGIN - at);
    memcpy(base, text, at);
    assert_int_equal(mprotect(r.area, r.page, PROT_NONE), 0);
    assert_int_equal(mprotect(r.area + r.page + len, r.page, PROT_NONE), 0);
    r.x = (mp_csv_index){.n_rows = n_rows,
                         .n_columns = n_columns,
                         .base = base,
                         .rec = r.rec,
                         .end = r.end,
                         .has_quotes = quotes,
                         .plain_quotes = random_below(2)};
}

static mp_col convert(mp_simd level, mp_csv_use use, mp_type type, int place, const uint32_t *sel,
                      int n, mp_evidence *seen, mp_arena *arena) {
    static const mp_csv_dialect plain = {.delimiter = ',', .quote = '"'};
    mp_csv_column column = {.use = use, .type = type};
    bool misfit = false;
    mp_csv_convert_args a = {&plain, &column, place, seen, &misfit, arena, level};
    mp_csv_bad_value bad;
    mp_error err = MP_ERROR_INIT;
    mp_col out;
    *seen = (mp_evidence){0};
    assert_int_equal(mp_csv_convert(&a, &r.x, sel, n, &out, &bad, NULL, &err), MP_OK);
    return out;
}

static void check(const char *what, bool good, mp_simd level, const field *f) {
    if (good) return;
    fail_msg("%s at level %s: '%.*s'", what, mp_simd_name(level), (int)f->len, f->text);
}

static void check_numbers(mp_simd level, const uint32_t *sel, int n, int place, mp_type type) {
    mp_evidence seen, want = {0};
    mp_arena arena;
    mp_arena_init(&arena, NULL);
    mp_col c = convert(level, MP_CSV_TYPED, type, place, sel, n, &seen, &arena);
    for (int i = 0; i < n; i++) {
        const field *f = &r.fields[sel ? (int)sel[i] : i];
        said v = read_field(f);
        mp_value general;
        bool known = v.null || v.is_decimal;
        if (!v.null) {
            mp_value_of_text(v.text.p, v.text.len, &general);
            mp_evidence_add(&want, v.is_decimal ? v.e : general.e);
        }
        if (v.null) check("null", mp_col_is_null(&c, i), level, f);
        if (v.null || !known) continue;
        if (type == MP_INT64)
            check("int64", v.is_int ? c.i64[i] == v.v : mp_col_is_null(&c, i), level, f);
        if (type == MP_FLOAT64) check("float64", c.f64[i] == v.f, level, f);
        if (type == MP_DECIMAL && !mp_col_is_null(&c, i))
            check("decimal", (__int128)v.v * mp_pow10_i64[c.scale - v.scale] == c.i64[i], level, f);
        if (type == MP_DECIMAL && mp_col_is_null(&c, i))
            check("decimal null", v.e.int_digits + c.scale > 18, level, f);
    }
    assert_memory_equal(&want, &seen, sizeof seen);
    mp_arena_release(&arena);
}

static void check_texts(mp_simd level, const uint32_t *sel, int n, int place) {
    mp_evidence seen;
    mp_arena arena;
    mp_arena_init(&arena, NULL);
    mp_col c = convert(level, MP_CSV_TEXT, MP_STRING, place, sel, n, &seen, &arena);
    for (int i = 0; i < n; i++) {
        const field *f = &r.fields[sel ? (int)sel[i] : i];
        said v = read_field(f);
        check("null", mp_col_is_null(&c, i) == v.null, level, f);
        check("text", mp_str_eq(c.str[i], v.text), level, f);
    }
    mp_arena_release(&arena);
}

static void test_levels_read_what_strtoll_reads(void **state) {
    (void)state;
    static uint32_t sel[ROWS];
    r.page = (size_t)sysconf(_SC_PAGESIZE);
    for (int round = 0; round < ROUNDS; round++) {
        int n_rows = 1 + (int)random_below(round % 4 ? ROWS : 20);
        int n_columns = 1 + (int)random_below(MAX_COLUMNS);
        int place = (int)random_below((uint32_t)n_columns), n_sel = 0;
        static const uint32_t rare[] = {0, 1, 10, 50};
        make_run(n_rows, n_columns, place, (kind)random_below(N_KINDS), rare[random_below(4)],
                 random_below(3) == 0);
        for (int i = 0; i < n_rows; i++)
            if (random_below(2)) sel[n_sel++] = (uint32_t)i;
        bool use_sel = random_below(3) == 0 && n_sel > 0;
        int n = use_sel ? n_sel : n_rows;
        for (mp_simd level = MP_SIMD_C; level <= mp_simd_level(); level++) {
            for (mp_type type = MP_INT64; type <= MP_FLOAT64; type++)
                check_numbers(level, use_sel ? sel : NULL, n, place, type);
            check_texts(level, use_sel ? sel : NULL, n, place);
        }
        munmap(r.area, r.area_len);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_read_what_strtoll_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
