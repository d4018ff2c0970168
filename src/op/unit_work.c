/* unit_work.c - see unit_work.h. */
#include "op/unit_work.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    BUFFER_BYTES = 1 << 18,
    STEP_BYTES = 1 << 20,          /* moved in one step at most */
    PIPE_BYTES = 1 << 20,          /* of pipes that carry much */
    GRACE_NS = 1000 * 1000 * 1000, /* from SIGTERM to SIGKILL; from the end to the outputs' end */
    WAIT_NS = 20 * 1000 * 1000
};

struct mp_work {
    mp_work_args a;
    mp_child child;
    uint8_t *buffer;
    bool busy, started;
    bool wide[3];         /* the pipe was made larger */
    const uint8_t *input; /* bytes that wait for room */
    size_t n_input;
    bool of_file;                  /* they are pages of one */
    bool waits_for_room;           /* standard input is watched */
    int64_t start_ns, deadline_ns; /* 0: none */
    int64_t kill_ns;               /* SIGKILL is due; 0: not asked to end */
    int64_t ended_ns;              /* the process has ended, its outputs have not; 0: not yet */
    bool timed_out, killed;
    mp_work_result result;
};

mp_status mp_work_new(const mp_work_args *args, mp_work **out, mp_error *err) {
    mp_work *w = mp_mem_calloc(args->mem, 1, sizeof *w);
    *out = w;
    if (!w) return mp_mem_error(args->mem, sizeof *w, err);
    w->a = *args;
    w->child = (mp_child){.pidfd = -1, .ends = {-1, -1, -1}};
    w->buffer = mp_mem_alloc(args->mem, BUFFER_BYTES);
    return w->buffer ? MP_OK : mp_mem_error(args->mem, BUFFER_BYTES, err);
}

void mp_work_free(mp_work **w) {
    if (!*w) return;
    mp_child_end(&(*w)->child);
    mp_mem_free((*w)->a.mem, (*w)->buffer);
    mp_mem_free((*w)->a.mem, *w);
    *w = NULL;
}

bool mp_work_busy(const mp_work *w) {
    return w->busy;
}

mp_work_result mp_work_result_of(const mp_work *w) {
    return w->result;
}

/* ---- start ---- */

/* Level-triggered, so that the epoll descriptor is readable as long as there is something to do. */
static void watch(mp_work *w, int fd, uint32_t events) {
    struct epoll_event e = {.events = events, .data.fd = fd};
    if (fd >= 0) (void)epoll_ctl(w->a.epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

static void begin(mp_work *w) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    w->busy = true;
    w->started = w->timed_out = w->killed = w->waits_for_room = false;
    w->kill_ns = w->ended_ns = w->deadline_ns = 0;
    w->n_input = 0;
    w->wide[0] = w->wide[1] = w->wide[2] = false;
    w->start_ns = mp_clock_ns();
    w->result = (mp_work_result){.start_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000};
}

void mp_work_refuse(mp_work *w, int errnum) {
    begin(w);
    w->result.outcome = MP_UNIT_NO_RUN;
    w->result.code = errnum;
}

void mp_work_start(mp_work *w, const mp_child_args *child, int64_t timeout_ns) {
    begin(w);
    int errnum = mp_child_start(w->a.spawner, child, &w->child);
    if (errnum) {
        w->result.outcome = MP_UNIT_NO_RUN;
        w->result.code = errnum;
        return;
    }
    w->started = true;
    if (timeout_ns > 0) w->deadline_ns = w->start_ns + timeout_ns;
    watch(w, w->child.pidfd, EPOLLIN);
    watch(w, w->child.ends[1], EPOLLIN);
    watch(w, w->child.ends[2], EPOLLIN);
}

/* ---- streams ---- */

static void widen(mp_work *w, int stream) {
    if (w->wide[stream]) return;
    w->wide[stream] = true;
    (void)fcntl(w->child.ends[stream], F_SETPIPE_SZ, PIPE_BYTES); /* refused: it stays as it is */
}

/* Pages of a file are lent to the pipe, which saves a copy. */
static ssize_t put_input(mp_work *w, int fd) {
    struct iovec bytes = {(void *)(uintptr_t)w->input, w->n_input};
    while (w->of_file) {
        ssize_t n = vmsplice(fd, &bytes, 1, SPLICE_F_NONBLOCK);
        if (n >= 0 || errno == EAGAIN || errno == EPIPE) return n;
        w->of_file = errno == EINTR;
    }
    return write(fd, w->input, w->n_input);
}

static mp_status give_input(mp_work *w, bool *did, mp_error *err) {
    int fd = w->child.ends[0];
    for (size_t moved = 0; fd >= 0 && moved < STEP_BYTES;) {
        if (w->n_input == 0) {
            w->of_file = false;
            mp_status st = w->a.in(w->a.ctx, &w->input, &w->n_input, &w->of_file, err);
            if (st != MP_OK) return st;
            if (w->n_input == 0) {
                mp_child_close(&w->child, 0);
                return MP_OK;
            }
        }
        ssize_t n = put_input(w, fd);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            widen(w, 0);
            if (!w->waits_for_room) watch(w, fd, EPOLLOUT);
            w->waits_for_room = true;
            return MP_OK;
        }
        if (n < 0 && errno == EFAULT) /* of a mapped file */
            return mp_error_set(err, MP_IO, "cannot read", "an input shrank while it was read");
        if (n < 0) { /* it does not want more: no failure, its exit code says how it went */
            mp_child_close(&w->child, 0);
            return MP_OK;
        }
        *did = true;
        w->input += n;
        w->n_input -= (size_t)n;
        moved += (size_t)n;
    }
    return MP_OK;
}

