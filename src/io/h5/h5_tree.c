/* h5_tree.c - every object of a file as a line of a listing. */
#include "io/h5/h5_tree.h"

static const char *type_text(mp_h5_in *in, hid_t type);

static const char *compound_text(mp_h5_in *in, hid_t type) {
    mp_buf b;
    mp_buf_init(&b, NULL);
    int n = H5Tget_nmembers(type);
    for (int i = 0; i < n && i < 8; i++) {
        char *name = H5Tget_member_name(type, (unsigned)i);
        hid_t member = H5Tget_member_type(type, (unsigned)i);
        const char *text = member >= 0 ? type_text(in, member) : NULL;
        mp_buf_printf(&b, "%s%s %s", i ? ", " : "", name ? name : "?", text ? text : "?");
        if (member >= 0) H5Tclose(member);
        H5free_memory(name);
    }
    if (n > 8) mp_buf_printf(&b, ", %d more", n - 8);
    const char *out = mp_h5_text(in, "{%.*s}", (int)b.len, b.data ? (char *)b.data : "");
    mp_buf_release(&b);
    return out;
}

static const char *number_text(mp_h5_in *in, hid_t type, const char *kind) {
    size_t n = H5Tget_size(type);
    bool big = n > 1 && H5Tget_order(type) == H5T_ORDER_BE;
    return mp_h5_text(in, "%s%zu%s", kind, 8 * n, big ? " big-endian" : "");
}

static const char *type_text(mp_h5_in *in, hid_t type) {
    hid_t base;
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        return number_text(in, type, H5Tget_sign(type) == H5T_SGN_2 ? "int" : "uint");
    case H5T_FLOAT:
        return number_text(in, type, "float");
    case H5T_BITFIELD:
        return number_text(in, type, "bits");
    case H5T_TIME:
        return number_text(in, type, "time");
    case H5T_STRING:
        return H5Tis_variable_str(type) > 0
                   ? "string"
                   : mp_h5_text(in, "string of %zu bytes", H5Tget_size(type));
    case H5T_ENUM:
        return mp_h5_text(in, "enum of %d", H5Tget_nmembers(type));
    case H5T_COMPOUND:
        return compound_text(in, type);
    case H5T_ARRAY: {
        base = H5Tget_super(type);
        const char *text = base >= 0 ? type_text(in, base) : "?";
        size_t n = base >= 0 && H5Tget_size(base) ? H5Tget_size(type) / H5Tget_size(base) : 0;
        if (base >= 0) H5Tclose(base);
        return mp_h5_text(in, "%s[%zu]", text, n);
    }
    case H5T_REFERENCE:
        return "reference";
    case H5T_VLEN:
        return "lists";
    default:
        return mp_h5_text(in, "opaque of %zu bytes", H5Tget_size(type));
    }
}

static const char *shape_text(mp_h5_in *in, const mp_h5_node *n) {
    char text[MP_H5_MAX_DIMS * 22] = "scalar";
    size_t at = 0;
    for (int d = 0; d < n->n_dims; d++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%lld", d ? " x " : "",
                               (long long)n->dims[d]);
    return mp_h5_text(in, "%s", text);
}

static const char *filter_text(H5Z_filter_t id) {
    switch (id) {
    case H5Z_FILTER_DEFLATE:
        return "deflate";
    case H5Z_FILTER_SHUFFLE:
        return "shuffle";
    case H5Z_FILTER_FLETCHER32:
        return "fletcher32";
    case H5Z_FILTER_SZIP:
        return "szip";
    case H5Z_FILTER_NBIT:
        return "nbit";
    case H5Z_FILTER_SCALEOFFSET:
        return "scaleoffset";
    case MP_H5_LZF:
        return "lzf";
    default:
        return NULL;
    }
}

static void put_filters(mp_buf *b, hid_t dcpl) {
    int n = H5Pget_nfilters(dcpl);
    for (int i = 0; i < n && i < 32; i++) {
        unsigned flags, config, values[8];
        size_t n_values = 8;
        char name[64] = "";
        H5Z_filter_t id = H5Pget_filter2(dcpl, (unsigned)i, &flags, &n_values, values, sizeof name,
                                         name, &config);
        const char *known = filter_text(id);
        if (known)
            mp_buf_printf(b, ", %s", known);
        else
            mp_buf_printf(b, ", filter %d %.40s", (int)id, name);
        if (id == H5Z_FILTER_DEFLATE && n_values > 0) mp_buf_printf(b, " %u", values[0]);
    }
}

