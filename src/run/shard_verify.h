/* shard_verify.h - the files of shards still have the bytes that their manifests say.
 * Invariant: of several that were changed, the first in the order of the inputs is reported. */
#ifndef MP_RUN_SHARD_VERIFY_H
#define MP_RUN_SHARD_VERIFY_H

#include "base/mem.h"
#include "comm/comm.h"
#include "plan/spec.h"

/* Reads all files of those inputs that are folders made by split, each on one rank; where ranks may not
 * see them (several hosts, unless --scatter paths), all on rank 0. Collective. MP_DATA: size or checksum is
 * another; MP_IO, MP_NOMEM. Cost: a read of the files, some GB/s on each rank. */
MP_MUST_CHECK mp_status mp_shard_verify(mp_comm *c, const mp_spec *spec, mp_mem *mem,
                                        mp_error *err);

#endif
