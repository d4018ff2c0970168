/* ast.c - making, comparing and quoting nodes; the message with a caret. */
#include "expr/ast.h"

#include <stdarg.h>

mp_expr *mp_expr_make(mp_arena *arena, const mp_ex_source *src, mp_ex_op op, int32_t n_args,
                      uint32_t begin, uint32_t end) {
    mp_expr *e = mp_arena_alloc(arena, sizeof *e, 16);
    if (!e) return NULL;
    *e = (mp_expr){.op = op, .height = 1, .src = src, .begin = begin, .end = end};
    if (n_args == 0) return e;
    e->args = mp_arena_alloc(arena, (size_t)n_args * sizeof *e->args, 16);
    e->n_args = n_args;
    return e->args ? e : NULL;
}

mp_str mp_ex_copy(mp_arena *arena, const char *p, size_t n) {
    char *q = mp_arena_alloc(arena, n + 1, 1);
    if (!q) return (mp_str){0};
    if (n) memcpy(q, p, n);
    q[n] = 0;
    return mp_str_of(q, n);
}

static bool same_literal(const mp_expr *a, const mp_expr *b) {
    if (a->type != b->type) return false;
    if (a->type == MP_STRING) return mp_str_eq(a->name, b->name);
    return a->type == MP_FLOAT64 ? a->f64 == b->f64 : a->i64 == b->i64 && a->scale == b->scale;
}

bool mp_expr_equal(const mp_expr *a, const mp_expr *b) {
    if (a == b) return true;
    if (a->op != b->op || a->n_args != b->n_args) return false;
    if (a->op == MP_EX_LITERAL) return same_literal(a, b);
    if (a->op == MP_EX_COLUMN) return mp_str_eq(a->name, b->name);
    if (a->op == MP_EX_AGG &&
        (a->agg.fn != b->agg.fn || a->agg.q != b->agg.q || a->agg.k != b->agg.k))
        return false;
    bool median = a->op == MP_EX_AGG && a->agg.fn == MP_AGG_QUANTILE;
    for (int32_t i = 0; i < (median ? 1 : a->n_args); i++)
        if (!mp_expr_equal(a->args[i], b->args[i])) return false;
    return true;
}

static size_t cut_utf8(const char *p, size_t n) {
    while (n > 0 && ((unsigned char)p[n] & 0xC0) == 0x80)
        n--;
    return n;
}

/* Control characters would break the line of a message. */
static void make_printable(char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)p[i] < ' ' || p[i] == 127) p[i] = ' ';
}

const char *mp_expr_text(const mp_expr *e, char *out, size_t cap) {
    const char *from = e->src->text + e->begin;
    size_t n = e->end - e->begin;
    if (n < cap) {
        memcpy(out, from, n);
        out[n] = 0;
    } else {
        n = cut_utf8(from, cap - 4);
        memcpy(out, from, n);
        memcpy(out + n, "...", 4);
        n += 3;
    }
    make_printable(out, n);
    return out;
}

/* "hint: " stands before the text, so the caret's line gets six more blanks. */
static void caret_hint(mp_error *err, const mp_ex_source *src, uint32_t pos) {
    enum { BEFORE = 50, AFTER = 30 };
    size_t from = pos > BEFORE ? cut_utf8(src->text, pos - BEFORE) : 0;
    size_t to = src->len - pos > AFTER ? cut_utf8(src->text, pos + AFTER) : src->len;
    char line[BEFORE + AFTER + 16];
    size_t n = to - from;
    if (n >= sizeof line) n = sizeof line - 1;
    memcpy(line, src->text + from, n);
    line[n] = 0;
    make_printable(line, n);
    int column = from > 0 ? 3 : 0;
    for (size_t i = from; i < pos; i++)
        column += ((unsigned char)src->text[i] & 0xC0) != 0x80;
    mp_error_hint(err, "%s%s%s\n%*s^", from > 0 ? "..." : "", line, to < src->len ? "..." : "",
                  column + 6, "");
}

static mp_status set_error(mp_error *err, const mp_ex_source *src, const char *what,
                           const char *why_fmt, va_list args) {
    char head[160], why[512];
    snprintf(head, sizeof head, "%s in %s", what, src->option);
    vsnprintf(why, sizeof why, why_fmt, args);
    make_printable(why, strlen(why));
    return mp_error_set(err, MP_USAGE, head, "%s", why);
}

mp_status mp_ex_error_at(mp_error *err, const mp_ex_source *src, const char *what, uint32_t pos,
                         const char *why_fmt, ...) {
    if (!err || err->status != MP_OK) return MP_USAGE;
    va_list args;
    va_start(args, why_fmt);
    set_error(err, src, what, why_fmt, args);
    va_end(args);
    caret_hint(err, src, pos);
    return MP_USAGE;
}

mp_status mp_ex_error(mp_error *err, const mp_ex_source *src, const char *what, const char *why_fmt,
                      ...) {
    va_list args;
    va_start(args, why_fmt);
    mp_status st = set_error(err, src, what, why_fmt, args);
    va_end(args);
    return st;
}
