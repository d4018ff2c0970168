/* json_index.c - which kernels a level has. See json_index.h. */
#include "io/json/json_index.h"

const mp_json_kernels *mp_json_kernels_of(mp_simd level) {
#if defined(__x86_64__)
    if (level == MP_SIMD_AVX512) return &mp_json_kernels_avx512;
    if (level == MP_SIMD_AVX2) return &mp_json_kernels_avx2;
#endif
    (void)level;
    return NULL;
}
