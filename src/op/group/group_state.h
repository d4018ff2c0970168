/* group_state.h - what the files of group by share: the table, its aggregates and the scratch of
 * one batch. A row of the table: mp_key, uint64_t rows of the group, the states of the
 * aggregates. */
#ifndef MP_OP_GROUP_STATE_H
#define MP_OP_GROUP_STATE_H

#include "op/agg/agg.h"
#include "op/group/group.h"
#include "op/group/group_bypass.h"
#include "op/group/group_dense.h"
#include "op/group/group_order.h"
#include "op/group/group_place.h"
#include "op/group/group_record.h"
#include "op/group/group_slab.h"

struct mp_group {
    mp_mem *mem;
    int n_keys, n_aggs, n_results, n_owners;
    int slab_bits;
    int *key;             /* n_keys */
    mp_type *key_type;    /* n_keys */
    mp_agg **agg;         /* n_aggs: the states */
    mp_group_agg *result; /* n_results, as they were asked for */
    int *result_agg;      /* of each, the place of its state */
    mp_simd simd;
    mp_table table;
    mp_dense dense;
    mp_record_form form;
    uint8_t *blank_wire; /* form.fixed_bytes: of a group without rows */
    bool lone;           /* no keys, and the one group is to be made when missing */
    /* one batch; MP_BATCH_ROWS each */
    mp_key *batch_key;
    uint64_t *batch_hash;
    uint32_t *batch_group;
    const uint8_t **batch_record;
    uint8_t *batch_fixed; /* form.fixed_bytes each: of packed records, plain; NULL: none were met */
    mp_arena scratch;
    int64_t rows; /* since the table was empty */
    int64_t all_rows;
    int64_t recent_rows, recent_new; /* of the table, the latest MP_RECENT_ROWS or fewer */
    double expect_rows;
    bool scattered; /* a large table would not reduce: keep to the cache */
    /* Rows to come that are not looked up, as nearly all before them were new: each is a row of the
     * table for the time of its batch, in the batch's order, and its key stays in scratch. */
    int64_t direct_rows;
    bool is_direct; /* the table holds such rows */
    /* the table is to be emitted, and its next rows lie by place (group_place.h) */
    bool place_next;
    mp_key_sample sample;
    bool keys_came_back; /* behind direct rows */
    /* emission */
    uint32_t emitted;
    bool emitting;
    mp_evidence *seen;       /* of the key texts that were emitted, n_keys */
    bool *odd;               /* some text of the key was not canonical */
    bool is_open;            /* a further key may add to what was seen */
    uint8_t *block;          /* fixed parts of EMIT_BLOCK groups */
    uint8_t *waiting;        /* a block of records for each owner */
    uint32_t *waiting_bytes; /* n_owners */
    mp_buf record;
    uint64_t *cursor; /* n_aggs */
    /* results */
    mp_hashed *order; /* of group numbers; NULL: by number */
    mp_type *result_key_type;
    int64_t next, end;
    mp_agg_column *column; /* of one batch of results */
    int n_columns;
};

enum { MP_EMIT_BLOCK = 256, MP_RECENT_ROWS = 1 << 17 };

/* The records that begin at *at, up to a batch of them, with their keys and hashes, into the
 * batch arrays; their number, -1: malformed. Inside the keys only whoever walks them looks. */
int32_t mp_group_parse(mp_group *g, const uint8_t *bytes, size_t len, size_t *at);

/* The groups of records in the order of (hash, key), the items, into the table in place of what it
 * has: as many as are a batch of results. Keys stay in the records. *used: records that are in. */
MP_MUST_CHECK mp_status mp_group_take(mp_group *g, const mp_hashed *record, int64_t n,
                                      int64_t *used, mp_error *err);

/* The evidence of one key's texts added to seen[n_keys]; false: no further text can add to it.
 * odd[c], unless NULL, is set where a text is not the canonical spelling of its value. */
bool mp_group_see_key(const mp_group *g, const mp_key *key, mp_evidence *seen, bool *odd);
/* The same of n texts of key c. */
void mp_group_see_texts(mp_group *g, int c, const mp_str *text, const uint8_t *valid, int32_t n);
/* Are all texts of the key the canonical spellings of their values under types? */
bool mp_group_key_is_canonical(const mp_group *g, const mp_key *key, const mp_type *types);
/* Can any key have another spelling under types (NULL: no)? */
bool mp_group_may_respell(const mp_group *g, const mp_type *types);

/* The table is empty again, also of what aggregates keep beside it. */
void mp_group_clear(mp_group *g);
/* Makes the one group of a query without keys, where it has to exist. */
MP_MUST_CHECK mp_status mp_group_lone(mp_group *g, mp_error *err);
/* Aggregates ready for put_more and result. */
MP_MUST_CHECK mp_status mp_group_settle(mp_group *g, bool emit, mp_error *err);

/* Texts of a column: strings as they are, other types as canonical text in arena. *valid: NULL
 * or n bytes. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_group_texts(const mp_col *c, int32_t n, mp_arena *arena,
                                       const mp_str **text, const uint8_t **valid, mp_error *err);
/* The text of v as a value of type t, canonical; at most MP_GROUP_TEXT_MAX bytes into out. */
enum { MP_GROUP_TEXT_MAX = 64 };
size_t mp_group_print(mp_type t, int64_t i, double f, int scale, uint8_t ts_sep, char *out);

#endif
