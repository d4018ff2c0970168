/* test_type.c - names of types, evidence of texts, and the least type of every mixture. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "data/batch.h"
#include "data/type.h"

static void test_names(void **state) {
    (void)state;
    static const char *const names[] = {"bool", "int64",     "decimal", "float64",
                                        "date", "timestamp", "string"};
    for (int i = 0; i < 7; i++) {
        mp_type t;
        assert_true(mp_type_parse(mp_str_c(names[i]), &t));
        assert_int_equal(t, MP_BOOL + i);
        assert_string_equal(mp_type_name(t), names[i]);
    }
    mp_type t = MP_DATE;
    assert_false(mp_type_parse(mp_str_c("null"), &t));
    assert_false(mp_type_parse(mp_str_c("Int64"), &t));
    assert_false(mp_type_parse(mp_str_c(""), &t));
    assert_int_equal(t, MP_DATE);
    assert_string_equal(mp_type_name(MP_NULL), "null");
    assert_int_equal(mp_type_width(MP_BOOL), 1);
    assert_int_equal(mp_type_width(MP_DATE), 8);
    assert_int_equal(mp_type_width(MP_STRING), 16);
}

static mp_type type_of(uint8_t seen, int int_digits, int scale) {
    return mp_evidence_type((mp_evidence){seen, (uint8_t)int_digits, (uint8_t)scale});
}

/* The rule of semantics.md, said the other way round: which set of forms each type can hold. */
static void test_least_type_of_all_mixtures(void **state) {
    (void)state;
    const int num = MP_SEEN_INT | MP_SEEN_DECIMAL | MP_SEEN_FLOAT;
    for (int s = 0; s < 256; s++) {
        mp_type want = MP_STRING;
        if (s == 0) want = MP_NULL;
        if (s == MP_SEEN_INT) want = MP_INT64;
        if (s == MP_SEEN_DECIMAL || s == (MP_SEEN_DECIMAL | MP_SEEN_INT)) want = MP_DECIMAL;
        if ((s & MP_SEEN_FLOAT) && (s & ~num) == 0) want = MP_FLOAT64;
        if (s == MP_SEEN_BOOL) want = MP_BOOL;
        if (s == MP_SEEN_DATE) want = MP_DATE;
        if (s == MP_SEEN_TS_T || s == MP_SEEN_TS_SPACE) want = MP_TIMESTAMP;
        assert_int_equal(type_of((uint8_t)s, 3, 3), want);
    }
}

static void test_digits_decide_float(void **state) {
    (void)state;
    assert_int_equal(type_of(MP_SEEN_DECIMAL, 9, 9), MP_DECIMAL);
    assert_int_equal(type_of(MP_SEEN_DECIMAL, 10, 9), MP_FLOAT64);
    assert_int_equal(type_of(MP_SEEN_INT | MP_SEEN_DECIMAL, 19, 0), MP_FLOAT64);
    assert_int_equal(type_of(MP_SEEN_INT, 19, 0), MP_INT64);
    assert_int_equal(type_of(MP_SEEN_INT | MP_SEEN_DECIMAL | MP_SEEN_BOOL, 19, 1), MP_STRING);
    mp_evidence e = {0};
    mp_evidence_add(&e, mp_evidence_of_text("1234567.25", 10));
    assert_int_equal(mp_evidence_type(e), MP_DECIMAL);
    mp_evidence_add(&e, mp_evidence_of_text("0.00000000001", 13));
    assert_int_equal(mp_evidence_type(e), MP_DECIMAL); /* 7 + 11 */
    mp_evidence_add(&e, mp_evidence_of_text("0.000000000001", 14));
    assert_int_equal(mp_evidence_type(e), MP_FLOAT64); /* 7 + 12 */
}

static void test_holds(void **state) {
    (void)state;
    const mp_evidence none = {0}, i = {MP_SEEN_INT, 2, 0}, d = {MP_SEEN_DECIMAL, 2, 2},
                      wide = {MP_SEEN_DECIMAL, 10, 10}, f = {MP_SEEN_FLOAT, 0, 0},
                      b = {MP_SEEN_BOOL, 0, 0}, two = {MP_SEEN_TS_T | MP_SEEN_TS_SPACE, 0, 0};
    for (int t = MP_NULL; t < MP_TYPE_COUNT; t++) {
        assert_true(mp_type_holds((mp_type)t, none));
        assert_int_equal(mp_type_holds((mp_type)t, i),
                         t == MP_INT64 || t == MP_DECIMAL || t == MP_FLOAT64 || t == MP_STRING);
        assert_int_equal(mp_type_holds((mp_type)t, d),
                         t == MP_DECIMAL || t == MP_FLOAT64 || t == MP_STRING);
        assert_int_equal(mp_type_holds((mp_type)t, wide), t == MP_FLOAT64 || t == MP_STRING);
        assert_int_equal(mp_type_holds((mp_type)t, f), t == MP_FLOAT64 || t == MP_STRING);
        assert_int_equal(mp_type_holds((mp_type)t, b), t == MP_BOOL || t == MP_STRING);
        assert_int_equal(mp_type_holds((mp_type)t, two), t == MP_STRING);
    }
}

