/* dict_apply.h - one operation carried out on the part of the dictionary that a rank owns.
 * Invariant: an operation is done as a whole or not at all, and then its error says why. */
#ifndef MP_COMM_DICT_APPLY_H
#define MP_COMM_DICT_APPLY_H

#include "comm/dict/dict_wire.h"

/* Carries out r, whose key has this place in t (none for operations without key), and appends its answer to out:
 * where MP_DICT_ANSWER is set always exactly one, else nothing, or MP_DICT_LOST where it failed. Malformed arguments
 * are an error, too. A long answer that there is no memory for, or no room in the budget of t, is an error,
 * too. out->failed: there was no memory for any answer, and nothing was done. */
void mp_dict_apply(mp_dict_table *t, const mp_dict_record *r, uint64_t place, mp_buf *out);

/* Redis's patterns: * ? [abc] [^a-c] and \ before a character that is meant as it is. */
bool mp_dict_matches(const uint8_t *pattern, size_t n_pattern, const uint8_t *text, size_t n_text);

#endif
