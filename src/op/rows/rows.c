/* rows.c - records in chunks. See rows.h. */
#include "op/rows/rows_priv.h"

/* What malloc adds makes it 64 KiB. */
enum {
    CHUNK_BYTES = (64 << 10) - sizeof(mp_row_chunk) - MP_ROW_SLACK - 16,
    LONG_LEN = 255,
    HEAD_MAX = 10
};

void mp_row_pool_init(mp_row_pool *pool, mp_mem *mem) {
    *pool = (mp_row_pool){.mem = mem};
}

void mp_row_pool_release(mp_row_pool *pool) {
    while (pool->free) {
        mp_row_chunk *c = pool->free;
        pool->free = c->next;
        mp_mem_free(pool->mem, c);
    }
}

/* A chunk with room for n bytes. */
static mp_row_chunk *take_chunk(mp_row_pool *pool, size_t n) {
    mp_row_chunk *c = pool->free;
    size_t cap = n > CHUNK_BYTES ? n : CHUNK_BYTES;
    if (c && cap == CHUNK_BYTES)
        pool->free = c->next;
    else
        c = mp_mem_alloc(pool->mem, sizeof *c + cap + MP_ROW_SLACK);
    if (c) *c = (mp_row_chunk){.cap = cap};
    return c;
}

/* Chunks of one long record are not kept: nothing else fits them. */
static void give_chunk(mp_row_pool *pool, mp_row_chunk *c) {
    if (c->cap != CHUNK_BYTES) {
        mp_mem_free(pool->mem, c);
        return;
    }
    c->next = pool->free;
    pool->free = c;
}

void mp_rows_init(mp_rows *r, mp_row_pool *pool) {
    *r = (mp_rows){.pool = pool};
}

void mp_rows_drop_chunk(mp_rows *r) {
    mp_row_chunk *c = r->first;
    r->first = c->next;
    if (!r->first) r->last = NULL;
    if (!r->first) r->next = r->end = NULL;
    r->n_chunks--;
    give_chunk(r->pool, c);
}

void mp_rows_release(mp_rows *r) {
    while (r->first)
        mp_rows_drop_chunk(r);
    mp_rows_init(r, r->pool);
}

/* ---- adding ---- */

static mp_status add_chunk(mp_rows *r, size_t n, mp_error *err) {
    mp_row_chunk *c = take_chunk(r->pool, n);
    if (!c) return mp_mem_error(r->pool->mem, sizeof *c + n, err);
    if (r->last) {
        r->last->used = (size_t)(r->next - r->last->bytes);
        r->last->next = c;
    } else {
        r->first = c;
    }
    r->last = c;
    r->next = c->bytes;
    r->end = c->bytes + c->cap;
    r->n_chunks++;
    return MP_OK;
}

/* Where a record of n bytes goes. */
static inline uint8_t *room(mp_rows *r, size_t n, mp_status *st, mp_error *err) {
    if ((size_t)(r->end - r->next) < n) *st = add_chunk(r, n, err);
    return r->next;
}

static inline void added(mp_rows *r, size_t n, size_t text_len) {
    r->next += n;
    r->n_rows++;
    r->n_bytes += (int64_t)n;
    r->text_bytes += (int64_t)text_len;
}

static inline uint8_t *put_len(uint8_t *to, size_t len) {
    *to++ = (uint8_t)(len < LONG_LEN ? len : LONG_LEN);
    if (len < LONG_LEN) return to;
    uint32_t n = (uint32_t)len;
    memcpy(to, &n, 4);
    return to + 4;
}

mp_status mp_rows_add(mp_rows *r, const void *key, size_t key_len, const void *text,
                      size_t text_len, size_t slack, mp_error *err) {
    if (key_len > UINT32_MAX || text_len > UINT32_MAX - key_len)
        return mp_error_set(err, MP_FAILED, "value too long",
                            "a row of %zu bytes cannot be sorted (at most 4 GiB)",
                            key_len + text_len);
    mp_status st = MP_OK;
    size_t heads = (size_t)(key_len < LONG_LEN ? 1 : 5) + (text_len < LONG_LEN ? 1 : 5);
    size_t n = heads + key_len + text_len;
    uint8_t *to = room(r, n, &st, err);
    if (st) return st;
    to = put_len(put_len(to, key_len), text_len);
    mp_row_copy(to, key, key_len, slack);
    mp_row_copy(to + key_len, text, text_len, slack);
    added(r, n, text_len);
    return MP_OK;
}