/* Reads a stream dry, up to STEP_BYTES. */
static mp_status take_output(mp_work *w, int stream, bool *did, mp_error *err) {
    for (size_t moved = 0; w->child.ends[stream] >= 0 && moved < STEP_BYTES;) {
        ssize_t n = read(w->child.ends[stream], w->buffer, BUFFER_BYTES);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return MP_OK;
        *did = true;
        if (n <= 0) {
            mp_child_close(&w->child, stream);
            return MP_OK;
        }
        mp_status st = (stream == 1 ? w->a.out : w->a.err)(w->a.ctx, w->buffer, (size_t)n, err);
        if (st != MP_OK) return st;
        moved += (size_t)n;
        if (n >= 1 << 16) widen(w, stream);
    }
    return MP_OK;
}

/* ---- the end ---- */

void mp_work_stop(mp_work *w) {
    if (!w->busy || w->kill_ns) return;
    mp_child_signal(&w->child, SIGTERM);
    w->kill_ns = mp_clock_ns() + GRACE_NS;
}

static void watch_time(mp_work *w, int64_t now) {
    if (w->deadline_ns && now >= w->deadline_ns && !w->kill_ns && !w->ended_ns) {
        w->timed_out = true;
        mp_work_stop(w);
    }
    if (w->kill_ns && now >= w->kill_ns && !w->killed) {
        w->killed = true;
        mp_child_signal(&w->child, SIGKILL);
    }
}

static void finish(mp_work *w) {
    int status = 0;
    mp_child_reap(&w->child, &status);
    for (int i = 0; i < 3; i++)
        mp_child_close(&w->child, i);
    w->started = false;
    bool by_signal = WIFSIGNALED(status);
    w->result.code = by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
    w->result.outcome = w->timed_out     ? MP_UNIT_TIMEOUT
                        : by_signal      ? MP_UNIT_SIGNAL
                        : w->result.code ? MP_UNIT_EXIT
                                         : MP_UNIT_OK;
}

/* A process that it left behind may hold its outputs open: they get a moment to be closed. */
static bool outputs_over(mp_work *w, int64_t now) {
    bool open = w->child.ends[1] >= 0 || w->child.ends[2] >= 0;
    if (!w->ended_ns) {
        w->ended_ns = now;
        (void)epoll_ctl(w->a.epoll_fd, EPOLL_CTL_DEL, w->child.pidfd, NULL); /* else no sleep */
    }
    return !open || now - w->ended_ns >= GRACE_NS || w->killed;
}

mp_status mp_work_step(mp_work *w, bool *did, bool *done, mp_error *err) {
    *done = false;
    if (w->started) {
        int64_t now = mp_clock_ns();
        bool ended = w->ended_ns || mp_child_ended(&w->child); /* before its last bytes are read */
        watch_time(w, now);
        mp_status st = w->a.in && w->child.ends[0] >= 0 ? give_input(w, did, err) : MP_OK;
        bool read_some = false;
        if (st == MP_OK) st = take_output(w, 1, &read_some, err);
        if (st == MP_OK) st = take_output(w, 2, &read_some, err);
        if (st != MP_OK) {
            mp_child_end(&w->child);
            w->busy = w->started = false;
            return st;
        }
        if (read_some) *did = true;
        if (!ended) return MP_OK;
        mp_child_close(&w->child, 0);
        if (!outputs_over(w, now)) return MP_OK;
        if (read_some && !w->killed && (w->child.ends[1] >= 0 || w->child.ends[2] >= 0))
            return MP_OK; /* there may be more in the pipe */
        *did = true;
        finish(w);
    }
    w->result.run_ns = mp_clock_ns() - w->start_ns;
    w->busy = false;
    *done = true;
    return MP_OK;
}

int64_t mp_work_patience(const mp_work *w) {
    int64_t now = mp_clock_ns(), most = WAIT_NS;
    int64_t due[] = {w->deadline_ns, w->kill_ns, w->ended_ns ? w->ended_ns + GRACE_NS : 0};
    for (int i = 0; i < 3; i++)
        if (due[i] && due[i] - now < most) most = due[i] > now ? due[i] - now : 0;
    return most;
}
