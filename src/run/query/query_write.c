/* query_write.c - results, as batches or as text, become numbered pieces of the answer.
 * Invariant: a rank submits its pieces in ascending order; every number is some rank's. */
#include <stdlib.h>

#include "run/query/query_priv.h"

/* So many rows wait in scratch until the run commits: a run that fails has written nothing. More
 * leave as they come, since scratch may have no room for them. */
enum { SPOOLED_ROWS = 1 << 20 };

typedef struct {
    mp_job *j;
    mp_fill_piece_fn fill;
    void *fill_ctx;
} writer;

/* The width of output i where it is a column as it is, or a key that is one. */
static int8_t output_width(const mp_job *j, const mp_names *columns, int i) {
    const char *name = mp_expr_column_name(j->q.outputs[i].expr);
    if (name && j->q.grouped)
        name = name[0] == '\x03' ? mp_expr_column_name(j->q.keys[strtol(name + 1, NULL, 10)].expr)
                                 : NULL;
    int c = name ? mp_names_find(columns, name) : -1;
    return c < 0 ? 0 : mp_table_width(&j->table, c);
}

/* Only HDF5 files say how wide their numbers are. */
static mp_status find_widths(mp_job *j, int8_t *widths, int n, mp_error *err) {
    mp_names columns;
    mp_names_init(&columns, &j->arena);
    if (!mp_table_has(&j->table, MP_READ_H5)) return MP_OK;
    for (int c = 0; c < j->table.n_columns; c++)
        if (!mp_names_add(&columns, j->table.names[c], c)) return mp_mem_error(j->mem, 64, err);
    for (int i = 0; i < n; i++)
        widths[i] = output_width(j, &columns, i);
    return MP_OK;
}

mp_status mp_job_name_outputs(mp_job *j, mp_error *err) {
    size_t n = (size_t)j->q.n_outputs;
    const mp_plan_value *values = j->q.grouped ? j->results.values : j->plan.values;
    const char **names = mp_arena_alloc(&j->arena, n * sizeof *names + 1, 16);
    mp_type *types = mp_arena_alloc(&j->arena, n * sizeof *types + 1, 16);
    int8_t *widths = mp_arena_alloc(&j->arena, n + 1, 16);
    if (!names || !types || !widths) return mp_mem_error(j->mem, n * sizeof *names, err);
    for (size_t i = 0; i < n; i++) {
        names[i] = j->q.outputs[i].name;
        types[i] = values[i].type;
        widths[i] = 0;
    }
    mp_status st = find_widths(j, widths, (int)n, err);
    if (st) return st;
    return mp_answer_columns(j->answer, names, types, widths, (int)n, err);
}

mp_status mp_job_begin_answer(mp_job *j, bool is_final, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_job_agree(j, mp_job_name_outputs(j, &mine), &mine, err);
    return st ? st : mp_answer_begin(j->answer, is_final, err);
}

static mp_status finish_step(void *ctx, bool *done, mp_error *err) {
    writer *w = ctx;
    mp_job *j = w->j;
    int64_t piece = -1;
    mp_buf_clear(&j->text);
    mp_buf_clear(&j->row_ends);
    j->text_rows = 0;
    mp_status st = w->fill(w->fill_ctx, &piece, err);
    *done = piece < 0;
    if (st || *done) return st;
    return mp_order_submit(mp_answer_order(j->answer), piece, &j->text, j->text_rows,
                           mp_answer_cuts(j->answer) ? &j->row_ends : NULL, err);
}

static mp_status push(void *ctx, bool *did, mp_error *err) {
    return mp_order_push(mp_answer_order(((writer *)ctx)->j->answer), did, err);
}
static bool quiet(void *ctx) {
    return mp_order_quiet(mp_answer_order(((writer *)ctx)->j->answer));
}
static bool busy(void *ctx) {
    return mp_order_busy(mp_answer_order(((writer *)ctx)->j->answer));
}

