/* bind.h - what the files that give nodes their types share.
 * Invariant: after the first error status holds it, and every function returns NULL or false at
 * once. */
#ifndef MP_EXPR_BIND_H
#define MP_EXPR_BIND_H

#include "expr/prog.h"

typedef struct {
    const mp_schema *schema;
    mp_arena *arena;
    mp_prog *prog;
    mp_status status;
    mp_error *err;
} mp_binder;

mp_node *mp_bind_expr(mp_binder *b, const mp_expr *e);
/* nd, whose arguments are bound, gets its type and kernel. false: error. */
bool mp_bind_op(mp_binder *b, mp_node *nd);
bool mp_bind_arithmetic(mp_binder *b, mp_node *nd);
bool mp_bind_nomem(mp_binder *b, size_t n_bytes); /* false */
/* Room in the arena; NULL: error. */
void *mp_bind_alloc(mp_binder *b, size_t n_bytes);

/* Conversions: *p is replaced by a node that converts where that is needed; false: MP_USAGE, "'x'
 * is text, not a number". */
bool mp_bind_number(mp_binder *b, mp_node **p); /* bool counts as 0 and 1 */
bool mp_bind_whole(mp_binder *b, mp_node **p);  /* int64 */
bool mp_bind_float(mp_binder *b, mp_node **p);
bool mp_bind_bool(mp_binder *b, mp_node **p);
bool mp_bind_text(mp_binder *b, mp_node **p); /* canonical text of anything */
bool mp_bind_date(mp_binder *b, mp_node **p); /* date or timestamp; text literals are read */
/* The n nodes *p[i] become comparable; branches: one type for all of them. */
bool mp_bind_alike(mp_binder *b, mp_node **const *p, int32_t n, bool branches);
bool mp_bind_type_error(mp_binder *b, const mp_node *nd, const char *wanted);

#endif
