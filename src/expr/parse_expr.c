/* parse_expr.c - recursive descent with the precedence of SQL, loosest first: or; and; not; is
 * null; comparison (does not chain); in, between, like, ~; + -; * / %; unary minus. */
#include "data/parse_num.h"
#include "expr/parser.h"

/* ---- plumbing ---- */

mp_status mp_parser_init(mp_parser *p, const char *option, const char *text, bool aggregates,
                         mp_arena *arena, mp_error *err) {
    *p = (mp_parser){.arena = arena, .aggregates = aggregates, .err = err};
    size_t len = strlen(text);
    if (len > INT32_MAX / 2) return mp_error_set(err, MP_USAGE, option, "the text is too long");
    mp_ex_source *src = mp_arena_alloc(arena, sizeof *src, 16);
    if (!src) return mp_mem_error(arena->mem, sizeof *src, err);
    src->option = mp_ex_copy(arena, option, strlen(option)).p;
    src->text = mp_ex_copy(arena, text, len).p;
    src->len = (uint32_t)len;
    if (!src->option || !src->text) return mp_mem_error(arena->mem, len, err);
    p->src = src;
    mp_token *tok;
    mp_status st = mp_ex_lex(src, arena, &tok, err);
    p->tok = tok;
    return st;
}

bool mp_parser_accept(mp_parser *p, mp_token_kind kind) {
    if (mp_parser_kind(p) != kind) return false;
    p->i++;
    return true;
}

void mp_parser_expected(mp_parser *p, const char *what) {
    if (p->status != MP_OK) return;
    const mp_token *t = mp_parser_token(p);
    if (t->kind == MP_TOK_END) {
        p->status = mp_ex_error_at(p->err, p->src, "syntax error", t->begin,
                                   "expected %s but the text ends", what);
        return;
    }
    uint32_t len = t->end - t->begin;
    const char *dots = len > 40 ? "..." : "";
    if (len > 40) len = 37;
    const char *quote = t->kind == MP_TOK_TEXT ? "" : "'";
    p->status =
        mp_ex_error_at(p->err, p->src, "syntax error", t->begin, "expected %s but found %s%.*s%s%s",
                       what, quote, (int)len, p->src->text + t->begin, dots, quote);
}

bool mp_parser_expect(mp_parser *p, mp_token_kind kind, const char *what) {
    if (mp_parser_accept(p, kind)) return true;
    mp_parser_expected(p, what);
    return false;
}

void mp_parser_nomem(mp_parser *p, size_t n_bytes) {
    if (p->status == MP_OK) p->status = mp_mem_error(p->arena->mem, n_bytes, p->err);
}

bool mp_parser_push(mp_parser *p, mp_expr_array *a, const mp_expr *e) {
    if (!e) return false;
    if (a->n >= MP_EXPR_ITEMS) {
        p->status = mp_ex_error_at(p->err, p->src, "syntax error", e->begin, "more than %d items",
                                   MP_EXPR_ITEMS);
        return false;
    }
    if (a->n == a->cap) {
        int32_t cap = a->cap ? a->cap * 2 : 4;
        const mp_expr **wider = mp_arena_alloc(p->arena, (size_t)cap * sizeof *wider, 16);
        if (!wider) {
            mp_parser_nomem(p, (size_t)cap * sizeof *wider);
            return false;
        }
        if (a->n) memcpy(wider, a->p, (size_t)a->n * sizeof *wider);
        a->p = wider;
        a->cap = cap;
    }
    a->p[a->n++] = e;
    return true;
}

static bool enter(mp_parser *p) {
    if (p->status != MP_OK) return false;
    if (p->nesting >= MP_EXPR_NESTING) {
        p->status = mp_ex_error_at(p->err, p->src, "syntax error", mp_parser_token(p)->begin,
                                   "nested deeper than %d levels", MP_EXPR_NESTING);
        return false;
    }
    p->nesting++;
    return true;
}

