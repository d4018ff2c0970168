/* test_rows.c - kept rows: sorted as a plain comparison of values sorts them, cut to the first
 * n, dealt to ranges; keys of every type in their order; records of every length; records that
 * are cut short are refused. The comparison here is written down anew, value by value. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "op/rows/rows.h"

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
} line;

typedef struct {
    int n;
    line *row;
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

/* Long texts with equal beginnings, high bytes, low bytes, the empty text. */
static size_t some_text(uint64_t *x, char *out) {
    static const char *const start[] = {"", "a", "the same beginning of many texts ", "\xC3\xA4",
                                        "zz"};
    const char *s = start[next(x) % 5];
    size_t n = strlen(s);
    memcpy(out, s, n);
    for (uint64_t more = next(x) % 20; more > 0; more--)
        out[n++] = (char)(next(x) % 3 ? 'a' + (int)(next(x) % 3) : (int)(next(x) % 256) % 200);
    return n;
}

static table make_table(int n, uint64_t seed) {
    uint64_t x = seed | 1;
    table t = {n, calloc((size_t)n + 1, sizeof *t.row)};
    assert_non_null(t.row);
    for (int i = 0; i < n; i++) {
        line *r = &t.row[i];
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
        r->position = (int64_t)(next(&x) % 3) << 44 | (int64_t)(i % 2 ? i : n - i) * 70;
    }
    return t;
}

static void free_table(table *t) {
    free(t->row);
    t->row = NULL;
}

/* What is kept of a table, and what keeps it. */
typedef struct {
    mp_mem mem;
    mp_row_pool pool;
    mp_rows rows;
    mp_row_order order;
} store;

static void store_init(store *s, int64_t limit) {
    mp_mem_init(&s->mem, limit);
    mp_row_pool_init(&s->pool, &s->mem);
    mp_rows_init(&s->rows, &s->pool);
    mp_row_order_init(&s->order, &s->mem);
}

static void store_release(store *s) {
    mp_rows_release(&s->rows);
    mp_row_order_release(&s->order);
    mp_row_pool_release(&s->pool);
    assert_int_equal(s->mem.used_bytes, 0);
}

/* The text of row i: its number, and up to 300 bytes more. */
static size_t text_of(uint32_t i, char *out) {
    memcpy(out, &i, sizeof i);
    memset(out + sizeof i, 'x', i % 300);
    return sizeof i + i % 300;
}

static uint32_t number_of(const mp_row *row) {
    uint32_t i = 0;
    char text[310];
    assert_true(row->text_len >= sizeof i);
    memcpy(&i, row->text, sizeof i);
    assert_int_equal(row->text_len, text_of(i, text));
    assert_memory_equal(row->text, text, row->text_len);
    return i;
}

