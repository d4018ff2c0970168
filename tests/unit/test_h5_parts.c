/* Parts of the HDF5 reader that take bytes which may be anything: filters, pickles, heaps, layouts, units. */
#include <fcntl.h>
#include <libdeflate.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/h5/h5_filter.h"
#include "io/h5/h5_heap.h"
#include "io/h5/h5_in.h"
#include "io/h5/h5_values.h"

static uint32_t seed = 7;

static uint32_t any(void) {
    seed = seed * 1664525 + 1013904223;
    return seed >> 8;
}

static void fill_any(uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)any();
}

/* ---- filters ---- */

static void lzf(void **state) {
    (void)state;
    /* "abcabcabcX": 3 as they are, 6 from 3 back, 1 as it is */
    static const uint8_t packed[] = {2, 'a', 'b', 'c', 4 << 5, 2, 0, 'X'};
    uint8_t out[64];
    assert_int_equal(mp_h5_lzf(packed, sizeof packed, out, sizeof out), 10);
    assert_memory_equal(out, "abcabcabcX", 10);
    /* a run of 300: length in a byte of its own, overlapping itself */
    static const uint8_t run[] = {0, 'z', 7 << 5, 255, 0};
    uint8_t many[300];
    assert_int_equal(mp_h5_lzf(run, sizeof run, many, sizeof many), 265);
    for (int i = 0; i < 265; i++)
        assert_int_equal(many[i], 'z');
    assert_int_equal(mp_h5_lzf(packed, sizeof packed, out, 9), -1); /* no room */
    assert_int_equal(mp_h5_lzf(packed, 6, out, sizeof out), 9);
    assert_int_equal(mp_h5_lzf(packed, 5, out, sizeof out), -1);         /* cut in a reference */
    assert_int_equal(mp_h5_lzf((uint8_t[]){1 << 5, 0}, 2, out, 64), -1); /* before the beginning */
    assert_int_equal(mp_h5_lzf((uint8_t[]){31, 1, 2}, 3, out, 64), -1);
    for (int i = 0; i < 20000; i++) { /* anything: never outside */
        uint8_t p[40];
        fill_any(p, sizeof p);
        int64_t n = mp_h5_lzf(p, any() % 40, out, any() % 64);
        assert_true(n >= -1 && n <= 64);
    }
}

static void unshuffle(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 4, 5, 8, 12, 16, 100};
    static const size_t counts[] = {0, 1, 2, 15, 16, 17, 31, 256, 257, 1000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
            for (size_t rest = 0; rest < 2; rest++) {
                size_t size = sizes[s], count = counts[c], n = size * count + rest;
                uint8_t *in = malloc(n + 1), *want = malloc(n + 1), *out = malloc(n + 1);
                fill_any(want, n);
                if (size > n || size == 1)
                    memcpy(in, want, n);
                else
                    for (size_t b = 0; b < size; b++)
                        for (size_t i = 0; i < n / size; i++)
                            in[b * (n / size) + i] = want[i * size + b];
                if (size > 1 && size <= n)
                    memcpy(in + n / size * size, want + n / size * size, n % size);
                mp_h5_unshuffle(in, n, size, out);
                assert_memory_equal(out, want, n);
                free(in), free(want), free(out);
            }
}

/* Vectors of H5_checksum_fletcher32 (HDF5 1.10.8). */
static void fletcher(void **state) {
    (void)state;
    assert_int_equal(mp_h5_fletcher32((const uint8_t *)"", 0), 0);
    assert_int_equal(mp_h5_fletcher32((const uint8_t *)"\1\2", 2), 0x01020102);
    assert_int_equal(mp_h5_fletcher32((const uint8_t *)"\1\2\3", 3), 0x05040402);
    uint8_t ones[2000];
    memset(ones, 0xFF, sizeof ones);
    assert_int_equal(mp_h5_fletcher32(ones, sizeof ones), 0xFFFFFFFF);
}

static mp_h5_array array_of(int n_filters, const int32_t *ids, int64_t bytes) {
    mp_h5_array a = {.path = "x", .chunk_bytes = bytes, .n_filters = n_filters, .elem_bytes = 8};
    for (int i = 0; i < n_filters; i++)
        a.filters[i] = (mp_h5_filter){ids[i], 8};
    return a;
}

