/* str.c - comparing and suggesting names. ASCII only, whatever the locale. */
#include "base/str.h"

#include <stddef.h>

static char lower_char(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool mp_str_eq_nocase(mp_str a, const char *s) {
    for (uint32_t i = 0; i < a.len; i++)
        if (!s[i] || lower_char(a.p[i]) != lower_char(s[i])) return false;
    return s[a.len] == 0;
}

enum { DISTANCE_MAX = 64 };

static int min_int(int a, int b) {
    return a < b ? a : b;
}

int mp_str_distance(const char *a, const char *b) {
    int rows[3][DISTANCE_MAX + 1];
    int n = (int)strnlen(a, DISTANCE_MAX), m = (int)strnlen(b, DISTANCE_MAX);
    for (int j = 0; j <= m; j++)
        rows[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *cur = rows[i % 3], *prev = rows[(i + 2) % 3], *prev2 = rows[(i + 1) % 3];
        cur[0] = i;
        for (int j = 1; j <= m; j++) {
            int d = prev[j - 1] + (a[i - 1] != b[j - 1]);
            d = min_int(d, min_int(prev[j], cur[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d = min_int(d, prev2[j - 2] + 1);
            cur[j] = d;
        }
    }
    return rows[n % 3][m];
}

int mp_str_nearest(const char *name, const char *const *candidates, int n) {
    int len = (int)strnlen(name, DISTANCE_MAX);
    int best = -1, best_distance = 1 + len / 4 + 1; /* one edit, and one more per four letters */
    for (int i = 0; i < n; i++) {
        if (!candidates[i]) continue;
        int d = mp_str_eq_nocase(mp_str_c(name), candidates[i])
                    ? 0
                    : mp_str_distance(name, candidates[i]);
        if (d < best_distance && (d < len || d == 0)) {
            best = i;
            best_distance = d;
        }
    }
    return best;
}
