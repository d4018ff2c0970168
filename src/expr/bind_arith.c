/* bind_arith.c - type and kernel of arithmetic: int64 stays int64, with a decimal it is decimal,
 * with a float64 it is float64; days and seconds are added to dates. */
#include "expr/bind.h"

static bool give(mp_node *nd, mp_kernel run, mp_type type) {
    nd->run = run;
    nd->type = type;
    nd->can_fail |= type == MP_INT64 || type == MP_DECIMAL;
    return true;
}

static bool is_date(const mp_node *nd) {
    return nd->type == MP_DATE || nd->type == MP_TIMESTAMP;
}

/* The least type of both; nulls fit any. */
static mp_type wider(const mp_node *a, const mp_node *b) {
    return a->type == MP_NULL                        ? b->type
           : b->type == MP_NULL || a->type > b->type ? a->type
                                                     : b->type;
}

static int scale_of(const mp_node *nd) {
    return nd->type == MP_DECIMAL ? nd->scale : 0;
}

static bool bind_difference(mp_binder *b, mp_node *nd) {
    mp_node **p[2] = {&nd->args[0], &nd->args[1]};
    if (!mp_bind_alike(b, p, 2, false)) return false;
    bool days = nd->args[0]->type == MP_DATE || nd->args[1]->type == MP_DATE;
    nd->scale = days ? 0 : 6;
    give(nd, mp_run_date_diff, days ? MP_INT64 : MP_DECIMAL);
    nd->can_fail = false;
    return true;
}

static bool bind_shift(mp_binder *b, mp_node *nd) {
    if (!is_date(nd->args[0])) { /* n + date */
        mp_node *first = nd->args[0];
        nd->args[0] = nd->args[1];
        nd->args[1] = first;
    }
    bool seconds = nd->args[0]->type == MP_TIMESTAMP && nd->args[1]->type == MP_DECIMAL &&
                   nd->args[1]->scale <= 6;
    if (!seconds && !mp_bind_whole(b, &nd->args[1])) return false;
    give(nd, mp_run_date_shift, nd->args[0]->type);
    nd->ts_sep = nd->args[0]->ts_sep;
    nd->can_fail = true;
    return true;
}

static bool bind_dates(mp_binder *b, mp_node *nd) {
    mp_node *x = nd->args[0], *y = nd->args[1];
    bool literal = (x->op == MP_EX_LITERAL && x->type == MP_STRING) ||
                   (y->op == MP_EX_LITERAL && y->type == MP_STRING);
    if (nd->op == MP_EX_SUB && ((is_date(x) && is_date(y)) || literal))
        return bind_difference(b, nd);
    if (is_date(x) && is_date(y)) return mp_bind_type_error(b, y, "a number");
    if (nd->op == MP_EX_SUB && !is_date(x)) return mp_bind_type_error(b, y, "a number");
    return bind_shift(b, nd);
}

static bool bind_sum(mp_binder *b, mp_node *nd) {
    if (is_date(nd->args[0]) || is_date(nd->args[1])) return bind_dates(b, nd);
    if (!mp_bind_number(b, &nd->args[0]) || !mp_bind_number(b, &nd->args[1])) return false;
    mp_type t = wider(nd->args[0], nd->args[1]);
    if (t == MP_FLOAT64) return give(nd, mp_run_float, t);
    int sa = scale_of(nd->args[0]), sb = scale_of(nd->args[1]);
    nd->scale = (uint8_t)(sa > sb ? sa : sb);
    return give(nd, nd->op == MP_EX_MOD ? mp_run_mod : mp_run_add, t);
}

static bool bind_product(mp_node *nd) {
    mp_type t = wider(nd->args[0], nd->args[1]);
    int scale = scale_of(nd->args[0]) + scale_of(nd->args[1]);
    if (scale > MP_SCALE_MAX) t = MP_FLOAT64;
    if (t == MP_FLOAT64) return give(nd, mp_run_float, t);
    nd->scale = (uint8_t)scale;
    return give(nd, mp_run_mul, t);
}

static bool bind_round(mp_binder *b, mp_node *nd) {
    mp_node *x = nd->args[0];
    if (nd->n_args == 2 && !mp_bind_whole(b, &nd->args[1])) return false;
    mp_type t = x->type;
    if (t == MP_DECIMAL && nd->n_args == 1) t = MP_INT64;
    nd->scale = t == MP_DECIMAL ? x->scale : 0;
    if (t == MP_DECIMAL && nd->args[1]->op == MP_EX_LITERAL && nd->args[1]->type == MP_INT64) {
        int64_t n = nd->args[1]->cell.i64;
        if (n < nd->scale) nd->scale = (uint8_t)(n < 0 ? 0 : n);
    }
    return give(nd, mp_run_round, t);
}

bool mp_bind_arithmetic(mp_binder *b, mp_node *nd) {
    if (nd->op == MP_EX_ADD || nd->op == MP_EX_SUB) return bind_sum(b, nd);
    for (int32_t i = 0; i < nd->n_args; i++)
        if (!mp_bind_number(b, &nd->args[i])) return false;
    mp_type t = nd->args[0]->type;
    switch (nd->op) {
    case MP_EX_MOD:
        return bind_sum(b, nd);
    case MP_EX_MUL:
        return bind_product(nd);
    case MP_EX_DIV:
        return give(nd, mp_run_div, MP_FLOAT64);
    case MP_EX_NEG:
        nd->scale = nd->args[0]->scale;
        return give(nd, mp_run_neg, t);
    case MP_EX_ABS:
        nd->scale = nd->args[0]->scale;
        return give(nd, mp_run_abs, t);
    case MP_EX_ROUND:
        return bind_round(b, nd);
    case MP_EX_FLOOR:
    case MP_EX_CEIL:
        give(nd, mp_run_floor, t == MP_DECIMAL ? MP_INT64 : t);
        nd->can_fail = false;
        return true;
    default:
        return give(nd, mp_run_math, MP_FLOAT64);
    }
}
