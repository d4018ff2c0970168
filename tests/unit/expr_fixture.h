/* expr_fixture.h - a table of six rows and a way to see what an expression gives on it, as text:
 * "1||3.5|..." */
#ifndef EXPR_FIXTURE_H
#define EXPR_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/date.h"
#include "data/print_num.h"
#include "expr/expr.h"

enum { ROWS = 6, COLS = 12 };

#define S(x)                                                                                       \
    { x, sizeof(x) - 1, 0 }

static const int64_t col_i[] = {1, -7, 99, 123456789, 0, 42};
static const uint8_t ok_i[] = {1, 1, 0, 1, 1, 1};
static const int64_t col_j[] = {3, 2, 5, -1000, 0, INT64_MIN};
static const uint8_t ok_j[] = {1, 1, 1, 1, 1, 0};
static const int64_t col_d[] = {150, -225, INT64_MAX, 10000, 0, 7};
static const int64_t col_e[] = {1, INT64_MIN, -33, 25, 70, 7};
static const uint8_t ok_e[] = {1, 0, 1, 1, 1, 1};
static const double col_f[] = {0.5, NAN, 3, 1e300, -0.25, 0.1};
static const uint8_t col_b[] = {1, 0, 1, 1, 0, 0};
static const uint8_t ok_b[] = {1, 1, 0, 1, 1, 0};
static const uint8_t col_c[] = {1, 1, 0, 1, 0, 1};
static const uint8_t ok_c[] = {1, 1, 1, 0, 1, 0};
static const mp_str col_s[] = {
    S("abc"), S("\xC3\x89t\xC3\xA9 \xE6\x97\xA5"), {NULL, 0, 0}, S(""), S("  12 "), S("a%b_C")};
static const uint8_t ok_s[] = {1, 1, 0, 1, 1, 1};
static const int64_t col_day[] = {19727, -1, 0, 0, 11016, -719162};
static const uint8_t ok_day[] = {1, 1, 0, 1, 1, 1};
static const int64_t col_ts[] = {1704412800000000, -1, 0, 1500000, 951827696000000, 0};
static const uint8_t ok_ts[] = {1, 1, 0, 1, 1, 1};
static const int64_t col_big[] = {INT64_MAX, INT64_MIN, INT64_MAX - 1, 3037000500, 1, -1};

static const mp_field fields[COLS] = {
    {"i", MP_INT64, 0, 0},        {"j", MP_INT64, 0, 0},   {"d", MP_DECIMAL, 0, 2},
    {"e", MP_DECIMAL, 0, 1},      {"f", MP_FLOAT64, 0, 0}, {"b", MP_BOOL, 0, 0},
    {"c", MP_BOOL, 0, 0},         {"s", MP_STRING, 0, 0},  {"day", MP_DATE, 0, 0},
    {"ts", MP_TIMESTAMP, 'T', 0}, {"none", MP_NULL, 0, 0}, {"big", MP_INT64, 0, 0}};

static const mp_col columns[COLS] = {
    {.type = MP_INT64, .valid = ok_i, .i64 = col_i},
    {.type = MP_INT64, .valid = ok_j, .i64 = col_j},
    {.type = MP_DECIMAL, .scale = 2, .valid = ok_i, .i64 = col_d},
    {.type = MP_DECIMAL, .scale = 1, .valid = ok_e, .i64 = col_e},
    {.type = MP_FLOAT64, .valid = ok_i, .f64 = col_f},
    {.type = MP_BOOL, .valid = ok_b, .b = col_b},
    {.type = MP_BOOL, .valid = ok_c, .b = col_c},
    {.type = MP_STRING, .valid = ok_s, .str = col_s},
    {.type = MP_DATE, .valid = ok_day, .i64 = col_day},
    {.type = MP_TIMESTAMP, .ts_sep = 'T', .valid = ok_ts, .i64 = col_ts},
    {.type = MP_NULL},
    {.type = MP_INT64, .i64 = col_big}};

static inline mp_schema fixture_schema(void) {
    return (mp_schema){.n = COLS, .fields = (mp_field *)(uintptr_t)fields};
}

static inline mp_batch fixture_batch(void) {
    return (mp_batch){.n_rows = ROWS, .n_cols = COLS, .cols = columns};
}

static inline size_t print_cell(const mp_col *c, int i, char *to) {
    switch (c->type) {
    case MP_BOOL:
        memcpy(to, c->b[i] ? "true" : "false", 5);
        return c->b[i] ? 4 : 5;
    case MP_INT64:
        return mp_print_int64(to, c->i64[i]);
    case MP_DECIMAL:
        return mp_print_decimal(to, c->i64[i], c->scale);
    case MP_FLOAT64:
        return mp_print_double(to, c->f64[i]);
    case MP_DATE:
        return mp_print_date(to, c->i64[i]);
    case MP_TIMESTAMP:
        return mp_print_timestamp(to, c->i64[i], (char)c->ts_sep);
    default:
        if (c->str[i].len) memcpy(to, c->str[i].p, c->str[i].len);
        return c->str[i].len;
    }
}

/* What text gives on the fixture, row by row with | between, null as nothing; "!why" when parsing
 * or binding fails, "row N: why" when a row does. Valid until the next call. */
static inline const char *value_of(const char *text) {
    static char out[65536];
    mp_arena arena;
    mp_arena_init(&arena, NULL);
    mp_error err = MP_ERROR_INIT;
    const mp_expr *e;
    mp_prog *p = NULL;
    mp_schema schema = fixture_schema();
    mp_batch batch = fixture_batch();
    mp_status st = mp_expr_parse("--select", text, false, &arena, &e, &err);
    if (st == MP_OK) st = mp_prog_new(e, &schema, &arena, &p, &err);
    if (st != MP_OK) {
        assert_int_equal(st, MP_USAGE);
        assert_int_equal(err.status, MP_USAGE);
        snprintf(out, sizeof out, "!%s", err.why);
        mp_arena_release(&arena);
        return out;
    }
    mp_col c;
    int32_t bad = -2;
    st = mp_prog_eval(p, &batch, &arena, &c, &bad, &err);
    if (st != MP_OK) {
        assert_int_equal(st, MP_DATA);
        snprintf(out, sizeof out, "row %d: %s", bad, err.why);
    } else {
        assert_int_equal(bad, -1);
        assert_int_equal(c.type, mp_prog_type(p));
        size_t n = 0;
        for (int i = 0; i < ROWS; i++) {
            if (i) out[n++] = '|';
            if (!mp_col_is_null(&c, i)) n += print_cell(&c, i, out + n);
        }
        out[n] = 0;
    }
    mp_prog_free(&p);
    mp_arena_release(&arena);
    return out;
}

#define CHECK(text, want) assert_string_equal(value_of(text), want)

#endif
