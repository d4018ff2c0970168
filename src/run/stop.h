/* stop.h - requests to stop, as a descriptor.
 * Invariant: between begin and end SIGUSR1 ends no rank, between hold and end neither do SIGTERM and
 * SIGINT: rank 0 reads them, the others let them lie, since launchers send them to all. */
#ifndef MP_RUN_STOP_H
#define MP_RUN_STOP_H

#include <signal.h>

#include "comm/comm.h"

typedef struct {
    sigset_t before;
    int fd; /* rank 0: readable (struct signalfd_siginfo, without blocking) when one came; -1 */
} mp_stop;

/* Local. MP_IO. */
MP_MUST_CHECK mp_status mp_stop_begin(mp_stop *s, mp_comm *c, mp_error *err);
/* From now on SIGTERM and SIGINT are requests, too. */
void mp_stop_hold(void);
/* Again is fine. Signals that came meanwhile and were not read are forgotten. */
void mp_stop_end(mp_stop *s);

#endif
