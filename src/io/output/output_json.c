/* output_json.c - one JSON object a line.
 * Invariant: every line is valid JSON in valid UTF-8, whatever bytes the strings have. */
#include "io/output/output_json.h"

#include <math.h>

#include "data/date.h"
#include "data/print_num.h"
#include "io/output/output_utf8.h"

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint64_t words2 __attribute__((vector_size(16)));

enum { ROOM = 64 }; /* more than any value that is not a string */

/* 16 bytes that a JSON string holds as they are. */
static bool all_plain(const uint8_t *p) {
    bytes16 v;
    memcpy(&v, p, sizeof v);
    words2 odd = (words2)((v < 0x20) | (v > 0x7F) | (v == '"') | (v == '\\'));
    return (odd[0] | odd[1]) == 0;
}

static uint8_t *put_escaped(uint8_t *to, uint8_t c) {
    static const char hex[] = "0123456789abcdef", letters[] = "btn\0fr";
    *to++ = '\\';
    if (c == '"' || c == '\\') {
        *to++ = c;
    } else if (c >= 8 && c <= 13 && c != 11) {
        *to++ = (uint8_t)letters[c - 8];
    } else {
        memcpy(to, "u00", 3);
        to[3] = (uint8_t)hex[c >> 4];
        to[4] = (uint8_t)hex[c & 15];
        to += 5;
    }
    return to;
}

/* The string in quotes; room for 6 bytes a byte and 2. Returns the end. */
static uint8_t *put_string(uint8_t *to, const uint8_t *p, size_t n) {
    size_t i = 0;
    *to++ = '"';
    while (i < n) {
        int32_t code;
        if (n - i >= 16 && all_plain(p + i)) {
            memcpy(to, p + i, 16);
            to += 16;
            i += 16;
            continue;
        }
        if (p[i] < 0x80) {
            uint8_t c = p[i++];
            if (c < 0x20 || c == '"' || c == '\\')
                to = put_escaped(to, c);
            else
                *to++ = c;
            continue;
        }
        size_t len = mp_utf8_next(p + i, n - i, &code);
        bool bad = code == MP_UTF8_BAD;
        memcpy(to, bad ? (const uint8_t *)"\xEF\xBF\xBD" : p + i, bad ? 3 : len);
        to += bad ? 3 : len;
        i += len;
    }
    *to++ = '"';
    return to;
}

void mp_json_put_string(mp_buf *b, const void *p, size_t n) {
    if (!mp_buf_reserve(b, 6 * n + 2)) return;
    b->len = (size_t)(put_string(b->data + b->len, p, n) - b->data);
}

static void put_text(mp_buf *out, const char *p, size_t n) {
    if (!mp_buf_reserve(out, 6 * n + 2)) return;
    out->len = (size_t)(put_string(out->data + out->len, (const uint8_t *)p, n) - out->data);
}

static uint8_t *put_word(uint8_t *to, const char *word) {
    size_t n = strlen(word);
    memcpy(to, word, n);
    return to + n;
}

static uint8_t *put_value(uint8_t *to, const mp_col *c, int64_t i) {
    switch (c->type) {
    case MP_BOOL:
        return put_word(to, c->b[i] ? "true" : "false");
    case MP_INT64:
        return to + mp_print_int64((char *)to, c->i64[i]);
    case MP_DECIMAL:
        return to + mp_print_decimal((char *)to, c->i64[i], c->scale);
    case MP_FLOAT64:
        if (!isfinite(c->f64[i])) return put_word(to, "null");
        return to + mp_print_double((char *)to, c->f64[i]);
    case MP_DATE:
    case MP_TIMESTAMP:
        *to++ = '"';
        to += c->type == MP_DATE ? mp_print_date((char *)to, c->i64[i])
                                 : mp_print_timestamp((char *)to, c->i64[i], (char)c->ts_sep);
        *to++ = '"';
        return to;
    default:
        return put_word(to, "null");
    }
}

/* {"a": for the first, ,"b": for the others, one behind the other; ends has the end of each. */
static void make_keys(const mp_text_args *a, mp_buf *keys, mp_buf *ends) {
    for (int c = 0; c < a->n_cols; c++) {
        mp_buf_u8(keys, c ? ',' : '{');
        put_text(keys, a->names[c], strlen(a->names[c]));
        mp_buf_u8(keys, ':');
        mp_buf_u64(ends, keys->len);
    }
}

static void put_row(const mp_buf *keys, const mp_buf *ends, const mp_batch *in, int64_t i,
                    mp_buf *out) {
    size_t from = 0;
    for (int c = 0; c < in->n_cols; c++) {
        const mp_col *col = &in->cols[c];
        uint64_t to;
        memcpy(&to, ends->data + (size_t)c * sizeof to, sizeof to);
        mp_buf_put(out, keys->data + from, (size_t)to - from);
        from = (size_t)to;
        if (col->type == MP_STRING && !mp_col_is_null(col, i)) {
            put_text(out, col->str[i].p, col->str[i].len);
        } else {
            if (!mp_buf_reserve(out, ROOM)) return;
            uint8_t *end = out->data + out->len;
            end = mp_col_is_null(col, i) ? put_word(end, "null") : put_value(end, col, i);
            out->len = (size_t)(end - out->data);
        }
    }
    mp_buf_put(out, in->n_cols ? "}\n" : "{}\n", in->n_cols ? 2 : 3);
}

void mp_json_rows(const mp_text_args *a, const mp_batch *in, mp_buf *out, mp_buf *row_ends) {
    mp_buf keys, ends;
    mp_buf_init(&keys, out->mem);
    mp_buf_init(&ends, out->mem);
    make_keys(a, &keys, &ends);
    if (keys.failed || ends.failed) {
        out->failed = true;
        out->cap = out->len;
    }
    for (int64_t i = 0; i < in->n_rows && !out->failed; i++) {
        put_row(&keys, &ends, in, i, out);
        if (row_ends) mp_buf_i64(row_ends, (int64_t)out->len);
    }
    mp_buf_release(&keys);
    mp_buf_release(&ends);
}
