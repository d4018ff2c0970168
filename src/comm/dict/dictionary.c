/* dictionary.c - the client's side of the dictionary.
 * Invariant: a batch holds whole records; batches of a rank to an owner leave in order, at most WINDOW of them without
 * acknowledgement. */
#include "comm/dict/dictionary.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/hash.h"
#include "comm/dict/dict_state.h"

enum {
    WINDOW = 4, /* batches at an owner */
    BLOCK_MIN = 8 * 1024,
    BLOCK_MAX = 64 * 1024,
    OWN_BYTES = 4 * 1024,   /* of operations on own keys that wait */
    RECORD_MAX = 1000 << 20 /* with what is in its batch it fits in a message */
};

static mp_status on_answer(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err);

/* ---- beginning ---- */

static bool allocate(mp_dict *d) {
    size_t n = (size_t)d->size;
    d->peers = mp_mem_calloc(d->mem, n, sizeof *d->peers);
    d->recent = mp_mem_calloc(d->mem, MP_DICT_RECENT, sizeof *d->recent);
    if (!d->peers || !d->recent) return false;
    for (size_t r = 0; r < n; r++) {
        mp_dict_peer *p = &d->peers[r];
        mp_buf_init(&p->open, d->mem);
        if ((int)r != d->rank) p->part = mp_dict_part_of(d->c, (int)r);
        p->queue_end = &p->queue;
        p->todo_end = &p->todo;
        p->n_expected = -1;
    }
    return true;
}

mp_status mp_dict_new(mp_comm *c, const mp_dict_args *args, mp_dict **out, mp_error *err) {
    uint32_t serial = mp_comm_serial(c);
    mp_dict *d = calloc(1, sizeof *d);
    *out = NULL;
    if (!d) return mp_error_nomem(err, sizeof *d, 0);
    *d = (mp_dict){.c = c, .mem = args->mem, .rank = mp_comm_rank(c), .size = mp_comm_size(c)};
    d->serial = serial;
    d->lost = MP_ERROR_INIT;
    mp_buf_init(&d->own_answer, NULL);
    mp_buf_init(&d->there, NULL);
    int64_t bytes = args->budget_bytes / (4 * (int64_t)WINDOW) / d->size;
    d->block_bytes = (size_t)(bytes < BLOCK_MIN   ? BLOCK_MIN
                              : bytes > BLOCK_MAX ? BLOCK_MAX
                                                  : bytes);
    d->queue_limit = args->budget_bytes / 4;
    d->reach_most = (size_t)(args->budget_bytes / d->size);
    if (!allocate(d)) {
        mp_status s = mp_mem_error(d->mem, (size_t)d->size * sizeof *d->peers, err);
        mp_dict_free(&d);
        return s;
    }
    d->part = mp_dict_part_new(c, serial, args->table_bytes);
    if (!d->part) {
        mp_dict_free(&d);
        return mp_error_nomem(err, sizeof *d->part, 0);
    }
    mp_comm_listen(c, MP_TAG_DICT, mp_dict_on_request, d);
    mp_comm_listen(c, MP_TAG_DICT_ANSWER, on_answer, d);
    mp_comm_each_round(c, mp_dict_push, d);
    d->listening = true;
    *out = d;
    return MP_OK;
}

static void free_blocks(mp_dict *d, mp_dict_block *b) {
    while (b) {
        mp_dict_block *next = b->next;
        mp_mem_return(d->mem, b->held);
        mp_buf_release(&b->buf);
        free(b);
        b = next;
    }
}

void mp_dict_free(mp_dict **pd) {
    if (!pd || !*pd) return;
    mp_dict *d = *pd;
    *pd = NULL;
    if (d->listening) {
        mp_comm_listen(d->c, MP_TAG_DICT, NULL, NULL);
        mp_comm_listen(d->c, MP_TAG_DICT_ANSWER, NULL, NULL);
        mp_comm_each_round(d->c, NULL, NULL);
    }
    for (int r = 0; r < d->size && d->peers; r++) {
        mp_dict_peer *p = &d->peers[r];
        mp_buf_release(&p->open);
        free_blocks(d, p->queue);
        free_blocks(d, p->todo);
        mp_mem_free(d->mem, p->waiters);
    }
    mp_dict_part_free(d->c, &d->part);
    mp_buf_release(&d->own_answer);
    mp_buf_release(&d->there);
    mp_mem_free(d->mem, d->peers);
    mp_mem_free(d->mem, d->recent);
    free(d);
}

/* ---- operations ---- */

static int owner_of(const mp_dict *d, uint64_t hash, uint64_t *place) {
    __uint128_t m = (__uint128_t)hash * (__uint128_t)d->size;
    *place = (uint64_t)m;
    return (int)(m >> 64);
}

