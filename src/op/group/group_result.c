/* group_result.c - groups in order, as batches of typed columns.
 * Invariant: the order is that of (hash, encoded key), which depends on the keys alone. */
#include <string.h>

#include "data/parse_num.h"
#include "op/group/group_state.h"

/* ---- order ---- */

static int cmp_groups(const void *table, uintptr_t a, uintptr_t b) {
    const mp_table *t = table;
    return mp_key_cmp(mp_table_key(t, (uint32_t)a), mp_table_key(t, (uint32_t)b));
}

static mp_status order_by_hash(mp_group *g, mp_error *err) {
    const mp_table *t = &g->table;
    size_t bytes = (size_t)t->n * sizeof *g->order;
    g->order = mp_mem_alloc(g->mem, bytes);
    if (!g->order) return mp_mem_error(g->mem, bytes, err);
    for (int64_t i = 0; i < t->n; i++)
        g->order[i] = (mp_hashed){mp_key_hash(mp_table_key(t, (uint32_t)i)), (uintptr_t)i};
    return mp_hashed_sort(g->mem, &g->order, t->n, cmp_groups, t, err);
}

mp_status mp_group_prepare(mp_group *g, mp_group_order order, const mp_type *key_types,
                           mp_error *err) {
    mp_status s = mp_group_lone(g, err);
    mp_mem_free(g->mem, g->order);
    g->order = NULL;
    g->next = 0;
    for (int i = 0; i < g->n_keys; i++)
        g->result_key_type[i] = key_types ? key_types[i] : MP_STRING;
    if (s == MP_OK) s = mp_group_settle(g, false, err);
    g->end = g->table.n;
    if (s == MP_OK && order == MP_GROUP_BY_HASH) s = order_by_hash(g, err);
    return s;
}

int64_t mp_group_enter(mp_group *g, uint32_t slab) {
    g->end = g->next;
    while (g->end < g->table.n && mp_slab_of(g->order[g->end].hash, g->slab_bits) <= slab)
        g->end++;
    return g->end - g->next;
}

/* ---- batches ---- */

static mp_status make_column(mp_agg_column *c, mp_type type, uint8_t ts_sep, int32_t n,
                             mp_arena *arena, mp_error *err) {
    size_t rows = (size_t)n, width = type == MP_NULL ? 1 : (size_t)mp_type_width(type);
    *c = (mp_agg_column){.type = type, .ts_sep = ts_sep};
    c->valid = mp_arena_alloc(arena, rows, 1);
    c->p = mp_arena_alloc(arena, rows * width, 8);
    c->scale = mp_arena_alloc(arena, rows, 1);
    if (!c->valid || !c->p || !c->scale) return mp_mem_error(arena->mem, rows * width, err);
    memset(c->scale, 0, rows);
    memset(c->valid, 0, rows);
    return MP_OK;
}

/* Values under nulls are readable. Texts of keys are all written. */
static void blank_column(mp_agg_column *c, int32_t n) {
    memset(c->p, 0, (size_t)n * (c->type == MP_NULL ? 1 : (size_t)mp_type_width(c->type)));
}

static mp_status make_columns(mp_group *g, int32_t n, mp_arena *arena, mp_error *err) {
    mp_status s = MP_OK;
    mp_agg_column *c = g->column;
    for (int i = 0; i < g->n_keys && s == MP_OK; i++, c++) {
        s = make_column(c, g->result_key_type[i], 0, n, arena, err);
        if (s == MP_OK && c->type != MP_STRING) blank_column(c, n);
    }
    for (int i = 0; i < g->n_results; i++) {
        const mp_group_agg *spec = &g->result[i];
        for (int k = mp_group_result_columns(spec); k > 0 && s == MP_OK; k--, c++) {
            s = make_column(c, mp_group_result_type(spec), spec->ts_sep, n, arena, err);
            if (s == MP_OK) blank_column(c, n);
        }
    }
    return s;
}

/* A decimal of any length that fits in int64: a computed one may have 19 digits, which no column
 * read from text has. */
