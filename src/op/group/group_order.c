/* group_order.c - sorting by hash: into buckets that are steps of the range of hashes, then among
 * neighbours.
 * Invariant: the bucket of a hash never falls as the hash rises. */
#include "op/group/group_order.h"

enum { MOST_BUCKETS = 1 << 22, NEAR_ITEMS = 1 << 17, SMALL_BUCKET = 64 };

typedef struct {
    mp_hashed_cmp cmp;
    const void *ctx;
} sorting;

static inline bool before(const sorting *s, mp_hashed a, mp_hashed b) {
    if (a.hash != b.hash) return a.hash < b.hash;
    return s->cmp(s->ctx, a.item, b.item) < 0;
}

static void sift(const sorting *s, mp_hashed *v, int64_t at, int64_t n) {
    mp_hashed x = v[at];
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(s, v[child], v[child + 1])) child++;
        if (!before(s, x, v[child])) break;
        v[at] = v[child];
    }
    v[at] = x;
}

static void heap_sort(const sorting *s, mp_hashed *v, int64_t n) {
    for (int64_t i = n / 2 - 1; i >= 0; i--)
        sift(s, v, i, n);
    for (int64_t end = n - 1; end > 0; end--) {
        mp_hashed x = v[0];
        v[0] = v[end];
        v[end] = x;
        sift(s, v, 0, end);
    }
}

/* Items in the order of their buckets, which have one or two as a rule: few have to move, and by few
 * places. */
static void sort_near(const sorting *s, mp_hashed *v, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        if (v[i - 1].hash < v[i].hash) continue;
        mp_hashed x = v[i];
        int64_t j = i;
        for (; j > 0 && before(s, x, v[j - 1]); j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
}

static int shift_for(uint64_t range, int64_t n) {
    int64_t buckets = n <= NEAR_ITEMS ? n : n / 2; /* as many as stay in the near caches */
    if (buckets > MOST_BUCKETS) buckets = MOST_BUCKETS;
    int shift = 0;
    while (range >> shift >= (uint64_t)buckets)
        shift++;
    return shift;
}

/* Into out, whose buckets are found by start[n_buckets + 1]. */
static void scatter(const mp_hashed *v, int64_t n, uint64_t least, int shift, uint32_t *start,
                    int64_t n_buckets, mp_hashed *out) {
    for (int64_t i = 0; i < n; i++)
        start[(v[i].hash - least) >> shift]++;
    uint32_t sum = 0;
    for (int64_t b = 0; b < n_buckets; b++) {
        uint32_t count = start[b];
        start[b] = sum;
        sum += count;
    }
    for (int64_t i = 0; i < n; i++)
        out[start[(v[i].hash - least) >> shift]++] = v[i];
}

mp_status mp_hashed_sort(mp_mem *mem, mp_hashed **v, int64_t n, mp_hashed_cmp cmp, const void *ctx,
                         mp_error *err) {
    const sorting s = {cmp, ctx};
    uint64_t least = UINT64_MAX, most = 0;
    const mp_hashed *in = *v;
    if (n < 2) return MP_OK;
    for (int64_t i = 0; i < n; i++) {
        if (in[i].hash < least) least = in[i].hash;
        if (in[i].hash > most) most = in[i].hash;
    }
    int shift = shift_for(most - least, n);
    int64_t n_buckets = (int64_t)((most - least) >> shift) + 1, first = 0;
    uint32_t *start = mp_mem_calloc(mem, (size_t)n_buckets, sizeof *start);
    mp_hashed *out = mp_mem_alloc(mem, (size_t)n * sizeof *out);
    if (!start || !out) {
        mp_mem_free(mem, start);
        mp_mem_free(mem, out);
        return mp_mem_error(mem, (size_t)n * sizeof *out, err);
    }
    scatter(in, n, least, shift, start, n_buckets, out);
    for (int64_t b = 0; b < n_buckets; b++) {
        /* only many equal ones, or hashes made to meet, fill one */
        if (start[b] - first > SMALL_BUCKET) heap_sort(&s, out + first, start[b] - first);
        first = start[b];
    }
    sort_near(&s, out, n);
    mp_mem_free(mem, start);
    mp_mem_free(mem, *v);
    *v = out;
    return MP_OK;
}
