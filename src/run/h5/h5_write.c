/* h5_write.c - see h5_write.h: what is known of the rows becomes the plan, on every rank the same.
 * Invariant: every step ends in an agreement. */
#include "run/h5/h5_write.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "comm/h5_driver.h"
#include "run/h5/h5_write_priv.h"

static mp_status agree(mp_h5_write *w, mp_status st, const mp_error *mine, mp_error *err) {
    return mp_comm_agree_on(w->c, st, mine, err);
}

/* ---- the target ---- */

static mp_status not_a_file(const char *path, mp_error *err) {
    mp_error_set(err, MP_USAGE, NULL, "output '%s': HDF5 needs an ordinary file", path);
    mp_error_hint(err, "-o x.h5, or --format csv for pipes and devices");
    return MP_USAGE;
}

static mp_status name_scratch(mp_h5_write *w, mp_error *err) {
    static const char name[] = "/mpart-rows";
    const char *folder = w->spec->run.scratch;
    w->scratch = w->spec->output.path;
    if (!folder) return MP_OK;
    size_t n = strlen(folder);
    char *path = mp_arena_alloc(&w->arena, n + sizeof name, 1);
    if (!path) return mp_mem_error(w->mem, n, err);
    memcpy(path, folder, n);
    memcpy(path + n, name, sizeof name);
    w->scratch = path;
    return MP_OK;
}

mp_status mp_h5_write_new(mp_comm *c, const mp_spec *spec, mp_mem *mem, mp_h5_write **out,
                          mp_error *err) {
    const char *path = spec->output.path;
    mp_h5_write *w = mp_mem_calloc(mem, 1, sizeof *w);
    if (!w) return mp_mem_error(mem, sizeof *w, err);
    w->c = c;
    w->spec = spec;
    w->mem = mem;
    w->driver = (mp_h5_driver){-1, -1};
    mp_arena_init(&w->arena, mem);
    mp_arena_init(&w->columns_arena, mem);
    mp_map_init(&w->map);
    mp_buf_init(&w->seen.runs, mem);
    mp_buf_init(&w->piece, mem);
    *out = w;
    if (!path || strcmp(path, "-") == 0) return not_a_file("-", err);
    mp_status st = name_scratch(w, err);
    if (st || mp_comm_rank(c) != 0) return st;
    if (!mp_out_is_file(path)) return not_a_file(path, err);
    st = mp_out_create(path, &w->target, err);
    if (!st && spec->output.h5_unsynced) mp_out_leave_sync(w->target);
    return st;
}

void mp_h5_write_free(mp_h5_write **w) {
    mp_h5_write *h = *w;
    if (!h) return;
    mp_h5_units_release(h);
    mp_h5_file_free(&h->file);
    mp_h5_driver_release(&h->driver.access, &h->driver.transfer);
    mp_out_abandon(&h->target);
    mp_h5_seen_release(&h->seen);
    mp_arena_release(&h->columns_arena);
    mp_arena_release(&h->arena);
    mp_mem_free(h->mem, h);
    *w = NULL;
}

const char *mp_h5_write_scratch(const mp_h5_write *w) {
    return w->scratch;
}

/* ---- rows ---- */

mp_status mp_h5_write_columns(mp_h5_write *w, const char *const *names, const mp_type *types,
                              const int8_t *widths, int n_cols, mp_error *err) {
    mp_h5_seen_release(&w->seen);
    mp_arena_reset(&w->columns_arena);
    mp_status st = mp_h5_rows_init(&w->rows, names, types, widths, n_cols, &w->columns_arena, err);
    return st ? st : mp_h5_seen_init(&w->seen, &w->rows, &w->columns_arena, w->mem, err);
}

void mp_h5_write_rows(const mp_h5_write *w, const mp_batch *in, mp_buf *out, mp_buf *row_ends) {
    mp_h5_rows_put(&w->rows, in, out, row_ends);
}

static mp_status placed(void *ctx, int64_t offset, const uint8_t *text, size_t n, mp_error *err) {
    mp_h5_write *w = ctx;
    return mp_h5_seen_add(&w->seen, &w->rows, offset, text, n, err);
}

