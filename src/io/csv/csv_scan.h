/* csv_scan.h - the positions of delimiters and newlines in a stretch of CSV text, by SIMD.
 * Invariant: what a scan gives for the blocks it went through is what the state machine of
 * csv_split.c gives, at every level; where it cannot be sure (a quote that neither opens nor closes
 * a field cleanly, a NUL byte) it stops before the block, and the caller goes on with csv_record.h.
 * Lines that begin with the comment character are not known here: what stands behind the first of
 * them is void. */
#ifndef MP_IO_CSV_SCAN_H
#define MP_IO_CSV_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/simd.h"

enum { MP_CSV_SCAN_SLACK = 128 }; /* entries of pos behind max_pos that may be overwritten */

/* Which positions are newlines where every row has n fields: what a scan compares with. */
typedef struct {
    uint32_t n;
    uint64_t newlines[64]; /* n <= 64: bit i of newlines[f]: the position i behind field f of a row
                              is a newline */
    uint8_t
        next[128]; /* n <= 64: the field that follows when so many behind the first have passed */
} mp_csv_period;

void mp_csv_period_make(mp_csv_period *p, uint32_t n_columns);

typedef struct {
    const uint8_t *base; /* 64 bytes before and behind the text are readable */
    uint32_t from, to;   /* the stretch of base; from is the start of a record */
    uint8_t delimiter;
    uint8_t quote;    /* 0: none */
    uint32_t *pos;    /* room for max_pos + MP_CSV_SCAN_SLACK */
    uint32_t max_pos; /* the scan ends behind the block that reaches one of these */
    uint32_t max_lines;
    const mp_csv_period *period; /* NULL: regular is not asked for */
    /* out */
    uint32_t n_pos;   /* delimiters and newlines outside quotes: offsets from base, ascending */
    uint32_t n_lines; /* how many of them are newlines */
    bool quotes;      /* a quote was seen */
    bool doubled;     /* a doubled quote inside quotes was seen */
    bool crs;         /* a CR may have been seen */
    bool regular_known;
    bool regular; /* every period.n-th position is a newline and no other */
    bool odd;     /* stopped before a block that needs the state machine */
} mp_csv_scan;

typedef void (*mp_csv_scan_fn)(mp_csv_scan *s);

/* The kernel of a level (the best that was compiled in, at most level). */
mp_csv_scan_fn mp_csv_scan_choose(mp_simd level);

void mp_csv_scan_c(mp_csv_scan *s);
#if defined(__x86_64__)
void mp_csv_scan_avx2(mp_csv_scan *s);
void mp_csv_scan_avx512(mp_csv_scan *s);
#endif

#endif
