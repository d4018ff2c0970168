/* csv_oracle.h - CSV text to rows by a plain parser, byte by byte: what the reader must give.
 * Rows are written as "@offset#number:", then for each field "~;" for a null or "length:text;".
 * Rejects are written as
 * "@offset#number+length reason". */
#ifndef CSV_ORACLE_H
#define CSV_ORACLE_H

#include <stdio.h>

#include "csv_case.h"

typedef struct {
    mp_buf rows, rejects;
    bool failed;
    int64_t offset, row; /* of the error */
    char why[64];
    int64_t n_records;
} result;

static inline void result_init(result *r) {
    *r = (result){.offset = -1, .row = -1};
    mp_buf_init(&r->rows, NULL);
    mp_buf_init(&r->rejects, NULL);
}

static inline void result_free(result *r) {
    mp_buf_release(&r->rows);
    mp_buf_release(&r->rejects);
}

static inline void put_field(mp_buf *b, const void *p, size_t n, bool is_null) {
    if (is_null) {
        mp_buf_printf(b, "~;");
        return;
    }
    mp_buf_printf(b, "%zu:", n);
    mp_buf_put(b, p, n);
    mp_buf_put(b, ";", 1);
}

typedef struct {
    mp_buf fields; /* as written to rows, the first n_columns */
    int64_t n;
    bool dirty, open;
    size_t next, text_end;

} parsed;

static inline void parse_plainly(const mp_csv_dialect *d, const uint8_t *p, size_t n, size_t i,
                                 int n_columns, parsed *r) {
    mp_buf f;
    mp_buf_init(&f, NULL);
    bool more = true;
    *r = (parsed){.fields = r->fields};
    mp_buf_clear(&r->fields);
    while (more) {
        mp_buf_clear(&f);
        bool quoted = d->quote && i < n && p[i] == (uint8_t)d->quote, dirty = false;
        if (quoted) {
            i++;
            while (true) {
                if (i >= n) {
                    r->open = true;
                    mp_buf_release(&f);
                    return;
                }
                if (p[i] == (uint8_t)d->quote && (i + 1 >= n || p[i + 1] != (uint8_t)d->quote))
                    break;
                if (p[i] == (uint8_t)d->quote) i++;
                mp_buf_put(&f, &p[i++], 1);
            }
            i++;
        }
        size_t rest = i;
        while (i < n && p[i] != (uint8_t)d->delimiter && p[i] != '\n')
            mp_buf_put(&f, &p[i++], 1);
        more = i < n && p[i] == (uint8_t)d->delimiter;
        bool cr = i < n && p[i] == '\n' && i > rest && p[i - 1] == '\r';
        if (cr) f.len--;
        dirty = quoted && i - rest > (cr ? 1 : 0);
        r->dirty = r->dirty || dirty;
        if (r->n < n_columns)
            put_field(&r->fields, f.data, f.len, dirty || (!quoted && f.len == 0));
        r->n++;
        r->text_end = i - (cr ? 1 : 0);
        r->next = i < n ? i + 1 : n;
        i++;
    }
    for (int64_t c = r->n; c < n_columns; c++)
        put_field(&r->fields, NULL, 0, true);
    mp_buf_release(&f);
}

static inline void fail_at(result *r, size_t at, const char *why) {
    r->failed = true;
    r->offset = (int64_t)at;
    r->row = r->n_records;
    snprintf(r->why, sizeof r->why, "%s", why);
}

/* All of a text. filter: rows whose first field is "b" are left out. */
static inline void oracle_read(const mp_csv_dialect *d, const uint8_t *p, size_t n, int n_columns,
                               mp_bad_row mode, bool filter, result *r) {
    parsed line = {0};
    mp_buf_init(&line.fields, NULL);
    for (size_t i = 0; i < n && !r->failed; i = line.next) {
        bool lf = p[i] == '\n', crlf = i + 1 < n && p[i] == '\r' && p[i + 1] == '\n';
        bool blank = n_columns > 1 && (lf || crlf);
        bool comment = d->comment && p[i] == (uint8_t)d->comment && !lf;
        line.next = i + (lf ? 1 : 2);
        if (comment)
            for (line.next = i; line.next < n && p[line.next++] != '\n';) {
            }
        if (blank || comment) continue;
        parse_plainly(d, p, n, i, n_columns, &line);
        char why[64] = "";
        if (line.n != n_columns)
            snprintf(why, sizeof why, "%d field%s instead of %d", (int)line.n,
                     line.n == 1 ? "" : "s", n_columns);
        if (line.dirty) snprintf(why, sizeof why, "text behind a closing quote");
        if (line.open || memchr(p + i, 0, line.text_end - i)) {
            fail_at(r, i, line.open ? "quote never closed" : "NUL byte");
        } else if (why[0] && mode == MP_BAD_ROW_FAIL) {
            fail_at(r, i, why);
        } else {
            if (why[0])
                mp_buf_printf(&r->rejects, "@%zu#%d+%zu %s\n", i, (int)r->n_records,
                              line.text_end - i, why);
            bool in = !why[0] || mode == MP_BAD_ROW_NULL;
            if (filter && memcmp(line.fields.data, "1:b", 3) == 0) in = false;
            if (in) {
                mp_buf_printf(&r->rows, "@%zu#%d:", i, (int)r->n_records);
                mp_buf_put(&r->rows, line.fields.data, line.fields.len);
            }
            r->n_records++;
        }
    }
    mp_buf_release(&line.fields);
}

/* ---- where a reader under test puts its rejects ---- */

typedef struct {
    result *r;
    int64_t records_before;
} csv_sink;

static inline mp_status csv_on_reject(void *ctx, int64_t row, int64_t offset, mp_str record,
                                      const char *reason, mp_error *err) {
    csv_sink *s = ctx;
    (void)err;
    mp_buf_printf(&s->r->rejects, "@%d#%d+%u %s\n", (int)offset, (int)(row + s->records_before),
                  record.len, reason);
    return MP_OK;
}

#endif
