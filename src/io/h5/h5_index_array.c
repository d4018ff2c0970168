/* h5_index_array.c - the chunk indexes that are arrays: the fixed one of datasets that do not grow, the extensible one of those
 * that grow in one dimension. File format: "HDF5 File Format Specification Version 3.0", VII.C and VII.D.
 * Invariant: every block is believed only when its checksum is right (Jenkins, "Hash functions for hash table lookup",
 * lookup3, 2006), and no more elements are looked at than the grid has chunks, or some more. */
#include "io/h5/h5_index.h"

enum {
    ADDRESS = 8,
    MASK = 4, /* filters that were not applied */
    SUM = 4,
    BLOCK_HEAD = 14, /* signature, version, client, address of the header */
    MOST_BITS = 48,
    MOST_BLOCKS = 64 /* super blocks */
};
static const size_t BLOCK_LIMIT = 1 << 26;

/* One array on its way. */
typedef struct {
    mp_h5_index *x;
    int n_dims;
    int64_t grid[MP_H5_MAX_DIMS]; /* chunks along dimension order[d] as the array counts them */
    int order[MP_H5_MAX_DIMS];
    int element_bytes;
    bool filtered;
    int64_t n_elements;
} array;

/* ---- checksums ---- */

static inline uint32_t turn(uint32_t v, int by) {
    return v << by | v >> (32 - by);
}

static void mix(uint32_t *a, uint32_t *b, uint32_t *c) {
    static const int by[6] = {4, 6, 8, 16, 19, 4};
    uint32_t *v[3] = {a, b, c};
    for (int i = 0; i < 6; i++) {
        uint32_t *p = v[i % 3], *q = v[(i + 2) % 3], *r = v[(i + 1) % 3];
        *p -= *q;
        *p ^= turn(*q, by[i]);
        *q += *r;
    }
}

static uint32_t checksum(const uint8_t *p, size_t n) {
    uint32_t v[3];
    v[0] = v[1] = v[2] = 0xdeadbeef + (uint32_t)n;
    if (n == 0) return v[2];
    for (; n > 12; n -= 12, p += 12) {
        for (int i = 0; i < 3; i++)
            v[i] += (uint32_t)mp_h5_le(p + 4 * i, 4);
        mix(&v[0], &v[1], &v[2]);
    }
    for (size_t i = 0; i < n; i++)
        v[i / 4] += (uint32_t)p[i] << (8 * (i % 4));
    static const int by[7] = {14, 11, 25, 16, 4, 14, 24};
    for (int i = 0; i < 7; i++) {
        uint32_t *to = &v[(i + 2) % 3], *from = &v[(i + 1) % 3];
        *to ^= *from;
        *to -= turn(*from, by[i]);
    }
    return v[2];
}

/* ---- blocks ---- */

uint8_t *mp_h5_index_block(mp_h5_index *x, int64_t address, size_t n, const char *signature) {
    uint8_t *p = n <= BLOCK_LIMIT ? mp_mem_alloc(NULL, n + SUM) : NULL;
    if (p && mp_h5_index_bytes(x, address, p, n + SUM) && checksum(p, n) == mp_h5_le(p + n, SUM) &&
        (!signature || (memcmp(p, signature, 4) == 0 && p[4] == 0)))
        return p;
    mp_mem_free(NULL, p);
    x->odd = true;
    return NULL;
}

/* Place in the grid of the array's element i; -1: beyond the dataset. */
static int64_t place_of(const array *r, int64_t i) {
    int64_t at[MP_H5_MAX_DIMS] = {0}, place = 0;
    const mp_h5_array *a = r->x->a;
    for (int d = r->n_dims - 1; d > 0; d--) {
        at[r->order[d]] = i % r->grid[d];
        i /= r->grid[d];
    }
    at[r->order[0]] = i;
    for (int d = 0; d < r->n_dims; d++) {
        int64_t n = mp_h5_grid(a, d);
        if (at[d] >= n) return -1;
        place = place * n + at[d];
    }
    return place;
}

/* n elements from number first on. */
static void take_elements(array *r, const uint8_t *p, int64_t first, int64_t n) {
    mp_h5_index *x = r->x;
    for (int64_t i = first; i < first + n && i < r->n_elements && !x->odd;
         i++, p += r->element_bytes) {
        int64_t address = (int64_t)mp_h5_le(p, ADDRESS);
        uint64_t bytes = (uint64_t)x->chunk_bytes;
        uint32_t skip = 0;
        if (address == -1) continue;
        if (r->filtered) {
            int width = r->element_bytes - ADDRESS - MASK;
            bytes = mp_h5_le(p + ADDRESS, width);
            skip = (uint32_t)mp_h5_le(p + ADDRESS + width, MASK);
        }
        if (bytes > INT32_MAX) x->odd = true;
        if (!x->odd) mp_h5_index_note(x, place_of(r, i), address, (uint32_t)bytes, skip);
    }
}

