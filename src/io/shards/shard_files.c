/* shard_files.c - see shard_files.h. A shard's text waits in a buffer of its own until it is a piece
 * worth writing, or all that waits passes the budget. */
#include "io/shards/shard_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_STATIC_LINKING_ONLY /* the state as a plain object */
#include <xxhash.h>

enum {
    PIECE_BYTES = 64 << 10, /* written at once; still in the second cache */
    FIRST_BYTES = 512,
    FRONT_BYTES = 1 << 20,
    LEAST_OPEN = 4,
    MOST_OPEN = 4096,
    SPARE_OPEN = 16 /* for inputs, scratch, messages */
};

typedef struct {
    size_t path; /* in paths */
    int fd;      /* -1: not open */
    bool made;   /* the file is there */
    mp_buf text;
    int64_t rows, bytes, written;
    XXH64_state_t sum;
} shard;

struct mp_shard_files {
    mp_shard_files_args a;
    mp_buf header, paths;
    int dir;
    shard **shards; /* grows; each stays where it is */
    int64_t n, cap;
    int64_t kept_bytes; /* capacity of all buffers */
    int64_t flushed;    /* shards that mp_shard_files_flush is done with */
    int64_t *open;      /* ring of the shards that are open */
    int n_open, hand, most_open;
};

/* Descriptors that the process has open now. */
static int count_open(void) {
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;
    if (!dir) return 64;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static int find_most_open(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return LEAST_OPEN;
    int64_t room = (int64_t)limit.rlim_cur - count_open() - SPARE_OPEN;
    if (limit.rlim_cur == RLIM_INFINITY || room > MOST_OPEN) return MOST_OPEN;
    return room < LEAST_OPEN ? LEAST_OPEN : (int)room;
}

mp_status mp_shard_files_new(const mp_shard_files_args *args, mp_shard_files **out, mp_error *err) {
    mp_shard_files *f = mp_mem_calloc(args->mem, 1, sizeof *f);
    *out = f;
    if (!f) return mp_mem_error(args->mem, sizeof *f, err);
    f->a = *args;
    f->dir = -1;
    mp_buf_init(&f->header, args->mem);
    mp_buf_init(&f->paths, args->mem);
    mp_buf_put(&f->header, args->header, args->header_bytes);
    f->most_open = args->most_open > 0 ? args->most_open : find_most_open();
    f->open = mp_mem_calloc(args->mem, (size_t)f->most_open, sizeof *f->open);
    mp_status st = f->open ? mp_buf_check(&f->header, err)
                           : mp_mem_error(args->mem, (size_t)f->most_open * sizeof *f->open, err);
    if (!st) f->dir = open(args->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!st && f->dir < 0) {
        st = mp_error_errno(err, errno, "cannot write", args->name);
        mp_error_hint(err,
                      "every rank writes shards there: the folder has to be the same on all hosts");
    }
    if (st) mp_shard_files_free(out);
    return st;
}

static void close_all(mp_shard_files *f) {
    while (f->n_open > 0) {
        shard *s = f->shards[f->open[--f->n_open]];
        close(s->fd);
        s->fd = -1;
    }
    f->hand = 0;
}

static void forget(mp_shard_files *f) {
    close_all(f);
    for (int64_t i = 0; i < f->n; i++) {
        mp_buf_release(&f->shards[i]->text);
        mp_mem_free(f->a.mem, f->shards[i]);
    }
    f->n = f->kept_bytes = f->flushed = 0;
    mp_buf_clear(&f->paths);
}

void mp_shard_files_free(mp_shard_files **f) {
    if (!*f) return;
    forget(*f);
    if ((*f)->dir >= 0) close((*f)->dir);
    mp_mem_free((*f)->a.mem, (*f)->shards);
    mp_mem_free((*f)->a.mem, (*f)->open);
    mp_buf_release(&(*f)->header);
    mp_buf_release(&(*f)->paths);
    mp_mem_free((*f)->a.mem, *f);
    *f = NULL;
}

static const char *path_of(const mp_shard_files *f, const shard *s) {
    return (const char *)f->paths.data + s->path;
}

static mp_status failed(const mp_shard_files *f, const shard *s, int errnum, const char *what,
                        mp_error *err) {
    char name[640];
    snprintf(name, sizeof name, "%s/%s", f->a.name, path_of(f, s));
    return mp_error_errno(err, errnum, what, name);
}

/* With the folders that were made for it, where they are empty now. */
static void remove_file(mp_shard_files *f, const shard *s) {
    char *path = (char *)f->paths.data + s->path;
    (void)!unlinkat(f->dir, path, 0);
    for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
        *slash = 0;
        if (unlinkat(f->dir, path, AT_REMOVEDIR) != 0) return;
    }
}

void mp_shard_files_remove(mp_shard_files *f) {
    close_all(f);
    for (int64_t i = 0; i < f->n; i++)
        (void)!unlinkat(f->dir, path_of(f, f->shards[i]), 0);
}

