/* json_shape.h - the shapes of the lines before: which keys in which order, written how. Nearly all
 * lines of a file have one of a few, and a line that begins its members as one of them did is read
 * without looking at its keys.
 * Invariant: a line that is found has, by json_index.h, the values that going through its members
 * gives (json_line.h), but for one that begins with a blank, and where no nested value is flawed. */
#ifndef MP_IO_JSON_SHAPE_H
#define MP_IO_JSON_SHAPE_H

#include "base/mem.h"
#include "io/json/json_index.h"
#include "io/json/json_line.h"

typedef struct {
    mp_json_heads heads;
    uint32_t *len;   /* by member: bytes of its head */
    int32_t *member; /* by slot of a wanted column: the last member that has its key, -1: none */
    int32_t cap;     /* members that there is room for */
} mp_json_shape;

enum { MP_JSON_SHAPES = 8 };

typedef struct {
    mp_arena *arena;
    int32_t n_slots;
    mp_json_shape kept[MP_JSON_SHAPES]; /* n of them; the one that was found last is the first */
    mp_json_shape made;                 /* in the making */
    bool making;
    int n;
} mp_json_shapes;

void mp_json_shapes_init(mp_json_shapes *s, mp_arena *arena, int32_t n_slots);

/* The shape of the next line of x, whose first byte is at start; NULL: it is none of those kept, or
 * not plain. The line ends at x->ends[x->at + n - 1]. */
const mp_json_shape *mp_json_shapes_find(mp_json_shapes *s, mp_json_match_fn match,
                                         mp_json_index *x, uint32_t start);

/* Place of the first bit of all at or behind from, which is not before that of the call before; next is
 * the one of x that goes with all. */
uint32_t mp_json_index_find(const mp_json_index *x, const uint64_t *all, uint32_t from,
                            uint32_t *next);

/* A shape, member by member, from a line without odd bytes: from begins the member (the line, or
 * what is behind a comma), its value is v. slot: of the wanted column, -1. What cannot be a shape
 * is not kept in the end. */
void mp_json_shapes_begin(mp_json_shapes *s);
void mp_json_shapes_add(mp_json_shapes *s, const uint8_t *from, const mp_json_value *v,
                        int32_t slot);
void mp_json_shapes_give_up(mp_json_shapes *s);
void mp_json_shapes_end(mp_json_shapes *s);

#endif
