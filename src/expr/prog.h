/* prog.h - a bound expression: the tree again, each node with its type and the function that
 * computes it. Invariant: a node's value has exactly the node's type, or is a null constant;
 * constants stay one value until the end. Rows outside "active" are computed like the others, but
 * their errors do not count. */
#ifndef MP_EXPR_PROG_H
#define MP_EXPR_PROG_H

#include "data/decimal.h"
#include "expr/ast.h"

/* A column of the batch's length, or one value for all rows. */
typedef struct {
    mp_col c;
    bool is_const;
} mp_vec;

typedef struct mp_node mp_node;
typedef struct mp_eval mp_eval;
typedef struct mp_regex mp_regex;
typedef struct mp_like mp_like;
typedef struct mp_inset mp_inset;

/* active: n_rows bytes, 0 where an error does not count; NULL: all rows count. */
typedef mp_status (*mp_kernel)(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out);

struct mp_node {
    mp_kernel run;
    const mp_expr *e; /* for messages */
    mp_ex_op op;
    mp_type type;
    uint8_t scale; /* MP_DECIMAL: upper bound; MP_SCALE_MAX: not known before the data is seen */
    uint8_t ts_sep;
    bool can_fail; /* it or something below it has row errors */
    int32_t n_args;
    mp_node **args;
    int32_t col;  /* MP_EX_COLUMN */
    mp_vec value; /* MP_EX_LITERAL: points to cell */
    union {
        uint8_t b;
        int64_t i64;
        double f64;
        mp_str str;
    } cell;
    mp_regex *regex;
    mp_like *like;
    mp_inset *set; /* MP_EX_IN: the items, when all are literals and many */
};

struct mp_prog {
    mp_node *root;
    mp_regex *regexes; /* to be freed */
    int32_t n_cols;
    uint64_t signature;
};

struct mp_eval {
    const mp_batch *in;
    mp_arena *arena;
    int32_t n;
    int32_t bad_row;
    mp_error *err;
};

/* ---- for kernels (eval.c) ---- */

static inline mp_status mp_node_run(mp_eval *ev, const mp_node *nd, const uint8_t *active,
                                    mp_vec *out) {
    return nd->run(ev, nd, active, out);
}
static inline int64_t mp_vec_at(const mp_vec *v, int64_t i) {
    return v->is_const ? 0 : i;
}
static inline bool mp_vec_null(const mp_vec *v, int64_t i) {
    return v->c.valid && !v->c.valid[mp_vec_at(v, i)];
}
static inline bool mp_vec_all_null(const mp_vec *v) {
    return v->c.type == MP_NULL || (v->is_const && v->c.valid && !v->c.valid[0]);
}
/* n_bytes (64-byte aligned) from the arena; NULL: the error is set, return MP_NOMEM. */
void *mp_ev_alloc(mp_eval *ev, size_t n_bytes);
/* One null for all rows. */
mp_vec mp_vec_null_const(mp_type type);
/* Evaluates the first n_args arguments of nd (at most 3) into v. */
mp_status mp_ev_args(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *v);
/* Prepares the result of a strict function of n_args vectors: validity, n values of room. *n: 1 for
 * constants, 0 when the result is all null and done. */
mp_status mp_ev_result(mp_eval *ev, mp_type type, const mp_vec *v, int n_args, mp_vec *out,
                       void **data, int32_t *n);
/* The validity bytes of out as bytes to write to. */
uint8_t *mp_ev_own_valid(mp_eval *ev, mp_vec *out, int32_t n);
/* Does an error in row i of a vector count? Then *row is the row to blame. */
bool mp_ev_counts(const mp_eval *ev, const uint8_t *active, bool is_const, int32_t i, int32_t *row);
/* MP_DATA about row. mp_ev_overflow: "integer overflow in 'a + b'". */
mp_status mp_ev_fail(mp_eval *ev, int32_t row, const char *why_fmt, ...) MP_PRINTF(3, 4);
mp_status mp_ev_overflow(mp_eval *ev, const mp_node *nd, int32_t row);
/* v's mantissas at scale to (>= its own). */
mp_status mp_ev_rescale(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *v, int to);
/* Numbers as doubles. */
mp_status mp_ev_doubles(mp_eval *ev, mp_vec *v);
static inline int mp_vec_scale(const mp_vec *v) {
    return v->c.type == MP_DECIMAL ? v->c.scale : 0;
}
/* The scale at which values of decimal node nd are computed when its inputs have scale at_least:
 * the bound, so that overflow does not depend on which rows share a batch; where no bound is known,
 * what the batch needs. */
static inline int mp_node_scale(const mp_node *nd, int at_least) {
    if (nd->type != MP_DECIMAL) return at_least;
    return nd->scale == MP_SCALE_MAX || nd->scale < at_least ? at_least : nd->scale;
}

/* a <op> b for any types that bind.c lets meet; op MP_EX_EQ .. MP_EX_GE. */
mp_status mp_ev_compare(mp_eval *ev, mp_ex_op op, const mp_vec *a, const mp_vec *b, mp_vec *out);
mp_status mp_ev_and(mp_eval *ev, const mp_vec *a, const mp_vec *b, mp_vec *out);
mp_status mp_ev_or(mp_eval *ev, const mp_vec *a, const mp_vec *b, mp_vec *out);

/* ---- kernels ---- */

mp_status mp_run_literal(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_column(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_neg(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_add(mp_eval *, const mp_node *, const uint8_t *,
                     mp_vec *); /* + - of ints, decimals */
mp_status mp_run_mul(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_mod(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_div(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_float(mp_eval *, const mp_node *, const uint8_t *,
                       mp_vec *); /* + - * % of floats */
mp_status mp_run_abs(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_round(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_floor(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_math(mp_eval *, const mp_node *, const uint8_t *, mp_vec *); /* sqrt exp log pow */
mp_status mp_run_compare(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_between(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_in(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_is_null(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_logic(mp_eval *, const mp_node *, const uint8_t *, mp_vec *); /* and, or */
mp_status mp_run_not(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_choice(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_regex(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_like(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_map_text(mp_eval *, const mp_node *, const uint8_t *,
                          mp_vec *); /* lower upper trim */
mp_status mp_run_length(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_substr(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_concat(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_replace(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_date_part(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_date_shift(mp_eval *, const mp_node *, const uint8_t *, mp_vec *); /* date + n */
mp_status mp_run_date_diff(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_to_date(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_to_timestamp(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_to_int(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_to_float(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_to_decimal(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);
mp_status mp_run_to_string(mp_eval *, const mp_node *, const uint8_t *, mp_vec *);

/* ---- prepared at binding ---- */

/* Compiles the pattern and chains it to *list; NULL: the error is set. */
mp_regex *mp_regex_new(const mp_expr *pattern, mp_arena *arena, mp_regex **list, mp_error *err);
void mp_regex_free_all(mp_regex **list);
mp_like *mp_like_new(mp_str pattern, mp_arena *arena); /* NULL: the arena refused */
/* The literals args[1..n_args) as a set to look x up in; NULL: the arena refused. */
mp_inset *mp_inset_new(mp_node *const *args, int32_t n_args, mp_arena *arena);

#endif
