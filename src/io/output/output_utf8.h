/* output_utf8.h - characters of text of unknown quality: where they end and how wide they are on a
 * terminal.
 * Invariant: every byte belongs to exactly one character or error, whatever the bytes are. */
#ifndef MP_IO_OUTPUT_UTF8_H
#define MP_IO_OUTPUT_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum { MP_UTF8_BAD = -1 };

/* The character at p (n > 0 bytes are readable): returns its bytes, 1 to 4, and its code point;
 * MP_UTF8_BAD with the bytes of the longest beginning of a character that went wrong (Unicode 3.9,
 * U+FFFD substitution of maximal subparts). */
size_t mp_utf8_next(const uint8_t *p, size_t n, int32_t *code);

/* Terminal cells: 0 combining and format characters, 2 East Asian wide, else 1. Control characters
 * count as 0. */
int mp_utf8_width(int32_t code);

#endif
