/* group_text.c - keys as text: typed columns to canonical texts, evidence of the type of
 * distinct texts, rewriting to canonical form. */
#include <string.h>

#include "data/date.h"
#include "data/parse_num.h"
#include "data/print_num.h"
#include "op/group/group_state.h"

_Static_assert((int)MP_NUM_MAX <= (int)MP_GROUP_TEXT_MAX &&
                   (int)MP_DATE_TEXT_MAX <= (int)MP_GROUP_TEXT_MAX,
               "every canonical text fits");

size_t mp_group_print(mp_type t, int64_t i, double f, int scale, uint8_t ts_sep, char *out) {
    switch (t) {
    case MP_BOOL:
        memcpy(out, i ? "true" : "false", i ? 4 : 5);
        return i ? 4 : 5;
    case MP_INT64:
        return mp_print_int64(out, i);
    case MP_DECIMAL:
        return mp_print_decimal(out, i, scale);
    case MP_FLOAT64:
        return mp_print_double(out, f);
    case MP_DATE:
        return mp_print_date(out, i);
    case MP_TIMESTAMP:
        return mp_print_timestamp(out, i, (char)ts_sep);
    default:
        return 0;
    }
}

static size_t print_row(const mp_col *c, int32_t i, char *out) {
    int64_t v = c->type == MP_BOOL ? c->b[i] : c->type == MP_FLOAT64 ? 0 : c->i64[i];
    double f = c->type == MP_FLOAT64 ? c->f64[i] : 0;
    return mp_group_print(c->type, v, f, c->scale, c->ts_sep, out);
}

mp_status mp_group_texts(const mp_col *c, int32_t n, mp_arena *arena, const mp_str **text,
                         const uint8_t **valid, mp_error *err) {
    *valid = c->valid;
    *text = c->str;
    if (c->type == MP_STRING) return MP_OK;
    size_t bytes = (size_t)n * sizeof(mp_str), chars = (size_t)n * MP_GROUP_TEXT_MAX;
    mp_str *out = mp_arena_alloc(arena, bytes, 8);
    if (!out) return mp_mem_error(arena->mem, bytes, err);
    *text = out;
    if (c->type == MP_NULL) {
        uint8_t *none = mp_arena_alloc(arena, (size_t)n, 1);
        if (!none) return mp_mem_error(arena->mem, (size_t)n, err);
        memset(out, 0, bytes);
        memset(none, 0, (size_t)n);
        *valid = none;
        return MP_OK;
    }
    char *p = mp_arena_alloc(arena, chars, 1);
    if (!p) return mp_mem_error(arena->mem, chars, err);
    for (int32_t i = 0; i < n; i++) {
        size_t len = mp_col_is_null(c, i) ? 0 : print_row(c, i, p);
        out[i] = mp_str_of(p, len);
        p += len;
    }
    return MP_OK;
}

/* The short canonical form of an int64: nearly all keys that are numbers. */
static inline bool plain_int(mp_str text, int64_t *v) {
    return mp_parse_int64_fast(text.p, text.len, v) && !(*v == 0 && text.len > 1);
}

/* Canonical text of a key under type t: *text is replaced (by bytes in out) where its spelling
 * differs. A text that is no value of t stays. */
static bool canonical(mp_type t, mp_str *text, char *out) {
    mp_value v;
    int64_t i;
    if (t == MP_STRING || t == MP_NULL) return true;
    if (t == MP_INT64 && plain_int(*text, &i)) return true;
    mp_value_of_text(text->p, text->len, &v);
    if (!mp_value_is(&v, t)) return true;
    uint8_t sep = v.e.seen == MP_SEEN_TS_T ? 'T' : ' ';
    size_t n = mp_group_print(t, v.i, v.f, v.e.scale, sep, out);
    if (mp_str_eq(*text, mp_str_of(out, n))) return true;
    *text = mp_str_of(out, n);
    return false;
}

/* The text's 1 to 8 bytes, zeros behind. A load that stays inside one page cannot fault. */
__attribute__((no_sanitize_address)) static inline uint64_t first_bytes(mp_str text) {
    typedef struct {
        uint64_t v;
    } __attribute__((packed, may_alias)) unaligned64;
    const uintptr_t page = 4096;
    uint64_t v = 0;
    if (((uintptr_t)text.p & (page - 1)) <= page - 8)
        return ((const unaligned64 *)(const void *)text.p)->v & UINT64_MAX >> (64 - 8 * text.len);
    memcpy(&v, text.p, text.len);
    return v;
}

