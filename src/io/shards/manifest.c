/* manifest.c - see manifest.h. Written by hand, so that keys keep all their digits; read by jansson. */
#include "io/shards/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_STATIC_LINKING_ONLY /* the state as a plain object */
#include <xxhash.h>

#include "io/output/output_utf8.h"

enum { VERSION = 1, MOST_BYTES = 1 << 30, READ_BYTES = 1 << 20 };

/* ---- writing ---- */

static void put_string(mp_buf *out, const char *text) {
    const uint8_t *p = (const uint8_t *)text;
    size_t n = strlen(text);
    mp_buf_u8(out, '"');
    for (size_t i = 0; i < n;) {
        int32_t code;
        size_t len = mp_utf8_next(p + i, n - i, &code);
        if (code == MP_UTF8_BAD)
            mp_buf_put(out, "\xEF\xBF\xBD", 3);
        else if (code < 0x20)
            mp_buf_printf(out, "\\u%04x", (unsigned)code);
        else {
            if (code == '"' || code == '\\') mp_buf_u8(out, '\\');
            mp_buf_put(out, p + i, len);
        }
        i += len;
    }
    mp_buf_u8(out, '"');
}

static void put_shard(mp_buf *out, const mp_manifest_shard *s) {
    mp_buf_printf(out, "{\"path\":");
    put_string(out, s->path);
    mp_buf_printf(out, ",\"rows\":%" PRId64 ",\"bytes\":%" PRId64, s->rows, s->bytes);
    mp_buf_printf(out, ",\"xxh64\":\"%016" PRIx64 "\",\"min\":", s->xxh64);
    const char *min = s->min ? s->min : "null", *max = s->max ? s->max : "null";
    mp_buf_put(out, min, strlen(min));
    mp_buf_put(out, ",\"max\":", 7);
    mp_buf_put(out, max, strlen(max));
    mp_buf_u8(out, '}');
}

void mp_manifest_text(const mp_manifest *m, mp_buf *out) {
    mp_buf_printf(out, "{\"mpart\":%d,\"method\":", VERSION);
    put_string(out, m->method);
    mp_buf_printf(out, ",\"keys\":[");
    for (int i = 0; i < m->n_keys; i++) {
        if (i > 0) mp_buf_u8(out, ',');
        put_string(out, m->keys[i]);
    }
    mp_buf_printf(out, "],\n\"schema\":[");
    for (int i = 0; i < m->n_columns; i++) {
        mp_buf_printf(out, "%s{\"name\":", i ? "," : "");
        put_string(out, m->names[i]);
        mp_buf_printf(out, ",\"type\":");
        put_string(out, m->types[i]);
        mp_buf_u8(out, '}');
    }
    mp_buf_printf(out, "],\n\"shards\":[");
    for (int64_t i = 0; i < m->n_shards; i++) {
        mp_buf_printf(out, i ? ",\n" : "\n");
        put_shard(out, &m->shards[i]);
    }
    mp_buf_printf(out, "\n]}\n");
}

/* ---- reading ---- */

typedef struct {
    const char *file; /* for messages */
    mp_arena *arena;
    mp_error *err;
} reader;

static mp_status broken(const reader *r, const char *why) {
    mp_error_set(r->err, MP_DATA, "broken manifest", "%s", why);
    mp_error_file(r->err, r->file);
    return MP_DATA;
}

static mp_status no_memory(const reader *r, size_t n) {
    return mp_mem_error(r->arena->mem, n, r->err);
}

static void *take(const reader *r, size_t n, size_t width) {
    void *p = mp_arena_alloc(r->arena, n * width + 1, 16);
    if (p) memset(p, 0, n * width + 1);
    return p;
}

static const char *keep(const reader *r, const json_t *text) {
    size_t n = json_string_length(text);
    char *p = mp_arena_alloc(r->arena, n + 1, 1);
    if (p) memcpy(p, json_string_value(text), n + 1);
    return p;
}

