/* dict_part.h - the part of the dictionary that a rank owns, where the other ranks of its host can reach it.
 * Invariant: whoever looks at a table or changes it holds its lock, but for the owner at a quiet point. All that a part
 * points to lies in its owner's area of shared memory (mp_comm_shared), so it is as good on every rank that sees the area;
 * without shared memory a part is its owner's alone. */
#ifndef MP_COMM_DICT_PART_H
#define MP_COMM_DICT_PART_H

#include <pthread.h>
#include <stdatomic.h>

#include "comm/comm.h"
#include "comm/dict/dict_table.h"

typedef struct {
    pthread_mutex_t lock;
    _Atomic uint32_t serial; /* of the dictionary that it is of, 0: of none */
    bool shared, has_lock;
    bool broken; /* a rank died while it changed this; read and written under the lock */
    mp_mem mem;  /* of the table */
    mp_dict_table table;
    int64_t n_applied; /* operations carried out */
    int looks;         /* for the lock, before sleeping until it is free */
} mp_dict_part;

/* This rank's part of the dictionary with this serial; NULL: no memory. Local. */
mp_dict_part *mp_dict_part_new(mp_comm *c, uint32_t serial, int64_t limit_bytes);
/* By its owner, when no rank has anything to ask of it any more, or the mp_comm is broken. */
void mp_dict_part_free(mp_comm *c, mp_dict_part **part);

/* Where the part of another rank is, whether there is one yet or not; NULL: it cannot be seen from here. */
mp_dict_part *mp_dict_part_of(mp_comm *c, int rank);
/* What this rank has in memory of another's part leaves it; the part stays as it is. */
void mp_dict_part_forget(mp_comm *c, int rank);

/* False, and nothing is locked: a rank has died while it held the lock, now or before. */
bool mp_dict_part_lock(mp_dict_part *part);
void mp_dict_part_unlock(mp_dict_part *part);

#endif
