/* h5_write_priv.h - the state shared by h5_write.c, h5_units.c and h5_collective.c. */
#ifndef MP_RUN_H5_WRITE_PRIV_H
#define MP_RUN_H5_WRITE_PRIV_H

#include "io/h5/h5_out_file.h"
#include "run/flow.h"
#include "run/h5/h5_write.h"

struct mp_h5_write {
    mp_comm *c;
    const mp_spec *spec;
    mp_mem *mem;
    mp_arena arena;         /* until the end */
    mp_arena columns_arena; /* of the columns under way */
    const char *scratch, *scratch_temp;
    mp_h5_rows rows;
    mp_h5_seen seen; /* of this rank, then of all */
    mp_h5_plan plan;
    mp_h5_driver driver; /* --h5-collective */
    mp_h5_file *file;    /* rank 0; --h5-collective: every rank */
    mp_out_file *target; /* rank 0 */
    int64_t file_bytes;  /* rank 0 */
    /* rank 0; --h5-collective: every rank */
    const mp_h5_run *runs; /* of the whole scratch file, in order */
    int64_t n_runs;
    int64_t scratch_bytes;
    /* the next unit begins in run run_at, whose first row is run_row */
    int64_t next_unit, run_at, run_row;
    /* every rank, while units are made */
    mp_order *order;
    mp_h5_packer *packer;
    mp_map map; /* of the scratch file */
    bool map_open;
    mp_h5_unit unit;
    int set; /* the dataset and the row of the unit that come next */
    int64_t from;
    uint8_t *plain; /* of one chunk */
    mp_buf piece;   /* packed chunks of the unit */
};

/* Where a unit's records are in the scratch file: behind skip others. */
typedef struct {
    int64_t unit, offset, bytes, skip;
} mp_h5_unit_place;

/* h5_units.c: the ranks make all chunks, rank 0 stores them. Collective. */
mp_status mp_h5_units_run(mp_h5_write *w, mp_error *err);
/* Local, where the runs are known: the place of a unit; units ascend from call to call. */
mp_status mp_h5_units_place(mp_h5_write *w, int64_t unit, mp_h5_unit_place *place, mp_error *err);
/* Local: w->unit is that unit. */
mp_status mp_h5_units_open(mp_h5_write *w, const mp_h5_unit_place *place, mp_error *err);
/* Local: memory for a unit's rows, and for a chunk of it or (whole) all its rows in a dataset. */
mp_status mp_h5_units_room(mp_h5_write *w, bool whole, mp_error *err);
void mp_h5_units_release(mp_h5_write *w);

/* h5_write.c: the file of the plan at path, local, or (driver) by all ranks alike. */
mp_status mp_h5_write_create(mp_h5_write *w, const char *path, const mp_h5_driver *driver,
                             mp_error *err);

/* h5_collective.c: all ranks make the file and write it together. Collective. */
mp_status mp_h5_collective_run(mp_h5_write *w, mp_error *err);

#endif
