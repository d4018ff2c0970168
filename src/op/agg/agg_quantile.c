/* agg_quantile.c - quantiles and medians, exact: every value is kept. Int64 and decimals become the
 * nearest double in the end; that keeps their order, so the result is that of doing it first. As long
 * as they fit, values are mantissas of 32 bits at one scale; others are doubles as integers in their
 * order.
 * Values wait as (group, value) pairs and go from there, sorted by group, into runs: lists of values
 * of one group, whose heads are in the groups' rows.
 * Invariant: a value either waits or is in one run; count is that of the values in a group's runs.
 * All values that wait are of the aggregate's kind; those of a run are of the run's. */
#include "op/agg/agg.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "op/agg/agg_select.h"

enum {
    RUN_VALUES = 4096,    /* most of a run, and so of a part of a record */
    WAIT_FIRST = 4096,    /* values that may wait */
    WAIT_LEAST = 1 << 16, /* ... once there are many of them */
    WAIT_MOST = 1 << 22,
    WAIT_PER_GROUP = 16, /* so that runs get some length */
    HELD_VALUES = 3 << 19,
    WIDE = 0xFF /* the kind of int64; else the scale of mantissas of 32 bits */
};

typedef struct run {
    struct run *next;
    int32_t n;
    uint32_t kind;
    int64_t v[]; /* or int32_t, by kind */
} run;

typedef struct {
    run *head;
    int64_t count;
} quantile_state;

typedef struct {
    mp_agg base;
    uint32_t kind; /* of what waits */
    void *value;   /* that wait */
    uint32_t *group;
    int64_t n, cap;
    int64_t n_in_runs;
    mp_arena runs;
    void *room; /* the values of one group, together */
    int64_t room_cap;
} quantile_agg;

static size_t width(uint32_t kind) {
    return kind == WIDE ? sizeof(int64_t) : sizeof(int32_t);
}

static quantile_state *state_of(const quantile_agg *a, uint32_t group) {
    return (quantile_state *)(void *)mp_agg_state(&a->base, group);
}

/* Takes n <= RUN_VALUES values of a kind over to the group. */
static mp_status add_run(quantile_agg *a, uint32_t group, uint32_t kind, const void *v, int64_t n,
                         mp_error *err) {
    size_t bytes = sizeof(run) + (size_t)n * width(kind);
    run *r = mp_arena_alloc(&a->runs, bytes, 8);
    if (!r) return mp_mem_error(a->base.mem, bytes, err);
    quantile_state *s = state_of(a, group);
    r->next = s->head;
    r->n = (int32_t)n;
    r->kind = kind;
    memcpy(r->v, v, (size_t)n * width(kind));
    s->head = r;
    s->count += n;
    a->n_in_runs += n;
    return MP_OK;
}

static mp_status add_runs(quantile_agg *a, uint32_t group, uint32_t kind, const void *v, int64_t n,
                          mp_error *err) {
    mp_status s = MP_OK;
    for (const char *p = v; n > 0 && s == MP_OK;) {
        int64_t part = n < RUN_VALUES ? n : RUN_VALUES;
        s = add_run(a, group, kind, p, part, err);
        p += (size_t)part * width(kind);
        n -= part;
    }
    return s;
}

/* Waiting values sorted by group: group g has sorted[start[g] .. start[g + 1]). */
static void sort_by_group(const quantile_agg *a, int64_t n_groups, uint32_t *start, void *sorted) {
    for (int64_t i = 0; i < a->n; i++)
        start[a->group[i] + 2]++;
    for (int64_t g = 0; g < n_groups; g++)
        start[g + 2] += start[g + 1];
    /* start[g + 1] moves from the begin of g to its end */
    if (a->kind == WIDE)
        for (int64_t i = 0; i < a->n; i++)
            ((int64_t *)sorted)[start[a->group[i] + 1]++] = ((const int64_t *)a->value)[i];
    else
        for (int64_t i = 0; i < a->n; i++)
            ((int32_t *)sorted)[start[a->group[i] + 1]++] = ((const int32_t *)a->value)[i];
}

