/* map_bisect.c - --bisect: a command or plug-in that crashes or hangs on a shard is run on its halves, and so on, until
 * the rows that it cannot take are found. With --by it is keys that are halved; within a key, rows are found by trials
 * whose results are dropped, and the key is then run once without them.
 * Invariant: rows are given in their order, each to one run whose result is kept, or rejected; with --by the rows of a
 * key that are not rejected are in one such run. The results of the runs are one result, with one header. */
#include <stdlib.h>
#include <string.h>

#include "run/map/map_priv.h"

void mp_map_cut_begin(mp_map_job *j, const uint8_t *desc, size_t len) {
    mp_map_cut *c = &j->cut;
    c->desc = desc;
    c->len = len;
    c->parts.n = c->row_parts.n = 0;
    c->used = c->headed = false;
    c->stage = MP_CUT_PARTS;
    c->from = j->log_end;
    c->n_rejected = 0;
    mp_buf_clear(&c->rejects);
}

void mp_map_cut_release(mp_map_job *j) {
    mp_map_cut *c = &j->cut;
    mp_buf *const bufs[] = {&c->rejects, &c->keys, &c->bad_rows, &c->bad_results};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        mp_buf_release(bufs[i]);
}

static bool by_key(const mp_map_job *j) {
    return j->map->n_by > 0;
}

static uint64_t key_at(const mp_map_cut *c, int64_t i) {
    uint64_t hash;
    memcpy(&hash, c->keys.data + (size_t)i * sizeof hash, sizeof hash);
    return hash;
}

/* ---- what is run ---- */

static mp_map_pick pick_keys(const mp_map_cut *c, mp_map_range keys) {
    return (mp_map_pick){.on = true,
                         .by_key = true,
                         .least = key_at(c, keys.low),
                         .most = key_at(c, keys.low + keys.n - 1),
                         .n = -1};
}

static mp_map_pick pick_rows(const mp_map_job *j, mp_map_range rows) {
    const mp_map_cut *c = &j->cut;
    mp_map_pick pick = {.on = true};
    if (by_key(j)) pick = pick_keys(c, (mp_map_range){c->now.low, 1});
    pick.low = rows.low;
    pick.n = rows.n;
    return pick;
}

void mp_map_cut_pick(mp_map_job *j) {
    const mp_map_cut *c = &j->cut;
    mp_map_pick pick;
    if (!c->used) return;
    switch (c->stage) {
    case MP_CUT_PARTS:
        pick = by_key(j) ? pick_keys(c, c->now) : pick_rows(j, c->now);
        break;
    case MP_CUT_TRIAL:
        pick = pick_rows(j, c->rows);
        break;
    default:
        pick = pick_keys(c, (mp_map_range){c->now.low, 1});
        pick.without = (const int64_t *)(const void *)c->bad_rows.data;
        pick.n_without = (int64_t)(c->bad_rows.len / sizeof(int64_t));
    }
    mp_map_shard_pick(&j->table, &pick);
}

bool mp_map_cut_keeps(const mp_map_job *j) {
    return !j->cut.used || j->cut.stage != MP_CUT_TRIAL;
}

/* Two halves of a range, the first to be taken first. */
static void halve(mp_map_ranges *r, mp_map_range range) {
    int64_t half = range.n / 2;
    r->todo[r->n++] = (mp_map_range){range.low + half, range.n - half};
    r->todo[r->n++] = (mp_map_range){range.low, half};
}

/* ---- the shard, read beside the runs ---- */

static mp_status begin_reading(mp_map_job *j, const mp_map_pick *pick, mp_error *err) {
    mp_rd rd = mp_rd_of(j->cut.desc, j->cut.len);
    mp_status st = mp_map_shard_begin(&j->table, &rd, err);
    if (st == MP_OK) mp_map_shard_pick(&j->table, pick);
    return st;
}

/* Hashes of the keys of the picked rows, in their order. */
static mp_status read_hashes(mp_map_job *j, mp_map_pick pick, mp_buf *out, mp_error *err) {
    mp_buf_clear(out);
    pick.hashes = out;
    mp_status st = begin_reading(j, &pick, err);
    for (bool end = false; st == MP_OK && !end;)
        st = mp_map_shard_rows(&j->table, &end, err);
    mp_map_shard_end(&j->table);
    return st;
}

