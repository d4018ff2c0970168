/* hostile.c - a plug-in that hands its rows on as they are, and misbehaves: for tests of what mpart does then.
 *     --arg do=WHAT      crash abort hang spin oob error exit close print keep fork memory; rows: big forever utf8 nul; broken
 *                        ones: nulls offsets outside negative short length huge offset columns buffers missing released;
 *                        schemas: nested empty keys; pass
 *     --arg in=WHERE     open process finish close (default process)
 *     --arg shard=N      in that shard only
 *     --arg keys=N       the first N columns are a key: the rows come again to combine, in this order
 *     --arg role=ROLE    map, combine: in that phase only
 *     --arg text=TEXT    only with a batch that has this text in a column
 *     --arg unless=FILE  only as long as there is no such file */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mpart/plugin_build.h"

typedef struct {
    const char *what, *where, *text;
    bool armed;
} hostile;

static bool is(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

/* ---- what ends or stops a process ---- */

static void write_far_away(void) {
    volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p[1 << 13] = 1;
    p[0] = 1;
}

static void close_all(void) {
    for (int fd = 0; fd < 1024; fd++)
        close(fd);
}

/* A child keeps all descriptors open, while this process goes down. */
static void fork_and_crash(void) {
    if (fork() == 0)
        for (;;)
            pause();
    raise(SIGSEGV);
}

/* As much memory as this process may have, which is little; then what it is given is used unseen. */
static void use_memory(void) {
    const struct rlimit little = {(size_t)512 << 20, (size_t)512 << 20};
    setrlimit(RLIMIT_AS, &little);
    for (;;) {
        char *p = malloc((size_t)16 << 20);
        memset(p, 1, (size_t)16 << 20);
    }
}

static int misbehave(const hostile *h, char *error) {
    if (is(h->what, "crash")) raise(SIGSEGV);
    if (is(h->what, "abort")) abort();
    while (is(h->what, "hang"))
        pause();
    while (is(h->what, "spin"))
        ;
    if (is(h->what, "oob")) write_far_away();
    if (is(h->what, "fork")) fork_and_crash();
    if (is(h->what, "memory")) use_memory();
    if (is(h->what, "exit")) exit(0);
    if (is(h->what, "close")) close_all();
    if (is(h->what, "print")) puts("this is not a result");
    if (!is(h->what, "error")) return 0;
    snprintf(error, MPART_ERROR_MAX, "it was told\nto fail");
    return 1;
}

/* ---- broken batches ---- */

/* Two rows of a text and a number, with something wrong. */
static int emit_broken(const hostile *h, const struct mpart_sink *sink) {
    struct mpart_build *b = mpart_build_new(2, (const char *const[]){"u", "l"});
    struct ArrowArray batch;
    for (int i = 0; b && i < 2; i++) {
        mpart_put_text(b, 0, "abc", 3);
        mpart_put_int64(b, 1, i);
    }
    if (!b || mpart_build_take(b, &batch) != 0) return -1;
    mpart_build_free(b);
    int32_t *offsets = (int32_t *)(uintptr_t)batch.children[0]->buffers[1];
    if (is(h->what, "nulls")) batch.children[1]->null_count = 2;
    if (is(h->what, "offsets")) offsets[1] = 50;
    if (is(h->what, "outside")) offsets[2] = 200 << 20;
    if (is(h->what, "negative")) offsets[0] = -5;
    if (is(h->what, "short")) batch.children[1]->length = 1;
    if (is(h->what, "length")) batch.length = -1;
    if (is(h->what, "huge")) batch.length = INT64_MAX;
    if (is(h->what, "offset")) batch.offset = INT64_MAX - 1;
    if (is(h->what, "utf8"))
        memcpy((char *)(uintptr_t)batch.children[0]->buffers[2], "\xFF\xC0", 2);
    if (is(h->what, "nul")) memset((char *)(uintptr_t)batch.children[0]->buffers[2] + 4, 0, 1);
    if (is(h->what, "columns")) batch.n_children = 1;
    if (is(h->what, "buffers")) batch.children[1]->n_buffers = 1;
    const void *values = batch.children[1]->buffers[1];
    if (is(h->what, "missing")) batch.children[1]->buffers[1] = NULL;
    if (is(h->what, "released")) batch.release(&batch);
    int code = sink->emit(sink, &batch);
    if (is(h->what, "missing")) free((void *)(uintptr_t)values);
    return code;
}

/* What mpart must be able to take: rows without end, and one that fits no slot. */
static int emit_much(const hostile *h, const struct mpart_sink *sink) {
    size_t len = is(h->what, "big") ? (size_t)3 << 20 : 1000;
    char *text = malloc(len);
    struct mpart_build *b = mpart_build_new(2, (const char *const[]){"u", "l"});
    int code = text && b ? 0 : -1;
    if (text) memset(text, 'x', len);
    do {
        for (int i = 0; code == 0 && i < (is(h->what, "big") ? 1 : 1000); i++) {
            mpart_put_text(b, 0, text, len);
            mpart_put_int64(b, 1, i);
        }
        if (code == 0) code = mpart_build_emit(b, sink);
    } while (code == 0 && is(h->what, "forever"));
    mpart_build_free(b);
    free(text);
    return code;
}

static bool makes_batches(const hostile *h) {
    static const char *const all[] = {
        "nulls",   "offsets",  "outside", "negative", "short", "length", "columns", "buffers",
        "missing", "released", "big",     "forever",  "huge",  "offset", "utf8",    "nul"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (is(h->what, all[i])) return true;
    return false;
}

/* ---- the plug-in ---- */

static int make_schema(const hostile *h, struct mpart_open *o) {
    static const char *const names[] = {"text", "n"}, *const formats[] = {"u", "l"};
    static const char *const nested[] = {"+l", "l"};
    if (is(h->what, "keys")) o->n_keys = 99;
    if (is(h->what, "empty")) return 0; /* output stays without columns */
    if (is(h->what, "nested")) return mpart_schema(&o->output, 2, names, nested);
    if (makes_batches(h)) return mpart_schema(&o->output, 2, names, formats);
    o->output = *o->input;
    o->input->release = NULL;
    return 0;
}

static int open_shard(struct mpart_open *o, void **self, char *error) {
    const char *shard = mpart_find_arg(o, "shard", NULL);
    hostile *h = calloc(1, sizeof *h);
    if (!h) return -1;
    h->what = mpart_find_arg(o, "do", "pass");
    h->where = mpart_find_arg(o, "in", "process");
    h->text = mpart_find_arg(o, "text", NULL);
    h->armed = !shard || strtoll(shard, NULL, 10) == o->shard;
    const char *role = mpart_find_arg(o, "role", NULL);
    if (role && is(role, "combine") != (o->role == MPART_COMBINE)) h->armed = false;
    o->n_keys = strtoll(mpart_find_arg(o, "keys", "0"), NULL, 10);
    const char *unless = mpart_find_arg(o, "unless", NULL);
    if (unless && access(unless, F_OK) == 0) h->armed = false;
    if (h->armed && is(h->where, "open") && misbehave(h, error) != 0) {
        free(h);
        return 1;
    }
    *self = h;
    return make_schema(h, o);
}

static bool has_text(const hostile *h, const struct ArrowArray *batch) {
    for (int64_t c = 0; c < batch->n_children; c++) {
        const struct ArrowArray *a = batch->children[c];
        for (int64_t i = 0; a->n_buffers == 3 && i < a->length; i++) {
            size_t len;
            const char *p = mpart_text(a, i, &len);
            if (len == strlen(h->text) && memcmp(p, h->text, len) == 0) return true;
        }
    }
    return false;
}

static int process(void *self, struct ArrowArray *batch, const struct mpart_sink *sink,
                   char *error) {
    hostile *h = self;
    bool now = h->armed && is(h->where, "process") && (!h->text || has_text(h, batch));
    if (now && makes_batches(h))
        return is(h->what, "big") || is(h->what, "forever") ? emit_much(h, sink)
                                                            : emit_broken(h, sink);
    if (now && misbehave(h, error) != 0) return 1;
    if (now && is(h->what, "keep")) { /* what is lent is moved away and not given back */
        struct ArrowArray *kept = malloc(sizeof *kept);
        if (kept) *kept = *batch;
        batch->release = NULL;
        return 0;
    }
    return makes_batches(h) ? 0 : sink->emit(sink, batch);
}

static int finish(void *self, const struct mpart_sink *sink, char *error) {
    hostile *h = self;
    (void)sink;
    return h->armed && is(h->where, "finish") ? misbehave(h, error) : 0;
}

static void close_shard(void *self) {
    hostile *h = self;
    char error[MPART_ERROR_MAX];
    if (h->armed && is(h->where, "close")) (void)misbehave(h, error);
    free(h);
}

static const struct mpart_plugin table = {sizeof table, MPART_PLUGIN_ABI, "hostile",  open_shard,
                                          process,      finish,           close_shard};

const struct mpart_plugin *mpart_plugin_entry(uint32_t abi) {
    (void)abi;
    return &table;
}
