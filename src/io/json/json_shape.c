/* json_shape.c - see json_shape.h. Every look ahead stays within the 64 bytes that can be read behind
 * the map. */
#include "io/json/json_shape.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

INLINE bool is_key(const mp_json_shape *k, const uint8_t *p) {
    uint64_t a[2];
    memcpy(a, p, sizeof a);
    uint32_t bits = 8 * k->len;
    if (k->len <= 8) return (a[0] ^ k->key[0]) << (64 - bits) == 0;
    return a[0] == k->key[0] && (a[1] ^ k->key[1]) << (128 - bits) == 0;
}

/* Behind the number at p, NULL: none, or one with an exponent. */
INLINE const uint8_t *number(const mp_json_map *map, const uint8_t *p, const uint8_t *end) {
    p += *p == '-';
    const uint8_t *q = mp_json_map_other(map, p, end);
    if (q == p || (*p == '0' && q - p > 1)) return NULL;
    if (*q != '.') return q;
    p = q + 1;
    if (p >= end) return NULL;
    q = mp_json_map_other(map, p, end);
    return q == p ? NULL : q;
}

INLINE bool is_word(const uint8_t *p, const char *word) {
    return memcmp(p, word, 4) == 0;
}

/* Behind the value at p, NULL: it is of no plain kind. */
INLINE const uint8_t *plain_value(const mp_json_map *map, const uint8_t *p, const uint8_t *end,
                                  mp_json_value *v) {
    const uint8_t *behind;
    if (p >= end) return NULL;
    if (*p == '"') {
        behind = p + 1 < end ? mp_json_map_stop(map, p + 1, end) : end;
        *v = (mp_json_value){.p = p + 1, .len = (uint32_t)(behind - p - 1), .kind = MP_JSON_STRING};
        return behind < end && *behind == '"' ? behind + 1 : NULL;
    }
    if (*p == '-' || (*p >= '0' && *p <= '9')) {
        behind = p + 1 < end ? number(map, p, end) : p + 1;
        if (behind == p + 1 && *p == '-') return NULL;
    } else if (is_word(p, "true") || is_word(p, "null")) {
        behind = p + 4;
    } else if (is_word(p, "fals") && p[4] == 'e') {
        behind = p + 5;
    } else {
        return NULL;
    }
    *v = (mp_json_value){
        .p = p, .len = (uint32_t)(behind - p), .kind = *p == 'n' ? MP_JSON_NULL : MP_JSON_WORD};
    return behind;
}

bool mp_json_shape_read(const mp_json_shape *shape, int32_t n, const mp_json_map *map,
                        const uint8_t *p, const uint8_t *end, mp_json_value *values) {
    if (p >= end || *p++ != '{') return false;
    for (int32_t i = 0; i < n; i++) {
        const mp_json_shape *k = &shape[i];
        mp_json_value v;
        if (k->len == 0 || end - p <= (ptrdiff_t)k->len || !is_key(k, p)) return false;
        p += k->len;
        p += *p == ' ';
        p = plain_value(map, p, end, &v);
        if (!p || p >= end) return false;
        if (k->slot >= 0) values[k->slot] = v;
        if (*p != ',') return *p == '}' && p + 1 == end;
        p++;
        p += *p == ' ';
    }
    return false;
}
