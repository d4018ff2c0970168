/* test_group_dense.c - numbers by the dense array, at every SIMD level, against those that a table
 * alone gives: domains that are small, too large, left in the middle, with nulls, empty and long
 * texts, at the edges of readable memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "op/group/group_dense.h"

enum { COLUMNS = 3, TEXT_ROOM = 64, ROWS_MAX = 1 << 19, EDGES = 32 };

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t n) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % n;
}

/* Writes the text of one column of row i of all; a negative length is null. */
typedef int (*text_fn)(int64_t i, char *out);

static int padded(int64_t i, char *out) {
    (void)i;
    return sprintf(out, "id%03u", 1 + random_below(100));
}
static int wide(int64_t i, char *out) {
    (void)i;
    return sprintf(out, "id%010u", 1 + random_below(20000));
}
static int number(int64_t i, char *out) {
    (void)i;
    return sprintf(out, "%u", random_below(3000));
}
static int date(int64_t i, char *out) {
    (void)i;
    return sprintf(out, "2024-%02u-%02u", 1 + random_below(12), 1 + random_below(28));
}
static int country(int64_t i, char *out) {
    static const char *const code[] = {"DE", "US", "FR", "", "?", "\xC3\x84\xC3", "Z"};
    (void)i;
    return sprintf(out, "%s", code[random_below(7)]);
}
/* The same digits mean another key with each prefix and length, with zeros before, and beside a byte
 * one below or above the digits. */
static int alike(int64_t i, char *out) {
    static const char *const form[] = {"%u",  "0%u", "a%u",        "aa%u",
                                       "%u/", "%u:", "00000000%u", "0000000x%u"};
    return sprintf(out, form[random_below(i < 8192 ? 3 : 8)], random_below(10));
}
static int with_nulls(int64_t i, char *out) {
    (void)i;
    return random_below(3) ? sprintf(out, "%.*s", (int)random_below(2), "x") : -1;
}
/* From the middle on other texts, longer ones, and at last those of the beginning again. */
static int leaves(int64_t i, char *out) {
    int64_t k = i / 20000;
    if (k == 1 || k == 2) return sprintf(out, "ix%05u", random_below(500));
    if (k == 3)
        return sprintf(out, "%u%.*s", random_below(100), 30,
                       "a tail that no array has a place for");
    return sprintf(out, "id%03u", random_below(100));
}
static int rarely_odd(int64_t i, char *out) {
    if (random_below(1000) == 0)
        return sprintf(out, "%s", random_below(2) ? "n/a" : "a quite long text");
    return number(i, out);
}
static int fourteen(int64_t i, char *out) {
    (void)i;
    return sprintf(out, "%.*s%02u", 10 + (int)random_below(3), "abcdefghijklmnop",
                   random_below(40));
}
static int bytes(int64_t i, char *out) {
    (void)i;
    out[0] = (char)(100 + random_below(120));
    out[1] = (char)random_below(2);
    return (int)random_below(3);
}
static int anything(int64_t i, char *out) {
    (void)i;
    return sprintf(out, "%08x", random_below(UINT32_MAX));
}
/* Ascending: the range grows all the time. */
static int ascending(int64_t i, char *out) {
    return sprintf(out, "%lld", (long long)i / 7);
}

/* Some texts of a batch lie at the edge of memory that can be read, in pages of their own. */
typedef struct {
    char *area;
    size_t page;
    mp_str text[COLUMNS][MP_BATCH_ROWS];
    uint8_t valid[COLUMNS][MP_BATCH_ROWS];
    char room[COLUMNS][MP_BATCH_ROWS][TEXT_ROOM];
} batch;

