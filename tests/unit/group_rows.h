/* group_rows.h - for the tests of group by: rows of every type, cut into batches, dealt to
 * tables in any way, and the answer as text in which every bit of a value shows. */
#ifndef TEST_GROUP_ROWS_H
#define TEST_GROUP_ROWS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/print_num.h"
#include "op/group/group.h"
#include "op/group/group_record.h"
#include "op/group/group_slab.h"

enum { C_KEY1, C_KEY2, C_BOOL, C_INT, C_DEC, C_FLOAT, C_DATE, C_TS, C_TEXT, C_NULL, C_COLS };
static const mp_type col_type[C_COLS] = {MP_STRING,  MP_STRING, MP_BOOL,      MP_INT64,  MP_DECIMAL,
                                         MP_FLOAT64, MP_DATE,   MP_TIMESTAMP, MP_STRING, MP_NULL};
enum { DEC_SCALE = 3 }; /* of the rows' mantissas; a batch may write them with up to 6 */

typedef struct {
    char *text[3]; /* key1, key2, text */
    uint32_t len[3];
    int64_t i[C_COLS]; /* bool, int, decimal mantissa, date, timestamp */
    double f;
    bool null[C_COLS];
} row;

typedef struct {
    int n;
    row *rows;
} rows;

static inline uint64_t next_random(uint64_t *x) {
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x * UINT64_C(0x2545F4914F6CDD1D);
}
static inline uint64_t below(uint64_t *x, uint64_t n) {
    return (next_random(x) >> 16) % n;
}

static inline int text_slot(int col) {
    return col == C_KEY1 ? 0 : col == C_KEY2 ? 1 : 2;
}

static inline void set_text(row *r, int col, const char *p, size_t n) {
    int s = text_slot(col);
    r->text[s] = malloc(n ? n : 1); /* exactly: a read past it is seen by the sanitizer */
    memcpy(r->text[s], p, n);
    r->len[s] = (uint32_t)n;
}

static inline double random_double(uint64_t *x, bool wild) {
    double v = (double)(int64_t)next_random(x) / 0x1p43; /* 53 bits below 2^20 */
    if (!wild) return v;
    switch (below(x, 12)) {
    case 0:
        return v * 1e295;
    case 1:
        return v * 1e-300;
    case 2:
        return v * 1e-12;
    case 3:
        return (double)(int64_t)below(x, 100);
    case 4:
        return 1e300 * (below(x, 2) ? 1 : -1);
    case 5:
        return below(x, 2) ? -0.0 : 0.0;
    default:
        return v;
    }
}

/* n rows with about n_groups pairs of keys; one row in null_every is null, column by column (0:
 * none). */
static inline rows make_rows(int n, int n_groups, int null_every, bool wild, uint64_t *x) {
    rows d = {n, calloc((size_t)n + 1, sizeof(row))};
    for (int k = 0; k < n; k++) {
        row *r = &d.rows[k];
        char b[1200];
        uint64_t g = below(x, (uint64_t)n_groups);
        for (int c = 0; c < C_COLS; c++)
            r->null[c] = c == C_NULL || (null_every && below(x, (uint64_t)null_every) == 0);
        int len =
            g % 3 == 0 ? snprintf(b, sizeof b, "k%llu", (unsigned long long)g / 2)
            : g % 3 == 1
                ? snprintf(b, sizeof b, "a longer key of group %llu", (unsigned long long)g / 2)
                : snprintf(b, sizeof b, "%0*llu", g % 7 == 0 ? 700 : 9, (unsigned long long)g / 2);
        set_text(r, C_KEY1, b, (size_t)len);
        len = snprintf(b, sizeof b, "%s", g % 2 ? "" : "z");
        set_text(r, C_KEY2, b, (size_t)len);
        r->i[C_BOOL] = (int64_t)below(x, 2);
        r->i[C_INT] = (int64_t)(wild ? next_random(x) >> below(x, 64) : below(x, 1000));
        r->i[C_INT] >>= wild ? 2 : 0;
        if (below(x, 2)) r->i[C_INT] = -r->i[C_INT];
        r->i[C_DEC] = (int64_t)below(x, 2000000) - 1000000;
        r->f = random_double(x, wild);
        r->i[C_DATE] = (int64_t)below(x, 40000) - 10000;
        r->i[C_TS] = (int64_t)below(x, UINT64_C(4000000000000000));
        len = snprintf(b, sizeof b, "%.*s%d", (int)below(x, 40),
                       "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", (int)below(x, 30));
        set_text(r, C_TEXT, b, (size_t)len);
    }
    return d;
}

static inline void free_rows(rows *d) {
    for (int k = 0; k < d->n; k++)
        for (int s = 0; s < 3; s++)
            free(d->rows[k].text[s]);
    free(d->rows);
}

