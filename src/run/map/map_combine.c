/* map_combine.c - rows of a map-reduce by part: on the way to the log of the rank that made them, and on the way back to
 * the instance that combines them. See map_plugin.h.
 * In the log a shard's result is a row of segments: a head with the bytes of each part, then the parts, each a row of
 * frames (data/arrow.h), all lengths multiples of 64. */
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "data/take.h"
#include "run/map/map_plugin.h"

enum { SEGMENT_BYTES = 8 << 20, SLICE_ALIGN = 64 };

typedef struct {
    uint64_t bytes; /* of the segment, this head included */
    uint64_t part[MP_MAP_PARTS];
    uint64_t zero[7];
} segment_head;
_Static_assert(sizeof(segment_head) % SLICE_ALIGN == 0, "frames stay aligned");

/* ---- by key ---- */

static uint64_t hash_value(const mp_col *c, int32_t i) {
    double f;
    uint64_t bits;
    if (mp_col_is_null(c, i)) return 0x2545F4914F6CDD1Du;
    switch (c->type) {
    case MP_STRING:
        return mp_hash_bytes(c->str[i].p, c->str[i].len);
    case MP_BOOL:
        return mp_hash_16(c->b[i], 1);
    case MP_FLOAT64:
        f = c->f64[i] == 0 ? 0 : c->f64[i] != c->f64[i] ? __builtin_nan("") : c->f64[i];
        memcpy(&bits, &f, sizeof bits);
        return mp_hash_16(bits, 2);
    default:
        return mp_hash_16((uint64_t)c->i64[i], 3);
    }
}

void mp_map_parts_of(const mp_batch *rows, int n_keys, uint8_t *part) {
    for (int32_t i = 0; i < rows->n_rows; i++) {
        uint64_t h = hash_value(&rows->cols[0], i);
        for (int k = 1; k < n_keys; k++)
            h = mp_hash_16(h, hash_value(&rows->cols[k], i));
        part[i] = (uint8_t)(h >> 58);
    }
}

/* ---- into the log ---- */

mp_status mp_map_combine_flush(mp_map_plugin *p, mp_error *err) {
    segment_head h = {.bytes = sizeof h};
    if (p->parts_bytes == 0) return MP_OK;
    for (int i = 0; i < MP_MAP_PARTS; i++) {
        h.part[i] = p->parts[i].len;
        h.bytes += h.part[i];
    }
    mp_status st = mp_map_take_out(p->j, (const uint8_t *)&h, sizeof h, err);
    for (int i = 0; i < MP_MAP_PARTS && st == MP_OK; i++) {
        st = mp_buf_check(&p->parts[i], err);
        if (st == MP_OK && p->parts[i].len > 0)
            st = mp_map_take_out(p->j, p->parts[i].data, p->parts[i].len, err);
        mp_buf_clear(&p->parts[i]);
    }
    p->parts_bytes = 0;
    return st;
}

static mp_status put_part(mp_map_plugin *p, const mp_batch *rows, int part, const uint32_t *sel,
                          int32_t n, mp_error *err) {
    mp_batch some;
    mp_buf *b = &p->parts[part];
    mp_status st = mp_batch_take(rows, sel, n, &p->batch, &some, err);
    if (st != MP_OK) return st;
    int64_t need = mp_frame_bytes(&some, &p->output);
    if (need < 0) return mp_error_set(err, MP_FAILED, "too much text", "2 GiB or more in a batch");
    if (!mp_buf_reserve(b, (size_t)need)) return mp_buf_check(b, err);
    int64_t len = mp_frame_put(&some, &p->output, b->data + b->len);
    b->len += (size_t)len;
    p->parts_bytes += (size_t)len;
    return MP_OK;
}

mp_status mp_map_combine_take(mp_map_plugin *p, const mp_batch *rows, mp_error *err) {
    uint8_t part[MP_BATCH_ROWS];
    uint32_t sel[MP_BATCH_ROWS];
    int32_t first[MP_MAP_PARTS + 1] = {0}, next[MP_MAP_PARTS];
    mp_status st = MP_OK;
    mp_arena_reset(&p->batch);
    mp_map_parts_of(rows, p->n_keys, part);
    for (int32_t i = 0; i < rows->n_rows; i++)
        first[part[i] + 1]++;
    for (int k = 0; k < MP_MAP_PARTS; k++) {
        first[k + 1] += first[k];
        next[k] = first[k];
    }
    for (int32_t i = 0; i < rows->n_rows; i++)
        sel[next[part[i]]++] = (uint32_t)i;
    for (int k = 0; k < MP_MAP_PARTS && st == MP_OK; k++)
        if (first[k + 1] > first[k])
            st = put_part(p, rows, k, sel + first[k], first[k + 1] - first[k], err);
    return st == MP_OK && p->parts_bytes >= SEGMENT_BYTES ? mp_map_combine_flush(p, err) : st;
}

