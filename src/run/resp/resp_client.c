/* resp_client.c - see resp_client.h.
 * Invariant: in holds what was read and not started, from in_at on. A client has room for a short command and an error
 * as long as it is there, so it is always told what it is refused: a command that there is no memory for is read to its
 * end and dropped. One whose socket is closed is left until its operations are answered, and nothing is kept for it. */
#include "run/resp/resp_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 * 1024,
    UNDER_WAY_MAX = 1024,
    OUT_MAX = 1 << 20,
    OUT_MOST = 16 << 20,    /* while memory is plenty */
    LEAST_BYTES = 4 * 1024, /* of a buffer, always */
    KEEP_BYTES =
        256 *
        1024, /* larger buffers are given back when they are empty; a command that needs more is long */
    FIRST_ANSWER =
        OUT_MAX / 2 /* as long as nothing is known of a client's answers: it starts slowly */
};

static void release(mp_resp_client *c) {
    mp_buf_release(&c->in);
    mp_buf_release(&c->out);
    mp_resp_parser_release(&c->parser);
    mp_resp_release_ring(c);
    mp_mem_free(c->server->args.mem, c);
}

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
    if (!mp_buf_reserve(&c->in, LEAST_BYTES) || !mp_buf_reserve(&c->out, LEAST_BYTES) ||
        !mp_resp_ring_room(c) || epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
        release(c);
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
    if (c->prev) c->prev->next = c->next;
    if (c->next) c->next->prev = c->prev;
    if (s->clients == c) s->clients = c->next;
    release(c);
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

/* Is a fraction 1 / n of the memory left, once `more` bytes are taken? */
static bool leaves(const mp_mem *mem, int64_t more, int n) {
    return mem->limit_bytes == 0 ||
           mem->limit_bytes - mem->used_bytes - more >= mem->limit_bytes / n;
}

/* A client may leave its answers for a while, so that one that sends a long pipeline before it reads gets through. So may
 * many: each holds no more than a part of what is left above a quarter of the memory, or a single answer. */
static bool takes_answers(const mp_resp_client *c) {
    const mp_mem *mem = c->server->args.mem;
    size_t held = c->out.len - c->out_at + (size_t)(c->end - c->first) * c->usual_answer;
    int64_t most = OUT_MOST, left = mem->limit_bytes - mem->limit_bytes / 4 - mem->used_bytes;
    if (mem->limit_bytes && left / 8 < most) most = left / 8;
    return c->deaf || held == 0 || (int64_t)held < most;
}

static bool may_start(mp_resp_client *c) {
    uint64_t most = UNDER_WAY_MAX;
    if (c->usual_answer > OUT_MAX / UNDER_WAY_MAX) most = OUT_MAX / c->usual_answer;
    if (most < 1) most = 1;
    return c->end - c->first < most && takes_answers(c) && !mp_dict_full(c->server->args.dict) &&
           mp_resp_ring_room(c);
}

static void say_and_close(mp_resp_client *c, const char *why) {
    char line[100];
    int n = snprintf(line, sizeof line, "-%s", why);
    c->server->counts.errors++;
    if (n > 0) mp_resp_put_line(mp_resp_at_once(c), line);
    mp_resp_at_once_done(c);
    c->no_more_input = true;
    c->in_at = c->in.len;
}

/* An empty buffer, or one with little in it, does not stay large. */
static void shrink(mp_buf *b) {
    size_t keep = leaves(b->mem, 0, 4) ? KEEP_BYTES : LEAST_BYTES;
    if (b->cap <= keep || b->len > LEAST_BYTES) return;
    void *p = mp_mem_realloc(b->mem, b->data, LEAST_BYTES);
    if (!p) return;
    b->data = p;
    b->cap = LEAST_BYTES;
}

/* The rest moves to the front. */
static void drop_started(mp_resp_client *c) {
    size_t left = c->in.len - c->in_at;
    if (c->in_at == 0) return;
    if (left) memmove(c->in.data, c->in.data + c->in_at, left);
    c->in.len = left;
    c->in_at = 0;
    shrink(&c->in);
}

/* There is no room for the command that is being read. */
static void pass_over(mp_resp_client *c) {
    c->refused_bytes = (int64_t)mp_resp_least_bytes(&c->parser);
    mp_resp_pass_over(&c->parser);
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
        c->in_at += used;
        ++*events;
        if (r == MP_RESP_MORE) break;
        if (r == MP_RESP_COMMAND)
            mp_resp_run(c);
        else if (r == MP_RESP_BROKEN)
            say_and_close(c, c->parser.why);
        else if (r == MP_RESP_NOMEM)
            pass_over(c);
        else
            mp_resp_refuse(c, c->refused_bytes);
        if (c->no_more_input && !c->ended_input) c->in_at = c->in.len; /* QUIT */
    }
    if (c->fd < 0) return;
    if (c->in_at == c->in.len) set_stuck(c, false);
    drop_started(c);
}

