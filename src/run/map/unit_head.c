/* unit_head.c - rank 0's part of a unit phase: hands out, takes records, tries again, stops.
 * Invariant: a unit is open, in the heap of those that come again, parked behind others of its group,
 * in a rank's hands, or ended; never two of these. The verdict goes out when nothing is in anybody's
 * hands and every record of a synced result is in the journal. */
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "run/map/unit_state.h"

enum {
    QUICK_NS = 20 * 1000 * 1000,     /* units shorter than this are handed out ahead */
    BACK_OFF_NS = 250 * 1000 * 1000, /* before the second try; twice as much before the next */
    BACK_OFF_MOST = 7,               /* doublings */
    COMMIT_NS = 100 * 1000 * 1000,
    KEEP_SHARE = 20, /* of the time, one part for keeping */
    LATELY = 64,     /* units; what was longer before them fades */
    PATIENCE_NS = 250 * 1000 * 1000
};

mp_status mp_unit_head_init(mp_unit_run *r, mp_error *err) {
    mp_unit_head *h = &r->head;
    mp_mem *mem = r->u->mem;
    size_t n = (size_t)r->u->n_units, p = (size_t)mp_comm_size(r->phase.c);
    size_t groups = r->u->group ? (size_t)r->u->n_groups : 0;
    h->result.first_failed = -1;
    h->kept_ns = mp_clock_ns();
    h->try_keep_ns = h->kept_ns + r->u->keep_ns;
    mp_buf_init(&h->lines, mem);
    h->tries = mp_mem_calloc(mem, n + 1, sizeof *h->tries);
    h->in_hand = mp_mem_calloc(mem, p, sizeof *h->in_hand);
    h->unsynced = mp_mem_calloc(mem, p, sizeof *h->unsynced);
    h->is_long = mp_mem_calloc(mem, p, sizeof *h->is_long);
    bool ok = h->tries && h->in_hand && h->is_long && h->unsynced;
    if (ok && groups) {
        h->parked = mp_mem_alloc(mem, (n + 3 * groups) * sizeof *h->parked);
        ok = h->parked != NULL;
    }
    if (!ok) return mp_mem_error(mem, n * sizeof *h->parked, err);
    for (size_t i = 0; i < p; i++)
        mp_buf_init(&h->unsynced[i], mem);
    if (!groups) return MP_OK;
    h->group_first = h->parked + n;
    h->group_last = h->group_first + groups;
    h->group_running = h->group_last + groups;
    for (size_t g = 0; g < groups; g++) {
        h->group_first[g] = h->group_last[g] = -1;
        h->group_running[g] = 0;
    }
    return MP_OK;
}

void mp_unit_head_release(mp_unit_run *r) {
    mp_unit_head *h = &r->head;
    for (int i = 0; h->unsynced && i < mp_comm_size(r->phase.c); i++)
        mp_buf_release(&h->unsynced[i]);
    mp_buf_release(&h->lines);
    mp_mem_free(r->u->mem, h->tries);
    mp_mem_free(r->u->mem, h->in_hand);
    mp_mem_free(r->u->mem, h->is_long);
    mp_mem_free(r->u->mem, h->unsynced);
    mp_mem_free(r->u->mem, h->due);
    mp_mem_free(r->u->mem, h->parked);
}

/* ---- units that come again ---- */

static bool sooner(mp_unit_due a, mp_unit_due b) {
    return a.due_ns != b.due_ns ? a.due_ns < b.due_ns : a.unit < b.unit;
}

