/* split_run.h - `mpart split`: a table as a folder of shards with a manifest. */
#ifndef MP_RUN_SPLIT_RUN_H
#define MP_RUN_SPLIT_RUN_H

#include "comm/comm.h"
#include "plan/split_plan.h"
#include "run/report.h"

/* Collective. The specs are the same on every rank. The folder appears whole when all has gone well,
 * else nothing is left. Rank 0 appends to text what is for standard output (the plan, with
 * spec->run.plan_only). Returns the agreed status; MP_PARTIAL when rows were rejected. */
MP_MUST_CHECK mp_status mp_split_run(mp_comm *c, const mp_spec *spec, const mp_split_spec *split,
                                     mp_mem *mem, mp_buf *text, mp_report *report, mp_error *err);

/* A shard of mp_split_spool. */
typedef struct {
    int64_t rows, bytes;
} mp_split_part;

/* Collective: the rows of the inputs as shards 0 .. n_parts - 1 by key (split->method BY; its folder
 * and force do not count), in files part-00000.csv ... (text of split->format with its header) in
 * folder, which exists, is this rank's, and need not be the same on all: shard k lies in that of
 * rank mp_shards_owner(k). parts: n_parts, on every rank. schema: name and type of each column, in
 * arena. Nothing is synced. The files are the caller's, also after a failure. MP_PARTIAL is not
 * returned: *n_bad rows were rejected (--rejects is not written). */
MP_MUST_CHECK mp_status mp_split_spool(mp_comm *c, const mp_spec *spec, const mp_split_spec *split,
                                       const char *folder, mp_mem *mem, mp_arena *arena,
                                       mp_report *report, mp_split_part *parts, mp_schema *schema,
                                       int64_t *n_bad, mp_error *err);

#endif
