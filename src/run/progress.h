/* progress.h - the progress line of a long run, on standard error of rank 0.
 * Invariant: nothing is shown in the first seconds, and nothing is left on a terminal when the run
 * has ended. */
#ifndef MP_RUN_PROGRESS_H
#define MP_RUN_PROGRESS_H

#include "plan/spec.h"
#include "run/report.h"

typedef struct {
    int fd;           /* -1: nothing is shown */
    bool own_fd;      /* opened here: the launcher's terminal */
    bool is_terminal; /* one line that is rewritten; else a line every few seconds */
    bool shown;       /* a line stands on the terminal */
    int64_t start_ns, last_ns;
} mp_progress;

/* Rank 0. --progress on: always; auto: when standard error, or the one that the launcher writes to,
 * is a terminal; -q or off: never. Local. */
void mp_progress_init(mp_progress *p, const mp_run_spec *run);
/* False: there is nothing to call mp_progress_update for. */
bool mp_progress_wanted(const mp_progress *p);
/* progress: a mp_progress (the form of mp_report.tick). */
void mp_progress_update(void *progress, const mp_report_progress *at);
/* Wipe the line. May be called twice. */
void mp_progress_end(mp_progress *p);

/* The line itself, without an end: "34 %, 1.7 of 5.2 GB, 950 MB/s, 4 s left, slowest rank 3 (0.2
 * GB)". Returns its length (cut to cap - 1). */
size_t mp_progress_line(char *out, size_t cap, const mp_report_progress *at, double seconds);

#endif
