/* csv_convert_word.c - columns of bool, date and timestamp.
 * Invariant: as csv_convert_num.c; with null markers, a date format or an odd quote that could be
 * mistaken for a value every field takes the slow way. */
#include "data/date.h"
#include "io/csv/csv_convert_part.h"

/* 0, 1; -1: no bool word. */
static inline int fast_bool(mp_csv_span f) {
    if (f.len == 4 &&
        (!memcmp(f.p, "true", 4) || !memcmp(f.p, "True", 4) || !memcmp(f.p, "TRUE", 4)))
        return 1;
    if (f.len == 5 &&
        (!memcmp(f.p, "false", 5) || !memcmp(f.p, "False", 5) || !memcmp(f.p, "FALSE", 5)))
        return 0;
    return -1;
}

void mp_csv_convert_bool(mp_csv_part *k) {
    const mp_csv_fields at = k->fields;
    uint8_t *out = k->values;
    bool plain = mp_csv_is_plain(k->d, "trueTRUEfalsFALS") && !k->d->date_format, any = false;
    for (int32_t i = 0; i < at.n; i++) {
        int v = plain ? fast_bool(mp_csv_field_inner(&at, i, at.sel != NULL, at.quote != 0)) : -1;
        if (v >= 0) {
            out[i] = (uint8_t)v;
            any = true;
        } else {
            mp_csv_slow_value(k, i);
        }
    }
    if (any) k->seen.seen |= MP_SEEN_BOOL;
}

void mp_csv_convert_date(mp_csv_part *k) {
    const mp_csv_fields at = k->fields;
    int64_t *out = k->values;
    bool plain = mp_csv_is_plain(k->d, "-0123456789") && !k->d->date_format, any = false;
    for (int32_t i = 0; i < at.n; i++) {
        mp_csv_span f = mp_csv_field_inner(&at, i, at.sel != NULL, at.quote != 0);
        if (plain && mp_parse_date(f.p, f.len, &out[i]))
            any = true;
        else
            mp_csv_slow_value(k, i);
    }
    if (any) k->seen.seen |= MP_SEEN_DATE;
}

void mp_csv_convert_timestamp(mp_csv_part *k) {
    const mp_csv_fields at = k->fields;
    int64_t *out = k->values;
    bool plain = mp_csv_is_plain(k->d, "-:.T 0123456789") && !k->d->date_format;
    uint8_t seen = 0;
    for (int32_t i = 0; i < at.n; i++) {
        mp_csv_span f = mp_csv_field_inner(&at, i, at.sel != NULL, at.quote != 0);
        char sep;
        if (plain && mp_parse_timestamp(f.p, f.len, &out[i], &sep))
            seen |= sep == 'T' ? MP_SEEN_TS_T : MP_SEEN_TS_SPACE;
        else
            mp_csv_slow_value(k, i);
    }
    k->seen.seen |= seen;
}
