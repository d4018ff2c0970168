/* plugin_wire.c - see plugin_wire.h. */
#include <stddef.h>

#include "op/plugin/plugin_wire.h"

enum { COLUMNS_MAX = 1 << 16 };

void mp_plugin_put_columns(mp_buf *b, uint32_t role, int64_t number, const mp_schema *s) {
    mp_buf_u32(b, role);
    mp_buf_i64(b, number);
    mp_buf_u32(b, (uint32_t)s->n);
    for (int32_t i = 0; i < s->n; i++) {
        const mp_field *f = &s->fields[i];
        mp_buf_text(b, f->name);
        mp_buf_u8(b, (uint8_t)f->type);
        mp_buf_u8(b, f->ts_sep);
        mp_buf_u8(b, f->scale);
    }
}

static bool get_field(mp_rd *rd, mp_arena *arena, mp_field *f) {
    bool ok = mp_rd_text(rd, arena, &f->name);
    uint8_t type = mp_rd_u8(rd);
    f->ts_sep = mp_rd_u8(rd);
    f->scale = mp_rd_u8(rd);
    f->type = (mp_type)type;
    return ok && !rd->bad && f->name && type < MP_TYPE_COUNT && f->scale <= 18 &&
           (f->ts_sep == 0 || f->ts_sep == ' ' || f->ts_sep == 'T');
}

bool mp_plugin_get_columns(const void *bytes, size_t n, mp_arena *arena, uint32_t *role,
                           int64_t *number, mp_schema *s) {
    mp_rd rd = mp_rd_of(bytes, n);
    *role = mp_rd_u32(&rd);
    *number = mp_rd_i64(&rd);
    uint32_t n_cols = mp_rd_u32(&rd);
    if (rd.bad || n_cols > COLUMNS_MAX) return false;
    *s = (mp_schema){.n = (int32_t)n_cols};
    s->fields = mp_arena_alloc(arena, n_cols * sizeof *s->fields, 8);
    if (!s->fields) return false;
    for (uint32_t i = 0; i < n_cols; i++)
        if (!get_field(&rd, arena, &s->fields[i])) return false;
    return mp_rd_left(&rd) == 0;
}

mp_line_result mp_plugin_send(int line, const mp_plugin_message *m, int fd) {
    size_t n = m->kind == MP_PLUGIN_DONE ? sizeof *m : offsetof(mp_plugin_message, error);
    return mp_line_send(line, m, n, fd);
}
