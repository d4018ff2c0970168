/* query_sort.c - rows that are kept and sorted: by the scan, or as group results; over all ranks by
 * sampled splitters.
 * Invariant: the sort keys end with what makes every row's place unique
 * (position, or the group's keys), so the order of the answer does not depend on the ranks. */
#include "run/fault.h"
#include "run/query_priv.h"

enum { SAMPLES_PER_RANK = 128, MOVE_ROWS = 2048 };

/* ---- rows of the scan ---- */

static void attach(void *ctx, mp_flow_run *run) {
    ((mp_job *)ctx)->run = run;
}

mp_status mp_job_prune(mp_job *j, int64_t at_least, mp_error *err) {
    if (j->top < 0 || mp_rows_count(j->rows) <= at_least) return MP_OK;
    return mp_rows_keep_first(j->rows, j->sort_keys, j->n_sort_keys, j->top, err);
}

static mp_status on_batch(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    (void)split;
    mp_job *j = ctx;
    mp_batch out;
    mp_arena_reset(&j->batch_arena);
    mp_status st = mp_job_values(j, j->plan.values, j->plan.n_values, in, &out, err);
    if (!st) st = mp_rows_append(j->rows, &out, err);
    return st ? st : mp_job_prune(j, 2 * j->top + 4 * MP_BATCH_ROWS, err);
}

static mp_status finish_step(void *ctx, bool *done, mp_error *err) {
    *done = true;
    mp_job *j = ctx;
    return mp_job_prune(j, j->top, err);
}

int64_t mp_job_top(const mp_query *q) {
    if (q->limit_rows < 0 || q->offset_rows > MP_TOP_ROWS) return -1;
    int64_t n = q->limit_rows + q->offset_rows;
    return q->limit_rows <= MP_TOP_ROWS && n <= MP_TOP_ROWS ? n : -1;
}

/* An empty table for outputs and sort keys of the scan. */
static mp_status new_rows(mp_job *j, mp_error *err) {
    const mp_query *q = &j->q;
    size_t n = (size_t)j->plan.n_values;
    mp_type *types = mp_arena_alloc(&j->arena, n * sizeof *types + 1, 16);
    j->sort_keys = mp_arena_alloc(&j->arena, (size_t)q->n_sort * sizeof *j->sort_keys + 1, 16);
    if (!types || !j->sort_keys) return mp_mem_error(j->mem, n * sizeof *types, err);
    for (size_t i = 0; i < n; i++)
        types[i] = j->plan.values[i].direct >= 0 ? MP_STRING : j->plan.values[i].type;
    for (int i = 0; i < q->n_sort; i++)
        j->sort_keys[i] = (mp_sort_key){.col = q->n_outputs + i, .descending = q->descending[i]};
    j->n_sort_keys = q->n_sort;
    mp_rows_free(&j->rows);
    return mp_rows_new(types, (int)n, true, j->mem, &j->rows, err);
}

mp_status mp_job_keep_rows(mp_job *j, mp_flow_verdict *verdict, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    j->top = mp_job_top(&j->q);
    mp_status st = mp_job_agree(j, new_rows(j, &mine), &mine, err);
    if (st) return st;
    mp_scan_consumer consumer = {
        .ctx = j, .attach = attach, .batch = on_batch, .finish_step = finish_step, .most_rows = -1};
    return mp_scan_pass(j->scan, &j->plan, &consumer, j->seen, verdict, err);
}

/* ---- splitters ---- */

/* This rank's sample: every step-th of its rows, as wire bytes. */
static mp_status sample_rows(mp_job *j, int64_t total, mp_buf *out, mp_error *err) {
    int64_t n = mp_rows_count(j->rows), want = (int64_t)SAMPLES_PER_RANK * mp_comm_size(j->c);
    int64_t step = total / want > 1 ? total / want : 1;
    mp_status st = MP_OK;
    for (int64_t i = step / 2; i < n && !st; i += step)
        st = mp_rows_encode(j->rows, i, out, err);
    return st ? st : mp_buf_check(out, err);
}

/* Rank 0: size - 1 rows that cut the sample evenly. */
static mp_status choose_splitters(mp_job *j, const mp_buf *gathered, mp_buf *out, mp_error *err) {
    mp_rows *sample = NULL;
    mp_status st = mp_rows_new_like(j->rows, &sample, err);
    mp_rd rd = mp_rd_of(gathered->data, gathered->len);
    while (!st && mp_rd_left(&rd) && !rd.bad) {
        size_t n = (size_t)mp_rd_u64(&rd);
        const void *p = mp_rd_raw(&rd, n);
        if (p) st = mp_rows_decode(sample, p, n, err);
    }
    const uint32_t *order = NULL;
    if (!st) st = mp_rows_sort(sample, j->sort_keys, j->n_sort_keys, &order, err);
    int64_t n = st ? 0 : mp_rows_count(sample), size = mp_comm_size(j->c);
    for (int64_t r = 1; r < size && n && !st; r++)
        st = mp_rows_encode(sample, order[r * n / size], out, err);
    mp_rows_free(&sample);
    return st ? st : mp_buf_check(out, err);
}

