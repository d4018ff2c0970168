/* query_range.c - kept rows to where they are sorted: keys are cut into ranges by a sample of
 * them, ranges are dealt to the ranks in turn, and rows move to their range.
 * Invariant: range i comes before range i + 1, and is on one rank as a whole. A range is small
 * enough to be sorted in the caches; dealing them in turn keeps all ranks busy while the answer is
 * written from its beginning to its end. A chunk that was read is used again for rows
 * that arrive. */
#include "run/query/query_priv.h"

enum {
    SAMPLES = 24 /* per range */,
    RANGE_BYTES = 6 << 20,
    MOST_RANGES = 512 /* per rank */,
    LONG_ROW = (1 << 30) - 4096
};

/* ---- the ranges ---- */

/* What sorting it touches. */
static int64_t weight_of(const mp_rows *r) {
    return r->n_bytes + r->n_rows * 2 * (int64_t)sizeof(mp_row_entry);
}

static mp_status put_records(const mp_rows *r, mp_buf *out, mp_error *err) {
    for (const mp_row_chunk *c = NULL; (c = mp_rows_next_chunk(r, c));)
        mp_buf_put(out, mp_row_chunk_begin(c),
                   (size_t)(mp_row_chunk_end(r, c) - mp_row_chunk_begin(c)));
    return mp_buf_check(out, err);
}

static mp_status broken(mp_error *err) {
    return mp_error_set(err, MP_FAILED, "broken rows", "a block of rows is malformed");
}

/* Rank 0: the splitters of all ranks' samples. */
static mp_status choose(mp_job *j, const mp_buf *gathered, int64_t n_ranges, mp_buf *out,
                        mp_error *err) {
    mp_rows sample;
    mp_row row;
    mp_rows_init(&sample, &j->row_pool);
    mp_status st = MP_OK;
    mp_rd rd, ranks = mp_rd_of(gathered->data, gathered->len);
    while (!st && mp_comm_gathered(&ranks, &rd))
        while (!st && rd.p < rd.end)
            st = mp_row_read(&rd.p, rd.end, &row) ? mp_rows_add_row(&sample, &row, 0, err)
                                                  : broken(err);
    if (!st) st = mp_row_ranges_choose(&sample, n_ranges, out, err);
    mp_rows_release(&sample);
    return st;
}

mp_status mp_job_cut_keys(mp_job *j, const mp_rows *sample, int64_t n_ranges, mp_row_ranges *out,
                          mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_buf own, all;
    mp_buf_init(&own, j->mem);
    mp_buf_init(&all, j->mem);
    mp_status st = mp_job_agree(j, put_records(sample, &own, &mine), &mine, err);
    if (!st) st = mp_comm_gather(j->c, own.data, own.len, &all, err);
    if (!st) {
        mp_buf_clear(&own);
        mp_status chosen = MP_OK;
        if (mp_comm_rank(j->c) == 0) chosen = choose(j, &all, n_ranges, &own, &mine);
        st = mp_job_agree(j, chosen, &mine, err);
    }
    if (!st) st = mp_comm_bcast(j->c, &own, err);
    if (!st) {
        mp_status set = mp_row_ranges_set(out, own.data, own.len, &mine);
        st = mp_job_agree(j, set, &mine, err);
    }
    mp_buf_release(&own);
    mp_buf_release(&all);
    return st;
}

/* The same splitters on every rank. total: of the weights of all ranks' rows. Collective. */
static mp_status cut_rows(mp_job *j, int64_t total, int64_t n_ranges, mp_row_ranges *out,
                          mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_rows sample;
    mp_rows_init(&sample, &j->row_pool);
    double share = total > 0 ? (double)weight_of(&j->rows) / (double)total : 0;
    int64_t n = 1 + (int64_t)(share * (double)(SAMPLES * n_ranges));
    mp_status st = mp_job_agree(j, mp_rows_sample(&j->rows, n, &sample, &mine), &mine, err);
    if (!st) st = mp_job_cut_keys(j, &sample, n_ranges, out, err);
    mp_rows_release(&sample);
    return st;
}

/* ---- moving rows ---- */

static void mover_attach(void *ctx, mp_flow_run *run) {
    ((mp_job_mover *)ctx)->run = run;
}

/* A row crosses ranks with the place of its range in front of its record. */
static mp_status send(mp_job_mover *m, int owner, uint32_t place, const mp_row *row,
                      mp_error *err) {
    size_t head = sizeof place;
    mp_exchange *x = mp_flow_exchange(m->run);
    uint8_t *to = mp_exchange_room(x, owner, head + row->len + MP_ROW_SLACK);
    if (!to && row->len > LONG_ROW)
        return mp_error_set(err, MP_FAILED, "value too long",
                            "a row of %zu bytes cannot cross ranks (at most 1 GiB)", row->len);
    if (!to) return mp_mem_error(m->j->mem, row->len, err);
    memcpy(to, &place, head);
    mp_row_copy(to + head, row->record, row->len, MP_ROW_SLACK);
    return mp_exchange_commit(x, owner, head + row->len, err);
}

