/* csv_convert_kernel.h - the kernels themselves, included once by the file of each SIMD level,
 * which defines before: KERNELS_NAME, and lanes_positions (start and end of the fields of LANES
 * rows). Invariant: a word of text is the 8 bytes that end a field, or the 8 before those, less '0'
 * and with what is not of the field turned to 0, which as a digit in front does not count. */
#include "base/lanes.h"
#include "io/csv/csv_convert_simd.h"

#define CHARS_0 UINT64_C(0x3030303030303030)
#define BYTES_1 UINT64_C(0x0101010101010101)

/* The spans of LANES fields; len may be negative. */
LANES_INLINE void spans(const mp_csv_fields *at, int32_t i, bool use_sel, lanes *end, lanes *len) {
    lanes start;
    lanes_positions(at, i, use_sel, &start, end);
    *len = lanes_sub(*end, start);
}

/* Inside the quotes where a field has them. A field may end with a quote without beginning with
 * one. */
LANES_INLINE void take_quotes(const mp_csv_fields *at, lanes *end, lanes *len) {
    const lanes quote = lanes_set((uint8_t)at->quote), low = lanes_set(0xFF), one = lanes_set(1);
    lanes last = lanes_load8(at->base, lanes_sub(*end, one));
    lane_mask ends = lanes_eq(lanes_and(last, low), quote);
    if (mask_bits(ends) == 0) return;
    lanes first = lanes_load8(at->base, lanes_sub(*end, *len));
    lane_mask quoted = mask_and(ends, lanes_eq(lanes_and(first, low), quote));
    quoted = mask_and(quoted, lanes_between(*len, 2, INT32_MAX));
    *end = lanes_pick(quoted, lanes_sub(*end, one), *end);
    *len = lanes_pick(quoted, lanes_sub(*len, lanes_set(2)), *len);
}

/* The first bytes of each field, the first lowest: of a field of up to 16 bytes. */
LANES_INLINE lanes first_bytes(lanes last8, lanes before8, lanes len8) {
    lanes from_last = lanes_shr(last8, lanes_sub(lanes_set(64), len8));
    lanes from_before = lanes_shr(before8, lanes_sub(lanes_set(128), len8));
    lanes between = lanes_shl(last8, lanes_sub(len8, lanes_set(64)));
    return lanes_or(lanes_or(from_last, from_before), between);
}

/* Store the lanes' places where bits are set. */
LANES_INLINE int32_t leave(int32_t *left, int32_t n_left, int32_t i, uint32_t bits) {
    for (; bits; bits &= bits - 1)
        left[n_left++] = i + (int32_t)__builtin_ctz(bits);
    return n_left;
}

LANES_INLINE lanes negated_where(lane_mask negative, lanes v) {
    return lanes_pick(negative, lanes_sub(lanes_set(0), v), v);
}

static void note_digits(mp_csv_digits *seen, uint32_t n) {
    if (n > seen->int_digits) seen->int_digits = n;
}

/* Numbers of one block: values with their evidence where good. */
typedef struct {
    lanes v, scale, digits; /* digits: before the point */
    lane_mask good;
} numbers;

/* Up to 8 digits and nothing else: the common case, in few steps. digits is not told: v is less
 * than 2^31. */
LANES_INLINE numbers short_int64(const mp_csv_fields *at, lanes end, lanes len) {
    lanes x = lanes_xor(lanes_load8(at->base, lanes_sub(end, len)), lanes_set(CHARS_0));
    lanes shift = lanes_sub(lanes_set(64), lanes_times8(len));
    lanes y = lanes_shl(x, shift);
    numbers r = {.v = lanes_eight_digits(y)};
    lane_mask zero_first = lanes_no_bits(x, lanes_set(0xFF));
    r.good = mask_and(lanes_between(shift, 0, 56), lanes_all_digits(y));
    r.good = mask_without(r.good, mask_without(zero_first, lanes_eq(shift, lanes_set(56))));
    return r;
}

