/* dict_end.c - quiet points of the dictionary, and its end.
 * Invariant: the end for an owner leaves behind all batches for it and says how many there were. Rank 0 counts the
 * ranks that have reached a quiet point, and tells all when it was the last; who waits there leaves also when a rank
 * has failed. */
#include "comm/dict/dict_state.h"

static bool settled(void *ctx) {
    return mp_dict_settled(ctx);
}

static mp_status tell_quiet(mp_dict *d, int dest, mp_dict_message kind, mp_error *err) {
    uint32_t message[2] = {d->serial, kind};
    return mp_comm_send(d->c, dest, MP_TAG_DICT, message, sizeof message, err);
}

static mp_status on_quiet(mp_dict *d, mp_dict_message kind, mp_error *err) {
    mp_status s = MP_OK;
    if (kind == MP_DICT_ALL_QUIET) {
        d->n_quiet++;
    } else if (++d->n_arrived == d->size && !d->failed) {
        d->n_arrived = 0;
        for (int r = 0; r < d->size && s == MP_OK; r++)
            s = tell_quiet(d, r, MP_DICT_ALL_QUIET, err);
    }
    if (s != MP_OK) mp_comm_give_up(d->c);
    return s;
}

static bool all_quiet(void *ctx) {
    const mp_dict *d = ctx;
    return d->n_quiet == d->n_asked || d->failed;
}

mp_status mp_dict_quiet(mp_dict *d, mp_error *err) {
    if (d->failed) return MP_OK;
    mp_status s = mp_dict_flush(d, err);
    if (s == MP_OK) s = mp_comm_wait(d->c, settled, d, "answers of the dictionary", err);
    if (mp_comm_broken(d->c)) return s; /* rank 0 would be told of what has not happened */
    d->n_asked++;
    mp_status told = tell_quiet(d, 0, MP_DICT_QUIET, s == MP_OK ? err : NULL);
    if (s == MP_OK) s = told;
    if (s == MP_OK) s = mp_comm_wait(d->c, all_quiet, d, "quiet of the dictionary", err);
    return s;
}

mp_dict_table *mp_dict_own(mp_dict *d) {
    return &d->part->table;
}

static mp_status on_end(mp_dict *d, int src, mp_rd *r, mp_error *err) {
    uint32_t failed = mp_rd_u32(r);
    int64_t n = mp_rd_i64(r);
    if (r->bad || n < 0 || d->peers[src].n_expected >= 0)
        return mp_error_set(err, MP_FAILED, "bad message", "end of the dictionary of rank %d", src);
    d->peers[src].n_expected = n;
    d->failed = d->failed || failed;
    d->n_ends++;
    return MP_OK;
}

mp_status mp_dict_on_word(mp_dict *d, int src, mp_dict_message what, mp_rd *r, mp_error *err) {
    return what == MP_DICT_END ? on_end(d, src, r, err) : on_quiet(d, what, err);
}

mp_status mp_dict_end(mp_dict *d, bool failed, mp_error *err) {
    mp_status s = MP_OK;
    size_t at;
    if (d->ended) return MP_OK;
    if (d->peers[d->rank].open.len > MP_DICT_HEAD) s = mp_dict_apply_own(d, &at, err);
    for (int r = 0; r < d->size; r++) {
        mp_dict_peer *p = &d->peers[r];
        if (r == d->rank) continue;
        mp_status queued = mp_dict_queue_open(d, p, s == MP_OK ? err : NULL);
        if (queued == MP_OK) continue;
        mp_comm_give_up(d->c);
        s = queued;
    }
    /* the others have to learn of the end all the same */
    d->failed = d->failed || failed || s != MP_OK;
    d->ended = true;
    d->peers[d->rank].told = true;
    d->peers[d->rank].n_expected = 0;
    d->n_ends++;
    for (int r = 0; r < d->size; r++) {
        if (r == d->rank || d->peers[r].queue) continue;
        mp_status told = mp_dict_tell_end(d, r, s == MP_OK ? err : NULL);
        if (s == MP_OK) s = told;
    }
    return s == MP_OK ? mp_dict_push(d, err) : s;
}

bool mp_dict_failed(const mp_dict *d) {
    return d->failed;
}

bool mp_dict_done(const mp_dict *d) {
    if (!d->ended || d->listening) return false;
    for (int r = 0; r < d->size; r++)
        if (mp_comm_unsent(d->c, r, MP_TAG_DICT) > 0 ||
            mp_comm_unsent(d->c, r, MP_TAG_DICT_ANSWER) > 0)
            return false;
    return true;
}

mp_dict_counts mp_dict_stats(const mp_dict *d) {
    mp_dict_counts n = d->counts;
    n.keys = (int64_t)d->part->table.n;
    n.applied = d->part->n_applied;
    return n;
}
