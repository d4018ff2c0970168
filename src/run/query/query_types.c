/* query_types.c - the types of a query's columns, found by passes that compute nothing: for the
 * rare query that fails under the types which the sample proposes, and may not under those that the
 * rows have.
 * Invariant: the types found are those of all rows (columns of the filter) and of the
 * rows that the filter keeps (the others); the sample has no say in them, so neither has the number
 * of ranks or where the rows stand. */
#include "run/query/query_priv.h"

enum { MOST_GUESSES = 3 };

static mp_status bind_untyped(mp_job *j, mp_scan_plan *plan, mp_error *err) {
    size_t n = (size_t)j->table.n_columns;
    mp_evidence *none = mp_arena_alloc(&j->arena, n * sizeof *none + 1, 16);
    if (!none) return mp_mem_error(j->mem, n * sizeof *none, err);
    memset(none, 0, n * sizeof *none + 1);
    return mp_query_bind(&j->q, &j->table, none, &j->arena, plan, err);
}

mp_status mp_job_bind(mp_job *j, mp_error *err) {
    mp_error shown = MP_ERROR_INIT, hidden = MP_ERROR_INIT;
    mp_status st = mp_query_bind(&j->q, &j->table, j->seen, &j->arena, &j->plan, &shown);
    j->in_doubt = false;
    if (st == MP_USAGE && bind_untyped(j, &j->plan, &hidden) == MP_OK) {
        j->in_doubt = true;
        return MP_OK;
    }
    if (st && err) *err = shown;
    return st;
}

/* ---- passes for types alone ---- */

static mp_status ignore_rows(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    (void)ctx, (void)split, (void)in, (void)err;
    return MP_OK;
}

static mp_status look(mp_job *j, bool at_filter, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_scan_plan_release(&j->plan);
    mp_status st =
        mp_query_bind_types(&j->q, &j->table, j->seen, at_filter, &j->arena, &j->plan, &mine);
    st = mp_job_agree(j, st, &mine, err);
    if (st || j->plan.n_wanted == 0) return st;
    mp_scan_consumer consumer = {.ctx = j, .batch = ignore_rows, .most_rows = -1};
    mp_flow_verdict verdict = MP_FLOW_REDO;
    for (int i = 0; i < MOST_GUESSES && verdict == MP_FLOW_REDO && !st; i++)
        st = mp_scan_pass(j->scan, &j->plan, &consumer, j->seen, &verdict, err);
    if (!st && verdict == MP_FLOW_REDO)
        st = mp_error_set(err, MP_FAILED, NULL, "%d passes did not find where records start",
                          MOST_GUESSES);
    return st;
}

/* Where the query alone shows no error, the data are what does not fit. */
static mp_status blame_data(mp_status st, mp_error *err) {
    if (st != MP_USAGE) return st;
    if (err) err->status = MP_DATA;
    return MP_DATA;
}

mp_status mp_job_find_types(mp_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    size_t n = (size_t)j->table.n_columns;
    if (n) memset(j->seen, 0, n * sizeof *j->seen);
    mp_status st = j->q.where ? look(j, true, err) : MP_OK;
    if (!st) st = look(j, false, err);
    if (st) return blame_data(st, err);
    mp_scan_plan_release(&j->plan);
    st = mp_query_bind(&j->q, &j->table, j->seen, &j->arena, &j->plan, &mine);
    return mp_job_agree(j, blame_data(st, &mine), &mine, err);
}
