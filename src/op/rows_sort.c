/* rows_sort.c - the order of kept rows: radix sort on an 8-byte normalised prefix of one key at a
 * time, then the rows that are equal in it by the next key. The last key is the position, where
 * rows have one; else the order of appending stands (every step is stable).
 * Source: least significant digit radix sort, passes over constant bytes left out. */
#include "data/decimal.h"
#include "op/rows_priv.h"

enum { SMALL = 24, RADIX_FROM = 256 };

typedef struct {
    uint64_t prefix;
    uint32_t row;
} entry;

typedef struct {
    const mp_rows *r;
    const mp_sort_key *keys;
    int n_keys;
    entry *at, *spare;
} sorter;

static uint64_t of_int(int64_t v) {
    return (uint64_t)v ^ (uint64_t)1 << 63;
}

/* Ascending as numbers; NaN above all; -0 as 0. */
static uint64_t of_double(double v) {
    if (v != v) return UINT64_MAX;
    if (v == 0) v = 0;
    uint64_t u;
    memcpy(&u, &v, 8);
    return u >> 63 ? ~u : u | (uint64_t)1 << 63;
}

static uint64_t of_text(mp_str s) {
    uint64_t u = 0;
    memcpy(&u, s.p, s.len < 8 ? s.len : 8);
    return __builtin_bswap64(u);
}

/* Ascending prefixes are the order of the key; nulls are taken apart before. */
static uint64_t prefix_of(const mp_rows_col *c, int64_t i) {
    switch (c->type) {
    case MP_NULL:
        return 0;
    case MP_BOOL:
        return c->b[i];
    case MP_FLOAT64:
        return of_double(c->f64[i]);
    case MP_STRING:
        return of_text(c->str[i]);
    default:
        return of_int(c->i64[i]);
    }
}

static int compare_values(const mp_rows_col *a, int64_t i, const mp_rows_col *b, int64_t j) {
    if (a->type == MP_STRING) return mp_str_cmp(a->str[i], b->str[j]);
    if (a->type == MP_DECIMAL) return mp_decimal_cmp(a->i64[i], a->scale, b->i64[j], b->scale);
    uint64_t x = prefix_of(a, i), y = prefix_of(b, j);
    return (x > y) - (x < y);
}

static int compare_key(const mp_rows *a, int64_t i, const mp_rows *b, int64_t j,
                       const mp_sort_key *key) {
    const mp_rows_col *x = &a->cols[key->col], *y = &b->cols[key->col];
    if (!x->valid[i] || !y->valid[j]) return (int)y->valid[j] - (int)x->valid[i];
    int c = compare_values(x, i, y, j);
    return key->descending ? -c : c;
}

int mp_rows_compare(const mp_rows *a, int64_t i, const mp_rows *b, int64_t j,
                    const mp_sort_key *keys, int n_keys) {
    for (int k = 0; k < n_keys; k++) {
        int c = compare_key(a, i, b, j, &keys[k]);
        if (c) return c;
    }
    if (!a->with_position || !b->with_position) return 0;
    return (a->position[i] > b->position[j]) - (a->position[i] < b->position[j]);
}

/* ---- comparing sorts for what radix is not good at ---- */

static int compare_from(const sorter *s, uint32_t a, uint32_t b, int k) {
    return mp_rows_compare(s->r, a, s->r, b, s->keys + k, s->n_keys - k);
}

static void insertion(const sorter *s, int64_t lo, int64_t hi, int k) {
    for (int64_t i = lo + 1; i < hi; i++) {
        entry e = s->at[i];
        int64_t p = i;
        for (; p > lo && compare_from(s, s->at[p - 1].row, e.row, k) > 0; p--)
            s->at[p] = s->at[p - 1];
        s->at[p] = e;
    }
}

/* Stable, top down, by full comparison from key k on. */
static void merge_sort(const sorter *s, int64_t lo, int64_t hi, int k) {
    if (hi - lo <= SMALL) {
        insertion(s, lo, hi, k);
        return;
    }
    int64_t mid = lo + (hi - lo) / 2;
    merge_sort(s, lo, mid, k);
    merge_sort(s, mid, hi, k);
    if (compare_from(s, s->at[mid - 1].row, s->at[mid].row, k) <= 0) return;
    memcpy(s->spare + lo, s->at + lo, (size_t)(mid - lo) * sizeof *s->at);
    int64_t a = lo, b = mid, out = lo;
    while (a < mid && b < hi) {
        bool left = compare_from(s, s->spare[a].row, s->at[b].row, k) <= 0;
        s->at[out++] = left ? s->spare[a++] : s->at[b++];
    }
    memcpy(s->at + out, s->spare + a, (size_t)(mid - a) * sizeof *s->at);
}

/* ---- radix ---- */

