/* csv_scan_avx2.c - the scan for AVX2 and BMI2. */
#include "io/csv/csv_scan.h"

#if defined(__x86_64__)
#include "base/bits.h"

typedef struct {
    __m256i delimiter, quote;
} scan_keys;

static inline scan_keys scan_keys_of(const mp_csv_scan *s) {
    return (scan_keys){_mm256_set1_epi8((char)s->delimiter), _mm256_set1_epi8((char)s->quote)};
}

static inline uint64_t bits64(__m256i lo, __m256i hi) {
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(hi) << 32 | (uint32_t)_mm256_movemask_epi8(lo);
}

static inline __m256i either(__m256i v, __m256i a, __m256i b) {
    return _mm256_or_si256(_mm256_cmpeq_epi8(v, a), _mm256_cmpeq_epi8(v, b));
}

/* Where either byte is c. */
static inline __m256i either2(__m256i v, __m256i w, __m256i c) {
    return _mm256_or_si256(_mm256_cmpeq_epi8(v, c), _mm256_cmpeq_epi8(w, c));
}

typedef __m256i scan_seen; /* CRs, byte by byte */

static inline scan_seen scan_seen_none(void) {
    return _mm256_setzero_si256();
}

static inline bool scan_seen_cr(scan_seen seen) {
    return _mm256_movemask_epi8(seen) != 0;
}

static inline void scan_classify(const uint8_t *p, const scan_keys *k, scan_seen *seen,
                                 uint64_t *sep, uint64_t *lines, uint64_t *special) {
    const __m256i lf = _mm256_set1_epi8('\n'), zero = _mm256_setzero_si256();
    __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)p);
    __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
    *seen = _mm256_or_si256(*seen, either2(a, b, _mm256_set1_epi8('\r')));
    __m256i la = _mm256_cmpeq_epi8(a, lf), lb = _mm256_cmpeq_epi8(b, lf);
    *lines = bits64(la, lb);
    *sep = bits64(_mm256_or_si256(la, _mm256_cmpeq_epi8(a, k->delimiter)),
                  _mm256_or_si256(lb, _mm256_cmpeq_epi8(b, k->delimiter)));
    *special = bits64(either(a, k->quote, zero), either(b, k->quote, zero));
}

static inline uint64_t scan_mask(const uint8_t *p, char c) {
    __m256i k = _mm256_set1_epi8(c);
    __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)p);
    __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
    return bits64(_mm256_cmpeq_epi8(a, k), _mm256_cmpeq_epi8(b, k));
}

#define SCAN_EXTRACT(m, at) _pext_u64(m, at)
#define SCAN_PREFIX_XOR(m) mp_bits_prefix_xor(m)
#define scan_store mp_bits_store
#define SCAN_NAME mp_csv_scan_avx2
#include "io/csv/csv_scan_kernel.h"
#endif
