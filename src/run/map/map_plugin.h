/* map_plugin.h - a map whose shards go to a plug-in instead of a command; and, where the plug-in has a key, the second
 * phase that combines the rows of all shards by it.
 * Invariant: the rows of a part (keys of one range of hashes) come in the order of the shards, in batches that depend on
 * the shards alone, so the result is the same for every number of ranks. */
#ifndef MP_RUN_MAP_PLUGIN_H
#define MP_RUN_MAP_PLUGIN_H

#include "op/plugin/plugin_worker.h"
#include "run/map/map_priv.h"

enum { MP_MAP_PARTS = 64 };

struct mp_map_plugin {
    mp_map_job *j;
    mp_worker *worker;
    struct mpart_dict *dict; /* in-process: the client of the dictionary; NULL: none */
    struct mpart_plugin_dict dict_calls;
    mp_schema output; /* of the shards; of all instances of a rank */
    int n_keys;       /* 0: results are joined */
    mp_schema result; /* of the combining instances, n_keys > 0 */
    int n_order;
    mp_arena arena;
    /* the unit under way */
    mp_text_args format;
    bool at_end, finished, headed;
    int64_t unit_rows;
    mp_buf text;
    /* rows by part, until they go to the log */
    mp_buf parts[MP_MAP_PARTS];
    size_t parts_bytes;
    mp_arena batch;
    /* combining */
    bool combining;
    mp_buf pieces;   /* of the log, in the order of the shards */
    mp_rd left;      /* of them, for the unit under way */
    int64_t at, end; /* of the piece under way */
    int fd, part;
    uint8_t *slice; /* the part's frames in one segment */
    size_t slice_bytes, slice_len, slice_at;
    mp_arrow_table table; /* of output */
    int64_t n_rows;       /* of all units that this rank combined */
};

/* map_combine.c */
/* Rows of a shard into the parts, and the parts to the log. */
mp_status mp_map_combine_take(mp_map_plugin *p, const mp_batch *rows, mp_error *err);
mp_status mp_map_combine_flush(mp_map_plugin *p, mp_error *err);
/* The second phase's unit: its rows to the worker, one batch a call. */
mp_status mp_map_combine_begin(mp_map_plugin *p, int64_t unit, mp_error *err);
mp_status mp_map_combine_rows(mp_map_plugin *p, bool *end, mp_error *err);
/* Which of the parts a row belongs to: for each of the batch, by its first n_keys columns. */
void mp_map_parts_of(const mp_batch *rows, int n_keys, uint8_t *part);

#endif
