/* h5_meaning.c - what the attributes beside data say of their values: units of time, values that stand
 * for null, packed floats; and lists of values that codes stand for.
 * Conventions: CF (netCDF) units, _FillValue, missing_value, scale_factor, add_offset; MATLAB_class.
 * Invariant: an attribute that is not understood changes nothing. */
#include <math.h>

#include "data/date.h"
#include "io/h5/h5_in.h"

enum { MOST_VALUES = 1 << 22 };
static const int64_t DAY_NS = 86400000000000;

/* ---- units ---- */

static bool unit_of(const char *text, size_t n, int64_t *ns) {
    static const struct {
        const char *names;
        int64_t ns;
    } units[] = {{"nanosecond nanoseconds ns ", 1},
                 {"microsecond microseconds us ", 1000},
                 {"millisecond milliseconds ms msec msecs ", 1000000},
                 {"second seconds sec secs s ", 1000000000},
                 {"minute minutes min mins ", 60000000000},
                 {"hour hours hr hrs h ", 3600000000000},
                 {"day days d ", 86400000000000}};
    char word[16] = {0};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        for (const char *p = units[i].names; *p; p += strcspn(p, " ") + 1) {
            size_t len = strcspn(p, " ");
            memcpy(word, p, len);
            word[len] = 0;
            if (!mp_str_eq_nocase(mp_str_of(text, n), word)) continue;
            *ns = units[i].ns;
            return true;
        }
    return false;
}

/* 2000-1-1, 1970-01-01 00:00:00, 1970-01-01T00:00:00Z, 1970-01-01 00:00:00 +00:00 */
static bool origin_of(const char *text, int64_t *us) {
    int y, mo, d, h = 0, mi = 0;
    double s = 0;
    char sep = ' ';
    int n = sscanf(text, "%d-%d-%d%c%d:%d:%lf", &y, &mo, &d, &sep, &h, &mi, &s);
    if (n < 3 || y < 1 || y > 9999 || mo < 1 || mo > 12 || d < 1 || d > 31) return false;
    if (n > 3 && sep != ' ' && sep != 'T') return false;
    if (h < 0 || h > 24 || mi < 0 || mi > 59 || !(s >= 0 && s < 61)) return false;
    const char *sign = strpbrk(text + 4, "+");
    if (sign && strspn(sign, "+0:") != strlen(sign)) return false; /* another zone */
    int64_t days = mp_days_from_civil(y, mo, d);
    *us = days * 86400000000 + h * 3600000000LL + mi * 60000000LL + llround(s * 1e6);
    return true;
}

bool mp_h5_parse_units(const char *text, int64_t *unit_ns, int64_t *origin_us) {
    const char *since = strstr(text, " since ");
    if (!since || since == text) return false;
    size_t n = (size_t)(since - text);
    for (since += 7; *since == ' '; since++)
        ;
    return unit_of(text, n, unit_ns) && origin_of(since, origin_us);
}

static bool calendar_is_ours(const char *c) {
    return !c || mp_str_eq_nocase(mp_str_c(c), "standard") ||
           mp_str_eq_nocase(mp_str_c(c), "gregorian") ||
           mp_str_eq_nocase(mp_str_c(c), "proleptic_gregorian");
}

static void apply_units(mp_h5_column *c, int64_t unit_ns, int64_t origin_us) {
    bool whole = c->form == MP_H5_INT || c->form == MP_H5_UINT;
    bool midnight = origin_us % (DAY_NS / 1000) == 0;
    c->type = whole && unit_ns == DAY_NS && midnight ? MP_DATE : MP_TIMESTAMP;
    c->unit_ns = unit_ns;
    c->origin = c->type == MP_DATE ? origin_us / (DAY_NS / 1000) : origin_us;
    if (whole && c->size == 8 && !c->has_null) { /* NaT */
        c->has_null = true;
        c->null_int = INT64_MIN;
    }
}

/* ---- attributes of a dataset, to its columns ---- */

typedef struct {
    bool has_fill, scaled, timed, logical;
    int64_t fill_int;
    double fill, factor, offset;
    int64_t unit_ns, origin_us;
} meaning;

