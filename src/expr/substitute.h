/* substitute.h - names of one step of a query in terms of the step before. */
#ifndef MP_EXPR_SUBSTITUTE_H
#define MP_EXPR_SUBSTITUTE_H

#include "expr/expr.h"

typedef struct {
    const char *name;
    const mp_expr *expr;
} mp_expr_name;

/* e with each column reference that is one of the n names replaced by its expression. strict: any
 * other name but an aggregate's (mp_expr_extract_aggs) is MP_USAGE (unknown column), else it stays.
 * The result shares what did not change; arena owns the rest. */
MP_MUST_CHECK mp_status mp_expr_substitute(const mp_expr *e, const mp_expr_name *names, int n,
                                           bool strict, mp_arena *arena, const mp_expr **out,
                                           mp_error *err);
/* MP_USAGE, with the nearest name in the hint, when a column of e is none of the n names. */
MP_MUST_CHECK mp_status mp_expr_check_names(const mp_expr *e, const char *const *names, int n,
                                            mp_error *err);
/* A reference to the column called name (which must live as long as the arena). */
MP_MUST_CHECK mp_status mp_expr_column(const char *name, mp_arena *arena, const mp_expr **out,
                                       mp_error *err);

#endif
