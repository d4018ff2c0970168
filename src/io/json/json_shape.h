/* json_shape.h - lines of one shape: most lines of a file have the same keys in the same order, written the same way, with
 * plain values. Such a line is read without calls and with few branches that depend on it.
 * Invariant: a line that is read here has the values that going through its members gives
 * (json_line.h); where there is any doubt it is not read. */
#ifndef MP_IO_JSON_SHAPE_H
#define MP_IO_JSON_SHAPE_H

#include "io/json/json_line.h"
#include "io/json/json_map.h"

enum { MP_JSON_SHAPE_KEY = 16 };

/* What is expected of a member. */
typedef struct {
    uint64_t key[2]; /* in quotes with the colon, zeros behind */
    uint32_t len;    /* 0: nothing is expected */
    int32_t slot;    /* of its value, -1: it is not wanted */
} mp_json_shape;

/* The line [p, end), inside the map, by the shape of n members. true: values[slot] of the members that it has are
 * filled in; false: nothing is known of it, and values are void. */
bool mp_json_shape_read(const mp_json_shape *shape, int32_t n, const mp_json_map *map,
                        const uint8_t *p, const uint8_t *end, mp_json_value *values);

#endif
