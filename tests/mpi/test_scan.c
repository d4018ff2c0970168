/* test_scan.c - the scan and its feed: rows of files and pipes come once per pass on some rank, wrong guesses and wrong types are found,
 * and the pass behind them has the right rows. Guarded by alarm: a hang is a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "on_ranks.h"
#include "run/scan.h"

enum { MOST_FILES = 3, MOST_PASSES = 6, MOST_SPLITS = 40 };

/* One scan: what is read, what came of it. */
typedef struct {
    mp_comm *c;
    mp_mem mem;
    mp_arena arena;
    mp_spec spec;
    int64_t splits[MOST_SPLITS];
    const char *paths[MOST_FILES];
    char names[MOST_FILES][64];
    mp_table table;
    mp_table_stream *streams;
    mp_feed *feed;
    mp_scan *scan;
    mp_query q;
    mp_scan_plan plan;
    mp_evidence *seen;
    int64_t most_rows;
    /* of the last pass, this rank's; then of all */
    int64_t rows, sum, nulls;
    int passes;
    mp_flow_verdict first; /* verdict of the first pass */
    mp_status status;
    mp_error err;
} world;

static bool head(const world *w) {
    return mp_comm_rank(w->c) == 0;
}

/* ---- the inputs ---- */

static void begin(world *w, mp_comm *c) {
    *w = (world){.c = c, .most_rows = -1, .err = MP_ERROR_INIT};
    mp_mem_init(&w->mem, 0);
    mp_arena_init(&w->arena, &w->mem);
    w->spec.input.quote = '"';
    w->spec.input.paths = w->paths;
    w->spec.query.limit_rows = -1;
    w->spec.run.test_splits = w->splits;
}

static void cut_every(world *w, int64_t bytes) {
    w->spec.run.n_test_splits = MOST_SPLITS;
    for (int i = 0; i < MOST_SPLITS; i++)
        w->splits[i] = (i + 1) * bytes;
}

/* A file that rank 0 writes; a failure shows when it is opened. */
static void add_file(world *w, const char *text) {
    int n = w->spec.input.n_paths++;
    w->paths[n] = w->names[n];
    if (!head(w)) return;
    snprintf(w->names[n], sizeof w->names[n], "/tmp/mpart-test-scan-%d-XXXXXX", n);
    int fd = mkstemp(w->names[n]);
    if (fd < 0) return;
    (void)!write(fd, text, strlen(text));
    close(fd);
}

/* Standard input of rank 0 becomes a pipe that holds the text. */
static void add_pipe(world *w, const char *text) {
    int n = w->spec.input.n_paths++, fds[2];
    w->paths[n] = "-";
    if (!head(w) || pipe(fds) != 0) return;
    (void)!fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
    (void)!write(fds[1], text, strlen(text));
    close(fds[1]);
    dup2(fds[0], 0);
    close(fds[0]);
}

/* ---- the consumer: sum of the first value, which is an int64 or a decimal, in hundredths ---- */

static mp_status on_batch(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    world *w = ctx;
    (void)split;
    static const int64_t hundredths[] = {100, 10, 1};
    w->rows += in->n_rows;
    if (in->n_cols == 0) return MP_OK;
    const mp_col *v = &in->cols[0];
    if (v->type == MP_STRING || v->type == MP_NULL) return MP_OK;
    if ((v->type != MP_INT64 && v->type != MP_DECIMAL) || v->scale > 2)
        return mp_error_set(err, MP_FAILED, NULL, "type %d, scale %d", (int)v->type, v->scale);
    for (int32_t i = 0; i < in->n_rows; i++) {
        if (mp_col_is_null(v, i))
            w->nulls++;
        else
            w->sum += v->i64[i] * hundredths[v->type == MP_INT64 ? 0 : v->scale];
    }
    return MP_OK;
}

/* ---- the passes, as a query makes them ---- */

static mp_status share_table(world *w) {
    mp_buf b;
    mp_buf_init(&b, &w->mem);
    mp_status st = MP_OK;
    if (head(w)) {
        st = mp_table_open(&w->spec, &w->arena, &w->mem, &w->table, &w->streams, &w->err);
        if (!st) mp_table_encode(&w->table, &b);
    }
    st = mp_comm_agree(w->c, &w->err);
    if (!st) st = mp_comm_bcast(w->c, &b, &w->err);
    if (!st && !head(w))
        st = mp_table_decode(&w->spec, b.data, b.len, &w->arena, &w->table, &w->err);
    mp_buf_release(&b);
    return st;
}

static mp_status prepare(world *w) {
    mp_status st = share_table(w);
    if (st) return st;
    size_t n = (size_t)w->table.n_columns;
    w->seen = mp_arena_alloc(&w->arena, n * sizeof *w->seen, 16);
    if (!w->seen) return MP_NOMEM;
    memcpy(w->seen, w->table.sample, n * sizeof *w->seen);
    st = mp_query_parse(&w->spec, &w->table, false, &w->arena, &w->q, &w->err);
    if (!st) st = mp_query_bind(&w->q, &w->table, w->seen, &w->arena, &w->plan, &w->err);
    if (!st && head(w)) {
        st = mp_feed_new(&w->spec, &w->table, w->streams, mp_comm_size(w->c), &w->mem, &w->feed,
                         &w->err);
        w->streams = NULL;
    }
    mp_scan_args args = {
        .comm = w->c, .spec = &w->spec, .table = &w->table, .feed = w->feed, .mem = &w->mem};
    return st ? st : mp_scan_new(&args, &w->scan, &w->err);
}

