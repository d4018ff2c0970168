/* shard.c - the source side of shard.h: the rows of a batch, gathered by shard, as records for their
 * owners.
 * A record: u32 shard, u32 rows, u32 bytes, the text. Numbers from MARK_BEGIN on are marks: a split
 * begins (i64), ends, a shard is described.
 * Invariant: between its begin and its end every owner sees all records of a split for it, from one
 * rank. */
#include "run/split/shard_state.h"

/* A row may be copied with so many bytes more than it has. */
enum { SLACK = 32 };

void mp_shards_attach(mp_shards *s, mp_flow_run *run, int64_t first_split) {
    mp_shards_forget(s);
    s->frontier = first_split;
    s->run = run;
    s->begun = -1;
    mp_buf_clear(&s->dests);
    memset(s->n_described, 0, (size_t)mp_comm_size(s->a.c) * sizeof *s->n_described);
}

static mp_status no_room(const mp_shards *s, size_t n, mp_error *err) {
    if (n >= 1u << 30)
        return mp_error_set(err, MP_FAILED, "value too long",
                            "rows of %zu bytes cannot cross ranks", n);
    return mp_mem_error(s->a.mem, n, err);
}

static mp_status put_mark(mp_shards *s, int dest, uint32_t mark, const void *bytes, size_t n,
                          mp_error *err) {
    mp_exchange *x = mp_flow_exchange(s->run);
    const mp_shards_head head = {mark, 0, (uint32_t)n};
    uint8_t *to = mp_exchange_room(x, dest, sizeof head + n);
    if (!to) return no_room(s, sizeof head + n, err);
    memcpy(to, &head, sizeof head);
    if (n) memcpy(to + sizeof head, bytes, n);
    return mp_exchange_commit(x, dest, sizeof head + n, err);
}

static mp_status to_all(mp_shards *s, uint32_t mark, int64_t split, mp_error *err) {
    mp_status st = MP_OK;
    for (int r = 0; r < mp_comm_size(s->a.c) && !st; r++)
        st = put_mark(s, r, mark, &split, sizeof split, err);
    return st;
}

static mp_status begin(mp_shards *s, int64_t split, mp_error *err) {
    if (s->begun == split) return MP_OK;
    s->begun = split;
    return to_all(s, MP_MARK_BEGIN, split, err);
}

mp_status mp_shards_end_split(mp_shards *s, int64_t split, mp_error *err) {
    mp_status st = begin(s, split, err);
    s->begun = -1;
    return st ? st : to_all(s, MP_MARK_END, split, err);
}

mp_status mp_shards_describe(mp_shards *s, int64_t split, int dest, const void *bytes, size_t n,
                             int32_t *shard, mp_error *err) {
    mp_status st = begin(s, split, err);
    const mp_shards_dest d = {dest, s->n_described[dest]++};
    *shard = (int32_t)(s->dests.len / sizeof d);
    mp_buf_put(&s->dests, &d, sizeof d);
    if (!st) st = mp_buf_check(&s->dests, err);
    if (!st) st = put_mark(s, dest, MP_MARK_DESCRIBE, bytes, n, err);
    return st;
}

/* Where a shard's rows go, and its number there. */
static mp_shards_dest dest_of(const mp_shards *s, int32_t shard) {
    mp_shards_dest d = {mp_shards_owner(shard, mp_comm_size(s->a.c)), shard};
    if (s->a.describe) memcpy(&d, s->dests.data + (size_t)shard * sizeof d, sizeof d);
    return d;
}

/* Room for what is known of each shard while a batch is dealt. */
static mp_status widen(mp_shards *s, int32_t shard, mp_error *err) {
    if (shard < s->n_piles) return MP_OK;
    int64_t n = s->n_piles ? s->n_piles : 64;
    while (n <= shard)
        n *= 2;
    mp_shards_pile *piles = mp_mem_realloc(s->a.mem, s->piles, (size_t)n * sizeof *piles);
    if (!piles) return mp_mem_error(s->a.mem, (size_t)n * sizeof *piles, err);
    memset(piles + s->n_piles, 0, (size_t)(n - s->n_piles) * sizeof *piles);
    s->piles = piles;
    s->n_piles = n;
    return MP_OK;
}

/* The rows of each shard as a list, in order; the shards that have some, in s->touched. */
static mp_status pile_up(mp_shards *s, const int32_t *shard, int32_t n, const int64_t *ends,
                         mp_error *err) {
    s->n_touched = 0;
    for (int32_t i = 0; i < n; i++) {
        int32_t k = shard[i];
        mp_status st = widen(s, k, err);
        if (st) return st;
        mp_shards_pile *p = &s->piles[k];
        if (p->n == 0) {
            s->touched[s->n_touched++] = k;
            p->first = i;
        } else {
            s->next[p->last] = i;
        }
        p->last = i;
        p->n++;
        p->bytes += (size_t)(ends[i] - (i ? ends[i - 1] : 0));
    }
    return MP_OK;
}

static inline void copy_row(uint8_t *to, const uint8_t *from, size_t n) {
    memcpy(to, from, n);
}

static mp_status send_pile(mp_shards *s, int32_t k, const uint8_t *text, const int64_t *ends,
                           mp_error *err) {
    mp_shards_pile *p = &s->piles[k];
    mp_exchange *x = mp_flow_exchange(s->run);
    mp_shards_dest d = dest_of(s, k);
    const mp_shards_head head = {(uint32_t)d.number, (uint32_t)p->n, (uint32_t)p->bytes};
    size_t bytes = sizeof head + p->bytes;
    uint8_t *to = bytes < 1u << 30 ? mp_exchange_room(x, d.rank, bytes + SLACK) : NULL;
    if (!to) return no_room(s, bytes, err);
    memcpy(to, &head, sizeof head);
    to += sizeof head;
    for (int32_t i = p->first, left = p->n; left > 0; left--, i = s->next[i]) {
        int64_t from = i ? ends[i - 1] : 0;
        size_t n = (size_t)(ends[i] - from);
        copy_row(to, text + from, n);
        to += n;
    }
    return mp_exchange_commit(x, d.rank, bytes, err);
}

mp_status mp_shards_put(mp_shards *s, int64_t split, const int32_t *shard, int32_t n_rows,
                        const uint8_t *text, const int64_t *ends, mp_error *err) {
    mp_status st = begin(s, split, err);
    if (!st) st = pile_up(s, shard, n_rows, ends, err);
    for (int32_t i = 0; i < s->n_touched; i++) {
        int32_t k = s->touched[i];
        if (!st) st = send_pile(s, k, text, ends, err);
        s->piles[k] = (mp_shards_pile){0};
    }
    return st;
}
