/* query_sort.c - rows that are kept and sorted: by the scan, or as group results.
 * Invariant: the sort keys end with what makes every row's place unique (position, or the
 * group's keys), so the order of the answer does not depend on the ranks. A row is formatted
 * once, when it is kept; all that is done with it later is to move its bytes. */
#include "data/take.h"
#include "run/fault.h"
#include "run/query/query_priv.h"

enum { PIECE_BYTES = 256 << 10, PIECE_SLACK = 4096, PREFETCH = 12 };

/* ---- keeping ---- */

mp_status mp_job_begin_rows(mp_job *j, mp_error *err) {
    mp_rows_release(&j->rows);
    j->bound = (mp_row){0};
    return mp_job_name_outputs(j, err);
}

mp_status mp_job_prune(mp_job *j, int64_t at_least, mp_error *err) {
    if (j->top < 0 || j->rows.n_rows <= at_least) return MP_OK;
    return mp_rows_keep_first(&j->rows, j->top, &j->row_order, &j->bound, err);
}

/* Rows of the batch whose keys (behind one another in j->keys, up to ends) may be among the
 * first; all: *sel NULL. */
static mp_status select_rows(mp_job *j, const size_t *ends, int32_t *n, uint32_t **sel,
                             mp_error *err) {
    *sel = NULL;
    if (!j->bound.key) return MP_OK;
    *sel = mp_arena_alloc(&j->batch_arena, (size_t)*n * sizeof **sel + 1, 16);
    if (!*sel) return mp_mem_error(j->mem, (size_t)*n * sizeof **sel, err);
    int32_t kept = 0;
    size_t at = 0;
    for (int32_t i = 0; i < *n; at = ends[i++]) {
        int c = mp_row_key_cmp(j->keys.data + at, ends[i] - at, j->bound.key, j->bound.key_len);
        (*sel)[kept] = (uint32_t)i;
        kept += c < 0;
    }
    *n = kept;
    return MP_OK;
}

mp_status mp_job_keys(mp_job *j, const mp_batch *values, bool placed, size_t **ends,
                      mp_error *err) {
    size_t bytes = (size_t)values->n_rows * sizeof **ends;
    *ends = mp_arena_alloc(&j->batch_arena, bytes + 1, 16);
    if (!*ends) return mp_mem_error(j->mem, bytes, err);
    mp_buf_clear(&j->keys);
    mp_status st = mp_row_keys(values, j->sort_keys, j->n_sort_keys, placed, &j->keys, *ends, err);
    if (st || mp_buf_reserve(&j->keys, MP_ROW_SLACK)) return st;
    return mp_buf_check(&j->keys, err);
}

mp_status mp_job_texts(mp_job *j, const mp_batch *values, const uint32_t *sel, int32_t n,
                       mp_error *err) {
    mp_batch outputs = *values;
    mp_status st = sel ? mp_batch_take(values, sel, n, &j->batch_arena, &outputs, err) : MP_OK;
    if (st) return st;
    outputs.n_cols = j->q.n_outputs;
    mp_buf_clear(&j->text);
    mp_buf_clear(&j->row_ends);
    mp_answer_format_rows(j->answer, &outputs, &j->text, &j->row_ends);
    mp_buf_reserve(&j->text, MP_ROW_SLACK);
    st = mp_buf_check(&j->text, err);
    return st ? st : mp_buf_check(&j->row_ends, err);
}

static mp_status add_rows(mp_job *j, const size_t *ends, int32_t n, const uint32_t *sel,
                          mp_error *err) {
    const int64_t *text_ends = (const int64_t *)(const void *)j->row_ends.data;
    size_t text = 0;
    mp_status st = MP_OK;
    for (int32_t i = 0; i < n && !st; i++) {
        uint32_t row = sel ? sel[i] : (uint32_t)i;
        size_t key = row ? ends[row - 1] : 0, text_end = (size_t)text_ends[i];
        st = mp_rows_add(&j->rows, j->keys.data + key, ends[row] - key, j->text.data + text,
                         text_end - text, MP_ROW_SLACK, err);
        text = text_end;
    }
    return st;
}

mp_status mp_job_keep_batch(mp_job *j, const mp_batch *values, bool placed, mp_error *err) {
    int32_t n = values->n_rows;
    uint32_t *sel = NULL;
    size_t *ends;
    mp_status st = mp_job_keys(j, values, placed, &ends, err);
    if (!st) st = select_rows(j, ends, &n, &sel, err);
    if (st || n == 0) return st;
    st = mp_job_texts(j, values, sel, n, err);
    if (!st) st = add_rows(j, ends, n, sel, err);
    return st ? st : mp_job_prune(j, 2 * j->top + 4 * MP_BATCH_ROWS, err);
}

/* ---- rows of the scan ---- */

static void attach(void *ctx, mp_flow_run *run) {
    ((mp_job *)ctx)->run = run;
}

