/* match.c - like and ~. A like pattern without _ is cut at its % into pieces that are searched one
 * after the other; with _ it goes character by character. A regular expression is compiled once, by
 * PCRE2 with its just-in-time compiler. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "expr/prog.h"

/* ---- like ---- */

struct mp_like {
    mp_str pattern;
    bool any_char; /* has _ */
};

mp_like *mp_like_new(mp_str pattern, mp_arena *arena) {
    mp_like *l = mp_arena_alloc(arena, sizeof *l, 16);
    if (l) *l = (mp_like){pattern, pattern.len && memchr(pattern.p, '_', pattern.len)};
    return l;
}

/* The piece between two %: up to the next % or the end. */
static mp_str next_piece(const char *p, const char *end) {
    const char *stop = p < end ? memchr(p, '%', (size_t)(end - p)) : NULL;
    return mp_str_of(p, (size_t)((stop ? stop : end) - p));
}

static bool starts(const char *s, const char *end, mp_str piece) {
    return (size_t)(end - s) >= piece.len && (piece.len == 0 || memcmp(s, piece.p, piece.len) == 0);
}

/* The first piece is at the start, the last at the end, the others at the first place that is left
 * for them. */
static bool like_pieces(mp_str text, mp_str pattern) {
    const char *s = text.p, *s_end = s + text.len, *p = pattern.p, *p_end = p + pattern.len;
    mp_str piece = next_piece(p, p_end);
    if (!starts(s, s_end, piece)) return false;
    s += piece.len;
    p += piece.len;
    if (p == p_end) return s == s_end;
    for (;;) {
        piece = next_piece(++p, p_end);
        p += piece.len;
        if (p == p_end)
            return (size_t)(s_end - s) >= piece.len && starts(s_end - piece.len, s_end, piece);
        if (piece.len == 0) continue;
        const char *hit = memmem(s, (size_t)(s_end - s), piece.p, piece.len);
        if (!hit) return false;
        s = hit + piece.len;
    }
}

static const char *next_char(const char *s, const char *end) {
    s++;
    while (s < end && ((unsigned char)*s & 0xC0) == 0x80)
        s++;
    return s;
}

/* On a mismatch the last % takes one more character; earlier ones need never change. */
static bool like_chars(mp_str text, mp_str pattern) {
    const char *s = text.p, *s_end = s + text.len, *p = pattern.p, *p_end = p + pattern.len;
    const char *retry_s = NULL, *retry_p = NULL;
    for (;;) {
        if (p < p_end && *p == '%') {
            retry_p = ++p;
            retry_s = s;
        } else if (p < p_end && s < s_end && (*p == '_' || *p == *s)) {
            s = *p == '_' ? next_char(s, s_end) : s + 1;
            p++;
        } else if (p == p_end && s == s_end) {
            return true;
        } else if (retry_p && retry_s < s_end) {
            s = retry_s = next_char(retry_s, s_end);
            p = retry_p;
        } else {
            return false;
        }
    }
}

