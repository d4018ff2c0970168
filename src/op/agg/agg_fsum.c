/* agg_fsum.c - sum and mean of float64: the exact sum, rounded once. A state is a 128-bit
 * window; what it refuses goes to superaccumulators beside the table. Invariant: window +
 * accumulator is the exact sum, so neither the order of the rows nor the window's place shows in
 * the result. */
#include "op/agg/agg.h"

#include <string.h>

#include "op/agg/agg_side.h"

typedef struct {
    mp_i128_8 window;
    uint64_t nulls;
} fsum_state;

typedef struct {
    mp_agg base;
    mp_agg_side side;
} fsum_agg;

static mp_status misfit(fsum_agg *a, uint32_t group, double v, mp_error *err) {
    mp_superacc *acc;
    mp_status s = mp_agg_side_get(&a->side, group, &acc, err);
    if (s == MP_OK) mp_superacc_add(acc, v);
    return s;
}

static mp_status fsum_update(mp_agg *base, const uint32_t *group, const mp_batch *in,
                             mp_error *err) {
    fsum_agg *a = (fsum_agg *)base;
    const mp_col *c = &in->cols[base->spec.arg[0]];
    uint8_t *states = base->table->rows + base->at;
    size_t stride = base->table->stride;
    int w = base->window_exp;
    for (int32_t i = 0; i < in->n_rows; i++) {
        fsum_state *st = (fsum_state *)(void *)(states + group[i] * stride);
        if (c->valid && !c->valid[i]) {
            st->nulls++;
            continue;
        }
        mp_i128 sum = st->window;
        if (__builtin_expect(mp_fsum_window_add(&sum, c->f64[i], w), 1)) {
            st->window = sum;
        } else {
            mp_status s = misfit(a, group[i], c->f64[i], err);
            if (s != MP_OK) return s;
        }
    }
    return MP_OK;
}

static mp_status fsum_absorb(mp_agg *a, const uint32_t *group, const uint8_t *const *in, int32_t n,
                             mp_error *err) {
    for (int32_t i = 0; i < n; i++) {
        fsum_state more, *st = (fsum_state *)(void *)mp_agg_state(a, group[i]);
        memcpy(&more, in[i] + a->wire_at, sizeof more);
        if (more.nulls > MP_AGG_COUNT_MAX) return mp_agg_damaged(err);
        /* honest windows stay below 2^127 (MP_FSUM_ADDS_MAX); others may wrap */
        st->window = (mp_i128)((mp_u128)st->window + (mp_u128)more.window);
        st->nulls += more.nulls;
    }
    return MP_OK;
}

static bool fsum_put_more(mp_agg *base, uint32_t group, uint64_t *cursor, mp_buf *out) {
    if (!*cursor) mp_agg_side_write(&((fsum_agg *)base)->side, group, out);
    return false;
}

static mp_status fsum_absorb_more(mp_agg *base, uint32_t group, mp_rd *in, mp_error *err) {
    return mp_agg_side_absorb(&((fsum_agg *)base)->side, group, in, err);
}

static mp_status fsum_settle(mp_agg *base, bool emit, mp_error *err) {
    (void)emit;
    (void)err;
    base->has_more = ((fsum_agg *)base)->side.n > 0;
    return MP_OK;
}

static double result_of(const fsum_agg *a, bool mean, uint32_t group, mp_i128 window, int64_t n) {
    const mp_superacc *acc = mp_agg_side_find(&a->side, group);
    int w = a->base.window_exp;
    if (!acc) return mean ? mp_fsum_window_mean(window, w, n) : mp_fsum_window_round(window, w);
    mp_superacc sum = *acc;
    (void)mp_superacc_add_i128(&sum, window, w); /* sums of doubles always fit */
    return mean ? mp_superacc_mean(&sum, n) : mp_superacc_round(&sum);
}

static mp_status fsum_result(mp_agg *base, const mp_group_agg *as, const uint32_t *group, int32_t n,
                             mp_arena *arena, mp_agg_column *out, mp_error *err) {
    (void)arena;
    (void)err;
    bool mean = as->fn == MP_AGG_MEAN;
    for (int32_t i = 0; i < n; i++) {
        const fsum_state *st = (const fsum_state *)(void *)mp_agg_state(base, group[i]);
        int64_t values = mp_agg_n(base, group[i], st->nulls);
        out->valid[i] = values > 0;
        if (values) out->f64[i] = result_of((fsum_agg *)base, mean, group[i], st->window, values);
    }
    return MP_OK;
}

static void fsum_clear(mp_agg *base) {
    mp_agg_side_clear(&((fsum_agg *)base)->side);
    base->has_more = false;
}

static const mp_agg_ops fsum_ops = {
    .update = fsum_update,
    .put = mp_agg_put_state,
    .absorb = fsum_absorb,
    .put_more = fsum_put_more,
    .absorb_more = fsum_absorb_more,
    .settle = fsum_settle,
    .result = fsum_result,
    .clear = fsum_clear,
};

mp_status mp_agg_fsum_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err) {
    (void)spec;
    mp_status s = mp_agg_alloc(sizeof(fsum_agg), &fsum_ops, mem, out, err);
    if (s != MP_OK) return s;
    (*out)->state_bytes = (*out)->wire_bytes = sizeof(fsum_state);
    ((fsum_agg *)*out)->side = (mp_agg_side){.per_group = 1, .mem = mem};
    return MP_OK;
}
