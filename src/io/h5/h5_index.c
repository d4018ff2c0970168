/* h5_index.c - where the chunks of a dataset are: the B-tree that most files have is read here in one
 * walk, arrays of chunks by h5_index_array.c, the B-tree of version 2 by h5_index_tree.c. Of an index
 * that is not known the library is asked chunk by chunk, which takes it a walk each.
 * File format: "HDF5 File Format Specification Version 3.0", object headers (IV.A), data layout
 * message (IV.A.2.i), version 1 B-trees (III.A.1).
 * Invariant: nodes visited are bounded by the size of the grid, so cycles end; what does not fit the
 * grid is left to the library. */
#include <unistd.h>

#include "io/h5/h5_index.h"

enum {
    LAYOUT_MESSAGE = 8,
    CONTINUATION = 0x10,
    MOST_BLOCKS = 256,
    BLOCK_LIMIT = 1 << 24,
    ASK_LIMIT = 4096, /* chunks that the library is asked for */
    NODE_LIMIT = 1 << 24,
    MOST_LEVELS = 32
};

bool mp_h5_index_bytes(const mp_h5_index *x, int64_t address, void *to, size_t n) {
    if (address < 0 || address > x->in->file_bytes - x->in->base - (int64_t)n) return false;
    return pread(x->in->fd, to, n, (off_t)(address + x->in->base)) == (ssize_t)n;
}

/* ---- the object header ---- */

/* Sizes of a chunk, of width bytes each; the last is that of an element. */
static bool same_chunks(mp_h5_index *x, const uint8_t *p, int width) {
    int rank = x->a->n_dims;
    x->chunk_bytes = 1;
    x->element_bytes = (int64_t)mp_h5_le(p + width * rank, width);
    for (int d = 0; d <= rank; d++) {
        int64_t n = (int64_t)mp_h5_le(p + width * d, width);
        if (d < rank && n != x->a->chunk_dims[d]) return false;
        if (__builtin_mul_overflow(x->chunk_bytes, n, &x->chunk_bytes)) return false;
    }
    return x->chunk_bytes > 0 && x->chunk_bytes <= INT32_MAX;
}

/* Version 3 of a chunked layout: rank + 1, address of the tree, sizes. */
static void take_layout_3(mp_h5_index *x, const uint8_t *p, size_t n) {
    int rank = x->a->n_dims;
    if (n < 11 + 4 * ((size_t)rank + 1) || p[2] != rank + 1) return;
    if (!same_chunks(x, p + 11, 4)) return;
    x->kind = MP_H5_INDEX_TREE_1;
    x->address = (int64_t)mp_h5_le(p + 3, 8);
    x->found = true;
}

/* Version 4: flags, rank + 1, bytes of a size, sizes, kind of index, what it says of itself, its
 * address. */
static void take_layout_4(mp_h5_index *x, const uint8_t *p, size_t n) {
    enum { PLAIN_EDGES = 1, SINGLE_FILTERED = 2 };
    static const uint8_t own_bytes[] = {0, 0, 0, 1, 5, 6};
    int rank = x->a->n_dims, width = n > 4 ? p[4] : 0;
    size_t at = 5 + (size_t)width * ((size_t)rank + 1);
    if (width < 1 || width > 8 || n <= at || p[3] != rank + 1 || !same_chunks(x, p + 5, width))
        return;
    int kind = p[at++];
    if (kind < MP_H5_INDEX_SINGLE || kind > MP_H5_INDEX_TREE_2 || (p[2] & PLAIN_EDGES)) return;
    bool filtered = kind == MP_H5_INDEX_SINGLE && (p[2] & SINGLE_FILTERED);
    size_t own = filtered ? 12 : own_bytes[kind];
    if (n < at + own + 8) return;
    if (filtered && mp_h5_le(p + at, 8) > INT32_MAX) return;
    if (filtered) x->single_bytes = (uint32_t)mp_h5_le(p + at, 8);
    if (filtered) x->single_skip = (uint32_t)mp_h5_le(p + at + 8, 4);
    x->kind = (mp_h5_index_kind)kind;
    x->address = (int64_t)mp_h5_le(p + at + own, 8);
    x->found = true;
}

