/* test_rows.c - kept rows: sorted as a plain comparison of values sorts them, cut to the first, encoded and decoded; blocks that are cut
 * short are refused. The comparison here is written down anew, value by value. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "op/rows.h"

enum { N_COLS = 8, N_MAX = 9000, NAME_BYTES = 64 };
enum { C_BOOL, C_INT, C_DECIMAL, C_FLOAT, C_DATE, C_STAMP, C_TEXT, C_NULL };

static const mp_type types[N_COLS] = {MP_BOOL, MP_INT64,     MP_DECIMAL, MP_FLOAT64,
                                      MP_DATE, MP_TIMESTAMP, MP_STRING,  MP_NULL};

/* The rows as they were made; decimals at scale 3. */
typedef struct {
    int64_t i[N_COLS];
    double f;
    char text[NAME_BYTES];
    size_t len;
    bool valid[N_COLS];
    int64_t position;
} row;

typedef struct {
    int n;
    row *row;
} table;

static uint64_t next(uint64_t *x) {
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x * 0x2545F4914F6CDD1Du >> 11;
}

static int64_t some_int(uint64_t *x) {
    static const int64_t odd[] = {INT64_MIN, INT64_MAX, 0, -1, 1, 255, 256, -256};
    return next(x) % 4 ? (int64_t)(next(x) % 200) - 100 : odd[next(x) % 8];
}

static double some_double(uint64_t *x) {
    static const double odd[] = {(double)NAN, INFINITY, -INFINITY, 0.0,
                                 -0.0,        5e-324,   -1e300,    1e300};
    return next(x) % 4 ? ((double)(next(x) % 2000) - 1000) / 7 : odd[next(x) % 8];
}

/* Long texts with equal beginnings, high bytes, the empty text. No NUL bytes: no input has them. */
static size_t some_text(uint64_t *x, char *out) {
    static const char *const start[] = {"", "a", "the same beginning of many texts ", "\xC3\xA4",
                                        "zz"};
    const char *s = start[next(x) % 5];
    size_t n = strlen(s);
    memcpy(out, s, n);
    for (uint64_t more = next(x) % 20; more > 0; more--)
        out[n++] = (char)(next(x) % 3 ? 'a' + (int)(next(x) % 3) : (int)(next(x) % 255) + 1);
    return n;
}

static table make_table(int n, uint64_t seed) {
    uint64_t x = seed | 1;
    table t = {n, calloc((size_t)n + 1, sizeof *t.row)};
    assert_non_null(t.row);
    for (int i = 0; i < n; i++) {
        row *r = &t.row[i];
        r->i[C_BOOL] = (int64_t)(next(&x) % 2);
        r->i[C_INT] = some_int(&x);
        r->i[C_DECIMAL] = (int64_t)(next(&x) % 4000) - 2000;
        if (i / 1024 % 2) r->i[C_DECIMAL] -= r->i[C_DECIMAL] % 100;
        r->f = some_double(&x);
        r->i[C_DATE] = (int64_t)(next(&x) % 50) - 25;
        r->i[C_STAMP] = (int64_t)(next(&x) % 1000) * 1000000007 - 400000000000;
        r->len = some_text(&x, r->text);
        for (int c = 0; c < N_COLS; c++)
            r->valid[c] = c != C_NULL && next(&x) % 9 != 0;
        r->position = (int64_t)(next(&x) % 3) << 44 | (int64_t)i * 10;
    }
    return t;
}

static void free_table(table *t) {
    free(t->row);
    t->row = NULL;
}

