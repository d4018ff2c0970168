/* dict_send.c - batches on their way to owners.
 * Invariant: batches of a rank to an owner leave in order, at most MP_DICT_WINDOW of them without acknowledgement; its end leaves
 * behind them. */
#include <stdlib.h>

#include "comm/dict/dict_state.h"

mp_status mp_dict_queue_open(mp_dict *d, mp_dict_peer *p, mp_error *err) {
    if (p->open.len <= MP_DICT_HEAD) return MP_OK;
    mp_dict_block *b = calloc(1, sizeof *b);
    if (!b) return mp_error_nomem(err, sizeof *b, 0);
    b->buf = p->open;
    mp_buf_init(&p->open, d->mem);
    p->generation = ++d->next_generation;
    if (!p->queue) d->n_queued++;
    *p->queue_end = b;
    p->queue_end = &b->next;
    d->n_open--;
    d->queued_bytes += (int64_t)b->buf.len;
    return MP_OK;
}

mp_status mp_dict_tell_end(mp_dict *d, int dest, mp_error *err) {
    mp_dict_peer *p = &d->peers[dest];
    uint32_t head[3] = {d->serial, MP_DICT_END, d->failed};
    uint8_t message[20];
    memcpy(message, head, sizeof head);
    memcpy(message + sizeof head, &p->n_sent, 8);
    p->told = true;
    return mp_comm_send(d->c, dest, MP_TAG_DICT, message, sizeof message, err);
}

static mp_status send_batch(mp_dict *d, int dest, mp_buf *b, mp_error *err) {
    mp_dict_peer *p = &d->peers[dest];
    int64_t n = (int64_t)b->len;
    mp_status s = mp_comm_send_buf(d->c, dest, MP_TAG_DICT, b, false, err);
    if (s != MP_OK) {
        mp_comm_give_up(d->c); /* its operations are lost */
        return s;
    }
    p->unacked++;
    d->n_waiting++;
    p->n_sent++;
    d->counts.batches++;
    d->counts.bytes += n;
    return MP_OK;
}

static mp_status send_batches(mp_dict *d, int dest, mp_error *err) {
    mp_dict_peer *p = &d->peers[dest];
    mp_status s = MP_OK;
    while (p->queue && p->unacked < MP_DICT_WINDOW && s == MP_OK) {
        mp_dict_block *b = p->queue;
        bool done;
        p->queue = b->next;
        if (!p->queue) {
            p->queue_end = &p->queue;
            d->n_queued--;
        }
        d->queued_bytes -= (int64_t)b->buf.len;
        s = mp_dict_reach(d, dest, &b->buf, &done, err);
        if (s == MP_OK && !done) s = send_batch(d, dest, &b->buf, err);
        mp_buf_release(&b->buf);
        free(b);
    }
    return s;
}

/* The open batch of dest, behind which nothing is queued, is carried out at once, or goes to the queue. */
static mp_status leave(mp_dict *d, int dest, mp_error *err) {
    mp_dict_peer *p = &d->peers[dest];
    bool done = false;
    mp_status s = MP_OK;
    if (p->open.len <= MP_DICT_HEAD) return MP_OK;
    if (!p->queue) s = mp_dict_reach(d, dest, &p->open, &done, err);
    if (s != MP_OK || !done) return s == MP_OK ? mp_dict_queue_open(d, p, err) : s;
    p->open.len = MP_DICT_HEAD;
    p->generation = ++d->next_generation;
    d->n_open--;
    if (p->open.cap > 2 * MP_DICT_BLOCK_MAX) mp_buf_release(&p->open);
    return MP_OK;
}

static mp_status send_all(mp_dict *d, mp_error *err) {
    mp_status s = MP_OK;
    for (int i = 1; i < d->size && s == MP_OK && !d->open; i++) {
        int dest = (d->rank + i) % d->size; /* not all ranks at the same one */
        mp_dict_peer *p = &d->peers[dest];
        if (p->unacked == 0 && !p->queue) s = leave(d, dest, err);
        if (s == MP_OK && p->queue) s = send_batches(d, dest, err);
        if (s == MP_OK && d->ended && !p->told && !p->queue) s = mp_dict_tell_end(d, dest, err);
    }
    return s;
}

/* Listens no longer once nothing can come any more. */
static void hear_no_more(mp_dict *d) {
    if (!d->listening || !d->ended || d->n_ends < d->size || d->n_todo > 0 || d->n_waiting > 0)
        return;
    for (int r = 0; r < d->size; r++)
        if (d->peers[r].n_applied < d->peers[r].n_expected || !d->peers[r].told) return;
    mp_comm_listen(d->c, MP_TAG_DICT, NULL, NULL);
    mp_comm_listen(d->c, MP_TAG_DICT_ANSWER, NULL, NULL);
    mp_comm_each_round(d->c, NULL, NULL);
    d->listening = false;
}

mp_status mp_dict_push(void *ctx, mp_error *err) {
    mp_dict *d = ctx;
    mp_status s = mp_dict_whole(d, err);
    size_t at;
    if (s != MP_OK) return s;
    if (!d->open && d->peers[d->rank].open.len > MP_DICT_HEAD) s = mp_dict_apply_own(d, &at, err);
    if (s == MP_OK && d->n_todo > 0) s = mp_dict_serve(d, err);
    if (s == MP_OK && (d->n_open > 0 || d->n_queued > 0)) s = send_all(d, err);
    if (d->ended) hear_no_more(d);
    return s;
}

mp_status mp_dict_flush(mp_dict *d, mp_error *err) {
    mp_status s = MP_OK;
    for (int r = 0; r < d->size && s == MP_OK && d->n_open > 0; r++)
        if (r != d->rank) s = leave(d, r, err);
    return s == MP_OK ? mp_dict_push(d, err) : s;
}

mp_status mp_dict_whole(const mp_dict *d, mp_error *err) {
    if (!mp_comm_broken(d->c)) return MP_OK;
    return mp_error_set(err, MP_FAILED, "dictionary", "a rank died, or a message found no memory");
}

bool mp_dict_full(const mp_dict *d) {
    return d->queued_bytes > d->queue_limit;
}

bool mp_dict_settled(const mp_dict *d) {
    if (d->n_waiting > 0 || d->n_queued > 0) return false;
    for (int r = 0; r < d->size; r++)
        if (d->peers[r].open.len > MP_DICT_HEAD) return false;
    return true;
}
