/* input_map.c - windows of a file as mapped bytes.
 * Invariant: a window lies inside an area of anonymous zero pages that is at least a page longer at
 * both ends, so bytes before and behind it can be read; a page of it that cannot be read turns into
 * zeros and marks the window, which mp_map_check reports.
 *
 * The registry of mapped areas is the one mutable global of this file: a signal handler can only
 * reach globals. It is a fixed table that is written by the one thread of the process and by the
 * handler that interrupts it; a window that finds no free entry is read into memory instead. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/input/input.h"

typedef struct {
    volatile uintptr_t begin; /* 0: free */
    volatile uintptr_t end;
    volatile sig_atomic_t hit; /* a page of it could not be read */
} guarded_area;

enum { GUARDED_MAX = 64, HUGE_BYTES = 2 << 20 };
static struct {
    guarded_area area[GUARDED_MAX];
    volatile sig_atomic_t passing; /* a fault is being passed on */
    struct sigaction before;
    size_t page_bytes;
} guard;

static size_t page_size(void) {
    long n = sysconf(_SC_PAGESIZE);
    return n > 0 ? (size_t)n : 4096;
}

/* What is not ours goes to whoever was there before, or ends the process as it would have. A
 * handler that passes it back to us also ends the process. */
static void pass_on(int sig, siginfo_t *info, void *context) {
    const struct sigaction *b = &guard.before;
    bool plain = !(b->sa_flags & SA_SIGINFO);
    bool back = guard.passing;
    guard.passing = 1;
    if (!back && !plain) {
        b->sa_sigaction(sig, info, context);
    } else if (!back && b->sa_handler != SIG_DFL && b->sa_handler != SIG_IGN) {
        b->sa_handler(sig);
    } else if (back || b->sa_handler == SIG_DFL || info->si_code > 0) {
        signal(sig, SIG_DFL);
        raise(sig);
    }
    guard.passing = 0;
}

static void on_sigbus(int sig, siginfo_t *info, void *context) {
    int errnum = errno;
    uintptr_t at = (uintptr_t)info->si_addr;
    for (int i = 0; info->si_code > 0 && i < GUARDED_MAX; i++) {
        guarded_area *a = &guard.area[i];
        if (!a->begin || at < a->begin || at >= a->end) continue;
        /* zeros from here to the end of the window: what lies behind a missing page is missing as a
         * rule */
        uintptr_t from = at & ~(uintptr_t)(guard.page_bytes - 1);
        if (mmap((void *)from, a->end - from, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                 -1, 0) == MAP_FAILED)
            break;
        a->hit = 1;
        errno = errnum;
        return;
    }
    errno = errnum;
    pass_on(sig, info, context);
}

/* Libraries set handlers of their own when they start, so this is looked at for every window. */
static bool install_guard(void) {
    struct sigaction sa = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER}, now;
    sigemptyset(&sa.sa_mask);
    if (sigaction(SIGBUS, NULL, &now) != 0) return false;
    if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_sigbus) return true;
    guard.page_bytes = page_size();
    guard.before = now;
    return sigaction(SIGBUS, &sa, NULL) == 0;
}

static uintptr_t up_to(uintptr_t n, size_t unit) {
    return (n + unit - 1) & ~(uintptr_t)(unit - 1);
}

static guarded_area *guarded(const void *area) {
    for (int i = 0; area && i < GUARDED_MAX; i++)
        if (guard.area[i].begin == (uintptr_t)area) return &guard.area[i];
    return NULL;
}

static bool protect(void *area, size_t len) {
    if (!install_guard()) return false;
    for (int i = 0; i < GUARDED_MAX; i++) {
        guarded_area *a = &guard.area[i];
        if (a->begin) continue;
        a->end = (uintptr_t)area + len;
        a->hit = 0;
        a->begin = (uintptr_t)area;
        return true;
    }
    return false;
}

static void drop_window(mp_map *m) {
    guarded_area *a = guarded(m->area);
    if (a) a->begin = 0;
    if (m->area) munmap(m->area, m->area_len);
    m->area = NULL;
    m->area_len = 0;
    m->bytes = NULL;
    m->len = 0;
}

void mp_map_init(mp_map *m) {
    *m = (mp_map){.fd = -1};
}

void mp_map_close(mp_map *m) {
    drop_window(m);
    if (m->fd >= 0 && !m->borrowed) close(m->fd);
    mp_map_init(m);
}

void mp_map_borrow(mp_map *m, int fd, const char *path) {
    mp_map_close(m);
    m->fd = fd;
    m->borrowed = true;
    m->path = path;
}

mp_status mp_map_open(mp_map *m, const char *path, mp_error *err) {
    mp_map_close(m);
    m->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (m->fd < 0) return mp_error_errno(err, errno, "cannot open", path);
    m->path = path;
    return MP_OK;
}

