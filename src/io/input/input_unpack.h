/* input_unpack.h - windows of the plain text of a packed file, unpacked from a point of its index on.
 * Invariant: the window has 64 readable bytes before and behind it, and holds what unpacking the
 * whole file from its front would give, or an error is given. */
#ifndef MP_IO_INPUT_UNPACK_H
#define MP_IO_INPUT_UNPACK_H

#include "io/input/input.h"

typedef struct mp_unpack {
    int64_t begin; /* plain offset of the window */
    uint8_t *bytes;
    size_t len;
    bool at_end; /* the text ends with the window */
    /* private */
    mp_buf room;
    mp_stream *stream;
    mp_packing packing;
    bool broken; /* what the stream holds is not to be built upon */
} mp_unpack;

void mp_unpack_init(mp_unpack *u, mp_mem *mem);
MP_MUST_CHECK mp_status mp_unpack_open(mp_unpack *u, const char *path, mp_packing packing,
                                       mp_error *err);
void mp_unpack_close(mp_unpack *u);

/* An empty window at plain offset begin, with room for len bytes, or some of its bytes where they are there already.
 * from: a point at or before begin. to: a point behind from, which unpacking must come to as said; what
 * is not unpacked up to there is not checked; packed -1: nothing is known, and the text may end before
 * begin. MP_NOMEM, and as mp_unpack_more. */
MP_MUST_CHECK mp_status mp_unpack_window(mp_unpack *u, mp_pack_point from, mp_pack_point to,
                                         int64_t begin, size_t len, mp_error *err);
/* Make the window n bytes longer, or up to the end of the text; bytes may move. MP_DATA: broken packed
 * data, MP_IO, MP_NOMEM. Cost: some 2 ms a MiB. */
MP_MUST_CHECK mp_status mp_unpack_more(mp_unpack *u, size_t n, mp_error *err);

#endif
