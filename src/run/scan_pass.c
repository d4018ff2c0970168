/* scan_pass.c - a pass of all ranks: the flow's callbacks on rank 0, the census, the agreement on
 * types, rejected rows.
 * Invariant: what a pass decides (redo, types) is decided from all ranks' reports, so every rank
 * decides the same. */
#include <stdlib.h>

#include "run/scan_priv.h"

/* ---- rank 0 ---- */

/* Splits that the answer needs, -1: all, or not known yet. */
static int64_t needed(const mp_scan *s) {
    const mp_scan_consumer *c = s->consumer;
    if (c->closed && c->closed(c->ctx)) return 0;
    return c->most_rows < 0 ? -1 : mp_feed_holding(s->a.feed, c->most_rows);
}

static mp_status next_split(void *ctx, mp_buf *desc, mp_split_state *state, mp_error *err) {
    mp_scan *s = ctx;
    *state = MP_SPLIT_NONE;
    if (needed(s) >= 0) return MP_OK;
    bool may_pause = !s->in_census && s->consumer->pause && !mp_feed_binds(s->a.feed);
    if (may_pause && s->consumer->pause(s->consumer->ctx)) return MP_OK;
    mp_status st = mp_feed_next(s->a.feed, desc, state, err);
    if (!st && *state == MP_SPLIT_GOT && mp_feed_binds(s->a.feed)) *state = MP_SPLIT_BOUND;
    mp_comm_watch_fd(s->a.comm, !st && *state == MP_SPLIT_LATER ? mp_feed_fd(s->a.feed) : -1);
    return st;
}

static mp_status take_report(void *ctx, int src, int64_t split, mp_status status, mp_rd *report,
                             mp_error *err) {
    mp_scan *s = ctx;
    mp_split_report r = mp_split_report_get(report);
    if (report->bad) return MP_OK;
    mp_feed_report(s->a.feed, src, split, status, &r);
    size_t n = (size_t)s->plan->n_wanted;
    const void *seen = s->cuts ? mp_rd_raw(report, n * sizeof *s->seen) : NULL;
    mp_status st = mp_feed_keep_keys(s->a.feed, split, r.keys, err);
    if (st) return st;
    return seen ? mp_feed_keep_evidence(s->a.feed, split, seen, (int)n, err) : MP_OK;
}

/* A refuted guess voids everything behind it; an error before it stands. */
static void judge(void *ctx, mp_flow_verdict *verdict, mp_error *error) {
    mp_scan *s = ctx;
    bool data_error = *verdict == MP_FLOW_FAILED && error->split >= 0;
    if (*verdict == MP_FLOW_FAILED && !data_error) return;
    int64_t need = needed(s);
    if (need >= 0) mp_feed_cut(s->a.feed, need);
    /* the rows of a split before its bad one were enough, or those of splits before it */
    if (data_error && need >= 0 && error->split + 1 >= need) {
        *verdict = MP_FLOW_ENOUGH;
        data_error = false;
    }
    if (mp_feed_refuted(s->a.feed, data_error ? error->split + 1 : need) >= 0) {
        *verdict = MP_FLOW_REDO;
        return;
    }
    if (data_error) mp_feed_locate(s->a.feed, error);
}

static mp_status census_report(void *ctx, int src, int64_t split, mp_status status, mp_rd *report,
                               mp_error *err) {
    (void)src, (void)err;
    mp_scan *s = ctx;
    mp_csv_func func;
    const void *p = mp_rd_raw(report, sizeof func);
    if (status || !p) return MP_OK;
    memcpy(&func, p, sizeof func);
    mp_feed_census(s->a.feed, split, &func);
    return MP_OK;
}

static void tick(void *ctx) {
    mp_scan *s = ctx;
    if (s->a.tick) s->a.tick(s->a.tick_ctx, s->a.feed);
}

/* ---- every rank ---- */

static void attach(void *ctx, mp_flow_run *run) {
    mp_scan *s = ctx;
    s->run = run;
    if (s->consumer->attach) s->consumer->attach(s->consumer->ctx, run);
}

