/* csv_convert_num.c - columns of int64, decimal and float64.
 * Invariant: the short common forms are read in place by the same grammar as mp_parse_number;
 * evidence of them is kept as the largest magnitude at each scale, from which forms and digits
 * follow exactly. */
#include "data/parse_num.h"
#include "io/csv/csv_convert_part.h"

enum { KERNEL_ROWS = 1024 };

/* Largest magnitude plus 1 at each scale of the values read in place; 0: no value at that scale. */
typedef struct {
    uint64_t most[MP_SCALE_MAX + 1];
} magnitudes;

static int digits_of(uint64_t v) {
    int n = 0;
    for (; v; v /= 10)
        n++;
    return n;
}

static void add_magnitudes(mp_csv_part *k, const magnitudes *m) {
    for (int s = 0; s <= MP_SCALE_MAX; s++) {
        if (!m->most[s]) continue;
        int before = digits_of(m->most[s] - 1) - s;
        mp_evidence_add(&k->seen, (mp_evidence){s ? MP_SEEN_DECIMAL : MP_SEEN_INT,
                                                (uint8_t)(before > 0 ? before : 0), (uint8_t)s});
        k->scale_set |= 1u << s;
    }
}

static inline void note_magnitude(magnitudes *m, int64_t v, int scale) {
    uint64_t u = (v < 0 ? -(uint64_t)v : (uint64_t)v) + 1;
    if (u > m->most[scale]) m->most[scale] = u;
}

/* The readers below take 8 bytes at a time from a text with readable bytes around it (csv_index.h),
 * without a branch on its length; what they do not know is left to the ones that read no byte too
 * many. */

/* n (1..8) digits as a word for mp_eight_digits; not all digits: see mp_all_digits. */
MP_CSV_INLINE uint64_t digits_at(const char *p, uint32_t n) {
    return (mp_load8(p) ^ 0x3030303030303030u) << (64 - 8 * n);
}

/* -?digits, no leading zero. */
MP_CSV_INLINE bool fast_int(mp_csv_span f, int64_t *v) {
    uint32_t neg = f.p[0] == '-', n = f.len - neg;
    const char *p = f.p + neg;
    if (n - 1 >= 8) return mp_parse_int64_fast(f.p, f.len, v);
    uint64_t y = digits_at(p, n);
    bool leading_zero = (p[0] == '0') & (n > 1);
    if (!mp_all_digits(y) | leading_zero) return false;
    int64_t u = (int64_t)mp_eight_digits(y);
    *v = neg ? -u : u;
    return true;
}

/* -?digits.digits with up to 16 digits, 7 of them behind the point. The point is among the last 8
 * bytes; the 8 bytes that end one byte earlier have the digits before it where the point's going
 * moves them to. */
MP_CSV_INLINE bool fast_decimal(mp_csv_span f, int64_t *v, int *scale) {
    const uint64_t low7 = 0x7F7F7F7F7F7F7F7Fu;
    const char *end = f.p + f.len;
    uint32_t neg = f.p[0] == '-', n = f.len - neg;
    uint64_t last = mp_load8(end - 8), x = last ^ 0x2E2E2E2E2E2E2E2Eu;
    uint64_t points = ~(((x & low7) + low7) | x | low7); /* 0x80 in every byte that is a point */
    if (!points) return false;
    uint32_t after = (uint32_t)__builtin_clzll(points) / 8, before = n - 1 - after;
    if (before - 1 >= 16 - after || after == 0) return false;
    uint64_t behind = ~(uint64_t)0 << (64 - 8 * after);
    uint64_t y = (last & behind) | (mp_load8(end - 9) & ~behind);
    uint32_t junk = 8 * (9 - n) & -(uint32_t)(n < 9); /* no branch: lengths vary */
    y = (y ^ 0x3030303030303030u) >> junk << junk;
    if (!mp_all_digits(y)) return false;
    uint64_t u = mp_eight_digits(y);
    if (n > 9) {
        uint64_t high = digits_at(f.p + neg, n - 9);
        if (!mp_all_digits(high)) return false;
        u += mp_eight_digits(high) * 100000000;
    }
    *v = neg ? -(int64_t)u : (int64_t)u;
    *scale = (int)after;
    return true;
}

