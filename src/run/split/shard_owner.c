/* shard_owner.c - the owner's side of shard.h: records come in, by split and in order within one;
 * splits are taken in ascending order.
 * Invariant: waits holds the splits [frontier, frontier + n_waits); records of the frontier split go
 * straight through unless some of it wait. */
#include <errno.h>
#include <unistd.h>

#include "io/output/output.h"
#include "run/split/shard_state.h"

enum { FIRST_CAP = 64, CHUNKS_A_PUSH = 4, MOST_AHEAD = 1 << 24 };

mp_status mp_shards_new(const mp_shards_args *args, mp_shards **out, mp_error *err) {
    size_t ranks = (size_t)mp_comm_size(args->c);
    mp_shards *s = mp_mem_calloc(args->mem, 1, sizeof *s);
    *out = s;
    if (!s) return mp_mem_error(args->mem, sizeof *s, err);
    s->a = *args;
    s->spool = -1;
    mp_buf_init(&s->dests, args->mem);
    mp_buf_init(&s->again, args->mem);
    s->now = mp_mem_calloc(args->mem, ranks, sizeof *s->now);
    s->known = mp_mem_calloc(args->mem, ranks, sizeof *s->known);
    s->n_described = mp_mem_calloc(args->mem, ranks, sizeof *s->n_described);
    s->waits = mp_mem_calloc(args->mem, FIRST_CAP, sizeof *s->waits);
    s->cap = s->waits ? FIRST_CAP : 0;
    for (size_t r = 0; s->known && r < ranks; r++)
        mp_buf_init(&s->known[r], args->mem);
    if (s->now && s->known && s->n_described && s->waits) return MP_OK;
    mp_shards_free(out);
    return mp_mem_error(args->mem, ranks * sizeof *s->known, err);
}

static mp_shards_wait *wait_of(const mp_shards *s, int64_t split) {
    return &s->waits[split & (s->cap - 1)];
}

static void drop_first(mp_shards *s, mp_shards_wait *w) {
    mp_shards_chunk *c = w->first;
    w->first = c->next;
    if (!w->first) w->last = NULL;
    if (c->spool_at < 0)
        s->held_bytes -= (int64_t)c->len;
    else if (--s->spool_chunks == 0)
        s->spool_end = 0;
    mp_mem_free(s->a.mem, c);
}

void mp_shards_forget(mp_shards *s) {
    for (int64_t i = 0; i < s->n_waits; i++) {
        mp_shards_wait *w = wait_of(s, s->frontier + i);
        while (w->first)
            drop_first(s, w);
    }
    for (int r = 0; s->now && s->known && r < mp_comm_size(s->a.c); r++) {
        s->now[r] = -1;
        mp_buf_clear(&s->known[r]);
    }
    s->frontier = s->n_waits = 0;
}

void mp_shards_free(mp_shards **ps) {
    mp_shards *s = *ps;
    if (!s) return;
    mp_shards_forget(s);
    for (int r = 0; s->known && r < mp_comm_size(s->a.c); r++)
        mp_buf_release(&s->known[r]);
    if (s->spool >= 0) close(s->spool);
    mp_mem_free(s->a.mem, s->now);
    mp_mem_free(s->a.mem, s->known);
    mp_mem_free(s->a.mem, s->waits);
    mp_mem_free(s->a.mem, s->n_described);
    mp_mem_free(s->a.mem, s->piles);
    mp_buf_release(&s->dests);
    mp_buf_release(&s->again);
    mp_mem_free(s->a.mem, s);
    *ps = NULL;
}

static mp_status broken(const char *why, mp_error *err) {
    return mp_error_set(err, MP_FAILED, "broken block of rows", "%s", why);
}

/* ---- records ---- */

static mp_status describe(mp_shards *s, int src, const uint8_t *p, size_t n, mp_error *err) {
    int64_t shard = -1;
    if (!s->a.describe) return broken("a shard is described that has a number", err);
    mp_status st = s->a.describe(s->a.ctx, p, n, &shard, err);
    if (st) return st;
    mp_buf_i64(&s->known[src], shard);
    return mp_buf_check(&s->known[src], err);
}

