/* csv_read.c - the reader of splits: runs of the indexer to batches of csv_rows, and where the
 * split ended. */
#include "io/csv/csv_indexer.h"
#include "io/csv/csv_place.h"
#include "io/csv/csv_rows.h"

struct mp_csv_reader {
    mp_csv_args args;
    mp_csv_indexer indexer;
    mp_csv_rows rows;
    mp_csv_place place;
    int64_t n_bad_before; /* of rows.n_bad: of earlier splits */
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

/* Where the first record starts, the indexer has gone through nothing yet. */
static void note_first(mp_csv_reader *r) {
    r->indexer.last_line = r->place.at;
}

mp_status mp_csv_reader_begin(mp_csv_reader *r, const mp_csv_text *text, mp_error *err) {
    mp_status st = mp_csv_place_begin(&r->place, r->args.dialect, text, err);
    r->n_bad_before = r->rows.n_bad;
    note_first(r);
    return st;
}

mp_status mp_csv_reader_extend(mp_csv_reader *r, const uint8_t *bytes, size_t len, bool at_eof,
                               mp_error *err) {
    bool found = r->place.found;
    mp_status st = mp_csv_place_extend(&r->place, bytes, len, at_eof, err);
    if (!found) note_first(r);
    return st;
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
    mp_error_place(err, r->place.text.file_no, r->place.text.begin + (int64_t)r->place.at,
                   r->place.text.split, r->place.n_records);
    return MP_DATA;
}

/* The state at split_len, from the last line that starts before it. */
static void find_exit(mp_csv_reader *r) {
    size_t n = mp_csv_place_in_split(&r->place);
    r->place.exit_known = true;
    if (!r->place.found) return;
    size_t from = r->indexer.last_line;
    r->place.exit = mp_csv_walk(r->args.dialect, r->place.text.bytes + from, n - from,
                                MP_CSV_RECORD_START, NULL);
}

mp_status mp_csv_reader_next(mp_csv_reader *r, mp_batch *out, bool *more, bool *need_bytes,
                             mp_error *err) {
    *out = (mp_batch){.file_no = r->place.text.file_no, .first_row = r->place.n_records};
    *more = true;
    *need_bytes = false;
    if (!r->place.found) {
        *need_bytes = r->place.text.len < r->place.text.split_len && !r->place.text.at_eof;
        *more = *need_bytes;
        if (!*more) find_exit(r);
        return MP_OK;
    }
    mp_csv_run run;
    size_t at = r->place.at;
    mp_status st = mp_csv_indexer_fill(&r->indexer, &r->place.text, &at, &run, err);
    if (st != MP_OK) return st;
    bool empty = at == r->place.at;
    if (empty && run.stop == MP_CSV_RUN_BAD) return record_error(r, &run, err);
    r->place.at = at;
    if (empty) {
        *need_bytes = run.stop == MP_CSV_RUN_BYTES;
        *more = *need_bytes;
        if (!*more) find_exit(r);
        return MP_OK;
    }
    int64_t first_row = r->place.n_records;
    r->place.n_records += run.n_records;
    return mp_csv_rows_make(&r->rows, &r->place.text, &run, r->indexer.flaws, r->indexer.n_flaws,
                            first_row, out, err);
}

bool mp_csv_reader_misfit(const mp_csv_reader *r) {
    return r->rows.misfit;
}

void mp_csv_reader_end(const mp_csv_reader *r, mp_csv_end *out) {
    *out = (mp_csv_end){.exit = r->place.exit,
                        .exit_known = r->place.exit_known,
                        .n_records = r->place.n_records,
                        .n_bad = r->rows.n_bad - r->n_bad_before};
}

const mp_evidence *mp_csv_reader_seen(const mp_csv_reader *r) {
    return r->rows.seen;
}
