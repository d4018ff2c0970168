/* groups.c - one table, or parts of records that are read one after the other.
 * Invariant: with parts, the table holds groups of part `at` and nothing else, or is empty; a record
 * is in the chunks of its part until it was read. */
#include "op/group/groups.h"

#include <string.h>

#include "op/group/group_parts.h"

enum {
    BLOCK_BYTES = 64 * 1024,
    TABLE_BYTES = 12 << 20,   /* the one table is given up where it would leave the near caches */
    COMPACT_FROM = 256 << 20, /* or a sixth of the budget */
    TRIAL_PARTS = 8           /* tell whether merging saves anything */
};

struct mp_groups {
    mp_mem *mem;
    uint64_t n_owners;
    int64_t one_table;
    mp_group *table;
    mp_parts *parts;    /* NULL: all is in the table */
    mp_buf block;       /* records put by a table here */
    int64_t compact_at; /* bytes in parts */
    int64_t n_least, n_read;
    int at;           /* part that is read, or the last that was; -1: none yet */
    int end;          /* parts from here on are not read yet */
    mp_hashed *order; /* records of that part, for results */
    int64_t n_order, n_taken;
    bool ready; /* the table has been canonicalized */
    bool done;
    mp_group_order result_order;
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
    g->end = MP_N_PARTS;
    mp_buf_init(&g->block, g->mem);
    mp_status s = mp_group_new(args, &g->table, err);
    if (s != MP_OK) mp_groups_free(out);
    return s;
}

void mp_groups_free(mp_groups **out) {
    mp_groups *g = *out;
    if (!g) return;
    mp_parts_free(&g->parts);
    mp_mem_free(g->mem, g->order);
    mp_buf_release(&g->block);
    mp_group_free(&g->table);
    mp_mem_free(g->mem, g);
    *out = NULL;
}

/* ---- parts ---- */

static mp_status keep_block(mp_groups *g, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_group *t = g->table;
    mp_status s = MP_OK;
    for (size_t at = 0; at < len && s == MP_OK;) {
        int32_t n = mp_group_parse(t, bytes, len, &at);
        if (n < 0) return mp_agg_damaged(err);
        s = mp_parts_keep(g->parts, t->batch_record, t->batch_hash, n, bytes + len, err);
    }
    return s;
}

/* Records that this rank's table has made. */
static mp_status keep_own(void *ctx, int owner, const void *records, size_t n, mp_error *err) {
    (void)owner;
    return keep_block(ctx, records, n, err);
}

static mp_status empty_table(mp_groups *g, mp_error *err) {
    mp_status s = MP_OK;
    for (bool done = false; !done && s == MP_OK;)
        s = mp_group_emit(g->table, keep_own, g, INT64_MAX, &done, err);
    return s;
}

static mp_status make_parts(mp_groups *g, mp_error *err) {
    mp_status s = mp_parts_new(g->mem, g->n_owners, &g->parts, err);
    if (s != MP_OK) return s;
    g->n_least = mp_group_count(g->table);
    return empty_table(g, err);
}

/* The records of a part into the table, which is empty. */
static mp_status load(mp_groups *g, mp_part *p, mp_error *err) {
    mp_status s = MP_OK;
    for (const mp_part_chunk *c = mp_parts_chunks(p); c && s == MP_OK; c = c->next)
        s = mp_group_absorb(g->table, c->bytes, c->len, err);
    mp_parts_clear(g->parts, p, false);
    return s;
}

/* Groups that have met several records become one each, unless the first parts show that few have.
 * Where that saves little, the next time is farther away. */
static mp_status compact(mp_groups *g, mp_error *err) {
    mp_status s = MP_OK;
    int64_t before = g->parts->n_bytes, tried = 0, left = 0;
    for (int i = 0; i < MP_N_PARTS && s == MP_OK; i++) {
        int64_t others = g->parts->n_bytes;
        s = load(g, &g->parts->part[i], err);
        tried += others - g->parts->n_bytes;
        others = g->parts->n_bytes;
        if (s == MP_OK) s = empty_table(g, err);
        left += g->parts->n_bytes - others;
        if (i >= TRIAL_PARTS && left > tried - tried / 4) break;
    }
    g->compact_at = g->parts->n_bytes > before / 2 ? before * 2 : before;
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
        if (s == MP_OK && g->parts->n_bytes > g->compact_at) s = compact(g, err);
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
    return g->done ? g->n_read : g->parts->n_records;
}

/* ---- keys ---- */

void mp_groups_key_evidence(mp_groups *g, mp_evidence *seen) {
    if (!g->parts) mp_group_key_evidence(g->table, seen);
}

