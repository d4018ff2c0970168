/* csv_convert_avx512.c - the conversion's kernels for AVX-512, eight fields at a time. */
#include "io/csv_convert_simd.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define LANES_INLINE static inline __attribute__((always_inline))
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
LANES_INLINE lane_mask lanes_eq(lanes a, lanes b) {
    return _mm512_cmpeq_epi64_mask(a, b);
}
LANES_INLINE lane_mask lanes_not_zero(lanes a) {
    return _mm512_test_epi64_mask(a, a);
}
LANES_INLINE lane_mask lanes_no_bits(lanes a, lanes b) {
    return _mm512_testn_epi64_mask(a, b);
}
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

LANES_INLINE void lanes_positions(const mp_csv_fields *at, int32_t i, bool use_sel, lanes *start,
                                  lanes *end) {
    const __m256i iota = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    __m256i rows = use_sel ? _mm256_loadu_si256((const __m256i *)(const void *)(at->sel + i))
                           : _mm256_add_epi32(_mm256_set1_epi32(i), iota);
    __m256i place = _mm256_mullo_epi32(rows, _mm256_set1_epi32((int)at->end_step));
    if (at->start_add) { /* both stand side by side */
        __m512i both = _mm512_i32gather_epi64(place, at->start, 4);
        *start = _mm512_add_epi64(_mm512_and_si512(both, _mm512_set1_epi64(UINT32_MAX)),
                                  _mm512_set1_epi64(1));
        *end = _mm512_srli_epi64(both, 32);
        return;
    }
    __m256i from = use_sel ? _mm256_i32gather_epi32((const int *)(const void *)at->start, rows, 4)
                           : _mm256_loadu_si256((const __m256i *)(const void *)(at->start + i));
    *start = _mm512_cvtepu32_epi64(from);
    *end =
        _mm512_cvtepu32_epi64(_mm256_i32gather_epi32((const int *)(const void *)at->end, place, 4));
}

#define KERNELS_NAME mp_csv_kernels_avx512
#include "io/csv_convert_kernel.h"
#endif
