/* dictcount.c - how often each value of a column occurs, counted in the shared dictionary while the rows go by:
 *     mpart map t.csv --plugin build/plugins/dictcount.so --arg column=NAME --dict-out counts.csv
 * counts.csv has key,value; the rows go on to the output as they are.
 *     --arg prefix=TEXT   in front of the keys
 *     --arg seen=COLUMN   hands on, of rows with equal values there, only the one that comes first to the dictionary
 * A model for plug-ins that use the dictionary: updates without a result cost next to nothing, questions are asked for
 * a whole batch or not often. */
#include <stdio.h>

#include "mpart/plugin_build.h"

enum { KEY_MAX = 1 << 16 };

typedef struct {
    const struct mpart_plugin_dict *dict;
    const char *prefix;
    size_t n_prefix;
    int column, seen, n_columns; /* column, seen: -1: none */
    char key[KEY_MAX];
} counter;

static int find_text(const struct mpart_open *o, const char *arg, char *error) {
    const char *name = mpart_find_arg(o, arg, NULL);
    int at = name ? mpart_find_column(o->input, name) : -1;
    if (!name) return -1;
    if (at >= 0 && strcmp(o->input->children[at]->format, "u") == 0) return at;
    snprintf(error, MPART_ERROR_MAX, at < 0 ? "there is no column '%s'" : "column '%s' is no text",
             name);
    return -1;
}

static int open_shard(struct mpart_open *o, void **self, char *error) {
    counter *c = calloc(1, sizeof *c);
    if (!c) return -1;
    c->dict = mpart_open_dict(o);
    c->prefix = mpart_find_arg(o, "prefix", "");
    c->n_prefix = strlen(c->prefix);
    c->n_columns = (int)o->input->n_children;
    c->column = find_text(o, "column", error);
    c->seen = error[0] ? -1 : find_text(o, "seen", error);
    if (!c->dict)
        snprintf(error, MPART_ERROR_MAX, "it needs the dictionary: --dict or --dict-out FILE");
    else if (!error[0] && c->column < 0 && c->seen < 0)
        snprintf(error, MPART_ERROR_MAX, "which column? --arg column=NAME");
    else if (!error[0] && c->n_prefix > KEY_MAX / 2)
        snprintf(error, MPART_ERROR_MAX, "the prefix is too long");
    if (error[0]) {
        free(c);
        return -1;
    }
    o->output = *o->input;
    o->input->release = NULL;
    *self = c;
    return 0;
}

/* The value as a key; longer ones are cut. */
static size_t make_key(counter *c, const struct ArrowArray *a, int64_t i) {
    size_t n;
    const char *p = mpart_text(a, i, &n);
    if (n > KEY_MAX - c->n_prefix) n = KEY_MAX - c->n_prefix;
    memcpy(c->key, c->prefix, c->n_prefix);
    memcpy(c->key + c->n_prefix, p, n);
    return c->n_prefix + n;
}

static int failed(const counter *c, char *error) {
    snprintf(error, MPART_ERROR_MAX, "%s", c->dict->message(c->dict));
    return -1;
}

static int count(counter *c, const struct ArrowArray *a, char *error) {
    const mpart_dict_value one = mpart_dict_int(1);
    for (int64_t i = 0; i < a->length; i++) {
        if (mpart_is_null(a, i)) continue;
        size_t n = make_key(c, a, i);
        if (c->dict->add(c->dict, c->key, n, &one) != MPART_DICT_OK) return failed(c, error);
    }
    return 0;
}

static void release_nothing(struct ArrowArray *a) {
    a->release = NULL;
}

/* Hands on the rows whose value nobody had before, in runs: a batch may be handed out as a part of itself. */
static int filter(counter *c, struct ArrowArray *batch, const struct mpart_sink *sink,
                  char *error) {
    const struct ArrowArray *a = batch->children[c->seen];
    const mpart_dict_value one = mpart_dict_int(1);
    int64_t from = 0;
    for (int64_t i = 0; i <= a->length; i++) {
        int is_new = 0;
        if (i < a->length) {
            size_t n = mpart_is_null(a, i) ? 0 : make_key(c, a, i);
            if (c->dict->put_new(c->dict, c->key, n, &one, &is_new) != MPART_DICT_OK)
                return failed(c, error);
        }
        if (is_new) continue;
        struct ArrowArray part = *batch;
        part.offset = from;
        part.length = i - from;
        part.release = release_nothing;
        if (part.length > 0 && sink->emit(sink, &part) != 0) return -1;
        from = i + 1;
    }
    return 0;
}

static int process(void *self, struct ArrowArray *batch, const struct mpart_sink *sink,
                   char *error) {
    counter *c = self;
    if (c->column >= 0 && count(c, batch->children[c->column], error) != 0) return -1;
    return c->seen >= 0 ? filter(c, batch, sink, error) : sink->emit(sink, batch);
}

static void close_shard(void *self) {
    free(self);
}

static const struct mpart_plugin table = {
    sizeof table, MPART_PLUGIN_ABI, "dictcount", open_shard, process, NULL, close_shard};

const struct mpart_plugin *mpart_plugin_entry(uint32_t abi) {
    (void)abi;
    return &table;
}
