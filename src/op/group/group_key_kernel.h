/* group_key_kernel.h - the kernel for short keys, included once by the file of each SIMD level,
 * which defines KERNEL_NAME. Invariant: no byte of a page is read that holds no byte of a text; a
 * text whose 16 bytes cross a page leaves its row. */
#include "base/lanes.h"
#include "op/group/group_key_simd.h"

enum { KEY_PAGE = 4096 };

/* The 16 bytes of some keys, how many are in use, and which keys cannot be done here. */
typedef struct {
    lanes lo, hi, used;
    lane_mask left;
} key_lanes;

/* One column's texts behind their length bytes. They are loaded from a byte before, where they are
 * in place already. */
LANES_INLINE key_lanes column_keys(const mp_str *text, const uint8_t *valid) {
    const lanes one = lanes_set(1), ones = lanes_set(~(uint64_t)0), low = lanes_set(0xFF);
    lanes p, len;
    lanes_load_pairs(text, &p, &len);
    len = lanes_and(len, lanes_set(UINT32_MAX));
    lane_mask there = valid ? lanes_not_zero(lanes_load_bytes(valid)) : mask_none();
    if (valid) len = lanes_zero_unless(there, len);
    lanes from = lanes_sub(p, one);
    lane_mask some = lanes_not_zero(len);
    lane_mask crosses =
        lanes_between(lanes_and(from, lanes_set(KEY_PAGE - 1)), KEY_PAGE - 15, KEY_PAGE);
    key_lanes k = {.used = lanes_add(len, one)};
    k.left = mask_or(mask_and(some, crosses), lanes_between(len, 16, UINT32_MAX));
    some = mask_without(some, k.left);
    lanes bits = lanes_times8(k.used), prefix = k.used;
    lanes lo = lanes_load_at(some, from), hi = lanes_load_at(some, lanes_add(from, lanes_set(8)));
    if (valid) prefix = lanes_zero_unless(there, prefix);
    lo = lanes_without(lo, lanes_or(lanes_shl(ones, bits), low));
    k.lo = lanes_or(lo, prefix);
    k.hi = lanes_and(hi, lanes_shr(ones, lanes_sub(lanes_set(128), bits)));
    return k;
}

/* The column's bytes behind those of the columns before. */
LANES_INLINE void append_keys(key_lanes *k, key_lanes more) {
    lanes bits = lanes_times8(k->used), word = lanes_set(64);
    k->lo = lanes_or(k->lo, lanes_shl(more.lo, bits));
    lanes hi = lanes_or(lanes_shl(more.hi, bits), lanes_shr(more.lo, lanes_sub(word, bits)));
    k->hi = lanes_or(k->hi, lanes_or(hi, lanes_shl(more.lo, lanes_sub(bits, word))));
    k->used = lanes_add(k->used, more.used);
    k->left = mask_or(k->left, more.left);
}

/* mp_hash_mix: the halves of the 128-bit product, from products of 32-bit halves. */
LANES_INLINE lanes mix(lanes a, lanes b) {
    const lanes low = lanes_set(UINT32_MAX);
    lanes a1 = lanes_high_half(a), b1 = lanes_high_half(b);
    lanes p00 = lanes_mul32(a, b), p01 = lanes_mul32(a, b1);
    lanes p10 = lanes_mul32(a1, b), p11 = lanes_mul32(a1, b1);
    lanes mid = lanes_add(p10, lanes_high_half(p00));
    lanes mid2 = lanes_add(p01, lanes_and(mid, low));
    lanes high = lanes_add(lanes_add(p11, lanes_high_half(mid)), lanes_high_half(mid2));
    return lanes_xor(high, lanes_halves(p00, mid2));
}

/* mp_hash_16. */
LANES_INLINE lanes hash16(lanes lo, lanes hi) {
    lanes h = mix(lanes_xor(lo, lanes_set(0x9E3779B97F4A7C15u)),
                  lanes_xor(hi, lanes_set(0xD6E8FEB86659FD93u)));
    return mix(lanes_xor(h, lanes_set(0xA0761D6478BD642Fu)),
               lanes_xor(lo, lanes_set(0xE7037ED1A0B428DBu)));
}

LANES_INLINE int32_t key_loop(const mp_str *const *col, const uint8_t *const *valid, int n_cols,
                              int32_t first, int32_t n, mp_key *key, uint64_t *hash,
                              int32_t *left) {
    int32_t n_left = 0, i = first;
    for (; i + LANES <= first + n; i += LANES) {
        key_lanes k = column_keys(col[0] + i, valid[0] ? valid[0] + i : NULL);
        for (int c = 1; c < n_cols; c++)
            append_keys(&k, column_keys(col[c] + i, valid[c] ? valid[c] + i : NULL));
        if (n_cols > 1) k.left = mask_or(k.left, lanes_between(k.used, 17, UINT32_MAX));
        lanes_store_pairs((uint64_t *)(void *)(key + i), k.lo, k.hi);
        lanes_store((int64_t *)(void *)(hash + i), hash16(k.lo, k.hi));
        for (uint32_t bits = mask_bits(k.left); bits; bits &= bits - 1)
            left[n_left++] = i + __builtin_ctz(bits);
    }
    for (; i < first + n; i++)
        left[n_left++] = i;
    return n_left;
}

int32_t KERNEL_NAME(const mp_str *const *col, const uint8_t *const *valid, int n_cols,
                    int32_t first, int32_t n, mp_key *key, uint64_t *hash, int32_t *left) {
    const mp_str *only = col[0];
    const uint8_t *none = NULL;
    if (n_cols == 1 && !valid[0]) return key_loop(&only, &none, 1, first, n, key, hash, left);
    return key_loop(col, valid, n_cols, first, n, key, hash, left);
}
