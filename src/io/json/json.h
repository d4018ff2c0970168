/* json.h - the NDJSON source: one object a line, its keys are the columns.
 *
 *   line ──► json_line (members, checked)
 *        ──► json_run (values of the wanted columns to a transcript)
 *        ──► csv_rows (the transcript as records of CSV: filter, types, bad rows)
 *        ──► batch
 *
 * Invariant: whether a row is JSON depends on the row alone, not on which columns are wanted, and a
 * newline ends a record whatever stands before it. */
#ifndef MP_IO_JSON_H
#define MP_IO_JSON_H

#include "io/csv/csv.h"

/* As mp_csv_read_head: columns are the keys in the order in which they appear in the sample. Lines
 * that are no objects are passed over here. MP_DATA: 0 bytes, UTF-16, no object with a key. */
MP_MUST_CHECK mp_status mp_json_read_head(const mp_csv_head_args *args, const uint8_t *p, size_t n,
                                          bool at_eof, mp_arena *arena, mp_csv_head *out,
                                          bool *need_more, mp_error *err);

/* The reader: functions of an mp_source. args->names are the columns, args->dialect has delimiter
 * '\n' and no quote. */
typedef struct mp_json_reader mp_json_reader;
MP_MUST_CHECK mp_status mp_json_reader_new(const mp_csv_args *args, mp_json_reader **out,
                                           mp_error *err);
void mp_json_reader_free(mp_json_reader **r);
MP_MUST_CHECK mp_status mp_json_reader_begin(mp_json_reader *r, const mp_csv_text *text,
                                             mp_error *err);
MP_MUST_CHECK mp_status mp_json_reader_next(mp_json_reader *r, mp_batch *out, bool *more,
                                            bool *need_bytes, mp_error *err);
MP_MUST_CHECK mp_status mp_json_reader_extend(mp_json_reader *r, const uint8_t *bytes, size_t len,
                                              bool at_eof, mp_error *err);
void mp_json_reader_end(const mp_json_reader *r, mp_csv_end *out);
bool mp_json_reader_misfit(const mp_json_reader *r);
const mp_evidence *mp_json_reader_seen(const mp_json_reader *r);

#endif