static void again(mp_unit_run *r, int64_t unit, int64_t due_ns) {
    mp_unit_head *h = &r->head;
    if (h->n_due == h->cap_due) {
        int64_t cap = h->cap_due ? 2 * h->cap_due : 64;
        mp_unit_due *grown = mp_mem_realloc(r->u->mem, h->due, (size_t)cap * sizeof *grown);
        if (!grown) {
            mp_error e = MP_ERROR_INIT;
            mp_unit_trouble(r, mp_mem_error(r->u->mem, (size_t)cap * sizeof *grown, &e), &e);
            return;
        }
        h->due = grown;
        h->cap_due = cap;
    }
    mp_unit_due d = {due_ns, unit};
    int64_t i = h->n_due++;
    for (; i > 0 && sooner(d, h->due[(i - 1) / 2]); i = (i - 1) / 2)
        h->due[i] = h->due[(i - 1) / 2];
    h->due[i] = d;
}

static int64_t take_due(mp_unit_head *h) {
    int64_t unit = h->due[0].unit, i = 0;
    mp_unit_due last = h->due[--h->n_due];
    for (;;) {
        int64_t child = 2 * i + 1;
        if (child >= h->n_due) break;
        if (child + 1 < h->n_due && sooner(h->due[child + 1], h->due[child])) child++;
        if (!sooner(h->due[child], last)) break;
        h->due[i] = h->due[child];
        i = child;
    }
    h->due[i] = last;
    return unit;
}

/* ---- groups ---- */

static int32_t group_of(const mp_unit_run *r, int64_t unit) {
    return r->u->group ? r->u->group[unit] : -1;
}

static void park(mp_unit_head *h, int32_t g, int64_t unit) {
    h->parked[unit] = -1;
    if (h->group_first[g] < 0)
        h->group_first[g] = unit;
    else
        h->parked[h->group_last[g]] = unit;
    h->group_last[g] = unit;
    h->n_parked++;
}

/* A unit of the group is out of hands: the next one may go. */
static void leave_group(mp_unit_run *r, int64_t unit) {
    mp_unit_head *h = &r->head;
    int32_t g = group_of(r, unit);
    if (g < 0) return;
    h->group_running[g]--;
    int64_t next = h->group_first[g];
    if (next < 0) return;
    h->group_first[g] = h->parked[next];
    h->n_parked--;
    again(r, next, 0);
}

/* ---- hand-out ---- */

/* A unit that may start now, -1: none. */
static int64_t next_unit(mp_unit_run *r, int64_t now) {
    mp_unit_head *h = &r->head;
    for (;;) {
        int64_t unit;
        if (h->n_due > 0 && h->due[0].due_ns <= now) {
            unit = take_due(h);
        } else {
            while (h->next < r->u->n_units && r->u->done &&
                   r->u->done[r->u->order ? r->u->order[h->next] : h->next])
                h->next++;
            if (h->next == r->u->n_units) return -1;
            unit = r->u->order ? r->u->order[h->next] : h->next;
            h->next++;
        }
        int32_t g = group_of(r, unit);
        if (g < 0) return unit;
        if (h->group_running[g] < r->u->per_group) {
            h->group_running[g]++;
            return unit;
        }
        park(h, g, unit);
    }
}

static void give(mp_unit_run *r, int dest, int64_t unit) {
    mp_unit_head *h = &r->head;
    mp_buf b;
    mp_error e = MP_ERROR_INIT;
    mp_phase_write(&r->phase, &b, MP_UNIT_GIVE);
    mp_buf_i64(&b, unit);
    mp_buf_u32(&b, ++h->tries[unit]);
    mp_status s = r->u->describe(r->u->ctx, unit, &b, &e);
    if (s == MP_OK) s = mp_buf_check(&b, &e);
    if (s != MP_OK) {
        mp_unit_trouble(r, s, &e);
        mp_buf_release(&b);
        return;
    }
    mp_phase_send(&r->phase, dest, &b);
    h->in_hand[dest]++;
    h->n_out++;
}

