/* map_write.c - results of units into a file: every rank copies its share of the bytes; a table in
 * another form than CSV is read again and written as a query writes it.
 * Invariant: the file appears when all of it is there. */
#include <unistd.h>

#include "run/map/map_priv.h"

enum { COPY_BYTES = 1 << 20 };

/* ---- files ---- */

/* A piece of the output, and the log that has it. */
typedef struct {
    int64_t offset, len;
    int32_t run, rank;
} piece;

/* Rank 0: the name of the temporary, and all pieces. */
static mp_status list_pieces(mp_map_job *j, const char *target, mp_buf *out, mp_error *err) {
    mp_status st = mp_out_create(target, &j->file, err);
    if (st != MP_OK) return st;
    mp_buf_text(out, mp_out_temp(j->file));
    for (int64_t i = 0; i < j->n_units; i++) {
        const mp_map_result *r = &j->results[i];
        int64_t skip = 0;
        st = mp_map_check_header(j, i, &skip, err);
        if (st != MP_OK) return st;
        piece p = {r->offset + skip, r->len - skip, r->run, r->rank};
        if (r->outcome == MP_UNIT_OK && p.len > 0) mp_buf_put(out, &p, sizeof p);
    }
    return mp_buf_check(out, err);
}

static mp_status copy_piece(mp_map_job *j, const piece *p, int64_t from, int64_t to, int64_t at,
                            mp_buf *b, mp_error *err) {
    int fd = mp_map_log_fd(j, p->run, p->rank, err);
    if (fd < 0) return MP_IO;
    mp_buf_clear(b);
    if (!mp_buf_reserve(b, COPY_BYTES)) return mp_buf_check(b, err);
    while (from < to) {
        size_t n = to - from < COPY_BYTES ? (size_t)(to - from) : COPY_BYTES;
        mp_status st = mp_map_read_log(j, fd, b->data, n, p->offset + from, err);
        if (st == MP_OK) st = mp_out_write_at(j->file, at, b->data, n, err);
        if (st != MP_OK) return st;
        from += (int64_t)n;
        at += (int64_t)n;
    }
    return MP_OK;
}

/* This rank's share: the bytes of the output from total * rank / size on. */
static mp_status copy_share(mp_map_job *j, mp_rd pieces, int64_t *bytes, mp_error *err) {
    int64_t total = 0, at = 0, rank = mp_comm_rank(j->c), size = mp_comm_size(j->c);
    piece p;
    mp_buf b;
    for (mp_rd rd = pieces; mp_rd_left(&rd);) {
        const void *raw = mp_rd_raw(&rd, sizeof p);
        if (raw) memcpy(&p, raw, sizeof p);
        total += raw ? p.len : 0;
    }
    *bytes = total;
    int64_t low = total / size * rank + total % size * rank / size;
    int64_t high = total / size * (rank + 1) + total % size * (rank + 1) / size;
    mp_status st = MP_OK;
    mp_buf_init(&b, j->mem);
    for (mp_rd rd = pieces; mp_rd_left(&rd) && at < high && st == MP_OK;) {
        const void *raw = mp_rd_raw(&rd, sizeof p);
        if (!raw) break;
        memcpy(&p, raw, sizeof p);
        int64_t from = low > at ? low - at : 0, to = high - at < p.len ? high - at : p.len;
        if (from < to) st = copy_piece(j, &p, from, to, at + from, &b, err);
        at += p.len;
    }
    mp_buf_release(&b);
    return st;
}

/* *total: its bytes, the same on every rank. */
static mp_status join(mp_map_job *j, const char *target, int64_t *total, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_buf b;
    *total = 0;
    mp_buf_init(&b, j->mem);
    mp_status st = mp_comm_rank(j->c) == 0 ? list_pieces(j, target, &b, &mine) : MP_OK;
    st = mp_comm_agree_on(j->c, st, &mine, err);
    if (st == MP_OK) {
        st = mp_comm_bcast(j->c, &b, &mine);
        mp_rd rd = mp_rd_of(b.data, b.len);
        const char *temp = NULL;
        bool ok = st == MP_OK && mp_rd_text(&rd, &j->arena, &temp) && temp;
        if (st == MP_OK && !ok) st = mp_mem_error(j->mem, b.len, &mine);
        if (st == MP_OK && mp_comm_rank(j->c) != 0) st = mp_out_join(target, temp, &j->file, &mine);
        if (st == MP_OK) st = copy_share(j, rd, total, &mine);
        if (st == MP_OK) st = mp_out_sync(j->file, &mine);
        st = mp_comm_agree_on(j->c, st, &mine, err);
    }
    mp_buf_release(&b);
    if (st == MP_OK && mp_comm_rank(j->c) == 0) st = mp_out_commit(&j->file, &mine);
    return mp_comm_agree_on(j->c, st, &mine, err);
}

