/* test_group_search.c - the values of aggregates of every type against a plain search over all rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "group_rows.h"

static bool same_group(const row *a, const row *b) {
    for (int c = C_KEY1; c <= C_KEY2; c++) {
        if (a->null[c] != b->null[c]) return false;
        if (a->null[c]) continue;
        if (a->len[c] != b->len[c] || memcmp(a->text[c], b->text[c], a->len[c]) != 0) return false;
    }
    return true;
}

static int text_order(const row *a, const row *b) {
    return mp_str_cmp(mp_str_of(a->text[2], a->len[2]), mp_str_of(b->text[2], b->len[2]));
}

static double as_double(const row *r, int c) {
    return c == C_DEC ? (double)r->i[c] / 1000 : c == C_FLOAT ? r->f : (double)r->i[c];
}

/* Order of two rows by column c. */
static int order(const row *a, const row *b, int c) {
    if (c == C_TEXT) return text_order(a, b);
    if (c == C_FLOAT) return (a->f > b->f) - (a->f < b->f);
    return (a->i[c] > b->i[c]) - (a->i[c] < b->i[c]);
}

static void print_row_value(mp_buf *out, const row *r, int c) {
    mp_str text = mp_str_of(r->text[2], r->len[2]);
    uint8_t b = (uint8_t)r->i[c];
    double f = r->f + 0.0;
    mp_col col = {.type = col_type[c], .scale = DEC_SCALE};
    col.p = c == C_TEXT    ? (const void *)&text
            : c == C_FLOAT ? (const void *)&f
            : c == C_BOOL  ? (const void *)&b
                           : (const void *)&r->i[c];
    print_value(out, &col, 0);
}

static void print_double(mp_buf *out, double v) {
    uint64_t bits;
    memcpy(&bits, &v, 8);
    mp_buf_printf(out, "%016llx", (unsigned long long)bits);
}

