/* bits.h - masks of 64 bytes: where their bits are, and the sums along them; for the kernels of a
 * SIMD level, whose file is compiled for it.
 * Invariant: AVX2 and AVX-512 give the same. */
#ifndef MP_BASE_BITS_H
#define MP_BASE_BITS_H

#if defined(__AVX2__)
#include <immintrin.h>
#include <stdint.h>

/* Bit i: xor of bits 0..i. */
static inline uint64_t mp_bits_prefix_xor(uint64_t m) {
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)m), _mm_set1_epi8(-1), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

#if defined(__AVX512VBMI2__)
static inline void mp_bits_store16(uint32_t *out, __m128i bytes, __m512i at) {
    _mm512_storeu_si512(out, _mm512_add_epi32(_mm512_cvtepu8_epi32(bytes), at));
}

/* The places of the n bits of m, each with at added, to out; entries up to out + 64 may be
 * overwritten. The offsets as bytes are compressed in a register (compressing to memory is slow on
 * some CPUs) and widened sixteen at a time. */
static inline void mp_bits_store(uint32_t *out, uint64_t m, uint32_t at, uint32_t n) {
    const __m512i iota = _mm512_set_epi8(
        63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41,
        40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18,
        17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i c = _mm512_maskz_compress_epi8(m, iota);
    __m512i base = _mm512_set1_epi32((int)at);
    mp_bits_store16(out, _mm512_castsi512_si128(c), base);
    if (n <= 16) return;
    mp_bits_store16(out + 16, _mm512_extracti32x4_epi32(c, 1), base);
    if (n <= 32) return;
    mp_bits_store16(out + 32, _mm512_extracti32x4_epi32(c, 2), base);
    mp_bits_store16(out + 48, _mm512_extracti32x4_epi32(c, 3), base);
}
#else
/* As above; eight at a time without asking, since tzcnt of 0 is 64. */
static inline void mp_bits_store(uint32_t *out, uint64_t m, uint32_t at, uint32_t n) {
    for (uint32_t i = 0; i < n; i += 8)
        for (int k = 0; k < 8; k++) {
            out[i + (uint32_t)k] = at + (uint32_t)_tzcnt_u64(m);
            m = _blsr_u64(m);
        }
}
#endif
#endif

#endif
