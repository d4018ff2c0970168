/* shard_folder.h - a folder that appears whole or not at all.
 * Invariant: until mp_shard_folder_commit nothing but a folder of another name beside it has
 * changed; the old folder goes away only once the new one has its name. All functions are rank 0's. */
#ifndef MP_IO_SHARD_FOLDER_H
#define MP_IO_SHARD_FOLDER_H

#include "base/error.h"

typedef struct mp_shard_folder mp_shard_folder;

/* Makes ".NAME.mpart-XXXXXX" beside target. MP_USAGE: target is a folder that is not empty, unless
 * force; MP_IO. */
MP_MUST_CHECK mp_status mp_shard_folder_new(const char *target, bool force, mp_shard_folder **out,
                                            mp_error *err);
/* Its name until it is committed. */
const char *mp_shard_folder_temp(const mp_shard_folder *f);
/* The folder gets its name, in place of an old one; what was there and is no shard of a split is
 * kept in it, but for names that the new one has. */
MP_MUST_CHECK mp_status mp_shard_folder_commit(mp_shard_folder *f, mp_error *err);
/* Removes what was not committed. NULL is fine. */
void mp_shard_folder_free(mp_shard_folder **f);

#endif
