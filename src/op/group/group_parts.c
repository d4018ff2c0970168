/* group_parts.c - chunks of records, and the order of a part's records.
 * Invariant: a chunk is in one part or in the list of free ones. */
#include "op/group/group_parts.h"

enum {
    CHUNK_BYTES = 32 * 1024,
    SLAB_BYTES = 4 << 20, /* of small pages, which can go back one by one */
    LINE = 64,
    STEP = 16 /* bytes that are copied at once; a chunk has room for as many too many */
};

typedef struct mp_part_slab {
    struct mp_part_slab *next;
} slab;

mp_status mp_parts_new(mp_mem *mem, uint64_t n_owners, mp_parts **out, mp_error *err) {
    mp_parts *p = mp_mem_calloc(mem, 1, sizeof *p);
    *out = p;
    if (!p) return mp_mem_error(mem, sizeof *p, err);
    p->mem = mem;
    p->n_owners = n_owners;
    p->slab_bits = mp_slab_bits(n_owners);
    return MP_OK;
}

/* ---- chunks ---- */

static bool is_large(const mp_part_chunk *c) {
    return c->cap > CHUNK_BYTES;
}

static void free_chunk(mp_parts *p, mp_part_chunk *c) {
    if (is_large(c)) {
        mp_mem_free(p->mem, c);
        return;
    }
    c->next = p->free_chunks;
    p->free_chunks = c;
}

static mp_status add_slab(mp_parts *p, mp_error *err) {
    slab *s = mp_mem_alloc(p->mem, SLAB_BYTES);
    if (!s) return mp_mem_error(p->mem, SLAB_BYTES, err);
    s->next = p->slabs;
    p->slabs = s;
    mp_mem_populate(s, SLAB_BYTES);
    for (size_t at = sizeof *s; at + CHUNK_BYTES <= SLAB_BYTES; at += CHUNK_BYTES) {
        mp_part_chunk *c = (mp_part_chunk *)(void *)((char *)s + at);
        c->cap = CHUNK_BYTES - sizeof *c - STEP;
        free_chunk(p, c);
    }
    return MP_OK;
}

static mp_status new_chunk(mp_parts *p, size_t n, mp_part_chunk **out, mp_error *err) {
    mp_part_chunk *c;
    if (n > CHUNK_BYTES - sizeof *c - STEP) {
        size_t cap = n + CHUNK_BYTES;
        c = mp_mem_alloc(p->mem, sizeof *c + cap + STEP);
        if (!c) return mp_mem_error(p->mem, sizeof *c + cap + STEP, err);
        c->cap = cap;
    } else {
        mp_status s = p->free_chunks ? MP_OK : add_slab(p, err);
        if (s != MP_OK) return s;
        c = p->free_chunks;
        p->free_chunks = c->next;
    }
    c->next = NULL;
    c->len = 0;
    *out = c;
    return MP_OK;
}

const mp_part_chunk *mp_parts_chunks(mp_part *part) {
    if (part->last) part->last->len = (size_t)(part->at - part->last->bytes);
    return part->first;
}

void mp_parts_clear(mp_parts *p, mp_part *part, bool is_last) {
    (void)mp_parts_chunks(part);
    for (mp_part_chunk *c = part->first, *next; c; c = next) {
        next = c->next;
        p->n_bytes -= (int64_t)c->len;
        if (is_last && !is_large(c)) mp_mem_discard(c->bytes, c->cap);
        free_chunk(p, c);
    }
    p->n_records -= part->n_records;
    *part = (mp_part){0};
}

void mp_parts_free(mp_parts **out) {
    mp_parts *p = *out;
    if (!p) return;
    for (int i = 0; i < MP_N_PARTS; i++)
        mp_parts_clear(p, &p->part[i], false);
    while (p->slabs) {
        slab *s = p->slabs;
        p->slabs = s->next;
        mp_mem_free(p->mem, s);
    }
    mp_mem_free(p->mem, p);
    *out = NULL;
}

/* ---- records ---- */

/* Equal steps of the owner's range in each slab. */
static inline mp_part *part_of(mp_parts *p, uint64_t hash) {
    const int bits = p->slab_bits, inner = MP_PART_BITS - bits;
    uint64_t in_range = (uint32_t)mp_slab_place(hash, bits, p->n_owners);
    return &p->part[(uint64_t)mp_slab_of(hash, bits) << inner | in_range >> (32 - inner)];
}

static inline void copy_steps(uint8_t *to, const uint8_t *from, size_t n) {
    for (size_t i = 0; i < n; i += STEP)
        memcpy(to + i, from + i, STEP);
}

static mp_status add_chunk(mp_parts *p, mp_part *part, size_t n, mp_error *err) {
    mp_part_chunk *c = NULL;
    mp_status s = new_chunk(p, n, &c, err);
    if (s != MP_OK) return s;
    (void)mp_parts_chunks(part);
    if (part->last)
        part->last->next = c;
    else
        part->first = c;
    part->last = c;
    part->at = c->bytes;
    part->end = c->bytes + c->cap;
    return MP_OK;
}

/* The lines that the part's next record will be written to, if it is like the last one. */
static inline void fetch_next(const uint8_t *at, size_t len) {
    __builtin_prefetch(at + LINE, 1);
    if (len > LINE) __builtin_prefetch(at + 2 * (size_t)LINE, 1);
}

mp_status mp_parts_keep(mp_parts *p, const uint8_t *const *record, const uint64_t *hash, int32_t n,
                        const uint8_t *end, mp_error *err) {
    int64_t bytes = 0;
    for (int32_t i = 0; i < n; i++) {
        mp_part *part = part_of(p, hash[i]);
        size_t len = mp_record_bytes(record[i]);
        if ((size_t)(part->end - part->at) < len) {
            mp_status s = add_chunk(p, part, len, err);
            if (s != MP_OK) return s;
        }
        if ((size_t)(end - record[i]) >= len + STEP)
            copy_steps(part->at, record[i], len);
        else
            memcpy(part->at, record[i], len);
        part->at += len;
        part->n_records++;
        bytes += (int64_t)len;
        fetch_next(part->at, len);
    }
    p->n_records += n;
    p->n_bytes += bytes;
    return MP_OK;
}

/* ---- order ---- */

static int cmp_keys(const void *ctx, uintptr_t a, uintptr_t b) {
    const mp_group *g = ctx;
    mp_key ka = mp_record_key(g->form, (const uint8_t *)a, 0);
    mp_key kb = mp_record_key(g->form, (const uint8_t *)b, 0);
    return mp_key_cmp(&ka, &kb);
}

mp_status mp_parts_order(mp_parts *p, mp_group *g, mp_part *part, mp_hashed **out, mp_error *err) {
    size_t bytes = (size_t)part->n_records * sizeof(mp_hashed);
    int64_t n = 0;
    const mp_record_form f = g->form;
    mp_hashed *v = mp_mem_alloc(p->mem, bytes);
    *out = v;
    if (!v) return mp_mem_error(p->mem, bytes, err);
    for (const mp_part_chunk *c = mp_parts_chunks(part); c; c = c->next)
        for (size_t at = 0; at < c->len; at += mp_record_bytes(c->bytes + at)) {
            const uint8_t *r = c->bytes + at;
            v[n++] =
                (mp_hashed){mp_key_hash_of(r + mp_record_key_at(f, r), mp_record_key_bytes(f, r)),
                            (uintptr_t)r};
        }
    mp_status s = mp_hashed_sort(p->mem, out, n, cmp_keys, g, err);
    if (s != MP_OK) {
        mp_mem_free(p->mem, *out);
        *out = NULL;
    }
    return s;
}
