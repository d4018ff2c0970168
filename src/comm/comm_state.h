/* comm_state.h - what a mp_comm holds; for the files of comm alone.
 * Invariant: reqs[i] belongs to ops[i] for i < n_ops and is never MPI_REQUEST_NULL between two calls; the arrived list
 * holds the incoming messages in the order in which they were matched, so the first of a (peer, tag) is the next to be
 * delivered. */
#ifndef MP_COMM_COMM_STATE_H
#define MP_COMM_COMM_STATE_H

#include <stdatomic.h>

#include "comm/comm.h"

enum {
    MP_MESSAGE_MAX = 1 << 30, /* counts are int, and some libraries go wrong well below 2^31 */
    MP_POOL_BYTES = 256 * 1024 + 64,
    MP_POOL_MAX = 16,
    MP_TREE_FAN = 8 /* children of a rank in the tree of the collectives */
};

/* A message under way, out or in. */
typedef struct mp_op mp_op;
struct mp_op {
    mp_op *next; /* in the arrived list */
    uint8_t *data;
    size_t len, cap;
    mp_mem *mem; /* data was allocated here */
    int peer, tag;
    bool incoming;
    bool done;   /* incoming: all bytes are here */
    bool inside; /* data points behind this struct */
};

/* A message of a collective that nobody has asked for yet. */
typedef struct mp_letter mp_letter;
struct mp_letter {
    mp_letter *next;
    int src;
    size_t len;
    uint8_t bytes[];
};

typedef struct {
    mp_message_fn fn;
    void *ctx;
} mp_listener;

struct mp_comm {
    MPI_Comm mpi;
    int rank, size;
    int host_ranks;
    bool one_host;
    char host[256];

    mp_listener listen[MP_TAG_COUNT];
    mp_round_fn each_round;
    void *round_ctx;
    MPI_Request *reqs;
    mp_op **ops;
    int *finished; /* scratch of MPI_Testsome */
    MPI_Status *statuses;
    int n_ops, cap_ops;
    int n_receiving; /* incoming among ops */
    int *unsent;     /* [size * MP_TAG_COUNT] */
    mp_op *arrived, **arrived_end;
    uint8_t *pool[MP_POOL_MAX];
    int n_pool;
    mp_error kept; /* of a handler, until mp_comm_progress returns it */
    bool broken;

    int bell;                /* datagram socket, -1: none */
    int watched;             /* descriptor of mp_comm_watch_fd, -1: none */
    uint64_t *token;         /* [size] name of each rank's bell, 0: cannot be rung from here */
    bool all_ring;           /* every other rank can ring this one */
    _Atomic uint8_t *asleep; /* [size] shared by the ranks of this host, NULL: not known */
    int shared_fd;           /* the file of `asleep` and of the areas, -1: none */
    char *areas;             /* [size] of area_bytes each, NULL: not mapped */
    size_t area_bytes;
    uint64_t secret; /* tells a message of this job on the bell from a stranger's */
    int64_t spin_ns;
    int64_t idle_since_ns;
    int64_t crowded_until_ns; /* others want the processors */
    const char *waiting;
    int64_t waiting_since_ns;
    int64_t deadline_ns; /* of waits; 0: none */

    mp_letter *letters, **letters_end;
    uint32_t n_collectives;
    uint32_t n_serials;
};

/* message.c */
mp_status mp_comm_mpi_error(mp_comm *c, int code, const char *call, mp_error *err);
mp_status mp_message_init(mp_comm *c, mp_error *err);
void mp_message_release(mp_comm *c);
/* As mp_comm_progress, but an error of a handler stays kept. */
mp_status mp_message_round(mp_comm *c, int *events, mp_error *err);
/* A message that could be delivered at once; one that could be received at once. */
bool mp_message_ready(const mp_comm *c);
bool mp_message_waits(mp_comm *c);
/* Rings the sleeping receivers of unfinished sends: MPI may have had no room when they were rung first. */
void mp_message_remind(mp_comm *c);

/* life.c */
/* Open MPI yields in each call that finds nothing to do. On a busy machine every yield is the others' time slice: wait.c does
 * it once a round, where calls do it several times; those that block (MPI-IO's) must. Returns what it was. Where this MPI
 * does not let itself be told, all stays as it is. */
bool mp_comm_calls_yield(bool yes);

/* neighbours.c */
/* Collective: learns the hosts, makes the bells. Needs messages and collectives. */
mp_status mp_neighbours_meet(mp_comm *c, mp_error *err);

/* doorbell.c */
/* This rank's bell, under a name that nobody guesses. */
bool mp_doorbell_open(mp_comm *c, uint64_t token);
/* Is there a bell of that name here? */
bool mp_doorbell_reaches(uint64_t token);
/* The lowest rank of a host makes the bytes that say who sleeps, all set, so a rank that has not mapped them yet is rung,
 * and sends them. Needs c->token and c->secret. */
void mp_doorbell_share(mp_comm *c);
void mp_doorbell_release(mp_comm *c);
/* Wakes dest if it sleeps on this host. */
void mp_doorbell_ring(mp_comm *c, int dest);
/* Around a sleep on c->bell: before it, and after (rings that came are taken off). */
void mp_doorbell_sleeps(mp_comm *c);
void mp_doorbell_woke(mp_comm *c);

/* area.c */
/* Bytes of the shared file, with its areas where they can be. */
size_t mp_area_file_bytes(const mp_comm *c);
void mp_area_release(mp_comm *c);

/* wait.c */
/* As mp_comm_wait, but an error of a handler stays kept: a collective is never left half-way. */
mp_status mp_wait_quietly(mp_comm *c, mp_pred_fn pred, void *ctx, const char *what, mp_error *err);

/* collective.c */
void mp_collective_init(mp_comm *c);
void mp_collective_release(mp_comm *c);

#endif
