/* json_map_avx2.c - the map of NDJSON by AVX2. */
#include "io/json/json_map.h"

#if defined(__x86_64__)
#include <immintrin.h>

static inline __m256i equal(__m256i v, char c) {
    return _mm256_cmpeq_epi8(v, _mm256_set1_epi8(c));
}

/* Bytes of at most c. */
static inline __m256i at_most(__m256i v, char c) {
    return _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(c)), v);
}

static inline uint64_t bits(__m256i low, __m256i high) {
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32 |
           (uint32_t)_mm256_movemask_epi8(low);
}

static inline __m256i stops(__m256i v) {
    __m256i marks = _mm256_or_si256(equal(v, '"'), equal(v, '\\'));
    return _mm256_or_si256(marks, _mm256_or_si256(equal(v, (char)0xFF), at_most(v, 0x1F)));
}

static inline __m256i digits(__m256i v) {
    return at_most(_mm256_sub_epi8(v, _mm256_set1_epi8('0')), 9);
}

static inline __m256i lines(__m256i v) {
    return _mm256_or_si256(equal(v, '\n'), equal(v, 0));
}

void mp_json_map_avx2(const uint8_t *p, size_t n_blocks, const mp_json_bits *out) {
    for (size_t i = 0; i < n_blocks; i++) {
        __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)(p + 64 * i));
        __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(p + 64 * i + 32));
        out->stops[i] = bits(stops(a), stops(b));
        out->others[i] = ~bits(digits(a), digits(b));
        out->lines[i] = bits(lines(a), lines(b));
    }
}
#endif
