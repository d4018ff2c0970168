/* resp_client.h - one client of the dictionary's socket: reading, starting commands, writing.
 * Invariant: at most 1024 commands of a client are under way, fewer where its answers are long, and none is started
 * while 1 MiB of answers waits to be taken (16 MiB while half of the memory is free); then it is not read from either. */
#ifndef MP_RUN_RESP_CLIENT_H
#define MP_RUN_RESP_CLIENT_H

#include "run/resp/resp_state.h"

/* Takes fd on success; false: there is no memory, fd is the caller's. */
bool mp_resp_client_new(mp_resp_server *s, int fd);
/* Nothing of it may be under way, unless the dictionary is gone. */
void mp_resp_client_free(mp_resp_client *c);
/* epoll has something to say of it. */
void mp_resp_client_ready(mp_resp_client *c, uint32_t what, int *events);
/* Starts commands that have come, where they may be started now. */
void mp_resp_client_go_on(mp_resp_client *c, int *events);
/* Writes what can be written; closes what is to be closed. */
void mp_resp_client_write(mp_resp_client *c, int *events);
/* What it has sent by now is read, and no more. */
void mp_resp_client_end(mp_resp_client *c);

#endif
