/* dict_combine.c - updates without answer that meet an earlier one of the same key in the same batch become one.
 * Invariant: only the last record of a key is combined with, and no record with an answer lies between the two. An
 * owner carries out the records between two answers without a break, so nobody can tell that an update came a few
 * records early. */
#include <math.h>

#include "comm/dict/dict_state.h"

/* Two additions, minima or maxima of numbers of one type as one in `into`. */
static bool combine_numbers(uint8_t op, const mp_dict_value *v, mp_dict_value *into) {
    if (v->type != into->type) return false;
    if (v->type == MP_DICT_INT) {
        if (op == MP_DICT_ADD) return !__builtin_add_overflow(into->i, v->i, &into->i);
        if (op == MP_DICT_MIN ? v->i < into->i : v->i > into->i) into->i = v->i;
        return true;
    }
    if (v->type != MP_DICT_FLOAT || !isfinite(v->f) || !isfinite(into->f)) return false;
    double f = into->f + v->f;
    if (op == MP_DICT_ADD && !isfinite(f)) return false;
    if (op == MP_DICT_ADD)
        into->f = f;
    else if (op == MP_DICT_MIN ? v->f < into->f : v->f > into->f)
        into->f = v->f;
    return true;
}

bool mp_dict_record_combine(uint8_t *into, const mp_dict_record *r) {
    mp_dict_record old;
    if (!mp_dict_record_read(into, SIZE_MAX, &old)) return false;
    if (old.op != r->op || old.flags != r->flags || old.key_len != r->key_len ||
        old.args_len != r->args_len || memcmp(old.key, r->key, r->key_len) != 0)
        return false;
    uint8_t *args = into + MP_DICT_RECORD_HEAD + old.key_len;
    if (r->op == MP_DICT_DELETE) return true;
    if (r->op == MP_DICT_PUT) {
        if (r->flags & (MP_DICT_IF_NEW | MP_DICT_IF_OLD)) return false;
        memcpy(args, r->args, r->args_len);
        return true;
    }
    if (r->op != MP_DICT_ADD && r->op != MP_DICT_MIN && r->op != MP_DICT_MAX) return false;
    mp_rd new_args = mp_rd_of(r->args, r->args_len), old_args = mp_rd_of(args, old.args_len);
    mp_dict_value v = mp_dict_read_value(&new_args), sum = mp_dict_read_value(&old_args);
    if (!combine_numbers(r->op, &v, &sum)) return false;
    memcpy(args + 1, &sum.i, 8);
    return true;
}

bool mp_dict_combine(mp_dict *d, int owner, uint64_t place, size_t at) {
    mp_dict_peer *p = &d->peers[owner];
    mp_dict_recent *recent = &d->recent[(place ^ place >> 32) % MP_DICT_RECENT];
    mp_dict_record r;
    if (!mp_dict_record_read(p->open.data + at, p->open.len - at, &r)) return false;
    if (recent->generation == p->generation && recent->owner == (uint32_t)owner &&
        mp_dict_record_combine(p->open.data + recent->at, &r)) {
        p->open.len = at;
        return true;
    }
    *recent = (mp_dict_recent){p->generation, (uint32_t)at, (uint32_t)owner};
    return false;
}
