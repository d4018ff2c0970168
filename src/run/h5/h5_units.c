/* h5_units.c - the phase that makes the chunks of an HDF5 file: a split is a unit of the plan, its
 * chunks are a piece of an ordered sink, and rank 0 stores them.
 * Invariant: a unit's rows are found through the list of runs, so no rank reads more of the scratch
 * file than its unit and the rest of the runs at its two ends. */
#include "run/h5/h5_write_priv.h"

enum { ORDER_BYTES = 64 << 20 /* or an eighth of the budget */ };

/* In front of a chunk's bytes in a piece. */
typedef struct {
    int64_t row;
    uint64_t bytes;
    uint32_t set, skipped;
} chunk_head;

/* ---- a unit's records ---- */

mp_status mp_h5_units_place(mp_h5_write *w, int64_t unit, mp_h5_unit_place *place, mp_error *err) {
    const mp_h5_plan *p = &w->plan;
    int64_t first = unit * p->unit_rows, end = first + p->unit_rows;
    if (end > p->n_rows) end = p->n_rows;
    while (w->run_at < w->n_runs && w->run_row + w->runs[w->run_at].n_rows <= first)
        w->run_row += w->runs[w->run_at++].n_rows;
    int64_t at = w->run_at, row = w->run_row;
    while (at < w->n_runs && row < end)
        row += w->runs[at++].n_rows;
    if (row < end)
        return mp_error_set(err, MP_FAILED, "rows are missing in scratch", "%lld of %lld",
                            (long long)row, (long long)p->n_rows);
    *place = (mp_h5_unit_place){unit, w->runs[w->run_at].offset, 0, first - w->run_row};
    place->bytes = (at < w->n_runs ? w->runs[at].offset : w->scratch_bytes) - place->offset;
    return MP_OK;
}

mp_status mp_h5_units_open(mp_h5_write *w, const mp_h5_unit_place *place, mp_error *err) {
    mp_h5_unit *u = &w->unit;
    u->first_row = place->unit * w->plan.unit_rows;
    u->n_rows = w->plan.n_rows - u->first_row;
    if (u->n_rows > w->plan.unit_rows) u->n_rows = w->plan.unit_rows;
    mp_status st = w->map_open ? MP_OK : mp_map_open(&w->map, w->scratch_temp, err);
    w->map_open = !st;
    if (!st) st = mp_map_window(&w->map, place->offset, (size_t)place->bytes, err);
    if (st) return st;
    u->end = w->map.bytes + w->map.len;
    st = mp_h5_rows_find(&w->rows, w->map.bytes, w->map.len, place->skip, u->n_rows, u->rows, err);
    mp_status seen = mp_map_check(&w->map, st ? NULL : err);
    if (!st && !seen) mp_h5_unit_begin(&w->plan, u);
    return st ? st : seen;
}

/* ---- rank 0 ---- */

static mp_status next_split(void *ctx, mp_buf *desc, mp_split_state *state, mp_error *err) {
    mp_h5_write *w = ctx;
    mp_h5_unit_place place;
    *state = w->next_unit < w->plan.n_units ? MP_SPLIT_GOT : MP_SPLIT_NONE;
    if (*state == MP_SPLIT_NONE) return MP_OK;
    mp_status st = mp_h5_units_place(w, w->next_unit++, &place, err);
    if (st) return st;
    mp_buf_put(desc, &place, sizeof place);
    return mp_buf_check(desc, err);
}

/* A piece of the ordered sink. */
static mp_status take(void *ctx, const uint8_t *bytes, size_t n, mp_error *err) {
    mp_h5_write *w = ctx;
    mp_rd rd = mp_rd_of(bytes, n);
    mp_status st = MP_OK;
    while (!st && mp_rd_left(&rd)) {
        chunk_head h;
        const void *head = mp_rd_raw(&rd, sizeof h);
        if (head) memcpy(&h, head, sizeof h);
        const void *chunk = head ? mp_rd_raw(&rd, h.bytes) : NULL;
        if (!chunk || h.set >= (uint32_t)w->plan.n_sets)
            return mp_error_set(err, MP_FAILED, "the ordered output is out of step",
                                "a chunk is cut off");
        st = mp_h5_file_put(w->file, (int)h.set, h.row, h.skipped, chunk, h.bytes, err);
    }
    return st;
}

/* ---- every rank ---- */

static mp_status split_begin(void *ctx, int64_t split, const uint8_t *desc, size_t len,
                             mp_error *err) {
    (void)split;
    mp_h5_write *w = ctx;
    mp_h5_unit_place place;
    if (len != sizeof place)
        return mp_error_set(err, MP_FAILED, "broken split", "its description is cut short");
    memcpy(&place, desc, sizeof place);
    w->set = 0;
    w->from = 0;
    mp_buf_clear(&w->piece);
    return mp_h5_units_open(w, &place, err);
}

