/* crash_on_load.c - a plug-in that crashes before its first function is called. */
#include <signal.h>

#include "mpart/plugin.h"

__attribute__((constructor)) static void crash(void) {
    raise(SIGSEGV);
}

const struct mpart_plugin *mpart_plugin_entry(uint32_t abi) {
    (void)abi;
    return NULL;
}
