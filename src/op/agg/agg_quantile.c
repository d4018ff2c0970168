/* agg_quantile.c - quantiles and medians, exact: every value is kept. Int64 and decimals become the
 * nearest double in the end; that keeps their order, so the result is that of doing it first. As long
 * as they fit, values are mantissas of 32 bits at one scale; others are doubles as integers in their
 * order.
 * A group's values lie in runs, each twice as long as the one before it, up to a page; the newest is
 * filled row by row. Its head is in the group's row.
 * Invariant: all values of a run are of the run's kind. Once settled, no run is open: n is exact. */
#include "op/agg/agg.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "op/agg/agg_select.h"

enum {
    RUN_VALUES = 4096,      /* most of a run, and so of a part of a record */
    OPEN_FIRST = 32,        /* bytes of a group's first open run */
    OPEN_MOST = 4096,       /* ... and of its later ones */
    AHEAD = 24,             /* rows, of the place of a value */
    KEEP_ROOM = 256 * 1024, /* bytes */
    WIDE = 0xFF             /* the kind of int64; else the scale of mantissas of 32 bits */
};

typedef struct run {
    struct run *next;
    int32_t n;
    uint32_t kind;
    int64_t v[]; /* or int32_t, by kind */
} run;

typedef struct {
    run *head;
    uint32_t used, cap; /* of the head; equal: it is closed */
} quantile_state;

typedef struct {
    mp_agg base;
    uint32_t kind; /* of open runs */
    void *value;   /* of a batch */
    uint32_t *group;
    mp_arena runs;
    mp_select_part *part; /* of one group */
    int64_t n_parts, part_cap;
    void *room;       /* for its values; where there are no parts, they are in it */
    int64_t room_cap; /* bytes */
} quantile_agg;

static size_t width(uint32_t kind) {
    return kind == WIDE ? sizeof(int64_t) : sizeof(int32_t);
}

static quantile_state *state_of(const quantile_agg *a, uint32_t group) {
    return (quantile_state *)(void *)mp_agg_state(&a->base, group);
}

/* A run of room for n values in front of the group's others, which are closed. */
static run *add_run(quantile_agg *a, quantile_state *s, uint32_t kind, size_t n) {
    run *r = mp_arena_alloc(&a->runs, sizeof(run) + n * width(kind), 8);
    if (!r) return NULL;
    *r = (run){.next = s->head, .n = (int32_t)n, .kind = kind};
    s->head = r;
    return r;
}

static void close_run(quantile_state *s) {
    if (s->used < s->cap) s->head->n = (int32_t)s->used;
    s->used = s->cap = 0;
}

static mp_status add_values(quantile_agg *a, quantile_state *s, uint32_t kind, const void *v,
                            int64_t n, mp_error *err) {
    close_run(s);
    for (const char *p = v; n > 0;) {
        size_t part = n < RUN_VALUES ? (size_t)n : RUN_VALUES, bytes = part * width(kind);
        run *r = add_run(a, s, kind, part);
        if (!r) return mp_mem_error(a->base.mem, sizeof *r + bytes, err);
        memcpy(r->v, p, bytes);
        p += bytes;
        n -= (int64_t)part;
    }
    return MP_OK;
}

/* An open run behind one that is full, or as the first. */
static mp_status open_run(quantile_agg *a, quantile_state *s, mp_error *err) {
    size_t bytes = OPEN_FIRST;
    if (s->head) bytes = 2 * (sizeof(run) + (size_t)s->head->n * width(s->head->kind));
    if (bytes < OPEN_FIRST) bytes = OPEN_FIRST;
    if (bytes > OPEN_MOST) bytes = OPEN_MOST;
    size_t n = (bytes - sizeof(run)) / width(a->kind);
    if (!add_run(a, s, a->kind, n)) return mp_mem_error(a->base.mem, bytes, err);
    s->used = 0;
    s->cap = (uint32_t)n;
    return MP_OK;
}

