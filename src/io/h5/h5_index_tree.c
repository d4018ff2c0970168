/* h5_index_tree.c - the chunk index of datasets that grow in several dimensions: the B-tree of version 2. File format:
 * "HDF5 File Format Specification Version 3.0", III.A.2, records of types 10 and 11.
 * Invariant: every node is believed only when its checksum is right, no more records are looked at than the header counts,
 * and levels only go down; so cycles end. */
#include "io/h5/h5_index.h"

enum {
    ADDRESS = 8,
    MASK = 4,   /* filters that were not applied */
    OFFSET = 8, /* of one dimension, in chunks */
    FRAME = 10, /* of a node: signature, version, type and the checksum at the end */
    NODE_HEAD = 6,
    HEAD_BYTES = 34,
    PLAIN = 10, /* types of the records */
    FILTERED = 11,
    MOST_LEVELS = 32
};

typedef struct {
    mp_h5_index *x;
    int type, record_bytes, count_bytes; /* of a child's number of records */
    int64_t left;                        /* records that may still come */
    int total_bytes[MOST_LEVELS];        /* of the number of all records of a tree of that height */
} tree;

/* Bytes that hold any number up to n. */
static int width_of(uint64_t n) {
    int bits = 0;
    for (; n > 1; n >>= 1)
        bits++;
    return bits / 8 + 1;
}

/* How wide the counts are follows from how many records the nodes can hold. False: no such tree. */
static bool find_widths(tree *t, int64_t node_bytes, int depth) {
    int64_t most = (node_bytes - FRAME) / t->record_bytes, all = most;
    if (most < 1 || depth >= MOST_LEVELS) return false;
    t->count_bytes = width_of((uint64_t)most);
    for (int level = 1; level <= depth; level++) {
        int64_t pointer = ADDRESS + t->count_bytes + t->total_bytes[level - 1];
        most = (node_bytes - FRAME - pointer) / (t->record_bytes + pointer);
        if (node_bytes < FRAME + pointer || most < 1) return false;
        if (__builtin_mul_overflow(all, most + 1, &all)) return false;
        if (__builtin_add_overflow(all, most, &all)) return false;
        t->total_bytes[level] = width_of((uint64_t)all);
    }
    return true;
}

static void take_record(tree *t, const uint8_t *p) {
    mp_h5_index *x = t->x;
    const mp_h5_array *a = x->a;
    int64_t address = (int64_t)mp_h5_le(p, ADDRESS), place = 0;
    uint64_t bytes = (uint64_t)x->chunk_bytes;
    uint32_t skip = 0;
    const uint8_t *at = p + t->record_bytes - a->n_dims * OFFSET;
    if (t->type == FILTERED) {
        bytes = mp_h5_le(p + ADDRESS, (int)(at - p) - ADDRESS - MASK);
        skip = (uint32_t)mp_h5_le(at - MASK, MASK);
    }
    for (int d = 0; d < a->n_dims; d++, at += OFFSET) {
        uint64_t v = mp_h5_le(at, OFFSET), n = (uint64_t)mp_h5_grid(a, d);
        if (place >= 0) place = v < n ? place * (int64_t)n + (int64_t)v : -1;
    }
    if (bytes > INT32_MAX) x->odd = true;
    if (!x->odd && address != -1) mp_h5_index_note(x, place, address, (uint32_t)bytes, skip);
}

static void take_node(tree *t, int64_t address, int64_t n, int level) {
    mp_h5_index *x = t->x;
    int pointer = ADDRESS + t->count_bytes + (level > 0 ? t->total_bytes[level - 1] : 0);
    t->left -= n;
    if (t->left < 0) x->odd = true;
    if (x->odd) return;
    size_t records = (size_t)n * (size_t)t->record_bytes;
    size_t bytes = NODE_HEAD + records + (level > 0 ? (size_t)(n + 1) * (size_t)pointer : 0);
    uint8_t *p = mp_h5_index_block(x, address, bytes, level > 0 ? "BTIN" : "BTLF");
    if (p && p[5] != t->type) x->odd = true;
    for (int64_t i = 0; p && i < n && !x->odd; i++)
        take_record(t, p + NODE_HEAD + i * t->record_bytes);
    for (int64_t i = 0; p && level > 0 && i <= n && !x->odd; i++) {
        const uint8_t *child = p + NODE_HEAD + records + i * pointer;
        uint64_t below = mp_h5_le(child + ADDRESS, t->count_bytes);
        if (below == 0 || below > (uint64_t)t->left) x->odd = true;
        if (!x->odd) take_node(t, (int64_t)mp_h5_le(child, ADDRESS), (int64_t)below, level - 1);
    }
    mp_mem_free(NULL, p);
}

void mp_h5_index_tree(mp_h5_index *x) {
    tree t = {.x = x};
    uint8_t *p = mp_h5_index_block(x, x->address, HEAD_BYTES, "BTHD");
    if (!p) return;
    int depth = (int)mp_h5_le(p + 12, 2), own = ADDRESS + x->a->n_dims * OFFSET;
    int64_t node_bytes = (int64_t)mp_h5_le(p + 6, 4), root = (int64_t)mp_h5_le(p + 16, ADDRESS);
    int64_t n = (int64_t)mp_h5_le(p + 24, 2);
    t.type = p[5];
    t.record_bytes = (int)mp_h5_le(p + 10, 2);
    t.left = (int64_t)mp_h5_le(p + 26, 8);
    mp_mem_free(NULL, p);
    int more = t.record_bytes - own; /* size of the chunk, and the mask */
    bool fits = t.type == PLAIN      ? more == 0
                : t.type == FILTERED ? more > MASK && more <= MASK + 8
                                     : false;
    if (!fits || t.left < 0 || t.left / 4 > x->a->n_chunks + 4096 ||
        !find_widths(&t, node_bytes, depth)) {
        x->odd = true;
        return;
    }
    if (root != -1 && n > 0) take_node(&t, root, n, depth);
    if (t.left > 0) x->odd = true; /* records are missing, not chunks */
}
