/* traced.c - hands its rows on as they are, takes --arg ms=N for a shard, and adds the shard's number to --arg ran=FILE. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mpart/plugin_build.h"

typedef struct {
    const char *ran;
    long ms;
    int64_t shard;
} traced;

static int open_shard(struct mpart_open *o, void **self, char *error) {
    traced *t = calloc(1, sizeof *t);
    (void)error;
    if (!t) return -1;
    t->ran = mpart_find_arg(o, "ran", "/dev/null");
    t->ms = strtol(mpart_find_arg(o, "ms", "0"), NULL, 10);
    t->shard = o->shard;
    o->output = *o->input;
    o->input->release = NULL;
    *self = t;
    return 0;
}

static int process(void *self, struct ArrowArray *batch, const struct mpart_sink *sink,
                   char *error) {
    (void)self, (void)error;
    return sink->emit(sink, batch);
}

static int finish(void *self, const struct mpart_sink *sink, char *error) {
    const traced *t = self;
    char line[32];
    int n = snprintf(line, sizeof line, "%lld\n", (long long)t->shard);
    int fd = open(t->ran, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    (void)sink;
    if (fd < 0 || write(fd, line, (size_t)n) != n) {
        snprintf(error, MPART_ERROR_MAX, "cannot write '%s'", t->ran);
        return -1;
    }
    close(fd);
    usleep((useconds_t)t->ms * 1000);
    return 0;
}

static const struct mpart_plugin table = {sizeof table, MPART_PLUGIN_ABI, "traced", open_shard,
                                          process,      finish,           free};

const struct mpart_plugin *mpart_plugin_entry(uint32_t abi) {
    (void)abi;
    return &table;
}
