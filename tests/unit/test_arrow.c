/* test_arrow.c - batches as Arrow arrays and as frames, and back; and arrays that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/arrow.h"
#include "data/date.h"

static mp_arena arena;

static int begin(void **state) {
    (void)state;
    mp_arena_init(&arena, NULL);
    return 0;
}

static int end(void **state) {
    (void)state;
    mp_arena_release(&arena);
    return 0;
}

/* ---- a batch of all types ---- */

enum { N_COLS = 8 };

static uint64_t next_random(uint64_t *x) {
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static const mp_field fields[N_COLS] = {{"none", MP_NULL, 0, 0},    {"ok", MP_BOOL, 0, 0},
                                        {"i", MP_INT64, 0, 0},      {"d", MP_DECIMAL, 0, 4},
                                        {"f", MP_FLOAT64, 0, 0},    {"day", MP_DATE, 0, 0},
                                        {"at", MP_TIMESTAMP, 0, 0}, {"text", MP_STRING, 0, 0}};
static const mp_schema schema = {N_COLS, (mp_field *)(uintptr_t)fields};

static void fill_column(mp_col *c, int32_t n, uint64_t *x) {
    uint8_t *valid = mp_arena_alloc(&arena, (size_t)n + 1, 8);
    mp_str *str = mp_arena_alloc(&arena, (size_t)(n + 1) * sizeof *str, 16);
    int64_t *i64 = mp_arena_alloc(&arena, (size_t)(n + 1) * 8, 16);
    for (int32_t i = 0; i < n; i++) {
        uint64_t r = next_random(x);
        valid[i] = c->type == MP_NULL ? 0 : r % 5 != 0;
        size_t len = valid[i] ? r % 40 : 0;
        char *p = mp_arena_alloc(&arena, len + 1, 1);
        for (size_t k = 0; k < len; k++)
            p[k] = (char)('a' + (r >> k) % 26);
        str[i] = mp_str_of(p, len);
        i64[i] = c->type == MP_DATE        ? (int64_t)(r % 2000000) - 700000
                 : c->type == MP_TIMESTAMP ? (int64_t)(r % (1u << 31)) * -1000001
                                           : (int64_t)r / 200000;
        if (c->type == MP_DECIMAL) i64[i] = (int64_t)r / 100000000;
    }
    if (c->type == MP_FLOAT64)
        for (int32_t i = 0; i < n; i++) {
            double f = (double)i64[i] * 0.37;
            memcpy(&i64[i], &f, 8);
        }
    if (c->type == MP_BOOL)
        for (int32_t i = 0; i < n; i++)
            ((uint8_t *)i64)[i] = (uint8_t)(next_random(x) & 1);
    c->valid = next_random(x) % 3 || c->type == MP_NULL ? valid : NULL;
    c->p = c->type == MP_STRING ? (const void *)str : i64;
}

static mp_batch make_batch(int32_t n, uint64_t seed) {
    mp_col *cols = mp_arena_alloc(&arena, N_COLS * sizeof *cols, 16);
    uint64_t x = seed * 0x9E3779B97F4A7C15u + 1;
    for (int i = 0; i < N_COLS; i++) {
        cols[i] = (mp_col){.type = fields[i].type, .scale = fields[i].type == MP_DECIMAL ? 2 : 0};
        fill_column(&cols[i], n, &x);
    }
    return (mp_batch){.n_rows = n, .n_cols = N_COLS, .cols = cols};
}

static void assert_same_value(const mp_col *a, int64_t i, const mp_col *b, int64_t k) {
    assert_int_equal(mp_col_is_null(a, i), mp_col_is_null(b, k));
    if (mp_col_is_null(a, i)) return;
    switch (a->type) {
    case MP_BOOL:
        assert_int_equal(a->b[i], b->b[k]);
        break;
    case MP_STRING:
        assert_true(mp_str_eq(a->str[i], b->str[k]));
        break;
    case MP_DECIMAL:
        assert_int_equal(a->scale, 2);
        assert_int_equal(b->scale, 4);
        assert_int_equal(a->i64[i] * 100, b->i64[k]);
        break;
    default:
        assert_memory_equal(&a->i64[i], &b->i64[k], 8);
    }
}

static void assert_same(const mp_batch *a, int32_t first, const mp_batch *b) {
    for (int c = 0; c < N_COLS; c++) {
        if (fields[c].type != MP_NULL) assert_int_equal(a->cols[c].type, b->cols[c].type);
        for (int32_t i = 0; i < b->n_rows; i++)
            assert_same_value(&a->cols[c], first + i, &b->cols[c], i);
    }
}

static mp_arrow_table table_of_schema(void) {
    mp_arrow_table t;
    mp_error err = MP_ERROR_INIT;
    assert_int_equal(mp_arrow_table_of(&schema, &arena, &t, &err), MP_OK);
    return t;
}

static void test_schema_round_trip(void **state) {
    (void)state;
    struct ArrowSchema s;
    mp_arrow_table t;
    static const char *const formats[] = {"n", "b", "l", "d:18,4", "g", "tdD", "tsu:", "u"};
    mp_error err = MP_ERROR_INIT;
    assert_int_equal(mp_arrow_schema_export(&schema, &s, &err), MP_OK);
    assert_string_equal(s.format, "+s");
    assert_int_equal(s.n_children, N_COLS);
    for (int i = 0; i < N_COLS; i++) {
        assert_string_equal(s.children[i]->format, formats[i]);
        assert_string_equal(s.children[i]->name, fields[i].name);
        assert_int_equal(s.children[i]->flags, ARROW_FLAG_NULLABLE);
    }
    assert_int_equal(mp_arrow_schema_import(&s, &arena, &t, &err), MP_OK);
    /* a child that was moved out is its taker's */
    struct ArrowSchema moved = *s.children[7];
    s.children[7]->release = NULL;
    s.release(&s);
    assert_null(s.release);
    assert_string_equal(moved.name, "text");
    moved.release(&moved);
    assert_int_equal(t.schema.n, N_COLS);
    for (int i = 1; i < N_COLS; i++) {
        assert_int_equal(t.schema.fields[i].type, fields[i].type);
        assert_string_equal(t.schema.fields[i].name, fields[i].name);
        assert_int_equal(t.schema.fields[i].scale, fields[i].scale);
    }
}

/* By all ways: through an array and through a frame, shared or not, sliced or not. */
static void test_round_trip(void **state) {
    (void)state;
    static const int32_t sizes[] = {0, 1, 7, 8, 9, 63, 64, 65, 1000, 4096};
    mp_arrow_table t = table_of_schema();
    mp_error err = MP_ERROR_INIT;
    for (uint64_t k = 0; k < 3 * sizeof sizes / sizeof *sizes; k++) {
        mp_batch in = make_batch(sizes[k / 3], k + 1), out;
        mp_arrow_col cols[N_COLS], opened[N_COLS];
        int64_t need = mp_arrow_bytes(&in, &schema), n_rows, len;
        uint8_t *block = mp_arena_alloc(&arena, (size_t)need + 64, 64);
        assert_true(mp_arrow_export(&in, &schema, k & 1, block, cols) <= need);
        mp_arrow_lease lease = {0};
        struct ArrowArray array;
        assert_int_equal(mp_arrow_lend(cols, N_COLS, in.n_rows, &arena, &lease, &array, &err),
                         MP_OK);
        assert_int_equal(lease.live, N_COLS + 1);
        assert_int_equal(mp_arrow_open(&array, &t, opened, &err), MP_OK);
        assert_int_equal(mp_arrow_check(opened, &t, in.n_rows, &err), MP_OK);
        assert_int_equal(mp_arrow_import(opened, &t, 0, in.n_rows, &arena, &out, &err), MP_OK);
        assert_same(&in, 0, &out);
        if (in.n_rows > 10) { /* a slice of a slice */
            array.offset = 3;
            array.length = in.n_rows - 5;
            assert_int_equal(mp_arrow_open(&array, &t, opened, &err), MP_OK);
            assert_int_equal(mp_arrow_check(opened, &t, array.length, &err), MP_OK);
            assert_int_equal(mp_arrow_import(opened, &t, 2, in.n_rows - 8, &arena, &out, &err),
                             MP_OK);
            assert_same(&in, 5, &out);
        }
        array.release(&array);
        assert_int_equal(lease.live, 0);
        need = mp_frame_bytes(&in, &schema);
        uint8_t *frame = mp_arena_alloc(&arena, (size_t)need, 64);
        assert_true(mp_frame_put(&in, &schema, frame) <= need);
        assert_int_equal(mp_frame_get(frame, need, N_COLS, cols, &n_rows, &len, &err), MP_OK);
        assert_int_equal(n_rows, in.n_rows);
        assert_int_equal(mp_arrow_check(cols, &t, n_rows, &err), MP_OK);
        assert_int_equal(mp_arrow_import(cols, &t, 0, (int32_t)n_rows, &arena, &out, &err), MP_OK);
        assert_same(&in, 0, &out);
    }
}

/* ---- other people's formats ---- */

static void test_formats(void **state) {
    (void)state;
    static const char *const taken[] = {"n",       "b",
                                        "c",       "C",
                                        "s",       "S",
                                        "i",       "I",
                                        "l",       "L",
                                        "f",       "g",
                                        "u",       "U",
                                        "z",       "Z",
                                        "tdD",     "tdm",
                                        "tss:",    "tsm:",
                                        "tsu:UTC", "tsn:Europe/Oslo",
                                        "d:1,0",   "d:38,38",
                                        "d:18,-3", "d:20,2,128"};
    static const char *const refused[] = {"",    "x",    "uu",    "e",      "+l",         "+s",
                                          "ttm", "tDs",  "tiM",   "ts",     "tsq:",       "tsu",
                                          "d:",  "d:18", "d:0,0", "d:39,1", "d:18,2,256", "d:18,99",
                                          "w:4", "vu",   "+w:3",  "td",     "d:1,"};
    mp_arrow_type t;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (!mp_arrow_type_parse(taken[i], &t)) fail_msg("%s is refused", taken[i]);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (mp_arrow_type_parse(refused[i], &t)) fail_msg("%s is taken", refused[i]);
}

/* One column of a format over plain values, as a table. */
static mp_arrow_table one_column(const char *format) {
    struct ArrowSchema child = {
        .format = format, .name = "x", .release = (void (*)(struct ArrowSchema *))1};
    struct ArrowSchema *list[] = {&child};
    struct ArrowSchema s = {
        .format = "+s", .n_children = 1, .children = list, .release = child.release};
    mp_arrow_table t;
    mp_error err = MP_ERROR_INIT;
    assert_int_equal(mp_arrow_schema_import(&s, &arena, &t, &err), MP_OK);
    return t;
}

static mp_status import_values(const char *format, const void *values, int64_t n, mp_batch *out,
                               mp_error *err) {
    mp_arrow_table t = one_column(format);
    mp_arrow_col c = {
        .length = n, .n_buffers = 2, .buffers = {NULL, values}, .bytes = {-1, -1, -1}};
    *err = MP_ERROR_INIT;
    assert_int_equal(mp_arrow_check(&c, &t, n, err), MP_OK);
    return mp_arrow_import(&c, &t, 0, (int32_t)n, &arena, out, err);
}

static void assert_int64s(const char *format, const void *values, int64_t a, int64_t b) {
    mp_batch out;
    mp_error err;
    assert_int_equal(import_values(format, values, 2, &out, &err), MP_OK);
    assert_int_equal(out.cols->i64[0], a);
    assert_int_equal(out.cols->i64[1], b);
}

static void test_other_values(void **state) {
    (void)state;
    mp_batch out;
    mp_error err;
    assert_int64s("c", (int8_t[]){-1, 127}, -1, 127);
    assert_int64s("C", (uint8_t[]){255, 0}, 255, 0);
    assert_int64s("s", (int16_t[]){-32768, 5}, -32768, 5);
    assert_int64s("S", (uint16_t[]){65535, 5}, 65535, 5);
    assert_int64s("i", (int32_t[]){INT32_MIN, 5}, INT32_MIN, 5);
    assert_int64s("I", (uint32_t[]){UINT32_MAX, 5}, UINT32_MAX, 5);
    assert_int64s("L", (uint64_t[]){INT64_MAX, 5}, INT64_MAX, 5);
    assert_int64s("tdm", (int64_t[]){86400000, -1}, 1, -1);
    assert_int64s("tss:", (int64_t[]){1, -1}, 1000000, -1000000);
    assert_int64s("tsm:", (int64_t[]){1, -1}, 1000, -1000);
    assert_int64s("tsn:", (int64_t[]){1999, -1}, 1, -1);
    assert_int64s("d:5,2", (__int128[]){-12345, 7}, -12345, 7);
    assert_int_equal(import_values("f", (float[]){0.5f, -2}, 2, &out, &err), MP_OK);
    assert_true(out.cols->f64[0] == 0.5 && out.cols->f64[1] == -2);
    __int128 large = (__int128)1000000000000000000 * 1000000000000;
    assert_int_equal(import_values("d:38,20", (__int128[]){large, -large / 3}, 2, &out, &err),
                     MP_OK);
    assert_true(out.cols->f64[0] == 1e10 && out.cols->f64[1] == -3333333333.3333333);
    assert_int_equal(import_values("d:5,-3", (__int128[]){12, 0}, 2, &out, &err), MP_OK);
    assert_true(out.cols->f64[0] == 12000);
}

static void test_values_that_do_not_fit(void **state) {
    (void)state;
    static const struct {
        const char *format;
        int64_t values[4];
        const char *says;
    } cases[] = {{"L", {0, -1}, "row 2: an unsigned integer"},
                 {"tdm", {0, INT64_MAX}, "row 2: a date outside"},
                 {"tss:", {0, INT64_MIN}, "row 2: a date outside"},
                 {"tsu:", {INT64_MAX, 0}, "row 1: a date outside"},
                 {"d:18,2", {0, 0, 0, 1}, "row 2: a decimal of more than 18"},
                 {"d:18,2", {1000000000000000000, 0, 0, 0}, "row 1: a decimal of more than 18"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mp_batch out;
        mp_error err;
        assert_int_equal(import_values(cases[i].format, cases[i].values, 2, &out, &err), MP_FAILED);
        if (!strstr(err.why, cases[i].says)) fail_msg("%s: %s", cases[i].format, err.why);
        assert_string_equal(err.column, "x");
    }
    mp_batch out;
    mp_error err;
    assert_int_equal(import_values("tdD", (int32_t[]){0, INT32_MAX}, 2, &out, &err), MP_FAILED);
}

/* ---- arrays that lie ---- */

static void no_release(struct ArrowArray *a) {
    a->release = NULL;
}

/* Two rows of text and int64. */
typedef struct {
    uint8_t bits[8];
    int32_t offsets[3];
    int64_t values[2];
    const void *own[1], *text_buffers[3], *int_buffers[2];
    struct ArrowArray text, number, *list[2], batch;
    mp_arrow_table table;
} pair;

static void make_pair(pair *p) {
    static const mp_field two[] = {{"text", MP_STRING, 0, 0}, {"n", MP_INT64, 0, 0}};
    mp_schema s = {.n = 2, .fields = (mp_field *)(uintptr_t)two};
    *p = (pair){.bits = {2}, .offsets = {0, 3, 5}, .values = {1, 2}};
    p->text_buffers[0] = NULL;
    p->text_buffers[1] = p->offsets;
    p->text_buffers[2] = "abcde";
    p->int_buffers[0] = p->bits;
    p->int_buffers[1] = p->values;
    p->text = (struct ArrowArray){
        .length = 2, .n_buffers = 3, .buffers = p->text_buffers, .release = no_release};
    p->number = (struct ArrowArray){.length = 2,
                                    .null_count = 1,
                                    .n_buffers = 2,
                                    .buffers = p->int_buffers,
                                    .release = no_release};
    p->list[0] = &p->text;
    p->list[1] = &p->number;
    p->batch = (struct ArrowArray){.length = 2,
                                   .n_buffers = 1,
                                   .n_children = 2,
                                   .buffers = p->own,
                                   .children = p->list,
                                   .release = no_release};
    assert_int_equal(mp_arrow_table_of(&s, &arena, &p->table, NULL), MP_OK);
}

static mp_status look_at(const pair *p, mp_error *err) {
    mp_arrow_col cols[2];
    *err = MP_ERROR_INIT;
    mp_status st = mp_arrow_open(&p->batch, &p->table, cols, err);
    return st == MP_OK ? mp_arrow_check(cols, &p->table, p->batch.length, err) : st;
}

#define LIES(change, text)                                                                         \
    do {                                                                                           \
        pair p;                                                                                    \
        mp_error lie;                                                                              \
        make_pair(&p);                                                                             \
        change;                                                                                    \
        assert_int_equal(look_at(&p, &lie), MP_FAILED);                                            \
        if (!strstr(lie.why, text)) fail_msg("%s: it says '%s'", #change, lie.why);                \
    } while (0)

static void test_lies(void **state) {
    (void)state;
    pair good;
    mp_error err;
    make_pair(&good);
    assert_int_equal(look_at(&good, &err), MP_OK);
    good.number.null_count = -1; /* not counted yet: allowed */
    assert_int_equal(look_at(&good, &err), MP_OK);
    LIES(p.batch.length = -1, "out of range");
    LIES(p.batch.length = INT64_MAX, "out of range");
    LIES(p.batch.length = 3, "shorter than its batch");
    LIES(p.batch.offset = -1, "out of range");
    LIES(p.batch.offset = 1, "shorter than its batch");
    LIES(p.batch.n_children = 1, "1 columns, its schema 2");
    LIES(p.batch.n_children = 1000000, "its schema 2");
    LIES(p.batch.children = NULL, "its schema 2");
    LIES(p.batch.null_count = 1, "null as a whole");
    LIES(p.batch.dictionary = &p.text, "dictionary");
    LIES(p.list[1] = NULL, "missing");
    LIES(p.text.release = NULL, "missing");
    LIES(p.text.length = 1, "shorter");
    LIES(p.text.length = -5, "out of range");
    LIES(p.text.offset = -5, "out of range");
    LIES(p.text.n_buffers = 2, "number of buffers");
    LIES(p.text.buffers = NULL, "number of buffers");
    LIES(p.text.dictionary = &p.number, "dictionary");
    LIES(p.text.null_count = 1, "no bits that say which");
    LIES(p.text_buffers[1] = NULL, "offsets are missing");
    LIES(p.text_buffers[2] = NULL, "behind the end");
    LIES(p.offsets[0] = -1, "below 0");
    LIES(p.offsets[1] = 6, "fall");
    LIES(p.offsets[2] = 2, "fall");
    LIES(p.number.null_count = 2, "2 nulls and has 1");
    LIES(p.number.null_count = 3, "more nulls than values");
    LIES(p.number.null_count = -2, "more nulls than values");
    LIES(p.number.null_count = 0, "0 nulls and has 1");
    LIES(p.int_buffers[1] = NULL, "values are missing");
}

static void test_bad_schemas(void **state) {
    (void)state;
    struct ArrowSchema child = {
        .format = "l", .name = "x", .release = (void (*)(struct ArrowSchema *))1};
    struct ArrowSchema *list[] = {&child, NULL};
    struct ArrowSchema good = {
        .format = "+s", .n_children = 1, .children = list, .release = child.release};
    mp_arrow_table t;
    mp_error err;
#define REFUSED(change)                                                                            \
    do {                                                                                           \
        struct ArrowSchema s = good, kept = child;                                                 \
        err = MP_ERROR_INIT;                                                                       \
        change;                                                                                    \
        assert_int_equal(mp_arrow_schema_import(&s, &arena, &t, &err), MP_FAILED);                 \
        assert_true(err.why[0] != 0);                                                              \
        child = kept;                                                                              \
    } while (0)
    assert_int_equal(mp_arrow_schema_import(&good, &arena, &t, NULL), MP_OK);
    REFUSED(s.release = NULL);
    REFUSED(s.format = NULL);
    REFUSED(s.format = "l");
    REFUSED(s.n_children = 0);
    REFUSED(s.n_children = -1);
    REFUSED(s.n_children = INT64_MAX);
    REFUSED(s.children = NULL);
    REFUSED(s.n_children = 2);
    REFUSED(child.format = NULL);
    REFUSED(child.format = "+l");
    REFUSED(child.dictionary = &good);
    REFUSED(child.release = NULL);
    child.name = NULL; /* allowed */
    assert_int_equal(mp_arrow_schema_import(&good, &arena, &t, NULL), MP_OK);
    assert_string_equal(t.schema.fields[0].name, "");
}

/* Every byte of a frame changed to something else: it is refused, or read without leaving the frame (which the sanitizers
 * would see, the copy being exactly as large). */
static void test_changed_frames(void **state) {
    (void)state;
    mp_batch in = make_batch(20, 77);
    mp_arrow_table t = table_of_schema();
    int64_t need = mp_frame_bytes(&in, &schema);
    uint8_t *frame = mp_arena_alloc(&arena, (size_t)need, 64);
    int64_t size = mp_frame_put(&in, &schema, frame);
    uint64_t x = 99;
    int refused = 0, read = 0;
    uint8_t *copy = aligned_alloc(64, (size_t)size);
    for (int64_t at = 0; at < size; at++) {
        static const uint8_t change[] = {0x01, 0x80, 0xFF};
        for (int k = 0; k < 4; k++) {
            mp_arrow_col cols[N_COLS];
            int64_t n_rows, len;
            mp_batch out;
            mp_arena small;
            mp_arena_init(&small, NULL);
            memcpy(copy, frame, (size_t)size);
            copy[at] ^= k < 3 ? change[k] : (uint8_t)(next_random(&x) | 2);
            mp_error err = MP_ERROR_INIT;
            mp_status st = mp_frame_get(copy, size, N_COLS, cols, &n_rows, &len, &err);
            if (st == MP_OK) st = mp_arrow_check(cols, &t, n_rows, &err);
            if (st == MP_OK && n_rows > MP_BATCH_ROWS) st = MP_FAILED;
            if (st == MP_OK) st = mp_arrow_import(cols, &t, 0, (int32_t)n_rows, &small, &out, &err);
            uint64_t sum = 0;
            for (int32_t i = 0; st == MP_OK && i < out.n_rows; i++)
                for (uint32_t b = 0; b < out.cols[7].str[i].len; b++)
                    sum += (uint8_t)out.cols[7].str[i].p[b];
            assert_true(sum < UINT64_MAX);
            if (st == MP_OK)
                read++;
            else
                refused++;
            mp_arena_release(&small);
        }
    }
    free(copy);
    assert_true(refused > 100 && read > 100);
}

static void test_short_frames(void **state) {
    (void)state;
    mp_batch in = make_batch(5, 3);
    mp_arrow_col cols[N_COLS + 1];
    int64_t n_rows, len, need = mp_frame_bytes(&in, &schema);
    uint8_t *frame = mp_arena_alloc(&arena, (size_t)need, 64);
    int64_t size = mp_frame_put(&in, &schema, frame);
    for (int64_t cap = 0; cap < size; cap += 8)
        assert_int_equal(mp_frame_get(frame, cap, N_COLS, cols, &n_rows, &len, NULL), MP_FAILED);
    assert_int_equal(mp_frame_get(frame, size, N_COLS + 1, cols, &n_rows, &len, NULL), MP_FAILED);
    assert_int_equal(mp_frame_get(frame, size, N_COLS - 1, cols, &n_rows, &len, NULL), MP_FAILED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema_round_trip),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_other_values),
        cmocka_unit_test(test_values_that_do_not_fit),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_bad_schemas),
        cmocka_unit_test(test_changed_frames),
        cmocka_unit_test(test_short_frames),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
