/* split_range.c - where one range of keys ends and the next begins: quantiles of a sample, and of all
 * rows where there are no more than the sample would have.
 * Invariant: the sample is the rows whose places hash to no more than a bound that follows from the
 * number of all rows, so the cuts do not depend on the ranks. Equal keys are never cut apart. */
#include <stdlib.h>

#include "base/hash.h"
#include "run/fault.h"
#include "run/split/split_priv.h"

enum {
    SAMPLE = 1 << 18,   /* rows wanted */
    KEPT = 2 * SAMPLE,  /* of the lowest hashes a rank keeps so many, in case all are its own */
    PRUNE_AT = 2 * KEPT /* and so many before it forgets the others */
};

typedef struct {
    uint64_t hash;
    size_t at, len; /* of the key, in keys */
} entry;

struct mp_split_sample {
    mp_buf entries, keys;
    uint64_t bound; /* higher hashes are of no use */
    int64_t n_rows;
};
typedef struct mp_split_sample sample;

static entry *entries_of(const sample *x, size_t *n) {
    *n = x->entries.len / sizeof(entry);
    return (entry *)(void *)x->entries.data;
}

static int by_hash(const void *a, const void *b) {
    uint64_t x = ((const entry *)a)->hash, y = ((const entry *)b)->hash;
    return (x > y) - (x < y);
}

/* Keeps the entries with the lowest hashes, and their keys. */
static mp_status prune(sample *x, mp_error *err) {
    size_t n, len = 0;
    entry *e = entries_of(x, &n);
    mp_buf keys;
    mp_buf_init(&keys, x->keys.mem);
    qsort(e, n, sizeof *e, by_hash);
    x->bound = e[KEPT - 1].hash;
    for (size_t i = 0; i < KEPT; i++)
        len += e[i].len;
    mp_buf_reserve(&keys, len);
    for (size_t i = 0; i < KEPT; i++) {
        size_t at = keys.len;
        mp_buf_put(&keys, x->keys.data + e[i].at, e[i].len);
        e[i].at = at;
    }
    mp_status st = mp_buf_check(&keys, err);
    x->entries.len = KEPT * sizeof *e;
    if (st) mp_buf_release(&keys);
    if (st) return st;
    mp_buf_release(&x->keys);
    x->keys = keys;
    return MP_OK;
}

static mp_status on_batch(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    mp_split *s = ctx;
    sample *x = s->sample;
    (void)split;
    mp_status st = mp_split_order_keys(s, in, err);
    if (st) return st;
    x->n_rows += in->n_rows;
    for (int32_t i = 0; i < in->n_rows; i++) {
        uint64_t place = (uint64_t)(in->base + (in->rec ? in->rec[i] : (uint32_t)i));
        uint64_t hash = mp_hash_16(place, (uint64_t)in->file_no);
        if (hash > x->bound) continue;
        size_t from = i ? s->key_ends[i - 1] : 0;
        const entry e = {hash, x->keys.len, s->key_ends[i] - from};
        mp_buf_put(&x->entries, &e, sizeof e);
        mp_buf_put(&x->keys, s->keys.data + from, e.len);
    }
    st = mp_buf_check(&x->entries, err);
    if (!st) st = mp_buf_check(&x->keys, err);
    return !st && x->entries.len >= PRUNE_AT * sizeof(entry) ? prune(x, err) : st;
}

static mp_status begin(mp_split *s, mp_error *err) {
    sample *x = s->sample;
    (void)err;
    mp_buf_clear(&x->entries);
    mp_buf_clear(&x->keys);
    x->bound = UINT64_MAX;
    x->n_rows = 0;
    return MP_OK;
}

/* ---- rank 0: cuts ---- */

static int by_key(const void *a, const void *b) {
    const mp_str *x = a, *y = b;
    return mp_str_cmp(*x, *y);
}

/* The place where a part that begins at `from` and should end at `ideal` can end: between two
 * different keys, as near as possible, behind from. n: nowhere. */
static size_t find_cut(const mp_str *keys, size_t n, size_t from, size_t ideal) {
    size_t after = ideal > from ? ideal : from + 1, before = ideal;
    while (after < n && mp_str_eq(keys[after - 1], keys[after]))
        after++;
    while (before > from && before < n && mp_str_eq(keys[before - 1], keys[before]))
        before--;
    return before > from && before < n && ideal - before < after - ideal ? before : after;
}

static void choose_cuts(const mp_str *keys, size_t n, int64_t n_parts, mp_buf *out) {
    size_t from = 0;
    for (int64_t part = 0; part + 1 < n_parts && from < n; part++) {
        size_t share = (n - from) / (size_t)(n_parts - part);
        size_t cut = find_cut(keys, n, from, from + (share ? share : 1));
        if (cut >= n) return;
        mp_buf_bytes(out, keys[cut].p, keys[cut].len);
        from = cut;
    }
}

