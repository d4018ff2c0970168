/* dict_call.h - an operation under way, and what the files that carry it out (dict_apply*.c) share. */
#ifndef MP_COMM_DICT_CALL_H
#define MP_COMM_DICT_CALL_H

#include "comm/dict/dict_wire.h"

/* Bytes of a value or an answer for which memory is asked first. */
enum { MP_DICT_LARGE = 64 * 1024 };

typedef struct {
    mp_dict_table *table;
    mp_dict_record r;
    uint64_t place; /* of the key */
    mp_rd args;
    mp_buf *out;
} mp_dict_call;

void mp_dict_answer_int(mp_dict_call *c, int64_t v);
void mp_dict_answer_none(mp_dict_call *c);
void mp_dict_answer_code(mp_dict_call *c, mp_dict_code code);
static inline bool mp_dict_answers(const mp_dict_call *c) {
    return c->r.flags & MP_DICT_ANSWER;
}
/* v + delta, both numbers, where delta is an int or a float. flags: MP_DICT_BY_TEXT or not. */
mp_dict_code mp_dict_sum(uint8_t flags, const mp_dict_value *v, const mp_dict_value *delta,
                         mp_dict_value *out);
/* False: memory for about n_bytes more is refused. */
bool mp_dict_fits(mp_dict_call *c, size_t n_bytes);

/* dict_apply_key.c: values. */
void mp_dict_apply_key(mp_dict_call *c);
/* dict_apply_sub.c: hashes and sets. */
void mp_dict_apply_sub(mp_dict_call *c);
/* dict_apply_all.c: operations without a key. */
void mp_dict_apply_all(mp_dict_call *c);

#endif
