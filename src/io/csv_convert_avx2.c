/* csv_convert_avx2.c - the conversion's kernels for AVX2, four fields at a time. */
#include "io/csv_convert_simd.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define LANES_INLINE static inline __attribute__((always_inline))
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

LANES_INLINE void lanes_positions(const mp_csv_fields *at, int32_t i, bool use_sel, lanes *start,
                                  lanes *end) {
    const __m128i iota = _mm_set_epi32(3, 2, 1, 0);
    __m128i rows = use_sel ? _mm_loadu_si128((const __m128i *)(const void *)(at->sel + i))
                           : _mm_add_epi32(_mm_set1_epi32(i), iota);
    __m128i place = _mm_mullo_epi32(rows, _mm_set1_epi32((int)at->end_step));
    if (at->start_add) { /* both stand side by side */
        __m256i both = _mm256_i32gather_epi64((const long long *)(const void *)at->start, place, 4);
        *start = _mm256_add_epi64(_mm256_and_si256(both, _mm256_set1_epi64x(UINT32_MAX)),
                                  _mm256_set1_epi64x(1));
        *end = _mm256_srli_epi64(both, 32);
        return;
    }
    __m128i from = use_sel ? _mm_i32gather_epi32((const int *)(const void *)at->start, rows, 4)
                           : _mm_loadu_si128((const __m128i *)(const void *)(at->start + i));
    *start = _mm256_cvtepu32_epi64(from);
    *end = _mm256_cvtepu32_epi64(_mm_i32gather_epi32((const int *)(const void *)at->end, place, 4));
}

#define KERNELS_NAME mp_csv_kernels_avx2
#include "io/csv_convert_kernel.h"
#endif
