/* h5_read.c - the reader of splits of an HDF5 table. See h5.h.
 * Invariant: a batch's columns stay until the next call; which rows survive does not depend on where
 * batches end. */
#include "io/h5/h5.h"

#include "data/take.h"
#include "io/h5/h5_convert.h"

struct mp_h5_reader {
    mp_csv_args args;
    const mp_h5_layout *l;
    int32_t *columns; /* of the fetch: of the wanted columns, then their masks */
    int32_t *masks;   /* by place in columns */
    int32_t *place;   /* by wanted column: in columns, -1: all null */
    int n_columns;
    mp_h5_fetch *fetch;
    mp_h5_convert convert;
    mp_arena kept, arena; /* of the reader, of a batch */
    mp_col *filter_cols, *cols;
    uint32_t *sel, *rows; /* rows: 0, 1, 2, ... */
    mp_evidence *seen;
    mp_csv_text text;
    int64_t row, end;
    int64_t n_records;
    bool done;
};

bool mp_h5_reads_as(const mp_h5_column *c, mp_type t) {
    bool number = c->type == MP_INT64 || c->type == MP_FLOAT64;
    if (t == c->type) return true;
    return number && c->dict < 0 && (t == MP_FLOAT64 || t == MP_STRING);
}

/* ---- columns ---- */

static mp_status unreadable(const mp_h5_column *c, const char *path, mp_error *err) {
    mp_error_set(err, MP_DATA, "cannot read this column", "%s", c->why);
    mp_error_file(err, path);
    mp_error_column(err, c->name);
    return MP_DATA;
}

/* The place in the fetch's list of a column of the layout; masks are shared, too. */
static int32_t list_column(mp_h5_reader *r, int32_t c, int32_t *at) {
    if (at[c] < 0) {
        at[c] = r->n_columns;
        r->columns[r->n_columns++] = c;
    }
    return at[c];
}

static mp_status list_columns(mp_h5_reader *r, mp_error *err) {
    const mp_h5_layout *l = r->l;
    size_t all = (size_t)(l->n_columns + l->n_hidden), n = (size_t)r->args.n_wanted;
    int32_t *at = mp_arena_alloc(&r->kept, all * sizeof *at + 1, 16);
    r->columns = mp_arena_alloc(&r->kept, all * sizeof *at + 1, 16);
    r->masks = mp_arena_alloc(&r->kept, all * sizeof *at + 1, 16);
    r->place = mp_arena_alloc(&r->kept, n * sizeof *at + 1, 16);
    if (!at || !r->columns || !r->masks || !r->place)
        return mp_mem_error(r->args.mem, all * sizeof *at, err);
    for (size_t i = 0; i < all; i++)
        at[i] = r->masks[i] = -1;
    for (size_t i = 0; i < n; i++) {
        int32_t c = r->args.wanted[i].c;
        r->place[i] = -1;
        if (c < 0) continue;
        const mp_h5_column *col = &l->columns[c];
        if (col->form == MP_H5_UNREADABLE) return unreadable(col, r->args.path, err);
        r->place[i] = list_column(r, c, at);
    }
    for (size_t i = 0; i < n; i++) {
        int32_t mask = r->place[i] < 0 ? -1 : l->columns[r->args.wanted[i].c].mask;
        if (mask >= 0) r->masks[r->place[i]] = list_column(r, mask, at);
    }
    return MP_OK;
}

static mp_status make_room(mp_h5_reader *r, mp_error *err) {
    size_t n = (size_t)r->args.n_wanted + 1, n_file = (size_t)r->l->n_columns + 1;
    r->filter_cols = mp_arena_alloc(&r->kept, n * sizeof *r->cols, 16);
    r->cols = mp_arena_alloc(&r->kept, n * sizeof *r->cols, 16);
    r->sel = mp_arena_alloc(&r->kept, MP_BATCH_ROWS * sizeof *r->sel, 16);
    r->rows = mp_arena_alloc(&r->kept, MP_BATCH_ROWS * sizeof *r->rows, 16);
    r->seen = mp_arena_alloc(&r->kept, n_file * sizeof *r->seen, 16);
    if (!r->filter_cols || !r->cols || !r->sel || !r->rows || !r->seen)
        return mp_mem_error(r->args.mem, n * sizeof *r->cols, err);
    memset(r->seen, 0, n_file * sizeof *r->seen);
    for (uint32_t i = 0; i < MP_BATCH_ROWS; i++)
        r->rows[i] = i;
    return MP_OK;
}

mp_status mp_h5_reader_new(const mp_csv_args *args, mp_h5_reader **out, mp_error *err) {
    mp_h5_reader *r = mp_mem_calloc(args->mem, 1, sizeof *r);
    *out = r;
    if (!r) return mp_mem_error(args->mem, sizeof *r, err);
    r->args = *args;
    r->l = args->h5;
    mp_arena_init(&r->kept, args->mem);
    mp_arena_init(&r->arena, args->mem);
    mp_status st = list_columns(r, err);
    if (!st) st = make_room(r, err);
    if (!st)
        st =
            mp_h5_fetch_open(r->l, args->path, r->columns, r->n_columns, args->mem, &r->fetch, err);
    if (st) {
        mp_h5_reader_free(out);
        return st;
    }
    r->convert = (mp_h5_convert){
        .l = r->l, .fetch = r->fetch, .columns = r->columns, .masks = r->masks, .arena = &r->arena};
    return MP_OK;
}

void mp_h5_reader_free(mp_h5_reader **r) {
    if (!*r) return;
    mp_h5_fetch_close(&(*r)->fetch);
    mp_arena_release(&(*r)->arena);
    mp_arena_release(&(*r)->kept);
    mp_mem_free((*r)->args.mem, *r);
    *r = NULL;
}

