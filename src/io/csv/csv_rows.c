/* csv_rows.c - a run of records to a batch.
 * Order of work: filter columns of all rows, the filter, the other columns of the survivors. A bad
 * value is an error at the smallest row (on_bad_row fail, or text where a number is needed), or
 * takes its row out (skip), or is null. Invariant: rows is the list of the rows still in (NULL: all
 * of 0..n-1), ascending; every column made so far has one value for each of them. */
#include "io/csv/csv_rows.h"

#include <stdio.h>
#include <string.h>

enum { ARENA_KEEP = 1024 * 1024 - 256 }; /* the most that an arena keeps over a reset */

mp_status mp_csv_rows_init(mp_csv_rows *w, const mp_csv_args *args, mp_error *err) {
    *w = (mp_csv_rows){.args = args, .simd = mp_simd_level()};
    mp_mem *mem = args->mem;
    mp_arena_init(&w->arena, mem);
    size_t n = (size_t)args->n_wanted;
    w->seen = mp_mem_calloc(mem, (size_t)args->n_columns, sizeof *w->seen);
    w->filter_cols = mp_mem_calloc(mem, n, sizeof *w->cols);
    w->cols = mp_mem_calloc(mem, n, sizeof *w->cols);
    w->sel = mp_mem_alloc(mem, MP_BATCH_ROWS * sizeof *w->sel);
    w->picked = mp_mem_alloc(mem, MP_BATCH_ROWS * sizeof *w->picked);
    w->marks = mp_mem_alloc(mem, MP_BATCH_ROWS);
    w->bad_wanted = mp_mem_alloc(mem, MP_BATCH_ROWS * sizeof *w->bad_wanted);
    if (w->seen && w->filter_cols && w->cols && w->sel && w->picked && w->marks && w->bad_wanted)
        return MP_OK;
    mp_csv_rows_release(w);
    return mp_mem_error(mem, MP_BATCH_ROWS * 16 + n * 2 * sizeof *w->cols, err);
}

void mp_csv_rows_release(mp_csv_rows *w) {
    if (!w->args) return;
    mp_mem *mem = w->args->mem;
    mp_arena_release(&w->arena);
    mp_mem_free(mem, w->seen);
    mp_mem_free(mem, w->filter_cols);
    mp_mem_free(mem, w->cols);
    mp_mem_free(mem, w->sel);
    mp_mem_free(mem, w->picked);
    mp_mem_free(mem, w->marks);
    mp_mem_free(mem, w->bad_wanted);
    *w = (mp_csv_rows){0};
}

void mp_csv_flaw_reason(int64_t n_fields, int n_columns, char *out, size_t cap) {
    if (n_fields < 0)
        snprintf(out, cap, "text behind a closing quote");
    else
        snprintf(out, cap, "%lld field%s instead of %d", (long long)n_fields,
                 n_fields == 1 ? "" : "s", n_columns);
}

/* One run on its way to a batch. */
typedef struct {
    mp_csv_rows *w;
    const mp_csv_text *text;
    const mp_csv_run *run;
    int64_t first_row;
    uint32_t *rows; /* NULL: 0..n-1 */
    int32_t n;
    int32_t error_row; /* of the run: the smallest row that is an error, -1: none */
    int error_wanted;
} making;

static uint32_t row_at(const making *m, int32_t i) {
    return m->rows ? m->rows[i] : (uint32_t)i;
}

static int64_t record_no(const making *m, uint32_t row) {
    const uint32_t *no = m->run->index.row_no;
    return m->first_row + (no ? no[row] : row);
}

/* ---- columns ---- */

static mp_status nomem(mp_csv_rows *w, size_t n_bytes, mp_error *err) {
    return mp_mem_error(w->args->mem, n_bytes, err);
}

