/* test_group_record.c - packed records: what was packed comes back, for any words and any number of
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "op/group/group_record.h"

enum { WORDS = 40, KEY = 16 };

static uint64_t next_random(uint64_t *x) {
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* Of every number of bytes. */
static uint32_t a_word(uint64_t *x) {
    uint32_t w = (uint32_t)next_random(x);
    return w >> (next_random(x) % 5 * 8 & 31) & (next_random(x) % 4 ? UINT32_MAX : 0);
}

static size_t bytes_of(uint32_t w) {
    return w == 0 ? 0 : w <= 0xFF ? 1 : w <= 0xFFFF ? 2 : 4;
}

static void round_trip(void **state) {
    (void)state;
    uint64_t x = 88172645463325252u;
    for (int turn = 0; turn < 20000; turn++) {
        size_t words = (size_t)turn % WORDS, fixed = 8 + 4 * words, want = 0;
        const mp_record_form f = mp_record_form_of(fixed);
        uint32_t rows = a_word(&x) & MP_RECORD_ROWS_MAX;
        uint8_t *plain = calloc(1, fixed), *back = calloc(1, fixed);
        uint8_t *record = malloc(1 + fixed + f.codes_bytes + 4);
        for (size_t i = 0; i < words; i++) {
            uint32_t w = a_word(&x);
            memcpy(plain + MP_RECORD_FIXED_AT + 4 * i, &w, sizeof w);
            want += bytes_of(w);
        }
        want += 1 + f.codes_bytes + bytes_of(rows ^ 1);
        size_t at = mp_record_pack(f, rows, plain, record);
        assert_int_equal(at, want);
        assert_int_equal(f.codes_bytes, (words + 1 + 3) / 4);
        if (at + KEY <= MP_RECORD_PACKED_MOST) {
            uint8_t *exact = malloc(at + KEY); /* a read past it is seen */
            memcpy(exact, record, at);
            memset(exact + at, 0xA5, KEY);
            exact[0] = (uint8_t)((at + KEY) << 1 | 1);
            assert_true(mp_record_is_packed(exact));
            assert_false(mp_record_has_more(exact));
            assert_int_equal(mp_record_bytes(exact), at + KEY);
            assert_int_equal(mp_record_key_at(f, exact), at);
            assert_int_equal(mp_record_key_bytes(f, exact), KEY);
            mp_record_unpack(f, exact, back);
            assert_int_equal(mp_record_rows(back), rows);
            assert_memory_equal(back + MP_RECORD_FIXED_AT, plain + MP_RECORD_FIXED_AT, 4 * words);
            free(exact);
        }
        free(plain);
        free(back);
        free(record);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
