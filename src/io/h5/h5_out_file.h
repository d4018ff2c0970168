/* h5_out_file.h - the HDF5 file of a plan: made, filled with packed chunks in any order, closed, and
 * looked at again before it gets its name.
 * Invariant: what is written depends on the plan, the origin and the order of the chunks alone: no
 * time, no name of a file, nothing of the machine. All functions are local, for the one process that
 * writes, but with a driver. */
#ifndef MP_IO_H5_OUT_FILE_H
#define MP_IO_H5_OUT_FILE_H

#include "io/h5/h5_out.h"

typedef struct mp_h5_file mp_h5_file;

/* How several processes write one file: ids of the library's property lists, whoever made them owns
 * them. With one of these, create, write_rows, close and free are called by all of them alike, and
 * wait for each other inside the library. */
typedef struct {
    int64_t access, transfer;
} mp_h5_driver;

/* Make the file at path, which is there and empty, with all its datasets; name is for messages.
 * driver NULL: this process alone; with a driver *out may be a file that failed, which is to be freed by all. The plan and the driver live as long as the file. MP_IO. */
MP_MUST_CHECK mp_status mp_h5_file_create(const char *path, const char *name,
                                          const mp_h5_plan *plan, const mp_h5_origin *origin,
                                          const mp_h5_driver *driver, mp_mem *mem, mp_h5_file **out,
                                          mp_error *err);
/* The chunk of dataset s (its place in the plan) that begins at row, as mp_h5_pack made it. */
MP_MUST_CHECK mp_status mp_h5_file_put(mp_h5_file *f, int s, int64_t row, uint32_t skipped,
                                       const uint8_t *bytes, size_t n, mp_error *err);
/* With a driver: rows [row, row + n) of dataset s as elements, through the library's filters; n may
 * be 0. Whole chunks, but for the last one. */
MP_MUST_CHECK mp_status mp_h5_file_write_rows(mp_h5_file *f, int s, int64_t row, int64_t n,
                                              const uint8_t *plain, mp_error *err);
/* All is written. close is to follow a flush that succeeded. MP_IO. */
MP_MUST_CHECK mp_status mp_h5_file_flush(mp_h5_file *f, mp_error *err);
MP_MUST_CHECK mp_status mp_h5_file_close(mp_h5_file *f, mp_error *err);
/* Behind close, by one process: open again and see that rows, types and sizes are those of the plan,
 * that a chunk has the bytes that were put, and that the last row can be read. MP_IO. */
MP_MUST_CHECK mp_status mp_h5_file_check(const mp_h5_file *f, mp_error *err);
/* Without finish the file is what it is; whoever made its name removes it. */
void mp_h5_file_free(mp_h5_file **f);
/* With a driver, before free, where the others will not come: the file is not closed any more, and the program is to end
 * without the library's own clean-up. */
void mp_h5_file_forget(mp_h5_file *f);
bool mp_h5_file_is_open(const mp_h5_file *f);

#endif