/* A node over args, from byte begin to the end of the last token read. */
static mp_expr *node(mp_parser *p, mp_ex_op op, const mp_expr_array *args, uint32_t begin) {
    if (p->status != MP_OK) return NULL;
    mp_expr *e = mp_expr_make(p->arena, p->src, op, 0, begin, p->tok[p->i - 1].end);
    if (!e) {
        mp_parser_nomem(p, sizeof *e);
        return NULL;
    }
    if (!args) return e;
    e->args = args->p;
    e->n_args = args->n;
    for (int32_t i = 0; i < args->n; i++)
        if (args->p[i]->height >= e->height) e->height = (uint16_t)(args->p[i]->height + 1);
    if (e->height > MP_EXPR_DEPTH) {
        p->status = mp_ex_error_at(p->err, p->src, "syntax error", p->tok[p->i - 1].begin,
                                   "more than %d operations on each other", MP_EXPR_DEPTH);
        return NULL;
    }
    return e;
}

static const mp_expr *node_of(mp_parser *p, mp_ex_op op, uint32_t begin, const mp_expr *a,
                              const mp_expr *b) {
    mp_expr_array args = {0};
    if (!mp_parser_push(p, &args, a) || (b && !mp_parser_push(p, &args, b))) return NULL;
    return node(p, op, &args, begin);
}

/* ---- leaves ---- */

static const mp_expr *literal(mp_parser *p, mp_type type, int64_t value, uint32_t begin) {
    mp_expr *e = node(p, MP_EX_LITERAL, NULL, begin);
    if (!e) return NULL;
    e->type = type;
    e->i64 = value;
    return e;
}

/* The number token just read; negative: a minus stood before it, so that the least int64 can be
 * written. */
static const mp_expr *number(mp_parser *p, bool negative, uint32_t begin) {
    const mp_token *t = &p->tok[p->i - 1];
    const char *from = p->src->text + t->begin;
    size_t len = t->end - t->begin;
    while (len > 1 && from[0] == '0' && from[1] >= '0' && from[1] <= '9') {
        from++;
        len--;
    }
    char *text = mp_arena_alloc(p->arena, len + 1, 1);
    if (!text) {
        mp_parser_nomem(p, len + 1);
        return NULL;
    }
    text[0] = '-';
    memcpy(text + 1, from, len);
    const char *start = negative ? text : text + 1;
    if (negative) len++;
    mp_number v = {0};
    mp_expr *e = node(p, MP_EX_LITERAL, NULL, begin);
    if (!e) return NULL;
    switch (mp_parse_number(start, len, &v)) {
    case MP_NUM_INT64:
        e->type = MP_INT64;
        e->i64 = v.i64;
        break;
    case MP_NUM_DECIMAL:
        e->type = MP_DECIMAL;
        e->i64 = v.i64;
        e->scale = (uint8_t)v.scale;
        break;
    default:
        e->type = MP_FLOAT64;
        if (!mp_parse_double(start, len, &e->f64)) {
            p->status = mp_ex_error_at(p->err, p->src, "syntax error", t->begin, "bad number");
            return NULL;
        }
    }
    return e;
}

static const mp_expr *named(mp_parser *p, mp_ex_op op, mp_str name, uint32_t begin) {
    mp_expr *e = node(p, op, NULL, begin);
    if (!e) return NULL;
    e->name = mp_ex_copy(p->arena, name.p, name.len);
    if (!e->name.p) mp_parser_nomem(p, name.len);
    if (op == MP_EX_LITERAL) e->type = MP_STRING;
    return p->status == MP_OK ? e : NULL;
}

/* ---- calls ---- */

static void bad_call(mp_parser *p, const mp_token *name, const char *why) {
    if (p->status == MP_OK)
        p->status = mp_ex_error_at(p->err, p->src, "syntax error", name->begin, "%s", why);
}

