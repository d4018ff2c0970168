/* input_index.h - where a packed file can be entered: places at which its unpacking may begin, and the plain offsets
 * that they stand for.
 * Invariant: the points ascend in both offsets and the first is (0, 0). What they say is what headers
 * claim: whoever unpacks from one point to another checks that both claims agree
 * (mp_stream_expect). */
#ifndef MP_IO_INPUT_INDEX_H
#define MP_IO_INPUT_INDEX_H

#include "io/input/input.h"

typedef struct {
    int64_t n_points;
    mp_pack_point *points;
    mp_pack_point end; /* the sizes of the file, packed and plain */
} mp_pack_index;

/* The index of a packed regular file: of BGZF (SAM specification 4.1) by the sizes in its blocks' headers, of
 * zstd by its frames' headers or the seek table behind them. NULL: it cannot be told without unpacking, a
 * block is larger than an eighth of the plain text (and not small), or memory was refused; the file
 * is to be read as a stream then, which also says what is wrong with it. Arena owns.
 * Cost: one small read for each block of 64 to 128 KiB; at most 1 MiB of memory. */
const mp_pack_index *mp_pack_index_read(const mp_input *in, mp_arena *arena);

/* The index of a packed regular file that can be entered at its beginning alone: one point, and an end whose
 * plain size is what the file claims (gzip's trailer, zstd's first frame) where that is near what
 * its front lets expect, else the latter. front: its first n_plain bytes were unpacked from n_packed;
 * all: those are all. NULL: no memory. Arena owns. */
const mp_pack_index *mp_pack_index_whole(const mp_input *in, int64_t n_packed, int64_t n_plain,
                                         bool all, mp_arena *arena);

/* The last point at or before a plain offset (>= 0); from the end of the file on, its end. */
mp_pack_point mp_pack_index_before(const mp_pack_index *x, int64_t plain);
/* The first point at or behind it, or the end of the file. */
mp_pack_point mp_pack_index_behind(const mp_pack_index *x, int64_t plain);

#endif