static bool long_decimal(mp_str text, int64_t *mantissa, int *scale) {
    bool neg = text.len > 0 && text.p[0] == '-', point = false;
    int64_t m = 0;
    *scale = 0;
    if (text.len > 2 && memcmp(text.p + text.len - 2, ".0", 2) == 0) text.len -= 2;
    for (uint32_t i = neg; i < text.len; i++) {
        int digit = text.p[i] - '0';
        if (text.p[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(m, 10, &m) ||
            __builtin_add_overflow(m, neg ? -digit : digit, &m))
            return false;
        *scale += point;
    }
    *mantissa = m;
    return *scale <= MP_SCALE_MAX;
}

static mp_status put_decimal(mp_agg_column *c, int32_t i, mp_str text, const mp_value *v,
                             mp_error *err) {
    int scale = v->e.scale;
    c->i64[i] = v->i;
    if (v->e.seen != MP_SEEN_INT && v->e.seen != MP_SEEN_DECIMAL &&
        !long_decimal(text, &c->i64[i], &scale))
        return mp_error_set(err, MP_FAILED, NULL, "a group's key is no decimal");
    mp_decimal_strip(&c->i64[i], &scale);
    c->scale[i] = (uint8_t)scale;
    return MP_OK;
}

/* One key, from its text. */
static mp_status put_key(mp_agg_column *c, int32_t i, mp_str text, mp_error *err) {
    mp_value v;
    c->valid[i] = 1;
    if (c->type == MP_INT64 && mp_parse_int64_fast(text.p, text.len, &c->i64[i])) return MP_OK;
    mp_value_of_text(text.p, text.len, &v);
    if (c->type == MP_DECIMAL) return put_decimal(c, i, text, &v, err);
    if (!mp_value_is(&v, c->type))
        return mp_error_set(err, MP_FAILED, NULL, "a group's key is not of type %s",
                            mp_type_name(c->type));
    if (c->type == MP_BOOL)
        c->b[i] = v.i != 0;
    else if (c->type == MP_FLOAT64)
        c->f64[i] = v.f;
    else
        c->i64[i] = v.i;
    if (c->type == MP_TIMESTAMP) c->ts_sep = v.e.seen == MP_SEEN_TS_T ? 'T' : ' ';
    return MP_OK;
}

/* Where the encodings of n keys have got to. */
typedef struct {
    const uint8_t **at, **end;
    int32_t n;
} key_walk;

static mp_status begin_walk(mp_group *g, const uint32_t *group, int32_t n, key_walk *w,
                            mp_error *err) {
    size_t bytes = (size_t)n * sizeof *w->at;
    mp_arena_reset(&g->scratch);
    *w = (key_walk){.at = mp_arena_alloc(&g->scratch, bytes, 8),
                    .end = mp_arena_alloc(&g->scratch, bytes, 8),
                    .n = n};
    if (!w->at || !w->end) return mp_mem_error(g->mem, bytes, err);
    for (int32_t i = 0; i < n; i++) {
        const mp_key *key = mp_table_key(&g->table, group[i]);
        w->at[i] = mp_key_bytes(key);
        w->end[i] = w->at[i] + mp_key_len(key);
    }
    return MP_OK;
}

/* The next column of all keys as texts; false: some key is damaged. */
static bool put_texts(const key_walk *w, mp_str *str, uint8_t *valid) {
    bool ok = true;
    for (int32_t i = 0; i < w->n; i++) {
        bool null;
        ok &= mp_key_next(&w->at[i], w->end[i], &str[i], &null);
        valid[i] = !null;
    }
    return ok;
}

/* ... as values of the column's type. */
static mp_status put_values(const key_walk *w, mp_agg_column *c, mp_error *err) {
    for (int32_t i = 0; i < w->n; i++) {
        mp_str text;
        bool null;
        if (!mp_key_next(&w->at[i], w->end[i], &text, &null)) return mp_agg_damaged(err);
        mp_status s = null || c->type == MP_NULL ? MP_OK : put_key(c, i, text, err);
        if (s != MP_OK) return s;
    }
    return MP_OK;
}

/* Column by column, so that the steps through many keys overlap. */
static mp_status put_keys(mp_group *g, const uint32_t *group, int32_t n, mp_error *err) {
    key_walk w;
    mp_status s = begin_walk(g, group, n, &w, err);
    for (int i = 0; i < g->n_keys && s == MP_OK; i++) {
        mp_agg_column *c = &g->column[i];
        if (c->type != MP_STRING)
            s = put_values(&w, c, err);
        else if (!put_texts(&w, c->str, c->valid))
            s = mp_agg_damaged(err);
    }
    return s;
}

/* Rows of a decimal column that go into one batch at one scale: the most from the first on.
 * *scale: theirs. */
static int32_t align_rows(const mp_agg_column *c, int32_t n, int *scale) {
    int64_t m;
    *scale = 0;
    for (int32_t i = 0; i < n; i++) {
        int wider = c->scale[i];
        if (!c->valid[i] || wider <= *scale) continue;
        for (int32_t j = 0; j < i; j++) /* at most 18 times in a batch */
            if (c->valid[j] && !mp_decimal_rescale(c->i64[j], c->scale[j], wider, &m)) return i;
        *scale = wider;
    }
    return n;
}

static int32_t fit_rows(const mp_agg_column *c, int32_t n, int *scale) {
    int64_t m;
    int32_t rows = align_rows(c, n, scale);
    for (int32_t i = 0; i < rows; i++)
        if (c->valid[i] && !mp_decimal_rescale(c->i64[i], c->scale[i], *scale, &m)) return i;
    return rows;
}

/* Have all values one scale? */
static bool is_aligned(const mp_agg_column *c, int32_t n, int *scale) {
    uint8_t most = 0, other = 0;
    for (int32_t i = 0; i < n; i++)
        most = c->valid[i] && c->scale[i] > most ? c->scale[i] : most;
    for (int32_t i = 0; i < n; i++)
        other |= (c->valid[i] != 0) & (c->scale[i] != most);
    *scale = most;
    return !other;
}

/* Aligns the decimals of every column; returns how many rows the batch can have (at least 1). */
static int32_t align(mp_group *g, int32_t n, mp_col *out) {
    int scale;
    for (int c = 0; c < g->n_columns; c++)
        if (g->column[c].type == MP_DECIMAL && !is_aligned(&g->column[c], n, &scale))
            n = fit_rows(&g->column[c], n, &scale);
    for (int c = 0; c < g->n_columns; c++) {
        mp_agg_column *from = &g->column[c];
        if (from->type != MP_DECIMAL) continue;
        bool aligned = is_aligned(from, n, &scale);
        for (int32_t i = 0; i < n && !aligned; i++) {
            int64_t m = 0;
            if (from->valid[i] && mp_decimal_rescale(from->i64[i], from->scale[i], scale, &m))
                from->i64[i] = m;
        }
        out[c].scale = (uint8_t)scale;
    }
    return n;
}

static mp_status put_aggs(mp_group *g, const uint32_t *group, int32_t n, mp_arena *arena,
                          mp_error *err) {
    mp_agg_column *c = g->column + g->n_keys;
    for (int i = 0; i < g->n_results; i++) {
        mp_agg *a = g->agg[g->result_agg[i]];
        mp_status s = a->ops->result(a, &g->result[i], group, n, arena, c, err);
        if (s != MP_OK) return s;
        c += mp_group_result_columns(&g->result[i]);
    }
    return MP_OK;
}

static bool any_null(const uint8_t *valid, int32_t n) {
    uint8_t all = 1;
    for (int32_t i = 0; i < n; i++)
        all &= valid[i];
    return !all;
}

/* In hash order every group is a cache miss, and a long key another: loads in a tight loop overlap, which they would not between
 * the steps of reading a key. */
static void fetch_groups(const mp_group *g, const uint32_t *group, int32_t n) {
    unsigned seen = 0;
    for (int32_t i = 0; i < n; i++) {
        const uint8_t *row = mp_table_row(&g->table, group[i]);
        seen += row[0] + (unsigned)row[g->table.stride - 1];
    }
    for (int32_t i = 0; i < n; i++) {
        const mp_key *key = mp_table_key(&g->table, group[i]);
        const uint8_t *bytes = mp_key_bytes(key);
        seen += bytes[0] + (unsigned)bytes[mp_key_len(key) - 1];
    }
    __asm__ volatile("" : : "r"(seen));
}

/* The k columns of top and bottom may be thousands, and then a batch has fewer rows. In hash order the groups' lines, which lie
 * apart, have to stay in the cache until their texts are written. */
static int32_t batch_rows(const mp_group *g) {
    const int32_t values = 64 * MP_BATCH_ROWS;
    if (g->n_columns <= 64) return g->order ? MP_BATCH_ROWS / 4 : MP_BATCH_ROWS;
    return g->n_columns < values ? values / g->n_columns : 1;
}

mp_status mp_group_next(mp_group *g, mp_arena *arena, mp_batch *out, mp_error *err) {
    int64_t left = g->end - g->next;
    int32_t most = batch_rows(g), n = left < most ? (int32_t)left : most;
    size_t bytes = (size_t)g->n_columns * sizeof(mp_col) + 1;
    mp_col *cols = mp_arena_alloc(arena, bytes, 8);
    *out = (mp_batch){.n_cols = g->n_columns, .cols = cols, .file_no = -1};
    if (!cols) return mp_mem_error(arena->mem, bytes, err);
    memset(cols, 0, bytes);
    mp_status s = make_columns(g, n, arena, err);
    for (int32_t i = 0; i < n; i++) {
        int64_t at = g->next + i;
        g->batch_group[i] = (uint32_t)(g->order ? (int64_t)g->order[at].item : at);
    }
    if (g->order) fetch_groups(g, g->batch_group, n);
    if (s == MP_OK) s = put_keys(g, g->batch_group, n, err);
    if (s == MP_OK) s = put_aggs(g, g->batch_group, n, arena, err);
    if (s != MP_OK) return s;
    n = align(g, n, cols);
    for (int c = 0; c < g->n_columns; c++) {
        const mp_agg_column *from = &g->column[c];
        cols[c].type = from->type;
        cols[c].ts_sep = from->ts_sep;
        cols[c].valid = from->type == MP_NULL || any_null(from->valid, n) ? from->valid : NULL;
        cols[c].p = from->p;
    }
    out->n_rows = n;
    g->next += n;
    return MP_OK;
}
