/* json_line.h - one line of NDJSON: an object's members, one after the other.
 * Invariant: when the members are gone through without a flaw the line is one JSON object (RFC 8259)
 * and nothing behind it, with every escape a character: whoever takes a value later need not check
 * it again. Bytes above 127 pass as they are. */
#ifndef MP_IO_JSON_LINE_H
#define MP_IO_JSON_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    MP_JSON_NONE, /* no such member */
    MP_JSON_NULL,
    MP_JSON_WORD,   /* a number, true, false */
    MP_JSON_STRING, /* p, len: between the quotes, as it stands */
    MP_JSON_NESTED  /* an array or object */
} mp_json_kind;

typedef struct {
    const uint8_t *p;
    uint32_t len;
    uint8_t kind;
    bool escaped; /* of a string: it has escapes */
    bool odd;     /* of a string: it has a byte 0xFF; of nested values: perhaps */
} mp_json_value;

typedef struct {
    const uint8_t *at, *end;
    const char *flaw; /* what is wrong, NULL: nothing so far */
    bool first;
    /* Set by the caller before a member, who guesses its key: a quoted key without escapes and the
     * colon behind it. guessed: so it was, and key is not filled in. */
    const char *guess;
    uint32_t guess_len; /* 0: no guess */
    bool guessed;
} mp_json_members;

/* The line [p, p + n) without its newline, n < 4 GiB. false: it is blank (no flaw), or no object
 * (a flaw). */
bool mp_json_open(mp_json_members *m, const uint8_t *p, size_t n);
/* The next member; false: the object is at its end, or flawed. Cost: a pass over its bytes. */
bool mp_json_member(mp_json_members *m, mp_json_value *key, mp_json_value *value);

/* Behind the array or object at p, of which end is somewhere behind; NULL: it is none, or it is flawed. */
const uint8_t *mp_json_behind_nested(const uint8_t *p, const uint8_t *end);

/* The value of four hexadecimal digits, -1: they are none. */
int32_t mp_json_hex4(const uint8_t *p);

/* A string's text without escapes to out (room for len bytes); returns its length. */
size_t mp_json_unescape(const uint8_t *p, size_t len, char *out);

#endif
