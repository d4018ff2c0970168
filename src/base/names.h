/* names.h - a place for every name: tables may have tens of thousands of columns, so names are not
 * looked for one by one.
 * Invariant: a name has the place that it was given first. Names live as
 * long as the arena. */
#ifndef MP_BASE_NAMES_H
#define MP_BASE_NAMES_H

#include "base/mem.h"

typedef struct {
    const char *name; /* NULL: free */
    int32_t place;
} mp_name_slot;

typedef struct {
    mp_arena *arena;
    mp_name_slot *slots; /* cap of them, a power of two; at most half are taken */
    uint32_t n, cap;
} mp_names;

static inline void mp_names_init(mp_names *x, mp_arena *arena) {
    *x = (mp_names){.arena = arena};
}
/* False: no memory. */
bool mp_names_add(mp_names *x, const char *name, int32_t place);
/* -1: none is called so. */
int32_t mp_names_find(const mp_names *x, const char *name);

#endif
