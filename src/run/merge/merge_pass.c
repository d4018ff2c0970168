/* merge_pass.c - the first pass of a sorted merge: which keys each split of the inputs has, and a sample of
 * all. What cannot be read again, or from its front alone (streams, what rank 0 reads for all, solid
 * packed files), goes to scratch as sorted runs.
 * Invariant: every row of the pass is in a split that is listed, or in a run. A key that is listed is cut
 * to its beginning, so a split's greatest key may stand for greater ones that begin like it; those of the
 * sample are whole, since rows may differ far behind. */
#include "run/merge/merge_priv.h"

enum {
    SHARE_MAX = 64 << 20, /* more in memory is no faster */
    SHARE_MIN = 1 << 20,
    ROW_BYTES = 34,   /* of a row beside key and text: what sorting takes, and lengths */
    MEASURE_ONE = 16, /* so many batches, of one of which the texts are measured */
    SAMPLE_PART = 16, /* of the share, for the keys of the sample */
    SPLIT_MIN = 256 << 10,
    MOST_SPLITS = 1 << 15
};

static int64_t share_of(const mp_mem *mem) {
    int64_t share = mem->limit_bytes ? (mem->limit_bytes - mem->used_bytes) / 4 : SHARE_MAX;
    return share < SHARE_MIN ? SHARE_MIN : share < SHARE_MAX ? share : SHARE_MAX;
}

/* Where a round ends, splits of all files are read that the next round reads again: they have to be
 * small beside the rows of a round, of which about a half are text. */
void mp_merge_opened(mp_job *j) {
    mp_merge *m = j->ctx;
    mp_table *t = &j->table;
    m->share_bytes = share_of(j->mem);
    int64_t bytes = m->share_bytes / 16 / (t->n_files + 1);
    if (bytes < t->text_bytes / MOST_SPLITS) bytes = t->text_bytes / MOST_SPLITS;
    if (bytes < SPLIT_MIN) bytes = SPLIT_MIN;
    if (bytes < t->split_bytes) t->split_bytes = bytes;
}

/* ---- rows that are kept ---- */

mp_status mp_merge_keep_rest(mp_merge *m, mp_error *err) {
    mp_job *j = m->j;
    return j->rows.n_rows ? mp_merge_runs_add(&m->runs, &j->rows, &j->row_order, err) : MP_OK;
}

mp_status mp_merge_keep(mp_merge *m, const mp_batch *values, mp_error *err) {
    mp_job *j = m->j;
    mp_status st = mp_job_keep_batch(j, values, true, err);
    int64_t sorting = j->rows.n_rows * 2 * (int64_t)sizeof(mp_row_entry);
    return st || j->rows.n_bytes + sorting < m->share_bytes ? st : mp_merge_keep_rest(m, err);
}

/* ---- the sample ---- */

mp_status mp_merge_thin(mp_merge *m, double step, mp_error *err) {
    mp_status st = MP_OK;
    for (; m->step < step && !st; m->step *= 2) {
        mp_rows half;
        mp_row row;
        int64_t i = 0;
        mp_rows_init(&half, m->sample.pool);
        for (const mp_row_chunk *c = NULL; (c = mp_rows_next_chunk(&m->sample, c));)
            for (const uint8_t *at = mp_row_chunk_begin(c);
                 !st && mp_row_read(&at, mp_row_chunk_end(&m->sample, c), &row);)
                if (i++ % 2) st = mp_rows_add_row(&half, &row, 0, err);
        mp_rows_release(&m->sample);
        m->sample = half;
    }
    return st;
}

static size_t cut_len(size_t len) {
    return len < MP_MERGE_KEY_BYTES ? len : MP_MERGE_KEY_BYTES;
}

/* The sample is to become smaller: it has as many keys as it may have, or as many bytes. */
static bool is_full(const mp_merge *m) {
    if (m->sample.n_rows < 2) return false;
    return m->sample.n_rows > MP_MERGE_SAMPLES / mp_comm_size(m->j->c) ||
           m->sample.n_bytes > m->share_bytes / SAMPLE_PART;
}

/* A row of so many bytes in memory, which may be worth several keys. */
static mp_status sample_row(mp_merge *m, double bytes, const uint8_t *key, size_t len,
                            mp_error *err) {
    m->weight += bytes;
    m->owed += bytes;
    mp_status st = MP_OK;
    while (m->owed >= m->step && !st) {
        m->owed -= m->step;
        st = mp_rows_add(&m->sample, key, len, NULL, 0, 0, err);
        if (!st && is_full(m)) st = mp_merge_thin(m, 2 * m->step, err);
    }
    return st;
}

