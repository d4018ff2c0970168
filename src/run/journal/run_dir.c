/* run_dir.c - see run_dir.h. Files: lock, facts, journal, log-RUN-RANK; input-*, part-*, shard-*: what
 * units read. */
#include "run/journal/run_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/leftover.h"
#include "io/output/output.h"

static const char first_line[] = "mpart run 1\n";

struct mp_run_dir {
    mp_mem *mem;
    mp_arena arena;
    char *path;
    bool kept;
    bool empty;                  /* nothing was done in it yet */
    int fd, lock_fd, journal_fd; /* -1 */
    int run;
    int last_run;  /* of the logs that are there */
    int last_dict; /* of the kept dictionaries */
    mp_journal_dict dict;
    int leftover; /* of a hidden folder, -1 */
};

const char *mp_run_dir_path(const mp_run_dir *d) {
    return d->path;
}

bool mp_run_dir_is_kept(const mp_run_dir *d) {
    return d->kept;
}

int mp_run_dir_run(const mp_run_dir *d) {
    return d->run;
}

/* ---- files in the folder ---- */

static bool is_ours(const char *name) {
    return strcmp(name, "lock") == 0 || strcmp(name, "facts") == 0 ||
           strcmp(name, "journal") == 0 || strncmp(name, "log-", 4) == 0 ||
           strncmp(name, "input-", 6) == 0 || strncmp(name, "part-", 5) == 0 ||
           strncmp(name, "shard-", 6) == 0 || strncmp(name, "dict-", 5) == 0;
}

static int number_in(const char *digits) {
    long v = strtol(digits, NULL, 10);
    return v > 0 && v < INT32_MAX ? (int)v : 0;
}

static void close_fd(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* Looks at every file in the folder; removes those of a run if asked to. Returns how many there are
 * that are not ours. A run gets a number above those of all logs, so that none is written twice. */
static int sweep(mp_run_dir *d, bool remove_ours) {
    int strangers = 0, fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0) close(fd);
        return 0;
    }
    for (struct dirent *e; (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (!is_ours(e->d_name)) {
            strangers++;
            continue;
        }
        bool log = strncmp(e->d_name, "log-", 4) == 0, dict = strncmp(e->d_name, "dict-", 5) == 0;
        int *last = log ? &d->last_run : &d->last_dict, n = number_in(e->d_name + 4 + dict);
        if ((log || dict) && n > *last) *last = n;
        if (remove_ours && strcmp(e->d_name, "lock") != 0) (void)unlinkat(d->fd, e->d_name, 0);
    }
    closedir(dir);
    return strangers;
}

/* Files whose names begin with prefix, but for those that begin with keep. */
static void clear(mp_run_dir *d, const char *prefix, const char *keep) {
    int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir && fd >= 0) close(fd);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 &&
            (!keep || strncmp(e->d_name, keep, strlen(keep)) != 0))
            (void)unlinkat(d->fd, e->d_name, 0);
    if (dir) closedir(dir);
}

void mp_run_dir_clear_parts(mp_run_dir *d) {
    clear(d, "part-", NULL);
    clear(d, "shard-", NULL);
}

mp_journal_dict mp_run_dir_dict(const mp_run_dir *d) {
    return d->dict;
}

int mp_run_dir_next_dict(mp_run_dir *d) {
    return ++d->last_dict;
}

void mp_run_dir_remove(mp_run_dir *d) {
    close_fd(&d->journal_fd);
    sweep(d, true);
    (void)unlinkat(d->fd, "lock", 0);
    (void)rmdir(d->path);
    d->kept = true; /* what follows has nothing to remove */
    d->empty = false;
}

void mp_run_dir_free(mp_run_dir **d) {
    if (!*d) return;
    if ((!(*d)->kept || (*d)->empty) && (*d)->fd >= 0) mp_run_dir_remove(*d);
    close_fd(&(*d)->journal_fd);
    close_fd(&(*d)->lock_fd);
    close_fd(&(*d)->fd);
    mp_leftover_drop((*d)->leftover);
    mp_arena_release(&(*d)->arena);
    mp_mem_free((*d)->mem, *d);
    *d = NULL;
}

static mp_status io_error(const mp_run_dir *d, int errnum, const char *what, mp_error *err) {
    mp_error_errno(err, errnum, what, d->path);
    mp_error_hint(err, "--run-dir DIR names another place for the journal and the results");
    return MP_IO;
}

