/* json_keys.c - open addressing by the hash of the name. See json_keys.h. */
#include "io/json/json_keys.h"

#include "base/hash.h"

enum { FIRST_CAP = 64 };

void mp_json_keys_init(mp_json_keys *k, mp_arena *arena) {
    *k = (mp_json_keys){.arena = arena};
}

static size_t slot_of(const mp_json_keys *k, mp_str name) {
    size_t at = (size_t)mp_hash_bytes(name.p, name.len);
    for (;; at++) {
        int32_t c = k->slots[at & (k->cap - 1)] - 1;
        if (c < 0 || mp_str_eq(name, mp_str_of(k->names[c], k->lens[c]))) return at & (k->cap - 1);
    }
}

static bool grow(mp_json_keys *k) {
    size_t cap = k->cap ? 2 * k->cap : FIRST_CAP, n = (size_t)k->n;
    const char **names = mp_arena_alloc(k->arena, cap / 2 * sizeof *names, 16);
    uint32_t *lens = mp_arena_alloc(k->arena, cap / 2 * sizeof *lens, 16);
    int32_t *slots = mp_arena_alloc(k->arena, cap * sizeof *slots, 16);
    if (!names || !lens || !slots) return false;
    if (n) memcpy(names, k->names, n * sizeof *names);
    if (n) memcpy(lens, k->lens, n * sizeof *lens);
    memset(slots, 0, cap * sizeof *slots);
    k->names = names;
    k->lens = lens;
    k->slots = slots;
    k->cap = cap;
    for (int c = 0; c < k->n; c++)
        slots[slot_of(k, mp_str_of(names[c], lens[c]))] = c + 1;
    return true;
}

int mp_json_keys_find(const mp_json_keys *k, mp_str name) {
    return k->cap ? k->slots[slot_of(k, name)] - 1 : -1;
}

int mp_json_keys_add(mp_json_keys *k, mp_str name) {
    if (2 * ((size_t)k->n + 1) > k->cap && !grow(k)) return -1;
    size_t at = slot_of(k, name);
    if (k->slots[at]) return k->slots[at] - 1;
    char *own = mp_arena_alloc(k->arena, (size_t)name.len + 1, 1);
    if (!own) return -1;
    if (name.len) memcpy(own, name.p, name.len);
    own[name.len] = 0;
    k->names[k->n] = own;
    k->lens[k->n] = name.len;
    k->slots[at] = ++k->n;
    return k->n - 1;
}
