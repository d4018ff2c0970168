/* json_map.c - which kernel makes the map. See json_map.h. */
#include "io/json/json_map.h"

mp_json_map_fn mp_json_map_choose(mp_simd level) {
#if defined(__x86_64__)
    if (level == MP_SIMD_AVX512) return mp_json_map_avx512;
    if (level == MP_SIMD_AVX2) return mp_json_map_avx2;
#endif
    (void)level;
    return NULL;
}
