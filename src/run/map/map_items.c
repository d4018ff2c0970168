/* map_items.c - the list of items: lines of a file or of standard input.
 * Invariant: the bytes of an item are what stands between two line ends (LF or CRLF); nothing else is
 * taken off. */
#include <poll.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "run/map/map_priv.h"

enum { PIECE_BYTES = 1 << 20 };

static mp_status read_all(mp_map_job *j, mp_buf *out, mp_error *err) {
    mp_input *in = NULL;
    int n = 0;
    mp_stream *s = NULL;
    mp_status st = MP_OK;
    mp_input list = {.path = j->map->items, .kind = MP_INPUT_STREAM, .size_bytes = -1};
    if (strcmp(list.path, "-") != 0) {
        const char *const args[] = {list.path};
        struct stat info;
        if (stat(list.path, &info) == 0 && S_ISDIR(info.st_mode)) {
            mp_error_set(err, MP_USAGE, NULL, "option '--items': '%s' is a folder", list.path);
            mp_error_hint(err,
                          "its files are items so: find DIR -type f | mpart map --items - ...");
            return MP_USAGE;
        }
        st = mp_input_list(args, 1, &j->arena, &in, &n, err);
        if (st == MP_OK && n != 1)
            st = mp_error_set(err, MP_USAGE, NULL, "option '--items': '%s' is not one file",
                              list.path);
        if (st == MP_OK) list = in[0];
    }
    if (st == MP_OK) st = mp_stream_open(&list, &s, err);
    for (bool end = false; st == MP_OK && !end;) {
        size_t got = 0;
        bool later = false;
        if (!mp_buf_reserve(out, PIECE_BYTES)) return mp_stream_close(&s), mp_buf_check(out, err);
        st = mp_stream_read(s, out->data + out->len, PIECE_BYTES, &got, &later, &end, err);
        out->len += got;
        if (later) {
            struct pollfd p = {.fd = mp_stream_fd(s), .events = POLLIN};
            int events = 0;
            poll(&p, p.fd >= 0, 5);
            /* the others wait in a collective, which has to make progress */
            if (st == MP_OK) st = mp_comm_progress(j->c, &events, err);
        }
    }
    mp_stream_close(&s);
    return st;
}

static bool is_blank(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r' && p[i] != '\v' && p[i] != '\f')
            return false;
    return true;
}

/* Cuts text into items, in place: each gets a NUL where its end was. */
static mp_status cut(mp_map_job *j, mp_error *err) {
    char end = j->map->nul ? 0 : '\n';
    char *text = (char *)j->items.data;
    size_t len = j->items.len - 1; /* a NUL stands behind */
    for (size_t at = 0; at < len;) {
        char *stop = memchr(text + at, end, len - at);
        size_t n = stop ? (size_t)(stop - text) - at : len - at, next = at + n + 1;
        if (!j->map->nul && memchr(text + at, 0, n)) {
            mp_error_set(err, MP_DATA, NULL, "item %lld holds a NUL byte",
                         (long long)(j->starts.len / 8 + 1));
            mp_error_file(err, j->map->items);
            mp_error_hint(err, "-0 reads items that end with NUL");
            return MP_DATA;
        }
        if (!j->map->nul && n > 0 && text[at + n - 1] == '\r') text[at + --n] = 0;
        text[at + n] = 0;
        if (!is_blank(text + at, n)) mp_buf_i64(&j->starts, (int64_t)at);
        at = next;
    }
    j->n_units = (int64_t)(j->starts.len / 8);
    return mp_buf_check(&j->starts, err);
}

/* The host of a URL, in lower case, without user and port; len 0: it is none. */
static size_t host_of(const char *item, char *out, size_t cap) {
    const char *p = strstr(item, "://");
    if (!p) return 0;
    p += 3;
    size_t n = strcspn(p, "/?#"), from = 0;
    for (size_t i = 0; i < n; i++)
        if (p[i] == '@') from = i + 1;
    size_t end = from;
    if (p[from] == '[') {
        while (end < n && p[end] != ']')
            end++;
    } else {
        while (end < n && p[end] != ':')
            end++;
    }
    n = end - from < cap ? end - from : cap;
    for (size_t i = 0; i < n; i++) {
        char c = p[from + i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    return n;
}

/* Hosts are told apart by their 64-bit hash: two that share one would only share a limit. */
static mp_status number_hosts(mp_map_job *j, mp_error *err) {
    size_t n = (size_t)j->n_units, cap = 64;
    while (cap < 2 * n)
        cap *= 2;
    j->group = mp_mem_alloc(j->mem, (n + 1) * sizeof *j->group);
    uint64_t *keys = mp_mem_calloc(j->mem, cap, sizeof *keys);
    int32_t *numbers = mp_mem_alloc(j->mem, cap * sizeof *numbers);
    bool ok = j->group && keys && numbers;
    for (size_t i = 0; ok && i < n; i++) {
        char host[256];
        size_t len = host_of(mp_map_item(j, (int64_t)i), host, sizeof host);
        j->group[i] = -1;
        if (len == 0) continue;
        uint64_t h = mp_hash_bytes(host, len) | 1;
        size_t at = (size_t)(h >> 20) & (cap - 1);
        while (keys[at] && keys[at] != h)
            at = (at + 1) & (cap - 1);
        if (!keys[at]) {
            keys[at] = h;
            numbers[at] = j->n_groups++;
        }
        j->group[i] = numbers[at];
    }
    mp_mem_free(j->mem, keys);
    mp_mem_free(j->mem, numbers);
    return ok ? MP_OK : mp_mem_error(j->mem, cap * sizeof *keys, err);
}

mp_status mp_map_read_items(mp_map_job *j, mp_error *err) {
    mp_status st = read_all(j, &j->items, err);
    mp_buf_u8(&j->items, 0);
    if (st == MP_OK) st = mp_buf_check(&j->items, err);
    if (st == MP_OK) st = cut(j, err);
    if (st == MP_OK && j->map->per_host > 0) st = number_hosts(j, err);
    return st;
}