/* One to eight digits, the first of several not 0: without a branch on how many. */
static inline bool few_digits(mp_str text) {
    const uint64_t zeros = 0x3030303030303030u, high = 0x8080808080808080u;
    if (text.len - 1 >= 8) return false;
    uint64_t bytes = first_bytes(text);
    uint64_t v =
        bytes ^ (zeros >> (64 - 8 * text.len)); /* 0 to 9 where it is a digit, or nothing */
    bool leading_zero = ((uint8_t)v == 0) & (text.len > 1);
    return !((((v + 0x7676767676767676u) | v) & high) | leading_zero);
}

/* *odd is set where the text is not canonical; not looked at where NULL. */
static mp_evidence evidence_of(mp_str text, bool *odd) {
    int64_t v;
    if (few_digits(text))
        return (mp_evidence){.seen = MP_SEEN_INT,
                             .int_digits = (uint8_t)(text.len - (text.p[0] == '0'))};
    if (plain_int(text, &v))
        return (mp_evidence){.seen = MP_SEEN_INT,
                             .int_digits = (uint8_t)(v ? text.len - (v < 0) : 0)};
    mp_evidence e = mp_evidence_of_text(text.p, text.len);
    char out[MP_GROUP_TEXT_MAX];
    if (odd && !canonical(mp_evidence_type(e), &text, out)) *odd = true;
    return e;
}

static bool is_open(const mp_group *g, int c, const mp_evidence *seen) {
    return g->key_type[c] == MP_NULL && !(seen[c].seen & MP_SEEN_STRING);
}

bool mp_group_see_key(const mp_group *g, const mp_key *key, mp_evidence *seen, bool *odd) {
    const uint8_t *p = mp_key_bytes(key), *end = p + mp_key_len(key);
    bool open = false;
    for (int c = 0; c < g->n_keys; c++) {
        mp_str text;
        bool null;
        if (!mp_key_next(&p, end, &text, &null)) break;
        if (!is_open(g, c, seen)) continue;
        if (!null) mp_evidence_add(&seen[c], evidence_of(text, odd ? &odd[c] : NULL));
        open = true;
    }
    return open;
}

void mp_group_see_texts(mp_group *g, int c, const mp_str *text, const uint8_t *valid, int32_t n) {
    unsigned digits = 0;
    bool ints = false;
    for (int32_t i = 0; i < n && is_open(g, c, g->seen); i++) {
        if (valid && !valid[i]) continue;
        if (!few_digits(text[i])) {
            mp_evidence_add(&g->seen[c], evidence_of(text[i], &g->odd[c]));
            continue;
        }
        unsigned more = text[i].len - (text[i].p[0] == '0');
        digits = more > digits ? more : digits;
        ints = true;
    }
    mp_evidence e = {.seen = MP_SEEN_INT, .int_digits = (uint8_t)digits};
    if (ints) mp_evidence_add(&g->seen[c], e);
}

void mp_group_emitted_evidence(const mp_group *g, mp_evidence *seen, bool *odd) {
    for (int c = 0; c < g->n_keys; c++) {
        mp_evidence_add(&seen[c], g->seen[c]);
        odd[c] = odd[c] || g->odd[c];
    }
}

void mp_group_key_evidence(mp_group *g, mp_evidence *seen) {
    bool open = g->n_keys > 0;
    for (int64_t i = 0; i < g->table.n && open; i++)
        open = mp_group_see_key(g, mp_table_key(&g->table, (uint32_t)i), seen, NULL);
}

bool mp_group_key_is_canonical(const mp_group *g, const mp_key *key, const mp_type *types) {
    char out[MP_GROUP_TEXT_MAX];
    const uint8_t *p = mp_key_bytes(key), *end = p + mp_key_len(key);
    for (int c = 0; c < g->n_keys; c++) {
        mp_str text;
        bool null;
        if (!mp_key_next(&p, end, &text, &null)) break;
        if (null || g->key_type[c] != MP_NULL) continue;
        if (!canonical(types[c], &text, out)) return false;
    }
    return true;
}

