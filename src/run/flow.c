/* flow.c - a rank's side of a flow, driven by the loop of phase.h.
 * Invariant: a rank walks through the stages splits, finish, drain, left, whatever happens; trouble
 * and stops only make it skip work. It ends its exchange exactly once, sends rank 0 exactly one
 * FINAL, and leaves by the verdict alone. */
#include "run/flow.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "run/fault.h"
#include "run/flow_state.h"

enum { POLL_NS = 1000 * 1000 };

mp_exchange *mp_flow_exchange(mp_flow_run *run) {
    return run->x;
}

uint32_t mp_flow_serial(const mp_flow_run *run) {
    return run->phase.serial;
}

static void stop_at(mp_flow_run *r, int64_t limit, mp_flow_verdict why) {
    r->stopped = true;
    if (limit < r->limit) r->limit = limit;
    if (why > r->why) r->why = why;
}

void mp_flow_stop(mp_flow_run *run, mp_flow_verdict why) {
    if (why != MP_FLOW_ENOUGH && why != MP_FLOW_REDO) return;
    if (why > run->asked) run->asked = why;
    stop_at(run, 0, why);
}

int64_t mp_flow_limit_of(const mp_error *e, int64_t split) {
    return e->status == MP_DATA && e->file_no >= 0 ? split : 0;
}

void mp_flow_note_trouble(mp_flow_run *r, mp_status s, const mp_error *e, int64_t limit) {
    mp_error own = *e;
    mp_error_set(&own, s, NULL, "phase '%s'", r->f->name);
    if (own.rank < 0) own.rank = r->phase.rank;
    stop_at(r, limit, MP_FLOW_FAILED);
    if (r->trouble.status == MP_OK || limit < r->trouble_limit) r->trouble_limit = limit;
    if (mp_error_order(&own, &r->trouble) < 0) r->trouble = own;
}

/* Trouble outside a split. */
static void note(mp_flow_run *r, mp_status s, const mp_error *e) {
    if (s != MP_OK) mp_flow_note_trouble(r, s, e, 0);
}

/* What may change the verdict. Rank 0 hears of its own at once: a message to itself comes in the
 * next round, behind a verdict that this round may give. */
static void send_trouble(mp_flow_run *r) {
    mp_error own = r->trouble;
    mp_error_init(&r->trouble);
    if (r->phase.rank == 0) {
        mp_flow_head_trouble(r, &own, r->trouble_limit);
        return;
    }
    mp_buf b;
    mp_phase_write(&r->phase, &b, MP_FLOW_TROUBLE);
    mp_buf_i64(&b, r->trouble_limit);
    mp_buf_put(&b, &own, sizeof own);
    mp_phase_send(&r->phase, 0, &b);
}

static void ask_stop(mp_flow_run *r) {
    mp_flow_verdict why = r->asked;
    r->asked = MP_FLOW_OK;
    if (r->phase.rank == 0) {
        mp_flow_head_asked(r, why);
        return;
    }
    mp_buf b;
    mp_phase_write(&r->phase, &b, MP_FLOW_ASK_STOP);
    mp_buf_u8(&b, (uint8_t)why);
    mp_phase_send(&r->phase, 0, &b);
}

/* What callbacks and handlers have noted. */
static bool tell_head(mp_flow_run *r) {
    bool did = false;
    if (r->trouble.status != MP_OK) {
        send_trouble(r);
        did = true;
    }
    if (r->asked != MP_FLOW_OK) {
        ask_stop(r);
        did = true;
    }
    return did;
}

static void report(mp_flow_run *r, int64_t split, mp_status status, bool begun,
                   const mp_buf *text) {
    mp_buf b;
    if (r->trouble.status != MP_OK) send_trouble(r); /* before the report of its split */
    mp_phase_write(&r->phase, &b, MP_FLOW_REPORT);
    mp_buf_i64(&b, split);
    mp_buf_u32(&b, (uint32_t)status);
    mp_buf_u8(&b, begun);
    if (text) mp_buf_put(&b, text->data, text->len);
    mp_phase_send(&r->phase, 0, &b);
}