/* One batch of rows pick[0 .. n), its decimals at scale DEC_SCALE + extra. Memory from arena. */
static inline mp_batch make_batch(const rows *d, const int *pick, int n, int extra,
                                  mp_arena *arena) {
    mp_col *cols = mp_arena_alloc(arena, C_COLS * sizeof *cols, 8);
    uint32_t *rec = mp_arena_alloc(arena, (size_t)n * 4 + 1, 8);
    int64_t factor = 1;
    for (int i = 0; i < extra; i++)
        factor *= 10;
    for (int c = 0; c < C_COLS; c++) {
        uint8_t *valid = mp_arena_alloc(arena, (size_t)n + 1, 1);
        char *v = mp_arena_alloc(arena, (size_t)n * 16 + 1, 8);
        bool any = false;
        for (int i = 0; i < n; i++) {
            const row *r = &d->rows[pick[i]];
            valid[i] = !r->null[c];
            any |= r->null[c];
            if (col_type[c] == MP_STRING) {
                int s = text_slot(c);
                ((mp_str *)(void *)v)[i] = mp_str_of(r->text[s], r->null[c] ? 0 : r->len[s]);
            } else if (col_type[c] == MP_BOOL) {
                v[i] = (char)r->i[c];
            } else if (col_type[c] == MP_FLOAT64) {
                ((double *)(void *)v)[i] = r->f;
            } else {
                ((int64_t *)(void *)v)[i] = r->i[c] * (c == C_DEC ? factor : 1);
            }
        }
        cols[c] = (mp_col){.type = col_type[c], .valid = any ? valid : NULL, .p = v};
        if (c == C_DEC) cols[c].scale = (uint8_t)(DEC_SCALE + extra);
        if (c == C_TS) cols[c].ts_sep = 'T';
    }
    /* rows lie 10 bytes apart in files of 1000: their position is their number; one file to a
     * batch */
    for (int i = 0; i < n; i++)
        rec[i] = (uint32_t)(pick[i] % 1000) * 10;
    return (mp_batch){.n_rows = n,
                      .n_cols = C_COLS,
                      .cols = cols,
                      .file_no = n ? pick[0] / 1000 : 0,
                      .base = INT64_C(1) << 33,
                      .rec = rec};
}

/* ---- answers as text ---- */

static inline void print_value(mp_buf *out, const mp_col *c, int32_t i) {
    char b[MP_NUM_MAX];
    uint64_t bits = 0;
    if (c->type == MP_NULL || mp_col_is_null(c, i)) {
        mp_buf_printf(out, "null");
        return;
    }
    switch (c->type) {
    case MP_BOOL:
        mp_buf_printf(out, "%s", c->b[i] ? "true" : "false");
        break;
    case MP_DECIMAL:
        mp_buf_put(out, b, mp_print_decimal(b, c->i64[i], c->scale));
        break;
    case MP_FLOAT64:
        memcpy(&bits, &c->f64[i], 8);
        mp_buf_printf(out, "%016llx", (unsigned long long)bits);
        break;
    case MP_STRING:
        mp_buf_printf(out, "'%.*s'", (int)c->str[i].len, c->str[i].p);
        break;
    default:
        mp_buf_printf(out, "%lld", (long long)c->i64[i]);
    }
}

/* One line per row: values with bars between them. */
static inline void print_batch(mp_buf *out, const mp_batch *b) {
    for (int32_t i = 0; i < b->n_rows; i++) {
        for (int32_t c = 0; c < b->n_cols; c++) {
            if (c) mp_buf_u8(out, '|');
            print_value(out, &b->cols[c], i);
        }
        mp_buf_u8(out, '\n');
    }
}

static inline mp_status print_groups(mp_group *g, const mp_type *key_types, mp_buf *out,
                                     mp_error *err) {
    mp_arena arena;
    mp_batch b = {.n_rows = 1};
    mp_arena_init(&arena, NULL);
    mp_status s = mp_group_prepare(g, MP_GROUP_BY_HASH, key_types, err);
    while (s == MP_OK && b.n_rows) {
        mp_arena_reset(&arena);
        s = mp_group_next(g, &arena, &b, err);
        if (s == MP_OK) print_batch(out, &b);
    }
    mp_arena_release(&arena);
    return s;
}

/* The groups of all owners in the order of hashes. */
static inline mp_status print_slabs(mp_group **owner, int n_owners, const mp_type *key_types,
                                    mp_buf *out, mp_error *err) {
    mp_arena arena;
    mp_status s = MP_OK;
    mp_arena_init(&arena, NULL);
    for (int o = 0; o < n_owners && s == MP_OK; o++)
        s = mp_group_prepare(owner[o], MP_GROUP_BY_HASH, key_types, err);
    int n_ranges = n_owners << mp_slab_bits((uint64_t)n_owners);
    for (int i = 0; i < n_ranges && s == MP_OK; i++) {
        mp_group *g = owner[i % n_owners];
        int64_t left = mp_group_enter(g, (uint32_t)(i / n_owners));
        while (s == MP_OK && left > 0) {
            mp_batch b;
            mp_arena_reset(&arena);
            s = mp_group_next(g, &arena, &b, err);
            if (s == MP_OK) print_batch(out, &b);
            left -= b.n_rows > 0 ? b.n_rows : left;
        }
    }
    mp_arena_release(&arena);
    return s;
}

/* ---- a run: rows dealt to tables, their groups to owners ---- */

