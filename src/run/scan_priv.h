/* scan_priv.h - the state shared by scan.c (a rank's side) and scan_pass.c (a pass of all
 * ranks). */
#ifndef MP_RUN_SCAN_PRIV_H
#define MP_RUN_SCAN_PRIV_H

#include "io/input/input_unpack.h"
#include "run/scan.h"

typedef struct mp_scan_rows mp_scan_rows;

struct mp_scan {
    mp_scan_args a;
    const mp_scan_plan *plan; /* of the pass under way */
    const mp_scan_consumer *consumer;
    uint32_t pass;

    /* the split under way */
    mp_split_desc desc;
    int64_t split, n_rows; /* n_rows: that the consumer got */
    bool begun;
    mp_csv_text text; /* of the split, or of a piece of it */
    mp_csv_state entry;
    int64_t n_bad; /* of the pieces so far, and the keys that they list */
    mp_buf keys;
    int64_t tail; /* bytes mapped behind the range */
    int64_t window_before;
    bool window_from_start;
    mp_csv_func func;

    mp_map map;
    int map_file; /* -1: none is open */
    mp_unpack unpack;
    int unpack_file;   /* -1: none is open */
    int solid_file;    /* the file of the last range of a solid one, -1: none */
    int64_t solid_end; /* where that range ends, and in which state */
    mp_csv_state solid_exit;
    mp_buf data; /* the padded copy of a block */

    const mp_source *source; /* the reader's, or of the census' file */
    void *reader;
    int reader_file; /* whose layout it has */
    mp_csv_column *wanted;
    mp_csv_dialect dialect;
    mp_evidence *seen; /* of the wanted columns, by readers that are gone */
    bool cuts;         /* evidence goes with every report: splits behind some place may not count */
    bool in_census;
    bool misfit; /* a type must widen: rows are read for evidence only */

    mp_scan_rows *rows; /* rank 0: reads rows for all; NULL: every rank reads its own */
    mp_rd rows_left;    /* of such a split */
    bool rows_done;

    mp_arena arena; /* of a batch */
    mp_buf rejects;
    mp_scan_stats stats;
    mp_flow_run *run;
};

/* The evidence of the pass so far: of readers that are gone and the one in use. */
void mp_scan_evidence(const mp_scan *s, mp_evidence *out);
void mp_scan_drop_reader(mp_scan *s);
mp_status mp_scan_split_begin(void *ctx, int64_t split, const uint8_t *desc, size_t len,
                              mp_error *err);
mp_status mp_scan_split_step(void *ctx, bool *done, mp_error *err);
mp_status mp_scan_split_end(void *ctx, mp_buf *report, mp_error *err);

/* ---- splits whose rows rank 0 reads: scan_rows.c ---- */

/* Around a pass; where the table has such files, rank 0's feed gets them from here. */
mp_status mp_scan_rows_start(mp_scan *s, const mp_scan_plan *plan, mp_error *err);
void mp_scan_rows_stop(mp_scan *s);
/* The split under way is one. */
bool mp_scan_gets_rows(const mp_scan *s);
mp_status mp_scan_rows_begin(mp_scan *s, mp_rd *rd, mp_error *err);
mp_status mp_scan_rows_step(mp_scan *s, bool *done, mp_error *err);
void mp_scan_rows_end(const mp_scan *s, mp_csv_end *out);

mp_status mp_scan_census_begin(void *ctx, int64_t split, const uint8_t *desc, size_t len,
                               mp_error *err);
mp_status mp_scan_census_step(void *ctx, bool *done, mp_error *err);
mp_status mp_scan_census_end(void *ctx, mp_buf *report, mp_error *err);

#endif
