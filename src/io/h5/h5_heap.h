/* h5_heap.h - texts of variable length: an element refers to an object in a global heap collection.
 * File format: "HDF5 File Format Specification Version 3.0", III.E.
 * Invariant: a reference that leads nowhere is an error, never a read outside the file. */
#ifndef MP_IO_H5_HEAP_H
#define MP_IO_H5_HEAP_H

#include "io/h5/h5_layout.h"

typedef struct mp_h5_heap mp_h5_heap;
/* fd stays open as long as the heap. */
MP_MUST_CHECK mp_status mp_h5_heap_new(int fd, int64_t base, int64_t file_bytes, mp_mem *mem,
                                       mp_h5_heap **out, mp_error *err);
void mp_h5_heap_free(mp_h5_heap **h);
/* The text of the reference of 16 bytes, copied into arena (16 readable bytes behind it). MP_DATA, MP_IO. */
MP_MUST_CHECK mp_status mp_h5_heap_text(mp_h5_heap *h, const uint8_t *reference, mp_arena *arena,
                                        mp_str *out, mp_error *err);

#endif
