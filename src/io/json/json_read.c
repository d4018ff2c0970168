/* json_read.c - the reader of splits of NDJSON: runs of json_run to batches of csv_rows.
 * Invariant: as csv_place.h. */
#include "io/csv/csv_place.h"
#include "io/csv/csv_rows.h"
#include "io/json/json.h"
#include "io/json/json_run.h"

struct mp_json_reader {
    mp_csv_args args;       /* as they were given */
    mp_csv_args made;       /* of the transcript: wanted columns are its fields */
    mp_csv_dialect dialect; /* of the transcript */
    mp_arena arena;
    int32_t *slot; /* by column, -1: not wanted */
    int n_slots;
    mp_evidence *seen; /* by column */
    mp_json_run run;
    mp_csv_rows rows;
    mp_csv_place place;
    int64_t n_bad_before; /* of rows.n_bad: of earlier splits */
    int n_listed;         /* of run.other: by earlier splits */
};

/* Fields of the transcript: the wanted columns of the file, each once. */
static mp_status choose_slots(mp_json_reader *r, mp_error *err) {
    size_t n = (size_t)r->args.n_columns, n_wanted = (size_t)r->args.n_wanted;
    r->slot = mp_arena_alloc(&r->arena, n * sizeof *r->slot + 1, 16);
    r->seen = mp_arena_alloc(&r->arena, n * sizeof *r->seen + 1, 16);
    mp_csv_column *wanted = mp_arena_alloc(&r->arena, n_wanted * sizeof *wanted + 1, 16);
    if (!r->slot || !r->seen || !wanted)
        return mp_mem_error(r->args.mem, n * 8 + n_wanted * sizeof *wanted, err);
    memset(r->seen, 0, n * sizeof *r->seen);
    for (size_t c = 0; c < n; c++)
        r->slot[c] = -1;
    for (size_t i = 0; i < n_wanted; i++) {
        wanted[i] = r->args.wanted[i];
        int c = wanted[i].c;
        if (c < 0) continue;
        if (r->slot[c] < 0) r->slot[c] = r->n_slots++;
        wanted[i].c = r->slot[c];
    }
    r->dialect = mp_json_dialect(r->args.dialect);
    r->made = r->args;
    r->made.dialect = &r->dialect;
    r->made.n_columns = r->n_slots ? r->n_slots : 1;
    r->made.wanted = wanted;
    return MP_OK;
}

mp_status mp_json_reader_new(const mp_csv_args *args, mp_json_reader **out, mp_error *err) {
    *out = NULL;
    mp_json_reader *r = mp_mem_calloc(args->mem, 1, sizeof *r);
    if (!r) return mp_mem_error(args->mem, sizeof *r, err);
    r->args = *args;
    mp_arena_init(&r->arena, args->mem);
    mp_status st = choose_slots(r, err);
    if (!st) st = mp_json_run_init(&r->run, &r->args, r->slot, r->n_slots, err);
    if (!st) st = mp_csv_rows_init(&r->rows, &r->made, err);
    if (st)
        mp_json_reader_free(&r);
    else
        *out = r;
    return st;
}

void mp_json_reader_free(mp_json_reader **r) {
    if (!*r) return;
    mp_json_run_release(&(*r)->run);
    mp_csv_rows_release(&(*r)->rows);
    mp_arena_release(&(*r)->arena);
    mp_mem_free((*r)->args.mem, *r);
    *r = NULL;
}

mp_status mp_json_reader_begin(mp_json_reader *r, const mp_csv_text *text, mp_error *err) {
    r->n_bad_before = r->rows.n_bad;
    r->n_listed = r->run.other.n;
    mp_json_run_forget(&r->run);
    return mp_csv_place_begin(&r->place, r->args.dialect, text, err);
}

mp_status mp_json_reader_extend(mp_json_reader *r, const uint8_t *bytes, size_t len, bool at_eof,
                                mp_error *err) {
    mp_json_run_forget(&r->run);
    return mp_csv_place_extend(&r->place, bytes, len, at_eof, err);
}

static mp_status record_error(const mp_json_reader *r, const mp_csv_run *run, mp_error *err) {
    if (run->bad == MP_CSV_BAD_NUL) {
        mp_error_set(err, MP_DATA, NULL, "NUL byte");
    } else if (run->bad == MP_CSV_BAD_TOO_LONG) {
        mp_error_set(err, MP_DATA, NULL, "line longer than 2 GiB");
    } else {
        mp_error_set(err, MP_DATA, NULL, "%s", r->run.reason);
        mp_error_hint(err, r->run.unknown_key
                               ? "columns are the keys of the first rows: --types NAME:string adds "
                                 "one, --union all"
                               : "--on-bad-row skip leaves such rows out");
    }
    mp_error_place(err, r->place.text.file_no, r->place.text.begin + (int64_t)r->place.at,
                   r->place.text.split, r->place.n_records);
    return MP_DATA;
}

static void find_exit(mp_json_reader *r) {
    size_t n = mp_csv_place_in_split(&r->place);
    r->place.exit_known = true;
    if (r->place.found && n)
        r->place.exit = r->place.text.bytes[n - 1] == '\n' ? MP_CSV_RECORD_START : MP_CSV_IN_FIELD;
}

/* No record was had: the split is at its end, or the text is. */
static mp_status stop(mp_json_reader *r, bool need, bool *more, bool *need_bytes) {
    *more = *need_bytes = need;
    if (!need) find_exit(r);
    return MP_OK;
}

static void keep_evidence(mp_json_reader *r) {
    for (int c = 0; c < r->args.n_columns; c++)
        if (r->slot[c] >= 0) r->seen[c] = r->rows.seen[r->slot[c]];
}

mp_status mp_json_reader_next(mp_json_reader *r, mp_batch *out, bool *more, bool *need_bytes,
                              mp_error *err) {
    *out = (mp_batch){.file_no = r->place.text.file_no, .first_row = r->place.n_records};
    *more = true;
    *need_bytes = false;
    if (!r->place.found)
        return stop(r, r->place.text.len < r->place.text.split_len && !r->place.text.at_eof, more,
                    need_bytes);
    mp_csv_run run;
    size_t at = r->place.at;
    mp_status st = mp_json_run_fill(&r->run, &r->place.text, &at, &run, err);
    if (st) return st;
    bool empty = at == r->place.at;
    if (empty && run.stop == MP_CSV_RUN_BAD) return record_error(r, &run, err);
    r->place.at = at;
    if (empty) return stop(r, run.stop == MP_CSV_RUN_BYTES, more, need_bytes);
    int64_t first_row = r->place.n_records;
    r->place.n_records += run.n_records;
    st = mp_csv_rows_make(&r->rows, &r->place.text, &run,
                          (const mp_csv_flaw *)(void *)r->run.flaws.data,
                          (uint32_t)(r->run.flaws.len / sizeof(mp_csv_flaw)), first_row, out, err);
    keep_evidence(r);
    return st;
}

bool mp_json_reader_misfit(const mp_json_reader *r) {
    return r->rows.misfit;
}

void mp_json_reader_end(const mp_json_reader *r, mp_csv_end *out) {
    *out = (mp_csv_end){.exit = r->place.exit,
                        .exit_known = r->place.exit_known,
                        .n_records = r->place.n_records,
                        .n_bad = r->rows.n_bad - r->n_bad_before,
                        .n_keys = r->run.other.n - r->n_listed,
                        .keys = r->run.other.n ? r->run.other.names + r->n_listed : NULL};
}

const mp_evidence *mp_json_reader_seen(const mp_json_reader *r) {
    return r->seen;
}
