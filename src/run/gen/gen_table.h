/* gen_table.h - the tables of `mpart gen`: row i of a table as text, from nothing but the seed and
 * i.
 * Invariant: a random number is a function of (seed, table, column, row); no generator has a
 * state that moves on. */
#ifndef MP_RUN_GEN_TABLE_H
#define MP_RUN_GEN_TABLE_H

#include "run/gen/gen.h"

/* A permutation of 0 .. n-1, computed for any place alone: a Feistel network over the next power of
 * two, applied again while it leads outside n (Black and Rogaway, "Ciphers with arbitrary finite
 * domains", 2002). */
typedef struct {
    uint64_t n;
    int low_bits, high_bits;
    uint64_t keys[4];
} mp_gen_permutation;

void mp_gen_permutation_init(mp_gen_permutation *p, uint64_t n, uint64_t key);
uint64_t mp_gen_permute(const mp_gen_permutation *p, uint64_t i);

/* Key columns of the join tables: n keys a side out of 1 .. n + n/10; n - n/10 of them stand on
 * both sides. */
typedef struct {
    uint64_t n, n_common;
    mp_gen_permutation values; /* place of a key -> its number */
} mp_gen_keys;

enum { MP_GEN_COLUMNS = 12, MP_GEN_TABLES = 4, MP_GEN_ROW_MAX = 512 };

typedef struct mp_gen_table mp_gen_table;
struct mp_gen_table {
    const char *file; /* name in the folder; NULL: the output itself */
    const char *header;
    const char *types; /* a letter a column: i f d b s; NULL: written as CSV alone */
    uint64_t n_rows;
    /* Writes row i and its newline at out (MP_GEN_ROW_MAX bytes of room); returns the end. */
    char *(*row)(const mp_gen_table *t, uint64_t i, char *out);
    uint64_t columns[MP_GEN_COLUMNS]; /* the key of each column's random numbers */
    uint64_t k, n_per_k;              /* groupby */
    bool is_right;                    /* join: which side's keys */
    mp_gen_keys keys[3];              /* join: id1, id2, id3 */
    mp_gen_permutation order;         /* join: which row has which of the keys that stand once */
};

/* Fills tables (MP_GEN_TABLES), returns how many. */
int mp_gen_tables(const mp_gen_spec *spec, mp_gen_table *tables);
char *mp_gen_orders_row(const mp_gen_table *t, uint64_t i, char *out);

/* splitmix64's finisher (Steele, Lea, Flood 2014). */
static inline uint64_t mp_gen_mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}
static inline uint64_t mp_gen_random(const mp_gen_table *t, int column, uint64_t row) {
    return mp_gen_mix(t->columns[column] + (row + 1) * 0x9E3779B97F4A7C15u);
}
/* 0 .. n-1; n > 0. */
static inline uint64_t mp_gen_below(const mp_gen_table *t, int column, uint64_t row, uint64_t n) {
    return (uint64_t)(((unsigned __int128)mp_gen_random(t, column, row) * n) >> 64);
}

/* Text; each returns the end. width: zeros in front. */
char *mp_gen_uint(char *out, uint64_t v);
char *mp_gen_padded(char *out, uint64_t v, int width);
/* Millionths, the shortest text as R's fwrite gives it: 12.5, 0.001, 1e-04, 7.5e-05. */
char *mp_gen_millionths(char *out, uint64_t v);

#endif
