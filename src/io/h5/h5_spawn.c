/* h5_spawn.c - the asking side of an inspection: a child process is started, its answer read.
 * Invariant: the child is gone when the call returns, whatever it did. It has none of the launcher's
 * variables, streams or sockets. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/child.h"
#include "io/h5/h5_serve.h"

enum { WALL_LIMIT_S = 300, END_LIMIT_S = 10, ANSWER_LIMIT = 1 << 30, READ_BYTES = 1 << 16 };

static mp_status start(const mp_h5_question *q, mp_spawner *spawner, mp_child *child,
                       mp_error *err) {
    const char *const args[] = {q->program, MP_H5_INSPECT_WORD,         q->tree ? "tree" : "table",
                                q->path,    q->object ? q->object : "", NULL};
    mp_child_args how = {.path = q->program,
                         .argv = args,
                         .streams = {MP_CHILD_EMPTY, MP_CHILD_PIPE, MP_CHILD_EMPTY}};
    int rc = mp_child_start(spawner, &how, child);
    return rc ? mp_error_errno(err, rc, "cannot start", q->program) : MP_OK;
}

/* All that the child says, until it closes its end; false: too long, too much, or no memory. */
static bool listen_to(int fd, mp_buf *answer) {
    double end = mp_clock_s() + WALL_LIMIT_S;
    while (answer->len < ANSWER_LIMIT) {
        double left = end - mp_clock_s();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int rc = left > 0 ? poll(&p, 1, (int)(left * 1000) + 1) : 0;
        if (rc < 0 && errno == EINTR) continue;
        if (rc <= 0 || !mp_buf_reserve(answer, READ_BYTES)) return false;
        ssize_t got = read(fd, answer->data + answer->len, READ_BYTES);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got <= 0) return got == 0;
        answer->len += (size_t)got;
    }
    return false;
}

/* It has closed its end or was killed: it ends soon. */
static void wait_end(const mp_child *c) {
    double end = mp_clock_s() + END_LIMIT_S;
    while (!mp_child_ended(c)) {
        struct pollfd p = {.fd = c->pidfd, .events = POLLIN};
        poll(&p, 1, 100);
        if (mp_clock_s() > end) mp_child_signal(c, SIGKILL);
    }
}

static mp_status died(const mp_h5_question *q, int how, mp_error *err) {
    int sig = WIFSIGNALED(how) ? WTERMSIG(how) : 0;
    if (sig == SIGXCPU || sig == SIGKILL)
        mp_error_set(err, MP_DATA, "broken HDF5 file", "looking into it took too long");
    else if (sig)
        mp_error_set(err, MP_DATA, "broken HDF5 file", "the HDF5 library crashes on it (%s)",
                     strsignal(sig));
    else
        mp_error_set(err, MP_DATA, "broken HDF5 file", "the inspection of it ended with code %d",
                     WIFEXITED(how) ? WEXITSTATUS(how) : -1);
    mp_error_file(err, q->path);
    mp_error_hint(err, "the file is malformed; make it again, or copy it again");
    return MP_DATA;
}

/* The answer begins with the inspector's error, which is plain bytes. */
static mp_status take_answer(const mp_h5_question *q, mp_buf *answer, mp_error *err) {
    mp_error said;
    if (answer->len < sizeof said) return died(q, 0, err);
    memcpy(&said, answer->data, sizeof said);
    said.what[sizeof said.what - 1] = said.file[sizeof said.file - 1] = 0;
    said.column[sizeof said.column - 1] = said.why[sizeof said.why - 1] = 0;
    said.hint[sizeof said.hint - 1] = 0;
    if (said.status < 0 || said.status >= MP_STATUS_COUNT) return died(q, 0, err);
    answer->len -= sizeof said;
    memmove(answer->data, answer->data + sizeof said, answer->len);
    if (said.status && err) *err = said;
    return (mp_status)said.status;
}

mp_status mp_h5_inspect(const mp_h5_question *q, mp_buf *answer, mp_error *err) {
    mp_buf_clear(answer);
    if (!q->program) {
        mp_h5_serve(q, answer);
        mp_status st = mp_buf_check(answer, err);
        return st ? st : take_answer(q, answer, err);
    }
    mp_spawner *spawner;
    mp_child child = {0};
    mp_status st = mp_spawner_new(answer->mem, &spawner, err);
    if (st) return st;
    st = start(q, spawner, &child, err);
    mp_spawner_free(&spawner);
    if (st) return st;
    bool heard = listen_to(child.ends[1], answer);
    mp_child_close(&child, 1);
    int how = 0;
    if (!heard) mp_child_signal(&child, SIGKILL);
    wait_end(&child);
    mp_child_reap(&child, &how);
    if (answer->failed) return mp_buf_check(answer, err);
    if (!heard || !WIFEXITED(how) || WEXITSTATUS(how) != 0) return died(q, how, err);
    return take_answer(q, answer, err);
}
