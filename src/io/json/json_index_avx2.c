/* json_index_avx2.c - the index of NDJSON for AVX2. */
#include "io/json/json_index.h"

#if defined(__x86_64__)
#include "base/bits.h"
#include "io/json/json_index_masks.h"

static inline __m256i load32(const uint8_t *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline uint64_t bits64(__m256i low, __m256i high) {
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32 |
           (uint32_t)_mm256_movemask_epi8(low);
}

static inline uint64_t equal(__m256i a, __m256i b, char c) {
    __m256i k = _mm256_set1_epi8(c);
    return bits64(_mm256_cmpeq_epi8(a, k), _mm256_cmpeq_epi8(b, k));
}

static inline uint64_t at_most(__m256i a, __m256i b, char c) {
    __m256i k = _mm256_set1_epi8(c);
    return bits64(_mm256_cmpeq_epi8(_mm256_min_epu8(a, k), a),
                  _mm256_cmpeq_epi8(_mm256_min_epu8(b, k), b));
}

static inline void index_classify(const uint8_t *p, index_masks *m) {
    __m256i a = load32(p), b = load32(p + 32), zero = _mm256_set1_epi8('0');
    m->quote = equal(a, b, '"');
    m->slash = equal(a, b, '\\');
    m->comma = equal(a, b, ',');
    m->colon = equal(a, b, ':');
    m->digit = at_most(_mm256_sub_epi8(a, zero), _mm256_sub_epi8(b, zero), 9);
    m->zero = equal(a, b, '0');
    m->minus = equal(a, b, '-');
    m->dot = equal(a, b, '.');
    m->blank = equal(a, b, ' ');
    m->brace = equal(a, b, '}');
    __m256i other = _mm256_set1_epi8('{' ^ '[');
    __m256i a2 = _mm256_or_si256(a, other), b2 = _mm256_or_si256(b, other);
    m->open = equal(a2, b2, '{');
    m->close = equal(a2, b2, '}');
    m->lf = equal(a, b, '\n');
    m->cr = equal(a, b, '\r');
    m->control = at_most(a, b, 0x1F);
    m->ff = equal(a, b, (char)0xFF);
}

static inline uint64_t index_differs(const uint8_t *p, const uint8_t *q, bool narrow) {
    __m256i low = _mm256_cmpeq_epi8(load32(p), load32(q));
    if (narrow) return (uint32_t)~_mm256_movemask_epi8(low);
    return ~bits64(low, _mm256_cmpeq_epi8(load32(p + 32), load32(q + 32)));
}

#define INDEX_KERNELS mp_json_kernels_avx2
#include "io/json/json_index_kernel.h"
#endif