/* ---- and back ---- */

mp_status mp_map_combine_begin(mp_map_plugin *p, int64_t unit, mp_error *err) {
    (void)err;
    p->part = (int)unit;
    p->left = mp_rd_of(p->pieces.data, p->pieces.len);
    p->at = p->end = 0;
    p->slice_len = p->slice_at = 0;
    return MP_OK;
}

static mp_status broken(const mp_map_plugin *p, mp_error *err) {
    mp_error_set(err, MP_IO, "cannot read results", "a result log is broken");
    mp_error_file(err, p->j->folder);
    return MP_IO;
}

static mp_status make_room(mp_map_plugin *p, size_t n, mp_error *err) {
    if (n <= p->slice_bytes) return MP_OK;
    mp_mem_free(p->j->mem, p->slice);
    p->slice_bytes = 0;
    p->slice = mp_mem_aligned(p->j->mem, SLICE_ALIGN, n);
    if (!p->slice) return mp_mem_error(p->j->mem, n, err);
    p->slice_bytes = n;
    return MP_OK;
}

/* The next piece of a log; false: there is none. */
static mp_status next_piece(mp_map_plugin *p, bool *found, mp_error *err) {
    int64_t offset = mp_rd_i64(&p->left), len = mp_rd_i64(&p->left);
    uint32_t run = mp_rd_u32(&p->left), rank = mp_rd_u32(&p->left);
    *found = !p->left.bad;
    if (!*found) return MP_OK;
    p->fd = mp_map_log_fd(p->j, (int32_t)run, (int32_t)rank, err);
    p->at = offset;
    p->end = offset + len;
    return p->fd < 0 ? MP_IO : MP_OK;
}

/* The part's share of the next segment; it may be empty. */
static mp_status read_segment(mp_map_plugin *p, mp_error *err) {
    segment_head h;
    uint64_t before = sizeof h;
    if (p->end - p->at < (int64_t)sizeof h) return broken(p, err);
    mp_status st = mp_map_read_log(p->j, p->fd, (uint8_t *)&h, sizeof h, p->at, err);
    if (st != MP_OK) return st;
    if (h.bytes < sizeof h || h.bytes > (uint64_t)(p->end - p->at)) return broken(p, err);
    for (int i = 0; i < p->part; i++)
        if (h.part[i] > h.bytes || (before += h.part[i]) > h.bytes) return broken(p, err);
    size_t n = (size_t)h.part[p->part];
    if (n > h.bytes - before) return broken(p, err);
    st = make_room(p, n, err);
    if (st == MP_OK && n > 0)
        st = mp_map_read_log(p->j, p->fd, p->slice, n, p->at + (int64_t)before, err);
    p->slice_len = n;
    p->slice_at = 0;
    p->at += (int64_t)h.bytes;
    return st;
}

static mp_status push_frame(mp_map_plugin *p, mp_error *err) {
    int64_t n_rows, len;
    mp_batch rows;
    size_t bytes = (size_t)p->output.n * sizeof(mp_arrow_col);
    mp_arena_reset(&p->batch);
    mp_arrow_col *cols = mp_arena_alloc(&p->batch, bytes, 16);
    if (!cols) return mp_mem_error(p->j->mem, bytes, err);
    mp_status st = mp_frame_get(p->slice + p->slice_at, (int64_t)(p->slice_len - p->slice_at),
                                p->output.n, cols, &n_rows, &len, err);
    if (st == MP_OK) st = mp_arrow_check(cols, &p->table, n_rows, err);
    if (st == MP_OK && n_rows > MP_BATCH_ROWS) st = broken(p, err);
    if (st == MP_OK)
        st = mp_arrow_import(cols, &p->table, 0, (int32_t)n_rows, &p->batch, &rows, err);
    if (st != MP_OK) return st;
    p->slice_at += (size_t)len;
    return mp_worker_push(p->worker, &rows, err);
}

mp_status mp_map_combine_rows(mp_map_plugin *p, bool *end, mp_error *err) {
    mp_status st = MP_OK;
    *end = false;
    while (st == MP_OK && p->slice_at == p->slice_len) {
        bool found = true;
        if (p->at == p->end) st = next_piece(p, &found, err);
        *end = !found;
        if (st != MP_OK || *end) return st;
        st = read_segment(p, err);
    }
    return st == MP_OK ? push_frame(p, err) : st;
}
