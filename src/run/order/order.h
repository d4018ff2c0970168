/* order.h - the ordered sink: pieces 0, 1, 2, ... made by any rank in any order become one file or
 * stream in order. A rank reports a piece's size and rows; rank 0 answers with its place once all
 * earlier pieces are known; a file's piece is then written by its rank at that offset, a stream's
 * piece is sent to rank 0, which writes it. Packed, a piece is cut at its place (order_pack.h), and
 * the packed units are written in one of these two ways.
 * Invariant: every piece number from 0 on is submitted exactly once, by some rank, empty or not;
 * the holder of the lowest piece is never made to wait for others. No function blocks: work is done
 * in mp_order_push and in message handlers, from the driver loop. */
#ifndef MP_RUN_ORDER_H
#define MP_RUN_ORDER_H

#include "comm/comm.h"
#include "io/input/input.h"
#include "io/output/output.h"

typedef struct mp_order mp_order;

typedef struct {
    mp_out_file *file; /* every rank, for pieces written at their offset; NULL: a stream */
    /* Called with the text of every piece of this rank (what skip and limit leave of it) when its
     * place in the file is known; NULL: not wanted. */
    mp_status (*placed)(void *ctx, int64_t offset, const uint8_t *text, size_t n, mp_error *err);
    int stream_fd; /* rank 0, where the stream goes (mp_stdout_write, or a spool) */
    /* Rank 0: gets the pieces of a stream whole and in order, in place of stream_fd; an error ends
     * the phase. Pieces are below 256 MiB then. NULL: stream_fd. */
    mp_status (*take)(void *ctx, const uint8_t *text, size_t n, mp_error *err);
    void *ctx;               /* of both */
    const char *stream_name; /* for messages; NULL: standard output */
    int64_t start_offset;    /* of piece 0 in the file (the header is already there) */
    mp_packing packing;      /* what is written is packed; the same on every rank */
    const void *head;        /* packed, rank 0: the start_offset plain bytes before piece 0 */
    mp_tag tag;              /* of its messages; 0: MP_TAG_ORDER */
    int64_t skip_rows;       /* --offset: rows of all pieces left out at the start */
    int64_t limit_rows;      /* --limit: -1 none */
    int64_t budget_bytes;    /* of text waiting on this rank; above it mp_order_busy */
    uint32_t pass;           /* pieces and answers of another pass are dropped */
    mp_mem *mem;
} mp_order_args;

/* Listens on its tag, packed also on the tags of order_pack.h. One at a time. Local; the ranks
 * agree after it and before the first submit, since a message that meets the sink of an earlier
 * pass is dropped. */
MP_MUST_CHECK mp_status mp_order_new(mp_comm *c, const mp_order_args *args, mp_order **out,
                                     mp_error *err);
void mp_order_free(mp_order **o);
/* Takes the text's memory. n_rows rows; row_ends (i64 end of each row in text, taken too) only
 * needed with skip or limit, may be NULL. A rank submits its pieces in ascending order, as splits
 * are handed out: else, being busy, it could wait for a piece that it has still to make. */
MP_MUST_CHECK mp_status mp_order_submit(mp_order *o, int64_t piece, mp_buf *text, int64_t n_rows,
                                        mp_buf *row_ends, mp_error *err);
/* Writes what may be written. Called from the driver loop. *did is set when it packed, which takes
 * a millisecond or two. */
MP_MUST_CHECK mp_status mp_order_push(mp_order *o, bool *did, mp_error *err);
/* The texts of this rank pass its budget. Since all pieces below the lowest one under way are
 * submitted, the holder of that one comes free by itself. */
bool mp_order_busy(const mp_order *o);
/* Nothing of this rank waits (all its pieces are written, or handed to rank 0; on rank 0 also: all
 * that has come was written). Once mp_order_enough holds on rank 0, pieces without a place are let
 * go, so every rank becomes quiet although pieces are missing; what had a place before is still
 * written, so a phase that ends with ENOUGH waits for quiet, too. */
bool mp_order_quiet(const mp_order *o);
/* Collective, behind the flow that made the pieces, also one that ended with ENOUGH: packs and
 * writes what is left. Nothing to do for plain output, MP_OK at once. */
MP_MUST_CHECK mp_status mp_order_finish(mp_order *o, mp_error *err);
/* Rank 0: the limit is reached, or the reader of the stream has gone: no more rows are wanted. */
bool mp_order_enough(const mp_order *o);
/* The error of a stream that could not be written, which the flow under way may have been too late
 * to report; MP_OK: none. */
MP_MUST_CHECK mp_status mp_order_failure(const mp_order *o, mp_error *err);
/* Rank 0: total bytes (packed: of packed units) and rows given places so far (after skip and
 * limit). */
int64_t mp_order_bytes(const mp_order *o);
int64_t mp_order_rows(const mp_order *o);
/* Rank 0: the reader of the stream has gone. */
bool mp_order_closed(const mp_order *o);

#endif
