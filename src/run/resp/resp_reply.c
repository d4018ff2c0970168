/* resp_reply.c - answers of the dictionary as RESP2, in the order of the commands.
 * Invariant: the answer of the first command under way goes straight to the client's output, any other waits in the
 * ring; an answer that finds no memory becomes an error, which waits until there is room for it. */
#include <stdio.h>

#include "run/resp/resp_state.h"

enum { ERROR_BYTES = 128, RING_LEAST = 16 };

static mp_resp_pending *pending_of(mp_resp_client *c, uint64_t number) {
    return &c->ring[number & (c->cap_ring - 1)];
}

static bool grow_ring(mp_resp_client *c) {
    mp_mem *mem = c->server->args.mem;
    size_t cap = c->cap_ring ? 2 * c->cap_ring : RING_LEAST;
    mp_resp_pending *ring = mp_mem_alloc(mem, cap * sizeof *ring);
    if (!ring) return false;
    for (uint64_t i = c->first; i < c->end; i++)
        ring[i & (cap - 1)] = *pending_of(c, i);
    mp_mem_free(mem, c->ring);
    c->ring = ring;
    c->cap_ring = cap;
    return true;
}

bool mp_resp_ring_room(mp_resp_client *c) {
    return c->end - c->first < c->cap_ring || grow_ring(c);
}

mp_resp_pending *mp_resp_begin(mp_resp_client *c, mp_reply_kind kind, uint32_t n_parts) {
    mp_mem *mem = c->server->args.mem;
    if (!mp_resp_ring_room(c)) return NULL;
    mp_resp_pending p = {.kind = kind, .n_parts = n_parts, .n_left = n_parts};
    mp_buf_init(&p.text, mem);
    mp_buf_init(&p.error, mem);
    if (kind == MP_REPLY_EACH_BULK || kind == MP_REPLY_EACH_RAW) {
        p.parts = mp_mem_calloc(mem, n_parts, sizeof *p.parts);
        if (!p.parts) return NULL;
    }
    mp_resp_pending *out = pending_of(c, c->end++);
    *out = p;
    return out;
}

mp_resp_pending *mp_resp_pending_last(mp_resp_client *c) {
    return pending_of(c, c->end - 1);
}

static void release_pending(mp_resp_client *c, mp_resp_pending *p) {
    mp_buf_release(&p->text);
    mp_buf_release(&p->error);
    mp_mem_free(c->server->args.mem, p->parts);
    p->parts = NULL;
}

void mp_resp_release_ring(mp_resp_client *c) {
    for (; c->first < c->end; c->first++)
        release_pending(c, pending_of(c, c->first));
    mp_mem_free(c->server->args.mem, c->ring);
    c->ring = NULL;
    c->cap_ring = 0;
}

/* ---- one answer ---- */

static void put_error(mp_resp_client *c, mp_buf *b, const mp_dict_answer *a) {
    char line[800];
    c->server->counts.errors++;
    int n = snprintf(line, sizeof line, "-%s", mp_dict_code_text(a->code));
    if (a->code == MP_DICT_NO_MEMORY) {
        mp_error e = MP_ERROR_INIT;
        mp_error_nomem(&e, a->bytes, a->limit);
        snprintf(line + n, sizeof line - (size_t)n, ": %s (--memory)", e.why);
    }
    mp_resp_put_line(b, line);
}

static void put_value(mp_buf *b, const mp_dict_value *v) {
    char text[MP_DICT_TEXT_MAX];
    size_t n;
    if (v->type == MP_DICT_NONE) {
        mp_resp_put_nil(b);
        return;
    }
    const void *p = mp_dict_value_text(v, text, &n);
    mp_resp_put_bulk(b, p, n);
}

static void put_type(mp_buf *b, int64_t type) {
    mp_resp_put_line(b, type == MP_DICT_NONE   ? "+none"
                        : type == MP_DICT_HASH ? "+hash"
                        : type == MP_DICT_SET  ? "+set"
                                               : "+string");
}

/* The values of a list. */
static void put_values(mp_buf *b, mp_dict_answer *a, uint32_t n) {
    for (uint32_t i = 0; i < n && !a->rest.bad; i++) {
        mp_dict_value v = mp_dict_read_value(&a->rest);
        put_value(b, &v);
    }
}

/* Values of SMISMEMBER are ints, not bulks. */
static void put_ints(mp_buf *b, mp_dict_answer *a) {
    mp_resp_put_array(b, a->n);
    for (uint32_t i = 0; i < a->n && !a->rest.bad; i++)
        mp_resp_put_int(b, mp_dict_read_value(&a->rest).i);
}

