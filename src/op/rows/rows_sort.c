/* rows_sort.c - the order of kept rows: radix sort on eight bytes of the keys behind what all of
 * them begin with, then the rows that are equal there by the bytes behind.
 * Source: least significant digit radix sort, passes over constant bytes left out. */
#include "op/rows/rows_priv.h"

/* Where keys have more than DEPTH parts that differ, merging bounds the work. */
enum { SMALL = 20, RADIX_FROM = 400, DEPTH = 12, ENOUGH = 16 };

typedef struct {
    mp_row_entry *at, *spare;
} sorter;

void mp_row_order_init(mp_row_order *o, mp_mem *mem) {
    *o = (mp_row_order){.mem = mem};
}

void mp_row_order_release(mp_row_order *o) {
    mp_mem_free(o->mem, o->at);
    mp_mem_free(o->mem, o->spare);
    mp_row_order_init(o, o->mem);
}

/* ---- comparing sorts for what radix is not good at ---- */

/* Entries with prefixes of their keys from byte skip on; the bytes before are equal. */
static inline int compare(const mp_row_entry *a, const mp_row_entry *b, size_t skip) {
    if (a->prefix != b->prefix) return a->prefix < b->prefix ? -1 : 1;
    mp_row x = mp_row_at(a->record), y = mp_row_at(b->record);
    return mp_row_key_cmp(x.key + skip, x.key_len - skip, y.key + skip, y.key_len - skip);
}

static void insertion(const sorter *s, int64_t lo, int64_t hi, size_t skip) {
    for (int64_t i = lo + 1; i < hi; i++) {
        mp_row_entry e = s->at[i];
        int64_t p = i;
        for (; p > lo && compare(&s->at[p - 1], &e, skip) > 0; p--)
            s->at[p] = s->at[p - 1];
        s->at[p] = e;
    }
}

/* Stable, top down. */
static void merge_sort(const sorter *s, int64_t lo, int64_t hi, size_t skip) {
    if (hi - lo <= SMALL) {
        insertion(s, lo, hi, skip);
        return;
    }
    int64_t mid = lo + (hi - lo) / 2;
    merge_sort(s, lo, mid, skip);
    merge_sort(s, mid, hi, skip);
    if (compare(&s->at[mid - 1], &s->at[mid], skip) <= 0) return;
    memcpy(s->spare + lo, s->at + lo, (size_t)(mid - lo) * sizeof *s->at);
    int64_t a = lo, b = mid, out = lo;
    while (a < mid && b < hi) {
        bool left = compare(&s->spare[a], &s->at[b], skip) <= 0;
        s->at[out++] = left ? s->spare[a++] : s->at[b++];
    }
    memcpy(s->at + out, s->spare + a, (size_t)(mid - a) * sizeof *s->at);
}

/* ---- radix ---- */

/* n < 2^32 */
static void radix_pass(const mp_row_entry *from, mp_row_entry *to, int64_t n, int shift,
                       const uint32_t *count) {
    uint32_t next[256], sum = 0;
    for (int d = 0; d < 256; d++) {
        next[d] = sum;
        sum += count[d];
    }
    for (int64_t i = 0; i < n; i++)
        to[next[from[i].prefix >> shift & 255]++] = from[i];
}

static int count_byte(const mp_row_entry *at, int64_t n, int shift, uint32_t *count) {
    int distinct = 0;
    memset(count, 0, 256 * sizeof *count);
    for (int64_t i = 0; i < n; i++)
        count[at[i].prefix >> shift & 255]++;
    for (int d = 0; d < 256; d++)
        distinct += count[d] > 0;
    return distinct;
}

/* Sorts by the first bytes of the prefixes that may be enough to tell most of them apart.
 * Returns the mask of what was looked at: entries that are equal there are as they were. 0: all
 * prefixes are equal. */
static uint64_t radix(const sorter *s, int64_t lo, int64_t n) {
    mp_row_entry *from = s->at + lo, *to = s->spare + lo;
    uint32_t count[8][256];
    uint64_t differ = 0, mask = 0;
    int shifts[8], used = 0;
    for (int64_t i = 1; i < n; i++)
        differ |= from[i].prefix ^ from[0].prefix;
    double values = 1; /* that these bytes could tell apart */
    for (int shift = 56; shift >= 0 && values < (double)n * ENOUGH; shift -= 8) {
        mask |= (uint64_t)255 << shift;
        if ((differ >> shift & 255) == 0) continue; /* the same byte everywhere */
        values *= count_byte(from, n, shift, count[used]);
        shifts[used++] = shift;
    }
    for (int k = used - 1; k >= 0; k--) {
        radix_pass(from, to, n, shifts[k], count[k]);
        mp_row_entry *swap = from;
        from = to;
        to = swap;
    }
    if (from != s->at + lo) memcpy(s->at + lo, from, (size_t)n * sizeof *from);
    return differ ? mask : 0;
}