mp_status mp_run_like(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v[2];
    mp_status st = mp_ev_args(ev, nd, active, v);
    void *data;
    int32_t n;
    if (st == MP_OK) st = mp_ev_result(ev, MP_BOOL, v, 2, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    uint8_t *r = data;
    for (int32_t i = 0; i < n; i++) {
        mp_str text = v[0].c.str[mp_vec_at(&v[0], i)];
        mp_str pattern = v[1].c.str[mp_vec_at(&v[1], i)];
        if (!text.len) text.p = ""; /* under a null the pointer may be anything */
        if (!pattern.len) pattern.p = "";
        bool any_char = nd->like ? nd->like->any_char
                                 : pattern.len && memchr(pattern.p, '_', pattern.len) != NULL;
        r[i] = any_char ? like_chars(text, pattern) : like_pieces(text, pattern);
    }
    return MP_OK;
}

/* ---- regular expressions ---- */

struct mp_regex {
    mp_regex *next;
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

/* Can bytes be matched as bytes with the same answer? Only if nothing in the pattern stands for a
 * character outside ASCII. */
static bool is_plain_ascii(mp_str s) {
    for (uint32_t i = 0; i < s.len; i++) {
        char c = s.p[i], d = i + 1 < s.len ? s.p[i + 1] : 0;
        if ((unsigned char)c >= 0x80 || c == '.' || (c == '[' && d == '^') ||
            (c == '(' && (d == '?' || d == '*')))
            return false;
        if (c != '\\') continue;
        bool letter = (d >= 'a' && d <= 'z') || (d >= 'A' && d <= 'Z') || (d >= '0' && d <= '9');
        if (letter && !strchr("dwsbnrtAz", d)) return false;
        i++;
    }
    return true;
}

void mp_regex_free_all(mp_regex **list) {
    for (mp_regex *r = *list; r; r = r->next) {
        pcre2_code_free(r->code);
        pcre2_match_data_free(r->match);
        pcre2_match_context_free(r->context);
        pcre2_jit_stack_free(r->stack);
    }
    *list = NULL;
}

static void compile_error(const mp_expr *pattern, int code, size_t at, mp_error *err) {
    PCRE2_UCHAR text[200];
    if (pcre2_get_error_message(code, text, sizeof text) < 0) text[0] = 0;
    uint32_t pos = pattern->begin + 1 + (uint32_t)at;
    if (pos > pattern->end) pos = pattern->end;
    mp_ex_error_at(err, pattern->src, "bad regular expression", pos, "%s", (const char *)text);
}

mp_regex *mp_regex_new(const mp_expr *pattern, mp_arena *arena, mp_regex **list, mp_error *err) {
    mp_regex *r = mp_arena_alloc(arena, sizeof *r, 16);
    if (!r) {
        mp_mem_error(arena->mem, sizeof *r, err);
        return NULL;
    }
    *r = (mp_regex){.next = *list};
    *list = r;
    uint32_t options = is_plain_ascii(pattern->name) ? 0 : PCRE2_UTF | PCRE2_MATCH_INVALID_UTF;
    int code;
    size_t at;
    r->code = pcre2_compile((PCRE2_SPTR)pattern->name.p, pattern->name.len,
                            options | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    if (!r->code) {
        compile_error(pattern, code, at, err);
        return NULL;
    }
    pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* without it the interpreter runs */
    r->match = pcre2_match_data_create(1, NULL);
    r->context = pcre2_match_context_create(NULL);
    r->stack = pcre2_jit_stack_create(32 * 1024, 1024 * 1024, NULL);
    if (!r->match || !r->context || !r->stack) {
        mp_error_nomem(err, 1024 * 1024, 0);
        return NULL;
    }
    pcre2_jit_stack_assign(r->context, NULL, r->stack);
    return r;
}

static int match_one(const mp_regex *r, mp_str s) {
    PCRE2_SPTR text = (PCRE2_SPTR)(s.len ? s.p : "");
    int rc = pcre2_match(r->code, text, s.len, 0, 0, r->match, r->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(r->code, text, s.len, 0, PCRE2_NO_JIT, r->match, r->context);
    return rc;
}

mp_status mp_run_regex(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v;
    mp_status st = mp_node_run(ev, nd->args[0], active, &v);
    void *data;
    int32_t n;
    if (st == MP_OK) st = mp_ev_result(ev, MP_BOOL, &v, 1, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    uint8_t *r = data;
    for (int32_t i = 0, row; i < n; i++) {
        r[i] = 0;
        if (mp_vec_null(out, i)) continue;
        int rc = match_one(nd->regex, v.c.str[i]);
        r[i] = rc >= 0;
        if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH) continue;
        PCRE2_UCHAR why[200];
        if (!mp_ev_counts(ev, active, out->is_const, i, &row)) continue;
        if (pcre2_get_error_message(rc, why, sizeof why) < 0) why[0] = 0;
        char text[120];
        mp_ev_fail(ev, row, "'%s' gives up: %s", mp_expr_text(nd->e, text, sizeof text),
                   (const char *)why);
        mp_error_hint(ev->err, "nested repeats such as (a+)+ take too long; simplify the pattern");
        return MP_DATA;
    }
    return MP_OK;
}
