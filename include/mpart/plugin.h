/* plugin.h - the plug-in ABI: your own code on every piece of a table, `mpart map table.csv --plugin ./mine.so`.
 *
 * A plug-in is a shared object that exports one function, mpart_plugin_entry, which gives a table of four functions:
 *
 *     open     gets the arguments (--arg key=value) and the columns of the input, says which columns come out
 *     process  gets the rows of one shard, batch by batch, and hands out as many batches of rows as it likes
 *     finish   the shard is at its end: hands out what is left
 *     close    frees what open made
 *
 * mpart opens an instance for each shard and closes it at the shard's end; what instances hand out is put together in
 * the order of the shards. Batches are in the Arrow C Data Interface, so nanoarrow, Arrow C++, pyarrow, polars and
 * DuckDB read and make them without a copy; <mpart/plugin_build.h> is a small builder for those who need none of these.
 *
 * Map-reduce: where open sets n_keys > 0, the first n_keys columns of the output are a key, and the rows of all shards
 * are combined by it: mpart brings all rows with equal keys together, in the order of their shards, and gives them to
 * instances of the same plug-in opened with role MPART_COMBINE, whose input has the columns of the first ones' output.
 * What these hand out is the result: in the order of its first n_keys columns where it has up to 65,536 rows, else in
 * another order that depends on the rows alone.
 *
 * A smallest one, complete:
 *
 *     #include <mpart/plugin.h>
 *
 *     static int open(struct mpart_open *o, void **self, char *error) {
 *         o->output = *o->input;     // the same columns come out: the schema is moved
 *         o->input->release = NULL;
 *         return 0;
 *     }
 *     static int process(void *self, struct ArrowArray *batch, const struct mpart_sink *sink, char *error) {
 *         return sink->emit(sink, batch);    // as it is
 *     }
 *     static const struct mpart_plugin table = {sizeof table, MPART_PLUGIN_ABI, "same", open, process, NULL, NULL};
 *     const struct mpart_plugin *mpart_plugin_entry(uint32_t abi) { return &table; }
 *
 *     cc -shared -fPIC -o same.so same.c && mpart map table.csv --plugin ./same.so
 *
 * Process and threads: a plug-in runs in a process of its own, one beside each rank, which is given shard after shard:
 * one instance at a time, all calls from one thread. A plug-in that crashes, exits, hangs or gives broken batches costs
 * its shard, not the run; the next shard gets a new process. With --in-process it runs in mpart's own process, without
 * that protection, and must not block, fork or call MPI. What it prints goes to standard error.
 *
 * With --dict all instances share a dictionary (struct mpart_plugin_dict, from mpart_open_dict), which --dict-out
 * writes at the end: counters, a set of what was seen, the least and greatest.
 *
 * Same input, same result: shards do not depend on the number of ranks. A plug-in that looks at nothing but its input
 * gives the same result however it is run.
 *
 * Values. Input columns have the formats (of Arrow): "l" int64, "g" float64, "d:18,S" decimal, "b" bool, "tdD" date,
 * "tsu:" timestamp without zone, "u" text, "n" for a column without any value. Output columns may have these, and
 * the other integers, "f", "U", "z", "Z", "tdm", "tss:" "tsm:" "tsn:" with any zone (values are taken as UTC), and
 * "d:P,S"; nested and dictionary-encoded columns are refused. Any column may have nulls.
 *
 * Versions: MPART_PLUGIN_ABI changes when an old plug-in would break. Within one number structs only grow at their end;
 * each begins with its size as its maker knew it, so whoever reads a newer field looks at size first. */
