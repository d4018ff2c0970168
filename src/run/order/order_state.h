/* order_state.h - what the ordered sink holds; for the files order*.c alone.
 * Invariant: a piece is reported once, and every report gets exactly one last answer (WRITE, SEND
 * or DROP); a rank keeps a piece until then, so a rank that keeps none has no message under way.
 * Every message carries the pass. */
#ifndef MP_RUN_ORDER_STATE_H
#define MP_RUN_ORDER_STATE_H

#include "run/order/order.h"
#include "run/order/order_pack.h"

typedef enum {
    MP_LETTER_REPORT, /* to rank 0: a = bytes, b = rows, c = 1 when the ends of rows are known */
    MP_LETTER_SIZE,   /* to rank 0, after TRIM: a = bytes of the rows asked for */
    MP_LETTER_TEXT,   /* to rank 0, after SEND: bytes before the letter; a = 1 when more follow */
    MP_LETTER_WRITE, /* to the holder: a = offset in the file; packed: b = rank of the unit there */
    MP_LETTER_TRIM,  /* to the holder: keep c rows behind the first b, then say SIZE */
    MP_LETTER_SEND,  /* to the holder: send the text; b, c as in TRIM, c = -1: all */
    MP_LETTER_DROP   /* to the holder: not wanted, or nothing to write */
} mp_letter_kind;

/* The last bytes of every message of the ordered sink. */
typedef struct {
    uint32_t kind, pass;
    int64_t piece, a, b, c;
} mp_order_letter;

/* A piece on the rank that made it. */
typedef struct mp_held mp_held;
struct mp_held {
    mp_held *next;
    int64_t piece, n_rows;
    int64_t offset; /* in the file, -1: not known yet */
    int owner;      /* packed: packs the unit in which the piece begins */
    mp_buf text, row_ends;
};

/* What rank 0 knows of a piece. */
typedef enum {
    MP_PIECE_UNKNOWN,
    MP_PIECE_REPORTED,
    MP_PIECE_TRIMMED, /* file: its size is being asked for */
    MP_PIECE_ASKED,   /* stream: its text is on the way */
    MP_PIECE_HERE,    /* stream: its text waits for its turn */
    MP_PIECE_DONE
} mp_piece_state;

typedef struct {
    mp_piece_state state;
    bool has_ends;
    int src;
    int64_t bytes, rows;
    mp_buf text;
} mp_piece;

struct mp_order {
    mp_comm *c;
    mp_order_args args;
    bool failed;         /* a write failed: nothing more is written */
    mp_error error;      /* of a stream */
    mp_order_pack *pack; /* NULL: plain */
    /* every rank: pieces of its own, in the order of submission */
    mp_held *held, **held_end;
    int64_t held_bytes;
    /* rank 0: ring[p & (cap - 1)] for next <= p < next + cap */
    mp_piece *ring;
    int64_t cap;
    int64_t next;                 /* lowest piece that is not placed (file) or written (stream) */
    int64_t asked;                /* stream: pieces below were asked for */
    int64_t last;                 /* largest piece that was reported, -1: none */
    int64_t n_pending;            /* reported and not done */
    int64_t skip_left, rows_left; /* rows_left -1: no limit */
    int64_t offset, n_bytes, n_rows;
    int owner;   /* packed: of the unit at offset, where that is inside a unit */
    bool closed; /* nobody reads the stream any more */
};

/* Pieces get an offset; else they are sent to rank 0. */
static inline bool mp_order_places(const mp_order *o) {
    return o->args.file || o->pack;
}

MP_MUST_CHECK mp_status mp_order_tell(mp_order *o, int dest, mp_letter_kind kind, int64_t piece,
                                      int64_t a, int64_t b, int64_t c, mp_error *err);

/* Rank 0's part: order_root.c. */
MP_MUST_CHECK mp_status mp_order_root_letter(mp_order *o, int src, const mp_order_letter *l,
                                             const uint8_t *text, size_t len, mp_error *err);
/* Nobody reads any more what is packed. */
MP_MUST_CHECK mp_status mp_order_root_close(mp_order *o, mp_error *err);
void mp_order_root_release(mp_order *o);

#endif
