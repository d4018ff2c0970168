/* json_shape.c - see json_shape.h. */
#include "io/json/json_shape.h"

#include <string.h>

enum { MAX_MEMBERS = 4096 };

void mp_json_shapes_init(mp_json_shapes *s, mp_arena *arena, int32_t n_slots) {
    *s = (mp_json_shapes){.arena = arena, .n_slots = n_slots};
}

/* ---- finding ---- */

/* The first bit of all from place from on; x->len: none. */
static uint32_t find_bit(const mp_json_index *x, const uint64_t *all, uint32_t from) {
    for (uint32_t w = from / 64, n = (x->len + 63) / 64; w < n; w++) {
        uint64_t bits = all[w];
        if (w == from / 64) bits &= ~UINT64_C(0) << from % 64;
        if (bits) return 64 * w + (uint32_t)__builtin_ctzll(bits);
    }
    return x->len;
}

static bool is_shape(const mp_json_shape *s, mp_json_match_fn match, mp_json_index *x,
                     uint32_t start) {
    uint32_t n = (uint32_t)s->heads.n;
    if (n > x->n_ends - x->at) return false;
    uint32_t end = x->ends[x->at + n - 1];
    return x->base[end] == '\n' && x->next_odd > end &&
           match(&s->heads, x->base, start, x->ends + x->at);
}

const mp_json_shape *mp_json_shapes_find(mp_json_shapes *s, mp_json_match_fn match,
                                         mp_json_index *x, uint32_t start) {
    (void)mp_json_index_find(x, x->odd, start, &x->next_odd);
    for (int i = 0; i < s->n; i++) {
        if (!is_shape(&s->kept[i], match, x, start)) continue;
        if (i > 0) {
            mp_json_shape found = s->kept[i];
            memmove(&s->kept[1], &s->kept[0], (size_t)i * sizeof found);
            s->kept[0] = found;
        }
        return &s->kept[0];
    }
    return NULL;
}

uint32_t mp_json_index_find(const mp_json_index *x, const uint64_t *all, uint32_t from,
                            uint32_t *next) {
    if (*next <= from) *next = find_bit(x, all, from);
    return *next;
}

/* ---- making ---- */

void mp_json_shapes_begin(mp_json_shapes *s) {
    s->making = true;
    s->made.heads.n = 0;
    s->made.heads.narrow = true;
    if (!s->made.member) {
        s->made.member = mp_arena_alloc(s->arena, (size_t)s->n_slots * sizeof(int32_t) + 1, 16);
        s->making = s->made.member != NULL;
    }
    for (int32_t i = 0; s->making && i < s->n_slots; i++)
        s->made.member[i] = -1;
}

void mp_json_shapes_give_up(mp_json_shapes *s) {
    s->making = false;
}

/* Room for another member; false: no memory, which costs speed alone. */
static bool grow(mp_json_shapes *s) {
    mp_json_shape *m = &s->made;
    if (m->heads.n < m->cap) return true;
    size_t n = (size_t)m->heads.n, cap = n ? 2 * n : 16;
    uint8_t *text = mp_arena_alloc(s->arena, cap * MP_JSON_HEAD, 64);
    uint64_t *mask = mp_arena_alloc(s->arena, cap * sizeof *mask, 16);
    uint32_t *len = mp_arena_alloc(s->arena, cap * sizeof *len, 16);
    if (!text || !mask || !len) return false;
    if (n) memcpy(text, m->heads.text, n * MP_JSON_HEAD);
    if (n) memcpy(mask, m->heads.mask, n * sizeof *mask);
    if (n) memcpy(len, m->len, n * sizeof *len);
    m->heads.text = text;
    m->heads.mask = mask;
    m->len = len;
    m->cap = (int32_t)cap;
    return true;
}

void mp_json_shapes_add(mp_json_shapes *s, const uint8_t *from, const mp_json_value *v,
                        int32_t slot) {
    if (!s->making) return;
    mp_json_shape *m = &s->made;
    const uint8_t *value = v->p - (v->kind == MP_JSON_STRING);
    size_t n = (size_t)(value - from);
    /* the index knows of a colon with at most a blank behind it */
    size_t blank = n > 0 && value[-1] == ' ';
    s->making = n <= MP_JSON_HEAD && n >= blank + 3 && memcmp(value - blank - 2, "\":", 2) == 0 &&
                m->heads.n < MAX_MEMBERS && grow(s);
    if (!s->making) return;
    int32_t i = m->heads.n++;
    uint8_t *head = m->heads.text + (size_t)i * MP_JSON_HEAD;
    memset(head, 0, MP_JSON_HEAD);
    memcpy(head, from, n);
    m->heads.mask[i] = n < 64 ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);
    m->heads.narrow = m->heads.narrow && n <= 32;
    m->len[i] = (uint32_t)n;
    if (slot >= 0) m->member[slot] = i;
}

void mp_json_shapes_end(mp_json_shapes *s) {
    if (!s->making || s->made.heads.n == 0) return;
    s->making = false;
    int last = s->n < MP_JSON_SHAPES ? s->n++ : MP_JSON_SHAPES - 1;
    mp_json_shape old = s->kept[last];
    memmove(&s->kept[1], &s->kept[0], (size_t)last * sizeof old);
    s->kept[0] = s->made;
    s->made = old;
}
