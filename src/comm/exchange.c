/* exchange.c - blocks of records from every rank to every rank, with counted ends.
 * Invariant: blocks and ends carry the pass; the end for a rank leaves behind all its blocks and says how many there were.
 * Of the blocks for one rank one is open, some are queued, and at most IN_FLIGHT are with MPI as synchronous sends. Once
 * any status is not OK, what is not with MPI yet is dropped and not counted. */
#include "comm/exchange.h"

#include <stdlib.h>
#include <string.h>

enum {
    IN_FLIGHT = 2,
    BLOCK_MIN = 8 * 1024,
    BLOCK_MAX = 256 * 1024,
    HEAD_BYTES = 8, /* u32 pass, u32 0: keeps the records at a multiple of 8 */
    RECORD_MAX = (1 << 30) - HEAD_BYTES
};

typedef struct block block;
struct block {
    block *next;
    mp_buf buf;
};

typedef struct {
    mp_buf open; /* data NULL: none */
    block *queue, **queue_end;
    int64_t n_sent; /* blocks */
    bool told;      /* the end was sent */
} peer;

struct mp_exchange {
    mp_comm *c;
    mp_exchange_args args;
    size_t block_bytes;
    int64_t queue_limit, queued_bytes;
    peer *peers;
    bool ended, listening;
    mp_end_status status, worst;
    int n_ends;         /* received, own included */
    int64_t n_expected; /* blocks, by the ends received */
    int64_t n_arrived;
    mp_exchange_counts counts;
};

static void worsen(mp_exchange *x, mp_end_status s) {
    if (s > x->worst) x->worst = s;
}

/* As soon as nothing more can come, the tags are left to the next pass, whose messages may already be there. */
static void hear_no_more(mp_exchange *x) {
    if (!x->listening || x->n_ends < mp_comm_size(x->c) || x->n_arrived < x->n_expected) return;
    mp_comm_listen(x->c, MP_TAG_BLOCK, NULL, NULL);
    mp_comm_listen(x->c, MP_TAG_EOS, NULL, NULL);
    x->listening = false;
}

static mp_status on_block(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_exchange *x = ctx;
    mp_rd r = mp_rd_of(bytes, len);
    uint32_t pass = mp_rd_u32(&r);
    mp_rd_u32(&r);
    if (r.bad || pass != x->args.pass) return MP_OK;
    x->n_arrived++;
    x->counts.blocks_received++;
    x->counts.bytes_received += (int64_t)mp_rd_left(&r);
    hear_no_more(x);
    if (x->worst != MP_END_OK) return MP_OK;
    return x->args.on_block(x->args.ctx, src, r.p, mp_rd_left(&r), err);
}

static void count_end(mp_exchange *x, mp_end_status status, int64_t n_blocks) {
    worsen(x, status);
    x->n_ends++;
    x->n_expected += n_blocks;
    hear_no_more(x);
}

static mp_status on_end(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_exchange *x = ctx;
    mp_rd r = mp_rd_of(bytes, len);
    uint32_t pass = mp_rd_u32(&r), status = mp_rd_u32(&r);
    int64_t n = mp_rd_i64(&r);
    if (!r.bad && pass != x->args.pass) return MP_OK;
    if (r.bad || status > MP_END_FAILED || n < 0)
        return mp_error_set(err, MP_FAILED, "bad message", "end of stream from rank %d", src);
    count_end(x, (mp_end_status)status, n);
    return MP_OK;
}

mp_status mp_exchange_new(mp_comm *c, const mp_exchange_args *args, mp_exchange **out,
                          mp_error *err) {
    int n = mp_comm_size(c);
    *out = NULL;
    mp_exchange *x = calloc(1, sizeof *x);
    peer *peers = calloc((size_t)n, sizeof *peers);
    if (!x || !peers) {
        free(x);
        free(peers);
        return mp_error_nomem(err, (int64_t)((size_t)n * sizeof *peers), 0);
    }
    int64_t bytes = args->budget_bytes / 4 / n;
    bytes = bytes < BLOCK_MIN ? BLOCK_MIN : bytes > BLOCK_MAX ? BLOCK_MAX : bytes;
    *x = (mp_exchange){.c = c, .args = *args, .block_bytes = (size_t)bytes, .peers = peers};
    /* a short queue: its blocks are still in the cache when they are copied, which makes the exchange a third faster */
    int64_t short_queue = bytes * (n > 8 ? n / 2 : 4);
    int64_t share = args->budget_bytes / 4;
    x->queue_limit = share < 2 * bytes ? 2 * bytes : share < short_queue ? share : short_queue;
    for (int r = 0; r < n; r++) {
        mp_buf_init(&peers[r].open, args->mem);
        peers[r].queue_end = &peers[r].queue;
    }
    mp_comm_listen(c, MP_TAG_BLOCK, on_block, x);
    mp_comm_listen(c, MP_TAG_EOS, on_end, x);
    x->listening = true;
    *out = x;
    return MP_OK;
}

