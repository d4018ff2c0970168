/* plugin_serve.c - see plugin_serve.h, plugin_wire.h.
 * Invariant: one shard at a time; after a failure the rows that are still under way are given back unread, and DONE says
 * why. Any trouble with the line is the end: the rank that would want to know is gone. */
#include "op/plugin/plugin_serve.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "op/plugin/plugin_call.h"
#include "op/plugin/plugin_dict.h"
#include "op/plugin/plugin_wire.h"

enum { LINE_FD = 100, QUEUE = 16, NO_SLOT = MP_PLUGIN_SLOTS };

typedef struct {
    int line;
    mp_shared in, out;
    mp_plugin_message queue[QUEUE]; /* came while something else was waited for */
    int queue_fds[QUEUE];
    int n_queued;
    bool free[MP_PLUGIN_SLOTS]; /* slots of out that are ours */
    uint32_t slot;              /* the one that is filled; NO_SLOT: none */
    size_t filled;
    mp_plugin plugin;
    const struct mpart_plugin_dict *dict; /* NULL: none */
    mp_plugin_instance *instance;
    const struct mpart_arg *args;
    int n_args;
    mp_schema input;
    mp_arena kept, shard, batch;
    mp_error error; /* of this shard */
} server;

static _Noreturn void leave(int code) {
    _exit(code);
}

static void say(server *s, const mp_plugin_message *m) {
    if (mp_plugin_send(s->line, m, -1) != MP_LINE_OK) leave(0);
}

static void say_slot(server *s, mp_plugin_kind kind, uint32_t slot, size_t len) {
    mp_plugin_message m = {.kind = kind, .slot = slot, .len = (int64_t)len};
    say(s, &m);
}

static void receive(server *s, mp_plugin_message *m, int *fd) {
    size_t n = 0;
    memset(m, 0, sizeof *m);
    if (mp_line_recv(s->line, m, sizeof *m, &n, fd) != MP_LINE_OK) leave(0);
}

static void next_message(server *s, mp_plugin_message *m, int *fd) {
    if (s->n_queued == 0) {
        receive(s, m, fd);
        return;
    }
    *m = s->queue[0];
    *fd = s->queue_fds[0];
    s->n_queued--;
    memmove(s->queue, s->queue + 1, (size_t)s->n_queued * sizeof *s->queue);
    memmove(s->queue_fds, s->queue_fds + 1, (size_t)s->n_queued * sizeof *s->queue_fds);
}

static void take_region(mp_shared *region, int fd, bool writable) {
    mp_shared_release(NULL, region);
    if (fd < 0 || mp_shared_map(fd, writable, region) != 0) leave(74);
}

/* ---- rows that come out ---- */

static void take_output(server *s, int fd) {
    take_region(&s->out, fd, true);
    for (int i = 0; i < MP_PLUGIN_SLOTS; i++)
        s->free[i] = true;
    s->slot = NO_SLOT;
    s->filled = 0;
}

/* The next message that is about the output; others wait. */
static void wait_for_output(server *s) {
    mp_plugin_message m;
    int fd;
    receive(s, &m, &fd);
    if (m.kind == MP_PLUGIN_FREE && m.slot < MP_PLUGIN_SLOTS) {
        s->free[m.slot] = true;
    } else if (m.kind == MP_PLUGIN_OUTPUT) {
        take_output(s, fd);
    } else {
        if (s->n_queued == QUEUE) leave(70);
        s->queue[s->n_queued] = m;
        s->queue_fds[s->n_queued++] = fd;
    }
}

static void flush(server *s) {
    if (s->filled == 0) return;
    say_slot(s, MP_PLUGIN_ROWS, s->slot, s->filled);
    s->free[s->slot] = false;
    s->slot = NO_SLOT;
    s->filled = 0;
}

static void begin_slot(server *s) {
    while (s->slot == NO_SLOT) {
        for (uint32_t i = 0; i < MP_PLUGIN_SLOTS && s->slot == NO_SLOT; i++)
            if (s->free[i]) s->slot = i;
        if (s->slot == NO_SLOT) wait_for_output(s);
    }
}

static bool all_free(const server *s) {
    for (int i = 0; i < MP_PLUGIN_SLOTS; i++)
        if (!s->free[i]) return false;
    return true;
}

/* A slot has to hold n bytes. The rank refuses by not answering: it ends this process. */
static void grow_output(server *s, size_t n) {
    flush(s);
    while (!all_free(s))
        wait_for_output(s);
    say_slot(s, MP_PLUGIN_NEED, 0, n);
    while (mp_plugin_slot_bytes(&s->out) < n)
        wait_for_output(s);
}

static mp_status hand_out(void *ctx, const mp_batch *batch, mp_error *err) {
    server *s = ctx;
    const mp_schema *schema = mp_plugin_output(s->instance);
    int64_t need = mp_frame_bytes(batch, schema);
    if (need < 0) return mp_error_set(err, MP_FAILED, "bad batch", "2 GiB of text or more in it");
    size_t n = (size_t)need, most = mp_plugin_slot_bytes(&s->out);
    if (n > most)
        grow_output(s, n);
    else if (s->filled + n > most)
        flush(s);
    begin_slot(s);
    s->filled += (size_t)mp_frame_put(batch, schema, mp_plugin_slot(&s->out, s->slot) + s->filled);
    return MP_OK;
}

/* ---- a shard ---- */