/* Pages of elements, each with its checksum; bit first_bit + k of made: page k was written. */
static void take_pages(array *r, int64_t address, int64_t page, int64_t first, int64_t n,
                       const uint8_t *made, int64_t first_bit) {
    for (int64_t k = 0; k * page < n && first + k * page < r->n_elements && !r->x->odd; k++) {
        int64_t here = n - k * page < page ? n - k * page : page, bit = first_bit + k;
        if (!(made[bit / 8] & 0x80 >> bit % 8)) continue;
        size_t bytes = (size_t)(here * r->element_bytes);
        uint8_t *p =
            mp_h5_index_block(r->x, address + k * (page * r->element_bytes + SUM), bytes, NULL);
        if (p) take_elements(r, p, first + k * page, here);
        mp_mem_free(NULL, p);
    }
}

/* What both headers begin with: signature, version, client, bytes of an element. */
static bool take_client(array *r, const uint8_t *p) {
    r->filtered = p[5] == 1;
    r->element_bytes = p[6];
    return p[5] <= 1 && (r->filtered ? r->element_bytes > ADDRESS + MASK &&
                                           r->element_bytes <= 2 * ADDRESS + MASK
                                     : r->element_bytes == ADDRESS);
}

/* The grid as the array counts it, the unlimited dimension (-1: none) first. */
static bool find_grid(array *r, int unlimited) {
    const mp_h5_array *a = r->x->a;
    int n = 0;
    r->n_dims = a->n_dims;
    r->n_elements = 1;
    if (unlimited >= 0) r->order[n++] = unlimited;
    for (int d = 0; d < a->n_dims; d++)
        if (d != unlimited) r->order[n++] = d;
    for (int i = 0; i < n; i++) {
        int d = r->order[i];
        int64_t most = d == unlimited ? a->dims[d] : r->x->max_dims[d];
        if (most < a->dims[d]) return false;
        r->grid[i] = most / a->chunk_dims[d] + (most % a->chunk_dims[d] != 0);
        if (r->grid[i] < 1) r->grid[i] = 1;
        if (__builtin_mul_overflow(r->n_elements, r->grid[i], &r->n_elements)) return false;
    }
    return r->n_elements / 4 <= a->n_chunks + 4096;
}

/* ---- the fixed array ---- */

static void fixed_block(array *r, int64_t address, int page_bits) {
    int64_t n = r->n_elements, page = (int64_t)1 << page_bits;
    if (n <= page) {
        uint8_t *p =
            mp_h5_index_block(r->x, address, BLOCK_HEAD + (size_t)(n * r->element_bytes), "FADB");
        if (p) take_elements(r, p + BLOCK_HEAD, 0, n);
        mp_mem_free(NULL, p);
        return;
    }
    size_t head = BLOCK_HEAD + (size_t)(((n + page - 1) / page + 7) / 8);
    uint8_t *p = mp_h5_index_block(r->x, address, head, "FADB");
    if (p) take_pages(r, address + (int64_t)head + SUM, page, 0, n, p + BLOCK_HEAD, 0);
    mp_mem_free(NULL, p);
}

void mp_h5_index_fixed(mp_h5_index *x) {
    array r = {.x = x};
    uint8_t *p = mp_h5_index_block(x, x->address, 24, "FAHD");
    if (!p) return;
    int page_bits = p[7];
    int64_t block = (int64_t)mp_h5_le(p + 16, 8);
    bool fits = take_client(&r, p) && find_grid(&r, -1) && page_bits < MOST_BITS &&
                (int64_t)mp_h5_le(p + 8, 8) == r.n_elements;
    mp_mem_free(NULL, p);
    if (!fits) x->odd = true;
    if (fits && block != -1) fixed_block(&r, block, page_bits);
}

/* ---- the extensible array ---- */

/* Super block u has 2^(u/2) data blocks of 2^((u+1)/2) times least elements; the pointers to the data blocks of the first
 * ones stand in the index block itself. */
typedef struct {
    array r;
    int64_t in_index, least, page;
    int offset_bytes, n_super, n_direct;
} extensible;

