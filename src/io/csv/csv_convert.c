/* csv_convert.c - one column of the index to a typed column: what is common to all types.
 * Invariant: the values, nulls and evidence of a row depend on the row alone, not on the rows
 * beside it; only the scale of a decimal batch does. A column's evidence passes its type exactly
 * when *misfit is set. */
#include "io/csv/csv_convert_part.h"

#include <stdio.h>

void *mp_csv_part_alloc(mp_csv_part *k, size_t n_bytes) {
    void *p = mp_arena_alloc(k->a->arena, n_bytes ? n_bytes : 1, 16);
    if (!p) {
        k->status = MP_NOMEM;
        k->refused_bytes = n_bytes;
    }
    return p;
}

/* A format with anything but digits and points between its parts matches no text that is one
 * number. */
static bool has_separator(const char *format) {
    bool part_before = false;
    for (const char *f = format; *f; f++) {
        if (*f == '%') {
            if (!*++f) break;
            if (strchr("bBpTF", *f)) return true;
            part_before = true;
        } else if (part_before && !strchr(".0123456789", *f)) {
            return true;
        }
    }
    return false;
}

bool mp_csv_is_plain(const mp_csv_dialect *d, const char *set) {
    size_t n = strlen(set);
    if (d->quote && memchr(set, d->quote, n)) return false;
    if (d->thousands && memchr(set, d->thousands, n)) return false;
    for (int i = 0; i < d->n_nulls; i++)
        if (d->nulls[i][0] && d->nulls[i][strspn(d->nulls[i], set)] == 0) return false;
    return !d->date_format || has_separator(d->date_format);
}

/* ---- values out of the common form ---- */

void mp_csv_set_null(mp_csv_part *k, int64_t i) {
    if (!k->valid) {
        k->valid = mp_csv_part_alloc(k, (size_t)k->fields.n);
        if (!k->valid) return;
        memset(k->valid, 1, (size_t)k->fields.n);
    }
    k->valid[i] = 0;
    if (k->scales) k->scales[i] = 0;
    switch (mp_type_width(k->type)) {
    case 1:
        ((uint8_t *)k->values)[i] = 0;
        break;
    case 8:
        ((int64_t *)k->values)[i] = 0;
        break;
    default:
        ((mp_str *)k->values)[i].len = 0;
        break;
    }
}

