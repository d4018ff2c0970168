/* resp_keys.c - commands on plain values and on keys.
 * Invariant: what is wrong with a command is answered before the first of its operations is opened. */
#include "run/resp/resp_command.h"

static void put_arg(mp_resp_run_ctx *x, size_t i) {
    mp_dict_put_bytes(x->b, x->a[i].p, x->a[i].n);
}

static void put_second(mp_resp_run_ctx *x) {
    put_arg(x, 2);
}

void mp_resp_one_key(mp_resp_run_ctx *x) {
    mp_resp_single(x, x->cmd->op, x->cmd->flags, x->cmd->reply, NULL);
}

/* An operation for each of the keys. */
void mp_resp_each_key(mp_resp_run_ctx *x) {
    if (!mp_resp_start(x, x->cmd->reply, x->n - 1)) return;
    for (size_t i = 1; i < x->n; i++)
        if (mp_resp_open(x, (uint32_t)(i - 1), x->cmd->op, 0, &x->a[i]))
            mp_resp_close(x, (uint32_t)(i - 1));
}

/* MPART.DO record...: operations on keys as dict_wire.h writes them, those of plug-ins. */
void mp_resp_records(mp_resp_run_ctx *x) {
    mp_dict_record r = {0};
    for (size_t i = 1; i < x->n; i++)
        if (!mp_dict_record_read(x->a[i].p, x->a[i].n, &r) || r.total != x->a[i].n ||
            r.op < MP_DICT_GET || r.op > MP_DICT_CAS) {
            mp_resp_say(x, "-ERR malformed request");
            return;
        }
    if (!mp_resp_start(x, x->cmd->reply, x->n - 1)) return;
    for (size_t i = 1; i < x->n; i++) {
        uint32_t part = (uint32_t)(i - 1);
        (void)mp_dict_record_read(x->a[i].p, x->a[i].n, &r);
        mp_resp_arg key = {r.key, r.key_len};
        unsigned flags = r.flags & (MP_DICT_IF_NEW | MP_DICT_IF_OLD | MP_DICT_OLD);
        if (!mp_resp_open(x, part, (mp_dict_op)r.op, flags, &key)) continue;
        mp_buf_put(x->b, r.args, r.args_len);
        mp_resp_close(x, part);
    }
}

void mp_resp_set(mp_resp_run_ctx *x) {
    unsigned flags = 0;
    for (size_t i = 3; i < x->n; i++) {
        const mp_resp_arg *a = &x->a[i];
        if (mp_resp_is(a, "ex") || mp_resp_is(a, "px") || mp_resp_is(a, "exat") ||
            mp_resp_is(a, "pxat")) {
            mp_resp_no_expiry(x);
            return;
        }
        flags |= mp_resp_is(a, "nx")    ? MP_DICT_IF_NEW
                 : mp_resp_is(a, "xx")  ? MP_DICT_IF_OLD
                 : mp_resp_is(a, "get") ? MP_DICT_OLD
                                        : 0u;
        bool known = mp_resp_is(a, "nx") || mp_resp_is(a, "xx") || mp_resp_is(a, "get") ||
                     mp_resp_is(a, "keepttl");
        if (!known || (flags & MP_DICT_IF_NEW && flags & MP_DICT_IF_OLD)) {
            mp_resp_say(x, "-ERR syntax error");
            return;
        }
    }
    mp_resp_single(x, MP_DICT_PUT, flags, flags & MP_DICT_OLD ? MP_REPLY_BULK : MP_REPLY_STORED,
                   put_second);
}

void mp_resp_getset(mp_resp_run_ctx *x) {
    mp_resp_single(x, x->cmd->op, x->cmd->flags, x->cmd->reply, put_second);
}

void mp_resp_append(mp_resp_run_ctx *x) {
    mp_resp_single(x, MP_DICT_APPEND, 0, MP_REPLY_INT, put_second);
}

static void put_old_and_new(mp_resp_run_ctx *x) {
    put_arg(x, 2);
    put_arg(x, 3);
}

void mp_resp_cas(mp_resp_run_ctx *x) {
    mp_resp_single(x, MP_DICT_CAS, 0, MP_REPLY_INT, put_old_and_new);
}

static void add(mp_resp_run_ctx *x, int64_t delta) {
    if (!mp_resp_start(x, MP_REPLY_INT, 1) ||
        !mp_resp_open(x, 0, MP_DICT_ADD, MP_DICT_BY_TEXT, &x->a[1]))
        return;
    mp_dict_put_int(x->b, delta);
    mp_resp_close(x, 0);
}

/* flags of the table: 1 for those that subtract. */
void mp_resp_incr(mp_resp_run_ctx *x) {
    add(x, x->cmd->flags ? -1 : 1);
}

void mp_resp_incrby(mp_resp_run_ctx *x) {
    int64_t delta;
    if (!mp_resp_int(x, 2, &delta)) return;
    if (x->cmd->flags && delta == INT64_MIN)
        mp_resp_say(x, "-ERR decrement would overflow");
    else
        add(x, x->cmd->flags ? -delta : delta);
}

