/* h5_chunk.h - chunks of an HDF5 dataset as they stand in the file: shuffled and packed, as the
 * library's own pipeline would, but without the library.
 * Invariant: the bytes of a chunk are a function of its values, the filters and the level alone. */
#ifndef MP_IO_H5_CHUNK_H
#define MP_IO_H5_CHUNK_H

#include "base/buf.h"

typedef enum { MP_H5_PACK_DEFLATE, MP_H5_PACK_NONE, MP_H5_PACK_LZF } mp_h5_packing;

enum { MP_H5_LZF_FILTER = 32000, MP_H5_LEVEL = 1 /* of deflate, where none is asked for */ };

typedef struct mp_h5_packer mp_h5_packer;

/* level: of deflate, 1 to 9. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_h5_packer_new(mp_h5_packing compress, int level, mp_mem *mem,
                                         mp_h5_packer **out, mp_error *err);
void mp_h5_packer_free(mp_h5_packer **p);

/* Are the bytes of this element shuffled before they are packed? The filters of a dataset are
 * shuffle (if so), then the compression. */
static inline bool mp_h5_shuffles(mp_h5_packing compress, uint32_t element_bytes) {
    return compress != MP_H5_PACK_NONE && element_bytes > 1;
}

/* A whole chunk of n elements behind out. *skipped: bits of the filters that were not applied
 * (packing made it no smaller), as H5Dwrite_chunk wants them. Some milliseconds a MiB. */
MP_MUST_CHECK mp_status mp_h5_pack(mp_h5_packer *p, const uint8_t *plain, size_t n,
                                   uint32_t element_bytes, mp_buf *out, uint32_t *skipped,
                                   mp_error *err);

/* Byte k of every element behind one another, for k = 0, 1, ... */
void mp_h5_shuffle(const uint8_t *plain, size_t n, uint32_t element_bytes, uint8_t *out);

#endif