static mp_status one_pass(world *w, bool *stands) {
    mp_scan_consumer consumer = {.ctx = w, .batch = on_batch, .most_rows = w->most_rows};
    mp_flow_verdict verdict;
    mp_scan_plan amended;
    w->rows = w->sum = w->nulls = 0;
    mp_status st = mp_scan_pass(w->scan, &w->plan, &consumer, w->seen, &verdict, &w->err);
    if (w->passes++ == 0) w->first = verdict;
    *stands = !st && verdict != MP_FLOW_REDO;
    if (!*stands) return st;
    st = mp_query_bind(&w->q, &w->table, w->seen, &w->arena, &amended, &w->err);
    if (st) return st;
    *stands = amended.signature == w->plan.signature;
    mp_scan_plan_release(&w->plan);
    w->plan = amended;
    return MP_OK;
}

/* Scan until a pass stands. */
static void scan_it(world *w) {
    bool stands = false;
    w->status = prepare(w);
    w->status = mp_comm_agree(w->c, &w->err);
    while (!w->status && !stands && w->passes < MOST_PASSES)
        w->status = one_pass(w, &stands);
    int64_t all[3] = {w->rows, w->sum, w->nulls};
    if (mp_comm_allreduce(w->c, all, 3, MP_SUM, NULL)) w->status = MP_FAILED;
    w->rows = all[0];
    w->sum = all[1];
    w->nulls = all[2];
}

/* Every rank has come here: from now on it may assert. */
static void end(world *w) {
    mp_scan_plan_release(&w->plan);
    mp_scan_free(&w->scan);
    mp_feed_free(&w->feed);
    mp_table_streams_free(&w->streams, w->table.n_files);
    mp_arena_release(&w->arena);
    for (int i = 0; i < w->spec.input.n_paths && head(w); i++)
        if (w->names[i][0]) unlink(w->names[i]);
    int64_t worst[2] = {w->status, w->mem.used_bytes};
    mp_status st = mp_comm_allreduce(w->c, worst, 2, MP_MAX, NULL);
    assert_int_equal(st, MP_OK);
    assert_int_equal(worst[1], 0);
}

static void check(world *w, int64_t rows, int64_t sum, int passes) {
    end(w);
    if (w->status) print_message("%s: %s\n", w->err.what, w->err.why);
    assert_int_equal(w->status, MP_OK);
    assert_int_equal(w->rows, rows);
    assert_int_equal(w->sum, sum);
    if (passes) assert_int_equal(w->passes, passes);
}

/* ---- texts ---- */

/* "n,s" and rows first .. last, each with a text; quoted: with a newline in it. The caller frees it. */
static char *rows_text(const char *header, int first, int last, bool quoted, const char *tail) {
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    if (!f) abort();
    fputs(header, f);
    for (int i = first; i <= last; i++)
        fprintf(f, quoted ? "%d,\"a\n%d,b\"\n" : "%d,word%d\n", i, i);
    fputs(tail, f);
    fclose(f);
    return text;
}

static int64_t sum_of(int first, int last) {
    return (int64_t)(first + last) * (last - first + 1) / 2 * 100;
}

/* ---- tests ---- */

static void test_rows(void **state) {
    world w;
    begin(&w, *state);
    char *text = rows_text("n,s\n", 1, 300, false, "");
    w.spec.query.select = "n + 0";
    add_file(&w, text);
    cut_every(&w, 97);
    scan_it(&w);
    free(text);
    check(&w, 300, sum_of(1, 300), 1);
}

static void test_wrong_guesses(void **state) {
    world w;
    begin(&w, *state);
    char *text = rows_text("n,s\n", 1, 300, true, "");
    w.spec.query.select = "n + 0";
    w.spec.run.guess_wrong = true;
    add_file(&w, text);
    cut_every(&w, 101);
    scan_it(&w);
    free(text);
    mp_flow_verdict first = w.first;
    check(&w, 300, sum_of(1, 300), 0);
    assert_int_equal(first, MP_FLOW_REDO);
}

/* The sample is the first 256 KiB: ints. A decimal far behind it. */
static void test_types_of_late_rows(void **state) {
    for (int where = 0; where < 2; where++) {
        world w;
        begin(&w, *state);
        char *text = rows_text("n,s\n", 1, 40000, false, "0.25,z\n");
        w.spec.query.select = "n + 0";
        w.spec.query.where = where ? "s != 'word7'" : NULL;
        add_file(&w, text);
        cut_every(&w, 20011);
        scan_it(&w);
        free(text);
        check(&w, 40001 - where, sum_of(1, 40000) + 25 - 700 * where, 2);
    }
}

