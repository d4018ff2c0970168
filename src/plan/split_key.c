/* split_key.c - see split_key.h. */
#include "plan/split_key.h"

#include <xxhash.h>

#include "data/date.h"
#include "data/decimal.h"
#include "data/print_num.h"
#include "io/output/output.h"

enum { BETWEEN = 0x1F, MOST_EXACT_BITS = 53, ROOM = 64 };
_Static_assert((int)MP_NUM_MAX < ROOM && (int)MP_DATE_TEXT_MAX < ROOM, "every value fits");

static size_t double_text(char *to, double v) {
    size_t n = mp_print_double(to, v);
    return n > 2 && memcmp(to + n - 2, ".0", 2) == 0 ? n - 2 : n;
}

static size_t int_text(char *to, int64_t v) {
    const int64_t most = (int64_t)1 << MOST_EXACT_BITS;
    return v >= -most && v <= most ? mp_print_int64(to, v) : double_text(to, (double)v);
}

static size_t timestamp_text(char *to, int64_t us) {
    if (mp_timestamp_day_us(us) == 0) return mp_print_date(to, mp_timestamp_days(us));
    return mp_print_timestamp(to, us, ' ');
}

/* Can the text say anything but a string? */
static bool may_say_more(mp_str s) {
    if (s.len == 0) return false;
    unsigned char a = (unsigned char)s.p[0], b = s.len > 1 ? (unsigned char)(s.p[1] | 32) : 0;
    if (a <= '9') return a >= '0' || a == '-' || a == '+' || a == '.' || a == ' ' || a == '\t';
    switch (a | 32) {
    case 'i':
        return b == 'n';
    case 'n':
    case 'f':
        return b == 'a';
    case 't':
        return b == 'r';
    default:
        return false;
    }
}

/* The canonical form of a string; *to may be left alone, and s itself is it. */
static mp_str string_text(mp_str s, char *to) {
    mp_value v;
    size_t n = 0;
    if (!may_say_more(s)) return s;
    mp_value_of_text(s.p, s.len, &v);
    if (v.e.seen & MP_SEEN_INT)
        n = int_text(to, v.i);
    else if (v.e.seen & (MP_SEEN_DECIMAL | MP_SEEN_FLOAT))
        n = double_text(to, v.f);
    else if (v.e.seen & MP_SEEN_BOOL)
        *to = v.i ? '1' : '0', n = 1;
    else if (v.e.seen & (MP_SEEN_TS_T | MP_SEEN_TS_SPACE))
        n = timestamp_text(to, v.i);
    else
        return s; /* a date is its text already */
    return mp_str_of(to, n);
}

/* The canonical text of value i, in to (ROOM bytes) or where the value lies. */
static mp_str value_text(const mp_col *c, int64_t i, char *to) {
    size_t n = 0;
    if (c->type == MP_NULL || mp_col_is_null(c, i)) {
        *to = 0;
        return mp_str_of(to, 1);
    }
    switch (c->type) {
    case MP_BOOL:
        *to = c->b[i] ? '1' : '0';
        n = 1;
        break;
    case MP_INT64:
        n = int_text(to, c->i64[i]);
        break;
    case MP_DECIMAL:
        n = double_text(to, mp_decimal_to_double(c->i64[i], c->scale));
        break;
    case MP_FLOAT64:
        n = double_text(to, c->f64[i]);
        break;
    case MP_DATE:
        n = mp_print_date(to, c->i64[i]);
        break;
    case MP_TIMESTAMP:
        n = timestamp_text(to, c->i64[i]);
        break;
    default:
        return string_text(c->str[i], to);
    }
    return mp_str_of(to, n);
}

void mp_split_key_text(const mp_batch *in, const int *at, int n, int64_t i, mp_buf *out) {
    char room[ROOM];
    for (int k = 0; k < n; k++) {
        mp_str text = value_text(&in->cols[at[k]], i, room);
        if (k > 0) mp_buf_u8(out, BETWEEN);
        mp_buf_put(out, text.p, text.len);
    }
}

mp_status mp_split_key_hash(const mp_batch *in, const int *at, int n, uint64_t *hash,
                            mp_error *err) {
    mp_buf text;
    char room[ROOM];
    mp_status st = MP_OK;
    mp_buf_init(&text, NULL);
    for (int32_t i = 0; i < in->n_rows && !st; i++) {
        if (n == 1) {
            mp_str s = value_text(&in->cols[at[0]], i, room);
            hash[i] = XXH64(s.p, s.len, 0);
            continue;
        }
        mp_buf_clear(&text);
        mp_split_key_text(in, at, n, i, &text);
        st = mp_buf_check(&text, err);
        if (!st) hash[i] = XXH64(text.data, text.len, 0);
    }
    mp_buf_release(&text);
    return st;
}

/* One value, as a row of NDJSON writes it behind its name. */
static void value_json(const mp_batch *in, int at, int64_t i, mp_buf *out) {
    static const char *const no_name[] = {""};
    const mp_text_args args = {.format = MP_FORMAT_NDJSON, .n_cols = 1, .names = no_name};
    static const size_t before = sizeof "{\"\":" - 1, behind = sizeof "}\n" - 1;
    mp_col c = in->cols[at];
    uint8_t valid = !(c.type == MP_NULL || mp_col_is_null(&c, i));
    c.valid = &valid;
    if (valid) c.p = (const char *)c.p + (size_t)i * (size_t)mp_type_width(c.type);
    const mp_batch one = {.n_rows = 1, .n_cols = 1, .cols = &c};
    size_t from = out->len;
    mp_text_rows(&args, &one, out, NULL);
    if (out->failed || out->len < from + before + behind) return;
    out->len -= before + behind;
    memmove(out->data + from, out->data + from + before, out->len - from);
}

void mp_split_key_json(const mp_batch *in, const int *at, int n, int64_t i, mp_buf *out) {
    if (n != 1) mp_buf_u8(out, '[');
    for (int k = 0; k < n; k++) {
        if (k > 0) mp_buf_u8(out, ',');
        value_json(in, at[k], i, out);
    }
    if (n != 1) mp_buf_u8(out, ']');
}
