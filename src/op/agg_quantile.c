/* agg_quantile.c - quantiles and medians, exact: every value is kept. Int64 and decimals become
 * the nearest double at once; that keeps their order, so the result is that of selecting first.
 * Values wait as (group, value) pairs and go from there, sorted by group, into runs: lists of values
 * of one group, whose heads are in the groups' rows.
 * Invariant: a value either waits or is in one run; count is that of the values in a group's runs. */
#include "op/agg.h"

#include <math.h>
#include <string.h>

enum {
    RUN_VALUES = 4096,    /* most of a run, and so of a part of a record */
    WAIT_FIRST = 4096,    /* values that may wait */
    WAIT_LEAST = 1 << 16, /* ... once there are many of them */
    WAIT_MOST = 1 << 22,
    WAIT_PER_GROUP = 16, /* so that runs get some length */
    HELD_VALUES = 3 << 19
};

typedef struct run {
    struct run *next;
    int64_t n;
    int64_t v[]; /* values in their order as integers (mp_order_of_double) */
} run;

typedef struct {
    run *head;
    int64_t count;
} quantile_state;

typedef struct {
    mp_agg base;
    int64_t *value; /* that wait */
    uint32_t *group;
    int64_t n, cap;
    int64_t n_in_runs;
    mp_arena runs;
    int64_t *room; /* the values of one group, together */
    int64_t room_cap;
} quantile_agg;

static quantile_state *state_of(const quantile_agg *a, uint32_t group) {
    return (quantile_state *)(void *)mp_agg_state(&a->base, group);
}

static mp_status new_run(quantile_agg *a, uint32_t group, int64_t n, run **out, mp_error *err) {
    size_t bytes = sizeof(run) + (size_t)n * sizeof(int64_t);
    run *r = mp_arena_alloc(&a->runs, bytes, 8);
    if (!r) return mp_mem_error(a->base.mem, bytes, err);
    quantile_state *s = state_of(a, group);
    r->next = s->head;
    r->n = n;
    s->head = r;
    s->count += n;
    a->n_in_runs += n;
    *out = r;
    return MP_OK;
}

static mp_status add_runs(quantile_agg *a, uint32_t group, const int64_t *v, int64_t n,
                          mp_error *err) {
    while (n > 0) {
        int64_t part = n < RUN_VALUES ? n : RUN_VALUES;
        run *r = NULL;
        mp_status s = new_run(a, group, part, &r, err);
        if (s != MP_OK) return s;
        memcpy(r->v, v, (size_t)part * sizeof *v);
        v += part;
        n -= part;
    }
    return MP_OK;
}

/* Waiting values sorted by group: group g has sorted[start[g] .. start[g + 1]). */
static void sort_by_group(const quantile_agg *a, int64_t n_groups, uint32_t *start,
                          int64_t *sorted) {
    for (int64_t i = 0; i < a->n; i++)
        start[a->group[i] + 2]++;
    for (int64_t g = 0; g < n_groups; g++)
        start[g + 2] += start[g + 1];
    /* start[g + 1] moves from the begin of g to its end */
    for (int64_t i = 0; i < a->n; i++)
        sorted[start[a->group[i] + 1]++] = a->value[i];
}

/* Waiting values into runs. */
static mp_status fold(quantile_agg *a, mp_error *err) {
    int64_t n_groups = a->base.table->n;
    if (!a->n) return MP_OK;
    uint32_t *start = mp_mem_calloc(a->base.mem, (size_t)n_groups + 2, sizeof *start);
    int64_t *sorted = mp_mem_alloc(a->base.mem, (size_t)a->n * sizeof *sorted);
    mp_status s = MP_OK;
    if (!start || !sorted) s = mp_mem_error(a->base.mem, (size_t)a->n * sizeof *sorted, err);
    if (s == MP_OK) sort_by_group(a, n_groups, start, sorted);
    for (int64_t g = 0; g < n_groups && s == MP_OK; g++)
        s = add_runs(a, (uint32_t)g, sorted + start[g], start[g + 1] - start[g], err);
    mp_mem_free(a->base.mem, start);
    mp_mem_free(a->base.mem, sorted);
    a->n = 0;
    return s;
}

