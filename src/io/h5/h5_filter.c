/* h5_filter.c - HDF5's filters undone. See h5_filter.h. */
#include "io/h5/h5_filter.h"

#include <libdeflate.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

struct mp_h5_unpacker {
    mp_mem *mem;
    struct libdeflate_decompressor *deflate;
    uint8_t *room[2];
    size_t cap[2];
};

mp_status mp_h5_unpacker_new(mp_mem *mem, mp_h5_unpacker **out, mp_error *err) {
    mp_h5_unpacker *u = mp_mem_calloc(mem, 1, sizeof *u);
    *out = u;
    if (!u) return mp_mem_error(mem, sizeof *u, err);
    u->mem = mem;
    u->deflate = libdeflate_alloc_decompressor();
    if (u->deflate) return MP_OK;
    mp_h5_unpacker_free(out);
    return mp_error_nomem(err, 1 << 16, 0);
}

void mp_h5_unpacker_free(mp_h5_unpacker **u) {
    if (!*u) return;
    if ((*u)->deflate) libdeflate_free_decompressor((*u)->deflate);
    mp_mem_free((*u)->mem, (*u)->room[0]);
    mp_mem_free((*u)->mem, (*u)->room[1]);
    mp_mem_free((*u)->mem, *u);
    *u = NULL;
}

/* ---- LZF ---- */

int64_t mp_h5_lzf(const uint8_t *p, size_t n, uint8_t *out, size_t cap) {
    const uint8_t *end = p + n;
    size_t at = 0;
    while (p < end) {
        size_t ctrl = *p++;
        if (ctrl < 32) { /* ctrl + 1 bytes as they are */
            size_t len = ctrl + 1;
            if (len > (size_t)(end - p) || len > cap - at) return -1;
            memcpy(out + at, p, len);
            at += len;
            p += len;
            continue;
        }
        size_t len = ctrl >> 5, back = (ctrl & 31) << 8;
        if (len == 7) {
            if (p >= end) return -1;
            len += *p++;
        }
        if (p >= end) return -1;
        back += (size_t)*p++ + 1;
        len += 2;
        if (back > at || len > cap - at) return -1;
        for (size_t i = 0; i < len; i++) /* may overlap */
            out[at + i] = out[at + i - back];
        at += len;
    }
    return (int64_t)at;
}

/* ---- shuffle ---- */

