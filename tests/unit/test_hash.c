/* test_hash.c - the hash of keys never changes: vectors from an independent implementation (Python
 * integers) for up to 16 bytes, xxHash's own published vectors above. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

static void short_vectors(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        uint64_t hash;
    } v[] = {
        {"", 0, 0x6977ebcc860cbe96u},
        {"a", 1, 0xc295a803751ba4b7u},
        {"a\0", 2, 0x7995c1e5f5cca58bu},
        {"ab", 2, 0xbbaaaf283753c3ddu},
        {"abc", 3, 0xec92bceab5d7eb44u},
        {"abcd", 4, 0xf8dc804c1ae4e190u},
        {"id001", 5, 0x2dd137d8a162acbfu},
        {"abcdefg", 7, 0x29e25c4bd5e9c4e3u},
        {"12345678", 8, 0xbc35c9625749278eu},
        {"123456789", 9, 0xd88cc1e4b06589a6u},
        {"0123456789abcde", 15, 0xf77b0e45cb15c8cau},
        {"0123456789abcdef", 16, 0xe8d8b70f809411d6u},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16,
         0x36608be221ef2818u},
    };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++)
        assert_int_equal(mp_hash_bytes(v[i].text, v[i].n), v[i].hash);
}

static void long_vectors(void **state) {
    (void)state;
    static const struct {
        size_t n;
        uint64_t hash;
    } v[] = {
        {24, 0xA3FE70BF9D3510EBu},   {48, 0x397DA259ECBA1F11u},   {80, 0xBCDEFBBB2C47C90Au},
        {195, 0xCD94217EE362EC3Au},  {403, 0xCDEB804D65C6DEA4u},  {512, 0x617E49599013CB6Bu},
        {2048, 0xDD59E2C3A5F038E0u}, {2240, 0x6E73A90539CF2948u}, {2367, 0xCB37AEB9E5D361EDu},
    };
    uint8_t buffer[2367];
    uint64_t x = 2654435761u;
    for (size_t i = 0; i < sizeof buffer; i++) {
        buffer[i] = (uint8_t)(x >> 56);
        x *= 11400714785074694797u;
    }
    for (size_t i = 0; i < sizeof v / sizeof *v; i++)
        assert_int_equal(mp_hash_bytes(buffer, v[i].n), v[i].hash);
}

/* The same bytes hash alike wherever they lie; the block ends with them, so a read too far is seen
 * by the sanitizer. */
static void any_alignment(void **state) {
    (void)state;
    char text[64];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 37 + 11);
    for (size_t n = 0; n <= 40; n++) {
        uint64_t want = mp_hash_bytes(text, n);
        for (size_t shift = 0; shift < 9; shift++) {
            char *copy = malloc(shift + n + (shift + n == 0));
            assert_non_null(copy);
            memcpy(copy + shift, text, n);
            assert_int_equal(mp_hash_bytes(copy + shift, n), want);
            free(copy);
        }
    }
}

static void sixteen_is_two_words(void **state) {
    (void)state;
    uint64_t w[2] = {0x0123456789abcdefu, 0xfedcba9876543210u};
    assert_int_equal(mp_hash_bytes(w, 16), mp_hash_16(w[0], w[1]));
    assert_int_equal(mp_hash_bytes(w, 8), mp_hash_short(w[0], 0, 8));
}

static int compare_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Counting numbers spread over the high bits (owners) and the low bits (tables), and no two of a
 * million collide. */
static void spreads(void **state) {
    (void)state;
    enum { N = 1000000 };
    uint64_t *h = malloc(N * sizeof *h);
    assert_non_null(h);
    static uint32_t high[256], low[256];
    for (uint32_t i = 0; i < N; i++) {
        uint64_t key = i;
        h[i] = mp_hash_bytes(&key, 8);
        high[h[i] >> 56]++;
        low[h[i] & 255]++;
    }
    for (int i = 0; i < 256; i++) {
        assert_in_range(high[i], N / 256 * 9 / 10, N / 256 * 11 / 10);
        assert_in_range(low[i], N / 256 * 9 / 10, N / 256 * 11 / 10);
    }
    qsort(h, N, sizeof *h, compare_u64);
    for (int i = 1; i < N; i++)
        assert_true(h[i] != h[i - 1]);
    free(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_vectors), cmocka_unit_test(long_vectors),
        cmocka_unit_test(any_alignment), cmocka_unit_test(sixteen_is_two_words),
        cmocka_unit_test(spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
