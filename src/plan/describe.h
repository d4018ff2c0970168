/* describe.h - the plan as text, for --plan. */
#ifndef MP_PLAN_DESCRIBE_H
#define MP_PLAN_DESCRIBE_H

#include "plan/query.h"

/* Inputs, splits, columns and how they are read, phases; to the end of out. Local. */
void mp_plan_describe(const mp_spec *spec, const mp_table *t, const mp_query *q,
                      const mp_scan_plan *plan, int n_ranks, mp_buf *out);

#endif