static void take_layout(mp_h5_index *x, const uint8_t *p, size_t n) {
    enum { CHUNKED = 2 };
    if (n < 3 || p[1] != CHUNKED) return;
    if (p[0] == 3) take_layout_3(x, p, n);
    if (p[0] == 4) take_layout_4(x, p, n);
}

typedef struct {
    int64_t at;
    uint64_t len;
} block;

typedef struct {
    block blocks[MOST_BLOCKS];
    int n, next;
} blocks;

static void take_message(mp_h5_index *x, blocks *bs, unsigned type, const uint8_t *p, size_t n) {
    if (type == LAYOUT_MESSAGE) take_layout(x, p, n);
    if (type == CONTINUATION && n >= 16 && bs->n < MOST_BLOCKS)
        bs->blocks[bs->n++] = (block){(int64_t)mp_h5_le(p, 8), mp_h5_le(p + 8, 8)};
}

/* Messages of a header of version 1: 8 bytes before each. */
static void messages_1(mp_h5_index *x, blocks *bs, const uint8_t *p, size_t n) {
    for (size_t at = 0; n - at >= 8 && at < n;) {
        size_t len = mp_h5_le(p + at + 2, 2);
        if (len > n - at - 8) return;
        take_message(x, bs, (unsigned)mp_h5_le(p + at, 2), p + at + 8, len);
        at += 8 + len;
    }
}

/* Of version 2: 4 bytes, or 6 where their order of creation is kept. */
static void messages_2(mp_h5_index *x, blocks *bs, const uint8_t *p, size_t n, bool ordered) {
    size_t head = ordered ? 6 : 4;
    for (size_t at = 0; at + head <= n;) {
        size_t len = mp_h5_le(p + at + 1, 2);
        if (len > n - at - head) return;
        take_message(x, bs, p[at], p + at + head, len);
        at += head + len;
    }
}

/* The first block of a header; *version 0: none that is known. */
static block first_block(mp_h5_index *x, int64_t header, int *version, bool *ordered) {
    uint8_t p[40] = {0};
    block b = {0};
    *version = 0;
    *ordered = false;
    if (!mp_h5_index_bytes(x, header, p, 16)) return b;
    if (p[0] == 1 && p[1] == 0) {
        *version = 1;
        return (block){header + 16, mp_h5_le(p + 8, 4)};
    }
    if (memcmp(p, "OHDR", 4) != 0 || p[4] != 2) return b;
    int flags = p[5], at = 6 + (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0);
    int width = 1 << (flags & 3);
    if (!mp_h5_index_bytes(x, header, p, (size_t)(at + width))) return b;
    *version = 2;
    *ordered = (flags & 4) != 0;
    return (block){header + at + width, mp_h5_le(p + at, width)};
}

static void read_header(mp_h5_index *x, int64_t header) {
    blocks bs = {.n = 1};
    int version;
    bool ordered;
    bs.blocks[0] = first_block(x, header, &version, &ordered);
    for (; version && bs.next < bs.n && !x->found; bs.next++) {
        block b = bs.blocks[bs.next];
        if (b.len == 0 || b.len > BLOCK_LIMIT) return;
        uint8_t *p = mp_h5_take(x->in, (size_t)b.len, 1);
        if (!p || !mp_h5_index_bytes(x, b.at, p, (size_t)b.len)) return;
        size_t n = (size_t)b.len;
        if (version == 1) {
            messages_1(x, &bs, p, n);
        } else if (bs.next == 0) {
            messages_2(x, &bs, p, n, ordered);
        } else if (n > 8 && memcmp(p, "OCHK", 4) == 0) {
            messages_2(x, &bs, p + 4, n - 8, ordered);
        }
    }
}

/* ---- the tree ---- */

/* Place in the grid of the chunk whose first element is at offset; -1: none. */
static int64_t place_of(const mp_h5_array *a, const uint8_t *offset) {
    int64_t at = 0;
    for (int d = 0; d < a->n_dims; d++) {
        uint64_t v = mp_h5_le(offset + 8 * d, 8), q = (uint64_t)a->chunk_dims[d];
        if (v % q != 0 || v >= (uint64_t)a->dims[d]) return -1;
        at = at * mp_h5_grid(a, d) + (int64_t)(v / q);
    }
    return at;
}

