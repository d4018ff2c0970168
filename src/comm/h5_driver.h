/* h5_driver.h - one HDF5 file written by all ranks through MPI-IO.
 * Inside the library ranks wait for each other in MPI itself, not in mp_comm_wait: whoever calls it
 * brings them together first. */
#ifndef MP_COMM_H5_DRIVER_H
#define MP_COMM_H5_DRIVER_H

#include "comm/comm.h"

/* Property lists of the library: for a file that all ranks of c open together, and for transfers in
 * which all of them take part. Local. MP_IO; release in any case. */
MP_MUST_CHECK mp_status mp_h5_driver_new(const mp_comm *c, int64_t *access, int64_t *transfer,
                                         mp_error *err);
void mp_h5_driver_release(int64_t *access, int64_t *transfer);

/* An error of MPI-IO on one rank can leave the others, or itself, waiting inside the library for ever.
 * Between begin and end, such an error on this rank starts a thread that calls late, once, when the
 * rank has not said within seconds (mp_h5_watch_back) that it is out of the library. One at a time;
 * the watch and ctx stay until end. Local. */
typedef struct mp_h5_watch mp_h5_watch;
typedef void (*mp_h5_late_fn)(void *ctx, const char *why);
MP_MUST_CHECK mp_status mp_h5_watch_begin(double seconds, mp_h5_late_fn late, void *ctx,
                                          mp_h5_watch **out, mp_error *err);
void mp_h5_watch_back(mp_h5_watch *w);
void mp_h5_watch_end(mp_h5_watch **w);

#endif
