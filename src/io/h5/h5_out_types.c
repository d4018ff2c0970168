/* h5_out_types.c - HDF5 types of columns, attributes, and the library's errors as messages.
 * Invariant: types are those of the file, little-endian, whatever the machine is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/h5/h5_out_priv.h"

/* ---- errors ---- */

typedef struct {
    int errnum;
    char text[256];
} complaint;

/* The innermost message that there is says what happened; "errno = 28" in one of them says it best. */
static herr_t look(unsigned n, const H5E_error2_t *e, void *ctx) {
    complaint *c = ctx;
    const char *at = e->desc ? strstr(e->desc, "errno = ") : NULL;
    (void)n;
    if (!c->text[0] && e->desc) snprintf(c->text, sizeof c->text, "%s", e->desc);
    if (at && !c->errnum) c->errnum = (int)strtol(at + 8, NULL, 10);
    return 0;
}

mp_status mp_h5_failed(const char *what, const char *name, mp_error *err) {
    complaint c = {0};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, look, &c);
    H5Eclear2(H5E_DEFAULT);
    if (c.errnum) return mp_error_errno(err, c.errnum, what, name);
    mp_error_set(err, MP_IO, what, "HDF5 says: %s", c.text[0] ? c.text : "no reason");
    mp_error_file(err, name);
    return MP_IO;
}

/* ---- types ---- */

hid_t mp_h5_string_type(size_t bytes) {
    hid_t t = H5Tcopy(H5T_C_S1);
    if (t >= 0 && H5Tset_size(t, bytes ? bytes : H5T_VARIABLE) >= 0 &&
        H5Tset_cset(t, H5T_CSET_UTF8) >= 0 &&
        (bytes == 0 || H5Tset_strpad(t, H5T_STR_NULLPAD) >= 0))
        return t;
    if (t >= 0) H5Tclose(t);
    return -1;
}

/* What h5py and PyTables take for a bool. */
static hid_t bool_type(void) {
    const int8_t no = 0, yes = 1;
    hid_t t = H5Tenum_create(H5T_STD_I8LE);
    if (t >= 0 && H5Tenum_insert(t, "FALSE", &no) >= 0 && H5Tenum_insert(t, "TRUE", &yes) >= 0)
        return t;
    if (t >= 0) H5Tclose(t);
    return -1;
}

static hid_t int_type(int bytes) {
    switch (bytes) {
    case 1:
        return H5T_STD_I8LE;
    case -1:
        return H5T_STD_U8LE;
    case 2:
        return H5T_STD_I16LE;
    case -2:
        return H5T_STD_U16LE;
    case 4:
        return H5T_STD_I32LE;
    case -4:
        return H5T_STD_U32LE;
    case -8:
        return H5T_STD_U64LE;
    default:
        return H5T_STD_I64LE;
    }
}

static hid_t column_type(const mp_h5_plan *p, int c) {
    switch (p->rows.types[c]) {
    case MP_BOOL:
        return bool_type();
    case MP_FLOAT64:
        return H5Tcopy(p->rows.bytes[c] == 4 ? H5T_IEEE_F32LE : H5T_IEEE_F64LE);
    case MP_STRING:
        return mp_h5_string_type(p->widths[c]);
    default:
        return H5Tcopy(int_type(p->rows.bytes[c]));
    }
}

static hid_t table_type(const mp_h5_plan *p, size_t bytes) {
    hid_t t = H5Tcreate(H5T_COMPOUND, bytes);
    for (int c = 0; t >= 0 && c < p->rows.n_cols; c++) {
        hid_t member = column_type(p, c);
        bool ok = member >= 0 && H5Tinsert(t, p->names[c], p->at[c], member) >= 0;
        if (member >= 0) H5Tclose(member);
        if (ok) continue;
        H5Tclose(t);
        t = -1;
    }
    return t;
}

hid_t mp_h5_set_type(const mp_h5_plan *p, const mp_h5_set *s) {
    switch (s->kind) {
    case MP_H5_SET_TABLE:
        return table_type(p, s->element_bytes);
    case MP_H5_SET_VALUES:
        return column_type(p, s->c);
    case MP_H5_SET_NULLS:
        return H5Tcopy(H5T_STD_U8LE);
    case MP_H5_SET_MASK:
        return bool_type();
    default:
        return H5Tcopy(H5T_STD_I64LE);
    }
}

/* ---- attributes ---- */

static bool put_attribute(hid_t object, const char *name, hid_t space, const void *values) {
    hid_t type = mp_h5_string_type(0);
    hid_t a = type < 0 || space < 0
                  ? -1
                  : H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool ok = a >= 0 && H5Awrite(a, type, values) >= 0;
    if (a >= 0 && H5Aclose(a) < 0) ok = false;
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    return ok;
}

bool mp_h5_put_text(hid_t object, const char *name, const char *text) {
    return put_attribute(object, name, H5Screate(H5S_SCALAR), &text);
}

bool mp_h5_put_texts(hid_t object, const char *name, const char *const *texts, int n) {
    hsize_t dims[1] = {(hsize_t)n};
    return put_attribute(object, name, H5Screate_simple(1, dims, NULL), texts);
}

bool mp_h5_put_units(hid_t object, const mp_h5_plan *p, int c, bool table) {
    char units[48] = "units", calendar[48] = "calendar";
    mp_type t = p->rows.types[c];
    if (t != MP_DATE && t != MP_TIMESTAMP) return true;
    if (table) {
        /* where PyTables keeps the attributes of a column */
        snprintf(units, sizeof units, "FIELD_%d_ATTR_units", c);
        snprintf(calendar, sizeof calendar, "FIELD_%d_ATTR_calendar", c);
    }
    return mp_h5_put_text(object, units,
                          t == MP_DATE ? "days since 1970-01-01"
                                       : "microseconds since 1970-01-01 00:00:00") &&
           mp_h5_put_text(object, calendar, "proleptic_gregorian");
}
