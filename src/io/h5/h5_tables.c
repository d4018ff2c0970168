/* h5_tables.c - the columns of each kind of table: which datasets, under which names, in which order.
 * Invariant: the order and the names are those that the tool which wrote the file shows. */
#include "io/h5/h5_in.h"

static const mp_h5_node *node_at(const mp_h5_list *nodes, int32_t i) {
    return (const mp_h5_node *)nodes->items + i;
}

static bool exists(mp_h5_in *in, const char *path) {
    /* every part of the way has to be there */
    size_t n = strlen(path);
    char *part = mp_h5_take(in, n + 1, 1);
    for (size_t i = 1; part && i <= n; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        if (H5Lexists(in->file, part, H5P_DEFAULT) <= 0) return false;
    }
    return part && H5Oexists_by_name(in->file, path, H5P_DEFAULT) > 0;
}

mp_status mp_h5_add_mask(mp_h5_build *b, const char *path, int32_t *mask) {
    mp_h5_build own = *b;
    own.columns = (mp_h5_list){.size = sizeof(mp_h5_column)};
    mp_status st = mp_h5_add_dataset(&own, path, "null", false);
    b->arrays = own.arrays;
    b->dicts = own.dicts;
    *mask = -1;
    if (st || own.columns.n != 1) return st;
    mp_h5_column c = *mp_h5_column_at(&own, 0);
    bool whole = (c.form == MP_H5_INT || c.form == MP_H5_UINT) && c.dict < 0;
    mp_h5_column *to = whole ? mp_h5_list_add(b->in, &b->hidden) : NULL;
    if (!to) return whole ? MP_NOMEM : MP_OK;
    *to = c;
    to->type = MP_BOOL;
    to->has_null = to->scaled = false;
    *mask = (int32_t)b->hidden.n - 1;
    return MP_OK;
}

/* ---- one dataset ---- */

/* The coordinates along the first dimension of a netCDF variable; NULL: none. */
static const char *scale_of(mp_h5_in *in, hid_t dset, const char *path) {
    const char *out = NULL;
    if (!mp_h5_has_attr(dset, "DIMENSION_LIST")) return NULL;
    hid_t attr = H5Aopen(dset, "DIMENSION_LIST", H5P_DEFAULT);
    hid_t type = attr >= 0 ? H5Aget_type(attr) : -1, space = attr >= 0 ? H5Aget_space(attr) : -1;
    hssize_t n = space >= 0 ? H5Sget_simple_extent_npoints(space) : 0;
    hid_t base = type >= 0 && H5Tget_class(type) == H5T_VLEN ? H5Tget_super(type) : -1;
    bool refs = base >= 0 && H5Tequal(base, H5T_STD_REF_OBJ) > 0;
    hvl_t *lists =
        refs && n > 0 && n <= MP_H5_MAX_DIMS ? mp_h5_take(in, (size_t)n, sizeof *lists) : NULL;
    if (lists && H5Aread(attr, type, lists) >= 0) {
        hid_t scale =
            lists[0].len > 0 ? H5Rdereference2(dset, H5P_DEFAULT, H5R_OBJECT, lists[0].p) : -1;
        char name[1024] = "";
        if (scale >= 0 && H5Iget_name(scale, name, sizeof name) > 0 && strcmp(name, path) != 0 &&
            H5Iget_type(scale) == H5I_DATASET)
            out = mp_h5_text(in, "%s", name);
        if (scale >= 0) H5Oclose(scale);
        H5Dvlen_reclaim(type, space, H5P_DEFAULT, lists);
    }
    if (base >= 0) H5Tclose(base);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (attr >= 0) H5Aclose(attr);
    return out;
}

static bool is_coordinate(const mp_h5_list *nodes, const char *path, int64_t rows) {
    for (size_t i = 0; i < nodes->n; i++) {
        const mp_h5_node *n = node_at(nodes, (int32_t)i);
        if (strcmp(n->path, path) == 0)
            return n->kind == 'd' && n->n_dims == 1 && n->dims[0] == rows &&
                   (n->numeric || n->text);
    }
    return false;
}

