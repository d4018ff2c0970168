/* info.c - `mpart info`: what the inputs are, with the rows counted and every column's type
 * verified on all values.
 * Invariant: the types are those a query would find, since every column is
 * read typed by the same scan. */
#include "run/info.h"

#include "plan/table_h5.h"
#include "plan/table_keys.h"
#include "run/scan_keys.h"

typedef struct {
    mp_comm *c;
    const mp_spec *spec;
    mp_mem *mem;
    mp_arena arena;
    mp_table *table;
    mp_feed *feed;
    mp_scan *scan;
    mp_evidence *seen;
    int64_t *nulls;        /* by column, of this rank, then of all */
    int *column;           /* by place in a batch */
    const mp_buf *objects; /* of an HDF5 file: a JSON array, or lines */
} info;

static mp_status on_batch(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    (void)split, (void)err;
    info *o = ctx;
    for (int c = 0; c < in->n_cols; c++)
        for (int32_t i = 0; in->cols[c].valid && i < in->n_rows; i++)
            o->nulls[o->column[c]] += !in->cols[c].valid[i];
    return MP_OK;
}

/* Every column typed, as it was seen last. */
static mp_status plan_all(info *o, mp_scan_plan *plan, mp_error *err) {
    const mp_table *t = o->table;
    size_t n = (size_t)t->n_columns;
    *plan = (mp_scan_plan){.typed = true};
    plan->wanted = mp_arena_alloc(&o->arena, n * sizeof *plan->wanted + 1, 16);
    if (!plan->wanted) return mp_mem_error(o->mem, n * sizeof *plan->wanted, err);
    for (int c = 0; c < t->n_columns; c++) {
        bool fixed = t->fixed[c] != MP_TYPE_COUNT;
        if (t->typed && mp_table_h5_readable(t, c, NULL)) continue;
        o->column[plan->n_wanted] = c;
        plan->wanted[plan->n_wanted++] =
            (mp_csv_column){.c = c,
                            .use = MP_CSV_TYPED,
                            .type = fixed ? t->fixed[c] : mp_evidence_type(o->seen[c]),
                            .fixed = fixed,
                            .after_filter = true,
                            .name = t->names[c]};
    }
    memset(o->nulls, 0, n * sizeof *o->nulls);
    return MP_OK;
}

static bool same_types(const info *o, const mp_scan_plan *plan) {
    for (int i = 0; i < plan->n_wanted; i++)
        if (!plan->wanted[i].fixed &&
            plan->wanted[i].type != mp_evidence_type(o->seen[o->column[i]]))
            return false;
    return true;
}

static mp_status scan_all(info *o, mp_error *err) {
    mp_scan_consumer consumer = {.ctx = o, .batch = on_batch, .most_rows = -1};
    for (;;) {
        mp_error mine = MP_ERROR_INIT;
        mp_scan_plan plan;
        mp_flow_verdict verdict;
        mp_status st = mp_comm_agree_on(o->c, plan_all(o, &plan, &mine), &mine, err);
        if (!st) st = mp_scan_pass(o->scan, &plan, &consumer, o->seen, &verdict, err);
        if (st) return st;
        if (verdict != MP_FLOW_REDO && same_types(o, &plan)) break;
    }
    return o->table->n_columns ? mp_comm_allreduce(o->c, o->nulls, o->table->n_columns, MP_SUM, err)
                               : MP_OK;
}

static mp_type column_type(const info *o, int c) {
    return o->table->fixed[c] != MP_TYPE_COUNT ? o->table->fixed[c] : mp_evidence_type(o->seen[c]);
}

static const char *type_text(const info *o, int c) {
    if (o->table->typed && mp_table_h5_readable(o->table, c, NULL)) return "unreadable";
    return mp_type_name(column_type(o, c));
}

static void put_text(const info *o, mp_buf *out) {
    const mp_table *t = o->table;
    int64_t splits = mp_feed_splits(o->feed);
    int width = 6;
    mp_buf_put(out, o->objects->data, o->objects->len);
    for (int c = 0; c < t->n_columns; c++) {
        int n = (int)strlen(t->names[c]);
        if (n > width && n <= 40) width = n;
    }
    mp_buf_printf(out, "files:   %d (%lld bytes)\n", t->n_files, (long long)t->total_bytes);
    if (t->n_files && t->files[0].format != MP_READ_CSV)
        mp_buf_printf(out, "format:  %s\n", mp_source_of(t->files[0].format)->name);
    mp_buf_printf(out, "rows:    %lld\n", (long long)mp_feed_records(o->feed));
    if (mp_feed_bad(o->feed))
        mp_buf_printf(out, "bad:     %lld\n", (long long)mp_feed_bad(o->feed));
    const mp_h5_layout *h5 = t->n_files ? t->files[0].h5 : NULL;
    if (h5) mp_buf_printf(out, "table:   %s (%s)\n", h5->object, h5->kind);
    mp_buf_printf(out, "splits:  %lld of %lld %s\n", (long long)splits,
                  (long long)(h5 ? t->files[0].split_rows : t->split_bytes), h5 ? "rows" : "bytes");
    mp_buf_printf(out, "columns: %d\n", t->n_columns);
    for (int c = 0; c < t->n_columns; c++)
        mp_buf_printf(out, "  %-*s  %-9s  %lld null%s\n", width, t->names[c], type_text(o, c),
                      (long long)o->nulls[c], o->nulls[c] == 1 ? "" : "s");
}

