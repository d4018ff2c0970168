/* agg_quantile.c - quantiles and medians, exact: every value is kept. Int64 and decimals become
 * the nearest double at once; that keeps their order, so the result is that of selecting first.
 * Values arrive as (group, value) pairs in chunks and are sorted into groups when they are asked
 * for. Invariant: a value is in exactly one of the chunks and the sorted lists. */
#include "op/agg.h"

#include <math.h>
#include <string.h>

enum { CHUNK_FIRST = 1024, CHUNK_MAX = 1 << 16, SEND_VALUES = 4096 };

typedef struct chunk {
    struct chunk *older;
    int32_t n, cap;
    int64_t *v; /* values in their order as integers (mp_order_of_double) */
    uint32_t *group;
} chunk;

typedef struct {
    mp_agg base;
    chunk *head;
    int64_t n_chunked;
    int64_t *sorted; /* by group: start[g] .. start[g + 1] */
    int64_t *start;
    int64_t n_groups; /* of start */
} quantile_agg;

static mp_status add_chunk(quantile_agg *a, mp_error *err) {
    int32_t cap = a->head ? a->head->cap * 2 : CHUNK_FIRST;
    if (cap > CHUNK_MAX) cap = CHUNK_MAX;
    size_t n = (size_t)cap, bytes = sizeof(chunk) + n * (sizeof(int64_t) + sizeof(uint32_t));
    chunk *c = mp_mem_alloc(a->base.mem, bytes);
    if (!c) return mp_mem_error(a->base.mem, bytes, err);
    *c = (chunk){.older = a->head, .cap = cap};
    c->v = (int64_t *)(void *)(c + 1);
    c->group = (uint32_t *)(void *)(c->v + n);
    a->head = c;
    return MP_OK;
}

static double value_of(const mp_col *c, int32_t i) {
    switch (c->type) {
    case MP_FLOAT64:
        return c->f64[i];
    case MP_BOOL:
        return c->b[i];
    case MP_DECIMAL:
        return mp_decimal_to_double(c->i64[i], c->scale);
    default:
        return (double)c->i64[i];
    }
}

static mp_status quantile_update(mp_agg *base, const uint32_t *group, const mp_batch *in,
                                 mp_error *err) {
    quantile_agg *a = (quantile_agg *)base;
    const mp_col *col = &in->cols[base->spec.arg[0]];
    for (int32_t i = 0; i < in->n_rows;) {
        if (!a->head || a->head->n == a->head->cap) {
            mp_status s = add_chunk(a, err);
            if (s != MP_OK) return s;
        }
        chunk *c = a->head;
        int32_t n = c->n, end = c->cap - n < in->n_rows - i ? i + c->cap - n : in->n_rows;
        for (; i < end; i++) {
            c->v[n] = mp_order_of_double(value_of(col, i));
            c->group[n] = group[i];
            n += !mp_col_is_null(col, i);
        }
        a->n_chunked += n - c->n;
        c->n = n;
    }
    return MP_OK;
}

static bool quantile_put_more(mp_agg *base, uint32_t group, uint64_t *cursor, mp_buf *out) {
    quantile_agg *a = (quantile_agg *)base;
    int64_t first = a->start[group] + (int64_t)*cursor, end = a->start[group + 1], n = end - first;
    if (n > SEND_VALUES) n = SEND_VALUES;
    mp_buf_put(out, a->sorted + first, (size_t)n * sizeof *a->sorted);
    *cursor += (uint64_t)n;
    return first + n < end;
}

static mp_status quantile_absorb_more(mp_agg *base, uint32_t group, mp_rd *in, mp_error *err) {
    quantile_agg *a = (quantile_agg *)base;
    if (mp_rd_left(in) % sizeof(int64_t)) return mp_agg_damaged(err);
    while (mp_rd_left(in)) {
        if (!a->head || a->head->n == a->head->cap) {
            mp_status s = add_chunk(a, err);
            if (s != MP_OK) return s;
        }
        chunk *c = a->head;
        size_t room = (size_t)(c->cap - c->n), n = mp_rd_left(in) / sizeof(int64_t);
        if (n > room) n = room;
        const void *p = mp_rd_raw(in, n * sizeof(int64_t));
        memcpy(c->v + c->n, p, n * sizeof(int64_t));
        for (size_t i = 0; i < n; i++)
            c->group[(size_t)c->n + i] = group;
        c->n += (int32_t)n;
        a->n_chunked += (int64_t)n;
    }
    return MP_OK;
}

