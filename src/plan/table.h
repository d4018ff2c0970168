/* table.h - the input as one table: its files, columns and what the samples say of their types.
 * Made by rank 0, the same on all.
 * Invariant: the split list is a function of the files and their
 * sizes alone, never of the ranks. */
#ifndef MP_PLAN_TABLE_H
#define MP_PLAN_TABLE_H

#include "io/h5/h5_layout.h"
#include "io/input/input_index.h"
#include "plan/spec.h"

typedef struct {
    const char *path;
    mp_input_kind kind;
    mp_packing packing;
    int64_t size_bytes; /* -1: unknown */
    int64_t mtime_ns;
    mp_read_format format;
    char delimiter;      /* '\n' where the format has none */
    int64_t data_offset; /* of the first data record, in plain bytes */
    int n_columns;       /* of the file */
    int n_matched;       /* columns of the table when the file was matched; it has none later on */
    const int32_t *column_at; /* by table column, n_matched: column of the file, -1: none */
    bool by_data;             /* rank 0 reads it and scatters blocks of whole records, or rows */
    int64_t
        text_bytes; /* that ranges are of: plain; size_bytes where it is not packed; HDF5: rows */
    const mp_h5_layout *h5; /* HDF5: splits are ranges of its rows; else NULL */
    mp_str h5_bytes;        /* the same in wire form */
    int64_t split_rows;     /* HDF5 */
    /* packed, can be entered at its beginning alone: all its ranges are for one rank, the last one goes to the end of the
     * text, wherever that is; text_bytes is a guess */
    bool solid;
    const mp_pack_index *index; /* rank 0: of a packed file that is scattered as ranges, or NULL */
} mp_table_file;

typedef struct {
    int n_files;
    mp_table_file *files;
    int n_columns; /* of the files, over all */
    const char **names;
    mp_evidence *sample;    /* of the samples' values */
    mp_type *fixed;         /* --types; MP_TYPE_COUNT: not fixed */
    bool typed;             /* HDF5: fixed are the types of the files, whose rows cannot be bad */
    bool sample_is_all;     /* the samples held every record: types are final */
    double row_bytes;       /* mean of the samples, 0: unknown */
    int64_t total_bytes;    /* of the files whose size is known (packed size) */
    int64_t text_bytes;     /* plain, of all; 0: not known */
    int64_t split_bytes;    /* of one range */
    mp_csv_dialect dialect; /* of the CSV files; delimiter: by file */
    const char *filename_column; /* --filename, comes last; NULL: none */
} mp_table;

/* The front of a stream that the head was read from: rank 0 goes on behind it. */
typedef struct {
    mp_stream *stream; /* NULL: not a stream */
    mp_buf front;      /* plain bytes from offset 0 */
    bool at_end;
} mp_table_stream;

/* Rank 0: list the inputs, read their heads and samples, match columns by name. *streams (n_files,
 * in arena) is to be released with mp_table_streams_free. Errors: MP_IO, MP_DATA (empty file,
 * UTF-16), MP_USAGE (columns that differ without --union, --types of an unknown column, no
 * INPUT). */
MP_MUST_CHECK mp_status mp_table_open(const mp_spec *spec, mp_arena *arena, mp_mem *mem,
                                      mp_table *out, mp_table_stream **streams, mp_error *err);
void mp_table_streams_free(mp_table_stream **streams, int n_files);

/* Column of the file for column i of the table, -1: the file has none such. */
static inline int mp_table_column(const mp_table_file *f, int i) {
    return i < f->n_matched ? f->column_at[i] : -1;
}
/* The columns that a query sees: those of the files, then the --filename column. */
static inline int mp_table_n_source(const mp_table *t) {
    return t->n_columns + (t->filename_column ? 1 : 0);
}
static inline const char *mp_table_source_name(const mp_table *t, int i) {
    return i < t->n_columns ? t->names[i] : t->filename_column;
}
/* About so many bytes of the file are a range of this length. */
static inline int64_t mp_table_range_bytes(const mp_table_file *f, int64_t len) {
    if (!f->h5 || f->h5->n_rows == 0) return len;
    return (int64_t)((double)f->size_bytes * (double)len / (double)f->h5->n_rows);
}
bool mp_table_has(const mp_table *t, mp_read_format format);
/* Bytes of the integers or floats of column i as all files of the table store them, negative where
 * they have no sign; 0: eight with one, or they do not say. */
int8_t mp_table_width(const mp_table *t, int i);
/* The form of file f's text: where its records begin and end, and what its values say. */
mp_csv_dialect mp_table_file_dialect(const mp_table *t, int f);
/* Where a range begins may have to be guessed: quotes and comments hide newlines, and byte ranges
 * start anywhere. */
static inline bool mp_table_guesses(const mp_table *t) {
    bool guesses = false;
    for (int f = 0; f < t->n_files && !guesses; f++) {
        mp_csv_dialect d = mp_table_file_dialect(t, f);
        guesses = !t->files[f].by_data && (d.quote || d.comment);
    }
    return guesses;
}
/* The dialect that the options ask for, without the delimiter. */
void mp_table_dialect(const mp_spec *spec, mp_csv_dialect *d);

/* From now on every file is read by rank 0 and scattered as blocks of records. streams: rank 0's,
 * which are opened; NULL on the other ranks. MP_IO. */
MP_MUST_CHECK mp_status mp_table_scatter_data(mp_table *t, mp_table_stream *streams, mp_error *err);

/* What the other ranks need to know of it; the dialect follows from the spec. */
void mp_table_encode(const mp_table *t, mp_buf *out);
MP_MUST_CHECK mp_status mp_table_decode(const mp_spec *spec, const uint8_t *bytes, size_t len,
                                        mp_arena *arena, mp_table *out, mp_error *err);

/* Ranges of the files that are scattered by path: next after (*file, *begin), false at the end.
 * Boundaries of MPART_TEST_SPLITS apply to each file. The first range of a file starts at its
 * data_offset. */
typedef struct {
    int file;      /* start with 0 */
    int64_t begin; /* start with 0 */
} mp_range_iter;
bool mp_table_next_range(const mp_table *t, const mp_run_spec *run, mp_range_iter *it, int *file,
                         int64_t *begin, int64_t *len);
/* Rank 0: where the unpacking of a range of a packed file begins, and a point that it must come to. */
void mp_table_range_points(const mp_table_file *f, int64_t begin, int64_t len, mp_pack_point *from,
                           mp_pack_point *to);

#endif