static void test_columns_by_name(void **state) {
    world w;
    begin(&w, *state);
    w.spec.query.select = "n + 0";
    add_file(&w, "n,s\n1,a\n2,b\n");
    add_file(&w, "s;n\nc;3\nd;4.5\n");
    add_file(&w, "n\ts\n5\te\n\tf\n");
    cut_every(&w, 9);
    scan_it(&w);
    int64_t nulls = w.nulls;
    check(&w, 6, 1550, 0);
    assert_int_equal(nulls, 1);
}

static void test_missing_column(void **state) {
    world w;
    begin(&w, *state);
    w.spec.input.union_columns = true;
    w.spec.query.select = "n + 0";
    add_file(&w, "s\na\nb\n");
    add_file(&w, "n,s\n3,c\n4,d\n");
    cut_every(&w, 5);
    scan_it(&w);
    int64_t nulls = w.nulls;
    check(&w, 4, 700, 1);
    assert_int_equal(nulls, 2);
}

static void test_name_of_the_file(void **state) {
    world w;
    begin(&w, *state);
    w.spec.input.filename_column = "from";
    w.spec.query.select = "n + 0, from";
    w.spec.query.where = "from ~ 'scan-1'";
    add_file(&w, "n,s\n1,a\n2,b\n");
    add_file(&w, "s,n\nc,3\nd,4\n");
    cut_every(&w, 5);
    scan_it(&w);
    check(&w, 2, 700, 1);
}

/* The rows of a pipe are needed again when a type was wrong, or a guess in the file beside it. */
static void test_pipe_again(void **state) {
    for (int guess = 0; guess < 2; guess++) {
        world w;
        begin(&w, *state);
        char *file = rows_text("n,s\n", 1, 200, true, "");
        char *piped = rows_text("n,s\n", 201, guess ? 900 : 30000, false, guess ? "" : "0.5,z\n");
        w.spec.query.select = guess ? "n, s" : "n + 0";
        w.spec.run.guess_wrong = guess != 0;
        add_file(&w, file);
        add_pipe(&w, piped);
        cut_every(&w, 211);
        scan_it(&w);
        free(file);
        free(piped);
        mp_flow_verdict first = w.first;
        check(&w, guess ? 900 : 30001, guess ? 0 : sum_of(1, 30000) + 50, 2);
        assert_int_equal(first, guess ? MP_FLOW_REDO : MP_FLOW_OK);
    }
}

static void test_handed_out(void **state) {
    world w;
    begin(&w, *state);
    char *text = rows_text("n,s\n", 1, 30000, true, "0.5,z\n");
    w.spec.run.scatter = MP_SCATTER_DATA;
    w.spec.query.select = "n + 0";
    add_file(&w, text);
    cut_every(&w, 5003);
    scan_it(&w);
    free(text);
    check(&w, 30001, sum_of(1, 30000) + 50, 2);
}

/* Two ragged rows, in any split: the first is told, with its row. */
static void test_first_bad_row(void **state) {
    world w;
    begin(&w, *state);
    char *text = rows_text("n,s\n", 1, 250, false, "1,2,3\n4,5\n6,7,8\n");
    w.spec.query.select = "n + 0";
    add_file(&w, text);
    cut_every(&w, 97);
    scan_it(&w);
    free(text);
    int64_t row = w.err.row, root = head(&w);
    end(&w);
    assert_int_equal(w.status, MP_DATA);
    if (root) assert_int_equal(row, 251);
    assert_non_null(strstr(w.err.why, "3 fields"));
}

/* Rows that are enough: what stands behind them, bad rows and other types, does not count. */
static void test_enough_rows(void **state) {
    world w;
    begin(&w, *state);
    char *text = rows_text("n,s\n", 1, 250, false, "0.5,z\n1,2,3\n");
    w.spec.query.select = "n + 0";
    w.most_rows = 100;
    add_file(&w, text);
    cut_every(&w, 97);
    scan_it(&w);
    free(text);
    int64_t rows = w.rows, passes = w.passes;
    mp_type type = w.plan.n_values ? w.plan.values[0].type : MP_NULL;
    end(&w);
    assert_int_equal(w.status, MP_OK);
    assert_true(rows >= 100);
    assert_int_equal(type, MP_INT64);
    assert_int_equal(passes, 2); /* the sample holds all: its decimal was proposed */
}

int main(int argc, char **argv) {
    begin_on_ranks(&argc, &argv, 60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_wrong_guesses),
        cmocka_unit_test(test_types_of_late_rows),
        cmocka_unit_test(test_columns_by_name),
        cmocka_unit_test(test_missing_column),
        cmocka_unit_test(test_name_of_the_file),
        cmocka_unit_test(test_pipe_again),
        cmocka_unit_test(test_handed_out),
        cmocka_unit_test(test_first_bad_row),
        cmocka_unit_test(test_enough_rows),
    };
    return end_on_ranks(cmocka_run_group_tests(tests, open_comm, close_comm));
}
