/* test_query_plan.c - a query as a plan: names of the outputs, which columns are read and how, steps that see the names of the step
 * before, usage errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan/query.h"

enum { N_COLS = 6 };

static const char *const column_names[N_COLS] = {"i", "d", "f", "s", "day", "odd name"};

typedef struct {
    mp_spec spec;
    mp_mem mem;
    mp_arena arena;
    mp_table table;
    const char *names[N_COLS];
    mp_evidence sample[N_COLS];
    mp_type fixed[N_COLS];
    mp_query q;
    mp_scan_plan plan;
    mp_error err;
} fixture;

static int setup(void **state) {
    static const mp_evidence seen[N_COLS] = {{MP_SEEN_INT, 3, 0},   {MP_SEEN_DECIMAL, 3, 2},
                                             {MP_SEEN_FLOAT, 0, 0}, {MP_SEEN_STRING, 0, 0},
                                             {MP_SEEN_DATE, 0, 0},  {MP_SEEN_INT, 1, 0}};
    fixture *x = calloc(1, sizeof *x);
    if (!x) return -1;
    mp_mem_init(&x->mem, 0);
    mp_arena_init(&x->arena, &x->mem);
    for (int c = 0; c < N_COLS; c++) {
        x->names[c] = column_names[c];
        x->sample[c] = seen[c];
        x->fixed[c] = MP_TYPE_COUNT;
    }
    x->table =
        (mp_table){.n_columns = N_COLS, .names = x->names, .sample = x->sample, .fixed = x->fixed};
    x->spec.query.limit_rows = -1;
    mp_error_init(&x->err);
    *state = x;
    return 0;
}

static int teardown(void **state) {
    fixture *x = *state;
    mp_scan_plan_release(&x->plan);
    mp_arena_release(&x->arena);
    free(x);
    return 0;
}

static mp_status parse(fixture *x) {
    mp_error_init(&x->err);
    return mp_query_parse(&x->spec, &x->table, false, &x->arena, &x->q, &x->err);
}

static mp_status bind(fixture *x) {
    mp_error_init(&x->err);
    mp_scan_plan_release(&x->plan);
    return mp_query_bind(&x->q, &x->table, x->sample, &x->arena, &x->plan, &x->err);
}

/* Parse and bind this query; options that are NULL are not given. */
static mp_status make(fixture *x, mp_query_spec query) {
    query.limit_rows = -1;
    x->spec.query = query;
    mp_status st = parse(x);
    return st ? st : bind(x);
}

static void check_names(const fixture *x, const char *expected) {
    char all[1024] = "";
    size_t n = 0;
    for (int i = 0; i < x->q.n_outputs; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? "|" : "", x->q.outputs[i].name);
    assert_string_equal(all, expected);
}

/* What is read, as "name:type" with a letter for the place: f the filter, a after it. */
static void check_wanted(const fixture *x, const char *expected) {
    char all[1024] = "";
    size_t n = 0;
    for (int i = 0; i < x->plan.n_wanted; i++) {
        const mp_csv_column *w = &x->plan.wanted[i];
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s:%s%s%s%s", i ? " " : "", w->name,
                              w->use == MP_CSV_TEXT ? "text" : mp_type_name(w->type),
                              w->need_number ? "!" : "", w->in_filter ? ",f" : "",
                              w->after_filter ? ",a" : "");
    }
    assert_string_equal(all, expected);
}

static void test_names(void **state) {
    fixture *x = *state;
    assert_int_equal(make(x, (mp_query_spec){0}), MP_OK);
    check_names(x, "i|d|f|s|day|odd name");
    assert_int_equal(make(x, (mp_query_spec){.select = "i, i, i*2, i as i, `odd name`, *"}), MP_OK);
    check_names(x, "i|i_2|i*2|i_3|odd name|i_4|d|f|s|day|odd name_2");
    mp_query_spec group = {.by = "s, year(day) as y, i+1",
                           .agg =
                               "count(), count(*), count(f), avg(d), sum(i)*2, quantile(f, .90), "
                               "median(f), top(i, 2), bottom(d,1) as b, corr(i, d), max(i+1)"};
    assert_int_equal(make(x, group), MP_OK);
    check_names(x, "s|y|i+1|count|count_2|count_f|avg_d|sum(i)*2|quantile_f_0.9|median_f|top_i_1|"
                   "top_i_2|b_1|corr_i_d|max(i+1)");
    assert_int_equal(x->q.n_keys, 3);
    assert_int_equal(x->q.n_calls, 10); /* count() and sum(i) once each */
    assert_true(x->q.grouped);
}

