/* batch_wire.h - a batch as bytes, and back: rows that one rank reads for another.
 * Invariant: what comes back are the same values, nulls and places; bytes that were cut short are told. */
#ifndef MP_DATA_BATCH_WIRE_H
#define MP_DATA_BATCH_WIRE_H

#include "base/buf.h"
#include "data/batch.h"

/* Append; a failed buf says so at its end. */
void mp_batch_put(const mp_batch *in, mp_buf *out);
/* The next batch, in arena; texts point into the bytes of rd. MP_FAILED: the bytes are no batch; MP_NOMEM. */
MP_MUST_CHECK mp_status mp_batch_get(mp_rd *rd, mp_arena *arena, mp_batch *out, mp_error *err);

#endif
