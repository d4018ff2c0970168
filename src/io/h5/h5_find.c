/* h5_find.c - which objects are tables: the layouts that are out there, told by their attributes and
 * shapes.
 * Invariant: a dataset that is part of a table is no table beside it. */
#include "io/h5/h5_in.h"

static const mp_h5_node *node_at(const mp_h5_list *nodes, int32_t i) {
    return (const mp_h5_node *)nodes->items + i;
}

static bool attr_is(mp_h5_in *in, hid_t object, const char *name, const char *value) {
    const char *text = mp_h5_attr_text(in, object, name);
    return text && strcmp(text, value) == 0;
}

static bool is_child(const mp_h5_list *nodes, int32_t i, int32_t parent) {
    return node_at(nodes, i)->parent == parent;
}

static int32_t child_named(const mp_h5_list *nodes, int32_t parent, const char *name) {
    for (int32_t i = parent + 1; i < (int32_t)nodes->n; i++) {
        if (node_at(nodes, i)->depth <= node_at(nodes, parent)->depth) break;
        if (is_child(nodes, i, parent) &&
            strcmp(mp_h5_base_name(node_at(nodes, i)->path), name) == 0)
            return i;
    }
    return -1;
}

/* The first node behind i and all that is below it. */
static int32_t behind(const mp_h5_list *nodes, int32_t i) {
    int32_t k = i + 1;
    while (k < (int32_t)nodes->n && node_at(nodes, k)->depth > node_at(nodes, i)->depth)
        k++;
    return k;
}

/* ---- groups of columns ---- */

/* Rows of a column that this child may be, -1. MATLAB's column vectors have a first dimension of 1. */
static int64_t column_rows(const mp_h5_in *in, const mp_h5_node *n) {
    if (n->column) return n->dims[0];
    if (n->kind != 'd' || n->alias || !(n->numeric || n->text || n->odd)) return -1;
    if (in->matlab) return n->n_dims == 2 && n->dims[0] == 1 && n->numeric ? n->dims[1] : -1;
    return n->n_dims == 1 ? n->dims[0] : -1;
}

bool mp_h5_group_members(mp_h5_in *in, const mp_h5_list *nodes, int32_t group, int32_t *out,
                         int *n) {
    int n_all = 0;
    for (int32_t i = group + 1; i < (int32_t)nodes->n; i++) {
        if (node_at(nodes, i)->depth <= node_at(nodes, group)->depth) break;
        if (is_child(nodes, i, group) && column_rows(in, node_at(nodes, i)) >= 0) out[n_all++] = i;
    }
    int64_t best_rows = -1;
    int best = 0, second = 0;
    for (int a = 0; a < n_all; a++) { /* lengths are few */
        int64_t rows = column_rows(in, node_at(nodes, out[a]));
        bool before = false;
        int same = 0;
        for (int k = 0; k < n_all && !before; k++) {
            bool equal = column_rows(in, node_at(nodes, out[k])) == rows;
            before = equal && k < a;
            same += equal;
        }
        if (before) continue;
        if (same > best) {
            second = best;
            best = same;
            best_rows = rows;
        } else if (same > second) {
            second = same;
        }
    }
    *n = 0;
    if (best == 0 || best == second || (best == 1 && n_all > 1)) return false;
    for (int a = 0; a < n_all; a++)
        if (column_rows(in, node_at(nodes, out[a])) == best_rows) out[(*n)++] = out[a];
    return true;
}

/* ---- kinds ---- */

static bool is_vaex(mp_h5_in *in, const mp_h5_list *nodes, int32_t i) {
    (void)in;
    int32_t columns = child_named(nodes, i, "columns");
    if (columns < 0 || node_at(nodes, columns)->kind != 'g') return false;
    for (int32_t k = columns + 1; k < (int32_t)nodes->n; k++) {
        if (node_at(nodes, k)->depth <= node_at(nodes, columns)->depth) break;
        if (is_child(nodes, k, columns) && child_named(nodes, k, "data") >= 0) return true;
    }
    return false;
}

static mp_h5_kind group_kind(mp_h5_in *in, const mp_h5_list *nodes, int32_t i) {
    const mp_h5_node *n = node_at(nodes, i);
    hid_t group = H5Gopen2(in->file, n->path, H5P_DEFAULT);
    if (group < 0) return MP_H5_NO_TABLE;
    const char *pandas = mp_h5_attr_text(in, group, "pandas_type");
    bool frame = attr_is(in, group, "encoding-type", "dataframe");
    const char *encoding = mp_h5_attr_text(in, group, "encoding-type");
    bool sparse = encoding && strstr(encoding, "_matrix");
    H5Gclose(group);
    if (pandas && strstr(pandas, "_table")) return MP_H5_PANDAS_TABLE;
    if (pandas) return MP_H5_PANDAS_FIXED;
    if (frame) return MP_H5_FRAME_GROUP;
    if (sparse || n->column) return MP_H5_NO_TABLE;
    if (is_vaex(in, nodes, i)) return MP_H5_VAEX;
    int32_t *members = mp_h5_take(in, (size_t)(behind(nodes, i) - i), sizeof *members);
    int n_members = 0;
    return members && mp_h5_group_members(in, nodes, i, members, &n_members) ? MP_H5_COLUMN_GROUP
                                                                             : MP_H5_NO_TABLE;
}

