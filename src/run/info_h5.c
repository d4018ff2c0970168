/* info_h5.c - the objects of an HDF5 file as lines or as JSON. See info_h5.h. */
#include "run/info_h5.h"

#include "io/h5/h5_inspect.h"
#include "io/input/input.h"
#include "run/info.h"

enum { NAME_WIDTH = 40 };

static const char *kind_text(char kind) {
    switch (kind) {
    case 'g':
        return "group";
    case 'd':
        return "dataset";
    case 'l':
        return "link that leads nowhere";
    default:
        return "other";
    }
}

static void put_line(const mp_h5_object *o, int width, mp_buf *out) {
    mp_buf_printf(out, "  %-*s  %s", width, o->path, kind_text(o->kind));
    if (o->shape) mp_buf_printf(out, " %s", o->shape);
    if (o->type) mp_buf_printf(out, ", %s", o->type);
    if (o->storage) mp_buf_printf(out, ", %s", o->storage);
    if (o->table)
        mp_buf_printf(out, "  [table: %s, %lld row%s, %d column%s]", o->note ? o->note : "",
                      (long long)o->rows, o->rows == 1 ? "" : "s", o->columns,
                      o->columns == 1 ? "" : "s");
    else if (o->note)
        mp_buf_printf(out, "  %s", o->note);
    mp_buf_u8(out, '\n');
}

static void put_field(mp_buf *out, const char *name, const char *value) {
    if (!value) return;
    mp_buf_printf(out, ",\"%s\":", name);
    mp_info_put_json_text(out, value);
}

static void put_object(const mp_h5_object *o, bool first, mp_buf *out) {
    mp_buf_printf(out, "%s{\"path\":", first ? "" : ",");
    mp_info_put_json_text(out, o->path);
    put_field(out, "kind", o->kind == 'l' ? "link" : kind_text(o->kind));
    put_field(out, "shape", o->shape);
    put_field(out, "type", o->type);
    put_field(out, "storage", o->storage);
    put_field(out, o->table ? "table" : "note", o->note);
    if (o->table)
        mp_buf_printf(out, ",\"rows\":%lld,\"columns\":%d", (long long)o->rows, o->columns);
    mp_buf_u8(out, '}');
}

static mp_status put_tree(const mp_buf *answer, const char *path, bool json, mp_arena *arena,
                          mp_buf *out, int64_t *n_tables, mp_error *err) {
    mp_rd rd = mp_rd_of(answer->data, answer->len);
    mp_h5_object o;
    int width = 8;
    while (mp_h5_tree_next(&rd, arena, &o)) {
        int n = (int)strlen(o.path);
        if (n > width && n <= NAME_WIDTH) width = n;
        *n_tables += o.table;
    }
    if (rd.bad || mp_rd_left(&rd))
        return mp_error_set(err, MP_DATA, "broken HDF5 file", "its objects cannot be listed");
    if (json)
        mp_buf_u8(out, '[');
    else
        mp_buf_printf(out, "objects of %s:\n", path);
    rd = mp_rd_of(answer->data, answer->len);
    for (bool first = true; mp_h5_tree_next(&rd, arena, &o); first = false)
        json ? put_object(&o, first, out) : put_line(&o, width, out);
    if (json) mp_buf_u8(out, ']');
    return mp_buf_check(out, err);
}

/* Rank 0. */
static mp_status look(const mp_spec *spec, bool json, mp_mem *mem, mp_buf *text, int64_t *found,
                      mp_error *err) {
    mp_arena arena;
    mp_buf answer;
    mp_input *in = NULL;
    int n = 0;
    mp_arena_init(&arena, mem);
    mp_buf_init(&answer, mem);
    mp_status st = mp_input_list(spec->input.paths, spec->input.n_paths, &arena, &in, &n, err);
    if (!st && n == 1 && in->is_h5 && !in->object) {
        mp_h5_question q = {.path = in->path, .tree = true, .program = spec->run.inspector};
        found[0] = 1;
        st = mp_h5_inspect(&q, &answer, err);
        if (!st) st = put_tree(&answer, in->path, json, &arena, text, &found[1], err);
        if (st) mp_error_file(err, in->path);
    }
    mp_buf_release(&answer);
    mp_arena_release(&arena);
    return st;
}

mp_status mp_info_h5_tree(mp_comm *c, const mp_spec *spec, bool json, mp_mem *mem, mp_buf *text,
                          bool *is_tree, int64_t *n_tables, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    int64_t found[2] = {0, 0};
    mp_status st = mp_comm_rank(c) == 0 ? look(spec, json, mem, text, found, &mine) : MP_OK;
    st = mp_comm_agree_on(c, st, &mine, err);
    if (!st) st = mp_comm_allreduce(c, found, 2, MP_SUM, err);
    *is_tree = found[0] > 0;
    *n_tables = found[1];
    return st;
}
