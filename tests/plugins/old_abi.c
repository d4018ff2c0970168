/* old_abi.c - a plug-in of another version of the ABI. */
#include "mpart/plugin.h"

static int open_shard(struct mpart_open *o, void **self, char *error) {
    (void)o, (void)self, (void)error;
    return 0;
}

static int process(void *self, struct ArrowArray *batch, const struct mpart_sink *sink,
                   char *error) {
    (void)self, (void)error;
    return sink->emit(sink, batch);
}

static const struct mpart_plugin table = {
    sizeof table, MPART_PLUGIN_ABI + 41, "old", open_shard, process, NULL, NULL};

const struct mpart_plugin *mpart_plugin_entry(uint32_t abi) {
    (void)abi;
    return &table;
}
