/* csv_value.h - one field at a time: quotes taken off, and what its text says under a dialect.
 * For the head of a file and for the rare values that the column loops hand over.
 * Invariant: what a text says depends on the text, its being quoted, and the dialect alone. */
#ifndef MP_IO_CSV_VALUE_H
#define MP_IO_CSV_VALUE_H

#include "io/csv/csv.h"

/* Copies text (inside the quotes) with doubled quotes halved to out (room for text.len bytes); returns the length. */
size_t mp_csv_unquote(char quote, mp_str text, char *out);

/* What a field's text says (inside the quotes, doubled quotes halved). Null markers are only looked for in unquoted text.
 * With a date format, text that fits it is a date, or a timestamp where the format has a time of day, and ISO text is one as ever.
 * number_first: a text that is a number and also fits the date format is the number. */
void mp_csv_value_of(const mp_csv_dialect *d, mp_str text, bool quoted, bool number_first,
                     mp_value *out);

static inline bool mp_csv_is_null(const mp_csv_dialect *d, mp_str text) {
    if (text.len == 0 && !d->empty_is_text) return true;
    for (int i = 0; i < d->n_nulls; i++)
        if (mp_str_eq(mp_str_c(d->nulls[i]), text)) return true;
    return false;
}

#endif
