/* groups.c - parts of records, and the table that one part after the other goes through.
 * Invariant: with parts, the table holds the groups of part `at` and nothing else, or is empty; a
 * record is in the chunks of its part until it goes into the table. */
#include "op/groups.h"

#include <string.h>

#include "op/group_state.h"

enum {
    PART_BITS = 9,
    N_PARTS = 1 << PART_BITS,
    CHUNK_BYTES = 32 * 1024,
    SLAB_BYTES = 8 << 20,
    BLOCK_BYTES = 64 * 1024,
    TABLE_BYTES = 12 << 20,  /* the one table is given up where it would leave the near caches */
    COMPACT_FROM = 256 << 20 /* or a sixth of the budget */
};

typedef struct chunk {
    struct chunk *next;
    size_t len, cap;
    uint8_t bytes[];
} chunk;

typedef struct {
    chunk *first, *last;
} part;

typedef struct slab {
    struct slab *next;
} slab;

struct mp_groups {
    mp_mem *mem;
    uint64_t n_owners;
    int64_t one_table;
    mp_group *table;
    part *parts; /* NULL: all is in the table */
    slab *slabs;
    chunk *free_chunks;
    mp_buf block;                           /* records put one by one */
    int64_t n_records, n_bytes, compact_at; /* in parts */
    mp_evidence *seen;                      /* of the keys in parts, n_keys */
    bool *odd;                              /* key: some text is not canonical */
    bool is_open;                           /* a further key may add to what was seen */
    int64_t n_least, n_read;
    int at;     /* part in the table; -1: none yet */
    bool ready; /* the table has been prepared or canonicalized */
    bool done;
    mp_group_order order;
    const mp_type *key_types;
};

mp_status mp_groups_new(const mp_group_args *args, int64_t one_table, mp_groups **out,
                        mp_error *err) {
    mp_groups *g = mp_mem_calloc(args->mem, 1, sizeof *g);
    *out = g;
    if (!g) return mp_mem_error(args->mem, sizeof *g, err);
    g->mem = args->mem;
    g->n_owners = args->n_owners > 0 ? (uint64_t)args->n_owners : 1;
    g->one_table = one_table;
    g->compact_at = COMPACT_FROM;
    if (g->mem->limit_bytes > 0 && g->mem->limit_bytes / 6 < g->compact_at)
        g->compact_at = g->mem->limit_bytes / 6;
    g->at = -1;
    mp_buf_init(&g->block, g->mem);
    mp_status s = mp_group_new(args, &g->table, err);
    if (s != MP_OK) mp_groups_free(out);
    return s;
}

/* ---- chunks ---- */

static void free_chunk(mp_groups *g, chunk *c) {
    if (c->cap > CHUNK_BYTES) {
        mp_mem_free(g->mem, c);
        return;
    }
    c->next = g->free_chunks;
    g->free_chunks = c;
}

static void free_part(mp_groups *g, part *p) {
    for (chunk *c = p->first, *next; c; c = next) {
        next = c->next;
        free_chunk(g, c);
    }
    *p = (part){0};
}

static mp_status add_slab(mp_groups *g, mp_error *err) {
    slab *s = mp_mem_alloc(g->mem, SLAB_BYTES);
    if (!s) return mp_mem_error(g->mem, SLAB_BYTES, err);
    s->next = g->slabs;
    g->slabs = s;
    for (size_t at = sizeof *s; at + CHUNK_BYTES <= SLAB_BYTES; at += CHUNK_BYTES) {
        chunk *c = (chunk *)(void *)((char *)s + at);
        c->cap = CHUNK_BYTES - sizeof *c;
        free_chunk(g, c);
    }
    return MP_OK;
}

static mp_status new_chunk(mp_groups *g, size_t n, chunk **out, mp_error *err) {
    chunk *c;
    if (n > CHUNK_BYTES - sizeof *c) {
        c = mp_mem_alloc(g->mem, sizeof *c + n + CHUNK_BYTES);
        if (!c) return mp_mem_error(g->mem, sizeof *c + n + CHUNK_BYTES, err);
        c->cap = n + CHUNK_BYTES;
    } else {
        mp_status s = g->free_chunks ? MP_OK : add_slab(g, err);
        if (s != MP_OK) return s;
        c = g->free_chunks;
        g->free_chunks = c->next;
    }
    c->next = NULL;
    c->len = 0;
    *out = c;
    return MP_OK;
}

static mp_status keep(mp_groups *g, part *p, const uint8_t *record, size_t n, mp_error *err) {
    if (!p->last || p->last->cap - p->last->len < n) {
        chunk *c = NULL;
        mp_status s = new_chunk(g, n, &c, err);
        if (s != MP_OK) return s;
        if (p->last)
            p->last->next = c;
        else
            p->first = c;
        p->last = c;
    }
    memcpy(p->last->bytes + p->last->len, record, n);
    p->last->len += n;
    g->n_records++;
    g->n_bytes += (int64_t)n;
    return MP_OK;
}

