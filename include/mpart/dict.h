/* dict.h - libmpart: one map that all ranks of an MPI program read and change.
 *
 *     mpart_dict *d;
 *     if (mpart_dict_open(MPI_COMM_WORLD, 1 << 30, &d, message, sizeof message) != MPART_DICT_OK) …
 *     mpart_dict_add_int(d, host, strlen(host), 1);               // on its way, combined with others
 *     mpart_dict_put_new(d, url, strlen(url), &one, &is_new);     // the answer: is it the first?
 *     …
 *     mpart_dict_quiet(d);                                        // all of it is done, on all ranks
 *     mpart_dict_each(d, write_pair, file);                       // the keys that this rank owns
 *     code = mpart_dict_close(&d, 0);
 *
 * Keys and values. A key is any bytes. A value is an int64, a float64, or bytes; bytes that are the text of a number
 * count as one (put "5", add 1: 6). A key belongs to one rank, found by hash.
 * Atomicity and order. Each operation on a key is done as a whole. Operations of one rank on one key, and on all keys
 * of one owner, are done in the order of its calls. Operations on several keys are one operation for each.
 * So ints add up to the same on any number of ranks; sums of floats may differ in their last digits.
 * Updates that give no result return at once; they travel in batches, and several of one key in a batch are combined
 * into one. Operations with a result wait for it; _later ones do not.
 * Errors. Each call returns a code; mpart_dict_message says what it means, with the key or the limit, until the next
 * call. An update that fails at its owner (an overflow, another type, the memory limit) changes nothing there, and is
 * reported once, to the rank that made it, by a later call. A call that does not return MPART_DICT_OK has not done its
 * own operation, whatever it reports (but for mpart_dict_quiet): it may be made again, but after MPART_DICT_PEER_FAILED and MPART_DICT_FAILED
 * mpart_dict_close is the only call that helps.
 * Ownership. Keys and values that are passed in are copied. Bytes of a result belong to the dictionary and are valid
 * until this rank's next call on it.
 * Cost. An update: some 100 ns of its rank and its owner, and as many bytes as key and value need, and some 20 more.
 * A result: a message there and back unless this rank owns the key, or its owner is on the same host and has some
 * megabytes at most: then less than a microsecond. An int takes its key
 * and some 100 bytes of its owner's memory.
 * Progress. An owner carries out what others ask while it is in any call of this header, and other ranks of its host do
 * it themselves. A rank that computes for
 * long should call mpart_dict_progress every millisecond or so; else the others wait for it, but nothing else goes
 * wrong. A wait serves this dictionary only, so a program with several must not wait in one for what another rank
 * does in another: use one, with prefixes.
 * Calls are made by one thread. Calls that say collective are made by all ranks of the communicator, in the same order;
 * all others by any rank, as often as it likes.
 * scripts/examples/dict_count.c is a whole program. */
#ifndef MPART_DICT_H
#define MPART_DICT_H

#include <mpi.h>

#include "mpart/dict_value.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mpart_dict mpart_dict;

/* Opens an empty dictionary. Collective; memory_bytes (0: no limit) is what the keys and values of each rank may
 * take; what travels takes at most an eighth of it (64 MiB) more. *out is NULL on failure, with the same code on
 * every rank and what happened in message (cap bytes; NULL: not wanted). */
mpart_dict_code mpart_dict_open(MPI_Comm comm, int64_t memory_bytes, mpart_dict **out,
                                char *message, size_t cap);
/* Ends it: all operations are carried out, then all ranks leave. Collective; a rank that cannot go on calls it too, at
 * any point, with failed: it gives up, and the others, which may be waiting for it, are told by
 * MPART_DICT_PEER_FAILED. The same code on every rank: that of the first rank with an unreported failure. *d becomes
 * NULL, what it has given becomes invalid. After MPART_DICT_FAILED from a call before it this may wait for nobody, and
 * MPI_Abort should follow. */
mpart_dict_code mpart_dict_close(mpart_dict **d, int failed);
/* What the last call that did not return MPART_DICT_OK has to say; valid until the next call. */
const char *mpart_dict_message(const mpart_dict *d);