/* Expected text of one aggregate over rows v[0 .. n) (none null in column c), in input order. */
static void expect(mp_buf *out, mp_agg_fn fn, int c, const row **v, int n) {
    if (fn == MP_AGG_COUNT_VALUES) {
        mp_buf_printf(out, "%d", n);
        return;
    }
    const row *sorted[2000];
    for (int i = 0; i < n; i++) { /* stable insertion */
        int j = i;
        for (; j > 0 && order(v[i], sorted[j - 1], c) < 0; j--)
            sorted[j] = sorted[j - 1];
        sorted[j] = v[i];
    }
    if (fn == MP_AGG_COUNT_DISTINCT) {
        int distinct = n > 0;
        for (int i = 1; i < n; i++)
            distinct += order(sorted[i - 1], sorted[i], c) != 0;
        mp_buf_printf(out, "%d", distinct);
        return;
    }
    if (fn == MP_AGG_TOP || fn == MP_AGG_BOTTOM) {
        for (int i = 0; i < 3; i++) {
            if (i) mp_buf_u8(out, '|');
            if (i < n)
                print_row_value(out, sorted[fn == MP_AGG_TOP ? n - 1 - i : i], c);
            else
                mp_buf_printf(out, "null");
        }
        return;
    }
    if (n == 0) {
        mp_buf_printf(out, "null");
        return;
    }
    __int128 sum = 0;
    for (int i = 0; i < n; i++)
        sum += v[i]->i[c];
    row total = {.i = {0}};
    total.i[c] = (int64_t)sum;
    double lo = as_double(sorted[(n - 1) / 2], c), hi = as_double(sorted[n / 2], c);
    switch (fn) {
    case MP_AGG_MIN:
    case MP_AGG_MAX:
        print_row_value(out, sorted[fn == MP_AGG_MIN ? 0 : n - 1], c);
        break;
    case MP_AGG_FIRST:
    case MP_AGG_LAST:
        print_row_value(out, v[fn == MP_AGG_FIRST ? 0 : n - 1], c);
        break;
    case MP_AGG_SUM:
        if (c == C_BOOL)
            mp_buf_printf(out, "%lld", (long long)sum);
        else
            print_row_value(out, &total, c);
        break;
    case MP_AGG_MEAN: /* the quotient to 113 bits, then rounded */
        print_double(out, (double)((__float128)sum / ((__float128)n * (c == C_DEC ? 1000 : 1))));
        break;
    default:
        print_double(out, lo == hi ? lo : (lo + hi) / 2);
    }
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines of a buffer, sorted. */
static int lines(mp_buf *b, char **out) {
    int n = 0;
    mp_buf_u8(b, 0);
    for (char *p = (char *)b->data, *end; (end = strchr(p, '\n')); p = end + 1) {
        *end = 0;
        out[n++] = p;
    }
    qsort(out, (size_t)n, sizeof *out, by_text);
    return n;
}

enum { ROWS = 2000 };
static const mp_agg_fn fns[] = {MP_AGG_COUNT_VALUES, MP_AGG_COUNT_DISTINCT, MP_AGG_MIN,
                                MP_AGG_MAX,          MP_AGG_FIRST,          MP_AGG_LAST,
                                MP_AGG_TOP,          MP_AGG_BOTTOM,         MP_AGG_SUM,
                                MP_AGG_MEAN,         MP_AGG_QUANTILE};
enum { N_FNS = sizeof fns / sizeof *fns };

static bool takes(mp_agg_fn fn, int c) {
    bool exact = c == C_BOOL || c == C_INT || c == C_DEC;
    if (fn == MP_AGG_QUANTILE) return exact || c == C_FLOAT;
    return (fn != MP_AGG_SUM && fn != MP_AGG_MEAN) || exact;
}

static void expect_group(mp_buf *out, const rows *d, int first) {
    static const row *in[ROWS];
    const row *key = &d->rows[first];
    for (int c = C_KEY1; c <= C_KEY2; c++) {
        if (key->null[c])
            mp_buf_printf(out, "null|");
        else
            mp_buf_printf(out, "'%.*s'|", (int)key->len[c], key->text[c]);
    }
    int all = 0;
    for (int i = 0; i < d->n; i++)
        all += same_group(key, &d->rows[i]);
    mp_buf_printf(out, "%d", all);
    for (int c = C_BOOL; c < C_NULL; c++)
        for (int f = 0; f < N_FNS; f++) {
            int n = 0;
            if (!takes(fns[f], c)) continue;
            for (int i = 0; i < d->n; i++)
                if (!d->rows[i].null[c] && same_group(key, &d->rows[i])) in[n++] = &d->rows[i];
            mp_buf_u8(out, '|');
            expect(out, fns[f], c, in, n);
        }
    mp_buf_u8(out, '\n');
}

static void plain_search(int n_groups, int null_every) {
    uint64_t x = (uint64_t)n_groups * 977 + 5;
    rows d = make_rows(ROWS, n_groups, null_every, false, &x);
    mp_group_agg specs[C_COLS * N_FNS] = {{.fn = MP_AGG_COUNT, .arg = {-1, -1}}};
    mp_mem mem;
    mp_mem_init(&mem, 0);
    const int key[2] = {C_KEY1, C_KEY2};
    const mp_type types[2] = {MP_STRING, MP_STRING};
    mp_group_args args = {
        .n_keys = 2, .key = key, .n_aggs = 1, .aggs = specs, .window_exp = -60, .mem = &mem};
    for (int c = C_BOOL; c < C_NULL; c++)
        for (int f = 0; f < N_FNS; f++)
            if (takes(fns[f], c))
                specs[args.n_aggs++] = (mp_group_agg){
                    .fn = fns[f], .arg = {c, -1}, .type = {col_type[c]}, .q = 0.5, .k = 3};
    mp_buf want, got;
    mp_buf_init(&want, NULL);
    for (int i = 0; i < d.n; i++) {
        bool seen = false;
        for (int j = 0; j < i && !seen; j++)
            seen = same_group(&d.rows[i], &d.rows[j]);
        if (!seen) expect_group(&want, &d, i);
    }
    static char *a[ROWS], *b[ROWS];
    int n = lines(&want, a);
    assert_true(n > n_groups / 2);
    for (uint64_t variation = 0; variation < 3; variation++) {
        mp_error err = MP_ERROR_INIT;
        mp_buf_init(&got, NULL);
        assert_int_equal(answer(&d, args, types, variation, &got, &err), MP_OK);
        assert_int_equal(lines(&got, b), n);
        for (int i = 0; i < n; i++)
            assert_string_equal(b[i], a[i]);
        mp_buf_release(&got);
    }
    mp_buf_release(&want);
    free_rows(&d);
}

static void as_plain_search(void **state) {
    (void)state;
    plain_search(8, 6);
    plain_search(150, 5);
    plain_search(40, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_plain_search)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
