/* group_bypass.c - a table that does not reduce is left early; rows that pass by it are sampled, so
 * that keys which come again, however far apart, bring the table back. */
#include "op/group/group_bypass.h"

#include <math.h>

#include "op/group/group_state.h"

/* Before the exchange groups are made in one table, which may leave the cache as long as it
 * reduces: so many rows share a group that a miss per row is cheaper than a record per row. Else a
 * table that fits the cache catches what it can, and the rest goes to the owners. A rank alone
 * would only carry records to itself, so its table may be larger. */
static const int64_t CACHE_BYTES = 3 << 18, PROBE_BYTES = 64 << 20, LARGE_BYTES = 256 << 20,
                     LARGE_ALONE = INT64_C(4) << 30;
enum {
    ROWS_PER_NEW_GROUP = 8,
    ROWS_PER_GROUP = 2,
    HELD_PER_GROUP = 96, /* bytes */
    EARLY_ROWS = 1 << 16,
    DIRECT_ROWS = 1 << 18,
    SAMPLE_SLOTS = 1 << 15,
    SAMPLE_LEVEL = 4, /* to begin with */
    SAMPLE_RECENT = 1 << 11
};

/* ---- sample ---- */

void mp_key_sample_release(mp_key_sample *s, mp_mem *mem) {
    mp_mem_free(mem, s->slot);
    *s = (mp_key_sample){0};
}

/* False: it was there. */
static bool put(uint64_t *slot, uint64_t hash) {
    uint64_t at = hash >> 24 & (SAMPLE_SLOTS - 1);
    while (slot[at] && slot[at] != hash)
        at = (at + 1) & (SAMPLE_SLOTS - 1);
    if (slot[at]) return false;
    slot[at] = hash;
    return true;
}

/* Fresh slots, with half of the hashes where there are too many. */
static mp_status thin(mp_key_sample *s, mp_mem *mem, mp_error *err) {
    uint64_t *old = s->slot, *slot = mp_mem_calloc(mem, SAMPLE_SLOTS, sizeof *slot);
    if (!slot) return mp_mem_error(mem, SAMPLE_SLOTS * sizeof *slot, err);
    s->level = old ? s->level + 1 : SAMPLE_LEVEL;
    uint64_t skipped = (UINT64_C(1) << s->level) - 2;
    s->n_keys = 0;
    for (int i = 0; old && i < SAMPLE_SLOTS; i++)
        if (old[i] && !(old[i] & skipped)) s->n_keys += put(slot, old[i]);
    mp_mem_free(mem, old);
    s->slot = slot;
    return MP_OK;
}

mp_status mp_key_sample_see(mp_key_sample *s, mp_mem *mem, const uint64_t *hash, int32_t n,
                            mp_error *err) {
    mp_status st = s->slot ? MP_OK : thin(s, mem, err);
    for (int32_t i = 0; i < n && st == MP_OK; i++) {
        if (hash[i] & ((UINT64_C(1) << s->level) - 1)) continue;
        bool is_new = put(s->slot, hash[i] | 1);
        s->n_keys += is_new;
        s->recent_rows++;
        s->recent_new += is_new;
        if (s->n_keys > SAMPLE_SLOTS / 2 && s->level < 32) st = thin(s, mem, err);
    }
    if (s->recent_rows > SAMPLE_RECENT) {
        s->recent_rows /= 2;
        s->recent_new /= 2;
    }
    return st;
}

/* ---- choice ---- */

double mp_group_rows_to_come(const mp_group *g) {
    double left = g->expect_rows - (double)g->all_rows;
    return left > 0 ? left : (double)g->all_rows;
}

/* The share of new keys among the latest rows tells how many keys there are: where they are drawn
 * evenly from D, g keys met leave the share 1 - g / D new; g is what there were in the middle of
 * those rows. */
static double estimate_groups(double n_keys, double recent_rows, double recent_new) {
    double is_new = recent_new / (recent_rows + 1);
    return (n_keys - recent_new / 2) / (1.001 - is_new);
}

/* So few rows come per group that most of them will have had a group made for them. Keys that come
 * round in turn look as if they never came again, so a table may get some size before it is asked. */