/* A chunk. */
static mp_status split_step(void *ctx, bool *done, mp_error *err) {
    mp_h5_write *w = ctx;
    const mp_h5_set *s = &w->plan.sets[w->set];
    int64_t n = w->unit.n_rows - w->from;
    if (n > s->chunk_rows) n = s->chunk_rows;
    chunk_head h = {.row = w->unit.first_row + w->from, .set = (uint32_t)w->set};
    memset(w->plain, 0, (size_t)s->chunk_rows * s->element_bytes);
    mp_h5_unit_fill(&w->plan, s, &w->unit, w->from, n, w->plain);
    size_t at = w->piece.len;
    mp_buf_put(&w->piece, &h, sizeof h);
    mp_status st = mp_h5_pack(w->packer, w->plain, (size_t)s->chunk_rows, s->element_bytes,
                              &w->piece, &h.skipped, err);
    if (!st) st = mp_map_check(&w->map, err);
    if (st) return st;
    h.bytes = w->piece.len - at - sizeof h;
    memcpy(w->piece.data + at, &h, sizeof h);
    w->from += n;
    if (w->from == w->unit.n_rows) {
        w->from = 0;
        w->set++;
    }
    *done = w->set == w->plan.n_sets;
    return MP_OK;
}

static mp_status split_end(void *ctx, mp_buf *report, mp_error *err) {
    (void)report;
    mp_h5_write *w = ctx;
    if (w->set < w->plan.n_sets) return MP_OK; /* the phase has failed */
    int64_t piece = w->unit.first_row / w->plan.unit_rows;
    return mp_order_submit(w->order, piece, &w->piece, 0, NULL, err);
}

static mp_status push(void *ctx, bool *did, mp_error *err) {
    return mp_order_push(((mp_h5_write *)ctx)->order, did, err);
}
static bool quiet(void *ctx) {
    return mp_order_quiet(((mp_h5_write *)ctx)->order);
}
static bool busy(void *ctx) {
    return mp_order_busy(((mp_h5_write *)ctx)->order);
}

/* ---- the phase ---- */

mp_status mp_h5_units_room(mp_h5_write *w, bool whole, mp_error *err) {
    const mp_h5_plan *p = &w->plan;
    size_t rows = (size_t)(p->unit_rows < p->n_rows ? p->unit_rows : p->n_rows), plain = 0;
    for (int i = 0; i < p->n_sets; i++) {
        size_t n = whole ? rows : (size_t)p->sets[i].chunk_rows;
        if (n * p->sets[i].element_bytes > plain) plain = n * p->sets[i].element_bytes;
    }
    bool columns = p->options.form == MP_H5_OUT_COLUMNS;
    w->plain = mp_mem_alloc(w->mem, plain + 1);
    w->unit.rows = mp_mem_calloc(w->mem, rows + 1, sizeof *w->unit.rows);
    if (columns) w->unit.texts = mp_mem_calloc(w->mem, rows + 1, sizeof *w->unit.texts);
    if (!w->plain || !w->unit.rows || (columns && !w->unit.texts))
        return mp_mem_error(w->mem, plain, err);
    return MP_OK;
}

static mp_status prepare(mp_h5_write *w, uint32_t pass, mp_error *err) {
    const mp_h5_options *o = &w->plan.options;
    mp_status st = mp_h5_units_room(w, false, err);
    if (!st) st = mp_h5_packer_new(o->compress, o->level, w->mem, &w->packer, err);
    int64_t budget = w->mem->limit_bytes > 0 ? w->mem->limit_bytes / 8 : ORDER_BYTES;
    mp_order_args args = {.stream_fd = -1,
                          .take = take,
                          .ctx = w,
                          .limit_rows = -1,
                          .budget_bytes = budget < ORDER_BYTES ? budget : ORDER_BYTES,
                          .pass = pass,
                          .mem = w->mem};
    return st ? st : mp_order_new(w->c, &args, &w->order, err);
}

mp_status mp_h5_units_run(mp_h5_write *w, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    uint32_t pass = mp_comm_serial(w->c);
    mp_status st = mp_comm_agree_on(w->c, prepare(w, pass, &mine), &mine, err);
    if (st) return st;
    mp_flow flow = {.name = "store",
                    .ctx = w,
                    .mem = w->mem,
                    .next_split = next_split,
                    .split_begin = split_begin,
                    .split_step = split_step,
                    .split_end = split_end,
                    .push = push,
                    .quiet = quiet,
                    .busy = busy};
    mp_flow_result result;
    st = mp_flow_execute(w->c, &flow, &result, err);
    if (st) return st;
    st = mp_order_failure(w->order, &mine);
    return mp_comm_agree_on(w->c, st, &mine, err);
}

void mp_h5_units_release(mp_h5_write *w) {
    mp_order_free(&w->order);
    mp_h5_packer_free(&w->packer);
    mp_map_close(&w->map);
    mp_mem_free(w->mem, w->unit.rows);
    mp_mem_free(w->mem, w->unit.texts);
    mp_mem_free(w->mem, w->plain);
    mp_buf_release(&w->piece);
}
