/* h5_out.h - what an HDF5 output consists of: its datasets, their elements, chunks, and the units in
 * which ranks make them; and how a unit's records become the plain bytes of chunks.
 * Invariant: the plan is a function of the columns, what all their rows are, and the options: the
 * same on every rank and for every number of ranks. Unit u holds the rows [u, u + 1) * unit_rows and
 * whole chunks of every dataset. All functions are local and know no library. */
#ifndef MP_IO_H5_OUT_H
#define MP_IO_H5_OUT_H

#include "io/h5/h5_chunk.h"
#include "io/h5/h5_out_rows.h"

typedef enum {
    MP_H5_OUT_TABLE,  /* one compound dataset, nulls beside it where there are any */
    MP_H5_OUT_COLUMNS /* a group, a dataset a column: AnnData's data frame */
} mp_h5_out_form;

enum {
    MP_H5_TABLE_COLUMNS = 512, /* more than that many take the other form by themselves */
    MP_H5_MOST_COLUMNS = 20000
};

typedef struct {
    mp_h5_out_form form;
    bool form_given; /* asked for, so not to be changed */
    const char
        *path; /* "/group/name"; NULL: MP_H5_OUT_TABLE /data/table, MP_H5_OUT_COLUMNS /data */
    mp_h5_packing compress;
    int level;
    bool collective; /* all ranks write, through MPI-IO */
} mp_h5_options;

/* What is told of the file's origin. */
typedef struct {
    const char *version, *query;
    int n_inputs;
    const char *const *inputs;
} mp_h5_origin;

typedef enum {
    MP_H5_SET_TABLE,  /* all columns, a compound */
    MP_H5_SET_VALUES, /* the values of column c */
    MP_H5_SET_NULLS,  /* uint8, 1 where column c is null */
    MP_H5_SET_MASK,   /* bool, true where column c is null */
    MP_H5_SET_INDEX   /* int64, the rows' numbers from 0 */
} mp_h5_set_kind;

typedef struct {
    mp_h5_set_kind kind;
    int c;                  /* column; of TABLE and INDEX -1 */
    uint32_t element_bytes; /* >= 1 */
    int64_t chunk_rows;
} mp_h5_set;

typedef struct {
    mp_h5_options options; /* form and path settled */
    mp_h5_rows rows;
    const char **names; /* of columns in the file: mp_h5_link_name */
    uint32_t *widths;   /* of columns in the file, bytes; strings: the longest, at least 1 */
    uint32_t *at;       /* MP_H5_OUT_TABLE: of columns in the compound */
    bool *nulls;        /* the column has a null that its values do not show */
    int64_t n_rows, unit_rows, n_units;
    int n_sets;
    mp_h5_set *sets;
} mp_h5_plan;

/* seen: of all ranks, longest and nulls. out is in the arena; names stay the caller's. MP_DATA: rows
 * too wide, MP_USAGE: too many columns for HDF5 or for the form that was asked for. */
MP_MUST_CHECK mp_status mp_h5_plan_make(const mp_h5_options *options, const mp_h5_rows *rows,
                                        const mp_h5_seen *seen, mp_arena *arena, mp_h5_plan *out,
                                        mp_error *err);
/* The group and the last part of the path: in the arena, the group "/" or "/a/b". */
MP_MUST_CHECK mp_status mp_h5_path_split(const char *path, mp_arena *arena, const char **group,
                                         const char **name, mp_error *err);
/* Why it can be no place in a file; NULL: it can. */
const char *mp_h5_path_flaw(const char *path);
/* A column's name as that of a dataset, which has no slash, and which PyTables takes as that of a
 * field, too: percent-encoded where it has one. In the arena; NULL: no memory. */
const char *mp_h5_link_name(const char *column, mp_arena *arena);

/* The unit's rows under way. */
typedef struct {
    int64_t first_row, n_rows; /* of the unit */
    const uint8_t **rows;      /* n_rows records */
    const uint8_t **texts; /* n_rows, MP_H5_OUT_COLUMNS: the string of the column that comes next */
    const uint8_t *end;    /* of the records */
} mp_h5_unit;
/* Every string of the records is to be had column by column from now on. */
void mp_h5_unit_begin(const mp_h5_plan *p, mp_h5_unit *u);
/* Rows [from, from + n) of the unit in dataset s as elements, out zeroed before. MP_H5_SET_VALUES: the
 * columns in order, and each from row 0 on. */
void mp_h5_unit_fill(const mp_h5_plan *p, const mp_h5_set *s, mp_h5_unit *u, int64_t from,
                     int64_t n, uint8_t *out);

#endif
