/* h5_walk.c - every object of a file, in the order of its groups.
 * Invariant: the walk ends: no object is below itself, depth and number are bounded. A link that leads
 * nowhere is an object of its own, never an error. */
#include "io/h5/h5_in.h"

enum { MOST_NODES = 1 << 20, MOST_DEPTH = 64 };

typedef struct {
    mp_h5_in *in;
    mp_h5_list *nodes;
    struct {
        unsigned long fileno;
        haddr_t addr;
    } above[MOST_DEPTH + 1];
} walker;

typedef struct {
    mp_h5_in *in;
    mp_h5_list names;
} name_list;

static herr_t note_name(hid_t group, const char *name, const H5L_info_t *info, void *ctx) {
    (void)group, (void)info;
    name_list *l = ctx;
    const char **slot = l->names.n < MOST_NODES ? mp_h5_list_add(l->in, &l->names) : NULL;
    if (!slot) return -1;
    *slot = mp_h5_text(l->in, "%s", name);
    return *slot ? 0 : -1;
}

/* Names of a group's links: in the order of their creation where the file keeps it. */
static mp_status list_names(walker *w, hid_t group, const char *path, name_list *out) {
    *out = (name_list){.in = w->in, .names = {.size = sizeof(char *)}};
    unsigned order = 0;
    hid_t plist = H5Gget_create_plist(group);
    if (plist >= 0) {
        if (H5Pget_link_creation_order(plist, &order) < 0) order = 0;
        H5Pclose(plist);
    }
    H5_index_t by = order & H5P_CRT_ORDER_TRACKED ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
    hsize_t at = 0;
    if (H5Literate(group, by, H5_ITER_INC, &at, note_name, out) >= 0) return MP_OK;
    return mp_h5_broken(w->in, path, "the group cannot be listed");
}

static void describe_dataset(walker *w, hid_t dset, mp_h5_node *node) {
    hsize_t dims[MP_H5_MAX_DIMS];
    hid_t type = H5Dget_type(dset), space = H5Dget_space(dset);
    node->kind = 'd';
    node->type = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    int n = space >= 0 ? H5Sget_simple_extent_ndims(space) : 0;
    if (n > 0 && n <= MP_H5_MAX_DIMS && H5Sget_simple_extent_dims(space, dims, NULL) == n) {
        node->n_dims = n;
        for (int d = 0; d < n; d++)
            node->dims[d] = dims[d] > INT64_MAX ? INT64_MAX : (int64_t)dims[d];
    }
    node->text = node->type == H5T_STRING;
    node->numeric = node->type == H5T_INTEGER || node->type == H5T_FLOAT ||
                    node->type == H5T_ENUM || node->type == H5T_BITFIELD;
    node->odd = node->type == H5T_OPAQUE || node->type == H5T_TIME || node->type == H5T_REFERENCE ||
                node->type == H5T_VLEN;
    const char *cls = mp_h5_attr_text(w->in, dset, "CLASS");
    node->scale = cls && strcmp(cls, "DIMENSION_SCALE") == 0;
    const char *name = node->scale ? mp_h5_attr_text(w->in, dset, "NAME") : NULL;
    if (name && strncmp(name, "This is a netCDF dimension but not", 34) == 0)
        node->numeric = node->text = node->odd = false;
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
}

/* Rows of a dataset below a group, -1. */
static int64_t length_below(hid_t group, const char *name) {
    if (H5Lexists(group, name, H5P_DEFAULT) <= 0) return -1;
    hid_t dset = H5Dopen2(group, name, H5P_DEFAULT);
    if (dset < 0) return -1;
    hid_t space = H5Dget_space(dset);
    hsize_t dims[MP_H5_MAX_DIMS];
    int64_t n = -1;
    if (space >= 0 && H5Sget_simple_extent_ndims(space) == 1 &&
        H5Sget_simple_extent_dims(space, dims, NULL) == 1 && dims[0] < INT64_MAX)
        n = (int64_t)dims[0];
    if (space >= 0) H5Sclose(space);
    H5Dclose(dset);
    return n;
}

/* AnnData's columns of two datasets. */
static void describe_group(walker *w, hid_t group, mp_h5_node *node) {
    node->kind = 'g';
    const char *encoding = mp_h5_attr_text(w->in, group, "encoding-type");
    if (!encoding) return;
    bool codes = strcmp(encoding, "categorical") == 0,
         values = strncmp(encoding, "nullable-", 9) == 0;
    int64_t n = codes ? length_below(group, "codes") : values ? length_below(group, "values") : -1;
    if (n < 0) return;
    node->column = true;
    node->n_dims = 1;
    node->dims[0] = n;
}

