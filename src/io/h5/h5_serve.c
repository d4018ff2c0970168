/* h5_serve.c - the answering side of an inspection: the file opened, the table chosen.
 * Invariant: the answer is one error object and, where it holds none, the bytes that were asked for. */
#include "io/h5/h5_serve.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/h5/h5_tree.h"

enum { CPU_LIMIT_S = 30, MOST_LISTED = 8, MOST_LINKS = 8 };
static const rlim_t SPACE_LIMIT = (rlim_t)16 << 30;

/* ---- the library ---- */

void mp_h5_library_setup(void) {
    static const char *const places[] = {"/usr/lib/*/hdf5/serial/plugins",
                                         "/usr/lib/*/hdf5/plugins", "/usr/local/hdf5/lib/plugin"};
    setenv("HDF5_USE_FILE_LOCKING", "BEST_EFFORT", 0);
    /* a search ends at the first folder that is not there, as the library's own default may be */
    const char *chosen = getenv("HDF5_PLUGIN_PATH");
    H5open();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        glob_t g;
        if (glob(places[i], GLOB_ONLYDIR, NULL, &g) != 0) continue;
        for (size_t k = 0; k < g.gl_pathc; k++)
            chosen ? H5PLappend(g.gl_pathv[k]) : H5PLprepend(g.gl_pathv[k]);
        globfree(&g);
    }
}

/* ---- opening ---- */

static const uint8_t SIGNATURE[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1A, '\n'};

/* Place of the signature: 0, 512, 1024, 2048, ...; -1: none. */
static int64_t find_signature(const mp_h5_in *in) {
    uint8_t p[8];
    for (int64_t at = 0; at >= 0 && at <= in->file_bytes - 8; at = at ? 2 * at : 512)
        if (pread(in->fd, p, 8, (off_t)at) == 8 && memcmp(p, SIGNATURE, 8) == 0) return at;
    return -1;
}

static mp_status not_h5(mp_h5_in *in) {
    mp_error_set(in->err, MP_DATA, "not an HDF5 file",
                 in->file_bytes ? "it does not have the signature of one" : "it has 0 bytes");
    mp_error_file(in->err, in->path);
    mp_error_hint(in->err, "--input-format says what it is, where the name is wrong");
    return MP_DATA;
}

static herr_t last_text(unsigned n, const H5E_error2_t *e, void *ctx) {
    char *text = ctx;
    (void)n;
    if (e->desc && strstr(e->desc, "unable to lock file")) snprintf(text, 256, "%s", e->desc);
    if (!*text && e->desc && *e->desc) snprintf(text, 256, "%s", e->desc);
    return 0;
}

static mp_status cannot_open(mp_h5_in *in) {
    char text[256] = "";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, last_text, text);
    if (strstr(text, "unable to lock file") || strstr(text, "already open for write")) {
        mp_error_set(in->err, MP_IO, "cannot open",
                     "the file is locked: another program has it open for writing, or died so");
        mp_error_hint(in->err,
                      "wait until it is closed; where nobody writes: h5clear -s FILE, or set "
                      "HDF5_USE_FILE_LOCKING=FALSE");
    } else {
        mp_error_set(in->err, MP_DATA, "broken HDF5 file", "it cannot be opened: %s",
                     *text ? text : "the library does not say why");
        mp_error_hint(in->err, "the file may be cut short or damaged: copy or make it again");
    }
    mp_error_file(in->err, in->path);
    return (mp_status)in->err->status;
}

