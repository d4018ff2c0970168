/* shard_verify.c - a flow whose splits are the files of shards.
 * Invariant: of several that were changed, the first in the order of the inputs is reported. */
#include "run/shard_verify.h"

#include "base/buf.h"
#include "io/shards/manifest.h"
#include "run/flow.h"

typedef struct {
    const char *folder;
    mp_manifest_shard shard;
} item;

typedef struct {
    mp_buf items; /* item */
    int64_t next; /* rank 0 */
    int64_t split;
    mp_manifest_check *check; /* of the split under way */
} verifier;

static int64_t count(const verifier *v) {
    return (int64_t)(v->items.len / sizeof(item));
}

/* ---- the flow: a shard is a split ---- */

static mp_status next_split(void *ctx, mp_buf *desc, mp_split_state *state, mp_error *err) {
    verifier *v = ctx;
    (void)desc, (void)err;
    *state = v->next++ < count(v) ? MP_SPLIT_GOT : MP_SPLIT_NONE;
    return MP_OK;
}

static mp_status split_begin(void *ctx, int64_t split, const uint8_t *desc, size_t len,
                             mp_error *err) {
    verifier *v = ctx;
    (void)desc, (void)len;
    const item *items = (const item *)(const void *)v->items.data;
    v->split = split;
    return mp_manifest_check_new(items[split].folder, &items[split].shard, &v->check, err);
}

static mp_status split_step(void *ctx, bool *done, mp_error *err) {
    verifier *v = ctx;
    mp_status st = mp_manifest_check_step(v->check, done, err);
    /* a place makes the first one of all ranks the one that is told */
    if (st == MP_DATA) mp_error_place(err, (int32_t)v->split, -1, v->split, -1);
    return st;
}

static mp_status split_end(void *ctx, mp_buf *report, mp_error *err) {
    verifier *v = ctx;
    (void)report, (void)err;
    mp_manifest_check_free(&v->check);
    return MP_OK;
}

/* One shard after the other, for where the other ranks may not see the files. Rank 0. */
static mp_status check_alone(verifier *v, mp_error *err) {
    mp_status st = MP_OK;
    for (int64_t k = 0; k < count(v) && !st; k++) {
        bool done = false;
        st = split_begin(v, k, NULL, 0, err);
        while (!st && !done)
            st = split_step(v, &done, err);
        mp_manifest_check_free(&v->check);
    }
    return st;
}

/* ---- which shards ---- */

/* Rank 0: of the inputs that are folders of split. */
static mp_status list_shards(const mp_spec *spec, mp_arena *arena, mp_buf *out, mp_error *err) {
    mp_status st = MP_OK;
    for (int i = 0; i < spec->input.n_paths && !st; i++) {
        mp_manifest *m = NULL;
        st = mp_manifest_read(spec->input.paths[i], arena, &m, err);
        for (int64_t k = 0; m && k < m->n_shards && !st; k++) {
            const mp_manifest_shard *s = &m->shards[k];
            st = mp_manifest_look(spec->input.paths[i], s, err);
            mp_buf_text(out, spec->input.paths[i]);
            mp_buf_text(out, s->path);
            mp_buf_i64(out, s->bytes);
            mp_buf_u64(out, s->xxh64);
        }
    }
    return st ? st : mp_buf_check(out, err);
}

static mp_status read_shards(const mp_buf *b, mp_arena *arena, verifier *v, mp_error *err) {
    mp_rd in = mp_rd_of(b->data, b->len);
    while (mp_rd_left(&in)) {
        item it = {0};
        if (!mp_rd_text(&in, arena, &it.folder) || !mp_rd_text(&in, arena, &it.shard.path))
            return mp_mem_error(arena->mem, b->len, err);
        it.shard.bytes = mp_rd_i64(&in);
        it.shard.xxh64 = mp_rd_u64(&in);
        mp_buf_put(&v->items, &it, sizeof it);
    }
    return mp_buf_check(&v->items, err);
}

mp_status mp_shard_verify(mp_comm *c, const mp_spec *spec, mp_mem *mem, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_arena arena;
    mp_buf b;
    verifier v = {0};
    mp_arena_init(&arena, mem);
    mp_buf_init(&b, mem);
    mp_buf_init(&v.items, mem);
    mp_status st = mp_comm_rank(c) == 0 ? list_shards(spec, &arena, &b, &mine) : MP_OK;
    st = mp_comm_agree_on(c, st, &mine, err);
    if (!st) st = mp_comm_bcast(c, &b, err);
    if (!st) st = mp_comm_agree_on(c, read_shards(&b, &arena, &v, &mine), &mine, err);
    bool seen_by_all = mp_comm_one_host(c) || spec->run.scatter == MP_SCATTER_PATHS;
    if (!st && !seen_by_all) {
        if (mp_comm_rank(c) == 0) st = check_alone(&v, &mine);
        st = mp_comm_agree_on(c, st, &mine, err);
    } else if (!st && count(&v) > 0) {
        const mp_flow flow = {.name = "verify",
                              .ctx = &v,
                              .mem = mem,
                              .next_split = next_split,
                              .split_begin = split_begin,
                              .split_step = split_step,
                              .split_end = split_end};
        mp_flow_result result;
        st = mp_flow_execute(c, &flow, &result, err);
    }
    mp_buf_release(&v.items);
    mp_buf_release(&b);
    mp_arena_release(&arena);
    return st;
}
