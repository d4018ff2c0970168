/* lanes.h - words of 64 bits side by side in a register, for kernels that are compiled once per
 * SIMD level: eight with AVX-512, four with AVX2. To be included by files that are compiled for one
 * of them (*_avx512.c, *_avx2.c). Invariant: the operations mean the same at both levels; a shift
 * by 64 or more, or by a negative number, gives 0. */
#ifndef MP_BASE_LANES_H
#define MP_BASE_LANES_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LANES_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512VBMI2__)

#define LANES 8
#define LANES_ALL 0xFFu
typedef __m512i lanes;
typedef __mmask8 lane_mask;

LANES_INLINE lane_mask mask_none(void) {
    return 0;
}
LANES_INLINE lane_mask mask_and(lane_mask a, lane_mask b) {
    return _kand_mask8(a, b);
}
LANES_INLINE lane_mask mask_or(lane_mask a, lane_mask b) {
    return _kor_mask8(a, b);
}
LANES_INLINE lane_mask mask_without(lane_mask a, lane_mask b) {
    return _kandn_mask8(b, a);
}
LANES_INLINE uint32_t mask_bits(lane_mask m) {
    return _cvtmask8_u32(m);
}
LANES_INLINE void mask_store_bytes(uint8_t *out, lane_mask m) {
    _mm_storel_epi64((__m128i *)(void *)out, _mm_maskz_set1_epi8(m, 1));
}

