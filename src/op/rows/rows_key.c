/* rows_key.c - values as bytes in order. Each value begins with a byte that says enough of it to
 * order it among all others of its type: null 0xFF, in both directions.
 *   int, date, timestamp   0x80 + n, or 0x7F - n where negative; the n low bytes that say more than
 *                          the sign, high first
 *   decimal                0x80 zero; 0x94 + place of the first digit before the point, or 0x6B -
 *                          place where negative; the digits in pairs, 2 * pair + 1, the last one
 *                          2 * pair; inverted where negative
 *   float                  0x01; 8 bytes
 *   string                 0x01; the bytes, 0 as 1 1 and 1 as 1 2; 0
 *   bool                   0x01 or 0x02
 * Descending keys are these bytes inverted. The pairs of decimals are those of SQLite 4's key
 * encoding. */
#include "op/rows/rows_key.h"

#include "data/decimal.h"

enum {
    NULL_BYTE = 0xFF,
    VALUE_BYTE = 1,
    ZERO_BYTE = 0x80,
    ROOM = 24 /* of any value but a string */
};

static uint8_t *put_big_endian(uint8_t *to, uint64_t v) {
    v = __builtin_bswap64(v);
    memcpy(to, &v, 8);
    return to + 8;
}

static uint8_t *put_int(uint8_t *to, int64_t v) {
    uint64_t u = v < 0 ? ~(uint64_t)v : (uint64_t)v;
    int n = u ? (64 - __builtin_clzll(u) + 7) / 8 : 0;
    *to++ = (uint8_t)(v < 0 ? ZERO_BYTE - 1 - n : ZERO_BYTE + n);
    put_big_endian(to, n ? (uint64_t)v << (64 - 8 * n) : 0);
    return to + n;
}

/* Ascending as numbers; NaN above all; -0 as 0. */
static uint8_t *put_double(uint8_t *to, double v) {
    uint64_t u;
    if (v == 0) v = 0;
    memcpy(&u, &v, 8);
    u = u >> 63 ? ~u : u | (uint64_t)1 << 63;
    *to++ = VALUE_BYTE;
    return put_big_endian(to, v != v ? UINT64_MAX : u);
}

/* u > 0 */
static int count_digits(uint64_t u) {
    int n = (64 - __builtin_clzll(u)) * 1233 >> 12;
    if (n > MP_SCALE_MAX) n = MP_SCALE_MAX;
    return n + (u >= (uint64_t)mp_pow10_i64[n]);
}

/* Eight digits as four pairs. */
static void put_pairs(uint8_t *to, uint32_t v) {
    uint32_t high = v / 10000, low = v % 10000;
    to[0] = (uint8_t)(high / 100 * 2 + 1);
    to[1] = (uint8_t)(high % 100 * 2 + 1);
    to[2] = (uint8_t)(low / 100 * 2 + 1);
    to[3] = (uint8_t)(low % 100 * 2 + 1);
}

static uint8_t *put_decimal(uint8_t *to, int64_t v, int scale) {
    if (v == 0) {
        *to = ZERO_BYTE;
        return to + 1;
    }
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    int digits = count_digits(u), place = digits - scale + 20, n = 4;
    *to++ = (uint8_t)(v < 0 ? ZERO_BYTE - 1 - place : ZERO_BYTE + place);
    u *= (uint64_t)mp_pow10_i64[19 - digits]; /* 19 digits */
    put_pairs(to, (uint32_t)(u / 100000000000));
    uint64_t rest = u % 100000000000; /* 11 digits */
    if (rest) {
        put_pairs(to + 4, (uint32_t)(rest / 1000));
        put_pairs(to + 8, (uint32_t)(rest % 1000 * 100000));
        n = 10;
    }
    while (to[n - 1] == 1)
        n--;
    to[n - 1]--;
    for (int i = 0; v < 0 && i < n; i++)
        to[i] = (uint8_t)~to[i];
    return to + n;
}

static inline bool has_low_byte(uint64_t w) {
    return ((w - 0x0202020202020202) & ~w & 0x8080808080808080) != 0;
}

static inline uint8_t *put_byte(uint8_t *to, uint8_t b) {
    if (b <= 1) {
        *to++ = 1;
        b++;
    }
    *to = b;
    return to + 1;
}

static inline uint32_t load4(const char *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

/* Room for twice its length and ROOM. */
static uint8_t *put_text(uint8_t *to, mp_str s) {
    const char *p = s.p, *end = p + s.len;
    *to++ = VALUE_BYTE;
    while (end - p >= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        if (has_low_byte(w)) {
            for (int i = 0; i < 8; i++)
                to = put_byte(to, (uint8_t)*p++);
            continue;
        }
        memcpy(to, &w, 8);
        p += 8;
        to += 8;
    }
    size_t n = (size_t)(end - p);
    if (n >= 4) {
        uint64_t w = load4(p) | (uint64_t)load4(end - 4) << 8 * (n - 4);
        if (!has_low_byte(w | UINT64_MAX << 8 * n)) {
            memcpy(to, &w, 8);
            to += n;
            p = end;
        }
    }
    while (p < end)
        to = put_byte(to, (uint8_t)*p++);
    *to = 0;
    return to + 1;
}

static uint8_t *put_value(uint8_t *to, const mp_col *c, int64_t i) {
    switch (c->type) {
    case MP_BOOL:
        *to = (uint8_t)(1 + (c->b[i] != 0));
        return to + 1;
    case MP_DECIMAL:
        return put_decimal(to, c->i64[i], c->scale);
    case MP_FLOAT64:
        return put_double(to, c->f64[i]);
    case MP_STRING:
        return put_text(to, c->str[i]);
    default:
        return put_int(to, c->i64[i]);
    }
}

static uint8_t *put_key(uint8_t *to, const mp_col *c, int64_t i, bool descending) {
    if (c->type == MP_NULL || mp_col_is_null(c, i)) {
        *to = NULL_BYTE;
        return to + 1;
    }
    uint8_t *end = put_value(to, c, i);
    for (; descending && to < end; to++)
        *to = (uint8_t) ~*to;
    return end;
}

/* Bytes that the keys of all rows can take. */
static size_t room_of(const mp_batch *in, const mp_sort_key *keys, int n_keys) {
    size_t n = (size_t)in->n_rows * ROOM * (size_t)(n_keys + 2) + ROOM;
    for (int k = 0; k < n_keys; k++) {
        const mp_col *c = &in->cols[keys[k].col];
        for (int32_t i = 0; c->type == MP_STRING && i < in->n_rows; i++)
            if (!mp_col_is_null(c, i)) n += 2 * (size_t)c->str[i].len;
    }
    return n;
}

mp_status mp_row_keys(const mp_batch *in, const mp_sort_key *keys, int n_keys, bool with_position,
                      mp_buf *out, size_t *ends, mp_error *err) {
    if (!mp_buf_reserve(out, room_of(in, keys, n_keys))) return mp_buf_check(out, err);
    uint8_t *to = out->data + out->len;
    for (int32_t i = 0; i < in->n_rows; i++) {
        for (int k = 0; k < n_keys; k++)
            to = put_key(to, &in->cols[keys[k].col], i, keys[k].descending);
        if (with_position) {
            to = put_int(to, in->file_no);
            to = put_int(to, in->base + (in->rec ? in->rec[i] : (uint32_t)i));
        }
        ends[i] = (size_t)(to - out->data);
    }
    out->len = (size_t)(to - out->data);
    return MP_OK;
}

int mp_row_key_cmp(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len) {
    int c = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return c ? c : (a_len > b_len) - (a_len < b_len);
}
