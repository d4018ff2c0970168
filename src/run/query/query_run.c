/* query_run.c - a query from beginning to end: table, plan, passes over the input, results, answer.
 * Invariant: every step ends in an agreement, so no rank is alone in the next one. */
#include "run/query/query_priv.h"

#include "base/clock.h"
#include "plan/describe.h"
#include "plan/table_keys.h"
#include "run/fault.h"
#include "run/info.h"
#include "run/info_h5.h"
#include "run/scan_keys.h"

enum { MOST_PASSES = 8, MOST_EXCHANGE = 256 << 20 };

mp_status mp_job_agree(mp_job *j, mp_status st, const mp_error *mine, mp_error *err) {
    return mp_comm_agree_on(j->c, st, mine, err);
}

/* ---- the table, from rank 0 to all ---- */

/* Files that some rank cannot open (another host, a folder of its own) are read by rank 0, unless
 * the user said otherwise. Collective. */
static mp_status check_reach(mp_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_table *t = &j->table;
    int64_t missing = 0;
    if (j->spec->run.scatter != MP_SCATTER_AUTO || mp_comm_size(j->c) == 1) return MP_OK;
    for (int f = 0; f < t->n_files && !missing; f++)
        if (!t->files[f].by_data && !mp_input_reaches(t->files[f].path, t->files[f].size_bytes))
            missing = 1;
    mp_status st = mp_comm_allreduce(j->c, &missing, 1, MP_SUM, err);
    if (st || !missing) return st;
    return mp_job_agree(j, mp_table_scatter_data(t, j->streams, &mine), &mine, err);
}

mp_status mp_job_open_table(mp_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_fault_check(mp_comm_rank(j->c), "open", &mine);
    if (!st && mp_comm_rank(j->c) == 0)
        st = mp_table_open(j->spec, &j->arena, j->mem, &j->table, &j->streams, &mine);
    st = mp_job_agree(j, st, &mine, err);
    if (st) return st;
    mp_buf b;
    mp_buf_init(&b, j->mem);
    if (mp_comm_rank(j->c) == 0) mp_table_encode(&j->table, &b);
    st = mp_comm_bcast(j->c, &b, &mine);
    if (!st) st = mp_buf_check(&b, &mine);
    if (!st && mp_comm_rank(j->c) != 0)
        st = mp_table_decode(j->spec, b.data, b.len, &j->arena, &j->table, &mine);
    mp_buf_release(&b);
    st = mp_job_agree(j, st, &mine, err);
    return st ? st : check_reach(j, err);
}

/* ---- the plan, the same on every rank ---- */

mp_status mp_job_find_keys(mp_job *j, mp_error *err) {
    if (!mp_table_may_grow(j->spec, &j->table)) return MP_OK;
    mp_status st = mp_job_start_scan(j, err);
    return st ? st : mp_scan_find_keys(j->c, j->scan, j->feed, &j->table, &j->arena, j->mem, err);
}

mp_status mp_job_make_plan(mp_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_text_format format = MP_FORMAT_CSV;
    mp_status st = mp_fault_check(mp_comm_rank(j->c), "plan", &mine);
    if (!st) st = mp_answer_format(j->spec, &format, &mine);
    st = mp_job_agree(j, st, &mine, err);
    if (st) return st;
    bool typed = format == MP_FORMAT_NDJSON || format == MP_FORMAT_H5;
    st = mp_query_parse(j->spec, &j->table, typed, &j->arena, &j->q, &mine);
    bool unknown = st == MP_USAGE; /* a name that may be among the keys yet to come */
    if (!j->spec->run.plan_only && mp_table_may_grow(j->spec, &j->table)) {
        if (unknown) mine = (mp_error)MP_ERROR_INIT;
        mp_status agreed = mp_job_agree(j, unknown ? MP_OK : st, &mine, err);
        if (!agreed && (unknown || j->q.all_columns)) agreed = mp_job_find_keys(j, err);
        if (agreed) return agreed;
        st = mp_query_parse(j->spec, &j->table, typed, &j->arena, &j->q, &mine);
    }
    if (!st) {
        size_t n = (size_t)j->table.n_columns * sizeof *j->seen;
        j->seen = mp_arena_alloc(&j->arena, n + 1, 16);
        if (!j->seen) st = mp_mem_error(j->mem, n, &mine);
        if (!st && n) memcpy(j->seen, j->table.sample, n);
    }
    if (!st) st = mp_job_bind(j, &mine);
    return mp_job_agree(j, st, &mine, err);
}

