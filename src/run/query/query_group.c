/* query_group.c - rows into groups, groups to their owners, groups to the answer.
 * Invariant: a group ends on the rank that owns its hash; with keys of one spelling per value,
 * which a second exchange makes where the input had several. */
#include "data/take.h"
#include "run/fault.h"
#include "run/query/query_priv.h"

enum { EMIT_GROUPS = 4096, WINDOW_EXP = -76 };

/* ---- the scan ---- */

static void attach(void *ctx, mp_flow_run *run) {
    ((mp_job *)ctx)->run = run;
}

static mp_status put_group(void *ctx, int owner, const void *record, size_t n, mp_error *err) {
    mp_job *j = ctx;
    return mp_exchange_put(mp_flow_exchange(j->run), owner, record, n, err);
}

static bool alone(const mp_job *j) {
    return mp_comm_size(j->c) == 1;
}

static mp_status emit_some(mp_job *j, bool *done, mp_error *err) {
    if (alone(j)) return mp_group_emit(j->pre, mp_groups_put, j->groups, EMIT_GROUPS, done, err);
    return mp_group_emit(j->pre, put_group, j, EMIT_GROUPS, done, err);
}

static mp_status on_batch(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    (void)split;
    mp_job *j = ctx;
    mp_batch out;
    mp_arena_reset(&j->batch_arena);
    mp_status st = mp_job_values(j, j->plan.values, j->plan.n_values, in, &out, err);
    if (!st) st = mp_group_add(j->pre, &out, err);
    bool done = !mp_group_should_flush(j->pre);
    if (!done) j->flushed = true;
    while (!st && !done)
        st = emit_some(j, &done, err);
    return st;
}

static mp_status finish_step(void *ctx, bool *done, mp_error *err) {
    mp_job *j = ctx;
    *done = true;
    return alone(j) && !j->flushed ? MP_OK : emit_some(j, done, err);
}

static mp_status on_block(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    (void)src;
    return mp_groups_absorb(((mp_job *)ctx)->groups, bytes, len, err);
}

/* What the plan's groups are made of; keys first among the values. absorbs: they take in what
 * tables emit, no rows. */
static mp_status group_args(mp_job *j, bool absorbs, const mp_type *key_types, mp_group_args *out,
                            mp_error *err) {
    const mp_query *q = &j->q;
    size_t n = (size_t)q->n_keys;
    int *key = mp_arena_alloc(&j->arena, n * sizeof *key + 1, 16);
    mp_type *types = mp_arena_alloc(&j->arena, n * sizeof *types + 1, 16);
    if (!key || !types) return mp_mem_error(j->mem, n * 8, err);
    for (int i = 0; i < q->n_keys; i++) {
        key[i] = i;
        types[i] = key_types ? key_types[i] : j->plan.values[i].type;
    }
    const mp_table *t = &j->table;
    double bytes = (double)(t->text_bytes ? t->text_bytes : t->total_bytes);
    double rows = t->row_bytes > 0 ? bytes / t->row_bytes : 0;
    *out = (mp_group_args){.n_keys = q->n_keys,
                           .starts_empty = absorbs,
                           .key = key,
                           .key_type = types,
                           .n_aggs = j->plan.n_aggs,
                           .aggs = j->plan.aggs,
                           .n_owners = mp_comm_size(j->c),
                           .expect_rows = rows / mp_comm_size(j->c),
                           .window_exp = WINDOW_EXP,
                           .mem = j->mem};
    return MP_OK;
}

static mp_status new_groups(mp_job *j, const mp_type *key_types, mp_error *err) {
    mp_group_args args;
    mp_groups_free(&j->groups);
    mp_status st = group_args(j, true, key_types, &args, err);
    return st ? st : mp_groups_new(&args, MP_SORTED_GROUPS, &j->groups, err);
}

static mp_status new_tables(mp_job *j, mp_error *err) {
    mp_group_args args;
    mp_group_free(&j->pre);
    j->flushed = false;
    mp_status st = group_args(j, false, NULL, &args, err);
    if (!st) st = mp_group_new(&args, &j->pre, err);
    return st ? st : new_groups(j, NULL, err);
}