/* The constant second argument of quantile, top, bottom is no argument but part of the call. */
static void aggregate_constant(mp_parser *p, mp_expr *e, const mp_token *name) {
    const mp_expr *c = e->args[1];
    bool is_number = c->op == MP_EX_LITERAL && mp_type_is_number(c->type);
    if (e->agg.fn == MP_AGG_QUANTILE) {
        double q = !is_number              ? -1
                   : c->type == MP_FLOAT64 ? c->f64
                                           : mp_decimal_to_double(c->i64, c->scale);
        if (!(q >= 0 && q <= 1)) bad_call(p, name, "quantile(x, q) needs a number q from 0 to 1");
        e->agg.q = q;
    } else {
        bool ok = is_number && c->type == MP_INT64 && c->i64 >= 1 && c->i64 <= 10000;
        if (!ok)
            bad_call(p, name, "top(x, k) and bottom(x, k) need a whole number k from 1 to 10000");
        e->agg.k = ok ? (int)c->i64 : 0;
    }
}

static const mp_expr *aggregate(mp_parser *p, const mp_ex_function *f, const mp_token *name,
                                const mp_expr_array *args, bool distinct) {
    mp_expr *e = node(p, MP_EX_AGG, args, name->begin);
    if (!e) return NULL;
    const char *spelled = distinct ? "count_distinct" : f->name;
    e->name = mp_str_c(spelled);
    e->agg.fn = distinct                                ? MP_AGG_COUNT_DISTINCT
                : f->agg == MP_AGG_COUNT && args->n > 0 ? MP_AGG_COUNT_VALUES
                                                        : f->agg;
    bool constant = e->agg.fn == MP_AGG_TOP || e->agg.fn == MP_AGG_BOTTOM ||
                    (e->agg.fn == MP_AGG_QUANTILE && args->n == 2);
    if (e->agg.fn == MP_AGG_QUANTILE && args->n == 1) {
        e->agg.q = 0.5;
        e->agg.is_median = true;
    }
    if (args->n > 0) e->agg.arg[0] = args->p[0];
    if (args->n > 1 && !constant) e->agg.arg[1] = args->p[1];
    if (constant) aggregate_constant(p, e, name);
    return p->status == MP_OK ? e : NULL;
}

static void wrong_count(mp_parser *p, const mp_ex_function *f, const mp_token *name, int32_t n) {
    char want[32];
    if (f->max_args == MP_EXPR_ITEMS)
        snprintf(want, sizeof want, "%d or more", f->min_args);
    else if (f->max_args > f->min_args)
        snprintf(want, sizeof want, "%d or %d", f->min_args, f->max_args);
    else
        snprintf(want, sizeof want, "%d", f->min_args);
    if (p->status == MP_OK)
        p->status = mp_ex_error_at(p->err, p->src, "syntax error", name->begin,
                                   "%s() takes %s argument%s, not %d", f->name, want,
                                   strcmp(want, "1") ? "s" : "", n);
}

static const mp_ex_function *find_function(mp_parser *p, const mp_token *name) {
    const mp_ex_function *f = mp_ex_function_find(name->value);
    if (f && f->op == MP_EX_AGG && !p->aggregates) {
        p->status = mp_ex_error(p->err, p->src, "error", "%s() is an aggregate", f->name);
        mp_error_hint(p->err, "aggregates go into --agg, conditions on them into --having");
        return NULL;
    }
    if (f) return f;
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)name->value.len, name->value.p);
    p->status = mp_ex_error(p->err, p->src, "error", "no function '%s'", word);
    const char *near = mp_ex_function_nearest(word);
    if (near)
        mp_error_hint(p->err, "did you mean '%s'?", near);
    else
        mp_error_hint(p->err, "mpart query --help lists the functions");
    return NULL;
}