mp_h5_kind mp_h5_kind_of(mp_h5_in *in, const mp_h5_list *nodes, int32_t i) {
    const mp_h5_node *n = node_at(nodes, i);
    if (n->kind == 'g') return group_kind(in, nodes, i);
    if (n->kind != 'd' || n->n_dims == 0) return MP_H5_NO_TABLE;
    if (n->type == H5T_COMPOUND) return n->n_dims == 1 ? MP_H5_DATASET : MP_H5_NO_TABLE;
    if (!n->numeric && !n->text && !(n->odd && n->n_dims == 1)) return MP_H5_NO_TABLE;
    return in->matlab && n->n_dims >= 2 ? MP_H5_MATLAB_ARRAY : MP_H5_DATASET;
}

/* ---- marking ---- */

/* The group i beside the compound t holds nothing but integers, one for each of its rows. */
static bool marks_rows_of(const mp_h5_list *nodes, int32_t i, int32_t t) {
    const mp_h5_node *table = node_at(nodes, t);
    if (table->kind != 'd' || table->type != H5T_COMPOUND || table->n_dims != 1) return false;
    for (int32_t k = i + 1, end = behind(nodes, i); k < end; k++) {
        const mp_h5_node *m = node_at(nodes, k);
        if (m->kind != 'd' || m->type != H5T_INTEGER || m->n_dims != 1) return false;
        if (m->dims[0] != table->dims[0]) return false;
    }
    return true;
}

/* Not data of the user's: indexes of PyTables, MATLAB's own, the null marks beside a table. */
static bool is_hidden(mp_h5_in *in, const mp_h5_list *nodes, int32_t i) {
    const mp_h5_node *n = node_at(nodes, i);
    const char *name = mp_h5_base_name(n->path);
    if (in->matlab && (strcmp(name, "#refs#") == 0 || strcmp(name, "#subsystem#") == 0))
        return true;
    if (strncmp(name, "_i_", 3) == 0 && n->kind == 'g') return true;
    if (strcmp(name, "null") != 0 || n->kind != 'g' || n->parent < 0) return false;
    for (int32_t k = n->parent + 1, end = behind(nodes, n->parent); k < end; k++)
        if (is_child(nodes, k, n->parent) && marks_rows_of(nodes, i, k)) return true;
    return false;
}

/* A dataset beside nothing is a table by its own name. */
static bool lone_member(mp_h5_in *in, const mp_h5_list *nodes, int32_t i) {
    int32_t *members = mp_h5_take(in, (size_t)(behind(nodes, i) - i), sizeof *members);
    int n = 0;
    if (!members || !mp_h5_group_members(in, nodes, i, members, &n) || n != 1) return false;
    const mp_h5_node *m = node_at(nodes, members[0]);
    return m->kind == 'd' && !m->odd;
}

static mp_status mark_members(mp_h5_in *in, mp_h5_list *nodes, int32_t i) {
    int32_t *members = mp_h5_take(in, (size_t)(behind(nodes, i) - i), sizeof *members);
    int n = 0;
    if (!members) return MP_NOMEM;
    if (!mp_h5_group_members(in, nodes, i, members, &n)) return MP_OK;
    for (int k = 0; k < n; k++)
        ((mp_h5_node *)nodes->items)[members[k]].member = true;
    return MP_OK;
}

/* Coordinates are tables only where there is nothing else. */
static void drop_scales(mp_h5_list *nodes) {
    bool other = false;
    mp_h5_node *n = nodes->items;
    for (size_t i = 0; i < nodes->n; i++)
        other = other || (n[i].table && !n[i].scale);
    for (size_t i = 0; other && i < nodes->n; i++)
        if (n[i].scale) n[i].table = MP_H5_NO_TABLE;
}

mp_status mp_h5_mark_tables(mp_h5_in *in, mp_h5_list *nodes) {
    mp_h5_node *n = nodes->items;
    for (int32_t i = 0; i < (int32_t)nodes->n;) {
        if (is_hidden(in, nodes, i)) {
            i = behind(nodes, i);
            continue;
        }
        mp_h5_kind kind = n[i].member || n[i].alias ? MP_H5_NO_TABLE : mp_h5_kind_of(in, nodes, i);
        if (n[i].odd) kind = MP_H5_NO_TABLE;
        n[i].table = kind;
        if (kind == MP_H5_COLUMN_GROUP && lone_member(in, nodes, i))
            n[i].table = kind = MP_H5_NO_TABLE;
        bool whole = kind >= MP_H5_PANDAS_TABLE || n[i].column;
        if (kind == MP_H5_COLUMN_GROUP) {
            mp_status st = mark_members(in, nodes, i);
            if (st) return st;
        }
        i = whole ? behind(nodes, i) : i + 1;
    }
    drop_scales(nodes);
    return MP_OK;
}
