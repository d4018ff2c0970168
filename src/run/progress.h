/* progress.h - the progress line of a long run, on standard error of rank 0.
 * Invariant: nothing is shown in the first seconds, and nothing is left on a terminal when the run has ended. */
#ifndef MP_RUN_PROGRESS_H
#define MP_RUN_PROGRESS_H

#include "plan/spec.h"

typedef struct {
    int fd;           /* -1: nothing is shown */
    bool own_fd;      /* opened here: the launcher's terminal */
    bool is_terminal; /* one line that is rewritten; else a line every few seconds */
    bool shown;       /* a line stands on the terminal */
    int64_t start_ns, last_ns;
} mp_progress;

/* Rank 0. --progress on: always; auto: when standard error, or the one that the launcher writes to, is a terminal; -q or off: never. Local. */
void mp_progress_init(mp_progress *p, const mp_run_spec *run);
/* False: there is nothing to call mp_progress_update for. */
bool mp_progress_wanted(const mp_progress *p);
/* progress: a mp_progress (the form of mp_report.tick). total_bytes -1: not known. */
void mp_progress_update(void *progress, int64_t done_bytes, int64_t total_bytes);
/* Wipe the line. May be called twice. */
void mp_progress_end(mp_progress *p);

/* The line itself, without an end: "34 %, 1.7 of 5.2 GB, 950 MB/s, 4 s left". Returns its length (cut to cap - 1). */
size_t mp_progress_line(char *out, size_t cap, int64_t done_bytes, int64_t total_bytes,
                        double seconds);

#endif
