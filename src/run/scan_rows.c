/* scan_rows.c - rows of files of rows (HDF5) that rank 0 reads for all: a scan of its own reads a range with the plan's
 * filter, and what is left crosses as batches; the rank that gets it has neither file nor reader.
 * Invariant: places, values and errors are those that the rank would have found in the file itself. */
#include "data/batch_wire.h"
#include "run/scan_priv.h"

typedef enum { ROWS_END, ROWS_BATCH, ROWS_ERROR } rows_kind;

enum { STEP_BYTES = 256 << 10, STEP_BATCHES = 8 };

/* ---- rank 0 ---- */

struct mp_scan_rows {
    mp_scan *scan;
    mp_scan_consumer consumer;
    mp_mem *mem;
    mp_buf out; /* of the split under way */
    bool under_way;
};

static mp_status put_batch(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    mp_scan_rows *r = ctx;
    (void)split;
    mp_buf_u8(&r->out, ROWS_BATCH);
    mp_batch_put(in, &r->out);
    return mp_buf_check(&r->out, err);
}

static mp_status begin_rows(mp_scan_rows *r, int64_t split, const mp_split_desc *d, mp_error *err) {
    mp_split_desc range = *d;
    range.by_data = false;
    mp_buf_clear(&r->out);
    mp_split_desc_put(&r->out, &range);
    mp_status st = mp_buf_check(&r->out, err);
    if (!st) st = mp_scan_read_split(r->scan, split, r->out.data, r->out.len, err);
    mp_buf_clear(&r->out);
    r->under_way = !st;
    return st;
}

static int64_t records(const mp_scan_rows *r) {
    mp_csv_end end = {0};
    r->scan->source->end(r->scan->reader, &end);
    return end.n_records;
}

static mp_status end_rows(mp_scan_rows *r, mp_split_desc *d, const mp_buf **bytes, mp_error *err) {
    r->under_way = false;
    d->len = records(r);
    mp_buf_u8(&r->out, ROWS_END);
    *bytes = &r->out;
    return mp_buf_check(&r->out, err);
}

/* What the data show is an error of that split, wherever it is read: those before it go on. */
static mp_status end_with_error(mp_scan_rows *r, const mp_error *why, const mp_buf **bytes,
                                mp_error *err) {
    r->under_way = false;
    mp_buf_u8(&r->out, ROWS_ERROR);
    mp_buf_put(&r->out, why, sizeof *why);
    *bytes = &r->out;
    return mp_buf_check(&r->out, err);
}

static mp_status next_rows(void *ctx, int64_t split, mp_split_desc *d, bool whole,
                           const mp_buf **bytes, mp_split_state *state, mp_error *err) {
    mp_scan_rows *r = ctx;
    mp_error why = MP_ERROR_INIT;
    mp_status st = r->under_way ? MP_OK : begin_rows(r, split, d, &why);
    size_t most = (size_t)r->scan->a.table->split_bytes, until = r->out.len + STEP_BYTES;
    bool done = false;
    for (int i = 0; i < STEP_BATCHES && !st && !done && r->out.len < until; i++)
        st = mp_scan_read_step(r->scan, &done, &why);
    *state = MP_SPLIT_GOT;
    if (st == MP_DATA) return end_with_error(r, &why, bytes, err);
    if (st && err) *err = why;
    if (st) return st;
    if (done || (!whole && r->out.len >= most)) return end_rows(r, d, bytes, err);
    *state = MP_SPLIT_SOON;
    return MP_OK;
}

static bool any_rows(const mp_table *t) {
    bool any = false;
    for (int f = 0; f < t->n_files; f++)
        any = any || (t->files[f].by_data && t->files[f].h5);
    return any;
}

mp_status mp_scan_rows_start(mp_scan *s, const mp_scan_plan *plan, mp_error *err) {
    if (!s->a.feed || !any_rows(s->a.table)) return MP_OK;
    mp_scan_rows *r = mp_mem_calloc(s->a.mem, 1, sizeof *r);
    s->rows = r;
    if (!r) return mp_mem_error(s->a.mem, sizeof *r, err);
    r->mem = s->a.mem;
    r->consumer = (mp_scan_consumer){.ctx = r, .batch = put_batch, .most_rows = -1};
    mp_buf_init(&r->out, r->mem);
    mp_scan_args args = s->a;
    args.feed = NULL;
    mp_status st = mp_scan_new(&args, &r->scan, err);
    if (!st) st = mp_scan_read_begin(r->scan, plan, &r->consumer, err);
    mp_feed_read_rows(s->a.feed, (mp_feed_rows){.ctx = r, .next = next_rows});
    return st;
}

void mp_scan_rows_stop(mp_scan *s) {
    mp_scan_rows *r = s->rows;
    s->rows = NULL;
    if (!r) return;
    if (r->scan) mp_scan_read_end(r->scan);
    mp_scan_free(&r->scan);
    mp_buf_release(&r->out);
    mp_mem_free(r->mem, r);
}

/* ---- every rank ---- */

bool mp_scan_gets_rows(const mp_scan *s) {
    return s->desc.by_data && s->a.table->files[s->desc.file].h5;
}

mp_status mp_scan_rows_begin(mp_scan *s, mp_rd *rd, mp_error *err) {
    size_t n = mp_rd_left(rd);
    mp_buf_clear(&s->data);
    if (!mp_buf_reserve(&s->data, n + 64)) return mp_buf_check(&s->data, err);
    memcpy(s->data.data, rd->p, n);
    memset(s->data.data + n, 0, 64);
    s->rows_left = mp_rd_of(s->data.data, n);
    s->text.entry = s->entry = MP_CSV_RECORD_START;
    s->rows_done = false;
    return MP_OK;
}

mp_status mp_scan_rows_step(mp_scan *s, bool *done, mp_error *err) {
    mp_rd *rd = &s->rows_left;
    rows_kind kind = (rows_kind)mp_rd_u8(rd);
    mp_batch batch;
    *done = s->rows_done = kind == ROWS_END && !rd->bad;
    if (*done) return MP_OK;
    if (kind == ROWS_ERROR) {
        const void *p = mp_rd_raw(rd, sizeof *err);
        mp_error why = MP_ERROR_INIT;
        if (p) memcpy(&why, p, sizeof why);
        if (err && why.status) *err = why;
        if (why.status) return (mp_status)why.status;
    }
    mp_arena_reset(&s->arena);
    mp_status st = mp_batch_get(rd, &s->arena, &batch, err);
    if (!st) st = s->consumer->batch(s->consumer->ctx, s->split, &batch, err);
    if (!st) s->n_rows += batch.n_rows;
    return st;
}

void mp_scan_rows_end(const mp_scan *s, mp_csv_end *out) {
    *out = (mp_csv_end){.exit = MP_CSV_RECORD_START,
                        .exit_known = s->rows_done,
                        .n_records = s->rows_done ? s->desc.len : 0};
}
