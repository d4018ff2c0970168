/* input.h - reading: what files there are, windows of a file as mapped bytes, streams that are
 * decompressed on the way.
 * Invariant: mapped bytes have 64 readable bytes before and behind them, and a file that shrinks
 * while it is mapped gives an error (mp_map_check), never a crash. */
#ifndef MP_IO_INPUT_H
#define MP_IO_INPUT_H

#include "base/buf.h"

typedef enum { MP_INPUT_FILE, MP_INPUT_STREAM } mp_input_kind;
typedef enum { MP_PACK_NONE, MP_PACK_GZIP, MP_PACK_ZSTD } mp_packing;

typedef struct {
    const char *path;   /* "-": standard input */
    mp_input_kind kind; /* STREAM: pipe, standard input, packed: read once, from the front */
    mp_packing packing; /* from the first bytes where they can be read, else the name */
    int64_t size_bytes; /* of a FILE; of a packed regular file its packed size; -1 unknown */
    int64_t mtime_ns;
    bool is_h5;         /* by its first bytes */
    const char *object; /* file.h5:/group/dataset: what stands behind the colon; NULL: nothing */
} mp_input;

/* The inputs that the arguments name: paths that exist, quoted globs (sorted by name), folders
 * (of split: the shards of its manifest; else
 * their files with a known ending, by name), "-". Arena owns. MP_IO: missing (hint: near names in
 * that folder), unreadable; a folder without such files; a glob without a match. A Parquet or Excel
 * file (by its first bytes or name): MP_USAGE that says how to convert. */
MP_MUST_CHECK mp_status mp_input_list(const char *const *args, int n_args, mp_arena *arena,
                                      mp_input **out, int *n, mp_error *err);

/* Can this rank open the file, and has it the size that rank 0 saw? Local. */
bool mp_input_reaches(const char *path, int64_t size_bytes);

/* ---- windows: input_map.c ---- */

typedef struct mp_map {
    const uint8_t *bytes; /* of the window */
    size_t len;
    /* private */
    void *area;
    size_t area_len;
    int fd;
    bool borrowed; /* fd is the caller's */
    int64_t begin;
    const char *path;
} mp_map;

void mp_map_init(mp_map *m);
/* Open once, then move the window; the old window's bytes become invalid. path is kept. A window
 * that ends behind the end of the file is MP_IO (the file shrank since it was listed): callers cut
 * it at the size they know. Behind the file's end, and up to 64 bytes before a window, zeros or
 * bytes of the file can be read. */
MP_MUST_CHECK mp_status mp_map_open(mp_map *m, const char *path, mp_error *err);
/* The same with a file that is open already, and stays so. */
void mp_map_borrow(mp_map *m, int fd, const char *path);
MP_MUST_CHECK mp_status mp_map_window(mp_map *m, int64_t begin, size_t len, mp_error *err);
/* MP_IO when the file shrank (or could not be read) under the window since it was mapped. */
MP_MUST_CHECK mp_status mp_map_check(const mp_map *m, mp_error *err);
void mp_map_close(mp_map *m);

/* ---- streams: input_stream.c ---- */

typedef struct mp_stream mp_stream;
MP_MUST_CHECK mp_status mp_stream_open(const mp_input *in, mp_stream **out, mp_error *err);
void mp_stream_close(mp_stream **s);
/* A descriptor to wait on when a read says LATER (pipes), else -1. */
int mp_stream_fd(const mp_stream *s);
/* Up to cap plain bytes (decompressed: gzip with several members, zstd with several frames), never
 * blocking on a pipe: *n 0 and *later true when nothing is there yet; *n 0 and *end true at the
 * end. Truncated or corrupt packed data: MP_DATA with the file and the packed offset. */
MP_MUST_CHECK mp_status mp_stream_read(mp_stream *s, uint8_t *out, size_t cap, size_t *n,
                                       bool *later, bool *end, mp_error *err);
/* Bytes of the file consumed so far (packed), for the progress line. */
int64_t mp_stream_consumed(const mp_stream *s);

/* A place of a packed file at which a member or frame begins, and its offset in the plain text. */
typedef struct {
    int64_t packed, plain;
} mp_pack_point;
/* The next read of a packed regular file goes on from there. MP_IO, MP_NOMEM. */
MP_MUST_CHECK mp_status mp_stream_enter(mp_stream *s, mp_packing packing, mp_pack_point from,
                                        mp_error *err);
/* Reading on behind what is read so far has to come to this place (the end of the file, too) at just
 * this plain offset: else MP_DATA. */
void mp_stream_expect(mp_stream *s, mp_pack_point p);

#endif
