/* parse_list.c - comma-separated lists of expressions: --select, --by, --agg, --sort. */
#include "expr/parser.h"

static const char *take_name(mp_parser *p) {
    const mp_token *t = mp_parser_token(p);
    bool word = t->kind == MP_TOK_NAME || t->kind == MP_TOK_QUOTED || t->kind == MP_TOK_TEXT ||
                t->kind >= MP_TOK_AND;
    if (!word || t->value.len == 0) {
        mp_parser_expected(p, "a name");
        return NULL;
    }
    p->i++;
    mp_str s = mp_ex_copy(p->arena, t->value.p, t->value.len);
    if (!s.p) mp_parser_nomem(p, t->value.len);
    return s.p;
}

/* "desc" or "asc" behind a sort key, as in SQL. */
static void take_direction(mp_parser *p, mp_expr_item *item) {
    if (mp_parser_kind(p) != MP_TOK_NAME) return;
    mp_str word = mp_parser_token(p)->value;
    bool desc = mp_str_eq_nocase(word, "desc");
    if (!desc && !mp_str_eq_nocase(word, "asc")) return;
    if (desc) item->descending = !item->descending;
    p->i++;
}

static void take_item(mp_parser *p, mp_list_kind kind, mp_expr_item *item) {
    *item = (mp_expr_item){0};
    if (kind == MP_LIST_SELECT && mp_parser_kind(p) == MP_TOK_STAR) {
        p->i++;
        item->text = "*";
        return;
    }
    if (kind == MP_LIST_SORT && mp_parser_accept(p, MP_TOK_MINUS)) item->descending = true;
    uint32_t begin = mp_parser_token(p)->begin;
    item->expr = mp_parser_expr(p);
    if (!item->expr) return;
    uint32_t end = p->tok[p->i - 1].end;
    mp_str text = mp_ex_copy(p->arena, p->src->text + begin, end - begin);
    if (!text.p) mp_parser_nomem(p, end - begin);
    item->text = text.p;
    if (kind == MP_LIST_SORT)
        take_direction(p, item);
    else if (mp_parser_accept(p, MP_TOK_AS))
        item->name = take_name(p);
}

static bool grow(mp_parser *p, mp_expr_item **items, int *cap) {
    int wider = *cap ? *cap * 2 : 8;
    mp_expr_item *q = mp_arena_alloc(p->arena, (size_t)wider * sizeof *q, 16);
    if (!q) {
        mp_parser_nomem(p, (size_t)wider * sizeof *q);
        return false;
    }
    if (*cap) memcpy(q, *items, (size_t)*cap * sizeof *q);
    *items = q;
    *cap = wider;
    return true;
}

mp_status mp_expr_parse_list(const char *option, const char *text, mp_list_kind kind,
                             mp_arena *arena, mp_expr_item **items, int *n, mp_error *err) {
    mp_parser p;
    bool aggregates = kind == MP_LIST_AGG || kind == MP_LIST_SORT;
    mp_status st = mp_parser_init(&p, option, text, aggregates, arena, err);
    if (st != MP_OK) return st;
    mp_expr_item *list = NULL;
    int count = 0, cap = 0;
    do {
        if (count >= MP_EXPR_ITEMS) {
            p.status = mp_ex_error_at(err, p.src, "syntax error", mp_parser_token(&p)->begin,
                                      "more than %d items", MP_EXPR_ITEMS);
        }
        if (p.status == MP_OK && (count < cap || grow(&p, &list, &cap)))
            take_item(&p, kind, &list[count++]);
    } while (p.status == MP_OK && mp_parser_accept(&p, MP_TOK_COMMA));
    if (p.status == MP_OK && mp_parser_kind(&p) != MP_TOK_END)
        mp_parser_expected(&p, kind == MP_LIST_SORT ? "',' or an operator"
                                                    : "',', 'as' or an operator");
    if (p.status != MP_OK) return p.status;
    *items = list;
    *n = count;
    return MP_OK;
}
