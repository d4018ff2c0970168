/* input_probe.h - what the first bytes of an input say it is.
 * Invariant: bytes decide before names, and nothing is ever read from a pipe to find out. */
#ifndef MP_IO_INPUT_PROBE_H
#define MP_IO_INPUT_PROBE_H

#include "io/input/input.h"

enum { MP_PROBE_BYTES = 1024 }; /* as many first bytes as any form needs */

/* Packing of an input from its first n bytes (all of it where it is shorter than MP_PROBE_BYTES).
 * MP_USAGE: a form that is not read here (Parquet, Arrow, Excel, zip, xz, bzip2, lz4), with a
 * hint on how to convert. parquet_tail: the last four bytes are those of Parquet, or are not
 * known. */
MP_MUST_CHECK mp_status mp_probe_bytes(const char *path, const uint8_t *p, size_t n,
                                       bool parquet_tail, mp_packing *out, mp_error *err);

/* MP_USAGE where the ending of the name is that of a form that is not read here. */
MP_MUST_CHECK mp_status mp_probe_name(const char *path, mp_error *err);

/* .h5 .hdf5 .he5 .h5ad in any case. */
bool mp_probe_h5_name(const char *path);
/* Has the file the signature of HDF5, at 0 or behind a user block? */
bool mp_probe_is_h5(int fd, int64_t size_bytes);

/* .gz .bgz .zst in any case; else none. */
mp_packing mp_probe_name_packing(const char *path);

/* A name that belongs into a folder of inputs: .csv .tsv, also packed. Hidden files do not. */
bool mp_probe_known_ending(const char *name);

/* s ends with ending, ASCII letters in any case, and is longer. */
bool mp_probe_ends_with(const char *s, const char *ending);

/* Fills *out (path is kept, not copied) for a path that exists and is not a folder. */
MP_MUST_CHECK mp_status mp_probe_path(const char *path, mp_input *out, mp_error *err);

#endif
