/* json_line.c - see json_line.h. Strings are gone through 8 bytes at a time; nested values by a
 * stack of bits, so that their depth costs no recursion. */
#include "io/json/json_line.h"

#include <string.h>

enum { MAX_DEPTH = 1024 };

static const uint8_t *flawed(mp_json_members *m, const char *flaw) {
    m->flaw = flaw;
    return NULL;
}

static const uint8_t *blanks(const uint8_t *p, const uint8_t *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

/* ---- strings ---- */

/* 0x80 in the bytes of x that are c; above the first such there may be more than there are. */
static inline uint64_t bytes_that_are(uint64_t x, uint8_t c) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t y = x ^ ones * c;
    return (y - ones) & ~y & ones << 7;
}

/* The first quote, backslash, control character or byte 0xFF. */
static const uint8_t *plain_end(const uint8_t *p, const uint8_t *end) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    for (; end - p >= 8; p += 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        uint64_t stops = bytes_that_are(x, '"') | bytes_that_are(x, '\\') |
                         bytes_that_are(x, 0xFF) | ((x - ones * 0x20) & ~x & ones << 7);
        if (stops) return p + __builtin_ctzll(stops) / 8;
    }
    while (p < end && *p != '"' && *p != '\\' && *p >= 0x20 && *p != 0xFF)
        p++;
    return p;
}

int32_t mp_json_hex4(const uint8_t *p) {
    int32_t v = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        v = v << 4 | digit;
    }
    return v;
}

static bool is_low(int32_t v) {
    return v >= 0xDC00 && v < 0xE000;
}

/* Behind the escape at p. */
static const uint8_t *escape(mp_json_members *m, const uint8_t *p) {
    if (m->end - p < 2) return flawed(m, "not JSON: a string is not closed");
    if (p[1] != 'u') {
        bool known = p[1] && strchr("\"\\/bfnrt", p[1]);
        return known ? p + 2 : flawed(m, "not JSON: an unknown escape in a string");
    }
    int32_t v = m->end - p >= 6 ? mp_json_hex4(p + 2) : -1;
    if (v < 0) return flawed(m, "not JSON: an unknown escape in a string");
    if (v == 0) return flawed(m, "a string with \\u0000");
    if (v < 0xD800 || v >= 0xE000) return p + 6;
    bool pair = v < 0xDC00 && m->end - p >= 12 && p[6] == '\\' && p[7] == 'u';
    pair = pair && is_low(mp_json_hex4(p + 8));
    return pair ? p + 12 : flawed(m, "a string with half a surrogate pair");
}

/* Behind the string whose opening quote is p[-1]. */
static const uint8_t *string(mp_json_members *m, const uint8_t *p, mp_json_value *v) {
    *v = (mp_json_value){.p = p, .kind = MP_JSON_STRING};
    for (;;) {
        p = plain_end(p, m->end);
        if (p == m->end) return flawed(m, "not JSON: a string is not closed");
        if (*p == '"') break;
        if (*p < 0x20) return flawed(m, "not JSON: a control character in a string");
        if (*p == 0xFF) {
            v->odd = true;
            p++;
            continue;
        }
        v->escaped = true;
        p = escape(m, p);
        if (!p) return NULL;
    }
    v->len = (uint32_t)(p - v->p);
    return p + 1;
}

static size_t put_utf8(int32_t c, char *out) {
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(lead[n] | c);
    return n;
}

size_t mp_json_unescape(const uint8_t *p, size_t len, char *out) {
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        const uint8_t *next = memchr(p + i, '\\', len - i);
        size_t plain = next ? (size_t)(next - p) - i : len - i;
        memcpy(out + n, p + i, plain);
        n += plain;
        i += plain;
        if (!next) break;
        uint8_t c = p[i + 1];
        if (c != 'u') {
            const char *at = strchr(from, c);
            out[n++] = at ? to[at - from] : (char)c;
            i += 2;
            continue;
        }
        int32_t v = mp_json_hex4(p + i + 2);
        i += 6;
        if (v >= 0xD800 && v < 0xDC00) {
            v = 0x10000 + ((v - 0xD800) << 10) + (mp_json_hex4(p + i + 2) - 0xDC00);
            i += 6;
        }
        n += put_utf8(v, out + n);
    }
    return n;
}

/* ---- numbers and words ---- */