void mp_h5_index_note(mp_h5_index *x, int64_t place, int64_t address, uint32_t bytes,
                      uint32_t skip) {
    if (place < 0)
        return; /* of rows that were cut off: it stays in the tree until the file is packed */
    mp_h5_chunk *c = &x->chunks[place];
    if (c->address != -1 || address < 0 ||
        address > x->in->file_bytes - x->in->base - (int64_t)bytes) {
        x->odd = true;
        return;
    }
    *c = (mp_h5_chunk){.address = address + x->in->base, .bytes = bytes, .skip = skip};
    x->n_found++;
}

static void walk_node(mp_h5_index *x, int64_t address, int level) {
    int rank = x->a->n_dims;
    size_t key = 8 + 8 * ((size_t)rank + 1);
    uint8_t head[24];
    if (x->odd || level > MOST_LEVELS || x->n_nodes++ > x->a->n_chunks * 2 + NODE_LIMIT / 1024 ||
        !mp_h5_index_bytes(x, address, head, sizeof head) || memcmp(head, "TREE", 4) != 0 ||
        head[4] != 1 || (level >= 0 && head[5] != level)) {
        x->odd = true;
        return;
    }
    size_t n = mp_h5_le(head + 6, 2), bytes = n * (key + 8) + key;
    uint8_t *p = mp_mem_alloc(NULL, bytes);
    if (!p || !mp_h5_index_bytes(x, address + 24, p, bytes)) {
        x->odd = true;
        mp_mem_free(NULL, p);
        return;
    }
    for (size_t i = 0; i < n && !x->odd; i++) {
        const uint8_t *k = p + i * (key + 8);
        int64_t child = (int64_t)mp_h5_le(k + key, 8);
        if (head[5] > 0)
            walk_node(x, child, head[5] - 1);
        else
            mp_h5_index_note(x, place_of(x->a, k + 8), child, (uint32_t)mp_h5_le(k, 4),
                             (uint32_t)mp_h5_le(k + 4, 4));
    }
    mp_mem_free(NULL, p);
}

/* ---- the library's word ---- */

/* Does the library find the bytes of chunk i where it says they are? Releases differ in whether they
 * count the user block. */
static bool same_bytes(mp_h5_index *x, hid_t dset, const hsize_t *offset, int64_t at, size_t n) {
    uint8_t *theirs = mp_mem_alloc(NULL, n), *ours = mp_mem_alloc(NULL, n);
    uint32_t filters;
    bool same = theirs && ours && H5Dread_chunk(dset, H5P_DEFAULT, offset, &filters, theirs) >= 0 &&
                at >= 0 && at <= x->in->file_bytes - (int64_t)n &&
                pread(x->in->fd, ours, n, (off_t)at) == (ssize_t)n && memcmp(ours, theirs, n) == 0;
    mp_mem_free(NULL, theirs);
    mp_mem_free(NULL, ours);
    return same;
}

static void ask_library(mp_h5_index *x, hid_t dset) {
    hsize_t n = 0;
    hid_t space = H5Dget_space(dset);
    int64_t base = 0;
    if (space < 0 || H5Dget_num_chunks(dset, space, &n) < 0 || n > ASK_LIMIT) x->odd = true;
    for (hsize_t i = 0; i < n && !x->odd; i++) {
        hsize_t offset[MP_H5_MAX_DIMS] = {0}, bytes = 0;
        haddr_t address = HADDR_UNDEF;
        unsigned skip = 0;
        uint8_t key[8 * MP_H5_MAX_DIMS];
        if (H5Dget_chunk_info(dset, space, i, offset, &skip, &address, &bytes) < 0 ||
            bytes > INT32_MAX) {
            x->odd = true;
            break;
        }
        for (int d = 0; d < x->a->n_dims; d++)
            memcpy(key + 8 * d, &offset[d], 8);
        if (address == HADDR_UNDEF) continue;
        if (i == 0 && !same_bytes(x, dset, offset, (int64_t)address, (size_t)bytes)) {
            base = x->in->base;
            x->odd = !same_bytes(x, dset, offset, (int64_t)address + base, (size_t)bytes);
        }
        int64_t at = (int64_t)address + base - x->in->base;
        if (!x->odd) mp_h5_index_note(x, place_of(x->a, key), at, (uint32_t)bytes, skip);
    }
    if (space >= 0) H5Sclose(space);
}

