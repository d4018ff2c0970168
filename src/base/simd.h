/* simd.h - which level of SIMD code runs on this machine.
 * Invariant: every level gives the same results; the level changes speed alone. */
#ifndef MP_BASE_SIMD_H
#define MP_BASE_SIMD_H

typedef enum {
    MP_SIMD_C,     /* what the compiler's baseline offers */
    MP_SIMD_AVX2,  /* with BMI2 */
    MP_SIMD_AVX512 /* with BW, VL, DQ, VBMI, VBMI2 */
} mp_simd;

/* The best level of this CPU, or a lower one that MPART_SIMD=avx512|avx2|c asks for. Reads the
 * environment: call it once where something is made, and keep the answer. */
mp_simd mp_simd_level(void);
/* "avx512", "avx2", "c". */
const char *mp_simd_name(mp_simd level);

#endif
