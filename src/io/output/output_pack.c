/* output_pack.c - see output_pack.h.
 * Invariant: a gzip block of GZIP_BLOCK plain bytes never passes 64 KiB packed, so that its size
 * fits in the 16 bits of its extra field: deflateBound says at most 65,305 bytes for it. */
#include "io/output/output_pack.h"

#include <zlib.h>
#include <zstd.h>

enum {
    GZIP_BLOCK = 0xFF00,
    GZIP_HEADER = 18,
    GZIP_TRAILER = 8,
    GZIP_MOST = 1 << 16,
    GZIP_LEVEL = 6,
    ZSTD_BLOCK = 512 << 10,
    ZSTD_LEVEL = 3
};

struct mp_packer {
    mp_packing packing;
    mp_mem *mem;
    z_stream z;
    bool z_ready;
    ZSTD_CCtx *zstd;
    uint8_t *room; /* of one packed block */
    size_t room_len;
};

size_t mp_packer_block_bytes(mp_packing packing) {
    return packing == MP_PACK_GZIP ? GZIP_BLOCK : ZSTD_BLOCK;
}

static bool begin_zstd(mp_packer *p) {
    p->zstd = ZSTD_createCCtx();
    return p->zstd &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, 1));
}

/* Raw deflate: the header with the extra field is written here. */
static bool begin_gzip(mp_packer *p) {
    p->z_ready =
        deflateInit2(&p->z, GZIP_LEVEL, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK;
    return p->z_ready;
}

mp_status mp_packer_new(mp_packing packing, mp_mem *mem, mp_packer **out, mp_error *err) {
    bool gzip = packing == MP_PACK_GZIP;
    mp_packer *p = mp_mem_calloc(mem, 1, sizeof *p);
    if (!p) return mp_mem_error(mem, sizeof *p, err);
    p->packing = packing;
    p->mem = mem;
    p->room_len = gzip ? GZIP_MOST : ZSTD_compressBound(ZSTD_BLOCK);
    p->room = mp_mem_alloc(mem, p->room_len);
    if (!p->room || !(gzip ? begin_gzip(p) : begin_zstd(p))) {
        mp_status s = mp_mem_error(mem, p->room_len, err);
        mp_packer_free(&p);
        return s;
    }
    *out = p;
    return MP_OK;
}

void mp_packer_free(mp_packer **p) {
    if (!*p) return;
    if ((*p)->z_ready) deflateEnd(&(*p)->z);
    ZSTD_freeCCtx((*p)->zstd);
    mp_mem_free((*p)->mem, (*p)->room);
    mp_mem_free((*p)->mem, *p);
    *p = NULL;
}

static void put_u16(uint8_t *to, size_t v) {
    to[0] = (uint8_t)v;
    to[1] = (uint8_t)(v >> 8);
}

static void put_u32(uint8_t *to, size_t v) {
    put_u16(to, v);
    put_u16(to + 2, v >> 16);
}

/* The size of the packed block in p->room; 0: zlib failed. */
static size_t pack_gzip(mp_packer *p, const uint8_t *plain, size_t n) {
    /* deflate with an extra field of 6 bytes: 'B', 'C', 2 bytes, the block's size - 1 */
    static const uint8_t header[GZIP_HEADER] = {0x1F, 0x8B, 8, 4,   0,   0, 0, 0, 0,
                                                0xFF, 6,    0, 'B', 'C', 2, 0, 0, 0};
    if (deflateReset(&p->z) != Z_OK) return 0;
    p->z.next_in = (z_const Bytef *)plain;
    p->z.avail_in = (uInt)n;
    p->z.next_out = p->room + GZIP_HEADER;
    p->z.avail_out = GZIP_MOST - GZIP_HEADER - GZIP_TRAILER;
    if (deflate(&p->z, Z_FINISH) != Z_STREAM_END) return 0;
    uint8_t *end = p->z.next_out;
    put_u32(end, crc32(crc32(0, NULL, 0), plain, (uInt)n));
    put_u32(end + 4, n);
    size_t len = (size_t)(end + GZIP_TRAILER - p->room);
    memcpy(p->room, header, sizeof header);
    put_u16(p->room + GZIP_HEADER - 2, len - 1);
    return len;
}

static size_t pack_zstd(mp_packer *p, const uint8_t *plain, size_t n) {
    size_t len = ZSTD_compress2(p->zstd, p->room, p->room_len, plain, n);
    return ZSTD_isError(len) ? 0 : len;
}

mp_status mp_packer_put(mp_packer *p, const uint8_t *plain, size_t n, mp_buf *out, mp_error *err) {
    static const uint8_t none[1];
    bool gzip = p->packing == MP_PACK_GZIP;
    if (n == 0) plain = none;
    size_t len = 0;
    if (n <= mp_packer_block_bytes(p->packing))
        len = gzip ? pack_gzip(p, plain, n) : pack_zstd(p, plain, n);
    if (len == 0)
        return mp_error_set(err, MP_FAILED, "cannot pack the output",
                            "%s refuses a block of %zu bytes", gzip ? "zlib" : "zstd", n);
    mp_buf_put(out, p->room, len);
    return mp_buf_check(out, err);
}

mp_status mp_packer_end(mp_packer *p, bool is_empty, mp_buf *out, mp_error *err) {
    if (p->packing == MP_PACK_ZSTD && !is_empty) return MP_OK;
    return mp_packer_put(p, NULL, 0, out, err);
}
