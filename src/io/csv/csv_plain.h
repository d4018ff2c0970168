/* csv_plain.h - rows whose text is already what formatting their values would write.
 * Invariant: a record is plain when it holds none of the odd bytes, is not empty and ends with a
 * newline; so in a text of plain records every newline ends one. */
#ifndef MP_IO_CSV_PLAIN_H
#define MP_IO_CSV_PLAIN_H

#include "io/csv/csv.h"

enum { MP_CSV_PLAIN_BLOCK = 1024 };

/* A block of so many bytes, with one in front: its newlines, and whether it holds one of odd[4] or an empty record. By
 * vectors of 16, of 32 bytes (AVX2). */
bool mp_csv_plain_look_16(const uint8_t *odd, const uint8_t *p, int64_t *newlines);
bool mp_csv_plain_look_32(const uint8_t *odd, const uint8_t *p, int64_t *newlines);

typedef struct {
    bool (*look)(const uint8_t *odd, const uint8_t *p, int64_t *newlines);
    uint8_t odd[4]; /* bytes that reading, or writing with another delimiter, gives a meaning */
} mp_csv_plain;

/* Rows read in this form and written as CSV with the delimiter `out` and RFC 4180's quotes. False:
 * their values may differ from their text (null markers, comments). */
bool mp_csv_plain_make(const mp_csv_dialect *in, char out, mp_csv_plain *plain);

/* The longest front of [p, p + n) that is plain records, at most max_rows; p is the start of a record.
 * *rows: how many they are. The byte before p can be read. Cost: near to reading the memory. */
size_t mp_csv_plain_front(const mp_csv_plain *plain, const uint8_t *p, size_t n, int64_t max_rows,
                          int64_t *rows);

#endif
