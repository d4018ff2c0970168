/* test_csv_convert.c - fields to typed columns: every type, null, quote, dialect and misfit,
 * against values worked out by Python (csv_convert_vectors.py) and by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/csv/csv_index.h"

enum { MAX_ROWS = 4096, COLUMNS = 3, PAD = 64 };

/* A run of records in which column place holds the texts and the other columns a point. NULL: a
 * missing field. */
typedef struct {
    char *area;
    uint32_t rec[MAX_ROWS], end[MAX_ROWS * COLUMNS];
    mp_csv_index x;
} run;

static void run_make(run *r, const char *const *texts, int n, int place, bool has_quotes) {
    size_t size = 2 * PAD;
    for (int i = 0; i < n; i++)
        size += (texts[i] ? strlen(texts[i]) : 0) + 6;
    r->area = malloc(size);
    memset(r->area, '7', size); /* digits around, which must not be taken for part of a field */
    char *base = r->area + PAD;
    uint32_t at = 0;
    for (int i = 0; i < n; i++) {
        r->rec[i] = at;
        for (int c = 0; c < COLUMNS; c++) {
            const char *t = c == place ? texts[i] : ".";
            uint32_t *end = &r->end[i * COLUMNS + c];
            if (t) {
                memcpy(base + at, t, strlen(t));
                at += (uint32_t)strlen(t);
                *end = at;
                base[at++] = c == COLUMNS - 1 ? '\n' : ',';
            } else {
                *end = at - 1;
            }
        }
    }
    r->x = (mp_csv_index){.n_rows = n,
                          .n_columns = COLUMNS,
                          .base = (const uint8_t *)base,
                          .rec = r->rec,
                          .end = r->end,
                          .has_quotes = has_quotes};
}

static const mp_csv_dialect plain = {.delimiter = ',', .quote = '"'};

typedef struct {
    run r;
    mp_arena arena;
    mp_evidence seen;
    bool misfit;
    mp_csv_bad_value bad;
    uint8_t bad_rows[MAX_ROWS];
    mp_col col;
} job;

static job j;         /* too large for a stack */
static mp_simd level; /* the tests run at each */

static void job_start(void) {
    mp_arena_release(&j.arena);
    free(j.r.area);
    memset(&j, 0, sizeof j);
    mp_arena_init(&j.arena, NULL);
}

static void convert_more(const mp_csv_dialect *d, const mp_csv_column *column,
                         const char *const *texts, int n, int place, const uint32_t *sel,
                         int n_sel) {
    free(j.r.area);
    run_make(&j.r, texts, n, place, d->quote != 0);
    mp_csv_convert_args a = {d, column, place, &j.seen, &j.misfit, &j.arena, level};
    memset(j.bad_rows, 0, sizeof j.bad_rows);
    mp_error err = MP_ERROR_INIT;
    assert_int_equal(mp_csv_convert(&a, &j.r.x, sel, n_sel, &j.col, &j.bad, j.bad_rows, &err),
                     MP_OK);
}

static void convert(const mp_csv_dialect *d, mp_type type, const char *const *texts, int n) {
    mp_csv_column column = {.use = MP_CSV_TYPED, .type = type};
    job_start();
    convert_more(d, &column, texts, n, 1, NULL, n);
}

static bool null_at(int i) {
    return mp_col_is_null(&j.col, i);
}

#define N_OF(a) ((int)(sizeof(a) / sizeof *(a)))

/* ---- each type by hand ---- */

static void test_int64(void **state) {
    (void)state;
    static const char *const t[] = {"1",       "",
                                    "-12",     " 7 ",
                                    "\"5\"",   "12345678901234567",
                                    "\"\t3\"", NULL,
                                    "0",       "-9223372036854775808"};
    static const int64_t want[] = {1, 0, -12, 7, 5, 12345678901234567, 3, 0, 0, INT64_MIN};
    convert(&plain, MP_INT64, t, N_OF(t));
    for (int i = 0; i < N_OF(t); i++) {
        assert_int_equal(null_at(i), i == 1 || i == 7);
        assert_true(j.col.i64[i] == want[i]);
    }
    assert_int_equal(j.col.type, MP_INT64);
    assert_int_equal(j.seen.seen, MP_SEEN_INT);
    assert_int_equal(j.seen.int_digits, 19);
    assert_false(j.misfit);
    assert_int_equal(j.bad.row, -1);
}