enum { MAX_OWNERS = 4 };
typedef struct {
    mp_buf records[MAX_OWNERS];
    uint64_t *x;
    bool shuffle;
    mp_group **owner; /* NULL: kept in records */
} mail;

static inline mp_status put_mail(void *ctx, int owner, const void *record, size_t n,
                                 mp_error *err) {
    mail *m = ctx;
    (void)err;
    if (owner < 0 || owner >= MAX_OWNERS) return MP_FAILED;
    mp_buf_put(&m->records[owner], record, n);
    return MP_OK;
}

/* Gives what has come to its owner, whole records, in a random order and in random pieces. */
static inline mp_status deliver(mail *m, int owner, mp_group *g, mp_error *err) {
    mp_buf *b = &m->records[owner], out;
    size_t n = 0, cap = b->len / 16 + 1;
    size_t *start = malloc(cap * sizeof *start);
    for (size_t at = 0; at < b->len; at += mp_record_bytes(b->data + at))
        start[n++] = at;
    for (size_t i = n; m->shuffle && i > 1; i--) {
        size_t j = below(m->x, i), t = start[i - 1];
        start[i - 1] = start[j];
        start[j] = t;
    }
    mp_status s = MP_OK;
    mp_buf_init(&out, NULL);
    for (size_t i = 0; i < n && s == MP_OK; i++) {
        mp_buf_put(&out, b->data + start[i], mp_record_bytes(b->data + start[i]));
        if (i + 1 < n && below(m->x, 500)) continue;
        uint8_t *exact = malloc(out.len); /* a read past it is seen */
        memcpy(exact, out.data, out.len);
        s = mp_group_absorb(g, exact, out.len, err);
        free(exact);
        mp_buf_clear(&out);
    }
    mp_buf_release(&out);
    mp_buf_clear(b);
    free(start);
    return s;
}

static inline mp_status empty(mp_group *g, mail *m, mp_error *err) {
    bool done = false;
    mp_status s = MP_OK;
    while (!done && s == MP_OK)
        s = mp_group_emit(g, put_mail, m, 1 + (int64_t)below(m->x, 700), &done, err);
    return s;
}

/* The answer over all owners in order. variation 0: one table, rows in order, no exchange; else
 * everything at random. */
static inline mp_status answer(const rows *d, mp_group_args args, const mp_type *key_types,
                               uint64_t variation, mp_buf *out, mp_error *err) {
    uint64_t x = variation * 7919 + 1;
    next_random(&x);
    int n_tables = variation ? 1 + (int)below(&x, 3) : 1;
    int n_owners = variation ? 1 + (int)below(&x, MAX_OWNERS) : 1;
    int *pick = malloc(((size_t)d->n + 1) * sizeof *pick);
    mp_group *local[3] = {0}, *owner[MAX_OWNERS] = {0};
    mail m = {.x = &x, .shuffle = true};
    mp_arena arena;
    mp_status s = MP_OK;
    mp_arena_init(&arena, NULL);
    args.n_owners = n_owners;
    for (int t = 0; t < n_tables && s == MP_OK; t++)
        s = mp_group_new(&args, &local[t], err);
    args.starts_empty = true;
    for (int o = 0; o < n_owners && s == MP_OK; o++)
        s = mp_group_new(&args, &owner[o], err);
    for (int i = 0; i < d->n; i++)
        pick[i] = i;
    for (int i = d->n; variation && i > 1; i--) { /* positions: within one file of 1000 rows */
        int first = (i - 1) / 1000 * 1000, j = first + (int)below(&x, (uint64_t)(i - first));
        int t = pick[i - 1];
        pick[i - 1] = pick[j];
        pick[j] = t;
    }
    for (int at = 0; at < d->n && s == MP_OK;) {
        int n = 1000 - at % 1000;
        if (variation) n = 1 + (int)below(&x, (uint64_t)(n < 300 ? n : 300));
        if (n > d->n - at) n = d->n - at;
        mp_arena_reset(&arena);
        mp_batch b = make_batch(d, pick + at, n, variation ? (int)below(&x, 4) : 0, &arena);
        int t = (int)below(&x, (uint64_t)n_tables);
        s = mp_group_add(local[t], &b, err);
        if (variation && s == MP_OK && below(&x, 10) == 0) s = empty(local[t], &m, err);
        at += n;
    }
    if (!variation && s == MP_OK) s = print_groups(local[0], key_types, out, err);
    for (int t = 0; variation && t < n_tables && s == MP_OK; t++)
        s = empty(local[t], &m, err);
    for (int o = 0; variation && o < n_owners && s == MP_OK; o++)
        s = deliver(&m, o, owner[o], err);
    if (variation && s == MP_OK) s = print_slabs(owner, n_owners, key_types, out, err);
    for (int o = 0; o < MAX_OWNERS; o++) {
        mp_group_free(&owner[o]);
        mp_buf_release(&m.records[o]);
    }
    for (int t = 0; t < 3; t++)
        mp_group_free(&local[t]);
    mp_arena_release(&arena);
    free(pick);
    return s;
}

#endif
