/* frame.c - a batch in one block of bytes. See arrow.h.
 * Invariant: all places in a frame are counted from its begin, so it can be read at any address and by any process. */
#include "data/arrow.h"

#define FRAME_MAGIC 0x314D415246504D00u /* "\0MPFRAM1" */
enum { ALIGN = 64 };

typedef struct {
    int64_t null_count;
    int64_t n_buffers;
    int64_t at[3]; /* 0: no buffer */
    int64_t bytes[3];
} frame_col;

typedef struct {
    uint64_t magic;
    int64_t len; /* of the whole frame */
    int64_t n_rows;
    int64_t n_cols;
    frame_col cols[];
} frame_head;

static int64_t head_bytes(int64_t n_cols) {
    int64_t n = (int64_t)sizeof(frame_head) + n_cols * (int64_t)sizeof(frame_col);
    return (n + ALIGN - 1) & -(int64_t)ALIGN;
}

int64_t mp_frame_bytes(const mp_batch *in, const mp_schema *s) {
    int64_t bytes = mp_arrow_bytes(in, s);
    return bytes < 0 ? -1 : head_bytes(in->n_cols) + bytes;
}

/* The columns are exported a few at a time, so that they need no memory of their own. */
int64_t mp_frame_put(const mp_batch *in, const mp_schema *s, uint8_t *base) {
    enum { AT_ONCE = 16 };
    frame_head *h = (frame_head *)(void *)base;
    int64_t at = head_bytes(in->n_cols);
    mp_arrow_col cols[AT_ONCE];
    for (int32_t i = 0; i < in->n_cols; i += AT_ONCE) {
        mp_batch some = *in;
        some.cols += i;
        some.n_cols = in->n_cols - i < AT_ONCE ? in->n_cols - i : AT_ONCE;
        mp_schema fields = {.n = some.n_cols, .fields = s->fields + i};
        at += mp_arrow_export(&some, &fields, false, base + at, cols);
        for (int32_t k = 0; k < some.n_cols; k++) {
            frame_col *c = &h->cols[i + k];
            *c = (frame_col){.null_count = cols[k].null_count, .n_buffers = cols[k].n_buffers};
            for (int b = 0; b < cols[k].n_buffers; b++) {
                const uint8_t *p = cols[k].buffers[b];
                c->at[b] = p ? p - base : 0;
                c->bytes[b] = cols[k].bytes[b];
            }
        }
    }
    h->magic = FRAME_MAGIC;
    h->len = at;
    h->n_rows = in->n_rows;
    h->n_cols = in->n_cols;
    return at;
}

static mp_status broken(mp_error *err) {
    return mp_error_set(err, MP_FAILED, "bad batch", "what came back is not a batch");
}

static bool get_column(const uint8_t *base, const frame_head *h, const frame_col *in,
                       mp_arrow_col *out) {
    *out = (mp_arrow_col){.length = h->n_rows, .null_count = in->null_count};
    if (in->n_buffers < 0 || in->n_buffers > 3 || in->null_count < -1 || in->null_count > h->n_rows)
        return false;
    out->n_buffers = (int)in->n_buffers;
    for (int b = 0; b < out->n_buffers; b++) {
        if (in->at[b] == 0) continue;
        if (in->at[b] < 0 || in->at[b] % ALIGN || in->at[b] > h->len || in->bytes[b] < 0 ||
            in->bytes[b] > h->len - in->at[b])
            return false;
        out->buffers[b] = base + in->at[b];
        out->bytes[b] = in->bytes[b];
    }
    return true;
}

mp_status mp_frame_get(const uint8_t *base, int64_t cap, int n_cols, mp_arrow_col *cols,
                       int64_t *n_rows, int64_t *len, mp_error *err) {
    const frame_head *h = (const frame_head *)(const void *)base;
    if (cap < head_bytes(n_cols) || h->magic != FRAME_MAGIC || h->n_cols != n_cols ||
        h->len < head_bytes(n_cols) || h->len > cap || h->len % ALIGN || h->n_rows < 0 ||
        h->n_rows > INT32_MAX)
        return broken(err);
    for (int i = 0; i < n_cols; i++)
        if (!get_column(base, h, &h->cols[i], &cols[i])) return broken(err);
    *n_rows = h->n_rows;
    *len = h->len;
    return MP_OK;
}
