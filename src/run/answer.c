/* answer.c - see answer.h. Standard output gets its bytes from a spool when the run commits; a
 * terminal gets a table of the first rows of the spool. */
#include "run/answer.h"

#include <assert.h>
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "run/h5/h5_write.h"

enum {
    TABLE_ROWS = 40,
    COPY_BYTES = 1 << 20,
    ORDER_BYTES = 64 << 20 /* or an eighth of the budget */
};

typedef enum { TO_FILE, TO_STREAM, TO_TERMINAL, TO_H5 } target_kind;

struct mp_answer {
    mp_comm *c;
    const mp_spec *spec;
    mp_mem *mem;
    target_kind kind;
    mp_out_file *file; /* TO_FILE, TO_H5 (rows): every rank; a special file: rank 0 */
    mp_h5_write *h5;   /* TO_H5 */
    bool stored;       /* TO_H5: the HDF5 file is made */
    int64_t rows;      /* TO_H5, rank 0 */
    int fd;            /* rank 0: of the stream, or terminal */
    int spool;         /* rank 0, -1: none */
    bool direct;       /* this time rows go to fd at once */
    bool closed;       /* rank 0: the reader of the stream is gone */
    mp_text_args text;
    mp_packing packing;
    mp_order *order;
    uint32_t pass;
};

mp_status mp_answer_format(const mp_spec *spec, mp_text_format *out, mp_error *err) {
    const char *path = spec->output.path;
    *out = MP_FORMAT_CSV;
    if (spec->output.format >= 0) {
        *out = (mp_text_format)spec->output.format;
        return MP_OK;
    }
    if (!path || strcmp(path, "-") == 0) return MP_OK;
    if (!mp_text_format_of(path, out)) {
        mp_error_set(err, MP_USAGE, "cannot write",
                     "the name's ending is not one of .csv, .tsv, .ndjson, .h5");
        mp_error_file(err, path);
        mp_error_hint(err, "--format csv writes CSV whatever the name is");
        return MP_USAGE;
    }
    return MP_OK;
}

static bool is_h5(const mp_answer *a) {
    return a->text.format == MP_FORMAT_H5;
}

/* Pieces are written at their place by the rank that has them. */
static bool has_places(const mp_answer *a) {
    return a->kind == TO_FILE || a->kind == TO_H5;
}

static bool is_named(const mp_answer *a) {
    const char *path = a->spec->output.path;
    return path && strcmp(path, "-") != 0;
}

/* Rank 0: the target. */
static mp_status open_target(mp_answer *a, mp_error *err) {
    const char *path = a->spec->output.path;
    if (is_h5(a)) {
        a->kind = TO_H5;
        return mp_out_create(mp_h5_write_scratch(a->h5), &a->file, err);
    }
    if (is_named(a)) {
        mp_status st = mp_out_create(path, &a->file, err);
        if (st) return st;
        a->fd = mp_out_direct_fd(a->file);
        a->kind = a->fd < 0 ? TO_FILE : TO_STREAM;
        return MP_OK;
    }
    bool terminal = false;
    mp_status st = mp_stdout_open(&a->fd, &terminal, err);
    bool table = terminal && !path && a->spec->output.format < 0;
    a->kind = table ? TO_TERMINAL : TO_STREAM;
    return st;
}

static mp_status share_target(mp_answer *a, mp_error *err) {
    mp_buf b;
    mp_buf_init(&b, NULL);
    if (mp_comm_rank(a->c) == 0) {
        mp_buf_u8(&b, (uint8_t)a->kind);
        if (has_places(a))
            mp_buf_text(&b, mp_out_temp(a->file));
        else
            mp_buf_text(&b, "");
        mp_buf_u8(&b, 0);
    }
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_comm_bcast(a->c, &b, &mine);
    if (!st) st = mp_buf_check(&b, &mine);
    if (!st && mp_comm_rank(a->c) != 0) {
        mp_rd rd = mp_rd_of(b.data, b.len);
        a->kind = (target_kind)mp_rd_u8(&rd);
        size_t n = 0;
        const char *temp = mp_rd_bytes(&rd, &n);
        mp_buf name;
        mp_buf_init(&name, NULL);
        mp_buf_put(&name, temp, temp ? n : 0);
        mp_buf_u8(&name, 0);
        st = mp_buf_check(&name, &mine);
        const char *target = a->h5 ? mp_h5_write_scratch(a->h5) : a->spec->output.path;
        if (!st && has_places(a))
            st = mp_out_join(target, (const char *)name.data, &a->file, &mine);
        mp_buf_release(&name);
    }
    mp_buf_release(&b);
    return mp_comm_agree_on(a->c, st, &mine, err);
}