LANES_INLINE lanes lanes_set(uint64_t v) {
    return _mm512_set1_epi64((long long)v);
}
LANES_INLINE lanes lanes_and(lanes a, lanes b) {
    return _mm512_and_si512(a, b);
}
LANES_INLINE lanes lanes_or(lanes a, lanes b) {
    return _mm512_or_si512(a, b);
}
LANES_INLINE lanes lanes_xor(lanes a, lanes b) {
    return _mm512_xor_si512(a, b);
}
LANES_INLINE lanes lanes_without(lanes a, lanes b) {
    return _mm512_andnot_si512(b, a);
}
LANES_INLINE lanes lanes_add(lanes a, lanes b) {
    return _mm512_add_epi64(a, b);
}
LANES_INLINE lanes lanes_sub(lanes a, lanes b) {
    return _mm512_sub_epi64(a, b);
}
LANES_INLINE lanes lanes_mul32(lanes a, lanes b) {
    return _mm512_mul_epu32(a, b);
}
LANES_INLINE lanes lanes_shl(lanes a, lanes n) {
    return _mm512_sllv_epi64(a, n);
}
LANES_INLINE lanes lanes_shr(lanes a, lanes n) {
    return _mm512_srlv_epi64(a, n);
}
LANES_INLINE lanes lanes_times8(lanes a) {
    return _mm512_slli_epi64(a, 3);
}
LANES_INLINE lanes lanes_shl_byte(lanes a) {
    return _mm512_slli_epi64(a, 8);
}
LANES_INLINE lanes lanes_shr_byte(lanes a) {
    return _mm512_srli_epi64(a, 8);
}
LANES_INLINE lanes lanes_top_byte(lanes a) {
    return _mm512_srli_epi64(a, 56);
}
LANES_INLINE lanes lanes_high_half(lanes a) {
    return _mm512_srli_epi64(a, 32);
}
/* The low halves of low, and of high moved up. */
LANES_INLINE lanes lanes_halves(lanes low, lanes high) {
    high = _mm512_slli_epi64(high, 32);
    return _mm512_mask_mov_epi32(high, 0x5555, low);
}
LANES_INLINE lane_mask lanes_eq(lanes a, lanes b) {
    return _mm512_cmpeq_epi64_mask(a, b);
}
LANES_INLINE lane_mask lanes_not_zero(lanes a) {
    return _mm512_test_epi64_mask(a, a);
}
LANES_INLINE lane_mask lanes_no_bits(lanes a, lanes b) {
    return _mm512_testn_epi64_mask(a, b);
}
/* least <= a <= most, signed; most < INT64_MAX. */
LANES_INLINE lane_mask lanes_between(lanes a, int64_t least, int64_t most) {
    return _mm512_cmple_epu64_mask(_mm512_sub_epi64(a, _mm512_set1_epi64(least)),
                                   _mm512_set1_epi64(most - least));
}
LANES_INLINE lanes lanes_pick(lane_mask m, lanes yes, lanes no) {
    return _mm512_mask_mov_epi64(no, m, yes);
}
LANES_INLINE lanes lanes_zero_unless(lane_mask m, lanes a) {
    return _mm512_maskz_mov_epi64(m, a);
}
LANES_INLINE lanes lanes_max_bytes(lanes a, lanes b) {
    return _mm512_max_epu8(a, b);
}
LANES_INLINE lanes lanes_max_small(lanes a, lanes b) {
    return _mm512_max_epi32(a, b);
}
LANES_INLINE lanes lanes_points(lanes y) {
    __mmask64 m = _mm512_cmpeq_epi8_mask(y, _mm512_set1_epi8('.' ^ '0'));
    return _mm512_maskz_mov_epi8(m, _mm512_set1_epi8((char)0x80));
}
LANES_INLINE lanes lanes_sum_bytes(lanes a) {
    return _mm512_sad_epu8(a, _mm512_setzero_si512());
}
LANES_INLINE lane_mask lanes_all_digits(lanes y) {
    return _mm512_cmpeq_epi64_mask(_mm512_min_epu8(y, _mm512_set1_epi8(9)), y);
}
LANES_INLINE lanes lanes_eight_digits(lanes y) {
    const __m512i hundred = _mm512_set1_epi32(1 << 16 | 100);
    __m512i two = _mm512_maddubs_epi16(y, _mm512_set1_epi16(1 << 8 | 10));
    __m512i four = _mm512_madd_epi16(two, hundred);
    return _mm512_add_epi64(_mm512_mul_epu32(four, _mm512_set1_epi64(10000)),
                            _mm512_srli_epi64(four, 32));
}
LANES_INLINE uint32_t lanes_top(lanes a) {
    return (uint32_t)_mm512_reduce_max_epi32(a);
}
LANES_INLINE uint32_t lanes_union(lanes a) {
    return (uint32_t)_mm512_reduce_or_epi64(a);
}
LANES_INLINE void lanes_store(int64_t *out, lanes a) {
    _mm512_storeu_si512(out, a);
}
LANES_INLINE lanes lanes_iota(void) {
    return _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
}
LANES_INLINE void lanes_store_halves(uint32_t *out, lanes a) {
    _mm256_storeu_si256((__m256i *)(void *)out, _mm512_cvtepi64_epi32(a));
}
LANES_INLINE void lanes_store_bytes(uint8_t *out, lanes a) {
    _mm_storel_epi64((__m128i *)(void *)out, _mm512_cvtepi64_epi8(a));
}
LANES_INLINE void lanes_store_pairs(uint64_t *out, lanes a, lanes b) {
    const __m512i low = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0);
    const __m512i high = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
    _mm512_storeu_si512(out, _mm512_permutex2var_epi64(a, low, b));
    _mm512_storeu_si512(out + 8, _mm512_permutex2var_epi64(a, high, b));
}
LANES_INLINE lanes lanes_load8(const char *base, lanes at) {
    return _mm512_i64gather_epi64(at, base, 1);
}
/* Of pairs a, b, a, b ...: the inverse of lanes_store_pairs. */
LANES_INLINE void lanes_load_pairs(const void *from, lanes *a, lanes *b) {
    const __m512i even = _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odd = _mm512_set_epi64(15, 13, 11, 9, 7, 5, 3, 1);
    __m512i low = _mm512_loadu_si512(from);
    __m512i high = _mm512_loadu_si512((const char *)from + 64);
    *a = _mm512_permutex2var_epi64(low, even, high);
    *b = _mm512_permutex2var_epi64(low, odd, high);
}
LANES_INLINE lanes lanes_load_bytes(const uint8_t *from) {
    return _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(const void *)from));
}
/* The 8 bytes at each address; 0 and no access where m is not set. */
LANES_INLINE lanes lanes_load_at(lane_mask m, lanes address) {
    return _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), m, address, NULL, 1);
}
LANES_INLINE lanes lanes_sub_bytes(lanes a, lanes b) {
    return _mm512_sub_epi8(a, b);
}
/* The word of table[16] that the low four bits of at choose. */
LANES_INLINE lanes lanes_of_table(const uint64_t *table, lanes at) {
    return _mm512_permutex2var_epi64(_mm512_loadu_si512(table), at, _mm512_loadu_si512(table + 8));
}
/* Bytes times signed bytes, neighbours added to 16 bits; those times 16 bits, added to 32 bits. */
LANES_INLINE lanes lanes_weigh(lanes bytes, lanes byte_weight, lanes pair_weight) {
    return _mm512_madd_epi16(_mm512_maddubs_epi16(bytes, byte_weight), pair_weight);
}
/* table[at]; 0 and no access where m is not set. */
LANES_INLINE lanes lanes_load_u32(lane_mask m, const uint32_t *table, lanes at) {
    return _mm512_cvtepu32_epi64(
        _mm512_mask_i64gather_epi32(_mm256_setzero_si256(), m, at, table, 4));
}

#else

#define LANES 4
#define LANES_ALL 0xFu
typedef __m256i lanes;
typedef __m256i lane_mask;

