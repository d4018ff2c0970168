/* h5_pickle.c - the literal subset of a pickle: texts, numbers, lists, tuples, dicts. pandas keeps the
 * names of a table's columns in that form.
 * Format: Python's pickletools, protocols 0 to 4.
 * Invariant: nothing is ever called or made: an object of a class is one opaque value, and every step
 * of the machine consumes a byte, so it ends. */
#include <stdlib.h>

#include "io/h5/h5_in.h"

typedef enum { OPAQUE, MARK, NONE, TEXT, NUMBER, ITEMS, DICT } kind;

typedef struct value value;
struct value {
    kind kind;
    const char *text; /* TEXT; NUMBER: its digits */
    value **items;    /* ITEMS; DICT: keys and values in turn */
    size_t n, cap;
};

typedef struct {
    const uint8_t *p, *end;
    mp_arena *arena;
    value **stack, **memo;
    size_t depth, n_memo, cap;
    bool bad;
} machine;

static value *make(machine *m, kind k) {
    value *v = mp_arena_alloc(m->arena, sizeof *v, 16);
    if (!v) {
        m->bad = true;
        return NULL;
    }
    *v = (value){.kind = k};
    return v;
}

static void push(machine *m, value *v) {
    if (v && m->depth < m->cap)
        m->stack[m->depth++] = v;
    else
        m->bad = true;
}

static value *pop(machine *m) {
    if (m->depth > 0) return m->stack[--m->depth];
    m->bad = true;
    return NULL;
}

static value *top(machine *m) {
    if (m->depth > 0) return m->stack[m->depth - 1];
    m->bad = true;
    return NULL;
}

static void add(machine *m, value *to, value *v) {
    if (!to || !v || (to->kind != ITEMS && to->kind != DICT)) return;
    if (to->n == to->cap) {
        size_t cap = to->cap ? 2 * to->cap : 8;
        value **grown = mp_arena_alloc(m->arena, cap * sizeof *grown, 16);
        if (!grown) {
            m->bad = true;
            return;
        }
        if (to->n) memcpy(grown, to->items, to->n * sizeof *grown);
        to->items = grown;
        to->cap = cap;
    }
    to->items[to->n++] = v;
}

/* Place of the topmost mark. */
static size_t mark_at(machine *m) {
    for (size_t i = m->depth; i-- > 0;)
        if (m->stack[i]->kind == MARK) return i;
    m->bad = true;
    return m->depth;
}

/* All above the mark go into to, which comes in the mark's place where it is new. */
static void collect(machine *m, value *fresh) {
    size_t at = mark_at(m);
    if (m->bad) return;
    value *to = fresh ? fresh : at > 0 ? m->stack[at - 1] : NULL;
    for (size_t i = at + 1; i < m->depth; i++)
        add(m, to, m->stack[i]);
    m->depth = at;
    if (fresh) push(m, fresh);
}

static void put_memo(machine *m, size_t at) {
    if (at < m->cap && m->depth > 0) m->memo[at] = m->stack[m->depth - 1];
}

static void get_memo(machine *m, size_t at) {
    push(m, at < m->cap ? m->memo[at] : NULL);
}

static uint64_t number(machine *m, size_t n) {
    uint64_t v = 0;
    if ((size_t)(m->end - m->p) < n) {
        m->bad = true;
        return 0;
    }
    for (size_t i = n; i-- > 0;)
        v = v << 8 | m->p[i];
    m->p += n;
    return v;
}

static void push_text(machine *m, kind k, const uint8_t *p, size_t n) {
    value *v = make(m, k);
    char *text = v ? mp_arena_alloc(m->arena, n + 1, 1) : NULL;
    if (!text) {
        m->bad = true;
        return;
    }
    memcpy(text, p, n);
    text[n] = 0;
    v->text = text;
    push(m, v);
}

static void push_int(machine *m, int64_t i) {
    char text[24];
    int n = snprintf(text, sizeof text, "%lld", (long long)i);
    push_text(m, NUMBER, (const uint8_t *)text, (size_t)n);
}

/* Text behind a length. */
static void counted(machine *m, uint64_t n) {
    if (m->bad || n > (uint64_t)(m->end - m->p)) {
        m->bad = true;
        return;
    }
    push_text(m, TEXT, m->p, (size_t)n);
    m->p += n;
}

