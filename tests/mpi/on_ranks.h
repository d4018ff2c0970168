/* on_ranks.h - main of a test program that every rank runs: begin_on_ranks, the tests with open_comm
 * and close_comm (*state is then the communicator of all ranks), end_on_ranks. */
#ifndef MP_TEST_ON_RANKS_H
#define MP_TEST_ON_RANKS_H

#include <mpi.h>
#include <unistd.h>

#include "comm/comm.h"

/* The program is ended after so many seconds: no test may hang. */
static inline void begin_on_ranks(int *argc, char ***argv, unsigned seconds) {
    alarm(seconds);
    mp_comm_prepare_env();
    MPI_Init(argc, argv);
    mp_comm_after_init();
}

/* The exit status of main. */
static inline int end_on_ranks(int n_failed) {
    MPI_Finalize();
    return n_failed != 0;
}

static inline int open_comm(void **state) {
    mp_comm *c = NULL;
    if (mp_comm_new(MPI_COMM_WORLD, &c, NULL) != MP_OK) return -1;
    *state = c;
    return 0;
}

static inline int close_comm(void **state) {
    mp_comm *c = *state;
    mp_comm_free(&c);
    return 0;
}

#endif
