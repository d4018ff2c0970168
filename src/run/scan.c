/* scan.c - the rank's side of a scan: from a split's description to batches. See scan.h.
 * Invariant: a reader exists per layout of columns; the window of a range holds some bytes before
 * it (for the guess) and behind it (for its last record). */
#include "run/scan.h"

#include "run/scan_priv.h"

enum {
    GUESS_BYTES = 64 << 10, /* before and behind the boundary */
    TAIL_BYTES = 64 << 10,
    UNPACK_BYTES = 64 << 10, /* of one step */
    PIECE_BYTES = 4 << 20,   /* of a range without a known end */
    PAD = 64
};

mp_status mp_scan_new(const mp_scan_args *args, mp_scan **out, mp_error *err) {
    mp_scan *s = mp_mem_calloc(args->mem, 1, sizeof *s);
    *out = s;
    if (!s) return mp_mem_error(args->mem, sizeof *s, err);
    s->a = *args;
    s->map_file = s->unpack_file = s->solid_file = s->reader_file = -1;
    mp_map_init(&s->map);
    mp_unpack_init(&s->unpack, args->mem);
    mp_buf_init(&s->data, args->mem);
    mp_buf_init(&s->rejects, args->mem);
    mp_buf_init(&s->keys, args->mem);
    mp_arena_init(&s->arena, args->mem);
    return MP_OK;
}

void mp_scan_free(mp_scan **s) {
    if (!*s) return;
    mp_scan_drop_reader(*s);
    mp_map_close(&(*s)->map);
    mp_unpack_close(&(*s)->unpack);
    mp_buf_release(&(*s)->data);
    mp_buf_release(&(*s)->rejects);
    mp_buf_release(&(*s)->keys);
    mp_arena_release(&(*s)->arena);
    mp_mem_free((*s)->a.mem, *s);
    *s = NULL;
}

mp_scan_stats mp_scan_counts(const mp_scan *s) {
    return s->stats;
}

/* ---- the reader of a file's layout ---- */

void mp_scan_evidence(const mp_scan *s, mp_evidence *out) {
    const mp_evidence *seen = s->reader ? s->source->seen(s->reader) : NULL;
    for (int i = 0; i < s->plan->n_wanted; i++) {
        out[i] = s->seen[i];
        if (seen && s->wanted[i].c >= 0) mp_evidence_add(&out[i], seen[s->wanted[i].c]);
    }
}

void mp_scan_drop_reader(mp_scan *s) {
    if (s->reader && s->plan) {
        mp_scan_evidence(s, s->seen);
        s->misfit = s->misfit || s->source->misfit(s->reader);
    }
    if (s->reader) s->source->close(&s->reader);
    s->reader_file = -1;
}

static bool same_layout(const mp_table *t, int a, int b) {
    const mp_table_file *x = &t->files[a], *y = &t->files[b];
    if (x->format != y->format || x->delimiter != y->delimiter || x->h5) return false;
    if (x->n_columns != y->n_columns) return false;
    for (int i = 0; i < t->n_columns; i++)
        if (mp_table_column(x, i) != mp_table_column(y, i)) return false;
    return true;
}

static mp_status reject_row(void *ctx, int64_t row_in_split, int64_t offset, mp_str record,
                            const char *reason, mp_error *err) {
    mp_scan *s = ctx;
    if (!s->a.spec->input.rejects || s->plan->lists_keys) return MP_OK;
    mp_buf_i64(&s->rejects, s->split);
    mp_buf_i64(&s->rejects, row_in_split);
    mp_buf_i64(&s->rejects, offset);
    mp_buf_text(&s->rejects, reason);
    mp_buf_bytes(&s->rejects, record.p, record.len);
    return mp_buf_check(&s->rejects, err);
}

/* An error of an expression belongs to a row of the batch. */
void mp_scan_place_error(const mp_scan *s, const mp_batch *in, int32_t row, mp_error *err) {
    if (!err || row < 0 || row >= in->n_rows || !in->rec) return;
    int64_t no = in->first_row + (in->row_no ? in->row_no[row] : (uint32_t)row);
    mp_error_place(err, in->file_no, in->base + in->rec[row], s->split, no);
}