mp_status mp_rows_add_row(mp_rows *r, const mp_row *row, size_t slack, mp_error *err) {
    mp_status st = MP_OK;
    uint8_t *to = room(r, row->len, &st, err);
    if (st) return st;
    mp_row_copy(to, row->record, row->len, slack);
    added(r, row->len, row->text_len);
    return MP_OK;
}

/* ---- reading ---- */

/* NULL: cut off. */
static inline const uint8_t *get_len(const uint8_t *p, const uint8_t *end, uint32_t *len) {
    if (p == end) return NULL;
    *len = *p++;
    if (*len < LONG_LEN) return p;
    if (end - p < 4) return NULL;
    memcpy(len, p, 4);
    return p + 4;
}

bool mp_row_read(const uint8_t **at, const uint8_t *end, mp_row *out) {
    const uint8_t *p = get_len(*at, end, &out->key_len);
    if (p) p = get_len(p, end, &out->text_len);
    if (!p || (size_t)(end - p) < (size_t)out->key_len + out->text_len) return false;
    out->record = *at;
    out->key = p;
    out->text = p + out->key_len;
    *at = out->text + out->text_len;
    out->len = (size_t)(*at - out->record);
    return true;
}

mp_row mp_row_at(const uint8_t *record) {
    mp_row row = {.record = record};
    const uint8_t *far = record + HEAD_MAX;
    row.key = get_len(get_len(record, far, &row.key_len), far, &row.text_len);
    row.text = row.key + row.key_len;
    row.len = (size_t)(row.text + row.text_len - record);
    return row;
}

const mp_row_chunk *mp_rows_next_chunk(const mp_rows *r, const mp_row_chunk *c) {
    return c ? c->next : r->first;
}

const uint8_t *mp_row_chunk_begin(const mp_row_chunk *c) {
    return c->bytes;
}

const uint8_t *mp_row_chunk_end(const mp_rows *r, const mp_row_chunk *c) {
    return c == r->last ? r->next : c->bytes + c->used;
}

static int64_t count_rows(const uint8_t *at, const uint8_t *end) {
    int64_t n = 0;
    mp_row row;
    while (mp_row_read(&at, end, &row))
        n++;
    return n;
}

/* per of these records, one at a random place in each share of them. */
static mp_status sample_records(const uint8_t *at, const uint8_t *end, int64_t per, uint64_t *seed,
                                mp_rows *out, mp_error *err) {
    int64_t n = count_rows(at, end);
    mp_status st = MP_OK;
    mp_row row;
    for (int64_t k = 0, i = 0; k < per && !st; k++) {
        int64_t from = k * n / per, to = (k + 1) * n / per;
        if (from == to) continue;
        *seed = *seed * 6364136223846793005 + 1442695040888963407;
        int64_t wanted = from + (int64_t)(*seed >> 33) % (to - from);
        for (; i <= wanted && mp_row_read(&at, end, &row); i++)
            continue;
        st = mp_rows_add(out, row.key, row.key_len, NULL, 0, 0, err);
    }
    return st;
}

mp_status mp_rows_sample(const mp_rows *r, int64_t n, mp_rows *out, mp_error *err) {
    int64_t step = n > 0 && r->n_chunks > n ? r->n_chunks / n : 1, i = 0;
    int64_t per = r->n_chunks ? (n + r->n_chunks - 1) / r->n_chunks : 0;
    uint64_t seed = 1;
    mp_status st = MP_OK;
    for (const mp_row_chunk *c = r->first; c && !st; c = c->next)
        if (i++ % step == 0)
            st = sample_records(c->bytes, mp_row_chunk_end(r, c), per, &seed, out, err);
    return st;
}