static void test_no_nulls_has_no_valid(void **state) {
    (void)state;
    static const char *const t[] = {"1", "22", "333"};
    for (int type = MP_INT64; type <= MP_STRING; type++) {
        if (type == MP_DATE || type == MP_TIMESTAMP) continue;
        convert(&plain, (mp_type)type, t, 3);
        assert_null(j.col.valid);
    }
}

static void test_decimal_scale_of_batch(void **state) {
    (void)state;
    static const char *const t[] = {"1.5", "2", "", "-0.25", "7.5e-05", "-3.", "\"1\""};
    static const int64_t want[] = {1500000, 2000000, 0, -250000, 75, -3000000, 1000000};
    convert(&plain, MP_DECIMAL, t, N_OF(t));
    assert_int_equal(j.col.scale, 6);
    for (int i = 0; i < N_OF(t); i++)
        assert_true(j.col.i64[i] == want[i]);
    assert_true(null_at(2));
    assert_int_equal(j.seen.seen, MP_SEEN_INT | MP_SEEN_DECIMAL);
    assert_int_equal(j.seen.int_digits, 1);
    assert_int_equal(j.seen.scale, 6);
    assert_false(j.misfit);
}

/* The same column in one batch or in two: the same type, the same misfit. */
static void test_decimals_that_do_not_align(void **state) {
    (void)state;
    static const char *const t[] = {"123456789.5", "0.0000000001"};
    const mp_csv_column column = {.use = MP_CSV_TYPED, .type = MP_DECIMAL};
    convert(&plain, MP_DECIMAL, t, 2);
    mp_evidence together = j.seen;
    assert_true(j.misfit);
    assert_int_equal(mp_evidence_type(together), MP_FLOAT64);
    job_start();
    convert_more(&plain, &column, t, 1, 1, NULL, 1);
    assert_false(j.misfit);
    convert_more(&plain, &column, t + 1, 1, 1, NULL, 1);
    assert_true(j.misfit);
    assert_memory_equal(&together, &j.seen, sizeof together);
}

static void test_decimals_that_overflow(void **state) {
    (void)state;
    static const char *const t[] = {"99999999999999999.5", "0.000000000000000001", "1"};
    convert(&plain, MP_DECIMAL, t, 3);
    assert_true(j.misfit);
    assert_true(null_at(0));
    mp_csv_column fixed = {.use = MP_CSV_TYPED, .type = MP_DECIMAL, .fixed = true};
    job_start();
    convert_more(&plain, &fixed, t, 3, 1, NULL, 3);
    assert_true(j.misfit);
    assert_int_equal(j.bad.row, -1);
}

static void test_float64(void **state) {
    (void)state;
    static const char *const t[] = {"1.5", "2", "1e300", "nan", "-inf", "", "0.1"};
    convert(&plain, MP_FLOAT64, t, N_OF(t));
    assert_true(j.col.f64[0] == 1.5 && j.col.f64[1] == 2 && j.col.f64[2] == 1e300);
    assert_true(isnan(j.col.f64[3]) && j.col.f64[4] == -INFINITY && j.col.f64[6] == 0.1);
    assert_true(null_at(5));
    assert_int_equal(j.seen.seen, MP_SEEN_INT | MP_SEEN_DECIMAL | MP_SEEN_FLOAT);
    convert(&plain, MP_FLOAT64, t, 2);
    assert_int_equal(mp_evidence_type(j.seen), MP_DECIMAL); /* may be narrowed */
    assert_false(j.misfit);
}

static void test_bool(void **state) {
    (void)state;
    static const char *const t[] = {"true", "False", "", "\"TRUE\"", "FALSE"};
    convert(&plain, MP_BOOL, t, N_OF(t));
    const uint8_t want[] = {1, 0, 0, 1, 0};
    assert_memory_equal(j.col.b, want, 5);
    assert_true(null_at(2));
    assert_int_equal(j.seen.seen, MP_SEEN_BOOL);
}

