/* dictionary.c - making a dictionary, and starting operations.
 * Invariant: a batch holds whole records. */
#include "comm/dict/dictionary.h"

#include <stdlib.h>

#include "base/hash.h"
#include "comm/dict/dict_state.h"

enum {
    BLOCK_MIN = 8 * 1024,
    OWN_BYTES = 4 * 1024,   /* of operations on own keys that wait */
    RECORD_MAX = 1000 << 20 /* with what is in its batch it fits in a message */
};

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

static mp_status on_request(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_dict *d = ctx;
    mp_rd r = mp_rd_of(bytes, len);
    uint32_t serial = mp_rd_u32(&r), what = mp_rd_u32(&r);
    if (r.bad || serial != d->serial)
        return mp_error_set(err, MP_FAILED, "bad message", "request to another dictionary");
    if (what == MP_DICT_REQUESTS) return mp_dict_take(d, src, r.p, mp_rd_left(&r), err);
    return mp_dict_on_word(d, src, (mp_dict_message)what, &r, err);
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
    int64_t bytes = args->budget_bytes / (4 * (int64_t)MP_DICT_WINDOW) / d->size;
    d->block_bytes = (size_t)(bytes < BLOCK_MIN           ? BLOCK_MIN
                              : bytes > MP_DICT_BLOCK_MAX ? MP_DICT_BLOCK_MAX
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
    mp_comm_listen(c, MP_TAG_DICT, on_request, d);
    mp_comm_listen(c, MP_TAG_DICT_ANSWER, mp_dict_on_answer, d);
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
    if (d->own_answer.cap > 2 * MP_DICT_BLOCK_MAX) mp_buf_release(&d->own_answer);
    if (b->cap > 2 * MP_DICT_BLOCK_MAX) mp_buf_release(b);
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