static mp_status add_coordinates(mp_h5_build *b, const mp_h5_list *nodes, const mp_h5_node *n) {
    hid_t dset = H5Dopen2(b->in->file, n->path, H5P_DEFAULT);
    const char *scale = dset >= 0 ? scale_of(b->in, dset, n->path) : NULL;
    if (dset >= 0) H5Dclose(dset);
    if (!scale || !is_coordinate(nodes, scale, n->dims[0])) return MP_OK;
    return mp_h5_add_dataset(b, scale, mp_h5_base_name(scale), false);
}

/* mpart's own marks: null/COLUMN beside the table. */
static mp_status add_null_marks(mp_h5_build *b, const mp_h5_list *nodes, const mp_h5_node *n) {
    if (n->type != H5T_COMPOUND || n->parent < 0) return MP_OK;
    const char *folder = mp_h5_join(b->in, node_at(nodes, n->parent)->path, "null");
    if (!folder) return MP_NOMEM;
    if (!exists(b->in, folder)) return MP_OK;
    for (size_t c = 0; c < b->columns.n; c++) {
        const char *path = mp_h5_join(b->in, folder, mp_h5_column_at(b, c)->name);
        if (!path) return MP_NOMEM;
        int32_t mask = -1;
        mp_status st = exists(b->in, path) ? mp_h5_add_mask(b, path, &mask) : MP_OK;
        if (st) return st;
        mp_h5_column_at(b, c)->mask = mask;
    }
    return MP_OK;
}

static mp_status make_dataset(mp_h5_build *b, const mp_h5_list *nodes, const mp_h5_node *n) {
    b->kind = n->type == H5T_COMPOUND ? "compound dataset" : "array";
    mp_status st = add_coordinates(b, nodes, n);
    if (!st) st = mp_h5_add_dataset(b, n->path, mp_h5_base_name(n->path), false);
    return st ? st : add_null_marks(b, nodes, n);
}

/* ---- groups of columns, AnnData ---- */

static bool is_group(mp_h5_in *in, const char *path) {
    H5O_info_t info;
    return H5Oget_info_by_name(in->file, path, &info, H5P_DEFAULT) >= 0 &&
           info.type == H5O_TYPE_GROUP;
}

/* Give column c the values that its codes stand for: a dataset, or where those are nullable a group, whose marks say nothing
 * (null has no code). */
static mp_status decode_column(mp_h5_build *b, size_t c, const char *categories) {
    mp_h5_dict *d = mp_h5_list_add(b->in, &b->dicts);
    if (d && is_group(b->in, categories)) categories = mp_h5_join(b->in, categories, "values");
    if (!d || !categories) return MP_NOMEM;
    mp_status st = mp_h5_read_dict(b, categories, d);
    mp_h5_column *col = mp_h5_column_at(b, c);
    if (st || col->form == MP_H5_UNREADABLE) return st;
    if (col->form != MP_H5_INT && col->form != MP_H5_UINT)
        return mp_h5_broken(b->in, categories, "the codes of its values are no integers");
    d = (mp_h5_dict *)b->dicts.items + b->dicts.n - 1;
    col->dict = (int32_t)b->dicts.n - 1;
    col->type = d->type;
    col->has_null = col->scaled = false;
    return MP_OK;
}

/* A group that is one column. */
static mp_status add_encoded(mp_h5_build *b, const char *path, const char *name) {
    mp_h5_in *in = b->in;
    const char *codes = mp_h5_join(in, path, "codes"), *values = mp_h5_join(in, path, "values");
    const char *categories = mp_h5_join(in, path, "categories"),
               *mask = mp_h5_join(in, path, "mask");
    if (!codes || !values || !categories || !mask) return MP_NOMEM;
    bool coded = exists(in, codes) && exists(in, categories);
    if (!coded && !exists(in, values))
        return mp_h5_broken(in, path, "a column that is neither codes and categories nor values");
    mp_status st = mp_h5_add_dataset(b, coded ? codes : values, name, false);
    size_t c = b->columns.n - 1;
    if (!st && coded) return decode_column(b, c, categories);
    int32_t at = -1;
    if (!st && exists(in, mask)) st = mp_h5_add_mask(b, mask, &at);
    if (!st) mp_h5_column_at(b, c)->mask = at;
    return st;
}

