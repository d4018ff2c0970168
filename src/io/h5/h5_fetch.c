/* h5_fetch.c - the bytes of rows. Columns that lie in the same bytes (fields of a record, places of a
 * row) share a lane: a window of the file (mapped, or where it is small read, which takes a part of
 * the time), or a ring of unpacked chunks that holds all chunks of a batch. See h5_fetch.h. */
#include "io/h5/h5_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/hash.h"
#include "data/batch.h"
#include "io/h5/h5_filter.h"
#include "io/h5/h5_heap.h"
#include "io/h5/h5_library.h"
#include "io/input/input.h"

enum {
    WHOLE_ROWS = 1024, /* chunks of so many rows end a batch; of shorter ones a batch has many */
    BATCH_BYTES = 16 << 20, /* of the chunks' rows in a batch */
    MAP_LEAST = 256 << 10,  /* bytes of a window that is mapped */
    PAD = 64                /* bytes that can be read behind those of rows */
};

typedef struct {
    int64_t band; /* -1: none */
    uint8_t *bytes;
    mp_buf text; /* LIBRARY: of its texts */
} held;

typedef struct {
    int32_t array;
    int64_t chunk;        /* of band 0; FLAT: byte of row 0 */
    const uint8_t *bytes; /* FLAT: of the split, NULL: not there yet */
    mp_map map;           /* where they are mapped, else in room */
    uint8_t *room;
    size_t cap_room;
    int n_ring;
    held *ring;
} lane;

struct mp_h5_fetch {
    const mp_h5_layout *l;
    const char *path;
    mp_mem *mem;
    int fd;
    int64_t file_bytes;
    int n;
    const int32_t *columns;
    int32_t *lane_of; /* by place in the list */
    lane *lanes;
    int n_lanes;
    int32_t batch_rows;
    int64_t begin, end;
    mp_h5_unpacker *unpacker;
    mp_h5_heap *heap;
    mp_h5_library *library;
    uint8_t *packed;
    size_t cap_packed;
};

/* ---- lanes ---- */

/* Is one place beside the row far from the next, so that each has a window of its own? */
static bool by_place(const mp_h5_array *a) {
    return a->storage == MP_H5_FLAT && a->row_dim > 0;
}

static uint64_t lane_key(const mp_h5_layout *l, const mp_h5_column *c) {
    const mp_h5_array *a = &l->arrays[c->array];
    uint64_t place = by_place(a)                ? (uint64_t)c->at
                     : a->storage == MP_H5_FLAT ? 0
                                                : (uint64_t)c->chunk;
    return (uint64_t)c->array << 40 ^ place;
}

/* Lanes of the listed columns, found by a table of their keys. */
static mp_status make_lanes(mp_h5_fetch *f, mp_error *err) {
    size_t cap = 16;
    while (cap < 2 * (size_t)f->n)
        cap *= 2;
    int32_t *table = mp_mem_calloc(f->mem, cap, sizeof *table);
    f->lane_of = mp_mem_calloc(f->mem, (size_t)f->n + 1, sizeof *f->lane_of);
    f->lanes = mp_mem_calloc(f->mem, (size_t)f->n + 1, sizeof *f->lanes);
    if (!table || !f->lane_of || !f->lanes) {
        mp_mem_free(f->mem, table);
        return mp_mem_error(f->mem, (size_t)f->n * sizeof *f->lanes, err);
    }
    for (int i = 0; i < f->n; i++) {
        const mp_h5_column *c = &f->l->columns[f->columns[i]];
        const mp_h5_array *a = &f->l->arrays[c->array];
        uint64_t key = lane_key(f->l, c);
        int64_t chunk = by_place(a) ? c->at : a->storage == MP_H5_FLAT ? 0 : c->chunk;
        size_t at = (size_t)mp_hash_mix(key, 0x9E3779B97F4A7C15u) & (cap - 1);
        for (;; at = (at + 1) & (cap - 1)) {
            int32_t k = table[at] - 1;
            if (k < 0 || (f->lanes[k].array == c->array && f->lanes[k].chunk == chunk)) break;
        }
        if (table[at] == 0) {
            lane *x = &f->lanes[f->n_lanes++];
            *x = (lane){.array = c->array, .chunk = chunk};
            mp_map_init(&x->map);
            table[at] = f->n_lanes;
        }
        f->lane_of[i] = table[at] - 1;
    }
    mp_mem_free(f->mem, table);
    return MP_OK;
}

