/* journal.h - what a run has finished, one line a unit, so that another run can go on from it.
 * Invariant: a line counts only when it is whole, its check fits and its result was synced before it
 * was written; what stands behind the last such line is ignored and cut off. */
#ifndef MP_RUN_JOURNAL_H
#define MP_RUN_JOURNAL_H

#include "base/buf.h"

/* The end of a unit, and where its result is: bytes [offset, offset + len) of the result log that
 * rank `rank` of run `run` wrote. Plain bytes, which cross ranks as they are. */
typedef struct {
    int64_t unit; /* from 0 */
    int64_t offset, len;
    int64_t head_len;   /* of len, its header; 0: none */
    uint64_t head_hash; /* of the header's text */
    int64_t start_ms;   /* since 1970 */
    int64_t run_ns;
    int64_t reject_len; /* bytes behind them: rows that --bisect rejected */
    int64_t n_rejected;
    int32_t run, rank;
    int32_t outcome; /* mp_unit_outcome */
    int32_t code;
    int32_t tries;
    int32_t bad; /* outcome MP_UNIT_BAD: why, mp_unit_bad */
} mp_unit_record;

/* A line to the end of out. */
void mp_journal_put(mp_buf *out, const mp_unit_record *r);
void mp_journal_put_run(mp_buf *out, int run, int n_ranks);

/* The shared dictionary as the units of the lines before have left it: in n_ranks files, of so many bytes together. */
typedef struct {
    int number; /* from 1; 0: none */
    int n_ranks;
    int64_t bytes;
} mp_journal_dict;

void mp_journal_put_dict(mp_buf *out, const mp_journal_dict *d);

typedef struct {
    size_t good;          /* length of the whole part: a line that is broken ends it */
    int runs;             /* begun so far */
    mp_journal_dict dict; /* the last one */
    size_t dict_good;     /* length of what is before it, and it; 0: there is none */
} mp_journal_end;

/* Reads a journal's text: calls on_record (NULL: not) for each whole line of a unit, in order. */
void mp_journal_read(const char *text, size_t len, void *ctx,
                     void (*on_record)(void *ctx, const mp_unit_record *r), mp_journal_end *end);

#endif
