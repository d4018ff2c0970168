/* split_each.c - one shard per key, in a folder named after it.
 * Invariant: a key's folder follows from the values alone, and so does its owner; no name leads out
 * of the folder. A description: u32 bytes and the path, u32 bytes and the key in order, the key as
 * JSON. */
#include <xxhash.h>

#include "run/split/split_priv.h"

/* The value as the names of folders have it. */
static mp_str value_text(const mp_col *c, int64_t i, mp_buf *room) {
    static const char *const no_name[] = {""};
    const mp_text_args args = {
        .format = MP_FORMAT_CSV, .delimiter = 0x1F, .n_cols = 1, .names = no_name};
    if (c->type == MP_STRING) return c->str[i];
    mp_col col = *c;
    col.valid = NULL;
    col.p = (const char *)c->p + (size_t)i * (size_t)mp_type_width(c->type);
    const mp_batch one = {.n_rows = 1, .n_cols = 1, .cols = &col};
    mp_buf_clear(room);
    mp_text_rows(&args, &one, room, NULL);
    if (room->failed || room->len == 0) return mp_str_of("", 0);
    return mp_str_of((const char *)room->data, room->len - 1); /* without the newline */
}

/* region=EU/year=2024/part-00000.csv */
static mp_status make_path(mp_split *s, const mp_batch *in, int32_t row, mp_buf *path,
                           mp_error *err) {
    mp_buf room;
    mp_buf_init(&room, s->job.mem);
    for (int k = 0; k < s->cols.n_keys; k++) {
        const mp_col *c = &in->cols[s->cols.key_at[k]];
        bool null = c->type == MP_NULL || mp_col_is_null(c, row);
        mp_str text = null ? mp_str_of("", 0) : value_text(c, row, &room);
        mp_shard_folder_name(s->spec->keys[k], null ? NULL : &text, path);
        mp_buf_u8(path, '/');
    }
    mp_buf_printf(path, "part-00000%s", mp_split_ending(s->spec->format));
    mp_status st = mp_buf_check(&room, err);
    mp_buf_release(&room);
    return st ? st : mp_buf_check(path, err);
}

int mp_split_path_owner(const mp_split *s, const char *path, size_t n) {
    return (int)(XXH64(path, n, 0) % (uint64_t)mp_comm_size(s->job.c));
}

static mp_status describe(mp_split *s, int64_t split, const mp_batch *in, int32_t row,
                          const uint8_t *key, size_t len, int32_t *shard, mp_error *err) {
    mp_buf path, b;
    mp_buf_init(&path, s->job.mem);
    mp_buf_init(&b, s->job.mem);
    mp_status st = make_path(s, in, row, &path, err);
    if (!st) {
        mp_buf_bytes(&b, path.data, path.len);
        mp_buf_bytes(&b, key, len);
        mp_split_key_json(in, s->cols.key_at, s->cols.n_keys, row, &b);
        st = mp_buf_check(&b, err);
    }
    int owner = mp_split_path_owner(s, (const char *)path.data, path.len);
    if (!st) st = mp_shards_describe(s->shards, split, owner, b.data, b.len, shard, err);
    mp_buf_release(&path);
    mp_buf_release(&b);
    return st;
}

mp_status mp_split_find_values(mp_split *s, int64_t split, const mp_batch *in, mp_error *err) {
    mp_status st = MP_OK;
    for (int32_t i = 0; i < in->n_rows && !st; i++) {
        size_t from = i ? s->key_ends[i - 1] : 0, len = s->key_ends[i] - from;
        const uint8_t *key = s->keys.data + from;
        int64_t id = 0;
        bool is_new = false;
        st = mp_shard_ids_find(&s->values, key, len, XXH64(key, len, 0), &id, &is_new, err);
        s->shard[i] = (int32_t)id;
        if (is_new && !st) st = describe(s, split, in, i, key, len, &s->shard[i], err);
    }
    return st;
}

static mp_status keep_key(mp_split *s, const uint8_t *key, size_t len, const uint8_t *json,
                          size_t json_len, mp_error *err) {
    int64_t n = s->n_owned;
    if ((n & (n - 1)) == 0) { /* room doubles at the powers of two */
        size_t bytes = (n ? 2 * (size_t)n : 1) * sizeof *s->owned;
        mp_split_bound *owned = mp_mem_realloc(s->job.mem, s->owned, bytes);
        if (!owned) return mp_mem_error(s->job.mem, bytes, err);
        s->owned = owned;
    }
    mp_split_bound *b = &s->owned[s->n_owned++];
    b->key_len = len;
    mp_buf_init(&b->bytes, s->job.mem);
    mp_buf_put(&b->bytes, key, len);
    mp_buf_put(&b->bytes, json, json_len);
    return mp_buf_check(&b->bytes, err);
}

mp_status mp_split_described(void *ctx, const uint8_t *bytes, size_t n, int64_t *shard,
                             mp_error *err) {
    mp_split *s = ctx;
    mp_rd in = mp_rd_of(bytes, n);
    size_t path_len = 0, len = 0, json_len;
    const char *path = mp_rd_bytes(&in, &path_len);
    const uint8_t *key = mp_rd_bytes(&in, &len);
    json_len = mp_rd_left(&in);
    if (in.bad) return mp_error_set(err, MP_FAILED, "broken block of rows", "a shard has no name");
    bool is_new = false;
    mp_status st =
        mp_shard_ids_find(&s->paths, path, path_len, XXH64(path, path_len, 0), shard, &is_new, err);
    if (st || !is_new) return st;
    char *name = mp_mem_alloc(NULL, path_len + 1);
    if (!name) return mp_mem_error(NULL, path_len, err);
    memcpy(name, path, path_len);
    name[path_len] = 0;
    st = mp_shard_files_add(s->files, name, err);
    mp_mem_free(NULL, name);
    return st ? st : keep_key(s, key, len, in.p, json_len, err);
}

mp_status mp_split_adopt(mp_split *s, const char *path, const uint8_t *key, size_t len,
                         const uint8_t *json, size_t json_len, mp_error *err) {
    bool is_new = false;
    int64_t shard;
    size_t n = strlen(path);
    mp_status st = mp_shard_ids_find(&s->paths, path, n, XXH64(path, n, 0), &shard, &is_new, err);
    return st ? st : keep_key(s, key, len, json, json_len, err);
}
