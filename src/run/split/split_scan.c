/* split_scan.c - the passes of a split over its input.
 * Invariant: a pass counts when the types that its rows show are those that it was read with, as in
 * a query; what a pass made that does not count is forgotten before the next one. */
#include "run/split/split_priv.h"

enum { MOST_PASSES = 8 };

static mp_status bind(mp_split *s, mp_split_read read, mp_arena *arena, mp_scan_plan *plan,
                      mp_split_columns *cols, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st =
        mp_split_bind(s->spec, &s->job.table, s->job.seen, read, arena, plan, cols, &mine);
    plan->typed = true; /* another pass follows, or may */
    return mp_comm_agree_on(s->job.c, st, &mine, err);
}

/* Nothing is in the shards. */
static mp_status begin_pass(mp_split *s, mp_status (*begin)(mp_split *s, mp_error *err),
                            mp_error *err) {
    size_t n = (size_t)s->job.table.n_columns;
    memset(s->legs_seen, 0, n * sizeof *s->legs_seen);
    if (n) memcpy(s->plan_seen, s->job.seen, n * sizeof *s->plan_seen);
    return begin(s, err);
}

/* Collective. *all: it was the last one. */
static mp_status run_leg(mp_split *s, const mp_scan_consumer *consumer, mp_flow_verdict *verdict,
                         bool *all, mp_error *err) {
    mp_job *j = &s->job;
    size_t n = (size_t)j->table.n_columns * sizeof *j->seen;
    if (n) memset(j->seen, 0, n);
    mp_status st = mp_scan_pass(j->scan, &j->plan, consumer, j->seen, verdict, err);
    for (int c = 0; c < j->table.n_columns; c++)
        mp_evidence_add(&s->legs_seen[c], j->seen[c]);
    if (n) memcpy(j->seen, s->plan_seen, n);
    *all = true;
    if (!st && *verdict != MP_FLOW_REDO && consumer->pause) st = mp_split_leg_done(s, all, err);
    return st;
}

/* Now j->seen is what is believed behind the legs so far: what all their rows show; before the last one, also
 * what the plan was made for, since such values may still come. */
static void take_evidence(mp_split *s, bool all) {
    for (int c = 0; c < s->job.table.n_columns; c++) {
        mp_evidence *seen = &s->job.seen[c];
        if (all && s->legs_seen[c].seen)
            *seen = s->legs_seen[c];
        else
            mp_evidence_add(seen, s->legs_seen[c]);
    }
}

mp_status mp_split_scan(mp_split *s, mp_split_read read, mp_scan_consumer *consumer,
                        mp_status (*begin)(mp_split *s, mp_error *err), mp_error *err) {
    mp_job *j = &s->job;
    mp_status st = bind(s, read, &j->arena, &j->plan, &s->cols, err);
    consumer->ctx = s;
    consumer->most_rows = -1;
    for (int pass = 0; !st && pass < MOST_PASSES;) {
        mp_error mine = MP_ERROR_INIT;
        mp_flow_verdict verdict = MP_FLOW_FAILED;
        bool all = true;
        s->split = -1;
        consumer->first_split = s->first_split;
        if (s->first_split == 0) st = mp_split_forget(s, err);
        if (!st && s->first_split == 0)
            st = mp_comm_agree_on(j->c, begin_pass(s, begin, &mine), &mine, err);
        if (!st) st = run_leg(s, consumer, &verdict, &all, err);
        if (!st && verdict != MP_FLOW_REDO) {
            mp_scan_plan amended;
            mp_split_columns cols;
            mp_arena arena; /* there may be very many legs */
            mp_arena_init(&arena, j->mem);
            take_evidence(s, all);
            st = bind(s, read, &arena, &amended, &cols, err);
            mp_arena_release(&arena);
            bool stands = !st && amended.signature == j->plan.signature, was_amiss = s->amiss;
            bool stores = s->spec->format == MP_FORMAT_H5 || s->spec->packing != MP_PACK_NONE;
            s->amiss = !stands;
            if (stands && all) return stores && consumer->pause ? mp_split_leg_save(s, err) : MP_OK;
            if (!st && !all) {
                /* the rest of a pass that will not count is read in one leg, so that the next plan knows
                 * all rows; it pauses only where it is asked to stop */
                if (stands || was_amiss) st = mp_split_leg_save(s, err);
                continue;
            }
            if (!st) st = bind(s, read, &j->arena, &j->plan, &s->cols, err);
        }
        s->amiss = false;
        s->first_split = 0;
        pass++;
    }
    return st ? st
              : mp_error_set(err, MP_FAILED, "types do not settle", "%d passes were not enough",
                             MOST_PASSES);
}

