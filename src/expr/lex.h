/* lex.h - the words of an expression's text.
 * Invariant: a token lies within the text; every byte of the text is either blank or in exactly one
 * token. */
#ifndef MP_EXPR_LEX_H
#define MP_EXPR_LEX_H

#include "expr/ast.h"

typedef enum {
    MP_TOK_END,
    MP_TOK_NUMBER,
    MP_TOK_TEXT,   /* '...' or "..." */
    MP_TOK_NAME,   /* identifier that is no keyword */
    MP_TOK_QUOTED, /* `...`: a column, whatever it says */
    MP_TOK_LPAREN,
    MP_TOK_RPAREN,
    MP_TOK_COMMA,
    MP_TOK_PLUS,
    MP_TOK_MINUS,
    MP_TOK_STAR,
    MP_TOK_SLASH,
    MP_TOK_PERCENT,
    MP_TOK_TILDE,
    MP_TOK_EQ,
    MP_TOK_NE,
    MP_TOK_LT,
    MP_TOK_LE,
    MP_TOK_GT,
    MP_TOK_GE,
    /* keywords */
    MP_TOK_AND,
    MP_TOK_OR,
    MP_TOK_NOT,
    MP_TOK_IN,
    MP_TOK_BETWEEN,
    MP_TOK_IS,
    MP_TOK_LIKE,
    MP_TOK_NULL,
    MP_TOK_TRUE,
    MP_TOK_FALSE,
    MP_TOK_CASE,
    MP_TOK_WHEN,
    MP_TOK_THEN,
    MP_TOK_ELSE,
    MP_TOK_FINISH, /* the word "end" */
    MP_TOK_AS
} mp_token_kind;

typedef struct {
    mp_token_kind kind;
    uint32_t begin, end; /* bytes of the text */
    mp_str value; /* NAME, QUOTED, TEXT: without quotes, doubled ones made single; keywords: as
                     written */
} mp_token;

/* All tokens of src, the last one MP_TOK_END, in arena. MP_USAGE: a quote that is not closed, a
 * stray character. */
MP_MUST_CHECK mp_status mp_ex_lex(const mp_ex_source *src, mp_arena *arena, mp_token **out,
                                  mp_error *err);

#endif