/* The owner knows the shard that rank src calls so by what number? */
static mp_status find_shard(const mp_shards *s, int src, uint32_t named, int64_t *shard,
                            mp_error *err) {
    *shard = named;
    if (!s->a.describe) return MP_OK;
    if (named >= s->known[src].len / sizeof *shard)
        return broken("rows of a shard that was not described", err);
    memcpy(shard, s->known[src].data + named * sizeof *shard, sizeof *shard);
    return MP_OK;
}

/* Records without a begin or an end among them. */
static mp_status take_records(mp_shards *s, int src, const uint8_t *p, size_t len, mp_error *err) {
    mp_status st = MP_OK;
    mp_rd in = mp_rd_of(p, len);
    while (mp_rd_left(&in) && !st) {
        mp_shards_head h;
        const void *head = mp_rd_raw(&in, sizeof h);
        if (head) memcpy(&h, head, sizeof h);
        const uint8_t *text = head ? mp_rd_raw(&in, h.n_bytes) : NULL;
        int64_t shard;
        if (in.bad) return broken("it is cut short", err);
        if (h.shard == MP_MARK_DESCRIBE) {
            st = describe(s, src, text, h.n_bytes, err);
            continue;
        }
        st = find_shard(s, src, h.shard, &shard, err);
        if (!st) st = s->a.rows(s->a.ctx, shard, text, h.n_bytes, h.n_rows, err);
    }
    return st;
}

/* ---- waiting ---- */

static mp_status grow(mp_shards *s, mp_error *err) {
    int64_t cap = 2 * s->cap;
    mp_shards_wait *waits = mp_mem_calloc(s->a.mem, (size_t)cap, sizeof *waits);
    if (!waits) return mp_mem_error(s->a.mem, (size_t)cap * sizeof *waits, err);
    for (int64_t i = 0; i < s->n_waits; i++)
        waits[(s->frontier + i) & (cap - 1)] = *wait_of(s, s->frontier + i);
    mp_mem_free(s->a.mem, s->waits);
    s->waits = waits;
    s->cap = cap;
    return MP_OK;
}

/* The split is known from now on, and all before it. */
static mp_status reach(mp_shards *s, int64_t split, mp_error *err) {
    if (split < s->frontier || split - s->frontier > MOST_AHEAD)
        return broken("a split comes again", err);
    while (split >= s->frontier + s->n_waits) {
        mp_status st = s->n_waits == s->cap ? grow(s, err) : MP_OK;
        if (st) return st;
        *wait_of(s, s->frontier + s->n_waits++) = (mp_shards_wait){.src = -1};
    }
    return MP_OK;
}

static mp_status spool_out(mp_shards *s, const uint8_t *p, size_t n, int64_t *at, mp_error *err) {
    mp_status st = s->spool < 0 ? mp_out_spool(s->a.scratch, &s->spool, err) : MP_OK;
    *at = s->spool_end;
    while (n > 0 && !st) {
        ssize_t wrote = pwrite(s->spool, p, n, (off_t)s->spool_end);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) {
            st = mp_error_errno(err, wrote ? errno : ENOSPC, "cannot write to scratch",
                                mp_out_spool_folder(s->a.scratch));
            mp_error_hint(err, "name a folder with room: --scratch DIR");
        } else {
            p += wrote;
            n -= (size_t)wrote;
            s->spool_end += wrote;
        }
    }
    return st;
}

