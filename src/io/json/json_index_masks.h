/* json_index_masks.h - the kinds of byte that the index of NDJSON tells apart: a bit for each of
 * 64. */
#ifndef MP_IO_JSON_INDEX_MASKS_H
#define MP_IO_JSON_INDEX_MASKS_H

#include <stdint.h>

typedef struct {
    uint64_t quote, slash, comma, colon, digit, zero, minus, dot, blank, brace, lf, cr;
    uint64_t open, close; /* brackets of both kinds */
    uint64_t control;     /* below 32 */
    uint64_t ff;          /* 0xFF */
} index_masks;

#endif
