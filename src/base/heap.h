/* heap.h - an allocator in one range of addresses: blocks of memory that several processes map at the same place.
 * Invariant: all that it knows lies in the range itself, so every process that has it there can use it, one at a time
 * (the caller locks). Blocks are aligned to 16 bytes and cost 8 more. Two-level segregated fit: a call takes constant time,
 * and free neighbours are always one block (Masmano et al., ECRTS 2004, doi:10.1109/EMRTS.2004.1311009). */
#ifndef MP_BASE_HEAP_H
#define MP_BASE_HEAP_H

#include <stddef.h>

typedef struct mp_heap mp_heap;

/* An empty heap that takes [p, p + n_bytes), p aligned to a page, n_bytes at least 16 KiB; it lies at p. */
mp_heap *mp_heap_make(void *p, size_t n_bytes);

/* As malloc and its kin; NULL: there is no room. free takes NULL. */
void *mp_heap_alloc(mp_heap *h, size_t n_bytes);
void *mp_heap_realloc(mp_heap *h, void *p, size_t n_bytes);
void mp_heap_free(mp_heap *h, void *p);
/* What a block can hold: at least what was asked for. */
size_t mp_heap_usable(const void *p);
/* Bytes from the heap's start that may be in memory. What is not used at the end, or in long free blocks, is given back. */
size_t mp_heap_reach(const mp_heap *h);

#endif
