/* order_pack.h - the packed form of an ordered sink: text whose place among all text is known is
 * cut at fixed places into units, each packed by one rank; the packed units are the pieces of an
 * ordered sink of their own.
 * Invariant: where units begin depends on the text alone, so the packed bytes are the same for
 * every number of ranks and every cutting into pieces. Unit k is packed by the rank that holds its
 * first byte; every other rank sends it its part. For the files order*.c alone. */
#ifndef MP_RUN_ORDER_PACK_H
#define MP_RUN_ORDER_PACK_H

#include "run/order/order.h"

typedef struct mp_order_pack mp_order_pack;

/* args are those of the sink itself. Listens on MP_TAG_FRAGMENT and MP_TAG_PACKED. Local. */
MP_MUST_CHECK mp_status mp_order_pack_new(mp_comm *c, const mp_order_args *args,
                                          mp_order_pack **out, mp_error *err);
void mp_order_pack_free(mp_order_pack **p);
/* Plain bytes of a unit. */
int64_t mp_order_pack_unit(const mp_order_pack *p);
/* n bytes of text at that offset of the whole text; owner is the rank that packs the unit in which
 * they begin: this one, where they begin a unit. Copies. */
MP_MUST_CHECK mp_status mp_order_pack_take(mp_order_pack *p, int64_t offset, int owner,
                                           const uint8_t *text, size_t n, mp_error *err);
/* Packs a block and writes what may be written; *did when it packed. */
MP_MUST_CHECK mp_status mp_order_pack_push(mp_order_pack *p, bool *did, mp_error *err);
/* Packing lags behind, or packed units wait. It comes free by pushing alone: only the last unit can
 * wait for text that is still to be made, and that one does not count. */
bool mp_order_pack_busy(const mp_order_pack *p);
/* Collective, when all text was taken: total_bytes of it (read on rank 0). The last unit is packed,
 * and everything is written. */
MP_MUST_CHECK mp_status mp_order_pack_finish(mp_order_pack *p, int64_t total_bytes, mp_error *err);
/* Rank 0, as in order.h: packed bytes that have a place; nobody reads the stream any more. */
int64_t mp_order_pack_bytes(const mp_order_pack *p);
bool mp_order_pack_closed(const mp_order_pack *p);

#endif
