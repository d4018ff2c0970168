/* query_run.h - `mpart query`: from the spec to the answer. */
#ifndef MP_RUN_QUERY_RUN_H
#define MP_RUN_QUERY_RUN_H

#include "comm/comm.h"
#include "plan/spec.h"
#include "run/report.h"

/* Collective. The spec is the same on every rank; rank 0 reads the inputs' heads, all ranks work,
 * the answer is written to spec->output. Rank 0 appends to `text` what is to be shown to the user
 * at the end: with spec->run.plan_only the plan (standard output), else nothing. report is filled
 * on rank 0 (statistics of all ranks). Returns the agreed status, the same on every rank, with the
 * same *err; MP_PARTIAL when rows were rejected. On any failure no output file exists. */
MP_MUST_CHECK mp_status mp_query_run(mp_comm *c, const mp_spec *spec, mp_mem *mem, mp_buf *text,
                                     mp_report *report, mp_error *err);

/* Collective: `mpart info`: schema, rows (counted), layout and splits of the inputs as text, or
 * JSON; into text on rank 0. */
MP_MUST_CHECK mp_status mp_info_run(mp_comm *c, const mp_spec *spec, bool json, mp_mem *mem,
                                    mp_buf *text, mp_report *report, mp_error *err);

#endif
