/* comm.h - ranks, messages, collectives and waiting: the only module that talks to MPI.
 * Invariant: between start and stop only non-blocking MPI calls are made, and every wait goes through mp_comm_wait, so a
 * rank that waits always makes progress for the others and never spins. All functions are called by the one thread of a
 * rank. "Collective" functions are called by all ranks in the same order; everything else is local. */
#ifndef MP_COMM_COMM_H
#define MP_COMM_COMM_H

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

typedef struct mp_comm mp_comm;

/* One enum for all message tags. */
typedef enum {
    MP_TAG_SPLIT = 1, /* hand-out of splits and their reports (run/flow) */
    MP_TAG_BLOCK,     /* exchange: a block of records */
    MP_TAG_EOS,       /* exchange: end of stream */
    MP_TAG_ORDER,     /* ordered sink: sizes, offsets, text (run/order) */
    MP_TAG_FRAGMENT,  /* packed output: parts of units (run/order_pack) */
    MP_TAG_PACKED,    /* packed output: its ordered sink (run/order_pack) */
    MP_TAG_DICT,      /* dictionary: operations, quiet points, ends */
    MP_TAG_DICT_ANSWER,
    MP_TAG_UNIT,    /* hand-out of units and their records (run/unit) */
    MP_TAG_VERDICT, /* agreement and the other collectives */
    MP_TAG_USER,    /* tests */
    MP_TAG_COUNT
} mp_tag;

/* Life cycle (comm/life.c). */

/* Before MPI_Init: what the environment says, and the settings that make start-up short (platform.md): for one host
 * pml=ob1, btl=self,vader; alone ess_singleton_isolated without session folders; no look for network cards; mpi_yield_when_idle;
 * io=romio321. Never overrides what the user set. */
void mp_comm_prepare_env(void);
/* True under mpirun or srun. */
bool mp_comm_under_launcher(void);
/* The folder of this job on this host, which only its user may enter and the launcher removes with all that is in it,
 * however the ranks end; NULL: none. */
const char *mp_comm_launcher_folder(void);
/* The rank that the environment names, 0 when alone. Valid before MPI_Init. */
int mp_comm_env_rank(void);

/* After MPI_Init, once, by a program whose waits are all mp_comm's: what MPI tells its launcher leaves at once, MPI's
 * calls do not yield, and the environment is again what children should have. Not collective. */
void mp_comm_after_init(void);
/* Duplicates parent and sets errors to return. Collective. *out is freed by mp_comm_free (collective). */
MP_MUST_CHECK mp_status mp_comm_new(MPI_Comm parent, mp_comm **out, mp_error *err);
/* This rank alone, for what is written for all ranks but is one rank's work. Local, as are then all collectives on
 * it. The others do not wait: they are in a collective of theirs, or work alike. */
MP_MUST_CHECK mp_status mp_comm_alone(mp_comm **out, mp_error *err);
void mp_comm_free(mp_comm **comm);
/* The same and MPI_Finalize, when the threads of MPI have come to rest. Collective. */
void mp_comm_finalize(mp_comm **comm);
int mp_comm_rank(const mp_comm *c);
int mp_comm_size(const mp_comm *c);
/* Ranks on this host, and whether all ranks are on one host. */
int mp_comm_host_ranks(const mp_comm *c);
bool mp_comm_one_host(const mp_comm *c);
const char *mp_comm_host(const mp_comm *c);
/* 1, 2, 3, ...: the same on every rank when all ranks ask equally often. For messages that must not be taken for those of
 * an earlier phase. */
uint32_t mp_comm_serial(mp_comm *c);
/* MPI itself failed (or a message found no memory): no agreement is possible any more, the program should MPI_Abort. */
bool mp_comm_broken(const mp_comm *c);
/* Says so: this rank cannot take part any more. */
void mp_comm_give_up(mp_comm *c);

/* Messages. Order is kept between two ranks on one tag. A message to oneself is delivered in the next progress, without MPI. */

/* Called from mp_comm_progress for each message that arrived; bytes are valid until it returns. It may send, it must
 * not wait. An error it returns is kept and returned by mp_comm_progress. */
typedef mp_status (*mp_message_fn)(void *ctx, int src, const uint8_t *bytes, size_t len,
                                   mp_error *err);
/* fn NULL: messages of this tag stay in MPI until somebody listens again. */
void mp_comm_listen(mp_comm *c, mp_tag tag, mp_message_fn fn, void *ctx);
/* Called in every round of progress, behind the messages, whoever waits; it must not wait. What it returns is kept as
 * a handler's error. One at a time; NULL: none. */
typedef mp_status (*mp_round_fn)(void *ctx, mp_error *err);
void mp_comm_each_round(mp_comm *c, mp_round_fn fn, void *ctx);
/* Copies len bytes (< 1 GiB) and sends them in the background. */
MP_MUST_CHECK mp_status mp_comm_send(mp_comm *c, int dest, mp_tag tag, const void *bytes,
                                     size_t len, mp_error *err);
