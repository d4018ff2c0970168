/* blocks.h - a stream (pipe, packed file, a file read by rank 0) cut into blocks of whole records,
 * in order, again if need be.
 * Invariant: every block but the last ends right behind a record. */
#ifndef MP_RUN_BLOCKS_H
#define MP_RUN_BLOCKS_H

#include "plan/table.h"
#include "run/flow.h"

typedef struct mp_blocks mp_blocks;

typedef struct {
    const mp_table_file *file;
    mp_table_stream *stream; /* its front is taken over; the stream stays the caller's */
    mp_csv_dialect dialect;
    const mp_run_spec *run;
    bool keep; /* a pipe's blocks go to a spool, so that another pass can read them */
    mp_mem *mem;
} mp_blocks_args;

MP_MUST_CHECK mp_status mp_blocks_open(const mp_blocks_args *args, mp_blocks **out, mp_error *err);
void mp_blocks_free(mp_blocks **b);
/* For another pass. A regular file is opened anew and gives its blocks again; a pipe goes on where
 * it is, its earlier blocks are had by mp_blocks_again. */
MP_MUST_CHECK mp_status mp_blocks_rewind(mp_blocks *b, mp_error *err);
/* The next block; bytes stay until the next call. LATER: nothing there yet; SOON: some work
 * was done: call again. */
MP_MUST_CHECK mp_status mp_blocks_next(mp_blocks *b, const uint8_t **bytes, int64_t *begin,
                                       int64_t *len, mp_split_state *state, mp_error *err);
/* A block of a pipe that was given before (opened with keep). */
MP_MUST_CHECK mp_status mp_blocks_again(mp_blocks *b, int64_t begin, int64_t len,
                                        const uint8_t **bytes, mp_error *err);
int mp_blocks_fd(const mp_blocks *b);

#endif