int mp_dict_owner(const mp_dict *d, const void *key, size_t n) {
    uint64_t place;
    return owner_of(d, mp_hash_bytes(key, n), &place);
}

static bool start_batch(mp_dict *d, mp_dict_peer *p) {
    p->open.data = mp_mem_alloc(d->mem, d->block_bytes + MP_DICT_HEAD + 256);
    if (!p->open.data) return false;
    p->open.cap = d->block_bytes + MP_DICT_HEAD + 256;
    mp_buf_u32(&p->open, d->serial);
    mp_buf_u32(&p->open, MP_DICT_REQUESTS);
    p->generation = ++d->next_generation;
    return true;
}

static mp_buf *open_at(mp_dict *d, mp_dict_op op, unsigned flags, const void *key, size_t n) {
    mp_dict_peer *p = &d->peers[d->owner];
    if (d->ended || n > MP_DICT_VALUE_MAX || (!p->open.data && !start_batch(d, p))) return NULL;
    d->answer = flags & MP_DICT_ANSWER;
    d->open = true;
    d->at = mp_dict_record_open(&p->open, op, flags, key, n);
    return &p->open;
}

mp_buf *mp_dict_open(mp_dict *d, mp_dict_op op, unsigned flags, const void *key, size_t n) {
    d->owner = owner_of(d, mp_hash_bytes(key, n), &d->place);
    d->keyed = true;
    return open_at(d, op, flags, key, n);
}

mp_buf *mp_dict_open_at(mp_dict *d, mp_dict_op op, unsigned flags, int owner) {
    d->owner = owner;
    d->place = 0;
    d->keyed = false;
    return open_at(d, op, flags, NULL, 0);
}

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

static bool add_waiter(mp_dict *d, mp_dict_peer *p, mp_dict_waiter w) {
    if (p->n_waiters == p->cap_waiters) {
        size_t cap = p->cap_waiters ? 2 * p->cap_waiters : 64;
        mp_dict_waiter *new = mp_mem_alloc(d->mem, cap * sizeof *new);
        if (!new) return false;
        for (size_t i = 0; i < p->n_waiters; i++)
            new[i] = p->waiters[(p->first_waiter + i) & (p->cap_waiters - 1)];
        mp_mem_free(d->mem, p->waiters);
        p->waiters = new;
        p->first_waiter = 0;
        p->cap_waiters = cap;
    }
    p->waiters[(p->first_waiter + p->n_waiters++) & (p->cap_waiters - 1)] = w;
    d->n_waiting++;
    return true;
}

/* Operations on own keys wait for a while as well: several at once are carried out faster, or combined. */
static mp_status close_own(mp_dict *d, mp_dict_waiter w, mp_error *err) {
    mp_buf *b = &d->peers[d->rank].open;
    size_t at;
    if (!d->answer && b->len < OWN_BYTES) return MP_OK;
    mp_status s = mp_dict_apply_own(d, &at, err);
    if (s == MP_OK && d->answer)
        w.fn(w.ctx, w.tag, mp_rd_of(d->own_answer.data + at, d->own_answer.len - at));
    if (d->own_answer.cap > 2 * BLOCK_MAX) mp_buf_release(&d->own_answer);
    if (b->cap > 2 * BLOCK_MAX) mp_buf_release(b);
    return s;
}

mp_status mp_dict_close(mp_dict *d, mp_dict_answer_fn fn, void *ctx, uint64_t tag, mp_error *err) {
    mp_dict_waiter w = {fn, ctx, tag};
    mp_dict_peer *p = &d->peers[d->owner];
    mp_buf *b = &p->open;
    bool own = d->owner == d->rank;
    mp_status s = MP_OK;
    if (!d->open) return mp_error_set(err, MP_FAILED, "dictionary", "no operation is open");
    d->open = false;
    if (!b->failed && b->len - d->at > RECORD_MAX)
        s = mp_error_set(err, MP_FAILED, "operation too long", "%zu bytes (at most %d)",
                         b->len - d->at, RECORD_MAX);
    if (s == MP_OK) s = mp_buf_check(b, err);
    if (s == MP_OK && d->answer && !own && !add_waiter(d, p, w))
        s = mp_mem_error(d->mem, 2 * p->cap_waiters * sizeof w, err);
    if (s != MP_OK) {
        b->len = d->at;
        b->failed = false;
        return s;
    }
    mp_dict_record_close(b, d->at);
    d->counts.started++;
    d->n_open += !own && d->at == MP_DICT_HEAD;
    if (d->answer)
        p->generation = ++d->next_generation;
    else if (d->keyed && mp_dict_combine(d, d->owner, d->place, d->at))
        d->counts.combined++;
    if (own) return close_own(d, w, err);
    if (b->len >= d->block_bytes) (void)!mp_dict_queue_open(d, p, NULL); /* or it is longer */
    return MP_OK;
}

