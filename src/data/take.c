/* take.c - see take.h. */
#include "data/take.h"

static void take_8(const int64_t *in, const uint32_t *sel, int32_t n, int64_t *out) {
    for (int32_t i = 0; i < n; i++)
        out[i] = in[sel[i]];
}

static void take_str(const mp_str *in, const uint32_t *sel, int32_t n, mp_str *out) {
    for (int32_t i = 0; i < n; i++)
        out[i] = in[sel[i]];
}

static void take_1(const uint8_t *in, const uint32_t *sel, int32_t n, uint8_t *out) {
    for (int32_t i = 0; i < n; i++)
        out[i] = in[sel[i]];
}

mp_status mp_col_take(const mp_col *in, const uint32_t *sel, int32_t n, mp_arena *arena,
                      mp_col *out, mp_error *err) {
    size_t width = (size_t)mp_type_width(in->type), bytes = (size_t)n * width;
    mp_col got = *in;
    void *values = mp_arena_alloc(arena, bytes + 1, 64);
    uint8_t *valid = in->valid ? mp_arena_alloc(arena, (size_t)n + 1, 64) : NULL;
    if (!values || (in->valid && !valid)) return mp_mem_error(arena->mem, bytes, err);
    if (width == 8)
        take_8(in->i64, sel, n, values);
    else if (width == 1)
        take_1(in->b, sel, n, values);
    else
        take_str(in->str, sel, n, values);
    if (valid) take_1(in->valid, sel, n, valid);
    got.p = values;
    got.valid = valid;
    *out = got;
    return MP_OK;
}

mp_status mp_batch_take(const mp_batch *in, const uint32_t *sel, int32_t n, mp_arena *arena,
                        mp_batch *out, mp_error *err) {
    mp_col *cols = mp_arena_alloc(arena, (size_t)in->n_cols * sizeof *cols + 1, 16);
    if (!cols) return mp_mem_error(arena->mem, (size_t)in->n_cols * sizeof *cols, err);
    for (int32_t c = 0; c < in->n_cols; c++) {
        mp_status st = mp_col_take(&in->cols[c], sel, n, arena, &cols[c], err);
        if (st) return st;
    }
    *out = (mp_batch){.n_rows = n, .n_cols = in->n_cols, .cols = cols, .file_no = in->file_no};
    return MP_OK;
}