static const uint8_t *digits(const uint8_t *p, const uint8_t *end) {
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* Behind the number at p, NULL: it is none. */
static const uint8_t *number(const uint8_t *p, const uint8_t *end) {
    const uint8_t *from;
    p += p < end && *p == '-';
    from = p;
    p = digits(p, end);
    if (p == from || (*from == '0' && p - from > 1)) return NULL;
    if (p < end && *p == '.') {
        from = ++p;
        p = digits(p, end);
        if (p == from) return NULL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        from = p;
        p = digits(p, end);
        if (p == from) return NULL;
    }
    return p;
}

/* Behind the value at p, which is neither an array nor an object. */
static const uint8_t *scalar(mp_json_members *m, const uint8_t *p, mp_json_value *v) {
    static const char *const words[] = {"true", "false", "null"};
    if (p == m->end) return flawed(m, "not JSON: the line ends too early");
    if (*p == '"') return string(m, p + 1, v);
    *v = (mp_json_value){.p = p, .kind = MP_JSON_WORD};
    const uint8_t *behind = NULL;
    if (*p == '-' || (*p >= '0' && *p <= '9')) {
        behind = number(p, m->end);
    } else {
        for (int i = 0; i < 3 && !behind; i++) {
            size_t n = strlen(words[i]);
            if ((size_t)(m->end - p) < n || memcmp(p, words[i], n) != 0) continue;
            behind = p + n;
            if (i == 2) v->kind = MP_JSON_NULL;
        }
    }
    if (!behind) return flawed(m, "not JSON: a value is missing or has no form of one");
    v->len = (uint32_t)(behind - p);
    return behind;
}

/* ---- nested values ---- */

/* Behind the colon of the key at p. */
static const uint8_t *key_at(mp_json_members *m, const uint8_t *p, mp_json_value *key) {
    if (p == m->end || *p != '"') return flawed(m, "not JSON: a key is missing");
    p = string(m, p + 1, key);
    if (!p) return NULL;
    p = blanks(p, m->end);
    if (p == m->end || *p != ':') return flawed(m, "not JSON: a colon is missing");
    return blanks(p + 1, m->end);
}

/* Which containers are open: a bit for each, 1 for an object. */
typedef struct {
    uint64_t bits[MAX_DEPTH / 64];
    int depth;
} nest;

static bool in_object(const nest *n) {
    int top = n->depth - 1;
    return n->bits[top / 64] >> (top % 64) & 1;
}

static void open_one(nest *n, bool object) {
    uint64_t bit = UINT64_C(1) << (n->depth % 64), *word = &n->bits[n->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    n->depth++;
}

/* Behind a value: closes what ends here, and goes to the next value; n->depth 0: all is closed. */
static const uint8_t *go_on(mp_json_members *m, const uint8_t *p, nest *n) {
    mp_json_value key;
    while (n->depth > 0) {
        p = blanks(p, m->end);
        if (p == m->end) return flawed(m, "not JSON: the line ends too early");
        bool object = in_object(n);
        if (*p == ',') {
            p = blanks(p + 1, m->end);
            return object ? key_at(m, p, &key) : p;
        }
        if (*p != (object ? '}' : ']')) return flawed(m, "not JSON: a comma or bracket is missing");
        p++;
        n->depth--;
    }
    return p;
}

/* Behind the array or object at p. */
static const uint8_t *nested(mp_json_members *m, const uint8_t *p, mp_json_value *v) {
    const uint8_t *from = p;
    mp_json_value part;
    nest n;
    n.depth = 0;
    do {
        bool object = p < m->end && *p == '{';
        if (object || (p < m->end && *p == '[')) {
            if (n.depth == MAX_DEPTH) return flawed(m, "nested deeper than 1024 levels");
            open_one(&n, object);
            p = blanks(p + 1, m->end);
            bool empty = p < m->end && *p == (object ? '}' : ']');
            if (!empty) {
                if (object) p = key_at(m, p, &part);
                if (!p) return NULL;
                continue;
            }
        } else {
            p = scalar(m, p, &part);
            if (!p) return NULL;
        }
        p = go_on(m, p, &n);
        if (!p) return NULL;
    } while (n.depth > 0);
    *v = (mp_json_value){
        .p = from, .len = (uint32_t)(p - from), .kind = MP_JSON_NESTED, .odd = true};
    return p;
}

const uint8_t *mp_json_behind_nested(const uint8_t *p, const uint8_t *end) {
    mp_json_members m = {.end = end};
    mp_json_value v;
    return nested(&m, p, &v);
}

/* ---- members ---- */

bool mp_json_open(mp_json_members *m, const uint8_t *p, size_t n) {
    *m = (mp_json_members){.end = p + n, .first = true};
    m->at = blanks(p, m->end);
    if (m->at == m->end) return false;
    if (*m->at++ == '{') return true;
    flawed(m, "not a JSON object");
    return false;
}

bool mp_json_member(mp_json_members *m, mp_json_value *key, mp_json_value *value) {
    const uint8_t *p = blanks(m->at, m->end);
    if (p == m->end) {
        flawed(m, "not JSON: the line ends too early");
        return false;
    }
    if (*p == '}') {
        if (blanks(p + 1, m->end) != m->end) flawed(m, "text behind the object");
        return false;
    }
    if (!m->first) {
        if (*p != ',') {
            flawed(m, "not JSON: a comma or bracket is missing");
            return false;
        }
        p = blanks(p + 1, m->end);
    }
    m->first = false;
    size_t left = (size_t)(m->end - p);
    m->guessed = m->guess_len && m->guess_len <= left && memcmp(p, m->guess, m->guess_len) == 0;
    p = m->guessed ? blanks(p + m->guess_len, m->end) : key_at(m, p, key);
    if (!p) return false;
    bool nests = p < m->end && (*p == '{' || *p == '[');
    p = nests ? nested(m, p, value) : scalar(m, p, value);
    m->at = p;
    return p != NULL;
}
