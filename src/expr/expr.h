/* expr.h - expressions: parse, resolve names, check types, evaluate on batches.
 * Invariant: a parsed expression is plain data in an arena and never changes; binding makes a
 * program from it for one set of column types, so a plan whose types are amended is simply bound
 * again. Evaluation is column by column, row errors (overflow) name the row. */
#ifndef MP_EXPR_EXPR_H
#define MP_EXPR_EXPR_H

#include "base/mem.h"
#include "data/batch.h"

typedef struct mp_expr mp_expr;

/* One item of a list: "expr as name", "expr", "*" (star), for sort keys "-expr" (descending). */
typedef struct {
    const mp_expr *expr; /* NULL: star */
    const char *name;    /* as given; else NULL */
    const char *text;    /* the item's own text, trimmed, without "as name" */
    bool descending;     /* sort keys only */
} mp_expr_item;

typedef enum {
    MP_LIST_SELECT, /* star and "as" allowed, no aggregates */
    MP_LIST_KEYS,   /* --by: "as" allowed, no aggregates */
    MP_LIST_AGG,    /* aggregates allowed */
    MP_LIST_SORT    /* leading minus is descending; aggregates allowed */
} mp_list_kind;

/* Parse. option ("--where") is for messages. A syntax error is MP_USAGE: what is wrong, the text
 * and a caret under the place in the hint. All results live in arena. */
MP_MUST_CHECK mp_status mp_expr_parse(const char *option, const char *text, bool aggregates,
                                      mp_arena *arena, const mp_expr **out, mp_error *err);
MP_MUST_CHECK mp_status mp_expr_parse_list(const char *option, const char *text, mp_list_kind kind,
                                           mp_arena *arena, mp_expr_item **items, int *n,
                                           mp_error *err);

/* The plain column this expression is, NULL when it is anything else. */
const char *mp_expr_column_name(const mp_expr *e);
/* The same tree, wherever it was written. */
bool mp_expr_equal(const mp_expr *a, const mp_expr *b);
/* Calls fn for every column reference; number_needed: the place asks for a number (arithmetic,
 * numeric functions, comparison with a number literal), so text in the column is bad data; typed:
 * the place looks at the value's type (false: any text will do, as in `name like 'a%'`, lower(), is
 * null). root_number / root_typed: what the user of the whole expression asks for. */
typedef void (*mp_column_fn)(void *ctx, const char *name, bool number_needed, bool typed);
void mp_expr_columns(const mp_expr *e, bool root_number, bool root_typed, mp_column_fn fn,
                     void *ctx);

/* ---- aggregates inside expressions ---- */

typedef enum {
    MP_AGG_COUNT,        /* count(), count(*): rows */
    MP_AGG_COUNT_VALUES, /* count(x) */
    MP_AGG_COUNT_DISTINCT,
    MP_AGG_SUM,
    MP_AGG_MEAN,
    MP_AGG_MIN,
    MP_AGG_MAX,
    MP_AGG_VAR,
    MP_AGG_STD,
    MP_AGG_QUANTILE, /* median is quantile 0.5 */
    MP_AGG_FIRST,
    MP_AGG_LAST,
    MP_AGG_TOP, /* k values, descending */
    MP_AGG_BOTTOM,
    MP_AGG_CORR
} mp_agg_fn;

typedef struct {
    mp_agg_fn fn;
    const mp_expr *arg[2]; /* NULL: none */
    double q;              /* QUANTILE, 0..1 */
    int k;                 /* TOP, BOTTOM: 1..10000 */
    bool is_median;        /* written as median: named median_x */
} mp_agg_call;

/* Replaces every aggregate call of e by a reference to the column "\x01N", N its place in calls
 * (equal calls share one; top and bottom may only stand alone, as the whole item). calls has room
 * for cap and *n_calls of them are taken already. MP_USAGE when an aggregate stands inside another.
 * Plain columns stay: mp_expr_check_keys. */
MP_MUST_CHECK mp_status mp_expr_extract_aggs(const mp_expr *e, mp_arena *arena, mp_agg_call *calls,
                                             int *n_calls, int cap, const mp_expr **out,
                                             mp_error *err);
