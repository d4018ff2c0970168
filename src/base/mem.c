/* mem.c - counted allocation and arenas.
 * Invariant: used_bytes is the sum of the allocator's own sizes (malloc_usable_size) of all live
 * blocks, so rounding is counted, and no header is needed in front of a block; and of the bytes of
 * all spaces. */
#include "base/mem.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void mp_mem_init(mp_mem *m, int64_t limit_bytes) {
    *m = (mp_mem){.limit_bytes = limit_bytes};
}

static bool fits(const mp_mem *m, size_t n_bytes) {
    if (n_bytes > (size_t)PTRDIFF_MAX) return false;
    return !m || m->limit_bytes <= 0 || (int64_t)n_bytes <= m->limit_bytes - m->used_bytes;
}

/* As fits, and a refusal is remembered for the message. */
static bool admits(mp_mem *m, size_t n_bytes) {
    bool ok = fits(m, n_bytes);
    if (!ok && m) m->refused_bytes = n_bytes > (size_t)INT64_MAX ? INT64_MAX : (int64_t)n_bytes;
    return ok;
}

enum { HUGE_PAGE = 2 << 20, HUGE_FROM = 8 << 20 };

/* Random access to a large block costs a second miss for the page's address; huge pages spare it. A refusal does not matter. */
static void ask_for_huge_pages(void *p, size_t n_bytes) {
    if (!p || n_bytes < HUGE_FROM) return;
    uintptr_t from = ((uintptr_t)p + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
    uintptr_t to = ((uintptr_t)p + n_bytes) & ~(uintptr_t)(HUGE_PAGE - 1);
    if (to > from) (void)!madvise((void *)from, to - from, MADV_HUGEPAGE);
}

static size_t usable(const mp_mem *m, void *p) {
    return m && m->heap ? mp_heap_usable(p) : malloc_usable_size(p);
}

static void give(mp_mem *m, void *p) {
    if (m && m->heap)
        mp_heap_free(m->heap, p);
    else
        free(p);
}

/* Count a fresh block; the block is given back when the allocator's rounding does not fit. */
static void *count(mp_mem *m, void *p) {
    if (!p) return NULL;
    size_t size = usable(m, p);
    ask_for_huge_pages(p, size);
    if (!m) return p;
    if (!admits(m, size)) {
        give(m, p);
        return NULL;
    }
    m->used_bytes += (int64_t)size;
    if (m->used_bytes > m->peak_bytes) m->peak_bytes = m->used_bytes;
    return p;
}

void *mp_mem_alloc(mp_mem *m, size_t n_bytes) {
    if (!admits(m, n_bytes)) return NULL;
    if (m && m->heap) return count(m, mp_heap_alloc(m->heap, n_bytes));
    return count(m, malloc(n_bytes ? n_bytes : 1));
}

void *mp_mem_calloc(mp_mem *m, size_t n, size_t size_bytes) {
    size_t total;
    if (__builtin_mul_overflow(n, size_bytes, &total) || !admits(m, total)) return NULL;
    if (m && m->heap) {
        void *p = mp_mem_alloc(m, total);
        return p ? memset(p, 0, total) : NULL;
    }
    return count(m, total ? calloc(n, size_bytes) : calloc(1, 1));
}

/* The most that malloc may round a request up by: a realloc cannot be undone, so it must fit with
 * its rounding. */
static size_t rounding(size_t n_bytes) {
    return n_bytes < 64 * 1024 ? 32 : 8192;
}

void *mp_mem_realloc(mp_mem *m, void *p, size_t n_bytes) {
    if (!p) return mp_mem_alloc(m, n_bytes);
    size_t old = usable(m, p);
    if (n_bytes > old &&
        (n_bytes > (size_t)PTRDIFF_MAX - 8192 || !admits(m, n_bytes - old + rounding(n_bytes))))
        return NULL;
    void *q =
        m && m->heap ? mp_heap_realloc(m->heap, p, n_bytes) : realloc(p, n_bytes ? n_bytes : 1);
    if (q && n_bytes > old) ask_for_huge_pages(q, n_bytes);
    if (!q || !m) return q;
    m->used_bytes += (int64_t)usable(m, q) - (int64_t)old;
    if (m->used_bytes > m->peak_bytes) m->peak_bytes = m->used_bytes;
    return q;
}

void *mp_mem_aligned(mp_mem *m, size_t align, size_t n_bytes) {
    void *p = NULL;
    if (!admits(m, n_bytes)) return NULL;
    if (align < 16) align = 16;
    if (posix_memalign(&p, align, n_bytes ? n_bytes : 1) != 0) return NULL;
    return count(m, p);
}

void mp_mem_free(mp_mem *m, void *p) {
    if (!p) return;
    if (m) m->used_bytes -= (int64_t)usable(m, p);
    give(m, p);
}

static void advise_pages(void *p, size_t n_bytes, int advice) {
    const uintptr_t page = 4096;
    uintptr_t from = ((uintptr_t)p + page - 1) & ~(page - 1);
    uintptr_t to = ((uintptr_t)p + n_bytes) & ~(page - 1);
    if (to > from) (void)!madvise((void *)from, to - from, advice);
}

void mp_mem_discard(void *p, size_t n_bytes) {
    advise_pages(p, n_bytes, MADV_DONTNEED);
}

void mp_mem_populate(void *p, size_t n_bytes) {
#ifdef MADV_POPULATE_WRITE
    advise_pages(p, n_bytes, MADV_POPULATE_WRITE);
#else
    (void)p, (void)n_bytes;
#endif
}

void mp_mem_hold(mp_mem *m, size_t n_bytes) {
    if (!m) return;
    m->used_bytes += (int64_t)n_bytes;
    if (m->used_bytes > m->peak_bytes) m->peak_bytes = m->used_bytes;
}

bool mp_mem_reserve(mp_mem *m, size_t n_bytes) {
    if (!admits(m, n_bytes)) return false;
    mp_mem_hold(m, n_bytes);
    return true;
}

void mp_mem_return(mp_mem *m, size_t n_bytes) {
    if (m) m->used_bytes -= (int64_t)n_bytes;
}

mp_status mp_mem_error(const mp_mem *m, size_t n_bytes, mp_error *err) {
    int64_t request = n_bytes > (size_t)INT64_MAX ? INT64_MAX : (int64_t)n_bytes;
    if (m && m->refused_bytes > request) request = m->refused_bytes;
    /* a request that fits the budget was refused by the system, not by the budget */
    bool budget = m && (m->refused_bytes > 0 || !fits(m, n_bytes));
    return mp_error_nomem(err, request, budget ? m->limit_bytes : 0);
}

/* ---- space ---- */

enum { PAGE = 4096 };
static const size_t RESERVE_MOST = (size_t)1 << 38, RESERVE_LEAST = (size_t)1 << 30;

static void *map(size_t n_bytes, int access) {
    void *p = mmap(NULL, n_bytes, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* Addresses from a start that huge pages can take, not accessible yet: those no system counts as
 * memory. *n_bytes: how many. NULL: there are no such many. */
static char *reserve(size_t need, size_t *n_bytes) {
    for (size_t size = RESERVE_MOST; size >= RESERVE_LEAST && size / 2 >= need; size /= 4) {
        char *p = map(size + HUGE_PAGE, PROT_NONE);
        if (!p) continue;
        size_t skip = -(uintptr_t)p & (HUGE_PAGE - 1);
        if (skip) munmap(p, skip);
        if (skip < HUGE_PAGE) munmap(p + skip + size, HUGE_PAGE - skip);
        *n_bytes = size;
        return p + skip;
    }
    return NULL;
}

static bool open_up(mp_space *s, size_t n_bytes) {
    if (n_bytes <= s->bytes) return true;
    return mprotect((char *)s->p + s->bytes, n_bytes - s->bytes, PROT_READ | PROT_WRITE) == 0;
}

/* n_bytes that can be accessed. */
static bool make_space(mp_space *s, size_t n_bytes) {
    if (!s->p) s->p = reserve(n_bytes, &s->reserved_bytes);
    if (!s->p) {
        s->p = map(n_bytes, PROT_READ | PROT_WRITE);
        s->reserved_bytes = s->p ? n_bytes : 0;
        return s->p != NULL;
    }
    if (n_bytes <= s->reserved_bytes) return open_up(s, n_bytes);
    if (!open_up(s, s->reserved_bytes)) return false;
    void *p = mremap(s->p, s->reserved_bytes, n_bytes, MREMAP_MAYMOVE);
    if (p == MAP_FAILED) return false;
    s->p = p;
    s->reserved_bytes = n_bytes;
    return true;
}

bool mp_space_grow(mp_mem *m, mp_space *s, size_t n_bytes) {
    if (n_bytes <= s->bytes) return true;
    if (n_bytes > (size_t)PTRDIFF_MAX - PAGE) return false;
    n_bytes = (n_bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
    size_t more = n_bytes - s->bytes;
    if (!admits(m, more) || !make_space(s, n_bytes)) return false;
    /* a small one does not deserve a page of 2 MiB */
    if (n_bytes >= HUGE_FROM && s->bytes < HUGE_FROM) ask_for_huge_pages(s->p, s->reserved_bytes);
    s->bytes = n_bytes;
    if (!m) return true;
    m->used_bytes += (int64_t)more;
    if (m->used_bytes > m->peak_bytes) m->peak_bytes = m->used_bytes;
    return true;
}

void mp_space_shrink(mp_mem *m, mp_space *s, size_t n_bytes) {
    n_bytes = (n_bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
    if (n_bytes >= s->bytes) return;
    (void)!madvise((char *)s->p + n_bytes, s->bytes - n_bytes, MADV_DONTNEED);
    if (m) m->used_bytes -= (int64_t)(s->bytes - n_bytes);
    s->bytes = n_bytes;
}

void mp_space_release(mp_mem *m, mp_space *s) {
    if (s->p) munmap(s->p, s->reserved_bytes);
    if (m) m->used_bytes -= (int64_t)s->bytes;
    *s = (mp_space){0};
}

/* ---- arena ---- */

enum { CHUNK_MIN = 64 * 1024, CHUNK_MAX = 32 * 1024 * 1024, KEEP_MAX = 16 * 1024 * 1024 };

struct mp_arena_chunk {
    mp_arena_chunk *older;
    size_t cap; /* bytes behind this header */
};

void mp_arena_init(mp_arena *a, mp_mem *mem) {
    *a = (mp_arena){.mem = mem};
}

static void free_chunks(mp_arena *a, mp_arena_chunk *c) {
    while (c) {
        mp_arena_chunk *older = c->older;
        mp_mem_free(a->mem, c);
        c = older;
    }
}

void mp_arena_release(mp_arena *a) {
    free_chunks(a, a->head);
    free_chunks(a, a->spare);
    *a = (mp_arena){.mem = a->mem, .keep_bytes = a->keep_bytes};
}

static char *chunk_data(mp_arena_chunk *c) {
    return (char *)c + sizeof(mp_arena_chunk);
}

/* NULL: there is none so large. */
static mp_arena_chunk *take_spare(mp_arena *a, size_t cap) {
    mp_arena_chunk *c = a->spare;
    if (!c || c->cap < cap) return NULL;
    a->spare = c->older;
    c->older = NULL;
    return c;
}

static mp_arena_chunk *new_chunk(mp_arena *a, size_t cap) {
    mp_arena_chunk *c = mp_mem_alloc(a->mem, sizeof *c + cap);
    if (c) *c = (mp_arena_chunk){NULL, cap};
    return c;
}

/* Memory that was touched once is cheaper than what a single chunk in place of all would be. */
static void keep_all(mp_arena *a) {
    mp_arena_chunk *last = a->head;
    size_t bytes = last->cap;
    for (; last->older; bytes += last->cap)
        last = last->older;
    for (const mp_arena_chunk *c = a->spare; c; c = c->older)
        bytes += c->cap;
    if (bytes > a->keep_bytes) {
        mp_arena_release(a);
        return;
    }
    last->older = a->spare;
    a->spare = a->head;
    a->head = NULL;
    a->next = a->end = NULL;
    a->total_bytes = 0;
}

/* What one round needed in several chunks, the next one finds in one. */
void mp_arena_reset(mp_arena *a) {
    mp_arena_chunk *keep = a->head;
    if (!keep) return;
    if (a->keep_bytes) {
        keep_all(a);
        return;
    }
    if (keep->older || keep->cap > KEEP_MAX) {
        size_t need = a->total_bytes + a->total_bytes / 4;
        mp_arena_release(a);
        if (need > KEEP_MAX) return;
        keep = new_chunk(a, need < CHUNK_MIN ? CHUNK_MIN : need);
        if (!keep) return;
        a->head = keep;
    }
    a->next = chunk_data(keep);
    a->end = a->next + keep->cap;
    a->total_bytes = 0;
}

void *mp_arena_grow(mp_arena *a, size_t n_bytes, size_t align) {
    if (n_bytes > (size_t)PTRDIFF_MAX / 2) return NULL;
    size_t need = n_bytes + align;
    size_t size = a->head ? a->head->cap * 2 : CHUNK_MIN - sizeof(mp_arena_chunk);
    if (size > CHUNK_MAX - sizeof(mp_arena_chunk)) size = CHUNK_MAX - sizeof(mp_arena_chunk);
    bool own = need > size / 4;
    mp_arena_chunk *c = take_spare(a, need);
    if (!c) c = new_chunk(a, own ? need : size);
    if (!c && !own) c = new_chunk(a, need);
    if (!c) return NULL;
    char *p = (char *)(((uintptr_t)chunk_data(c) + (align - 1)) & ~(uintptr_t)(align - 1));
    a->total_bytes += n_bytes;
    if (own && a->head && c->cap == need) {
        /* behind the head, whose free space stays in use */
        c->older = a->head->older;
        a->head->older = c;
        return p;
    }
    c->older = a->head;
    a->head = c;
    a->next = p + n_bytes;
    a->end = chunk_data(c) + c->cap;
    return p;
}
