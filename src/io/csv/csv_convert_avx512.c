/* csv_convert_avx512.c - the conversion's kernels for AVX-512, eight fields at a time. */
#include "io/csv/csv_convert_simd.h"

#if defined(__x86_64__)
#include "base/lanes.h"

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
#include "io/csv/csv_convert_kernel.h"
#endif
