/* walk.c - questions about an expression that need no column types: its columns and what each place
 * asks of them. */
#include "expr/ast.h"

const char *mp_expr_column_name(const mp_expr *e) {
    return e->op == MP_EX_COLUMN ? e->name.p : NULL;
}

static mp_ex_kind literal_kind(mp_type t) {
    switch (t) {
    case MP_NULL:
        return MP_KIND_NULL;
    case MP_BOOL:
        return MP_KIND_BOOL;
    case MP_STRING:
        return MP_KIND_TEXT;
    default:
        return MP_KIND_NUMBER;
    }
}

static mp_ex_kind branches_kind(const mp_expr *e, int32_t first, int32_t step) {
    mp_ex_kind k = MP_KIND_NULL;
    for (int32_t i = first; i < e->n_args; i += step) {
        mp_ex_kind a = mp_expr_kind(e->args[i]);
        if (a == MP_KIND_NULL) continue;
        if (a == MP_KIND_ANY || (k != MP_KIND_NULL && k != a)) return MP_KIND_ANY;
        k = a;
    }
    return k;
}

/* A date less a date is a number, a date and a number is a date. */
static mp_ex_kind sum_kind(const mp_expr *e) {
    mp_ex_kind a = mp_expr_kind(e->args[0]), b = mp_expr_kind(e->args[1]);
    if (a == MP_KIND_NUMBER && b == MP_KIND_NUMBER) return MP_KIND_NUMBER;
    if (e->op == MP_EX_SUB && a == MP_KIND_DATE && b == MP_KIND_DATE) return MP_KIND_NUMBER;
    if ((a == MP_KIND_DATE) != (b == MP_KIND_DATE) && (a == MP_KIND_NUMBER || b == MP_KIND_NUMBER))
        return MP_KIND_DATE;
    return MP_KIND_ANY;
}

static int32_t first_value(const mp_expr *e) {
    return e->op == MP_EX_COALESCE ? 0 : e->op == MP_EX_SWITCH ? 2 : 1;
}

/* Values of CASE and SWITCH stand at every other place; the last place is "else". */
static bool is_value(const mp_expr *e, int32_t i) {
    if (e->op == MP_EX_IF) return i > 0;
    if (e->op == MP_EX_COALESCE) return true;
    if (i == e->n_args - 1) return true;
    return i >= first_value(e) && (i - first_value(e)) % 2 == 0;
}

static mp_ex_kind choice_kind(const mp_expr *e) {
    if (e->op == MP_EX_IF) return branches_kind(e, 1, 1);
    if (e->op == MP_EX_COALESCE) return branches_kind(e, 0, 1);
    mp_ex_kind k = branches_kind(e, first_value(e), 2);
    mp_ex_kind last = mp_expr_kind(e->args[e->n_args - 1]);
    return last == MP_KIND_NULL ? k : k == MP_KIND_NULL || k == last ? last : MP_KIND_ANY;
}

static mp_ex_kind aggregate_kind(const mp_expr *e) {
    switch (e->agg.fn) {
    case MP_AGG_MIN:
    case MP_AGG_MAX:
    case MP_AGG_FIRST:
    case MP_AGG_LAST:
    case MP_AGG_TOP:
    case MP_AGG_BOTTOM:
        return MP_KIND_ANY;
    default:
        return MP_KIND_NUMBER;
    }
}

mp_ex_kind mp_expr_kind(const mp_expr *e) {
    switch (e->op) {
    case MP_EX_LITERAL:
        return literal_kind(e->type);
    case MP_EX_COLUMN:
        return MP_KIND_ANY;
    case MP_EX_ADD:
    case MP_EX_SUB:
        return sum_kind(e);
    case MP_EX_NEG:
    case MP_EX_MUL:
    case MP_EX_DIV:
    case MP_EX_MOD:
    case MP_EX_ABS:
    case MP_EX_ROUND:
    case MP_EX_FLOOR:
    case MP_EX_CEIL:
    case MP_EX_SQRT:
    case MP_EX_EXP:
    case MP_EX_LOG:
    case MP_EX_POW:
    case MP_EX_LENGTH:
    case MP_EX_YEAR:
    case MP_EX_MONTH:
    case MP_EX_DAY:
    case MP_EX_HOUR:
    case MP_EX_TO_INT:
    case MP_EX_TO_FLOAT:
    case MP_EX_TO_DECIMAL:
        return MP_KIND_NUMBER;
    case MP_EX_LOWER:
    case MP_EX_UPPER:
    case MP_EX_TRIM:
    case MP_EX_SUBSTR:
    case MP_EX_CONCAT:
    case MP_EX_REPLACE:
    case MP_EX_TO_STRING:
        return MP_KIND_TEXT;
    case MP_EX_TO_DATE:
    case MP_EX_TO_TIMESTAMP:
        return MP_KIND_DATE;
    case MP_EX_IF:
    case MP_EX_COALESCE:
    case MP_EX_CASE:
    case MP_EX_SWITCH:
        return choice_kind(e);
    case MP_EX_AGG:
        return aggregate_kind(e);
    default:
        return MP_KIND_BOOL;
    }
}

