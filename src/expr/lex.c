/* lex.c - cut the text of an expression into tokens. ASCII rules, whatever the locale; bytes above
 * 127 belong to names. */
#include "expr/lex.h"

typedef struct {
    const mp_ex_source *src;
    mp_arena *arena;
    uint32_t at;
    mp_token *tok;
    uint32_t n;
} lexer;

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_name_char(char c) {
    return is_name_start(c) || is_digit(c) || c == '.';
}

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The text ends with a NUL, which belongs to no class. */
static char peek(const lexer *lx, uint32_t ahead) {
    return lx->at + ahead < lx->src->len ? lx->src->text[lx->at + ahead] : 0;
}

static mp_token_kind keyword(mp_str word) {
    static const struct {
        const char *word;
        mp_token_kind kind;
    } list[] = {{"and", MP_TOK_AND},         {"or", MP_TOK_OR},
                {"not", MP_TOK_NOT},         {"in", MP_TOK_IN},
                {"is", MP_TOK_IS},           {"like", MP_TOK_LIKE},
                {"between", MP_TOK_BETWEEN}, {"null", MP_TOK_NULL},
                {"true", MP_TOK_TRUE},       {"false", MP_TOK_FALSE},
                {"case", MP_TOK_CASE},       {"when", MP_TOK_WHEN},
                {"then", MP_TOK_THEN},       {"else", MP_TOK_ELSE},
                {"end", MP_TOK_FINISH},      {"as", MP_TOK_AS}};
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        if (mp_str_eq_nocase(word, list[i].word)) return list[i].kind;
    return MP_TOK_NAME;
}

static mp_status lex_number(lexer *lx, mp_token *t, mp_error *err) {
    while (is_digit(peek(lx, 0)))
        lx->at++;
    if (peek(lx, 0) == '.') {
        lx->at++;
        while (is_digit(peek(lx, 0)))
            lx->at++;
    }
    char e = peek(lx, 0);
    if (e == 'e' || e == 'E') {
        uint32_t skip = peek(lx, 1) == '+' || peek(lx, 1) == '-' ? 2 : 1;
        if (is_digit(peek(lx, skip))) {
            lx->at += skip;
            while (is_digit(peek(lx, 0)))
                lx->at++;
        }
    }
    if (is_name_char(peek(lx, 0)))
        return mp_ex_error_at(err, lx->src, "syntax error", lx->at, "a number runs into a word");
    t->kind = MP_TOK_NUMBER;
    return MP_OK;
}

/* A quoted text or name; the quote doubled inside stands for itself, nothing else is special. */
static mp_status lex_quoted(lexer *lx, mp_token *t, mp_error *err) {
    const char *text = lx->src->text;
    char quote = text[lx->at];
    uint32_t i = lx->at + 1, doubled = 0;
    for (;; i++) {
        if (i >= lx->src->len)
            return mp_ex_error_at(err, lx->src, "syntax error", lx->at,
                                  "the quote %c is never closed", quote);
        if (text[i] != quote) continue;
        if (i + 1 < lx->src->len && text[i + 1] == quote) {
            doubled++;
            i++;
            continue;
        }
        break;
    }
    const char *from = text + lx->at + 1;
    uint32_t len = i - lx->at - 1;
    t->value = mp_str_of(from, len);
    if (doubled) {
        char *p = mp_arena_alloc(lx->arena, len, 1);
        if (!p) return mp_mem_error(lx->arena->mem, len, err);
        uint32_t n = 0;
        for (uint32_t k = 0; k < len; k++) {
            p[n++] = from[k];
            if (from[k] == quote) k++;
        }
        t->value = mp_str_of(p, n);
    }
    t->kind = quote == '`' ? MP_TOK_QUOTED : MP_TOK_TEXT;
    lx->at = i + 1;
    if (t->kind == MP_TOK_QUOTED && (t->value.len == 0 || t->value.p[0] == '\x01'))
        return mp_ex_error_at(err, lx->src, "syntax error", t->begin, "no column has this name");
    return MP_OK;
}