void mp_info_put_json_text(mp_buf *out, const char *s) {
    mp_buf_u8(out, '"');
    for (; *s; s++) {
        unsigned char ch = (unsigned char)*s;
        if (ch == '"' || ch == '\\')
            mp_buf_printf(out, "\\%c", ch);
        else if (ch < 32)
            mp_buf_printf(out, "\\u%04x", ch);
        else
            mp_buf_u8(out, ch);
    }
    mp_buf_u8(out, '"');
}

static void put_json(const info *o, mp_buf *out) {
    const mp_table *t = o->table;
    mp_buf_printf(out, "{\"rows\":%lld,\"bad\":%lld,\"bytes\":%lld,\"splits\":%lld,\"files\":[",
                  (long long)mp_feed_records(o->feed), (long long)mp_feed_bad(o->feed),
                  (long long)t->total_bytes, (long long)mp_feed_splits(o->feed));
    for (int f = 0; f < t->n_files; f++) {
        mp_buf_printf(out, "%s{\"path\":", f ? "," : "");
        mp_info_put_json_text(out, t->files[f].path);
        mp_buf_printf(out, ",\"format\":\"%s\",\"bytes\":%lld,\"columns\":%d",
                      mp_source_of(t->files[f].format)->name, (long long)t->files[f].size_bytes,
                      t->files[f].n_columns);
        if (t->files[f].format == MP_READ_CSV) {
            mp_buf_printf(out, ",\"delimiter\":");
            mp_info_put_json_text(out, (char[]){t->files[f].delimiter, 0});
        }
        mp_buf_u8(out, '}');
    }
    mp_buf_printf(out, "],\"schema\":[");
    for (int c = 0; c < t->n_columns; c++) {
        mp_buf_printf(out, "%s{\"name\":", c ? "," : "");
        mp_info_put_json_text(out, t->names[c]);
        mp_buf_printf(out, ",\"type\":\"%s\",\"nulls\":%lld}", type_text(o, c),
                      (long long)o->nulls[c]);
    }
    mp_buf_u8(out, ']');
    if (o->objects->len) {
        mp_buf_printf(out, ",\"objects\":");
        mp_buf_put(out, o->objects->data, o->objects->len);
    }
    mp_buf_printf(out, "}\n");
}

static mp_status open_scan(info *o, mp_table_stream **streams, mp_error *err) {
    if (mp_comm_rank(o->c) == 0) {
        mp_status st =
            mp_feed_new(o->spec, o->table, *streams, mp_comm_size(o->c), o->mem, &o->feed, err);
        if (st) return st;
        *streams = NULL;
    }
    mp_scan_args args = {
        .comm = o->c, .spec = o->spec, .table = o->table, .feed = o->feed, .mem = o->mem};
    return mp_scan_new(&args, &o->scan, err);
}

static mp_status make_room(info *o, mp_error *err) {
    size_t n = (size_t)o->table->n_columns;
    o->seen = mp_arena_alloc(&o->arena, n * sizeof *o->seen + 1, 16);
    o->nulls = mp_arena_alloc(&o->arena, n * sizeof *o->nulls + 1, 16);
    o->column = mp_arena_alloc(&o->arena, n * sizeof *o->column + 1, 16);
    if (!o->seen || !o->nulls || !o->column) return mp_mem_error(o->mem, n * sizeof *o->nulls, err);
    if (n) memcpy(o->seen, o->table->sample, n * sizeof *o->seen);
    return MP_OK;
}

mp_status mp_info_of_table(mp_comm *c, const mp_spec *spec, mp_table *table,
                           mp_table_stream **streams, bool json, const mp_buf *objects, mp_mem *mem,
                           mp_buf *text, mp_report *report, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    info o = {.c = c, .spec = spec, .mem = mem, .table = table, .objects = objects};
    mp_arena_init(&o.arena, mem);
    mp_status st = mp_comm_agree_on(c, open_scan(&o, streams, &mine), &mine, err);
    if (!st && mp_table_may_grow(spec, table))
        st = mp_scan_find_keys(c, o.scan, o.feed, table, &o.arena, mem, err);
    if (!st) st = mp_comm_agree_on(c, make_room(&o, &mine), &mine, err);
    if (!st) st = scan_all(&o, err);
    if (!st && o.feed) {
        report->rows_in = mp_feed_records(o.feed);
        report->bytes_in = mp_feed_bytes_done(o.feed);
        (json ? put_json : put_text)(&o, text);
    }
    mp_scan_free(&o.scan);
    mp_feed_free(&o.feed);
    mp_arena_release(&o.arena);
    return st;
}