static void put_one(mp_resp_client *c, mp_reply_kind kind, mp_dict_answer *a, mp_buf *b) {
    bool value = a->kind != MP_DICT_LIST;
    if (a->kind == MP_DICT_ERROR) {
        put_error(c, b, a);
        return;
    }
    switch (kind) {
    case MP_REPLY_INT:
        mp_resp_put_int(b, a->value.i);
        break;
    case MP_REPLY_STORED:
        if (a->value.i)
            mp_resp_put_line(b, "+OK");
        else
            mp_resp_put_nil(b);
        break;
    case MP_REPLY_THERE:
        mp_resp_put_int(b, a->kind != MP_DICT_NONE);
        break;
    case MP_REPLY_TTL:
        mp_resp_put_int(b, a->value.i ? -1 : -2);
        break;
    case MP_REPLY_TYPE:
        put_type(b, a->value.i);
        break;
    case MP_REPLY_INTS:
        if (!value) {
            put_ints(b, a);
        } else {
            mp_resp_put_array(b, 1);
            mp_resp_put_int(b, a->value.i);
        }
        break;
    case MP_REPLY_LIST:
        mp_resp_put_array(b, value ? 1 : a->n);
        if (value)
            put_value(b, &a->value);
        else
            put_values(b, a, a->n);
        break;
    case MP_REPLY_OK:
        mp_resp_put_line(b, "+OK");
        break;
    default:
        put_value(b, &a->value);
    }
}

/* ---- several ---- */

static void put_cursor(mp_resp_client *c, const mp_resp_pending *p, uint64_t next, mp_buf *b) {
    char text[24];
    int64_t owner = p->sum;
    uint64_t cursor = (uint64_t)owner << MP_RESP_CURSOR_BITS | next >> (64 - MP_RESP_CURSOR_BITS);
    if (next == 0)
        cursor = owner + 1 < c->server->size ? (uint64_t)(owner + 1) << MP_RESP_CURSOR_BITS : 0;
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)cursor);
    mp_resp_put_bulk(b, text, (size_t)n);
}

/* A value or an error as dict_wire.h has it. */
static void put_raw(mp_buf *b, const mp_dict_answer *a) {
    bool error = a->kind == MP_DICT_ERROR, bytes = a->kind == MP_DICT_BYTES;
    size_t n = error ? 18 : a->kind == MP_DICT_NONE ? 1 : bytes ? 5 + a->value.bytes.n : 9;
    mp_buf_printf(b, "$%zu\r\n", n);
    if (error) {
        mp_buf_u8(b, a->kind);
        mp_buf_u8(b, (uint8_t)a->code);
        mp_buf_i64(b, a->bytes);
        mp_buf_i64(b, a->limit);
    } else {
        mp_dict_put_value(b, &a->value);
    }
    mp_buf_put(b, "\r\n", 2);
}

/* Keeps what came of one operation. */
static void collect(mp_resp_client *c, mp_resp_pending *p, uint32_t part, mp_dict_answer *a) {
    if (p->kind == MP_REPLY_EACH_RAW) {
        p->parts[part].at = p->text.len;
        put_raw(&p->text, a);
        p->parts[part].len = p->text.len - p->parts[part].at;
        return;
    }
    if (p->kind == MP_REPLY_EACH_BULK && a->kind == MP_DICT_ERROR && a->code == MP_DICT_WRONG_TYPE)
        *a = (mp_dict_answer){.kind = MP_DICT_NONE};
    if (a->kind == MP_DICT_ERROR) {
        if (p->error.len == 0) put_error(c, &p->error, a);
        return;
    }
    if (p->kind == MP_REPLY_SUM || p->kind == MP_REPLY_INFO) p->sum += a->value.i;
    if (p->kind == MP_REPLY_EACH_BULK) {
        p->parts[part].at = p->text.len;
        put_value(&p->text, &a->value);
        p->parts[part].len = p->text.len - p->parts[part].at;
    }
    if (p->kind == MP_REPLY_JOIN) {
        p->sum += a->n;
        put_values(&p->text, a, a->n);
    }
    if (p->kind == MP_REPLY_SCAN && a->n > 0) {
        uint64_t next = (uint64_t)mp_dict_read_value(&a->rest).i;
        put_cursor(c, p, next, &p->text);
        mp_resp_put_array(&p->text, a->n - 1);
        put_values(&p->text, a, a->n - 1);
    }
}

static void compose(const mp_resp_client *c, mp_resp_pending *p, mp_buf *b) {
    if (p->text.failed || p->error.failed) {
        b->failed = true;
    } else if (p->error.len) {
        mp_buf_put(b, p->error.data, p->error.len);
    } else if (p->kind == MP_REPLY_SUM) {
        mp_resp_put_int(b, p->sum);
    } else if (p->kind == MP_REPLY_INFO) {
        mp_resp_put_info(c->server, p->sum, b);
    } else if (p->kind == MP_REPLY_ALL_OK) {
        mp_resp_put_line(b, "+OK");
    } else if (p->kind == MP_REPLY_EACH_BULK || p->kind == MP_REPLY_EACH_RAW) {
        mp_resp_put_array(b, p->n_parts);
        for (uint32_t i = 0; i < p->n_parts; i++)
            mp_buf_put(b, p->text.data + p->parts[i].at, p->parts[i].len);
    } else {
        if (p->kind == MP_REPLY_JOIN) mp_resp_put_array(b, (size_t)p->sum);
        if (p->kind == MP_REPLY_SCAN) mp_resp_put_array(b, 2);
        if (p->text.len) mp_buf_put(b, p->text.data, p->text.len);
    }
}