static mp_status lex_symbol(lexer *lx, mp_token *t, mp_error *err) {
    static const struct {
        char text[3];
        mp_token_kind kind;
    } list[] = {{"==", MP_TOK_EQ},     {"!=", MP_TOK_NE},   {"<>", MP_TOK_NE},
                {"<=", MP_TOK_LE},     {">=", MP_TOK_GE},   {"<", MP_TOK_LT},
                {">", MP_TOK_GT},      {"=", MP_TOK_EQ},    {"(", MP_TOK_LPAREN},
                {")", MP_TOK_RPAREN},  {",", MP_TOK_COMMA}, {"+", MP_TOK_PLUS},
                {"-", MP_TOK_MINUS},   {"*", MP_TOK_STAR},  {"/", MP_TOK_SLASH},
                {"%", MP_TOK_PERCENT}, {"~", MP_TOK_TILDE}};
    char c = peek(lx, 0), d = peek(lx, 1);
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        if (list[i].text[0] != c || (list[i].text[1] && list[i].text[1] != d)) continue;
        t->kind = list[i].kind;
        lx->at += list[i].text[1] ? 2 : 1;
        return MP_OK;
    }
    const char *advice = c == '&'   ? "; write 'and'"
                         : c == '|' ? "; write 'or', and concat(a, b) to join texts"
                         : c == '!' ? "; write 'not'"
                         : c == ';' ? "; one expression is all there is"
                         : c == '[' ? "; a column's name goes in backticks"
                                    : "";
    if (c > ' ' && c < 127)
        return mp_ex_error_at(err, lx->src, "syntax error", lx->at, "unexpected '%c'%s", c, advice);
    return mp_ex_error_at(err, lx->src, "syntax error", lx->at, "unexpected byte 0x%02x",
                          (unsigned)(unsigned char)c);
}

static mp_status lex_one(lexer *lx, mp_token *t, mp_error *err) {
    while (is_blank(peek(lx, 0)))
        lx->at++;
    *t = (mp_token){.begin = lx->at};
    char c = peek(lx, 0);
    mp_status st = MP_OK;
    if (lx->at >= lx->src->len) {
        t->kind = MP_TOK_END;
    } else if (is_digit(c) || (c == '.' && is_digit(peek(lx, 1)))) {
        st = lex_number(lx, t, err);
    } else if (is_name_start(c)) {
        while (is_name_char(peek(lx, 0)))
            lx->at++;
        t->value = mp_str_of(lx->src->text + t->begin, lx->at - t->begin);
        t->kind = keyword(t->value);
    } else if (c == '\'' || c == '"' || c == '`') {
        st = lex_quoted(lx, t, err);
    } else {
        st = lex_symbol(lx, t, err);
    }
    t->end = lx->at;
    return st;
}

mp_status mp_ex_lex(const mp_ex_source *src, mp_arena *arena, mp_token **out, mp_error *err) {
    lexer lx = {.src = src, .arena = arena};
    uint32_t cap = 32;
    lx.tok = mp_arena_alloc(arena, cap * sizeof *lx.tok, 16);
    for (;;) {
        if (lx.n == cap && lx.tok) {
            mp_token *wider = mp_arena_alloc(arena, 2 * cap * sizeof *wider, 16);
            if (wider) memcpy(wider, lx.tok, cap * sizeof *wider);
            lx.tok = wider;
            cap *= 2;
        }
        if (!lx.tok) return mp_mem_error(arena->mem, cap * sizeof *lx.tok, err);
        mp_token *t = &lx.tok[lx.n++];
        mp_status st = lex_one(&lx, t, err);
        if (st != MP_OK) return st;
        if (t->kind == MP_TOK_END) break;
    }
    *out = lx.tok;
    return MP_OK;
}