static mp_status open_file(mp_h5_in *in) {
    struct stat st;
    in->fd = open(in->path, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0 || fstat(in->fd, &st) != 0)
        return mp_error_errno(in->err, errno, "cannot open", in->path);
    in->file_bytes = st.st_size;
    int64_t signature = find_signature(in);
    if (signature < 0) return not_h5(in);
    in->file = H5Fopen(in->path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (in->file < 0) return cannot_open(in);
    size_t address = 0, length = 0;
    hsize_t block = 0;
    H5O_info_t root;
    hid_t plist = H5Fget_create_plist(in->file);
    bool ok = plist >= 0 && H5Pget_sizes(plist, &address, &length) >= 0 &&
              H5Pget_userblock(plist, &block) >= 0;
    if (plist >= 0) H5Pclose(plist);
    if (!ok || H5Oget_info_by_name(in->file, "/", &root, H5P_DEFAULT) < 0)
        return mp_h5_broken(in, "/", "the root cannot be read");
    in->wide = address == 8 && length == 8;
    in->base = (int64_t)block;
    in->fileno = root.fileno;
    char head[20] = "";
    if (block >= 512 && pread(in->fd, head, 19, 0) == 19)
        in->matlab = strncmp(head, "MATLAB 7.3 MAT-file", 19) == 0;
    return MP_OK;
}

/* ---- which table ---- */

static mp_h5_node *node_at(const mp_h5_list *nodes, size_t i) {
    return (mp_h5_node *)nodes->items + i;
}

static const char *counts(mp_h5_in *in, const mp_h5_list *nodes, size_t i) {
    mp_h5_layout t;
    if (mp_h5_make_table(in, nodes, (int32_t)i, &t)) {
        mp_error_init(in->err);
        return "cannot be read";
    }
    return mp_h5_text(in, "%lld row%s, %d column%s", (long long)t.n_rows, t.n_rows == 1 ? "" : "s",
                      t.n_columns, t.n_columns == 1 ? "" : "s");
}

static mp_status several(mp_h5_in *in, const mp_h5_list *nodes, int n_tables) {
    char list[600] = "";
    const char *first = NULL;
    size_t at = 0;
    int shown = 0;
    for (size_t i = 0; i < nodes->n && shown < MOST_LISTED; i++) {
        if (!node_at(nodes, i)->table) continue;
        const char *text = counts(in, nodes, i), *path = node_at(nodes, i)->path;
        if (!text || at + strlen(path) + strlen(text) + 40 > sizeof list) break;
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s (%s)", shown ? ", " : "", path,
                               text);
        if (!first) first = path;
        shown++;
    }
    if (shown < n_tables)
        snprintf(list + at, sizeof list - at, "%sand %d more", shown ? " " : "", n_tables - shown);
    mp_error_set(in->err, MP_USAGE, "several tables", "%s", list);
    mp_error_file(in->err, in->path);
    mp_error_hint(in->err, "name one: '%.200s:%.200s'", in->path, first ? first : "/PATH");
    return MP_USAGE;
}

static mp_status no_table(mp_h5_in *in, const char *object) {
    if (object)
        mp_error_set(in->err, MP_DATA, "no table", "%s is none that can be read", object);
    else
        mp_error_set(in->err, MP_DATA, "no table", "the file has none that can be read");
    mp_error_file(in->err, in->path);
    mp_error_hint(in->err, "'mpart info' shows what is in the file");
    return MP_DATA;
}

static mp_status only_table(mp_h5_in *in, const mp_h5_list *nodes, int32_t *at) {
    int n = 0;
    for (size_t i = 0; i < nodes->n; i++) {
        if (!node_at(nodes, i)->table) continue;
        if (n++ == 0) *at = (int32_t)i;
    }
    if (n == 1) return MP_OK;
    return n ? several(in, nodes, n) : no_table(in, NULL);
}

static mp_status no_object(mp_h5_in *in, const mp_h5_list *nodes, const char *object) {
    const char **names = mp_h5_take(in, nodes->n, sizeof *names);
    if (!names) return MP_NOMEM;
    int n = 0;
    for (size_t i = 0; i < nodes->n; i++)
        if (node_at(nodes, i)->kind == 'd' || node_at(nodes, i)->table)
            names[n++] = node_at(nodes, i)->path;
    mp_error_set(in->err, MP_USAGE, "no such object", "there is no '%s' in the file", object);
    mp_error_file(in->err, in->path);
    int near = mp_str_nearest(object, names, n);
    if (near >= 0)
        mp_error_hint(in->err, "did you mean '%s'?", names[near]);
    else
        mp_error_hint(in->err, "'mpart info' shows what is in the file");
    return MP_USAGE;
}

/* As the walk writes paths: one slash before each part. */
static const char *clean_path(mp_h5_in *in, const char *object) {
    char *path = mp_h5_take(in, strlen(object) + 2, 1);
    size_t n = 0;
    if (!path) return NULL;
    for (const char *p = object; *p;) {
        size_t len = strcspn(p, "/");
        if (len) {
            path[n++] = '/';
            memcpy(path + n, p, len);
            n += len;
        }
        p += len + (p[len] == '/');
    }
    if (n == 0) path[n++] = '/';
    path[n] = 0;
    return path;
}

static mp_status leads_nowhere(mp_h5_in *in, const mp_h5_node *n) {
    mp_error_set(in->err, MP_DATA, "a source is missing", "%s is a link that leads nowhere: %s",
                 n->path, n->note ? n->note : "");
    mp_error_file(in->err, in->path);
    return MP_DATA;
}

/* The records of a pandas table have their names beside them. */
static mp_status take_node(mp_h5_in *in, const mp_h5_list *nodes, size_t i, int32_t *at) {
    mp_h5_node *n = node_at(nodes, i);
    *at = (int32_t)i;
    if (n->parent >= 0 && n->kind == 'd' &&
        mp_h5_kind_of(in, nodes, n->parent) == MP_H5_PANDAS_TABLE)
        *at = n->parent;
    node_at(nodes, (size_t)*at)->table = mp_h5_kind_of(in, nodes, *at);
    return node_at(nodes, (size_t)*at)->table ? MP_OK : no_table(in, n->path);
}

