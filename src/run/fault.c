/* fault.c - failures on request, for tests.
 * Invariant: a request that cannot be read (no number, no colon) asks for nothing. */
#include "run/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const mp_fault_phase *mp_fault_phases(void) {
    static const mp_fault_phase phases[] = {
        {"plan", "the plan is made and broadcast"},
        {"open", "inputs are opened"},
        {"scan", "the input is read, every rank its splits"},
        {"census", "after a wrong guess the input is read to the end"},
        {"exchange", "rows go to the ranks that own them"},
        {"merge", "groups of all ranks are merged"},
        {"spill", "rows that do not fit go to scratch"},
        {"sort", "rows are sorted"},
        {"gather", "results come to rank 0"},
        {"dict", "the dictionary's sockets are opened (map --dict)"},
        {"units", "units are handed out to commands (map)"},
        {"leg", "how far a split has come is written down"},
        {"output", "the output is written"},
        {"dict-out", "the dictionary is written (map --dict-out)"},
        {"store", "rows become chunks of an HDF5 file"},
        {"write", "rows are written by all together (--h5-collective)"},
        {MP_FAULT_LAST, "the output gets its name"},
        {NULL, NULL},
    };
    return phases;
}

mp_status mp_fault_check(int rank, const char *phase, mp_error *err) {
    const char *request = getenv("MPART_TEST_FAIL");
    if (!request || !phase || *request < '0' || *request > '9') return MP_OK;
    char *end;
    errno = 0;
    long wanted = strtol(request, &end, 10);
    if (errno || *end != ':' || wanted != rank) return MP_OK;
    bool here = strcmp(end + 1, phase) == 0;
    if (!here && strcmp(phase, MP_FAULT_LAST) != 0) return MP_OK;
    if (here)
        mp_error_set(err, MP_FAILED, "test failure", "injected in phase '%s' on rank %d", phase,
                     rank);
    else
        mp_error_set(err, MP_FAILED, "test failure", "phase '%s' was not reached on rank %d",
                     end + 1, rank);
    if (err && err->rank < 0) err->rank = rank;
    return MP_FAILED;
}
