/* json_index_avx512.c - the index of NDJSON for AVX-512. */
#include "io/json/json_index.h"

#if defined(__x86_64__)
#include "base/bits.h"
#include "io/json/json_index_masks.h"

static inline uint64_t equal(__m512i v, char c) {
    return _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c));
}

static inline void index_classify(const uint8_t *p, index_masks *m) {
    __m512i v = _mm512_loadu_si512(p);
    __m512i digit = _mm512_sub_epi8(v, _mm512_set1_epi8('0'));
    m->quote = equal(v, '"');
    m->slash = equal(v, '\\');
    m->comma = equal(v, ',');
    m->colon = equal(v, ':');
    m->digit = _mm512_cmple_epu8_mask(digit, _mm512_set1_epi8(9));
    m->zero = equal(v, '0');
    m->minus = equal(v, '-');
    m->dot = equal(v, '.');
    m->blank = equal(v, ' ');
    m->brace = equal(v, '}');
    __m512i bracket = _mm512_or_si512(v, _mm512_set1_epi8('{' ^ '['));
    m->open = equal(bracket, '{');
    m->close = equal(bracket, '}');
    m->lf = equal(v, '\n');
    m->cr = equal(v, '\r');
    m->control = _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20));
    m->ff = equal(v, (char)0xFF);
}

static inline uint64_t index_differs(const uint8_t *p, const uint8_t *q, bool narrow) {
    if (!narrow) return _mm512_cmpneq_epi8_mask(_mm512_loadu_si512(p), _mm512_loadu_si512(q));
    __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)p);
    return _mm256_cmpneq_epi8_mask(a, _mm256_loadu_si256((const __m256i *)(const void *)q));
}

#define INDEX_KERNELS mp_json_kernels_avx512
#include "io/json/json_index_kernel.h"
#endif