static mp_status read_text(const mp_run_dir *d, const char *name, mp_buf *out, mp_error *err) {
    int fd = openat(d->fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? MP_OK : io_error(d, errno, "cannot read the run's folder", err);
    mp_status st = MP_OK;
    for (;;) {
        if (!mp_buf_reserve(out, 1 << 16)) break;
        ssize_t n = read(fd, out->data + out->len, 1 << 16);
        if (n < 0) st = io_error(d, errno, "cannot read the run's folder", err);
        if (n <= 0) break;
        out->len += (size_t)n;
    }
    close(fd);
    return st != MP_OK ? st : mp_buf_check(out, err);
}

static mp_status write_all(const mp_run_dir *d, int fd, const void *bytes, size_t n,
                           mp_error *err) {
    bool closed;
    mp_error why = MP_ERROR_INIT;
    mp_status st = mp_stdout_write(fd, bytes, n, &closed, &why);
    if (st == MP_OK && fdatasync(fd) == 0) return MP_OK;
    if (st == MP_OK) return io_error(d, errno, "cannot write the journal", err);
    mp_error_set(err, st, "cannot write the journal", "%s", why.why);
    mp_error_file(err, d->path);
    return st;
}

/* ---- open ---- */

static mp_status make_hidden(mp_run_dir *d, const char *scratch, mp_error *err) {
    static const char name[] = "/mpart-run-XXXXXX";
    const char *folder = mp_out_spool_folder(scratch);
    size_t n = strlen(folder);
    d->path = mp_arena_alloc(&d->arena, n + sizeof name, 1);
    if (!d->path) return mp_mem_error(d->mem, n + sizeof name, err);
    memcpy(d->path, folder, n);
    memcpy(d->path + n, name, sizeof name);
    if (mkdtemp(d->path)) {
        d->leftover = mp_leftover_add(d->path, MP_LEFTOVER_TREE);
        return MP_OK;
    }
    mp_error_errno(err, errno, "cannot make a scratch folder", folder);
    mp_error_hint(err, "name a folder with room: --scratch DIR");
    return MP_IO;
}

static mp_status make_named(mp_run_dir *d, const mp_run_dir_args *args, mp_error *err) {
    size_t n = strlen(args->path) + 1;
    d->path = mp_arena_alloc(&d->arena, n, 1);
    if (!d->path) return mp_mem_error(d->mem, n, err);
    memcpy(d->path, args->path, n);
    d->kept = true;
    if (args->look_only || mkdir(d->path, 0777) == 0 || errno == EEXIST) return MP_OK;
    return io_error(d, errno, "cannot make the run's folder", err);
}

static mp_status lock(mp_run_dir *d, mp_error *err) {
    d->lock_fd = openat(d->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (d->lock_fd < 0) return io_error(d, errno, "cannot make the run's folder", err);
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) == 0) return MP_OK;
    if (errno != EWOULDBLOCK) return io_error(d, errno, "cannot lock the run's folder", err);
    mp_error_set(err, MP_FAILED, "another run is using the run's folder",
                 "it holds the lock in there");
    mp_error_file(err, d->path);
    mp_error_hint(err, "wait for it, or name another folder with --run-dir");
    return MP_FAILED;
}

/* ---- is it the same run? ---- */

/* The name at the front of a line of facts; that of an input may have a colon. */
static size_t name_bytes(const char *line) {
    static const char input[] = "input ";
    size_t n = strcspn(line, "\n");
    if (strncmp(line, input, sizeof input - 1) != 0) return strcspn(line, ":\n");
    while (n > 0 && strncmp(line + n, ": ", 2) != 0)
        n--;
    return n;
}

