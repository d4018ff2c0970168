/* h5_options.c - see h5_options.h. */
#include "cli/h5_options.h"

#include <string.h>

#include "io/h5/h5_out.h"
#include "io/output/output.h"

static mp_status check_other(const mp_output_spec *o, mp_error *err) {
    const char *name = o->h5_layout >= 0     ? "h5-layout"
                       : o->h5_path          ? "h5-path"
                       : o->h5_compress >= 0 ? "h5-compress"
                       : o->h5_level >= 0    ? "h5-level"
                       : o->h5_collective    ? "h5-collective"
                                             : NULL;
    if (!name) return MP_OK;
    mp_error_set(err, MP_USAGE, NULL, "option '--%s': the output is not HDF5", name);
    mp_error_hint(err, "-o FILE.h5, or --format h5");
    return MP_USAGE;
}

mp_status mp_check_h5_output(const mp_output_spec *o, mp_error *err) {
    if (o->format != MP_FORMAT_H5) return check_other(o, err);
    if (!o->path || strcmp(o->path, "-") == 0) {
        mp_error_set(err, MP_USAGE, NULL, "HDF5 cannot be written to standard output");
        mp_error_hint(err, "name a file: -o x.h5");
        return MP_USAGE;
    }
    if (mp_text_packing_of(o->path))
        return mp_error_set(err, MP_USAGE, NULL,
                            "output '%s': HDF5 is packed inside, not as a whole", o->path);
    const char *flaw = o->h5_path ? mp_h5_path_flaw(o->h5_path) : NULL;
    if (flaw)
        return mp_error_set(err, MP_USAGE, NULL, "option '--h5-path': '%s': %s", o->h5_path, flaw);
    if (o->h5_level > 9)
        return mp_error_set(err, MP_USAGE, NULL, "option '--h5-level': deflate has levels 1 to 9");
    if (o->h5_level >= 0 && o->h5_compress > MP_H5_PACK_DEFLATE)
        return mp_error_set(err, MP_USAGE, NULL, "option '--h5-level' is for deflate alone");
    if (o->h5_collective && o->h5_compress == MP_H5_PACK_LZF) {
        mp_error_set(err, MP_USAGE, NULL, "--h5-collective writes through HDF5, which has no LZF");
        mp_error_hint(err, "--h5-compress deflate or none");
        return MP_USAGE;
    }
    return MP_OK;
}
