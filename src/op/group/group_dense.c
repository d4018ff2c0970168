/* group_dense.c - when there is a dense array, how large, and what it holds.
 * Invariant: a number is in the array only at the place of its key; what the places are does not
 * change while the array is on. */
#include "op/group/group_dense.h"

#include <string.h>

enum {
    COLUMNS_MAX = 8,
    WORD = 8,
    RADIX_MAX = 127, /* weights are signed bytes */
    SAMPLE_ROWS = 4096,
    TRIES_MAX = 24,
    MISFITS = 16, /* one row in so many without a place is too many */
    /* places that need no reason, that each group met so far is worth, and at most */
    SMALL_PLACES = 1 << 16,
    PLACES_PER_GROUP = 1 << 10,
    MOST_PLACES = 1 << 22,
    BUDGET_PARTS = 8 /* of the memory that is left, the array may take one */
};

struct mp_dense_seen {
    uint8_t least[MP_DENSE_CODES][WORD], most[MP_DENSE_CODES][WORD];
    uint64_t first[MP_DENSE_CODES];
    uint32_t codes, mixed; /* bit sets; mixed: texts that differ before their last 8 bytes */
};

static mp_dense_kernel kernel_of(mp_simd level, int n_cols) {
    if (n_cols < 1 || n_cols > COLUMNS_MAX) return NULL;
#if defined(__x86_64__)
    if (level == MP_SIMD_AVX512) return mp_dense_kernel_avx512;
    if (level == MP_SIMD_AVX2) return mp_dense_kernel_avx2;
#endif
    (void)level;
    return NULL;
}

mp_status mp_dense_init(mp_dense *d, int n_cols, mp_simd level, mp_mem *mem, mp_error *err) {
    size_t n = (size_t)n_cols;
    *d = (mp_dense){.mem = mem, .kernel = kernel_of(level, n_cols)};
    if (!d->kernel) return MP_OK;
    d->map.n_cols = n_cols;
    d->map.col = mp_mem_calloc(mem, n, sizeof *d->map.col);
    d->seen = mp_mem_calloc(mem, n, sizeof *d->seen);
    if (!d->map.col || !d->seen) return mp_mem_error(mem, n * sizeof *d->map.col, err);
    return MP_OK;
}

void mp_dense_release(mp_dense *d) {
    mp_mem_free(d->mem, d->map.number);
    mp_mem_free(d->mem, d->map.col);
    mp_mem_free(d->mem, d->seen);
    *d = (mp_dense){0};
}

int64_t mp_dense_places(const mp_dense *d) {
    int64_t n = 1;
    for (int c = 0; c < d->map.n_cols; c++)
        n *= d->map.col[c].size;
    return n;
}

/* Each time the wait is twice as long, so that whatever the rows are, little is lost. */
static void turn_off(mp_dense *d) {
    d->on = false;
    d->learned_rows = 0;
    d->rest_rows = (int64_t)SAMPLE_ROWS << d->tries;
    if (d->tries < TRIES_MAX) d->tries++;
    mp_mem_free(d->mem, d->map.number);
    d->map.number = NULL;
}

void mp_dense_clear(mp_dense *d, bool by_place) {
    if (!d->on) return;
    int64_t n = mp_dense_places(d);
    if (by_place) {
        mp_mem_free(d->mem, d->map.number);
        d->map.number = NULL;
    } else if (n <= SMALL_PLACES && d->map.number) {
        memset(d->map.number, 0, (size_t)n * sizeof *d->map.number);
    } else {
        turn_off(d);
    }
}

/* ---- the domain ---- */

static void see_text(mp_dense_seen *s, mp_str text) {
    uint8_t word[WORD] = {0};
    uint64_t first = 0;
    uint32_t code = text.len + 1, bit = 1u << code;
    if (text.len > WORD) {
        memcpy(word, text.p + text.len - WORD, WORD);
        memcpy((char *)&first + 2 * WORD - text.len, text.p, text.len - WORD);
    } else if (text.len) {
        memcpy(word, text.p, text.len);
    }
    bool is_new = !(s->codes & bit);
    if (is_new) {
        memcpy(s->least[code], word, WORD);
        memcpy(s->most[code], word, WORD);
        s->first[code] = first;
    }
    for (int i = 0; i < WORD; i++) {
        s->least[code][i] = word[i] < s->least[code][i] ? word[i] : s->least[code][i];
        s->most[code][i] = word[i] > s->most[code][i] ? word[i] : s->most[code][i];
    }
    if (first != s->first[code]) s->mixed |= bit;
    s->codes |= bit;
}

