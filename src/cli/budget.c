/* budget.c - the memory that the machine, the cgroup and Slurm leave to a rank.
 * Invariant: what cannot be read limits nothing. */
#include "cli/budget.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A number in text, INT64_MAX where there is none ("max"). */
static int64_t number_of(const char *text) {
    while (*text == ' ' || *text == '\t')
        text++;
    if (*text < '0' || *text > '9') return INT64_MAX;
    errno = 0;
    long long v = strtoll(text, NULL, 10);
    return errno ? INT64_MAX : v;
}

static int64_t file_number(const char *path) {
    char text[64];
    FILE *f = fopen(path, "re");
    if (!f) return INT64_MAX;
    int64_t v = fgets(text, sizeof text, f) ? number_of(text) : INT64_MAX;
    fclose(f);
    return v;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* The limit of a group and of every group around it, up to the root. */
static int64_t limit_of_group(const char *root, char *group, const char *file) {
    char path[1024];
    int64_t limit = INT64_MAX;
    for (;;) {
        int n = snprintf(path, sizeof path, "%s%s/%s", root, group, file);
        if (n > 0 && (size_t)n < sizeof path) limit = least(limit, file_number(path));
        char *slash = strrchr(group, '/');
        if (!slash) return limit;
        *slash = 0;
    }
}

/* /proc/self/cgroup has lines "0::/group" (v2) and "4:memory:/group" (v1). */
static int64_t cgroup_limit(void) {
    char line[1024];
    int64_t limit = INT64_MAX;
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f) return limit;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = 0;
        if (!controllers[1])
            limit = least(limit, limit_of_group("/sys/fs/cgroup", group, "memory.max"));
        else if (strstr(controllers + 1, "memory"))
            limit = least(limit,
                          limit_of_group("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes"));
    }
    fclose(f);
    return limit;
}

static int64_t megabytes(const char *name) {
    const char *text = getenv(name);
    int64_t v = text ? number_of(text) : INT64_MAX;
    return v <= 0 || v > INT64_MAX >> 20 ? INT64_MAX : v << 20;
}

static int64_t slurm_limit(void) {
    int64_t node = megabytes("SLURM_MEM_PER_NODE"), cpu = megabytes("SLURM_MEM_PER_CPU");
    const char *text = getenv("SLURM_CPUS_ON_NODE");
    int64_t n_cpus = text ? number_of(text) : 1;
    if (n_cpus < 1 || n_cpus == INT64_MAX) n_cpus = 1;
    return least(node, cpu > INT64_MAX / n_cpus ? INT64_MAX : cpu * n_cpus);
}

static int64_t available(void) {
    char line[256];
    int64_t v = INT64_MAX;
    FILE *f = fopen("/proc/meminfo", "re");
    if (!f) return v;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "MemAvailable:", 13) == 0) {
            v = number_of(line + 13);
            v = v > INT64_MAX >> 10 ? INT64_MAX : v << 10;
        }
    fclose(f);
    return v;
}

int64_t mp_budget_default(int host_ranks) {
    int64_t limit = least(least(cgroup_limit(), slurm_limit()), available());
    if (limit == INT64_MAX) return 0;
    return limit / 5 * 4 / (host_ranks > 0 ? host_ranks : 1);
}
