/* h5_index.h - what the readers of the library's chunk indexes share.
 * Invariant: what does not fit the grid, the file or its checksum sets odd, and the dataset is left to the library. */
#ifndef MP_IO_H5_INDEX_H
#define MP_IO_H5_INDEX_H

#include "io/h5/h5_in.h"

typedef enum {
    MP_H5_INDEX_NONE,
    MP_H5_INDEX_SINGLE, /* 1 to 5 as in the layout message, version 4 */
    MP_H5_INDEX_IMPLICIT,
    MP_H5_INDEX_FIXED,
    MP_H5_INDEX_EXTENSIBLE,
    MP_H5_INDEX_TREE_2,
    MP_H5_INDEX_TREE_1
} mp_h5_index_kind;

typedef struct {
    mp_h5_in *in;
    mp_h5_array *a;
    mp_h5_chunk *chunks;
    int64_t n_found;
    int64_t n_nodes;
    bool found; /* the layout message */
    mp_h5_index_kind kind;
    int64_t address;                  /* of the index; -1: nothing is stored */
    int64_t element_bytes;            /* as the layout message has it; 0: no such message */
    int64_t chunk_bytes;              /* of a chunk that no filter made shorter */
    uint32_t single_bytes;            /* SINGLE with filters; 0: none */
    uint32_t single_skip;             /* its filters that were not applied */
    int64_t max_dims[MP_H5_MAX_DIMS]; /* of the dataset; -1: unlimited */
    bool odd;                         /* something is not as expected */
} mp_h5_index;

static inline uint64_t mp_h5_le(const uint8_t *p, int n) {
    uint64_t v = 0;
    for (int i = n - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* n bytes at an address of the file; false: they are not there. */
bool mp_h5_index_bytes(const mp_h5_index *x, int64_t address, void *to, size_t n);
/* Chunk number place of the grid (-1: outside of it, passed over) has bytes stored bytes at address. */
void mp_h5_index_note(mp_h5_index *x, int64_t place, int64_t address, uint32_t bytes,
                      uint32_t skip);

/* h5_index_array.c: FIXED and EXTENSIBLE. */
/* A block of n bytes and its checksum behind them, to be freed; NULL: it is not there, or not whole. signature NULL: it has
 * none. */
uint8_t *mp_h5_index_block(mp_h5_index *x, int64_t address, size_t n, const char *signature);
void mp_h5_index_fixed(mp_h5_index *x);
void mp_h5_index_extensible(mp_h5_index *x);
/* h5_index_tree.c: TREE_2. */
void mp_h5_index_tree(mp_h5_index *x);

#endif