static bool has_parts(mp_reply_kind kind) {
    return kind >= MP_REPLY_SUM;
}

static bool is_heard(const mp_resp_client *c) {
    return c->fd >= 0 && !c->deaf;
}

/* What did not fit into b, which was as `was`, gives way to an error, later. */
static void take_back(mp_resp_client *c, mp_resp_pending *p, mp_buf *b, const mp_buf *was) {
    if (!b->failed) return;
    b->failed = false;
    b->len = was->len;
    b->cap = was->cap; /* it has that at least */
    c->server->counts.errors++;
    p->no_memory = true;
}

static bool room_for_error(mp_buf *b) {
    size_t cap = b->cap;
    if (mp_buf_reserve(b, ERROR_BYTES)) return true;
    b->failed = false;
    b->cap = cap;
    return false;
}

/* False: there is not even room for an error. */
static bool write_out(mp_resp_client *c, mp_resp_pending *p) {
    mp_buf was = c->out;
    if (!p->no_memory && !has_parts(p->kind) && p->text.len == 0) return true; /* it is there */
    if (!p->no_memory) {
        if (has_parts(p->kind))
            compose(c, p, &c->out);
        else
            mp_buf_put(&c->out, p->text.data, p->text.len);
        take_back(c, p, &c->out, &was);
    }
    if (!p->no_memory) return true;
    if (!room_for_error(&c->out)) return false;
    mp_resp_put_line(&c->out, "-OOM the answer does not fit in memory (--memory)");
    return true;
}

void mp_resp_flush(mp_resp_client *c) {
    while (c->first < c->end && pending_of(c, c->first)->done) {
        mp_resp_pending *p = pending_of(c, c->first);
        if (is_heard(c) && !write_out(c, p)) return;
        c->first++;
        release_pending(c, p);
    }
}

static void take(mp_resp_client *c, uint64_t number, uint32_t part, mp_dict_answer *a) {
    mp_resp_pending *p = pending_of(c, number);
    if (!is_heard(c)) {
        /* nobody reads it */
    } else if (has_parts(p->kind)) {
        collect(c, p, part, a);
    } else {
        mp_buf *b = number == c->first ? &c->out : &p->text, was = *b;
        put_one(c, p->kind, a, b);
        take_back(c, p, b, &was);
    }
    p->done = --p->n_left == 0;
    if (p->done && number == c->first) mp_resp_flush(c);
}

void mp_resp_on_answer(void *client, uint64_t tag, mp_rd answer) {
    mp_resp_client *c = client;
    mp_dict_answer a;
    size_t n = mp_rd_left(&answer);
    c->usual_answer = n > c->usual_answer / 2 ? n : c->usual_answer / 2;
    if (!mp_dict_answer_read(&answer, &a))
        a = (mp_dict_answer){.kind = MP_DICT_ERROR, .code = MP_DICT_BAD_RECORD};
    take(c, tag >> MP_RESP_PART_BITS, (uint32_t)(tag & ((1u << MP_RESP_PART_BITS) - 1)), &a);
}

void mp_resp_part_failed(mp_resp_client *c, uint32_t part, const mp_error *err) {
    mp_mem *mem = c->server->args.mem;
    mp_dict_answer a = {.kind = MP_DICT_ERROR};
    a.code = err->status == MP_NOMEM ? MP_DICT_NO_MEMORY : MP_DICT_TOO_LONG;
    a.bytes = mem->refused_bytes;
    a.limit = mem->limit_bytes;
    take(c, c->end - 1, part, &a);
}

mp_buf *mp_resp_at_once(mp_resp_client *c) {
    return &mp_resp_begin(c, MP_REPLY_OK, 1)->text;
}

void mp_resp_at_once_done(mp_resp_client *c) {
    mp_resp_pending *p = pending_of(c, c->end - 1);
    mp_buf empty = {.mem = p->text.mem};
    p->n_left = 0;
    p->done = true;
    take_back(c, p, &p->text, &empty);
    mp_resp_flush(c);
}

void mp_resp_refuse(mp_resp_client *c, int64_t n_bytes) {
    mp_dict_answer a = {.kind = MP_DICT_ERROR, .code = MP_DICT_NO_MEMORY, .bytes = n_bytes};
    a.limit = c->server->args.mem->limit_bytes;
    put_error(c, mp_resp_at_once(c), &a);
    mp_resp_at_once_done(c);
}