/* A path below the folder: no part of it is "..", and it does not begin at the root. */
static bool stays_inside(const char *path) {
    if (!*path || *path == '/') return false;
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        p += n;
        if (*p == '/' && !*++p) return false;
    }
    return true;
}

static bool read_hex(const char *text, uint64_t *out) {
    uint64_t v = 0;
    for (int i = 0; i < 16; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) return false;
        v = v << 4 | (uint64_t)digit;
    }
    *out = v;
    return text[16] == 0;
}

static mp_status read_shard(const reader *r, const json_t *item, mp_manifest_shard *s) {
    const json_t *path = json_object_get(item, "path"), *rows = json_object_get(item, "rows");
    const json_t *bytes = json_object_get(item, "bytes"), *sum = json_object_get(item, "xxh64");
    if (!json_is_string(path) || !json_is_integer(rows) || !json_is_integer(bytes) ||
        !json_is_string(sum))
        return broken(r, "a shard without path, rows, bytes or xxh64");
    s->rows = json_integer_value(rows);
    s->bytes = json_integer_value(bytes);
    if (!stays_inside(json_string_value(path)) ||
        strlen(json_string_value(path)) != json_string_length(path))
        return broken(r, "a shard's path leads out of the folder");
    if (s->rows < 0 || s->bytes < 0 || !read_hex(json_string_value(sum), &s->xxh64))
        return broken(r, "a shard's rows, bytes or xxh64 make no sense");
    s->path = keep(r, path);
    return s->path ? MP_OK : no_memory(r, json_string_length(path));
}

static mp_status read_names(const reader *r, const json_t *list, const char *member, int *n,
                            const char ***names) {
    *n = (int)json_array_size(list);
    *names = take(r, (size_t)*n, sizeof **names);
    if (!*names) return no_memory(r, (size_t)*n * sizeof **names);
    for (int i = 0; i < *n; i++) {
        const json_t *item = json_array_get(list, (size_t)i);
        if (member) item = json_object_get(item, member);
        if (!json_is_string(item)) return broken(r, "a key or a column without a name or type");
        (*names)[i] = keep(r, item);
        if (!(*names)[i]) return no_memory(r, json_string_length(item));
    }
    return MP_OK;
}

static mp_status read_root(const reader *r, const json_t *root, mp_manifest **out) {
    const json_t *version = json_object_get(root, "mpart");
    if (!version) return MP_OK; /* a manifest.json of something else */
    if (json_integer_value(version) != VERSION) {
        mp_status st = broken(r, "it is of another version of mpart");
        mp_error_hint(r->err, "this mpart reads version %d", VERSION);
        return st;
    }
    const json_t *shards = json_object_get(root, "shards"), *keys = json_object_get(root, "keys");
    const json_t *schema = json_object_get(root, "schema");
    const json_t *method = json_object_get(root, "method");
    if (!json_is_array(shards) || !json_is_array(schema) || !json_is_array(keys) ||
        !json_is_string(method))
        return broken(r, "method, keys, schema or shards are missing");
    mp_manifest *m = take(r, 1, sizeof *m);
    if (!m) return no_memory(r, sizeof *m);
    m->method = keep(r, method);
    m->n_shards = (int64_t)json_array_size(shards);
    m->shards = take(r, (size_t)m->n_shards, sizeof *m->shards);
    if (!m->method || !m->shards) return no_memory(r, (size_t)m->n_shards * sizeof *m->shards);
    mp_status st = read_names(r, keys, NULL, &m->n_keys, &m->keys);
    if (!st) st = read_names(r, schema, "name", &m->n_columns, &m->names);
    if (!st) st = read_names(r, schema, "type", &m->n_columns, &m->types);
    for (int64_t i = 0; i < m->n_shards && !st; i++)
        st = read_shard(r, json_array_get(shards, (size_t)i), &m->shards[i]);
    if (!st) *out = m;
    return st;
}

