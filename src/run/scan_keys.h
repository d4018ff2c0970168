/* scan_keys.h - a pass for the NDJSON keys that first appear behind the samples, with --union.
 * Invariant: the columns that it adds are those of the whole input, the same on every rank. */
#ifndef MP_RUN_SCAN_KEYS_H
#define MP_RUN_SCAN_KEYS_H

#include "run/scan.h"

/* Collective. feed: rank 0's, of table, which is the scan's; new columns live in arena. Rows that
 * are bad are left to the passes that follow. Cost: a pass that converts nothing. */
MP_MUST_CHECK mp_status mp_scan_find_keys(mp_comm *c, mp_scan *s, mp_feed *feed, mp_table *table,
                                          mp_arena *arena, mp_mem *mem, mp_error *err);

#endif
