/* agg_count.c - count(), count(x), and every aggregate of a column that holds nothing but nulls.
 * The rows of a group are counted once for all aggregates; a state counts nulls, so columns
 * without nulls cost nothing. */
#include "op/agg/agg.h"

static mp_status count_update(mp_agg *a, const uint32_t *group, const mp_batch *in, mp_error *err) {
    (void)err;
    if (a->state_bytes) {
        const mp_col *c = &in->cols[a->spec.arg[0]];
        mp_agg_count_nulls(a, 0, group, c->valid, in->n_rows);
    }
    return MP_OK;
}

static mp_status count_absorb(mp_agg *a, const uint32_t *group, const uint8_t *const *in, int32_t n,
                              mp_error *err) {
    for (int32_t i = 0; a->state_bytes && i < n; i++) {
        uint64_t *nulls = (void *)mp_agg_state(a, group[i]), more;
        memcpy(&more, in[i] + a->wire_at, sizeof more);
        if (more > MP_AGG_COUNT_MAX) return mp_agg_damaged(err);
        *nulls += more;
    }
    return MP_OK;
}

static mp_status count_result(mp_agg *a, const mp_group_agg *as, const uint32_t *group, int32_t n,
                              mp_arena *arena, mp_agg_column *out, mp_error *err) {
    (void)as;
    (void)arena;
    (void)err;
    for (int32_t i = 0; i < n; i++) {
        uint64_t nulls = 0;
        if (a->state_bytes) memcpy(&nulls, mp_agg_state(a, group[i]), sizeof nulls);
        out->valid[i] = 1;
        out->i64[i] = mp_agg_n(a, group[i], nulls);
    }
    return MP_OK;
}

static const mp_agg_ops count_ops = {
    .update = count_update,
    .put = mp_agg_put_state,
    .absorb = count_absorb,
    .result = count_result,
};

mp_status mp_agg_count_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err) {
    mp_status s = mp_agg_alloc(sizeof(mp_agg), &count_ops, mem, out, err);
    if (s != MP_OK) return s;
    (*out)->state_bytes = (*out)->wire_bytes = spec->fn == MP_AGG_COUNT_VALUES ? 8 : 0;
    return MP_OK;
}

static mp_status null_update(mp_agg *a, const uint32_t *group, const mp_batch *in, mp_error *err) {
    (void)a;
    (void)group;
    (void)in;
    (void)err;
    return MP_OK;
}

static mp_status null_result(mp_agg *a, const mp_group_agg *as, const uint32_t *group, int32_t n,
                             mp_arena *arena, mp_agg_column *out, mp_error *err) {
    (void)as;
    (void)group;
    (void)arena;
    (void)err;
    bool counts = a->spec.fn == MP_AGG_COUNT_VALUES || a->spec.fn == MP_AGG_COUNT_DISTINCT;
    for (int c = 0; c < mp_group_result_columns(&a->spec); c++)
        memset(out[c].valid, counts, (size_t)n);
    if (counts) memset(out->i64, 0, (size_t)n * sizeof *out->i64);
    return MP_OK;
}

static const mp_agg_ops null_ops = {.update = null_update, .result = null_result};

mp_status mp_agg_null_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err) {
    (void)spec;
    return mp_agg_alloc(sizeof(mp_agg), &null_ops, mem, out, err);
}
