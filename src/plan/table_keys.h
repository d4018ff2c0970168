/* table_keys.h - NDJSON keys that first appear behind the samples, with --union.
 * Invariant: they stand behind the columns of the samples, in the order of the input. */
#ifndef MP_PLAN_TABLE_KEYS_H
#define MP_PLAN_TABLE_KEYS_H

#include "plan/table.h"

/* There may be such: only a pass over all rows tells. */
bool mp_table_may_grow(const mp_spec *spec, const mp_table *t);
/* Columns of the names (texts in wire form, perhaps several times) that are none yet. MP_DATA: too
 * many; MP_NOMEM. */
MP_MUST_CHECK mp_status mp_table_add_keys(mp_table *t, const uint8_t *names, size_t len,
                                          mp_arena *arena, mp_error *err);

#endif
