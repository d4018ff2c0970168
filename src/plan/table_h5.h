/* table_h5.h - HDF5 files as files of a table. */
#ifndef MP_PLAN_TABLE_H5_H
#define MP_PLAN_TABLE_H5_H

#include "plan/table.h"

/* Rank 0: what is in the file, as its head: names, no evidence. MP_USAGE: options that make no sense
 * for HDF5, several tables in it; MP_DATA, MP_IO as mp_h5_inspect. */
MP_MUST_CHECK mp_status mp_table_h5_head(const mp_spec *spec, const mp_input *in,
                                         mp_table_file *file, mp_arena *arena, mp_mem *mem,
                                         mp_csv_head *head, mp_error *err);
/* Once all files are matched: the columns' types into t->fixed (n_columns), and the splits. MP_DATA:
 * types that differ; MP_USAGE: mixed with text files. */
MP_MUST_CHECK mp_status mp_table_h5_types(mp_table *t, mp_error *err);
/* Can column c be read in all files? MP_DATA: what it is, and what to do. */
MP_MUST_CHECK mp_status mp_table_h5_readable(const mp_table *t, int c, mp_error *err);
/* --types says type for column c: can every file's column be read so? MP_USAGE. */
MP_MUST_CHECK mp_status mp_table_h5_choose(const mp_table *t, int c, mp_type type, mp_error *err);

#endif
