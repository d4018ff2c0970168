/* dict_call.c - what the operations have in common: answers, sums, memory. */
#include "comm/dict/dict_call.h"

#include <math.h>

enum { LOST_KEY_MAX = 100 };

void mp_dict_answer_int(mp_dict_call *c, int64_t v) {
    if (mp_dict_answers(c)) mp_dict_put_int(c->out, v);
}

void mp_dict_answer_none(mp_dict_call *c) {
    if (mp_dict_answers(c)) mp_buf_u8(c->out, MP_DICT_NONE);
}

void mp_dict_answer_code(mp_dict_call *c, mp_dict_code code) {
    const mp_mem *mem = c->table->mem;
    bool memory = code == MP_DICT_NO_MEMORY;
    mp_buf_u8(c->out, mp_dict_answers(c) ? MP_DICT_ERROR : MP_DICT_LOST);
    mp_buf_u8(c->out, (uint8_t)code);
    mp_buf_i64(c->out, memory && mem ? mem->refused_bytes : 0);
    mp_buf_i64(c->out, memory && mem ? mem->limit_bytes : 0);
    if (!mp_dict_answers(c))
        mp_buf_bytes(c->out, c->r.key, c->r.key_len < LOST_KEY_MAX ? c->r.key_len : LOST_KEY_MAX);
}

bool mp_dict_fits(mp_dict_call *c, size_t n_bytes) {
    void *p = mp_mem_alloc(c->table->mem, n_bytes);
    mp_mem_free(c->table->mem, p);
    return p != NULL;
}

/* The int that v is, by its text where the flags say so. */
static bool as_int(uint8_t flags, const mp_dict_value *v, int64_t *out) {
    char text[MP_DICT_TEXT_MAX];
    mp_dict_value t = {.type = MP_DICT_BYTES};
    if (v->type != MP_DICT_FLOAT || !(flags & MP_DICT_BY_TEXT)) return mp_dict_value_int(v, out);
    t.bytes.p = mp_dict_value_text(v, text, &t.bytes.n);
    return mp_dict_value_int(&t, out);
}

mp_dict_code mp_dict_sum(uint8_t flags, const mp_dict_value *v, const mp_dict_value *delta,
                         mp_dict_value *out) {
    *out = (mp_dict_value){.type = delta->type};
    if (delta->type == MP_DICT_INT) {
        int64_t i = 0;
        if (v->type != MP_DICT_NONE && !as_int(flags, v, &i)) return MP_DICT_NOT_INT;
        return __builtin_add_overflow(i, delta->i, &out->i) ? MP_DICT_OVERFLOW : MP_DICT_OK;
    }
    double f = 0;
    if (v->type != MP_DICT_NONE && !mp_dict_value_float(v, &f)) return MP_DICT_NOT_FLOAT;
    out->f = f + delta->f;
    return isfinite(out->f) ? MP_DICT_OK : MP_DICT_NOT_FINITE;
}
