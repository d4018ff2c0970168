/* input_index.c - see input_index.h. The file is hopped through from header to header.
 * Invariant: no size that a header claims is trusted further than to read at the place it leads to,
 * and a file whose blocks are so small that the hops would cost as much as unpacking is given up. */
#include "io/input/input_index.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    MOST_POINTS = 1 << 16,
    FIRST_SPACING = 64 << 10, /* plain bytes between points */
    SMALL_BLOCK = 1 << 20,    /* plain: never too large a block */
    LARGE_BLOCK = 64 << 20,   /* always too large */
    FEW_HOPS = 1 << 16,
    SHORT_HOP = 512, /* packed bytes, in the mean of more than a few hops */
    BGZF_MOST = 1 << 16,
    ZSTD_BLOCK_MOST = 128 << 10,
    WINDOW = 4096
};
static const int64_t MOST_BYTES = INT64_MAX / 4;

typedef struct {
    int fd;
    int64_t size;
    int64_t at, plain; /* of the block to come */
    int64_t n_hops, spacing, largest;
    mp_pack_point *points;
    int64_t n_points;
    int64_t window_at;
    size_t window_len;
    uint8_t window[WINDOW];
} hopper;

static uint32_t u16(const uint8_t *p) {
    return (uint32_t)(p[0] | p[1] << 8);
}

static uint32_t u32(const uint8_t *p) {
    return u16(p) | u16(p + 2) << 16;
}

static uint64_t u64(const uint8_t *p) {
    return u32(p) | (uint64_t)u32(p + 4) << 32;
}

/* n <= WINDOW bytes at a place of the file; NULL: they are not there. */
static const uint8_t *look(hopper *h, int64_t at, size_t n) {
    if (at < 0 || at > h->size || h->size - at < (int64_t)n) return NULL;
    bool here = at >= h->window_at && at - h->window_at + (int64_t)n <= (int64_t)h->window_len;
    if (here) return h->window + (at - h->window_at);
    h->window_at = at;
    h->window_len = 0;
    while (h->window_len < n) {
        ssize_t got = pread(h->fd, h->window + h->window_len, WINDOW - h->window_len,
                            (off_t)(at + (int64_t)h->window_len));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return NULL;
        h->window_len += (size_t)got;
    }
    return h->window;
}

/* ---- points ---- */

static void thin_out(hopper *h) {
    int64_t kept = 0;
    for (int64_t i = 0; i < h->n_points; i += 2)
        h->points[kept++] = h->points[i];
    h->n_points = kept;
    h->spacing *= 2;
}

/* A block of these sizes begins where the hopper is: goes behind it. */
static bool hop(hopper *h, int64_t packed, int64_t plain) {
    if (packed <= 0 || packed > h->size - h->at) return false;
    if (plain < 0 || plain > MOST_BYTES - h->plain) return false;
    if (h->n_points == 0 || h->plain - h->points[h->n_points - 1].plain >= h->spacing) {
        if (h->n_points == MOST_POINTS) thin_out(h);
        h->points[h->n_points++] = (mp_pack_point){h->at, h->plain};
    }
    h->at += packed;
    h->plain += plain;
    if (plain > h->largest) h->largest = plain;
    return true;
}

static bool tiring(hopper *h) {
    return ++h->n_hops > FEW_HOPS && h->at / h->n_hops < SHORT_HOP;
}

/* ---- BGZF ---- */

/* Size of the BGZF block at h->at, -1: there is none. */
static int64_t bgzf_block(hopper *h) {
    enum { FIXED = 12, EXTRA = 4, TRAILER = 8, RESERVED = 0xE0 };
    const uint8_t *p = look(h, h->at, FIXED);
    if (!p || p[0] != 0x1F || p[1] != 0x8B || p[2] != 8) return -1;
    if (!(p[3] & EXTRA) || p[3] & RESERVED) return -1;
    size_t n = u16(p + 10);
    if (n > WINDOW - FIXED || !(p = look(h, h->at, FIXED + n))) return -1;
    const uint8_t *end = p + FIXED + n;
    for (p += FIXED; end - p >= 4; p += 4 + u16(p + 2)) {
        if (p[0] != 'B' || p[1] != 'C' || u16(p + 2) != 2 || end - p < 6) continue;
        int64_t size = (int64_t)u16(p + 4) + 1;
        return size > FIXED + (int64_t)n + TRAILER ? size : -1;
    }
    return -1;
}