/* MP_USAGE when a column of e, whose aggregates have been extracted, is neither "\x01N" nor one of
 * the keys. */
MP_MUST_CHECK mp_status mp_expr_check_keys(const mp_expr *e, const char *const *keys, int n_keys,
                                           mp_error *err);
/* The name of an unnamed item that is one plain aggregate of one plain column ("sum_amount",
 * "count", "quantile_v_0.9"); NULL: the item's text is its name. The function as it was written
 * ("avg_price"); of top(v,2) "top_v", to which the caller adds "_1", "_2". */
const char *mp_expr_agg_name(const mp_expr *e, mp_arena *arena);

/* ---- binding and evaluation ---- */

/* What the language does where cli.md leaves it free:
 * - int64 with decimal is decimal, with float64 float64; bool counts as 0 and 1 beside numbers. 7/2
 * is 3.5, exact values divided and rounded once. % has the sign of the dividend. log, sqrt, pow
 * outside their domain: null.
 * - floor, ceil, round(x) of a decimal are int64, round(x, n) is decimal; of a float64 they are
 * float64. Half rounds away from zero, by the exact value (round(2.675, 2) is 2.68 as a
 * decimal, 2.67 as a float64).
 * - Decimals are computed at their column's scale bound, so that overflow does not depend on the
 * batch; decimal() of texts and floats has no bound (18) and takes the scale that the batch needs.
 * - date - date is days, timestamp - timestamp seconds (decimal, 6 digits); date + days, timestamp
 * + seconds. Beyond the years 1 to 9999: bad data. A timestamp beside a date: the date is its
 * midnight.
 * - int() cuts the fraction off. int, float, decimal, date, timestamp of a text that is none, or
 * does not fit: bad data. They take a plus and leading zeros.
 * - A number beside a text literal in a comparison is compared as its canonical text. Text
 * functions take the canonical text of any type. length, substr, _ count UTF-8 characters; substr
 * as in standard SQL (a start below 1 counts); lower and upper change ASCII letters; trim drops
 * ASCII white space. concat with a null is null.
 * - and, or, if, case, coalesce decide from the left: a row that is decided has no errors further
 * right.
 * - ~ wants a literal pattern (PCRE2, UTF-8, no bytes outside ASCII are word characters). */

typedef struct mp_prog mp_prog;

/* Resolve names in schema and check types. MP_USAGE: unknown column (hint: the nearest, or the
 * list), unknown function, wrong types. The result type is *type (scale: an upper bound, of
 * MP_DECIMAL). A column of type MP_NULL fits everywhere. */
MP_MUST_CHECK mp_status mp_prog_new(const mp_expr *e, const mp_schema *schema, mp_arena *arena,
                                    mp_prog **out, mp_error *err);
void mp_prog_free(mp_prog **p);
mp_type mp_prog_type(const mp_prog *p);
uint8_t mp_prog_ts_sep(const mp_prog *p);
uint8_t mp_prog_scale(const mp_prog *p); /* MP_DECIMAL: upper bound, for mp_field */
/* MP_USAGE where the result is neither bool nor null ("'5' is a number, not a condition"). */
MP_MUST_CHECK mp_status mp_prog_need_bool(const mp_prog *p, mp_error *err);
/* Folds the types of all nodes: equal signatures mean equal programs for equal expressions. */
uint64_t mp_prog_signature(const mp_prog *p);

/* Evaluate on in (whose columns are those of schema, in order). *out lives in arena or in the
 * batch, n_rows values. *bad_row: the first row that failed (overflow: MP_DATA with why and hint,
 * no place; the caller adds it). Cost: one pass per node. */
MP_MUST_CHECK mp_status mp_prog_eval(mp_prog *p, const mp_batch *in, mp_arena *arena, mp_col *out,
                                     int32_t *bad_row, mp_error *err);
/* Rows where a boolean program is true, ascending; sel has room for n_rows. */
MP_MUST_CHECK mp_status mp_prog_select(mp_prog *p, const mp_batch *in, mp_arena *arena,
                                       uint32_t *sel, int32_t *n_sel, int32_t *bad_row,
                                       mp_error *err);

#endif