mp_status mp_h5_write_begin(mp_h5_write *w, mp_order_args *args, mp_error *err) {
    args->placed = placed;
    args->ctx = w;
    mp_h5_seen_release(&w->seen);
    return mp_h5_seen_init(&w->seen, &w->rows, &w->columns_arena, w->mem, err);
}

/* ---- the plan ---- */

/* What all ranks have seen. */
static mp_status share_seen(mp_h5_write *w, mp_error *err) {
    int n = w->rows.n_cols;
    mp_error mine = MP_ERROR_INIT;
    int64_t *values = mp_mem_calloc(w->mem, 2 * (size_t)n + 1, sizeof *values);
    mp_status st = values ? MP_OK : mp_mem_error(w->mem, (size_t)n * 16, &mine);
    st = agree(w, st, &mine, err);
    for (int c = 0; c < n && !st; c++) {
        values[c] = w->seen.longest[c];
        values[n + c] = w->seen.nulls[c / 8] >> (c % 8) & 1;
    }
    if (!st) st = mp_comm_allreduce(w->c, values, 2 * n, MP_MAX, err);
    if (!st) st = mp_comm_allreduce(w->c, &w->seen.n_rows, 1, MP_SUM, err);
    for (int c = 0; c < n && !st; c++) {
        w->seen.longest[c] = (uint32_t)values[c];
        w->seen.nulls[c / 8] |= (uint8_t)(values[n + c] << (c % 8));
    }
    mp_mem_free(w->mem, values);
    return st;
}

