/* The inspection of an HDF5 file: in this process, and by programs that crash, lie, or say nothing. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <hdf5.h>

#include "io/h5/h5_inspect.h"

static char folder[64], file[128];

static int make_file(void **state) {
    (void)state;
    strcpy(folder, "/tmp/mpart-inspect-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(file, sizeof file, "%s/a.h5", folder);
    int64_t values[10];
    hsize_t n = 10, chunk = 4;
    for (int i = 0; i < 10; i++)
        values[i] = i;
    hid_t f = H5Fcreate(file, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(1, &n, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 1, &chunk);
    for (int i = 0; i < 2; i++) {
        hid_t d =
            H5Dcreate2(f, i ? "y" : "x", H5T_STD_I64LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
        H5Dwrite(d, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
        H5Dclose(d);
    }
    H5Pclose(plist);
    H5Sclose(space);
    return H5Fclose(f);
}

static int drop_file(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "%s/program", folder);
    unlink(command);
    unlink(file);
    return rmdir(folder);
}

static void in_process(void **state) {
    (void)state;
    mp_buf b;
    mp_arena arena;
    mp_error err = MP_ERROR_INIT;
    mp_h5_layout l;
    mp_buf_init(&b, NULL);
    mp_arena_init(&arena, NULL);
    mp_h5_question q = {.path = file};
    assert_int_equal(mp_h5_inspect(&q, &b, &err), MP_OK);
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(mp_h5_layout_decode(b.data, b.len, st.st_size, &arena, &l, &err), MP_OK);
    assert_int_equal(l.n_rows, 10);
    assert_int_equal(l.n_columns, 2);
    assert_string_equal(l.columns[1].name, "y");
    const mp_h5_array *a = &l.arrays[l.columns[1].array];
    assert_int_equal(a->storage, MP_H5_CHUNKED);
    assert_int_equal(a->n_chunks, 3);
    /* the first value of the last chunk stands where the layout says */
    int64_t v = -1;
    int fd = open(file, O_RDONLY);
    assert_int_equal(pread(fd, &v, 8, a->chunks[2].address), 8);
    close(fd);
    assert_int_equal(v, 8);
    /* a file that is shorter than the one that was looked at */
    assert_int_equal(mp_h5_layout_decode(b.data, b.len, 1000, &arena, &l, &err), MP_DATA);
    mp_error_init(&err);
    q.object = "/z";
    assert_int_equal(mp_h5_inspect(&q, &b, &err), MP_USAGE);
    mp_error_init(&err);
    q = (mp_h5_question){.path = file, .tree = true};
    assert_int_equal(mp_h5_inspect(&q, &b, &err), MP_OK);
    mp_rd rd = mp_rd_of(b.data, b.len);
    mp_h5_object o;
    int n = 0;
    while (mp_h5_tree_next(&rd, &arena, &o))
        n++;
    assert_int_equal(n, 3);
    assert_false(rd.bad);
    mp_arena_release(&arena);
    mp_buf_release(&b);
}

/* A shell script as inspector: what comes of it. */
static void expect(const char *script, const char *why) {
    char path[128];
    snprintf(path, sizeof path, "%s/program", folder);
    FILE *f = fopen(path, "w");
    fprintf(f, "#!/bin/sh\n%s\n", script);
    fclose(f);
    assert_int_equal(chmod(path, 0700), 0);
    mp_buf b;
    mp_error err = MP_ERROR_INIT;
    mp_buf_init(&b, NULL);
    mp_h5_question q = {.path = file, .program = path};
    assert_int_equal(mp_h5_inspect(&q, &b, &err), MP_DATA);
    if (!strstr(err.why, why)) print_error("%s: %s\n", script, err.why);
    assert_non_null(strstr(err.why, why));
    assert_string_equal(err.file, file);
    mp_buf_release(&b);
}

static void other_programs(void **state) {
    (void)state;
    expect("kill -SEGV $$", "crashes");
    expect("kill -ABRT $$", "crashes");
    expect("kill -KILL $$", "too long");
    expect("kill -XCPU $$", "too long");
    expect("exit 3", "code 3");
    expect("exit 0", "code 0");
    expect("echo nothing of use", "code 0");
    expect("head -c 5000 /dev/zero | tr '\\0' '\\377'", "code 0");
    expect("[ -z \"$OMPI_COMM_WORLD_RANK$PMIX_RANK\" ] && exit 9", "code 9");
}

int main(void) {
    setenv("OMPI_COMM_WORLD_RANK", "0", 1);
    setenv("PMIX_RANK", "0", 1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_process),
                                       cmocka_unit_test(other_programs)};
    return cmocka_run_group_tests(tests, make_file, drop_file);
}
