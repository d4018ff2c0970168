/* csv_plain_avx2.c - blocks of plain records for AVX2. */
#include "io/csv/csv_plain.h"

#if defined(__x86_64__)
#define PLAIN_LOOK mp_csv_plain_look_32
#define PLAIN_BYTES 32
#include "io/csv/csv_plain_kernel.h"
#endif
