/* shard_folder.c - see shard_folder.h. */
#include "io/shards/shard_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/leftover.h"
#include "io/shards/manifest.h"

enum { OPEN_FOLDERS = 8, NAME_KEPT = 200, ID_BYTES = 6 };

/* In a folder from its making until it is committed, so that an old one, which may have its name for a
 * moment, is not taken for what a killed process left. */
static const char marker[] = ".mpart-unfinished";

struct mp_shard_folder {
    char name[PATH_MAX];   /* as the user wrote it, for messages */
    char target[PATH_MAX]; /* where the name leads */
    char temp[PATH_MAX];
    int leftover;  /* of temp, -1 */
    bool replaces; /* target is there and not empty */
    int fd;        /* of temp, locked; -1 */
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    (void)!remove(path);
    return 0;
}

static void remove_tree(const char *path) {
    (void)!nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

static bool is_dot(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* *empty false: there is something in it. Returns 0 or an errno. */
static int look_into(const char *folder, bool *empty) {
    DIR *dir = opendir(folder);
    if (!dir) return errno;
    *empty = true;
    for (struct dirent *e = readdir(dir); e && *empty; e = readdir(dir))
        *empty = is_dot(e->d_name);
    closedir(dir);
    return 0;
}

/* A folder is in use while its maker holds the lock. -1: it does (errno EWOULDBLOCK), or there is none, or
 * nothing is known. */
static int lock_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    int errnum = errno;
    close(fd);
    errno = errnum;
    return -1;
}

/* What killed runs left beside the target goes. */
static void remove_stale(const mp_shard_folder *f) {
    char folder[PATH_MAX], path[PATH_MAX + 256];
    const char *begin = strrchr(f->temp, '/');
    size_t n = begin ? (size_t)(begin + 1 - f->temp) : 0, name = strlen(f->temp) - n - ID_BYTES;
    memcpy(folder, n ? f->temp : ".", n ? n : 1);
    folder[n ? n : 1] = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (strncmp(e->d_name, f->temp + n, name) != 0) continue;
        if (strlen(e->d_name) != name + ID_BYTES) continue;
        int m = snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        int fd = m > 0 && (size_t)m < sizeof path ? lock_folder(path) : -1;
        if (fd < 0) continue;
        if (faccessat(fd, marker, F_OK, 0) == 0) remove_tree(path);
        close(fd);
    }
    if (dir) closedir(dir);
}

/* The old folder, if there is one. *mode: of the new one. */
static mp_status look_at_target(mp_shard_folder *f, bool force, mode_t *mode, mp_error *err) {
    struct stat st;
    bool empty = true;
    if (lstat(f->target, &st) != 0)
        return errno == ENOENT ? MP_OK : mp_error_errno(err, errno, "cannot write", f->name);
    if (!S_ISDIR(st.st_mode)) return mp_error_errno(err, ENOTDIR, "cannot write", f->name);
    int errnum = look_into(f->target, &empty);
    if (errnum) return mp_error_errno(err, errnum, "cannot write", f->name);
    *mode = st.st_mode & 07777;
    f->replaces = !empty;
    if (empty || force) return MP_OK;
    mp_error_set(err, MP_USAGE, "cannot write", "the folder is not empty");
    mp_error_file(err, f->name);
    mp_error_hint(err, "--force puts the new shards in place of what is there");
    return MP_USAGE;
}

static mp_status find_target(mp_shard_folder *f, const char *target, mp_error *err) {
    size_t n = strlen(target);
    while (n > 1 && target[n - 1] == '/')
        n--;
    if (n == 0 || n >= sizeof f->name - 64)
        return mp_error_errno(err, n ? ENAMETOOLONG : ENOENT, "cannot write", target);
    memcpy(f->name, target, n);
    f->name[n] = 0;
    /* a link, or a name like "." or "a/..", stands for the folder behind it */
    if (!realpath(f->name, f->target)) {
        if (errno != ENOENT) return mp_error_errno(err, errno, "cannot write", f->name);
        memcpy(f->target, f->name, n + 1);
    }
    return MP_OK;
}

