/* table.c - rank 0 looks at the inputs: heads, samples, columns matched by name.
 * Invariant: only the front of each file is read here; nothing of a stream is lost (its front is
 * kept for the run). */
#include "plan/table.h"

#include <poll.h>

#include "base/names.h"
#include "io/json/json.h"
#include "plan/table_h5.h"

enum {
    SAMPLE_BYTES = 256 << 10, /* of the first files */
    HEAD_BYTES = 16 << 10,    /* of the others: the header is enough */
    SAMPLED_FILES = 16,
    HEAD_LIMIT = 256 << 20 /* a header longer than that is none */
};

/* What is known while the table grows column by column. */
typedef struct {
    const mp_spec *spec;
    mp_arena *arena;
    mp_mem *mem;
    mp_table *t;
    int cap_columns;
    mp_names places; /* of the columns */
    bool solid;      /* packed files are unpacked by a rank each */
} opener;

static void *take(mp_arena *arena, size_t n, size_t size) {
    void *p = mp_arena_alloc(arena, n * size + 1, 16);
    if (p) memset(p, 0, n * size + 1);
    return p;
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && memcmp(s + n - m, end, m) == 0;
}

/* Ending of the name, before .gz or .zst. */
static bool has_ending(const char *path, const char *ending) {
    static const char *const packs[] = {"", ".gz", ".zst"};
    for (int i = 0; i < 3; i++) {
        char end[24];
        snprintf(end, sizeof end, "%s%s", ending, packs[i]);
        if (ends_with(path, end)) return true;
    }
    return false;
}

static mp_read_format format_of(const mp_spec *spec, const mp_input *input) {
    const mp_input_spec *in = &spec->input;
    const char *path = input->path;
    if (input->is_h5) return MP_READ_H5;
    if (in->is_csv || in->tsv || in->format != MP_READ_CSV) return in->format;
    if (has_ending(path, ".ndjson") || has_ending(path, ".jsonl")) return MP_READ_NDJSON;
    static const char *const h5[] = {".h5", ".hdf5", ".he5", ".h5ad"};
    for (size_t i = 0; i < sizeof h5 / sizeof *h5; i++)
        if (ends_with(path, h5[i])) return MP_READ_H5;
    return has_ending(path, ".txt") ? MP_READ_LINES : MP_READ_CSV;
}

static char delimiter_of(const mp_spec *spec, const char *path) {
    if (spec->input.delimiter) return spec->input.delimiter;
    if (spec->input.tsv) return '\t';
    return !spec->input.is_csv && has_ending(path, ".tsv") ? '\t' : 0;
}

void mp_table_dialect(const mp_spec *spec, mp_csv_dialect *d) {
    const mp_input_spec *in = &spec->input;
    *d = (mp_csv_dialect){.quote = in->quote,
                          .comment = in->comment,
                          .decimal_comma = in->decimal_comma,
                          .thousands = in->thousands,
                          .date_format = in->date_format,
                          .n_nulls = in->n_nulls,
                          .nulls = in->nulls};
}

bool mp_table_has(const mp_table *t, mp_read_format format) {
    for (int f = 0; f < t->n_files; f++)
        if (t->files[f].format == format) return true;
    return false;
}

mp_csv_dialect mp_table_file_dialect(const mp_table *t, int f) {
    mp_csv_dialect d = t->dialect;
    d.delimiter = t->files[f].delimiter;
    if (t->files[f].format == MP_READ_CSV) return d;
    d.quote = 0;
    d.empty_is_text = true;
    if (t->files[f].format != MP_READ_LINES) d.comment = 0;
    return d;
}

static void wait_for(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    poll(&p, 1, 100);
}

/* Add bytes of the stream to its front, up to want in all. Waits for a pipe: nothing else can go on
 * before the plan. */
static mp_status fill_front(mp_table_stream *s, size_t want, mp_error *err) {
    while (s->front.len < want && !s->at_end) {
        if (!mp_buf_reserve(&s->front, want - s->front.len)) return mp_buf_check(&s->front, err);
        size_t n = 0;
        bool later = false;
        mp_status st = mp_stream_read(s->stream, s->front.data + s->front.len, want - s->front.len,
                                      &n, &later, &s->at_end, err);
        if (st) return st;
        s->front.len += n;
        if (later) wait_for(mp_stream_fd(s->stream));
    }
    return MP_OK;
}

typedef mp_status (*head_fn)(const mp_csv_head_args *args, const uint8_t *p, size_t n, bool at_eof,
                             mp_arena *arena, mp_csv_head *out, bool *need_more, mp_error *err);

static head_fn head_reader(mp_read_format format) {
    return format == MP_READ_NDJSON  ? mp_json_read_head
           : format == MP_READ_LINES ? mp_csv_read_lines_head
                                     : mp_csv_read_head;
}