static void test_date_and_timestamp(void **state) {
    (void)state;
    static const char *const d[] = {"1970-01-02", "\"1969-12-31\"", ""};
    convert(&plain, MP_DATE, d, 3);
    assert_true(j.col.i64[0] == 1 && j.col.i64[1] == -1 && null_at(2));
    assert_int_equal(j.seen.seen, MP_SEEN_DATE);
    static const char *const t[] = {"1970-01-01T00:00:01", "1970-01-01T00:00:00.5", "\"\"", ""};
    convert(&plain, MP_TIMESTAMP, t, 2);
    assert_true(j.col.i64[0] == 1000000 && j.col.i64[1] == 500000);
    assert_int_equal(j.seen.seen, MP_SEEN_TS_T);
    assert_int_equal(j.col.ts_sep, 'T');
    static const char *const s[] = {"1970-01-01 00:00:01"};
    convert(&plain, MP_TIMESTAMP, s, 1);
    assert_int_equal(j.seen.seen, MP_SEEN_TS_SPACE);
    assert_int_equal(j.col.ts_sep, ' ');
    assert_false(j.misfit);
    /* one format in the column */
    const mp_csv_column column = {.use = MP_CSV_TYPED, .type = MP_TIMESTAMP};
    convert_more(&plain, &column, t, 1, 1, NULL, 1);
    assert_true(j.misfit);
    assert_int_equal(mp_evidence_type(j.seen), MP_STRING);
    /* unless --types says that it is a timestamp */
    const mp_csv_column fixed = {.use = MP_CSV_TYPED, .type = MP_TIMESTAMP, .fixed = true};
    static const char *const both[] = {"1970-01-01 00:00:01", "1970-01-01T00:00:02"};
    job_start();
    convert_more(&plain, &fixed, both, 2, 1, NULL, 2);
    assert_false(j.misfit);
    assert_int_equal(j.bad.row, -1);
}

static void check_text(int i, const char *want) {
    assert_false(null_at(i));
    assert_int_equal(j.col.str[i].flags, 0);
    assert_int_equal(j.col.str[i].len, strlen(want));
    assert_memory_equal(j.col.str[i].p, want, strlen(want));
}

static void test_text(void **state) {
    (void)state;
    static const char *const t[] = {"a b", "",       "\"\"", "\"q\"", "\"a\"\"b\"", "\"\"\"\"",
                                    "NA",  "\"NA\"", NULL,   "x\"y",  "\"l1\nl2\""};
    const mp_csv_column column = {.use = MP_CSV_TEXT};
    for (int with_nulls = 0; with_nulls < 2; with_nulls++) {
        static const char *nulls[] = {"-", "NA"};
        mp_csv_dialect d = plain;
        d.nulls = nulls;
        d.n_nulls = with_nulls ? 2 : 0;
        for (int place = 0; place < COLUMNS - 1; place++) {
            job_start();
            convert_more(&d, &column, t, N_OF(t), place, NULL, N_OF(t));
            check_text(0, "a b");
            assert_true(null_at(1) && j.col.str[1].len == 0);
            check_text(2, "");
            check_text(3, "q");
            check_text(4, "a\"b");
            check_text(5, "\"");
            if (with_nulls)
                assert_true(null_at(6) && j.col.str[6].len == 0);
            else
                check_text(6, "NA");
            check_text(7, "NA");
            assert_true(null_at(8));
            check_text(9, "x\"y");
            check_text(10, "l1\nl2");
            assert_int_equal(j.col.type, MP_STRING);
            assert_int_equal(j.seen.seen, 0);
            /* not copied */
            assert_ptr_equal(j.col.str[0].p, j.r.x.base + j.r.rec[0] + (place ? 2 : 0));
        }
    }
    mp_csv_dialect none = plain;
    none.quote = 0;
    job_start();
    convert_more(&none, &column, t, N_OF(t), 1, NULL, N_OF(t));
    check_text(3, "\"q\"");
    check_text(2, "\"\"");
    assert_true(null_at(1) && null_at(8));
}

