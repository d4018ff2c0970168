/* test_input_index.c - the index of packed files, and unpacking from its points. What is to be read is known from the
 * text that was packed, or, of broken files, from a stream that begins at the front: ranges give the
 * same bytes, or an error where it gives one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "io/input/input_index.h"
#include "io/input/input_unpack.h"
#include "io/output/output_pack.h"

enum { TEXT_BYTES = 1500000 };

static char path[64];
static mp_arena arena;
static mp_buf text;

static uint32_t next_random(uint64_t *x) {
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
    return (uint32_t)(*x >> 11);
}

static int begin(void **state) {
    (void)state;
    uint64_t x = 88172645463325252u;
    snprintf(path, sizeof path, "/tmp/mpart-test-index-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0) return -1;
    close(fd);
    mp_arena_init(&arena, NULL);
    mp_buf_init(&text, NULL);
    for (int i = 0; text.len < TEXT_BYTES; i++)
        mp_buf_printf(&text, i % 1000 < 500 ? "%d,same,row\n" : "%d,%x\n", i, next_random(&x));
    text.len = TEXT_BYTES;
    return 0;
}

static int end(void **state) {
    (void)state;
    mp_arena_release(&arena);
    mp_buf_release(&text);
    return unlink(path);
}

static mp_input put(const mp_buf *b, mp_packing packing) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b->data, 1, b->len, f), b->len);
    assert_int_equal(fclose(f), 0);
    return (mp_input){
        .path = path, .kind = MP_INPUT_STREAM, .packing = packing, .size_bytes = (int64_t)b->len};
}

/* The text in blocks of `step` bytes, an empty one behind every fifth. */
static mp_buf pack(mp_packing packing, size_t step) {
    mp_buf out;
    mp_packer *p = NULL;
    mp_buf_init(&out, NULL);
    assert_int_equal(mp_packer_new(packing, NULL, &p, NULL), MP_OK);
    for (size_t at = 0, i = 0; at < text.len; at += step, i++) {
        size_t n = text.len - at < step ? text.len - at : step;
        assert_int_equal(mp_packer_put(p, text.data + at, n, &out, NULL), MP_OK);
        if (i % 5 == 4) assert_int_equal(mp_packer_put(p, NULL, 0, &out, NULL), MP_OK);
    }
    assert_int_equal(mp_packer_end(p, false, &out, NULL), MP_OK);
    mp_packer_free(&p);
    return out;
}

/* ---- reading ---- */

static mp_status read_front(const mp_input *in, mp_buf *out) {
    mp_stream *s = NULL;
    bool later, last = false;
    mp_buf_clear(out);
    mp_status st = mp_stream_open(in, &s, NULL);
    while (!st && !last) {
        size_t n;
        assert_true(mp_buf_reserve(out, 1 << 20));
        st = mp_stream_read(s, out->data + out->len, 1 << 20, &n, &later, &last, NULL);
        out->len += n;
    }
    mp_stream_close(&s);
    return st;
}

/* One range [begin, end) as a scan reads it, to the end of out. The last one is read to the end of
 * the packed data. */
static mp_status read_range(mp_unpack *u, const mp_pack_index *x, int64_t from, int64_t to,
                            mp_buf *out) {
    enum { ENTER = 1000, TAIL = 10, STEP = 50000 };
    bool last = to == x->end.plain;
    mp_pack_point enter = mp_pack_index_before(x, from > ENTER ? from - ENTER : 0);
    mp_pack_point leave = mp_pack_index_before(x, last ? to : to > ENTER ? to - ENTER : 0);
    size_t len = (size_t)(to - from), want = last ? len + 1 : len + TAIL;
    mp_error err = MP_ERROR_INIT;
    mp_status st = mp_unpack_window(u, enter, leave, from, len, &err);
    while (!st && u->len < want && !u->at_end)
        st = mp_unpack_more(u, STEP < want - u->len ? STEP : want - u->len, &err);
    if (st) assert_string_equal(err.file, path);
    if (!st) {
        assert_int_equal(u->begin, from);
        for (int i = 1; i <= 64; i++)
            assert_int_equal(u->bytes[u->len + (size_t)i - 1], 0);
        mp_buf_put(out, u->bytes, u->len < len ? u->len : len);
    }
    return st;
}

/* All ranges of `step` bytes; every second one first, as two ranks would read them. */
static mp_status read_ranges(const mp_input *in, const mp_pack_index *x, int64_t step, bool split,
                             mp_buf *out) {
    mp_unpack u[2];
    mp_status st = MP_OK;
    mp_buf_clear(out);
    for (int i = 0; i < 2; i++) {
        mp_unpack_init(&u[i], NULL);
        assert_int_equal(mp_unpack_open(&u[i], in->path, in->packing, NULL), MP_OK);
    }
    for (int64_t at = 0, i = 0; !st && at < x->end.plain; at += step, i++) {
        int64_t to = at + step < x->end.plain ? at + step : x->end.plain;
        st = read_range(&u[split ? i % 2 : 0], x, at, to, out);
    }
    for (int i = 0; i < 2; i++)
        mp_unpack_close(&u[i]);
    return st;
}