/* Waiting values into runs. */
static mp_status fold(quantile_agg *a, mp_error *err) {
    int64_t n_groups = a->base.table->n;
    size_t bytes = (size_t)a->n * width(a->kind);
    if (!a->n) return MP_OK;
    uint32_t *start = mp_mem_calloc(a->base.mem, (size_t)n_groups + 2, sizeof *start);
    char *sorted = mp_mem_alloc(a->base.mem, bytes);
    mp_status s = MP_OK;
    if (!start || !sorted) s = mp_mem_error(a->base.mem, bytes, err);
    if (s == MP_OK) sort_by_group(a, n_groups, start, sorted);
    for (int64_t g = 0; g < n_groups && s == MP_OK; g++)
        s = add_runs(a, (uint32_t)g, a->kind, sorted + start[g] * width(a->kind),
                     start[g + 1] - start[g], err);
    mp_mem_free(a->base.mem, start);
    mp_mem_free(a->base.mem, sorted);
    a->n = 0;
    return s;
}

/* Room for a batch behind cap values of the aggregate's kind. */
static mp_status grow_waiting(quantile_agg *a, mp_error *err) {
    int64_t most = a->base.table->n * WAIT_PER_GROUP;
    most = most < WAIT_LEAST ? WAIT_LEAST : most > WAIT_MOST ? WAIT_MOST : most;
    if (a->cap >= most) return fold(a, err);
    int64_t cap = a->cap ? a->cap * 2 : WAIT_FIRST;
    size_t values = (size_t)cap + MP_BATCH_ROWS;
    void *value = mp_mem_realloc(a->base.mem, a->value, values * width(a->kind));
    if (value) a->value = value;
    uint32_t *group = value ? mp_mem_realloc(a->base.mem, a->group, values * sizeof *group) : NULL;
    if (!group) return mp_mem_error(a->base.mem, values * width(a->kind), err);
    a->group = group;
    a->cap = cap;
    return MP_OK;
}

/* What waits becomes runs, and what comes is of another kind. */
static mp_status change_kind(quantile_agg *a, uint32_t kind, mp_error *err) {
    mp_status s = fold(a, err);
    if (s != MP_OK) return s;
    if (width(kind) != width(a->kind)) {
        mp_mem_free(a->base.mem, a->value);
        a->value = NULL;
        a->cap = 0;
    }
    a->kind = kind;
    return MP_OK;
}

/* Values as integers in their order. */
static void take_orders(const mp_col *c, int32_t n, int64_t *out) {
    switch (c->type) {
    case MP_FLOAT64:
        for (int32_t i = 0; i < n; i++)
            out[i] = mp_order_of_double(c->f64[i]);
        return;
    case MP_BOOL:
        for (int32_t i = 0; i < n; i++)
            out[i] = mp_order_of_double(c->b[i]);
        return;
    case MP_DECIMAL:
        for (int32_t i = 0; i < n; i++)
            out[i] = mp_order_of_double(mp_decimal_to_double(c->i64[i], c->scale));
        return;
    default:
        for (int32_t i = 0; i < n; i++)
            out[i] = mp_order_of_double((double)c->i64[i]);
        return;
    }
}

/* The scale at which the column's values, those under nulls too, are mantissas of 32 bits together
 * with all before them; WIDE: there is none. */
static uint32_t kind_of(const quantile_agg *a, const mp_col *c, int32_t n) {
    if (a->kind == WIDE || (c->type != MP_DECIMAL && c->type != MP_INT64)) return WIDE;
    uint32_t own = c->type == MP_DECIMAL ? c->scale : 0, scale = own > a->kind ? own : a->kind;
    double most = mp_agg_largest(c->i64, n) * mp_pow10_f64[scale - own];
    return most <= (double)INT32_MAX ? scale : WIDE;
}

static void take_narrow(const mp_col *c, int32_t n, uint32_t kind, int32_t *out) {
    int64_t factor = mp_pow10_i64[(int)kind - (c->type == MP_DECIMAL ? c->scale : 0)];
    for (int32_t i = 0; i < n; i++)
        out[i] = (int32_t)(c->i64[i] * factor);
}