/* ---- columns ---- */

typedef struct {
    mp_column_fn fn;
    void *ctx;
} visitor;

static void visit(const visitor *v, const mp_expr *e, bool number, bool typed);

static void visit_all(const visitor *v, const mp_expr *e, bool number, bool typed) {
    for (int32_t i = 0; i < e->n_args; i++)
        visit(v, e->args[i], number, typed);
}

static bool has_kind(const mp_expr *e, mp_ex_kind kind) {
    for (int32_t i = 0; i < e->n_args; i++)
        if (mp_expr_kind(e->args[i]) == kind) return true;
    return false;
}

/* Beside a number, a column has to be one, unless a text is among the others. */
static void visit_compared(const visitor *v, const mp_expr *e, int32_t n, int32_t step) {
    bool number = false, text = false;
    for (int32_t i = 0; i < n; i += i == 0 ? 1 : step) {
        mp_ex_kind k = mp_expr_kind(e->args[i]);
        number |= k == MP_KIND_NUMBER;
        text |= k == MP_KIND_TEXT;
    }
    for (int32_t i = 0; i < n; i += i == 0 ? 1 : step)
        visit(v, e->args[i], number && !text, true);
}

/* Branches: a plain column among texts may stay text; beside anything else its type matters. */
static void visit_choice(const visitor *v, const mp_expr *e, bool number, bool typed) {
    bool beside_number = false, beside_other = false;
    for (int32_t i = 0; i < e->n_args; i++) {
        if (!is_value(e, i)) continue;
        mp_ex_kind k = mp_expr_kind(e->args[i]);
        beside_number |= k == MP_KIND_NUMBER;
        beside_other |= k != MP_KIND_TEXT && k != MP_KIND_NULL && e->args[i]->op != MP_EX_COLUMN;
    }
    for (int32_t i = 0; i < e->n_args; i++) {
        if (is_value(e, i))
            visit(v, e->args[i], number || beside_number, typed || beside_other);
        else if (e->op != MP_EX_SWITCH)
            visit(v, e->args[i], false, true);
    }
    if (e->op == MP_EX_SWITCH) visit_compared(v, e, e->n_args - 1, 2);
}

static void visit_aggregate(const visitor *v, const mp_expr *e) {
    bool count = e->agg.fn == MP_AGG_COUNT_VALUES || e->agg.fn == MP_AGG_COUNT;
    bool number =
        !count && e->agg.fn != MP_AGG_COUNT_DISTINCT && aggregate_kind(e) == MP_KIND_NUMBER;
    for (int i = 0; i < 2; i++)
        if (e->agg.arg[i]) visit(v, e->agg.arg[i], number, !count);
}

static void visit(const visitor *v, const mp_expr *e, bool number, bool typed) {
    switch (e->op) {
    case MP_EX_LITERAL:
        return;
    case MP_EX_COLUMN:
        v->fn(v->ctx, e->name.p, number, typed || number);
        return;
    case MP_EX_ADD:
    case MP_EX_SUB:
        number = !has_kind(e, MP_KIND_DATE);
        visit_all(v, e, number, true);
        return;
    case MP_EX_EQ:
    case MP_EX_NE:
    case MP_EX_LT:
    case MP_EX_LE:
    case MP_EX_GT:
    case MP_EX_GE:
    case MP_EX_BETWEEN:
    case MP_EX_IN:
        visit_compared(v, e, e->n_args, 1);
        return;
    case MP_EX_AND:
    case MP_EX_OR:
    case MP_EX_NOT:
    case MP_EX_YEAR:
    case MP_EX_MONTH:
    case MP_EX_DAY:
    case MP_EX_HOUR:
    case MP_EX_TO_DATE:
    case MP_EX_TO_TIMESTAMP:
    case MP_EX_TO_INT:
    case MP_EX_TO_FLOAT:
    case MP_EX_TO_DECIMAL:
    case MP_EX_TO_STRING:
        visit_all(v, e, false, true);
        return;
    case MP_EX_SUBSTR:
        visit(v, e->args[0], false, false);
        for (int32_t i = 1; i < e->n_args; i++)
            visit(v, e->args[i], true, true);
        return;
    case MP_EX_IS_NULL:
    case MP_EX_LIKE:
    case MP_EX_REGEX:
    case MP_EX_LOWER:
    case MP_EX_UPPER:
    case MP_EX_TRIM:
    case MP_EX_LENGTH:
    case MP_EX_CONCAT:
    case MP_EX_REPLACE:
        visit_all(v, e, false, false);
        return;
    case MP_EX_IF:
    case MP_EX_COALESCE:
    case MP_EX_CASE:
    case MP_EX_SWITCH:
        visit_choice(v, e, number, typed);
        return;
    case MP_EX_AGG:
        visit_aggregate(v, e);
        return;
    default: /* arithmetic and its functions */
        visit_all(v, e, true, true);
        return;
    }
}

void mp_expr_columns(const mp_expr *e, bool root_number, bool root_typed, mp_column_fn fn,
                     void *ctx) {
    visitor v = {fn, ctx};
    visit(&v, e, root_number, root_typed);
}
