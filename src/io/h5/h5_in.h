/* h5_in.h - what the parts of the inspector share: one file on its way to a layout. The inspector
 * reads files that may say anything: counts are bounded, names are copied, and what the library
 * refuses is an error.
 * Invariant: all that a layout points to lives in the arena of its inspector. */
#ifndef MP_IO_H5_IN_H
#define MP_IO_H5_IN_H

#include <hdf5.h>

#include "io/h5/h5_inspect.h"

typedef struct {
    const char *path;
    hid_t file;
    int fd;
    int64_t file_bytes;
    int64_t base; /* of all addresses: behind the user block */
    unsigned long fileno;
    bool wide; /* addresses and lengths of 8 bytes */
    bool matlab;
    mp_arena *arena;
    mp_error *err;
} mp_h5_in;

/* A growing list in the arena. */
typedef struct {
    void *items;
    size_t n, cap, size;
} mp_h5_list;
/* A zeroed new item; NULL: no memory (an error is set). */
void *mp_h5_list_add(mp_h5_in *in, mp_h5_list *l);

void *mp_h5_take(mp_h5_in *in, size_t n, size_t size); /* zeroed; NULL with an error */
char *mp_h5_text(mp_h5_in *in, const char *fmt, ...) MP_PRINTF(2, 3);
mp_status mp_h5_broken(mp_h5_in *in, const char *path, const char *what);

/* ---- attributes: h5_attr.c ---- */
bool mp_h5_has_attr(hid_t object, const char *name);
/* A text (fixed or variable), or an array's first; NULL: none. */
const char *mp_h5_attr_text(mp_h5_in *in, hid_t object, const char *name);
/* Raw bytes of a fixed text, whole: pickles. NULL: none. */
const uint8_t *mp_h5_attr_bytes(mp_h5_in *in, hid_t object, const char *name, size_t *n);
/* A list of texts; n -1: none. */
const char **mp_h5_attr_texts(mp_h5_in *in, hid_t object, const char *name, int64_t *n);
bool mp_h5_attr_number(hid_t object, const char *name, int64_t *i, double *f, bool *is_float);

/* ---- pickles: h5_pickle.c ---- */

/* The texts of the one list of texts in a pickle, [(1, ['a', 'b'])] or ['a', 'b']: its literal
 * subset, nothing is ever called. -1: another thing. numbers as their text. */
int64_t mp_h5_pickle_texts(const uint8_t *p, size_t n, mp_arena *arena, const char ***out);
/* In a pickled dict: the text under key, inside the dict under outer (NULL: at the top). NULL: none. */
const char *mp_h5_pickle_under(const uint8_t *p, size_t n, const char *outer, const char *key,
                               mp_arena *arena);

/* ---- the table under construction: h5_build.c ---- */

typedef struct {
    mp_h5_in *in;
    const char *kind;
    int64_t n_rows;
    bool rows_known;
    mp_h5_list columns, hidden, arrays, dicts; /* of the layout's structs */
} mp_h5_build;

void mp_h5_build_init(mp_h5_build *b, mp_h5_in *in, const char *kind);
mp_status mp_h5_build_layout(mp_h5_build *b, const char *object, mp_h5_layout *out);

/* How one element is read. */
typedef struct {
    mp_h5_column form; /* form, size, type, byte order, dict */
    mp_h5_as as;       /* not AS_FILE: by the library alone */
    const char *why;   /* not NULL: not at all */
} mp_h5_element;
mp_status mp_h5_element_of(mp_h5_build *b, hid_t type, mp_h5_element *out);

/* Bytes that a value of the type has in the file: a text of variable length is 16 there, a pointer in
 * memory. */
int64_t mp_h5_file_bytes(hid_t type);
/* Does reading it make memory that the library has to take back? */
bool mp_h5_has_vlen(hid_t type);
/* Type of a field of records by its path (a.b); to be closed; -1: none. */
hid_t mp_h5_field_type(hid_t record, const char *field);

/* Array of dataset path (open as dset), its index read; field NULL: whole elements. as: through the
 * library. *why set: it cannot be read, and that is no error yet. */
mp_status mp_h5_add_array(mp_h5_build *b, const char *path, hid_t dset, int row_dim,
                          const char *field, mp_h5_as as, int32_t *out, const char **why);
