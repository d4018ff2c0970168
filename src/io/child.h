/* child.h - the one way to start a process: a command with its own process group, streams and
 * environment.
 * Invariant: a child gets descriptors 0, 1 and 2 and no other, default signals, no variable of the
 * launcher, and dies with the process that started it; whoever starts one reaps it. Nothing here
 * blocks. */
#ifndef MP_IO_CHILD_H
#define MP_IO_CHILD_H

#include <sys/types.h>

#include "base/mem.h"

/* What children of this process share: their environment, and /dev/null. */
typedef struct mp_spawner mp_spawner;

/* The environment as it is now, without OMPI_*, PMIX_*, PMI_*, ORTE_* and MPART_SHARD, _SHARDS, _RANK,
 * _RANKS. Raises the soft limit of open files of this process; children get it as it was. */
MP_MUST_CHECK mp_status mp_spawner_new(mp_mem *mem, mp_spawner **out, mp_error *err);
void mp_spawner_free(mp_spawner **s);

enum {
    MP_CHILD_EMPTY = -1, /* /dev/null */
    MP_CHILD_PIPE = -2   /* a pipe, whose other end is ours and does not block */
};

typedef struct {
    const char *path;         /* of the program, from mp_child_find */
    const char *const *argv;  /* ends with NULL */
    const char *const *extra; /* NAME=value, in front of the environment; ends with NULL */
    int streams[3];           /* a descriptor (it stays the caller's), or one of the above */
} mp_child_args;

typedef struct {
    pid_t pid;   /* also the number of its process group; 0: none */
    int pidfd;   /* readable when it has ended */
    int ends[3]; /* our ends of the pipes, -1: none */
} mp_child;

/* The file that a command's name means: with a slash itself, else the first executable one in PATH.
 * Into arena. An errno: ENOENT not found, EACCES found but not executable, EISDIR; 0: *path. */
int mp_child_find(const char *name, mp_arena *arena, const char **path);

/* Starts the command. 0, or an errno: of pipes and processes (EAGAIN, EMFILE, ENOMEM), or of exec
 * (E2BIG, ENOENT of a script's interpreter, ...); then there is no child. A text without #! is given
 * to /bin/sh, as execvp does. */
int mp_child_start(const mp_spawner *s, const mp_child_args *args, mp_child *out);
/* Sends a signal to all of its group. Only before it is reaped. */
void mp_child_signal(const mp_child *c, int signal);
/* True when it has ended (it stays as a zombie, so that its group can still be signalled). */
bool mp_child_ended(const mp_child *c);
/* Takes an ended child off, after a SIGKILL to what is left of its group. *status as of waitpid. */
void mp_child_reap(mp_child *c, int *status);
/* Closes our end of a stream. */
void mp_child_close(mp_child *c, int stream);
/* Kill, wait for the end, reap, close: for the way out of an error. Blocks for as long as the system
 * needs to end a process. */
void mp_child_end(mp_child *c);

#endif
