/* batch.c - looking up columns. */
#include "data/batch.h"

#include <string.h>

enum { FEW = 16 };

int mp_schema_find(const mp_schema *s, const char *name) {
    if (s->names) return mp_names_find(s->names, name);
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->fields[i].name, name) == 0) return i;
    return -1;
}

bool mp_schema_index(mp_schema *s, mp_arena *arena) {
    if (s->n <= FEW) return true;
    mp_names *names = mp_arena_alloc(arena, sizeof *names, 16);
    if (!names) return false;
    mp_names_init(names, arena);
    for (int i = 0; i < s->n; i++)
        if (!mp_names_add(names, s->fields[i].name, i)) return false;
    s->names = names;
    return true;
}
