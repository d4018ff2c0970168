/* moments.h - variance, standard deviation and correlation from exact sums.
 * Invariant: the result is a function of the exact n, sums of x, x^2 (y, y^2, xy) alone; it depends
 * neither on the order of the rows nor on whether the sums were kept in integers or in
 * superaccumulators.
 *   var  = (n Sxx - Sx^2) / (n (n - 1)), the exact quotient rounded once
 *   std  = sqrt(var), rounded once more; also where var itself is out of a double's range
 *   corr = (n Sxy - Sx Sy) / sqrt((n Sxx - Sx^2) (n Syy - Sy^2)), the three exact numbers to 126
 *          bits, the rest in double-double; within -1..1, and exactly 1 or -1 on a line
 * Sums of a column x = q * 10^-scale * 2^w, q an int64: n, Sx = sum of q, Sxx = sum of q^2, Sxy
 * likewise; scale 0 and w 0 for int64, w 0 for decimals (all q at one scale), scale 0 for doubles
 * (mp_fsum_quantize). No overflow for n <= 2^62. */
#ifndef MP_DATA_MOMENTS_H
#define MP_DATA_MOMENTS_H

#include "data/exact_sum.h"

/* false: null (fewer than two values). */
bool mp_var_exact(int64_t n, mp_i128 sx, mp_i256 sxx, int scale, int w, double *var);
bool mp_std_exact(int64_t n, mp_i128 sx, mp_i256 sxx, int scale, int w, double *std);
/* Scales cancel. false: null (fewer than two values, or x or y does not vary). */
bool mp_corr_exact(int64_t n, mp_i128 sx, mp_i128 sy, mp_i256 sxx, mp_i256 syy, mp_i256 sxy,
                   double *corr);

/* The same from superaccumulators, for doubles: sxx by mp_superacc_add_product(x, x), window parts
 * added with mp_superacc_add_i128(sx, w) and mp_superacc_add_i256(sxx, 2 w). NaN and infinities
 * give NaN. */
bool mp_var_superacc(int64_t n, const mp_superacc *sx, const mp_superacc *sxx, double *var);
bool mp_std_superacc(int64_t n, const mp_superacc *sx, const mp_superacc *sxx, double *std);
bool mp_corr_superacc(int64_t n, const mp_superacc *sx, const mp_superacc *sy,
                      const mp_superacc *sxx, const mp_superacc *syy, const mp_superacc *sxy,
                      double *corr);

#endif
