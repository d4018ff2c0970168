/* table_wire.c - the table as bytes for the other ranks, and the list of ranges.
 * Invariant: decode(encode(t)) describes the same table; names and types are those that rank 0
 * found. */
#include "plan/table.h"

/* Of packed files. A range begins that far behind the point at which its unpacking does, so that the
 * guess at its entry state has some text before it; the same bytes are unpacked again behind the
 * range before it, so ranges are not short. */
enum { ENTER_BYTES = 32 << 10, PACKED_RANGE_MIN = 1 << 20, PACKED_RANGE_MAX = 4 << 20 };

void mp_table_encode(const mp_table *t, mp_buf *out) {
    mp_buf_u32(out, (uint32_t)t->n_files);
    mp_buf_u32(out, (uint32_t)t->n_columns);
    for (int i = 0; i < t->n_columns; i++) {
        mp_buf_text(out, t->names[i]);
        mp_buf_put(out, &t->sample[i], sizeof t->sample[i]);
        mp_buf_u8(out, (uint8_t)t->fixed[i]);
    }
    for (int f = 0; f < t->n_files; f++) {
        const mp_table_file *file = &t->files[f];
        mp_buf_text(out, file->path);
        mp_buf_u8(out, (uint8_t)file->kind);
        mp_buf_u8(out, (uint8_t)file->packing);
        mp_buf_i64(out, file->size_bytes);
        mp_buf_i64(out, file->mtime_ns);
        mp_buf_u8(out, (uint8_t)file->format);
        mp_buf_u8(out, (uint8_t)file->delimiter);
        mp_buf_i64(out, file->data_offset);
        mp_buf_u32(out, (uint32_t)file->n_columns);
        mp_buf_u8(out, file->by_data);
        mp_buf_u8(out, file->solid);
        mp_buf_i64(out, file->text_bytes);
        mp_buf_i64(out, file->split_rows);
        mp_buf_bytes(out, file->h5_bytes.p, file->h5_bytes.len);
        mp_buf_bytes(out, file->column_at, (size_t)file->n_matched * sizeof *file->column_at);
    }
    mp_buf_u8(out, t->typed);
    mp_buf_u8(out, t->sample_is_all);
    mp_buf_f64(out, t->row_bytes);
    mp_buf_i64(out, t->total_bytes);
    mp_buf_i64(out, t->text_bytes);
    mp_buf_i64(out, t->split_bytes);
}

static bool read_columns(mp_rd *rd, mp_arena *arena, mp_table *t) {
    size_t n = (size_t)t->n_columns;
    t->names = mp_arena_alloc(arena, n * sizeof *t->names + 1, 16);
    t->sample = mp_arena_alloc(arena, n * sizeof *t->sample + 1, 16);
    t->fixed = mp_arena_alloc(arena, n * sizeof *t->fixed + 1, 16);
    if (!t->names || !t->sample || !t->fixed) return false;
    for (int i = 0; i < t->n_columns && !rd->bad; i++) {
        if (!mp_rd_text(rd, arena, &t->names[i])) return false;
        const void *seen = mp_rd_raw(rd, sizeof t->sample[i]);
        if (seen) memcpy(&t->sample[i], seen, sizeof t->sample[i]);
        t->fixed[i] = (mp_type)mp_rd_u8(rd);
    }
    return !rd->bad;
}

/* The layout was checked when rank 0 got it; a rank trusts nobody's bytes all the same. */
static bool read_layout(mp_rd *rd, mp_arena *arena, mp_table_file *file) {
    size_t n = 0;
    file->split_rows = mp_rd_i64(rd);
    const void *bytes = mp_rd_bytes(rd, &n);
    if (!bytes || file->split_rows < 0) return false;
    if (file->format != MP_READ_H5) return n == 0;
    mp_h5_layout *l = mp_arena_alloc(arena, sizeof *l, 16);
    file->h5 = l;
    return l && file->split_rows > 0 &&
           mp_h5_layout_decode(bytes, n, file->size_bytes, arena, l, NULL) == MP_OK;
}

static bool read_file(mp_rd *rd, mp_arena *arena, mp_table_file *file) {
    if (!mp_rd_text(rd, arena, &file->path)) return false;
    file->kind = (mp_input_kind)mp_rd_u8(rd);
    file->packing = (mp_packing)mp_rd_u8(rd);
    file->size_bytes = mp_rd_i64(rd);
    file->mtime_ns = mp_rd_i64(rd);
    file->format = (mp_read_format)mp_rd_u8(rd);
    file->delimiter = (char)mp_rd_u8(rd);
    file->data_offset = mp_rd_i64(rd);
    file->n_columns = (int)mp_rd_u32(rd);
    file->by_data = mp_rd_u8(rd) != 0;
    file->solid = mp_rd_u8(rd) != 0;
    file->text_bytes = mp_rd_i64(rd);
    if (!read_layout(rd, arena, file)) return false;
    size_t n = 0;
    const void *map = mp_rd_bytes(rd, &n);
    int32_t *column_at = mp_arena_alloc(arena, n + 1, 16);
    if (!map || !column_at) return false;
    memcpy(column_at, map, n);
    file->column_at = column_at;
    file->n_matched = (int)(n / sizeof *column_at);
    return !rd->bad;
}

