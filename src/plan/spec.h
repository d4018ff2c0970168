/* spec.h - what the user asked for, as the options say it: plain values, nothing resolved yet.
 * Invariant: every rank makes the same spec from the same arguments (rank 0's, broadcast). Strings
 * live as long as the arguments. */
#ifndef MP_PLAN_SPEC_H
#define MP_PLAN_SPEC_H

#include "io/source.h"

typedef enum { MP_SCATTER_AUTO, MP_SCATTER_PATHS, MP_SCATTER_DATA } mp_scatter;
typedef enum { MP_AUTO, MP_ON, MP_OFF } mp_switch;

/* --types name:type */
typedef struct {
    const char *name;
    mp_type type;
} mp_type_choice;

/* How to read the inputs (common to all commands with INPUT). */
typedef struct {
    int n_paths;
    const char **paths;
    bool tsv;    /* --input-format tsv */
    bool is_csv; /* --input-format csv, or an option that makes it CSV: the name does not matter */
    mp_read_format format; /* --input-format ndjson or lines; MP_READ_CSV: none of these */
    char delimiter;        /* 0: from the name, else sniffed */
    char quote;            /* '"'; 0: none */
    char comment;          /* 0: none */
    bool no_header;
    int n_names;
    const char **names;
    int n_nulls;
    const char **nulls;
    int n_types;
    mp_type_choice *types;
    int64_t skip_lines;
    bool decimal_comma;
    char thousands;
    const char *date_format;
    bool union_columns;
    const char *filename_column; /* NULL: none */
    mp_bad_row on_bad_row;
    const char *rejects; /* NULL: none */
} mp_input_spec;

typedef struct {
    const char *where, *select, *by, *agg, *having, *sort; /* NULL: not given */
    bool distinct;
    int64_t offset_rows; /* 0 */
    int64_t limit_rows;  /* -1: none */
} mp_query_spec;

typedef struct {
    const char *path; /* NULL or "-": standard output */
    int format;       /* mp_text_format; -1: from the name */
    /* HDF5 */
    const char *h5_path; /* NULL: by the layout */
    int h5_layout;       /* mp_h5_out_form; -1: by the number of columns */
    int h5_compress;     /* mp_h5_packing; -1: deflate */
    int64_t h5_level;    /* -1: MP_H5_LEVEL */
    bool h5_collective;
    bool h5_unsynced;               /* whoever makes many files syncs them all at once */
    const mp_input_spec *h5_inputs; /* told as the origin; NULL: those of the spec */
    const char *origin;             /* told in place of the query; NULL: the query */
} mp_output_spec;

typedef struct {
    int64_t memory_bytes; /* 0: from the machine */
    const char *scratch;  /* NULL: TMPDIR or /tmp */
    mp_scatter scatter;
    bool plan_only;
    mp_switch progress;
    bool quiet, verbose;
    /* The program that looks into HDF5 files, so that a malformed one cannot harm this process; NULL:
     * this process itself. */
    const char *inspector;
    /* Ends the whole job from one rank, with a message and an exit code, when a rank is stuck where it cannot agree
     * with the others; called by another thread. NULL: it stays stuck. */
    void (*give_up)(const mp_error *err, int code);
    const char *stats;   /* file, NULL: none */
    const char *version; /* of mpart, for files that say what made them */
    /* Test hooks, from the environment of rank 0. */
    bool guess_wrong;           /* MPART_GUESS=wrong */
    int n_test_splits;          /* MPART_TEST_SPLITS=17,40 */
    const int64_t *test_splits; /* ascending byte offsets */
} mp_run_spec;

typedef struct {
    mp_input_spec input;
    mp_query_spec query;
    mp_output_spec output;
    mp_run_spec run;
} mp_spec;

#endif
