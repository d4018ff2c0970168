/* group.c - making a group table, and rows into it: keys of the batch, their numbers, then each
 * aggregate column by column. */
#include "op/group/group.h"

#include <assert.h>
#include <string.h>

#include "op/group/group_state.h"

static const int64_t NEAR_BYTES = 1 << 19;
enum { SLICE_ROWS = 512 };

static void *keep(mp_group *g, size_t n, size_t size, mp_status *s, mp_error *err) {
    void *p = *s == MP_OK ? mp_mem_calloc(g->mem, n ? n : 1, size) : NULL;
    if (!p && *s == MP_OK) *s = mp_mem_error(g->mem, n * size, err);
    return p;
}

/* The place of the state that an aggregate has in common with one before it, or of a new one. */
static int find_state(const mp_group *g, const mp_group_agg *spec) {
    int i = 0;
    while (i < g->n_aggs && !mp_agg_same_state(&g->agg[i]->spec, spec))
        i++;
    return i;
}

static mp_status make_aggs(mp_group *g, const mp_group_args *args, size_t *stride, mp_error *err) {
    mp_status s = MP_OK;
    size_t at = sizeof(mp_key) + sizeof(uint64_t), wire_at = MP_RECORD_FIXED_AT;
    for (int i = 0; i < g->n_results; i++) {
        const mp_group_agg *spec = &args->aggs[i];
        g->result[i] = *spec;
        g->n_columns += mp_group_result_columns(spec);
        s = mp_agg_check(spec, err);
        if (s != MP_OK) return s;
        int k = find_state(g, spec);
        g->result_agg[i] = k;
        if (k < g->n_aggs) continue;
        s = mp_agg_new(spec, args->window_exp, &g->table, g->mem, &g->agg[k], err);
        if (s != MP_OK) return s;
        g->n_aggs++;
        g->agg[k]->at = at;
        g->agg[k]->wire_at = wire_at;
        at += g->agg[k]->state_bytes;
        wire_at += g->agg[k]->wire_bytes;
    }
    *stride = at;
    assert(wire_at % 4 == 0);
    g->form = mp_record_form_of(wire_at);
    return s;
}

/* The blank row, and what a record of it looks like (row 0 is not in use yet). */
static void make_blank(mp_group *g) {
    for (int i = 0; i < g->n_aggs; i++) {
        mp_agg *a = g->agg[i];
        if (a->ops->blank) a->ops->blank(a, g->table.blank + a->at);
    }
    memcpy(g->table.rows, g->table.blank, g->table.stride);
    for (int i = 0; i < g->n_aggs; i++) {
        mp_agg *a = g->agg[i];
        if (a->ops->put) a->ops->put(a, 0, 1, g->blank_wire + a->wire_at, g->form.fixed_bytes);
    }
}

