/* simd.c - the SIMD level from CPUID, lowered by MPART_SIMD.
 * Invariant: the level returned is one that this CPU can run. */
#include "base/simd.h"

#include <stdlib.h>
#include <string.h>

static mp_simd best_level(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi") ||
        !__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("popcnt") ||
        !__builtin_cpu_supports("pclmul"))
        return MP_SIMD_C;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2"))
        return MP_SIMD_AVX512;
    return MP_SIMD_AVX2;
#else
    return MP_SIMD_C;
#endif
}

mp_simd mp_simd_level(void) {
    mp_simd best = best_level();
    const char *wish = getenv("MPART_SIMD");
    if (!wish) return best;
    for (mp_simd l = MP_SIMD_C; l < best; l++)
        if (strcmp(wish, mp_simd_name(l)) == 0) return l;
    return best;
}

const char *mp_simd_name(mp_simd level) {
    static const char *const names[] = {"c", "avx2", "avx512"};
    return names[level];
}
