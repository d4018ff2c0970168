/* query.h - a query as steps over the columns of the table: parsed once, bound to types once per
 * pass.
 *
 *   source columns ──where──► values (keys and aggregate arguments | outputs and sort keys)
 *   group results  ──having─► outputs, sort keys
 *
 * Names of later steps are replaced by their expressions when the query is parsed, so there are two
 * scopes only: source columns, and group results (keys "\x03K", aggregates "\x01N").
 * Invariant: a function of the options, the column names and the types: every rank makes the
 * same. */
#ifndef MP_PLAN_QUERY_H
#define MP_PLAN_QUERY_H

#include "op/group/group.h"
#include "op/rows/rows.h"
#include "plan/table.h"

typedef struct {
    const char *name;
    const mp_expr *expr; /* over source columns, or over group results */
} mp_query_item;

typedef struct {
    bool grouped;         /* --by, --agg or --distinct */
    const mp_expr *where; /* NULL: all rows */
    int n_keys;           /* grouped */
    mp_query_item *keys;  /* over source columns */
    int n_calls;
    mp_agg_call *calls;    /* arguments over source columns */
    const mp_expr *having; /* over group results */
    int n_outputs;
    mp_query_item *outputs; /* grouped: over group results, else over source columns */
    int n_sort;
    mp_query_item *sort;
    bool *descending; /* n_sort */
    int64_t offset_rows, limit_rows;
    bool typed_output; /* the output needs the type of every column (NDJSON) */
    bool all_columns;  /* whatever columns there are, they are in the answer */
} mp_query;

/* MP_USAGE: syntax, unknown columns, aggregates where none may stand. */
MP_MUST_CHECK mp_status mp_query_parse(const mp_spec *spec, const mp_table *t, bool typed_output,
                                       mp_arena *arena, mp_query *out, mp_error *err);

/* One column of what the scan gives: a source column as it is (text), or a program. */
typedef struct {
    int direct; /* place in the source batch; -1: prog */
    mp_prog *prog;
    mp_type type; /* MP_NULL for direct text whose type is not known */
    uint8_t ts_sep;
} mp_plan_value;

/* The query bound to types: what to read, what to compute. */
typedef struct {
    int n_wanted;
    /* c: column of the table (not of a file); n_columns of the table is the --filename column */
    mp_csv_column *wanted;
    mp_schema filter_schema; /* of the filter's batch */
    mp_prog *where;          /* NULL: none */
    mp_schema source_schema; /* of the batch behind the filter */
    int n_values;            /* grouped: keys, then arguments; else outputs, then sort keys */
    mp_plan_value *values;
    int n_aggs;
    mp_group_agg *aggs; /* arg: places among the values */
    bool typed;         /* something depends on types that the data may refute */
    bool lists_keys;    /* keys that are no columns are listed, and bad rows passed over */
    uint64_t signature; /* of all types that matter */
} mp_scan_plan;

/* seen: evidence of each column of the table (the sample's, or what a pass found). MP_USAGE: type
 * errors. Release with mp_scan_plan_release (programs hold memory of their own). */
MP_MUST_CHECK mp_status mp_query_bind(const mp_query *q, const mp_table *t, const mp_evidence *seen,
                                      mp_arena *arena, mp_scan_plan *out, mp_error *err);
/* The same without values: the columns that have a type, and the filter, for a pass that finds
 * types. at_filter: the filter's columns alone, of all rows. */
MP_MUST_CHECK mp_status mp_query_bind_types(const mp_query *q, const mp_table *t,
                                            const mp_evidence *seen, bool at_filter,
                                            mp_arena *arena, mp_scan_plan *out, mp_error *err);
void mp_scan_plan_release(mp_scan_plan *p);

/* What is done with group results. */
typedef struct {
    mp_schema base;  /* keys, aggregates */
    mp_prog *having; /* NULL: none */
    int n_values;    /* outputs, then sort keys */
    mp_plan_value *values;
} mp_result_plan;
MP_MUST_CHECK mp_status mp_query_bind_results(const mp_query *q, const mp_scan_plan *scan,
                                              const mp_type *key_types, const uint8_t *key_ts_sep,
                                              mp_arena *arena, mp_result_plan *out, mp_error *err);
void mp_result_plan_release(mp_result_plan *p);

#endif