/* Everybody gets a first unit before anybody gets a second. */
static bool hand_out(mp_unit_run *r) {
    mp_unit_head *h = &r->head;
    int n = mp_comm_size(r->phase.c), depth = h->mean_ns > 0 && h->mean_ns < QUICK_NS ? 3 : 1;
    int64_t now = mp_clock_ns();
    bool did = false;
    for (int level = 1; level <= depth; level++)
        for (int i = 0; i < n; i++) {
            int dest = (h->first + i) % n;
            if (h->in_hand[dest] >= level || (level > 1 && h->is_long[dest])) continue;
            int64_t unit = next_unit(r, now);
            if (unit < 0) return did;
            give(r, dest, unit);
            did = true;
            if (r->trouble.status != MP_OK) return did;
        }
    h->first = (h->first + 1) % n;
    return did;
}

/* ---- stops ---- */

static void stop_all(mp_unit_run *r, mp_status why, bool kill) {
    mp_unit_head *h = &r->head;
    if (h->stopping && (h->killing || !kill)) return;
    if (!h->stopping || why == MP_INTERRUPTED) h->why = why;
    h->stopping = true;
    h->killing = kill;
    for (int dest = 0; dest < mp_comm_size(r->phase.c); dest++) {
        mp_buf b;
        mp_phase_write(&r->phase, &b, MP_UNIT_STOP);
        mp_buf_u8(&b, kill);
        mp_phase_send(&r->phase, dest, &b);
    }
}

/* The first signal: what runs may finish. A second one (but for USR1): it may not. */
static bool hear_signals(mp_unit_run *r) {
    struct signalfd_siginfo s;
    bool did = false;
    while (r->u->stop_fd >= 0 && read(r->u->stop_fd, &s, sizeof s) == (ssize_t)sizeof s) {
        bool again_asked = r->asked_to_stop && s.ssi_signo != SIGUSR1;
        r->asked_to_stop = true;
        stop_all(r, again_asked ? MP_INTERRUPTED : MP_STOPPED, again_asked);
        did = true;
    }
    return did;
}

/* ---- what comes back ---- */

static int64_t back_off_ns(int tries) {
    int doublings = tries - 1 < BACK_OFF_MOST ? tries - 1 : BACK_OFF_MOST;
    return (int64_t)BACK_OFF_NS << doublings;
}

static void keep_record(mp_unit_run *r, int src, const mp_unit_record *record) {
    mp_unit_head *h = &r->head;
    mp_error e = MP_ERROR_INIT;
    h->result.n_done++;
    h->to_keep = true;
    if (record->outcome != MP_UNIT_OK) {
        h->result.n_failed++;
        if (h->result.first_failed < 0 || record->unit < h->result.first_failed)
            h->result.first_failed = record->unit;
    }
    mp_unit_trouble(r, r->u->ended(r->u->ctx, record, src, &e), &e);
    if (!r->u->journalled) return;
    if (h->unsynced[src].len == 0) h->n_unsynced++;
    mp_journal_put(&h->unsynced[src], record);
}

static void hear_done(mp_unit_run *r, int src, const mp_unit_record *record) {
    mp_unit_head *h = &r->head;
    bool failed = record->outcome != MP_UNIT_OK;
    h->in_hand[src]--;
    h->is_long[src] = false;
    h->n_out--;
    h->mean_ns = h->mean_ns ? (7 * h->mean_ns + record->run_ns) / 8 : record->run_ns + 1;
    h->longest_ns -= h->longest_ns / LATELY;
    if (record->run_ns > h->longest_ns) h->longest_ns = record->run_ns;
    leave_group(r, record->unit);
    if (failed && h->killing) { /* it was ended by us: it stays open */
        h->result.cut_short = true;
        return;
    }
    if (failed && !h->stopping && record->tries <= r->u->retries) {
        again(r, record->unit, mp_clock_ns() + back_off_ns(record->tries));
        return;
    }
    keep_record(r, src, record);
    if (failed && r->u->halt != MP_HALT_NEVER) stop_all(r, MP_FAILED, r->u->halt == MP_HALT_NOW);
}