/* deflate behind fletcher32, as some writers have them; whole, and with every byte changed in turn. */
static void pipelines(void **state) {
    (void)state;
    uint8_t plain[804], packed[2000], out[800];
    memset(plain, 'q', sizeof plain);
    for (int i = 0; i < 100; i++)
        memcpy(plain + 8 * i, &(int64_t){i * 3}, 8);
    uint32_t sum = mp_h5_fletcher32(plain, 800);
    memcpy(plain + 800, &sum, 4);
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
    size_t n = libdeflate_zlib_compress(c, plain, 804, packed, sizeof packed);
    libdeflate_free_compressor(c);
    mp_h5_array a = array_of(2, (int32_t[]){MP_H5_FLETCHER32, MP_H5_DEFLATE}, 800);
    mp_h5_unpacker *u;
    mp_error err = MP_ERROR_INIT;
    assert_int_equal(mp_h5_unpacker_new(NULL, &u, &err), MP_OK);
    assert_int_equal(mp_h5_unpack(u, &a, 0, packed, n, out, &err), MP_OK);
    assert_memory_equal(out, plain, 800);
    assert_int_equal(mp_h5_unpack(u, &a, 2, plain, 804, out, &err),
                     MP_OK); /* deflate was left out */
    assert_int_equal(mp_h5_unpack(u, &a, 3, plain, 800, out, &err), MP_OK);
    assert_int_equal(mp_h5_unpack(u, &a, 3, plain, 799, out, &err), MP_DATA);
    for (size_t i = 0; i < n; i++) {
        mp_error_init(&err);
        packed[i] ^= 0x10;
        memset(out, 0, sizeof out);
        if (mp_h5_unpack(u, &a, 0, packed, n, out, &err) == MP_OK)
            assert_memory_equal(out, plain, 800);
        packed[i] ^= 0x10;
    }
    for (size_t i = 0; i < n; i++) {
        mp_error_init(&err);
        assert_int_equal(mp_h5_unpack(u, &a, 0, packed, i, out, &err), MP_DATA);
    }
    mp_h5_unpacker_free(&u);
}

/* ---- pickles ---- */

static int64_t texts(const char *p, size_t n, const char ***out, mp_arena *arena) {
    return mp_h5_pickle_texts((const uint8_t *)p, n, arena, out);
}
#define TEXTS(s) texts(s, sizeof s - 1, &list, &arena)

static void pickles(void **state) {
    (void)state;
    mp_arena arena;
    const char **list = NULL;
    mp_arena_init(&arena, NULL);
    assert_int_equal(TEXTS("(lp0\nVa\np1\naVb c\np2\na."), 2); /* protocol 0: ['a', 'b c'] */
    assert_string_equal(list[0], "a");
    assert_string_equal(list[1], "b c");
    assert_int_equal(TEXTS("(lp0\n(I1\n(lp1\nVx\\u00e9\np2\naI7\natp3\na."),
                     2); /* [(1, ['xé', 7])] */
    assert_string_equal(list[0], "x\xc3\xa9");
    assert_string_equal(list[1], "7");
    assert_int_equal(TEXTS("\x80\2]q\0(X\1\0\0\0aq\1X\2\0\0\0bbe."), 2); /* protocol 2 */
    assert_string_equal(list[1], "bb");
    assert_int_equal(TEXTS("\x80\4\x95\r\0\0\0\0\0\0\0]\x94(\x8c\1z\x94K\5\x65."),
                     2); /* protocol 4 */
    assert_string_equal(list[0], "z");
    assert_string_equal(list[1], "5");
    /* objects are never made: os.system('x') is one opaque value */
    assert_int_equal(TEXTS("cos\nsystem\n(S'x'\ntR."), -1);
    assert_int_equal(TEXTS("(lp0\ncos\nsystem\n(S'x'\ntRa."), -1);
    assert_int_equal(TEXTS("(lp0\nVa"), -1);
    assert_int_equal(TEXTS(""), -1);
    assert_int_equal(TEXTS("lllll."), -1);
    static const char dict[] = "(dp0\nVindex\np1\n(dp2\nVindex_name\np3\nVwhen\np4\nss.";
    assert_string_equal(
        mp_h5_pickle_under((const uint8_t *)dict, sizeof dict - 1, "index", "index_name", &arena),
        "when");
    assert_null(mp_h5_pickle_under((const uint8_t *)dict, sizeof dict - 1, NULL, "other", &arena));
    static const char ops[] = "(lptda]e}sVXK\x80\x94\x85gh0.2bRcN\n1a";
    for (int i = 0; i < 20000; i++) { /* anything */
        char p[48];
        for (size_t k = 0; k < sizeof p; k++)
            p[k] = any() % 3 ? ops[any() % (sizeof ops - 1)] : (char)any();
        texts(p, any() % sizeof p, &list, &arena);
        mp_arena_reset(&arena);
    }
    mp_arena_release(&arena);
}

