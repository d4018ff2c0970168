/* resp.c - commands of RESP2 and inline commands, read as they come; answers.
 * Invariant: between two calls everything before `at` is in args, wanted and bulk. */
#include "io/resp.h"

#include <stdio.h>

#include "data/parse_num.h"
#include "data/print_num.h"

enum { ARGS_KEEP = 4096, NUMBER_LINE_MAX = 64 };

void mp_resp_parser_init(mp_resp_parser *r, mp_mem *mem) {
    *r = (mp_resp_parser){.mem = mem, .wanted = -1, .bulk = -1};
}

void mp_resp_parser_release(mp_resp_parser *r) {
    mp_mem_free(r->mem, r->args);
    mp_resp_parser_init(r, r->mem);
}

static bool add_arg(mp_resp_parser *r, size_t from, size_t n) {
    if (r->n_args == r->cap_args) {
        size_t cap = r->cap_args ? 2 * r->cap_args : 8;
        mp_resp_arg *args = mp_mem_realloc(r->mem, r->args, cap * sizeof *args);
        if (!args) return false;
        r->args = args;
        r->cap_args = cap;
    }
    r->args[r->n_args++] = (mp_resp_arg){(const uint8_t *)from, n};
    return true;
}

static mp_resp_result broken(mp_resp_parser *r, const char *why) {
    snprintf(r->why, sizeof r->why, "ERR Protocol error: %s", why);
    return MP_RESP_BROKEN;
}

/* The end of the line that begins at r->at: the offset of its newline; -1: not there yet. */
static int64_t line_end(mp_resp_parser *r, const uint8_t *p, size_t n) {
    size_t from = r->searched > r->at ? r->searched : r->at;
    const uint8_t *end = n > from ? memchr(p + from, '\n', n - from) : NULL;
    if (end) return end - p;
    r->searched = n;
    return -1;
}

/* The number behind the first character of a line; false: there is none. */
static bool line_number(const uint8_t *p, size_t from, size_t end, int64_t *out) {
    if (end > from && p[end - 1] == '\r') end--;
    const char *text = (const char *)p + from;
    size_t n = end - from;
    if (n == 0 || n > 20 || text[0] == ' ' || text[n - 1] == ' ') return false;
    return mp_parse_int64(text, n, out);
}

static mp_resp_result read_count(mp_resp_parser *r, const uint8_t *p, size_t n) {
    int64_t end = line_end(r, p, n), count;
    if (end < 0)
        return n > MP_RESP_INLINE_MAX ? broken(r, "too big mbulk count string") : MP_RESP_MORE;
    if (!line_number(p, 1, (size_t)end, &count) || count > MP_RESP_ARGS_MAX)
        return broken(r, "invalid multibulk length");
    r->wanted = count > 0 ? count : 0;
    r->at = (size_t)end + 1;
    return MP_RESP_COMMAND;
}

static mp_resp_result read_length(mp_resp_parser *r, const uint8_t *p, size_t n) {
    char why[40];
    if (r->at >= n) return MP_RESP_MORE;
    if (p[r->at] != '$') {
        uint8_t ch = p[r->at];
        snprintf(why, sizeof why, "expected '$', got '%c'", ch < ' ' || ch > 126 ? '?' : ch);
        return broken(r, why);
    }
    int64_t end = line_end(r, p, n);
    if (end < 0)
        return n - r->at > MP_RESP_INLINE_MAX ? broken(r, "too big bulk count string")
                                              : MP_RESP_MORE;
    if (!line_number(p, r->at + 1, (size_t)end, &r->bulk) || r->bulk < 0 ||
        r->bulk > MP_RESP_BULK_MAX)
        return broken(r, "invalid bulk length");
    r->at = (size_t)end + 1;
    return MP_RESP_COMMAND;
}

static mp_resp_result read_arrays(mp_resp_parser *r, const uint8_t *p, size_t n) {
    mp_resp_result s = r->wanted < 0 ? read_count(r, p, n) : MP_RESP_COMMAND;
    while (s == MP_RESP_COMMAND && (int64_t)r->n_args < r->wanted) {
        if (r->bulk < 0) {
            s = read_length(r, p, n);
            continue;
        }
        size_t len = (size_t)r->bulk;
        if (n - r->at < len + 2) return MP_RESP_MORE;
        if (!add_arg(r, r->at, len)) return MP_RESP_NOMEM;
        r->at += len + 2;
        r->bulk = -1;
    }
    return s;
}

/* ---- commands that are not wanted ---- */

void mp_resp_pass_over(mp_resp_parser *r) {
    r->passing = true;
    r->passed = 0;
    if (r->at == 0) r->n_args = 0;
}

size_t mp_resp_least_bytes(const mp_resp_parser *r) {
    return r->at + (r->bulk >= 0 ? (size_t)r->bulk + 2 : 0);
}

/* The argument that comes next, as far as it is there. */
static mp_resp_result pass_argument(mp_resp_parser *r, size_t n) {
    size_t left = n - r->at, wanted = (size_t)r->bulk + 2 - r->passed;
    if (left < wanted) {
        r->passed += left;
        r->at = n;
        return MP_RESP_MORE;
    }
    r->at += wanted;
    r->passed = 0;
    r->bulk = -1;
    r->n_args++;
    return MP_RESP_COMMAND;
}

/* An inline command, as far as it is there; passed tells that its beginning is gone. */
static mp_resp_result pass_line(mp_resp_parser *r, const uint8_t *p, size_t n) {
    int64_t end = line_end(r, p, n);
    r->at = end < 0 ? n : (size_t)end + 1;
    r->passed = end < 0;
    return end < 0 ? MP_RESP_MORE : MP_RESP_COMMAND;
}

