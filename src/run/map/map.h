/* map.h - `mpart map`: the user's own command on every item of a list, or on every shard of a table.
 * Invariant: results come in the order of the units, whichever rank finished them when; the same
 * bytes for every number of ranks, stopped and resumed or not. */
#ifndef MP_RUN_MAP_H
#define MP_RUN_MAP_H

#include "comm/comm.h"
#include "plan/spec.h"
#include "run/map/unit.h"
#include "run/report.h"

typedef struct {
    const char *items; /* the list, or "-"; NULL: tables */
    bool nul;          /* items end with NUL */
    /* Tables: spec.input. At most one of rows, parts and per_file, but parts goes with by. */
    int n_by;
    const char **by;
    int64_t parts, rows; /* 0: not given */
    bool per_file;       /* a shard for each file */
    int shard_format;    /* mp_text_format: CSV or NDJSON */
    bool bisect;         /* find the rows that the command crashes on */
    bool raw;            /* results are bytes, not tables */
    int n_words;
    const char **words; /* the command; with a plug-in: --plugin, its file, its arguments */
    const char *plugin; /* its file; NULL: a command */
    int n_args;
    const char **args; /* "key=value" */
    bool in_process;
    const char *place;   /* "{}" */
    const char *results; /* folder; NULL: none */
    bool force;
    int64_t retries, timeout_ns, per_host;
    int halt; /* mp_halt */
    const char *joblog;
    const char *run_dir;
    bool resume, explain;
    bool dict;                      /* the shared dictionary for the commands */
    const char *dict_in, *dict_out; /* files; NULL: none */
    int64_t dict_keep_ns; /* for --resume, so often; 0: at the end of a run that did not do all */
    const char *resume_command; /* what to type to go on */
} mp_map_spec;

/* Collective. spec: output, run. Text for standard output (--plan, --explain) goes to *text on rank 0. MP_PARTIAL: some
 * units failed, the rest is written. MP_STOPPED, MP_INTERRUPTED: asked to stop; the journal stays. */
MP_MUST_CHECK mp_status mp_map_run(mp_comm *c, const mp_spec *spec, const mp_map_spec *map,
                                   mp_mem *mem, mp_buf *text, mp_report *report, mp_error *err);

#endif
