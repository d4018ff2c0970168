/* unit.c - the rank's side of a unit phase. See unit.h.
 * Invariant: only the loop of phase.h waits. A rank works on one unit; those it holds besides go back to rank 0
 * when that one takes long. */
#include "run/map/unit.h"

#include <stdlib.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "run/fault.h"
#include "run/map/unit_state.h"

enum {
    LONG_NS = 50 * 1000 * 1000,  /* a unit that takes longer than this holds up no other */
    SYNC_NS = 100 * 1000 * 1000, /* results are synced at most so much later */
    SLEEP_NS = 20 * 1000 * 1000
};

void mp_unit_trouble(mp_unit_run *r, mp_status s, const mp_error *e) {
    if (s == MP_OK) return;
    mp_error own = *e;
    mp_error_set(&own, s, NULL, "while units were under way");
    if (own.rank < 0) own.rank = r->phase.rank;
    if (mp_error_order(&own, &r->trouble) < 0) r->trouble = own;
    r->stopped = r->killed = true;
}

/* ---- messages ---- */

static void hear_unit(mp_unit_run *r, mp_rd *in) {
    if (r->n_have == MP_UNIT_IN_HAND) return; /* rank 0 does not give so many */
    mp_unit_given *g = &r->have[r->n_have++];
    mp_error e = MP_ERROR_INIT;
    g->unit = mp_rd_i64(in);
    g->tries = (int32_t)mp_rd_u32(in);
    mp_buf_init(&g->desc, NULL);
    mp_buf_put(&g->desc, in->p, mp_rd_left(in));
    mp_unit_trouble(r, mp_buf_check(&g->desc, &e), &e);
}

static mp_status on_message(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_unit_run *r = ctx;
    (void)err;
    mp_rd in;
    int kind = mp_phase_read(&r->phase, bytes, len, &in);
    if (kind < 0) return MP_OK;
    switch ((mp_unit_message)kind) {
    case MP_UNIT_GIVE:
        hear_unit(r, &in);
        break;
    case MP_UNIT_SYNC:
        r->sync_now = true;
        break;
    case MP_UNIT_KEEP:
        r->keep_now = true;
        break;
    case MP_UNIT_STOP:
        r->stopped = true;
        if (mp_rd_u8(&in)) r->killed = true;
        break;
    case MP_UNIT_VERDICT: {
        r->asked_to_stop = mp_rd_u8(&in) != 0;
        const void *e = mp_rd_raw(&in, sizeof r->verdict);
        if (e) memcpy(&r->verdict, e, sizeof r->verdict);
        r->phase.over = true;
        break;
    }
    default:
        if (r->phase.rank == 0) mp_unit_head_hears(r, src, (mp_unit_message)kind, &in);
    }
    return MP_OK;
}

/* Rank 0 hears of its own at once: a message to itself comes in the next round, behind a verdict that
 * this round may give. */
static void tell_trouble(mp_unit_run *r) {
    mp_error own = r->trouble;
    mp_error_init(&r->trouble);
    if (mp_error_order(&own, &r->told) < 0) r->told = own;
    if (r->phase.rank == 0) {
        mp_unit_head_trouble(r, &own);
        return;
    }
    mp_buf b;
    mp_phase_write(&r->phase, &b, MP_UNIT_TROUBLE);
    mp_buf_put(&b, &own, sizeof own);
    mp_phase_send(&r->phase, 0, &b);
}

/* ---- work ---- */

static void give_back(mp_unit_run *r) {
    while (r->n_have > 0) {
        mp_unit_given *g = &r->have[--r->n_have];
        mp_buf b;
        mp_phase_write(&r->phase, &b, MP_UNIT_BACK);
        mp_buf_i64(&b, g->unit);
        mp_phase_send(&r->phase, 0, &b);
        mp_buf_release(&g->desc);
    }
}

static void report(mp_unit_run *r, const mp_unit_record *record) {
    mp_buf b;
    mp_phase_write(&r->phase, &b, MP_UNIT_DONE);
    mp_buf_put(&b, record, sizeof *record);
    mp_phase_send(&r->phase, 0, &b);
    r->working = false;
    mp_buf_release(&r->now.desc);
    if (r->u->journalled && !r->unsynced_since_ns) r->unsynced_since_ns = mp_clock_ns();
}

static void end_unit(mp_unit_run *r) {
    mp_error e = MP_ERROR_INIT;
    mp_unit_record record = {.unit = r->now.unit, .tries = r->now.tries};
    mp_status s = r->u->end(r->u->ctx, &record, &e);
    if (s == MP_OK) {
        report(r, &record);
        return;
    }
    mp_unit_trouble(r, s, &e);
    r->have[r->n_have++] = r->now; /* it goes back */
    r->working = false;
}

static void begin_unit(mp_unit_run *r) {
    mp_error e = MP_ERROR_INIT;
    r->now = r->have[0];
    r->n_have--;
    memmove(&r->have[0], &r->have[1], (size_t)r->n_have * sizeof r->have[0]);
    r->since_ns = mp_clock_ns();
    mp_status s = r->u->begin(r->u->ctx, r->now.unit, r->now.desc.data, r->now.desc.len, &e);
    r->working = s == MP_OK;
    if (s == MP_OK) return;
    mp_unit_trouble(r, s, &e);
    r->have[r->n_have++] = r->now;
}

static bool work_on(mp_unit_run *r) {
    mp_error e = MP_ERROR_INIT;
    bool did = false, done = false;
    if (r->killed) r->u->stop(r->u->ctx);
    mp_status s = r->u->step(r->u->ctx, &did, &done, &e);
    if (s != MP_OK) {
        mp_unit_trouble(r, s, &e);
        r->have[r->n_have++] = r->now;
        r->working = false;
        return true;
    }
    if (done) end_unit(r);
    return did || done;
}

