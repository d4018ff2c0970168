/* test_table.c - the inputs as one table: columns matched by name, the list of ranges, the bytes that other ranks get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/names.h"
#include "plan/table.h"

static char folder[64];
static mp_mem mem;
static mp_arena arena;
static mp_error err;
static mp_spec spec;
static const char *paths[8];
static mp_table table;
static mp_table_stream *streams;

static const char *put(const char *name, const char *text) {
    size_t n = strlen(folder) + strlen(name) + 2;
    char *path = mp_arena_alloc(&arena, n, 1);
    assert_non_null(path);
    snprintf(path, n, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
    return path;
}

static void add(const char *name, const char *text) {
    paths[spec.input.n_paths++] = put(name, text);
}

static int begin(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/mpart-test-table-XXXXXX");
    mp_mem_init(&mem, 0);
    mp_arena_init(&arena, &mem);
    mp_error_init(&err);
    spec = (mp_spec){.input = {.paths = paths, .quote = '"'}};
    streams = NULL;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int end(void **state) {
    (void)state;
    mp_table_streams_free(&streams, table.n_files);
    mp_arena_release(&arena);
    if (mem.used_bytes != 0) return -1;
    return nftw(folder, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static mp_status open_table(void) {
    return mp_table_open(&spec, &arena, &mem, &table, &streams, &err);
}

static void opens(void) {
    mp_status st = open_table();
    if (st) print_message("%s: %s\n", err.what, err.why);
    assert_int_equal(st, MP_OK);
}

static void refused(mp_status want, const char *column, const char *why) {
    assert_int_equal(open_table(), want);
    assert_int_equal(err.status, want);
    assert_string_equal(err.column, column);
    assert_non_null(strstr(err.why, why));
    assert_null(streams);
}

/* ---- columns ---- */

static void test_one_file(void **state) {
    (void)state;
    add("a.csv", "id,price,day\n1,2.5,2024-01-01\n22,7,2024-01-02\n");
    opens();
    assert_int_equal(table.n_columns, 3);
    assert_string_equal(table.names[2], "day");
    assert_int_equal(mp_evidence_type(table.sample[0]), MP_INT64);
    assert_int_equal(mp_evidence_type(table.sample[1]), MP_DECIMAL);
    assert_int_equal(mp_evidence_type(table.sample[2]), MP_DATE);
    assert_int_equal(table.fixed[0], MP_TYPE_COUNT);
    assert_true(table.sample_is_all);
    assert_int_equal(table.files[0].data_offset, strlen("id,price,day\n"));
    assert_int_equal(table.files[0].delimiter, ',');
    assert_int_equal(table.total_bytes, table.files[0].size_bytes);
    assert_int_equal(table.split_bytes, 256 << 10);
    assert_true(mp_table_guesses(&table));
}

static void test_order_of_columns(void **state) {
    (void)state;
    add("a.csv", "x,y,z\n1,2,3\n");
    add("b.csv", "z;x;y\n3.5;word;\n");
    opens();
    assert_int_equal(table.n_columns, 3);
    assert_int_equal(table.files[1].delimiter, ';');
    static const int at[3] = {1, 2, 0};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(mp_table_column(&table.files[0], i), i);
        assert_int_equal(mp_table_column(&table.files[1], i), at[i]);
    }
    /* one column's values are those of all files */
    assert_int_equal(mp_evidence_type(table.sample[0]), MP_STRING);
    assert_int_equal(mp_evidence_type(table.sample[1]), MP_INT64);
    assert_int_equal(mp_evidence_type(table.sample[2]), MP_DECIMAL);
}

static void test_union(void **state) {
    (void)state;
    spec.input.union_columns = true;
    add("a.csv", "x,y\n1,2\n");
    add("b.csv", "z,y\n3,4\n");
    add("c.csv", "x,z,w\n5,6,7\n");
    opens();
    static const char *const names[4] = {"x", "y", "z", "w"};
    static const int at[3][4] = {{0, 1, -1, -1}, {-1, 1, 0, -1}, {0, -1, 1, 2}};
    assert_int_equal(table.n_columns, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(table.names[i], names[i]);
        for (int f = 0; f < 3; f++)
            assert_int_equal(mp_table_column(&table.files[f], i), at[f][i]);
    }
}

static void test_column_too_many(void **state) {
    (void)state;
    add("a.csv", "x,y\n1,2\n");
    add("b.csv", "y,extra,x\n1,2,3\n");
    refused(MP_DATA, "extra", "b.csv' has it");
    assert_non_null(strstr(err.why, "a.csv' does not"));
    assert_non_null(strstr(err.hint, "--union"));
}

static void test_column_too_few(void **state) {
    (void)state;
    add("a.csv", "x,y\n1,2\n");
    add("b.csv", "y\n1\n");
    refused(MP_DATA, "x", "a.csv' has it");
    assert_non_null(strstr(err.file, "b.csv"));
}

