/* csv_indexer.c - runs of records. A scan's positions are the field ends as they stand, when every
 * n-th of them is a newline and no other is: that check is all that regular text costs. At the
 * first irregularity (a ragged, blank or comment line, an odd quote) the rows before it are kept,
 * some lines are taken one by one, and the scan starts afresh.
 * Invariant: rows [0, n_rows) of rec and end are complete; at is the start of a line. */
#include "io/csv/csv_indexer.h"

#include <string.h>

enum {
    RUN_BYTES = 256 * 1024, /* text of a run: what stays in L2 with what is made from it */
    SCAN_BYTES = 16 * 1024, /* text of a scan: what stays in L1 until its rows are checked */
    SCAN_BYTES_MIN = 2048,
    SCAN_BYTES_MAX = 16 * 1024 * 1024,
    SCAN_ROWS =
        16, /* rows of a scan, where they are long: the last one is cut, and scanned again */
    MAX_POSITIONS = 64 * 1024,
    SPLIT_TAIL = 4096, /* bytes behind the split's end that a scan looks at, for its last record */
    STRETCH_MIN = 16,
    STRETCH_MAX = 256
};
static const size_t MAX_RECORD = UINT32_MAX - 4096;

mp_status mp_csv_indexer_init(mp_csv_indexer *ix, const mp_csv_args *args, mp_error *err) {
    *ix = (mp_csv_indexer){.dialect = args->dialect,
                           .scan = mp_csv_scan_choose(mp_simd_level()),
                           .kernels = mp_csv_kernels_choose(mp_simd_level()),
                           .mem = args->mem,
                           .n_columns = args->n_columns,
                           .on_bad_row = args->on_bad_row,
                           .window = SCAN_BYTES,
                           .stretch = STRETCH_MIN};
    size_t n = (size_t)args->n_columns;
    mp_csv_period_make(&ix->period, (uint32_t)n);
    ix->max_pos = (uint32_t)(n > MAX_POSITIONS ? n : MAX_POSITIONS);
    size_t end_bytes = ((size_t)ix->max_pos + MP_CSV_SCAN_SLACK) * sizeof *ix->end;
    size_t row_bytes = (MP_BATCH_ROWS + MP_CSV_SCAN_SLACK) * sizeof *ix->rec;
    ix->end = mp_mem_aligned(ix->mem, 64, end_bytes);
    ix->rec = mp_mem_aligned(ix->mem, 64, row_bytes);
    ix->row_no = mp_mem_aligned(ix->mem, 64, row_bytes);
    ix->dirty = mp_mem_alloc(ix->mem, n);
    if (ix->end && ix->rec && ix->row_no && ix->dirty) return MP_OK;
    mp_csv_indexer_release(ix);
    return mp_mem_error(args->mem, end_bytes + 2 * row_bytes + n, err);
}

void mp_csv_indexer_release(mp_csv_indexer *ix) {
    mp_mem_free(ix->mem, ix->end);
    mp_mem_free(ix->mem, ix->rec);
    mp_mem_free(ix->mem, ix->row_no);
    mp_mem_free(ix->mem, ix->dirty);
    mp_mem_free(ix->mem, ix->flaws);
    mp_mem_free(ix->mem, ix->repaired);
    *ix = (mp_csv_indexer){0};
}

/* What the functions below share while a run is filled. */
typedef struct {
    mp_csv_indexer *ix;
    const mp_csv_text *text;
    size_t at; /* start of the next line */
    mp_csv_run *run;
    bool gaps; /* records were taken out: row_no counts */
    bool quotes;
    bool doubled; /* quotes inside quotes, perhaps */
    int32_t n_rows;
} filling;

/* ---- regular text ---- */

/* How many of the rows are regular: exactly one newline, at the last position, and no comment. */
static uint32_t count_regular(const mp_csv_indexer *ix, const uint8_t *base, const uint32_t *end,
                              const uint32_t *rec, uint32_t n_rows) {
    uint32_t n = (uint32_t)ix->n_columns;
    for (uint32_t r = 0; r < n_rows; r++, end += n) {
        if (ix->dialect->comment && base[rec[r]] == (uint8_t)ix->dialect->comment) return r;
        for (uint32_t c = 0; c + 1 < n; c++)
            if (base[end[c]] == '\n') return r;
        if (base[end[n - 1]] != '\n') return r;
    }
    return n_rows;
}

