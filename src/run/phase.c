/* phase.c - see phase.h. */
#include "run/phase.h"

#include "base/clock.h"

enum { TICK_NS = 200 * 1000 * 1000 };

mp_phase mp_phase_begin(mp_comm *c, int tag) {
    return (mp_phase){.c = c,
                      .tag = tag,
                      .serial = mp_comm_serial(c),
                      .rank = mp_comm_rank(c),
                      .fatal_error = MP_ERROR_INIT};
}

void mp_phase_write(const mp_phase *p, mp_buf *b, int kind) {
    mp_buf_init(b, NULL);
    mp_buf_u32(b, p->serial);
    mp_buf_u8(b, (uint8_t)kind);
}

void mp_phase_send(mp_phase *p, int dest, mp_buf *b) {
    mp_status s = mp_comm_send_buf(p->c, dest, p->tag, b, false, &p->fatal_error);
    if (s != MP_OK) p->fatal = s;
    mp_buf_release(b);
}

int mp_phase_read(const mp_phase *p, const uint8_t *bytes, size_t len, mp_rd *in) {
    *in = mp_rd_of(bytes, len);
    uint32_t serial = mp_rd_u32(in);
    int kind = mp_rd_u8(in);
    return in->bad || serial != p->serial ? -1 : kind;
}

mp_status mp_phase_drive(mp_phase *p, const mp_phase_loop *loop, mp_error *err) {
    int idle = 0;
    int64_t next_tick = mp_clock_ns() + TICK_NS;
    while (!p->over) {
        int events = 0;
        mp_error e = MP_ERROR_INIT;
        mp_status s = mp_comm_progress(p->c, &events, &e);
        if (s != MP_OK && mp_comm_broken(p->c)) {
            if (err) *err = e;
            return s;
        }
        if (p->over) break;
        bool did = loop->round(loop->ctx, s, &e);
        if (p->fatal != MP_OK) {
            mp_comm_give_up(p->c);
            if (err) *err = p->fatal_error;
            return p->fatal;
        }
        idle = did || events ? 0 : idle + 1;
        if (idle && !p->over) loop->rest(loop->ctx, idle);
        if (p->rank == 0 && loop->tick && mp_clock_ns() >= next_tick) {
            loop->tick(loop->tick_ctx);
            next_tick = mp_clock_ns() + TICK_NS;
        }
    }
    return MP_OK;
}
