/* split_deal.c - the pass in which rows go to their shards: each batch is formatted once, its rows
 * get their shards, and travel to the owners as text.
 * Invariant: a shard has the rows of the table that belong to it, in input order; which shard a row
 * belongs to follows from its key or its place alone. */
#include "run/fault.h"
#include "run/split/split_priv.h"

enum { FLUSH_AT_ONCE = 1024 };

/* ---- what the rows say of the keys of a shard ---- */

static mp_status widen(mp_split *s, int64_t n, mp_error *err) {
    if (n <= s->n_bounds) return MP_OK;
    if (n < 2 * s->n_bounds) n = 2 * s->n_bounds;
    mp_mem *mem = s->job.mem;
    size_t bytes = (size_t)n * sizeof *s->least;
    mp_split_bound *least = mp_mem_realloc(mem, s->least, bytes);
    if (least) s->least = least;
    mp_split_bound *greatest = mp_mem_realloc(mem, s->greatest, bytes);
    if (greatest) s->greatest = greatest;
    if (!least || !greatest) return mp_mem_error(mem, bytes, err);
    for (; s->n_bounds < n; s->n_bounds++) {
        s->least[s->n_bounds] = s->greatest[s->n_bounds] = (mp_split_bound){0};
        mp_buf_init(&s->least[s->n_bounds].bytes, mem);
        mp_buf_init(&s->greatest[s->n_bounds].bytes, mem);
    }
    return MP_OK;
}

void mp_split_release_bounds(mp_split *s) {
    for (int64_t i = 0; i < s->n_bounds; i++) {
        mp_buf_release(&s->least[i].bytes);
        mp_buf_release(&s->greatest[i].bytes);
    }
    for (int64_t i = 0; i < s->n_owned; i++)
        mp_buf_release(&s->owned[i].bytes);
    mp_mem_free(s->job.mem, s->least);
    mp_mem_free(s->job.mem, s->greatest);
    mp_mem_free(s->job.mem, s->owned);
    s->least = s->greatest = s->owned = NULL;
    s->n_bounds = s->n_owned = 0;
}

static mp_status set_bound(mp_split *s, mp_split_bound *b, const mp_batch *in, int32_t row,
                           const uint8_t *key, size_t len, mp_error *err) {
    mp_buf_clear(&b->bytes);
    mp_buf_put(&b->bytes, key, len);
    b->key_len = len;
    mp_split_key_json(in, s->cols.key_at, s->cols.n_keys, row, &b->bytes);
    return mp_buf_check(&b->bytes, err);
}

/* A null is no key that a shard could begin or end with. */
static bool has_null(const mp_split *s, const mp_batch *in, int32_t row) {
    for (int k = 0; k < s->cols.n_keys; k++) {
        const mp_col *c = &in->cols[s->cols.key_at[k]];
        if (c->type == MP_NULL || mp_col_is_null(c, row)) return true;
    }
    return false;
}

static mp_status put_bound(mp_split_bound *b, mp_rd *in, bool least, mp_error *err) {
    size_t len = 0, json_len = 0;
    const uint8_t *key = mp_rd_bytes(in, &len), *json = mp_rd_bytes(in, &json_len);
    if (in->bad) return MP_OK;
    int order = b->key_len ? mp_row_key_cmp(key, len, b->bytes.data, b->key_len) : 0;
    if (b->key_len && (least ? order >= 0 : order <= 0)) return MP_OK;
    mp_buf_clear(&b->bytes);
    b->key_len = len;
    mp_buf_put(&b->bytes, key, len);
    mp_buf_put(&b->bytes, json, json_len);
    return mp_buf_check(&b->bytes, err);
}

mp_status mp_split_put_bounds(mp_split *s, int64_t shard, mp_rd *in, mp_error *err) {
    mp_status st = shard >= s->n_bounds ? widen(s, shard + 1, err) : MP_OK;
    if (!st) st = put_bound(&s->least[shard], in, true, err);
    return st ? st : put_bound(&s->greatest[shard], in, false, err);
}

static int compare(const mp_split_bound *b, const uint8_t *key, size_t len) {
    return mp_row_key_cmp(key, len, b->bytes.data, b->key_len);
}