/* An attribute of the dataset, or of field number field of its records (PyTables' form). */
static const char *text_of(mp_h5_in *in, hid_t dset, int field, const char *name) {
    char own[64];
    if (field < 0) return mp_h5_attr_text(in, dset, name);
    snprintf(own, sizeof own, "FIELD_%d_ATTR_%s", field, name);
    return mp_h5_attr_text(in, dset, own);
}

static bool is_timed(mp_h5_in *in, hid_t dset, int field, meaning *m) {
    const char *units = text_of(in, dset, field, "units");
    return units && calendar_is_ours(text_of(in, dset, field, "calendar")) &&
           mp_h5_parse_units(units, &m->unit_ns, &m->origin_us);
}

static meaning meaning_of(mp_h5_in *in, hid_t dset) {
    meaning m = {.factor = 1};
    int64_t i;
    bool is_float;
    m.has_fill = mp_h5_attr_number(dset, "_FillValue", &m.fill_int, &m.fill, &is_float) ||
                 mp_h5_attr_number(dset, "missing_value", &m.fill_int, &m.fill, &is_float);
    bool factor = mp_h5_attr_number(dset, "scale_factor", &i, &m.factor, &is_float);
    m.scaled = mp_h5_attr_number(dset, "add_offset", &i, &m.offset, &is_float) || factor;
    const char *matlab = mp_h5_attr_text(in, dset, "MATLAB_class");
    m.timed = is_timed(in, dset, -1, &m);
    m.logical = matlab && strcmp(matlab, "logical") == 0;
    return m;
}

void mp_h5_apply_field_units(mp_h5_build *b, hid_t dset, size_t column, int field) {
    meaning m = {0};
    mp_h5_column *c = mp_h5_column_at(b, column);
    bool number = (c->type == MP_INT64 || c->type == MP_FLOAT64) && c->dict < 0;
    if (c->form != MP_H5_UNREADABLE && number && is_timed(b->in, dset, field, &m))
        apply_units(c, m.unit_ns, m.origin_us);
}

void mp_h5_apply_attrs(mp_h5_build *b, hid_t dset, size_t from) {
    if (from == b->columns.n) return;
    meaning m = meaning_of(b->in, dset);
    for (size_t i = from; i < b->columns.n; i++) {
        mp_h5_column *c = mp_h5_column_at(b, i);
        bool number = c->type == MP_INT64 || c->type == MP_FLOAT64;
        if (c->form == MP_H5_UNREADABLE || c->dict >= 0 || !number) continue;
        if (m.logical && c->type == MP_INT64) {
            c->type = MP_BOOL;
            continue;
        }
        if (m.has_fill) {
            c->has_null = true;
            c->null_int = m.fill_int;
            c->null_float = m.fill;
        }
        if (m.timed) apply_units(c, m.unit_ns, m.origin_us);
        if (!m.scaled || m.timed) continue;
        c->scaled = true;
        c->factor = m.factor;
        c->offset = m.offset;
        c->type = MP_FLOAT64;
    }
}

/* ---- lists of values ---- */

static bool copy_texts(mp_h5_build *b, hid_t type, hid_t space, const char *raw, int64_t n,
                       mp_h5_dict *out) {
    mp_str *str = mp_h5_take(b->in, (size_t)n, sizeof *str);
    size_t size = H5Tget_size(type);
    bool vlen = H5Tis_variable_str(type) > 0;
    for (int64_t i = 0; str && i < n; i++) {
        const char *p = raw + (size_t)i * size;
        if (vlen) memcpy(&p, raw + (size_t)i * size, sizeof p);
        size_t len = !p ? 0 : vlen ? strlen(p) : strnlen(p, size);
        char *copy = mp_h5_take(b->in, len, 1);
        if (!copy) return false;
        if (len) memcpy(copy, p, len);
        str[i] = mp_str_of(copy, len);
    }
    out->str = str;
    if (vlen) H5Dvlen_reclaim(type, space, H5P_DEFAULT, (void *)(uintptr_t)raw);
    return str != NULL;
}

/* The type to read values of this type as; -1: none. *type: what they are then. */
static hid_t value_type(hid_t own, mp_type *type) {
    *type = MP_STRING;
    H5T_class_t cls = H5Tget_class(own);
    if (cls == H5T_STRING) return H5Tcopy(own);
    *type = cls == H5T_FLOAT ? MP_FLOAT64 : cls == H5T_INTEGER ? MP_INT64 : MP_BOOL;
    if (cls == H5T_FLOAT) return H5Tcopy(H5T_NATIVE_DOUBLE);
    return cls == H5T_INTEGER ? H5Tcopy(H5T_NATIVE_INT64) : -1;
}

