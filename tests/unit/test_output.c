/* test_output.c - files that appear whole or not at all, spools, standard output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/output/output.h"

static char folder[64];
static mp_arena arena;
static mp_error err;

static char *at(const char *name) {
    size_t n = strlen(folder) + strlen(name) + 2;
    char *p = mp_arena_alloc(&arena, n, 1);
    assert_non_null(p);
    snprintf(p, n, "%s/%s", folder, name);
    return p;
}

static void put_text(const char *path, const char *text) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void holds(const char *path, const char *want) {
    char got[256];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    got[fread(got, 1, sizeof got - 1, f)] = 0;
    fclose(f);
    assert_string_equal(got, want);
}

static int n_entries(const char *path) {
    int n = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2;
}

static mode_t mode_of(const char *path) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static int begin(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/mpart-test-output-XXXXXX");
    mp_arena_init(&arena, NULL);
    mp_error_init(&err);
    return mkdtemp(folder) ? 0 : -1;
}

static int drop(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int end(void **state) {
    (void)state;
    mp_arena_release(&arena);
    return nftw(folder, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static void new_file(void **state) {
    (void)state;
    mp_out_file *f = NULL, *other = NULL;
    char *target = at("out.csv");
    mode_t before = umask(027);
    assert_int_equal(mp_out_create(target, &f, &err), MP_OK);
    umask(before);
    assert_int_equal(mp_out_direct_fd(f), -1);
    const char *temp = mp_out_temp(f);
    assert_int_equal(strncmp(temp, at(".out.csv.mpart-"), strlen(temp) - 6), 0);
    assert_int_equal(access(target, F_OK), -1);
    assert_int_equal(mp_out_join(target, temp, &other, &err), MP_OK);
    assert_int_equal(mp_out_write_at(other, 5, "world\nrest", 10, &err), MP_OK);
    assert_int_equal(mp_out_write_at(f, 0, "hello", 5, &err), MP_OK);
    assert_int_equal(mp_out_write_at(f, 3, "", 0, &err), MP_OK);
    assert_int_equal(mp_out_truncate(f, 11, &err), MP_OK);
    assert_int_equal(mp_out_sync(other, &err), MP_OK);
    assert_int_equal(mp_out_sync(f, &err), MP_OK);
    assert_int_equal(access(target, F_OK), -1);
    mp_out_abandon(&other);
    assert_null(other);
    assert_int_equal(mp_out_commit(&f, &err), MP_OK);
    assert_null(f);
    holds(target, "helloworld\n");
    assert_int_equal(mode_of(target), 0640);
    assert_int_equal(n_entries(folder), 1);
}

static void replaced_file(void **state) {
    (void)state;
    mp_out_file *f = NULL;
    char *target = at("out.csv");
    put_text(target, "old");
    assert_int_equal(chmod(target, 0604), 0);
    assert_int_equal(mp_out_create(target, &f, &err), MP_OK);
    assert_int_equal(mp_out_write_at(f, 0, "new", 3, &err), MP_OK);
    holds(target, "old");
    mp_out_abandon(&f);
    mp_out_abandon(&f);
    holds(target, "old");
    assert_int_equal(n_entries(folder), 1);
    assert_int_equal(mp_out_create(target, &f, &err), MP_OK);
    assert_int_equal(mp_out_write_at(f, 0, "new", 3, &err), MP_OK);
    assert_int_equal(mp_out_commit(&f, &err), MP_OK); /* without a sync before: commit does it */
    holds(target, "new");
    assert_int_equal(mode_of(target), 0604);
    assert_int_equal(n_entries(folder), 1);
}

