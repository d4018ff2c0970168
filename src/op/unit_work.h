/* unit_work.h - a command at work on one unit: its streams are moved without blocking, its time is
 * watched, its end is told from its outputs' end.
 * Invariant: at most one child; whatever it does or leaves undone (reads nothing, prints gigabytes,
 * hangs, leaves processes behind), steps stay short and the work comes to an end by its time limit. */
#ifndef MP_OP_UNIT_WORK_H
#define MP_OP_UNIT_WORK_H

#include "base/buf.h"
#include "io/child.h"

typedef struct mp_work mp_work;

typedef struct {
    const mp_spawner *spawner;
    int epoll_fd; /* gets the descriptors of the child, for whoever sleeps */
    mp_mem *mem;
    void *ctx;
    /* Bytes of standard output, in order. */
    mp_status (*out)(void *ctx, const uint8_t *bytes, size_t n, mp_error *err);
    /* Bytes of standard error, as they come. */
    mp_status (*err)(void *ctx, const uint8_t *bytes, size_t n, mp_error *err);
    /* The next bytes for standard input, which stay until the next call; *n 0: at the end. Asked
     * for only when there is room. *of_file (false before): they are mapped from a file, and nobody
     * writes there, so the pipe may have the pages. NULL: streams[0] says what standard input is. */
    mp_status (*in)(void *ctx, const uint8_t **bytes, size_t *n, bool *of_file, mp_error *err);
} mp_work_args;

typedef enum {
    MP_UNIT_OK,      /* exit code 0 */
    MP_UNIT_EXIT,    /* another exit code */
    MP_UNIT_SIGNAL,  /* ended by a signal */
    MP_UNIT_TIMEOUT, /* had to be ended: its time was over */
    MP_UNIT_NO_RUN,  /* could not be started; code is an errno */
    MP_UNIT_BAD,     /* ran well, but its output cannot be used */
    MP_UNIT_FAILED,  /* a plug-in said so, or handed out what cannot be taken */
    MP_UNIT_LOST,    /* ran well in a run before, but what it did to the dictionary is gone */
    MP_UNIT_OUTCOMES
} mp_unit_outcome;

typedef struct {
    mp_unit_outcome outcome;
    int code;         /* exit code, signal (also of TIMEOUT), errno of NO_RUN */
    int64_t start_ms; /* since 1970 */
    int64_t run_ns;
} mp_work_result;

MP_MUST_CHECK mp_status mp_work_new(const mp_work_args *args, mp_work **out, mp_error *err);
/* Ends a child that is under way. */
void mp_work_free(mp_work **w);
/* timeout_ns: 0 none. A command that cannot be started is no failure: it is the result. With `in`,
 * streams[0] is to be MP_CHILD_PIPE. */
void mp_work_start(mp_work *w, const mp_child_args *child, int64_t timeout_ns);
/* Instead of a start: the command is known not to run. */
void mp_work_refuse(mp_work *w, int errnum);
/* Moves what can be moved. *did: something was; *done: the result is there. An error is of the
 * callbacks: the child is ended. */
MP_MUST_CHECK mp_status mp_work_step(mp_work *w, bool *did, bool *done, mp_error *err);
/* How long nothing can happen but by the descriptors, ns. */
int64_t mp_work_patience(const mp_work *w);
mp_work_result mp_work_result_of(const mp_work *w);
/* End it soon: SIGTERM to its group, SIGKILL a second later. */
void mp_work_stop(mp_work *w);
bool mp_work_busy(const mp_work *w);

#endif