static mp_status note_bounds(mp_split *s, const mp_batch *in, mp_error *err) {
    mp_status st = MP_OK;
    for (int32_t i = 0; i < in->n_rows && !st; i++) {
        const uint8_t *key = s->keys.data + (i ? s->key_ends[i - 1] : 0);
        size_t len = s->key_ends[i] - (i ? s->key_ends[i - 1] : 0);
        if (s->shard[i] >= s->n_bounds) st = widen(s, s->shard[i] + 1, err);
        if (st) return st;
        mp_split_bound *least = &s->least[s->shard[i]], *greatest = &s->greatest[s->shard[i]];
        bool first = least->key_len == 0, below = first || compare(least, key, len) < 0;
        bool above = first || compare(greatest, key, len) > 0;
        if ((!below && !above) || has_null(s, in, i)) continue;
        if (below) st = set_bound(s, least, in, i, key, len, err);
        if (above && !st) st = set_bound(s, greatest, in, i, key, len, err);
    }
    return st;
}

/* ---- source ---- */

static mp_status format(mp_split *s, const mp_batch *in, mp_error *err) {
    mp_job *j = &s->job;
    size_t n = (size_t)s->cols.n_out;
    mp_arena_reset(&j->batch_arena);
    mp_col *cols = mp_arena_alloc(&j->batch_arena, n * sizeof *cols + 1, 16);
    if (!cols) return mp_mem_error(j->mem, n * sizeof *cols, err);
    for (size_t i = 0; i < n; i++)
        cols[i] = in->cols[s->cols.out_at[i]];
    mp_batch out = *in;
    out.cols = cols;
    out.n_cols = s->cols.n_out;
    mp_buf_clear(&s->lines);
    mp_buf_clear(&s->line_ends);
    mp_text_rows(&s->text, &out, &s->lines, &s->line_ends);
    mp_status st = mp_buf_check(&s->lines, err);
    return st ? st : mp_buf_check(&s->line_ends, err);
}

/* The shard of each row of a batch that begins with row `at` of its split. */
static mp_status find_shards(mp_split *s, int64_t split, int64_t at, const mp_batch *in,
                             mp_error *err) {
    mp_status st = s->cols.n_keys ? mp_split_order_keys(s, in, err) : MP_OK;
    if (st) return st;
    switch (s->spec->method) {
    case MP_SPLIT_BY:
        st = mp_split_key_hash(in, s->cols.key_at, s->cols.n_keys, s->hash, err);
        for (int32_t i = 0; i < in->n_rows && !st; i++)
            s->shard[i] = (int32_t)(s->hash[i] % (uint64_t)s->n_shards);
        break;
    case MP_SPLIT_RANGE:
        mp_split_find_ranges(s, in->n_rows);
        break;
    case MP_SPLIT_ROWS:
        if (split >= s->n_splits ||
            at + in->n_rows > s->rows_before[split + 1] - s->rows_before[split])
            return mp_error_set(err, MP_DATA, "input changed", "it has other rows than before");
        for (int32_t i = 0; i < in->n_rows; i++)
            s->shard[i] = (int32_t)((s->rows_before[split] + at + i) / s->spec->n_rows);
        break;
    case MP_SPLIT_EACH:
        st = mp_split_find_values(s, split, in, err);
        break;
    }
    return st;
}

static mp_status on_batch(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    mp_split *s = ctx;
    if (s->split != split) s->split_rows = 0;
    s->split = split;
    int64_t at = s->split_rows;
    s->split_rows += in->n_rows;
    mp_status st = format(s, in, err);
    if (!st) st = find_shards(s, split, at, in, err);
    if (!st && s->cols.n_keys && s->spec->method != MP_SPLIT_EACH) st = note_bounds(s, in, err);
    if (st) return st;
    return mp_shards_put(s->shards, split, s->shard, in->n_rows, s->lines.data,
                         (const int64_t *)(const void *)s->line_ends.data, err);
}

static void attach(void *ctx, mp_flow_run *run) {
    mp_split *s = ctx;
    /* shards are described anew to the flow under way */
    mp_shard_ids_release(&s->values);
    mp_shards_attach(s->shards, run, s->first_split);
}

