/* dict_ops.c - for tests: every operation of the dictionary on keys of this shard's own, each checked; and counters that
 * all shards share. Hands out, for each shard, its number of rows.
 *     --arg do=crash|overflow   in shard 1, behind some thousand updates
 *     --arg do=lost   shard 1 starts updates that fail, on keys of all ranks, and gives up before it hears of them */
#include <signal.h>
#include <stdio.h>

#include "mpart/plugin_build.h"

typedef const struct mpart_plugin_dict dict;

typedef struct {
    dict *d;
    const char *what;
    long long shard, rows;
} tester;

static int failed(char *error, dict *d, int line) {
    snprintf(error, MPART_ERROR_MAX, "line %d: %s", line, d->message(d));
    return -1;
}

#define OK(call)                                                                                   \
    if ((call) != MPART_DICT_OK) return failed(error, d, __LINE__)
#define IS(cond)                                                                                   \
    if (!(cond)) return failed(error, d, __LINE__)

static int is_text(const mpart_dict_value *v, const char *text) {
    return v->type == MPART_DICT_BYTES && v->n == strlen(text) && memcmp(v->bytes, text, v->n) == 0;
}

/* On keys with the NUL and newline in them. */
static int try_all(const tester *t, char *error) {
    dict *d = t->d;
    char key[64];
    int flag = -1;
    mpart_dict_value v, three = mpart_dict_int(3), half = mpart_dict_float(0.5);
    mpart_dict_value text = mpart_dict_bytes("a\0b", 3), none = {0};
    size_t n = (size_t)snprintf(key, sizeof key, "own:%lld:%c\n", t->shard, 0);
    OK(d->get(d, key, n, &v));
    IS(v.type == MPART_DICT_NONE);
    OK(d->put(d, key, n, &text));
    OK(d->append(d, key, n, "cd", 2));
    OK(d->get(d, key, n, &v));
    IS(v.type == MPART_DICT_BYTES && v.n == 5 && memcmp(v.bytes, "a\0bcd", 5) == 0);
    IS(d->fetch_add(d, key, n, &three, &v) == MPART_DICT_BAD_VALUE && strstr(d->message(d), "int"));
    OK(d->put(d, key, n, &three));
    OK(d->add(d, key, n, &three));
    OK(d->add(d, key, n, &three));
    OK(d->fetch_add(d, key, n, &three, &v));
    IS(v.type == MPART_DICT_INT && v.i == 12);
    OK(d->add(d, key, n, &half));
    OK(d->get(d, key, n, &v));
    IS(v.type == MPART_DICT_FLOAT && v.f == 12.5);
    OK(d->min(d, key, n, &half));
    OK(d->max(d, key, n, &half));
    OK(d->get(d, key, n, &v));
    IS(v.f == 0.5);
    OK(d->put_new(d, key, n, &three, &flag));
    IS(flag == 0);
    OK(d->compare_and_swap(d, key, n, &three, &half, &flag));
    IS(flag == 0);
    OK(d->compare_and_swap(d, key, n, &half, &three, &flag));
    IS(flag == 1);
    OK(d->exists(d, key, n, &flag));
    IS(flag == 1);
    OK(d->remove(d, key, n));
    OK(d->exists(d, key, n, &flag));
    IS(flag == 0);
    OK(d->compare_and_swap(d, key, n, &none, &text, &flag));
    IS(flag == 1);
    OK(d->put_new(d, key, n, &text, &flag));
    IS(flag == 0);
    OK(d->remove(d, key, n));
    return 0;
}

/* Thousands of values at once, and one of some MiB. */
static int try_many(const tester *t, char *error) {
    enum { MANY = 10000, LARGE = 3 << 20 };
    dict *d = t->d;
    char(*keys)[32] = calloc(MANY, sizeof *keys), *large = malloc(LARGE);
    const void **at = calloc(MANY, sizeof *at);
    size_t *n = calloc(MANY, sizeof *n);
    mpart_dict_value *values = calloc(MANY, sizeof *values), v;
    int64_t n_keys;
    IS(keys && large && at && n && values);
    for (int i = 0; i < MANY; i++) {
        n[i] = (size_t)snprintf(keys[i], sizeof keys[i], "many:%lld:%d", t->shard, i);
        at[i] = keys[i];
        v = mpart_dict_bytes(keys[i], n[i]);
        if (i % 10) OK(d->put(d, keys[i], n[i], &v));
    }
    OK(d->get_many(d, MANY, at, n, values));
    for (int i = 0; i < MANY; i++)
        IS(i % 10 ? is_text(&values[i], keys[i]) : values[i].type == MPART_DICT_NONE);
    OK(d->n_keys(d, &n_keys));
    IS(n_keys >= MANY / 10 * 9);
    for (int i = 0; i < MANY; i++)
        OK(d->remove(d, keys[i], n[i]));
    memset(large, 'x', LARGE);
    v = mpart_dict_bytes(large, LARGE);
    OK(d->put(d, keys[0], n[0], &v));
    OK(d->get(d, keys[0], n[0], &v));
    IS(v.n == LARGE && memcmp(v.bytes, large, LARGE) == 0);
    OK(d->remove(d, keys[0], n[0]));
    v = mpart_dict_bytes(large, (size_t)600 << 20);
    IS(d->put(d, keys[0], n[0], &v) == MPART_DICT_TOO_LARGE);
    OK(d->progress(d));
    free(keys);
    free(large);
    free(at);
    free(n);
    free(values);
    return 0;
}

