/* split_plan.h - what `mpart split` is to do: its options as plain values, and the columns to read for it.
 * Invariant: a function of the options, the table and the types: every rank makes the same. */
#ifndef MP_PLAN_SPLIT_PLAN_H
#define MP_PLAN_SPLIT_PLAN_H

#include "io/output/output.h"
#include "plan/query.h"

typedef enum { MP_SPLIT_BY, MP_SPLIT_RANGE, MP_SPLIT_ROWS, MP_SPLIT_EACH } mp_split_method;

enum { MP_SPLIT_PARTS = 64, MP_SPLIT_MOST_PARTS = 1000000 };

typedef struct {
    mp_split_method method;
    int n_keys; /* ROWS: 0; RANGE: 1 */
    const char **keys;
    int64_t n_parts; /* BY, RANGE */
    int64_t n_rows;  /* ROWS: of a shard */
    mp_text_format format;
    mp_packing packing; /* of text */
    const char *folder; /* the output */
    bool force;
    const char *run_dir; /* of the journal; NULL: FOLDER.mpart-run */
    bool resume, explain;
    const char *resume_command; /* what to type to go on */
} mp_split_spec;

/* "by", "range", "rows", "each": as in the manifest. */
const char *mp_split_method_name(mp_split_method m);

/* What a pass of a split reads. */
typedef enum {
    MP_SPLIT_READ_ALL,  /* rows to be written, keys, and the types of all columns */
    MP_SPLIT_READ_KEYS, /* the keys */
    MP_SPLIT_READ_NONE  /* only what says whether a row is a bad one: rows are counted */
} mp_split_read;

typedef struct {
    int n_out;          /* columns of the table (READ_ALL), in order */
    int *out_at;        /* place in the scan's batch of the column's value as it is written */
    const char **names; /* n_out */
    int n_keys;
    int *key_at;     /* place of the key, typed */
    int *key_column; /* of the table */
} mp_split_columns;

/* Read what for which types (seen, as in mp_query_bind). MP_USAGE: a key that is no column. */
MP_MUST_CHECK mp_status mp_split_bind(const mp_split_spec *s, const mp_table *t,
                                      const mp_evidence *seen, mp_split_read read, mp_arena *arena,
                                      mp_scan_plan *plan, mp_split_columns *cols, mp_error *err);

/* The type that column c of the table has by this evidence. */
mp_type mp_split_column_type(const mp_table *t, const mp_evidence *seen, int c);

#endif
