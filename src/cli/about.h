/* about.h - which mpart this is and what it was built with.
 * The Makefile makes build/version.h, which has the version and the commit; only version.c reads it. */
#ifndef MP_CLI_ABOUT_H
#define MP_CLI_ABOUT_H

#include "base/buf.h"

const char *mp_version(void);
/* The lines of --version. Needs no MPI_Init. */
void mp_version_text(mp_buf *out);

#endif