static void test_string_evidence(void **state) {
    (void)state;
    static const char *const ints[] = {"1", "", "22", "\"3\""};
    convert(&plain, MP_STRING, ints, 4);
    assert_int_equal(j.seen.seen, MP_SEEN_INT);
    assert_int_equal(j.seen.int_digits, 2);
    assert_false(j.misfit);
    check_text(2, "22");
    static const char *const mixed[] = {"1", "true", "abc"};
    convert(&plain, MP_STRING, mixed, 3);
    assert_int_equal(mp_evidence_type(j.seen), MP_STRING);
    static const char *const empty[] = {"\"\"", "1"};
    convert(&plain, MP_STRING, empty, 2);
    assert_int_equal(mp_evidence_type(j.seen), MP_STRING);
    static const char *const unquoted[] = {"\"1\"\"\""};
    convert(&plain, MP_STRING, unquoted, 1);
    assert_int_equal(j.seen.seen, MP_SEEN_STRING);
}

static void test_null_type(void **state) {
    (void)state;
    static const char *const t[] = {"", "5", ""};
    convert(&plain, MP_NULL, t, 1);
    assert_true(null_at(0));
    assert_false(j.misfit);
    assert_int_equal(j.seen.seen, 0);
    convert(&plain, MP_NULL, t, 3);
    assert_true(null_at(0) && null_at(1) && null_at(2));
    assert_true(j.misfit);
    assert_int_equal(j.seen.seen, MP_SEEN_INT);
}

static void test_missing_column(void **state) {
    (void)state;
    static const char *const t[] = {"1", "2"};
    for (int type = MP_NULL; type < MP_TYPE_COUNT; type++) {
        job_start();
        run_make(&j.r, t, 2, 0, true);
        mp_csv_column column = {.c = -1, .use = MP_CSV_TYPED, .type = (mp_type)type};
        mp_csv_convert_args a = {&plain, &column, -1, &j.seen, &j.misfit, &j.arena, level};
        mp_error err = MP_ERROR_INIT;
        assert_int_equal(mp_csv_convert(&a, &j.r.x, NULL, 2, &j.col, &j.bad, NULL, &err), MP_OK);
        assert_true(null_at(0) && null_at(1));
        assert_int_equal(j.col.type, type);
        assert_false(j.misfit);
        if (type == MP_STRING) assert_int_equal(j.col.str[1].len, 0);
    }
}

/* ---- misfits ---- */

/* A text of each form; which types it fits is in test_type.c. */
static const char *const forms[] = {
    "5", "5.5", "1e300", "true", "2020-01-01", "1970-01-01T00:00:00", "abc", "1234567890123456789"};
static const uint8_t form_seen[] = {MP_SEEN_INT,  MP_SEEN_DECIMAL, MP_SEEN_FLOAT,  MP_SEEN_BOOL,
                                    MP_SEEN_DATE, MP_SEEN_TS_T,    MP_SEEN_STRING, MP_SEEN_INT};

static bool form_fits(int form, int type) {
    switch (type) {
    case MP_BOOL:
        return form == 3;
    case MP_INT64:
        return form == 0 || form == 7;
    case MP_DECIMAL:
        return form <= 1;
    case MP_FLOAT64:
        return form <= 2 || form == 7;
    case MP_DATE:
        return form == 4;
    case MP_TIMESTAMP:
        return form == 5;
    default:
        return true;
    }
}

