/* pow10_table.h - 128-bit significands of the powers of ten, for reading and writing doubles.
 * Invariant: row k - MP_POW10_FIRST holds {high, low} words of g, 2^127 <= g < 2^128, 10^k ~ g *
 * 2^(floor(log2(10^k)) - 127), rounded down for k < -27 and for k >= 0 (there exact up to 55),
 * rounded up from -27 to -1. */
#ifndef MP_DATA_POW10_TABLE_H
#define MP_DATA_POW10_TABLE_H

#include <stdint.h>

enum {
    MP_POW10_FIRST = -342,
    MP_POW10_LAST = 324,
    MP_POW10_UP_FIRST = -27,
    MP_POW10_EXACT_LAST = 55
};

extern const uint64_t mp_pow10_table[MP_POW10_LAST - MP_POW10_FIRST + 1][2];

static inline const uint64_t *mp_pow10_row(int k) {
    return mp_pow10_table[k - MP_POW10_FIRST];
}

#endif
