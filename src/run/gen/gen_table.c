/* gen_table.c - the tables of db-benchmark: G1 for group-by, J1 for joins.
 * https://github.com/h2oai/db-benchmark, _data/groupby-datagen.R and join-datagen.R; the columns
 * are theirs, the numbers are not. */
#include "run/gen/gen_table.h"

#include <string.h>

/* ---- text ---- */

char *mp_gen_uint(char *out, uint64_t v) {
    char digits[20];
    int n = 0;
    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    while (n)
        *out++ = digits[--n];
    return out;
}

char *mp_gen_padded(char *out, uint64_t v, int width) {
    uint64_t rest = v;
    int n = 1;
    while (rest >= 10) {
        rest /= 10;
        n++;
    }
    for (; n < width; n++)
        *out++ = '0';
    return mp_gen_uint(out, v);
}

static char *put(char *out, const char *text) {
    size_t n = strlen(text);
    memcpy(out, text, n);
    return out + n;
}

/* 1 to 999 millionths, where the exponent is shorter. */
static char *small_millionths(char *out, uint64_t v) {
    if (v >= 100) return put(mp_gen_uint(out, v / 100), "e-04");
    if (v < 10) return put(mp_gen_uint(out, v), "e-06");
    *out++ = (char)('0' + v / 10);
    if (v % 10) {
        *out++ = '.';
        *out++ = (char)('0' + v % 10);
    }
    return put(out, "e-05");
}

char *mp_gen_millionths(char *out, uint64_t v) {
    if (v > 0 && (v < 100 || (v < 1000 && v % 100 == 0))) return small_millionths(out, v);
    out = mp_gen_uint(out, v / 1000000);
    uint32_t fraction = (uint32_t)(v % 1000000);
    if (fraction == 0) return out;
    *out = '.';
    for (int i = 6; i > 0; i--) {
        out[i] = (char)('0' + fraction % 10);
        fraction /= 10;
    }
    int n = 6;
    while (out[n] == '0')
        n--;
    return out + n + 1;
}

/* ---- permutations and keys ---- */

void mp_gen_permutation_init(mp_gen_permutation *p, uint64_t n, uint64_t key) {
    int bits = 2;
    while (bits < 64 && (uint64_t)1 << bits < n)
        bits++;
    p->n = n;
    p->low_bits = bits / 2;
    p->high_bits = bits - bits / 2;
    for (uint64_t r = 0; r < 4; r++)
        p->keys[r] = mp_gen_mix(key + (r + 1) * 0x9E3779B97F4A7C15u);
}

uint64_t mp_gen_permute(const mp_gen_permutation *p, uint64_t i) {
    const uint64_t low_mask = ((uint64_t)1 << p->low_bits) - 1;
    const uint64_t high_mask = ((uint64_t)1 << p->high_bits) - 1;
    do {
        uint64_t low = i & low_mask, high = i >> p->low_bits;
        for (int r = 0; r < 4; r += 2) {
            low ^= mp_gen_mix(high + p->keys[r]) & low_mask;
            high ^= mp_gen_mix(low + p->keys[r + 1]) & high_mask;
        }
        i = high << p->low_bits | low;
    } while (i >= p->n);
    return i;
}

/* The number of the key at a place (0 .. n-1) of a side. */
static uint64_t key_at(const mp_gen_keys *k, bool is_right, uint64_t place) {
    if (is_right && place >= k->n_common) place += k->n - k->n_common;
    return mp_gen_permute(&k->values, place) + 1;
}

/* ---- G1 ---- */

static char *groupby_row(const mp_gen_table *t, uint64_t i, char *out) {
    out = mp_gen_padded(put(out, "id"), mp_gen_below(t, 0, i, t->k) + 1, 3);
    out = mp_gen_padded(put(out, ",id"), mp_gen_below(t, 1, i, t->k) + 1, 3);
    out = mp_gen_padded(put(out, ",id"), mp_gen_below(t, 2, i, t->n_per_k) + 1, 10);
    *out++ = ',';
    out = mp_gen_uint(out, mp_gen_below(t, 3, i, t->k) + 1);
    *out++ = ',';
    out = mp_gen_uint(out, mp_gen_below(t, 4, i, t->k) + 1);
    *out++ = ',';
    out = mp_gen_uint(out, mp_gen_below(t, 5, i, t->n_per_k) + 1);
    *out++ = ',';
    out = mp_gen_uint(out, mp_gen_below(t, 6, i, 5) + 1);
    *out++ = ',';
    out = mp_gen_uint(out, mp_gen_below(t, 7, i, 15) + 1);
    *out++ = ',';
    out = mp_gen_millionths(out, mp_gen_below(t, 8, i, 100000001));
    *out++ = '\n';
    return out;
}