/* Row starts from the ends of the rows before. */
static void start_rows(const mp_csv_indexer *ix, const uint32_t *end, uint32_t first,
                       uint32_t n_rows, uint32_t *rec) {
    const size_t n = (size_t)ix->n_columns;
    rec[0] = first;
    if (ix->kernels) {
        ix->kernels->starts(end, (uint32_t)n, n_rows, rec);
        return;
    }
    const uint32_t *last = end + (n - 1);
    for (uint32_t r = 0; r < n_rows; r++, last += n)
        rec[r + 1] = *last + 1;
}

/* Is every row's last position a newline? */
static bool end_with_newlines(const uint8_t *base, const uint32_t *end, size_t n, uint32_t n_rows) {
    uint32_t other = 0;
    const uint32_t *last = end + (n - 1);
    for (uint32_t r = 0; r < n_rows; r++, last += n)
        other |= (uint32_t)(base[*last] ^ '\n');
    return other == 0;
}

/* No newline is missing or in a wrong place among the positions of a scan, and no row is a comment.
 */
static bool rows_are_regular(const mp_csv_indexer *ix, const mp_csv_scan *s, const uint32_t *rec,
                             uint32_t n_rows) {
    const uint8_t comment = (uint8_t)ix->dialect->comment;
    uint32_t n_comments = 0;
    if (comment)
        for (uint32_t r = 0; r < n_rows; r++)
            n_comments += s->base[rec[r]] == comment;
    if (n_comments > 0) return false;
    if (s->regular_known) return s->regular;
    return end_with_newlines(s->base, s->pos, (size_t)ix->n_columns, n_rows);
}

static void trim_crs(const uint8_t *base, uint32_t n, const uint32_t *rec, uint32_t *end,
                     uint32_t n_rows) {
    for (uint32_t r = 0; r < n_rows; r++, end += n)
        if (end[n - 1] > rec[r] && base[end[n - 1] - 1] == '\r') end[n - 1]--;
}

/* Adapt to what the scan met, so that text with many odd lines, or with long ones, is not scanned
 * over and over. */
static void adapt(mp_csv_indexer *ix, uint32_t n_rows, bool regular, bool was_short) {
    if (!regular) {
        ix->by_line = ix->stretch;
        if (ix->stretch < STRETCH_MAX) ix->stretch *= 2;
        ix->window = SCAN_BYTES_MIN;
        return;
    }
    size_t most = n_rows == 0 ? SCAN_BYTES_MAX : n_rows < SCAN_ROWS ? RUN_BYTES : SCAN_BYTES;
    if (was_short && ix->window < most)
        ix->window *= 2;
    else if (n_rows == 0)
        ix->by_line = 1;
    if (ix->window >= SCAN_BYTES) ix->stretch = STRETCH_MIN;
    if (n_rows > 4 * SCAN_ROWS && ix->window > SCAN_BYTES) ix->window = SCAN_BYTES;
}

static void fill_by_scan(filling *f) {
    mp_csv_indexer *ix = f->ix;
    const uint8_t *base = f->text->bytes + f->run->first;
    const uint32_t n = (uint32_t)ix->n_columns;
    const uint32_t n_rows = (uint32_t)f->n_rows;
    uint32_t from = (uint32_t)(f->at - f->run->first);
    size_t avail = f->text->len - f->at;
    size_t in_split = f->text->split_len - f->at; /* > 0 */
    if (in_split < avail && avail - in_split > SPLIT_TAIL) avail = in_split + SPLIT_TAIL;
    size_t take = avail < ix->window ? avail : ix->window;
    uint32_t *end = ix->end + (size_t)n_rows * n, *rec = ix->rec + n_rows;
    mp_csv_scan s = {.base = base,
                     .from = from,
                     .to = from + (uint32_t)take,
                     .delimiter = (uint8_t)ix->dialect->delimiter,
                     .quote = (uint8_t)ix->dialect->quote,
                     .pos = end,
                     .max_pos = ix->max_pos - n_rows * n,
                     .max_lines = MP_BATCH_ROWS - n_rows,
                     .period = &ix->period};
    ix->scan(&s);
    uint32_t rows = s.n_pos / n;
    bool regular = !s.odd && s.n_lines == rows;
    /* the last block may pass max_lines; more rows than that are none, and rec has no room */
    if (rows > s.max_lines + 64) rows = s.max_lines;
    start_rows(ix, end, from, rows, rec);
    if (s.n_lines != rows || !rows_are_regular(ix, &s, rec, rows)) {
        rows = count_regular(ix, base, end, rec, rows);
        regular = false;
    }
    if (rows > s.max_lines) rows = s.max_lines;
    while (rows > 0 && rec[rows - 1] - from >= in_split)
        rows--;
    adapt(ix, rows, regular, take < avail);
    if (rows == 0) return;
    f->at = f->run->first + end[(size_t)rows * n - 1] + 1;
    ix->last_line = f->run->first + rec[rows - 1];
    if (s.crs) trim_crs(base, n, rec, end, rows);
    if (f->gaps)
        for (uint32_t r = 0; r < rows; r++)
            ix->row_no[n_rows + r] = f->run->n_records + r;
    f->run->n_records += rows;
    f->n_rows += (int32_t)rows;
    f->quotes = f->quotes || s.quotes;
    f->doubled = f->doubled || s.doubled;
}