/* Bytes that a row has in a lane's chunk. */
static int64_t lane_row_bytes(const mp_h5_array *a) {
    return a->storage == MP_H5_FLAT ? 0 : a->chunk_bytes / a->band_rows;
}

static mp_status make_rings(mp_h5_fetch *f, mp_error *err) {
    int64_t bytes = 1;
    for (int k = 0; k < f->n_lanes; k++)
        bytes += lane_row_bytes(&f->l->arrays[f->lanes[k].array]);
    int64_t rows = BATCH_BYTES / bytes;
    f->batch_rows = rows < 1 ? 1 : rows > MP_BATCH_ROWS ? MP_BATCH_ROWS : (int32_t)rows;
    for (int k = 0; k < f->n_lanes; k++) {
        lane *x = &f->lanes[k];
        const mp_h5_array *a = &f->l->arrays[x->array];
        if (a->storage == MP_H5_FLAT) continue;
        x->n_ring = a->band_rows >= WHOLE_ROWS ? 1 : (int)(f->batch_rows / a->band_rows) + 2;
        x->ring = mp_mem_calloc(f->mem, (size_t)x->n_ring, sizeof *x->ring);
        if (!x->ring) return mp_mem_error(f->mem, (size_t)x->n_ring * sizeof *x->ring, err);
        for (int i = 0; i < x->n_ring; i++) {
            x->ring[i].band = -1;
            mp_buf_init(&x->ring[i].text, f->mem);
        }
    }
    return MP_OK;
}

mp_status mp_h5_fetch_open(const mp_h5_layout *l, const char *path, const int32_t *columns, int n,
                           mp_mem *mem, mp_h5_fetch **out, mp_error *err) {
    mp_h5_fetch *f = mp_mem_calloc(mem, 1, sizeof *f);
    *out = f;
    if (!f) return mp_mem_error(mem, sizeof *f, err);
    *f = (mp_h5_fetch){.l = l, .path = path, .mem = mem, .n = n, .columns = columns};
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    mp_status st = f->fd < 0 ? mp_error_errno(err, errno, "cannot open", path) : MP_OK;
    if (!st) f->file_bytes = lseek(f->fd, 0, SEEK_END);
    if (!st) st = make_lanes(f, err);
    if (!st) st = make_rings(f, err);
    if (!st) st = mp_h5_unpacker_new(mem, &f->unpacker, err);
    if (!st) st = mp_h5_heap_new(f->fd, l->base, f->file_bytes, mem, &f->heap, err);
    if (st) mp_h5_fetch_close(out);
    return st;
}

static void close_lane(mp_h5_fetch *f, lane *x) {
    for (int i = 0; i < x->n_ring; i++) {
        mp_mem_free(f->mem, x->ring[i].bytes);
        mp_buf_release(&x->ring[i].text);
    }
    mp_mem_free(f->mem, x->ring);
    mp_mem_free(f->mem, x->room);
    mp_map_close(&x->map);
}

void mp_h5_fetch_close(mp_h5_fetch **out) {
    mp_h5_fetch *f = *out;
    if (!f) return;
    for (int k = 0; k < f->n_lanes; k++)
        close_lane(f, &f->lanes[k]);
    mp_h5_library_close(&f->library);
    mp_h5_heap_free(&f->heap);
    mp_h5_unpacker_free(&f->unpacker);
    mp_mem_free(f->mem, f->lanes);
    mp_mem_free(f->mem, f->lane_of);
    mp_mem_free(f->mem, f->packed);
    if (f->fd >= 0) close(f->fd);
    mp_mem_free(f->mem, f);
    *out = NULL;
}