/* The head of one file, with as many bytes of its front as the header needs. */
static mp_status read_head(opener *o, const mp_input *in, const mp_table_file *file,
                           mp_table_stream *stream, size_t want, mp_csv_head *head, mp_error *err) {
    const bool by_data = file->by_data;
    const mp_input_spec *spec = &o->spec->input;
    mp_csv_head_args args = {.delimiter = delimiter_of(o->spec, in->path),
                             .has_header = !spec->no_header,
                             .n_names = spec->n_names,
                             .names = spec->names,
                             .skip_lines = spec->skip_lines,
                             .dialect = o->t->dialect};
    mp_map map;
    mp_map_init(&map);
    mp_status st =
        by_data ? mp_stream_open(in, &stream->stream, err) : mp_map_open(&map, in->path, err);
    bool more = true;
    for (; !st && more; want *= 8) {
        const uint8_t *bytes;
        size_t len;
        bool at_end;
        if (by_data) {
            st = fill_front(stream, want, err);
            bytes = stream->front.data;
            len = stream->front.len;
            at_end = stream->at_end;
        } else {
            len = in->size_bytes < (int64_t)want ? (size_t)in->size_bytes : want;
            at_end = (int64_t)len == in->size_bytes;
            st = mp_map_window(&map, 0, len, err);
            bytes = map.bytes;
        }
        if (!st)
            st = head_reader(file->format)(&args, bytes, len, at_end, o->arena, head, &more, err);
        if (!st && !by_data) st = mp_map_check(&map, err);
        if (!st && more && want > HEAD_LIMIT)
            st = mp_error_set(err, MP_DATA, NULL, "the %s does not end within %d MiB",
                              file->format == MP_READ_CSV ? "header" : "first line",
                              HEAD_LIMIT >> 20);
    }
    if (st) mp_error_file(err, in->path);
    mp_map_close(&map);
    return st;
}

static mp_status add_column(opener *o, const char *name, mp_error *err) {
    mp_table *t = o->t;
    if (t->n_columns == o->cap_columns) {
        int cap = o->cap_columns ? 2 * o->cap_columns : 64;
        const char **names = take(o->arena, (size_t)cap, sizeof *names);
        mp_evidence *sample = take(o->arena, (size_t)cap, sizeof *sample);
        if (!names || !sample) return mp_mem_error(o->mem, (size_t)cap * 16, err);
        if (t->n_columns) {
            memcpy(names, t->names, (size_t)t->n_columns * sizeof *names);
            memcpy(sample, t->sample, (size_t)t->n_columns * sizeof *sample);
        }
        t->names = names;
        t->sample = sample;
        o->cap_columns = cap;
    }
    if (!mp_names_add(&o->places, name, t->n_columns)) return mp_mem_error(o->mem, 64, err);
    t->names[t->n_columns++] = name;
    return MP_OK;
}

static mp_status differs(const char *file, const char *column, const char *with,
                         const char *without, mp_error *err) {
    mp_error_set(err, MP_DATA, "columns differ", "'%s' has it, '%s' does not", with, without);
    mp_error_file(err, file);
    mp_error_column(err, column);
    mp_error_hint(err, "--union reads a missing column as null");
    return MP_DATA;
}

/* Match the columns of file f with the table's by name; the first file makes them. */
static mp_status match_columns(opener *o, int f, const mp_csv_head *head, mp_error *err) {
    mp_table *t = o->t;
    mp_table_file *file = &t->files[f];
    int before = t->n_columns;
    for (int c = 0; c < head->n_columns; c++) {
        int at = f ? mp_names_find(&o->places, head->names[c]) : -1;
        if (at < 0 && f && !o->spec->input.union_columns)
            return differs(file->path, head->names[c], file->path, t->files[0].path, err);
        if (at < 0) {
            mp_status st = add_column(o, head->names[c], err);
            if (st) return st;
            at = t->n_columns - 1;
        }
        mp_evidence_add(&t->sample[at], head->seen[c]);
    }
    int32_t *column_at = take(o->arena, (size_t)t->n_columns, sizeof *column_at);
    if (!column_at) return mp_mem_error(o->mem, (size_t)t->n_columns * 4, err);
    for (int i = 0; i < t->n_columns; i++)
        column_at[i] = -1;
    for (int c = 0; c < head->n_columns; c++) {
        int at = f ? mp_names_find(&o->places, head->names[c]) : c;
        column_at[at] = c;
    }
    bool may_lack = o->spec->input.union_columns || file->format == MP_READ_NDJSON;
    for (int i = 0; i < before; i++)
        if (column_at[i] < 0 && !may_lack)
            return differs(file->path, t->names[i], t->files[0].path, file->path, err);
    file->column_at = column_at;
    file->n_matched = t->n_columns;
    file->n_columns = head->n_columns;
    file->delimiter = head->delimiter;
    file->data_offset = head->data_offset;
    return MP_OK;
}

