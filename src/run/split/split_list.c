/* split_list.c - what all ranks know of the shards comes to rank 0 and becomes the manifest.
 * Invariant: the order of the shards is that of their numbers; with one shard per key, that of the
 * keys: the same for every number of ranks. */
#include <stdlib.h>

#include "run/fault.h"
#include "run/split/split_priv.h"

typedef struct {
    mp_manifest_shard shard;
    mp_str key;             /* EACH: in order */
    mp_str least, greatest; /* in order, behind it as JSON */
    const char *least_json, *greatest_json;
} item;

/* ---- every rank ---- */

static void put_bound(mp_buf *b, const mp_split_bound *x) {
    mp_buf_bytes(b, x->bytes.data, x->key_len);
    mp_buf_bytes(b, x->bytes.data + x->key_len, x->bytes.len - x->key_len);
}

static void put_file(mp_buf *b, const mp_shard_file *f) {
    mp_buf_text(b, f->path);
    mp_buf_i64(b, f->rows);
    mp_buf_i64(b, f->bytes);
    mp_buf_u64(b, f->xxh64);
}

mp_status mp_split_tell(const mp_split *s, mp_buf *b, mp_error *err) {
    bool each = s->spec->method == MP_SPLIT_EACH;
    int rank = mp_comm_rank(s->job.c), size = mp_comm_size(s->job.c);
    int64_t n = mp_shard_files_count(s->files);
    mp_buf_i64(b, n);
    for (int64_t i = 0; i < n; i++) {
        mp_shard_file f = s->stored ? s->stored[i] : mp_shard_files_get(s->files, i);
        mp_buf_i64(b, each ? -1 : rank + i * size);
        put_file(b, &f);
        if (each) put_bound(b, &s->owned[i]);
    }
    for (int64_t i = 0; i < s->n_bounds; i++) {
        if (s->least[i].key_len == 0) continue;
        mp_buf_i64(b, i);
        put_bound(b, &s->least[i]);
        put_bound(b, &s->greatest[i]);
    }
    return mp_buf_check(b, err);
}

/* ---- rank 0 ---- */

static mp_str take_bytes(mp_rd *in) {
    size_t n = 0;
    const char *p = mp_rd_bytes(in, &n);
    return mp_str_of(p, p ? n : 0);
}

static const char *take_json(mp_rd *in, mp_arena *arena) {
    mp_str text = take_bytes(in);
    char *p = mp_arena_alloc(arena, (size_t)text.len + 1, 1);
    if (!p) return NULL;
    if (text.len) memcpy(p, text.p, text.len);
    p[text.len] = 0;
    return p;
}

static void take_bounds(mp_rd *in, item *it, mp_arena *arena, bool *ok) {
    mp_str least = take_bytes(in);
    const char *least_json = take_json(in, arena);
    mp_str greatest = take_bytes(in);
    const char *greatest_json = take_json(in, arena);
    *ok = *ok && least_json && greatest_json && !in->bad;
    if (!*ok) return;
    if (!it->least_json || mp_str_cmp(least, it->least) < 0) {
        it->least = least;
        it->least_json = least_json;
    }
    if (!it->greatest_json || mp_str_cmp(greatest, it->greatest) > 0) {
        it->greatest = greatest;
        it->greatest_json = greatest_json;
    }
}

/* What one rank says. items: room for all; *n: so far (EACH). */
static bool hear(const mp_split *s, mp_rd *in, item *items, int64_t *n, int64_t room,
                 mp_arena *arena) {
    bool each = s->spec->method == MP_SPLIT_EACH, ok = true;
    int64_t n_files = mp_rd_i64(in);
    for (int64_t i = 0; i < n_files && ok && !in->bad; i++) {
        int64_t no = mp_rd_i64(in);
        if (each) no = (*n)++;
        if (no < 0 || no >= room) return false;
        item *it = &items[no];
        ok = mp_rd_text(in, arena, &it->shard.path);
        it->shard.rows = mp_rd_i64(in);
        it->shard.bytes = mp_rd_i64(in);
        it->shard.xxh64 = mp_rd_u64(in);
        if (!each) continue;
        it->key = take_bytes(in);
        it->least_json = it->greatest_json = take_json(in, arena);
        ok = ok && it->least_json;
    }
    while (mp_rd_left(in) && ok && !in->bad) {
        int64_t no = mp_rd_i64(in);
        if (no < 0 || no >= room) return false;
        take_bounds(in, &items[no], arena, &ok);
    }
    return ok && !in->bad;
}