static const char *storage_text(mp_h5_in *in, hid_t dset, int n_dims) {
    hid_t dcpl = H5Dget_create_plist(dset);
    if (dcpl < 0) return NULL;
    mp_buf b;
    mp_buf_init(&b, NULL);
    hsize_t dims[MP_H5_MAX_DIMS];
    switch (H5Pget_layout(dcpl)) {
    case H5D_COMPACT:
        mp_buf_printf(&b, "compact");
        break;
    case H5D_CONTIGUOUS:
        mp_buf_printf(&b, H5Pget_external_count(dcpl) > 0 ? "in other files" : "contiguous");
        break;
    case H5D_VIRTUAL: {
        size_t n = 0;
        H5Pget_virtual_count(dcpl, &n);
        mp_buf_printf(&b, "virtual, of %zu", n);
        break;
    }
    default:
        if (H5Pget_chunk(dcpl, MP_H5_MAX_DIMS, dims) == n_dims)
            for (int d = 0; d < n_dims; d++)
                mp_buf_printf(&b, "%s%llu", d ? " x " : "chunks of ", (unsigned long long)dims[d]);
        put_filters(&b, dcpl);
    }
    const char *out = mp_h5_text(in, "%.*s", (int)b.len, b.data ? (char *)b.data : "");
    mp_buf_release(&b);
    H5Pclose(dcpl);
    return out;
}

static void put_object(mp_h5_in *in, const mp_h5_list *nodes, int32_t i, mp_buf *out) {
    const mp_h5_node *n = (mp_h5_node *)nodes->items + i;
    const char *type = NULL, *storage = NULL, *note = n->note;
    hid_t dset = n->kind == 'd' ? H5Dopen2(in->file, n->path, H5P_DEFAULT) : -1;
    mp_h5_layout table = {0};
    if (dset >= 0) {
        hid_t own = H5Dget_type(dset);
        if (own >= 0) type = type_text(in, own);
        if (own >= 0) H5Tclose(own);
        storage = storage_text(in, dset, n->n_dims);
        H5Dclose(dset);
    }
    bool readable = n->table != MP_H5_NO_TABLE;
    if (readable && mp_h5_make_table(in, nodes, i, &table)) {
        readable = false;
        note = mp_h5_text(in, "%s", in->err->why);
        mp_error_init(in->err);
    }
    if (readable) note = table.kind;
    mp_buf_text(out, n->path);
    mp_buf_u8(out, (uint8_t)n->kind);
    mp_buf_u8(out, readable);
    mp_buf_i64(out, table.n_rows);
    mp_buf_u32(out, (uint32_t)table.n_columns);
    mp_buf_text(out, n->kind == 'd' ? shape_text(in, n) : NULL);
    mp_buf_text(out, type);
    mp_buf_text(out, storage);
    mp_buf_text(out, note);
}

/* What PyTables keeps to search by is told as one. */
static bool is_index(const mp_h5_node *n) {
    return n->kind == 'g' && strncmp(mp_h5_base_name(n->path), "_i_", 3) == 0;
}

void mp_h5_tree_put(mp_h5_in *in, const mp_h5_list *nodes, mp_buf *out) {
    mp_h5_node *all = nodes->items;
    for (size_t i = 0; i < nodes->n;) {
        int depth = all[i].depth;
        bool whole = is_index(&all[i]);
        if (whole) all[i].note = "indexes of PyTables";
        put_object(in, nodes, (int32_t)i++, out);
        while (whole && i < nodes->n && all[i].depth > depth)
            i++;
    }
}

bool mp_h5_tree_next(mp_rd *rd, mp_arena *arena, mp_h5_object *out) {
    *out = (mp_h5_object){0};
    if (mp_rd_left(rd) == 0 || !mp_rd_text(rd, arena, &out->path) || !out->path) return false;
    out->kind = (char)mp_rd_u8(rd);
    out->table = mp_rd_u8(rd) != 0;
    out->rows = mp_rd_i64(rd);
    out->columns = (int32_t)mp_rd_u32(rd);
    return mp_rd_text(rd, arena, &out->shape) && mp_rd_text(rd, arena, &out->type) &&
           mp_rd_text(rd, arena, &out->storage) && mp_rd_text(rd, arena, &out->note) && !rd->bad;
}
