/* bind_ops.c - type and kernel of comparisons, logic, choices, texts, dates and casts. */
#include "expr/bind.h"

static bool give(mp_node *nd, mp_kernel run, mp_type type) {
    nd->run = run;
    nd->type = type;
    return true;
}

static bool fails(mp_node *nd) {
    nd->can_fail = true;
    return true;
}

static bool each(mp_binder *b, mp_node *nd, bool (*convert)(mp_binder *, mp_node **)) {
    for (int32_t i = 0; i < nd->n_args; i++)
        if (!convert(b, &nd->args[i])) return false;
    return true;
}

/* ---- comparison ---- */

/* Places 0, 1, 1 + step, ... of the arguments, of n of them. */
static mp_node ***places(mp_binder *b, mp_node *nd, int32_t first, int32_t step, int32_t end,
                         int32_t *n) {
    mp_node ***p = mp_bind_alloc(b, (size_t)nd->n_args * sizeof *p);
    if (!p) return NULL;
    *n = 0;
    for (int32_t i = first; i < end; i += step)
        p[(*n)++] = &nd->args[i];
    return p;
}

static bool compared(mp_binder *b, mp_node *nd) {
    int32_t n;
    mp_node ***p = places(b, nd, 0, 1, nd->n_args, &n);
    return p && mp_bind_alike(b, p, n, false);
}

static bool bind_in(mp_binder *b, mp_node *nd) {
    if (!compared(b, nd)) return false;
    nd->set = mp_inset_new(nd->args, nd->n_args, b->arena);
    if (!nd->set) return mp_bind_nomem(b, (size_t)nd->n_args * 32);
    return give(nd, mp_run_in, MP_BOOL);
}

static bool bind_like(mp_binder *b, mp_node *nd) {
    if (!each(b, nd, mp_bind_text)) return false;
    if (nd->args[1]->op == MP_EX_LITERAL && nd->args[1]->type == MP_STRING) {
        nd->like = mp_like_new(nd->args[1]->cell.str, b->arena);
        if (!nd->like) return mp_bind_nomem(b, 64);
    }
    return give(nd, mp_run_like, MP_BOOL);
}

static bool bind_regex(mp_binder *b, mp_node *nd) {
    const mp_expr *pattern = nd->args[1]->e;
    if (pattern->op != MP_EX_LITERAL || pattern->type != MP_STRING) {
        b->status = mp_ex_error_at(b->err, pattern->src, "type error", pattern->begin,
                                   "the regular expression behind ~ has to be a text in quotes");
        return false;
    }
    nd->regex = mp_regex_new(pattern, b->arena, &b->prog->regexes, b->err);
    if (!nd->regex) {
        b->status = b->err && b->err->status != MP_OK ? (mp_status)b->err->status : MP_USAGE;
        return false;
    }
    nd->n_args = 1; /* the pattern is part of the program */
    return mp_bind_text(b, &nd->args[0]) && give(nd, mp_run_regex, MP_BOOL) && fails(nd);
}

/* ---- choices ---- */

static bool is_value(const mp_node *nd, int32_t i) {
    switch (nd->op) {
    case MP_EX_COALESCE:
        return true;
    case MP_EX_IF:
        return i > 0;
    case MP_EX_CASE:
        return i % 2 == 1 || i == nd->n_args - 1;
    default:
        return (i % 2 == 0 && i > 0) || i == nd->n_args - 1;
    }
}

static bool bind_operand(mp_binder *b, mp_node *nd) {
    int32_t n;
    mp_node ***p = places(b, nd, 1, 2, nd->n_args - 1, &n);
    if (!p) return false;
    memmove(p + 1, p, (size_t)n * sizeof *p);
    p[0] = &nd->args[0];
    return mp_bind_alike(b, p, n + 1, false);
}

static bool bind_choice(mp_binder *b, mp_node *nd) {
    if (nd->op == MP_EX_SWITCH && !bind_operand(b, nd)) return false;
    mp_node ***p = mp_bind_alloc(b, (size_t)nd->n_args * sizeof *p);
    if (!p) return false;
    int32_t n = 0;
    for (int32_t i = 0; i < nd->n_args; i++) {
        if (is_value(nd, i))
            p[n++] = &nd->args[i];
        else if (nd->op != MP_EX_SWITCH && !mp_bind_bool(b, &nd->args[i]))
            return false;
    }
    if (!mp_bind_alike(b, p, n, true)) return false;
    mp_type type = MP_NULL;
    for (int32_t i = 0; i < n; i++) {
        const mp_node *a = *p[i];
        if (type == MP_NULL || a->type == MP_DECIMAL) type = a->type == MP_NULL ? type : a->type;
        if (a->scale > nd->scale) nd->scale = a->scale;
        if (!nd->ts_sep) nd->ts_sep = a->ts_sep;
    }
    if (type != MP_DECIMAL) nd->scale = 0;
    nd->can_fail = type == MP_DECIMAL;
    return give(nd, mp_run_choice, type);
}

