/* stop.c - see stop.h. */
#include "run/stop.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

static void stop_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGUSR1);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

mp_status mp_stop_begin(mp_stop *s, mp_comm *c, mp_error *err) {
    sigset_t set, at_once;
    stop_signals(&set);
    sigemptyset(&at_once);
    sigaddset(&at_once, SIGUSR1);
    s->fd = -1;
    sigprocmask(SIG_BLOCK, &at_once, &s->before);
    if (mp_comm_rank(c) != 0) return MP_OK;
    s->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return s->fd >= 0 ? MP_OK : mp_error_errno(err, errno, "cannot wait for signals", NULL);
}

void mp_stop_hold(void) {
    sigset_t set;
    stop_signals(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

void mp_stop_end(mp_stop *s) {
    static const struct timespec now = {0, 0};
    sigset_t set;
    stop_signals(&set);
    while (sigtimedwait(&set, NULL, &now) > 0) /* else they would end it now */
        ;
    if (s->fd >= 0) close(s->fd);
    s->fd = -1;
    sigprocmask(SIG_SETMASK, &s->before, NULL);
}
