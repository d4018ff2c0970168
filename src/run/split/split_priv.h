/* split_priv.h - the state of one split on one rank, shared by the split_*.c files.
 * Invariant: functions marked collective are called by all ranks in the same order and leave with
 * the same status. */
#ifndef MP_RUN_SPLIT_PRIV_H
#define MP_RUN_SPLIT_PRIV_H

#include "io/shards/manifest.h"
#include "io/shards/shard_files.h"
#include "io/shards/shard_folder.h"
#include "op/rows/rows_key.h"
#include "plan/split_key.h"
#include "run/query/query_priv.h"
#include "run/split/shard.h"
#include "run/split/shard_ids.h"
#include "run/split/split_run.h"

/* A key as bytes in order (rows_key.h), and behind them as JSON. */
typedef struct {
    mp_buf bytes;
    size_t key_len;
} mp_split_bound;

typedef struct {
    mp_job job; /* table, feed, scan, plan, evidence */
    const mp_split_spec *spec;
    mp_split_columns cols;
    mp_text_args text;
    mp_sort_key *order; /* n_keys, ascending */
    const char *folder; /* of this rank's files */
    const char *name;   /* of the folder in messages */
    mp_shards *shards;
    mp_shard_files *files;
    int64_t n_shards; /* of all ranks; EACH: not known */

    /* the batch under way */
    mp_buf lines, line_ends, keys;
    size_t key_ends[MP_BATCH_ROWS];
    int32_t shard[MP_BATCH_ROWS];
    uint64_t hash[MP_BATCH_ROWS];
    int64_t split; /* under way, with its rows so far; -1: none */
    int64_t split_rows;

    /* ROWS: rows of all splits before each one, n_splits + 1 */
    int64_t *rows_before;
    int64_t n_splits;
    /* RANGE: the first key of shard i + 1 ends at cuts[i] in cut_keys */
    struct mp_split_sample *sample; /* while it is taken */
    mp_buf cut_keys;
    size_t *cuts;
    int64_t n_cuts;

    /* source: what this rank's rows say of each shard; EACH: of the shards it described */
    mp_split_bound *least, *greatest;
    int64_t n_bounds;
    mp_shard_ids values; /* EACH: keys that this rank met */
    /* owner, EACH: by path, and the key of each shard */
    mp_shard_ids paths;
    mp_split_bound *owned;
    int64_t n_owned;
} mp_split;

/* split_scan.c */
/* Passes that read `read` until the types stand. begin: before each pass, local. Collective. */
mp_status mp_split_scan(mp_split *s, mp_split_read read, mp_scan_consumer *consumer,
                        mp_status (*begin)(mp_split *s, mp_error *err), mp_error *err);
/* ROWS: counts the rows. Collective. */
mp_status mp_split_count(mp_split *s, mp_error *err);
/* The sort keys of the batch, in s->keys and s->key_ends. */
mp_status mp_split_order_keys(mp_split *s, const mp_batch *in, mp_error *err);

/* split_range.c: the cuts between the ranges, from a sample. Collective. */
mp_status mp_split_find_cuts(mp_split *s, mp_error *err);
/* The shard of each row, by s->keys. */
void mp_split_find_ranges(mp_split *s, int32_t n_rows);

/* split_deal.c: the rows to their shards. Collective. */
mp_status mp_split_deal(mp_split *s, mp_error *err);
void mp_split_release_bounds(mp_split *s);

/* split_each.c: one shard per key. */
/* The shard of each row, by s->keys. */
mp_status mp_split_find_values(mp_split *s, int64_t split, const mp_batch *in, mp_error *err);
/* Owner: a shard is described. As mp_shards_args.describe. */
mp_status mp_split_described(void *ctx, const uint8_t *bytes, size_t n, int64_t *shard,
                             mp_error *err);

/* split_list.c */
/* What all ranks know of their shards, as the manifest, in arena (rank 0). Collective. */
mp_status mp_split_list(mp_split *s, mp_arena *arena, mp_manifest *out, mp_error *err);

/* split_h5.c: the shards, CSV so far, as HDF5; m is rank 0's. Collective. */
mp_status mp_split_to_h5(mp_split *s, mp_manifest *m, mp_error *err);

/* ".csv", also of shards that are to become HDF5. */
const char *mp_split_ending(mp_text_format format);

#endif