static void test_wanted(void **state) {
    fixture *x = *state;
    assert_int_equal(make(x, (mp_query_spec){0}), MP_OK);
    check_wanted(x, "i:text,a d:text,a f:text,a s:text,a day:text,a odd name:text,a");
    assert_false(x->plan.typed);
    assert_int_equal(make(x, (mp_query_spec){.select = "s", .where = "i > 3"}), MP_OK);
    check_wanted(x, "i:int64!,f s:text,a");
    assert_true(x->plan.typed);
    assert_int_equal(make(x, (mp_query_spec){.select = "i", .where = "i > 3"}), MP_OK);
    check_wanted(x, "i:int64!,f i:text,a"); /* looked at, and passed through as it stands */
    assert_int_equal(make(x, (mp_query_spec){.select = "i, i+1", .where = "day is null"}), MP_OK);
    check_wanted(x, "i:int64!,a i:text,a day:text,f");
    assert_int_equal(make(x, (mp_query_spec){.by = "s", .agg = "sum(i), min(day), count(d)"}),
                     MP_OK);
    check_wanted(x, "i:int64!,a d:text,a s:text,a day:date,a");
    assert_int_equal(make(x, (mp_query_spec){.agg = "count()"}), MP_OK);
    check_wanted(x, "");
    assert_int_equal(make(x, (mp_query_spec){.select = "s", .sort = "-d"}), MP_OK);
    check_wanted(x, "d:decimal,a s:text,a");
    assert_int_equal(make(x, (mp_query_spec){.distinct = true, .select = "s, i"}), MP_OK);
    check_wanted(x, "i:text,a s:text,a");
    assert_true(x->q.grouped);
}

/* Where numbers have a form of their own, keys are read as values, not as they stand. */
static void test_keys_in_dialects(void **state) {
    fixture *x = *state;
    x->table.dialect.decimal_comma = true;
    assert_int_equal(make(x, (mp_query_spec){.by = "d"}), MP_OK);
    check_wanted(x, "d:decimal,a");
    assert_int_equal(make(x, (mp_query_spec){.select = "d"}), MP_OK);
    check_wanted(x, "d:text,a");
}

static void test_fixed_types(void **state) {
    fixture *x = *state;
    x->fixed[0] = MP_FLOAT64;
    x->fixed[3] = MP_STRING;
    assert_int_equal(make(x, (mp_query_spec){.select = "i+1 as j, s"}), MP_OK);
    check_wanted(x, "i:float64,a s:text,a");
    assert_true(x->plan.wanted[0].fixed);
    assert_false(x->plan.typed); /* nothing that data may refute */
    assert_int_equal(x->plan.values[0].type, MP_FLOAT64);
}

/* The columns of a pass that only finds types. */
static void test_columns_for_types(void **state) {
    fixture *x = *state;
    assert_int_equal(make(x, (mp_query_spec){.select = "s, f+i", .where = "i > 3 or d > 1"}),
                     MP_OK);
    check_wanted(x, "i:int64!,f,a d:decimal!,f f:float64!,a s:text,a");
    mp_scan_plan_release(&x->plan);
    assert_int_equal(
        mp_query_bind_types(&x->q, &x->table, x->sample, true, &x->arena, &x->plan, &x->err),
        MP_OK);
    check_wanted(x, "i:int64,a d:decimal,a");
    assert_null(x->plan.where);
    mp_scan_plan_release(&x->plan);
    assert_int_equal(
        mp_query_bind_types(&x->q, &x->table, x->sample, false, &x->arena, &x->plan, &x->err),
        MP_OK);
    check_wanted(x, "i:int64,f,a d:decimal,f f:float64,a");
    assert_non_null(x->plan.where);
    assert_int_equal(x->plan.n_values, 0);
}

