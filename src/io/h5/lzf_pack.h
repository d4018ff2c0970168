/* lzf_pack.h - LZF, the quick compression that h5py writes (HDF5 filter 32000): packing.
 * Form (liblzf): a byte below 32 is followed by that many + 1 literals; else its upper 3 bits are a
 * length - 2 (7: one more byte adds to it) and its lower 5 bits with the next byte a distance - 1.
 * Invariant: the packed bytes are a function of the plain bytes alone. */
#ifndef MP_IO_LZF_PACK_H
#define MP_IO_LZF_PACK_H

#include <stddef.h>
#include <stdint.h>

enum { MP_LZF_TABLE = 1 << 14 }; /* entries of the table of places */

/* Packs n bytes (< 4 GiB) into at most cap; 0 when they do not fit. table: MP_LZF_TABLE entries of
 * scratch. Cost: some 300 MB/s. */
size_t mp_lzf_pack(const uint8_t *plain, size_t n, uint8_t *out, size_t cap, uint32_t *table);

#endif
