/* print_num.h - numbers as text: the shortest that reads back the same, decimals and floats always
 * with a fraction or an exponent, so that a column's type can be told from its text.
 * Invariant: the text depends on the value alone, not on the locale. No NUL is written. Every
 * function returns the bytes written, at most MP_NUM_MAX, and may scribble over all MP_NUM_MAX
 * bytes at out. */
#ifndef MP_DATA_PRINT_NUM_H
#define MP_DATA_PRINT_NUM_H

#include <stddef.h>
#include <stdint.h>

enum { MP_NUM_MAX = 48 };

/* 12, -9223372036854775808 */
size_t mp_print_int64(char *out, int64_t v);
/* Mantissa and scale (0..18) with trailing zeros dropped but one: 1.5, 3.0, -0.001. */
size_t mp_print_decimal(char *out, int64_t mantissa, int scale);
/* As Python's repr: 3.0, 0.0001, 1e-05, 1e+16, nan, inf, -inf; but -0.0 is 0.0, so that the sign of
 * a zero never depends on the order of additions. Shortest digits that read back the same and of
 * these the nearest: Schubfach (Giulietti 2020, "The Schubfach way to render doubles"). */
size_t mp_print_double(char *out, double v);

/* The shortest digits themselves: v = *digits * 10^*exp10 for a finite v > 0; no trailing zeros. */
void mp_shortest_digits(double v, uint64_t *digits, int *exp10);

#endif