/* Each step sees the names of the one before. */
static void test_steps(void **state) {
    fixture *x = *state;
    mp_query_spec q = {.where = "i > 0",
                       .select = "i*2 as d, d as i, s",
                       .by = "s",
                       .agg = "sum(d) as t",
                       .having = "t > 1 and count() > 2",
                       .sort = "-t, max(i), s"};
    assert_int_equal(make(x, q), MP_OK);
    check_names(x, "s|t");
    assert_int_equal(x->q.n_calls, 3); /* sum, count, max */
    assert_int_equal(x->q.n_sort, 3);
    assert_true(x->q.descending[0] && !x->q.descending[1] && !x->q.descending[2]);
    check_wanted(x, "i:int64!,f,a d:decimal,a s:text,a"); /* sum(d) is of i*2, max(i) of d */
    mp_query_spec by_alias = {.select = "i as j", .sort = "j, -f"};
    assert_int_equal(make(x, by_alias), MP_OK);
    check_names(x, "j");
}

static void test_signature(void **state) {
    fixture *x = *state;
    mp_query_spec q = {.by = "s", .agg = "sum(i)"};
    assert_int_equal(make(x, q), MP_OK);
    uint64_t of_ints = x->plan.signature;
    assert_int_equal(bind(x), MP_OK);
    assert_true(x->plan.signature == of_ints);
    x->sample[0].seen |= MP_SEEN_FLOAT;
    assert_int_equal(bind(x), MP_OK);
    assert_true(x->plan.signature != of_ints);
    x->sample[0].seen = MP_SEEN_INT;
    x->sample[1].seen = MP_SEEN_STRING; /* a column that the query does not look at */
    assert_int_equal(bind(x), MP_OK);
    assert_true(x->plan.signature == of_ints);
}

static void check_usage(fixture *x, mp_query_spec q, const char *says) {
    char text[2048];
    assert_int_equal(make(x, q), MP_USAGE);
    mp_error_format(&x->err, text, sizeof text);
    if (!strstr(text, says)) fail_msg("'%s' is not in: %s", says, text);
}

static void test_usage(void **state) {
    fixture *x = *state;
    check_usage(x, (mp_query_spec){.select = "i, dd"}, "no column 'dd'");
    check_usage(x, (mp_query_spec){.where = "oddname = 1"}, "did you mean 'odd name'");
    check_usage(x, (mp_query_spec){.where = "sum(i) > 1"}, "--where");
    check_usage(x, (mp_query_spec){.having = "i > 1"}, "--having needs --by or --agg");
    check_usage(x, (mp_query_spec){.by = "s", .agg = "i"}, "neither a key nor inside an aggregate");
    check_usage(x, (mp_query_spec){.by = "s", .agg = "sum(sum(i))"}, "inside another");
    check_usage(x, (mp_query_spec){.by = "s", .agg = "top(i, 2) + 1"}, "stands alone");
    check_usage(x, (mp_query_spec){.by = "s", .sort = "f"},
                "neither a key nor inside an aggregate");
    check_usage(x, (mp_query_spec){.by = "s", .having = "t > 1"}, "no column 't'");
    check_usage(x, (mp_query_spec){.select = "i as a", .by = "i"}, "no column 'i'");
    check_usage(x, (mp_query_spec){.where = "i + 1"}, "not true or false");
    check_usage(x, (mp_query_spec){.where = "i >"}, "syntax error");
    check_usage(x, (mp_query_spec){.select = "nosuch(i)"}, "nosuch");
    check_usage(x, (mp_query_spec){.select = "year(1)"}, "not a date");
    check_usage(x, (mp_query_spec){.by = "count()"}, "--by");
    check_usage(x, (mp_query_spec){.select = ""}, "--select");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_in_dialects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fixed_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_columns_for_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signature, setup, teardown),
        cmocka_unit_test_setup_teardown(test_usage, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
