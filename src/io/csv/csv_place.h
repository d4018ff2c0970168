/* csv_place.h - how far a reader has come in its split: what the readers of all text formats share.
 * Invariant: all places are offsets into the text, so the bytes may move when the text is extended;
 * at is the start of a line, n_records the data records of the split before it. */
#ifndef MP_IO_CSV_PLACE_H
#define MP_IO_CSV_PLACE_H

#include "io/csv/csv.h"

typedef struct {
    const mp_csv_dialect *dialect;
    mp_csv_text text;
    size_t at;
    int64_t n_records;
    bool found; /* at is a place: the split has a record start */
    mp_csv_state exit;
    bool exit_known;
} mp_csv_place;

/* A new split, at its first record start where the text has come to it. MP_FAILED: no such state. */
MP_MUST_CHECK mp_status mp_csv_place_begin(mp_csv_place *p, const mp_csv_dialect *dialect,
                                           const mp_csv_text *text, mp_error *err);
/* As mp_csv_reader_extend. */
MP_MUST_CHECK mp_status mp_csv_place_extend(mp_csv_place *p, const uint8_t *bytes, size_t len,
                                            bool at_eof, mp_error *err);
/* The bytes of the split that are there. */
static inline size_t mp_csv_place_in_split(const mp_csv_place *p) {
    return p->text.split_len < p->text.len ? p->text.split_len : p->text.len;
}

#endif