/* ---- a split ---- */

mp_status mp_h5_reader_begin(mp_h5_reader *r, const mp_csv_text *text, mp_error *err) {
    int64_t n = (int64_t)text->split_len;
    if (text->begin < 0 || n < 0 || text->begin > r->l->n_rows - n)
        return mp_error_set(err, MP_FAILED, "broken split", "no such rows");
    r->text = *text;
    r->row = text->begin;
    r->end = text->begin + n;
    r->n_records = 0;
    r->done = false;
    mp_h5_fetch_split(r->fetch, r->row, n);
    return MP_OK;
}

/* Nulls, where the file has no such column. */
static mp_status null_column(mp_h5_reader *r, mp_type type, int32_t n, mp_col *out, mp_error *err) {
    size_t bytes = (size_t)n * (size_t)mp_type_width(type);
    uint8_t *p = mp_arena_alloc(&r->arena, bytes + (size_t)n + 64, 64);
    if (!p) return mp_mem_error(r->args.mem, bytes, err);
    memset(p, 0, bytes + (size_t)n);
    *out = (mp_col){.type = type, .valid = p + bytes, .p = p};
    return MP_OK;
}

static mp_status make_column(mp_h5_reader *r, int wanted, int32_t n, const uint32_t *sel,
                             int32_t n_sel, mp_col *out, mp_error *err) {
    const mp_csv_column *w = &r->args.wanted[wanted];
    mp_type want = w->use == MP_CSV_TEXT ? MP_STRING : w->type;
    int32_t rows = sel ? n_sel : n, bad_row = -1;
    if (r->place[wanted] < 0 || rows == 0) return null_column(r, want, rows, out, err);
    mp_status st = mp_h5_convert_column(&r->convert, r->place[wanted], want, r->row, n, sel, n_sel,
                                        out, &bad_row, err);
    if (!st) return MP_OK;
    int64_t row = r->row + (bad_row < 0 ? 0 : sel ? (int64_t)sel[bad_row] : bad_row);
    if (st == MP_DATA) mp_error_column(err, w->name);
    if (st == MP_DATA)
        mp_error_place(err, r->text.file_no, row, r->text.split, row - r->text.begin);
    else
        mp_error_file(err, r->args.path);
    return st;
}

/* The columns of the filter, and what it keeps: *sel NULL is all. */
static mp_status filter_rows(mp_h5_reader *r, mp_batch *in, const uint32_t **sel, int32_t *n_sel,
                             mp_error *err) {
    int32_t n_cols = 0, n = in->n_rows;
    mp_status st = MP_OK;
    *sel = NULL;
    *n_sel = n;
    for (int i = 0; i < r->args.n_wanted && !st; i++)
        if (r->args.wanted[i].in_filter)
            st = make_column(r, i, n, NULL, 0, &r->filter_cols[n_cols++], err);
    if (st || !r->args.filter) return st;
    in->n_cols = n_cols;
    in->cols = r->filter_cols;
    st = r->args.filter(r->args.filter_ctx, in, r->sel, n_sel, err);
    if (*n_sel < n) *sel = r->sel;
    return st;
}

static mp_status make_columns(mp_h5_reader *r, mp_batch *out, const uint32_t *sel, int32_t n_sel,
                              mp_error *err) {
    int32_t n_cols = 0, at = 0;
    mp_status st = MP_OK;
    for (int i = 0; i < r->args.n_wanted && !st; i++) {
        const mp_csv_column *w = &r->args.wanted[i];
        const mp_col *filtered = w->in_filter ? &r->filter_cols[at++] : NULL;
        if (!w->after_filter) continue;
        mp_col *to = &r->cols[n_cols++];
        if (!filtered)
            st = make_column(r, i, out->n_rows, sel, n_sel, to, err);
        else if (sel)
            st = mp_col_take(filtered, sel, n_sel, &r->arena, to, err);
        else
            *to = *filtered;
    }
    out->n_cols = n_cols;
    out->cols = r->cols;
    return st;
}

static mp_status check(mp_h5_reader *r, mp_status st, mp_error *err) {
    mp_error shrunk = MP_ERROR_INIT;
    if (!mp_h5_fetch_check(r->fetch, &shrunk)) return st;
    if (err) *err = shrunk;
    return MP_IO;
}

mp_status mp_h5_reader_next(mp_h5_reader *r, mp_batch *out, bool *more, mp_error *err) {
    *out = (mp_batch){.file_no = r->text.file_no, .base = r->row, .first_row = r->n_records};
    *more = r->row < r->end;
    mp_arena_reset(&r->arena);
    if (!*more) {
        r->done = true;
        return check(r, MP_OK, err);
    }
    const uint32_t *sel;
    int32_t n_sel, n = mp_h5_fetch_batch(r->fetch, r->row);
    out->n_rows = n;
    out->rec = r->rows;
    mp_status st = filter_rows(r, out, &sel, &n_sel, err);
    if (!st) st = make_columns(r, out, sel, n_sel, err);
    if (st) return check(r, st, err);
    if (sel) {
        out->n_rows = n_sel;
        out->rec = out->row_no = sel;
    }
    r->row += n;
    r->n_records += n;
    return MP_OK;
}

void mp_h5_reader_end(const mp_h5_reader *r, mp_csv_end *out) {
    *out =
        (mp_csv_end){.exit = MP_CSV_RECORD_START, .exit_known = r->done, .n_records = r->n_records};
}

const mp_evidence *mp_h5_reader_seen(const mp_h5_reader *r) {
    return r->seen;
}
