/* group_dense_avx512.c - places of keys by AVX-512. */
#include "op/group/group_dense_simd.h"

#if defined(__x86_64__)
#define KERNEL_NAME mp_dense_kernel_avx512
#include "op/group/group_dense_kernel.h"
#endif