static void end_split(mp_flow_run *r, mp_status status) {
    mp_error e = MP_ERROR_INIT;
    mp_buf text;
    mp_buf_init(&text, NULL);
    r->working = false;
    int64_t start = mp_clock_ns();
    mp_status s = r->f->split_end ? r->f->split_end(r->f->ctx, &text, &e) : MP_OK;
    r->busy_ns += mp_clock_ns() - start;
    if (s == MP_OK) s = mp_buf_check(&text, &e);
    if (s != MP_OK) mp_flow_note_trouble(r, s, &e, mp_flow_limit_of(&e, r->split));
    if (status == MP_OK) status = s;
    if (status == MP_OK) r->n_splits++;
    report(r, r->split, status, true, &text);
    mp_buf_release(&text);
}

static void step_split(mp_flow_run *r) {
    mp_error e = MP_ERROR_INIT;
    bool done = false;
    int64_t start = mp_clock_ns();
    mp_status s = r->f->split_step(r->f->ctx, &done, &e);
    r->busy_ns += mp_clock_ns() - start;
    if (s != MP_OK) mp_flow_note_trouble(r, s, &e, mp_flow_limit_of(&e, r->split));
    if (s != MP_OK || done) end_split(r, s);
}

static void begin_split(mp_flow_run *r) {
    mp_flow_given g;
    memcpy(&g, r->have.data, sizeof g);
    r->have.len -= sizeof g;
    memmove(r->have.data, r->have.data + sizeof g, r->have.len);
    if (g.split >= r->limit) {
        report(r, g.split, MP_STOPPED, false, NULL);
    } else {
        mp_error e = MP_ERROR_INIT;
        r->split = g.split;
        int64_t start = mp_clock_ns();
        mp_status s = MP_OK;
        if (r->f->split_begin)
            s = r->f->split_begin(r->f->ctx, g.split, g.desc.data, g.desc.len, &e);
        r->busy_ns += mp_clock_ns() - start;
        r->working = s == MP_OK;
        if (s != MP_OK) {
            mp_flow_note_trouble(r, s, &e, mp_flow_limit_of(&e, g.split));
            report(r, g.split, s, false, NULL);
        }
    }
    mp_buf_release(&g.desc);
}

/* The next step must wait: the exchange or the sink holds enough. */
static bool held_up(mp_flow_run *r) {
    if (r->x && mp_exchange_full(r->x)) return true;
    return r->f->busy && r->f->busy(r->f->ctx);
}

static bool work_on_splits(mp_flow_run *r) {
    if (r->working && r->split >= r->limit) {
        end_split(r, MP_STOPPED);
    } else if (r->working) {
        if (held_up(r)) return false;
        step_split(r);
    } else if (r->have.len > 0) {
        begin_split(r);
    } else if (r->no_more) {
        r->stage = MP_STAGE_FINISH;
    } else {
        return false;
    }
    return true;
}

static bool work_on_finish(mp_flow_run *r) {
    bool done = true;
    if (!r->stopped && r->f->finish_step) {
        if (held_up(r)) return false;
        mp_error e = MP_ERROR_INIT;
        int64_t start = mp_clock_ns();
        done = false;
        note(r, r->f->finish_step(r->f->ctx, &done, &e), &e);
        r->busy_ns += mp_clock_ns() - start;
    }
    if (done || r->stopped) r->stage = MP_STAGE_DRAIN;
    return true;
}

static mp_end_status end_status(const mp_flow_run *r) {
    if (!r->stopped) return MP_END_OK;
    return r->why == MP_FLOW_ENOUGH ? MP_END_ENOUGH
           : r->why == MP_FLOW_REDO ? MP_END_REDO
                                    : MP_END_FAILED;
}

static void end_exchange(mp_flow_run *r) {
    mp_error e = MP_ERROR_INIT;
    if (r->x && !r->ended) note(r, mp_exchange_end(r->x, end_status(r), &e), &e);
    r->ended = true;
}

