/* feed.c - splits in input order, and the proof of their entry states. See feed.h. */
#include "run/feed.h"

#include "run/blocks.h"

/* What is known of one split. */
typedef struct {
    mp_split_desc desc;
    mp_split_report report;
    bool reported;
    mp_csv_func func;
    mp_evidence *seen; /* of the wanted columns, when kept */
    mp_str keys;       /* owned */
} split_info;

struct mp_feed {
    const mp_spec *spec;
    const mp_table *t;
    mp_mem *mem;
    mp_table_stream *streams;
    split_info *splits;
    int64_t n_splits, cap;
    int64_t next;       /* to be handed out in this pass */
    bool listed;        /* all splits are known */
    mp_range_iter iter; /* over files, for listing */
    mp_blocks **blocks; /* by file; NULL where it is not read as data (yet) */
    int reading;        /* the file whose blocks were asked for last */
    bool replayable;
    mp_feed_rows rows;
    int64_t bytes_done, records, bad;
    int n_ranks;
    int64_t *rank_bytes;  /* by rank: of the splits it has finished in this pass */
    int64_t counted;      /* splits that count */
    int64_t held, n_held; /* the first so many splits, all reported, and their rows */
};

void mp_split_desc_put(mp_buf *b, const mp_split_desc *d) {
    mp_buf_u32(b, (uint32_t)d->file);
    mp_buf_u8(b, d->by_data);
    mp_buf_u8(b, d->entry_known);
    mp_buf_u8(b, d->entry);
    mp_buf_i64(b, d->begin);
    mp_buf_i64(b, d->len);
    mp_buf_i64(b, d->from.packed);
    mp_buf_i64(b, d->from.plain);
    mp_buf_i64(b, d->to.packed);
    mp_buf_i64(b, d->to.plain);
}

mp_split_desc mp_split_desc_get(mp_rd *rd) {
    mp_split_desc d = {0};
    d.file = (int32_t)mp_rd_u32(rd);
    d.by_data = mp_rd_u8(rd) != 0;
    d.entry_known = mp_rd_u8(rd) != 0;
    d.entry = mp_rd_u8(rd);
    d.begin = mp_rd_i64(rd);
    d.len = mp_rd_i64(rd);
    d.from.packed = mp_rd_i64(rd);
    d.from.plain = mp_rd_i64(rd);
    d.to.packed = mp_rd_i64(rd);
    d.to.plain = mp_rd_i64(rd);
    return d;
}

void mp_split_report_put(mp_buf *b, const mp_split_report *r) {
    mp_buf_u8(b, r->entry);
    mp_buf_u8(b, r->exit);
    mp_buf_u8(b, r->exit_known);
    mp_buf_i64(b, r->n_records);
    mp_buf_i64(b, r->n_bad);
    mp_buf_i64(b, r->n_rows);
    mp_buf_bytes(b, r->keys.p, r->keys.len);
}

mp_split_report mp_split_report_get(mp_rd *rd) {
    mp_split_report r = {0};
    r.entry = mp_rd_u8(rd);
    r.exit = mp_rd_u8(rd);
    r.exit_known = mp_rd_u8(rd) != 0;
    r.n_records = mp_rd_i64(rd);
    r.n_bad = mp_rd_i64(rd);
    r.n_rows = mp_rd_i64(rd);
    size_t n = 0;
    const void *keys = mp_rd_bytes(rd, &n);
    if (n) r.keys = mp_str_of(keys, n);
    return r;
}

mp_status mp_feed_new(const mp_spec *spec, const mp_table *t, mp_table_stream *streams, int n_ranks,
                      mp_mem *mem, mp_feed **out, mp_error *err) {
    mp_feed *f = mp_mem_calloc(mem, 1, sizeof *f);
    *out = f;
    if (!f) return mp_mem_error(mem, sizeof *f, err);
    *f = (mp_feed){.spec = spec, .t = t, .mem = mem, .streams = streams, .n_ranks = n_ranks};
    f->blocks = mp_mem_calloc(mem, (size_t)t->n_files, sizeof *f->blocks);
    f->rank_bytes = mp_mem_calloc(mem, (size_t)n_ranks, sizeof *f->rank_bytes);
    if (f->blocks && f->rank_bytes) return MP_OK;
    return mp_mem_error(mem, (size_t)t->n_files * sizeof *f->blocks, err);
}