/* ---- line by line ---- */

static mp_status add_flaw(filling *f, const mp_csv_line *line, mp_error *err) {
    mp_csv_indexer *ix = f->ix;
    if (ix->n_flaws == ix->cap_flaws) {
        uint32_t cap = ix->cap_flaws ? ix->cap_flaws * 2 : 64;
        mp_csv_flaw *more = mp_mem_realloc(ix->mem, ix->flaws, cap * sizeof *more);
        if (!more) return mp_mem_error(ix->mem, cap * sizeof *more, err);
        ix->flaws = more;
        ix->cap_flaws = cap;
    }
    ix->flaws[ix->n_flaws++] = (mp_csv_flaw){.record = f->run->n_records,
                                             .start = f->at,
                                             .len = line->text_len,
                                             .n_fields = line->dirty >= 0 ? -1 : line->n_fields};
    return MP_OK;
}

/* Rows before this one keep their numbers, from here on row_no differs from the row. */
static void begin_gaps(filling *f) {
    if (f->gaps) return;
    f->gaps = true;
    for (int32_t r = 0; r < f->n_rows; r++)
        f->ix->row_no[r] = (uint32_t)r;
}

static void add_row(filling *f, const mp_csv_line *line) {
    mp_csv_indexer *ix = f->ix;
    size_t n = (size_t)ix->n_columns;
    uint32_t *end = ix->end + (size_t)f->n_rows * n;
    for (size_t c = (size_t)line->n_fields; c < n; c++)
        end[c] = end[line->n_fields - 1];
    ix->rec[f->n_rows] = (uint32_t)(f->at - f->run->first);
    ix->row_no[f->n_rows] = f->run->n_records;
    f->n_rows++;
    f->quotes = f->quotes || line->quotes;
    f->doubled = f->doubled || line->quotes;
}

/* The record at f->at with its dirty fields emptied, as a run of its own whose base is the copy. */
static mp_status add_repaired(filling *f, const mp_csv_line *line, mp_error *err) {
    mp_csv_indexer *ix = f->ix;
    size_t need = line->text_len + 2 * 64;
    if (need > ix->cap_repaired) {
        uint8_t *more = mp_mem_realloc(ix->mem, ix->repaired, need);
        if (!more) return mp_mem_error(ix->mem, need, err);
        ix->repaired = more;
        ix->cap_repaired = need;
    }
    memset(ix->repaired, 0, need);
    const uint8_t *from = f->text->bytes + f->at;
    uint8_t *to = ix->repaired + 64;
    uint32_t len = 0, start = 0;
    for (int c = 0; c < ix->n_columns && c < line->n_fields; c++) {
        uint32_t end = ix->end[c];
        if (c > 0) to[len++] = (uint8_t)ix->dialect->delimiter;
        if (!ix->dirty[c] && end > start) {
            memcpy(to + len, from + start, end - start);
            len += end - start;
        }
        start = end + 1;
        ix->end[c] = len;
    }
    add_row(f, line);
    f->run->index.base = to;
    return MP_OK;
}

static void stop_bad(filling *f, mp_csv_bad_kind kind, const mp_csv_line *line) {
    f->run->stop = MP_CSV_RUN_BAD;
    f->run->bad = kind;
    f->run->bad_n_fields = line->n_fields;
    f->run->bad_column = line->dirty;
}

static void stop_cut(filling *f, bool too_long, const mp_csv_line *line) {
    if (!too_long)
        f->run->stop = MP_CSV_RUN_BYTES;
    else if (f->at > f->run->first)
        f->run->stop = MP_CSV_RUN_FULL; /* it may fit a run of its own */
    else
        stop_bad(f, MP_CSV_BAD_TOO_LONG, line);
}