/* Field i, or the whole of it by mp_csv_slow_value. */
MP_CSV_INLINE void one_int64(mp_csv_part *k, const mp_csv_fields *at, int32_t i, uint64_t *most,
                             bool use_sel, bool use_quote) {
    mp_csv_span f = mp_csv_field_inner(at, i, use_sel, use_quote);
    int64_t v;
    if (fast_int(f, &v)) {
        ((int64_t *)k->values)[i] = v;
        uint64_t u = (v < 0 ? -(uint64_t)v : (uint64_t)v) + 1;
        *most = u > *most ? u : *most;
    } else {
        mp_csv_slow_value(k, i);
    }
}

MP_CSV_INLINE void int64_loop(mp_csv_part *k, bool use_sel, bool use_quote) {
    const mp_csv_fields at = k->fields;
    uint64_t most = 0;
    for (int32_t i = 0; i < at.n; i++)
        one_int64(k, &at, i, &most, use_sel, use_quote);
    magnitudes m = {{most}};
    add_magnitudes(k, &m);
}

/* What the kernels saw, as evidence. */
static void add_digits(mp_csv_part *k, mp_csv_digits seen) {
    if (!seen.scales) return;
    uint8_t top = (uint8_t)(31 - __builtin_clz(seen.scales));
    mp_evidence e = {.int_digits = (uint8_t)seen.int_digits, .scale = top};
    if (seen.scales & 1) e.seen |= MP_SEEN_INT;
    if (seen.scales > 1) e.seen |= MP_SEEN_DECIMAL;
    mp_evidence_add(&k->seen, e);
    k->scale_set |= seen.scales;
}

/* By the kernel, and one by one what it left. */
static void int64_by_kernel(mp_csv_part *k) {
    const mp_csv_fields at = k->fields;
    mp_csv_digits seen = {0, 0};
    uint64_t most = 0;
    int32_t left[KERNEL_ROWS];
    for (int32_t i = 0; i < at.n; i += KERNEL_ROWS) {
        int32_t n = at.n - i < KERNEL_ROWS ? at.n - i : KERNEL_ROWS;
        int32_t n_left = k->kernels->int64(&at, i, n, k->values, &seen, left);
        for (int32_t l = 0; l < n_left; l++)
            one_int64(k, &at, left[l], &most, at.sel != NULL, at.quote != 0);
    }
    magnitudes m = {{most}};
    add_magnitudes(k, &m);
    add_digits(k, seen);
}

void mp_csv_convert_int64(mp_csv_part *k) {
    if (!mp_csv_is_plain(k->d, "-0123456789"))
        mp_csv_slow_values(k);
    else if (k->kernels)
        int64_by_kernel(k);
    else
        MP_CSV_LOOP(int64_loop, k);
}

/* Are numbers with a point read in place? Those without: mp_csv_is_plain of the digits. */
static bool plain_points(const mp_csv_dialect *d) {
    return !d->decimal_comma && mp_csv_is_plain(d, "-.0123456789");
}

MP_CSV_INLINE void one_decimal(mp_csv_part *k, const mp_csv_fields *at, int32_t i, bool points,
                               magnitudes *m, bool use_sel, bool use_quote) {
    mp_csv_span f = mp_csv_field_inner(at, i, use_sel, use_quote);
    int64_t v;
    int s = 0;
    if ((points && fast_decimal(f, &v, &s)) || fast_int(f, &v)) {
        ((int64_t *)k->values)[i] = v;
        k->scales[i] = (uint8_t)s;
        note_magnitude(m, v, s);
    } else {
        mp_csv_slow_value(k, i);
    }
}

MP_CSV_INLINE void decimal_loop(mp_csv_part *k, bool use_sel, bool use_quote) {
    const mp_csv_fields at = k->fields;
    const bool points = plain_points(k->d);
    magnitudes m = {{0}};
    for (int32_t i = 0; i < at.n; i++)
        one_decimal(k, &at, i, points, &m, use_sel, use_quote);
    add_magnitudes(k, &m);
}