/* The same splitters on every rank. Collective. */
static mp_status agree_on_splitters(mp_job *j, mp_rows **out, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_buf own, all;
    mp_buf_init(&own, j->mem);
    mp_buf_init(&all, j->mem);
    int64_t total = mp_rows_count(j->rows);
    mp_status st = mp_comm_allreduce(j->c, &total, 1, MP_SUM, err);
    if (!st) st = mp_job_agree(j, sample_rows(j, total, &own, &mine), &mine, err);
    if (!st) st = mp_comm_gather(j->c, own.data, own.len, &all, err);
    if (!st) {
        mp_buf_clear(&own);
        mp_status chosen = MP_OK;
        if (mp_comm_rank(j->c) == 0) chosen = choose_splitters(j, &all, &own, &mine);
        st = mp_job_agree(j, chosen, &mine, err);
    }
    if (!st) st = mp_comm_bcast(j->c, &own, err);
    if (!st) {
        mp_status made = mp_rows_new_like(j->rows, out, &mine);
        if (!made) made = mp_rows_decode(*out, own.data, own.len, &mine);
        st = mp_job_agree(j, made, &mine, err);
    }
    mp_buf_release(&own);
    mp_buf_release(&all);
    return st;
}

/* ---- moving rows ---- */

typedef struct {
    mp_job *j;
    mp_flow_run *run;
    mp_rows *to;
    mp_rows *splitters; /* NULL: everything to rank 0 */
    int64_t next;
    mp_buf record;
} mover;

static void mover_attach(void *ctx, mp_flow_run *run) {
    ((mover *)ctx)->run = run;
}

/* The rank whose range holds row i: the number of splitters that are not behind it. */
static int destination(const mover *m, int64_t i) {
    if (!m->splitters) return 0;
    int64_t low = 0, high = mp_rows_count(m->splitters);
    while (low < high) {
        int64_t mid = (low + high) / 2;
        if (mp_rows_compare(m->splitters, mid, m->j->rows, i, m->j->sort_keys, m->j->n_sort_keys) <=
            0)
            low = mid + 1;
        else
            high = mid;
    }
    return (int)low;
}

static mp_status move_step(void *ctx, bool *done, mp_error *err) {
    mover *m = ctx;
    int64_t n = mp_rows_count(m->j->rows), end = m->next + MOVE_ROWS < n ? m->next + MOVE_ROWS : n;
    mp_status st = MP_OK;
    for (; m->next < end && !st; m->next++) {
        mp_buf_clear(&m->record);
        st = mp_rows_encode(m->j->rows, m->next, &m->record, err);
        if (!st) st = mp_buf_check(&m->record, err);
        if (!st)
            st = mp_exchange_put(mp_flow_exchange(m->run), destination(m, m->next), m->record.data,
                                 m->record.len, err);
    }
    *done = m->next == n;
    return st;
}

static mp_status move_arrived(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    (void)src;
    return mp_rows_decode(((mover *)ctx)->to, bytes, len, err);
}

/* Collective: the kept rows where they belong. */
static mp_status move_rows(mp_job *j, bool to_head, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mover m = {.j = j};
    mp_buf_init(&m.record, j->mem);
    mp_status st = MP_OK;
    if (!to_head) st = agree_on_splitters(j, &m.splitters, err);
    if (!st) st = mp_job_agree(j, mp_rows_new_like(j->rows, &m.to, &mine), &mine, err);
    mp_flow flow = {.name = to_head ? "gather" : "exchange",
                    .ctx = &m,
                    .exchange_bytes = j->exchange_bytes,
                    .mem = j->mem,
                    .attach = mover_attach,
                    .finish_step = move_step,
                    .on_block = move_arrived};
    mp_flow_result result = {0};
    if (!st) st = mp_flow_execute(j->c, &flow, &result, err);
    j->report->mine.exchanged += result.exchange.bytes_sent;
    j->report->mine.seconds += result.busy_seconds;
    if (!st) {
        mp_rows_free(&j->rows);
        j->rows = m.to;
        m.to = NULL;
    }
    mp_rows_free(&m.to);
    mp_rows_free(&m.splitters);
    mp_buf_release(&m.record);
    return st;
}

/* ---- writing ---- */

static mp_status next_sorted(mp_job *j, mp_batch *out, bool *more, mp_error *err) {
    int64_t left = mp_rows_count(j->rows) - j->taken;
    int32_t n = left < MP_BATCH_ROWS ? (int32_t)left : MP_BATCH_ROWS;
    *more = n > 0;
    mp_status st = mp_rows_batch(j->rows, j->order, j->taken, n, &j->batch_arena, out, err);
    j->taken += n;
    return st;
}

mp_status mp_job_write_rows(mp_job *j, bool to_head, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_comm_size(j->c) > 1 ? move_rows(j, to_head, err) : MP_OK;
    if (st) return st;
    st = mp_fault_check(mp_comm_rank(j->c), "sort", &mine);
    if (!st) st = mp_rows_sort(j->rows, j->sort_keys, j->n_sort_keys, &j->order, &mine);
    st = mp_job_agree(j, st, &mine, err);
    if (st) return st;
    return mp_job_write_pieces(j, next_sorted, mp_rows_count(j->rows), err);
}