static mp_status name_temp(mp_shard_folder *f, const char *id, mp_error *err) {
    const char *slash = strrchr(f->target, '/'), *name = slash ? slash + 1 : f->target;
    int before = slash ? (int)(slash + 1 - f->target) : 0;
    int n = snprintf(f->temp, sizeof f->temp, "%.*s.%.*s.mpart-%s", before, f->target, NAME_KEPT,
                     name, id);
    if (n >= 0 && (size_t)n < sizeof f->temp) return MP_OK;
    f->temp[0] = 0;
    return mp_error_errno(err, ENAMETOOLONG, "cannot write", f->name);
}

static mp_status make_temp(mp_shard_folder *f, mp_error *err) {
    mp_status st = name_temp(f, "XXXXXX", err);
    if (st) return st;
    remove_stale(f);
    if (mkdtemp(f->temp)) {
        f->fd = lock_folder(f->temp);
        int mark = f->fd < 0 ? -1 : openat(f->fd, marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        if (mark >= 0) close(mark);
        f->leftover = mp_leftover_add(f->temp, MP_LEFTOVER_TREE);
        return MP_OK;
    }
    int errnum = errno;
    f->temp[0] = 0;
    mp_error_errno(err, errnum, "cannot make the folder", f->name);
    if (errnum == ENOENT) mp_error_hint(err, "the folder that it is to be in is not there");
    return MP_IO;
}

mp_status mp_shard_folder_new(const char *target, bool force, mp_shard_folder **out,
                              mp_error *err) {
    mp_shard_folder *f = mp_mem_calloc(NULL, 1, sizeof *f);
    *out = f;
    if (!f) return mp_mem_error(NULL, sizeof *f, err);
    f->fd = f->leftover = -1;
    mode_t mask = umask(022);
    (void)umask(mask);
    mode_t mode = 0777 & ~mask;
    mp_status st = find_target(f, target, err);
    if (!st) st = look_at_target(f, force, &mode, err);
    if (!st) st = make_temp(f, err);
    if (!st && chmod(f->temp, mode) != 0) st = mp_error_errno(err, errno, "cannot write", f->name);
    if (st) mp_shard_folder_free(out);
    return st;
}

/* A file that was to get its name later. */
static int remove_unnamed(const char *path, const struct stat *st, int type, struct FTW *at) {
    const char *name = path + at->base;
    (void)st;
    if (type == FTW_F && *name == '.' && strcmp(name, marker) != 0) (void)!unlink(path);
    return 0;
}

void mp_shard_folder_clear(const mp_shard_folder *f) {
    char path[PATH_MAX + 256];
    DIR *dir = opendir(f->temp);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        int n = snprintf(path, sizeof path, "%s/%s", f->temp, e->d_name);
        bool stays = is_dot(e->d_name) || strcmp(e->d_name, marker) == 0;
        if (!stays && n > 0 && (size_t)n < sizeof path) remove_tree(path);
    }
    if (dir) closedir(dir);
}

mp_status mp_shard_folder_again(const char *target, bool force, const char *id, bool *there,
                                mp_shard_folder **out, mp_error *err) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    mp_shard_folder *f = mp_mem_calloc(NULL, 1, sizeof *f);
    struct stat info;
    mode_t mode;
    *out = NULL;
    *there = false;
    if (!f) return mp_mem_error(NULL, sizeof *f, err);
    f->fd = f->leftover = -1;
    mp_status st = find_target(f, target, err);
    if (!st) st = look_at_target(f, force, &mode, err);
    if (!st && strlen(id) == ID_BYTES && strspn(id, plain) == ID_BYTES) {
        st = name_temp(f, id, err);
        *there = !st && lstat(f->temp, &info) == 0 && S_ISDIR(info.st_mode);
        if (*there) f->fd = lock_folder(f->temp);
        if (*there) *there = f->fd >= 0 || errno != EWOULDBLOCK;
    }
    if (*there) (void)!nftw(f->temp, remove_unnamed, OPEN_FOLDERS, FTW_PHYS);
    if (*there)
        *out = f;
    else
        mp_mem_free(NULL, f);
    return st;
}

const char *mp_shard_folder_id(const mp_shard_folder *f) {
    return f->temp + strlen(f->temp) - ID_BYTES;
}

void mp_shard_folder_lasts(mp_shard_folder *f) {
    mp_leftover_drop(f->leftover);
    f->leftover = -1;
}

