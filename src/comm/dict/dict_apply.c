/* dict_apply.c - see dict_apply.h: which file an operation is in, and answers that are long. */
#include "comm/dict/dict_apply.h"

#include "comm/dict/dict_call.h"

enum { ANSWER_ROOM = 192 }; /* bytes that suffice for the answer of whatever changes the table */

static void dispatch(mp_dict_call *c) {
    switch (c->r.op) {
    case MP_DICT_GET:
    case MP_DICT_TYPE:
    case MP_DICT_EXISTS:
    case MP_DICT_LENGTH:
    case MP_DICT_PUT:
    case MP_DICT_DELETE:
    case MP_DICT_ADD:
    case MP_DICT_MIN:
    case MP_DICT_MAX:
    case MP_DICT_APPEND:
    case MP_DICT_CAS:
        mp_dict_apply_key(c);
        break;
    case MP_DICT_KEYS:
    case MP_DICT_SCAN:
    case MP_DICT_SIZE:
    case MP_DICT_CLEAR:
        mp_dict_apply_all(c);
        break;
    default:
        mp_dict_apply_sub(c);
    }
}

void mp_dict_apply(mp_dict_table *t, const mp_dict_record *r, uint64_t place, mp_buf *out) {
    mp_dict_call c = {.table = t, .r = *r, .place = place, .out = out};
    c.args = mp_rd_of(r->args, r->args_len);
    size_t before = out->len;
    if (!mp_buf_reserve(out, ANSWER_ROOM)) return;
    dispatch(&c);
    /* only what has changed nothing has so long an answer */
    bool longer = out->len - before > MP_DICT_LARGE && !(r->flags & MP_DICT_OLD);
    if (!out->failed && !(longer && !mp_dict_fits(&c, out->len - before))) return;
    out->len = before;
    out->failed = false;
    mp_dict_answer_code(&c, MP_DICT_NO_MEMORY);
}
