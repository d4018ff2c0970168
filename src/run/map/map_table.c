/* map_table.c - the units of a table: shards of whole records, cut by bytes, by number, by rows or by
 * key.
 * Invariant: the shards are a function of the input and the options alone. Rows are numbered by a pass
 * of all ranks before the first command starts, so nothing that a command does has to be undone. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "data/take.h"
#include "run/map/map_table.h"

enum { SHARD_BYTES = 8 << 20, ROWS_SPLIT_MIN = 256 << 10 };

/* ---- rank 0: which splits make which shard ---- */

static mp_status add_shard(mp_map_table *t, const mp_map_shard *s, mp_error *err) {
    mp_buf_put(&t->shards, s, sizeof *s);
    return mp_buf_check(&t->shards, err);
}

/* Shards of about the same number of bytes, of whole splits. */
static mp_status cut_by_bytes(mp_map_table *t, int64_t n_splits, mp_error *err) {
    const mp_feed *feed = t->job.feed;
    int64_t total = 0, at = 0, number = -1;
    mp_split_desc d;
    mp_split_report r;
    mp_map_shard s = {.take = -1};
    for (int64_t i = 0; i < n_splits; i++) {
        mp_feed_get(feed, i, &d, &r);
        total += d.len;
    }
    for (int64_t i = 0; i < n_splits; i++) {
        mp_feed_get(feed, i, &d, &r);
        int64_t k = t->parts > 0 ? (int64_t)((__int128)at * t->parts / (total ? total : 1))
                                 : at / SHARD_BYTES;
        if (k != number && number >= 0) {
            mp_status st = add_shard(t, &s, err);
            if (st != MP_OK) return st;
            s = (mp_map_shard){.first = i, .take = -1};
        }
        number = k;
        s.n++;
        s.rows += r.n_rows;
        s.bytes += d.len;
        at += d.len;
    }
    return s.n ? add_shard(t, &s, err) : MP_OK;
}

static mp_status cut_by_rows(mp_map_table *t, int64_t n_splits, mp_error *err) {
    const mp_feed *feed = t->job.feed;
    mp_split_desc d;
    mp_split_report r;
    mp_map_shard s = {.take = t->rows};
    for (int64_t i = 0; i < n_splits; i++) {
        mp_feed_get(feed, i, &d, &r);
        if (s.n == 0) s.first = i;
        s.n++;
        int64_t used = 0;
        while (s.rows + r.n_rows - used >= t->rows) {
            used += t->rows - s.rows;
            s.rows = t->rows;
            mp_status st = add_shard(t, &s, err);
            if (st != MP_OK) return st;
            s = (mp_map_shard){.first = i, .n = 1, .skip = used, .take = t->rows};
        }
        s.rows += r.n_rows - used;
        if (s.rows == 0) s = (mp_map_shard){.take = t->rows}; /* the next begins with a split */
    }
    return s.rows ? add_shard(t, &s, err) : MP_OK;
}

/* The splits of a file are its unit's: that of the files which were made for units, or its own. */
static mp_status cut_by_file(mp_map_table *t, int64_t n_splits, mp_error *err) {
    const mp_feed *feed = t->job.feed;
    mp_split_desc d;
    mp_split_report r;
    int64_t split = 0;
    int64_t n_units = t->file_unit ? t->n_file_units : t->job.table.n_files;
    for (int64_t unit = 0; unit < n_units; unit++) {
        mp_map_shard s = {.first = split, .take = -1};
        for (; split < n_splits; split++) {
            mp_feed_get(feed, split, &d, &r);
            if ((t->file_unit ? t->file_unit[d.file] : d.file) != unit) break;
            s.n++;
            s.rows += r.n_rows;
            s.bytes += d.len;
        }
        mp_status st = add_shard(t, &s, err);
        if (st != MP_OK) return st;
    }
    return MP_OK;
}

static mp_status cut(mp_map_table *t, mp_error *err) {
    int64_t n = mp_feed_splits(t->job.feed);
    if (t->file_unit || t->per_file) return cut_by_file(t, n, err);
    return t->rows > 0 ? cut_by_rows(t, n, err) : cut_by_bytes(t, n, err);
}

/* ---- the pass that numbers the rows ---- */

static mp_status ignore_rows(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    (void)ctx, (void)split, (void)in, (void)err;
    return MP_OK;
}