char *mp_manifest_path(mp_arena *arena, const char *folder, const char *path) {
    size_t n = strlen(folder), m = strlen(path);
    bool slash = n > 0 && folder[n - 1] != '/';
    char *p = mp_arena_alloc(arena, n + slash + m + 1, 1);
    if (!p) return NULL;
    memcpy(p, folder, n);
    if (slash) p[n] = '/';
    memcpy(p + n + slash, path, m + 1);
    return p;
}

static mp_status load(const char *path, mp_buf *text, mp_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? MP_OK
                   : mp_error_errno(err, errno, "cannot open", path);
    ssize_t got = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? 1 : 0;
    while (got > 0 && text->len < MOST_BYTES && mp_buf_reserve(text, READ_BYTES)) {
        got = read(fd, text->data + text->len, READ_BYTES);
        if (got > 0) text->len += (size_t)got;
    }
    int errnum = got < 0 ? errno : 0;
    close(fd);
    if (errnum) return mp_error_errno(err, errnum, "cannot read", path);
    return mp_buf_check(text, err);
}

mp_status mp_manifest_read(const char *folder, mp_arena *arena, mp_manifest **out, mp_error *err) {
    *out = NULL;
    char *path = mp_manifest_path(arena, folder, MP_MANIFEST_NAME);
    if (!path) return mp_mem_error(arena->mem, strlen(folder), err);
    const reader r = {.file = path, .arena = arena, .err = err};
    mp_buf text;
    mp_buf_init(&text, arena->mem);
    mp_status st = load(path, &text, err);
    if (!st && text.len > 0) {
        json_error_t why;
        json_t *root = json_loadb((const char *)text.data, text.len, 0, &why);
        const char *marker = "{\"mpart\":";
        size_t n = strlen(marker);
        if (root)
            st = json_is_object(root) ? read_root(&r, root, out) : MP_OK;
        else if (text.len >= n && memcmp(text.data, marker, n) == 0)
            st = broken(&r, why.text);
        json_decref(root);
    }
    mp_buf_release(&text);
    return st;
}

/* ---- checksums ---- */

static mp_status changed(const char *path, mp_error *err, const char *what) {
    mp_error_set(err, MP_DATA, "shard was changed", "its %s is not what the manifest says", what);
    mp_error_file(err, path);
    mp_error_hint(err, "make the shards again, or give the files themselves as inputs");
    return MP_DATA;
}

mp_status mp_manifest_look(const char *folder, const mp_manifest_shard *shard, mp_error *err) {
    mp_arena arena;
    struct stat st;
    mp_arena_init(&arena, NULL);
    char *path = mp_manifest_path(&arena, folder, shard->path);
    mp_status s = path ? MP_OK : mp_mem_error(NULL, strlen(folder), err);
    if (!s && stat(path, &st) != 0) s = mp_error_errno(err, errno, "cannot open", path);
    if (!s && st.st_size != shard->bytes) s = changed(path, err, "size");
    mp_arena_release(&arena);
    return s;
}

struct mp_manifest_check {
    const mp_manifest_shard *shard;
    mp_arena arena;
    char *path;
    int fd;
    int64_t bytes;
    XXH64_state_t sum;
    uint8_t room[READ_BYTES];
};

mp_status mp_manifest_check_new(const char *folder, const mp_manifest_shard *shard,
                                mp_manifest_check **out, mp_error *err) {
    mp_manifest_check *c = mp_mem_alloc(NULL, sizeof *c);
    *out = c;
    if (!c) return mp_mem_error(NULL, sizeof *c, err);
    c->shard = shard;
    c->fd = -1;
    c->bytes = 0;
    XXH64_reset(&c->sum, 0);
    mp_arena_init(&c->arena, NULL);
    c->path = mp_manifest_path(&c->arena, folder, shard->path);
    mp_status st = c->path ? MP_OK : mp_mem_error(NULL, strlen(folder), err);
    if (!st) c->fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (!st && c->fd < 0) st = mp_error_errno(err, errno, "cannot open", c->path);
    if (st) mp_manifest_check_free(out);
    return st;
}

