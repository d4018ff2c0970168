/* dict_part.c - see dict_part.h.
 * Invariant: a part is at the front of its area, its heap one page behind; the serial is set when all else is ready, and
 * taken away under the lock before anything goes. */
#include "comm/dict/dict_part.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "comm/comm_state.h"

enum { PAGE = 4096, LOOKS = 64, PAUSES = 32 };

/* A rank that died with the lock must not stop the others for ever. */
static bool make_lock(mp_dict_part *part) {
    pthread_mutexattr_t a;
    if (part->has_lock) return true;
    if (pthread_mutexattr_init(&a) != 0) return false;
    part->has_lock = pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED) == 0 &&
                     pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST) == 0 &&
                     pthread_mutex_init(&part->lock, &a) == 0;
    pthread_mutexattr_destroy(&a);
    return part->has_lock;
}

/* Where there are very many ranks, areas are smaller than the machine's memory. */
static bool has_addresses(size_t n, int64_t limit_bytes) {
    long pages = sysconf(_SC_PHYS_PAGES);
    return limit_bytes / 8 * 9 < (int64_t)n || (pages > 0 && n / PAGE >= (size_t)pages);
}

mp_dict_part *mp_dict_part_new(mp_comm *c, uint32_t serial, int64_t limit_bytes) {
    size_t n = 0;
    mp_dict_part *part = mp_dict_part_of(c, mp_comm_rank(c));
    (void)mp_comm_shared(c, mp_comm_rank(c), &n);
    if (part && !(has_addresses(n, limit_bytes) && make_lock(part))) part = NULL;
    bool shared = part != NULL;
    if (!part) part = calloc(1, sizeof *part);
    if (!part) return NULL;
    part->shared = shared;
    part->n_applied = 0;
    part->looks = c->spin_ns > 0 ? LOOKS : 0;
    mp_mem_init(&part->mem, limit_bytes);
    if (shared) part->mem.heap = mp_heap_make((char *)part + PAGE, n - PAGE);
    mp_dict_table_init(&part->table, &part->mem);
    atomic_store_explicit(&part->serial, serial, memory_order_release);
    return part;
}

void mp_dict_part_free(mp_comm *c, mp_dict_part **ppart) {
    mp_dict_part *part = *ppart;
    size_t n;
    *ppart = NULL;
    if (!part) return;
    if (!part->shared) {
        mp_dict_table_clear(&part->table);
        free(part);
        return;
    }
    bool locked = mp_dict_part_lock(part);
    atomic_store(&part->serial, 0);
    if (mp_comm_shared(c, mp_comm_rank(c), &n))
        (void)!madvise((char *)part + PAGE, n - PAGE, MADV_REMOVE);
    if (locked) mp_dict_part_unlock(part);
}

mp_dict_part *mp_dict_part_of(mp_comm *c, int rank) {
    size_t n = 0;
    void *p = mp_comm_shared(c, rank, &n);
    return n > 16 * PAGE ? p : NULL;
}

void mp_dict_part_forget(mp_comm *c, int rank) {
    size_t n;
    char *p = mp_comm_shared(c, rank, &n);
    if (p) (void)!madvise(p + PAGE, n - PAGE, MADV_DONTNEED);
}

static void pause_once(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* A batch takes some tens of microseconds, and to be woken takes as long: where every rank has a processor, one that
 * waits looks again for a while. */
bool mp_dict_part_lock(mp_dict_part *part) {
    if (!part->shared) return true;
    int rc = EBUSY;
    for (int i = 0; i < part->looks && rc == EBUSY; i++) {
        rc = pthread_mutex_trylock(&part->lock);
        for (int k = 0; k < PAUSES && rc == EBUSY; k++)
            pause_once();
    }
    if (rc == EBUSY) rc = pthread_mutex_lock(&part->lock);
    /* a lock that is left inconsistent is not released by glibc's trylock when it says so: the part remembers */
    if (rc == EOWNERDEAD) {
        part->broken = true;
        rc = pthread_mutex_consistent(&part->lock);
    }
    if (rc == 0 && part->broken) {
        (void)pthread_mutex_unlock(&part->lock);
        return false;
    }
    return rc == 0;
}

void mp_dict_part_unlock(mp_dict_part *part) {
    if (part->shared) (void)pthread_mutex_unlock(&part->lock);
}
