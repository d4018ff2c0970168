/* output_stdout.c - the standard output of the job. Under mpirun a rank's own standard output is a
 * pipe or pseudo-terminal that mpirun reads and copies at some 75 MB/s.
 * Invariant: mpirun's own standard output is used only when this process's one is proven to lead to
 * mpirun, nobody asked mpirun to change what passes through, and no other process will write at a
 * place of the same file that we do not move. In every other case it is descriptor 1. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "io/output/output.h"

static bool read_small(const char *path, char *out, size_t cap, size_t *n) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    *n = 0;
    ssize_t got = 1;
    while (*n + 1 < cap && got > 0) {
        got = read(fd, out + *n, cap - 1 - *n);
        if (got > 0) *n += (size_t)got;
    }
    close(fd);
    out[*n] = 0;
    return got >= 0;
}

static const char *proc(char out[64], long pid, const char *rest) {
    snprintf(out, 64, "/proc/%ld/%s", pid, rest);
    return out;
}

static bool is_mpirun(long pid) {
    char path[64], name[64];
    size_t n;
    if (!read_small(proc(path, pid, "comm"), name, sizeof name, &n)) return false;
    if (n && name[n - 1] == '\n') name[n - 1] = 0;
    return strcmp(name, "mpirun") == 0 || strcmp(name, "orterun") == 0 ||
           strcmp(name, "mpiexec") == 0;
}

/* mpirun was asked to mark, copy or divert what its ranks print. */
static bool output_is_changed(long pid) {
    static const char *const wishes[] = {
        "-tag-output",     "-timestamp-output",     "-output-filename",     "-xml",
        "orte_tag_output", "orte_timestamp_output", "orte_output_filename", "orte_xml"};
    char path[64], line[16384];
    size_t n;
    if (!read_small(proc(path, pid, "cmdline"), line, sizeof line, &n)) return true;
    for (size_t w = 0; w < sizeof wishes / sizeof wishes[0]; w++)
        if (memmem(line, n, wishes[w], strlen(wishes[w]))) return true;
    return getenv("OMPI_MCA_orte_tag_output") || getenv("OMPI_MCA_orte_timestamp_output") ||
           getenv("OMPI_MCA_orte_output_filename") || getenv("OMPI_MCA_orte_xml_output");
}

/* The process holds the other end of our standard output: the pipe, or the master of the
 * pseudo-terminal. */
static bool holds_other_end(long pid, const struct stat *own) {
    char path[64], item[128], text[512];
    size_t n;
    DIR *dir = opendir(proc(path, pid, "fd"));
    if (!dir) return false;
    bool found = false;
    struct dirent *e;
    while (!found && (e = readdir(dir)) != NULL) {
        struct stat st;
        if (e->d_name[0] == '.') continue;
        snprintf(item, sizeof item, "/proc/%ld/fd/%.20s", pid, e->d_name);
        if (S_ISFIFO(own->st_mode)) {
            found = strcmp(e->d_name, "1") != 0 && stat(item, &st) == 0 &&
                    st.st_ino == own->st_ino && st.st_dev == own->st_dev;
            continue;
        }
        snprintf(item, sizeof item, "/proc/%ld/fdinfo/%.20s", pid, e->d_name);
        if (!read_small(item, text, sizeof text, &n)) continue;
        const char *index = strstr(text, "tty-index:");
        found = index && strtol(index + 10, NULL, 10) ==
                             (long)minor(own->st_rdev) + 256 * ((long)major(own->st_rdev) - 136);
    }
    closedir(dir);
    return found;
}

static bool same_file(long pid, int fd, const struct stat *file) {
    char path[64], rest[16];
    struct stat st;
    snprintf(rest, sizeof rest, "fd/%d", fd);
    return stat(proc(path, pid, rest), &st) == 0 && st.st_dev == file->st_dev &&
           st.st_ino == file->st_ino;
}

static long parent_of(long pid) {
    char path[64], text[1024];
    size_t n;
    if (!read_small(proc(path, pid, "stat"), text, sizeof text, &n)) return 0;
    const char *after = strrchr(text, ')'); /* the name may hold anything */
    return after && strlen(after) > 4 ? strtol(after + 4, NULL, 10) : 0;
}

static bool in_append_mode(long pid) {
    char path[64], text[512];
    size_t n;
    if (!read_small(proc(path, pid, "fdinfo/1"), text, sizeof text, &n)) return false;
    const char *flags = strstr(text, "flags:");
    return flags && (strtol(flags + 6, NULL, 8) & O_APPEND);
}

/* The very descriptor of the other process, with the file position that all its holders share. -1:
 * not allowed. */
static int borrow(long pid) {
#if defined SYS_pidfd_open && defined SYS_pidfd_getfd
    int handle = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (handle < 0) return -1;
    int fd = (int)syscall(SYS_pidfd_getfd, handle, 1, 0);
    close(handle);
    return fd;
#else
    (void)pid;
    return -1;
#endif
}

static int open_regular(long mpirun, const struct stat *st) {
    char path[64];
    int fd = borrow(mpirun);
    if (fd >= 0) return fd;
    /* A descriptor of our own does not move the position of theirs. Whoever else holds the file
     * (mpirun's standard error, the script around it) would later write over our bytes, unless
     * everybody appends. */
    long script = parent_of(mpirun);
    bool alone =
        !same_file(mpirun, 2, st) && !same_file(script, 1, st) && !same_file(script, 2, st);
    if (!alone && !in_append_mode(mpirun)) return -1;
    return open(proc(path, mpirun, "fd/1"), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
}

mp_status mp_stdout_open(int *fd, bool *is_terminal, mp_error *err) {
    char path[64];
    struct stat own, st;
    if (fstat(1, &own) != 0) return mp_error_errno(err, errno, "cannot write", "standard output");
    *fd = 1;
    *is_terminal = isatty(1) == 1;
    long mpirun = (long)getppid();
    bool forwarded = (S_ISFIFO(own.st_mode) || *is_terminal) && is_mpirun(mpirun) &&
                     holds_other_end(mpirun, &own);
    if (!forwarded || stat(proc(path, mpirun, "fd/1"), &st) != 0) return MP_OK;
    /* what mpirun copies to decides whether somebody looks at a screen, not the pseudo-terminal it
     * made for us */
    int there = S_ISCHR(st.st_mode) ? open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY) : -1;
    *is_terminal = there >= 0 && isatty(there) == 1;
    if (there >= 0) close(there);
    if (*is_terminal || output_is_changed(mpirun)) return MP_OK;
    int got = -1;
    if (S_ISREG(st.st_mode))
        got = open_regular(mpirun, &st);
    else if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
        got = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (got >= 0) *fd = got;
    return MP_OK;
}

mp_status mp_stdout_write(int fd, const void *bytes, size_t n, bool *closed, mp_error *err) {
    const char *p = bytes;
    *closed = false;
    while (n > 0) {
        ssize_t put = write(fd, p, n < (1u << 30) ? n : 1u << 30);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            if (poll(&wait, 1, -1) >= 0 || errno == EINTR) continue;
        }
        if (put < 0 && errno == EPIPE) {
            *closed = true;
            return MP_OK;
        }
        if (put <= 0)
            return mp_error_errno(err, put < 0 ? errno : ENOSPC, "cannot write", "standard output");
        p += put;
        n -= (size_t)put;
    }
    return MP_OK;
}