/* Behind the name and the '('. */
static const mp_expr *call(mp_parser *p, const mp_token *name) {
    const mp_ex_function *f = find_function(p, name);
    if (!f) return NULL;
    mp_expr_array args = {0};
    bool distinct = false;
    bool is_count = f->op == MP_EX_AGG && f->agg == MP_AGG_COUNT;
    if (is_count && mp_parser_kind(p) == MP_TOK_STAR) {
        p->i++;
    } else if (mp_parser_kind(p) != MP_TOK_RPAREN) {
        mp_token_kind next = p->tok[p->i + 1].kind;
        if (is_count && mp_parser_kind(p) == MP_TOK_NAME &&
            mp_str_eq_nocase(mp_parser_token(p)->value, "distinct") &&
            (next == MP_TOK_NAME || next == MP_TOK_QUOTED)) {
            distinct = true;
            p->i++;
        }
        do {
            if (!mp_parser_push(p, &args, mp_parser_expr(p))) return NULL;
        } while (mp_parser_accept(p, MP_TOK_COMMA));
    }
    if (!mp_parser_expect(p, MP_TOK_RPAREN, "')'")) return NULL;
    if (args.n < f->min_args || args.n > f->max_args) {
        wrong_count(p, f, name, args.n);
        return NULL;
    }
    if (f->op == MP_EX_AGG) return aggregate(p, f, name, &args, distinct);
    return node(p, f->op, &args, name->begin);
}

/* ---- case ---- */

static const mp_expr *case_arms(mp_parser *p, mp_expr_array *args, mp_ex_op op, uint32_t begin) {
    if (mp_parser_kind(p) != MP_TOK_WHEN) {
        mp_parser_expected(p, "'when'");
        return NULL;
    }
    while (mp_parser_accept(p, MP_TOK_WHEN)) {
        if (!mp_parser_push(p, args, mp_parser_expr(p)) ||
            !mp_parser_expect(p, MP_TOK_THEN, "'then'") ||
            !mp_parser_push(p, args, mp_parser_expr(p)))
            return NULL;
    }
    const mp_expr *otherwise =
        mp_parser_accept(p, MP_TOK_ELSE) ? mp_parser_expr(p) : literal(p, MP_NULL, 0, begin);
    if (!mp_parser_push(p, args, otherwise) || !mp_parser_expect(p, MP_TOK_FINISH, "'end'"))
        return NULL;
    return node(p, op, args, begin);
}

static const mp_expr *parse_case(mp_parser *p, uint32_t begin) {
    mp_expr_array args = {0};
    p->case_depth++;
    mp_ex_op op = MP_EX_CASE;
    if (mp_parser_kind(p) != MP_TOK_WHEN) {
        op = MP_EX_SWITCH;
        if (!mp_parser_push(p, &args, mp_parser_expr(p))) return NULL;
    }
    const mp_expr *e = case_arms(p, &args, op, begin);
    p->case_depth--;
    return e;
}

/* ---- operators, tightest first ---- */

static const mp_expr *parens(mp_parser *p) {
    const mp_expr *e = mp_parser_expr(p);
    if (!e || !mp_parser_expect(p, MP_TOK_RPAREN, "')'")) return NULL;
    mp_expr *copy = mp_arena_alloc(p->arena, sizeof *copy, 16);
    if (!copy) {
        mp_parser_nomem(p, sizeof *copy);
        return NULL;
    }
    *copy = *e;
    copy->in_parens = true;
    return copy;
}

static const mp_expr *primary(mp_parser *p) {
    const mp_token *t = mp_parser_token(p);
    uint32_t begin = t->begin;
    bool is_name = t->kind == MP_TOK_NAME || (t->kind == MP_TOK_FINISH && p->case_depth == 0);
    if (t->kind != MP_TOK_END) p->i++;
    switch (t->kind) {
    case MP_TOK_NUMBER:
        return number(p, false, begin);
    case MP_TOK_TEXT:
        return named(p, MP_EX_LITERAL, t->value, begin);
    case MP_TOK_QUOTED:
        return named(p, MP_EX_COLUMN, t->value, begin);
    case MP_TOK_NULL:
        return literal(p, MP_NULL, 0, begin);
    case MP_TOK_TRUE:
        return literal(p, MP_BOOL, 1, begin);
    case MP_TOK_FALSE:
        return literal(p, MP_BOOL, 0, begin);
    case MP_TOK_CASE:
        return parse_case(p, begin);
    case MP_TOK_LPAREN:
        return parens(p);
    default:
        break;
    }
    if (is_name && t->kind == MP_TOK_NAME && mp_parser_accept(p, MP_TOK_LPAREN)) return call(p, t);
    if (is_name) return named(p, MP_EX_COLUMN, t->value, begin);
    if (t->kind != MP_TOK_END) p->i--;
    mp_parser_expected(p, "a value");
    return NULL;
}

