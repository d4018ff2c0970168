/* test_h5_chunk.c - chunks of HDF5 files: zlib unpacks them, a plain unshuffle gives the values
 * back, and LZF is unpacked by the rules of its format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <zlib.h>

#include "io/h5/h5_chunk.h"
#include "io/h5/lzf_pack.h"

static uint64_t next(uint64_t *x) {
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
    return *x;
}

/* kind 0: noise, 1: small numbers, 2: one byte, 3: long repeats of odd periods. */
static void sample(uint8_t *p, size_t n, int kind, uint64_t seed) {
    uint64_t x = seed * 2 + 88172645463325252u;
    for (size_t i = 0; i < n; i++) {
        uint64_t r = next(&x);
        p[i] = (uint8_t)(kind == 0 ? r >> 32 : kind == 1 ? (r >> 32) % 4 : kind == 2 ? 7 : 0);
        if (kind == 3) p[i] = i < 301 ? (uint8_t)(r >> 32) : p[i - 301 + (r % 997 == 0)];
    }
}

static void unshuffle(const uint8_t *in, size_t n, size_t width, uint8_t *out) {
    for (size_t k = 0; k < width; k++)
        for (size_t i = 0; i < n; i++)
            out[i * width + k] = in[k * n + i];
}

/* As liblzf's format says; the bytes written. */
static size_t lzf_unpack(const uint8_t *in, size_t n, uint8_t *out, size_t cap) {
    size_t at = 0, len = 0;
    while (at < n) {
        uint8_t c = in[at++];
        if (c < 32) {
            assert_true(at + c + 1 <= n && len + c + 1 <= cap);
            for (int i = 0; i <= c; i++)
                out[len++] = in[at++];
            continue;
        }
        size_t length = c >> 5;
        if (length == 7) {
            assert_true(at < n);
            length += in[at++];
        }
        assert_true(at < n);
        size_t distance = ((size_t)(c & 31) << 8 | in[at++]) + 1;
        length += 2;
        assert_true(distance <= len && len + length <= cap);
        for (; length > 0; length--, len++)
            out[len] = out[len - distance];
    }
    return len;
}

static void shuffles(void **state) {
    (void)state;
    for (uint32_t width = 1; width <= 41; width++)
        for (size_t n = 0; n <= 40; n += n < 18 ? 1 : 11) {
            size_t bytes = n * width;
            uint8_t *plain = malloc(bytes + 1), *out = malloc(bytes + 1), *back = malloc(bytes + 1);
            sample(plain, bytes, 0, n + width);
            out[bytes] = 0xA5;
            mp_h5_shuffle(plain, n, width, out);
            assert_int_equal(out[bytes], 0xA5);
            unshuffle(out, n, width, back);
            assert_memory_equal(back, plain, bytes);
            free(plain), free(out), free(back);
        }
}

static void lzf(void **state) {
    (void)state;
    static uint32_t table[MP_LZF_TABLE];
    for (int kind = 0; kind < 4; kind++)
        for (size_t n = 0; n < 70000; n = n < 40 ? n + 1 : n * 3) {
            uint8_t *plain = malloc(n + 1), *out = malloc(n + n / 16 + 64), *back = malloc(n + 1);
            sample(plain, n, kind, n);
            size_t most = n + n / 16 + 63;
            out[most] = 0xA5;
            size_t len = mp_lzf_pack(plain, n, out, most, table);
            assert_int_equal(out[most], 0xA5);
            assert_true(len > 0 || n == 0);
            assert_int_equal(lzf_unpack(out, len, back, n), n);
            assert_memory_equal(back, plain, n);
            if (kind >= 2 && n > 5000) assert_true(len < n / 2);
            /* every smaller room is refused, not overrun */
            for (size_t cap = len > 40 ? len - 40 : 0; cap < len; cap++) {
                uint8_t was = out[cap];
                out[cap] = (uint8_t)~was;
                assert_int_equal(mp_lzf_pack(plain, n, out, cap, table), 0);
                assert_int_equal(out[cap], (uint8_t)~was);
            }
            free(plain), free(out), free(back);
        }
}

