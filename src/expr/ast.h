/* ast.h - the parsed expression: a tree of nodes in an arena, and the table of functions.
 * Invariant: no node is deeper than MP_EXPR_DEPTH, so walks may recurse; every node knows its own
 * text, for messages. */
#ifndef MP_EXPR_AST_H
#define MP_EXPR_AST_H

#include "expr/expr.h"

enum {
    MP_EXPR_NESTING = 200, /* levels of parentheses, calls and prefixes that the parser accepts */
    MP_EXPR_DEPTH = 1000,  /* height of the tree: a + b + c + ... grows it, too */
    MP_EXPR_ITEMS = 10000  /* arguments, items of a list */
};

typedef enum {
    MP_EX_LITERAL,
    MP_EX_COLUMN,
    /* arithmetic */
    MP_EX_NEG,
    MP_EX_ADD,
    MP_EX_SUB,
    MP_EX_MUL,
    MP_EX_DIV,
    MP_EX_MOD,
    MP_EX_ABS,
    MP_EX_ROUND,
    MP_EX_FLOOR,
    MP_EX_CEIL,
    MP_EX_SQRT,
    MP_EX_EXP,
    MP_EX_LOG,
    MP_EX_POW,
    /* comparison; the order of the first six is fixed (compare.h) */
    MP_EX_EQ,
    MP_EX_NE,
    MP_EX_LT,
    MP_EX_LE,
    MP_EX_GT,
    MP_EX_GE,
    MP_EX_BETWEEN, /* x, low, high */
    MP_EX_IN,      /* x, items */
    MP_EX_IS_NULL,
    MP_EX_REGEX,
    MP_EX_LIKE,
    /* logic */
    MP_EX_AND, /* two or more */
    MP_EX_OR,
    MP_EX_NOT,
    /* choice */
    MP_EX_IF,       /* condition, then, else */
    MP_EX_COALESCE, /* one or more */
    MP_EX_CASE,     /* condition, value, ..., else (a null literal when not written) */
    MP_EX_SWITCH,   /* operand, then as CASE with values in place of the conditions */
    /* text */
    MP_EX_LOWER,
    MP_EX_UPPER,
    MP_EX_TRIM,
    MP_EX_LENGTH,
    MP_EX_SUBSTR,
    MP_EX_CONCAT,
    MP_EX_REPLACE,
    /* dates */
    MP_EX_YEAR,
    MP_EX_MONTH,
    MP_EX_DAY,
    MP_EX_HOUR,
    /* casts */
    MP_EX_TO_DATE,
    MP_EX_TO_TIMESTAMP,
    MP_EX_TO_INT,
    MP_EX_TO_FLOAT,
    MP_EX_TO_DECIMAL,
    MP_EX_TO_STRING,
    MP_EX_AGG
} mp_ex_op;

/* The text an expression was parsed from. */
typedef struct {
    const char *option; /* "--where" */
    const char *text;
    uint32_t len;
} mp_ex_source;

struct mp_expr {
    mp_ex_op op;
    uint16_t height; /* 1 for a leaf */
    bool in_parens;
    const mp_ex_source *src;
    uint32_t begin, end; /* its own text, without parentheses around it */
    int32_t n_args;
    const mp_expr **args;
    /* MP_EX_COLUMN: the name; MP_EX_LITERAL of a text: the text; both end with a NUL. MP_EX_AGG:
     * the function as written, in small letters. */
    mp_str name;
    /* MP_EX_LITERAL: MP_NULL, MP_BOOL, MP_INT64, MP_DECIMAL, MP_FLOAT64 or MP_STRING */
    mp_type type;
    uint8_t scale;
    int64_t i64; /* bool, int64, mantissa */
    double f64;
    mp_agg_call agg; /* MP_EX_AGG; its args are args, too */
};

typedef struct {
    const char *name;
    mp_ex_op op;
    mp_agg_fn agg; /* MP_EX_AGG */
    int min_args, max_args;
} mp_ex_function;

extern const mp_ex_function mp_ex_functions[];
extern const int mp_ex_function_count;
/* NULL: no such function. In any case. */
const mp_ex_function *mp_ex_function_find(mp_str name);
/* As mp_str_nearest, among the functions; NULL: none is near. */
const char *mp_ex_function_nearest(const char *name);

/* A node with room for n_args arguments; NULL when the arena refuses. */
mp_expr *mp_expr_make(mp_arena *arena, const mp_ex_source *src, mp_ex_op op, int32_t n_args,
                      uint32_t begin, uint32_t end);
/* A copy of n bytes with a NUL behind; p NULL when the arena refuses. */
mp_str mp_ex_copy(mp_arena *arena, const char *p, size_t n);
/* What is sure about the type of an expression before any column's type is known. */
typedef enum {
    MP_KIND_ANY,
    MP_KIND_NULL,
    MP_KIND_BOOL,
    MP_KIND_NUMBER,
    MP_KIND_DATE,
    MP_KIND_TEXT
} mp_ex_kind;
mp_ex_kind mp_expr_kind(const mp_expr *e);

/* The expression's text for a message, shortened to fit; returns out. cap >= 16. */
const char *mp_expr_text(const mp_expr *e, char *out, size_t cap);

/* MP_USAGE: "<what> in --where: <why>", the text and a caret under byte pos in the hint. */
mp_status mp_ex_error_at(mp_error *err, const mp_ex_source *src, const char *what, uint32_t pos,
                         const char *why_fmt, ...) MP_PRINTF(5, 6);

/* MP_USAGE: "<what> in --where: <why>", without hint. */
mp_status mp_ex_error(mp_error *err, const mp_ex_source *src, const char *what, const char *why_fmt,
                      ...) MP_PRINTF(4, 5);

#endif