static bool hop_bgzf(hopper *h) {
    while (h->at < h->size) {
        int64_t size = bgzf_block(h);
        const uint8_t *p = size > 0 ? look(h, h->at + size - 4, 4) : NULL;
        if (!p || u32(p) > BGZF_MOST || !hop(h, size, u32(p)) || tiring(h)) return false;
    }
    return true;
}

/* ---- zstd (RFC 8878) ---- */

/* The header of the frame at h->at: its size; *plain -1: it does not say. 0: it cannot be read. */
static int64_t zstd_header(hopper *h, int64_t *plain, bool *checksum) {
    static const uint8_t dict_sizes[] = {0, 1, 2, 4}, plain_sizes[] = {0, 2, 4, 8};
    enum { SINGLE = 0x20, RESERVED = 8, CHECKSUM = 4 };
    const uint8_t *p = look(h, h->at, 5);
    if (!p || p[4] & RESERVED) return 0;
    uint8_t flags = p[4];
    size_t n_plain = plain_sizes[flags >> 6];
    if (n_plain == 0 && flags & SINGLE) n_plain = 1;
    size_t window = flags & SINGLE ? 0 : 1;
    size_t before = 5 + window + dict_sizes[flags & 3], n = before + n_plain;
    p = look(h, h->at, n);
    if (!p) return 0;
    p += before;
    uint64_t size = n_plain == 1   ? *p
                    : n_plain == 2 ? u16(p) + 256
                    : n_plain == 4 ? u32(p)
                    : n_plain == 8 ? u64(p)
                                   : 0;
    *plain = n_plain == 0 || size > (uint64_t)MOST_BYTES ? -1 : (int64_t)size;
    *checksum = flags & CHECKSUM;
    return (int64_t)n;
}

/* Behind the blocks that begin at a place of the file, -1: they do not end in it. */
static int64_t behind_blocks(hopper *h, int64_t at) {
    enum { RLE = 1, RESERVED = 3 };
    for (bool last = false; !last;) {
        const uint8_t *p = look(h, at, 3);
        if (!p || tiring(h)) return -1;
        uint32_t header = u16(p) | (uint32_t)p[2] << 16, type = header >> 1 & 3, size = header >> 3;
        if (type == RESERVED || size > ZSTD_BLOCK_MOST) return -1;
        last = header & 1;
        at += 3 + (type == RLE ? 1 : (int64_t)size);
    }
    return at;
}

static bool is_skippable(const uint8_t *p) {
    return (u32(p) & 0xFFFFFFF0) == 0x184D2A50;
}

static bool hop_zstd(hopper *h) {
    while (h->at < h->size) {
        const uint8_t *p = look(h, h->at, 4);
        int64_t plain = 0, size = 0;
        bool checksum = false;
        if (!p) return false;
        if (is_skippable(p)) {
            p = look(h, h->at, 8);
            size = p ? 8 + (int64_t)u32(p + 4) : 0;
        } else if (u32(p) == 0xFD2FB528) {
            int64_t header = zstd_header(h, &plain, &checksum);
            int64_t behind = header > 0 && plain >= 0 ? behind_blocks(h, h->at + header) : -1;
            size = behind < 0 ? 0 : behind + (checksum ? 4 : 0) - h->at;
        }
        if (!hop(h, size, plain) || tiring(h)) return false;
    }
    return true;
}

/* The seek table of the seekable format: a skippable frame at the end, with the sizes of all frames
 * before it. */
static bool read_seek_table(hopper *h) {
    enum { HEADER = 8, FOOTER = 9, CHECKSUMS = 0x80, RESERVED = 0x7C };
    const uint8_t *p = look(h, h->size - FOOTER, FOOTER);
    if (!p || u32(p + 5) != 0x8F92EAB1 || p[4] & RESERVED) return false;
    int64_t n = u32(p), entry = p[4] & CHECKSUMS ? 12 : 8;
    int64_t table = h->size - HEADER - FOOTER - n * entry;
    p = table > 0 ? look(h, table, HEADER) : NULL;
    if (!p || u32(p) != 0x184D2A5E || u32(p + 4) != n * entry + FOOTER) return false;
    for (int64_t i = 0; i < n; i++) {
        p = look(h, table + HEADER + i * entry, (size_t)entry);
        if (!p || !hop(h, u32(p), u32(p + 4)) || tiring(h)) return false;
    }
    return h->at == table && hop(h, h->size - table, 0);
}

/* ---- both ---- */

static void start(hopper *h) {
    h->at = h->plain = h->n_hops = h->n_points = h->largest = 0;
    h->spacing = FIRST_SPACING;
}