static void test_types(void **state) {
    (void)state;
    mp_type_choice chosen[2] = {{"y", MP_FLOAT64}, {"x", MP_STRING}};
    spec.input.types = chosen;
    spec.input.n_types = 2;
    add("a.csv", "x,y,z\n1,2,3\n");
    opens();
    assert_int_equal(table.fixed[0], MP_STRING);
    assert_int_equal(table.fixed[1], MP_FLOAT64);
    assert_int_equal(table.fixed[2], MP_TYPE_COUNT);
    mp_table_streams_free(&streams, table.n_files);
    chosen[1].name = "xx";
    assert_int_equal(open_table(), MP_USAGE);
    assert_non_null(strstr(err.why, "xx"));
    assert_non_null(strstr(err.hint, "'x'"));
}

static void test_no_input(void **state) {
    (void)state;
    assert_int_equal(open_table(), MP_USAGE);
    assert_int_equal(err.status, MP_USAGE);
}

static void test_header_longer_than_the_head(void **state) {
    (void)state;
    enum { N = 60000 };
    char *text = malloc(N * 12 + 64);
    assert_non_null(text);
    size_t n = 0;
    for (int i = 0; i < N; i++)
        n += (size_t)snprintf(text + n, 16, "column%d,", i);
    text[n - 1] = '\n';
    text[n] = 0;
    add("wide.csv", text);
    free(text);
    opens();
    assert_int_equal(table.n_columns, N);
    assert_string_equal(table.names[N - 1], "column59999");
    assert_int_equal(table.files[0].data_offset, n);
}

static void test_names(void **state) {
    (void)state;
    enum { N = 5000 };
    static char text[N][16];
    mp_names x;
    mp_names_init(&x, &arena);
    assert_int_equal(mp_names_find(&x, "n0"), -1);
    for (int i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "n%d", i);
        assert_true(mp_names_add(&x, text[i], i));
        assert_true(mp_names_add(&x, text[i / 2], N)); /* keeps the place it has */
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(mp_names_find(&x, text[i]), i);
    assert_int_equal(mp_names_find(&x, ""), -1);
    assert_int_equal(mp_names_find(&x, "n5000"), -1);
}

/* ---- ranges ---- */

typedef struct {
    int file;
    int64_t begin, len;
} range;

static void check_ranges(const range *want, int n) {
    mp_range_iter it = {0};
    range got;
    for (int i = 0; i < n; i++) {
        assert_true(mp_table_next_range(&table, &spec.run, &it, &got.file, &got.begin, &got.len));
        assert_int_equal(got.file, want[i].file);
        assert_int_equal(got.begin, want[i].begin);
        assert_int_equal(got.len, want[i].len);
    }
    assert_false(mp_table_next_range(&table, &spec.run, &it, &got.file, &got.begin, &got.len));
    assert_false(mp_table_next_range(&table, &spec.run, &it, &got.file, &got.begin, &got.len));
}

static void three_files(void) {
    add("a.csv", "h\n1\n2\n3\n4\n"); /* data: [2, 10) */
    add("b.csv", "h\n");             /* no data */
    add("c.csv", "h\n55555\n");      /* data: [2, 8) */
    opens();
}

static void test_whole_files(void **state) {
    (void)state;
    three_files();
    check_ranges((range[]){{0, 2, 8}, {2, 2, 6}}, 2);
}

static void test_ranges_of_a_size(void **state) {
    (void)state;
    three_files();
    table.split_bytes = 3;
    check_ranges((range[]){{0, 2, 3}, {0, 5, 3}, {0, 8, 2}, {2, 2, 3}, {2, 5, 3}}, 5);
}

static void test_chosen_boundaries(void **state) {
    (void)state;
    three_files();
    /* in the header, at the first record, next to each other, at and behind the end */
    const int64_t at[] = {1, 2, 4, 5, 8, 10, 99};
    spec.run.test_splits = at;
    spec.run.n_test_splits = 7;
    check_ranges(
        (range[]){{0, 2, 2}, {0, 4, 1}, {0, 5, 3}, {0, 8, 2}, {2, 2, 2}, {2, 4, 1}, {2, 5, 3}}, 7);
}

static void test_data_have_no_ranges(void **state) {
    (void)state;
    three_files();
    table.files[0].by_data = true;
    check_ranges((range[]){{2, 2, 6}}, 1);
    assert_true(mp_table_guesses(&table));
    table.dialect.quote = 0;
    assert_false(mp_table_guesses(&table));
    table.dialect.comment = '#';
    assert_true(mp_table_guesses(&table));
    table.files[1].by_data = table.files[2].by_data = true;
    assert_false(mp_table_guesses(&table));
}

/* ---- streams ---- */

