/* mpart.h - libmpart: mpart's commands from inside another MPI program.
 *
 *     #include <mpi.h>
 *     #include <mpart/mpart.h>
 *
 *     char message[MPART_MESSAGE_MAX];
 *     const char *args[] = {"mpart", "query", "in.csv", "--by", "region", "--agg", "sum(amount)", "-o", "out.csv"};
 *     int code = mpart_run(MPI_COMM_WORLD, 9, args, message, sizeof message);
 *
 * The library never exits and prints no messages. */
#ifndef MPART_MPART_H
#define MPART_MPART_H

#include <mpi.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MPART_MESSAGE_MAX = 4096 };

/* "0.1.0" */
const char *mpart_version(void);

/* Carry out one command line, as the program mpart does; argv[0] is ignored.
 * Collective on comm, between MPI_Init and MPI_Finalize; argc and argv are read on rank 0 only (the other ranks may pass 0 and
 * NULL). Results go where the options say: with -o to that file, else to standard output of rank 0.
 * Returns the exit code that mpart would end with (0 done, 2 usage, 65 bad data, ...), the same on every rank, and on every rank in
 * message (cap bytes, NUL-terminated; NULL: not wanted) what mpart would say on standard error; "" when there is nothing to say. */
int mpart_run(MPI_Comm comm, int argc, const char *const *argv, char *message, size_t cap);

#ifdef __cplusplus
}
#endif

#endif
