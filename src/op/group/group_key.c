/* group_key.c - encoding of keys, column by column: short ones in registers, long ones row by
 * row. Invariant: a row is encoded in 16 bytes exactly when they suffice, so equal keys never
 * differ in form. */
#define XXH_INLINE_ALL
#include "op/group/group_key.h"

#include <string.h>
#include <xxhash.h>

#include "op/group/group_key_simd.h"

enum { PAGE = 4096, TOO_LONG = 0xFF, KERNEL_ROWS = 512, WRITE_SLACK = 24, LONG_PREFIX = 5 };

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

static uint8_t *put_long_text(uint8_t *out, mp_str text) {
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

/* Sixteen bytes at once where that stays inside the text's page; what is written too much is
 * overwritten by what follows. */
__attribute__((no_sanitize_address)) static inline uint8_t *put_text(uint8_t *out, mp_str text) {
    bool is_short = text.len - 1 < 16;
    if (!(is_short & (((uintptr_t)text.p & (PAGE - 1)) <= PAGE - 16)))
        return put_long_text(out, text);
    *out++ = (uint8_t)(text.len + 1);
    ((unaligned64 *)(void *)out)[0].v = ((const unaligned64 *)(const void *)text.p)[0].v;
    ((unaligned64 *)(void *)out)[1].v = ((const unaligned64 *)(const void *)text.p)[1].v;
    return out + text.len;
}

/* What the functions below share. */
typedef struct {
    const mp_str *const *col;
    const uint8_t *const *valid;
    int n_cols;
    mp_arena *scratch;
    mp_key *key;
    uint64_t *hash;
} encoding;

/* Rows of any length, one by one: those listed, or first, first + 1 ... where rows is NULL. */
static mp_status encode_rows(const encoding *e, const int32_t *rows, int32_t first, int32_t n,
                             mp_error *err) {
    size_t most = WRITE_SLACK + (size_t)n * (size_t)e->n_cols * LONG_PREFIX;
    for (int c = 0; c < e->n_cols; c++)
        for (int32_t i = 0; i < n; i++)
            most += e->col[c][rows ? rows[i] : first + i].len;
    uint8_t *out = mp_arena_alloc(e->scratch, most, 1);
    if (!out) return mp_mem_error(e->scratch->mem, most, err);
    for (int32_t i = 0; i < n; i++) {
        int32_t row = rows ? rows[i] : first + i;
        uint8_t *p = out;
        for (int c = 0; c < e->n_cols; c++) {
            if (e->valid[c] && !e->valid[c][row])
                *p++ = 0;
            else
                p = put_text(p, e->col[c][row]);
        }
        size_t len = (size_t)(p - out);
        if (len <= 16) {
            e->key[row] = load16((const char *)out, len);
            e->hash[row] = mp_hash_16(e->key[row].lo, e->key[row].hi);
            continue;
        }
        uint64_t hash = XXH3_64bits(out, len);
        e->hash[row] = hash;
        e->key[row] = mp_key_reference(out, len, hash);
        out = p;
    }
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

/* By columns, in plain C. */
static mp_status encode_columns(const encoding *e, int32_t n, mp_error *err) {
    uint8_t used[MP_BATCH_ROWS];
    int32_t left[MP_BATCH_ROWS], n_left = 0;
    if (e->n_cols == 1) {
        if (!only_column(e->col[0], e->valid[0], n, e->key, e->hash)) return MP_OK;
        for (int32_t i = 0; i < n; i++)
            if (e->col[0][i].len > 15) left[n_left++] = i;
    } else {
        if (!several_columns(e->col, e->valid, e->n_cols, n, e->key, e->hash, used)) return MP_OK;
        for (int32_t i = 0; i < n; i++)
            if (used[i] == TOO_LONG) left[n_left++] = i;
    }
    return encode_rows(e, left, 0, n_left, err);
}

/* By the kernel, until it turns out to leave most rows. */
static mp_status encode_by_kernel(const encoding *e, mp_key_kernel kernel, int32_t n,
                                  mp_error *err) {
    int32_t left[KERNEL_ROWS], n_left = 0, i = 0;
    mp_status s = MP_OK;
    while (i < n && n_left <= KERNEL_ROWS / 2 && s == MP_OK) {
        int32_t part = n - i < KERNEL_ROWS ? n - i : KERNEL_ROWS;
        n_left = kernel(e->col, e->valid, e->n_cols, i, part, e->key, e->hash, left);
        if (n_left) s = encode_rows(e, left, 0, n_left, err);
        i += part;
    }
    return s == MP_OK && i < n ? encode_rows(e, NULL, i, n - i, err) : s;
}

/* Of the best level that was compiled in, at most level; NULL: in plain C, which beats four lanes
 * where there is one column. */
static mp_key_kernel kernel_of(mp_simd level, int n_cols) {
#if defined(__x86_64__)
    if (level == MP_SIMD_AVX512 && n_cols > 0) return mp_key_kernel_avx512;
    if (level == MP_SIMD_AVX2 && n_cols > 1) return mp_key_kernel_avx2;
#endif
    (void)level, (void)n_cols;
    return NULL;
}

mp_status mp_key_encode(mp_simd level, const mp_str *const *col, const uint8_t *const *valid,
                        int n_cols, int32_t n, mp_arena *scratch, mp_key *key, uint64_t *hash,
                        mp_error *err) {
    encoding e = {col, valid, n_cols, scratch, key, hash};
    mp_key_kernel kernel = kernel_of(level, n_cols);
    return kernel ? encode_by_kernel(&e, kernel, n, err) : encode_columns(&e, n, err);
}

mp_status mp_key_encode_rows(const mp_str *const *col, const uint8_t *const *valid, int n_cols,
                             const int32_t *rows, int32_t n, mp_arena *scratch, mp_key *key,
                             uint64_t *hash, mp_error *err) {
    encoding e = {col, valid, n_cols, scratch, key, hash};
    return encode_rows(&e, rows, 0, n, err);
}

bool mp_key_next_long(const uint8_t **p, const uint8_t *end, mp_str *text) {
    uint32_t len;
    const uint8_t *at = *p;
    if (*at != MP_KEY_LONG_TEXT || end - at < 5) return false;
    memcpy(&len, at + 1, sizeof len);
    if ((size_t)(end - at - 5) < len) return false;
    *text = mp_str_of((const char *)at + 5, len);
    *p = at + 5 + len;
    return true;
}

uint64_t mp_key_hash_of(const uint8_t *bytes, size_t n) {
    uint64_t word[2];
    if (n > sizeof word) return XXH3_64bits(bytes, n);
    memcpy(word, bytes, sizeof word);
    return mp_hash_16(word[0], word[1]);
}

bool mp_key_read(const uint8_t *bytes, size_t n, mp_key *out, uint64_t *hash) {
    if (n < 16 || n >> 40) return false;
    *hash = mp_key_hash_of(bytes, n);
    if (n > 16) {
        *out = mp_key_reference(bytes, n, *hash);
        return true;
    }
    memcpy(out, bytes, 16);
    return !mp_key_is_long(*out);
}
