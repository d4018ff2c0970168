/* arrow_export.c - the columns of a batch as Arrow wants them. See arrow.h.
 * Invariant: mp_arrow_bytes walks the columns as mp_arrow_export does, so what is written fits; buffers begin at
 * multiples of 64 bytes and what is behind a buffer up to the next is zero. */
#include "data/arrow.h"
#include "data/decimal.h"

enum { ALIGN = 64 };

static inline int64_t round_up(int64_t n) {
    return (n + ALIGN - 1) & -(int64_t)ALIGN;
}

static inline int64_t bit_bytes(int64_t n) {
    return (n + 7) / 8;
}

/* Bytes of a value in Arrow's form; of an offset for texts; 0: bits, or none. */
static int width_of(mp_type t) {
    static const int widths[MP_TYPE_COUNT] = {0, 0, 8, 16, 8, 4, 8, 4};
    return widths[t];
}

static int64_t text_bytes(const mp_col *c, int32_t n) {
    int64_t sum = 0;
    for (int32_t i = 0; i < n; i++)
        sum += c->str[i].len;
    return sum;
}

static int64_t column_bytes(const mp_col *c, mp_type type, int32_t n) {
    int64_t bytes = c->valid ? round_up(bit_bytes(n)) : 0;
    if (type == MP_NULL) return 0;
    if (type == MP_BOOL) return bytes + round_up(bit_bytes(n));
    if (type != MP_STRING) return bytes + round_up((int64_t)n * width_of(type));
    int64_t text = text_bytes(c, n);
    if (text > INT32_MAX) return -1;
    return bytes + round_up(((int64_t)n + 1) * 4) + round_up(text);
}

int64_t mp_arrow_bytes(const mp_batch *in, const mp_schema *s) {
    int64_t sum = 0;
    for (int32_t i = 0; i < in->n_cols; i++) {
        int64_t bytes = column_bytes(&in->cols[i], s->fields[i].type, in->n_rows);
        if (bytes < 0) return -1;
        sum += bytes;
    }
    return sum;
}

/* ---- buffers ---- */

typedef struct {
    uint8_t *at; /* the next buffer, at a multiple of 64 */
    mp_arrow_col *col;
    int32_t n; /* rows */
} place;

/* The next buffer of the column: n bytes, those behind them zero. */
static uint8_t *take(place *w, int64_t n) {
    uint8_t *p = w->at;
    w->at += round_up(n);
    memset(p + n, 0, (size_t)(w->at - p - n));
    w->col->buffers[w->col->n_buffers] = p;
    w->col->bytes[w->col->n_buffers++] = n;
    return p;
}

static void point_at(place *w, const void *p, int64_t n) {
    w->col->buffers[w->col->n_buffers] = p;
    w->col->bytes[w->col->n_buffers++] = n;
}

/* Bytes of 0 and 1 as bits; returns how many are 1. */
static int64_t pack_bits(const uint8_t *in, int32_t n, uint8_t *out) {
    int64_t ones = 0;
    int32_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, in + i, 8);
        /* byte k to bit k: 8k + 7(8 - k) = 56 + k */
        uint8_t bits = (uint8_t)((word * 0x0102040810204080u) >> 56);
        out[i / 8] = bits;
        ones += __builtin_popcount(bits);
    }
    if (i == n) return ones;
    uint8_t last = 0;
    for (int32_t k = i; k < n; k++)
        last |= (uint8_t)(in[k] << (k - i));
    out[i / 8] = last;
    return ones + __builtin_popcount(last);
}

static void put_validity(place *w, const mp_col *c) {
    if (!c->valid) {
        point_at(w, NULL, 0);
        return;
    }
    w->col->null_count = w->n - pack_bits(c->valid, w->n, take(w, bit_bytes(w->n)));
}

/* ---- values ---- */

static void put_text(place *w, const mp_col *c) {
    int32_t *offsets = (int32_t *)(void *)take(w, ((int64_t)w->n + 1) * 4);
    uint8_t *text = w->at;
    int32_t at = 0;
    for (int32_t i = 0; i < w->n; i++) {
        mp_str s = c->str[i];
        offsets[i] = at;
        if (s.len) memcpy(text + at, s.p, s.len);
        at += (int32_t)s.len;
    }
    offsets[w->n] = at;
    (void)take(w, at);
}