/* Rows [first, first + n) of one file as a batch. */
static void append(mp_rows *r, const table *t, int first, int n) {
    static uint8_t valid[N_COLS][MP_BATCH_ROWS];
    static uint8_t b[MP_BATCH_ROWS];
    static int64_t v[N_COLS][MP_BATCH_ROWS];
    static double f[MP_BATCH_ROWS];
    static mp_str str[MP_BATCH_ROWS];
    static uint32_t rec[MP_BATCH_ROWS];
    mp_col cols[N_COLS];
    bool small = true; /* the batch's decimals go at scale 1 */
    for (int k = 0; k < n; k++)
        small = small && t->row[first + k].i[C_DECIMAL] % 100 == 0;
    for (int k = 0; k < n; k++) {
        const row *w = &t->row[first + k];
        for (int c = 0; c < N_COLS; c++) {
            valid[c][k] = w->valid[c];
            v[c][k] = w->i[c];
        }
        if (small) v[C_DECIMAL][k] /= 100;
        b[k] = (uint8_t)w->i[C_BOOL];
        f[k] = w->f;
        str[k] = mp_str_of(w->text, w->valid[C_TEXT] ? w->len : 0);
        rec[k] = (uint32_t)(w->position & 0xFFFFFFFF);
    }
    for (int c = 0; c < N_COLS; c++)
        cols[c] = (mp_col){.type = types[c], .valid = valid[c], .i64 = v[c]};
    cols[C_BOOL].b = b;
    cols[C_FLOAT].f64 = f;
    cols[C_TEXT].str = str;
    cols[C_DECIMAL].scale = small ? 1 : 3;
    cols[C_STAMP].ts_sep = 'T';
    mp_error err = MP_ERROR_INIT;
    mp_batch in = {.n_rows = n,
                   .n_cols = N_COLS,
                   .cols = cols,
                   .file_no = (int32_t)(t->row[first].position >> 44),
                   .rec = rec};
    assert_int_equal(mp_rows_append(r, &in, &err), MP_OK);
}

/* A batch has one file: runs of rows of one file go in together. */
static void append_all(mp_rows *r, const table *t) {
    if (t->n) append(r, t, 0, 0); /* no rows at first */
    for (int i = 0, n; i < t->n; i += n) {
        for (n = 1; i + n < t->n && n < MP_BATCH_ROWS &&
                    t->row[i + n].position >> 44 == t->row[i].position >> 44;)
            n++;
        append(r, t, i, n);
    }
}

static mp_rows *keep(const table *t, bool with_position, mp_mem *mem) {
    mp_rows *r = NULL;
    mp_error err = MP_ERROR_INIT;
    assert_int_equal(mp_rows_new(types, N_COLS, with_position, mem, &r, &err), MP_OK);
    append_all(r, t);
    assert_int_equal(mp_rows_count(r), t->n);
    return r;
}

/* ---- the straightforward comparison ---- */

static int compare_doubles(double a, double b) {
    if (isnan(a) || isnan(b)) return !!isnan(a) - !!isnan(b);
    return (a > b) - (a < b);
}

static int compare_texts(const row *a, const row *b) {
    size_t n = a->len < b->len ? a->len : b->len;
    int c = n ? memcmp(a->text, b->text, n) : 0;
    return c ? c : (a->len > b->len) - (a->len < b->len);
}

static int compare_rows(const row *a, const row *b, const mp_sort_key *keys, int n_keys) {
    for (int k = 0; k < n_keys; k++) {
        int c = keys[k].col, order = 0;
        if (a->valid[c] != b->valid[c]) return a->valid[c] ? -1 : 1;
        if (!a->valid[c]) continue;
        if (c == C_FLOAT)
            order = compare_doubles(a->f, b->f);
        else if (c == C_TEXT)
            order = compare_texts(a, b);
        else
            order = (a->i[c] > b->i[c]) - (a->i[c] < b->i[c]);
        if (order) return keys[k].descending ? -order : order;
    }
    return 0;
}

typedef struct {
    const table *t;
    const mp_sort_key *keys;
    int n_keys;
    bool with_position;
} comparison;

static int by_rows(const void *a, const void *b, void *ctx) {
    const comparison *c = ctx;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    int order = compare_rows(&c->t->row[i], &c->t->row[j], c->keys, c->n_keys);
    int64_t pi = c->t->row[i].position, pj = c->t->row[j].position;
    if (order == 0 && c->with_position) order = (pi > pj) - (pi < pj);
    return order ? order : (i > j) - (i < j);
}

static uint32_t *expected_order(const table *t, const mp_sort_key *keys, int n_keys,
                                bool with_position) {
    uint32_t *order = malloc(((size_t)t->n + 1) * sizeof *order);
    assert_non_null(order);
    for (int i = 0; i < t->n; i++)
        order[i] = (uint32_t)i;
    comparison c = {t, keys, n_keys, with_position};
    qsort_r(order, (size_t)t->n, sizeof *order, by_rows, &c);
    return order;
}

/* ---- checks ---- */

