/* merge_virtual.c - HDF5 files as one virtual table: rank 0 writes a small file that names them.
 * Invariant: every part is there and was inspected, since the library reads a missing one as zeros
 * without a word. */
#include "io/h5/h5_virtual.h"
#include "run/fault.h"
#include "run/merge/merge_priv.h"

static mp_status list_parts(mp_job *j, mp_h5_part *parts, mp_error *err) {
    for (int f = 0; f < j->table.n_files; f++) {
        const mp_table_file *file = &j->table.files[f];
        const mp_h5_layout *l = file->h5;
        if (!l || l->n_columns == 0) {
            mp_error_set(err, MP_USAGE, NULL, "--virtual takes HDF5 files alone, not '%s'",
                         file->path);
            mp_error_hint(err, "leave it out, and the rows are copied");
            return MP_USAGE;
        }
        parts[f] = (mp_h5_part){file->path, l->arrays[l->columns[0].array].path, l->n_rows};
    }
    return MP_OK;
}

static mp_status write_file(mp_job *j, mp_error *err) {
    const mp_output_spec *o = &j->spec->output;
    size_t bytes = (size_t)j->table.n_files * sizeof(mp_h5_part) + 1;
    mp_h5_part *parts = mp_arena_alloc(&j->arena, bytes, 16);
    mp_out_file *file = NULL;
    mp_status st = parts ? list_parts(j, parts, err) : mp_mem_error(j->mem, bytes, err);
    if (!st) st = mp_out_create(o->path, &file, err);
    if (!st && mp_out_direct_fd(file) >= 0) {
        st = mp_error_set(err, MP_USAGE, NULL, "--virtual writes a file, not '%s'", o->path);
    }
    if (!st)
        st =
            mp_h5_virtual_write(mp_out_temp(file), o->path, o->h5_path ? o->h5_path : "/data/table",
                                parts, j->table.n_files, err);
    if (!st) st = mp_fault_check(mp_comm_rank(j->c), MP_FAULT_LAST, err);
    if (!st) st = mp_out_commit(&file, err);
    mp_out_abandon(&file);
    for (int f = 0; f < j->table.n_files && !st; f++)
        j->report->rows_out += parts[f].n_rows;
    return st;
}

mp_status mp_merge_virtual(mp_job *j, mp_buf *text, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_job_open_table(j, err), written = MP_OK;
    if (st) return st;
    if (mp_comm_rank(j->c) == 0 && j->spec->run.plan_only)
        mp_buf_printf(text, "a virtual table over %d files in %s\n", j->table.n_files,
                      j->spec->output.path);
    else if (mp_comm_rank(j->c) == 0)
        written = write_file(j, &mine);
    return mp_job_agree(j, written, &mine, err);
}
