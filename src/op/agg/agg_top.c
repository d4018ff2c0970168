/* agg_top.c - the k greatest (top) or least (bottom) values of a group. A state is a heap with
 * the worst kept value at its root. Numbers are integers in the values' order, complemented for
 * bottom (decimals at scale 18), so that more is better; strings are copied and compared
 * bytewise. A few values lie in the row, more beside the table. */
#include "op/agg/agg.h"

#include <string.h>

enum { IN_ROW_MAX = 4, SEND_VALUES = 2048 };

typedef struct {
    const char *p;
    uint32_t len, cap; /* cap: of a kept one */
} entry_string;

typedef union {
    mp_i128_8 order;
    entry_string text;
} entry;

typedef struct {
    uint32_t n, cap; /* cap: of *far */
    union {
        entry near[1]; /* k of them when k <= IN_ROW_MAX */
        entry *far;
    };
} top_state;

typedef struct {
    mp_agg base;
    uint32_t k;
    bool text, bottom, in_row;
    mp_arena values;
} top_agg;

static top_agg *of(mp_agg *a) {
    return (top_agg *)a;
}

static top_state *state_of(const top_agg *a, uint32_t group) {
    return (top_state *)(void *)mp_agg_state(&a->base, group);
}

static entry *entries(const top_agg *a, top_state *s) {
    return a->in_row ? s->near : s->far;
}

static bool worse(const top_agg *a, const entry *x, const entry *y) {
    if (!a->text) return x->order < y->order;
    int c = mp_str_cmp(mp_str_of(x->text.p, x->text.len), mp_str_of(y->text.p, y->text.len));
    return a->bottom ? c > 0 : c < 0;
}

static void sift_down(const top_agg *a, entry *v, uint32_t n, entry x) {
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && worse(a, &v[child + 1], &v[child])) child++;
        if (!worse(a, &v[child], &x)) break;
        v[at] = v[child];
    }
    v[at] = x;
}

static void sift_up(const top_agg *a, entry *v, uint32_t at, entry x) {
    for (uint32_t parent; at > 0; at = parent) {
        parent = (at - 1) / 2;
        if (!worse(a, &x, &v[parent])) break;
        v[at] = v[parent];
    }
    v[at] = x;
}

static mp_status grow(top_agg *a, top_state *s, mp_error *err) {
    if (a->in_row || s->n < s->cap) return MP_OK;
    uint32_t cap = s->cap ? s->cap * 2 : 8;
    if (cap > a->k) cap = a->k;
    size_t bytes = (size_t)cap * sizeof(entry);
    entry *v = mp_arena_alloc(&a->values, bytes, 8);
    if (!v) return mp_mem_error(a->base.mem, bytes, err);
    if (s->n) memcpy(v, s->far, (size_t)s->n * sizeof *v);
    s->far = v;
    s->cap = cap;
    return MP_OK;
}

/* Copies the text, to where the one that gives way to it was if that has room for it. */
static mp_status keep_text(top_agg *a, const entry_string *old, entry_string *t, mp_error *err) {
    bool fits = old && old->cap >= t->len;
    size_t cap = (size_t)t->len + (old ? t->len / 2 : 0) + 1;
    char *p = fits ? (char *)(uintptr_t)old->p : mp_arena_alloc(&a->values, cap, 1);
    if (!p) return mp_mem_error(a->base.mem, cap, err);
    if (t->len) memcpy(p, t->p, t->len);
    t->p = p;
    t->cap = fits ? old->cap : cap < UINT32_MAX ? (uint32_t)cap : UINT32_MAX;
    return MP_OK;
}

static mp_status offer(top_agg *a, uint32_t group, entry x, mp_error *err) {
    top_state *s = state_of(a, group);
    entry *v = entries(a, s);
    bool full = s->n == a->k;
    if (full && !worse(a, &v[0], &x)) return MP_OK;
    mp_status status = full ? MP_OK : grow(a, s, err);
    if (status != MP_OK) return status;
    if (a->text) status = keep_text(a, full ? &v[0].text : NULL, &x.text, err);
    if (status != MP_OK) return status;
    if (full)
        sift_down(a, v, s->n, x);
    else
        sift_up(a, entries(a, s), s->n++, x);
    return MP_OK;
}

static mp_status top_update(mp_agg *base, const uint32_t *group, const mp_batch *in,
                            mp_error *err) {
    top_agg *a = of(base);
    const mp_col *c = &in->cols[base->spec.arg[0]];
    int64_t v[MP_BATCH_ROWS];
    mp_i128 factor = c->type == MP_DECIMAL ? mp_pow10_i64[MP_SCALE_MAX - c->scale] : 1;
    mp_i128 flip = a->bottom ? -1 : 0;
    if (!a->text) mp_agg_orders(c, in->n_rows, v);
    for (int32_t i = 0; i < in->n_rows; i++) {
        entry x;
        if (mp_col_is_null(c, i)) continue;
        if (a->text)
            x.text = (entry_string){c->str[i].p, c->str[i].len, 0};
        else
            x.order = (v[i] * factor) ^ flip;
        mp_status s = offer(a, group[i], x, err);
        if (s != MP_OK) return s;
    }
    return MP_OK;
}

