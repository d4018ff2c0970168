/* merge_sort.c - a sorted merge behind its first pass: keys are cut into cells by a sample, cells are taken
 * in rounds, each rank some neighbours at a time. A rank reads the splits that have rows in its cells, keeps
 * those rows, sorts them and writes them. Where this would read a split again and again (it is not in order,
 * or there are very many files), its rows go to scratch first, as part of a sorted run, and in each round to
 * the rank of their cell.
 * Invariant: a cell's rows are all with one rank before the first of them is written. The cuts show nowhere
 * in the answer, since no two keys are equal: behind the values is the place in the input. */
#include <stdlib.h>
#include <string.h>

#include "run/merge/merge_priv.h"

enum {
    CELL_BYTES = 6 << 20, /* sorted in the caches */
    MOST_CELLS = 4096,
    MOST_READS = 2 /* of a split, before it goes to scratch */
};

/* ---- cells ---- */

static int64_t cell_of(const mp_merge *m, const uint8_t *key, size_t len) {
    const mp_row row = {.key = key, .key_len = (uint32_t)len};
    return mp_row_ranges_find(&m->cuts, &row);
}

/* The last cell of rows whose key begins like this one, which may be cut. */
static int64_t last_cell_of(const mp_merge *m, const uint8_t *key, size_t len) {
    int64_t cell = cell_of(m, key, len);
    if (len < MP_MERGE_KEY_BYTES) return cell;
    for (; cell < m->cuts.n; cell++) {
        const mp_row *cut = &m->cuts.key[cell];
        if (cut->key_len < len || memcmp(cut->key, key, len) != 0) break;
    }
    return cell;
}

/* Cells of all ranks in all rounds: as many to each, more where a share would not hold its own. weight: of
 * all rows. */
static void count_cells(mp_merge *m, int64_t weight) {
    int64_t size = mp_comm_size(m->j->c), most = MOST_CELLS / size;
    int64_t rounds = weight / m->share_bytes / size + 1, sampled = MP_MERGE_SAMPLES / 2 / size;
    if (rounds > sampled) rounds = sampled > 0 ? sampled : 1;
    m->n_rounds = rounds;
    if (most < rounds) most = rounds;
    int64_t share = weight / m->n_rounds / size;
    m->own = share / CELL_BYTES + 1;
    if (m->own * m->n_rounds > most) m->own = most / m->n_rounds;
    if (m->own < 1) m->own = 1;
}

static mp_status cut_cells(mp_merge *m, mp_error *err) {
    mp_job *j = m->j;
    mp_error mine = MP_ERROR_INIT;
    int64_t least = m->share_bytes, most = (int64_t)m->step,
            sums[2] = {(int64_t)m->weight, m->n_rows};
    mp_status st = mp_comm_allreduce(j->c, &least, 1, MP_MIN, err);
    if (!st) st = mp_comm_allreduce(j->c, &most, 1, MP_MAX, err);
    if (!st) st = mp_comm_allreduce(j->c, sums, 2, MP_SUM, err);
    if (st) return st;
    m->share_bytes = least;
    m->n_rows = sums[1];
    count_cells(m, sums[0]);
    st = mp_job_agree(j, mp_merge_thin(m, (double)most, &mine), &mine, err);
    int64_t n = m->n_rounds * m->own * mp_comm_size(j->c);
    if (!st) st = mp_job_cut_keys(j, &m->sample, n, &m->cuts, err);
    mp_rows_release(&m->sample);
    return st;
}

/* ---- the splits of all ranks ---- */

/* This rank's: split, rows, first and last cell. */
static mp_status put_splits(mp_merge *m, mp_buf *out, mp_error *err) {
    mp_rd rd = mp_rd_of(m->splits.data, m->splits.len);
    while (mp_rd_left(&rd)) {
        size_t len = 0;
        mp_buf_i64(out, mp_rd_i64(&rd));
        mp_buf_i64(out, mp_rd_i64(&rd));
        const uint8_t *least = mp_rd_bytes(&rd, &len);
        mp_buf_i64(out, cell_of(m, least, len));
        const uint8_t *most = mp_rd_bytes(&rd, &len);
        mp_buf_i64(out, last_cell_of(m, most, len));
    }
    mp_buf_release(&m->splits);
    return mp_buf_check(out, err);
}