static bool work_on_drain(mp_flow_run *r) {
    end_exchange(r);
    if (r->x && !mp_exchange_done(r->x)) return false;
    if (!r->stopped && r->f->quiet && !r->f->quiet(r->f->ctx)) return false;
    mp_buf b;
    tell_head(r);
    mp_phase_write(&r->phase, &b, MP_FLOW_FINAL);
    mp_phase_send(&r->phase, 0, &b);
    r->stage = MP_STAGE_LEFT;
    return true;
}

static bool work(mp_flow_run *r) {
    if (r->stopped) end_exchange(r);
    switch (r->stage) {
    case MP_STAGE_SPLITS:
        return work_on_splits(r);
    case MP_STAGE_FINISH:
        return work_on_finish(r);
    case MP_STAGE_DRAIN:
        return work_on_drain(r);
    case MP_STAGE_LEFT:
        break;
    }
    return false;
}

static void hear_split(mp_flow_run *r, mp_rd *in) {
    mp_flow_given g = {.split = mp_rd_i64(in)};
    mp_buf_init(&g.desc, NULL);
    mp_buf_put(&g.desc, in->p, mp_rd_left(in));
    mp_buf_put(&r->have, &g, sizeof g);
    mp_error e = MP_ERROR_INIT;
    note(r, mp_buf_check(&g.desc, &e), &e);
    note(r, mp_buf_check(&r->have, &e), &e);
    if (r->have.failed) mp_buf_release(&g.desc);
}

static void hear_verdict(mp_flow_run *r, mp_rd *in) {
    r->verdict = (mp_flow_verdict)mp_rd_u8(in);
    const void *p = mp_rd_left(in) ? mp_rd_raw(in, sizeof r->error) : NULL;
    if (p) memcpy(&r->error, p, sizeof r->error);
    r->phase.over = true;
    mp_comm_listen(r->phase.c, MP_TAG_SPLIT, NULL, NULL);
}

static mp_status on_message(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_flow_run *r = ctx;
    (void)err;
    mp_rd in;
    int kind = mp_phase_read(&r->phase, bytes, len, &in);
    if (kind < 0) return MP_OK;
    switch ((mp_flow_message)kind) {
    case MP_FLOW_GIVE:
        hear_split(r, &in);
        break;
    case MP_FLOW_NO_MORE:
        r->no_more = true;
        break;
    case MP_FLOW_VERDICT:
        hear_verdict(r, &in);
        break;
    case MP_FLOW_STOP: {
        int64_t limit = mp_rd_i64(&in);
        r->no_more = true;
        stop_at(r, limit, (mp_flow_verdict)mp_rd_u8(&in));
        break;
    }
    default:
        if (r->phase.rank == 0) mp_flow_head_hears(r, src, (mp_flow_message)kind, &in);
    }
    return MP_OK;
}

static mp_status on_block(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_flow_run *r = ctx;
    (void)err;
    if (r->stopped) return MP_OK;
    mp_error e = MP_ERROR_INIT;
    int64_t start = mp_clock_ns();
    note(r, r->f->on_block(r->f->ctx, src, bytes, len, &e), &e);
    r->busy_ns += mp_clock_ns() - start;
    return MP_OK;
}

/* Lets the exchange and the sink go on. */
static bool push(mp_flow_run *r) {
    mp_error e = MP_ERROR_INIT;
    bool did = false;
    if (r->x) note(r, mp_exchange_push(r->x, &e), &e);
    if (r->f->push) {
        mp_error_init(&e);
        int64_t start = mp_clock_ns();
        note(r, r->f->push(r->f->ctx, &did, &e), &e);
        if (did) r->busy_ns += mp_clock_ns() - start;
    }
    return did;
}

/* A source that is not ready has to be asked again; all else that changes comes by a message, which
 * ends a sleep. */
static int64_t longest_sleep(const mp_flow_run *r) {
    return r->head.later ? POLL_NS : 20 * POLL_NS;
}

static void rest(void *ctx, int idle) {
    const mp_flow_run *r = ctx;
    mp_comm_idle_most(r->phase.c, idle, longest_sleep(r));
}

static bool round_of(void *ctx, mp_status heard, const mp_error *e) {
    mp_flow_run *r = ctx;
    note(r, heard, e);
    bool did = push(r);
    did = work(r) || did;
    did = tell_head(r) || did;
    return r->phase.rank == 0 ? mp_flow_head_round(r) || did : did;
}