static bool work(mp_unit_run *r) {
    bool did = false;
    if (r->n_have > 0 && (r->stopped || (r->working && mp_clock_ns() - r->since_ns > LONG_NS))) {
        give_back(r);
        did = true;
    }
    if (!r->working && r->n_have > 0) {
        begin_unit(r);
        did = true;
    }
    if (r->working) did = work_on(r) || did;
    return did;
}

static bool sync_results(mp_unit_run *r) {
    int64_t since = r->unsynced_since_ns;
    if (!since || (!r->sync_now && mp_clock_ns() - since < SYNC_NS)) return false;
    mp_error e = MP_ERROR_INIT;
    mp_status s = r->u->sync(r->u->ctx, &e);
    r->unsynced_since_ns = 0;
    r->sync_now = false;
    mp_unit_trouble(r, s, &e);
    if (s != MP_OK) return true;
    mp_buf b;
    mp_phase_write(&r->phase, &b, MP_UNIT_SYNCED);
    mp_phase_send(&r->phase, 0, &b);
    return true;
}

/* ---- the loop ---- */

static void rest(void *ctx, int idle) {
    mp_unit_run *r = ctx;
    int64_t most = r->working ? r->u->patience(r->u->ctx) : SLEEP_NS;
    if (most > SLEEP_NS) most = SLEEP_NS;
    if (r->working && most > 0)
        mp_comm_sleep(r->phase.c, most); /* its child is to have the processor */
    else if (!r->working)
        mp_comm_idle_most(r->phase.c, idle, most);
}

/* Behind what uses messages itself; false: they cannot be sent any more. */
static bool goes_on(mp_unit_run *r, mp_status s, const mp_error *e) {
    if (s != MP_OK && mp_comm_broken(r->phase.c)) {
        r->phase.fatal = s;
        r->phase.fatal_error = *e;
        return false;
    }
    mp_unit_trouble(r, s, e);
    return true;
}

static bool round_of(void *ctx, mp_status heard, const mp_error *e) {
    mp_unit_run *r = ctx;
    mp_error own = MP_ERROR_INIT;
    mp_unit_trouble(r, heard, e);
    bool did = work(r);
    if (r->u->beside && r->trouble.status == MP_OK &&
        !goes_on(r, r->u->beside(r->u->ctx, &did, &own), &own))
        return true;
    did = sync_results(r) || did;
    if (r->keep_now) {
        did = true;
        r->keep_now = false;
        if (!goes_on(r, r->u->keep(r->u->ctx, &own), &own)) return true;
        if (r->phase.rank == 0) mp_unit_head_kept(r);
    }
    if (r->trouble.status != MP_OK) tell_trouble(r);
    return r->phase.rank == 0 ? mp_unit_head_round(r) || did : did;
}

static mp_status drive(mp_unit_run *r, mp_error *err) {
    mp_phase_loop loop = {
        .ctx = r, .round = round_of, .rest = rest, .tick = r->u->tick, .tick_ctx = r->u->ctx};
    return mp_phase_drive(&r->phase, &loop, err);
}

static mp_status prepare(mp_unit_run *r, mp_error *err) {
    mp_error own = MP_ERROR_INIT;
    mp_status s = mp_fault_check(r->phase.rank, "units", &own);
    if (s == MP_OK && r->phase.rank == 0) s = mp_unit_head_init(r, &own);
    if (s == MP_OK && r->u->stop_fd >= 0) {
        struct epoll_event e = {.events = EPOLLIN, .data.fd = r->u->stop_fd};
        (void)epoll_ctl(r->u->epoll_fd, EPOLL_CTL_ADD, r->u->stop_fd, &e);
    }
    mp_comm_listen(r->phase.c, MP_TAG_UNIT, on_message, r);
    mp_comm_watch_fd(r->phase.c, r->u->epoll_fd);
    s = mp_comm_agree(r->phase.c, &own);
    if (s != MP_OK && err) *err = own;
    return s;
}

/* What a rank has told may have been on its way when the verdict was given: all of it counts. */
static mp_status settle(mp_unit_run *r, mp_error *err) {
    mp_error own = r->verdict;
    if (mp_error_order(&r->told, &own) < 0) own = r->told;
    if (mp_error_order(&r->trouble, &own) < 0) own = r->trouble;
    mp_status s = mp_comm_agree(r->phase.c, &own);
    if (s != MP_OK && err && err->status == MP_OK) *err = own;
    return s;
}

static void release(mp_unit_run *r) {
    mp_comm_listen(r->phase.c, MP_TAG_UNIT, NULL, NULL);
    mp_comm_watch_fd(r->phase.c, -1);
    if (r->working) mp_buf_release(&r->now.desc);
    while (r->n_have > 0)
        mp_buf_release(&r->have[--r->n_have].desc);
    mp_unit_head_release(r);
    free(r);
}

mp_status mp_units_execute(mp_comm *c, const mp_units *units, mp_units_result *result,
                           mp_error *err) {
    *result = (mp_units_result){.first_failed = -1};
    mp_unit_run *r = calloc(1, sizeof *r);
    if (!r) {
        mp_comm_give_up(c);
        return mp_error_nomem(err, sizeof *r, 0);
    }
    r->phase = mp_phase_begin(c, MP_TAG_UNIT);
    r->u = units;
    r->trouble = r->told = r->verdict = r->head.error = MP_ERROR_INIT;
    mp_status s = prepare(r, err);
    if (s == MP_OK) {
        s = drive(r, err);
        if (s == MP_OK) s = settle(r, err);
        if (r->phase.rank == 0) *result = r->head.result;
        result->asked_to_stop = r->asked_to_stop;
    }
    release(r);
    return s;
}
