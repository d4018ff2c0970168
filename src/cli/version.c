/* version.c - which mpart this is and what it was built with. */
#include "cli/about.h"

#include <hdf5.h>
#include <mpi.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <jansson.h>
#include <pcre2.h>
#include <xxhash.h>

#include "base/simd.h"
#include "mpart/mpart.h"
#include "version.h"

const char *mp_version(void) {
    return MP_VERSION;
}

const char *mpart_version(void) {
    return MP_VERSION;
}

static void line(mp_buf *out, const char *what, const char *text) {
    mp_buf_printf(out, "%-10s %s\n", what, text);
}

/* "Open MPI v4.1.4, package: ..." is one line of many details: the first is enough. */
static void mpi_line(mp_buf *out) {
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int len = 0;
    if (MPI_Get_library_version(text, &len) != MPI_SUCCESS) text[0] = 0;
    text[strcspn(text, ",\n")] = 0;
    line(out, "mpi", text[0] ? text : "unknown");
}

void mp_version_text(mp_buf *out) {
    char text[64] = "";
    unsigned a = 0, b = 0, c = 0;
    mp_buf_printf(out, "mpart %s (%s)\n", MP_VERSION, MP_COMMIT);
#if defined(__clang__)
    line(out, "compiler", __VERSION__);
#else
    line(out, "compiler", "gcc " __VERSION__);
#endif
    mpi_line(out);
    if (H5get_libversion(&a, &b, &c) >= 0) snprintf(text, sizeof text, "%u.%u.%u", a, b, c);
    line(out, "hdf5", text);
    line(out, "simd", mp_simd_name(mp_simd_level()));
    line(out, "zlib", zlibVersion());
    line(out, "zstd", ZSTD_versionString());
    snprintf(text, sizeof text, "%u.%u.%u", XXH_versionNumber() / 10000,
             XXH_versionNumber() / 100 % 100, XXH_versionNumber() % 100);
    line(out, "xxhash", text);
    if (pcre2_config(PCRE2_CONFIG_VERSION, text) < 0) text[0] = 0;
    line(out, "pcre2", text);
    line(out, "jansson", JANSSON_VERSION);
}
