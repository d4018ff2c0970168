/* query_pass.c - rows that pass through: filtered, computed, written in input order as they are
 * read.
 * Invariant: each split is one piece of the answer, submitted once per pass, empty or not. */
#include "run/query/query_priv.h"

static void attach(void *ctx, mp_flow_run *run) {
    ((mp_job *)ctx)->run = run;
}

static mp_status on_batch(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    (void)split;
    mp_job *j = ctx;
    mp_batch out;
    mp_arena_reset(&j->batch_arena);
    mp_status st = mp_job_values(j, j->plan.values, j->q.n_outputs, in, &out, err);
    if (st) return st;
    mp_answer_format_rows(j->answer, &out, &j->text,
                          mp_answer_cuts(j->answer) ? &j->row_ends : NULL);
    j->text_rows += in->n_rows;
    st = mp_buf_check(&j->text, err);
    return st ? st : mp_buf_check(&j->row_ends, err);
}

static mp_status on_split_end(void *ctx, int64_t split, mp_error *err) {
    mp_job *j = ctx;
    bool cuts = mp_answer_cuts(j->answer);
    mp_status st = mp_order_submit(mp_answer_order(j->answer), split, &j->text, j->text_rows,
                                   cuts ? &j->row_ends : NULL, err);
    mp_buf_clear(&j->text);
    mp_buf_clear(&j->row_ends);
    j->text_rows = 0;
    return st;
}

static mp_status push(void *ctx, bool *did, mp_error *err) {
    return mp_order_push(mp_answer_order(((mp_job *)ctx)->answer), did, err);
}
static bool quiet(void *ctx) {
    return mp_order_quiet(mp_answer_order(((mp_job *)ctx)->answer));
}
static bool busy(void *ctx) {
    return mp_order_busy(mp_answer_order(((mp_job *)ctx)->answer));
}
static bool closed(void *ctx) {
    return mp_order_closed(mp_answer_order(((mp_job *)ctx)->answer));
}

/* Is something computed whose type is to be found? All rows that the filter keeps have a say in it,
 * also those behind a limit. */
static bool computes(const mp_job *j) {
    for (int i = 0; j->plan.typed && i < j->q.n_outputs; i++)
        if (j->plan.values[i].direct < 0) return true;
    return false;
}

/* Rows that the limit asks for, with those left out before them; -1: all are to be read. */
static int64_t most_rows(const mp_job *j) {
    const mp_query *q = &j->q;
    int64_t n = computes(j) ? -1 : q->limit_rows;
    if (n <= 0) return n;
    return n > INT64_MAX - q->offset_rows ? -1 : n + q->offset_rows;
}

/* Rows can leave before the end of the pass when nothing can undo it: no type may still change, no
 * guess may be wrong. */
static bool is_final(const mp_job *j) {
    return !j->plan.typed && !mp_table_guesses(&j->table);
}

/* A pass that was ended by its limit leaves pieces that have a place but are not written yet.
 * Collective. */
static mp_status settle(mp_job *j, mp_error *err) {
    mp_flow flow = {
        .name = "output", .ctx = j, .mem = j->mem, .push = push, .quiet = quiet, .busy = busy};
    mp_flow_result result;
    return mp_flow_execute(j->c, &flow, &result, err);
}

mp_status mp_job_pass_rows(mp_job *j, mp_flow_verdict *verdict, mp_error *err) {
    mp_status st = mp_job_begin_answer(j, is_final(j), err);
    if (st) return st;
    mp_buf_clear(&j->text);
    mp_buf_clear(&j->row_ends);
    j->text_rows = 0;
    mp_scan_consumer consumer = {.ctx = j,
                                 .attach = attach,
                                 .batch = on_batch,
                                 .split_end = on_split_end,
                                 .push = push,
                                 .quiet = quiet,
                                 .busy = busy,
                                 .most_rows = most_rows(j),
                                 .closed = closed};
    st = mp_scan_pass(j->scan, &j->plan, &consumer, j->seen, verdict, err);
    return st || *verdict == MP_FLOW_REDO ? st : settle(j, err);
}