/* n nulls. */
static mp_status null_column(mp_csv_rows *w, mp_type type, int32_t n, mp_col *out, mp_error *err) {
    size_t bytes = (size_t)n * (size_t)mp_type_width(type);
    uint8_t *p = mp_arena_alloc(&w->arena, bytes + (size_t)n + 64, 64);
    if (!p) return nomem(w, bytes + (size_t)n + 64, err);
    memset(p, 0, bytes + (size_t)n);
    *out = (mp_col){.type = type, .valid = p + bytes, .p = p};
    return MP_OK;
}

/* The values of in at picked[0..n), in a fresh place. */
static mp_status gather(mp_csv_rows *w, const mp_col *in, const uint32_t *picked, int32_t n,
                        mp_col *out, mp_error *err) {
    size_t width = (size_t)mp_type_width(in->type);
    size_t bytes = (size_t)n * width, valid_bytes = in->valid ? (size_t)n : 0;
    uint8_t *p = mp_arena_alloc(&w->arena, bytes + valid_bytes + 64, 64);
    if (!p) return nomem(w, bytes + valid_bytes + 64, err);
    *out = *in;
    if (in->p) {
        out->p = p;
        if (width == 1)
            for (int32_t i = 0; i < n; i++)
                p[i] = in->b[picked[i]];
        else if (width == sizeof(mp_str))
            for (int32_t i = 0; i < n; i++)
                ((mp_str *)(void *)p)[i] = in->str[picked[i]];
        else
            for (int32_t i = 0; i < n; i++)
                ((int64_t *)(void *)p)[i] = in->i64[picked[i]];
    }
    if (in->valid) {
        out->valid = p + bytes;
        for (int32_t i = 0; i < n; i++)
            p[bytes + (size_t)i] = in->valid[picked[i]];
    }
    return MP_OK;
}

/* ---- bad values ---- */

/* What is wrong with one value: by converting it alone, without leaving evidence. */
static mp_status look_again(mp_csv_rows *w, const mp_csv_run *run, int wanted, uint32_t row,
                            mp_csv_bad_value *bad, mp_error *err) {
    const mp_csv_column *col = &w->args->wanted[wanted];
    mp_evidence seen = {0};
    bool misfit = false;
    mp_col out;
    *bad = (mp_csv_bad_value){.row = -1};
    mp_csv_convert_args a = {.dialect = w->args->dialect,
                             .column = col,
                             .c = col->c,
                             .seen = &seen,
                             .misfit = &misfit,
                             .arena = &w->arena,
                             .simd = w->simd};
    return mp_csv_convert(&a, &run->index, &row, 1, &out, bad, NULL, err);
}

static void note_error(making *m, uint32_t row, int wanted) {
    if (m->error_row >= 0 && (uint32_t)m->error_row <= row) return;
    m->error_row = (int32_t)row;
    m->error_wanted = wanted;
}

/* Rows with bad values in a column that was converted for the m->n rows. */
static mp_status note_bad_values(making *m, int wanted, int32_t first, mp_error *err) {
    mp_csv_rows *w = m->w;
    const mp_csv_column *col = &w->args->wanted[wanted];
    if (w->args->on_bad_row == MP_BAD_ROW_FAIL) {
        note_error(m, row_at(m, first), wanted);
        return MP_OK;
    }
    for (int32_t i = first; i < m->n; i++) {
        if (i != first && !w->marks[i]) continue;
        uint32_t row = row_at(m, i);
        if (col->need_number) {
            mp_csv_bad_value bad;
            mp_status st = look_again(w, m->run, wanted, row, &bad, err);
            if (st != MP_OK) return st;
            if (bad.row >= 0 && bad.is_data_error) {
                note_error(m, row, wanted);
                return MP_OK;
            }
        }
        if (!w->any_bad) memset(w->bad_wanted, -1, MP_BATCH_ROWS * sizeof *w->bad_wanted);
        w->any_bad = true;
        if (w->bad_wanted[row] < 0) w->bad_wanted[row] = wanted;
    }
    return MP_OK;
}