static mp_status shrank(const mp_map *m, mp_error *err) {
    mp_error_set(err, MP_IO, "cannot read", "the file shrank while it was read");
    mp_error_file(err, m->path);
    return MP_IO;
}

static mp_status read_window(mp_map *m, uint8_t *to, int64_t begin, size_t len, mp_error *err) {
    size_t n = 0;
    while (n < len) {
        size_t ask = len - n < (1u << 30) ? len - n : 1u << 30;
        ssize_t got = pread(m->fd, to + n, ask, (off_t)(begin + (int64_t)n));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return mp_error_errno(err, errno, "cannot read", m->path);
        if (got == 0) return shrank(m, err);
        n += (size_t)got;
    }
    return MP_OK;
}

/* The window's part of the file, mapped at a place for it in m's area; false: it has to be read.
 * The page cache keeps files in huge pages where it can, and maps those as such where address and
 * place in the file agree modulo their size. So a large window lies like that, and what belongs to
 * its first and last huge page is mapped with it, as far as the file goes. */
static bool map_file(mp_map *m, uint8_t *at, int64_t from, int64_t to, size_t len) {
    size_t n = (size_t)(to - from), lead = (size_t)(m->begin - from);
    if (!protect(m->area, m->area_len)) return false;
    if (mmap(at, n, PROT_READ, MAP_PRIVATE | MAP_FIXED, m->fd, (off_t)from) == MAP_FAILED) {
        guarded(m->area)->begin = 0;
        return false;
    }
    /* what this cannot do, faults do later */
    if (n >= HUGE_BYTES) (void)madvise(at, n, MADV_HUGEPAGE);
    size_t first = lead & ~(guard.page_bytes - 1);
    (void)madvise(at + first, lead + len - first, MADV_POPULATE_READ);
    return true;
}

/* How far the file can be mapped; no further than needed where it is no regular file. MP_IO: not
 * as far as needed. */
static mp_status file_end(const mp_map *m, int64_t needed, int64_t *end, mp_error *err) {
    struct stat st;
    *end = needed;
    if (fstat(m->fd, &st) != 0) return mp_error_errno(err, errno, "cannot read", m->path);
    if (!S_ISREG(st.st_mode)) return MP_OK;
    *end = st.st_size;
    return st.st_size < needed ? shrank(m, err) : MP_OK;
}

mp_status mp_map_window(mp_map *m, int64_t begin, size_t len, mp_error *err) {
    drop_window(m);
    size_t page = page_size(), unit = len >= HUGE_BYTES && page < HUGE_BYTES ? HUGE_BYTES : page;
    if (begin < 0 || len > (size_t)INT64_MAX / 2 || begin > INT64_MAX / 2)
        return mp_error_set(err, MP_IO, "cannot read", "no such place in the file");
    size_t lead = (size_t)begin & (unit - 1);
    size_t span = up_to(lead + len, unit);
    size_t area_len = span + unit + page;
    uint8_t *area = mmap(NULL, area_len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED) return mp_error_nomem(err, (int64_t)area_len, 0);
    m->area = area;
    m->area_len = area_len;
    m->begin = begin;
    uint8_t *at = area + (up_to((uintptr_t)area + page, unit) - (uintptr_t)area);
    int64_t from = begin - (int64_t)lead, to;
    mp_status s = file_end(m, begin + (int64_t)len, &to, err);
    if (to - from > (int64_t)span) to = from + (int64_t)span;
    if (s == MP_OK && len > 0 && !map_file(m, at, from, to, len)) {
        if (mmap(area, area_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                 -1, 0) == MAP_FAILED)
            s = mp_error_nomem(err, (int64_t)area_len, 0);
        else
            s = read_window(m, at + lead, begin, len, err);
    }
    if (s != MP_OK) {
        drop_window(m);
        return s;
    }
    m->bytes = at + lead;
    m->len = len;
    return MP_OK;
}

mp_status mp_map_check(const mp_map *m, mp_error *err) {
    const guarded_area *a = guarded(m->area);
    struct stat st;
    if (m->fd < 0 || !m->area) return MP_OK;
    if (fstat(m->fd, &st) != 0) return mp_error_errno(err, errno, "cannot read", m->path);
    /* a cut inside the last page raises no signal: the rest of that page just reads as zero */
    bool shorter = S_ISREG(st.st_mode) && st.st_size < m->begin + (int64_t)m->len;
    if (shorter) return shrank(m, err);
    if (a && a->hit) {
        mp_error_set(err, MP_IO, "cannot read", "a page of the file could not be read");
        mp_error_file(err, m->path);
        return MP_IO;
    }
    return MP_OK;
}
