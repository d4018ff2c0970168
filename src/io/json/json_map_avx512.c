/* json_map_avx512.c - the map of NDJSON by AVX-512. */
#include "io/json/json_map.h"

#if defined(__x86_64__)
#include <immintrin.h>

static inline uint64_t equal(__m512i v, char c) {
    return _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c));
}

void mp_json_map_avx512(const uint8_t *p, size_t n_blocks, const mp_json_bits *out) {
    for (size_t i = 0; i < n_blocks; i++) {
        __m512i v = _mm512_loadu_si512(p + 64 * i);
        __m512i digit = _mm512_sub_epi8(v, _mm512_set1_epi8('0'));
        uint64_t control = _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20));
        out->stops[i] = control | equal(v, '"') | equal(v, '\\') | equal(v, (char)0xFF);
        out->others[i] = _mm512_cmpgt_epu8_mask(digit, _mm512_set1_epi8(9));
        out->lines[i] = equal(v, '\n') | equal(v, 0);
    }
}
#endif