mp_status mp_job_group(mp_job *j, mp_flow_verdict *verdict, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_job_agree(j, new_tables(j, &mine), &mine, err);
    if (st) return st;
    mp_scan_consumer consumer = {.ctx = j,
                                 .exchange_bytes = j->exchange_bytes,
                                 .attach = attach,
                                 .batch = on_batch,
                                 .finish_step = finish_step,
                                 .on_block = alone(j) ? NULL : on_block,
                                 .most_rows = -1};
    return mp_scan_pass(j->scan, &j->plan, &consumer, j->seen, verdict, err);
}

/* ---- the types of the keys ---- */

/* Is every text of evidence e a value of type t, and (unless odd) in canonical form? */
static bool is_canonical(mp_evidence e, bool odd, mp_type t) {
    if (t == MP_STRING || e.seen == 0) return true;
    bool one_kind = (e.seen & (e.seen - 1)) == 0;
    if (e.seen == MP_SEEN_DECIMAL && t != MP_DECIMAL) one_kind = false; /* too many digits */
    return one_kind && !odd && mp_evidence_type(e) == t;
}

/* Least types of the keys' texts, over all ranks. Keys of a known type keep it. *canonical: all
 * texts are for certain. Collective. */
static mp_status find_key_types(mp_job *j, bool *canonical, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    size_t n = (size_t)j->q.n_keys;
    int64_t *bits = mp_arena_alloc(&j->arena, 3 * n * sizeof *bits + 1, 16);
    mp_evidence *seen = mp_arena_alloc(&j->arena, n * sizeof *seen + 1, 16);
    j->key_types = mp_arena_alloc(&j->arena, n * sizeof *j->key_types + 1, 16);
    j->key_ts_sep = mp_arena_alloc(&j->arena, n + 1, 16);
    bool *odd = mp_arena_alloc(&j->arena, n * sizeof *odd + 1, 16);
    bool ok = bits && seen && odd && j->key_types && j->key_ts_sep;
    mp_status st = ok ? MP_OK : mp_mem_error(j->mem, 3 * n * sizeof *bits, &mine);
    st = mp_job_agree(j, st, &mine, err);
    if (st || n == 0) return st;
    memset(seen, 0, n * sizeof *seen);
    memset(odd, !j->pre, n * sizeof *odd); /* of a table that became the groups nobody knows */
    mp_groups_key_evidence(j->groups, seen);
    if (j->pre) mp_group_emitted_evidence(j->pre, seen, odd);
    for (size_t i = 0; i < n; i++) {
        bits[i] = seen[i].seen | odd[i] << 8;
        bits[n + 2 * i] = seen[i].int_digits;
        bits[n + 2 * i + 1] = seen[i].scale;
    }
    st = mp_comm_allreduce(j->c, bits, (int)n, MP_OR, err);
    if (!st) st = mp_comm_allreduce(j->c, bits + n, (int)(2 * n), MP_MAX, err);
    for (size_t i = 0; i < n && !st; i++) {
        const mp_plan_value *v = &j->plan.values[i];
        mp_evidence e = {(uint8_t)bits[i], (uint8_t)bits[n + 2 * i], (uint8_t)bits[n + 2 * i + 1]};
        j->key_types[i] = v->type != MP_NULL ? v->type : mp_evidence_type(e);
        j->key_ts_sep[i] = v->type != MP_NULL ? v->ts_sep : e.seen & MP_SEEN_TS_T ? 'T' : ' ';
        if (v->type == MP_NULL && !is_canonical(e, bits[i] >> 8, j->key_types[i]))
            *canonical = false;
    }
    return st;
}

/* ---- one spelling per value ---- */

typedef struct {
    mp_job *j;
    mp_groups *from;
} respelling;

static void attach_respelling(void *ctx, mp_flow_run *run) {
    ((respelling *)ctx)->j->run = run;
}