static mp_status on_split_end(void *ctx, int64_t split, mp_error *err) {
    mp_split *s = ctx;
    s->split = -1;
    return mp_shards_end_split(s->shards, split, err);
}

/* ---- owner ---- */

static mp_status on_rows(void *ctx, int64_t shard, const uint8_t *text, size_t n, int64_t n_rows,
                         mp_error *err) {
    mp_split *s = ctx;
    int64_t at = s->spec->method == MP_SPLIT_EACH ? shard : shard / mp_comm_size(s->job.c);
    return mp_shard_files_put(s->files, at, text, n, n_rows, err);
}

static mp_status on_block(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    return mp_shards_on_block(((mp_split *)ctx)->shards, src, bytes, len, err);
}

static mp_status push(void *ctx, bool *did, mp_error *err) {
    return mp_shards_push(((mp_split *)ctx)->shards, did, err);
}

static bool quiet(void *ctx) {
    return mp_shards_quiet(((mp_split *)ctx)->shards);
}

/* ---- the pass ---- */

const char *mp_split_ending(mp_text_format format) {
    return format == MP_FORMAT_TSV ? ".tsv" : format == MP_FORMAT_NDJSON ? ".ndjson" : ".csv";
}

mp_status mp_split_open_files(mp_split *s, mp_error *err) {
    mp_job *j = &s->job;
    int64_t budget = j->mem->limit_bytes > 0 ? j->mem->limit_bytes / 8 : 256 << 20;
    mp_buf header;
    mp_buf_init(&header, j->mem);
    s->text.n_cols = s->cols.n_out;
    s->text.names = s->cols.names;
    mp_text_header(&s->text, &header);
    mp_status st = mp_buf_check(&header, err);
    mp_shard_files_args args = {.folder = s->folder,
                                .name = s->name,
                                .header = header.data,
                                .header_bytes = header.len,
                                .budget_bytes = budget < 256 << 20 ? budget : 256 << 20,
                                .again = s->restored,
                                .mem = j->mem};
    if (!st) st = mp_shard_files_new(&args, &s->files, err);
    mp_shards_args move = {.c = j->c,
                           .mem = j->mem,
                           .budget_bytes = args.budget_bytes,
                           .scratch = j->spec->run.scratch,
                           .ctx = s,
                           .rows = on_rows,
                           .describe =
                               s->spec->method == MP_SPLIT_EACH ? mp_split_described : NULL};
    if (!st) st = mp_shards_new(&move, &s->shards, err);
    mp_buf_release(&header);
    return st;
}

/* Nothing is in the shards yet. */
static mp_status begin(mp_split *s, mp_error *err) {
    mp_status st = s->files ? MP_OK : mp_split_open_files(s, err);
    if (st) return st;
    mp_shard_files_drop(s->files);
    mp_split_release_bounds(s);
    mp_shard_ids_release(&s->paths);
    if (s->spec->method == MP_SPLIT_EACH) return MP_OK;
    mp_arena_reset(&s->job.batch_arena);
    for (int64_t k = mp_comm_rank(s->job.c); k < s->n_shards && !st; k += mp_comm_size(s->job.c)) {
        char *name = mp_shard_name(&s->job.batch_arena, k, mp_split_ending(s->spec->format));
        st = name ? mp_shard_files_add(s->files, name, err) : mp_mem_error(s->job.mem, 32, err);
    }
    return st;
}

mp_status mp_split_deal(mp_split *s, mp_error *err) {
    mp_job *j = &s->job;
    mp_scan_consumer consumer = {.exchange_bytes = j->exchange_bytes,
                                 .attach = attach,
                                 .batch = on_batch,
                                 .split_end = on_split_end,
                                 .on_block = on_block,
                                 .push = push,
                                 .quiet = quiet,
                                 .pause = s->legs ? mp_split_pause : NULL};
    mp_status st = mp_split_scan(s, MP_SPLIT_READ_ALL, &consumer, begin, err);
    if (st) return st;
    mp_error mine = MP_ERROR_INIT;
    bool done = false;
    st = mp_fault_check(mp_comm_rank(j->c), "output", &mine);
    while (!st && !done)
        st = mp_shard_files_flush(s->files, FLUSH_AT_ONCE, &done, &mine);
    return mp_comm_agree_on(j->c, st, &mine, err);
}