/* A batch whose --filename columns are filled in. */
static mp_status name_file(mp_scan *s, bool filter, const mp_batch *in, mp_batch *out,
                           mp_error *err) {
    *out = *in;
    const mp_table *t = s->a.table;
    if (!t->filename_column) return MP_OK;
    mp_col *cols = NULL;
    for (int i = 0, at = 0; i < s->plan->n_wanted; i++) {
        const mp_csv_column *w = &s->plan->wanted[i];
        if (!(filter ? w->in_filter : w->after_filter)) continue;
        if (w->c == t->n_columns) {
            size_t n = (size_t)in->n_rows;
            mp_str *names = mp_arena_alloc(&s->arena, n * sizeof *names + 1, 16);
            if (!cols) {
                cols = mp_arena_alloc(&s->arena, (size_t)in->n_cols * sizeof *cols, 16);
                if (cols) memcpy(cols, in->cols, (size_t)in->n_cols * sizeof *cols);
            }
            if (!names || !cols) return mp_mem_error(s->a.mem, n * sizeof *names, err);
            mp_str name = mp_str_c(t->files[s->desc.file].path);
            for (size_t r = 0; r < n; r++)
                names[r] = name;
            cols[at] = (mp_col){.type = MP_STRING, .str = names};
        }
        at++;
    }
    if (cols) out->cols = cols;
    return MP_OK;
}

static mp_status filter_rows(void *ctx, const mp_batch *in, uint32_t *sel, int32_t *n_sel,
                             mp_error *err) {
    mp_scan *s = ctx;
    mp_batch named;
    int32_t bad_row = -1;
    mp_arena_reset(&s->arena);
    mp_status st = name_file(s, true, in, &named, err);
    if (!st) st = mp_prog_select(s->plan->where, &named, &s->arena, sel, n_sel, &bad_row, err);
    if (st) mp_scan_place_error(s, in, bad_row, err);
    return st;
}

static void choose_source(mp_scan *s, int file) {
    s->source = mp_source_of(s->a.table->files[file].format);
    s->dialect = mp_table_file_dialect(s->a.table, file);
}

static mp_status make_reader(mp_scan *s, int file, mp_error *err) {
    const mp_table *t = s->a.table;
    if (s->reader && (s->reader_file == file || same_layout(t, s->reader_file, file))) return MP_OK;
    mp_scan_drop_reader(s);
    for (int i = 0; i < s->plan->n_wanted; i++) {
        s->wanted[i] = s->plan->wanted[i];
        int c = s->wanted[i].c;
        s->wanted[i].c = c < t->n_columns ? mp_table_column(&t->files[file], c) : -1;
    }
    choose_source(s, file);
    mp_csv_args args = {.dialect = &s->dialect,
                        .n_columns = t->files[file].n_columns,
                        .names = t->names,
                        .other_keys = s->a.spec->input.union_columns,
                        .list_keys = s->plan->lists_keys,
                        .n_wanted = s->plan->n_wanted,
                        .wanted = s->wanted,
                        .on_bad_row =
                            s->plan->lists_keys ? MP_BAD_ROW_SKIP : s->a.spec->input.on_bad_row,
                        .filter = s->plan->where ? filter_rows : NULL,
                        .filter_ctx = s,
                        .reject = reject_row,
                        .reject_ctx = s,
                        .h5 = t->files[file].h5,
                        .path = t->files[file].path,
                        .mem = s->a.mem};
    s->reader_file = file;
    return s->source->open(&args, &s->reader, err);
}

/* ---- the text of a split ---- */

/* Map the range with tail bytes behind it and, for the guess, some before it. */
static mp_status map_range(mp_scan *s, int64_t tail, mp_error *err) {
    const mp_table_file *file = &s->a.table->files[s->desc.file];
    mp_status st = MP_OK;
    if (s->map_file != s->desc.file) {
        mp_map_close(&s->map);
        s->map_file = -1;
        st = mp_map_open(&s->map, file->path, err);
        if (st) return st;
        s->map_file = s->desc.file;
    }
    int64_t from = s->desc.begin - file->data_offset < GUESS_BYTES ? file->data_offset
                                                                   : s->desc.begin - GUESS_BYTES;
    int64_t to = s->desc.begin + s->desc.len + tail;
    if (to > file->size_bytes) to = file->size_bytes;
    st = mp_map_window(&s->map, from, (size_t)(to - from), err);
    s->text.bytes = s->map.bytes + (s->desc.begin - from);
    s->text.len = (size_t)(to - s->desc.begin);
    s->text.at_eof = to == file->size_bytes;
    s->window_before = s->desc.begin - from;
    s->window_from_start = from == file->data_offset;
    return st;
}

