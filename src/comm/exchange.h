/* exchange.h - the only place where rows cross ranks: every rank puts records for every rank, blocks travel as
 * synchronous sends, each rank tells each rank once when it has no more.
 * Invariant: per pass every rank gets exactly P ends of stream, each with the number of blocks sent to it, and the
 * exchange is done when all those blocks have been given to on_block (or dropped, once a status is not OK). A block
 * holds whole records. */
#ifndef MP_COMM_EXCHANGE_H
#define MP_COMM_EXCHANGE_H

#include "comm/comm.h"

typedef struct mp_exchange mp_exchange;

typedef enum { MP_END_OK, MP_END_ENOUGH, MP_END_REDO, MP_END_FAILED } mp_end_status;

typedef struct {
    int64_t budget_bytes; /* of this rank for all its blocks */
    uint32_t pass;        /* in every message; others are dropped */
    /* A block arrived from src: whole records as they were put. Must not wait. */
    mp_message_fn on_block;
    void *ctx;
    mp_mem *mem;
} mp_exchange_args;

/* Collective in the sense that all ranks make one for the same pass; no message is sent. mp_comm_agree or a barrier lies between
 * the end of one exchange and the making of the next, and none makes two at once. */
MP_MUST_CHECK mp_status mp_exchange_new(mp_comm *c, const mp_exchange_args *args, mp_exchange **out,
                                        mp_error *err);
void mp_exchange_free(mp_exchange **x);

/* Append one record (n bytes, < 1 GiB; one larger than a block makes a block of its own) for dest. Never
 * blocks: a full block is queued, and sent when at most one other block to dest is
 * unfinished. Records for oneself skip MPI but not on_block. */
MP_MUST_CHECK mp_status mp_exchange_put(mp_exchange *x, int dest, const void *record, size_t n,
                                        mp_error *err);
/* As put, in two steps, without a copy: room for at most n bytes in the block of dest; commit with the bytes used. NULL: memory
 * was refused, or n is 1 GiB or more. */
uint8_t *mp_exchange_room(mp_exchange *x, int dest, size_t n);
MP_MUST_CHECK mp_status mp_exchange_commit(mp_exchange *x, int dest, size_t used, mp_error *err);

/* True when queued blocks exceed the budget: the caller should make progress before the next batch (puts still work). */
bool mp_exchange_full(const mp_exchange *x);
/* Move queued blocks to MPI where credits allow. Called by the driver loop after each progress. */
MP_MUST_CHECK mp_status mp_exchange_push(mp_exchange *x, mp_error *err);
/* No more puts: flush, and tell every rank. Once. After a status other than OK later puts and arrivals are dropped. */
MP_MUST_CHECK mp_status mp_exchange_end(mp_exchange *x, mp_end_status status, mp_error *err);
/* The worst status any rank has sent so far. */
mp_end_status mp_exchange_worst(const mp_exchange *x);
/* All ends are in, all counted blocks delivered, all own sends finished. */
bool mp_exchange_done(const mp_exchange *x);

typedef struct {
    int64_t blocks_sent, bytes_sent, blocks_received, bytes_received;
} mp_exchange_counts;
mp_exchange_counts mp_exchange_stats(const mp_exchange *x);

#endif