static void close_runs(const quantile_agg *a) {
    for (int64_t g = 0; g < a->base.table->n; g++)
        close_run(state_of(a, (uint32_t)g));
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

/* The values that are not null, and their groups, are moved together. */
static int32_t drop_nulls(const quantile_agg *a, const uint8_t *valid, const uint32_t *group,
                          int32_t n) {
    int32_t kept = 0;
    for (int32_t i = 0; i < n; i++) {
        if (a->kind == WIDE)
            ((int64_t *)a->value)[kept] = ((const int64_t *)a->value)[i];
        else
            ((int32_t *)a->value)[kept] = ((const int32_t *)a->value)[i];
        a->group[kept] = group[i];
        kept += valid[i] != 0;
    }
    return kept;
}

/* The lines to which the next rows' values go lie apart. */
static inline void fetch_end(const quantile_agg *a, uint32_t group, size_t value_bytes) {
    const quantile_state *s = state_of(a, group);
    __builtin_prefetch((const void *)((uintptr_t)s->head + sizeof(run) + s->used * value_bytes), 1);
}

/* The batch's values to the ends of their groups' runs. */
static mp_status append(quantile_agg *a, const uint32_t *group, int32_t n, mp_error *err) {
    const int64_t *wide = a->kind == WIDE ? a->value : NULL;
    const int32_t *narrow = a->value;
    size_t value_bytes = width(a->kind);
    for (int32_t i = 0; i < n; i++) {
        if (i + AHEAD < n) fetch_end(a, group[i + AHEAD], value_bytes);
        quantile_state *s = state_of(a, group[i]);
        if (s->used == s->cap) {
            mp_status st = open_run(a, s, err);
            if (st != MP_OK) return st;
        }
        if (wide)
            s->head->v[s->used++] = wide[i];
        else
            ((int32_t *)(void *)s->head->v)[s->used++] = narrow[i];
    }
    return MP_OK;
}

/* What comes is of another kind. */
static void change_kind(quantile_agg *a, uint32_t kind) {
    if (kind == a->kind) return;
    close_runs(a);
    a->kind = kind;
}

static mp_status make_batch(quantile_agg *a, mp_error *err) {
    const size_t bytes = MP_BATCH_ROWS * sizeof(int64_t);
    if (!a->value) a->value = mp_mem_alloc(a->base.mem, bytes);
    if (!a->group) a->group = mp_mem_alloc(a->base.mem, MP_BATCH_ROWS * sizeof *a->group);
    return a->value && a->group ? MP_OK : mp_mem_error(a->base.mem, bytes, err);
}

static mp_status quantile_update(mp_agg *base, const uint32_t *group, const mp_batch *in,
                                 mp_error *err) {
    quantile_agg *a = (quantile_agg *)base;
    const mp_col *c = &in->cols[base->spec.arg[0]];
    int32_t n = in->n_rows;
    mp_status s = make_batch(a, err);
    if (s != MP_OK) return s;
    change_kind(a, kind_of(a, c, n));
    if (a->kind == WIDE)
        take_orders(c, n, a->value);
    else
        take_narrow(c, n, a->kind, a->value);
    if (!c->valid) return append(a, group, n, err);
    n = drop_nulls(a, c->valid, group, n);
    return append(a, a->group, n, err);
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
    return add_values(a, state_of(a, group), kind, v, (int64_t)(bytes / width(kind)), err);
}

static mp_status quantile_settle(mp_agg *base, bool emit, mp_error *err) {
    (void)emit, (void)err;
    close_runs((quantile_agg *)base);
    return MP_OK;
}

static size_t quantile_held(const mp_agg *base) {
    return ((const quantile_agg *)base)->runs.total_bytes;
}

/* ---- results ---- */

static double number(uint32_t kind, int64_t v) {
    if (kind != WIDE) return mp_decimal_to_double(v, (int)kind);
    return v == INT64_MAX ? (double)NAN : mp_double_of_order(v);
}

/* The k-th of the n values collected, and the one behind it. */
static void select_two(const quantile_agg *a, uint32_t kind, int64_t n, int64_t k, int64_t v[2]) {
    int32_t narrow[2];
    if (!a->n_parts) {
        mp_select_i64(a->room, n, k, v);
    } else if (kind == WIDE) {
        mp_select_parts_i64(a->part, a->n_parts, n, k, a->room, v);
    } else {
        mp_select_parts_i32(a->part, a->n_parts, n, k, a->room, narrow);
        v[0] = narrow[0];
        v[1] = narrow[1];
    }
}

static double quantile_of(const quantile_agg *a, double q, uint32_t kind, int64_t n) {
    double h = q * (double)(n - 1), whole = floor(h), part = h - whole;
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

/* Room for n items, whose old contents are lost; NULL: refused. */
static void *fit(mp_mem *mem, void *room, int64_t *cap, int64_t n, size_t item_bytes) {
    if (n <= *cap) return room;
    mp_mem_free(mem, room);
    room = mp_mem_alloc(mem, (size_t)(n + n / 2) * item_bytes);
    *cap = room ? n + n / 2 : 0;
    return room;
}

static mp_status make_room(quantile_agg *a, int64_t n_runs, int64_t bytes, mp_error *err) {
    a->part = fit(a->base.mem, a->part, &a->part_cap, n_runs, sizeof *a->part);
    a->room = fit(a->base.mem, a->room, &a->room_cap, bytes, 1);
    return a->part && a->room ? MP_OK : mp_mem_error(a->base.mem, (size_t)bytes, err);
}

/* Other aggregates need room as well. */
static void leave_room(quantile_agg *a) {
    if (a->room_cap <= KEEP_ROOM) return;
    mp_mem_free(a->base.mem, a->room);
    a->room = NULL;
    a->room_cap = 0;
}

/* The runs of a group as parts of one kind, or where they are of several, their values as wide ones
 * in the room. *n: how many. */
static mp_status collect(quantile_agg *a, const run *head, uint32_t *kind, int64_t *n,
                         mp_error *err) {
    int64_t n_runs = 0;
    bool mixed = false;
    *n = 0;
    *kind = head->kind;
    for (const run *r = head; r; r = r->next, n_runs++) {
        *n += r->n;
        mixed |= r->kind != *kind;
    }
    if (mixed) *kind = WIDE;
    mp_status st = make_room(a, n_runs, *n * (int64_t)width(*kind), err);
    if (st != MP_OK) return st;
    a->n_parts = 0;
    int64_t *to = a->room;
    for (const run *r = head; r; to += r->n, r = r->next) {
        if (mixed)
            widen(r, to);
        else
            a->part[a->n_parts++] = (mp_select_part){r->v, r->n};
    }
    return MP_OK;
}

static mp_status quantile_result(mp_agg *base, const mp_group_agg *as, const uint32_t *group,
                                 int32_t n, mp_arena *arena, mp_agg_column *out, mp_error *err) {
    quantile_agg *a = (quantile_agg *)base;
    uint32_t kind = WIDE;
    int64_t values;
    (void)arena;
    for (int32_t i = 0; i < n; i++) {
        const run *head = state_of(a, group[i])->head;
        out->valid[i] = head != NULL;
        if (!head) continue;
        mp_status st = collect(a, head, &kind, &values, err);
        if (st != MP_OK) return st;
        out->f64[i] = quantile_of(a, as->q, kind, values) + 0.0;
    }
    leave_room(a);
    return MP_OK;
}

static void quantile_clear(mp_agg *base) {
    quantile_agg *a = (quantile_agg *)base;
    mp_arena_reset(&a->runs);
}

static void quantile_release(mp_agg *base) {
    quantile_agg *a = (quantile_agg *)base;
    mp_arena_release(&a->runs);
    mp_mem_free(base->mem, a->value);
    mp_mem_free(base->mem, a->group);
    mp_mem_free(base->mem, a->part);
    mp_mem_free(base->mem, a->room);
}

static const mp_agg_ops quantile_ops = {
    .update = quantile_update,
    .put_more = quantile_put_more,
    .absorb_more = quantile_absorb_more,
    .settle = quantile_settle,
    .held = quantile_held,
    .result = quantile_result,
    .clear = quantile_clear,
    .release = quantile_release,
};

mp_status mp_agg_quantile_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err) {
    mp_status s = mp_agg_alloc(sizeof(quantile_agg), &quantile_ops, mem, out, err);
    if (s != MP_OK) return s;
    (void)spec;
    (*out)->has_more = true;
    (*out)->state_bytes = sizeof(quantile_state);
    quantile_agg *a = (quantile_agg *)*out;
    mp_arena_init(&a->runs, mem);
    a->runs.keep_bytes = 2 * mp_agg_held_most(mem, 1);
    return MP_OK;
}
