/* h5_heap.c - global heap collections, the last ones kept: neighbours in a column are neighbours in
 * the heap, too. See h5_heap.h. */
#include "io/h5/h5_heap.h"

#include <errno.h>
#include <unistd.h>

enum { N_KEPT = 64, FIRST_BYTES = 4096, HEAD_BYTES = 16, COLLECTION_LIMIT = 1 << 30 };

typedef struct {
    uint32_t at, len;
} object;

typedef struct {
    int64_t address; /* -1: none */
    uint8_t *bytes;
    size_t len, cap;
    object *objects; /* by number */
    uint32_t n_objects, cap_objects;
} collection;

struct mp_h5_heap {
    int fd;
    int64_t base, file_bytes;
    mp_mem *mem;
    collection kept[N_KEPT];
};

mp_status mp_h5_heap_new(int fd, int64_t base, int64_t file_bytes, mp_mem *mem, mp_h5_heap **out,
                         mp_error *err) {
    mp_h5_heap *h = mp_mem_calloc(mem, 1, sizeof *h);
    *out = h;
    if (!h) return mp_mem_error(mem, sizeof *h, err);
    h->fd = fd;
    h->base = base;
    h->file_bytes = file_bytes;
    h->mem = mem;
    for (int i = 0; i < N_KEPT; i++)
        h->kept[i].address = -1;
    return MP_OK;
}

void mp_h5_heap_free(mp_h5_heap **h) {
    if (!*h) return;
    for (int i = 0; i < N_KEPT; i++) {
        mp_mem_free((*h)->mem, (*h)->kept[i].bytes);
        mp_mem_free((*h)->mem, (*h)->kept[i].objects);
    }
    mp_mem_free((*h)->mem, *h);
    *h = NULL;
}

static uint64_t le(const uint8_t *p, int n) {
    uint64_t v = 0;
    memcpy(&v, p, (size_t)n);
    return v;
}

static mp_status broken(mp_error *err, const char *why) {
    return mp_error_set(err, MP_DATA, "broken HDF5 file", "a text's place in the heap: %s", why);
}

static mp_status read_bytes(const mp_h5_heap *h, int64_t at, uint8_t *to, size_t n, mp_error *err) {
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(h->fd, to + done, n - done, (off_t)(at + (int64_t)done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return mp_error_errno(err, errno, "cannot read", NULL);
        if (got == 0)
            return mp_error_set(err, MP_IO, "cannot read", "the file shrank while it was read");
        done += (size_t)got;
    }
    return MP_OK;
}

static bool grow(mp_mem *mem, void **p, size_t size, size_t *cap, size_t n) {
    if (n <= *cap) return true;
    void *grown = mp_mem_realloc(mem, *p, n * size);
    if (!grown) return false;
    *p = grown;
    *cap = n;
    return true;
}

static mp_status note_object(mp_h5_heap *h, collection *c, uint32_t number, size_t at, uint64_t len,
                             mp_error *err) {
    size_t cap = c->cap_objects;
    if (number >= cap) {
        size_t want = (size_t)number < 128 ? 256 : 2 * (size_t)number;
        if (!grow(h->mem, (void **)&c->objects, sizeof *c->objects, &cap, want))
            return mp_mem_error(h->mem, want * sizeof *c->objects, err);
        c->cap_objects = (uint32_t)cap;
    }
    for (; c->n_objects <= number; c->n_objects++)
        c->objects[c->n_objects] = (object){0};
    c->objects[number] = (object){(uint32_t)at, (uint32_t)len};
    return MP_OK;
}

static mp_status list_objects(mp_h5_heap *h, collection *c, mp_error *err) {
    c->n_objects = 0;
    for (size_t at = HEAD_BYTES; at + HEAD_BYTES <= c->len;) {
        uint32_t number = (uint32_t)le(c->bytes + at, 2);
        uint64_t len = le(c->bytes + at + 8, 8);
        if (number == 0) break; /* the free space behind them */
        at += HEAD_BYTES;
        if (len > c->len - at) return broken(err, "an object is longer than its collection");
        mp_status st = note_object(h, c, number, at, len, err);
        if (st) return st;
        at += (size_t)((len + 7) & ~(uint64_t)7);
    }
    return MP_OK;
}

static mp_status load(mp_h5_heap *h, collection *c, int64_t address, mp_error *err) {
    c->address = -1;
    if (address < 0 || address > h->file_bytes - FIRST_BYTES - h->base)
        return broken(err, "behind the end of the file");
    int64_t at = address + h->base;
    if (!grow(h->mem, (void **)&c->bytes, 1, &c->cap, FIRST_BYTES))
        return mp_mem_error(h->mem, FIRST_BYTES, err);
    mp_status st = read_bytes(h, at, c->bytes, FIRST_BYTES, err);
    if (st) return st;
    uint64_t len = le(c->bytes + 8, 8);
    if (memcmp(c->bytes, "GCOL\1", 5) != 0) return broken(err, "no collection is there");
    if (len < FIRST_BYTES || len > COLLECTION_LIMIT || (int64_t)len > h->file_bytes - at)
        return broken(err, "its collection has a wrong size");
    if (!grow(h->mem, (void **)&c->bytes, 1, &c->cap, len)) return mp_mem_error(h->mem, len, err);
    st = read_bytes(h, at + FIRST_BYTES, c->bytes + FIRST_BYTES, len - FIRST_BYTES, err);
    c->len = len;
    if (!st) st = list_objects(h, c, err);
    if (!st) c->address = address;
    return st;
}

mp_status mp_h5_heap_text(mp_h5_heap *h, const uint8_t *reference, mp_arena *arena, mp_str *out,
                          mp_error *err) {
    uint32_t len = (uint32_t)le(reference, 4), number = (uint32_t)le(reference + 12, 4);
    int64_t address = (int64_t)le(reference + 4, 8);
    *out = mp_str_of("", 0);
    if (len == 0 || address == 0) return MP_OK;
    collection *c = &h->kept[(uint64_t)address / FIRST_BYTES % N_KEPT];
    if (c->address != address) {
        mp_status st = load(h, c, address, err);
        if (st) return st;
    }
    if (number >= c->n_objects || c->objects[number].at == 0) return broken(err, "no such object");
    const object *o = &c->objects[number];
    if (len > o->len) return broken(err, "it is longer than its object");
    char *copy = mp_arena_alloc(arena, (size_t)len + 16, 1);
    if (!copy) return mp_mem_error(arena->mem, len, err);
    memcpy(copy, c->bytes + o->at, len);
    /* the library's own texts end where their first NUL is */
    *out = mp_str_of(copy, strnlen(copy, len));
    return MP_OK;
}