static bool read_index(hopper *h, mp_packing packing) {
    start(h);
    if (packing == MP_PACK_GZIP) return hop_bgzf(h);
    if (packing != MP_PACK_ZSTD) return false;
    if (hop_zstd(h)) return true;
    start(h);
    return read_seek_table(h);
}

static bool worth_it(const hopper *h) {
    if (h->n_points == 0 || h->largest > LARGE_BLOCK) return false;
    return h->largest <= SMALL_BLOCK || h->largest <= h->plain / 8;
}

static const mp_pack_index *keep(const hopper *h, mp_arena *arena) {
    size_t bytes = (size_t)h->n_points * sizeof *h->points;
    mp_pack_index *x = mp_arena_alloc(arena, sizeof *x, _Alignof(mp_pack_index));
    mp_pack_point *points = x ? mp_arena_alloc(arena, bytes, _Alignof(mp_pack_point)) : NULL;
    if (!points) return NULL;
    memcpy(points, h->points, bytes);
    *x = (mp_pack_index){.n_points = h->n_points, .points = points, .end = {h->at, h->plain}};
    return x;
}

const mp_pack_index *mp_pack_index_read(const mp_input *in, mp_arena *arena) {
    if (in->packing == MP_PACK_NONE || in->size_bytes <= 0) return NULL;
    hopper *h = mp_mem_calloc(arena->mem, 1, sizeof *h);
    if (!h) return NULL;
    h->fd = open(in->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    h->size = in->size_bytes;
    h->points = mp_mem_alloc(arena->mem, MOST_POINTS * sizeof *h->points);
    const mp_pack_index *x = NULL;
    if (h->fd >= 0 && h->points && read_index(h, in->packing) && worth_it(h)) x = keep(h, arena);
    if (h->fd >= 0) close(h->fd);
    mp_mem_free(arena->mem, h->points);
    mp_mem_free(arena->mem, h);
    return x;
}

/* ---- a file that has no other point than its beginning ---- */

/* What the trailer of gzip, or the header of zstd's first frame, says of the plain size; -1: nothing.
 * near: about what is to be expected, since gzip keeps 32 bits of it. */
static int64_t claimed_size(hopper *h, mp_packing packing, double near) {
    int64_t plain = -1;
    bool checksum;
    if (packing == MP_PACK_ZSTD) {
        const uint8_t *p = look(h, 0, 4);
        return p && u32(p) == 0xFD2FB528 && zstd_header(h, &plain, &checksum) > 0 ? plain : -1;
    }
    const uint8_t *p = look(h, h->size - 4, 4);
    double low = p ? (double)u32(p) : 0, lap = 4294967296.0;
    if (!p) return -1;
    return (int64_t)(near > low ? low + lap * (double)(int64_t)((near - low) / lap + 0.5) : low);
}

const mp_pack_index *mp_pack_index_whole(const mp_input *in, int64_t n_packed, int64_t n_plain,
                                         bool all, mp_arena *arena) {
    hopper *h = mp_mem_calloc(arena->mem, 1, sizeof *h);
    if (!h) return NULL;
    mp_pack_point first = {0, 0};
    h->points = &first;
    h->n_points = 1;
    h->fd = open(in->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    h->size = in->size_bytes;
    double near = n_packed > 0 ? (double)in->size_bytes * (double)n_plain / (double)n_packed : 0;
    if (near > (double)MOST_BYTES) near = (double)MOST_BYTES;
    int64_t plain = h->fd >= 0 && !all ? claimed_size(h, in->packing, near) : -1;
    if ((double)plain < near / 4 || (double)plain > near * 4) plain = (int64_t)near;
    h->at = in->size_bytes;
    h->plain = all || plain <= n_plain ? n_plain + !all : plain;
    const mp_pack_index *x = keep(h, arena);
    if (h->fd >= 0) close(h->fd);
    mp_mem_free(arena->mem, h);
    return x;
}

/* The number of the last point at or before plain. */
static int64_t find(const mp_pack_index *x, int64_t plain) {
    int64_t low = 0, high = x->n_points;
    while (high - low > 1) {
        int64_t mid = low + (high - low) / 2;
        if (x->points[mid].plain <= plain)
            low = mid;
        else
            high = mid;
    }
    return low;
}

mp_pack_point mp_pack_index_before(const mp_pack_index *x, int64_t plain) {
    return plain >= x->end.plain ? x->end : x->points[find(x, plain)];
}

mp_pack_point mp_pack_index_behind(const mp_pack_index *x, int64_t plain) {
    int64_t i = find(x, plain);
    if (x->points[i].plain < plain) i++;
    return i < x->n_points ? x->points[i] : x->end;
}
