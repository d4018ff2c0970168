/* h5_element.c - how the values of an HDF5 type stand in bytes, as mpart's own readers take them.
 * Invariant: a type that is not described exactly is left to the library or called unreadable, never
 * guessed. */
#include <stdlib.h>

#include "io/h5/h5_in.h"

enum { MOST_NAMES = 1 << 16 };

static void unreadable(mp_h5_element *e, const char *why) {
    e->why = why;
    e->form.form = MP_H5_UNREADABLE;
    e->form.type = MP_STRING;
}

static bool swapped(hid_t type) {
    return H5Tget_order(type) == H5T_ORDER_BE;
}

/* Whole bytes, one order: nothing that only the library knows how to take apart. */
static bool is_plain(hid_t type) {
    H5T_order_t order = H5Tget_order(type);
    size_t n = H5Tget_size(type);
    return (order == H5T_ORDER_LE || order == H5T_ORDER_BE || n == 1) && H5Tget_offset(type) == 0 &&
           H5Tget_precision(type) == 8 * n;
}

static void whole(hid_t type, mp_h5_element *e) {
    size_t n = H5Tget_size(type);
    e->form.type = MP_INT64;
    e->form.size = (uint32_t)n;
    e->form.big_endian = swapped(type);
    e->form.form = H5Tget_class(type) == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_2 ? MP_H5_INT
                                                                                       : MP_H5_UINT;
    if (is_plain(type) && (n == 1 || n == 2 || n == 4 || n == 8)) return;
    if (n > 8) {
        unreadable(e, "an integer of more than 64 bits");
        return;
    }
    e->as = MP_H5_AS_INT;
    e->form.size = 8;
    e->form.big_endian = false;
    e->form.form = MP_H5_INT;
}

static bool is_half(hid_t type) {
    size_t sign, exponent, exponent_bits, mantissa, mantissa_bits;
    return H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits) >= 0 &&
           sign == 15 && exponent == 10 && exponent_bits == 5 && mantissa == 0 &&
           mantissa_bits == 10 && H5Tget_ebias(type) == 15;
}

static void floating(hid_t type, mp_h5_element *e) {
    size_t n = H5Tget_size(type);
    bool known = n == 2 && is_half(type);
    known = known || H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, H5T_IEEE_F32BE) > 0 ||
            H5Tequal(type, H5T_IEEE_F64LE) > 0 || H5Tequal(type, H5T_IEEE_F64BE) > 0;
    e->form.type = MP_FLOAT64;
    e->form.form = MP_H5_FLOAT;
    e->form.size = known && is_plain(type) ? (uint32_t)n : 8;
    e->form.big_endian = known && swapped(type);
    if (!known || !is_plain(type)) e->as = MP_H5_AS_DOUBLE;
}

static void text(mp_h5_in *in, hid_t type, mp_h5_element *e) {
    size_t n = H5Tget_size(type);
    e->form.type = MP_STRING;
    if (H5Tis_variable_str(type) > 0) {
        e->form.form = MP_H5_HEAP;
        e->form.size = 16;
        if (!in->wide) e->as = MP_H5_AS_STR;
        return;
    }
    e->form.form = MP_H5_TEXT;
    e->form.size = (uint32_t)n;
    e->form.pad = H5Tget_strpad(type) == H5T_STR_SPACEPAD ? MP_H5_PAD_SPACE : MP_H5_PAD_NUL;
    if (n > MP_H5_MAX_ELEMENT) unreadable(e, "texts of that size");
}

/* ---- enums ---- */

typedef struct {
    int64_t code;
    const char *name;
} enum_name;

static int by_code(const void *a, const void *b) {
    const enum_name *x = a, *y = b;
    return (x->code > y->code) - (x->code < y->code);
}

