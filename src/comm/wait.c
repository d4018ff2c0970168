/* wait.c - the one way to wait: progress, then test and yield for a moment, then sleep.
 * Invariant: a rank that waits lets the others compute. It yields only while every rank of its host has a processor of its
 * own and no other program wants it, and sleeps longer the longer nothing happens, so a wait is lengthened by a fixed fraction at most. */
#include <poll.h>
#include <sched.h>
#include <time.h>

#include "base/clock.h"
#include "comm/comm_state.h"

enum {
    SLEEP_MIN_NS = 50 * 1000,
    SLEEP_MAX_NS = 1000 * 1000,
    SLEEP_RUNG_NS = 20 * 1000 * 1000,
    CROWDED_NS = 1000 * 1000, /* a yield that takes longer went to others */
    CROWDED_FOR_NS = 100 * 1000 * 1000
};

static int64_t sleep_length(const mp_comm *c, int64_t idle_ns) {
    /* with a doorbell, and nothing of ours for MPI to push along, the sleep is ended from outside */
    bool rung = (c->all_ring && c->asleep && c->n_ops == 0) || c->size == 1;
    int64_t ns = rung ? idle_ns / 2 : idle_ns / 8;
    int64_t max = rung ? SLEEP_RUNG_NS : SLEEP_MAX_NS;
    return ns < SLEEP_MIN_NS ? SLEEP_MIN_NS : ns > max ? max : ns;
}

static void sleep_on_descriptors(mp_comm *c, int64_t ns) {
    struct pollfd fds[2];
    nfds_t n = 0;
    if (c->bell >= 0 && c->secret) fds[n++] = (struct pollfd){.fd = c->bell, .events = POLLIN};
    if (c->watched >= 0) fds[n++] = (struct pollfd){.fd = c->watched, .events = POLLIN};
    struct timespec t = {.tv_sec = 0, .tv_nsec = ns};
    ppoll(fds, n, &t, NULL);
}

static void sleep_once(mp_comm *c, int64_t ns) {
    mp_message_remind(c);
    mp_doorbell_sleeps(c);
    if (!mp_message_waits(c)) sleep_on_descriptors(c, ns);
    mp_doorbell_woke(c);
}

/* Who yields to programs that compute gets the processor back behind their time slices; who sleeps, when it is woken. */
bool mp_comm_yield(mp_comm *c) {
    int64_t now = mp_clock_ns();
    if (now < c->crowded_until_ns) return false;
    sched_yield();
    int64_t back = mp_clock_ns();
    if (back - now > CROWDED_NS) c->crowded_until_ns = back + CROWDED_FOR_NS;
    return true;
}

void mp_comm_idle_most(mp_comm *c, int idle_rounds, int64_t most_ns) {
    int64_t now = mp_clock_ns();
    if (idle_rounds <= 1 || c->idle_since_ns == 0) c->idle_since_ns = now;
    int64_t idle_ns = now - c->idle_since_ns;
    if (mp_message_ready(c) || c->kept.status != MP_OK) return;
    if (idle_ns < c->spin_ns && mp_comm_yield(c)) return;
    int64_t ns = sleep_length(c, idle_ns);
    sleep_once(c, ns < most_ns ? ns : most_ns);
}

void mp_comm_sleep(mp_comm *c, int64_t most_ns) {
    if (mp_message_ready(c) || c->kept.status != MP_OK) return;
    int64_t ns = sleep_length(c, INT64_MAX);
    sleep_once(c, ns < most_ns ? ns : most_ns);
}

void mp_comm_idle(mp_comm *c, int idle_rounds) {
    mp_comm_idle_most(c, idle_rounds, SLEEP_RUNG_NS);
}

void mp_comm_watch_fd(mp_comm *c, int fd) {
    c->watched = fd;
}

void mp_comm_deadline(mp_comm *c, double seconds) {
    if (mp_comm_broken(c)) return;
    c->deadline_ns = seconds > 0 ? mp_clock_ns() + (int64_t)(seconds * 1e9) : 0;
}

static bool is_late(const mp_comm *c) {
    return c->deadline_ns && mp_clock_ns() > c->deadline_ns;
}

typedef mp_status (*round_fn)(mp_comm *c, int *events, mp_error *err);

static mp_status wait_until(mp_comm *c, round_fn round, mp_pred_fn pred, void *ctx,
                            const char *what, mp_error *err) {
    const char *outer = c->waiting;
    int64_t outer_since = c->waiting_since_ns;
    mp_status s = MP_OK;
    int idle = 0;
    c->waiting = what;
    c->waiting_since_ns = mp_clock_ns();
    while (!pred(ctx)) {
        int events = 0;
        s = round(c, &events, err);
        if (s == MP_OK && is_late(c)) {
            mp_comm_give_up(c);
            s = mp_error_set(err, MP_FAILED, "other ranks do not answer", "waited for: %s", what);
        }
        if (s != MP_OK) break;
        idle = events ? 0 : idle + 1;
        if (idle) mp_comm_idle(c, idle);
    }
    c->waiting = outer;
    c->waiting_since_ns = outer_since;
    return s;
}

mp_status mp_comm_wait(mp_comm *c, mp_pred_fn pred, void *ctx, const char *what, mp_error *err) {
    return wait_until(c, mp_comm_progress, pred, ctx, what, err);
}

mp_status mp_wait_quietly(mp_comm *c, mp_pred_fn pred, void *ctx, const char *what, mp_error *err) {
    return wait_until(c, mp_message_round, pred, ctx, what, err);
}

const char *mp_comm_waiting(const mp_comm *c, double *seconds) {
    if (seconds) *seconds = c->waiting ? (double)(mp_clock_ns() - c->waiting_since_ns) * 1e-9 : 0;
    return c->waiting;
}
