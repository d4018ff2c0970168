/* h5_out_file.c - the file of a plan, by the HDF5 library: see h5_out_file.h.
 * Invariant: chunks go round the library's own filters (H5Dwrite_chunk), so all that it does per
 * chunk is to find room and to note the place. */
#include "io/h5/h5_out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "io/h5/h5_out_priv.h"

struct mp_h5_file {
    const mp_h5_plan *plan;
    const mp_h5_driver *driver;
    const char *path, *name;
    mp_mem *mem;
    mp_arena arena;
    hid_t file;
    hid_t *sets;       /* plan->n_sets */
    const char **at;   /* where each of them is */
    int64_t *stored;   /* bytes put into each */
    bool any;          /* a chunk of dataset 0 was put: */
    int64_t probe_row; /* of the last one */
    size_t probe_bytes;
    uint64_t probe_hash;
};

static mp_status failed(const mp_h5_file *f, mp_error *err) {
    return mp_h5_failed("cannot write", f->name, err);
}

/* ---- groups ---- */

/* Opens the group, and makes it and those above it where they are not there. */
static hid_t open_group(const mp_h5_file *f, const char *path) {
    hid_t plist = H5Pcreate(H5P_GROUP_CREATE), g = -1;
    if (plist >= 0 && H5Pset_obj_track_times(plist, false) >= 0)
        g = H5Gopen2(f->file, "/", H5P_DEFAULT);
    for (const char *p = path + 1; g >= 0 && *p;) {
        size_t n = strcspn(p, "/");
        hid_t next = -1;
        char *part = mp_mem_alloc(NULL, n + 1);
        if (part) {
            memcpy(part, p, n);
            part[n] = 0;
            next = H5Lexists(g, part, H5P_DEFAULT) > 0
                       ? H5Gopen2(g, part, H5P_DEFAULT)
                       : H5Gcreate2(g, part, H5P_DEFAULT, plist, H5P_DEFAULT);
        }
        mp_mem_free(NULL, part);
        H5Gclose(g);
        g = next;
        p += n + (p[n] == '/');
    }
    if (plist >= 0) H5Pclose(plist);
    return g;
}

/* "group/name", in the arena; NULL: no memory. */
static const char *join(mp_h5_file *f, const char *group, const char *name) {
    size_t n = strlen(group), m = strlen(name);
    char *to = mp_arena_alloc(&f->arena, n + m + 2, 1);
    if (!to) return NULL;
    memcpy(to, group, n);
    if (n > 0 && to[n - 1] != '/') to[n++] = '/';
    memcpy(to + n, name, m + 1);
    return to;
}

/* ---- where datasets are ---- */

/* The name of the rows' numbers: one that no column has. */
static const char *index_name(const mp_h5_plan *p) {
    static const char *const names[] = {"_index", "_index_", "_index__", "_index___"};
    for (size_t i = 0; i + 1 < sizeof names / sizeof *names; i++) {
        bool taken = false;
        for (int c = 0; c < p->rows.n_cols && !taken; c++)
            taken = strcmp(p->names[c], names[i]) == 0;
        if (!taken) return names[i];
    }
    return names[3];
}

static const char *place(mp_h5_file *f, const mp_h5_set *s, mp_error *err) {
    const mp_h5_plan *p = f->plan;
    const char *group, *name, *path = p->options.path;
    const char *link = s->c < 0 ? NULL : p->names[s->c];
    switch (s->kind) {
    case MP_H5_SET_TABLE:
        return path;
    case MP_H5_SET_INDEX:
        return join(f, path, index_name(p));
    case MP_H5_SET_NULLS:
        if (mp_h5_path_split(path, &f->arena, &group, &name, err)) return NULL;
        group = join(f, group, "null");
        return group ? join(f, group, link) : NULL;
    default:
        path = join(f, path, link);
        if (!path || !p->nulls[s->c]) return path;
        return join(f, path, s->kind == MP_H5_SET_MASK ? "mask" : "values");
    }
}

/* ---- datasets ---- */

