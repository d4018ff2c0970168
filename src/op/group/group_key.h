/* group_key.h - the encoded key of a row: unambiguous bytes, in 16 bytes where they fit. Per key
 * column: 0 is null; 1..0xF0 is a text of that many bytes less one, which follow; 0xFF: u32
 * length, then the bytes. The whole is padded with zero bytes to at least 16. Invariant: two
 * rows have equal encodings just when their keys are equal column by column; the hash of a key
 * is mp_hash_bytes of its encoding. */
#ifndef MP_OP_GROUP_KEY_H
#define MP_OP_GROUP_KEY_H

#include "base/hash.h"
#include "base/mem.h"
#include "base/simd.h"
#include "data/batch.h"

enum { MP_KEY_SHORT_MAX = 0xEF, MP_KEY_LONG_TEXT = 0xFF, MP_KEY_REFERENCE = 0xFE };

/* An encoding of 16 bytes as it is, or a reference to a longer one: the byte MP_KEY_REFERENCE
 * (which starts no encoding), 40 bits of length and 16 bits of hash, then the address. */
typedef struct {
    uint64_t lo, hi;
} mp_key;

static inline bool mp_key_is_long(mp_key k) {
    return (uint8_t)k.lo == MP_KEY_REFERENCE;
}
static inline mp_key mp_key_reference(const uint8_t *bytes, size_t n, uint64_t hash) {
    return (mp_key){MP_KEY_REFERENCE | (uint64_t)n << 8 | (hash & 0xFFFF) << 48,
                    (uint64_t)(uintptr_t)bytes};
}
static inline size_t mp_key_len(const mp_key *k) {
    return mp_key_is_long(*k) ? (size_t)(k->lo << 16 >> 24) : 16;
}
static inline const uint8_t *mp_key_bytes(const mp_key *k) {
    return mp_key_is_long(*k) ? (const uint8_t *)(uintptr_t)k->hi : (const uint8_t *)k;
}
bool mp_key_eq_long(const mp_key *a, const mp_key *b);
static inline bool mp_key_eq(const mp_key *a, const mp_key *b) {
    if (((a->lo ^ b->lo) | (a->hi ^ b->hi)) == 0) return true;
    return a->lo == b->lo && mp_key_is_long(*a) && mp_key_eq_long(a, b);
}
static inline uint64_t mp_key_hash(const mp_key *k) {
    if (!mp_key_is_long(*k)) return mp_hash_16(k->lo, k->hi);
    return mp_hash_bytes(mp_key_bytes(k), mp_key_len(k));
}
/* Bytewise order of the encodings, shorter first on a tie. */
int mp_key_cmp(const mp_key *a, const mp_key *b);

/* Encodings of n rows of n_cols columns of texts (col[c][row], valid[c] NULL or as in mp_col),
 * and their hashes, the same at every SIMD level. Long ones live in scratch. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_key_encode(mp_simd level, const mp_str *const *col,
                                      const uint8_t *const *valid, int n_cols, int32_t n,
                                      mp_arena *scratch, mp_key *key, uint64_t *hash,
                                      mp_error *err);
/* The same of n of the rows: those listed, to the places that they have among all. */
MP_MUST_CHECK mp_status mp_key_encode_rows(const mp_str *const *col, const uint8_t *const *valid,
                                           int n_cols, const int32_t *rows, int32_t n,
                                           mp_arena *scratch, mp_key *key, uint64_t *hash,
                                           mp_error *err);

/* A longer text, or bytes that are no encoding. */
bool mp_key_next_long(const uint8_t **p, const uint8_t *end, mp_str *text);

/* Walks an encoding: the next column's text; *null true (and an empty text) for null. false: the
 * bytes are no encoding. */
static inline bool mp_key_next(const uint8_t **p, const uint8_t *end, mp_str *text, bool *null) {
    const uint8_t *at = *p;
    *null = false;
    *text = mp_str_of("", 0);
    if (at >= end) return false;
    uint8_t prefix = *at++;
    *null = prefix == 0;
    uint32_t len = prefix ? prefix - 1u : 0;
    if (prefix > MP_KEY_SHORT_MAX + 1 || (size_t)(end - at) < len)
        return mp_key_next_long(p, end, text);
    *text = mp_str_of((const char *)at, len);
    *p = at + len;
    return true;
}
/* mp_hash_bytes of n >= 16 bytes. */
uint64_t mp_key_hash_of(const uint8_t *bytes, size_t n);
/* Key of n >= 16 bytes from another rank; false: of no encoding. A long one refers to the bytes.
 * That they are texts of columns is for mp_key_next to see. */
bool mp_key_read(const uint8_t *bytes, size_t n, mp_key *out, uint64_t *hash);

/* The 16 bytes at p of which the first n (<= 16) are a text, the rest zero. May read up to 15
 * bytes past the text, never across a page. */
mp_key mp_key_load16(const char *p, size_t n);

#endif
