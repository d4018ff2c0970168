/* The chunk indexes of files of the latest format: found without the library, so beyond the chunks that it is asked for, in any
 * shape and with holes; one that is broken is not believed. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <hdf5.h>

#include "io/h5/h5_inspect.h"

enum {
    ROWS = 20000,
    HOLE = 9000
}; /* rows [HOLE, 2 HOLE) of a dataset with a hole are not written */

typedef struct {
    int n_dims;
    hsize_t dims[2], most[2], chunk[2];
    bool filters, hole;
} shape;

static char file[64];

static void write_rows(hid_t d, const shape *s, hsize_t from, hsize_t to) {
    hsize_t cols = s->n_dims == 2 ? s->dims[1] : 1;
    hsize_t start[2] = {from, 0}, count[2] = {to - from, cols};
    int64_t *v = malloc((size_t)(count[0] * cols) * sizeof *v);
    for (hsize_t i = 0; i < count[0] * cols; i++)
        v[i] = (int64_t)(from * cols + i);
    hid_t space = H5Dget_space(d), memory = H5Screate_simple(s->n_dims, count, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    assert_true(H5Dwrite(d, H5T_NATIVE_INT64, memory, space, H5P_DEFAULT, v) >= 0);
    H5Sclose(memory);
    H5Sclose(space);
    free(v);
}

static void make_file(const shape *s) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    H5Pset_chunk(plist, s->n_dims, s->chunk);
    if (s->filters) H5Pset_deflate(plist, 1);
    hid_t f = H5Fcreate(file, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    hid_t space = H5Screate_simple(s->n_dims, s->dims, s->most);
    hid_t d = H5Dcreate2(f, "x", H5T_STD_I64LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    write_rows(d, s, 0, s->hole ? HOLE : s->dims[0]);
    if (s->hole) write_rows(d, s, 2 * HOLE, s->dims[0]);
    H5Dclose(d);
    H5Sclose(space);
    assert_true(H5Fclose(f) >= 0);
    H5Pclose(plist);
    H5Pclose(access);
}

static mp_status inspect(mp_arena *arena, mp_h5_layout *l) {
    mp_buf b;
    mp_error err = MP_ERROR_INIT;
    struct stat st;
    mp_buf_init(&b, NULL);
    mp_h5_question q = {.path = file};
    mp_status s = mp_h5_inspect(&q, &b, &err);
    assert_int_equal(stat(file, &st), 0);
    uint8_t *kept = mp_arena_alloc(arena, b.len + 1, 16);
    if (!s && b.len) memcpy(kept, b.data, b.len);
    if (!s) s = mp_h5_layout_decode(kept, b.len, st.st_size, arena, l, &err);
    mp_buf_release(&b);
    return s;
}

/* Every chunk that was written is where the layout says, and no other. */
static void check_chunks(const shape *s, const mp_h5_array *a) {
    int fd = open(file, O_RDONLY);
    int64_t cols = s->n_dims == 2 ? (int64_t)s->dims[1] : 1, wide = (int64_t)s->chunk[1];
    int64_t across = s->n_dims == 2 ? (cols + wide - 1) / wide : 1;
    for (int64_t i = 0; i < a->n_chunks; i++) {
        int64_t row = i / across * (int64_t)s->chunk[0], col = i % across * wide, v = -1;
        bool written = !s->hole || row + (int64_t)s->chunk[0] <= HOLE || row >= 2 * HOLE;
        assert_int_equal(a->chunks[i].address >= 0, written);
        if (!written || s->filters) continue;
        assert_int_equal(pread(fd, &v, 8, a->chunks[i].address), 8);
        assert_int_equal(v, row * cols + col);
    }
    close(fd);
}

static const hsize_t MORE = H5S_UNLIMITED;

static void every_index(void **state) {
    (void)state;
    const shape shapes[] = {
        {1, {ROWS}, {ROWS}, {4}, false, false},     /* fixed */
        {1, {ROWS}, {2 * ROWS}, {4}, false, false}, /* that may grow to a bound */
        {1, {ROWS}, {MORE}, {4}, false, false},     /* extensible */
        {1, {ROWS}, {MORE}, {1}, false, false},     /* of pages */
        {2, {ROWS, 6}, {ROWS, 9}, {10, 2}, false, false},
        {2, {ROWS, 6}, {MORE, 9}, {10, 2}, false, false},
        {2, {ROWS, 6}, {ROWS, MORE}, {10, 2}, false, false},
        {2, {ROWS, 5}, {MORE, 5}, {10, 2}, false, false},
        {2, {ROWS, 5}, {MORE, MORE}, {10, 2}, false, false}, /* a tree of several levels */
        {2, {30, 2}, {MORE, MORE}, {10, 2}, false, false},   /* of its root alone */
        {1, {3}, {3}, {3}, false, false},                    /* a single chunk */
        {1, {3}, {MORE}, {30}, false, false}                 /* one that is not full */
    };
    for (size_t i = 0; i < 4 * sizeof shapes / sizeof *shapes; i++) {
        shape s = shapes[i / 4];
        s.filters = i & 1;
        s.hole = (i & 2) && s.dims[0] == ROWS;
        make_file(&s);
        mp_arena arena;
        mp_h5_layout l;
        mp_arena_init(&arena, NULL);
        assert_int_equal(inspect(&arena, &l), MP_OK);
        assert_int_equal(l.n_rows, s.dims[0]);
        const mp_h5_array *a = &l.arrays[l.columns[0].array];
        assert_int_equal(a->storage, MP_H5_CHUNKED);
        check_chunks(&s, a);
        mp_arena_release(&arena);
    }
}

/* A byte of each kind of block is another. */
static void broken_blocks(void **state) {
    (void)state;
    static const char *const blocks[] = {"FAHD", "FADB", "EAHD", "EAIB", "EASB",
                                         "EADB", "BTHD", "BTIN", "BTLF"};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        shape s = {1, {ROWS}, {i < 2 ? ROWS : MORE}, {4}, false, false};
        if (i >= 6) s = (shape){2, {ROWS, 5}, {MORE, MORE}, {10, 2}, false, false};
        make_file(&s);
        int fd = open(file, O_RDWR);
        struct stat st;
        assert_int_equal(fstat(fd, &st), 0);
        char *all = malloc((size_t)st.st_size);
        assert_int_equal(pread(fd, all, (size_t)st.st_size, 0), st.st_size);
        char *at = memmem(all, (size_t)st.st_size, blocks[i], 4);
        assert_non_null(at);
        at[9] ^= 1;
        assert_int_equal(pwrite(fd, at + 9, 1, at + 9 - all), 1);
        close(fd);
        free(all);
        mp_arena arena;
        mp_h5_layout l;
        mp_arena_init(&arena, NULL);
        mp_status found = inspect(&arena, &l);
        if (!found) assert_int_equal(l.arrays[l.columns[0].array].storage, MP_H5_LIBRARY);
        mp_arena_release(&arena);
    }
}

static int make_name(void **state) {
    (void)state;
    strcpy(file, "/tmp/mpart-index-XXXXXX");
    int fd = mkstemp(file);
    if (fd >= 0) close(fd);
    return fd < 0;
}

static int drop_file(void **state) {
    (void)state;
    return unlink(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_index),
                                       cmocka_unit_test(broken_blocks)};
    return cmocka_run_group_tests(tests, make_name, drop_file);
}