static mp_status drive(mp_flow_run *r, mp_error *err) {
    mp_phase_loop loop = {
        .ctx = r, .round = round_of, .rest = rest, .tick = r->f->tick, .tick_ctx = r->f->ctx};
    return mp_phase_drive(&r->phase, &loop, err);
}

/* What a pass needs; the ranks agree whether all have it, since none may wait for a rank that does
 * not take part. */
static mp_status prepare(mp_flow_run *r, mp_error *err) {
    mp_error own = MP_ERROR_INIT;
    mp_status s = MP_OK;
    if (r->phase.rank == 0) s = mp_flow_head_init(r, &own);
    if (s == MP_OK && r->f->on_block) {
        mp_exchange_args args = {.budget_bytes = r->f->exchange_bytes,
                                 .pass = r->phase.serial,
                                 .on_block = on_block,
                                 .ctx = r,
                                 .mem = r->f->mem};
        s = mp_exchange_new(r->phase.c, &args, &r->x, &own);
    }
    mp_comm_listen(r->phase.c, MP_TAG_SPLIT, on_message, r);
    if (s == MP_OK) {
        /* before the agreement, behind which blocks come in */
        mp_error injected = MP_ERROR_INIT;
        if (r->f->attach) r->f->attach(r->f->ctx, r);
        mp_status asked = mp_fault_check(r->phase.rank, r->f->name, &injected);
        if (asked == MP_OK && r->x) asked = mp_fault_check(r->phase.rank, "exchange", &injected);
        note(r, asked, &injected);
    }
    s = mp_comm_agree(r->phase.c, &own);
    if (s != MP_OK && err) *err = own;
    return s;
}

static void release(mp_flow_run *r) {
    mp_comm_listen(r->phase.c, MP_TAG_SPLIT, NULL, NULL);
    if (r->working && r->f->split_end) {
        mp_buf unused;
        mp_buf_init(&unused, NULL);
        (void)!r->f->split_end(r->f->ctx, &unused, NULL);
        mp_buf_release(&unused);
    }
    for (size_t at = 0; at < r->have.len; at += sizeof(mp_flow_given))
        mp_buf_release(&((mp_flow_given *)(void *)(r->have.data + at))->desc);
    mp_buf_release(&r->have);
    mp_exchange_free(&r->x);
    mp_flow_head_release(r);
    free(r);
}

static void fill_result(const mp_flow_run *r, mp_status s, const mp_error *e,
                        mp_flow_result *result) {
    result->verdict = s == MP_OK ? r->verdict : MP_FLOW_FAILED;
    result->error = s == MP_OK ? r->error : *e;
    result->busy_seconds = (double)r->busy_ns * 1e-9;
    result->n_splits = r->n_splits;
    if (r->x) result->exchange = mp_exchange_stats(r->x);
}

mp_status mp_flow_execute(mp_comm *c, const mp_flow *flow, mp_flow_result *result, mp_error *err) {
    mp_error e = MP_ERROR_INIT;
    double start = mp_clock_s();
    *result = (mp_flow_result){.verdict = MP_FLOW_FAILED, .error = MP_ERROR_INIT};
    mp_flow_run *r = calloc(1, sizeof *r);
    if (!r) {
        mp_comm_give_up(c);
        return mp_error_nomem(err, sizeof *r, 0);
    }
    *r = (mp_flow_run){.phase = mp_phase_begin(c, MP_TAG_SPLIT),
                       .f = flow,
                       .limit = INT64_MAX,
                       .trouble = MP_ERROR_INIT,
                       .error = MP_ERROR_INIT};
    mp_status s = prepare(r, &e);
    if (s == MP_OK) s = drive(r, &e);
    fill_result(r, s, &e, result);
    result->seconds = mp_clock_s() - start;
    release(r);
    if (result->verdict != MP_FLOW_FAILED) return MP_OK;
    if (err && err->status == MP_OK) *err = result->error;
    return (mp_status)result->error.status;
}