static void hear_back(mp_unit_run *r, int src, int64_t unit) {
    mp_unit_head *h = &r->head;
    if (unit < 0 || unit >= r->u->n_units) return;
    h->in_hand[src]--;
    h->is_long[src] = true;
    h->n_out--;
    h->tries[unit]--;
    leave_group(r, unit);
    again(r, unit, 0);
}

static void hear_synced(mp_unit_run *r, int src) {
    mp_unit_head *h = &r->head;
    mp_buf *lines = &h->unsynced[src];
    mp_error e = MP_ERROR_INIT;
    if (lines->len == 0) return;
    if (h->lines.len == 0) h->lines_since_ns = mp_clock_ns();
    mp_buf_put(&h->lines, lines->data, lines->len);
    mp_unit_trouble(r, mp_buf_check(lines, &e), &e);
    mp_buf_clear(lines);
    h->n_unsynced--;
}

void mp_unit_head_trouble(mp_unit_run *r, const mp_error *e) {
    if (mp_error_order(e, &r->head.error) < 0) r->head.error = *e;
    r->head.result.cut_short = true;
    stop_all(r, (mp_status)e->status, true);
}

void mp_unit_head_hears(mp_unit_run *r, int src, mp_unit_message kind, mp_rd *in) {
    mp_unit_record record;
    mp_error e;
    if (kind == MP_UNIT_DONE) {
        const void *p = mp_rd_raw(in, sizeof record);
        if (!p) return;
        memcpy(&record, p, sizeof record);
        if (record.unit >= 0 && record.unit < r->u->n_units) hear_done(r, src, &record);
    } else if (kind == MP_UNIT_BACK) {
        hear_back(r, src, mp_rd_i64(in));
    } else if (kind == MP_UNIT_SYNCED) {
        hear_synced(r, src);
    } else if (kind == MP_UNIT_TROUBLE) {
        const void *p = mp_rd_raw(in, sizeof e);
        if (!p) return;
        memcpy(&e, p, sizeof e);
        mp_unit_head_trouble(r, &e);
    }
}

/* ---- journal and verdict ---- */

static bool commit(mp_unit_run *r, bool now) {
    mp_unit_head *h = &r->head;
    mp_error e = MP_ERROR_INIT;
    if (h->lines.len == 0 && !h->lines.failed) return false;
    if (!now && mp_clock_ns() - h->lines_since_ns < COMMIT_NS) return false;
    mp_unit_trouble(r, r->u->commit(r->u->ctx, &h->lines, &e), &e);
    mp_buf_clear(&h->lines);
    return true;
}

static bool nothing_left(const mp_unit_run *r) {
    const mp_unit_head *h = &r->head;
    if (h->n_due > 0 || h->n_parked > 0) return false;
    for (int64_t i = h->next; i < r->u->n_units; i++)
        if (!r->u->done || !r->u->done[r->u->order ? r->u->order[i] : i]) return false;
    return true;
}

static void give_verdict(mp_unit_run *r) {
    mp_unit_head *h = &r->head;
    mp_error *v = &r->verdict;
    bool all = nothing_left(r);
    if (h->error.status != MP_OK)
        *v = h->error;
    else if (h->why == MP_FAILED)
        mp_error_set(v, MP_FAILED, NULL, "a unit failed, and --halt ends the run then");
    else if (h->why != MP_OK && !(all && !h->killing))
        mp_error_set(v, h->why, NULL, "the run was asked to stop");
    for (int dest = 1; dest < mp_comm_size(r->phase.c); dest++) {
        mp_buf b;
        mp_phase_write(&r->phase, &b, MP_UNIT_VERDICT);
        mp_buf_u8(&b, r->asked_to_stop);
        mp_buf_put(&b, v, sizeof *v);
        mp_phase_send(&r->phase, dest, &b);
    }
    r->phase.over = true;
}