static void test_words_dates_and_text(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint8_t seen;
        int64_t i;
    } cases[] = {
        {"true", MP_SEEN_BOOL, 1},
        {"False", MP_SEEN_BOOL, 0},
        {"TRUE", MP_SEEN_BOOL, 1},
        {"FALSE", MP_SEEN_BOOL, 0},
        {"tRUE", MP_SEEN_STRING, 0},
        {" true", MP_SEEN_STRING, 0},
        {"1970-01-01", MP_SEEN_DATE, 0},
        {"2000-02-29", MP_SEEN_DATE, 11016},
        {"1969-12-31", MP_SEEN_DATE, -1},
        {"2001-02-29", MP_SEEN_STRING, 0},
        {"2000-2-29", MP_SEEN_STRING, 0},
        {"1970-01-02T00:00:01", MP_SEEN_TS_T, 86401000000},
        {"1970-01-01 00:00:00.25", MP_SEEN_TS_SPACE, 250000},
        {"1970-01-01x00:00:00", MP_SEEN_STRING, 0},
        {"abc", MP_SEEN_STRING, 0},
        {"", MP_SEEN_STRING, 0},
        {" ", MP_SEEN_STRING, 0},
        {"NA", MP_SEEN_STRING, 0},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        mp_value v;
        mp_value_of_text(cases[k].text, strlen(cases[k].text), &v);
        assert_int_equal(v.e.seen, cases[k].seen);
        assert_int_equal(v.i, cases[k].i);
        mp_evidence e = mp_evidence_of_text(cases[k].text, strlen(cases[k].text));
        assert_memory_equal(&e, &v.e, sizeof e);
    }
}

typedef struct {
    const char *text;
    uint8_t seen, int_digits, scale;
    int64_t i;
    uint64_t bits;
} vector;

static const vector vectors[] = {
#include "csv_convert_vectors.h"
};

static void test_numbers(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof vectors / sizeof *vectors; k++) {
        const vector *w = &vectors[k];
        mp_value v;
        mp_value_of_text(w->text, strlen(w->text), &v);
        double want;
        memcpy(&want, &w->bits, 8);
        bool same = v.e.seen == w->seen && v.e.int_digits == w->int_digits &&
                    v.e.scale == w->scale && v.i == w->i &&
                    (memcmp(&v.f, &want, 8) == 0 || (isnan(v.f) && isnan(want)));
        if (!same) fail_msg("'%s' is read as %d %lld %g", w->text, v.e.seen, (long long)v.i, v.f);
        bool int18 = w->seen == MP_SEEN_INT && w->int_digits <= 18;
        assert_int_equal(mp_value_is(&v, MP_DECIMAL), w->seen == MP_SEEN_DECIMAL || int18);
        assert_int_equal(mp_value_is(&v, MP_INT64), w->seen == MP_SEEN_INT);
        assert_int_equal(mp_value_is(&v, MP_FLOAT64), w->seen != MP_SEEN_STRING);
        assert_true(mp_value_is(&v, MP_STRING));
    }
}

/* The first of that name, whether the names are indexed (many fields) or not. */
static void test_schema_find(void **state) {
    (void)state;
    enum { N = 40 };
    mp_field f[N] = {{.name = "a"}, {.name = "B"}, {.name = ""}, {.name = "ab"}};
    for (int i = 4; i < N; i++)
        f[i].name = i % 2 ? "B" : "c";
    mp_mem mem;
    mp_mem_init(&mem, 1 << 20);
    mp_arena arena;
    mp_arena_init(&arena, &mem);
    for (int n = 4; n <= N; n += N - 4) {
        mp_schema s = {.n = n, .fields = f};
        assert_true(mp_schema_index(&s, &arena));
        assert_true((s.names != NULL) == (n == N));
        assert_int_equal(mp_schema_find(&s, "B"), 1);
        assert_int_equal(mp_schema_find(&s, "b"), -1);
        assert_int_equal(mp_schema_find(&s, "ab"), 3);
        assert_int_equal(mp_schema_find(&s, "c"), n == N ? 4 : -1);
        assert_int_equal(mp_schema_find(&s, ""), 2);
    }
    mp_arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_least_type_of_all_mixtures),
        cmocka_unit_test(test_digits_decide_float),
        cmocka_unit_test(test_holds),
        cmocka_unit_test(test_words_dates_and_text),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_schema_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