void mp_groups_free(mp_groups **out) {
    mp_groups *g = *out;
    if (!g) return;
    for (int i = 0; g->parts && i < N_PARTS; i++)
        free_part(g, &g->parts[i]);
    while (g->slabs) {
        slab *s = g->slabs;
        g->slabs = s->next;
        mp_mem_free(g->mem, s);
    }
    mp_mem_free(g->mem, g->parts);
    mp_mem_free(g->mem, g->seen);
    mp_mem_free(g->mem, g->odd);
    mp_buf_release(&g->block);
    mp_group_free(&g->table);
    mp_mem_free(g->mem, g);
    *out = NULL;
}

/* ---- parts ---- */

/* Equal steps of this rank's range of hashes. */
static part *part_of(const mp_groups *g, uint64_t hash) {
    uint32_t in_range = (uint32_t)((hash >> 32) * g->n_owners);
    return &g->parts[in_range >> (32 - PART_BITS)];
}

static size_t record_bytes(const uint8_t *record) {
    uint32_t n;
    memcpy(&n, record, sizeof n);
    return n;
}

static mp_status keep_block(mp_groups *g, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_group *t = g->table;
    mp_status s = MP_OK;
    for (size_t at = 0; at < len && s == MP_OK;) {
        int32_t n = mp_group_parse(t, bytes, len, &at);
        if (n < 0) return mp_agg_damaged(err);
        for (int32_t i = 0; i < n && g->is_open; i++)
            g->is_open = mp_group_see_key(t, &t->batch_key[i], g->seen, g->odd);
        for (int32_t i = 0; i < n && s == MP_OK; i++)
            s = keep(g, part_of(g, t->batch_hash[i]), t->batch_record[i],
                     record_bytes(t->batch_record[i]), err);
    }
    return s;
}

/* A record that this rank's table has made. */
static mp_status keep_own(void *ctx, int owner, const void *record, size_t n, mp_error *err) {
    (void)owner;
    return keep_block(ctx, record, n, err);
}

static mp_status empty_table(mp_groups *g, mp_group_put_fn put, void *ctx, mp_error *err) {
    mp_status s = MP_OK;
    for (bool done = false; !done && s == MP_OK;)
        s = mp_group_emit(g->table, put, ctx, INT64_MAX, &done, err);
    return s;
}

static mp_status make_parts(mp_groups *g, mp_error *err) {
    size_t n_keys = (size_t)g->table->n_keys;
    g->parts = mp_mem_calloc(g->mem, N_PARTS, sizeof *g->parts);
    g->seen = mp_mem_calloc(g->mem, n_keys, sizeof *g->seen);
    g->odd = mp_mem_calloc(g->mem, n_keys, sizeof *g->odd);
    if (!g->parts || !g->seen || !g->odd)
        return mp_mem_error(g->mem, N_PARTS * sizeof *g->parts, err);
    g->is_open = true;
    g->n_least = mp_group_count(g->table);
    return empty_table(g, keep_own, g, err);
}

/* The records of a part into the table, which is empty. */
static mp_status load(mp_groups *g, part *p, mp_error *err) {
    mp_status s = MP_OK;
    while (p->first && s == MP_OK) {
        chunk *c = p->first;
        s = mp_group_absorb(g->table, c->bytes, c->len, err);
        g->n_bytes -= (int64_t)c->len;
        p->first = c->next;
        free_chunk(g, c);
    }
    p->last = NULL;
    return s;
}

/* Groups that have met several records become one each. Where that saves little, the next time is
 * farther away. */
static mp_status compact(mp_groups *g, mp_error *err) {
    mp_status s = MP_OK;
    int64_t before = g->n_bytes;
    g->n_records = 0;
    for (int i = 0; i < N_PARTS && s == MP_OK; i++) {
        part *p = &g->parts[i];
        s = load(g, p, err);
        if (s == MP_OK) s = empty_table(g, keep_own, g, err);
    }
    g->compact_at = g->n_bytes > before / 2 ? before * 2 : before;
    return s;
}

static mp_status flush_block(mp_groups *g, mp_error *err) {
    if (!g->block.len) return MP_OK;
    size_t len = g->block.len;
    g->block.len = 0;
    return mp_groups_absorb(g, g->block.data, len, err);
}

mp_status mp_groups_absorb(mp_groups *g, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_status s = MP_OK;
    if (g->parts) {
        s = keep_block(g, bytes, len, err);
        if (s == MP_OK && g->n_bytes > g->compact_at) s = compact(g, err);
        return s;
    }
    s = mp_group_absorb(g->table, bytes, len, err);
    bool many = mp_group_count(g->table) > g->one_table &&
                mp_table_hot_bytes(&g->table->table) > TABLE_BYTES;
    return s == MP_OK && many ? make_parts(g, err) : s;
}