static const mp_expr *unary(mp_parser *p) {
    uint32_t begin = mp_parser_token(p)->begin;
    if (!enter(p)) return NULL;
    const mp_expr *e;
    if (mp_parser_accept(p, MP_TOK_MINUS)) {
        if (mp_parser_accept(p, MP_TOK_NUMBER))
            e = number(p, true, begin);
        else
            e = node_of(p, MP_EX_NEG, begin, unary(p), NULL);
    } else if (mp_parser_accept(p, MP_TOK_PLUS)) {
        e = unary(p);
    } else {
        e = primary(p);
    }
    p->nesting--;
    return e;
}

static const mp_expr *product(mp_parser *p) {
    uint32_t begin = mp_parser_token(p)->begin;
    const mp_expr *e = unary(p);
    while (e) {
        mp_ex_op op;
        switch (mp_parser_kind(p)) {
        case MP_TOK_STAR:
            op = MP_EX_MUL;
            break;
        case MP_TOK_SLASH:
            op = MP_EX_DIV;
            break;
        case MP_TOK_PERCENT:
            op = MP_EX_MOD;
            break;
        default:
            return e;
        }
        p->i++;
        const mp_expr *right = unary(p);
        e = right ? node_of(p, op, begin, e, right) : NULL;
    }
    return NULL;
}

static const mp_expr *sum(mp_parser *p) {
    uint32_t begin = mp_parser_token(p)->begin;
    const mp_expr *e = product(p);
    while (e && (mp_parser_kind(p) == MP_TOK_PLUS || mp_parser_kind(p) == MP_TOK_MINUS)) {
        mp_ex_op op = mp_parser_kind(p) == MP_TOK_PLUS ? MP_EX_ADD : MP_EX_SUB;
        p->i++;
        const mp_expr *right = product(p);
        e = right ? node_of(p, op, begin, e, right) : NULL;
    }
    return e;
}

static const mp_expr *in_list(mp_parser *p, const mp_expr *x, uint32_t begin) {
    mp_expr_array args = {0};
    if (!mp_parser_expect(p, MP_TOK_LPAREN, "'('") || !mp_parser_push(p, &args, x)) return NULL;
    do {
        if (!mp_parser_push(p, &args, sum(p))) return NULL;
    } while (mp_parser_accept(p, MP_TOK_COMMA));
    if (!mp_parser_expect(p, MP_TOK_RPAREN, "',' or ')'")) return NULL;
    return node(p, MP_EX_IN, &args, begin);
}

static const mp_expr *between(mp_parser *p, const mp_expr *x, uint32_t begin) {
    mp_expr_array args = {0};
    if (!mp_parser_push(p, &args, x) || !mp_parser_push(p, &args, sum(p)) ||
        !mp_parser_expect(p, MP_TOK_AND, "'and'") || !mp_parser_push(p, &args, sum(p)))
        return NULL;
    return node(p, MP_EX_BETWEEN, &args, begin);
}

/* in, between, like, ~, and the first three with "not" before them. */
static const mp_expr *membership(mp_parser *p) {
    uint32_t begin = mp_parser_token(p)->begin;
    const mp_expr *e = sum(p);
    while (e) {
        mp_token_kind kind = mp_parser_kind(p);
        bool negate = kind == MP_TOK_NOT;
        if (negate) kind = p->tok[p->i + 1].kind;
        if (kind != MP_TOK_IN && kind != MP_TOK_BETWEEN && kind != MP_TOK_LIKE &&
            (kind != MP_TOK_TILDE || negate))
            return e;
        p->i += negate ? 2 : 1;
        if (kind == MP_TOK_IN) {
            e = in_list(p, e, begin);
        } else if (kind == MP_TOK_BETWEEN) {
            e = between(p, e, begin);
        } else {
            const mp_expr *pattern = sum(p);
            mp_ex_op op = kind == MP_TOK_LIKE ? MP_EX_LIKE : MP_EX_REGEX;
            e = pattern ? node_of(p, op, begin, e, pattern) : NULL;
        }
        if (e && negate) e = node_of(p, MP_EX_NOT, begin, e, NULL);
    }
    return NULL;
}

