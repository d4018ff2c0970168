/* csv_plain.c - see csv_plain.h. In vectors of 16 bytes, which every machine has: what is looked at is
 * copied right behind, so a wider kernel would wait for that. */
#include "io/csv/csv_plain.h"

#include <string.h>

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint64_t words2 __attribute__((vector_size(16)));

enum { BLOCK = 1024 };

bool mp_csv_plain_make(const mp_csv_dialect *in, char out, mp_csv_plain *plain) {
    uint8_t quote = in->quote ? (uint8_t)in->quote : '"';
    uint8_t other = in->delimiter == out ? '"' : (uint8_t)out;
    *plain = (mp_csv_plain){{'"', '\r', quote, other}};
    return in->n_nulls == 0 && !in->comment;
}

/* A block of BLOCK bytes: its newlines, and whether it holds an odd byte or an empty record. */
static bool look(const mp_csv_plain *plain, const uint8_t *p, int64_t *newlines) {
    const bytes16 a = (bytes16){0} + plain->odd[0], b = (bytes16){0} + plain->odd[1];
    const bytes16 c = (bytes16){0} + plain->odd[2], d = (bytes16){0} + plain->odd[3];
    bytes16 odd = {0}, count = {0}, v, before;
    for (size_t i = 0; i < BLOCK; i += sizeof v) {
        memcpy(&v, p + i, sizeof v);
        memcpy(&before, p + i - 1, sizeof v);
        bytes16 lf = (bytes16)(v == '\n');
        odd |= (bytes16)((v == a) | (v == b) | (v == c) | (v == d));
        odd |= lf & (bytes16)(before == '\n');
        count -= lf; /* BLOCK / 16 at most in each byte */
    }
    int64_t n = 0;
    for (size_t i = 0; i < sizeof count; i++)
        n += count[i];
    *newlines = n;
    words2 w = (words2)odd;
    return (w[0] | w[1]) != 0;
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
    while (n - at >= BLOCK && !look(plain, p + at, &newlines) && *rows + newlines <= max_rows) {
        *rows += newlines;
        at += BLOCK;
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