/* Rows [first, first + n) of one file as a batch. */
static void append(store *s, const table *t, int first, int n, const mp_sort_key *keys, int n_keys,
                   bool with_position) {
    static uint8_t valid[N_COLS][MP_BATCH_ROWS];
    static uint8_t b[MP_BATCH_ROWS];
    static int64_t v[N_COLS][MP_BATCH_ROWS];
    static double f[MP_BATCH_ROWS];
    static mp_str str[MP_BATCH_ROWS];
    static uint32_t rec[MP_BATCH_ROWS];
    static size_t ends[MP_BATCH_ROWS];
    mp_col cols[N_COLS];
    bool small = true; /* the batch's decimals go at scale 1 */
    for (int k = 0; k < n; k++)
        small = small && t->row[first + k].i[C_DECIMAL] % 100 == 0;
    for (int k = 0; k < n; k++) {
        const line *w = &t->row[first + k];
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
    mp_batch in = {.n_rows = n,
                   .n_cols = N_COLS,
                   .cols = cols,
                   .file_no = (int32_t)(t->row[first].position >> 44),
                   .rec = rec};
    mp_error err = MP_ERROR_INIT;
    mp_buf bytes;
    mp_buf_init(&bytes, &s->mem);
    assert_int_equal(mp_row_keys(&in, keys, n_keys, with_position, &bytes, ends, &err), MP_OK);
    for (int k = 0; k < n; k++) {
        char text[310];
        size_t from = k ? ends[k - 1] : 0, len = text_of((uint32_t)(first + k), text);
        assert_int_equal(
            mp_rows_add(&s->rows, bytes.data + from, ends[k] - from, text, len, 0, &err), MP_OK);
    }
    mp_buf_release(&bytes);
}

/* A batch has one file: runs of rows of one file go in together. */
static void append_all(store *s, const table *t, const mp_sort_key *keys, int n_keys,
                       bool with_position) {
    for (int i = 0, n; i < t->n; i += n) {
        for (n = 1; i + n < t->n && n < MP_BATCH_ROWS &&
                    t->row[i + n].position >> 44 == t->row[i].position >> 44;)
            n++;
        append(s, t, i, n, keys, n_keys, with_position);
    }
    assert_int_equal(s->rows.n_rows, t->n);
}

/* ---- the straightforward comparison ---- */

static int compare_doubles(double a, double b) {
    if (isnan(a) || isnan(b)) return !!isnan(a) - !!isnan(b);
    return (a > b) - (a < b);
}

static int compare_texts(const line *a, const line *b) {
    size_t n = a->len < b->len ? a->len : b->len;
    int c = n ? memcmp(a->text, b->text, n) : 0;
    return c ? c : (a->len > b->len) - (a->len < b->len);
}

static int compare_rows(const line *a, const line *b, const mp_sort_key *keys, int n_keys) {
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

/* ---- sorting ---- */

static void check_order(const mp_row_order *o, const uint32_t *expected, int64_t n) {
    assert_int_equal(o->n, n);
    for (int64_t i = 0; i < n; i++) {
        mp_row got = mp_row_at(o->at[i].record);
        assert_int_equal(number_of(&got), expected[i]);
    }
}

static void check_sort(const table *t, const mp_sort_key *keys, int n_keys, bool with_position) {
    store s;
    mp_error err = MP_ERROR_INIT;
    store_init(&s, 0);
    append_all(&s, t, keys, n_keys, with_position);
    uint32_t *expected = expected_order(t, keys, n_keys, with_position);
    assert_int_equal(mp_rows_sort(&s.rows, &s.order, &err), MP_OK);
    check_order(&s.order, expected, t->n);
    free(expected);
    store_release(&s);
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

static const mp_sort_key several[][4] = {
    {{C_BOOL, true}, {C_TEXT, false}, {C_INT, true}, {C_FLOAT, false}},
    {{C_TEXT, true}, {C_BOOL, false}, {C_DATE, true}, {C_NULL, false}},
    {{C_NULL, true}, {C_DATE, false}, {C_DECIMAL, true}, {C_STAMP, true}},
    {{C_FLOAT, true}, {C_FLOAT, false}, {C_BOOL, true}, {C_TEXT, true}},
};
enum { N_SEVERAL = sizeof several / sizeof *several };

static void test_sort_by_several(void **state) {
    (void)state;
    table t = make_table(4000, 5);
    for (size_t k = 0; k < N_SEVERAL; k++)
        for (int n = 0; n <= 4; n++)
            check_sort(&t, several[k], n, true);
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
        store s;
        mp_error err = MP_ERROR_INIT;
        mp_row last = {0};
        int64_t n = limits[l], wanted = n < t.n ? n : t.n;
        store_init(&s, 0);
        for (int i = 0; i < t.n; i++) {
            append(&s, &t, i, 1, keys, 2, true);
            if (s.rows.n_rows >= 2 * n + 700)
                assert_int_equal(mp_rows_keep_first(&s.rows, n, &s.order, &last, &err), MP_OK);
        }
        assert_int_equal(mp_rows_keep_first(&s.rows, n, &s.order, &last, &err), MP_OK);
        assert_int_equal(s.rows.n_rows, wanted);
        if (n == 0 || n > t.n)
            assert_null(last.key);
        else
            assert_int_equal(number_of(&last), expected[n - 1]);
        assert_int_equal(mp_rows_sort(&s.rows, &s.order, &err), MP_OK);
        check_order(&s.order, expected, wanted);
        store_release(&s);
    }
    free(expected);
    free_table(&t);
}

/* ---- keys alone ---- */

static mp_row add_key(store *s, const void *key, size_t len) {
    mp_error err = MP_ERROR_INIT;
    assert_int_equal(mp_rows_add(&s->rows, key, len, "text", 4, 0, &err), MP_OK);
    const mp_row_chunk *c = NULL, *last = NULL;
    while ((c = mp_rows_next_chunk(&s->rows, c)))
        last = c;
    return mp_row_at(mp_row_chunk_end(&s->rows, last) - (len < 255 ? 2 : 6) - len - 4);
}

static int by_key(const void *a, const void *b) {
    const mp_row *x = a, *y = b;
    return mp_row_key_cmp(x->key, x->key_len, y->key, y->key_len);
}

/* Keys with many parts in common, each the beginning of the next, equal ones, at sizes where the
 * ways of sorting change. */
static void test_sort_keys(void **state) {
    (void)state;
    enum { MOST = 3000 };
    static char key[MOST + 8];
    static mp_row expected[MOST];
    static const int sizes[] = {2, 20, 21, 399, 401, 1500, MOST};
    for (int kind = 0; kind < 5; kind++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            store s;
            mp_error err = MP_ERROR_INIT;
            uint64_t x = 99 + k;
            store_init(&s, 0);
            int n = sizes[k];
            for (int i = 0; i < n; i++) {
                memset(key, kind == 3 ? 0 : 'a', sizeof key);
                size_t len = (size_t)(i * 7919 % n);
                if (kind == 1) len = 100;
                if (kind == 2) key[len = 200] = (char)(next(&x) % 256);
                if (kind == 4) {
                    len = 9 + next(&x) % 90;
                    for (size_t b = 0; b < len; b++)
                        key[b] = (char)(next(&x) % 2);
                }
                expected[i] = add_key(&s, key, len);
            }
            qsort(expected, (size_t)n, sizeof *expected, by_key);
            assert_int_equal(mp_rows_sort(&s.rows, &s.order, &err), MP_OK);
            for (int i = 0; i < n; i++) {
                mp_row got = mp_row_at(s.order.at[i].record);
                assert_int_equal(by_key(&got, &expected[i]), 0);
                if (i == 0) continue;
                mp_row before = mp_row_at(s.order.at[i - 1].record);
                int c = by_key(&before, &got);
                assert_true(c <= 0);
                /* equal ones as they were added (in chunks, but these share their first) */
                if (c == 0 && n < 300) assert_true(before.record < got.record);
            }
            store_release(&s);
        }
}

/* Decimals of any scale: the order is that of the numbers, one number has one key, and no key
 * begins another. */
static void test_decimal_keys(void **state) {
    (void)state;
    enum { N = 700 };
    static int64_t value[N];
    static int scale[N];
    static mp_row row[N];
    static const int64_t odd[] = {0,
                                  1,
                                  -1,
                                  10,
                                  99,
                                  100,
                                  101,
                                  1000000000,
                                  99999999,
                                  100000001,
                                  INT64_MAX,
                                  INT64_MIN,
                                  999999999999999999,
                                  100000000000000000};
    uint64_t x = 4242;
    store s;
    mp_error err = MP_ERROR_INIT;
    store_init(&s, 0);
    for (int i = 0; i < N; i++) {
        value[i] = i % 3 ? (int64_t)(next(&x) % 2001) - 1000 : odd[next(&x) % 14];
        if (i % 7 == 0) value[i] = (int64_t)(next(&x) << 11 ^ next(&x));
        scale[i] = (int)(next(&x) % 19);
        mp_col c = {.type = MP_DECIMAL, .scale = (uint8_t)scale[i], .i64 = &value[i]};
        mp_batch in = {.n_rows = 1, .n_cols = 1, .cols = &c};
        mp_sort_key key = {.col = 0};
        mp_buf bytes;
        size_t end = 0;
        mp_buf_init(&bytes, &s.mem);
        assert_int_equal(mp_row_keys(&in, &key, 1, false, &bytes, &end, &err), MP_OK);
        row[i] = add_key(&s, bytes.data, end);
        mp_buf_release(&bytes);
    }
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            __int128 a = value[i], b = value[k];
            for (int d = scale[i]; d < 18; d++)
                a *= 10;
            for (int d = scale[k]; d < 18; d++)
                b *= 10;
            int c = by_key(&row[i], &row[k]);
            assert_int_equal((c > 0) - (c < 0), (a > b) - (a < b));
            size_t n = row[i].key_len < row[k].key_len ? row[i].key_len : row[k].key_len;
            assert_true((a == b) == (memcmp(row[i].key, row[k].key, n) == 0));
        }
    store_release(&s);
}

/* ---- ranges ---- */

/* Rows dealt to ranges and sorted there, one behind the other, are all rows sorted; each range
 * is found as a search from the front finds it. */
static void check_ranges(const table *t, const mp_sort_key *keys, int n_keys, int n_ranges,
                         int64_t n_sample) {
    enum { MOST = 40 };
    store s;
    mp_error err = MP_ERROR_INIT;
    mp_rows sample, range[MOST];
    mp_row_ranges ranges;
    mp_buf bytes;
    mp_row row;
    store_init(&s, 0);
    mp_buf_init(&bytes, &s.mem);
    mp_rows_init(&sample, &s.pool);
    mp_row_ranges_init(&ranges, &s.pool);
    append_all(&s, t, keys, n_keys, true);
    assert_int_equal(mp_rows_sample(&s.rows, n_sample, &sample, &err), MP_OK);
    assert_true(sample.n_rows <= n_sample + s.rows.n_chunks);
    if (t->n >= 2 * n_sample) assert_true(sample.n_rows >= n_sample / 2);
    assert_int_equal(mp_row_ranges_choose(&sample, n_ranges, &bytes, &err), MP_OK);
    assert_int_equal(mp_row_ranges_set(&ranges, bytes.data, bytes.len, &err), MP_OK);
    assert_int_equal(ranges.n, sample.n_rows ? n_ranges - 1 : 0);
    for (int i = 0; i < n_ranges; i++)
        mp_rows_init(&range[i], &s.pool);
    for (const mp_row_chunk *c; (c = mp_rows_next_chunk(&s.rows, NULL));
         mp_rows_drop_chunk(&s.rows))
        for (const uint8_t *at = mp_row_chunk_begin(c);
             mp_row_read(&at, mp_row_chunk_end(&s.rows, c), &row);) {
            int64_t found = mp_row_ranges_find(&ranges, &row), plain = 0;
            while (plain < ranges.n && by_key(&ranges.key[plain], &row) <= 0)
                plain++;
            assert_int_equal(found, plain);
            assert_int_equal(
                mp_rows_add_row(&range[found], &row, row.text_len % 2 ? MP_ROW_SLACK : 0, &err),
                MP_OK);
        }
    assert_int_equal(s.rows.n_chunks, 0);
    uint32_t *expected = expected_order(t, keys, n_keys, true);
    int64_t done = 0;
    for (int i = 0; i < n_ranges; i++) {
        assert_int_equal(mp_rows_sort(&range[i], &s.order, &err), MP_OK);
        check_order(&s.order, expected + done, range[i].n_rows);
        done += range[i].n_rows;
        if (n_sample >= 1000) assert_true(range[i].n_rows < 2 * t->n / n_ranges + 10);
        mp_rows_release(&range[i]);
    }
    assert_int_equal(done, t->n);
    free(expected);
    mp_row_ranges_release(&ranges);
    mp_rows_release(&sample);
    mp_buf_release(&bytes);
    store_release(&s);
}

static void test_ranges(void **state) {
    (void)state;
    static const int sizes[] = {0, 1, 5, 4000, N_MAX};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        table t = make_table(sizes[k], 31 + k);
        for (int c = 0; c < N_COLS; c++) {
            mp_sort_key key = {.col = c, .descending = c % 2};
            check_ranges(&t, &key, 1, 7, 20);
        }
        for (size_t i = 0; i < N_SEVERAL; i++) {
            check_ranges(&t, several[i], 4, 1, 20);
            check_ranges(&t, several[i], 4, 40, 3);
            check_ranges(&t, several[i], 4, 10, sizes[k] / 4);
        }
        check_ranges(&t, several[0], 0, 10, sizes[k] / 4); /* position alone */
        free_table(&t);
    }
}

