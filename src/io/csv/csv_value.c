/* csv_value.c - quotes taken off, and what a field's text says under a dialect: nulls, a decimal comma, thousands, a date format.
 * Invariant: a number is read in its plain form by mp_value_of_text, the one place that knows the forms of values. */
#include "io/csv/csv_value.h"

#include "data/date.h"

enum {
    NUMBER_BYTES = 1024
}; /* longest number with a decimal comma or thousands; longer ones are text */

enum { NUMBER = MP_SEEN_INT | MP_SEEN_DECIMAL | MP_SEEN_FLOAT };

size_t mp_csv_unquote(char quote, mp_str text, char *out) {
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        out[n++] = text.p[i];
        if (text.p[i] == quote) i++;
    }
    return n;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Thousands marks of the integer part [p, p + n): one to three digits first, then groups of three. */
static bool grouped(const char *p, size_t n, char mark) {
    size_t run = 0, groups = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && is_digit(p[i])) {
            run++;
        } else if (i == n || p[i] == mark) {
            if (groups ? run != 3 : run < 1 || run > 3) return false;
            groups++;
            run = 0;
        } else {
            return false;
        }
    }
    return true;
}

/* The text in plain form (a point, no thousands) to out; 0: it cannot be a number. */
static size_t plain_form(const mp_csv_dialect *d, mp_str text, char *out) {
    const char *p = text.p, *end = p + text.len;
    char point = d->decimal_comma ? ',' : '.';
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (p < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (end - p > NUMBER_BYTES) return 0;
    const char *digits = p + (p < end && *p == '-'), *q = digits;
    while (q < end && (is_digit(*q) || (d->thousands && *q == d->thousands)))
        q++;
    size_t whole = (size_t)(q - digits);
    bool marks = d->thousands && whole && memchr(digits, d->thousands, whole);
    if (marks && !grouped(digits, whole, d->thousands)) return 0;
    size_t n = 0;
    for (const char *s = p; s < end; s++) {
        if (marks && s < q && *s == d->thousands) continue;
        if (*s == '.' && point != '.') return 0;
        out[n++] = *s == point ? '.' : *s;
    }
    return n;
}

static bool dialect_number(const mp_csv_dialect *d, mp_str text, mp_value *out) {
    char plain[NUMBER_BYTES];
    size_t n = plain_form(d, text, plain);
    if (n == 0) return false;
    mp_value_of_text(plain, n, out);
    return (out->e.seen & NUMBER) != 0;
}

static bool format_value(const char *format, mp_str text, mp_value *out) {
    bool has_time;
    int64_t us;
    *out = (mp_value){0};
    if (mp_date_format_check(format, &has_time, NULL) != MP_OK) return false;
    if (!mp_parse_date_format(text.p, text.len, format, &us)) return false;
    out->e.seen = has_time ? MP_SEEN_TS_SPACE : MP_SEEN_DATE;
    out->i = has_time ? us : us / MP_US_PER_DAY;
    return true;
}

void mp_csv_value_of(const mp_csv_dialect *d, mp_str text, bool quoted, bool number_first,
                     mp_value *out) {
    *out = (mp_value){0};
    if (quoted && d->quoted_is_text) {
        const uint8_t dates = MP_SEEN_DATE | MP_SEEN_TS_T | MP_SEEN_TS_SPACE;
        if (d->date_format && format_value(d->date_format, text, out)) return;
        mp_value_of_text(text.p, text.len, out);
        if (!(out->e.seen & dates)) *out = (mp_value){.e.seen = MP_SEEN_STRING};
        return;
    }
    if (!quoted && (text.len == 0 || mp_csv_is_null(d, text))) return;
    if (d->date_format && !number_first && format_value(d->date_format, text, out)) return;
    bool marks = d->decimal_comma || d->thousands;
    if (marks && dialect_number(d, text, out)) return;
    mp_value_of_text(text.p, text.len, out);
    if (marks && out->e.seen & NUMBER) *out = (mp_value){.e.seen = MP_SEEN_STRING};
    if (out->e.seen == MP_SEEN_STRING && d->date_format && number_first &&
        !format_value(d->date_format, text, out))
        *out = (mp_value){.e.seen = MP_SEEN_STRING};
}
