/* collective.c - barrier, allreduce, broadcast, gather and agreement, as messages along a tree with rank 0 at its root.
 * Invariant: all ranks call them in the same order, every message carries the number and the kind of its collective, and a
 * rank takes the messages of each source in order, so a fast rank may be several collectives ahead. A handler's error is
 * kept for later: no collective is left half-way. Own messages instead of MPI's collectives, because a message rings the
 * doorbell of a sleeping rank. */
#include <stdlib.h>
#include <string.h>

#include "comm/comm_state.h"

enum { PIECE_BYTES = 4 * 1024 * 1024 };

typedef enum { KIND_BARRIER, KIND_REDUCE, KIND_BCAST, KIND_GATHER, KIND_AGREE } kind;

typedef struct {
    uint32_t number, kind;
    uint64_t total; /* bytes in all pieces */
} head;

/* One call of a collective. */
typedef struct {
    mp_comm *c;
    head head;
    int src; /* waited for */
} call;

static mp_status on_letter(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_comm *c = ctx;
    mp_letter *l = malloc(sizeof *l + len);
    if (!l) {
        c->broken = true;
        return mp_error_nomem(err, (int64_t)len, 0);
    }
    l->next = NULL;
    l->src = src;
    l->len = len;
    memcpy(l->bytes, bytes, len);
    *c->letters_end = l;
    c->letters_end = &l->next;
    return MP_OK;
}

void mp_collective_init(mp_comm *c) {
    c->letters_end = &c->letters;
    mp_comm_listen(c, MP_TAG_VERDICT, on_letter, c);
}

void mp_collective_release(mp_comm *c) {
    for (mp_letter *l = c->letters, *next; l; l = next) {
        next = l->next;
        free(l);
    }
}

static mp_letter **letter_from(mp_comm *c, int src) {
    mp_letter **at = &c->letters;
    while (*at && (*at)->src != src)
        at = &(*at)->next;
    return at;
}

static bool has_letter(void *ctx) {
    const call *k = ctx;
    return *letter_from(k->c, k->src) != NULL || k->c->broken;
}

static const char *kind_name(uint32_t k) {
    static const char *const name[] = {"barrier", "reduction", "broadcast", "gather", "agreement"};
    return k <= KIND_AGREE ? name[k] : "unknown";
}

/* The next letter from src, to be freed by the caller. */
static mp_status take(call *k, int src, mp_letter **out, mp_error *err) {
    mp_comm *c = k->c;
    *out = NULL;
    k->src = src;
    mp_status s = mp_wait_quietly(c, has_letter, k, kind_name(k->head.kind), err);
    if (s != MP_OK) return s;
    mp_letter **at = letter_from(c, src), *l = *at;
    if (!l) return mp_error_set(err, MP_NOMEM, NULL, "no room for a message from rank %d", src);
    *at = l->next;
    if (!l->next) c->letters_end = at;
    head h = {0};
    if (l->len >= sizeof h) memcpy(&h, l->bytes, sizeof h);
    if (l->len < sizeof h || h.number != k->head.number || h.kind != k->head.kind) {
        free(l);
        return mp_error_set(
            err, MP_FAILED, "ranks are out of step", "rank %d is in %s %u, rank %d in %s %u",
            c->rank, kind_name(k->head.kind), k->head.number, src, kind_name(h.kind), h.number);
    }
    *out = l;
    return MP_OK;
}

static mp_status give(call *k, int dest, const void *bytes, size_t len, mp_error *err) {
    mp_buf b;
    mp_buf_init(&b, NULL);
    if (mp_buf_reserve(&b, sizeof k->head + len)) {
        mp_buf_put(&b, &k->head, sizeof k->head);
        mp_buf_put(&b, bytes, len);
    }
    mp_status s = mp_comm_send_buf(k->c, dest, MP_TAG_VERDICT, &b, false, err);
    mp_buf_release(&b);
    return s;
}

static call begin(mp_comm *c, kind k) {
    return (call){.c = c, .head = {.number = c->n_collectives++, .kind = (uint32_t)k}};
}

static int parent(const mp_comm *c) {
    return (c->rank - 1) / MP_TREE_FAN;
}

/* Children are [first, end). */
static int first_child(const mp_comm *c) {
    int64_t n = (int64_t)c->rank * MP_TREE_FAN + 1;
    return n < c->size ? (int)n : c->size;
}