bool mp_group_may_respell(const mp_group *g, const mp_type *types) {
    bool any = false;
    for (int c = 0; types && c < g->n_keys; c++)
        any |= g->key_type[c] == MP_NULL && types[c] != MP_STRING && types[c] != MP_NULL;
    return any;
}

bool mp_group_keys_canonical(mp_group *g, const mp_type *types) {
    bool all = true;
    if (!mp_group_may_respell(g, types)) return true;
    for (int64_t i = 0; i < g->table.n && all; i++)
        all = mp_group_key_is_canonical(g, mp_table_key(&g->table, (uint32_t)i), types);
    return all;
}

/* The keys of groups first .. first + n, decoded and in canonical form, by column. */
static mp_status canonical_columns(mp_group *g, const mp_type *types, int64_t first, int32_t n,
                                   const mp_str **text, const uint8_t **valid, mp_error *err) {
    for (int c = 0; c < g->n_keys; c++) {
        size_t bytes = (size_t)n * sizeof(mp_str);
        text[c] = mp_arena_alloc(&g->scratch, bytes, 8);
        valid[c] = mp_arena_alloc(&g->scratch, (size_t)n, 1);
        if (!text[c] || !valid[c]) return mp_mem_error(g->mem, bytes, err);
    }
    for (int32_t i = 0; i < n; i++) {
        const mp_key *key = mp_table_key(&g->table, (uint32_t)(first + i));
        const uint8_t *p = mp_key_bytes(key), *end = p + mp_key_len(key);
        for (int c = 0; c < g->n_keys; c++) {
            char out[MP_GROUP_TEXT_MAX];
            mp_str t;
            bool null = true;
            if (!mp_key_next(&p, end, &t, &null)) null = true;
            if (!null && g->key_type[c] == MP_NULL && !canonical(types[c], &t, out)) {
                char *copy = mp_arena_alloc(&g->scratch, t.len + 1, 1);
                if (!copy) return mp_mem_error(g->mem, t.len + 1, err);
                memcpy(copy, t.p, t.len);
                t.p = copy;
            }
            ((mp_str *)text[c])[i] = t;
            ((uint8_t *)valid[c])[i] = !null;
        }
    }
    return MP_OK;
}

/* The rows get their new keys; the slots stay behind, which is why emission is all that may
 * follow. */
static mp_status replace_keys(mp_group *g, int64_t first, int32_t n, mp_error *err) {
    for (int32_t i = 0; i < n; i++) {
        mp_key key = g->batch_key[i];
        if (mp_key_is_long(key)) {
            size_t len = mp_key_len(&key);
            uint8_t *copy = mp_arena_alloc(&g->table.long_keys, len, 1);
            if (!copy) return mp_mem_error(g->mem, len, err);
            memcpy(copy, mp_key_bytes(&key), len);
            key.hi = (uint64_t)(uintptr_t)copy;
        }
        memcpy(mp_table_row(&g->table, (uint32_t)(first + i)), &key, sizeof key);
    }
    return MP_OK;
}

mp_status mp_group_canonicalize(mp_group *g, const mp_type *types, mp_error *err) {
    size_t n_keys = (size_t)g->n_keys;
    if (!n_keys) return MP_OK;
    for (int64_t first = 0; first < g->table.n; first += MP_BATCH_ROWS) {
        int64_t left = g->table.n - first;
        int32_t n = left < MP_BATCH_ROWS ? (int32_t)left : MP_BATCH_ROWS;
        mp_arena_reset(&g->scratch);
        const mp_str **text = mp_arena_alloc(&g->scratch, n_keys * sizeof(mp_str *), 8);
        const uint8_t **valid = mp_arena_alloc(&g->scratch, n_keys * sizeof(uint8_t *), 8);
        if (!text || !valid) return mp_mem_error(g->mem, n_keys * sizeof(void *), err);
        mp_status s = canonical_columns(g, types, first, n, text, valid, err);
        if (s == MP_OK)
            s = mp_key_encode(g->simd, text, valid, g->n_keys, n, &g->scratch, g->batch_key,
                              g->batch_hash, err);
        if (s == MP_OK) s = replace_keys(g, first, n, err);
        if (s != MP_OK) return s;
    }
    return MP_OK;
}