mp_status mp_groups_keys_canonical(mp_groups *g, const mp_type *types, bool *all, mp_error *err) {
    mp_group *t = g->table;
    *all = true;
    if (!g->parts) {
        *all = mp_group_keys_canonical(t, types);
        return MP_OK;
    }
    for (int i = 0; i < MP_N_PARTS && *all; i++)
        for (const mp_part_chunk *c = mp_parts_chunks(&g->parts->part[i]); c && *all; c = c->next)
            for (size_t at = 0; at < c->len && *all;) {
                int32_t n = mp_group_parse(t, c->bytes, c->len, &at);
                if (n < 0) return mp_agg_damaged(err);
                for (int32_t k = 0; k < n && *all; k++)
                    *all = mp_group_key_is_canonical(t, &t->batch_key[k], types);
            }
    return MP_OK;
}

/* ---- going through the parts ---- */

/* Moves on to the next part that has records; NULL: there is none before the end. */
static mp_part *next_part(mp_groups *g) {
    while (g->at + 1 < g->end)
        if (g->parts->part[++g->at].n_records) return &g->parts->part[g->at];
    g->done = g->end == MP_N_PARTS;
    return NULL;
}

mp_status mp_groups_emit(mp_groups *g, const mp_type *types, mp_group_put_fn put, void *ctx,
                         int64_t max_groups, bool *done, mp_error *err) {
    mp_status s = MP_OK;
    if (!g->ready && g->parts) {
        mp_part *p = next_part(g);
        if (p) s = load(g, p, err);
        g->n_read += mp_group_count(g->table);
    } else if (!g->ready) {
        g->done = g->at >= 0; /* the table itself is the one part */
        g->at = 0;
    }
    if (s == MP_OK && !g->ready && !g->done) s = mp_group_canonicalize(g->table, types, err);
    g->ready = true;
    *done = g->done;
    if (s != MP_OK || *done) return s;
    bool part_done;
    s = mp_group_emit(g->table, put, ctx, max_groups, &part_done, err);
    if (part_done) g->ready = false;
    return s;
}

mp_status mp_groups_prepare(mp_groups *g, mp_group_order order, const mp_type *key_types,
                            mp_error *err) {
    g->result_order = order;
    g->key_types = key_types;
    return g->parts ? MP_OK : mp_group_prepare(g->table, order, key_types, err);
}

static void leave_part(mp_groups *g) {
    mp_mem_free(g->mem, g->order);
    g->order = NULL;
    g->n_order = g->n_taken = 0;
    if (g->at >= 0) mp_parts_clear(g->parts, &g->parts->part[g->at], true);
}

int mp_groups_n_slabs(const mp_groups *g) {
    return 1 << mp_slab_bits(g->n_owners);
}

int64_t mp_groups_enter(mp_groups *g, int slab) {
    int64_t most = 0;
    if (!g->parts) return mp_group_enter(g->table, (uint32_t)slab);
    g->end = (slab + 1) * (MP_N_PARTS / mp_groups_n_slabs(g));
    for (int i = g->at + 1; i < g->end; i++)
        most += g->parts->part[i].n_records;
    return most;
}

/* The next groups in the order of hashes into the table, unless all were *taken. */
static mp_status take_groups(mp_groups *g, bool *taken, mp_error *err) {
    mp_status s = MP_OK;
    int64_t used;
    if (g->n_taken == g->n_order) {
        leave_part(g);
        mp_part *p = next_part(g);
        *taken = !p;
        if (!p) return MP_OK;
        s = mp_parts_order(g->parts, g->table, p, &g->order, err);
        if (s == MP_OK) g->n_order = p->n_records;
    }
    if (s == MP_OK)
        s = mp_group_take(g->table, g->order + g->n_taken, g->n_order - g->n_taken, &used, err);
    if (s != MP_OK) return s;
    g->n_taken += used;
    g->n_read += mp_group_count(g->table);
    return mp_group_prepare(g->table, MP_GROUP_ANY_ORDER, g->key_types, err);
}

mp_status mp_groups_next(mp_groups *g, mp_arena *arena, mp_batch *out, mp_error *err) {
    *out = (mp_batch){.file_no = -1};
    mp_status s = MP_OK;
    if (!g->parts) return mp_group_next(g->table, arena, out, err);
    for (bool taken = g->done; !taken && s == MP_OK;) {
        if (g->at >= 0) s = mp_group_next(g->table, arena, out, err);
        if (s != MP_OK || out->n_rows) return s;
        s = take_groups(g, &taken, err);
    }
    return s;
}
