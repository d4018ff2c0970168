/* csv_scan_avx512.c - the scan for AVX-512 with VBMI2 (compress of bytes). */
#include "io/csv/csv_scan.h"

#if defined(__x86_64__)
#include "base/bits.h"

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

#define SCAN_EXTRACT(m, at) _pext_u64(m, at)
#define SCAN_PREFIX_XOR(m) mp_bits_prefix_xor(m)
#define scan_store mp_bits_store
#define SCAN_NAME mp_csv_scan_avx512
#include "io/csv/csv_scan_kernel.h"
#endif
