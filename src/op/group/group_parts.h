/* group_parts.h - records of groups in parts by hash: the store behind op/group/groups.h.
 * Invariant: the parts hold ascending ranges of one owner's hashes, as many parts each of its slabs; a
 * chunk holds whole records. */
#ifndef MP_OP_GROUP_PARTS_H
#define MP_OP_GROUP_PARTS_H

#include "op/group/group_order.h"
#include "op/group/group_state.h"

enum { MP_PART_BITS = 9, MP_N_PARTS = 1 << MP_PART_BITS };

typedef struct mp_part_chunk {
    struct mp_part_chunk *next;
    size_t len, cap;
    uint8_t bytes[];
} mp_part_chunk;

typedef struct {
    uint8_t *at, *end; /* where the next record goes, in the last chunk, whose len is set later */
    mp_part_chunk *first, *last;
    int64_t n_records;
} mp_part;

typedef struct {
    mp_mem *mem;
    uint64_t n_owners;
    int slab_bits;
    int64_t n_records, n_bytes; /* of all parts */
    mp_part part[MP_N_PARTS];
    struct mp_part_slab *slabs;
    mp_part_chunk *free_chunks;
} mp_parts;

MP_MUST_CHECK mp_status mp_parts_new(mp_mem *mem, uint64_t n_owners, mp_parts **out, mp_error *err);
void mp_parts_free(mp_parts **p);

/* The chunks of a part, each with its len. */
const mp_part_chunk *mp_parts_chunks(mp_part *part);
/* Copies n records of these hashes to where they belong; end: of the bytes that they lie in. */
MP_MUST_CHECK mp_status mp_parts_keep(mp_parts *p, const uint8_t *const *record,
                                      const uint64_t *hash, int32_t n, const uint8_t *end,
                                      mp_error *err);
/* The part is empty. The memory of its chunks stays for other records, or (is_last) goes back to the
 * system. */
void mp_parts_clear(mp_parts *p, mp_part *part, bool is_last);
/* The part's records (items: their addresses) by (hash, key), n_records long, to be freed with
 * mp_mem_free. Their keys look as g's. */
MP_MUST_CHECK mp_status mp_parts_order(mp_parts *p, mp_group *g, mp_part *part, mp_hashed **out,
                                       mp_error *err);

#endif
