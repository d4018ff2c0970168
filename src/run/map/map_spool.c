/* map_spool.c - inputs that can be read only once, only by rank 0, or only from the front, as files in the
 * run's folder; a unit may need its rows again.
 * Invariant: the list of inputs is written behind the last of the copies, so a run that goes on from
 * it has all of them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "run/journal/run_dir.h"
#include "run/map/map_table.h"

enum { PIECE_BYTES = 1 << 20 };

static mp_status write_error(const mp_map_table *t, int errnum, mp_error *err) {
    mp_error_errno(err, errnum, "cannot copy an input", t->folder);
    mp_error_hint(err, "--run-dir DIR names a place with room for it");
    return MP_IO;
}

static mp_status write_all(const mp_map_table *t, int fd, const uint8_t *p, size_t n,
                           mp_error *err) {
    while (n > 0) {
        ssize_t put = write(fd, p, n);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return write_error(t, put < 0 ? errno : ENOSPC, err);
        p += put;
        n -= (size_t)put;
    }
    return MP_OK;
}

static mp_status copy_rest(mp_map_table *t, mp_stream *s, int fd, mp_error *err) {
    mp_buf b;
    mp_status st = MP_OK;
    mp_buf_init(&b, t->mem);
    if (!mp_buf_reserve(&b, PIECE_BYTES)) st = mp_buf_check(&b, err);
    for (bool end = false; st == MP_OK && !end;) {
        size_t n = 0;
        bool later = false;
        st = mp_stream_read(s, b.data, PIECE_BYTES, &n, &later, &end, err);
        if (st == MP_OK && n > 0) st = write_all(t, fd, b.data, n, err);
        if (st == MP_OK && later) {
            struct pollfd p = {.fd = mp_stream_fd(s), .events = POLLIN};
            int events = 0;
            poll(&p, p.fd >= 0, 5);
            st = mp_comm_progress(t->c, &events, err); /* the others wait in a collective */
        }
    }
    mp_buf_release(&b);
    return st;
}

/* s: its front was read already, or, where it is not open, nothing of it. */
static mp_status copy_file(mp_map_table *t, int f, mp_table_stream *s, const char *path,
                           mp_error *err) {
    const mp_table_file *file = &t->job.table.files[f];
    if (file->h5 || file->solid) {
        mp_input in = {.path = file->path, .kind = file->kind, .size_bytes = file->size_bytes};
        mp_status st = mp_stream_open(&in, &s->stream, err);
        if (st != MP_OK) return st;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return write_error(t, errno, err);
    mp_status st = write_all(t, fd, s->front.data, s->front.len, err);
    if (st == MP_OK && !s->at_end && s->stream) st = copy_rest(t, s->stream, fd, err);
    if (close(fd) != 0 && st == MP_OK) st = write_error(t, errno, err);
    return st;
}

static const char *copy_name(mp_map_table *t, int f) {
    const mp_table_file *file = &t->job.table.files[f];
    const char *ending = file->format == MP_READ_H5       ? ".h5"
                         : file->format == MP_READ_NDJSON ? ".ndjson"
                         : file->format == MP_READ_LINES  ? ".txt"
                         : file->delimiter == '\t'        ? ".tsv"
                                                          : ".csv";
    size_t n = strlen(t->folder) + 32;
    char *path = mp_arena_alloc(&t->arena, n, 1);
    if (path) snprintf(path, n, "%s/input-%d%s", t->folder, f, ending);
    return path;
}

/* An HDF5 file may have several tables. NULL: no memory, or no path. */
static const char *name_table(mp_map_table *t, const char *path, const char *object) {
    size_t n = path ? strlen(path) + strlen(object) + 2 : 0;
    char *name = n ? mp_arena_alloc(&t->arena, n, 1) : NULL;
    if (name) snprintf(name, n, "%s:%s", path, object);
    return name;
}

/* Rank 0: the copies of what it alone can read, and the names of all inputs, each behind a length. */
static mp_status copy_all(mp_map_table *t, mp_buf *names, mp_error *err) {
    const mp_table *table = &t->job.table;
    mp_status st = MP_OK;
    for (int f = 0; f < table->n_files && st == MP_OK; f++) {
        const mp_table_file *file = &table->files[f];
        const char *path = file->path;
        if (file->by_data || file->solid) {
            path = copy_name(t, f);
            if (!path) st = mp_mem_error(t->mem, 64, err);
            if (path && file->by_data) st = copy_file(t, f, &t->job.streams[f], path, err);
            if (file->h5) path = name_table(t, path, file->h5->object);
        }
        mp_buf_text(names, path);
    }
    return st == MP_OK ? mp_buf_check(names, err) : st;
}

/* ---- packed files that are unpacked by a rank each ---- */

typedef struct {
    int64_t bytes;
    int file;
} solid_file;

static int largest_first(const void *a, const void *b) {
    const solid_file *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    return (x->file > y->file) - (x->file < y->file);
}

static int least_loaded(const int64_t *loads, int n) {
    int least = 0;
    for (int r = 1; r < n; r++)
        if (loads[r] < loads[least]) least = r;
    return least;
}

static mp_status copy_one(mp_map_table *t, int f, mp_error *err) {
    mp_table_stream s = {0};
    mp_buf_init(&s.front, t->mem);
    const char *path = copy_name(t, f);
    mp_status st = path ? copy_file(t, f, &s, path, err) : mp_mem_error(t->mem, 64, err);
    if (st == MP_DATA) mp_error_place(err, f, -1, -1, -1);
    mp_stream_close(&s.stream);
    return st;
}

/* Every rank: its share of them. The largest go first, each to the rank with the least to do. Of several that are
 * broken the first one is the error, so the ones before it are still looked at. */
static mp_status copy_share(mp_map_table *t, mp_error *err) {
    const mp_table *table = &t->job.table;
    int n_ranks = mp_comm_size(t->c), n = 0, failed = table->n_files;
    size_t n_files = (size_t)table->n_files;
    mp_status st = MP_OK;
    solid_file *files = mp_arena_alloc(&t->arena, n_files * sizeof *files + 1, 16);
    int64_t *loads = mp_arena_alloc(&t->arena, (size_t)n_ranks * sizeof *loads, 16);
    if (!files || !loads) return mp_mem_error(t->mem, n_files * sizeof *files, err);
    memset(loads, 0, (size_t)n_ranks * sizeof *loads);
    for (int f = 0; f < table->n_files; f++)
        if (table->files[f].solid) files[n++] = (solid_file){table->files[f].size_bytes, f};
    qsort(files, (size_t)n, sizeof *files, largest_first);
    for (int i = 0; i < n; i++) {
        int rank = least_loaded(loads, n_ranks);
        loads[rank] += files[i].bytes;
        if (rank != mp_comm_rank(t->c) || files[i].file > failed) continue;
        mp_error e = MP_ERROR_INIT;
        mp_status s = copy_one(t, files[i].file, &e);
        if (s == MP_OK) continue;
        failed = files[i].file;
        st = s;
        *err = e;
    }
    return st;
}

static int open_list(const mp_map_table *t, int flags) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", t->folder, "input-list");
    return open(path, flags | O_CLOEXEC, 0666);
}

