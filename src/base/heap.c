/* heap.c - see heap.h.
 * Invariant: blocks lie one behind another up to `top`; of two neighbours one is in use at least, and the last one is. A
 * block's size is that of its payload, 8 more than a multiple of 16, so that with the next one's header payloads stay
 * aligned. A free block ends with its size (the next one's `before`), and stands in the list of its class; a bit is set
 * for each class that has some. */
#include "base/heap.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum {
    EXACT = 32,    /* classes of one size each: 24, 40, ... */
    CLASSES = 192, /* then four for each power of two */
    SIZE_MIN = 24, /* two links and the size at the end */
    GIVE_BACK = 256 * 1024,
    PAGE = 4096
};
#define FREE ((size_t)1)        /* this block */
#define BEFORE_FREE ((size_t)2) /* the one in front of it */
#define SIZE_MOST ((size_t)1 << 46)

typedef struct block block;
struct block {
    size_t
        before;  /* size of the block in front, while that is free: the last bytes of its payload */
    size_t size; /* and the two bits */
    block *next, *prev; /* while it is free; the payload begins here */
};

struct mp_heap {
    uint64_t some[CLASSES / 64];
    block *lists[CLASSES];
    block *top;  /* where the next new block goes: its header, whose BEFORE_FREE is never set */
    char *end;   /* of the range */
    char *reach; /* behind it nothing was written, or it was given back */
};

static size_t size_of(const block *b) {
    return b->size & ~(FREE | BEFORE_FREE);
}

static char *payload(const block *b) {
    return (char *)(uintptr_t)&b->next;
}

static block *block_of(const void *p) {
    return (block *)((uintptr_t)p - offsetof(block, next));
}

/* The block behind, where the one at b has this size. */
static block *behind(const block *b, size_t size) {
    return (block *)(uintptr_t)(payload(b) + size - sizeof b->before);
}

static block *in_front(const block *b) {
    return block_of((const char *)&b->size - b->before);
}

mp_heap *mp_heap_make(void *p, size_t n_bytes) {
    mp_heap *h = p;
    uintptr_t first = (uintptr_t)(h + 1);
    memset(h, 0, sizeof *h);
    h->top = (block *)((first + 15) & ~(uintptr_t)15);
    h->top->size = 0;
    h->end = (char *)p + n_bytes;
    h->reach = payload(h->top);
    return h;
}

/* ---- classes ---- */

static size_t class_of(size_t size) {
    if (size < 16 * EXACT + 8) return (size - 8) / 16 - 1;
    unsigned log2 = 63 - (unsigned)__builtin_clzll(size);
    return EXACT + 4 * (log2 - 9) + (size >> (log2 - 2) & 3);
}

/* The least class all of whose blocks have this size. */
static size_t class_that_fits(size_t size) {
    if (size < 16 * EXACT + 8) return class_of(size);
    unsigned log2 = 63 - (unsigned)__builtin_clzll(size);
    return class_of(size + ((size_t)1 << (log2 - 2)) - 1);
}

static void link_free(mp_heap *h, block *b, size_t size) {
    size_t k = class_of(size);
    b->size = size | FREE | (b->size & BEFORE_FREE);
    b->prev = NULL;
    b->next = h->lists[k];
    if (b->next) b->next->prev = b;
    h->lists[k] = b;
    h->some[k / 64] |= (uint64_t)1 << k % 64;
    block *n = behind(b, size);
    n->before = size;
    n->size |= BEFORE_FREE;
}

static void unlink_free(mp_heap *h, block *b) {
    size_t k = class_of(size_of(b));
    if (b->next) b->next->prev = b->prev;
    if (b->prev)
        b->prev->next = b->next;
    else if (!(h->lists[k] = b->next))
        h->some[k / 64] &= ~((uint64_t)1 << k % 64);
    b->size &= ~FREE;
    behind(b, size_of(b))->size &= ~BEFORE_FREE;
}