void mp_shard_files_drop(mp_shard_files *f) {
    for (int64_t i = 0; i < f->n; i++)
        if (f->shards[i]->made) remove_file(f, f->shards[i]);
    forget(f);
}

/* ---- files ---- */

/* The folder that the file is to be in, and those above it that are not there either. */
static mp_status make_folders(mp_shard_files *f, shard *s, mp_error *err) {
    char *path = (char *)f->paths.data + s->path, *last = strrchr(path, '/');
    int errnum = 0;
    if (!last) return MP_OK;
    *last = 0;
    if (mkdirat(f->dir, path, 0777) != 0) errnum = errno;
    *last = '/';
    if (errnum != ENOENT) last = NULL;
    for (char *slash = last ? strchr(path, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        errnum = mkdirat(f->dir, path, 0777) == 0 ? 0 : errno;
        *slash = '/';
        if (errnum && errnum != EEXIST) break;
    }
    return !errnum || errnum == EEXIST ? MP_OK
                                       : failed(f, s, errnum, "cannot make the folder", err);
}

/* Room for one more open file: the one under the hand is closed. */
static mp_status make_way(mp_shard_files *f, mp_error *err) {
    if (f->n_open < f->most_open) return MP_OK;
    shard *s = f->shards[f->open[f->hand]];
    int fd = s->fd;
    s->fd = -1;
    f->open[f->hand] = f->open[--f->n_open];
    f->hand = f->n_open ? (f->hand + 1) % f->n_open : 0;
    if (close(fd) == 0 || errno == EINTR) return MP_OK;
    return failed(f, s, errno, "cannot write", err);
}

static mp_status open_file(mp_shard_files *f, int64_t no, mp_error *err) {
    shard *s = f->shards[no];
    mp_status st = make_way(f, err);
    if (!st && !s->made) st = make_folders(f, s, err);
    if (st) return st;
    int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW;
    if (!s->made) flags |= O_CREAT | (f->a.again ? O_TRUNC : O_EXCL);
    s->fd = openat(f->dir, path_of(f, s), flags, 0666);
    if (s->fd < 0) return failed(f, s, errno, "cannot write", err);
    s->made = true;
    f->open[f->n_open++] = no;
    return MP_OK;
}

/* Writes what waits of a shard; release: its buffer goes, too. */
static mp_status write_out(mp_shard_files *f, int64_t no, bool release, mp_error *err) {
    shard *s = f->shards[no];
    if (s->text.len > 0 || !s->made) {
        mp_status st = s->fd < 0 ? open_file(f, no, err) : MP_OK;
        const uint8_t *p = s->text.data;
        for (size_t left = s->text.len; left > 0 && !st;) {
            ssize_t wrote = pwrite(s->fd, p, left, (off_t)s->written);
            if (wrote < 0 && errno == EINTR) continue;
            if (wrote <= 0) {
                st = failed(f, s, wrote ? errno : ENOSPC, "cannot write", err);
            } else {
                p += wrote;
                left -= (size_t)wrote;
                s->written += wrote;
            }
        }
        if (st) return st;
        XXH64_update(&s->sum, s->text.data ? s->text.data : (const void *)"", s->text.len);
        s->text.len = 0;
    }
    if (!release) return MP_OK;
    f->kept_bytes -= (int64_t)s->text.cap;
    mp_buf_release(&s->text);
    return MP_OK;
}

/* ---- shards ---- */

static mp_status grow_list(mp_shard_files *f, mp_error *err) {
    int64_t cap = f->cap ? 2 * f->cap : 64;
    shard **list = mp_mem_realloc(f->a.mem, f->shards, (size_t)cap * sizeof(shard *));
    if (!list) return mp_mem_error(f->a.mem, (size_t)cap * sizeof(shard *), err);
    f->shards = list;
    f->cap = cap;
    return MP_OK;
}

static mp_status add(mp_shard_files *f, const char *path, mp_error *err) {
    mp_status st = f->n == f->cap ? grow_list(f, err) : MP_OK;
    if (st) return st;
    shard *s = mp_mem_calloc(f->a.mem, 1, sizeof *s);
    if (!s) return mp_mem_error(f->a.mem, sizeof *s, err);
    s->fd = -1;
    s->path = f->paths.len;
    mp_buf_init(&s->text, f->a.mem);
    XXH64_reset(&s->sum, 0);
    mp_buf_put(&f->paths, path, strlen(path) + 1);
    f->shards[f->n++] = s;
    return mp_buf_check(&f->paths, err);
}

mp_status mp_shard_files_add(mp_shard_files *f, const char *path, mp_error *err) {
    mp_status st = add(f, path, err);
    return st ? st : mp_shard_files_put(f, f->n - 1, f->header.data, f->header.len, 0, err);
}

/* The checksum of the first bytes of a file; *n: how many of them there are. */
static mp_status sum_front(mp_shard_files *f, shard *s, int64_t *n, mp_error *err) {
    mp_buf room;
    mp_status st = MP_OK;
    int64_t most = *n;
    *n = 0;
    mp_buf_init(&room, f->a.mem);
    if (!mp_buf_reserve(&room, FRONT_BYTES)) st = mp_buf_check(&room, err);
    while (*n < most && !st) {
        size_t want = most - *n < FRONT_BYTES ? (size_t)(most - *n) : FRONT_BYTES;
        ssize_t got = pread(s->fd, room.data, want, (off_t)*n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) st = failed(f, s, errno, "cannot read", err);
        if (got <= 0) break;
        XXH64_update(&s->sum, room.data, (size_t)got);
        *n += got;
    }
    mp_buf_release(&room);
    return st;
}

mp_status mp_shard_files_go_on(mp_shard_files *f, const mp_shard_file *was, bool *same,
                               mp_error *err) {
    mp_status st = add(f, was->path, err);
    if (st) return st;
    shard *s = f->shards[f->n - 1];
    int64_t n = was->bytes;
    *same = false;
    s->fd = openat(f->dir, path_of(f, s), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (s->fd >= 0) st = sum_front(f, s, &n, err);
    *same = !st && s->fd >= 0 && n == was->bytes && XXH64_digest(&s->sum) == was->xxh64;
    if (*same && ftruncate(s->fd, (off_t)n) != 0) st = failed(f, s, errno, "cannot write", err);
    if (s->fd >= 0) close(s->fd);
    s->fd = -1;
    s->made = true;
    s->rows = was->rows;
    s->bytes = s->written = n;
    if (*same || st) return st;
    f->n--;
    f->paths.len = s->path;
    mp_mem_free(f->a.mem, s);
    return MP_OK;
}

/* Room for n more bytes of text. Buffers double up to a piece. */
static mp_status make_room(mp_shard_files *f, int64_t no, size_t n, mp_error *err) {
    shard *s = f->shards[no];
    size_t before = s->text.cap;
    if (before - s->text.len >= n) return MP_OK;
    if (s->text.len + n > PIECE_BYTES) {
        mp_status st = write_out(f, no, false, err);
        if (st) return st;
    }
    size_t cap = before ? before : FIRST_BYTES;
    while (cap - s->text.len < n)
        cap *= 2;
    if (cap > before && !mp_buf_reserve(&s->text, cap - s->text.len))
        return mp_buf_check(&s->text, err);
    f->kept_bytes += (int64_t)(s->text.cap - before);
    return MP_OK;
}

mp_status mp_shard_files_put(mp_shard_files *f, int64_t no, const void *text, size_t n,
                             int64_t n_rows, mp_error *err) {
    shard *s = f->shards[no];
    mp_status st = make_room(f, no, n, err);
    if (st) return st;
    mp_buf_put(&s->text, text, n);
    s->rows += n_rows;
    s->bytes += (int64_t)n;
    if (f->kept_bytes <= f->a.budget_bytes) return MP_OK;
    for (int64_t i = 0; i < f->n && !st; i++)
        st = f->shards[i]->text.cap > 0 ? write_out(f, i, true, err) : MP_OK;
    return st;
}

mp_status mp_shard_files_flush(mp_shard_files *f, int64_t n, bool *done, mp_error *err) {
    mp_status st = MP_OK;
    for (; n > 0 && f->flushed < f->n && !st; n--)
        st = write_out(f, f->flushed++, true, err);
    *done = f->flushed == f->n;
    if (*done) f->flushed = 0;
    return st;
}

static mp_status sync_one(mp_shard_files *f, const shard *s, mp_error *err) {
    int fd = s->fd >= 0 ? s->fd : openat(f->dir, path_of(f, s), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return failed(f, s, errno, "cannot write", err);
    int errnum = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : errno;
    if (fd != s->fd) close(fd);
    return errnum ? failed(f, s, errnum, "cannot write", err) : MP_OK;
}

mp_status mp_shard_files_sync_all(mp_shard_files *f, mp_error *err) {
    close_all(f);
    if (syncfs(f->dir) != 0 && errno != EINVAL && errno != ENOTSUP)
        return mp_error_errno(err, errno, "cannot write", f->a.name);
    return MP_OK;
}

mp_status mp_shard_files_sync(mp_shard_files *f, mp_error *err) {
    mp_status st = MP_OK;
    if (f->n > MP_SHARD_SYNC_EACH) return mp_shard_files_sync_all(f, err);
    for (int64_t i = 0; i < f->n && !st; i++)
        st = sync_one(f, f->shards[i], err);
    close_all(f);
    return st;
}

int64_t mp_shard_files_count(const mp_shard_files *f) {
    return f->n;
}

mp_shard_file mp_shard_files_get(const mp_shard_files *f, int64_t no) {
    const shard *s = f->shards[no];
    return (mp_shard_file){path_of(f, s), s->rows, s->bytes, XXH64_digest(&s->sum)};
}
