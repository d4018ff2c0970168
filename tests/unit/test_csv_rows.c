/* test_csv_rows.c - typed columns: values that do not fit, the filter before the rest, rejects in
 * order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "csv_oracle.h"

static const mp_csv_dialect plain = {.delimiter = ',', .quote = '"', .comment = '#'};

enum { A, B, C, GONE, N_WANTED };

/* B (number needed) is in the filter, A is a fixed int64, C text that comes after the filter only,
 * and a column that the file lacks. */
static const mp_csv_column typed_columns[N_WANTED] = {
    [A] = {.c = 0,
           .use = MP_CSV_TYPED,
           .type = MP_INT64,
           .fixed = true,
           .after_filter = true,
           .name = "a"},
    [B] = {.c = 1,
           .use = MP_CSV_TYPED,
           .type = MP_INT64,
           .fixed = true,
           .in_filter = true,
           .after_filter = true,
           .name = "b"},
    [C] = {.c = 2,
           .use = MP_CSV_TYPED,
           .type = MP_INT64,
           .need_number = true,
           .after_filter = true,
           .name = "c"},
    [GONE] =
        {.c = -1, .use = MP_CSV_TYPED, .type = MP_FLOAT64, .after_filter = true, .name = "gone"},
};

static mp_status over_ten(void *ctx, const mp_batch *in, uint32_t *sel, int32_t *n_sel,
                          mp_error *err) {
    (void)ctx;
    (void)err;
    int32_t n = 0;
    for (int32_t i = 0; i < in->n_rows; i++)
        if (!mp_col_is_null(&in->cols[0], i) && in->cols[0].i64[i] > 10) sel[n++] = (uint32_t)i;
    *n_sel = n;
    return MP_OK;
}

/* Rows as "number: a b c" with ~ for null. An error is put behind the rejects. */
static void read_typed(const char *text, mp_bad_row mode, bool filter, result *r) {
    csv_sink s = {.r = r};
    mp_csv_args args = {.dialect = &plain,
                        .n_columns = 3,
                        .n_wanted = N_WANTED,
                        .wanted = typed_columns,
                        .on_bad_row = mode,
                        .filter = filter ? over_ten : NULL,
                        .reject = csv_on_reject,
                        .reject_ctx = &s};
    mp_csv_reader *reader = NULL;
    assert_int_equal(mp_csv_reader_new(&args, &reader, NULL), MP_OK);
    guarded g = guard_text(text, strlen(text), true);
    mp_csv_text t = {
        .bytes = g.text, .len = g.len, .split_len = g.len, .at_eof = true, .begin = 1000};
    mp_error err = MP_ERROR_INIT;
    assert_int_equal(mp_csv_reader_begin(reader, &t, &err), MP_OK);
    mp_status st = MP_OK;
    for (bool more = true, need; more && st == MP_OK;) {
        mp_batch b;
        st = mp_csv_reader_next(reader, &b, &more, &need, &err);
        if (st != MP_OK) break;
        assert_true(!more || b.n_cols == N_WANTED);
        for (int32_t i = 0; i < b.n_rows; i++) {
            mp_buf_printf(&r->rows,
                          "%d@%d:", (int)(b.first_row + (b.row_no ? b.row_no[i] : (uint32_t)i)),
                          (int)(b.base + b.rec[i]));
            for (int c = A; c <= C; c++)
                if (mp_col_is_null(&b.cols[c], i))
                    mp_buf_printf(&r->rows, " ~");
                else
                    mp_buf_printf(&r->rows, " %d", (int)b.cols[c].i64[i]);
            assert_true(mp_col_is_null(&b.cols[GONE], i) && b.cols[GONE].f64[i] == 0);
            mp_buf_printf(&r->rows, "\n");
        }
    }
    if (st != MP_OK)
        mp_buf_printf(&r->rejects, "%d@%d %s: %s", (int)err.row_in_split, (int)err.offset,
                      err.column, err.why);
    mp_buf_u8(&r->rows, 0);
    mp_buf_u8(&r->rejects, 0);
    mp_csv_end end;
    mp_csv_reader_end(reader, &end);
    r->n_records = end.n_bad;
    mp_csv_reader_free(&reader);
    guard_free(&g);
}

