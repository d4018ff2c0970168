/* csv_record.c - one line of CSV text by the state machine. */
#include "io/csv/csv_record.h"

#include <string.h>

/* Behind the closing quote of the field whose opening quote is p[i]; 0: the text ends before it. */
static size_t skip_quoted(const uint8_t *p, size_t n, size_t i, char quote) {
    i++;
    while (i < n) {
        const uint8_t *q = memchr(p + i, quote, n - i);
        if (!q) return 0;
        i = (size_t)(q - p) + 1;
        if (i == n || p[i] != (uint8_t)quote) return i;
        i++;
    }
    return 0;
}

/* May a field end at p[i], right behind its closing quote? At the end of the text: yes. */
static bool clean_end(const uint8_t *p, size_t n, size_t i, uint8_t delimiter) {
    if (i == n || p[i] == delimiter || p[i] == '\n') return true;
    return p[i] == '\r' && i + 1 < n && p[i + 1] == '\n';
}

/* Blank and comment lines; false: a line of data. */
static bool parse_empty(const mp_csv_dialect *d, const uint8_t *p, size_t n, bool at_eof,
                        int n_columns, mp_csv_line *out) {
    bool blank = p[0] == '\n' || (p[0] == '\r' && n > 1 && p[1] == '\n');
    if (blank && n_columns > 1) {
        out->kind = MP_CSV_LINE_BLANK;
        out->next = p[0] == '\n' ? 1 : 2;
        return true;
    }
    if (blank || !d->comment || p[0] != (uint8_t)d->comment) return false;
    const uint8_t *lf = memchr(p, '\n', n);
    out->kind = lf || at_eof ? MP_CSV_LINE_COMMENT : MP_CSV_LINE_CUT;
    out->next = lf ? (size_t)(lf - p) + 1 : n;
    out->text_len = lf ? (size_t)(lf - p) : n;
    return true;
}

void mp_csv_line_parse(const mp_csv_dialect *d, const uint8_t *p, size_t n, bool at_eof,
                       int n_columns, uint32_t bias, uint32_t *end, uint8_t *dirty,
                       mp_csv_line *out) {
    const uint8_t delimiter = (uint8_t)d->delimiter;
    *out = (mp_csv_line){.kind = MP_CSV_LINE_DATA, .dirty = -1};
    if (parse_empty(d, p, n, at_eof, n_columns, out)) return;
    for (size_t i = 0;; i++) {
        bool is_dirty = false;
        size_t start = i;
        if (d->quote && i < n && p[i] == (uint8_t)d->quote) {
            out->quotes = true;
            i = skip_quoted(p, n, i, d->quote);
            if (i == 0) {
                out->kind = at_eof ? MP_CSV_LINE_OPEN : MP_CSV_LINE_CUT;
                return;
            }
            is_dirty = !clean_end(p, n, i, delimiter);
        }
        while (i < n && p[i] != delimiter && p[i] != '\n')
            i++;
        if (i == n && !at_eof) {
            out->kind = MP_CSV_LINE_CUT;
            return;
        }
        bool last = i == n || p[i] == '\n';
        size_t stop = last && i < n && i > start && p[i - 1] == '\r' ? i - 1 : i;
        if (out->n_fields < n_columns) {
            end[out->n_fields] = bias + (uint32_t)stop;
            if (dirty) dirty[out->n_fields] = is_dirty;
        }
        if (is_dirty && out->dirty < 0) out->dirty = out->n_fields;
        out->n_fields++;
        if (!last) continue;
        out->text_len = stop;
        out->next = i < n ? i + 1 : n;
        return;
    }
}