static mp_status respell_step(void *ctx, bool *done, mp_error *err) {
    respelling *r = ctx;
    return mp_groups_emit(r->from, r->j->key_types, put_group, r->j, EMIT_GROUPS, done, err);
}

static mp_status on_respelled(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    return on_block(((respelling *)ctx)->j, src, bytes, len, err);
}

/* Groups whose keys were respelled move to their owners again, and merge. Collective. */
static mp_status respell_keys(mp_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    bool all;
    mp_status st = mp_groups_keys_canonical(j->groups, j->key_types, &all, &mine);
    st = mp_job_agree(j, st, &mine, err);
    int64_t odd = !all;
    if (!st) st = mp_comm_allreduce(j->c, &odd, 1, MP_SUM, err);
    if (st || odd == 0) return st;
    respelling r = {.j = j, .from = j->groups};
    j->groups = NULL;
    st = mp_job_agree(j, new_groups(j, j->key_types, &mine), &mine, err);
    mp_flow flow = {.name = "merge",
                    .ctx = &r,
                    .exchange_bytes = j->exchange_bytes,
                    .mem = j->mem,
                    .attach = attach_respelling,
                    .finish_step = respell_step,
                    .on_block = on_respelled};
    mp_flow_result result = {0};
    if (!st) st = mp_flow_execute(j->c, &flow, &result, err);
    j->report->mine.exchanged += result.exchange.bytes_sent;
    mp_groups_free(&r.from);
    return st;
}

/* ---- results ---- */

/* The next batch of results behind --having, as outputs, sort keys and group keys. */
static mp_status next_result(mp_job *j, mp_batch *out, bool *more, mp_error *err) {
    mp_batch base;
    mp_status st = mp_groups_next(j->groups, &j->batch_arena, &base, err);
    *more = !st && base.n_rows > 0;
    if (st || !*more) return st;
    j->taken += base.n_rows;
    if (j->results.having) {
        int32_t n = 0, bad_row = -1;
        uint32_t *sel = mp_arena_alloc(&j->batch_arena, MP_BATCH_ROWS * sizeof *sel, 16);
        if (!sel) return mp_mem_error(j->mem, MP_BATCH_ROWS * sizeof *sel, err);
        st = mp_prog_select(j->results.having, &base, &j->batch_arena, sel, &n, &bad_row, err);
        if (!st) st = mp_batch_take(&base, sel, n, &j->batch_arena, &base, err);
        if (st) return st;
    }
    mp_batch values;
    st = mp_job_values(j, j->results.values, j->results.n_values, &base, &values, err);
    if (st) return st;
    int n = values.n_cols, keys = j->q.n_keys;
    mp_col *cols = mp_arena_alloc(&j->batch_arena, (size_t)(n + keys) * sizeof *cols + 1, 16);
    if (!cols) return mp_mem_error(j->mem, sizeof *cols, err);
    memcpy(cols, values.cols, (size_t)n * sizeof *cols);
    if (keys) memcpy(cols + n, base.cols, (size_t)keys * sizeof *cols);
    *out = values;
    out->cols = cols;
    out->n_cols = n + keys;
    return MP_OK;
}

static int64_t enter_slab(mp_job *j, int slab) {
    return mp_groups_enter(j->groups, slab);
}

/* All results of this rank as kept rows; ties of the sort are broken by the keys, and without
 * --sort the keys are the order. */
