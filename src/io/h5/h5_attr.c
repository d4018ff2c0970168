/* h5_attr.c - attributes as texts, lists of texts and numbers.
 * Invariant: an attribute of another kind or size than asked for is no attribute. */
#include "io/h5/h5_in.h"

enum { MOST_BYTES = 64 << 20 };

bool mp_h5_has_attr(hid_t object, const char *name) {
    return H5Aexists(object, name) > 0;
}

/* The attribute's texts, copied; n -1: it has none. */
static const char **read_texts(mp_h5_in *in, hid_t attr, int64_t *n) {
    hid_t type = H5Aget_type(attr), space = H5Aget_space(attr);
    hssize_t count = H5Sget_simple_extent_npoints(space);
    const char **out = NULL;
    size_t size = type >= 0 ? H5Tget_size(type) : 0;
    bool text = type >= 0 && H5Tget_class(type) == H5T_STRING;
    bool vlen = text && H5Tis_variable_str(type) > 0;
    *n = -1;
    if (text && count > 0 && size > 0 && (uint64_t)count <= MOST_BYTES / size) {
        size_t bytes = (size_t)count * size;
        char *raw = mp_h5_take(in, bytes + 1, 1);
        out = mp_h5_take(in, (size_t)count, sizeof *out);
        bool ok = raw && out && H5Aread(attr, type, raw) >= 0;
        for (hssize_t i = 0; ok && i < count; i++) {
            char *p = raw + (size_t)i * size;
            if (vlen) memcpy(&p, raw + (size_t)i * size, sizeof p);
            size_t len = p ? (vlen ? strlen(p) : strnlen(p, size)) : 0;
            out[i] = mp_h5_text(in, "%.*s", (int)(len < MOST_BYTES ? len : 0), p ? p : "");
            ok = out[i] != NULL;
        }
        if (ok) *n = count;
        if (vlen && raw && out) H5Dvlen_reclaim(type, space, H5P_DEFAULT, raw);
    } else if (text && count == 0) {
        *n = 0;
        out = mp_h5_take(in, 1, sizeof *out);
    }
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return *n >= 0 ? out : NULL;
}

const char **mp_h5_attr_texts(mp_h5_in *in, hid_t object, const char *name, int64_t *n) {
    *n = -1;
    if (!mp_h5_has_attr(object, name)) return NULL;
    hid_t attr = H5Aopen(object, name, H5P_DEFAULT);
    if (attr < 0) return NULL;
    const char **texts = read_texts(in, attr, n);
    H5Aclose(attr);
    return texts;
}

const char *mp_h5_attr_text(mp_h5_in *in, hid_t object, const char *name) {
    int64_t n;
    const char **texts = mp_h5_attr_texts(in, object, name, &n);
    return n > 0 ? texts[0] : NULL;
}

const uint8_t *mp_h5_attr_bytes(mp_h5_in *in, hid_t object, const char *name, size_t *n) {
    uint8_t *out = NULL;
    *n = 0;
    if (!mp_h5_has_attr(object, name)) return NULL;
    hid_t attr = H5Aopen(object, name, H5P_DEFAULT);
    if (attr < 0) return NULL;
    hid_t type = H5Aget_type(attr), space = H5Aget_space(attr);
    size_t size = type >= 0 ? H5Tget_size(type) : 0;
    bool one = space >= 0 && H5Sget_simple_extent_npoints(space) == 1;
    if (one && size > 0 && size < MOST_BYTES && H5Tget_class(type) == H5T_STRING &&
        H5Tis_variable_str(type) == 0) {
        out = mp_h5_take(in, size + 1, 1);
        if (out && H5Aread(attr, type, out) < 0) out = NULL;
        if (out) *n = size;
    }
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    H5Aclose(attr);
    return out;
}

bool mp_h5_attr_number(hid_t object, const char *name, int64_t *i, double *f, bool *is_float) {
    if (!mp_h5_has_attr(object, name)) return false;
    hid_t attr = H5Aopen(object, name, H5P_DEFAULT);
    if (attr < 0) return false;
    hid_t type = H5Aget_type(attr), space = H5Aget_space(attr);
    H5T_class_t cls = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    bool one = space >= 0 && H5Sget_simple_extent_npoints(space) == 1;
    bool ok = one && (cls == H5T_INTEGER || cls == H5T_FLOAT);
    long long whole = 0;
    *is_float = cls == H5T_FLOAT;
    if (ok) ok = H5Aread(attr, H5T_NATIVE_DOUBLE, f) >= 0;
    if (ok && !*is_float) ok = H5Aread(attr, H5T_NATIVE_LLONG, &whole) >= 0;
    *i = whole;
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    H5Aclose(attr);
    return ok;
}
