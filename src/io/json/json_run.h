/* json_run.h - a run of NDJSON lines as a transcript: the values of the wanted columns as records
 * of CSV, without delimiters to look for, since where fields end is known.
 * Invariant: strings and nested values stand in quotes that are bytes 0xFF (doubled inside),
 * everything else without; a null or missing value is an empty field. So csv_convert reads each
 * value as what it is. */
#ifndef MP_IO_JSON_RUN_H
#define MP_IO_JSON_RUN_H

#include "io/csv/csv_indexer.h"
#include "io/json/json_keys.h"
#include "io/json/json_shape.h"

typedef struct {
    const mp_csv_args *args; /* of the table */
    mp_arena lasting, run;   /* of the reader; of a run's reasons */
    mp_json_keys keys;
    int32_t *slot; /* by column: its field in the transcript, -1: not wanted */
    int n_slots;
    int32_t *order; /* column of the i-th member of the line before, -1: unknown */
    mp_str *quoted; /* by column: its key in quotes with a colon; empty where it has escapes */
    mp_json_value *values; /* n_slots: of one line */
    mp_buf text;           /* the transcript, with padding around it */
    mp_buf name;           /* an unescaped key */
    uint32_t *rec, *end, *row_no, *place, *place_end;
    uint32_t max_fields;
    const mp_json_kernels *kernels; /* NULL: none at this level */
    mp_json_index index;
    const uint8_t *indexed; /* the line that is the next of index; NULL: there is none */
    mp_json_shapes shapes;
    mp_buf flaws;       /* mp_csv_flaw */
    mp_json_keys other; /* args->list_keys: those that are no columns, so far */
    const char *reason; /* of the record that stopped the run */
    bool unknown_key;   /* that is what is wrong with it */
} mp_json_run;

/* The form of the transcript of a text under dialect d. */
mp_csv_dialect mp_json_dialect(const mp_csv_dialect *d);

/* args and slot (n_columns; n_slots of them are not -1) live as long as run. */
MP_MUST_CHECK mp_status mp_json_run_init(mp_json_run *run, const mp_csv_args *args, int32_t *slot,
                                         int n_slots, mp_error *err);
void mp_json_run_release(mp_json_run *run);

/* The bytes that are gone through change. */
void mp_json_run_forget(mp_json_run *run);

/* As mp_csv_indexer_fill, of a text that is the one before or was not known before
 * mp_json_run_forget. Of run->bad: NUL, TOO_LONG, or FIELDS with a reason. */
MP_MUST_CHECK mp_status mp_json_run_fill(mp_json_run *x, const mp_csv_text *text, size_t *at,
                                         mp_csv_run *run, mp_error *err);

#endif
