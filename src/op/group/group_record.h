/* group_record.h - a group on its way to its owner. A plain record: u32 twice its length, u32 rows of
 * the group, the fixed parts of the aggregates, the key's encoding. The highest bit of the rows tells
 * that more follows, what does not fit the fixed parts: {u32 aggregate, u32 length, bytes} ..., and u32
 * length of the key. A group with very much of that, or very many rows, takes several records, whose
 * fixed parts are those of a group without rows from the second on.
 * A packed record, for what has no more and is short: one byte, twice the length plus one; two bits for
 * each word of 32 bits (the rows with their lowest bit turned, then the fixed parts) that tell how many
 * low bytes of it follow, 0, 1, 2 or 4; these; the key.
 * Invariant: the first byte tells the form, and the length does not depend on the table. */
#ifndef MP_OP_GROUP_RECORD_H
#define MP_OP_GROUP_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "op/group/group_key.h"

enum {
    MP_RECORD_ROWS_AT = 4,
    MP_RECORD_FIXED_AT = 8,
    MP_RECORD_PACKED_MOST = 127,      /* bytes */
    MP_RECORD_MORE_BYTES = 48 * 1024, /* a record ends once its last parts have passed this */
    MP_RECORD_ROWS_MAX = 0x7FFFFFFF
};
static const uint32_t MP_RECORD_MORE = 0x80000000u;

/* What the records of one kind of table have in common. */
typedef struct {
    size_t fixed_bytes; /* of a plain one before its key, a multiple of 4 */
    size_t codes_bytes; /* of a packed one, behind the first byte */
} mp_record_form;

static inline mp_record_form mp_record_form_of(size_t fixed_bytes) {
    return (mp_record_form){fixed_bytes, (fixed_bytes / 4 - 1 + 3) / 4};
}

static inline bool mp_record_is_packed(const uint8_t *record) {
    return record[0] & 1;
}
static inline size_t mp_record_bytes(const uint8_t *record) {
    uint32_t n;
    if (mp_record_is_packed(record)) return record[0] >> 1;
    memcpy(&n, record, sizeof n);
    return n >> 1;
}

/* The rest is of records that are known to be some. */

/* Of a plain one. */
static inline uint32_t mp_record_rows(const uint8_t *record) {
    uint32_t n;
    memcpy(&n, record + MP_RECORD_ROWS_AT, sizeof n);
    return n & MP_RECORD_ROWS_MAX;
}
static inline bool mp_record_has_more(const uint8_t *record) {
    return !mp_record_is_packed(record) && record[MP_RECORD_ROWS_AT + 3] >> 7;
}

/* Bytes that follow four codes. */
extern const uint8_t mp_record_code_bytes[256];

static inline size_t mp_record_key_at(mp_record_form f, const uint8_t *record) {
    if (!mp_record_is_packed(record)) return f.fixed_bytes;
    size_t at = 1 + f.codes_bytes;
    for (size_t i = 1; i <= f.codes_bytes; i++)
        at += mp_record_code_bytes[record[i]];
    return at;
}
static inline size_t mp_record_key_bytes(mp_record_form f, const uint8_t *record) {
    uint32_t n;
    size_t bytes = mp_record_bytes(record);
    if (!mp_record_has_more(record)) return bytes - mp_record_key_at(f, record);
    memcpy(&n, record + bytes - sizeof n, sizeof n);
    return n;
}
/* A long one refers to the record. */
static inline mp_key mp_record_key(mp_record_form f, const uint8_t *record, uint64_t hash) {
    mp_key k;
    size_t n = mp_record_key_bytes(f, record);
    const uint8_t *bytes = record + mp_record_key_at(f, record);
    if (n > sizeof k) return mp_key_reference(bytes, n, hash);
    memcpy(&k, bytes, sizeof k);
    return k;
}

/* The fixed parts at `fixed`, of a plain record, packed into at most fixed_bytes + codes_bytes bytes
 * behind the first byte of `record`; returns where the key goes. */
size_t mp_record_pack(mp_record_form f, uint32_t rows, const uint8_t *fixed, uint8_t *record);
/* The other way round: fixed_bytes bytes that look like the begin of a plain record but for its
 * length. */
void mp_record_unpack(mp_record_form f, const uint8_t *record, uint8_t *plain);

#endif