static int by_offset(const void *a, const void *b) {
    const mp_h5_run *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Rank 0: the runs of all ranks, in order. */
static mp_status list_runs(mp_h5_write *w, const mp_buf *all, mp_error *err) {
    mp_rd rd = mp_rd_of(all->data, all->len);
    mp_buf_clear(&w->seen.runs);
    while (mp_rd_left(&rd) && !rd.bad) {
        size_t n = (size_t)mp_rd_u64(&rd);
        const void *runs = mp_rd_raw(&rd, n);
        if (runs) mp_buf_put(&w->seen.runs, runs, n);
    }
    w->n_runs = (int64_t)(w->seen.runs.len / sizeof(mp_h5_run));
    w->runs = (const mp_h5_run *)(const void *)w->seen.runs.data;
    if (w->n_runs) qsort(w->seen.runs.data, (size_t)w->n_runs, sizeof(mp_h5_run), by_offset);
    return mp_buf_check(&w->seen.runs, err);
}

static mp_status gather_runs(mp_h5_write *w, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_buf all;
    mp_buf_init(&all, w->mem);
    mp_status st = mp_comm_gather(w->c, w->seen.runs.data, w->seen.runs.len, &all, err);
    if (!st) {
        st = mp_buf_check(&all, &mine);
        if (!st && mp_comm_rank(w->c) == 0) st = list_runs(w, &all, &mine);
        st = agree(w, st, &mine, err);
    }
    mp_buf_release(&all);
    return st;
}

static mp_h5_options options_of(const mp_output_spec *o) {
    return (mp_h5_options){
        .form = o->h5_layout < 0 ? MP_H5_OUT_TABLE : (mp_h5_out_form)o->h5_layout,
        .form_given = o->h5_layout >= 0,
        .path = o->h5_path,
        .compress = o->h5_compress < 0 ? MP_H5_PACK_DEFLATE : (mp_h5_packing)o->h5_compress,
        .level = o->h5_level < 0 ? MP_H5_LEVEL : (int)o->h5_level,
        .collective = o->h5_collective,
    };
}

static mp_status make_plan(mp_h5_write *w, mp_report *report, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_h5_options options = options_of(&w->spec->output);
    mp_status st = mp_h5_plan_make(&options, &w->rows, &w->seen, &w->arena, &w->plan, &mine);
    mp_error_file(&mine, w->spec->output.path);
    if (!st && w->plan.options.form != options.form)
        snprintf(report->note, sizeof report->note,
                 "%d columns: each is a dataset of its own (--h5-layout columns)", w->rows.n_cols);
    return agree(w, st, &mine, err);
}

/* ---- origin ---- */

static void add_option(mp_buf *b, const char *name, const char *text) {
    if (text) mp_buf_printf(b, "%s--%s '%s'", b->len ? " " : "", name, text);
}

static void add_count(mp_buf *b, const char *name, int64_t n, int64_t none) {
    if (n != none) mp_buf_printf(b, "%s--%s %lld", b->len ? " " : "", name, (long long)n);
}

/* The query as its options say it, in a fixed order. */
static void query_text(const mp_query_spec *q, mp_buf *b) {
    add_option(b, "where", q->where);
    add_option(b, "select", q->select);
    add_option(b, "by", q->by);
    add_option(b, "agg", q->agg);
    add_option(b, "having", q->having);
    if (q->distinct) mp_buf_printf(b, "%s--distinct", b->len ? " " : "");
    add_option(b, "sort", q->sort);
    add_count(b, "offset", q->offset_rows, 0);
    add_count(b, "limit", q->limit_rows, -1);
    mp_buf_u8(b, 0);
}

mp_status mp_h5_write_create(mp_h5_write *w, const char *path, const mp_h5_driver *driver,
                             mp_error *err) {
    mp_buf query;
    mp_buf_init(&query, w->mem);
    query_text(&w->spec->query, &query);
    const mp_output_spec *o = &w->spec->output;
    const mp_input_spec *told = o->h5_inputs ? o->h5_inputs : &w->spec->input;
    mp_h5_origin origin = {.version = w->spec->run.version ? w->spec->run.version : "",
                           .query = o->origin ? o->origin : (const char *)query.data,
                           .n_inputs = told->n_paths,
                           .inputs = told->paths};
    mp_status st = mp_buf_check(&query, err);
    if (!st)
        st = mp_h5_file_create(path, w->spec->output.path, &w->plan, &origin, driver, w->mem,
                               &w->file, err);
    mp_buf_release(&query);
    return st;
}

/* ---- the whole ---- */

/* Rank 0: the file is closed. */
static mp_status check_file(mp_h5_write *w, mp_error *err) {
    struct stat st;
    mp_status s = mp_h5_file_check(w->file, err);
    if (s) return s;
    if (stat(mp_out_temp(w->target), &st) != 0)
        return mp_error_errno(err, errno, "cannot write", w->spec->output.path);
    w->file_bytes = st.st_size;
    if (w->plan.options
            .collective) { /* room that was reserved goes back where the length changes */
        s = mp_out_truncate(w->target, w->file_bytes + 1, err);
        if (!s) s = mp_out_truncate(w->target, w->file_bytes, err);
    }
    return s ? s : mp_out_sync(w->target, err);
}

/* Rank 0 makes the file and stores what all ranks make. Collective. */
static mp_status write_alone(mp_h5_write *w, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    bool head = mp_comm_rank(w->c) == 0;
    mp_status st = head ? mp_h5_write_create(w, mp_out_temp(w->target), NULL, &mine) : MP_OK;
    st = agree(w, st, &mine, err);
    if (!st) st = mp_h5_units_run(w, err);
    if (st) return st;
    if (head) st = mp_h5_file_flush(w->file, &mine);
    if (head && !st) st = mp_h5_file_close(w->file, &mine);
    return agree(w, st, &mine, err);
}

mp_status mp_h5_write_store(mp_h5_write *w, mp_out_file *scratch, int64_t bytes, mp_report *report,
                            mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    bool head = mp_comm_rank(w->c) == 0;
    /* ranks of other hosts see what was synced */
    mp_status st = mp_comm_one_host(w->c) ? MP_OK : mp_out_sync(scratch, &mine);
    w->scratch_temp = mp_out_temp(scratch);
    w->scratch_bytes = bytes;
    st = agree(w, st, &mine, err);
    if (!st) st = share_seen(w, err);
    if (!st) st = make_plan(w, report, err);
    if (!st) st = gather_runs(w, err);
    if (!st) st = w->plan.options.collective ? mp_h5_collective_run(w, err) : write_alone(w, err);
    return st ? st : agree(w, head ? check_file(w, &mine) : MP_OK, &mine, err);
}

mp_status mp_h5_write_commit(mp_h5_write *w, int64_t *bytes, mp_error *err) {
    *bytes = w->file_bytes;
    return mp_out_commit(&w->target, err);
}