mp_status mp_answer_open(mp_comm *c, const mp_spec *spec, mp_mem *mem, mp_answer **out,
                         mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_answer *a = mp_mem_calloc(mem, 1, sizeof *a);
    mp_status st = a ? MP_OK : mp_mem_error(mem, sizeof *a, &mine);
    *out = a;
    if (a) {
        *a = (mp_answer){.c = c, .spec = spec, .mem = mem, .fd = -1, .spool = -1};
        st = mp_answer_format(spec, &a->text.format, &mine);
        a->text.delimiter = a->text.format == MP_FORMAT_TSV ? '\t' : ',';
        a->text.comment = spec->input.comment;
        if (is_named(a) && !is_h5(a)) a->packing = mp_text_packing_of(spec->output.path);
        if (!st && is_h5(a)) st = mp_h5_write_new(c, spec, mem, &a->h5, &mine);
        if (!st && mp_comm_rank(c) == 0) st = open_target(a, &mine);
    }
    st = mp_comm_agree_on(c, st, &mine, err);
    return st ? st : share_target(a, err);
}

void mp_answer_free(mp_answer **a) {
    if (!*a) return;
    mp_order_free(&(*a)->order);
    mp_h5_write_free(&(*a)->h5);
    mp_out_abandon(&(*a)->file);
    if ((*a)->spool >= 0) close((*a)->spool);
    mp_mem_free((*a)->mem, *a);
    *a = NULL;
}

bool mp_answer_cuts(const mp_answer *a) {
    return a->spec->query.offset_rows > 0 || a->spec->query.limit_rows >= 0;
}

mp_order *mp_answer_order(mp_answer *a) {
    return a->order;
}

mp_status mp_answer_columns(mp_answer *a, const char *const *names, const mp_type *types,
                            const int8_t *widths, int n_cols, mp_error *err) {
    a->text.names = names;
    a->text.n_cols = n_cols;
    return a->h5 ? mp_h5_write_columns(a->h5, names, types, widths, n_cols, err) : MP_OK;
}

void mp_answer_format_rows(const mp_answer *a, const mp_batch *in, mp_buf *out, mp_buf *row_ends) {
    if (a->h5)
        mp_h5_write_rows(a->h5, in, out, row_ends);
    else
        mp_text_rows(&a->text, in, out, row_ends);
}

/* ---- begin ---- */

/* What messages call the stream or the spool. */
static const char *stream_name(const mp_answer *a, bool spool) {
    const char *path = a->spec->output.path;
    if (spool) return mp_out_spool_folder(a->spec->run.scratch);
    return is_named(a) ? path : "standard output";
}

static mp_status write_stream(mp_answer *a, bool spool, const void *bytes, size_t n,
                              mp_error *err) {
    mp_error why = MP_ERROR_INIT;
    mp_status st = mp_stdout_write(spool ? a->spool : a->fd, bytes, n, &a->closed, &why);
    if (!st) return MP_OK;
    mp_error_set(err, st, spool ? "cannot write to scratch" : why.what, "%s", why.why);
    mp_error_file(err, stream_name(a, spool));
    if (spool) mp_error_hint(err, "name a folder with room: --scratch DIR");
    return st;
}

static mp_status rewind_spool(mp_answer *a, mp_error *err) {
    if (a->spool < 0) return mp_out_spool(a->spec->run.scratch, &a->spool, err);
    if (ftruncate(a->spool, 0) == 0 && lseek(a->spool, 0, SEEK_SET) == 0) return MP_OK;
    return mp_error_errno(err, errno, "cannot write to scratch", stream_name(a, true));
}

