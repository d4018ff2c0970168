/* rows_range.c - keys cut into ranges by splitters. See rows.h.
 * Invariant: prefix[i] is key[i]'s, behind the bytes that all splitters begin with; key and
 * prefix ascend. */
#include "op/rows/rows_priv.h"

void mp_row_ranges_init(mp_row_ranges *s, mp_row_pool *pool) {
    *s = (mp_row_ranges){.mem = pool->mem};
    mp_rows_init(&s->keys, pool);
}

void mp_row_ranges_release(mp_row_ranges *s) {
    mp_row_pool *pool = s->keys.pool;
    mp_rows_release(&s->keys);
    mp_mem_free(s->mem, s->key);
    mp_mem_free(s->mem, s->prefix);
    mp_row_ranges_init(s, pool);
}

mp_status mp_row_ranges_choose(const mp_rows *sample, int64_t n_ranges, mp_buf *out,
                               mp_error *err) {
    mp_row_order order;
    mp_row_order_init(&order, sample->pool->mem);
    mp_status st = mp_rows_sort(sample, &order, err);
    for (int64_t i = 1; i < n_ranges && order.n && !st; i++) {
        mp_row row = mp_row_at(order.at[i * order.n / n_ranges].record);
        mp_buf_put(out, row.record, row.len);
    }
    mp_row_order_release(&order);
    return st ? st : mp_buf_check(out, err);
}

mp_status mp_row_ranges_set(mp_row_ranges *s, const uint8_t *bytes, size_t len, mp_error *err) {
    const uint8_t *at = bytes, *end = bytes + len;
    mp_row row;
    mp_status st = MP_OK;
    mp_row_ranges_release(s);
    while (!st && at < end) {
        if (!mp_row_read(&at, end, &row))
            return mp_error_set(err, MP_FAILED, "broken rows", "the splitters are malformed");
        st = mp_rows_add_row(&s->keys, &row, 0, err);
    }
    if (st) return st;
    size_t n = (size_t)s->keys.n_rows;
    s->key = mp_mem_alloc(s->mem, n * sizeof *s->key);
    s->prefix = mp_mem_alloc(s->mem, n * sizeof *s->prefix);
    if (!s->key || !s->prefix) return mp_mem_error(s->mem, n * sizeof *s->key, err);
    for (const mp_row_chunk *c = s->keys.first; c; c = c->next)
        for (at = c->bytes; mp_row_read(&at, mp_row_chunk_end(&s->keys, c), &row);)
            s->key[s->n++] = row;
    if (n) s->common = mp_row_common(&s->key[0], &s->key[n - 1], 0, SIZE_MAX);
    if (n) s->begin = mp_row_prefix(&s->key[0], 0);
    s->begin_mask = s->common < 8 ? ~(UINT64_MAX >> 8 * s->common) : UINT64_MAX;
    s->begin &= s->begin_mask;
    for (size_t i = 0; i < n; i++)
        s->prefix[i] = mp_row_prefix(&s->key[i], s->common);
    return MP_OK;
}

/* How many of n > 0 ascending values are below v. No branch depends on the values. */
static inline int64_t count_below(const uint64_t *at, int64_t n, uint64_t v) {
    const uint64_t *base = at;
    while (n > 1) {
        int64_t half = n / 2;
        base += half & -(int64_t)(base[half - 1] < v);
        n -= half;
    }
    return base - at + (*base < v);
}

int64_t mp_row_ranges_find(const mp_row_ranges *s, const mp_row *row) {
    if (s->n == 0) return 0;
    if (s->common && ((mp_row_prefix(row, 0) ^ s->begin) & s->begin_mask)) {
        return mp_row_prefix(row, 0) < s->begin ? 0 : s->n;
    } else if (s->common > 8 || row->key_len < s->common) {
        size_t most = row->key_len < s->common ? row->key_len : s->common;
        int c = memcmp(row->key, s->key[0].key, most);
        if (c < 0 || (c == 0 && most < s->common)) return 0;
        if (c > 0) return s->n;
    }
    uint64_t prefix = mp_row_prefix(row, s->common);
    int64_t lo = count_below(s->prefix, s->n, prefix), hi = s->n;
    if (lo == s->n || s->prefix[lo] != prefix) return lo;
    if (prefix < UINT64_MAX) hi = count_below(s->prefix, s->n, prefix + 1);
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        const mp_row *key = &s->key[mid];
        if (mp_row_key_cmp(key->key, key->key_len, row->key, row->key_len) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}