/* The text of a range of a packed file grows while it is read: n more bytes. */
static mp_status unpack_more(mp_scan *s, size_t n, mp_error *err) {
    mp_unpack *u = &s->unpack;
    mp_status st = mp_unpack_more(u, n, err);
    size_t before = (size_t)s->window_before;
    if (st) mp_error_place(err, s->desc.file, u->begin + (int64_t)u->len, s->split, -1);
    s->text.bytes = u->bytes + before;
    s->text.len = u->len > before ? u->len - before : 0;
    s->text.at_eof = u->at_end;
    return st;
}

static bool is_last_range(const mp_scan *s) {
    return s->desc.begin + s->desc.len == s->a.table->files[s->desc.file].text_bytes;
}

static bool is_solid(const mp_scan *s) {
    return !s->desc.by_data && s->a.table->files[s->desc.file].solid;
}

/* Its last range goes on to the end of the text, wherever that is. */
static bool is_open(const mp_scan *s) {
    return is_solid(s) && is_last_range(s);
}

/* Bytes of the text in which records of this split, or of the next piece of it, may start. */
static int64_t split_len(const mp_scan *s) {
    return is_open(s) && s->desc.len < PIECE_BYTES ? PIECE_BYTES : s->desc.len;
}

/* Unpack the front of the range or piece, and for the guess some text before it. */
static mp_status unpack_range(mp_scan *s, mp_error *err) {
    const mp_table_file *file = &s->a.table->files[s->desc.file];
    mp_status st = MP_OK;
    if (s->unpack_file != s->desc.file) {
        s->unpack_file = -1;
        st = mp_unpack_open(&s->unpack, file->path, file->packing, err);
        if (st) return st;
        s->unpack_file = s->desc.file;
    }
    int64_t len = split_len(s), from = s->text.begin - GUESS_BYTES;
    if (from < s->desc.from.plain) from = s->desc.from.plain;
    if (from < file->data_offset) from = file->data_offset;
    s->window_before = s->text.begin - from;
    s->window_from_start = from == file->data_offset;
    size_t front = (size_t)(s->window_before + (len < UNPACK_BYTES ? len : UNPACK_BYTES));
    size_t room = (size_t)(s->window_before + s->desc.len + TAIL_BYTES);
    st = mp_unpack_window(&s->unpack, s->desc.from, s->desc.to, from, room, err);
    if (st) mp_error_place(err, s->desc.file, from, s->split, -1);
    if (st) return st;
    return unpack_more(s, front > s->unpack.len ? front - s->unpack.len : 0, err);
}

/* The end of the last range is the end of the packed data, which has to be as whole as the rest. */
static mp_status unpack_end(mp_scan *s, mp_error *err) {
    return is_last_range(s) && !s->unpack.at_end ? unpack_more(s, 1, err) : MP_OK;
}

static bool is_packed_range(const mp_scan *s) {
    return !s->desc.by_data && s->a.table->files[s->desc.file].packing != MP_PACK_NONE;
}

static mp_status copy_data(mp_scan *s, mp_rd *rd, mp_error *err) {
    mp_buf_clear(&s->data);
    size_t n = mp_rd_left(rd);
    if ((int64_t)n != s->desc.len)
        return mp_error_set(err, MP_FAILED, "broken split", "%zu bytes came, not %lld", n,
                            (long long)s->desc.len);
    if (!mp_buf_reserve(&s->data, n + 2 * PAD)) return mp_buf_check(&s->data, err);
    memset(s->data.data, 0, PAD);
    memcpy(s->data.data + PAD, rd->p, n);
    memset(s->data.data + PAD + n, 0, PAD);
    s->text.bytes = s->data.data + PAD;
    s->text.len = n;
    s->text.at_eof = true;
    return MP_OK;
}

static mp_csv_state guess(const mp_scan *s) {
    int64_t behind = (int64_t)s->text.len < GUESS_BYTES ? (int64_t)s->text.len : GUESS_BYTES;
    mp_csv_state g = s->source->guess(
        &s->dialect, s->text.bytes - s->window_before, (size_t)(s->window_before + behind),
        (size_t)s->window_before, s->window_from_start, s->a.table->files[s->desc.file].n_columns);
    if (!s->a.spec->run.guess_wrong || !s->dialect.quote) return g;
    return g == MP_CSV_IN_QUOTES ? MP_CSV_IN_FIELD : MP_CSV_IN_QUOTES;
}

