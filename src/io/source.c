/* source.c - the table of formats. Lines are CSV whose delimiter is the newline, without quotes. */
#include "io/source.h"

#include "io/h5/h5.h"
#include "io/json/json.h"

static mp_status csv_open(const mp_csv_args *args, void **reader, mp_error *err) {
    mp_csv_reader *r = NULL;
    mp_status st = mp_csv_reader_new(args, &r, err);
    *reader = r;
    return st;
}

static void csv_close(void **reader) {
    mp_csv_reader *r = *reader;
    mp_csv_reader_free(&r);
    *reader = NULL;
}

static mp_status csv_begin(void *reader, const mp_csv_text *text, mp_error *err) {
    return mp_csv_reader_begin(reader, text, err);
}

static mp_status csv_next(void *reader, mp_batch *out, bool *more, bool *need_bytes,
                          mp_error *err) {
    return mp_csv_reader_next(reader, out, more, need_bytes, err);
}

static mp_status csv_extend(void *reader, const uint8_t *bytes, size_t len, bool at_eof,
                            mp_error *err) {
    return mp_csv_reader_extend(reader, bytes, len, at_eof, err);
}

static void csv_end(const void *reader, mp_csv_end *out) {
    mp_csv_reader_end(reader, out);
}

static bool csv_misfit(const void *reader) {
    return mp_csv_reader_misfit(reader);
}

static const mp_evidence *csv_seen(const void *reader) {
    return mp_csv_reader_seen(reader);
}

static mp_status json_open(const mp_csv_args *args, void **reader, mp_error *err) {
    mp_json_reader *r = NULL;
    mp_status st = mp_json_reader_new(args, &r, err);
    *reader = r;
    return st;
}

static void json_close(void **reader) {
    mp_json_reader *r = *reader;
    mp_json_reader_free(&r);
    *reader = NULL;
}

static mp_status json_begin(void *reader, const mp_csv_text *text, mp_error *err) {
    return mp_json_reader_begin(reader, text, err);
}

static mp_status json_next(void *reader, mp_batch *out, bool *more, bool *need_bytes,
                           mp_error *err) {
    return mp_json_reader_next(reader, out, more, need_bytes, err);
}

static mp_status json_extend(void *reader, const uint8_t *bytes, size_t len, bool at_eof,
                             mp_error *err) {
    return mp_json_reader_extend(reader, bytes, len, at_eof, err);
}

static void json_end(const void *reader, mp_csv_end *out) {
    mp_json_reader_end(reader, out);
}

static bool json_misfit(const void *reader) {
    return mp_json_reader_misfit(reader);
}

static const mp_evidence *json_seen(const void *reader) {
    return mp_json_reader_seen(reader);
}

static mp_status h5_open(const mp_csv_args *args, void **reader, mp_error *err) {
    mp_h5_reader *r = NULL;
    mp_status st = mp_h5_reader_new(args, &r, err);
    *reader = r;
    return st;
}

static void h5_close(void **reader) {
    mp_h5_reader *r = *reader;
    mp_h5_reader_free(&r);
    *reader = NULL;
}

static mp_status h5_begin(void *reader, const mp_csv_text *text, mp_error *err) {
    return mp_h5_reader_begin(reader, text, err);
}

static mp_status h5_next(void *reader, mp_batch *out, bool *more, bool *need_bytes, mp_error *err) {
    *need_bytes = false;
    return mp_h5_reader_next(reader, out, more, err);
}

static mp_status h5_extend(void *reader, const uint8_t *bytes, size_t len, bool at_eof,
                           mp_error *err) {
    (void)reader, (void)bytes, (void)len, (void)at_eof;
    return mp_error_set(err, MP_FAILED, "broken split", "rows of HDF5 have no text");
}

static void h5_end(const void *reader, mp_csv_end *out) {
    mp_h5_reader_end(reader, out);
}

static bool h5_misfit(const void *reader) {
    (void)reader;
    return false;
}

static const mp_evidence *h5_seen(const void *reader) {
    return mp_h5_reader_seen(reader);
}

#define CSV_FUNCTIONS                                                                              \
    .open = csv_open, .close = csv_close, .begin = csv_begin, .next = csv_next,                    \
    .extend = csv_extend, .end = csv_end, .misfit = csv_misfit, .seen = csv_seen,                  \
    .guess = mp_csv_guess, .range_func = mp_csv_range_func

const mp_source *mp_source_of(mp_read_format format) {
    static const mp_source sources[] = {
        [MP_READ_CSV] = {.name = "CSV", CSV_FUNCTIONS},
        [MP_READ_LINES] = {.name = "lines", CSV_FUNCTIONS},
        [MP_READ_NDJSON] = {.name = "NDJSON",
                            .open = json_open,
                            .close = json_close,
                            .begin = json_begin,
                            .next = json_next,
                            .extend = json_extend,
                            .end = json_end,
                            .misfit = json_misfit,
                            .seen = json_seen,
                            .guess = mp_csv_guess,
                            .range_func = mp_csv_range_func},
        [MP_READ_H5] = {.name = "HDF5",
                        .open = h5_open,
                        .close = h5_close,
                        .begin = h5_begin,
                        .next = h5_next,
                        .extend = h5_extend,
                        .end = h5_end,
                        .misfit = h5_misfit,
                        .seen = h5_seen,
                        .guess = mp_csv_guess,
                        .range_func = mp_csv_range_func},
    };
    return &sources[format];
}