/* The groups of the values that are not null; those values are moved together. */
static int32_t drop_nulls(const quantile_agg *a, const uint8_t *valid, const uint32_t *group,
                          int32_t n, void *value, uint32_t *to) {
    int32_t kept = 0;
    for (int32_t i = 0; i < n; i++) {
        if (a->kind == WIDE)
            ((int64_t *)value)[kept] = ((const int64_t *)value)[i];
        else
            ((int32_t *)value)[kept] = ((const int32_t *)value)[i];
        to[kept] = group[i];
        kept += valid[i] != 0;
    }
    return kept;
}

static mp_status quantile_update(mp_agg *base, const uint32_t *group, const mp_batch *in,
                                 mp_error *err) {
    quantile_agg *a = (quantile_agg *)base;
    const mp_col *c = &in->cols[base->spec.arg[0]];
    int32_t n = in->n_rows;
    uint32_t kind = kind_of(a, c, n);
    mp_status s = kind != a->kind ? change_kind(a, kind, err) : MP_OK;
    if (s == MP_OK && a->n >= a->cap) s = grow_waiting(a, err);
    if (s != MP_OK) return s;
    void *value = (char *)a->value + (size_t)a->n * width(kind);
    uint32_t *to = a->group + a->n;
    if (kind == WIDE)
        take_orders(c, n, value);
    else
        take_narrow(c, n, kind, value);
    if (c->valid)
        n = drop_nulls(a, c->valid, group, n, value, to);
    else
        memcpy(to, group, (size_t)n * sizeof *to);
    a->n += n;
    return MP_OK;
}

/* Whole runs of one kind, which comes first; the cursor is the run that comes next. */
static bool quantile_put_more(mp_agg *base, uint32_t group, uint64_t *cursor, mp_buf *out) {
    const run *r =
        *cursor ? (const run *)(uintptr_t)*cursor : state_of((quantile_agg *)base, group)->head;
    if (!r) return false;
    uint32_t kind = r->kind;
    mp_buf_u32(out, kind);
    for (int64_t n = 0; r && r->kind == kind && n + r->n <= RUN_VALUES; r = r->next) {
        mp_buf_put(out, r->v, (size_t)r->n * width(kind));
        n += r->n;
    }
    *cursor = (uint64_t)(uintptr_t)r;
    return r != NULL;
}

static mp_status quantile_absorb_more(mp_agg *base, uint32_t group, mp_rd *in, mp_error *err) {
    quantile_agg *a = (quantile_agg *)base;
    uint32_t kind = mp_rd_u32(in);
    size_t bytes = mp_rd_left(in);
    if (in->bad || (kind > MP_SCALE_MAX && kind != WIDE) || bytes % width(kind))
        return mp_agg_damaged(err);
    const void *v = mp_rd_raw(in, bytes);
    return add_runs(a, group, kind, v, (int64_t)(bytes / width(kind)), err);
}

static mp_status quantile_settle(mp_agg *base, bool emit, mp_error *err) {
    (void)emit;
    base->has_more = true;
    return fold((quantile_agg *)base, err);
}

static bool quantile_is_full(const mp_agg *base) {
    const quantile_agg *a = (const quantile_agg *)base;
    int64_t most = 8 * base->table->n;
    return a->n + a->n_in_runs > (most > HELD_VALUES ? most : HELD_VALUES);
}

/* ---- results ---- */

static double number(uint32_t kind, int64_t v) {
    if (kind != WIDE) return mp_decimal_to_double(v, (int)kind);
    return v == INT64_MAX ? (double)NAN : mp_double_of_order(v);
}

/* The k-th of the values in room, and the one behind it. */
static void select_two(const quantile_agg *a, uint32_t kind, int64_t n, int64_t k, int64_t v[2]) {
    int32_t narrow[2];
    if (kind == WIDE) {
        mp_select_i64(a->room, n, k, v);
        return;
    }
    mp_select_i32(a->room, n, k, narrow);
    v[0] = narrow[0];
    v[1] = narrow[1];
}