void mp_shard_folder_keep(mp_shard_folder *f) {
    if (!f) return;
    mp_shard_folder_lasts(f);
    f->temp[0] = 0;
}

const char *mp_shard_folder_temp(const mp_shard_folder *f) {
    return f->temp;
}

static int sync_path(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), errnum = 0;
    if (fd < 0) return 0; /* a folder that may be written but not read */
    if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP) errnum = errno;
    close(fd);
    return errnum;
}

static void sync_parent(const mp_shard_folder *f) {
    char parent[PATH_MAX];
    const char *slash = strrchr(f->target, '/');
    size_t n = slash ? (size_t)(slash - f->target) + 1 : 0;
    memcpy(parent, n ? f->target : ".", n ? n : 1);
    parent[n ? n : 1] = 0;
    (void)sync_path(parent);
}

/* The shards of an old split, as its manifest has them, and their folders once they are empty. */
static void remove_shards(const char *old) {
    mp_arena arena;
    mp_manifest *m = NULL;
    mp_arena_init(&arena, NULL);
    if (mp_manifest_read(old, &arena, &m, NULL) == MP_OK && m) {
        for (int64_t i = 0; i < m->n_shards; i++) {
            char *path = mp_manifest_path(&arena, old, m->shards[i].path);
            if (!path || unlink(path) != 0) continue;
            size_t root = strlen(old);
            for (char *slash = strrchr(path, '/'); slash && (size_t)(slash - path) > root;
                 slash = strrchr(path, '/')) {
                *slash = 0;
                if (rmdir(path) != 0) break;
            }
        }
        char *path = mp_manifest_path(&arena, old, MP_MANIFEST_NAME);
        if (path) (void)!unlink(path);
    }
    mp_arena_release(&arena);
}

/* What is no shard moves from the old folder to the new one; a name that is there is left. */
static void keep_others(const char *old, const char *new) {
    char from[PATH_MAX + 256], to[PATH_MAX + 256];
    DIR *dir = opendir(old);
    if (!dir) return;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (is_dot(e->d_name)) continue;
        int n = snprintf(from, sizeof from, "%s/%s", old, e->d_name);
        int m = snprintf(to, sizeof to, "%s/%s", new, e->d_name);
        if (n < 0 || m < 0 || (size_t)n >= sizeof from || (size_t)m >= sizeof to) continue;
        (void)!renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
    }
    closedir(dir);
}

static int swap(const mp_shard_folder *f, char *old) {
    if (renameat2(AT_FDCWD, f->temp, AT_FDCWD, f->target, RENAME_EXCHANGE) == 0) {
        memcpy(old, f->temp, sizeof f->temp);
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) return errno;
    /* a file system that cannot exchange: one name after the other */
    size_t n = strlen(f->temp);
    if (n + 5 > PATH_MAX) return ENAMETOOLONG;
    memcpy(old, f->temp, n);
    memcpy(old + n, "-old", 5);
    if (rename(f->target, old) != 0) return errno;
    if (rename(f->temp, f->target) == 0) return 0;
    int errnum = errno;
    (void)!rename(old, f->target);
    return errnum;
}

mp_status mp_shard_folder_commit(mp_shard_folder *f, mp_error *err) {
    char old[PATH_MAX] = "";
    if (f->fd >= 0) (void)!unlinkat(f->fd, marker, 0);
    int errnum = sync_path(f->temp);
    if (errnum) return mp_error_errno(err, errnum, "cannot write", f->name);
    mp_shard_folder_lasts(f); /* the old folder gets its name */
    if (f->replaces)
        errnum = swap(f, old);
    else
        errnum = rename(f->temp, f->target) == 0 ? 0 : errno;
    if (errnum) return mp_error_errno(err, errnum, "cannot write", f->name);
    f->temp[0] = 0;
    if (*old) {
        remove_shards(old);
        keep_others(old, f->target);
        remove_tree(old);
    }
    sync_parent(f);
    return MP_OK;
}

void mp_shard_folder_free(mp_shard_folder **f) {
    if (!*f) return;
    mp_leftover_drop((*f)->leftover);
    if ((*f)->temp[0]) remove_tree((*f)->temp);
    if ((*f)->fd >= 0) close((*f)->fd);
    mp_mem_free(NULL, *f);
    *f = NULL;
}