static void links(void **state) {
    (void)state;
    mp_out_file *f = NULL;
    assert_int_equal(mkdir(at("a"), 0700), 0);
    assert_int_equal(mkdir(at("b"), 0700), 0);
    put_text(at("b/real.csv"), "old");
    assert_int_equal(symlink("../b/real.csv", at("a/one")), 0);
    assert_int_equal(symlink("a/one", at("two")), 0);
    assert_int_equal(symlink("b/later.csv", at("dangling")), 0);
    assert_int_equal(symlink("loop", at("loop")), 0);
    assert_int_equal(mp_out_create(at("two"), &f, &err), MP_OK);
    assert_int_equal(n_entries(at("b")), 2); /* beside the real file */
    assert_int_equal(mp_out_write_at(f, 0, "new", 3, &err), MP_OK);
    assert_int_equal(mp_out_commit(&f, &err), MP_OK);
    struct stat st;
    assert_int_equal(lstat(at("two"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    holds(at("b/real.csv"), "new");
    assert_int_equal(mp_out_create(at("dangling"), &f, &err), MP_OK);
    assert_int_equal(mp_out_write_at(f, 0, "x", 1, &err), MP_OK);
    assert_int_equal(mp_out_commit(&f, &err), MP_OK);
    holds(at("b/later.csv"), "x");
    assert_int_equal(mp_out_create(at("loop"), &f, &err), MP_IO);
    assert_string_equal(err.why, strerror(ELOOP));
    char real[4096];
    snprintf(real, sizeof real, "%s", at("b/real.csv"));
    assert_true(mp_out_same(real, at("two")));
    assert_true(mp_out_same(real, at("a/../b/./real.csv")));
    assert_false(mp_out_same(real, at("b/later.csv")));
    assert_false(mp_out_same(real, at("a/real.csv")));
    assert_false(mp_out_same(real, at("none/real.csv")));
    assert_false(mp_out_same("/dev/null", "/dev/null"));
    assert_false(mp_out_same("/dev/stdout", "/dev/stdout"));
}

static void refused(const char *target, int errnum, const char *hint) {
    mp_out_file *f = NULL;
    mp_error_init(&err);
    assert_int_equal(mp_out_create(target, &f, &err), MP_IO);
    assert_null(f);
    assert_string_equal(err.why, strerror(errnum));
    assert_string_equal(err.file, target);
    if (hint) assert_non_null(strstr(err.hint, hint));
}

static void refusals(void **state) {
    (void)state;
    mp_out_file *f = NULL;
    put_text(at("file"), "x");
    refused(folder, EISDIR, NULL);
    refused(at("new/"), EISDIR, NULL);
    refused("", ENOENT, NULL);
    refused(at("none/x.csv"), ENOENT, at("none"));
    refused(at("file/x.csv"), ENOTDIR, NULL);
    assert_int_equal(mp_out_join(at("x"), at(".x.mpart-abcdef"), &f, NULL), MP_IO);
    char name[300]; /* the longest name that a file may have still gets its temporary */
    memset(name, 'n', 255);
    name[255] = 0;
    assert_int_equal(mp_out_create(at(name), &f, &err), MP_OK);
    assert_int_equal(mp_out_commit(&f, &err), MP_OK);
    assert_int_equal(mode_of(at(name)) & 0600, 0600);
}

/* A file that may not grow: the error names the file, and nothing is left behind. */
static void full_disk(void **state) {
    (void)state;
    struct rlimit old, small;
    mp_out_file *f = NULL;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){100000, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    static char bytes[80000];
    char *target = at("big.csv");
    put_text(target, "old");
    assert_int_equal(mp_out_create(target, &f, &err), MP_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    mp_status first = mp_out_write_at(f, 0, bytes, sizeof bytes, &err);
    mp_status second = mp_out_write_at(f, sizeof bytes, bytes, sizeof bytes, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(first, MP_OK);
    assert_int_equal(second, MP_IO);
    assert_string_equal(err.why, strerror(EFBIG));
    assert_string_equal(err.file, target);
    mp_out_abandon(&f);
    holds(target, "old");
    assert_int_equal(n_entries(folder), 1);
}

static void direct_targets(void **state) {
    (void)state;
    mp_out_file *f = NULL, *other = NULL;
    assert_int_equal(mp_out_create("/dev/null", &f, &err), MP_OK);
    assert_true(mp_out_direct_fd(f) >= 0);
    assert_string_equal(mp_out_temp(f), "");
    assert_int_equal(mp_out_join("/dev/null", "", &other, &err), MP_OK);
    mp_out_abandon(&other);
    assert_int_equal(mp_out_write_at(f, 0, "abc", 3, &err), MP_OK);
    assert_int_equal(mp_out_write_at(f, 3, "abc", 3, &err), MP_OK);
    assert_int_equal(mp_out_write_at(f, 3, "abc", 3, NULL), MP_IO); /* only in order */
    assert_int_equal(mp_out_commit(&f, &err), MP_OK);
    assert_int_equal(access("/dev/null", W_OK), 0);
    assert_int_equal(mp_out_create("/dev/full", &f, &err), MP_OK);
    assert_int_equal(mp_out_write_at(f, 0, "abc", 3, &err), MP_IO);
    assert_string_equal(err.why, strerror(ENOSPC));
    assert_string_equal(err.file, "/dev/full");
    mp_out_abandon(&f);
    /* a pipe is written, not replaced */
    mp_error_init(&err);
    char got[8] = {0};
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    int reader = open(at("pipe"), O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_int_equal(mp_out_create(at("pipe"), &f, &err), MP_OK);
    assert_int_equal(mp_out_write_at(f, 0, "abc", 3, &err), MP_OK);
    assert_int_equal(mp_out_commit(&f, &err), MP_OK);
    assert_int_equal(read(reader, got, sizeof got), 3);
    assert_string_equal(got, "abc");
    close(reader);
    struct stat st;
    assert_int_equal(lstat(at("pipe"), &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
}

static void spool(void **state) {
    (void)state;
    int fd = -1;
    assert_int_equal(mp_out_spool(folder, &fd, &err), MP_OK);
    assert_int_equal(n_entries(folder), 0);
    assert_int_equal(pwrite(fd, "abc", 3, 0), 3);
    char got[3];
    assert_int_equal(pread(fd, got, 3, 0), 3);
    assert_memory_equal(got, "abc", 3);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    setenv("TMPDIR", folder, 1);
    assert_int_equal(mp_out_spool(NULL, &fd, &err), MP_OK);
    close(fd);
    setenv("TMPDIR", at("none"), 1);
    assert_int_equal(mp_out_spool(NULL, &fd, &err), MP_IO);
    assert_string_equal(err.file, at("none"));
    assert_non_null(strstr(err.hint, "--scratch"));
    unsetenv("TMPDIR");
}

static void standard_output(void **state) {
    (void)state;
    int fd = -1, p[2];
    bool terminal = true, closed = true;
    signal(SIGPIPE, SIG_IGN);
    /* alone, it is descriptor 1, whatever that is */
    assert_int_equal(mp_stdout_open(&fd, &terminal, &err), MP_OK);
    assert_int_equal(fd, 1);
    assert_int_equal(terminal, isatty(1) == 1);
    assert_int_equal(pipe(p), 0);
    assert_int_equal(mp_stdout_write(p[1], "abc", 3, &closed, &err), MP_OK);
    assert_false(closed);
    char got[3];
    assert_int_equal(read(p[0], got, 3), 3);
    assert_memory_equal(got, "abc", 3);
    /* a pipe that is full and does not wait: all bytes arrive all the same */
    enum { BIG = 1 << 20 };
    char *big = calloc(1, BIG);
    assert_non_null(big);
    assert_int_equal(fcntl(p[1], F_SETFL, O_NONBLOCK), 0);
    pid_t child = fork();
    if (child == 0) {
        close(p[1]);
        long n = 0, m;
        usleep(50000);
        while ((m = read(p[0], big, 4096)) > 0)
            n += m;
        _exit(n == BIG ? 0 : 1);
    }
    assert_int_equal(mp_stdout_write(p[1], big, BIG, &closed, &err), MP_OK);
    assert_false(closed);
    close(p[1]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(p[0]);
    assert_int_equal(pipe(p), 0);
    close(p[0]);
    assert_int_equal(mp_stdout_write(p[1], big, BIG, &closed, &err), MP_OK);
    assert_true(closed);
    close(p[1]);
    int full = open("/dev/full", O_WRONLY);
    assert_int_equal(mp_stdout_write(full, big, 10, &closed, &err), MP_IO);
    assert_string_equal(err.file, "standard output");
    close(full);
    free(big);
}

int main(void) {
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(new_file, begin, end),
        cmocka_unit_test_setup_teardown(replaced_file, begin, end),
        cmocka_unit_test_setup_teardown(links, begin, end),
        cmocka_unit_test_setup_teardown(refusals, begin, end),
        cmocka_unit_test_setup_teardown(full_disk, begin, end),
        cmocka_unit_test_setup_teardown(direct_targets, begin, end),
        cmocka_unit_test_setup_teardown(spool, begin, end),
        cmocka_unit_test_setup_teardown(standard_output, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