/* A record of bad form under skip or null. *stop: the run ends with it or before it. */
static mp_status fill_bad(filling *f, const mp_csv_line *line, bool *stop, mp_error *err) {
    mp_csv_indexer *ix = f->ix;
    bool repair = ix->on_bad_row == MP_BAD_ROW_NULL && line->dirty >= 0;
    if (repair && (f->at > f->run->first || f->n_rows > 0)) {
        *stop = true;
        f->run->stop = MP_CSV_RUN_FULL;
        return MP_OK;
    }
    mp_status st = add_flaw(f, line, err);
    if (st != MP_OK) return st;
    if (repair) {
        *stop = true;
        f->run->stop = MP_CSV_RUN_FULL;
        st = add_repaired(f, line, err);
    } else if (ix->on_bad_row == MP_BAD_ROW_NULL) {
        add_row(f, line);
    } else {
        begin_gaps(f);
    }
    f->run->n_records++;
    ix->last_line = f->at;
    f->at += line->next;
    return st;
}

static mp_status fill_line(filling *f, bool *stop, mp_error *err) {
    mp_csv_indexer *ix = f->ix;
    size_t from = f->at - f->run->first;
    size_t avail = f->text->len - f->at, n = avail;
    if (n > MAX_RECORD - from) n = MAX_RECORD - from;
    const uint8_t *p = f->text->bytes + f->at;
    mp_csv_line line;
    mp_csv_line_parse(ix->dialect, p, n, f->text->at_eof && n == avail, ix->n_columns,
                      (uint32_t)from, ix->end + (size_t)f->n_rows * (size_t)ix->n_columns,
                      ix->dirty, &line);
    bool data = line.kind == MP_CSV_LINE_DATA;
    *stop = true;
    if (line.kind == MP_CSV_LINE_CUT) {
        stop_cut(f, n < avail, &line);
        return MP_OK;
    }
    if (line.kind == MP_CSV_LINE_OPEN) {
        stop_bad(f, MP_CSV_BAD_OPEN, &line);
        return MP_OK;
    }
    if (data && memchr(p, 0, line.text_len)) {
        stop_bad(f, MP_CSV_BAD_NUL, &line);
        return MP_OK;
    }
    if (data && (line.n_fields != ix->n_columns || line.dirty >= 0)) {
        if (ix->on_bad_row == MP_BAD_ROW_FAIL) {
            stop_bad(f, line.dirty >= 0 ? MP_CSV_BAD_QUOTE : MP_CSV_BAD_FIELDS, &line);
            return MP_OK;
        }
        *stop = false;
        return fill_bad(f, &line, stop, err);
    }
    *stop = false;
    if (data) {
        add_row(f, &line);
        f->run->n_records++;
    }
    ix->last_line = f->at;
    f->at += line.next;
    return MP_OK;
}

mp_status mp_csv_indexer_fill(mp_csv_indexer *ix, const mp_csv_text *text, size_t *at,
                              mp_csv_run *run, mp_error *err) {
    *run = (mp_csv_run){.first = *at};
    run->index.base = text->bytes + *at;
    filling f = {.ix = ix, .text = text, .at = *at, .run = run};
    ix->n_flaws = 0;
    bool stop = false;
    mp_status st = MP_OK;
    while (!stop && st == MP_OK) {
        if (f.at >= text->split_len) {
            run->stop = MP_CSV_RUN_END;
            break;
        }
        if (f.at >= text->len) {
            run->stop = text->at_eof ? MP_CSV_RUN_END : MP_CSV_RUN_BYTES;
            break;
        }
        size_t next_end = ((size_t)f.n_rows + 1) * (size_t)ix->n_columns;
        if (f.n_rows >= MP_BATCH_ROWS || next_end > ix->max_pos || f.at - run->first >= RUN_BYTES) {
            run->stop = MP_CSV_RUN_FULL;
            break;
        }
        if (ix->by_line == 0) {
            fill_by_scan(&f);
        } else {
            ix->by_line--;
            st = fill_line(&f, &stop, err);
        }
    }
    *at = f.at;
    run->index.n_rows = f.n_rows;
    run->index.n_columns = ix->n_columns;
    run->index.rec = ix->rec;
    run->index.end = ix->end;
    run->index.row_no = f.gaps ? ix->row_no : NULL;
    run->index.has_quotes = f.quotes;
    run->index.plain_quotes = !f.doubled;
    return st;
}