static int end_child(const mp_comm *c) {
    int64_t n = (int64_t)c->rank * MP_TREE_FAN + 1 + MP_TREE_FAN;
    return n < c->size ? (int)n : c->size;
}

static mp_status give_children(call *k, const void *bytes, size_t len, mp_error *err) {
    for (int r = first_child(k->c); r < end_child(k->c); r++) {
        mp_status s = give(k, r, bytes, len, err);
        if (s != MP_OK) return s;
    }
    return MP_OK;
}

typedef void (*combine_fn)(void *ctx, const uint8_t *bytes, size_t len);

/* Up the tree with combine, down again with the root's result. own: this rank's, replaced by combine; result: gets the
 * root's. The sizes may differ from rank to rank. */
typedef struct {
    combine_fn combine, result;
    const void *(*own)(void *ctx, size_t *len);
    void *ctx;
} wave;

static mp_status up_and_down(call *k, const wave *w, mp_error *err) {
    mp_comm *c = k->c;
    mp_letter *l;
    size_t len;
    for (int r = first_child(c); r < end_child(c); r++) {
        mp_status s = take(k, r, &l, err);
        if (s != MP_OK) return s;
        w->combine(w->ctx, l->bytes + sizeof(head), l->len - sizeof(head));
        free(l);
    }
    if (c->rank > 0) {
        const void *own = w->own(w->ctx, &len);
        mp_status s = give(k, parent(c), own, len, err);
        if (s == MP_OK) s = take(k, parent(c), &l, err);
        if (s != MP_OK) return s;
        w->result(w->ctx, l->bytes + sizeof(head), l->len - sizeof(head));
        free(l);
    }
    const void *all = w->own(w->ctx, &len);
    return give_children(k, all, len, err);
}

typedef struct {
    int64_t *values;
    size_t n;
    mp_reduce_op op;
} reduction;

static int64_t reduce(mp_reduce_op op, int64_t a, int64_t b) {
    switch (op) {
    case MP_SUM:
        return (int64_t)((uint64_t)a + (uint64_t)b);
    case MP_MAX:
        return a > b ? a : b;
    case MP_MIN:
        return a < b ? a : b;
    case MP_OR:
        break;
    }
    return a | b;
}

static void reduce_combine(void *ctx, const uint8_t *bytes, size_t len) {
    reduction *r = ctx;
    for (size_t i = 0; i < r->n && (i + 1) * sizeof(int64_t) <= len; i++) {
        int64_t v;
        memcpy(&v, bytes + i * sizeof v, sizeof v);
        r->values[i] = reduce(r->op, r->values[i], v);
    }
}

static void reduce_result(void *ctx, const uint8_t *bytes, size_t len) {
    reduction *r = ctx;
    if (r->n && len == r->n * sizeof(int64_t)) memcpy(r->values, bytes, len);
}

static const void *reduce_own(void *ctx, size_t *len) {
    reduction *r = ctx;
    *len = r->n * sizeof(int64_t);
    return r->values;
}

mp_status mp_comm_allreduce(mp_comm *c, int64_t *values, int n, mp_reduce_op op, mp_error *err) {
    call k = begin(c, KIND_REDUCE);
    reduction r = {values, n > 0 ? (size_t)n : 0, op};
    wave w = {reduce_combine, reduce_result, reduce_own, &r};
    return up_and_down(&k, &w, err);
}

mp_status mp_comm_barrier(mp_comm *c, mp_error *err) {
    call k = begin(c, KIND_BARRIER);
    reduction r = {NULL, 0, MP_SUM};
    wave w = {reduce_combine, reduce_result, reduce_own, &r};
    return up_and_down(&k, &w, err);
}

/* Bytes from another rank: texts must end. */
static void agree_result(void *ctx, const uint8_t *bytes, size_t len) {
    mp_error *e = ctx;
    mp_error_init(e);
    if (len != sizeof *e) return;
    memcpy(e, bytes, len);
    e->what[sizeof e->what - 1] = 0;
    e->file[sizeof e->file - 1] = 0;
    e->column[sizeof e->column - 1] = 0;
    e->why[sizeof e->why - 1] = 0;
    e->hint[sizeof e->hint - 1] = 0;
}