/* ---- values ---- */

mp_status mp_job_values(mp_job *j, const mp_plan_value *values, int n, const mp_batch *in,
                        mp_batch *out, mp_error *err) {
    mp_col *cols = mp_arena_alloc(&j->batch_arena, (size_t)n * sizeof *cols + 1, 16);
    if (!cols) return mp_mem_error(j->mem, (size_t)n * sizeof *cols, err);
    for (int i = 0; i < n; i++) {
        if (values[i].direct >= 0) {
            cols[i] = in->cols[values[i].direct];
            continue;
        }
        int32_t bad_row = -1;
        mp_status st = mp_prog_eval(values[i].prog, in, &j->batch_arena, &cols[i], &bad_row, err);
        if (st) {
            mp_scan_place_error(j->scan, in, bad_row, err);
            if (err) err->provisional = 1;
            return st;
        }
    }
    *out = *in;
    out->cols = cols;
    out->n_cols = n;
    return MP_OK;
}

/* ---- passes ---- */

static mp_status one_pass(mp_job *j, mp_flow_verdict *verdict, mp_error *err) {
    if (j->pass) return j->pass(j, verdict, err);
    if (j->q.grouped) return mp_job_group(j, verdict, err);
    if (j->q.n_sort) return mp_job_keep_rows(j, verdict, err);
    return mp_job_pass_rows(j, verdict, err);
}

/* Bind again to what the pass has seen. *same: the pass stands. */
static mp_status check_types(mp_job *j, bool *same, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_scan_plan amended = {0};
    mp_status st = mp_query_bind(&j->q, &j->table, j->seen, &j->arena, &amended, &mine);
    *same = !st && amended.signature == j->plan.signature;
    if (*same) {
        mp_scan_plan_release(&amended);
    } else if (!st) {
        mp_scan_plan_release(&j->plan);
        j->plan = amended;
    }
    return mp_job_agree(j, st, &mine, err);
}

/* A failure that other types may not have: of a value that was computed, or of a row that another
 * filter may drop. */
static bool may_be_refuted(const mp_job *j, mp_status st, const mp_error *why) {
    if (st == MP_USAGE) return true; /* the amended types do not fit */
    return st == MP_DATA && (why->provisional || j->plan.where);
}

/* *failed stands unless the types of the rows are others than those it was found under. */
static mp_status try_other_types(mp_job *j, mp_error *failed) {
    uint64_t signature = j->plan.signature;
    bool of_data = failed->status == MP_DATA;
    mp_error why = MP_ERROR_INIT;
    mp_status st = mp_job_find_types(j, &why);
    if (st && of_data) return MP_DATA;
    if (st) *failed = why;
    return st ? st : of_data && j->plan.signature == signature ? MP_DATA : MP_OK;
}

mp_status mp_job_run_passes(mp_job *j, mp_error *err) {
    bool known = j->in_doubt;
    mp_status st = j->in_doubt ? mp_job_find_types(j, err) : MP_OK;
    for (int pass = 0; !st && pass < MOST_PASSES; pass++) {
        mp_flow_verdict verdict = MP_FLOW_FAILED;
        bool same = true;
        mp_error why = MP_ERROR_INIT;
        st = one_pass(j, &verdict, &why);
        if (!st && verdict != MP_FLOW_REDO) st = check_types(j, &same, &why);
        if (!st && verdict != MP_FLOW_REDO && same) return MP_OK;
        if (st && !known && j->plan.typed && may_be_refuted(j, st, &why)) {
            known = true;
            st = try_other_types(j, &why);
        }
        if (st && err) *err = why;
    }
    return st ? st
              : mp_error_set(err, MP_FAILED, "types do not settle", "%d passes were not enough",
                             MOST_PASSES);
}

static void tick(void *ctx, const mp_feed *feed) {
    mp_job *j = ctx;
    mp_report_progress at = {.done_bytes = mp_feed_bytes_done(feed),
                             .total_bytes = j->table.text_bytes};
    at.slowest = mp_feed_slowest(feed, &at.slowest_bytes);
    j->report->tick(j->report->tick_ctx, &at);
}

