/* shard_folder.h - a folder that appears whole or not at all.
 * Invariant: until mp_shard_folder_commit nothing but a folder of another name beside it has
 * changed; the old folder goes away only once the new one has its name. All functions are rank 0's. */
#ifndef MP_IO_SHARD_FOLDER_H
#define MP_IO_SHARD_FOLDER_H

#include "base/error.h"

typedef struct mp_shard_folder mp_shard_folder;

/* Makes ".NAME.mpart-XXXXXX" beside target, and removes those that killed processes left. MP_USAGE: target is a folder that is not empty, unless
 * force; MP_IO. */
MP_MUST_CHECK mp_status mp_shard_folder_new(const char *target, bool force, mp_shard_folder **out,
                                            mp_error *err);
/* The folder of an earlier process that did not end, by the id that it told; *there false: it is gone.
 * As new in all else. */
MP_MUST_CHECK mp_status mp_shard_folder_again(const char *target, bool force, const char *id,
                                              bool *there, mp_shard_folder **out, mp_error *err);
/* What tells it from others beside the target, six letters or digits. */
const char *mp_shard_folder_id(const mp_shard_folder *f);
/* Removes all that is in it. */
void mp_shard_folder_clear(const mp_shard_folder *f);
/* From now on it stays, too, when the process is interrupted (io/leftover.h): a journal knows it. */
void mp_shard_folder_lasts(mp_shard_folder *f);
/* It is left as it is, for mp_shard_folder_again. */
void mp_shard_folder_keep(mp_shard_folder *f);
/* Its name until it is committed. */
const char *mp_shard_folder_temp(const mp_shard_folder *f);
/* The folder gets its name, in place of an old one; what was there and is no shard of a split is
 * kept in it, but for names that the new one has. */
MP_MUST_CHECK mp_status mp_shard_folder_commit(mp_shard_folder *f, mp_error *err);
/* Removes what was not committed. NULL is fine. */
void mp_shard_folder_free(mp_shard_folder **f);

#endif
