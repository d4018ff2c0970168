/* h5_filter.h - HDF5's filters undone: deflate, shuffle, fletcher32, LZF.
 * Invariant: bytes that may be anything go in; exactly the bytes asked for come out, or an error. */
#ifndef MP_IO_H5_FILTER_H
#define MP_IO_H5_FILTER_H

#include "io/h5/h5_layout.h"

typedef struct mp_h5_unpacker mp_h5_unpacker;
MP_MUST_CHECK mp_status mp_h5_unpacker_new(mp_mem *mem, mp_h5_unpacker **out, mp_error *err);
void mp_h5_unpacker_free(mp_h5_unpacker **u);

/* The n bytes of a chunk as they are stored to the a->chunk_bytes that they stand for; skip: filters
 * that were not applied. MP_DATA: they are not that (why in err; the caller adds the place). */
MP_MUST_CHECK mp_status mp_h5_unpack(mp_h5_unpacker *u, const mp_h5_array *a, uint32_t skip,
                                     const uint8_t *bytes, size_t n, uint8_t *out, mp_error *err);

/* The parts, for tests. Bytes made, -1: broken. LZF as in LibLZF. */
int64_t mp_h5_lzf(const uint8_t *p, size_t n, uint8_t *out, size_t cap);
/* n bytes as elements of size bytes whose first bytes stand together, then their second ones. */
void mp_h5_unshuffle(const uint8_t *p, size_t n, size_t size, uint8_t *out);
uint32_t mp_h5_fletcher32(const uint8_t *p, size_t n);

#endif
