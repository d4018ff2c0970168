/* input_list.c - from the arguments of the command line to the list of inputs.
 * Invariant: the list is the same for the same arguments and folders: names are sorted bytewise,
 * whatever the order of the folder or the locale. A path that exists is never taken for a
 * pattern. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "io/input/input_probe.h"
#include "io/shards/manifest.h"

typedef struct {
    mp_arena *arena;
    mp_buf inputs; /* mp_input */
    mp_error *err;
} list;

static char *keep(mp_arena *arena, const char *folder, const char *name) {
    size_t n = folder ? strlen(folder) : 0, m = strlen(name);
    bool slash = n > 0 && folder[n - 1] != '/';
    char *p = mp_arena_alloc(arena, n + slash + m + 1, 1);
    if (!p) return NULL;
    if (n) memcpy(p, folder, n);
    if (slash) p[n] = '/';
    memcpy(p + n + slash, name, m + 1);
    return p;
}

static mp_status add(list *l, const char *path) {
    mp_input in;
    mp_status s = mp_probe_path(path, &in, l->err);
    if (s == MP_OK) mp_buf_put(&l->inputs, &in, sizeof in);
    return s;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The entries of a folder, sorted, in *names (an array of n in the arena). all: with any ending and
 * of any kind. */
static mp_status read_folder(const char *folder, bool all, mp_arena *arena, const char ***names,
                             int *n, mp_error *err) {
    mp_buf found;
    mp_buf_init(&found, arena->mem);
    *names = NULL;
    *n = 0;
    DIR *dir = opendir(folder);
    if (!dir) return mp_error_errno(err, errno, "cannot open", folder);
    struct dirent *e;
    while ((errno = 0, e = readdir(dir)) != NULL) {
        struct stat st;
        if (e->d_name[0] == '.' || (!all && !mp_probe_known_ending(e->d_name))) continue;
        char *path = keep(arena, all ? NULL : folder, e->d_name);
        /* a name whose file is gone by now stays: opening it says so */
        if (path && !all && stat(path, &st) == 0 && !S_ISREG(st.st_mode)) continue;
        mp_buf_put(&found, &path, sizeof path);
        if (!path) found.failed = true;
    }
    int errnum = errno;
    closedir(dir);
    mp_status s = mp_buf_check(&found, err);
    if (s == MP_OK && errnum) s = mp_error_errno(err, errnum, "cannot read", folder);
    if (s == MP_OK && found.len > 0) {
        *names = mp_arena_alloc(arena, found.len, _Alignof(const char *));
        if (!*names) s = mp_mem_error(arena->mem, found.len, err);
    }
    if (s == MP_OK && found.len > 0) {
        memcpy(*names, found.data, found.len);
        *n = (int)(found.len / sizeof(char *));
        qsort(*names, (size_t)*n, sizeof **names, by_name);
    }
    mp_buf_release(&found);
    return s;
}

/* The shards of a folder made by split, as its manifest has them; those without rows only where no
 * other has any. */
static mp_status add_shards(list *l, const char *folder, const mp_manifest *m) {
    mp_status s = MP_OK;
    int64_t n_rows = 0;
    for (int64_t i = 0; i < m->n_shards; i++)
        n_rows |= m->shards[i].rows;
    for (int64_t i = 0; i < m->n_shards && s == MP_OK; i++) {
        if (n_rows && m->shards[i].rows == 0) continue;
        char *path = mp_manifest_path(l->arena, folder, m->shards[i].path);
        s = path ? mp_manifest_look(folder, &m->shards[i], l->err)
                 : mp_mem_error(l->arena->mem, strlen(folder), l->err);
        if (s == MP_OK) s = add(l, path);
    }
    if (m->n_shards > 0 || s != MP_OK) return s;
    mp_error_set(l->err, MP_IO, "nothing to read", "the split of an empty table has no shards");
    mp_error_file(l->err, folder);
    return MP_IO;
}

static mp_status add_folder(list *l, const char *folder) {
    const char **paths;
    int n;
    mp_manifest *manifest;
    mp_status s = mp_manifest_read(folder, l->arena, &manifest, l->err);
    if (s != MP_OK) return s;
    if (manifest) return add_shards(l, folder, manifest);
    s = read_folder(folder, false, l->arena, &paths, &n, l->err);
    if (s != MP_OK) return s;
    if (n == 0) {
        mp_error_set(
            l->err, MP_IO, "nothing to read",
            "the folder has no file that ends in .csv, .tsv, .ndjson, .jsonl, .txt or .h5, "
            "text plain or with .gz or .zst");
        mp_error_file(l->err, folder);
        mp_error_hint(l->err, "name the files themselves; any ending is read as CSV then");
        return MP_IO;
    }
    for (int i = 0; i < n && s == MP_OK; i++)
        s = add(l, paths[i]);
    return s;
}

static mp_status add_path(list *l, const char *path) {
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return add_folder(l, path);
    return add(l, path);
}

static mp_status add_glob(list *l, const char *pattern) {
    glob_t g;
    int rc = glob(pattern, GLOB_NOSORT, NULL, &g);
    mp_status s = MP_OK;
    if (rc == GLOB_NOSPACE) {
        s = mp_error_nomem(l->err, (int64_t)strlen(pattern), 0);
    } else if (rc != 0 || g.gl_pathc == 0) {
        s = mp_error_set(l->err, MP_IO, "cannot open", "no file matches this pattern");
        mp_error_file(l->err, pattern);
    } else {
        qsort(g.gl_pathv, g.gl_pathc, sizeof *g.gl_pathv, by_name);
    }
    for (size_t i = 0; s == MP_OK && i < g.gl_pathc; i++) {
        char *path = keep(l->arena, NULL, g.gl_pathv[i]);
        s = path ? add_path(l, path) : mp_mem_error(l->arena->mem, strlen(g.gl_pathv[i]), l->err);
    }
    if (rc == 0) globfree(&g);
    return s;
}

/* file.h5:/group/dataset, where file.h5 is there: *found. A path that exists wins over the colon. */
static mp_status add_h5_object(list *l, const char *arg, bool *found) {
    struct stat st;
    *found = false;
    for (const char *colon = strchr(arg, ':'); colon; colon = strchr(colon + 1, ':')) {
        char *file = keep(l->arena, NULL, arg);
        if (!file) return mp_mem_error(l->arena->mem, strlen(arg), l->err);
        file[colon - arg] = 0;
        if (stat(file, &st) != 0 || !S_ISREG(st.st_mode)) continue;
        mp_input in;
        mp_status s = mp_probe_path(file, &in, l->err);
        if (s != MP_OK) return s;
        in.object = file + (colon - arg) + 1;
        if (!in.is_h5 && !mp_probe_h5_name(file)) continue;
        *found = true;
        mp_buf_put(&l->inputs, &in, sizeof in);
        return MP_OK;
    }
    return MP_OK;
}

/* A path that is not there: the reason, and names of its folder that look like it. */
static mp_status missing(const char *arg, int errnum, mp_arena *arena, mp_error *err) {
    mp_error_errno(err, errnum, "cannot open", arg);
    const char *slash = strrchr(arg, '/'), **names;
    const char *name = slash ? slash + 1 : arg;
    int n;
    char *folder = keep(arena, NULL, slash ? arg : ".");
    if (!folder) return MP_IO;
    if (slash) folder[slash == arg ? 1 : slash - arg] = 0;
    struct stat st;
    if (stat(folder, &st) != 0) {
        mp_error_hint(err, "there is no folder '%.400s' here", folder);
        return MP_IO;
    }
    if (strncmp(arg, "/dev/fd/", 8) == 0) { /* <(...) of a shell */
        mp_error_hint(err, "a launcher passes no descriptors on: use standard input, '-'");
        return MP_IO;
    }
    if (read_folder(folder, true, arena, &names, &n, NULL) != MP_OK) return MP_IO;
    int near = mp_str_nearest(name, names, n);
    if (near >= 0)
        mp_error_hint(err, "did you mean '%.*s%s'?", slash ? (int)(slash + 1 - arg) : 0, arg,
                      names[near]);
    return MP_IO;
}

static bool is_standard_input(const char *arg) {
    return strcmp(arg, "-") == 0 || strcmp(arg, "/dev/stdin") == 0 ||
           strcmp(arg, "/dev/fd/0") == 0 || strcmp(arg, "/proc/self/fd/0") == 0;
}

static mp_status add_arg(list *l, const char *arg) {
    struct stat st;
    if (is_standard_input(arg)) {
        mp_input in = {.path = "-", .kind = MP_INPUT_STREAM, .size_bytes = -1};
        mp_buf_put(&l->inputs, &in, sizeof in);
        return MP_OK;
    }
    if (stat(arg, &st) == 0) {
        char *path = keep(l->arena, NULL, arg);
        return path ? add_path(l, path) : mp_mem_error(l->arena->mem, strlen(arg), l->err);
    }
    int errnum = errno;
    if (errnum != ENOENT && errnum != ENOTDIR)
        return mp_error_errno(l->err, errnum, "cannot open", arg);
    bool found;
    mp_status s = add_h5_object(l, arg, &found);
    if (s != MP_OK || found) return s;
    if (strpbrk(arg, "*?[")) return add_glob(l, arg);
    return missing(arg, errnum, l->arena, l->err);
}

mp_status mp_input_list(const char *const *args, int n_args, mp_arena *arena, mp_input **out,
                        int *n, mp_error *err) {
    list l = {.arena = arena, .err = err};
    mp_buf_init(&l.inputs, arena->mem);
    mp_status s = MP_OK;
    for (int i = 0; i < n_args && s == MP_OK; i++)
        s = add_arg(&l, args[i]);
    if (s == MP_OK) s = mp_buf_check(&l.inputs, err);
    mp_input *all = NULL;
    if (s == MP_OK) {
        all = mp_arena_alloc(arena, l.inputs.len ? l.inputs.len : 1, _Alignof(mp_input));
        if (!all) s = mp_mem_error(arena->mem, l.inputs.len, err);
    }
    if (s == MP_OK) {
        if (l.inputs.len) memcpy(all, l.inputs.data, l.inputs.len);
        *out = all;
        *n = (int)(l.inputs.len / sizeof(mp_input));
    }
    mp_buf_release(&l.inputs);
    return s;
}

bool mp_input_reaches(const char *path, int64_t size_bytes) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool same = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == size_bytes;
    close(fd);
    return same;
}
