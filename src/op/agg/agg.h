/* agg.h - the state of one aggregate over all groups of a table: how rows, records of other
 * ranks and results meet it. A state is a fixed number of bytes in the group's row (behind the
 * key and the row count) and, for some aggregates, more beside the table. Invariant: states
 * merge in any order and any cutting to the same result, bit for bit. */
#ifndef MP_OP_AGG_H
#define MP_OP_AGG_H

#include "base/buf.h"
#include "data/decimal.h"
#include "data/wide.h"
#include "op/group/group.h"
#include "op/group/group_table.h"

typedef struct mp_agg mp_agg;

/* A result column of n groups, made by the caller. Decimals come with a scale each, trailing
 * zeros stripped. */
typedef struct {
    mp_type type;
    uint8_t ts_sep;
    uint8_t *valid;
    uint8_t *scale; /* decimals only */
    union {
        void *p;
        uint8_t *b;
        int64_t *i64;
        double *f64;
        mp_str *str;
    };
} mp_agg_column;

typedef struct {
    /* The state of a group without rows; NULL: zero bytes. */
    void (*blank)(const mp_agg *a, uint8_t *state);
    /* Row i of the batch belongs to group[i]; the groups exist and their row counts are up to
     * date. */
    mp_status (*update)(mp_agg *a, const uint32_t *group, const mp_batch *in, mp_error *err);
    /* NULL put and absorb: no fixed part.
     * The fixed part of the records of groups first .. first + n, out_stride bytes apart. */
    void (*put)(const mp_agg *a, uint32_t first, int32_t n, uint8_t *out, size_t out_stride);
    /* Merge the fixed parts at in[i] + wire_at into group[i]. Hostile bytes: MP_FAILED or
     * harmless. */
    mp_status (*absorb)(mp_agg *a, const uint32_t *group, const uint8_t *const *in, int32_t n,
                        mp_error *err);
    /* Append what does not fit the fixed part (nothing: none); *cursor starts at 0; true: call
     * again for a further record. */
    bool (*put_more)(mp_agg *a, uint32_t group, uint64_t *cursor, mp_buf *out);
    mp_status (*absorb_more)(mp_agg *a, uint32_t group, mp_rd *in, mp_error *err);
    /* Before put_more (emit) or result are called for all groups; NULL: nothing to do. */
    mp_status (*settle)(mp_agg *a, bool emit, mp_error *err);
    /* Bytes of values beside the table, which grow with every row until they are emitted; NULL: none. */
    size_t (*held)(const mp_agg *a);
    /* as: what is asked for; the aggregate's own spec, or one that shares its state. */
    mp_status (*result)(mp_agg *a, const mp_group_agg *as, const uint32_t *group, int32_t n,
                        mp_arena *arena, mp_agg_column *out, mp_error *err);
    void (*clear)(mp_agg *a);   /* the table was emptied; NULL: nothing beside the table */
    void (*release)(mp_agg *a); /* before it is freed; NULL: as clear */
} mp_agg_ops;

struct mp_agg {
    const mp_agg_ops *ops;
    mp_group_agg spec;
    const mp_table *table;
    mp_mem *mem;
    int window_exp;
    size_t state_bytes, at;     /* in a row; multiple of 8 */
    size_t wire_bytes, wire_at; /* in a record */
    bool has_more;              /* put_more may have something */
};

/* MP_USAGE where the function does not take the type, or its number is none that it may have. */
MP_MUST_CHECK mp_status mp_agg_check(const mp_group_agg *spec, mp_error *err);
/* Can the state of one of the two, which were checked, give the result of the other? */
bool mp_agg_same_state(const mp_group_agg *a, const mp_group_agg *b);
/* A new aggregate, whose spec was checked, with everything set but at and wire_at, which are the caller's to
 * choose. Freed with mp_agg_free. */
MP_MUST_CHECK mp_status mp_agg_new(const mp_group_agg *spec, int window_exp, const mp_table *table,
                                   mp_mem *mem, mp_agg **out, mp_error *err);
void mp_agg_free(mp_agg **a);

/* One maker per family. size: bytes of the struct that starts with an mp_agg. */
MP_MUST_CHECK mp_status mp_agg_alloc(size_t size, const mp_agg_ops *ops, mp_mem *mem, mp_agg **out,
                                     mp_error *err);