static batch *batch_new(void) {
    batch *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->page = (size_t)sysconf(_SC_PAGESIZE);
    b->area = mmap(NULL, (2 * EDGES + 1) * b->page, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(b->area != MAP_FAILED);
    for (size_t i = 0; i <= 2 * EDGES; i += 2)
        assert_int_equal(mprotect(b->area + i * b->page, b->page, PROT_NONE), 0);
    return b;
}

static void batch_free(batch *b) {
    munmap(b->area, (2 * EDGES + 1) * b->page);
    free(b);
}

static void fill(batch *b, const text_fn *columns, int n_cols, int64_t first, int n) {
    int edge = 0;
    for (int c = 0; c < n_cols; c++)
        for (int i = 0; i < n; i++) {
            char *at = b->room[c][i];
            int len = columns[c](first + i, at);
            b->valid[c][i] = len >= 0;
            if (len < 0) len = 0;
            if (edge < EDGES && random_below(50) == 0) {
                char *page = b->area + (size_t)(2 * edge++ + 1) * b->page;
                at = random_below(2) ? page : page + b->page - len;
                memcpy(at, b->room[c][i], (size_t)len);
            }
            b->text[c][i] = mp_str_of(len ? at : NULL, (size_t)len);
        }
}

typedef struct {
    mp_simd level;
    mp_mem mem;
    mp_arena scratch;
    mp_table table, plain; /* plain: without the array */
    mp_dense dense;
    int64_t rows, dense_rows;
    uint32_t *plain_of; /* of a number, UINT32_MAX: not met yet */
} run;

static void run_init(run *r, int n_cols, mp_simd level, int64_t limit_bytes) {
    mp_error err = MP_ERROR_INIT;
    *r = (run){.level = level};
    mp_mem_init(&r->mem, limit_bytes);
    mp_arena_init(&r->scratch, NULL);
    assert_int_equal(mp_table_init(&r->table, 32, &r->mem, &err), MP_OK);
    assert_int_equal(mp_table_init(&r->plain, 32, NULL, &err), MP_OK);
    assert_int_equal(mp_dense_init(&r->dense, n_cols, level, &r->mem, &err), MP_OK);
    r->plain_of = malloc(ROWS_MAX * sizeof *r->plain_of);
    assert_non_null(r->plain_of);
    memset(r->plain_of, 0xFF, ROWS_MAX * sizeof *r->plain_of);
}

static void run_free(run *r) {
    mp_dense_release(&r->dense);
    mp_table_release(&r->table);
    mp_table_release(&r->plain);
    mp_arena_release(&r->scratch);
    assert_int_equal(r->mem.used_bytes, 0);
    free(r->plain_of);
}

/* Numbers as mp_group_add finds them; each stands for one number of the plain table. */
static void run_add(run *r, const mp_dense_rows *rows, int n_cols) {
    static uint32_t found[MP_BATCH_ROWS], want[MP_BATCH_ROWS];
    mp_error err = MP_ERROR_INIT;
    bool dense = r->dense.on;
    mp_status s = MP_OK;
    if (dense) s = mp_dense_find(&r->dense, &r->table, rows, found, &err);
    assert_int_equal(s, MP_OK);
    s = mp_key_encode(MP_SIMD_C, rows->text, rows->valid, n_cols, rows->n, rows->scratch, rows->key,
                      rows->hash, &err);
    if (s == MP_OK) s = mp_table_find(&r->plain, rows->key, rows->hash, rows->n, want, &err);
    if (s == MP_OK && !dense) {
        s = mp_table_find(&r->table, rows->key, rows->hash, rows->n, found, &err);
        mp_dense_learn(&r->dense, rows, r->table.n);
    }
    assert_int_equal(s, MP_OK);
    assert_true(r->table.n == r->plain.n);
    for (int32_t i = 0; i < rows->n; i++) {
        assert_true(found[i] < r->table.n);
        if (r->plain_of[found[i]] == UINT32_MAX) r->plain_of[found[i]] = want[i];
        if (r->plain_of[found[i]] != want[i])
            fail_msg("row %d at level %s", i, mp_simd_name(r->level));
    }
    r->rows += rows->n;
    if (dense) r->dense_rows += rows->n;
}

/* Rows of the columns through the array in batches of any size; how many of 100 it had. */
static int share(const text_fn *columns, int n_cols, int64_t n, bool nulls, int64_t limit_bytes,
                 mp_simd level) {
    static mp_key key[MP_BATCH_ROWS];
    static uint64_t hash[MP_BATCH_ROWS];
    batch *b = batch_new();
    run r;
    run_init(&r, n_cols, level, limit_bytes);
    random_state = 88172645463325252u;
    for (int64_t at = 0; at < n;) {
        int rows = at % 5 ? MP_BATCH_ROWS : 1 + (int)random_below(MP_BATCH_ROWS);
        const mp_str *text[COLUMNS];
        const uint8_t *valid[COLUMNS];
        fill(b, columns, n_cols, at, rows);
        for (int c = 0; c < n_cols; c++) {
            text[c] = b->text[c];
            valid[c] = nulls ? b->valid[c] : NULL;
        }
        mp_dense_rows d = {text, valid, rows, &r.scratch, key, hash};
        mp_arena_reset(&r.scratch);
        run_add(&r, &d, n_cols);
        at += rows;
    }
    int percent = (int)(100 * r.dense_rows / r.rows);
    run_free(&r);
    batch_free(b);
    return percent;
}

/* At every level; least: the share of rows that the array has to have, most: may have. */
static void check(const text_fn *columns, int n_cols, int64_t n, bool nulls, int least, int most) {
    for (mp_simd level = MP_SIMD_C; level <= mp_simd_level(); level++) {
        int percent = share(columns, n_cols, n, nulls, 0, level);
        if (level == MP_SIMD_C) assert_int_equal(percent, 0);
        if (level != MP_SIMD_C && (percent < least || percent > most))
            fail_msg("%d of 100 rows at level %s", percent, mp_simd_name(level));
    }
}

static void small_domains(void **state) {
    (void)state;
    static const text_fn one[] = {padded, wide, number, date, country, alike, fourteen, bytes};
    for (size_t i = 0; i < sizeof one / sizeof *one; i++)
        check(&one[i], 1, 60000, false, 50, 99);
}

static void several_columns(void **state) {
    (void)state;
    static const text_fn two[][COLUMNS] = {
        {padded, number}, {number, padded}, {country, with_nulls}, {with_nulls, date}};
    static const text_fn three[] = {with_nulls, padded, with_nulls};
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        check(two[i], 2, 60000, true, 50, 99);
    check(three, 3, 60000, true, 50, 99);
}

static void domains_that_are_left(void **state) {
    (void)state;
    static const text_fn left[] = {leaves}, odd[] = {rarely_odd}, up[] = {ascending};
    check(left, 1, 120000, false, 20, 80);
    check(odd, 1, 60000, false, 50, 99);
    check(up, 1, 300000, false, 1, 90);
}

static void large_domains(void **state) {
    (void)state;
    static const text_fn any[] = {anything}, many[] = {wide, wide};
    check(any, 1, 60000, false, 0, 0);
    check(many, 2, 60000, false, 0, 0);
}

/* A budget that has no room for the array. */
static void little_memory(void **state) {
    (void)state;
    static const text_fn columns[] = {padded, number};
    if (mp_simd_level() == MP_SIMD_C) skip();
    assert_true(share(columns, 2, 60000, false, 64 << 20, mp_simd_level()) > 50);
    assert_int_equal(share(columns, 2, 60000, false, 12 << 20, mp_simd_level()), 0);
}

/* Numbers begin anew with the table: in a small array at once, in a large one after a while. */
static void cleared(void **state) {
    (void)state;
    static const text_fn column[] = {padded, number};
    static mp_key key[MP_BATCH_ROWS];
    static uint64_t hash[MP_BATCH_ROWS];
    if (mp_simd_level() == MP_SIMD_C) skip();
    for (int n_cols = 1; n_cols <= 2; n_cols++) {
        batch *b = batch_new();
        run r;
        run_init(&r, n_cols, mp_simd_level(), 0);
        const mp_str *text[] = {b->text[0], b->text[1]};
        const uint8_t *valid[] = {NULL, NULL};
        mp_dense_rows d = {text, valid, MP_BATCH_ROWS, &r.scratch, key, hash};
        for (int turn = 0; turn < 40; turn++) {
            fill(b, column, n_cols, 0, MP_BATCH_ROWS);
            run_add(&r, &d, n_cols);
            if (turn != 20) continue;
            assert_true(r.dense.on);
            mp_table_clear(&r.table);
            mp_table_clear(&r.plain);
            mp_dense_clear(&r.dense, false);
            memset(r.plain_of, 0xFF, ROWS_MAX * sizeof *r.plain_of);
            assert_int_equal(r.dense.on, n_cols == 1);
        }
        assert_true(r.dense.on);
        run_free(&r);
        batch_free(b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_domains),         cmocka_unit_test(several_columns),
        cmocka_unit_test(domains_that_are_left), cmocka_unit_test(large_domains),
        cmocka_unit_test(little_memory),         cmocka_unit_test(cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
