/* plugin_dict.c - the dictionary for a plug-in in a process of its own: records (comm/dict/dict_wire.h) as arguments of
 * MPART.DO on the rank's socket. See plugin_dict.h.
 * Invariant: at most one batch is under way, so that neither side waits for the other to read;
 * a batch is answered record by record, in order. An update that failed is told by the next call that waits. */
#include "op/plugin/plugin_dict.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/hash.h"
#include "comm/dict/dictionary.h"

enum {
    BATCH_BYTES = 64 << 10,
    BATCH_RECORDS = 4096,
    RECENT = 1 << 12,
    PIECE = 64 << 10,
    MESSAGE = 512
};

/* Records, one behind the other. */
typedef struct {
    mp_buf bytes;
    size_t n;
} batch;

/* An answer whose bytes are in `kept`, from `at` on. */
typedef struct {
    mp_dict_answer a;
    size_t at;
} result;

/* Where the last record of a key is in the batch that is filled. */
typedef struct {
    uint32_t generation, at;
} recent;

typedef struct {
    struct mpart_plugin_dict api;
    const char *path;
    int fd; /* -1: not connected yet, or broken */
    bool broken;
    batch open, sent; /* sent: under way */
    uint32_t generation;
    recent recent[RECENT];
    mp_buf in;
    size_t in_at;
    mp_buf kept; /* bytes of the results of the last call */
    mpart_dict_code lost;
    char lost_message[MESSAGE], message[MESSAGE];
} client;

typedef const struct mpart_plugin_dict plugin_dict;

static mpart_dict_code report(client *c, mpart_dict_code code, const char *text) {
    if (code != MPART_DICT_OK) snprintf(c->message, sizeof c->message, "%s", text);
    return code;
}

static mpart_dict_code broken(client *c, const char *why) {
    char text[MESSAGE];
    snprintf(text, sizeof text, "the dictionary cannot be reached: %s", why);
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    c->broken = true;
    return report(c, MPART_DICT_FAILED, text);
}

static mpart_dict_code no_memory(client *c) {
    return report(c, MPART_DICT_NO_MEMORY, "no memory for the operation");
}

static mpart_dict_code too_large(client *c) {
    return report(c, MPART_DICT_TOO_LARGE, "a key and its value are longer than 512 MiB");
}

/* ---- the socket ---- */

static mpart_dict_code connect_it(client *c) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (c->fd >= 0) return MPART_DICT_OK;
    if (c->broken) return report(c, MPART_DICT_FAILED, "the dictionary cannot be reached");
    size_t n = strlen(c->path) + 1;
    if (n > sizeof a.sun_path) return broken(c, strerror(ENAMETOOLONG));
    memcpy(a.sun_path, c->path, n);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&a, sizeof a) != 0)
        return broken(c, strerror(errno));
    return MPART_DICT_OK;
}

