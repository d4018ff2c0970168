/* resp_server.h - the dictionary for other programs: each rank serves RESP2 on a private Unix socket, many clients at
 * a time.
 * Invariant: nothing blocks. Commands of a client are carried out in their order as far as they meet the same owner,
 * and answered in their order always; a client that does not take its answers is not read from, so what is kept for
 * one is bounded. A client can only hurt itself. All memory is counted. */
#ifndef MP_RUN_RESP_SERVER_H
#define MP_RUN_RESP_SERVER_H

#include "comm/dict/dictionary.h"

typedef struct mp_resp_server mp_resp_server;

typedef struct {
    mp_comm *c;
    mp_dict *dict;
    mp_mem *mem; /* of what clients send and are sent */
    /* where the socket's folder is made if the launcher has none of its own; NULL: /tmp, as for names that
     * are too long for a socket */
    const char *folder;
} mp_resp_server_args;

/* Makes a folder that only this user can enter, and listens there. Local. */
MP_MUST_CHECK mp_status mp_resp_server_new(const mp_resp_server_args *args, mp_resp_server **out,
                                           mp_error *err);
/* Drops the clients, removes socket and folder. No answers may be under way (mp_resp_server_done), unless the
 * dictionary is freed first. */
void mp_resp_server_free(mp_resp_server **s);
/* The socket's name, for MPART_DICT. */
const char *mp_resp_server_path(const mp_resp_server *s);
/* Readable when mp_resp_server_round has something to do; for mp_comm_watch_fd or another epoll. */
int mp_resp_server_fd(const mp_resp_server *s);

/* Takes in clients, reads, starts operations, writes answers; a bounded share of it for each client. *events counts
 * what happened. An error is one of the dictionary or the system; what clients do wrong goes to them. */
MP_MUST_CHECK mp_status mp_resp_server_round(mp_resp_server *s, int *events, mp_error *err);
/* No new clients; those that are there get the answers to what they have sent so far, if they take them at once, and
 * are closed. */
void mp_resp_server_end(mp_resp_server *s);
/* Nothing that was read from a client waits or is under way. */
bool mp_resp_server_calm(const mp_resp_server *s);
/* After end: all clients are gone and no operation of theirs is under way. */
bool mp_resp_server_done(const mp_resp_server *s);

typedef struct {
    int64_t clients, commands, errors;
    int connected; /* now */
} mp_resp_server_counts;
mp_resp_server_counts mp_resp_server_stats(const mp_resp_server *s);

#endif
