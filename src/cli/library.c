/* library.c - the entry of libmpart: a command line run on the caller's communicator. */
#include <string.h>

#include "cli/job.h"
#include "mpart/mpart.h"

static void put_message(char *message, size_t cap, const mp_error *err) {
    char text[MPART_MESSAGE_MAX];
    if (!message || cap == 0) return;
    size_t n = err->status == MP_OK ? 0 : mp_job_message(err, text, sizeof text);
    if (n >= cap) n = cap - 1;
    memcpy(message, text, n);
    message[n] = 0;
}

int mpart_run(MPI_Comm comm, int argc, const char *const *argv, char *message, size_t cap) {
    mp_comm *c = NULL;
    mp_error err = MP_ERROR_INIT;
    mp_status st = mp_comm_new(comm, &c, &err);
    if (st != MP_OK) {
        put_message(message, cap, &err);
        return mp_status_exit_code(st);
    }
    mp_job_result result;
    st = mp_job_run(c, argc, argv, NULL, NULL, &result);
    put_message(message, cap, &result.error);
    mp_job_release(&result);
    mp_comm_free(&c);
    return mp_status_exit_code(st);
}