static void put_decimals(place *w, const mp_col *c, int scale) {
    __int128 *out = (__int128 *)(void *)take(w, (int64_t)w->n * 16);
    int64_t factor = mp_pow10_i64[scale - c->scale];
    for (int32_t i = 0; i < w->n; i++)
        out[i] = mp_col_is_null(c, i) ? 0 : (__int128)c->i64[i] * factor;
}

static void put_dates(place *w, const mp_col *c) {
    int32_t *out = (int32_t *)(void *)take(w, (int64_t)w->n * 4);
    for (int32_t i = 0; i < w->n; i++)
        out[i] = (int32_t)c->i64[i];
}

static void put_column(place *w, const mp_col *c, const mp_field *f, bool share) {
    int64_t bytes = (int64_t)w->n * width_of(f->type);
    if (f->type == MP_NULL) {
        w->col->null_count = w->n;
        return;
    }
    put_validity(w, c);
    switch (f->type) {
    case MP_BOOL:
        (void)pack_bits(c->b, w->n, take(w, bit_bytes(w->n)));
        break;
    case MP_STRING:
        put_text(w, c);
        break;
    case MP_DECIMAL:
        put_decimals(w, c, f->scale);
        break;
    case MP_DATE:
        put_dates(w, c);
        break;
    default: /* int64, float64, timestamp: as they lie */
        if (share)
            point_at(w, c->p, bytes);
        else if (bytes)
            memcpy(take(w, bytes), c->p, (size_t)bytes);
        else
            (void)take(w, 0);
    }
}

int64_t mp_arrow_export(const mp_batch *in, const mp_schema *s, bool share, uint8_t *block,
                        mp_arrow_col *cols) {
    place w = {.at = block, .n = in->n_rows};
    for (int32_t i = 0; i < in->n_cols; i++) {
        cols[i] = (mp_arrow_col){.length = in->n_rows};
        w.col = &cols[i];
        put_column(&w, &in->cols[i], &s->fields[i], share);
    }
    return w.at - block;
}

/* ---- as an array ---- */

/* The children go first, then the array itself: each is counted off once, by whoever has it. */
static void release_lent(struct ArrowArray *a) {
    mp_arrow_lease *lease = a->private_data;
    for (int64_t i = 0; i < a->n_children; i++)
        if (a->children[i]->release) a->children[i]->release(a->children[i]);
    lease->live--;
    a->release = NULL;
}

mp_status mp_arrow_lend(const mp_arrow_col *cols, int n_cols, int64_t n_rows, mp_arena *arena,
                        mp_arrow_lease *lease, struct ArrowArray *out, mp_error *err) {
    size_t n = (size_t)n_cols;
    size_t bytes = n * (sizeof(struct ArrowArray) + sizeof(struct ArrowArray *)) +
                   (3 * n + 1) * sizeof(void *);
    struct ArrowArray *children = mp_arena_alloc(arena, bytes, 16);
    if (!children) return mp_mem_error(arena->mem, bytes, err);
    struct ArrowArray **list = (struct ArrowArray **)(void *)(children + n);
    const void **buffers = (const void **)(void *)(list + n);
    *buffers = NULL; /* the struct's own validity */
    for (size_t i = 0; i < n; i++) {
        const void **own = buffers + 1 + 3 * i;
        memcpy(own, cols[i].buffers, sizeof cols[i].buffers);
        children[i] = (struct ArrowArray){.length = n_rows,
                                          .null_count = cols[i].null_count,
                                          .n_buffers = cols[i].n_buffers,
                                          .buffers = cols[i].n_buffers ? own : NULL,
                                          .release = release_lent,
                                          .private_data = lease};
        list[i] = &children[i];
    }
    *out = (struct ArrowArray){.length = n_rows,
                               .n_buffers = 1,
                               .n_children = n_cols,
                               .buffers = buffers,
                               .children = list,
                               .release = release_lent,
                               .private_data = lease};
    lease->live += n_cols + 1;
    return MP_OK;
}