mp_status mp_agg_count_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err);
mp_status mp_agg_null_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err);
mp_status mp_agg_sum_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err);
mp_status mp_agg_fsum_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err);
mp_status mp_agg_moments_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err);
mp_status mp_agg_quantile_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err);
mp_status mp_agg_distinct_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err);
mp_status mp_agg_pick_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err);
mp_status mp_agg_top_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err);
mp_status mp_agg_minmax_new(const mp_group_agg *spec, mp_mem *mem, mp_agg **out, mp_error *err);

/* The most bytes that n aggregates of a table should hold together, whatever its groups are. */
size_t mp_agg_held_most(const mp_mem *mem, int n);

/* ---- shared by the families ---- */

typedef mp_i128 mp_i128_8 __attribute__((aligned(8))); /* an mp_i128 inside a row */
enum { MP_ROW_COUNT_AT = sizeof(mp_key) };             /* uint64_t rows of the group */

static inline uint64_t mp_row_count(const uint8_t *row) {
    uint64_t n;
    memcpy(&n, row + MP_ROW_COUNT_AT, sizeof n);
    return n;
}
static inline uint8_t *mp_agg_state(const mp_agg *a, uint32_t group) {
    return mp_table_row(a->table, group) + a->at;
}
/* Values of a group, given its nulls; 0 for nonsense from a hostile record. */
static inline int64_t mp_agg_n(const mp_agg *a, uint32_t group, uint64_t nulls) {
    uint64_t n = mp_row_count(mp_table_row(a->table, group));
    return nulls < n && n <= INT64_MAX ? (int64_t)(n - nulls) : 0;
}
/* A put for a state that is its own wire form. */
void mp_agg_put_state(const mp_agg *a, uint32_t first, int32_t n, uint8_t *out, size_t out_stride);
/* The row counts' partner: adds the nulls of col to the counter at offset at of every state. */
void mp_agg_count_nulls(const mp_agg *a, size_t at, const uint32_t *group, const uint8_t *valid,
                        int32_t n);
/* At least the absolute value of each of v, at most twice the largest (and 1). */
double mp_agg_largest(const int64_t *v, int32_t n);
/* m * 10^-scale as a stripped decimal; false: does not fit in int64. */
bool mp_agg_decimal(mp_i128 m, int scale, int64_t *mantissa, uint8_t *out_scale);
/* MP_DATA: "sum of 'x' is outside int64". */
mp_status mp_agg_overflow(const mp_agg *a, mp_error *err);
/* MP_FAILED: a record that no rank could have sent. */
mp_status mp_agg_damaged(mp_error *err);
/* Most nulls or rows in one record; more is nonsense. */
static const uint64_t MP_AGG_COUNT_MAX = UINT64_C(1) << 48;

/* Bool, int64, date, timestamp and float64 values as int64 with the same order (NaN last, -0 as
 * 0), and back. */
static inline int64_t mp_order_of_double(double v) {
    int64_t b;
    v += 0.0;
    memcpy(&b, &v, sizeof b);
    return v != v ? INT64_MAX : b ^ (int64_t)((uint64_t)(b >> 63) >> 1);
}
static inline double mp_double_of_order(int64_t o) {
    double v;
    int64_t b = o ^ (int64_t)((uint64_t)(o >> 63) >> 1);
    memcpy(&v, &b, sizeof v);
    return v;
}
void mp_agg_orders(const mp_col *col, int32_t n, int64_t *out);
void mp_agg_put_order(mp_agg_column *out, int32_t i, int64_t order);

/* A text that a group keeps; all zero: none yet. */
typedef struct {
    char *p; /* in an arena of the aggregate; NULL: none yet */
    uint32_t len, cap;
} mp_agg_text;

/* Copies v in place of what was kept. */
MP_MUST_CHECK mp_status mp_agg_text_keep(mp_agg *a, mp_arena *arena, mp_agg_text *t, mp_str v,
                                         mp_error *err);
/* Result i: the text itself, which stays where it is; null where there is none. */
void mp_agg_text_put(const mp_agg_text *t, mp_agg_column *out, int32_t i);

#endif