/* -?digits in up to 16 bytes. */
LANES_INLINE numbers long_int64(const mp_csv_fields *at, lanes end, lanes len) {
    const lanes zero = lanes_set(0), one = lanes_set(1), low = lanes_set(0xFF);
    const lanes chars = lanes_set(CHARS_0), ones = lanes_set(~(uint64_t)0);
    lane_mask good = lanes_between(len, 1, 16);
    lanes y = lanes_xor(lanes_load8(at->base, lanes_sub(end, lanes_set(8))), chars);
    lanes z = lanes_xor(lanes_load8(at->base, lanes_sub(end, lanes_set(16))), chars);
    lanes head = first_bytes(y, z, lanes_times8(len));
    lane_mask negative = lanes_eq(lanes_and(head, low), lanes_set('-' ^ '0'));
    head = lanes_pick(negative, lanes_shr_byte(head), head);
    len = lanes_pick(negative, lanes_sub(len, one), len);
    lanes len8 = lanes_times8(len);
    lane_mask zero_first = lanes_eq(lanes_and(head, low), zero);
    good = mask_and(good, lanes_between(len, 1, 16));
    good = mask_without(good, mask_without(zero_first, lanes_eq(len, one)));
    y = lanes_without(y, lanes_shr(ones, len8));
    z = lanes_and(z, lanes_shl(ones, lanes_sub(lanes_set(128), len8)));
    numbers r = {.digits = lanes_pick(zero_first, zero, len)};
    r.good = mask_and(good, lanes_all_digits(lanes_max_bytes(y, z)));
    lanes v =
        lanes_add(lanes_mul32(lanes_eight_digits(z), lanes_set(100000000)), lanes_eight_digits(y));
    r.v = negated_where(negative, v);
    return r;
}

static uint32_t digits_of(uint64_t v) {
    uint32_t n = 0;
    for (; v; v /= 10)
        n++;
    return n;
}

LANES_INLINE int32_t int64_loop(const mp_csv_fields *fields, int32_t first, int32_t n, int64_t *out,
                                mp_csv_digits *seen, int32_t *left, bool use_sel, bool use_quote) {
    const mp_csv_fields at = *fields;
    lanes most = lanes_set(0), most_short = most;
    lane_mask any = mask_none();
    int32_t n_left = 0, i = first;
    for (; i + LANES <= first + n; i += LANES) {
        lanes end, len;
        spans(&at, i, use_sel, &end, &len);
        if (use_quote) take_quotes(&at, &end, &len);
        numbers r = short_int64(&at, end, len);
        if (__builtin_expect(mask_bits(r.good) == LANES_ALL, 1)) {
            most_short = lanes_max_small(most_short, r.v);
        } else {
            r = long_int64(&at, end, len);
            most = lanes_max_small(most, lanes_zero_unless(r.good, r.digits));
            n_left = leave(left, n_left, i, mask_bits(r.good) ^ LANES_ALL);
        }
        any = mask_or(any, r.good);
        lanes_store(out + i, r.v);
    }
    for (; i < first + n; i++)
        left[n_left++] = i;
    note_digits(seen, lanes_top(most));
    note_digits(seen, digits_of(lanes_top(most_short)));
    seen->scales |= mask_bits(any) != 0;
    return n_left;
}

static int32_t int64_kernel(const mp_csv_fields *at, int32_t first, int32_t n, int64_t *out,
                            mp_csv_digits *seen, int32_t *left) {
    if (at->quote) return int64_loop(at, first, n, out, seen, left, at->sel != NULL, true);
    if (at->sel) return int64_loop(at, first, n, out, seen, left, true, false);
    return int64_loop(at, first, n, out, seen, left, false, false);
}

/* Digits, or digits.digits with up to 7 of them behind the point, in up to 9 bytes. The word that
 * ends a byte before the field does has the digits before the point where the point's going moves
 * them to. */
LANES_INLINE numbers short_decimal(const mp_csv_fields *at, lanes end, lanes len) {
    const lanes one = lanes_set(1), chars = lanes_set(CHARS_0), ones = lanes_set(~(uint64_t)0);
    lanes last = lanes_xor(lanes_load8(at->base, lanes_sub(end, lanes_set(8))), chars);
    lanes moved = lanes_xor(lanes_load8(at->base, lanes_sub(end, lanes_set(9))), chars);
    lanes points = lanes_without(lanes_points(last), lanes_shr(ones, lanes_times8(len)));
    /* all bits up to the first point, so that a second one stays and is no digit */
    lane_mask has = lanes_not_zero(points);
    lanes before = lanes_zero_unless(has, lanes_or(points, lanes_sub(points, one)));
    lanes y = lanes_or(lanes_and(moved, before), lanes_without(last, before));
    numbers r;
    r.scale = lanes_zero_unless(has, lanes_sum_bytes(lanes_without(lanes_set(BYTES_1), before)));
    len = lanes_pick(has, lanes_sub(len, one), len);
    lanes len8 = lanes_times8(len);
    y = lanes_without(y, lanes_shr(ones, len8));
    r.v = lanes_eight_digits(y);
    lane_mask zero_first = lanes_no_bits(y, lanes_shr(ones, lanes_sub(len8, lanes_set(8))));
    r.digits = lanes_sub(len, r.scale);
    r.good = mask_and(lanes_between(len, 1, 8), lanes_all_digits(y));
    r.good = mask_and(r.good, lanes_between(r.digits, 1, 8));
    r.good = mask_without(r.good, mask_without(zero_first, lanes_eq(r.digits, one)));
    r.good = mask_without(r.good, mask_and(has, lanes_no_bits(r.scale, r.scale)));
    r.digits = lanes_pick(zero_first, lanes_set(0), r.digits);
    return r;
}

