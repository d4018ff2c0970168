/* eval_text.c - functions of texts. Characters are those of UTF-8 (a byte that is no continuation
 * starts one); letters change case in ASCII only, whatever the locale. Results are views of their
 * argument where they can be. */
#include "expr/prog.h"

static mp_status start(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *v,
                       mp_vec *out, void **data, int32_t *n) {
    mp_status st = mp_ev_args(ev, nd, active, v);
    return st == MP_OK ? mp_ev_result(ev, nd->type, v, nd->n_args, out, data, n) : st;
}

static inline mp_str str_at(const mp_vec *v, int64_t i) {
    mp_str s = v->c.str[mp_vec_at(v, i)];
    return s.len ? s : mp_str_of("", 0); /* under a null the pointer may be anything */
}

static inline bool is_continuation(char c) {
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* ---- lower, upper, trim ---- */

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static mp_str trimmed(mp_str s) {
    while (s.len > 0 && is_blank(s.p[0])) {
        s.p++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.p[s.len - 1]))
        s.len--;
    return mp_str_of(s.p, s.len);
}

static mp_status change_case(mp_eval *ev, const mp_vec *v, bool upper, mp_str *r, int32_t n) {
    size_t total = 0;
    for (int32_t i = 0; i < n; i++)
        total += v->c.str[i].len;
    char *to = mp_ev_alloc(ev, total);
    if (!to) return MP_NOMEM;
    const char first = upper ? 'a' : 'A';
    for (int32_t i = 0; i < n; i++) {
        mp_str s = v->c.str[i];
        for (uint32_t k = 0; k < s.len; k++) {
            char c = s.p[k];
            bool letter = (unsigned char)(c - first) < 26;
            to[k] = (char)(c ^ (letter ? 0x20 : 0));
        }
        r[i] = mp_str_of(to, s.len);
        to += s.len;
    }
    return MP_OK;
}

