/* group_place.h - rows of a table by place: where the keys fill a domain that the dense array knows, a
 * key's number is its place there, and no array is looked up on the way to its row.
 * Invariant: the first n_placed rows of the table are the domain's; one without rows of the input is no
 * group, and has no key. Such a table is emitted, and never read in another way; a key of the domain
 * may have a second row behind those, since whoever absorbs its records merges them. */
#ifndef MP_OP_GROUP_PLACE_H
#define MP_OP_GROUP_PLACE_H

#include "op/group/group_dense.h"

struct mp_group;

/* The dense array has just been turned on, by n_rows rows in the table so far: would rows by place pay
 * for the rows to come, in a table that begins anew? */
bool mp_group_place_pays(const struct mp_group *g, int64_t n_rows);

/* Only with places as numbers: the rows for them, unless they are there. Where memory is refused the
 * array is left. */
void mp_group_place(struct mp_group *g);

/* Rows first .. first + n of r, in groups group[0 .. n), are counted; groups by place that are new get
 * their keys. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_group_count_placed(struct mp_group *g, const mp_dense_rows *r,
                                              int32_t first, int32_t n, const uint32_t *group,
                                              mp_error *err);

#endif