/* Of records: the field values (pandas' lists of categories). */
static hid_t record_type(hid_t own, mp_type *type) {
    int at = H5Tget_member_index(own, "values");
    if (at < 0) at = H5Tget_member_index(own, "values_block_0");
    hid_t member = at >= 0 ? H5Tget_member_type(own, (unsigned)at) : -1;
    if (member >= 0 && H5Tget_class(member) == H5T_ARRAY) {
        hid_t base = H5Tget_super(member);
        bool one = H5Tget_size(base) == H5Tget_size(member);
        H5Tclose(member);
        member = one ? base : -1;
    }
    hid_t value = member >= 0 ? value_type(member, type) : -1;
    char *name = at >= 0 ? H5Tget_member_name(own, (unsigned)at) : NULL;
    hid_t record = -1;
    if (value >= 0 && name) {
        record = H5Tcreate(H5T_COMPOUND, H5Tget_size(value));
        hid_t field = H5Tget_member_type(own, (unsigned)at);
        hsize_t one = 1;
        hid_t as =
            H5Tget_class(field) == H5T_ARRAY ? H5Tarray_create2(value, 1, &one) : H5Tcopy(value);
        if (record >= 0 && H5Tinsert(record, name, 0, as) < 0) {
            H5Tclose(record);
            record = -1;
        }
        H5Tclose(as);
        H5Tclose(field);
    }
    H5free_memory(name);
    if (value >= 0) H5Tclose(value);
    if (member >= 0) H5Tclose(member);
    return record;
}

static mp_status read_values(mp_h5_build *b, const char *path, hid_t dset, hid_t space,
                             mp_h5_dict *out) {
    hid_t own = H5Dget_type(dset);
    bool records = own >= 0 && H5Tget_class(own) == H5T_COMPOUND;
    hid_t type = own < 0   ? -1
                 : records ? record_type(own, &out->type)
                           : value_type(own, &out->type);
    hssize_t n = H5Sget_simple_extent_npoints(space);
    size_t size = type >= 0 ? H5Tget_size(type) : 0;
    mp_status st = MP_OK;
    char *raw = NULL;
    if (size == 0 || n < 0 || n > MOST_VALUES || size > MP_H5_MAX_ELEMENT / 16 ||
        (uint64_t)n * size > MP_H5_MAX_ELEMENT)
        st = mp_h5_broken(b->in, path, "it is no list of values that codes can stand for");
    if (!st && !(raw = mp_h5_take(b->in, (size_t)n * size + 1, 1))) st = MP_NOMEM;
    if (!st && n > 0 && H5Dread(dset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, raw) < 0)
        st = mp_h5_broken(b->in, path, "its values cannot be read");
    out->n = st ? 0 : n;
    out->i64 = (const int64_t *)(const void *)raw;
    if (!st && out->type == MP_STRING) {
        hid_t text = records ? H5Tget_member_type(type, 0) : H5Tcopy(type);
        if (H5Tget_class(text) == H5T_ARRAY) {
            hid_t base = H5Tget_super(text);
            H5Tclose(text);
            text = base;
        }
        if (!copy_texts(b, text, space, raw, n, out)) st = MP_NOMEM;
        H5Tclose(text);
    }
    if (type >= 0) H5Tclose(type);
    if (own >= 0) H5Tclose(own);
    return st;
}

mp_status mp_h5_read_dict(mp_h5_build *b, const char *path, mp_h5_dict *out) {
    *out = (mp_h5_dict){0};
    hid_t dset = H5Dopen2(b->in->file, path, H5P_DEFAULT);
    if (dset < 0) return mp_h5_broken(b->in, path, "the values of its codes cannot be opened");
    hid_t space = H5Dget_space(dset);
    mp_status st = space < 0 ? mp_h5_broken(b->in, path, "its shape cannot be read")
                             : read_values(b, path, dset, space, out);
    if (space >= 0) H5Sclose(space);
    H5Dclose(dset);
    return st;
}
