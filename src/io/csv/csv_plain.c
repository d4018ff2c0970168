/* csv_plain.c - see csv_plain.h. */
#include "io/csv/csv_plain.h"

#include <string.h>

#include "base/simd.h"

#define PLAIN_LOOK mp_csv_plain_look_16
#define PLAIN_BYTES 16 /* which every machine has */
#include "io/csv/csv_plain_kernel.h"

bool mp_csv_plain_make(const mp_csv_dialect *in, char out, mp_csv_plain *plain) {
    uint8_t quote = in->quote ? (uint8_t)in->quote : '"';
    uint8_t other = in->delimiter == out ? '"' : (uint8_t)out;
    *plain = (mp_csv_plain){.odd = {'"', '\r', quote, other}, .look = mp_csv_plain_look_16};
#if defined(__x86_64__)
    if (mp_simd_level() >= MP_SIMD_AVX2) plain->look = mp_csv_plain_look_32;
#endif
    return in->n_nulls == 0 && !in->comment;
}

static bool is_odd(const mp_csv_plain *plain, const uint8_t *p) {
    return memchr(plain->odd, *p, sizeof plain->odd) || (*p == '\n' && p[-1] == '\n');
}

size_t mp_csv_plain_front(const mp_csv_plain *plain, const uint8_t *p, size_t n, int64_t max_rows,
                          int64_t *rows) {
    size_t at = 0, end = 0;
    int64_t newlines = 0;
    *rows = 0;
    if (n == 0 || p[0] == '\n') return 0;
    while (n - at >= MP_CSV_PLAIN_BLOCK && !plain->look(plain->odd, p + at, &newlines) &&
           *rows + newlines <= max_rows) {
        *rows += newlines;
        at += MP_CSV_PLAIN_BLOCK;
    }
    for (size_t i = at; i < n && *rows < max_rows && !is_odd(plain, p + i); i++) {
        if (p[i] != '\n') continue;
        end = i + 1;
        ++*rows;
    }
    if (end > 0 || *rows == 0) return end;
    const uint8_t *last = memrchr(p, '\n', at);
    return last ? (size_t)(last - p) + 1 : 0;
}