/* ---- heaps ---- */

static void heap(void **state) {
    (void)state;
    char path[] = "/tmp/mpart-heap-XXXXXX";
    int fd = mkstemp(path);
    unlink(path);
    uint8_t file[8192] = {0}, ref[16] = {0};
    const int64_t at = 4096, base = 512;
    uint8_t *g = file + at;
    memcpy(g, "GCOL\1\0\0\0", 8);
    memcpy(g + 8, &(uint64_t){4096}, 8);
    g[16] = 1, g[24] = 5;
    memcpy(g + 32, "first", 5);
    g[40] = 3, g[48] = 6;
    memcpy(g + 56, "second", 6);
    assert_int_equal(write(fd, file, sizeof file), sizeof file);
    mp_h5_heap *h;
    mp_arena arena;
    mp_error err = MP_ERROR_INIT;
    mp_str s;
    mp_arena_init(&arena, NULL);
    assert_int_equal(mp_h5_heap_new(fd, base, sizeof file, NULL, &h, &err), MP_OK);
    memcpy(ref + 4, &(int64_t){at - base}, 8);
    ref[0] = 6, ref[12] = 3;
    assert_int_equal(mp_h5_heap_text(h, ref, &arena, &s, &err), MP_OK);
    assert_true(mp_str_eq(s, mp_str_c("second")));
    ref[0] = 4, ref[12] = 1;
    assert_int_equal(mp_h5_heap_text(h, ref, &arena, &s, &err), MP_OK);
    assert_true(mp_str_eq(s, mp_str_c("firs")));
    ref[0] = 0;
    assert_int_equal(mp_h5_heap_text(h, ref, &arena, &s, &err), MP_OK);
    assert_int_equal(s.len, 0);
    static const uint8_t bad[][3] = {{7, 3, 0}, {1, 2, 0}, {1, 200, 0}, {1, 1, 1}};
    for (int i = 0; i < 4; i++) { /* too long, no such object, another place */
        mp_error_init(&err);
        ref[0] = bad[i][0], ref[12] = bad[i][1], ref[5] = (uint8_t)(14 + bad[i][2]);
        assert_int_equal(mp_h5_heap_text(h, ref, &arena, &s, &err), MP_DATA);
    }
    mp_h5_heap_free(&h);
    mp_arena_release(&arena);
    close(fd);
}

/* ---- layouts ---- */

static void sample(mp_h5_layout *l, mp_h5_column *c, mp_h5_array *a, mp_h5_chunk *chunks) {
    for (int i = 0; i < 4; i++)
        chunks[i] = (mp_h5_chunk){.address = 1000 * (i + 1), .bytes = 500};
    a[0] = (mp_h5_array){.path = "/flat",
                         .storage = MP_H5_FLAT,
                         .n_rows = 100,
                         .elem_bytes = 8,
                         .n_dims = 1,
                         .dims = {100},
                         .chunk_dims = {100},
                         .address = 64};
    a[1] = (mp_h5_array){.path = "/chunks",
                         .storage = MP_H5_CHUNKED,
                         .n_rows = 100,
                         .elem_bytes = 4,
                         .n_dims = 2,
                         .dims = {100, 3},
                         .chunk_dims = {60, 2},
                         .n_filters = 1,
                         .filters = {{MP_H5_DEFLATE, 0}},
                         .n_chunks = 4,
                         .chunks = chunks};
    c[0] = (mp_h5_column){.name = "x",
                          .type = MP_FLOAT64,
                          .form = MP_H5_FLOAT,
                          .size = 8,
                          .stride = 8,
                          .dict = -1,
                          .mask = 3};
    c[1] = (mp_h5_column){.name = "y",
                          .type = MP_INT64,
                          .form = MP_H5_INT,
                          .size = 4,
                          .array = 1,
                          .at = 4,
                          .stride = 8,
                          .dict = -1,
                          .mask = -1};
    c[2] = (mp_h5_column){.name = "z",
                          .type = MP_TIMESTAMP,
                          .unit_ns = 1000,
                          .form = MP_H5_UINT,
                          .size = 4,
                          .array = 1,
                          .chunk = 1,
                          .stride = 8,
                          .dict = -1,
                          .mask = -1};
    c[3] = (mp_h5_column){.name = "null",
                          .type = MP_BOOL,
                          .form = MP_H5_UINT,
                          .size = 1,
                          .stride = 8,
                          .dict = -1,
                          .mask = -1};
    *l = (mp_h5_layout){.object = "/",
                        .kind = "test",
                        .n_rows = 100,
                        .n_columns = 3,
                        .n_hidden = 1,
                        .columns = c,
                        .n_arrays = 2,
                        .arrays = a};
}