/* Where a link leads, for people. */
static const char *target_of(mp_h5_in *in, hid_t group, const char *name, const H5L_info_t *info) {
    char value[4096] = "";
    const char *file = NULL, *object = NULL;
    unsigned flags;
    if (info->type == H5L_TYPE_ERROR || info->type == H5L_TYPE_HARD) return NULL;
    if (info->u.val_size >= sizeof value ||
        H5Lget_val(group, name, value, sizeof value, H5P_DEFAULT) < 0)
        return NULL;
    value[sizeof value - 1] = 0;
    if (info->type == H5L_TYPE_SOFT) return mp_h5_text(in, "-> %s", value);
    if (info->type != H5L_TYPE_EXTERNAL ||
        H5Lunpack_elink_val(value, info->u.val_size, &flags, &file, &object) < 0)
        return NULL;
    return mp_h5_text(in, "-> '%s', %s", file, object);
}

static mp_status walk_group(walker *w, hid_t group, int32_t at, int depth);

/* The object that is open: its node, and what is below it. */
static mp_status walk_object(walker *w, hid_t object, mp_h5_node *node, int depth) {
    H5O_info_t info;
    if (H5Oget_info(object, &info) < 0) return MP_OK;
    if (info.type == H5O_TYPE_DATASET) describe_dataset(w, object, node);
    if (info.type != H5O_TYPE_GROUP) return MP_OK;
    describe_group(w, object, node);
    bool loops = depth >= MOST_DEPTH;
    for (int i = 0; i < depth && !loops; i++)
        loops = w->above[i].addr == info.addr && w->above[i].fileno == info.fileno;
    if (loops || node->alias) return MP_OK;
    w->above[depth].addr = info.addr;
    w->above[depth].fileno = info.fileno;
    int32_t at = (int32_t)(node - (mp_h5_node *)w->nodes->items);
    return walk_group(w, object, at, depth);
}

static mp_status walk_link(walker *w, hid_t group, const char *name, int32_t parent, int depth) {
    mp_h5_node *node = w->nodes->n < MOST_NODES ? mp_h5_list_add(w->in, w->nodes) : NULL;
    if (!node) return mp_h5_broken(w->in, NULL, "more than a million objects");
    const mp_h5_node *above = (mp_h5_node *)w->nodes->items + parent;
    H5L_info_t info;
    *node = (mp_h5_node){.kind = '?', .parent = parent, .depth = depth};
    node->path = mp_h5_join(w->in, above->path, name);
    if (!node->path) return MP_NOMEM;
    if (H5Lget_info(group, name, &info, H5P_DEFAULT) < 0) return MP_OK;
    node->alias = info.type == H5L_TYPE_SOFT;
    node->note = target_of(w->in, group, name, &info);
    hid_t object = H5Oopen(group, name, H5P_DEFAULT);
    if (object < 0) {
        node->kind = info.type == H5L_TYPE_HARD ? '?' : 'l';
        return MP_OK;
    }
    mp_status st = walk_object(w, object, node, depth);
    H5Oclose(object);
    return st;
}

static mp_status walk_group(walker *w, hid_t group, int32_t at, int depth) {
    name_list l;
    const char *path = ((mp_h5_node *)w->nodes->items)[at].path;
    mp_status st = list_names(w, group, path, &l);
    for (size_t i = 0; i < l.names.n && !st; i++)
        st = walk_link(w, group, ((const char **)l.names.items)[i], at, depth + 1);
    return st;
}

mp_status mp_h5_walk(mp_h5_in *in, mp_h5_list *nodes) {
    walker w = {.in = in, .nodes = nodes};
    *nodes = (mp_h5_list){.size = sizeof(mp_h5_node)};
    mp_h5_node *root = mp_h5_list_add(in, nodes);
    if (!root) return MP_NOMEM;
    *root = (mp_h5_node){.path = "/", .kind = 'g', .parent = -1};
    hid_t object = H5Oopen(in->file, "/", H5P_DEFAULT);
    if (object < 0) return mp_h5_broken(in, "/", "the root cannot be opened");
    mp_status st = walk_object(&w, object, root, 0);
    H5Oclose(object);
    return st;
}