static hid_t creation_list(const mp_h5_plan *p, const mp_h5_set *s) {
    const mp_h5_options *o = &p->options;
    hsize_t chunk[1] = {(hsize_t)s->chunk_rows};
    hid_t d = H5Pcreate(H5P_DATASET_CREATE);
    bool ok = d >= 0 && H5Pset_chunk(d, 1, chunk) >= 0 && H5Pset_obj_track_times(d, false) >= 0 &&
              H5Pset_fill_time(d, H5D_FILL_TIME_NEVER) >= 0;
    if (ok && mp_h5_shuffles(o->compress, s->element_bytes)) ok = H5Pset_shuffle(d) >= 0;
    if (ok && o->compress == MP_H5_PACK_DEFLATE) ok = H5Pset_deflate(d, (unsigned)o->level) >= 0;
    if (ok && o->compress == MP_H5_PACK_LZF) {
        /* as h5py writes it: revision of the filter, version of LZF, bytes of a chunk */
        const unsigned values[3] = {4, 0x0105, (unsigned)(s->chunk_rows * s->element_bytes)};
        ok = H5Pset_filter(d, MP_H5_LZF_FILTER, H5Z_FLAG_OPTIONAL, 3, values) >= 0;
    }
    if (ok) return d;
    if (d >= 0) H5Pclose(d);
    return -1;
}

/* No cache of chunks: they pass the library by. */
static hid_t access_list(void) {
    hid_t d = H5Pcreate(H5P_DATASET_ACCESS);
    if (d >= 0 && H5Pset_chunk_cache(d, 1, 0, 0) >= 0) return d;
    if (d >= 0) H5Pclose(d);
    return -1;
}

static hid_t make_set(const mp_h5_file *f, int i, hid_t group, const char *name) {
    const mp_h5_set *s = &f->plan->sets[i];
    hsize_t dims[1] = {(hsize_t)f->plan->n_rows}, most[1] = {H5S_UNLIMITED};
    hid_t type = mp_h5_set_type(f->plan, s), space = H5Screate_simple(1, dims, most);
    hid_t create = creation_list(f->plan, s), access = access_list(), set = -1;
    if (type >= 0 && space >= 0 && create >= 0 && access >= 0)
        set = H5Dcreate2(group, name, type, space, H5P_DEFAULT, create, access);
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    if (create >= 0) H5Pclose(create);
    if (access >= 0) H5Pclose(access);
    return set;
}

/* What AnnData says of a column: of its dataset, or of the group of its values and mask. */
static bool describe_values(const mp_h5_file *f, int i, hid_t group) {
    const mp_h5_plan *p = f->plan;
    const mp_h5_set *s = &p->sets[i];
    mp_type t = s->c < 0 ? MP_INT64 : p->rows.types[s->c];
    bool nullable = s->kind == MP_H5_SET_VALUES && p->nulls[s->c];
    bool texts = s->kind == MP_H5_SET_VALUES && t == MP_STRING; /* their mask is none */
    bool ok = mp_h5_put_text(f->sets[i], "encoding-type", texts ? "string-array" : "array") &&
              mp_h5_put_text(f->sets[i], "encoding-version", "0.2.0");
    if (ok && s->kind == MP_H5_SET_VALUES) ok = mp_h5_put_units(f->sets[i], p, s->c, false);
    if (!ok || !nullable) return ok;
    const char *kind = t == MP_STRING ? "nullable-string-array"
                       : t == MP_BOOL ? "nullable-boolean"
                                      : "nullable-integer";
    return mp_h5_put_text(group, "encoding-type", kind) &&
           mp_h5_put_text(group, "encoding-version", "0.1.0");
}

static bool describe_table(const mp_h5_file *f, int i) {
    bool ok = true;
    for (int c = 0; ok && c < f->plan->rows.n_cols; c++)
        ok = mp_h5_put_units(f->sets[i], f->plan, c, true);
    return ok;
}

static mp_status add_set(mp_h5_file *f, int i, mp_error *err) {
    const mp_h5_set *s = &f->plan->sets[i];
    const char *group, *name;
    f->at[i] = place(f, s, err);
    if (!f->at[i]) return mp_mem_error(f->mem, 64, err);
    mp_status st = mp_h5_path_split(f->at[i], &f->arena, &group, &name, err);
    if (st) return st;
    hid_t g = open_group(f, group);
    bool ok = g >= 0;
    if (ok) f->sets[i] = make_set(f, i, g, name);
    ok = ok && f->sets[i] >= 0;
    if (ok && s->kind == MP_H5_SET_TABLE) ok = describe_table(f, i);
    if (ok && f->plan->options.form == MP_H5_OUT_COLUMNS) ok = describe_values(f, i, g);
    mp_status made = ok ? MP_OK : failed(f, err);
    if (g >= 0) H5Gclose(g);
    return made;
}

