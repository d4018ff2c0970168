/* h5_pandas.c - pandas' own layouts: `table` (records whose fields are blocks of columns) and `fixed`
 * (a matrix for each type).
 * Invariant: columns come in the order of the frame, the index before them; pickled Python objects
 * are never read, only named. */
#include "io/h5/h5_in.h"

typedef struct {
    mp_h5_build *b;
    const char *path; /* of the group */
    hid_t group, table;
    const uint8_t *info; /* pickled */
    size_t n_info;
    const char *nan_text;
} frame;

static const char *attr_of_field(frame *f, const char *field, const char *what) {
    const char *name = mp_h5_text(f->b->in, "%s_%s", field, what);
    return name ? mp_h5_attr_text(f->b->in, f->table, name) : NULL;
}

static bool begins(const char *s, const char *with) {
    return s && strncmp(s, with, strlen(with)) == 0;
}

/* What pandas says the values of a field are, put on the column. */
static void apply_dtype(frame *f, mp_h5_column *c, const char *dtype) {
    bool whole = c->type == MP_INT64 && c->dict < 0;
    if (begins(dtype, "datetime64") && whole) {
        c->type = MP_TIMESTAMP;
        c->unit_ns = 1;
        c->has_null = true;
        c->null_int = INT64_MIN;
    } else if (begins(dtype, "bool") && whole) {
        c->type = MP_BOOL;
    } else if (c->type == MP_STRING && c->form == MP_H5_TEXT) {
        c->null_text = f->nan_text;
    }
}

/* ---- table ---- */

/* Names of the columns of a block; n -1: they are not texts. */
static int64_t block_names(frame *f, const char *field, const char ***names) {
    const char *attr = mp_h5_text(f->b->in, "%s_kind", field);
    size_t n;
    const uint8_t *p = attr ? mp_h5_attr_bytes(f->b->in, f->table, attr, &n) : NULL;
    return p ? mp_h5_pickle_texts(p, n, f->b->in->arena, names) : -1;
}

/* The field that a column came from: values_block_0_2 is of values_block_0. */
static const char *field_of(frame *f, const char *column) {
    if (!begins(column, "values_block_")) return column;
    const char *end = column + strlen("values_block_");
    end += strspn(end, "0123456789");
    return mp_h5_text(f->b->in, "%.*s", (int)(end - column), column);
}

static mp_status categories(frame *f, size_t c, const char *field) {
    mp_h5_in *in = f->b->in;
    const char *meta = attr_of_field(f, field, "meta");
    if (!meta || strcmp(meta, "category") != 0) return MP_OK;
    const char *path = mp_h5_text(in, "%s/meta/%s/meta/table", f->path, field);
    mp_h5_dict *d = path ? mp_h5_list_add(in, &f->b->dicts) : NULL;
    if (!d) return MP_NOMEM;
    mp_status st = mp_h5_read_dict(f->b, path, d);
    if (st) return st;
    mp_h5_column *col = mp_h5_column_at(f->b, c);
    if (col->form != MP_H5_INT && col->form != MP_H5_UINT) return MP_OK;
    col->dict = (int32_t)f->b->dicts.n - 1;
    col->type = ((mp_h5_dict *)f->b->dicts.items)[col->dict].type;
    return MP_OK;
}

/* One column of the records, under the name that it has in the frame. */
static mp_status name_column(frame *f, size_t c, int64_t in_block) {
    mp_h5_in *in = f->b->in;
    mp_h5_column *col = mp_h5_column_at(f->b, c);
    const char *field = field_of(f, col->name);
    if (!field) return MP_NOMEM;
    const char *own = NULL;
    if (strcmp(field, "index") == 0) {
        own = f->info ? mp_h5_pickle_under(f->info, f->n_info, "index", "index_name", in->arena)
                      : NULL;
        const char *kind = mp_h5_attr_text(in, f->table, "index_kind");
        apply_dtype(f, col, kind);
    } else {
        const char **names = NULL;
        int64_t n = block_names(f, field, &names);
        bool block = begins(field, "values_block_");
        if (block && in_block < n) own = names[in_block];
        if (block && n < 0) {
            col->form = MP_H5_UNREADABLE;
            col->why =
                "columns whose names are Python objects other than texts and numbers: rename "
                "them, df.columns = df.columns.map(str)";
        }
        apply_dtype(f, col, attr_of_field(f, field, "dtype"));
    }
    if (own) col->name = own;
    return categories(f, c, field);
}

