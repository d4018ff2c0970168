/* dict_wire.c - values and answers of the dictionary read back from bytes.
 * Invariant: nothing outside the reader's bytes is looked at, whatever they say. */
#include "comm/dict/dict_wire.h"

const char *mp_dict_code_text(mp_dict_code code) {
    static const char *const text[] = {
#define MP_DICT_CODE_TEXT(name, words) words,
        MP_DICT_CODE_LIST(MP_DICT_CODE_TEXT)
#undef MP_DICT_CODE_TEXT
    };
    return (unsigned)code < MP_DICT_CODE_COUNT ? text[code] : "ERR unknown error";
}

static bool read_body(mp_rd *r, uint8_t kind, mp_dict_value *v) {
    *v = (mp_dict_value){.type = (mp_dict_type)kind};
    switch (kind) {
    case MP_DICT_NONE:
        break;
    case MP_DICT_INT:
        v->i = mp_rd_i64(r);
        break;
    case MP_DICT_FLOAT:
        v->f = mp_rd_f64(r);
        break;
    case MP_DICT_BYTES:
        v->bytes.p = mp_rd_bytes(r, &v->bytes.n);
        break;
    default:
        r->bad = true;
    }
    if (r->bad) *v = (mp_dict_value){.type = MP_DICT_NONE};
    return !r->bad;
}

mp_dict_value mp_dict_read_any(mp_rd *r) {
    mp_dict_value v;
    read_body(r, mp_rd_u8(r), &v);
    return v;
}

bool mp_dict_answer_read(mp_rd *r, mp_dict_answer *out) {
    *out = (mp_dict_answer){.kind = mp_rd_u8(r)};
    bool ok = true;
    if (out->kind == MP_DICT_LIST) {
        out->n = mp_rd_u32(r);
    } else if (out->kind == MP_DICT_ERROR || out->kind == MP_DICT_LOST) {
        out->code = (mp_dict_code)mp_rd_u8(r);
        out->bytes = mp_rd_i64(r);
        out->limit = mp_rd_i64(r);
    } else {
        ok = read_body(r, out->kind, &out->value);
    }
    out->rest = *r;
    return ok && !r->bad;
}

bool mp_dict_answer_skip(mp_rd *r) {
    mp_dict_answer a;
    if (!mp_dict_answer_read(r, &a)) return false;
    if (a.kind == MP_DICT_LIST)
        for (uint32_t i = 0; i < a.n && !r->bad; i++)
            mp_dict_read_value(r);
    return !r->bad;
}