static mp_resp_result pass(mp_resp_parser *r, const uint8_t *p, size_t n, size_t *used) {
    mp_resp_result s = MP_RESP_COMMAND;
    if (r->wanted < 0) s = p[0] == '*' && r->passed == 0 ? read_count(r, p, n) : pass_line(r, p, n);
    while (s == MP_RESP_COMMAND && (int64_t)r->n_args < r->wanted)
        s = r->bulk < 0 ? read_length(r, p, n) : pass_argument(r, n);
    if (s == MP_RESP_MORE && r->bulk < 0 && n - r->at > NUMBER_LINE_MAX)
        s = broken(r, "too long a number"); /* there may be no room for more of it */
    *used = r->at;
    if (s == MP_RESP_COMMAND) {
        r->wanted = r->bulk = -1;
        r->searched = 0;
        r->passing = false;
        s = MP_RESP_PASSED;
    }
    r->searched = r->searched > r->at ? r->searched - r->at : 0;
    r->at = 0;
    return s;
}

/* ---- inline commands ---- */

static int hex_digit(uint8_t ch) {
    return ch >= '0' && ch <= '9'   ? ch - '0'
           : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
           : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                    : -1;
}

/* The character behind a backslash at *i, which is left behind it. */
static uint8_t unescape(const uint8_t *p, size_t end, size_t *i) {
    uint8_t ch = p[(*i)++];
    if (ch == 'x' && end - *i >= 2 && hex_digit(p[*i]) >= 0 && hex_digit(p[*i + 1]) >= 0) {
        int v = hex_digit(p[*i]) * 16 + hex_digit(p[*i + 1]);
        *i += 2;
        return (uint8_t)v;
    }
    switch (ch) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return ch;
    }
}

/* One argument from *i, unquoted to where it began; false: a quote is not closed, or something follows it. */
static bool inline_arg(uint8_t *p, size_t end, size_t *i, size_t *len) {
    size_t out = *i, from = *i;
    uint8_t quote = 0;
    for (; *i < end;) {
        uint8_t ch = p[*i];
        if (!quote && (ch == ' ' || ch == '\t' || ch == '\r')) break;
        ++*i;
        if (!quote && (ch == '"' || ch == '\'')) {
            quote = ch;
        } else if (quote && ch == quote) {
            quote = 0;
            if (*i < end && p[*i] != ' ' && p[*i] != '\t' && p[*i] != '\r') return false;
        } else if (quote == '"' && ch == '\\' && *i < end) {
            p[out++] = unescape(p, end, i);
        } else if (quote == '\'' && ch == '\\' && *i < end && p[*i] == '\'') {
            p[out++] = p[(*i)++];
        } else {
            p[out++] = ch;
        }
    }
    *len = out - from;
    return !quote;
}

static mp_resp_result read_inline(mp_resp_parser *r, uint8_t *p, size_t n) {
    int64_t newline = line_end(r, p, n);
    if (newline < 0 && n <= MP_RESP_INLINE_MAX) return MP_RESP_MORE;
    if (newline < 0 || newline > MP_RESP_INLINE_MAX) return broken(r, "too big inline request");
    size_t end = (size_t)newline, len;
    for (size_t i = 0; i < end;) {
        if (p[i] == ' ' || p[i] == '\t' || p[i] == '\r') {
            i++;
            continue;
        }
        size_t from = i;
        if (!inline_arg(p, end, &i, &len)) return broken(r, "unbalanced quotes in request");
        if (!add_arg(r, from, len)) {
            r->searched = end; /* unquoted newlines stand before it now */
            return MP_RESP_NOMEM;
        }
    }
    r->at = end + 1;
    return MP_RESP_COMMAND;
}

mp_resp_result mp_resp_parse(mp_resp_parser *r, uint8_t *p, size_t n, size_t *used) {
    if (n == 0) return MP_RESP_MORE;
    if (r->passing) return pass(r, p, n, used);
    if (r->at == 0) r->n_args = 0;
    if (r->at == 0 && r->cap_args > ARGS_KEEP) {
        mp_mem_free(r->mem, r->args);
        r->args = NULL;
        r->cap_args = 0;
    }
    mp_resp_result s = p[0] == '*' ? read_arrays(r, p, n) : read_inline(r, p, n);
    if (s != MP_RESP_COMMAND) return s;
    for (size_t i = 0; i < r->n_args; i++)
        r->args[i].p = p + (uintptr_t)r->args[i].p;
    *used = r->at;
    r->wanted = r->bulk = -1;
    r->at = r->searched = 0;
    return MP_RESP_COMMAND;
}

/* ---- answers ---- */

static void put_head(mp_buf *b, char mark, int64_t v) {
    char text[MP_NUM_MAX + 3];
    text[0] = mark;
    size_t n = 1 + mp_print_int64(text + 1, v);
    text[n] = '\r';
    text[n + 1] = '\n';
    mp_buf_put(b, text, n + 2);
}

void mp_resp_put_int(mp_buf *b, int64_t v) {
    put_head(b, ':', v);
}

void mp_resp_put_bulk(mp_buf *b, const void *p, size_t n) {
    put_head(b, '$', (int64_t)n);
    mp_buf_put(b, p, n);
    mp_buf_put(b, "\r\n", 2);
}

void mp_resp_put_nil(mp_buf *b) {
    mp_buf_put(b, "$-1\r\n", 5);
}

void mp_resp_put_array(mp_buf *b, size_t n) {
    put_head(b, '*', (int64_t)n);
}

void mp_resp_put_line(mp_buf *b, const char *line) {
    mp_buf_put(b, line, strcspn(line, "\r\n"));
    mp_buf_put(b, "\r\n", 2);
}