/* ---- on the way ---- */

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
    while (p->queue && p->unacked < WINDOW && s == MP_OK) {
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
    if (p->open.cap > 2 * BLOCK_MAX) mp_buf_release(&p->open);
    return MP_OK;
}

mp_status mp_dict_push(void *ctx, mp_error *err) {
    mp_dict *d = ctx;
    mp_status s = mp_dict_whole(d, err);
    size_t at;
    if (s != MP_OK) return s;
    if (!d->open && d->peers[d->rank].open.len > MP_DICT_HEAD) s = mp_dict_apply_own(d, &at, err);
    if (s == MP_OK && d->n_todo > 0) s = mp_dict_serve(d, err);
    if (d->n_open == 0 && d->n_queued == 0) return s;
    for (int i = 1; i < d->size && s == MP_OK && !d->open; i++) {
        int dest = (d->rank + i) % d->size; /* not all ranks at the same one */
        mp_dict_peer *p = &d->peers[dest];
        if (p->unacked == 0 && !p->queue) s = leave(d, dest, err);
        if (s == MP_OK && p->queue) s = send_batches(d, dest, err);
        if (s == MP_OK && d->ended && !p->told && !p->queue) s = mp_dict_tell_end(d, dest, err);
    }
    if (d->ended) mp_dict_hear_no_more(d);
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

/* ---- answers ---- */

static mp_status one_answer(mp_dict *d, mp_dict_peer *p, mp_rd *r, mp_error *err) {
    mp_rd whole = *r;
    mp_dict_answer a;
    if (!mp_dict_answer_read(r, &a))
        return mp_error_set(err, MP_FAILED, "bad message", "answer of the dictionary");
    if (a.kind == MP_DICT_LOST) {
        mp_dict_note_lost(d, r, &a);
        return MP_OK;
    }
    for (uint32_t i = 0; a.kind == MP_DICT_LIST && i < a.n && !r->bad; i++)
        mp_dict_read_value(r);
    if (r->bad || p->n_waiters == 0)
        return mp_error_set(err, MP_FAILED, "bad message", "answer of the dictionary");
    mp_dict_waiter w = p->waiters[p->first_waiter];
    p->first_waiter = (p->first_waiter + 1) & (p->cap_waiters - 1);
    p->n_waiters--;
    d->n_waiting--;
    whole.end = r->p;
    w.fn(w.ctx, w.tag, whole);
    return MP_OK;
}

mp_status mp_dict_answers_of(mp_dict *d, mp_dict_peer *p, mp_rd *r, mp_error *err) {
    mp_status s = MP_OK;
    while (mp_rd_left(r) && s == MP_OK)
        s = one_answer(d, p, r, err);
    return s;
}

static mp_status on_answer(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_dict *d = ctx;
    mp_dict_peer *p = &d->peers[src];
    mp_rd r = mp_rd_of(bytes, len);
    uint32_t serial = mp_rd_u32(&r), acked = mp_rd_u32(&r);
    if (r.bad || serial != d->serial || (int64_t)acked > p->unacked)
        return mp_error_set(err, MP_FAILED, "bad message", "answer of another dictionary");
    mp_status s = mp_dict_answers_of(d, p, &r, err);
    p->unacked -= (int)acked;
    d->n_waiting -= acked;
    mp_dict_hear_no_more(d);
    return s;
}

static void printable(char *out, size_t cap, const void *key, size_t n) {
    const uint8_t *k = key;
    size_t i = 0;
    for (; i < n && i + 1 < cap; i++)
        out[i] = k[i] < ' ' || k[i] == 127 ? '?' : (char)k[i];
    out[i] = 0;
}

mp_status mp_dict_code_error(mp_dict_code code, int64_t bytes, int64_t limit, const void *key,
                             size_t n, mp_error *err) {
    char name[64], what[120];
    const char *text = mp_dict_code_text(code);
    printable(name, sizeof name, key, key ? n : 0);
    if (code == MP_DICT_NO_MEMORY) return mp_error_nomem(err, bytes, limit);
    snprintf(what, sizeof what, key ? "dictionary: key '%s'" : "dictionary", name);
    /* without Redis's prefix */
    const char *words = strchr(text, ' ');
    return mp_error_set(err, MP_DATA, what, "%s", words ? words + 1 : text);
}

void mp_dict_note_lost(mp_dict *d, mp_rd *r, const mp_dict_answer *a) {
    size_t n;
    const void *key = mp_rd_bytes(r, &n);
    if (d->lost.status == MP_OK)
        mp_dict_code_error(a->code, a->bytes, a->limit, key ? key : "", n, &d->lost);
}

mp_status mp_dict_lost(mp_dict *d, mp_error *err) {
    mp_status s = (mp_status)d->lost.status;
    if (s != MP_OK && err && err->status == MP_OK) *err = d->lost;
    mp_error_init(&d->lost);
    return s;
}
