/* json_index.h - where the members and lines of a stretch of NDJSON end, and which lines need a
 * closer look: made 64 bytes at a time, by what may follow what, without going from value to value.
 * Invariant: a line without a bit in odd, whose members all begin with a quoted key and a colon with at
 * most one blank behind it (json_shape.h compares them), is one JSON object but for what stands
 * inside its nested values, whose brackets balance. Its other values are plain: numbers without
 * exponent, words, strings without bytes 0xFF, whose escapes are characters; each value ends where
 * ends says. Of other lines nothing is known but that the newlines in ends are their ends. */
#ifndef MP_IO_JSON_INDEX_H
#define MP_IO_JSON_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/simd.h"

enum {
    MP_JSON_INDEX_BYTES = 64 * 1024, /* the most that is indexed at once */
    MP_JSON_INDEX_WORDS = MP_JSON_INDEX_BYTES / 64,
    MP_JSON_INDEX_SLACK = 64 /* entries of ends that may be overwritten */
};

typedef struct {
    const uint8_t *base; /* the start of a line; 64 bytes behind base + len can be read */
    uint32_t len;        /* at most MP_JSON_INDEX_BYTES; 0: of nothing */
    uint32_t n_ends;
    uint32_t *ends; /* of commas outside strings and nested values, and newlines, up to one inside a
                       string; room for MP_JSON_INDEX_BYTES + MP_JSON_INDEX_SLACK */
    uint64_t *odd;  /* a bit for each byte: its line is not plain; MP_JSON_INDEX_WORDS */
    uint64_t *slash; /* backslashes */
    uint64_t *nest;  /* where the nested values of members begin */
    /* of whoever goes through it, line by line */
    uint32_t at; /* of ends: the first of the line */
    /* places of the first bits at or behind the line; len: none */
    uint32_t next_odd, next_slash, next_nest;
} mp_json_index;

/* Fills in n_ends, ends, and the words of bits. */
typedef void (*mp_json_index_fn)(mp_json_index *x);

/* What a member of a line of a known shape begins with: everything up to its value. */
enum { MP_JSON_HEAD = 64 };
typedef struct {
    uint8_t *text;  /* MP_JSON_HEAD bytes a member, zeros behind */
    uint64_t *mask; /* a bit for each byte of it that counts */
    int32_t n;      /* members */
    bool narrow;    /* no more than 32 bytes count */
} mp_json_heads;

/* Do the n members of the line at start, which end at ends, begin so? */
typedef bool (*mp_json_match_fn)(const mp_json_heads *h, const uint8_t *base, uint32_t start,
                                 const uint32_t *ends);

typedef struct {
    mp_json_index_fn index;
    mp_json_match_fn match;
} mp_json_kernels;

/* Those of a level; NULL: it has none. */
const mp_json_kernels *mp_json_kernels_of(mp_simd level);
#if defined(__x86_64__)
extern const mp_json_kernels mp_json_kernels_avx2, mp_json_kernels_avx512;
#endif

#endif