static mp_status add_member(mp_h5_build *b, const char *path, const char *name) {
    if (is_group(b->in, path)) return add_encoded(b, path, name);
    return mp_h5_add_dataset(b, path, name, false);
}

static mp_status make_group(mp_h5_build *b, const mp_h5_list *nodes, int32_t i) {
    b->kind = "group of columns";
    int32_t *members = mp_h5_take(b->in, nodes->n, sizeof *members);
    int n = 0;
    mp_status st = members ? MP_OK : MP_NOMEM;
    if (st || !mp_h5_group_members(b->in, nodes, i, members, &n)) return st;
    for (int k = 0; k < n && !st; k++) {
        const char *path = node_at(nodes, members[k])->path;
        if (b->in->matlab)
            st = mp_h5_add_dataset(b, path, mp_h5_base_name(path), true);
        else
            st = add_member(b, path, mp_h5_base_name(path));
    }
    return st;
}

/* Before AnnData 0.8 the categories of a column stood in __categories. */
static mp_status add_frame_column(mp_h5_build *b, const char *group, const char *name) {
    mp_h5_in *in = b->in;
    const char *path = mp_h5_join(in, group, name), *old = mp_h5_join(in, group, "__categories");
    const char *categories = old ? mp_h5_join(in, old, name) : NULL;
    if (!path || !categories) return MP_NOMEM;
    if (!exists(in, path))
        return mp_h5_broken(in, path, "a column that the frame lists is missing");
    mp_status st = add_member(b, path, name);
    bool coded = !st && !is_group(in, path) && exists(in, categories);
    return coded ? decode_column(b, b->columns.n - 1, categories) : st;
}

static mp_status make_frame(mp_h5_build *b, const mp_h5_node *n) {
    b->kind = "data frame group";
    hid_t group = H5Gopen2(b->in->file, n->path, H5P_DEFAULT);
    if (group < 0) return mp_h5_broken(b->in, n->path, "the group cannot be opened");
    int64_t n_names;
    const char *index = mp_h5_attr_text(b->in, group, "_index");
    const char **names = mp_h5_attr_texts(b->in, group, "column-order", &n_names);
    /* an index that mpart wrote is the row's number, for tools that want one */
    bool ours = mp_h5_has_attr(group, "mpart_version");
    H5Gclose(group);
    mp_status st = MP_OK;
    bool listed = ours;
    for (int64_t i = 0; index && i < n_names; i++)
        listed = listed || strcmp(names[i], index) == 0;
    if (index && !listed) st = add_frame_column(b, n->path, index);
    for (int64_t i = 0; i < n_names && !st; i++)
        st = add_frame_column(b, n->path, names[i]);
    return st;
}

/* ---- all of them ---- */

mp_status mp_h5_make_table(mp_h5_in *in, const mp_h5_list *nodes, int32_t i, mp_h5_layout *out) {
    mp_h5_build b;
    const mp_h5_node *n = node_at(nodes, i);
    mp_h5_build_init(&b, in, "array");
    mp_status st = MP_OK;
    switch (n->table) {
    case MP_H5_MATLAB_ARRAY:
        b.kind = "MATLAB array";
        st = mp_h5_add_dataset(&b, n->path, mp_h5_base_name(n->path), true);
        break;
    case MP_H5_COLUMN_GROUP:
        st = make_group(&b, nodes, i);
        break;
    case MP_H5_FRAME_GROUP:
        st = make_frame(&b, n);
        break;
    case MP_H5_VAEX:
        st = mp_h5_make_vaex(&b, nodes, i);
        break;
    case MP_H5_PANDAS_TABLE:
        st = mp_h5_pandas_table(&b, n->path);
        break;
    case MP_H5_PANDAS_FIXED:
        st = mp_h5_pandas_fixed(&b, n->path);
        break;
    default:
        st = make_dataset(&b, nodes, n);
    }
    return st ? st : mp_h5_build_layout(&b, n->path, out);
}
