/* group.h - group by: rows to groups, partial groups to their owners, groups to results. Keys
 * are held as text (a computed key as the canonical text of its value), so a key's type redoes
 * nothing: it follows from the distinct texts at the end. The state of every aggregate is exact
 * and merges in any order to the same bits. Invariant: the hash of a group is mp_hash_bytes of
 * its encoded key, and its owner follows from it (group_slab.h). */
#ifndef MP_OP_GROUP_H
#define MP_OP_GROUP_H

#include "base/buf.h"
#include "data/batch.h"
#include "expr/expr.h"

typedef struct mp_group mp_group;

typedef struct {
    mp_agg_fn fn;
    int arg[2];      /* column of the input batch, -1: none */
    mp_type type[2]; /* of that column; MP_NULL: nothing but nulls */
    uint8_t ts_sep;
    double q;
    int k;
    const char *name; /* for messages (overflow of the sum ...) */
} mp_group_agg;

typedef struct {
    int n_keys;        /* 0: one group, which exists even without rows ... */
    bool starts_empty; /* ... but not in a table that only absorbs: one rank alone gets the group */
    const int *key;    /* columns of the input batch: MP_STRING texts, or typed (computed keys) */
    /* of computed keys their type; MP_NULL: text whose type is to be found; NULL: all of them */
    const mp_type *key_type;
    int n_aggs;
    const mp_group_agg *aggs;
    int n_owners;       /* ranks */
    double expect_rows; /* that this table may be given, 0: unknown */
    /* exponent of the least bit of the float sums' window, the same on every rank */
    int window_exp;
    mp_mem *mem; /* what is kept is counted here; a refusal is MP_NOMEM with the budget */
} mp_group_args;

MP_MUST_CHECK mp_status mp_group_new(const mp_group_args *args, mp_group **out, mp_error *err);
void mp_group_free(mp_group **g);

/* Rows into groups. Errors that belong to a row (none today) would name it; overflow is only
 * looked at in the result. */
MP_MUST_CHECK mp_status mp_group_add(mp_group *g, const mp_batch *in, mp_error *err);
int64_t mp_group_count(const mp_group *g);
/* True when this table has to be emitted before more rows come (pre-aggregation before an
 * exchange): it is as large as it may be, or it has been found not to reduce and has left the
 * cache, or rows go straight to their owners for a while since nearly all of them have new keys. */
bool mp_group_should_flush(mp_group *g);

/* Hand out groups as records, whole ones of one owner at a time, n bytes together (a few kB, or one
 * record): at most max_groups per call, until *done; then the table is empty again. */
typedef mp_status (*mp_group_put_fn)(void *ctx, int owner, const void *records, size_t n,
                                     mp_error *err);
MP_MUST_CHECK mp_status mp_group_emit(mp_group *g, mp_group_put_fn put, void *ctx,
                                      int64_t max_groups, bool *done, mp_error *err);
/* Evidence of the key texts that were emitted, added to seen[n_keys]; odd[c] is set where one of
 * them was not the canonical spelling of its value. Tables that absorb (starts_empty) do not look. */
void mp_group_emitted_evidence(const mp_group *g, mp_evidence *seen, bool *odd);
/* Merge a block of such records (whole ones). Bytes from another rank: checked, MP_FAILED when
 * malformed. */
MP_MUST_CHECK mp_status mp_group_absorb(mp_group *g, const uint8_t *bytes, size_t len,
                                        mp_error *err);

/* Evidence of the key texts of this rank's groups, added to seen[n_keys]; computed keys
 * (key_type not MP_NULL) are left alone. A column that is a string for certain is not looked at
 * any further. */
void mp_group_key_evidence(mp_group *g, mp_evidence *seen);
/* False when some text is not the canonical spelling of its value under types[n_keys] (under
 * MP_DECIMAL that of `5` is `5.0`). types may be NULL: true. Computed keys always are canonical. */
bool mp_group_keys_canonical(mp_group *g, const mp_type *types);
/* Rewrite keys to the canonical text of their value under types; the groups may then have to
 * move to other owners and be merged: the caller emits them into a fresh table. */
MP_MUST_CHECK mp_status mp_group_canonicalize(mp_group *g, const mp_type *types, mp_error *err);

/* Results. Order: MP_GROUP_BY_HASH ascending (hash, key), of this rank's groups. prepare once,
 * then batches until 0 rows. Columns: keys converted to key_types (MP_STRING: the text), then
 * the aggregates (TOP and BOTTOM give k columns each). Result types: mp_group_result_type.
 * MP_DATA on overflow of a final result, hint float(x). */
typedef enum { MP_GROUP_ANY_ORDER, MP_GROUP_BY_HASH } mp_group_order;
MP_MUST_CHECK mp_status mp_group_prepare(mp_group *g, mp_group_order order,
                                         const mp_type *key_types, mp_error *err);
MP_MUST_CHECK mp_status mp_group_next(mp_group *g, mp_arena *arena, mp_batch *out, mp_error *err);
/* Results by hash are of this slab alone (group_slab.h) until the next call; slabs ascend from 0. Returns
 * how many groups it has. */
int64_t mp_group_enter(mp_group *g, uint32_t slab);
/* Type of the result of one aggregate, given its spec. */
mp_type mp_group_result_type(const mp_group_agg *a);
/* 1, or k. */
int mp_group_result_columns(const mp_group_agg *a);

#endif