void mp_feed_read_rows(mp_feed *f, mp_feed_rows rows) {
    f->rows = rows;
}

/* What a pass kept of its splits. */
static void drop_kept(mp_feed *f) {
    for (int64_t i = 0; i < f->n_splits; i++) {
        mp_mem_free(f->mem, f->splits[i].seen);
        mp_mem_free(f->mem, (char *)f->splits[i].keys.p);
        f->splits[i].seen = NULL;
        f->splits[i].keys = (mp_str){0};
    }
}

void mp_feed_free(mp_feed **f) {
    if (!*f) return;
    drop_kept(*f);
    for (int i = 0; (*f)->blocks && i < (*f)->t->n_files; i++)
        mp_blocks_free(&(*f)->blocks[i]);
    mp_mem_free((*f)->mem, (*f)->blocks);
    mp_mem_free((*f)->mem, (*f)->rank_bytes);
    mp_table_streams_free(&(*f)->streams, (*f)->t->n_files);
    mp_mem_free((*f)->mem, (*f)->splits);
    mp_mem_free((*f)->mem, *f);
    *f = NULL;
}

static mp_status add_split(mp_feed *f, const mp_split_desc *d, mp_error *err) {
    if (f->n_splits == f->cap) {
        int64_t cap = f->cap ? 2 * f->cap : 256;
        split_info *grown = mp_mem_realloc(f->mem, f->splits, (size_t)cap * sizeof *grown);
        if (!grown) return mp_mem_error(f->mem, (size_t)cap * sizeof *grown, err);
        f->splits = grown;
        f->cap = cap;
    }
    f->splits[f->n_splits++] = (split_info){.desc = *d};
    return MP_OK;
}

mp_status mp_feed_start(mp_feed *f, bool replayable, mp_error *err) {
    f->next = 0;
    f->bytes_done = f->records = f->bad = 0;
    memset(f->rank_bytes, 0, (size_t)f->n_ranks * sizeof *f->rank_bytes);
    f->counted = INT64_MAX;
    f->held = f->n_held = 0;
    f->replayable = replayable;
    drop_kept(f);
    for (int64_t i = 0; i < f->n_splits; i++)
        f->splits[i].reported = false;
    mp_status st = MP_OK;
    for (int i = 0; i < f->t->n_files && !st; i++)
        if (f->blocks[i]) st = mp_blocks_rewind(f->blocks[i], err);
    return st;
}

/* The state before the first byte of a range: known at the start of a file's data. */
static void first_entry(const mp_feed *f, mp_split_desc *d) {
    const mp_table_file *file = &f->t->files[d->file];
    d->entry_known = file->h5 || d->begin == file->data_offset;
    d->entry = MP_CSV_RECORD_START;
}

/* ---- data ---- */

static mp_status open_blocks(mp_feed *f, int file, mp_error *err) {
    f->reading = file;
    if (f->blocks[file]) return MP_OK;
    mp_blocks_args args = {.file = &f->t->files[file],
                           .stream = &f->streams[file],
                           .dialect = mp_table_file_dialect(f->t, file),
                           .run = &f->spec->run,
                           .keep = f->replayable,
                           .mem = f->mem};
    return mp_blocks_open(&args, &f->blocks[file], err);
}

/* The block of a data split, appended to desc. */
static mp_status put_block(mp_feed *f, mp_split_desc *d, mp_buf *desc, mp_split_state *state,
                           mp_error *err) {
    mp_status st = open_blocks(f, d->file, err);
    const uint8_t *bytes = NULL;
    bool again = f->next < f->n_splits && f->t->files[d->file].kind == MP_INPUT_STREAM;
    if (!st && again) {
        d->begin = f->splits[f->next].desc.begin;
        d->len = f->splits[f->next].desc.len;
        *state = MP_SPLIT_GOT;
        st = mp_blocks_again(f->blocks[d->file], d->begin, d->len, &bytes, err);
    } else if (!st) {
        st = mp_blocks_next(f->blocks[d->file], &bytes, &d->begin, &d->len, state, err);
    }
    if (st) mp_error_file(err, f->t->files[d->file].path);
    if (st || *state != MP_SPLIT_GOT) return st;
    mp_split_desc_put(desc, d);
    mp_buf_put(desc, bytes, (size_t)d->len);
    return mp_buf_check(desc, err);
}

