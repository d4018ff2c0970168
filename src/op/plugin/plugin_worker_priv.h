/* plugin_worker_priv.h - the state of a worker, for plugin_worker*.c. */
#ifndef MP_OP_PLUGIN_WORKER_PRIV_H
#define MP_OP_PLUGIN_WORKER_PRIV_H

#include "op/plugin/plugin_wire.h"
#include "op/plugin/plugin_worker.h"

enum { MP_WORKER_NO_SLOT = MP_PLUGIN_SLOTS };

struct mp_worker {
    mp_worker_args a;
    /* the process */
    mp_child child;
    int line; /* -1: no process */
    bool ready;
    mp_shared in, out;
    bool free[MP_PLUGIN_SLOTS]; /* slots of in that are ours */
    uint32_t slot;              /* the one that is filled; MP_WORKER_NO_SLOT: none */
    size_t filled;
    uint8_t *waiting; /* a frame that found no slot; NULL: none */
    size_t waiting_bytes;
    uint8_t *copy; /* of a slot of out */
    size_t copy_bytes;
    int64_t ended_ns; /* the line is closed, the process not yet over; 0: not so */
    /* in this process */
    mp_plugin plugin;
    const struct mpart_arg *plugin_args;
    mp_plugin_instance *instance;
    mp_error trouble; /* of whoever takes the rows: not the plug-in's */
    /* the shard */
    bool busy, opened, failing, finishing, done;
    int64_t shard;
    int64_t start_ns, deadline_ns; /* deadline 0: none */
    int64_t heard_ns; /* when the process last said something, or got something to do */
    int owed;         /* things that it was given and has not done yet */
    mp_worker_result result;
    /* what comes out */
    bool known;
    mp_schema output;
    mp_arrow_table table;
    int n_keys;
    mp_arena kept, batch;
};

/* The shard fails, with this error and outcome; the process stays as it is. */
void mp_worker_fail(mp_worker *w, mp_worker_outcome outcome, int code, const mp_error *error);
/* The shard failed, and the process is ended. */
void mp_worker_kill(mp_worker *w, mp_worker_outcome outcome, int code, const mp_error *error);
/* The columns of this shard's instance: those of the first, or the shard fails. n_keys as well. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_worker_take_columns(mp_worker *w, const mp_schema *s, int64_t n_keys,
                                               mp_error *err);

/* ---- plugin_worker_inside.c: in this process ---- */
MP_MUST_CHECK mp_status mp_worker_inside_begin(mp_worker *w, mp_error *err);
MP_MUST_CHECK mp_status mp_worker_inside_push(mp_worker *w, const mp_batch *batch, mp_error *err);
MP_MUST_CHECK mp_status mp_worker_inside_finish(mp_worker *w, bool cancel, mp_error *err);

/* ---- plugin_worker_line.c: the process, its slots and messages ---- */
MP_MUST_CHECK mp_status mp_worker_start(mp_worker *w, mp_error *err);
void mp_worker_end(mp_worker *w);
MP_MUST_CHECK mp_status mp_worker_say_open(mp_worker *w, mp_error *err);
MP_MUST_CHECK mp_status mp_worker_put(mp_worker *w, const mp_batch *batch, mp_error *err);
/* What waits goes into a slot, if there is one now. */
MP_MUST_CHECK mp_status mp_worker_put_waiting(mp_worker *w, bool *did, mp_error *err);
/* Hands the slot that is filled over. */
void mp_worker_flush(mp_worker *w);
void mp_worker_say(mp_worker *w, const mp_plugin_message *m, int fd);
/* All messages that have come. *ended: the line is closed. */
MP_MUST_CHECK mp_status mp_worker_listen(mp_worker *w, bool *did, bool *ended, mp_error *err);

#endif