/* ---- records ---- */

/* Keys and texts of every length, also beyond a chunk, are read back as they were. */
static void test_every_length(void **state) {
    (void)state;
    static const size_t lens[] = {0, 1, 7, 8, 253, 254, 255, 256, 65000, 65400, 65536, 200000};
    enum { N_LENS = sizeof lens / sizeof *lens };
    static uint8_t bytes[200000];
    store s;
    mp_error err = MP_ERROR_INIT;
    mp_row row;
    uint64_t x = 3;
    store_init(&s, 0);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)next(&x);
    for (size_t k = 0; k < N_LENS * N_LENS; k++)
        assert_int_equal(
            mp_rows_add(&s.rows, bytes, lens[k / N_LENS], bytes, lens[k % N_LENS], 0, &err), MP_OK);
    size_t k = 0;
    for (const mp_row_chunk *c = NULL; (c = mp_rows_next_chunk(&s.rows, c));)
        for (const uint8_t *at = mp_row_chunk_begin(c);
             mp_row_read(&at, mp_row_chunk_end(&s.rows, c), &row); k++) {
            assert_int_equal(row.key_len, lens[k / N_LENS]);
            assert_int_equal(row.text_len, lens[k % N_LENS]);
            assert_memory_equal(row.key, bytes, row.key_len);
            assert_memory_equal(row.text, bytes, row.text_len);
            mp_row again = mp_row_at(row.record);
            assert_true(again.key == row.key && again.text == row.text && again.len == row.len);
        }
    assert_int_equal(k, N_LENS * N_LENS);
    assert_int_equal(mp_rows_sort(&s.rows, &s.order, &err), MP_OK);
    for (k = 0; k < N_LENS * N_LENS; k++) {
        mp_row got = mp_row_at(s.order.at[k].record);
        assert_int_equal(got.key_len, lens[k / N_LENS]);
    }
    store_release(&s);
}