/* Rows that are read here, appended to desc. known: all of d, as in the pass before. */
static mp_status put_rows(mp_feed *f, mp_split_desc *d, bool known, mp_buf *desc,
                          mp_split_state *state, mp_error *err) {
    const mp_buf *bytes = NULL;
    mp_status st = f->rows.next(f->rows.ctx, f->next, d, known, &bytes, state, err);
    if (st || *state != MP_SPLIT_GOT) return st;
    mp_split_desc_put(desc, d);
    mp_buf_put(desc, bytes->data, bytes->len);
    return mp_buf_check(desc, err);
}

/* ---- the next split ---- */

static mp_status next_of_data(mp_feed *f, int file, mp_buf *desc, mp_split_state *state,
                              mp_error *err) {
    mp_split_desc d = {.file = file, .by_data = true, .entry_known = true};
    d.entry = MP_CSV_RECORD_START;
    mp_status st = put_block(f, &d, desc, state, err);
    if (st || *state != MP_SPLIT_GOT) return st;
    return f->next == f->n_splits ? add_split(f, &d, err) : MP_OK;
}

/* A split that an earlier pass listed already. */
static mp_status next_known(mp_feed *f, mp_buf *desc, mp_split_state *state, mp_error *err) {
    split_info *s = &f->splits[f->next];
    if (s->desc.by_data && f->t->files[s->desc.file].h5) {
        mp_split_desc d = s->desc;
        return put_rows(f, &d, true, desc, state, err);
    }
    if (s->desc.by_data) return next_of_data(f, s->desc.file, desc, state, err);
    mp_split_desc_put(desc, &s->desc);
    *state = MP_SPLIT_GOT;
    return mp_buf_check(desc, err);
}

/* A range, or the rows of one. */
static mp_status put_range(mp_feed *f, mp_split_desc *d, mp_buf *desc, mp_split_state *state,
                           mp_error *err) {
    if (d->by_data) return put_rows(f, d, false, desc, state, err);
    mp_split_desc_put(desc, d);
    *state = MP_SPLIT_GOT;
    return mp_buf_check(desc, err);
}

/* The files are walked in order; ranges and blocks of one file stand together. */
static mp_status list_next(mp_feed *f, mp_buf *desc, mp_split_state *state, mp_error *err) {
    while (f->iter.file < f->t->n_files) {
        int at = f->iter.file;
        const mp_table_file *of = &f->t->files[at];
        if (of->by_data && !of->h5) {
            mp_status st = next_of_data(f, at, desc, state, err);
            if (st || *state != MP_SPLIT_NONE) return st;
            f->iter = (mp_range_iter){.file = at + 1};
            continue;
        }
        mp_split_desc d = {0};
        mp_range_iter it = f->iter;
        int file = 0;
        if (!mp_table_next_range(f->t, &f->spec->run, &it, &file, &d.begin, &d.len) || file != at) {
            f->iter = (mp_range_iter){.file = at + 1};
            continue;
        }
        d.file = file;
        d.by_data = of->by_data;
        first_entry(f, &d);
        if (of->index) mp_table_range_points(of, d.begin, d.len, &d.from, &d.to);
        mp_status st = put_range(f, &d, desc, state, err);
        if (st || *state != MP_SPLIT_GOT) return st;
        f->iter = it;
        if (d.by_data) f->iter = (mp_range_iter){.file = at, .begin = d.begin + d.len};
        return add_split(f, &d, err);
    }
    f->listed = true;
    *state = MP_SPLIT_NONE;
    return MP_OK;
}

mp_status mp_feed_next(mp_feed *f, mp_buf *desc, mp_split_state *state, mp_error *err) {
    *state = MP_SPLIT_NONE;
    if (f->next == f->n_splits && f->listed) return MP_OK;
    mp_status st =
        f->next < f->n_splits ? next_known(f, desc, state, err) : list_next(f, desc, state, err);
    if (!st && *state == MP_SPLIT_GOT) f->next++;
    return st;
}