/* Rank 0: the header, at the front of whatever it is; packed, it goes with the rows. */
static mp_status put_header(mp_answer *a, const mp_buf *header, mp_error *err) {
    if (has_places(a)) {
        mp_status st = mp_out_truncate(a->file, 0, err);
        return st || a->packing ? st : mp_out_write_at(a->file, 0, header->data, header->len, err);
    }
    if (!a->direct) {
        mp_status st = rewind_spool(a, err);
        if (st) return st;
    }
    if (a->packing) return MP_OK;
    return write_stream(a, !a->direct, header->data, header->len, err);
}

mp_status mp_answer_begin(mp_answer *a, bool is_final, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_buf header;
    mp_buf_init(&header, a->mem);
    a->direct = is_final && a->kind == TO_STREAM;
    mp_order_free(&a->order);
    if (!a->h5) mp_text_header(&a->text, &header);
    mp_status st = mp_buf_check(&header, &mine);
    if (!st && mp_comm_rank(a->c) == 0) st = put_header(a, &header, &mine);
    int64_t budget = a->mem->limit_bytes > 0 ? a->mem->limit_bytes / 8 : ORDER_BYTES;
    mp_order_args args = {.file = has_places(a) ? a->file : NULL,
                          .stream_fd = a->direct ? a->fd : a->spool,
                          .stream_name = stream_name(a, !a->direct),
                          .start_offset = (int64_t)header.len,
                          .packing = a->packing,
                          .head = header.data,
                          .skip_rows = a->spec->query.offset_rows,
                          .limit_rows = a->spec->query.limit_rows,
                          .budget_bytes = budget < ORDER_BYTES ? budget : ORDER_BYTES,
                          .pass = ++a->pass,
                          .mem = a->mem};
    if (!st && a->h5) st = mp_h5_write_begin(a->h5, &args, &mine);
    if (!st) st = mp_order_new(a->c, &args, &a->order, &mine);
    mp_buf_release(&header);
    return mp_comm_agree_on(a->c, st, &mine, err);
}

/* ---- finish ---- */

static mp_status copy_spool(mp_answer *a, mp_error *err) {
    mp_buf b;
    mp_buf_init(&b, a->mem);
    mp_status st = mp_buf_reserve(&b, COPY_BYTES) ? MP_OK : mp_buf_check(&b, err);
    int64_t at = 0;
    while (!st && !a->closed) {
        ssize_t n = pread(a->spool, b.data, COPY_BYTES, at);
        if (n < 0) st = mp_error_errno(err, errno, "cannot read scratch", stream_name(a, true));
        if (n <= 0) break;
        st = write_stream(a, false, b.data, (size_t)n, err);
        at += n;
    }
    mp_buf_release(&b);
    return st;
}

/* The first rows of the spool, as text columns. */
static mp_status read_front(mp_answer *a, mp_buf *text, mp_text_table *table, int64_t *shown,
                            mp_error *err) {
    mp_csv_dialect d = {.delimiter = a->text.delimiter, .quote = '"'};
    size_t n = (size_t)a->text.n_cols;
    mp_csv_column *wanted = mp_mem_calloc(a->mem, n, sizeof *wanted);
    if (!wanted) return mp_mem_error(a->mem, n * sizeof *wanted, err);
    for (size_t i = 0; i < n; i++)
        wanted[i] = (mp_csv_column){
            .c = (int)i, .use = MP_CSV_TEXT, .after_filter = true, .name = a->text.names[i]};
    mp_csv_args args = {
        .dialect = &d, .n_columns = (int)n, .n_wanted = (int)n, .wanted = wanted, .mem = a->mem};
    mp_csv_text in = {.bytes = text->data + 64,
                      .len = text->len - 128,
                      .split_len = text->len - 128,
                      .at_eof = true,
                      .entry = MP_CSV_RECORD_START};
    mp_csv_reader *reader = NULL;
    mp_batch batch;
    bool more = true, need = false;
    mp_status st = mp_csv_reader_new(&args, &reader, err);
    if (!st) st = mp_csv_reader_begin(reader, &in, err);
    while (!st && more && *shown < TABLE_ROWS) {
        st = mp_csv_reader_next(reader, &batch, &more, &need, err);
        if (st || !more) break;
        if (*shown + batch.n_rows > TABLE_ROWS) batch.n_rows = (int32_t)(TABLE_ROWS - *shown);
        *shown += batch.n_rows;
        st = mp_table_add(table, &batch, err);
    }
    mp_csv_reader_free(&reader);
    mp_mem_free(a->mem, wanted);
    return st;
}

