/* message.c - messages in the background: sends that own their bytes, receives that are matched as they come.
 * Invariant: the bytes of a send live until MPI has finished with them; a message is given to its handler exactly once,
 * in order per (source, tag). */
#include <stdlib.h>
#include <string.h>

#include "comm/comm_state.h"

enum { ACCEPT_MAX = 16, RECEIVING_MAX = 16 };

mp_status mp_comm_mpi_error(mp_comm *c, int code, const char *call, mp_error *err) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int len = 0;
    MPI_Error_string(code, text, &len);
    if (c) c->broken = true;
    return mp_error_set(err, MP_FAILED, call, "%s", text[0] ? text : "unknown MPI error");
}

bool mp_comm_broken(const mp_comm *c) {
    return c->broken;
}

void mp_comm_give_up(mp_comm *c) {
    c->broken = true;
}

static bool grow_ops(mp_comm *c) {
    int cap = c->cap_ops ? 2 * c->cap_ops : 64;
    size_t n = (size_t)cap;
    MPI_Request *reqs = realloc(c->reqs, n * sizeof *reqs);
    if (reqs) c->reqs = reqs;
    mp_op **ops = realloc(c->ops, n * sizeof *ops);
    if (ops) c->ops = ops;
    int *finished = realloc(c->finished, n * sizeof *finished);
    if (finished) c->finished = finished;
    MPI_Status *statuses = realloc(c->statuses, n * sizeof *statuses);
    if (statuses) c->statuses = statuses;
    if (!reqs || !ops || !finished || !statuses) return false;
    c->cap_ops = cap;
    return true;
}

mp_status mp_message_init(mp_comm *c, mp_error *err) {
    size_t n = (size_t)c->size * MP_TAG_COUNT;
    c->unsent = calloc(n, sizeof *c->unsent);
    c->arrived_end = &c->arrived;
    if (!c->unsent || !grow_ops(c)) return mp_error_nomem(err, (int64_t)(n * sizeof(int)), 0);
    return MP_OK;
}

static void free_data(mp_comm *c, mp_op *op) {
    if (op->inside || !op->data) return;
    if (!op->mem && op->cap == MP_POOL_BYTES && c->n_pool < MP_POOL_MAX)
        c->pool[c->n_pool++] = op->data;
    else
        mp_mem_free(op->mem, op->data);
}

static void free_op(mp_comm *c, mp_op *op) {
    free_data(c, op);
    free(op);
}

void mp_message_release(mp_comm *c) {
    for (mp_op *op = c->arrived, *next; op; op = next) {
        next = op->next;
        if (op->done) free_op(c, op); /* the others are among ops */
    }
    for (int i = 0; i < c->n_ops; i++)
        free_op(c, c->ops[i]);
    for (int i = 0; i < c->n_pool; i++)
        free(c->pool[i]);
    free(c->reqs);
    free(c->ops);
    free(c->finished);
    free(c->statuses);
    free(c->unsent);
}

void mp_comm_listen(mp_comm *c, mp_tag tag, mp_message_fn fn, void *ctx) {
    c->listen[tag] = (mp_listener){fn, ctx};
}

void mp_comm_each_round(mp_comm *c, mp_round_fn fn, void *ctx) {
    c->each_round = fn;
    c->round_ctx = ctx;
}

int mp_comm_unsent(const mp_comm *c, int dest, mp_tag tag) {
    return c->unsent[(size_t)dest * MP_TAG_COUNT + tag];
}

static void append_arrived(mp_comm *c, mp_op *op) {
    op->next = NULL;
    *c->arrived_end = op;
    c->arrived_end = &op->next;
}

static mp_status too_long(size_t len, mp_error *err) {
    mp_error_set(err, MP_FAILED, "message too long",
                 "%zu bytes do not fit in one message (at most %d)", len, MP_MESSAGE_MAX);
    mp_error_hint(err, "a single value of this size cannot cross ranks");
    return MP_FAILED;
}

/* Takes op, also on failure. */
static mp_status start_send(mp_comm *c, mp_op *op, bool sync, mp_error *err) {
    if (op->peer == c->rank) {
        op->incoming = op->done = true;
        append_arrived(c, op);
        return MP_OK;
    }
    if (c->n_ops == c->cap_ops && !grow_ops(c)) {
        free_op(c, op);
        return mp_error_nomem(err, c->cap_ops * 64L, 0);
    }
    MPI_Request req;
    int done = 0, n = (int)op->len;
    int rc = sync ? MPI_Issend(op->data, n, MPI_BYTE, op->peer, op->tag, c->mpi, &req)
                  : MPI_Isend(op->data, n, MPI_BYTE, op->peer, op->tag, c->mpi, &req);
    if (rc == MPI_SUCCESS && !sync) rc = MPI_Test(&req, &done, MPI_STATUS_IGNORE);
    if (rc != MPI_SUCCESS) {
        free_op(c, op);
        return mp_comm_mpi_error(c, rc, "cannot send a message", err);
    }
    mp_doorbell_ring(c, op->peer);
    if (done) {
        free_op(c, op);
        return MP_OK;
    }
    c->unsent[(size_t)op->peer * MP_TAG_COUNT + (size_t)op->tag]++;
    c->reqs[c->n_ops] = req;
    c->ops[c->n_ops++] = op;
    return MP_OK;
}