/* The ranges of a solid file come to one rank in order, so it knows. */
static mp_csv_state find_entry(const mp_scan *s) {
    if (s->desc.entry_known) return (mp_csv_state)s->desc.entry;
    if (!is_solid(s)) return guess(s);
    bool follows = s->solid_file == s->desc.file && s->solid_end == s->desc.begin;
    return follows ? s->solid_exit : MP_CSV_RECORD_START;
}

mp_status mp_scan_split_begin(void *ctx, int64_t split, const uint8_t *desc, size_t len,
                              mp_error *err) {
    mp_scan *s = ctx;
    mp_rd rd = mp_rd_of(desc, len);
    s->desc = mp_split_desc_get(&rd);
    s->split = split;
    s->n_rows = 0;
    s->begun = false;
    if (rd.bad || s->desc.file < 0 || s->desc.file >= s->a.table->n_files)
        return mp_error_set(err, MP_FAILED, "broken split", "its description is cut short");
    s->text = (mp_csv_text){.begin = s->desc.begin, .file_no = s->desc.file, .split = split};
    s->n_bad = 0;
    mp_buf_clear(&s->keys);
    s->begun = mp_scan_gets_rows(s);
    if (s->begun) return mp_scan_rows_begin(s, &rd, err);
    mp_status st = make_reader(s, s->desc.file, err);
    if (st) return st;
    bool rows = s->a.table->files[s->desc.file].h5 != NULL; /* the reader has its own bytes */
    st = rows                 ? MP_OK
         : s->desc.by_data    ? copy_data(s, &rd, err)
         : is_packed_range(s) ? unpack_range(s, err)
                              : map_range(s, TAIL_BYTES, err);
    if (st) return st;
    s->tail = TAIL_BYTES;
    s->text.split_len = (size_t)split_len(s);
    s->text.entry = s->entry = find_entry(s);
    st = s->source->begin(s->reader, &s->text, err);
    s->begun = !st;
    return st;
}

/* ---- steps ---- */

/* A range whose file changed under it: that is the error, whatever the reader made of it. */
static mp_status check_map(mp_scan *s, mp_status st, mp_error *err) {
    if (s->desc.by_data || is_packed_range(s) || s->a.table->files[s->desc.file].h5) return st;
    mp_error shrunk = MP_ERROR_INIT;
    if (!mp_map_check(&s->map, &shrunk)) return st;
    mp_error_file(&shrunk, s->a.table->files[s->desc.file].path);
    if (err) *err = shrunk;
    return (mp_status)shrunk.status;
}

/* A packed range is read as it is unpacked, and a record that runs past it by steps of the same size. */
static mp_status more_bytes(mp_scan *s, mp_error *err) {
    s->tail *= 8;
    mp_status st =
        is_packed_range(s) ? unpack_more(s, UNPACK_BYTES, err) : map_range(s, s->tail, err);
    if (st) return st;
    return s->source->extend(s->reader, s->text.bytes, s->text.len, s->text.at_eof, err);
}

static void note_end(mp_scan *s, const mp_csv_end *end) {
    s->n_bad += end->n_bad;
    for (int i = 0; i < end->n_keys; i++)
        mp_buf_text(&s->keys, end->keys[i]);
}

/* A range without a known end is read in pieces, so that memory does not depend on where that is. */
static bool has_next_piece(const mp_scan *s) {
    return is_open(s) && !(s->text.at_eof && s->text.len <= s->text.split_len);
}

static mp_status next_piece(mp_scan *s, mp_error *err) {
    mp_csv_end end = {0};
    s->source->end(s->reader, &end);
    note_end(s, &end);
    s->text.begin += (int64_t)s->text.split_len;
    s->text.entry = end.exit;
    s->text.first_record = end.n_records;
    s->begun = false; /* what the reader counts was noted */
    mp_status st = unpack_range(s, err);
    if (!st) st = s->source->begin(s->reader, &s->text, err);
    s->begun = !st;
    return st;
}

