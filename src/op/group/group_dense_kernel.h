/* group_dense_kernel.h - the kernel for keys of a small domain, included once by the file of each
 * SIMD level, which defines KERNEL_NAME. Invariant: no byte of a page is read that holds no byte of a
 * text; a text whose 8 bytes cross a page leaves its row. */
#include "base/lanes.h"
#include "op/group/group_dense_simd.h"

enum { DENSE_PAGE = 4096 };

/* The places of one column's texts; *fits loses the rows whose texts have none. */
LANES_INLINE lanes column_places(const mp_dense_column *c, const mp_str *text, const uint8_t *valid,
                                 lane_mask *fits) {
    const lanes one = lanes_set(1), word = lanes_set(8);
    lanes p, len, code;
    lanes_load_pairs(text, &p, &len);
    len = lanes_and(len, lanes_set(UINT32_MAX));
    code = lanes_add(len, one);
    if (valid) {
        lane_mask there = lanes_not_zero(lanes_load_bytes(valid));
        len = lanes_zero_unless(there, len);
        code = lanes_zero_unless(there, code);
    }
    lane_mask ok = lanes_not_zero(lanes_and(lanes_shr(lanes_set(c->codes), code), one));
    lanes from = lanes_sub(lanes_add(p, lanes_max_small(len, word)), word);
    lanes in_page = lanes_and(from, lanes_set(DENSE_PAGE - 1));
    lane_mask crosses = lanes_between(in_page, DENSE_PAGE - 7, DENSE_PAGE);
    ok = mask_without(ok, mask_and(crosses, lanes_not_zero(len)));
    lanes last = lanes_load_at(mask_and(ok, lanes_not_zero(len)), from);
    lanes above = lanes_sub_bytes(last, lanes_of_table(c->least, code));
    lanes range = lanes_of_table(c->range, code);
    ok = mask_and(ok, lanes_eq(lanes_max_bytes(above, range), range));
    if (c->has_first) {
        lane_mask longer = mask_and(ok, lanes_between(len, 9, UINT32_MAX));
        lanes bits = lanes_sub(lanes_set(128), lanes_times8(len));
        lanes first = lanes_shl(lanes_load_at(longer, p), bits);
        ok = mask_and(ok, lanes_eq(first, lanes_of_table(c->first, code)));
    }
    lanes end = lanes_of_table(c->end, code);
    lanes half = lanes_weigh(above, lanes_of_table(c->byte_weight, code),
                             lanes_of_table(c->pair_weight, code));
    *fits = mask_and(*fits, ok);
    return lanes_add(lanes_add(lanes_mul32(half, end), lanes_high_half(half)),
                     lanes_high_half(end));
}

LANES_INLINE int32_t dense_loop(const mp_dense_map *m, int n_cols, bool by_place,
                                const mp_str *const *text, const uint8_t *const *valid, int32_t n,
                                uint32_t *number, uint32_t *place, int32_t *left) {
    const lanes one = lanes_set(1), none = lanes_set(UINT32_MAX);
    int32_t n_left = 0, i = 0;
    for (; i + LANES <= n; i += LANES) {
        lane_mask fits = lanes_eq(one, one);
        lanes at = column_places(&m->col[0], text[0] + i, valid[0] ? valid[0] + i : NULL, &fits);
        for (int c = 1; c < n_cols; c++) {
            at = lanes_mul32(at, lanes_set(m->col[c].size));
            at = lanes_add(
                at, column_places(&m->col[c], text[c] + i, valid[c] ? valid[c] + i : NULL, &fits));
        }
        lanes found = by_place ? lanes_zero_unless(fits, lanes_add(at, one))
                               : lanes_load_u32(fits, m->number, at);
        lanes_store_halves(number + i, lanes_sub(found, one));
        uint32_t bits = ~mask_bits(lanes_not_zero(found)) & LANES_ALL;
        if (!bits) continue;
        lanes_store_halves(place + i, lanes_pick(fits, at, none));
        for (; bits; bits &= bits - 1)
            left[n_left++] = i + __builtin_ctz(bits);
    }
    for (; i < n; i++) {
        place[i] = UINT32_MAX;
        left[n_left++] = i;
    }
    return n_left;
}

int32_t KERNEL_NAME(const mp_dense_map *m, const mp_str *const *text, const uint8_t *const *valid,
                    int32_t n, uint32_t *number, uint32_t *place, int32_t *left) {
    const mp_str *only = text[0];
    const uint8_t *none = NULL;
    if (!m->number) return dense_loop(m, m->n_cols, true, text, valid, n, number, place, left);
    if (m->n_cols == 1 && !valid[0])
        return dense_loop(m, 1, false, &only, &none, n, number, place, left);
    return dense_loop(m, m->n_cols, false, text, valid, n, number, place, left);
}
