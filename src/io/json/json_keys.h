/* json_keys.h - the keys that are columns: from the bytes of a key to its column.
 * Invariant: columns are numbered in the order in which their names were added. */
#ifndef MP_IO_JSON_KEYS_H
#define MP_IO_JSON_KEYS_H

#include "base/mem.h"
#include "base/str.h"
#include "io/json/json_line.h"

typedef struct {
    mp_arena *arena;
    int n;
    const char **names; /* n, with a final NUL */
    uint32_t *lens;     /* n */
    /* private */
    int32_t *slots; /* column + 1, 0: free */
    size_t cap;     /* of slots, a power of two; half as many names have room */
} mp_json_keys;

void mp_json_keys_init(mp_json_keys *k, mp_arena *arena);
/* -1: there is none. */
int mp_json_keys_find(const mp_json_keys *k, mp_str name);
/* The column of name, which is made where there is none; -1: out of memory. */
int mp_json_keys_add(mp_json_keys *k, mp_str name);

#endif