static mp_status grow_waiting(quantile_agg *a, mp_error *err) {
    int64_t most = a->base.table->n * WAIT_PER_GROUP;
    most = most < WAIT_LEAST ? WAIT_LEAST : most > WAIT_MOST ? WAIT_MOST : most;
    if (a->cap >= most) return fold(a, err);
    int64_t cap = a->cap ? a->cap * 2 : WAIT_FIRST;
    int64_t *value =
        mp_mem_realloc(a->base.mem, a->value, ((size_t)cap + MP_BATCH_ROWS) * sizeof *value);
    if (value) a->value = value;
    uint32_t *group =
        value ? mp_mem_realloc(a->base.mem, a->group, ((size_t)cap + MP_BATCH_ROWS) * sizeof *group)
              : NULL;
    if (!group) return mp_mem_error(a->base.mem, (size_t)cap * sizeof *value, err);
    a->group = group;
    a->cap = cap;
    return MP_OK;
}

/* Values as integers in their order. */
static void take_values(const mp_col *c, int32_t n, int64_t *out) {
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

static mp_status quantile_update(mp_agg *base, const uint32_t *group, const mp_batch *in,
                                 mp_error *err) {
    quantile_agg *a = (quantile_agg *)base;
    const mp_col *c = &in->cols[base->spec.arg[0]];
    int32_t n = in->n_rows;
    if (a->n >= a->cap) {
        mp_status s = grow_waiting(a, err);
        if (s != MP_OK) return s;
    }
    int64_t *value = a->value + a->n; /* there is room for a batch behind cap */
    uint32_t *to = a->group + a->n;
    take_values(c, n, value);
    if (!c->valid) {
        memcpy(to, group, (size_t)n * sizeof *to);
        a->n += n;
        return MP_OK;
    }
    int32_t kept = 0;
    for (int32_t i = 0; i < n; i++) {
        value[kept] = value[i];
        to[kept] = group[i];
        kept += c->valid[i] != 0;
    }
    a->n += kept;
    return MP_OK;
}

/* Whole runs; the cursor is the run that comes next. */
static bool quantile_put_more(mp_agg *base, uint32_t group, uint64_t *cursor, mp_buf *out) {
    const run *r =
        *cursor ? (const run *)(uintptr_t)*cursor : state_of((quantile_agg *)base, group)->head;
    for (int64_t n = 0; r && n + r->n <= RUN_VALUES; r = r->next) {
        mp_buf_put(out, r->v, (size_t)r->n * sizeof *r->v);
        n += r->n;
    }
    *cursor = (uint64_t)(uintptr_t)r;
    return r != NULL;
}

static mp_status quantile_absorb_more(mp_agg *base, uint32_t group, mp_rd *in, mp_error *err) {
    quantile_agg *a = (quantile_agg *)base;
    size_t n = mp_rd_left(in) / sizeof(int64_t);
    if (mp_rd_left(in) % sizeof(int64_t)) return mp_agg_damaged(err);
    while (n > 0) {
        size_t part = n < RUN_VALUES ? n : RUN_VALUES;
        run *r = NULL;
        mp_status s = new_run(a, group, (int64_t)part, &r, err);
        if (s != MP_OK) return s;
        memcpy(r->v, mp_rd_raw(in, part * sizeof *r->v), part * sizeof *r->v);
        n -= part;
    }
    return MP_OK;
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

/* ---- selection ---- */

static void sift(int64_t *v, int64_t at, int64_t n) {
    int64_t x = v[at];
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && v[child] < v[child + 1]) child++;
        if (x >= v[child]) break;
        v[at] = v[child];
    }
    v[at] = x;
}