static void test_every_misfit(void **state) {
    (void)state;
    static const char *const article[] = {"",          "a bool", "an int64",    "a decimal",
                                          "a float64", "a date", "a timestamp", "a string"};
    for (int type = MP_BOOL; type <= MP_STRING; type++) {
        for (int f = 0; f < N_OF(forms); f++) {
            const char *t[] = {"", forms[f], forms[f]};
            bool fits = form_fits(f, type);
            convert(&plain, (mp_type)type, t, 3);
            assert_int_equal(null_at(1), !fits);
            assert_int_equal(null_at(2), !fits);
            assert_int_equal(j.seen.seen, form_seen[f]);
            bool holds = fits || (type == MP_DECIMAL && f == 7);
            assert_int_equal(j.misfit, !holds);
            assert_int_equal(j.bad.row, -1);

            mp_csv_column fixed = {.use = MP_CSV_TYPED, .type = (mp_type)type, .fixed = true};
            job_start();
            convert_more(&plain, &fixed, t, 3, 2, NULL, 3);
            assert_int_equal(null_at(1), !fits);
            assert_false(j.misfit);
            assert_int_equal(j.bad.row, fits ? -1 : 1);
            assert_int_equal(j.bad_rows[0], 0);
            assert_int_equal(j.bad_rows[1], !fits);
            assert_int_equal(j.bad_rows[2], !fits);
            if (fits) continue;
            char want[128];
            snprintf(want, sizeof want, "'%s' is not %s", forms[f], article[type]);
            assert_string_equal(j.bad.reason, want);
            assert_false(j.bad.is_data_error);
            assert_int_equal(j.bad.text.len, strlen(forms[f]));
            assert_memory_equal(j.bad.text.p, forms[f], strlen(forms[f]));
            assert_int_equal(j.seen.seen, 0);
        }
    }
}

static void test_need_number(void **state) {
    (void)state;
    for (int type = MP_NULL; type <= MP_STRING; type++) {
        for (int f = 0; f < N_OF(forms); f++) {
            const char *t[] = {"1", forms[f]};
            mp_csv_column column = {
                .use = MP_CSV_TYPED, .type = (mp_type)type, .need_number = true};
            job_start();
            convert_more(&plain, &column, t, 2, 1, NULL, 2);
            bool number = f <= 2 || f == 7;
            assert_int_equal(j.bad.row, number ? -1 : 1);
            bool numeric = type == MP_NULL || mp_type_is_number((mp_type)type);
            mp_type made = numeric ? (mp_type)type : MP_INT64;
            assert_int_equal(j.col.type, made);
            assert_int_equal(j.seen.seen, MP_SEEN_INT | (number ? form_seen[f] : 0));
            assert_int_equal(j.misfit, !mp_type_holds(made, j.seen));
            assert_int_equal(null_at(1), made == MP_NULL || !number || !form_fits(f, (int)made));
            if (number) continue;
            assert_true(j.bad.is_data_error);
            char want[128];
            snprintf(want, sizeof want, "'%s' is not a number", forms[f]);
            assert_string_equal(j.bad.reason, want);
        }
    }
    assert_true(mp_csv_looks_null(mp_str_c("NA")) && mp_csv_looks_null(mp_str_c("\\N")));
    assert_true(mp_csv_looks_null(mp_str_c("N/A")) && mp_csv_looks_null(mp_str_c("NULL")));
    assert_false(mp_csv_looks_null(mp_str_c("")) || mp_csv_looks_null(mp_str_c("NAN")));
}

static void test_reason_is_cut(void **state) {
    (void)state;
    char text[400];
    for (int lead = 0; lead < 2; lead++) { /* the cut falls inside a character and between two */
        memset(text, 'a', sizeof text);
        for (size_t i = (size_t)lead; i + 2 < sizeof text; i += 2)
            memcpy(text + i, "\xC3\xA9", 2);
        text[5 + lead] = '\n';
        text[sizeof text - 1] = 0;
        const char *t[] = {text};
        mp_csv_column fixed = {.use = MP_CSV_TYPED, .type = MP_INT64, .fixed = true};
        job_start();
        convert_more(&plain, &fixed, t, 1, 1, NULL, 1);
        assert_non_null(strstr(j.bad.reason, "...' is not an int64"));
        assert_null(strchr(j.bad.reason, '\n'));
        const char *cut = strstr(j.bad.reason, "...");
        assert_int_equal((unsigned char)cut[-1], 0xA9);
        assert_int_equal(j.bad.text.len, sizeof text - 1);
    }
}

/* ---- dialects ---- */

