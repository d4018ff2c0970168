/* test_h5_out.c - batches become records and these the elements of an HDF5 file: values, nulls, texts
 * and chunks, against a plain account of them; records that are none are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "io/h5/h5_out.h"

enum { ROWS = 700, COLS = 7 };
static const char *const NAMES[COLS] = {"i", "f", "s", "b", "d", "narrow", "t/u"};
static const mp_type TYPES[COLS] = {MP_INT64, MP_DECIMAL, MP_STRING, MP_BOOL,
                                    MP_DATE,  MP_INT64,   MP_STRING};
static const int8_t WIDTHS[COLS] = {0, 0, 0, 0, 0, -2, 0};

typedef struct {
    int64_t i[ROWS], mantissa[ROWS], d[ROWS], narrow[ROWS];
    mp_str s[ROWS], t[ROWS];
    uint8_t b[ROWS], valid[COLS][ROWS];
    mp_col cols[COLS];
    mp_batch batch;
} table;

static table *make(void) {
    static const char text[] = "0123456789abcdefghij";
    table *t = calloc(1, sizeof *t);
    assert_non_null(t);
    for (int r = 0; r < ROWS; r++) {
        t->i[r] = r * 1000003 - 77;
        t->mantissa[r] = r * 25;
        t->d[r] = r - 350;
        t->narrow[r] = r * 93;
        t->s[r] = mp_str_of(text, (size_t)(r % 17));
        t->t[r] = mp_str_of(text + r % 5, (size_t)(r % 3));
        t->b[r] = r % 3 == 0;
        for (int c = 0; c < COLS; c++)
            t->valid[c][r] = c == 0 || c == 5 || (r * 7 + c) % 11 != 0;
    }
    const void *values[COLS] = {t->i, t->mantissa, t->s, t->b, t->d, t->narrow, t->t};
    for (int c = 0; c < COLS; c++)
        t->cols[c] = (mp_col){.type = TYPES[c],
                              .scale = TYPES[c] == MP_DECIMAL ? 2 : 0,
                              .valid = c == 0 ? NULL : t->valid[c],
                              .p = values[c]};
    t->batch = (mp_batch){.n_rows = ROWS, .n_cols = COLS, .cols = t->cols};
    return t;
}

static bool is_null(const table *t, int c, int r) {
    return !t->valid[c][r];
}

/* The value of column c in row r stands at p. */
static void check_value(const table *t, int c, int r, const uint8_t *p, uint32_t width) {
    bool null = is_null(t, c, r);
    mp_str s = c == 2 ? t->s[r] : t->t[r];
    int64_t i = 0;
    double f;
    switch (TYPES[c]) {
    case MP_STRING:
        if (null) s.len = 0;
        assert_true(s.len <= width);
        if (s.len) assert_memory_equal(p, s.p, s.len);
        for (uint32_t k = s.len; k < width; k++)
            assert_int_equal(p[k], 0);
        break;
    case MP_BOOL:
        assert_int_equal(*p, !null && t->b[r]);
        break;
    case MP_DECIMAL:
        memcpy(&f, p, sizeof f);
        if (null)
            assert_true(isnan(f));
        else
            assert_true(f == (double)t->mantissa[r] / 100);
        break;
    default:
        memcpy(&i, p, width);
        assert_int_equal(i, null ? 0 : c == 0 ? t->i[r] : c == 4 ? t->d[r] : t->narrow[r]);
        break;
    }
}

typedef struct {
    mp_arena arena;
    mp_h5_rows rows;
    mp_h5_seen seen;
    mp_h5_plan plan;
    mp_buf text, ends;
    const uint8_t *at[ROWS], *texts[ROWS];
    mp_h5_unit unit;
} output;

