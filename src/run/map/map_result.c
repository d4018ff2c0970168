/* map_result.c - a command's output as a table, while it comes in pieces: where its header ends, and
 * whether every row has the fields of the header.
 * Invariant: the header is the first record, quotes and all; its hash leaves out how the line ends. What is
 * no table here is none for whoever reads the output later. */
#include <inttypes.h>

#include "base/hash.h"
#include "run/map/map_priv.h"

enum { HEAD_MOST = 1 << 20 };

void mp_map_head_begin(mp_map_job *j) {
    mp_buf_clear(&j->head);
    j->head_done = false;
    j->rows = (mp_map_rows){0};
    j->last_byte = '\n';
}

/* ---- records ---- */

/* Blank lines are no rows where there is more than one column. */
static void end_record(mp_map_rows *r) {
    bool blank = !r->filled && r->n_commas == 0;
    if (r->width == 0)
        r->width = r->n_commas + 1;
    else if (!blank || r->width == 1)
        r->n_rows++;
    bool wrong = r->n_commas + 1 != r->width && !blank;
    if (wrong && !r->ragged) {
        r->ragged = r->n_rows;
        r->ragged_width = r->n_commas + 1;
    }
    r->n_commas = 0;
    r->filled = false;
    r->state = MP_CSV_RECORD_START;
}

static void take_byte(mp_map_rows *r, uint8_t c) {
    bool quoted = r->state == MP_CSV_IN_QUOTES;
    bool start = r->state == MP_CSV_RECORD_START || r->state == MP_CSV_FIELD_START;
    if (c != '\r' && c != '\n') r->filled = true;
    if (quoted) {
        if (c == '"') r->state = MP_CSV_AFTER_QUOTE;
    } else if (c == '\n') {
        end_record(r);
    } else if (c == ',') {
        r->n_commas++;
        r->state = MP_CSV_FIELD_START;
    } else if (c == '"' && (start || r->state == MP_CSV_AFTER_QUOTE)) {
        r->state = MP_CSV_IN_QUOTES;
    } else if (r->state != MP_CSV_AFTER_QUOTE) {
        r->state = MP_CSV_IN_FIELD;
    } else if (c != '\r') {
        if (!r->ragged && r->width > 0) r->ragged = r->n_rows + 1;
        r->state = MP_CSV_IN_FIELD;
    }
}

/* The front of a line, or all of it with its newline, without a quote. */
static void take_plain(mp_map_rows *r, const uint8_t *p, size_t n) {
    int64_t commas = 0;
    bool ends = p[n - 1] == '\n';
    size_t len = ends ? n - 1 : n;
    for (size_t i = 0; i < len; i++)
        commas += p[i] == ',';
    r->n_commas += commas;
    if (len > 1 || (len == 1 && p[0] != '\r')) r->filled = true;
    if (len > 0) r->state = p[len - 1] == ',' ? MP_CSV_FIELD_START : MP_CSV_IN_FIELD;
    if (ends) end_record(r);
}

static void take_rows(mp_map_rows *r, const uint8_t *p, size_t n) {
    const uint8_t *quote = memchr(p, '"', n);
    while (n > 0) {
        const uint8_t *end = memchr(p, '\n', n);
        size_t len = end ? (size_t)(end - p) + 1 : n;
        bool open = r->state == MP_CSV_IN_QUOTES || r->state == MP_CSV_AFTER_QUOTE;
        if (!open && (!quote || quote >= p + len)) {
            take_plain(r, p, len);
        } else {
            for (size_t i = 0; i < len; i++)
                take_byte(r, p[i]);
            if (quote && quote < p + len) quote = memchr(p + len, '"', n - len);
        }
        p += len;
        n -= len;
    }
}

static void take(mp_map_job *j, const uint8_t *bytes, size_t n) {
    size_t at = 0;
    for (; !j->head_done && at < n; at++) {
        take_byte(&j->rows, bytes[at]);
        j->head_done = j->rows.width > 0;
    }
    if (at > 0 && j->head.len <= HEAD_MOST) mp_buf_put(&j->head, bytes, at);
    if (at < n && !j->plugin) take_rows(&j->rows, bytes + at, n - at);
}

void mp_map_head_take(mp_map_job *j, const uint8_t *bytes, size_t n) {
    if (!j->headed || n == 0) return;
    j->last_byte = bytes[n - 1];
    const uint8_t *nul = j->rows.nul ? NULL : memchr(bytes, 0, n);
    size_t before = nul ? (size_t)(nul - bytes) : 0;
    if (before > 0) take(j, bytes, before);
    if (nul) j->rows.nul_row = j->head_done ? j->rows.n_rows + 1 : 0;
    j->rows.nul = j->rows.nul || nul;
    take(j, bytes + before, n - before);
}

/* ---- the end ---- */

static bool is_no_table(mp_unit_record *r, mp_unit_bad bad) {
    r->outcome = MP_UNIT_BAD;
    r->bad = (int32_t)bad;
    return false;
}

bool mp_map_head_end(mp_map_job *j, int64_t len, mp_unit_record *r) {
    size_t n = j->head.len;
    if (!j->headed || len == 0) return true;
    if (j->rows.nul) return is_no_table(r, MP_BAD_NUL);
    if (n > HEAD_MOST || j->head.failed || !j->head_done) return is_no_table(r, MP_BAD_LONG_HEADER);
    if (j->rows.ragged) return is_no_table(r, MP_BAD_ROW);
    if (j->rows.state == MP_CSV_IN_QUOTES) return is_no_table(r, MP_BAD_OPEN_QUOTE);
    r->head_len = (int64_t)n;
    while (n > 0 && (j->head.data[n - 1] == '\n' || j->head.data[n - 1] == '\r'))
        n--;
    r->head_hash = mp_hash_bytes(j->head.data, n);
    return true;
}

void mp_map_head_why(const mp_map_job *j, const mp_unit_record *r, mp_buf *out) {
    const mp_map_rows *rows = &j->rows;
    mp_buf_printf(out, "mpart: the output is no CSV table: ");
    if (r->bad == MP_BAD_LONG_HEADER)
        mp_buf_printf(out, "its header does not end");
    else if (r->bad == MP_BAD_NUL && rows->nul_row == 0)
        mp_buf_printf(out, "its header has a NUL byte");
    else if (r->bad == MP_BAD_NUL)
        mp_buf_printf(out, "row %" PRId64 " has a NUL byte", rows->nul_row);
    else if (r->bad == MP_BAD_OPEN_QUOTE)
        mp_buf_printf(out, "a quote is never closed");
    else if (rows->ragged_width)
        mp_buf_printf(out, "row %" PRId64 " has %" PRId64 " field%s, its header %" PRId64,
                      rows->ragged, rows->ragged_width, rows->ragged_width == 1 ? "" : "s",
                      rows->width);
    else
        mp_buf_printf(out, "row %" PRId64 " has text behind a closing quote", rows->ragged);
}