static void radix_pass(const entry *from, entry *to, int64_t n, int shift, uint32_t *count) {
    uint32_t sum = 0;
    for (int d = 0; d < 256; d++) {
        uint32_t c = count[d];
        count[d] = sum;
        sum += c;
    }
    for (int64_t i = 0; i < n; i++)
        to[count[from[i].prefix >> shift & 255]++] = from[i];
}

static void radix(const sorter *s, int64_t lo, int64_t hi) {
    entry *from = s->at + lo, *to = s->spare + lo;
    int64_t n = hi - lo;
    static const int bytes = 8;
    for (int b = 0; b < bytes; b++) {
        uint32_t count[256] = {0};
        int shift = 8 * b;
        for (int64_t i = 0; i < n; i++)
            count[from[i].prefix >> shift & 255]++;
        if (count[from[0].prefix >> shift & 255] == n) continue; /* the same byte everywhere */
        radix_pass(from, to, n, shift, count);
        entry *swap = from;
        from = to;
        to = swap;
    }
    if (from != s->at + lo) memcpy(s->at + lo, from, (size_t)n * sizeof *from);
}

static void sort_from(const sorter *s, int64_t lo, int64_t hi, int k);

/* Rows of one prefix: equal in key k, unless they are long texts. */
static void sort_equal(const sorter *s, int64_t lo, int64_t hi, int k) {
    if (hi - lo < 2) return;
    if (k < s->n_keys && s->r->cols[s->keys[k].col].type == MP_STRING) {
        const mp_str *str = s->r->cols[s->keys[k].col].str;
        for (int64_t i = lo; i < hi; i++)
            if (str[s->at[i].row].len > 8) {
                merge_sort(s, lo, hi, k);
                return;
            }
    }
    if (k < s->n_keys) sort_from(s, lo, hi, k + 1);
}

/* Nulls of key k to the end, in their order; where they begin. */
static int64_t nulls_last(const sorter *s, int64_t lo, int64_t hi, const uint8_t *valid) {
    int64_t out = lo, nulls = 0;
    for (int64_t i = lo; i < hi; i++) {
        entry e = s->at[i];
        if (valid[e.row])
            s->at[out++] = e;
        else
            s->spare[nulls++] = e;
    }
    memcpy(s->at + out, s->spare, (size_t)nulls * sizeof *s->spare);
    return out;
}

static void fill_prefixes(const sorter *s, int64_t lo, int64_t hi, int k) {
    if (k == s->n_keys) {
        for (int64_t i = lo; i < hi; i++)
            s->at[i].prefix = of_int(s->r->position[s->at[i].row]);
        return;
    }
    const mp_rows_col *c = &s->r->cols[s->keys[k].col];
    uint64_t flip = s->keys[k].descending ? UINT64_MAX : 0;
    for (int64_t i = lo; i < hi; i++)
        s->at[i].prefix = prefix_of(c, s->at[i].row) ^ flip;
}

/* Sort entries [lo, hi), equal in the keys before k, by key k and those behind it. */
static void sort_from(const sorter *s, int64_t lo, int64_t hi, int k) {
    if (hi - lo < 2 || k > s->n_keys || (k == s->n_keys && !s->r->with_position)) return;
    if (hi - lo < RADIX_FROM) {
        merge_sort(s, lo, hi, k);
        return;
    }
    int64_t nulls = hi;
    if (k < s->n_keys) nulls = nulls_last(s, lo, hi, s->r->cols[s->keys[k].col].valid);
    fill_prefixes(s, lo, nulls, k);
    if (nulls > lo) radix(s, lo, nulls);
    for (int64_t from = lo, i = lo; i < nulls; from = i) {
        uint64_t prefix = s->at[from].prefix;
        while (i < nulls && s->at[i].prefix == prefix)
            i++;
        sort_equal(s, from, i, k);
    }
    if (nulls < hi) sort_from(s, nulls, hi, k + 1);
}

mp_status mp_rows_sort(mp_rows *r, const mp_sort_key *keys, int n_keys, const uint32_t **order,
                       mp_error *err) {
    size_t n = (size_t)r->n;
    sorter s = {.r = r, .keys = keys, .n_keys = n_keys};
    mp_mem_free(r->mem, r->order);
    r->order = mp_mem_alloc(r->mem, n * sizeof *r->order + 1);
    s.at = mp_mem_alloc(r->mem, n * sizeof *s.at + 1);
    s.spare = mp_mem_alloc(r->mem, n * sizeof *s.spare + 1);
    bool ok = r->order && s.at && s.spare;
    for (size_t i = 0; ok && i < n; i++)
        s.at[i] = (entry){.row = (uint32_t)i};
    if (ok) sort_from(&s, 0, r->n, 0);
    for (size_t i = 0; ok && i < n; i++)
        r->order[i] = s.at[i].row;
    mp_mem_free(r->mem, s.at);
    mp_mem_free(r->mem, s.spare);
    *order = r->order;
    return ok ? MP_OK : mp_mem_error(r->mem, n * sizeof *s.at, err);
}
