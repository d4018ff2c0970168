/* dictionary.h - the shared dictionary: one map from byte strings to values that all ranks read and change. Keys are
 * owned by hash; operations travel in batches to their owner, which carries each out as a whole, or are carried out by
 * the rank that asks where the owner's part can be reached (dict_part.h).
 * Invariant: the operations of a rank on keys of one owner are carried out in the order in which they were started.
 * An owner never waits to answer: it has at most two answers under way to a rank and leaves that rank's further
 * requests where they are until those are taken; a rank has a bounded number of batches at an owner. So what is kept
 * for others is bounded too. Everything moves in the rounds of mp_comm_progress, whoever waits for whatever; a rank
 * that computes should make one at least every millisecond. Functions are local unless they say collective. */
#ifndef MP_COMM_DICTIONARY_H
#define MP_COMM_DICTIONARY_H

#include "comm/comm.h"
#include "comm/dict/dict_wire.h"

typedef struct mp_dict mp_dict;

typedef struct {
    mp_mem *mem;          /* requests that wait are counted here */
    int64_t table_bytes;  /* limit of the owned part, 0: none */
    int64_t budget_bytes; /* aim for requests and answers on the way */
} mp_dict_args;

/* All ranks make one at the same point, and one at a time on a mp_comm; no message is sent. */
MP_MUST_CHECK mp_status mp_dict_new(mp_comm *c, const mp_dict_args *args, mp_dict **out,
                                    mp_error *err);
/* After mp_dict_done, or when the mp_comm is broken. */
void mp_dict_free(mp_dict **d);

/* The rank that owns a key. */
int mp_dict_owner(const mp_dict *d, const void *key, size_t n);

/* Starting an operation: open it, append its arguments (dict_wire.h) to the buffer that open returns, close it.
 * Nothing else may be called in between. Open returns NULL where memory was refused, or once mp_dict_end was called. */
mp_buf *mp_dict_open(mp_dict *d, mp_dict_op op, unsigned flags, const void *key, size_t n);
/* The same for an operation without key, on the keys of one owner. */
mp_buf *mp_dict_open_at(mp_dict *d, mp_dict_op op, unsigned flags, int owner);
/* Called with the answer (mp_dict_answer_read), for a key of this rank before close returns. It must not start
 * operations. */
typedef void (*mp_dict_answer_fn)(void *ctx, uint64_t tag, mp_rd answer);
/* fn is called exactly once where the operation was opened with MP_DICT_ANSWER and MP_OK is returned; else never.
 * Updates without answer are combined with one of the same key in the same batch. fn may be called from flush. On failure (memory, more than 1
 * GiB) nothing is sent; where it is a dead rank's the mp_comm is broken. */
MP_MUST_CHECK mp_status mp_dict_close(mp_dict *d, mp_dict_answer_fn fn, void *ctx, uint64_t tag,
                                      mp_error *err);

/* Batches that are not full leave with the next rounds, too, but only when their owner has nothing else of this rank
 * to do; flush makes them leave as soon as there is room. */
MP_MUST_CHECK mp_status mp_dict_flush(mp_dict *d, mp_error *err);
/* MP_FAILED: the mp_comm is broken, so answers may never come. Flush, every round and what waits say so, too. */
MP_MUST_CHECK mp_status mp_dict_whole(const mp_dict *d, mp_error *err);
/* True when so much waits to be sent that the caller should make progress before it starts more. */
bool mp_dict_full(const mp_dict *d);
/* All operations of this rank are carried out and answered. */
bool mp_dict_settled(const mp_dict *d);
/* The first failed update without answer since the last call, as a status and an error; MP_OK: none. */
mp_status mp_dict_lost(mp_dict *d, mp_error *err);
/* What an answer with a code means as an error. key: of the operation, or NULL. */
mp_status mp_dict_code_error(mp_dict_code code, int64_t bytes, int64_t limit, const void *key,
                             size_t n, mp_error *err);

/* A quiet point: returns when all operations that any rank has started before are carried out. Collective. The table
 * is then at rest until the first rank starts another operation, so a second call is due before that. Returns early,
 * with MP_OK, when a rank has failed (mp_dict_failed). */
MP_MUST_CHECK mp_status mp_dict_quiet(mp_dict *d, mp_error *err);
/* The part that this rank owns. */
mp_dict_table *mp_dict_own(mp_dict *d);

/* No more operations of this rank; failed: because it failed. Then the others learn it by mp_dict_failed, and
 * everybody goes on serving until mp_dict_done: all ranks have ended, all that was asked is carried out and answered.
 * Waits belong to the caller; an agreement follows. */
MP_MUST_CHECK mp_status mp_dict_end(mp_dict *d, bool failed, mp_error *err);
bool mp_dict_failed(const mp_dict *d);
bool mp_dict_done(const mp_dict *d);

typedef struct {
    int64_t keys;           /* owned now */
    int64_t applied;        /* operations carried out here */
    int64_t started;        /* operations of this rank */
    int64_t combined;       /* of these, combined with another one before they were sent */
    int64_t batches, bytes; /* sent */
    int64_t bytes_answered; /* sent as answers */
} mp_dict_counts;
mp_dict_counts mp_dict_stats(const mp_dict *d);

/* dict_library.c: the calls of mpart/dict.h, but for open and close, on a dictionary that goes on without them. NULL:
 * no memory. */
struct mpart_dict *mp_dict_client_new(mp_comm *c, mp_dict *d);
void mp_dict_client_free(struct mpart_dict **m);

#endif