/* ---- J1 ---- */

/* Key column c: each key once where the table has as many rows as keys, else drawn. */
static uint64_t join_key(const mp_gen_table *t, int c, uint64_t i) {
    const mp_gen_keys *k = &t->keys[c];
    uint64_t place = k->n == t->n_rows ? mp_gen_permute(&t->order, i) : mp_gen_below(t, c, i, k->n);
    return key_at(k, t->is_right, place);
}

static char *join_row(const mp_gen_table *t, uint64_t i, int n_keys, char *out) {
    uint64_t keys[3];
    for (int c = 0; c < n_keys; c++) {
        keys[c] = join_key(t, c, i);
        out = mp_gen_uint(out, keys[c]);
        *out++ = ',';
    }
    for (int c = 0; c < n_keys; c++) {
        out = mp_gen_uint(put(out, "id"), keys[c]);
        *out++ = ',';
    }
    out = mp_gen_millionths(out, mp_gen_below(t, 3, i, 100000001));
    *out++ = '\n';
    return out;
}

static char *small_row(const mp_gen_table *t, uint64_t i, char *out) {
    return join_row(t, i, 1, out);
}
static char *medium_row(const mp_gen_table *t, uint64_t i, char *out) {
    return join_row(t, i, 2, out);
}
static char *big_row(const mp_gen_table *t, uint64_t i, char *out) {
    return join_row(t, i, 3, out);
}

static uint64_t at_least_one(uint64_t n) {
    return n ? n : 1;
}

static void join_tables(const mp_gen_spec *spec, mp_gen_table *tables) {
    static const struct {
        const char *file, *header;
        uint64_t share; /* a row for so many of the left table's */
        char *(*row)(const mp_gen_table *, uint64_t, char *);
    } form[MP_GEN_TABLES] = {
        {"left.csv", "id1,id2,id3,id4,id5,id6,v1\n", 1, big_row},
        {"small.csv", "id1,id4,v2\n", 1000000, small_row},
        {"medium.csv", "id1,id2,id4,id5,v2\n", 1000, medium_row},
        {"big.csv", "id1,id2,id3,id4,id5,id6,v2\n", 1, big_row},
    };
    static const uint64_t share_of_key[3] = {1000000, 1000, 1};
    uint64_t n = (uint64_t)spec->n_rows;
    for (int i = 0; i < MP_GEN_TABLES; i++) {
        mp_gen_table *t = &tables[i];
        t->file = form[i].file;
        t->header = form[i].header;
        t->row = form[i].row;
        t->n_rows = n ? at_least_one(n / form[i].share) : 0;
        t->is_right = i > 0;
        mp_gen_permutation_init(&t->order, at_least_one(t->n_rows), t->columns[4]);
        for (int c = 0; c < 3; c++) {
            mp_gen_keys *k = &t->keys[c];
            k->n = at_least_one(n / share_of_key[c]);
            k->n_common = k->n - k->n / 10;
            /* the same numbers in all four tables */
            mp_gen_permutation_init(&k->values, k->n + k->n / 10,
                                    mp_gen_mix((uint64_t)spec->seed * 31 + (uint64_t)c));
        }
    }
}

int mp_gen_tables(const mp_gen_spec *spec, mp_gen_table *tables) {
    memset(tables, 0, MP_GEN_TABLES * sizeof *tables);
    for (uint64_t i = 0; i < MP_GEN_TABLES; i++)
        for (uint64_t c = 0; c < MP_GEN_COLUMNS; c++)
            tables[i].columns[c] = mp_gen_mix(mp_gen_mix((uint64_t)spec->seed) +
                                              ((uint64_t)spec->kind * 8 + i) * 64 + c);
    tables[0].n_rows = (uint64_t)spec->n_rows;
    tables[0].k = (uint64_t)spec->n_groups;
    tables[0].n_per_k = at_least_one((uint64_t)(spec->n_rows / spec->n_groups));
    switch (spec->kind) {
    case MP_GEN_GROUPBY:
        tables[0].header = "id1,id2,id3,id4,id5,id6,v1,v2,v3\n";
        tables[0].types = "sssiiiiif";
        tables[0].row = groupby_row;
        return 1;
    case MP_GEN_ORDERS:
        tables[0].header = "order_id,day,customer,region,product,quantity,price,paid\n";
        tables[0].types = "idsssifb";
        tables[0].row = mp_gen_orders_row;
        return 1;
    case MP_GEN_JOIN:
        break;
    }
    join_tables(spec, tables);
    return MP_GEN_TABLES;
}