void mp_h5_fetch_split(mp_h5_fetch *f, int64_t begin, int64_t n_rows) {
    f->begin = begin;
    f->end = begin + n_rows;
    for (int k = 0; k < f->n_lanes; k++) {
        mp_map_close(&f->lanes[k].map);
        f->lanes[k].bytes = NULL;
    }
}

int32_t mp_h5_fetch_batch(const mp_h5_fetch *f, int64_t row) {
    int64_t n = f->end - row < f->batch_rows ? f->end - row : f->batch_rows;
    for (int k = 0; k < f->n_lanes; k++) {
        const mp_h5_array *a = &f->l->arrays[f->lanes[k].array];
        if (a->storage == MP_H5_FLAT || a->band_rows < WHOLE_ROWS) continue;
        int64_t left = a->band_rows - row % a->band_rows;
        if (left < n) n = left;
    }
    return (int32_t)n;
}

/* ---- bytes ---- */

/* Bytes from the first to the last of a column's value. */
static int64_t extent(const mp_h5_column *c) {
    return c->form == MP_H5_UTF16 ? (int64_t)(c->size / 2 - 1) * c->unit_step + 2
                                  : (int64_t)c->size;
}

static mp_status read_bytes(mp_h5_fetch *f, int64_t from, size_t len, uint8_t *to, mp_error *err) {
    for (size_t n = 0; n < len;) {
        ssize_t got = pread(f->fd, to + n, len - n, (off_t)(from + (int64_t)n));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return mp_error_errno(err, errno, "cannot read", f->path);
        if (got == 0)
            return mp_error_set(err, MP_IO, "cannot read", "the file shrank while it was read");
        n += (size_t)got;
    }
    return MP_OK;
}

static mp_status read_window(mp_h5_fetch *f, lane *x, int64_t from, size_t len, mp_error *err) {
    if (x->cap_room < len) {
        mp_mem_free(f->mem, x->room);
        x->room = mp_mem_alloc(f->mem, len + PAD);
        x->cap_room = x->room ? len : 0;
        if (!x->room) return mp_mem_error(f->mem, len, err);
    }
    x->bytes = x->room;
    return read_bytes(f, from, len, x->room, err);
}

static mp_status map_window(mp_h5_fetch *f, lane *x, int64_t from, size_t len, mp_error *err) {
    mp_map_borrow(&x->map, f->fd, f->path);
    mp_status st = mp_map_window(&x->map, from, len, err);
    x->bytes = x->map.bytes;
    return st;
}

/* The bytes of the split's rows. */
static mp_status take_window(mp_h5_fetch *f, lane *x, const mp_h5_column *c, mp_error *err) {
    const mp_h5_array *a = &f->l->arrays[x->array];
    int64_t step = c->stride, last = by_place(a) ? extent(c) : step;
    int64_t from = a->address + x->chunk + f->begin * step;
    size_t len = (size_t)((f->end - f->begin - 1) * step + last);
    mp_status st =
        len < MAP_LEAST ? read_window(f, x, from, len, err) : map_window(f, x, from, len, err);
    if (st) x->bytes = NULL;
    return st;
}

static void fill(const mp_h5_array *a, uint8_t *out) {
    size_t n = (size_t)a->chunk_bytes, size = (size_t)a->elem_bytes;
    if (!a->fill) {
        memset(out, 0, n);
        return;
    }
    for (size_t at = 0; at + size <= n; at += size)
        memcpy(out + at, a->fill, size);
}

