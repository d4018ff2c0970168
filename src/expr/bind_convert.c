/* bind_convert.c - making types meet: numbers, texts read as dates, one type for all branches of a
 * choice. */
#include "data/date.h"
#include "expr/bind.h"

static const char *type_words(mp_type t) {
    switch (t) {
    case MP_BOOL:
        return "true or false";
    case MP_DATE:
        return "a date";
    case MP_TIMESTAMP:
        return "a timestamp";
    case MP_STRING:
        return "text";
    case MP_NULL:
        return "null";
    default:
        return "a number";
    }
}

bool mp_bind_type_error(mp_binder *b, const mp_node *nd, const char *wanted) {
    if (b->status != MP_OK) return false;
    char text[120];
    mp_expr_text(nd->e, text, sizeof text);
    const char *quote = nd->e->op == MP_EX_LITERAL && nd->type == MP_STRING ? "" : "'";
    b->status = mp_ex_error(b->err, nd->e->src, "type error", "%s%s%s is %s, not %s", quote, text,
                            quote, type_words(nd->type), wanted);
    if (nd->e->op == MP_EX_LITERAL || strlen(text) > 80) return false;
    if (nd->type == MP_STRING && strcmp(wanted, "a number") == 0)
        mp_error_hint(b->err, "float(%s) reads numbers from text", text);
    if (nd->type == MP_STRING && strcmp(wanted, "a date") == 0)
        mp_error_hint(b->err, "date(%s) or timestamp(%s) reads them from text", text, text);
    if (strcmp(wanted, "a condition") == 0)
        mp_error_hint(b->err, "compare it with something, for example %s = ...", text);
    return false;
}

static bool wrap(mp_binder *b, mp_node **p, mp_ex_op op, mp_kernel run, mp_type type) {
    mp_node *inner = *p;
    mp_node *nd = mp_bind_alloc(b, sizeof *nd);
    mp_node **args = mp_bind_alloc(b, sizeof *args);
    if (!nd || !args) return false;
    args[0] = inner;
    *nd = (mp_node){.run = run,
                    .e = inner->e,
                    .op = op,
                    .type = type,
                    .ts_sep = inner->ts_sep,
                    .can_fail = inner->can_fail,
                    .n_args = 1,
                    .args = args,
                    .col = -1};
    *p = nd;
    return true;
}

bool mp_bind_number(mp_binder *b, mp_node **p) {
    mp_type t = (*p)->type;
    if (t == MP_BOOL) return wrap(b, p, MP_EX_TO_INT, mp_run_to_int, MP_INT64);
    return t == MP_NULL || mp_type_is_number(t) || mp_bind_type_error(b, *p, "a number");
}

bool mp_bind_whole(mp_binder *b, mp_node **p) {
    mp_type t = (*p)->type;
    return t == MP_NULL || t == MP_INT64 || mp_bind_type_error(b, *p, "a whole number");
}

bool mp_bind_float(mp_binder *b, mp_node **p) {
    mp_type t = (*p)->type;
    if (t == MP_NULL || t == MP_FLOAT64) return true;
    return wrap(b, p, MP_EX_TO_FLOAT, mp_run_to_float, MP_FLOAT64);
}

bool mp_bind_bool(mp_binder *b, mp_node **p) {
    mp_type t = (*p)->type;
    return t == MP_BOOL || t == MP_NULL || mp_bind_type_error(b, *p, "a condition");
}

bool mp_bind_text(mp_binder *b, mp_node **p) {
    mp_type t = (*p)->type;
    if (t == MP_NULL || t == MP_STRING) return true;
    return wrap(b, p, MP_EX_TO_STRING, mp_run_to_string, MP_STRING);
}

static bool is_text_literal(const mp_node *nd) {
    return nd->op == MP_EX_LITERAL && nd->type == MP_STRING;
}