static mp_status finish_step(void *ctx, bool *done, mp_error *err) {
    mp_scan *s = ctx;
    *done = true;
    if (s->reader) mp_scan_drop_reader(s);
    if (s->misfit || !s->consumer->finish_step) return MP_OK;
    return s->consumer->finish_step(s->consumer->ctx, done, err);
}

static mp_status on_block(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_scan *s = ctx;
    return s->consumer->on_block(s->consumer->ctx, src, bytes, len, err);
}

static mp_status push(void *ctx, bool *did, mp_error *err) {
    mp_scan *s = ctx;
    return s->consumer->push(s->consumer->ctx, did, err);
}

static bool quiet(void *ctx) {
    mp_scan *s = ctx;
    return s->consumer->quiet(s->consumer->ctx);
}

static bool busy(void *ctx) {
    mp_scan *s = ctx;
    return s->consumer->busy(s->consumer->ctx);
}

/* ---- the census ---- */

static mp_status census(mp_scan *s, mp_error *err) {
    mp_error failed = MP_ERROR_INIT;
    mp_status st = s->a.feed ? mp_feed_start(s->a.feed, true, &failed) : MP_OK;
    st = mp_comm_agree_on(s->a.comm, st, &failed, err);
    if (st) return st;
    mp_flow flow = {.name = "census",
                    .ctx = s,
                    .pass = ++s->pass,
                    .mem = s->a.mem,
                    .next_split = next_split,
                    .split_report = census_report,
                    .split_begin = mp_scan_census_begin,
                    .split_step = mp_scan_census_step,
                    .split_end = mp_scan_census_end};
    mp_flow_result result;
    s->in_census = true;
    st = mp_flow_execute(s->a.comm, &flow, &result, err);
    s->in_census = false;
    s->stats.seconds += result.busy_seconds;
    if (!st && s->a.feed) mp_feed_compose(s->a.feed);
    return st;
}

/* ---- types ---- */

/* Evidence of all ranks: bits or-ed, digits at their most. Columns read typed are replaced in
 * seen. */
static mp_status agree_on_types(mp_scan *s, mp_evidence *seen, mp_error *err) {
    const mp_scan_plan *plan = s->plan;
    int n = plan->n_wanted;
    if (n == 0) return MP_OK;
    int64_t *values = mp_mem_calloc(s->a.mem, (size_t)n * 3, sizeof *values);
    mp_error failed = MP_ERROR_INIT;
    mp_status st = values ? MP_OK : mp_mem_error(s->a.mem, (size_t)n * 24, &failed);
    st = mp_comm_agree_on(s->a.comm, st, &failed, err);
    if (st) {
        mp_mem_free(s->a.mem, values);
        return st;
    }
    if (s->cuts) { /* rank 0 knows what counts */
        memset(s->seen, 0, (size_t)n * sizeof *s->seen);
        int64_t need = s->a.feed ? needed(s) : -1;
        if (s->a.feed) mp_feed_add_evidence(s->a.feed, need < 0 ? INT64_MAX : need, s->seen, n);
    }
    for (int i = 0; i < n; i++) {
        values[i] = s->seen[i].seen;
        values[n + 2 * i] = s->seen[i].int_digits;
        values[n + 2 * i + 1] = s->seen[i].scale;
    }
    st = mp_comm_allreduce(s->a.comm, values, n, MP_OR, err);
    if (!st) st = mp_comm_allreduce(s->a.comm, values + n, 2 * n, MP_MAX, err);
    for (int i = 0; i < n && !st; i++) {
        const mp_csv_column *w = &plan->wanted[i];
        if (w->use != MP_CSV_TYPED || w->fixed || w->c >= s->a.table->n_columns) continue;
        if (values[i] == 0) continue; /* no value was looked at: the sample's word stands */
        seen[w->c] = (mp_evidence){.seen = (uint8_t)values[i],
                                   .int_digits = (uint8_t)values[n + 2 * i],
                                   .scale = (uint8_t)values[n + 2 * i + 1]};
    }
    mp_mem_free(s->a.mem, values);
    return st;
}

/* ---- the pass ---- */

