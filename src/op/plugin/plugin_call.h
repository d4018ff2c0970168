/* plugin_call.h - a plug-in in this process: loaded, opened for a shard, given rows, asked for the rest.
 * Invariant: nothing that a plug-in gives back is used before it is checked (data/arrow.h), every schema and array that
 * it hands over is released once, whatever fails. What it does with the memory of this process nobody can check: so
 * this runs in the process of a worker (plugin_serve.h), or where the user chose --in-process. */
#ifndef MP_OP_PLUGIN_CALL_H
#define MP_OP_PLUGIN_CALL_H

#include "data/arrow.h"

typedef struct {
    const char *path;
    const struct mpart_plugin *table;
    void *handle;
} mp_plugin;

/* path: a file (never looked for in the folders of libraries); it stays the caller's. MP_IO: no such file; MP_USAGE: not a plug-in, or one
 * for another version. */
MP_MUST_CHECK mp_status mp_plugin_load(const char *path, mp_arena *arena, mp_plugin *out,
                                       mp_error *err);
void mp_plugin_unload(mp_plugin *p);
/* "key=value" or "key", each split in place of a copy in arena; n of them. MP_NOMEM; MP_USAGE: no key. */
MP_MUST_CHECK mp_status mp_plugin_args(const char *const *words, int n, mp_arena *arena,
                                       const struct mpart_arg **out, mp_error *err);

typedef struct mp_plugin_instance mp_plugin_instance;

typedef struct {
    const mp_plugin *plugin;
    uint32_t role; /* enum mpart_role */
    int64_t shard;
    int n_args;
    const struct mpart_arg *args;
    const mp_schema *input;
    const struct mpart_plugin_dict *dict; /* NULL: none */
    mp_mem *mem;
    void *ctx;
    /* Rows that the plug-in hands out, at most MP_BATCH_ROWS at a time. An error ends the shard and is what the calls
     * below return. */
    mp_status (*rows)(void *ctx, const mp_batch *batch, mp_error *err);
} mp_plugin_open_args;

/* All return MP_FAILED with the plug-in's own text, or with what is wrong with what it gave. *out is NULL then. */
MP_MUST_CHECK mp_status mp_plugin_open(const mp_plugin_open_args *args, mp_plugin_instance **out,
                                       mp_error *err);
/* Columns that come out, and how many of the first are the key. Valid until close. */
const mp_schema *mp_plugin_output(const mp_plugin_instance *p);
int mp_plugin_keys(const mp_plugin_instance *p);
/* Rows in Arrow's layout. After an error only close may follow. */
MP_MUST_CHECK mp_status mp_plugin_process(mp_plugin_instance *p, const mp_arrow_col *cols,
                                          int64_t n_rows, mp_error *err);
MP_MUST_CHECK mp_status mp_plugin_finish(mp_plugin_instance *p, mp_error *err);
void mp_plugin_close(mp_plugin_instance **p);

#endif