static size_t line(machine *m, const uint8_t **p) {
    const uint8_t *nl = memchr(m->p, '\n', (size_t)(m->end - m->p));
    *p = m->p;
    if (!nl) {
        m->bad = true;
        return 0;
    }
    m->p = nl + 1;
    return (size_t)(nl - *p);
}

static size_t put_utf8(char *to, uint32_t c) {
    if (c < 0x80) return to[0] = (char)c, 1;
    if (c < 0x800) {
        to[0] = (char)(0xC0 | c >> 6);
        to[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    size_t n = c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        to[i] = (char)(0x80 | (c & 63));
    to[0] = (char)((n == 3 ? 0xE0 : 0xF0) | c);
    return n;
}

/* A line of text with \u and \U escapes, else Latin-1. */
static void escaped_line(machine *m) {
    const uint8_t *p;
    size_t n = line(m, &p), k = 0;
    char *out = m->bad ? NULL : mp_arena_alloc(m->arena, 2 * n + 8, 1);
    if (!out) {
        m->bad = true;
        return;
    }
    for (size_t i = 0; i < n;) {
        size_t digits = p[i] == '\\' && i + 1 < n ? (p[i + 1] == 'u'   ? 4
                                                     : p[i + 1] == 'U' ? 8
                                                                       : 0)
                                                  : 0;
        uint32_t c = p[i];
        if (digits && i + 2 + digits <= n) {
            char hex[9] = {0};
            memcpy(hex, p + i + 2, digits);
            c = (uint32_t)strtoul(hex, NULL, 16) & 0x1FFFFF;
            i += 2 + digits;
        } else {
            i++;
        }
        k += put_utf8(out + k, c);
    }
    push_text(m, TEXT, (const uint8_t *)out, k);
}

/* 'text' or "text" on a line. */
static void quoted_line(machine *m) {
    const uint8_t *p;
    size_t n = line(m, &p);
    if (m->bad) return;
    if (n >= 2 && (p[0] == '\'' || p[0] == '"') && p[n - 1] == p[0]) p++, n -= 2;
    push_text(m, TEXT, p, n);
}

/* I12, I01 (true), L12L, F1.5 */
static void number_line(machine *m) {
    const uint8_t *p;
    size_t n = line(m, &p);
    if (m->bad) return;
    if (n > 1 && p[n - 1] == 'L') n--;
    push_text(m, NUMBER, p, n);
}

static size_t index_line(machine *m) {
    const uint8_t *p;
    size_t n = line(m, &p), v = 0;
    for (size_t i = 0; i < n && v < SIZE_MAX / 16; i++)
        v = v * 10 + (size_t)(p[i] - '0') % 10;
    return v;
}

static void tuple(machine *m, size_t n) {
    value *v = make(m, ITEMS);
    if (m->depth < n) m->bad = true;
    for (size_t i = m->depth - n; !m->bad && i < m->depth; i++)
        add(m, v, m->stack[i]);
    if (m->bad) return;
    m->depth -= n;
    push(m, v);
}

static void set_item(machine *m) {
    value *v = pop(m), *k = pop(m), *to = top(m);
    if (m->bad || to->kind != DICT) return;
    add(m, to, k);
    add(m, to, v);
}

static void append(machine *m) {
    value *v = pop(m);
    add(m, top(m), v);
}

/* An object of a class: what made it is forgotten. */
static void opaque(machine *m, size_t n_popped) {
    for (size_t i = 0; i < n_popped; i++)
        pop(m);
    if (!m->bad) push(m, make(m, OPAQUE));
}

static void containers(machine *m, uint8_t op) {
    switch (op) {
    case '(':
        push(m, make(m, MARK));
        break;
    case ']':
    case ')':
        push(m, make(m, ITEMS));
        break;
    case '}':
        push(m, make(m, DICT));
        break;
    case 'l':
    case 't':
        collect(m, make(m, ITEMS));
        break;
    case 'd':
        collect(m, make(m, DICT));
        break;
    case 'e':
    case 'u':
        collect(m, NULL);
        break;
    case 'a':
        append(m);
        break;
    case 's':
        set_item(m);
        break;
    case 0x85:
        tuple(m, 1);
        break;
    case 0x86:
        tuple(m, 2);
        break;
    case 0x87:
        tuple(m, 3);
        break;
    default:
        m->bad = true;
    }
}

static void scalars(machine *m, uint8_t op) {
    switch (op) {
    case 'N':
        push(m, make(m, NONE));
        break;
    case 'V':
        escaped_line(m);
        break;
    case 'S':
        quoted_line(m);
        break;
    case 'I':
    case 'L':
    case 'F':
        number_line(m);
        break;
    case 'X':
    case 'T':
        counted(m, number(m, 4));
        break;
    case 'U':
    case 0x8c:
        counted(m, number(m, 1));
        break;
    case 0x8d:
        counted(m, number(m, 8));
        break;
    case 'K':
        push_int(m, (int64_t)number(m, 1));
        break;
    case 'M':
        push_int(m, (int64_t)number(m, 2));
        break;
    case 'J':
        push_int(m, (int32_t)number(m, 4));
        break;
    case 'G':
        number(m, 8);
        push(m, make(m, OPAQUE));
        break;
    case 0x88:
    case 0x89:
        push_int(m, op == 0x88);
        break;
    case 0x8a: {
        size_t n = number(m, 1);
        if (n > 8)
            opaque(m, 0), m->bad |= (size_t)(m->end - m->p) < n, m->p += m->bad ? 0 : n;
        else
            push_int(m, (int64_t)number(m, n));
        break;
    }
    default:
        containers(m, op);
    }
}

static void step(machine *m, uint8_t op) {
    const uint8_t *p;
    switch (op) {
    case 0x80:
        number(m, 1);
        break;
    case 0x95:
        number(m, 8);
        break;
    case '0':
        pop(m);
        break;
    case '2':
        push(m, top(m));
        break;
    case 'p':
        put_memo(m, index_line(m));
        break;
    case 'q':
        put_memo(m, number(m, 1));
        break;
    case 'r':
        put_memo(m, number(m, 4));
        break;
    case 0x94:
        put_memo(m, m->n_memo++);
        break;
    case 'g':
        get_memo(m, index_line(m));
        break;
    case 'h':
        get_memo(m, number(m, 1));
        break;
    case 'j':
        get_memo(m, number(m, 4));
        break;
    case 'c':
        line(m, &p);
        line(m, &p);
        opaque(m, 0);
        break;
    case 0x93:
    case 'R':
    case 0x81:
        opaque(m, 2);
        break;
    case 'b':
        pop(m);
        break;
    default:
        scalars(m, op);
    }
}

/* The value that the pickle is; NULL: another thing, or no memory. */
static value *load(const uint8_t *p, size_t n, mp_arena *arena) {
    machine m = {.p = p, .end = p + n, .arena = arena, .cap = n + 1};
    m.stack = mp_arena_alloc(arena, m.cap * sizeof *m.stack, 16);
    m.memo = mp_arena_alloc(arena, m.cap * sizeof *m.memo, 16);
    if (!m.stack || !m.memo) return NULL;
    memset(m.memo, 0, m.cap * sizeof *m.memo);
    while (!m.bad && m.p < m.end) {
        uint8_t op = *m.p++;
        if (op == '.') return pop(&m);
        step(&m, op);
    }
    return NULL;
}

static bool all_texts(const value *v) {
    if (v->kind != ITEMS) return false;
    for (size_t i = 0; i < v->n; i++)
        if (v->items[i]->kind != TEXT && v->items[i]->kind != NUMBER) return false;
    return true;
}

int64_t mp_h5_pickle_texts(const uint8_t *p, size_t n, mp_arena *arena, const char ***out) {
    const value *v = load(p, n, arena);
    /* [(1, [...])]: the innermost last one */
    for (int i = 0; i < 4 && v && v->kind == ITEMS && !all_texts(v) && v->n > 0; i++)
        v = v->items[v->n - 1];
    if (!v || !all_texts(v)) return -1;
    const char **texts = mp_arena_alloc(arena, (v->n + 1) * sizeof *texts, 16);
    if (!texts) return -1;
    for (size_t i = 0; i < v->n; i++)
        texts[i] = v->items[i]->text;
    *out = texts;
    return (int64_t)v->n;
}

static const value *under(const value *v, const char *key) {
    for (size_t i = 0; v && v->kind == DICT && i + 1 < v->n; i += 2) {
        const value *k = v->items[i];
        if ((k->kind == TEXT || k->kind == NUMBER) && strcmp(k->text, key) == 0)
            return v->items[i + 1];
    }
    return NULL;
}

const char *mp_h5_pickle_under(const uint8_t *p, size_t n, const char *outer, const char *key,
                               mp_arena *arena) {
    const value *v = load(p, n, arena);
    if (outer) v = under(v, outer);
    v = under(v, key);
    return v && (v->kind == TEXT || v->kind == NUMBER) ? v->text : NULL;
}
