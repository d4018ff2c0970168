/* dict_serve.c - the owner's side of the dictionary: batches of requests are carried out as they come and answered in
 * messages of their own.
 * Invariant: requests of one rank are carried out in order; while two answers to it are under way, they wait. A batch
 * is acknowledged with the answer to its last request, also when nothing in it wanted one. */
#include <stdlib.h>

#include "base/hash.h"
#include "comm/dict/dict_apply.h"
#include "comm/dict/dict_state.h"

enum {
    ANSWERS_UNDER_WAY = 2,
    ANSWER_BYTES = 64 * 1024, /* an answer message is closed when it has as many */
    AHEAD = 16                /* records looked at before they are carried out */
};

typedef struct {
    mp_dict_record r;
    uint64_t place;
} looked_at;

static uint64_t place_of(const mp_dict *d, const mp_dict_record *r) {
    if (r->op >= MP_DICT_KEYS) return 0;
    return mp_hash_bytes(r->key, r->key_len) * (uint64_t)d->size;
}

/* Answers go into memory that is not counted: there are at most two of them for a rank, and a long one was held
 * against the budget when it was made. */
static mp_status apply_one(mp_dict_part *part, const looked_at *x, mp_buf *out, mp_error *err) {
    mp_dict_apply(&part->table, &x->r, x->place, out);
    part->n_applied++;
    return mp_buf_check(out, err);
}

mp_status mp_dict_apply_some(mp_dict *d, mp_dict_part *part, const uint8_t *bytes, size_t len,
                             size_t *at, mp_buf *out, mp_error *err) {
    looked_at ahead[AHEAD];
    mp_status s = MP_OK;
    while (*at < len && out->len < ANSWER_BYTES && s == MP_OK) {
        int n = 0;
        for (size_t i = *at; n < AHEAD && i < len; i += ahead[n++].r.total) {
            if (!mp_dict_record_read(bytes + i, len - i, &ahead[n].r))
                return mp_error_set(err, MP_FAILED, "bad message", "request of the dictionary");
            ahead[n].place = place_of(d, &ahead[n].r);
            mp_dict_table_fetch_slot(&part->table, ahead[n].place);
        }
        for (int k = 0; k < n; k++)
            mp_dict_table_fetch_entry(&part->table, ahead[k].place);
        for (int k = 0; k < n && out->len < ANSWER_BYTES && s == MP_OK; k++) {
            s = apply_one(part, &ahead[k], out, err);
            *at += ahead[k].r.total;
        }
    }
    return s;
}

/* The same on the part of this rank. On failure operations are lost. */
static mp_status apply_here(mp_dict *d, const uint8_t *bytes, size_t len, size_t *at, mp_buf *out,
                            mp_error *err) {
    mp_status s;
    if (mp_dict_part_lock(d->part)) {
        s = mp_dict_apply_some(d, d->part, bytes, len, at, out, err);
        mp_dict_part_unlock(d->part);
    } else {
        s = mp_error_set(err, MP_FAILED, "dictionary", "a rank died while it changed a key");
    }
    if (s != MP_OK) mp_comm_give_up(d->c);
    return s;
}

static void start_answer(const mp_dict *d, mp_buf *out) {
    mp_buf_init(out, NULL);
    mp_buf_u32(out, d->serial);
    mp_buf_u32(out, 0);
}

/* acked: batches that this answer acknowledges. */
static mp_status send_answer(mp_dict *d, int dest, mp_buf *out, uint32_t acked, mp_error *err) {
    if (!out->failed) memcpy(out->data + 4, &acked, 4);
    d->counts.bytes_answered += (int64_t)out->len;
    mp_status s = mp_comm_send_buf(d->c, dest, MP_TAG_DICT_ANSWER, out, false, err);
    mp_buf_release(out);
    if (s != MP_OK) mp_comm_give_up(d->c);
    return s;
}

static mp_status answer_some(mp_dict *d, int src, const uint8_t *bytes, size_t len, size_t *at,
                             mp_error *err) {
    mp_buf out;
    start_answer(d, &out);
    mp_status s = apply_here(d, bytes, len, at, &out, err);
    if (s != MP_OK) {
        mp_buf_release(&out);
        return s;
    }
    bool whole = *at >= len;
    d->peers[src].n_applied += whole;
    return send_answer(d, src, &out, whole, err);
}

static bool may_answer(const mp_dict *d, int src) {
    return mp_comm_unsent(d->c, src, MP_TAG_DICT_ANSWER) < ANSWERS_UNDER_WAY;
}

/* It cannot be refused, so it is counted beyond the budget, too: new commands wait until it is gone. */
static mp_status keep(mp_dict *d, mp_dict_peer *p, const uint8_t *bytes, size_t len,
                      mp_error *err) {
    mp_dict_block *b = calloc(1, sizeof *b);
    if (b) mp_buf_put(&b->buf, bytes, len);
    if (!b || b->buf.failed) {
        /* it can neither be taken nor left */
        free(b);
        mp_comm_give_up(d->c);
        return mp_error_nomem(err, (int64_t)len, 0);
    }
    b->held = b->buf.cap;
    mp_mem_hold(d->mem, b->held);
    if (!p->todo) d->n_todo++;
    *p->todo_end = b;
    p->todo_end = &b->next;
    return MP_OK;
}

static void drop_first(mp_dict *d, mp_dict_peer *p) {
    mp_dict_block *b = p->todo;
    p->todo = b->next;
    if (!p->todo) {
        p->todo_end = &p->todo;
        d->n_todo--;
    }
    mp_mem_return(d->mem, b->held);
    mp_buf_release(&b->buf);
    free(b);
}

mp_status mp_dict_serve(mp_dict *d, mp_error *err) {
    mp_status s = MP_OK;
    for (int r = 0; r < d->size && d->n_todo > 0 && s == MP_OK; r++) {
        mp_dict_peer *p = &d->peers[r];
        while (p->todo && may_answer(d, r) && s == MP_OK) {
            mp_dict_block *b = p->todo;
            s = answer_some(d, r, b->buf.data, b->buf.len, &b->at, err);
            if (b->at >= b->buf.len) drop_first(d, p);
        }
    }
    return s;
}

mp_status mp_dict_take(mp_dict *d, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_dict_peer *p = &d->peers[src];
    size_t at = 0;
    mp_status s = MP_OK;
    while (!p->todo && at < len && may_answer(d, src) && s == MP_OK)
        s = answer_some(d, src, bytes, len, &at, err);
    return at < len && s == MP_OK ? keep(d, p, bytes + at, len - at, err) : s;
}

mp_status mp_dict_apply_own(mp_dict *d, size_t *answer, mp_error *err) {
    mp_buf *open = &d->peers[d->rank].open;
    size_t at = MP_DICT_HEAD;
    *answer = 0;
    while (at < open->len) {
        /* what could not be done comes first: only the last record may want an answer */
        mp_buf_clear(&d->own_answer);
        mp_status s = apply_here(d, open->data, open->len, &at, &d->own_answer, err);
        if (s != MP_OK) return s;
        mp_rd r = mp_rd_of(d->own_answer.data, d->own_answer.len), next = r;
        mp_dict_answer a;
        while (mp_rd_left(&r) && mp_dict_answer_read(&next, &a) && a.kind == MP_DICT_LOST) {
            mp_dict_note_lost(d, &next, &a);
            r = next;
        }
        *answer = d->own_answer.len - mp_rd_left(&r);
    }
    open->len = MP_DICT_HEAD;
    d->peers[d->rank].generation = ++d->next_generation;
    return MP_OK;
}
