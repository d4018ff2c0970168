/* resp_command.c - the table of commands, and the steps that all of them use.
 * Invariant: the table is in the order of the names, which the search relies on and a test proves. */
#include "run/resp/resp_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { NAME_MAX_BYTES = 24 };

#define ANY MP_REPLY_OK

/* name, arity, function, operation, reply, flags */
static const mp_resp_command COMMANDS[] = {
    {"append", 3, mp_resp_append, MP_DICT_APPEND, MP_REPLY_INT, 0},
    {"auth", -2, mp_resp_auth, MP_DICT_GET, ANY, 0},
    {"cas", 4, mp_resp_cas, MP_DICT_CAS, MP_REPLY_INT, 0},
    {"client", -2, mp_resp_client_command, MP_DICT_GET, ANY, 0},
    {"command", -1, mp_resp_command_command, MP_DICT_GET, ANY, 0},
    {"config", -2, mp_resp_config, MP_DICT_GET, ANY, 0},
    {"dbsize", 1, mp_resp_all, MP_DICT_SIZE, MP_REPLY_SUM, 0},
    {"decr", 2, mp_resp_incr, MP_DICT_ADD, MP_REPLY_INT, 1},
    {"decrby", 3, mp_resp_incrby, MP_DICT_ADD, MP_REPLY_INT, 1},
    {"del", -2, mp_resp_each_key, MP_DICT_DELETE, MP_REPLY_SUM, 0},
    {"discard", 1, mp_resp_refused, MP_DICT_GET, ANY, 0},
    {"echo", 2, mp_resp_echo, MP_DICT_GET, ANY, 0},
    {"exec", 1, mp_resp_refused, MP_DICT_GET, ANY, 0},
    {"exists", -2, mp_resp_each_key, MP_DICT_EXISTS, MP_REPLY_SUM, 0},
    {"expire", -3, mp_resp_no_expiry, MP_DICT_GET, ANY, 0},
    {"expireat", -3, mp_resp_no_expiry, MP_DICT_GET, ANY, 0},
    {"flushall", -1, mp_resp_flush_all, MP_DICT_CLEAR, MP_REPLY_ALL_OK, 0},
    {"flushdb", -1, mp_resp_flush_all, MP_DICT_CLEAR, MP_REPLY_ALL_OK, 0},
    {"get", 2, mp_resp_one_key, MP_DICT_GET, MP_REPLY_BULK, 0},
    {"getdel", 2, mp_resp_one_key, MP_DICT_DELETE, MP_REPLY_BULK, MP_DICT_OLD},
    {"getset", 3, mp_resp_getset, MP_DICT_PUT, MP_REPLY_BULK, MP_DICT_OLD},
    {"hdel", -3, mp_resp_names, MP_DICT_HDEL, MP_REPLY_INT, 0},
    {"hello", -1, mp_resp_hello, MP_DICT_GET, ANY, 0},
    {"hexists", 3, mp_resp_hexists, MP_DICT_HGET, MP_REPLY_THERE, 0},
    {"hget", 3, mp_resp_names, MP_DICT_HGET, MP_REPLY_BULK, 0},
    {"hgetall", 2, mp_resp_one_key, MP_DICT_HALL, MP_REPLY_LIST, 0},
    {"hincrby", 4, mp_resp_hincrby, MP_DICT_HADD, MP_REPLY_INT, 0},
    {"hincrbyfloat", 4, mp_resp_hincrbyfloat, MP_DICT_HADD, MP_REPLY_BULK, 0},
    {"hkeys", 2, mp_resp_one_key, MP_DICT_HKEYS, MP_REPLY_LIST, 0},
    {"hlen", 2, mp_resp_one_key, MP_DICT_HLEN, MP_REPLY_INT, 0},
    {"hmget", -3, mp_resp_names, MP_DICT_HGET, MP_REPLY_LIST, 0},
    {"hmset", -4, mp_resp_hset, MP_DICT_HSET, MP_REPLY_OK, 0},
    {"hset", -4, mp_resp_hset, MP_DICT_HSET, MP_REPLY_INT, 0},
    {"hsetnx", 4, mp_resp_hset, MP_DICT_HSET, MP_REPLY_INT, MP_DICT_IF_NEW},
    {"hvals", 2, mp_resp_one_key, MP_DICT_HVALS, MP_REPLY_LIST, 0},
    {"incr", 2, mp_resp_incr, MP_DICT_ADD, MP_REPLY_INT, 0},
    {"incrby", 3, mp_resp_incrby, MP_DICT_ADD, MP_REPLY_INT, 0},
    {"incrbyfloat", 3, mp_resp_incrbyfloat, MP_DICT_ADD, MP_REPLY_BULK, 0},
    {"info", -1, mp_resp_all, MP_DICT_SIZE, MP_REPLY_INFO, 0},
    {"keys", 2, mp_resp_keys, MP_DICT_KEYS, MP_REPLY_JOIN, 0},
    {"mget", -2, mp_resp_each_key, MP_DICT_GET, MP_REPLY_EACH_BULK, 0},
    {"mpart.do", -2, mp_resp_records, MP_DICT_GET, MP_REPLY_EACH_RAW, 0},
    {"mset", -3, mp_resp_mset, MP_DICT_PUT, MP_REPLY_ALL_OK, 0},
    {"multi", 1, mp_resp_refused, MP_DICT_GET, ANY, 0},
    {"pexpire", -3, mp_resp_no_expiry, MP_DICT_GET, ANY, 0},
    {"ping", -1, mp_resp_ping, MP_DICT_GET, ANY, 0},
    {"psetex", 4, mp_resp_no_expiry, MP_DICT_GET, ANY, 0},
    {"psubscribe", -2, mp_resp_refused, MP_DICT_GET, ANY, 0},
    {"publish", 3, mp_resp_refused, MP_DICT_GET, ANY, 0},
    {"quit", -1, mp_resp_quit, MP_DICT_GET, ANY, 0},
    {"sadd", -3, mp_resp_names, MP_DICT_SADD, MP_REPLY_INT, 0},
    {"scan", -2, mp_resp_scan, MP_DICT_SCAN, MP_REPLY_SCAN, 0},
    {"scard", 2, mp_resp_one_key, MP_DICT_SLEN, MP_REPLY_INT, 0},
    {"select", 2, mp_resp_select_db, MP_DICT_GET, ANY, 0},
    {"set", -3, mp_resp_set, MP_DICT_PUT, MP_REPLY_STORED, 0},
    {"setex", 4, mp_resp_no_expiry, MP_DICT_GET, ANY, 0},
    {"setnx", 3, mp_resp_getset, MP_DICT_PUT, MP_REPLY_INT, MP_DICT_IF_NEW},
    {"sismember", 3, mp_resp_names, MP_DICT_SHAS, MP_REPLY_INT, 0},
    {"smembers", 2, mp_resp_one_key, MP_DICT_SALL, MP_REPLY_LIST, 0},
    {"smismember", -3, mp_resp_names, MP_DICT_SHAS, MP_REPLY_INTS, 0},
    {"srem", -3, mp_resp_names, MP_DICT_SREM, MP_REPLY_INT, 0},
    {"strlen", 2, mp_resp_one_key, MP_DICT_LENGTH, MP_REPLY_INT, 0},
    {"subscribe", -2, mp_resp_refused, MP_DICT_GET, ANY, 0},
    {"touch", -2, mp_resp_each_key, MP_DICT_EXISTS, MP_REPLY_SUM, 0},
    {"ttl", 2, mp_resp_ttl, MP_DICT_EXISTS, MP_REPLY_TTL, 0},
    {"type", 2, mp_resp_one_key, MP_DICT_TYPE, MP_REPLY_TYPE, 0},
    {"unlink", -2, mp_resp_each_key, MP_DICT_DELETE, MP_REPLY_SUM, 0},
    {"unwatch", 1, mp_resp_refused, MP_DICT_GET, ANY, 0},
    {"watch", -2, mp_resp_refused, MP_DICT_GET, ANY, 0},
};
enum { N_COMMANDS = sizeof COMMANDS / sizeof *COMMANDS };