#ifndef MPART_PLUGIN_H
#define MPART_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include "mpart/dict_value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The Arrow C Data Interface, as its specification has it
 * (https://arrow.apache.org/docs/format/CDataInterface.html). */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif

#define MPART_PLUGIN_ABI 1u
enum { MPART_ERROR_MAX = 1024 }; /* bytes of an error text, with its NUL */

enum mpart_role {
    MPART_MAP = 0, /* the rows are a shard's */
    MPART_COMBINE =
        1 /* the rows are those of some keys, as instances with role MPART_MAP handed them out */
};

/* One --arg key=value. Both end with NUL; "--arg key" has the value "". */
struct mpart_arg {
    const char *key;
    const char *value;
};

/* The dictionary that all instances of a run share, with the commands' (--dict); see <mpart/dict.h> for what each
 * operation does, and how they are ordered. Valid from open to close. Updates without a result return at once; several
 * of one key are combined. One that fails is reported by the next call that waits, or else fails the shard at its end.
 * What a shard that failed, or is tried again, did to the dictionary stays. Bytes of results: until the next call. */
struct mpart_plugin_dict {
    uint32_t size;
    void *ctx;
    mpart_dict_code (*put)(const struct mpart_plugin_dict *d, const void *key, size_t n,
                           const mpart_dict_value *v);
    mpart_dict_code (*remove)(const struct mpart_plugin_dict *d, const void *key, size_t n);
    /* v: an int or a float. */
    mpart_dict_code (*add)(const struct mpart_plugin_dict *d, const void *key, size_t n,
                           const mpart_dict_value *v);
    mpart_dict_code (*min)(const struct mpart_plugin_dict *d, const void *key, size_t n,
                           const mpart_dict_value *v);
    mpart_dict_code (*max)(const struct mpart_plugin_dict *d, const void *key, size_t n,
                           const mpart_dict_value *v);
    mpart_dict_code (*append)(const struct mpart_plugin_dict *d, const void *key, size_t n,
                              const void *bytes, size_t n_bytes);
    /* These wait. */
    mpart_dict_code (*get)(const struct mpart_plugin_dict *d, const void *key, size_t n,
                           mpart_dict_value *out);
    mpart_dict_code (*exists)(const struct mpart_plugin_dict *d, const void *key, size_t n,
                              int *there);
    mpart_dict_code (*put_new)(const struct mpart_plugin_dict *d, const void *key, size_t n,
                               const mpart_dict_value *v, int *stored);
    mpart_dict_code (*fetch_add)(const struct mpart_plugin_dict *d, const void *key, size_t n,
                                 const mpart_dict_value *delta, mpart_dict_value *out);
    mpart_dict_code (*compare_and_swap)(const struct mpart_plugin_dict *d, const void *key,
                                        size_t n, const mpart_dict_value *expected,
                                        const mpart_dict_value *new_value, int *swapped);
    /* values[n_keys] is filled; one round for all. */
    mpart_dict_code (*get_many)(const struct mpart_plugin_dict *d, size_t n_keys,
                                const void *const *keys, const size_t *n_bytes,
                                mpart_dict_value *values);
    mpart_dict_code (*n_keys)(const struct mpart_plugin_dict *d, int64_t *n_keys);
    mpart_dict_code (*clear)(const struct mpart_plugin_dict *d);
    /* With --in-process, for one that computes for longer than a millisecond: serves the other ranks. */
    mpart_dict_code (*progress)(const struct mpart_plugin_dict *d);
    /* What the last call that did not return MPART_DICT_OK has to say. */
    const char *(*message)(const struct mpart_plugin_dict *d);
};

/* What open is given, and what it gives back. */
struct mpart_open {
    uint32_t size; /* sizeof(struct mpart_open) of the mpart that calls */
    uint32_t role; /* enum mpart_role */
    int64_t
        shard; /* from 0; with MPART_COMBINE the number of the part; -1: it is only asked for its columns */
    int64_t n_args;
    const struct mpart_arg *args; /* valid until close */
    /* The columns of the input: format "+s", one child a column. Valid until open returns; may be moved (copy the
     * struct, set ->release to NULL) and is then the plug-in's to release. */
    struct ArrowSchema *input;
    /* To be filled: the columns that come out, format "+s", at least one child. mpart releases it. For every shard the
     * same columns. */
    struct ArrowSchema output;
    /* To be filled: how many of the first output columns are the key of a map-reduce; stays 0 where results are just
     * put together. With MPART_COMBINE: by how many of the first columns the result is put in order. */
    int64_t n_keys;
    /* NULL without --dict. Look by mpart_open_dict: an older mpart does not have it. */
    const struct mpart_plugin_dict *dict;
};

static inline const struct mpart_plugin_dict *mpart_open_dict(const struct mpart_open *o) {
    return o->size >= offsetof(struct mpart_open, dict) + sizeof o->dict ? o->dict : NULL;
}

/* Takes the batches that a plug-in hands out. */
struct mpart_sink {
    uint32_t size;
    void *ctx;
    /* A batch: a struct array (no nulls of its own) whose children are the output's columns. It is moved: afterwards
     * batch->release is NULL, whatever is returned. Any number of rows; texts have no NUL byte. Not 0: it was not taken;
     * then return not 0 at once, the reason is known. Valid only within the call that was given the sink. */
    int (*emit)(const struct mpart_sink *sink, struct ArrowArray *batch);
};

/* The functions. Those that return int return 0, or something else after they have written why, in a line, to error
 * (MPART_ERROR_MAX bytes, "" on entry): the shard fails with that text. */
struct mpart_plugin {
    uint32_t size;    /* sizeof(struct mpart_plugin) */
    uint32_t abi;     /* MPART_PLUGIN_ABI */
    const char *name; /* for people */
    /* *self is given to the others. When it fails, close is not called. */
    int (*open)(struct mpart_open *open, void **self, char *error);
    /* The batch: a struct array whose children are the input's columns; offsets are 0, at most some thousand rows, at
     * least one. It may be read, moved or released, but it and its children must not be kept: the memory behind them is
     * used again when process returns. Read only. */
    int (*process)(void *self, struct ArrowArray *batch, const struct mpart_sink *sink,
                   char *error);
    /* NULL: nothing to do. Called once, behind the last process, also where there was none. */
    int (*finish)(void *self, const struct mpart_sink *sink, char *error);
    /* NULL: nothing to do. */
    void (*close)(void *self);
};

/* To be exported by the plug-in, with C linkage and default visibility. abi: MPART_PLUGIN_ABI of the mpart that calls.
 * The table stays valid; NULL: this plug-in cannot work with that mpart. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const struct mpart_plugin *
mpart_plugin_entry(uint32_t abi);

#ifdef __cplusplus
}
#endif

#endif