/* ---- the file ---- */

/* Of the table, or of the group of the columns. */
static bool put_origin(hid_t object, const mp_h5_origin *o) {
    mp_buf inputs;
    mp_buf_init(&inputs, NULL);
    for (int i = 0; i < o->n_inputs; i++)
        mp_buf_printf(&inputs, "%s%s", i ? "\n" : "", o->inputs[i]);
    mp_buf_u8(&inputs, 0);
    bool ok = !inputs.failed && mp_h5_put_text(object, "mpart_version", o->version) &&
              mp_h5_put_text(object, "mpart_query", o->query) &&
              mp_h5_put_text(object, "mpart_inputs", (const char *)inputs.data);
    mp_buf_release(&inputs);
    return ok;
}

static mp_status describe_frame(mp_h5_file *f, const mp_h5_origin *origin, mp_error *err) {
    const mp_h5_plan *p = f->plan;
    hid_t g = open_group(f, p->options.path);
    bool ok = g >= 0 && mp_h5_put_text(g, "encoding-type", "dataframe") &&
              mp_h5_put_text(g, "encoding-version", "0.2.0") &&
              mp_h5_put_text(g, "_index", index_name(p)) &&
              mp_h5_put_texts(g, "column-order", p->names, p->rows.n_cols) && put_origin(g, origin);
    mp_status st = ok ? MP_OK : failed(f, err);
    if (g >= 0) H5Gclose(g);
    return st;
}

static mp_status fill_file(mp_h5_file *f, const mp_h5_origin *origin, mp_error *err) {
    mp_status st = MP_OK;
    if (f->plan->options.form == MP_H5_OUT_COLUMNS) st = describe_frame(f, origin, err);
    for (int i = 0; !st && i < f->plan->n_sets; i++)
        st = add_set(f, i, err);
    if (!st && f->plan->options.form == MP_H5_OUT_TABLE && !put_origin(f->sets[0], origin))
        st = failed(f, err);
    return st;
}

/* The earliest format that can hold it: attributes of many columns need that of HDF5 1.8. No
 * locks: nobody else knows the file's name yet. */
static hid_t create_file(const mp_h5_file *f) {
    hid_t access = f->driver ? H5Pcopy(f->driver->access) : H5Pcreate(H5P_FILE_ACCESS);
    hid_t create = H5Pcreate(H5P_FILE_CREATE), file = -1;
    H5F_libver_t low =
        f->plan->options.form == MP_H5_OUT_COLUMNS ? H5F_LIBVER_V18 : H5F_LIBVER_EARLIEST;
    if (access >= 0 && create >= 0 && (f->driver || H5Pset_fapl_sec2(access) >= 0) &&
        H5Pset_file_locking(access, false, true) >= 0 &&
        H5Pset_libver_bounds(access, low, H5F_LIBVER_LATEST) >= 0 &&
        H5Pset_obj_track_times(create, false) >= 0)
        file = H5Fcreate(f->path, H5F_ACC_TRUNC, create, access);
    if (access >= 0) H5Pclose(access);
    if (create >= 0) H5Pclose(create);
    return file;
}

mp_status mp_h5_file_create(const char *path, const char *name, const mp_h5_plan *plan,
                            const mp_h5_origin *origin, const mp_h5_driver *driver, mp_mem *mem,
                            mp_h5_file **out, mp_error *err) {
    size_t n = (size_t)plan->n_sets;
    mp_h5_file *f = mp_mem_calloc(mem, 1, sizeof *f);
    if (!f) return mp_mem_error(mem, sizeof *f, err);
    f->plan = plan;
    f->driver = driver;
    f->name = name;
    f->mem = mem;
    f->file = -1;
    mp_arena_init(&f->arena, mem);
    f->path = join(f, "", path);
    f->sets = mp_mem_alloc(mem, n * sizeof *f->sets);
    f->at = mp_mem_calloc(mem, n, sizeof *f->at);
    f->stored = mp_mem_calloc(mem, n, sizeof *f->stored);
    for (size_t i = 0; f->sets && i < n; i++)
        f->sets[i] = -1;
    mp_status st = f->path && f->sets && f->at && f->stored
                       ? MP_OK
                       : mp_mem_error(mem, n * sizeof *f->sets, err);
    /* the library would close the file at the end of a program that gave up, and wait for the others */
    if (driver && H5dont_atexit() < 0) H5Eclear2(H5E_DEFAULT);
    if (!st && (H5open() < 0 || H5Eset_auto2(H5E_DEFAULT, NULL, NULL) < 0)) st = failed(f, err);
    if (!st) f->file = create_file(f);
    if (!st && f->file < 0) st = failed(f, err);
    if (!st) st = fill_file(f, origin, err);
    if (st && !driver) mp_h5_file_free(&f);
    *out = f;
    return st;
}

