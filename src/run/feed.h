/* feed.h - rank 0's side of a scan: which splits there are, what came back of them, and whether the
 * guesses were right.
 * Invariant: splits are numbered in input order, over all files, the same in
 * every pass. A pass is proven when in every file each split's entry state is the exit state of the
 * one before. */
#ifndef MP_RUN_FEED_H
#define MP_RUN_FEED_H

#include "plan/table.h"
#include "run/flow.h"

/* One split, as described to a rank: for a range the file's bytes [begin, begin + len); for data
 * the bytes follow. */
typedef struct {
    int32_t file;
    bool by_data;
    bool entry_known;
    uint8_t entry; /* mp_csv_state, when known */
    int64_t begin, len;
    mp_pack_point from, to; /* of a range of a packed file: mp_table_range_points */
} mp_split_desc;

/* What a rank reports of a split. */
typedef struct {
    uint8_t entry, exit;
    bool exit_known;
    int64_t n_records, n_bad;
    int64_t n_rows; /* that were given to the consumer */
    mp_str keys;    /* as mp_csv_end: texts in wire form, in place */
} mp_split_report;

void mp_split_desc_put(mp_buf *b, const mp_split_desc *d);
/* Leaves rd at the bytes of a data split. */
mp_split_desc mp_split_desc_get(mp_rd *rd);
void mp_split_report_put(mp_buf *b, const mp_split_report *r);
mp_split_report mp_split_report_get(mp_rd *rd);

typedef struct mp_feed mp_feed;

/* streams: as mp_table_open gave them, released by the feed. */
MP_MUST_CHECK mp_status mp_feed_new(const mp_spec *spec, const mp_table *t,
                                    mp_table_stream *streams, int n_ranks, mp_mem *mem,
                                    mp_feed **out, mp_error *err);
void mp_feed_free(mp_feed **f);

/* Who reads the rows of HDF5 files for the others. next: more of the rows of *d, whose number is
 * split; SOON until they are all there: then GOT, in *bytes, and d->len is how many they are: fewer
 * where that is a message's worth, unless whole. */
typedef struct {
    void *ctx;
    mp_status (*next)(void *ctx, int64_t split, mp_split_desc *d, bool whole, const mp_buf **bytes,
                      mp_split_state *state, mp_error *err);
} mp_feed_rows;
/* Before mp_feed_start, for the pass. */
void mp_feed_read_rows(mp_feed *f, mp_feed_rows rows);

/* Start a pass from the first split. replayable: another pass may follow, so blocks of a pipe are
 * kept in a spool. */
MP_MUST_CHECK mp_status mp_feed_start(mp_feed *f, bool replayable, mp_error *err);
/* A pass that ended early on purpose goes on from here in another run: all splits handed out so far
 * have reported, and are proven. save: to the end of out. restore: a feed of the same table, not started
 * yet, is started behind them; false: its splits are others. MP_NOMEM. */
void mp_feed_save(const mp_feed *f, mp_buf *out);
MP_MUST_CHECK mp_status mp_feed_restore(mp_feed *f, mp_rd *in, bool *fits, mp_error *err);
/* Callbacks of the flow. census: the reports are of mp_csv_func. */
MP_MUST_CHECK mp_status mp_feed_next(mp_feed *f, mp_buf *desc, mp_split_state *state,
                                     mp_error *err);
void mp_feed_report(mp_feed *f, int src, int64_t split, mp_status status, const mp_split_report *r);
/* The names that a split's report lists, for mp_feed_keys. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_feed_keep_keys(mp_feed *f, int64_t split, mp_str keys, mp_error *err);
/* Those of all splits of the pass, in input order and perhaps several times: texts in wire form. */
void mp_feed_put_keys(const mp_feed *f, mp_buf *out);
/* Evidence of n columns that the rank had found up to the end of this split (splits come to a rank
 * in ascending order). MP_NOMEM. */
MP_MUST_CHECK mp_status mp_feed_keep_evidence(mp_feed *f, int64_t split, const mp_evidence *seen,
                                              int n, mp_error *err);
/* What is kept of the splits before upto, added to seen (n columns). */
void mp_feed_add_evidence(const mp_feed *f, int64_t upto, mp_evidence *seen, int n);
void mp_feed_census(mp_feed *f, int64_t split, const mp_csv_func *func);
/* After a census: every entry state follows, and is handed out as known from now on. */
void mp_feed_compose(mp_feed *f);
/* A split behind a pass that stands: what it is, with its entry state, and what it held. */
void mp_feed_get(const mp_feed *f, int64_t split, mp_split_desc *d, mp_split_report *r);
/* The first split whose guess its predecessor's exit refutes, among those before upto (exclusive);
 * -1: all proven. */
int64_t mp_feed_refuted(const mp_feed *f, int64_t upto);
/* Row number of an error in the table of its file, from the reports of the splits before it. */
void mp_feed_locate(const mp_feed *f, mp_error *error);
/* The split to come goes to the rank that has the one before: its file is read by one rank. */
bool mp_feed_binds(const mp_feed *f);
/* A descriptor to wait on while the state is LATER, -1. */
int mp_feed_fd(const mp_feed *f);
/* How many splits from the first on have n_rows rows for the consumer, -1: not known yet, or all
 * have fewer. */
int64_t mp_feed_holding(mp_feed *f, int64_t n_rows);
/* Once, at the end of a pass: bad rows of splits from upto on do not count. */
void mp_feed_cut(mp_feed *f, int64_t upto);
/* Splits whose bad rows count. */
int64_t mp_feed_counted(const mp_feed *f);
int64_t mp_feed_splits(const mp_feed *f);
/* Splits handed out in this pass, and whether they are all there are. */
int64_t mp_feed_given(const mp_feed *f, bool *all);
int64_t mp_feed_bytes_done(const mp_feed *f);
/* The rank whose finished splits have the fewest bytes, and how many; -1 with one rank. */
int mp_feed_slowest(const mp_feed *f, int64_t *bytes);
int64_t mp_feed_records(const mp_feed *f);
int64_t mp_feed_bad(const mp_feed *f);
/* Records of the splits of the same file before this one, for the row numbers of rejects. */
int64_t mp_feed_rows_before(const mp_feed *f, int64_t split);
const char *mp_feed_path(const mp_feed *f, int64_t split);

#endif