static mp_status make(mp_group *g, const mp_group_args *args, mp_error *err) {
    mp_status s = MP_OK;
    size_t n_keys = (size_t)g->n_keys, stride = 0;
    g->key = keep(g, n_keys, sizeof *g->key, &s, err);
    g->key_type = keep(g, n_keys, sizeof *g->key_type, &s, err);
    g->seen = keep(g, n_keys, sizeof *g->seen, &s, err);
    g->odd = keep(g, n_keys, sizeof *g->odd, &s, err);
    g->result_key_type = keep(g, n_keys, sizeof *g->result_key_type, &s, err);
    size_t n_results = (size_t)g->n_results;
    g->result = keep(g, n_results, sizeof *g->result, &s, err);
    g->result_agg = keep(g, n_results, sizeof *g->result_agg, &s, err);
    g->agg = keep(g, n_results, sizeof(mp_agg *), &s, err);
    g->cursor = keep(g, n_results, sizeof *g->cursor, &s, err);
    g->batch_key = keep(g, MP_BATCH_ROWS, sizeof *g->batch_key, &s, err);
    g->batch_hash = keep(g, MP_BATCH_ROWS, sizeof *g->batch_hash, &s, err);
    g->batch_group = keep(g, MP_BATCH_ROWS, sizeof *g->batch_group, &s, err);
    g->batch_record = keep(g, MP_BATCH_ROWS, sizeof(uint8_t *), &s, err);
    if (s != MP_OK) return s;
    if (n_keys) memcpy(g->key, args->key, n_keys * sizeof *g->key);
    for (int i = 0; i < g->n_keys; i++)
        g->key_type[i] = args->key_type ? args->key_type[i] : MP_NULL;
    s = make_aggs(g, args, &stride, err);
    if (s != MP_OK) return s;
    g->n_columns += g->n_keys;
    g->blank_wire = keep(g, 1, g->form.fixed_bytes, &s, err);
    g->block = keep(g, MP_EMIT_BLOCK, g->form.fixed_bytes + sizeof(mp_key), &s, err);
    g->column = keep(g, (size_t)g->n_columns, sizeof *g->column, &s, err);
    if (s == MP_OK) s = mp_table_init(&g->table, stride, g->mem, err);
    if (s == MP_OK) s = mp_dense_init(&g->dense, g->n_keys, g->simd, g->mem, err);
    if (s != MP_OK) return s;
    make_blank(g);
    return mp_group_lone(g, err);
}

mp_status mp_group_new(const mp_group_args *args, mp_group **out, mp_error *err) {
    *out = NULL;
    mp_group *g = mp_mem_calloc(args->mem, 1, sizeof *g);
    if (!g) return mp_mem_error(args->mem, sizeof *g, err);
    g->mem = args->mem;
    g->simd = mp_simd_level();
    g->n_keys = args->n_keys;
    g->n_results = args->n_aggs;
    g->n_owners = args->n_owners > 0 ? args->n_owners : 1;
    g->slab_bits = mp_slab_bits((uint64_t)g->n_owners);
    g->expect_rows = args->expect_rows;
    g->is_open = args->n_keys > 0 && !args->starts_empty;
    g->lone = args->n_keys == 0 && !args->starts_empty;
    mp_arena_init(&g->scratch, g->mem);
    mp_buf_init(&g->record, g->mem);
    mp_status s = make(g, args, err);
    if (s != MP_OK)
        mp_group_free(&g);
    else
        *out = g;
    return s;
}

void mp_group_free(mp_group **out) {
    mp_group *g = *out;
    if (!g) return;
    for (int i = 0; g->agg && i < g->n_aggs; i++)
        mp_agg_free(&g->agg[i]);
    mp_key_sample_release(&g->sample, g->mem);
    mp_table_release(&g->table);
    mp_dense_release(&g->dense);
    mp_arena_release(&g->scratch);
    mp_buf_release(&g->record);
    void *kept[] = {g->key,         g->key_type,    g->result_key_type, g->seen,
                    g->odd,         g->agg,         g->cursor,          g->batch_key,
                    g->batch_hash,  g->batch_group, g->blank_wire,      (void *)g->batch_record,
                    g->batch_fixed, g->block,       g->waiting,         g->waiting_bytes,
                    g->column,      g->order,       g->result,          g->result_agg};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        mp_mem_free(g->mem, kept[i]);
    mp_mem_free(g->mem, g);
    *out = NULL;
}

mp_status mp_group_lone(mp_group *g, mp_error *err) {
    if (!g->lone || g->table.n) return MP_OK;
    mp_key key = {0, 0};
    uint64_t hash = mp_key_hash(&key);
    uint32_t group;
    return mp_table_find(&g->table, &key, &hash, 1, &group, err);
}

void mp_group_clear(mp_group *g) {
    g->is_direct = false;
    for (int i = 0; i < g->n_aggs; i++)
        if (g->agg[i]->ops->clear) g->agg[i]->ops->clear(g->agg[i]);
    g->emitting = false;
    g->emitted = 0;
    g->rows = g->recent_rows = g->recent_new = 0;
    g->next = g->end = 0;
    mp_mem_free(g->mem, g->order);
    g->order = NULL;
    mp_table_clear(&g->table);
    mp_dense_clear(&g->dense, g->place_next);
    g->place_next = false;
}

