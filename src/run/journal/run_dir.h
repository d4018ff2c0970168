/* run_dir.h - the folder of a run that can be resumed: a lock, what the run is, its journal, and the
 * result logs of its ranks.
 * Invariant: one run at a time; results of an earlier run are kept only when the facts of both are
 * the same; only rank 0 changes anything but its own log. */
#ifndef MP_RUN_RUN_DIR_H
#define MP_RUN_RUN_DIR_H

#include "run/journal/journal.h"

typedef struct mp_run_dir mp_run_dir;

typedef struct {
    const char *path;    /* NULL: a hidden folder in scratch, for one run, without a journal */
    const char *scratch; /* NULL: TMPDIR or /tmp */
    bool resume;         /* go on from what is there */
    bool look_only;      /* change nothing (--explain) */
    const char *facts;   /* lines "name: value": what the results depend on */
    int n_ranks;
    mp_mem *mem;
    void *ctx;
    /* resume: a unit that the journal has. */
    void (*on_record)(void *ctx, const mp_unit_record *r);
    /* What units have done is also in a dictionary: those behind the last one that was kept do not count, and come here. NULL:
     * there is no dictionary. */
    void (*on_lost)(void *ctx, const mp_unit_record *r);
} mp_run_dir_args;

/* Rank 0. Makes and locks the folder. MP_FAILED: another run holds it; the facts changed (says
 * which); MP_IO: it cannot be made, or is a folder of something else. *out is set also on failure. */
MP_MUST_CHECK mp_status mp_run_dir_open(const mp_run_dir_args *args, mp_run_dir **out,
                                        mp_error *err);
/* NULL is fine; a temporary one is removed, and one that this run has made and has nothing to go on from. */
void mp_run_dir_free(mp_run_dir **d);
const char *mp_run_dir_path(const mp_run_dir *d);
bool mp_run_dir_is_kept(const mp_run_dir *d);
/* The number of this run, from 1. */
int mp_run_dir_run(const mp_run_dir *d);
/* Append to the journal and sync it. */
MP_MUST_CHECK mp_status mp_run_dir_commit(mp_run_dir *d, const mp_buf *lines, mp_error *err);
/* The dictionary that the journal ends with where it is gone on from. */
mp_journal_dict mp_run_dir_dict(const mp_run_dir *d);
/* The number of the next one: its files are dict-NUMBER-RANK. Once they are on the disk they come into the journal, and
 * those of others are removed. */
int mp_run_dir_next_dict(mp_run_dir *d);
MP_MUST_CHECK mp_status mp_run_dir_put_dict(mp_run_dir *d, const mp_journal_dict *dict,
                                            mp_error *err);
/* Away with what units read (part-*, shard-*): it is made anew. */
void mp_run_dir_clear_parts(mp_run_dir *d);
/* All is done and written: away with it. */
void mp_run_dir_remove(mp_run_dir *d);
/* How to go on; command: the command line with --resume, as a shell reads it. */
void mp_run_dir_hint(int n_ranks, const char *command, mp_error *err);

/* Every rank: its log, new; opened for writing and reading. MP_IO: the folder cannot be seen from
 * here. The log of any rank and run, for reading: -1 and errno when it is not there. */
MP_MUST_CHECK mp_status mp_run_log_create(const char *folder, int run, int rank, int *fd,
                                          mp_error *err);
int mp_run_log_open(const char *folder, int run, int rank);

#endif
