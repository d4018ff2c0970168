/* type.h - the value types, and the evidence from which a column's type follows.
 * Invariant: evidence only grows (bits by or, digits by maximum), so the type of a column is the same in whatever order its values were seen:
 * the least type that holds them all. */
#ifndef MP_DATA_TYPE_H
#define MP_DATA_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

typedef enum {
    MP_NULL,      /* no value seen: only nulls */
    MP_BOOL,      /* uint8_t 0 or 1 */
    MP_INT64,     /* int64_t */
    MP_DECIMAL,   /* int64_t mantissa, scale per batch */
    MP_FLOAT64,   /* double */
    MP_DATE,      /* int64_t days since 1970-01-01 */
    MP_TIMESTAMP, /* int64_t microseconds since 1970-01-01 00:00:00 */
    MP_STRING,    /* mp_str */
    MP_TYPE_COUNT
} mp_type;

/* "int64", as in --types and `mpart info`. */
const char *mp_type_name(mp_type t);
/* false: no such type. */
bool mp_type_parse(mp_str name, mp_type *out);
static inline bool mp_type_is_number(mp_type t) {
    return t >= MP_INT64 && t <= MP_FLOAT64;
}
/* Bytes of one value in a column: 1, 8 or sizeof(mp_str). */
static inline int mp_type_width(mp_type t) {
    return t == MP_BOOL ? 1 : t == MP_STRING ? (int)sizeof(mp_str) : 8;
}

/* One bit per form of value that was seen. Nulls leave no trace. */
typedef enum {
    MP_SEEN_INT = 1,     /* fits int64 (and decimal, float64) */
    MP_SEEN_DECIMAL = 2, /* needs decimal (and fits float64) */
    MP_SEEN_FLOAT = 4,   /* needs float64: nan, inf, more than 18 digits */
    MP_SEEN_BOOL = 8,
    MP_SEEN_DATE = 16,
    MP_SEEN_TS_T = 32,     /* timestamp with 'T' */
    MP_SEEN_TS_SPACE = 64, /* timestamp with ' ' */
    MP_SEEN_STRING = 128   /* anything else */
} mp_seen;

/* Evidence of one column: the forms of its values, and how wide its ints and decimals are. Plain bytes; all zero: nothing
 * seen. The digits matter because the mantissas of a column have one scale: where int_digits + scale passes 18 the column is
 * float64, whichever values happened to meet in one batch. */
typedef struct {
    uint8_t seen;       /* mp_seen bits */
    uint8_t int_digits; /* most digits before the point of an int or decimal; 0 where |x| < 1 */
    uint8_t scale;      /* most digits after the point of a decimal */
} mp_evidence;

static inline void mp_evidence_add(mp_evidence *to, mp_evidence e) {
    to->seen |= e.seen;
    if (e.int_digits > to->int_digits) to->int_digits = e.int_digits;
    if (e.scale > to->scale) to->scale = e.scale;
}

/* The least type: nothing is MP_NULL; int | decimal is MP_DECIMAL while the digits allow, else, and with float,
 * MP_FLOAT64; one kind alone is itself; every other mixture is MP_STRING. */
mp_type mp_evidence_type(mp_evidence e);

/* One value, read from text. */
typedef struct {
    mp_evidence e; /* e.seen: one mp_seen bit; 0: null */
    int64_t i;     /* bool, int, decimal (mantissa at e.scale), date, timestamp */
    double f;      /* every number: int and decimal, too */
} mp_value;

/* What one field's text (not null) says: a number, a bool word, an ISO date or timestamp, else a string. The text alone
 * decides. */
void mp_value_of_text(const char *p, size_t n, mp_value *out);
/* Its evidence alone. */
mp_evidence mp_evidence_of_text(const char *p, size_t n);
/* Is v a value of type t as it stands? Every text is a string; an int64 of up to 18 digits is a decimal. */
bool mp_value_is(const mp_value *v, mp_type t);
/* Can a column of type t hold all values that evidence e stands for? */
bool mp_type_holds(mp_type t, mp_evidence e);

#endif
