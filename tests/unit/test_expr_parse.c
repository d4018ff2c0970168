/* test_expr_parse.c - syntax: trees, places of errors, lists, aggregates and their names, columns
 * and what is asked of them. */
#include "expr_fixture.h"

#include "expr/ast.h"

static mp_arena arena;

static int setup(void **state) {
    (void)state;
    mp_arena_init(&arena, NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    mp_arena_release(&arena);
    return 0;
}

static const mp_expr *parse(const char *text) {
    const mp_expr *e = NULL;
    mp_error err = MP_ERROR_INIT;
    if (mp_expr_parse("--agg", text, true, &arena, &e, &err) != MP_OK)
        fail_msg("%s: %s: %s\n%s", text, err.what, err.why, err.hint);
    return e;
}

/* Both texts mean the same tree. */
static void same(const char *a, const char *b) {
    if (!mp_expr_equal(parse(a), parse(b))) fail_msg("%s is not %s", a, b);
}

static void differ(const char *a, const char *b) {
    if (mp_expr_equal(parse(a), parse(b))) fail_msg("%s is %s", a, b);
}

static void test_precedence(void **state) {
    (void)state;
    same("a + b * c", "a + (b * c)");
    same("a - b - c", "(a - b) - c");
    same("a / b * c % d", "((a / b) * c) % d");
    same("- a * b", "(-a) * b");
    same("-a + b", "(-a) + b");
    same("a or b and c", "a or (b and c)");
    same("not a and b", "(not a) and b");
    same("not a = b", "not (a = b)");
    same("not a is null", "not (a is null)");
    same("a = b is null", "(a = b) is null");
    same("a + 1 < b * 2 and c", "((a + 1) < (b * 2)) and c");
    same("a between 1 and 2 and b", "(a between 1 and 2) and b");
    same("a between b - 1 and b + 1 or c", "(a between (b - 1) and (b + 1)) or c");
    same("a in (1, 2) = b", "(a in (1, 2)) = b");
    same("not a in (1)", "a not in (1)");
    same("a not between 1 and 2", "not (a between 1 and 2)");
    same("a not like 'x%'", "not (a like 'x%')");
    same("a is not null", "not a is null");
    same("a ~ 'x' or b", "(a ~ 'x') or b");
    same("A Or b AND not C", "A or (b and (not C))");
    same("a == b", "a = b");
    same("a <> b", "a != b");
    same("IF(a, b, c)", "if(a,b,c)");
    same("`a` + \"x\"", "a + 'x'");
    same("+a", "a");
    differ("a - (b - c)", "a - b - c");
    differ("(a or b) and c", "a or b and c");
    differ("a", "A");
    differ("x = 1", "x = 1.0");
}

static void test_literals(void **state) {
    (void)state;
    assert_int_equal(parse("-9223372036854775808")->type, MP_INT64);
    assert_true(parse("-9223372036854775808")->i64 == INT64_MIN);
    assert_int_equal(parse("9223372036854775808")->type, MP_FLOAT64);
    assert_int_equal(parse("1.50")->type, MP_DECIMAL);
    assert_int_equal(parse("1.50")->scale, 2);
    assert_int_equal(parse("1e3")->type, MP_DECIMAL);
    assert_int_equal(parse("1e300")->type, MP_FLOAT64);
    assert_int_equal(parse("007")->i64, 7);
    assert_int_equal(parse("NULL")->type, MP_NULL);
    assert_int_equal(parse("True")->type, MP_BOOL);
    assert_string_equal(parse("'it''s \"q\" \\n'")->name.p, "it's \"q\" \\n");
    assert_string_equal(parse("\"a\"\"b'\"")->name.p, "a\"b'");
    assert_string_equal(parse("`odd name, \xC3\xA9``x`")->name.p, "odd name, \xC3\xA9`x");
    assert_string_equal(parse("quantile_v_0.9")->name.p, "quantile_v_0.9");
    assert_string_equal(parse("gr\xC3\xB6\xC3\x9F"
                              "e")
                            ->name.p,
                        "gr\xC3\xB6\xC3\x9F"
                        "e");
    assert_string_equal(mp_expr_column_name(parse("end")), "end");
    assert_string_equal(mp_expr_column_name(parse("(count)")), "count");
    assert_null(mp_expr_column_name(parse("a + 1")));
}

/* The message, and the byte under the caret. */
static void wrong(const char *text, const char *why, int column) {
    const mp_expr *e;
    mp_error err = MP_ERROR_INIT;
    if (mp_expr_parse("--where", text, true, &arena, &e, &err) != MP_USAGE)
        fail_msg("%s is accepted", text);
    if (strcmp(err.why, why) != 0) fail_msg("%s: %s", text, err.why);
    assert_string_equal(err.what, "syntax error in --where");
    const char *line = strchr(err.hint, '\n');
    assert_non_null(line);
    assert_int_equal((int)strlen(line + 1) - 1 - (int)strlen("hint: "), column);
    assert_int_equal(line[strlen(line) - 1], '^');
}

static void test_errors(void **state) {
    (void)state;
    wrong("a + * b", "expected a value but found '*'", 4);
    wrong("", "expected a value but the text ends", 0);
    wrong("a +", "expected a value but the text ends", 3);
    wrong("(a + b", "expected ')' but the text ends", 6);
    wrong("(a x)", "expected ')' but found 'x'", 3);
    wrong("a b", "expected an operator but found 'b'", 2);
    wrong("a = 'x", "the quote ' is never closed", 4);
    wrong("a && b", "unexpected '&'; write 'and'", 2);
    wrong("a || b", "unexpected '|'; write 'or', and concat(a, b) to join texts", 2);
    wrong("!a", "unexpected '!'; write 'not'", 0);
    wrong("a < b < c", "comparisons do not chain; join two of them with 'and'", 6);
    wrong("12x", "a number runs into a word", 2);
    wrong("1.2.3", "a number runs into a word", 3);
    wrong("a in ()", "expected a value but found ')'", 6);
    wrong("a in 5", "expected '(' but found '5'", 5);
    wrong("a between 1 or 2", "expected 'and' but found 'or'", 12);
    wrong("a is 5", "expected 'null' or 'not null' but found '5'", 5);
    wrong("case when a then b", "expected 'end' but the text ends", 18);
    wrong("case a end", "expected 'when' but found 'end'", 7);
    wrong("substr(a)", "substr() takes 2 or 3 arguments, not 1", 0);
    wrong("1 + abs(a, b)", "abs() takes 1 argument, not 2", 4);
    wrong("quantile(v, 2)", "quantile(x, q) needs a number q from 0 to 1", 0);
    wrong("top(v, 0)", "top(x, k) and bottom(x, k) need a whole number k from 1 to 10000", 0);
    wrong("\xC3\xA9\xC3\xA9 + )", "expected a value but found ')'", 5);
    wrong("a = \x02", "unexpected byte 0x02", 4);
    wrong("``", "no column has this name", 0);
}

static void test_unknown_function(void **state) {
    (void)state;
    const mp_expr *e;
    mp_error err = MP_ERROR_INIT;
    assert_int_equal(mp_expr_parse("--agg", "approx_distinct(x)", true, &arena, &e, &err),
                     MP_USAGE);
    assert_string_equal(err.why, "no function 'approx_distinct'");
    mp_error_init(&err);
    assert_int_equal(mp_expr_parse("--where", "uper(x)", true, &arena, &e, &err), MP_USAGE);
    assert_string_equal(err.hint, "did you mean 'upper'?");
    mp_error_init(&err);
    assert_int_equal(mp_expr_parse("--where", "sum(x) > 1", false, &arena, &e, &err), MP_USAGE);
    assert_string_equal(err.why, "sum() is an aggregate");
}

/* Hostile depth and width end in an error, not in a crash. */
static void test_limits(void **state) {
    (void)state;
    enum { N = 200000 };
    static char text[2 * N + 16];
    const mp_expr *e;
    mp_error err = MP_ERROR_INIT;
    const char *open[] = {"(", "-", "not ", "abs(", "case when "};
    for (size_t k = 0; k < sizeof open / sizeof open[0]; k++) {
        size_t n = 0, len = strlen(open[k]);
        while (n + len < N) {
            memcpy(text + n, open[k], len);
            n += len;
        }
        text[n] = 0;
        mp_error_init(&err);
        assert_int_equal(mp_expr_parse("--where", text, true, &arena, &e, &err), MP_USAGE);
        assert_string_equal(err.why, "nested deeper than 200 levels");
    }
    size_t n = 0;
    for (int i = 0; i < 20000; i++) {
        memcpy(text + n, "a+", 2);
        n += 2;
    }
    memcpy(text + n, "a", 2);
    mp_error_init(&err);
    assert_int_equal(mp_expr_parse("--where", text, true, &arena, &e, &err), MP_USAGE);
    assert_string_equal(err.why, "more than 1000 operations on each other");
    n = (size_t)snprintf(text, sizeof text, "a in (0");
    for (int i = 1; i <= 10001; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, ",%d", i);
    snprintf(text + n, sizeof text - n, ")");
    mp_error_init(&err);
    assert_int_equal(mp_expr_parse("--where", text, true, &arena, &e, &err), MP_USAGE);
    assert_string_equal(err.why, "more than 10000 items");
    /* long chains of "or" are one node */
    n = 0;
    for (int i = 0; i < 5000; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "a=%d or ", i);
    snprintf(text + n, sizeof text - n, "b");
    mp_error_init(&err);
    assert_int_equal(mp_expr_parse("--where", text, true, &arena, &e, &err), MP_OK);
    assert_int_equal(e->n_args, 5001);
}

/* Every prefix and every byte changed: no crash, and a message where it is refused. */
static void test_mutations(void **state) {
    (void)state;
    static const char base[] =
        "case when a in (1,'x') then -b*2.5 else sum(if(c~'[a-z]+',1,0)) end "
        "is not null and `q` not between \"l\" and h or count(*)>=top(v,2)";
    static const char bytes[] = "()'\"`,.*-=<>~x9 \x80";
    char text[sizeof base];
    for (size_t n = 0; n < sizeof base; n++)
        for (size_t k = 0; k < sizeof bytes - 1; k++) {
            memcpy(text, base, sizeof base);
            text[n] = k ? bytes[k] : 0;
            text[sizeof base - 1] = 0;
            const mp_expr *e;
            mp_error err = MP_ERROR_INIT;
            mp_arena a;
            mp_arena_init(&a, NULL);
            mp_status st = mp_expr_parse("--x", text, true, &a, &e, &err);
            assert_true(st == MP_OK || (st == MP_USAGE && err.why[0]));
            mp_arena_release(&a);
        }
}

/* ---- lists ---- */

static mp_expr_item *list(const char *text, mp_list_kind kind, int want) {
    mp_expr_item *items = NULL;
    int n = -1;
    mp_error err = MP_ERROR_INIT;
    mp_status st = mp_expr_parse_list("--list", text, kind, &arena, &items, &n, &err);
    if (st != MP_OK) fail_msg("%s: %s", text, err.why);
    assert_int_equal(n, want);
    return items;
}

static void test_lists(void **state) {
    (void)state;
    mp_expr_item *a =
        list("*, id , price * qty as total,x as 'odd name', y AS `end`", MP_LIST_SELECT, 5);
    assert_null(a[0].expr);
    assert_string_equal(a[0].text, "*");
    assert_null(a[1].name);
    assert_string_equal(a[1].text, "id");
    assert_string_equal(a[2].name, "total");
    assert_string_equal(a[2].text, "price * qty");
    assert_string_equal(a[3].name, "odd name");
    assert_string_equal(a[4].name, "end");
    a = list("-total, region, -(a + b), -a + b, x desc, y ASC", MP_LIST_SORT, 6);
    assert_true(a[0].descending && !a[1].descending && a[2].descending && a[3].descending);
    assert_true(a[4].descending && !a[5].descending);
    assert_string_equal(a[0].text, "total");
    assert_string_equal(a[2].text, "(a + b)");
    assert_true(mp_expr_equal(a[2].expr, a[3].expr));
    assert_string_equal(a[4].text, "x");
    a = list("sum(a), max(v1) - min(v2) as r, count(*)", MP_LIST_AGG, 3);
    assert_string_equal(a[1].text, "max(v1) - min(v2)");
    mp_expr_item *items;
    int n;
    const char *bad[] = {"a,", ",a", "a,,b", "", "a as", "a as 5", "*", "sum(a)"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mp_error err = MP_ERROR_INIT;
        assert_int_equal(mp_expr_parse_list("--by", bad[i], MP_LIST_KEYS, &arena, &items, &n, &err),
                         MP_USAGE);
    }
}

/* ---- aggregates ---- */

static void test_aggregates(void **state) {
    (void)state;
    mp_agg_call calls[4];
    int n = 0;
    const mp_expr *out;
    mp_error err = MP_ERROR_INIT;
    assert_int_equal(mp_expr_extract_aggs(parse("max(a) - min(a) + MAX(a) * k"), &arena, calls, &n,
                                          4, &out, &err),
                     MP_OK);
    assert_int_equal(n, 2);
    assert_int_equal(calls[0].fn, MP_AGG_MAX);
    assert_int_equal(calls[1].fn, MP_AGG_MIN);
    assert_string_equal(mp_expr_column_name(calls[1].arg[0]), "a");
    assert_true(mp_expr_equal(out->args[0]->args[0], out->args[1]->args[0]));
    assert_string_equal(mp_expr_column_name(out->args[0]->args[1]), "\x01"
                                                                    "1");
    assert_int_equal(mp_expr_check_keys(out, (const char *const[]){"k"}, 1, &err), MP_OK);
    assert_int_equal(mp_expr_check_keys(out, NULL, 0, &err), MP_USAGE);
    assert_string_equal(err.why, "column 'k' is neither a key nor inside an aggregate");
    mp_error_init(&err);
    assert_int_equal(
        mp_expr_extract_aggs(parse("quantile(v, .25)"), &arena, calls, &n, 4, &out, &err), MP_OK);
    assert_int_equal(n, 3);
    assert_true(calls[2].q == 0.25 && !calls[2].is_median);
    assert_string_equal(mp_expr_column_name(out), "\x01"
                                                  "2");
    assert_int_equal(mp_expr_extract_aggs(parse("top(v, 3)"), &arena, calls, &n, 4, &out, &err),
                     MP_OK);
    assert_int_equal(calls[3].k, 3);
    /* an equal call is found again, one more does not fit */
    assert_int_equal(mp_expr_extract_aggs(parse("min(a)"), &arena, calls, &n, 4, &out, &err),
                     MP_OK);
    assert_string_equal(mp_expr_column_name(out), "\x01"
                                                  "1");
    assert_int_equal(mp_expr_extract_aggs(parse("sum(a)"), &arena, calls, &n, 4, &out, &err),
                     MP_USAGE);
    const char *bad[] = {"sum(max(a))", "sum(1 + count())", "1 + top(v, 2)"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        n = 0;
        mp_error_init(&err);
        assert_int_equal(mp_expr_extract_aggs(parse(bad[i]), &arena, calls, &n, 4, &out, &err),
                         MP_USAGE);
    }
}

static void test_calls(void **state) {
    (void)state;
    assert_int_equal(parse("count()")->agg.fn, MP_AGG_COUNT);
    assert_int_equal(parse("count(*)")->agg.fn, MP_AGG_COUNT);
    assert_int_equal(parse("count(x)")->agg.fn, MP_AGG_COUNT_VALUES);
    assert_int_equal(parse("count(distinct x)")->agg.fn, MP_AGG_COUNT_DISTINCT);
    assert_int_equal(parse("avg(x)")->agg.fn, MP_AGG_MEAN);
    assert_true(parse("median(x)")->agg.q == 0.5 && parse("median(x)")->agg.is_median);
    assert_non_null(parse("corr(x, y)")->agg.arg[1]);
    assert_null(parse("quantile(x, 1)")->agg.arg[1]);
    const char *names[][2] = {{"sum(amount)", "sum_amount"},
                              {"Mean(price)", "mean_price"},
                              {"count()", "count"},
                              {"count(*)", "count"},
                              {"count(x)", "count_x"},
                              {"quantile(v, 0.90)", "quantile_v_0.9"},
                              {"quantile(v,1)", "quantile_v_1"},
                              {"median(v)", "median_v"},
                              {"avg(v)", "avg_v"},
                              {"top(v, 2)", "top_v"},
                              {"corr(x,y)", "corr_x_y"},
                              {"count_distinct(`a b`)", "count_distinct_a b"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_string_equal(mp_expr_agg_name(parse(names[i][0]), &arena), names[i][1]);
    assert_null(mp_expr_agg_name(parse("sum(a + 1)"), &arena));
    assert_null(mp_expr_agg_name(parse("sum(a) + 1"), &arena));
}

/* ---- columns ---- */

static char seen[512];

static void note(void *ctx, const char *name, bool number_needed, bool typed) {
    (void)ctx;
    size_t n = strlen(seen);
    snprintf(seen + n, sizeof seen - n, "%s%s%s ", name, number_needed ? "#" : "",
             typed ? "" : "~");
}

static void columns_are(const char *text, const char *want) {
    seen[0] = 0;
    mp_expr_columns(parse(text), false, false, note, NULL);
    if (strcmp(seen, want) != 0) fail_msg("%s: %s", text, seen);
}

static void test_columns(void **state) {
    (void)state;
    columns_are("a", "a~ ");
    columns_are("a * b - -c", "a# b# c# ");
    columns_are("a > 5 and b = 'x' and c = d", "a# b c d ");
    columns_are("a between 1 and b", "a# b# ");
    columns_are("a in ('x', 'y') or b in (1, c)", "a b# c# ");
    columns_are("name like 'a%' and lower(x) ~ 'b' and y is null", "name~ x~ y~ ");
    columns_are("if(c, x, 'no')", "c x~ ");
    columns_are("coalesce(x, 0)", "x# ");
    columns_are("coalesce(x, y)", "x~ y~ ");
    columns_are("case k when 1 then a when 2 then b + 1 end", "a b# k# ");
    columns_are("case when k then a else d + b end", "k a d# b# ");
    columns_are("year(d) + round(x, n)", "d x# n# ");
    columns_are("float(x) + 1", "x ");
    columns_are("d - date('2024-01-01')", "d ");
    columns_are("substr(s, n)", "s~ n# ");
    columns_are("sum(x) + count(y) + max(z) + count()", "x# y~ z ");
    seen[0] = 0;
    mp_expr_columns(parse("if(c, x, y)"), true, true, note, NULL);
    assert_string_equal(seen, "c x# y# ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence), cmocka_unit_test(test_literals),
        cmocka_unit_test(test_errors),     cmocka_unit_test(test_unknown_function),
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_lists),      cmocka_unit_test(test_aggregates),
        cmocka_unit_test(test_calls),      cmocka_unit_test(test_columns)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
