/* groups.h - the groups that a rank owns, merged from the records of all ranks. A few are held in
 * one table; of more the records are kept as they came, in parts by hash; one part at a time
 * is sorted by hash when results are read, and the table holds a batch of its groups.
 * Invariant: the parts hold ascending ranges of hashes, so going through them in order gives the
 * groups in the order of one table. */
#ifndef MP_OP_GROUPS_H
#define MP_OP_GROUPS_H

#include "op/group/group.h"

typedef struct mp_groups mp_groups;

/* one_table: up to so many groups stay in one table, and their number is known before they are
 * asked for. */
MP_MUST_CHECK mp_status mp_groups_new(const mp_group_args *args, int64_t one_table, mp_groups **out,
                                      mp_error *err);
void mp_groups_free(mp_groups **g);

/* Merge a block of records (mp_group_emit). Bytes from another rank: checked, MP_FAILED when
 * malformed. */
MP_MUST_CHECK mp_status mp_groups_absorb(mp_groups *g, const uint8_t *bytes, size_t len,
                                         mp_error *err);
/* Records of one's own: an mp_group_put_fn with the groups as ctx. They are in when absorb or
 * anything below is called. */
mp_status mp_groups_put(void *ctx, int owner, const void *record, size_t n, mp_error *err);
/* Takes a table over as all there is; *table NULL afterwards. The groups must be empty. */
void mp_groups_adopt(mp_groups *g, mp_group **table);

/* All records are in: nothing is absorbed from here on. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_groups_finish(mp_groups *g, mp_error *err);

/* The least and the most that the number of groups can be; the same in one table, and once all
 * results were read. */
int64_t mp_groups_least(const mp_groups *g);
int64_t mp_groups_most(const mp_groups *g);

/* As of one table, see op/group/group.h. The texts of what was absorbed in parts are not looked at: those
 * who emitted them have done it. */
void mp_groups_key_evidence(mp_groups *g, mp_evidence *seen);
MP_MUST_CHECK mp_status mp_groups_keys_canonical(mp_groups *g, const mp_type *types, bool *all,
                                                 mp_error *err);
/* All groups as records, their keys rewritten to the canonical text of their value under types; the
 * groups are empty when *done. */
MP_MUST_CHECK mp_status mp_groups_emit(mp_groups *g, const mp_type *types, mp_group_put_fn put,
                                       void *ctx, int64_t max_groups, bool *done, mp_error *err);
/* Results, once: prepare, then batches until 0 rows. What was read is forgotten. */
MP_MUST_CHECK mp_status mp_groups_prepare(mp_groups *g, mp_group_order order,
                                          const mp_type *key_types, mp_error *err);
/* In the order of hashes one may go from slab to slab (group_slab.h), 0 .. n_slabs - 1, each to its end:
 * results are of the one that was entered alone. Returns the most groups that it can have. */
int mp_groups_n_slabs(const mp_groups *g);
int64_t mp_groups_enter(mp_groups *g, int slab);
MP_MUST_CHECK mp_status mp_groups_next(mp_groups *g, mp_arena *arena, mp_batch *out, mp_error *err);

#endif