/* Rank 0: all ranks' splits, and what they are. */
static mp_status describe_splits(const mp_merge *m, const mp_buf *all, mp_buf *out, mp_error *err) {
    mp_rd rd, ranks = mp_rd_of(all->data, all->len);
    while (mp_comm_gathered(&ranks, &rd)) {
        while (mp_rd_left(&rd) && !rd.bad) {
            mp_split_desc d;
            mp_split_report r;
            mp_buf desc;
            int64_t split = mp_rd_i64(&rd);
            mp_feed_get(m->j->feed, split, &d, &r);
            mp_buf_init(&desc, NULL);
            mp_split_desc_put(&desc, &d);
            mp_buf_i64(out, split);
            for (int i = 0; i < 3; i++)
                mp_buf_i64(out, mp_rd_i64(&rd));
            mp_buf_bytes(out, desc.data, desc.len);
            out->failed = out->failed || desc.failed;
            mp_buf_release(&desc);
        }
    }
    return mp_buf_check(out, err);
}

static int by_split(const void *a, const void *b) {
    const mp_merge_part *x = a, *y = b;
    return (x->split > y->split) - (x->split < y->split);
}

static mp_status read_parts(mp_merge *m, mp_error *err) {
    mp_rd rd = mp_rd_of(m->list.data, m->list.len);
    while (mp_rd_left(&rd)) {
        mp_merge_part p = {.split = mp_rd_i64(&rd), .n_rows = mp_rd_i64(&rd)};
        p.first = mp_rd_i64(&rd);
        p.last = mp_rd_i64(&rd);
        p.desc = mp_rd_bytes(&rd, &p.desc_len);
        if (rd.bad) return mp_error_set(err, MP_FAILED, "broken splits", "their list is cut short");
        mp_buf_put(&m->parts, &p, sizeof p);
    }
    m->n_parts = (int64_t)(m->parts.len / sizeof(mp_merge_part));
    if (m->n_parts) qsort(m->parts.data, (size_t)m->n_parts, sizeof(mp_merge_part), by_split);
    return mp_buf_check(&m->parts, err);
}

static const mp_merge_part *part_of(const mp_merge *m, int64_t i) {
    return (const mp_merge_part *)(const void *)m->parts.data + i;
}

static mp_status share_splits(mp_merge *m, mp_error *err) {
    mp_job *j = m->j;
    mp_error mine = MP_ERROR_INIT;
    mp_buf own, all;
    mp_buf_init(&own, j->mem);
    mp_buf_init(&all, j->mem);
    mp_status st = mp_job_agree(j, put_splits(m, &own, &mine), &mine, err);
    if (!st) st = mp_comm_gather(j->c, own.data, own.len, &all, err);
    if (!st) {
        mp_status listed = MP_OK;
        if (mp_comm_rank(j->c) == 0) listed = describe_splits(m, &all, &m->list, &mine);
        st = mp_job_agree(j, listed, &mine, err);
    }
    if (!st) st = mp_comm_bcast(j->c, &m->list, err);
    if (!st) st = mp_job_agree(j, read_parts(m, &mine), &mine, err);
    mp_buf_release(&own);
    mp_buf_release(&all);
    return st;
}

/* ---- splits that go to scratch ---- */

static bool is_wide(const mp_merge *m, const mp_merge_part *p) {
    return p->last / m->own - p->first / m->own >= MOST_READS;
}

static mp_status next_wide(void *ctx, mp_buf *desc, mp_split_state *state, mp_error *err) {
    mp_merge *m = ctx;
    while (m->next < m->n_parts && !is_wide(m, part_of(m, m->next)))
        m->next++;
    *state = m->next < m->n_parts ? MP_SPLIT_GOT : MP_SPLIT_NONE;
    if (*state == MP_SPLIT_GOT) mp_buf_i64(desc, m->next++);
    return mp_buf_check(desc, err);
}

static mp_status begin_wide(void *ctx, int64_t split, const uint8_t *desc, size_t len,
                            mp_error *err) {
    mp_merge *m = ctx;
    mp_rd rd = mp_rd_of(desc, len);
    int64_t i = mp_rd_i64(&rd);
    (void)split;
    if (rd.bad || i < 0 || i >= m->n_parts)
        return mp_error_set(err, MP_FAILED, "broken split", "its description is cut short");
    const mp_merge_part *p = part_of(m, i);
    return mp_scan_read_split(m->j->scan, p->split, p->desc, p->desc_len, err);
}

static mp_status step_wide(void *ctx, bool *done, mp_error *err) {
    return mp_scan_read_step(((mp_merge *)ctx)->j->scan, done, err);
}

static mp_status end_wide(void *ctx, mp_buf *report, mp_error *err) {
    (void)ctx, (void)report, (void)err;
    return MP_OK;
}

static mp_status finish_wide(void *ctx, bool *done, mp_error *err) {
    *done = true;
    return mp_merge_keep_rest(ctx, err);
}

