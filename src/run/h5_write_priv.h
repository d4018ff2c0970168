/* h5_write_priv.h - the state shared by h5_write.c and h5_units.c. */
#ifndef MP_RUN_H5_WRITE_PRIV_H
#define MP_RUN_H5_WRITE_PRIV_H

#include "io/h5_out_file.h"
#include "run/flow.h"
#include "run/h5_write.h"

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
    /* rank 0 */
    mp_out_file *target;
    mp_h5_file *file;
    int64_t file_bytes;
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

/* h5_units.c: the ranks make all chunks, rank 0 stores them. Collective. */
mp_status mp_h5_units_run(mp_h5_write *w, mp_error *err);
void mp_h5_units_release(mp_h5_write *w);

#endif