/* ---- texts ---- */

static bool bind_text(mp_binder *b, mp_node *nd) {
    if (nd->op == MP_EX_SUBSTR) {
        if (!mp_bind_text(b, &nd->args[0])) return false;
        for (int32_t i = 1; i < nd->n_args; i++)
            if (!mp_bind_whole(b, &nd->args[i])) return false;
        return give(nd, mp_run_substr, MP_STRING);
    }
    if (!each(b, nd, mp_bind_text)) return false;
    switch (nd->op) {
    case MP_EX_LENGTH:
        return give(nd, mp_run_length, MP_INT64);
    case MP_EX_CONCAT:
        return give(nd, mp_run_concat, MP_STRING) && fails(nd);
    case MP_EX_REPLACE:
        return give(nd, mp_run_replace, MP_STRING) && fails(nd);
    default:
        return give(nd, mp_run_map_text, MP_STRING);
    }
}

/* ---- casts ---- */

static bool bind_to_date(mp_binder *b, mp_node *nd) {
    mp_type t = nd->args[0]->type;
    bool is_date = nd->op == MP_EX_TO_DATE;
    bool literal = nd->args[0]->op == MP_EX_LITERAL;
    if ((t != MP_STRING || literal) && !mp_bind_date(b, &nd->args[0])) return false;
    nd->can_fail = t == MP_STRING && !literal;
    if (!is_date) nd->ts_sep = nd->args[0]->ts_sep;
    return give(nd, is_date ? mp_run_to_date : mp_run_to_timestamp,
                is_date ? MP_DATE : MP_TIMESTAMP);
}

static bool bind_to_number(mp_binder *b, mp_node *nd) {
    mp_node *a = nd->args[0];
    bool takes = a->type == MP_STRING || a->type == MP_BOOL || a->type == MP_NULL ||
                 mp_type_is_number(a->type);
    if (!takes) return mp_bind_type_error(b, a, "a number");
    nd->can_fail = a->type == MP_STRING || a->type == MP_FLOAT64;
    if (nd->op == MP_EX_TO_INT) return give(nd, mp_run_to_int, MP_INT64);
    if (nd->op == MP_EX_TO_FLOAT) return give(nd, mp_run_to_float, MP_FLOAT64);
    nd->scale = a->type == MP_DECIMAL                           ? a->scale
                : a->type == MP_STRING || a->type == MP_FLOAT64 ? MP_SCALE_MAX
                                                                : 0;
    return give(nd, mp_run_to_decimal, MP_DECIMAL);
}

bool mp_bind_op(mp_binder *b, mp_node *nd) {
    switch (nd->op) {
    case MP_EX_EQ:
    case MP_EX_NE:
    case MP_EX_LT:
    case MP_EX_LE:
    case MP_EX_GT:
    case MP_EX_GE:
        return compared(b, nd) && give(nd, mp_run_compare, MP_BOOL);
    case MP_EX_BETWEEN:
        return compared(b, nd) && give(nd, mp_run_between, MP_BOOL);
    case MP_EX_IN:
        return bind_in(b, nd);
    case MP_EX_IS_NULL:
        return give(nd, mp_run_is_null, MP_BOOL);
    case MP_EX_LIKE:
        return bind_like(b, nd);
    case MP_EX_REGEX:
        return bind_regex(b, nd);
    case MP_EX_AND:
    case MP_EX_OR:
        return each(b, nd, mp_bind_bool) && give(nd, mp_run_logic, MP_BOOL);
    case MP_EX_NOT:
        return each(b, nd, mp_bind_bool) && give(nd, mp_run_not, MP_BOOL);
    case MP_EX_IF:
    case MP_EX_COALESCE:
    case MP_EX_CASE:
    case MP_EX_SWITCH:
        return bind_choice(b, nd);
    case MP_EX_LOWER:
    case MP_EX_UPPER:
    case MP_EX_TRIM:
    case MP_EX_LENGTH:
    case MP_EX_SUBSTR:
    case MP_EX_CONCAT:
    case MP_EX_REPLACE:
        return bind_text(b, nd);
    case MP_EX_YEAR:
    case MP_EX_MONTH:
    case MP_EX_DAY:
    case MP_EX_HOUR:
        return each(b, nd, mp_bind_date) && give(nd, mp_run_date_part, MP_INT64);
    case MP_EX_TO_DATE:
    case MP_EX_TO_TIMESTAMP:
        return bind_to_date(b, nd);
    case MP_EX_TO_INT:
    case MP_EX_TO_FLOAT:
    case MP_EX_TO_DECIMAL:
        return bind_to_number(b, nd);
    case MP_EX_TO_STRING:
        return give(nd, mp_run_to_string, MP_STRING);
    case MP_EX_AGG:
        b->status = mp_ex_error_at(b->err, nd->e->src, "error", nd->e->begin,
                                   "an aggregate cannot be used here");
        return false;
    default:
        return mp_bind_arithmetic(b, nd);
    }
}