static mpart_dict_code send_all(client *c, const uint8_t *p, size_t n) {
    while (n > 0) {
        ssize_t put = send(c->fd, p, n, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return broken(c, strerror(errno));
        p += put;
        n -= (size_t)put;
    }
    return MPART_DICT_OK;
}

static mpart_dict_code read_more(client *c) {
    if (c->in_at == c->in.len) c->in_at = c->in.len = 0;
    if (c->in_at > PIECE) {
        memmove(c->in.data, c->in.data + c->in_at, c->in.len - c->in_at);
        c->in.len -= c->in_at;
        c->in_at = 0;
    }
    if (!mp_buf_reserve(&c->in, PIECE)) return broken(c, "no memory for its answer");
    for (;;) {
        ssize_t n = read(c->fd, c->in.data + c->in.len, c->in.cap - c->in.len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return broken(c, n < 0 ? strerror(errno) : "it was closed");
        c->in.len += (size_t)n;
        return MPART_DICT_OK;
    }
}

/* A line without its end, which stays until the next read. */
static mpart_dict_code read_line(client *c, const char **line, size_t *n) {
    for (size_t from = 0;;) {
        size_t have = c->in.len - c->in_at;
        uint8_t *begin = c->in.data + c->in_at;
        uint8_t *end = have > from ? memchr(begin + from, '\n', have - from) : NULL;
        if (end) {
            *line = (const char *)begin;
            *n = (size_t)(end - begin) - (end > begin && end[-1] == '\r');
            *end = 0;
            c->in_at += (size_t)(end - begin) + 1;
            return MPART_DICT_OK;
        }
        from = have;
        mpart_dict_code code = read_more(c);
        if (code != MPART_DICT_OK) return code;
    }
}

/* The number behind a line's first byte, which must be kind; an error is the line's. */
static mpart_dict_code read_number(client *c, char kind, int64_t *out) {
    const char *line;
    size_t n;
    mpart_dict_code code = read_line(c, &line, &n);
    if (code != MPART_DICT_OK) return code;
    if (n > 1 && line[0] == '-') {
        char text[MESSAGE];
        snprintf(text, sizeof text, "%.*s", (int)(n - 1), line + 1);
        return report(c, strncmp(text, "OOM", 3) == 0 ? MPART_DICT_NO_MEMORY : MPART_DICT_FAILED,
                      text);
    }
    if (n < 2 || line[0] != kind) return broken(c, "an answer that makes no sense");
    *out = strtoll(line + 1, NULL, 10);
    return MPART_DICT_OK;
}

/* n bytes in place, and the end of the line behind them. */
static mpart_dict_code read_bytes(client *c, size_t n, const uint8_t **bytes) {
    while (c->in.len - c->in_at < n + 2) {
        mpart_dict_code code = read_more(c);
        if (code != MPART_DICT_OK) return code;
    }
    *bytes = c->in.data + c->in_at;
    c->in_at += n + 2;
    return MPART_DICT_OK;
}

/* ---- batches ---- */

static mpart_dict_code code_of(mp_dict_code code) {
    return code == MP_DICT_OK           ? MPART_DICT_OK
           : code == MP_DICT_NO_MEMORY  ? MPART_DICT_NO_MEMORY
           : code == MP_DICT_TOO_LONG   ? MPART_DICT_TOO_LARGE
           : code == MP_DICT_BAD_RECORD ? MPART_DICT_FAILED
                                        : MPART_DICT_BAD_VALUE;
}

static mpart_dict_code answer_code(const mp_dict_answer *a, const mp_dict_record *r, char *text,
                                   size_t cap) {
    mp_error e = MP_ERROR_INIT;
    if (a->kind != MP_DICT_ERROR) return MPART_DICT_OK;
    (void)!mp_dict_code_error(a->code, a->bytes, a->limit, r->key, r->key_len, &e);
    mp_error_format(&e, text, cap);
    return code_of(a->code);
}

static mpart_dict_code read_answer(client *c, mp_dict_answer *a) {
    int64_t n;
    const uint8_t *bytes;
    mpart_dict_code code = read_number(c, '$', &n);
    if (code == MPART_DICT_OK && (n < 1 || n > INT64_C(1) << 30))
        code = broken(c, "an answer that makes no sense");
    if (code == MPART_DICT_OK) code = read_bytes(c, (size_t)n, &bytes);
    if (code != MPART_DICT_OK) return code;
    mp_rd rd = mp_rd_of(bytes, (size_t)n);
    return mp_dict_answer_read(&rd, a) ? MPART_DICT_OK : broken(c, "an answer that makes no sense");
}

/* An update failed whose caller has gone on. */
static void keep_lost(client *c, mpart_dict_code code) {
    if (c->lost != MPART_DICT_OK) return;
    c->lost = code;
    snprintf(c->lost_message, sizeof c->lost_message, "%s", c->message);
}

/* Answers of the batch under way: of its first records updates without result, whose failures are kept for later;
 * of the last n_asked ones to answers, whose bytes are copied. */
static mpart_dict_code finish_batch(client *c, size_t n_asked, result *answers) {
    int64_t n = 0;
    const uint8_t *at = c->sent.bytes.data, *end = at + c->sent.bytes.len;
    if (c->sent.n == 0) return MPART_DICT_OK;
    mpart_dict_code code = read_number(c, '*', &n);
    if (code == MPART_DICT_OK && n != (int64_t)c->sent.n)
        code = broken(c, "an answer that makes no sense");
    for (size_t i = 0; i < c->sent.n && code == MPART_DICT_OK; i++) {
        mp_dict_record r = {0};
        mp_dict_answer a;
        (void)mp_dict_record_read(at, (size_t)(end - at), &r);
        at += r.total;
        code = read_answer(c, &a);
        if (code != MPART_DICT_OK) break;
        if (i + n_asked < c->sent.n) {
            if (a.kind == MP_DICT_ERROR && c->lost == MPART_DICT_OK)
                c->lost = answer_code(&a, &r, c->lost_message, sizeof c->lost_message);
            continue;
        }
        answers[i + n_asked - c->sent.n] = (result){a, c->kept.len};
        if (a.kind == MP_DICT_BYTES) mp_buf_put(&c->kept, a.value.bytes.p, a.value.bytes.n);
    }
    bool updates = c->sent.n > n_asked;
    c->sent.n = 0;
    mp_buf_clear(&c->sent.bytes);
    if (code != MPART_DICT_OK && updates && !c->broken) {
        keep_lost(c, code); /* the batch was refused as a whole */
        if (n_asked == 0) code = MPART_DICT_OK;
    }
    return code;
}

static mpart_dict_code send_batch(client *c) {
    mp_buf b;
    if (c->open.n == 0) return MPART_DICT_OK;
    mpart_dict_code code = connect_it(c);
    if (code == MPART_DICT_OK) code = finish_batch(c, 0, NULL);
    if (code != MPART_DICT_OK) return code;
    mp_buf_init(&b, NULL);
    mp_buf_printf(&b, "*%zu\r\n$8\r\nMPART.DO\r\n", c->open.n + 1);
    const uint8_t *at = c->open.bytes.data, *end = at + c->open.bytes.len;
    for (mp_dict_record r; at < end && mp_dict_record_read(at, (size_t)(end - at), &r);
         at += r.total) {
        mp_buf_printf(&b, "$%u\r\n", r.total);
        mp_buf_put(&b, at, r.total);
        mp_buf_put(&b, "\r\n", 2);
    }
    code = b.failed ? no_memory(c) : send_all(c, b.data, b.len);
    mp_buf_release(&b);
    batch was = c->sent;
    c->sent = c->open;
    c->open = was;
    c->generation++;
    if (code != MPART_DICT_OK) {
        keep_lost(c, code);
        c->sent.n = 0;
        mp_buf_clear(&c->sent.bytes);
    }
    return code;
}

/* ---- records ---- */

typedef struct {
    mp_dict_op op;
    unsigned flags;
    const void *key;
    size_t n;
    const mpart_dict_value *first, *second; /* arguments, NULL: none */
} request;

static mpart_dict_code put_record(client *c, const request *q, bool combines) {
    mp_buf *b = &c->open.bytes;
    if (q->n > MP_DICT_VALUE_MAX || !mp_dict_given_fits(q->first) || !mp_dict_given_fits(q->second))
        return too_large(c);
    size_t at = mp_dict_record_open(b, q->op, q->flags, q->key, q->n);
    if (q->first) mp_dict_put_given(b, q->first);
    if (q->second) mp_dict_put_given(b, q->second);
    mp_dict_record_close(b, at);
    bool failed = b->failed, large = b->len - at > MP_DICT_VALUE_MAX;
    if (failed || large) {
        b->failed = false;
        b->len = at;
        return failed ? no_memory(c) : too_large(c);
    }
    recent *seen = &c->recent[mp_hash_bytes(q->key, q->n) % RECENT];
    mp_dict_record r;
    if (combines && seen->generation == c->generation &&
        mp_dict_record_read(b->data + at, b->len - at, &r) &&
        mp_dict_record_combine(b->data + seen->at, &r)) {
        b->len = at;
        return MPART_DICT_OK;
    }
    *seen = (recent){c->generation, (uint32_t)at};
    c->open.n++;
    return MPART_DICT_OK;
}

static mpart_dict_code update(plugin_dict *d, const request *q) {
    client *c = d->ctx;
    mpart_dict_code code = put_record(c, q, true);
    if (code == MPART_DICT_OK && (c->open.bytes.len >= BATCH_BYTES || c->open.n >= BATCH_RECORDS))
        code = send_batch(c);
    return code;
}

/* What went wrong since it was last asked for. */
static mpart_dict_code take_lost(client *c) {
    mpart_dict_code code = c->lost;
    c->lost = MPART_DICT_OK;
    return report(c, code, c->lost_message);
}

static void begin_results(client *c) {
    mp_buf_clear(&c->kept);
}

/* Sends what waits; the answers to the last n of it. */
static mpart_dict_code ask_last(client *c, size_t n, result *answers) {
    mpart_dict_code code = send_batch(c);
    if (code == MPART_DICT_OK) code = finish_batch(c, n, answers);
    if (code == MPART_DICT_OK && c->kept.failed) {
        c->kept.failed = false;
        code = no_memory(c);
    }
    return code;
}

static mpart_dict_value value_of(const client *c, const result *r) {
    const mp_dict_answer *a = &r->a;
    mpart_dict_value v = {.type = (mpart_dict_type)a->value.type};
    if (v.type == MPART_DICT_INT) v.i = a->value.i;
    if (v.type == MPART_DICT_FLOAT) v.f = a->value.f;
    if (v.type == MPART_DICT_BYTES) {
        v.bytes = c->kept.data + r->at;
        v.n = a->value.bytes.n;
    }
    return v;
}

static mpart_dict_code result_of(client *c, const request *q, const mp_dict_answer *a) {
    char text[MESSAGE];
    mp_dict_record r = {.key = q->key, .key_len = (uint32_t)q->n};
    mpart_dict_code code = answer_code(a, &r, text, sizeof text);
    return report(c, code, text);
}

static mpart_dict_code ask(plugin_dict *d, const request *q, mpart_dict_value *out) {
    client *c = d->ctx;
    result a;
    mpart_dict_code code = take_lost(c);
    begin_results(c);
    if (code == MPART_DICT_OK) code = put_record(c, q, false);
    if (code == MPART_DICT_OK) code = ask_last(c, 1, &a);
    if (code == MPART_DICT_OK) code = result_of(c, q, &a.a);
    if (code == MPART_DICT_OK) *out = value_of(c, &a);
    return code;
}

static mpart_dict_code ask_flag(plugin_dict *d, const request *q, int *flag) {
    mpart_dict_value v;
    mpart_dict_code code = ask(d, q, &v);
    if (code == MPART_DICT_OK) *flag = v.i != 0;
    return code;
}

/* ---- the calls ---- */

static mpart_dict_code put(plugin_dict *d, const void *key, size_t n, const mpart_dict_value *v) {
    return update(d, &(request){MP_DICT_PUT, 0, key, n, v, NULL});
}

static mpart_dict_code take_away(plugin_dict *d, const void *key, size_t n) {
    return update(d, &(request){MP_DICT_DELETE, 0, key, n, NULL, NULL});
}

static mpart_dict_code add(plugin_dict *d, const void *key, size_t n, const mpart_dict_value *v) {
    return update(d, &(request){MP_DICT_ADD, 0, key, n, v, NULL});
}

static mpart_dict_code least(plugin_dict *d, const void *key, size_t n, const mpart_dict_value *v) {
    return update(d, &(request){MP_DICT_MIN, 0, key, n, v, NULL});
}

static mpart_dict_code most(plugin_dict *d, const void *key, size_t n, const mpart_dict_value *v) {
    return update(d, &(request){MP_DICT_MAX, 0, key, n, v, NULL});
}

static mpart_dict_code append(plugin_dict *d, const void *key, size_t n, const void *bytes,
                              size_t n_bytes) {
    mpart_dict_value v = mpart_dict_bytes(bytes, n_bytes);
    return update(d, &(request){MP_DICT_APPEND, 0, key, n, &v, NULL});
}

static mpart_dict_code get(plugin_dict *d, const void *key, size_t n, mpart_dict_value *out) {
    return ask(d, &(request){MP_DICT_GET, 0, key, n, NULL, NULL}, out);
}

static mpart_dict_code exists(plugin_dict *d, const void *key, size_t n, int *there) {
    return ask_flag(d, &(request){MP_DICT_EXISTS, 0, key, n, NULL, NULL}, there);
}

static mpart_dict_code put_new(plugin_dict *d, const void *key, size_t n, const mpart_dict_value *v,
                               int *stored) {
    return ask_flag(d, &(request){MP_DICT_PUT, MP_DICT_IF_NEW, key, n, v, NULL}, stored);
}

static mpart_dict_code fetch_add(plugin_dict *d, const void *key, size_t n,
                                 const mpart_dict_value *delta, mpart_dict_value *out) {
    return ask(d, &(request){MP_DICT_ADD, 0, key, n, delta, NULL}, out);
}

static mpart_dict_code swap(plugin_dict *d, const void *key, size_t n,
                            const mpart_dict_value *expected, const mpart_dict_value *new_value,
                            int *swapped) {
    return ask_flag(d, &(request){MP_DICT_CAS, 0, key, n, expected, new_value}, swapped);
}

static mpart_dict_code get_some(client *c, size_t n, const void *const *keys, const size_t *n_bytes,
                                result *answers) {
    mpart_dict_code code = MPART_DICT_OK;
    for (size_t i = 0; i < n && code == MPART_DICT_OK; i++)
        code = put_record(c, &(request){MP_DICT_GET, 0, keys[i], n_bytes[i], NULL, NULL}, false);
    if (code == MPART_DICT_OK) code = ask_last(c, n, answers);
    for (size_t i = 0; i < n && code == MPART_DICT_OK; i++)
        code = result_of(c, &(request){.key = keys[i], .n = n_bytes[i]}, &answers[i].a);
    return code;
}

static mpart_dict_code get_many(plugin_dict *d, size_t n_keys, const void *const *keys,
                                const size_t *n_bytes, mpart_dict_value *values) {
    client *c = d->ctx;
    result *answers = calloc(n_keys + 1, sizeof *answers);
    mpart_dict_code code = answers ? take_lost(c) : no_memory(c);
    begin_results(c);
    for (size_t at = 0; at < n_keys && code == MPART_DICT_OK; at += BATCH_RECORDS) {
        size_t n = n_keys - at < BATCH_RECORDS ? n_keys - at : BATCH_RECORDS;
        code = get_some(c, n, keys + at, n_bytes + at, answers + at);
    }
    for (size_t i = 0; i < n_keys && code == MPART_DICT_OK; i++)
        values[i] = value_of(c, &answers[i]);
    free(answers);
    return code;
}

/* A command that is no record; what was asked before is done by then. */
static mpart_dict_code plain(plugin_dict *d, const char *command, char kind, int64_t *out) {
    client *c = d->ctx;
    const char *line;
    size_t n;
    mpart_dict_code code = take_lost(c);
    if (code == MPART_DICT_OK) code = connect_it(c);
    if (code == MPART_DICT_OK) code = ask_last(c, 0, NULL);
    if (code == MPART_DICT_OK) code = send_all(c, (const uint8_t *)command, strlen(command));
    if (code == MPART_DICT_OK && kind == ':') return read_number(c, ':', out);
    if (code == MPART_DICT_OK) code = read_line(c, &line, &n);
    if (code == MPART_DICT_OK && (n == 0 || *line != kind)) code = broken(c, "it refused");
    return code;
}

static mpart_dict_code count_keys(plugin_dict *d, int64_t *n_keys) {
    return plain(d, "DBSIZE\r\n", ':', n_keys);
}

static mpart_dict_code clear(plugin_dict *d) {
    int64_t unused;
    return plain(d, "FLUSHALL\r\n", '+', &unused);
}

/* The ranks serve each other without it. */
static mpart_dict_code progress(plugin_dict *d) {
    client *c = d->ctx;
    return take_lost(c);
}

static const char *message(plugin_dict *d) {
    const client *c = d->ctx;
    return c->message;
}

const struct mpart_plugin_dict *mp_plugin_dict_new(const char *path) {
    client *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->path = path;
    c->fd = -1;
    c->generation = 1;
    mp_buf_init(&c->open.bytes, NULL);
    mp_buf_init(&c->sent.bytes, NULL);
    mp_buf_init(&c->in, NULL);
    mp_buf_init(&c->kept, NULL);
    c->api = (struct mpart_plugin_dict){.size = sizeof c->api,
                                        .ctx = c,
                                        .put = put,
                                        .remove = take_away,
                                        .add = add,
                                        .min = least,
                                        .max = most,
                                        .append = append,
                                        .get = get,
                                        .exists = exists,
                                        .put_new = put_new,
                                        .fetch_add = fetch_add,
                                        .compare_and_swap = swap,
                                        .get_many = get_many,
                                        .n_keys = count_keys,
                                        .clear = clear,
                                        .progress = progress,
                                        .message = message};
    return &c->api;
}

void mp_plugin_dict_drain(const struct mpart_plugin_dict *d) {
    int64_t n;
    /* the first call may tell of a failure instead of waiting */
    if (d->n_keys(d, &n) != MPART_DICT_OK) (void)d->n_keys(d, &n);
    (void)d->progress(d);
}

mp_status mp_plugin_dict_settle(const struct mpart_plugin_dict *d, mp_error *err) {
    int64_t n;
    mpart_dict_code code = d->n_keys(d, &n);
    if (code == MPART_DICT_OK) code = d->progress(d);
    if (code == MPART_DICT_OK) return MP_OK;
    return mp_error_set(err, MP_FAILED, "an operation on the dictionary failed", "%s",
                        d->message(d));
}