static mp_status on_batch(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    (void)split;
    mp_job *j = ctx;
    mp_batch out;
    mp_arena_reset(&j->batch_arena);
    mp_status st = mp_job_values(j, j->plan.values, j->plan.n_values, in, &out, err);
    return st ? st : mp_job_keep_batch(j, &out, true, err);
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

mp_status mp_job_sort_by_query(mp_job *j, mp_error *err) {
    const mp_query *q = &j->q;
    j->sort_keys = mp_arena_alloc(&j->arena, (size_t)q->n_sort * sizeof *j->sort_keys + 1, 16);
    if (!j->sort_keys) return mp_mem_error(j->mem, sizeof *j->sort_keys, err);
    for (int i = 0; i < q->n_sort; i++)
        j->sort_keys[i] = (mp_sort_key){.col = q->n_outputs + i, .descending = q->descending[i]};
    j->n_sort_keys = q->n_sort;
    return MP_OK;
}

static mp_status new_rows(mp_job *j, mp_error *err) {
    j->top = mp_job_top(&j->q);
    mp_status st = mp_job_sort_by_query(j, err);
    return st ? st : mp_job_begin_rows(j, err);
}

mp_status mp_job_keep_rows(mp_job *j, mp_flow_verdict *verdict, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_job_agree(j, new_rows(j, &mine), &mine, err);
    if (st) return st;
    mp_scan_consumer consumer = {
        .ctx = j, .attach = attach, .batch = on_batch, .finish_step = finish_step, .most_rows = -1};
    return mp_scan_pass(j->scan, &j->plan, &consumer, j->seen, verdict, err);
}

/* ---- writing ---- */

typedef struct {
    mp_job *j;
    mp_job_ranges *ranges;
    int64_t *first; /* piece of each range of all ranks */
    int64_t own;    /* the range under way, of this rank's */
    int64_t row;    /* its next row in order */
    int64_t done;   /* its pieces so far */
    int64_t taken;  /* bytes in them */
} sorted;

/* Among the ranges of all ranks. */
static int64_t number_of(const sorted *s, int64_t own) {
    int64_t rank = mp_comm_rank(s->j->c);
    return s->ranges->in_turn ? own * mp_comm_size(s->j->c) + rank : rank * s->ranges->n_own + own;
}

static int64_t count_pieces(const mp_rows *r) {
    return (r->text_bytes + PIECE_BYTES - 1) / PIECE_BYTES;
}

/* Up to the range's first byte that belongs to the next piece; a row is in the piece that it
 * begins in. */
static mp_status fill_text(sorted *s, mp_error *err) {
    mp_job *j = s->j;
    mp_buf *text = &j->text;
    const mp_row_order *o = &j->row_order;
    bool cuts = mp_answer_cuts(j->answer), ok = mp_buf_reserve(text, PIECE_BYTES + PIECE_SLACK);
    for (; ok && s->row < o->n && s->taken < s->done * PIECE_BYTES; s->row++) {
        if (s->row + PREFETCH < o->n) {
            const char *ahead = (const char *)o->at[s->row + PREFETCH].record;
            __builtin_prefetch(ahead);
            __builtin_prefetch(ahead + 64);
        }
        mp_row row = mp_row_at(o->at[s->row].record);
        ok = mp_buf_reserve(text, row.text_len + MP_ROW_SLACK);
        if (!ok) break;
        mp_row_copy(text->data + text->len, row.text, row.text_len, MP_ROW_SLACK);
        text->len += row.text_len;
        s->taken += row.text_len;
        j->text_rows++;
        if (cuts) mp_buf_i64(&j->row_ends, (int64_t)text->len);
    }
    mp_status st = mp_buf_check(text, err);
    return st ? st : mp_buf_check(&j->row_ends, err);
}

static mp_status fill_sorted(void *ctx, int64_t *piece, mp_error *err) {
    sorted *s = ctx;
    mp_rows *r = &s->ranges->rows[s->own];
    for (; s->own < s->ranges->n_own && s->done == count_pieces(r); r = &s->ranges->rows[s->own]) {
        mp_rows_release(r);
        mp_row_pool_release(&s->j->row_pool); /* pieces that wait need the memory */
        s->own++;
        s->row = s->done = s->taken = 0;
    }
    if (s->own == s->ranges->n_own) return MP_OK;
    mp_status st = s->done ? MP_OK : mp_rows_sort(r, &s->j->row_order, err);
    if (st) return st;
    *piece = s->first[number_of(s, s->own)] + s->done++;
    return fill_text(s, err);
}

/* Where each range's pieces begin, behind those before them. Collective. */
static mp_status number_pieces(sorted *s, int64_t *n_pieces, mp_error *err) {
    mp_job *j = s->j;
    mp_error mine = MP_ERROR_INIT;
    size_t n = (size_t)s->ranges->n;
    s->first = mp_arena_alloc(&j->arena, n * sizeof *s->first, 16);
    mp_status st = s->first ? MP_OK : mp_mem_error(j->mem, n * sizeof *s->first, &mine);
    st = mp_job_agree(j, st, &mine, err);
    if (st) return st;
    memset(s->first, 0, n * sizeof *s->first);
    for (int64_t i = 0; i < s->ranges->n_own; i++)
        s->first[number_of(s, i)] = count_pieces(&s->ranges->rows[i]);
    st = mp_comm_allreduce(j->c, s->first, (int)n, MP_SUM, err);
    for (size_t i = 0; i < n; i++) {
        int64_t pieces = s->first[i];
        s->first[i] = *n_pieces;
        *n_pieces += pieces;
    }
    return st;
}

mp_status mp_job_write_ranges(mp_job *j, mp_job_ranges *r, int64_t *n_pieces, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    sorted s = {.j = j, .ranges = r};
    mp_status st = mp_job_agree(j, mp_fault_check(mp_comm_rank(j->c), "sort", &mine), &mine, err);
    if (!st) st = number_pieces(&s, n_pieces, err);
    return st ? st : mp_job_write_texts(j, fill_sorted, &s, err);
}

mp_status mp_job_write_rows(mp_job *j, bool to_head, mp_error *err) {
    mp_job_ranges ranges;
    mp_status st = mp_job_move_rows(j, to_head, &ranges, err);
    int64_t n_rows = 0, n_pieces = 0;
    for (int64_t i = 0; i < ranges.n_own; i++)
        n_rows += ranges.rows[i].n_rows;
    if (!st) st = mp_job_begin_results(j, n_rows, err);
    if (!st) st = mp_job_write_ranges(j, &ranges, &n_pieces, err);
    mp_job_release_ranges(j, &ranges);
    return st;
}
