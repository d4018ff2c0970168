/* csv_read.c - the reader of splits: runs of the indexer to batches of csv_rows, and where the
 * split ended. Invariant: all places are offsets into the text, so the bytes may move when the text
 * is extended; at is the start of a line, n_records the data records of the split before it. */
#include "io/csv_indexer.h"
#include "io/csv_rows.h"

struct mp_csv_reader {
    mp_csv_args args;
    mp_csv_indexer indexer;
    mp_csv_rows rows;
    mp_csv_text text;
    size_t at;
    int64_t n_records;
    int64_t n_bad_before; /* of rows.n_bad: of earlier splits */
    bool found;           /* at is a place: the split has a record start */
    mp_csv_state exit;
    bool exit_known;
};

mp_status mp_csv_reader_new(const mp_csv_args *args, mp_csv_reader **out, mp_error *err) {
    *out = NULL;
    mp_csv_reader *r = mp_mem_calloc(args->mem, 1, sizeof *r);
    if (!r) return mp_mem_error(args->mem, sizeof *r, err);
    r->args = *args;
    mp_status st = mp_csv_indexer_init(&r->indexer, &r->args, err);
    if (st == MP_OK) st = mp_csv_rows_init(&r->rows, &r->args, err);
    if (st == MP_OK)
        *out = r;
    else
        mp_csv_reader_free(&r);
    return st;
}

void mp_csv_reader_free(mp_csv_reader **r) {
    if (!*r) return;
    mp_mem *mem = (*r)->args.mem;
    mp_csv_indexer_release(&(*r)->indexer);
    mp_csv_rows_release(&(*r)->rows);
    mp_mem_free(mem, *r);
    *r = NULL;
}

static size_t in_split(const mp_csv_text *t) {
    return t->split_len < t->len ? t->split_len : t->len;
}

/* Look on for the first record start, from state r->exit at r->at. */
static void find_first(mp_csv_reader *r) {
    size_t n = in_split(&r->text);
    int64_t first =
        mp_csv_find_record(r->args.dialect, r->text.bytes + r->at, n - r->at, r->exit, &r->exit);
    r->found = first >= 0;
    r->at = r->found ? r->at + (size_t)first : n;
    r->indexer.last_line = r->at;
}

mp_status mp_csv_reader_begin(mp_csv_reader *r, const mp_csv_text *text, mp_error *err) {
    if ((int)text->entry < 0 || text->entry >= MP_CSV_STATES)
        return mp_error_set(err, MP_FAILED, NULL, "no such state of a CSV text: %d",
                            (int)text->entry);
    r->text = *text;
    r->at = 0;
    r->n_records = 0;
    r->n_bad_before = r->rows.n_bad;
    r->exit = text->entry;
    r->exit_known = false;
    find_first(r);
    return MP_OK;
}

mp_status mp_csv_reader_extend(mp_csv_reader *r, const uint8_t *bytes, size_t len, bool at_eof,
                               mp_error *err) {
    if (len < r->text.len)
        return mp_error_set(err, MP_FAILED, NULL,
                            "a split's text was extended from %zu to %zu bytes", r->text.len, len);
    r->text.bytes = bytes;
    r->text.len = len;
    r->text.at_eof = at_eof;
    if (!r->found) find_first(r);
    return MP_OK;
}

static mp_status record_error(const mp_csv_reader *r, const mp_csv_run *run, mp_error *err) {
    char why[96];
    const char *column = NULL;
    int64_t c = run->bad_column;
    switch (run->bad) {
    case MP_CSV_BAD_NUL:
        mp_error_set(err, MP_DATA, NULL, "NUL byte");
        break;
    case MP_CSV_BAD_OPEN:
        mp_error_set(err, MP_DATA, NULL, "quote never closed");
        break;
    case MP_CSV_BAD_TOO_LONG:
        mp_error_set(err, MP_DATA, NULL, "record longer than 4 GiB");
        mp_error_hint(err, "a quote that is never closed makes one record of all that follows");
        break;
    case MP_CSV_BAD_FIELDS:
    case MP_CSV_BAD_QUOTE:
        mp_csv_flaw_reason(run->bad == MP_CSV_BAD_QUOTE ? -1 : run->bad_n_fields, r->args.n_columns,
                           why, sizeof why);
        mp_error_set(err, MP_DATA, NULL, "%s", why);
        for (int i = 0; i < r->args.n_wanted && run->bad == MP_CSV_BAD_QUOTE && !column; i++)
            if (r->args.wanted[i].c == c) column = r->args.wanted[i].name;
        if (column) mp_error_column(err, column);
        mp_error_hint(err, "--on-bad-row skip leaves such rows out");
        break;
    }
    mp_error_place(err, r->text.file_no, r->text.begin + (int64_t)r->at, r->text.split,
                   r->n_records);
    return MP_DATA;
}

/* The state at split_len, from the last line that starts before it. */
static void find_exit(mp_csv_reader *r) {
    size_t n = in_split(&r->text);
    r->exit_known = true;
    if (!r->found) return;
    size_t from = r->indexer.last_line;
    r->exit =
        mp_csv_walk(r->args.dialect, r->text.bytes + from, n - from, MP_CSV_RECORD_START, NULL);
}

mp_status mp_csv_reader_next(mp_csv_reader *r, mp_batch *out, bool *more, bool *need_bytes,
                             mp_error *err) {
    *out = (mp_batch){.file_no = r->text.file_no, .first_row = r->n_records};
    *more = true;
    *need_bytes = false;
    if (!r->found) {
        *need_bytes = r->text.len < r->text.split_len && !r->text.at_eof;
        *more = *need_bytes;
        if (!*more) find_exit(r);
        return MP_OK;
    }
    mp_csv_run run;
    size_t at = r->at;
    mp_status st = mp_csv_indexer_fill(&r->indexer, &r->text, &at, &run, err);
    if (st != MP_OK) return st;
    bool empty = at == r->at;
    if (empty && run.stop == MP_CSV_RUN_BAD) return record_error(r, &run, err);
    r->at = at;
    if (empty) {
        *need_bytes = run.stop == MP_CSV_RUN_BYTES;
        *more = *need_bytes;
        if (!*more) find_exit(r);
        return MP_OK;
    }
    int64_t first_row = r->n_records;
    r->n_records += run.n_records;
    return mp_csv_rows_make(&r->rows, &r->text, &run, r->indexer.flaws, r->indexer.n_flaws,
                            first_row, out, err);
}

bool mp_csv_reader_misfit(const mp_csv_reader *r) {
    return r->rows.misfit;
}

void mp_csv_reader_end(const mp_csv_reader *r, mp_csv_end *out) {
    *out = (mp_csv_end){.exit = r->exit,
                        .exit_known = r->exit_known,
                        .n_records = r->n_records,
                        .n_bad = r->rows.n_bad - r->n_bad_before};
}

const mp_evidence *mp_csv_reader_seen(const mp_csv_reader *r) {
    return r->rows.seen;
}
