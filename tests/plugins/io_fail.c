/* io_fail.c - preloaded by tests: on rank IO_FAIL_RANK the writes to files whose name holds IO_FAIL_NAME fail with EIO, all
 * but the first IO_FAIL_AFTER. No plug-in of mpart. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef ssize_t (*write_fn)(int, const void *, size_t);
typedef ssize_t (*pwrite_fn)(int, const void *, size_t, off64_t);

static bool fails(int fd) {
    static long n_writes;
    const char *rank = getenv("OMPI_COMM_WORLD_RANK"), *wanted = getenv("IO_FAIL_RANK");
    const char *name = getenv("IO_FAIL_NAME"), *after = getenv("IO_FAIL_AFTER");
    char link[64], path[4096];
    if (!rank || !wanted || !name || !after || strcmp(rank, wanted) != 0) return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return false;
    path[n] = 0;
    return strstr(path, name) && ++n_writes > strtol(after, NULL, 10);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) {
    static pwrite_fn real;
    if (!real) real = (pwrite_fn)dlsym(RTLD_NEXT, "pwrite64");
    if (!fails(fd)) return real(fd, bytes, n, at);
    errno = EIO;
    return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) {
    return pwrite64(fd, bytes, n, at);
}

ssize_t write(int fd, const void *bytes, size_t n) {
    static write_fn real;
    if (!real) real = (write_fn)dlsym(RTLD_NEXT, "write");
    if (!fails(fd)) return real(fd, bytes, n);
    errno = EIO;
    return -1;
}