static bool will_not_reduce(const mp_group *g) {
    double rows = (double)g->recent_rows, new_groups = (double)g->recent_new;
    double groups = estimate_groups((double)g->table.n, rows, new_groups);
    double expect = (double)g->rows + mp_group_rows_to_come(g);
    return new_groups > 0.5 * rows && expect < ROWS_PER_GROUP * groups;
}

/* The same of a table that has just begun: n rows that are drawn evenly from D keys meet all but
 * D (1 - e^(-n/D)) of them again, so that few were met (with what chance may hide) tells that D is
 * large. Should the keys come round in turn, the sample of the direct rows will tell. */
static bool is_hopeless(const mp_group *g) {
    double n = (double)g->rows, again = n - (double)g->table.n;
    if (g->expect_rows <= 0 || g->keys_came_back || n < EARLY_ROWS) return false;
    double many = (n + mp_group_rows_to_come(g)) / ROWS_PER_GROUP;
    return again + 3 * sqrt(again) + 9 < n + many * expm1(-n / many);
}

int64_t mp_group_large_bytes(const mp_group *g) {
    bool alone = g->n_owners == 1;
    int64_t large = alone ? LARGE_ALONE : LARGE_BYTES;
    int64_t limit = g->mem ? g->mem->limit_bytes / (alone ? 4 : 8) : 0;
    return limit > 0 && limit < large ? limit : large;
}

/* Do the aggregates hold more than they should, which is some eight values of each group at least? */
static bool holds_much(const mp_group *g) {
    size_t held = 0;
    int n = 0;
    for (int i = 0; i < g->n_aggs; i++) {
        if (!g->agg[i]->ops->held) continue;
        held += g->agg[i]->ops->held(g->agg[i]);
        n++;
    }
    size_t least = HELD_PER_GROUP * (size_t)g->table.n * (size_t)n;
    return held > least && held > mp_agg_held_most(g->mem, n);
}

bool mp_group_should_flush(mp_group *g) {
    if (g->is_direct || g->place_next) return true;
    int64_t bytes = mp_table_hot_bytes(&g->table);
    if (g->n_owners > 1 && holds_much(g)) return true;
    if (bytes > mp_group_large_bytes(g)) {
        g->scattered = g->rows < ROWS_PER_GROUP * g->table.n;
        return true;
    }
    if (g->table.n_placed > 0) return false;
    if (!g->scattered && bytes > CACHE_BYTES) g->scattered = is_hopeless(g);
    if (!g->scattered && bytes > PROBE_BYTES && g->recent_rows >= MP_RECENT_ROWS / 2)
        g->scattered = will_not_reduce(g);
    return g->scattered && bytes > CACHE_BYTES &&
           g->recent_rows < ROWS_PER_NEW_GROUP * g->recent_new;
}

/* Nearly all sampled keys come again now, or will before the end. */
static bool comes_back(const mp_group *g) {
    const mp_key_sample *s = &g->sample;
    if (s->recent_rows < SAMPLE_RECENT / 4) return false;
    double scale = (double)(UINT64_C(1) << s->level), rows = scale * (double)s->recent_rows;
    double groups = estimate_groups(scale * (double)s->n_keys, rows, scale * (double)s->recent_new);
    return 8 * s->recent_new < s->recent_rows || mp_group_rows_to_come(g) > ROWS_PER_GROUP * groups;
}

static mp_status sample_table(mp_group *g, mp_error *err) {
    mp_status s = MP_OK;
    int32_t n = 0;
    for (int64_t i = 0; i < g->table.n && s == MP_OK; i++) {
        g->batch_hash[n++] = mp_key_hash(mp_table_key(&g->table, (uint32_t)i));
        if (n < MP_BATCH_ROWS && i + 1 < g->table.n) continue;
        s = mp_key_sample_see(&g->sample, g->mem, g->batch_hash, n, err);
        n = 0;
    }
    return s;
}

mp_status mp_group_choose_direct(mp_group *g, mp_error *err) {
    bool all_new = g->recent_rows - g->recent_new < g->recent_rows / 16;
    if (g->is_direct || !g->scattered || !all_new) return MP_OK;
    mp_status s = sample_table(g, err);
    if (s != MP_OK || !comes_back(g)) {
        g->direct_rows = DIRECT_ROWS;
        return s;
    }
    /* from here on the table has to get some size before it is given up */
    g->keys_came_back = true;
    g->scattered = false;
    mp_key_sample_release(&g->sample, g->mem);
    return MP_OK;
}
