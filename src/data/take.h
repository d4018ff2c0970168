/* take.h - the chosen rows of columns. */
#ifndef MP_DATA_TAKE_H
#define MP_DATA_TAKE_H

#include "base/mem.h"
#include "data/batch.h"

/* Values sel[0..n) of in, in the arena; strings still point where they did. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_col_take(const mp_col *in, const uint32_t *sel, int32_t n,
                                    mp_arena *arena, mp_col *out, mp_error *err);
/* All columns of a batch; places (rec, row_no) are dropped. out may be in. */
MP_MUST_CHECK mp_status mp_batch_take(const mp_batch *in, const uint32_t *sel, int32_t n,
                                      mp_arena *arena, mp_batch *out, mp_error *err);

#endif