static mp_status read_back(mp_shards *s, const mp_shards_chunk *c, const uint8_t **bytes,
                           mp_error *err) {
    mp_buf_clear(&s->again);
    if (!mp_buf_reserve(&s->again, c->len)) return mp_buf_check(&s->again, err);
    for (size_t done = 0; done < c->len;) {
        ssize_t got = pread(s->spool, s->again.data + done, c->len - done,
                            (off_t)(c->spool_at + (int64_t)done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return mp_error_errno(err, got ? errno : EIO, "cannot read scratch",
                                  mp_out_spool_folder(s->a.scratch));
        done += (size_t)got;
    }
    *bytes = s->again.data;
    return MP_OK;
}

static mp_status hold(mp_shards *s, mp_shards_wait *w, const uint8_t *p, size_t n, mp_error *err) {
    bool keep = s->held_bytes + (int64_t)n <= s->a.budget_bytes;
    size_t bytes = sizeof(mp_shards_chunk) + (keep ? n : 0);
    mp_shards_chunk *c = mp_mem_alloc(s->a.mem, bytes);
    if (!c) return mp_mem_error(s->a.mem, bytes, err);
    *c = (mp_shards_chunk){.len = n, .spool_at = -1};
    if (keep) {
        memcpy(c->bytes, p, n);
        s->held_bytes += (int64_t)n;
    } else {
        mp_status st = spool_out(s, p, n, &c->spool_at, err);
        if (st) {
            mp_mem_free(s->a.mem, c);
            return st;
        }
        s->spool_chunks++;
    }
    if (w->last)
        w->last->next = c;
    else
        w->first = c;
    w->last = c;
    return MP_OK;
}

/* The frontier moves behind splits that have ended and of which nothing waits. */
static void advance(mp_shards *s) {
    while (s->n_waits > 0) {
        mp_shards_wait *w = wait_of(s, s->frontier);
        if (!w->ended || w->first) return;
        s->frontier++;
        s->n_waits--;
    }
}

static mp_status take_segment(mp_shards *s, int src, const uint8_t *p, size_t n, mp_error *err) {
    if (n == 0) return MP_OK;
    int64_t split = s->now[src];
    if (split < 0) return broken("rows of no split", err);
    mp_shards_wait *w = wait_of(s, split);
    if (split == s->frontier && !w->first) return take_records(s, src, p, n, err);
    return hold(s, w, p, n, err);
}

static mp_status take_mark(mp_shards *s, int src, uint32_t mark, const uint8_t *p, size_t n,
                           mp_error *err) {
    int64_t split;
    if (n != sizeof split) return broken("a mark without its split", err);
    memcpy(&split, p, sizeof split);
    mp_status st = reach(s, split, err);
    if (st) return st;
    if (mark == MP_MARK_BEGIN) {
        wait_of(s, split)->src = src;
        s->now[src] = split;
        return MP_OK;
    }
    wait_of(s, split)->ended = true;
    s->now[src] = -1;
    advance(s);
    return MP_OK;
}

mp_status mp_shards_on_block(mp_shards *s, int src, const uint8_t *bytes, size_t len,
                             mp_error *err) {
    mp_rd in = mp_rd_of(bytes, len);
    const uint8_t *from = bytes;
    mp_status st = MP_OK;
    while (mp_rd_left(&in) && !st) {
        mp_shards_head h;
        const uint8_t *head = mp_rd_raw(&in, sizeof h);
        if (head) memcpy(&h, head, sizeof h);
        const uint8_t *text = head ? mp_rd_raw(&in, h.n_bytes) : NULL;
        if (in.bad) return broken("it is cut short", err);
        if (h.shard != MP_MARK_BEGIN && h.shard != MP_MARK_END) continue;
        st = take_segment(s, src, from, (size_t)(head - from), err);
        if (!st) st = take_mark(s, src, h.shard, text, h.n_bytes, err);
        from = in.p;
    }
    return st ? st : take_segment(s, src, from, (size_t)(bytes + len - from), err);
}

mp_status mp_shards_push(mp_shards *s, bool *did, mp_error *err) {
    for (int i = 0; i < CHUNKS_A_PUSH && s->n_waits > 0; i++) {
        mp_shards_wait *w = wait_of(s, s->frontier);
        mp_shards_chunk *c = w->first;
        if (!c) return MP_OK;
        const uint8_t *bytes = c->bytes;
        mp_status st = c->spool_at >= 0 ? read_back(s, c, &bytes, err) : MP_OK;
        if (!st) st = take_records(s, w->src, bytes, c->len, err);
        if (st) return st;
        drop_first(s, w);
        advance(s);
        *did = true;
    }
    return MP_OK;
}

bool mp_shards_quiet(const mp_shards *s) {
    return s->n_waits == 0;
}
