/* json_map.h - where in a stretch of NDJSON the bytes stand at which strings, numbers and lines end: a bit for each
 * byte, made 64 bytes at a time.
 * Invariant: what is looked up here is what going byte by byte finds; without a map it is done so. */
#ifndef MP_IO_JSON_MAP_H
#define MP_IO_JSON_MAP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/simd.h"

/* Bit i of word k for byte 64 k + i. */
typedef struct {
    uint64_t *stops;  /* quotes, backslashes, control characters, bytes 0xFF */
    uint64_t *others; /* all but digits */
    uint64_t *lines;  /* newlines and NULs */
} mp_json_bits;

typedef void (*mp_json_map_fn)(const uint8_t *p, size_t n_blocks, const mp_json_bits *out);

typedef struct {
    const uint8_t *base; /* 64 bytes behind base + len can be read */
    size_t len;
    mp_json_bits bits; /* with a word more than len needs */
} mp_json_map;

/* The kernel of a level; NULL: it has none. */
mp_json_map_fn mp_json_map_choose(mp_simd level);
#if defined(__x86_64__)
void mp_json_map_avx2(const uint8_t *p, size_t n_blocks, const mp_json_bits *out);
void mp_json_map_avx512(const uint8_t *p, size_t n_blocks, const mp_json_bits *out);
#endif

/* The first bit from place at on, len: none before it. */
static inline size_t mp_json_map_find(const uint64_t *bits, size_t at, size_t len) {
    while (at < len) {
        uint64_t word; /* 57 bits or more of it count */
        memcpy(&word, (const uint8_t *)bits + at / 8, sizeof word);
        word >>= at % 8;
        if (word) {
            at += (size_t)__builtin_ctzll(word);
            return at < len ? at : len;
        }
        at = (at / 8 + 8) * 8;
    }
    return len;
}

/* The first byte of a kind from p on, at most end (p <= end, inside the map). */
static inline const uint8_t *mp_json_map_stop(const mp_json_map *m, const uint8_t *p,
                                              const uint8_t *end) {
    return m->base +
           mp_json_map_find(m->bits.stops, (size_t)(p - m->base), (size_t)(end - m->base));
}
static inline const uint8_t *mp_json_map_other(const mp_json_map *m, const uint8_t *p,
                                               const uint8_t *end) {
    return m->base +
           mp_json_map_find(m->bits.others, (size_t)(p - m->base), (size_t)(end - m->base));
}
static inline const uint8_t *mp_json_map_line(const mp_json_map *m, const uint8_t *p,
                                              const uint8_t *end) {
    return m->base +
           mp_json_map_find(m->bits.lines, (size_t)(p - m->base), (size_t)(end - m->base));
}

#endif