/* The frame's own order, the index first. */
static mp_status order_columns(frame *f) {
    mp_h5_in *in = f->b->in;
    size_t n_bytes, n = f->b->columns.n, k = 0;
    const char **names = NULL;
    const uint8_t *p = mp_h5_attr_bytes(in, f->group, "non_index_axes", &n_bytes);
    int64_t n_names = p ? mp_h5_pickle_texts(p, n_bytes, in->arena, &names) : -1;
    mp_h5_column *old = f->b->columns.items, *sorted = mp_h5_take(in, n, sizeof *sorted);
    bool *taken = mp_h5_take(in, n, sizeof *taken);
    if (!sorted || !taken) return MP_NOMEM;
    for (int64_t i = -1; i < n_names; i++) {
        size_t c = 0;
        if (i < 0 && n > 0) {
            sorted[k++] = old[0];
            taken[0] = true;
            continue;
        }
        /* as a rule they are nearly in order */
        while (c < n && (taken[c] || strcmp(old[c].name, names[i]) != 0))
            c++;
        if (c == n) continue;
        sorted[k++] = old[c];
        taken[c] = true;
    }
    for (size_t c = 0; c < n; c++)
        if (!taken[c]) sorted[k++] = old[c];
    if (n) memcpy(old, sorted, n * sizeof *old);
    return MP_OK;
}

static mp_status name_columns(frame *f) {
    const char *before = NULL;
    int64_t in_block = 0;
    for (size_t c = 0; c < f->b->columns.n; c++) {
        const char *field = field_of(f, mp_h5_column_at(f->b, c)->name);
        if (!field) return MP_NOMEM;
        in_block = before && strcmp(before, field) == 0 ? in_block + 1 : 0;
        before = field;
        mp_status st = name_column(f, c, in_block);
        if (st) return st;
    }
    return order_columns(f);
}

static mp_status open_frame(frame *f) {
    mp_h5_in *in = f->b->in;
    f->group = H5Gopen2(in->file, f->path, H5P_DEFAULT);
    if (f->group < 0) return mp_h5_broken(in, f->path, "the group cannot be opened");
    f->info = mp_h5_attr_bytes(in, f->group, "info", &f->n_info);
    f->nan_text = mp_h5_attr_text(in, f->group, "nan_rep");
    return MP_OK;
}

mp_status mp_h5_pandas_table(mp_h5_build *b, const char *path) {
    b->kind = "pandas table";
    frame f = {.b = b, .path = path, .group = -1, .table = -1};
    const char *table = mp_h5_join(b->in, path, "table");
    mp_status st = table ? open_frame(&f) : MP_NOMEM;
    if (!st) st = mp_h5_add_dataset(b, table, "values", false);
    if (!st) f.table = H5Dopen2(b->in->file, table, H5P_DEFAULT);
    if (!st && f.table < 0) st = mp_h5_broken(b->in, table, "the dataset cannot be opened");
    if (!st) st = name_columns(&f);
    if (f.table >= 0) H5Dclose(f.table);
    if (f.group >= 0) H5Gclose(f.group);
    return st;
}

/* ---- fixed ---- */

static mp_status names_of(mp_h5_build *b, const char *path, mp_h5_dict *out) {
    mp_status st = mp_h5_read_dict(b, path, out);
    if (st) return st;
    if (out->type != MP_STRING) {
        mp_str *str = mp_h5_take(b->in, (size_t)out->n, sizeof *str);
        if (!str) return MP_NOMEM;
        for (int64_t i = 0; i < out->n; i++) {
            const char *text = mp_h5_text(b->in, "%lld", (long long)out->i64[i]);
            if (!text) return MP_NOMEM;
            str[i] = mp_str_c(text);
        }
        out->str = str;
    }
    return MP_OK;
}

static const char OBJECTS[] = "Python objects (texts in pandas' fixed form), which only Python can "
                              "read: write the frame with df.to_hdf(..., format='table')";

