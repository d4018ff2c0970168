/* plugin_dict.h - the shared dictionary as a plug-in sees it (struct mpart_plugin_dict).
 * Invariant: operations of a plug-in on one key are carried out in the order of its calls. In a process of its own they
 * go to the rank's socket (run/resp), updates in batches; in the rank's process they are those of mpart/dict.h. */
#ifndef MP_OP_PLUGIN_DICT_H
#define MP_OP_PLUGIN_DICT_H

#include "base/error.h"
#include "mpart/dict_value.h"
#include "mpart/plugin.h"

/* Through a socket. Connects at the first use. NULL: no memory. path stays the caller's. */
const struct mpart_plugin_dict *mp_plugin_dict_new(const char *path);

/* In this process. out stays as long as it is used. */
struct mpart_dict;
void mp_plugin_dict_inside(struct mpart_dict *d, struct mpart_plugin_dict *out);

/* Waits until all that was asked is done. MP_FAILED: what could not be done. */
MP_MUST_CHECK mp_status mp_plugin_dict_settle(const struct mpart_plugin_dict *d, mp_error *err);
/* Waits likewise for what a shard that is over left behind; its failures are forgotten: the next one begins afresh. */
void mp_plugin_dict_drain(const struct mpart_plugin_dict *d);

#endif
