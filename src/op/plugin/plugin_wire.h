/* plugin_wire.h - what a rank and the process of its plug-in say to each other.
 * Two regions of shared memory, one for each direction, in MP_PLUGIN_SLOTS slots; a slot belongs to one side at a time,
 * and a message hands it over. Rows are frames (data/arrow.h), one behind the other from the begin of a slot.
 *
 *     rank                                   worker
 *     INPUT, OUTPUT: a region                READY: the plug-in is loaded, or DONE with why not
 *     OPEN: a shard, described in slot 0     OPENED: the columns that come out, described in slot 0
 *     ROWS: of the shard                     FREE: they have been read; ROWS: that came out; FAILED: no more, please
 *     FREE: they have been read              NEED: a larger OUTPUT, all of whose slots are free
 *     FINISH: the shard is at its end        DONE: the worst that happened
 *
 * Invariant: a side never has more than MP_PLUGIN_SLOTS + 4 messages under way, so that sending never blocks. The rank
 * believes nothing of what comes: the bytes of a message are its own copy, slots are copied before they are read. */
#ifndef MP_OP_PLUGIN_WIRE_H
#define MP_OP_PLUGIN_WIRE_H

#include "base/buf.h"
#include "data/arrow.h"
#include "io/shared.h"

enum { MP_PLUGIN_SLOTS = 3, MP_PLUGIN_SLOT_BYTES = 512 << 10 };

typedef enum {
    MP_PLUGIN_INPUT = 1,
    MP_PLUGIN_OUTPUT,
    MP_PLUGIN_READY,
    MP_PLUGIN_OPEN,
    MP_PLUGIN_OPENED,
    MP_PLUGIN_ROWS,
    MP_PLUGIN_FREE,
    MP_PLUGIN_NEED,
    MP_PLUGIN_FAILED,
    MP_PLUGIN_FINISH,
    MP_PLUGIN_DONE
} mp_plugin_kind;

typedef struct {
    uint32_t kind;
    uint32_t slot;
    int64_t len;    /* bytes of the slot; NEED: bytes of a slot */
    int64_t cancel; /* FINISH: just close it */
    mp_error error; /* of DONE alone, else not sent */
} mp_plugin_message;

/* The first word behind the worker's own name in its arguments; then the dictionary's socket ("": none), the file, and
 * the plug-in's arguments. */
#define MP_PLUGIN_WORKER_ARG "--mpart-plugin-worker"

static inline size_t mp_plugin_slot_bytes(const mp_shared *s) {
    return s->bytes / MP_PLUGIN_SLOTS & ~(size_t)63;
}
static inline uint8_t *mp_plugin_slot(const mp_shared *s, uint32_t slot) {
    return s->p + slot * mp_plugin_slot_bytes(s);
}

/* A shard and its columns (OPEN), columns and the number of keys (OPENED): number is one or the other. */
void mp_plugin_put_columns(mp_buf *b, uint32_t role, int64_t number, const mp_schema *s);
/* Into arena. false: not such a description, or no memory. */
bool mp_plugin_get_columns(const void *bytes, size_t n, mp_arena *arena, uint32_t *role,
                           int64_t *number, mp_schema *s);

mp_line_result mp_plugin_send(int line, const mp_plugin_message *m, int fd);

#endif