/* A buffer of cap bytes for what comes. Some memory is left to others and their operations: by a long command a quarter,
 * an eighth by all. */
static bool grow(mp_resp_client *c, size_t cap) {
    mp_mem *mem = c->in.mem;
    if (cap <= c->in.cap) return true;
    if (!leaves(mem, (int64_t)(cap - c->in.cap), cap > 2 * READ_BYTES ? 4 : 8)) return false;
    void *p = mp_mem_realloc(mem, c->in.data, cap);
    if (!p) return false;
    c->in.data = p;
    c->in.cap = cap;
    return true;
}

/* Bytes that can be read now. A full buffer doubles, but not beyond the command's end as far as that is known; where there
 * is no room for that, it grows a little. One that a pipeline fills as often as it is read gets its full size while half of
 * the memory is left. 0: nothing is left. */
static size_t room_to_read(mp_resp_client *c) {
    if (c->filled && c->in.cap < READ_BYTES && leaves(c->in.mem, READ_BYTES, 2))
        (void)grow(c, READ_BYTES);
    size_t need = c->in.len + READ_BYTES, twice = 2 * c->in.cap;
    size_t end = mp_resp_least_bytes(&c->parser) + READ_BYTES;
    if (c->in.len == c->in.cap && !grow(c, twice < need                ? need
                                           : end > need && end < twice ? end
                                                                       : twice))
        (void)grow(c, need);
    size_t room = c->in.cap - c->in.len;
    return room < READ_BYTES ? room : READ_BYTES;
}

static void end_input(mp_resp_client *c) {
    c->no_more_input = c->ended_input = true;
    c->to_come = 0;
}

static void read_some(mp_resp_client *c, int *events) {
    size_t room = room_to_read(c);
    if (room == 0 && !c->stuck) {
        pass_over(c);
        mp_resp_client_go_on(c, events);
        room = room_to_read(c);
    }
    if (room == 0 || c->fd < 0) return;
    if (c->to_come > 0 && (int64_t)room > c->to_come) room = (size_t)c->to_come;
    ssize_t n = recv(c->fd, c->in.data + c->in.len, room, 0);
    c->filled = n > 0 && (size_t)n == room;
    if (n > 0) {
        c->in.len += (size_t)n;
        ++*events;
        if (c->to_come > 0 && (c->to_come -= n) == 0) end_input(c);
        mp_resp_client_go_on(c, events);
    } else if (n == 0) {
        end_input(c);
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
    if (c->deaf) c->out_at = c->out.len;
    size_t left = c->out.len - c->out_at;
    if (left > 0 && (c->out_at < KEEP_BYTES || c->out_at < left)) return;
    memmove(c->out.data, c->out.data + c->out_at, left);
    c->out.len = left;
    c->out_at = 0;
    shrink(&c->out);
}

void mp_resp_client_write(mp_resp_client *c, int *events) {
    if (c->fd < 0) return;
    mp_resp_flush(c);
    if (c->out.len > c->out_at) send_some(c, events);
    /* at the end nobody waits for a client that does not take its answers */
    if (c->server->ended && c->out.len > c->out_at && (c->stuck || c->first == c->end)) {
        c->deaf = true;
        send_some(c, events);
    }
    if (c->no_more_input && c->first == c->end && c->out.len == c->out_at && !c->stuck) hang_up(c);
    watch(c);
}

void mp_resp_client_end(mp_resp_client *c) {
    int n = 0;
    if (c->fd < 0) return;
    if (!c->no_more_input && ioctl(c->fd, FIONREAD, &n) == 0 && n > 0)
        c->to_come = n;
    else
        end_input(c);
}