static void begin(output *o, const table *t, mp_h5_out_form form) {
    mp_arena_init(&o->arena, NULL);
    mp_buf_init(&o->text, NULL);
    mp_buf_init(&o->ends, NULL);
    assert_int_equal(mp_h5_rows_init(&o->rows, NAMES, TYPES, WIDTHS, COLS, &o->arena, NULL), MP_OK);
    assert_int_equal(mp_h5_seen_init(&o->seen, &o->rows, &o->arena, NULL, NULL), MP_OK);
    mp_h5_rows_put(&o->rows, &t->batch, &o->text, &o->ends);
    assert_int_equal(mp_buf_check(&o->text, NULL), MP_OK);
    assert_int_equal(o->ends.len, ROWS * sizeof(int64_t));
    assert_int_equal(mp_h5_seen_add(&o->seen, &o->rows, 4711, o->text.data, o->text.len, NULL),
                     MP_OK);
    assert_int_equal(o->seen.n_rows, ROWS);
    mp_h5_options options = {.form = form, .form_given = true, .level = 1};
    assert_int_equal(mp_h5_plan_make(&options, &o->rows, &o->seen, &o->arena, &o->plan, NULL),
                     MP_OK);
    assert_int_equal(mp_h5_rows_find(&o->rows, o->text.data, o->text.len, 0, ROWS, o->at, NULL),
                     MP_OK);
    o->unit = (mp_h5_unit){.n_rows = ROWS, .rows = o->at, .end = o->text.data + o->text.len};
    if (form == MP_H5_OUT_COLUMNS) o->unit.texts = o->texts;
    mp_h5_unit_begin(&o->plan, &o->unit);
}

static void end(output *o) {
    mp_h5_seen_release(&o->seen);
    mp_buf_release(&o->text);
    mp_buf_release(&o->ends);
    mp_arena_release(&o->arena);
}

static void compound(void **state) {
    (void)state;
    table *t = make();
    output o;
    begin(&o, t, MP_H5_OUT_TABLE);
    assert_string_equal(o.plan.options.path, "/data/table");
    assert_int_equal(o.plan.n_units, 1);
    /* the table, and the nulls of s, b, d and t/u: floats have NaN */
    assert_int_equal(o.plan.n_sets, 5);
    const mp_h5_set *s = &o.plan.sets[0];
    assert_int_equal(s->element_bytes, 8 + 8 + 16 + 1 + 8 + 2 + 2);
    assert_int_equal(s->chunk_rows, ROWS);
    for (int64_t from = 0, n = 1; from < ROWS; from += n, n = n * 3 % 97 + 1) {
        if (n > ROWS - from) n = ROWS - from;
        uint8_t *out = calloc((size_t)n, s->element_bytes);
        mp_h5_unit_fill(&o.plan, s, &o.unit, from, n, out);
        for (int64_t r = 0; r < n; r++)
            for (int c = 0; c < COLS; c++)
                check_value(t, c, (int)(from + r), out + r * s->element_bytes + o.plan.at[c],
                            o.plan.widths[c]);
        free(out);
    }
    for (int i = 1; i < 5; i++) {
        uint8_t out[ROWS] = {0};
        mp_h5_unit_fill(&o.plan, &o.plan.sets[i], &o.unit, 0, ROWS, out);
        for (int r = 0; r < ROWS; r++)
            assert_int_equal(out[r], is_null(t, o.plan.sets[i].c, r));
    }
    end(&o);
    free(t);
}

static void columns(void **state) {
    (void)state;
    table *t = make();
    output o;
    begin(&o, t, MP_H5_OUT_COLUMNS);
    assert_string_equal(o.plan.options.path, "/data");
    assert_string_equal(o.plan.names[6], "t%2Fu");
    assert_int_equal(o.plan.n_sets, 1 + COLS + 4);
    for (int i = 0; i < o.plan.n_sets; i++) {
        const mp_h5_set *s = &o.plan.sets[i];
        for (int64_t from = 0, n = 5; from < ROWS; from += n, n = n * 3 % 97 + 1) {
            if (n > ROWS - from) n = ROWS - from;
            uint8_t *out = calloc((size_t)n, s->element_bytes);
            mp_h5_unit_fill(&o.plan, s, &o.unit, from, n, out);
            for (int64_t r = 0; r < n; r++) {
                const uint8_t *p = out + r * s->element_bytes;
                int64_t row = 0;
                if (s->kind == MP_H5_SET_VALUES)
                    check_value(t, s->c, (int)(from + r), p, s->element_bytes);
                else if (s->kind == MP_H5_SET_MASK)
                    assert_int_equal(*p, is_null(t, s->c, (int)(from + r)));
                else
                    assert_int_equal((memcpy(&row, p, sizeof row), row), from + r);
            }
            free(out);
        }
    }
    end(&o);
    free(t);
}

