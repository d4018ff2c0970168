/* csv_scan.c - the scan at the compiler's baseline (SSE2 on x86-64, else eight bytes in a word),
 * and the choice of a level. */
#include "io/csv/csv_scan.h"

#include <string.h>

/* Not looked for: a CR may always have been seen. */
typedef struct {
    char none;
} scan_seen;

static inline scan_seen scan_seen_none(void) {
    return (scan_seen){0};
}

static inline bool scan_seen_cr(scan_seen seen) {
    (void)seen;
    return true;
}

#if defined(__SSE2__)
#include <emmintrin.h>

typedef struct {
    __m128i delimiter, quote;
} scan_keys;

static inline scan_keys scan_keys_of(const mp_csv_scan *s) {
    return (scan_keys){_mm_set1_epi8((char)s->delimiter), _mm_set1_epi8((char)s->quote)};
}

static inline uint64_t bits16(__m128i m, int at) {
    return (uint64_t)(uint32_t)_mm_movemask_epi8(m) << at;
}

static inline void scan_classify(const uint8_t *p, const scan_keys *k, scan_seen *seen,
                                 uint64_t *sep, uint64_t *lines, uint64_t *special) {
    (void)seen;
    const __m128i lf = _mm_set1_epi8('\n'), zero = _mm_setzero_si128();
    uint64_t s = 0, l = 0, x = 0;
    for (int i = 0; i < 64; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i is_lf = _mm_cmpeq_epi8(v, lf);
        s |= bits16(_mm_or_si128(is_lf, _mm_cmpeq_epi8(v, k->delimiter)), i);
        l |= bits16(is_lf, i);
        x |= bits16(_mm_or_si128(_mm_cmpeq_epi8(v, k->quote), _mm_cmpeq_epi8(v, zero)), i);
    }
    *sep = s;
    *lines = l;
    *special = x;
}

static inline uint64_t scan_mask(const uint8_t *p, char c) {
    uint64_t m = 0;
    for (int i = 0; i < 64; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        m |= bits16(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)), i);
    }
    return m;
}
#else
typedef struct {
    uint8_t delimiter, quote;
} scan_keys;

static inline scan_keys scan_keys_of(const mp_csv_scan *s) {
    return (scan_keys){s->delimiter, s->quote};
}

/* Bit i: byte i of the eight is c. The zero bytes of v are found exactly (no carry between bytes),
 * then their high bits are gathered by one multiplication. */
static inline uint64_t match8(const uint8_t *p, uint8_t c) {
    const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t m = 0;
    for (int i = 0; i < 8; i++)
        m |= (uint64_t)p[i] << (8 * i);
    uint64_t v = m ^ UINT64_C(0x0101010101010101) * c;
    uint64_t zero = ~(((v & low7) + low7) | v | low7) >> 7;
    return (zero * UINT64_C(0x0102040810204080)) >> 56;
}

static inline uint64_t scan_mask(const uint8_t *p, char c) {
    uint64_t m = 0;
    for (int i = 0; i < 64; i += 8)
        m |= match8(p + i, (uint8_t)c) << i;
    return m;
}

static inline void scan_classify(const uint8_t *p, const scan_keys *k, scan_seen *seen,
                                 uint64_t *sep, uint64_t *lines, uint64_t *special) {
    (void)seen;
    *lines = scan_mask(p, '\n');
    *sep = *lines | scan_mask(p, (char)k->delimiter);
    *special = scan_mask(p, (char)k->quote) | scan_mask(p, 0);
}
#endif

static inline void scan_store(uint32_t *out, uint64_t m, uint32_t at, uint32_t n) {
    (void)n;
    for (; m; m &= m - 1)
        *out++ = at + (uint32_t)__builtin_ctzll(m);
}

#define SCAN_NAME mp_csv_scan_c
#include "io/csv/csv_scan_kernel.h"

void mp_csv_period_make(mp_csv_period *p, uint32_t n_columns) {
    *p = (mp_csv_period){.n = n_columns};
    if (n_columns > 64) return;
    for (uint32_t f = 0; f < n_columns; f++)
        for (uint32_t i = n_columns - 1 - f; i < 64; i += n_columns)
            p->newlines[f] |= UINT64_C(1) << i;
    for (uint32_t i = 0; i < 128; i++)
        p->next[i] = (uint8_t)(i % n_columns);
}

mp_csv_scan_fn mp_csv_scan_choose(mp_simd level) {
#if defined(__x86_64__)
    if (level == MP_SIMD_AVX512) return mp_csv_scan_avx512;
    if (level == MP_SIMD_AVX2) return mp_csv_scan_avx2;
#endif
    (void)level;
    return mp_csv_scan_c;
}