static void see_texts(mp_dense_seen *s, const mp_str *text, const uint8_t *valid, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        if (valid && !valid[i])
            s->codes |= 1;
        else if (text[i].len <= MP_DENSE_TEXT_MAX)
            see_text(s, text[i]);
    }
}

/* How many texts of len bytes there are with bytes in the ranges seen, at most MOST_PLACES; 0: too
 * many. radix: of each byte. */
static int64_t count_texts(const mp_dense_seen *s, int code, int32_t radix[WORD]) {
    int64_t n = 1;
    for (int i = 0; i < WORD; i++) {
        radix[i] = s->most[code][i] - s->least[code][i] + 1;
        if (radix[i] > RADIX_MAX || n * radix[i] > MOST_PLACES) return 0;
        n *= radix[i];
    }
    return n;
}

static void put_weights(mp_dense_column *c, int code, const int32_t radix[WORD]) {
    uint8_t range[WORD], byte_weight[WORD];
    uint16_t pair_weight[WORD / 2];
    int len = code - 1;
    for (int i = 0; i < WORD; i++) {
        bool is_text = i < len;
        range[i] = is_text ? (uint8_t)(radix[i] - 1) : UINT8_MAX;
        byte_weight[i] = !is_text ? 0 : i % 2 ? 1 : (uint8_t)radix[i + 1];
    }
    for (int i = 0; i < WORD / 2; i++)
        pair_weight[i] = i % 2 ? 1 : (uint16_t)(radix[2 * i + 2] * radix[2 * i + 3]);
    memcpy(&c->range[code], range, WORD);
    memcpy(&c->byte_weight[code], byte_weight, WORD);
    memcpy(&c->pair_weight[code], pair_weight, WORD);
    c->end[code] = (uint64_t)((int64_t)radix[4] * radix[5] * radix[6] * radix[7]);
}

/* Codes that have too many texts are left out. false: the column has no places, or too many. */
static bool lay_out(const mp_dense_seen *s, mp_dense_column *c) {
    int64_t size = 0;
    *c = (mp_dense_column){0};
    for (int code = 0; code < MP_DENSE_CODES && size <= MOST_PLACES; code++) {
        int32_t radix[WORD];
        if (!((s->codes & ~s->mixed) >> code & 1)) continue;
        int64_t n = count_texts(s, code, radix);
        if (!n) continue;
        put_weights(c, code, radix);
        memcpy(&c->least[code], s->least[code], WORD);
        c->first[code] = s->first[code];
        c->end[code] |= (uint64_t)size << 32;
        c->has_first |= code > WORD + 1;
        c->codes |= UINT64_C(1) << code;
        size += n;
    }
    c->size = (uint32_t)size;
    return size > 0 && size <= MOST_PLACES;
}

static bool has_room(const mp_mem *m, int64_t bytes) {
    return !m || !m->limit_bytes || bytes <= (m->limit_bytes - m->used_bytes) / BUDGET_PARTS;
}

static bool turn_on(mp_dense *d, int64_t n_groups) {
    int64_t n = 1, most = n_groups * PLACES_PER_GROUP;
    if (most < SMALL_PLACES) most = SMALL_PLACES;
    if (most > MOST_PLACES) most = MOST_PLACES;
    for (int c = 0; c < d->map.n_cols; c++) {
        if (!lay_out(&d->seen[c], &d->map.col[c])) return false;
        n *= d->map.col[c].size;
        if (n > most) return false;
    }
    if (!has_room(d->mem, n * (int64_t)sizeof *d->map.number)) return false;
    d->map.number = mp_mem_calloc(d->mem, (size_t)n, sizeof *d->map.number);
    d->on = d->map.number != NULL;
    return d->on;
}

