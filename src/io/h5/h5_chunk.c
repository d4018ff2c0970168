/* h5_chunk.c - see h5_chunk.h. */
#include "io/h5/h5_chunk.h"

#include <libdeflate.h>

#include "io/h5/lzf_pack.h"

struct mp_h5_packer {
    mp_h5_packing compress;
    mp_mem *mem;
    struct libdeflate_compressor *deflate;
    uint32_t *table; /* LZF's */
    mp_buf shuffled;
};

mp_status mp_h5_packer_new(mp_h5_packing compress, int level, mp_mem *mem, mp_h5_packer **out,
                           mp_error *err) {
    mp_h5_packer *p = mp_mem_calloc(mem, 1, sizeof *p);
    if (!p) return mp_mem_error(mem, sizeof *p, err);
    p->compress = compress;
    p->mem = mem;
    mp_buf_init(&p->shuffled, mem);
    if (compress == MP_H5_PACK_DEFLATE) p->deflate = libdeflate_alloc_compressor(level);
    if (compress == MP_H5_PACK_LZF) p->table = mp_mem_alloc(mem, MP_LZF_TABLE * sizeof *p->table);
    if ((compress == MP_H5_PACK_DEFLATE && !p->deflate) ||
        (compress == MP_H5_PACK_LZF && !p->table)) {
        mp_h5_packer_free(&p);
        return mp_mem_error(mem, MP_LZF_TABLE * sizeof *p->table, err);
    }
    *out = p;
    return MP_OK;
}

void mp_h5_packer_free(mp_h5_packer **p) {
    if (!*p) return;
    libdeflate_free_compressor((*p)->deflate);
    mp_mem_free((*p)->mem, (*p)->table);
    mp_buf_release(&(*p)->shuffled);
    mp_mem_free((*p)->mem, *p);
    *p = NULL;
}

/* ---- shuffle ---- */

static inline uint64_t load8(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void swap_parts(uint64_t *a, uint64_t *b, int bits, uint64_t mask) {
    uint64_t t = ((*a >> bits) ^ *b) & mask;
    *b ^= t;
    *a ^= t << bits;
}

/* Bytes [k, k + 8) of 8 elements: 8 bytes of each of 8 planes. */
static inline void shuffle_8x8(const uint8_t *in, size_t stride, uint8_t *out, size_t plane) {
    uint64_t v[8];
    for (size_t i = 0; i < 8; i++)
        v[i] = load8(in + i * stride);
    for (int i = 0; i < 4; i++)
        swap_parts(&v[i], &v[i + 4], 32, 0x00000000FFFFFFFFu);
    for (int i = 0; i < 8; i += 4)
        for (int j = i; j < i + 2; j++)
            swap_parts(&v[j], &v[j + 2], 16, 0x0000FFFF0000FFFFu);
    for (int i = 0; i < 8; i += 2)
        swap_parts(&v[i], &v[i + 1], 8, 0x00FF00FF00FF00FFu);
    for (size_t i = 0; i < 8; i++)
        memcpy(out + i * plane, &v[i], sizeof v[i]);
}

void mp_h5_shuffle(const uint8_t *plain, size_t n, uint32_t element_bytes, uint8_t *out) {
    size_t w = element_bytes, wide = w & ~(size_t)7, many = n & ~(size_t)7;
    for (size_t i = 0; i < many; i += 8)
        for (size_t k = 0; k < wide; k += 8)
            shuffle_8x8(plain + i * w + k, w, out + k * n + i, n);
    for (size_t k = 0; k < w; k++)
        for (size_t i = k < wide ? many : 0; i < n; i++)
            out[k * n + i] = plain[i * w + k];
}

/* ---- packing ---- */

static size_t pack(mp_h5_packer *p, const uint8_t *plain, size_t n, uint8_t *out, size_t cap) {
    if (p->compress == MP_H5_PACK_LZF) return mp_lzf_pack(plain, n, out, cap, p->table);
    return libdeflate_zlib_compress(p->deflate, plain, n, out, cap);
}

mp_status mp_h5_pack(mp_h5_packer *p, const uint8_t *plain, size_t n, uint32_t element_bytes,
                     mp_buf *out, uint32_t *skipped, mp_error *err) {
    size_t bytes = n * element_bytes, len = 0;
    bool shuffles = mp_h5_shuffles(p->compress, element_bytes);
    *skipped = 0;
    if (shuffles) {
        mp_buf_clear(&p->shuffled);
        if (!mp_buf_reserve(&p->shuffled, bytes)) return mp_buf_check(&p->shuffled, err);
        mp_h5_shuffle(plain, n, element_bytes, p->shuffled.data);
        plain = p->shuffled.data;
    }
    if (!mp_buf_reserve(out, bytes)) return mp_buf_check(out, err);
    /* one byte less: what does not get smaller stays as it is */
    if (p->compress != MP_H5_PACK_NONE && bytes > 0)
        len = pack(p, plain, bytes, out->data + out->len, bytes - 1);
    out->len += len;
    if (len > 0 || bytes == 0) return MP_OK;
    if (p->compress != MP_H5_PACK_NONE) *skipped = shuffles ? 2 : 1;
    mp_buf_put(out, plain, bytes);
    return mp_buf_check(out, err);
}
