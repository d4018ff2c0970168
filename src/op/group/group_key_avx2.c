/* group_key_avx2.c - short keys by AVX2. */
#include "op/group/group_key_simd.h"

#if defined(__x86_64__)
#define KERNEL_NAME mp_key_kernel_avx2
#include "op/group/group_key_kernel.h"
#endif
