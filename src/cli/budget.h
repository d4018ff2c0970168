/* budget.h - how much memory a rank may use when the user did not say. */
#ifndef MP_CLI_BUDGET_H
#define MP_CLI_BUDGET_H

#include <stdint.h>

/* Four fifths of the smallest of: the cgroup's limit, what Slurm grants on this node, and the memory that is free now;
 * divided by the ranks on the host. 0: not known. Local. */
int64_t mp_budget_default(int host_ranks);

#endif