/* ---- the whole ---- */

/* One chunk, or all of the grid one behind the other. */
static void note_row(mp_h5_index *x) {
    int64_t n = x->kind == MP_H5_INDEX_SINGLE ? 1 : x->a->n_chunks;
    uint32_t bytes = x->single_bytes ? x->single_bytes : (uint32_t)x->chunk_bytes;
    if (n != x->a->n_chunks) x->odd = true;
    for (int d = 0; d < x->a->n_dims && x->kind == MP_H5_INDEX_IMPLICIT; d++)
        if (x->max_dims[d] != x->a->dims[d]) x->odd = true; /* its grid is that of the most */
    for (int64_t i = 0; i < n && !x->odd; i++)
        mp_h5_index_note(x, i, x->address + i * x->chunk_bytes, bytes, x->single_skip);
}

static void walk(mp_h5_index *x) {
    switch (x->kind) {
    case MP_H5_INDEX_TREE_1:
        walk_node(x, x->address, -1);
        break;
    case MP_H5_INDEX_FIXED:
        mp_h5_index_fixed(x);
        break;
    case MP_H5_INDEX_EXTENSIBLE:
        mp_h5_index_extensible(x);
        break;
    case MP_H5_INDEX_TREE_2:
        mp_h5_index_tree(x);
        break;
    default:
        note_row(x);
        break;
    }
}

static bool find_most(mp_h5_index *x, hid_t dset) {
    hsize_t dims[MP_H5_MAX_DIMS], most[MP_H5_MAX_DIMS];
    hid_t space = H5Dget_space(dset);
    bool ok = space >= 0 && H5Sget_simple_extent_dims(space, dims, most) == x->a->n_dims;
    for (int d = 0; ok && d < x->a->n_dims; d++)
        x->max_dims[d] = most[d] == H5S_UNLIMITED ? -1 : (int64_t)most[d];
    if (space >= 0) H5Sclose(space);
    return ok;
}

int64_t mp_h5_chunk_element(mp_h5_in *in, hid_t dset, mp_h5_array *a) {
    mp_h5_index x = {.in = in, .a = a};
    H5O_info_t info;
    if (H5Oget_info(dset, &info) >= 0 && info.fileno == in->fileno)
        read_header(&x, (int64_t)info.addr);
    return x.element_bytes;
}

mp_status mp_h5_read_index(mp_h5_in *in, hid_t dset, mp_h5_array *a, bool *found) {
    mp_h5_index x = {.in = in, .a = a, .address = -1};
    H5O_info_t info;
    *found = false;
    int64_t n = 1;
    for (int d = 0; d < a->n_dims; d++)
        if (__builtin_mul_overflow(n, mp_h5_grid(a, d), &n)) return MP_OK;
    /* a grid far beyond what the file can hold is left to the library */
    if (n > 1 << 20 && n > in->file_bytes / 8) return MP_OK;
    a->n_chunks = n;
    x.chunks = mp_h5_take(in, (size_t)n, sizeof *x.chunks);
    if (!x.chunks) return MP_NOMEM;
    for (int64_t i = 0; i < n; i++)
        x.chunks[i].address = -1;
    if (H5Oget_info(dset, &info) < 0) return MP_OK;
    if (info.fileno == in->fileno && find_most(&x, dset)) read_header(&x, (int64_t)info.addr);
    if (x.found && x.address != -1)
        walk(&x);
    else if (!x.found)
        ask_library(&x, dset);
    *found = !x.odd;
    a->chunks = x.chunks;
    if (x.odd) a->n_chunks = 0;
    return MP_OK;
}