static void same(const mp_buf *a, const mp_buf *b) {
    assert_int_equal(a->len, b->len);
    if (a->len) assert_memory_equal(a->data, b->data, a->len);
}

static void check_index(const mp_pack_index *x, const mp_buf *packed) {
    assert_non_null(x);
    assert_int_equal(x->end.packed, packed->len);
    assert_int_equal(x->end.plain, text.len);
    assert_int_equal(x->points[0].packed, 0);
    assert_int_equal(x->points[0].plain, 0);
    for (int64_t i = 1; i < x->n_points; i++) {
        assert_true(x->points[i].packed > x->points[i - 1].packed);
        assert_true(x->points[i].plain > x->points[i - 1].plain);
        assert_int_equal(mp_pack_index_before(x, x->points[i].plain).packed, x->points[i].packed);
        assert_int_equal(mp_pack_index_before(x, x->points[i].plain - 1).packed,
                         x->points[i - 1].packed);
        assert_int_equal(mp_pack_index_behind(x, x->points[i].plain).packed, x->points[i].packed);
        assert_int_equal(mp_pack_index_behind(x, x->points[i - 1].plain + 1).packed,
                         x->points[i].packed);
    }
    assert_int_equal(mp_pack_index_before(x, x->end.plain).packed, packed->len);
    assert_int_equal(mp_pack_index_behind(x, x->end.plain).packed, packed->len);
}

static void ranges_are_the_text(void **state) {
    (void)state;
    static const size_t blocks[] = {65280, 9000, 777};
    static const int64_t steps[] = {TEXT_BYTES + 1, 400000, 70001, 65280, 6007};
    for (int k = 0; k < 6; k++) {
        mp_packing packing = k < 3 ? MP_PACK_GZIP : MP_PACK_ZSTD;
        mp_buf packed = pack(packing, blocks[k % 3]), got;
        mp_input in = put(&packed, packing);
        const mp_pack_index *x = mp_pack_index_read(&in, &arena);
        check_index(x, &packed);
        assert_true(x->n_points > 8);
        mp_buf_init(&got, NULL);
        for (int i = 0; i < 10; i++) {
            assert_int_equal(read_ranges(&in, x, steps[i % 5], i < 5, &got), MP_OK);
            same(&got, &text);
        }
        mp_buf_release(&got);
        mp_buf_release(&packed);
    }
}

/* ---- zstd: what frames and tables say ---- */

/* Frames that do not say their size, and where `table` a seek table (with a lie in entry `lie`). */
static mp_buf pack_frames(size_t step, bool size_in_header, bool table, int lie) {
    mp_buf out, entries;
    mp_buf_init(&out, NULL);
    mp_buf_init(&entries, NULL);
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, size_in_header);
    uint32_t n = 0;
    for (size_t at = 0; at < text.len; at += step, n++) {
        size_t len = text.len - at < step ? text.len - at : step;
        assert_true(mp_buf_reserve(&out, ZSTD_compressBound(len)));
        size_t rc = ZSTD_compress2(c, out.data + out.len, out.cap - out.len, text.data + at, len);
        assert_false(ZSTD_isError(rc));
        out.len += rc;
        mp_buf_u32(&entries, (uint32_t)rc);
        mp_buf_u32(&entries, (uint32_t)len + (lie == (int)n) - (lie + 1 == (int)n && lie >= 0));
    }
    ZSTD_freeCCtx(c);
    if (table) {
        mp_buf_u32(&out, 0x184D2A5E);
        mp_buf_u32(&out, (uint32_t)entries.len + 9);
        mp_buf_put(&out, entries.data, entries.len);
        mp_buf_u32(&out, n);
        mp_buf_u8(&out, 0);
        mp_buf_u32(&out, 0x8F92EAB1);
    }
    mp_buf_release(&entries);
    return out;
}