static void test_front_of_a_stream_is_kept(void **state) {
    (void)state;
    static const char text[] = "x,y\n1,2\n3,4\n";
    spec.run.scatter = MP_SCATTER_DATA;
    add("a.csv", text);
    opens();
    assert_true(table.files[0].by_data);
    assert_non_null(streams[0].stream);
    assert_true(streams[0].at_end);
    assert_int_equal(streams[0].front.len, strlen(text));
    assert_memory_equal(streams[0].front.data, text, strlen(text));
}

/* ---- the wire ---- */

static void pack(mp_buf *b) {
    spec.input.union_columns = true;
    spec.input.filename_column = "from";
    add("a.csv", "x,y\n1,2.25\n");
    add("b.csv", "z;y\nword;true\n");
    opens();
    table.fixed[1] = MP_STRING;
    table.files[1].mtime_ns = INT64_MIN + 5;
    mp_buf_init(b, &mem);
    mp_table_encode(&table, b);
    assert_int_equal(mp_buf_check(b, &err), MP_OK);
}

static void test_wire(void **state) {
    (void)state;
    mp_buf b;
    mp_table got;
    pack(&b);
    assert_int_equal(mp_table_decode(&spec, b.data, b.len, &arena, &got, &err), MP_OK);
    mp_buf_release(&b);
    assert_int_equal(got.n_files, 2);
    assert_int_equal(got.n_columns, 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(got.names[i], table.names[i]);
        assert_memory_equal(&got.sample[i], &table.sample[i], sizeof got.sample[i]);
        assert_int_equal(got.fixed[i], table.fixed[i]);
    }
    for (int f = 0; f < 2; f++) {
        const mp_table_file *x = &got.files[f], *y = &table.files[f];
        assert_string_equal(x->path, y->path);
        assert_int_equal(x->size_bytes, y->size_bytes);
        assert_int_equal(x->mtime_ns, y->mtime_ns);
        assert_int_equal(x->delimiter, y->delimiter);
        assert_int_equal(x->data_offset, y->data_offset);
        assert_int_equal(x->n_columns, y->n_columns);
        assert_int_equal(x->by_data, y->by_data);
        for (int i = 0; i < 3; i++)
            assert_int_equal(mp_table_column(x, i), mp_table_column(y, i));
    }
    assert_int_equal(got.sample_is_all, table.sample_is_all);
    assert_true(got.row_bytes == table.row_bytes);
    assert_int_equal(got.total_bytes, table.total_bytes);
    assert_int_equal(got.split_bytes, table.split_bytes);
    assert_int_equal(got.dialect.quote, '"');
    assert_string_equal(got.filename_column, "from");
}

static void test_cut_wire(void **state) {
    (void)state;
    mp_buf b;
    pack(&b);
    for (size_t n = 0; n < b.len; n++) {
        mp_table got;
        uint8_t *cut = malloc(n + 1); /* its own block: a read behind it is seen */
        assert_non_null(cut);
        memcpy(cut, b.data, n);
        mp_error_init(&err);
        assert_int_equal(mp_table_decode(&spec, cut, n, &arena, &got, &err), MP_FAILED);
        free(cut);
    }
    mp_buf_release(&b);
}

/* Counts that lie are no reason to read elsewhere. */
static void test_broken_wire(void **state) {
    (void)state;
    mp_buf b;
    pack(&b);
    for (size_t at = 0; at < b.len; at++) {
        uint8_t good = b.data[at];
        mp_table got;
        b.data[at] = (uint8_t)(good ^ 0xff);
        (void)!mp_table_decode(&spec, b.data, b.len, &arena, &got, &err);
        b.data[at] = good;
    }
    mp_buf_release(&b);
}

static void test_refused_memory(void **state) {
    (void)state;
    mp_buf b;
    pack(&b);
    mp_arena small;
    mp_mem limited;
    mp_table got;
    mp_mem_init(&limited, 16);
    mp_arena_init(&small, &limited);
    assert_int_equal(mp_table_decode(&spec, b.data, b.len, &small, &got, &err), MP_NOMEM);
    mp_arena_release(&small);
    mp_buf_release(&b);
}

#define ON_FILES(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_FILES(test_one_file),
        ON_FILES(test_order_of_columns),
        ON_FILES(test_union),
        ON_FILES(test_column_too_many),
        ON_FILES(test_column_too_few),
        ON_FILES(test_types),
        ON_FILES(test_no_input),
        ON_FILES(test_header_longer_than_the_head),
        ON_FILES(test_names),
        ON_FILES(test_whole_files),
        ON_FILES(test_ranges_of_a_size),
        ON_FILES(test_chosen_boundaries),
        ON_FILES(test_data_have_no_ranges),
        ON_FILES(test_front_of_a_stream_is_kept),
        ON_FILES(test_wire),
        ON_FILES(test_cut_wire),
        ON_FILES(test_broken_wire),
        ON_FILES(test_refused_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