/* What the library's filters would make of the chunk. */
static void check_chunk(mp_h5_packing compress, const mp_buf *out, uint32_t skipped,
                        const uint8_t *plain, size_t n, uint32_t width) {
    size_t bytes = n * width;
    uLongf len = bytes;
    uint8_t *shuffled = malloc(bytes + 1), *back = malloc(bytes + 1);
    bool shuffled_too = mp_h5_shuffles(compress, width);
    uint32_t bit = shuffled_too ? 2 : 1;
    assert_true(skipped == 0 || skipped == bit);
    if (compress == MP_H5_PACK_NONE || skipped) {
        assert_int_equal(out->len, bytes);
        memcpy(shuffled, out->data, bytes);
    } else if (compress == MP_H5_PACK_LZF) {
        assert_int_equal(lzf_unpack(out->data, out->len, shuffled, bytes), bytes);
    } else {
        assert_int_equal(uncompress(shuffled, &len, out->data, out->len), Z_OK);
        assert_int_equal(len, bytes);
    }
    unshuffle(shuffled, shuffled_too ? n : 1, shuffled_too ? width : bytes, back);
    assert_memory_equal(back, plain, bytes);
    free(shuffled), free(back);
}

static void chunks(void **state) {
    (void)state;
    static const mp_h5_packing all[] = {MP_H5_PACK_DEFLATE, MP_H5_PACK_NONE, MP_H5_PACK_LZF};
    for (int way = 0; way < 3; way++) {
        mp_mem mem;
        mp_mem_init(&mem, 0);
        mp_h5_packer *p = NULL;
        assert_int_equal(mp_h5_packer_new(all[way], 1 + way * 4, &mem, &p, NULL), MP_OK);
        for (int kind = 0; kind < 4; kind++)
            for (uint32_t width = 1; width < 50; width += 7)
                for (size_t n = 1; n < 3000; n = n * 5 + 1) {
                    uint8_t *plain = malloc(n * width);
                    sample(plain, n * width, kind, n);
                    mp_buf out;
                    mp_buf_init(&out, &mem);
                    uint32_t skipped = 99;
                    assert_int_equal(mp_h5_pack(p, plain, n, width, &out, &skipped, NULL), MP_OK);
                    check_chunk(all[way], &out, skipped, plain, n, width);
                    if (all[way] != MP_H5_PACK_NONE && kind == 0) assert_true(skipped);
                    if (all[way] != MP_H5_PACK_NONE && kind == 2 && n > 100) assert_false(skipped);
                    mp_buf_release(&out);
                    free(plain);
                }
        mp_h5_packer_free(&p);
        assert_int_equal(mem.used_bytes, 0);
    }
}

static void refusals(void **state) {
    (void)state;
    mp_mem mem;
    mp_mem_init(&mem, 100);
    mp_h5_packer *p = NULL;
    mp_error err = MP_ERROR_INIT;
    assert_int_equal(mp_h5_packer_new(MP_H5_PACK_LZF, 1, &mem, &p, &err), MP_NOMEM);
    assert_null(p);
    assert_int_equal(mem.used_bytes, 0);
    mem.limit_bytes = 4096;
    assert_int_equal(mp_h5_packer_new(MP_H5_PACK_DEFLATE, 1, &mem, &p, NULL), MP_OK);
    uint8_t plain[8000] = {0};
    mp_buf out;
    mp_buf_init(&out, &mem);
    uint32_t skipped;
    mp_error_init(&err);
    assert_int_equal(mp_h5_pack(p, plain, 1000, 8, &out, &skipped, &err), MP_NOMEM);
    mp_buf_release(&out);
    mp_h5_packer_free(&p);
    mp_h5_packer_free(&p);
    assert_int_equal(mem.used_bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shuffles),
        cmocka_unit_test(lzf),
        cmocka_unit_test(chunks),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
