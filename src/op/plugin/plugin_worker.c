/* plugin_worker.c - the life of a shard in a worker. See plugin_worker.h. */
#include "op/plugin/plugin_worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "op/plugin/plugin_worker_priv.h"

enum {
    WAIT_NS = 20 * 1000 * 1000,
    GRACE_NS = 500 * 1000 * 1000 /* from the end of the line to the end of the process */
};
#define NS_PER_S ((int64_t)1000000000)

mp_status mp_worker_new(const mp_worker_args *args, mp_worker **out, mp_error *err) {
    mp_worker *w = mp_mem_calloc(args->mem, 1, sizeof *w);
    *out = w;
    if (!w) return mp_mem_error(args->mem, sizeof *w, err);
    w->a = *args;
    w->line = -1;
    w->child = (mp_child){.pidfd = -1, .ends = {-1, -1, -1}};
    w->in = w->out = MP_SHARED_NONE;
    w->slot = MP_WORKER_NO_SLOT;
    mp_arena_init(&w->kept, args->mem);
    mp_arena_init(&w->batch, args->mem);
    return MP_OK;
}

void mp_worker_free(mp_worker **out) {
    mp_worker *w = *out;
    if (!w) return;
    mp_plugin_close(&w->instance);
    mp_plugin_unload(&w->plugin);
    mp_worker_end(w);
    mp_arena_release(&w->kept);
    mp_arena_release(&w->batch);
    mp_mem_free(w->a.mem, w);
    *out = NULL;
}

/* ---- failures ---- */

void mp_worker_fail(mp_worker *w, mp_worker_outcome outcome, int code, const mp_error *error) {
    w->failing = true;
    if (w->result.outcome != MP_WORKER_OK) return;
    w->result.outcome = outcome;
    w->result.code = code;
    w->result.error = *error;
    mp_error_file(&w->result.error, w->a.plugin);
}

void mp_worker_kill(mp_worker *w, mp_worker_outcome outcome, int code, const mp_error *error) {
    mp_worker_fail(w, outcome, code, error);
    mp_worker_end(w);
    w->done = true;
}

/* Where it was when it came to its end. */
static const char *where(const mp_worker *w) {
    if (!w->ready) return "while it was loaded";
    if (!w->opened) return "in open";
    return w->finishing && w->owed <= 1 ? "in finish or close" : "in process";
}

static void fail_by_status(mp_worker *w, int status) {
    mp_error e = MP_ERROR_INIT;
    const char *at = w->busy ? where(w) : "between two shards";
    if (WIFSIGNALED(status)) {
        int sig = WTERMSIG(status);
        mp_error_set(&e, MP_FAILED, "the plug-in crashed", "signal %d (%s), %s", sig,
                     strsignal(sig), at);
        mp_worker_kill(w, MP_WORKER_SIGNAL, sig, &e);
    } else {
        int code = WEXITSTATUS(status);
        mp_error_set(&e, MP_FAILED, "the plug-in ended its process", "exit code %d, %s", code, at);
        mp_worker_kill(w, MP_WORKER_EXIT, code, &e);
    }
}

mp_status mp_worker_take_columns(mp_worker *w, const mp_schema *s, int64_t n_keys, mp_error *err) {
    bool same = w->known && s->n == w->output.n && n_keys == w->n_keys;
    for (int32_t i = 0; same && i < s->n; i++) {
        const mp_field *a = &s->fields[i], *b = &w->output.fields[i];
        same = a->type == b->type && a->scale == b->scale && strcmp(a->name, b->name) == 0;
    }
    if (same) return MP_OK;
    mp_error e = MP_ERROR_INIT;
    if (w->known || s->n < 1 || n_keys < 0 || n_keys > s->n) {
        mp_error_set(&e, MP_FAILED, "bad schema", "it is not that of the shards before");
        mp_worker_fail(w, MP_WORKER_FAILED, 0, &e);
        return MP_OK;
    }
    size_t bytes = (size_t)s->n * sizeof(mp_field);
    mp_field *fields = mp_arena_alloc(&w->kept, bytes, 8);
    if (!fields) return mp_mem_error(w->a.mem, bytes, err);
    memcpy(fields, s->fields, bytes);
    for (int32_t i = 0; i < s->n; i++) {
        size_t len = strlen(s->fields[i].name) + 1;
        char *name = mp_arena_alloc(&w->kept, len, 1);
        if (!name) return mp_mem_error(w->a.mem, len, err);
        fields[i].name = memcpy(name, s->fields[i].name, len);
    }
    w->output = (mp_schema){.n = s->n, .fields = fields};
    w->n_keys = (int)n_keys;
    w->known = true;
    return mp_arrow_table_of(&w->output, &w->kept, &w->table, err);
}