mp_status mp_split_order_keys(mp_split *s, const mp_batch *in, mp_error *err) {
    for (int k = 0; k < s->cols.n_keys; k++)
        s->order[k] = (mp_sort_key){.col = s->cols.key_at[k]};
    mp_buf_clear(&s->keys);
    return mp_row_keys(in, s->order, s->cols.n_keys, false, &s->keys, s->key_ends, err);
}

/* ---- rows of each split ---- */

static mp_status begin_count(mp_split *s, mp_error *err) {
    (void)err;
    s->n_splits = 0;
    return MP_OK;
}

static mp_status count_batch(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    mp_split *s = ctx;
    (void)err;
    if (s->split != split) s->split_rows = 0;
    s->split = split;
    s->split_rows += in->n_rows;
    return MP_OK;
}

static mp_status end_count(void *ctx, int64_t split, mp_error *err) {
    mp_split *s = ctx;
    int64_t n = s->n_splits;
    if (split >= n) {
        n = split < 32 ? 64 : 2 * split;
        int64_t *rows = mp_mem_realloc(s->job.mem, s->rows_before, (size_t)n * sizeof *rows);
        if (!rows) return mp_mem_error(s->job.mem, (size_t)n * sizeof *rows, err);
        memset(rows + s->n_splits, 0, (size_t)(n - s->n_splits) * sizeof *rows);
        s->rows_before = rows;
        s->n_splits = n;
    }
    s->rows_before[split] = s->split == split ? s->split_rows : 0;
    s->split = -1;
    return MP_OK;
}

/* Room for n splits and one more, what is not known yet 0. */
static mp_status widen(mp_split *s, int64_t n, mp_error *err) {
    int64_t *rows = mp_mem_calloc(s->job.mem, (size_t)n + 1, sizeof *rows);
    if (!rows) return mp_mem_error(s->job.mem, (size_t)n * sizeof *rows, err);
    if (s->n_splits) memcpy(rows, s->rows_before, (size_t)s->n_splits * sizeof *rows);
    mp_mem_free(s->job.mem, s->rows_before);
    s->rows_before = rows;
    s->n_splits = n;
    return MP_OK;
}

mp_status mp_split_count(mp_split *s, mp_error *err) {
    mp_scan_consumer consumer = {.batch = count_batch, .split_end = end_count};
    mp_comm *c = s->job.c;
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_split_scan(s, MP_SPLIT_READ_NONE, &consumer, begin_count, err);
    int64_t n = s->n_splits;
    if (!st) st = mp_comm_allreduce(c, &n, 1, MP_MAX, err);
    if (st) return st;
    st = mp_comm_agree_on(c, widen(s, n, &mine), &mine, err);
    enum { AT_ONCE = 1 << 16 };
    for (int64_t i = 0; i < n && !st; i += AT_ONCE)
        st = mp_comm_allreduce(c, s->rows_before + i, (int)(n - i < AT_ONCE ? n - i : AT_ONCE),
                               MP_SUM, err);
    int64_t sum = 0;
    for (int64_t i = 0; i <= n; i++) {
        int64_t rows = s->rows_before[i];
        s->rows_before[i] = sum;
        sum += rows;
    }
    mp_split_set_rows(s, n);
    return st;
}

void mp_split_set_rows(mp_split *s, int64_t n) {
    int64_t sum = s->rows_before[n];
    s->n_splits = n;
    s->n_shards = sum ? (sum - 1) / s->spec->n_rows + 1 : 1;
}
