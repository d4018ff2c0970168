/* fault.h - failures on request, for tests: MPART_TEST_FAIL=RANK:PHASE makes that rank fail where
 * that phase begins.
 * Invariant: without the variable nothing happens. The table is the one list of
 * phase names. */
#ifndef MP_RUN_FAULT_H
#define MP_RUN_FAULT_H

#include "base/error.h"

typedef struct {
    const char *name;  /* as in MPART_TEST_FAIL and in mp_flow.name */
    const char *words; /* what happens there */
} mp_fault_phase;

/* In the order of a run; ends with a NULL name. */
const mp_fault_phase *mp_fault_phases(void);

/* The last phase of every run. */
#define MP_FAULT_LAST "commit"

/* MP_FAILED ("test failure", "injected in phase 'x' on rank r") if MPART_TEST_FAIL asks for it
 * here, else MP_OK. In the last phase also if it asks for one that this rank never came to: a
 * request that comes to nothing would pass for a test. Local. */
MP_MUST_CHECK mp_status mp_fault_check(int rank, const char *phase, mp_error *err);

#endif