static int64_t code_of(const uint8_t *p, const mp_h5_column *c) {
    uint64_t v = 0;
    for (uint32_t i = 0; i < c->size; i++)
        v |= (uint64_t)p[c->big_endian ? c->size - 1 - i : i] << (8 * i);
    int shift = 64 - 8 * (int)c->size;
    return c->form == MP_H5_INT ? (int64_t)(v << shift) >> shift : (int64_t)v;
}

/* h5py's and NumPy's bool: FALSE 0, TRUE 1. */
static bool is_bool(const enum_name *m, int n) {
    return n == 2 && m[0].code == 0 && m[1].code == 1 && strcmp(m[0].name, "FALSE") == 0 &&
           strcmp(m[1].name, "TRUE") == 0;
}

static mp_status names_of(mp_h5_build *b, const enum_name *m, int n, mp_h5_element *e) {
    mp_h5_dict *d = mp_h5_list_add(b->in, &b->dicts);
    int64_t *codes = mp_h5_take(b->in, (size_t)n, sizeof *codes);
    mp_str *str = mp_h5_take(b->in, (size_t)n, sizeof *str);
    if (!d || !codes || !str) return MP_NOMEM;
    int k = 0;
    for (int i = 0; i < n; i++) {
        if (k > 0 && codes[k - 1] == m[i].code) continue; /* a second name for it */
        codes[k] = m[i].code;
        str[k++] = mp_str_c(m[i].name);
    }
    *d = (mp_h5_dict){.type = MP_STRING, .n = k, .codes = codes, .str = str};
    e->form.type = MP_STRING;
    e->form.dict = (int32_t)b->dicts.n - 1;
    return MP_OK;
}

static mp_status enumerated(mp_h5_build *b, hid_t type, mp_h5_element *e) {
    hid_t base = H5Tget_super(type);
    int n = H5Tget_nmembers(type);
    if (base < 0 || n < 0 || n > MOST_NAMES || H5Tget_class(base) != H5T_INTEGER)
        unreadable(e, "an enumeration of that kind");
    else
        whole(base, e);
    if (base >= 0) H5Tclose(base);
    if (e->why || e->as != MP_H5_AS_FILE) return MP_OK;
    enum_name *m = mp_h5_take(b->in, (size_t)n, sizeof *m);
    if (!m) return MP_NOMEM;
    for (int i = 0; i < n; i++) {
        uint8_t raw[8] = {0};
        char *name = H5Tget_member_name(type, (unsigned)i);
        bool ok = name && H5Tget_member_value(type, (unsigned)i, raw) >= 0;
        if (ok) m[i] = (enum_name){code_of(raw, &e->form), mp_h5_text(b->in, "%s", name)};
        H5free_memory(name);
        if (!ok) return mp_h5_broken(b->in, NULL, "an enumeration cannot be read");
        if (!m[i].name) return MP_NOMEM;
    }
    qsort(m, (size_t)n, sizeof *m, by_code);
    if (!is_bool(m, n)) return names_of(b, m, n, e);
    e->form.type = MP_BOOL;
    return MP_OK;
}

/* ---- the rest ---- */

/* NumPy's datetime64 as h5py writes it: opaque, "NUMPY:<M8[ns]>". */
static bool is_numpy_time(hid_t type, mp_h5_element *e) {
    static const struct {
        const char *unit;
        int64_t ns;
    } units[] = {
        {"[ns]", 1},          {"[us]", 1000},         {"[ms]", 1000000},      {"[s]", 1000000000},
        {"[m]", 60000000000}, {"[h]", 3600000000000}, {"[D]", 86400000000000}};
    char *tag = H5Tget_tag(type);
    const char *m8 = tag ? strstr(tag, "M8[") : NULL;
    int64_t ns = 0;
    for (size_t i = 0; m8 && i < sizeof units / sizeof *units; i++)
        if (strncmp(m8 + 2, units[i].unit, strlen(units[i].unit)) == 0) ns = units[i].ns;
    bool big = m8 && m8 > tag && m8[-1] == '>';
    H5free_memory(tag);
    if (!ns || H5Tget_size(type) != 8) return false;
    e->form.form = MP_H5_INT;
    e->form.size = 8;
    e->form.big_endian = big;
    e->form.type = ns == 86400000000000 ? MP_DATE : MP_TIMESTAMP;
    e->form.unit_ns = ns;
    e->form.has_null = true;
    e->form.null_int = INT64_MIN;
    return true;
}