/* A text literal beside a date or timestamp is read as one. */
static bool read_literal(mp_binder *b, mp_node *nd) {
    mp_str s = nd->cell.str;
    int64_t v;
    char sep = 0;
    if (mp_parse_date(s.p, s.len, &v)) {
        nd->type = MP_DATE;
    } else if (mp_parse_timestamp(s.p, s.len, &v, &sep)) {
        nd->type = MP_TIMESTAMP;
    } else {
        char text[120];
        b->status = mp_ex_error(b->err, nd->e->src, "type error", "%s is no date or timestamp",
                                mp_expr_text(nd->e, text, sizeof text));
        mp_error_hint(b->err, "they are written '2024-01-31' and '2024-01-31 23:59:59'");
        return false;
    }
    nd->ts_sep = (uint8_t)sep;
    nd->cell.i64 = v;
    nd->value.c.type = nd->type;
    return true;
}

bool mp_bind_date(mp_binder *b, mp_node **p) {
    mp_type t = (*p)->type;
    if (is_text_literal(*p)) return read_literal(b, *p);
    return t == MP_NULL || t == MP_DATE || t == MP_TIMESTAMP || mp_bind_type_error(b, *p, "a date");
}

/* ---- several nodes at once ---- */

typedef struct {
    mp_node *text; /* one that is not a literal */
    mp_node *literal, *number, *boolean, *date;
    bool timestamp, is_float;
} census;

static census count(mp_node **const *p, int32_t n) {
    census c = {0};
    for (int32_t i = 0; i < n; i++) {
        mp_node *nd = *p[i];
        if (is_text_literal(nd))
            c.literal = nd;
        else if (nd->type == MP_STRING)
            c.text = nd;
        else if (mp_type_is_number(nd->type))
            c.number = nd;
        else if (nd->type == MP_BOOL)
            c.boolean = nd;
        else if (nd->type != MP_NULL)
            c.date = nd;
        c.timestamp |= nd->type == MP_TIMESTAMP;
        c.is_float |= nd->type == MP_FLOAT64;
    }
    return c;
}

static bool alike_dates(mp_binder *b, mp_node **const *p, int32_t n, const census *c) {
    bool timestamp = c->timestamp;
    if (c->text) return mp_bind_type_error(b, c->text, "a date");
    if (c->number) return mp_bind_type_error(b, c->number, "a date");
    if (c->boolean) return mp_bind_type_error(b, c->boolean, "a date");
    for (int32_t i = 0; i < n; i++) {
        if (!mp_bind_date(b, p[i])) return false;
        timestamp |= (*p[i])->type == MP_TIMESTAMP;
    }
    for (int32_t i = 0; i < n && timestamp; i++)
        if ((*p[i])->type == MP_DATE &&
            !wrap(b, p[i], MP_EX_TO_TIMESTAMP, mp_run_to_timestamp, MP_TIMESTAMP))
            return false;
    return true;
}

static bool mixed(mp_binder *b, const mp_node *text, const mp_node *other) {
    char what[120];
    b->status = mp_ex_error(b->err, text->e->src, "type error",
                            "the values are text and %s; one type has to hold them all",
                            type_words(other->type));
    mp_error_hint(b->err, "string(%s) makes it text", mp_expr_text(other->e, what, sizeof what));
    return false;
}

static bool all_text(mp_binder *b, mp_node **const *p, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (!mp_bind_text(b, p[i])) return false;
    return true;
}

bool mp_bind_alike(mp_binder *b, mp_node **const *p, int32_t n, bool branches) {
    if (b->status != MP_OK) return false;
    census c = count(p, n);
    mp_node *plain = c.number ? c.number : c.boolean;
    if (c.date) return alike_dates(b, p, n, &c);
    if (plain && (c.text || c.literal)) {
        if (branches) return mixed(b, c.text ? c.text : c.literal, plain);
        if (c.text) return mp_bind_type_error(b, c.text, type_words(plain->type));
        return all_text(b, p, n); /* a number beside a text literal: its canonical text */
    }
    if (c.number && c.boolean && branches) return mp_bind_type_error(b, c.boolean, "a number");
    for (int32_t i = 0; i < n; i++) {
        bool ok = true;
        if (c.number && (*p[i])->type == MP_BOOL) ok = mp_bind_number(b, p[i]);
        if (ok && branches && c.is_float) ok = mp_bind_float(b, p[i]);
        if (!ok) return false;
    }
    return true;
}