mp_status mp_job_start_scan(mp_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = MP_OK;
    if (j->scan) return MP_OK;
    if (mp_comm_rank(j->c) == 0) {
        st = mp_feed_new(j->spec, &j->table, j->streams, mp_comm_size(j->c), j->mem, &j->feed,
                         &mine);
        if (!st) j->streams = NULL;
    }
    mp_scan_args args = {.comm = j->c,
                         .spec = j->spec,
                         .table = &j->table,
                         .feed = j->feed,
                         .mem = j->mem,
                         .tick = j->report->tick ? tick : NULL,
                         .tick_ctx = j};
    if (!st) st = mp_scan_new(&args, &j->scan, &mine);
    return mp_job_agree(j, st, &mine, err);
}

/* ---- the end ---- */

mp_status mp_job_open_rejects(mp_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = MP_OK;
    if (mp_comm_rank(j->c) == 0 && j->spec->input.rejects)
        st = mp_out_create(j->spec->input.rejects, &j->rejects, &mine);
    return mp_job_agree(j, st, &mine, err);
}

mp_status mp_job_write_rejects(mp_job *j, int64_t *n_bad, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_buf csv;
    mp_buf_init(&csv, j->mem);
    mp_status st = mp_scan_rejects(j->scan, &csv, n_bad, &mine);
    if (!st && j->rejects) st = mp_out_write_at(j->rejects, 0, csv.data, csv.len, &mine);
    if (!st && j->rejects) st = mp_out_sync(j->rejects, &mine);
    mp_buf_release(&csv);
    return mp_job_agree(j, st, &mine, err);
}

mp_status mp_job_name_rejects(mp_job *j, int64_t n_bad, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = j->rejects ? mp_out_commit(&j->rejects, &mine) : MP_OK;
    st = mp_job_agree(j, st, &mine, err);
    if (st || n_bad == 0) return st;
    mp_error_set(err, MP_PARTIAL, "rows were rejected", "%lld bad row%s left out or mended",
                 (long long)n_bad, n_bad == 1 ? "" : "s");
    if (!j->spec->input.rejects) mp_error_hint(err, "--rejects FILE collects them");
    return MP_PARTIAL;
}

static mp_status finish(mp_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    int64_t n_bad = 0;
    mp_status st = mp_answer_store(j->answer, j->report, err);
    if (st) return st;
    st = mp_fault_check(mp_comm_rank(j->c), MP_FAULT_LAST, &mine);
    st = mp_job_agree(j, st, &mine, err);
    if (!st) st = mp_job_write_rejects(j, &n_bad, err);
    if (!st) st = mp_answer_finish(j->answer, &j->report->rows_out, &j->report->bytes_out, err);
    return st ? st : mp_job_name_rejects(j, n_bad, err);
}

static mp_status write_results(mp_job *j, mp_error *err) {
    if (j->write) return j->write(j, err);
    if (j->q.grouped) return mp_job_write_groups(j, err);
    if (j->q.n_sort) return mp_job_write_rows(j, j->top >= 0, err);
    return MP_OK;
}

void mp_job_note_scan(mp_job *j) {
    mp_scan_stats s = mp_scan_counts(j->scan);
    mp_report *r = j->report;
    r->mine.rows = s.rows;
    r->mine.bytes = s.bytes;
    r->mine.seconds += s.seconds;
    r->mine.exchanged += s.exchange.bytes_sent;
    mp_report_phase *p = mp_report_phase_of(r, "scan");
    if (p) p->passes = s.passes;
    if (p && j->feed) {
        p->rows = mp_feed_records(j->feed);
        p->bytes = mp_feed_bytes_done(j->feed);
        r->rows_in = p->rows;
        r->bytes_in = p->bytes;
    }
}