/* Plain CSV is what the results are; bytes are never changed. */
static bool is_plain(const mp_map_job *j) {
    const char *path = j->spec->output.path;
    return !j->headed ||
           (j->spec->output.format <= MP_FORMAT_CSV && mp_text_packing_of(path) == MP_PACK_NONE);
}

static bool wants_h5(const mp_map_job *j) {
    const mp_output_spec *out = &j->spec->output;
    mp_text_format format = MP_FORMAT_CSV;
    if (out->format >= 0) return out->format == MP_FORMAT_H5;
    return out->path && mp_text_format_of(out->path, &format) && format == MP_FORMAT_H5;
}

/* Not even a header came out. Units that failed are told later, and explain it. */
static mp_status no_columns(const mp_map_job *j, mp_error *err) {
    int64_t n_failed = 0;
    for (int64_t i = 0; mp_comm_rank(j->c) == 0 && i < j->n_units; i++)
        n_failed += j->results[i].outcome != MP_UNIT_OK;
    mp_status st = mp_comm_allreduce(j->c, &n_failed, 1, MP_MAX, err);
    if (st != MP_OK || n_failed > 0) return st;
    return mp_error_set(err, MP_DATA, "no output for HDF5",
                        "nothing was printed, so there are no columns");
}

/* The same without a table: no bytes, packed where the name says so. */
static mp_spec without_rows(const mp_spec *spec) {
    mp_spec none = *spec;
    none.input.is_csv = false;
    none.input.delimiter = none.input.quote = 0;
    none.input.n_types = 0;
    none.input.format = MP_READ_LINES;
    none.output.format = MP_FORMAT_NDJSON;
    none.query.sort = NULL;
    return none;
}

mp_status mp_map_convert(mp_map_job *j, const char *sort, mp_type_choice *types, int n_types,
                         mp_error *err) {
    size_t n = strlen(j->folder) + 24;
    char *path = mp_arena_alloc(&j->arena, n, 1);
    int64_t total;
    mp_error mine = MP_ERROR_INIT;
    mp_status st = path ? MP_OK : mp_mem_error(j->mem, n, &mine);
    st = mp_comm_agree_on(j->c, st, &mine, err);
    if (st != MP_OK) return st;
    snprintf(path, n, "%s/input-joined.csv", j->folder);
    st = join(j, path, &total, err);
    if (st != MP_OK) return st;
    if (total == 0 && wants_h5(j)) return no_columns(j, err);
    const char *paths[] = {path};
    mp_spec spec = {.output = j->spec->output, .run = j->spec->run};
    mp_buf text;
    mp_report report;
    spec.run.stats = NULL;
    spec.input.n_paths = 1;
    spec.input.paths = paths;
    spec.input.quote = '"';
    spec.input.delimiter = ',';
    spec.input.is_csv = true;
    spec.input.types = types;
    spec.input.n_types = n_types;
    spec.query.limit_rows = -1;
    spec.query.sort = sort;
    if (total == 0) spec = without_rows(&spec);
    mp_buf_init(&text, j->mem);
    mp_report_init(&report);
    st = mp_query_run(j->c, &spec, j->mem, &text, &report, err);
    mp_report_release(&report);
    mp_buf_release(&text);
    return st;
}

mp_status mp_map_write_file(mp_map_job *j, mp_error *err) {
    int64_t total;
    return is_plain(j) ? join(j, j->spec->output.path, &total, err)
                       : mp_map_convert(j, NULL, NULL, 0, err);
}
