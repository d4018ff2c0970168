/* shard_files.h - the files of the shards that one rank owns, written from front to back, any number
 * of them with few open.
 * Invariant: at no time are more files open than the limit of the process leaves room for, nor more
 * bytes kept than the budget; what is in a file does not depend on either. Each shard's rows, bytes
 * and checksum are those of all that was put into it. */
#ifndef MP_IO_SHARD_FILES_H
#define MP_IO_SHARD_FILES_H

#include "base/buf.h"

typedef struct mp_shard_files mp_shard_files;

typedef struct {
    const char *folder; /* exists */
    const char *name;   /* of the folder in messages */
    const void *header; /* each file begins with it */
    size_t header_bytes;
    int64_t budget_bytes; /* of text that waits */
    int most_open;        /* 0: as many as the process may open, some left for others */
    bool again;           /* files that are there already are begun anew */
    mp_mem *mem;
} mp_shard_files_args;

/* MP_IO: the folder cannot be opened. The header is copied. */
MP_MUST_CHECK mp_status mp_shard_files_new(const mp_shard_files_args *args, mp_shard_files **out,
                                           mp_error *err);
/* Closes; removes nothing. NULL is fine. */
void mp_shard_files_free(mp_shard_files **f);

/* A new shard; its number is how many were added before. path: relative to the folder, copied;
 * folders on the way are made. The file itself is made later, and must not be there yet (but for
 * again). */
MP_MUST_CHECK mp_status mp_shard_files_add(mp_shard_files *f, const char *path, mp_error *err);

typedef struct {
    const char *path; /* mp_shard_files_get: valid until the next add */
    int64_t rows, bytes;
    uint64_t xxh64;
} mp_shard_file;
/* A shard whose file an earlier process began: what follows `was`, as it was told then, is cut off.
 * *same false: the file does not begin with those bytes; it was not added. Cost: reads them. */
MP_MUST_CHECK mp_status mp_shard_files_go_on(mp_shard_files *f, const mp_shard_file *was,
                                             bool *same, mp_error *err);
MP_MUST_CHECK mp_status mp_shard_files_put(mp_shard_files *f, int64_t shard, const void *text,
                                           size_t n, int64_t n_rows, mp_error *err);
/* Writes what waits in up to n shards; *done: nothing waits any more. No puts in between. */
MP_MUST_CHECK mp_status mp_shard_files_flush(mp_shard_files *f, int64_t n, bool *done,
                                             mp_error *err);
/* So many files are synced one by one; more with their file system, at once. */
enum { MP_SHARD_SYNC_EACH = 256 };
MP_MUST_CHECK mp_status mp_shard_files_sync_all(mp_shard_files *f, mp_error *err);
/* All that was written is on the disk. */
MP_MUST_CHECK mp_status mp_shard_files_sync(mp_shard_files *f, mp_error *err);
/* Removes all files; folders and what is known of the shards stay. */
void mp_shard_files_remove(mp_shard_files *f);
/* Removes all files, and forgets all shards. */
void mp_shard_files_drop(mp_shard_files *f);

int64_t mp_shard_files_count(const mp_shard_files *f);
mp_shard_file mp_shard_files_get(const mp_shard_files *f, int64_t shard);

#endif