/* Bytes of text for a message: cut, at a character, and without control characters. */
static int printable(mp_str text, char *out, int cap) {
    int n = text.len < (uint32_t)cap ? (int)text.len : cap;
    if ((uint32_t)n < text.len)
        while (n > 0 && ((unsigned char)text.p[n] & 0xC0) == 0x80)
            n--;
    for (int i = 0; i < n; i++)
        out[i] = (unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7F ? '?' : text.p[i];
    return n;
}

static bool is_integer_text(mp_str text) {
    uint32_t i = text.len && (text.p[0] == '-' || text.p[0] == '+');
    if (i == text.len) return false;
    for (; i < text.len; i++)
        if (text.p[i] < '0' || text.p[i] > '9') return false;
    return true;
}

/* Why a text is no number although it looks like one. */
static const char *integer_flaw(mp_str text) {
    uint32_t i = text.p[0] == '-' || text.p[0] == '+';
    if (text.p[0] == '+') return "has a plus, so it is a text";
    return text.p[i] == '0' ? "has a leading zero, so it is a text" : "does not fit int64";
}

static void note_bad(mp_csv_part *k, int64_t i, mp_str text, bool data_error, bool a_text) {
    if (k->bad_rows) k->bad_rows[i] = 1;
    if (k->bad->row >= 0) return;
    k->bad->row = (int32_t)i;
    k->bad->is_data_error = data_error;
    k->bad->text = text;
    char shown[64];
    int n = printable(text, shown, (int)sizeof shown);
    const char *dots = (uint32_t)n < text.len ? "..." : "";
    const uint8_t number = MP_SEEN_INT | MP_SEEN_DECIMAL | MP_SEEN_FLOAT;
    bool quoted_number = a_text && mp_evidence_of_text(text.p, text.len).seen & number;
    k->bad->is_integer = data_error && (is_integer_text(text) || quoted_number);
    if (k->bad->is_integer) {
        snprintf(k->bad->reason, sizeof k->bad->reason, "'%.*s%s' %s", n, shown, dots,
                 a_text ? "is a text" : integer_flaw(text));
        return;
    }
    const char *name = data_error ? "number" : mp_type_name(k->type);
    const char *article = name[0] == 'i' ? "an" : "a";
    snprintf(k->bad->reason, sizeof k->bad->reason, "'%.*s%s' is not %s %s", n, shown, dots,
             article, name);
}

static void store(mp_csv_part *k, int64_t i, const mp_value *v) {
    switch (k->type) {
    case MP_BOOL:
        ((uint8_t *)k->values)[i] = (uint8_t)v->i;
        break;
    case MP_FLOAT64:
        ((double *)k->values)[i] = v->f;
        break;
    default:
        ((int64_t *)k->values)[i] = v->i;
        break;
    }
    if (k->scales) {
        k->scales[i] = v->e.scale;
        k->scale_set |= 1u << v->e.scale;
    }
}

void mp_csv_slow_value(mp_csv_part *k, int64_t i) {
    mp_csv_span f = mp_csv_field_span(&k->fields, i, k->fields.sel != NULL);
    bool quoted = k->quote && f.len && f.p[0] == k->quote;
    mp_str text = mp_str_of(f.p, f.len), raw = text;
    if (quoted) {
        text = raw = mp_str_of(f.p + 1, f.len >= 2 ? f.len - 2 : 0);
        if (text.len && memchr(text.p, k->quote, text.len)) {
            char *copy = mp_csv_part_alloc(k, text.len);
            if (!copy) return;
            text = mp_str_of(copy, mp_csv_unquote(k->quote, text, copy));
        }
    }
    const mp_csv_column *column = k->a->column;
    mp_value v;
    mp_csv_dialect d = *k->d;
    bool a_text = quoted && d.quoted_is_text;
    if (column->fixed) d.quoted_is_text = false; /* --types takes a text at its word */
    mp_csv_value_of(&d, text, quoted, column->need_number, &v);
    if (v.e.seen == 0) {
        mp_csv_set_null(k, i);
        return;
    }
    const uint8_t number = MP_SEEN_INT | MP_SEEN_DECIMAL | MP_SEEN_FLOAT;
    bool no_number = column->need_number && !(v.e.seen & number);
    bool fits = mp_value_is(&v, k->type);
    if (no_number || (column->fixed && !fits))
        note_bad(k, i, raw, no_number, a_text);
    else
        mp_evidence_add(&k->seen, v.e);
    if (fits && !no_number)
        store(k, i, &v);
    else
        mp_csv_set_null(k, i);
}

void mp_csv_slow_values(mp_csv_part *k) {
    for (int32_t i = 0; i < k->fields.n; i++)
        mp_csv_slow_value(k, i);
}

const mp_csv_kernels *mp_csv_kernels_choose(mp_simd level) {
#if defined(__x86_64__)
    if (level == MP_SIMD_AVX512) return &mp_csv_kernels_avx512;
    if (level == MP_SIMD_AVX2) return &mp_csv_kernels_avx2;
#endif
    (void)level;
    return NULL;
}

/* ---- the column ---- */

static void part_init(mp_csv_part *k, const mp_csv_convert_args *a, const mp_csv_index *x,
                      const uint32_t *sel, int32_t n) {
    const mp_csv_column *column = a->column;
    mp_csv_fields f = {.base = (const char *)x->base, .sel = sel, .n = n};
    f.quote = x->has_quotes ? a->dialect->quote : 0;
    if (a->c >= 0) {
        f.end = x->end + a->c;
        f.end_step = x->n_columns;
        f.start = a->c == 0 ? x->rec : x->end + a->c - 1;
        f.start_step = a->c == 0 ? 1 : x->n_columns;
        f.start_add = a->c == 0 ? 0 : 1;
    }
    *k = (mp_csv_part){.a = a,
                       .d = a->dialect,
                       .fields = f,
                       .plain_quotes = x->plain_quotes,
                       .kernels = mp_csv_kernels_choose(a->simd)};
    bool text = column->use == MP_CSV_TEXT;
    k->quote = f.quote;
    k->type = text ? MP_STRING : column->type;
    bool number = mp_type_is_number(k->type) || k->type == MP_NULL;
    if (!text && column->need_number && !column->fixed && !number) k->type = MP_INT64;
    /* the loops take quotes off numbers; a quoted number that is a text is none */
    if (k->d->quoted_is_text && (k->type == MP_BOOL || mp_type_is_number(k->type)))
        k->fields.quote = 0;
}

static void all_null(mp_csv_part *k) {
    memset(k->values, 0, (size_t)k->fields.n * (size_t)mp_type_width(k->type));
    if (k->type == MP_STRING)
        for (int32_t i = 0; i < k->fields.n; i++)
            ((mp_str *)k->values)[i] = mp_str_of("", 0);
    for (int32_t i = 0; i < k->fields.n && !k->status; i++)
        mp_csv_set_null(k, i);
}

static void convert(mp_csv_part *k, uint8_t *scale) {
    switch (k->type) {
    case MP_INT64:
        mp_csv_convert_int64(k);
        return;
    case MP_DECIMAL:
        mp_csv_convert_decimal(k, scale);
        return;
    case MP_FLOAT64:
        mp_csv_convert_float64(k);
        return;
    case MP_BOOL:
        mp_csv_convert_bool(k);
        return;
    case MP_DATE:
        mp_csv_convert_date(k);
        return;
    case MP_TIMESTAMP:
        mp_csv_convert_timestamp(k);
        return;
    case MP_STRING:
        mp_csv_convert_text(k);
        if (k->a->column->use == MP_CSV_TYPED && !k->a->column->fixed) mp_csv_text_evidence(k);
        return;
    default:
        mp_csv_slow_values(k);
        return;
    }
}

/* 'T' or ' ' of a timestamp column, as seen so far. */
static uint8_t separator(mp_evidence e) {
    return e.seen & MP_SEEN_TS_T && !(e.seen & MP_SEEN_TS_SPACE) ? 'T' : ' ';
}

static void finish(mp_csv_part *k) {
    const mp_csv_column *column = k->a->column;
    if (column->use == MP_CSV_TEXT || (column->fixed && k->type == MP_STRING)) return;
    mp_evidence_add(k->a->seen, k->seen);
    /* Values that do not fit a fixed type are bad rows; only digits that do not align are left to
     * tell. */
    bool ask = !column->fixed || k->type == MP_DECIMAL;
    if (ask && !mp_type_holds(k->type, *k->a->seen)) *k->a->misfit = true;
}

mp_status mp_csv_convert(const mp_csv_convert_args *a, const mp_csv_index *x, const uint32_t *sel,
                         int32_t n, mp_col *out, mp_csv_bad_value *bad, uint8_t *bad_rows,
                         mp_error *err) {
    mp_csv_part k;
    uint8_t scale = 0;
    *bad = (mp_csv_bad_value){.row = -1};
    part_init(&k, a, x, sel, n);
    k.bad = bad;
    k.bad_rows = bad_rows;
    k.values = mp_csv_part_alloc(&k, (size_t)n * (size_t)mp_type_width(k.type));
    if (k.type == MP_DECIMAL && k.values) k.scales = mp_csv_part_alloc(&k, (size_t)n);
    if (!k.status) {
        if (a->c < 0)
            all_null(&k);
        else
            convert(&k, &scale);
    }
    if (k.status) return mp_mem_error(a->arena->mem, k.refused_bytes, err);
    finish(&k);
    *out = (mp_col){.type = k.type, .scale = scale, .valid = k.valid, .p = k.values};
    if (k.type == MP_TIMESTAMP) out->ts_sep = separator(*a->seen);
    return MP_OK;
}

bool mp_csv_looks_null(mp_str text) {
    static const char *const words[] = {"NA", "NULL", "N/A", "\\N"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (mp_str_eq(text, mp_str_c(words[i]))) return true;
    return false;
}