/* A key that --types names is a column, whether the sample has it or not. */
static mp_status add_named_keys(opener *o, mp_error *err) {
    mp_status st = MP_OK;
    for (int k = 0; k < o->spec->input.n_types && !st && mp_table_has(o->t, MP_READ_NDJSON); k++) {
        const char *name = o->spec->input.types[k].name;
        if (mp_names_find(&o->places, name) < 0) st = add_column(o, name, err);
    }
    return st;
}

/* In NDJSON any line may have any key: the columns of such a file are those of the table. */
static mp_status open_keys(opener *o, mp_error *err) {
    mp_table *t = o->t;
    if (!mp_table_has(t, MP_READ_NDJSON)) return MP_OK;
    int32_t *same = take(o->arena, (size_t)t->n_columns, sizeof *same);
    if (!same) return mp_mem_error(o->mem, (size_t)t->n_columns * 4, err);
    for (int i = 0; i < t->n_columns; i++)
        same[i] = i;
    for (int f = 0; f < t->n_files; f++) {
        mp_table_file *file = &t->files[f];
        if (file->format != MP_READ_NDJSON) continue;
        file->column_at = same;
        file->n_columns = file->n_matched = t->n_columns;
    }
    return MP_OK;
}

static mp_status choose_types(opener *o, mp_error *err) {
    mp_table *t = o->t;
    t->fixed = take(o->arena, (size_t)t->n_columns, sizeof *t->fixed);
    if (!t->fixed) return mp_mem_error(o->mem, (size_t)t->n_columns * 4, err);
    for (int i = 0; i < t->n_columns; i++)
        t->fixed[i] = MP_TYPE_COUNT;
    for (int f = 0; f < t->n_files; f++)
        if (t->files[f].format == MP_READ_LINES)
            t->fixed[mp_names_find(&o->places, "line")] = MP_STRING;
    if (mp_table_has(t, MP_READ_H5)) {
        mp_status st = mp_table_h5_types(t, err);
        if (st) return st;
    }
    for (int k = 0; k < o->spec->input.n_types; k++) {
        const mp_type_choice *choice = &o->spec->input.types[k];
        int c = mp_names_find(&o->places, choice->name);
        if (c < 0) {
            mp_error_set(err, MP_USAGE, "error in --types", "no column '%s'", choice->name);
            mp_error_hint_names(err, choice->name, t->names, t->n_columns);
            return MP_USAGE;
        }
        mp_status st = t->typed ? mp_table_h5_choose(t, c, choice->type, err) : MP_OK;
        if (st) return st;
        t->fixed[c] = choice->type;
    }
    return MP_OK;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high) {
    return v < low ? low : v > high ? high : v;
}

/* One rank unpacks a packed file faster than it is scattered, as long as the others have enough to do
 * with the rest. Packed bytes count like plain ones, whose work they are about. */
static bool has_rest(const mp_input *inputs, int n) {
    int64_t all = 0, largest = 0;
    for (int f = 0; f < n; f++) {
        int64_t size = inputs[f].size_bytes > 0 ? inputs[f].size_bytes : 0;
        if (all <= INT64_MAX - size) all += size;
        if (inputs[f].packing != MP_PACK_NONE && size > largest) largest = size;
    }
    return largest <= all - all / 4;
}

/* A packed file whose blocks are known is no stream: every rank unpacks its own ranges. One whose blocks are not
 * known may be for one rank. */
static void index_packed(opener *o, const mp_input *in, mp_table_file *file,
                         mp_table_stream *stream) {
    if (in->packing == MP_PACK_NONE || o->spec->run.scatter == MP_SCATTER_DATA) return;
    file->index = mp_pack_index_read(in, o->arena);
    if (!file->index && o->solid && in->size_bytes > 0 && stream->stream) {
        file->index = mp_pack_index_whole(in, mp_stream_consumed(stream->stream),
                                          (int64_t)stream->front.len, stream->at_end, o->arena);
        file->solid = file->index != NULL;
    }
    if (!file->index) return;
    file->by_data = false;
    file->text_bytes = file->index->end.plain;
    mp_stream_close(&stream->stream);
    mp_buf_release(&stream->front);
}

/* Plain bytes, 0: some file's are not known. */
static int64_t count_text(const mp_table *t) {
    int64_t sum = 0;
    for (int f = 0; f < t->n_files; f++) {
        bool known = t->files[f].packing == MP_PACK_NONE || t->files[f].index;
        if (!known || t->files[f].text_bytes < 0) return 0;
        sum += t->files[f].h5 ? t->files[f].size_bytes : t->files[f].text_bytes;
    }
    return sum;
}

