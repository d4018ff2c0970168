/* agg_side.h - superaccumulators beside the table, for the few groups that hold values which the
 * windows refuse. Invariant: a group has none until one is asked for; all of a group's
 * accumulators are made together. */
#ifndef MP_OP_AGG_SIDE_H
#define MP_OP_AGG_SIDE_H

#include "data/exact_sum.h"

typedef struct {
    int per_group; /* accumulators of one group */
    mp_mem *mem;
    uint32_t *index; /* by group: place in acc plus one, 0: none */
    int64_t index_cap;
    mp_superacc *acc;
    uint32_t n, cap; /* in groups */
} mp_agg_side;

/* The accumulators of a group, zero where new. They move when another group gets its own.
 * MP_NOMEM. */
MP_MUST_CHECK mp_status mp_agg_side_get(mp_agg_side *s, uint32_t group, mp_superacc **out,
                                        mp_error *err);
/* NULL: none. */
static inline const mp_superacc *mp_agg_side_find(const mp_agg_side *s, uint32_t group) {
    if ((int64_t)group >= s->index_cap || !s->index[group]) return NULL;
    return s->acc + (size_t)(s->index[group] - 1) * (size_t)s->per_group;
}
void mp_agg_side_clear(mp_agg_side *s);
/* Wire form of a group's accumulators, nothing where it has none; and merging it (MP_FAILED:
 * damaged, MP_NOMEM). */
void mp_agg_side_write(const mp_agg_side *s, uint32_t group, mp_buf *out);
MP_MUST_CHECK mp_status mp_agg_side_absorb(mp_agg_side *s, uint32_t group, mp_rd *in,
                                           mp_error *err);

#endif