mp_status mp_job_begin_results(mp_job *j, int64_t n_rows, mp_error *err) {
    mp_status st = mp_comm_allreduce(j->c, &n_rows, 1, MP_SUM, err);
    return st ? st : mp_job_begin_answer(j, n_rows > SPOOLED_ROWS, err);
}

mp_status mp_job_write_texts(mp_job *j, mp_fill_piece_fn fill, void *ctx, mp_error *err) {
    writer w = {.j = j, .fill = fill, .fill_ctx = ctx};
    mp_flow flow = {.name = "output",
                    .ctx = &w,
                    .mem = j->mem,
                    .finish_step = finish_step,
                    .push = push,
                    .quiet = quiet,
                    .busy = busy};
    mp_flow_result result;
    return mp_flow_execute(j->c, &flow, &result, err);
}

/* ---- slabs of batches ---- */

typedef struct {
    mp_job *j;
    const mp_job_slabs *slabs;
    int slab;                   /* the next one to enter */
    int64_t slab_pieces, piece; /* of each slab; of the entered one the next */
    int64_t slab_rows;          /* of that, at most */
    size_t text_bytes;          /* of the longest piece so far */
} batches;

static mp_status add_batch(batches *b, bool *more, mp_error *err) {
    mp_job *j = b->j;
    mp_batch batch;
    mp_arena_reset(&j->batch_arena);
    mp_status st = b->slabs->next(j, &batch, more, err);
    if (st || !*more || batch.n_rows == 0) return st;
    batch.n_cols = j->q.n_outputs;
    mp_answer_format_rows(j->answer, &batch, &j->text,
                          mp_answer_cuts(j->answer) ? &j->row_ends : NULL);
    j->text_rows += batch.n_rows;
    st = mp_buf_check(&j->text, err);
    return st ? st : mp_buf_check(&j->row_ends, err);
}

/* Moves on to the next piece; false: there is none. */
static bool begin_piece(batches *b, int64_t *number) {
    mp_job *j = b->j;
    if (b->piece == b->slab_pieces) {
        if (b->slab == b->slabs->n_slabs) return false;
        b->slab_rows = b->slabs->enter(j, b->slab++);
        b->piece = j->taken = 0;
    }
    int64_t range = (int64_t)(b->slab - 1) * mp_comm_size(j->c) + mp_comm_rank(j->c);
    *number = range * b->slab_pieces + b->piece++;
    return true;
}

/* One piece: the batches up to its share of the slab, the slab's last piece all that is left. */
static mp_status fill_batches(void *ctx, int64_t *piece, mp_error *err) {
    batches *b = ctx;
    mp_job *j = b->j;
    mp_status st = MP_OK;
    if (!begin_piece(b, piece)) return MP_OK;
    bool more = true, last = b->piece == b->slab_pieces;
    int64_t share = (b->slab_rows + b->slab_pieces - 1) / b->slab_pieces * b->piece;
    /* at once, since a buffer that grows by and by is copied, and is new memory each time */
    if (b->text_bytes) (void)!mp_buf_reserve(&j->text, b->text_bytes + b->text_bytes / 16);
    while (more && !st && (last || j->taken < share))
        st = add_batch(b, &more, err);
    if (j->text.len > b->text_bytes) b->text_bytes = j->text.len;
    return st;
}

mp_status mp_job_write_slabs(mp_job *j, const mp_job_slabs *slabs, mp_error *err) {
    int64_t total = slabs->n_rows, ranges = (int64_t)slabs->n_slabs * mp_comm_size(j->c);
    mp_status st = mp_comm_allreduce(j->c, &total, 1, MP_SUM, err);
    batches b = {.j = j, .slabs = slabs};
    b.slab_pieces = b.piece = total / ranges / MP_PIECE_ROWS + 1;
    if (!st) st = mp_job_begin_answer(j, total > SPOOLED_ROWS, err);
    return st ? st : mp_job_write_texts(j, fill_batches, &b, err);
}