mp_status mp_h5_element_of(mp_h5_build *b, hid_t type, mp_h5_element *e) {
    *e = (mp_h5_element){.form = {.dict = -1, .mask = -1, .array = -1}};
    size_t n = H5Tget_size(type);
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        whole(type, e);
        return MP_OK;
    case H5T_FLOAT:
        floating(type, e);
        return MP_OK;
    case H5T_STRING:
        text(b->in, type, e);
        return MP_OK;
    case H5T_ENUM:
        return enumerated(b, type, e);
    case H5T_BITFIELD: /* of one byte: the bool of PyTables */
        whole(type, e);
        if (n == 1 && !e->why && e->as == MP_H5_AS_FILE) e->form.type = MP_BOOL;
        return MP_OK;
    case H5T_TIME: /* PyTables: int32 seconds, or seconds and microseconds */
        e->form.big_endian = swapped(type);
        e->form.size = (uint32_t)n;
        e->form.form = n == 8 ? MP_H5_TIMEVAL : MP_H5_INT;
        e->form.type = n == 8 ? MP_FLOAT64 : MP_INT64;
        if (n != 8 && n != 4) unreadable(e, "a time of that size");
        return MP_OK;
    case H5T_OPAQUE:
        if (!is_numpy_time(type, e)) unreadable(e, "opaque bytes");
        return MP_OK;
    case H5T_REFERENCE:
        unreadable(e, "references to other objects");
        return MP_OK;
    case H5T_VLEN:
        unreadable(e, "lists of various lengths");
        return MP_OK;
    default:
        unreadable(e, "values of a type that is no table's");
        return MP_OK;
    }
}

/* ---- sizes ---- */

static int64_t members_growth(hid_t type) {
    int64_t more = 0;
    int n = H5Tget_nmembers(type);
    for (int i = 0; i < n; i++) {
        hid_t member = H5Tget_member_type(type, (unsigned)i);
        if (member < 0) continue;
        more += mp_h5_file_bytes(member) - (int64_t)H5Tget_size(member);
        H5Tclose(member);
    }
    return more;
}

int64_t mp_h5_file_bytes(hid_t type) {
    int64_t size = (int64_t)H5Tget_size(type);
    H5T_class_t cls = H5Tget_class(type);
    if (cls == H5T_STRING) return H5Tis_variable_str(type) > 0 ? 16 : size;
    if (cls == H5T_COMPOUND) return size + members_growth(type);
    hid_t base = cls == H5T_ARRAY ? H5Tget_super(type) : -1;
    if (base < 0) return size;
    int64_t one = (int64_t)H5Tget_size(base);
    if (one > 0) size = size / one * mp_h5_file_bytes(base);
    H5Tclose(base);
    return size;
}

bool mp_h5_has_vlen(hid_t type) {
    return H5Tdetect_class(type, H5T_VLEN) > 0 ||
           mp_h5_file_bytes(type) != (int64_t)H5Tget_size(type);
}

hid_t mp_h5_field_type(hid_t record, const char *field) {
    hid_t at = H5Tcopy(record);
    while (field && at >= 0 && H5Tget_class(at) == H5T_COMPOUND) {
        size_t n = strcspn(field, ".");
        char name[1024] = "";
        memcpy(name, field, n < sizeof name ? n : 0);
        int whole = H5Tget_member_index(at, field);
        int i = whole >= 0 ? whole : H5Tget_member_index(at, name);
        hid_t next = i >= 0 ? H5Tget_member_type(at, (unsigned)i) : -1;
        H5Tclose(at);
        at = next;
        field = whole < 0 && field[n] ? field + n + 1 : NULL;
    }
    return at;
}
