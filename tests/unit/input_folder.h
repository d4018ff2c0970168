/* input_folder.h - a folder of files for one test, and what the tests of inputs share. Included once
 * by each of them. */
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/input/input.h"

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

static char *put(const char *name, const void *bytes, size_t n) {
    char *path = at(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    return path;
}

static char *put_text(const char *name, const char *text) {
    return put(name, text, strlen(text));
}

static int begin(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/mpart-test-input-XXXXXX");
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
