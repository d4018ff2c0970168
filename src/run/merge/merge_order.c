/* merge_order.c - were the files of a sorted merge in order? Each rank looks at the rows of its
 * splits and tells rank 0 the first and the last key of each, and the first row that is behind its
 * successor; rank 0 puts the splits of a file together.
 * Invariant: the row that is told is the first one of all files that is out of order, whatever the
 * number of ranks. */
#include <stdlib.h>

#include "run/merge/merge_priv.h"

typedef struct {
    int64_t split;
    int32_t file;
    bool any;                   /* it has rows */
    bool bad;                   /* one of them is out of order */
    int64_t first_at, first_no; /* offset, and number in the split, of its first row */
    int64_t bad_at, bad_no;     /* of the first row out of order */
    size_t first, last;         /* bytes of the keys, which follow in this order */
} record;

typedef struct {
    mp_job *j;
    record now;
    mp_buf first, last; /* keys of the split under way */
    mp_buf records;     /* record, first key, last key */
} watcher;

/* ---- a split ---- */

static void begin_split(watcher *w, int64_t split) {
    w->now = (record){.split = split, .file = -1};
    mp_buf_clear(&w->first);
    mp_buf_clear(&w->last);
}

static void note_place(const mp_batch *in, int32_t row, int64_t *at, int64_t *no) {
    *at = in->base + (in->rec ? in->rec[row] : 0);
    *no = in->first_row + (in->row_no ? (int64_t)in->row_no[row] : row);
}

/* The sort values of a batch stand behind its outputs. */
static mp_status look(watcher *w, const mp_batch *values, mp_error *err) {
    mp_job *j = w->j;
    size_t *ends = mp_arena_alloc(&j->batch_arena, (size_t)values->n_rows * sizeof *ends + 1, 16);
    if (!ends) return mp_mem_error(j->mem, (size_t)values->n_rows * sizeof *ends, err);
    mp_buf_clear(&j->keys);
    mp_status st = mp_row_keys(values, j->sort_keys, j->q.n_sort, false, &j->keys, ends, err);
    if (st) return st;
    w->now.file = values->file_no;
    const uint8_t *before = w->last.data;
    size_t before_len = w->last.len;
    for (int32_t i = 0; i < values->n_rows; i++) {
        size_t from = i ? ends[i - 1] : 0, len = ends[i] - from;
        const uint8_t *key = j->keys.data + from;
        if (!w->now.any) {
            w->now.any = true;
            note_place(values, i, &w->now.first_at, &w->now.first_no);
            mp_buf_put(&w->first, key, len);
        } else if (!w->now.bad && mp_row_key_cmp(before, before_len, key, len) > 0) {
            w->now.bad = true;
            note_place(values, i, &w->now.bad_at, &w->now.bad_no);
        }
        before = key;
        before_len = len;
    }
    if (values->n_rows == 0) return MP_OK;
    mp_buf_clear(&w->last);
    mp_buf_put(&w->last, before, before_len);
    st = mp_buf_check(&w->first, err);
    return st ? st : mp_buf_check(&w->last, err);
}

static mp_status on_batch(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    watcher *w = ctx;
    mp_batch values;
    if (w->now.split != split) begin_split(w, split);
    mp_arena_reset(&w->j->batch_arena);
    mp_status st = mp_job_values(w->j, w->j->plan.values, w->j->plan.n_values, in, &values, err);
    if (!st) st = look(w, &values, err);
    return st ? st : mp_job_keep_batch(w->j, &values, true, err);
}

static mp_status on_split_end(void *ctx, int64_t split, mp_error *err) {
    watcher *w = ctx;
    if (w->now.split != split || !w->now.any) return MP_OK;
    w->now.first = w->first.len;
    w->now.last = w->last.len;
    mp_buf_put(&w->records, &w->now, sizeof w->now);
    mp_buf_put(&w->records, w->first.data, w->first.len);
    mp_buf_put(&w->records, w->last.data, w->last.len);
    begin_split(w, -1);
    return mp_buf_check(&w->records, err);
}

/* ---- rank 0 ---- */

typedef struct {
    record r;
    const uint8_t *first, *last;
} known;

static int by_split(const void *a, const void *b) {
    const known *x = a, *y = b;
    return (x->r.split > y->r.split) - (x->r.split < y->r.split);
}

