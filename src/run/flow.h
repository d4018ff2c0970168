/* flow.h - one pass of one flow phase: splits are handed out by rank 0, each rank works on them
 * step by step, records cross the exchange, and all ranks leave together with one verdict.
 * Invariant: every rank that enters mp_flow_run leaves it with the same verdict and, on
 * MP_FLOW_FAILED, the same error, whatever any one rank meets on the way. Only the driver loop in
 * flow.c waits or makes progress; callbacks never block.
 *
 * A phase without a source has next_split NULL (its rows are already on the ranks: finish_step puts
 * them); one without an exchange has on_block NULL. */
#ifndef MP_RUN_FLOW_H
#define MP_RUN_FLOW_H

#include "comm/comm.h"
#include "comm/exchange.h"

typedef enum {
    MP_FLOW_OK,
    MP_FLOW_ENOUGH, /* ended early on purpose (limit reached, standard output closed): success */
    MP_FLOW_REDO, /* a guess was wrong or a type must widen: amend the plan, run the phase again */
    MP_FLOW_FAILED
} mp_flow_verdict;

typedef enum {
    MP_SPLIT_GOT,
    MP_SPLIT_BOUND, /* GOT, and the one behind it is for the same rank, which gets it at once */
    MP_SPLIT_NONE,
    MP_SPLIT_LATER, /* its data is not there yet (pipe) */
    MP_SPLIT_SOON   /* some work was done for it, in a small piece */
} mp_split_state;

typedef struct mp_flow_run mp_flow_run;

typedef struct {
    const char *name; /* of the phase: for messages, MPART_TEST_FAIL, --stats */
    void *ctx;
    uint32_t pass;
    int64_t exchange_bytes; /* budget of this rank for exchange blocks */
    mp_mem *mem;
    int64_t first_split; /* rank 0: the number that splits are counted from */

    /* Every rank, before any other callback: the run under way, for mp_flow_exchange and
     * mp_flow_stop. NULL: not needed. */
    void (*attach)(void *ctx, mp_flow_run *run);

    /* Rank 0. Appends the description of the next split (ascending; numbered from first_split by the
     * order of the calls), for any rank. LATER, SOON: called again in the next round. */
    mp_status (*next_split)(void *ctx, mp_buf *desc, mp_split_state *state, mp_error *err);
    /* Rank 0, once for each split that was begun. report is what its split_end on rank src wrote.
     * Reports come in any order. status: MP_OK when it was finished; MP_STOPPED when it was cut
     * short by mp_flow_stop or by an error elsewhere; else its error. */
    mp_status (*split_report)(void *ctx, int src, int64_t split, mp_status status, mp_rd *report,
                              mp_error *err);
    /* Rank 0, once, before the verdict is given: all reports are in. May turn *verdict into REDO (a
     * refuted guess makes errors behind it void), or complete *error (row number). error is the one
     * that mp_error_order puts first. On entry *verdict is FAILED after an error that is no data
     * error; else REDO or ENOUGH when a rank asked for it (data errors are void then: splits before
     * them were not finished); else FAILED after a data error; else OK. */
    void (*judge)(void *ctx, mp_flow_verdict *verdict, mp_error *error);

    /* Every rank. */
    mp_status (*split_begin)(void *ctx, int64_t split, const uint8_t *desc, size_t len,
                             mp_error *err);
    /* A bounded piece of work (well under a millisecond, one batch): *done at the end of the
     * split. */
    mp_status (*split_step)(void *ctx, bool *done, mp_error *err);
    /* Always called after split_begin succeeded, also when a step failed or the split was cut
     * short; writes the report. */
    mp_status (*split_end)(void *ctx, mp_buf *report, mp_error *err);
    /* After the last split, unless the phase was stopped: flush what is kept into the exchange or
     * the sink, in bounded pieces, until *done. NULL: nothing. */
    mp_status (*finish_step)(void *ctx, bool *done, mp_error *err);
    /* A block of the exchange. */
    mp_status (*on_block)(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err);
    /* After finish_step: true when this rank has nothing under way outside the exchange (its
     * ordered sink is written). NULL: true. Not asked when the phase was stopped: messages of a
     * sink's own may then still be under way, and carry mp_flow_serial. */
    bool (*quiet)(void *ctx);
    /* True while the rank must not start another step (its sink holds too much). NULL: never. */
    bool (*busy)(void *ctx);
    /* Every rank, every round of the loop until the verdict: what goes on beside the splits (the
     * ordered sink). Sets *did when it did something. What it waits for must come by messages:
     * rounds may be 20 ms apart. An error that it gives on rank 0 always reaches the verdict; on
     * another rank only while quiet is false, so what may still fail there must not be quiet.
     * NULL: nothing. */
    mp_status (*push)(void *ctx, bool *did, mp_error *err);
    /* Called about every 0.2 s on rank 0 from the loop, for the progress line; NULL: none. */
    void (*tick)(void *ctx);
} mp_flow;

typedef struct {
    mp_flow_verdict verdict;
    mp_error error;      /* of verdict FAILED: the same on every rank */
    double seconds;      /* wall time of this pass on this rank */
    double busy_seconds; /* of it, inside callbacks */
    int64_t n_splits;    /* finished by this rank */
    mp_exchange_counts exchange;
} mp_flow_result;

/* Collective. Returns MP_OK for OK, ENOUGH and REDO; else the agreed status, the same on every rank
 * (also in *err). A data error (MP_DATA with a place) in split k lets splits before k finish, so
 * the smallest one is reported; splits behind it are not begun any more. Any other error ends the
 * phase at once. */
MP_MUST_CHECK mp_status mp_flow_execute(mp_comm *c, const mp_flow *flow, mp_flow_result *result,
                                        mp_error *err);

/* For callbacks, through the run that is under way: the exchange of this pass, and "stop, without
 * an error". The run is given to the ctx by attach. */
mp_exchange *mp_flow_exchange(mp_flow_run *run);
/* A number that no other pass of any phase on this communicator has, the same on every rank. */
uint32_t mp_flow_serial(const mp_flow_run *run);
void mp_flow_stop(mp_flow_run *run,
                  mp_flow_verdict why); /* ENOUGH or REDO; this rank begins no more steps */

#endif