static void check_value(const mp_col *col, int c, int32_t i, const row *w) {
    assert_int_equal(!mp_col_is_null(col, i), w->valid[c]);
    if (!w->valid[c]) return;
    int64_t scaled = 0;
    switch (c) {
    case C_BOOL:
        assert_int_equal(col->b[i], w->i[c]);
        break;
    case C_FLOAT:
        assert_true(compare_doubles(col->f64[i], w->f) == 0);
        break;
    case C_TEXT:
        assert_int_equal(col->str[i].len, w->len);
        assert_true(w->len == 0 || memcmp(col->str[i].p, w->text, w->len) == 0);
        break;
    case C_DECIMAL:
        scaled = col->i64[i];
        for (int s = col->scale; s < 3; s++)
            scaled *= 10;
        assert_int_equal(scaled, w->i[c]);
        break;
    default:
        assert_int_equal(col->i64[i], w->i[c]);
    }
}

/* Row k of r, in that order, is row expected[k] of the table. */
static void check_rows(mp_rows *r, const uint32_t *order, const table *t, const uint32_t *expected,
                       int64_t n, mp_mem *mem) {
    mp_arena arena;
    mp_error err = MP_ERROR_INIT;
    mp_arena_init(&arena, mem);
    for (int64_t first = 0; first < n; first += MP_BATCH_ROWS) {
        int32_t some = n - first < MP_BATCH_ROWS ? (int32_t)(n - first) : MP_BATCH_ROWS;
        mp_batch out;
        assert_int_equal(mp_rows_batch(r, order, first, some, &arena, &out, &err), MP_OK);
        assert_int_equal(out.n_rows, some);
        assert_int_equal(out.n_cols, N_COLS);
        for (int c = 0; c < N_COLS; c++) {
            assert_int_equal(out.cols[c].type, types[c]);
            for (int32_t i = 0; i < some; i++)
                check_value(&out.cols[c], c, i, &t->row[expected[first + i]]);
        }
        mp_arena_reset(&arena);
    }
    mp_arena_release(&arena);
}

static void check_sort(const table *t, const mp_sort_key *keys, int n_keys, bool with_position) {
    mp_mem mem;
    mp_error err = MP_ERROR_INIT;
    mp_mem_init(&mem, 0);
    mp_rows *r = keep(t, with_position, &mem);
    const uint32_t *order = NULL;
    uint32_t *expected = expected_order(t, keys, n_keys, with_position);
    assert_int_equal(mp_rows_sort(r, keys, n_keys, &order, &err), MP_OK);
    for (int i = 0; i < t->n; i++)
        assert_int_equal(order[i], expected[i]);
    check_rows(r, order, t, expected, t->n, &mem);
    for (int i = 0; i + 1 < t->n; i += 1 + t->n / 200) {
        int sign = mp_rows_compare(r, order[i], r, order[i + 1], keys, n_keys);
        assert_true(with_position ? sign < 0 : sign <= 0);
        assert_true(mp_rows_compare(r, order[i], r, order[i], keys, n_keys) == 0);
    }
    free(expected);
    mp_rows_free(&r);
    assert_null(r);
}

static void test_sort_by_every_type(void **state) {
    (void)state;
    static const int sizes[] = {0, 1, 2, 3, 17, 300, N_MAX};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        table t = make_table(sizes[s], 77 + s);
        for (int c = 0; c < N_COLS; c++)
            for (int descending = 0; descending < 2; descending++) {
                mp_sort_key key = {.col = c, .descending = descending};
                check_sort(&t, &key, 1, true);
                check_sort(&t, &key, 1, false);
            }
        free_table(&t);
    }
}

static void test_sort_by_several(void **state) {
    (void)state;
    table t = make_table(4000, 5);
    static const mp_sort_key some[][4] = {
        {{C_BOOL, true}, {C_TEXT, false}, {C_INT, true}, {C_FLOAT, false}},
        {{C_TEXT, true}, {C_BOOL, false}, {C_DATE, true}, {C_NULL, false}},
        {{C_NULL, true}, {C_DATE, false}, {C_DECIMAL, true}, {C_STAMP, true}},
        {{C_FLOAT, true}, {C_FLOAT, false}, {C_BOOL, true}, {C_TEXT, true}},
    };
    for (size_t k = 0; k < sizeof some / sizeof *some; k++)
        for (int n = 0; n <= 4; n++)
            check_sort(&t, some[k], n, true);
    free_table(&t);
}

