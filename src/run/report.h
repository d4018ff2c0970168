/* report.h - what a run did, per phase and per rank: for --stats, -v and the progress line. */
#ifndef MP_RUN_REPORT_H
#define MP_RUN_REPORT_H

#include "base/buf.h"
#include "comm/comm.h"

enum { MP_REPORT_PHASES = 32 };

typedef struct {
    char name[24];
    double seconds;      /* wall time on rank 0 */
    int64_t rows, bytes; /* read in it, all ranks */
    int64_t exchanged;   /* bytes sent through the exchange, all ranks */
    int passes;
} mp_report_phase;

typedef struct {
    int64_t rows, bytes, exchanged; /* read, read, sent */
    double seconds;                 /* working (not waiting) */
    int64_t peak_rss;               /* bytes, VmHWM */
    int64_t peak_anon;              /* bytes of its own memory: the most RssAnon that was sampled */
    int64_t peak_counted;           /* bytes, mp_mem peak */
    int64_t dict_keys, dict_operations; /* of the dictionary's keys that it owned */
    char host[64];
} mp_report_rank;

/* How far a run is. */
typedef struct {
    int64_t done_bytes, total_bytes; /* total -1: not known */
    int slowest;                     /* the rank that has read least so far, -1: not known */
    int64_t slowest_bytes;
} mp_report_progress;

typedef struct {
    int n_ranks;
    bool dict;             /* there was a dictionary */
    mp_report_rank *ranks; /* n_ranks on rank 0, else NULL */
    int n_phases;
    mp_report_phase phases[MP_REPORT_PHASES];
    int64_t rows_in, rows_out, bytes_in, bytes_out, groups;
    double seconds;      /* of the run, without MPI start-up */
    char note[256];      /* rank 0: what people should know of the answer, "": nothing */
    mp_report_rank mine; /* this rank's, filled while running */
    /* Rank 0: called about every 0.2 s; NULL: not asked for. */
    void (*tick)(void *ctx, const mp_report_progress *progress);
    void *tick_ctx;
} mp_report;

void mp_report_init(mp_report *r);
void mp_report_release(mp_report *r);
/* A phase of that name: the one there is, or a new one. */
mp_report_phase *mp_report_phase_of(mp_report *r, const char *name);
/* Look at this rank's own memory now (RssAnon), for peak_anon: at the ends of phases. Local. Cost:
 * one small read of /proc. */
void mp_report_sample(mp_report *r);
/* Collective: this rank's figures to rank 0. */
MP_MUST_CHECK mp_status mp_report_collect(mp_report *r, mp_comm *c, const mp_mem *mem,
                                          mp_error *err);
/* Rank 0: the JSON of --stats:
 * {"command","seconds","rows_in","rows_out","bytes_in","bytes_out",
 *  "phases":[{"name","seconds","rows","bytes","exchanged","passes"}],
 *  "ranks":[{"rank","host","rows","bytes","seconds","peak_rss","peak_anon","exchanged"}]}. */
void mp_report_json(const mp_report *r, const char *command, mp_buf *out);
/* Rank 0: the table of -v: a line per phase and per rank. */
void mp_report_text(const mp_report *r, mp_buf *out);

#endif