static mp_status unpack(mp_h5_fetch *f, const mp_h5_array *a, int64_t number, uint8_t *out,
                        mp_error *err) {
    const mp_h5_chunk *c = &a->chunks[number];
    if (c->address < 0) {
        fill(a, out);
        return MP_OK;
    }
    if (a->n_filters == 0) {
        if (c->bytes == a->chunk_bytes) return read_bytes(f, c->address, c->bytes, out, err);
        return mp_error_set(err, MP_DATA, "broken HDF5 file", "%s: a chunk has a wrong size",
                            a->path);
    }
    if (f->cap_packed < c->bytes) {
        mp_mem_free(f->mem, f->packed);
        f->packed = mp_mem_alloc(f->mem, c->bytes);
        f->cap_packed = f->packed ? c->bytes : 0;
        if (!f->packed) return mp_mem_error(f->mem, c->bytes, err);
    }
    mp_status st = read_bytes(f, c->address, c->bytes, f->packed, err);
    return st ? st : mp_h5_unpack(f->unpacker, a, c->skip, f->packed, c->bytes, out, err);
}

static mp_status by_library(mp_h5_fetch *f, int32_t array, int64_t band, held *h, mp_error *err) {
    const mp_h5_array *a = &f->l->arrays[array];
    int64_t row = band * a->band_rows, n = a->dims[a->row_dim] - row;
    mp_status st = MP_OK;
    if (!f->library) st = mp_h5_library_open(f->l, f->path, f->mem, &f->library, err);
    if (n > a->band_rows) n = a->band_rows;
    return st ? st : mp_h5_library_read(f->library, array, row, n, h->bytes, &h->text, err);
}

static mp_status hold(mp_h5_fetch *f, lane *x, int64_t band, held **out, mp_error *err) {
    const mp_h5_array *a = &f->l->arrays[x->array];
    held *h = &x->ring[band % x->n_ring];
    *out = h;
    if (h->band == band) return MP_OK;
    h->band = -1;
    if (!h->bytes) h->bytes = mp_mem_alloc(f->mem, (size_t)a->chunk_bytes + PAD);
    if (!h->bytes) return mp_mem_error(f->mem, (size_t)a->chunk_bytes, err);
    mp_status st = a->storage == MP_H5_LIBRARY
                       ? by_library(f, x->array, band, h, err)
                       : unpack(f, a, x->chunk + band * a->band_step, h->bytes, err);
    if (!st) h->band = band;
    return st;
}

mp_status mp_h5_fetch_rows(mp_h5_fetch *f, int i, int64_t row, const uint8_t **at, int64_t *n,
                           mp_error *err) {
    const mp_h5_column *c = &f->l->columns[f->columns[i]];
    const mp_h5_array *a = &f->l->arrays[c->array];
    lane *x = &f->lanes[f->lane_of[i]];
    mp_status st = MP_OK;
    if (a->storage == MP_H5_FLAT) {
        if (!x->bytes) st = take_window(f, x, c, err);
        *n = f->end - row;
        *at = st ? NULL : x->bytes + (by_place(a) ? 0 : c->at) + (row - f->begin) * c->stride;
        return st;
    }
    held *h;
    int64_t in_band = row % a->band_rows;
    st = hold(f, x, row / a->band_rows, &h, err);
    *n = a->band_rows - in_band;
    if (*n > f->end - row) *n = f->end - row;
    *at = st ? NULL : h->bytes + c->at + in_band * c->stride;
    return st;
}

mp_status mp_h5_fetch_text(mp_h5_fetch *f, const uint8_t *reference, mp_arena *arena, mp_str *out,
                           mp_error *err) {
    return mp_h5_heap_text(f->heap, reference, arena, out, err);
}

mp_status mp_h5_fetch_check(const mp_h5_fetch *f, mp_error *err) {
    for (int k = 0; k < f->n_lanes; k++)
        if (mp_map_check(&f->lanes[k].map, err)) return MP_IO;
    return MP_OK;
}