static mp_status list_records(const mp_buf *all, mp_buf *out, mp_error *err) {
    mp_rd ranks = mp_rd_of(all->data, all->len);
    while (mp_rd_left(&ranks) && !ranks.bad) {
        size_t n = (size_t)mp_rd_u64(&ranks);
        const void *p = mp_rd_raw(&ranks, n);
        mp_rd rd = mp_rd_of(p, p ? n : 0);
        while (mp_rd_left(&rd)) {
            known k = {0};
            const void *r = mp_rd_raw(&rd, sizeof k.r);
            if (r) memcpy(&k.r, r, sizeof k.r);
            k.first = mp_rd_raw(&rd, k.r.first);
            k.last = mp_rd_raw(&rd, k.r.last);
            if (rd.bad) break;
            mp_buf_put(out, &k, sizeof k);
        }
    }
    return mp_buf_check(out, err);
}

static mp_status out_of_order(mp_job *j, const record *r, int64_t at, int64_t no, mp_error *err) {
    mp_error_set(err, MP_DATA, "not in order", "the row belongs before the one above it");
    mp_error_file(err, j->table.files[r->file].path);
    mp_error_column(err, j->spec->query.sort);
    mp_error_hint(err,
                  "merge --sort takes files that are in that order; mpart query --sort makes it");
    mp_error_place(err, r->file, at, r->split, no);
    mp_feed_locate(j->feed, err);
    err->provisional = 1; /* in the order of another type it may be right */
    return MP_DATA;
}

static mp_status judge(mp_job *j, const mp_buf *all, mp_error *err) {
    mp_buf list;
    mp_buf_init(&list, j->mem);
    mp_status st = list_records(all, &list, err);
    size_t n = list.len / sizeof(known);
    known *k = (known *)(void *)list.data;
    if (n > 1) qsort(k, n, sizeof *k, by_split);
    for (size_t i = 0; i < n && !st; i++) {
        const record *r = &k[i].r;
        bool follows = i > 0 && k[i - 1].r.file == r->file;
        if (follows && mp_row_key_cmp(k[i - 1].last, k[i - 1].r.last, k[i].first, r->first) > 0)
            st = out_of_order(j, r, r->first_at, r->first_no, err);
        else if (r->bad)
            st = out_of_order(j, r, r->bad_at, r->bad_no, err);
    }
    mp_buf_release(&list);
    return st;
}

/* ---- the pass ---- */

static mp_status begin_rows(mp_job *j, mp_error *err) {
    const mp_query *q = &j->q;
    j->sort_keys = mp_arena_alloc(&j->arena, (size_t)q->n_sort * sizeof *j->sort_keys + 1, 16);
    if (!j->sort_keys) return mp_mem_error(j->mem, sizeof *j->sort_keys, err);
    for (int i = 0; i < q->n_sort; i++)
        j->sort_keys[i] = (mp_sort_key){.col = q->n_outputs + i, .descending = q->descending[i]};
    j->n_sort_keys = q->n_sort;
    j->top = -1;
    return mp_job_begin_rows(j, err);
}

mp_status mp_merge_pass(mp_job *j, mp_flow_verdict *verdict, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    watcher w = {.j = j};
    mp_buf all;
    mp_buf_init(&all, j->mem);
    mp_buf_init(&w.first, j->mem);
    mp_buf_init(&w.last, j->mem);
    mp_buf_init(&w.records, j->mem);
    begin_split(&w, -1);
    mp_status st = mp_job_agree(j, begin_rows(j, &mine), &mine, err);
    mp_scan_consumer consumer = {
        .ctx = &w, .batch = on_batch, .split_end = on_split_end, .most_rows = -1};
    if (!st) st = mp_scan_pass(j->scan, &j->plan, &consumer, j->seen, verdict, err);
    if (!st && *verdict != MP_FLOW_REDO) {
        st = mp_comm_gather(j->c, w.records.data, w.records.len, &all, err);
        mp_status judged = !st && mp_comm_rank(j->c) == 0 ? judge(j, &all, &mine) : MP_OK;
        if (!st) st = mp_job_agree(j, judged, &mine, err);
    }
    mp_buf_release(&w.first);
    mp_buf_release(&w.last);
    mp_buf_release(&w.records);
    mp_buf_release(&all);
    return st;
}
