/* input_unpack.c - see input_unpack.h. */
#include "io/input/input_unpack.h"

enum { PAD = 64, STEP = 64 << 10 };

void mp_unpack_init(mp_unpack *u, mp_mem *mem) {
    *u = (mp_unpack){0};
    mp_buf_init(&u->room, mem);
}

void mp_unpack_close(mp_unpack *u) {
    mp_mem *mem = u->room.mem;
    mp_stream_close(&u->stream);
    mp_buf_release(&u->room);
    mp_unpack_init(u, mem);
}

mp_status mp_unpack_open(mp_unpack *u, const char *path, mp_packing packing, mp_error *err) {
    mp_unpack_close(u);
    mp_input in = {.path = path, .kind = MP_INPUT_STREAM, .packing = packing, .size_bytes = -1};
    u->packing = packing;
    return mp_stream_open(&in, &u->stream, err);
}

static int64_t window_end(const mp_unpack *u) {
    return u->begin + (int64_t)u->len;
}

/* Room for n more bytes of the window and the padding behind them. */
static mp_status make_room(mp_unpack *u, size_t n, mp_error *err) {
    bool first = !u->room.data;
    u->room.len = first ? 0 : PAD + u->len;
    u->room.failed = false;
    if (!mp_buf_reserve(&u->room, n + PAD + (first ? PAD : 0))) return mp_buf_check(&u->room, err);
    u->bytes = u->room.data + PAD;
    return MP_OK;
}

mp_status mp_unpack_more(mp_unpack *u, size_t n, mp_error *err) {
    mp_status st = make_room(u, n, err);
    for (size_t done = 0; !st && done < n && !u->at_end;) {
        size_t got = 0;
        bool later = false;
        st = mp_stream_read(u->stream, u->bytes + u->len, n - done, &got, &later, &u->at_end, err);
        done += got;
        u->len += got;
    }
    if (!st) memset(u->bytes + u->len, 0, PAD);
    u->broken = st != MP_OK;
    return st;
}

/* Unpack and drop what stands before begin. */
static mp_status skip_to(mp_unpack *u, int64_t begin, mp_error *err) {
    mp_status st = make_room(u, STEP, err);
    while (!st && u->begin < begin && !u->at_end) {
        int64_t left = begin - u->begin;
        st = mp_unpack_more(u, left < STEP ? (size_t)left : STEP, err);
        u->begin += (int64_t)u->len;
        u->len = 0;
    }
    u->begin = begin;
    return st;
}

/* The window before holds the front of this one, and to is still to come. */
static bool goes_on(const mp_unpack *u, mp_pack_point to, int64_t begin) {
    return u->room.data && !u->broken && begin >= u->begin && to.plain > window_end(u) &&
           (begin <= window_end(u) || (u->at_end && to.packed < 0));
}

mp_status mp_unpack_window(mp_unpack *u, mp_pack_point from, mp_pack_point to, int64_t begin,
                           size_t len, mp_error *err) {
    mp_status st = MP_OK;
    if (goes_on(u, to, begin)) {
        bool behind = begin > window_end(u); /* the text has ended before */
        size_t drop = behind ? u->len : (size_t)(begin - u->begin);
        memmove(u->bytes, u->bytes + drop, u->len - drop);
        u->len -= drop;
        u->begin = begin;
    } else {
        u->len = 0;
        u->at_end = false;
        u->begin = from.plain;
        st = mp_stream_enter(u->stream, u->packing, from, err);
    }
    if (!st && to.plain > window_end(u)) mp_stream_expect(u->stream, to);
    if (!st) st = skip_to(u, begin, err);
    if (!st) st = make_room(u, len > u->len ? len - u->len : 0, err);
    if (!st) memset(u->bytes - PAD, 0, PAD);
    if (!st) memset(u->bytes + u->len, 0, PAD);
    return st;
}