/* One wanted column for the rows still in. */
static mp_status make_column(making *m, int wanted, mp_col *out, mp_error *err) {
    mp_csv_rows *w = m->w;
    const mp_csv_column *col = &w->args->wanted[wanted];
    mp_type type = col->use == MP_CSV_TEXT ? MP_STRING : col->type;
    if (col->c < 0 || m->n == 0) return null_column(w, type, m->n, out, err);
    bool can_be_bad = col->use == MP_CSV_TYPED && (col->fixed || col->need_number);
    bool mark = can_be_bad && w->args->on_bad_row != MP_BAD_ROW_FAIL;
    if (mark) memset(w->marks, 0, (size_t)m->n);
    mp_csv_bad_value bad = {.row = -1};
    mp_csv_convert_args a = {.dialect = w->args->dialect,
                             .column = col,
                             .c = col->c,
                             .seen = &w->seen[col->c],
                             .misfit = &w->misfit,
                             .arena = &w->arena,
                             .simd = w->simd};
    mp_status st =
        mp_csv_convert(&a, &m->run->index, m->rows, m->n, out, &bad, mark ? w->marks : NULL, err);
    if (st != MP_OK || bad.row < 0) return st;
    return note_bad_values(m, wanted, bad.row, err);
}

/* Rows that bad values take out, and rows at and behind an error, which only an error before it can
 * still matter to. Writes the places of those that stay (in the list of rows) to w->picked; false:
 * all stay. */
static bool pick_good(making *m, int32_t *n_picked) {
    mp_csv_rows *w = m->w;
    bool skip = w->any_bad && w->args->on_bad_row == MP_BAD_ROW_SKIP;
    if (!skip && m->error_row < 0) return false;
    int32_t n = 0;
    for (int32_t i = 0; i < m->n; i++) {
        uint32_t row = row_at(m, i);
        if (skip && w->bad_wanted[row] >= 0) continue;
        if (m->error_row >= 0 && row >= (uint32_t)m->error_row) break;
        w->picked[n++] = (uint32_t)i;
    }
    *n_picked = n;
    return n < m->n;
}

/* Keep the places picked[0..n) of the list of rows, and of the columns made for it. */
static mp_status keep_picked(making *m, const uint32_t *picked, int32_t n, mp_col *cols,
                             int32_t n_cols, mp_error *err) {
    mp_csv_rows *w = m->w;
    for (int32_t c = 0; c < n_cols; c++) {
        mp_col old = cols[c];
        mp_status st = gather(w, &old, picked, n, &cols[c], err);
        if (st != MP_OK) return st;
    }
    /* picked ascends and picked[i] >= i, so the list shrinks in place */
    for (int32_t i = 0; i < n; i++)
        w->sel[i] = m->rows ? m->rows[picked[i]] : picked[i];
    m->rows = w->sel;
    m->n = n;
    return MP_OK;
}

/* ---- the steps ---- */

static const uint32_t *places(const mp_csv_index *x) {
    return x->place ? x->place : x->rec;
}

static void place_batch(making *m, mp_batch *b) {
    const mp_csv_index *x = &m->run->index;
    b->file_no = m->text->file_no;
    b->base = m->text->begin + (int64_t)m->run->first;
    b->first_row = m->first_row;
    b->n_rows = m->n;
    b->rec = places(x);
    b->row_no = x->row_no;
}

/* As place_batch, for rows that are not all of the run. */
static mp_status place_selected(making *m, mp_batch *b, mp_error *err) {
    const mp_csv_index *x = &m->run->index;
    place_batch(m, b);
    if (!m->rows) return MP_OK;
    size_t bytes = ((size_t)m->n + 16) * sizeof(uint32_t);
    uint32_t *rec = mp_arena_alloc(&m->w->arena, bytes, 64);
    uint32_t *no = mp_arena_alloc(&m->w->arena, bytes, 64);
    if (!rec || !no) return nomem(m->w, 2 * bytes, err);
    for (int32_t i = 0; i < m->n; i++) {
        rec[i] = places(x)[m->rows[i]];
        no[i] = x->row_no ? x->row_no[m->rows[i]] : m->rows[i];
    }
    b->rec = rec;
    b->row_no = no;
    return MP_OK;
}

