/* h5_sources.c - other files that a dataset is made of: the library reads a missing one as fill values
 * and says nothing.
 * Invariant: a dataset that passes has all its sources, each with its dataset. */
#include <sys/stat.h>

#include "io/h5/h5_in.h"

enum { NAME_BYTES = 4096 };

static bool is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Where the library looks for it: beside the file, then in the working folder; NULL: nowhere. */
static const char *locate(mp_h5_in *in, const char *name) {
    const char *slash = strrchr(in->path, '/');
    if (name[0] == '/') return is_file(name) ? name : NULL;
    const char *beside =
        slash ? mp_h5_text(in, "%.*s/%s", (int)(slash - in->path), in->path, name) : name;
    if (beside && is_file(beside)) return beside;
    return is_file(name) ? name : NULL;
}

static mp_status missing(mp_h5_in *in, const char *path, const char *file, const char *object) {
    if (object)
        mp_error_set(in->err, MP_DATA, "a source is missing",
                     "%s is made of %s in '%s', which has no such dataset", path, object, file);
    else
        mp_error_set(in->err, MP_DATA, "a source is missing",
                     "%s is made of data in '%s', which is not there", path, file);
    mp_error_file(in->err, in->path);
    mp_error_hint(in->err, "sources are looked for beside the file, then in the working folder");
    return MP_DATA;
}

static bool has_dataset(const char *file, const char *object) {
    hid_t id = H5Fopen(file, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t dset = id >= 0 ? H5Dopen2(id, object, H5P_DEFAULT) : -1;
    if (dset >= 0) H5Dclose(dset);
    if (id >= 0) H5Fclose(id);
    return dset >= 0;
}

static mp_status check_virtual(mp_h5_in *in, const char *path, hid_t dcpl) {
    size_t n = 0;
    if (H5Pget_virtual_count(dcpl, &n) < 0)
        return mp_h5_broken(in, path, "the list of its sources cannot be read");
    char *name = mp_h5_take(in, NAME_BYTES, 1), *object = mp_h5_take(in, NAME_BYTES, 1);
    if (!name || !object) return MP_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (H5Pget_virtual_filename(dcpl, i, name, NAME_BYTES) < 0 ||
            H5Pget_virtual_dsetname(dcpl, i, object, NAME_BYTES) < 0)
            return mp_h5_broken(in, path, "the list of its sources cannot be read");
        if (strcmp(name, ".") == 0 || strchr(name, '%')) continue;
        const char *file = locate(in, name);
        if (!file) return missing(in, path, name, NULL);
        if (!strchr(object, '%') && !has_dataset(file, object))
            return missing(in, path, name, object);
    }
    return MP_OK;
}

static mp_status check_external(mp_h5_in *in, const char *path, hid_t dcpl, int n) {
    char *name = mp_h5_take(in, NAME_BYTES, 1);
    if (!name) return MP_NOMEM;
    for (int i = 0; i < n; i++) {
        off_t offset;
        hsize_t size;
        if (H5Pget_external(dcpl, (unsigned)i, NAME_BYTES - 1, name, &offset, &size) < 0)
            return mp_h5_broken(in, path, "the list of its external files cannot be read");
        /* a relative one is looked for in the working folder alone */
        if (!is_file(name)) return missing(in, path, name, NULL);
    }
    return MP_OK;
}

mp_status mp_h5_check_sources(mp_h5_in *in, const char *path, hid_t dset) {
    hid_t dcpl = H5Dget_create_plist(dset);
    if (dcpl < 0) return mp_h5_broken(in, path, "its properties cannot be read");
    H5D_layout_t layout = H5Pget_layout(dcpl);
    int n_external = layout == H5D_CONTIGUOUS ? H5Pget_external_count(dcpl) : 0;
    mp_status st = MP_OK;
    if (layout == H5D_VIRTUAL) st = check_virtual(in, path, dcpl);
    if (n_external > 0) st = check_external(in, path, dcpl, n_external);
    H5Pclose(dcpl);
    return st;
}