static void test_null_markers_that_are_values(void **state) {
    (void)state;
    static const char *nulls[] = {"-999", "0.5", "true", "1970-01-01", "1970-01-01T00:00:00", ""};
    static const char *const t[] = {"-999", "\"-999\"",   "0.5",
                                    "true", "1970-01-01", "1970-01-01T00:00:00"};
    mp_csv_dialect d = plain;
    d.nulls = nulls;
    d.n_nulls = N_OF(nulls);
    for (int type = MP_BOOL; type <= MP_STRING; type++) {
        convert(&d, (mp_type)type, t, N_OF(t));
        for (int i = 0; i < N_OF(t); i++)
            if (i != 1) assert_true(null_at(i));
        assert_int_equal(j.seen.seen, MP_SEEN_INT);
    }
}

static void test_decimal_comma_and_thousands(void **state) {
    (void)state;
    mp_csv_dialect d = {.delimiter = ';', .quote = '"', .decimal_comma = true, .thousands = '.'};
    static const char *const t[] = {"1,5",   "1.234", "-12.345.678,25", "1234,5", "\"2,5\"",
                                    " 7,0 ", "12.34", "1.2345",         ".5",     "0,123.456",
                                    "3",     "5e3",   "1.000,5e1"};
    static const uint8_t seen[] = {
        MP_SEEN_DECIMAL, MP_SEEN_INT,     MP_SEEN_DECIMAL, MP_SEEN_DECIMAL, MP_SEEN_DECIMAL,
        MP_SEEN_DECIMAL, MP_SEEN_STRING,  MP_SEEN_STRING,  MP_SEEN_STRING,  MP_SEEN_STRING,
        MP_SEEN_INT,     MP_SEEN_DECIMAL, MP_SEEN_DECIMAL};
    static const double want[] = {1.5, 1234, -12345678.25, 1234.5, 2.5, 7, 0, 0, 0,
                                  0,   3,    5000,         10005};
    for (int i = 0; i < N_OF(t); i++) {
        convert(&d, MP_FLOAT64, t + i, 1);
        assert_int_equal(j.seen.seen, seen[i]);
        if (seen[i] != MP_SEEN_STRING) assert_true(j.col.f64[0] == want[i]);
        convert(&d, MP_DECIMAL, t + i, 1);
        assert_int_equal(j.seen.seen, seen[i]);
        assert_int_equal(null_at(0), seen[i] == MP_SEEN_STRING);
    }
    d.thousands = 0;
    static const char *const point[] = {"1.5", "1.234", "2,5"};
    convert(&d, MP_DECIMAL, point, 3);
    assert_true(null_at(0) && null_at(1) && !null_at(2));
    mp_csv_dialect us = {.delimiter = '\t', .quote = '"', .thousands = ','};
    static const char *const big[] = {"1,234,567", "12,34", "1,234.5", "999", ",123"};
    convert(&us, MP_DECIMAL, big, 5);
    assert_true(j.col.scale == 1 && j.col.i64[0] == 12345670 && null_at(1));
    assert_true(j.col.i64[2] == 12345 && j.col.i64[3] == 9990 && null_at(4));
}

static void test_date_format(void **state) {
    (void)state;
    mp_csv_dialect d = plain;
    d.date_format = "%d/%m/%Y";
    static const char *const t[] = {"02/01/1970", "31/12/1969", "31/02/1970", "1970-01-02", "17"};
    convert(&d, MP_DATE, t, 5);
    assert_true(j.col.i64[0] == 1 && j.col.i64[1] == -1 && j.col.i64[3] == 1);
    assert_true(null_at(2) && null_at(4));
    assert_int_equal(j.seen.seen, MP_SEEN_DATE | MP_SEEN_STRING | MP_SEEN_INT);
    d.date_format = "%Y/%m/%d %H:%M";
    static const char *const ts[] = {"1970/01/01 00:01"};
    convert(&d, MP_TIMESTAMP, ts, 1);
    assert_true(j.col.i64[0] == 60000000);
    assert_int_equal(j.seen.seen, MP_SEEN_TS_SPACE);
    /* a format of digits: a date, but a number where the plan needs one */
    d.date_format = "%Y%m%d";
    static const char *const digits[] = {"19700102"};
    convert(&d, MP_INT64, digits, 1);
    assert_int_equal(j.seen.seen, MP_SEEN_DATE);
    assert_true(j.misfit);
    convert(&d, MP_DATE, digits, 1);
    assert_true(j.col.i64[0] == 1);
    const mp_csv_column column = {.use = MP_CSV_TYPED, .type = MP_INT64, .need_number = true};
    job_start();
    convert_more(&d, &column, digits, 1, 1, NULL, 1);
    assert_true(j.col.i64[0] == 19700102 && j.bad.row == -1);
    assert_int_equal(j.seen.seen, MP_SEEN_INT);
}

