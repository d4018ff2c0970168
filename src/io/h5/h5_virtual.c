/* h5_virtual.c - see h5_virtual.h. The library maps by the names of members and converts texts of
 * other widths while it reads. */
#include "io/h5/h5_virtual.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "io/h5/h5_out_priv.h"

typedef struct {
    const char *target, *object;
    const mp_h5_part *parts;
    int n;
    int64_t n_rows;
    char folder[PATH_MAX]; /* of the file, without links */
    hid_t file;
    hid_t type;  /* of the table */
    bool *nulls; /* by member: some part marks nulls of it */
    int n_members;
    mp_arena arena;
    mp_error *err;
} virtual_file;

static mp_status failed(const virtual_file *v, const char *name) {
    return mp_h5_failed("cannot make a virtual table", name, v->err);
}

static mp_status no_memory(const virtual_file *v, size_t n) {
    return mp_mem_error(NULL, n, v->err);
}

static mp_status differs(const virtual_file *v, const mp_h5_part *p, const char *column,
                         const char *why) {
    mp_error_set(v->err, MP_DATA, "cannot make a virtual table", "%s", why);
    mp_error_file(v->err, p->path);
    if (column) mp_error_column(v->err, column);
    mp_error_hint(v->err, "without --virtual the rows are copied, and types made alike");
    return MP_DATA;
}

/* ---- names ---- */

/* A part's name from the folder of the file; "%", which the library takes for a pattern, doubled. */
static mp_status relative_name(virtual_file *v, const char *path, const char **out) {
    char real[PATH_MAX];
    if (!realpath(path, real)) return mp_error_errno(v->err, errno, "cannot open", path);
    size_t same = 0, ups = 0;
    for (size_t i = 0; real[i] && (real[i] == v->folder[i] || !v->folder[i]); i++) {
        if (real[i] == '/') same = i + 1;
        if (!v->folder[i]) break;
    }
    for (const char *p = v->folder + (same ? same - 1 : 0); *p; p++)
        ups += *p == '/' && p[1];
    size_t cap = 3 * ups + 2 * strlen(real) + 3;
    char *to = mp_arena_alloc(&v->arena, cap, 1);
    if (!to) return no_memory(v, cap);
    *out = to;
    if (ups == 0) to = stpcpy(to, "./");
    for (; ups > 0; ups--)
        to = stpcpy(to, "../");
    for (const char *p = real + same; *p; p++) {
        *to++ = *p;
        if (*p == '%') *to++ = '%';
    }
    *to = 0;
    return MP_OK;
}

/* The dataset beside a table that marks the nulls of a column: its group's null/<column>. */
static const char *null_name(virtual_file *v, const char *table, const char *column) {
    const char *slash = strrchr(table, '/');
    size_t group = slash ? (size_t)(slash - table) : 0, n = strlen(column);
    char *to = mp_arena_alloc(&v->arena, group + n + 8, 1);
    if (!to) return NULL;
    memcpy(to, table, group);
    memcpy(stpcpy(to + group, "/null/"), column, n + 1);
    return to;
}

static bool is_there(hid_t file, const char *path) {
    char part[1024];
    for (const char *p = strchr(path + 1, '/');; p = strchr(p + 1, '/')) {
        size_t n = p ? (size_t)(p - path) : strlen(path);
        if (n >= sizeof part) return false;
        memcpy(part, path, n);
        part[n] = 0;
        if (H5Lexists(file, part, H5P_DEFAULT) <= 0) return false;
        if (!p) return true;
    }
}

/* ---- types ---- */

static bool is_fixed_text(hid_t t) {
    return H5Tget_class(t) == H5T_STRING && H5Tis_variable_str(t) == 0;
}

