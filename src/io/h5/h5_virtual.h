/* h5_virtual.h - an HDF5 file without rows of its own: its table is those of other files, one behind
 * the other (a virtual dataset).
 * Invariant: the other files are named relative to the folder of this one, so both can be moved
 * together; nothing in the file depends on the time. */
#ifndef MP_IO_H5_VIRTUAL_H
#define MP_IO_H5_VIRTUAL_H

#include "base/buf.h"

typedef struct {
    const char *path;
    const char *dataset; /* of its table, a compound of one dimension */
    int64_t n_rows;
} mp_h5_part;

/* Writes the file at temp, which will stand in the same folder under its name `target`: the table at
 * object ("/data/table"), and beside it the marks of nulls that the parts have. Columns are those of
 * the first part; a text is as wide as the widest. The parts were inspected before. MP_DATA: a part
 * is no compound, or has other columns or types; MP_IO. */
MP_MUST_CHECK mp_status mp_h5_virtual_write(const char *temp, const char *target,
                                            const char *object, const mp_h5_part *parts, int n,
                                            mp_error *err);

#endif