/* Records cut short at any byte but the end of one are refused, and what came before is whole.
 * Any byte changed is refused or read as another record, never out of bounds. */
static void test_broken_records(void **state) {
    (void)state;
    enum { N = 9 };
    static const size_t lens[N] = {0, 3, 254, 255, 0, 256, 1, 7, 300};
    static const uint8_t text[300];
    static const uint8_t values[] = {0, 1, 2, 254, 255};
    store s;
    mp_error err = MP_ERROR_INIT;
    size_t ends[N + 1] = {0};
    store_init(&s, 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(mp_rows_add(&s.rows, text, lens[i], text, lens[N - 1 - i], 0, &err),
                         MP_OK);
        ends[i + 1] = (size_t)s.rows.n_bytes;
    }
    const mp_row_chunk *c = mp_rows_next_chunk(&s.rows, NULL);
    const uint8_t *bytes = mp_row_chunk_begin(c);
    for (size_t n = 0; n <= ends[N]; n++) {
        uint8_t *cut = malloc(n + 1); /* so that a sanitizer sees a read behind it */
        assert_non_null(cut);
        memcpy(cut, bytes, n);
        for (size_t v = 0; v <= sizeof values; v++) {
            if (v > 0 && n == ends[N]) cut[n - 1] = values[v - 1];
            const uint8_t *at = cut;
            mp_row row;
            int read = 0, whole = 0;
            while (mp_row_read(&at, cut + n, &row))
                read++;
            while (whole < N && ends[whole + 1] <= n)
                whole++;
            assert_true(at <= cut + n);
            if (v == 0) assert_int_equal(read, whole);
            if (v == 0) assert_int_equal(at - cut, ends[whole]);
        }
        free(cut);
    }
    uint8_t *damaged = malloc(ends[N]);
    assert_non_null(damaged);
    for (size_t k = 0; k < ends[N]; k++)
        for (size_t v = 0; v < sizeof values; v++) {
            memcpy(damaged, bytes, ends[N]);
            damaged[k] = values[v];
            const uint8_t *at = damaged;
            mp_row row;
            mp_row_ranges ranges;
            mp_row_ranges_init(&ranges, &s.pool);
            while (mp_row_read(&at, damaged + ends[N], &row))
                assert_true(row.text + row.text_len == at && at <= damaged + ends[N]);
            mp_status st = mp_row_ranges_set(&ranges, damaged, ends[N], &err);
            assert_int_equal(st, at == damaged + ends[N] ? MP_OK : MP_FAILED);
            mp_row_ranges_release(&ranges);
        }
    free(damaged);
    store_release(&s);
}