/* ---- columns of numbers made by Python ---- */

typedef struct {
    const char *text;
    uint8_t seen, int_digits, scale;
    int64_t i;
    uint64_t bits;
} vector;

static const vector vectors[] = {
#include "csv_convert_vectors.h"
};

static uint64_t next_random(uint64_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static bool vector_fits(const vector *v, mp_type t) {
    if (t == MP_INT64) return v->seen == MP_SEEN_INT;
    if (t == MP_FLOAT64) return v->seen != MP_SEEN_STRING;
    return v->seen == MP_SEEN_DECIMAL || (v->seen == MP_SEEN_INT && v->int_digits <= 18);
}

static void check_vector(int row, const vector *v, mp_type type) {
    if (!v || !vector_fits(v, type)) {
        assert_true(null_at(row));
    } else if (type == MP_INT64) {
        assert_true(!null_at(row) && j.col.i64[row] == v->i);
    } else if (type == MP_FLOAT64) {
        double want;
        memcpy(&want, &v->bits, 8);
        bool nan = isnan(want) && isnan(j.col.f64[row]);
        assert_true(!null_at(row) && (nan || memcmp(&want, &j.col.f64[row], 8) == 0));
    } else {
        __int128 want = v->i;
        for (int s = v->scale; s < j.col.scale; s++)
            want *= 10;
        bool null = want != (int64_t)want;
        assert_int_equal(null_at(row), null);
        if (null) assert_true(j.misfit);
        if (!null) assert_true(j.col.i64[row] == (int64_t)want);
    }
}

static void test_columns_of_vectors(void **state) {
    (void)state;
    static const char *texts[MAX_ROWS];
    static const vector *want[MAX_ROWS];
    static uint32_t sel[MAX_ROWS];
    static char quoted[MAX_ROWS][80];
    uint64_t s = 88172645463325252u;
    for (int round = 0; round < 600; round++) {
        int n = 1 + (int)(next_random(&s) % (round % 10 ? 12 : 600)), n_sel = 0;
        bool use_sel = next_random(&s) % 3 == 0;
        bool tame = next_random(&s) % 2; /* short numbers only, as files have them */
        for (int i = 0; i < n; i++) {
            const vector *v;
            do
                v = &vectors[next_random(&s) % (uint64_t)N_OF(vectors)];
            while (tame && (v->seen > MP_SEEN_DECIMAL || v->int_digits > 9 || v->scale > 9));
            want[i] = next_random(&s) % 16 ? v : NULL;
            texts[i] = want[i] ? v->text : "";
            if (want[i] && next_random(&s) % 8 == 0) {
                snprintf(quoted[i], sizeof quoted[i], "\"%s\"", v->text);
                texts[i] = quoted[i];
            }
            if (next_random(&s) % 2) sel[n_sel++] = (uint32_t)i;
        }
        mp_type type = (mp_type)(MP_INT64 + next_random(&s) % 3);
        mp_csv_column column = {.use = MP_CSV_TYPED, .type = type};
        int rows = use_sel ? n_sel : n, top = 0;
        job_start();
        convert_more(&plain, &column, texts, n, (int)(next_random(&s) % 3), use_sel ? sel : NULL,
                     rows);
        mp_evidence e = {0};
        for (int r = 0; r < rows; r++) {
            const vector *v = want[use_sel ? sel[r] : (uint32_t)r];
            check_vector(r, v, type);
            if (!v) continue;
            mp_evidence_add(&e, (mp_evidence){v->seen, v->int_digits, v->scale});
            if (vector_fits(v, MP_DECIMAL) && v->scale > top) top = v->scale;
        }
        assert_memory_equal(&e, &j.seen, sizeof e);
        assert_int_equal(j.misfit, !mp_type_holds(type, e));
        if (type == MP_DECIMAL) assert_int_equal(j.col.scale, top);
    }
}

/* The loops read short forms in place: they must agree with mp_value_of_text on everything that
 * looks like one. */
static void test_loops_agree_with_values(void **state) {
    (void)state;
    enum { N = 400 };
    static const char digits[] = "00112233445566778899012345678987654321.-";
    static const char odd[] = "0123456789..--/: eE+'\x01\x80";
    static char text[N][24];
    static const char *texts[N];
    uint64_t s = 1234567;
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < N; i++) {
            const char *set = next_random(&s) % 4 ? digits : odd;
            size_t len = 1 + next_random(&s) % 19;
            for (size_t k = 0; k < len; k++)
                text[i][k] = set[next_random(&s) % strlen(set)];
            text[i][len] = 0;
            if (next_random(&s) % 2 && len > 2) text[i][1 + next_random(&s) % (len - 1)] = '.';
            texts[i] = text[i];
        }
        for (int type = MP_INT64; type <= MP_FLOAT64; type++) {
            mp_evidence e = {0};
            convert(&plain, (mp_type)type, texts, N);
            for (int i = 0; i < N; i++) {
                mp_value v;
                mp_value_of_text(text[i], strlen(text[i]), &v);
                mp_evidence_add(&e, v.e);
                vector w = {text[i], v.e.seen, v.e.int_digits, v.e.scale, v.i, 0};
                memcpy(&w.bits, &v.f, 8);
                check_vector(i, &w, (mp_type)type);
            }
            assert_memory_equal(&e, &j.seen, sizeof e);
        }
    }
}