static void free_sorted(quantile_agg *a) {
    mp_mem_free(a->base.mem, a->sorted);
    mp_mem_free(a->base.mem, a->start);
    a->sorted = a->start = NULL;
    a->n_groups = 0;
}

/* Counts into start[g + 1]; then, with places, each value to its place (start[g] becomes the end
 * of g). */
static void count_values(const quantile_agg *a, int64_t *start) {
    for (const chunk *c = a->head; c; c = c->older)
        for (int32_t i = 0; i < c->n; i++)
            start[c->group[i] + 1]++;
    for (int64_t g = 0; g < a->n_groups; g++)
        start[g + 1] += a->start[g + 1] - a->start[g];
}

static void place_values(quantile_agg *a, int64_t *at, int64_t *sorted) {
    for (int64_t g = 0; g < a->n_groups; g++) {
        int64_t n = a->start[g + 1] - a->start[g];
        if (n) memcpy(sorted + at[g], a->sorted + a->start[g], (size_t)n * sizeof *sorted);
        at[g] += n;
    }
    while (a->head) {
        chunk *c = a->head;
        for (int32_t i = 0; i < c->n; i++)
            sorted[at[c->group[i]]++] = c->v[i];
        a->head = c->older;
        mp_mem_free(a->base.mem, c);
    }
    a->n_chunked = 0;
}

static mp_status quantile_settle(mp_agg *base, bool emit, mp_error *err) {
    quantile_agg *a = (quantile_agg *)base;
    int64_t n_groups = base->table->n;
    int64_t total = a->n_chunked + (a->start ? a->start[a->n_groups] : 0);
    (void)emit;
    base->has_more = true;
    if (a->start && !a->n_chunked && a->n_groups == n_groups) return MP_OK;
    int64_t *start = mp_mem_calloc(base->mem, (size_t)n_groups + 2, sizeof *start);
    int64_t *sorted = mp_mem_alloc(base->mem, (size_t)total * sizeof *sorted);
    if (!start || !sorted) {
        mp_mem_free(base->mem, start);
        mp_mem_free(base->mem, sorted);
        return mp_mem_error(base->mem, (size_t)total * sizeof *sorted, err);
    }
    /* one place further on: while values are placed, start[g + 1] moves from the begin of g to
     * its end */
    count_values(a, start + 1);
    for (int64_t g = 0; g < n_groups; g++)
        start[g + 2] += start[g + 1];
    place_values(a, start + 1, sorted);
    free_sorted(a);
    a->sorted = sorted;
    a->start = start;
    a->n_groups = n_groups;
    return MP_OK;
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

static double number(int64_t order) {
    return order == INT64_MAX ? (double)NAN : mp_double_of_order(order);
}

static double quantile_of(int64_t *v, int64_t n, double q) {
    double h = q * (double)(n - 1), whole = floor(h);
    int64_t k = (int64_t)whole;
    if (k < 0) k = 0;
    if (k > n - 1) k = n - 1;
    select_at(v, n, k);
    double lo = number(v[k]), part = h - whole;
    if (k == n - 1 || part <= 0) return lo;
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

static mp_status quantile_result(mp_agg *base, const uint32_t *group, int32_t n, mp_arena *arena,
                                 mp_agg_column *out, mp_error *err) {
    quantile_agg *a = (quantile_agg *)base;
    (void)arena;
    (void)err;
    for (int32_t i = 0; i < n; i++) {
        int64_t first = a->start[group[i]], count = a->start[group[i] + 1] - first;
        out->valid[i] = count > 0;
        if (count) out->f64[i] = quantile_of(a->sorted + first, count, base->spec.q) + 0.0;
    }
    return MP_OK;
}

static void quantile_clear(mp_agg *base) {
    quantile_agg *a = (quantile_agg *)base;
    while (a->head) {
        chunk *c = a->head;
        a->head = c->older;
        mp_mem_free(base->mem, c);
    }
    a->n_chunked = 0;
    free_sorted(a);
}

static const mp_agg_ops quantile_ops = {
    .update = quantile_update,
    .put_more = quantile_put_more,
    .absorb_more = quantile_absorb_more,
    .settle = quantile_settle,
    .result = quantile_result,
    .clear = quantile_clear,
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
    return MP_OK;
}