static const mp_expr *comparison(mp_parser *p) {
    static const mp_ex_op op[] = {MP_EX_EQ, MP_EX_NE, MP_EX_LT, MP_EX_LE, MP_EX_GT, MP_EX_GE};
    uint32_t begin = mp_parser_token(p)->begin;
    const mp_expr *e = membership(p);
    mp_token_kind kind = mp_parser_kind(p);
    if (!e || kind < MP_TOK_EQ || kind > MP_TOK_GE) return e;
    p->i++;
    const mp_expr *right = membership(p);
    e = right ? node_of(p, op[kind - MP_TOK_EQ], begin, e, right) : NULL;
    kind = mp_parser_kind(p);
    if (e && kind >= MP_TOK_EQ && kind <= MP_TOK_GE) {
        p->status = mp_ex_error_at(p->err, p->src, "syntax error", mp_parser_token(p)->begin,
                                   "comparisons do not chain; join two of them with 'and'");
        return NULL;
    }
    return e;
}

static const mp_expr *is_null(mp_parser *p) {
    uint32_t begin = mp_parser_token(p)->begin;
    const mp_expr *e = comparison(p);
    while (e && mp_parser_accept(p, MP_TOK_IS)) {
        bool negate = mp_parser_accept(p, MP_TOK_NOT);
        if (!mp_parser_expect(p, MP_TOK_NULL, negate ? "'null'" : "'null' or 'not null'"))
            return NULL;
        e = node_of(p, MP_EX_IS_NULL, begin, e, NULL);
        if (e && negate) e = node_of(p, MP_EX_NOT, begin, e, NULL);
    }
    return e;
}

static const mp_expr *negation(mp_parser *p) {
    uint32_t begin = mp_parser_token(p)->begin;
    if (!mp_parser_accept(p, MP_TOK_NOT)) return is_null(p);
    if (!enter(p)) return NULL;
    const mp_expr *e = negation(p);
    p->nesting--;
    return e ? node_of(p, MP_EX_NOT, begin, e, NULL) : NULL;
}

/* a and b and c is one node of three, so that long chains do not grow the tree. */
static const mp_expr *chain(mp_parser *p, mp_token_kind word, mp_ex_op op,
                            const mp_expr *(*operand)(mp_parser *)) {
    uint32_t begin = mp_parser_token(p)->begin;
    const mp_expr *e = operand(p);
    if (!e || mp_parser_kind(p) != word) return e;
    mp_expr_array args = {0};
    if (!mp_parser_push(p, &args, e)) return NULL;
    while (mp_parser_accept(p, word))
        if (!mp_parser_push(p, &args, operand(p))) return NULL;
    return node(p, op, &args, begin);
}

static const mp_expr *conjunction(mp_parser *p) {
    return chain(p, MP_TOK_AND, MP_EX_AND, negation);
}

const mp_expr *mp_parser_expr(mp_parser *p) {
    if (!enter(p)) return NULL;
    const mp_expr *e = chain(p, MP_TOK_OR, MP_EX_OR, conjunction);
    p->nesting--;
    return p->status == MP_OK ? e : NULL;
}

mp_status mp_expr_parse(const char *option, const char *text, bool aggregates, mp_arena *arena,
                        const mp_expr **out, mp_error *err) {
    mp_parser p;
    mp_status st = mp_parser_init(&p, option, text, aggregates, arena, err);
    if (st != MP_OK) return st;
    const mp_expr *e = mp_parser_expr(&p);
    if (e && mp_parser_kind(&p) != MP_TOK_END) mp_parser_expected(&p, "an operator");
    if (p.status != MP_OK) return p.status;
    *out = e;
    return MP_OK;
}
