/* test_expr_random.c - random expressions, written with no more parentheses than SQL's precedence
 * needs, and rounding of doubles, against answers computed in Python (expr_vectors.py). */
#include "expr_fixture.h"

#include "expr_vectors.h"

static void test_vectors(void **state) {
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const char *got = value_of(vectors[i].text);
        if (strcmp(got, vectors[i].want) == 0) continue;
        wrong++;
        print_error("%s\n got %s\nwant %s", vectors[i].text, got, vectors[i].want);
    }
    assert_int_equal(wrong, 0);
}

/* round(x, n) of doubles against the exact value rounded half away from zero in Python's fractions.
 */
static void test_round(void **state) {
    (void)state;
    mp_arena arena;
    mp_arena_init(&arena, NULL);
    mp_field f[] = {{"x", MP_FLOAT64, 0, 0}, {"n", MP_INT64, 0, 0}};
    mp_schema s = {.n = 2, .fields = f};
    const mp_expr *e;
    mp_prog *p;
    mp_error err = MP_ERROR_INIT;
    assert_int_equal(mp_expr_parse("--where", "round(x, n)", false, &arena, &e, &err), MP_OK);
    assert_int_equal(mp_prog_new(e, &s, &arena, &p, &err), MP_OK);
    for (size_t i = 0; i < sizeof rounded / sizeof rounded[0]; i++) {
        int64_t n = rounded[i].n;
        mp_col col[] = {{.type = MP_FLOAT64, .f64 = &rounded[i].x}, {.type = MP_INT64, .i64 = &n}};
        mp_batch batch = {.n_rows = 1, .n_cols = 2, .cols = col};
        mp_col out;
        int32_t bad;
        assert_int_equal(mp_prog_eval(p, &batch, &arena, &out, &bad, &err), MP_OK);
        if (out.f64[0] != rounded[i].want)
            fail_msg("round(%.17g, %d) is %.17g, not %.17g", rounded[i].x, rounded[i].n, out.f64[0],
                     rounded[i].want);
    }
    mp_prog_free(&p);
    mp_arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors),
                                       cmocka_unit_test(test_round)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