/* ---- a shard ---- */

static mp_status begin_outside(mp_worker *w, mp_error *err) {
    mp_error why = MP_ERROR_INIT;
    mp_status st = w->line < 0 ? mp_worker_start(w, &why) : MP_OK;
    if (st == MP_OK) return mp_worker_say_open(w, err);
    mp_worker_fail(w, MP_WORKER_NO_LOAD, 0, &why);
    w->done = true;
    return MP_OK;
}

mp_status mp_worker_begin(mp_worker *w, int64_t shard, int64_t timeout_ns, mp_error *err) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    w->busy = true;
    w->opened = w->failing = w->finishing = w->done = false;
    w->shard = shard;
    w->start_ns = w->heard_ns = mp_clock_ns();
    w->deadline_ns = timeout_ns > 0 ? w->start_ns + timeout_ns : 0;
    w->result = (mp_worker_result){.error = MP_ERROR_INIT,
                                   .start_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000};
    return w->a.in_process ? mp_worker_inside_begin(w, err) : begin_outside(w, err);
}

mp_status mp_worker_push(mp_worker *w, const mp_batch *batch, mp_error *err) {
    if (w->failing || w->done) return MP_OK;
    return w->a.in_process ? mp_worker_inside_push(w, batch, err) : mp_worker_put(w, batch, err);
}

bool mp_worker_full(const mp_worker *w) {
    return w->waiting != NULL;
}

void mp_worker_stop(mp_worker *w) {
    mp_error e = MP_ERROR_INIT;
    if (!w->busy) return;
    mp_error_set(&e, MP_FAILED, "the plug-in was ended", "it is not wanted any more");
    if (w->a.in_process)
        mp_worker_fail(w, MP_WORKER_SIGNAL, SIGTERM, &e);
    else
        mp_worker_kill(w, MP_WORKER_SIGNAL, SIGTERM, &e);
}

mp_status mp_worker_finish(mp_worker *w, bool cancel, mp_error *err) {
    w->finishing = true;
    if (w->a.in_process) return mp_worker_inside_finish(w, cancel, err);
    if (w->done) return MP_OK;
    mp_plugin_message m = {.kind = MP_PLUGIN_FINISH, .cancel = cancel};
    mp_worker_flush(w);
    mp_worker_say(w, &m, -1);
    w->owed++;
    return MP_OK;
}

