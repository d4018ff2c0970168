/* h5_driver.c - see h5_driver.h. Metadata is read and written collectively, too: rank 0 alone would
 * be asked by all. */
#include "comm/h5_driver.h"

#include <hdf5.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* ---- errors that the library meets ---- */

/* Freed by the last of its two holders: who began it, and its thread. */
struct mp_h5_watch {
    double seconds;
    mp_h5_late_fn late;
    void *ctx;
    MPI_Errhandler handler;
    bool yielded;
    char why[MPI_MAX_ERROR_STRING];
    atomic_bool failed, back;
    atomic_int n_holders;
};

/* The one that is under way: MPI gives its error handlers nothing of their maker's. */
static _Atomic(mp_h5_watch *) under_way;

static void let_go(mp_h5_watch *w) {
    if (atomic_fetch_sub(&w->n_holders, 1) == 1) free(w);
}

static void *wait_for_rank(void *arg) {
    mp_h5_watch *w = arg;
    const struct timespec step = {.tv_nsec = 50 * 1000 * 1000};
    int n = (int)(w->seconds * 20);
    while (n-- > 0 && !atomic_load(&w->back))
        nanosleep(&step, NULL);
    if (!atomic_load(&w->back)) w->late(w->ctx, w->why);
    let_go(w);
    return NULL;
}

/* Called by MPI where an operation on a file fails, before the library hears of it. */
static void take_error(MPI_File *file, int *code, ...) {
    (void)file;
    mp_h5_watch *w = atomic_load(&under_way);
    if (!w || atomic_exchange(&w->failed, true)) return;
    int len = 0;
    pthread_t thread;
    MPI_Error_string(*code, w->why, &len);
    atomic_store(&w->back, false);
    atomic_fetch_add(&w->n_holders, 1);
    if (pthread_create(&thread, NULL, wait_for_rank, w) == 0)
        pthread_detach(thread);
    else
        let_go(w);
}

mp_status mp_h5_watch_begin(double seconds, mp_h5_late_fn late, void *ctx, mp_h5_watch **out,
                            mp_error *err) {
    mp_h5_watch *w = calloc(1, sizeof *w);
    if (!w) return mp_error_nomem(err, sizeof *w, 0);
    w->seconds = seconds;
    w->late = late;
    w->ctx = ctx;
    atomic_store(&w->n_holders, 1);
    *out = w;
    atomic_store(&under_way, w);
    w->yielded = mp_comm_calls_yield(true); /* it waits inside MPI */
    /* of every file that is opened from now on */
    if (MPI_File_create_errhandler(take_error, &w->handler) == MPI_SUCCESS &&
        MPI_File_set_errhandler(MPI_FILE_NULL, w->handler) == MPI_SUCCESS)
        return MP_OK;
    return mp_error_set(err, MP_IO, "cannot set up HDF5 over MPI", "MPI-IO takes no error handler");
}

void mp_h5_watch_back(mp_h5_watch *w) {
    atomic_store(&w->back, true);
}

void mp_h5_watch_end(mp_h5_watch **w) {
    if (!*w) return;
    mp_h5_watch_back(*w);
    atomic_store(&under_way, NULL);
    MPI_File_set_errhandler(MPI_FILE_NULL, MPI_ERRORS_RETURN);
    (void)mp_comm_calls_yield((*w)->yielded);
    if ((*w)->handler) MPI_Errhandler_free(&(*w)->handler);
    let_go(*w);
    *w = NULL;
}
