/* csv_convert_part.h - what the parts of the conversion share: one column of one run of rows on its
 * way. Invariant: a loop reads the common form of a field in place and hands everything else to
 * mp_csv_slow_value, so nulls, quotes, dialects and misfits are dealt with in one place and every
 * loop agrees with mp_csv_value_of. */
#ifndef MP_IO_CSV_CONVERT_PART_H
#define MP_IO_CSV_CONVERT_PART_H

#include "data/decimal.h"
#include "io/csv/csv_convert_simd.h"
#include "io/csv/csv_index.h"
#include "io/csv/csv_value.h"

typedef struct {
    const mp_csv_convert_args *a;
    const mp_csv_dialect *d;
    mp_type type; /* converted to; not that of the column where a number is needed */
    mp_csv_fields fields;
    char quote;                    /* around fields, also where the loops do not look for it */
    bool plain_quotes;             /* of the index */
    const mp_csv_kernels *kernels; /* NULL: in plain C alone */
    /* what becomes of them */
    void *values;
    uint8_t *scales; /* of each value of a decimal column, else NULL */
    uint8_t *valid;  /* NULL until the first null */
    mp_evidence seen;
    uint32_t scale_set; /* bit s: some decimal has scale s */
    mp_csv_bad_value *bad;
    uint8_t *bad_rows;
    mp_status status; /* MP_NOMEM once the arena refused */
    size_t refused_bytes;
} mp_csv_part;

typedef struct {
    const char *p;
    uint32_t len;
} mp_csv_span;

#define MP_CSV_INLINE static inline __attribute__((always_inline))

/* The bytes of field i as they stand in the text; none where it is missing. use_sel: k->sel is
 * there (a constant where a loop is made for one case). */
MP_CSV_INLINE mp_csv_span mp_csv_field_span(const mp_csv_fields *k, int64_t i, bool use_sel) {
    int64_t r = use_sel ? k->sel[i] : i;
    uint32_t start = k->start[r * k->start_step] + k->start_add;
    uint32_t end = k->end[r * k->end_step];
    return (mp_csv_span){k->base + start, end < start ? 0 : end - start};
}

/* The same without quotes around; quoted text without doubled quotes is its own value. */
MP_CSV_INLINE mp_csv_span mp_csv_field_inner(const mp_csv_fields *k, int64_t i, bool use_sel,
                                             bool use_quote) {
    mp_csv_span f = mp_csv_field_span(k, i, use_sel);
    if (use_quote && f.len >= 2 && f.p[0] == k->quote) {
        f.p++;
        f.len -= 2;
    }
    return f;
}

/* Calls loop(k, use_sel, use_quote), with constants in the common case of all rows and no quotes.
 */
#define MP_CSV_LOOP(loop, k)                                                                       \
    do {                                                                                           \
        if (!(k)->fields.sel && !(k)->fields.quote)                                                \
            loop(k, false, false);                                                                 \
        else                                                                                       \
            loop(k, (k)->fields.sel != NULL, (k)->fields.quote != 0);                              \
    } while (0)

/* Value i in full: every form, nulls and misfits. Stores it and its evidence. */
void mp_csv_slow_value(mp_csv_part *k, int64_t i);
void mp_csv_slow_values(mp_csv_part *k); /* all of them */
void mp_csv_set_null(mp_csv_part *k, int64_t i);
void *mp_csv_part_alloc(mp_csv_part *k, size_t n_bytes);
/* Can no null marker, quote or number mark of the dialect be taken for part of a text made of the
 * bytes in set? */
bool mp_csv_is_plain(const mp_csv_dialect *d, const char *set);

/* csv_convert_num.c: the loops; *scale: of the batch. */
void mp_csv_convert_int64(mp_csv_part *k);
void mp_csv_convert_decimal(mp_csv_part *k, uint8_t *scale);
void mp_csv_convert_float64(mp_csv_part *k);
/* csv_convert_text.c */
void mp_csv_convert_text(mp_csv_part *k);
void mp_csv_text_evidence(mp_csv_part *k);
/* csv_convert_word.c */
void mp_csv_convert_bool(mp_csv_part *k);
void mp_csv_convert_date(mp_csv_part *k);
void mp_csv_convert_timestamp(mp_csv_part *k);

#endif
