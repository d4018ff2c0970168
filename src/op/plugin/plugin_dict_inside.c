/* plugin_dict_inside.c - the dictionary for a plug-in in the rank's own process: the calls of mpart/dict.h. */
#include "mpart/dict.h"
#include "op/plugin/plugin_dict.h"

typedef const struct mpart_plugin_dict plugin_dict;

static mpart_dict_code put(plugin_dict *d, const void *key, size_t n, const mpart_dict_value *v) {
    return mpart_dict_put(d->ctx, key, n, v);
}

static mpart_dict_code take_away(plugin_dict *d, const void *key, size_t n) {
    return mpart_dict_delete(d->ctx, key, n);
}

static mpart_dict_code add(plugin_dict *d, const void *key, size_t n, const mpart_dict_value *v) {
    return v->type == MPART_DICT_FLOAT ? mpart_dict_add_float(d->ctx, key, n, v->f)
                                       : mpart_dict_add_int(d->ctx, key, n, v->i);
}

static mpart_dict_code least(plugin_dict *d, const void *key, size_t n, const mpart_dict_value *v) {
    return mpart_dict_min(d->ctx, key, n, v);
}

static mpart_dict_code most(plugin_dict *d, const void *key, size_t n, const mpart_dict_value *v) {
    return mpart_dict_max(d->ctx, key, n, v);
}

static mpart_dict_code append(plugin_dict *d, const void *key, size_t n, const void *bytes,
                              size_t n_bytes) {
    return mpart_dict_append(d->ctx, key, n, bytes, n_bytes);
}

static mpart_dict_code get(plugin_dict *d, const void *key, size_t n, mpart_dict_value *out) {
    return mpart_dict_get(d->ctx, key, n, out);
}

static mpart_dict_code exists(plugin_dict *d, const void *key, size_t n, int *there) {
    return mpart_dict_exists(d->ctx, key, n, there);
}

static mpart_dict_code put_new(plugin_dict *d, const void *key, size_t n, const mpart_dict_value *v,
                               int *stored) {
    return mpart_dict_put_new(d->ctx, key, n, v, stored);
}

static mpart_dict_code fetch_add(plugin_dict *d, const void *key, size_t n,
                                 const mpart_dict_value *delta, mpart_dict_value *out) {
    return mpart_dict_fetch_add(d->ctx, key, n, delta, out);
}

static mpart_dict_code swap(plugin_dict *d, const void *key, size_t n,
                            const mpart_dict_value *expected, const mpart_dict_value *new_value,
                            int *swapped) {
    return mpart_dict_compare_and_swap(d->ctx, key, n, expected, new_value, swapped);
}

static mpart_dict_code get_many(plugin_dict *d, size_t n_keys, const void *const *keys,
                                const size_t *n_bytes, mpart_dict_value *values) {
    return mpart_dict_get_many(d->ctx, n_keys, keys, n_bytes, values);
}

static mpart_dict_code count_keys(plugin_dict *d, int64_t *n_keys) {
    return mpart_dict_size(d->ctx, n_keys);
}

static mpart_dict_code clear(plugin_dict *d) {
    return mpart_dict_clear(d->ctx);
}

static mpart_dict_code progress(plugin_dict *d) {
    return mpart_dict_progress(d->ctx);
}

static const char *message(plugin_dict *d) {
    return mpart_dict_message(d->ctx);
}

void mp_plugin_dict_inside(struct mpart_dict *d, struct mpart_plugin_dict *out) {
    *out = (struct mpart_plugin_dict){.size = sizeof *out,
                                      .ctx = d,
                                      .put = put,
                                      .remove = take_away,
                                      .add = add,
                                      .min = least,
                                      .max = most,
                                      .append = append,
                                      .get = get,
                                      .exists = exists,
                                      .put_new = put_new,
                                      .fetch_add = fetch_add,
                                      .compare_and_swap = swap,
                                      .get_many = get_many,
                                      .n_keys = count_keys,
                                      .clear = clear,
                                      .progress = progress,
                                      .message = message};
}