/* A number, or the text that is none, which is an error behind that of the key's type. */
static void put_float(mp_resp_run_ctx *x) {
    mp_dict_value v = {.type = MP_DICT_BYTES, .bytes = {x->a[2].p, x->a[2].n}};
    double f;
    if (mp_dict_value_float(&v, &f)) v = (mp_dict_value){.type = MP_DICT_FLOAT, .f = f};
    mp_dict_put_value(x->b, &v);
}

void mp_resp_incrbyfloat(mp_resp_run_ctx *x) {
    mp_resp_single(x, MP_DICT_ADD, 0, MP_REPLY_BULK, put_float);
}

void mp_resp_mset(mp_resp_run_ctx *x) {
    if (x->n % 2 == 0) {
        mp_resp_say(x, "-ERR wrong number of arguments for 'mset' command");
        return;
    }
    if (!mp_resp_start(x, MP_REPLY_ALL_OK, x->n / 2)) return;
    for (size_t i = 1; i + 1 < x->n; i += 2) {
        uint32_t part = (uint32_t)(i / 2);
        if (!mp_resp_open(x, part, MP_DICT_PUT, 0, &x->a[i])) continue;
        put_arg(x, i + 1);
        mp_resp_close(x, part);
    }
}

void mp_resp_ttl(mp_resp_run_ctx *x) {
    mp_resp_single(x, MP_DICT_EXISTS, 0, MP_REPLY_TTL, NULL);
}

/* ---- all keys ---- */

/* One operation on every rank. */
void mp_resp_all(mp_resp_run_ctx *x) {
    int size = x->c->server->size;
    if (!mp_resp_start(x, x->cmd->reply, (size_t)size)) return;
    for (int r = 0; r < size; r++)
        if (mp_resp_open_at(x, (uint32_t)r, x->cmd->op, r)) mp_resp_close(x, (uint32_t)r);
}

/* FLUSHALL [ASYNC|SYNC] */
void mp_resp_flush_all(mp_resp_run_ctx *x) {
    if (x->n > 2 || (x->n == 2 && !mp_resp_is(&x->a[1], "async") && !mp_resp_is(&x->a[1], "sync")))
        mp_resp_say(x, "-ERR syntax error");
    else
        mp_resp_all(x);
}

void mp_resp_keys(mp_resp_run_ctx *x) {
    int size = x->c->server->size;
    if (!mp_resp_start(x, MP_REPLY_JOIN, (size_t)size)) return;
    for (int r = 0; r < size; r++) {
        if (!mp_resp_open_at(x, (uint32_t)r, MP_DICT_KEYS, r)) continue;
        mp_buf_bytes(x->b, x->a[1].p, x->a[1].n);
        mp_resp_close(x, (uint32_t)r);
    }
}

typedef struct {
    uint64_t cursor;
    uint32_t count, type;
    mp_resp_arg pattern;
} scan;

static uint32_t type_of(const mp_resp_arg *a) {
    return mp_resp_is(a, "string") ? MP_DICT_BYTES
           : mp_resp_is(a, "hash") ? MP_DICT_HASH
           : mp_resp_is(a, "set")  ? MP_DICT_SET
                                   : UINT32_MAX; /* there is no such */
}

static bool scan_options(mp_resp_run_ctx *x, scan *s) {
    for (size_t i = 2; i < x->n; i += 2) {
        int64_t count = 0;
        if (i + 1 == x->n) {
            mp_resp_say(x, "-ERR syntax error");
            return false;
        }
        const mp_resp_arg *name = &x->a[i], *value = &x->a[i + 1];
        if (mp_resp_is(name, "match")) {
            s->pattern = *value;
        } else if (mp_resp_is(name, "type")) {
            s->type = type_of(value);
        } else if (mp_resp_is(name, "count")) {
            if (!mp_resp_int(x, i + 1, &count)) return false;
        } else {
            count = -1;
        }
        if (mp_resp_is(name, "count") ? count < 1 : count < 0) {
            mp_resp_say(x, "-ERR syntax error");
            return false;
        }
        if (count > 0) s->count = count > 1000000 ? 1000000 : (uint32_t)count;
    }
    return true;
}

void mp_resp_scan(mp_resp_run_ctx *x) {
    mp_dict_value text = {.type = MP_DICT_BYTES, .bytes = {x->a[1].p, x->a[1].n}};
    scan s = {.count = 10, .pattern = {(const uint8_t *)"*", 1}};
    int64_t cursor;
    if (!mp_dict_value_int(&text, &cursor) || cursor < 0) {
        mp_resp_say(x, "-ERR invalid cursor");
        return;
    }
    if (!scan_options(x, &s)) return;
    int owner = (int)(cursor >> MP_RESP_CURSOR_BITS);
    if (cursor >> MP_RESP_CURSOR_BITS >= x->c->server->size) owner = x->c->server->size - 1;
    if (!mp_resp_start(x, MP_REPLY_SCAN, 1)) return;
    mp_resp_pending_last(x->c)->sum = owner;
    if (!mp_resp_open_at(x, 0, MP_DICT_SCAN, owner)) return;
    mp_buf_u64(x->b, (uint64_t)cursor << (64 - MP_RESP_CURSOR_BITS));
    mp_buf_u32(x->b, s.count);
    mp_buf_bytes(x->b, s.pattern.p, s.pattern.n);
    mp_buf_u32(x->b, s.type);
    mp_resp_close(x, 0);
}
