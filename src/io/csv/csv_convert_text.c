/* csv_convert_text.c - columns of text, as views into the input.
 * Invariant: only fields with doubled quotes are copied (into the arena); a null has length 0. */
#include "io/csv/csv_convert_part.h"

/* The value of a quoted field; empty and false when the arena refused. */
static bool quoted_text(mp_csv_part *k, mp_csv_span f, mp_str *out) {
    mp_str in = mp_str_of(f.p + 1, f.len >= 2 ? f.len - 2 : 0);
    *out = in;
    if (!in.len || !memchr(in.p, k->fields.quote, in.len)) return true;
    char *copy = mp_csv_part_alloc(k, in.len);
    *out = mp_str_of(copy ? copy : in.p, copy ? mp_csv_unquote(k->fields.quote, in, copy) : 0);
    return copy != NULL;
}

/* Without a branch on what the fields are; the nulls are dropped again when there are none. */
MP_CSV_INLINE void views(mp_csv_part *k, bool use_sel) {
    const mp_csv_fields at = k->fields;
    mp_str *out = k->values;
    uint8_t *valid = mp_csv_part_alloc(k, (size_t)at.n);
    uint8_t all = 1;
    if (!valid) return;
    for (int32_t i = 0; i < at.n; i++) {
        mp_csv_span f = mp_csv_field_span(&at, i, use_sel);
        out[i] = mp_str_of(f.p, f.len);
        valid[i] = f.len != 0;
        all &= valid[i];
    }
    if (!all && !k->d->empty_is_text) k->valid = valid;
}

MP_CSV_INLINE void views_with_nulls(mp_csv_part *k, bool use_sel) {
    const mp_csv_fields at = k->fields;
    mp_str *out = k->values;
    for (int32_t i = 0; i < at.n; i++) {
        mp_csv_span f = mp_csv_field_span(&at, i, use_sel);
        out[i] = mp_str_of(f.p, f.len);
        if (mp_csv_is_null(k->d, out[i])) mp_csv_set_null(k, i);
    }
}

MP_CSV_INLINE void values_with_quotes(mp_csv_part *k, bool use_sel) {
    const mp_csv_fields at = k->fields;
    mp_str *out = k->values;
    for (int32_t i = 0; i < at.n; i++) {
        mp_csv_span f = mp_csv_field_span(&at, i, use_sel);
        out[i] = mp_str_of(f.p, f.len);
        if (f.len && f.p[0] == at.quote) {
            if (!quoted_text(k, f, &out[i])) return;
        } else if (mp_csv_is_null(k->d, out[i])) {
            mp_csv_set_null(k, i);
        }
    }
}

static void by_kernel(mp_csv_part *k) {
    uint8_t *valid = mp_csv_part_alloc(k, (size_t)k->fields.n);
    if (!valid || k->kernels->text(&k->fields, k->values, valid)) return;
    if (!k->d->empty_is_text) k->valid = valid;
}

void mp_csv_convert_text(mp_csv_part *k) {
    const bool use_sel = k->fields.sel != NULL;
    const bool as_it_stands = !k->fields.quote || k->plain_quotes;
    if (k->kernels && as_it_stands && !k->d->n_nulls)
        by_kernel(k);
    else if (k->fields.quote)
        values_with_quotes(k, use_sel);
    else if (k->d->n_nulls)
        views_with_nulls(k, use_sel);
    else if (use_sel)
        views(k, true);
    else
        views(k, false);
}

/* The values are there: look at them until it is certain that the column is one of strings. */
void mp_csv_text_evidence(mp_csv_part *k) {
    const mp_str *text = k->values;
    mp_evidence all = *k->a->seen;
    for (int32_t i = 0; i < k->fields.n && mp_evidence_type(all) != MP_STRING; i++) {
        if (k->valid && !k->valid[i]) continue;
        mp_csv_span f = mp_csv_field_span(&k->fields, i, k->fields.sel != NULL);
        bool quoted = !k->d->quoted_is_text || (k->quote && f.len && f.p[0] == k->quote);
        mp_value v;
        mp_csv_value_of(k->d, text[i], quoted, false, &v);
        mp_evidence_add(&all, v.e);
    }
    mp_evidence_add(&k->seen, all);
}