/* The line of facts that has this name; NULL: none. */
static const char *fact(const char *facts, const char *name, size_t n_name) {
    for (const char *p = facts; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
        if (name_bytes(p) == n_name && memcmp(p, name, n_name) == 0) return p;
    return NULL;
}

static bool same_line(const char *a, const char *b) {
    size_t n = strcspn(a, "\n");
    return n == strcspn(b, "\n") && memcmp(a, b, n) == 0;
}

static mp_status changed(const mp_run_dir *d, const char *name, size_t n, const char *was,
                         const char *is, mp_error *err) {
    int len[2];
    const char *text[2] = {was, is};
    for (int i = 0; i < 2; i++) {
        bool has_value = text[i] && text[i][n] == ':' && text[i][n + 1];
        text[i] = !text[i] ? "not there" : has_value ? text[i] + n + 2 : "?";
        size_t l = strcspn(text[i], "\n");
        len[i] = l > 120 ? 120 : (int)l;
    }
    mp_error_set(err, MP_FAILED, "cannot resume", "%.*s changed: it was %.*s, it is %.*s", (int)n,
                 name, len[0], text[0], len[1], text[1]);
    mp_error_file(err, d->path);
    mp_error_hint(err, "without --resume the run starts afresh");
    return MP_FAILED;
}

static bool has_line(const char *facts, const char *line) {
    for (const char *p = facts; *p;) {
        if (same_line(p, line)) return true;
        p += strcspn(p, "\n");
        p += *p == '\n';
    }
    return false;
}

/* Every fact of a stands in b, with the same value. Several may have one name, so lines are looked for. */
static mp_status facts_in(const mp_run_dir *d, const char *a, const char *b, bool a_is_old,
                          mp_error *err) {
    for (const char *p = a; *p;) {
        size_t n = name_bytes(p), whole = strcspn(p, "\n");
        if (!has_line(b, p)) {
            const char *other = fact(b, p, n);
            return changed(d, p, n, a_is_old ? p : other, a_is_old ? other : p, err);
        }
        p += whole + (p[whole] == '\n');
    }
    return MP_OK;
}

static mp_status read_journal(mp_run_dir *d, const mp_run_dir_args *args, mp_error *err) {
    mp_buf text;
    mp_journal_end whole, counted, lost;
    size_t good = 0;
    mp_buf_init(&text, d->mem);
    mp_status st = read_text(d, "journal", &text, err);
    if (st == MP_OK) {
        const char *p = (const char *)text.data;
        mp_journal_read(p, text.len, NULL, NULL, &whole);
        good = args->on_lost ? whole.dict_good : whole.good;
        mp_journal_read(p, good, args->ctx, args->on_record, &counted);
        if (good < whole.good)
            mp_journal_read(p + good, whole.good - good, args->ctx, args->on_lost, &lost);
        d->run = whole.runs;
        d->dict = whole.dict;
    }
    /* the next line stands neither behind half a one nor behind one that does not count */
    if (st == MP_OK && !args->look_only && good < text.len) {
        int fd = openat(d->fd, "journal", O_WRONLY | O_CLOEXEC);
        if (fd < 0 || ftruncate(fd, (off_t)good) != 0)
            st = io_error(d, errno, "cannot write the journal", err);
        if (fd >= 0) close(fd);
    }
    mp_buf_release(&text);
    return st;
}

/* What an earlier run left, if it is to be gone on from; *have: there is something. */
static mp_status take_over(mp_run_dir *d, const mp_run_dir_args *args, bool *have, mp_error *err) {
    mp_buf old;
    size_t n = sizeof first_line - 1;
    mp_buf_init(&old, d->mem);
    mp_status st = read_text(d, "facts", &old, err);
    mp_buf_u8(&old, 0);
    if (st == MP_OK) st = mp_buf_check(&old, err);
    *have = st == MP_OK && old.len > n && memcmp(old.data, first_line, n) == 0;
    if (*have) {
        const char *facts = (const char *)old.data + n;
        st = facts_in(d, facts, args->facts, true, err);
        if (st == MP_OK) st = facts_in(d, args->facts, facts, false, err);
        if (st == MP_OK) st = read_journal(d, args, err);
    }
    mp_buf_release(&old);
    return st;
}

/* The facts come under their name when all of them are written. */
static mp_status write_facts(const mp_run_dir *d, const char *facts, mp_error *err) {
    mp_buf text;
    mp_buf_init(&text, d->mem);
    mp_buf_printf(&text, "%s", first_line);
    mp_buf_put(&text, facts, strlen(facts));
    mp_status st = mp_buf_check(&text, err);
    int fd = -1;
    if (st == MP_OK) {
        fd = openat(d->fd, "log-facts", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd < 0) st = io_error(d, errno, "cannot write the run's folder", err);
    }
    if (st == MP_OK) st = write_all(d, fd, text.data, text.len, err);
    if (fd >= 0) close(fd);
    if (st == MP_OK && renameat(d->fd, "log-facts", d->fd, "facts") != 0)
        st = io_error(d, errno, "cannot write the run's folder", err);
    mp_buf_release(&text);
    return st;
}

static mp_status begin_run(mp_run_dir *d, const mp_run_dir_args *args, mp_error *err) {
    mp_buf line;
    d->journal_fd = openat(d->fd, "journal", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (d->journal_fd < 0) return io_error(d, errno, "cannot write the journal", err);
    mp_buf_init(&line, d->mem);
    mp_journal_put_run(&line, ++d->run, args->n_ranks);
    mp_status st = mp_run_dir_commit(d, &line, err);
    mp_buf_release(&line);
    return st;
}

static mp_status enter(mp_run_dir *d, const mp_run_dir_args *args, mp_error *err) {
    bool have = false;
    d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0 && errno == ENOENT && args->look_only) return MP_OK;
    if (d->fd < 0) return io_error(d, errno, "cannot make the run's folder", err);
    if (!d->kept) {
        d->run = 1;
        return MP_OK;
    }
    if (sweep(d, false) > 0) {
        mp_error_set(err, MP_IO, "cannot use the run's folder", "it holds files of something else");
        mp_error_file(err, d->path);
        mp_error_hint(err, "--run-dir DIR names another place for the journal and the results");
        return MP_IO;
    }
    mp_status st = args->look_only ? MP_OK : lock(d, err);
    if (st == MP_OK && args->resume) st = take_over(d, args, &have, err);
    if (st != MP_OK || args->look_only) return st;
    if (have && d->last_run > d->run) d->run = d->last_run;
    if (!have) {
        d->run = 0;
        sweep(d, true);
        st = write_facts(d, args->facts, err);
    }
    if (st == MP_OK) st = begin_run(d, args, err);
    d->empty = st == MP_OK && !have;
    return st;
}

mp_status mp_run_dir_open(const mp_run_dir_args *args, mp_run_dir **out, mp_error *err) {
    mp_run_dir *d = mp_mem_calloc(args->mem, 1, sizeof *d);
    *out = d;
    if (!d) return mp_mem_error(args->mem, sizeof *d, err);
    d->mem = args->mem;
    d->fd = d->lock_fd = d->journal_fd = d->leftover = -1;
    mp_arena_init(&d->arena, args->mem);
    mp_status st = args->path ? make_named(d, args, err) : make_hidden(d, args->scratch, err);
    return st == MP_OK ? enter(d, args, err) : st;
}

/* Where not all can be written, nothing is: what comes later must not stand behind a part of a line. */
static mp_status append(mp_run_dir *d, const mp_buf *lines, mp_error *err) {
    off_t end = lseek(d->journal_fd, 0, SEEK_END);
    mp_status st = write_all(d, d->journal_fd, lines->data, lines->len, err);
    if (st != MP_OK && end >= 0) (void)!ftruncate(d->journal_fd, end);
    return st;
}

mp_status mp_run_dir_commit(mp_run_dir *d, const mp_buf *lines, mp_error *err) {
    mp_status st = mp_buf_check(lines, err);
    if (st != MP_OK || d->journal_fd < 0) return st;
    d->empty = false;
    return append(d, lines, err);
}

mp_status mp_run_dir_put_dict(mp_run_dir *d, const mp_journal_dict *dict, mp_error *err) {
    char keep[32];
    mp_buf line;
    mp_buf_init(&line, NULL);
    mp_journal_put_dict(&line, dict);
    mp_status st = mp_buf_check(&line, err);
    if (st == MP_OK && fsync(d->fd) != 0 && errno != EINVAL) /* the files have their names */
        st = io_error(d, errno, "cannot write the run's folder", err);
    if (st == MP_OK) st = append(d, &line, err);
    mp_buf_release(&line);
    snprintf(keep, sizeof keep, "dict-%d-", dict->number);
    if (st == MP_OK) clear(d, "dict-", keep);
    return st;
}

void mp_run_dir_hint(int n_ranks, const char *command, mp_error *err) {
    char launcher[48] = "";
    size_t room = sizeof err->hint - 64;
    if (n_ranks > 1) snprintf(launcher, sizeof launcher, "mpirun -np %d ", n_ranks);
    if (strlen(command) < room)
        mp_error_hint(err, "go on with: %s%s", launcher, command);
    else
        mp_error_hint(err, "the same command with --resume goes on");
}

/* ---- logs ---- */

static void log_name(char *out, size_t cap, const char *folder, int run, int rank) {
    snprintf(out, cap, "%s/log-%d-%d", folder, run, rank);
}

mp_status mp_run_log_create(const char *folder, int run, int rank, int *fd, mp_error *err) {
    char name[4096];
    log_name(name, sizeof name, folder, run, rank);
    *fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (*fd >= 0) return MP_OK;
    mp_error_errno(err, errno, "cannot make a result log", name);
    mp_error_hint(err,
                  "--run-dir DIR names a folder that all ranks see, with room for the results");
    return MP_IO;
}

int mp_run_log_open(const char *folder, int run, int rank) {
    char name[4096];
    log_name(name, sizeof name, folder, run, rank);
    return open(name, O_RDONLY | O_CLOEXEC);
}
