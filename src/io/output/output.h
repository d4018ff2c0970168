/* output.h - writing: an output name never holds a partial file, and standard output is written
 * once, in order.
 * Invariant: bytes go to a temporary beside the target; commit syncs, renames, and syncs the
 * folder; without commit the temporary is removed and the old file is untouched. */
#ifndef MP_IO_OUTPUT_H
#define MP_IO_OUTPUT_H

#include "base/buf.h"
#include "data/batch.h"
#include "io/input/input.h"

typedef struct mp_out_file mp_out_file;

/* Rank 0: create the temporary (name in *temp, owned by the object; ".NAME.mpart-XXXXXX" beside the
 * target, permissions as a new file or as the target has). MP_IO: no such folder, not writable,
 * target is a folder. */
MP_MUST_CHECK mp_status mp_out_create(const char *target, mp_out_file **out, mp_error *err);
const char *mp_out_temp(const mp_out_file *f);
/* No pipe, device or standard output, which have no temporary. */
bool mp_out_is_file(const char *target);
/* As mp_out_create would end, and nothing is left: for what is written behind the work. Only a file is tried. */
MP_MUST_CHECK mp_status mp_out_try(const char *target, mp_error *err);
/* Does what is written to one replace what is written to the other? Names are compared where their links lead. */
bool mp_out_same(const char *a, const char *b);
/* A target that is not a regular file (a pipe, /dev/null, /dev/stdout) has no temporary
 * (mp_out_temp is "") and is written straight, in order, by rank 0 alone: this is its descriptor
 * there, for a stream sink; -1 for an ordinary file. A rank that joins "" has nothing to write.
 * Commit and abandon just close. */
int mp_out_direct_fd(const mp_out_file *f);
/* The other ranks: open the temporary that rank 0 made. */
MP_MUST_CHECK mp_status mp_out_join(const char *target, const char *temp, mp_out_file **out,
                                    mp_error *err);
MP_MUST_CHECK mp_status mp_out_write_at(mp_out_file *f, int64_t offset, const void *bytes, size_t n,
                                        mp_error *err);
/* Room on the disk for n_bytes behind the end of the file, which stays where it is: MP_IO now rather
 * than while others wait for the one that finds the disk full. Given back where the file is
 * truncated or removed. */
MP_MUST_CHECK mp_status mp_out_reserve(mp_out_file *f, int64_t n_bytes, mp_error *err);
MP_MUST_CHECK mp_status mp_out_truncate(mp_out_file *f, int64_t len, mp_error *err);
/* Every rank: fsync and close what it wrote. Then rank 0 alone: rename and sync the folder. The
 * object is freed by commit, on the other ranks by mp_out_abandon. A link as target stays a link:
 * the file behind it is replaced. */
MP_MUST_CHECK mp_status mp_out_sync(mp_out_file *f, mp_error *err);
MP_MUST_CHECK mp_status mp_out_commit(mp_out_file **f, mp_error *err);
/* Nothing is synced from now on: whoever makes many files in a folder that has no name yet syncs them all at once. */
void mp_out_leave_sync(mp_out_file *f);
/* Close; rank 0 (who created it) also removes the temporary. NULL is fine. */
void mp_out_abandon(mp_out_file **f);
/* An unlinked temporary in folder (NULL: TMPDIR or /tmp): a spool that nobody can see or leave
 * behind. */
MP_MUST_CHECK mp_status mp_out_spool(const char *folder, int *fd, mp_error *err);
/* The folder that it goes to, for messages. */
const char *mp_out_spool_folder(const char *folder);

/* Standard output of the job, rank 0. Under mpirun its forwarding is slow (75 MB/s): where the
 * parent is mpirun and its standard output can be opened through /proc (a regular file in append or
 * same offset, a pipe, /dev/null; not a terminal), that is used. */
MP_MUST_CHECK mp_status mp_stdout_open(int *fd, bool *is_terminal, mp_error *err);
/* All n bytes. A closed pipe is *closed true and MP_OK. SIGPIPE must be ignored by the program. */
MP_MUST_CHECK mp_status mp_stdout_write(int fd, const void *bytes, size_t n, bool *closed,
                                        mp_error *err);

/* ---- text: output_text.c, output_table.c ---- */

/* MP_FORMAT_H5 is no text: run/h5/h5_write.h. */
typedef enum { MP_FORMAT_CSV, MP_FORMAT_TSV, MP_FORMAT_NDJSON, MP_FORMAT_H5 } mp_text_format;

/* From the ending of a name (.csv .tsv .ndjson .jsonl), before .gz or .zst, or that of an HDF5 file.
 * No ending: CSV. false: another ending. */
bool mp_text_format_of(const char *name, mp_text_format *out);
/* From .gz or .zst at the end of a name, whatever is before it. */
mp_packing mp_text_packing_of(const char *name);

typedef struct {
    mp_text_format format;
    char delimiter; /* CSV ',' TSV '\t' */
    char comment;   /* quote a line's first field when it starts with this; 0: none */
    int n_cols;
    const char *const *names;
} mp_text_args;

/* Header line into out (nothing for NDJSON). */
void mp_text_header(const mp_text_args *a, mp_buf *out);
/* All rows of in. Quotes only where needed; null empty; "" is an empty string; decimals and floats
 * shortest, always with a fraction. NDJSON: null, numbers and bools bare (nan, inf: null), the rest
 * as JSON strings (invalid UTF-8 becomes U+FFFD). row_ends (may be NULL): gets the end of each row
 * in out as i64, for --limit. Check out with mp_buf_check afterwards. Cost: a few ns a field. */
void mp_text_rows(const mp_text_args *a, const mp_batch *in, mp_buf *out, mp_buf *row_ends);

/* An aligned table for a terminal: the rows of the batches added (the caller adds at most 40),
 * numbers to the right, width columns wide at most (0: no limit); long cells are cut with an
 * ellipsis, control characters are shown escaped, East Asian and combining widths respected. */
typedef struct mp_text_table mp_text_table;
MP_MUST_CHECK mp_status mp_table_new(const char *const *names, int n_cols, mp_mem *mem,
                                     mp_text_table **out, mp_error *err);
MP_MUST_CHECK mp_status mp_table_add(mp_text_table *t, const mp_batch *in, mp_error *err);
void mp_table_print(const mp_text_table *t, int width, mp_buf *out);
void mp_table_free(mp_text_table **t);

#endif