/* The columns of one block, named by its items. */
static mp_status add_block(frame *f, int64_t block) {
    mp_h5_in *in = f->b->in;
    const char *items = mp_h5_text(in, "%s/block%lld_items", f->path, (long long)block);
    const char *values = mp_h5_text(in, "%s/block%lld_values", f->path, (long long)block);
    mp_h5_dict names;
    if (!items || !values) return MP_NOMEM;
    mp_status st = names_of(f->b, items, &names);
    if (st) return st;
    hid_t dset = H5Dopen2(in->file, values, H5P_DEFAULT);
    if (dset < 0) return mp_h5_broken(in, values, "the dataset cannot be opened");
    hid_t type = H5Dget_type(dset);
    bool objects = type >= 0 && H5Tget_class(type) == H5T_VLEN;
    const char *kind = mp_h5_attr_text(in, dset, "value_type");
    if (type >= 0) H5Tclose(type);
    H5Dclose(dset);
    size_t from = f->b->columns.n;
    for (int64_t i = 0; objects && i < names.n; i++) {
        mp_h5_column *c = mp_h5_add_column(f->b, "");
        if (!c) return MP_NOMEM;
        c->form = MP_H5_UNREADABLE;
        c->type = MP_STRING;
        c->why = OBJECTS;
    }
    if (!objects) st = mp_h5_add_dataset(f->b, values, "c1", false);
    for (int64_t i = 0; i < names.n && !st && from + (size_t)i < f->b->columns.n; i++) {
        mp_h5_column *c = mp_h5_column_at(f->b, from + (size_t)i);
        c->name = mp_h5_text(in, "%.*s", (int)names.str[i].len, names.str[i].p);
        if (!c->name) return MP_NOMEM;
        apply_dtype(f, c, kind);
    }
    return st;
}

static mp_status add_index(frame *f, const char *dataset, const char *attr) {
    mp_h5_in *in = f->b->in;
    const char *path = mp_h5_join(in, f->path, dataset);
    hid_t dset = path ? H5Dopen2(in->file, path, H5P_DEFAULT) : -1;
    if (dset < 0) return mp_h5_broken(in, path, "the index cannot be opened");
    const char *kind = mp_h5_attr_text(in, dset, "kind"), *own = mp_h5_attr_text(in, dset, attr);
    hid_t type = H5Dget_type(dset);
    bool objects = type >= 0 && H5Tget_class(type) == H5T_VLEN;
    if (type >= 0) H5Tclose(type);
    H5Dclose(dset);
    const char *name = own && strcmp(own, "N.") != 0 ? own : "index";
    mp_status st = MP_OK;
    if (!objects) {
        st = mp_h5_add_dataset(f->b, path, name, false);
    } else {
        mp_h5_column *c = mp_h5_add_column(f->b, name);
        if (!c) return MP_NOMEM;
        c->form = MP_H5_UNREADABLE;
        c->type = MP_STRING;
        c->why = OBJECTS;
    }
    if (!st) apply_dtype(f, mp_h5_column_at(f->b, f->b->columns.n - 1), kind);
    return st;
}

/* A series is one dataset, values, and its index. */
static mp_status fixed_series(frame *f) {
    mp_h5_in *in = f->b->in;
    const char *own = mp_h5_attr_text(in, f->group, "name");
    const char *path = mp_h5_join(in, f->path, "values");
    if (!path) return MP_NOMEM;
    mp_status st = add_index(f, "index", "name");
    const char *name = own && strcmp(own, "N.") != 0 ? own : "values";
    return st ? st : mp_h5_add_dataset(f->b, path, name, false);
}

static mp_status fixed_frame(frame *f) {
    int64_t n = 0;
    double unused;
    bool is_float;
    if (!mp_h5_attr_number(f->group, "nblocks", &n, &unused, &is_float) || n < 0 || n > 100000)
        return mp_h5_broken(f->b->in, f->path, "the number of its blocks cannot be read");
    mp_h5_dict order;
    const char *axis = mp_h5_join(f->b->in, f->path, "axis0");
    mp_status st = axis ? add_index(f, "axis1", "name") : MP_NOMEM;
    for (int64_t i = 0; i < n && !st; i++)
        st = add_block(f, i);
    if (!st) st = names_of(f->b, axis, &order);
    if (st) return st;
    mp_h5_column *old = f->b->columns.items;
    size_t n_columns = f->b->columns.n, k = 1;
    for (int64_t i = 0; i < order.n; i++)
        for (size_t c = k; c < n_columns; c++) {
            if (!mp_str_eq(mp_str_c(old[c].name), order.str[i])) continue;
            mp_h5_column moved = old[c];
            memmove(&old[k + 1], &old[k], (c - k) * sizeof *old);
            old[k++] = moved;
            break;
        }
    return MP_OK;
}

mp_status mp_h5_pandas_fixed(mp_h5_build *b, const char *path) {
    b->kind = "pandas frame in fixed form";
    frame f = {.b = b, .path = path, .group = -1, .table = -1};
    mp_status st = open_frame(&f);
    const char *type = st ? NULL : mp_h5_attr_text(b->in, f.group, "pandas_type");
    if (!st) st = type && strcmp(type, "series") == 0 ? fixed_series(&f) : fixed_frame(&f);
    if (f.group >= 0) H5Gclose(f.group);
    return st;
}