/* What it wrote to standard error, up to some amount. */
static mp_status read_errors(mp_worker *w, bool *did, mp_error *err) {
    enum { AT_ONCE = 16, PIECE = 1 << 14 };
    uint8_t bytes[PIECE];
    for (int i = 0; i < AT_ONCE && w->child.ends[2] >= 0; i++) {
        ssize_t n = read(w->child.ends[2], bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return MP_OK;
        *did = true;
        if (n <= 0) {
            mp_child_close(&w->child, 2);
            return MP_OK;
        }
        mp_status st = w->a.err ? w->a.err(w->a.ctx, bytes, (size_t)n, err) : MP_OK;
        if (st != MP_OK) return st;
    }
    return MP_OK;
}

static void watch_time(mp_worker *w, int64_t now) {
    mp_error e = MP_ERROR_INIT;
    if (w->deadline_ns && now >= w->deadline_ns) {
        mp_error_set(&e, MP_FAILED, "the plug-in was ended", "%.3g s were over, %s",
                     (double)(w->deadline_ns - w->start_ns) * 1e-9, where(w));
        mp_worker_kill(w, MP_WORKER_TIMEOUT, 0, &e);
    } else if (!w->deadline_ns && w->owed > 0 && now - w->heard_ns >= MP_WORKER_CALL_S * NS_PER_S) {
        mp_error_set(&e, MP_FAILED, "the plug-in was ended", "no sign of life for %d s, %s",
                     MP_WORKER_CALL_S, where(w));
        mp_error_hint(&e, "--timeout SECONDS gives a shard as long as it needs");
        mp_worker_kill(w, MP_WORKER_TIMEOUT, 0, &e);
    }
}

/* The line is closed, which the end of the process does, and hardly anything else. */
static mp_status watch_end(mp_worker *w, int64_t now, bool *did, mp_error *err) {
    int status = 0;
    if (!w->ended_ns) w->ended_ns = now;
    if (mp_child_ended(&w->child)) {
        mp_status st = read_errors(w, did, err);
        mp_child_reap(&w->child, &status);
        fail_by_status(w, status);
        *did = true;
        return st;
    }
    if (now - w->ended_ns < GRACE_NS) return MP_OK;
    mp_error e = MP_ERROR_INIT;
    mp_error_set(&e, MP_FAILED, "the plug-in failed", "it closed its line to mpart, %s", where(w));
    mp_worker_kill(w, MP_WORKER_FAILED, 0, &e);
    return MP_OK;
}

/* All messages. A child of the plug-in's own may hold the line of a process that is over: its last messages are those
 * that are there now. */
static mp_status listen_to(mp_worker *w, bool *did, bool *ended, mp_error *err) {
    bool heard = false;
    mp_status st = mp_worker_listen(w, &heard, ended, err);
    if (st == MP_OK && !heard && !*ended && !w->done && mp_child_ended(&w->child)) {
        st = mp_worker_listen(w, &heard, ended, err);
        *ended = *ended || (!heard && !w->done);
    }
    *did = *did || heard;
    return st;
}

static mp_status step_outside(mp_worker *w, bool *did, mp_error *err) {
    bool ended = false;
    mp_status st = read_errors(w, did, err);
    if (st == MP_OK && !w->done) st = listen_to(w, did, &ended, err);
    if (st == MP_OK && !w->done) st = mp_worker_put_waiting(w, did, err);
    if (st != MP_OK || w->done) return st;
    int64_t now = mp_clock_ns();
    if (ended) return watch_end(w, now, did, err);
    watch_time(w, now);
    return MP_OK;
}

mp_status mp_worker_step(mp_worker *w, bool *did, bool *done, mp_error *err) {
    *done = false;
    mp_status st = w->a.in_process || w->done ? MP_OK : step_outside(w, did, err);
    if (st != MP_OK) {
        mp_worker_end(w);
        mp_plugin_close(&w->instance);
        w->busy = false;
        return st;
    }
    if (!w->done || !w->finishing) return MP_OK;
    w->result.run_ns = mp_clock_ns() - w->start_ns;
    w->busy = false;
    *done = *did = true;
    return MP_OK;
}

int64_t mp_worker_patience(const mp_worker *w) {
    int64_t now = mp_clock_ns(), most = WAIT_NS;
    int64_t due[] = {w->deadline_ns, w->ended_ns ? w->ended_ns + GRACE_NS : 0};
    for (int i = 0; i < 2; i++)
        if (due[i] && due[i] - now < most) most = due[i] > now ? due[i] - now : 0;
    return most;
}

const mp_worker_result *mp_worker_result_of(const mp_worker *w) {
    return &w->result;
}

bool mp_worker_failing(const mp_worker *w) {
    return w->failing;
}

const mp_schema *mp_worker_output(const mp_worker *w, int *n_keys) {
    *n_keys = w->n_keys;
    return w->known ? &w->output : NULL;
}
