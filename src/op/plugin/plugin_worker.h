/* plugin_worker.h - shards given to a plug-in that runs in a process of its own beside this rank, or (in_process) here.
 * Invariant: whatever the plug-in does (crash, hang, exit, write where it should not, close descriptors, hand out broken
 * batches) ends in the result of its shard; this process never waits for it and reads nothing of it unchecked. One
 * shard at a time; a process that failed is replaced for the next one. In-process there is no such protection. */
#ifndef MP_OP_PLUGIN_WORKER_H
#define MP_OP_PLUGIN_WORKER_H

#include "io/child.h"
#include "op/plugin/plugin_call.h"

typedef struct mp_worker mp_worker;

typedef struct {
    const mp_spawner *spawner; /* not with in_process */
    const char *program;       /* the executable that calls mp_plugin_serve; not with in_process */
    const char *plugin;        /* its file, as the user named it */
    int n_args;
    const char *const *args; /* "key=value" */
    uint32_t role;           /* enum mpart_role */
    const mp_schema *input;
    bool in_process;
    const char *dict_socket;              /* of the shared dictionary; NULL: none */
    const struct mpart_plugin_dict *dict; /* the same for in_process */
    int epoll_fd; /* gets the descriptors of the process, for whoever sleeps; -1: nobody does */
    mp_mem *mem;
    void *ctx;
    /* Rows of the shard under way, in order; those of a shard that fails in the end count for nothing. An error is
     * returned by the function that was called. */
    mp_status (*rows)(void *ctx, const mp_batch *batch, mp_error *err);
    /* What it writes to standard error and standard output. */
    mp_status (*err)(void *ctx, const uint8_t *bytes, size_t n, mp_error *err);
} mp_worker_args;

typedef enum {
    MP_WORKER_OK,
    MP_WORKER_NO_LOAD, /* the plug-in cannot be loaded, or the process not be started */
    MP_WORKER_FAILED,  /* it said so, or handed out what cannot be taken */
    MP_WORKER_EXIT,    /* it ended its process: code */
    MP_WORKER_SIGNAL,  /* a signal ended its process: code */
    MP_WORKER_TIMEOUT  /* its time was over */
} mp_worker_outcome;

typedef struct {
    mp_worker_outcome outcome;
    int code;
    mp_error error;   /* in full: the plug-in, and why; MP_OK with MP_WORKER_OK */
    int64_t start_ms; /* since 1970 */
    int64_t run_ns;
} mp_worker_result;

/* Pointers in args stay the caller's and valid. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_worker_new(const mp_worker_args *args, mp_worker **out, mp_error *err);
/* Ends its process. NULL is fine. */
void mp_worker_free(mp_worker **w);

/* Begins a shard. timeout_ns: for the whole shard; 0: none, but a single call that takes longer than
 * MP_WORKER_CALL_S is held to hang. */
enum { MP_WORKER_CALL_S = 60 };
MP_MUST_CHECK mp_status mp_worker_begin(mp_worker *w, int64_t shard, int64_t timeout_ns,
                                        mp_error *err);
/* Rows of the shard, copied; not while mp_worker_full. Once the shard has failed all are thrown away. A batch must have
 * the columns of the input. */
MP_MUST_CHECK mp_status mp_worker_push(mp_worker *w, const mp_batch *batch, mp_error *err);
/* There is no room for more rows before a step has found some. */
bool mp_worker_full(const mp_worker *w);
/* All rows have been pushed, and it is not full; or with cancel: it is to be closed without its finish. */
MP_MUST_CHECK mp_status mp_worker_finish(mp_worker *w, bool cancel, mp_error *err);
/* Takes what has come. *did: something has; *done: the shard is over, its result is there. */
MP_MUST_CHECK mp_status mp_worker_step(mp_worker *w, bool *did, bool *done, mp_error *err);
/* How long nothing can happen but by the descriptors, ns. */
int64_t mp_worker_patience(const mp_worker *w);
const mp_worker_result *mp_worker_result_of(const mp_worker *w);
/* The shard under way is not wanted any more: its process is ended, or, in-process, no more is given to it. */
void mp_worker_stop(mp_worker *w);
/* Once this shard has failed there is no use in reading more of it. */
bool mp_worker_failing(const mp_worker *w);
/* Columns that come out, and the number of keys among them; NULL: not known yet. From the first shard that was opened
 * on; a shard with others fails. */
const mp_schema *mp_worker_output(const mp_worker *w, int *n_keys);

#endif