static void sort(int64_t *v, int64_t n) {
    if (n > 32) {
        for (int64_t i = n / 2 - 1; i >= 0; i--)
            sift(v, i, n);
        for (int64_t end = n - 1; end > 0; end--) {
            int64_t x = v[0];
            v[0] = v[end];
            v[end] = x;
            sift(v, 0, end);
        }
        return;
    }
    for (int64_t i = 1; i < n; i++) {
        int64_t x = v[i], j = i;
        for (; j > 0 && x < v[j - 1]; j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
}

static int64_t median3(int64_t a, int64_t b, int64_t c) {
    if (a > b) {
        int64_t t = a;
        a = b;
        b = t;
    }
    return c <= a ? a : c >= b ? b : c;
}

/* Quickselect (Hoare): afterwards v[k] is in place, nothing before it is larger, nothing behind
 * it smaller. Where partitions stay lopsided, the heap takes over. */
static void select_at(int64_t *v, int64_t n, int64_t k) {
    for (int rounds = 0; n > 32; rounds++) {
        if (rounds > 100) break;
        int64_t pivot = median3(v[0], v[n / 2], v[n - 1]), i = -1, j = n;
        for (;;) {
            while (v[++i] < pivot) {
            }
            while (v[--j] > pivot) {
            }
            if (i >= j) break;
            int64_t t = v[i];
            v[i] = v[j];
            v[j] = t;
        }
        /* v[0 .. j] <= pivot <= v[j + 1 ..] */
        if (k <= j) {
            n = j + 1;
        } else {
            v += j + 1;
            n -= j + 1;
            k -= j + 1;
        }
    }
    sort(v, n);
}

enum { SAMPLE = 64, SAMPLE_FROM = 2048, SAMPLE_MARGIN = 12 };

/* Most values are left aside at once: a sample gives two values between which the one sought lies
 * almost certainly, and one pass without branches on the values moves what is between them to the
 * front. Returns how many those are, *below how many are less; 0: the sample was wrong. */
static int64_t narrow(int64_t *v, int64_t n, int64_t k, int64_t *below) {
    int64_t sample[SAMPLE], at = k * SAMPLE / n, lo_at = at - SAMPLE_MARGIN,
                            hi_at = at + SAMPLE_MARGIN + 1;
    for (int64_t i = 0; i < SAMPLE; i++)
        sample[i] = v[i * n / SAMPLE + n / SAMPLE / 2];
    sort(sample, SAMPLE);
    int64_t lo = lo_at < 0 ? INT64_MIN : sample[lo_at];
    int64_t hi = hi_at >= SAMPLE ? INT64_MAX : sample[hi_at];
    int64_t less = 0, inside = 0;
    for (int64_t i = 0; i < n; i++) {
        less += v[i] < lo;
        inside += v[i] >= lo && v[i] <= hi;
    }
    if (k < less || k + 1 >= less + inside || inside > n / 2) return 0;
    /* what is moved to the front changes places with what was there */
    int64_t to = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t x = v[i], y = v[to];
        bool in = x >= lo && x <= hi;
        v[i] = in ? y : x;
        v[to] = in ? x : y;
        to += in;
    }
    *below = less;
    return inside;
}

static double number(int64_t order) {
    return order == INT64_MAX ? (double)NAN : mp_double_of_order(order);
}

static double quantile_of(int64_t *v, int64_t n, double q) {
    double h = q * (double)(n - 1), whole = floor(h);
    int64_t k = (int64_t)whole;
    if (k < 0) k = 0;
    if (k > n - 1) k = n - 1;
    bool last = k == n - 1;
    int64_t below = 0, inside = n >= SAMPLE_FROM ? narrow(v, n, k, &below) : 0;
    if (inside) {
        n = inside;
        k -= below;
    }
    select_at(v, n, k);
    double lo = number(v[k]), part = h - whole;
    if (last || part <= 0) return lo;
    int64_t next = v[k + 1];
    for (int64_t i = k + 2; i < n; i++)
        next = v[i] < next ? v[i] : next;
    double hi = number(next);
    if (v[k] == next) return lo; /* also two infinities */
    if (q == 0.5) {
        double sum = lo + hi;
        return isinf(sum) && isfinite(lo) && isfinite(hi) ? lo / 2 + hi / 2 : sum / 2;
    }
    double step = hi - lo;
    if (isinf(step) && isfinite(lo) && isfinite(hi)) return lo * (1 - part) + hi * part;
    return lo + step * part;
}

/* The values of a group side by side. */
static mp_status collect(quantile_agg *a, const quantile_state *s, mp_error *err) {
    if (s->count > a->room_cap) {
        size_t bytes = (size_t)(s->count + s->count / 2) * sizeof *a->room;
        mp_mem_free(a->base.mem, a->room);
        a->room_cap = 0;
        a->room = mp_mem_alloc(a->base.mem, bytes);
        if (!a->room) return mp_mem_error(a->base.mem, bytes, err);
        a->room_cap = s->count + s->count / 2;
    }
    int64_t *to = a->room;
    for (const run *r = s->head; r; r = r->next) {
        if (r->next) __builtin_prefetch(r->next);
        memcpy(to, r->v, (size_t)r->n * sizeof *to);
        to += r->n;
    }
    return MP_OK;
}

static mp_status quantile_result(mp_agg *base, const uint32_t *group, int32_t n, mp_arena *arena,
                                 mp_agg_column *out, mp_error *err) {
    quantile_agg *a = (quantile_agg *)base;
    (void)arena;
    for (int32_t i = 0; i < n; i++) {
        const quantile_state *s = state_of(a, group[i]);
        out->valid[i] = s->count > 0;
        if (!s->count) continue;
        mp_status st = collect(a, s, err);
        if (st != MP_OK) return st;
        out->f64[i] = quantile_of(a->room, s->count, base->spec.q) + 0.0;
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
