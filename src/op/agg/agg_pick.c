/* agg_pick.c - first and last: the value that is not null with the least (greatest) position in
 * the input. A position is (file, byte offset), so it does not depend on which rank read the
 * row, or when. */
#include "op/agg/agg.h"

#include <string.h>

typedef struct {
    int64_t at;
    int32_t file;
    uint8_t has, scale;
    uint16_t unused;
    int64_t order; /* the value as an integer (mp_agg_orders) */
} number_state;

typedef struct {
    int64_t at;
    int32_t file;
    mp_agg_text text;
} string_state;

typedef struct {
    mp_agg base;
    bool last;
    mp_arena strings;
} pick_agg;

static pick_agg *of(mp_agg *a) {
    return (pick_agg *)a;
}

static bool better(const pick_agg *a, int32_t file, int64_t at, int32_t old_file, int64_t old_at) {
    bool earlier = file != old_file ? file < old_file : at < old_at;
    return a->last ? !earlier : earlier;
}

/* Rows without a place in the input stand in the order in which they come. */
static int64_t position(const mp_batch *in, int32_t i) {
    if (in->rec) return in->base + in->rec[i];
    return in->first_row + (in->row_no ? (int64_t)in->row_no[i] : i);
}

static mp_status number_update(mp_agg *a, const uint32_t *group, const mp_batch *in,
                               mp_error *err) {
    const mp_col *c = &in->cols[a->spec.arg[0]];
    int64_t v[MP_BATCH_ROWS];
    (void)err;
    mp_agg_orders(c, in->n_rows, v);
    for (int32_t i = 0; i < in->n_rows; i++) {
        number_state *s = (number_state *)(void *)mp_agg_state(a, group[i]);
        int64_t at = position(in, i);
        if (mp_col_is_null(c, i)) continue;
        if (s->has && !better(of(a), in->file_no, at, s->file, s->at)) continue;
        *s = (number_state){at, in->file_no, 1, c->scale, 0, v[i]};
    }
    return MP_OK;
}

static mp_status number_absorb(mp_agg *a, const uint32_t *group, const uint8_t *const *in,
                               int32_t n, mp_error *err) {
    for (int32_t i = 0; i < n; i++) {
        number_state more, *s = (number_state *)(void *)mp_agg_state(a, group[i]);
        memcpy(&more, in[i] + a->wire_at, sizeof more);
        if (more.scale > MP_SCALE_MAX || more.has > 1) return mp_agg_damaged(err);
        if (more.has && (!s->has || better(of(a), more.file, more.at, s->file, s->at))) *s = more;
    }
    return MP_OK;
}

static mp_status number_result(mp_agg *a, const mp_group_agg *as, const uint32_t *group, int32_t n,
                               mp_arena *arena, mp_agg_column *out, mp_error *err) {
    (void)as;
    (void)arena;
    (void)err;
    for (int32_t i = 0; i < n; i++) {
        const number_state *s = (const number_state *)(void *)mp_agg_state(a, group[i]);
        int scale = s->scale;
        out->valid[i] = s->has;
        mp_agg_put_order(out, i, s->order);
        if (out->type != MP_DECIMAL) continue;
        mp_decimal_strip(&out->i64[i], &scale);
        out->scale[i] = (uint8_t)scale;
    }
    return MP_OK;
}

static mp_status offer(mp_agg *a, uint32_t group, int32_t file, int64_t at, mp_str v,
                       mp_error *err) {
    string_state *s = (string_state *)(void *)mp_agg_state(a, group);
    if (s->text.p && !better(of(a), file, at, s->file, s->at)) return MP_OK;
    mp_status st = mp_agg_text_keep(a, &of(a)->strings, &s->text, v, err);
    if (st != MP_OK) return st;
    s->file = file;
    s->at = at;
    return MP_OK;
}

static mp_status string_update(mp_agg *a, const uint32_t *group, const mp_batch *in,
                               mp_error *err) {
    const mp_col *c = &in->cols[a->spec.arg[0]];
    for (int32_t i = 0; i < in->n_rows; i++) {
        if (mp_col_is_null(c, i)) continue;
        mp_status s = offer(a, group[i], in->file_no, position(in, i), c->str[i], err);
        if (s != MP_OK) return s;
    }
    return MP_OK;
}

static bool string_put_more(mp_agg *a, uint32_t group, uint64_t *cursor, mp_buf *out) {
    const string_state *s = (const string_state *)(void *)mp_agg_state(a, group);
    if (!s->text.p || *cursor) return false;
    mp_buf_i64(out, s->at);
    mp_buf_u32(out, (uint32_t)s->file);
    mp_buf_bytes(out, s->text.p, s->text.len);
    return false;
}

static mp_status string_absorb_more(mp_agg *a, uint32_t group, mp_rd *in, mp_error *err) {
    size_t n;
    int64_t at = mp_rd_i64(in);
    int32_t file = (int32_t)mp_rd_u32(in);
    const char *p = mp_rd_bytes(in, &n);
    if (!p) return mp_agg_damaged(err);
    return offer(a, group, file, at, mp_str_of(p, n), err);
}

static mp_status string_result(mp_agg *a, const mp_group_agg *as, const uint32_t *group, int32_t n,
                               mp_arena *arena, mp_agg_column *out, mp_error *err) {
    (void)as;
    (void)arena;
    (void)err;
    for (int32_t i = 0; i < n; i++)
        mp_agg_text_put(&((const string_state *)(void *)mp_agg_state(a, group[i]))->text, out, i);
    return MP_OK;
}

static void string_clear(mp_agg *a) {
    mp_arena_release(&of(a)->strings);
}

static const mp_agg_ops number_ops = {
    .update = number_update,
    .put = mp_agg_put_state,
    .absorb = number_absorb,
    .result = number_result,
};

static const mp_agg_ops string_ops = {
    .update = string_update,
    .put_more = string_put_more,
    .absorb_more = string_absorb_more,
    .result = string_result,
    .clear = string_clear,
};

mp_status mp_agg_pick_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err) {
    bool text = spec->type[0] == MP_STRING;
    mp_status s = mp_agg_alloc(sizeof(pick_agg), text ? &string_ops : &number_ops, mem, out, err);
    if (s != MP_OK) return s;
    (*out)->state_bytes = text ? sizeof(string_state) : sizeof(number_state);
    (*out)->wire_bytes = text ? 0 : sizeof(number_state);
    (*out)->has_more = text;
    of(*out)->last = spec->fn == MP_AGG_LAST;
    mp_arena_init(&of(*out)->strings, mem);
    return MP_OK;
}