/* A path below a link to a group, with the group's own name: what the walk knows it by. */
static const char *follow(mp_h5_in *in, const mp_h5_list *nodes, const mp_h5_node *link,
                          const char *rest) {
    const char *to = link->note ? link->note + strlen("-> ") : "";
    const char *up = link->parent >= 0 ? node_at(nodes, (size_t)link->parent)->path : "/";
    return mp_h5_text(in, "%s/%s%s", *to == '/' ? "" : up, to, rest);
}

static mp_status named_table(mp_h5_in *in, const mp_h5_list *nodes, const char *object, int32_t *at,
                             int links) {
    const char *path = clean_path(in, object);
    if (!path) return MP_NOMEM;
    for (size_t i = 0; i < nodes->n; i++) {
        const mp_h5_node *n = node_at(nodes, i);
        size_t len = strlen(n->path);
        bool below = strncmp(n->path, path, len) == 0 && (!path[len] || path[len] == '/');
        if (below && n->kind == 'l') return leads_nowhere(in, n);
        if (below && n->alias && n->kind == 'g' && links < MOST_LINKS) {
            const char *other = follow(in, nodes, n, path + len);
            return other ? named_table(in, nodes, other, at, links + 1) : MP_NOMEM;
        }
        if (strcmp(n->path, path) == 0) return take_node(in, nodes, i, at);
    }
    return no_object(in, nodes, object);
}

static mp_status answer(mp_h5_in *in, const mp_h5_question *q, mp_buf *out) {
    mp_h5_list nodes;
    mp_h5_layout table;
    int32_t at = 0;
    mp_status st = open_file(in);
    if (!st) st = mp_h5_walk(in, &nodes);
    if (!st) st = mp_h5_mark_tables(in, &nodes);
    if (st) return st;
    if (q->tree) {
        mp_h5_tree_put(in, &nodes, out);
        return mp_buf_check(out, in->err);
    }
    st = q->object ? named_table(in, &nodes, q->object, &at, 0) : only_table(in, &nodes, &at);
    if (!st) st = mp_h5_make_table(in, &nodes, at, &table);
    if (!st) mp_h5_layout_encode(&table, out);
    return st ? st : mp_buf_check(out, in->err);
}

void mp_h5_serve(const mp_h5_question *q, mp_buf *out) {
    mp_arena arena;
    mp_buf bytes;
    mp_error err = MP_ERROR_INIT;
    mp_arena_init(&arena, NULL);
    mp_buf_init(&bytes, NULL);
    mp_h5_in in = {.path = q->path, .file = -1, .fd = -1, .arena = &arena, .err = &err};
    mp_h5_library_setup();
    mp_status st = answer(&in, q, &bytes);
    if (st && !err.status) mp_error_set(&err, st, NULL, "%s", mp_status_text(st));
    if (in.file >= 0) H5Fclose(in.file);
    if (in.fd >= 0) close(in.fd);
    mp_buf_put(out, &err, sizeof err);
    if (!st) mp_buf_put(out, bytes.data, bytes.len);
    mp_buf_release(&bytes);
    mp_arena_release(&arena);
}

/* ---- the process ---- */

static void limit(int resource, rlim_t most) {
    struct rlimit r;
    if (getrlimit((__rlimit_resource_t)resource, &r) != 0) return;
    if (r.rlim_max == RLIM_INFINITY || r.rlim_max > most) r.rlim_max = most;
    if (r.rlim_cur == RLIM_INFINITY || r.rlim_cur > r.rlim_max) r.rlim_cur = r.rlim_max;
    setrlimit((__rlimit_resource_t)resource, &r);
}

int mp_h5_inspect_main(int argc, char *const *argv) {
    if (argc != 5) return 2;
    limit(RLIMIT_CPU, CPU_LIMIT_S);
    limit(RLIMIT_CORE, 0);
#if !defined(__SANITIZE_ADDRESS__)
    limit(RLIMIT_AS, SPACE_LIMIT);
#endif
    mp_h5_question q = {
        .path = argv[3], .object = *argv[4] ? argv[4] : NULL, .tree = strcmp(argv[2], "tree") == 0};
    mp_buf out;
    mp_buf_init(&out, NULL);
    mp_h5_serve(&q, &out);
    if (out.failed) return 3;
    for (size_t at = 0; at < out.len;) {
        ssize_t n = write(1, out.data + at, out.len - at);
        if (n < 0 && errno != EINTR) return 4;
        if (n > 0) at += (size_t)n;
    }
    _exit(0);
}
