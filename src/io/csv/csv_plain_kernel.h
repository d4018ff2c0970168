/* csv_plain_kernel.h - PLAIN_LOOK, by vectors of PLAIN_BYTES bytes. */
#include <string.h>

#include "io/csv/csv_plain.h"

typedef uint8_t plain_bytes __attribute__((vector_size(PLAIN_BYTES)));
typedef uint64_t plain_words __attribute__((vector_size(PLAIN_BYTES)));

bool PLAIN_LOOK(const uint8_t *odd_bytes, const uint8_t *p, int64_t *newlines) {
    const plain_bytes zero = {0}, a = zero + odd_bytes[0], b = zero + odd_bytes[1];
    const plain_bytes c = zero + odd_bytes[2], d = zero + odd_bytes[3];
    plain_bytes odd = zero, count = zero, v, before;
    for (size_t i = 0; i < MP_CSV_PLAIN_BLOCK; i += sizeof v) {
        memcpy(&v, p + i, sizeof v);
        memcpy(&before, p + i - 1, sizeof v);
        plain_bytes lf = (plain_bytes)(v == '\n');
        odd |= (plain_bytes)((v == a) | (v == b) | (v == c) | (v == d));
        odd |= lf & (plain_bytes)(before == '\n');
        count -= lf; /* MP_CSV_PLAIN_BLOCK / PLAIN_BYTES at most in each byte */
    }
    int64_t n = 0;
    for (size_t i = 0; i < sizeof count; i++)
        n += count[i];
    *newlines = n;
    uint64_t any = 0;
    for (size_t i = 0; i < sizeof odd / sizeof any; i++)
        any |= ((plain_words)odd)[i];
    return any != 0;
}