#if defined(__SSE2__)
static __m128i load(const uint8_t *p) {
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static void store(uint8_t *p, __m128i v) {
    _mm_storeu_si128((__m128i *)(void *)p, v);
}

/* 16 elements of 8 bytes from 8 planes. */
static void join8(const uint8_t *p, size_t plane, uint8_t *out) {
    __m128i a[8], b[8];
    for (int i = 0; i < 8; i++)
        a[i] = load(p + (size_t)i * plane);
    for (int i = 0; i < 4; i++) {
        b[2 * i] = _mm_unpacklo_epi8(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm_unpackhi_epi8(a[2 * i], a[2 * i + 1]);
    }
    for (int h = 0; h < 2; h++) { /* rows 0..7, 8..15 */
        __m128i lo = _mm_unpacklo_epi16(b[h], b[h + 2]), hi = _mm_unpackhi_epi16(b[h], b[h + 2]);
        __m128i lo2 = _mm_unpacklo_epi16(b[h + 4], b[h + 6]);
        __m128i hi2 = _mm_unpackhi_epi16(b[h + 4], b[h + 6]);
        store(out + 64 * h, _mm_unpacklo_epi32(lo, lo2));
        store(out + 64 * h + 16, _mm_unpackhi_epi32(lo, lo2));
        store(out + 64 * h + 32, _mm_unpacklo_epi32(hi, hi2));
        store(out + 64 * h + 48, _mm_unpackhi_epi32(hi, hi2));
    }
}

static void join4(const uint8_t *p, size_t plane, uint8_t *out) {
    __m128i a = load(p), b = load(p + plane), c = load(p + 2 * plane), d = load(p + 3 * plane);
    __m128i ab = _mm_unpacklo_epi8(a, b), cd = _mm_unpacklo_epi8(c, d);
    store(out, _mm_unpacklo_epi16(ab, cd));
    store(out + 16, _mm_unpackhi_epi16(ab, cd));
    ab = _mm_unpackhi_epi8(a, b);
    cd = _mm_unpackhi_epi8(c, d);
    store(out + 32, _mm_unpacklo_epi16(ab, cd));
    store(out + 48, _mm_unpackhi_epi16(ab, cd));
}

/* Elements joined from the first on, in blocks of 16. */
static size_t join_blocks(const uint8_t *p, size_t count, size_t size, uint8_t *out) {
    size_t i = 0;
    if (size == 8)
        for (; i + 16 <= count; i += 16)
            join8(p + i, count, out + 8 * i);
    else if (size == 4)
        for (; i + 16 <= count; i += 16)
            join4(p + i, count, out + 4 * i);
    return i;
}
#else
static size_t join_blocks(const uint8_t *p, size_t count, size_t size, uint8_t *out) {
    (void)p, (void)count, (void)size, (void)out;
    return 0;
}
#endif

void mp_h5_unshuffle(const uint8_t *p, size_t n, size_t size, uint8_t *out) {
    enum {
        BLOCK = 256
    }; /* elements that stay in the nearest cache while their planes are walked */
    if (size < 2 || size > n) {
        memcpy(out, p, n);
        return;
    }
    size_t count = n / size, done = join_blocks(p, count, size, out);
    for (; done < count; done += BLOCK) {
        size_t end = count - done < BLOCK ? count : done + BLOCK;
        for (size_t b = 0; b < size; b++)
            for (size_t i = done; i < end; i++)
                out[i * size + b] = p[b * count + i];
    }
    memcpy(out + count * size, p + count * size, n - count * size);
}

/* ---- fletcher32 ---- */

static uint32_t fold(uint32_t s) {
    return (s & 0xFFFF) + (s >> 16);
}

uint32_t mp_h5_fletcher32(const uint8_t *p, size_t n) {
    enum { SAFE = 360 }; /* words that cannot overflow the sums */
    uint32_t a = 0, b = 0;
    for (size_t words = n / 2; words > 0;) {
        size_t some = words < SAFE ? words : SAFE;
        words -= some;
        for (; some > 0; some--, p += 2) {
            a += (uint32_t)p[0] << 8 | p[1];
            b += a;
        }
        a = fold(a);
        b = fold(b);
    }
    if (n % 2) {
        a += (uint32_t)*p << 8;
        b += a;
        a = fold(a);
        b = fold(b);
    }
    return fold(b) << 16 | fold(a);
}

/* Releases before 1.6.3 wrote the halves with their bytes turned. */
static bool sum_fits(const uint8_t *p, size_t n) {
    uint32_t sum = mp_h5_fletcher32(p, n), is;
    memcpy(&is, p + n, 4);
    uint32_t turned = (sum & 0xFF00FF00) >> 8 | (sum & 0x00FF00FF) << 8;
    return is == sum || is == turned;
}

/* ---- the pipeline ---- */

/* Bytes that filter i of the pipeline was given when the chunk was written. */
static size_t bytes_before(const mp_h5_array *a, uint32_t skip, int i) {
    size_t n = (size_t)a->chunk_bytes;
    for (int k = 0; k < i; k++)
        if (a->filters[k].id == MP_H5_FLETCHER32 && !(skip >> k & 1)) n += 4;
    return n;
}

static uint8_t *room(mp_h5_unpacker *u, int which, size_t n) {
    if (u->cap[which] >= n) return u->room[which];
    mp_mem_free(u->mem, u->room[which]);
    u->room[which] = mp_mem_alloc(u->mem, n);
    u->cap[which] = u->room[which] ? n : 0;
    return u->room[which];
}

static mp_status wrong(mp_error *err, const char *filter) {
    return mp_error_set(err, MP_DATA, "broken HDF5 file", "a chunk does not unpack (%s)", filter);
}

/* One filter undone: n bytes at p to want bytes at out. */
static mp_status undo(mp_h5_unpacker *u, const mp_h5_filter *f, const uint8_t *p, size_t n,
                      uint8_t *out, size_t want, mp_error *err) {
    size_t got = 0;
    switch (f->id) {
    case MP_H5_DEFLATE:
        if (libdeflate_zlib_decompress(u->deflate, p, n, out, want, &got) != LIBDEFLATE_SUCCESS ||
            got != want)
            return wrong(err, "deflate");
        return MP_OK;
    case MP_H5_LZF:
        return mp_h5_lzf(p, n, out, want) == (int64_t)want ? MP_OK : wrong(err, "lzf");
    default:
        if (n != want) return wrong(err, "shuffle");
        mp_h5_unshuffle(p, n, f->value, out);
        return MP_OK;
    }
}

mp_status mp_h5_unpack(mp_h5_unpacker *u, const mp_h5_array *a, uint32_t skip, const uint8_t *bytes,
                       size_t n, uint8_t *out, mp_error *err) {
    int last = 0; /* the filter that is undone last */
    while (last < a->n_filters && (skip >> last & 1 || a->filters[last].id == MP_H5_FLETCHER32))
        last++;
    for (int i = a->n_filters - 1, turn = 0; i >= 0; i--) {
        const mp_h5_filter *f = &a->filters[i];
        if (skip >> i & 1) continue;
        if (f->id == MP_H5_FLETCHER32) {
            if (n < 4) return wrong(err, "fletcher32: its size");
            n -= 4;
            if (!sum_fits(bytes, n)) return wrong(err, "fletcher32: its checksum");
            continue;
        }
        size_t want = bytes_before(a, skip, i);
        uint8_t *to = i == last && want == (size_t)a->chunk_bytes ? out : room(u, turn, want);
        if (!to) return mp_mem_error(u->mem, want, err);
        mp_status st = undo(u, f, bytes, n, to, want, err);
        if (st) return st;
        bytes = to;
        n = want;
        turn = !turn;
    }
    if (n != (size_t)a->chunk_bytes) return wrong(err, "its size");
    if (bytes != out) memcpy(out, bytes, n);
    return MP_OK;
}
