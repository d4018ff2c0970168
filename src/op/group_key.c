/* group_key.c - encoding of keys, column by column: short ones in registers, long ones row by
 * row. Invariant: a row is encoded in 16 bytes exactly when they suffice, so equal keys never
 * differ in form. */
#include "op/group_key.h"

#include <string.h>

enum { PAGE = 4096, TOO_LONG = 0xFF };

typedef struct {
    uint64_t v;
} __attribute__((packed, may_alias)) unaligned64;

static const uint64_t low_bytes[17][2] = {
    {0, 0},
    {0xFF, 0},
    {0xFFFF, 0},
    {0xFFFFFF, 0},
    {0xFFFFFFFF, 0},
    {0xFFFFFFFFFF, 0},
    {0xFFFFFFFFFFFF, 0},
    {0xFFFFFFFFFFFFFF, 0},
    {UINT64_MAX, 0},
    {UINT64_MAX, 0xFF},
    {UINT64_MAX, 0xFFFF},
    {UINT64_MAX, 0xFFFFFF},
    {UINT64_MAX, 0xFFFFFFFF},
    {UINT64_MAX, 0xFFFFFFFFFF},
    {UINT64_MAX, 0xFFFFFFFFFFFF},
    {UINT64_MAX, 0xFFFFFFFFFFFFFF},
    {UINT64_MAX, UINT64_MAX},
};

/* A load that stays inside one page cannot fault, so the bytes behind the text may be read and
 * masked off. */
__attribute__((no_sanitize_address)) static inline mp_key load16(const char *p, size_t n) {
    if (n == 0) return (mp_key){0, 0};
    if (((uintptr_t)p & (PAGE - 1)) <= PAGE - 16) {
        uint64_t lo = ((const unaligned64 *)(const void *)p)->v;
        uint64_t hi = ((const unaligned64 *)(const void *)p + 1)->v;
        return (mp_key){lo & low_bytes[n][0], hi & low_bytes[n][1]};
    }
    mp_key k = {0, 0};
    memcpy(&k, p, n);
    return k;
}

mp_key mp_key_load16(const char *p, size_t n) {
    return load16(p, n);
}

bool mp_key_eq_long(const mp_key *a, const mp_key *b) {
    return memcmp(mp_key_bytes(a), mp_key_bytes(b), mp_key_len(a)) == 0;
}

int mp_key_cmp(const mp_key *a, const mp_key *b) {
    size_t na = mp_key_len(a), nb = mp_key_len(b);
    int c = memcmp(mp_key_bytes(a), mp_key_bytes(b), na < nb ? na : nb);
    return c ? c : (na > nb) - (na < nb);
}

/* The text of n <= 15 bytes at p behind its length byte. */
__attribute__((no_sanitize_address)) static inline mp_key prefixed16(const char *p, size_t n) {
    uintptr_t before = (uintptr_t)p - 1; /* loaded from there, the text is in place already */
    if (n > 0 && (before & (PAGE - 1)) <= PAGE - 16) {
        uint64_t lo = ((const unaligned64 *)before)->v, hi = ((const unaligned64 *)before + 1)->v;
        lo &= low_bytes[n + 1][0] & ~(uint64_t)0xFF;
        return (mp_key){lo | (n + 1), hi & low_bytes[n + 1][1]};
    }
    mp_key t = load16(p, n);
    return (mp_key){t.lo << 8 | (n + 1), t.hi << 8 | t.lo >> 56};
}

/* The only column: with the hashes. Returns whether some text is too long for 16 bytes and was
 * left out. */
__attribute__((no_sanitize_address)) static bool
only_column(const mp_str *text, const uint8_t *valid, int32_t n, mp_key *key, uint64_t *hash) {
    bool any_long = false;
    for (int32_t i = 0; i < n; i++) {
        bool null = valid && !valid[i];
        mp_key k = {0, 0};
        if (!null && text[i].len > 15) {
            any_long = true;
            continue;
        }
        if (!null) k = prefixed16(text[i].p, text[i].len);
        key[i] = k;
        hash[i] = mp_hash_16(k.lo, k.hi);
    }
    return any_long;
}

/* The first of several columns. */
__attribute__((no_sanitize_address)) static bool
first_column(const mp_str *text, const uint8_t *valid, int32_t n, mp_key *key, uint8_t *used) {
    bool any_long = false;
    for (int32_t i = 0; i < n; i++) {
        size_t len = text[i].len;
        if (valid && !valid[i]) {
            key[i] = (mp_key){0, 0};
            used[i] = 1;
        } else if (len <= 15) {
            key[i] = prefixed16(text[i].p, len);
            used[i] = (uint8_t)(len + 1);
        } else {
            used[i] = TOO_LONG;
            any_long = true;
        }
    }
    return any_long;
}

/* A further column: shifted behind the used bytes. */
__attribute__((no_sanitize_address)) static bool
next_column(const mp_str *text, const uint8_t *valid, int32_t n, mp_key *key, uint8_t *used) {
    bool any_long = false;
    for (int32_t i = 0; i < n; i++) {
        size_t len = text[i].len, at = used[i];
        bool null = valid && !valid[i];
        if (null) len = 0;
        if (at + 1 + len <= 16) {
            mp_key t = load16(text[i].p, len);
            unsigned __int128 v = (unsigned __int128)t.hi << 64 | t.lo;
            v = (v << 8 | (null ? 0 : len + 1)) << (8 * at);
            key[i].lo |= (uint64_t)v;
            key[i].hi |= (uint64_t)(v >> 64);
            used[i] = (uint8_t)(at + 1 + len);
        } else {
            used[i] = TOO_LONG;
            any_long = true;
        }
    }
    return any_long;
}

