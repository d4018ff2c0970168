/* flow_hand_out.c - rank 0's part of a flow: it hands out splits, hears of trouble, and gives the
 * verdict.
 * Invariant: splits go out in ascending order; behind STOP or NO_MORE none follows, so a
 * rank that has seen one of them and has nothing in hand is through. The verdict goes out after the
 * last message of every rank, as rank 0's last. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "run/flow_state.h"

enum { HAND_OUT_NS = 200 * 1000 };

mp_status mp_flow_head_init(mp_flow_run *r, mp_error *err) {
    mp_flow_head *h = &r->head;
    int n = mp_comm_size(r->phase.c);
    h->limit = INT64_MAX;
    h->next_split = r->f->first_split;
    h->bound = -1;
    h->data_only = true;
    h->error = MP_ERROR_INIT;
    h->cap = MP_FLOW_IN_HAND * n;
    h->wants = malloc((size_t)h->cap * sizeof *h->wants);
    h->in_hand = calloc((size_t)n, sizeof *h->in_hand);
    if (!h->wants || !h->in_hand) return mp_error_nomem(err, h->cap * (int64_t)sizeof *h->wants, 0);
    /* everybody wants a first one before anybody gets a second */
    for (int i = 0; i < h->cap; i++)
        h->wants[i] = i % n;
    h->n_wants = h->cap;
    return MP_OK;
}

void mp_flow_head_release(mp_flow_run *r) {
    free(r->head.wants);
    free(r->head.in_hand);
}

static void want(mp_flow_head *h, int src) {
    if (h->n_wants == h->cap || h->in_hand[src] >= MP_FLOW_IN_HAND) return;
    h->wants[(h->first + h->n_wants++) % h->cap] = src;
}

static void tell_all(mp_flow_run *r, const mp_buf *message) {
    for (int dest = 0; dest < mp_comm_size(r->phase.c); dest++) {
        mp_buf copy;
        mp_buf_init(&copy, NULL);
        mp_buf_put(&copy, message->data, message->len);
        copy.failed = copy.failed || message->failed;
        mp_phase_send(&r->phase, dest, &copy);
    }
}

/* What is known so far. An error at no place of the input ends everything. A stop without an error
 * goes before data errors: the splits before such an error were not finished then, so it is not
 * known to be the first. */
static mp_flow_verdict weigh(const mp_flow_head *h) {
    bool failed = h->error.status != MP_OK;
    if (failed && !h->data_only) return MP_FLOW_FAILED;
    if (h->asked_redo) return MP_FLOW_REDO;
    if (h->asked_enough) return MP_FLOW_ENOUGH;
    return failed ? MP_FLOW_FAILED : MP_FLOW_OK;
}

static void stop_all(mp_flow_run *r, int64_t limit) {
    mp_flow_head *h = &r->head;
    if (limit >= h->limit) return;
    h->limit = limit;
    mp_buf b;
    mp_phase_write(&r->phase, &b, MP_FLOW_STOP);
    mp_buf_i64(&b, limit);
    mp_buf_u8(&b, (uint8_t)weigh(h));
    tell_all(r, &b);
    mp_buf_release(&b);
}

void mp_flow_head_trouble(mp_flow_run *r, const mp_error *e, int64_t limit) {
    mp_flow_head *h = &r->head;
    if (mp_error_order(e, &h->error) < 0) h->error = *e;
    if (limit <= 0 && !(e->status == MP_DATA && e->file_no >= 0)) h->data_only = false;
    stop_all(r, limit);
}

void mp_flow_head_asked(mp_flow_run *r, mp_flow_verdict why) {
    if (why == MP_FLOW_REDO) r->head.asked_redo = true;
    if (why == MP_FLOW_ENOUGH) r->head.asked_enough = true;
    stop_all(r, 0);
}

static void hear_report(mp_flow_run *r, int src, mp_rd *in) {
    int64_t split = mp_rd_i64(in);
    mp_status status = (mp_status)mp_rd_u32(in);
    bool begun = mp_rd_u8(in) != 0;
    r->head.in_hand[src]--;
    want(&r->head, src);
    if (in->bad || !begun || !r->f->split_report) return;
    mp_error e = MP_ERROR_INIT;
    int64_t start = mp_clock_ns();
    mp_status s = r->f->split_report(r->f->ctx, src, split, status, in, &e);
    r->busy_ns += mp_clock_ns() - start;
    if (s != MP_OK) mp_flow_note_trouble(r, s, &e, mp_flow_limit_of(&e, split));
}

void mp_flow_head_hears(mp_flow_run *r, int src, mp_flow_message kind, mp_rd *in) {
    mp_error e;
    if (kind == MP_FLOW_REPORT) {
        hear_report(r, src, in);
    } else if (kind == MP_FLOW_TROUBLE) {
        int64_t limit = mp_rd_i64(in);
        const void *p = mp_rd_raw(in, sizeof e);
        if (!p) return;
        memcpy(&e, p, sizeof e);
        mp_flow_head_trouble(r, &e, limit);
    } else if (kind == MP_FLOW_ASK_STOP) {
        mp_flow_head_asked(r, (mp_flow_verdict)mp_rd_u8(in));
    } else if (kind == MP_FLOW_FINAL) {
        r->head.n_final++;
    }
}

