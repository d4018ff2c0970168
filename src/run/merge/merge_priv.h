/* merge_priv.h - the parts of merge, shared by the merge_*.c files. */
#ifndef MP_RUN_MERGE_PRIV_H
#define MP_RUN_MERGE_PRIV_H

#include "run/merge/merge.h"
#include "run/query/query_priv.h"

/* merge_verify.c: the files of all shards have their checksums. Collective. */
mp_status mp_merge_verify(mp_comm *c, const mp_spec *spec, mp_mem *mem, mp_error *err);

/* merge_virtual.c: the output is a virtual table over the inputs. Collective. */
mp_status mp_merge_virtual(mp_job *j, mp_buf *text, mp_error *err);

/* merge_order.c: the pass of a sorted merge, as mp_job.pass: keeps the rows as a sort does, and looks
 * whether each file was in order. Collective. */
mp_status mp_merge_pass(mp_job *j, mp_flow_verdict *verdict, mp_error *err);

#endif