static mp_status recode(const mp_h5_layout *l, int64_t file_bytes, mp_h5_layout *out,
                        mp_arena *arena) {
    mp_buf b;
    mp_buf_init(&b, NULL);
    mp_h5_layout_encode(l, &b);
    mp_status st = mp_h5_layout_decode(b.data, b.len, file_bytes, arena, out, NULL);
    mp_buf_release(&b);
    return st;
}

static void layouts(void **state) {
    (void)state;
    mp_h5_layout l, got;
    mp_h5_column c[4];
    mp_h5_array a[2];
    mp_h5_chunk chunks[4];
    mp_arena arena;
    mp_arena_init(&arena, NULL);
    sample(&l, c, a, chunks);
    assert_int_equal(recode(&l, 5000, &got, &arena), MP_OK);
    assert_int_equal(got.arrays[1].chunk_bytes, 480);
    assert_int_equal(got.arrays[1].band_step, 2);
    assert_string_equal(got.columns[2].name, "z");
    assert_int_equal(got.columns[0].mask, 3);
#define WRONG(change, size)                                                                        \
    do {                                                                                           \
        sample(&l, c, a, chunks);                                                                  \
        change;                                                                                    \
        assert_int_equal(recode(&l, size, &got, &arena), MP_DATA);                                 \
    } while (0)
    WRONG((void)0, 4499);             /* a chunk behind the end of the file */
    WRONG(a[0].address = 4300, 5000); /* rows behind it */
    WRONG(a[0].address = -8, 5000);
    WRONG(a[0].dims[0] = INT64_MAX / 5, 5000);
    WRONG(a[0].n_rows = 99, 5000);
    WRONG(a[1].n_chunks = 3, 5000);
    WRONG(a[1].chunk_dims[0] = 0, 5000);
    WRONG(a[1].chunk_dims[0] = INT32_MAX, 5000);
    WRONG(a[1].filters[0].id = 4, 5000);
    WRONG(a[1].elem_bytes = 0, 5000);
    WRONG(a[1].row_dim = 2, 5000);
    WRONG(chunks[2].address = -2, 5000);
    WRONG(c[1].at = 5, 5000); /* its last row reaches behind the chunk */
    WRONG(c[1].stride = 0, 5000);
    WRONG(c[1].stride = INT64_MAX / 2, 5000);
    WRONG(c[1].size = 3, 5000);
    WRONG(c[1].array = 2, 5000);
    WRONG(c[1].dict = 0, 5000);
    WRONG(c[1].type = MP_STRING, 5000);
    WRONG(c[2].chunk = 2, 5000); /* of the last band there is no such chunk */
    WRONG(c[2].unit_ns = 0, 5000);
    WRONG(c[0].mask = 1, 5000); /* a column that a query sees is no mask */
    WRONG(c[0].mask = 4, 5000);
    WRONG(c[3].mask = 3, 5000);
    WRONG(l.n_rows = 101, 5000);
    WRONG(c[1].form = MP_H5_HEAP; c[1].type = MP_STRING; c[1].size = 16, 5000);
    WRONG(c[1].form = MP_H5_STR; c[1].type = MP_STRING; c[1].size = 16, 5000);
    mp_arena_release(&arena);
}

