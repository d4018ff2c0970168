/* area.c - memory that the ranks of one host have at the same addresses: an area for each rank, behind the bytes of the
 * doorbell in one anonymous file.
 * Invariant: addresses mean the same on every rank that has the memory. A rank without it (another host, no room for the
 * addresses) only has to do by messages what others do there. Pages come when they are written. */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "comm/comm_state.h"

#define BASE ((uintptr_t)1 << 45) /* far from what the system places by itself */
#define WHOLE ((size_t)1 << 44)   /* addresses of all areas */
enum { HUGE_PAGE = 2 << 20 };

/* Bytes of an area, the same on every rank of a host: no more than the machine has. */
static size_t area_bytes(const mp_comm *c) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t most = WHOLE / (size_t)c->size & ~(size_t)(HUGE_PAGE - 1);
    size_t all = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : 0;
    all = (all + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
    return all < most ? all : most;
}

static size_t areas_from(const mp_comm *c) {
    return ((size_t)c->size + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
}

static void map_areas(mp_comm *c) {
    size_t area = area_bytes(c), from = areas_from(c), n = area * (size_t)c->size;
    struct stat st;
    struct rlimit most; /* beyond it a file's growth is a signal */
    if (area == 0 || getrlimit(RLIMIT_FSIZE, &most) != 0 || most.rlim_cur < from + n) return;
    if (fstat(c->shared_fd, &st) != 0) return;
    if (st.st_size < (off_t)(from + n) && ftruncate(c->shared_fd, (off_t)(from + n)) != 0) return;
    void *p = mmap((void *)BASE, n, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, c->shared_fd, (off_t)from);
    if (p == MAP_FAILED) return;
    if ((uintptr_t)p != BASE) { /* an old kernel takes the address for a wish */
        munmap(p, n);
        return;
    }
    (void)!madvise(p, n, MADV_DONTDUMP);
    c->areas = p;
    c->area_bytes = area;
}

void mp_area_release(mp_comm *c) {
    if (c->areas) munmap(c->areas, c->area_bytes * (size_t)c->size);
    if (c->shared_fd >= 0) close(c->shared_fd);
    c->areas = NULL;
    c->shared_fd = -1;
}

void *mp_comm_shared(mp_comm *c, int rank, size_t *n_bytes) {
    if (c->shared_fd >= 0 && !c->areas && !getenv("MPART_TEST_UNSHARED")) map_areas(c);
    if (!c->areas || (rank != c->rank && !c->token[rank])) return NULL;
    *n_bytes = c->area_bytes;
    return c->areas + (size_t)rank * c->area_bytes;
}