/* A counter by compare-and-swap, beside the others. */
static int swap_counter(dict *d, char *error) {
    mpart_dict_value old, new_value;
    int done = 0;
    while (!done) {
        OK(d->get(d, "swapped", 7, &old));
        new_value = mpart_dict_int(old.type == MPART_DICT_NONE ? 1 : old.i + 1);
        OK(d->compare_and_swap(d, "swapped", 7, &old, &new_value, &done));
    }
    return 0;
}

/* An update without result fails, but the plug-in fails before it could be told. */
static int lose(dict *d, char *error) {
    mpart_dict_value text = mpart_dict_bytes("x", 1), one = mpart_dict_int(1);
    for (char c = 'a'; c < 'p'; c++) {
        char key[] = {'t', 'e', 'x', 't', c};
        (void)d->put(d, key, sizeof key, &text);
        (void)d->remove(d, "other", 5); /* else put and add are one record */
        (void)d->add(d, key, sizeof key, &one);
    }
    snprintf(error, MPART_ERROR_MAX, "it has given up");
    return -1;
}

static int open_shard(struct mpart_open *o, void **self, char *error) {
    static const char *const names[] = {"rows"}, *const formats[] = {"l"};
    tester *t = calloc(1, sizeof *t);
    if (!t || mpart_schema(&o->output, 1, names, formats) != 0) return -1;
    t->d = mpart_open_dict(o);
    t->shard = o->shard;
    t->what = o->shard == 1 ? mpart_find_arg(o, "do", "") : "";
    *self = t;
    if (t->d) return 0;
    snprintf(error, MPART_ERROR_MAX, "no dictionary");
    return -1;
}

static int process(void *self, struct ArrowArray *batch, const struct mpart_sink *sink,
                   char *error) {
    tester *t = self;
    dict *d = t->d;
    mpart_dict_value one = mpart_dict_int(1), most = mpart_dict_int(INT64_MAX);
    (void)sink;
    for (int64_t i = 0; i < batch->length; i++) {
        char key[32];
        size_t n = (size_t)snprintf(key, sizeof key, "shared%lld", (t->rows + i) % 50);
        OK(d->add(d, key, n, &one));
    }
    t->rows += batch->length;
    mpart_dict_value rows = mpart_dict_int(t->rows);
    OK(d->max(d, "most rows", 9, &rows));
    if (strcmp(t->what, "crash") == 0 && t->rows > 5000) raise(SIGSEGV);
    if (strcmp(t->what, "overflow") == 0) {
        OK(d->put(d, "full", 4, &most));
        OK(d->remove(d, "other", 5));
        OK(d->put(d, "full", 4, &most));
        OK(d->append(d, "other", 5, "x", 1));
        OK(d->add(d, "full", 4, &one));
    }
    return strcmp(t->what, "lost") == 0 ? lose(d, error) : 0;
}

static int finish(void *self, const struct mpart_sink *sink, char *error) {
    static const char *const formats[] = {"l"};
    tester *t = self;
    dict *d = t->d;
    if (strcmp(t->what, "overflow") != 0 &&
        (try_all(t, error) != 0 || try_many(t, error) != 0 || swap_counter(d, error) != 0))
        return -1;
    struct mpart_build *b = mpart_build_new(1, formats);
    if (!b) return -1;
    mpart_put_int64(b, 0, t->rows);
    int code = mpart_build_emit(b, sink);
    mpart_build_free(b);
    return code;
}

static void close_shard(void *self) {
    free(self);
}

static const struct mpart_plugin table = {sizeof table, MPART_PLUGIN_ABI, "dict_ops", open_shard,
                                          process,      finish,           close_shard};

const struct mpart_plugin *mpart_plugin_entry(uint32_t abi) {
    (void)abi;
    return &table;
}