/* Sends *b and takes its memory (b is left empty). sync: completes only when the receiver has it (the credit of the
 * exchange). */
MP_MUST_CHECK mp_status mp_comm_send_buf(mp_comm *c, int dest, mp_tag tag, mp_buf *b, bool sync,
                                         mp_error *err);
/* Sends to dest on tag that are not finished. */
int mp_comm_unsent(const mp_comm *c, int dest, mp_tag tag);

/* One round: completes sends, delivers messages that have arrived (a bounded number). *events counts what happened. */
MP_MUST_CHECK mp_status mp_comm_progress(mp_comm *c, int *events, mp_error *err);

typedef bool (*mp_pred_fn)(void *ctx);
/* Until pred(ctx) is true: progress, test and yield for about 200 us, then sleep on descriptors (doorbell, watched
 * descriptors) for 50 us up to some ms. what: what is waited for, in words, for the watchdog and -v ("split", "end of exchange"). */
MP_MUST_CHECK mp_status mp_comm_wait(mp_comm *c, mp_pred_fn pred, void *ctx, const char *what,
                                     mp_error *err);
/* Lets others have the processor for a moment; false, and nothing happened: other programs want it, so who waits should
 * sleep. */
bool mp_comm_yield(mp_comm *c);
/* One sleep of that kind, at most once per call; for loops of their own. idle_rounds: consecutive rounds without an event. */
void mp_comm_idle(mp_comm *c, int idle_rounds);
/* As mp_comm_idle, but never longer than most_ns (nanoseconds): for what has to be polled. */
void mp_comm_idle_most(mp_comm *c, int idle_rounds, int64_t most_ns);
/* One sleep at once, without the test and yield before it, for most_ns at most: while processes that this rank has started need
 * the processor. A message or the watched descriptor ends it. */
void mp_comm_sleep(mp_comm *c, int64_t most_ns);
/* From now on a wait of this rank ends so many seconds from now: the rank gives up then (mp_comm_give_up). For a rank
 * that has failed where the others may be waiting for it outside of this module. 0: no limit, unless it has given up. */
void mp_comm_deadline(mp_comm *c, double seconds);
/* What the rank waits for at this moment, as given to mp_comm_wait, and for how long; NULL: it does not wait. */
const char *mp_comm_waiting(const mp_comm *c, double *seconds);
/* A descriptor whose readability ends a sleep (standard input, an epoll descriptor for several); -1: none. */
void mp_comm_watch_fd(mp_comm *c, int fd);

/* The area of a rank in memory that the ranks of its host share, at the same address on each; NULL: not reachable from
 * here, which other ranks need not agree with. *n_bytes: addresses, as many as the machine has memory, or fewer where
 * there are very many ranks; pages come when they are written, zeroed. Local; nothing is there but what its owner puts
 * there. */
void *mp_comm_shared(mp_comm *c, int rank, size_t *n_bytes);

/* Collectives: messages along a tree, through the same wait. All ranks call them in the same order. An error of a message
 * handler meanwhile is kept for the next mp_comm_progress. */

MP_MUST_CHECK mp_status mp_comm_barrier(mp_comm *c, mp_error *err);
typedef enum { MP_SUM, MP_MAX, MP_MIN, MP_OR } mp_reduce_op;
/* In place, the result on every rank. n values. */
MP_MUST_CHECK mp_status mp_comm_allreduce(mp_comm *c, int64_t *values, int n, mp_reduce_op op,
                                          mp_error *err);
/* Rank 0's bytes to all: b is read on rank 0, replaced on the others. Any length. MP_NOMEM on one rank (b could not grow)
 * does not disturb the others. */
MP_MUST_CHECK mp_status mp_comm_bcast(mp_comm *c, mp_buf *b, mp_error *err);
/* Every rank's bytes to rank 0: on rank 0 *all gets them in rank order, each behind a u64 length; elsewhere empty. */
MP_MUST_CHECK mp_status mp_comm_gather(mp_comm *c, const void *bytes, size_t len, mp_buf *all,
                                       mp_error *err);
/* The bytes of the next rank out of them; false at the end. */
static inline bool mp_comm_gathered(mp_rd *all, mp_rd *rank) {
    if (mp_rd_left(all) == 0 || all->bad) return false;
    size_t n = (size_t)mp_rd_u64(all);
    const void *p = mp_rd_raw(all, n);
    *rank = mp_rd_of(p, p ? n : 0);
    return true;
}

/* Agreement: every rank leaves with the same status, and the same error in *err: of all ranks' errors the one that
 * mp_error_order puts first. err in: this rank's error (MP_OK: none). Collective; never fails half-way. */
MP_MUST_CHECK mp_status mp_comm_agree(mp_comm *c, mp_error *err);
/* The same for a step that left this rank with st and the error mine (st without an error counts, too). *err is only written where
 * the ranks failed. */
MP_MUST_CHECK mp_status mp_comm_agree_on(mp_comm *c, mp_status st, const mp_error *mine,
                                         mp_error *err);

#endif