static void check_typed(const char *text, mp_bad_row mode, bool filter, const char *rows,
                        const char *rejects, int n_bad) {
    result r;
    result_init(&r);
    read_typed(text, mode, filter, &r);
    if (rows) assert_string_equal((char *)r.rows.data, rows);
    assert_memory_equal(r.rejects.data, rejects, strlen(rejects));
    if (!*rejects) assert_int_equal(r.rejects.len, 1);
    assert_int_equal(r.n_records, n_bad);
    result_free(&r);
}

static void misfits_fail(void **state) {
    (void)state;
    /* the smallest row, whichever column is looked at first */
    check_typed("1,20,3\nx,20,3\n1,y,3\n", MP_BAD_ROW_FAIL, true, NULL, "1@1007 a: ", 0);
    check_typed("1,20,3\n1,y,3\nx,20,3\n", MP_BAD_ROW_FAIL, true, NULL, "1@1007 b: ", 0);
    check_typed("1,20,3\n1,20\nx,20,3\n", MP_BAD_ROW_FAIL, true, "0@1000: 1 20 3\n",
                "1@1007 : 2 fields instead of 3", 0);
    check_typed("x,20,3\n1,20\n", MP_BAD_ROW_FAIL, true, "", "0@1000 a: ", 0);
    check_typed("1,20,no\nx,20,3\n", MP_BAD_ROW_FAIL, false, "", "0@1000 c: ", 0);
    /* what the filter leaves out is not looked at */
    check_typed("x,2,no\n1,20,3\n", MP_BAD_ROW_FAIL, true, "1@1007: 1 20 3\n", "", 0);
}

static void misfits_skip(void **state) {
    (void)state;
    const char *text = "1,20,3\nx,20,3\n1,20\n4,y,3\n5,6,7\n6,60,\n";
    check_typed(text, MP_BAD_ROW_SKIP, true, "0@1000: 1 20 3\n5@1031: 6 60 ~\n",
                "@1007#1+6 column 'a': ", 3);
    check_typed("4,y,3\n1,20\nx,11,12\n\"a\"b,1,1\n", MP_BAD_ROW_SKIP, false, "",
                "@1000#0+5 column 'b': ", 4);
    check_typed("1,20\n4,y,3\n", MP_BAD_ROW_SKIP, false, "",
                "@1000#0+4 2 fields instead of 3\n@1005#1+5 ", 2);
    check_typed("x,20,3\n1,20,no\n", MP_BAD_ROW_SKIP, true, "", "1@1007 c: ", 0);
}

static void misfits_null(void **state) {
    (void)state;
    check_typed("x,20,3\n1,20\n\"4\"y,y,3\n1,2,3,4\n", MP_BAD_ROW_NULL, false,
                "0@1000: ~ 20 3\n1@1007: 1 20 ~\n2@1012: ~ ~ 3\n3@1021: 1 2 3\n",
                "@1000#0+6 column 'a': ", 4);
    check_typed("1,20\nx,y,\n", MP_BAD_ROW_NULL, false, "0@1000: 1 20 ~\n1@1005: ~ ~ ~\n",
                "@1000#0+4 2 fields instead of 3\n@1005#1+4 column 'b': ", 2);
}

static void refused_memory(void **state) {
    (void)state;
    for (int64_t limit = 100; limit < 2000000; limit += limit / 2) {
        mp_mem mem;
        mp_mem_init(&mem, limit);
        mp_csv_args args = {.dialect = &plain,
                            .n_columns = 3,
                            .n_wanted = N_WANTED,
                            .wanted = typed_columns,
                            .on_bad_row = MP_BAD_ROW_NULL,
                            .mem = &mem};
        mp_csv_reader *reader = NULL;
        mp_error err = MP_ERROR_INIT;
        mp_status st = mp_csv_reader_new(&args, &reader, &err);
        if (st == MP_OK) {
            guarded g = guard_text("1,20\n\"4\"y,y,3\n", 14, true);
            mp_csv_text t = {.bytes = g.text, .len = 14, .split_len = 14, .at_eof = true};
            st = mp_csv_reader_begin(reader, &t, &err);
            for (bool more = true, need; more && st == MP_OK;) {
                mp_batch b;
                st = mp_csv_reader_next(reader, &b, &more, &need, &err);
            }
            guard_free(&g);
        }
        assert_true(st == MP_NOMEM || (st == MP_OK && limit > 1000));
        assert_true(st == MP_OK || err.status == MP_NOMEM);
        mp_csv_reader_free(&reader);
        assert_int_equal(mem.used_bytes, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(misfits_fail),
        cmocka_unit_test(misfits_skip),
        cmocka_unit_test(misfits_null),
        cmocka_unit_test(refused_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
