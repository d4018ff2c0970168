/* output_file.c - a file that appears whole or not at all.
 * Invariant: until mp_out_commit nothing but the temporary has changed; whoever created it removes
 * it unless it was committed. A target that is not a regular file (a pipe, /dev/null, standard
 * output) has no temporary: it is written straight, in order, and cannot be taken back. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "io/leftover.h"
#include "io/output/output.h"

struct mp_out_file {
    char *name;   /* as the user wrote it, for messages */
    char *target; /* where the name leads, links followed; NULL on ranks that joined */
    char *temp;   /* "": direct */
    int fd;
    bool owner;
    bool direct;
    bool unsynced;
    int leftover; /* of temp, -1 */
    int64_t at;   /* direct: bytes written so far */
};

static void free_file(mp_out_file **f) {
    if (!*f) return;
    mp_leftover_drop((*f)->leftover);
    mp_mem_free(NULL, (*f)->name);
    mp_mem_free(NULL, (*f)->target);
    mp_mem_free(NULL, (*f)->temp);
    mp_mem_free(NULL, *f);
    *f = NULL;
}

static char *copy_text(const char *s, size_t n) {
    char *p = mp_mem_alloc(NULL, n + 1);
    if (!p) return NULL;
    memcpy(p, s, n);
    p[n] = 0;
    return p;
}

static mp_out_file *new_file(const char *name, mp_error *err) {
    mp_out_file *f = mp_mem_calloc(NULL, 1, sizeof *f);
    if (f) {
        f->fd = f->leftover = -1;
        f->name = copy_text(name, strlen(name));
    }
    if (f && !f->name) free_file(&f);
    if (!f) (void)mp_mem_error(NULL, sizeof *f, err);
    return f;
}

/* The folder part of a path with its slash, as a length: 0 where there is none. */
static size_t folder_len(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Follow links of the last part of a name, so that a link stays and the file behind it is replaced,
 * also one that is not there yet. Returns 0 or an errno. */
static int follow_links(const char *name, char **out) {
    char link[4096];
    char *path = copy_text(name, strlen(name));
    for (int hops = 0; path && hops < 40; hops++) {
        ssize_t n = readlink(path, link, sizeof link - 1);
        if (n < 0) {
            *out = path;
            return 0;
        }
        link[n] = 0;
        size_t keep = link[0] == '/' ? 0 : folder_len(path);
        char *next = mp_mem_alloc(NULL, keep + (size_t)n + 1);
        if (next) {
            memcpy(next, path, keep);
            memcpy(next + keep, link, (size_t)n + 1);
        }
        mp_mem_free(NULL, path);
        path = next;
    }
    int errnum = path ? ELOOP : ENOMEM;
    mp_mem_free(NULL, path);
    return errnum;
}

static void random_letters(char *out, int n) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    uint8_t r[16];
    if (getrandom(r, sizeof r, GRND_NONBLOCK) != (ssize_t)sizeof r) {
        uint64_t seed = (uint64_t)getpid() * 0x9E3779B97F4A7C15u ^ (uintptr_t)out;
        struct timespec now;
        if (clock_gettime(CLOCK_REALTIME, &now) == 0) seed ^= (uint64_t)now.tv_nsec << 20;
        memcpy(r, &seed, 8);
        memcpy(r + 8, &seed, 8);
    }
    for (int i = 0; i < n; i++)
        out[i] = letters[r[i] % 36];
}