mp_status mp_table_decode(const mp_spec *spec, const uint8_t *bytes, size_t len, mp_arena *arena,
                          mp_table *out, mp_error *err) {
    mp_rd rd = mp_rd_of(bytes, len);
    *out = (mp_table){.filename_column = spec->input.filename_column};
    mp_table_dialect(spec, &out->dialect);
    uint32_t n_files = mp_rd_u32(&rd), n_columns = mp_rd_u32(&rd);
    bool fits = !rd.bad && n_files <= len && n_columns <= len, ok = fits;
    if (ok) {
        out->n_files = (int)n_files;
        out->n_columns = (int)n_columns;
        out->files = mp_arena_alloc(arena, n_files * sizeof *out->files + 1, 16);
        ok = out->files && read_columns(&rd, arena, out);
    }
    for (uint32_t f = 0; ok && f < n_files; f++) {
        out->files[f] = (mp_table_file){0};
        ok = read_file(&rd, arena, &out->files[f]);
    }
    out->typed = mp_rd_u8(&rd) != 0;
    out->sample_is_all = mp_rd_u8(&rd) != 0;
    out->row_bytes = mp_rd_f64(&rd);
    out->total_bytes = mp_rd_i64(&rd);
    out->text_bytes = mp_rd_i64(&rd);
    out->split_bytes = mp_rd_i64(&rd);
    if (rd.bad || !fits)
        return mp_error_set(err, MP_FAILED, "broken plan", "the table is cut short");
    return ok ? MP_OK : mp_mem_error(arena->mem, len, err);
}

/* After split_bytes, or split_rows; in a packed file, some way behind the next point from there on. */
static int64_t natural_end(const mp_table *t, const mp_table_file *f, int64_t begin) {
    if (f->h5) return f->split_rows < f->text_bytes - begin ? begin + f->split_rows : f->text_bytes;
    if (!f->index) return begin + t->split_bytes;
    int64_t len = t->split_bytes < PACKED_RANGE_MIN   ? PACKED_RANGE_MIN
                  : t->split_bytes > PACKED_RANGE_MAX ? PACKED_RANGE_MAX
                                                      : t->split_bytes;
    if (f->solid) return begin + len;
    return mp_pack_index_behind(f->index, begin + len - ENTER_BYTES).plain + ENTER_BYTES;
}

void mp_table_range_points(const mp_table_file *f, int64_t begin, int64_t len, mp_pack_point *from,
                           mp_pack_point *to) {
    int64_t enter = begin > ENTER_BYTES ? begin - ENTER_BYTES : 0;
    int64_t end = begin + len, leave = end > ENTER_BYTES ? end - ENTER_BYTES : 0;
    *from = mp_pack_index_before(f->index, enter);
    *to = mp_pack_index_before(f->index, end < f->text_bytes ? leave : end);
    if (f->solid) *to = (mp_pack_point){.packed = -1, .plain = INT64_MAX};
}

/* Where the range that starts at begin ends: at a test's boundary, or where it is long enough. */
static int64_t range_end(const mp_table *t, const mp_run_spec *run, const mp_table_file *f,
                         int64_t begin) {
    int64_t size = f->text_bytes, end = run->n_test_splits ? size : natural_end(t, f, begin);
    for (int i = run->n_test_splits - 1; i >= 0; i--)
        if (run->test_splits[i] > begin && run->test_splits[i] < end) end = run->test_splits[i];
    return end < size ? end : size;
}

bool mp_table_next_range(const mp_table *t, const mp_run_spec *run, mp_range_iter *it, int *file,
                         int64_t *begin, int64_t *len) {
    for (; it->file < t->n_files; it->file++, it->begin = 0) {
        const mp_table_file *f = &t->files[it->file];
        if (f->by_data && !f->h5) continue;
        if (it->begin < f->data_offset) it->begin = f->data_offset;
        if (it->begin >= f->text_bytes) continue;
        int64_t end = range_end(t, run, f, it->begin);
        *file = it->file;
        *begin = it->begin;
        *len = end - it->begin;
        it->begin = end;
        return true;
    }
    return false;
}
