/* buf.c - growable bytes and their reader.
 * Invariant: a failed buffer has cap == len, so that the inline put always comes here, where it is
 * refused. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the wire form is little-endian; integers are copied as they are");

static const uint32_t NULL_TEXT = UINT32_MAX; /* length that stands for a NULL text */

void mp_buf_init(mp_buf *b, mp_mem *mem) {
    *b = (mp_buf){.mem = mem};
}

void mp_buf_release(mp_buf *b) {
    mp_mem_free(b->mem, b->data);
    mp_buf_init(b, b->mem);
}

bool mp_buf_reserve(mp_buf *b, size_t n_bytes) {
    if (b->failed) return false;
    if (b->cap - b->len >= n_bytes) return true;
    size_t need, cap = b->cap < 64 ? 64 : b->cap;
    void *p = NULL;
    if (!__builtin_add_overflow(b->len, n_bytes, &need)) {
        if (__builtin_mul_overflow(cap, 2u, &cap) || cap < need) cap = need;
        p = mp_mem_realloc(b->mem, b->data, cap);
        if (!p && cap > need) p = mp_mem_realloc(b->mem, b->data, cap = need);
    }
    if (!p) {
        b->failed = true;
        b->cap = b->len;
        return false;
    }
    b->data = p;
    b->cap = cap;
    return true;
}

void mp_buf_bytes(mp_buf *b, const void *p, size_t n) {
    if (n >= NULL_TEXT) {
        b->failed = true;
        b->cap = b->len;
        return;
    }
    mp_buf_u32(b, (uint32_t)n);
    mp_buf_put(b, p, n);
}

void mp_buf_text(mp_buf *b, const char *s) {
    if (s)
        mp_buf_bytes(b, s, strlen(s));
    else
        mp_buf_u32(b, NULL_TEXT);
}

void mp_buf_printf(mp_buf *b, const char *fmt, ...) {
    va_list args;
    if (!mp_buf_reserve(b, 1)) return;
    size_t room = b->cap - b->len;
    va_start(args, fmt);
    int n = vsnprintf((char *)b->data + b->len, room, fmt, args);
    va_end(args);
    if (n < 0) return;
    if ((size_t)n >= room) {
        if (!mp_buf_reserve(b, (size_t)n + 1)) return;
        va_start(args, fmt);
        vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, args);
        va_end(args);
    }
    b->len += (size_t)n;
}

mp_status mp_buf_check(const mp_buf *b, mp_error *err) {
    if (!b->failed) return MP_OK;
    return mp_mem_error(b->mem, b->cap < 64 ? 64 : b->cap, err);
}

uint8_t mp_rd_u8(mp_rd *r) {
    uint8_t v = 0;
    const void *p = mp_rd_raw(r, sizeof v);
    if (p) memcpy(&v, p, sizeof v);
    return v;
}

uint32_t mp_rd_u32(mp_rd *r) {
    uint32_t v = 0;
    const void *p = mp_rd_raw(r, sizeof v);
    if (p) memcpy(&v, p, sizeof v);
    return v;
}

uint64_t mp_rd_u64(mp_rd *r) {
    uint64_t v = 0;
    const void *p = mp_rd_raw(r, sizeof v);
    if (p) memcpy(&v, p, sizeof v);
    return v;
}

int64_t mp_rd_i64(mp_rd *r) {
    return (int64_t)mp_rd_u64(r);
}

double mp_rd_f64(mp_rd *r) {
    double v = 0;
    const void *p = mp_rd_raw(r, sizeof v);
    if (p) memcpy(&v, p, sizeof v);
    return v;
}

const void *mp_rd_bytes(mp_rd *r, size_t *n) {
    uint32_t len = mp_rd_u32(r);
    const void *p = mp_rd_raw(r, len);
    *n = p ? len : 0;
    return p;
}

bool mp_rd_text(mp_rd *r, mp_arena *arena, const char **out) {
    *out = NULL;
    uint32_t len = mp_rd_u32(r);
    if (r->bad) return false;
    if (len == NULL_TEXT) return true;
    const void *p = mp_rd_raw(r, len);
    if (!p) return false;
    char *copy = mp_arena_alloc(arena, (size_t)len + 1, 1);
    if (!copy) return false;
    memcpy(copy, p, len);
    copy[len] = 0;
    *out = copy;
    return true;
}
