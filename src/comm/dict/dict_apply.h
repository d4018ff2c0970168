/* dict_apply.h - one operation carried out on the part of the dictionary that a rank owns.
 * Invariant: an operation is done as a whole or not at all, and then its error says why. */
#ifndef MP_COMM_DICT_APPLY_H
#define MP_COMM_DICT_APPLY_H

#include "comm/dict/dict_wire.h"

/* An operation under way; for the files of dict_apply*.c alone. */
typedef struct {
    mp_dict_table *table;
    mp_dict_record r;
    uint64_t place; /* of the key */
    mp_rd args;
    mp_buf *out;
} mp_dict_call;

/* Carries out r, whose key has this place in t (none for operations without key), and appends its answer to out:
 * where MP_DICT_ANSWER is set always exactly one, else nothing, or MP_DICT_LOST where it failed. Malformed arguments
 * are an error, too. out must have room for MP_DICT_ANSWER_ROOM bytes, so that what changes the table can be
 * answered; out->failed: there was no memory for a longer answer, and nothing was changed. A long answer that the
 * budget of t has no room for is an error, too. */
enum { MP_DICT_ANSWER_ROOM = 192 };
void mp_dict_apply(mp_dict_table *t, const mp_dict_record *r, uint64_t place, mp_buf *out);

/* dict_apply.c */
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

/* dict_apply_sub.c: hashes and sets. */
void mp_dict_apply_sub(mp_dict_call *c);
/* dict_apply_all.c: operations without a key. */
void mp_dict_apply_all(mp_dict_call *c);
/* Redis's patterns: * ? [abc] [^a-c] and \ before a character that is meant as it is. */
bool mp_dict_matches(const uint8_t *pattern, size_t n_pattern, const uint8_t *text, size_t n_text);

#endif