/* Prefixes of the entries [lo, hi), behind the common bytes that their keys begin with. */
static void fill_prefixes(const sorter *s, int64_t lo, int64_t hi, size_t common) {
    for (int64_t i = lo; i < hi; i++) {
        mp_row row = mp_row_at(s->at[i].record);
        s->at[i].prefix = mp_row_prefix(&row, common);
    }
}

static size_t find_common(const sorter *s, int64_t lo, int64_t hi, size_t skip) {
    mp_row first = mp_row_at(s->at[lo].record);
    size_t common = first.key_len;
    for (int64_t i = lo + 1; i < hi && common > skip; i++) {
        mp_row row = mp_row_at(s->at[i].record);
        common = mp_row_common(&first, &row, skip, common);
    }
    return common;
}

/* Sort entries [lo, hi), whose keys are equal in their first skip bytes; prefixes are those
 * behind them. */
static void sort_from(const sorter *s, int64_t lo, int64_t hi, size_t skip, int depth) {
    uint64_t mask = 0;
    if (hi - lo >= RADIX_FROM && hi - lo <= UINT32_MAX && depth < DEPTH)
        mask = radix(s, lo, hi - lo);
    if (mask == 0) {
        merge_sort(s, lo, hi, skip);
        return;
    }
    for (int64_t from = lo, i = lo; i < hi; from = i) {
        uint64_t prefix = s->at[from].prefix & mask;
        while (i < hi && (s->at[i].prefix & mask) == prefix)
            i++;
        if (i - from <= RADIX_FROM) {
            merge_sort(s, from, i, skip);
            continue;
        }
        size_t common = find_common(s, from, i, skip);
        fill_prefixes(s, from, i, common);
        sort_from(s, from, i, common, depth + 1);
    }
}

static mp_status reserve(mp_row_order *o, int64_t n, mp_error *err) {
    if (n <= o->cap) return MP_OK;
    mp_row_order_release(o);
    size_t cap = (size_t)n + (size_t)n / 8 + 1;
    o->at = mp_mem_alloc(o->mem, cap * sizeof *o->at);
    if (o->at) o->spare = mp_mem_alloc(o->mem, cap * sizeof *o->spare);
    if (!o->spare) {
        mp_row_order_release(o);
        return mp_mem_error(o->mem, cap * sizeof *o->at, err);
    }
    o->cap = (int64_t)cap;
    return MP_OK;
}

mp_status mp_rows_sort(const mp_rows *r, mp_row_order *out, mp_error *err) {
    mp_status st = reserve(out, r->n_rows, err);
    if (st) return st;
    int64_t n = 0;
    mp_row row, head = {0};
    size_t common = SIZE_MAX;
    for (const mp_row_chunk *c = r->first; c; c = c->next)
        for (const uint8_t *at = c->bytes; mp_row_read(&at, mp_row_chunk_end(r, c), &row);) {
            if (n == 0) head = row;
            if (common) common = mp_row_common(&head, &row, 0, common);
            out->at[n++].record = row.record;
        }
    out->n = n;
    sorter s = {out->at, out->spare};
    fill_prefixes(&s, 0, n, common);
    sort_from(&s, 0, n, common, 0);
    return MP_OK;
}

mp_status mp_rows_keep_first(mp_rows *r, int64_t n, mp_row_order *scratch, mp_row *last,
                             mp_error *err) {
    *last = (mp_row){0};
    if (r->n_rows < n) return MP_OK;
    mp_rows kept;
    mp_rows_init(&kept, r->pool);
    mp_status st = mp_rows_sort(r, scratch, err);
    for (int64_t i = 0; i < n && !st; i++) {
        mp_row row = mp_row_at(scratch->at[i].record);
        st = mp_rows_add_row(&kept, &row, MP_ROW_SLACK, err);
        if (st || i + 1 < n) continue;
        *last = mp_row_at(kept.next - row.len);
    }
    if (st) {
        mp_rows_release(&kept);
        return st;
    }
    mp_rows_release(r);
    *r = kept;
    return MP_OK;
}
