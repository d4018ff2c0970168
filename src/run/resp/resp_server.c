/* resp_server.c - the dictionary's socket: taking clients in, and the rounds.
 * Invariant: the folder and the socket exist exactly as long as the server; only its user may enter the folder. A rank
 * that is killed leaves them to the launcher, in whose folder they are. */
#include "run/resp/resp_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/leftover.h"
#include "run/resp/resp_client.h"

enum { EVENTS_A_ROUND = 64, ACCEPTED_A_ROUND = 32, BACKLOG = 128, AGAIN_NS = 100000000 };

static bool make_folder(mp_resp_server *s, const char *parent) {
    if (!parent || !*parent) return false;
    int n = snprintf(s->folder, sizeof s->folder, "%s/mpart-XXXXXX", parent);
    bool fits = n > 0 && (size_t)n < sizeof s->folder;
    if (!fits) errno = ENAMETOOLONG;
    if (fits && mkdtemp(s->folder)) {
        s->leftover = mp_leftover_add(s->folder, MP_LEFTOVER_TREE);
        return true;
    }
    s->folder[0] = 0;
    return false;
}

static mp_status listen_there(mp_resp_server *s, mp_error *err) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (!make_folder(s, mp_comm_launcher_folder()) && !make_folder(s, s->args.folder) &&
        !make_folder(s, "/tmp"))
        return mp_error_errno(err, errno, "cannot make a folder for the dictionary's socket",
                              "/tmp");
    snprintf(s->path, sizeof s->path, "%s/dict", s->folder);
    memcpy(a.sun_path, s->path, strlen(s->path) + 1);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->listener < 0 || bind(s->listener, (const struct sockaddr *)&a, sizeof a) != 0 ||
        chmod(s->path, 0700) != 0 || listen(s->listener, BACKLOG) != 0)
        return mp_error_errno(err, errno, "cannot listen on the dictionary's socket", s->path);
    return MP_OK;
}

static void watch_listener(mp_resp_server *s, bool on) {
    struct epoll_event e = {.events = on ? EPOLLIN : 0, .data.ptr = NULL};
    if (s->accepting != on) epoll_ctl(s->epoll, EPOLL_CTL_MOD, s->listener, &e);
    s->accepting = on;
}

mp_status mp_resp_server_new(const mp_resp_server_args *args, mp_resp_server **out, mp_error *err) {
    mp_resp_server *s = calloc(1, sizeof *s);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    *out = NULL;
    if (!s) return mp_error_nomem(err, sizeof *s, 0);
    *s = (mp_resp_server){.args = *args, .size = mp_comm_size(args->c), .listener = -1};
    s->leftover = -1;
    s->accepting = true;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    mp_status st = MP_OK;
    if (s->epoll < 0)
        st = mp_error_errno(err, errno, "cannot watch the dictionary's clients", NULL);
    if (st == MP_OK) st = listen_there(s, err);
    if (st == MP_OK && epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &e) != 0)
        st = mp_error_errno(err, errno, "cannot watch the dictionary's clients", NULL);
    if (st == MP_OK)
        *out = s;
    else
        mp_resp_server_free(&s);
    return st;
}

static void close_listener(mp_resp_server *s) {
    if (s->listener >= 0) close(s->listener);
    s->listener = -1;
    if (s->path[0]) unlink(s->path);
    if (s->folder[0]) rmdir(s->folder);
    mp_leftover_drop(s->leftover);
    s->leftover = -1;
    s->path[0] = s->folder[0] = 0;
}

void mp_resp_server_free(mp_resp_server **ps) {
    if (!ps || !*ps) return;
    mp_resp_server *s = *ps;
    *ps = NULL;
    close_listener(s);
    while (s->clients)
        mp_resp_client_free(s->clients);
    if (s->epoll >= 0) close(s->epoll);
    free(s);
}

const char *mp_resp_server_path(const mp_resp_server *s) {
    return s->path;
}

int mp_resp_server_fd(const mp_resp_server *s) {
    return s->epoll;
}

static void take_clients(mp_resp_server *s, int *events) {
    for (int i = 0; i < ACCEPTED_A_ROUND && s->listener >= 0; i++) {
        int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            /* no descriptor is free: others wait until a client leaves, or for a while */
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                watch_listener(s, false);
                s->again_ns = mp_clock_ns() + AGAIN_NS;
            }
            return;
        }
        ++*events;
        if (mp_resp_client_new(s, fd)) continue;
        static const char why[] = "-OOM there is no memory for one more client (--memory)\r\n";
        (void)!send(fd, why, sizeof why - 1, MSG_NOSIGNAL);
        close(fd);
    }
}

mp_status mp_resp_server_round(mp_resp_server *s, int *events, mp_error *err) {
    struct epoll_event ready[EVENTS_A_ROUND];
    if (!s->accepting && s->listener >= 0 && mp_clock_ns() >= s->again_ns) watch_listener(s, true);
    int n = epoll_wait(s->epoll, ready, EVENTS_A_ROUND, 0);
    for (int i = 0; i < n; i++) {
        if (ready[i].data.ptr)
            mp_resp_client_ready(ready[i].data.ptr, ready[i].events, events);
        else
            take_clients(s, events);
    }
    if (s->n_stuck > 0)
        for (mp_resp_client *c = s->clients; c; c = c->next)
            if (c->stuck) mp_resp_client_go_on(c, events);
    mp_status st = mp_dict_flush(s->args.dict, err);
    for (mp_resp_client *c = s->clients, *next; c; c = next) {
        next = c->next;
        mp_resp_client_write(c, events);
        if (c->fd >= 0 || c->first < c->end) continue;
        mp_resp_client_free(c);
        if (s->listener >= 0) watch_listener(s, true);
    }
    return st;
}

void mp_resp_server_end(mp_resp_server *s) {
    int events = 0;
    if (s->ended) return;
    /* those that have connected, too; who connects again and again gets no further */
    for (int n = 0; n <= BACKLOG; n += ACCEPTED_A_ROUND)
        take_clients(s, &events);
    s->ended = true;
    close_listener(s);
    for (mp_resp_client *c = s->clients; c; c = c->next)
        mp_resp_client_end(c);
}

bool mp_resp_server_calm(const mp_resp_server *s) {
    for (const mp_resp_client *c = s->clients; c; c = c->next)
        if (c->stuck || c->first < c->end) return false;
    return true;
}

bool mp_resp_server_done(const mp_resp_server *s) {
    return s->ended && !s->clients;
}

mp_resp_server_counts mp_resp_server_stats(const mp_resp_server *s) {
    return s->counts;
}
