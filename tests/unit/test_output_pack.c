/* test_output_pack.c - packed blocks: zlib and zstd themselves read them, and their structure is
 * that of the formats' specifications. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "io/output/output_pack.h"

static mp_packer *packer_of(mp_packing packing, mp_mem *mem) {
    mp_packer *p = NULL;
    assert_int_equal(mp_packer_new(packing, mem, &p, NULL), MP_OK);
    return p;
}

/* Digits, or noise that cannot be packed. */
static uint8_t *sample(size_t n, bool noise) {
    uint8_t *bytes = malloc(n + 1);
    uint64_t x = 88172645463325252u;
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        bytes[i] = noise ? (uint8_t)(x >> 32) : (uint8_t)("0123456789,\n"[(x >> 32) % 12]);
    }
    return bytes;
}

/* A gzip block by its own words: its packed size, and that it holds the plain bytes. */
static size_t check_gzip_block(const uint8_t *p, size_t left, const uint8_t *plain, size_t n) {
    static const uint8_t want[16] = {0x1F, 0x8B, 8, 4, 0, 0, 0, 0, 0, 0xFF, 6, 0, 'B', 'C', 2, 0};
    assert_true(left >= 26);
    assert_memory_equal(p, want, sizeof want);
    size_t size = (size_t)p[16] + ((size_t)p[17] << 8) + 1;
    assert_true(size <= left);
    uint8_t *out = malloc(n + 1);
    z_stream z = {.next_in = (z_const Bytef *)p, .avail_in = (uInt)size, .next_out = out};
    z.avail_out = (uInt)n + 1;
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    assert_int_equal(z.total_out, n);
    assert_memory_equal(out, plain, n);
    inflateEnd(&z);
    free(out);
    return size;
}

static size_t check_zstd_block(const uint8_t *p, size_t left, const uint8_t *plain, size_t n) {
    size_t size = ZSTD_findFrameCompressedSize(p, left);
    assert_false(ZSTD_isError(size));
    assert_int_equal(ZSTD_getFrameContentSize(p, left), n);
    assert_int_equal(p[4] & 4, 4); /* a checksum */
    uint8_t *out = malloc(n + 1);
    assert_int_equal(ZSTD_decompress(out, n + 1, p, size), n);
    assert_memory_equal(out, plain, n);
    free(out);
    return size;
}

static size_t check_block(mp_packing packing, const mp_buf *b, size_t at, const uint8_t *plain,
                          size_t n) {
    if (packing == MP_PACK_GZIP) return check_gzip_block(b->data + at, b->len - at, plain, n);
    return check_zstd_block(b->data + at, b->len - at, plain, n);
}

static void blocks(void **state) {
    (void)state;
    for (int way = 0; way < 4; way++) {
        mp_packing packing = way & 1 ? MP_PACK_GZIP : MP_PACK_ZSTD;
        size_t block = mp_packer_block_bytes(packing);
        const size_t sizes[] = {block, 1, 2, 1000, block - 1, block, block / 2};
        uint8_t *plain = sample(block, way & 2);
        mp_mem mem;
        mp_mem_init(&mem, 0);
        mp_packer *p = packer_of(packing, &mem);
        mp_buf out;
        mp_buf_init(&out, NULL);
        for (size_t i = 0; i < 7; i++)
            assert_int_equal(mp_packer_put(p, plain, sizes[i], &out, NULL), MP_OK);
        size_t at = 0, first = 0;
        for (size_t i = 0; i < 7; i++) {
            size_t n = check_block(packing, &out, at, plain, sizes[i]);
            if (packing == MP_PACK_GZIP) assert_true(n <= 1 << 16);
            /* what was packed before does not show */
            if (i == 0) first = n;
            if (i == 5) assert_int_equal(n, first);
            if (i == 5) assert_memory_equal(out.data + at, out.data, n);
            at += n;
        }
        assert_int_equal(at, out.len);
        mp_packer_free(&p);
        assert_null(p);
        assert_int_equal(mem.used_bytes, 0);
        mp_buf_release(&out);
        free(plain);
    }
}

static void ends(void **state) {
    (void)state;
    /* the SAM specification's end of file */
    static const uint8_t eof[28] = {0x1F, 0x8B, 8,    4, 0, 0, 0, 0, 0, 0xFF, 6, 0, 0x42, 0x43,
                                    2,    0,    0x1B, 0, 3, 0, 0, 0, 0, 0,    0, 0, 0,    0};
    for (int empty = 0; empty < 2; empty++) {
        mp_buf out;
        mp_buf_init(&out, NULL);
        mp_packer *p = packer_of(MP_PACK_GZIP, NULL);
        assert_int_equal(mp_packer_end(p, empty, &out, NULL), MP_OK);
        assert_int_equal(out.len, sizeof eof);
        assert_memory_equal(out.data, eof, sizeof eof);
        mp_packer_free(&p);
        mp_buf_clear(&out);
        p = packer_of(MP_PACK_ZSTD, NULL);
        assert_int_equal(mp_packer_end(p, empty, &out, NULL), MP_OK);
        if (empty)
            assert_int_equal(check_zstd_block(out.data, out.len, (const uint8_t *)"", 0), out.len);
        else
            assert_int_equal(out.len, 0);
        mp_packer_free(&p);
        mp_buf_release(&out);
    }
}

static void refusals(void **state) {
    (void)state;
    static const mp_packing packings[] = {MP_PACK_GZIP, MP_PACK_ZSTD};
    for (int i = 0; i < 2; i++) {
        size_t block = mp_packer_block_bytes(packings[i]);
        uint8_t *plain = sample(block + 1, false);
        mp_error err = MP_ERROR_INIT;
        mp_mem mem;
        mp_mem_init(&mem, 100);
        mp_packer *p = NULL;
        assert_int_equal(mp_packer_new(packings[i], &mem, &p, &err), MP_NOMEM);
        assert_null(p);
        assert_int_equal(mem.used_bytes, 0);
        p = packer_of(packings[i], NULL);
        mp_buf out;
        mp_buf_init(&out, &mem);
        assert_int_equal(mp_packer_put(p, plain, block, &out, &err), MP_NOMEM);
        mp_error_init(&err);
        mp_buf_clear(&out);
        assert_int_equal(mp_packer_put(p, plain, block + 1, &out, &err), MP_FAILED);
        mp_packer_free(&p);
        mp_packer_free(&p);
        mp_buf_release(&out);
        free(plain);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks),
        cmocka_unit_test(ends),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