/* Updates without result. */
mpart_dict_code mpart_dict_put(mpart_dict *d, const void *key, size_t n, const mpart_dict_value *v);
mpart_dict_code mpart_dict_delete(mpart_dict *d, const void *key, size_t n);
/* A key that is not there counts as 0. An int is added to an int only; a float to both, and makes a float. */
mpart_dict_code mpart_dict_add_int(mpart_dict *d, const void *key, size_t n, int64_t delta);
mpart_dict_code mpart_dict_add_float(mpart_dict *d, const void *key, size_t n, double delta);
/* v: a number. A key that is not there gets it. */
mpart_dict_code mpart_dict_min(mpart_dict *d, const void *key, size_t n, const mpart_dict_value *v);
mpart_dict_code mpart_dict_max(mpart_dict *d, const void *key, size_t n, const mpart_dict_value *v);
mpart_dict_code mpart_dict_append(mpart_dict *d, const void *key, size_t n, const void *bytes,
                                  size_t n_bytes);
/* n_pairs puts, until one does not return MPART_DICT_OK. */
mpart_dict_code mpart_dict_put_many(mpart_dict *d, size_t n_pairs, const void *const *keys,
                                    const size_t *n_keys, const mpart_dict_value *values);

/* Operations with a result: each takes a message to the owner and back, unless this rank owns the key. */
mpart_dict_code mpart_dict_get(mpart_dict *d, const void *key, size_t n, mpart_dict_value *out);
mpart_dict_code mpart_dict_exists(mpart_dict *d, const void *key, size_t n, int *there);
/* Only where there is none; *stored: whether it was. */
mpart_dict_code mpart_dict_put_new(mpart_dict *d, const void *key, size_t n,
                                   const mpart_dict_value *v, int *stored);
/* delta: int or float; *out: the sum. */
mpart_dict_code mpart_dict_fetch_add(mpart_dict *d, const void *key, size_t n,
                                     const mpart_dict_value *delta, mpart_dict_value *out);
/* new_value where the value is expected (MPART_DICT_NONE: no key; as new_value: delete); *swapped: whether it was. */
mpart_dict_code mpart_dict_compare_and_swap(mpart_dict *d, const void *key, size_t n,
                                            const mpart_dict_value *expected,
                                            const mpart_dict_value *new_value, int *swapped);
/* n_keys reads at once, in few messages for each owner. values[n_keys] is filled where MPART_DICT_OK is returned: none
 * for keys that are not there. */
mpart_dict_code mpart_dict_get_many(mpart_dict *d, size_t n_keys, const void *const *keys,
                                    const size_t *n_bytes, mpart_dict_value *values);
/* Keys of all ranks; each rank is asked at a moment of its own, a message to each and back. */
mpart_dict_code mpart_dict_size(mpart_dict *d, int64_t *n_keys);
/* Deletes all keys, rank by rank. */
mpart_dict_code mpart_dict_clear(mpart_dict *d);

/* A read that is under way. take waits for it, gives its value (whose bytes are valid until the next take) and frees it (*f
 * becomes NULL); each must be taken before close. */
typedef struct mpart_dict_future mpart_dict_future;
mpart_dict_code mpart_dict_get_later(mpart_dict *d, const void *key, size_t n,
                                     mpart_dict_future **f);
mpart_dict_code mpart_dict_take(mpart_dict *d, mpart_dict_future **f, mpart_dict_value *out);

/* Sends what waits and serves the others; never waits. */
mpart_dict_code mpart_dict_progress(mpart_dict *d);
/* A quiet point: all that any rank did before is done when it returns, also where it reports an update of this rank
 * that failed. Collective. */
mpart_dict_code mpart_dict_quiet(mpart_dict *d);
/* Calls fn for each pair that this rank owns, in no order, until it returns 0. Between two calls of mpart_dict_quiet
 * by all ranks this is the state at the first one. fn must not call the dictionary. Hashes and sets have a type and
 * no value. */
typedef int (*mpart_dict_each_fn)(void *ctx, const void *key, size_t n, const mpart_dict_value *v);
mpart_dict_code mpart_dict_each(mpart_dict *d, mpart_dict_each_fn fn, void *ctx);

#ifdef __cplusplus
}
#endif

#endif
