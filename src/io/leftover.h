/* leftover.h - what an interrupted process takes away before it ends: temporaries that have a name.
 * Invariant: what is listed is nobody's result; whoever made it takes it off the list before it gets
 * its final name, so an interrupt may leave a temporary behind then, but never takes a result. */
#ifndef MP_IO_LEFTOVER_H
#define MP_IO_LEFTOVER_H

#include <stdbool.h>

typedef enum {
    MP_LEFTOVER_FILE,
    MP_LEFTOVER_TREE,  /* a folder with all that is in it */
    MP_LEFTOVER_FOLDER /* a folder, once it is empty */
} mp_leftover_kind;

/* Lists the path; relative ones mean the working folder, which must not change. Returns its place, -1
 * where the list is full or memory is short: then it would stay. */
int mp_leftover_add(const char *path, mp_leftover_kind kind);
/* Takes it off; -1 is fine. */
void mp_leftover_drop(int place);

/* From now on SIGINT, SIGTERM and SIGHUP, where they are not ignored, end the process with code 130, the
 * list's paths removed; says: it tells so on standard error, but for SIGTERM from a launcher, which
 * sends it where another rank failed, too, and that was told. Blocked signals wait (run/stop.h). */
void mp_leftover_on_signals(bool says, bool launched);
/* As it was before: the run is over, and all is said. */
void mp_leftover_off(void);

#endif