mp_status mp_manifest_check_step(mp_manifest_check *c, bool *done, mp_error *err) {
    ssize_t got = read(c->fd, c->room, READ_BYTES);
    if (got < 0 && errno == EINTR) return MP_OK;
    if (got < 0) return mp_error_errno(err, errno, "cannot read", c->path);
    XXH64_update(&c->sum, c->room, (size_t)got);
    c->bytes += got;
    *done = got == 0 || c->bytes > c->shard->bytes;
    if (!*done) return MP_OK;
    if (c->bytes != c->shard->bytes) return changed(c->path, err, "size");
    return XXH64_digest(&c->sum) == c->shard->xxh64 ? MP_OK : changed(c->path, err, "checksum");
}

void mp_manifest_check_free(mp_manifest_check **c) {
    if (!*c) return;
    if ((*c)->fd >= 0) close((*c)->fd);
    mp_arena_release(&(*c)->arena);
    mp_mem_free(NULL, *c);
    *c = NULL;
}

mp_status mp_manifest_sum(const char *path, int64_t *bytes, uint64_t *xxh64, mp_error *err) {
    /* a check against nothing, which goes on to the end of the file */
    const mp_manifest_shard any = {.path = path, .bytes = INT64_MAX};
    mp_manifest_check *c = NULL;
    bool done = false;
    mp_status st = mp_manifest_check_new("", &any, &c, err);
    while (!st && !done) {
        st = mp_manifest_check_step(c, &done, NULL);
        if (st != MP_DATA) continue;
        *bytes = c->bytes;
        *xxh64 = XXH64_digest(&c->sum);
        st = MP_OK;
    }
    if (st) st = mp_error_set(err, st, "cannot read", "its checksum is needed");
    mp_manifest_check_free(&c);
    return st;
}

/* ---- names ---- */

char *mp_shard_name(mp_arena *arena, int64_t shard, const char *ending) {
    enum { PART_BYTES = 32 };
    size_t n = PART_BYTES + strlen(ending);
    char *p = mp_arena_alloc(arena, n, 1);
    if (p) snprintf(p, n, "part-%05" PRId64 "%s", shard, ending);
    return p;
}

static void put_escaped(mp_buf *out, const char *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (letter || c == '-' || c == '.' || c == '_')
            mp_buf_u8(out, c);
        else
            mp_buf_printf(out, "%%%02X", c);
    }
}

void mp_shard_folder_name(const char *column, const mp_str *value, mp_buf *out) {
    static const char null_name[] = "__HIVE_DEFAULT_PARTITION__";
    enum { MOST = 200, HASH = 17 };
    size_t from = out->len;
    put_escaped(out, column, strlen(column));
    mp_buf_u8(out, '=');
    if (!value) {
        mp_buf_put(out, null_name, sizeof null_name - 1);
    } else if (mp_str_eq(*value, mp_str_c(null_name))) {
        /* the text itself must not be taken for a null */
        mp_buf_put(out, "%5F", 3);
        put_escaped(out, null_name + 1, sizeof null_name - 2);
    } else {
        put_escaped(out, value->p, value->len);
    }
    if (out->failed || out->len - from <= MOST) return;
    uint64_t hash = XXH64(out->data + from, out->len - from, 0);
    size_t keep_to = from + MOST - HASH;
    for (size_t back = 1; back <= 2; back++) /* not in the middle of %XX */
        if (out->data[keep_to - back] == '%') {
            keep_to -= back;
            break;
        }
    out->len = keep_to;
    mp_buf_printf(out, "~%016" PRIx64, hash);
}