LANES_INLINE lane_mask mask_none(void) {
    return _mm256_setzero_si256();
}
LANES_INLINE lane_mask mask_and(lane_mask a, lane_mask b) {
    return _mm256_and_si256(a, b);
}
LANES_INLINE lane_mask mask_or(lane_mask a, lane_mask b) {
    return _mm256_or_si256(a, b);
}
LANES_INLINE lane_mask mask_without(lane_mask a, lane_mask b) {
    return _mm256_andnot_si256(b, a);
}
LANES_INLINE uint32_t mask_bits(lane_mask m) {
    return (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(m));
}
LANES_INLINE void mask_store_bytes(uint8_t *out, lane_mask m) {
    uint32_t v = _pdep_u32(mask_bits(m), 0x01010101u);
    memcpy(out, &v, sizeof v);
}

LANES_INLINE lanes lanes_set(uint64_t v) {
    return _mm256_set1_epi64x((long long)v);
}
LANES_INLINE lanes lanes_and(lanes a, lanes b) {
    return _mm256_and_si256(a, b);
}
LANES_INLINE lanes lanes_or(lanes a, lanes b) {
    return _mm256_or_si256(a, b);
}
LANES_INLINE lanes lanes_xor(lanes a, lanes b) {
    return _mm256_xor_si256(a, b);
}
LANES_INLINE lanes lanes_without(lanes a, lanes b) {
    return _mm256_andnot_si256(b, a);
}
LANES_INLINE lanes lanes_add(lanes a, lanes b) {
    return _mm256_add_epi64(a, b);
}
LANES_INLINE lanes lanes_sub(lanes a, lanes b) {
    return _mm256_sub_epi64(a, b);
}
LANES_INLINE lanes lanes_mul32(lanes a, lanes b) {
    return _mm256_mul_epu32(a, b);
}
LANES_INLINE lanes lanes_shl(lanes a, lanes n) {
    return _mm256_sllv_epi64(a, n);
}
LANES_INLINE lanes lanes_shr(lanes a, lanes n) {
    return _mm256_srlv_epi64(a, n);
}
LANES_INLINE lanes lanes_times8(lanes a) {
    return _mm256_slli_epi64(a, 3);
}
LANES_INLINE lanes lanes_shl_byte(lanes a) {
    return _mm256_slli_epi64(a, 8);
}
LANES_INLINE lanes lanes_shr_byte(lanes a) {
    return _mm256_srli_epi64(a, 8);
}
LANES_INLINE lanes lanes_top_byte(lanes a) {
    return _mm256_srli_epi64(a, 56);
}
LANES_INLINE lanes lanes_high_half(lanes a) {
    return _mm256_srli_epi64(a, 32);
}
/* The low halves of low, and of high moved up. */
LANES_INLINE lanes lanes_halves(lanes low, lanes high) {
    high = _mm256_slli_epi64(high, 32);
    return _mm256_blend_epi32(high, low, 0x55);
}
LANES_INLINE lane_mask lanes_eq(lanes a, lanes b) {
    return _mm256_cmpeq_epi64(a, b);
}
LANES_INLINE lane_mask lanes_not_zero(lanes a) {
    const __m256i zero = _mm256_setzero_si256();
    return _mm256_xor_si256(_mm256_cmpeq_epi64(a, zero), _mm256_cmpeq_epi64(zero, zero));
}
LANES_INLINE lane_mask lanes_no_bits(lanes a, lanes b) {
    return _mm256_cmpeq_epi64(_mm256_and_si256(a, b), _mm256_setzero_si256());
}
LANES_INLINE lane_mask lanes_between(lanes a, int64_t least, int64_t most) {
    return _mm256_and_si256(_mm256_cmpgt_epi64(a, _mm256_set1_epi64x(least - 1)),
                            _mm256_cmpgt_epi64(_mm256_set1_epi64x(most + 1), a));
}
LANES_INLINE lanes lanes_pick(lane_mask m, lanes yes, lanes no) {
    return _mm256_blendv_epi8(no, yes, m);
}
LANES_INLINE lanes lanes_zero_unless(lane_mask m, lanes a) {
    return _mm256_and_si256(m, a);
}
LANES_INLINE lanes lanes_max_bytes(lanes a, lanes b) {
    return _mm256_max_epu8(a, b);
}
LANES_INLINE lanes lanes_max_small(lanes a, lanes b) {
    return _mm256_max_epi32(a, b);
}
LANES_INLINE lanes lanes_points(lanes y) {
    return _mm256_and_si256(_mm256_cmpeq_epi8(y, _mm256_set1_epi8('.' ^ '0')),
                            _mm256_set1_epi8((char)0x80));
}
LANES_INLINE lanes lanes_sum_bytes(lanes a) {
    return _mm256_sad_epu8(a, _mm256_setzero_si256());
}
LANES_INLINE lane_mask lanes_all_digits(lanes y) {
    return _mm256_cmpeq_epi64(_mm256_min_epu8(y, _mm256_set1_epi8(9)), y);
}
LANES_INLINE lanes lanes_eight_digits(lanes y) {
    const __m256i hundred = _mm256_set1_epi32(1 << 16 | 100);
    __m256i two = _mm256_maddubs_epi16(y, _mm256_set1_epi16(1 << 8 | 10));
    __m256i four = _mm256_madd_epi16(two, hundred);
    return _mm256_add_epi64(_mm256_mul_epu32(four, _mm256_set1_epi64x(10000)),
                            _mm256_srli_epi64(four, 32));
}
LANES_INLINE uint32_t lanes_top(lanes a) {
    uint64_t v[LANES], most = 0;
    _mm256_storeu_si256((__m256i *)(void *)v, a);
    for (int i = 0; i < LANES; i++)
        most = v[i] > most ? v[i] : most;
    return (uint32_t)most;
}
LANES_INLINE uint32_t lanes_union(lanes a) {
    uint64_t v[LANES];
    _mm256_storeu_si256((__m256i *)(void *)v, a);
    return (uint32_t)(v[0] | v[1] | v[2] | v[3]);
}
LANES_INLINE void lanes_store(int64_t *out, lanes a) {
    _mm256_storeu_si256((__m256i *)(void *)out, a);
}
LANES_INLINE lanes lanes_iota(void) {
    return _mm256_set_epi64x(3, 2, 1, 0);
}
LANES_INLINE void lanes_store_halves(uint32_t *out, lanes a) {
    const __m256i even = _mm256_set_epi32(7, 5, 3, 1, 6, 4, 2, 0);
    _mm_storeu_si128((__m128i *)(void *)out,
                     _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(a, even)));
}
LANES_INLINE void lanes_store_bytes(uint8_t *out, lanes a) {
    const __m256i low = _mm256_set1_epi64x(0xFF);
    __m256i words = _mm256_and_si256(a, low);
    __m128i two =
        _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    __m128i one = _mm_packus_epi32(two, two);
    uint32_t v = (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(one, one));
    memcpy(out, &v, sizeof v);
}
LANES_INLINE void lanes_store_pairs(uint64_t *out, lanes a, lanes b) {
    __m256i even = _mm256_unpacklo_epi64(a, b), odd = _mm256_unpackhi_epi64(a, b);
    _mm256_storeu_si256((__m256i *)(void *)out, _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_storeu_si256((__m256i *)(void *)(out + 4), _mm256_permute2x128_si256(even, odd, 0x31));
}
LANES_INLINE lanes lanes_load8(const char *base, lanes at) {
    return _mm256_i64gather_epi64((const long long *)(const void *)base, at, 1);
}
LANES_INLINE void lanes_load_pairs(const void *from, lanes *a, lanes *b) {
    __m256i low = _mm256_loadu_si256((const __m256i *)from);
    __m256i high = _mm256_loadu_si256((const __m256i *)from + 1);
    *a = _mm256_permute4x64_epi64(_mm256_unpacklo_epi64(low, high), 0xD8);
    *b = _mm256_permute4x64_epi64(_mm256_unpackhi_epi64(low, high), 0xD8);
}
LANES_INLINE lanes lanes_load_bytes(const uint8_t *from) {
    int32_t four;
    memcpy(&four, from, sizeof four);
    return _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(four));
}
LANES_INLINE lanes lanes_load_at(lane_mask m, lanes address) {
    return _mm256_mask_i64gather_epi64(_mm256_setzero_si256(), NULL, address, m, 1);
}
LANES_INLINE lanes lanes_sub_bytes(lanes a, lanes b) {
    return _mm256_sub_epi8(a, b);
}
LANES_INLINE lanes lanes_of_table(const uint64_t *table, lanes at) {
    at = _mm256_and_si256(at, _mm256_set1_epi64x(15));
    return _mm256_i64gather_epi64((const long long *)(const void *)table, at, 8);
}
LANES_INLINE lanes lanes_weigh(lanes bytes, lanes byte_weight, lanes pair_weight) {
    return _mm256_madd_epi16(_mm256_maddubs_epi16(bytes, byte_weight), pair_weight);
}
LANES_INLINE lanes lanes_load_u32(lane_mask m, const uint32_t *table, lanes at) {
    const __m256i even = _mm256_set_epi32(7, 5, 3, 1, 6, 4, 2, 0);
    __m128i some = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(m, even));
    return _mm256_cvtepu32_epi64(_mm256_mask_i64gather_epi32(
        _mm_setzero_si128(), (const int *)(const void *)table, at, some, 4));
}

#endif

#endif