/* ".NAME.mpart-XXXXXX" beside the target, made with the permissions of a new file. */
static int create_temp(mp_out_file *f) {
    enum { NAME_KEPT = 200, SUFFIX = 13 };
    size_t folder = folder_len(f->target), name = strlen(f->target) - folder;
    if (name > NAME_KEPT) name = NAME_KEPT;
    size_t len = folder + 1 + name + SUFFIX;
    f->temp = mp_mem_alloc(NULL, len + 1);
    if (!f->temp) return ENOMEM;
    memcpy(f->temp, f->target, folder);
    f->temp[folder] = '.';
    memcpy(f->temp + folder + 1, f->target + folder, name);
    memcpy(f->temp + len - SUFFIX, ".mpart-XXXXXX", SUFFIX + 1);
    for (int tries = 0; tries < 100; tries++) {
        random_letters(f->temp + len - 6, 6);
        f->fd = open(f->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (f->fd >= 0) return 0;
        if (errno != EEXIST) break;
    }
    int errnum = errno;
    mp_mem_free(NULL, f->temp);
    f->temp = NULL;
    return errnum;
}

static bool is_standard_output(const char *name) {
    return strcmp(name, "/dev/stdout") == 0 || strcmp(name, "/dev/fd/1") == 0 ||
           strcmp(name, "/proc/self/fd/1") == 0;
}

bool mp_out_is_file(const char *target) {
    struct stat st;
    if (is_standard_output(target)) return false;
    return stat(target, &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode);
}

static bool same_place(const char *a, const char *b) {
    struct stat folder[2];
    const char *path[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        size_t n = folder_len(path[i]);
        char *name = copy_text(n ? path[i] : ".", n ? n : 1);
        bool there = name && stat(name, &folder[i]) == 0;
        mp_mem_free(NULL, name);
        if (!there) return false;
    }
    return folder[0].st_dev == folder[1].st_dev && folder[0].st_ino == folder[1].st_ino &&
           strcmp(a + folder_len(a), b + folder_len(b)) == 0;
}

bool mp_out_same(const char *a, const char *b) {
    char *to[2] = {NULL, NULL};
    bool same = mp_out_is_file(a) && mp_out_is_file(b) && follow_links(a, &to[0]) == 0 &&
                follow_links(b, &to[1]) == 0 && same_place(to[0], to[1]);
    mp_mem_free(NULL, to[0]);
    mp_mem_free(NULL, to[1]);
    return same;
}

static mp_status open_direct(mp_out_file *f, mp_error *err) {
    bool terminal;
    f->direct = true;
    f->temp = copy_text("", 0);
    if (!f->temp) return mp_mem_error(NULL, 1, err);
    if (is_standard_output(f->name)) return mp_stdout_open(&f->fd, &terminal, err);
    f->fd = open(f->name, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    return f->fd >= 0 ? MP_OK : mp_error_errno(err, errno, "cannot write", f->name);
}

static mp_status open_beside(mp_out_file *f, const struct stat *old, mp_error *err) {
    /* replacing needs only the folder, but a file that says "do not write" means it */
    if (old && faccessat(AT_FDCWD, f->target, W_OK, AT_EACCESS) != 0)
        return mp_error_errno(err, errno, "cannot write", f->name);
    int errnum = create_temp(f);
    if (errnum == ENOENT) {
        size_t n = folder_len(f->name);
        mp_error_errno(err, errnum, "cannot write", f->name);
        mp_error_hint(err, "there is no folder '%.*s' here", n > 400 ? 400 : (int)n, f->name);
        return MP_IO;
    }
    if (errnum) return mp_error_errno(err, errnum, "cannot write", f->name);
    f->owner = true;
    f->leftover = mp_leftover_add(f->temp, MP_LEFTOVER_FILE);
    if (old && fchmod(f->fd, old->st_mode & 0777) != 0 && errno != EPERM)
        return mp_error_errno(err, errno, "cannot write", f->name);
    /* the same owner where we may; a file system that has none is fine */
    if (old && fchown(f->fd, old->st_uid, old->st_gid) != 0) errno = 0;
    return MP_OK;
}

mp_status mp_out_create(const char *target, mp_out_file **out, mp_error *err) {
    struct stat st;
    mp_out_file *f = new_file(target, err);
    if (!f) return MP_NOMEM;
    mp_status s = MP_OK;
    bool there = stat(target, &st) == 0;
    size_t len = strlen(target);
    if (there && S_ISDIR(st.st_mode))
        s = mp_error_errno(err, EISDIR, "cannot write", target);
    else if (len == 0 || target[len - 1] == '/')
        s = mp_error_errno(err, len ? EISDIR : ENOENT, "cannot write", target);
    else if (!mp_out_is_file(target))
        s = open_direct(f, err);
    else {
        int errnum = follow_links(target, &f->target);
        s = errnum ? mp_error_errno(err, errnum, "cannot write", target)
                   : open_beside(f, there ? &st : NULL, err);
    }
    if (s != MP_OK)
        mp_out_abandon(&f);
    else
        *out = f;
    return s;
}

mp_status mp_out_try(const char *target, mp_error *err) {
    mp_out_file *f = NULL;
    if (!mp_out_is_file(target)) return MP_OK;
    mp_status s = mp_out_create(target, &f, err);
    mp_out_abandon(&f);
    return s;
}

const char *mp_out_temp(const mp_out_file *f) {
    return f->temp;
}

int mp_out_direct_fd(const mp_out_file *f) {
    return f->direct ? f->fd : -1;
}

mp_status mp_out_join(const char *target, const char *temp, mp_out_file **out, mp_error *err) {
    mp_out_file *f = new_file(target, err);
    if (!f) return MP_NOMEM;
    mp_status s = MP_OK;
    f->direct = temp[0] == 0;
    f->temp = copy_text(temp, strlen(temp));
    if (!f->temp) s = mp_mem_error(NULL, strlen(temp), err);
    if (s == MP_OK && !f->direct) {
        f->fd = open(temp, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (f->fd < 0) s = mp_error_errno(err, errno, "cannot write", target);
    }
    if (s != MP_OK)
        mp_out_abandon(&f);
    else
        *out = f;
    return s;
}

static mp_status write_direct(mp_out_file *f, int64_t offset, const void *bytes, size_t n,
                              mp_error *err) {
    bool closed = false;
    if (offset != f->at) return mp_error_errno(err, ESPIPE, "cannot write", f->name);
    mp_error inner = MP_ERROR_INIT;
    if (mp_stdout_write(f->fd, bytes, n, &closed, &inner) != MP_OK) {
        mp_error_set(err, MP_IO, "cannot write", "%s", inner.why);
        mp_error_file(err, f->name);
        return MP_IO;
    }
    if (closed) return mp_error_errno(err, EPIPE, "cannot write", f->name);
    f->at += (int64_t)n;
    return MP_OK;
}

/* The disk can begin at once, so that the fsync at the end has little left to wait for. Not for
 * small pieces, whose first and last pages others write, too. A hint: failures do not count. */
static void start_writing(int fd, int64_t offset, size_t n) {
    enum { FROM_BYTES = 64 << 10 };
    if (n >= FROM_BYTES) (void)!sync_file_range(fd, (off_t)offset, (off_t)n, SYNC_FILE_RANGE_WRITE);
}

mp_status mp_out_write_at(mp_out_file *f, int64_t offset, const void *bytes, size_t n,
                          mp_error *err) {
    const char *p = bytes;
    if (f->direct) return write_direct(f, offset, bytes, n, err);
    while (n > 0) {
        size_t ask = n < (1u << 30) ? n : 1u << 30;
        ssize_t put = pwrite(f->fd, p, ask, (off_t)offset);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return mp_error_errno(err, put < 0 ? errno : ENOSPC, "cannot write", f->name);
        start_writing(f->fd, offset, (size_t)put);
        p += put;
        offset += put;
        n -= (size_t)put;
    }
    return MP_OK;
}

mp_status mp_out_reserve(mp_out_file *f, int64_t n_bytes, mp_error *err) {
    struct stat st;
    struct statvfs disk;
    if (f->direct || n_bytes <= 0) return MP_OK;
    if (fstat(f->fd, &st) != 0) return mp_error_errno(err, errno, "cannot write", f->name);
    if (fallocate(f->fd, FALLOC_FL_KEEP_SIZE, st.st_size, (off_t)n_bytes) == 0) return MP_OK;
    int errnum = errno;
    /* not every file system can: then at least the room is there now */
    if (errnum == EOPNOTSUPP || errnum == ENOSYS || errnum == EINVAL) {
        bool full = fstatvfs(f->fd, &disk) == 0 &&
                    (double)disk.f_bavail * (double)disk.f_frsize < (double)n_bytes;
        errnum = full ? ENOSPC : 0;
    }
    return errnum ? mp_error_errno(err, errnum, "cannot write", f->name) : MP_OK;
}

mp_status mp_out_truncate(mp_out_file *f, int64_t len, mp_error *err) {
    struct stat st;
    /* ext4 takes even an empty file that is cut for one that is replaced, and has its bytes on the disk when it
     * is closed: a scratch file of some pages then takes milliseconds to go */
    if (len == 0 && fstat(f->fd, &st) == 0 && st.st_size == 0) return MP_OK;
    if (f->direct || ftruncate(f->fd, (off_t)len) == 0) return MP_OK;
    return mp_error_errno(err, errno, "cannot write", f->name);
}

/* What fsync says where there is nothing to sync. */
static bool cannot_sync(int errnum) {
    return errnum == EINVAL || errnum == ENOTSUP || errnum == EROFS;
}

mp_status mp_out_sync(mp_out_file *f, mp_error *err) {
    if (f->fd < 0 || f->direct) return MP_OK;
    int fd = f->fd, errnum = 0;
    f->fd = -1;
    if (!f->unsynced && fsync(fd) != 0 && !cannot_sync(errno)) errnum = errno;
    if (close(fd) != 0 && errno != EINTR && !errnum) errnum = errno;
    return errnum ? mp_error_errno(err, errnum, "cannot write", f->name) : MP_OK;
}

void mp_out_leave_sync(mp_out_file *f) {
    f->unsynced = true;
}

static mp_status sync_folder(const mp_out_file *f, mp_error *err) {
    if (f->unsynced) return MP_OK;
    size_t n = folder_len(f->target);
    char *folder = copy_text(n ? f->target : ".", n ? n : 1);
    if (!folder) return mp_mem_error(NULL, n, err);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), errnum = 0;
    mp_mem_free(NULL, folder);
    if (fd < 0) return MP_OK; /* a folder that may be written but not read */
    if (fsync(fd) != 0 && !cannot_sync(errno)) errnum = errno;
    close(fd);
    return errnum ? mp_error_errno(err, errnum, "cannot write", f->name) : MP_OK;
}

mp_status mp_out_commit(mp_out_file **f, mp_error *err) {
    mp_status s = mp_out_sync(*f, err);
    if (s == MP_OK && (*f)->owner) {
        if (rename((*f)->temp, (*f)->target) != 0) {
            s = mp_error_errno(err, errno, "cannot write", (*f)->name);
        } else {
            (*f)->owner = false;
            s = sync_folder(*f, err);
        }
    }
    mp_out_abandon(f);
    return s;
}

void mp_out_abandon(mp_out_file **f) {
    if (!*f) return;
    if ((*f)->fd > 2) close((*f)->fd);
    if ((*f)->owner) unlink((*f)->temp);
    free_file(f);
}

const char *mp_out_spool_folder(const char *folder) {
    if (!folder || !*folder) folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/tmp";
}

mp_status mp_out_spool(const char *folder, int *fd, mp_error *err) {
    char path[4096];
    folder = mp_out_spool_folder(folder);
    int got = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (got < 0 && snprintf(path, sizeof path, "%s/.mpart-XXXXXX", folder) < (int)sizeof path) {
        got = mkostemp(path, O_CLOEXEC);
        if (got >= 0) unlink(path);
    }
    if (got < 0) {
        mp_error_errno(err, errno, "cannot make a scratch file", folder);
        mp_error_hint(err, "name a folder with room: --scratch DIR");
        return MP_IO;
    }
    *fd = got;
    return MP_OK;
}