/* One file: what it is, its head, its place in the table. */
static mp_status open_file(opener *o, int f, const mp_input *in, mp_table_stream *stream,
                           mp_csv_head *head, mp_error *err) {
    mp_table_file *file = &o->t->files[f];
    *file = (mp_table_file){.path = in->path,
                            .kind = in->kind,
                            .packing = in->packing,
                            .size_bytes = in->size_bytes,
                            .mtime_ns = in->mtime_ns,
                            .text_bytes = in->size_bytes};
    file->by_data = in->kind == MP_INPUT_STREAM || in->packing != MP_PACK_NONE ||
                    o->spec->run.scatter == MP_SCATTER_DATA;
    mp_buf_init(&stream->front, o->mem);
    file->format = format_of(o->spec, in);
    if (file->format == MP_READ_H5) {
        mp_status st = mp_table_h5_head(o->spec, in, file, o->arena, o->mem, head, err);
        return st ? st : match_columns(o, f, head, err);
    }
    bool sampled = f < SAMPLED_FILES || file->format == MP_READ_NDJSON;
    mp_status st = read_head(o, in, file, stream, sampled ? SAMPLE_BYTES : HEAD_BYTES, head, err);
    if (!st) st = match_columns(o, f, head, err);
    if (!st) index_packed(o, in, file, stream);
    return st;
}

static mp_status open_all(opener *o, const mp_input *inputs, mp_table_stream *streams,
                          mp_error *err) {
    mp_table *t = o->t;
    double row_bytes = 0;
    int sampled = 0;
    t->sample_is_all = true;
    o->solid = has_rest(inputs, t->n_files);
    for (int f = 0; f < t->n_files; f++) {
        mp_csv_head head = {0};
        mp_status st = open_file(o, f, &inputs[f], &streams[f], &head, err);
        if (st) return st;
        t->sample_is_all = t->sample_is_all && head.sample_is_all;
        if (head.row_bytes > 0) {
            row_bytes += head.row_bytes;
            sampled++;
        }
        if (inputs[f].size_bytes > 0) t->total_bytes += inputs[f].size_bytes;
    }
    t->row_bytes = sampled ? row_bytes / sampled : 0;
    t->text_bytes = count_text(t);
    int64_t bytes = t->text_bytes ? t->text_bytes : t->total_bytes;
    t->split_bytes = clamp(bytes / 256, 256 << 10, 32 << 20);
    return MP_OK;
}

mp_status mp_table_open(const mp_spec *spec, mp_arena *arena, mp_mem *mem, mp_table *out,
                        mp_table_stream **streams, mp_error *err) {
    *out = (mp_table){.filename_column = spec->input.filename_column};
    *streams = NULL;
    if (spec->input.n_paths == 0) {
        mp_error_set(err, MP_USAGE, NULL, "no INPUT given");
        mp_error_hint(err, "name files, folders, quoted globs, or - for standard input");
        return MP_USAGE;
    }
    mp_table_dialect(spec, &out->dialect);
    mp_input *inputs = NULL;
    mp_status st =
        mp_input_list(spec->input.paths, spec->input.n_paths, arena, &inputs, &out->n_files, err);
    if (st) return st;
    opener o = {.spec = spec, .arena = arena, .mem = mem, .t = out};
    mp_names_init(&o.places, arena);
    out->files = take(arena, (size_t)out->n_files, sizeof *out->files);
    *streams = take(arena, (size_t)out->n_files, sizeof **streams);
    if (!out->files || !*streams) return mp_mem_error(mem, (size_t)out->n_files * 64, err);
    st = open_all(&o, inputs, *streams, err);
    if (!st) st = add_named_keys(&o, err);
    if (!st) st = open_keys(&o, err);
    if (!st) st = choose_types(&o, err);
    if (st) mp_table_streams_free(streams, out->n_files);
    return st;
}

mp_status mp_table_scatter_data(mp_table *t, mp_table_stream *streams, mp_error *err) {
    for (int f = 0; f < t->n_files; f++) {
        mp_table_file *file = &t->files[f];
        mp_input in = {.path = file->path,
                       .kind = file->kind,
                       .packing = file->packing,
                       .size_bytes = file->size_bytes};
        bool opened = file->by_data;
        file->by_data = true;
        file->index = NULL;
        file->solid = false;
        if (opened || !streams || file->h5) continue;
        mp_status st = mp_stream_open(&in, &streams[f].stream, err);
        if (st) return st;
    }
    return MP_OK;
}

void mp_table_streams_free(mp_table_stream **streams, int n_files) {
    for (int f = 0; *streams && f < n_files; f++) {
        mp_stream_close(&(*streams)[f].stream);
        mp_buf_release(&(*streams)[f].front);
    }
    *streams = NULL;
}