static mp_status keep_batch(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    mp_merge *m = ctx;
    mp_job *j = m->j;
    mp_batch values;
    (void)split;
    mp_arena_reset(&j->batch_arena);
    mp_status st = mp_job_values(j, j->plan.values, j->plan.n_values, in, &values, err);
    return st ? st : mp_merge_keep(m, &values, err);
}

static mp_status spill(mp_merge *m, mp_error *err) {
    mp_job *j = m->j;
    mp_error mine = MP_ERROR_INIT;
    const mp_scan_consumer consumer = {.ctx = m, .batch = keep_batch, .most_rows = -1};
    mp_status st = mp_scan_read_begin(j->scan, &j->plan, &consumer, &mine);
    st = mp_job_agree(j, st, &mine, err);
    const mp_flow flow = {.name = "spill",
                          .ctx = m,
                          .mem = j->mem,
                          .next_split = next_wide,
                          .split_begin = begin_wide,
                          .split_step = step_wide,
                          .split_end = end_wide,
                          .finish_step = finish_wide};
    mp_flow_result result = {0};
    if (!st) st = mp_flow_execute(j->c, &flow, &result, err);
    j->report->mine.seconds += result.busy_seconds;
    mp_scan_read_end(j->scan);
    mp_row_pool_release(&j->row_pool);
    return st;
}

/* ---- rounds ---- */

typedef struct {
    mp_job_mover m; /* first */
    mp_merge *merge;
    mp_job_ranges cells;
    int64_t first; /* of them, among all */
    int64_t mine;  /* the first of this rank's */
    int64_t run;   /* of scratch, whose rows are taken; -1: all are */
    int64_t part;  /* the next split to be read */
    bool in_part;
} round_state;

/* A row of scratch to its cell. */
static mp_status take_row(void *ctx, const mp_row *row, bool *over, mp_error *err) {
    round_state *r = ctx;
    int64_t cell = cell_of(r->merge, row->key, row->key_len) - r->first, own = r->merge->own;
    *over = cell >= r->cells.n;
    if (*over) return MP_OK;
    if (cell < 0) return mp_error_set(err, MP_FAILED, "broken rows", "a run is not in order");
    return mp_job_move_row(&r->m, (int)(cell / own), (uint32_t)(cell % own), row, err);
}

/* Those rows of a split that are in this rank's cells. */
static mp_status take_batch(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    round_state *r = ctx;
    mp_job *j = r->m.j;
    mp_batch values;
    size_t *ends;
    uint32_t sel[MP_BATCH_ROWS];
    uint32_t cell[MP_BATCH_ROWS];
    int32_t n = 0;
    (void)split;
    mp_arena_reset(&j->batch_arena);
    mp_status st = mp_job_values(j, j->plan.values, j->plan.n_values, in, &values, err);
    if (!st) st = mp_job_keys(j, &values, true, &ends, err);
    for (int32_t i = 0; !st && i < values.n_rows; i++) {
        size_t from = i ? ends[i - 1] : 0;
        int64_t at = cell_of(r->merge, j->keys.data + from, ends[i] - from) - r->mine;
        sel[n] = (uint32_t)i;
        cell[n] = (uint32_t)at;
        n += at >= 0 && at < r->merge->own;
    }
    if (st || n == 0) return st;
    st = mp_job_texts(j, &values, n < values.n_rows ? sel : NULL, n, err);
    const int64_t *text_ends = (const int64_t *)(const void *)j->row_ends.data;
    for (int32_t k = 0; k < n && !st; k++) {
        size_t key = sel[k] ? ends[sel[k] - 1] : 0, text = k ? (size_t)text_ends[k - 1] : 0;
        st = mp_rows_add(&r->cells.rows[cell[k]], j->keys.data + key, ends[sel[k]] - key,
                         j->text.data + text, (size_t)text_ends[k] - text, MP_ROW_SLACK, err);
    }
    return st;
}

static bool is_wanted(const round_state *r, const mp_merge_part *p) {
    return !is_wide(r->merge, p) && p->first < r->mine + r->merge->own && p->last >= r->mine;
}

static mp_status step(void *ctx, bool *done, mp_error *err) {
    round_state *r = ctx;
    mp_merge *m = r->merge;
    *done = false;
    if (r->run >= 0) return mp_merge_runs_next(&m->runs, &r->run, take_row, r, err);
    if (r->in_part) {
        bool over = false;
        mp_status st = mp_scan_read_step(m->j->scan, &over, err);
        r->in_part = !over;
        return st;
    }
    while (r->part < m->n_parts && !is_wanted(r, part_of(m, r->part)))
        r->part++;
    *done = r->part == m->n_parts;
    if (*done) return MP_OK;
    const mp_merge_part *p = part_of(m, r->part++);
    r->in_part = true;
    return mp_scan_read_split(m->j->scan, p->split, p->desc, p->desc_len, err);
}

