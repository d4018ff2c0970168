/* h5_inspect.h - what is in an HDF5 file: found out by a process of its own, since a malformed file
 * can crash the HDF5 library or keep it busy for ever.
 * Invariant: whatever is in the file, the asking process gets an answer or an error. */
#ifndef MP_IO_H5_INSPECT_H
#define MP_IO_H5_INSPECT_H

#include "io/h5/h5_layout.h"

/* The first argument that makes the program an inspector: main hands over to mp_h5_inspect_main
 * before it does anything else. */
#define MP_H5_INSPECT_WORD "--inspect-h5"

typedef struct {
    const char *path;
    const char *object;  /* in the file; NULL: the only table there is */
    bool tree;           /* all objects, not a table */
    const char *program; /* whose main knows MP_H5_INSPECT_WORD; NULL: in this process, unguarded */
} mp_h5_question;

/* The answer's bytes: those of mp_h5_layout_encode, or of a tree. MP_DATA: not an HDF5 file, cut
 * short, malformed, no table in it, a virtual source that is missing. MP_USAGE: several tables, no
 * such object. MP_IO: cannot be opened, locked. Waits for the inspector; never longer than its
 * limits. */
MP_MUST_CHECK mp_status mp_h5_inspect(const mp_h5_question *q, mp_buf *answer, mp_error *err);

/* The inspector: arguments as mp_h5_inspect gave them, answer on standard output. */
int mp_h5_inspect_main(int argc, char *const *argv);

/* One object of a tree. */
typedef struct {
    const char *path;
    char kind;           /* 'g' group, 'd' dataset, 'l' link that leads nowhere, '?' another */
    bool table;          /* can be read as a table */
    int64_t rows;        /* of a table */
    int32_t columns;     /* of a table */
    const char *shape;   /* "10 x 3", "scalar"; of a dataset */
    const char *type;    /* "int64", "compound of 3" */
    const char *storage; /* "chunks of 100, shuffle, deflate 5" */
    const char *note;    /* "pandas table", where a link leads, what is missing */
} mp_h5_object;
/* The next object of a tree's bytes, texts in arena; false at the end, or where they are broken. */
bool mp_h5_tree_next(mp_rd *rd, mp_arena *arena, mp_h5_object *out);

#endif
