/* csv_scan_avx512.c - the scan for AVX-512 with VBMI2 (compress of bytes). */
#include "io/csv/csv_scan.h"

#if defined(__x86_64__)
#include <immintrin.h>

typedef struct {
    __m512i delimiter, quote, lf, cr;
} scan_keys;

static inline scan_keys scan_keys_of(const mp_csv_scan *s) {
    return (scan_keys){_mm512_set1_epi8((char)s->delimiter), _mm512_set1_epi8((char)s->quote),
                       _mm512_set1_epi8('\n'), _mm512_set1_epi8('\r')};
}

/* The least of (byte xor CR) so far, byte by byte. */
typedef __m512i scan_seen;

static inline scan_seen scan_seen_none(void) {
    return _mm512_set1_epi8(-1);
}

static inline bool scan_seen_cr(scan_seen seen) {
    return _mm512_testn_epi8_mask(seen, seen) != 0;
}

/* Comparing to masks is the bottleneck, so two comparisons are made one by the lesser of two
 * differences. */
static inline void scan_classify(const uint8_t *p, const scan_keys *k, scan_seen *seen,
                                 uint64_t *sep, uint64_t *lines, uint64_t *special) {
    __m512i v = _mm512_loadu_si512(p);
    __m512i from_lf = _mm512_xor_si512(v, k->lf);
    __m512i from_sep = _mm512_min_epu8(from_lf, _mm512_xor_si512(v, k->delimiter));
    __m512i from_special = _mm512_min_epu8(v, _mm512_xor_si512(v, k->quote));
    *lines = _mm512_testn_epi8_mask(from_lf, from_lf);
    *sep = _mm512_testn_epi8_mask(from_sep, from_sep);
    *special = _mm512_testn_epi8_mask(from_special, from_special);
    *seen = _mm512_min_epu8(*seen, _mm512_xor_si512(v, k->cr));
}

static inline uint64_t scan_mask(const uint8_t *p, char c) {
    return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(p), _mm512_set1_epi8(c));
}

static inline void store16(uint32_t *out, __m128i bytes, __m512i at) {
    _mm512_storeu_si512(out, _mm512_add_epi32(_mm512_cvtepu8_epi32(bytes), at));
}

/* The offsets of the set bits as bytes, compressed in a register (compressing to memory is slow on
 * some CPUs), widened sixteen at a time; what is written too much is overwritten by the next block.
 */
static inline void scan_store(uint32_t *out, uint64_t m, uint32_t at, uint32_t n) {
    const __m512i iota = _mm512_set_epi8(
        63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41,
        40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18,
        17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i c = _mm512_maskz_compress_epi8(m, iota);
    __m512i base = _mm512_set1_epi32((int)at);
    store16(out, _mm512_castsi512_si128(c), base);
    if (n <= 16) return;
    store16(out + 16, _mm512_extracti32x4_epi32(c, 1), base);
    if (n <= 32) return;
    store16(out + 32, _mm512_extracti32x4_epi32(c, 2), base);
    store16(out + 48, _mm512_extracti32x4_epi32(c, 3), base);
}

#define SCAN_EXTRACT(m, at) _pext_u64(m, at)
#define SCAN_PREFIX_XOR(m)                                                                         \
    ((uint64_t)_mm_cvtsi128_si64(                                                                  \
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)(m)), _mm_set1_epi8(-1), 0)))
#define SCAN_NAME mp_csv_scan_avx512
#include "io/csv/csv_scan_kernel.h"
#endif