static void test_refused_memory(void **state) {
    (void)state;
    static const char *const t[] = {"\"a\"\"b\"", ""};
    for (int type = MP_NULL; type < MP_TYPE_COUNT; type++) {
        job_start();
        mp_mem mem;
        mp_mem_init(&mem, 1);
        mp_arena_init(&j.arena, &mem);
        run_make(&j.r, t, 2, 1, true);
        mp_csv_column column = {.use = MP_CSV_TYPED, .type = (mp_type)type};
        mp_csv_convert_args a = {&plain, &column, 1, &j.seen, &j.misfit, &j.arena, level};
        mp_error err = MP_ERROR_INIT;
        assert_int_equal(mp_csv_convert(&a, &j.r.x, NULL, 2, &j.col, &j.bad, NULL, &err), MP_NOMEM);
        assert_int_equal(err.status, MP_NOMEM);
    }
    job_start();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_int64),
        cmocka_unit_test(test_no_nulls_has_no_valid),
        cmocka_unit_test(test_decimal_scale_of_batch),
        cmocka_unit_test(test_decimals_that_do_not_align),
        cmocka_unit_test(test_decimals_that_overflow),
        cmocka_unit_test(test_float64),
        cmocka_unit_test(test_bool),
        cmocka_unit_test(test_date_and_timestamp),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_string_evidence),
        cmocka_unit_test(test_null_type),
        cmocka_unit_test(test_missing_column),
        cmocka_unit_test(test_every_misfit),
        cmocka_unit_test(test_need_number),
        cmocka_unit_test(test_reason_is_cut),
        cmocka_unit_test(test_null_markers_that_are_values),
        cmocka_unit_test(test_decimal_comma_and_thousands),
        cmocka_unit_test(test_date_format),
        cmocka_unit_test(test_columns_of_vectors),
        cmocka_unit_test(test_loops_agree_with_values),
        cmocka_unit_test(test_refused_memory),
    };
    int failed = 0;
    for (level = MP_SIMD_C; level <= mp_simd_level(); level++)
        failed += cmocka_run_group_tests_name(mp_simd_name(level), tests, NULL, NULL);
    job_start();
    free(j.r.area);
    return failed;
}