/* The number of rows it wrote is added to *n_rows. */
static mp_status run_round(mp_merge *m, round_state *r, int64_t *n_pieces, int64_t *n_rows,
                           mp_error *err) {
    mp_job *j = m->j;
    mp_error mine = MP_ERROR_INIT;
    int64_t n = m->own * mp_comm_size(j->c);
    r->mine = r->first + m->own * mp_comm_rank(j->c);
    r->run = r->part = 0;
    r->in_part = false;
    mp_status st = mp_job_agree(j, mp_job_new_ranges(j, n, false, &r->cells, &mine), &mine, err);
    if (!st) st = mp_job_move(&r->m, "exchange", step, err);
    for (int64_t i = 0; i < r->cells.n_own; i++)
        *n_rows += r->cells.rows[i].n_rows;
    if (!st) st = mp_job_write_ranges(j, &r->cells, n_pieces, err);
    mp_job_release_ranges(j, &r->cells);
    r->first += n;
    return st;
}

/* Nobody reads the answer any more. */
static mp_status ask_closed(const mp_merge *m, int64_t *closed, mp_error *err) {
    bool here = mp_comm_rank(m->j->c) == 0 && mp_order_closed(mp_answer_order(m->j->answer));
    *closed = here;
    return mp_comm_allreduce(m->j->c, closed, 1, MP_MAX, err);
}

static mp_status run_rounds(mp_merge *m, mp_error *err) {
    mp_job *j = m->j;
    mp_error mine = MP_ERROR_INIT;
    int64_t n_pieces = 0, n_rows = 0, closed = 0;
    round_state r = {.m = {.j = j, .out = &r.cells}, .merge = m};
    const mp_scan_consumer consumer = {.ctx = &r, .batch = take_batch, .most_rows = -1};
    mp_status st = mp_scan_read_begin(j->scan, &j->plan, &consumer, &mine);
    st = mp_job_agree(j, st, &mine, err);
    for (int64_t i = 0; i < m->n_rounds && !closed && !st; i++) {
        st = run_round(m, &r, &n_pieces, &n_rows, err);
        if (!st) st = ask_closed(m, &closed, err);
    }
    mp_scan_read_end(j->scan);
    if (!st) st = mp_comm_allreduce(j->c, &n_rows, 1, MP_SUM, err);
    if (st || closed || n_rows == m->n_rows) return st;
    return mp_error_set(err, MP_IO, "an input changed while it was read",
                        "of %lld rows %lld were there the second time", (long long)m->n_rows,
                        (long long)n_rows);
}

/* ---- all of it ---- */

static mp_status note_runs(const mp_merge *m, mp_error *err) {
    mp_job *j = m->j;
    int64_t sums[2] = {m->runs.n_rows, m->runs.end};
    mp_status st = mp_comm_allreduce(j->c, sums, 2, MP_SUM, err);
    mp_report_phase *p = !st && sums[0] ? mp_report_phase_of(j->report, "spill") : NULL;
    if (!p) return st;
    p->rows = sums[0];
    p->bytes = sums[1];
    return MP_OK;
}

/* Reading splits again forgets the rows that the pass rejected. */
static mp_status sort_all(mp_merge *m, mp_error *err) {
    mp_job *j = m->j;
    mp_error mine = MP_ERROR_INIT;
    const mp_buf *rejects = mp_scan_save_rejects(j->scan);
    mp_buf kept;
    mp_buf_init(&kept, j->mem);
    mp_buf_put(&kept, rejects->data, rejects->len);
    mp_status st = mp_job_agree(j, mp_buf_check(&kept, &mine), &mine, err);
    if (!st) st = spill(m, err);
    if (!st) st = note_runs(m, err);
    if (!st) st = mp_job_begin_results(j, mp_comm_rank(j->c) == 0 ? m->n_rows : 0, err);
    if (!st) st = run_rounds(m, err);
    mp_status kept_st = mp_scan_restore_rejects(j->scan, kept.data, kept.len, &mine);
    if (!st) st = mp_job_agree(j, kept_st, &mine, err);
    mp_buf_release(&kept);
    return st;
}

mp_status mp_merge_write(mp_job *j, mp_error *err) {
    mp_merge *m = j->ctx;
    mp_status st = cut_cells(m, err);
    if (!st) st = share_splits(m, err);
    return st ? st : sort_all(m, err);
}