static size_t text_bytes(size_t len) {
    return (len <= MP_KEY_SHORT_MAX ? 1u : 5u) + len;
}

static uint8_t *put_text(uint8_t *out, mp_str text) {
    if (text.len <= MP_KEY_SHORT_MAX) {
        *out++ = (uint8_t)(text.len + 1);
    } else {
        *out++ = MP_KEY_LONG_TEXT;
        memcpy(out, &text.len, 4);
        out += 4;
    }
    if (text.len) memcpy(out, text.p, text.len);
    return out + text.len;
}

static mp_status encode_row(const mp_str *const *col, const uint8_t *const *valid, int n_cols,
                            int32_t row, mp_arena *scratch, mp_key *key, uint64_t *hash,
                            mp_error *err) {
    size_t n = 0;
    for (int c = 0; c < n_cols; c++)
        n += valid[c] && !valid[c][row] ? 1 : text_bytes(col[c][row].len);
    uint8_t *bytes = mp_arena_alloc(scratch, n, 1), *p = bytes;
    if (!bytes) return mp_mem_error(scratch->mem, n, err);
    for (int c = 0; c < n_cols; c++) {
        if (valid[c] && !valid[c][row])
            *p++ = 0;
        else
            p = put_text(p, col[c][row]);
    }
    *hash = mp_hash_bytes(bytes, n);
    *key = mp_key_reference(bytes, n, *hash);
    return MP_OK;
}

/* Keys of no or several columns, all hashes; used[i]: bytes, or TOO_LONG. */
static bool several_columns(const mp_str *const *col, const uint8_t *const *valid, int n_cols,
                            int32_t n, mp_key *key, uint64_t *hash, uint8_t *used) {
    bool any_long = false;
    if (n_cols == 0)
        memset(key, 0, (size_t)n * sizeof *key);
    else
        any_long = first_column(col[0], valid[0], n, key, used);
    for (int c = 1; c < n_cols; c++)
        any_long |= next_column(col[c], valid[c], n, key, used);
    for (int32_t i = 0; i < n; i++)
        hash[i] = mp_hash_16(key[i].lo, key[i].hi);
    return any_long;
}

mp_status mp_key_encode(const mp_str *const *col, const uint8_t *const *valid, int n_cols,
                        int32_t n, mp_arena *scratch, mp_key *key, uint64_t *hash, mp_error *err) {
    uint8_t used[MP_BATCH_ROWS];
    if (n_cols == 1) {
        if (!only_column(col[0], valid[0], n, key, hash)) return MP_OK;
        for (int32_t i = 0; i < n; i++)
            used[i] = col[0][i].len > 15 && !(valid[0] && !valid[0][i]) ? TOO_LONG : 0;
    } else if (!several_columns(col, valid, n_cols, n, key, hash, used)) {
        return MP_OK;
    }
    for (int32_t i = 0; i < n; i++) {
        if (used[i] != TOO_LONG) continue;
        mp_status s = encode_row(col, valid, n_cols, i, scratch, &key[i], &hash[i], err);
        if (s != MP_OK) return s;
    }
    return MP_OK;
}

bool mp_key_next(const uint8_t **p, const uint8_t *end, mp_str *text, bool *null) {
    *text = (mp_str){"", 0, 0};
    if (*p >= end) return false;
    uint8_t prefix = *(*p)++;
    *null = prefix == 0;
    if (prefix == 0) return true;
    uint32_t len = prefix - 1u;
    if (prefix == MP_KEY_LONG_TEXT) {
        if (end - *p < 4) return false;
        memcpy(&len, *p, 4);
        *p += 4;
    } else if (prefix > MP_KEY_SHORT_MAX + 1) {
        return false;
    }
    if ((size_t)(end - *p) < len) return false;
    *text = mp_str_of((const char *)*p, len);
    *p += len;
    return true;
}

bool mp_key_check(const uint8_t *bytes, size_t n, int n_cols, mp_key *out, uint64_t *hash) {
    const uint8_t *p = bytes, *end = bytes + n;
    if (n < 16 || n >> 40) return false;
    for (int c = 0; c < n_cols; c++) {
        uint8_t prefix = p < end ? *p : MP_KEY_REFERENCE;
        if (prefix <= MP_KEY_SHORT_MAX + 1) { /* the common case, without calls */
            size_t step = prefix ? prefix : 1;
            if ((size_t)(end - p) < step) return false;
            p += step;
        } else {
            mp_str text;
            bool null;
            if (!mp_key_next(&p, end, &text, &null)) return false;
        }
    }
    if (n == 16) {
        memcpy(out, bytes, 16);
        *hash = mp_hash_16(out->lo, out->hi);
        return !mp_key_is_long(*out);
    }
    if (p != end) return false;
    *hash = mp_hash_bytes(bytes, n);
    *out = mp_key_reference(bytes, n, *hash);
    return true;
}
