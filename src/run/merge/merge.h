/* merge.h - `mpart merge`: shards, or any files, as one output. */
#ifndef MP_RUN_MERGE_H
#define MP_RUN_MERGE_H

#include "comm/comm.h"
#include "plan/spec.h"
#include "run/report.h"

/* Collective. Inputs as in a query, in the order of the manifest where one is a folder of shards,
 * whose files must have the manifest's checksums (MP_DATA). With spec->query.sort the output is in that
 * order, whether the files are or not, in bounded memory (scratch); of rows with equal
 * keys those of the earlier file come first. is_virtual: HDF5 inputs, and the
 * output is a small file that refers to them. Else as mp_query_run. */
MP_MUST_CHECK mp_status mp_merge_run(mp_comm *c, const mp_spec *spec, bool is_virtual, mp_mem *mem,
                                     mp_buf *text, mp_report *report, mp_error *err);

#endif