mp_status mp_groups_put(void *ctx, int owner, const void *record, size_t n, mp_error *err) {
    mp_groups *g = ctx;
    (void)owner;
    mp_buf_put(&g->block, record, n);
    mp_status s = mp_buf_check(&g->block, err);
    return s == MP_OK && g->block.len > BLOCK_BYTES ? flush_block(g, err) : s;
}

void mp_groups_adopt(mp_groups *g, mp_group **table) {
    mp_group_free(&g->table);
    g->table = *table;
    *table = NULL;
}

mp_status mp_groups_finish(mp_groups *g, mp_error *err) {
    mp_status s = flush_block(g, err);
    mp_buf_release(&g->block);
    mp_buf_init(&g->block, g->mem);
    return s;
}

int64_t mp_groups_least(const mp_groups *g) {
    if (!g->parts) return mp_group_count(g->table);
    return g->done ? g->n_read : g->n_least;
}

int64_t mp_groups_most(const mp_groups *g) {
    if (!g->parts) return mp_group_count(g->table);
    return g->done ? g->n_read : g->n_records;
}

/* ---- keys ---- */

void mp_groups_key_evidence(mp_groups *g, mp_evidence *seen) {
    if (!g->parts) {
        mp_group_key_evidence(g->table, seen);
        return;
    }
    for (int c = 0; c < g->table->n_keys; c++)
        mp_evidence_add(&seen[c], g->seen[c]);
}

/* Every text of key c is of type t and canonical. */
static bool is_pure(const mp_groups *g, int c, mp_type t) {
    mp_evidence e = g->seen[c];
    bool one_kind = (e.seen & (e.seen - 1)) == 0;
    if (e.seen == MP_SEEN_DECIMAL && t != MP_DECIMAL) one_kind = false; /* too many digits */
    return g->table->key_type[c] != MP_NULL || t == MP_STRING || e.seen == 0 ||
           (one_kind && mp_evidence_type(e) == t && !g->odd[c]);
}

mp_status mp_groups_keys_canonical(mp_groups *g, const mp_type *types, bool *all, mp_error *err) {
    mp_group *t = g->table;
    *all = true;
    if (!g->parts) {
        *all = mp_group_keys_canonical(t, types);
        return MP_OK;
    }
    bool pure = true;
    for (int c = 0; c < t->n_keys; c++)
        pure = pure && is_pure(g, c, types[c]);
    for (int i = 0; i < N_PARTS && !pure && *all; i++)
        for (const chunk *c = g->parts[i].first; c && *all; c = c->next)
            for (size_t at = 0; at < c->len && *all;) {
                int32_t n = mp_group_parse(t, c->bytes, c->len, &at);
                if (n < 0) return mp_agg_damaged(err);
                for (int32_t k = 0; k < n && *all; k++)
                    *all = mp_group_key_is_canonical(t, &t->batch_key[k], types);
            }
    return MP_OK;
}

/* ---- going through the parts ---- */

/* The next part that has groups into the table, or *done. */
static mp_status next_part(mp_groups *g, mp_error *err) {
    mp_status s = MP_OK;
    if (!g->parts) g->done = g->at >= 0; /* the table itself is the one part */
    if (!g->parts || g->done) {
        g->at = 0;
        return MP_OK;
    }
    mp_group_clear(g->table);
    do
        g->at++;
    while (g->at < N_PARTS && !g->parts[g->at].first);
    g->done = g->at == N_PARTS;
    if (!g->done) s = load(g, &g->parts[g->at], err);
    g->n_read += mp_group_count(g->table);
    return s;
}

mp_status mp_groups_emit(mp_groups *g, const mp_type *types, mp_group_put_fn put, void *ctx,
                         int64_t max_groups, bool *done, mp_error *err) {
    *done = false;
    mp_status s = MP_OK;
    if (!g->ready) {
        s = next_part(g, err);
        if (s == MP_OK && !g->done) s = mp_group_canonicalize(g->table, types, err);
        g->ready = true;
    }
    *done = g->done;
    if (s != MP_OK || *done) return s;
    bool part_done;
    s = mp_group_emit(g->table, put, ctx, max_groups, &part_done, err);
    if (part_done) g->ready = false;
    return s;
}

mp_status mp_groups_prepare(mp_groups *g, mp_group_order order, const mp_type *key_types,
                            mp_error *err) {
    g->order = order;
    g->key_types = key_types;
    mp_status s = next_part(g, err);
    return s == MP_OK && !g->done ? mp_group_prepare(g->table, order, key_types, err) : s;
}

mp_status mp_groups_next(mp_groups *g, mp_arena *arena, mp_batch *out, mp_error *err) {
    *out = (mp_batch){.file_no = -1};
    mp_status s = MP_OK;
    while (!g->done) {
        s = mp_group_next(g->table, arena, out, err);
        if (s != MP_OK || out->n_rows || !g->parts) return s;
        s = mp_groups_prepare(g, g->order, g->key_types, err);
        if (s != MP_OK) return s;
    }
    return MP_OK;
}
