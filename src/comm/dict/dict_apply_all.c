/* dict_apply_all.c - operations on all the keys that a rank owns: lists of them by pattern, their number, clearing.
 * Invariant: a list that has no memory, or would not fit in a message, is an error and never a shorter list. */
#include "comm/dict/dict_apply.h"
#include "comm/dict/dict_call.h"

typedef struct {
    mp_dict_call *c;
    const uint8_t *pattern;
    size_t n_pattern;
    uint32_t type; /* 0: any */
    uint32_t n;
    bool too_long;
} listing;

enum { LIST_BYTES_MAX = MP_DICT_VALUE_MAX };

/* Does the class behind '[' at *at have ch? *at is left at its ']' or the last character. */
static bool class_has(const uint8_t *p, size_t n, size_t *at, uint8_t ch) {
    bool not = false, found = false;
    size_t i = *at + 1;
    if (i < n && p[i] == '^') {
        not = true;
        i++;
    }
    for (; i < n && p[i] != ']'; i++) {
        if (p[i] == '\\' && i + 1 < n) {
            i++;
            found = found || p[i] == ch;
        } else if (i + 2 < n && p[i + 1] == '-') {
            uint8_t low = p[i] < p[i + 2] ? p[i] : p[i + 2];
            uint8_t high = p[i] < p[i + 2] ? p[i + 2] : p[i];
            found = found || (ch >= low && ch <= high);
            i += 2;
        } else {
            found = found || p[i] == ch;
        }
    }
    *at = i < n ? i : n - 1;
    return found != not ;
}

/* The item of the pattern at *at takes ch; *at is then behind it. */
static bool takes(const uint8_t *p, size_t n, size_t *at, uint8_t ch) {
    bool ok;
    if (p[*at] == '?') {
        ok = true;
    } else if (p[*at] == '[') {
        ok = class_has(p, n, at, ch);
    } else {
        if (p[*at] == '\\' && *at + 1 < n) ++*at;
        ok = p[*at] == ch;
    }
    ++*at;
    return ok;
}

bool mp_dict_matches(const uint8_t *pattern, size_t n_pattern, const uint8_t *text, size_t n_text) {
    size_t at = 0, i = 0, star = SIZE_MAX, star_i = 0;
    while (i < n_text) {
        if (at < n_pattern && pattern[at] == '*') {
            star = at++;
            star_i = i;
            continue;
        }
        size_t next = at;
        if (at < n_pattern && takes(pattern, n_pattern, &next, text[i])) {
            at = next;
            i++;
        } else if (star != SIZE_MAX) {
            /* only the last star has to be given more */
            at = star + 1;
            i = ++star_i;
        } else {
            return false;
        }
    }
    while (at < n_pattern && pattern[at] == '*')
        at++;
    return at == n_pattern;
}

static bool list_key(void *ctx, const mp_dict_entry *e) {
    listing *l = ctx;
    mp_buf *out = l->c->out;
    if (l->type && e->type != l->type) return true;
    if (!mp_dict_matches(l->pattern, l->n_pattern, e->key, e->key_len)) return true;
    if (out->len + e->key_len > LIST_BYTES_MAX) l->too_long = true;
    if (l->too_long) return false;
    mp_dict_put_bytes(out, e->key, e->key_len);
    l->n++;
    return !out->failed;
}

static size_t open_list(mp_dict_call *c) {
    mp_buf_u8(c->out, MP_DICT_LIST);
    mp_buf_u32(c->out, 0);
    return c->out->len - 4;
}

static void close_list(const listing *l, size_t at) {
    mp_buf *out = l->c->out;
    if (out->failed) return;
    if (l->too_long) {
        out->len = at - 1;
        mp_dict_answer_code(l->c, MP_DICT_TOO_LONG);
    } else {
        memcpy(out->data + at, &l->n, 4);
    }
}

static void scan(mp_dict_call *c) {
    listing l = {.c = c};
    uint64_t from = mp_rd_u64(&c->args);
    uint32_t count = mp_rd_u32(&c->args);
    l.pattern = mp_rd_bytes(&c->args, &l.n_pattern);
    l.type = mp_rd_u32(&c->args);
    if (c->args.bad || count == 0) {
        mp_dict_answer_code(c, MP_DICT_BAD_RECORD);
        return;
    }
    size_t at = open_list(c), place_at = c->out->len + 1;
    mp_dict_put_int(c->out, 0);
    l.n = 1;
    uint64_t next = mp_dict_table_scan(c->table, from, count, list_key, &l);
    if (!c->out->failed && !l.too_long) memcpy(c->out->data + place_at, &next, 8);
    close_list(&l, at);
}

static void keys(mp_dict_call *c) {
    listing l = {.c = c};
    l.pattern = mp_rd_bytes(&c->args, &l.n_pattern);
    if (c->args.bad) {
        mp_dict_answer_code(c, MP_DICT_BAD_RECORD);
        return;
    }
    size_t at = open_list(c);
    mp_dict_table_each(c->table, list_key, &l);
    close_list(&l, at);
}

void mp_dict_apply_all(mp_dict_call *c) {
    int64_t n = (int64_t)c->table->n;
    if (c->r.op == MP_DICT_KEYS || c->r.op == MP_DICT_SCAN) {
        if (!mp_dict_answers(c))
            return;
        else if (c->r.op == MP_DICT_KEYS)
            keys(c);
        else
            scan(c);
        return;
    }
    if (c->r.op == MP_DICT_CLEAR) mp_dict_table_clear(c->table);
    mp_dict_answer_int(c, n);
}
