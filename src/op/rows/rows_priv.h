/* rows_priv.h - kept rows from the inside; for rows*.c alone. */
#ifndef MP_OP_ROWS_PRIV_H
#define MP_OP_ROWS_PRIV_H

#include "op/rows/rows.h"

struct mp_row_chunk {
    mp_row_chunk *next;
    size_t used; /* but of the last chunk: there mp_rows.next says it */
    size_t cap;
    uint8_t bytes[]; /* cap, and MP_ROW_SLACK */
};

/* Eight bytes of the key from byte skip on, as a number in their order; 0 where it has ended. */
static inline uint64_t mp_row_prefix(const mp_row *row, size_t skip) {
    uint64_t u = 0;
    if (row->key_len <= skip) return 0;
    size_t n = row->key_len - skip;
    if (n >= 8) {
        memcpy(&u, row->key + skip, 8);
        return __builtin_bswap64(u);
    }
    if (n + row->text_len < 8) {
        memcpy(&u, row->key + skip, n);
        return __builtin_bswap64(u);
    }
    memcpy(&u, row->key + skip, 8); /* with some of the text */
    return __builtin_bswap64(u) & UINT64_MAX << (64 - 8 * n);
}

/* Bytes that both keys begin with; the first from of them are known to be equal, at most most
 * are looked at. */
static inline size_t mp_row_common(const mp_row *a, const mp_row *b, size_t from, size_t most) {
    if (most > a->key_len) most = a->key_len;
    if (most > b->key_len) most = b->key_len;
    while (from < most) {
        uint64_t differ = mp_row_prefix(a, from) ^ mp_row_prefix(b, from);
        from += differ ? (size_t)__builtin_clzll(differ) / 8 : 8;
        if (differ) break;
    }
    return from < most ? from : most;
}

#endif