mp_h5_array *mp_h5_array_at(mp_h5_build *b, int32_t i);
mp_h5_column *mp_h5_add_column(mp_h5_build *b, const char *name);
mp_h5_column *mp_h5_column_at(mp_h5_build *b, size_t i);
/* A column of array a at inner coordinates (C order number over the dimensions other than rows). */
void mp_h5_place_column(const mp_h5_array *a, int64_t inner, int64_t offset, mp_h5_column *c);
/* All columns of a dataset: one (1-D), c1... (N-D), fields (compound). name: of a 1-D one. */
mp_status mp_h5_add_dataset(mp_h5_build *b, const char *path, const char *name, bool transposed);
/* Give columns [from, ..) what the attributes of the dataset say: units, fill values, scale. */
void mp_h5_apply_attrs(mp_h5_build *b, hid_t dset, size_t from);
/* The same of one field of records. */
void mp_h5_apply_field_units(mp_h5_build *b, hid_t dset, size_t column, int field);
/* The whole of a small dataset as a dict (texts, numbers). n_max: most values. NULL values of a
 * broken one are an error. */
mp_status mp_h5_read_dict(mp_h5_build *b, const char *path, mp_h5_dict *out);
/* "days since 2000-01-01"; false: no such unit. */
bool mp_h5_parse_units(const char *text, int64_t *unit_ns, int64_t *origin_us);

/* ---- the index of chunks: h5_index.c ---- */

/* Bytes of an element as the layout of the chunks has them, by which the library cuts them; 0: not
 * known. */
int64_t mp_h5_chunk_element(mp_h5_in *in, hid_t dset, mp_h5_array *a);
/* Chunks of a dataset with all of its grid, where they can be found; *found false: through the
 * library. */
mp_status mp_h5_read_index(mp_h5_in *in, hid_t dset, mp_h5_array *a, bool *found);

/* ---- tables: h5_find.c lists them, h5_tables.c makes each kind ---- */

typedef enum {
    MP_H5_NO_TABLE,
    MP_H5_DATASET,
    MP_H5_MATLAB_ARRAY,
    MP_H5_COLUMN_GROUP,
    MP_H5_PANDAS_TABLE,
    MP_H5_PANDAS_FIXED,
    MP_H5_FRAME_GROUP, /* AnnData */
    MP_H5_VAEX,
} mp_h5_kind;

typedef struct {
    const char *path;
    char kind; /* as in mp_h5_object */
    int32_t parent;
    int depth;
    mp_h5_kind table;
    int n_dims;
    int64_t dims[MP_H5_MAX_DIMS];
    H5T_class_t type;
    bool numeric, text, odd; /* values of a column: numbers, texts, such as few tools write */
    bool column;             /* a group that is one column: codes and categories, values and mask */
    bool scale;              /* a dimension's coordinates (netCDF), or only its length */
    bool alias;              /* a link to an object that has another name */
    bool member;             /* part of the table of a group */
    const char *note;        /* where a link leads, what is missing */
} mp_h5_node;

/* Walk the whole file: nodes in the order of the tree. */
mp_status mp_h5_walk(mp_h5_in *in, mp_h5_list *nodes);
/* Sets table in every node that is one by itself. */
mp_status mp_h5_mark_tables(mp_h5_in *in, mp_h5_list *nodes);
/* The table that node i is. */
mp_status mp_h5_make_table(mp_h5_in *in, const mp_h5_list *nodes, int32_t i, mp_h5_layout *out);
/* A hidden column of dataset path, whose values other than 0 mark nulls; *mask -1: it cannot. */
mp_status mp_h5_add_mask(mp_h5_build *b, const char *path, int32_t *mask);
/* vaex' layout, node i: h5_vaex.c. */
mp_status mp_h5_make_vaex(mp_h5_build *b, const mp_h5_list *nodes, int32_t i);
/* pandas' two layouts, in the group path. */
mp_status mp_h5_pandas_table(mp_h5_build *b, const char *path);
mp_status mp_h5_pandas_fixed(mp_h5_build *b, const char *path);
/* As a table, whether it was marked or not. */
mp_h5_kind mp_h5_kind_of(mp_h5_in *in, const mp_h5_list *nodes, int32_t i);
/* The datasets of a group of columns: those of its 1-D members whose length most of them have. Their
 * nodes' numbers are written to out (room for all nodes); false: no such length. */
bool mp_h5_group_members(mp_h5_in *in, const mp_h5_list *nodes, int32_t group, int32_t *out,
                         int *n);

/* Before reading through the library: MP_DATA names a source file that is missing. */
mp_status mp_h5_check_sources(mp_h5_in *in, const char *path, hid_t dset);

const char *mp_h5_base_name(const char *path);
const char *mp_h5_join(mp_h5_in *in, const char *folder, const char *name);

#endif
