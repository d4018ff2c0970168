/* mem.h - counted memory: every rank has one budget, and what is kept is reserved before it is allocated.
 * Invariant: whenever limit > 0, used <= limit but for what mp_mem_hold was told of, and while it is above nothing is
 * granted; peak is the largest used. Not thread-safe (ranks are single threads). */
#ifndef MP_BASE_MEM_H
#define MP_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/heap.h"

typedef struct mp_mem {
    int64_t limit_bytes; /* 0: no limit */
    int64_t used_bytes;
    int64_t peak_bytes;
    int64_t refused_bytes; /* the last request that the budget refused, 0: none */
    mp_heap *heap; /* where its blocks come from, NULL: malloc (mp_mem_aligned and spaces never) */
} mp_mem;

void mp_mem_init(mp_mem *m, int64_t limit_bytes);

/* malloc/calloc/realloc/free counted against m (NULL m: not counted, not limited). Return NULL when the budget or the
 * system refuses; the old block then stays valid. mp_mem_free takes NULL. Alignment: 16 bytes. */
void *mp_mem_alloc(mp_mem *m, size_t n_bytes);
void *mp_mem_calloc(mp_mem *m, size_t n, size_t size_bytes);
void *mp_mem_realloc(mp_mem *m, void *p, size_t n_bytes);
void *mp_mem_aligned(mp_mem *m, size_t align, size_t n_bytes);
void mp_mem_free(mp_mem *m, void *p);
/* n_bytes inside a block are of no use until they are written again: whole pages of them go back to
 * the system, though they stay counted. Their contents are undefined. */
void mp_mem_discard(void *p, size_t n_bytes);
/* Brings the whole pages of [p, p + n_bytes) in at once, where each would be a fault of its own. What they
 * hold stays; a refusal does not matter. */
void mp_mem_populate(void *p, size_t n_bytes);

/* Counts n_bytes that are held elsewhere (a shared mapping); false when the budget refuses. _return takes them off. */
bool mp_mem_reserve(mp_mem *m, size_t n_bytes);
/* The same of what is there already and cannot be refused: the budget may be passed. */
void mp_mem_hold(mp_mem *m, size_t n_bytes);
void mp_mem_return(mp_mem *m, size_t n_bytes);

/* The error for a refused request on m of about n_bytes (the last refusal knows better). */
mp_status mp_mem_error(const mp_mem *m, size_t n_bytes, mp_error *err);

/* A block that grows in place: address space is set aside once, pages come with the growth, so
 * nothing is copied and pointers into it stay. Zero bytes where it was not written before. A zeroed
 * struct is an empty one. */
typedef struct mp_space {
    void *p; /* aligned to 2 MiB where the system has room; NULL: nothing yet */
    size_t bytes, reserved_bytes;
} mp_space;

/* At least n_bytes; false when the budget or the system refuses (the space is as before). Where the
 * system limits address space, p may change. */
bool mp_space_grow(mp_mem *m, mp_space *s, size_t n_bytes);
/* Down to n_bytes; what was behind them goes back to the system. */
void mp_space_shrink(mp_mem *m, mp_space *s, size_t n_bytes);
void mp_space_release(mp_mem *m, mp_space *s);

/* arena: many small pieces freed together. _reset keeps chunks for reuse. */
typedef struct mp_arena_chunk mp_arena_chunk;
typedef struct mp_arena {
    mp_mem *mem;
    mp_arena_chunk *head;  /* newest chunk */
    mp_arena_chunk *spare; /* from before the last reset, where all are kept */
    char *next, *end;
    size_t total_bytes; /* handed out since the last reset */
    size_t keep_bytes; /* a reset keeps all chunks up to so many bytes; 0: one, of 16 MiB at most */
} mp_arena;

void mp_arena_init(mp_arena *a, mp_mem *mem);
void mp_arena_release(mp_arena *a);
void mp_arena_reset(mp_arena *a);
void *mp_arena_grow(mp_arena *a, size_t n_bytes, size_t align); /* slow path of mp_arena_alloc */

/* n_bytes at an alignment (power of two, <= 64); NULL when refused. Contents undefined. */
static inline void *mp_arena_alloc(mp_arena *a, size_t n_bytes, size_t align) {
    uintptr_t p = ((uintptr_t)a->next + (align - 1)) & ~(uintptr_t)(align - 1);
    if (a->next && p <= (uintptr_t)a->end && n_bytes <= (uintptr_t)a->end - p) {
        a->next = (char *)(p + n_bytes);
        a->total_bytes += n_bytes;
        return (void *)p;
    }
    return mp_arena_grow(a, n_bytes, align);
}

#endif