static mp_status keep_results(mp_job *j, mp_error *err) {
    const mp_query *q = &j->q;
    int n = j->results.n_values;
    j->n_sort_keys = q->n_sort + q->n_keys;
    j->sort_keys = mp_arena_alloc(&j->arena, (size_t)j->n_sort_keys * sizeof *j->sort_keys + 1, 16);
    if (!j->sort_keys) return mp_mem_error(j->mem, (size_t)j->n_sort_keys * 16, err);
    for (int i = 0; i < q->n_sort; i++)
        j->sort_keys[i] = (mp_sort_key){.col = q->n_outputs + i, .descending = q->descending[i]};
    for (int i = 0; i < q->n_keys; i++)
        j->sort_keys[q->n_sort + i] = (mp_sort_key){.col = n + i};
    j->top = mp_job_top(q);
    mp_status st = mp_job_begin_rows(j, err);
    if (!st) st = mp_groups_prepare(j->groups, MP_GROUP_ANY_ORDER, j->key_types, err);
    for (bool more = true; !st && more;) {
        mp_batch batch;
        mp_arena_reset(&j->batch_arena);
        st = next_result(j, &batch, &more, err);
        if (!st && more) st = mp_job_keep_batch(j, &batch, false, err);
    }
    if (!st) st = mp_job_prune(j, j->top, err);
    j->report->groups = mp_groups_most(j->groups);
    mp_groups_free(&j->groups);
    return st;
}

/* What the scan left, as this rank's own groups. */
static mp_status own_groups(mp_job *j, mp_error *err) {
    if (alone(j) && !j->flushed) mp_groups_adopt(j->groups, &j->pre);
    return mp_groups_finish(j->groups, err);
}

/* Types under which the keys are read for an answer that is only written. Where no expression looks
 * at them, their canonical texts are what CSV and TSV have for the values. */
static mp_status written_types(mp_job *j, const mp_type **out, mp_error *err) {
    size_t n = (size_t)j->q.n_keys;
    mp_text_format format;
    *out = j->key_types;
    mp_status st = mp_answer_format(j->spec, &format, err);
    bool as_text = !j->results.having && (format == MP_FORMAT_CSV || format == MP_FORMAT_TSV);
    for (int i = 0; i < j->results.n_values; i++)
        as_text = as_text && j->results.values[i].direct >= 0;
    if (st || !as_text || n == 0) return st;
    mp_type *types = mp_arena_alloc(&j->arena, n * sizeof *types, 16);
    if (!types) return mp_mem_error(j->mem, n * sizeof *types, err);
    for (size_t i = 0; i < n; i++)
        types[i] = MP_STRING;
    *out = types;
    return MP_OK;
}

static mp_status write_groups(mp_job *j, bool few, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    bool keep = few || j->q.n_sort > 0;
    const mp_type *types = NULL;
    mp_status st = mp_fault_check(mp_comm_rank(j->c), "merge", &mine);
    if (!st)
        st = mp_query_bind_results(&j->q, &j->plan, j->key_types, j->key_ts_sep, &j->arena,
                                   &j->results, &mine);
    if (!st && !keep) st = written_types(j, &types, &mine);
    if (!st)
        st = keep ? keep_results(j, &mine)
                  : mp_groups_prepare(j->groups, MP_GROUP_BY_HASH, types, &mine);
    st = mp_job_agree(j, st, &mine, err);
    if (st) return st;
    if (keep) return mp_job_write_rows(j, few || j->top >= 0, err);
    const mp_job_slabs slabs = {.n_slabs = mp_groups_n_slabs(j->groups),
                                .n_rows = mp_groups_most(j->groups),
                                .enter = enter_slab,
                                .next = next_result};
    st = mp_job_write_slabs(j, &slabs, err);
    j->report->groups = mp_groups_most(j->groups);
    return st;
}

mp_status mp_job_write_groups(mp_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_job_agree(j, own_groups(j, &mine), &mine, err);
    bool canonical = true;
    if (!st) st = find_key_types(j, &canonical, err);
    mp_group_free(&j->pre);
    if (!st && !canonical) st = respell_keys(j, err);
    int64_t total = st ? 0 : mp_groups_least(j->groups);
    if (!st) st = mp_comm_allreduce(j->c, &total, 1, MP_SUM, err);
    if (!st) st = write_groups(j, total <= MP_SORTED_GROUPS, err);
    total = j->report->groups;
    if (!st) st = mp_comm_allreduce(j->c, &total, 1, MP_SUM, err);
    j->report->groups = total;
    return st;
}
