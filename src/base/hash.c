/* hash.c - hash of byte strings; the scheme for short ones is in hash.h (mp_hash_short). */
#include "base/hash.h"

#include <string.h>
#include <xxhash.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "loads below are little-endian");

static uint64_t load64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t load32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

uint64_t mp_hash_bytes(const void *data, size_t n) {
    const uint8_t *p = data;
    uint64_t lo = 0, hi = 0;
    if (n > 16) return XXH3_64bits(data, n);
    /* two loads that may overlap, never past the n bytes; a byte that both hold is the same in
     * both */
    if (n > 8) {
        lo = load64(p);
        hi = load64(p + n - 8) >> (8 * (16 - n));
    } else if (n == 8) {
        lo = load64(p);
    } else if (n >= 4) {
        lo = load32(p) | load32(p + n - 4) << (8 * (n - 4));
    } else if (n > 0) {
        lo = p[0] | (uint64_t)p[n / 2] << (8 * (n / 2)) | (uint64_t)p[n - 1] << (8 * (n - 1));
    }
    return mp_hash_short(lo, hi, n);
}