mp_status mp_comm_send(mp_comm *c, int dest, mp_tag tag, const void *bytes, size_t len,
                       mp_error *err) {
    if (len > MP_MESSAGE_MAX) return too_long(len, err);
    mp_op *op = malloc(sizeof *op + len);
    if (!op) return mp_error_nomem(err, (int64_t)(sizeof *op + len), 0);
    *op = (mp_op){
        .data = (uint8_t *)(op + 1), .len = len, .peer = dest, .tag = (int)tag, .inside = true};
    if (len) memcpy(op->data, bytes, len);
    return start_send(c, op, false, err);
}

mp_status mp_comm_send_buf(mp_comm *c, int dest, mp_tag tag, mp_buf *b, bool sync, mp_error *err) {
    if (mp_buf_check(b, err) != MP_OK) return MP_NOMEM;
    if (b->len > MP_MESSAGE_MAX) return too_long(b->len, err);
    mp_op *op = malloc(sizeof *op);
    if (!op) return mp_error_nomem(err, sizeof *op, 0);
    *op = (mp_op){.data = b->data,
                  .len = b->len,
                  .cap = b->cap,
                  .mem = b->mem,
                  .peer = dest,
                  .tag = (int)tag};
    mp_buf_init(b, b->mem);
    return start_send(c, op, sync, err);
}

static void finish_op(mp_comm *c, mp_op *op) {
    /* a long message: its sender may sleep until it is taken; a send that had to wait: its receiver was rung too early */
    mp_doorbell_ring(c, op->peer);
    if (op->incoming) {
        op->done = true;
        c->n_receiving--;
    } else {
        c->unsent[(size_t)op->peer * MP_TAG_COUNT + (size_t)op->tag]--;
        free_op(c, op);
    }
}

void mp_message_remind(mp_comm *c) {
    for (int i = 0; i < c->n_ops && c->asleep; i++)
        if (!c->ops[i]->incoming) mp_doorbell_ring(c, c->ops[i]->peer);
}

/* Sends that MPI has finished are freed, receives marked. */
static mp_status complete(mp_comm *c, int *events, mp_error *err) {
    int n = 0;
    if (c->n_ops == 0) return MP_OK;
    int rc = MPI_Testsome(c->n_ops, c->reqs, &n, c->finished, c->statuses);
    if (rc == MPI_ERR_IN_STATUS) {
        for (int i = 0; i < n && rc == MPI_ERR_IN_STATUS; i++)
            if (c->statuses[i].MPI_ERROR != MPI_SUCCESS &&
                c->statuses[i].MPI_ERROR != MPI_ERR_PENDING)
                rc = c->statuses[i].MPI_ERROR;
    }
    if (rc != MPI_SUCCESS) return mp_comm_mpi_error(c, rc, "a message was not transferred", err);
    if (n <= 0) return MP_OK;
    for (int i = 0; i < n; i++)
        finish_op(c, c->ops[c->finished[i]]);
    int kept = 0;
    for (int i = 0; i < c->n_ops; i++) {
        if (c->reqs[i] == MPI_REQUEST_NULL) continue;
        c->reqs[kept] = c->reqs[i];
        c->ops[kept++] = c->ops[i];
    }
    c->n_ops = kept;
    *events += n;
    return MP_OK;
}

static mp_op *new_incoming(mp_comm *c, int src, int tag, size_t len) {
    size_t room = len <= 4096 ? len : 0;
    mp_op *op = malloc(sizeof *op + room);
    if (!op) return NULL;
    *op = (mp_op){.len = len, .peer = src, .tag = tag, .incoming = true};
    if (len <= 4096) {
        op->inside = true;
        op->data = (uint8_t *)(op + 1);
    } else if (len <= MP_POOL_BYTES) {
        op->cap = MP_POOL_BYTES;
        op->data = c->n_pool ? c->pool[--c->n_pool] : malloc(op->cap);
    } else {
        op->cap = len;
        op->data = malloc(len);
    }
    if (op->data) return op;
    free(op);
    return NULL;
}

