/* plugin_call.c - see plugin_call.h. */
#include "op/plugin/plugin_call.h"

#include <stddef.h>

#include "op/plugin/plugin_dict.h"

struct mp_plugin_instance {
    mp_plugin_open_args a;
    void *self;
    bool open;
    mp_arrow_table output;
    int n_keys;
    mp_arena facts; /* as long as the instance */
    mp_arena batch; /* of one call in, or one batch out */
    mp_arena out;
    mp_error *err;   /* of the call under way; NULL: none is */
    mp_status taken; /* what went wrong with rows that were handed out */
    char text[MPART_ERROR_MAX];
};

/* ---- errors ---- */

/* One line of what may be anything. */
static void clean(char *text) {
    text[MPART_ERROR_MAX - 1] = 0;
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F) *p = ' ';
}

/* What a call came to: trouble with the rows it handed out is known better here than there. */
static mp_status outcome(mp_plugin_instance *p, int code, const char *function, mp_error *err) {
    if (p->taken != MP_OK) return p->taken;
    if (code == 0) return MP_OK;
    clean(p->text);
    if (p->text[0])
        mp_error_set(err, MP_FAILED, "the plug-in failed", "%s", p->text);
    else
        mp_error_set(err, MP_FAILED, "the plug-in failed", "%s returned %d and said nothing",
                     function, code);
    return MP_FAILED;
}

/* ---- rows that come out ---- */

static mp_status hand_on(mp_plugin_instance *p, const struct ArrowArray *batch) {
    mp_arena_reset(&p->out);
    size_t bytes = (size_t)p->output.schema.n * sizeof(mp_arrow_col);
    mp_arrow_col *cols = mp_arena_alloc(&p->out, bytes, 16);
    if (!cols) return mp_mem_error(p->a.mem, bytes, p->err);
    mp_status st = mp_arrow_open(batch, &p->output, cols, p->err);
    if (st == MP_OK) st = mp_arrow_check(cols, &p->output, batch->length, p->err);
    for (int64_t row = 0; st == MP_OK && row < batch->length; row += MP_BATCH_ROWS) {
        int64_t left = batch->length - row;
        mp_batch rows;
        int32_t n = left < MP_BATCH_ROWS ? (int32_t)left : MP_BATCH_ROWS;
        st = mp_arrow_import(cols, &p->output, row, n, &p->out, &rows, p->err);
        if (st == MP_OK) st = p->a.rows(p->a.ctx, &rows, p->err);
    }
    return st;
}

static int emit(const struct mpart_sink *sink, struct ArrowArray *batch) {
    mp_plugin_instance *p = sink->ctx;
    if (!batch || !batch->release) {
        if (p->taken == MP_OK)
            p->taken = mp_error_set(p->err, MP_FAILED, "bad batch", "it was released already");
        return 1;
    }
    if (p->taken == MP_OK) p->taken = hand_on(p, batch);
    batch->release(batch);
    batch->release = NULL;
    return p->taken != MP_OK;
}

static struct mpart_sink begin_call(mp_plugin_instance *p, mp_error *err) {
    p->err = err;
    p->text[0] = 0;
    return (struct mpart_sink){.size = sizeof(struct mpart_sink), .ctx = p, .emit = emit};
}

/* ---- open and close ---- */

static mp_status take_output(mp_plugin_instance *p, const struct mpart_open *o, mp_error *err) {
    mp_status st = mp_arrow_schema_import(&o->output, &p->facts, &p->output, err);
    if (st != MP_OK) return st;
    if (o->n_keys < 0 || o->n_keys > p->output.schema.n)
        return mp_error_set(err, MP_FAILED, "bad schema", "%lld key columns of %d",
                            (long long)o->n_keys, (int)p->output.schema.n);
    p->n_keys = (int)o->n_keys;
    return MP_OK;
}

static mp_status call_open(mp_plugin_instance *p, mp_error *err) {
    struct ArrowSchema input;
    mp_status st = mp_arrow_schema_export(p->a.input, &input, err);
    if (st != MP_OK) return st;
    struct mpart_open o = {.size = sizeof o,
                           .role = p->a.role,
                           .shard = p->a.shard,
                           .n_args = p->a.n_args,
                           .args = p->a.args,
                           .input = &input,
                           .dict = p->a.dict};
    p->text[0] = 0;
    int code = p->a.plugin->table->open(&o, &p->self, p->text);
    p->open = code == 0;
    if (input.release) input.release(&input);
    st = outcome(p, code, "open", err);
    if (st == MP_OK) st = take_output(p, &o, err);
    if (o.output.release) o.output.release(&o.output);
    return st;
}

mp_status mp_plugin_open(const mp_plugin_open_args *args, mp_plugin_instance **out, mp_error *err) {
    mp_plugin_instance *p = mp_mem_calloc(args->mem, 1, sizeof *p);
    *out = p;
    if (!p) return mp_mem_error(args->mem, sizeof *p, err);
    p->a = *args;
    mp_arena_init(&p->facts, args->mem);
    mp_arena_init(&p->batch, args->mem);
    mp_arena_init(&p->out, args->mem);
    mp_status st = call_open(p, err);
    if (st != MP_OK) mp_plugin_close(out);
    return st;
}

void mp_plugin_close(mp_plugin_instance **out) {
    mp_plugin_instance *p = *out;
    if (!p) return;
    if (p->open && p->a.plugin->table->close) p->a.plugin->table->close(p->self);
    if (p->a.dict) mp_plugin_dict_drain(p->a.dict);
    mp_arena_release(&p->facts);
    mp_arena_release(&p->batch);
    mp_arena_release(&p->out);
    mp_mem_free(p->a.mem, p);
    *out = NULL;
}

const mp_schema *mp_plugin_output(const mp_plugin_instance *p) {
    return &p->output.schema;
}

int mp_plugin_keys(const mp_plugin_instance *p) {
    return p->n_keys;
}

/* ---- rows that go in ---- */

mp_status mp_plugin_process(mp_plugin_instance *p, const mp_arrow_col *cols, int64_t n_rows,
                            mp_error *err) {
    mp_arrow_lease lease = {0};
    struct ArrowArray batch;
    mp_arena_reset(&p->batch);
    mp_status st = mp_arrow_lend(cols, p->a.input->n, n_rows, &p->batch, &lease, &batch, err);
    if (st != MP_OK) return st;
    struct mpart_sink sink = begin_call(p, err);
    int code = p->a.plugin->table->process(p->self, &batch, &sink, p->text);
    if (batch.release) batch.release(&batch);
    st = outcome(p, code, "process", err);
    if (st == MP_OK && lease.live != 0)
        st = mp_error_set(err, MP_FAILED, "the plug-in failed",
                          "process kept a part of its batch, which is used again");
    return st;
}

mp_status mp_plugin_finish(mp_plugin_instance *p, mp_error *err) {
    struct mpart_sink sink = begin_call(p, err);
    int code = 0;
    if (p->a.plugin->table->finish) code = p->a.plugin->table->finish(p->self, &sink, p->text);
    mp_status st = outcome(p, code, "finish", err);
    return st == MP_OK && p->a.dict ? mp_plugin_dict_settle(p->a.dict, err) : st;
}