mp_status mp_job_move_row(mp_job_mover *m, int owner, uint32_t place, const mp_row *row,
                          mp_error *err) {
    if (owner != m->rank) return send(m, owner, place, row, err);
    return mp_rows_add_row(&m->out->rows[place], row, MP_ROW_SLACK, err);
}

/* Rows that are kept. */
typedef struct {
    mp_job_mover m;
    mp_row_ranges ranges;
    uint32_t size;
} mover;

/* The first chunk of the kept rows to where its rows belong. */
static mp_status move_step(void *ctx, bool *done, mp_error *err) {
    mover *m = ctx;
    mp_rows *from = &m->m.j->rows;
    const mp_row_chunk *c = mp_rows_next_chunk(from, NULL);
    *done = !c;
    if (!c) return MP_OK;
    mp_status st = MP_OK;
    mp_row row;
    for (const uint8_t *at = mp_row_chunk_begin(c);
         !st && mp_row_read(&at, mp_row_chunk_end(from, c), &row);) {
        uint32_t range = (uint32_t)mp_row_ranges_find(&m->ranges, &row);
        st = mp_job_move_row(&m->m, (int)(range % m->size), range / m->size, &row, err);
    }
    mp_rows_drop_chunk(from);
    return st;
}

static mp_status move_arrived(void *ctx, int src, const uint8_t *at, size_t len, mp_error *err) {
    (void)src;
    mp_job_mover *m = ctx;
    const uint8_t *end = at + len;
    mp_status st = MP_OK;
    mp_row row;
    while (at < end && !st) {
        uint32_t place = 0;
        if ((size_t)(end - at) < sizeof place) return broken(err);
        memcpy(&place, at, sizeof place);
        at += sizeof place;
        if (place >= m->out->n_own || !mp_row_read(&at, end, &row)) return broken(err);
        st = mp_rows_add_row(&m->out->rows[place], &row, (size_t)(end - at), err);
    }
    return st;
}

mp_status mp_job_move(mp_job_mover *m, const char *name,
                      mp_status (*step)(void *ctx, bool *done, mp_error *err), mp_error *err) {
    mp_job *j = m->j;
    m->rank = mp_comm_rank(j->c);
    mp_flow flow = {.name = name,
                    .ctx = m,
                    .exchange_bytes = j->exchange_bytes,
                    .mem = j->mem,
                    .attach = mover_attach,
                    .finish_step = step,
                    .on_block = mp_comm_size(j->c) > 1 ? move_arrived : NULL};
    mp_flow_result result = {0};
    mp_status st = mp_flow_execute(j->c, &flow, &result, err);
    j->report->mine.exchanged += result.exchange.bytes_sent;
    j->report->mine.seconds += result.busy_seconds;
    return st;
}

/* ---- all of it ---- */

mp_status mp_job_new_ranges(mp_job *j, int64_t n, bool in_turn, mp_job_ranges *out, mp_error *err) {
    int64_t size = mp_comm_size(j->c), rank = mp_comm_rank(j->c);
    size_t own = (size_t)(in_turn ? (n - rank + size - 1) / size : n / size);
    *out = (mp_job_ranges){.n = n, .in_turn = in_turn};
    out->rows = mp_mem_alloc(j->mem, own * sizeof *out->rows + 1);
    if (!out->rows) return mp_mem_error(j->mem, own * sizeof *out->rows, err);
    for (; out->n_own < (int64_t)own; out->n_own++)
        mp_rows_init(&out->rows[out->n_own], &j->row_pool);
    return MP_OK;
}

void mp_job_release_ranges(mp_job *j, mp_job_ranges *r) {
    for (int64_t i = 0; i < r->n_own; i++)
        mp_rows_release(&r->rows[i]);
    mp_mem_free(j->mem, r->rows);
    *r = (mp_job_ranges){0};
}

mp_status mp_job_move_rows(mp_job *j, bool to_head, mp_job_ranges *out, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    int64_t size = mp_comm_size(j->c), total = weight_of(&j->rows);
    *out = (mp_job_ranges){0};
    mp_status st = mp_comm_allreduce(j->c, &total, 1, MP_SUM, err);
    if (st) return st;
    int64_t per_rank = total / size / RANGE_BYTES + 1;
    int64_t n = to_head ? 1 : size * (per_rank < MOST_RANGES ? per_rank : MOST_RANGES);
    st = mp_job_agree(j, mp_job_new_ranges(j, n, true, out, &mine), &mine, err);
    if (st) return st;
    if (size == 1 && n == 1) {
        out->rows[0] = j->rows;
        mp_rows_init(&j->rows, &j->row_pool);
        return MP_OK;
    }
    mover m = {.m = {.j = j, .out = out}, .size = (uint32_t)size};
    mp_row_ranges_init(&m.ranges, &j->row_pool);
    if (n > 1) st = cut_rows(j, total, n, &m.ranges, err);
    if (!st) st = mp_job_move(&m.m, to_head ? "gather" : "exchange", move_step, err);
    mp_rows_release(&j->rows);
    mp_row_ranges_release(&m.ranges);
    return st;
}