/* Receives the message that a probe has just found. */
static mp_status receive(mp_comm *c, const MPI_Status *found, mp_error *err) {
    int n = 0, done = 0;
    MPI_Request req;
    int rc = MPI_Get_count(found, MPI_BYTE, &n);
    if (rc != MPI_SUCCESS || n < 0) return mp_comm_mpi_error(c, rc, "bad message", err);
    if (c->n_ops == c->cap_ops && !grow_ops(c)) return mp_error_nomem(err, c->cap_ops * 64L, 0);
    mp_op *op = new_incoming(c, found->MPI_SOURCE, found->MPI_TAG, (size_t)n);
    if (!op) {
        c->broken = true; /* it can neither be taken nor left */
        return mp_error_nomem(err, n, 0);
    }
    /* one thread: the first message of this source and tag is still the one that was found */
    rc = MPI_Irecv(op->data, n, MPI_BYTE, op->peer, op->tag, c->mpi, &req);
    if (rc == MPI_SUCCESS) rc = MPI_Test(&req, &done, MPI_STATUS_IGNORE);
    if (rc != MPI_SUCCESS) {
        free_op(c, op);
        return mp_comm_mpi_error(c, rc, "cannot receive a message", err);
    }
    op->done = done;
    if (!done) {
        c->reqs[c->n_ops] = req;
        c->ops[c->n_ops++] = op;
        c->n_receiving++;
    }
    append_arrived(c, op);
    return MP_OK;
}

/* Finds one message on a tag that somebody listens to. */
static mp_status find(mp_comm *c, bool *found, MPI_Status *st, mp_error *err) {
    int flag = 0;
    int rc = MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, c->mpi, &flag, st);
    if (rc == MPI_SUCCESS && flag && (st->MPI_TAG >= MP_TAG_COUNT || !c->listen[st->MPI_TAG].fn)) {
        /* what nobody listens to must not hide the rest */
        flag = 0;
        for (int tag = 1; tag < MP_TAG_COUNT && !flag && rc == MPI_SUCCESS; tag++)
            if (c->listen[tag].fn) rc = MPI_Iprobe(MPI_ANY_SOURCE, tag, c->mpi, &flag, st);
    }
    if (rc != MPI_SUCCESS) return mp_comm_mpi_error(c, rc, "cannot look for messages", err);
    *found = flag != 0;
    return MP_OK;
}

bool mp_message_waits(mp_comm *c) {
    bool found = false;
    MPI_Status st;
    return c->size > 1 && (find(c, &found, &st, NULL) != MP_OK || found);
}

static mp_status accept_some(mp_comm *c, int *events, mp_error *err) {
    for (int i = 0; i < ACCEPT_MAX && c->n_receiving < RECEIVING_MAX; i++) {
        bool found = false;
        MPI_Status st;
        mp_status s = find(c, &found, &st, err);
        if (s != MP_OK) return s;
        if (!found) break;
        s = receive(c, &st, err);
        if (s != MP_OK) return s;
        ++*events;
    }
    return MP_OK;
}

/* An earlier message of the same source and tag is still waiting. */
static bool overtakes(const mp_comm *c, const mp_op *op) {
    for (const mp_op *e = c->arrived; e != op; e = e->next)
        if (e->peer == op->peer && e->tag == op->tag) return true;
    return false;
}

bool mp_message_ready(const mp_comm *c) {
    for (const mp_op *op = c->arrived; op; op = op->next)
        if (op->done && c->listen[op->tag].fn && !overtakes(c, op)) return true;
    return false;
}

static void keep_error(mp_comm *c, mp_status s, mp_error *e) {
    if (s == MP_OK || c->kept.status != MP_OK) return;
    mp_error_set(e, s, NULL, "a message was refused");
    c->kept = *e;
}

/* Gives what is complete to its handler; what a handler sends to its own rank waits for the next round. */
static void deliver(mp_comm *c, int *events) {
    mp_op **end = c->arrived_end;
    mp_op **at = &c->arrived;
    while (*at && at != end) {
        mp_op *op = *at;
        mp_listener l = c->listen[op->tag];
        if (!op->done || !l.fn || overtakes(c, op)) {
            at = &op->next;
            continue;
        }
        bool last = end == &op->next;
        mp_error e = MP_ERROR_INIT;
        mp_status s = l.fn(l.ctx, op->peer, op->data, op->len, &e);
        keep_error(c, s, &e);
        *at = op->next;
        if (!op->next) c->arrived_end = at;
        free_op(c, op);
        ++*events;
        if (last) break;
    }
}

mp_status mp_message_round(mp_comm *c, int *events, mp_error *err) {
    if (c->size > 1) {
        mp_status s = complete(c, events, err);
        if (s == MP_OK) s = accept_some(c, events, err);
        if (s != MP_OK) return s;
    }
    if (c->arrived) deliver(c, events);
    if (c->each_round) {
        mp_error e = MP_ERROR_INIT;
        keep_error(c, c->each_round(c->round_ctx, &e), &e);
    }
    return MP_OK;
}

mp_status mp_comm_progress(mp_comm *c, int *events, mp_error *err) {
    int n = 0;
    mp_status s = mp_message_round(c, &n, err);
    if (events) *events = n;
    if (s != MP_OK || c->kept.status == MP_OK) return s;
    s = (mp_status)c->kept.status;
    if (err && err->status == MP_OK) *err = c->kept;
    mp_error_init(&c->kept);
    return s;
}
