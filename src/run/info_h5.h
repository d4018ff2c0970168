/* info_h5.h - what is in an HDF5 file, for `mpart info`. */
#ifndef MP_RUN_INFO_H5_H
#define MP_RUN_INFO_H5_H

#include "comm/comm.h"
#include "plan/spec.h"

/* Collective. Where the only input is an HDF5 file without an object behind a colon: its objects into
 * *text on rank 0, as lines or as a JSON array; *is_tree true on all ranks. *n_tables: how many of them
 * are tables. MP_DATA, MP_IO as mp_h5_inspect. */
MP_MUST_CHECK mp_status mp_info_h5_tree(mp_comm *c, const mp_spec *spec, bool json, mp_mem *mem,
                                        mp_buf *text, bool *is_tree, int64_t *n_tables,
                                        mp_error *err);

#endif
