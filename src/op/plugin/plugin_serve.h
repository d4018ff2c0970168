/* plugin_serve.h - the process of a plug-in: the program started once more, with MP_PLUGIN_WORKER_ARG as its first
 * argument. It knows nothing of MPI. */
#ifndef MP_OP_PLUGIN_SERVE_H
#define MP_OP_PLUGIN_SERVE_H

#include <stdbool.h>

/* Was the process started to be a worker? To be asked before anything else. */
bool mp_plugin_is_worker(int argc, char **argv);
/* Serves shards until the rank closes the line, which is standard input. The exit code. */
int mp_plugin_serve(int argc, char **argv);

#endif
