/* parser.h - what the parser of one expression and the parser of lists share.
 * Invariant: after the first error status holds it, and every parse function returns NULL at once.
 */
#ifndef MP_EXPR_PARSER_H
#define MP_EXPR_PARSER_H

#include "expr/lex.h"

typedef struct {
    const mp_ex_source *src;
    mp_arena *arena;
    const mp_token *tok; /* ends with MP_TOK_END, which is never stepped over */
    uint32_t i;
    int nesting;    /* levels we are inside */
    int case_depth; /* cases that wait for their "end" */
    bool aggregates;
    mp_status status;
    mp_error *err;
} mp_parser;

/* Copies text into arena and cuts it into tokens. */
MP_MUST_CHECK mp_status mp_parser_init(mp_parser *p, const char *option, const char *text,
                                       bool aggregates, mp_arena *arena, mp_error *err);
/* An expression from the current token on; NULL: error. */
const mp_expr *mp_parser_expr(mp_parser *p);

static inline const mp_token *mp_parser_token(const mp_parser *p) {
    return &p->tok[p->i];
}
static inline mp_token_kind mp_parser_kind(const mp_parser *p) {
    return p->tok[p->i].kind;
}
/* Steps over the token when it is of this kind. */
bool mp_parser_accept(mp_parser *p, mp_token_kind kind);
/* "expected <what> but found ..." at the current token. */
void mp_parser_expected(mp_parser *p, const char *what);
bool mp_parser_expect(mp_parser *p, mp_token_kind kind, const char *what);
void mp_parser_nomem(mp_parser *p, size_t n_bytes);

/* A growing array of nodes. */
typedef struct {
    const mp_expr **p;
    int32_t n, cap;
} mp_expr_array;
bool mp_parser_push(mp_parser *p, mp_expr_array *a, const mp_expr *e);

#endif