static void data_block(extensible *e, int64_t address, int64_t first, int64_t n,
                       const uint8_t *made, int64_t first_bit) {
    array *r = &e->r;
    size_t head = BLOCK_HEAD + (size_t)e->offset_bytes;
    bool paged = n > e->page;
    if (address == -1 || r->x->odd) return;
    uint8_t *p = mp_h5_index_block(r->x, address,
                                   head + (paged ? 0 : (size_t)(n * r->element_bytes)), "EADB");
    if (p && !paged) take_elements(r, p + head, first, n);
    if (p && paged && made)
        take_pages(r, address + (int64_t)head + SUM, e->page, first, n, made, first_bit);
    if (p && paged && !made) r->x->odd = true;
    mp_mem_free(NULL, p);
}

static void super_block(extensible *e, int u, int64_t address, int64_t first) {
    array *r = &e->r;
    int64_t n_blocks = (int64_t)1 << u / 2, n = e->least << (u + 1) / 2;
    int64_t pages = n > e->page ? n / e->page : 0;
    size_t head = BLOCK_HEAD + (size_t)e->offset_bytes;
    size_t bits = (size_t)(n_blocks * ((pages + 7) / 8));
    if (address == -1 || r->x->odd) return;
    uint8_t *p = mp_h5_index_block(r->x, address, head + bits + (size_t)n_blocks * ADDRESS, "EASB");
    for (int64_t i = 0; p && i < n_blocks && first + i * n < r->n_elements; i++)
        data_block(e, (int64_t)mp_h5_le(p + head + bits + (size_t)i * ADDRESS, ADDRESS),
                   first + i * n, n, p + head, i * pages);
    mp_mem_free(NULL, p);
}

static void index_block(extensible *e, int64_t address) {
    array *r = &e->r;
    int64_t n_pointers = 0, first = e->in_index;
    for (int u = 0; u < e->n_direct; u++)
        n_pointers += (int64_t)1 << u / 2;
    size_t elements = (size_t)e->in_index * (size_t)r->element_bytes;
    size_t n = BLOCK_HEAD + elements + (size_t)(n_pointers + e->n_super - e->n_direct) * ADDRESS;
    uint8_t *p = mp_h5_index_block(r->x, address, n, "EAIB");
    if (!p) return;
    take_elements(r, p + BLOCK_HEAD, 0, e->in_index);
    const uint8_t *at = p + BLOCK_HEAD + elements;
    for (int u = 0; u < e->n_super && first < r->n_elements && !r->x->odd; u++) {
        int64_t blocks = (int64_t)1 << u / 2, size = e->least << (u + 1) / 2;
        if (u >= e->n_direct) {
            super_block(e, u, (int64_t)mp_h5_le(at, ADDRESS), first);
            at += ADDRESS;
        } else {
            for (int64_t i = 0; i < blocks; i++, at += ADDRESS)
                data_block(e, (int64_t)mp_h5_le(at, ADDRESS), first + i * size, size, NULL, 0);
        }
        first += blocks * size;
    }
    mp_mem_free(NULL, p);
}

/* 2^result; -1: n is no power of two. */
static int power(int n) {
    return n > 0 && (n & (n - 1)) == 0 ? __builtin_ctz((unsigned)n) : -1;
}

void mp_h5_index_extensible(mp_h5_index *x) {
    extensible e = {.r = {.x = x}};
    int unlimited = -1;
    for (int d = 0; d < x->a->n_dims; d++)
        if (x->max_dims[d] == -1) unlimited = d;
    uint8_t *p = mp_h5_index_block(x, x->address, 68, "EAHD");
    if (!p) return;
    int most_bits = p[7], least = power(p[9]), pointers = power(p[10]);
    int64_t block = (int64_t)mp_h5_le(p + 60, 8);
    e.in_index = p[8];
    e.page = p[11] < MOST_BITS ? (int64_t)1 << p[11] : 0;
    bool fits = unlimited >= 0 && take_client(&e.r, p) && find_grid(&e.r, unlimited) &&
                most_bits <= MOST_BITS && least >= 0 && least <= most_bits && pointers >= 0 &&
                e.page > 0;
    mp_mem_free(NULL, p);
    if (!fits) {
        x->odd = true;
        return;
    }
    e.least = (int64_t)1 << least;
    e.offset_bytes = (most_bits + 7) / 8;
    e.n_super = 1 + most_bits - least;
    e.n_direct = 2 * pointers;
    if (e.n_super > MOST_BLOCKS || e.n_direct > e.n_super) x->odd = true;
    if (!x->odd && block != -1) index_block(&e, block);
}
