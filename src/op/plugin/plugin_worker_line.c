/* plugin_worker_line.c - the process of a worker: its start, the slots and the messages. See plugin_wire.h. */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "op/plugin/plugin_worker_priv.h"

static const int64_t SLOT_MOST = (int64_t)1 << 30; /* of what a plug-in may ask for */

/* ---- start and end ---- */

static mp_status cannot_start(mp_worker *w, int errnum, mp_error *err) {
    mp_error_errno(err, errnum, "cannot start the process of the plug-in", w->a.program);
    return MP_IO;
}

static void watch(mp_worker *w, int fd) {
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= 0 && w->a.epoll_fd >= 0) (void)epoll_ctl(w->a.epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

/* The descriptor of standard output is the standard error's in there: what is given here does not matter. */
static int spawn(mp_worker *w, int line) {
    const char **argv = mp_arena_alloc(&w->batch, ((size_t)w->a.n_args + 5) * sizeof *argv, 8);
    if (!argv) return ENOMEM;
    argv[0] = w->a.program;
    argv[1] = MP_PLUGIN_WORKER_ARG;
    argv[2] = w->a.dict_socket ? w->a.dict_socket : "";
    argv[3] = w->a.plugin;
    for (int i = 0; i < w->a.n_args; i++)
        argv[4 + i] = w->a.args[i];
    argv[4 + w->a.n_args] = NULL;
    mp_child_args args = {
        .path = w->a.program, .argv = argv, .streams = {line, MP_CHILD_EMPTY, MP_CHILD_PIPE}};
    return mp_child_start(w->a.spawner, &args, &w->child);
}

static mp_status give_input(mp_worker *w, size_t slot_bytes, mp_error *err) {
    mp_plugin_message m = {.kind = MP_PLUGIN_INPUT};
    mp_shared_release(w->a.mem, &w->in);
    mp_status st =
        mp_shared_new(w->a.mem, (slot_bytes + 63) / 64 * 64 * MP_PLUGIN_SLOTS, false, &w->in, err);
    if (st == MP_OK) mp_worker_say(w, &m, w->in.fd);
    return st;
}

static mp_status give_output(mp_worker *w, size_t slot_bytes, mp_error *err) {
    mp_plugin_message m = {.kind = MP_PLUGIN_OUTPUT};
    mp_shared_release(w->a.mem, &w->out);
    mp_status st =
        mp_shared_new(w->a.mem, (slot_bytes + 63) / 64 * 64 * MP_PLUGIN_SLOTS, true, &w->out, err);
    if (st == MP_OK) mp_worker_say(w, &m, w->out.fd);
    return st;
}

mp_status mp_worker_start(mp_worker *w, mp_error *err) {
    int theirs;
    int errnum = mp_line_pair(&w->line, &theirs);
    if (!errnum) errnum = spawn(w, theirs);
    if (theirs >= 0) close(theirs);
    if (errnum) {
        mp_worker_end(w);
        return cannot_start(w, errnum, err);
    }
    watch(w, w->line);
    watch(w, w->child.pidfd);
    watch(w, w->child.ends[2]);
    w->ready = false;
    w->ended_ns = 0;
    w->owed = 1;
    for (int i = 0; i < MP_PLUGIN_SLOTS; i++)
        w->free[i] = true;
    mp_status st = give_input(w, MP_PLUGIN_SLOT_BYTES, err);
    if (st == MP_OK) st = give_output(w, MP_PLUGIN_SLOT_BYTES, err);
    if (st != MP_OK) mp_worker_end(w);
    return st;
}

void mp_worker_end(mp_worker *w) {
    mp_child_end(&w->child);
    w->child = (mp_child){.pidfd = -1, .ends = {-1, -1, -1}};
    if (w->line >= 0) close(w->line);
    w->line = -1;
    mp_shared_release(w->a.mem, &w->in);
    mp_shared_release(w->a.mem, &w->out);
    mp_mem_free(w->a.mem, w->copy);
    mp_mem_free(w->a.mem, w->waiting);
    w->copy = w->waiting = NULL;
    w->copy_bytes = w->waiting_bytes = 0;
    w->slot = MP_WORKER_NO_SLOT;
    w->filled = 0;
}

/* ---- rows that go there ---- */

/* A line without room means that messages are not read: its end is told by the process or by the time. */
void mp_worker_say(mp_worker *w, const mp_plugin_message *m, int fd) {
    if (w->owed == 0) w->heard_ns = mp_clock_ns();
    (void)!mp_plugin_send(w->line, m, fd);
}

void mp_worker_flush(mp_worker *w) {
    if (w->filled == 0) return;
    mp_plugin_message m = {.kind = MP_PLUGIN_ROWS, .slot = w->slot, .len = (int64_t)w->filled};
    mp_worker_say(w, &m, -1);
    w->free[w->slot] = false;
    w->owed++;
    w->slot = MP_WORKER_NO_SLOT;
    w->filled = 0;
}

static int n_free(const mp_worker *w) {
    int n = 0;
    for (int i = 0; i < MP_PLUGIN_SLOTS; i++)
        n += w->free[i];
    return n;
}

/* A slot with room for n bytes; false: all are under way. */
static mp_status find_slot(mp_worker *w, size_t n, bool *found, mp_error *err) {
    size_t most = mp_plugin_slot_bytes(&w->in);
    *found = false;
    if (n > most) {
        mp_worker_flush(w);
        if (n_free(w) < MP_PLUGIN_SLOTS) return MP_OK;
        mp_status st = give_input(w, n, err);
        if (st != MP_OK) return st;
    } else if (w->filled + n > most) {
        mp_worker_flush(w);
    }
    for (uint32_t i = 0; i < MP_PLUGIN_SLOTS && w->slot == MP_WORKER_NO_SLOT; i++)
        if (w->free[i]) w->slot = i;
    *found = w->slot != MP_WORKER_NO_SLOT;
    return MP_OK;
}

/* There is no slot: the rows wait in memory of our own. */
static mp_status keep_waiting(mp_worker *w, const mp_batch *batch, size_t need, mp_error *err) {
    w->waiting = mp_mem_aligned(w->a.mem, 64, need);
    if (!w->waiting) return mp_mem_error(w->a.mem, need, err);
    w->waiting_bytes = (size_t)mp_frame_put(batch, w->a.input, w->waiting);
    return MP_OK;
}

mp_status mp_worker_put(mp_worker *w, const mp_batch *batch, mp_error *err) {
    bool found;
    int64_t need = mp_frame_bytes(batch, w->a.input);
    if (need < 0)
        return mp_error_set(err, MP_FAILED, "too much text",
                            "%d rows of it have 2 GiB or more in one column", (int)batch->n_rows);
    mp_status st = find_slot(w, (size_t)need, &found, err);
    if (st != MP_OK) return st;
    if (!found) return keep_waiting(w, batch, (size_t)need, err);
    uint8_t *at = mp_plugin_slot(&w->in, w->slot) + w->filled;
    w->filled += (size_t)mp_frame_put(batch, w->a.input, at);
    return MP_OK;
}

static void drop_waiting(mp_worker *w) {
    mp_mem_free(w->a.mem, w->waiting);
    w->waiting = NULL;
    w->waiting_bytes = 0;
}

mp_status mp_worker_put_waiting(mp_worker *w, bool *did, mp_error *err) {
    bool found = false;
    mp_status st = MP_OK;
    if (w->failing) drop_waiting(w);
    if (!w->waiting) return MP_OK;
    st = find_slot(w, w->waiting_bytes, &found, err);
    if (st != MP_OK || !found) return st;
    memcpy(mp_plugin_slot(&w->in, w->slot) + w->filled, w->waiting, w->waiting_bytes);
    w->filled += w->waiting_bytes;
    drop_waiting(w);
    *did = true;
    return MP_OK;
}

mp_status mp_worker_say_open(mp_worker *w, mp_error *err) {
    mp_buf b;
    mp_buf_init(&b, w->a.mem);
    mp_plugin_put_columns(&b, w->a.role, w->shard, w->a.input);
    mp_status st = mp_buf_check(&b, err);
    if (st == MP_OK && b.len > mp_plugin_slot_bytes(&w->in)) st = give_input(w, b.len, err);
    if (st == MP_OK) {
        mp_plugin_message m = {.kind = MP_PLUGIN_OPEN, .len = (int64_t)b.len};
        memcpy(w->in.p, b.data, b.len);
        w->free[0] = false; /* until OPENED or FAILED says that it was read */
        mp_worker_say(w, &m, -1);
        w->owed++;
    }
    mp_buf_release(&b);
    return st;
}

/* ---- what comes back ---- */

static mp_status broken(mp_worker *w) {
    mp_error e = MP_ERROR_INIT;
    mp_error_set(&e, MP_FAILED, "the plug-in failed", "its process said what makes no sense");
    mp_worker_kill(w, MP_WORKER_FAILED, 0, &e);
    return MP_OK;
}

/* A copy of a slot's first n bytes: there nobody else can change them while they are looked at. */
static mp_status copy_slot(mp_worker *w, const mp_plugin_message *m, bool *ok, mp_error *err) {
    size_t most = mp_plugin_slot_bytes(&w->out);
    *ok = m->slot < MP_PLUGIN_SLOTS && m->len > 0 && (uint64_t)m->len <= most;
    if (!*ok) return MP_OK;
    if (w->copy_bytes < (size_t)m->len) {
        mp_mem_free(w->a.mem, w->copy);
        w->copy_bytes = 0;
        w->copy = mp_mem_aligned(w->a.mem, 64, most);
        if (!w->copy) return mp_mem_error(w->a.mem, most, err);
        w->copy_bytes = most;
    }
    memcpy(w->copy, mp_plugin_slot(&w->out, m->slot), (size_t)m->len);
    return MP_OK;
}

static void give_back(mp_worker *w, uint32_t slot) {
    mp_plugin_message m = {.kind = MP_PLUGIN_FREE, .slot = slot};
    mp_worker_say(w, &m, -1);
}

/* One frame; *bad: it is not what it should be. */
static mp_status take_frame(mp_worker *w, const uint8_t *p, int64_t left, int64_t *len, bool *bad,
                            mp_error *err) {
    int64_t n_rows;
    mp_error why = MP_ERROR_INIT;
    mp_batch rows;
    mp_arena_reset(&w->batch);
    size_t bytes = (size_t)w->output.n * sizeof(mp_arrow_col);
    mp_arrow_col *cols = mp_arena_alloc(&w->batch, bytes, 16);
    if (!cols) return mp_mem_error(w->a.mem, bytes, err);
    mp_status st = mp_frame_get(p, left, w->output.n, cols, &n_rows, len, &why);
    if (st == MP_OK) st = mp_arrow_check(cols, &w->table, n_rows, &why);
    if (st == MP_OK && n_rows > MP_BATCH_ROWS)
        st = mp_error_set(&why, MP_FAILED, "bad batch", "it has too many rows");
    if (st == MP_OK)
        st = mp_arrow_import(cols, &w->table, 0, (int32_t)n_rows, &w->batch, &rows, &why);
    if (st == MP_NOMEM) return mp_mem_error(w->a.mem, (size_t)*len, err);
    *bad = st != MP_OK;
    if (st == MP_OK) return w->a.rows(w->a.ctx, &rows, err);
    mp_worker_kill(w, MP_WORKER_FAILED, 0, &why);
    return MP_OK;
}

static mp_status take_rows(mp_worker *w, const mp_plugin_message *m, mp_error *err) {
    bool ok, bad = false;
    mp_status st = copy_slot(w, m, &ok, err);
    if (st != MP_OK) return st;
    if (!ok || !w->known) return broken(w);
    give_back(w, m->slot);
    if (w->failing) return MP_OK;
    for (int64_t at = 0, len = 0; at < m->len && !bad; at += len) {
        st = take_frame(w, w->copy + at, m->len - at, &len, &bad, err);
        if (st != MP_OK) return st;
    }
    return MP_OK;
}

static mp_status take_opened(mp_worker *w, const mp_plugin_message *m, mp_error *err) {
    uint32_t role;
    int64_t n_keys;
    mp_schema s;
    bool ok;
    mp_status st = copy_slot(w, m, &ok, err);
    if (st != MP_OK) return st;
    mp_arena_reset(&w->batch);
    if (!ok || !mp_plugin_get_columns(w->copy, (size_t)m->len, &w->batch, &role, &n_keys, &s))
        return broken(w);
    give_back(w, m->slot);
    w->free[0] = w->opened = true;
    return mp_worker_take_columns(w, &s, n_keys, err);
}

/* It is counted like any other, and large enough for one batch of rows. */
static mp_status take_need(mp_worker *w, const mp_plugin_message *m, mp_error *err) {
    mp_error why = MP_ERROR_INIT;
    if (m->len <= 0) return broken(w);
    if (m->len > SLOT_MOST)
        mp_error_set(&why, MP_FAILED, "bad batch", "a batch of more than 1 GiB");
    else if (give_output(w, (size_t)m->len, &why) == MP_OK)
        return MP_OK;
    (void)err;
    mp_worker_kill(w, MP_WORKER_FAILED, 0, &why);
    return MP_OK;
}

/* An error that another process wrote: text that ends, and nothing else. */
static void clean(mp_error *e) {
    mp_error in = *e;
    char *texts[] = {in.what, in.column, in.why, in.hint};
    size_t sizes[] = {sizeof in.what, sizeof in.column, sizeof in.why, sizeof in.hint};
    for (int i = 0; i < 4; i++) {
        texts[i][sizes[i] - 1] = 0;
        for (char *p = texts[i]; *p; p++)
            if ((unsigned char)*p < 0x20 || *p == 0x7F) *p = ' ';
    }
    *e = MP_ERROR_INIT;
    if (in.status == MP_OK) return;
    bool usual = in.status == MP_IO || in.status == MP_USAGE || in.status == MP_NOMEM;
    e->status = usual ? in.status : MP_FAILED;
    memcpy(e->what, in.what, sizeof e->what);
    memcpy(e->column, in.column, sizeof e->column);
    memcpy(e->why, in.why, sizeof e->why);
    memcpy(e->hint, in.hint, sizeof e->hint);
}

static mp_status take_done(mp_worker *w, mp_plugin_message *m) {
    clean(&m->error);
    if (!w->ready) {
        if (m->error.status == MP_OK) return broken(w);
        mp_worker_kill(w, MP_WORKER_NO_LOAD, 0, &m->error);
        return MP_OK;
    }
    if (!w->finishing) return broken(w);
    if (m->error.status != MP_OK) mp_worker_fail(w, MP_WORKER_FAILED, 0, &m->error);
    if (w->failing && w->result.outcome == MP_WORKER_OK) return broken(w);
    w->owed = 0;
    w->done = true;
    for (int i = 0; i < MP_PLUGIN_SLOTS; i++)
        w->free[i] = true;
    return MP_OK;
}

static mp_status take(mp_worker *w, mp_plugin_message *m, mp_error *err) {
    w->heard_ns = mp_clock_ns();
    switch (m->kind) {
    case MP_PLUGIN_READY:
        if (w->ready) return broken(w);
        w->ready = true;
        w->owed--;
        return MP_OK;
    case MP_PLUGIN_OPENED:
        if (w->opened) return broken(w);
        w->owed--;
        return take_opened(w, m, err);
    case MP_PLUGIN_ROWS:
        return take_rows(w, m, err);
    case MP_PLUGIN_FREE:
        if (m->slot >= MP_PLUGIN_SLOTS || w->free[m->slot]) return broken(w);
        w->free[m->slot] = true;
        w->owed--;
        return MP_OK;
    case MP_PLUGIN_NEED:
        return take_need(w, m, err);
    case MP_PLUGIN_FAILED:
        w->failing = true;
        return MP_OK;
    case MP_PLUGIN_DONE:
        return take_done(w, m);
    default:
        return broken(w);
    }
}

mp_status mp_worker_listen(mp_worker *w, bool *did, bool *ended, mp_error *err) {
    enum { AT_ONCE = 16 };
    *ended = false;
    for (int i = 0; i < AT_ONCE && w->line >= 0 && !w->done; i++) {
        mp_plugin_message m = {0};
        size_t n = 0;
        mp_line_result r = mp_line_recv(w->line, &m, sizeof m, &n, NULL);
        if (r == MP_LINE_LATER) return MP_OK;
        *ended = r == MP_LINE_ENDED;
        if (*ended) return MP_OK;
        *did = true;
        mp_status st = take(w, &m, err);
        if (st != MP_OK) return st;
    }
    return MP_OK;
}
