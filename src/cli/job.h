/* job.h - one command line carried out by all ranks. */
#ifndef MP_CLI_JOB_H
#define MP_CLI_JOB_H

#include "base/buf.h"
#include "comm/comm.h"

/* What is left to be said when the job is done, on standard error. */
typedef struct {
    mp_status status; /* the same on every rank */
    mp_error error;   /* the same on every rank */
    mp_buf notes;     /* behind the error's message; empty but on rank 0 */
} mp_job_result;

/* Collective. argc and argv are read on rank 0: every rank parses rank 0's arguments, in rank 0's folder, with rank 0's
 * MPART_ variables. program: the executable of this process if its main() is mpart's, which serves as the child
 * processes that guard this one; NULL: another program (then HDF5 files are read unguarded, plug-ins in-process
 * only). give_up: as mp_run_spec's. The result is initialised here, to be released in any case. */
mp_status mp_job_run(mp_comm *c, int argc, const char *const *argv, const char *program,
                     void (*give_up)(const mp_error *err, int code), mp_job_result *result);
void mp_job_release(mp_job_result *result);

/* The error as the user sees it: "mpart: ...\n". Returns the length (cut to cap - 1). */
size_t mp_job_message(const mp_error *error, char *text, size_t cap);

/* Before MPI_Init: true when the command line asks for nothing but a text (help, version, the list of MPART_TEST_FAIL=list), which
 * is put into *out; the exit code is 0. Local. */
bool mp_job_early(int argc, const char *const *argv, mp_buf *out);

#endif