int mp_resp_n_commands(void) {
    return N_COMMANDS;
}

const char *mp_resp_command_name(int i) {
    return COMMANDS[i].name;
}

static const mp_resp_command *find(const mp_resp_arg *name) {
    char lower[NAME_MAX_BYTES];
    if (name->n >= sizeof lower) return NULL;
    for (size_t i = 0; i < name->n; i++) {
        uint8_t ch = name->p[i];
        lower[i] = (char)(ch >= 'A' && ch <= 'Z' ? ch + 32 : ch);
    }
    lower[name->n] = 0;
    if (strlen(lower) != name->n) return NULL;
    int low = 0, high = N_COMMANDS;
    while (low < high) {
        int mid = (low + high) / 2, order = strcmp(lower, COMMANDS[mid].name);
        if (order == 0) return &COMMANDS[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

bool mp_resp_is(const mp_resp_arg *a, const char *word) {
    return a->n == strlen(word) && strncasecmp((const char *)a->p, word, a->n) == 0;
}

/* ---- answers at once ---- */

void mp_resp_say(mp_resp_run_ctx *x, const char *line) {
    mp_buf *b = mp_resp_at_once(x->c);
    if (*line == '-') x->c->server->counts.errors++;
    mp_resp_put_line(b, line);
    mp_resp_at_once_done(x->c);
}

void mp_resp_say_int(mp_resp_run_ctx *x, int64_t v) {
    mp_resp_put_int(mp_resp_at_once(x->c), v);
    mp_resp_at_once_done(x->c);
}

void mp_resp_say_bulk(mp_resp_run_ctx *x, const void *p, size_t n) {
    mp_resp_put_bulk(mp_resp_at_once(x->c), p, n);
    mp_resp_at_once_done(x->c);
}

bool mp_resp_int(mp_resp_run_ctx *x, size_t i, int64_t *out) {
    mp_dict_value v = {.type = MP_DICT_BYTES, .bytes = {x->a[i].p, x->a[i].n}};
    if (mp_dict_value_int(&v, out)) return true;
    mp_resp_say(x, "-ERR value is not an integer or out of range");
    return false;
}

/* ---- operations ---- */

bool mp_resp_start(mp_resp_run_ctx *x, mp_reply_kind kind, size_t n_parts) {
    if (mp_resp_begin(x->c, kind, (uint32_t)n_parts)) return true;
    mp_resp_refuse(x->c, x->c->server->args.mem->refused_bytes);
    return false;
}

static bool opened(mp_resp_run_ctx *x, uint32_t part) {
    mp_error e = MP_ERROR_INIT;
    if (x->b) return true;
    mp_error_set(&e, MP_NOMEM, NULL, "no room for the operation");
    mp_resp_part_failed(x->c, part, &e);
    return false;
}

bool mp_resp_open(mp_resp_run_ctx *x, uint32_t part, mp_dict_op op, unsigned flags,
                  const mp_resp_arg *key) {
    x->b = mp_dict_open(x->c->server->args.dict, op, flags | MP_DICT_ANSWER, key->p, key->n);
    return opened(x, part);
}

bool mp_resp_open_at(mp_resp_run_ctx *x, uint32_t part, mp_dict_op op, int owner) {
    x->b = mp_dict_open_at(x->c->server->args.dict, op, MP_DICT_ANSWER, owner);
    return opened(x, part);
}

void mp_resp_close(mp_resp_run_ctx *x, uint32_t part) {
    mp_error e = MP_ERROR_INIT;
    uint64_t tag = (x->c->end - 1) << MP_RESP_PART_BITS | part;
    mp_status s = mp_dict_close(x->c->server->args.dict, mp_resp_on_answer, x->c, tag, &e);
    if (s != MP_OK) mp_resp_part_failed(x->c, part, &e);
}

void mp_resp_single(mp_resp_run_ctx *x, mp_dict_op op, unsigned flags, mp_reply_kind kind,
                    void (*fn)(mp_resp_run_ctx *x)) {
    if (!mp_resp_start(x, kind, 1) || !mp_resp_open(x, 0, op, flags, &x->a[1])) return;
    if (fn) fn(x);
    mp_resp_close(x, 0);
}

/* ---- one command ---- */

/* In Redis's words: 128 bytes of the name, and about as many of the arguments. */
static void unknown(mp_resp_run_ctx *x) {
    enum { MOST = 128 };
    char line[4 * MOST];
    int name = (int)(x->a[0].n < MOST ? x->a[0].n : MOST);
    int n =
        snprintf(line, sizeof line, "-ERR unknown command '%.*s', with args beginning with: ", name,
                 (const char *)x->a[0].p);
    int first = n;
    for (size_t i = 1; i < x->n && n - first < MOST; i++) {
        size_t most = (size_t)(MOST - (n - first));
        int len = (int)(x->a[i].n < most ? x->a[i].n : most);
        n += snprintf(line + n, sizeof line - (size_t)n, "'%.*s' ", len, (const char *)x->a[i].p);
    }
    for (char *p = line; *p; p++)
        if (*p == '\r' || *p == '\n') *p = ' ';
    mp_resp_say(x, line);
}

/* Does nobody miss it where its answer is not read? */
static bool only_answers(const mp_resp_command *cmd) {
    if (cmd->fn == mp_resp_records || cmd->fn == mp_resp_quit) return false;
    switch (cmd->op) {
    case MP_DICT_GET:
    case MP_DICT_TYPE:
    case MP_DICT_EXISTS:
    case MP_DICT_LENGTH:
    case MP_DICT_HGET:
    case MP_DICT_HALL:
    case MP_DICT_HKEYS:
    case MP_DICT_HVALS:
    case MP_DICT_HLEN:
    case MP_DICT_SHAS:
    case MP_DICT_SALL:
    case MP_DICT_SLEN:
    case MP_DICT_KEYS:
    case MP_DICT_SCAN:
    case MP_DICT_SIZE:
        return true;
    default:
        return false;
    }
}

void mp_resp_run(mp_resp_client *c) {
    mp_resp_run_ctx x = {.c = c, .a = c->parser.args, .n = c->parser.n_args};
    char line[100];
    if (x.n == 0) return;
    c->server->counts.commands++;
    x.cmd = find(&x.a[0]);
    if (!x.cmd) {
        unknown(&x);
    } else if (x.cmd->arity > 0 ? x.n != (size_t)x.cmd->arity : x.n < (size_t)-x.cmd->arity) {
        snprintf(line, sizeof line, "-ERR wrong number of arguments for '%s' command", x.cmd->name);
        mp_resp_say(&x, line);
    } else if (!c->deaf || !only_answers(x.cmd)) {
        x.cmd->fn(&x);
    }
}