static void tell_all(mp_unit_run *r, mp_unit_message kind) {
    for (int dest = 0; dest < mp_comm_size(r->phase.c); dest++) {
        mp_buf b;
        mp_phase_write(&r->phase, &b, kind);
        mp_phase_send(&r->phase, dest, &b);
    }
}

/* All units are out of hands: their results to the disk, their lines to the journal; then *all. */
static bool bring_in(mp_unit_run *r, bool *all) {
    mp_unit_head *h = &r->head;
    *all = false;
    if (h->n_unsynced > 0 && h->error.status == MP_OK) {
        if (h->sync_asked) return false;
        h->sync_asked = true;
        tell_all(r, MP_UNIT_SYNC);
        return true;
    }
    if (commit(r, true) || r->trouble.status != MP_OK) return true; /* the next round knows of it */
    h->sync_asked = false;
    *all = true;
    return true;
}

static bool close_up(mp_unit_run *r) {
    bool all, did = bring_in(r, &all);
    if (all) give_verdict(r);
    return did;
}

/* ---- keep ---- */

static void hand_out_again(mp_unit_head *h, int64_t now) {
    h->waited_ns += now - h->quiet_since_ns;
    h->quiet_since_ns = 0;
}

/* How long units are waited for, so that it is a small part of the time. */
static int64_t patience(const mp_unit_head *h, int64_t now) {
    int64_t part = (now - h->kept_ns) / KEEP_SHARE;
    return part > PATIENCE_NS ? part : PATIENCE_NS;
}

/* Is it time to? Not before those units that take long can be waited for. Where one takes longer than those before it
 * handing out goes on, and it is tried again when twice the time has passed. */
static bool wants_keep(mp_unit_run *r) {
    mp_unit_head *h = &r->head;
    int64_t now = mp_clock_ns();
    if (!r->u->keep || h->stopping || r->trouble.status != MP_OK) return false;
    if (!h->quiet_since_ns) {
        bool due = h->to_keep && now > h->try_keep_ns && patience(h, now) >= h->longest_ns;
        if (due) h->quiet_since_ns = now;
    } else if (h->n_out > 0 && now - h->quiet_since_ns > patience(h, h->quiet_since_ns)) {
        hand_out_again(h, now);
        h->try_keep_ns = now + (now - h->kept_ns);
    }
    return h->quiet_since_ns != 0;
}

static bool prepare_keep(mp_unit_run *r) {
    mp_unit_head *h = &r->head;
    bool all = false, did = h->n_out == 0 && bring_in(r, &all);
    if (all) {
        h->keeping = true;
        tell_all(r, MP_UNIT_KEEP);
    }
    return did;
}

/* The next one comes so late that this one has taken a small part of the time. */
void mp_unit_head_kept(mp_unit_run *r) {
    mp_unit_head *h = &r->head;
    int64_t now = mp_clock_ns();
    hand_out_again(h, now);
    int64_t least = KEEP_SHARE * h->waited_ns;
    h->kept_ns = now;
    h->try_keep_ns = now + (least > r->u->keep_ns ? least : r->u->keep_ns);
    h->waited_ns = 0;
    h->keeping = h->to_keep = false;
}

bool mp_unit_head_round(mp_unit_run *r) {
    mp_unit_head *h = &r->head;
    mp_error e = MP_ERROR_INIT;
    bool did = hear_signals(r);
    if (r->u->push && h->error.status == MP_OK && r->trouble.status == MP_OK)
        mp_unit_trouble(r, r->u->push(r->u->ctx, &did, &e), &e);
    if (r->u->enough && r->u->enough(r->u->ctx)) stop_all(r, MP_OK, true);
    did = commit(r, false) || did;
    if (h->keeping) return did;
    if (!nothing_left(r) && wants_keep(r)) return prepare_keep(r) || did;
    if (!h->stopping && r->trouble.status == MP_OK) did = hand_out(r) || did;
    if (h->n_out > 0 || (!h->stopping && !nothing_left(r))) return did;
    return close_up(r) || did;
}
