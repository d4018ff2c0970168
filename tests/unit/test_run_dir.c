/* test_run_dir.c - a run's folder: what is gone on from where a write to its journal failed on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/journal/run_dir.h"

typedef struct {
    int n, n_lost;
} seen;

static void on_record(void *ctx, const mp_unit_record *r) {
    seen *s = ctx;
    assert_int_equal(r->unit, s->n++);
}

static void on_lost(void *ctx, const mp_unit_record *r) {
    seen *s = ctx;
    assert_int_equal(r->unit, s->n + s->n_lost++);
}

static mp_run_dir *open_dir(const char *path, mp_mem *mem, bool resume, seen *s) {
    mp_error e = MP_ERROR_INIT;
    mp_run_dir *d;
    const mp_run_dir_args args = {.path = path,
                                  .resume = resume,
                                  .facts = "a: b\n",
                                  .n_ranks = 2,
                                  .mem = mem,
                                  .ctx = s,
                                  .on_record = on_record,
                                  .on_lost = on_lost};
    assert_int_equal(mp_run_dir_open(&args, &d, &e), MP_OK);
    return d;
}

static void commit_unit(mp_run_dir *d, int64_t unit) {
    mp_error e = MP_ERROR_INIT;
    mp_buf b;
    mp_buf_init(&b, NULL);
    mp_journal_put(&b, &(mp_unit_record){.unit = unit, .run = 1});
    assert_int_equal(mp_run_dir_commit(d, &b, &e), MP_OK);
    mp_buf_release(&b);
}

static mp_status put_dict(mp_run_dir *d) {
    mp_error e = MP_ERROR_INIT;
    const mp_journal_dict dict = {mp_run_dir_next_dict(d), 2, 12};
    return mp_run_dir_put_dict(d, &dict, &e);
}

/* A dictionary's line of which a part was written: what comes behind it counts. */
static void half_a_line(void **state) {
    (void)state;
    char folder[] = "/tmp/test_run_dir-XXXXXX", path[64], journal[80];
    mp_mem mem;
    mp_mem_init(&mem, 0);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/run", folder);
    snprintf(journal, sizeof journal, "%s/journal", path);
    seen s = {0};
    mp_run_dir *d = open_dir(path, &mem, false, &s);
    commit_unit(d, 0);
    assert_int_equal(put_dict(d), MP_OK);
    commit_unit(d, 1);

    struct stat st;
    struct rlimit was, less;
    assert_int_equal(stat(journal, &st), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    signal(SIGXFSZ, SIG_IGN);
    less = was;
    less.rlim_cur = (rlim_t)st.st_size + 10;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &less), 0);
    assert_int_equal(put_dict(d), MP_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    commit_unit(d, 2);
    mp_run_dir_free(&d);

    d = open_dir(path, &mem, true, &s);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.n_lost, 2);
    assert_int_equal(mp_run_dir_dict(d).number, 1);
    assert_int_equal(mp_run_dir_run(d), 2);
    commit_unit(d, 1);
    assert_int_equal(put_dict(d), MP_OK);
    mp_run_dir_free(&d);

    s = (seen){0};
    d = open_dir(path, &mem, true, &s);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.n_lost, 0);
    assert_int_equal(mp_run_dir_dict(d).bytes, 12);
    mp_run_dir_remove(d);
    mp_run_dir_free(&d);
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(half_a_line)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