/* -?digits or -?digits.digits in up to 16 bytes. */
LANES_INLINE numbers long_decimal(const mp_csv_fields *at, lanes end, lanes len) {
    const lanes zero = lanes_set(0), one = lanes_set(1), low = lanes_set(0xFF);
    const lanes chars = lanes_set(CHARS_0), ones = lanes_set(~(uint64_t)0);
    const lanes bytes = lanes_set(BYTES_1);
    lane_mask good = lanes_between(len, 1, 16);
    lanes y = lanes_xor(lanes_load8(at->base, lanes_sub(end, lanes_set(8))), chars);
    lanes z = lanes_xor(lanes_load8(at->base, lanes_sub(end, lanes_set(16))), chars);
    lanes head = first_bytes(y, z, lanes_times8(len));
    lane_mask negative = lanes_eq(lanes_and(head, low), lanes_set('-' ^ '0'));
    head = lanes_pick(negative, lanes_shr_byte(head), head);
    len = lanes_pick(negative, lanes_sub(len, one), len);
    lanes len8 = lanes_times8(len);
    y = lanes_without(y, lanes_shr(ones, len8));
    z = lanes_and(z, lanes_shl(ones, lanes_sub(lanes_set(128), len8)));

    /* up to the first point, in the last word that has one, the bytes move up by one */
    lanes y_points = lanes_points(y), z_points = lanes_points(z);
    lane_mask y_has = lanes_not_zero(y_points), z_has = lanes_not_zero(z_points);
    lane_mask has = mask_or(y_has, z_has);
    lanes y_before = lanes_zero_unless(y_has, lanes_or(y_points, lanes_sub(y_points, one)));
    lanes z_before = lanes_zero_unless(z_has, lanes_or(z_points, lanes_sub(z_points, one)));
    z_before = lanes_or(z_before, lanes_zero_unless(y_has, ones));
    lanes y_moved = lanes_or(lanes_shl_byte(y), lanes_top_byte(z));
    lanes z_moved = lanes_shl_byte(z);
    y = lanes_or(lanes_and(y_moved, y_before), lanes_without(y, y_before));
    z = lanes_or(lanes_and(z_moved, z_before), lanes_without(z, z_before));
    numbers r;
    lanes behind = lanes_add(lanes_sum_bytes(lanes_without(bytes, y_before)),
                             lanes_sum_bytes(lanes_without(bytes, z_before)));
    r.scale = lanes_zero_unless(has, behind);

    lanes n_before = lanes_sub(len, lanes_zero_unless(has, lanes_add(r.scale, one)));
    lane_mask zero_first = lanes_eq(lanes_and(head, low), zero);
    good = mask_and(good, lanes_between(n_before, 1, 16));
    good = mask_without(good, mask_without(zero_first, lanes_eq(n_before, one)));
    good = mask_without(good, mask_and(has, lanes_eq(r.scale, zero)));
    r.good = mask_and(good, lanes_all_digits(lanes_max_bytes(y, z)));
    r.digits = lanes_pick(zero_first, zero, n_before);
    lanes v =
        lanes_add(lanes_mul32(lanes_eight_digits(z), lanes_set(100000000)), lanes_eight_digits(y));
    r.v = negated_where(negative, v);
    return r;
}

LANES_INLINE int32_t decimal_loop(const mp_csv_fields *fields, int32_t first, int32_t n,
                                  int64_t *out, uint8_t *scales, mp_csv_digits *seen, int32_t *left,
                                  bool use_sel, bool use_quote) {
    const mp_csv_fields at = *fields;
    const lanes one = lanes_set(1);
    lanes most = lanes_set(0), set = most;
    int32_t n_left = 0, i = first;
    for (; i + LANES <= first + n; i += LANES) {
        lanes end, len;
        spans(&at, i, use_sel, &end, &len);
        if (use_quote) take_quotes(&at, &end, &len);
        numbers r = short_decimal(&at, end, len);
        if (__builtin_expect(mask_bits(r.good) != LANES_ALL, 0)) {
            r = long_decimal(&at, end, len);
            n_left = leave(left, n_left, i, mask_bits(r.good) ^ LANES_ALL);
        }
        lanes_store(out + i, r.v);
        lanes_store_bytes(scales + i, r.scale);
        most = lanes_max_small(most, lanes_zero_unless(r.good, r.digits));
        set = lanes_or(set, lanes_zero_unless(r.good, lanes_shl(one, r.scale)));
    }
    for (; i < first + n; i++)
        left[n_left++] = i;
    note_digits(seen, lanes_top(most));
    seen->scales |= lanes_union(set);
    return n_left;
}

