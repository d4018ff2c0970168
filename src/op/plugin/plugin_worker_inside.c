/* plugin_worker_inside.c - a plug-in in the process of its rank (--in-process). See plugin_worker.h.
 * Invariant: errors are those of the shard; only memory that this process lacks is an error of the caller. */
#include "op/plugin/plugin_worker_priv.h"

/* What the instance hands out; an error of whoever takes the rows goes through the plug-in and comes back. */
static mp_status hand_on(void *ctx, const mp_batch *batch, mp_error *err) {
    mp_worker *w = ctx;
    mp_status st = w->a.rows(w->a.ctx, batch, &w->trouble);
    if (st != MP_OK) mp_error_set(err, st, "the rows cannot be taken", "see the error");
    return st;
}

/* What a call left behind: an error of whoever takes the rows is the caller's, others are the shard's. */
static mp_status settle(mp_worker *w, mp_status st, const mp_error *why, mp_error *err) {
    if (st == MP_OK) return MP_OK;
    if (w->trouble.status != MP_OK) {
        if (err) *err = w->trouble;
        return (mp_status)w->trouble.status;
    }
    mp_worker_fail(w, MP_WORKER_FAILED, 0, why);
    return MP_OK;
}

static mp_status load(mp_worker *w, mp_error *err) {
    if (w->plugin.table) return MP_OK;
    mp_status st = mp_plugin_args(w->a.args, w->a.n_args, &w->kept, &w->plugin_args, err);
    if (st == MP_OK) st = mp_plugin_load(w->a.plugin, &w->kept, &w->plugin, err);
    return st;
}

mp_status mp_worker_inside_begin(mp_worker *w, mp_error *err) {
    mp_error why = MP_ERROR_INIT;
    w->trouble = MP_ERROR_INIT;
    if (load(w, &why) != MP_OK) {
        mp_worker_fail(w, MP_WORKER_NO_LOAD, 0, &why);
        return MP_OK;
    }
    mp_plugin_open_args a = {.plugin = &w->plugin,
                             .role = w->a.role,
                             .shard = w->shard,
                             .n_args = w->a.n_args,
                             .args = w->plugin_args,
                             .input = w->a.input,
                             .dict = w->a.dict,
                             .mem = w->a.mem,
                             .ctx = w,
                             .rows = hand_on};
    if (mp_plugin_open(&a, &w->instance, &why) != MP_OK) {
        mp_worker_fail(w, MP_WORKER_FAILED, 0, &why);
        return MP_OK;
    }
    return mp_worker_take_columns(w, mp_plugin_output(w->instance), mp_plugin_keys(w->instance),
                                  err);
}

mp_status mp_worker_inside_push(mp_worker *w, const mp_batch *batch, mp_error *err) {
    mp_error why = MP_ERROR_INIT;
    int64_t n = mp_arrow_bytes(batch, w->a.input);
    if (n < 0) return mp_error_set(err, MP_FAILED, "too much text", "2 GiB or more in one column");
    mp_arena_reset(&w->batch);
    size_t bytes = (size_t)batch->n_cols * sizeof(mp_arrow_col);
    mp_arrow_col *cols = mp_arena_alloc(&w->batch, bytes, 16);
    uint8_t *block = mp_arena_alloc(&w->batch, (size_t)n + 64, 64);
    if (!cols || !block) return mp_mem_error(w->a.mem, bytes + (size_t)n, err);
    (void)mp_arrow_export(batch, w->a.input, true, block, cols);
    if (batch->n_rows == 0) return MP_OK;
    return settle(w, mp_plugin_process(w->instance, cols, batch->n_rows, &why), &why, err);
}

mp_status mp_worker_inside_finish(mp_worker *w, bool cancel, mp_error *err) {
    mp_error why = MP_ERROR_INIT;
    mp_status st = MP_OK;
    if (w->instance && !w->failing && !cancel)
        st = settle(w, mp_plugin_finish(w->instance, &why), &why, err);
    mp_plugin_close(&w->instance);
    w->done = true;
    return st;
}