/* The filter columns, bad rows out, the filter; *n_cols of w->filter_cols hold the survivors. */
static mp_status filter_rows(making *m, int32_t *n_cols, mp_error *err) {
    mp_csv_rows *w = m->w;
    const mp_csv_args *args = w->args;
    mp_status st = MP_OK;
    *n_cols = 0;
    for (int i = 0; i < args->n_wanted && st == MP_OK; i++)
        if (args->wanted[i].in_filter) st = make_column(m, i, &w->filter_cols[(*n_cols)++], err);
    int32_t n;
    if (st == MP_OK && pick_good(m, &n))
        st = keep_picked(m, w->picked, n, w->filter_cols, *n_cols, err);
    if (st != MP_OK || !args->filter || m->n == 0) return st;
    mp_batch in = {.n_cols = *n_cols, .cols = w->filter_cols};
    st = place_selected(m, &in, err);
    if (st != MP_OK) return st;
    st = args->filter(args->filter_ctx, &in, w->picked, &n, err);
    if (st != MP_OK || n == m->n) return st;
    /* only the columns that are needed afterwards are worth a copy */
    int32_t place = 0;
    for (int i = 0; i < args->n_wanted && st == MP_OK; i++) {
        if (!args->wanted[i].in_filter) continue;
        mp_col old = w->filter_cols[place];
        if (args->wanted[i].after_filter)
            st = gather(w, &old, w->picked, n, &w->filter_cols[place], err);
        place++;
    }
    return st == MP_OK ? keep_picked(m, w->picked, n, NULL, 0, err) : st;
}

/* The columns of the batch: those that the filter had, and the others converted for the survivors.
 */
static mp_status rest_columns(making *m, int32_t *n_cols, mp_error *err) {
    mp_csv_rows *w = m->w;
    const mp_csv_args *args = w->args;
    mp_status st = MP_OK;
    int32_t n_out = 0, n_filter = 0;
    for (int i = 0; i < args->n_wanted && st == MP_OK; i++) {
        const mp_csv_column *col = &args->wanted[i];
        int32_t place = n_filter;
        n_filter += col->in_filter;
        if (!col->after_filter) continue;
        if (col->in_filter)
            w->cols[n_out++] = w->filter_cols[place];
        else
            st = make_column(m, i, &w->cols[n_out++], err);
    }
    int32_t n;
    if (st == MP_OK && pick_good(m, &n)) st = keep_picked(m, w->picked, n, w->cols, n_out, err);
    *n_cols = n_out;
    return st;
}

/* ---- what comes of bad rows ---- */

static mp_status bad_value_error(making *m, mp_error *err) {
    mp_csv_rows *w = m->w;
    const mp_csv_column *col = &w->args->wanted[m->error_wanted];
    uint32_t row = (uint32_t)m->error_row;
    mp_csv_bad_value bad;
    mp_status st = look_again(w, m->run, m->error_wanted, row, &bad, err);
    if (st != MP_OK) return st;
    mp_error_set(err, MP_DATA, NULL, "%s", bad.reason);
    mp_error_column(err, col->name);
    mp_error_place(err, m->text->file_no,
                   m->text->begin + (int64_t)m->run->first + places(&m->run->index)[row],
                   m->text->split, record_no(m, row));
    static const char *const usual[] = {"NA", "N/A", "NULL", "\\N", "null", "nan", "None"};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (mp_str_eq(bad.text, mp_str_c(usual[i])))
            mp_error_hint(err, "--null '%s' makes this text a null", usual[i]);
    if (bad.is_integer) mp_error_hint(err, "float(%s) reads it as a number", col->name);
    if (!bad.is_data_error) mp_error_hint(err, "--on-bad-row skip leaves such rows out");
    return MP_DATA;
}