mp_status mp_h5_file_put(mp_h5_file *f, int s, int64_t row, uint32_t skipped, const uint8_t *bytes,
                         size_t n, mp_error *err) {
    hsize_t at[1] = {(hsize_t)row};
    if (H5Dwrite_chunk(f->sets[s], H5P_DEFAULT, skipped, at, n, bytes) < 0) return failed(f, err);
    f->stored[s] += (int64_t)n;
    if (s > 0) return MP_OK;
    f->any = true;
    f->probe_row = row;
    f->probe_bytes = n;
    f->probe_hash = XXH3_64bits(bytes, n);
    return MP_OK;
}

mp_status mp_h5_file_write_rows(mp_h5_file *f, int s, int64_t row, int64_t n, const uint8_t *plain,
                                mp_error *err) {
    hsize_t at[1] = {(hsize_t)row}, count[1] = {(hsize_t)n};
    hid_t type = H5Dget_type(f->sets[s]), space = H5Dget_space(f->sets[s]);
    hid_t memory = H5Screate_simple(1, count, NULL);
    bool ok = type >= 0 && space >= 0 && memory >= 0;
    if (ok && n > 0) ok = H5Sselect_hyperslab(space, H5S_SELECT_SET, at, NULL, count, NULL) >= 0;
    if (ok && n == 0) ok = H5Sselect_none(space) >= 0 && H5Sselect_none(memory) >= 0;
    ok = H5Dwrite(f->sets[s], type, memory, space, f->driver->transfer, plain) >= 0 && ok;
    mp_status st = ok ? MP_OK : failed(f, err);
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    if (memory >= 0) H5Sclose(memory);
    return st;
}

/* ---- the end ---- */

/* The descriptor that the library writes to; -1: none. */
static int descriptor(const mp_h5_file *f) {
    void *handle = NULL;
    bool ok = f->file >= 0 && H5Fget_vfd_handle(f->file, H5P_DEFAULT, &handle) >= 0;
    return ok ? *(int *)handle : -1;
}

/* A file that could not be written cannot be closed either, and the library crashes over it when the
 * program ends. So what it still has to write goes to memory: it is metadata alone. */
static void give_up(const mp_h5_file *f) {
    if (f->driver) return;
    int from = descriptor(f), to = memfd_create("mpart", MFD_CLOEXEC);
    if (from >= 0 && to >= 0) (void)!dup3(to, from, O_CLOEXEC);
    if (to >= 0) close(to);
}

/* Room on the disk for all that closing may still write: then it does not fail half-way. */
static mp_status reserve(const mp_h5_file *f, mp_error *err) {
    enum { SLACK = 4 << 10 };
    hsize_t size = 0;
    if (f->driver) return MP_OK;
    int fd = descriptor(f);
    if (fd < 0 || H5Fget_filesize(f->file, &size) < 0) return failed(f, err);
    int errnum = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size + SLACK) == 0 ? 0 : errno;
    if (errnum != ENOSPC && errnum != EDQUOT && errnum != EFBIG) return MP_OK;
    return mp_error_errno(err, errnum, "cannot write", f->name);
}

static bool close_all(mp_h5_file *f) {
    bool ok = true;
    for (int i = 0; f->sets && i < f->plan->n_sets; i++)
        if (f->sets[i] >= 0 && H5Dclose(f->sets[i]) < 0) ok = false;
    for (int i = 0; f->sets && i < f->plan->n_sets; i++)
        f->sets[i] = -1;
    if (f->file >= 0 && H5Fclose(f->file) < 0) ok = false;
    f->file = -1;
    return ok;
}

