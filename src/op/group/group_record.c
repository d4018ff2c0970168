/* group_record.c - packing of records.
 * Invariant: a word's bytes are read and written four at once; what lies behind them is the key's. */
#include "op/group/group_record.h"

/* Of one code, then of two, three, four. */
#define CODE1(n) n, n + 1, n + 2, n + 4
#define CODE2(n) CODE1(n), CODE1(n + 1), CODE1(n + 2), CODE1(n + 4)
#define CODE3(n) CODE2(n), CODE2(n + 1), CODE2(n + 2), CODE2(n + 4)
const uint8_t mp_record_code_bytes[256] = {CODE3(0), CODE3(1), CODE3(2), CODE3(4)};
#undef CODE1
#undef CODE2
#undef CODE3

static inline uint8_t *pack_word(uint32_t w, uint32_t *codes, unsigned i, uint8_t *p) {
    uint32_t code = (uint32_t)(w != 0) + (w > 0xFF) + (w > 0xFFFF);
    memcpy(p, &w, sizeof w);
    *codes |= code << 2 * i;
    return p + code + (code == 3);
}

size_t mp_record_pack(mp_record_form f, uint32_t rows, const uint8_t *fixed, uint8_t *record) {
    size_t n = f.fixed_bytes / 4 - 1; /* words */
    uint8_t *code = record + 1, *p = code + f.codes_bytes;
    uint32_t w = rows ^ 1, codes = 0;
    fixed += MP_RECORD_ROWS_AT;
    for (size_t i = 0; i < n; i += 4) {
        codes = 0;
        for (unsigned k = 0; k < 4 && i + k < n; k++) {
            if (i + k > 0) memcpy(&w, fixed + 4 * (i + k), sizeof w);
            p = pack_word(w, &codes, k, p);
        }
        *code++ = (uint8_t)codes;
    }
    return (size_t)(p - record);
}

static inline uint32_t unpack_word(uint32_t code, const uint8_t **p) {
    static const uint32_t mask[4] = {0, 0xFF, 0xFFFF, UINT32_MAX};
    uint32_t w;
    memcpy(&w, *p, sizeof w);
    *p += code + (code == 3);
    return w & mask[code];
}

void mp_record_unpack(mp_record_form f, const uint8_t *record, uint8_t *plain) {
    size_t n = f.fixed_bytes / 4 - 1;
    const uint8_t *code = record + 1, *p = code + f.codes_bytes;
    uint8_t *out = plain + MP_RECORD_ROWS_AT;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t codes = *code++;
        for (size_t k = i; k < n && k < i + 4; k++, codes >>= 2) {
            uint32_t w = unpack_word(codes & 3, &p);
            if (k == 0) w = (w ^ 1) & MP_RECORD_ROWS_MAX; /* no more follows, whatever it says */
            memcpy(out + 4 * k, &w, sizeof w);
        }
    }
}
