/* leave.c - the end of MPI.
 * Open MPI 4.1 hands each rank an event in MPI_Init, which a thread of its own carries out when it gets to that; where the
 * processors are busy and the run is short it may do so behind the end of what it calls, and crash the rank with its work
 * done. A thread that sleeps has nothing to carry out.
 * Invariant: nobody waits long. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "comm/comm_state.h"

static const int64_t PATIENCE_NS = 200 * 1000 * 1000;

/* Is that thread about to run? */
static bool is_busy(const char *id) {
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", id);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) fclose(f);
    text[n] = 0;
    const char *state = strrchr(text, ')'); /* of the name, which may hold anything */
    return state && strncmp(state, ") R", 3) == 0;
}

static bool others_are_busy(void) {
    DIR *dir = opendir("/proc/self/task");
    bool busy = false;
    for (struct dirent *e; dir && !busy && (e = readdir(dir));)
        busy = *e->d_name != '.' && atol(e->d_name) != (long)getpid() && is_busy(e->d_name);
    if (dir) closedir(dir);
    return busy;
}

void mp_comm_finalize(mp_comm **c) {
    static const struct timespec moment = {0, 500 * 1000};
    mp_comm_free(c);
    int64_t end = mp_clock_ns() + PATIENCE_NS;
    while (others_are_busy() && mp_clock_ns() < end)
        nanosleep(&moment, NULL);
    (void)mp_comm_calls_yield(true);
    MPI_Finalize();
}
