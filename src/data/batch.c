/* batch.c - looking up columns. */
#include "data/batch.h"

int mp_schema_find(const mp_schema *s, mp_str name) {
    for (int i = 0; i < s->n; i++)
        if (mp_str_eq(mp_str_c(s->fields[i].name), name)) return i;
    return -1;
}
