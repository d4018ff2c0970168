/* csv_convert_num.c - columns of int64, decimal and float64.
 * Invariant: the short common forms are read in place by the same grammar as mp_parse_number; evidence of them is kept as the
 * largest magnitude at each scale, from which forms and digits follow exactly. */
#include "data/parse_num.h"
#include "io/csv_convert_part.h"

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

/* A number of the short forms: int or decimal. */
static inline bool fast_number(mp_csv_span f, bool points, int64_t *v, int *scale) {
    if (points && mp_parse_decimal_fast(f.p, f.len, v, scale)) return true;
    *scale = 0;
    return mp_parse_int64_fast(f.p, f.len, v);
}

void mp_csv_convert_int64(mp_csv_part *k) {
    int64_t *out = k->values;
    bool plain = mp_csv_is_plain(k->d, "-0123456789");
    const mp_csv_fields at = k->fields;
    uint64_t most = 0;
    for (int32_t i = 0; i < at.n; i++) {
        mp_csv_span f = mp_csv_field_inner(&at, i);
        int64_t v;
        if (plain && mp_parse_int64_fast(f.p, f.len, &v)) {
            out[i] = v;
            uint64_t u = (v < 0 ? -(uint64_t)v : (uint64_t)v) + 1;
            most = u > most ? u : most;
        } else {
            mp_csv_slow_value(k, i);
        }
    }
    magnitudes m = {{most}};
    add_magnitudes(k, &m);
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
    int64_t *out = k->values;
    bool points = !k->d->decimal_comma && mp_csv_is_plain(k->d, "-.0123456789");
    bool plain = mp_csv_is_plain(k->d, "-0123456789");
    const mp_csv_fields at = k->fields;
    magnitudes m = {{0}};
    for (int32_t i = 0; i < at.n; i++) {
        mp_csv_span f = mp_csv_field_inner(&at, i);
        int s;
        if (plain && fast_number(f, points, &out[i], &s)) {
            k->scales[i] = (uint8_t)s;
            note_magnitude(&m, out[i], s);
        } else {
            mp_csv_slow_value(k, i);
        }
    }
    add_magnitudes(k, &m);
    int top = k->scale_set ? 31 - __builtin_clz(k->scale_set) : 0;
    if (k->scale_set & (k->scale_set - 1)) align(k, top);
    *scale = (uint8_t)top;
}

void mp_csv_convert_float64(mp_csv_part *k) {
    double *out = k->values;
    bool points = !k->d->decimal_comma && mp_csv_is_plain(k->d, "-.0123456789");
    bool plain = mp_csv_is_plain(k->d, "-0123456789");
    const mp_csv_fields at = k->fields;
    magnitudes m = {{0}};
    for (int32_t i = 0; i < at.n; i++) {
        mp_csv_span f = mp_csv_field_inner(&at, i);
        int64_t v;
        int s;
        if (plain && fast_number(f, points, &v, &s)) {
            out[i] = mp_decimal_to_double(v, s);
            note_magnitude(&m, v, s);
        } else {
            mp_csv_slow_value(k, i);
        }
    }
    add_magnitudes(k, &m);
}
