/* h5_values.c - single values from bytes. See h5_values.h. */
#include "io/h5/h5_values.h"

#include <math.h>

double mp_h5_half(uint16_t bits) {
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double v = exponent == 31  ? (fraction ? (double)NAN : (double)INFINITY)
               : exponent == 0 ? ldexp(fraction, -24)
                               : ldexp(1024 + fraction, exponent - 25);
    return bits >> 15 ? -v : v;
}

#define AT(i) (p->p + (p->sel ? (int64_t)p->sel[i] - p->first : (int64_t)(i)) * step)

/* The loop of one form: TYPE is what stands in the file, TURN what brings its bytes in order. */
#define LOOP(TYPE, TURN, MAKE)                                                                     \
    for (int32_t i = 0; i < p->n; i++) {                                                           \
        TYPE v;                                                                                    \
        memcpy(&v, AT(i), sizeof v);                                                               \
        v = (TYPE)TURN(v);                                                                         \
        MAKE;                                                                                      \
    }
#define AS_IT_IS(v) (v)

/* The same, dense or at steps: the compiler knows the step of the dense one. */
#define NUMBERS(TYPE, TURN, MAKE)                                                                  \
    do {                                                                                           \
        if (!p->sel && p->column->stride == (int64_t)sizeof(TYPE)) {                               \
            const int64_t step = (int64_t)sizeof(TYPE);                                            \
            for (int32_t i = 0; i < p->n; i++) {                                                   \
                TYPE v;                                                                            \
                memcpy(&v, p->p + i * step, sizeof v);                                             \
                v = (TYPE)TURN(v);                                                                 \
                MAKE;                                                                              \
            }                                                                                      \
        } else {                                                                                   \
            const int64_t step = p->column->stride;                                                \
            LOOP(TYPE, TURN, MAKE)                                                                 \
        }                                                                                          \
    } while (0)

static void load_int(const mp_h5_piece *p, int64_t *out) {
    bool turned = p->column->big_endian;
    switch (p->column->size) {
    case 1:
        NUMBERS(int8_t, AS_IT_IS, out[i] = v);
        break;
    case 2:
        if (turned)
            NUMBERS(uint16_t, __builtin_bswap16, out[i] = (int16_t)v);
        else
            NUMBERS(int16_t, AS_IT_IS, out[i] = v);
        break;
    case 4:
        if (turned)
            NUMBERS(uint32_t, __builtin_bswap32, out[i] = (int32_t)v);
        else
            NUMBERS(int32_t, AS_IT_IS, out[i] = v);
        break;
    default:
        if (turned)
            NUMBERS(uint64_t, __builtin_bswap64, out[i] = (int64_t)v);
        else
            NUMBERS(int64_t, AS_IT_IS, out[i] = v);
    }
}

static void load_uint(const mp_h5_piece *p, int64_t *out) {
    bool turned = p->column->big_endian;
    switch (p->column->size) {
    case 1:
        NUMBERS(uint8_t, AS_IT_IS, out[i] = v);
        break;
    case 2:
        if (turned)
            NUMBERS(uint16_t, __builtin_bswap16, out[i] = v);
        else
            NUMBERS(uint16_t, AS_IT_IS, out[i] = v);
        break;
    case 4:
        if (turned)
            NUMBERS(uint32_t, __builtin_bswap32, out[i] = v);
        else
            NUMBERS(uint32_t, AS_IT_IS, out[i] = v);
        break;
    default:
        load_int(p, out);
    }
}

static float float_of(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static void load_float(const mp_h5_piece *p, double *out) {
    bool turned = p->column->big_endian;
    switch (p->column->size) {
    case 2:
        if (turned)
            NUMBERS(uint16_t, __builtin_bswap16, out[i] = mp_h5_half(v));
        else
            NUMBERS(uint16_t, AS_IT_IS, out[i] = mp_h5_half(v));
        break;
    case 4:
        if (turned)
            NUMBERS(uint32_t, __builtin_bswap32, out[i] = (double)float_of(v));
        else
            NUMBERS(float, AS_IT_IS, out[i] = (double)v);
        break;
    default:
        load_int(p, (int64_t *)(void *)out);
    }
}

/* PyTables' time64: seconds above, microseconds below. */
static void load_timeval(const mp_h5_piece *p, double *out) {
    int64_t *bits = (int64_t *)(void *)out;
    load_int(p, bits);
    for (int32_t i = 0; i < p->n; i++) {
        uint64_t v = (uint64_t)bits[i];
        out[i] = (double)(int32_t)(v >> 32) + 1e-6 * (double)(int32_t)(uint32_t)v;
    }
}

void mp_h5_load_number(const mp_h5_piece *p, int64_t *out) {
    switch (p->column->form) {
    case MP_H5_INT:
        load_int(p, out);
        break;
    case MP_H5_UINT:
        load_uint(p, out);
        break;
    case MP_H5_TIMEVAL:
        load_timeval(p, (double *)(void *)out);
        break;
    default:
        load_float(p, (double *)(void *)out);
    }
}

void mp_h5_load_fixed(const mp_h5_piece *p, mp_str *out) {
    const int64_t step = p->column->stride;
    size_t size = p->column->size;
    bool blanks = p->column->pad == MP_H5_PAD_SPACE;
    for (int32_t i = 0; i < p->n; i++) {
        const char *s = (const char *)AT(i);
        size_t n = strnlen(s, size);
        while (blanks && n > 0 && s[n - 1] == ' ')
            n--;
        out[i] = mp_str_of(s, n);
    }
}

static size_t put_utf8(char *to, uint32_t c) {
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        to[i] = (char)(0x80 | (c & 63));
    to[0] = (char)((n == 2 ? 0xC0u : n == 3 ? 0xE0u : 0xF0u) | c);
    return n;
}

bool mp_h5_utf16(const mp_h5_column *c, const uint8_t *p, mp_arena *arena, mp_str *out) {
    size_t n = c->size / 2, k = 0;
    char *to = mp_arena_alloc(arena, 3 * n + 16, 1);
    if (!to) return false;
    uint32_t high = 0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *q = p + i * c->unit_step;
        uint32_t u = c->big_endian ? (uint32_t)q[0] << 8 | q[1] : (uint32_t)q[1] << 8 | q[0];
        bool low = (u & 0xFC00) == 0xDC00;
        if (high && !low) k += put_utf8(to + k, 0xFFFD);
        if ((u & 0xFC00) == 0xD800) {
            high = u;
            continue;
        }
        uint32_t ch = low && high ? 0x10000 + ((high & 1023) << 10) + (u & 1023) : low ? 0xFFFD : u;
        k += put_utf8(to + k, ch);
        high = 0;
    }
    if (high) k += put_utf8(to + k, 0xFFFD);
    while (k > 0 && (to[k - 1] == ' ' || to[k - 1] == 0))
        k--;
    *out = mp_str_of(to, k);
    return true;
}
