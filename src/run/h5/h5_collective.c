/* h5_collective.c - --h5-collective: all ranks open one file through MPI-IO and write their units of
 * it together, through the library's filters: for parallel file systems, where one writer is less
 * than the disks can take.
 * Invariant: every rank makes the same collective calls in the same order, and the ranks agree behind
 * every step. A rank that failed inside the library calls it no more. Where it, or the others, are then
 * stuck in there, a rank that has seen the error ends the job after a while; nothing of the output is
 * left, and the file that was there stays. */
#include <unistd.h>

#include "comm/h5_driver.h"
#include "run/fault.h"
#include "run/h5/h5_write_priv.h"

/* For the library's own notes: a dataset's header or a node of its list of chunks, and the rest. */
enum { SET_BYTES = 4 << 10, OTHER_BYTES = 1 << 20 };
/* So long a rank that failed waits for the others to come back from the library. */
static const double PATIENCE_S = 5;

typedef struct {
    mp_h5_write *w;
    mp_buf temp; /* the name of the file */
    mp_h5_watch *watch;
} collective;

static mp_status agree(collective *k, mp_status st, const mp_error *mine, mp_error *err) {
    return mp_comm_agree_on(k->w->c, st, mine, err);
}

/* Nothing of the output is left; for a rank that ends the job. */
static void remove_files(const collective *k) {
    (void)!unlink((const char *)k->temp.data);
    (void)!unlink(k->w->scratch_temp);
}

/* Called by a thread of its own: this rank met an error and has not come back from the library. */
static void late(void *ctx, const char *why) {
    const collective *k = ctx;
    mp_error e = MP_ERROR_INIT;
    mp_error_set(&e, MP_IO, "cannot write", "MPI-IO says: %s", why);
    mp_error_file(&e, k->w->spec->output.path);
    if (!k->w->spec->run.give_up) return;
    remove_files(k);
    k->w->spec->run.give_up(&e, mp_status_exit_code(MP_IO));
}

/* A rank that gives up has the last word: its error is the job's. */
static mp_status end_job(collective *k, mp_status st, const mp_error *mine, mp_error *err) {
    if (err && mine) *err = *mine;
    if (k->w->file) mp_h5_file_forget(k->w->file);
    remove_files(k);
    return st;
}

/* As agree, behind calls of the library. A file that was open when they failed cannot be closed safely
 * any more, not even by all ranks together: then rank 0 ends the job for all. */
static mp_status meet(collective *k, mp_status st, const mp_error *mine, mp_error *err) {
    mp_h5_write *w = k->w;
    mp_h5_watch_back(k->watch);
    if (st) mp_comm_deadline(w->c, PATIENCE_S);
    mp_status all = agree(k, st, mine, err);
    mp_comm_deadline(w->c, 0);
    if (st && mp_comm_broken(w->c)) return end_job(k, st, mine, err);
    if (!all) return MP_OK;
    int64_t open = w->file && mp_h5_file_is_open(w->file);
    mp_error none = MP_ERROR_INIT;
    if (mp_comm_allreduce(w->c, &open, 1, MP_MAX, &none) || !open) return all;
    if (mp_comm_rank(w->c) == 0) {
        mp_comm_give_up(w->c);
        return end_job(k, all, NULL, err);
    }
    (void)!mp_comm_barrier(w->c, &none); /* until the job ends */
    return end_job(k, all, NULL, err);
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
    if (!st) st = mp_h5_watch_begin(PATIENCE_S, late, k, &k->watch, &mine);
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
    for (int i = 0; i < w->plan.n_sets && !st; i++) {
        const mp_h5_set *s = &w->plan.sets[i];
        memset(w->plain, 0, (size_t)w->unit.n_rows * s->element_bytes);
        mp_h5_unit_fill(&w->plan, s, &w->unit, 0, w->unit.n_rows, w->plain);
        st = mp_fault_check(mp_comm_rank(w->c), "write", &mine);
        if (!st)
            st = mp_h5_file_write_rows(w->file, i, w->unit.first_row, w->unit.n_rows, w->plain,
                                       &mine);
    }
    if (!st && w->map_open) st = mp_map_check(&w->map, &mine);
    return meet(k, st, &mine, err);
}

static mp_status write_rounds(collective *k, mp_error *err) {
    int64_t size = mp_comm_size(k->w->c), n = (k->w->plan.n_units + size - 1) / size;
    mp_status st = MP_OK;
    for (int64_t round = 0; !st && round < n; round++)
        st = write_round(k, round, err);
    return st;
}

/* ---- the file ---- */

static mp_status close_file(collective *k, mp_error *err) {
    mp_h5_write *w = k->w;
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_comm_barrier(w->c, err);
    if (!st) st = meet(k, mp_h5_file_flush(w->file, &mine), &mine, err);
    return st ? st : meet(k, mp_h5_file_close(w->file, &mine), &mine, err);
}

static mp_status create(collective *k, mp_error *err) {
    mp_h5_write *w = k->w;
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_comm_barrier(w->c, err);
    if (st) return st;
    st = mp_h5_write_create(w, (const char *)k->temp.data, &w->driver, &mine);
    return meet(k, st, &mine, err);
}

mp_status mp_h5_collective_run(mp_h5_write *w, mp_error *err) {
    collective k = {.w = w};
    mp_buf_init(&k.temp, w->mem);
    mp_status st = share(&k, err);
    if (!st) {
        st = create(&k, err);
        if (!st) st = write_rounds(&k, err);
        if (!st) st = close_file(&k, err);
    }
    mp_h5_watch_end(&k.watch);
    mp_buf_release(&k.temp);
    return st;
}
