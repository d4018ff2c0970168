/* names.c - open addressing by the hash of the name. See names.h. */
#include "base/names.h"

#include <string.h>

#include "base/hash.h"

enum { FIRST_CAP = 64 };

/* Where the name stands, or may stand. */
static mp_name_slot *slot_of(const mp_names *x, const char *name) {
    uint32_t at = (uint32_t)mp_hash_bytes(name, strlen(name));
    for (;; at++) {
        mp_name_slot *s = &x->slots[at & (x->cap - 1)];
        if (!s->name || strcmp(s->name, name) == 0) return s;
    }
}

static bool grow(mp_names *x) {
    mp_names wider = {.arena = x->arena, .n = x->n, .cap = x->cap ? 2 * x->cap : FIRST_CAP};
    size_t bytes = (size_t)wider.cap * sizeof *wider.slots;
    wider.slots = mp_arena_alloc(x->arena, bytes, 16);
    if (!wider.slots) return false;
    memset(wider.slots, 0, bytes);
    for (uint32_t i = 0; i < x->cap; i++)
        if (x->slots[i].name) *slot_of(&wider, x->slots[i].name) = x->slots[i];
    *x = wider;
    return true;
}

bool mp_names_add(mp_names *x, const char *name, int32_t place) {
    if (2 * (x->n + 1) > x->cap && !grow(x)) return false;
    mp_name_slot *s = slot_of(x, name);
    if (s->name) return true;
    *s = (mp_name_slot){name, place};
    x->n++;
    return true;
}

int32_t mp_names_find(const mp_names *x, const char *name) {
    if (!x->n) return -1;
    const mp_name_slot *s = slot_of(x, name);
    return s->name ? s->place : -1;
}
