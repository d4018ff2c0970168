/* run_facts.h - what a run's results depend on, as lines "name: value" of mp_run_dir_args.facts.
 * Invariant: a fact is one line whatever is in it; what has its default stands in none. All functions
 * append to out and are local. */
#ifndef MP_RUN_RUN_FACTS_H
#define MP_RUN_RUN_FACTS_H

#include "base/buf.h"
#include "plan/spec.h"

/* A word as a shell reads it, without newlines. */
void mp_facts_quote(const char *word, mp_buf *out);
/* "option NAME: n", nothing for 0. */
void mp_facts_number(mp_buf *out, const char *name, int64_t n);
/* "option NAME: word word ...", nothing for none. */
void mp_facts_texts(mp_buf *out, const char *name, const char *const *texts, int n);
/* How the inputs are read, and of each its size and when it was changed. One that cannot be listed is
 * left out: an error later on, where the table is opened. */
void mp_facts_inputs(const mp_input_spec *in, mp_mem *mem, mp_buf *out);

#endif
