/* dict_reach.c - operations on a part of another rank of this host, carried out by the rank that asks: nobody has to be
 * woken for them, and an owner that computes does not hold them up.
 * Invariant: only while no batch for that rank is under way, so order is kept between what goes through messages and what
 * does not. A part that has become so large that this rank would have too much of it in memory is left to messages from
 * then on. */
#include "base/heap.h"
#include "comm/dict/dict_state.h"

enum { KEEP_BYTES = 256 * 1024 };

/* The part is there, small enough, and locked. */
static bool enter(mp_dict *d, mp_dict_part *part, mp_status *s, mp_error *err) {
    if (!mp_dict_part_lock(part)) {
        mp_comm_give_up(d->c);
        *s = mp_error_set(err, MP_FAILED, "dictionary", "a rank died while it changed a key");
        return false;
    }
    if (atomic_load(&part->serial) == d->serial) return true;
    mp_dict_part_unlock(part);
    return false;
}

static mp_status carry_out(mp_dict *d, int dest, const mp_buf *b, mp_error *err) {
    mp_dict_peer *p = &d->peers[dest];
    mp_status s = MP_OK;
    size_t at = MP_DICT_HEAD, reach = 0;
    while (at < b->len && s == MP_OK && enter(d, p->part, &s, err)) {
        mp_buf_clear(&d->there);
        s = mp_dict_apply_some(d, p->part, b->data, b->len, &at, &d->there, err);
        reach = mp_heap_reach(p->part->mem.heap);
        mp_dict_part_unlock(p->part);
        mp_rd r = mp_rd_of(d->there.data, d->there.len);
        if (s == MP_OK) s = mp_dict_answers_of(d, p, &r, err);
    }
    if (s == MP_OK && at < b->len)
        s = mp_error_set(err, MP_FAILED, "dictionary", "rank %d has left it", dest);
    if (s != MP_OK) mp_comm_give_up(d->c); /* operations are lost */
    if (d->there.cap > KEEP_BYTES) mp_buf_release(&d->there);
    if (reach <= d->reach_most) return s;
    mp_dict_part_forget(d->c, dest);
    p->part = NULL;
    return s;
}

mp_status mp_dict_reach(mp_dict *d, int dest, const mp_buf *b, bool *done, mp_error *err) {
    const mp_dict_peer *p = &d->peers[dest];
    *done = p->part && p->unacked == 0 &&
            atomic_load_explicit(&p->part->serial, memory_order_acquire) == d->serial;
    return *done ? carry_out(d, dest, b, err) : MP_OK;
}
