/* progress.c - the progress line of a long run.
 * Under mpirun a rank's standard error is a pipe; whether somebody looks at a terminal is known
 * from mpirun's own. */
#include "run/progress.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static const int64_t first_ns = 2000000000, rewrite_ns = 200000000, line_ns = 5000000000;

/* The launcher's standard error, if that is a terminal; -1. */
static int launcher_terminal(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/fd/2", (long)getppid());
    int fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && !isatty(fd)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

void mp_progress_init(mp_progress *p, const mp_run_spec *run) {
    *p = (mp_progress){.fd = -1};
    if (run->quiet || run->progress == MP_OFF) return;
    p->start_ns = mp_clock_ns();
    if (isatty(STDERR_FILENO)) {
        p->fd = STDERR_FILENO;
        p->is_terminal = true;
        return;
    }
    p->fd = launcher_terminal();
    p->own_fd = p->is_terminal = p->fd >= 0;
    if (p->fd < 0 && run->progress == MP_ON) p->fd = STDERR_FILENO;
}

bool mp_progress_wanted(const mp_progress *p) {
    return p->fd >= 0;
}

typedef struct {
    double scale;
    const char *name;
} unit;

static unit unit_of(double v) {
    if (v >= 1e12) return (unit){1e12, "TB"};
    if (v >= 1e9) return (unit){1e9, "GB"};
    if (v >= 1e6) return (unit){1e6, "MB"};
    return (unit){1e3, "kB"};
}

static size_t left_text(char *out, size_t cap, double seconds) {
    long s = seconds < 1e7 ? (long)(seconds + 0.5) : 9999999;
    int n = s < 100    ? snprintf(out, cap, ", %ld s left", s)
            : s < 6000 ? snprintf(out, cap, ", %ld min left", (s + 30) / 60)
                       : snprintf(out, cap, ", %ld h %ld min left", s / 3600, s % 3600 / 60);
    return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
}

static size_t slowest_text(char *out, size_t cap, const mp_report_progress *at, unit u) {
    int n = snprintf(out, cap, ", slowest rank %d (%.1f %s)", at->slowest,
                     (double)at->slowest_bytes / u.scale, u.name);
    return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
}

size_t mp_progress_line(char *out, size_t cap, const mp_report_progress *at, double seconds) {
    double done = (double)at->done_bytes, total = (double)at->total_bytes;
    double rate = seconds > 0 ? done / seconds : 0;
    unit u = unit_of(total > done ? total : done), r = unit_of(rate);
    int n;
    if (at->total_bytes > 0)
        n = snprintf(out, cap, "%.0f %%, %.1f of %.1f %s, %.0f %s/s",
                     done < total ? 100 * done / total : 100, done / u.scale, total / u.scale,
                     u.name, rate / r.scale, r.name);
    else
        n = snprintf(out, cap, "%.1f %s, %.0f %s/s", done / u.scale, u.name, rate / r.scale,
                     r.name);
    size_t len = n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
    if (total > done && rate > 0) len += left_text(out + len, cap - len, (total - done) / rate);
    if (at->slowest >= 0) len += slowest_text(out + len, cap - len, at, u);
    return len;
}

void mp_progress_update(void *progress, const mp_report_progress *at) {
    mp_progress *p = progress;
    int64_t now = mp_clock_ns(), every = p->is_terminal ? rewrite_ns : line_ns;
    if (p->fd < 0 || now - p->start_ns < first_ns) return;
    if (p->last_ns && now - p->last_ns < every) return;
    p->last_ns = now;
    char line[160];
    size_t n = 0;
    if (p->is_terminal) line[n++] = '\r';
    n += (size_t)snprintf(line + n, sizeof line - n, "mpart: ");
    n += mp_progress_line(line + n, sizeof line - n - 8, at, (double)(now - p->start_ns) * 1e-9);
    const char *end = p->is_terminal ? "\x1b[K" : "\n";
    memcpy(line + n, end, strlen(end));
    n += strlen(end);
    p->shown = write(p->fd, line, n) > 0; /* a line lost to a busy terminal is no loss */
}

void mp_progress_end(mp_progress *p) {
    if (p->fd >= 0 && p->shown && p->is_terminal) (void)!write(p->fd, "\r\x1b[K", 4);
    if (p->own_fd) close(p->fd);
    p->fd = -1;
    p->own_fd = p->shown = false;
}