mp_status mp_job_run_query(mp_job *j, mp_buf *text, mp_error *err) {
    mp_status st = mp_job_open_table(j, err);
    if (!st && j->opened) j->opened(j);
    if (!st) st = mp_job_make_plan(j, err);
    if (!st && j->spec->run.plan_only) {
        if (mp_comm_rank(j->c) == 0)
            mp_plan_describe(j->spec, &j->table, &j->q, &j->plan, mp_comm_size(j->c), text);
        return MP_OK;
    }
    if (!st) st = mp_answer_open(j->c, j->spec, j->mem, &j->answer, err);
    if (!st) st = mp_job_open_rejects(j, err);
    if (!st) st = mp_job_start_scan(j, err);
    double start = mp_clock_s();
    if (!st) st = mp_job_run_passes(j, err);
    mp_report_phase *scan = mp_report_phase_of(j->report, "scan");
    if (scan) scan->seconds = mp_clock_s() - start;
    if (j->scan) mp_job_note_scan(j);
    mp_report_sample(j->report);
    start = mp_clock_s();
    if (!st) st = write_results(j, err);
    if (!st) st = finish(j, err);
    mp_report_phase *out = mp_report_phase_of(j->report, "output");
    if (out) out->seconds = mp_clock_s() - start;
    mp_report_sample(j->report);
    return st;
}

void mp_job_begin(mp_job *j, mp_comm *c, const mp_spec *spec, mp_mem *mem, mp_report *report) {
    *j = (mp_job){.c = c, .spec = spec, .mem = mem, .report = report, .top = -1};
    int64_t budget = mem->limit_bytes > 0 ? mem->limit_bytes / 8 : MOST_EXCHANGE;
    j->exchange_bytes = budget < MOST_EXCHANGE ? budget : MOST_EXCHANGE;
    mp_arena_init(&j->arena, mem);
    mp_arena_init(&j->batch_arena, mem);
    mp_buf_init(&j->text, mem);
    mp_buf_init(&j->row_ends, mem);
    mp_buf_init(&j->keys, mem);
    mp_row_pool_init(&j->row_pool, mem);
    mp_rows_init(&j->rows, &j->row_pool);
    mp_row_order_init(&j->row_order, mem);
}

void mp_job_end(mp_job *j) {
    mp_answer_free(&j->answer);
    mp_out_abandon(&j->rejects);
    mp_scan_free(&j->scan);
    mp_feed_free(&j->feed);
    if (j->streams) mp_table_streams_free(&j->streams, j->table.n_files);
    mp_scan_plan_release(&j->plan);
    mp_result_plan_release(&j->results);
    mp_group_free(&j->pre);
    mp_groups_free(&j->groups);
    mp_rows_release(&j->rows);
    mp_row_pool_release(&j->row_pool);
    mp_row_order_release(&j->row_order);
    mp_buf_release(&j->keys);
    mp_buf_release(&j->text);
    mp_buf_release(&j->row_ends);
    mp_arena_release(&j->batch_arena);
    mp_arena_release(&j->arena);
}

mp_status mp_query_run(mp_comm *c, const mp_spec *spec, mp_mem *mem, mp_buf *text,
                       mp_report *report, mp_error *err) {
    mp_job j;
    double start = mp_clock_s();
    mp_job_begin(&j, c, spec, mem, report);
    mp_status st = mp_job_run_query(&j, text, err);
    mp_job_end(&j);
    report->seconds = mp_clock_s() - start;
    mp_status collected = mp_report_collect(report, c, mem, st ? NULL : err);
    return st ? st : collected;
}

/* No table, or several: the objects are all that there is to say. */
static void put_objects(const mp_buf *objects, bool json, mp_buf *text) {
    if (json) mp_buf_printf(text, "{\"objects\":");
    mp_buf_put(text, objects->data, objects->len);
    if (json) mp_buf_printf(text, "}\n");
}

mp_status mp_info_run(mp_comm *c, const mp_spec *spec, bool json, mp_mem *mem, mp_buf *text,
                      mp_report *report, mp_error *err) {
    mp_job j;
    double start = mp_clock_s();
    mp_job_begin(&j, c, spec, mem, report);
    mp_buf objects;
    bool is_tree;
    int64_t n_tables;
    mp_buf_init(&objects, mem);
    mp_status st = mp_info_h5_tree(c, spec, json, mem, &objects, &is_tree, &n_tables, err);
    bool one = !is_tree || n_tables == 1;
    if (!st && one) st = mp_job_open_table(&j, err);
    if (!st && one)
        st =
            mp_info_of_table(c, spec, &j.table, &j.streams, json, &objects, mem, text, report, err);
    if (!st && !one) put_objects(&objects, json, text);
    mp_buf_release(&objects);
    mp_job_end(&j);
    report->seconds = mp_clock_s() - start;
    mp_status collected = mp_report_collect(report, c, mem, st ? NULL : err);
    return st ? st : collected;
}