/* Values in the row are a fixed part, as they are. */
static mp_status top_absorb(mp_agg *base, const uint32_t *group, const uint8_t *const *in,
                            int32_t n, mp_error *err) {
    top_agg *a = of(base);
    for (int32_t i = 0; i < n; i++) {
        const uint8_t *p = in[i] + base->wire_at;
        uint32_t count;
        memcpy(&count, p, 4);
        if (count > a->k) return mp_agg_damaged(err);
        for (uint32_t j = 0; j < count; j++) {
            entry x;
            memcpy(&x, p + 8 + j * sizeof x, sizeof x);
            mp_status s = offer(a, group[i], x, err);
            if (s != MP_OK) return s;
        }
    }
    return MP_OK;
}

static bool top_put_more(mp_agg *base, uint32_t group, uint64_t *cursor, mp_buf *out) {
    top_agg *a = of(base);
    top_state *s = state_of(a, group);
    const entry *v = entries(a, s);
    uint64_t end = *cursor + SEND_VALUES < s->n ? *cursor + SEND_VALUES : s->n;
    for (; *cursor < end; ++*cursor) {
        const entry *x = &v[*cursor];
        if (a->text)
            mp_buf_bytes(out, x->text.p, x->text.len);
        else
            mp_buf_put(out, x, sizeof *x);
    }
    return end < s->n;
}

static mp_status top_absorb_more(mp_agg *base, uint32_t group, mp_rd *in, mp_error *err) {
    top_agg *a = of(base);
    mp_status s = MP_OK;
    while (mp_rd_left(in) && s == MP_OK) {
        size_t n = sizeof(entry);
        const void *p = a->text ? mp_rd_bytes(in, &n) : mp_rd_raw(in, n);
        entry x;
        if (!p) return mp_agg_damaged(err);
        if (a->text)
            x.text = (entry_string){p, (uint32_t)n, 0};
        else
            memcpy(&x, p, sizeof x);
        s = offer(a, group, x, err);
    }
    return s;
}

static mp_status put_entry(const top_agg *a, const entry *x, mp_agg_column *out, int32_t i,
                           mp_error *err) {
    out->valid[i] = 1;
    if (a->text) {
        out->str[i] = mp_str_of(x->text.p, x->text.len);
        return MP_OK;
    }
    mp_i128 v = x->order ^ (a->bottom ? (mp_i128)-1 : 0);
    if (out->type == MP_DECIMAL) {
        bool fits = mp_agg_decimal(v, MP_SCALE_MAX, &out->i64[i], &out->scale[i]);
        return fits ? MP_OK : mp_agg_damaged(err);
    }
    mp_agg_put_order(out, i, (int64_t)v);
    return MP_OK;
}

static mp_status top_result(mp_agg *base, const mp_group_agg *as, const uint32_t *group, int32_t n,
                            mp_arena *arena, mp_agg_column *out, mp_error *err) {
    (void)as;
    top_agg *a = of(base);
    size_t bytes = (size_t)a->k * sizeof(entry);
    entry *v = mp_arena_alloc(arena, bytes, 8);
    if (!v) return mp_mem_error(arena->mem, bytes, err);
    for (int32_t i = 0; i < n; i++) {
        top_state *s = state_of(a, group[i]);
        if (s->n) memcpy(v, entries(a, s), (size_t)s->n * sizeof *v);
        for (uint32_t left = s->n; left > 0; left--) { /* the worst goes into the last column */
            mp_status status = put_entry(a, &v[0], &out[left - 1], i, err);
            if (status != MP_OK) return status;
            sift_down(a, v, left - 1, v[left - 1]);
        }
    }
    return MP_OK;
}

static void top_clear(mp_agg *base) {
    mp_arena_release(&of(base)->values);
}

static const mp_agg_ops near_ops = {
    .update = top_update,
    .put = mp_agg_put_state,
    .absorb = top_absorb,
    .result = top_result,
    .clear = top_clear,
};

static const mp_agg_ops far_ops = {
    .update = top_update,
    .put_more = top_put_more,
    .absorb_more = top_absorb_more,
    .result = top_result,
    .clear = top_clear,
};

mp_status mp_agg_top_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err) {
    bool text = spec->type[0] == MP_STRING;
    bool in_row = spec->k <= IN_ROW_MAX;
    bool fixed = in_row && !text;
    mp_status s = mp_agg_alloc(sizeof(top_agg), fixed ? &near_ops : &far_ops, mem, out, err);
    if (s != MP_OK) return s;
    top_agg *a = of(*out);
    a->k = (uint32_t)spec->k;
    a->text = text;
    a->bottom = spec->fn == MP_AGG_BOTTOM;
    a->in_row = in_row;
    a->base.state_bytes = 8 + (in_row ? a->k * sizeof(entry) : sizeof(entry *));
    a->base.wire_bytes = fixed ? a->base.state_bytes : 0;
    a->base.has_more = !fixed;
    mp_arena_init(&a->values, mem);
    return MP_OK;
}