/* ---- memory ---- */

/* Chunks are used again: rows that leave one store for another need no more memory than they
 * had. */
static void test_chunks_again(void **state) {
    (void)state;
    store s;
    mp_error err = MP_ERROR_INIT;
    mp_rows to;
    mp_row row;
    store_init(&s, 0);
    mp_rows_init(&to, &s.pool);
    char text[100] = {0};
    for (int i = 0; i < 50000; i++)
        assert_int_equal(mp_rows_add(&s.rows, &i, sizeof i, text, (size_t)(i % 100), 0, &err),
                         MP_OK);
    int64_t before = s.mem.peak_bytes;
    for (const mp_row_chunk *c; (c = mp_rows_next_chunk(&s.rows, NULL));
         mp_rows_drop_chunk(&s.rows))
        for (const uint8_t *at = mp_row_chunk_begin(c);
             mp_row_read(&at, mp_row_chunk_end(&s.rows, c), &row);)
            assert_int_equal(mp_rows_add_row(&to, &row, row.text_len % 2 ? MP_ROW_SLACK : 0, &err),
                             MP_OK);
    assert_int_equal(to.n_rows, 50000);
    assert_int_equal(s.rows.n_chunks, 0);
    assert_true(s.mem.peak_bytes <= before + 3 * 65536);
    mp_rows_release(&to);
    store_release(&s);
}