/* Cut anywhere, and with any byte changed: refused, or a layout that is still inside its bounds. */
static void layouts_of_anything(void **state) {
    (void)state;
    mp_h5_layout l, got;
    mp_h5_column c[4];
    mp_h5_array a[2];
    mp_h5_chunk chunks[4];
    mp_arena arena;
    mp_buf b;
    mp_buf_init(&b, NULL);
    mp_arena_init(&arena, NULL);
    sample(&l, c, a, chunks);
    mp_h5_layout_encode(&l, &b);
    for (size_t n = 0; n < b.len; n++)
        assert_int_not_equal(mp_h5_layout_decode(b.data, n, 5000, &arena, &got, NULL), MP_OK);
    for (size_t i = 0; i < b.len * 20; i++) {
        uint8_t *p = &b.data[i % b.len], old = *p;
        *p = (uint8_t)any();
        if (mp_h5_layout_decode(b.data, b.len, 5000, &arena, &got, NULL) == MP_OK)
            for (int k = 0; k < got.n_columns; k++) {
                const mp_h5_column *x = &got.columns[k];
                if (x->form == MP_H5_UNREADABLE) continue;
                const mp_h5_array *y = &got.arrays[x->array];
                int64_t rows = y->storage == MP_H5_FLAT ? got.n_rows : y->band_rows;
                int64_t end = rows ? x->at + (rows - 1) * x->stride + x->size : 0;
                assert_true(end <= (y->storage == MP_H5_FLAT ? 5000 - y->address : y->chunk_bytes));
            }
        *p = old;
        mp_arena_reset(&arena);
    }
    mp_buf_release(&b);
    mp_arena_release(&arena);
}

/* ---- values ---- */

static void units(void **state) {
    (void)state;
    int64_t ns, us;
    assert_true(mp_h5_parse_units("days since 1970-01-01", &ns, &us));
    assert_true(ns == 86400000000000 && us == 0);
    assert_true(mp_h5_parse_units("Seconds since 2000-1-1 12:30:15.25", &ns, &us));
    assert_true(ns == 1000000000 && us == 946729815250000);
    assert_true(mp_h5_parse_units("hours since 1900-01-01T00:00:00Z", &ns, &us));
    assert_true(mp_h5_parse_units("ms since 1970-01-01 00:00:00 +00:00", &ns, &us));
    assert_false(mp_h5_parse_units("hours since 1900-01-01 00:00:00 +02:00", &ns, &us));
    assert_false(mp_h5_parse_units("metres", &ns, &us));
    assert_false(mp_h5_parse_units("months since 1970-01-01", &ns, &us));
    assert_false(mp_h5_parse_units("days since yesterday", &ns, &us));
    assert_false(mp_h5_parse_units("days since 1970-13-01", &ns, &us));
    assert_false(mp_h5_parse_units(" since ", &ns, &us));
}

static void halves(void **state) {
    (void)state;
    assert_true(mp_h5_half(0x3C00) == 1 && mp_h5_half(0xC000) == -2 && mp_h5_half(0) == 0);
    assert_true(mp_h5_half(0x7BFF) == 65504 && mp_h5_half(1) == 0x1p-24 &&
                mp_h5_half(0x03FF) == 0x3FFp-24);
    assert_true(mp_h5_half(0x7C00) > 1e300 && mp_h5_half(0xFC00) < -1e300);
    assert_true(mp_h5_half(0x7E00) != mp_h5_half(0x7E00));
}

static void utf16(void **state) {
    (void)state;
    static const uint8_t text[] = {'a',  0,    0xE9, 0,   0x3D, 0xD8, 0x00,
                                   0xDE, 0x3D, 0xD8, ' ', 0,    ' ',  0};
    mp_arena arena;
    mp_str s;
    mp_arena_init(&arena, NULL);
    mp_h5_column c = {.size = sizeof text, .unit_step = 2};
    assert_true(mp_h5_utf16(&c, text, &arena, &s));
    assert_true(mp_str_eq(s, mp_str_c("a\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd")));
    mp_arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lzf),      cmocka_unit_test(unshuffle),
        cmocka_unit_test(fletcher), cmocka_unit_test(pipelines),
        cmocka_unit_test(pickles),  cmocka_unit_test(heap),
        cmocka_unit_test(layouts),  cmocka_unit_test(layouts_of_anything),
        cmocka_unit_test(units),    cmocka_unit_test(halves),
        cmocka_unit_test(utf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
