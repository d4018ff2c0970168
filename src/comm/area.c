/* area.c - memory that the ranks of one host have at the same addresses: an area for each rank, behind the bytes of the
 * doorbell in one anonymous file.
 * Invariant: addresses mean the same on every rank that has the memory: the file's size, which never changes, says how
 * large an area is. A rank without it (another host, no room for the addresses) only has to do by messages what others do
 * there. Pages come when they are written. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "comm/comm_state.h"

#define BASE ((uintptr_t)1 << 45) /* far from what the system places by itself */
#define WHOLE ((size_t)1 << 44)   /* addresses of all areas */
enum { HUGE_PAGE = 2 << 20 };

static size_t whole_pages(size_t n) {
    return (n + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
}

static size_t areas_from(const mp_comm *c) {
    return whole_pages((size_t)c->size);
}

size_t mp_area_file_bytes(const mp_comm *c) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t most = WHOLE / (size_t)c->size & ~(size_t)(HUGE_PAGE - 1);
    size_t area = pages > 0 && page > 0 ? whole_pages((size_t)pages * (size_t)page) : 0;
    size_t n = areas_from(c) + (area < most ? area : most) * (size_t)c->size;
    struct rlimit limit; /* beyond it a file's growth is a signal */
    bool allowed = getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur >= n;
    return allowed ? n : (size_t)c->size;
}

/* A page that the system has no room for is a signal, where an allocation would be refused: where it promises no more
 * memory than it has, pages must be asked for. Addresses that are limited are for what cannot do without. */
static bool may_map(void) {
    struct rlimit limit;
    FILE *f = fopen("/proc/sys/vm/overcommit_memory", "re");
    bool strict = f && fgetc(f) == '2';
    if (f) fclose(f);
    return !strict && getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
}

static bool map_areas(mp_comm *c) {
    size_t from = areas_from(c);
    struct stat st;
    if (fstat(c->shared_fd, &st) != 0 || st.st_size <= (off_t)from || !may_map()) return false;
    size_t area = ((size_t)st.st_size - from) / (size_t)c->size, n = area * (size_t)c->size;
    void *p = mmap((void *)BASE, n, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, c->shared_fd, (off_t)from);
    if (p == MAP_FAILED) return false;
    if ((uintptr_t)p != BASE) { /* an old kernel takes the address for a wish */
        munmap(p, n);
        return false;
    }
    (void)!madvise(p, n, MADV_DONTDUMP);
    c->areas = p;
    c->area_bytes = area;
    return true;
}

void mp_area_release(mp_comm *c) {
    if (c->areas) munmap(c->areas, c->area_bytes * (size_t)c->size);
    if (c->shared_fd >= 0) close(c->shared_fd);
    c->areas = NULL;
    c->shared_fd = -1;
}

void *mp_comm_shared(mp_comm *c, int rank, size_t *n_bytes) {
    if (c->shared_fd >= 0 && !c->areas && !getenv("MPART_TEST_UNSHARED") && !map_areas(c))
        mp_area_release(c); /* once for all */
    if (!c->areas || (rank != c->rank && !c->token[rank])) return NULL;
    *n_bytes = c->area_bytes;
    return c->areas + (size_t)rank * c->area_bytes;
}