/* Wherever memory is refused: the error, and nothing is lost or leaked. */
static void test_refused(void **state) {
    (void)state;
    table t = make_table(900, 8);
    static const mp_sort_key keys[] = {{C_TEXT, false}};
    store s;
    mp_error err = MP_ERROR_INIT;
    mp_row last;
    mp_buf bytes;
    store_init(&s, 0);
    append_all(&s, &t, keys, 1, true);
    mp_buf_init(&bytes, &s.mem);
    s.mem.limit_bytes = s.mem.used_bytes + 100;
    assert_int_equal(mp_rows_sort(&s.rows, &s.order, &err), MP_NOMEM);
    assert_int_equal(mp_rows_keep_first(&s.rows, 800, &s.order, &last, &err), MP_NOMEM);
    assert_int_equal(mp_row_ranges_choose(&s.rows, 4, &bytes, &err), MP_NOMEM);
    s.mem.limit_bytes = 0;
    assert_int_equal(mp_rows_sort(&s.rows, &s.order, &err), MP_OK);
    s.mem.limit_bytes = s.mem.used_bytes + 100;
    assert_int_equal(mp_rows_keep_first(&s.rows, 800, &s.order, &last, &err), MP_NOMEM);
    assert_int_equal(s.rows.n_rows, t.n);
    mp_status st = MP_OK;
    for (int i = 0; i < 100000 && !st; i++)
        st = mp_rows_add(&s.rows, "key", 3, "text", 4, 0, &err);
    assert_int_equal(st, MP_NOMEM);
    s.mem.limit_bytes = 0;
    assert_int_equal(mp_rows_add(&s.rows, "key", 3, "text", 4, 0, &err), MP_OK);
    store_release(&s);
    free_table(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sort_by_every_type), cmocka_unit_test(test_sort_by_several),
        cmocka_unit_test(test_keep_first),         cmocka_unit_test(test_sort_keys),
        cmocka_unit_test(test_decimal_keys),       cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_every_length),       cmocka_unit_test(test_broken_records),
        cmocka_unit_test(test_chunks_again),       cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
