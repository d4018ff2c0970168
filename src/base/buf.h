/* buf.h - growable bytes, and the reader of what was written: the form in which everything crosses ranks.
 * Wire form: little-endian fixed-width integers, u32 length before bytes. A buf that could not grow is marked failed and
 * ignores further puts, so a writer checks once, at the end. A reader that would pass its end is marked bad and returns
 * zeros, so a reader of hostile bytes checks once, too. */
#ifndef MP_BASE_BUF_H
#define MP_BASE_BUF_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

typedef struct {
    uint8_t *data;
    size_t len, cap;
    mp_mem *mem;
    bool failed;
} mp_buf;

void mp_buf_init(mp_buf *b, mp_mem *mem);
void mp_buf_release(mp_buf *b);
static inline void mp_buf_clear(mp_buf *b) {
    b->len = 0;
    b->failed = false;
}
/* Room for n more bytes; false (and failed) when refused. */
bool mp_buf_reserve(mp_buf *b, size_t n_bytes);
static inline void mp_buf_put(mp_buf *b, const void *p, size_t n) {
    if (b->cap - b->len < n && !mp_buf_reserve(b, n)) return;
    if (n) memcpy(b->data + b->len, p, n);
    b->len += n;
}
static inline void mp_buf_u8(mp_buf *b, uint8_t v) {
    mp_buf_put(b, &v, 1);
}
static inline void mp_buf_u32(mp_buf *b, uint32_t v) {
    mp_buf_put(b, &v, 4);
}
static inline void mp_buf_u64(mp_buf *b, uint64_t v) {
    mp_buf_put(b, &v, 8);
}
static inline void mp_buf_i64(mp_buf *b, int64_t v) {
    mp_buf_put(b, &v, 8);
}
static inline void mp_buf_f64(mp_buf *b, double v) {
    mp_buf_put(b, &v, 8);
}
void mp_buf_bytes(mp_buf *b, const void *p, size_t n); /* u32 length, then the bytes; n < 4 GiB */
void mp_buf_text(mp_buf *b, const char *s);            /* as mp_buf_bytes; NULL is told from "" */
void mp_buf_printf(mp_buf *b, const char *fmt, ...) MP_PRINTF(2, 3);
mp_status mp_buf_check(const mp_buf *b, mp_error *err); /* MP_OK, or the refused allocation */

typedef struct {
    const uint8_t *p, *end;
    bool bad;
} mp_rd;

static inline mp_rd mp_rd_of(const void *p, size_t n) {
    return (mp_rd){(const uint8_t *)p, (const uint8_t *)p + n, false};
}
static inline size_t mp_rd_left(const mp_rd *r) {
    return (size_t)(r->end - r->p);
}
/* n raw bytes in place, NULL (and bad) past the end. */
static inline const void *mp_rd_raw(mp_rd *r, size_t n) {
    if (mp_rd_left(r) < n) {
        r->bad = true;
        r->p = r->end;
        return NULL;
    }
    const void *p = r->p;
    r->p += n;
    return p;
}
uint8_t mp_rd_u8(mp_rd *r);
uint32_t mp_rd_u32(mp_rd *r);
uint64_t mp_rd_u64(mp_rd *r);
int64_t mp_rd_i64(mp_rd *r);
double mp_rd_f64(mp_rd *r);
const void *mp_rd_bytes(mp_rd *r, size_t *n); /* length-prefixed, in place */
/* Text written by mp_buf_text, copied into arena with a final NUL; *out may become NULL as written. */
bool mp_rd_text(mp_rd *r, mp_arena *arena, const char **out);

#endif
