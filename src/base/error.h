/* error.h - what went wrong, where, why, and what to do about it.
 * The object is plain bytes of fixed size, so it crosses ranks as it is. The caller owns it; NULL is allowed
 * everywhere. The first error set stays: a later mp_error_set on an object that holds one is ignored. */
#ifndef MP_BASE_ERROR_H
#define MP_BASE_ERROR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

typedef struct {
    int32_t status; /* mp_status; MP_OK = no error */
    int32_t rank;   /* rank that saw it, -1 unknown */
    int32_t
        file_no; /* place in the input: index of the file, -1 = not about a place in the input */
    int32_t
        provisional; /* 1: of a value whose type is not proven: with other types it may not be one */
    int64_t
        offset; /* byte offset of the record in the file, -1 unknown; with file_no it orders data errors */
    int64_t split;        /* number of the split, -1 unknown */
    int64_t row_in_split; /* records before it in its split, -1 unknown */
    int64_t row;          /* row of the table from 1 (header not counted), -1 unknown */
    char what[160];       /* what failed: "bad data", "cannot open" */
    char file[640];
    char column[160];
    char why[640];
    char hint[512];
} mp_error;

#define MP_ERROR_INIT                                                                              \
    (mp_error) {                                                                                   \
        .rank = -1, .file_no = -1, .offset = -1, .split = -1, .row_in_split = -1, .row = -1        \
    }

void mp_error_init(mp_error *err);

/* Fill err (unless NULL or already set) with status, "what" and a printf-formatted "why"; returns status.
 * what: NULL = the status text. Overlong text is cut at a character, never overflows. */
mp_status mp_error_set(mp_error *err, mp_status status, const char *what, const char *why_fmt, ...)
    MP_PRINTF(4, 5);

/* As mp_error_set with MP_IO; why is strerror(errnum); file is quoted in the message. */
mp_status mp_error_errno(mp_error *err, int errnum, const char *what, const char *file);

/* MP_NOMEM: names the request and the budget (limit_bytes, 0 = none) that refused it. */
mp_status mp_error_nomem(mp_error *err, int64_t request_bytes, int64_t limit_bytes);

/* Add details to an error that is set; each takes NULL err. Setting a detail twice keeps the first. */
void mp_error_file(mp_error *err, const char *file);
void mp_error_column(mp_error *err, const char *column);
void mp_error_hint(mp_error *err, const char *fmt, ...) MP_PRINTF(2, 3);
/* Hint for a name that is not among the n candidates: the nearest one, or the first of them. Candidates that start with a
 * control character are internal and not told; NULL ones are skipped. */
void mp_error_hint_names(mp_error *err, const char *name, const char *const *candidates, int n);
void mp_error_place(mp_error *err, int32_t file_no, int64_t offset, int64_t split,
                    int64_t row_in_split);

/* The whole message, without "mpart: ": "what: file 'x', row 17, column 'c': why", and "hint: ..." on a line of its
 * own where there is one. Returns the length written (cut to cap - 1). */
size_t mp_error_format(const mp_error *err, char *out, size_t cap);

/* Which of two errors is reported: data errors before others, by (file_no, offset), others by lowest rank.
 * < 0: a goes first. Either may be MP_OK (goes last). */
int mp_error_order(const mp_error *a, const mp_error *b);

#endif