static mp_status count_rows(mp_job *j, mp_flow_verdict *verdict, mp_error *err) {
    mp_scan_consumer consumer = {.ctx = j, .batch = ignore_rows, .most_rows = -1};
    mp_scan_plan bare = j->plan;
    bool fixed = false;
    for (int i = 0; i < bare.n_wanted; i++)
        fixed = fixed || bare.wanted[i].use == MP_CSV_TYPED;
    /* values that are only passed on need not be looked at to be counted */
    if (!fixed) bare.n_wanted = 0;
    return mp_scan_pass(j->scan, fixed ? &j->plan : &bare, &consumer, j->seen, verdict, err);
}

/* Splits no larger than a shard should be. */
static void choose_splits(mp_map_table *t) {
    mp_table *table = &t->job.table;
    int64_t total = 0, want = SHARD_BYTES;
    for (int f = 0; f < table->n_files; f++)
        if (table->files[f].text_bytes > table->files[f].data_offset)
            total += table->files[f].text_bytes - table->files[f].data_offset;
    if (t->parts > 0) want = (total + t->parts - 1) / t->parts;
    if (want < 1) want = 1;
    /* many files: shards begin anywhere in them */
    if (table->n_files > 1 && want > 16) want = want / 16 + 1;
    if (t->file_unit || t->per_file) return;
    if (t->rows > 0) { /* a shard's first row is looked for from the beginning of its split on */
        double shard = (double)t->rows * table->row_bytes;
        want = shard < ROWS_SPLIT_MIN ? ROWS_SPLIT_MIN : (int64_t)shard;
        if (shard >= (double)table->split_bytes || want > table->split_bytes) return;
    }
    table->split_bytes = want;
}

/* What a unit cannot read by itself from the middle on. */
static bool any_data(const mp_table *table) {
    for (int f = 0; f < table->n_files; f++)
        if (table->files[f].by_data || table->files[f].solid) return true;
    return false;
}

/* Collective: the table; what only rank 0 can read, or only once, is copied into the run's folder
 * first. */
static mp_status open_table(mp_map_table *t, mp_error *err) {
    mp_status st = t->file_unit ? MP_OK : mp_map_use_copies(t, err);
    if (st == MP_OK) st = mp_job_open_table(&t->job, err);
    if (st != MP_OK || !any_data(&t->job.table)) return st;
    st = mp_map_copy_streams(t, err);
    mp_job_end(&t->job);
    mp_job_begin(&t->job, t->c, &t->spec, t->mem, t->report);
    return st == MP_OK ? mp_job_open_table(&t->job, err) : st;
}

/* Places of the key columns in batches. */
static mp_status find_keys(mp_map_table *t, mp_error *err) {
    if (t->n_keys == 0) return MP_OK;
    t->key_at = mp_arena_alloc(&t->arena, (size_t)t->n_keys * sizeof *t->key_at, sizeof(int));
    if (!t->key_at) return mp_mem_error(t->mem, (size_t)t->n_keys * sizeof *t->key_at, err);
    for (int k = 0; k < t->n_keys; k++) {
        t->key_at[k] = mp_schema_find(&t->schema, t->keys[k]);
        if (t->key_at[k] < 0)
            return mp_error_set(err, MP_FAILED, "no such column", "%s", t->keys[k]);
    }
    return MP_OK;
}

/* The form of the shards' text. */
static mp_status name_columns(mp_map_table *t, mp_error *err) {
    const mp_query *q = &t->job.q;
    size_t n = (size_t)q->n_outputs;
    const char **names = mp_arena_alloc(&t->arena, n * sizeof *names + 1, sizeof *names);
    if (!names) return mp_mem_error(t->mem, n * sizeof *names, err);
    mp_field *fields = mp_arena_alloc(&t->arena, n * sizeof *fields + 1, 8);
    if (!fields) return mp_mem_error(t->mem, n * sizeof *fields, err);
    for (size_t i = 0; i < n; i++) {
        const mp_plan_value *v = &t->job.plan.values[i];
        names[i] = q->outputs[i].name;
        fields[i] = (mp_field){.name = names[i], .type = v->type, .ts_sep = v->ts_sep};
        /* all columns are passed on, in order; the one behind them is the name of the file */
        if (v->type == MP_DECIMAL && (int)i < t->job.table.n_columns)
            fields[i].scale = t->job.seen[i].scale;
    }
    t->schema = (mp_schema){.n = (int32_t)n, .fields = fields};
    t->format = (mp_text_args){.format = (mp_text_format)t->spec.output.format,
                               .delimiter = ',',
                               .n_cols = q->n_outputs,
                               .names = names};
    return find_keys(t, err);
}