static void fail(server *s) {
    mp_plugin_close(&s->instance);
    flush(s);
    say_slot(s, MP_PLUGIN_FAILED, 0, 0);
}

static void say_columns(server *s) {
    mp_buf b;
    mp_buf_init(&b, NULL);
    mp_plugin_put_columns(&b, 0, mp_plugin_keys(s->instance), mp_plugin_output(s->instance));
    if (b.failed) leave(71);
    if (b.len > mp_plugin_slot_bytes(&s->out)) grow_output(s, b.len);
    while (!all_free(s))
        wait_for_output(s);
    memcpy(mp_plugin_slot(&s->out, 0), b.data, b.len);
    s->free[0] = false;
    say_slot(s, MP_PLUGIN_OPENED, 0, b.len);
    mp_buf_release(&b);
}

static void open_shard(server *s, const mp_plugin_message *m) {
    mp_plugin_open_args a = {.plugin = &s->plugin,
                             .n_args = s->n_args,
                             .args = s->args,
                             .input = &s->input,
                             .dict = s->dict,
                             .ctx = s,
                             .rows = hand_out};
    mp_arena_reset(&s->shard);
    s->error = MP_ERROR_INIT;
    if (!mp_plugin_get_columns(s->in.p, (size_t)m->len, &s->shard, &a.role, &a.shard, &s->input))
        leave(70);
    if (mp_plugin_open(&a, &s->instance, &s->error) == MP_OK)
        say_columns(s);
    else
        fail(s);
}

static mp_status read_frames(server *s, const mp_plugin_message *m) {
    const uint8_t *p = mp_plugin_slot(&s->in, m->slot);
    int64_t left = m->len, n_rows, len;
    size_t bytes = (size_t)s->input.n * sizeof(mp_arrow_col);
    mp_status st = MP_OK;
    while (left > 0 && st == MP_OK) {
        mp_arena_reset(&s->batch);
        mp_arrow_col *cols = mp_arena_alloc(&s->batch, bytes, 16);
        if (!cols) return mp_mem_error(NULL, bytes, &s->error);
        st = mp_frame_get(p, left, s->input.n, cols, &n_rows, &len, &s->error);
        if (st == MP_OK && n_rows > 0) st = mp_plugin_process(s->instance, cols, n_rows, &s->error);
        p += len;
        left -= len;
    }
    return st;
}

static void finish_shard(server *s, bool cancel) {
    mp_plugin_message m = {.kind = MP_PLUGIN_DONE};
    if (s->instance && !cancel && mp_plugin_finish(s->instance, &s->error) != MP_OK) fail(s);
    mp_plugin_close(&s->instance);
    flush(s);
    m.error = s->error;
    say(s, &m);
}

static void serve(server *s) {
    for (;;) {
        mp_plugin_message m;
        int fd;
        next_message(s, &m, &fd);
        switch (m.kind) {
        case MP_PLUGIN_INPUT:
            take_region(&s->in, fd, false);
            break;
        case MP_PLUGIN_OUTPUT:
            take_output(s, fd);
            break;
        case MP_PLUGIN_FREE:
            s->free[m.slot] = true;
            break;
        case MP_PLUGIN_OPEN:
            open_shard(s, &m);
            break;
        case MP_PLUGIN_ROWS:
            if (s->instance && read_frames(s, &m) != MP_OK) fail(s);
            say_slot(s, MP_PLUGIN_FREE, m.slot, 0);
            break;
        case MP_PLUGIN_FINISH:
            finish_shard(s, m.cancel != 0);
            break;
        default:
            leave(70);
        }
    }
}

/* ---- the process ---- */

bool mp_plugin_is_worker(int argc, char **argv) {
    return argc >= 4 && strcmp(argv[1], MP_PLUGIN_WORKER_ARG) == 0;
}

/* The line moves away from standard input, where a plug-in may read; what it prints goes to standard error. */
static bool move_streams(server *s) {
    s->line = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, LINE_FD);
    if (s->line < 0) s->line = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    int none = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool ok = s->line >= 0 && none >= 0 && dup2(none, STDIN_FILENO) >= 0 &&
              dup2(STDERR_FILENO, STDOUT_FILENO) >= 0;
    if (none > STDERR_FILENO) close(none);
    return ok;
}

int mp_plugin_serve(int argc, char **argv) {
    server *s = calloc(1, sizeof *s);
    if (!s) return 71;
    s->in = s->out = MP_SHARED_NONE;
    s->slot = NO_SLOT;
    mp_arena_init(&s->kept, NULL);
    mp_arena_init(&s->shard, NULL);
    mp_arena_init(&s->batch, NULL);
    s->error = MP_ERROR_INIT;
    if (!move_streams(s)) return 71;
    if (argv[2][0]) s->dict = mp_plugin_dict_new(argv[2]);
    if (argv[2][0] && !s->dict) return 71;
    mp_status st =
        mp_plugin_args((const char *const *)argv + 4, argc - 4, &s->kept, &s->args, &s->error);
    s->n_args = argc - 4;
    if (st == MP_OK) st = mp_plugin_load(argv[3], &s->kept, &s->plugin, &s->error);
    if (st != MP_OK) {
        mp_plugin_message m = {.kind = MP_PLUGIN_DONE, .error = s->error};
        say(s, &m);
        return 0;
    }
    say_slot(s, MP_PLUGIN_READY, 0, 0);
    serve(s);
    return 0;
}
