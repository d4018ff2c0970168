/* shared.h - memory that two processes share, and the line on which they ring each other up.
 * Invariant: a region keeps its size as long as it lives (sealed), so no process can make the other fault; where the
 * receiver is to read only, it cannot write. What stands in a region may change at any moment when the other process is
 * hostile: whoever believes it copies it first. Our end never blocks, theirs does. */
#ifndef MP_IO_SHARED_H
#define MP_IO_SHARED_H

#include "base/mem.h"

typedef struct {
    uint8_t *p; /* NULL: none */
    size_t bytes;
    int fd; /* -1: none */
} mp_shared;

#define MP_SHARED_NONE ((mp_shared){.fd = -1})

/* A new region of zeros, counted on mem; bytes is rounded up to whole pages. */
MP_MUST_CHECK mp_status mp_shared_new(mp_mem *mem, size_t bytes, bool receiver_writes,
                                      mp_shared *out, mp_error *err);
void mp_shared_release(mp_mem *mem, mp_shared *s);
/* In the other process: maps a region that came over the line, with a page before and behind it that faults; fd is
 * taken over. 0, or an errno. */
int mp_shared_map(int fd, bool writable, mp_shared *out);

/* Messages between two processes: whole and in order. Both ends are closed on exec. 0, or an errno. */
int mp_line_pair(int *ours, int *theirs);
typedef enum {
    MP_LINE_OK,
    MP_LINE_LATER, /* no room, or nothing there */
    MP_LINE_ENDED  /* the other end is closed, or the line is broken */
} mp_line_result;
/* fd: goes with it, -1 none (it stays the caller's). */
mp_line_result mp_line_send(int line, const void *bytes, size_t n, int fd);
/* *n: bytes got, more than cap when the message was longer (what did not fit is lost). *fd: that came with it, -1 none;
 * NULL: none is wanted, one that comes is closed. */
mp_line_result mp_line_recv(int line, void *bytes, size_t cap, size_t *n, int *fd);

#endif