static void decimal_by_kernel(mp_csv_part *k) {
    const mp_csv_fields at = k->fields;
    mp_csv_digits seen = {0, 0};
    magnitudes m = {{0}};
    int32_t left[KERNEL_ROWS];
    for (int32_t i = 0; i < at.n; i += KERNEL_ROWS) {
        int32_t n = at.n - i < KERNEL_ROWS ? at.n - i : KERNEL_ROWS;
        int32_t n_left = k->kernels->decimal(&at, i, n, k->values, k->scales, &seen, left);
        for (int32_t l = 0; l < n_left; l++)
            one_decimal(k, &at, left[l], true, &m, at.sel != NULL, at.quote != 0);
    }
    add_magnitudes(k, &m);
    add_digits(k, seen);
}

static void read_decimals(mp_csv_part *k) {
    if (!mp_csv_is_plain(k->d, "-0123456789"))
        mp_csv_slow_values(k);
    else if (k->kernels && plain_points(k->d))
        decimal_by_kernel(k);
    else
        MP_CSV_LOOP(decimal_loop, k);
}

/* Bring all mantissas to one scale. What does not fit is a null; the evidence then says float64. */
static void align(mp_csv_part *k, int scale) {
    int64_t *out = k->values;
    const uint8_t *scales = k->scales;
    int32_t n = k->fields.n;
    if (k->seen.int_digits + scale <= MP_SCALE_MAX) {
        for (int32_t i = 0; i < n; i++)
            out[i] *= mp_pow10_i64[scale - scales[i]];
        return;
    }
    for (int32_t i = 0; i < n; i++)
        if (!mp_decimal_rescale(out[i], scales[i], scale, &out[i])) mp_csv_set_null(k, i);
}

void mp_csv_convert_decimal(mp_csv_part *k, uint8_t *scale) {
    read_decimals(k);
    int top = k->scale_set ? 31 - __builtin_clz(k->scale_set) : 0;
    if (k->scale_set & (k->scale_set - 1)) align(k, top);
    *scale = (uint8_t)top;
}

MP_CSV_INLINE void one_float64(mp_csv_part *k, const mp_csv_fields *at, int32_t i, bool points,
                               magnitudes *m, bool use_sel, bool use_quote) {
    mp_csv_span f = mp_csv_field_inner(at, i, use_sel, use_quote);
    int64_t v;
    int s = 0;
    if ((points && fast_decimal(f, &v, &s)) || fast_int(f, &v)) {
        ((double *)k->values)[i] = mp_decimal_to_double(v, s);
        note_magnitude(m, v, s);
    } else {
        mp_csv_slow_value(k, i);
    }
}

MP_CSV_INLINE void float64_loop(mp_csv_part *k, bool use_sel, bool use_quote) {
    const mp_csv_fields at = k->fields;
    const bool points = plain_points(k->d);
    magnitudes m = {{0}};
    for (int32_t i = 0; i < at.n; i++)
        one_float64(k, &at, i, points, &m, use_sel, use_quote);
    add_magnitudes(k, &m);
}

/* Mantissas stand where the doubles will. */
static void float64_by_kernel(mp_csv_part *k) {
    const mp_csv_fields at = k->fields;
    mp_csv_digits seen = {0, 0};
    magnitudes m = {{0}};
    int32_t left[KERNEL_ROWS];
    int64_t *mantissas = k->values;
    uint8_t *scales = mp_csv_part_alloc(k, (size_t)at.n);
    if (!scales) return;
    memset(scales, 0, (size_t)at.n);
    memset(mantissas, 0, (size_t)at.n * sizeof *mantissas);
    for (int32_t i = 0; i < at.n; i += KERNEL_ROWS) {
        int32_t n = at.n - i < KERNEL_ROWS ? at.n - i : KERNEL_ROWS;
        int32_t n_left = k->kernels->decimal(&at, i, n, mantissas, scales, &seen, left);
        for (int32_t j = i; j < i + n; j++) {
            double v = mp_decimal_to_double(mantissas[j], scales[j]);
            memcpy(&mantissas[j], &v, sizeof v);
        }
        for (int32_t l = 0; l < n_left; l++)
            one_float64(k, &at, left[l], true, &m, at.sel != NULL, at.quote != 0);
    }
    add_magnitudes(k, &m);
    add_digits(k, seen);
}

void mp_csv_convert_float64(mp_csv_part *k) {
    if (!mp_csv_is_plain(k->d, "-0123456789"))
        mp_csv_slow_values(k);
    else if (k->kernels && plain_points(k->d))
        float64_by_kernel(k);
    else
        MP_CSV_LOOP(float64_loop, k);
}
