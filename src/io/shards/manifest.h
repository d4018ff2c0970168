/* manifest.h - manifest.json of a folder of shards, and the names of shards.
 *   {"mpart":1,"method","keys","schema":[{"name","type"}],
 *    "shards":[{"path","rows","bytes","xxh64","min","max"}]}
 * Invariant: paths are relative to the folder and never lead out of it; the order of the shards is
 * the order of the table. xxh64 is that of the file's bytes, seed 0, as 16 hexadecimal digits. min
 * and max are the least and the greatest key in a shard (a value, or an array of several keys); null
 * where it has none. */
#ifndef MP_IO_MANIFEST_H
#define MP_IO_MANIFEST_H

#include "base/buf.h"
#include "base/str.h"

#define MP_MANIFEST_NAME "manifest.json"

typedef struct {
    const char *path; /* relative to the folder */
    int64_t rows, bytes;
    uint64_t xxh64;
    const char *min, *max; /* JSON; NULL: null. Not read */
} mp_manifest_shard;

typedef struct {
    const char *method;
    int n_keys;
    const char **keys;
    int n_columns;
    const char **names;
    const char **types;
    int64_t n_shards;
    mp_manifest_shard *shards;
} mp_manifest;

/* As JSON text, to the end of out. */
void mp_manifest_text(const mp_manifest *m, mp_buf *out);

/* The manifest in a folder, in arena. *out NULL: there is none, or it is not one of mpart's. MP_IO;
 * MP_DATA: it is broken, of another version, or names a path outside the folder. */
MP_MUST_CHECK mp_status mp_manifest_read(const char *folder, mp_arena *arena, mp_manifest **out,
                                         mp_error *err);

/* folder/path, in arena; NULL: no memory. */
char *mp_manifest_path(mp_arena *arena, const char *folder, const char *path);

/* Bytes and checksum of a file. MP_IO. */
MP_MUST_CHECK mp_status mp_manifest_sum(const char *path, int64_t *bytes, uint64_t *xxh64,
                                        mp_error *err);
/* Is a shard's file there, with the size that the manifest says? MP_IO, MP_DATA. */
MP_MUST_CHECK mp_status mp_manifest_look(const char *folder, const mp_manifest_shard *shard,
                                         mp_error *err);
/* Does a shard's file still have the bytes that the manifest says? In steps of 1 MiB; it names what
 * differs (MP_DATA). folder and shard stay until free. */
typedef struct mp_manifest_check mp_manifest_check;
MP_MUST_CHECK mp_status mp_manifest_check_new(const char *folder, const mp_manifest_shard *shard,
                                              mp_manifest_check **out, mp_error *err);
MP_MUST_CHECK mp_status mp_manifest_check_step(mp_manifest_check *c, bool *done, mp_error *err);
void mp_manifest_check_free(mp_manifest_check **c);

/* "part-00007" and the ending, in arena; NULL: no memory. */
char *mp_shard_name(mp_arena *arena, int64_t shard, const char *ending);
/* "column=value" as the name of a folder, to the end of out: bytes other than letters, digits, "-",
 * "." and "_" as %XX; text NULL is __HIVE_DEFAULT_PARTITION__. A name over 200 bytes is cut, and
 * ends with "~" and the XXH64 of the whole. */
void mp_shard_folder_name(const char *column, const mp_str *value, mp_buf *out);

#endif