static int compare_hashes(const void *a, const void *b) {
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* The keys of the shard, each once. */
static mp_status find_keys(mp_map_job *j, mp_error *err) {
    mp_map_cut *c = &j->cut;
    mp_status st = read_hashes(j, (mp_map_pick){.on = true, .n = -1}, &c->keys, err);
    if (st != MP_OK || c->keys.len == 0) return st;
    size_t n = c->keys.len / sizeof(uint64_t), kept = 1;
    uint64_t *keys = (uint64_t *)(void *)c->keys.data;
    qsort(keys, n, sizeof *keys, compare_hashes);
    for (size_t i = 1; i < n; i++)
        if (keys[i] != keys[i - 1]) keys[kept++] = keys[i];
    c->keys.len = kept * sizeof *keys;
    return MP_OK;
}

/* ---- rejects ---- */

static void put_quoted(mp_buf *out, const char *text, size_t n) {
    mp_buf_u8(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"') mp_buf_u8(out, '"');
        mp_buf_u8(out, (uint8_t)text[i]);
    }
    mp_buf_u8(out, '"');
}

/* A file that was made for a unit is known by its name alone. */
static const char *file_name(const mp_map_table *t, int32_t file) {
    const char *path = t->job.table.files[file].path, *slash = strrchr(path, '/');
    return t->file_unit && slash ? slash + 1 : path;
}

static void put_reject(mp_map_job *j, const mp_map_place *place, const char *why, const char *row,
                       size_t n) {
    mp_buf *out = &j->cut.rejects;
    const char *file = file_name(&j->table, place->file);
    put_quoted(out, file, strlen(file));
    mp_buf_printf(out, ",%lld,", (long long)place->row);
    if (place->offset >= 0) mp_buf_printf(out, "%lld", (long long)place->offset);
    mp_buf_u8(out, ',');
    put_quoted(out, why, strlen(why));
    mp_buf_u8(out, ',');
    put_quoted(out, row, n > 0 && row[n - 1] == '\n' ? n - 1 : n);
    mp_buf_u8(out, '\n');
    j->cut.n_rejected++;
}

/* The rows that were made last. */
static void put_rejects(mp_map_job *j, const mp_buf *places, const char *why) {
    const mp_map_table *t = &j->table;
    const int64_t *ends = (const int64_t *)(const void *)t->row_ends.data;
    size_t n = places->len / sizeof(mp_map_place), from = 0;
    for (size_t i = 0; i < n && i < t->row_ends.len / sizeof *ends; i++) {
        mp_map_place place;
        memcpy(&place, places->data + i * sizeof place, sizeof place);
        put_reject(j, &place, why, (const char *)t->text.data + from, (size_t)ends[i] - from);
        from = (size_t)ends[i];
    }
}

static mp_status read_rejects(mp_map_job *j, mp_map_pick pick, const char *why, mp_error *err) {
    const uint8_t *bytes;
    size_t n = 1;
    mp_buf places;
    mp_buf_init(&places, j->mem);
    pick.places = &places;
    mp_status st = begin_reading(j, &pick, err);
    if (st == MP_OK && j->table.format.format == MP_FORMAT_CSV)
        st = mp_map_shard_next(&j->table, &bytes, &n, err); /* the header */
    while (st == MP_OK && n > 0) {
        mp_buf_clear(&places);
        st = mp_map_shard_next(&j->table, &bytes, &n, err);
        if (st == MP_OK) put_rejects(j, &places, why);
    }
    mp_map_shard_end(&j->table);
    mp_buf_release(&places);
    return st == MP_OK ? mp_buf_check(&j->cut.rejects, err) : st;
}

/* Picked rows to the rejects, with what the command did about them. alone: the other rows of the key do not matter. */
static mp_status reject(mp_map_job *j, mp_map_pick pick, const mp_work_result *result, bool alone,
                        mp_error *err) {
    mp_map_table *t = &j->table;
    mp_text_format format = t->format.format;
    char why[192];
    mp_map_result r = {.outcome = (uint8_t)result->outcome, .code = result->code};
    mp_map_outcome_text(&r, why, sizeof why);
    size_t n = strlen(why);
    if (!alone) snprintf(why + n, sizeof why - n, ", only with other rows of its key");
    mp_status (*take_rows)(void *, const mp_batch *, mp_error *) = t->take_rows;
    if (take_rows) t->format.format = MP_FORMAT_CSV;
    t->take_rows = NULL;
    mp_status st = read_rejects(j, pick, why, err);
    t->take_rows = take_rows;
    t->format.format = format;
    return st;
}

/* ---- a key that cannot be run ---- */

static mp_status reject_key(mp_map_job *j, bool alone, mp_error *err) {
    mp_map_cut *c = &j->cut;
    mp_map_range key = {c->now.low, 1};
    c->stage = MP_CUT_PARTS;
    return reject(j, pick_keys(c, key), &c->whole, alone, err);
}

static mp_status begin_key(mp_map_job *j, const mp_work_result *result, mp_error *err) {
    mp_map_cut *c = &j->cut;
    mp_buf hashes;
    c->whole = *result;
    mp_buf_init(&hashes, j->mem);
    mp_status st = read_hashes(j, pick_keys(c, (mp_map_range){c->now.low, 1}), &hashes, err);
    c->n_rows = (int64_t)(hashes.len / sizeof(uint64_t));
    mp_buf_release(&hashes);
    if (st != MP_OK) return st;
    if (c->n_rows < 2) return reject_key(j, true, err);
    c->stage = MP_CUT_TRIAL;
    mp_buf_clear(&c->bad_rows);
    mp_buf_clear(&c->bad_results);
    halve(&c->row_parts, (mp_map_range){0, c->n_rows});
    return MP_OK;
}

static mp_status end_trial(mp_map_job *j, const mp_work_result *result, bool crashed,
                           mp_error *err) {
    mp_map_cut *c = &j->cut;
    if (!crashed) return MP_OK;
    if (c->rows.n > 1) {
        halve(&c->row_parts, c->rows);
        return MP_OK;
    }
    mp_buf_put(&c->bad_rows, &c->rows.low, sizeof c->rows.low);
    mp_buf_put(&c->bad_results, result, sizeof *result);
    mp_status st = mp_buf_check(&c->bad_rows, err);
    return st == MP_OK ? mp_buf_check(&c->bad_results, err) : st;
}

static mp_status reject_bad(mp_map_job *j, mp_error *err) {
    mp_map_cut *c = &j->cut;
    mp_status st = MP_OK;
    for (size_t i = 0; i < c->bad_rows.len / sizeof(int64_t) && st == MP_OK; i++) {
        int64_t row;
        mp_work_result result;
        memcpy(&row, c->bad_rows.data + i * sizeof row, sizeof row);
        memcpy(&result, c->bad_results.data + i * sizeof result, sizeof result);
        st = reject(j, pick_rows(j, (mp_map_range){row, 1}), &result, true, err);
    }
    return st;
}

/* All trials of a key are over: the rest of it is to be run, if there is one. */
static mp_status end_trials(mp_map_job *j, mp_error *err) {
    mp_map_cut *c = &j->cut;
    int64_t n_bad = (int64_t)(c->bad_rows.len / sizeof(int64_t));
    if (n_bad == 0) return reject_key(j, false, err);
    c->stage = n_bad < c->n_rows ? MP_CUT_REST : MP_CUT_PARTS;
    return c->stage == MP_CUT_PARTS ? reject_bad(j, err) : MP_OK;
}

/* ---- a run has ended ---- */

/* A run of a part has ended well: its header is that of the others. */
static bool same_header(mp_map_job *j, const mp_unit_record *r) {
    mp_map_cut *c = &j->cut;
    int64_t len = j->log_end + (int64_t)j->log.len - c->from;
    if (!j->headed || len == 0) return true;
    if (c->headed) return r->head_hash == c->head_hash;
    c->headed = true;
    c->head_hash = r->head_hash;
    c->head_len = r->head_len;
    return true;
}

static mp_status begin_cutting(mp_map_job *j, mp_error *err) {
    mp_map_cut *c = &j->cut;
    c->used = true;
    c->now = (mp_map_range){0, j->table.shard_rows};
    if (!by_key(j)) return MP_OK;
    mp_status st = find_keys(j, err);
    c->now.n = (int64_t)(c->keys.len / sizeof(uint64_t));
    return st;
}

static mp_status crashed_part(mp_map_job *j, const mp_work_result *result, mp_error *err) {
    mp_map_cut *c = &j->cut;
    mp_status st = c->used ? MP_OK : begin_cutting(j, err);
    if (st != MP_OK) return st;
    if (c->now.n > 1) {
        halve(&c->parts, c->now);
        return MP_OK;
    }
    return by_key(j) ? begin_key(j, result, err)
                     : reject(j, pick_rows(j, c->now), result, true, err);
}

/* What is run next; false: all has been. */
static mp_status next_run(mp_map_job *j, bool *more, mp_error *err) {
    mp_map_cut *c = &j->cut;
    *more = true;
    if (c->stage == MP_CUT_TRIAL && c->row_parts.n > 0) {
        c->rows = c->row_parts.todo[--c->row_parts.n];
        return MP_OK;
    }
    mp_status st = c->stage == MP_CUT_TRIAL ? end_trials(j, err) : MP_OK;
    if (st != MP_OK || c->stage == MP_CUT_REST) return st;
    *more = c->parts.n > 0;
    if (*more) c->now = c->parts.todo[--c->parts.n];
    return MP_OK;
}

/* A plug-in that ends its process did not crash, but left no more to go on with than one that did. */
static bool has_crashed(const mp_map_job *j, const mp_work_result *result) {
    return result->outcome == MP_UNIT_SIGNAL || result->outcome == MP_UNIT_TIMEOUT ||
           (j->plugin && result->outcome == MP_UNIT_EXIT);
}

mp_status mp_map_cut_next(mp_map_job *j, const mp_work_result *result, mp_unit_record *ended,
                          mp_cut_step *step, mp_error *err) {
    mp_map_cut *c = &j->cut;
    bool crashed = has_crashed(j, result), more;
    mp_status st = MP_OK;
    *step = MP_CUT_OVER;
    if (j->stopping || (!crashed && !c->used)) return MP_OK;
    if (!crashed && result->outcome != MP_UNIT_OK && mp_map_cut_keeps(j)) return MP_OK;
    if (crashed || !mp_map_cut_keeps(j)) {
        j->log_end = c->from;
        mp_buf_clear(&j->log);
    } else if (!same_header(j, ended)) {
        *step = MP_CUT_BAD;
        return MP_OK;
    }
    if (c->stage == MP_CUT_TRIAL)
        st = end_trial(j, result, crashed, err);
    else if (c->stage == MP_CUT_REST && crashed)
        st = reject_key(j, false, err);
    else if (c->stage == MP_CUT_REST)
        st = reject_bad(j, err);
    else if (crashed)
        st = crashed_part(j, result, err);
    if (c->stage == MP_CUT_REST) c->stage = MP_CUT_PARTS;
    if (st == MP_OK) st = next_run(j, &more, err);
    if (st == MP_OK) *step = more ? MP_CUT_AGAIN : MP_CUT_DONE;
    return st;
}

/* ---- rank 0, at the end ---- */

static mp_status add_rejects(mp_map_job *j, mp_buf *csv, mp_error *err) {
    bool combined = j->shard_results != NULL;
    const mp_map_result *results = combined ? j->shard_results : j->results;
    for (int64_t i = 0; i < (combined ? j->n_shards : j->n_units); i++) {
        const mp_map_result *r = &results[i];
        if (r->outcome != MP_UNIT_OK || r->reject_len == 0) continue;
        size_t n = (size_t)r->reject_len;
        int fd = mp_map_log_fd(j, r->run, r->rank, err);
        if (fd < 0) return MP_IO;
        if (!mp_buf_reserve(csv, n)) return mp_buf_check(csv, err);
        mp_status st = mp_map_read_log(j, fd, csv->data + csv->len, n, r->offset + r->len, err);
        if (st != MP_OK) return st;
        csv->len += n;
        j->table.n_bad += r->n_rejected;
    }
    return mp_buf_check(csv, err);
}

mp_status mp_map_write_rejects(mp_map_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_map_table *t = &j->table;
    mp_out_file *file = t->job.rejects;
    mp_status st = MP_OK;
    if (mp_comm_rank(j->c) == 0) {
        st = add_rejects(j, &t->rejects, &mine);
        if (st == MP_OK && file)
            st = mp_out_write_at(file, 0, t->rejects.data, t->rejects.len, &mine);
        if (st == MP_OK && file) st = mp_out_sync(file, &mine);
    }
    st = mp_comm_agree_on(j->c, st, &mine, err);
    return st == MP_OK ? mp_comm_allreduce(j->c, &t->n_bad, 1, MP_MAX, err) : st;
}