bool mp_feed_binds(const mp_feed *f) {
    if (f->next == 0) return false;
    int file = f->splits[f->next - 1].desc.file;
    const mp_table_file *of = &f->t->files[file];
    if (!of->solid) return false;
    if (f->next < f->n_splits) return f->splits[f->next].desc.file == file;
    return f->iter.file == file && f->iter.begin < of->text_bytes;
}

int mp_feed_fd(const mp_feed *f) {
    const mp_blocks *b = f->blocks[f->reading];
    return b ? mp_blocks_fd(b) : -1;
}

/* ---- what came back ---- */

void mp_feed_save(const mp_feed *f, mp_buf *out) {
    mp_buf_i64(out, f->next);
    for (int64_t i = 0; i < f->next; i++) {
        const split_info *s = &f->splits[i];
        mp_buf_u32(out, (uint32_t)s->desc.file);
        mp_buf_i64(out, s->desc.begin);
        mp_buf_i64(out, s->desc.len);
        mp_split_report_put(out, &s->report);
    }
}

mp_status mp_feed_restore(mp_feed *f, mp_rd *in, bool *fits, mp_error *err) {
    mp_buf unused;
    mp_buf_init(&unused, f->mem);
    int64_t n = mp_rd_i64(in);
    *fits = !in->bad;
    mp_status st = mp_feed_start(f, true, err);
    for (int64_t i = 0; i < n && !st && *fits; i++) {
        mp_split_state state;
        mp_buf_clear(&unused);
        st = mp_feed_next(f, &unused, &state, err);
        int32_t file = (int32_t)mp_rd_u32(in);
        int64_t begin = mp_rd_i64(in), len = mp_rd_i64(in);
        mp_split_report r = mp_split_report_get(in);
        const mp_split_desc *d = !st && state == MP_SPLIT_GOT ? &f->splits[i].desc : NULL;
        *fits = d && !in->bad && d->file == file && d->begin == begin && d->len == len;
        if (*fits) mp_feed_report(f, 0, i, MP_OK, &r);
    }
    mp_buf_release(&unused);
    return st;
}

void mp_feed_report(mp_feed *f, int src, int64_t split, mp_status status,
                    const mp_split_report *r) {
    if (split < 0 || split >= f->n_splits) return;
    split_info *s = &f->splits[split];
    s->report = *r;
    s->reported = true;
    if (status) s->report.exit_known = false;
    int64_t bytes = mp_table_range_bytes(&f->t->files[s->desc.file], s->desc.len);
    f->bytes_done += bytes;
    f->rank_bytes[src] += bytes;
    f->records += r->n_records;
    f->bad += r->n_bad;
    s->report.keys = (mp_str){0};
}

mp_status mp_feed_keep_keys(mp_feed *f, int64_t split, mp_str keys, mp_error *err) {
    if (split < 0 || split >= f->n_splits || keys.len == 0) return MP_OK;
    char *own = mp_mem_alloc(f->mem, keys.len);
    if (!own) return mp_mem_error(f->mem, keys.len, err);
    memcpy(own, keys.p, keys.len);
    mp_mem_free(f->mem, (char *)f->splits[split].keys.p);
    f->splits[split].keys = mp_str_of(own, keys.len);
    return MP_OK;
}

void mp_feed_put_keys(const mp_feed *f, mp_buf *out) {
    for (int64_t i = 0; i < f->n_splits; i++)
        mp_buf_put(out, f->splits[i].keys.p, f->splits[i].keys.len);
}

mp_status mp_feed_keep_evidence(mp_feed *f, int64_t split, const mp_evidence *seen, int n,
                                mp_error *err) {
    if (split < 0 || split >= f->n_splits) return MP_OK;
    split_info *s = &f->splits[split];
    size_t bytes = (size_t)n * sizeof *seen;
    mp_mem_free(f->mem, s->seen);
    s->seen = mp_mem_alloc(f->mem, bytes);
    if (!s->seen) return mp_mem_error(f->mem, bytes, err);
    memcpy(s->seen, seen, bytes);
    return MP_OK;
}

void mp_feed_add_evidence(const mp_feed *f, int64_t upto, mp_evidence *seen, int n) {
    for (int64_t i = 0; i < f->n_splits && i < upto; i++)
        for (int c = 0; f->splits[i].seen && c < n; c++)
            mp_evidence_add(&seen[c], f->splits[i].seen[c]);
}