static mp_status reject(making *m, int64_t no, size_t start, size_t len, const char *reason,
                        mp_error *err) {
    mp_csv_rows *w = m->w;
    w->n_bad++;
    if (!w->args->reject) return MP_OK;
    mp_str text = mp_str_of((const char *)m->text->bytes + start, len);
    return w->args->reject(w->args->reject_ctx, no, m->text->begin + (int64_t)start, text, reason,
                           err);
}

static mp_status reject_flaw(making *m, const mp_csv_flaw *f, mp_error *err) {
    char reason[96];
    mp_csv_flaw_reason(f->n_fields, m->w->args->n_columns, reason, sizeof reason);
    return reject(m, m->first_row + f->record, f->start, f->len, f->reason ? f->reason : reason,
                  err);
}

static mp_status reject_value(making *m, uint32_t row, mp_error *err) {
    const mp_csv_index *x = &m->run->index;
    int wanted = m->w->bad_wanted[row];
    mp_csv_bad_value bad;
    mp_status st = look_again(m->w, m->run, wanted, row, &bad, err);
    if (st != MP_OK) return st;
    char reason[512];
    snprintf(reason, sizeof reason, "column '%.300s': %s", m->w->args->wanted[wanted].name,
             bad.reason);
    uint32_t start = places(x)[row];
    uint32_t end =
        x->place_end ? x->place_end[row] : x->end[((size_t)row + 1) * (size_t)x->n_columns - 1];
    return reject(m, record_no(m, row), m->run->first + start, end - start, reason, err);
}

/* Report the bad rows of the run in the order of the records, each once. */
static mp_status reject_all(making *m, const mp_csv_flaw *flaws, uint32_t n_flaws, mp_error *err) {
    mp_csv_rows *w = m->w;
    mp_status st = MP_OK;
    uint32_t f = 0;
    for (int32_t row = 0; w->any_bad && row < m->run->index.n_rows && st == MP_OK; row++) {
        if (w->bad_wanted[row] < 0) continue;
        int64_t no = record_no(m, (uint32_t)row) - m->first_row;
        while (f < n_flaws && flaws[f].record < no && st == MP_OK)
            st = reject_flaw(m, &flaws[f++], err);
        bool known = f < n_flaws && flaws[f].record == no;
        if (st == MP_OK && !known) st = reject_value(m, (uint32_t)row, err);
    }
    while (f < n_flaws && st == MP_OK)
        st = reject_flaw(m, &flaws[f++], err);
    return st;
}

/* One chunk that holds the whole batch, so that no later batch has to ask the system. */
static void reset_arena(mp_arena *a) {
    size_t need = a->total_bytes + a->total_bytes / 4;
    if (need > ARENA_KEEP) need = ARENA_KEEP;
    bool one_chunk = a->head && need <= (size_t)(a->end - (char *)(void *)a->head);
    if (need > 0 && !one_chunk) {
        mp_arena_release(a);
        (void)mp_arena_alloc(a, need, 64);
    }
    mp_arena_reset(a);
}

mp_status mp_csv_rows_make(mp_csv_rows *w, const mp_csv_text *text, const mp_csv_run *run,
                           const mp_csv_flaw *flaws, uint32_t n_flaws, int64_t first_row,
                           mp_batch *out, mp_error *err) {
    reset_arena(&w->arena);
    w->any_bad = false;
    making m = {.w = w,
                .text = text,
                .run = run,
                .first_row = first_row,
                .n = run->index.n_rows,
                .error_row = -1};
    int32_t n_filter, n_cols = 0;
    mp_status st = filter_rows(&m, &n_filter, err);
    if (st == MP_OK) st = rest_columns(&m, &n_cols, err);
    if (st == MP_OK && m.error_row >= 0) st = bad_value_error(&m, err);
    if (st == MP_OK && (n_flaws > 0 || w->any_bad)) st = reject_all(&m, flaws, n_flaws, err);
    if (st != MP_OK) return st;
    *out = (mp_batch){.n_cols = n_cols, .cols = w->cols};
    return place_selected(&m, out, err);
}