/* Bytes of the input that row i of the batch is, 1 where rows have no bytes of their own. */
static double record_bytes(const mp_batch *in, int32_t i) {
    if (!in->rec || in->n_rows < 2) return 1;
    if (i == in->n_rows - 1) i--;
    return in->rec[i + 1] > in->rec[i] ? (double)(in->rec[i + 1] - in->rec[i]) : 1;
}

/* How long are texts beside the rows' records? */
static mp_status measure(mp_merge *m, const mp_batch *values, mp_error *err) {
    if (m->n_batches++ % MEASURE_ONE) return MP_OK;
    mp_status st = mp_job_texts(m->j, values, NULL, values->n_rows, err);
    m->text_bytes += (double)m->j->text.len;
    for (int32_t i = 0; i < values->n_rows; i++)
        m->record_bytes += record_bytes(values, i);
    return st;
}

/* ---- a split ---- */

static void begin_split(mp_merge *m, int64_t split) {
    m->split = split;
    m->split_rows = 0;
    mp_buf_clear(&m->least);
    mp_buf_clear(&m->most);
}

static void set_key(mp_buf *b, const uint8_t *key, size_t len) {
    mp_buf_clear(b);
    mp_buf_put(b, key, cut_len(len));
}

static mp_status note_rows(mp_merge *m, const mp_batch *values, const size_t *ends, mp_error *err) {
    mp_status st = MP_OK;
    double text = m->record_bytes > 0 ? m->text_bytes / m->record_bytes : 1;
    const uint8_t *key = m->j->keys.data;
    for (int32_t i = 0; i < values->n_rows && !st; i++) {
        size_t len = ends[i] - (i ? ends[i - 1] : 0), cut = cut_len(len);
        bool first = m->split_rows++ == 0;
        if (first || mp_row_key_cmp(key, cut, m->least.data, m->least.len) < 0)
            set_key(&m->least, key, len);
        if (first || mp_row_key_cmp(key, cut, m->most.data, m->most.len) > 0)
            set_key(&m->most, key, len);
        double bytes = (double)(len + ROW_BYTES) + text * record_bytes(values, i);
        st = sample_row(m, bytes, key, len, err);
        key += len;
    }
    m->n_rows += values->n_rows;
    if (!st) st = mp_buf_check(&m->least, err);
    return st ? st : mp_buf_check(&m->most, err);
}

static mp_status on_batch(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    mp_merge *m = ctx;
    mp_job *j = m->j;
    mp_batch values;
    size_t *ends;
    if (in->n_rows == 0) return MP_OK;
    if (m->split != split) begin_split(m, split);
    mp_arena_reset(&j->batch_arena);
    mp_status st = mp_job_values(j, j->plan.values, j->plan.n_values, in, &values, err);
    if (!st) st = measure(m, &values, err);
    if (!st) st = mp_job_keys(j, &values, true, &ends, err);
    if (!st) st = note_rows(m, &values, ends, err);
    const mp_table_file *file = &j->table.files[in->file_no];
    if (st || !(file->by_data || file->solid)) return st;
    m->split_rows = 0;
    return mp_merge_keep(m, &values, err);
}

static mp_status on_split_end(void *ctx, int64_t split, mp_error *err) {
    mp_merge *m = ctx;
    if (m->split == split && m->split_rows) {
        mp_buf_i64(&m->splits, split);
        mp_buf_i64(&m->splits, m->split_rows);
        mp_buf_bytes(&m->splits, m->least.data, m->least.len);
        mp_buf_bytes(&m->splits, m->most.data, m->most.len);
    }
    begin_split(m, -1);
    return mp_buf_check(&m->splits, err);
}

static mp_status finish_step(void *ctx, bool *done, mp_error *err) {
    *done = true;
    return mp_merge_keep_rest(ctx, err);
}

/* ---- the pass ---- */

static mp_status begin(mp_merge *m, mp_error *err) {
    mp_job *j = m->j;
    begin_split(m, -1);
    mp_buf_clear(&m->splits);
    mp_rows_release(&m->sample);
    mp_merge_runs_clear(&m->runs);
    m->step = 4096;
    m->owed = m->step; /* so that the first row is in the sample */
    m->weight = m->text_bytes = m->record_bytes = 0;
    m->n_batches = 0;
    m->n_rows = 0;
    j->top = -1;
    mp_status st = mp_job_sort_by_query(j, err);
    return st ? st : mp_job_begin_rows(j, err);
}

mp_status mp_merge_pass(mp_job *j, mp_flow_verdict *verdict, mp_error *err) {
    mp_merge *m = j->ctx;
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_job_agree(j, begin(m, &mine), &mine, err);
    if (st) return st;
    const mp_scan_consumer consumer = {.ctx = m,
                                       .batch = on_batch,
                                       .split_end = on_split_end,
                                       .finish_step = finish_step,
                                       .most_rows = -1};
    return mp_scan_pass(j->scan, &j->plan, &consumer, j->seen, verdict, err);
}