void mp_dense_learn(mp_dense *d, const mp_dense_rows *r, int64_t n_groups) {
    if (!d->kernel) return;
    d->rest_rows -= r->n;
    if (d->rest_rows >= 0) return;
    d->learned_rows += r->n;
    for (int c = 0; c < d->map.n_cols; c++)
        see_texts(&d->seen[c], r->text[c], r->valid[c], r->n);
    if (d->learned_rows < SAMPLE_ROWS || turn_on(d, n_groups)) return;
    turn_off(d);
    memset(d->seen, 0, (size_t)d->map.n_cols * sizeof *d->seen); /* an odd text is not for ever */
}

/* ---- rows ---- */

/* By place. The kernel leaves rows for where they lie, too: it gets copies of them that it takes. */
static mp_status place_left(const mp_dense *d, const mp_dense_rows *r, int32_t *left,
                            int32_t *n_left, uint32_t *number, mp_error *err) {
    enum { LANES_MOST = 8, ROOM = 32 };
    uint32_t found[MP_BATCH_ROWS + LANES_MOST], place[MP_BATCH_ROWS + LANES_MOST];
    int32_t unused[MP_BATCH_ROWS + LANES_MOST], n = *n_left, k = 0;
    const mp_str *texts[COLUMNS_MAX];
    const uint8_t *valids[COLUMNS_MAX];
    size_t all = ((size_t)n + LANES_MOST - 1) & ~(size_t)(LANES_MOST - 1);
    for (int c = 0; c < d->map.n_cols; c++) {
        size_t bytes = all * (ROOM + sizeof(mp_str) + 1);
        char *copy = mp_arena_alloc(r->scratch, bytes, ROOM);
        if (!copy) return mp_mem_error(r->scratch->mem, bytes, err);
        mp_str *text = (void *)(copy + all * ROOM);
        uint8_t *valid = (uint8_t *)(text + all);
        for (size_t i = 0; i < all; i++, copy += ROOM) {
            int32_t row = left[i < (size_t)n ? i : (size_t)n - 1];
            text[i] = r->text[c][row];
            valid[i] = !r->valid[c] || r->valid[c][row];
            if (!valid[i] || text[i].len == 0 || text[i].len > MP_DENSE_TEXT_MAX) continue;
            memcpy(copy, text[i].p, text[i].len);
            text[i].p = copy;
        }
        texts[c] = text;
        valids[c] = valid;
    }
    d->kernel(&d->map, texts, valids, (int32_t)all, found, place, unused);
    for (int32_t i = 0; i < n; i++) {
        number[left[i]] = found[i];
        if (found[i] == MP_DENSE_NOWHERE) left[k++] = left[i];
    }
    *n_left = k;
    return MP_OK;
}

/* The rows that the array did not know, by the table. *misfits: those without a place. */
static mp_status find_left(mp_dense *d, mp_table *t, const mp_dense_rows *r, const int32_t *left,
                           int32_t n_left, const uint32_t *place, uint32_t *number,
                           int32_t *misfits, mp_error *err) {
    uint32_t found[MP_BATCH_ROWS];
    mp_status s = mp_key_encode_rows(r->text, r->valid, d->map.n_cols, left, n_left, r->scratch,
                                     r->key, r->hash, err);
    for (int32_t i = 0; i < n_left && s == MP_OK; i++) {
        r->key[i] = r->key[left[i]];
        r->hash[i] = r->hash[left[i]];
    }
    if (s == MP_OK) s = mp_table_find(t, r->key, r->hash, n_left, found, err);
    for (int32_t i = 0; i < n_left && s == MP_OK; i++) {
        uint32_t at = place[left[i]];
        number[left[i]] = found[i];
        if (at != MP_DENSE_NOWHERE && d->map.number)
            d->map.number[at] = found[i] + 1;
        else
            ++*misfits;
    }
    return s;
}

mp_status mp_dense_find(mp_dense *d, mp_table *t, const mp_dense_rows *r, uint32_t *number,
                        mp_error *err) {
    uint32_t place[MP_BATCH_ROWS];
    int32_t left[MP_BATCH_ROWS], misfits = 0;
    int32_t n_left = d->kernel(&d->map, r->text, r->valid, r->n, number, place, left);
    mp_status s = MP_OK;
    if (n_left && !d->map.number) s = place_left(d, r, left, &n_left, number, err);
    if (s == MP_OK && n_left) s = find_left(d, t, r, left, n_left, place, number, &misfits, err);
    /* a few are left for where they lie */
    if (misfits > r->n / MISFITS + WORD) turn_off(d);
    return s;
}