mp_status mp_group_settle(mp_group *g, bool emit, mp_error *err) {
    mp_status s = MP_OK;
    for (int i = 0; i < g->n_aggs && s == MP_OK; i++)
        if (g->agg[i]->ops->settle) s = g->agg[i]->ops->settle(g->agg[i], emit, err);
    return s;
}

/* The columns of keys as texts, their evidence where nobody else will look at them. */
static mp_status key_texts(mp_group *g, const mp_batch *in, mp_dense_rows *out, mp_error *err) {
    size_t n_keys = (size_t)g->n_keys;
    mp_arena_reset(&g->scratch);
    const mp_str **text = mp_arena_alloc(&g->scratch, n_keys * sizeof(mp_str *) + 1, 8);
    const uint8_t **valid = mp_arena_alloc(&g->scratch, n_keys * sizeof(uint8_t *) + 1, 8);
    if (!text || !valid) return mp_mem_error(g->mem, n_keys * sizeof(void *), err);
    *out = (mp_dense_rows){text, valid, in->n_rows, &g->scratch, g->batch_key, g->batch_hash};
    for (int i = 0; i < g->n_keys; i++) {
        const mp_col *c = &in->cols[g->key[i]];
        mp_status s = mp_group_texts(c, in->n_rows, &g->scratch, &text[i], &valid[i], err);
        if (s != MP_OK) return s;
        if (g->direct_rows > 0) mp_group_see_texts(g, i, text[i], valid[i], in->n_rows);
    }
    return MP_OK;
}

static void count_rows(mp_group *g, const uint32_t *group, int32_t n) {
    uint8_t *counts = g->table.rows + MP_ROW_COUNT_AT;
    size_t stride = g->table.stride;
    for (int32_t i = 0; i < n; i++)
        ++*(uint64_t *)(void *)(counts + group[i] * stride);
}

/* Rows first .. first + n of a batch; cols has room for its columns. */
static mp_batch slice(const mp_batch *in, int32_t first, int32_t n, mp_col *cols) {
    mp_batch out = *in;
    out.n_rows = n;
    out.cols = cols;
    for (int32_t c = 0; c < in->n_cols; c++) {
        cols[c] = in->cols[c];
        if (cols[c].valid) cols[c].valid += first;
        if (cols[c].p) cols[c].p = cols[c].b + (size_t)first * (size_t)mp_type_width(cols[c].type);
    }
    if (in->rec) out.rec += first;
    if (in->row_no)
        out.row_no += first;
    else
        out.first_row += first;
    return out;
}

/* Every row is a group. */
static mp_status add_direct(mp_group *g, const mp_batch *in, mp_error *err) {
    mp_status s = mp_key_sample_see(&g->sample, g->mem, g->batch_hash, in->n_rows, err);
    assert(g->table.n == 0);
    for (int32_t i = 0; i < in->n_rows && s == MP_OK; i++) {
        s = mp_table_append(&g->table, &g->batch_key[i], err);
        g->batch_group[i] = (uint32_t)i;
    }
    if (s != MP_OK) return s;
    count_rows(g, g->batch_group, in->n_rows);
    for (int i = 0; i < g->n_aggs && s == MP_OK; i++)
        s = g->agg[i]->ops->update(g->agg[i], g->batch_group, in, err);
    g->direct_rows -= in->n_rows;
    g->all_rows += in->n_rows;
    g->is_direct = true;
    return s;
}