mp_status mp_scan_split_step(void *ctx, bool *done, mp_error *err) {
    mp_scan *s = ctx;
    mp_batch batch, named;
    bool more = true, need = false;
    if (mp_scan_gets_rows(s)) return mp_scan_rows_step(s, done, err);
    mp_status st = s->source->next(s->reader, &batch, &more, &need, err);
    if (!st && need) return more_bytes(s, err);
    if (st) return check_map(s, st, err);
    if (!more && has_next_piece(s)) return next_piece(s, err);
    *done = !more;
    if (!more) return is_packed_range(s) ? unpack_end(s, err) : check_map(s, MP_OK, err);
    if (batch.n_rows == 0 || s->misfit || s->source->misfit(s->reader)) return MP_OK;
    mp_arena_reset(&s->arena);
    st = name_file(s, false, &batch, &named, err);
    if (!st) st = s->consumer->batch(s->consumer->ctx, s->split, &named, err);
    if (!st) s->n_rows += batch.n_rows;
    return st;
}

mp_status mp_scan_split_end(void *ctx, mp_buf *report, mp_error *err) {
    mp_scan *s = ctx;
    mp_csv_end end = {0};
    if (mp_scan_gets_rows(s))
        mp_scan_rows_end(s, &end);
    else
        s->source->end(s->reader, &end);
    if (s->begun) note_end(s, &end);
    s->solid_file = is_solid(s) && end.exit_known ? s->desc.file : -1;
    s->solid_end = s->desc.begin + s->desc.len;
    s->solid_exit = end.exit;
    mp_split_report r = {.entry = (uint8_t)s->entry,
                         .exit = (uint8_t)end.exit,
                         .exit_known = end.exit_known,
                         .n_records = end.n_records,
                         .n_bad = s->n_bad,
                         .n_rows = s->n_rows};
    mp_status st = mp_buf_check(&s->keys, err);
    r.keys = mp_str_of((const char *)s->keys.data, s->keys.len);
    mp_split_report_put(report, &r);
    if (st) return st;
    if (s->cuts && mp_buf_reserve(report, (size_t)s->plan->n_wanted * sizeof *s->seen)) {
        mp_scan_evidence(s, (mp_evidence *)(report->data + report->len));
        report->len += (size_t)s->plan->n_wanted * sizeof *s->seen;
    }
    s->stats.rows += end.n_records;
    s->stats.bytes += mp_table_range_bytes(&s->a.table->files[s->desc.file], s->desc.len);
    s->stats.splits++;
    return s->consumer->split_end ? s->consumer->split_end(s->consumer->ctx, s->split, err) : MP_OK;
}

/* ---- census: the whole function of a range ---- */

mp_status mp_scan_census_begin(void *ctx, int64_t split, const uint8_t *desc, size_t len,
                               mp_error *err) {
    mp_scan *s = ctx;
    mp_rd rd = mp_rd_of(desc, len);
    s->desc = mp_split_desc_get(&rd);
    s->split = split;
    if (rd.bad || s->desc.file < 0 || s->desc.file >= s->a.table->n_files)
        return mp_error_set(err, MP_FAILED, "broken split", "its description is cut short");
    mp_scan_drop_reader(s);
    choose_source(s, s->desc.file);
    s->text = (mp_csv_text){.begin = s->desc.begin};
    for (int i = 0; i < MP_CSV_STATES; i++)
        s->func.exit[i] = (uint8_t)i;
    return s->desc.by_data      ? MP_OK
           : is_packed_range(s) ? unpack_range(s, err)
                                : map_range(s, 0, err);
}

mp_status mp_scan_census_step(void *ctx, bool *done, mp_error *err) {
    mp_scan *s = ctx;
    size_t len = (size_t)split_len(s), n = s->text.len < len ? s->text.len : len;
    *done = s->desc.by_data;
    if (*done) return MP_OK;
    if (is_packed_range(s) && n < len && !s->text.at_eof) return unpack_more(s, UNPACK_BYTES, err);
    mp_csv_func f;
    s->source->range_func(&s->dialect, s->text.bytes, n, &f);
    for (int i = 0; i < MP_CSV_STATES; i++)
        s->func.exit[i] = f.exit[s->func.exit[i]];
    s->text.split_len = len;
    *done = !has_next_piece(s);
    if (*done) return check_map(s, MP_OK, err);
    s->text.begin += (int64_t)len;
    return unpack_range(s, err);
}

mp_status mp_scan_census_end(void *ctx, mp_buf *report, mp_error *err) {
    mp_scan *s = ctx;
    mp_buf_put(report, &s->func, sizeof s->func);
    return mp_buf_check(report, err);
}
