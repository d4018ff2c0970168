/* map_table.h - a table as units: which rows belong to each shard, and their text.
 * Invariant: a shard's text is the same whichever rank makes it, however often. */
#ifndef MP_RUN_MAP_TABLE_H
#define MP_RUN_MAP_TABLE_H

#include "run/map/map_pick.h"
#include "run/map/map_raw.h"
#include "run/query/query_priv.h"

/* Rows of n splits from first on, without the first skip of them, and at most take (-1: all). */
typedef struct {
    int64_t first, n, skip, take;
    int64_t rows, bytes;
} mp_map_shard;

typedef struct {
    mp_comm *c;
    mp_mem *mem;
    mp_report *report;
    mp_spec spec; /* the user's, but for inputs that were copied and the output's form */
    mp_job job;
    mp_arena arena;
    const char *folder;  /* of the run */
    int64_t parts, rows; /* 0: not given */
    bool per_file;       /* a shard for each file of the table */
    bool bisects;        /* rows may be rejected one by one */
    mp_buf rejects;      /* rank 0: those that the scan rejected, when bisects */
    bool copied;         /* inputs are in the run's folder */
    int64_t n_bad;       /* rows that were rejected */
    mp_buf shards;       /* rank 0: mp_map_shard */
    int64_t n_shards;
    mp_text_args format;

    /* Rows as batches with types instead of text (plug-ins). */
    mp_status (*take_rows)(void *ctx, const mp_batch *rows, mp_error *err); /* NULL: text */
    void *take_ctx;
    mp_schema schema;         /* of these batches, when the table is open */
    const int64_t *file_unit; /* each file's rows are those of a unit, ascending; NULL: cut it */
    int64_t n_file_units;
    int n_keys; /* file_unit: rows of a key are in one file; the columns, in the table's */
    const char *const *keys;
    int *key_at;

    /* the shard under way */
    mp_scan_consumer consumer;
    mp_rd splits; /* their numbers and descriptions */
    uint32_t n_left;
    bool in_split;
    int64_t skip, take;
    mp_map_pick pick;
    mp_buf text, row_ends; /* row_ends: with pick.places, of the rows made last */
    mp_map_raw raw;
    bool may_be_raw;     /* shards are CSV, and nobody asks for the places of their rows */
    int64_t rows_before; /* of the split under way, in its file */
    int64_t shard_rows;
    bool given; /* text is with the caller until it asks again */
} mp_map_table;

/* Collective: opens the table, numbers its rows, cuts it into shards. */
mp_status mp_map_table_open(mp_map_table *t, mp_error *err);
/* Rank 0. */
mp_map_shard mp_map_shard_of(const mp_map_table *t, int64_t unit);
void mp_map_table_describe(const mp_map_table *t, int64_t unit, mp_buf *desc);

/* Every rank: one shard, in pieces; *n 0: at the end. desc must live as long. */
mp_status mp_map_shard_begin(mp_map_table *t, mp_rd *desc, mp_error *err);
/* Behind begin: only these rows of it. */
void mp_map_shard_pick(mp_map_table *t, const mp_map_pick *pick);
mp_status mp_map_shard_next(mp_map_table *t, const uint8_t **bytes, size_t *n, mp_error *err);
/* The same for batches: take_rows is called for at most one. *end: there was none. */
mp_status mp_map_shard_rows(mp_map_table *t, bool *end, mp_error *err);
void mp_map_shard_end(mp_map_table *t);

/* map_spool.c. Collective: every input that rank 0 has to read itself, or that can be read from its front
 * alone, becomes a file in the run's folder, and t->spec names that instead. The job's streams are used up. */
mp_status mp_map_copy_streams(mp_map_table *t, mp_error *err);
/* Collective: the copies that an earlier run made, if it came so far. */
mp_status mp_map_use_copies(mp_map_table *t, mp_error *err);

#endif