mp_status mp_map_table_open(mp_map_table *t, mp_error *err) {
    mp_job *j = &t->job;
    mp_error mine = MP_ERROR_INIT;
    mp_status st = open_table(t, err);
    if (st != MP_OK) return st;
    if (any_data(&j->table)) {
        mp_error_set(&mine, MP_IO, "cannot read the inputs on every rank",
                     "a rank does not see the run's folder");
        mp_error_hint(&mine, "--run-dir DIR names a folder that all ranks see");
        st = MP_IO;
    }
    st = mp_comm_agree_on(t->c, st, &mine, err);
    if (st == MP_OK) choose_splits(t);
    if (st == MP_OK) st = mp_job_make_plan(j, err);
    if (st == MP_OK) st = mp_job_open_rejects(j, err);
    if (st == MP_OK) st = mp_job_start_scan(j, err);
    j->pass = count_rows;
    if (st == MP_OK) st = mp_job_run_passes(j, err);
    if (j->scan) mp_job_note_scan(j);
    if (st == MP_OK && t->bisects) { /* they are written when all are known */
        st = mp_scan_rejects(j->scan, &t->rejects, &t->n_bad, &mine);
        st = mp_comm_agree_on(t->c, st, &mine, err);
    } else if (st == MP_OK) {
        st = mp_job_write_rejects(j, &t->n_bad, err);
    }
    if (st == MP_OK) st = mp_comm_agree_on(t->c, name_columns(t, &mine), &mine, err);
    if (st != MP_OK) return st;
    if (mp_comm_rank(t->c) == 0) {
        st = cut(t, &mine);
        t->n_shards = (int64_t)(t->shards.len / sizeof(mp_map_shard));
    }
    return mp_comm_agree_on(t->c, st, &mine, err);
}

mp_map_shard mp_map_shard_of(const mp_map_table *t, int64_t unit) {
    mp_map_shard s;
    memcpy(&s, t->shards.data + (size_t)unit * sizeof s, sizeof s);
    return s;
}

void mp_map_table_describe(const mp_map_table *t, int64_t unit, mp_buf *desc) {
    mp_map_shard s = mp_map_shard_of(t, unit);
    mp_buf_i64(desc, s.skip);
    mp_buf_i64(desc, s.take);
    mp_buf_i64(desc, s.rows);
    mp_buf_u32(desc, (uint32_t)s.n);
    for (int64_t i = s.first; i < s.first + s.n; i++) {
        mp_split_desc d;
        mp_split_report r;
        mp_buf one;
        mp_feed_get(t->job.feed, i, &d, &r);
        mp_buf_init(&one, NULL);
        mp_split_desc_put(&one, &d);
        mp_buf_i64(desc, i);
        mp_buf_i64(desc, t->bisects ? mp_feed_rows_before(t->job.feed, i) : 0);
        mp_buf_u8(desc, t->may_be_raw && r.n_bad == 0);
        mp_buf_bytes(desc, one.data, one.len);
        if (one.failed) desc->failed = true;
        mp_buf_release(&one);
    }
}

/* ---- every rank: the text of a shard ---- */

/* Where the chosen rows come from, for --rejects. */
static mp_status note_places(mp_map_table *t, const mp_batch *in, const uint32_t *sel, int32_t n,
                             mp_error *err) {
    for (int32_t k = 0; k < n; k++) {
        uint32_t i = sel[k];
        mp_map_place place = {in->file_no, t->rows_before + in->first_row + 1, -1};
        place.row += in->row_no ? in->row_no[i] : i;
        if (in->rec) place.offset = in->base + in->rec[i];
        mp_buf_put(t->pick.places, &place, sizeof place);
    }
    return mp_buf_check(t->pick.places, err);
}

/* The rows of the batch that belong to the shard, and are picked. */
static mp_status choose_rows(mp_map_table *t, const mp_batch *in, mp_batch *out, mp_error *err) {
    uint32_t sel[MP_BATCH_ROWS];
    int64_t n = out->n_rows, low = t->skip < n ? t->skip : n;
    int64_t high = t->take >= 0 && t->take < n - low ? low + t->take : n;
    int32_t chosen = 0;
    t->skip -= low;
    if (t->take >= 0) t->take -= high - low;
    if (low == 0 && high == n && !t->pick.on) return MP_OK;
    mp_status st =
        mp_map_pick_rows(&t->pick, out, t->key_at, t->n_keys, low, high, sel, &chosen, err);
    if (st == MP_OK && t->pick.places) st = note_places(t, in, sel, chosen, err);
    return st == MP_OK ? mp_batch_take(out, sel, chosen, &t->job.batch_arena, out, err) : st;
}