static void pop(mp_exchange *x, peer *p) {
    block *b = p->queue;
    p->queue = b->next;
    if (!p->queue) p->queue_end = &p->queue;
    x->queued_bytes -= (int64_t)b->buf.len;
    mp_buf_release(&b->buf);
    free(b);
}

static void drop_unsent(mp_exchange *x, peer *p) {
    while (p->queue)
        pop(x, p);
    mp_buf_release(&p->open);
}

void mp_exchange_free(mp_exchange **px) {
    if (!px || !*px) return;
    mp_exchange *x = *px;
    *px = NULL;
    if (x->listening) {
        mp_comm_listen(x->c, MP_TAG_BLOCK, NULL, NULL);
        mp_comm_listen(x->c, MP_TAG_EOS, NULL, NULL);
    }
    for (int r = 0; r < mp_comm_size(x->c); r++)
        drop_unsent(x, &x->peers[r]);
    free(x->peers);
    free(x);
}

static mp_status queue_open(mp_exchange *x, peer *p, mp_error *err) {
    if (p->open.len <= HEAD_BYTES) return MP_OK;
    block *b = malloc(sizeof *b);
    if (!b) return mp_error_nomem(err, sizeof *b, 0);
    b->next = NULL;
    b->buf = p->open;
    mp_buf_init(&p->open, x->args.mem);
    *p->queue_end = b;
    p->queue_end = &b->next;
    x->queued_bytes += (int64_t)b->buf.len;
    return MP_OK;
}

/* An open block with room for n more bytes. */
static mp_status make_room(mp_exchange *x, peer *p, size_t n, mp_error *err) {
    if (p->open.data && p->open.cap - p->open.len >= n) return MP_OK;
    if (n > RECORD_MAX) {
        mp_error_set(err, MP_FAILED, "value too long",
                     "a row of %zu bytes cannot cross ranks (at most %d)", n, RECORD_MAX);
        return MP_FAILED;
    }
    mp_status s = queue_open(x, p, err);
    if (s != MP_OK) return s;
    size_t bytes = n > x->block_bytes ? n : x->block_bytes;
    mp_buf_release(&p->open);
    /* the exact size: a block that grew would be moved, and could take twice its share */
    p->open.data = mp_mem_alloc(x->args.mem, bytes + HEAD_BYTES);
    if (!p->open.data) return mp_mem_error(x->args.mem, bytes + HEAD_BYTES, err);
    p->open.cap = bytes + HEAD_BYTES;
    mp_buf_u32(&p->open, x->args.pass);
    mp_buf_u32(&p->open, 0);
    return MP_OK;
}

/* What is put after an end, or once any rank has failed, is of no use to anybody. */
static bool dropping(const mp_exchange *x) {
    return x->ended || x->worst != MP_END_OK;
}

mp_status mp_exchange_put(mp_exchange *x, int dest, const void *record, size_t n, mp_error *err) {
    peer *p = &x->peers[dest];
    if (dropping(x)) return MP_OK;
    mp_status s = make_room(x, p, n, err);
    if (s == MP_OK) mp_buf_put(&p->open, record, n);
    return s;
}

uint8_t *mp_exchange_room(mp_exchange *x, int dest, size_t n) {
    peer *p = &x->peers[dest];
    if (dropping(x) && p->open.data) p->open.len = HEAD_BYTES;
    if (make_room(x, p, n, NULL) != MP_OK) return NULL;
    return p->open.data + p->open.len;
}

