/* unit_args.h - the words of a command with their places for a unit's item, number or file.
 * Invariant: no shell reads them: an item is one word, or a part of one, whatever bytes it has. */
#ifndef MP_OP_UNIT_ARGS_H
#define MP_OP_UNIT_ARGS_H

#include "base/mem.h"

typedef struct {
    int n_words;
    const char *const *words;
    const char *place; /* "{}", or what -I says */
    bool append;       /* a command without the place gets the item as its last word */
} mp_unit_command;

/* Does the place stand in any of the words? In the first? */
bool mp_unit_has_place(const mp_unit_command *c);
bool mp_unit_first_has_place(const mp_unit_command *c);
/* The words for one unit, ending with NULL, in arena: the place becomes item, {#} the number (from 1). NULL: no memory. */
const char **mp_unit_words(const mp_unit_command *c, const char *item, int64_t number,
                           mp_arena *arena);

#endif
