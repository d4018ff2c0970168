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
#include "run/stop.h"

/* A key as bytes in order (rows_key.h), and behind them as JSON. */
typedef struct {
    mp_buf bytes;
    size_t key_len;
} mp_split_bound;

typedef struct mp_split_journal mp_split_journal;

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

    /* the deal in legs, each of which can be gone on from (split_legs.c) */
    bool legs;
    bool restored;       /* from the state of another run: the folder may hold more than is known */
    bool amiss;          /* the types so far are not those of the plan: the pass will be redone */
    int64_t first_split; /* of the next leg; 0: nothing is dealt yet */
    mp_evidence *legs_seen;    /* by column: in the legs so far, all zero: no value */
    mp_evidence *plan_seen;    /* what the plan of the deal was made with */
    mp_split_journal *journal; /* rank 0 */
    mp_shard_folder *target;   /* rank 0 */
    mp_buf state;              /* rank 0: what another run left, until it is restored */
    mp_stop stop;
    bool asked_to_stop;                /* rank 0 */
    int64_t leg_began_ns, leg_cost_ns; /* rank 0; of saving its state */

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
    bool sync_at_once;
    mp_shard_file *stored; /* owner: the files in place of those that were dealt; NULL: none */
} mp_split;

/* split_scan.c */
/* Passes that read `read` until the types stand. begin: before each pass, local. Collective. */
mp_status mp_split_scan(mp_split *s, mp_split_read read, mp_scan_consumer *consumer,
                        mp_status (*begin)(mp_split *s, mp_error *err), mp_error *err);
/* ROWS: counts the rows. Collective. */
mp_status mp_split_count(mp_split *s, mp_error *err);
/* s->rows_before is that of n splits. */
void mp_split_set_rows(mp_split *s, int64_t n);
/* The sort keys of the batch, in s->keys and s->key_ends. */
mp_status mp_split_order_keys(mp_split *s, const mp_batch *in, mp_error *err);

/* split_legs.c */
/* The flow's question whether the leg is long enough (mp_scan_consumer.pause). Rank 0. */
bool mp_split_pause(void *ctx);
/* A leg is behind all ranks: s->first_split, and *all: it was the last one. Collective. */
mp_status mp_split_leg_done(mp_split *s, bool *all, mp_error *err);
/* It stands: another run can go on from here; MP_STOPPED: one has to. Collective. */
mp_status mp_split_leg_save(mp_split *s, mp_error *err);
/* What another run left is taken over, if it is what the folder holds. Collective, where the scan has
 * started. */
mp_status mp_split_restore(mp_split *s, mp_error *err);
/* What another run left is not gone on from. Collective. */
mp_status mp_split_forget(mp_split *s, mp_error *err);

/* split_journal.c, rank 0. */
/* Opens the journal where there is one, or where one is asked for; s->state: where it has come to. *done: the
 * run had come to its end. MP_FAILED: another run holds it; it is of another run (says how). */
mp_status mp_split_journal_open(mp_split *s, bool *done, mp_error *err);
/* A leg is done; bytes_done: of the input so far. It counts when this returns MP_OK. */
mp_status mp_split_journal_put(mp_split *s, const mp_buf *state, int64_t bytes_done, mp_error *err);
/* The folder is to get its name now. */
mp_status mp_split_journal_last(mp_split *s, const char *manifest, mp_error *err);
/* What --resume would keep; done: as journal_open says. */
void mp_split_journal_explain(const mp_split *s, bool done, mp_buf *out);
int64_t mp_split_journal_legs(const mp_split *s);
/* keep: for --resume. */
void mp_split_journal_close(mp_split *s, bool keep);

/* split_range.c: the cuts between the ranges, from a sample. Collective. */
mp_status mp_split_find_cuts(mp_split *s, mp_error *err);
/* n cuts, each behind its length. Local. */
mp_status mp_split_read_cuts(mp_split *s, mp_rd *in, int64_t n, mp_error *err);
/* The shard of each row, by s->keys. */
void mp_split_find_ranges(mp_split *s, int32_t n_rows);

/* split_deal.c: the rows to their shards. Collective. */
mp_status mp_split_deal(mp_split *s, mp_error *err);
/* s->files and s->shards, empty. Local. */
mp_status mp_split_open_files(mp_split *s, mp_error *err);
/* Least and greatest keys that another rank or run found in a shard. Local. */
mp_status mp_split_put_bounds(mp_split *s, int64_t shard, mp_rd *in, mp_error *err);
void mp_split_release_bounds(mp_split *s);

/* split_each.c: one shard per key. */
/* The shard of each row, by s->keys. */
mp_status mp_split_find_values(mp_split *s, int64_t split, const mp_batch *in, mp_error *err);
/* Owner: a shard is described. As mp_shards_args.describe. */
mp_status mp_split_described(void *ctx, const uint8_t *bytes, size_t n, int64_t *shard,
                             mp_error *err);
/* The rank that owns a path. */
int mp_split_path_owner(const mp_split *s, const char *path, size_t n);
/* Owner: a shard of another run, which is in s->files now. */
mp_status mp_split_adopt(mp_split *s, const char *path, const uint8_t *key, size_t len,
                         const uint8_t *json, size_t json_len, mp_error *err);

/* split_list.c */
/* What this rank knows of its shards, to the end of b: i64 files; of each i64 number (EACH: -1), path, rows,
 * bytes, checksum, and (EACH) its key; then until the end i64 number, least key, greatest key. */
mp_status mp_split_tell(const mp_split *s, mp_buf *b, mp_error *err);
/* What all ranks know of their shards, as the manifest, in arena (rank 0). Collective. */
mp_status mp_split_list(mp_split *s, mp_arena *arena, mp_manifest *out, mp_error *err);

/* split_store.c: this rank's shards, text so far, as what they are to be: s->stored, on the disk. Nothing
 * where that is plain text. Collective. */
mp_status mp_split_store(mp_split *s, mp_error *err);

/* ".csv", also of shards that are to become HDF5. */
const char *mp_split_ending(mp_text_format format);

#endif