static mp_status make_room(mp_scan *s, const mp_scan_plan *plan, mp_error *err) {
    size_t n = (size_t)plan->n_wanted + 1;
    s->wanted = mp_mem_calloc(s->a.mem, n, sizeof *s->wanted);
    s->seen = mp_mem_calloc(s->a.mem, n, sizeof *s->seen);
    s->misfit = false;
    if (!s->wanted || !s->seen) return mp_mem_error(s->a.mem, n * sizeof *s->wanted, err);
    return MP_OK;
}

static mp_status start(mp_scan *s, const mp_scan_plan *plan, mp_error *err) {
    mp_status st = make_room(s, plan, err);
    s->cuts = plan->typed && s->consumer->most_rows >= 0;
    if (!st) st = mp_scan_rows_start(s, plan, err);
    if (st || s->consumer->first_split > 0) return st; /* what earlier legs counted stays */
    int passes = s->stats.passes;
    double seconds = s->stats.seconds;
    s->stats = (mp_scan_stats){.passes = passes + 1, .seconds = seconds};
    mp_buf_clear(&s->rejects);
    if (!s->a.feed) return MP_OK;
    bool again = plan->typed || plan->lists_keys || mp_table_guesses(s->a.table);
    return mp_feed_start(s->a.feed, again, err);
}

static void stop(mp_scan *s) {
    mp_scan_rows_stop(s);
    if (s->reader) s->source->close(&s->reader);
    s->reader_file = -1;
    mp_mem_free(s->a.mem, s->wanted);
    mp_mem_free(s->a.mem, s->seen);
    s->wanted = NULL;
    s->seen = NULL;
    s->plan = NULL;
}

static mp_status run_flow(mp_scan *s, mp_flow_verdict *verdict, mp_error *err) {
    const mp_scan_consumer *c = s->consumer;
    mp_flow flow = {.name = "scan",
                    .ctx = s,
                    .pass = ++s->pass,
                    .exchange_bytes = c->exchange_bytes,
                    .mem = s->a.mem,
                    .first_split = c->first_split,
                    .attach = attach,
                    .next_split = next_split,
                    .split_report = take_report,
                    .judge = judge,
                    .split_begin = mp_scan_split_begin,
                    .split_step = mp_scan_split_step,
                    .split_end = mp_scan_split_end,
                    .finish_step = finish_step,
                    .on_block = c->on_block ? on_block : NULL,
                    .push = c->push ? push : NULL,
                    .quiet = c->quiet ? quiet : NULL,
                    .busy = c->busy ? busy : NULL,
                    .tick = tick};
    mp_flow_result result;
    mp_status st = mp_flow_execute(s->a.comm, &flow, &result, err);
    mp_comm_watch_fd(s->a.comm, -1);
    if (s->reader) mp_scan_drop_reader(s);
    s->stats.seconds += result.busy_seconds;
    s->stats.exchange = result.exchange;
    *verdict = result.verdict;
    return st;
}

mp_status mp_scan_pass(mp_scan *s, const mp_scan_plan *plan, const mp_scan_consumer *consumer,
                       mp_evidence *seen, mp_flow_verdict *verdict, mp_error *err) {
    s->plan = plan;
    s->consumer = consumer;
    *verdict = MP_FLOW_FAILED;
    mp_error failed = MP_ERROR_INIT;
    mp_status st = mp_comm_agree_on(s->a.comm, start(s, plan, &failed), &failed, err);
    if (!st) st = run_flow(s, verdict, err);
    if (!st && *verdict == MP_FLOW_REDO) st = census(s, err);
    if (!st && *verdict != MP_FLOW_REDO) st = agree_on_types(s, seen, err);
    stop(s);
    return st;
}

const mp_buf *mp_scan_save_rejects(const mp_scan *s) {
    return &s->rejects;
}

mp_status mp_scan_restore_rejects(mp_scan *s, const void *bytes, size_t n, mp_error *err) {
    mp_buf_clear(&s->rejects);
    mp_buf_put(&s->rejects, bytes, n);
    return mp_buf_check(&s->rejects, err);
}

/* ---- single splits ---- */

