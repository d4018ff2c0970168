/* h5_layout.h - where the values of a table in an HDF5 file are: what rank 0 found out and every
 * rank reads by.
 *
 *   column ──► array (a dataset, or one field of it) ──► bytes of the file, chunks, or the library
 *
 * Invariant: a layout that mp_h5_layout_decode gave is safe to read by: every place, size and
 * number in it was checked against the file's size and against each other, whoever wrote the
 * file. */
#ifndef MP_IO_H5_LAYOUT_H
#define MP_IO_H5_LAYOUT_H

#include "base/buf.h"
#include "data/type.h"

enum {
    MP_H5_MAX_DIMS = 32,
    MP_H5_MAX_FILTERS = 8,
    MP_H5_MAX_ELEMENT = 1 << 28 /* bytes of one element or of one row's worth of a chunk */
};

/* How one value stands in the bytes of its row. */
typedef enum {
    MP_H5_INT,
    MP_H5_UINT,
    MP_H5_FLOAT,   /* IEEE of 2, 4 or 8 bytes */
    MP_H5_TIMEVAL, /* 8 bytes: seconds in the high half, microseconds in the low one (PyTables) */
    MP_H5_TEXT,    /* size bytes, padded */
    MP_H5_UTF16,   /* size bytes of UTF-16 at steps of unit_step bytes (MATLAB char) */
    MP_H5_HEAP,    /* 16 bytes: length, address of a heap collection, number in it */
    MP_H5_STR,     /* an mp_str that the library's reader made */
    MP_H5_UNREADABLE,
    MP_H5_FORMS
} mp_h5_form;

typedef enum { MP_H5_PAD_NUL, MP_H5_PAD_SPACE } mp_h5_pad;

/* A list of values that codes stand for: an enum's names, the categories of a factor. */
typedef struct {
    mp_type type; /* MP_INT64, MP_FLOAT64, MP_BOOL or MP_STRING */
    int64_t n;
    const int64_t *codes; /* ascending; NULL: 0..n-1 */
    union {               /* n */
        const int64_t *i64;
        const double *f64;
        const mp_str *str;
    };
} mp_h5_dict;

typedef struct {
    const char *name;
    mp_type type; /* of its values */
    mp_h5_form form;
    bool big_endian;
    mp_h5_pad pad;
    uint32_t size;      /* bytes of a value */
    uint32_t unit_step; /* MP_H5_UTF16: bytes from one unit to the next */
    int32_t array;
    int64_t chunk;      /* the chunk of band b is chunk + b * band_step of its array */
    int64_t at, stride; /* byte of the value of the first row (of the array, of a chunk); step */
    int32_t dict;       /* codes of this dict; -1: values themselves */
    int32_t mask;       /* a column whose values other than 0 mark nulls; -1: none */
    int64_t unit_ns;    /* MP_TIMESTAMP: nanoseconds of one; the value is origin + v * unit */
    int64_t origin;     /* microseconds, or days of an MP_DATE, since 1970 */
    bool has_null;      /* null_int or null_float stands for null */
    int64_t null_int;
    double null_float;
    bool scaled; /* type is MP_FLOAT64: v * factor + offset */
    double factor, offset;
    const char *null_text; /* a text that stands for null, NULL: none */
    const char *why;       /* MP_H5_UNREADABLE: what it is, and what to do */
} mp_h5_column;

typedef enum { MP_H5_FLAT, MP_H5_CHUNKED, MP_H5_LIBRARY, MP_H5_STORAGES } mp_h5_storage;

/* What the library is to read the elements as. */
typedef enum {
    MP_H5_AS_FILE,
    MP_H5_AS_DOUBLE,
    MP_H5_AS_INT,
    MP_H5_AS_STR,
    MP_H5_AS_SPANS, /* mp_str: path/indices has where each begins in path/data, and the last ends */
    MP_H5_AS_BITS,  /* int64: 1 where a bit of the bytes is 0, the lowest bit first */
    MP_H5_AS_KINDS
} mp_h5_as;

enum { MP_H5_DEFLATE = 1, MP_H5_SHUFFLE = 2, MP_H5_FLETCHER32 = 3, MP_H5_LZF = 32000 };

typedef struct {
    int32_t id;
    uint32_t value; /* shuffle: bytes of an element */
} mp_h5_filter;

typedef struct {
    int64_t address; /* in the file; -1: never written, the fill value */
    uint32_t bytes;  /* stored */
    uint32_t skip;   /* bit i: filter i was not applied */
} mp_h5_chunk;

typedef struct {
    const char *path;  /* of the dataset */
    const char *field; /* LIBRARY: this field alone, NULL: whole elements */
    mp_h5_storage storage;
    mp_h5_as as;
    int64_t n_rows;
    int64_t elem_bytes; /* of an element as it is read */
    int32_t n_dims;
    int32_t row_dim; /* the dimension that counts rows */
    int64_t dims[MP_H5_MAX_DIMS];
    int64_t chunk_dims[MP_H5_MAX_DIMS]; /* LIBRARY: of a piece; equal to dims but for rows */
    int64_t address;                    /* FLAT */
    int64_t band_rows;                  /* rows of a chunk; FLAT: n_rows */
    int64_t band_step;
    int64_t chunk_bytes; /* of a chunk unpacked */
    int32_t n_filters;
    mp_h5_filter filters[MP_H5_MAX_FILTERS];
    int64_t n_chunks; /* CHUNKED: all of the grid, in C order */
    const mp_h5_chunk *chunks;
    const uint8_t *fill; /* elem_bytes; NULL: zeros */
} mp_h5_array;

typedef struct mp_h5_layout {
    const char *object; /* path of the table in the file */
    const char *kind;   /* for people: "pandas table", "compound dataset" */
    int64_t n_rows;
    int64_t base;      /* of the addresses in heap references */
    int32_t n_columns; /* that a query sees */
    int32_t n_hidden;  /* masks, behind them */
    mp_h5_column *columns;
    int32_t n_arrays;
    mp_h5_array *arrays;
    int32_t n_dicts;
    mp_h5_dict *dicts;
} mp_h5_layout;

/* Chunks along dimension d. */
static inline int64_t mp_h5_grid(const mp_h5_array *a, int d) {
    return (a->dims[d] + a->chunk_dims[d] - 1) / a->chunk_dims[d];
}
/* Bytes of one row over all other dimensions. */
int64_t mp_h5_row_bytes(const mp_h5_array *a);

void mp_h5_layout_encode(const mp_h5_layout *l, mp_buf *out);
/* From bytes that may be anything. MP_DATA: they do not describe a table in a file of file_bytes
 * bytes; MP_NOMEM. Everything lives in arena. */
MP_MUST_CHECK mp_status mp_h5_layout_decode(const uint8_t *bytes, size_t len, int64_t file_bytes,
                                            mp_arena *arena, mp_h5_layout *out, mp_error *err);

#endif