/* Kept batch by batch and cut now and then, as a limit does it. */
static void test_keep_first(void **state) {
    (void)state;
    static const int limits[] = {0, 1, 10, 500, 20000};
    static const mp_sort_key keys[] = {{C_TEXT, true}, {C_DECIMAL, false}};
    table t = make_table(6000, 9);
    uint32_t *expected = expected_order(&t, keys, 2, true);
    for (size_t l = 0; l < sizeof limits / sizeof *limits; l++) {
        mp_mem mem;
        mp_error err = MP_ERROR_INIT;
        mp_rows *r = NULL;
        const uint32_t *order = NULL;
        int64_t n = limits[l], wanted = n < t.n ? n : t.n;
        mp_mem_init(&mem, 0);
        assert_int_equal(mp_rows_new(types, N_COLS, true, &mem, &r, &err), MP_OK);
        for (int i = 0; i < t.n; i++) {
            append(r, &t, i, 1);
            if (mp_rows_count(r) >= 2 * n + 700)
                assert_int_equal(mp_rows_keep_first(r, keys, 2, n, &err), MP_OK);
        }
        assert_int_equal(mp_rows_keep_first(r, keys, 2, n, &err), MP_OK);
        assert_int_equal(mp_rows_count(r), wanted);
        assert_int_equal(mp_rows_sort(r, keys, 2, &order, &err), MP_OK);
        check_rows(r, order, &t, expected, wanted, &mem);
        mp_rows_free(&r);
    }
    free(expected);
    free_table(&t);
}

/* ---- wire ---- */

static void encode_all(const mp_rows *r, mp_buf *out) {
    mp_error err = MP_ERROR_INIT;
    for (int64_t i = 0; i < mp_rows_count(r); i++)
        assert_int_equal(mp_rows_encode(r, i, out, &err), MP_OK);
}

static void test_round_trip(void **state) {
    (void)state;
    static const mp_sort_key keys[] = {{C_BOOL, false}};
    table t = make_table(3000, 21);
    mp_mem mem;
    mp_error err = MP_ERROR_INIT;
    mp_buf bytes;
    mp_mem_init(&mem, 0);
    mp_buf_init(&bytes, &mem);
    mp_rows *r = keep(&t, true, &mem), *back = NULL;
    encode_all(r, &bytes);
    assert_int_equal(mp_rows_new_like(r, &back, &err), MP_OK);
    assert_int_equal(mp_rows_decode(back, bytes.data, bytes.len, &err), MP_OK);
    assert_int_equal(mp_rows_count(back), t.n);
    uint32_t *same = malloc((size_t)t.n * sizeof *same);
    assert_non_null(same);
    for (int i = 0; i < t.n; i++)
        same[i] = (uint32_t)i;
    check_rows(back, NULL, &t, same, t.n, &mem);
    for (int i = 0; i < t.n; i++) /* the positions have come along */
        assert_true(mp_rows_compare(r, i, back, i, keys, 1) == 0);
    uint32_t *expected = expected_order(&t, keys, 1, true);
    const uint32_t *order = NULL;
    assert_int_equal(mp_rows_sort(back, keys, 1, &order, &err), MP_OK);
    check_rows(back, order, &t, expected, t.n, &mem);
    free(expected);
    free(same);
    mp_buf_release(&bytes);
    mp_rows_free(&back);
    mp_rows_free(&r);
    free_table(&t);
}

/* A block cut short at any byte but the end of a row is refused, and what came before it is whole. */
static void test_cut_blocks(void **state) {
    (void)state;
    table t = make_table(12, 3);
    mp_mem mem;
    mp_error err = MP_ERROR_INIT;
    mp_buf bytes;
    mp_mem_init(&mem, 0);
    mp_buf_init(&bytes, &mem);
    mp_rows *r = keep(&t, true, &mem);
    size_t ends[13] = {0};
    for (int i = 0; i < t.n; i++) {
        assert_int_equal(mp_rows_encode(r, i, &bytes, &err), MP_OK);
        ends[i + 1] = bytes.len;
    }
    for (size_t n = 0; n <= bytes.len; n++) {
        mp_rows *back = NULL;
        mp_error why = MP_ERROR_INIT;
        int whole = 0;
        while (whole < t.n && ends[whole + 1] <= n)
            whole++;
        uint8_t *cut = malloc(n + 1); /* so that a sanitizer sees a read behind it */
        assert_non_null(cut);
        memcpy(cut, bytes.data, n);
        assert_int_equal(mp_rows_new_like(r, &back, &err), MP_OK);
        mp_status st = mp_rows_decode(back, cut, n, &why);
        assert_int_equal(st, ends[whole] == n ? MP_OK : MP_FAILED);
        assert_int_equal(mp_rows_count(back), whole);
        mp_rows_free(&back);
        free(cut);
    }
    mp_buf_release(&bytes);
    mp_rows_free(&r);
    free_table(&t);
}

