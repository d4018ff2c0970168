/* resp_client.c - see resp_client.h.
 * Invariant: in holds what was read and not started, from in_at on; a client whose socket is closed is left until its
 * operations are answered, and nothing is kept for it. */
#include "run/resp/resp_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 * 1024,
    UNDER_WAY_MAX = 1024,
    OUT_MAX = 1 << 20,
    KEEP_BYTES = 256 * 1024, /* larger buffers are given back when they are empty */
    FIRST_ANSWER =
        OUT_MAX / 2 /* as long as nothing is known of a client's answers: it starts slowly */
};

bool mp_resp_client_new(mp_resp_server *s, int fd) {
    mp_resp_client *c = mp_mem_calloc(s->args.mem, 1, sizeof *c);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    if (!c) return false;
    c->server = s;
    c->fd = fd;
    c->watched = EPOLLIN;
    c->usual_answer = FIRST_ANSWER;
    mp_resp_parser_init(&c->parser, s->args.mem);
    mp_buf_init(&c->in, s->args.mem);
    mp_buf_init(&c->out, s->args.mem);
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
        mp_mem_free(s->args.mem, c);
        return false;
    }
    c->next = s->clients;
    if (c->next) c->next->prev = c;
    s->clients = c;
    s->counts.clients++;
    s->counts.connected++;
    return true;
}

static void set_stuck(mp_resp_client *c, bool stuck) {
    c->server->n_stuck += (int)stuck - (int)c->stuck;
    c->stuck = stuck;
}

/* The socket goes at once; the rest when nothing is under way. */
static void hang_up(mp_resp_client *c) {
    if (c->fd < 0) return;
    close(c->fd);
    c->fd = -1;
    c->server->counts.connected--;
    set_stuck(c, false);
    mp_buf_release(&c->in);
    mp_buf_release(&c->out);
    mp_resp_parser_release(&c->parser);
}

void mp_resp_client_free(mp_resp_client *c) {
    mp_resp_server *s = c->server;
    hang_up(c);
    mp_resp_release_ring(c);
    if (c->prev) c->prev->next = c->next;
    if (c->next) c->next->prev = c->prev;
    if (s->clients == c) s->clients = c->next;
    mp_mem_free(s->args.mem, c);
}

/* What is asked of epoll: input while there is room for it, output while some waits. */
static void watch(mp_resp_client *c) {
    bool in = !c->no_more_input && !c->stuck;
    bool out = c->out.len > c->out_at;
    uint32_t wanted = (in ? EPOLLIN : 0u) | (out ? EPOLLOUT : 0u);
    struct epoll_event e = {.events = wanted, .data.ptr = c};
    if (wanted == c->watched || c->fd < 0 || c->unwatched) return;
    epoll_ctl(c->server->epoll, EPOLL_CTL_MOD, c->fd, &e);
    c->watched = wanted;
}

static bool may_start(const mp_resp_client *c) {
    uint64_t most = UNDER_WAY_MAX;
    if (c->usual_answer > OUT_MAX / UNDER_WAY_MAX) most = OUT_MAX / c->usual_answer;
    if (most < 1) most = 1;
    return c->end - c->first < most && c->out.len - c->out_at < OUT_MAX &&
           !mp_dict_full(c->server->args.dict);
}

static void say_and_close(mp_resp_client *c, const char *why) {
    char line[100];
    int n = snprintf(line, sizeof line, "-%s", why);
    mp_buf *b = mp_resp_at_once(c);
    c->server->counts.errors++;
    if (b && n > 0) {
        mp_resp_put_line(b, line);
        mp_resp_at_once_done(c);
    }
    c->no_more_input = true;
    c->in_at = c->in.len;
}

/* The rest moves to the front. */
static void drop_started(mp_resp_client *c) {
    size_t left = c->in.len - c->in_at;
    if (c->in_at == 0) return;
    if (left) memmove(c->in.data, c->in.data + c->in_at, left);
    c->in.len = left;
    c->in_at = 0;
    if (left == 0 && c->in.cap > KEEP_BYTES) mp_buf_release(&c->in);
}

void mp_resp_client_go_on(mp_resp_client *c, int *events) {
    while (c->fd >= 0 && c->in_at < c->in.len) {
        if (!may_start(c)) {
            set_stuck(c, true);
            break;
        }
        size_t used = 0;
        mp_resp_result r =
            mp_resp_parse(&c->parser, c->in.data + c->in_at, c->in.len - c->in_at, &used);
        set_stuck(c, false);
        if (r == MP_RESP_MORE) break;
        if (r == MP_RESP_BROKEN) {
            say_and_close(c, c->parser.why);
        } else if (r == MP_RESP_NOMEM || !mp_resp_run(c)) {
            hang_up(c);
        } else {
            c->in_at += used;
            if (c->no_more_input && !c->ended_input) c->in_at = c->in.len; /* QUIT */
        }
        ++*events;
    }
    if (c->fd < 0) return;
    if (c->in_at == c->in.len) set_stuck(c, false);
    drop_started(c);
}

static void read_some(mp_resp_client *c, int *events) {
    if (!mp_buf_reserve(&c->in, READ_BYTES)) {
        c->in.failed = false;
        say_and_close(c, "OOM the command does not fit in memory (--memory)");
        return;
    }
    ssize_t n = recv(c->fd, c->in.data + c->in.len, READ_BYTES, 0);
    if (n > 0) {
        c->in.len += (size_t)n;
        ++*events;
        mp_resp_client_go_on(c, events);
    } else if (n == 0) {
        c->no_more_input = c->ended_input = true;
        mp_resp_client_go_on(c, events);
    } else if (errno == ECONNRESET) {
        c->deaf = true; /* it left answers unread; what it had sent comes behind this */
    } else if (errno != EAGAIN && errno != EINTR) {
        hang_up(c);
    }
}

void mp_resp_client_ready(mp_resp_client *c, uint32_t what, int *events) {
    if (c->fd < 0) return;
    if (what & EPOLLHUP) c->deaf = true;
    if (!c->no_more_input && what & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
        read_some(c, events);
    } else if (what & (EPOLLERR | EPOLLHUP)) {
        epoll_ctl(c->server->epoll, EPOLL_CTL_DEL, c->fd, NULL);
        c->unwatched = c->deaf = true;
    }
}

static void send_some(mp_resp_client *c, int *events) {
    ssize_t n = send(c->fd, c->out.data + c->out_at, c->out.len - c->out_at, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) c->deaf = true;
    if (n <= 0 && !c->deaf) return;
    ++*events;
    if (n > 0) c->out_at += (size_t)n;
    if (c->out_at < c->out.len && !c->deaf) return;
    c->out_at = 0;
    mp_buf_clear(&c->out);
    if (c->out.cap > KEEP_BYTES) mp_buf_release(&c->out);
}

void mp_resp_client_write(mp_resp_client *c, int *events) {
    if (c->fd < 0) return;
    if (c->out.failed) {
        hang_up(c);
        return;
    }
    if (c->out.len > c->out_at) send_some(c, events);
    bool idle = c->fd >= 0 && c->first == c->end && c->out.len == c->out_at && !c->stuck;
    if (idle && c->no_more_input) hang_up(c);
    /* at the end nobody waits for a client that does not take its answers */
    if (c->fd >= 0 && c->server->ended && c->first == c->end && !c->stuck) hang_up(c);
    watch(c);
}

void mp_resp_client_end(mp_resp_client *c, int *events) {
    if (c->fd < 0) return;
    if (!c->no_more_input) read_some(c, events);
    if (c->fd >= 0) c->no_more_input = c->ended_input = true;
}