/* Widens member i of the table's type (types[i]) to what the part's has. */
static mp_status fit_member(virtual_file *v, const mp_h5_part *p, hid_t type, hid_t *types,
                            unsigned i) {
    char *name = H5Tget_member_name(v->type, i);
    int at = name ? H5Tget_member_index(type, name) : -1;
    hid_t theirs = at >= 0 ? H5Tget_member_type(type, (unsigned)at) : -1;
    mp_status st = MP_OK;
    if (at < 0)
        st = differs(v, p, name, "the part has no such column");
    else if (is_fixed_text(theirs) && is_fixed_text(types[i]))
        st = H5Tget_size(theirs) <= H5Tget_size(types[i]) ||
                     H5Tset_size(types[i], H5Tget_size(theirs)) >= 0
                 ? MP_OK
                 : failed(v, p->path);
    else if (H5Tequal(theirs, types[i]) <= 0)
        st = differs(v, p, name, "the column is of another type than in the first part");
    if (theirs >= 0) H5Tclose(theirs);
    H5free_memory(name);
    return st;
}

static mp_status note_nulls(virtual_file *v, const mp_h5_part *p, hid_t file) {
    for (int i = 0; i < v->n_members; i++) {
        char *name = H5Tget_member_name(v->type, (unsigned)i);
        const char *path = name ? null_name(v, p->dataset, name) : NULL;
        if (path && is_there(file, path)) v->nulls[i] = true;
        H5free_memory(name);
        if (!path) return no_memory(v, strlen(p->dataset));
    }
    return MP_OK;
}