/* The rows from first on of the batch whose keys are k. */
static mp_status add_rows(mp_group *g, const mp_batch *in, const mp_dense_rows *r, int32_t first,
                          mp_table_keys *k, mp_error *err) {
    const uint32_t *group = k->number + first;
    mp_status s = mp_table_find_some(&g->table, k, in->n_rows, err);
    if (s == MP_OK && g->table.n_placed > 0)
        s = mp_group_count_placed(g, r, first, in->n_rows, group, err);
    else if (s == MP_OK)
        count_rows(g, group, in->n_rows);
    for (int i = 0; i < g->n_aggs && s == MP_OK; i++)
        s = g->agg[i]->ops->update(g->agg[i], group, in, err);
    return s;
}

static int32_t slice_rows(const mp_batch *in, int32_t first) {
    int32_t left = in->n_rows - first;
    return left < SLICE_ROWS ? left : SLICE_ROWS;
}

/* In a table beyond the near cache few rows at a time, so that the lines that a key has brought are
 * still there when the aggregates take their turns. */
static mp_status add_slices(mp_group *g, const mp_batch *in, const mp_dense_rows *r,
                            mp_table_keys *k, mp_error *err) {
    size_t bytes = (size_t)in->n_cols * sizeof(mp_col);
    bool known = k->done == in->n_rows;
    mp_col *cols = mp_arena_alloc(&g->scratch, bytes + 1, 16);
    if (!cols) return mp_mem_error(g->mem, bytes, err);
    mp_status s = MP_OK;
    if (known) mp_table_fetch(&g->table, k->number, slice_rows(in, 0));
    for (int32_t first = 0; first < in->n_rows && s == MP_OK; first += SLICE_ROWS) {
        mp_batch part = slice(in, first, slice_rows(in, first), cols);
        int32_t next = first + part.n_rows;
        if (known) mp_table_fetch(&g->table, k->number + next, slice_rows(in, next));
        s = add_rows(g, &part, r, first, k, err);
    }
    return s;
}

static void note_recent(mp_group *g, int64_t rows, int64_t new_groups) {
    g->rows += rows;
    g->all_rows += rows;
    g->recent_rows += rows;
    g->recent_new += new_groups;
    if (g->recent_rows < MP_RECENT_ROWS) return;
    g->recent_rows /= 2;
    g->recent_new /= 2;
}

/* Rows to their groups, which the dense array knows, or the table finds by their keys. */
static mp_status add_to_groups(mp_group *g, const mp_batch *in, const mp_dense_rows *r,
                               mp_error *err) {
    mp_table_keys k = {
        .key = g->batch_key, .hash = g->batch_hash, .n = in->n_rows, .number = g->batch_group};
    bool by_table = !g->dense.on;
    mp_status s = MP_OK;
    if (!by_table) {
        s = mp_dense_find(&g->dense, &g->table, r, g->batch_group, err);
        k.done = in->n_rows;
    }
    bool near = mp_table_hot_bytes(&g->table) <= NEAR_BYTES;
    if (s == MP_OK) s = near ? add_rows(g, in, r, 0, &k, err) : add_slices(g, in, r, &k, err);
    if (s != MP_OK || !by_table) return s;
    mp_dense_learn(&g->dense, r, g->table.n);
    if (g->dense.on) g->place_next = mp_group_place_pays(g, g->rows + in->n_rows);
    return s;
}

mp_status mp_group_add(mp_group *g, const mp_batch *in, mp_error *err) {
    int64_t before = g->table.n;
    bool direct = g->direct_rows > 0;
    mp_dense_rows r;
    if (in->n_rows <= 0) return MP_OK;
    mp_status s = key_texts(g, in, &r, err);
    if (mp_dense_by_place(&g->dense) && !direct) mp_group_place(g);
    if (s == MP_OK && (!g->dense.on || direct))
        s = mp_key_encode(g->simd, r.text, r.valid, g->n_keys, r.n, &g->scratch, g->batch_key,
                          g->batch_hash, err);
    if (s != MP_OK) return s;
    if (direct) return add_direct(g, in, err);
    s = add_to_groups(g, in, &r, err);
    note_recent(g, in->n_rows, g->table.n - before);
    return s;
}

int64_t mp_group_count(const mp_group *g) {
    return g->table.n;
}