static int32_t decimal_kernel(const mp_csv_fields *at, int32_t first, int32_t n, int64_t *out,
                              uint8_t *scales, mp_csv_digits *seen, int32_t *left) {
    if (at->quote)
        return decimal_loop(at, first, n, out, scales, seen, left, at->sel != NULL, true);
    if (at->sel) return decimal_loop(at, first, n, out, scales, seen, left, true, false);
    return decimal_loop(at, first, n, out, scales, seen, left, false, false);
}

LANES_INLINE bool text_one(const mp_csv_fields *at, int32_t i, mp_str *out, uint8_t *valid) {
    int64_t r = i;
    if (at->sel) r = at->sel[i];
    uint32_t start = at->start[r * at->start_step] + at->start_add;
    uint32_t end = at->end[r * at->end_step];
    uint32_t len = end < start ? 0 : end - start;
    const char *p = at->base + start;
    bool quoted = at->quote && len && *p == at->quote;
    if (quoted) {
        p++;
        len = len < 2 ? 0 : len - 2;
    }
    *out = mp_str_of(p, len);
    *valid = quoted || len;
    return *valid;
}

LANES_INLINE bool text_loop(const mp_csv_fields *fields, mp_str *out, uint8_t *valid, bool use_sel,
                            bool use_quote) {
    const mp_csv_fields at = *fields;
    const lanes zero = lanes_set(0), base = lanes_set((uint64_t)(uintptr_t)at.base);
    bool all = true;
    uint32_t bits = LANES_ALL;
    int32_t i = 0;
    for (; i + LANES <= at.n; i += LANES) {
        lanes end, len;
        spans(&at, i, use_sel, &end, &len);
        lanes start = lanes_sub(end, len);
        lane_mask filled = lanes_between(len, 1, UINT32_MAX);
        len = lanes_zero_unless(filled, len);
        if (use_quote) {
            lanes byte = lanes_and(lanes_load8(at.base, start), lanes_set(0xFF));
            lane_mask quoted = mask_and(lanes_eq(byte, lanes_set((uint8_t)at.quote)), filled);
            lane_mask closed = mask_and(quoted, lanes_between(len, 2, UINT32_MAX));
            start = lanes_sub(start, lanes_pick(quoted, lanes_set(~(uint64_t)0), zero));
            len = lanes_pick(quoted, lanes_sub(len, lanes_set(2)), len);
            len = lanes_zero_unless(mask_or(closed, mask_without(filled, quoted)), len);
        }
        lanes_store_pairs((uint64_t *)(void *)(out + i), lanes_add(start, base), len);
        mask_store_bytes(valid + i, filled);
        bits &= mask_bits(filled);
    }
    for (; i < at.n; i++)
        all &= text_one(&at, i, &out[i], &valid[i]);
    return all && bits == LANES_ALL;
}

static bool text_kernel(const mp_csv_fields *at, mp_str *out, uint8_t *valid) {
    if (at->quote) return text_loop(at, out, valid, at->sel != NULL, true);
    if (at->sel) return text_loop(at, out, valid, true, false);
    return text_loop(at, out, valid, false, false);
}

static void starts_kernel(const uint32_t *end, uint32_t n_columns, uint32_t n_rows,
                          uint32_t *start) {
    const uint32_t *last = end + (n_columns - 1);
    const lanes step = lanes_mul32(lanes_iota(), lanes_set(4 * (uint64_t)n_columns));
    uint32_t r = 0;
    for (; r + LANES <= n_rows; r += LANES, last += (size_t)n_columns * LANES) {
        lanes at = lanes_load8((const char *)last, step);
        lanes_store_halves(start + r + 1, lanes_add(at, lanes_set(1)));
    }
    for (; r < n_rows; r++, last += n_columns)
        start[r + 1] = *last + 1;
}

const mp_csv_kernels KERNELS_NAME = {int64_kernel, decimal_kernel, text_kernel, starts_kernel};