/* The front of the spool behind the header, up to the end of row TABLE_ROWS: with 64 bytes around
 * it. */
static mp_status load_front(mp_answer *a, int64_t bytes, mp_buf *text, mp_error *err) {
    mp_buf header;
    mp_buf_init(&header, a->mem);
    mp_text_header(&a->text, &header);
    int64_t n = bytes < 64 << 20 ? bytes : 64 << 20;
    static const uint8_t pad[64];
    mp_buf_put(text, pad, sizeof pad);
    if (mp_buf_reserve(text, (size_t)n + 64)) {
        ssize_t got = pread(a->spool, text->data + 64, (size_t)n, (int64_t)header.len);
        if (got > 0) text->len += (size_t)got;
    }
    mp_buf_put(text, pad, sizeof pad);
    mp_buf_release(&header);
    return mp_buf_check(text, err);
}

static mp_status print_table(mp_answer *a, int64_t rows, int64_t bytes, mp_error *err) {
    struct winsize size = {0};
    mp_buf text, out;
    mp_buf_init(&text, a->mem);
    mp_buf_init(&out, a->mem);
    mp_text_table *table = NULL;
    int64_t shown = 0;
    mp_status st = load_front(a, bytes, &text, err);
    if (!st) st = mp_table_new(a->text.names, a->text.n_cols, a->mem, &table, err);
    if (!st) st = read_front(a, &text, table, &shown, err);
    if (!st) {
        int width = ioctl(a->fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
        mp_table_print(table, width, &out);
        st = mp_buf_check(&out, err);
    }
    if (!st) st = write_stream(a, false, out.data, out.len, err);
    if (!st && rows > shown && !a->spec->run.quiet) {
        out.len = 0;
        mp_buf_printf(&out, "(%lld more rows; -o FILE or | keeps them all)\n",
                      (long long)(rows - shown));
        st = mp_stdout_write(2, out.data, out.len, &a->closed, err);
    }
    mp_table_free(&table);
    mp_buf_release(&text);
    mp_buf_release(&out);
    return st;
}

mp_status mp_answer_store(mp_answer *a, mp_report *report, mp_error *err) {
    if (!a->h5) return MP_OK;
    a->rows = mp_order_rows(a->order);
    int64_t bytes = mp_order_bytes(a->order);
    mp_order_free(&a->order);
    a->stored = true;
    return mp_h5_write_store(a->h5, a->file, bytes, report, err);
}

/* Collective. */
static mp_status finish_h5(mp_answer *a, int64_t *rows, int64_t *bytes, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    bool head = mp_comm_rank(a->c) == 0;
    *rows = head ? a->rows : 0;
    *bytes = 0;
    mp_status st = head ? mp_h5_write_commit(a->h5, bytes, &mine) : MP_OK;
    return mp_comm_agree_on(a->c, st, &mine, err);
}

mp_status mp_answer_finish(mp_answer *a, int64_t *rows, int64_t *bytes, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    bool head = mp_comm_rank(a->c) == 0;
    assert(a->stored == (a->h5 != NULL));
    if (a->h5) return finish_h5(a, rows, bytes, err);
    mp_status st = mp_order_finish(a->order, err);
    if (st) return st;
    *rows = head ? mp_order_rows(a->order) : 0;
    *bytes = head ? mp_order_bytes(a->order) : 0;
    st = a->kind == TO_FILE ? mp_out_sync(a->file, &mine) : MP_OK;
    st = mp_comm_agree_on(a->c, st, &mine, err);
    if (st) return st;
    if (head && a->kind == TO_FILE) st = mp_out_commit(&a->file, &mine);
    if (head && a->kind == TO_STREAM && !a->direct) st = copy_spool(a, &mine);
    if (head && a->kind == TO_TERMINAL) st = print_table(a, *rows, *bytes, &mine);
    return mp_comm_agree_on(a->c, st, &mine, err);
}
