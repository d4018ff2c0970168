/* h5_collective.c - --h5-collective: all ranks open one file through MPI-IO and write their units of
 * it together, through the library's filters: for parallel file systems, where one writer is less
 * than the disks can take.
 * Invariant: every rank makes the same collective calls in the same order, whatever befalls it: one
 * that failed goes on with no rows, and the ranks agree behind every round. */
#include "comm/h5_driver.h"
#include "run/fault.h"
#include "run/h5/h5_write_priv.h"

/* For the library's own notes: a dataset's header or a node of its list of chunks, and the rest. */
enum { SET_BYTES = 4 << 10, OTHER_BYTES = 1 << 20 };

typedef struct {
    mp_h5_write *w;
    mp_buf temp; /* the name of the file */
} collective;

static mp_status agree(collective *k, mp_status st, const mp_error *mine, mp_error *err) {
    return mp_comm_agree_on(k->w->c, st, mine, err);
}

/* ---- what rank 0 knows, to all ---- */

/* Rank 0: one rank that met a full disk inside the library would leave the others waiting there, so
 * the room for the next step is taken before it. */
static mp_status reserve(mp_h5_write *w, int64_t n_rows, mp_error *err) {
    int64_t bytes = OTHER_BYTES;
    if (mp_comm_rank(w->c) != 0) return MP_OK;
    for (int i = 0; i < w->plan.n_sets; i++) {
        const mp_h5_set *s = &w->plan.sets[i];
        int64_t chunks = (n_rows + s->chunk_rows - 1) / s->chunk_rows;
        bytes += chunks * s->chunk_rows * s->element_bytes + SET_BYTES;
    }
    return mp_out_reserve(w->target, bytes, err);
}

static mp_status share(collective *k, mp_error *err) {
    mp_h5_write *w = k->w;
    mp_error mine = MP_ERROR_INIT;
    bool head = mp_comm_rank(w->c) == 0;
    mp_status st = mp_fault_check(mp_comm_rank(w->c), "store", &mine);
    if (!st) st = reserve(w, 0, &mine);
    if (head) mp_buf_put(&k->temp, mp_out_temp(w->target), strlen(mp_out_temp(w->target)) + 1);
    st = agree(k, st, &mine, err);
    if (!st) st = mp_comm_bcast(w->c, &k->temp, err);
    if (!st) st = mp_comm_bcast(w->c, &w->seen.runs, err);
    if (!st) st = mp_comm_allreduce(w->c, &w->scratch_bytes, 1, MP_MAX, err);
    w->runs = (const mp_h5_run *)(const void *)w->seen.runs.data;
    w->n_runs = (int64_t)(w->seen.runs.len / sizeof *w->runs);
    if (st) return st;
    st = mp_buf_check(&k->temp, &mine);
    if (!st) st = mp_buf_check(&w->seen.runs, &mine);
    if (!st) st = mp_h5_units_room(w, true, &mine);
    if (!st) st = mp_h5_driver_new(w->c, &w->driver.access, &w->driver.transfer, &mine);
    return agree(k, st, &mine, err);
}

/* ---- rounds ---- */

/* Unit round * size + rank, or none. */
static mp_status open_unit(mp_h5_write *w, int64_t round, mp_error *err) {
    int64_t unit = round * mp_comm_size(w->c) + mp_comm_rank(w->c);
    mp_h5_unit_place place;
    w->unit.n_rows = 0;
    if (unit >= w->plan.n_units) return MP_OK;
    mp_status st = mp_h5_units_place(w, unit, &place, err);
    return st ? st : mp_h5_units_open(w, &place, err);
}

static mp_status write_round(collective *k, int64_t round, mp_error *err) {
    mp_h5_write *w = k->w;
    mp_error mine = MP_ERROR_INIT;
    mp_status st = open_unit(w, round, &mine);
    if (!st) st = reserve(w, mp_comm_size(w->c) * w->plan.unit_rows, &mine);
    st = agree(k, st, &mine, err);
    if (st) return st;
    for (int i = 0; i < w->plan.n_sets; i++) {
        const mp_h5_set *s = &w->plan.sets[i];
        memset(w->plain, 0, (size_t)w->unit.n_rows * s->element_bytes);
        mp_h5_unit_fill(&w->plan, s, &w->unit, 0, w->unit.n_rows, w->plain);
        mp_status put = mp_h5_file_write_rows(w->file, i, w->unit.first_row, w->unit.n_rows,
                                              w->plain, st ? NULL : &mine);
        if (!st) st = put;
    }
    if (!st && w->map_open) st = mp_map_check(&w->map, &mine);
    return agree(k, st, &mine, err);
}

static mp_status write_rounds(collective *k, mp_error *err) {
    int64_t size = mp_comm_size(k->w->c), n = (k->w->plan.n_units + size - 1) / size;
    mp_status st = MP_OK;
    for (int64_t round = 0; !st && round < n; round++)
        st = write_round(k, round, err);
    return st;
}

/* ---- the file ---- */

/* Closing is collective, also of a file that failed. */
static mp_status close_file(collective *k, mp_status st, mp_error *err) {
    mp_h5_write *w = k->w;
    mp_error mine = MP_ERROR_INIT;
    mp_status met = mp_comm_barrier(w->c, &mine);
    mp_status closed = met || !w->file ? met : mp_h5_file_close(w->file, &mine);
    mp_status all = mp_comm_agree_on(w->c, closed, &mine, st ? NULL : err);
    return st ? st : all;
}

static mp_status create(collective *k, mp_error *err) {
    mp_h5_write *w = k->w;
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_comm_barrier(w->c, err);
    if (st) return st;
    st = mp_h5_write_create(w, (const char *)k->temp.data, &w->driver, &mine);
    return agree(k, st, &mine, err);
}

mp_status mp_h5_collective_run(mp_h5_write *w, mp_error *err) {
    collective k = {.w = w};
    mp_buf_init(&k.temp, w->mem);
    mp_status st = share(&k, err);
    if (!st) {
        st = create(&k, err);
        if (!st) st = write_rounds(&k, err);
        st = close_file(&k, st, err);
    }
    mp_buf_release(&k.temp);
    return st;
}