mp_status mp_scan_read_begin(mp_scan *s, const mp_scan_plan *plan, const mp_scan_consumer *consumer,
                             mp_error *err) {
    s->plan = plan;
    s->consumer = consumer;
    s->cuts = false;
    return make_room(s, plan, err);
}

mp_status mp_scan_read_split(mp_scan *s, int64_t split, const uint8_t *desc, size_t len,
                             mp_error *err) {
    mp_buf_clear(&s->rejects); /* they were collected by the pass */
    return mp_scan_split_begin(s, split, desc, len, err);
}

mp_status mp_scan_read_step(mp_scan *s, bool *done, mp_error *err) {
    *done = false;
    return mp_scan_split_step(s, done, err);
}

void mp_scan_read_end(mp_scan *s) {
    if (s->plan) stop(s);
    mp_buf_clear(&s->rejects);
}

/* ---- rejected rows ---- */

typedef struct {
    int64_t split, row, offset;
    mp_str reason, record;
} reject;

static int by_place(const void *a, const void *b) {
    const reject *x = a, *y = b;
    if (x->split != y->split) return x->split < y->split ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The gathered records of all ranks, as an array. */
static mp_status list_rejects(const mp_scan *s, const mp_buf *all, mp_buf *list, mp_error *err) {
    mp_rd rd, ranks = mp_rd_of(all->data, all->len);
    while (mp_comm_gathered(&ranks, &rd)) {
        while (mp_rd_left(&rd) && !rd.bad) {
            reject r = {.split = mp_rd_i64(&rd), .row = mp_rd_i64(&rd), .offset = mp_rd_i64(&rd)};
            size_t len = 0;
            const void *text = mp_rd_bytes(&rd, &len);
            r.reason = mp_str_of(text, len);
            text = mp_rd_bytes(&rd, &len);
            r.record = mp_str_of(text, len);
            if (!rd.bad && r.split < mp_feed_counted(s->a.feed)) mp_buf_put(list, &r, sizeof r);
        }
    }
    return mp_buf_check(list, err);
}

static void put_quoted(mp_buf *out, mp_str text) {
    mp_buf_u8(out, '"');
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.p[i] == '"') mp_buf_u8(out, '"');
        mp_buf_u8(out, (uint8_t)text.p[i]);
    }
    mp_buf_u8(out, '"');
}

static mp_status write_rejects(mp_scan *s, const mp_buf *all, mp_buf *csv, mp_error *err) {
    mp_buf list;
    mp_buf_init(&list, s->a.mem);
    mp_status st = list_rejects(s, all, &list, err);
    size_t n = list.len / sizeof(reject);
    reject *rejects = (reject *)(void *)list.data;
    if (n) qsort(rejects, n, sizeof *rejects, by_place);
    mp_buf_printf(csv, "file,row,offset,reason,record\n");
    int64_t split = -1, before = 0;
    for (size_t i = 0; i < n && !st; i++) {
        const reject *r = &rejects[i];
        if (r->split != split) before = mp_feed_rows_before(s->a.feed, r->split);
        split = r->split;
        put_quoted(csv, mp_str_c(mp_feed_path(s->a.feed, r->split)));
        mp_buf_printf(csv, ",%lld,%lld,", (long long)(before + r->row + 1), (long long)r->offset);
        put_quoted(csv, r->reason);
        mp_buf_u8(csv, ',');
        put_quoted(csv, r->record);
        mp_buf_u8(csv, '\n');
    }
    mp_buf_release(&list);
    return st ? st : mp_buf_check(csv, err);
}

mp_status mp_scan_rejects(mp_scan *s, mp_buf *csv, int64_t *n_bad, mp_error *err) {
    mp_buf all;
    mp_buf_init(&all, s->a.mem);
    *n_bad = s->a.feed ? mp_feed_bad(s->a.feed) : 0;
    mp_status st = mp_comm_allreduce(s->a.comm, n_bad, 1, MP_SUM, err);
    if (!st && *n_bad && s->a.spec->input.rejects)
        st = mp_comm_gather(s->a.comm, s->rejects.data, s->rejects.len, &all, err);
    if (!st && s->a.feed && s->a.spec->input.rejects) st = write_rejects(s, &all, csv, err);
    mp_buf_release(&all);
    return st;
}