mp_status mp_exchange_commit(mp_exchange *x, int dest, size_t used, mp_error *err) {
    mp_buf *b = &x->peers[dest].open;
    if (dropping(x)) return MP_OK;
    if (used > b->cap - b->len)
        return mp_error_set(err, MP_FAILED, "exchange", "more bytes than there was room for");
    b->len += used;
    return MP_OK;
}

bool mp_exchange_full(const mp_exchange *x) {
    return x->queued_bytes > x->queue_limit;
}

static mp_status deliver_own(mp_exchange *x, peer *p, mp_error *err) {
    int rank = mp_comm_rank(x->c);
    mp_status s = MP_OK;
    while (p->queue && s == MP_OK) {
        mp_buf *b = &p->queue->buf;
        if (x->worst == MP_END_OK)
            s = x->args.on_block(x->args.ctx, rank, b->data + HEAD_BYTES, b->len - HEAD_BYTES, err);
        pop(x, p);
    }
    return s;
}

static mp_status send_some(mp_exchange *x, int dest, mp_error *err) {
    peer *p = &x->peers[dest];
    while (p->queue && mp_comm_unsent(x->c, dest, MP_TAG_BLOCK) < IN_FLIGHT) {
        mp_buf b = p->queue->buf;
        int64_t n = (int64_t)b.len;
        mp_buf_init(&p->queue->buf, x->args.mem);
        x->queued_bytes -= n;
        pop(x, p);
        mp_status s = mp_comm_send_buf(x->c, dest, MP_TAG_BLOCK, &b, true, err);
        mp_buf_release(&b);
        if (s != MP_OK) return s;
        p->n_sent++;
        x->counts.blocks_sent++;
        x->counts.bytes_sent += n - HEAD_BYTES;
    }
    return MP_OK;
}

static mp_status tell_end(mp_exchange *x, int dest, mp_error *err) {
    peer *p = &x->peers[dest];
    uint8_t message[16];
    uint32_t status = (uint32_t)x->status;
    p->told = true;
    memcpy(message, &x->args.pass, 4);
    memcpy(message + 4, &status, 4);
    memcpy(message + 8, &p->n_sent, 8);
    if (dest != mp_comm_rank(x->c))
        return mp_comm_send(x->c, dest, MP_TAG_EOS, message, sizeof message, err);
    count_end(x, x->status, 0);
    return MP_OK;
}

mp_status mp_exchange_push(mp_exchange *x, mp_error *err) {
    int n = mp_comm_size(x->c), rank = mp_comm_rank(x->c);
    mp_status s = MP_OK;
    for (int i = 0; i < n && s == MP_OK; i++) {
        int dest = (rank + i) % n; /* not all ranks at the same one */
        peer *p = &x->peers[dest];
        if (x->worst != MP_END_OK) drop_unsent(x, p);
        if (p->queue) s = dest == rank ? deliver_own(x, p, err) : send_some(x, dest, err);
        if (s == MP_OK && x->ended && !p->queue && !p->told) s = tell_end(x, dest, err);
    }
    return s;
}

mp_status mp_exchange_end(mp_exchange *x, mp_end_status status, mp_error *err) {
    mp_status s = MP_OK;
    if (x->ended) return MP_OK;
    worsen(x, status);
    for (int r = 0; r < mp_comm_size(x->c) && x->worst == MP_END_OK; r++) {
        s = queue_open(x, &x->peers[r], err);
        if (s != MP_OK) worsen(x, status = MP_END_FAILED);
    }
    x->ended = true;
    x->status = status;
    mp_status pushed = mp_exchange_push(x, err);
    return s != MP_OK ? s : pushed;
}

mp_end_status mp_exchange_worst(const mp_exchange *x) {
    return x->worst;
}

bool mp_exchange_done(const mp_exchange *x) {
    if (!x->ended || x->listening) return false;
    for (int r = 0; r < mp_comm_size(x->c); r++)
        if (!x->peers[r].told || mp_comm_unsent(x->c, r, MP_TAG_BLOCK) > 0 ||
            mp_comm_unsent(x->c, r, MP_TAG_EOS) > 0)
            return false;
    return true;
}

mp_exchange_counts mp_exchange_stats(const mp_exchange *x) {
    return x->counts;
}
