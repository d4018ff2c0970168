/* csv_convert_avx2.c - the conversion's kernels for AVX2, four fields at a time. */
#include "io/csv/csv_convert_simd.h"

#if defined(__x86_64__)
#include "base/lanes.h"

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
#include "io/csv/csv_convert_kernel.h"
#endif
