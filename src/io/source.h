/* source.h - the formats that a scan can read, each as a table of functions over its reader.
 * Invariant: whoever scans knows none of them by name: a split's text goes in, batches, evidence
 * and the state behind the split come out, with the same places, messages and treatment of bad
 * rows. What each function promises stands beside its CSV form in csv.h. */
#ifndef MP_IO_SOURCE_H
#define MP_IO_SOURCE_H

#include "io/csv/csv.h"

typedef enum { MP_READ_CSV, MP_READ_LINES, MP_READ_NDJSON, MP_READ_H5 } mp_read_format;

typedef struct {
    const char *name; /* for people: "CSV" */
    MP_MUST_CHECK mp_status (*open)(const mp_csv_args *args, void **reader, mp_error *err);
    void (*close)(void **reader); /* leaves NULL */
    /* one split */
    MP_MUST_CHECK mp_status (*begin)(void *reader, const mp_csv_text *text, mp_error *err);
    MP_MUST_CHECK mp_status (*next)(void *reader, mp_batch *out, bool *more, bool *need_bytes,
                                    mp_error *err);
    MP_MUST_CHECK mp_status (*extend)(void *reader, const uint8_t *bytes, size_t len, bool at_eof,
                                      mp_error *err);
    void (*end)(const void *reader, mp_csv_end *out);
    /* over all its splits */
    bool (*misfit)(const void *reader);
    const mp_evidence *(*seen)(const void *reader);
    /* where a range begins: a guess at its entry state, and the whole function of its bytes */
    mp_csv_state (*guess)(const mp_csv_dialect *d, const uint8_t *p, size_t n, size_t at,
                          bool start_known, int n_columns);
    void (*range_func)(const mp_csv_dialect *d, const uint8_t *p, size_t n, mp_csv_func *f);
} mp_source;

const mp_source *mp_source_of(mp_read_format format);

#endif