static double quantile_of(const quantile_agg *a, uint32_t kind, int64_t n) {
    double q = a->base.spec.q, h = q * (double)(n - 1), whole = floor(h), part = h - whole;
    int64_t k = (int64_t)whole, v[2];
    if (k < 0) k = 0;
    if (k > n - 1) k = n - 1;
    select_two(a, kind, n, k, v);
    double lo = number(kind, v[0]), hi = number(kind, v[1]);
    if (k == n - 1 || part <= 0 || v[0] == v[1]) return lo; /* also two infinities */
    if (q == 0.5) {
        double sum = lo + hi;
        return isinf(sum) && isfinite(lo) && isfinite(hi) ? lo / 2 + hi / 2 : sum / 2;
    }
    double step = hi - lo;
    if (isinf(step) && isfinite(lo) && isfinite(hi)) return lo * (1 - part) + hi * part;
    return lo + step * part;
}

static void widen(const run *r, int64_t *to) {
    const int32_t *narrow = (const void *)r->v;
    if (r->kind == WIDE)
        memcpy(to, r->v, (size_t)r->n * sizeof *to);
    else
        for (int32_t i = 0; i < r->n; i++)
            to[i] = mp_order_of_double(number(r->kind, narrow[i]));
}

/* The values of a group side by side, of one kind. */
static mp_status collect(quantile_agg *a, const quantile_state *s, uint32_t *kind, mp_error *err) {
    if (s->count > a->room_cap) {
        size_t bytes = (size_t)(s->count + s->count / 2) * sizeof(int64_t);
        mp_mem_free(a->base.mem, a->room);
        a->room_cap = 0;
        a->room = mp_mem_alloc(a->base.mem, bytes);
        if (!a->room) return mp_mem_error(a->base.mem, bytes, err);
        a->room_cap = s->count + s->count / 2;
    }
    *kind = s->head->kind;
    for (const run *r = s->head; r; r = r->next)
        if (r->kind != *kind) *kind = WIDE;
    char *to = a->room;
    for (const run *r = s->head; r; r = r->next) {
        if (r->next) __builtin_prefetch(r->next);
        if (*kind == WIDE)
            widen(r, (int64_t *)(void *)to);
        else
            memcpy(to, r->v, (size_t)r->n * width(*kind));
        to += (size_t)r->n * width(*kind);
    }
    return MP_OK;
}

static mp_status quantile_result(mp_agg *base, const uint32_t *group, int32_t n, mp_arena *arena,
                                 mp_agg_column *out, mp_error *err) {
    quantile_agg *a = (quantile_agg *)base;
    uint32_t kind = WIDE;
    (void)arena;
    for (int32_t i = 0; i < n; i++) {
        const quantile_state *s = state_of(a, group[i]);
        out->valid[i] = s->count > 0;
        if (!s->count) continue;
        mp_status st = collect(a, s, &kind, err);
        if (st != MP_OK) return st;
        out->f64[i] = quantile_of(a, kind, s->count) + 0.0;
    }
    return MP_OK;
}

static void quantile_clear(mp_agg *base) {
    quantile_agg *a = (quantile_agg *)base;
    mp_arena_reset(&a->runs);
    a->n = a->n_in_runs = 0;
}

static void quantile_release(mp_agg *base) {
    quantile_agg *a = (quantile_agg *)base;
    mp_arena_release(&a->runs);
    mp_mem_free(base->mem, a->value);
    mp_mem_free(base->mem, a->group);
    mp_mem_free(base->mem, a->room);
}

static const mp_agg_ops quantile_ops = {
    .update = quantile_update,
    .put_more = quantile_put_more,
    .absorb_more = quantile_absorb_more,
    .settle = quantile_settle,
    .is_full = quantile_is_full,
    .result = quantile_result,
    .clear = quantile_clear,
    .release = quantile_release,
};

mp_status mp_agg_quantile_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err) {
    mp_status s = mp_agg_alloc(sizeof(quantile_agg), &quantile_ops, mem, out, err);
    if (s != MP_OK) return s;
    if (!(spec->q >= 0 && spec->q <= 1)) {
        mp_mem_free(mem, *out);
        *out = NULL;
        return mp_error_set(err, MP_USAGE, NULL, "a quantile lies between 0 and 1");
    }
    (*out)->has_more = true;
    (*out)->state_bytes = sizeof(quantile_state);
    mp_arena_init(&((quantile_agg *)*out)->runs, mem);
    return MP_OK;
}