static void zstd_forms(void **state) {
    (void)state;
    mp_buf got;
    mp_buf_init(&got, NULL);
    for (int k = 0; k < 5; k++) {
        /* sizes in headers; none at all; in a table; a table that lies; one large frame */
        mp_buf packed = pack_frames(k == 4 ? TEXT_BYTES : 70000, k == 0 || k == 4, k == 2 || k == 3,
                                    k == 3 ? 5 : -1);
        mp_input in = put(&packed, MP_PACK_ZSTD);
        const mp_pack_index *x = mp_pack_index_read(&in, &arena);
        assert_int_equal(x != NULL, k == 0 || k == 2 || k == 3);
        if (k == 0 || k == 2) {
            check_index(x, &packed);
            assert_int_equal(read_ranges(&in, x, 100000, true, &got), MP_OK);
            same(&got, &text);
        } else if (k == 3) {
            assert_int_equal(read_ranges(&in, x, 35000, true, &got), MP_DATA);
            assert_int_equal(read_ranges(&in, x, 35000, false, &got), MP_DATA);
            assert_int_equal(read_ranges(&in, x, TEXT_BYTES, false, &got), MP_OK);
            same(&got, &text);
        }
        /* skippable frames between and at the end do no harm; a table that is not at the end, some */
        static const uint8_t skip[] = {0x53, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'};
        mp_buf_put(&packed, skip, sizeof skip);
        in = put(&packed, MP_PACK_ZSTD);
        assert_int_equal(mp_pack_index_read(&in, &arena) != NULL, k == 0);
        mp_buf_release(&packed);
    }
    mp_buf_release(&got);
}

/* ---- hostile files ---- */

static void put_u16(uint8_t *p, uint32_t v) {
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

/* Whatever the headers claim: what ranges give is what the stream gives, or an error. */
static void as_the_stream(const mp_buf *packed, mp_packing packing, bool must_fail) {
    mp_buf whole, got;
    mp_buf_init(&whole, NULL);
    mp_buf_init(&got, NULL);
    mp_input in = put(packed, packing);
    mp_status front = read_front(&in, &whole);
    const mp_pack_index *x = mp_pack_index_read(&in, &arena);
    for (int i = 0; x && i < 4; i++) {
        mp_status st = read_ranges(&in, x, i < 2 ? 33333 : 150000, i % 2, &got);
        if (front || must_fail) assert_int_equal(st, MP_DATA);
        if (!st) same(&got, &whole);
    }
    if (must_fail) assert_true(x || front);
    mp_buf_release(&whole);
    mp_buf_release(&got);
}

static void broken_bytes(void **state) {
    (void)state;
    uint64_t x = 4711;
    for (int k = 0; k < 2; k++) {
        mp_packing packing = k ? MP_PACK_ZSTD : MP_PACK_GZIP;
        mp_buf good = pack(packing, k ? 40000 : 30000), bad;
        mp_buf_init(&bad, NULL);
        for (int i = 0; i < 120; i++) {
            mp_buf_clear(&bad);
            mp_buf_put(&bad, good.data, good.len);
            uint32_t at = next_random(&x) % (uint32_t)good.len;
            if (i % 4 == 3)
                bad.len = at + 1;
            else
                bad.data[at] ^= (uint8_t)(1u << next_random(&x) % 8);
            if (i % 8 == 6) mp_buf_put(&bad, "garbage", 7);
            as_the_stream(&bad, packing, false);
        }
        mp_buf_release(&bad);
        mp_buf_release(&good);
    }
}

/* Blocks that claim other sizes than they have: longer, shorter, over two blocks, more text. */
static void lying_bgzf(void **state) {
    (void)state;
    mp_buf good = pack(MP_PACK_GZIP, 30000), bad;
    mp_buf_init(&bad, NULL);
    size_t at = 0, first = 0, second = 0;
    for (int i = 0; i < 13; i++) {
        first = i == 10 ? at : first;
        second = i == 11 ? at : second;
        at += (size_t)(good.data[at + 16] | good.data[at + 17] << 8) + 1;
    }
    for (int k = 0; k < 4; k++) {
        mp_buf_clear(&bad);
        mp_buf_put(&bad, good.data, good.len);
        uint32_t size = (uint32_t)(second - first);
        if (k == 0) put_u16(bad.data + first + 16, (uint32_t)(at - first) - 1 - 0);
        if (k == 1) put_u16(bad.data + first + 16, size);
        if (k == 2) put_u16(bad.data + first + 16, size - 2);
        if (k == 3) bad.data[second - 4]++;
        as_the_stream(&bad, MP_PACK_GZIP, k == 3);
    }
    mp_buf_release(&bad);
    mp_buf_release(&good);
}

/* So many blocks of nothing that hopping over them would cost more than unpacking: no index. */
static void tiny_blocks(void **state) {
    (void)state;
    mp_buf one, many;
    mp_packer *p = NULL;
    mp_buf_init(&one, NULL);
    mp_buf_init(&many, NULL);
    assert_int_equal(mp_packer_new(MP_PACK_GZIP, NULL, &p, NULL), MP_OK);
    assert_int_equal(mp_packer_put(p, text.data, 100, &one, NULL), MP_OK);
    assert_int_equal(mp_packer_put(p, NULL, 0, &one, NULL), MP_OK);
    mp_packer_free(&p);
    for (int i = 0; i < 40000; i++)
        mp_buf_put(&many, one.data, one.len);
    mp_input in = put(&many, MP_PACK_GZIP);
    assert_null(mp_pack_index_read(&in, &arena));
    many.len = one.len * 20000;
    in = put(&many, MP_PACK_GZIP);
    assert_non_null(mp_pack_index_read(&in, &arena));
    mp_buf_release(&one);
    mp_buf_release(&many);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_the_text), cmocka_unit_test(zstd_forms),
        cmocka_unit_test(broken_bytes),        cmocka_unit_test(lying_bgzf),
        cmocka_unit_test(tiny_blocks),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