/* Any byte changed: refused or read as other rows, never out of bounds. */
static void test_damaged_blocks(void **state) {
    (void)state;
    table t = make_table(6, 4);
    mp_mem mem;
    mp_error err = MP_ERROR_INIT;
    mp_buf bytes;
    mp_mem_init(&mem, 0);
    mp_buf_init(&bytes, &mem);
    mp_rows *r = keep(&t, true, &mem);
    encode_all(r, &bytes);
    int refused = 0;
    static const uint8_t values[] = {0, 1, 2, 19, 127, 128, 255};
    for (size_t k = 0; k < bytes.len; k++)
        for (size_t v = 0; v < sizeof values; v++) {
            mp_rows *back = NULL;
            mp_error why = MP_ERROR_INIT;
            uint8_t old = bytes.data[k];
            bytes.data[k] = values[v];
            assert_int_equal(mp_rows_new_like(r, &back, &err), MP_OK);
            mp_status st = mp_rows_decode(back, bytes.data, bytes.len, &why);
            assert_true(st == MP_OK || st == MP_FAILED || st == MP_DATA);
            refused += st != MP_OK;
            mp_rows_free(&back);
            bytes.data[k] = old;
        }
    assert_true(refused > 100);
    mp_buf_release(&bytes);
    mp_rows_free(&r);
    free_table(&t);
}

/* Decimals of batches of different scales are one column; what does not fit is an error, not another value. */
static void test_scales(void **state) {
    (void)state;
    const mp_type type = MP_DECIMAL;
    mp_mem mem;
    mp_error err = MP_ERROR_INIT;
    mp_rows *r = NULL;
    mp_mem_init(&mem, 0);
    assert_int_equal(mp_rows_new(&type, 1, false, &mem, &r, &err), MP_OK);
    const int64_t ten = 10, fine = 1, large = 99999999999999999;
    mp_col c = {.type = MP_DECIMAL, .scale = 0, .i64 = &ten};
    mp_batch in = {.n_rows = 1, .n_cols = 1, .cols = &c, .file_no = -1};
    assert_int_equal(mp_rows_append(r, &in, &err), MP_OK);
    c = (mp_col){.type = MP_DECIMAL, .scale = 17, .i64 = &fine};
    assert_int_equal(mp_rows_append(r, &in, &err), MP_OK);
    const mp_sort_key key = {.col = 0};
    assert_true(mp_rows_compare(r, 0, r, 1, &key, 1) > 0);
    c = (mp_col){.type = MP_DECIMAL, .scale = 0, .i64 = &large};
    assert_int_equal(mp_rows_append(r, &in, &err), MP_DATA);
    mp_rows_free(&r);
}

/* A place that does not fit is an error: rows would be sorted as if they stood elsewhere. */
static void test_places(void **state) {
    (void)state;
    const mp_type type = MP_INT64;
    mp_mem mem;
    mp_error err = MP_ERROR_INIT;
    mp_rows *r = NULL;
    mp_mem_init(&mem, 0);
    assert_int_equal(mp_rows_new(&type, 1, true, &mem, &r, &err), MP_OK);
    const int64_t one = 1;
    mp_col c = {.type = MP_INT64, .i64 = &one};
    mp_batch in = {.n_rows = 1, .n_cols = 1, .cols = &c};
    in.file_no = (1 << 19) - 1;
    in.base = ((int64_t)1 << 44) - ((int64_t)1 << 33);
    assert_int_equal(mp_rows_append(r, &in, &err), MP_OK);
    in.file_no++;
    assert_int_equal(mp_rows_append(r, &in, &err), MP_FAILED);
    in.file_no = 0;
    in.base = (int64_t)1 << 44;
    assert_int_equal(mp_rows_append(r, &in, &err), MP_FAILED);
    assert_int_equal(mp_rows_count(r), 1);
    mp_rows_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sort_by_every_type),
        cmocka_unit_test(test_sort_by_several),
        cmocka_unit_test(test_keep_first),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_cut_blocks),
        cmocka_unit_test(test_damaged_blocks),
        cmocka_unit_test(test_scales),
        cmocka_unit_test(test_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