void mp_feed_census(mp_feed *f, int64_t split, const mp_csv_func *func) {
    if (split < 0 || split >= f->n_splits) return;
    f->splits[split].func = *func;
    f->splits[split].reported = true;
}

void mp_feed_compose(mp_feed *f) {
    uint8_t state = MP_CSV_RECORD_START;
    for (int64_t i = 0; i < f->n_splits; i++) {
        split_info *s = &f->splits[i];
        if (s->desc.by_data) continue;
        if (s->desc.begin == f->t->files[s->desc.file].data_offset) state = MP_CSV_RECORD_START;
        s->desc.entry = state;
        s->desc.entry_known = true;
        state = s->func.exit[state];
    }
}

void mp_feed_get(const mp_feed *f, int64_t split, mp_split_desc *d, mp_split_report *r) {
    *d = f->splits[split].desc;
    *r = f->splits[split].report;
    d->entry = r->entry;
    d->entry_known = true;
}

int64_t mp_feed_refuted(const mp_feed *f, int64_t upto) {
    if (upto < 0 || upto > f->n_splits) upto = f->n_splits;
    for (int64_t i = 1; i < upto; i++) {
        const split_info *before = &f->splits[i - 1], *s = &f->splits[i];
        if (s->desc.by_data || s->desc.file != before->desc.file) continue;
        if (!before->reported || !before->report.exit_known || !s->reported) continue;
        if (before->report.exit != s->report.entry) return i;
    }
    return -1;
}

int64_t mp_feed_rows_before(const mp_feed *f, int64_t split) {
    int64_t rows = 0;
    for (int64_t i = split - 1; i >= 0 && f->splits[i].desc.file == f->splits[split].desc.file;
         i--) {
        if (!f->splits[i].reported) return -1;
        rows += f->splits[i].report.n_records;
    }
    return rows;
}

const char *mp_feed_path(const mp_feed *f, int64_t split) {
    return f->t->files[f->splits[split].desc.file].path;
}

void mp_feed_locate(const mp_feed *f, mp_error *error) {
    if (error->split < 0 || error->split >= f->n_splits) return;
    bool packed = f->t->files[f->splits[error->split].desc.file].index != NULL;
    /* flawed packed data: the message has the place there, the one in the text is nobody's */
    if (error->row_in_split < 0 && packed) error->offset = -1;
    if (error->row_in_split < 0) return;
    int64_t rows = mp_feed_rows_before(f, error->split);
    if (rows >= 0) error->row = rows + error->row_in_split + 1;
    mp_error_file(error, f->t->files[f->splits[error->split].desc.file].path);
}

int64_t mp_feed_holding(mp_feed *f, int64_t n_rows) {
    while (f->n_held < n_rows && f->held < f->n_splits && f->splits[f->held].reported)
        f->n_held += f->splits[f->held++].report.n_rows;
    return f->n_held >= n_rows ? f->held : -1;
}

void mp_feed_cut(mp_feed *f, int64_t upto) {
    f->counted = upto;
    for (int64_t i = upto; i < f->n_splits; i++)
        if (f->splits[i].reported) f->bad -= f->splits[i].report.n_bad;
}

int64_t mp_feed_counted(const mp_feed *f) {
    return f->counted;
}

int64_t mp_feed_splits(const mp_feed *f) {
    return f->n_splits;
}

int64_t mp_feed_given(const mp_feed *f, bool *all) {
    *all = f->listed && f->next == f->n_splits;
    return f->next;
}

int mp_feed_slowest(const mp_feed *f, int64_t *bytes) {
    int slowest = -1;
    for (int r = 0; f->n_ranks > 1 && r < f->n_ranks; r++)
        if (slowest < 0 || f->rank_bytes[r] < f->rank_bytes[slowest]) slowest = r;
    *bytes = slowest < 0 ? 0 : f->rank_bytes[slowest];
    return slowest;
}

int64_t mp_feed_bytes_done(const mp_feed *f) {
    return f->bytes_done;
}
int64_t mp_feed_records(const mp_feed *f) {
    return f->records;
}
int64_t mp_feed_bad(const mp_feed *f) {
    return f->bad;
}