static void no_more(mp_flow_run *r) {
    mp_buf b;
    r->head.exhausted = true;
    mp_phase_write(&r->phase, &b, MP_FLOW_NO_MORE);
    tell_all(r, &b);
    mp_buf_release(&b);
}

/* Who gets the split: the place in the ring. Who wanted one first; but where rank 0 makes the splits by work of its own
 * (it unpacks a stream), the others do the rest as long as they keep up. */
static int choose(const mp_flow_head *h) {
    enum { KEEPS_UP = 2 };
    int own = -1;
    for (int i = 0; h->bound >= 0 && i < h->n_wants; i++)
        if (h->wants[(h->first + i) % h->cap] == h->bound) return i;
    if (h->bound >= 0) return -1;
    for (int i = 0; h->worked && i < h->n_wants; i++) {
        int rank = h->wants[(h->first + i) % h->cap];
        if (rank != 0 && h->in_hand[rank] < KEEPS_UP) return i;
        if (rank == 0 && own < 0 && h->in_hand[0] == 0) own = i;
    }
    return own < 0 ? 0 : own;
}

/* The rank at place i of the ring, which leaves it; -1: the bound one, which wants no more than it has. */
static int take_want(mp_flow_head *h, int i) {
    int rank = i < 0 ? h->bound : h->wants[(h->first + i) % h->cap];
    for (int k = i; k > 0; k--)
        h->wants[(h->first + k) % h->cap] = h->wants[(h->first + k - 1) % h->cap];
    h->first = i < 0 ? h->first : (h->first + 1) % h->cap;
    h->n_wants -= i >= 0;
    h->in_hand[rank]++;
    return rank;
}

/* Asks the source for one split and gives it to one who wants it. */
static bool hand_out_one(mp_flow_run *r) {
    mp_flow_head *h = &r->head;
    mp_buf b;
    mp_error e = MP_ERROR_INIT;
    mp_split_state state = MP_SPLIT_NONE;
    mp_status s = MP_OK;
    mp_phase_write(&r->phase, &b, MP_FLOW_GIVE);
    mp_buf_i64(&b, h->next_split);
    if (r->f->next_split) {
        int64_t start = mp_clock_ns();
        s = r->f->next_split(r->f->ctx, &b, &state, &e);
        r->busy_ns += mp_clock_ns() - start;
    }
    bool got = state == MP_SPLIT_GOT || state == MP_SPLIT_BOUND;
    if (s == MP_OK && got) s = mp_buf_check(&b, &e);
    h->worked = h->worked || state == MP_SPLIT_SOON;
    h->later = state == MP_SPLIT_LATER || state == MP_SPLIT_SOON;
    if (s != MP_OK) {
        mp_flow_note_trouble(r, s, &e, mp_flow_limit_of(&e, h->next_split));
        h->exhausted = true; /* STOP follows instead of NO_MORE */
    } else if (got) {
        int rank = take_want(h, choose(h));
        mp_phase_send(&r->phase, rank, &b);
        h->bound = state == MP_SPLIT_BOUND ? rank : -1;
        h->next_split++;
        h->worked = false;
    } else if (state == MP_SPLIT_NONE) {
        no_more(r);
    }
    mp_buf_release(&b);
    return s != MP_OK || state != MP_SPLIT_LATER;
}

static void give_verdict(mp_flow_run *r) {
    mp_flow_head *h = &r->head;
    mp_flow_verdict v = weigh(h);
    if (r->f->judge) r->f->judge(r->f->ctx, &v, &h->error);
    if (v == MP_FLOW_FAILED)
        mp_error_set(&h->error, MP_FAILED, NULL, "phase '%s'", r->f->name);
    else
        mp_error_init(&h->error);
    r->verdict = v;
    r->error = h->error;
    r->phase.over = true;
    mp_comm_listen(r->phase.c, MP_TAG_SPLIT, NULL, NULL);
    for (int dest = 1; dest < mp_comm_size(r->phase.c); dest++) {
        mp_buf b;
        mp_phase_write(&r->phase, &b, MP_FLOW_VERDICT);
        mp_buf_u8(&b, (uint8_t)v);
        if (v == MP_FLOW_FAILED) mp_buf_put(&b, &h->error, sizeof h->error);
        mp_phase_send(&r->phase, dest, &b);
    }
}

bool mp_flow_head_round(mp_flow_run *r) {
    mp_flow_head *h = &r->head;
    bool did = false;
    int64_t start = mp_clock_ns();
    h->later = false;
    while (!h->exhausted && h->limit == INT64_MAX && (h->n_wants > 0 || h->bound >= 0) &&
           !h->later) {
        did = hand_out_one(r) || did;
        if (mp_clock_ns() - start > HAND_OUT_NS) break;
    }
    if (h->n_final < mp_comm_size(r->phase.c) || r->phase.over) return did;
    give_verdict(r);
    return true;
}