mp_status mp_run_map_text(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v;
    void *data;
    int32_t n;
    mp_status st = start(ev, nd, active, &v, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    mp_str *r = data;
    if (nd->op != MP_EX_TRIM) return change_case(ev, &v, nd->op == MP_EX_UPPER, r, n);
    for (int32_t i = 0; i < n; i++)
        r[i] = trimmed(v.c.str[i]);
    return MP_OK;
}

mp_status mp_run_length(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v;
    void *data;
    int32_t n;
    mp_status st = start(ev, nd, active, &v, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    int64_t *r = data;
    for (int32_t i = 0; i < n; i++) {
        mp_str s = v.c.str[i];
        int64_t chars = 0;
        for (uint32_t k = 0; k < s.len; k++)
            chars += !is_continuation(s.p[k]);
        r[i] = chars;
    }
    return MP_OK;
}

/* ---- substr ---- */

/* Bytes of the first n characters. */
static uint32_t skip_chars(mp_str s, int64_t n) {
    uint32_t k = 0;
    if (n >= s.len) return s.len;
    while (n > 0 && k < s.len) {
        k++;
        while (k < s.len && is_continuation(s.p[k]))
            k++;
        n--;
    }
    return k;
}

/* Characters from .. from + n - 1, of which those before the first do not exist (as in standard
 * SQL). */
static mp_str substr(mp_str s, int64_t from, int64_t n) {
    int64_t end; /* the character behind the last */
    if (n < 0 || __builtin_add_overflow(from, n, &end)) end = n < 0 ? from : INT64_MAX;
    if (from < 1) from = 1;
    if (end <= from) return mp_str_of(s.p, 0);
    uint32_t a = skip_chars(s, from - 1);
    mp_str rest = mp_str_of(s.p + a, s.len - a);
    rest.len = skip_chars(rest, end - from);
    return rest;
}

mp_status mp_run_substr(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v[3];
    void *data;
    int32_t n;
    mp_status st = start(ev, nd, active, v, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    mp_str *r = data;
    for (int32_t i = 0; i < n; i++) {
        int64_t len = nd->n_args == 3 ? v[2].c.i64[mp_vec_at(&v[2], i)] : INT64_MAX;
        r[i] = substr(str_at(&v[0], i), v[1].c.i64[mp_vec_at(&v[1], i)], len);
    }
    return MP_OK;
}

/* ---- concat ---- */

static mp_status too_long(mp_eval *ev, const mp_node *nd, int32_t row) {
    char text[120];
    return mp_ev_fail(ev, row, "'%s' gives a text of more than 4 GiB",
                      mp_expr_text(nd->e, text, sizeof text));
}

mp_status mp_run_concat(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec *v = mp_ev_alloc(ev, (size_t)nd->n_args * sizeof *v);
    void *data;
    int32_t n;
    if (!v) return MP_NOMEM;
    mp_status st = start(ev, nd, active, v, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    mp_str *r = data;
    size_t total = 0;
    for (int32_t i = 0, row; i < n; i++) {
        size_t len = 0;
        for (int32_t k = 0; k < nd->n_args; k++)
            len += str_at(&v[k], i).len;
        if (len > UINT32_MAX || mp_vec_null(out, i)) {
            if (len > UINT32_MAX && !mp_vec_null(out, i) &&
                mp_ev_counts(ev, active, out->is_const, i, &row))
                return too_long(ev, nd, row);
            len = 0;
        }
        r[i] = mp_str_of("", len);
        total += len;
    }
    char *to = mp_ev_alloc(ev, total);
    if (!to) return MP_NOMEM;
    for (int32_t i = 0; i < n; i++) {
        if (r[i].len == 0) continue;
        r[i].p = to;
        for (int32_t k = 0; k < nd->n_args; k++) {
            mp_str s = str_at(&v[k], i);
            if (s.len) memcpy(to, s.p, s.len);
            to += s.len;
        }
    }
    return MP_OK;
}

/* ---- replace ---- */

static const char *find(const char *p, const char *end, mp_str what) {
    return memmem(p, (size_t)(end - p), what.p, what.len);
}

/* s with every from made to; *len is the result's. Writes only where out is given. */
static void replace_in(mp_str s, mp_str from, mp_str to, char *out, size_t *len) {
    const char *p = s.p, *end = s.p + s.len;
    *len = 0;
    while (p < end) {
        const char *hit = find(p, end, from);
        size_t before = (size_t)((hit ? hit : end) - p);
        if (out && before) memcpy(out + *len, p, before);
        *len += before;
        if (!hit) return;
        if (out && to.len) memcpy(out + *len, to.p, to.len);
        *len += to.len;
        p = hit + from.len;
    }
}

mp_status mp_run_replace(mp_eval *ev, const mp_node *nd, const uint8_t *active, mp_vec *out) {
    mp_vec v[3];
    void *data;
    int32_t n;
    mp_status st = start(ev, nd, active, v, out, &data, &n);
    if (st != MP_OK || n == 0) return st;
    mp_str *r = data;
    for (int32_t i = 0, row; i < n; i++) {
        mp_str s = str_at(&v[0], i), from = str_at(&v[1], i), to = str_at(&v[2], i);
        r[i] = mp_str_of(s.p, s.len);
        if (mp_vec_null(out, i)) r[i].len = 0;
        if (r[i].len == 0 || from.len == 0 || !find(s.p, s.p + s.len, from)) continue;
        size_t len;
        replace_in(s, from, to, NULL, &len);
        if (len > UINT32_MAX) {
            if (mp_ev_counts(ev, active, out->is_const, i, &row)) return too_long(ev, nd, row);
            continue;
        }
        char *bytes = mp_arena_alloc(ev->arena, len + 1, 1);
        if (!bytes) return mp_mem_error(ev->arena->mem, len + 1, ev->err);
        replace_in(s, from, to, bytes, &len);
        r[i] = mp_str_of(bytes, len);
    }
    return MP_OK;
}