/* The compound of a part, of one dimension and as many rows as were found before. */
static mp_status open_part(virtual_file *v, const mp_h5_part *p, hid_t *file, hid_t *type) {
    hid_t set = -1, space = -1;
    hsize_t dims[1] = {0};
    mp_status st = MP_OK;
    *type = -1;
    *file = H5Fopen(p->path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (*file >= 0) set = H5Dopen2(*file, p->dataset, H5P_DEFAULT);
    if (set >= 0) space = H5Dget_space(set);
    if (space >= 0) *type = H5Dget_type(set);
    if (*type < 0)
        st = failed(v, p->path);
    else if (H5Tget_class(*type) != H5T_COMPOUND || H5Sget_simple_extent_ndims(space) != 1 ||
             H5Sget_simple_extent_dims(space, dims, NULL) != 1 || (int64_t)dims[0] != p->n_rows)
        st = differs(v, p, NULL, "its table is not one compound dataset of one dimension");
    if (space >= 0) H5Sclose(space);
    if (set >= 0) H5Dclose(set);
    return st;
}

static mp_status look_at_part(virtual_file *v, const mp_h5_part *p, hid_t *types) {
    hid_t file, type;
    mp_status st = open_part(v, p, &file, &type);
    if (!st && H5Tget_nmembers(type) != v->n_members)
        st = differs(v, p, NULL, "it has other columns than the first part");
    for (int i = 0; i < v->n_members && !st; i++)
        st = fit_member(v, p, type, types, (unsigned)i);
    if (!st) st = note_nulls(v, p, file);
    if (type >= 0) H5Tclose(type);
    if (file >= 0) H5Fclose(file);
    return st;
}

/* The compound of all parts: the members of the first one, as wide as they have to be. */
static hid_t join_members(const virtual_file *v, const hid_t *types) {
    size_t size = 0;
    for (int i = 0; i < v->n_members; i++)
        size += H5Tget_size(types[i]);
    hid_t t = H5Tcreate(H5T_COMPOUND, size);
    size = 0;
    for (int i = 0; i < v->n_members && t >= 0; i++) {
        char *name = H5Tget_member_name(v->type, (unsigned)i);
        bool ok = name && H5Tinsert(t, name, size, types[i]) >= 0;
        size += H5Tget_size(types[i]);
        H5free_memory(name);
        if (ok) continue;
        H5Tclose(t);
        return -1;
    }
    return t;
}

static mp_status find_type(virtual_file *v) {
    hid_t file;
    mp_status st = open_part(v, &v->parts[0], &file, &v->type);
    if (file >= 0) H5Fclose(file);
    if (st) return st;
    v->n_members = H5Tget_nmembers(v->type);
    size_t n = (size_t)v->n_members;
    hid_t *types = mp_arena_alloc(&v->arena, n * sizeof *types + 1, 16);
    v->nulls = mp_arena_alloc(&v->arena, n + 1, 1);
    if (!types || !v->nulls) return no_memory(v, n * sizeof *types);
    memset(v->nulls, 0, n);
    for (size_t i = 0; i < n; i++)
        types[i] = H5Tget_member_type(v->type, (unsigned)i);
    for (int i = 0; i < v->n && !st; i++)
        st = look_at_part(v, &v->parts[i], types);
    hid_t all = st ? -1 : join_members(v, types);
    if (!st && all < 0) st = failed(v, v->target);
    for (size_t i = 0; i < n; i++)
        if (types[i] >= 0) H5Tclose(types[i]);
    if (all >= 0) {
        H5Tclose(v->type);
        v->type = all;
    }
    return st;
}

/* ---- what attributes say of the columns: units of dates and the like ---- */

/* One text of any length, copied. */
static void *attribute_text(virtual_file *v, hid_t attr, hid_t type, size_t *n) {
    char *text = NULL, *to = NULL;
    if (H5Aread(attr, type, &text) < 0 || !text) return NULL;
    *n = strlen(text) + 1;
    to = mp_arena_alloc(&v->arena, *n, 16);
    if (to) memcpy(to, text, *n);
    H5free_memory(text);
    return to;
}

/* The bytes of an attribute; NULL: it has none, or they are of a kind that is left out. */
static void *attribute_bytes(virtual_file *v, hid_t attr, hid_t type, size_t *n) {
    hid_t space = H5Aget_space(attr);
    hssize_t elements = space >= 0 ? H5Sget_simple_extent_npoints(space) : -1;
    if (space >= 0) H5Sclose(space);
    if (H5Tis_variable_str(type) > 0)
        return elements == 1 ? attribute_text(v, attr, type, n) : NULL;
    bool elsewhere =
        H5Tdetect_class(type, H5T_VLEN) > 0 || H5Tdetect_class(type, H5T_REFERENCE) > 0;
    *n = elements > 0 ? (size_t)elements * H5Tget_size(type) : 0;
    if (elsewhere || *n == 0 || *n > 1 << 20) return NULL;
    void *to = mp_arena_alloc(&v->arena, *n, 16);
    return to && H5Aread(attr, type, to) >= 0 ? to : NULL;
}

static bool copy_attribute(virtual_file *v, hid_t from, hid_t to, const char *name) {
    hid_t attr = H5Aopen(from, name, H5P_DEFAULT), copy = -1;
    hid_t type = attr >= 0 ? H5Aget_type(attr) : -1, space = attr >= 0 ? H5Aget_space(attr) : -1;
    size_t n;
    void *bytes = type >= 0 ? attribute_bytes(v, attr, type, &n) : NULL;
    if (bytes) copy = H5Acreate2(to, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    const void *value = bytes && H5Tis_variable_str(type) > 0 ? (const void *)&bytes : bytes;
    bool ok = !bytes || (copy >= 0 && H5Awrite(copy, type, value) >= 0);
    if (copy >= 0) H5Aclose(copy);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (attr >= 0) H5Aclose(attr);
    return ok;
}

/* Is an attribute of one table the same in another one? */
static bool same_attribute(virtual_file *v, hid_t a, hid_t b, const char *name) {
    if (H5Aexists(b, name) <= 0) return false;
    hid_t x = H5Aopen(a, name, H5P_DEFAULT), y = H5Aopen(b, name, H5P_DEFAULT);
    hid_t tx = x >= 0 ? H5Aget_type(x) : -1, ty = y >= 0 ? H5Aget_type(y) : -1;
    bool same = tx >= 0 && ty >= 0 && H5Tequal(tx, ty) > 0;
    size_t n = 0, m = 0;
    const void *p = same ? attribute_bytes(v, x, tx, &n) : NULL;
    const void *q = same ? attribute_bytes(v, y, ty, &m) : NULL;
    if (same && p) same = q && n == m && memcmp(p, q, n) == 0;
    if (tx >= 0) H5Tclose(tx);
    if (ty >= 0) H5Tclose(ty);
    if (x >= 0) H5Aclose(x);
    if (y >= 0) H5Aclose(y);
    return same;
}

typedef struct {
    virtual_file *v;
    hid_t other; /* the table that gets the attributes, or is to have them */
    bool copies;
} attribute_walk;

static herr_t on_attribute(hid_t set, const char *name, const H5A_info_t *info, void *ctx) {
    attribute_walk *w = ctx;
    (void)info;
    if (strncmp(name, "mpart_", 6) == 0) return 0; /* the origin of one part */
    if (w->copies) return copy_attribute(w->v, set, w->other, name) ? 0 : -1;
    return strncmp(name, "FIELD_", 6) != 0 || same_attribute(w->v, set, w->other, name) ? 0 : 1;
}

/* 0: done; > 0: they differ; < 0: failed. */
static herr_t walk_attributes(virtual_file *v, hid_t from, hid_t other, bool copies) {
    attribute_walk w = {v, other, copies};
    hsize_t at = 0;
    return H5Aiterate2(from, H5_INDEX_NAME, H5_ITER_INC, &at, on_attribute, &w);
}

/* Columns mean the same in all parts, and in the table, which gets their attributes. */
static mp_status take_attributes(virtual_file *v, hid_t table) {
    mp_status st = MP_OK;
    hid_t file = H5Fopen(v->parts[0].path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t first = file >= 0 ? H5Dopen2(file, v->parts[0].dataset, H5P_DEFAULT) : -1;
    if (first < 0 || walk_attributes(v, first, table, true) != 0) st = failed(v, v->parts[0].path);
    for (int i = 1; i < v->n && !st; i++) {
        const mp_h5_part *p = &v->parts[i];
        hid_t f = H5Fopen(p->path, H5F_ACC_RDONLY, H5P_DEFAULT);
        hid_t set = f >= 0 ? H5Dopen2(f, p->dataset, H5P_DEFAULT) : -1;
        if (set < 0)
            st = failed(v, p->path);
        else if (walk_attributes(v, first, set, false) != 0 ||
                 walk_attributes(v, set, first, false) != 0)
            st = differs(v, p, NULL, "its columns have other units than in the first part");
        if (set >= 0) H5Dclose(set);
        if (f >= 0) H5Fclose(f);
    }
    if (first >= 0) H5Dclose(first);
    if (file >= 0) H5Fclose(file);
    return st;
}

/* ---- datasets ---- */

/* Rows [at, at + n_rows) are those of a dataset of a part. */
static mp_status map_part(virtual_file *v, hid_t create, const mp_h5_part *p, const char *dataset,
                          int64_t at) {
    const char *name = NULL;
    mp_status st = relative_name(v, p->path, &name);
    if (st) return st;
    hsize_t all[1] = {(hsize_t)v->n_rows}, from[1] = {(hsize_t)at}, n[1] = {(hsize_t)p->n_rows};
    hid_t there = H5Screate_simple(1, all, NULL), here = H5Screate_simple(1, n, NULL);
    bool ok = there >= 0 && here >= 0 &&
              H5Sselect_hyperslab(there, H5S_SELECT_SET, from, NULL, n, NULL) >= 0 &&
              H5Pset_virtual(create, there, name, dataset, here) >= 0;
    if (there >= 0) H5Sclose(there);
    if (here >= 0) H5Sclose(here);
    return ok ? MP_OK : failed(v, p->path);
}

static const char *doubled(virtual_file *v, const char *text) {
    char *to = mp_arena_alloc(&v->arena, 2 * strlen(text) + 1, 1), *p = to;
    for (; to && *text; text++) {
        *p++ = *text;
        if (*text == '%') *p++ = '%';
    }
    if (to) *p = 0;
    return to;
}

/* column NULL: the table; else the marks of its nulls, which not every part has. */
static mp_status map_parts(virtual_file *v, hid_t create, const char *column) {
    mp_status st = MP_OK;
    int64_t at = 0;
    for (int i = 0; i < v->n && !st; at += v->parts[i++].n_rows) {
        const mp_h5_part *p = &v->parts[i];
        if (p->n_rows == 0) continue;
        const char *dataset = column ? null_name(v, p->dataset, column) : p->dataset;
        if (!dataset) return no_memory(v, 64);
        if (column) {
            hid_t file = H5Fopen(p->path, H5F_ACC_RDONLY, H5P_DEFAULT);
            bool there = file >= 0 && is_there(file, dataset);
            if (file >= 0) H5Fclose(file);
            if (!there) continue;
        }
        dataset = doubled(v, dataset);
        st = dataset ? map_part(v, create, p, dataset, at) : no_memory(v, 64);
    }
    return st;
}

static mp_status add_set(virtual_file *v, const char *object, hid_t type, const char *column) {
    hsize_t dims[1] = {(hsize_t)v->n_rows};
    hid_t create = H5Pcreate(H5P_DATASET_CREATE), link = H5Pcreate(H5P_LINK_CREATE);
    hid_t space = H5Screate_simple(1, dims, NULL), set = -1;
    bool ok = create >= 0 && link >= 0 && space >= 0 &&
              H5Pset_create_intermediate_group(link, 1) >= 0 &&
              H5Pset_obj_track_times(create, false) >= 0;
    mp_status st = ok ? map_parts(v, create, column) : failed(v, v->target);
    if (!st) set = H5Dcreate2(v->file, object, type, space, link, create, H5P_DEFAULT);
    if (!st && set < 0) st = failed(v, v->target);
    if (!st && !column) st = take_attributes(v, set);
    if (set >= 0 && H5Dclose(set) < 0 && !st) st = failed(v, v->target);
    if (space >= 0) H5Sclose(space);
    if (link >= 0) H5Pclose(link);
    if (create >= 0) H5Pclose(create);
    return st;
}

static mp_status add_sets(virtual_file *v) {
    mp_status st = add_set(v, v->object, v->type, NULL);
    for (int i = 0; i < v->n_members && !st; i++) {
        if (!v->nulls[i]) continue;
        char *name = H5Tget_member_name(v->type, (unsigned)i);
        const char *path = name ? null_name(v, v->object, name) : NULL;
        st = path ? add_set(v, path, H5T_STD_U8LE, name) : no_memory(v, 64);
        H5free_memory(name);
    }
    return st;
}

static mp_status find_folder(virtual_file *v, const char *temp) {
    char path[PATH_MAX];
    const char *slash = strrchr(temp, '/');
    size_t n = slash ? (size_t)(slash - temp) : 1;
    if (n >= sizeof path) return mp_error_errno(v->err, ENAMETOOLONG, "cannot write", v->target);
    memcpy(path, slash ? temp : ".", n);
    path[n] = 0;
    if (realpath(n ? path : "/", v->folder)) return MP_OK;
    return mp_error_errno(v->err, errno, "cannot write", v->target);
}

mp_status mp_h5_virtual_write(const char *temp, const char *target, const char *object,
                              const mp_h5_part *parts, int n, mp_error *err) {
    virtual_file v = {
        .target = target, .object = object, .parts = parts, .n = n, .file = -1, .type = -1};
    v.err = err;
    mp_arena_init(&v.arena, NULL);
    for (int i = 0; i < n; i++)
        v.n_rows += parts[i].n_rows;
    mp_status st = H5open() >= 0 && H5Eset_auto2(H5E_DEFAULT, NULL, NULL) >= 0
                       ? find_folder(&v, temp)
                       : failed(&v, target);
    if (!st) st = find_type(&v);
    if (!st) v.file = H5Fcreate(temp, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    if (!st && v.file < 0) st = failed(&v, target);
    if (!st) st = add_sets(&v);
    if (v.type >= 0) H5Tclose(v.type);
    if (v.file >= 0 && H5Fclose(v.file) < 0 && !st) st = failed(&v, target);
    mp_arena_release(&v.arena);
    return st;
}