static mp_status on_batch(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    mp_map_table *t = ctx;
    mp_job *j = &t->job;
    mp_batch out;
    (void)split;
    if (t->skip >= in->n_rows) {
        t->skip -= in->n_rows;
        return MP_OK;
    }
    mp_arena_reset(&j->batch_arena);
    mp_status st = mp_job_values(j, j->plan.values, j->q.n_outputs, in, &out, err);
    if (st == MP_OK) st = choose_rows(t, in, &out, err);
    if (st != MP_OK || out.n_rows == 0) return st;
    if (t->take_rows) return t->take_rows(t->take_ctx, &out, err);
    mp_buf_clear(&t->row_ends);
    mp_text_rows(&t->format, &out, &t->text, t->pick.places ? &t->row_ends : NULL);
    st = mp_buf_check(&t->text, err);
    return st == MP_OK ? mp_buf_check(&t->row_ends, err) : st;
}

static const mp_scan_consumer *consumer_of(mp_map_table *t) {
    t->consumer = (mp_scan_consumer){.ctx = t, .batch = on_batch, .most_rows = -1};
    return &t->consumer;
}

mp_status mp_map_shard_begin(mp_map_table *t, mp_rd *desc, mp_error *err) {
    t->skip = mp_rd_i64(desc);
    t->take = mp_rd_i64(desc);
    t->shard_rows = mp_rd_i64(desc);
    t->n_left = mp_rd_u32(desc);
    t->splits = *desc;
    t->in_split = t->raw.on = false;
    t->pick = (mp_map_pick){.n = -1};
    mp_buf_clear(&t->text);
    if (desc->bad)
        return mp_error_set(err, MP_FAILED, "broken unit", "its description is cut short");
    if (!t->take_rows) mp_text_header(&t->format, &t->text);
    mp_status st = mp_buf_check(&t->text, err);
    return st == MP_OK ? mp_scan_read_begin(t->job.scan, &t->job.plan, consumer_of(t), err) : st;
}

/* A batch more, *end: there is none. */
static mp_status read_more(mp_map_table *t, bool *end, mp_error *err) {
    mp_status st = MP_OK;
    *end = false;
    if (!t->in_split) {
        if (t->n_left == 0 || t->take == 0) {
            *end = true;
            return MP_OK;
        }
        t->n_left--;
        int64_t split = mp_rd_i64(&t->splits);
        t->rows_before = mp_rd_i64(&t->splits);
        bool raw = mp_rd_u8(&t->splits) != 0;
        size_t n = 0;
        const void *d = mp_rd_bytes(&t->splits, &n);
        if (t->splits.bad || !d)
            return mp_error_set(err, MP_FAILED, "broken unit", "its description is cut short");
        if (raw) st = mp_map_raw_begin(&t->raw, &t->job.table, split, d, n, err);
        if (t->raw.on || st != MP_OK) return st;
        st = mp_scan_read_split(t->job.scan, split, d, n, err);
        t->in_split = st == MP_OK;
    }
    bool done = false;
    if (st == MP_OK) st = mp_scan_read_step(t->job.scan, &done, err);
    if (done || t->take == 0) t->in_split = false;
    return st;
}

mp_status mp_map_shard_rows(mp_map_table *t, bool *end, mp_error *err) {
    return read_more(t, end, err);
}

void mp_map_shard_pick(mp_map_table *t, const mp_map_pick *pick) {
    t->pick = *pick;
}

/* The next rows as bytes of the file; *n 0: there are none in this split, or they have to be read. */
static mp_status give_raw(mp_map_table *t, const uint8_t **bytes, size_t *n, mp_error *err) {
    mp_map_raw *r = &t->raw;
    bool over;
    mp_status st = mp_map_raw_next(r, &t->job.table, &t->skip, &t->take, bytes, n, &over, err);
    if (st != MP_OK || *n > 0 || over) return st;
    t->skip += r->rows;
    st = mp_scan_read_split(t->job.scan, r->split, r->desc, r->len, err);
    t->in_split = st == MP_OK;
    return st;
}

mp_status mp_map_shard_next(mp_map_table *t, const uint8_t **bytes, size_t *n, mp_error *err) {
    bool end = false;
    if (t->given) mp_buf_clear(&t->text);
    t->given = t->raw.of_file = false;
    *n = 0;
    while (t->text.len == 0 && !end) {
        mp_status st = t->raw.on ? give_raw(t, bytes, n, err) : read_more(t, &end, err);
        if (st != MP_OK || *n > 0) return st;
    }
    *bytes = t->text.data;
    *n = t->text.len;
    t->given = true;
    return MP_OK;
}

void mp_map_shard_end(mp_map_table *t) {
    t->raw.on = false;
    if (t->job.scan) mp_scan_read_end(t->job.scan);
    mp_buf_clear(&t->text);
    t->given = false;
}
