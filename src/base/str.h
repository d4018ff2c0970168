/* str.h - a view of bytes that somebody else owns.
 * Invariant: a view is never freed; whoever keeps one copies the bytes. Bytes are not NUL-terminated. */
#ifndef MP_BASE_STR_H
#define MP_BASE_STR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    const char *p;
    uint32_t len;   /* bytes */
    uint32_t flags; /* 0; reserved for the owner of the column */
} mp_str;

static inline mp_str mp_str_of(const char *p, size_t n) {
    return (mp_str){p, (uint32_t)n, 0};
}
static inline mp_str mp_str_c(const char *s) {
    return mp_str_of(s, strlen(s));
}
static inline bool mp_str_eq(mp_str a, mp_str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}
/* Bytewise order, shorter first on a tie. */
static inline int mp_str_cmp(mp_str a, mp_str b) {
    uint32_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}
/* Equal to a C string, ASCII letters in any case. */
bool mp_str_eq_nocase(mp_str a, const char *s);
/* Edit distance (Damerau-Levenshtein, restricted), for "did you mean"; at most 64 bytes of each are looked at. */
int mp_str_distance(const char *a, const char *b);
/* Index of the candidate nearest to name, -1 when none is near enough to suggest. */
int mp_str_nearest(const char *name, const char *const *candidates, int n);

#endif
