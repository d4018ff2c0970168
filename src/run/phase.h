/* phase.h - what flows (flow.h) and units (map/unit.h) share: messages that belong to one phase, and the loop that is
 * the only place of it that waits or makes progress.
 * Invariant: a message of another phase is never heard; the loop ends when the phase is over, or when messages cannot
 * be sent any more. */
#ifndef MP_RUN_PHASE_H
#define MP_RUN_PHASE_H

#include "base/buf.h"
#include "comm/comm.h"

typedef struct {
    mp_comm *c;
    int tag;         /* of its messages: u32 serial, u8 kind, then what the kind says */
    uint32_t serial; /* the same on every rank */
    int rank;
    bool over;       /* no further round */
    mp_status fatal; /* messages cannot be sent: no agreement is possible */
    mp_error fatal_error;
} mp_phase;

/* Local; at the same point on every rank. */
mp_phase mp_phase_begin(mp_comm *c, int tag);

/* The front of a message into *b, which is initialised; its sending, which releases it. Failures are fatal. */
void mp_phase_write(const mp_phase *p, mp_buf *b, int kind);
void mp_phase_send(mp_phase *p, int dest, mp_buf *b);
/* The kind of a message, and what is behind it; -1: it is of another phase. */
int mp_phase_read(const mp_phase *p, const uint8_t *bytes, size_t len, mp_rd *in);

typedef struct {
    void *ctx;
    /* Messages were heard, with this status: what is to be done now. True when something was. Does not wait. */
    bool (*round)(void *ctx, mp_status heard, const mp_error *e);
    /* So many rounds came to nothing. */
    void (*rest)(void *ctx, int idle);
    /* Rank 0, about every 0.2 s; NULL: not. */
    void (*tick)(void *ctx);
    void *tick_ctx;
} mp_phase_loop;

/* Rounds until p->over. An error is fatal: other ranks may never learn of it. */
MP_MUST_CHECK mp_status mp_phase_drive(mp_phase *p, const mp_phase_loop *loop, mp_error *err);

#endif
