/* gen.h - `mpart gen`: sample data, made by all ranks, the same bytes for every number of them.
 * Invariant: every value is a function of (seed, table, row, column) alone, and a table is cut into
 * pieces of fixed numbers of rows; so which rank makes a piece, and when, does not show. */
#ifndef MP_RUN_GEN_H
#define MP_RUN_GEN_H

#include "comm/comm.h"
#include "plan/spec.h"
#include "run/report.h"

typedef enum { MP_GEN_GROUPBY, MP_GEN_JOIN, MP_GEN_ORDERS } mp_gen_kind;

typedef struct {
    mp_gen_kind kind;
    int64_t n_rows;   /* of the (left) table */
    int64_t n_groups; /* groupby: K */
    int64_t seed;
    const char *path; /* file (NULL or "-": standard output), or with join the folder */
    bool force;       /* a folder that is not empty is used all the same */
    int format;       /* of a file: mp_text_format */
} mp_gen_spec;

/* Collective. The files appear when all of them are complete; on failure none does. report is
 * filled on every rank. Returns the agreed status with the same *err on every rank: MP_IO,
 * MP_NOMEM, MP_USAGE (a folder that is not empty). all: its run and output options count. With
 * plan_only nothing is made, and *text on rank 0 gets the tables and their rows. */
MP_MUST_CHECK mp_status mp_gen_run(mp_comm *c, const mp_gen_spec *spec, const mp_spec *all,
                                   mp_mem *mem, mp_buf *text, mp_report *report, mp_error *err);

#endif