static void agree_combine(void *ctx, const uint8_t *bytes, size_t len) {
    mp_error *best = ctx, other;
    agree_result(&other, bytes, len);
    if (other.status != MP_OK && mp_error_order(&other, best) < 0) *best = other;
}

static const void *agree_own(void *ctx, size_t *len) {
    mp_error *e = ctx;
    *len = e->status == MP_OK ? 0 : sizeof *e;
    return e;
}

mp_status mp_comm_agree(mp_comm *c, mp_error *err) {
    call k = begin(c, KIND_AGREE);
    mp_error best = MP_ERROR_INIT, trouble = MP_ERROR_INIT;
    if (err && err->status != MP_OK) {
        best = *err;
        if (best.rank < 0) best.rank = c->rank;
    }
    wave w = {agree_combine, agree_result, agree_own, &best};
    mp_status s = up_and_down(&k, &w, &trouble);
    if (s != MP_OK) best = trouble;
    if (err && best.status != MP_OK) *err = best;
    return (mp_status)best.status;
}

mp_status mp_comm_agree_on(mp_comm *c, mp_status st, const mp_error *mine, mp_error *err) {
    mp_error e = *mine;
    if (st) mp_error_set(&e, st, NULL, "rank %d", c->rank);
    st = mp_comm_agree(c, &e);
    if (st && err) *err = e;
    return st;
}

/* Sends all bytes to the children, in pieces; an empty content is one empty piece. */
static mp_status bcast_root(call *k, const mp_buf *b, mp_error *err) {
    size_t sent = 0;
    do {
        size_t n = b->len - sent < PIECE_BYTES ? b->len - sent : PIECE_BYTES;
        mp_status s = give_children(k, b->len ? b->data + sent : NULL, n, err);
        if (s != MP_OK) return s;
        sent += n;
    } while (sent < b->len);
    return MP_OK;
}

mp_status mp_comm_bcast(mp_comm *c, mp_buf *b, mp_error *err) {
    call k = begin(c, KIND_BCAST);
    if (c->rank == 0) {
        k.head.total = b->len;
        return bcast_root(&k, b, err);
    }
    mp_buf_clear(b);
    uint64_t got = 0, total = 0;
    do {
        mp_letter *l;
        mp_status s = take(&k, parent(c), &l, err);
        if (s != MP_OK) return s;
        const uint8_t *bytes = l->bytes + sizeof(head);
        size_t n = l->len - sizeof(head);
        memcpy(&k.head, l->bytes, sizeof k.head);
        if (got == 0) mp_buf_reserve(b, k.head.total);
        total = k.head.total;
        got += n;
        s = give_children(&k, bytes, n, err);
        mp_buf_put(b, bytes, n); /* refused: the pieces are still passed on */
        free(l);
        if (s != MP_OK) return s;
    } while (got < total);
    return mp_buf_check(b, err);
}

static mp_status gather_from(call *k, int src, mp_buf *all, mp_error *err) {
    uint64_t got = 0;
    head h;
    do {
        mp_letter *l;
        mp_status s = take(k, src, &l, err);
        if (s != MP_OK) return s;
        memcpy(&h, l->bytes, sizeof h);
        if (got == 0) mp_buf_u64(all, h.total);
        got += l->len - sizeof h;
        mp_buf_put(all, l->bytes + sizeof h, l->len - sizeof h);
        free(l);
    } while (got < h.total);
    return MP_OK;
}

mp_status mp_comm_gather(mp_comm *c, const void *bytes, size_t len, mp_buf *all, mp_error *err) {
    call k = begin(c, KIND_GATHER);
    mp_buf_clear(all);
    if (c->rank == 0) {
        mp_buf_u64(all, len);
        mp_buf_put(all, bytes, len);
        for (int r = 1; r < c->size; r++) {
            mp_status s = gather_from(&k, r, all, err);
            if (s != MP_OK) return s;
        }
        return mp_buf_check(all, err);
    }
    k.head.total = len;
    size_t sent = 0;
    do {
        size_t n = len - sent < PIECE_BYTES ? len - sent : PIECE_BYTES;
        mp_status s = give(&k, 0, len ? (const uint8_t *)bytes + sent : NULL, n, err);
        if (s != MP_OK) return s;
        sent += n;
    } while (sent < len);
    return MP_OK;
}