/* All ranks' keys, sorted. */
static mp_status sort_keys(const mp_buf *all, mp_buf *list, mp_error *err) {
    mp_rd rd, ranks = mp_rd_of(all->data, all->len);
    while (mp_comm_gathered(&ranks, &rd)) {
        while (mp_rd_left(&rd) && !rd.bad) {
            size_t len = 0;
            const void *key = mp_rd_bytes(&rd, &len);
            const mp_str k = mp_str_of(key, len);
            if (!rd.bad) mp_buf_put(list, &k, sizeof k);
        }
    }
    mp_status st = mp_buf_check(list, err);
    if (!st && list->len) qsort(list->data, list->len / sizeof(mp_str), sizeof(mp_str), by_key);
    return st;
}

static mp_status make_cuts(const mp_split *s, const mp_buf *all, mp_buf *cuts, mp_error *err) {
    mp_buf list;
    mp_buf_init(&list, s->job.mem);
    mp_status st = sort_keys(all, &list, err);
    const mp_str *keys = (const mp_str *)(const void *)list.data;
    if (!st) choose_cuts(keys, list.len / sizeof(mp_str), s->n_shards, cuts);
    mp_buf_release(&list);
    return st ? st : mp_buf_check(cuts, err);
}

/* ---- every rank ---- */

/* This rank's part of the sample. n_rows: of all ranks. */
static mp_status pick(const sample *x, int64_t n_rows, mp_buf *out, mp_error *err) {
    size_t n;
    const entry *e = entries_of(x, &n);
    uint64_t bound = UINT64_MAX;
    if (n_rows > SAMPLE) bound = UINT64_MAX / (uint64_t)n_rows * SAMPLE;
    for (size_t i = 0; i < n; i++)
        if (e[i].hash <= bound) mp_buf_bytes(out, x->keys.data + e[i].at, e[i].len);
    return mp_buf_check(out, err);
}

mp_status mp_split_read_cuts(mp_split *s, mp_rd *in, int64_t n, mp_error *err) {
    s->n_cuts = 0;
    s->cuts = mp_mem_calloc(s->job.mem, (size_t)s->n_shards, sizeof *s->cuts);
    if (!s->cuts) return mp_mem_error(s->job.mem, (size_t)s->n_shards * sizeof *s->cuts, err);
    while (mp_rd_left(in) && s->n_cuts < n) {
        size_t len = 0;
        const void *key = mp_rd_bytes(in, &len);
        if (in->bad) break;
        mp_buf_put(&s->cut_keys, key, len);
        s->cuts[s->n_cuts++] = s->cut_keys.len;
    }
    return mp_buf_check(&s->cut_keys, err);
}

static mp_status share_cuts(mp_split *s, const sample *x, mp_error *err) {
    mp_comm *c = s->job.c;
    mp_error mine = MP_ERROR_INIT;
    mp_buf own, all, cuts;
    int64_t n_rows = x->n_rows;
    mp_buf_init(&own, s->job.mem);
    mp_buf_init(&all, s->job.mem);
    mp_buf_init(&cuts, s->job.mem);
    mp_status st = mp_comm_allreduce(c, &n_rows, 1, MP_SUM, err);
    if (!st) st = mp_comm_agree_on(c, pick(x, n_rows, &own, &mine), &mine, err);
    if (!st) st = mp_comm_gather(c, own.data, own.len, &all, err);
    if (!st) {
        mp_status made = mp_fault_check(mp_comm_rank(c), "gather", &mine);
        if (!made && mp_comm_rank(c) == 0) made = make_cuts(s, &all, &cuts, &mine);
        st = mp_comm_agree_on(c, made, &mine, err);
    }
    if (!st) st = mp_comm_bcast(c, &cuts, err);
    if (!st) {
        mp_rd in = mp_rd_of(cuts.data, cuts.len);
        st = mp_comm_agree_on(c, mp_split_read_cuts(s, &in, s->n_shards - 1, &mine), &mine, err);
    }
    mp_buf_release(&own);
    mp_buf_release(&all);
    mp_buf_release(&cuts);
    return st;
}

mp_status mp_split_find_cuts(mp_split *s, mp_error *err) {
    sample x = {.bound = UINT64_MAX};
    mp_buf_init(&x.entries, s->job.mem);
    mp_buf_init(&x.keys, s->job.mem);
    s->sample = &x;
    mp_scan_consumer consumer = {.batch = on_batch};
    mp_status st = mp_split_scan(s, MP_SPLIT_READ_KEYS, &consumer, begin, err);
    if (!st) st = share_cuts(s, &x, err);
    s->sample = NULL;
    mp_buf_release(&x.entries);
    mp_buf_release(&x.keys);
    return st;
}

static int compare_cut(const mp_split *s, int64_t i, const uint8_t *key, size_t len) {
    size_t from = i ? s->cuts[i - 1] : 0;
    return mp_row_key_cmp(s->cut_keys.data + from, s->cuts[i] - from, key, len);
}

void mp_split_find_ranges(mp_split *s, int32_t n_rows) {
    for (int32_t i = 0; i < n_rows; i++) {
        size_t from = i ? s->key_ends[i - 1] : 0, len = s->key_ends[i] - from;
        int64_t low = 0, high = s->n_cuts; /* cuts below low are <= key, from high on they are > */
        while (low < high) {
            int64_t mid = low + (high - low) / 2;
            if (compare_cut(s, mid, s->keys.data + from, len) <= 0)
                low = mid + 1;
            else
                high = mid;
        }
        s->shard[i] = (int32_t)low;
    }
}
