/* h5_driver.c - see h5_driver.h. Metadata is read and written collectively, too: rank 0 alone would
 * be asked by all. */
#include "comm/h5_driver.h"

#include <hdf5.h>

#include "comm/comm_state.h"

mp_status mp_h5_driver_new(const mp_comm *c, int64_t *access, int64_t *transfer, mp_error *err) {
    *access = H5Pcreate(H5P_FILE_ACCESS);
    *transfer = H5Pcreate(H5P_DATASET_XFER);
    if (*access >= 0 && *transfer >= 0 && H5Pset_fapl_mpio(*access, c->mpi, MPI_INFO_NULL) >= 0 &&
        H5Pset_all_coll_metadata_ops(*access, true) >= 0 &&
        H5Pset_coll_metadata_write(*access, true) >= 0 &&
        H5Pset_dxpl_mpio(*transfer, H5FD_MPIO_COLLECTIVE) >= 0)
        return MP_OK;
    return mp_error_set(err, MP_IO, "cannot set up HDF5 over MPI", "the library refuses MPI-IO");
}

void mp_h5_driver_release(int64_t *access, int64_t *transfer) {
    if (*access >= 0) H5Pclose(*access);
    if (*transfer >= 0) H5Pclose(*transfer);
    *access = *transfer = -1;
}