/* Every cut of the records, and every length that is not theirs, is refused. */
static void broken(void **state) {
    (void)state;
    table *t = make();
    output o;
    begin(&o, t, MP_H5_OUT_TABLE);
    const uint8_t *rows[ROWS];
    size_t n = (size_t)(o.at[20] - o.text.data);
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, o.text.data, cut);
        assert_int_equal(mp_h5_rows_find(&o.rows, copy, cut, 3, 17, rows, NULL), MP_FAILED);
        free(copy);
    }
    assert_int_equal(mp_h5_rows_find(&o.rows, o.text.data, n, 3, 17, rows, NULL), MP_OK);
    assert_ptr_equal(rows[16], o.at[19]);
    for (uint32_t len = 0; len < 60; len++) {
        uint32_t was = mp_h5_load32(o.text.data);
        if (len == was) continue;
        memcpy(o.text.data, &len, sizeof len);
        mp_status st = mp_h5_seen_add(&o.seen, &o.rows, 0, o.text.data, was, NULL);
        assert_int_equal(st, MP_FAILED);
        memcpy(o.text.data, &was, sizeof was);
    }
    end(&o);
    free(t);
}

/* Many shapes of tables: chunks are cut as promised. */
static void cuts(void **state) {
    (void)state;
    static const int64_t counts[] = {0, 1, 4095, 4096, 1000000, 100000000};
    for (int n_cols = 1; n_cols <= 600; n_cols = n_cols * 3 + 1)
        for (uint32_t longest = 0; longest < 20000; longest = longest * 7 + 1)
            for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
                mp_arena arena;
                mp_arena_init(&arena, NULL);
                const char **names = mp_arena_alloc(&arena, 600 * sizeof *names, 8);
                mp_type types[600];
                for (int c = 0; c < n_cols; c++) {
                    names[c] = "c";
                    types[c] = c % 3 ? MP_BOOL : MP_STRING;
                }
                mp_h5_rows rows;
                mp_h5_seen seen;
                mp_h5_plan p;
                assert_int_equal(mp_h5_rows_init(&rows, names, types, NULL, n_cols, &arena, NULL),
                                 MP_OK);
                assert_int_equal(mp_h5_seen_init(&seen, &rows, &arena, NULL, NULL), MP_OK);
                for (int c = 0; c < n_cols; c++)
                    seen.longest[c] = longest;
                seen.nulls[0] = 3;
                seen.n_rows = counts[k];
                mp_h5_options options = {.form = MP_H5_OUT_TABLE, .level = 1};
                assert_int_equal(mp_h5_plan_make(&options, &rows, &seen, &arena, &p, NULL), MP_OK);
                assert_int_equal(p.options.form,
                                 n_cols > 512 ? MP_H5_OUT_COLUMNS : MP_H5_OUT_TABLE);
                assert_true(p.n_units * p.unit_rows >= counts[k]);
                assert_true((p.n_units - 1) * p.unit_rows < counts[k] || counts[k] == 0);
                for (int i = 0; i < p.n_sets; i++) {
                    int64_t chunk = p.sets[i].chunk_rows;
                    assert_true(chunk >= 1 && (chunk <= counts[k] || chunk == 1));
                    assert_true(p.unit_rows % chunk == 0 || p.n_units <= 1);
                    assert_true(chunk * p.sets[i].element_bytes <= 512 << 10 || chunk == 1);
                }
                mp_h5_seen_release(&seen);
                mp_arena_release(&arena);
            }
}

static void paths(void **state) {
    (void)state;
    assert_null(mp_h5_path_flaw("/a"));
    assert_null(mp_h5_path_flaw("/a/b c/ü"));
    static const char *const bad[] = {"", "a", "/", "/a/", "//a", "/a//b", "/.", "/a/..", "/../a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(mp_h5_path_flaw(bad[i]));
    static const char *const links[][2] = {{"a", "a"},           {"a/b", "a%2Fb"}, {".", "%2E"},
                                           {"..", "%2E%2E"},     {".a", ".a"},     {"5%", "5%"},
                                           {"a%2Fb", "a%252Fb"}, {"%25", "%2525"}, {"/", "%2F"}};
    mp_arena arena;
    mp_arena_init(&arena, NULL);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        assert_string_equal(mp_h5_link_name(links[i][0], &arena), links[i][1]);
    mp_arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compound), cmocka_unit_test(columns), cmocka_unit_test(broken),
        cmocka_unit_test(cuts),     cmocka_unit_test(paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
