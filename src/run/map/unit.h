/* unit.h - a unit phase: pieces of user work, handed out one by one by rank 0 to whichever rank is
 * free, itself included; retried, recorded, stopped.
 * A flow (flow.h) is for work that all succeeds or fails as one, in ascending order, in short steps.
 * Units take any time, fail on their own, and come again; so a unit is never kept waiting behind a
 * long one, and a failure costs nothing but the unit.
 * Invariant: every unit ends in one record on rank 0 or stays open; a record reaches the journal only
 * when its rank has synced the result. All ranks leave together with one status. */
#ifndef MP_RUN_UNIT_H
#define MP_RUN_UNIT_H

#include "comm/comm.h"
#include "op/unit_work.h"
#include "run/journal/journal.h"

typedef enum { MP_HALT_NEVER, MP_HALT_SOON, MP_HALT_NOW } mp_halt;

typedef struct {
    void *ctx;
    mp_mem *mem;
    int64_t n_units; /* rank 0 */
    /* Rank 0: those that need not be done, n_units; NULL: none. */
    const uint8_t *done;
    /* Rank 0: the order to begin them in, n_units; NULL: ascending. */
    const int64_t *order;
    int64_t retries; /* further tries of a unit that failed */
    mp_halt halt;
    /* Rank 0: at most per_group units of a group at a time. group: n_units, -1: of none; NULL: no
     * groups. */
    const int32_t *group;
    int n_groups;
    int64_t per_group;
    bool journalled; /* results are to be synced, and records go to commit behind that */
    int stop_fd;     /* rank 0: readable when the run is asked to stop (run/stop.h); -1 */
    int epoll_fd;    /* every rank: descriptors of what is under way; stop_fd is added */

    /* Rank 0. What a rank needs to know of a unit. */
    mp_status (*describe)(void *ctx, int64_t unit, mp_buf *desc, mp_error *err);
    /* Rank 0. The unit is over, well or not, on rank src; it is not tried again. */
    mp_status (*ended)(void *ctx, const mp_unit_record *r, int src, mp_error *err);
    /* Rank 0. Lines for the journal, to be synced. */
    mp_status (*commit)(void *ctx, const mp_buf *lines, mp_error *err);
    /* Rank 0, every round: what goes on beside. NULL: nothing. */
    mp_status (*push)(void *ctx, bool *did, mp_error *err);
    /* Rank 0: nobody wants the results any more: what runs is ended, and that is success. NULL: never. */
    bool (*enough)(void *ctx);
    /* Rank 0, about every 0.2 s. */
    void (*tick)(void *ctx);

    /* Every rank, every round: what goes on beside. NULL: nothing. It may make progress for a moment. */
    mp_status (*beside)(void *ctx, bool *did, mp_error *err);

    /* Every rank at the same time, while no rank has a unit and the journal has all that ended: so what is kept here
     * belongs to what stands there. Collective. NULL: never. It comes every keep_ns (rank 0) at most, and so seldom that
     * waiting for units and keep take about a twentieth of the time: every twenty times the length of a unit, for one. */
    mp_status (*keep)(void *ctx, mp_error *err);
    int64_t keep_ns;

    /* Every rank; they do not block. One unit at a time. */
    mp_status (*begin)(void *ctx, int64_t unit, const uint8_t *desc, size_t len, mp_error *err);
    mp_status (*step)(void *ctx, bool *did, bool *done, mp_error *err);
    /* Behind a step that was done: fills outcome, code, times, and where the result is. */
    mp_status (*end)(void *ctx, mp_unit_record *r, mp_error *err);
    /* Nothing happens within so many ns but by the descriptors. */
    int64_t (*patience)(void *ctx);
    /* End the unit under way soon: it goes on until it is done. */
    void (*stop)(void *ctx);
    /* The results of all units that have ended here to the disk. */
    mp_status (*sync)(void *ctx, mp_error *err);
} mp_units;

typedef struct {
    int64_t n_done, n_failed, n_left; /* of this run, rank 0 */
    int64_t first_failed;             /* unit, -1 */
    bool asked_to_stop;               /* by a signal: the same on every rank */
    bool cut_short;                   /* units that had begun are left, rank 0 */
} mp_units_result;

/* Collective. MP_OK: every unit was tried to its end (n_failed says how it went). MP_STOPPED: asked to
 * stop, and units are left. MP_INTERRUPTED: asked twice, units were ended. MP_FAILED with halt and a
 * unit that failed. Else the agreed error of what is no unit's fault (disk full). */
MP_MUST_CHECK mp_status mp_units_execute(mp_comm *c, const mp_units *units, mp_units_result *result,
                                         mp_error *err);

#endif