static block *find_free(const mp_heap *h, size_t size) {
    /* the last one freed of this class is often as large as the next one wanted */
    block *last = h->lists[class_of(size)];
    if (last && size_of(last) >= size) return last;
    size_t k = class_that_fits(size);
    for (size_t w = k / 64; w < CLASSES / 64; w++) {
        uint64_t some = h->some[w];
        if (w == k / 64) some &= ~(uint64_t)0 << k % 64;
        if (some) return h->lists[64 * w + (size_t)__builtin_ctzll(some)];
    }
    return NULL;
}

/* ---- pages ---- */

static void give_back(char *from, const char *to) {
    uintptr_t a = ((uintptr_t)from + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    uintptr_t b = (uintptr_t)to & ~(uintptr_t)(PAGE - 1);
    if (b > a) (void)!madvise((void *)a, b - a, MADV_REMOVE);
}

/* The last block is free: it is one no longer. */
static void lower_top(mp_heap *h, block *b) {
    b->size = 0;
    h->top = b;
    char *from = payload(b);
    if (h->reach - from < GIVE_BACK) return;
    give_back(from, h->reach);
    h->reach = from;
}

/* ---- blocks ---- */

static size_t size_for(size_t n_bytes) {
    return n_bytes <= SIZE_MIN ? SIZE_MIN : ((n_bytes + 7) & ~(size_t)15) + 8;
}

static block *new_block(mp_heap *h, size_t size) {
    block *b = h->top;
    /* the header behind it must fit, too */
    if (size > SIZE_MOST || (size_t)(h->end - payload(b)) < size + sizeof *b) return NULL;
    b->size = size;
    h->top = behind(b, size);
    h->top->size = 0;
    if (payload(h->top) > h->reach) h->reach = payload(h->top);
    return b;
}

/* What b, which is in use, has beyond size is free again where it is enough for a block. */
static void cut(mp_heap *h, block *b, size_t size) {
    size_t whole = size_of(b);
    if (whole < size + SIZE_MIN + sizeof b->size) return;
    b->size = size | (b->size & BEFORE_FREE);
    block *rest = behind(b, size);
    rest->size = 0;
    link_free(h, rest, whole - size - sizeof b->size);
}

void *mp_heap_alloc(mp_heap *h, size_t n_bytes) {
    if (n_bytes > SIZE_MOST) return NULL;
    size_t size = size_for(n_bytes);
    block *b = find_free(h, size);
    if (b) {
        unlink_free(h, b);
        cut(h, b, size);
    } else {
        b = new_block(h, size);
    }
    return b ? payload(b) : NULL;
}

void mp_heap_free(mp_heap *h, void *p) {
    if (!p) return;
    block *b = block_of(p);
    size_t size = size_of(b);
    block *n = behind(b, size);
    char *from = payload(b), *to = from + size - sizeof b->before;
    if (b->size & BEFORE_FREE) {
        b = in_front(b);
        size += size_of(b) + sizeof b->size;
        unlink_free(h, b);
    }
    if (n == h->top) {
        lower_top(h, b);
        return;
    }
    if (n->size & FREE) {
        unlink_free(h, n);
        size += size_of(n) + sizeof n->size;
    }
    link_free(h, b, size);
    if (to - from >= GIVE_BACK) give_back(from + 2 * sizeof(void *), to);
}

void *mp_heap_realloc(mp_heap *h, void *p, size_t n_bytes) {
    if (!p) return mp_heap_alloc(h, n_bytes);
    if (n_bytes > SIZE_MOST) return NULL;
    size_t old = mp_heap_usable(p);
    if (n_bytes <= old && n_bytes >= old / 2) return p;
    void *q = mp_heap_alloc(h, n_bytes);
    if (!q) return n_bytes <= old ? p : NULL;
    memcpy(q, p, old < n_bytes ? old : n_bytes);
    mp_heap_free(h, p);
    return q;
}

size_t mp_heap_usable(const void *p) {
    return size_of(block_of(p));
}

size_t mp_heap_reach(const mp_heap *h) {
    return (size_t)(h->reach - (const char *)h);
}