static bool same_set(const mp_h5_file *f, int i, hid_t set) {
    hsize_t dims[1] = {0};
    hid_t type = H5Dget_type(set), want = mp_h5_set_type(f->plan, &f->plan->sets[i]);
    hid_t space = H5Dget_space(set);
    bool same = type >= 0 && want >= 0 && H5Tequal(type, want) > 0 && space >= 0 &&
                H5Sget_simple_extent_ndims(space) == 1 &&
                H5Sget_simple_extent_dims(space, dims, NULL) == 1 &&
                (int64_t)dims[0] == f->plan->n_rows &&
                (f->driver || (int64_t)H5Dget_storage_size(set) == f->stored[i]);
    if (type >= 0) H5Tclose(type);
    if (want >= 0) H5Tclose(want);
    if (space >= 0) H5Sclose(space);
    return same;
}

/* The last chunk of dataset 0 has its bytes. */
static bool same_chunk(const mp_h5_file *f, hid_t set, uint8_t *room) {
    hsize_t at[1] = {(hsize_t)f->probe_row}, bytes = 0;
    uint32_t skipped = 0;
    return H5Dget_chunk_storage_size(set, at, &bytes) >= 0 && bytes == f->probe_bytes &&
           H5Dread_chunk(set, H5P_DEFAULT, at, &skipped, room) >= 0 &&
           XXH3_64bits(room, f->probe_bytes) == f->probe_hash;
}

/* The library gets the last row through its filters; it has none for LZF. */
static bool reads_row(const mp_h5_file *f, hid_t set, uint8_t *room) {
    hsize_t at[1] = {(hsize_t)f->plan->n_rows - 1}, one[1] = {1};
    if (f->plan->options.compress == MP_H5_PACK_LZF) return true;
    hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    hid_t memory = H5Screate_simple(1, one, NULL);
    bool ok = type >= 0 && space >= 0 && memory >= 0 &&
              H5Sselect_hyperslab(space, H5S_SELECT_SET, at, NULL, one, NULL) >= 0 &&
              H5Dread(set, type, memory, space, H5P_DEFAULT, room) >= 0;
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    if (memory >= 0) H5Sclose(memory);
    return ok;
}

mp_status mp_h5_file_check(const mp_h5_file *f, mp_error *err) {
    size_t row = f->plan->sets[0].element_bytes;
    size_t n = f->probe_bytes > row ? f->probe_bytes : row;
    uint8_t *room = mp_mem_alloc(f->mem, n);
    if (!room) return mp_mem_error(f->mem, n, err);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), file = -1;
    if (access >= 0 && H5Pset_file_locking(access, false, true) >= 0)
        file = H5Fopen(f->path, H5F_ACC_RDONLY, access);
    bool ok = file >= 0;
    for (int i = 0; ok && i < f->plan->n_sets; i++) {
        hid_t set = H5Dopen2(file, f->at[i], H5P_DEFAULT);
        ok = set >= 0 && same_set(f, i, set);
        if (ok && i == 0 && f->any) ok = same_chunk(f, set, room);
        if (ok && i == 0 && f->plan->n_rows > 0) ok = reads_row(f, set, room);
        if (set >= 0) H5Dclose(set);
    }
    mp_status st = ok ? MP_OK : mp_h5_failed("what was written is not read back", f->name, err);
    if (file >= 0) H5Fclose(file);
    if (access >= 0) H5Pclose(access);
    mp_mem_free(f->mem, room);
    return st;
}

mp_status mp_h5_file_flush(mp_h5_file *f, mp_error *err) {
    mp_status st = reserve(f, err);
    if (!st && H5Fflush(f->file, H5F_SCOPE_GLOBAL) < 0) st = failed(f, err);
    return st;
}

mp_status mp_h5_file_close(mp_h5_file *f, mp_error *err) {
    return close_all(f) ? MP_OK : failed(f, err);
}

bool mp_h5_file_is_open(const mp_h5_file *f) {
    return f->file >= 0;
}

void mp_h5_file_forget(mp_h5_file *f) {
    for (int i = 0; f->sets && i < f->plan->n_sets; i++)
        f->sets[i] = -1;
    f->file = -1;
}

void mp_h5_file_free(mp_h5_file **f) {
    mp_h5_file *h = *f;
    if (!h) return;
    give_up(h);
    if (!close_all(h)) H5Eclear2(H5E_DEFAULT);
    mp_mem_free(h->mem, h->sets);
    mp_mem_free(h->mem, h->at);
    mp_mem_free(h->mem, h->stored);
    mp_arena_release(&h->arena);
    mp_mem_free(h->mem, h);
    *f = NULL;
}
