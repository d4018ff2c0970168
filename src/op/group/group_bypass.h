/* group_bypass.h - which rows deserve a table: when it is emitted, and when rows become records at
 * once because nearly all have new keys. Whatever is chosen, the groups are the same in the end.
 * Invariant: a sample holds the hashes of all keys shown to it whose lowest `level` bits are zero
 * (distinct sampling: Gibbons, VLDB 2001), so it knows keys that come again from afar. */
#ifndef MP_OP_GROUP_BYPASS_H
#define MP_OP_GROUP_BYPASS_H

#include "base/mem.h"

struct mp_group;

typedef struct {
    uint64_t *slot; /* NULL: empty. 0: free; else a hash, its lowest bit set */
    int level;
    int64_t n_keys;                  /* in the slots */
    int64_t recent_rows, recent_new; /* of the rows with such hashes, the latest */
} mp_key_sample;

void mp_key_sample_release(mp_key_sample *s, mp_mem *mem);
/* Shows the hashes of n rows. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_key_sample_see(mp_key_sample *s, mp_mem *mem, const uint64_t *hash,
                                          int32_t n, mp_error *err);

/* So much is the table's to grow to before it has to be emitted, bytes. */
int64_t mp_group_large_bytes(const struct mp_group *g);
/* As far as is known; else as many as have come. */
double mp_group_rows_to_come(const struct mp_group *g);

/* The table has all been emitted, but is not cleared yet: may the next rows be direct? MP_NOMEM. */
MP_MUST_CHECK mp_status mp_group_choose_direct(struct mp_group *g, mp_error *err);

#endif
