/* output_pack.h - packing text: blocks of plain bytes become gzip members or zstd frames, which
 * laid end to end are one file for gunzip and zstd -d.
 * Invariant: the packed bytes are a function of the plain bytes of the block alone; a block holds
 * no reference to another one, so any rank may pack any of them. */
#ifndef MP_IO_OUTPUT_PACK_H
#define MP_IO_OUTPUT_PACK_H

#include "io/input/input.h"

typedef struct mp_packer mp_packer;

/* GZIP: gzip members with the BC extra field (BGZF, SAM specification 4.1), level 6. ZSTD: frames
 * with content size and checksum, level 3. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_packer_new(mp_packing packing, mp_mem *mem, mp_packer **out,
                                      mp_error *err);
void mp_packer_free(mp_packer **p);
/* Plain bytes of a block, all blocks but the last. */
size_t mp_packer_block_bytes(mp_packing packing);
/* Packs n <= block_bytes plain bytes, which may be 0, to the end of out. Some milliseconds. */
MP_MUST_CHECK mp_status mp_packer_put(mp_packer *p, const uint8_t *plain, size_t n, mp_buf *out,
                                      mp_error *err);
/* What stands behind the last block: for gzip the empty block that says "not cut off"; for zstd a
 * frame only where is_empty, since a file of no bytes is none. */
MP_MUST_CHECK mp_status mp_packer_end(mp_packer *p, bool is_empty, mp_buf *out, mp_error *err);

#endif