static mp_status write_list(const mp_map_table *t, const mp_buf *names, mp_error *err) {
    int fd = open_list(t, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0) return write_error(t, errno, err);
    mp_buf text;
    mp_buf_init(&text, t->mem);
    mp_buf_bytes(&text, names->data, names->len);
    mp_status st = mp_buf_check(&text, err);
    if (st == MP_OK) st = write_all(t, fd, text.data, text.len, err);
    if (close(fd) != 0 && st == MP_OK) st = write_error(t, errno, err);
    mp_buf_release(&text);
    return st;
}

/* Every rank: the names are the inputs from now on. Collective. */
static mp_status use_names(mp_map_table *t, mp_buf *names, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_comm_bcast(t->c, names, &mine);
    if (st == MP_OK && names->len > 0) {
        int n = 0;
        mp_rd count = mp_rd_of(names->data, names->len);
        for (size_t len; mp_rd_left(&count); n++)
            (void)mp_rd_bytes(&count, &len);
        const char **paths = mp_arena_alloc(&t->arena, (size_t)n * sizeof *paths, sizeof *paths);
        mp_rd rd = mp_rd_of(names->data, names->len);
        bool ok = paths != NULL;
        for (int i = 0; ok && i < n; i++)
            ok = mp_rd_text(&rd, &t->arena, &paths[i]);
        if (!ok) st = mp_mem_error(t->mem, names->len, &mine);
        t->spec.input.paths = paths;
        t->spec.input.n_paths = n;
        t->spec.run.scatter = MP_SCATTER_AUTO; /* the copies are for every rank */
        t->copied = true;
    }
    return mp_comm_agree_on(t->c, st, &mine, err);
}

mp_status mp_map_copy_streams(mp_map_table *t, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_buf names;
    mp_status st = MP_OK;
    mp_buf_init(&names, t->mem);
    if (mp_comm_rank(t->c) == 0) st = copy_all(t, &names, &mine);
    if (st == MP_OK) st = copy_share(t, &mine);
    st = mp_comm_agree_on(t->c, st, &mine, err);
    if (st == MP_OK && mp_comm_rank(t->c) == 0) st = write_list(t, &names, &mine);
    st = mp_comm_agree_on(t->c, st, &mine, err);
    if (st == MP_OK) st = use_names(t, &names, err);
    mp_buf_release(&names);
    return st;
}

mp_status mp_map_use_copies(mp_map_table *t, mp_error *err) {
    mp_buf text, names;
    mp_buf_init(&text, t->mem);
    mp_buf_init(&names, t->mem);
    int fd = mp_comm_rank(t->c) == 0 ? open_list(t, O_RDONLY) : -1;
    if (fd >= 0) {
        for (ssize_t n = 1; n > 0 && mp_buf_reserve(&text, PIECE_BYTES);) {
            n = read(fd, text.data + text.len, PIECE_BYTES);
            if (n > 0) text.len += (size_t)n;
        }
        close(fd);
        mp_rd rd = mp_rd_of(text.data, text.len);
        size_t n = 0;
        const void *p = mp_rd_bytes(&rd, &n);
        if (p) mp_buf_put(&names, p, n); /* else it was not written to its end */
    }
    mp_status st = use_names(t, &names, err);
    mp_buf_release(&text);
    mp_buf_release(&names);
    return st;
}
