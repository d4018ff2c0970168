/* dict_state.h - what a mp_dict holds; for the files of the dictionary alone.
 * Invariant: of the batches for one owner one is open, some are queued, at most MP_DICT_WINDOW are at the owner and not
 * acknowledged. The waiters of a peer are in the order of the operations that were sent to it with MP_DICT_ANSWER,
 * and answers come in that order. */
#ifndef MP_COMM_DICT_STATE_H
#define MP_COMM_DICT_STATE_H

#include "comm/dict/dict_part.h"
#include "comm/dict/dictionary.h"

/* Messages to owners: u32 serial, u32 what; then records, or the end: u32 failed, i64 batches. */
typedef enum { MP_DICT_REQUESTS, MP_DICT_END, MP_DICT_QUIET, MP_DICT_ALL_QUIET } mp_dict_message;
enum { MP_DICT_HEAD = 8 };

enum { MP_DICT_WINDOW = 4 /* batches at an owner */, MP_DICT_BLOCK_MAX = 64 * 1024 };

typedef struct mp_dict_block mp_dict_block;
struct mp_dict_block {
    mp_dict_block *next;
    size_t at;   /* received: what comes before is carried out */
    size_t held; /* received: bytes counted while it waits */
    mp_buf buf;
};

typedef struct {
    mp_dict_answer_fn fn;
    void *ctx;
    uint64_t tag;
} mp_dict_waiter;

typedef struct {
    /* as client of this peer */
    mp_dict_part *part; /* where it can be reached, NULL: by messages alone */
    mp_buf open;
    uint64_t generation; /* of what may be combined in it */
    mp_dict_block *queue, **queue_end;
    int unacked; /* batches */
    int64_t n_sent;
    bool told; /* the end was sent */
    mp_dict_waiter *waiters;
    size_t first_waiter, n_waiters, cap_waiters; /* a ring; cap is a power of two */
    /* as owner for this peer */
    mp_dict_block *todo, **todo_end;
    int64_t n_applied, n_expected; /* batches; expected is -1 until its end is here */
} mp_dict_peer;

enum { MP_DICT_RECENT = 8192 };

/* Where the last update of a key is in an open batch. */
typedef struct {
    uint64_t generation;
    uint32_t at, owner;
} mp_dict_recent;

struct mp_dict {
    mp_comm *c;
    mp_mem *mem;
    int rank, size;
    uint32_t serial;
    uint64_t next_generation;
    size_t block_bytes;
    int64_t queue_limit, queued_bytes;
    mp_dict_part *part;
    size_t reach_most; /* bytes of another rank's part that this one takes into its memory */
    mp_buf there;      /* answers of another rank's part */
    mp_dict_peer *peers;
    mp_dict_recent *recent;
    int n_open, n_queued,
        n_todo; /* peers with records in the open batch, queued ones, requests to carry out */
    int64_t n_waiting; /* waiters and batches without acknowledgement, of all peers */
    /* the operation that is being written */
    int owner;
    uint64_t place;
    size_t at;
    bool answer, keyed, open;
    mp_buf own_answer;
    int n_ends;
    int n_arrived;            /* rank 0: at the quiet point */
    int64_t n_asked, n_quiet; /* quiet points */
    bool ended, failed, listening;
    mp_error lost;
    mp_dict_counts counts;
};

/* dict_send.c */
/* The open batch of p goes to the queue. */
mp_status mp_dict_queue_open(mp_dict *d, mp_dict_peer *p, mp_error *err);
/* Called in every round of the communicator: sends what may leave, and listens no longer once nothing can come any more.
 * ctx: the dictionary. */
mp_status mp_dict_push(void *ctx, mp_error *err);
/* The end of this rank, behind all batches for dest. */
mp_status mp_dict_tell_end(mp_dict *d, int dest, mp_error *err);

/* dict_answer.c */
mp_status mp_dict_on_answer(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err);
/* The answers that r has to operations at p are given to those who wait for them. */
mp_status mp_dict_answers_of(mp_dict *d, mp_dict_peer *p, mp_rd *r, mp_error *err);
/* What failed without anybody waiting for it: mp_dict_lost tells the first. */
void mp_dict_note_lost(mp_dict *d, mp_rd *r, const mp_dict_answer *a);

/* dict_reach.c: carries out the records of b where dest's part is, in this rank's own time. *done false: not possible now
 * (it cannot be seen from here, or batches for it are under way), nothing happened. */
mp_status mp_dict_reach(mp_dict *d, int dest, const mp_buf *b, bool *done, mp_error *err);

/* dict_end.c: ends and quiet points of others; r: what is behind the message's head. */
mp_status mp_dict_on_word(mp_dict *d, int src, mp_dict_message what, mp_rd *r, mp_error *err);

/* dict_serve.c: the owner's side. */
/* Carries out requests of bytes from *at on part, which is locked, until the end or the answer is long enough. */
mp_status mp_dict_apply_some(mp_dict *d, mp_dict_part *part, const uint8_t *bytes, size_t len,
                             size_t *at, mp_buf *out, mp_error *err);
/* Requests of src: carried out and answered, or kept until they may be. */
mp_status mp_dict_take(mp_dict *d, int src, const uint8_t *bytes, size_t len, mp_error *err);
/* Carries out what was left because answers were under way. */
mp_status mp_dict_serve(mp_dict *d, mp_error *err);
/* Carries out what this rank has started on its own keys; the answer to the last of it, if it wanted one, is at the end
 * of own_answer: its offset. */
mp_status mp_dict_apply_own(mp_dict *d, size_t *answer, mp_error *err);

/* dict_combine.c: the record at `at` of the open batch of owner p, which ends the batch, becomes part of an earlier
 * record where that changes nothing for anybody. True: the record was taken off the batch. */
bool mp_dict_combine(mp_dict *d, int owner, uint64_t place, size_t at);

#endif