static int by_key(const void *a, const void *b) {
    const item *x = a, *y = b;
    return mp_str_cmp(x->key, y->key);
}

static mp_status collect(const mp_split *s, const mp_buf *all, int64_t n_shards, mp_arena *arena,
                         mp_manifest *out, mp_error *err) {
    size_t bytes = (size_t)n_shards * sizeof(item) + 1;
    item *items = mp_mem_calloc(s->job.mem, bytes, 1);
    if (!items) return mp_mem_error(s->job.mem, bytes, err);
    out->shards = mp_arena_alloc(arena, (size_t)n_shards * sizeof *out->shards + 1, 16);
    int64_t n = 0;
    bool ok = out->shards != NULL;
    mp_rd ranks = mp_rd_of(all->data, all->len);
    while (mp_rd_left(&ranks) && ok) {
        size_t len = (size_t)mp_rd_u64(&ranks);
        const void *p = mp_rd_raw(&ranks, len);
        mp_rd rd = mp_rd_of(p, p ? len : 0);
        ok = p && hear(s, &rd, items, &n, n_shards, arena);
    }
    if (ok && s->spec->method == MP_SPLIT_EACH && n_shards > 1)
        qsort(items, (size_t)n_shards, sizeof *items, by_key);
    out->n_shards = n_shards;
    for (int64_t i = 0; i < n_shards && ok; i++) {
        out->shards[i] = items[i].shard;
        out->shards[i].min = items[i].least_json;
        out->shards[i].max = items[i].greatest_json;
    }
    mp_mem_free(s->job.mem, items);
    return ok ? MP_OK : mp_mem_error(s->job.mem, bytes, err);
}

static mp_status describe(const mp_split *s, mp_arena *arena, mp_manifest *m, mp_error *err) {
    size_t n = (size_t)s->cols.n_out;
    m->method = mp_split_method_name(s->spec->method);
    m->n_keys = s->spec->n_keys;
    m->keys = s->spec->keys;
    m->n_columns = s->cols.n_out;
    m->names = s->cols.names;
    m->types = mp_arena_alloc(arena, n * sizeof *m->types + 1, 16);
    if (!m->types) return mp_mem_error(arena->mem, n * sizeof *m->types, err);
    for (int c = 0; c < s->cols.n_out; c++)
        m->types[c] = mp_type_name(mp_split_column_type(&s->job.table, s->job.seen, c));
    return MP_OK;
}

mp_status mp_split_list(mp_split *s, mp_arena *arena, mp_manifest *out, mp_error *err) {
    mp_comm *c = s->job.c;
    mp_error mine = MP_ERROR_INIT;
    mp_buf own, all;
    int64_t n = mp_shard_files_count(s->files);
    mp_buf_init(&own, s->job.mem);
    mp_buf_init(&all, s->job.mem);
    *out = (mp_manifest){0};
    mp_status st = mp_comm_agree_on(c, mp_split_tell(s, &own, &mine), &mine, err);
    if (!st) st = mp_comm_allreduce(c, &n, 1, MP_SUM, err);
    if (!st) st = mp_comm_gather(c, own.data, own.len, &all, err);
    if (!st) {
        mp_status made = describe(s, arena, out, &mine);
        if (!made && mp_comm_rank(c) == 0) made = collect(s, &all, n, arena, out, &mine);
        st = mp_comm_agree_on(c, made, &mine, err);
    }
    mp_buf_release(&own);
    mp_buf_release(&all);
    return st;
}
